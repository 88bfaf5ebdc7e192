/* node_report.c: what a PBX says, on whole nodes over a modelled database. */
#include "node_fixture.h"

#define A      (&peers[0]) /* the node beside the PBX */
#define B      (&peers[1]) /* one that looks on */
#define NOBODY STATE_INVALID

/* ---- the link of A's PBX ---- */

static void link_up(void)
{
	node_now(A->node, world_now(db));
	node_report_up(A->node);
}

static void begins(void)
{
	node_now(A->node, world_now(db));
	node_report_begin(A->node);
}

static void ends(void)
{
	node_now(A->node, world_now(db));
	node_report_end(A->node);
}

static void lost(void)
{
	node_now(A->node, world_now(db));
	node_report_lost(A->node);
}

static void bye(void)
{
	node_now(A->node, world_now(db));
	node_report_bye(A->node);
}

static void reports(const char *device, enum device_state s)
{
	struct value v = {.state = s};

	node_now(A->node, world_now(db));
	node_report_set(A->node, KEY_DEVICE, device, &v);
}

static void reports_box(const char *key, uint32_t fresh)
{
	struct value v = {.fresh = fresh};

	node_now(A->node, world_now(db));
	node_report_set(A->node, KEY_MAILBOX, key, &v);
}

/* A full report of two devices and a mailbox. */
static void full_report(void)
{
	link_up();
	begins();
	reports("PJSIP/1", STATE_INUSE);
	reports("PJSIP/2", STATE_NOT_INUSE);
	reports_box("1@d", 2);
	ends();
}

static void expect_both(const char *device, enum device_state s)
{
	expect_state(A, device, s);
	expect_state(B, device, s);
}

static uint32_t box_of(const struct peer *p, const char *key, int *entities)
{
	struct sum sum;

	cache_sum(node_cache(p->node), KEY_MAILBOX, key, &sum);
	if (entities)
		*entities = sum.entities;
	return sum.value.fresh;
}

static bool reporting_of(const struct peer *p)
{
	struct payload_head head;

	assert_true(model_head(world_model(db), &p->id, &head));
	return head.reporting;
}

static int64_t seq_of(const struct peer *p)
{
	struct payload_head head;

	assert_true(model_head(world_model(db), &p->id, &head));
	return head.seq;
}

static void expect_report(enum report_state s)
{
	assert_string_equal(report_state_name(status(A).report), report_state_name(s));
}

/* ---- a report ---- */

static void counts_when_it_is_complete(void **arg)
{
	int64_t seq;

	(void)arg;
	begin_two();
	expect_report(REPORT_NONE);
	link_up();
	expect_report(REPORT_AWAITED);
	begins();
	expect_report(REPORT_OPEN);
	reports("PJSIP/1", STATE_INUSE);
	reports_box("1@d", 2);
	run_s(1);
	assert_int_equal(world_rows(db, &A->id), 2); /* told already ... */
	assert_false(reporting_of(A));
	expect_both("PJSIP/1", NOBODY); /* ... but it does not count */
	assert_int_equal(box_of(B, "1@d", NULL), 0);
	seq = seq_of(A);
	reports("PJSIP/2", STATE_BUSY); /* leaves at once */
	reports("PJSIP/3", STATE_BUSY);
	ends();
	expect_state(A, "PJSIP/1", STATE_INUSE); /* at once */
	expect_report(REPORT_COMPLETE);
	run_s(0.2);
	assert_true(status(A).reporting && status(A).reporting_acked);
	expect_both("PJSIP/1", STATE_INUSE);
	expect_both("PJSIP/2", STATE_BUSY);
	assert_int_equal(box_of(B, "1@d", NULL), 2);
	assert_int_equal(seq_of(A), seq + 2); /* the rest and the flag: one publish */
	expect_agreement();
}

static void a_cut_report_removes_nothing(void **arg)
{
	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	begins();
	reports("PJSIP/1", STATE_RINGING);
	lost();
	run_s(1);
	expect_both("PJSIP/1", STATE_RINGING); /* said is said */
	expect_both("PJSIP/2", STATE_NOT_INUSE);
	assert_int_equal(world_rows(db, &A->id), 3);
	expect_agreement();
}

static void what_is_not_mentioned_is_removed(void **arg)
{
	int entities;

	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	begins();
	reports("PJSIP/2", STATE_NOT_INUSE);
	run_s(0.2);
	expect_both("PJSIP/1", STATE_INUSE); /* not before the end */
	ends();
	run_s(0.2);
	expect_both("PJSIP/1", NOBODY);
	expect_both("PJSIP/2", STATE_NOT_INUSE);
	box_of(B, "1@d", &entities);
	assert_int_equal(entities, 0);
	assert_int_equal(world_rows(db, &A->id), 1);
	expect_agreement();
}

static void changes_afterwards_count_at_once(void **arg)
{
	(void)arg;
	begin_two();
	full_report();
	reports("PJSIP/1", STATE_RINGING);
	reports("PJSIP/3", STATE_BUSY);
	assert_true(node_report_remove(A->node, KEY_DEVICE, "PJSIP/2"));
	assert_false(node_report_remove(A->node, KEY_DEVICE, "PJSIP/2"));
	run_s(0.2);
	expect_both("PJSIP/1", STATE_RINGING);
	expect_both("PJSIP/2", NOBODY);
	expect_both("PJSIP/3", STATE_BUSY);
	expect_agreement();
}

/* One is refused, so that it takes several batches; the flag goes with the last. */
static void the_flag_comes_with_the_last_batch(void **arg)
{
	char name[32];
	int64_t seq;

	(void)arg;
	begin_two();
	seq = seq_of(A);
	link_up();
	begins();
	for (int i = 0; i < 90; i++) {
		snprintf(name, sizeof(name), "PJSIP/%d", i);
		reports(name, STATE_INUSE);
	}
	world_dislike(db, "PJSIP/70"); /* halves, to the one that is left out */
	ends();
	while (!reporting_of(A)) {
		expect_state(B, "PJSIP/0", NOBODY);
		run_s(0.001);
	}
	assert_int_equal(world_rows(db, &A->id), 89);
	assert_true(seq_of(A) > seq + 2);
	run_s(0.2);
	expect_both("PJSIP/0", STATE_INUSE);
	assert_int_equal(status(A).counters[COUNT_KEYS_REFUSED], 1);
}

static void an_empty_report_is_one(void **arg)
{
	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	begins();
	ends();
	run_s(0.2);
	assert_true(reporting_of(A));
	assert_int_equal(world_rows(db, &A->id), 0);
	node_report_end(A->node); /* nothing is open: nothing happens */
	reports("PJSIP/1", STATE_BUSY);
	node_report_end(A->node);
	run_s(0.2);
	expect_both("PJSIP/1", STATE_BUSY);
	expect_agreement();
}

/* ---- the link ends ---- */

static void goodbye_ends_it_at_once(void **arg)
{
	int64_t seq;

	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	seq = seq_of(A);
	bye();
	expect_state(A, "PJSIP/1", NOBODY);
	expect_report(REPORT_NONE);
	run_s(0.2);
	expect_both("PJSIP/1", NOBODY);
	assert_int_equal(seq_of(A), seq + 1); /* one flag; the rows stay */
	assert_int_equal(world_rows(db, &A->id), 3);
	expect_agreement();
}

static void a_lost_link_has_half_a_lease(void **arg)
{
	int64_t seq;

	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	seq = seq_of(A);
	lost();
	expect_report(REPORT_KEPT);
	run_s(4.8);
	expect_both("PJSIP/1", STATE_INUSE);
	assert_int_equal(seq_of(A), seq);
	run_s(0.4);
	expect_both("PJSIP/1", NOBODY);
	expect_report(REPORT_NONE);
	assert_int_equal(seq_of(A), seq + 1); /* one row, one flag */
	assert_int_equal(world_rows(db, &A->id), 3);
	expect_agreement();
}

static void the_same_report_writes_nothing(void **arg)
{
	int64_t seq, changes;

	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	seq = seq_of(A);
	changes = B->changes;
	lost();
	run_s(3);
	full_report();
	run_s(20);
	assert_int_equal(seq_of(A), seq);
	assert_int_equal(B->changes, changes);
	expect_report(REPORT_COMPLETE);
	expect_both("PJSIP/1", STATE_INUSE);
}

static void a_link_without_a_report_does_not_prolong_it(void **arg)
{
	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	lost();
	run_s(3);
	link_up();
	begins();
	lost();
	link_up();
	begins();
	run_s(2.2);
	expect_both("PJSIP/1", NOBODY);
	expect_report(REPORT_OPEN);
	reports("PJSIP/1", STATE_INUSE);
	ends();
	run_s(0.2);
	expect_both("PJSIP/1", STATE_INUSE);
	expect_agreement();
}

static void a_bye_without_a_link_is_no_harm(void **arg)
{
	int64_t seq;

	(void)arg;
	begin_two();
	seq = seq_of(A);
	lost();
	bye();
	run_s(12);
	assert_int_equal(seq_of(A), seq);
	expect_agreement();
}

/* ---- held keys ---- */

static void the_end_leaves_the_consoles_keys(void **arg)
{
	(void)arg;
	begin_two();
	say(A, "Custom:night", STATE_INUSE);
	say(A, "Custom:day", STATE_INUSE);
	full_report();
	run_s(0.2);
	expect_both("Custom:night", STATE_INUSE);
	assert_false(node_report_remove(A->node, KEY_DEVICE, "Custom:night"));
	begins();
	ends();
	bye();
	run_s(0.2);
	expect_both("Custom:night", STATE_INUSE);
	expect_both("Custom:day", STATE_INUSE);
	expect_agreement();
}

static void held(const char *device, bool expected)
{
	const struct value *v;

	run_s(0.2);
	v = model_row(world_model(db), &A->id, KEY_DEVICE, device);
	assert_non_null(v);
	assert_int_equal(v->held, expected);
}

static void who_said_it_last_owns_it(void **arg)
{
	(void)arg;
	begin_two();
	say(A, "Custom:x", STATE_INUSE);
	full_report();
	reports("Custom:x", STATE_INUSE); /* equal, and the link's now */
	held("Custom:x", false);
	say(A, "Custom:x", STATE_INUSE); /* and the console's again */
	held("Custom:x", true);
	begins();
	ends();
	held("Custom:x", true);
	reports("Custom:x", STATE_BUSY);
	held("Custom:x", false);
	begins();
	ends();
	run_s(0.2);
	expect_both("Custom:x", STATE_UNKNOWN);
	expect_agreement();
}

/* A cut report takes nothing away: what was held is held until the end. */
static void a_held_key_stays_held_until_the_end(void **arg)
{
	(void)arg;
	begin_two();
	say(A, "Custom:x", STATE_INUSE);
	say(A, "Custom:y", STATE_INUSE);
	link_up();
	reports("Custom:x", STATE_INUSE);
	begins();
	reports("Custom:x", STATE_BUSY);
	lost();
	run_s(12);
	held("Custom:x", true);
	expect_both("Custom:x", STATE_BUSY);
	full_report(); /* does not mention it */
	held("Custom:x", true);
	begins();
	reports("Custom:x", STATE_BUSY);
	reports("Custom:y", STATE_BUSY);
	say(A, "Custom:y", STATE_INUSE); /* later: the console's */
	ends();
	held("Custom:x", false);
	held("Custom:y", true);
	expect_both("Custom:x", STATE_BUSY);
	expect_both("Custom:y", STATE_INUSE);
	expect_agreement();
}

/* ---- mailboxes ---- */

static void a_first_zero_is_no_statement(void **arg)
{
	int entities;

	(void)arg;
	begin_two();
	full_report();
	reports_box("2@d", 0);
	reports_box("1@d", 0);
	run_s(0.2);
	box_of(B, "2@d", &entities);
	assert_int_equal(entities, 0);
	assert_int_equal(box_of(B, "1@d", &entities), 0);
	assert_int_equal(entities, 1);
	assert_int_equal(world_rows(db, &A->id), 3);
	expect_agreement();
}

/* Restarted, and the PBX is quicker than the database. */
static void a_zero_waits_for_the_rows(void **arg)
{
	int entities;

	(void)arg;
	begin_two();
	full_report();
	say_box(A, "held@d", 3);
	run_s(0.2);
	stop(A);
	run_s(0.2);
	begin(0);
	link_up();
	begins();
	reports_box("1@d", 0); /* was 2 */
	reports_box("2@d", 0); /* was nothing */
	assert_false(node_report_remove(A->node, KEY_DEVICE, "PJSIP/1"));
	assert_false(node_report_remove(A->node, KEY_MAILBOX, "held@d"));
	assert_false(node_report_remove(A->node, KEY_DEVICE, "PJSIP/9"));
	reports("PJSIP/2", STATE_NOT_INUSE);
	box_of(A, "1@d", &entities);
	assert_int_equal(entities, 0);
	ends();
	run_s(1);
	assert_int_equal(box_of(A, "1@d", &entities), 0);
	assert_int_equal(entities, 1);
	assert_int_equal(box_of(B, "1@d", &entities), 0);
	assert_int_equal(entities, 1);
	box_of(A, "2@d", &entities);
	assert_int_equal(entities, 0);
	assert_int_equal(box_of(B, "held@d", NULL), 3);
	expect_both("PJSIP/1", NOBODY);
	assert_int_equal(world_rows(db, &A->id), 3);
	assert_int_equal(status(A).unsent, 0);
	expect_agreement();
}

/* ---- restart ---- */

static void a_restart_does_not_flicker(void **arg)
{
	int changes;
	int64_t rows;

	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	changes = B->changes;
	stop(A);
	run_s(2);
	begin(0);
	run_s(1);
	expect_phase(A, NODE_READY);
	expect_report(REPORT_KEPT);
	expect_both("PJSIP/1", STATE_INUSE);
	rows = status(A).counters[COUNT_ROWS_SENT];
	full_report();
	run_s(10);
	expect_report(REPORT_COMPLETE);
	assert_int_equal(B->changes, changes);
	assert_int_equal(status(A).counters[COUNT_ROWS_SENT], rows);
	assert_int_equal(rows, 0);
	expect_both("PJSIP/1", STATE_INUSE);
	expect_agreement();
}

static void a_restart_without_the_pbx_ends_it(void **arg)
{
	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	stop(A);
	begin(0);
	run_s(4.5);
	expect_both("PJSIP/1", STATE_INUSE);
	run_s(1.5);
	expect_both("PJSIP/1", NOBODY);
	assert_int_equal(world_rows(db, &A->id), 3);
	expect_agreement();
	full_report(); /* back: one flag */
	run_s(0.2);
	assert_int_equal(status(A).counters[COUNT_ROWS_SENT], 0);
	expect_both("PJSIP/1", STATE_INUSE);
}

/* The report was complete before own rows were known: what it does not mention goes. */
static void rows_of_the_last_run_that_are_not_reported_go(void **arg)
{
	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	stop(A);
	begin(0);
	link_up();
	begins();
	reports("PJSIP/2", STATE_BUSY);
	ends();
	run_s(1);
	expect_both("PJSIP/1", NOBODY);
	expect_both("PJSIP/2", STATE_BUSY);
	assert_int_equal(world_rows(db, &A->id), 1);
	expect_agreement();
}

/* Said goodbye before the node knew that it was still reporting. */
static void goodbye_before_the_rows_are_known(void **arg)
{
	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	stop(A);
	begin(0);
	link_up();
	bye();
	run_s(1);
	assert_false(reporting_of(A));
	expect_both("PJSIP/1", NOBODY);
	expect_agreement();
}

/* Its lease ran out, so that nobody counted it any more: no lamp of old times comes on.
 */
static void a_late_restart_is_not_reporting(void **arg)
{
	int changes;

	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	stop(A);
	run_s(15);
	expect_state(B, "PJSIP/1", NOBODY);
	changes = B->changes;
	begin(0);
	run_s(1);
	expect_report(REPORT_NONE);
	expect_both("PJSIP/1", NOBODY);
	assert_int_equal(B->changes, changes);
	expect_agreement();
}

static void another_host_is_not_reporting(void **arg)
{
	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	stop(A);
	run_s(15);
	begin_as(0, 1, "elsewhere", 7);
	run_s(1);
	assert_false(reporting_of(A));
	expect_both("PJSIP/1", NOBODY);
	expect_agreement();
}

/* ---- the database ---- */

static void a_session_that_was_lost_says_it_again(void **arg)
{
	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	port_break(A->port);
	bye(); /* while it cannot be told */
	run_s(3);
	assert_false(reporting_of(A));
	port_break(A->port);
	full_report();
	run_s(3);
	assert_true(reporting_of(A));
	expect_both("PJSIP/1", STATE_INUSE);
	expect_agreement();
}

static void the_flag_whose_answer_was_lost(void **arg)
{
	for (int when = PORT_CUT_BEFORE; when <= PORT_CUT_AFTER; when++) {
		begin_two();
		full_report();
		run_s(0.2);
		port_cut(A->port, DB_PUBLISH, (enum port_cut)when);
		bye();
		run_s(5);
		assert_false(reporting_of(A));
		expect_both("PJSIP/1", NOBODY);
		expect_agreement();
		world_end(arg);
		world_begin(arg);
	}
}

static void the_database_forgot_the_flag(void **arg)
{
	(void)arg;
	begin_two();
	link_up();
	begins();
	reports("PJSIP/1", STATE_INUSE);
	run_s(0.2);
	ends();
	run_s(0.2);
	assert_true(reporting_of(A));
	world_rewind(db, 1);
	run_s(5);
	assert_true(reporting_of(A));
	expect_both("PJSIP/1", STATE_INUSE);
	expect_agreement();
}

/* Longer than its lease: reaped, and back with all that it knows. */
static void away_for_longer_than_the_lease(void **arg)
{
	(void)arg;
	begin_two();
	full_report();
	run_s(0.2);
	port_freeze(A->port, true);
	run_s(15);
	expect_state(B, "PJSIP/1", NOBODY);
	port_freeze(A->port, false);
	run_s(3);
	expect_both("PJSIP/1", STATE_INUSE);
	expect_agreement();
}

static void reported_while_the_database_is_away(void **arg)
{
	(void)arg;
	begin_two();
	world_down(db, true);
	run_s(1);
	full_report();
	run_s(30);
	expect_state(A, "PJSIP/1", STATE_INUSE);
	lost();
	full_report();
	reports("PJSIP/2", STATE_BUSY);
	world_down(db, false);
	run_s(5);
	expect_both("PJSIP/1", STATE_INUSE);
	expect_both("PJSIP/2", STATE_BUSY);
	expect_agreement();
}

/* Another process has our id: what the PBX says is known here, and not shown as its. */
static void while_another_process_has_our_id(void **arg)
{
	(void)arg;
	begin_as(2, 1, "elsewhere", 7);
	run_s(1);
	begin(0);
	begin(1);
	run_s(1);
	expect_phase(A, NODE_REFUSED);
	full_report();
	bye();
	full_report();
	begins();
	reports("PJSIP/2", STATE_BUSY);
	ends();
	assert_true(node_report_remove(A->node, KEY_DEVICE, "PJSIP/2"));
	run_s(5);
	expect_both("PJSIP/1", NOBODY);
	assert_int_equal(world_rows(db, &A->id), 0);
	full_report();
	stop(&peers[2]);
	run_s(15);
	expect_phase(A, NODE_READY);
	expect_both("PJSIP/1", STATE_INUSE);
	expect_agreement();
}

/* ---- another entity id ---- */

static struct entity_id other_id = {{2, 0, 0, 0, 0, 9}};

static void becomes(struct peer *p, uint8_t last)
{
	other_id.bytes[5] = last;
	node_now(p->node, world_now(db));
	node_become(p->node, &other_id);
	p->id = other_id;
}

static void alive(uint8_t last, bool expected)
{
	struct entity_id id = {{2, 0, 0, 0, 0, last}};
	struct payload_head head = {.alive = false};

	assert_true(model_head(world_model(db), &id, &head) || !expected);
	assert_int_equal(head.alive, expected);
}

/* With all that was said, by the console and by the link. */
static void becomes_another_entity(void **arg)
{
	(void)arg;
	begin_two();
	say(A, "Custom:held", STATE_BUSY);
	unsay(A, "Custom:held");
	say(A, "Custom:held", STATE_INUSE);
	link_up();
	begins();
	becomes(A, 9);
	reports("PJSIP/1", STATE_INUSE);
	ends();
	run_s(2);
	expect_phase(A, NODE_READY);
	assert_int_equal(A->lefts, 0); /* it is not the daemon's end */
	alive(1, false);
	alive(9, true);
	assert_true(reporting_of(A));
	expect_both("PJSIP/1", STATE_INUSE);
	expect_both("Custom:held", STATE_INUSE);
	held("Custom:held", true);
	reports("PJSIP/1", STATE_RINGING);
	run_s(0.2);
	expect_both("PJSIP/1", STATE_RINGING);
	bye();
	run_s(0.2);
	expect_both("PJSIP/1", NOBODY);
	expect_agreement();
	assert_int_equal(status(A).unsent, 0);
	becomes(A, 1); /* and back: what it held there is here still */
	run_s(2);
	alive(1, true);
	alive(9, false);
	expect_both("Custom:held", STATE_INUSE);
	expect_agreement();
}

/* At any moment: before there is a session, twice, while the database is away, at the
 * end. */
static void becomes_another_entity_at_any_time(void **arg)
{
	for (int after = 0; after < 12; after++) {
		begin(0);
		begin(1);
		for (int i = 0; i < after; i++)
			world_step(db, before);
		say(A, "Custom:x", STATE_INUSE);
		if (after % 3 == 1)
			world_down(db, true);
		becomes(A, 9);
		world_step(db, before);
		becomes(A, 8);
		world_down(db, false);
		run_s(5);
		expect_phase(A, NODE_READY);
		alive(8, true);
		alive(1, false);
		expect_both("Custom:x", STATE_INUSE);
		expect_agreement();
		becomes(A, 7);
		node_leave(A->node, true); /* this is the end, whatever it was about to become */
		run_s(4);
		assert_int_equal(A->lefts, 1);
		expect_state(B, "Custom:x", STATE_UNKNOWN);
		world_end(arg);
		world_begin(arg);
	}
}

/* A host without a MAC address: nothing is asked before the telephone server has said its
 * id; what was said until then counts afterwards. */
static void waits_for_an_entity(void **arg)
{
	(void)arg;
	begin_as(0, 0, "host", 100);
	begin(1);
	say(A, "Custom:held", STATE_INUSE);
	run_s(20);
	expect_phase(A, NODE_DOWN);
	assert_int_equal(status(A).counters[COUNT_CONNECTS], 0);
	assert_string_equal(status(A).last_error, node_no_entity);
	expect_state(B, "Custom:held", STATE_UNKNOWN);
	becomes(A, 9);
	run_s(2);
	expect_phase(A, NODE_READY);
	assert_string_equal(status(A).last_error, "");
	alive(0, false);
	alive(9, true);
	expect_both("Custom:held", STATE_INUSE);
	assert_null(cache_entity_find(node_cache(A->node), &(struct entity_id){{0}}));
	expect_agreement();
	stop(A);
	begin_as(0, 0, "host", 100); /* and the end, without one */
	node_leave(A->node, true);
	run_s(1);
	assert_int_equal(A->lefts, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counts_when_it_is_complete),
		TEST(a_cut_report_removes_nothing),
		TEST(what_is_not_mentioned_is_removed),
		TEST(changes_afterwards_count_at_once),
		TEST(the_flag_comes_with_the_last_batch),
		TEST(an_empty_report_is_one),
		TEST(goodbye_ends_it_at_once),
		TEST(a_lost_link_has_half_a_lease),
		TEST(the_same_report_writes_nothing),
		TEST(a_link_without_a_report_does_not_prolong_it),
		TEST(a_bye_without_a_link_is_no_harm),
		TEST(the_end_leaves_the_consoles_keys),
		TEST(who_said_it_last_owns_it),
		TEST(a_held_key_stays_held_until_the_end),
		TEST(a_first_zero_is_no_statement),
		TEST(a_zero_waits_for_the_rows),
		TEST(a_restart_does_not_flicker),
		TEST(a_restart_without_the_pbx_ends_it),
		TEST(rows_of_the_last_run_that_are_not_reported_go),
		TEST(goodbye_before_the_rows_are_known),
		TEST(a_late_restart_is_not_reporting),
		TEST(another_host_is_not_reporting),
		TEST(a_session_that_was_lost_says_it_again),
		TEST(the_flag_whose_answer_was_lost),
		TEST(the_database_forgot_the_flag),
		TEST(away_for_longer_than_the_lease),
		TEST(reported_while_the_database_is_away),
		TEST(while_another_process_has_our_id),
		TEST(becomes_another_entity),
		TEST(becomes_another_entity_at_any_time),
		TEST(waits_for_an_entity),
	};

	log_open(LOG_TO_FILE, "/dev/null"); /* what is logged here is expected */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* node.c, session.c, node_wait.c: whole nodes on a modelled database with a simulated
 * clock. */
#include "node_fixture.h"
#include "node_parts.h"

/* ---- all is well ---- */

static void states_add_up_on_all_nodes(void **arg)
{
	(void)arg;
	begin_two();
	begin(2);
	run_s(1);
	say(&peers[0], "PJSIP/1", STATE_RINGING);
	say(&peers[1], "PJSIP/1", STATE_INUSE);
	say_box(&peers[2], "1@d", 3);
	run_s(0.1);
	for (int i = 0; i < 3; i++) {
		struct sum sum;

		expect_state(&peers[i], "PJSIP/1", STATE_RINGINUSE);
		cache_sum(node_cache(peers[i].node), KEY_MAILBOX, "1@d", &sum);
		assert_int_equal(sum.value.fresh, 3);
	}
	unsay(&peers[1], "PJSIP/1");
	run_s(0.1);
	for (int i = 0; i < 3; i++)
		expect_state(&peers[i], "PJSIP/1", STATE_RINGING);
	expect_agreement();
	run_s(30);
	for (int i = 0; i < 3; i++) {
		expect_phase(&peers[i], NODE_READY);
		assert_int_equal(status(&peers[i]).counters[COUNT_GAPS], 0);
		assert_int_equal(status(&peers[i]).counters[COUNT_AUDITS_BAD], 0);
		assert_true(status(&peers[i]).counters[COUNT_AUDITS] > 0);
		assert_int_equal(status(&peers[i]).unsent, 0);
		assert_string_equal(status(&peers[i]).last_error, "");
	}
}

static void many_keys_and_chunks(void **arg)
{
	char key[32];

	(void)arg;
	begin_two();
	for (int i = 0; i < 60; i++) {
		snprintf(key, sizeof(key), "PJSIP/%d", i);
		say(&peers[0], key, (enum device_state)(i % 9));
	}
	run_s(0.2);
	begin(2); /* and loaded in chunks */
	run_s(1);
	expect_phase(&peers[2], NODE_READY);
	expect_agreement();
	assert_int_equal(world_rows(db, &peers[0].id), 60);
	/* one at once, and what came meanwhile together */
	assert_true(status(&peers[0]).counters[COUNT_PUBLISHES] <= 2);
}

static void idle_nodes_are_quiet(void **arg)
{
	int64_t steps;

	(void)arg;
	begin_two();
	run_s(5);
	steps =
		port_requests(peers[0].port, DB_PUBLISH) + port_requests(peers[0].port, DB_TICK);
	run_s(20);
	steps = port_requests(peers[0].port, DB_PUBLISH) +
			port_requests(peers[0].port, DB_TICK) - steps;
	assert_true(steps >= 8 && steps <= 60); /* beats, and ticks where it coordinates */
	assert_true(status(&peers[0]).coordinator != status(&peers[1]).coordinator);
}

/* ---- the database is away ---- */

/* After an outage all must be back well within a lease (10 s here). */
static void tries_often_enough(void **arg)
{
	int64_t longest = 0;

	(void)arg;
	begin_two();
	world_down(db, true);
	for (int i = 0; i < 300; i++) {
		int64_t next = node_next_us(peers[0].node) - world_now(db);

		if (status(&peers[0]).phase == NODE_DOWN && next > longest)
			longest = next;
		run_s(0.1);
	}
	assert_in_range(longest, 1000000, 1900000);
	world_down(db, false);
	run_s(3);
	expect_phase(&peers[0], NODE_READY);
}

static void goes_on_and_delivers_afterwards(void **arg)
{
	(void)arg;
	begin_two();
	say(&peers[0], "A", STATE_BUSY);
	run_s(0.1);
	world_down(db, true);
	run_s(5);
	expect_phase(&peers[0], NODE_DOWN);
	assert_true(status(&peers[0]).last_error[0]);
	expect_state(&peers[1], "A", STATE_BUSY);
	say(&peers[0], "A", STATE_INUSE);
	say(&peers[0], "B", STATE_RINGING);
	say(&peers[0], "B", STATE_ONHOLD);
	expect_state(&peers[0], "B", STATE_ONHOLD); /* its own, at once */
	assert_int_equal(status(&peers[0]).unsent, 2);
	world_down(db, false);
	run_s(20);
	expect_state(&peers[1], "A", STATE_INUSE);
	expect_state(&peers[1], "B", STATE_ONHOLD);
	expect_agreement();
	assert_string_equal(status(&peers[0]).last_error, "");
}

static void stale_after(void **arg)
{
	(void)arg;
	begin_two();
	say(&peers[0], "A", STATE_BUSY);
	say(&peers[1], "own", STATE_BUSY);
	run_s(0.1);
	world_down(db, true);
	run_s(59);
	expect_state(&peers[1], "A", STATE_BUSY);
	run_s(2);
	expect_state(&peers[1], "A", STATE_INVALID);
	expect_state(&peers[1], "own", STATE_BUSY);
	world_down(db, false);
	run_s(30);
	expect_state(&peers[1], "A", STATE_BUSY);
}

/* Lost while a fenced node asks for its lease: it had heard of the others all the same.
 */
static void stale_after_a_loss_while_resuming(void **arg)
{
	(void)arg;
	begin_two();
	say(&peers[0], "A", STATE_BUSY);
	run_s(0.1);
	world_refuse(db, "PD001", 1);
	port_cut(peers[1].port, DB_RESUME, PORT_CUT_BEFORE);
	say(&peers[1], "B", STATE_BUSY);
	for (int i = 0; i < 1000 && port_cut_is_due(peers[1].port); i++)
		run_s(0.001);
	world_down(db, true);
	run_s(62);
	expect_state(&peers[1], "A", STATE_INVALID);
}

static void not_there_at_the_start(void **arg)
{
	(void)arg;
	world_down(db, true);
	begin(0);
	run_s(10);
	expect_phase(&peers[0], NODE_DOWN);
	say(&peers[0], "A", STATE_BUSY);
	world_down(db, false);
	run_s(20);
	expect_phase(&peers[0], NODE_READY);
	assert_int_equal(world_rows(db, &peers[0].id), 1);
}

/* The session breaks at each request, before and after the commit. */
static void cut_at_each_request(void **arg)
{
	(void)arg;
	for (int op = 0; op < DB_OPS; op++) {
		if (op == DB_POLICY || op == DB_READ_POLICIES || op == DB_NOTIFY_MODE)
			continue; /* only who is asked to: tests/flow/policies.t, ticker.t */
		for (int when = 0; when < 2; when++) {
			world_begin(NULL);
			announce = true;
			begin(0);
			port_cut(peers[0].port, (enum db_op)op, (enum port_cut)when);
			run_s(0.01);
			begin(1);
			say(&peers[0], "A", STATE_BUSY);
			run_s(5);
			if (op == DB_RESUME || op == DB_READ_HEADS) {
				port_break(peers[0].port);
				run_s(5);
			}
			if (op == DB_READ_JOURNAL) {
				port_drop_notifications(peers[0].port);
			}
			say(&peers[0], "A", STATE_INUSE);
			run_s(0.001);
			say(&peers[0], "A", STATE_BUSY);
			say(&peers[1], "C", STATE_RINGING);
			run_s(20);
			if (op != DB_LEAVE && op != DB_PING && op != DB_READ_JOURNAL)
				assert_false(port_cut_is_due(peers[0].port));
			expect_phase(&peers[0], NODE_READY);
			expect_state(&peers[1], "A", STATE_BUSY);
			expect_state(&peers[0], "C", STATE_RINGING);
			expect_agreement();
			world_end(NULL);
		}
	}
}

/* One step of the world at a time, until the other node shows it. */
static void until_shown(const struct peer *p, const char *device, enum device_state s)
{
	for (int i = 0; node_device_state(p->node, device) != s; i++) {
		assert_true(i < 1000);
		assert_true(world_step(db, before));
	}
}

static void announcers(void)
{
	announce = true;
	begin_two();
	say(&peers[0], "warm", STATE_BUSY); /* the first one finds no session for it */
	run_s(2);
}

static void shown_before_it_is_written(void **arg)
{
	(void)arg;
	announcers();
	world_refuse(db, "55P03", 1000);
	say(&peers[0], "A", STATE_INUSE);
	until_shown(&peers[1], "A", STATE_INUSE);
	assert_int_equal(world_rows(db, &peers[0].id), 1);
	world_refuse(db, "", 0);
	run_s(10);
	expect_state(&peers[1], "A", STATE_INUSE);
	assert_int_equal(world_rows(db, &peers[0].id), 2);
	assert_true(status(&peers[0]).counters[COUNT_ANNOUNCED] > 0);
	assert_int_equal(status(&peers[1]).counters[COUNT_TAKEN_BACK], 0);
	expect_agreement();
}

static void taken_back_when_it_is_not_written(void **arg)
{
	(void)arg;
	announcers();
	world_dislike(db, "A");
	say(&peers[0], "A", STATE_INUSE);
	until_shown(&peers[1], "A", STATE_INUSE);
	run_s(5);
	expect_state(&peers[1], "A", STATE_INVALID);
	assert_int_equal(status(&peers[1]).counters[COUNT_TAKEN_BACK], 1);
}

/* What was announced is said no more before it is sent: the database must say so. */
static void unsaid_before_it_is_written(void **arg)
{
	(void)arg;
	announcers();
	world_refuse(db, "55P03", 1);
	say(&peers[0], "A", STATE_INUSE);
	say(&peers[0], "B", STATE_INUSE);
	until_shown(&peers[1], "A", STATE_INUSE);
	unsay(&peers[0], "A");
	say(&peers[0], "B", STATE_BUSY);
	run_s(0.5);
	expect_state(&peers[1], "A", STATE_INVALID);
	expect_state(&peers[1], "B", STATE_BUSY);
	assert_int_equal(status(&peers[1]).counters[COUNT_TAKEN_BACK], 0);
	expect_agreement();
}

/* One who changes again and again is announced each time, and written all the same. */
static void announcing_does_not_starve_publish(void **arg)
{
	int64_t announced, publishes;

	(void)arg;
	announcers();
	announced = status(&peers[0]).counters[COUNT_ANNOUNCED];
	publishes = status(&peers[0]).counters[COUNT_PUBLISHES];
	for (int i = 0; i < 5000; i++) {
		say(&peers[0], "A", i % 2 ? STATE_INUSE : STATE_BUSY);
		run_s(0.0001);
	}
	assert_true(status(&peers[0]).counters[COUNT_ANNOUNCED] > announced);
	assert_true(status(&peers[0]).counters[COUNT_PUBLISHES] >= publishes + 15);
	run_s(1);
	expect_agreement();
}

/* A toggle's time is the database's, and what is local is nobody else's. */
static void not_announced(void **arg)
{
	int64_t before_us;

	(void)arg;
	announcers();
	before_us = status(&peers[0]).counters[COUNT_ANNOUNCED];
	model_policy(world_model(db), KEY_DEVICE, "t*", POLICY_LATEST);
	model_policy(world_model(db), KEY_DEVICE, "l*", POLICY_LOCAL);
	run_s(2);
	say(&peers[0], "t", STATE_INUSE);
	say(&peers[0], "l", STATE_INUSE);
	say_box(&peers[0], "1@d", 2);
	run_s(1);
	assert_int_equal(status(&peers[0]).counters[COUNT_ANNOUNCED], before_us);
	expect_state(&peers[1], "t", STATE_INUSE);
	for (int i = 0; i < 20; i++) { /* so much goes with one publish */
		char device[16];

		snprintf(device, sizeof(device), "many%d", i);
		struct value v = {.state = STATE_INUSE, .held = true};
		node_now(peers[0].node, world_now(db));
		node_set(peers[0].node, KEY_DEVICE, device, &v);
	}
	run_s(1);
	assert_true(status(&peers[0]).counters[COUNT_ANNOUNCED] <= before_us + 1);
	node_reconfigure(
		peers[0].node, (bool[]){true, true}, (bool[]){true, true}, 60000, false);
	before_us = status(&peers[0]).counters[COUNT_ANNOUNCED];
	say(&peers[0], "A", STATE_INUSE);
	run_s(1);
	assert_int_equal(status(&peers[0]).counters[COUNT_ANNOUNCED], before_us);
	expect_state(&peers[1], "A", STATE_INUSE);
}

static void lost_notifications_are_found_by_the_pulse(void **arg)
{
	(void)arg;
	begin_two();
	for (int trimmed = 0; trimmed < 2; trimmed++) {
		say(&peers[0], "A", trimmed ? STATE_BUSY : STATE_INUSE);
		while (port_notifications(peers[1].port) == 0)
			run_s(0.0001);
		port_drop_notifications(peers[1].port);
		if (trimmed)
			model_trim(world_model(db));
		run_s(2);
		expect_state(&peers[1], "A", trimmed ? STATE_BUSY : STATE_INUSE);
	}
	assert_true(status(&peers[1]).counters[COUNT_PULLS] >= 1);
	assert_true(status(&peers[1]).counters[COUNT_RELOADS] >= 1);
}

/* ---- errors of publish ---- */

static void a_bad_key_does_not_make_it_mute(void **arg)
{
	char key[32];

	(void)arg;
	begin_two();
	world_dislike(db, "K7");
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "K%d", i);
		say(&peers[0], key, STATE_BUSY);
	}
	run_s(3);
	assert_int_equal(world_rows(db, &peers[0].id), 39);
	assert_int_equal(status(&peers[0]).counters[COUNT_KEYS_REFUSED], 1);
	expect_phase(&peers[0], NODE_READY);
}

/* A publish, or a beat, that fails at once each time must not become a storm. */
static void failing_publishes_are_paced(void **arg)
{
	(void)arg;
	begin_two();
	world_refuse(db, "25006", 1000000);
	say(&peers[0], "A", STATE_BUSY);
	run_s(6);
	assert_true(1000000 - world_refusals_left(db) < 60);
	world_refuse(db, "", 0);
	run_s(8);
	assert_int_equal(world_rows(db, &peers[0].id), 1);
	expect_phase(&peers[0], NODE_READY);
}

static void fenced_by_an_error(void **arg)
{
	(void)arg;
	begin_two();
	world_refuse(db, "PD002", 1);
	say(&peers[0], "A", STATE_BUSY);
	run_s(1);
	expect_phase(&peers[0], NODE_READY);
	expect_state(&peers[1], "A", STATE_BUSY);
	assert_int_equal(status(&peers[0]).counters[COUNT_FENCED], 1);
	assert_int_equal(status(&peers[0]).counters[COUNT_CONNECTS], 1);
}

/* ---- coming, going, dying ---- */

static void leaves_at_once(void **arg)
{
	(void)arg;
	begin_two();
	say(&peers[0], "A", STATE_BUSY);
	run_s(0.1);
	say(&peers[0], "A", STATE_INUSE);
	say(&peers[0], "B", STATE_INUSE);
	node_leave(peers[0].node, true);
	run_s(0.5);
	assert_int_equal(peers[0].lefts, 1);
	expect_phase(&peers[0], NODE_LEFT);
	expect_state(&peers[1], "A", STATE_INVALID);
	assert_int_equal(world_rows(db, &peers[0].id), 2); /* delivered before */
	stop(&peers[0]);
	begin(0); /* what it held is there again */
	run_s(2);
	expect_state(&peers[0], "A", STATE_INUSE);
	expect_state(&peers[1], "B", STATE_INUSE);
	expect_agreement();
}

static void leaves_while_the_database_is_away(void **arg)
{
	(void)arg;
	begin_two();
	world_down(db, true);
	run_s(1);
	say(&peers[0], "A", STATE_BUSY);
	node_leave(peers[0].node, true);
	run_s(4);
	assert_int_equal(peers[0].lefts, 1);
	world_refuse(db, "PD001", 0);
}

static void killed_and_reaped(void **arg)
{
	(void)arg;
	begin(0);
	run_s(1);
	begin(1);
	begin(2);
	run_s(1);
	say(&peers[0], "A", STATE_BUSY);
	run_s(1);
	assert_true(status(&peers[0]).coordinator); /* the reaper himself */
	port_kill(peers[0].port);
	node_free(peers[0].node);
	port_free(peers[0].port);
	peers[0].node = NULL;
	run_s(8);
	expect_state(&peers[1], "A", STATE_BUSY);
	run_s(3);
	expect_state(&peers[1], "A", STATE_INVALID); /* lease + 1 s */
	expect_state(&peers[2], "A", STATE_INVALID);
	assert_true(status(&peers[1]).coordinator != status(&peers[2]).coordinator);
	begin(0);
	run_s(2);
	expect_phase(&peers[0], NODE_READY);
	expect_state(&peers[1], "A", STATE_BUSY); /* held: survives */
	expect_agreement();
}

static void frozen_and_back(void **arg)
{
	(void)arg;
	begin_two();
	say(&peers[0], "A", STATE_BUSY);
	run_s(1);
	port_freeze(peers[0].port, true);
	run_s(13);
	expect_state(&peers[1], "A", STATE_INVALID);
	say(&peers[1], "B", STATE_BUSY);
	run_s(1);
	port_freeze(peers[0].port, false);
	say(&peers[0], "A", STATE_INUSE);
	run_s(10);
	expect_phase(&peers[0], NODE_READY);
	expect_state(&peers[1], "A", STATE_INUSE);
	expect_state(&peers[0], "B", STATE_BUSY);
	expect_agreement();
}

static void a_twin_is_refused_and_takes_over(void **arg)
{
	struct peer *twin;

	(void)arg;
	begin_two();
	say(&peers[0], "A", STATE_BUSY);
	run_s(0.1);
	twin = begin_as(2, 1, "elsewhere", 7);
	run_s(5);
	expect_phase(twin, NODE_REFUSED);
	assert_non_null(strstr(status(twin).holder, "host=host"));
	assert_non_null(strstr(status(twin).holder, "pid=100"));
	assert_true(status(twin).counters[COUNT_REFUSALS] > 1);
	expect_state(twin, "A", STATE_BUSY); /* what the holder of its id says */
	expect_phase(&peers[0], NODE_READY);
	say(&peers[1], "B", STATE_RINGING);
	say(twin, "T", STATE_BUSY); /* kept until it may write */
	run_s(1);
	expect_state(twin, "B", STATE_RINGING); /* it reads */
	expect_state(&peers[1], "T", STATE_INVALID);
	say(&peers[0], "A", STATE_ONHOLD);
	run_s(0.1);
	expect_state(twin, "A", STATE_ONHOLD);
	node_leave(peers[0].node, true);
	run_s(4);
	stop(&peers[0]);
	expect_phase(twin, NODE_READY);
	assert_string_equal(status(twin).holder, "");
	expect_state(&peers[1], "T", STATE_BUSY);
	expect_state(twin, "T", STATE_BUSY);
	expect_state(&peers[1], "A", STATE_ONHOLD); /* adopted */
	expect_state(twin, "A", STATE_ONHOLD);
	expect_agreement();
}

static void takes_over_as_soon_as_the_holder_is_told_dead(void **arg)
{
	struct cache_entity *frozen;
	struct peer *twin;

	(void)arg;
	begin_two();
	run_s(0.1);
	twin = begin_as(2, 1, "elsewhere", 7);
	run_s(2.5);
	expect_phase(twin, NODE_REFUSED);
	port_freeze(peers[0].port, true);
	frozen = cache_entity_find(node_cache(peers[1].node), &peers[0].id);
	for (int i = 0; i < 300 && frozen->head.alive; i++)
		run_s(0.05);
	run_s(0.2);
	expect_phase(twin, NODE_READY);
	assert_true(
		status(twin).counters[COUNT_REFUSALS] < 8); /* it did not just ask often */
}

static void restarted_on_the_same_host_takes_over_at_once(void **arg)
{
	(void)arg;
	begin_two();
	say(&peers[0], "A", STATE_BUSY);
	run_s(0.1);
	stop(&peers[0]);
	begin_as(0, 1, "host", 999);
	run_s(1);
	expect_phase(&peers[0], NODE_READY);
	assert_int_equal(status(&peers[0]).counters[COUNT_REFUSALS], 0);
	expect_state(&peers[0], "A", STATE_BUSY);
	expect_agreement();
}

static void removed_for_good(void **arg)
{
	(void)arg;
	begin_two();
	say(&peers[0], "A", STATE_BUSY);
	run_s(0.1);
	assert_false(model_remove(world_model(db), &peers[0].id)); /* it lives */
	node_leave(peers[0].node, true);
	run_s(1);
	assert_true(model_remove(world_model(db), &peers[0].id));
	run_s(1);
	assert_null(cache_entity_find(node_cache(peers[1].node), &peers[0].id));
	expect_state(&peers[1], "A", STATE_INVALID);
}

/* ---- the database goes back ---- */

static void rewound(void **arg)
{
	(void)arg;
	for (int commits = 1; commits < 12; commits++) {
		world_begin(NULL);
		begin_two();
		for (int i = 0; i < 12; i++) {
			char key[8] = {(char)('A' + i % 4), '\0'};

			if (i % 5 == 4)
				unsay(&peers[0], "A");
			else
				say(&peers[0], key, (enum device_state)(i % 9));
			run_s(0.05);
		}
		world_rewind(db, commits);
		run_s(20);
		expect_phase(&peers[0], NODE_READY);
		expect_agreement();
		expect_state(&peers[1], "D", node_device_state(peers[0].node, "D"));
		expect_state(&peers[1], "C", node_device_state(peers[0].node, "C"));
		assert_true(status(&peers[0]).counters[COUNT_REWINDS] >= 1);
		assert_int_equal(status(&peers[1]).counters[COUNT_AUDITS_BAD], 0);
		world_end(NULL);
	}
}

static void rewound_to_before_it_was_there(void **arg)
{
	(void)arg;
	begin(1);
	run_s(1);
	begin(0);
	say(&peers[0], "A", STATE_BUSY);
	run_s(1);
	world_rewind(db, 2);
	run_s(20);
	expect_phase(&peers[0], NODE_READY);
	expect_state(&peers[1], "A", STATE_BUSY);
	expect_agreement();
}

/* ---- audits ---- */

static void a_change_by_hand_is_put_right(void **arg)
{
	struct value v = {.state = STATE_RINGING, .held = true}, now;

	(void)arg;
	begin_two();
	say(&peers[0], "A", STATE_BUSY);
	say(&peers[0], "B", STATE_BUSY);
	run_s(1);
	model_tamper_any(world_model(db), &peers[0].id, KEY_DEVICE, "A", &v);
	model_tamper_any(world_model(db), &peers[0].id, KEY_DEVICE, "foreign", &v);
	model_tamper_any(world_model(db), &peers[0].id, KEY_DEVICE, "B", NULL);
	run_s(10);
	now = *model_row(world_model(db), &peers[0].id, KEY_DEVICE, "A");
	assert_int_equal(now.state, STATE_BUSY);
	now = *model_row(world_model(db), &peers[0].id, KEY_DEVICE, "B");
	assert_null(model_row(world_model(db), &peers[0].id, KEY_DEVICE, "foreign"));
	expect_state(&peers[1], "A", STATE_BUSY);
	expect_state(&peers[1], "foreign", STATE_INVALID);
	expect_agreement();
	assert_true(status(&peers[0]).counters[COUNT_AUDITS_BAD] >= 1);
}

/* ---- mailboxes ---- */

/* An adopted value is sent again with the age that it has, not as news. */
static void an_adopted_mailbox_stays_old(void **arg)
{
	struct sum sum;

	(void)arg;
	begin_two();
	say_box(&peers[0], "1@d", 5);
	run_s(5);
	say_box(&peers[1], "1@d", 2);
	run_s(5);
	stop(&peers[0]);
	begin_as(0, 1, "host", 999);
	run_s(3);
	say(&peers[0], "x", STATE_BUSY);
	run_s(1);
	node_reconfigure(
		peers[0].node, (bool[]){true, false}, (bool[]){true, true}, 60000, false);
	run_s(1);
	node_reconfigure(
		peers[0].node, (bool[]){true, true}, (bool[]){true, true}, 60000, false);
	run_s(1);
	for (int i = 0; i < 2; i++) {
		cache_sum(node_cache(peers[i].node), KEY_MAILBOX, "1@d", &sum);
		assert_int_equal(sum.entities, 2);
		assert_int_equal(sum.value.fresh, 2);
	}
}

static void subscribing_and_publishing(void **arg)
{
	(void)arg;
	begin_two();
	say(&peers[0], "A", STATE_BUSY);
	run_s(0.2);
	node_reconfigure(
		peers[1].node, (bool[]){true, true}, (bool[]){false, true}, 60000, false);
	expect_state(&peers[1], "A", STATE_INVALID);
	node_reconfigure(
		peers[1].node, (bool[]){true, true}, (bool[]){true, true}, 60000, false);
	expect_state(&peers[1], "A", STATE_BUSY);
	node_reconfigure(
		peers[0].node, (bool[]){false, true}, (bool[]){true, true}, 60000, false);
	run_s(0.2);
	expect_state(&peers[1], "A", STATE_INVALID);
	expect_state(&peers[0], "A", STATE_BUSY);
	node_reconfigure(
		peers[0].node, (bool[]){true, true}, (bool[]){true, true}, 60000, false);
	run_s(0.2);
	expect_state(&peers[1], "A", STATE_BUSY);
}

/* ---- waiting ---- */

static void on_acked(void *arg, bool acked)
{
	struct peer *p = arg;

	if (acked)
		p->acks++;
	else
		p->timeouts++;
}

static void when_acked(void **arg)
{
	struct peer *p;

	(void)arg;
	begin_two();
	p = &peers[0];
	node_when_acked(p->node, 1000, on_acked, p);
	assert_int_equal(p->acks, 0); /* never before it returns */
	run_s(0.01);
	assert_int_equal(p->acks, 1);
	say(p, "A", STATE_BUSY);
	node_when_acked(p->node, 1000, on_acked, p);
	assert_int_equal(p->acks, 1);
	run_s(0.1);
	assert_int_equal(p->acks, 2);
	world_down(db, true);
	run_s(0.1);
	say(p, "A", STATE_INUSE);
	node_when_acked(p->node, 1000, on_acked, p);
	run_s(0.9);
	assert_int_equal(p->timeouts, 0);
	run_s(0.2);
	assert_int_equal(p->timeouts, 1);
	node_when_acked(p->node, 60000, on_acked, p);
	node_when_acked(p->node, 60000, on_acked, p);
	node_cancel_acked(p->node, p);
	world_down(db, false);
	run_s(20);
	assert_int_equal(p->acks, 2);
	assert_int_equal(p->timeouts, 1);
	say(p, "A", STATE_BUSY);
	node_when_acked(p->node, 60000, on_acked, p); /* and freed while it waits */
}

static void on_pong(
	void *arg, int64_t nonce, const struct entity_id *from, int64_t rtt_us)
{
	struct peer *p = arg;

	assert_true(nonce > 0 && rtt_us > 0 && rtt_us < S);
	assert_non_null(from);
	p->pongs++;
}

static void pings(void **arg)
{
	int64_t nonce;

	(void)arg;
	begin(0);
	assert_int_equal(node_ping(peers[0].node, on_pong, &peers[0]), 0); /* not yet */
	begin(1);
	begin(2);
	run_s(1);
	nonce = node_ping(peers[0].node, on_pong, &peers[0]);
	assert_true(nonce > 0);
	run_s(0.5);
	assert_int_equal(peers[0].pongs, 3); /* with ourselves */
	node_cancel_ping(peers[0].node, nonce);
	nonce = node_ping(peers[0].node, on_pong, &peers[0]);
	node_cancel_ping(peers[0].node, nonce);
	run_s(0.5);
	assert_int_equal(peers[0].pongs, 3);
}

/* ---- at random ---- */

/* kill -9, and started again on the same host. */
static void restart(struct peer *p)
{
	int i = (int)(p - peers);

	stop(p);
	begin_as(i, i + 1, "host", 1000 + (int)world_dice(db, 1000));
}

static void random_fault(uint32_t what, struct peer *p)
{
	if (what < 2)
		port_break(p->port);
	else if (what < 5)
		port_cut(p->port, DB_OPS, (enum port_cut)world_dice(db, 2));
	else if (what < 6)
		world_rewind(db, (int)world_dice(db, 6));
	else if (what < 8)
		port_drop_notifications(p->port);
	else if (what < 9)
		model_trim(world_model(db));
	else if (what < 10)
		world_refuse(db, "55P03", 1);
	else if (what < 11)
		restart(p);
}

static void random_word(struct peer *p)
{
	char key[8] = {(char)('A' + world_dice(db, 6)), '\0'};
	struct value v = {.state = (enum device_state)world_dice(db, 4), .held = true};

	node_now(p->node, world_now(db));
	if (world_dice(db, 4) == 0)
		node_remove(p->node, KEY_DEVICE, key);
	else
		node_set(p->node, KEY_DEVICE, key, &v);
}

static void at_random(void **arg)
{
	(void)arg;
	for (uint32_t seed = 1; seed <= 40; seed++) {
		world_begin(NULL);
		world_seed(db, seed * 7919);
		for (int i = 0; i < 3; i++)
			begin(i);
		run_s(1);
		for (int i = 0; i < 150; i++) {
			random_word(&peers[world_dice(db, 3)]);
			if (world_dice(db, 4) == 0)
				random_fault(world_dice(db, 12), &peers[world_dice(db, 3)]);
			run_until(
				world_now(db) + world_dice(db, 3000) * (world_dice(db, 4) ? 1 : 300));
		}
		for (int i = 0; i < 3; i++)
			port_heal(peers[i].port);
		run_s(40);
		for (int i = 0; i < 3; i++)
			expect_phase(&peers[i], NODE_READY);
		expect_agreement();
		for (char k = 'A'; k < 'G'; k++) {
			char key[2] = {k, '\0'};

			expect_state(&peers[1], key, node_device_state(peers[0].node, key));
			expect_state(&peers[2], key, node_device_state(peers[0].node, key));
		}
		world_end(NULL);
	}
}

/* How old the last pulse is, is asked when something is wrong. */
static void the_last_pulse_ages_without_a_session(void **arg)
{
	(void)arg;
	begin(0);
	assert_int_equal(status(&peers[0]).pulse_age_us, -1);
	run_s(4);
	assert_in_range(status(&peers[0]).pulse_age_us, 0, S);
	world_down(db, true);
	run_s(10);
	assert_in_range(status(&peers[0]).pulse_age_us, 9 * S, 12 * S);
	world_down(db, false);
	run_s(10);
	assert_in_range(status(&peers[0]).pulse_age_us, 0, S);
}

/* ---- a database whose answers are made here ---- */

static struct db_request asked[2]; /* main session, reader */

static void hand_submit(void *arg, const struct db_request *req)
{
	(void)arg;
	asked[req->op >= DB_READ_ROWS] = *req;
}

static void hand_disconnect(void *arg, const char *reason)
{
	(void)arg;
	(void)reason;
}

static void hand_answer(struct node *n, enum db_op op, bool ok)
{
	struct db_events ev = node_events(n);
	struct db_result res = {.op = op, .ok = ok, .lost = !ok, .message = "it hangs"};

	assert_int_equal(asked[op >= DB_READ_ROWS].op, op);
	res.lease = (struct db_lease){.outcome = DB_REGISTERED,
		.session = {"11111111-0000-0000-0000-000000000001"},
		.site = 1,
		.seq = 1,
		.lease_ms = 3600000};
	ev.result(ev.arg, &res);
}

/* A reader that is silent for a while is given up; each time it may be so for longer. */
static void a_read_may_be_slower_each_time(void **arg)
{
	static const int64_t want_ms[] = {5000, 10000, 20000, 40000, 80000, 160000, 160000};
	static const struct node_callbacks cb = {on_changed, on_phase, on_rearm, on_left};
	struct db_port port = {hand_submit, hand_disconnect, NULL};
	struct node_config cfg = {
		.self = {{{2, 0, 0, 0, 0, 1}}, "server1", "host", "boot", "1", 1, 3600000}};
	struct node *n = node_new(&cfg, &port, &cb, &peers[0], S);

	(void)arg;
	node_start(n, S);
	hand_answer(n, DB_CONNECT, true);
	hand_answer(n, DB_REGISTER, true);
	hand_answer(n, DB_LISTEN, true);
	for (size_t i = 0; i < sizeof(want_ms) / sizeof(want_ms[0]); i++) {
		assert_int_equal(asked[1].silence_ms, want_ms[i]);
		asked[1].silence_ms = 0;
		hand_answer(n, DB_READ_ROWS, false);
		node_timer(n, S * (int64_t)(i + 2)); /* then it tries again */
	}
	hand_answer(n, DB_READ_ROWS, true);
	node_now(n, S * 100);
	listener_forget(n->listener, &(struct entity_id){{2, 0, 0, 0, 0, 2}});
	node_timer(n, S * 100);
	assert_int_equal(asked[1].silence_ms, 5000); /* as ever, once one was done */
	node_free(n);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		T(states_add_up_on_all_nodes),
		T(many_keys_and_chunks),
		T(idle_nodes_are_quiet),
		T(tries_often_enough),
		T(goes_on_and_delivers_afterwards),
		T(stale_after),
		T(shown_before_it_is_written),
		T(taken_back_when_it_is_not_written),
		T(unsaid_before_it_is_written),
		T(announcing_does_not_starve_publish),
		T(not_announced),
		T(stale_after_a_loss_while_resuming),
		T(not_there_at_the_start),
		cmocka_unit_test(cut_at_each_request),
		T(lost_notifications_are_found_by_the_pulse),
		T(a_bad_key_does_not_make_it_mute),
		T(failing_publishes_are_paced),
		T(a_read_may_be_slower_each_time),
		T(the_last_pulse_ages_without_a_session),
		T(fenced_by_an_error),
		T(leaves_at_once),
		T(leaves_while_the_database_is_away),
		T(killed_and_reaped),
		T(frozen_and_back),
		T(a_twin_is_refused_and_takes_over),
		T(takes_over_as_soon_as_the_holder_is_told_dead),
		T(restarted_on_the_same_host_takes_over_at_once),
		T(removed_for_good),
		cmocka_unit_test(rewound),
		T(rewound_to_before_it_was_there),
		T(a_change_by_hand_is_put_right),
		T(an_adopted_mailbox_stays_old),
		T(subscribing_and_publishing),
		T(when_acked),
		T(pings),
		cmocka_unit_test(at_random),
	};

	log_open(LOG_TO_FILE, "/dev/null"); /* what is logged here is expected */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

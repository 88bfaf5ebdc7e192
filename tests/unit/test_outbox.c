/* outbox.c: what is dirty when, against the rules one by one, and at random against a
 * model of a database that answers, does not answer, and goes back. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outbox.h"
#include "payload.h"

static struct batch_item items[600];
static size_t nitems;
static bool force;

static struct value state(enum device_state s)
{
	return (struct value){.state = s, .held = true};
}

static bool say(struct outbox *o, const char *key, enum device_state s, int64_t now_us)
{
	struct value v = state(s);

	return outbox_set(o, KEY_DEVICE, key, &v, now_us);
}

static size_t take(struct outbox *o, int64_t now_us)
{
	memset(items, 0, sizeof(items));
	nitems = outbox_take(o, items, 500, now_us, &force);
	return nitems;
}

static void expect(size_t i, const char *key, int value, bool removed)
{
	assert_true(i < nitems);
	assert_string_equal(items[i].key, key);
	assert_int_equal(items[i].removed, removed);
	if (!removed)
		assert_int_equal(items[i].value.state, value);
}

static void deliver(struct outbox *o, int64_t seq)
{
	while (take(o, 0) > 0)
		outbox_acked(o, seq);
}

static size_t announce(struct outbox *o, size_t max)
{
	memset(items, 0, sizeof(items));
	nitems = outbox_announce(o, items, max, 100);
	return nitems;
}

static void told_ahead(void **arg)
{
	struct outbox *o = outbox_new();
	struct value box = {.fresh = 1, .held = true};

	(void)arg;
	assert_int_equal(announce(o, 8), 0);
	say(o, "A", STATE_INUSE, 10);
	say(o, "B", STATE_BUSY, 20);
	outbox_set(o, KEY_MAILBOX, "1@d", &box, 20);
	assert_int_equal(announce(o, 2), 0); /* three wait */
	assert_int_equal(announce(o, 3), 2);
	expect(0, "A", STATE_INUSE, false);
	expect(1, "B", STATE_BUSY, false);
	assert_int_equal(items[0].age_us, 90);
	assert_int_equal(announce(o, 8), 0); /* once */
	say(o, "A", STATE_RINGING, 30);
	assert_int_equal(announce(o, 8), 1);
	expect(0, "A", STATE_RINGING, false);
	assert_int_equal(take(o, 100), 3);
	say(o, "B", STATE_INUSE, 40);
	assert_int_equal(
		announce(o, 8), 0); /* in flight: the older word may come behind it */
	outbox_acked(o, 1);
	assert_int_equal(announce(o, 8), 1);
	expect(0, "B", STATE_INUSE, false);
	deliver(o, 2);
	outbox_remove(o, KEY_DEVICE, "B", 50);
	assert_int_equal(announce(o, 8), 0);
	outbox_free(o);
}

/* It was never sent, but others have it: the removal goes out, and is told. */
static void told_ahead_and_unsaid(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	outbox_compare_begin(o, true);
	outbox_compare_end(o);
	say(o, "A", STATE_INUSE, 10);
	assert_int_equal(announce(o, 8), 1);
	outbox_remove(o, KEY_DEVICE, "A", 20);
	assert_int_equal(take(o, 100), 1);
	expect(0, "A", 0, true);
	assert_false(force);
	outbox_doubt(o); /* there was no row */
	outbox_acked(o, 1);
	assert_int_equal(take(o, 100), 1);
	expect(0, "A", 0, true);
	assert_true(force);
	outbox_acked(o, 2);
	assert_int_equal(take(o, 100), 0);
	outbox_free(o);
}

static void not_told_ahead(void **arg)
{
	struct outbox *o = outbox_new();
	struct policies *p = policies_new();

	(void)arg;
	policies_add(p, KEY_DEVICE, "t*", POLICY_LATEST);
	policies_add(p, KEY_DEVICE, "l*", POLICY_LOCAL);
	outbox_set_policies(o, p);
	say(o, "toggle", STATE_INUSE, 10);
	say(o, "local", STATE_INUSE, 10);
	assert_int_equal(announce(o, 8), 0);
	say(o, "A", STATE_INUSE, 10);
	outbox_set_published(o, KEY_DEVICE, false, 20);
	assert_int_equal(announce(o, 8), 0);
	outbox_set_published(o, KEY_DEVICE, true, 20);
	deliver(o, 5);
	assert_true(outbox_rewind(o, 4));
	assert_int_equal(announce(o, 8), 0); /* said again by force, it is no news */
	outbox_free(o);
	policies_free(p);
}

static void newest_value_of_a_key(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	assert_true(say(o, "A", STATE_INUSE, 10));
	assert_false(say(o, "A", STATE_INUSE, 11));
	assert_true(say(o, "B", STATE_BUSY, 12));
	assert_true(say(o, "A", STATE_RINGING, 13));
	assert_int_equal(outbox_count(o, KEY_DEVICE), 2);
	assert_int_equal(outbox_count(o, KEY_MAILBOX), 0);
	assert_int_equal(outbox_dirty(o), 2);
	assert_int_equal(take(o, 20), 2);
	expect(0, "A", STATE_RINGING, false);
	expect(1, "B", STATE_BUSY, false);
	assert_int_equal(items[0].age_us, 7);
	assert_int_equal(items[1].age_us, 8);
	assert_false(force);
	assert_int_equal(outbox_dirty(o), 2); /* with those in flight */
	outbox_acked(o, 1);
	assert_int_equal(outbox_dirty(o), 0);
	assert_int_equal(take(o, 30), 0);
	assert_int_equal(outbox_get(o, KEY_DEVICE, "A")->state, STATE_RINGING);
	assert_null(outbox_get(o, KEY_MAILBOX, "A"));
	assert_null(outbox_get(o, KEY_DEVICE, "C"));
	outbox_free(o);
	outbox_free(NULL);
}

/* Rule 5: whatever the value is meanwhile, also the same as before. */
static void said_anew_in_flight(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "A", STATE_INUSE, 0);
	deliver(o, 1);
	say(o, "A", STATE_BUSY, 1);
	take(o, 2);
	assert_true(say(o, "A", STATE_INUSE, 3)); /* back to what was acknowledged */
	outbox_acked(o, 2);
	assert_int_equal(outbox_dirty(o), 1);
	take(o, 4);
	expect(0, "A", STATE_INUSE, false);
	say(o, "A", STATE_BUSY, 5);
	say(o, "A", STATE_INUSE, 6); /* there and back while in flight */
	outbox_acked(o, 3);
	take(o, 7);
	expect(0, "A", STATE_INUSE, false);
	outbox_acked(o, 3);
	assert_int_equal(outbox_dirty(o), 0);
	outbox_free(o);
}

static void removed_in_flight(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "A", STATE_INUSE, 0);
	take(o, 0);
	assert_true(outbox_remove(o, KEY_DEVICE, "A", 1));
	assert_false(outbox_remove(o, KEY_DEVICE, "A", 1));
	outbox_acked(o, 1);
	take(o, 2);
	expect(0, "A", 0, true);
	say(o, "A", STATE_BUSY, 3);
	outbox_acked(o, 2);
	take(o, 4);
	expect(0, "A", STATE_BUSY, false);
	outbox_acked(o, 3);
	assert_int_equal(outbox_dirty(o), 0);
	outbox_free(o);
}

/* Said before the database was asked what an earlier process left there. */
static void removed_before_it_is_known(void **arg)
{
	struct outbox *o = outbox_new();
	struct value held = {.state = STATE_INUSE, .held = true};

	(void)arg;
	assert_false(outbox_remove(o, KEY_DEVICE, "A", 1));
	say(o, "D", STATE_BUSY, 1);
	assert_true(outbox_remove(o, KEY_DEVICE, "D", 1));
	outbox_compare_begin(o, true);
	assert_false(outbox_compare(o, KEY_DEVICE, "A", &held, 7, 2));
	assert_false(outbox_compare(o, KEY_DEVICE, "D", &held, 7, 2));
	assert_true(outbox_compare(o, KEY_DEVICE, "B", &held, 7, 2));
	outbox_compare_end(o);
	assert_null(outbox_get(o, KEY_DEVICE, "A"));
	assert_non_null(outbox_get(o, KEY_DEVICE, "B"));
	assert_null(outbox_get(o, KEY_DEVICE, "D"));
	take(o, 4);
	assert_int_equal(nitems, 2);
	assert_true(items[0].removed && items[1].removed);
	outbox_acked(o, 8);
	assert_false(outbox_remove(o, KEY_DEVICE, "C", 3)); /* all is known now */
	assert_int_equal(outbox_dirty(o), 0);
	outbox_free(o);
}

static void never_sent_and_removed(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	assert_false(outbox_remove(o, KEY_DEVICE, "A", 0));
	say(o, "A", STATE_INUSE, 0);
	assert_true(outbox_remove(o, KEY_DEVICE, "A", 0));
	assert_int_equal(outbox_count(o, KEY_DEVICE), 0);
	assert_null(outbox_get(o, KEY_DEVICE, "A"));
	deliver(o, 1);
	assert_int_equal(outbox_dirty(o), 0);
	outbox_free(o);
}

static void failed_go_back_in_front(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "A", STATE_INUSE, 0);
	say(o, "B", STATE_INUSE, 0);
	nitems = outbox_take(o, items, 2, 0, &force);
	say(o, "C", STATE_INUSE, 0);
	say(o, "B", STATE_BUSY, 0);
	outbox_failed(o);
	assert_int_equal(outbox_dirty(o), 3);
	take(o, 0);
	expect(0, "A", STATE_INUSE, false);
	expect(1, "B", STATE_BUSY, false);
	expect(2, "C", STATE_INUSE, false);
	outbox_acked(o, 1);
	assert_int_equal(outbox_dirty(o), 0);
	outbox_failed(o); /* nothing in flight: nothing */
	outbox_free(o);
}

static void refused_until_said_anew(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "A", STATE_INUSE, 0);
	take(o, 0);
	outbox_refused(o);
	assert_int_equal(outbox_dirty(o), 0);
	assert_false(say(o, "A", STATE_INUSE, 1)); /* the same: not anew */
	outbox_rewind(o, -1);
	outbox_compare_begin(o, false);
	outbox_compare_end(o);
	assert_true(outbox_rewind(o, 0));
	assert_int_equal(take(o, 1), 0);
	assert_true(outbox_audit(o, 0, 0)); /* not told while something is left out */
	say(o, "A", STATE_BUSY, 2);
	take(o, 2);
	expect(0, "A", STATE_BUSY, false);
	outbox_acked(o, 1);
	assert_false(outbox_audit(o, 0, 0));
	outbox_free(o);
}

static void refused_while_said_anew(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "A", STATE_INUSE, 0);
	take(o, 0);
	say(o, "A", STATE_BUSY, 0);
	outbox_refused(o);
	take(o, 0);
	expect(0, "A", STATE_BUSY, false);
	outbox_acked(o, 1);
	assert_int_equal(outbox_dirty(o), 0);
	outbox_free(o);
}

/* Rule 6: what was sent after it, values and removals, with force; nothing else. */
static void rewound(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "old", STATE_INUSE, 0);
	deliver(o, 10);
	say(o, "gone", STATE_INUSE, 0);
	deliver(o, 11);
	say(o, "new", STATE_INUSE, 0);
	deliver(o, 12);
	outbox_remove(o, KEY_DEVICE, "gone", 0);
	deliver(o, 13);
	say(o, "later", STATE_INUSE, 0); /* not sent yet */
	assert_true(outbox_rewind(o, 11));
	take(o, 0);
	assert_false(force); /* "later" was first, and is not forced: it goes alone */
	assert_int_equal(nitems, 1);
	expect(0, "later", STATE_INUSE, false);
	outbox_acked(o, 12);
	take(o, 0);
	assert_true(force);
	assert_int_equal(nitems, 2);
	expect(0, "gone", 0, true);
	expect(1, "new", STATE_INUSE, false);
	outbox_acked(o, 13);
	assert_int_equal(outbox_dirty(o), 0);
	assert_true(outbox_rewind(o, 13));
	assert_int_equal(outbox_dirty(o), 0);
	assert_true(outbox_rewind(o, 0));
	assert_int_equal(outbox_dirty(o), 4);
	outbox_free(o);
}

/* A publish without an answer may have been done, told to others, and then lost. */
static void rewound_with_an_unanswered_publish(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "A", STATE_INUSE, 0);
	deliver(o, 10);
	say(o, "x", STATE_INUSE, 0);
	deliver(o, 20);
	say(o, "A", STATE_BUSY, 0);
	say(o, "B", STATE_BUSY, 0);
	take(o, 0);
	outbox_failed(o);
	say(o, "A", STATE_INUSE, 0); /* equal to what the database has again */
	outbox_remove(o, KEY_DEVICE, "B", 0);
	outbox_rewind(o, 15);
	take(o, 0);
	assert_true(force);
	assert_int_equal(nitems, 3);
	expect(0, "A", STATE_INUSE, false);
	expect(1, "B", 0, true);
	expect(2, "x", STATE_INUSE, false);
	outbox_acked(o, 16);
	assert_int_equal(outbox_dirty(o), 0);
	outbox_free(o);
}

static void force_does_not_stick(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "A", STATE_INUSE, 0);
	deliver(o, 1);
	outbox_rewind(o, -1);
	take(o, 0);
	assert_true(force);
	say(o, "A", STATE_BUSY, 0);
	outbox_acked(o, 2);
	take(o, 0);
	assert_false(force);
	outbox_failed(o);
	take(o, 0);
	assert_false(force);
	outbox_acked(o, 3);
	outbox_rewind(o, 2);
	take(o, 0);
	outbox_failed(o); /* failed with force: still with force */
	take(o, 0);
	assert_true(force);
	outbox_free(o);
}

static void removals_are_remembered_up_to_a_bound(void **arg)
{
	enum { N = 20001 };
	struct outbox *o = outbox_new();
	char key[20];

	(void)arg;
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "K%d", i);
		say(o, key, STATE_INUSE, 0);
	}
	deliver(o, 5);
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "K%d", i);
		outbox_remove(o, KEY_DEVICE, key, 0);
		if (i == 0)
			deliver(o, 6); /* the first removal, the one to be forgotten */
	}
	deliver(o, 7);
	assert_int_equal(outbox_count(o, KEY_DEVICE), 0);
	assert_true(outbox_rewind(o, 7));
	assert_true(outbox_rewind(o, 6)); /* those after 6 are all here */
	assert_int_equal(outbox_dirty(o), N - 1);
	deliver(o, 8);
	assert_false(outbox_rewind(o, 5));
	outbox_free(o);
}

static bool compare(struct outbox *o, const char *key, enum device_state s, bool held)
{
	struct value v = {.state = s, .held = held};

	return outbox_compare(o, KEY_DEVICE, key, &v, 40, 100);
}

static void compare_and_adopt(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "same", STATE_INUSE, 0);
	say(o, "other", STATE_INUSE, 0);
	say(o, "missing", STATE_INUSE, 0);
	outbox_compare_begin(o, true);
	assert_false(compare(o, "same", STATE_INUSE, true));
	assert_false(compare(o, "other", STATE_BUSY, true));
	assert_true(compare(o, "Custom:night", STATE_BUSY, true));
	assert_true(compare(o, "PJSIP/1", STATE_BUSY, false)); /* a report of a run before */
	outbox_compare_end(o);
	assert_int_equal(outbox_get(o, KEY_DEVICE, "Custom:night")->state, STATE_BUSY);
	assert_int_equal(outbox_get(o, KEY_DEVICE, "PJSIP/1")->state, STATE_BUSY);
	assert_int_equal(outbox_count(o, KEY_DEVICE), 5);
	take(o, 100);
	assert_int_equal(nitems, 3); /* with "same": it was dirty, and is still */
	expect(0, "same", STATE_INUSE, false);
	expect(1, "other", STATE_INUSE, false);
	expect(2, "missing", STATE_INUSE, false);
	outbox_acked(o, 41);
	outbox_rewind(o, 39); /* an adopted one is sent again, too */
	assert_int_equal(outbox_dirty(o), 5);
	outbox_free(o);
}

/* ---- reports ---- */

static bool report(struct outbox *o, const char *device, enum device_state s)
{
	struct value v = {.state = s};

	return outbox_report_set(o, KEY_DEVICE, device, &v, 0);
}

static bool report_box(struct outbox *o, const char *key, uint32_t fresh)
{
	struct value v = {.fresh = fresh};

	return outbox_report_set(o, KEY_MAILBOX, key, &v, 0);
}

static char ended[200];

static void on_ended(
	void *arg, enum key_kind kind, const char *key, const struct value *v)
{
	size_t len = strlen(ended);

	(void)arg;
	snprintf(ended + len, sizeof(ended) - len, "%s%s%s ", v ? "+" : "-",
		kind == KEY_DEVICE ? "" : "m:", key);
}

static void end(struct outbox *o, const char *expected)
{
	ended[0] = '\0';
	outbox_report_end(o, 0, on_ended, NULL);
	assert_string_equal(ended, expected);
}

static void a_report_sweeps_what_it_does_not_mention(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "held", STATE_INUSE, 0);
	outbox_compare_begin(o, true);
	outbox_compare(o, KEY_DEVICE, "old", &(struct value){.state = STATE_BUSY}, 40, 100);
	outbox_compare_end(o);
	outbox_report_begin(o);
	assert_true(report(o, "A", STATE_INUSE));
	assert_false(report(o, "A", STATE_INUSE));
	assert_true(report_box(o, "1@d", 1));
	assert_false(report_box(o, "2@d", 0)); /* a first 0/0 */
	end(o, "-old ");
	assert_int_equal(outbox_count(o, KEY_DEVICE), 2);
	assert_int_equal(outbox_count(o, KEY_MAILBOX), 1);
	assert_true(report_box(o, "1@d", 0));
	assert_false(outbox_report_remove(o, KEY_DEVICE, "held", 0));
	assert_true(outbox_report_remove(o, KEY_DEVICE, "A", 0));
	outbox_report_begin(o);
	end(o, "-m:1@d ");
	assert_non_null(outbox_get(o, KEY_DEVICE, "held"));
	outbox_free(o);
}

static void a_report_takes_held_keys_at_its_end(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "A", STATE_INUSE, 0);
	say(o, "B", STATE_INUSE, 0);
	deliver(o, 1);
	outbox_report_begin(o);
	assert_false(report(o, "A", STATE_INUSE));
	assert_true(report(o, "B", STATE_BUSY));
	assert_true(outbox_get(o, KEY_DEVICE, "B")->held);
	outbox_report_begin(o); /* it was cut; this one mentions B only */
	assert_false(report(o, "B", STATE_BUSY));
	end(o, "+B ");
	assert_true(outbox_get(o, KEY_DEVICE, "A")->held);
	assert_false(outbox_get(o, KEY_DEVICE, "B")->held);
	assert_true(report(o, "A", STATE_INUSE)); /* at once now */
	assert_false(outbox_get(o, KEY_DEVICE, "A")->held);
	assert_int_equal(outbox_dirty(o), 2);
	outbox_free(o);
}

/* Said before own rows were known: a first 0/0, and what is not said any more. */
static void a_report_before_the_rows_are_known(void **arg)
{
	static const struct value held = {.state = STATE_BUSY, .held = true},
							  two = {.fresh = 2};
	struct outbox *o = outbox_new();

	(void)arg;
	outbox_report_begin(o);
	assert_false(report_box(o, "was two", 0));
	assert_false(report_box(o, "was not", 0));
	assert_null(outbox_get(o, KEY_MAILBOX, "was two"));
	assert_false(outbox_report_remove(o, KEY_DEVICE, "held", 0));
	assert_false(outbox_report_remove(o, KEY_DEVICE, "said", 0));
	assert_false(outbox_report_remove(o, KEY_DEVICE, "nothing", 0));
	end(o, "");
	outbox_compare_begin(o, true);
	assert_true(outbox_compare(o, KEY_MAILBOX, "was two", &two, 40, 0));
	assert_true(outbox_compare(o, KEY_DEVICE, "held", &held, 40, 0));
	assert_false(
		outbox_compare(o, KEY_DEVICE, "said", &(struct value){.state = 2}, 40, 0));
	assert_false(outbox_compare(
		o, KEY_DEVICE, "not mentioned", &(struct value){.state = 2}, 40, 0));
	outbox_compare_end(o);
	assert_int_equal(outbox_get(o, KEY_MAILBOX, "was two")->fresh, 0);
	assert_null(outbox_get(o, KEY_MAILBOX, "was not"));
	assert_int_equal(outbox_count(o, KEY_MAILBOX), 1);
	assert_int_equal(outbox_count(o, KEY_DEVICE), 1);
	take(o, 100);
	assert_int_equal(nitems, 3); /* was two; said and not mentioned are removed */
	outbox_acked(o, 41);
	assert_int_equal(outbox_dirty(o), 0);
	outbox_free(o);
}

static void sent_is_not_acked(void **arg)
{
	struct outbox *o = outbox_new();
	uint64_t mark;

	(void)arg;
	say(o, "A", STATE_INUSE, 0);
	mark = outbox_mark(o);
	assert_false(outbox_is_sent(o, mark));
	take(o, 100);
	say(o, "B", STATE_INUSE, 0); /* later than the mark */
	assert_true(outbox_is_sent(o, mark) && !outbox_is_acked(o, mark));
	outbox_failed(o);
	assert_false(outbox_is_sent(o, mark));
	outbox_free(o);
}

static void compare_without_adopting(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	for (int i = 0; i < 3; i++)
		say(o, (const char *[]){"same", "other", "missing"}[i], STATE_INUSE, 0);
	say(o, "removed", STATE_INUSE, 0);
	deliver(o, 1);
	outbox_remove(o, KEY_DEVICE, "removed", 0);
	deliver(o, 2);
	outbox_compare_begin(o, false);
	assert_false(compare(o, "same", STATE_INUSE, true));
	assert_false(compare(o, "other", STATE_INUSE, false)); /* held differs */
	assert_false(compare(o, "stranger", STATE_BUSY, true));
	assert_false(compare(o, "removed", STATE_INUSE, true)); /* is back */
	outbox_compare_end(o);
	take(o, 100);
	assert_int_equal(nitems, 4);
	expect(0, "other", STATE_INUSE, false);
	expect(1, "stranger", 0, true);
	expect(2, "removed", 0, true);
	expect(3, "missing", STATE_INUSE, false);
	outbox_acked(o, 3);
	assert_int_equal(outbox_dirty(o), 0);
	/* compared again: all is well */
	outbox_compare_begin(o, false);
	compare(o, "same", STATE_INUSE, true);
	compare(o, "other", STATE_INUSE, true);
	compare(o, "missing", STATE_INUSE, true);
	outbox_compare_end(o);
	assert_int_equal(outbox_dirty(o), 0);
	outbox_free(o);
}

static void publish_off_and_on(void **arg)
{
	struct outbox *o = outbox_new();
	struct value box = {.fresh = 2, .held = true};

	(void)arg;
	say(o, "A", STATE_INUSE, 10);
	outbox_set(o, KEY_MAILBOX, "1@d", &box, 10);
	deliver(o, 1);
	outbox_set_published(o, KEY_DEVICE, false, 20);
	outbox_set_published(o, KEY_DEVICE, false, 20);
	assert_int_equal(take(o, 20), 1);
	expect(0, "A", 0, true);
	outbox_acked(o, 2);
	assert_true(say(o, "A", STATE_BUSY, 30)); /* kept here, not sent */
	assert_true(say(o, "B", STATE_BUSY, 30));
	assert_int_equal(outbox_count(o, KEY_DEVICE), 2);
	assert_int_equal(take(o, 30), 0);
	assert_true(outbox_audit(o, 1, payload_row_digest(KEY_MAILBOX, "1@d", &box)));
	outbox_set_published(o, KEY_DEVICE, true, 40);
	assert_int_equal(take(o, 50), 2);
	expect(0, "A", STATE_BUSY, false);
	assert_int_equal(items[0].age_us, 20); /* since it was said, not since it is sent */
	outbox_set_published(o, KEY_DEVICE, false, 60); /* in flight */
	outbox_acked(o, 3);
	assert_int_equal(take(o, 60), 2);
	expect(0, "A", 0, true);
	outbox_acked(o, 4);
	outbox_remove(o, KEY_DEVICE, "A", 70);
	assert_int_equal(outbox_dirty(o), 0);
	outbox_free(o);
}

static void adopted_of_a_kind_that_is_not_published(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	outbox_set_published(o, KEY_DEVICE, false, 0);
	outbox_compare_begin(o, true);
	assert_true(compare(o, "Custom:x", STATE_BUSY, true));
	outbox_compare_end(o);
	assert_int_equal(outbox_count(o, KEY_DEVICE), 1);
	take(o, 0);
	expect(0, "Custom:x", 0, true);
	outbox_free(o);
}

static void audits(void **arg)
{
	struct outbox *o = outbox_new();
	struct value a = state(STATE_INUSE), box = {.fresh = 1, .held = true};
	uint64_t digest = payload_row_digest(KEY_DEVICE, "A", &a) ^
					  payload_row_digest(KEY_MAILBOX, "1@d", &box);

	(void)arg;
	assert_true(outbox_audit(o, 0, 0));
	say(o, "A", STATE_INUSE, 0);
	outbox_set(o, KEY_MAILBOX, "1@d", &box, 0);
	assert_true(outbox_audit(o, 99, 99)); /* only told when nothing is dirty */
	take(o, 0);
	assert_true(outbox_audit(o, 99, 99));
	outbox_acked(o, 1);
	assert_true(outbox_audit(o, 2, digest));
	assert_false(outbox_audit(o, 1, digest));
	assert_false(outbox_audit(o, 2, digest ^ 1));
	outbox_remove(o, KEY_MAILBOX, "1@d", 0);
	deliver(o, 2);
	assert_true(outbox_audit(o, 1, payload_row_digest(KEY_DEVICE, "A", &a)));
	outbox_free(o);
}

static void marks(void **arg)
{
	struct outbox *o = outbox_new();
	uint64_t first, second, third;

	(void)arg;
	assert_true(outbox_is_acked(o, outbox_mark(o)));
	say(o, "A", STATE_INUSE, 0);
	first = outbox_mark(o);
	assert_false(outbox_is_acked(o, first));
	assert_true(outbox_is_acked(o, first - 1));
	say(o, "A", STATE_BUSY, 0);
	second = outbox_mark(o);
	assert_false(outbox_is_acked(o, first)); /* a newer word does not make it heard */
	take(o, 0);
	say(o, "A", STATE_RINGING, 0);
	say(o, "A", STATE_ONHOLD, 0);
	third = outbox_mark(o);
	assert_false(outbox_is_acked(o, second));
	outbox_acked(o, 1);
	assert_true(outbox_is_acked(o, first));
	assert_true(outbox_is_acked(o, second));
	assert_false(outbox_is_acked(o, second + 1));
	assert_false(outbox_is_acked(o, third));
	take(o, 0);
	outbox_failed(o);
	assert_false(outbox_is_acked(o, third));
	deliver(o, 2);
	assert_true(outbox_is_acked(o, third));
	say(o, "B", STATE_BUSY, 0);
	assert_true(outbox_is_acked(o, third)); /* later ones are not waited for */
	outbox_free(o);
}

static void oldest(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	assert_int_equal(outbox_oldest_us(o, 100), 0);
	say(o, "A", STATE_INUSE, 10);
	say(o, "B", STATE_INUSE, 20);
	assert_int_equal(outbox_oldest_us(o, 100), 90);
	take(o, 100);
	assert_int_equal(outbox_oldest_us(o, 100), 90);
	outbox_acked(o, 1);
	assert_int_equal(outbox_oldest_us(o, 100), 0);
	outbox_free(o);
}

/* ---- at random ---- */

#define KEYS    10
#define HISTORY 4000

static const char names[] = "ABCDEFGHIJ"; /* a key is one letter; below 3 mailboxes */
struct world {
	int rows[KEYS]; /* -1: none */
};
static struct world db, said, listener, history[HISTORY];
static int64_t db_seq, acked_seq;
static bool in_flight, executed;
static uint32_t seed;

static uint32_t dice(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 10) % n;
}

static enum key_kind kind_of(int k)
{
	return k < 3 ? KEY_MAILBOX : KEY_DEVICE;
}

static struct value value_of(int k, int n)
{
	struct value v = {.held = true};

	if (kind_of(k) == KEY_DEVICE)
		v.state = (enum device_state)n;
	else
		v.fresh = (uint32_t)n;
	return v;
}

/* publish(): what differs or is forced is written and told. */
static int64_t db_publish(void)
{
	bool moved = false;

	for (size_t i = 0; i < nitems; i++) {
		int k = (int)(strchr(names, items[i].key[0]) - names);
		int now = items[i].removed           ? -1
				  : kind_of(k) == KEY_DEVICE ? (int)items[i].value.state
											 : (int)items[i].value.fresh;

		assert_int_equal(items[i].kind, kind_of(k));
		if (db.rows[k] == now && !force)
			continue;
		db.rows[k] = now;
		listener.rows[k] = now;
		moved = true;
	}
	if (moved) {
		db_seq++;
		history[db_seq] = db;
	}
	return db_seq;
}

static void db_rows_to(struct outbox *o)
{
	outbox_compare_begin(o, false);
	for (int k = 0; k < KEYS; k++) {
		struct value v = value_of(k, db.rows[k]);
		char key[2] = {names[k], '\0'};

		if (db.rows[k] >= 0)
			assert_false(outbox_compare(o, kind_of(k), key, &v, db_seq, 0));
	}
	outbox_compare_end(o);
}

static void random_statement(struct outbox *o)
{
	int k = (int)dice(KEYS), n = (int)dice(4) - 1;
	char key[2] = {names[k], '\0'};
	struct value v;
	bool changed;

	if (n < 0) {
		changed = outbox_remove(o, kind_of(k), key, 0);
	} else {
		v = value_of(k, n);
		changed = outbox_set(o, kind_of(k), key, &v, 0);
	}
	assert_int_equal(changed, said.rows[k] != n);
	said.rows[k] = n;
}

/* It went back below what was acknowledged, as a new incarnation that continues. */
static void random_rewind(struct outbox *o)
{
	int64_t to = acked_seq - 1 - (int64_t)dice(20);

	if (to < 1)
		return;
	db = history[to];
	db_seq = to;
	if (!outbox_rewind(o, to))
		db_rows_to(o);
	db_seq++;
	history[db_seq] = db;
	acked_seq = db_seq;
}

static void random_step(struct outbox *o)
{
	uint32_t what = dice(100);

	if (what < 40) {
		random_statement(o);
	} else if (!in_flight) {
		nitems = outbox_take(o, items, 1 + dice(4), 0, &force);
		in_flight = nitems > 0;
		executed = false;
	} else if (what < 60 && !executed) {
		db_publish();
		executed = true;
	} else if (what < 90 || nitems == 0) {
		if (!executed)
			db_publish();
		acked_seq = db_seq;
		outbox_acked(o, acked_seq);
		in_flight = false;
	} else { /* no answer: done or not, and sometimes the database went back */
		outbox_failed(o);
		in_flight = false;
		if (dice(2))
			random_rewind(o);
	}
}

static void at_random(void **arg)
{
	(void)arg;
	for (uint32_t run = 1; run <= 150; run++) {
		struct outbox *o = outbox_new();

		seed = run;
		memset(&db, 0xff, sizeof(db));
		said = listener = history[0] = db;
		db_seq = acked_seq = 0;
		in_flight = false;
		for (int i = 0; i < 1500 && db_seq < HISTORY - 100; i++)
			random_step(o);
		outbox_failed(o);
		while ((nitems = outbox_take(o, items, 3, 0, &force)) > 0) {
			db_publish();
			outbox_acked(o, db_seq);
		}
		if (memcmp(&db, &said, sizeof(db)) != 0)
			fail_msg("seed %u: the database is not what was said", run);
		if (memcmp(&listener, &said, sizeof(db)) != 0)
			fail_msg("seed %u: who listened knows something else", run);
		assert_true(outbox_is_acked(o, outbox_mark(o)));
		outbox_free(o);
	}
}

/* ---- policies ---- */

static void restated(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	assert_false(outbox_restate(o, KEY_DEVICE, "A", 5)); /* never said */
	say(o, "A", STATE_INUSE, 10);
	deliver(o, 1);
	assert_false(say(o, "A", STATE_INUSE, 20));
	assert_true(outbox_restate(o, KEY_DEVICE, "A", 20));
	assert_false(outbox_is_acked(o, outbox_mark(o)));
	assert_int_equal(take(o, 25), 1);
	assert_false(force); /* the database decides whether it is news */
	expect(0, "A", STATE_INUSE, false);
	assert_int_equal(items[0].age_us, 5);
	assert_true(outbox_restate(o, KEY_DEVICE, "A", 26)); /* in flight, once more */
	outbox_acked(o, 2);
	assert_int_equal(take(o, 30), 1);
	assert_int_equal(items[0].age_us, 4);
	outbox_failed(o); /* no answer: it goes again as it was */
	assert_int_equal(take(o, 40), 1);
	assert_false(force);
	assert_int_equal(items[0].age_us, 14);
	outbox_acked(o, 3);
	assert_int_equal(outbox_dirty(o), 0);
	outbox_remove(o, KEY_DEVICE, "A", 50);
	assert_false(outbox_restate(o, KEY_DEVICE, "A", 50));
	outbox_free(o);
}

/* After a rewind: with force, so that all hear it; then once more, so that time decides.
 */
static void restated_under_force(void **arg)
{
	struct outbox *o = outbox_new();

	(void)arg;
	say(o, "A", STATE_INUSE, 10);
	say(o, "B", STATE_BUSY, 10);
	deliver(o, 7);
	outbox_rewind(o, 3);
	assert_true(outbox_restate(o, KEY_DEVICE, "A", 10));
	assert_int_equal(take(o, 20), 2);
	assert_true(force);
	outbox_acked(o, 8);
	assert_false(outbox_is_acked(o, outbox_mark(o)));
	assert_int_equal(take(o, 20), 1);
	assert_false(force);
	expect(0, "A", STATE_INUSE, false);
	outbox_acked(o, 9);
	assert_int_equal(outbox_dirty(o), 0);
	assert_true(outbox_is_acked(o, outbox_mark(o)));
	outbox_free(o);
}

static void local_leaves_and_comes_back(void **arg)
{
	struct outbox *o = outbox_new();
	struct policies *p = policies_new();

	(void)arg;
	say(o, "L1", STATE_INUSE, 10);
	say(o, "X", STATE_INUSE, 10);
	deliver(o, 1);
	assert_true(policies_add(p, KEY_DEVICE, "L*", POLICY_LOCAL));
	outbox_set_policies(o, p);
	assert_int_equal(take(o, 20), 1);
	expect(0, "L1", 0, true);
	outbox_acked(o, 2);
	say(o, "L2", STATE_BUSY, 30); /* never sent */
	say(o, "L1", STATE_BUSY, 30);
	assert_int_equal(outbox_dirty(o), 0);
	assert_true(outbox_is_acked(o, outbox_mark(o)));
	assert_int_equal(outbox_get(o, KEY_DEVICE, "L2")->state, STATE_BUSY); /* but said */
	assert_int_equal(outbox_count(o, KEY_DEVICE), 3);
	outbox_set_policies(o, p); /* the same again */
	assert_int_equal(outbox_dirty(o), 0);
	outbox_set_policies(o, NULL);
	policies_free(p);
	assert_int_equal(take(o, 40), 2);
	assert_int_equal(items[0].age_us, 10);
	assert_false(items[0].removed || items[1].removed);
	outbox_acked(o, 3);
	outbox_free(o);
}

/* The database has a row of ours that is local now: adopted, and taken out. */
static void adopted_and_local(void **arg)
{
	struct outbox *o = outbox_new();
	struct policies *p = policies_new();
	struct value v = state(STATE_INUSE);

	(void)arg;
	assert_true(policies_add(p, KEY_DEVICE, "*", POLICY_LOCAL));
	outbox_set_policies(o, p);
	outbox_compare_begin(o, true);
	assert_true(outbox_compare(o, KEY_DEVICE, "A", &v, 4, 0));
	outbox_compare_end(o);
	assert_int_equal(outbox_get(o, KEY_DEVICE, "A")->state, STATE_INUSE);
	assert_int_equal(take(o, 0), 1);
	expect(0, "A", 0, true);
	outbox_acked(o, 5);
	outbox_free(o);
	policies_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_ahead),
		cmocka_unit_test(told_ahead_and_unsaid),
		cmocka_unit_test(not_told_ahead),
		cmocka_unit_test(newest_value_of_a_key),
		cmocka_unit_test(said_anew_in_flight),
		cmocka_unit_test(removed_in_flight),
		cmocka_unit_test(removed_before_it_is_known),
		cmocka_unit_test(never_sent_and_removed),
		cmocka_unit_test(failed_go_back_in_front),
		cmocka_unit_test(refused_until_said_anew),
		cmocka_unit_test(refused_while_said_anew),
		cmocka_unit_test(rewound),
		cmocka_unit_test(rewound_with_an_unanswered_publish),
		cmocka_unit_test(force_does_not_stick),
		cmocka_unit_test(removals_are_remembered_up_to_a_bound),
		cmocka_unit_test(compare_and_adopt),
		cmocka_unit_test(a_report_sweeps_what_it_does_not_mention),
		cmocka_unit_test(a_report_takes_held_keys_at_its_end),
		cmocka_unit_test(a_report_before_the_rows_are_known),
		cmocka_unit_test(sent_is_not_acked),
		cmocka_unit_test(compare_without_adopting),
		cmocka_unit_test(publish_off_and_on),
		cmocka_unit_test(adopted_of_a_kind_that_is_not_published),
		cmocka_unit_test(audits),
		cmocka_unit_test(marks),
		cmocka_unit_test(oldest),
		cmocka_unit_test(restated),
		cmocka_unit_test(restated_under_force),
		cmocka_unit_test(local_leaves_and_comes_back),
		cmocka_unit_test(adopted_and_local),
		cmocka_unit_test(at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

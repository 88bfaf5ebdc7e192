/* publisher.c: one request in flight, batches that grow by themselves, bad keys found by
 * halving, pauses, and what the answers mean. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "publisher.h"

#define S INT64_C(1000000)

static struct outbox *o;
static struct publisher *p;
static struct db_request req;

static int begin(void **arg)
{
	(void)arg;
	o = outbox_new();
	p = publisher_new(o);
	return 0;
}

static int end(void **arg)
{
	(void)arg;
	publisher_free(p);
	publisher_free(NULL);
	outbox_free(o);
	return 0;
}

static void say(const char *key, enum device_state s)
{
	struct value v = {.state = s, .held = true};

	outbox_set(o, KEY_DEVICE, key, &v, 0);
}

static void say_many(int n)
{
	char key[20];

	for (int i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "K%d", i);
		say(key, STATE_INUSE);
	}
}

static bool ask(bool beat, int64_t now_us)
{
	memset(&req, 0, sizeof(req));
	return publisher_request(p, beat, now_us, &req);
}

static int unchanged; /* rows of the batch that the database had already */

static enum publish_verdict answer(const char *sqlstate, int64_t now_us)
{
	struct db_result res = {.op = DB_PUBLISH,
		.ok = !sqlstate[0],
		.seq = 1,
		.changed = (int)req.nitems - unchanged};

	res.message = "test";
	snprintf(res.sqlstate, sizeof(res.sqlstate), "%s", sqlstate);
	return publisher_result(p, &res, now_us);
}

static enum publish_verdict no_answer(void)
{
	struct db_result res = {.op = DB_PUBLISH, .lost = true, .message = "gone"};

	return publisher_result(p, &res, 0);
}

/* True goes with the last of what was said before it; false, and what is unknown, next.
 */
static void reporting_goes_with_the_last_batch(void **arg)
{
	char name[16];

	(void)arg;
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "%d", i);
		say(name, STATE_INUSE);
	}
	publisher_set_reporting(p, true, outbox_mark(o));
	say("later", STATE_INUSE);
	assert_true(ask(false, 0));
	assert_int_equal(req.reporting, -1);
	answer("", 0);
	assert_true(ask(false, 0));
	assert_int_equal(req.reporting, 1);
	assert_int_equal(answer("XX000", 0), PUBLISH_RETRY);
	assert_false(publisher_reporting_is_acked(p));
	assert_true(ask(true, 0)); /* a beat in the pause says nothing */
	assert_int_equal(req.reporting, -1);
	answer("", 0);
	assert_true(ask(false, 1000000));
	assert_int_equal(req.reporting, 1);
	assert_true(publisher_has_sent(p));
	answer("", 1000000);
	assert_true(publisher_reporting_is_acked(p));
	assert_false(ask(false, 1000000));
	publisher_set_reporting(p, false, outbox_mark(o));
	assert_true(ask(false, 1000000)); /* nothing else is to be said */
	assert_true(req.nitems == 0 && req.reporting == 0 && publisher_has_sent(p));
	assert_int_equal(answer("PD001", 1000000), PUBLISH_FENCED);
	assert_true(ask(false, 1000000));
	assert_int_equal(req.reporting, 0);
	answer("", 1000000);
	assert_false(ask(false, 1000000));
	publisher_reporting_is(p, -1); /* another session */
	assert_true(ask(false, 1000000));
	assert_int_equal(req.reporting, 0);
	publisher_reset(p);
	assert_false(publisher_reporting_is_acked(p));
}

static void idle_leaves_at_once(void **arg)
{
	(void)arg;
	assert_false(ask(false, 0));
	say("A", STATE_INUSE);
	assert_true(ask(false, 0));
	assert_int_equal(req.op, DB_PUBLISH);
	assert_int_equal(req.nitems, 1);
	assert_string_equal(req.items[0].key, "A");
	assert_int_equal(req.reporting, -1);
	assert_false(req.force);
	assert_true(publisher_in_flight(p));
	assert_int_equal(answer("", 0), PUBLISH_DONE);
	assert_false(publisher_in_flight(p));
	assert_false(ask(false, 0));
	assert_int_equal(publisher_rows(p), 1);
}

static void what_comes_meanwhile_leaves_together(void **arg)
{
	(void)arg;
	say("A", STATE_INUSE);
	ask(false, 0);
	say_many(100);
	assert_false(ask(false, 0));
	assert_false(ask(true, 0));
	answer("", 0);
	assert_true(ask(false, 0));
	assert_int_equal(req.nitems, 100);
	answer("", 0);
	assert_int_equal(publisher_rows(p), 101);
}

static void a_batch_is_bounded(void **arg)
{
	int batches = 0;

	(void)arg;
	say_many(1300);
	for (; ask(false, 0); batches++) {
		assert_true(req.nitems <= 512);
		answer("", 0);
	}
	assert_int_equal(batches, 3);
	assert_int_equal(publisher_rows(p), 1300);
}

static void beats(void **arg)
{
	(void)arg;
	assert_true(ask(true, 0));
	assert_int_equal(req.nitems, 0);
	assert_int_equal(answer("", 0), PUBLISH_DONE);
	say("A", STATE_INUSE);
	assert_true(ask(true, 0)); /* a publish is a beat */
	assert_int_equal(req.nitems, 1);
	answer("", 0);
}

static bool batch_has(const char *key)
{
	for (size_t i = 0; i < req.nitems; i++) {
		if (strcmp(req.items[i].key, key) == 0)
			return true;
	}
	return false;
}

static void find_bad(int n, int bad, const char *sqlstate)
{
	char key[20];
	int requests = 0;

	begin(NULL);
	snprintf(key, sizeof(key), "K%d", bad);
	say_many(n);
	for (; ask(false, 0); requests++) {
		assert_true(requests < 100);
		if (batch_has(key))
			assert_int_equal(answer(sqlstate, 0), PUBLISH_RETRY);
		else
			assert_int_equal(answer("", 0), PUBLISH_DONE);
	}
	assert_int_equal(publisher_refused_keys(p), 1);
	assert_int_equal(publisher_rows(p), n - 1);
	assert_int_equal(outbox_dirty(o), 0);
	say(key, STATE_BUSY); /* until it is said anew */
	assert_true(ask(false, 0));
	assert_true(batch_has(key));
	answer("", 0);
	end(NULL);
}

static void bisects(void **arg)
{
	(void)arg;
	for (int bad = 0; bad < 512; bad += 17)
		find_bad(512, bad, "PD004");
	find_bad(512, 511, "22021");
	find_bad(2, 1, "23514");
	find_bad(1, 0, "22P05");
	find_bad(1500, 700, "PD004");
}

static void every_key_is_bad(void **arg)
{
	int requests = 0;

	(void)arg;
	say_many(40);
	for (; ask(false, 0); requests++)
		answer("PD004", 0);
	assert_int_equal(publisher_refused_keys(p), 40);
	assert_true(requests < 200);
}

static void pauses_after_trouble(void **arg)
{
	int64_t now = 0, pause, last = 0;

	(void)arg;
	say("A", STATE_INUSE);
	for (int i = 0; i < 12; i++) {
		assert_true(ask(false, now));
		assert_int_equal(answer("55P03", now), PUBLISH_RETRY);
		pause = publisher_next_us(p) - now;
		assert_true(pause > 0 && pause <= 5 * S && pause >= last);
		last = pause;
		assert_false(ask(false, now));
		assert_false(ask(false, now + pause - 1));
		assert_true(ask(true, now)); /* beats go on */
		assert_int_equal(req.nitems, 0);
		publisher_reset(p);
		now += pause;
	}
	assert_int_equal(last, 5 * S);
	assert_int_equal(outbox_dirty(o), 1);
	assert_true(ask(false, now));
	answer("", now);
	assert_int_equal(publisher_next_us(p), 0);
	say("A", STATE_BUSY); /* the next pause is a short one again */
	ask(false, now);
	answer("55P03", now);
	assert_true(publisher_next_us(p) - now < S);
}

/* What ends a trouble ends the pause: a beat that got through will do. */
static void a_beat_ends_the_pause(void **arg)
{
	(void)arg;
	say("A", STATE_INUSE);
	for (int64_t now = 0; now < 20 * S; now = publisher_next_us(p)) {
		assert_true(ask(false, now));
		answer("53100", now);
	}
	assert_true(ask(true, 20 * S));
	answer("", 20 * S);
	assert_true(ask(false, 20 * S));
	assert_int_equal(req.nitems, 1);
	answer("", 20 * S);
	assert_int_equal(publisher_next_us(p), 0);
}

/* A primary that was fenced by making it read-only will not come to its senses. */
static void a_read_only_server_is_left(void **arg)
{
	(void)arg;
	say("A", STATE_INUSE);
	ask(false, 0);
	assert_int_equal(answer("25006", 0), PUBLISH_LOST);
	assert_int_equal(outbox_dirty(o), 1);
	assert_true(ask(true, 0));
	assert_int_equal(answer("25006", 0), PUBLISH_LOST);
}

/* A batch that a slow server cannot do in time must not come again as it is for ever. */
static void a_batch_without_an_answer_is_halved(void **arg)
{
	(void)arg;
	say_many(512);
	for (size_t n = 512; n > 0; n = n > 16 ? n / 2 : 0) {
		assert_true(ask(false, 0));
		assert_int_equal(req.nitems, n);
		publisher_reset(p);
	}
	assert_true(ask(false, 0)); /* so few go together in any case */
	assert_int_equal(req.nitems, 16);
	answer("", 0);
	assert_true(ask(false, 0));
	assert_int_equal(req.nitems, 32);
	answer("", 0);
	assert_true(ask(false, 0));
	assert_int_equal(req.nitems, 64);
}

static void fenced(void **arg)
{
	static const char *const states[] = {"PD001", "PD002", "PD006"};

	(void)arg;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		say("A", i % 2 ? STATE_BUSY : STATE_INUSE);
		assert_true(ask(false, 0));
		assert_int_equal(answer(states[i], 0), PUBLISH_FENCED);
		assert_int_equal(outbox_dirty(o), 1);
		assert_false(publisher_in_flight(p));
		assert_true(ask(true, 0));
		assert_int_equal(req.nitems, 1);
		assert_int_equal(answer(states[i], 0), PUBLISH_FENCED);
		assert_true(ask(false, 0));
		answer("", 0);
	}
}

static void lost(void **arg)
{
	(void)arg;
	say("A", STATE_INUSE);
	ask(false, 0);
	assert_int_equal(no_answer(), PUBLISH_LOST);
	assert_int_equal(outbox_dirty(o), 1);
	assert_true(ask(false, 0));
	say("A", STATE_BUSY);
	publisher_reset(p); /* the connection is gone */
	assert_false(publisher_in_flight(p));
	assert_int_equal(outbox_dirty(o), 1);
	assert_true(ask(false, 0));
	assert_int_equal(req.items[0].value.state, STATE_BUSY);
	answer("", 0);
	assert_int_equal(outbox_dirty(o), 0);
	ask(true, 0);
	assert_int_equal(no_answer(), PUBLISH_LOST);
}

/* What was sent and never answered may be there, said at another time. */
static void what_was_there_already_is_told_anew(void **arg)
{
	(void)arg;
	say("A", STATE_INUSE);
	say("B", STATE_INUSE);
	assert_true(ask(false, 0));
	publisher_reset(p);
	assert_true(ask(false, 0));
	assert_false(req.force);
	assert_int_equal(req.nitems, 2);
	unchanged = 2;
	answer("", 0);
	assert_true(ask(false, 0));
	assert_true(req.force);
	assert_int_equal(req.nitems, 2);
	unchanged = 0;
	answer("", 0);
	assert_int_equal(outbox_dirty(o), 0);
}

/* A, B, A: nothing changed in the database, but the moment did. */
static void said_twice_and_the_same(void **arg)
{
	(void)arg;
	say("A", STATE_INUSE);
	ask(false, 0);
	answer("", 0);
	say("A", STATE_BUSY);
	say("A", STATE_INUSE);
	assert_true(ask(false, 0));
	unchanged = 1;
	answer("", 0);
	assert_true(ask(false, 0));
	assert_true(req.force);
	say("A", STATE_BUSY); /* while it is forced */
	unchanged = 0;
	answer("", 0);
	assert_true(ask(false, 0));
	assert_false(req.force);
	assert_int_equal(req.items[0].value.state, STATE_BUSY);
	answer("", 0);
	say("A", STATE_INUSE); /* once, and it was there: nothing to be told */
	ask(false, 0);
	unchanged = 1;
	answer("", 0);
	assert_int_equal(outbox_dirty(o), 0);
	unchanged = 0;
}

static void forced_and_not_go_apart(void **arg)
{
	(void)arg;
	say_many(5);
	ask(false, 0);
	answer("", 0);
	outbox_rewind(o, -1);
	say("new", STATE_BUSY);
	assert_true(ask(false, 0));
	assert_true(req.force);
	assert_int_equal(req.nitems, 5);
	answer("", 0);
	assert_true(ask(false, 0));
	assert_false(req.force);
	assert_int_equal(req.nitems, 1);
	answer("", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(idle_leaves_at_once, begin, end),
		cmocka_unit_test_setup_teardown(reporting_goes_with_the_last_batch, begin, end),
		cmocka_unit_test_setup_teardown(what_comes_meanwhile_leaves_together, begin, end),
		cmocka_unit_test_setup_teardown(a_batch_is_bounded, begin, end),
		cmocka_unit_test_setup_teardown(beats, begin, end),
		cmocka_unit_test(bisects),
		cmocka_unit_test_setup_teardown(every_key_is_bad, begin, end),
		cmocka_unit_test_setup_teardown(pauses_after_trouble, begin, end),
		cmocka_unit_test_setup_teardown(a_beat_ends_the_pause, begin, end),
		cmocka_unit_test_setup_teardown(a_read_only_server_is_left, begin, end),
		cmocka_unit_test_setup_teardown(a_batch_without_an_answer_is_halved, begin, end),
		cmocka_unit_test_setup_teardown(fenced, begin, end),
		cmocka_unit_test_setup_teardown(lost, begin, end),
		cmocka_unit_test_setup_teardown(what_was_there_already_is_told_anew, begin, end),
		cmocka_unit_test_setup_teardown(said_twice_and_the_same, begin, end),
		cmocka_unit_test_setup_teardown(forced_and_not_go_apart, begin, end),
	};

	log_open(LOG_TO_FILE, "/dev/null"); /* what is logged here is expected */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

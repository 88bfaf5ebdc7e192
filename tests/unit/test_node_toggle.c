/* node_toggle.c, as node.c and node_report.c use it: devices under LATEST: what is a new
 * word, with which time, and what is none. The node is not connected: what it would send
 * is taken from its outbox.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "node_parts.h"

#define T      "Custom:t"
#define SECOND INT64_C(1000000)
#define CLOCK  INT64_C(1795440000000000) /* of the database, when ours is 0 */

static struct node *n;
static struct cache_entity *b;
static struct batch_item items[8];

static void submit(void *arg, const struct db_request *req)
{
	(void)arg;
	(void)req;
}

static void disconnect(void *arg, const char *reason)
{
	(void)arg;
	(void)reason;
}

static void changed(void *arg, enum key_kind kind, const char *key, const struct sum *was,
	const struct sum *now)
{
	(void)arg;
	(void)kind;
	(void)key;
	(void)was;
	(void)now;
}

static void phase(void *arg, enum node_phase p)
{
	(void)arg;
	(void)p;
}

static void nothing(void *arg)
{
	(void)arg;
}

static int begin(void **arg)
{
	static const struct node_config cfg = {.self = {.entity = {{2, 0, 0, 0, 0, 5}},
											   .name = "us",
											   .host = "h",
											   .boot_id = "",
											   .version = "1",
											   .lease_ms = 10000},
		.publish = {true, true},
		.subscribe = {true, true}};
	static const struct node_callbacks cb = {changed, phase, nothing, nothing};
	struct db_port port = {submit, disconnect, NULL};
	struct entity_id other = {{2, 0, 0, 0, 0, 9}};
	struct policies *p = policies_new();

	(void)arg;
	n = node_new(&cfg, &port, &cb, NULL, SECOND);
	assert_true(policies_add(p, KEY_DEVICE, "Custom:*", POLICY_LATEST));
	n->policies = p;
	cache_set_policies(n->cache, p);
	outbox_set_policies(n->outbox, p);
	node_clock(n, CLOCK + SECOND);
	b = cache_entity_get(n->cache, &other);
	cache_entity_flags(n->cache, b, true, true);
	return 0;
}

static int end(void **arg)
{
	(void)arg;
	node_free(n);
	return 0;
}

static void at(int64_t now_us)
{
	node_now(n, now_us);
}

static void press(enum device_state s)
{
	struct value v = {.state = s, .held = true};

	node_set(n, KEY_DEVICE, T, &v);
}

static void pbx(enum device_state s)
{
	struct value v = {.state = s};

	node_report_set(n, KEY_DEVICE, T, &v);
}

static void other_says(enum device_state s, int64_t stamp_us)
{
	struct value v = {.state = s, .held = true, .stamp_us = stamp_us};

	cache_put(n->cache, b, KEY_DEVICE, T, &v);
}

static void expect(enum device_state s, const struct cache_entity *writer)
{
	struct sum sum;

	cache_sum(n->cache, KEY_DEVICE, T, &sum);
	assert_int_equal(sum.value.state, s);
	assert_ptr_equal(sum.writer, writer);
}

/* What goes out next, with its age as it is sent; then it is acknowledged. -1: nothing.
 */
static int64_t sent(enum device_state s)
{
	bool force;
	size_t got = outbox_take(n->outbox, items, 8, n->now_us, &force);

	if (got == 0)
		return -1;
	assert_int_equal(got, 1);
	assert_false(force);
	assert_string_equal(items[0].key, T);
	assert_int_equal(items[0].value.state, s);
	node_ages(n, items, got);
	outbox_acked(n->outbox, 1);
	return items[0].age_us;
}

static void a_second_press(void **arg)
{
	(void)arg;
	press(STATE_INUSE);
	assert_int_equal(sent(STATE_INUSE), 0);
	press(STATE_INUSE);
	assert_int_equal(sent(STATE_INUSE), -1); /* it is in force */
	other_says(STATE_NOT_INUSE, CLOCK + 2 * SECOND);
	expect(STATE_NOT_INUSE, b);
	assert_int_equal(sent(STATE_INUSE), -1); /* nothing is said by itself */
	at(3 * SECOND);
	press(STATE_INUSE);
	expect(STATE_INUSE, n->self);
	at(4 * SECOND);
	assert_int_equal(sent(STATE_INUSE), SECOND);
	other_says(STATE_NOT_INUSE, CLOCK + 2 * SECOND + 500); /* older than ours */
	expect(STATE_INUSE, n->self);
	press(STATE_INUSE);
	assert_int_equal(sent(STATE_INUSE), -1);
}

/* The other's word is of a clock that was ahead: ours is later all the same, here and
 * there. */
static void later_than_what_it_answers(void **arg)
{
	(void)arg;
	other_says(STATE_NOT_INUSE, CLOCK + 60 * SECOND);
	press(STATE_INUSE);
	expect(STATE_INUSE, n->self);
	assert_int_equal(sent(STATE_INUSE), 0);
	/* the clock was put back by three seconds before it could be sent */
	other_says(STATE_NOT_INUSE, CLOCK + 61 * SECOND);
	at(61 * SECOND + 10);
	press(STATE_INUSE);
	at(70 * SECOND);
	node_clock(n, CLOCK + 67 * SECOND);
	assert_int_equal(sent(STATE_INUSE), 6 * SECOND - 10); /* still behind that word */
}

static void said_before_there_was_a_clock(void **arg)
{
	const struct value *v;

	(void)arg;
	n->clock_known = false;
	n->clock_offset_us = 0;
	press(STATE_INUSE);
	at(5 * SECOND);
	node_clock(n, CLOCK + 5 * SECOND);
	v = cache_get(n->cache, n->self, KEY_DEVICE, T);
	assert_true(v->stamp_us == CLOCK + SECOND);
	assert_int_equal(sent(STATE_INUSE), 4 * SECOND);
}

/* A rewind: the word that is in force goes once more without force, an overruled one does
 * not. */
static void restated_after_a_rewind(void **arg)
{
	bool force;

	(void)arg;
	press(STATE_INUSE);
	sent(STATE_INUSE);
	assert_true(outbox_rewind(n->outbox, 0));
	node_restate(n);
	assert_int_equal(outbox_take(n->outbox, items, 8, n->now_us, &force), 1);
	assert_true(force);
	outbox_acked(n->outbox, 2);
	assert_int_equal(sent(STATE_INUSE), 0);
	other_says(STATE_BUSY, CLOCK + 2 * SECOND);
	assert_true(outbox_rewind(n->outbox, 0));
	node_restate(n);
	assert_int_equal(outbox_take(n->outbox, items, 8, n->now_us, &force), 1);
	assert_true(force);
	outbox_acked(n->outbox, 3);
	assert_int_equal(sent(STATE_INUSE), -1);
}

/* The PBX shows what the cluster says: giving that back is no word of its own. */
static void adopted_is_not_exported(void **arg)
{
	(void)arg;
	node_report_up(n);
	node_report_begin(n);
	pbx(STATE_INUSE);
	node_report_end(n);
	assert_int_equal(sent(STATE_INUSE), 0);
	other_says(STATE_BUSY, CLOCK + 2 * SECOND);
	at(3 * SECOND);
	pbx(STATE_BUSY); /* the echo of what was written through */
	assert_int_equal(sent(STATE_BUSY), -1);
	expect(STATE_BUSY, b);
	node_report_begin(n); /* and in a report: ours is not removed by its end */
	pbx(STATE_BUSY);
	node_report_end(n);
	assert_int_equal(sent(STATE_BUSY), -1);
	assert_int_equal(outbox_get(n->outbox, KEY_DEVICE, T)->state, STATE_INUSE);
	node_report_begin(n); /* what it said before, repeated in a report, is no press */
	pbx(STATE_INUSE);
	node_report_end(n);
	assert_int_equal(sent(STATE_INUSE), -1);
	expect(STATE_BUSY, b);
	pbx(STATE_INUSE); /* outside of one it is */
	assert_int_equal(sent(STATE_INUSE), 0);
	expect(STATE_INUSE, n->self);
	pbx(STATE_RINGING);
	assert_int_equal(sent(STATE_RINGING), 0);
}

static void others_are_not_toggles(void **arg)
{
	struct value v = {.state = STATE_INUSE, .held = true, .stamp_us = CLOCK + 9 * SECOND};

	(void)arg;
	node_set(n, KEY_DEVICE, "PJSIP/1", &v);
	assert_int_equal(outbox_dirty(n->outbox), 1);
	cache_put(n->cache, b, KEY_DEVICE, "PJSIP/1", &v);
	bool force;
	outbox_take(n->outbox, items, 8, n->now_us, &force);
	outbox_acked(n->outbox, 1);
	node_set(n, KEY_DEVICE, "PJSIP/1", &v); /* said already */
	node_restate(n);
	assert_int_equal(outbox_dirty(n->outbox), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_second_press),
		TEST(later_than_what_it_answers),
		TEST(said_before_there_was_a_clock),
		TEST(restated_after_a_rewind),
		TEST(adopted_is_not_exported),
		TEST(others_are_not_toggles),
	};

	log_open(LOG_TO_FILE, "/dev/null");
	return cmocka_run_group_tests(tests, NULL, NULL);
}

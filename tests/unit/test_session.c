/* session.c with a port played by hand: how long it waits for what. The order of what it
 * asks is tested with whole nodes: test_node.c. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "log.h"
#include "node.h"

#define S INT64_C(1000000)

static struct node *node;
static struct db_events events;
static enum db_op asked; /* of the main session ... */
static int64_t deadline_ms;
static int submits, disconnects;

static void on_submit(void *arg, const struct db_request *req)
{
	(void)arg;
	if (req->op >= DB_READ_ROWS)
		return;
	asked = req->op;
	deadline_ms = req->deadline_ms;
	submits++;
}

static void on_disconnect(void *arg, const char *reason)
{
	(void)arg;
	(void)reason;
	disconnects++;
}

static void on_changed(void *arg, enum key_kind kind, const char *key,
	const struct sum *was, const struct sum *now)
{
	(void)arg;
	(void)kind;
	(void)key;
	(void)was;
	(void)now;
}

static void on_phase(void *arg, enum node_phase phase)
{
	(void)arg;
	(void)phase;
}

static void on_rearm(void *arg)
{
	(void)arg;
}

static void begin(int lease_ms)
{
	const struct db_port port = {on_submit, on_disconnect, NULL};
	const struct node_callbacks cb = {on_changed, on_phase, on_rearm, on_rearm};
	struct node_config cfg = {.publish = {true, true}};

	assert_true(entity_id_parse("02:00:00:00:00:01", &cfg.self.entity));
	cfg.self.name = cfg.self.host = cfg.self.boot_id = cfg.self.version = "x";
	cfg.self.pid = 7;
	cfg.self.lease_ms = lease_ms;
	node = node_new(&cfg, &port, &cb, NULL, 0);
	events = node_events(node);
	submits = disconnects = 0;
	node_start(node, 0);
}

static void answer(struct db_result res, int64_t now_us)
{
	res.op = asked;
	res.message = res.ok ? "" : "test";
	node_now(node, now_us);
	events.result(events.arg, &res);
}

static void get_ready(void)
{
	answer((struct db_result){.ok = true}, 0);
	assert_int_equal(asked, DB_REGISTER);
	answer(
		(struct db_result){.ok = true, .lease = {.outcome = DB_REGISTERED, .seq = 1}}, 0);
	assert_int_equal(asked, DB_LISTEN);
}

static void an_answer_is_due_within_a_lease(void **arg)
{
	static const int64_t cases[][2] = {{2000, 3000}, {4000, 4000}, {10000, 5000}};

	(void)arg;
	for (size_t i = 0; i < 3; i++) {
		begin((int)cases[i][0]);
		answer((struct db_result){.ok = true}, 0);
		assert_int_equal(asked, DB_REGISTER);
		assert_int_equal(deadline_ms, cases[i][1]);
		node_free(node);
	}
}

/* The time that silent hosts took is part of the pause, not before it. */
static void a_long_failure_is_followed_by_a_short_pause(void **arg)
{
	int64_t now = 0;

	(void)arg;
	begin(10000);
	for (int i = 0; i < 6; i++) {
		int64_t pause;

		assert_int_equal(asked, DB_CONNECT);
		now += 4 * S;
		answer((struct db_result){.ok = false}, now);
		pause = node_next_us(node) - now;
		assert_in_range(pause, 0, S / 8);
		now += pause;
		node_timer(node, now);
		assert_int_equal(submits, i + 2);
	}
	answer((struct db_result){.ok = false}, now); /* at once: it waits */
	assert_in_range(node_next_us(node) - now, S, 2 * S);
	node_free(node);
}

static void a_server_that_became_read_only_is_left(void **arg)
{
	const struct value v = {.state = STATE_INUSE, .held = true};

	(void)arg;
	begin(10000);
	get_ready();
	answer((struct db_result){.ok = true}, 0);
	assert_int_equal(asked, DB_TICK);
	events.result(events.arg, &(struct db_result){.op = DB_READ_ROWS, .ok = true});
	answer((struct db_result){.ok = true}, 0);
	node_set(node, KEY_DEVICE, "A", &v);
	assert_int_equal(asked, DB_PUBLISH);
	assert_int_equal(disconnects, 0);
	answer((struct db_result){.ok = false, .sqlstate = "25006"}, 20 * S);
	assert_int_equal(disconnects, 1);
	node_timer(node, 30 * S);
	assert_int_equal(asked, DB_CONNECT);
	node_free(node);
}

static void fence(void)
{
	const struct value v = {.state = STATE_INUSE, .held = true};

	node_set(node, KEY_DEVICE, "A", &v);
	while (asked == DB_TICK)
		answer((struct db_result){.ok = true}, 0);
	assert_int_equal(asked, DB_PUBLISH);
	answer((struct db_result){.ok = false, .sqlstate = "PD002"}, 0);
}

static void resume(void)
{
	assert_int_equal(asked, DB_RESUME);
	answer((struct db_result){.ok = true, .lease = {.outcome = DB_RESUMED, .seq = 1}}, 0);
}

/* Whatever it is that takes each new session away: the node does not fight for it. */
static void fenced_again_and_again(void **arg)
{
	(void)arg;
	begin(10000);
	get_ready();
	answer((struct db_result){.ok = true}, 0);
	events.result(events.arg, &(struct db_result){.op = DB_READ_ROWS, .ok = true});
	for (int i = 0; i < 3; i++) { /* once in a while is nothing */
		fence();
		resume();
		while (asked == DB_TICK)
			answer((struct db_result){.ok = true}, 0);
		assert_int_equal(asked, DB_PUBLISH);
		answer((struct db_result){.ok = true, .seq = 2, .changed = 1}, 0);
		assert_true(node_remove(node, KEY_DEVICE, "A"));
		answer((struct db_result){.ok = true, .seq = 3, .changed = 1}, 0);
	}
	assert_int_equal(disconnects, 0);
	fence();
	resume();
	fence();
	assert_int_equal(disconnects, 1);
	assert_in_range(node_next_us(node), S / 10, S);
	node_free(node);
}

/* A server may explain itself at length, and not in ASCII. */
static void the_reason_is_kept_whole(void **arg)
{
	struct node_status s;
	char reason[1201];

	(void)arg;
	for (size_t i = 0; i < 1200; i += 2)
		memcpy(reason + i, "\xc3\xbc", 3);
	begin(10000);
	answer((struct db_result){.ok = true}, 0);
	events.lost(events.arg, "", reason);
	node_get_status(node, &s);
	assert_string_equal(s.last_error, reason);
	node_free(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_due_within_a_lease),
		cmocka_unit_test(a_long_failure_is_followed_by_a_short_pause),
		cmocka_unit_test(a_server_that_became_read_only_is_left),
		cmocka_unit_test(fenced_again_and_again),
		cmocka_unit_test(the_reason_is_kept_whole),
	};

	log_open(LOG_TO_FILE, "/dev/null"); /* what is logged here is expected */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

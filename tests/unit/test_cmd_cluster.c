/* cmd_cluster.c: the boxes of the document of 2008, counters, and ping. */
#include "command_fixture.h"

static void test_members(void **state)
{
	struct fixture *f = *state;
	struct cache_entity *other =
		fake_member(f->app.node, "01:23:45:67:89:ac", "server2", "10.19.6.187");

	cache_entity_flags(f->app.node->cache, other, false, false);
	assert_output(f, "cluster show members",
		"\n"
		"=============================================================\n"
		"=== Cluster Members =========================================\n"
		"=============================================================\n"
		"===\n"
		"=== ---------------------------------------------------------\n"
		"=== Node Name: server1 (this node)\n"
		"=== ==> ID: 01:23:45:67:89:ab\n"
		"=== ==> Address: 10.19.2.255\n"
		"=== ==> Member: Yes\n"
		"=== ==> Since: 2008-11-23 12:00:00 UTC\n"
		"=== ==> Version: 0.1.0\n"
		"=== ==> Process ID: 4711\n"
		"=== ==> Reporting: Yes\n"
		"=== ==> Devices: 0\n"
		"=== ==> Mailboxes: 0\n"
		"=== ---------------------------------------------------------\n"
		"===\n"
		"=== ---------------------------------------------------------\n"
		"=== Node Name: server2\n"
		"=== ==> ID: 01:23:45:67:89:ac\n"
		"=== ==> Address: 10.19.6.187\n"
		"=== ==> Member: No\n"
		"=== ==> Since: 2008-11-23 12:00:00 UTC\n"
		"=== ==> Version: 0.1.0\n"
		"=== ==> Process ID: 4711\n"
		"=== ==> Reporting: No\n"
		"=== ==> Devices: 0\n"
		"=== ==> Mailboxes: 0\n"
		"=== ---------------------------------------------------------\n"
		"===\n"
		"=============================================================\n"
		"\n");
}

static void test_members_while_the_database_is_away(void **state)
{
	struct fixture *f = *state;

	f->app.node->status.phase = NODE_DOWN;
	assert_int_equal(fixture_run(f, "ais clm show members"), 0);
	assert_contains(
		buf_str(&f->out), "=== Not connected (down): this is what was known last.\n");
}

static void test_members_json(void **state)
{
	struct fixture *f = *state;
	struct cache_entity *e = fake_member(f->app.node, "01:23:45:67:89:ac", "x", "y");
	json_t *list;

	strcpy(e->who.name, "bad \xff name"); /* nothing that was heard breaks the document */
	e->who.is_static = true;
	list = fixture_json(f, "cluster show members");
	assert_int_equal(json_array_size(list), 2);
	json_t *second = json_array_get(list, 1);
	assert_string_equal(
		json_string_value(json_object_get(second, "name")), "bad \xef\xbf\xbd name");
	assert_string_equal(json_string_value(json_object_get(second, "kind")), "static");
	assert_true(json_is_true(json_object_get(second, "member")));
	json_decref(list);
}

static void test_channels(void **state)
{
	struct fixture *f = *state;
	const char *document =
		"\n"
		"=============================================================\n"
		"=== Event Channels ==========================================\n"
		"=============================================================\n"
		"===\n"
		"=== ---------------------------------------------------------\n"
		"=== Event Channel Name: mwi\n"
		"=== ==> Publishing Event Type: mwi\n"
		"=== ==> Subscribing to Event Type: mwi\n"
		"=== ---------------------------------------------------------\n"
		"===\n"
		"=== ---------------------------------------------------------\n"
		"=== Event Channel Name: device_state\n"
		"=== ==> Publishing Event Type: device_state\n"
		"=== ==> Subscribing to Event Type: device_state\n"
		"=== ---------------------------------------------------------\n"
		"===\n"
		"=============================================================\n"
		"\n";

	assert_output(f, "cluster show channels", document);
	assert_output(f, "ais evt show event channels", document);
	f->channels[1].publish[EVENT_DEVICE_STATE] = false;
	assert_int_equal(fixture_run(f, "cluster show channels"), 0);
	assert_null(strstr(buf_str(&f->out), "Publishing Event Type: device_state"));
}

static void test_channels_json(void **state)
{
	struct fixture *f = *state;
	json_t *list = fixture_json(f, "cluster show channels");
	json_t *types = json_object_get(json_array_get(list, 1), "subscribe_event");

	assert_string_equal(json_string_value(json_array_get(types, 0)), "device_state");
	json_decref(list);
}

static void test_stats(void **state)
{
	struct fixture *f = *state;

	f->app.node->status.counters[COUNT_GAPS] = 7;
	f->app.node->status.pulse_age_us = -1;
	f->app.node->status.unsent = 3;
	assert_int_equal(fixture_run(f, "cluster show stats"), 0);
	assert_contains(buf_str(&f->out), "\n  gaps:                        7\n");
	assert_contains(buf_str(&f->out), "\n  Unsent:                      3\n");
	assert_contains(buf_str(&f->out), "\n  Pulse age, ms:               none heard\n");
	json_t *o = fixture_json(f, "cluster show stats");
	assert_int_equal(json_integer_value(json_object_get(o, "gaps")), 7);
	assert_int_equal(json_integer_value(json_object_get(o, "log_lines_lost")), 0);
	assert_true(json_is_null(json_object_get(o, "pulse_age_ms"))); /* a number or none */
	json_decref(o);
}

static void test_ping(void **state)
{
	struct fixture *f = *state;
	struct cache_entity *e =
		fake_member(f->app.node, "01:23:45:67:89:ac", "server2", "h");
	struct node *n = f->app.node;

	fixture_start(f, "cluster ping", false);
	assert_int_equal(f->status, -1);
	n->pong(n->pong_arg, n->nonce, &e->id, 410);
	n->pong(n->pong_arg, n->nonce, &e->id, 999); /* said twice */
	assert_int_equal(f->status, -1);
	n->pong(n->pong_arg, n->nonce, &n->self->id, 300);
	assert_int_equal(f->status, 0);
	assert_string_equal(buf_str(&f->out), "server2 (01:23:45:67:89:ac): 0.410 ms\n"
										  "server1 (01:23:45:67:89:ab): 0.300 ms\n"
										  "2 of 2 members answered\n");
}

static void test_ping_one(void **state)
{
	struct fixture *f = *state;
	struct cache_entity *e =
		fake_member(f->app.node, "01:23:45:67:89:ac", "server2", "h");
	struct node *n = f->app.node;

	fixture_start(f, "cluster ping server2", true);
	n->pong(n->pong_arg, n->nonce, &n->self->id, 300);
	assert_int_equal(f->status, -1);
	n->pong(n->pong_arg, n->nonce, &e->id, 410);
	assert_int_equal(f->status, 0);
	assert_string_equal(buf_str(&f->out),
		"[\n  {\"name\": \"server2\", \"entity_id\": \"01:23:45:67:89:ac\", "
		"\"answered\": true, \"rtt_ms\": 0.40999999999999998}\n]\n");
	fixture_start(f, "cluster ping 01:23:45:67:89:AC", false);
	assert_int_equal(f->status, -1);
	command_free(f->call);
	f->call = NULL;
	assert_null(n->pong_arg); /* who leaves is not called any more */
}

/* The two seconds pass in the loop: this is what the command promises to wait. */
static void test_ping_without_answer(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "cluster ping", false);
	while (f->status < 0)
		event_base_loop(f->app.base, EVLOOP_ONCE);
	assert_int_equal(f->status, 1);
	assert_string_equal(buf_str(&f->out),
		"server1 (01:23:45:67:89:ab): no answer within 2 s\n"
		"0 of 1 members answered\n");
}

static void test_ping_cannot(void **state)
{
	struct fixture *f = *state;

	assert_fails(
		f, "cluster ping nobody", "No living member has the name or entity id nobody");
	f->app.node->status.phase = NODE_DOWN;
	f->app.node->status.last_error = "connection refused";
	assert_fails(
		f, "cluster ping", "not connected to the database (down: connection refused)");
}

static int notify_run(struct fixture *f, const char *line, const char *wrong)
{
	struct node *n = f->app.node;

	fixture_start(f, line, false);
	assert_non_null(n->policy_arg);
	n->policy_set(n->policy_arg, wrong);
	n->policy_arg = NULL;
	return f->status;
}

static void test_notify(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->app.node;

	assert_fails(f, "cluster notify often",
		"'often' is no notify mode; modes are auto, direct, ticker");
	assert_string_equal(buf_str(&n->said), "");
	assert_int_equal(notify_run(f, "cluster notify ticker", ""), 0);
	assert_string_equal(buf_str(&f->out), "Setting notify mode ticker for the cluster\n");
	assert_string_equal(buf_str(&n->said), "notify mode ticker\n");
	fixture_finish(f);
	assert_int_equal(notify_run(f, "cluster notify auto", "you may not"), 1);
	assert_contains(buf_str(&f->err), "The notify mode was not changed: you may not");
	fixture_finish(f);
	n->policy_arg = f; /* somebody else's */
	assert_fails(f, "cluster notify auto",
		"Cannot change the notify mode now: another change is under way");
	n->policy_arg = NULL;
	n->status.phase = NODE_DOWN;
	assert_fails(f, "cluster notify auto",
		"Cannot change the notify mode now: not connected to the database");
}

static void test_notify_mode_in_stats(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->app.node;

	n->status.notify = (struct payload_notify){NOTIFY_TICKER, NOTIFY_AUTO, 200, 980, 20};
	assert_int_equal(fixture_run(f, "cluster show stats"), 0);
	assert_contains(buf_str(&f->out), "  Notify mode:                 ticker\n");
	assert_contains(buf_str(&f->out), "  Notify mode set:             auto\n");
	assert_contains(buf_str(&f->out), "  Ticker period, ms:           20\n");
	assert_contains(buf_str(&f->out), "  Ticker changes/s:            980\n");
	n->status.notify.mode = NOTIFY_DIRECT;
	json_t *o = fixture_json(f, "cluster show stats");
	assert_string_equal(json_string_value(json_object_get(o, "notify_mode")), "direct");
	assert_string_equal(json_string_value(json_object_get(o, "notify_mode_set")), "auto");
	assert_int_equal(json_integer_value(json_object_get(o, "ticker_period_ms")), 0);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_members),
		fixture_test(test_notify),
		fixture_test(test_notify_mode_in_stats),
		fixture_test(test_members_while_the_database_is_away),
		fixture_test(test_members_json),
		fixture_test(test_channels),
		fixture_test(test_channels_json),
		fixture_test(test_stats),
		fixture_test(test_ping),
		fixture_test(test_ping_one),
		fixture_test(test_ping_without_answer),
		fixture_test(test_ping_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

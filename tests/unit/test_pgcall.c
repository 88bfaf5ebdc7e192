/* pgcall.c: requests to parameters, results to answers. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pgcall.h"
#include "schema_version.h"

#define U1 "11111111-1111-4111-8111-111111111111"
#define U2 "22222222-2222-4222-8222-222222222222"
#define U3 "33333333-3333-4333-8333-333333333333"

static struct db_self self = {.entity = {{2, 0, 0, 0, 0, 1}},
	.name = "server1",
	.host = "h",
	.boot_id = "b",
	.version = "1.0",
	.pid = 42,
	.lease_ms = 10000,
	.built_for = 5};
static struct buf text;

static struct db_request request(enum db_op op)
{
	return (struct db_request){
		.op = op, .self = &self, .incarnation = {U1}, .session = {U2}, .reporting = -1};
}

/* "function(a, b, ...)" with - for null */
static char *encoded(const struct db_request *req)
{
	struct pgcall call;
	struct buf b = {0};
	const char *name, *want;
	char number[16];

	pgcall_encode(req, &call);
	name = strstr(call.sql, "pgdevstate.") + strlen("pgdevstate.");
	buf_add(&b, name, strcspn(name, "("));
	buf_addc(&b, '(');
	for (int i = 0; i < call.nparams; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", call.params[i] ? call.params[i] : "-");
	buf_addc(&b, ')');
	snprintf(number, sizeof(number), "$%d", call.nparams + 1);
	assert_null(strstr(call.sql, number)); /* as many as the text has */
	snprintf(number, sizeof(number), "$%d:", call.nparams);
	want = call.nparams ? number : "(";
	assert_non_null(strstr(call.sql, want));
	pgcall_clear(&call);
	pgcall_clear(&call); /* twice is legal */
	return buf_take(&b);
}

static void expect_call(const struct db_request *req, const char *want)
{
	char *got = encoded(req);

	assert_string_equal(got, want);
	free(got);
}

static void test_lease_calls(void **state)
{
	struct db_request req = request(DB_REGISTER);

	(void)state;
	expect_call(&req,
		"register(02:00:00:00:00:01, " U1 ", server1, h, 42, b, 1.0, 10000, -, -, -, 5)");
	req.continues = (struct uuid){U3};
	req.continues_session = (struct uuid){U2};
	req.seq = 7;
	expect_call(&req, "register(02:00:00:00:00:01, " U1
					  ", server1, h, 42, b, 1.0, 10000, " U3 ", 7, " U2 ", 5)");
	req.op = DB_RESUME;
	req.seq = INT64_MAX;
	expect_call(&req,
		"resume(02:00:00:00:00:01, " U1 ", 9223372036854775807, server1, h, 42, b)");
}

static void test_announce(void **state)
{
	struct db_request req = request(DB_ANNOUNCE);
	const struct batch_item items[] = {
		{KEY_DEVICE, "PJSIP/1", false, {.state = STATE_RINGING}, 7},
		{KEY_DEVICE, "Custom:x", false, {.state = STATE_BUSY, .held = true}, 0}};
	struct pgcall call;
	char channel[64];

	(void)state;
	req.channel = "pgdevstate_0123";
	req.site = 1;
	req.seq = 41;
	req.until_seq = 42;
	req.clock_us = 1700000000000000;
	req.items = items;
	req.nitems = 2;
	pgcall_encode(&req, &call);
	assert_true(call.prepare);
	assert_int_equal(call.nparams, 2);
	assert_string_equal(call.params[0], "A_pgdevstate_0123");
	assert_string_equal(call.params[1],
		"1\tA\t1\t02:00:00:00:00:01\t" U1 "\t41\t42\t1700000000000000\n"
		"D\t6\t-\t7\tPJSIP/1\nD\t3\th\t0\tCustom:x\n");
	pgcall_clear(&call);
	/* a name of 63 bytes is cut, and still no site's: those begin with a small letter */
	pgcall_announce_channel(
		"p23456789012345678901234567890123456789012345678901234567890123", channel);
	assert_int_equal(strlen(channel), 63);
	assert_memory_equal(channel, "A_p2345", 7);
}

static void test_other_calls(void **state)
{
	struct db_request req = request(DB_LEAVE);
	struct entity_id other = {{2, 0, 0, 0, 0, 9}};

	(void)state;
	expect_call(&req, "leave(02:00:00:00:00:01, " U1 ", " U2 ")");
	req.op = DB_TICK;
	expect_call(&req, "tick(02:00:00:00:00:01, " U1 ", " U2 ", -)");
	req.token = (struct uuid){U3};
	expect_call(&req, "tick(02:00:00:00:00:01, " U1 ", " U2 ", " U3 ")");
	req.op = DB_RELAY;
	expect_call(&req, "relay(02:00:00:00:00:01, " U1 ", " U2 ", " U3 ")");
	req.op = DB_PING;
	req.nonce = -5;
	expect_call(&req, "ping(02:00:00:00:00:01, " U1 ", " U2 ", -5, -)");
	req.to = &other;
	expect_call(&req, "ping(02:00:00:00:00:01, " U1 ", " U2 ", -5, 02:00:00:00:00:09)");
	req.op = DB_READ_ROWS;
	expect_call(&req, "read_rows(-)");
	req.entity = &other;
	expect_call(&req, "read_rows(02:00:00:00:00:09)");
	req.op = DB_READ_JOURNAL;
	req.entity_incarnation = (struct uuid){U3};
	req.seq = 12;
	expect_call(&req, "read_journal(02:00:00:00:00:09, " U3 ", 12)");
	req.op = DB_READ_HEADS;
	expect_call(&req, "read_heads()");
	req.op = DB_READ_POLICIES;
	expect_call(&req, "read_policies()");
	req.op = DB_POLICY;
	req.policy_kind = KEY_MAILBOX;
	req.policy_pattern = "*@d";
	req.policy = "sum";
	expect_call(&req, "set_policy(mailbox, *@d, sum)");
	req.policy = NULL;
	expect_call(&req, "clear_policy(mailbox, *@d)");
	req.op = DB_NOTIFY_MODE;
	req.notify_mode = "ticker";
	expect_call(&req, "set_notify_mode(ticker)");
}

static void test_a_beat(void **state)
{
	struct db_request req = request(DB_PUBLISH);

	(void)state;
	expect_call(&req, "publish(02:00:00:00:00:01, " U1 ", " U2
					  ", {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, f, -)");
	req.force = true;
	req.reporting = 0;
	expect_call(&req, "publish(02:00:00:00:00:01, " U1 ", " U2
					  ", {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, t, f)");
}

static void test_publish(void **state)
{
	struct batch_item items[] = {
		{.kind = KEY_DEVICE,
			.key = "Custom:a",
			.value = {.state = STATE_INUSE},
			.age_us = 5},
		{.kind = KEY_MAILBOX,
			.key = "a@b@ctx",
			.value = {.urgent = 1, .fresh = 2, .old = 3, .held = true},
			.age_us = 6},
		{.kind = KEY_DEVICE,
			.key = "x\"y\\z,{}",
			.value = {.state = STATE_RINGING, .held = true}},
		{.kind = KEY_DEVICE, .key = "NULL", .removed = true},
		{.kind = KEY_MAILBOX, .key = "1000@default", .removed = true},
	};
	struct db_request req = request(DB_PUBLISH);

	(void)state;
	req.items = items;
	req.nitems = 5;
	req.reporting = 1;
	expect_call(&req,
		"publish(02:00:00:00:00:01, " U1 ", " U2
		", {\"Custom:a\",\"x\\\"y\\\\z,{}\",\"NULL\"}, {2,6,-1}, {f,t,f}, {5,0,0}, "
		"{\"a@b\",\"1000\"}, {\"ctx\",\"default\"}, {1,-1}, {2,0}, {3,0}, "
		"{t,f}, {6,0}, f, t)");
}

/* One device alone has a function of its own; it can neither remove nor force, nor say
 * whether there is a report. */
static void test_publish_device(void **state)
{
	struct batch_item item = {.kind = KEY_DEVICE,
		.key = "x\"y\\z,{}",
		.value = {.state = STATE_RINGING, .held = true},
		.age_us = 7};
	struct db_request req = request(DB_PUBLISH);

	(void)state;
	req.items = &item;
	req.nitems = 1;
	expect_call(
		&req, "publish_device(02:00:00:00:00:01, " U1 ", " U2 ", x\"y\\z,{}, 6, t, 7)");
	req.force = true;
	expect_call(&req,
		"publish(02:00:00:00:00:01, " U1 ", " U2
		", {\"x\\\"y\\\\z,{}\"}, {6}, {t}, {7}, {}, {}, {}, {}, {}, {}, {}, t, -)");
	req.force = false;
	req.reporting = 0;
	expect_call(&req,
		"publish(02:00:00:00:00:01, " U1 ", " U2
		", {\"x\\\"y\\\\z,{}\"}, {6}, {t}, {7}, {}, {}, {}, {}, {}, {}, {}, f, f)");
	req.reporting = -1;
	item.removed = true;
	expect_call(&req,
		"publish(02:00:00:00:00:01, " U1 ", " U2
		", {\"x\\\"y\\\\z,{}\"}, {-1}, {t}, {7}, {}, {}, {}, {}, {}, {}, {}, f, -)");
	item = (struct batch_item){.kind = KEY_MAILBOX, .key = "1@ctx"};
	expect_call(&req,
		"publish(02:00:00:00:00:01, " U1 ", " U2
		", {}, {}, {}, {}, {\"1\"}, {\"ctx\"}, {0}, {0}, {0}, {f}, {0}, f, -)");
}

static void test_settings(void **state)
{
	struct buf sql = {0};

	(void)state;
	for (int reader = 0; reader < 2; reader++) {
		buf_reset(&sql);
		pgcall_settings(reader, &sql);
		assert_memory_equal(buf_str(&sql), "select pg_catalog.set_config('", 30);
		assert_null(strchr(buf_str(&sql), ';')); /* one statement */
		assert_true(!!strstr(buf_str(&sql), "synchronous_commit") == !reader);
		assert_non_null(strstr(buf_str(&sql), "set_config('lock_timeout', '2s', false)"));
	}
	buf_clear(&sql);
}

/* ---- answers: results as libpq has them ---- */

static PGresult *result_of(int columns, const char *const *values)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc about[16] = {{0}};
	char name[] = "c";

	for (int i = 0; i < columns; i++)
		about[i].name = name;
	PQsetResultAttrs(res, columns, about);
	for (int i = 0; values && i < columns; i++)
		PQsetvalue(res, 0, i, (char *)(uintptr_t)values[i],
			values[i] ? (int)strlen(values[i]) : -1);
	return res;
}

static struct db_result decoded(enum db_op op, int columns, const char *const *values)
{
	PGresult *res = result_of(columns, values);
	struct db_result out;

	memset(&out, 0xff, sizeof(out)); /* nothing of what was there stays */
	pgcall_decode(op, res, &out, &text);
	PQclear(res);
	assert_int_equal(out.op, op);
	assert_false(out.lost);
	return out;
}

static const char *const granted[] = {"registered", U1, "chan", "3", "17",
	"1795429954746721", "10000", NULL, NULL, NULL, NULL, NULL};

static void test_lease_answers(void **state)
{
	static const char *const refused[] = {"refused", NULL, "chan", "3", "17", "5", NULL,
		"n", "h", "42", "2026-11-23 10:00:00+00", "250"};
	struct db_result out = decoded(DB_REGISTER, 12, granted);

	(void)state;
	assert_true(out.ok);
	assert_string_equal(out.message, "");
	assert_int_equal(out.lease.outcome, DB_REGISTERED);
	assert_string_equal(out.lease.session.text, U1);
	assert_string_equal(out.lease.channel, "chan");
	assert_int_equal(out.lease.site, 3);
	assert_int_equal(out.lease.seq, 17);
	assert_int_equal(out.lease.clock_us, 1795429954746721);
	assert_int_equal(out.lease.lease_ms, 10000);
	assert_string_equal(out.lease.holder_name, "");
	out = decoded(DB_RESUME, 12, refused);
	assert_true(out.ok);
	assert_int_equal(out.lease.outcome, DB_REFUSED);
	assert_string_equal(out.lease.session.text, "");
	assert_string_equal(out.lease.holder_host, "h");
	assert_int_equal(out.lease.holder_pid, 42);
	assert_string_equal(out.lease.holder_since, "2026-11-23 10:00:00+00");
	assert_int_equal(out.lease.holder_beat_age_ms, 250);
}

static void test_outcomes(void **state)
{
	static const char *const names[] = {
		"registered", "resumed", "rewound", "lost", "refused"};
	const char *values[12];

	(void)state;
	memcpy(values, granted, sizeof(values));
	for (int i = 0; i < 5; i++) {
		values[0] = names[i];
		assert_int_equal(decoded(DB_RESUME, 12, values).lease.outcome, i);
	}
}

static void test_other_answers(void **state)
{
	static const char *const publish[] = {"8", "99", "2"}, *const leave[] = {"9"};
	static const char *const tick[] = {U2, "02:00:00:00:00:09", "12", "1", "2", "0.25"};
	static const char *const nobody[] = {NULL, NULL, NULL, NULL, NULL, NULL};
	static const char *const relay[] = {"20", "7"};
	struct db_result out = decoded(DB_PUBLISH, 3, publish);

	(void)state;
	assert_true(out.ok);
	assert_int_equal(out.seq, 8);
	assert_int_equal(out.clock_us, 99);
	assert_int_equal(out.changed, 2);
	assert_int_equal(decoded(DB_LEAVE, 1, leave).seq, 9);
	out = decoded(DB_TICK, 6, tick);
	assert_true(out.ok);
	assert_string_equal(out.tick.token.text, U2);
	assert_true(out.tick.has_coordinator);
	assert_int_equal(out.tick.coordinator.bytes[5], 9);
	assert_int_equal(out.tick.pulse, 12);
	assert_int_equal(out.tick.reaped, 1);
	assert_int_equal(out.tick.trimmed, 2);
	assert_true(out.tick.queue_usage > 0.24 && out.tick.queue_usage < 0.26);
	out = decoded(DB_TICK, 6, nobody);
	assert_true(out.ok);
	assert_false(out.tick.has_coordinator);
	assert_string_equal(out.tick.token.text, "");
	out = decoded(DB_RELAY, 2, relay);
	assert_true(out.ok);
	assert_int_equal(out.relay.period_ms, 20);
	assert_int_equal(out.relay.sent, 7);
	assert_false(decoded(DB_RELAY, 2, nobody).ok);
	assert_true(decoded(DB_PING, 1, leave).ok);
	assert_true(decoded(DB_READ_ROWS, 1, NULL).ok);
}

/* Each column in turn is nonsense: an error that says so, never a value out of nowhere.
 */
static void test_nonsense(void **state)
{
	static const int columns[] = {0, 1, 3, 4, 5, 6, 9, 11}; /* texts may hold anything */
	static char huge[400];

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		const char *values[12];

		memcpy(values, granted, sizeof(values));
		values[columns[i]] = "99999999999999999999x";
		assert_false(decoded(DB_REGISTER, 12, values).ok);
		assert_non_null(strstr(text.data, "register() makes no sense"));
	}
	for (int column = 7; column <= 10; column++) {
		const char *values[12];

		memcpy(values, granted, sizeof(values));
		values[column] = huge;
		assert_false(decoded(DB_REGISTER, 12, values).ok);
	}
	assert_false(decoded(DB_REGISTER, 11, granted).ok);
	assert_false(decoded(DB_REGISTER, 12, NULL).ok); /* no row */
	assert_false(decoded(DB_PUBLISH, 3, (const char *const[]){"1", NULL, "2"}).ok);
	assert_false(
		decoded(DB_PUBLISH, 3, (const char *const[]){"1", "2", "3000000000"}).ok);
	assert_false(
		decoded(DB_TICK, 6, (const char *const[]){NULL, "zz", "1", "1", "1", "1"}).ok);
}

/* libpq offers no way to make a result with an SQLSTATE: this is one without. */
static void test_an_error_has_a_message(void **state)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
	struct db_result out;

	(void)state;
	pgcall_decode(DB_TICK, res, &out, &text);
	assert_false(out.ok);
	assert_string_equal(out.sqlstate, "");
	assert_true(strlen(out.message) > 0);
	PQclear(res);
}

static struct db_result schema(const char *version, const char *oldest)
{
	PGresult *res = result_of(2, (const char *const[]){version, oldest});
	struct db_result out;

	pgcall_decode_schema(res, "me", &out, &text);
	PQclear(res);
	assert_int_equal(out.op, DB_CONNECT);
	return out;
}

static void test_schema(void **state)
{
	char own[12];

	(void)state;
	snprintf(own, sizeof(own), "%d", SCHEMA_VERSION);
	assert_true(schema(own, own).ok);
	assert_true(schema("1000", "1").ok); /* newer, but we are new enough for it */
	assert_false(schema("0", "0").ok);
	assert_non_null(strstr(text.data, "run \"pgdevstate -C FILE migrate\""));
	assert_false(schema("1000", "999").ok);
	assert_non_null(strstr(text.data, "upgrade pgdevstated on this host"));
	assert_false(schema(NULL, NULL).ok);
	assert_false(schema("x", "1").ok);
}

static void test_server(void **state)
{
	struct db_result out;

	(void)state;
	pgcall_check_server(150001, "UTF8", &out, &text);
	assert_true(out.ok);
	pgcall_check_server(140010, "UTF8", &out, &text);
	assert_false(out.ok);
	assert_string_equal(
		out.message, "the server is PostgreSQL 14, 15 or newer is needed");
	pgcall_check_server(170000, "SQL_ASCII", &out, &text);
	assert_false(out.ok);
	assert_non_null(strstr(out.message, "encoding is SQL_ASCII, UTF8 is needed"));
}

static int clear_text(void **state)
{
	(void)state;
	buf_clear(&text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lease_calls),
		cmocka_unit_test(test_other_calls),
		cmocka_unit_test(test_announce),
		cmocka_unit_test(test_a_beat),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_publish_device),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_lease_answers),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_other_answers),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_an_error_has_a_message),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_server),
	};

	return cmocka_run_group_tests_name("pgcall", tests, NULL, clear_text);
}

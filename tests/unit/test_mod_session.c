/* mod_session.c: hello, dumps, window, pings, floods, silence. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mod_session.h"

#define ID "02:00:00:00:00:01"

static struct session s;
static struct line_out out;

static bool take(const char *text, int64_t now)
{
	char copy[300];
	const char *why;
	struct line l;

	snprintf(copy, sizeof(copy), "%s", text);
	assert_true(line_parse(copy, &l, &why));
	return session_take(&s, &l, now);
}

static const char *said(void)
{
	static char text[500];

	snprintf(text, sizeof(text), "%.*s", (int)out.len, out.data);
	out.len = 0;
	return text;
}

static void start(int64_t now)
{
	out.len = 0;
	assert_true(session_greet(&s, ID, "22.10.1", &out, now));
}

static void greet(int64_t now)
{
	start(now);
	out.len = 0;
	assert_true(take("hello\t1\t" ID "\tserver1\t0.2", now));
	assert_int_equal(s.phase, SESSION_UP);
}

static void dropped(const char *text, const char *reason)
{
	assert_false(take(text, 1000));
	assert_non_null(strstr(s.reason, reason));
}

static void test_hello(void **state)
{
	(void)state;
	start(1000);
	assert_string_equal(said(),
		"hello\t1\t" ID "\tasterisk\t22.10.1\treport\twatch\ttimeout=30\twindow=256\n");
	assert_int_equal(s.phase, SESSION_GREETING);
	assert_true(take("hello\t1\t" ID "\tserver1\t0.2", 1001));
	assert_string_equal(s.node_name, "server1");
	assert_string_equal(s.node_version, "0.2");
	assert_true(take("status\taway", 1001));
	assert_string_equal(s.status, "away");
	dropped("hello\t1\t" ID "\tserver1\t0.2", "twice");
}

static void test_first_line(void **state)
{
	(void)state;
	start(1000);
	dropped("begin", "not hello");
	start(1000);
	dropped("device\tINUSE\t" ID "\tx", "not hello");
	start(1000);
	dropped("220 mail.example.org ESMTP", "not hello");
	start(1000);
	dropped("bye\tentity id mismatch: x", "the node says: entity id mismatch: x");
	assert_true(s.refused);
	start(1000);
	dropped("bye", "said goodbye");
	assert_false(s.refused);
	start(1000);
	dropped("hello\t2\twhatever",
		"the node speaks version 2 of the link, this module version 1: install both from "
		"the same pgdevstate");
	assert_true(s.refused);
}

/* A node that stops is no error, whenever it says so; nor is one that drops a link. */
static void test_orderly(void **state)
{
	(void)state;
	start(1000);
	dropped("bye\tthe node stops", "the node says: the node stops");
	assert_false(s.refused);
	greet(1000);
	dropped("bye\tthe node stops", "the node says: the node stops");
	assert_false(s.refused);
	greet(1000);
	dropped("bye\tnothing was heard of it for 30 s", "nothing was heard");
	assert_false(s.refused);
}

static void test_dump(void **state)
{
	(void)state;
	greet(1000);
	assert_false(s.fresh);
	assert_true(take("begin", 1000));
	assert_true(s.dumping && !s.fresh);
	assert_true(take("end", 1000));
	assert_true(!s.dumping && s.fresh);
	assert_true(take("begin", 1000));
	assert_true(s.fresh);             /* a second dump takes nothing away */
	assert_true(take("begin", 1000)); /* anew, after a resync inside the dump */
	assert_true(s.dumping);
	assert_true(take("end", 1000));
	assert_false(s.dumping);
	dropped("end", "did not begin");
}

static void test_window(void **state)
{
	(void)state;
	greet(1000);
	for (int i = 0; i < SESSION_WINDOW; i++)
		assert_true(take("device\tINUSE\t" ID "\tx", 1000));
	dropped("device\tINUSE\t" ID "\tx", "window");
}

static void test_ack(void **state)
{
	(void)state;
	greet(1000);
	session_ack(&s, &out, true);
	assert_string_equal(said(), "");
	assert_true(take("device\tINUSE\t" ID "\tx", 1000));
	assert_true(take("member\tup\t" ID "\ta\tb\tc", 1000));
	session_ack(&s, &out, false);
	assert_string_equal(said(), "");
	session_ack(&s, &out, true);
	assert_string_equal(said(), "ack\t2\n");
	for (int i = 0; i < SESSION_WINDOW / 4; i++)
		assert_true(take("merged\t-\t-\tx", 1000));
	session_ack(&s, &out, false);
	assert_string_equal(said(), "ack\t64\n");
	assert_int_equal(s.unacked, 0);
}

static void test_flood(void **state)
{
	int n = 0;

	(void)state;
	greet(1000);
	while (n < 10000 && take("wibble", 1000))
		n++;
	assert_in_range(n, 100, 5000);
	assert_non_null(strstr(s.reason, "floods"));
	greet(1000);
	for (n = 0; n < 10000; n++)
		assert_true(take("later\tword", 1000 + n * 10)); /* now and then is fine */
}

static void test_ping(void **state)
{
	(void)state;
	greet(1000);
	assert_true(session_tick(&s, &out, 1000 + SESSION_PING_MS - 1));
	assert_string_equal(said(), "");
	assert_int_equal(session_next_ms(&s), 1000 + SESSION_PING_MS);
	assert_true(session_tick(&s, &out, 1000 + SESSION_PING_MS));
	assert_string_equal(said(), "ping\talive-1\n");
	assert_true(take("pong\talive-1", 1000 + SESSION_PING_MS));
	assert_true(session_tick(&s, &out, 1000 + 2 * SESSION_PING_MS));
	assert_string_equal(said(), "ping\talive-2\n");
}

static void test_silence(void **state)
{
	(void)state;
	start(1000);
	assert_true(session_tick(&s, &out, 1000 + SESSION_SILENCE_MS - 1));
	assert_int_equal(session_next_ms(&s), 1000 + SESSION_SILENCE_MS);
	assert_false(session_tick(&s, &out, 1000 + SESSION_SILENCE_MS));
	assert_string_equal(s.reason, "the node is silent");
	greet(1000);
	assert_true(take("later", 9000));
	assert_true(session_tick(&s, &out, 1000 + SESSION_SILENCE_MS));
	assert_false(session_tick(&s, &out, 9000 + SESSION_SILENCE_MS));
}

static void test_end(void **state)
{
	(void)state;
	greet(1000);
	take("begin", 1000);
	take("end", 1000);
	session_end(&s, "it closed the link", 2000);
	assert_int_equal(s.phase, SESSION_DOWN);
	assert_false(s.fresh);
	assert_string_equal(s.reason, "it closed the link");
	assert_true(session_tick(&s, &out, 100000));
	assert_string_equal(said(), "");
	assert_string_equal(session_phase_name(s.phase), "down");
	assert_string_equal(s.node_name, "server1"); /* for the console */
}

/* The console says for how long it has been down, not when it was tried last. */
static void test_down_since(void **state)
{
	(void)state;
	session_init(&s);
	session_end(&s, "", 1000);
	assert_int_equal(s.since_ms, 1000);
	session_end(&s, "nobody there", 3000);
	session_end(&s, "nobody there yet", 5000);
	assert_string_equal(s.reason, "nobody there yet");
	assert_int_equal(s.since_ms, 1000);
	greet(7000);
	assert_int_equal(s.since_ms, 7000);
	session_end(&s, "it went", 9000);
	session_end(&s, "nobody there", 9500);
	assert_int_equal(s.since_ms, 9000);
}

static void test_stale(void **state)
{
	(void)state;
	session_init(&s);
	assert_false(session_is_stale(&s, 0, 1, 1000000)); /* nothing was lost */
	assert_false(session_is_stale(&s, 5000, 60, 64999));
	assert_true(session_is_stale(&s, 5000, 60, 65000));
	greet(66000);
	assert_true(session_is_stale(&s, 5000, 60, 66000)); /* it knows nothing itself */
	assert_true(take("begin", 66001));
	assert_false(session_is_stale(&s, 5000, 60, 66001)); /* it is about to tell */
	session_end(&s, "gone again", 66002);
	assert_true(session_is_stale(&s, 5000, 60, 66002));
	assert_true(session_is_stale(&s, 5000, 86400, 5000 + 86400000LL));
	assert_false(session_is_stale(&s, 5000, 86400, 5000 + 86400000LL - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_first_line),
		cmocka_unit_test(test_orderly),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_ack),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_ping),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_down_since),
		cmocka_unit_test(test_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

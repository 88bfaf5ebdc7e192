/* pgport.c against a fake server: losses, deadlines, two sessions. Real:
 * tests/flow/pgport.t. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "buf.h"
#include "clock.h"
#include "fakepg.h"
#include "log.h"
#include "loop.h"
#include "pgport.h"

static struct event_base *base;
static struct pgport *pgport;
static struct db_port port;
static struct db_self self;
static struct buf story;
static int stop_after;
static const char *in_callback;

static void act(void)
{
	const char *what = in_callback;

	in_callback = NULL;
	if (what && strcmp(what, "free") == 0) {
		pgport_free(pgport);
		pgport = NULL;
	} else if (what && strcmp(what, "disconnect") == 0) {
		port.disconnect(port.arg, "test");
	}
	if (--stop_after <= 0)
		loop_stop(base);
}

static void on_result(void *arg, const struct db_result *res)
{
	const char *message = res->message;

	(void)arg;
	if (strncmp(message, fake.dir, strlen(fake.dir)) == 0)
		message = strstr(message, ": ") + 2;
	buf_addf(&story, "%d %s[%s]%s;", res->op,
		res->ok     ? "ok"
		: res->lost ? "lost"
					: "error",
		res->sqlstate, message);
	act();
}

static void on_payload(void *arg, enum db_op op, const char *text, size_t len)
{
	(void)arg;
	buf_addf(&story, "%d row %.*s;", op, (int)len, text);
	act();
}

static void on_notify(void *arg, const char *text, size_t len)
{
	(void)arg;
	buf_addf(&story, "heard %.*s;", (int)len, text);
	act();
}

static void on_lost(void *arg, const char *sqlstate, const char *reason)
{
	(void)arg;
	buf_addf(&story, "lost[%s]%s;", sqlstate, strstr(reason, ": ") + 2);
	act();
}

static const char *misbehave; /* a piece of SQL at which the fake ... */
static const char *how;       /* "mute", "die", "42501", ... */
static const char *schema[2]; /* of the database, and the oldest node for it */

static void answer(struct fake_client *c, const char *sql)
{
	if (misbehave && strstr(sql, misbehave)) {
		if (strcmp(how, "mute") == 0)
			fake.silent = true; /* a row, and never the end */
		else if (strcmp(how, "die") == 0)
			fake_hang_up(c);
		else
			fake_error(c, how, "as it was told");
	} else if (strstr(sql, "schema_version")) {
		fake_columns(c, 2);
		fake_row(c, 2, schema);
		fake_complete(c);
	} else if (strstr(sql, "publish")) {
		fake_columns(c, 3);
		fake_row(c, 3, (const char *const[]){"4", "5", "6"});
		fake_complete(c);
	} else if (strstr(sql, "read_") && how && strcmp(how, "row") == 0) {
		fake_columns(c, 1);
		fake_row(c, 1, &(const char *){"line one"});
		fake.silent = true; /* and no end */
	} else if (strstr(sql, "read_")) {
		fake_columns(c, 1);
		fake_row(c, 1, &(const char *){"line one"});
		fake_row(c, 1, &(const char *){"line two"});
		fake_complete(c);
	} else {
		fake_answer(c, "1");
	}
}

static int setup(void **state)
{
	struct db_events events = {on_result, on_payload, on_notify, on_lost, NULL};
	char *error = NULL;

	(void)state;
	base = loop_new();
	misbehave = how = in_callback = NULL;
	schema[0] = "1000";
	schema[1] = "1";
	fake_open(base, answer);
	pgport = pgport_new(base, fake.conninfo, "test", &error);
	assert_non_null(pgport);
	pgport_set_events(pgport, &events);
	port = pgport_port(pgport);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pgport_free(pgport);
	fake_close();
	loop_free(base);
	buf_clear(&story);
	return 0;
}

static void run(int n)
{
	struct timeval limit = {20, 0};

	stop_after = n;
	event_base_loopexit(base, &limit);
	loop_run(base);
	assert_true(stop_after <= 0);
}

static void expect_story(const char *want)
{
	assert_string_equal(buf_str(&story), want);
	buf_reset(&story);
}

static void submit(enum db_op op, int64_t deadline_ms)
{
	struct db_request req = {.op = op,
		.self = &self,
		.deadline_ms = deadline_ms,
		.channel = "chan",
		.reporting = -1};

	port.submit(port.arg, &req);
	expect_story(""); /* never called back within submit */
}

static void ask(enum db_op op, const char *want)
{
	submit(op, 15000);
	run(1);
	expect_story(want);
}

static void connected(void)
{
	assert_string_equal(pgport_host(pgport), "");
	ask(DB_CONNECT, "0 ok[];");
	assert_string_equal(pgport_host(pgport), fake.path);
	assert_int_equal(pgport_backend_pid(pgport), 7);
}

static void test_calls(void **state)
{
	(void)state;
	connected();
	assert_int_equal(fake.nqueries, 2); /* settings, schema */
	ask(DB_LISTEN, "3 ok[];");
	ask(DB_PUBLISH, "4 ok[];");
	ask(DB_PUBLISH, "4 ok[];");
	assert_int_equal(fake.nprepared, 1);
	assert_int_equal(fake.nclients, 1);
}

static void test_reads_have_a_session_of_their_own(void **state)
{
	(void)state;
	connected();
	for (int i = 0; i < 2; i++) {
		submit(DB_READ_ROWS, 15000);
		run(3);
		expect_story("8 row line one;8 row line two;8 ok[];");
	}
	assert_int_equal(fake.nclients, 2); /* the second read used what was there */
	submit(DB_READ_HEADS, 15000);
	submit(DB_PUBLISH, 15000); /* both at a time */
	run(4);
	assert_non_null(strstr(buf_str(&story), "4 ok[];"));
	assert_non_null(strstr(buf_str(&story), "10 row line one;10 row line two;10 ok[];"));
}

static void test_only_our_channel_is_heard(void **state)
{
	(void)state;
	connected();
	ask(DB_LISTEN, "3 ok[];");
	fake_notify(fake_last(), "other", "not ours");
	fake_notify(fake_last(), "chan", "ours");
	run(1);
	expect_story("heard ours;");
}

static void test_announcements_are_heard_beside_it(void **state)
{
	(void)state;
	connected();
	ask(DB_LISTEN, "3 ok[];");
	fake_notify(fake_last(), "A_", "not ours");
	fake_notify(fake_last(), "A_other", "nor this");
	fake_notify(fake_last(), "A_chan", "ours");
	run(1);
	expect_story("heard ours;");
}

/* Who asks first makes the session, and does not wait for it. */
static void announcing(void)
{
	do {
		submit(DB_ANNOUNCE, 15000);
		run(1);
		if (strstr(buf_str(&story), "ok[]"))
			break;
		expect_story("15 lost[]there is no session;");
	} while (true);
	expect_story("15 ok[];");
}

static void test_announcing_has_a_session_of_its_own(void **state)
{
	(void)state;
	connected();
	ask(DB_ANNOUNCE, "15 lost[]there is no session;");
	announcing();
	assert_int_equal(fake.nclients, 2);
	submit(DB_ANNOUNCE, 15000);
	submit(DB_PUBLISH, 15000); /* both at a time */
	run(2);
	assert_non_null(strstr(buf_str(&story), "4 ok[];"));
	assert_non_null(strstr(buf_str(&story), "15 ok[];"));
	buf_reset(&story);
	fake_error_of(fake_last(), 'E', "FATAL", "57P01", "terminating"); /* while idle */
	fake_hang_up(fake_last());
	ask(DB_PUBLISH, "4 ok[];");
	announcing();
}

static void test_an_announcement_that_hangs(void **state)
{
	(void)state;
	connected();
	announcing();
	misbehave = "pg_notify";
	how = "mute";
	fake.silent = true;
	submit(DB_ANNOUNCE, 50);
	run(1);
	expect_story("15 lost[]no answer to announce within 0.05 s;");
	assert_string_equal(pgport_host(pgport), fake.path); /* the other is not touched */
	fake.silent = false;
	misbehave = NULL;
	ask(DB_PUBLISH, "4 ok[];");
	announcing();
	submit(DB_ANNOUNCE, 15000);
	port.disconnect(port.arg, "test");
	expect_story("");
	ask(DB_ANNOUNCE, "15 lost[]there is no session;");
	connected();
	announcing();
}

static void test_an_announcer_that_is_not_let_in(void **state)
{
	(void)state;
	connected();
	misbehave = "set_config";
	how = "42704";
	for (int i = 0; i < 5; i++) { /* refused while nobody asks, or while one does */
		submit(DB_ANNOUNCE, 15000);
		run(1);
		assert_null(strstr(buf_str(&story), "lost[57P01]"));
		assert_memory_equal(buf_str(&story), "15 ", 3);
		buf_reset(&story);
		ask(DB_PUBLISH, "4 ok[];");
	}
	misbehave = NULL;
	announcing();
	evconnlistener_disable(fake.listener);
	fake_hang_up(fake_last());
	ask(DB_PUBLISH, "4 ok[];");
}

static int lines_of(const char *path, const char *text)
{
	char line[1024];
	int n = 0;
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

static void test_an_announcer_that_cannot_connect(void **state)
{
	char path[] = "/tmp/test_pgport_XXXXXX";
	int fd = mkstemp(path);
	bool connected_again;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_true(log_open(LOG_TO_FILE, path));
	connected();
	for (int outages = 1; outages <= 2; outages++) {
		fake.refuse = "sorry, too many clients already";
		fake.refuse_state = "53300";
		for (int more = 3, tries = 20; more > 0 && tries > 0; tries--) {
			more -= lines_of(path, "too many") == outages;
			submit(DB_ANNOUNCE, 15000);
			run(1);
			assert_memory_equal(buf_str(&story), "15 ", 3);
			buf_reset(&story);
			ask(DB_PUBLISH, "4 ok[];");
		}
		assert_int_equal(
			lines_of(path, "no session for announcements"), outages); /* once */
		assert_int_equal(lines_of(path, "too many clients already"), outages);
		fake.refuse = NULL;
		do {
			submit(DB_ANNOUNCE, 15000);
			run(1);
			assert_memory_equal(buf_str(&story), "15 ", 3);
			connected_again = strstr(buf_str(&story), "15 ok[];") != NULL;
			buf_reset(&story);
		} while (!connected_again);
		fake_hang_up(fake_last());
		ask(DB_PUBLISH, "4 ok[];");
	}
	log_close();
	remove(path);
}

static void test_a_loss_is_told_once(void **state)
{
	(void)state;
	connected();
	fake_error_of(fake_last(), 'E', "FATAL", "57P01", "terminating");
	fake_hang_up(fake_last());
	run(1);
	expect_story("lost[57P01]terminating;");
	assert_string_equal(pgport_host(pgport), "");
	ask(DB_PUBLISH, "4 lost[]there is no session;");
	ask(DB_READ_ROWS, "8 lost[]there is no session;");
	connected();
	misbehave = "publish";
	how = "die";
	submit(DB_PUBLISH, 15000);
	run(1);
	assert_memory_equal(buf_str(&story), "4 lost[]server closed", 21);
	assert_null(strstr(buf_str(&story), ";lost"));
	buf_reset(&story);
	connected();
}

static void test_a_deadline_drops_the_session(void **state)
{
	(void)state;
	connected();
	misbehave = "publish";
	how = "mute";
	submit(DB_PUBLISH, 1);
	fake.silent = true;
	run(1);
	expect_story("4 lost[]no answer to publish within 0.001 s;");
	assert_string_equal(pgport_host(pgport), "");
}

static void test_a_deadline_of_a_read(void **state)
{
	(void)state;
	connected();
	fake.silent = true; /* the second session does not even come up */
	submit(DB_READ_ROWS, 1);
	run(1);
	assert_memory_equal(buf_str(&story), "8 lost[]", 8);
	assert_non_null(strstr(buf_str(&story), "no answer to read_rows within 0.001 s"));
	buf_reset(&story);
	assert_string_equal(pgport_host(pgport), fake.path); /* the other is not touched */
	fake.silent = false;
	submit(DB_READ_ROWS, 15000);
	run(3);
	expect_story("8 row line one;8 row line two;8 ok[];");
}

static void submit_read(int64_t deadline_ms, int64_t silence_ms)
{
	struct db_request req = {.op = DB_READ_ROWS,
		.self = &self,
		.deadline_ms = deadline_ms,
		.silence_ms = silence_ms};

	port.submit(port.arg, &req);
}

/* A server process that hangs amid its rows, on a host that is there. */
static void test_a_read_that_falls_silent(void **state)
{
	(void)state;
	connected();
	submit_read(15000, 15000); /* its session is there */
	run(3);
	buf_reset(&story);
	how = "row";
	submit_read(15000, 1500);
	run(2);
	assert_memory_equal(buf_str(&story), "8 row line one;8 lost[]", 23);
	assert_non_null(strstr(buf_str(&story), "no row of read_rows for 1.5 s"));
	buf_reset(&story);
	assert_string_equal(pgport_host(pgport), fake.path); /* the other is not touched */
	how = NULL; /* nor is one waited for that does not even begin */
	submit_read(15000, 50);
	run(1);
	assert_non_null(strstr(buf_str(&story), "no row of read_rows for 0.05 s"));
	buf_reset(&story);
	fake.silent = false;
	submit_read(15000, 15000);
	run(3);
	expect_story("8 row line one;8 row line two;8 ok[];");
}

/* Each row gives it as long again. Only "not sooner" is tested: this machine may be slow.
 */
static int64_t row_us;

static void one_more_row(void *arg)
{
	(void)arg;
	row_us = clock_mono_us();
	fake_row(fake_last(), 1, &(const char *){"more"});
}

static bool a_row_gives_time(void)
{
	struct loop_timer *t = loop_timer_new(base, one_more_row, NULL);
	bool row_first;

	connected();
	how = "row";
	submit_read(15000, 300);
	run(1);
	loop_timer_start(t, 200);
	while (!strstr(buf_str(&story), "8 lost[]"))
		run(1);
	row_first = strstr(buf_str(&story), "8 row more;") != NULL;
	if (row_first)
		assert_true(clock_mono_us() - row_us >= 290000);
	assert_non_null(strstr(buf_str(&story), "no row of read_rows for 0.3 s"));
	buf_reset(&story);
	loop_timer_free(t);
	fake.silent = false;
	how = NULL;
	return row_first;
}

static void test_a_read_that_goes_on(void **state)
{
	int tries = 0;

	(void)state;
	while (!a_row_gives_time())
		assert_true(++tries < 50);
}

/* ... but not beyond the deadline of the whole. */
static void test_a_read_that_goes_on_too_long(void **state)
{
	(void)state;
	connected();
	how = "row";
	submit_read(700, 15000); /* of which connecting takes its part */
	while (!strstr(buf_str(&story), "8 lost[]"))
		run(1);
	assert_non_null(strstr(buf_str(&story), "no answer to read_rows within 0.7 s"));
	buf_reset(&story);
}

static void test_errors_are_answers(void **state)
{
	(void)state;
	connected();
	misbehave = "publish";
	how = "PD001";
	ask(DB_PUBLISH, "4 error[PD001]as it was told;");
	misbehave = "read_rows";
	how = "57014";
	ask(DB_READ_ROWS, "8 error[57014]as it was told;");
	misbehave = NULL;
	ask(DB_PUBLISH, "4 ok[];"); /* the session goes on */
}

static void test_servers_that_will_not_do(void **state)
{
	static const struct {
		const char *misbehave, *how, *want;
	} cases[] = {
		{"schema_version", "3F000",
			"0 error[3F000]the database has no schema pgdevstate: run \"pgdevstate -C "
			"FILE "
			"migrate\";"},
		{"schema_version", "42883",
			"0 error[42883]the database has no schema pgdevstate: run \"pgdevstate -C "
			"FILE "
			"migrate\";"},
		{"schema_version", "42501",
			"0 error[42501]as it was told: say \"grant pgdevstate_node to \"u\"\" as an "
			"administrator;"},
		{"set_config", "42704", "0 error[42704]as it was told;"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		misbehave = cases[i].misbehave;
		how = cases[i].how;
		ask(DB_CONNECT, cases[i].want);
		assert_string_equal(pgport_host(pgport), "");
	}
	misbehave = NULL;
	schema[0] = "0";
	submit(DB_CONNECT, 0);
	run(1);
	assert_non_null(strstr(buf_str(&story), "the database has schema 0"));
	buf_reset(&story);
	schema[0] = "1000";
	fake.version = 14;
	ask(DB_CONNECT, "0 error[]the server is PostgreSQL 14, 15 or newer is needed;");
	fake.version = 17;
	connected();
}

static void test_a_reader_that_cannot_be_set(void **state)
{
	(void)state;
	connected();
	misbehave = "set_config";
	how = "42704";
	ask(DB_READ_ROWS, "8 error[42704]as it was told;");
	misbehave = NULL;
	submit(DB_READ_ROWS, 15000);
	run(3);
	expect_story("8 row line one;8 row line two;8 ok[];");
}

static void test_nobody_listens(void **state)
{
	(void)state;
	evconnlistener_disable(fake.listener);
	unlink(fake.path);
	submit(DB_CONNECT, INT32_MAX);
	run(1);
	assert_memory_equal(buf_str(&story), "0 error[]connection to server", 29);
}

static void test_disconnect_is_quiet(void **state)
{
	(void)state;
	connected();
	submit(DB_PUBLISH, 15000);
	submit(DB_READ_ROWS, 15000);
	port.disconnect(port.arg, "test");
	port.disconnect(port.arg, "twice is legal");
	expect_story("");
	connected(); /* no answer of before comes */
	submit(DB_READ_ROWS, 15000);
	run(3);
	expect_story("8 row line one;8 row line two;8 ok[];");
}

static void test_anything_inside_callbacks(void **state)
{
	static const char *const acts[] = {"disconnect", "free"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		connected();
		in_callback = acts[i];
		submit(DB_READ_ROWS, 15000);
		run(1);
		expect_story("8 row line one;");
		if (i == 0) {
			connected();
			in_callback = acts[i];
			ask(DB_PUBLISH, "4 ok[];");
		}
	}
	assert_null(pgport);
}

static void test_freed_while_connecting(void **state)
{
	(void)state;
	misbehave = "schema_version";
	how = "3F000";
	in_callback = "free";
	submit(DB_CONNECT, 0);
	run(1);
	assert_null(pgport);
}

static void test_bad_conninfo(void **state)
{
	char *error = NULL;

	(void)state;
	assert_null(pgport_new(base, "service=x", "test", &error));
	assert_non_null(strstr(error, "service= is not supported"));
	free(error);
	pgport_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_calls),
		TEST(test_reads_have_a_session_of_their_own),
		TEST(test_only_our_channel_is_heard),
		TEST(test_announcements_are_heard_beside_it),
		TEST(test_announcing_has_a_session_of_its_own),
		TEST(test_an_announcement_that_hangs),
		TEST(test_an_announcer_that_is_not_let_in),
		TEST(test_an_announcer_that_cannot_connect),
		TEST(test_a_loss_is_told_once),
		TEST(test_a_deadline_drops_the_session),
		TEST(test_a_deadline_of_a_read),
		TEST(test_a_read_that_falls_silent),
		TEST(test_a_read_that_goes_on),
		TEST(test_a_read_that_goes_on_too_long),
		TEST(test_errors_are_answers),
		TEST(test_servers_that_will_not_do),
		TEST(test_a_reader_that_cannot_be_set),
		TEST(test_nobody_listens),
		TEST(test_disconnect_is_quiet),
		TEST(test_anything_inside_callbacks),
		TEST(test_freed_while_connecting),
		TEST(test_bad_conninfo),
	};

	return cmocka_run_group_tests_name("pgport", tests, NULL, NULL);
}

/* pgconn.c against a fake server that misbehaves. Real servers: tests/flow/pgconn.t. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

#include "buf.h"
#include "fakepg.h"
#include "loop.h"
#include "mem.h"
#include "pgconn.h"

static struct event_base *base;
static struct pgconn *conn;
static struct buf story; /* what was called back, in order */
static int stop_after;   /* callbacks */
static const char *in_callback;

static void act(void)
{
	const char *what = in_callback;

	in_callback = NULL;
	if (what && strcmp(what, "free") == 0) {
		pgconn_free(conn);
		conn = NULL;
	} else if (what && strcmp(what, "close") == 0) {
		pgconn_close(conn);
	} else if (what && strcmp(what, "reopen") == 0) {
		if (!pgconn_is_closed(conn))
			pgconn_close(conn);
		pgconn_open(conn);
	} else if (what && strcmp(what, "fail") == 0) {
		pgconn_fail(conn, "we say so");
	}
	if (--stop_after <= 0)
		loop_stop(base);
}

static void on_up(void *arg)
{
	(void)arg;
	buf_adds(&story, "up;");
	act();
}

static void on_down(void *arg, const char *sqlstate, const char *reason)
{
	const char *text = reason;

	(void)arg;
	if (strncmp(text, fake.dir, strlen(fake.dir)) == 0)
		text = strstr(text, ": ") + 2; /* the directory has a random name */
	buf_addf(&story, "down[%s] %s;", sqlstate, text);
	act();
}

static void on_notify(void *arg, const char *channel, const char *payload, int pid)
{
	(void)arg;
	(void)pid;
	buf_addf(&story, "notify %s=%s;", channel, payload);
	act();
}

static void on_done(void *arg, PGresult *res)
{
	if (!res)
		buf_addf(&story, "%s lost;", (const char *)arg);
	else if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1)
		buf_addf(&story, "%s=%s;", (const char *)arg, PQgetvalue(res, 0, 0));
	else if (PQresultStatus(res) == PGRES_TUPLES_OK)
		buf_addf(&story, "%s rows=%d;", (const char *)arg, PQntuples(res));
	else
		buf_addf(&story, "%s error %s;", (const char *)arg,
			PQresultErrorField(res, PG_DIAG_SQLSTATE));
	act();
}

static void on_row(void *arg, PGresult *res)
{
	buf_addf(&story, "%s row %s;", (const char *)arg, PQgetvalue(res, 0, 0));
	act();
}

/* The fake's answers: the statement says what it shall do. */
static void answer(struct fake_client *c, const char *sql)
{
	if (strcmp(sql, "error") == 0) {
		fake_error(c, "22012", "division by zero");
	} else if (strcmp(sql, "late error") == 0) {
		fake_answer(c, "looked good");
		fake_error(c, "54000", "too many notifications in the NOTIFY queue");
	} else if (strcmp(sql, "three") == 0) {
		fake_columns(c, 1);
		for (int i = 0; i < 3; i++)
			fake_row(c, 1, &(const char *){"r"});
		fake_complete(c);
	} else if (strcmp(sql, "die") == 0) {
		fake_error_of(c, 'E', "FATAL", "57P01", "terminating");
		fake_hang_up(c);
	} else if (strcmp(sql, "notify and die") == 0) {
		fake_notify(c, "x", "before");
		fake_error_of(c, 'E', "FATAL", "57P01", "terminating");
		fake_hang_up(c);
	} else if (strcmp(sql, "notify") == 0) {
		fake_notify(c, "x", "1");
		fake_answer(c, sql);
		fake_notify(c, "x", "2");
	} else if (strcmp(sql, "vanish") == 0) {
		fake_hang_up(c);
	} else if (strcmp(sql, "answer and vanish") == 0) {
		fake_answer(c, "last words");
		fake_ready(c);
		fake_notify(c, "x", "and this");
		fake_hang_up(c);
	} else if (strcmp(sql, "stale") == 0 && fake.nprepared == 1) {
		fake_error(c, "0A000", "cached plan must not change result type");
	} else if (strcmp(sql, "stale twice") == 0) {
		fake_error(c, "0A000", "not supported");
	} else if (strcmp(sql, "copy") == 0) {
		fake_message(c, 'H', "\0\0\0", 3);
	} else {
		fake_answer(c, sql);
	}
}

static void conn_make(const char *conninfo)
{
	struct pgconn_callbacks cb = {on_up, on_down, on_notify};
	char *error = NULL;

	conn = pgconn_new(base, conninfo, "test", &cb, NULL, &error);
	assert_non_null(conn);
	assert_null(error);
}

static int setup(void **state)
{
	(void)state;
	base = loop_new();
	buf_init(&story);
	in_callback = NULL;
	fake_open(base, answer);
	conn_make(fake.conninfo);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pgconn_free(conn);
	conn = NULL;
	fake_close();
	loop_free(base);
	buf_clear(&story);
	return 0;
}

/* Until `n` callbacks were called; a hang ends the test. */
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

static void up(void)
{
	pgconn_open(conn);
	run(1);
	expect_story("up;");
	assert_true(pgconn_is_up(conn));
}

static void query(const char *sql)
{
	pgconn_send(conn, &(struct pgconn_query){
						  .sql = sql, .done = on_done, .arg = (void *)(uintptr_t)sql});
}

static void query_prepared(const char *sql)
{
	pgconn_send(conn,
		&(struct pgconn_query){
			.sql = sql, .prepare = true, .done = on_done, .arg = (void *)(uintptr_t)sql});
}

static void query_rows(const char *sql)
{
	pgconn_send(conn,
		&(struct pgconn_query){
			.sql = sql, .row = on_row, .done = on_done, .arg = (void *)(uintptr_t)sql});
}

static void test_up_and_queries_in_order(void **state)
{
	(void)state;
	up();
	assert_int_equal(pgconn_server_version(conn), 150001);
	assert_string_equal(pgconn_parameter(conn, "server_encoding"), "UTF8");
	assert_string_equal(pgconn_parameter(conn, "nonsense"), "");
	assert_string_equal(pgconn_user(conn), "u");
	assert_int_equal(pgconn_backend_pid(conn), 7);
	assert_string_equal(pgconn_host(conn), fake.path);
	query("a");
	query("b");
	query("error");
	query("c");
	expect_story(""); /* nothing is called back within send */
	run(4);
	expect_story("a=a;b=b;error error 22012;c=c;");
}

static void test_an_error_behind_a_result_counts(void **state)
{
	(void)state;
	up();
	query("late error");
	query("b");
	run(2);
	expect_story("late error error 54000;b=b;");
}

static void test_row_by_row(void **state)
{
	(void)state;
	up();
	query_rows("three");
	query("three");
	run(5);
	expect_story("three row r;three row r;three row r;three rows=0;three rows=3;");
}

static void test_prepared_once(void **state)
{
	(void)state;
	up();
	query_prepared("a");
	query_prepared("a");
	query_prepared("b");
	query("a");
	run(4);
	expect_story("a=a;a=a;b=b;a=a;");
	assert_int_equal(fake.nprepared, 2);
	pgconn_close(conn);
	up();
	query_prepared("a"); /* of one connection only */
	run(1);
	assert_int_equal(fake.nprepared, 3);
}

static void test_a_stale_plan_is_tried_once_more(void **state)
{
	(void)state;
	up();
	query_prepared("stale");
	run(1);
	expect_story("stale=stale;");
	assert_int_equal(fake.nprepared, 2);
	assert_int_equal(fake.nqueries, 2);
	query_prepared("stale twice");
	run(1);
	expect_story("stale twice error 0A000;");
	assert_int_equal(fake.nqueries, 4);
}

static void test_notifications(void **state)
{
	(void)state;
	up();
	fake_notify(fake_last(), "x", "1");
	fake_notify(fake_last(), "y", "2");
	run(2);
	expect_story("notify x=1;notify y=2;");
	pgconn_listen(conn, "odd \"name\"", on_done, (void *)"l");
	run(1);
	expect_story("l=listen \"odd \"\"name\"\"\";");
}

/* The server has the next query before what it told with the last one is looked at. */
static void test_answers_go_before_notifications(void **state)
{
	const char *at;

	(void)state;
	up();
	query("notify");
	query("b");
	run(4);
	at = strstr(buf_str(&story), "notify=notify;");
	assert_non_null(at);
	at = strstr(at, "notify x=1;");
	assert_non_null(at);
	assert_non_null(strstr(at, "notify x=2;"));
	assert_non_null(strstr(buf_str(&story), "b=b;"));
}

static void test_a_notification_before_a_fatal_error_counts(void **state)
{
	static const char told[] = "notify x=before;notify and die lost;down[57P01] ";

	(void)state;
	up();
	query("notify and die");
	run(2);
	assert_memory_equal(buf_str(&story), told, strlen(told));
	assert_true(pgconn_is_closed(conn));
}

static void test_what_came_before_the_end_counts(void **state)
{
	(void)state;
	up();
	query("answer and vanish");
	query("b");
	run(4);
	assert_non_null(strstr(buf_str(&story), "answer and vanish=last words;"));
	assert_non_null(strstr(buf_str(&story), "notify x=and this;"));
	assert_non_null(strstr(buf_str(&story), "b lost;down[] "));
	assert_true(pgconn_is_closed(conn));
}

static void test_ended_by_the_server_is_lost(void **state)
{
	(void)state;
	up();
	query("die");
	query("b");
	run(3);
	expect_story("die lost;b lost;down[57P01] terminating;");
	up();
	query("vanish");
	run(2);
	assert_memory_equal(buf_str(&story), "vanish lost;down[] server closed", 32);
}

static void test_ended_while_idle(void **state)
{
	(void)state;
	up();
	fake_error_of(fake_last(), 'E', "FATAL", "57P01", "terminating");
	fake_hang_up(fake_last());
	run(1);
	expect_story("down[57P01] terminating;");
	up();
	fake_error_of(fake_last(), 'N', "WARNING", "57P02", "a crash elsewhere");
	fake_hang_up(fake_last());
	run(1);
	expect_story("down[57P02] a crash elsewhere;");
	up(); /* and what one session was told is not said of the next */
	fake_hang_up(fake_last());
	run(1);
	assert_memory_equal(buf_str(&story), "down[] server closed", 20);
}

static void test_passed_over(void **state)
{
	char conninfo[200];

	(void)state;
	fake.in_hot_standby = "on";
	pgconn_open(conn);
	run(1);
	expect_story("down[] it is a standby, not a primary;");
	fake.in_hot_standby = "off";
	fake.read_only = "on";
	pgconn_open(conn);
	run(1);
	expect_story("down[] it is read-only (default_transaction_read_only is on);");
	fake.read_only = "off";
	fake.refuse = "too many clients";
	fake.refuse_state = "53300";
	pgconn_open(conn);
	run(1);
	assert_non_null(strstr(buf_str(&story), "too many clients"));
	buf_reset(&story);
	pgconn_free(conn);
	fake.refuse = NULL;
	snprintf(conninfo, sizeof(conninfo), "host=/nowhere,%s user=u", fake.dir);
	conn_make(conninfo);
	up(); /* the next host does */
}

/* The timer of an address, without waiting for a second: it is fired by pgconn_fail(). */
static void test_a_silent_server_is_given_up(void **state)
{
	(void)state;
	fake.silent = true;
	pgconn_free(conn);
	conn = NULL;
	fake.conninfo[strlen(fake.conninfo) - 2] = '\0';
	strcat(fake.conninfo, "1"); /* connect_timeout=1 */
	conn_make(fake.conninfo);
	pgconn_open(conn);
	run(1);
	expect_story("down[] no answer within 1 s;");
}

static void test_beside(void **state)
{
	struct pgconn_callbacks cb = {on_up, on_down, NULL};
	struct pgconn *other;
	char *error = NULL;

	(void)state;
	up();
	other = pgconn_new(base, fake.conninfo, "other", &cb, NULL, &error);
	pgconn_open_beside(other, conn);
	run(1);
	expect_story("up;");
	assert_string_equal(pgconn_host(other), pgconn_host(conn));
	pgconn_free(other);
}

static void test_copy_is_refused(void **state)
{
	(void)state;
	up();
	query("copy");
	run(2);
	expect_story("copy lost;down[] COPY is not possible on this connection;");
}

static void test_close_is_quiet(void **state)
{
	(void)state;
	up();
	query("a");
	query("b");
	stop_after = 10;
	pgconn_close(conn);
	expect_story("a lost;b lost;");
	pgconn_close(conn); /* twice is legal */
	pgconn_fail(conn, "nobody is there");
	expect_story("");
	up();
}

static void test_fail(void **state)
{
	(void)state;
	up();
	query("a");
	stop_after = 10;
	pgconn_fail(conn, "silent for 5 s");
	expect_story("a lost;down[] silent for 5 s;");
	pgconn_open(conn);
	pgconn_fail(conn, "while connecting");
	assert_non_null(strstr(buf_str(&story), "while connecting"));
	assert_true(pgconn_is_closed(conn));
}

/* Each callback does each thing to its own connection: no crash, no word after free or
 * close. */
static void test_anything_inside_callbacks(void **state)
{
	static const char *const acts[] = {"free", "close", "reopen", "fail"};
	static const char *const queries[] = {"a", "error", "die", "vanish", "three", NULL};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 6; j++) {
			pgconn_free(conn);
			fake.nclients = fake.nclients > 8 ? 0 : fake.nclients;
			conn_make(fake.conninfo);
			up();
			if (queries[j])
				query_rows(queries[j]);
			else
				fake_notify(fake_last(), "x", "1");
			query("b");
			in_callback = acts[i];
			run(1);
			if (strcmp(acts[i], "reopen") == 0 && !strstr(buf_str(&story), "up;"))
				run(1);
			assert_true(i != 0 || !conn);
			buf_reset(&story);
			for (int k = 0; k < fake.nclients; k++)
				fake_hang_up(&fake.clients[k]);
		}
	}
}

static void test_freed_before_it_was_up(void **state)
{
	(void)state;
	pgconn_open(conn);
	pgconn_free(conn);
	conn_make(fake.conninfo);
	in_callback = "free";
	pgconn_open(conn);
	run(1);
	assert_null(conn);
	expect_story("up;");
	pgconn_free(NULL);
}

static void test_bad_conninfo(void **state)
{
	struct pgconn_callbacks cb = {on_up, on_down, on_notify};
	char *error = NULL;

	(void)state;
	assert_null(pgconn_new(base, "nonsense=1", "x", &cb, NULL, &error));
	assert_string_equal(error, "invalid connection option \"nonsense\"");
	free(error);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_up_and_queries_in_order),
		TEST(test_an_error_behind_a_result_counts),
		TEST(test_row_by_row),
		TEST(test_prepared_once),
		TEST(test_a_stale_plan_is_tried_once_more),
		TEST(test_notifications),
		TEST(test_answers_go_before_notifications),
		TEST(test_a_notification_before_a_fatal_error_counts),
		TEST(test_what_came_before_the_end_counts),
		TEST(test_ended_by_the_server_is_lost),
		TEST(test_ended_while_idle),
		TEST(test_passed_over),
		TEST(test_a_silent_server_is_given_up),
		TEST(test_beside),
		TEST(test_copy_is_refused),
		TEST(test_close_is_quiet),
		TEST(test_fail),
		TEST(test_anything_inside_callbacks),
		TEST(test_freed_before_it_was_up),
		TEST(test_bad_conninfo),
	};

	return cmocka_run_group_tests_name("pgconn", tests, NULL, NULL);
}

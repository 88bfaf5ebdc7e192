/* pginfo.c: what a conninfo says, what the environment and this project add. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pginfo.h"

static int clean_environment(void **state)
{
	(void)state;
	unsetenv("PGHOST");
	unsetenv("PGHOSTADDR");
	unsetenv("PGPORT");
	unsetenv("PGAPPNAME");
	unsetenv("PGCONNECT_TIMEOUT");
	unsetenv("PGGSSENCMODE");
	return 0;
}

static const char *param(const struct pginfo_params *p, const char *key)
{
	const char *found = NULL;

	for (int i = 0; i < p->n; i++) {
		if (strcmp(p->keys[i], key) == 0) {
			assert_null(found); /* never twice */
			found = p->values[i];
		}
	}
	assert_null(p->keys[p->n]);
	return found ? found : "-";
}

static struct pginfo info;
static struct pginfo_params params;

static void parse(const char *conninfo)
{
	char *error = NULL;

	assert_true(pginfo_init(&info, conninfo, "node", &error));
	assert_null(error);
	pginfo_params(&info, &info.hosts.list[0], NULL, &params);
}

static void test_defaults(void **state)
{
	(void)state;
	parse("dbname=x");
	assert_string_equal(param(&params, "dbname"), "x");
	assert_string_equal(param(&params, "host"), "-");
	assert_string_equal(param(&params, "keepalives_idle"), "5");
	assert_string_equal(param(&params, "keepalives_interval"), "2");
	assert_string_equal(param(&params, "keepalives_count"), "3");
	assert_string_equal(param(&params, "tcp_user_timeout"), "10000");
	assert_string_equal(param(&params, "application_name"), "node");
	assert_string_equal(param(&params, "client_encoding"), "UTF8");
	assert_string_equal(param(&params, "target_session_attrs"), "any");
	assert_int_equal(info.connect_timeout_ms, 5000);
	pginfo_clear(&info);
}

static void test_the_conninfo_decides(void **state)
{
	(void)state;
	parse("host=a,b port=1,2 keepalives_idle=60 tcp_user_timeout=0 application_name=mine "
		  "target_session_attrs=standby client_encoding=LATIN1 connect_timeout=3 "
		  "gssencmode=prefer");
	assert_int_equal(info.hosts.n, 2);
	assert_string_equal(param(&params, "host"), "a");
	assert_string_equal(param(&params, "port"), "1");
	assert_string_equal(param(&params, "keepalives_idle"), "60");
	assert_string_equal(param(&params, "tcp_user_timeout"), "0");
	assert_string_equal(param(&params, "application_name"), "mine");
	assert_string_equal(param(&params, "gssencmode"), "prefer");
	/* ... but not in what the node cannot do without */
	assert_string_equal(param(&params, "target_session_attrs"), "any");
	assert_string_equal(param(&params, "client_encoding"), "UTF8");
	assert_int_equal(info.connect_timeout_ms, 3000);
	pginfo_params(&info, &info.hosts.list[1], "10.0.0.2", &params);
	assert_string_equal(param(&params, "host"), "b");
	assert_string_equal(param(&params, "hostaddr"), "10.0.0.2");
	assert_string_equal(param(&params, "port"), "2");
	pginfo_clear(&info);
}

static void test_uri(void **state)
{
	(void)state;
	parse("postgresql://me@a:1,b:2/db?connect_timeout=7");
	assert_int_equal(info.hosts.n, 2);
	assert_string_equal(info.hosts.list[1].host, "b");
	assert_string_equal(info.hosts.list[1].port, "2");
	assert_string_equal(param(&params, "user"), "me");
	assert_int_equal(info.connect_timeout_ms, 7000);
	pginfo_clear(&info);
}

static void test_the_environment(void **state)
{
	(void)state;
	setenv("PGHOST", "e1,e2", 1);
	setenv("PGPORT", "7", 1);
	setenv("PGAPPNAME", "of the environment", 1);
	setenv("PGCONNECT_TIMEOUT", "2", 1);
	parse("dbname=x");
	assert_int_equal(info.hosts.n, 2);
	assert_string_equal(param(&params, "host"), "e1");
	assert_string_equal(param(&params, "port"), "7");
	assert_string_equal(param(&params, "application_name"), "node");
	assert_int_equal(info.connect_timeout_ms, 2000);
	pginfo_clear(&info);
	parse("host=mine port=8");
	assert_int_equal(info.hosts.n, 1);
	assert_string_equal(param(&params, "host"), "mine");
	assert_string_equal(param(&params, "port"), "8");
	pginfo_clear(&info);
}

/* A dead host must not keep from the next one for as long as the lease. */
static void test_one_of_several(void **state)
{
	(void)state;
	parse("host=a,b");
	assert_int_equal(info.connect_timeout_ms, 2000);
	pginfo_clear(&info);
	parse("host=a,b connect_timeout=9");
	assert_int_equal(info.connect_timeout_ms, 9000);
	pginfo_clear(&info);
}

/* Nothing waits for ever, and nonsense is not taken for a number. */
static void test_odd_timeouts(void **state)
{
	static const char *const odd[] = {"connect_timeout=0", "connect_timeout=-1",
		"connect_timeout=x", "connect_timeout=99999999999", "connect_timeout=''"};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		parse(odd[i]);
		assert_int_equal(info.connect_timeout_ms, 5000);
		pginfo_clear(&info);
	}
}

static void test_errors_hide_passwords(void **state)
{
	static const struct {
		const char *conninfo, *want;
	} cases[] = {
		{"nonsense=1", "invalid connection option \"nonsense\""},
		{"host", "missing \"=\" after \"host\" in connection info string"},
		{"password=one two", "missing ... in connection info string"},
		{"host='a password=geheim",
			"unterminated quoted string in connection info string"},
		{"postgresql://u:geheim%zz@h/d", "invalid percent-encoded token: ..."},
		{"service=s", "service= is not supported: write host, port and dbname"},
		{"port=x", "port \"x\" is not a number from 1 to 65535"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *error = NULL;

		assert_false(pginfo_init(&info, cases[i].conninfo, "node", &error));
		assert_string_equal(error, cases[i].want);
		free(error);
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, clean_environment, clean_environment)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults),
		TEST(test_the_conninfo_decides),
		TEST(test_uri),
		TEST(test_the_environment),
		TEST(test_one_of_several),
		TEST(test_odd_timeouts),
		TEST(test_errors_hide_passwords),
	};

	return cmocka_run_group_tests_name("pginfo", tests, NULL, NULL);
}

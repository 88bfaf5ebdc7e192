/* pghost.c: lists of hosts, split as libpq splits them. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pghost.h"

/* "host/hostaddr/port;..." with "-" for libpq's default */
static char *parsed(const char *host, const char *hostaddr, const char *port)
{
	struct pghosts hosts;
	struct buf b;
	char *error = NULL;

	buf_init(&b);
	if (!pghosts_parse(host, hostaddr, port, &hosts, &error)) {
		assert_int_equal(hosts.n, 0);
		buf_addf(&b, "error: %s", error);
		free(error);
		return buf_take(&b);
	}
	for (int i = 0; i < hosts.n; i++) {
		const struct pghost *h = &hosts.list[i];

		buf_addf(&b, "%s%s %s %s", i ? "; " : "", h->host ? h->host : "-",
			h->hostaddr ? h->hostaddr : "-", h->port ? h->port : "-");
	}
	pghosts_clear(&hosts);
	pghosts_clear(&hosts); /* twice is legal */
	return buf_take(&b);
}

static void test_lists(void **state)
{
	static const struct {
		const char *host, *hostaddr, *port, *want;
	} cases[] = {
		{NULL, NULL, NULL, "- - -"},
		{"", "", "", "- - -"},
		{"a", NULL, NULL, "a - -"},
		{"a,b,c", NULL, "5433", "a - 5433; b - 5433; c - 5433"},
		{"a,b", NULL, "1,2", "a - 1; b - 2"},
		{"a,b", NULL, ",2", "a - -; b - 2"},
		{"a,b", "10.0.0.1,10.0.0.2", NULL, "a 10.0.0.1 -; b 10.0.0.2 -"},
		{"a,b", ",10.0.0.2", NULL, "a - -; b 10.0.0.2 -"},
		{NULL, "10.0.0.1,::1", NULL, "- 10.0.0.1 -; - ::1 -"},
		{"/run/x,@y", NULL, NULL, "/run/x - -; @y - -"},
		{NULL, NULL, "65535", "- - 65535"},
		{"a,b,c", NULL, "1,2",
			"error: port lists 2 for 3 hosts: one for all or one for each"},
		{"a", NULL, "1,2",
			"error: port lists 2 for 1 hosts: one for all or one for each"},
		{"a,b", "10.0.0.1", NULL, "error: host lists 2 and hostaddr 1: as many of each"},
		{"a,,b", NULL, NULL,
			"error: entry 2 of the list of hosts is empty: name a host there or remove "
			"the "
			"comma"},
		{"a", NULL, "0", "error: port \"0\" is not a number from 1 to 65535"},
		{"a", NULL, "65536", "error: port \"65536\" is not a number from 1 to 65535"},
		{"a,b", NULL, "1,5x", "error: port \"5x\" is not a number from 1 to 65535"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = parsed(cases[i].host, cases[i].hostaddr, cases[i].port);

		assert_string_equal(got, cases[i].want);
		free(got);
	}
}

static void test_what_is_a_name(void **state)
{
	static char *const names[] = {"db1", "localhost", "a.example", "1.2.3.4.5"},
					   *const others[] = {"127.0.0.1", "::1", "/tmp", "@abstract"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(pghost_is_name(&(struct pghost){.host = names[i]}));
		assert_false(pghost_is_name(&(struct pghost){.host = others[i]}));
	}
	assert_false(pghost_is_name(&(struct pghost){.host = NULL}));
	assert_false(
		pghost_is_name(&(struct pghost){.host = names[0], .hostaddr = others[0]}));
}

static void test_print(void **state)
{
	static const struct {
		const char *host, *address, *port, *want;
	} cases[] = {
		{"db1", NULL, NULL, "db1:5432"},
		{"db1", "10.0.0.1", "5433", "db1:5433 (10.0.0.1)"},
		{NULL, "10.0.0.1", "5433", "10.0.0.1:5433"},
		{"", "10.0.0.1", "", "10.0.0.1:5432"},
		{"::1", "::1", NULL, "[::1]:5432"},
		{"/run/postgresql", NULL, "5433", "/run/postgresql/.s.PGSQL.5433"},
		{NULL, NULL, NULL, "the default socket, port 5432"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;

		buf_init(&b);
		pghost_print(cases[i].host, cases[i].address, cases[i].port, &b);
		assert_string_equal(buf_str(&b), cases[i].want);
		buf_clear(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_what_is_a_name),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests_name("pghost", tests, NULL, NULL);
}

/* lookup.c: names to addresses, given up at any moment. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "loop.h"

static struct event_base *base;
static struct lookup *lookup;
static int calls, found;
static char first[64], error[128];
static bool frees;

static int setup(void **state)
{
	(void)state;
	base = loop_new();
	calls = found = 0;
	first[0] = error[0] = '\0';
	frees = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(base);
	return 0;
}

static void done(void *arg, char *const *addresses, int n, const char *why)
{
	assert_ptr_equal(arg, &calls);
	calls++;
	found = n;
	snprintf(first, sizeof(first), "%s", n ? addresses[0] : "");
	snprintf(error, sizeof(error), "%s", why);
	if (frees) {
		lookup_free(lookup);
		lookup = NULL;
		assert_true(n == 0 || addresses[0][0] != '\0');
	}
	loop_stop(base);
}

static void look_up(const char *name)
{
	lookup = lookup_new(base, name, done, &calls);
	assert_int_equal(calls, 0); /* never before it returns */
	loop_run(base);
	assert_int_equal(calls, 1);
}

static void test_found(void **state)
{
	(void)state;
	look_up("127.0.0.1");
	assert_int_equal(found, 1);
	assert_string_equal(first, "127.0.0.1");
	lookup_free(lookup);
}

static void test_not_found(void **state)
{
	(void)state;
	look_up("no such name.invalid");
	assert_int_equal(found, 0);
	assert_true(strlen(error) > 0);
	lookup_free(lookup);
}

static void test_freed_inside_done(void **state)
{
	(void)state;
	frees = true;
	look_up("::1");
	assert_string_equal(first, "::1");
	assert_null(lookup);
}

static void test_given_up_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		lookup_free(lookup_new(base, "no.such.name.invalid", done, &calls));
	assert_int_equal(calls, 0);
	lookup_free(NULL);
	look_up("127.0.0.1"); /* others go on */
	lookup_free(lookup);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_found),
		TEST(test_not_found),
		TEST(test_freed_inside_done),
		TEST(test_given_up_at_once),
	};

	return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}

/* mod_version.c: all the ways in which an Asterisk says which it is. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "mod_version.h"

static void test_releases(void **state)
{
	(void)state;
	assert_int_equal(version_major("22.10.1"), 22);
	assert_int_equal(version_major("22.10.1~dfsg+~cs6.17.60671434-1"), 22);
	assert_int_equal(version_major("16.28.0~dfsg-0+deb11u4"), 16);
	assert_int_equal(version_major("23.0.0-rc1"), 23);
	assert_int_equal(version_major("20"), 20);
}

static void test_certified(void **state)
{
	(void)state;
	assert_int_equal(version_major("certified/18.9-cert5"), 18);
	assert_int_equal(version_major("certified-20.7-cert2"), 20);
	assert_int_equal(version_major("GIT-certified/18.9-1a2b3c"), 18);
}

static void test_checkouts(void **state)
{
	(void)state;
	assert_int_equal(version_major("GIT-20-2a1b3c4d5e"), 20);
	assert_int_equal(version_major("GIT-22.1.0-12-gabcdef"), 22);
	assert_int_equal(version_major("GIT-master-2a1b3c4d5e"), 0);
}

static void test_nonsense(void **state)
{
	static const char *const bad[] = {"", "GIT-", "certified/", "x22.1", "-22.1", " 22.1",
		"022.1", "22x.1", "22 .1", "99999999999999999999.1", "UNKNOWN__and_probably_x"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(version_major(bad[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_releases),
		cmocka_unit_test(test_certified),
		cmocka_unit_test(test_checkouts),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* console/candidates.c: what the daemon answers when it is asked for completions. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "console/candidates.h"

static void expect(const char *answer, size_t cursor, int count, const char *common)
{
	struct candidates c;

	assert_true(candidates_parse(answer, cursor, &c));
	assert_int_equal(c.count, count);
	assert_string_equal(c.common, common);
	candidates_clear(&c);
}

static void refuse(const char *answer, size_t cursor)
{
	struct candidates c;

	assert_false(candidates_parse(answer, cursor, &c));
	candidates_clear(&c);
}

static void test_parse(void **state)
{
	(void)state;
	expect("2\nshow\n", 7, 1, "show");
	expect("0\nset_inuse@a\nset_not_inuse@a\n", 4, 2, "set_");
	expect("1\nab\nabc\n", 1, 2, "ab");
	expect("1\nabc\nab\n", 1, 2, "ab");
	expect("0\na\nb\nc\n", 0, 3, "");
	expect("0\n\"a b\"\n\"a c\"\n", 0, 2, "\"a ");
	expect("0\nno newline", 0, 1, "no newline");
}

/* The common part ends between characters, never inside one. */
static void test_characters(void **state)
{
	(void)state;
	expect("0\nM\xc3\xbcl\nM\xc3\xb6l\n", 0, 2, "M");
	expect("0\nM\xc3\xbcl\nM\xc3\xbcx\n", 0, 2, "M\xc3\xbc");
}

static void test_refused(void **state)
{
	(void)state;
	refuse("0\n", 5);
	refuse("", 5);
	refuse("x\nshow\n", 5);
	refuse("9\nshow\n", 5); /* more than there is before the cursor */
	refuse("3 show\n", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_characters),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mod_members.c: who joined, who left, who was not in a dump. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mod_members.h"

static struct line up(unsigned number, const char *name)
{
	struct line l;

	memset(&l, 0, sizeof(l));
	l.word = LINE_MEMBER;
	l.entity.bytes[0] = 2;
	l.entity.bytes[4] = (uint8_t)(number >> 8);
	l.entity.bytes[5] = (uint8_t)number;
	l.name = name;
	l.host = "host";
	l.version = "1";
	return l;
}

static void test_join_and_leave(void **state)
{
	struct members m;
	struct member *known, gone;
	struct line l = up(1, "server1"), again = up(1, "renamed");

	(void)state;
	members_init(&m);
	assert_true(members_up(&m, &l, &known));
	assert_string_equal(known->name, "server1");
	assert_string_equal(known->id, "02:00:00:00:00:01");
	assert_false(members_up(&m, &again, &known));
	assert_string_equal(known->name, "renamed");
	assert_ptr_equal(members_find(&m, &l.entity), known);
	assert_true(members_down(&m, &l.entity, &gone));
	assert_string_equal(gone.name, "renamed");
	assert_false(members_down(&m, &l.entity, &gone));
	assert_null(members_find(&m, &l.entity));
	members_clear(&m);
}

static void test_dump(void **state)
{
	struct members m;
	struct member *known, gone;
	struct line a = up(1, "a"), b = up(2, "b");

	(void)state;
	members_init(&m);
	members_up(&m, &a, &known);
	members_up(&m, &b, &known);
	members_round_begin(&m);
	assert_false(members_up(&m, &b, &known));
	members_sweep_begin(&m);
	assert_true(members_sweep(&m, &gone));
	assert_string_equal(gone.name, "a");
	assert_false(members_sweep(&m, &gone));
	assert_int_equal(m.all.count, 1);
	members_clear(&m);
}

static void test_bounded(void **state)
{
	struct members m;
	struct member *known;

	(void)state;
	members_init(&m);
	for (unsigned i = 1; i <= MEMBERS_MAX; i++) {
		struct line l = up(i, "x");
		assert_true(members_up(&m, &l, &known));
	}
	struct line l = up(MEMBERS_MAX + 1, "x");
	assert_false(members_up(&m, &l, &known));
	assert_null(known);
	members_clear(&m);
}

static void test_long_texts_are_cut(void **state)
{
	struct members m;
	struct member *known;
	char name[1000];
	struct line l = up(1, name);

	(void)state;
	memset(name, 'n', sizeof(name));
	name[999] = '\0';
	l.version = name;
	members_init(&m);
	assert_true(members_up(&m, &l, &known));
	assert_int_equal(strlen(known->name), LINE_NAME_MAX);
	assert_int_equal(strlen(known->version), sizeof(known->version) - 1);
	members_clear(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join_and_leave),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_long_texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

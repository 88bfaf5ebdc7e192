/* mod_boxes.c: what is told, and what Asterisk is to show. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mod_boxes.h"

static const struct entity_id one = {{2, 0, 0, 0, 0, 1}}, two = {{2, 0, 0, 0, 0, 2}};
static const struct counts none = {0, 0, 0}, some = {0, 2, 1}, more = {1, 3, 0};

static void expect_shown(
	const struct boxes *b, enum box_show what, const struct counts *counts)
{
	struct entity_id entity;
	struct counts c;

	assert_int_equal(boxes_show(b, "m", &c, &entity), what);
	if (counts)
		assert_true(counts_same(&c, counts));
}

static void test_own(void **state)
{
	struct boxes b;

	(void)state;
	boxes_init(&b, 10);
	expect_shown(&b, SHOW_NOTHING, NULL);
	assert_int_equal(boxes_own_set(&b, "m", &none), BOX_NOTHING); /* a first 0/0 */
	expect_shown(&b, SHOW_OWN, &none);
	assert_int_equal(boxes_own_set(&b, "m", &some), BOX_CHANGED);
	assert_int_equal(boxes_own_set(&b, "m", &some), BOX_NOTHING);
	expect_shown(&b, SHOW_OWN, &some);
	assert_int_equal(boxes_own_set(&b, "m", &none), BOX_CHANGED);
	assert_int_equal(boxes_own_set(&b, "m", &none), BOX_NOTHING);
	assert_int_equal(boxes_own_clear(&b, "m"), BOX_CHANGED);
	assert_int_equal(boxes_own_clear(&b, "m"), BOX_NOTHING);
	assert_int_equal(boxes_own_set(&b, "n", &some), BOX_CHANGED);
	assert_int_equal(b.all.count, 1);
	boxes_clear(&b);
}

static void test_foreign_goes_first(void **state)
{
	struct boxes b;

	(void)state;
	boxes_init(&b, 10);
	boxes_own_set(&b, "m", &some);
	assert_true(boxes_say(&b, "m", &one, &more));
	assert_false(boxes_say(&b, "m", &one, &more));
	assert_true(boxes_say(&b, "m", &two, &more));
	expect_shown(&b, SHOW_FOREIGN, &more);
	assert_int_equal(boxes_own_set(&b, "m", &some), BOX_NOTHING);
	expect_shown(&b, SHOW_FOREIGN, &more);
	assert_true(boxes_unsay(&b, "m"));
	assert_false(boxes_unsay(&b, "m"));
	assert_false(boxes_unsay(&b, "nothing"));
	expect_shown(&b, SHOW_OWN, &some);
	boxes_clear(&b);
}

static void test_nothing_is_left(void **state)
{
	struct boxes b;

	(void)state;
	boxes_init(&b, 10);
	boxes_say(&b, "m", &one, &none);
	expect_shown(&b, SHOW_FOREIGN, &none);
	boxes_unsay(&b, "m");
	expect_shown(&b, SHOW_NOTHING, NULL);
	assert_int_equal(b.all.count, 0);
	assert_int_equal(b.foreign, 0);
	boxes_clear(&b);
}

static void test_cap(void **state)
{
	struct boxes b;

	(void)state;
	boxes_init(&b, 1);
	assert_true(boxes_say(&b, "m", &one, &some));
	assert_false(boxes_say(&b, "n", &one, &some));
	assert_int_equal(b.refused, 1);
	assert_null(boxes_find(&b, "n"));
	assert_true(boxes_say(&b, "m", &one, &more));
	boxes_unsay(&b, "m");
	assert_true(boxes_say(&b, "n", &one, &some));
	boxes_clear(&b);
}

static void test_dump(void **state)
{
	char id[LINE_BOX_MAX + 1];
	struct boxes b;

	(void)state;
	boxes_init(&b, 10);
	boxes_own_set(&b, "own", &some);
	boxes_round_begin(&b);
	boxes_say(&b, "a", &one, &some);
	boxes_say(&b, "own", &one, &more);
	boxes_say(&b, "b", &one, &some);
	boxes_sweep_begin(&b);
	assert_false(boxes_sweep(&b, id));
	boxes_round_begin(&b);
	boxes_say(&b, "b", &one, &some);
	boxes_sweep_begin(&b);
	assert_true(boxes_sweep(&b, id));
	assert_string_equal(id, "own");
	assert_true(boxes_sweep(&b, id));
	assert_string_equal(id, "a");
	assert_false(boxes_sweep(&b, id));
	assert_non_null(boxes_find(&b, "own"));
	assert_null(boxes_find(&b, "a"));
	assert_int_equal(b.foreign, 1);
	boxes_clear(&b);
}

static void test_lists(void **state)
{
	char longer[LINE_BOX_MAX + 20], name[LINE_BOX_MAX + 1];
	const char *list = ", 1000@default,1001&1002@x y,";

	(void)state;
	static const char *const names[] = {"1000@default", "1001", "1002@x", "y"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(boxes_next_name(&list, name));
		assert_string_equal(name, names[i]);
	}
	assert_false(boxes_next_name(&list, name));
	assert_false(boxes_next_name(&list, name));
	/* what no mailbox is called is passed over, and what has just room is not */
	memset(longer, 'x', sizeof(longer));
	memcpy(longer + LINE_BOX_MAX + 1, ",y", 3);
	list = longer;
	assert_true(boxes_next_name(&list, name));
	assert_string_equal(name, "y");
	memcpy(longer + LINE_BOX_MAX, ",y", 3);
	list = longer;
	assert_true(boxes_next_name(&list, name));
	assert_int_equal(strlen(name), LINE_BOX_MAX);
	assert_true(boxes_next_name(&list, name));
	assert_false(boxes_next_name(&list, name));
	list = "";
	assert_false(boxes_next_name(&list, name));
}

static void test_folders(void **state)
{
	static const struct counts c = {.urgent = 1, .fresh = 2, .old = 3};

	(void)state;
	assert_int_equal(counts_in_folder(&c, NULL), 2);
	assert_int_equal(counts_in_folder(&c, ""), 2);
	assert_int_equal(counts_in_folder(&c, "inbox"), 2);
	assert_int_equal(counts_in_folder(&c, "Old"), 3);
	assert_int_equal(counts_in_folder(&c, "URGENT"), 1);
	assert_int_equal(counts_in_folder(&c, "Family"), 0);
}

/* ---- any words in any order, beside a model ---- */

#define BOXES 5

struct model {
	struct counts own[BOXES], foreign[BOXES];
	bool has_own[BOXES], is_foreign[BOXES], again[BOXES];
};

static uint32_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void compare(const struct boxes *b, const struct model *m)
{
	struct entity_id entity;
	struct counts shown;
	size_t foreign = 0;

	for (int i = 0; i < BOXES; i++) {
		char id[2] = {(char)('a' + i), '\0'};
		enum box_show what = boxes_show(b, id, &shown, &entity);

		foreign += m->is_foreign[i];
		assert_int_equal(what, m->is_foreign[i] ? SHOW_FOREIGN
							   : m->has_own[i]  ? SHOW_OWN
												: SHOW_NOTHING);
		if (what != SHOW_NOTHING)
			assert_true(
				counts_same(&shown, what == SHOW_OWN ? &m->own[i] : &m->foreign[i]));
		assert_int_equal(boxes_find(b, id) != NULL, what != SHOW_NOTHING);
	}
	assert_int_equal(b->foreign, foreign);
}

static void any_word(struct boxes *b, struct model *m)
{
	uint32_t i = below(BOXES);
	char id[2] = {(char)('a' + i), '\0'};
	struct counts c = {.fresh = below(3), .old = below(2)};
	bool was = m->has_own[i], zero = c.fresh + c.old == 0;

	switch (below(4)) {
	case 0: /* a first 0/0 is no statement */
		assert_int_equal(boxes_own_set(b, id, &c),
			(was ? counts_same(&m->own[i], &c) : zero) ? BOX_NOTHING : BOX_CHANGED);
		m->has_own[i] = true;
		m->own[i] = c;
		break;
	case 1:
		assert_int_equal(boxes_own_clear(b, id), was ? BOX_CHANGED : BOX_NOTHING);
		m->has_own[i] = false;
		break;
	case 2:
		assert_int_equal(boxes_say(b, id, &one, &c),
			!m->is_foreign[i] || !counts_same(&m->foreign[i], &c));
		m->is_foreign[i] = m->again[i] = true;
		m->foreign[i] = c;
		break;
	default:
		assert_int_equal(boxes_unsay(b, id), m->is_foreign[i]);
		m->is_foreign[i] = false;
	}
}

static void test_anything(void **state)
{
	char id[LINE_BOX_MAX + 1];
	struct boxes b;

	(void)state;
	for (uint32_t kept = 1; kept < 100; kept++) {
		struct model m = {.has_own = {false}};

		seed = kept;
		boxes_init(&b, BOXES);
		for (int round = 0; round < 8; round++) {
			memset(m.again, 0, sizeof(m.again));
			boxes_round_begin(&b);
			for (uint32_t n = below(40); n > 0; n--) {
				any_word(&b, &m);
				compare(&b, &m);
			}
			boxes_sweep_begin(&b);
			while (boxes_sweep(&b, id)) {
				assert_false(m.again[id[0] - 'a']);
				assert_true(m.is_foreign[id[0] - 'a']);
				m.is_foreign[id[0] - 'a'] = false;
				compare(&b, &m);
			}
			for (int i = 0; i < BOXES; i++)
				assert_true(!m.is_foreign[i] || m.again[i]);
		}
		boxes_clear(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_foreign_goes_first),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mod_facts.c: what changes by each word, and what a dump leaves. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mod_facts.h"

static const struct entity_id one = {{2, 0, 0, 0, 0, 1}}, two = {{2, 0, 0, 0, 0, 2}};

static void expect(struct fact_change c, bool changed, bool before, bool after)
{
	assert_int_equal(c.changed, changed);
	assert_int_equal(c.before, before);
	assert_int_equal(c.after, after);
	assert_false(c.refused);
}

static void test_say(void **state)
{
	struct facts f;

	(void)state;
	mod_facts_init(&f, 10);
	expect(mod_facts_say(&f, "x", &one, STATE_INUSE), true, false, true);
	expect(mod_facts_say(&f, "x", &one, STATE_INUSE), false, true, true);
	expect(mod_facts_say(&f, "x", &one, STATE_BUSY), true, true, true);
	expect(mod_facts_say(&f, "x", &two, STATE_RINGING), true, false, true);
	assert_int_equal(f.foreign, 1);
	assert_int_equal(mod_facts_find(&f, "x")->count, 2);
	expect(mod_facts_unsay(&f, "x", &one), true, true, false);
	expect(mod_facts_unsay(&f, "x", &one), false, false, false);
	expect(mod_facts_unsay(&f, "y", &one), false, false, false);
	expect(mod_facts_unsay(&f, "x", &two), true, true, false);
	assert_null(mod_facts_find(&f, "x"));
	assert_int_equal(f.foreign, 0);
	mod_facts_clear(&f);
}

/* UNKNOWN and INVALID are remembered, and shown by nobody. */
static void test_no_statement(void **state)
{
	struct facts f;

	(void)state;
	mod_facts_init(&f, 10);
	for (int s = 0; s < STATE_COUNT; s++)
		assert_int_equal(
			fact_counts((enum device_state)s), s != STATE_UNKNOWN && s != STATE_INVALID);
	expect(mod_facts_say(&f, "x", &one, STATE_INVALID), true, false, false);
	expect(mod_facts_say(&f, "x", &one, STATE_INUSE), true, false, true);
	expect(mod_facts_say(&f, "x", &one, STATE_UNKNOWN), true, true, false);
	expect(mod_facts_unsay(&f, "x", &one), true, false, false);
	mod_facts_clear(&f);
}

static void test_merged(void **state)
{
	struct facts f;

	(void)state;
	mod_facts_init(&f, 10);
	expect(mod_facts_merge(&f, "x", &one, STATE_INUSE), true, false, true);
	mod_facts_adopt(&f, "x", true);
	expect(mod_facts_merge(&f, "x", &one, STATE_INUSE), false, true, true);
	mod_facts_adopt(
		&f, "x", false); /* pressed here, and overruled: it is to be shown anew */
	expect(mod_facts_merge(&f, "x", &one, STATE_INUSE), true, true, true);
	expect(mod_facts_merge(&f, "x", &two, STATE_INUSE), true, true, true);
	expect(mod_facts_merge(&f, "x", &two, STATE_INVALID), true, true, true);
	assert_int_equal(f.foreign, 1);
	expect(mod_facts_unmerge(&f, "x"), true, true, false);
	expect(mod_facts_unmerge(&f, "x"), false, false, false);
	assert_int_equal(f.foreign, 0);
	assert_null(mod_facts_find(&f, "x"));
	mod_facts_clear(&f);
}

static void test_own(void **state)
{
	struct facts f;

	(void)state;
	mod_facts_init(&f, 10);
	assert_true(mod_facts_own_set(&f, "x", STATE_INUSE));
	assert_false(mod_facts_own_set(&f, "x", STATE_INUSE));
	assert_true(mod_facts_own_set(&f, "x", STATE_BUSY));
	assert_int_equal(f.foreign, 0);
	mod_facts_say(&f, "x", &one, STATE_INUSE);
	mod_facts_unsay(&f, "x", &one);
	assert_int_equal(mod_facts_find(&f, "x")->own, STATE_BUSY);
	assert_true(mod_facts_own_clear(&f, "x"));
	assert_false(mod_facts_own_clear(&f, "x"));
	assert_null(mod_facts_find(&f, "x"));
	mod_facts_clear(&f);
}

static void test_adopted(void **state)
{
	struct facts f;

	(void)state;
	mod_facts_init(&f, 10);
	mod_facts_adopt(&f, "x", false);
	assert_null(mod_facts_find(&f, "x"));
	mod_facts_merge(&f, "x", &one, STATE_INUSE);
	mod_facts_adopt(&f, "x", true);
	mod_facts_unmerge(&f, "x");
	assert_true(mod_facts_find(&f, "x")->adopted);
	mod_facts_adopt(&f, "x", false);
	assert_null(mod_facts_find(&f, "x"));
	mod_facts_clear(&f);
}

/* Others can fill the table; what this server says has its place in any case. */
static void test_cap(void **state)
{
	struct facts f;

	(void)state;
	mod_facts_init(&f, 2);
	mod_facts_say(&f, "a", &one, STATE_INUSE);
	mod_facts_merge(&f, "b", &one, STATE_INUSE);
	assert_true(mod_facts_say(&f, "c", &one, STATE_INUSE).refused);
	assert_true(mod_facts_merge(&f, "d", &one, STATE_INUSE).refused);
	assert_int_equal(f.refused, 2);
	assert_null(mod_facts_find(&f, "c"));
	assert_true(mod_facts_own_set(&f, "c", STATE_INUSE));
	assert_true(mod_facts_say(&f, "c", &one, STATE_INUSE).refused);
	expect(mod_facts_say(&f, "a", &two, STATE_BUSY), true, false, true);
	mod_facts_unsay(&f, "a", &one);
	mod_facts_unsay(&f, "a", &two);
	expect(mod_facts_say(&f, "c", &one, STATE_INUSE), true, false, true);
	assert_int_equal(f.foreign, 2);
	mod_facts_clear(&f);
}

static int sweep(struct facts *f, char names[][LINE_NAME_MAX + 1], int max)
{
	struct fact_gone gone;
	int n = 0;

	mod_facts_sweep_begin(f);
	while (mod_facts_sweep(f, &gone)) {
		assert_true(n < max);
		snprintf(names[n++], LINE_NAME_MAX + 1, "%.200s%s%s", gone.name,
			gone.merged ? " merged" : "", gone.counted ? "" : " silent");
	}
	return n;
}

static void test_dump(void **state)
{
	char gone[10][LINE_NAME_MAX + 1];
	struct facts f;

	(void)state;
	mod_facts_init(&f, 10);
	mod_facts_round_begin(&f);
	mod_facts_say(&f, "a", &one, STATE_INUSE);
	mod_facts_say(&f, "a", &two, STATE_INVALID);
	mod_facts_say(&f, "b", &one, STATE_BUSY);
	mod_facts_merge(&f, "c", &one, STATE_BUSY);
	mod_facts_own_set(&f, "d", STATE_BUSY);
	assert_int_equal(sweep(&f, gone, 10), 0);
	mod_facts_round_begin(&f);
	mod_facts_say(&f, "b", &one, STATE_BUSY);
	mod_facts_say(&f, "e", &one, STATE_BUSY);
	assert_int_equal(sweep(&f, gone, 10), 3);
	assert_string_equal(gone[0], "a");
	assert_string_equal(gone[1], "a silent");
	assert_string_equal(gone[2], "c merged");
	assert_null(mod_facts_find(&f, "a"));
	assert_non_null(mod_facts_find(&f, "b"));
	assert_non_null(mod_facts_find(&f, "e"));
	assert_true(mod_facts_find(&f, "d")->has_own);
	assert_int_equal(f.foreign, 2);
	mod_facts_clear(&f);
}

/* Merged and words of the same device; and a dump of nothing. */
static void test_purge(void **state)
{
	char gone[10][LINE_NAME_MAX + 1];
	struct facts f;

	(void)state;
	mod_facts_init(&f, 10);
	mod_facts_own_set(&f, "a", STATE_INUSE);
	mod_facts_merge(&f, "a", &one, STATE_BUSY);
	mod_facts_say(&f, "a", &one, STATE_BUSY);
	mod_facts_say(&f, "a", &two, STATE_INUSE);
	mod_facts_say(&f, "b", &two, STATE_INUSE);
	mod_facts_round_begin(&f);
	assert_int_equal(sweep(&f, gone, 10), 4);
	assert_string_equal(gone[0], "a merged");
	assert_string_equal(gone[1], "a");
	assert_string_equal(gone[2], "a");
	assert_string_equal(gone[3], "b");
	assert_int_equal(f.foreign, 0);
	assert_int_equal(f.devices.count, 1);
	mod_facts_clear(&f);
}

/* Between two steps of a sweep this server's words come and go. */
static void test_sweep_and_own_words(void **state)
{
	struct fact_gone gone;
	struct facts f;
	char name[20];
	int n = 0;

	(void)state;
	mod_facts_init(&f, 1000);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		mod_facts_say(&f, name, &one, STATE_INUSE);
		if (i % 3 == 0)
			mod_facts_own_set(&f, name, STATE_INUSE);
	}
	mod_facts_round_begin(&f);
	mod_facts_sweep_begin(&f);
	while (mod_facts_sweep(&f, &gone)) {
		snprintf(name, sizeof(name), "d%d", n + 3);
		mod_facts_own_clear(&f, name);
		snprintf(name, sizeof(name), "new%d", n++);
		mod_facts_own_set(&f, name, STATE_BUSY);
	}
	assert_int_equal(n, 200);
	assert_int_equal(f.foreign, 0);
	mod_facts_clear(&f);
}

/* ---- anything at all, beside a model that is too simple to be wrong ---- */

#define DEVICES  7
#define ENTITIES 3
#define NOBODY   -1

struct model {
	int said[DEVICES][ENTITIES], merged[DEVICES], own[DEVICES];
	bool adopted[DEVICES];
	bool again[DEVICES][ENTITIES], merged_again[DEVICES]; /* in this dump */
};

static uint32_t seed;

static int below(int n)
{
	seed = seed * 1664525u + 1013904223u;
	return (int)((seed >> 8) % (uint32_t)n);
}

static struct entity_id entity_of(int e)
{
	return (struct entity_id){{2, 0, 0, 0, 0, (uint8_t)(e + 1)}};
}

static bool is_foreign(const struct model *m, int d)
{
	bool any = m->merged[d] != NOBODY;

	for (int e = 0; e < ENTITIES; e++)
		any |= m->said[d][e] != NOBODY;
	return any;
}

static void compare_device(const struct facts *f, const struct model *m, int d)
{
	char name[2] = {(char)('a' + d), '\0'};
	struct device *has = mod_facts_find(f, name);
	int words = 0;

	if (!is_foreign(m, d) && m->own[d] == NOBODY && !m->adopted[d]) {
		assert_null(has);
		return;
	}
	assert_non_null(has);
	assert_int_equal(has->has_own, m->own[d] != NOBODY);
	assert_int_equal(has->is_merged, m->merged[d] != NOBODY);
	assert_int_equal(has->adopted, m->adopted[d]);
	for (int e = 0; e < ENTITIES; e++)
		words += m->said[d][e] != NOBODY;
	assert_int_equal(has->count, words);
	for (int i = 0; i < has->count; i++)
		assert_int_equal(
			has->said[i].state, m->said[d][has->said[i].entity.bytes[5] - 1]);
}

static void compare(const struct facts *f, const struct model *m)
{
	size_t foreign = 0;

	for (int d = 0; d < DEVICES; d++) {
		compare_device(f, m, d);
		foreign += is_foreign(m, d);
	}
	assert_int_equal(f->foreign, foreign);
}

static void any_word(struct facts *f, struct model *m)
{
	int d = below(DEVICES), e = below(ENTITIES), s = below(STATE_COUNT);
	char name[2] = {(char)('a' + d), '\0'};
	struct entity_id id = entity_of(e);

	if (below(2)) {
		assert_int_equal(mod_facts_say(f, name, &id, (enum device_state)s).changed,
			m->said[d][e] != s);
		m->said[d][e] = s;
		m->again[d][e] = true;
	} else {
		assert_int_equal(mod_facts_unsay(f, name, &id).changed, m->said[d][e] != NOBODY);
		m->said[d][e] = NOBODY;
	}
}

static void any_other(struct facts *f, struct model *m)
{
	int d = below(DEVICES), s = below(STATE_COUNT), what = below(6);
	char name[2] = {(char)('a' + d), '\0'};
	struct entity_id id = entity_of(0);

	if (what == 0) {
		mod_facts_merge(f, name, &id, (enum device_state)s);
		m->merged[d] = s;
		m->merged_again[d] = true;
	} else if (what == 1) {
		assert_int_equal(mod_facts_unmerge(f, name).changed, m->merged[d] != NOBODY);
		m->merged[d] = NOBODY;
	} else if (what == 2) {
		assert_int_equal(
			mod_facts_own_set(f, name, (enum device_state)s), m->own[d] != s);
		m->own[d] = s;
	} else if (what == 3) {
		assert_int_equal(mod_facts_own_clear(f, name), m->own[d] != NOBODY);
		m->own[d] = NOBODY;
	} else {
		m->adopted[d] = what == 4;
		mod_facts_adopt(f, name, what == 4);
	}
}

/* What was not said again since the round began goes, each word once. */
static void sweep_both(struct facts *f, struct model *m)
{
	struct fact_gone gone;

	mod_facts_sweep_begin(f);
	while (mod_facts_sweep(f, &gone)) {
		int d = gone.name[0] - 'a', e = gone.entity.bytes[5] - 1;
		int *word = gone.merged ? &m->merged[d] : &m->said[d][e];

		assert_false(gone.merged ? m->merged_again[d] : m->again[d][e]);
		assert_int_equal(gone.state, *word);
		assert_int_equal(gone.counted, gone.merged || fact_counts(gone.state));
		*word = NOBODY;
		compare(f, m);
	}
	for (int d = 0; d < DEVICES; d++) {
		assert_true(m->merged[d] == NOBODY || m->merged_again[d]);
		for (int e = 0; e < ENTITIES; e++)
			assert_true(m->said[d][e] == NOBODY || m->again[d][e]);
	}
}

static void test_anything(void **state)
{
	static struct model m;
	struct facts f;

	(void)state;
	for (uint32_t kept = 1; kept < 100; kept++) {
		seed = kept;
		memset(&m, 0xff, sizeof(m)); /* NOBODY everywhere */
		memset(m.adopted, 0, sizeof(m.adopted));
		mod_facts_init(&f, DEVICES);
		for (int round = 0; round < 8; round++) {
			memset(m.again, 0, sizeof(m.again));
			memset(m.merged_again, 0, sizeof(m.merged_again));
			mod_facts_round_begin(&f);
			for (int i = below(60); i > 0; i--) {
				(below(2) ? any_word : any_other)(&f, &m);
				compare(&f, &m);
			}
			sweep_both(&f, &m);
		}
		mod_facts_clear(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_say),
		cmocka_unit_test(test_no_statement),
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_purge),
		cmocka_unit_test(test_sweep_and_own_words),
		cmocka_unit_test(test_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

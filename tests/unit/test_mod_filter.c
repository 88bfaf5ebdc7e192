/* mod_filter.c: patterns, and which names pass. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mod_filter.h"
#include "pattern.h"

static void test_match(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} cases[] = {
		{"", "", true},
		{"", "x", false},
		{"x", "", false},
		{"*", "", true},
		{"*", "x", true},
		{"?", "", false},
		{"?", "x", true},
		{"?", "xy", false},
		{"Queue:*", "Queue:sales", true},
		{"Queue:*", "queue:SALES", true},
		{"Queue:*", "Queue", false},
		{"*:*", "a:b", true},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "abc", true},
		{"a*b*c", "acb", false},
		{"*a", "bbba", true},
		{"*ab", "aab", true},
		{"*a*", "bbb", false},
		{"**", "x", true},
		{"PJSIP/1?0", "pjsip/120", true},
		{"PJSIP/1?0", "PJSIP/10", false},
		{"a**", "a", true},
		{"M\xc3\xbcller", "m\xc3\xbcLLER", true},
		{"M?ller", "M\xc3\xbcller", true},
		{"[a]", "a", false},
		{"[a]", "[A]", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (pattern_matches(cases[i].pattern, cases[i].name) != cases[i].match)
			fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].name);
}

/* Many stars on a long name: no explosion. */
static void test_match_is_not_exponential(void **state)
{
	char name[256];

	(void)state;
	memset(name, 'a', 255);
	name[255] = '\0';
	assert_false(pattern_matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}

static void test_passes(void **state)
{
	struct filter f;
	const char *why;

	(void)state;
	memset(&f, 0, sizeof(f));
	assert_true(filter_passes(&f, "anything"));
	assert_true(filter_exclude(&f, "PJSIP/9*", &why));
	assert_true(filter_passes(&f, "PJSIP/1000"));
	assert_false(filter_passes(&f, "pjsip/9000"));
	assert_true(filter_include(&f, "pjsip/*", &why));
	assert_true(filter_include(&f, "Custom:night", &why));
	assert_true(filter_passes(&f, "PJSIP/1000"));
	assert_false(filter_passes(&f, "PJSIP/9000"));
	assert_false(filter_passes(&f, "SIP/1000"));
	assert_true(filter_passes(&f, "custom:NIGHT"));
}

static void test_defaults(void **state)
{
	static const char *const out[] = {"Queue:x", "PARK:701@p", "mwi:1000@default",
		"ccss:SIP/1", "ConfBridge:1", "MeetMe:1", "sla:1_2", "calendar:me"};
	struct filter f;

	(void)state;
	memset(&f, 0, sizeof(f));
	filter_exclude_defaults(&f);
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		assert_false(filter_passes(&f, out[i]));
	assert_true(filter_passes(&f, "Custom:x"));
	assert_true(filter_passes(&f, "PJSIP/Queue:x"));
	assert_true(filter_passes(&f, "Queue"));
}

static void test_limits(void **state)
{
	char pattern[FILTER_TEXT + 1];
	struct filter f;
	const char *why = NULL;

	(void)state;
	memset(&f, 0, sizeof(f));
	assert_false(filter_include(&f, "", &why));
	assert_non_null(why);
	memset(pattern, 'x', sizeof(pattern));
	pattern[FILTER_TEXT] = '\0';
	assert_false(filter_include(&f, pattern, &why));
	pattern[FILTER_TEXT - 1] = '\0';
	assert_true(filter_include(&f, pattern, &why));
	for (int i = 1; i < FILTER_PATTERNS; i++)
		assert_true(filter_include(&f, "x", &why));
	assert_false(filter_include(&f, "x", &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_match_is_not_exponential),
		cmocka_unit_test(test_passes),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

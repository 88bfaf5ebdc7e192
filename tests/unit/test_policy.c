/* policy.c: words, patterns, which one applies (the table that SQL is tested with as
 * well), and an oracle for the matching. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "policy.h"

#define CASES "tests/cases/policies.tsv"

static void words(void **arg)
{
	enum policy p;

	(void)arg;
	assert_string_equal(policy_name(POLICY_AGGREGATE), "aggregate");
	assert_string_equal(policy_name(POLICY_MAX), "max");
	assert_string_equal(policy_name(POLICY_COUNT), "?");
	assert_int_equal(policy_default(KEY_DEVICE), POLICY_AGGREGATE);
	assert_int_equal(policy_default(KEY_MAILBOX), POLICY_LATEST);
	assert_true(policy_parse(KEY_DEVICE, "latest", &p) && p == POLICY_LATEST);
	assert_true(policy_parse(KEY_DEVICE, "LOCAL", &p) && p == POLICY_LOCAL);
	assert_true(policy_parse(KEY_MAILBOX, "Sum", &p) && p == POLICY_SUM);
	assert_false(policy_parse(KEY_DEVICE, "sum", &p));
	assert_false(policy_parse(KEY_DEVICE, "max", &p));
	assert_false(policy_parse(KEY_MAILBOX, "local", &p));
	assert_false(policy_parse(KEY_MAILBOX, "aggregate", &p));
	assert_false(policy_parse(KEY_DEVICE, "", &p));
	assert_false(policy_parse(KEY_DEVICE, "latests", &p));
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		for (int i = 0; i < POLICY_COUNT; i++) { /* the message names all legal ones */
			bool named = strstr(policy_all_names((enum key_kind)kind),
							 policy_name((enum policy)i)) != NULL;
			assert_int_equal(named, policy_is_legal((enum key_kind)kind, (enum policy)i));
		}
	}
}

static void legal_patterns(void **arg)
{
	char longest[300];
	const char *why;

	(void)arg;
	memset(longest, 'x', sizeof(longest));
	longest[255] = '\0';
	assert_true(policy_pattern_check(KEY_DEVICE, "*", &why));
	assert_true(policy_pattern_check(KEY_DEVICE, longest, &why));
	longest[255] = 'x';
	longest[256] = '\0';
	assert_false(policy_pattern_check(KEY_DEVICE, longest, &why));
	assert_non_null(strstr(why, "256 bytes"));
	assert_false(policy_pattern_check(KEY_DEVICE, "", &why));
	assert_false(policy_pattern_check(KEY_DEVICE, "a\tb", &why));
	assert_false(policy_pattern_check(KEY_DEVICE, "\xff", &why));
	assert_true(policy_pattern_check(KEY_MAILBOX, "1000@default", &why));
	assert_true(policy_pattern_check(KEY_MAILBOX, "1*", &why));
	assert_false(policy_pattern_check(KEY_MAILBOX, "1000", &why));
	assert_non_null(strstr(why, "MAILBOX@CONTEXT"));
}

/* The rule as it is told, without any cleverness. */
static bool oracle(const char *pattern, const char *key)
{
	if (*pattern == '\0')
		return *key == '\0';
	if (*pattern == '*')
		return oracle(pattern + 1, key) || (*key && oracle(pattern, key + 1));
	if (*key == '\0')
		return false;
	return (*pattern == '?' || *pattern == *key) && oracle(pattern + 1, key + 1);
}

/* Every pattern of up to five of "ab*?" with every key of up to five of "ab". */
static void all_short_patterns(void **arg)
{
	char pattern[6], key[6];
	int matched = 0;

	(void)arg;
	for (int p = 0; p < 4 * 4 * 4 * 4 * 4 * 6; p++) {
		int plen = p % 6;

		for (int i = 0, rest = p / 6; i < 5; i++, rest /= 4)
			pattern[i] = "ab*?"[rest % 4];
		pattern[plen] = '\0';
		for (int k = 0; k < 32 * 6; k++) {
			for (int i = 0; i < 5; i++)
				key[i] = "ab"[(k / 6) >> i & 1];
			key[k % 6] = '\0';
			if (pattern_matches(pattern, key) != oracle(pattern, key))
				fail_msg("pattern '%s', key '%s'", pattern, key);
			matched += oracle(pattern, key);
		}
	}
	assert_true(matched > 1000);
}

/* "PATTERN=POLICY PATTERN=POLICY ..." or "-" */
static struct policies *read_policies(enum key_kind kind, char *text)
{
	struct policies *p = policies_new();
	enum policy policy;
	const char *why;

	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		char *equals = strrchr(word, '=');

		if (strcmp(word, "-") == 0)
			continue;
		assert_non_null(equals);
		*equals = '\0';
		assert_true(policy_parse(kind, equals + 1, &policy));
		assert_true(policy_pattern_check(kind, word, &why));
		assert_true(policies_add(p, kind, word, policy));
	}
	return p;
}

static void one_case(char *line)
{
	char *kind = strtok(line, "\t"), *patterns = strtok(NULL, "\t"),
		 *key = strtok(NULL, "\t"), *applies = strtok(NULL, "\t"),
		 *policy = strtok(NULL, "\t\n");
	enum key_kind k = strcmp(kind, "device") == 0 ? KEY_DEVICE : KEY_MAILBOX;
	const struct policy_rule *rule;
	struct policies *p;

	assert_non_null(policy);
	p = read_policies(k, patterns);
	rule = policies_find(p, k, key);
	if (strcmp(rule ? rule->pattern : "-", applies) != 0 ||
		strcmp(policy_name(policies_of(p, k, key)), policy) != 0)
		fail_msg("%s '%s': '%s' %s, not '%s' %s", kind, key, rule ? rule->pattern : "-",
			policy_name(policies_of(p, k, key)), applies, policy);
	policies_free(p);
}

static void table_of_cases(void **arg)
{
	FILE *f = fopen(CASES, "r");
	char line[1024];
	int n = 0;

	(void)arg;
	if (!f)
		fail_msg("cannot read " CASES);
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		one_case(line);
		n++;
	}
	fclose(f);
	assert_true(n > 70);
}

static void one_kind_does_not_see_the_other(void **arg)
{
	struct policies *p = policies_new();

	(void)arg;
	assert_true(policies_add(p, KEY_DEVICE, "*", POLICY_LOCAL));
	assert_true(policies_add(p, KEY_MAILBOX, "*", POLICY_MAX));
	assert_int_equal(policies_of(p, KEY_DEVICE, "1@d"), POLICY_LOCAL);
	assert_int_equal(policies_of(p, KEY_MAILBOX, "1@d"), POLICY_MAX);
	assert_int_equal(policies_count(p), 2);
	policies_free(p);
	policies_free(NULL);
	assert_int_equal(policies_count(NULL), 0);
	assert_int_equal(policies_of(NULL, KEY_DEVICE, "x"), POLICY_AGGREGATE);
	assert_null(policies_find(NULL, KEY_MAILBOX, "x"));
}

static void bounded_and_replaced(void **arg)
{
	struct policies *p = policies_new();
	char name[16];

	(void)arg;
	for (int i = 0; i < POLICIES_MAX; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		assert_true(policies_add(p, KEY_DEVICE, name, POLICY_LATEST));
	}
	assert_false(policies_add(p, KEY_DEVICE, "one more", POLICY_LATEST));
	assert_true(policies_add(p, KEY_DEVICE, "D7", POLICY_LOCAL)); /* the same pattern */
	assert_int_equal(policies_count(p), POLICIES_MAX);
	assert_int_equal(policies_of(p, KEY_DEVICE, "d7"), POLICY_LOCAL);
	assert_int_equal(policies_of(p, KEY_DEVICE, "d8"), POLICY_LATEST);
	for (int i = 1; i < POLICIES_MAX; i++) /* the longer ones in front */
		assert_true(policies_at(p, i - 1)->characters >= policies_at(p, i)->characters);
	policies_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(legal_patterns),
		cmocka_unit_test(all_short_patterns),
		cmocka_unit_test(table_of_cases),
		cmocka_unit_test(one_kind_does_not_see_the_other),
		cmocka_unit_test(bounded_and_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

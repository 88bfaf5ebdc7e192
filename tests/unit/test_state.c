/* state.c: names, the sum of every set against an oracle written from the rule's words,
 * and the table of cases that SQL is tested with as well. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define ALL_SETS (1u << STATE_COUNT)
#define CASES    "tests/cases/state_sums.tsv"

static const struct {
	enum device_state state;
	const char *name, *label;
	int value;
	enum exten_state exten;
} facts[] = {
	{STATE_UNKNOWN, "UNKNOWN", "Unknown", 0, EXTEN_IDLE},
	{STATE_NOT_INUSE, "NOT_INUSE", "Not in use", 1, EXTEN_IDLE},
	{STATE_INUSE, "INUSE", "In use", 2, EXTEN_INUSE},
	{STATE_BUSY, "BUSY", "Busy", 3, EXTEN_BUSY},
	{STATE_INVALID, "INVALID", "Invalid", 4, EXTEN_UNAVAILABLE},
	{STATE_UNAVAILABLE, "UNAVAILABLE", "Unavailable", 5, EXTEN_UNAVAILABLE},
	{STATE_RINGING, "RINGING", "Ringing", 6, EXTEN_RINGING},
	{STATE_RINGINUSE, "RINGINUSE", "Ring+Inuse", 7, EXTEN_INUSE_RINGING},
	{STATE_ONHOLD, "ONHOLD", "On Hold", 8, EXTEN_HOLD},
};

/* The rule, as it is told: from the strongest to the weakest. */
static enum device_state oracle(unsigned set)
{
	static const enum device_state strongest_first[] = {STATE_RINGINUSE, STATE_BUSY,
		STATE_INUSE, STATE_RINGING, STATE_ONHOLD, STATE_NOT_INUSE, STATE_UNAVAILABLE,
		STATE_UNKNOWN, STATE_INVALID};
	bool has[STATE_COUNT];

	for (int s = 0; s < STATE_COUNT; s++)
		has[s] = (set >> s) & 1;
	if (has[STATE_RINGING] && (has[STATE_INUSE] || has[STATE_BUSY] || has[STATE_ONHOLD]))
		return STATE_RINGINUSE;
	for (int i = 0; i < STATE_COUNT; i++) {
		if (has[strongest_first[i]])
			return strongest_first[i];
	}
	fail_msg("empty set");
	return STATE_UNKNOWN;
}

static void names_and_values(void **arg)
{
	(void)arg;
	assert_int_equal(sizeof(facts) / sizeof(facts[0]), STATE_COUNT);
	for (int i = 0; i < STATE_COUNT; i++) {
		assert_int_equal(facts[i].state, facts[i].value);
		assert_string_equal(state_name(facts[i].state), facts[i].name);
		assert_string_equal(state_label(facts[i].state), facts[i].label);
		assert_int_equal(exten_state_of(facts[i].state), facts[i].exten);
		assert_non_null(strstr(state_all_names(), facts[i].name));
	}
	assert_string_equal(state_name(STATE_COUNT), "?");
	assert_string_equal(state_label((enum device_state)200), "?");
}

static void parsing(void **arg)
{
	static const char *const wrong[] = {"", " ", "IN USE", "INUSE ", " INUSE", "INUS",
		"INUSEE", "2", "?", "Not in use", "NOT-INUSE"};
	enum device_state s = STATE_BUSY;

	(void)arg;
	for (int i = 0; i < STATE_COUNT; i++) {
		char lower[32];
		size_t n = 0;

		for (; facts[i].name[n]; n++)
			lower[n] = facts[i].name[n] == '_' ? '_' : (char)(facts[i].name[n] | 0x20);
		lower[n] = '\0';
		assert_true(state_parse(facts[i].name, &s));
		assert_int_equal(s, facts[i].state);
		s = STATE_COUNT;
		assert_true(state_parse(lower, &s));
		assert_int_equal(s, facts[i].state);
	}
	s = STATE_BUSY;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(state_parse(wrong[i], &s));
		assert_int_equal(s, STATE_BUSY);
	}
}

static void every_pair(void **arg)
{
	(void)arg;
	for (int a = 0; a < STATE_COUNT; a++) {
		for (int b = 0; b < STATE_COUNT; b++) {
			unsigned set =
				state_bit((enum device_state)a) | state_bit((enum device_state)b);

			assert_int_equal(state_sum(set), oracle(set));
			if (a == b)
				assert_int_equal(state_sum(set), a);
		}
	}
	assert_int_equal(
		state_sum(state_bit(STATE_RINGING) | state_bit(STATE_ONHOLD)), STATE_RINGINUSE);
	assert_int_equal(
		state_sum(state_bit(STATE_INUSE) | state_bit(STATE_ONHOLD)), STATE_INUSE);
	assert_int_equal(
		state_sum(state_bit(STATE_INVALID) | state_bit(STATE_UNKNOWN)), STATE_UNKNOWN);
}

static void every_set(void **arg)
{
	(void)arg;
	for (unsigned set = 1; set < ALL_SETS; set++)
		assert_int_equal(state_sum(set), oracle(set));
}

/* So that it is a legal parallel aggregate, and hints may add up sums. */
static void sum_of_sums_is_the_sum(void **arg)
{
	(void)arg;
	for (unsigned a = 1; a < ALL_SETS; a++) {
		for (unsigned b = 1; b < ALL_SETS; b++) {
			unsigned sums = state_bit(state_sum(a)) | state_bit(state_sum(b));

			assert_int_equal(state_sum(sums), state_sum(a | b));
		}
	}
}

static void nobody(void **arg)
{
	(void)arg;
	assert_int_equal(state_default("Custom:night"), STATE_UNKNOWN);
	assert_int_equal(state_default("custom:night"), STATE_UNKNOWN);
	assert_int_equal(state_default("Custom:"), STATE_UNKNOWN);
	assert_int_equal(state_default("Custom"), STATE_INVALID);
	assert_int_equal(state_default("PJSIP/1"), STATE_INVALID);
	assert_int_equal(state_default(""), STATE_INVALID);
	assert_int_equal(state_default("XCustom:1"), STATE_INVALID);
}

static void extension_states(void **arg)
{
	static const struct {
		enum exten_state state;
		int value;
		const char *label, *function;
	} extens[] = {
		{EXTEN_IDLE, 0, "Idle", "NOT_INUSE"},
		{EXTEN_INUSE, 1, "InUse", "INUSE"},
		{EXTEN_BUSY, 2, "Busy", "BUSY"},
		{EXTEN_UNAVAILABLE, 4, "Unavailable", "UNAVAILABLE"},
		{EXTEN_RINGING, 8, "Ringing", "RINGING"},
		{EXTEN_INUSE_RINGING, 9, "InUse&Ringing", "RINGINUSE"},
		{EXTEN_HOLD, 16, "Hold", "ONHOLD"},
	};

	(void)arg;
	for (size_t i = 0; i < sizeof(extens) / sizeof(extens[0]); i++) {
		assert_int_equal(extens[i].state, extens[i].value);
		assert_string_equal(exten_state_label(extens[i].state), extens[i].label);
		assert_string_equal(exten_state_function(extens[i].state), extens[i].function);
	}
	assert_string_equal(exten_state_label((enum exten_state)3), "Unknown");
	assert_string_equal(exten_state_function((enum exten_state)3), "UNKNOWN");
}

/* One line: "A,B,C <tab> sum <tab> label of the extension". */
static void check_case(char *line, unsigned *sets)
{
	char *sum = strchr(line, '\t'), *exten, *save, *word;
	enum device_state state;
	unsigned set = 0;

	assert_non_null(sum);
	*sum++ = '\0';
	exten = strchr(sum, '\t');
	assert_non_null(exten);
	*exten++ = '\0';
	exten[strcspn(exten, "\t\n")] = '\0';
	for (word = strtok_r(line, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		while (*word == ' ')
			word++;
		assert_true(state_parse(word, &state));
		set |= state_bit(state);
	}
	if (!set)
		return; /* nobody says anything: SQL's business */
	assert_true(state_parse(sum, &state));
	assert_int_equal(state_sum(set), state);
	assert_string_equal(exten_state_label(exten_state_of(state)), exten);
	(*sets)++;
}

static void the_table_of_cases(void **arg)
{
	FILE *f = fopen(CASES, "r");
	char *line = NULL;
	size_t cap = 0;
	unsigned cases = 0;

	(void)arg;
	if (!f)
		fail_msg("%s is missing: run from the top of the project", CASES);
	while (getline(&line, &cap, f) > 0) {
		if (line[0] != '#' && line[0] != '\n')
			check_case(line, &cases);
	}
	free(line);
	fclose(f);
	assert_true(cases >= 81);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_values),
		cmocka_unit_test(parsing),
		cmocka_unit_test(every_pair),
		cmocka_unit_test(every_set),
		cmocka_unit_test(sum_of_sums_is_the_sum),
		cmocka_unit_test(nobody),
		cmocka_unit_test(extension_states),
		cmocka_unit_test(the_table_of_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

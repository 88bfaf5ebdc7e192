/* words.c: quotes and backslashes as in Asterisk's console. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "words.h"

/* The words of a line with '|' between. */
static void expect(const char *line, const char *expected, bool open)
{
	struct words w;
	struct buf joined;
	const char *why;

	buf_init(&joined);
	assert_true(words_parse(line, strlen(line), &w, &why));
	for (int i = 0; i < w.count; i++)
		buf_addf(&joined, "%s%s", i ? "|" : "", w.word[i]);
	assert_string_equal(buf_str(&joined), expected);
	assert_int_equal(w.open, open);
	assert_null(w.word[w.count]);
	words_clear(&w);
	buf_clear(&joined);
}

static void test_parse(void **state)
{
	(void)state;
	expect("", "", false);
	expect(" \t\r\n ", "", false);
	expect("core show hints", "core|show|hints", false);
	expect("  core\tshow  hints \n", "core|show|hints", false);
	expect("a \"b c\" d", "a|b c|d", false);
	expect("a\"b c\"d", "ab cd", false);
	expect("\"\"", "", false);
	expect("a \\\"b\\\\ c\\ d", "a|\"b\\|c d", false);
	expect("\"a \\\" b\"", "a \" b", false);
	expect("\"open", "open", true);
	expect("open\\", "open", true);
	expect("M\xc3\xbcller;=|", "M\xc3\xbcller;=|", false);
}

static void test_empty_word_is_a_word(void **state)
{
	struct words w;
	const char *why;

	(void)state;
	assert_true(words_parse("a \"\"", 4, &w, &why));
	assert_int_equal(w.count, 2);
	assert_string_equal(w.word[1], "");
	words_clear(&w);
}

static void test_positions(void **state)
{
	struct words w;
	const char *why;

	(void)state;
	assert_true(words_parse("ab  \"c d\"e", 10, &w, &why));
	assert_int_equal(w.start[0], 0);
	assert_int_equal(w.start[1], 4);
	assert_false(w.blank_end);
	words_clear(&w);
	assert_true(words_parse("ab ", 3, &w, &why));
	assert_true(w.blank_end);
	words_clear(&w);
}

static void test_refused(void **state)
{
	struct words w;
	const char *why;
	char many[200] = "";

	(void)state;
	assert_false(words_parse("a\0b", 3, &w, &why));
	assert_non_null(strstr(why, "NUL"));
	words_clear(&w);
	for (int i = 0; i <= WORDS_MAX; i++)
		strcat(many, "x ");
	assert_false(words_parse(many, strlen(many), &w, &why));
	assert_non_null(strstr(why, "32"));
	words_clear(&w);
}

/* What is quoted comes back as the same one word. */
static void test_quote(void **state)
{
	static const char *const samples[] = {"plain", "", "a b", "\"", "\\", "tab\there",
		"\\\"mixed \\", "M\xc3\xbcller", "';|"};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		struct words w;
		struct buf b;
		const char *why;
		buf_init(&b);
		words_quote(&b, samples[i]);
		assert_true(words_parse(b.data, b.len, &w, &why));
		assert_int_equal(w.count, 1);
		assert_false(w.open);
		assert_string_equal(w.word[0], samples[i]);
		words_clear(&w);
		buf_clear(&b);
	}
}

static void test_nth(void **state)
{
	size_t len;

	(void)state;
	assert_int_equal(words_count("core show hints"), 3);
	assert_int_equal(words_count("help"), 1);
	assert_memory_equal(words_nth("core show hints", 1, &len), "show", 4);
	assert_int_equal(len, 4);
	assert_string_equal(words_nth("core show hints", 2, &len), "hints");
	assert_null(words_nth("core show hints", 3, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_empty_word_is_a_word),
		cmocka_unit_test(test_positions),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_nth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

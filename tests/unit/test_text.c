/* text.c: one line of UTF-8, whatever came. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "text.h"

static void test_one_line(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"", ""},
		{" \n\t ", ""},
		{"plain", "plain"},
		{"  a  b \t c ", "a b c"},
		{"failed: refused\n\tIs it running?\n", "failed: refused - Is it running?"},
		{"\n\nfirst\r\n\r\nsecond", "first - second"},
		{"T\xc3\xbcr \xe2\x82\xac \xf0\x9f\x98\x80",
			"T\xc3\xbcr \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"bad \xfc\xff byte", "bad ?? byte"},
		{"cut \xe2\x82", "cut ??"},
		{"esc\033[31mred\x7f.", "esc [31mred ."},
		{"c1\xc2\x85next", "c1 next"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *line = text_one_line(cases[i].in);

		assert_string_equal(line, cases[i].out);
		free(line);
	}
}

/* Every text of two bytes: no crash, no control character, no byte out of nowhere. */
static void test_any_two_bytes(void **state)
{
	(void)state;
	for (int a = 1; a < 256; a++) {
		for (int b = 1; b < 256; b++) {
			char in[3] = {(char)a, (char)b, '\0'}, *line = text_one_line(in);

			assert_true(strlen(line) <= 2);
			for (const char *s = line; *s; s++)
				assert_true((unsigned char)*s >= ' ' && *s != 0x7f);
			free(line);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_line),
		cmocka_unit_test(test_any_two_bytes),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}

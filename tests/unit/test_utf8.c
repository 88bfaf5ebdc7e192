/* utf8.c: against the definition, every code point and every pair of first bytes. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "utf8.h"

static size_t encode(unsigned code, char out[4])
{
	unsigned char *o = (unsigned char *)out;

	if (code < 0x80) {
		o[0] = (unsigned char)code;
		return 1;
	}
	if (code < 0x800) {
		o[0] = (unsigned char)(0xC0 | code >> 6);
		o[1] = (unsigned char)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000) {
		o[0] = (unsigned char)(0xE0 | code >> 12);
		o[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
		o[2] = (unsigned char)(0x80 | (code & 0x3F));
		return 3;
	}
	o[0] = (unsigned char)(0xF0 | code >> 18);
	o[1] = (unsigned char)(0x80 | (code >> 12 & 0x3F));
	o[2] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
	o[3] = (unsigned char)(0x80 | (code & 0x3F));
	return 4;
}

static void test_every_code_point(void **state)
{
	char s[4];
	unsigned code;
	size_t n, expected;

	(void)state;
	for (code = 0; code < 0x120000; code++) {
		n = encode(code, s);
		expected = code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0 : n;
		if (utf8_len(s, n) != expected)
			fail_msg("U+%04X: %zu, expected %zu", code, utf8_len(s, n), expected);
		if (expected &&
			utf8_is_control(s, n) != (code < 0x20 || (code >= 0x7F && code < 0xA0)))
			fail_msg("U+%04X: control or not?", code);
	}
}

static void test_cut(void **state)
{
	static const unsigned codes[] = {0xE9, 0x20AC, 0x1F600};
	char s[4];
	size_t i, n, left;

	(void)state;
	for (i = 0; i < 3; i++) {
		n = encode(codes[i], s);
		for (left = 1; left < n; left++)
			assert_int_equal(utf8_len(s, left), 0);
	}
}

static void test_malformed(void **state)
{
	(void)state;
	assert_int_equal(utf8_len("\x80", 1), 0);             /* a continuation */
	assert_int_equal(utf8_len("\xC0\x80", 2), 0);         /* overlong */
	assert_int_equal(utf8_len("\xC1\xBF", 2), 0);         /* overlong */
	assert_int_equal(utf8_len("\xE0\x9F\xBF", 3), 0);     /* overlong */
	assert_int_equal(utf8_len("\xF0\x8F\xBF\xBF", 4), 0); /* overlong */
	assert_int_equal(utf8_len("\xF5\x80\x80\x80", 4), 0); /* too large */
	assert_int_equal(utf8_len("\xC3(", 2), 0);
	assert_int_equal(utf8_len("\xE2\x82(", 3), 0);
	assert_int_equal(utf8_len("\xFF", 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_point),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}

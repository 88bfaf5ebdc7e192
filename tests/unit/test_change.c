/* change.c: names at the edge, mailboxes' keys, counts, and when two values are the same.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "change.h"

static const char *why;

static bool check(const char *name, size_t len)
{
	char *copy = malloc(len ? len : 1);
	bool ok;

	memcpy(copy, name, len);
	why = NULL;
	ok = name_check(copy, len, &why);
	free(copy);
	if (!ok)
		assert_non_null(why);
	return ok;
}

#define OK(s) assert_true(check(s, sizeof(s) - 1))
#define BAD(s, says)                           \
	do {                                       \
		assert_false(check(s, sizeof(s) - 1)); \
		assert_non_null(strstr(why, says));    \
	} while (0)

static void legal_names(void **arg)
{
	(void)arg;
	OK("PJSIP/1000");
	OK("Custom:night; drop = | \"quoted\" 'and' \\ back");
	OK(" ");
	OK("\xc3\xa9");
	OK("\xc2\xa0"); /* no-break space: the first behind C1 */
	OK("\xe2\x82\xac");
	OK("\xed\x9f\xbf");
	OK("\xee\x80\x80");
	OK("\xf0\x9f\x98\x80");
	OK("\xf4\x8f\xbf\xbf");
	OK("~");
}

static void illegal_names(void **arg)
{
	(void)arg;
	BAD("", "empty");
	BAD("a\tb", "byte 2 is a control");
	BAD("a\nb", "byte 2 is a control");
	BAD("\x1b[31m", "byte 1 is a control");
	BAD("ab\x7f", "byte 3 is a control");
	BAD("a\0b", "byte 2 is a control");
	BAD("\xc2\x80", "byte 1 is a control");
	BAD("x\xc2\x9f", "byte 2 is a control");
	BAD("\x80", "byte 1 is not UTF-8");
	BAD("a\xff", "byte 2 is not UTF-8");
	BAD("\xc0\xaf", "not UTF-8");         /* overlong */
	BAD("\xe0\x80\xaf", "not UTF-8");     /* overlong */
	BAD("\xf0\x80\x80\xaf", "not UTF-8"); /* overlong */
	BAD("\xed\xa0\x80", "not UTF-8");     /* surrogate */
	BAD("\xf4\x90\x80\x80", "not UTF-8"); /* beyond U+10FFFF */
	BAD("\xf8\x88\x80\x80\x80", "not UTF-8");
	BAD("abc\xc3", "byte 4 is not UTF-8"); /* cut */
	BAD("\xe2\x82", "not UTF-8");
	BAD("\xf0\x9f\x98", "not UTF-8");
	BAD("\xc3(", "not UTF-8");
}

static void lengths(void **arg)
{
	char name[NAME_MAX_BYTES + 2];

	(void)arg;
	memset(name, 'x', sizeof(name));
	assert_true(check(name, 1));
	assert_true(check(name, NAME_MAX_BYTES));
	assert_false(check(name, NAME_MAX_BYTES + 1));
	assert_non_null(strstr(why, "256"));
	name[NAME_MAX_BYTES] = '\0';
	assert_true(device_check(name, &why));
	name[NAME_MAX_BYTES] = 'x';
	name[NAME_MAX_BYTES + 1] = '\0';
	assert_false(device_check(name, &why));
}

static void expect_mailbox(const char *text, const char *key, size_t len)
{
	char out[KEY_MAX_BYTES + 1];

	assert_true(mailbox_parse(text, out, &why));
	assert_string_equal(out, key);
	assert_int_equal(mailbox_len(out), len);
}

static void mailboxes(void **arg)
{
	char out[KEY_MAX_BYTES + 1];

	(void)arg;
	expect_mailbox("1000@default", "1000@default", 4);
	expect_mailbox("1000", "1000@default", 4);
	expect_mailbox("a@b@ctx", "a@b@ctx", 3);
	expect_mailbox("1000@", "1000@", 4);
	assert_false(mailbox_parse("", out, &why));
	assert_false(mailbox_parse("@default", out, &why));
	assert_non_null(strstr(why, "empty"));
	assert_false(mailbox_parse("10\t00@default", out, &why));
	assert_false(mailbox_parse("1000@def\nault", out, &why));
	assert_true(mailbox_join("1000", "", out, &why));
	assert_string_equal(out, "1000@");
	assert_false(mailbox_join("1000", "a@b", out, &why));
	assert_false(mailbox_join("", "default", out, &why));
	assert_int_equal(mailbox_len("nothing"), 7);
}

static void longest_mailbox(void **arg)
{
	char *text = malloc(2 * NAME_MAX_BYTES + 4), *out = malloc(KEY_MAX_BYTES + 1);

	(void)arg;
	memset(text, 'm', 2 * NAME_MAX_BYTES + 4);
	text[NAME_MAX_BYTES] = '@';
	text[2 * NAME_MAX_BYTES + 1] = '\0';
	assert_true(mailbox_parse(text, out, &why));
	assert_string_equal(out, text);
	assert_int_equal(strlen(out), KEY_MAX_BYTES);
	text[2 * NAME_MAX_BYTES + 1] = 'm';
	text[2 * NAME_MAX_BYTES + 2] = '\0';
	assert_false(mailbox_parse(text, out, &why));
	text[NAME_MAX_BYTES] = 'm';
	text[NAME_MAX_BYTES + 1] = '\0';
	assert_false(mailbox_parse(text, out, &why));
	free(text);
	free(out);
}

static void expect_counts(const char *text, unsigned fresh, unsigned old, unsigned urgent)
{
	struct value v = {.held = true, .stamp_us = 7};

	assert_true(counts_parse(text, &v, &why));
	assert_int_equal(v.fresh, fresh);
	assert_int_equal(v.old, old);
	assert_int_equal(v.urgent, urgent);
	assert_true(v.held && v.stamp_us == 7);
}

static void counts(void **arg)
{
	static const char *const bad[] = {"", "/", "1/", "/1", "1//2", "1/2/", "1/2/3/",
		"1/2/3/4", "-1", "+1", " 1", "1 ", "x", "1x", "1/x", "1000001", "00000001",
		"99999999999999999999999", "18446744073709551616", "0x10", "1.5", "1/2 /3"};
	struct value v = {.fresh = 9, .old = 9, .urgent = 9};

	(void)arg;
	expect_counts("0", 0, 0, 0);
	expect_counts("2", 2, 0, 0);
	expect_counts("2/1", 2, 1, 0);
	expect_counts("2/1/3", 2, 1, 3);
	expect_counts("1000000/1000000/1000000", 1000000, 1000000, 1000000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = NULL;
		assert_false(counts_parse(bad[i], &v, &why));
		assert_non_null(why);
		assert_true(v.fresh == 9 && v.old == 9 && v.urgent == 9);
	}
}

static void same_values(void **arg)
{
	struct value a = {.state = STATE_BUSY, .fresh = 1, .stamp_us = 1}, b = a;

	(void)arg;
	b.stamp_us = 2;
	assert_true(value_same(KEY_DEVICE, &a, &b));
	assert_true(value_same(KEY_MAILBOX, &a, &b));
	b.state = STATE_INUSE;
	assert_false(value_same(KEY_DEVICE, &a, &b));
	assert_true(value_same(KEY_MAILBOX, &a, &b));
	b = a;
	b.fresh = 2;
	assert_true(value_same(KEY_DEVICE, &a, &b));
	assert_false(value_same(KEY_MAILBOX, &a, &b));
	b = a;
	b.old = 2;
	assert_false(value_same(KEY_MAILBOX, &a, &b));
	b = a;
	b.urgent = 2;
	assert_false(value_same(KEY_MAILBOX, &a, &b));
	b = a;
	b.held = true;
	assert_false(value_same(KEY_DEVICE, &a, &b));
	assert_false(value_same(KEY_MAILBOX, &a, &b));
	assert_string_equal(key_kind_name(KEY_DEVICE), "device");
	assert_string_equal(key_kind_name(KEY_MAILBOX), "mailbox");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legal_names),
		cmocka_unit_test(illegal_names),
		cmocka_unit_test(lengths),
		cmocka_unit_test(mailboxes),
		cmocka_unit_test(longest_mailbox),
		cmocka_unit_test(counts),
		cmocka_unit_test(same_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

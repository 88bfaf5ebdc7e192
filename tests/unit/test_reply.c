/* reply.c: text for people, one JSON document for programs, in pieces. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "reply.h"

static struct buf written;
static size_t largest;

static void take(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	buf_add(&written, bytes, len);
	largest = len > largest ? len : largest;
}

static int setup(void **state)
{
	(void)state;
	buf_init(&written);
	largest = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_clear(&written);
	return 0;
}

static void test_fields(void **state)
{
	struct reply r;

	(void)state;
	reply_init(&r, false, take, NULL);
	reply_field(&r, "Entity ID", "entity_id", "%s", "01:23:45:67:89:ab");
	reply_number(&r, "Debug", "debug", -3);
	reply_seconds(&r, "Lease", "lease", 2500);
	reply_set(&r, "only", json_true());
	reply_item(&r, json_integer(1));
	reply_end(&r);
	assert_string_equal(buf_str(&written),
		"  Entity ID:                   01:23:45:67:89:ab\n"
		"  Debug:                       -3\n"
		"  Lease:                       2.5\n");
	reply_clear(&r);
}

static void test_object(void **state)
{
	struct reply r;

	(void)state;
	reply_init(&r, true, take, NULL);
	reply_printf(&r, "only text\n");
	reply_field(&r, "Entity ID", "entity_id", "%s", "a\"b");
	reply_number(&r, "Debug", "debug", 1);
	reply_seconds(&r, "Lease", "lease", 2500);
	assert_string_equal(buf_str(&written), "");
	reply_end(&r);
	assert_string_equal(buf_str(&written),
		"{\n  \"entity_id\": \"a\\\"b\",\n  \"debug\": 1,\n  \"lease\": 2.5\n}\n");
	reply_clear(&r);
}

static void test_list(void **state)
{
	struct reply r;

	(void)state;
	reply_init(&r, true, take, NULL);
	reply_list(&r);
	reply_end(&r);
	assert_string_equal(buf_str(&written), "[]\n");
	buf_reset(&written);
	reply_list(&r);
	reply_item(&r, json_integer(1));
	reply_item(&r, json_string("x"));
	reply_end(&r);
	assert_string_equal(buf_str(&written), "[\n  1,\n  \"x\"\n]\n");
	reply_clear(&r);
}

/* Long answers leave in pieces that fit into frames. */
static void test_pieces(void **state)
{
	struct reply r;

	(void)state;
	reply_init(&r, false, take, NULL);
	for (int i = 0; i < 20000; i++)
		reply_printf(&r, "line %05d\n", i);
	assert_true(r.pending.len < REPLY_PIECE_BYTES);
	reply_end(&r);
	assert_int_equal(written.len, 20000 * 11);
	assert_true(largest <= REPLY_PIECE_BYTES);
	reply_clear(&r);
}

static void test_one_long_text(void **state)
{
	struct reply r;
	static char text[100001];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	reply_init(&r, false, take, NULL);
	reply_printf(&r, "%s", text);
	reply_end(&r);
	assert_int_equal(written.len, 100000);
	assert_true(largest <= REPLY_PIECE_BYTES);
	reply_clear(&r);
}

static void check_string(const char *s, const char *expected)
{
	json_t *string = reply_string(s);

	assert_string_equal(json_string_value(string), expected);
	json_decref(string);
}

static void test_string(void **state)
{
	(void)state;
	check_string("M\xc3\xbcller", "M\xc3\xbcller");
	check_string("", "");
	check_string("\xff", "\xef\xbf\xbd");
	check_string("a\xc3", "a\xef\xbf\xbd");
	check_string("\xc3\xbc\x80z", "\xc3\xbc\xef\xbf\xbdz");
	check_string("\xf0\x9f\x98\x80!\xfe", "\xf0\x9f\x98\x80!\xef\xbf\xbd");
}

static void test_time(void **state)
{
	char text[REPLY_TIME_TEXT];

	(void)state;
	assert_string_equal(
		reply_time(INT64_C(1227441600999999), text), "2008-11-23 12:00:00 UTC");
	assert_string_equal(reply_time(0, text), "never");
	assert_string_equal(reply_time(INT64_MAX, text), "294247-01-10 04:00:54 UTC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_object, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_long_text, setup, teardown),
		cmocka_unit_test(test_string),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* buf.c: always NUL-terminated, whatever was added in whatever pieces. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "buf.h"

static void test_empty(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.len, 0);
	buf_reset(&b);
	buf_clear(&b);
	buf_clear(&b); /* twice is legal */
}

static void test_pieces(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	buf_adds(&b, "Custom:");
	buf_add(&b, "mystateXXX", 7);
	buf_addc(&b, ' ');
	buf_addf(&b, "%s %d", "is", 42);
	assert_string_equal(buf_str(&b), "Custom:mystate is 42");
	assert_int_equal(b.len, strlen("Custom:mystate is 42"));
	buf_clear(&b);
}

static void test_numbers(void **state)
{
	static const int64_t numbers[] = {
		0, 7, -1, 10, 99, 100, -4096, 1234567890123, INT64_MAX, INT64_MIN, INT64_MIN + 1};
	struct buf b = {0}, want = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		buf_add_number(&b, numbers[i]);
		buf_addc(&b, ' ');
		buf_addf(&want, "%lld ", (long long)numbers[i]);
	}
	assert_string_equal(buf_str(&b), buf_str(&want));
	assert_int_equal(b.len, want.len);
	buf_clear(&b);
	buf_clear(&want);
}

static void test_nothing_can_be_added(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	buf_add(&b, NULL, 0);
	buf_adds(&b, "");
	buf_addf(&b, "%s", "");
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.len, 0);
	buf_clear(&b);
}

static void test_bytes_may_be_nul(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	buf_add(&b, "a\0b", 3);
	buf_addc(&b, '\0');
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "a\0b\0", 5);
	buf_clear(&b);
}

/* Each length around the powers of two: the NUL always fits. */
static void test_growth_keeps_room_for_the_nul(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	for (size_t i = 0; i < 5000; i++) {
		buf_addc(&b, (char)('a' + i % 26));
		assert_int_equal(b.data[b.len], '\0');
		assert_true(b.cap > b.len);
	}
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	buf_clear(&b);
}

static void test_one_large_piece(void **state)
{
	char *large = malloc(100001);
	struct buf b;

	(void)state;
	memset(large, 'x', 100000);
	large[100000] = '\0';
	buf_init(&b);
	buf_addf(&b, "<%s>", large);
	assert_int_equal(b.len, 100002);
	assert_int_equal(b.data[100001], '>');
	buf_clear(&b);
	free(large);
}

static void test_reset_keeps_the_memory(void **state)
{
	struct buf b;
	char *data;

	(void)state;
	buf_init(&b);
	buf_adds(&b, "something");
	data = b.data;
	buf_reset(&b);
	assert_string_equal(buf_str(&b), "");
	buf_adds(&b, "else");
	assert_ptr_equal(b.data, data);
	assert_string_equal(buf_str(&b), "else");
	buf_clear(&b);
}

static void test_take(void **state)
{
	struct buf b;
	char *text;

	(void)state;
	buf_init(&b);
	buf_adds(&b, "mine");
	text = buf_take(&b);
	assert_string_equal(text, "mine");
	free(text);
	assert_int_equal(b.len, 0);
	text = buf_take(&b); /* of an empty one: still a string of one's own */
	assert_string_equal(text, "");
	free(text);
	buf_adds(&b, "again");
	assert_string_equal(buf_str(&b), "again");
	buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_nothing_can_be_added),
		cmocka_unit_test(test_bytes_may_be_nul),
		cmocka_unit_test(test_growth_keeps_room_for_the_nul),
		cmocka_unit_test(test_one_large_piece),
		cmocka_unit_test(test_reset_keeps_the_memory),
		cmocka_unit_test(test_take),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}

/* suggest.c: slips of the finger find their word, other words find nothing. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "suggest.h"

static const char *const known[] = {
	"publish_event", "subscribe_event", "type", "mwi", "NoOp"};
#define N (sizeof(known) / sizeof(known[0]))

static void test_close_words(void **state)
{
	(void)state;
	assert_string_equal(
		suggest_word("publish_evnet", known, N), "publish_event"); /* swapped */
	assert_string_equal(
		suggest_word("publishevent", known, N), "publish_event"); /* left out */
	assert_string_equal(
		suggest_word("PUBLISH-EVENT", known, N), "publish_event"); /* case */
	assert_string_equal(suggest_word("subscribe_events", known, N), "subscribe_event");
	assert_string_equal(suggest_word("tpye", known, N), "type");
	assert_string_equal(suggest_word("mw", known, N), "mwi");
	assert_string_equal(suggest_word("noopp", known, N), "NoOp");
}

static void test_far_words(void **state)
{
	char big[200] = {0};
	size_t i;

	(void)state;
	for (i = 0; i + 1 < sizeof(big); i++)
		big[i] = 'x';
	assert_null(suggest_word("colour", known, N));
	assert_null(suggest_word("", known, N));
	assert_null(suggest_word("x", known, N));
	assert_null(suggest_word("abc", known, N));
	assert_null(suggest_word(big, known, N));
	assert_null(suggest_word("type", known, 0));
}

static void test_known_word(void **state)
{
	(void)state;
	assert_null(suggest_word("Type", known, N));
}

static void test_long_known_word(void **state)
{
	static const char *const lists[] = {
		"a_word_that_is_longer_than_any_word_that_people_type", "entity_id"};

	(void)state;
	assert_string_equal(suggest_word("entityid", lists, 2), "entity_id");
}

static void test_print(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	suggest_print(&b, "typ", known, 3);
	assert_string_equal(buf_str(&b),
		"; did you mean 'type'?; legal: publish_event, subscribe_event, type");
	buf_reset(&b);
	suggest_print(&b, "elephant", known, 2);
	assert_string_equal(buf_str(&b), "; legal: publish_event, subscribe_event");
	buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close_words),
		cmocka_unit_test(test_far_words),
		cmocka_unit_test(test_known_word),
		cmocka_unit_test(test_long_known_word),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests_name("suggest", tests, NULL, NULL);
}

/* ticker.c: when relay() is due. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "ticker.h"

#define MS INT64_C(1000)

static void never_by_itself(void **arg)
{
	struct ticker t = {0};

	(void)arg;
	assert_int_equal(ticker_due_us(&t), 0);
	ticker_stop(&t);
	assert_int_equal(ticker_due_us(&t), 0);
}

static void once_after_each_tick(void **arg)
{
	struct ticker t = {0};
	struct db_relay none = {0};

	(void)arg;
	for (int64_t now_us = 500 * MS; now_us < 2000 * MS; now_us += 500 * MS) {
		ticker_ticked(&t, now_us);
		assert_int_equal(ticker_due_us(&t), now_us);
		ticker_asked(&t, now_us);
		assert_int_equal(ticker_due_us(&t), 0);
		ticker_relayed(&t, &none, false, now_us + MS);
		assert_int_equal(ticker_due_us(&t), 0);
	}
	assert_int_equal(t.calls, 3);
	assert_int_equal(t.told, 0);
}

static void from_call_to_call(void **arg)
{
	struct ticker t = {0};
	struct db_relay some = {.period_ms = 20, .sent = 7};

	(void)arg;
	ticker_ticked(&t, 100 * MS);
	ticker_asked(&t, 101 * MS);
	ticker_relayed(&t, &some, false, 104 * MS);
	assert_int_equal(ticker_due_us(&t), 121 * MS);
	assert_int_equal(t.told, 7);
	ticker_ticked(&t, 110 * MS); /* a tick in between does not hurry it */
	assert_int_equal(ticker_due_us(&t), 121 * MS);
	ticker_asked(&t, 121 * MS);
	ticker_relayed(&t, &some, false, 141 * MS); /* it took as long as the period */
	assert_int_equal(ticker_due_us(&t), 141 * MS + RELAY_REST_US);
	ticker_asked(&t, 142 * MS);
	ticker_relayed(
		&t, &some, false, 900 * MS); /* much longer: no calls are made up for */
	assert_int_equal(ticker_due_us(&t), 900 * MS + RELAY_REST_US);
	assert_int_equal(t.told, 21);
}

static void until_nothing_is_left(void **arg)
{
	struct ticker t = {0};
	struct db_relay last = {.sent = 1};

	(void)arg;
	ticker_ticked(&t, 1 * MS);
	ticker_asked(&t, 1 * MS);
	ticker_relayed(&t, &last, false, 2 * MS);
	assert_int_equal(ticker_due_us(&t), 0);
	assert_int_equal(t.told, 1);
}

static void not_at_once_after_an_error(void **arg)
{
	struct ticker t = {0};
	struct db_relay nonsense = {.period_ms = 2, .sent = 5};

	(void)arg;
	ticker_ticked(&t, 1 * MS);
	ticker_asked(&t, 1 * MS);
	ticker_relayed(&t, &nonsense, true, 9 * MS);
	assert_int_equal(ticker_due_us(&t), 9 * MS + RELAY_ERROR_US);
	assert_int_equal(t.told, 0);
}

static void not_when_another_coordinates(void **arg)
{
	struct ticker t = {0};
	struct db_relay some = {.period_ms = 20};

	(void)arg;
	ticker_ticked(&t, 1 * MS);
	ticker_asked(&t, 1 * MS);
	ticker_relayed(&t, &some, false, 2 * MS);
	ticker_stop(&t);
	assert_int_equal(ticker_due_us(&t), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_by_itself),
		cmocka_unit_test(once_after_each_tick),
		cmocka_unit_test(from_call_to_call),
		cmocka_unit_test(until_nothing_is_left),
		cmocka_unit_test(not_at_once_after_an_error),
		cmocka_unit_test(not_when_another_coordinates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mod_pace.c: imports go on while Asterisk keeps up; floods and retries have their
 * measure. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "mod_pace.h"

/* How many are imported from now on until the next look. */
static int run(struct pace *p)
{
	int n = 0;

	for (; pace_allows(p); n++)
		pace_took(p);
	return n;
}

static void test_feedback(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p);
	assert_false(pace_allows(&p));
	pace_look(&p, 0, false, 1000);
	assert_int_equal(run(&p), PACE_STEP);
	pace_look(&p, PACE_TASKS_MAX - 1, false, 1000); /* at once */
	assert_int_equal(run(&p), PACE_STEP);
	pace_look(&p, PACE_TASKS_MAX, false, 1000);
	assert_false(pace_allows(&p));
	assert_int_equal(p.next_ms, 1000 + PACE_WAIT_MS);
	pace_look(&p, 0, false, 1000); /* too early */
	assert_false(pace_allows(&p));
	pace_look(&p, 0, false, p.next_ms);
	assert_true(pace_allows(&p));
	assert_int_equal(p.waits, 1);
}

static void test_alert(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p);
	pace_look(&p, 0, true, 1000);
	assert_false(pace_allows(&p));
	pace_look(&p, -1, true, 1010);
	assert_false(pace_allows(&p));
	assert_int_equal(p.next_ms, 1010 + PACE_BLIND_MS);
}

static void test_blind(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p);
	pace_look(&p, -1, false, 1000);
	assert_int_equal(run(&p), PACE_BLIND_STEP);
	pace_look(&p, -1, false, 1001);
	assert_false(pace_allows(&p));
	pace_look(&p, -1, false, 1000 + PACE_BLIND_MS);
	assert_int_equal(run(&p), PACE_BLIND_STEP);
}

static void test_look_is_not_a_gift(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p);
	for (int i = 0; i < 10; i++)
		pace_look(&p, 0, false, 1000);
	assert_int_equal(run(&p), PACE_STEP);
}

static void test_bucket(void **state)
{
	struct bucket b;
	int n = 0;

	(void)state;
	bucket_init(&b, 10, 5);
	while (bucket_take(&b, 1000))
		n++;
	assert_int_equal(n, 5);
	assert_false(bucket_take(&b, 1099));
	assert_true(bucket_take(&b, 1200));
	for (n = 0; bucket_take(&b, 1000000); n++)
		;
	assert_int_equal(n, 5);
	assert_false(bucket_take(&b, 0)); /* a clock that goes back gives nothing */
}

/* A connect to a unix socket is cheap: whoever comes back is not kept waiting. */
static void test_backoff(void **state)
{
	static const int64_t most[] = {250, 500, 1000, 2000, 2000, 2000};
	struct retry b = {0};

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++)
			assert_in_range(
				retry_next(&b, false, (uint32_t)i * 2654435761u), most[i] / 2, most[i]);
		retry_reset(&b);
	}
}

/* All random numbers keep to it, the ends are met: servers do not try in step. */
static void test_backoff_is_spread(void **state)
{
	struct retry b = {.ms = 2000};

	(void)state;
	assert_int_equal(retry_next(&b, false, 0), 1000);
	assert_int_equal(retry_next(&b, false, 1000), 2000);
	assert_int_equal(retry_next(&b, false, 1001), 1000);
	assert_in_range(retry_next(&b, false, UINT32_MAX), 1000, 2000);
}

/* Whoever refuses us has to be changed first, and writes a line each time. */
static void test_backoff_refused(void **state)
{
	static const int64_t most[] = {250, 500, 1000, 2000, 4000, 8000, 10000, 10000};
	struct retry b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++)
		assert_in_range(retry_next(&b, true, (uint32_t)i * 7919u), most[i] / 2, most[i]);
	/* then it is only away: as soon as anybody else */
	assert_in_range(retry_next(&b, false, 77), 1000, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feedback),
		cmocka_unit_test(test_alert),
		cmocka_unit_test(test_blind),
		cmocka_unit_test(test_look_is_not_a_gift),
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_backoff_is_spread),
		cmocka_unit_test(test_backoff_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

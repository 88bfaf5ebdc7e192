/* The benches' quantiles: from buckets of one percent, and of several processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "samples.h"

static void assert_near(double is, double should)
{
	if (is < should * 0.999 || is > should * 1.011)
		fail_msg("%f is not %f, nor up to one percent more", is, should);
}

static void test_nothing(void **state)
{
	struct samples s;

	(void)state;
	samples_clear(&s);
	assert_true(samples_quantile(&s, 0.5) == 0);
	assert_int_equal(s.n, 0);
}

static void test_one(void **state)
{
	struct samples s;

	(void)state;
	samples_clear(&s);
	samples_add(&s, 777);
	assert_near(samples_quantile(&s, 0), 1);
	assert_near(samples_quantile(&s, 0.5), 777);
	assert_true(samples_quantile(&s, 1) <= 777); /* never above the greatest */
	assert_int_equal(s.most_us, 777);
}

static void test_quantiles(void **state)
{
	struct samples s;

	(void)state;
	samples_clear(&s);
	for (int i = 1; i <= 10000; i++)
		samples_add(&s, (i * 7919) % 10000 + 1); /* each of 1 to 10,000 once */
	assert_near(samples_quantile(&s, 0.5), 5000);
	assert_near(samples_quantile(&s, 0.99), 9900);
	assert_near(samples_quantile(&s, 0.01), 100);
	assert_int_equal(s.most_us, 10000);
}

static void test_small_and_great(void **state)
{
	struct samples s;

	(void)state;
	samples_clear(&s);
	samples_add(&s, -5); /* a clock that was read in the wrong order */
	samples_add(&s, 0);
	samples_add(&s, 1);
	samples_add(&s, INT64_MAX / 2);
	assert_true(samples_quantile(&s, 0.75) <= 1);
	assert_true(samples_quantile(&s, 1) > 1e8); /* the last bucket */
	assert_int_equal(s.n, 4);
}

static void test_join(void **state)
{
	struct samples a, b;

	(void)state;
	samples_clear(&a);
	samples_clear(&b);
	for (int i = 0; i < 99; i++)
		samples_add(&a, 100);
	samples_add(&b, 5000);
	samples_join(&a, &b);
	assert_int_equal(a.n, 100);
	assert_int_equal(a.most_us, 5000);
	assert_near(samples_quantile(&a, 0.99), 100);
	assert_near(samples_quantile(&a, 0.995), 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_small_and_great),
		cmocka_unit_test(test_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

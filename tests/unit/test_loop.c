/* loop.c: timers, what is deferred, back-off. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <event2/event.h>

#include "clock.h"
#include "loop.h"

static struct event_base *base;
static char story[100];

static int setup(void **state)
{
	(void)state;
	base = loop_new();
	story[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(base);
	base = NULL;
	return 0;
}

static void tell(void *arg)
{
	strncat(story, arg, sizeof(story) - strlen(story) - 1);
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(base);
}

/* Ends a test that hangs: no test needs that long. */
static void run(void)
{
	struct loop_timer *guard = loop_timer_new(base, stop, NULL);

	loop_timer_start(guard, 10000);
	loop_run(base);
	loop_timer_free(guard);
}

static void test_timers_fire_in_order_and_once(void **state)
{
	struct loop_timer *b = loop_timer_new(base, tell, "b"),
					  *a = loop_timer_new(base, tell, "a"),
					  *end = loop_timer_new(base, stop, NULL);

	(void)state;
	loop_timer_start(end, 60);
	loop_timer_start(b, 30);
	loop_timer_start(a, 1);
	run();
	assert_string_equal(story, "ab");
	loop_timer_free(a);
	loop_timer_free(b);
	loop_timer_free(end);
	loop_timer_free(NULL);
}

static void test_a_timer_is_never_early(void **state)
{
	(void)state;
	for (int ms = 0; ms < 12; ms++) {
		struct loop_timer *t = loop_timer_new(base, stop, NULL);
		int64_t from = clock_mono_us();

		loop_timer_start(t, ms);
		run();
		assert_true(clock_mono_us() - from >= ms * 1000);
		loop_timer_free(t);
	}
}

static void test_stop_and_restart(void **state)
{
	struct loop_timer *a = loop_timer_new(base, tell, "a"),
					  *b = loop_timer_new(base, tell, "b"),
					  *end = loop_timer_new(base, stop, NULL);

	(void)state;
	loop_timer_start(a, 1);
	loop_timer_stop(a);
	loop_timer_stop(a); /* twice is legal */
	loop_timer_start(b, 100000);
	loop_timer_start(b, 1); /* restarted: the old time is gone */
	loop_timer_start(end, 40);
	run();
	assert_string_equal(story, "b");
	loop_timer_free(a);
	loop_timer_free(b);
	loop_timer_free(end);
}

static struct {
	struct loop_timer *soon, *later, *other;
} turn;

static void begin_turn(void *arg)
{
	(void)arg;
	loop_timer_start(turn.later, 0);
	loop_timer_soon(turn.soon);
	loop_timer_soon(turn.soon); /* it is one */
	loop_timer_soon(turn.other);
	loop_timer_stop(turn.other);
	tell("begin ");
}

static void test_soon_is_this_turn(void **state)
{
	struct loop_timer *first = loop_timer_new(base, begin_turn, NULL),
					  *end = loop_timer_new(base, stop, NULL);

	(void)state;
	turn.soon = loop_timer_new(base, tell, "soon ");
	turn.later = loop_timer_new(base, tell, "later ");
	turn.other = loop_timer_new(base, tell, "stopped ");
	loop_timer_start(first, 1);
	loop_timer_start(end, 40);
	run();
	assert_string_equal(story, "begin soon later ");
	loop_timer_free(first);
	loop_timer_free(end);
	loop_timer_free(turn.soon);
	loop_timer_free(turn.later);
	loop_timer_free(turn.other);
}

/* One that runs later anyway runs once, and can be started again. */
static void test_soon_instead_of_later(void **state)
{
	struct loop_timer *t = loop_timer_new(base, tell, "x"),
					  *end = loop_timer_new(base, stop, NULL);

	(void)state;
	loop_timer_start(t, 1);
	loop_timer_soon(t);
	loop_timer_start(end, 30);
	run();
	assert_string_equal(story, "x");
	loop_timer_start(t, 1);
	loop_timer_start(end, 30);
	run();
	assert_string_equal(story, "xx");
	loop_timer_free(t);
	loop_timer_free(end);
}

static void test_a_negative_delay_is_now(void **state)
{
	struct loop_timer *t = loop_timer_new(base, stop, NULL);

	(void)state;
	loop_timer_start(t, -5);
	run();
	loop_timer_free(t);
}

static struct loop_timer *self;
static int rounds;

static void free_self(void *arg)
{
	(void)arg;
	loop_timer_free(self);
	self = NULL;
	loop_stop(base);
}

static void test_freed_inside_its_own_callback(void **state)
{
	(void)state;
	self = loop_timer_new(base, free_self, NULL);
	loop_timer_start(self, 0);
	run();
	assert_null(self);
}

static void restart_self(void *arg)
{
	(void)arg;
	if (++rounds < 5)
		loop_timer_start(self, 0);
	else
		loop_stop(base);
}

static void test_restarted_inside_its_own_callback(void **state)
{
	(void)state;
	rounds = 0;
	self = loop_timer_new(base, restart_self, NULL);
	loop_timer_start(self, 0);
	run();
	assert_int_equal(rounds, 5);
	loop_timer_free(self);
}

static void defer_two(void *arg)
{
	(void)arg;
	loop_defer(base, tell, "2");
	loop_defer(base, stop, NULL);
	tell("1");
}

static void test_deferred_runs_afterwards_and_in_order(void **state)
{
	(void)state;
	loop_defer(base, defer_two, NULL);
	loop_defer(base, tell, "a");
	assert_string_equal(story, "");
	run();
	assert_string_equal(story, "1a2");
}

static void test_nothing_deferred_is_lost_at_the_end(void **state)
{
	(void)state;
	loop_defer(base, tell, "a");
	loop_defer(base, defer_two, NULL);
	loop_free(base);
	assert_string_equal(story, "a12");
	base = loop_new();
}

static void test_stop_before_run(void **state)
{
	(void)state;
	loop_stop(base);
	run();
}

static void test_clocks(void **state)
{
	int64_t a = clock_mono_us(), b = clock_mono_us();

	(void)state;
	assert_true(a > 0 && b >= a);
	assert_true(clock_wall_us() > INT64_C(1700000000) * 1000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_timers_fire_in_order_and_once),
		TEST(test_a_timer_is_never_early),
		TEST(test_stop_and_restart),
		TEST(test_soon_is_this_turn),
		TEST(test_soon_instead_of_later),
		TEST(test_a_negative_delay_is_now),
		TEST(test_freed_inside_its_own_callback),
		TEST(test_restarted_inside_its_own_callback),
		TEST(test_deferred_runs_afterwards_and_in_order),
		TEST(test_nothing_deferred_is_lost_at_the_end),
		TEST(test_stop_before_run),
		TEST(test_clocks),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}

/* coordinator.c: when to tick, who coordinates, and when the channel is deaf. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "coordinator.h"

#define S INT64_C(1000000)

static const struct entity_id a = {{2, 0, 0, 0, 0, 1}}, b = {{2, 0, 0, 0, 0, 2}};

static struct db_tick mine(int64_t pulse)
{
	struct db_tick t = {.has_coordinator = true, .coordinator = a, .pulse = pulse};

	t.token = (struct uuid){"11111111-1111-4111-8111-111111111111"};
	return t;
}

static struct db_tick not_mine(int64_t pulse)
{
	return (struct db_tick){.has_coordinator = true, .coordinator = b, .pulse = pulse};
}

static void tries_at_once(void **arg)
{
	struct coordinator c = {0};

	(void)arg;
	coordinator_connected(&c, 7 * S);
	assert_int_equal(coordinator_due_us(&c), 7 * S);
	assert_false(coordinator_is_us(&c));
}

static void ticks_while_it_is_us(void **arg)
{
	struct coordinator c = {0};
	struct db_tick t = mine(1);

	(void)arg;
	coordinator_connected(&c, 0);
	assert_true(coordinator_ticked(&c, &t, false, S));
	assert_true(coordinator_is_us(&c));
	assert_true(c.known && entity_id_equal(&c.id, &a));
	assert_int_equal(coordinator_due_us(&c), S + TICK_US);
	coordinator_pulse(&c, &a, 1, S + 1000); /* our own: the period stays */
	assert_int_equal(coordinator_due_us(&c), S + TICK_US);
	t = not_mine(2); /* taken from us */
	assert_true(coordinator_ticked(&c, &t, false, 2 * S));
	assert_false(coordinator_is_us(&c));
	assert_int_equal(coordinator_due_us(&c), 2 * S + PULSE_SILENCE_US);
	assert_int_equal(c.changes, 1);
}

/* Somebody has the lease, and says nothing: it is tried again sooner than the first time.
 */
static void tries_more_often_while_nobody_pulses(void **arg)
{
	struct coordinator c = {0};
	struct db_tick t = not_mine(7);

	(void)arg;
	coordinator_connected(&c, 0);
	coordinator_ticked(&c, &t, false, S);
	assert_int_equal(coordinator_due_us(&c), S + TICK_US);
	coordinator_pulse(&c, &b, 8, S + 1000);
	assert_int_equal(coordinator_due_us(&c), S + 1000 + PULSE_SILENCE_US);
	coordinator_ticked(&c, &t, false, S + 1000 + PULSE_SILENCE_US);
	assert_int_equal(coordinator_due_us(&c), S + 1000 + PULSE_SILENCE_US + TICK_US);
}

static void silent_while_somebody_pulses(void **arg)
{
	struct coordinator c = {0};

	(void)arg;
	coordinator_connected(&c, 0);
	for (int i = 1; i < 50; i++) {
		coordinator_pulse(&c, &b, i, i * TICK_US);
		assert_true(coordinator_due_us(&c) == i * TICK_US + PULSE_SILENCE_US);
	}
	assert_int_equal(c.changes, 0);
	coordinator_pulse(&c, &a, 50, 50 * TICK_US);
	assert_int_equal(c.changes, 1);
	assert_int_equal(c.pulse, 50);
}

static void a_failed_tick_gives_the_token_up(void **arg)
{
	struct coordinator c = {0};
	struct db_tick t = mine(1);

	(void)arg;
	coordinator_connected(&c, 0);
	coordinator_ticked(&c, &t, false, S);
	assert_true(coordinator_ticked(&c, &t, true, 2 * S));
	assert_false(coordinator_is_us(&c));
	assert_int_equal(coordinator_due_us(&c), 2 * S + TICK_US);
}

static void a_lost_connection_gives_the_token_up(void **arg)
{
	struct coordinator c = {0};
	struct db_tick t = mine(1);

	(void)arg;
	coordinator_connected(&c, 0);
	coordinator_ticked(&c, &t, false, S);
	coordinator_disconnected(&c);
	assert_false(coordinator_is_us(&c));
	coordinator_connected(&c, 9 * S);
	assert_int_equal(coordinator_due_us(&c), 9 * S);
	assert_int_equal(c.heard_us, 0);
}

static void deaf(void **arg)
{
	struct coordinator c = {0};
	struct db_tick t = not_mine(10);

	(void)arg;
	coordinator_connected(&c, 0);
	coordinator_pulse(&c, &b, 10, S);
	assert_true(coordinator_ticked(&c, &t, false, S));
	t = not_mine(13); /* others' pulses go on, we hear none: too early to say */
	assert_true(coordinator_ticked(&c, &t, false, S + PULSE_DEAF_US));
	assert_false(coordinator_ticked(&c, &t, false, S + PULSE_DEAF_US + 1));
	t = not_mine(12); /* two may be under way */
	assert_true(coordinator_ticked(&c, &t, false, 20 * S));
	coordinator_pulse(&c, &b, 13, 21 * S);
	t = not_mine(40);
	assert_true(coordinator_ticked(&c, &t, false, 22 * S));
}

/* Silence alone is not deafness: nobody may be ticking. */
static void a_silent_cluster_is_not_deaf(void **arg)
{
	struct coordinator c = {0};
	struct db_tick t = not_mine(10);

	(void)arg;
	coordinator_connected(&c, 0);
	coordinator_pulse(&c, &b, 10, S);
	assert_true(coordinator_ticked(&c, &t, false, 100 * S));
}

/* Never heard any since connected: counted from the connection. */
static void deaf_from_the_start(void **arg)
{
	struct coordinator c = {0};
	struct db_tick t = not_mine(10);

	(void)arg;
	coordinator_connected(&c, 10 * S);
	assert_true(coordinator_ticked(&c, &t, false, 10 * S));
	assert_true(coordinator_ticked(&c, &t, false, 30 * S)); /* nobody pulses */
	t = not_mine(13);
	assert_true(coordinator_ticked(&c, &t, false, 10 * S + PULSE_DEAF_US));
	assert_false(coordinator_ticked(&c, &t, false, 10 * S + PULSE_DEAF_US + 1));
}

/* A database that went back pulses with lower numbers than those heard before. */
static void deaf_after_a_rewind(void **arg)
{
	struct coordinator c = {0};
	struct db_tick t = not_mine(500);

	(void)arg;
	coordinator_connected(&c, 0);
	coordinator_pulse(&c, &b, 1000, S);
	coordinator_disconnected(&c);
	coordinator_connected(&c, 10 * S);
	assert_true(coordinator_ticked(&c, &t, false, 10 * S));
	t = not_mine(520);
	assert_false(coordinator_ticked(&c, &t, false, 20 * S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tries_at_once),
		cmocka_unit_test(ticks_while_it_is_us),
		cmocka_unit_test(tries_more_often_while_nobody_pulses),
		cmocka_unit_test(silent_while_somebody_pulses),
		cmocka_unit_test(a_failed_tick_gives_the_token_up),
		cmocka_unit_test(a_lost_connection_gives_the_token_up),
		cmocka_unit_test(deaf),
		cmocka_unit_test(a_silent_cluster_is_not_deaf),
		cmocka_unit_test(deaf_from_the_start),
		cmocka_unit_test(deaf_after_a_rewind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

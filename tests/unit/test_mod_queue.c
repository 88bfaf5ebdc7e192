/* mod_queue.c: each name once, oldest first, newest counts, bounded. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "mod_queue.h"

static void take(struct queue *q, const char *name, int fresh)
{
	struct queue_entry *e = queue_take(q);

	assert_non_null(e);
	assert_string_equal(e->name, name);
	assert_int_equal(e->gone, fresh < 0);
	if (fresh >= 0)
		assert_int_equal(e->counts.fresh, fresh);
	queue_entry_free(e);
}

static void test_newest_wins(void **state)
{
	struct queue q;
	struct counts one = {.fresh = 1}, two = {.fresh = 2};

	(void)state;
	queue_init(&q, 10);
	assert_true(queue_is_empty(&q));
	assert_null(queue_take(&q));
	assert_true(queue_put(&q, "a", &one));
	assert_true(queue_put(&q, "b", &one));
	assert_true(queue_put(&q, "a", &two));
	assert_true(queue_put(&q, "c", &two));
	assert_true(queue_put(&q, "c", NULL));
	assert_false(queue_is_empty(&q));
	take(&q, "a", 2);
	take(&q, "b", 1);
	assert_true(queue_put(&q, "a", &one)); /* again, at the end now */
	take(&q, "c", -1);
	take(&q, "a", 1);
	assert_true(queue_is_empty(&q));
	queue_clear(&q);
}

static void test_bounded(void **state)
{
	struct queue q;
	char name[20];

	(void)state;
	queue_init(&q, 100);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "name %d", i);
		assert_true(queue_put(&q, name, NULL));
	}
	assert_false(q.overflow);
	assert_true(queue_put(&q, "name 50", NULL));
	assert_false(q.overflow);
	assert_false(queue_put(&q, "name 100", NULL));
	assert_true(q.overflow);
	take(&q, "name 0", -1);
	assert_true(q.overflow);
	queue_clear(&q);
	assert_false(q.overflow);
	assert_true(queue_is_empty(&q));
	assert_true(queue_put(&q, "name 100", NULL));
	queue_clear(&q);
}

static void test_due(void **state)
{
	struct queue_entry *e;
	struct queue q;

	(void)state;
	queue_init(&q, 2);
	assert_null(queue_take_due(&q, 100));
	assert_true(queue_put_due(&q, "a", 10));
	assert_true(queue_put_due(&q, "b", 20));
	assert_false(queue_put_due(&q, "c", 20));
	assert_null(queue_take_due(&q, 9));
	e = queue_take_due(&q, 10);
	assert_string_equal(e->name, "a");
	queue_entry_free(e);
	assert_true(queue_put_due(&q, "b", 30)); /* anew */
	assert_null(queue_take_due(&q, 29));
	queue_drop(&q, "nobody");
	queue_drop(&q, "b");
	assert_null(queue_take_due(&q, 100));
	assert_true(queue_is_empty(&q));
	queue_clear(&q);
}

/* A name that is put again and again keeps nobody else waiting. */
static void test_due_in_order(void **state)
{
	static const char *const order[] = {"b", "c", "a"};
	struct queue_entry *e;
	struct queue q;

	(void)state;
	queue_init(&q, 10);
	assert_true(queue_put_due(&q, "a", 10));
	assert_true(queue_put_due(&q, "b", 20));
	assert_true(queue_put_due(&q, "c", 30));
	for (int64_t at = 11; at < 40; at++)
		assert_true(queue_put_due(&q, "a", at));
	for (int i = 0; i < 3; i++) {
		e = queue_take_due(&q, 40);
		assert_non_null(e);
		assert_string_equal(e->name, order[i]);
		queue_entry_free(e);
	}
	assert_null(queue_take_due(&q, 40));
	queue_clear(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newest_wins),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_due_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

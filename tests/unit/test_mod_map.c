/* mod_map.c: found is what was put in, in the order of coming, under any removals. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mod_map.h"

struct thing {
	struct map_item item;
	int number;
	char key[16];
};

static void release(struct map_item *item)
{
	free(item);
}

static struct thing *put(struct map *m, int number)
{
	struct thing *t = calloc(1, sizeof(*t));

	t->number = number;
	snprintf(t->key, sizeof(t->key), "key %d", number);
	assert_true(map_add(m, &t->item, t->key));
	return t;
}

static struct thing *get(struct map *m, int number)
{
	char key[16];

	snprintf(key, sizeof(key), "key %d", number);
	return (struct thing *)map_find(m, key);
}

static void drop(struct map *m, struct thing *t)
{
	map_remove(m, &t->item);
	free(t);
}

static void test_find(void **state)
{
	struct map m;

	(void)state;
	map_init(&m);
	assert_null(map_find(&m, "nothing"));
	for (int i = 0; i < 1000; i++)
		put(&m, i);
	assert_int_equal(m.count, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(get(&m, i)->number, i);
	assert_null(get(&m, 1000));
	for (int i = 0; i < 1000; i += 2)
		drop(&m, get(&m, i));
	assert_int_equal(m.count, 500);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(get(&m, i) != NULL, i % 2);
	map_clear(&m, release);
	assert_int_equal(m.count, 0);
	assert_null(get(&m, 1));
}

static void test_keys_are_byte_exact(void **state)
{
	struct map m;
	struct thing *t;

	(void)state;
	map_init(&m);
	t = put(&m, 1);
	assert_null(map_find(&m, "KEY 1"));
	assert_null(map_find(&m, "key 1 "));
	assert_ptr_equal(map_find(&m, "key 1"), t);
	map_clear(&m, release);
}

static void test_order(void **state)
{
	struct map m;
	int expected = 0;

	(void)state;
	map_init(&m);
	for (int i = 0; i < 300; i++)
		put(&m, i);
	for (struct map_item *item = m.first; item; item = item->next)
		assert_int_equal(((struct thing *)item)->number, expected++);
	assert_int_equal(expected, 300);
	drop(&m, get(&m, 0));
	drop(&m, get(&m, 299));
	drop(&m, get(&m, 150));
	assert_int_equal(((struct thing *)m.first)->number, 1);
	assert_int_equal(((struct thing *)m.last)->number, 298);
	assert_int_equal(((struct thing *)get(&m, 149)->item.next)->number, 151);
	map_clear(&m, release);
}

/* While one walks, any may go, also the next one, and others come. */
static void test_walk(void **state)
{
	struct map m;
	struct map_item *item;
	int seen = 0;

	(void)state;
	map_init(&m);
	for (int i = 0; i < 100; i++)
		put(&m, i);
	map_walk_begin(&m);
	while ((item = map_walk(&m))) {
		int number = ((struct thing *)item)->number;

		seen++;
		if (number < 100)
			put(&m, 1000 + number); /* the table grows under the walk */
		if (number < 99 && number % 2 == 0)
			drop(&m, get(&m, number + 1));
		drop(&m, (struct thing *)item);
	}
	assert_int_equal(seen, 100);
	assert_int_equal(m.count, 0);
	assert_null(map_walk(&m));
	map_clear(&m, release);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_keys_are_byte_exact),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

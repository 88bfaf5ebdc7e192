/* slab.c: pieces do not overlap, stay where they are, are zeroed, and come back. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "slab.h"

#define PIECES 20000

static void all_zero(const void *piece, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(((const char *)piece)[i], 0);
}

static size_t size_of(int i)
{
	return 1 + (size_t)(i * 7919) % SLAB_MOST_BYTES;
}

static void pieces_are_apart(void **arg)
{
	static struct slab s;
	static uint32_t piece[PIECES];
	static void *at[PIECES];

	(void)arg;
	for (int i = 0; i < PIECES; i++) {
		piece[i] = slab_take(&s, size_of(i));
		at[i] = slab_at(&s, piece[i]);
		assert_int_not_equal(piece[i], 0);
		assert_int_equal((uintptr_t)at[i] % SLAB_UNIT, 0);
		all_zero(at[i], size_of(i));
		memset(at[i], i % 255 + 1, size_of(i));
	}
	for (int i = 0; i < PIECES; i++) {
		assert_ptr_equal(slab_at(&s, piece[i]), at[i]);
		for (size_t b = 0; b < size_of(i); b++)
			assert_int_equal(((unsigned char *)at[i])[b], i % 255 + 1);
	}
	slab_clear(&s);
	slab_clear(&s);
}

static void what_is_given_back_is_taken_again(void **arg)
{
	struct slab s = {0};
	uint32_t a = slab_take(&s, 28), b = slab_take(&s, 26), other = slab_take(&s, 32);
	uint32_t chunks;

	(void)arg;
	memset(slab_at(&s, a), 0xff, 28);
	memset(slab_at(&s, b), 0xff, 26);
	slab_give(&s, a, 28);
	slab_give(&s, b, 26); /* as long as 28 */
	assert_int_not_equal(slab_take(&s, 32), a);
	assert_int_equal(slab_take(&s, 25), b);
	all_zero(slab_at(&s, b), 28);
	assert_int_equal(slab_take(&s, 28), a);
	all_zero(slab_at(&s, a), 28);
	assert_int_not_equal(slab_take(&s, 28), other);
	chunks = s.nchunks;
	for (int i = 0; i < 1000000; i++)
		slab_give(&s, slab_take(&s, 100), 100);
	assert_int_equal(s.nchunks, chunks); /* coming and going costs nothing */
	slab_clear(&s);
}

static void the_largest_and_the_smallest(void **arg)
{
	struct slab s = {0};
	uint32_t small = slab_take(&s, 1);

	(void)arg;
	for (int i = 0; i < 1000; i++)
		memset(slab_at(&s, slab_take(&s, SLAB_MOST_BYTES)), 1, SLAB_MOST_BYTES);
	assert_int_equal(*(char *)slab_at(&s, small), 0);
	slab_give(&s, small, 1);
	assert_int_equal(slab_take(&s, 4), small);
	slab_clear(&s);
	assert_int_not_equal(slab_take(&s, 4), 0); /* usable again */
	slab_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_apart),
		cmocka_unit_test(what_is_given_back_is_taken_again),
		cmocka_unit_test(the_largest_and_the_smallest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

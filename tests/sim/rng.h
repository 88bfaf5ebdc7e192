/* Random numbers of the simulator: splitmix64, one stream for each purpose. */
#ifndef RNG_H
#define RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline struct rng rng_make(uint64_t seed, uint64_t purpose)
{
	struct rng r = {seed * UINT64_C(0xd1342543de82ef95) + purpose};

	rng_next(&r);
	return r;
}

/* 0 .. n - 1 */
static inline int64_t rng_below(struct rng *r, int64_t n)
{
	return (int64_t)(rng_next(r) % (uint64_t)n);
}

static inline int64_t rng_between(struct rng *r, int64_t low, int64_t high)
{
	return low + rng_below(r, high - low + 1);
}

static inline bool rng_chance(struct rng *r, int percent)
{
	return rng_below(r, 100) < percent;
}

/* Mostly small, sometimes up to `high`. */
static inline int64_t rng_skewed(struct rng *r, int64_t low, int64_t high)
{
	int64_t span = high - low;

	for (int i = 0; i < 2 && rng_chance(r, 50); i++)
		span /= 8;
	return low + rng_below(r, span + 1);
}

#endif

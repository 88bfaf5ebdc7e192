/* Latencies in buckets: bucket i holds what is at most 1.01^i microseconds. */
#include "samples.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 1.01

void samples_clear(struct samples *s)
{
	memset(s, 0, sizeof(*s));
}

static int bucket_of(int64_t us)
{
	int i = us <= 1 ? 0 : (int)ceil(log((double)us) / log(WIDTH) - 1e-9);

	return i < SAMPLES_BUCKETS ? i : SAMPLES_BUCKETS - 1;
}

void samples_add(struct samples *s, int64_t us)
{
	s->bucket[bucket_of(us)]++;
	s->n++;
	if (us > s->most_us)
		s->most_us = us;
}

void samples_join(struct samples *to, const struct samples *from)
{
	for (int i = 0; i < SAMPLES_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->n += from->n;
	if (from->most_us > to->most_us)
		to->most_us = from->most_us;
}

double samples_quantile(const struct samples *s, double q)
{
	double wanted = q * (double)s->n, had = 0;
	double at;
	int i = 0;

	if (s->n == 0)
		return 0;
	while (i < SAMPLES_BUCKETS - 1 && (had += s->bucket[i]) < wanted)
		i++;
	at = pow(WIDTH, i);
	return at < (double)s->most_us ? at : (double)s->most_us;
}

void samples_print(const struct samples *s)
{
	printf("n=%lld p50_us=%.1f p99_us=%.1f max_us=%lld", (long long)s->n,
		samples_quantile(s, 0.5), samples_quantile(s, 0.99), (long long)s->most_us);
}

/*
 * Latencies, counted in buckets that are one percent wide: as many as come, in 8 KiB,
 * and sets of several processes can be added up.
 */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stdint.h>

#define SAMPLES_BUCKETS 2048

struct samples {
	int64_t n;
	int64_t most_us; /* the greatest, exact */
	uint32_t bucket[SAMPLES_BUCKETS];
};

void samples_clear(struct samples *s);
void samples_add(struct samples *s, int64_t us); /* below 0 counts as 0 */
void samples_join(struct samples *to, const struct samples *from);
/* The smallest value that at least the part q of all are not above, to one percent; 0:
 * none. */
double samples_quantile(const struct samples *s, double q);
/* "n=5 p50_us=1.2 p99_us=3.4 max_us=5" to stdout, without a newline. */
void samples_print(const struct samples *s);

#endif

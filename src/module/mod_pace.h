/*
 * Layer 1: how fast: imports by feedback from Asterisk's task processors, what may come
 * in without being acknowledged, and when to try again. Pure: time and sizes are
 * arguments.
 */
#ifndef MOD_PACE_H
#define MOD_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_TASKS_MAX  40 /* waiting in any of the consumers: go on below that */
#define PACE_STEP       8  /* imports between two looks */
#define PACE_BLIND_STEP 50 /* where no consumer is known: so many ... */
#define PACE_BLIND_MS   10 /* ... every so often, */
#define PACE_WAIT_MS    1

struct pace {
	int left;        /* imports until the next look */
	int64_t next_ms; /* when to look again */
	unsigned long waits;
};
void pace_init(struct pace *p);
/*
 * Is one allowed now? Where that is not known any more pace_look() is needed first, with
 * what the consumers have waiting, the longest; -1: none is known. `alert`: Asterisk has
 * too many tasks somewhere. False: wait until p->next_ms.
 */
bool pace_allows(const struct pace *p);
void pace_look(struct pace *p, long longest, bool alert, int64_t now_ms);
void pace_took(struct pace *p); /* one was imported */

/* A bucket: `rate` a second, at most `max` at once. */
struct bucket {
	double level;
	int64_t at_ms;
	double rate, max;
};
void bucket_init(struct bucket *b, double rate, double max);
bool bucket_take(struct bucket *b, int64_t now_ms);

/*
 * 0.5 to 1 of 0.25, 0.5, ... up to 2 s: a connect to a unix socket is cheap, and lamps
 * wait for it. A node that refuses us writes a line into its log each time: up to 10 s.
 */
#define RETRY_FIRST_MS   250
#define RETRY_MAX_MS     2000
#define RETRY_REFUSED_MS 10000
struct retry {
	int64_t ms;
};
int64_t retry_next(struct retry *b, bool refused, uint32_t random);
void retry_reset(struct retry *b);

#endif

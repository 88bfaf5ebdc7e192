/*
 * Layer 0: the event loop (libevent) and its timers. One thread; callbacks run one after
 * the other. A timer may be stopped, started or freed inside its own callback.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>

struct event_base;
struct loop_timer;

struct event_base *loop_new(void);
void loop_free(struct event_base *base);
void loop_run(struct event_base *base);  /* until loop_stop() */
void loop_stop(struct event_base *base); /* after this turn */

struct loop_timer *loop_timer_new(
	struct event_base *base, void (*fire)(void *arg), void *arg);
void loop_timer_free(struct loop_timer *t); /* free(NULL) is legal */
void loop_timer_start(
	struct loop_timer *t, int64_t delay_ms); /* once; restarts when it runs */
void loop_timer_stop(struct loop_timer *t);

/* Run `fire` once after this loop turn (freeing what a callback still holds). */
void loop_defer(struct event_base *base, void (*fire)(void *arg), void *arg);

/* Back-off with jitter: min, doubled at each call up to max, +-25 %. */
struct backoff {
	int64_t min_ms;
	int64_t max_ms;
	int64_t next_ms; /* 0: start at min */
};
int64_t backoff_next_ms(struct backoff *b);
void backoff_reset(struct backoff *b);
void backoff_seed(unsigned seed); /* for runs that must repeat; else it seeds itself */

#endif

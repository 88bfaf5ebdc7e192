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
/* Behind what this turn has found, without looking for more first: sooner than after 0
 * ms. Not for a timer that starts itself again like that: nobody else would have a turn.
 */
void loop_timer_soon(struct loop_timer *t);
void loop_timer_stop(struct loop_timer *t);

/* Run `fire` once after this loop turn (freeing what a callback still holds). */
void loop_defer(struct event_base *base, void (*fire)(void *arg), void *arg);

#endif

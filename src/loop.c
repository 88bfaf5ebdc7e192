/* Layer 0: the event loop and its timers, over libevent. */
#include "loop.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "clock.h"
#include "mem.h"

struct loop_timer {
	struct event event;
	void (*fire)(void *arg);
	void *arg;
	int64_t due_us;
};

/* What was deferred and has not run: a list, so that loop_free() loses nothing. */
struct deferred {
	struct event event;
	struct event_base *base;
	void (*fire)(void *arg);
	void *arg;
	struct deferred *next;
};
static struct deferred *deferred_first;

struct event_base *loop_new(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	assert(cfg);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	/* A timer started at the end of a long callback must not count from its beginning. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NO_CACHE_TIME);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	assert(base);
	return base;
}

static void deferred_run(struct deferred *d)
{
	struct deferred **at = &deferred_first;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	event_del(&d->event);
	d->fire(d->arg);
	free(d);
}

static void deferred_fire(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	deferred_run(arg);
}

static struct deferred *deferred_find(const struct event_base *base)
{
	struct deferred *d = deferred_first;

	while (d && d->base != base)
		d = d->next;
	return d;
}

void loop_free(struct event_base *base)
{
	struct deferred *d;

	if (!base)
		return;
	while ((d = deferred_find(base)) != NULL)
		deferred_run(d);
	event_base_free(base);
}

void loop_run(struct event_base *base)
{
	event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct event_base *base)
{
	event_base_loopexit(base, NULL);
}

/* In the order of the calls: new ones go to the end. */
void loop_defer(struct event_base *base, void (*fire)(void *arg), void *arg)
{
	struct deferred *d = mem_alloc(sizeof(*d)), **at = &deferred_first;
	struct timeval now = {0, 0};

	d->base = base;
	d->fire = fire;
	d->arg = arg;
	while (*at)
		at = &(*at)->next;
	*at = d;
	evtimer_assign(&d->event, base, deferred_fire, d);
	evtimer_add(&d->event, &now);
}

static void loop_timer_arm(struct loop_timer *t, int64_t delay_us)
{
	struct timeval tv = {
		.tv_sec = delay_us / 1000000, .tv_usec = (suseconds_t)(delay_us % 1000000)};

	evtimer_add(&t->event, &tv);
}

/* libevent's clock is a coarse one: it may be some milliseconds early. We never are. */
static void loop_timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;
	int64_t left_us = t->due_us - clock_mono_us();

	(void)fd;
	(void)what;
	if (left_us > 0)
		loop_timer_arm(t, left_us);
	else
		t->fire(t->arg); /* may free t */
}

struct loop_timer *loop_timer_new(
	struct event_base *base, void (*fire)(void *arg), void *arg)
{
	struct loop_timer *t = mem_alloc(sizeof(*t));

	t->fire = fire;
	t->arg = arg;
	evtimer_assign(&t->event, base, loop_timer_fired, t);
	return t;
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	event_del(&t->event);
	free(t);
}

void loop_timer_start(struct loop_timer *t, int64_t delay_ms)
{
	if (delay_ms < 0)
		delay_ms = 0;
	t->due_us = clock_mono_us() + delay_ms * 1000;
	loop_timer_arm(t, delay_ms * 1000);
}

void loop_timer_soon(struct loop_timer *t)
{
	t->due_us = 0;
	event_active(&t->event, EV_TIMEOUT, 1);
}

void loop_timer_stop(struct loop_timer *t)
{
	event_del(&t->event);
}

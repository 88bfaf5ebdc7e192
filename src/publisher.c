/*
 * Stage 3: publisher.
 * In:    the outbox; "you may send"; results of publish().
 * Out:   one publish request at a time, what it said of the session.
 * Owns:  the batch in flight, how large batches may be (bisecting), the pause after
 * trouble; what the database knows of `reporting`. Never: I/O. Never decides about
 * sessions: lease.c does.
 *
 * Self-clocking: idle, a change leaves at once; while one batch is in flight, changes
 * collect and leave together.
 */
#include "publisher.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

#define MOST_ITEMS   512
#define FEW_ITEMS    16
#define PAUSE_MIN_US INT64_C(100000)
#define PAUSE_MAX_US INT64_C(5000000)
/* It was a primary: who connects anew goes to the next host. */
#define READ_ONLY "25006"

struct publisher {
	struct outbox *outbox;
	struct batch_item items[MOST_ITEMS];
	size_t nitems;
	size_t limit; /* of a batch; halved while the database refuses the content */
	bool in_flight;
	bool reporting;          /* what the database is to know ... */
	uint64_t reporting_mark; /* ... true: after these statements */
	int reporting_known;     /* what it has; -1: not known */
	int reporting_sent;      /* in flight; -1: unchanged */
	bool force;              /* the batch in flight is forced */
	int64_t paused_until_us;
	int64_t pause_us;
	int64_t refused_keys;
	int64_t rows;
};

struct publisher *publisher_new(struct outbox *o)
{
	struct publisher *p = mem_alloc(sizeof(*p));

	p->outbox = o;
	p->limit = MOST_ITEMS;
	p->reporting_sent = -1;
	return p;
}

void publisher_free(struct publisher *p)
{
	free(p);
}

void publisher_set_reporting(struct publisher *p, bool reporting, uint64_t mark)
{
	p->reporting = reporting;
	p->reporting_mark = mark;
}

void publisher_reporting_is(struct publisher *p, int reporting)
{
	p->reporting_known = reporting;
}

bool publisher_reporting_is_acked(const struct publisher *p)
{
	return p->reporting_known == p->reporting;
}

/* Once the batch is taken: with it? */
static int reporting_to_send(const struct publisher *p)
{
	if (publisher_reporting_is_acked(p))
		return -1;
	if (p->reporting && !outbox_is_sent(p->outbox, p->reporting_mark))
		return -1;
	return p->reporting;
}

bool publisher_request(
	struct publisher *p, bool beat, int64_t now_us, struct db_request *req)
{
	bool due = outbox_dirty(p->outbox) > 0 || !publisher_reporting_is_acked(p);
	bool waiting = due && now_us >= p->paused_until_us;

	if (p->in_flight || (!waiting && !beat))
		return false;
	p->nitems = 0;
	req->op = DB_PUBLISH;
	req->force = false;
	if (waiting)
		p->nitems = outbox_take(p->outbox, p->items, p->limit, now_us, &req->force);
	p->force = req->force;
	req->items = p->items;
	req->nitems = p->nitems;
	p->reporting_sent = waiting ? reporting_to_send(p) : -1;
	req->reporting = p->reporting_sent;
	p->in_flight = true;
	return true;
}

void publisher_reset(struct publisher *p)
{
	if (p->in_flight && p->nitems > FEW_ITEMS)
		p->limit = p->nitems / 2; /* it may be more than the server can do in time */
	p->in_flight = false;
	p->nitems = 0;
	p->paused_until_us = 0;
	p->reporting_known = -1;
	p->reporting_sent = -1;
	outbox_failed(p->outbox);
}

static void publisher_pause(struct publisher *p, int64_t now_us)
{
	p->pause_us = p->pause_us ? p->pause_us * 2 : PAUSE_MIN_US;
	if (p->pause_us > PAUSE_MAX_US)
		p->pause_us = PAUSE_MAX_US;
	p->paused_until_us = now_us + p->pause_us;
}

/* Class 22 (data), 23 (constraint) and our own "bad argument": the content is to blame.
 */
static bool content_is_refused(const char *sqlstate)
{
	return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
		   strcmp(sqlstate, "PD004") == 0;
}

/* One of these keys is bad: halve until it is alone, then leave it out. */
static void publisher_bisect(struct publisher *p, const struct db_result *res)
{
	if (p->nitems > 1) {
		p->limit = p->nitems / 2;
		outbox_failed(p->outbox);
		return;
	}
	log_error("publisher",
		"the database refuses this %s, it is left out until it changes: %s key=\"%s\"",
		key_kind_name(p->items[0].kind), res->message, p->items[0].key);
	p->refused_keys++;
	outbox_refused(p->outbox);
}

enum publish_verdict publisher_result(
	struct publisher *p, const struct db_result *res, int64_t now_us)
{
	p->in_flight = false;
	if (res->ok) {
		if ((size_t)res->changed < p->nitems)
			outbox_doubt(p->outbox);
		outbox_acked(p->outbox, res->seq);
		if (p->reporting_sent >= 0)
			p->reporting_known = p->reporting_sent;
		p->rows += (int64_t)p->nitems;
		p->pause_us = 0;
		p->paused_until_us = 0;
		if (p->limit < MOST_ITEMS)
			p->limit *= 2;
		if (p->limit > MOST_ITEMS)
			p->limit = MOST_ITEMS;
		return PUBLISH_DONE;
	}
	if (!res->lost && p->nitems > 0 && content_is_refused(res->sqlstate)) {
		publisher_bisect(p, res);
		return PUBLISH_RETRY;
	}
	outbox_failed(p->outbox);
	p->reporting_known = -1;
	if (res->lost || strcmp(res->sqlstate, READ_ONLY) == 0)
		return PUBLISH_LOST;
	/* PD006: the entity was removed; resume() says so, and register() makes it anew */
	if (strcmp(res->sqlstate, "PD001") == 0 || strcmp(res->sqlstate, "PD002") == 0 ||
		strcmp(res->sqlstate, "PD006") == 0)
		return PUBLISH_FENCED;
	log_warning("publisher",
		"publish failed, will be sent again: %s sqlstate=%s keys=%zu", res->message,
		res->sqlstate, p->nitems);
	publisher_pause(p, now_us);
	return PUBLISH_RETRY;
}

bool publisher_in_flight(const struct publisher *p)
{
	return p->in_flight;
}

bool publisher_has_sent(const struct publisher *p)
{
	return p->in_flight && (p->nitems > 0 || p->reporting_sent >= 0);
}

struct batch_item *publisher_items(struct publisher *p, size_t *n)
{
	*n = p->nitems;
	return p->items;
}

bool publisher_is_forced(const struct publisher *p)
{
	return p->force;
}

int64_t publisher_next_us(const struct publisher *p)
{
	bool due = outbox_dirty(p->outbox) > 0 || !publisher_reporting_is_acked(p);

	return due && !p->in_flight ? p->paused_until_us : 0;
}

int64_t publisher_refused_keys(const struct publisher *p)
{
	return p->refused_keys;
}

int64_t publisher_rows(const struct publisher *p)
{
	return p->rows;
}

/* Layer 2: the node's waiting room: statements waiting for their ack, pings waiting for
 * answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mem.h"
#include "node_parts.h"

void node_when_acked(
	struct node *n, int timeout_ms, void (*fn)(void *arg, bool acked), void *arg)
{
	struct node_waiter *w = mem_alloc(sizeof(*w));

	w->mark = outbox_mark(n->outbox);
	w->until_us = n->now_us + timeout_ms * INT64_C(1000);
	w->fn = fn;
	w->arg = arg;
	if (outbox_is_acked(n->outbox, w->mark))
		w->until_us = n->now_us; /* at the next timer: never before we return */
	w->next = n->waiters;
	n->waiters = w;
	n->cb.rearm(n->arg);
}

void node_cancel_acked(struct node *n, void *arg)
{
	for (struct node_waiter **at = &n->waiters; *at;) {
		struct node_waiter *w = *at;

		if (w->arg == arg) {
			*at = w->next;
			free(w);
		} else {
			at = &w->next;
		}
	}
}

/* Takes the first waiter that is done out of the list; its callback may change the list.
 */
static struct node_waiter *waiter_take_done(struct node *n, bool *acked)
{
	for (struct node_waiter **at = &n->waiters; *at; at = &(*at)->next) {
		struct node_waiter *w = *at;

		*acked = outbox_is_acked(n->outbox, w->mark);
		if (*acked || n->now_us >= w->until_us) {
			*at = w->next;
			return w;
		}
	}
	return NULL;
}

void wait_check(struct node *n)
{
	struct node_waiter *w;
	bool acked;

	while ((w = waiter_take_done(n, &acked)) != NULL) {
		w->fn(w->arg, acked);
		free(w);
	}
}

int64_t wait_next_us(const struct node *n)
{
	int64_t next = INT64_MAX;

	for (const struct node_waiter *w = n->waiters; w; w = w->next) {
		if (w->until_us < next)
			next = w->until_us;
	}
	return next;
}

void wait_free(struct node *n)
{
	struct node_waiter *w;
	struct node_pinger *p;

	while ((w = n->waiters) != NULL) {
		n->waiters = w->next;
		free(w);
	}
	while ((p = n->pingers) != NULL) {
		n->pingers = p->next;
		free(p);
	}
}

/* ---- a change of policies, or of the notify mode: one at a time ---- */

static bool policy_begin(struct node *n, const struct node_policy *asked)
{
	if (n->phase != NODE_READY || n->policy.where != POLICY_IDLE)
		return false;
	n->policy = *asked;
	n->policy.where = POLICY_WAITS;
	session_kick(n);
	return true;
}

bool node_set_policy(struct node *n, enum key_kind kind, const char *pattern,
	const char *policy, void (*fn)(void *arg, const char *wrong), void *arg)
{
	struct node_policy p = {.kind = kind, .fn = fn, .arg = arg};

	snprintf(p.pattern, sizeof(p.pattern), "%s", pattern);
	snprintf(p.policy, sizeof(p.policy), "%s", policy ? policy : "");
	return policy_begin(n, &p);
}

bool node_set_notify_mode(struct node *n, enum notify_mode mode,
	void (*fn)(void *arg, const char *wrong), void *arg)
{
	struct node_policy p = {.notify_mode = true, .fn = fn, .arg = arg};

	snprintf(p.policy, sizeof(p.policy), "%s", notify_mode_name(mode));
	return policy_begin(n, &p);
}

void node_cancel_policy(struct node *n, void *arg)
{
	if (n->policy.arg == arg)
		n->policy.fn = NULL;
}

bool wait_next_policy(struct node *n, struct db_request *req)
{
	struct node_policy *p = &n->policy;

	if (p->where != POLICY_WAITS)
		return false;
	p->where = POLICY_ASKED;
	if (p->notify_mode) {
		req->op = DB_NOTIFY_MODE;
		req->notify_mode = p->policy;
		return true;
	}
	req->policy_kind = p->kind;
	req->policy_pattern = p->pattern;
	req->policy = p->policy[0] ? p->policy : NULL;
	return true;
}

void wait_policy_done(struct node *n)
{
	if (n->policy.where == POLICY_ASKED)
		n->policy.where = POLICY_DONE;
}

void wait_policy_end(struct node *n, const char *wrong)
{
	struct node_policy was = n->policy;

	n->policy = (struct node_policy){.where = POLICY_IDLE};
	if (was.fn)
		was.fn(was.arg, wrong);
}

/* ---- pings ---- */

static int64_t nonce_new(void)
{
	uint64_t nonce = 0;

	while (nonce == 0) {
		if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
			nonce = 0;
		nonce &= INT64_MAX;
	}
	return (int64_t)nonce;
}

void wait_add_ping(struct node *n, const struct node_ping *ping)
{
	if (n->npings < MOST_ANSWERS) /* beyond it, whoever asked times out */
		n->pings[n->npings++] = *ping;
}

bool wait_next_ping(struct node *n, struct node_ping *out)
{
	if (n->npings == 0)
		return false;
	*out = n->pings[0];
	n->npings--;
	memmove(n->pings, n->pings + 1, (size_t)n->npings * sizeof(n->pings[0]));
	return true;
}

int64_t node_ping(struct node *n,
	void (*fn)(void *arg, int64_t nonce, const struct entity_id *from, int64_t rtt_us),
	void *arg)
{
	struct node_pinger *p;
	struct node_ping ping = {0};

	if (n->phase != NODE_READY)
		return 0;
	ping.nonce = nonce_new();
	p = mem_alloc(sizeof(*p));
	p->nonce = ping.nonce;
	p->sent_us = n->now_us;
	p->fn = fn;
	p->arg = arg;
	p->next = n->pingers;
	n->pingers = p;
	wait_add_ping(n, &ping);
	session_kick(n);
	return p->nonce;
}

void node_cancel_ping(struct node *n, int64_t nonce)
{
	for (struct node_pinger **at = &n->pingers; *at; at = &(*at)->next) {
		struct node_pinger *p = *at;

		if (p->nonce == nonce) {
			*at = p->next;
			free(p);
			return;
		}
	}
}

void wait_pong(struct node *n, const struct entity_id *from, int64_t nonce)
{
	for (struct node_pinger *p = n->pingers; p; p = p->next) {
		if (p->nonce == nonce) {
			p->fn(p->arg, nonce, from, n->now_us - p->sent_us);
			return;
		}
	}
}

/*
 * A node without stages behind it, for tests of the console: a real cache, and a record
 * of what was asked. Linked in the place of src/node*.c.
 */
#ifndef FAKE_NODE_H
#define FAKE_NODE_H

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "cache.h"
#include "node.h"

struct node {
	struct cache *cache;
	size_t said_count; /* more than there really are */
	void (*touched)(void *arg, enum key_kind kind, const char *key);
	void *touched_arg;
	struct cache_entity *self;
	struct node_status status;
	struct buf said; /* a line for each node_set() and node_remove() */
	int64_t now_us;
	void (*acked)(void *arg, bool acked);
	void *acked_arg; /* NULL: nobody waits */
	void (*pong)(void *arg, int64_t nonce, const struct entity_id *from, int64_t rtt_us);
	void *pong_arg; /* NULL: nobody asked */
	int64_t nonce;
	struct policies *policies;
	void (*policy_set)(void *arg, const char *wrong);
	void *policy_arg; /* NULL: nobody asked */
};

const char *node_phase_name(enum node_phase p)
{
	return p == NODE_READY ? "ready" : p == NODE_REFUSED ? "refused" : "down";
}

const char *node_counter_name(enum node_counter c)
{
	static const char *const names[NODE_COUNTERS] = {"publishes", "rows_sent", "payloads",
		"payloads_bad", "older", "gaps", "pulls", "reloads", "snapshots", "audits",
		"audits_bad", "keys_refused", "fenced", "connects", "rewinds", "pulses",
		"coordinator_changes", "refusals", "relays", "relayed", "announced",
		"taken_back"};

	return names[c];
}

struct cache *node_cache(struct node *n)
{
	return n->cache;
}

void node_now(struct node *n, int64_t now_us)
{
	n->now_us = now_us;
}

int64_t node_time_us(const struct node *n)
{
	return n->now_us;
}

void node_get_status(struct node *n, struct node_status *out)
{
	*out = n->status;
}

enum device_state node_device_state(struct node *n, const char *device)
{
	struct sum sum;

	cache_sum(n->cache, KEY_DEVICE, device, &sum);
	return sum.value.state;
}

void node_set(struct node *n, enum key_kind kind, const char *key, const struct value *v)
{
	buf_addf(&n->said, "set %s %s %s %u/%u/%u%s\n", key_kind_name(kind), key,
		state_name(v->state), v->fresh, v->old, v->urgent, v->held ? " held" : "");
	cache_put(n->cache, n->self, kind, key, v);
}

bool node_remove(struct node *n, enum key_kind kind, const char *key)
{
	if (!cache_get(n->cache, n->self, kind, key))
		return false;
	buf_addf(&n->said, "remove %s %s\n", key_kind_name(kind), key);
	cache_remove(n->cache, n->self, kind, key);
	return true;
}

const struct policies *node_policies(struct node *n)
{
	return n->policies;
}

bool node_set_policy(struct node *n, enum key_kind kind, const char *pattern,
	const char *policy, void (*fn)(void *arg, const char *wrong), void *arg)
{
	if (n->status.phase != NODE_READY || n->policy_arg)
		return false;
	buf_addf(&n->said, "policy %s %s %s\n", key_kind_name(kind), pattern,
		policy ? policy : "-");
	n->policy_set = fn;
	n->policy_arg = arg;
	return true;
}

bool node_set_notify_mode(struct node *n, enum notify_mode mode,
	void (*fn)(void *arg, const char *wrong), void *arg)
{
	if (n->status.phase != NODE_READY || n->policy_arg)
		return false;
	buf_addf(&n->said, "notify mode %s\n", notify_mode_name(mode));
	n->policy_set = fn;
	n->policy_arg = arg;
	return true;
}

void node_cancel_policy(struct node *n, void *arg)
{
	if (n->policy_arg == arg)
		n->policy_arg = NULL;
}

void node_when_acked(
	struct node *n, int timeout_ms, void (*fn)(void *arg, bool acked), void *arg)
{
	(void)timeout_ms;
	n->acked = fn;
	n->acked_arg = arg;
}

void node_cancel_acked(struct node *n, void *arg)
{
	if (n->acked_arg == arg)
		n->acked_arg = NULL;
}

int64_t node_ping(struct node *n,
	void (*fn)(void *arg, int64_t nonce, const struct entity_id *from, int64_t rtt_us),
	void *arg)
{
	if (n->status.phase != NODE_READY)
		return 0;
	n->pong = fn;
	n->pong_arg = arg;
	return ++n->nonce;
}

void node_cancel_ping(struct node *n, int64_t nonce)
{
	if (n->nonce == nonce)
		n->pong_arg = NULL;
}

/* ---- what the link says ---- */

const char *report_state_name(enum report_state s)
{
	static const char *const names[] = {"none", "kept", "awaited", "open", "complete"};

	return names[s];
}

static inline void fake_report(struct node *n, enum report_state s, const char *what)
{
	n->status.report = s;
	buf_addf(&n->said, "%s\n", what);
}

void node_report_up(struct node *n)
{
	fake_report(n, REPORT_AWAITED, "up");
}

void node_report_begin(struct node *n)
{
	fake_report(n, REPORT_OPEN, "begin");
}

void node_report_end(struct node *n)
{
	fake_report(n, REPORT_COMPLETE, "end");
}

void node_report_lost(struct node *n)
{
	fake_report(n, REPORT_KEPT, "lost");
}

void node_report_bye(struct node *n)
{
	fake_report(n, REPORT_NONE, "bye");
}

void node_report_set(
	struct node *n, enum key_kind kind, const char *key, const struct value *v)
{
	node_set(n, kind, key, v);
}

bool node_report_remove(struct node *n, enum key_kind kind, const char *key)
{
	return node_remove(n, kind, key);
}

const struct value *node_said(struct node *n, enum key_kind kind, const char *key)
{
	return cache_get(n->cache, n->self, kind, key);
}

size_t node_said_count(struct node *n, enum key_kind kind)
{
	return (size_t)n->self->rows[kind] + (kind == KEY_DEVICE ? n->said_count : 0);
}

void node_on_touched(
	struct node *n, void (*fn)(void *arg, enum key_kind kind, const char *key), void *arg)
{
	n->touched = fn;
	n->touched_arg = arg;
}

/* ---- for the tests ---- */

static inline void fake_touched(void *arg, enum key_kind kind, const char *key)
{
	struct node *n = arg;

	if (n->touched)
		n->touched(n->touched_arg, kind, key);
}

static inline void fake_changed(void *arg, enum key_kind kind, const char *key,
	const struct sum *was, const struct sum *now)
{
	(void)was;
	(void)now;
	fake_touched(arg, kind, key);
}

/* The answer of the database, when a command waits for one. */
static inline void fake_ack(struct node *n, bool acked)
{
	void *arg = n->acked_arg;

	n->acked_arg = NULL;
	if (arg)
		n->acked(arg, acked);
}

/* The answer to a change of policies. */
static inline void fake_policy_set(struct node *n, const char *wrong)
{
	void *arg = n->policy_arg;

	n->policy_arg = NULL;
	if (arg)
		n->policy_set(arg, wrong);
}

/* A policy that is in force. */
static inline void fake_policy(
	struct node *n, enum key_kind kind, const char *pattern, enum policy policy)
{
	if (!n->policies)
		n->policies = policies_new();
	if (!policies_add(n->policies, kind, pattern, policy))
		abort();
	cache_set_policies(n->cache, n->policies);
}

static inline struct cache_entity *fake_member(
	struct node *n, const char *id, const char *name, const char *host)
{
	struct entity_id entity;
	struct cache_entity *e;

	if (!entity_id_parse(id, &entity))
		abort();
	e = cache_entity_get(n->cache, &entity);
	e->known = true;
	strcpy(e->who.name, name);
	strcpy(e->who.host, host);
	strcpy(e->who.version, "0.1.0");
	e->who.pid = 4711;
	e->who.since_us = INT64_C(1227441600000000); /* 2008-11-23 12:00:00 */
	cache_entity_flags(n->cache, e, true, true);
	return e;
}

static inline void fake_says(
	struct node *n, struct cache_entity *e, const char *device, enum device_state s)
{
	struct value v = {.state = s, .stamp_us = INT64_C(1227441600000000)};

	cache_put(n->cache, e, KEY_DEVICE, device, &v);
}

static inline struct node *fake_node_new(void)
{
	static const struct cache_callbacks cb = {fake_changed, fake_touched};
	struct node *n = calloc(1, sizeof(*n));

	n->cache = cache_new(&cb, n);
	n->status.phase = NODE_READY;
	n->status.last_error = n->status.holder = "";
	n->status.site = 1;
	buf_init(&n->said);
	n->self = fake_member(n, "01:23:45:67:89:ab", "server1", "10.19.2.255");
	n->self->self = true;
	return n;
}

static inline void fake_node_free(struct node *n)
{
	cache_free(n->cache);
	policies_free(n->policies);
	buf_clear(&n->said);
	free(n);
}

#endif

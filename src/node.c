/*
 * Layer 2: the node without its I/O: wires stage 2 (outbox) to stage 8's door by
 * callbacks, takes own statements, answers questions. What is asked of the database, and
 * when, is session.c's.
 */
#include "node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "node_parts.h"

/* ---- stage 7 -> 8 ---- */

static void cache_changed(void *arg, enum key_kind kind, const char *key,
	const struct sum *was, const struct sum *now)
{
	struct node *n = arg;

	n->cb.changed(n->arg, kind, key, was, now);
	if (n->touched)
		n->touched(n->touched_arg, kind, key);
}

static void cache_touched(void *arg, enum key_kind kind, const char *key)
{
	struct node *n = arg;

	if (kind == KEY_DEVICE)
		trace_device(n->cache, key);
	if (n->touched)
		n->touched(n->touched_arg, kind, key);
}

static void restamp_row(void *arg, enum key_kind kind, const char *key,
	const struct value *v, int64_t said_us)
{
	struct node *n = arg;
	struct value value = *v;

	value.stamp_us = said_us + n->clock_offset_us;
	cache_put(n->cache, n->self, kind, key, &value);
}

/* ---- stage 6 -> 2, 5: what the listener hears of ourselves and of the cluster ---- */

static void own_begin(void *arg)
{
	struct node *n = arg;

	outbox_compare_begin(n->outbox, !n->adopted);
}

static void own_row(
	void *arg, enum key_kind kind, const char *key, const struct value *v, int64_t seq)
{
	struct node *n = arg;
	const struct value *said, *known;
	struct value value;
	/* Said when the database says it was: an adopted value is no news of ours. */
	bool news =
		outbox_compare(n->outbox, kind, key, v, seq, v->stamp_us - n->clock_offset_us);

	said = outbox_get(n->outbox, kind, key);
	known = cache_get(n->cache, n->self, kind, key);
	if (said && value_same(kind, said, v) && known && known->stamp_us > v->stamp_us &&
		node_is_in_force(n, kind, key)) {
		outbox_restate(/* the newer time of it was lost */
			n->outbox, kind, key, known->stamp_us - n->clock_offset_us);
	} else if (said && value_same(kind, said, v)) {
		cache_put(n->cache, n->self, kind, key, v);
	} else if (said && news) {
		value = *said;
		value.stamp_us = n->now_us + n->clock_offset_us;
		cache_put(n->cache, n->self, kind, key, &value);
	}
}

static void own_end(void *arg, const struct payload_head *head)
{
	struct node *n = arg;

	outbox_compare_end(n->outbox);
	if (!n->adopted && outbox_count(n->outbox, KEY_DEVICE) > 0)
		log_notice("outbox", "own states were taken over devices=%zu mailboxes=%zu",
			outbox_count(n->outbox, KEY_DEVICE), outbox_count(n->outbox, KEY_MAILBOX));
	if (!n->adopted)
		report_adopt(n, head && head->reporting);
	n->adopted = true;
	n->comparing = false;
}

static void own_audit(
	void *arg, const struct payload_head *head, int64_t rows, uint64_t digest)
{
	struct node *n = arg;

	if (!lease_may_write(&n->lease) || n->comparing || head->seq != n->lease.seq ||
		!uuid_equal(&head->incarnation, &n->lease.incarnation))
		return;
	n->counters[COUNT_AUDITS]++;
	if (outbox_audit(n->outbox, rows, digest))
		return;
	n->counters[COUNT_AUDITS_BAD]++;
	log_warning("outbox",
		"audit: the database's rows of this node are not what it said, comparing all "
		"rows=%lld",
		(long long)rows);
	n->comparing = true;
	listener_compare_own(n->listener);
}

static void got_pulse(
	void *arg, const struct entity_id *coordinator, int64_t number, int64_t clock_us)
{
	struct node *n = arg;

	n->counters[COUNT_PULSES]++;
	n->pulse_us = n->now_us;
	node_clock(n, clock_us);
	coordinator_pulse(&n->coordinator, coordinator, number, n->now_us);
}

static void got_twin(
	void *arg, const struct uuid *incarnation, const struct payload_entity *who)
{
	struct node *n = arg;
	char id[ENTITY_ID_TEXT];

	if (uuid_equal(incarnation, &n->lease.incarnation) ||
		uuid_equal(incarnation, &n->lease.asked) ||
		uuid_equal(incarnation, &n->twin)) /* said already */
		return;
	n->twin = *incarnation;
	log_error("session",
		"another process asked for our entity id %s and was refused: name=%s host=%s "
		"pid=%d. "
		"Give one of the two an entity_id of its own in [options]",
		entity_id_print(&n->cfg.self.entity, id), who->name, who->host, who->pid);
}

static void got_policies(void *arg, struct policies *p, int64_t version)
{
	struct node *n = arg;
	struct policies *was = n->policies;

	log_notice("node", "policies changed count=%d version=%lld", policies_count(p),
		(long long)version);
	n->policies = p;
	outbox_set_policies(n->outbox, p);
	cache_set_policies(n->cache, p);
	policies_free(was);
	if (n->policy.where == POLICY_DONE)
		wait_policy_end(n, "");
}

static void got_ping(void *arg, const struct entity_id *from, int64_t nonce)
{
	struct node *n = arg;
	struct node_ping answer = {.nonce = nonce, .answer = true, .to = *from};

	if (lease_may_write(&n->lease))
		wait_add_ping(n, &answer);
}

static void got_pong(void *arg, const struct entity_id *from, int64_t nonce)
{
	wait_pong(arg, from, nonce);
}

/* ---- the port's events ---- */

static void event_result(void *arg, const struct db_result *res)
{
	session_result(arg, res);
}

static void event_payload(void *arg, enum db_op op, const char *text, size_t len)
{
	struct node *n = arg;

	(void)op;
	if (n->reading)
		listener_read_payload(n->listener, text, len);
}

static void event_notify(void *arg, const char *text, size_t len)
{
	struct node *n = arg;

	listener_notify(n->listener, text, len);
	session_kick(n);
}

static void event_lost(void *arg, const char *sqlstate, const char *reason)
{
	struct node *n = arg;

	(void)sqlstate;
	session_lost(n, reason);
	session_kick(n);
}

struct db_events node_events(struct node *n)
{
	return (struct db_events){event_result, event_payload, event_notify, event_lost, n};
}

/* ---- life ---- */

const char *const node_no_entity =
	"there is no entity id: no network interface has a usable MAC address, and no "
	"telephone server was linked yet. Set entity_id in [options], for example entity_id "
	"= 01:23:45:67:89:ab";

static void self_describe(struct node *n)
{
	struct payload_entity *who = &n->self->who;

	n->self->known = true;
	who->is_static = false;
	snprintf(who->name, sizeof(who->name), "%s", n->cfg.self.name);
	snprintf(who->host, sizeof(who->host), "%s", n->cfg.self.host);
	snprintf(who->version, sizeof(who->version), "%s", n->cfg.self.version);
	who->pid = n->cfg.self.pid;
}

static void stages_new(struct node *n)
{
	static const struct cache_callbacks to_hints = {cache_changed, cache_touched};
	static const struct listener_callbacks to_node = {own_begin, own_row, own_end,
		own_audit, got_pulse, got_twin, got_ping, got_pong, got_policies};

	n->outbox = outbox_new();
	n->publisher = publisher_new(n->outbox);
	lease_init(&n->lease);
	n->cache = cache_new(&to_hints, n);
	n->listener = listener_new(n->cache, &n->cfg.self.entity, &to_node, n);
	n->self = cache_entity_get(n->cache, &n->cfg.self.entity);
	n->self->self = true;
	n->self->head.alive = true;
	self_describe(n);
}

struct node *node_new(const struct node_config *cfg, const struct db_port *port,
	const struct node_callbacks *cb, void *arg, int64_t now_us)
{
	struct node *n = mem_alloc(sizeof(*n));

	n->cfg = *cfg;
	n->port = *port;
	n->cb = *cb;
	n->arg = arg;
	n->now_us = now_us;
	n->phase_since_us = now_us;
	n->phase = NODE_DOWN;
	stages_new(n);
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		outbox_set_published(n->outbox, kind, cfg->publish[kind], now_us);
		cache_set_subscribed(n->cache, kind, cfg->subscribe[kind]);
	}
	return n;
}

void node_free(struct node *n)
{
	if (!n)
		return;
	wait_free(n);
	listener_free(n->listener);
	cache_free(n->cache);
	publisher_free(n->publisher);
	outbox_free(n->outbox);
	policies_free(n->policies);
	buf_clear(&n->last_error);
	free(n);
}

void node_now(struct node *n, int64_t now_us)
{
	n->now_us = now_us;
}

int64_t node_time_us(const struct node *n)
{
	return n->now_us;
}

void node_start(struct node *n, int64_t now_us)
{
	n->now_us = now_us;
	session_start(n);
}

void node_timer(struct node *n, int64_t now_us)
{
	n->now_us = now_us;
	report_timer(n);
	session_timer(n);
}

int64_t node_next_us(const struct node *n)
{
	int64_t session = session_next_us(n);
	int64_t wait = wait_next_us(n);
	int64_t report = report_next_us(n);
	int64_t next = wait < session ? wait : session;

	return report != 0 && report < next ? report : next;
}

void node_leave(struct node *n, bool deliver)
{
	n->becoming = false;
	session_leave(n, deliver);
}

void node_reconfigure(struct node *n, const bool publish[KEY_KINDS],
	const bool subscribe[KEY_KINDS], int stale_after_ms, bool announce)
{
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		outbox_set_published(n->outbox, kind, publish[kind], n->now_us);
		cache_set_subscribed(n->cache, kind, subscribe[kind]);
	}
	n->cfg.stale_after_ms = stale_after_ms;
	n->cfg.announce = announce;
	session_kick(n);
}

/* ---- whose rows are under our entity id ---- */

void node_yield(struct node *n)
{
	if (n->yielded)
		return;
	n->yielded = true;
	cache_set_self(n->cache, n->self, false);
	listener_forget(n->listener, &n->cfg.self.entity);
}

void node_reclaim(struct node *n)
{
	if (!n->yielded)
		return;
	n->yielded = false;
	self_describe(n);
	cache_set_self(n->cache, n->self, true);
	cache_entity_flags(n->cache, n->self, true, n->report.reporting);
	listener_forget(n->listener, &n->cfg.self.entity);
	cache_mark(n->cache, n->self);
	outbox_each(n->outbox, restamp_row, n);
	cache_sweep(n->cache, n->self);
}

/* ---- another entity id ---- */

void node_become(struct node *n, const struct entity_id *id)
{
	char text[ENTITY_ID_TEXT];
	bool had_one = entity_id_usable(&n->cfg.self.entity);

	log_notice("session", "%s the telephone server's entity id %s",
		had_one ? "leaving, to come back with" : "going to the database with",
		entity_id_print(id, text));
	n->becoming = true;
	n->next_id = *id;
	session_leave(n, false);
}

/* What was our entity is one like any other; what it said is said by the new one. */
void node_reborn(struct node *n)
{
	struct entity_id was = n->cfg.self.entity;

	n->becoming = false;
	n->cfg.self.entity = n->next_id;
	publisher_reset(n->publisher);
	outbox_restart(n->outbox);
	lease_init(&n->lease);
	coordinator_disconnected(&n->coordinator);
	ticker_stop(&n->ticker);
	listener_disconnected(n->listener);
	listener_set_self(n->listener, &n->next_id);
	cache_set_self(n->cache, n->self, false);
	cache_entity_flags(n->cache, n->self, false, false);
	if (entity_id_usable(&was))
		listener_forget(n->listener, &was);
	else
		listener_drop(n->listener, &was);
	n->self = cache_entity_get(n->cache, &n->next_id);
	n->adopted = false;
	n->comparing = false;
	n->holder[0] = '\0';
	n->yielded = true;
	node_reclaim(n);
}

/* ---- own statements ---- */

void node_set(struct node *n, enum key_kind kind, const char *key, const struct value *v)
{
	struct value value = *v;
	struct sum sum;

	if (!outbox_set(n->outbox, kind, key, v, n->now_us) &&
		!(node_is_overruled(n, kind, key, &sum) &&
			outbox_restate(n->outbox, kind, key, n->now_us)))
		return;
	value.stamp_us = node_stamp_now(n, kind, key);
	if (!n->yielded)
		cache_put(n->cache, n->self, kind, key, &value);
	session_kick(n);
}

bool node_remove(struct node *n, enum key_kind kind, const char *key)
{
	if (!outbox_remove(n->outbox, kind, key, n->now_us))
		return false;
	if (!n->yielded)
		cache_remove(n->cache, n->self, kind, key);
	session_kick(n);
	return true;
}

/* The database may have given a toggle a later stamp: its echo tells. */
static bool stamp_is_told(
	struct node *n, const struct batch_item *item, int64_t stamp_us, bool forced)
{
	const struct value *v;

	if (!node_is_toggle(n, item->kind, item->key))
		return false;
	v = cache_get(n->cache, n->self, item->kind, item->key);
	return forced || (v && v->stamp_us > stamp_us);
}

/* Others compare mailboxes by the database's time of them, so we do. */
void node_stamp(struct node *n, const struct batch_item *items, size_t nitems,
	int64_t clock_us, bool forced)
{
	for (size_t i = 0; i < nitems && !n->yielded; i++) {
		const struct batch_item *item = &items[i];
		struct value value = item->value;

		value.stamp_us = clock_us - item->age_us;
		if (!item->removed && !stamp_is_told(n, item, value.stamp_us, forced))
			cache_restamp(n->cache, n->self, item->kind, item->key, &value);
	}
}

void node_clock(struct node *n, int64_t clock_us)
{
	bool first = !n->clock_known;

	n->clock_offset_us = clock_us - n->now_us;
	n->clock_known = true;
	if (first && !n->yielded) /* what was said before has no time yet */
		outbox_each(n->outbox, restamp_row, n);
}

/* ---- looking ---- */

const struct policies *node_policies(struct node *n)
{
	return n->policies;
}

struct cache *node_cache(struct node *n)
{
	return n->cache;
}

const struct value *node_said(struct node *n, enum key_kind kind, const char *key)
{
	return outbox_get(n->outbox, kind, key);
}

size_t node_said_count(struct node *n, enum key_kind kind)
{
	return outbox_count(n->outbox, kind);
}

void node_on_touched(
	struct node *n, void (*fn)(void *arg, enum key_kind kind, const char *key), void *arg)
{
	n->touched = fn;
	n->touched_arg = arg;
}

enum device_state node_device_state(struct node *n, const char *device)
{
	struct sum sum;

	cache_sum(n->cache, KEY_DEVICE, device, &sum);
	return sum.value.state;
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

static void counters_fill(const struct node *n, int64_t *counters)
{
	struct listener_counts heard;

	listener_counts(n->listener, &heard);
	memcpy(counters, n->counters, sizeof(n->counters));
	counters[COUNT_ROWS_SENT] = publisher_rows(n->publisher);
	counters[COUNT_KEYS_REFUSED] = publisher_refused_keys(n->publisher);
	counters[COUNT_PAYLOADS] = heard.payloads;
	counters[COUNT_PAYLOADS_BAD] = heard.bad;
	counters[COUNT_OLDER] = heard.older;
	counters[COUNT_GAPS] = heard.gaps;
	counters[COUNT_PULLS] = heard.pulls;
	counters[COUNT_RELOADS] = heard.reloads;
	counters[COUNT_AUDITS] += heard.audits;
	counters[COUNT_AUDITS_BAD] += heard.audits_bad;
	counters[COUNT_COORDINATOR_CHANGES] = n->coordinator.changes;
	counters[COUNT_RELAYS] = n->ticker.calls;
	counters[COUNT_RELAYED] = n->ticker.told;
	counters[COUNT_TAKEN_BACK] = heard.taken_back;
}

void node_get_status(struct node *n, struct node_status *out)
{
	memset(out, 0, sizeof(*out));
	out->phase = n->phase;
	out->incarnation = n->lease.incarnation;
	out->seq = n->lease.seq;
	out->site = n->lease.site;
	out->last_error = buf_str(&n->last_error);
	out->phase_since_us = n->phase_since_us;
	out->pulse_age_us = n->pulse_us ? n->now_us - n->pulse_us : -1;
	out->unsent = outbox_dirty(n->outbox);
	out->oldest_unsent_us = outbox_oldest_us(n->outbox, n->now_us);
	for (int kind = 0; kind < KEY_KINDS; kind++)
		out->own[kind] = outbox_count(n->outbox, kind);
	out->report = report_state(n);
	out->reporting = n->report.reporting;
	out->reporting_acked = publisher_reporting_is_acked(n->publisher);
	out->coordinator = coordinator_is_us(&n->coordinator);
	if (n->coordinator.known)
		out->coordinator_id = n->coordinator.id;
	out->notify = listener_notify_mode(n->listener);
	out->holder = n->holder;
	counters_fill(n, out->counters);
}

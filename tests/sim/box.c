/* Hosts and the node processes on them: starting, stopping, what is said there. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "node_parts.h"
#include "schema_version.h"
#include "sim.h"

#define MOST_TURNS 3000 /* of one process at the same moment */

int box_of_entity(const struct sim *sim, const struct entity_id *id)
{
	for (int i = 0; i < sim->nboxes; i++) {
		if (entity_id_equal(&sim->boxes[i].id, id))
			return i;
	}
	for (int i = 0; i < STATICS; i++) {
		if (entity_id_equal(&sim->statics[i], id))
			return MOST_BOXES + i;
	}
	return -1;
}

bool box_has_link_key(const struct box *b, int key)
{
	return key % 2 == 1 && b->sim->plan.pbxs >> b->number & 1 && !b->twin;
}

/* ---- what the node calls ---- */

static void on_changed(void *arg, enum key_kind kind, const char *key,
	const struct sum *was, const struct sum *now)
{
	struct box *b = arg;

	(void)was;
	if (kind == KEY_DEVICE)
		hints_device_changed(b->hints, key);
	if (kind == KEY_DEVICE)
		story("%s is %s", key, state_name(now->value.state));
	else
		story("%s has %u", key, now->value.fresh);
}

static void on_phase(void *arg, enum node_phase phase)
{
	struct box *b = arg;

	story("is %s", node_phase_name(phase));
	if (phase != NODE_READY)
		b->ready_since_us = 0;
	else if (b->ready_since_us == 0)
		b->ready_since_us = b->sim->now_us;
}

static void on_rearm(void *arg)
{
	(void)arg; /* looked at after each turn */
}

static void on_left(void *arg)
{
	struct box *b = arg;

	b->left = true;
}

static void on_hint(void *arg, const struct hint *hint)
{
	struct box *b = arg;

	b->watched[hint->exten[0] - '0'] = hint->state;
}

/* ---- turns ---- */

static void timer_is_due(struct sim *sim, struct event *ev)
{
	struct box *b = ev->box;

	if (ev->ticket != b->timer_ticket)
		return;
	b->timer_at_us = 0;
	box_turn_begin(b);
	node_timer(b->node, sim->now_us + b->mono_us);
	box_turn_end(b);
}

static void timer_arm(struct box *b)
{
	int64_t next_us = node_next_us(b->node);
	struct event *ev;

	if (next_us == INT64_MAX) {
		b->timer_ticket++;
		b->timer_at_us = 0;
		return;
	}
	next_us -= b->mono_us;
	if (next_us < b->sim->now_us)
		next_us = b->sim->now_us;
	if (next_us == b->timer_at_us)
		return;
	b->timer_at_us = next_us;
	ev = event_add(b->sim, next_us, timer_is_due);
	ev->box = b;
	ev->gen = b->gen;
	ev->ticket = ++b->timer_ticket;
}

void box_turn_begin(struct box *b)
{
	b->sim->current = b;
	node_now(b->node, b->sim->now_us + b->mono_us);
	if (b->turn_us != b->sim->now_us) {
		b->turn_us = b->sim->now_us;
		b->turns = 0;
	}
	if (++b->turns > MOST_TURNS)
		sim_fail(b->sim, "%s does not rest: phase %s, next timer %lld us from now",
			b->name, node_phase_name(b->node->phase),
			(long long)(node_next_us(b->node) - b->node->now_us));
}

void box_turn_end(struct box *b)
{
	if (b->left) {
		story("has left");
		b->sim->current = NULL;
		box_stop(b, true);
		return;
	}
	check_box(b);
	timer_arm(b);
	b->sim->current = NULL;
}

/* ---- life ---- */

void box_init(struct sim *sim, int number, const struct entity_id *id)
{
	struct box *b = &sim->boxes[number];

	b->sim = sim;
	b->number = number;
	b->id = *id;
	b->mono_us = rng_below(&sim->net, 1000 * SECOND);
	snprintf(b->name, sizeof(b->name), "box%d", number);
	snprintf(b->host, sizeof(b->host), "host%d", number);
	snprintf(b->boot_id, sizeof(b->boot_id), "boot%d", number);
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		b->publish[kind] = true;
		b->subscribe[kind] = true;
	}
	b->dead_since_us = 1;
}

static enum device_state hint_lookup(void *arg, const char *device)
{
	struct box *b = arg;

	return node_device_state(b->node, device);
}

/* Hint n watches device n and the one after it. */
static void hints_make(struct box *b)
{
	int keys = b->sim->plan.keys;
	const char *why;

	b->hints = hints_new(hint_lookup, b);
	b->watcher = (struct hint_watcher){.changed = on_hint, .arg = b};
	hints_begin(b->hints);
	for (int i = 0; i < keys; i++) {
		char exten[12], devices[80];

		snprintf(exten, sizeof(exten), "%d", i);
		snprintf(devices, sizeof(devices), "%s&%s", key_name(KEY_DEVICE, i),
			key_name(KEY_DEVICE, (i + 1) % keys));
		if (!hints_add(b->hints, exten, "sim", devices, &why))
			abort();
	}
	hints_end(b->hints);
	for (int i = 0; i < keys; i++)
		b->watched[i] = hints_at(b->hints, i)->state;
	hints_watch(b->hints, NULL, NULL, &b->watcher);
}

static void config_make(struct box *b)
{
	struct plan *plan = &b->sim->plan;

	b->cfg = (struct node_config){
		.self = {.entity = b->id,
			.name = b->name,
			.host = b->host,
			.boot_id = b->boot_id,
			.version = "sim",
			.pid = ++b->sim->last_pid,
			.lease_ms = plan->lease_ms,
			.built_for = plan->older >> (b - b->sim->boxes) & 1 ? 4 : SCHEMA_VERSION},
		.stale_after_ms = plan->stale_after_ms,
		.announce = plan->announce,
	};
	memcpy(b->cfg.publish, b->publish, sizeof(b->publish));
	memcpy(b->cfg.subscribe, b->subscribe, sizeof(b->subscribe));
}

void box_start(struct box *b)
{
	static const struct node_callbacks cb = {on_changed, on_phase, on_rearm, on_left};
	struct db_port port = net_port(b);
	int64_t now_us = b->sim->now_us + b->mono_us;

	if (b->node)
		return;
	b->gen++;
	b->left = false;
	b->timer_at_us = 0;
	b->paused_until_us = 0;
	b->dead_since_us = 0;
	b->ready_since_us = 0;
	memset(b->said, 0, sizeof(b->said));
	memset(b->before, 0, sizeof(b->before));
	b->left_behind.known = false;
	b->pbx.linked = b->pbx.open = b->pbx.complete = false;
	b->pbx.complete_us = 0;
	memset(b->shown, 0, sizeof(b->shown));
	memset(b->heads, 0, sizeof(b->heads));
	memset(b->armed, 0, sizeof(b->armed));
	memset(b->acks, 0, sizeof(b->acks));
	config_make(b);
	b->node = node_new(&b->cfg, &port, &cb, b, now_us);
	hints_make(b);
	box_turn_begin(b);
	story("starts");
	node_start(b->node, now_us);
	box_turn_end(b);
	if (b->pbx.alive)
		pbx_comes(b, rng_below(&b->sim->net, 2 * SECOND));
}

void box_stop(struct box *b, bool reset)
{
	if (!b->node)
		return;
	net_drop(b, reset);
	box_clear(b);
	b->gen++;
	b->dead_since_us = b->sim->now_us;
	b->ready_since_us = 0;
}

void box_clear(struct box *b)
{
	node_free(b->node);
	hints_free(b->hints);
	b->node = NULL;
	b->hints = NULL;
}

void box_leave(struct box *b)
{
	if (!b->node || b->paused_until_us > b->sim->now_us)
		return;
	box_turn_begin(b);
	story("is asked to leave");
	node_leave(b->node, true);
	box_turn_end(b);
}

/* ---- statements ---- */

void value_is_said(struct sim *sim, int entity, const struct step *step, struct value *v)
{
	if (step->kind == KEY_DEVICE) {
		struct value held = {.state = v->state, .held = true};

		/* what the link says may be held until the end of its report */
		sim->device_said[entity][step->key] |= device_bit(v) | device_bit(&held);
		return;
	}
	assert(sim->next_version < MOST_VERSIONS);
	v->fresh = (uint32_t)sim->next_version++;
	sim->versions[v->fresh].entity = entity;
	sim->versions[v->fresh].key = step->key;
}

static void box_says(struct box *b, const struct step *step, struct value *v)
{
	if (step->kind == KEY_MAILBOX && step->again && b->before[step->key]) {
		v->fresh = b->before[step->key];
		b->sim->versions[v->fresh].repeated = true;
		return;
	}
	value_is_said(b->sim, box_of_entity(b->sim, &b->id), step, v);
}

static void on_acked(void *arg, bool acked)
{
	struct ack *ack = arg;
	struct box *b = ack->box;

	if (acked)
		check_acked(b, ack->key, ack->version);
	ack->box = NULL;
}

/* Somebody waits for it, as `console dial` does. */
static void ack_wait(struct box *b, int key, uint32_t version)
{
	for (int i = 0; i < MOST_ACKS; i++) {
		struct ack *ack = &b->acks[i];

		if (ack->box)
			continue;
		*ack = (struct ack){b, version, key};
		node_when_acked(b->node, 20000, on_acked, ack);
		return;
	}
}

void box_step(struct box *b, const struct step *step)
{
	const char *key = key_name(step->kind, step->key);
	struct said *said = &b->said[step->kind][step->key];
	struct value value;
	uint32_t was;

	if (!b->node || b->paused_until_us > b->sim->now_us || b->left)
		return;
	box_turn_begin(b);
	said->stated = true;
	said->present = !step->removed;
	if (step->removed) {
		story("says nothing of %s any more", key);
		node_remove(b->node, step->kind, key);
	} else {
		was = said->value.fresh;
		value = step->value;
		if (b->sim->plan.pbxs >> b->number & 1)
			value.held = true; /* what is not is the link's */
		box_says(b, step, &value);
		said->at_us = b->sim->now_us; /* of a toggle also when it is the same */
		said->value = value;
		if (step->kind == KEY_MAILBOX)
			b->before[step->key] = was;
		story("says %s is %s%s%u", key,
			step->kind == KEY_DEVICE ? state_name(said->value.state) : "",
			said->value.held ? " held " : " ", said->value.fresh);
		node_set(b->node, step->kind, key, &said->value);
		if (step->kind == KEY_MAILBOX)
			ack_wait(b, step->key, said->value.fresh);
	}
	box_turn_end(b);
}

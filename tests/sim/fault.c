/* Faults: what each does when its time comes, and how all of them end. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "node_parts.h"
#include "sim.h"

/* For so long after a rewind old words may still be on their way. */
#define LENIENT_US (5 * SECOND)
/* Kinds of what may be forged. */
#define FORGERIES 11

static const char *const names[FAULT_KINDS] = {"cut", "cut_before", "cut_after",
	"cut_read", "lose_answer", "late_request", "error", "note_lost", "note_twice",
	"stall", "forge", "partition", "crash", "outage", "failover", "split", "node_crash",
	"node_power_off", "blackout", "node_stop", "node_dies", "pause", "pause_coordinator",
	"coordinator_lost", "twin", "tamper", "trim", "clock", "toggle", "remove", "pbx_dies",
	"report_cut", "policy", "flood", "slow", "clone", "notify_mode"};

const char *fault_name(enum fault_kind kind)
{
	return names[kind];
}

void fault_print(const struct fault *f, struct buf *out)
{
	buf_addf(out, "%8.3f s  %s box%d for %.3f s (%lld, %lld)\n",
		(double)f->at_us / SECOND, names[f->kind], f->box, (double)f->for_us / SECOND,
		(long long)f->a, (long long)f->b);
}

static int64_t fault_end_us(const struct sim *sim, const struct fault *f)
{
	int64_t end_us = sim->now_us + f->for_us;

	return end_us < sim->plan.faults_end_us ? end_us : sim->plan.faults_end_us;
}

static struct event *fault_later(struct sim *sim, const struct fault *f,
	void (*run)(struct sim *sim, struct event *ev), int index)
{
	struct event *ev = event_add(sim, fault_end_us(sim, f), run);

	ev->index = index;
	return ev;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* From now on, and until the last one has heard what is under way to it. */
static void order_is_loose(struct sim *sim)
{
	int64_t heard_us = sim->now_us;

	for (int i = 0; i < sim->nboxes; i++) {
		struct box *b = &sim->boxes[i];

		heard_us = later(heard_us, later(b->paused_until_us, b->apart_until_us));
		if (b->lines[MAIN].wire)
			heard_us = later(heard_us, b->lines[MAIN].wire->stalled_us);
	}
	sim->lenient_until_us = later(sim->lenient_until_us, heard_us + LENIENT_US);
}

static struct box *fault_box(struct sim *sim, const struct fault *f)
{
	return &sim->boxes[f->box];
}

static struct server *primary(struct sim *sim)
{
	return &sim->servers[sim->primary];
}

/* ---- connections ---- */

static void begin_cut(struct sim *sim, struct fault *f)
{
	static const enum role roles[] = {READER, MAIN, MAIN, ANNOUNCER, MAIN, READER};

	net_cut(fault_box(sim, f), roles[f->a % 6]);
}

static void begin_armed(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f);

	b->armed[f->kind] = true;
	b->armed_until_us[f->kind] = fault_end_us(sim, f);
}

static void begin_notes(struct sim *sim, struct fault *f)
{
	struct wire *w = fault_box(sim, f)->lines[MAIN].wire;

	if (!w)
		return;
	if (f->kind == FAULT_NOTE_LOST)
		w->lose_notes = 1 + (int)(f->a % 8);
	else
		w->repeat_notes = 1 + (int)(f->a % 8);
}

static void begin_stall(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f);

	if (b->lines[MAIN].wire)
		b->lines[MAIN].wire->stalled_us = fault_end_us(sim, f);
	if (b->lines[READER].wire && f->a % 2 == 0)
		b->lines[READER].wire->stalled_us = fault_end_us(sim, f);
}

static void begin_partition(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f);

	b->apart_until_us = fault_end_us(sim, f);
	net_apart(b);
}

/* ---- a word that nobody said ---- */

/* What it says is true, but not when it was said. */
static bool forges_time_only(const struct fault *f)
{
	return f->a % FORGERIES >= 9;
}

static void forge_change(struct sim *sim, const struct fault *f,
	const struct payload_head *head, int64_t from, const char *incarnation,
	struct buf *out)
{
	int key = (int)(f->b % sim->plan.keys);
	int entity = box_of_entity(sim, &head->entity);
	/* long ago, or in a while */
	int64_t at_us = sim->now_us + (f->b % 2 ? INT64_C(1700000030) * SECOND : 0);
	char id[ENTITY_ID_TEXT];
	struct value v = {
		.state = (enum device_state)(f->b / 10 % STATE_COUNT), .held = true};
	const struct value *row = model_row(
		primary(sim)->model, &head->entity, KEY_DEVICE, key_name(KEY_DEVICE, key));

	if (forges_time_only(f) && row)
		v = *row;
	sim->device_said[entity][key] |= device_bit(&v);
	buf_addf(out, "1\tC\t1\t%s\t%s\t%lld\t%lld\t1\t1\ta\t-\t0\t%lld\nD\t%d\t%s\t0\t%s\n",
		entity_id_print(&head->entity, id), incarnation, (long long)from,
		(long long)from + 1, (long long)at_us, (int)v.state, v.held ? "h" : "-",
		key_name(KEY_DEVICE, key));
}

static void forge_pulse(const struct payload_head *head, int64_t seq, bool alive,
	int64_t number, struct buf *out)
{
	char id[ENTITY_ID_TEXT];

	buf_addf(out, "1\tP\t1\t%s\t%s\t%lld\t1700000000000000\nH\t%s\t%s\t%lld\t%s\n",
		entity_id_print(&head->entity, id), head->incarnation.text, (long long)number, id,
		head->incarnation.text, (long long)seq, alive ? "a" : "-");
}

static void forge_audit(const struct payload_head *head, struct buf *out)
{
	char id[ENTITY_ID_TEXT];

	buf_addf(out,
		"1\tP\t1\t%s\t%s\t7\t1700000000000000\nA\t%s\t%s\t%lld\ta\t3\t00000000000000ff\n",
		entity_id_print(&head->entity, id), head->incarnation.text, id,
		head->incarnation.text, (long long)head->seq);
}

static void forge_text(struct sim *sim, const struct fault *f,
	const struct payload_head *head, struct buf *out)
{
	static const char other[] = "11111111-2222-4333-8444-555555555555";
	char id[ENTITY_ID_TEXT];

	switch (f->a % FORGERIES) {
	case 0:
		buf_adds(out, "1\tC\t1\tnonsense\n\nD\t99\n");
		break;
	case 1: /* what comes next */
		forge_change(sim, f, head, head->seq, head->incarnation.text, out);
		break;
	case 2: /* far ahead */
		forge_change(sim, f, head, head->seq + 1000, head->incarnation.text, out);
		break;
	case 3:
		forge_change(sim, f, head, head->seq, other, out);
		break;
	case 4:
		forge_pulse(head, head->seq + 5, true, 1000000, out);
		break;
	case 5:
		forge_pulse(head, head->seq > 2 ? head->seq - 2 : 0, true, 3, out);
		break;
	case 6: /* dead at the head that is known */
		forge_pulse(head, head->seq, false, 4, out);
		break;
	case 7:
		forge_audit(head, out);
		break;
	case 9:
		forge_change(sim, f, head, head->seq, head->incarnation.text, out);
		break;
	case 10: /* in the place of what came last */
		forge_change(
			sim, f, head, head->seq > 0 ? head->seq - 1 : 0, head->incarnation.text, out);
		break;
	default:
		buf_addf(out, "1\tX\t1\t%s\t%s\t%lld\t1700000000000000\n",
			entity_id_print(&head->entity, id), head->incarnation.text,
			(long long)head->seq);
	}
}

static void begin_forge(struct sim *sim, struct fault *f)
{
	struct server *s = primary(sim);
	struct payload_head head;
	struct buf text = {0};

	if (!s->up || !model_head(s->model, &fault_box(sim, f)->id, &head))
		return;
	forge_text(sim, f, &head, &text);
	story("somebody forges: %s", buf_str(&text));
	order_is_loose(sim);
	model_forge(s->model, buf_str(&text));
	net_server_flush(sim, s);
	buf_clear(&text);
}

/* ---- the database ---- */

static void server_is_back(struct sim *sim, struct event *ev)
{
	struct server *s = &sim->servers[ev->index];

	if (ev->index != sim->primary || s->up)
		return;
	story("server %d is up", s->number);
	s->up = true;
	s->up_since_us = sim->now_us;
}

static void begin_crash(struct sim *sim, struct fault *f)
{
	struct server *s = primary(sim);
	int lost = f->kind == FAULT_CRASH ? (int)(f->a % 20) : 0;

	if (!s->up)
		return;
	lost = model_crash(s->model, lost);
	story("server %d goes down, %d commits are lost", s->number, lost);
	if (lost > 0 || (s->number > 0 && sim->servers[s->number - 1].up))
		order_is_loose(sim); /* or they go back to the one that is left */
	net_server_down(sim, s);
	fault_later(sim, f, server_is_back, s->number);
}

static struct server *server_fork(struct sim *sim, const struct fault *f)
{
	struct server *old = primary(sim), *s;
	int lost = (int)(f->a % 25);

	if (sim->nservers == MOST_SERVERS || !old->up)
		return NULL;
	s = &sim->servers[sim->nservers];
	s->number = sim->nservers++;
	s->model = model_fork(old->model, lost);
	s->clock_offset_us = old->clock_offset_us + f->b % 2000001 - SECOND;
	sim->primary = s->number;
	sim->clock_jumped = true;
	story("server %d takes over from server %d, %d commits behind", s->number,
		old->number, model_commits(old->model) - model_commits(s->model));
	order_is_loose(sim);
	return s;
}

static void begin_failover(struct sim *sim, struct fault *f)
{
	struct server *old = primary(sim), *s = server_fork(sim, f);

	if (!s)
		return;
	net_server_down(sim, old);
	fault_later(sim, f, server_is_back, s->number);
}

static void server_is_fenced(struct sim *sim, struct event *ev)
{
	struct server *s = &sim->servers[ev->index];

	if (!s->up || ev->index == sim->primary)
		return;
	story("server %d, which nobody needs, ends", s->number);
	order_is_loose(sim);
	net_server_down(sim, s);
}

static void begin_split(struct sim *sim, struct fault *f)
{
	struct server *old = primary(sim), *s = server_fork(sim, f);

	if (!s)
		return;
	s->up = true;
	for (int i = 0; i < sim->nboxes; i++) {
		if (f->b >> i & 1)
			net_cut(&sim->boxes[i], MAIN);
	}
	fault_later(sim, f, server_is_fenced, old->number);
}

static void begin_clock(struct sim *sim, struct fault *f)
{
	static const int64_t spans[] = {SECOND, 10 * SECOND, 60 * SECOND, 3600 * SECOND};
	int64_t span_us = spans[f->a % 4];
	int64_t jump_us = f->b * span_us / 500000 - span_us;

	story(
		"the clock of server %d jumps by %.1f s", sim->primary, (double)jump_us / SECOND);
	primary(sim)->clock_offset_us += jump_us;
	sim->clock_jumped = true;
}

static void begin_tamper(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f);
	enum key_kind kind = f->a & 1 ? KEY_DEVICE : KEY_MAILBOX;
	int key = (int)(f->a / 10 % sim->plan.keys), entity = box_of_entity(sim, &b->id);
	struct value v = {
		.held = true, .stamp_us = INT64_C(1700000000) * SECOND + sim->now_us};
	bool gone = f->b % 3 == 0;

	if (kind == KEY_DEVICE) {
		v.state = (enum device_state)(f->b % STATE_COUNT);
		sim->device_said[entity][key] |= device_bit(&v);
	} else {
		v.fresh = (uint32_t)sim->next_version++;
		sim->versions[v.fresh] = (struct version){.entity = entity, .key = key};
	}
	sim->tampered = true;
	net_clock(sim, primary(sim));
	if (model_tamper_any(
			primary(sim)->model, &b->id, kind, key_name(kind, key), gone ? NULL : &v))
		story("by hand: what %s says of %s is %s %u", b->name, key_name(kind, key),
			gone ? "nothing" : state_name(v.state), v.fresh);
}

static void begin_trim(struct sim *sim, struct fault *f)
{
	(void)f;
	model_trim(primary(sim)->model);
}

static void begin_coordinator_lost(struct sim *sim, struct fault *f)
{
	(void)f;
	model_forget_token(primary(sim)->model);
}

static void begin_remove(struct sim *sim, struct fault *f)
{
	struct server *s = primary(sim);

	if (!s->up)
		return;
	net_clock(sim, s);
	if (model_remove(s->model, &fault_box(sim, f)->id)) {
		story("an administrator removes %s", fault_box(sim, f)->name);
		order_is_loose(sim);
	}
	net_server_flush(sim, s);
}

/* ---- processes ---- */

static void box_comes(struct sim *sim, struct event *ev)
{
	if (!sim->boxes[ev->index].stays_dead)
		box_start(&sim->boxes[ev->index]);
}

static void begin_node_crash(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f);
	bool power = f->kind == FAULT_NODE_POWER_OFF;

	if (!b->node)
		return;
	if (power)
		snprintf(b->boot_id, sizeof(b->boot_id), "boot%d.%d", b->number, ++b->boots);
	box_stop(b, !power);
	if (f->kind == FAULT_NODE_DIES)
		b->stays_dead = true;
	else
		fault_later(sim, f, box_comes, b->number);
}

static void begin_blackout(struct sim *sim, struct fault *f)
{
	for (int i = 0; i < sim->nboxes; i++) {
		struct box *b = &sim->boxes[i];

		if (!b->node)
			continue;
		snprintf(b->boot_id, sizeof(b->boot_id), "boot%d.%d", b->number, ++b->boots);
		box_stop(b, false);
		if (!b->twin)
			fault_later(sim, f, box_comes, b->number);
	}
}

static void begin_node_stop(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f);

	box_leave(b);
	fault_later(sim, f, box_comes, b->number);
}

static void begin_pause(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f);

	for (int i = 0; f->kind == FAULT_PAUSE_COORDINATOR && i < sim->nboxes; i++) {
		if (sim->boxes[i].node && coordinator_is_us(&sim->boxes[i].node->coordinator))
			b = &sim->boxes[i];
	}
	story("%s is paused", b->name);
	b->paused_until_us = fault_end_us(sim, f);
}

static void begin_toggle(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f);
	bool *flag = f->a & 1 ? b->publish : b->subscribe;

	if (b->node && b->paused_until_us > sim->now_us)
		return;
	flag[f->b & 1] = !flag[f->b & 1];
	if (!b->node)
		return;
	box_turn_begin(b);
	story("%s %ss is %s", f->a & 1 ? "publishing" : "subscribing to",
		key_kind_name(f->b & 1), flag[f->b & 1] ? "on" : "off");
	node_reconfigure(
		b->node, b->publish, b->subscribe, sim->plan.stale_after_ms, sim->plan.announce);
	box_turn_end(b);
}

static void twin_goes(struct sim *sim, struct event *ev)
{
	struct box *b = &sim->boxes[ev->index];

	story("%s goes", b->name);
	box_stop(b, true);
	b->stays_dead = true;
}

static void begin_twin(struct sim *sim, struct fault *f)
{
	int number = sim->nboxes;

	if (number == MOST_BOXES)
		return;
	box_init(sim, number, &fault_box(sim, f)->id);
	sim->nboxes++;
	sim->boxes[number].twin = true;
	snprintf(sim->boxes[number].name, sizeof(sim->boxes[number].name), "twin%d", f->box);
	box_start(&sim->boxes[number]);
	if (f->a % 4 != 0)
		fault_later(sim, f, twin_goes, number);
}

static void begin_clone(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f), *clone = &sim->boxes[sim->nboxes];

	if (sim->nboxes == MOST_BOXES || !b->node || !b->node->lease.incarnation.text[0])
		return;
	box_init(sim, sim->nboxes, &b->id);
	clone->twin = true;
	clone->clone_of = b->node->lease.incarnation;
	snprintf(clone->name, sizeof(clone->name), "clone%d", f->box);
	memcpy(clone->host, b->host, sizeof(clone->host));
	memcpy(clone->boot_id, b->boot_id, sizeof(clone->boot_id));
	sim->nboxes++;
	sim->lenient_until_us = INT64_MAX; /* two that are one have no order */
	sim->tampered = true;
	box_start(clone);
	fault_later(sim, f, twin_goes, clone->number);
}

/* ---- what is beside a node ---- */

static void pbx_is_back(struct sim *sim, struct event *ev)
{
	struct box *b = &sim->boxes[ev->index];

	if (b->pbx.stays_dead || !(sim->plan.pbxs >> ev->index & 1))
		return;
	b->pbx.alive = true;
	if (b->node && !b->pbx.linked)
		pbx_comes(b, 0);
}

static void begin_pbx_dies(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f);

	if (!b->pbx.alive || b->paused_until_us > sim->now_us)
		return;
	b->pbx.alive = false;
	b->pbx.stays_dead = f->b % 4 == 0;
	pbx_goes(b, f->a % 4 == 0);
	fault_later(sim, f, pbx_is_back, b->number);
}

static void begin_report_cut(struct sim *sim, struct fault *f)
{
	struct box *b = fault_box(sim, f);

	if (!b->pbx.alive || b->paused_until_us > sim->now_us)
		return;
	b->pbx.cuts = 1 + (int)(f->a % 3);
	pbx_goes(b, false);
	pbx_comes(b, f->for_us / 4);
}

static void flood_goes_on(struct sim *sim, struct event *ev)
{
	struct box *b = &sim->boxes[ev->index];
	int64_t n = rng_below(&sim->net, 10000);
	struct step step = {.kind = n & 1 ? KEY_DEVICE : KEY_MAILBOX,
		.key = (int)(n / 2 % sim->plan.keys),
		.value = {.state = (enum device_state)(n / 100 % STATE_COUNT), .held = true}};

	if (sim->next_version > MOST_VERSIONS / 2)
		return;
	if (box_has_link_key(b, step.key))
		pbx_step(b, &step);
	else
		box_step(b, &step);
}

/* Several devices or mailboxes at a time, and back. */
static void begin_policy(struct sim *sim, struct fault *f)
{
	static const struct {
		enum key_kind kind;
		const char *pattern;
		enum policy policy;
	} some[] = {{KEY_DEVICE, "custom:*", POLICY_LATEST}, {KEY_DEVICE, "*", POLICY_LATEST},
		{KEY_DEVICE, "pjsip/?", POLICY_LOCAL}, {KEY_MAILBOX, "*@x", POLICY_SUM},
		{KEY_MAILBOX, "a@*", POLICY_MAX}};
	size_t i = (size_t)f->a % (sizeof(some) / sizeof(some[0]));
	struct server *s = primary(sim);

	if (!s->up)
		return;
	net_clock(sim, s);
	story("policy of %ss %s: %s", key_kind_name(some[i].kind), some[i].pattern,
		f->b % 4 == 0 ? "none" : policy_name(some[i].policy));
	model_policy(s->model, some[i].kind, some[i].pattern,
		f->b % 4 == 0 ? -1 : (int)some[i].policy);
	net_server_flush(sim, s);
}

static void begin_notify_mode(struct sim *sim, struct fault *f)
{
	struct server *s = primary(sim);
	int mode = (int)(f->a % NOTIFY_MODES);

	if (!s->up)
		return;
	story("notify mode: %s", notify_mode_name((enum notify_mode)mode));
	model_notify_mode(s->model, mode);
}

/* Some hundred words within a moment. */
static void begin_flood(struct sim *sim, struct fault *f)
{
	int words = 20 + (int)(f->a % 200);

	for (int i = 0; i < words; i++) {
		int64_t at_us = sim->now_us + f->for_us / 8 * i / words;

		if (at_us < sim->plan.faults_end_us)
			event_add(sim, at_us, flood_goes_on)->index = f->box;
	}
}

static void begin_slow(struct sim *sim, struct fault *f)
{
	sim->slow_until_us = fault_end_us(sim, f);
}

/* ---- all of them ---- */

static void (*const begins[FAULT_KINDS])(struct sim *sim, struct fault *f) = {
	[FAULT_CUT] = begin_cut,
	[FAULT_CUT_BEFORE] = begin_armed,
	[FAULT_CUT_AFTER] = begin_armed,
	[FAULT_CUT_READ] = begin_armed,
	[FAULT_LOSE_ANSWER] = begin_armed,
	[FAULT_LATE_REQUEST] = begin_armed,
	[FAULT_ERROR] = begin_armed,
	[FAULT_NOTE_LOST] = begin_notes,
	[FAULT_NOTE_TWICE] = begin_notes,
	[FAULT_STALL] = begin_stall,
	[FAULT_FORGE] = begin_forge,
	[FAULT_PARTITION] = begin_partition,
	[FAULT_CRASH] = begin_crash,
	[FAULT_OUTAGE] = begin_crash,
	[FAULT_FAILOVER] = begin_failover,
	[FAULT_SPLIT] = begin_split,
	[FAULT_NODE_CRASH] = begin_node_crash,
	[FAULT_NODE_POWER_OFF] = begin_node_crash,
	[FAULT_BLACKOUT] = begin_blackout,
	[FAULT_NODE_STOP] = begin_node_stop,
	[FAULT_NODE_DIES] = begin_node_crash,
	[FAULT_PAUSE] = begin_pause,
	[FAULT_PAUSE_COORDINATOR] = begin_pause,
	[FAULT_COORDINATOR_LOST] = begin_coordinator_lost,
	[FAULT_TWIN] = begin_twin,
	[FAULT_TAMPER] = begin_tamper,
	[FAULT_TRIM] = begin_trim,
	[FAULT_CLOCK] = begin_clock,
	[FAULT_TOGGLE] = begin_toggle,
	[FAULT_REMOVE] = begin_remove,
	[FAULT_PBX_DIES] = begin_pbx_dies,
	[FAULT_REPORT_CUT] = begin_report_cut,
	[FAULT_POLICY] = begin_policy,
	[FAULT_FLOOD] = begin_flood,
	[FAULT_SLOW] = begin_slow,
	[FAULT_CLONE] = begin_clone,
	[FAULT_NOTIFY_MODE] = begin_notify_mode,
};

/* dead_since_us says more of these than how long they last. */
static bool is_of_a_process(enum fault_kind kind)
{
	return kind == FAULT_NODE_CRASH || kind == FAULT_BLACKOUT ||
		   kind == FAULT_NODE_POWER_OFF || kind == FAULT_NODE_STOP ||
		   kind == FAULT_NODE_DIES;
}

void fault_begin(struct sim *sim, struct fault *f)
{
	struct buf text = {0};

	if (story_is_told()) {
		fault_print(f, &text);
		story("FAULT %.*s", (int)text.len - 1, buf_str(&text));
		buf_clear(&text);
	}
	sim->done[f->kind]++;
	if (!is_of_a_process(f->kind))
		sim->calm_us = later(sim->calm_us, fault_end_us(sim, f));
	begins[f->kind](sim, f);
}

void faults_end(struct sim *sim)
{
	story("all faults end");
	for (int i = 0; i < sim->nservers; i++) {
		struct server *s = &sim->servers[i];

		if (i != sim->primary && s->up)
			net_server_down(sim, s);
		if (i != sim->primary || s->up)
			continue;
		s->up = true;
		s->up_since_us = sim->now_us;
	}
	for (int i = 0; i < sim->nboxes; i++) {
		struct box *b = &sim->boxes[i];

		b->apart_until_us = 0;
		memset(b->armed, 0, sizeof(b->armed));
		if (b->lines[MAIN].wire) {
			b->lines[MAIN].wire->lose_notes = 0;
			b->lines[MAIN].wire->repeat_notes = 0;
		}
		b->pbx.cuts = 0;
		b->pbx.alive = sim->plan.pbxs >> i & 1 && !b->pbx.stays_dead && !b->twin;
		if (!b->node && !b->stays_dead)
			box_start(b);
		else if (b->node && b->pbx.alive && !b->pbx.linked)
			pbx_comes(b, 0);
	}
}

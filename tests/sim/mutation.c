/*
 * Rules broken on purpose, to see that the simulator bites. What the database does is
 * broken in the model; what the node does at the seams between its objects, at link time
 * (--wrap): the node's own code knows nothing of it.
 */
#include <stdio.h>
#include <string.h>

#include "announced.h"
#include "node_parts.h"
#include "payload.h"
#include "sim.h"

int mutation_on;

const struct mutation mutations[] = {
	{"no gap check", MODEL_ALL_RULES, MUTATE_NO_GAP_CHECK},
	{"snapshot before LISTEN", MODEL_ALL_RULES, MUTATE_LISTEN_LATE},
	{"rows before heads", MODEL_ROWS_BEFORE_HEADS, 0},
	{"incarnation ignored by listeners", MODEL_ALL_RULES, MUTATE_ANY_INCARNATION},
	{"no session token", MODEL_NO_SESSION_TOKEN, 0},
	{"neither incarnation nor token", MODEL_NO_INCARNATION, 0},
	{"in-flight key taken for clean", MODEL_ALL_RULES, MUTATE_FLIGHT_IS_CLEAN},
	{"re-send without force", MODEL_ALL_RULES, MUTATE_NO_FORCE},
	{"reap without grace", MODEL_REAP_AT_ONCE, 0},
	{"steady nodes ignored by the reaper", MODEL_STEADY_IGNORED, 0},
	{"a tick is no sign of life", MODEL_TICK_NO_SIGN, 0},
	{"leases begin anew at the tick", MODEL_LEASES_ANEW_LATE, 0},
	{"seq moved by the reaper", MODEL_REAPER_MOVES_SEQ, 0},
	{"no reaper", MODEL_NO_REAPER, 0},
	{"no audit", MODEL_NO_AUDIT, 0},
	{"no heads in the pulse", MODEL_NO_HEADS, 0},
	{"no sweep after a reload", MODEL_ALL_RULES, MUTATE_NO_SWEEP},
	{"own echo applied", MODEL_ALL_RULES, MUTATE_ECHO_APPLIED},
	{"removals not sent again", MODEL_ALL_RULES, MUTATE_NO_TOMBS},
	{"lower head ignored", MODEL_ALL_RULES, MUTATE_LOWER_HEAD_IGNORED},
	{"rewind not noticed by resume", MODEL_REWIND_UNNOTICED, 0},
	{"the dead may publish", MODEL_DEAD_MAY_PUBLISH, 0},
	{"twin may register", MODEL_TWIN_MAY_REGISTER, 0},
	{"held rows not adopted", MODEL_ALL_RULES, MUTATE_NOT_ADOPTED},
	{"the dead count", MODEL_ALL_RULES, MUTATE_DEAD_COUNT},
	{"ages not sent", MODEL_ALL_RULES, MUTATE_AGES_FORGOTTEN},
	{"a report counts from its begin", MODEL_ALL_RULES, MUTATE_REPORTS_EARLY},
	{"reporting sent before the rows", MODEL_ALL_RULES, MUTATE_REPORT_BEFORE_ROWS},
	{"a cut report sweeps", MODEL_ALL_RULES, MUTATE_CUT_SWEEPS},
	{"a whole report does not sweep", MODEL_ALL_RULES, MUTATE_END_KEEPS},
	{"a lost link goes on counting", MODEL_ALL_RULES, MUTATE_LINK_FOR_EVER},
	{"what was announced stays", MODEL_ALL_RULES, MUTATE_ANNOUNCED_FOR_EVER},
	{"toggles in the order of publishes", MODEL_TOGGLES_UNORDERED, 0},
	{"SQL's words outlive their time", MODEL_STATIC_FOR_EVER, 0},
	{"SQL's words come back", MODEL_STATIC_COMES_BACK, 0},
	{"the ticker goes by numbers", MODEL_RELAY_BY_NUMBER, 0},
	{"the ticker tells the newest first", MODEL_RELAY_NEWEST_FIRST, 0},
	{"the pulse overtakes the ticker", MODEL_PULSE_OVERTAKES, 0},
	{"the last ticker waits for nobody", MODEL_SWITCH_FORGETS, 0},
	{"a new ticker begins with now", MODEL_TAKEOVER_FORGETS, 0},
	{NULL, MODEL_ALL_RULES, 0},
};

void mutation_set(const struct mutation *m)
{
	mutation_on = m ? m->switch_number : 0;
	model_break(m ? m->rule : MODEL_ALL_RULES);
}

/* What the node whose code runs knows of an entity; NULL: nothing. */
static const struct cache_entity *known_of(const struct entity_id *id)
{
	struct box *b = sim_now ? sim_now->current : NULL;

	return b && b->node ? cache_entity_find(b->node->cache, id) : NULL;
}

bool __real_payload_parse(
	const char *text, size_t len, struct payload *out, const char **why);
bool __wrap_payload_parse(
	const char *text, size_t len, struct payload *out, const char **why);
bool __wrap_payload_parse(
	const char *text, size_t len, struct payload *out, const char **why)
{
	const struct cache_entity *e;

	if (!__real_payload_parse(text, len, out, why))
		return false;
	e = mutation_on ? known_of(&out->head.entity) : NULL;
	if (!e || e->self)
		return true;
	if (mutation_on == MUTATE_NO_GAP_CHECK && out->type == PAYLOAD_CHANGE &&
		out->head.seq > e->head.seq)
		out->from_seq = e->head.seq;
	if (mutation_on == MUTATE_ANY_INCARNATION && out->type == PAYLOAD_CHANGE &&
		e->head.incarnation.text[0])
		out->head.incarnation = e->head.incarnation;
	return true;
}

/* Without nets, the living are left to tell by themselves what a rewind took. */
static bool line_is_left_out(const struct payload_line *line)
{
	const struct cache_entity *e;
	bool nets = sim_now->plan.nets;

	if (line->type != LINE_HEAD || (mutation_on != MUTATE_LOWER_HEAD_IGNORED && nets))
		return false;
	e = known_of(&line->head.entity);
	if (!e || line->head.seq >= e->head.seq ||
		box_of_entity(sim_now, &e->id) >= MOST_BOXES)
		return false;
	return mutation_on == MUTATE_LOWER_HEAD_IGNORED ||
		   (line->head.alive &&
			   uuid_equal(&line->head.incarnation, &e->head.incarnation));
}

int __real_payload_next(
	const struct payload *p, size_t *at, struct payload_line *out, const char **why);
int __wrap_payload_next(
	const struct payload *p, size_t *at, struct payload_line *out, const char **why);
int __wrap_payload_next(
	const struct payload *p, size_t *at, struct payload_line *out, const char **why)
{
	const struct cache_entity *e;
	int got;

	do
		got = __real_payload_next(p, at, out, why);
	while (got == 1 && line_is_left_out(out));
	if (got != 1 || !mutation_on)
		return got;
	if (mutation_on == MUTATE_ANY_INCARNATION && out->type == LINE_HEAD) {
		e = known_of(&out->head.entity);
		if (e && e->head.incarnation.text[0])
			out->head.incarnation = e->head.incarnation;
	}
	return got;
}

/* The listener does that with its own words that come back, and only with them. */
void __real_cache_restamp(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v);
void __wrap_cache_restamp(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v);
void __wrap_cache_restamp(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v)
{
	if (mutation_on == MUTATE_ECHO_APPLIED)
		cache_put(c, e, kind, key, v);
	else
		__real_cache_restamp(c, e, kind, key, v);
}

void __real_cache_put(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v);
void __wrap_cache_put(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v);
void __wrap_cache_put(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v)
{
	check_put(sim_now, e, kind, key, v);
	__real_cache_put(c, e, kind, key, v);
}

void __real_cache_sweep(struct cache *c, struct cache_entity *e);
void __wrap_cache_sweep(struct cache *c, struct cache_entity *e);
void __wrap_cache_sweep(struct cache *c, struct cache_entity *e)
{
	if (mutation_on != MUTATE_NO_SWEEP)
		__real_cache_sweep(c, e);
}

void __real_cache_entity_flags(
	struct cache *c, struct cache_entity *e, bool alive, bool reporting);
void __wrap_cache_entity_flags(
	struct cache *c, struct cache_entity *e, bool alive, bool reporting);
void __wrap_cache_entity_flags(
	struct cache *c, struct cache_entity *e, bool alive, bool reporting)
{
	__real_cache_entity_flags(c, e, alive || mutation_on == MUTATE_DEAD_COUNT, reporting);
}

void __real_outbox_failed(struct outbox *o);
void __wrap_outbox_failed(struct outbox *o);
void __wrap_outbox_failed(struct outbox *o)
{
	if (mutation_on == MUTATE_FLIGHT_IS_CLEAN)
		outbox_acked(o, sim_now->current->node->lease.seq);
	else
		__real_outbox_failed(o);
}

size_t __real_outbox_take(
	struct outbox *o, struct batch_item *items, size_t max, int64_t now_us, bool *force);
size_t __wrap_outbox_take(
	struct outbox *o, struct batch_item *items, size_t max, int64_t now_us, bool *force);
size_t __wrap_outbox_take(
	struct outbox *o, struct batch_item *items, size_t max, int64_t now_us, bool *force)
{
	size_t most = sim_now->plan.batch, kept = 0;
	size_t n = __real_outbox_take(o, items, max < most ? max : most, now_us, force);

	for (size_t i = 0; i < n; i++) {
		if (mutation_on == MUTATE_AGES_FORGOTTEN)
			items[i].age_us = 0;
		if (mutation_on == MUTATE_NO_TOMBS && *force && items[i].removed)
			continue;
		items[kept++] = items[i];
	}
	if (mutation_on == MUTATE_NO_FORCE)
		*force = false;
	return kept;
}

void __real_outbox_compare_begin(struct outbox *o, bool adopt);
void __wrap_outbox_compare_begin(struct outbox *o, bool adopt);
void __wrap_outbox_compare_begin(struct outbox *o, bool adopt)
{
	__real_outbox_compare_begin(o, adopt && mutation_on != MUTATE_NOT_ADOPTED);
}

void __real_listener_notify(struct listener *l, const char *text, size_t len);
void __wrap_listener_notify(struct listener *l, const char *text, size_t len);
void __wrap_listener_notify(struct listener *l, const char *text, size_t len)
{
	if (mutation_on == MUTATE_NOTES_NOT_KEPT && !listener_is_loaded(l))
		return;
	__real_listener_notify(l, text, len);
}

void __real_node_report_begin(struct node *n);
void __wrap_node_report_begin(struct node *n);
void __wrap_node_report_begin(struct node *n)
{
	__real_node_report_begin(n);
	if (mutation_on == MUTATE_REPORTS_EARLY)
		publisher_set_reporting(n->publisher, true, 0);
}

void __real_publisher_set_reporting(struct publisher *p, bool reporting, uint64_t mark);
void __wrap_publisher_set_reporting(struct publisher *p, bool reporting, uint64_t mark);
void __wrap_publisher_set_reporting(struct publisher *p, bool reporting, uint64_t mark)
{
	__real_publisher_set_reporting(
		p, reporting, mutation_on == MUTATE_REPORT_BEFORE_ROWS ? 0 : mark);
}

void __real_node_report_lost(struct node *n);
void __wrap_node_report_lost(struct node *n);
void __wrap_node_report_lost(struct node *n)
{
	if (mutation_on == MUTATE_CUT_SWEEPS)
		node_report_end(n);
	if (mutation_on != MUTATE_LINK_FOR_EVER)
		__real_node_report_lost(n);
}

int __real_announced_pulse(
	struct announced *list, struct cache *c, struct cache_entity *e);
int __wrap_announced_pulse(
	struct announced *list, struct cache *c, struct cache_entity *e);
int __wrap_announced_pulse(
	struct announced *list, struct cache *c, struct cache_entity *e)
{
	return mutation_on == MUTATE_ANNOUNCED_FOR_EVER ? 0
													: __real_announced_pulse(list, c, e);
}

typedef void report_ended(
	void *arg, enum key_kind kind, const char *key, const struct value *v);
void __real_outbox_report_end(
	struct outbox *o, int64_t now_us, report_ended *fn, void *arg);
void __wrap_outbox_report_end(
	struct outbox *o, int64_t now_us, report_ended *fn, void *arg);
void __wrap_outbox_report_end(
	struct outbox *o, int64_t now_us, report_ended *fn, void *arg)
{
	if (mutation_on != MUTATE_END_KEEPS)
		__real_outbox_report_end(o, now_us, fn, arg);
}

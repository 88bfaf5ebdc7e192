/* What must hold: at every step, and when all faults are over. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_parts.h"
#include "sim.h"

#define LATE_US (6 * SECOND) /* the longest way of a request to the database */

uint32_t device_bit(const struct value *v)
{
	return UINT32_C(1) << ((int)v->state * 2 + v->held);
}

static int key_number(enum key_kind kind, const char *key)
{
	for (int i = 0; i < MOST_SIM_KEYS; i++) {
		if (strcmp(key_name(kind, i), key) == 0)
			return i;
	}
	return -1;
}

/* May what was known at that time be older than what the database says now? */
static bool rewound_since(const struct sim *sim, int64_t at_us)
{
	int up = 0;

	for (int i = 0; i < sim->nservers; i++)
		up += sim->servers[i].up;
	return up > 1 || at_us <= sim->lenient_until_us;
}

/* ---- at every step ---- */

void check_untold(void *arg, const char *what)
{
	struct sim *sim = arg;

	sim_fail(sim, "%s", what);
}

void check_written(void *arg, const struct entity_id *id, enum key_kind kind,
	const char *key, const struct value *v)
{
	struct sim *sim = arg;

	(void)id;
	(void)key;
	if (kind == KEY_MAILBOX && v && v->fresh < MOST_VERSIONS)
		sim->versions[v->fresh].order = ++sim->commit_order;
}

/* An ack means that the database has it, or had it, or it was overtaken by another word.
 */
void check_acked(struct box *b, int key, uint32_t version)
{
	const struct said *said = &b->said[KEY_MAILBOX][key];

	/* what is not published any more counts as acknowledged */
	if (b->sim->done[FAULT_TOGGLE] > 0 || !said->present || said->value.fresh != version)
		return;
	if (b->sim->versions[version].order == 0 && !b->sim->versions[version].repeated)
		sim_fail(b->sim, "%s was told that %s %u is acknowledged, it was never written",
			b->name, key_name(KEY_MAILBOX, key), version);
}

static void left_behind_note(struct box *b, struct server *s)
{
	struct left_behind *left = &b->left_behind;

	if (left->known)
		return;
	left->known = true;
	left->server = s;
	left->at_us = b->sim->now_us;
	for (int i = 0; i < KEY_KINDS * b->sim->plan.keys; i++) {
		int kind = i % KEY_KINDS, key = i / KEY_KINDS;
		const struct value *v = model_row(
			s->model, &b->id, (enum key_kind)kind, key_name((enum key_kind)kind, key));

		left->present[kind][key] = v && v->held;
		if (v)
			left->values[kind][key] = *v;
	}
}

void check_alive(struct sim *sim, const struct server *s, struct lives *out)
{
	memset(out, 0, sizeof(*out));
	for (int i = 0; i < sim->nboxes; i++) {
		struct payload_head head;

		if (!model_head(s->model, &sim->boxes[i].id, &head))
			continue;
		out->alive[i] = head.alive;
		out->seq[i] = head.seq;
	}
}

/* tick() makes nobody's seq move: nobody would hear of it. And after an outage that can
 * be seen (ticks are half a second apart), all get a new lease. */
void check_reaped(struct sim *sim, const struct server *s, const struct lives *was)
{
	struct lives now;
	int64_t lease_us = sim->plan.lease_ms * MS;
	bool outage = s->up_since_us - s->down_since_us >= 1600 * MS &&
				  sim->now_us - s->up_since_us <= lease_us && !sim->clock_jumped;

	check_alive(sim, s, &now);
	for (int i = 0; i < sim->nboxes; i++) {
		if (now.seq[i] != was->seq[i])
			sim_fail(sim, "the reaper moved seq of box%d", i);
		if (outage && was->alive[i] && !now.alive[i])
			sim_fail(sim, "box%d is reaped %.1f s after an outage, its lease is %.0f s",
				i, (double)(sim->now_us - s->up_since_us) / SECOND,
				(double)lease_us / SECOND);
	}
}

/* Only the session that was given the entity last may write for it. */
void check_ran(struct wire *w, const struct db_request *req, const struct db_result *res)
{
	struct sim *sim = w->box->sim;
	int entity = box_of_entity(sim, &w->box->id);
	struct wire **holder = &sim->holders[w->server->number][entity];

	if (!res->ok)
		return;
	if (req->op == DB_REGISTER && res->lease.outcome == DB_REGISTERED)
		left_behind_note(w->box, w->server);
	if (req->op == DB_REGISTER || req->op == DB_RESUME) {
		if (res->lease.outcome != DB_LOST && res->lease.outcome != DB_REFUSED)
			*holder = w;
	} else if (req->op == DB_PUBLISH && *holder && *holder != w) {
		sim_fail(sim, "%s wrote in session %d though the entity is %s's in session %d",
			w->box->name, w->number, (*holder)->box->name, (*holder)->number);
	}
}

static bool may_be_mixed_up(const struct sim *sim)
{
	return sim->lenient_until_us > 0 || sim->tampered || sim->nboxes > sim->plan.boxes;
}

/* Of a device that is local nothing is sent, and what a PBX says of a toggle may be what
 * it took over from the cluster. */
static bool may_be_no_word(const struct sim *sim, enum key_kind kind)
{
	return kind == KEY_DEVICE && sim->done[FAULT_POLICY] > 0;
}

void check_reporting(struct box *b)
{
	if (!b->node->report.reporting)
		sim_fail(b->sim, "%s says that all is reported, it is not", b->name);
}

void check_reported(struct wire *w, struct said said[KEY_KINDS][MOST_SIM_KEYS])
{
	struct sim *sim = w->box->sim;

	if (may_be_mixed_up(sim))
		return;
	for (int i = 0; i < KEY_KINDS * sim->plan.keys; i++) {
		const struct said *s = &said[i % KEY_KINDS][i / KEY_KINDS];
		const char *key = key_name((enum key_kind)(i % KEY_KINDS), i / KEY_KINDS);
		const struct value *v =
			model_row(w->server->model, &w->box->id, (enum key_kind)(i % KEY_KINDS), key);

		if (!s->stated || !w->box->publish[i % KEY_KINDS] ||
			may_be_no_word(sim, (enum key_kind)(i % KEY_KINDS)))
			continue;
		if (s->present != (v != NULL) ||
			(v && !value_same((enum key_kind)(i % KEY_KINDS), v, &s->value)))
			sim_fail(sim, "the database is told that %s reported all, it lacks %s",
				w->box->name, key);
	}
}

static void check_mailbox(struct box *b, int entity, int key, uint32_t number)
{
	struct sim *sim = b->sim;
	struct shown *shown = &b->shown[entity][key];
	const struct version *v = &sim->versions[number];

	if ((int)number >= sim->next_version || v->entity != entity || v->key != key ||
		v->order == 0)
		sim_fail(sim, "%s shows %s of box%d as %u: it never was", b->name,
			key_name(KEY_MAILBOX, key), entity, number);
	if (v->repeated)
		return;
	if (v->order < shown->order && !rewound_since(sim, shown->at_us))
		sim_fail(sim, "%s shows %s of box%d as %u, which is older than what it showed",
			b->name, key_name(KEY_MAILBOX, key), entity, number);
	shown->order = v->order;
	shown->at_us = sim->now_us;
}

void check_put(struct sim *sim, const struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v)
{
	int entity = box_of_entity(sim, &e->id), number = key_number(kind, key);

	if (e->self || !sim->current)
		return;
	if (entity < 0 || number < 0)
		sim_fail(sim, "%s shows %s of somebody unknown", sim->current->name, key);
	if (kind == KEY_MAILBOX)
		check_mailbox(sim->current, entity, number, v->fresh);
	else if (!(sim->device_said[entity][number] & device_bit(v)))
		sim_fail(sim, "%s shows %s of box%d as %s: it never said so", sim->current->name,
			key, entity, state_name(v->state));
}

/* What is known of an entity does not go back, but after a rewind. */
static void check_head(struct box *b, const struct cache_entity *e)
{
	struct sim *sim = b->sim;
	int entity = box_of_entity(sim, &e->id);
	struct known *was = &b->heads[entity < 0 ? 0 : entity];

	if (entity < 0 || e->self)
		return;
	if (uuid_equal(&was->incarnation, &e->head.incarnation) && e->head.seq < was->seq &&
		!rewound_since(sim, was->at_us))
		sim_fail(sim, "%s went back from seq %lld to %lld of box%d", b->name,
			(long long)was->seq, (long long)e->head.seq, entity);
	if (was->seq == e->head.seq && uuid_equal(&was->incarnation, &e->head.incarnation))
		return;
	was->incarnation = e->head.incarnation;
	was->seq = e->head.seq;
	was->at_us = sim->now_us;
}

/* Since when nobody is behind an entity; 0: somebody is; INT64_MAX: cannot be said. */
static int64_t dead_since_us(const struct sim *sim, int entity)
{
	int64_t since_us = 0;

	if (entity >= MOST_BOXES && (sim->clock_jumped || may_be_mixed_up(sim)))
		return 0;
	if (entity >= MOST_BOXES)
		return sim->static_until_us[entity - MOST_BOXES];
	for (int i = 0; i < sim->nboxes; i++) {
		const struct box *b = &sim->boxes[i];

		if (!entity_id_equal(&b->id, &sim->boxes[entity].id))
			continue;
		if (b->node)
			return 0;
		if (b->dead_since_us > since_us)
			since_us = b->dead_since_us;
	}
	return since_us;
}

/* It waits for what will never come, and does not know it yet. */
static bool is_deaf(const struct line *l)
{
	return l->wire && l->wire->silent;
}

/* Nothing of a dead entity counts after the bound, where nothing else is wrong. */
static void check_bound(struct box *b, const struct cache_entity *e)
{
	struct sim *sim = b->sim;
	int entity = box_of_entity(sim, &e->id);
	int64_t since_us = entity < 0 || e->self ? 0 : dead_since_us(sim, entity);

	if (!since_us || !b->ready_since_us || !e->head.alive || is_deaf(&b->lines[MAIN]) ||
		is_deaf(&b->lines[READER]))
		return;
	if (since_us < sim->calm_us)
		since_us = sim->calm_us;
	if (since_us < sim->noticed_us)
		since_us = sim->noticed_us;
	if (since_us < b->ready_since_us)
		since_us = b->ready_since_us;
	if (sim->now_us > since_us + bound_us(&sim->plan))
		sim_fail(sim, "%s takes %s%d for alive, %.1f s after its end", b->name,
			entity < MOST_BOXES ? "box" : "SQL ", entity % MOST_BOXES,
			(double)(sim->now_us - since_us) / SECOND);
}

/* By hand, under a key of the link: who speaks from a console owns it. */
static bool row_was_taken_over(const struct box *b, int key, const struct value *own)
{
	return own && own->held && b->sim->tampered && box_has_link_key(b, key);
}

/* A key that the link spoke of stays until it or a whole report takes it away. */
static void check_link_keys(struct box *b)
{
	for (int i = 0; i < KEY_KINDS * b->sim->plan.keys; i++) {
		enum key_kind kind = (enum key_kind)(i % KEY_KINDS);
		const struct said *said = &b->said[kind][i / KEY_KINDS];
		const char *key = key_name(kind, i / KEY_KINDS);
		const struct value *own;
		struct value value = said->value;

		if (!said->stated || !box_has_link_key(b, i / KEY_KINDS) ||
			may_be_no_word(b->sim, kind))
			continue;
		own = outbox_get(b->node->outbox, kind, key);
		if (row_was_taken_over(b, i / KEY_KINDS, own))
			continue;
		if (own && !b->pbx.complete)
			value.held = own->held; /* until the end of a report, whoever's it was */
		if (said->present != (own != NULL) || (own && !value_same(kind, own, &value)))
			sim_fail(b->sim, "%s does not have what its PBX said of %s", b->name, key);
	}
}

void check_box(struct box *b)
{
	struct cache *c = b->node->cache;

	for (int i = 0; i < cache_entities(c); i++) {
		check_head(b, cache_entity_at(c, i));
		check_bound(b, cache_entity_at(c, i));
	}
	if (outbox_dirty(b->node->outbox) > (size_t)(KEY_KINDS * b->sim->plan.keys))
		sim_fail(b->sim, "%s has more that waits than it has keys", b->name);
	check_link_keys(b);
}

/* ---- at the end ---- */

struct look {
	struct box *box;
	const struct model *model;
	struct buf *why;
	bool good;
	const struct entity_id *id; /* whose rows */
	const struct cache_entity *entity;
	int rows;
};

static void differs(struct look *look, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void differs(struct look *look, const char *fmt, ...)
{
	va_list ap;

	if (!look->good)
		return; /* the first thing that differs says enough */
	look->good = false;
	buf_reset(look->why);
	buf_addf(look->why, "%s: ", look->box->name);
	va_start(ap, fmt);
	buf_addv(look->why, fmt, ap);
	va_end(ap);
}

static bool is_local(const struct look *look, enum key_kind kind, const char *key)
{
	struct policies *policies = model_policies(look->model);
	enum policy policy = policies_of(policies, kind, key);

	policies_free(policies);
	return policy == POLICY_LOCAL;
}

static bool row_is_in_outbox(
	void *arg, enum key_kind kind, const char *key, const struct value *v)
{
	struct look *look = arg;
	const struct value *own = outbox_get(look->box->node->outbox, kind, key);

	if (!look->box->publish[kind] || is_local(look, kind, key))
		differs(look, "the database has %s, which is not published", key);
	else if (!own || !value_same(kind, own, v))
		differs(look, "the database has %s, %s %u; it said %s %u", key,
			state_name(v->state), v->fresh, own ? state_name(own->state) : "nothing",
			own ? own->fresh : 0);
	return true;
}

static void row_is_in_database(void *arg, enum key_kind kind, const char *key,
	const struct value *v, int64_t said_us)
{
	struct look *look = arg;
	struct node *n = look->box->node;
	const struct value *shown = cache_get(n->cache, n->self, kind, key);

	(void)said_us;
	if (look->box->publish[kind] && !is_local(look, kind, key) &&
		!model_row(look->model, &look->box->id, kind, key))
		differs(look, "the database does not have %s", key);
	if (!shown || !value_same(kind, shown, v))
		differs(look, "does not show its own %s", key);
	look->rows++;
}

/* What was said here since the process began is what its outbox has. */
static void check_said(struct look *look)
{
	struct box *b = look->box;

	for (int i = 0; i < KEY_KINDS * b->sim->plan.keys; i++) {
		enum key_kind kind = (enum key_kind)(i % KEY_KINDS);
		const char *key = key_name(kind, i / KEY_KINDS);
		const struct said *said = &b->said[kind][i / KEY_KINDS];
		const struct value *own = outbox_get(b->node->outbox, kind, key);

		if (!said->stated || row_was_taken_over(b, i / KEY_KINDS, own) ||
			(box_has_link_key(b, i / KEY_KINDS) && may_be_no_word(b->sim, kind)))
			continue;
		if (said->present != (own != NULL) ||
			(own && !value_same(kind, own, &said->value)))
			differs(look, "its outbox does not have what it said of %s", key);
	}
}

/* What an earlier process left in the database, and nobody spoke of since, is still said.
 */
static void check_left_behind(struct look *look)
{
	struct box *b = look->box;
	const struct left_behind *left = &b->left_behind;

	if (!left->known || left->server != &b->sim->servers[b->sim->primary] ||
		left->at_us <= b->sim->lenient_until_us || b->sim->tampered ||
		b->sim->nboxes > b->sim->plan.boxes)
		return;
	for (int i = 0; i < KEY_KINDS * b->sim->plan.keys; i++) {
		enum key_kind kind = (enum key_kind)(i % KEY_KINDS);
		int key = i / KEY_KINDS;
		const struct value *own = outbox_get(b->node->outbox, kind, key_name(kind, key));

		if (left->present[kind][key] && !b->said[kind][key].stated &&
			(!own || !value_same(kind, own, &left->values[kind][key])))
			differs(look, "it did not take over %s from the process before it",
				key_name(kind, key));
	}
}

/* The database must not think that it was said later than it was. */
static void check_stamps(struct look *look)
{
	struct box *b = look->box;
	int64_t offset_us =
		INT64_C(1700000000) * SECOND + b->sim->servers[b->sim->primary].clock_offset_us;

	if (b->sim->clock_jumped || b->sim->tampered ||
		b->sim->done[FAULT_LATE_REQUEST] > 0 || b->sim->done[FAULT_PARTITION] > 0)
		return;
	for (int i = 0; i < KEY_KINDS * b->sim->plan.keys; i++) {
		enum key_kind kind = (enum key_kind)(i % KEY_KINDS);
		const struct said *said = &b->said[kind][i / KEY_KINDS];
		const struct value *v =
			model_row(look->model, &b->id, kind, key_name(kind, i / KEY_KINDS));

		if (!said->stated || !said->present || !v)
			continue;
		if (v->stamp_us - offset_us > said->at_us + LATE_US)
			differs(look, "the database thinks that %s was said %.1f s later than it was",
				key_name(kind, i / KEY_KINDS),
				(double)(v->stamp_us - offset_us - said->at_us) / SECOND);
	}
}

/* Its PBX is there and told all, or what it said does not count. */
static void check_report(struct look *look, bool reporting)
{
	const struct pbx *p = &look->box->pbx;

	if (p->alive && (!p->linked || !p->complete))
		differs(look, "its PBX did not report yet");
	if (reporting != p->alive)
		differs(look, "its PBX is %s, in the database it %s", p->alive ? "there" : "away",
			reporting ? "reports" : "does not report");
}

static void check_own(struct look *look)
{
	struct node *n = look->box->node;
	struct payload_head head;

	if (outbox_dirty(n->outbox) > 0)
		differs(look, "%zu keys are not sent", outbox_dirty(n->outbox));
	if (!model_head(look->model, &look->box->id, &head))
		differs(look, "the database does not know it");
	else if (!head.alive || head.seq != n->lease.seq ||
			 !uuid_equal(&head.incarnation, &n->lease.incarnation))
		differs(look, "the database's head is another one: alive %d, seq %lld, own %lld",
			head.alive, (long long)head.seq, (long long)n->lease.seq);
	if (model_head(look->model, &look->box->id, &head))
		check_report(look, head.reporting);
	check_said(look);
	check_left_behind(look);
	check_stamps(look);
	look->rows = 0;
	outbox_each(n->outbox, row_is_in_database, look);
	if (look->rows != n->self->rows[KEY_DEVICE] + n->self->rows[KEY_MAILBOX])
		differs(look, "shows more of its own than it said");
	model_each_row(look->model, &look->box->id, row_is_in_outbox, look);
}

static bool row_is_in_cache(
	void *arg, enum key_kind kind, const char *key, const struct value *v)
{
	struct look *look = arg;
	const struct value *shown =
		cache_get(look->box->node->cache, look->entity, kind, key);

	look->rows++;
	if (!shown || !value_same(kind, shown, v))
		differs(look, "shows %s %u for %s of box%d, the database %s %u",
			shown ? state_name(shown->state) : "nothing", shown ? shown->fresh : 0, key,
			box_of_entity(look->box->sim, look->id), state_name(v->state), v->fresh);
	return true;
}

static void check_other(struct look *look, const struct payload_head *head)
{
	struct cache *c = look->box->node->cache;
	const struct cache_entity *e = cache_entity_find(c, look->id);
	int number = box_of_entity(look->box->sim, look->id);

	if (!e) {
		differs(look, "does not know box%d", number);
		return;
	}
	if (e->head.seq != head->seq || !uuid_equal(&e->head.incarnation, &head->incarnation))
		differs(look, "knows seq %lld of box%d, the database %lld",
			(long long)e->head.seq, number, (long long)head->seq);
	if (e->head.alive != head->alive || e->head.reporting != head->reporting)
		differs(look, "takes box%d for %s, the database does not", number,
			e->head.alive ? "alive" : "dead");
	look->entity = e;
	look->rows = 0;
	model_each_row(look->model, look->id, row_is_in_cache, look);
	if (look->rows != e->rows[KEY_DEVICE] + e->rows[KEY_MAILBOX])
		differs(look, "shows more of box%d than the database has", number);
}

/* ---- sums ---- */

struct truth {
	enum policy policy;
	unsigned set; /* of devices */
	bool any;
	int64_t stamp_us;
	struct entity_id writer;
	enum device_state state;
	uint32_t newest, sum, most;
};

static void truth_add(struct truth *t, const struct entity_id *id, const struct value *v)
{
	int order = memcmp(id, &t->writer, sizeof(*id));

	t->set |= state_bit(v->state);
	t->sum += v->fresh;
	if (v->fresh > t->most)
		t->most = v->fresh;
	if (t->any &&
		(v->stamp_us < t->stamp_us || (v->stamp_us == t->stamp_us && order < 0)))
		return;
	t->any = true;
	t->stamp_us = v->stamp_us;
	t->writer = *id;
	t->state = v->state;
	t->newest = v->fresh;
}

/* Does this row of somebody else count? */
static bool row_counts(const struct look *look, enum key_kind kind, enum policy policy,
	const struct payload_head *head, const struct value *v)
{
	bool of_sql = box_of_entity(look->box->sim, &head->entity) >= MOST_BOXES;

	if (!look->box->subscribe[kind] || policy == POLICY_LOCAL)
		return false;
	if (kind == KEY_DEVICE && policy == POLICY_LATEST)
		return head->alive || !of_sql;
	return head->alive && (v->held || head->reporting);
}

/* What it adds up to, by what the database has of others and the node of itself. */
static void truth_find(
	struct look *look, enum key_kind kind, const char *key, struct truth *t)
{
	struct node *n = look->box->node;
	struct policies *policies = model_policies(look->model);
	bool own = n->phase == NODE_READY;
	struct payload_head head;

	memset(t, 0, sizeof(*t));
	t->policy = policies_of(policies, kind, key);
	policies_free(policies);
	for (int i = 0; model_entity_at(look->model, i, &head); i++) {
		const struct value *v = model_row(look->model, &head.entity, kind, key);
		bool self = own && entity_id_equal(&head.entity, &look->box->id);
		bool last = kind == KEY_DEVICE && t->policy == POLICY_LATEST;

		if (self && (!look->box->publish[kind] || t->policy == POLICY_LOCAL))
			v = cache_get(n->cache, n->self, kind, key);
		if (!v)
			continue;
		if (self ? v->held || n->report.reporting || last
				 : row_counts(look, kind, t->policy, &head, v))
			truth_add(t, &head.entity, v);
	}
}

static void check_device(struct look *look, int number)
{
	const char *key = key_name(KEY_DEVICE, number);
	struct truth t;
	enum device_state is = node_device_state(look->box->node, key), should;

	truth_find(look, KEY_DEVICE, key, &t);
	should = t.any ? state_sum(t.set) : state_default(key);
	if (t.any && t.policy == POLICY_LATEST)
		should = t.state;
	if (is != should)
		differs(look, "says %s is %s, it is %s (%s)", key, state_name(is),
			state_name(should), policy_name(t.policy));
}

static void check_mailbox_sum(struct look *look, int number)
{
	const char *key = key_name(KEY_MAILBOX, number);
	struct truth t;
	struct sum sum;
	uint32_t should;

	truth_find(look, KEY_MAILBOX, key, &t);
	should = t.policy == POLICY_SUM ? t.sum : t.policy == POLICY_MAX ? t.most : t.newest;
	cache_sum(look->box->node->cache, KEY_MAILBOX, key, &sum);
	if (sum.value.fresh != should)
		differs(look, "says %s has %u, it has %u (%s)", key, sum.value.fresh, should,
			policy_name(t.policy));
}

static void check_hint(struct look *look, int number)
{
	struct box *b = look->box;
	const struct hint *hint = hints_at(b->hints, number);
	int keys = b->sim->plan.keys;
	enum device_state one = node_device_state(b->node, key_name(KEY_DEVICE, number));
	enum device_state two =
		node_device_state(b->node, key_name(KEY_DEVICE, (number + 1) % keys));
	enum exten_state should = exten_state_of(state_sum(state_bit(one) | state_bit(two)));

	if (hint->state != should || b->watched[number] != (int)should)
		differs(look, "hint %d is %s and told as %d, it is %s", number,
			exten_state_label(hint->state), b->watched[number],
			exten_state_label(should));
}

/* ---- all of it ---- */

/* Of boxes with one entity id, one holds it; the others are refused. */
static bool box_is_refused(const struct box *b)
{
	for (int i = 0; i < b->sim->nboxes; i++) {
		const struct box *other = &b->sim->boxes[i];

		if (other != b && other->node && entity_id_equal(&other->id, &b->id) &&
			other->node->phase == NODE_READY && b->node->phase == NODE_REFUSED)
			return true;
	}
	return false;
}

static void check_node(struct look *look)
{
	struct box *b = look->box;
	struct sim *sim = b->sim;
	bool refused = box_is_refused(b);
	struct payload_head head;

	if (!refused && b->node->phase != NODE_READY)
		differs(look, "is %s", node_phase_name(b->node->phase));
	if (cache_is_stale(b->node->cache))
		differs(look, "takes the others for stale");
	if (!refused)
		check_own(look);
	for (int i = 0; model_entity_at(look->model, i, &head); i++) {
		look->id = &head.entity;
		if (refused || !entity_id_equal(look->id, &b->id))
			check_other(look, &head);
	}
	for (int i = 0; i < cache_entities(b->node->cache); i++) {
		const struct cache_entity *e = cache_entity_at(b->node->cache, i);

		if (!e->self && !model_head(look->model, &e->id, &head) &&
			e->rows[KEY_DEVICE] + e->rows[KEY_MAILBOX] > 0)
			differs(look, "shows box%d, which is removed", box_of_entity(sim, &e->id));
	}
	for (int i = 0; i < sim->plan.keys; i++) {
		check_device(look, i);
		check_mailbox_sum(look, i);
		check_hint(look, i);
	}
}

/* Nobody lives who has no process. */
static void check_dead(struct look *look)
{
	struct sim *sim = look->box->sim;
	struct payload_head head;

	for (int i = 0; i < sim->nboxes; i++) {
		if (sim->boxes[i].node && entity_id_equal(&sim->boxes[i].id, &look->box->id))
			return;
	}
	if (model_head(look->model, &look->box->id, &head) && head.alive)
		differs(look, "is dead, the database takes it for alive");
}

/* What SQL said is there, as long as it was to count. */
static void check_static(struct look *look, int number)
{
	struct sim *sim = look->box->sim;
	int64_t until_us = sim->static_until_us[number];
	struct payload_head head;

	if (sim->clock_jumped || may_be_mixed_up(sim) ||
		!model_head(look->model, &sim->statics[number], &head))
		return;
	if (until_us && head.alive && sim->now_us > until_us + 2 * SECOND)
		differs(look, "the words of SQL %d are over, they count", number);
	if (!head.alive)
		return;
	for (int i = 0; i < KEY_KINDS * sim->plan.keys; i++) {
		enum key_kind kind = (enum key_kind)(i % KEY_KINDS);
		const struct said *said = &sim->static_said[number][kind][i / KEY_KINDS];
		const char *key = key_name(kind, i / KEY_KINDS);
		const struct value *v = model_row(look->model, &head.entity, kind, key);

		if (said->present != (v != NULL) || (v && !value_same(kind, v, &said->value)))
			differs(
				look, "of %s the database does not have what SQL %d said", key, number);
	}
}

bool check_agree(struct sim *sim, struct buf *why)
{
	struct look look = {
		.model = sim->servers[sim->primary].model, .why = why, .good = true};
	bool any = false;

	for (int i = 0; i < sim->nboxes; i++)
		any = any || sim->boxes[i].node;
	for (int i = 0; any && i < sim->nboxes; i++) {
		look.box = &sim->boxes[i];
		if (look.box->node)
			check_node(&look);
		else
			check_dead(&look);
	}
	for (int i = 0; any && i < STATICS; i++)
		check_static(&look, i);
	return look.good;
}

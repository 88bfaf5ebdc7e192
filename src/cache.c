/*
 * Stage 7: cache.
 * In:    facts of one entity at a time (listener), own statements (node).
 * Out:   the sum of a key changed -> one callback.
 * Owns:  entities, keys, rows (entity, key) -> value; the sum of each key.
 * Never: I/O, time, SQL.
 *
 * A row hangs in two lists: its key's (to add up) and its entity's (to take all back when
 * the entity dies). Keys are found by hash; a key without rows does not exist.
 */
#include "cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct cache_row {
	struct cache_row *next;          /* of the key */
	struct cache_row *eprev, *enext; /* of the entity */
	struct cache_key *key;
	struct cache_entity *entity;
	struct value value;
	unsigned mark;
};

struct cache_key {
	struct cache_key *next; /* in the bucket */
	struct cache_row *rows;
	struct sum sum;
	uint32_t hash;
	enum key_kind kind;
	char name[];
};

struct cache {
	struct cache_callbacks cb;
	void *arg;
	struct cache_key **buckets;
	size_t nbuckets; /* a power of two */
	int64_t nkeys[KEY_KINDS];
	struct cache_entity **entities; /* by id */
	int nentities;
	unsigned generation;
	const struct policies *policies; /* of keys: kept in their sums */
	bool stale;
	bool unsubscribed[KEY_KINDS];
};

#define FIRST_BUCKETS 256

/* ---- keys ---- */

/* FNV-1a; keys come from the cluster's own members, so a seed against floods is not
 * needed. */
static uint32_t key_hash(enum key_kind kind, const char *name)
{
	uint32_t h = 2166136261u ^ (uint32_t)kind;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

static struct cache_key *key_find(struct cache *c, enum key_kind kind, const char *name)
{
	uint32_t hash = key_hash(kind, name);
	struct cache_key *k = c->buckets[hash & (c->nbuckets - 1)];

	while (k && !(k->hash == hash && k->kind == kind && strcmp(k->name, name) == 0))
		k = k->next;
	return k;
}

static void keys_grow(struct cache *c)
{
	size_t n = c->nbuckets * 2;
	struct cache_key **buckets = mem_alloc(n * sizeof(*buckets));

	for (size_t i = 0; i < c->nbuckets; i++) {
		for (struct cache_key *k = c->buckets[i], *next; k; k = next) {
			next = k->next;
			k->next = buckets[k->hash & (n - 1)];
			buckets[k->hash & (n - 1)] = k;
		}
	}
	free(c->buckets);
	c->buckets = buckets;
	c->nbuckets = n;
}

static void sum_nobody(
	enum key_kind kind, const char *name, enum policy policy, struct sum *out)
{
	memset(out, 0, sizeof(*out));
	out->policy = policy;
	if (kind == KEY_DEVICE)
		out->value.state = state_default(name);
}

static struct cache_key *key_get(struct cache *c, enum key_kind kind, const char *name)
{
	struct cache_key *k = key_find(c, kind, name);
	size_t len = strlen(name);

	if (k)
		return k;
	if ((size_t)(c->nkeys[KEY_DEVICE] + c->nkeys[KEY_MAILBOX]) >= c->nbuckets)
		keys_grow(c);
	k = mem_alloc(sizeof(*k) + len + 1);
	k->hash = key_hash(kind, name);
	k->kind = kind;
	memcpy(k->name, name, len + 1);
	sum_nobody(kind, name, policies_of(c->policies, kind, name), &k->sum);
	k->next = c->buckets[k->hash & (c->nbuckets - 1)];
	c->buckets[k->hash & (c->nbuckets - 1)] = k;
	c->nkeys[kind]++;
	return k;
}

static void key_free_if_empty(struct cache *c, struct cache_key *k)
{
	struct cache_key **at = &c->buckets[k->hash & (c->nbuckets - 1)];

	if (k->rows)
		return;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	c->nkeys[k->kind]--;
	free(k);
}

/* ---- sums ---- */

static bool row_counts(const struct cache *c, const struct cache_row *r)
{
	const struct cache_entity *e = r->entity;
	enum key_kind kind = r->key->kind;
	enum policy policy = r->key->sum.policy;

	if (!e->self && (policy == POLICY_LOCAL || c->unsubscribed[kind]))
		return false;
	if (kind == KEY_DEVICE && policy == POLICY_LATEST)
		return e->head.alive || !e->who.is_static;
	if (!e->self && (c->stale || !e->head.alive))
		return false;
	return r->value.held || e->head.reporting;
}

/* The last word wins; of two at the same moment, the higher entity id's. */
static bool row_is_later(const struct cache_row *a, const struct cache_row *b)
{
	if (a->value.stamp_us != b->value.stamp_us)
		return a->value.stamp_us > b->value.stamp_us;
	return memcmp(&a->entity->id, &b->entity->id, sizeof(a->entity->id)) > 0;
}

/* All counts of a mailbox; as a value, each is at most MOST_MESSAGES. */
struct counts {
	uint64_t urgent, fresh, old;
};

#define MOST_MESSAGES 1000000

static void counts_add(struct counts *to, const struct value *v, enum policy policy)
{
	if (policy == POLICY_SUM) {
		to->urgent += v->urgent;
		to->fresh += v->fresh;
		to->old += v->old;
	} else {
		to->urgent = v->urgent > to->urgent ? v->urgent : to->urgent;
		to->fresh = v->fresh > to->fresh ? v->fresh : to->fresh;
		to->old = v->old > to->old ? v->old : to->old;
	}
}

static uint32_t counts_cap(uint64_t n)
{
	return n < MOST_MESSAGES ? (uint32_t)n : MOST_MESSAGES;
}

static void counts_value(const struct counts *counts, struct value *out)
{
	out->urgent = counts_cap(counts->urgent);
	out->fresh = counts_cap(counts->fresh);
	out->old = counts_cap(counts->old);
}

static void key_add_up(const struct cache *c, const struct cache_key *k, struct sum *out)
{
	enum policy policy = k->sum.policy;
	const struct cache_row *last = NULL;
	struct counts counts = {0};
	unsigned set = 0;

	sum_nobody(k->kind, k->name, policy, out);
	for (const struct cache_row *r = k->rows; r; r = r->next) {
		if (!row_counts(c, r))
			continue;
		out->entities++;
		set |= state_bit(r->value.state);
		counts_add(&counts, &r->value, policy);
		if (!last || row_is_later(r, last))
			last = r;
	}
	if (!last)
		return;
	out->value = last->value; /* the newest of those that count */
	if (policy == POLICY_AGGREGATE || policy == POLICY_LOCAL)
		out->value.state = state_sum(set);
	else
		out->writer = last->entity;
	if (policy == POLICY_SUM || policy == POLICY_MAX)
		counts_value(&counts, &out->value);
}

static bool sum_same(enum key_kind kind, const struct sum *a, const struct sum *b)
{
	if (kind == KEY_DEVICE)
		return a->value.state == b->value.state;
	return a->value.fresh == b->value.fresh && a->value.old == b->value.old &&
		   a->value.urgent == b->value.urgent;
}

static void key_update(struct cache *c, struct cache_key *k)
{
	struct sum was = k->sum, now;

	key_add_up(c, k, &now);
	k->sum = now;
	if (!sum_same(k->kind, &was, &k->sum) && c->cb.changed)
		c->cb.changed(c->arg, k->kind, k->name, &was, &k->sum);
}

/* ---- rows ---- */

static struct cache_row *row_find(struct cache_key *k, const struct cache_entity *e)
{
	struct cache_row *r = k ? k->rows : NULL;

	while (r && r->entity != e)
		r = r->next;
	return r;
}

static struct cache_row *row_new(struct cache_key *k, struct cache_entity *e)
{
	struct cache_row *r = mem_alloc(sizeof(*r));
	struct cache_row **at = &k->rows;

	r->key = k;
	r->entity = e;
	while (*at && memcmp(&(*at)->entity->id, &e->id, sizeof(e->id)) < 0)
		at = &(*at)->next; /* listings are in the order of ids */
	r->next = *at;
	*at = r;
	r->enext = e->rows_list;
	if (r->enext)
		r->enext->eprev = r;
	e->rows_list = r;
	e->rows[k->kind]++;
	return r;
}

static void row_free(struct cache_row *r)
{
	struct cache_row **at = &r->key->rows;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	if (r->enext)
		r->enext->eprev = r->eprev;
	if (r->eprev)
		r->eprev->enext = r->enext;
	else
		r->entity->rows_list = r->enext;
	r->entity->rows[r->key->kind]--;
	free(r);
}

static void row_remove(struct cache *c, struct cache_row *r)
{
	struct cache_key *k = r->key;

	row_free(r);
	key_update(c, k);
	if (c->cb.touched)
		c->cb.touched(c->arg, k->kind, k->name);
	key_free_if_empty(c, k);
}

void cache_put(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v)
{
	struct cache_key *k = key_get(c, kind, key);
	struct cache_row *r = row_find(k, e);
	bool same = r && value_same(kind, &r->value, v);

	if (!r)
		r = row_new(k, e);
	r->value = *v;
	r->mark = e->mark;
	key_update(c, k);
	if (!same && c->cb.touched)
		c->cb.touched(c->arg, kind, key);
}

void cache_remove(
	struct cache *c, struct cache_entity *e, enum key_kind kind, const char *key)
{
	struct cache_row *r = row_find(key_find(c, kind, key), e);

	if (r)
		row_remove(c, r);
}

const struct value *cache_get(
	struct cache *c, const struct cache_entity *e, enum key_kind kind, const char *key)
{
	const struct cache_row *r = row_find(key_find(c, kind, key), e);

	return r ? &r->value : NULL;
}

/* ---- entities ---- */

static int entity_place(const struct cache *c, const struct entity_id *id, bool *found)
{
	int low = 0, high = c->nentities;

	*found = false;
	while (low < high) {
		int middle = (low + high) / 2;
		int order = memcmp(id, &c->entities[middle]->id, sizeof(*id));

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct cache_entity *cache_entity_find(struct cache *c, const struct entity_id *id)
{
	bool found;
	int at = entity_place(c, id, &found);

	return found ? c->entities[at] : NULL;
}

struct cache_entity *cache_entity_get(struct cache *c, const struct entity_id *id)
{
	bool found;
	int at = entity_place(c, id, &found);
	struct cache_entity *e;

	if (found)
		return c->entities[at];
	e = mem_alloc(sizeof(*e));
	e->id = *id;
	c->entities =
		mem_realloc(c->entities, (size_t)(c->nentities + 1) * sizeof(*c->entities));
	memmove(c->entities + at + 1, c->entities + at,
		(size_t)(c->nentities - at) * sizeof(*c->entities));
	c->entities[at] = e;
	c->nentities++;
	c->generation++;
	return e;
}

void cache_entity_remove(struct cache *c, struct cache_entity *e)
{
	bool found;
	int at = entity_place(c, &e->id, &found);

	assert(found);
	while (e->rows_list)
		row_remove(c, e->rows_list);
	c->nentities--;
	c->generation++;
	memmove(c->entities + at, c->entities + at + 1,
		(size_t)(c->nentities - at) * sizeof(*c->entities));
	free(e);
}

int cache_entities(const struct cache *c)
{
	return c->nentities;
}

struct cache_entity *cache_entity_at(const struct cache *c, int i)
{
	assert(i >= 0 && i < c->nentities);
	return c->entities[i];
}

unsigned cache_generation(const struct cache *c)
{
	return c->generation;
}

void cache_entity_renamed(struct cache *c)
{
	c->generation++;
}

static void entity_update(struct cache *c, struct cache_entity *e)
{
	for (struct cache_row *r = e->rows_list; r; r = r->enext) {
		key_update(c, r->key);
		if (c->cb.touched)
			c->cb.touched(c->arg, r->key->kind, r->key->name);
	}
}

void cache_entity_flags(
	struct cache *c, struct cache_entity *e, bool alive, bool reporting)
{
	if (e->head.alive == alive && e->head.reporting == reporting)
		return;
	e->head.alive = alive;
	e->head.reporting = reporting;
	c->generation++;
	entity_update(c, e);
}

void cache_set_self(struct cache *c, struct cache_entity *e, bool self)
{
	e->self = self;
	c->generation++;
	entity_update(c, e);
}

static void others_update(struct cache *c)
{
	for (int i = 0; i < c->nentities; i++) {
		if (!c->entities[i]->self)
			entity_update(c, c->entities[i]);
	}
}

void cache_set_stale(struct cache *c, bool stale)
{
	if (c->stale == stale)
		return;
	c->stale = stale;
	others_update(c);
}

bool cache_is_stale(const struct cache *c)
{
	return c->stale;
}

void cache_set_subscribed(struct cache *c, enum key_kind kind, bool subscribed)
{
	if (c->unsubscribed[kind] == !subscribed)
		return;
	c->unsubscribed[kind] = !subscribed;
	others_update(c);
}

/* ---- policies ---- */

static void key_set_policy(struct cache *c, struct cache_key *k)
{
	enum policy policy = policies_of(c->policies, k->kind, k->name);

	if (k->sum.policy == policy)
		return;
	k->sum.policy = policy;
	key_update(c, k);
	if (c->cb.touched)
		c->cb.touched(c->arg, k->kind, k->name);
}

void cache_set_policies(struct cache *c, const struct policies *p)
{
	c->policies = p;
	for (size_t i = 0; i < c->nbuckets; i++) {
		for (struct cache_key *k = c->buckets[i]; k; k = k->next)
			key_set_policy(c, k);
	}
}

enum policy cache_policy(struct cache *c, enum key_kind kind, const char *key)
{
	const struct cache_key *k = key_find(c, kind, key);

	return k ? k->sum.policy : policies_of(c->policies, kind, key);
}

/* ---- mark and sweep ---- */

void cache_mark(struct cache *c, struct cache_entity *e)
{
	(void)c;
	e->mark++;
}

void cache_sweep(struct cache *c, struct cache_entity *e)
{
	for (struct cache_row *r = e->rows_list, *next; r; r = next) {
		next = r->enext;
		if (r->mark != e->mark)
			row_remove(c, r);
	}
}

/* ---- looking ---- */

void cache_audit(
	struct cache *c, const struct cache_entity *e, int64_t *rows, uint64_t *digest)
{
	(void)c;
	*rows = e->rows[KEY_DEVICE] + e->rows[KEY_MAILBOX];
	*digest = 0;
	for (const struct cache_row *r = e->rows_list; r; r = r->enext)
		*digest ^= payload_row_digest(r->key->kind, r->key->name, &r->value);
}

void cache_sum(struct cache *c, enum key_kind kind, const char *key, struct sum *out)
{
	const struct cache_key *k = key_find(c, kind, key);

	if (k)
		*out = k->sum;
	else
		sum_nobody(kind, key, policies_of(c->policies, kind, key), out);
}

const struct cache_entity *cache_other(
	struct cache *c, enum key_kind kind, const char *key)
{
	const struct cache_key *k = key_find(c, kind, key);
	const struct cache_row *last = NULL;

	for (const struct cache_row *r = k ? k->rows : NULL; r; r = r->next) {
		if (!r->entity->self && row_counts(c, r) && (!last || row_is_later(r, last)))
			last = r;
	}
	return last ? last->entity : NULL;
}

bool cache_each_row(struct cache *c, enum key_kind kind, const char *key,
	bool (*fn)(
		void *arg, const struct cache_entity *e, const struct value *v, bool counts),
	void *arg)
{
	const struct cache_key *k = key_find(c, kind, key);

	for (const struct cache_row *r = k ? k->rows : NULL; r; r = r->next) {
		if (!fn(arg, r->entity, &r->value, row_counts(c, r)))
			return false;
	}
	return true;
}

bool cache_each_key(struct cache *c, enum key_kind kind,
	bool (*fn)(void *arg, const char *key, const struct sum *sum), void *arg)
{
	for (size_t i = 0; i < c->nbuckets; i++) {
		for (const struct cache_key *k = c->buckets[i]; k; k = k->next) {
			if (k->kind == kind && !fn(arg, k->name, &k->sum))
				return false;
		}
	}
	return true;
}

bool cache_each_entity_row(struct cache *c, const struct cache_entity *e,
	bool (*fn)(void *arg, enum key_kind kind, const char *key, const struct value *v),
	void *arg)
{
	(void)c;
	for (const struct cache_row *r = e->rows_list; r; r = r->enext) {
		if (!fn(arg, r->key->kind, r->key->name, &r->value))
			return false;
	}
	return true;
}

int64_t cache_keys(const struct cache *c, enum key_kind kind)
{
	return c->nkeys[kind];
}

struct cache *cache_new(const struct cache_callbacks *cb, void *arg)
{
	struct cache *c = mem_alloc(sizeof(*c));

	c->cb = *cb;
	c->arg = arg;
	c->nbuckets = FIRST_BUCKETS;
	c->buckets = mem_alloc(c->nbuckets * sizeof(struct cache_key *));
	return c;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	c->cb = (struct cache_callbacks){0};
	for (int i = 0; i < c->nentities; i++) {
		while (c->entities[i]->rows_list)
			row_remove(c, c->entities[i]->rows_list);
		free(c->entities[i]);
	}
	free(c->entities);
	free(c->buckets);
	free(c);
}

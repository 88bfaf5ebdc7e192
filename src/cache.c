/*
 * Stage 7: cache.
 * In:    facts of one entity at a time (listener), own statements (node).
 * Out:   the sum of a key changed -> one callback.
 * Owns:  entities, keys, rows (entity, key) -> value; the sum of each key.
 * Never: I/O, time, SQL.
 *
 * A row hangs in two lists: its key's (to add up) and its entity's (to take all back when
 * the entity dies). Keys are found by hash; a key without rows does not exist. There may
 * be millions of both, so they are packed: pieces of a slab, known by numbers of 32 bits,
 * 0 for none, and a name is there once. Entities have small numbers, too.
 */
#include "cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "slab.h"

#define ENTITY_BITS 20
#define MARK_BITS   7

struct counts_32 { /* of a mailbox */
	uint32_t urgent, fresh, old;
};

/* That of a mailbox has its counts behind it. */
struct row {
	uint32_t next;         /* of the key */
	uint32_t eprev, enext; /* of the entity */
	uint32_t key;
	uint32_t stamp[2];
	uint32_t entity : ENTITY_BITS, state : 4, held : 1, mark : MARK_BITS;
};

/* Its sum is in it. Behind it are, of a mailbox, the sum's counts; and the name. */
struct key {
	uint32_t next; /* in the bucket */
	uint32_t rows;
	uint32_t stamp[2];
	uint32_t entities;
	uint32_t writer : ENTITY_BITS, state : 4, held : 1, kind : 1, policy : 3;
};

/* The id is there too: looking for one does not visit the others. */
struct place {
	struct entity_id id;
	struct cache_entity *entity;
};

struct cache {
	struct cache_callbacks cb;
	void *arg;
	struct slab slab;
	uint32_t *buckets;
	size_t nbuckets; /* a power of two */
	int64_t nkeys[KEY_KINDS];
	struct place *entities; /* by id */
	int nentities;
	struct cache_entity **slots; /* by number; [0] is none, those of the gone are NULL */
	uint32_t nslots;
	unsigned generation;
	const struct policies *policies; /* of keys: kept in their sums */
	uint32_t newest;                 /* the key of the row that came last; 0: none did */
	struct value got;                /* cache_get()'s answer */
	bool stale;
	bool unsubscribed[KEY_KINDS];
};

#define FIRST_BUCKETS 256

/* ---- what is packed ---- */

static struct row *row_at(const struct cache *c, uint32_t r)
{
	return slab_at(&c->slab, r);
}

static struct key *key_at(const struct cache *c, uint32_t k)
{
	return slab_at(&c->slab, k);
}

static enum key_kind row_kind(const struct cache *c, const struct row *r)
{
	return key_at(c, r->key)->kind;
}

static struct cache_entity *row_entity(const struct cache *c, const struct row *r)
{
	return c->slots[r->entity];
}

static size_t row_bytes(enum key_kind kind)
{
	return sizeof(struct row) + (kind == KEY_MAILBOX ? sizeof(struct counts_32) : 0);
}

static size_t key_bytes(enum key_kind kind, size_t name_len)
{
	return sizeof(struct key) + (kind == KEY_MAILBOX ? sizeof(struct counts_32) : 0) +
		   name_len + 1;
}

static char *key_name(struct key *k)
{
	return (char *)(k + 1) + (k->kind == KEY_MAILBOX ? sizeof(struct counts_32) : 0);
}

static void counts_pack(enum key_kind kind, struct counts_32 *to, const struct value *v)
{
	if (kind == KEY_MAILBOX)
		*to = (struct counts_32){v->urgent, v->fresh, v->old};
}

static void counts_unpack(
	enum key_kind kind, const struct counts_32 *from, struct value *v)
{
	if (kind != KEY_MAILBOX)
		return;
	v->urgent = from->urgent;
	v->fresh = from->fresh;
	v->old = from->old;
}

static int64_t stamp_unpack(const uint32_t stamp[2])
{
	int64_t us;

	memcpy(&us, stamp, sizeof(us));
	return us;
}

static void row_pack(const struct cache *c, struct row *r, const struct value *v)
{
	r->state = (unsigned)v->state & 15;
	r->held = v->held;
	memcpy(r->stamp, &v->stamp_us, sizeof(r->stamp));
	counts_pack(row_kind(c, r), (struct counts_32 *)(r + 1), v);
}

static struct value row_value(const struct cache *c, const struct row *r)
{
	struct value v = {.state = (enum device_state)r->state,
		.held = r->held,
		.stamp_us = stamp_unpack(r->stamp)};

	counts_unpack(row_kind(c, r), (const struct counts_32 *)(r + 1), &v);
	return v;
}

static void sum_pack(struct key *k, const struct sum *sum)
{
	k->entities = (uint32_t)sum->entities;
	k->writer = sum->writer ? sum->writer->slot & ((1u << ENTITY_BITS) - 1) : 0;
	k->policy = (unsigned)sum->policy & 7;
	k->state = (unsigned)sum->value.state & 15;
	k->held = sum->value.held;
	memcpy(k->stamp, &sum->value.stamp_us, sizeof(k->stamp));
	counts_pack(k->kind, (struct counts_32 *)(k + 1), &sum->value);
}

static void sum_unpack(const struct cache *c, const struct key *k, struct sum *out)
{
	*out = (struct sum){.entities = (int)k->entities,
		.policy = (enum policy)k->policy,
		.value = {.state = (enum device_state)k->state,
			.held = k->held,
			.stamp_us = stamp_unpack(k->stamp)},
		.writer = c->slots[k->writer]};
	counts_unpack(k->kind, (const struct counts_32 *)(k + 1), &out->value);
}

/* ---- keys ---- */

/* Keys come from the cluster's own members, so a seed against floods is not needed. */
static uint32_t key_hash(enum key_kind kind, const char *name, size_t len)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ (len << 1) ^ (uint64_t)kind, word;

	for (; len >= sizeof(word); name += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, name, len);
	h = (h ^ word) * 0xff51afd7ed558ccdu;
	h = (h ^ (h >> 32)) * 0xc4ceb9fe1a85ec53u;
	return (uint32_t)(h >> 32);
}

static uint32_t *key_bucket(
	const struct cache *c, enum key_kind kind, const char *name, size_t len)
{
	return &c->buckets[key_hash(kind, name, len) & (c->nbuckets - 1)];
}

static uint32_t key_find(const struct cache *c, enum key_kind kind, const char *name)
{
	uint32_t at = *key_bucket(c, kind, name, strlen(name));

	while (at) {
		struct key *k = key_at(c, at);

		if (k->kind == kind && strcmp(key_name(k), name) == 0)
			break;
		at = k->next;
	}
	return at;
}

static void keys_grow(struct cache *c)
{
	size_t n = c->nbuckets;
	uint32_t *buckets = c->buckets;

	c->nbuckets = 2 * n;
	c->buckets = mem_alloc(c->nbuckets * sizeof(*c->buckets));
	for (size_t i = 0; i < n; i++) {
		for (uint32_t at = buckets[i], next; at; at = next) {
			struct key *k = key_at(c, at);
			uint32_t *bucket = key_bucket(c, k->kind, key_name(k), strlen(key_name(k)));

			next = k->next;
			k->next = *bucket;
			*bucket = at;
		}
	}
	free(buckets);
}

static void sum_nobody(
	enum key_kind kind, const char *name, enum policy policy, struct sum *out)
{
	memset(out, 0, sizeof(*out));
	out->policy = policy;
	if (kind == KEY_DEVICE)
		out->value.state = state_default(name);
}

static uint32_t key_get(struct cache *c, enum key_kind kind, const char *name)
{
	uint32_t at = key_find(c, kind, name), *bucket;
	size_t len = strlen(name);
	struct sum nobody;
	struct key *k;

	if (at)
		return at;
	if ((size_t)(c->nkeys[KEY_DEVICE] + c->nkeys[KEY_MAILBOX]) >= c->nbuckets)
		keys_grow(c);
	at = slab_take(&c->slab, key_bytes(kind, len));
	k = key_at(c, at);
	k->kind = kind;
	memcpy(key_name(k), name, len + 1);
	sum_nobody(kind, name, policies_of(c->policies, kind, name), &nobody);
	sum_pack(k, &nobody);
	bucket = key_bucket(c, kind, name, len);
	k->next = *bucket;
	*bucket = at;
	c->nkeys[kind]++;
	return at;
}

/*
 * Reports are told in the order of names. So where a row was added, and another entity
 * has one of that key, the next key is likely the one that came there next: it lies
 * beside what was just looked at, while a hash leads to where nobody has been yet.
 */
static uint32_t key_guess(const struct cache *c, enum key_kind kind, const char *name)
{
	uint32_t beside = c->newest ? key_at(c, c->newest)->rows : 0, at;
	struct key *k;

	if (beside && !row_at(c, beside)->eprev) /* our own: nothing came behind it */
		beside = row_at(c, beside)->next;
	if (!beside || !row_at(c, beside)->eprev)
		return 0;
	at = row_at(c, row_at(c, beside)->eprev)->key;
	k = key_at(c, at);
	return k->kind == kind && strcmp(key_name(k), name) == 0 ? at : 0;
}

static void key_free_if_empty(struct cache *c, uint32_t at)
{
	struct key *k = key_at(c, at);
	size_t len = strlen(key_name(k));
	uint32_t *from = key_bucket(c, k->kind, key_name(k), len);

	if (k->rows)
		return;
	while (*from != at)
		from = &key_at(c, *from)->next;
	*from = k->next;
	c->nkeys[k->kind]--;
	if (c->newest == at)
		c->newest = 0;
	slab_give(&c->slab, at, key_bytes(k->kind, len));
}

/* ---- sums ---- */

static bool row_counts(const struct cache *c, const struct row *r)
{
	const struct cache_entity *e = row_entity(c, r);
	const struct key *k = key_at(c, r->key);

	if (!e->self && (k->policy == POLICY_LOCAL || c->unsubscribed[k->kind]))
		return false;
	if (k->kind == KEY_DEVICE && k->policy == POLICY_LATEST)
		return e->head.alive || !e->who.is_static;
	if (!e->self && (c->stale || !e->head.alive))
		return false;
	return r->held || e->head.reporting;
}

/* The last word wins; of two at the same moment, the higher entity id's. */
static bool row_is_later(const struct cache *c, const struct row *a, const struct row *b)
{
	int64_t a_us = stamp_unpack(a->stamp), b_us = stamp_unpack(b->stamp);

	if (a_us != b_us)
		return a_us > b_us;
	return memcmp(&row_entity(c, a)->id, &row_entity(c, b)->id,
			   sizeof(struct entity_id)) > 0;
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

static void key_add_up(const struct cache *c, struct key *k, struct sum *out)
{
	enum policy policy = (enum policy)k->policy;
	const struct row *last = NULL;
	struct counts counts = {0};
	unsigned set = 0;

	sum_nobody(k->kind, key_name(k), policy, out);
	for (uint32_t at = k->rows; at; at = row_at(c, at)->next) {
		const struct row *r = row_at(c, at);

		if (!row_counts(c, r))
			continue;
		out->entities++;
		set |= state_bit((enum device_state)r->state);
		if (k->kind == KEY_MAILBOX) {
			struct value v = row_value(c, r);
			counts_add(&counts, &v, policy);
		}
		if (!last || row_is_later(c, r, last))
			last = r;
	}
	if (!last)
		return;
	out->value = row_value(c, last); /* the newest of those that count */
	if (policy == POLICY_AGGREGATE || policy == POLICY_LOCAL)
		out->value.state = state_sum(set);
	else
		out->writer = row_entity(c, last);
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

static void key_update(struct cache *c, uint32_t at)
{
	struct key *k = key_at(c, at);
	struct sum was, now;

	sum_unpack(c, k, &was);
	key_add_up(c, k, &now);
	sum_pack(k, &now);
	if (!sum_same(k->kind, &was, &now) && c->cb.changed)
		c->cb.changed(c->arg, k->kind, key_name(k), &was, &now);
}

static void key_touched(struct cache *c, uint32_t at)
{
	struct key *k = key_at(c, at);

	if (c->cb.touched)
		c->cb.touched(c->arg, k->kind, key_name(k));
}

/* ---- rows ---- */

static uint32_t row_find(
	const struct cache *c, uint32_t key, const struct cache_entity *e)
{
	uint32_t at = key ? key_at(c, key)->rows : 0;

	while (at && row_at(c, at)->entity != e->slot)
		at = row_at(c, at)->next;
	return at;
}

static uint32_t row_new(struct cache *c, uint32_t key, struct cache_entity *e)
{
	struct key *k = key_at(c, key);
	uint32_t at = slab_take(&c->slab, row_bytes(k->kind)), *from = &k->rows;
	struct row *r = row_at(c, at);

	r->key = key;
	r->entity = e->slot & ((1u << ENTITY_BITS) - 1);
	while (
		*from && memcmp(&row_entity(c, row_at(c, *from))->id, &e->id, sizeof(e->id)) < 0)
		from = &row_at(c, *from)->next; /* listings are in the order of ids */
	r->next = *from;
	*from = at;
	r->enext = e->rows_list;
	if (r->enext)
		row_at(c, r->enext)->eprev = at;
	e->rows_list = at;
	e->rows[k->kind]++;
	return at;
}

static void row_free(struct cache *c, uint32_t at)
{
	struct row *r = row_at(c, at);
	struct key *k = key_at(c, r->key);
	struct cache_entity *e = row_entity(c, r);
	uint32_t *from = &k->rows;

	while (*from != at)
		from = &row_at(c, *from)->next;
	*from = r->next;
	if (r->enext)
		row_at(c, r->enext)->eprev = r->eprev;
	if (r->eprev)
		row_at(c, r->eprev)->enext = r->enext;
	else
		e->rows_list = r->enext;
	e->rows[k->kind]--;
	slab_give(&c->slab, at, row_bytes(k->kind));
}

static void row_remove(struct cache *c, uint32_t at)
{
	uint32_t key = row_at(c, at)->key;

	row_free(c, at);
	key_update(c, key);
	key_touched(c, key);
	key_free_if_empty(c, key);
}

void cache_put(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v)
{
	uint32_t guess = key_guess(c, kind, key), k = guess ? guess : key_get(c, kind, key);
	uint32_t at = row_find(c, k, e);
	bool same = false;
	struct row *r;

	c->newest = at ? 0 : k;
	if (at) {
		struct value was = row_value(c, row_at(c, at));
		same = value_same(kind, &was, v);
	} else {
		at = row_new(c, k, e);
	}
	r = row_at(c, at);
	row_pack(c, r, v);
	r->mark = e->mark & ((1u << MARK_BITS) - 1);
	key_update(c, k);
	if (!same)
		key_touched(c, k);
}

void cache_restamp(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v)
{
	uint32_t k = key_find(c, kind, key), at = row_find(c, k, e);
	struct value was;

	if (!at)
		return;
	was = row_value(c, row_at(c, at));
	if (!value_same(kind, &was, v))
		return;
	row_at(c, at)->mark = e->mark & ((1u << MARK_BITS) - 1);
	if (was.stamp_us == v->stamp_us)
		return;
	row_pack(c, row_at(c, at), v);
	key_update(c, k);
}

void cache_remove(
	struct cache *c, struct cache_entity *e, enum key_kind kind, const char *key)
{
	uint32_t at = row_find(c, key_find(c, kind, key), e);

	if (at)
		row_remove(c, at);
}

const struct value *cache_get(
	struct cache *c, const struct cache_entity *e, enum key_kind kind, const char *key)
{
	uint32_t at = row_find(c, key_find(c, kind, key), e);

	if (!at)
		return NULL;
	c->got = row_value(c, row_at(c, at));
	return &c->got;
}

/* ---- entities ---- */

/* A number for it, of one that is gone where there is one. */
static void slot_take(struct cache *c, struct cache_entity *e)
{
	uint32_t slot = 1;

	while (slot < c->nslots && c->slots[slot])
		slot++;
	assert(slot < 1u << ENTITY_BITS);
	if (slot == c->nslots) {
		c->nslots *= 2;
		c->slots = mem_realloc(c->slots, c->nslots * sizeof(*c->slots));
		memset(c->slots + slot, 0, (c->nslots - slot) * sizeof(*c->slots));
	}
	c->slots[slot] = e;
	e->slot = slot;
}

static int entity_place(const struct cache *c, const struct entity_id *id, bool *found)
{
	int low = 0, high = c->nentities;

	*found = false;
	while (low < high) {
		int middle = (low + high) / 2;
		int order = memcmp(id, &c->entities[middle].id, sizeof(*id));

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

	return found ? c->entities[at].entity : NULL;
}

struct cache_entity *cache_entity_get(struct cache *c, const struct entity_id *id)
{
	bool found;
	int at = entity_place(c, id, &found);
	struct cache_entity *e;

	if (found)
		return c->entities[at].entity;
	e = mem_alloc(sizeof(*e));
	e->id = *id;
	slot_take(c, e);
	c->entities =
		mem_realloc(c->entities, (size_t)(c->nentities + 1) * sizeof(*c->entities));
	memmove(c->entities + at + 1, c->entities + at,
		(size_t)(c->nentities - at) * sizeof(*c->entities));
	c->entities[at] = (struct place){*id, e};
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
	c->slots[e->slot] = NULL;
	free(e);
}

int cache_entities(const struct cache *c)
{
	return c->nentities;
}

struct cache_entity *cache_entity_at(const struct cache *c, int i)
{
	assert(i >= 0 && i < c->nentities);
	return c->entities[i].entity;
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
	for (uint32_t at = e->rows_list; at; at = row_at(c, at)->enext) {
		key_update(c, row_at(c, at)->key);
		key_touched(c, row_at(c, at)->key);
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
		struct cache_entity *e = c->entities[i].entity;

		if (!e->self)
			entity_update(c, e);
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

static void key_set_policy(struct cache *c, uint32_t at)
{
	struct key *k = key_at(c, at);
	enum policy policy = policies_of(c->policies, k->kind, key_name(k));

	if (k->policy == policy)
		return;
	k->policy = (unsigned)policy & 7;
	key_update(c, at);
	key_touched(c, at);
}

void cache_set_policies(struct cache *c, const struct policies *p)
{
	c->policies = p;
	for (size_t i = 0; i < c->nbuckets; i++) {
		for (uint32_t at = c->buckets[i]; at; at = key_at(c, at)->next)
			key_set_policy(c, at);
	}
}

enum policy cache_policy(struct cache *c, enum key_kind kind, const char *key)
{
	uint32_t at = key_find(c, kind, key);

	return at ? (enum policy)key_at(c, at)->policy : policies_of(c->policies, kind, key);
}

/* ---- mark and sweep ---- */

/* A row has room for a small mark: before they repeat, all rows are unmarked. */
void cache_mark(struct cache *c, struct cache_entity *e)
{
	if (++e->mark < 1u << MARK_BITS)
		return;
	for (uint32_t at = e->rows_list; at; at = row_at(c, at)->enext)
		row_at(c, at)->mark = 0;
	e->mark = 1;
}

void cache_sweep(struct cache *c, struct cache_entity *e)
{
	for (uint32_t at = e->rows_list, next; at; at = next) {
		next = row_at(c, at)->enext;
		if (row_at(c, at)->mark != e->mark)
			row_remove(c, at);
	}
}

/* ---- looking ---- */

void cache_audit(
	struct cache *c, const struct cache_entity *e, int64_t *rows, uint64_t *digest)
{
	*rows = e->rows[KEY_DEVICE] + e->rows[KEY_MAILBOX];
	*digest = 0;
	for (uint32_t at = e->rows_list; at; at = row_at(c, at)->enext) {
		struct key *k = key_at(c, row_at(c, at)->key);
		struct value v = row_value(c, row_at(c, at));

		*digest ^= payload_row_digest(k->kind, key_name(k), &v);
	}
}

void cache_sum(struct cache *c, enum key_kind kind, const char *key, struct sum *out)
{
	uint32_t at = key_find(c, kind, key);

	if (at)
		sum_unpack(c, key_at(c, at), out);
	else
		sum_nobody(kind, key, policies_of(c->policies, kind, key), out);
}

const struct cache_entity *cache_other(
	struct cache *c, enum key_kind kind, const char *key)
{
	uint32_t k = key_find(c, kind, key);
	const struct row *last = NULL;

	for (uint32_t at = k ? key_at(c, k)->rows : 0; at; at = row_at(c, at)->next) {
		const struct row *r = row_at(c, at);

		if (!row_entity(c, r)->self && row_counts(c, r) &&
			(!last || row_is_later(c, r, last)))
			last = r;
	}
	return last ? row_entity(c, last) : NULL;
}

bool cache_each_row(struct cache *c, enum key_kind kind, const char *key,
	bool (*fn)(
		void *arg, const struct cache_entity *e, const struct value *v, bool counts),
	void *arg)
{
	uint32_t k = key_find(c, kind, key);

	for (uint32_t at = k ? key_at(c, k)->rows : 0; at; at = row_at(c, at)->next) {
		const struct row *r = row_at(c, at);
		struct value v = row_value(c, r);

		if (!fn(arg, row_entity(c, r), &v, row_counts(c, r)))
			return false;
	}
	return true;
}

bool cache_each_key(struct cache *c, enum key_kind kind,
	bool (*fn)(void *arg, const char *key, const struct sum *sum), void *arg)
{
	struct sum sum;

	for (size_t i = 0; i < c->nbuckets; i++) {
		for (uint32_t at = c->buckets[i]; at; at = key_at(c, at)->next) {
			struct key *k = key_at(c, at);

			if (k->kind != kind)
				continue;
			sum_unpack(c, k, &sum);
			if (!fn(arg, key_name(k), &sum))
				return false;
		}
	}
	return true;
}

bool cache_each_entity_row(struct cache *c, const struct cache_entity *e,
	bool (*fn)(void *arg, enum key_kind kind, const char *key, const struct value *v),
	void *arg)
{
	for (uint32_t at = e->rows_list; at; at = row_at(c, at)->enext) {
		struct key *k = key_at(c, row_at(c, at)->key);
		struct value v = row_value(c, row_at(c, at));

		if (!fn(arg, k->kind, key_name(k), &v))
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
	c->buckets = mem_alloc(c->nbuckets * sizeof(*c->buckets));
	c->nslots = 16;
	c->slots = mem_alloc(c->nslots * sizeof(*c->slots));
	return c;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	for (int i = 0; i < c->nentities; i++)
		free(c->entities[i].entity);
	free(c->entities);
	free(c->slots);
	free(c->buckets);
	slab_clear(&c->slab);
	free(c);
}

/*
 * Stage 7: cache.
 * In:    facts of one entity at a time (listener), own statements (node).
 * Out:   the sum of a key changed -> one callback.
 * Owns:  entities, keys, rows (entity, key) -> value; the sum of each key.
 * Never: I/O, time, SQL.
 */
#ifndef CACHE_H
#define CACHE_H

#include "change.h"
#include "entity_id.h"
#include "payload.h"
#include "policy.h"

struct cache;
struct cache_entity { /* read it; only cache.c and listener.c write */
	struct entity_id id;
	bool self;
	bool known;         /* payload_entity was seen */
	uint32_t slot;      /* cache.c's number for it */
	uint32_t rows_list; /* cache.c's */
	unsigned mark;      /* cache.c's, for mark and sweep */
	struct payload_head
		head; /* what this node knows: incarnation, seq, alive, reporting */
	int64_t rows[KEY_KINDS];
	void *listener;            /* listener.c's */
	struct payload_entity who; /* last: a change does not look at it */
};

/* What a key adds up to, under its policy. */
struct sum {
	int entities; /* how many say something that counts; 0: nobody */
	enum policy policy;
	struct value value; /* devices: state; mailboxes: counts; the newest stamp of it */
	/* LATEST: whose value it is; SUM, MAX: who spoke last of them; else NULL */
	const struct cache_entity *writer;
};

struct cache_callbacks {
	/* The sum of a key is different now. `key` is borrowed. */
	void (*changed)(void *arg, enum key_kind kind, const char *key, const struct sum *was,
		const struct sum *now);
	/* A fact that touches a key was applied, whether the sum moved or not (debug 1). */
	void (*touched)(void *arg, enum key_kind kind, const char *key);
};

struct cache *cache_new(const struct cache_callbacks *cb, void *arg);
void cache_free(struct cache *c);

struct cache_entity *cache_entity_find(struct cache *c, const struct entity_id *id);
struct cache_entity *cache_entity_get(
	struct cache *c, const struct entity_id *id);                  /* makes it */
void cache_entity_remove(struct cache *c, struct cache_entity *e); /* and all its rows */
int cache_entities(const struct cache *c);
struct cache_entity *cache_entity_at(
	const struct cache *c, int i); /* in the order of ids */
/* Another number whenever an entity came, went, or has other flags or another name. */
unsigned cache_generation(const struct cache *c);
void cache_entity_renamed(struct cache *c); /* whoever writes cache_entity.who says so */

/*
 * A row counts iff its entity is alive, and (held or the entity is reporting), and heard.
 * Devices under LATEST: an entity's last word stays when it dies, or reports no longer,
 * or the database is away; only a static entity's ends with it. Under LOCAL: only our own
 * words count.
 */
void cache_entity_flags(
	struct cache *c, struct cache_entity *e, bool alive, bool reporting);
/* Are these our own rows (always alive), or those of another process with our id? */
void cache_set_self(struct cache *c, struct cache_entity *e, bool self);
/* Others' rows count no longer (the database is away for longer than stale_after), or
 * again. */
void cache_set_stale(struct cache *c, bool stale);
bool cache_is_stale(const struct cache *c);
/* Rows of this kind of other entities are taken into account or not (subscribe_event). */
void cache_set_subscribed(struct cache *c, enum key_kind kind, bool subscribed);

/* From now on these apply, borrowed until others are set; NULL: none. Tells what is
 * different by them. */
void cache_set_policies(struct cache *c, const struct policies *p);
enum policy cache_policy(struct cache *c, enum key_kind kind, const char *key);

void cache_put(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v);
/* A row that has this value gets its stamp; no other. */
void cache_restamp(struct cache *c, struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v);
void cache_remove(
	struct cache *c, struct cache_entity *e, enum key_kind kind, const char *key);
const struct value *cache_get(struct cache *c, const struct cache_entity *e,
	enum key_kind kind,
	const char *key); /* borrowed until the next get or change; NULL: no row */

/* Mark and sweep: rows of `e` that are not put between the two calls are removed. */
void cache_mark(struct cache *c, struct cache_entity *e);
void cache_sweep(struct cache *c, struct cache_entity *e);

/* Number of rows and xor of their digests, as the database's audit computes it. */
void cache_audit(
	struct cache *c, const struct cache_entity *e, int64_t *rows, uint64_t *digest);

/* The sum; when nobody says anything: entities 0, and state_default() or 0 messages. */
void cache_sum(struct cache *c, enum key_kind kind, const char *key, struct sum *out);
/* Of the others (not us) whose words count for a key, the one that spoke last; NULL:
 * none. */
const struct cache_entity *cache_other(
	struct cache *c, enum key_kind kind, const char *key);

/* Who says what, in the order of entity ids. Iterations: the callback returns false to
 * stop; it must not change the cache. */
bool cache_each_row(struct cache *c, enum key_kind kind, const char *key,
	bool (*fn)(
		void *arg, const struct cache_entity *e, const struct value *v, bool counts),
	void *arg);
bool cache_each_key(struct cache *c, enum key_kind kind,
	bool (*fn)(void *arg, const char *key, const struct sum *sum), void *arg);
bool cache_each_entity_row(struct cache *c, const struct cache_entity *e,
	bool (*fn)(void *arg, enum key_kind kind, const char *key, const struct value *v),
	void *arg);
int64_t cache_keys(const struct cache *c, enum key_kind kind);

#endif

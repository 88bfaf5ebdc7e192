/*
 * Stage 2: outbox.
 * In:    own statements (console, dialplan, link), acks and losses (publisher, lease).
 * Out:   batches of what the database does not have for sure; the newest value of a key
 * only. Owns:  all that this node says, each key with the seq that last sent it; the
 * dirty list. Never: I/O, time of its own.
 *
 * A key is clean, dirty or in flight. One that is said anew while it is in flight is
 * dirty again after the ack, whatever its value is by then: the ack is for the older
 * word.
 */
#include "outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <uthash.h>

#include "mem.h"
#include "payload.h"

enum entry_where { CLEAN, DIRTY, IN_FLIGHT };

struct entry {
	UT_hash_handle hh;
	TAILQ_ENTRY(entry) link; /* dirty, in flight or tombs */
	enum entry_where where;
	bool tomb;    /* clean and removed: remembered for a rewind */
	bool present; /* this node says something */
	bool in_db;   /* the database may have a row of it */
	bool again;   /* said anew while in flight */
	bool unsure;  /* sent, and no answer says what became of it */
	/* The database may have just this, said at another time; and what was said anew. */
	bool doubtful, doubtful_anew;
	bool force, force_anew;
	bool compared;
	bool refused; /* the database will not have it; left out until said anew */
	/*
	 * The link said so before own rows were compared. present: a first 0/0, a statement
	 * only if there is a row; else: a removal, unless that row is held.
	 */
	bool tentative;
	bool claimed;    /* held; the link's at the end of the report that mentions it */
	unsigned report; /* the last one that mentions it */
	bool local;      /* by its policy: not for the database */
	bool announced;  /* as it is now, or is not to be */
	bool restated; /* after a forced publish it goes once more: time decides, not force */
	struct value value;
	int64_t said_us;  /* monotonic */
	int64_t sent_seq; /* the publish that last sent it; 0: none */
	uint64_t number;  /* of the oldest statement that is not acknowledged */
	uint64_t anew;    /* again: of the first one that came since it was sent */
	enum key_kind kind;
	char name[];
};

TAILQ_HEAD(entry_list, entry);

struct outbox {
	struct entry *table[KEY_KINDS];
	struct entry_list dirty, in_flight, tombs;
	size_t ndirty, nin_flight, ntombs;
	size_t npresent[KEY_KINDS];
	size_t nrefused;
	bool adopting;   /* this comparison is the first of the process */
	bool compared;   /* own rows of the database are known */
	bool reporting;  /* a report is under way */
	bool reported;   /* the link completed one */
	unsigned report; /* the number of the newest */
	bool unpublished[KEY_KINDS];
	const struct policies *policies;
	int64_t forgotten_seq; /* of the newest tomb that was dropped */
	uint64_t statements;
};

/* Removals remembered for a rewind; beyond it, a rewind compares all rows. */
#define MOST_TOMBS 20000

struct outbox *outbox_new(void)
{
	struct outbox *o = mem_alloc(sizeof(*o));

	TAILQ_INIT(&o->dirty);
	TAILQ_INIT(&o->in_flight);
	TAILQ_INIT(&o->tombs);
	return o;
}

void outbox_free(struct outbox *o)
{
	struct entry *e, *next;

	for (int kind = 0; o && kind < KEY_KINDS; kind++) {
		HASH_ITER(hh, o->table[kind], e, next)
		{
			HASH_DEL(o->table[kind], e);
			free(e);
		}
	}
	free(o);
}

static struct entry *entry_find(
	const struct outbox *o, enum key_kind kind, const char *key)
{
	struct entry *e;

	HASH_FIND_STR(o->table[kind], key, e);
	return e;
}

static struct entry *entry_get(struct outbox *o, enum key_kind kind, const char *key)
{
	struct entry *e = entry_find(o, kind, key);
	size_t len = strlen(key);

	if (e)
		return e;
	e = mem_alloc(sizeof(*e) + len + 1);
	e->kind = kind;
	memcpy(e->name, key, len + 1);
	e->local = policies_of(o->policies, kind, key) == POLICY_LOCAL;
	HASH_ADD_KEYPTR(hh, o->table[kind], e->name, len, e);
	return e;
}

static void entry_drop(struct outbox *o, struct entry *e)
{
	HASH_DEL(o->table[e->kind], e);
	free(e);
}

/* ---- clean, dirty, in flight ---- */

static void entry_unlink(struct outbox *o, struct entry *e)
{
	if (e->where == DIRTY) {
		TAILQ_REMOVE(&o->dirty, e, link);
		o->ndirty--;
	} else if (e->where == IN_FLIGHT) {
		TAILQ_REMOVE(&o->in_flight, e, link);
		o->nin_flight--;
	} else if (e->tomb) {
		TAILQ_REMOVE(&o->tombs, e, link);
		o->ntombs--;
		e->tomb = false;
	}
	e->where = CLEAN;
}

static void entry_make_dirty(struct outbox *o, struct entry *e)
{
	if (e->where == IN_FLIGHT) {
		e->again = true;
		return;
	}
	if (e->where == DIRTY || e->refused)
		return;
	entry_unlink(o, e);
	e->where = DIRTY;
	TAILQ_INSERT_TAIL(&o->dirty, e, link);
	o->ndirty++;
}

static void tombs_trim(struct outbox *o)
{
	while (o->ntombs > MOST_TOMBS) {
		struct entry *e = TAILQ_FIRST(&o->tombs);

		if (e->sent_seq > o->forgotten_seq)
			o->forgotten_seq = e->sent_seq;
		entry_unlink(o, e);
		entry_drop(o, e);
	}
}

/* Nothing is to be sent of it. One that says nothing stays as a tomb, or goes. */
static void entry_make_clean(struct outbox *o, struct entry *e)
{
	entry_unlink(o, e);
	e->force = false;
	if (e->present)
		return;
	if (e->sent_seq == 0) {
		entry_drop(o, e);
		return;
	}
	e->tomb = true;
	TAILQ_INSERT_TAIL(&o->tombs, e, link);
	o->ntombs++;
	tombs_trim(o);
}

static bool entry_wanted(const struct outbox *o, const struct entry *e)
{
	return e->present && !e->local && !o->unpublished[e->kind];
}

/* Removed, and an earlier process may have left it in the database: not to be adopted. */
static bool entry_may_linger(const struct outbox *o, const struct entry *e)
{
	return !o->compared && !e->present && e->sent_seq == 0;
}

/* After a statement: dirty, unless the database neither has it nor is to have it. */
static void entry_said(struct outbox *o, struct entry *e)
{
	o->statements++;
	e->announced = false;
	if (e->where == CLEAN)
		e->number = o->statements;
	else if (e->where == IN_FLIGHT && !e->again)
		e->anew = o->statements;
	else if (e->where == IN_FLIGHT)
		e->doubtful_anew = true;
	else
		e->doubtful = true;
	o->nrefused -= e->refused;
	e->refused = false;
	if (e->where == IN_FLIGHT || e->in_db || entry_wanted(o, e) || entry_may_linger(o, e))
		entry_make_dirty(o, e);
	else
		entry_make_clean(o, e);
}

bool outbox_set(struct outbox *o, enum key_kind kind, const char *key,
	const struct value *v, int64_t now_us)
{
	struct entry *e = entry_get(o, kind, key);

	e->claimed = false;
	if (e->present && value_same(kind, &e->value, v))
		return false;
	o->npresent[kind] += !e->present;
	e->present = true;
	e->tentative = false;
	e->value = *v;
	e->said_us = now_us;
	entry_said(o, e);
	return true;
}

static void entry_unsay(struct outbox *o, struct entry *e, int64_t now_us)
{
	o->npresent[e->kind] -= e->present;
	e->present = false;
	e->tentative = false;
	e->said_us = now_us;
	entry_said(o, e);
}

bool outbox_remove(struct outbox *o, enum key_kind kind, const char *key, int64_t now_us)
{
	struct entry *e = entry_find(o, kind, key);
	bool was = e && e->present;

	if (!was && (e || o->compared))
		return false;
	if (!e)
		e = entry_get(o, kind, key);
	entry_unsay(o, e, now_us);
	return was;
}

bool outbox_restate(
	struct outbox *o, enum key_kind kind, const char *key, int64_t said_us)
{
	struct entry *e = entry_find(o, kind, key);

	if (!e || !e->present)
		return false;
	e->said_us = said_us;
	e->restated = true;
	entry_said(o, e);
	return true;
}

const struct value *outbox_get(struct outbox *o, enum key_kind kind, const char *key)
{
	struct entry *e = entry_find(o, kind, key);

	return e && e->present && !e->tentative ? &e->value : NULL;
}

void outbox_each(struct outbox *o,
	void (*fn)(void *arg, enum key_kind kind, const char *key, const struct value *v,
		int64_t said_us),
	void *arg)
{
	struct entry *e, *next;

	for (int kind = 0; kind < KEY_KINDS; kind++) {
		HASH_ITER(hh, o->table[kind], e, next)
		{
			if (e->present && !e->tentative)
				fn(arg, e->kind, e->name, &e->value, e->said_us);
		}
	}
}

size_t outbox_count(const struct outbox *o, enum key_kind kind)
{
	return o->npresent[kind];
}

void outbox_set_published(
	struct outbox *o, enum key_kind kind, bool published, int64_t now_us)
{
	struct entry *e, *next;

	(void)now_us; /* nothing is said anew: ages go on */
	if (o->unpublished[kind] == !published)
		return;
	o->unpublished[kind] = !published;
	HASH_ITER(hh, o->table[kind], e, next)
	{
		if (e->present)
			entry_said(o, e);
	}
}

/* ---- what the link says ---- */

static bool value_is_nothing(enum key_kind kind, const struct value *v)
{
	return kind == KEY_MAILBOX && v->urgent + v->fresh + v->old == 0;
}

/* 0/0 of a mailbox that nothing was said of: no statement, unless there is a row. */
static void report_nothing(struct outbox *o, enum key_kind kind, const char *key,
	const struct value *v, int64_t now_us)
{
	struct entry *e;

	if (o->compared)
		return;
	outbox_set(o, kind, key, v, now_us);
	e = entry_find(o, kind, key);
	e->tentative = true;
	e->report = o->report;
}

bool outbox_report_set(struct outbox *o, enum key_kind kind, const char *key,
	const struct value *v, int64_t now_us)
{
	struct entry *e = entry_find(o, kind, key);
	struct value value = *v;
	bool changed;

	if (value_is_nothing(kind, v) && !(e && e->present)) {
		report_nothing(o, kind, key, v, now_us);
		return false;
	}
	value.held = o->reporting && e && e->present && e->value.held;
	changed = outbox_set(o, kind, key, &value, now_us);
	e = entry_find(o, kind, key);
	e->claimed = value.held;
	e->report = o->report;
	return changed;
}

void outbox_report_mention(struct outbox *o, enum key_kind kind, const char *key)
{
	struct entry *e = entry_find(o, kind, key);

	if (e)
		e->report = o->report;
}

bool outbox_report_remove(
	struct outbox *o, enum key_kind kind, const char *key, int64_t now_us)
{
	struct entry *e = entry_find(o, kind, key);
	bool removed;

	if (e && e->present && e->value.held)
		return false;
	removed = outbox_remove(o, kind, key, now_us);
	if (!o->compared && (e = entry_find(o, kind, key)) != NULL)
		e->tentative = true;
	return removed;
}

void outbox_report_begin(struct outbox *o)
{
	o->report++;
	o->reporting = true;
}

void outbox_report_end(struct outbox *o, int64_t now_us,
	void (*ended)(void *arg, enum key_kind kind, const char *key, const struct value *v),
	void *arg)
{
	struct entry *e, *next;

	o->reporting = false;
	o->reported = true;
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		HASH_ITER(hh, o->table[kind], e, next)
		{
			bool mentioned = e->report == o->report;

			if (e->present && e->value.held && e->claimed && mentioned) {
				e->claimed = false;
				e->value.held = false;
				entry_said(o, e);
				ended(arg, e->kind, e->name, &e->value);
			} else if (e->present && !e->value.held && !mentioned) {
				ended(arg, e->kind, e->name, NULL);
				entry_unsay(o, e, now_us);
			}
		}
	}
}

void outbox_set_policies(struct outbox *o, const struct policies *p)
{
	struct entry *e, *next;

	o->policies = p;
	HASH_ITER(hh, o->table[KEY_DEVICE], e, next)
	{
		bool was = e->local;

		e->local = policies_of(p, e->kind, e->name) == POLICY_LOCAL;
		if (e->local != was && e->present)
			entry_said(o, e);
	}
}

/* ---- batches ---- */

static void entry_item(
	const struct outbox *o, const struct entry *e, int64_t now_us, struct batch_item *out)
{
	out->kind = e->kind;
	out->key = e->name;
	out->removed = !entry_wanted(o, e);
	out->value = e->value;
	out->age_us = now_us > e->said_us ? now_us - e->said_us : 0;
}

size_t outbox_take(
	struct outbox *o, struct batch_item *items, size_t max, int64_t now_us, bool *force)
{
	struct entry *e, *next;
	size_t n = 0;

	assert(TAILQ_EMPTY(&o->in_flight));
	e = TAILQ_FIRST(&o->dirty);
	*force = e && e->force;
	for (; e && n < max && e->force == *force; e = next) {
		next = TAILQ_NEXT(e, link);
		entry_item(o, e, now_us, &items[n++]);
		entry_unlink(o, e);
		e->where = IN_FLIGHT;
		e->in_db = true; /* from now on it may be there */
		e->unsure = true;
		TAILQ_INSERT_TAIL(&o->in_flight, e, link);
		o->nin_flight++;
	}
	return n;
}

static bool entry_may_announce(const struct outbox *o, const struct entry *e)
{
	return e->kind == KEY_DEVICE && !e->announced && !e->force && entry_wanted(o, e) &&
		   policies_of(o->policies, e->kind, e->name) == POLICY_AGGREGATE;
}

/* Others may have it from now on: to take it back, the database has to say so. */
size_t outbox_announce(
	struct outbox *o, struct batch_item *items, size_t max, int64_t now_us)
{
	struct entry *e;
	size_t n = 0;

	if (o->ndirty > max)
		return 0;
	TAILQ_FOREACH (e, &o->dirty, link) {
		if (!entry_may_announce(o, e))
			continue;
		entry_item(o, e, now_us, &items[n++]);
		e->announced = true;
		e->in_db = true;
	}
	return n;
}

void outbox_acked(struct outbox *o, int64_t seq)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&o->in_flight)) != NULL) {
		bool again = e->again || (e->restated && e->force);

		if (e->again)
			e->number = e->anew;
		e->restated = again && e->restated;
		e->again = false;
		e->unsure = false;
		e->doubtful = e->doubtful_anew;
		e->doubtful_anew = false;
		e->force = e->force_anew;
		e->force_anew = false;
		e->sent_seq = seq;
		if (again) {
			entry_unlink(o, e);
			entry_make_dirty(o, e);
		} else {
			e->in_db = entry_wanted(o, e);
			entry_make_clean(o, e);
		}
	}
}

void outbox_doubt(struct outbox *o)
{
	struct entry *e;

	TAILQ_FOREACH (e, &o->in_flight, link) {
		if (!e->doubtful || e->force)
			continue;
		if (!e->again)
			e->anew = ++o->statements;
		e->again = true;
		e->force_anew = true;
	}
}

void outbox_failed(struct outbox *o)
{
	struct entry *e;

	while ((e = TAILQ_LAST(&o->in_flight, entry_list)) != NULL) {
		entry_unlink(o, e);
		e->again = false;
		e->doubtful = true;
		e->doubtful_anew = false;
		e->where = DIRTY;
		TAILQ_INSERT_HEAD(&o->dirty, e, link);
		o->ndirty++;
	}
}

void outbox_refused(struct outbox *o)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&o->in_flight)) != NULL) {
		bool again = e->again;

		e->again = false;
		entry_unlink(o, e);
		if (again) {
			e->number = e->anew;
			entry_make_dirty(o, e);
			continue;
		}
		o->nrefused++;
		e->refused = true;
		e->force = false;
	}
}

bool outbox_rewind(struct outbox *o, int64_t db_seq)
{
	struct entry *e, *next;

	assert(TAILQ_EMPTY(&o->in_flight));
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		HASH_ITER(hh, o->table[kind], e, next)
		{
			/* One without an answer may have been done, told and lost. */
			if (e->sent_seq <= db_seq && !e->unsure)
				continue;
			e->in_db = true;
			e->force = true;
			entry_make_dirty(o, e);
		}
	}
	return o->forgotten_seq <= db_seq;
}

/* ---- comparing with the database's rows ---- */

void outbox_compare_begin(struct outbox *o, bool adopt)
{
	struct entry *e, *next;

	o->adopting = adopt;
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		HASH_ITER(hh, o->table[kind], e, next)
		{
			e->compared = false;
		}
	}
}

static void entry_adopt(
	struct outbox *o, struct entry *e, const struct value *v, int64_t seq, int64_t now_us)
{
	entry_unlink(o, e);
	e->present = true;
	e->tentative = false;
	o->npresent[e->kind]++;
	e->value = *v;
	e->said_us = now_us;
	e->sent_seq = seq;
	if (!entry_wanted(o, e))
		entry_make_dirty(o, e);
}

/* Of what is not known here, or was only removed as long as it is not held. */
static bool entry_is_adopted(
	const struct outbox *o, const struct entry *e, bool unknown, bool held)
{
	if (!o->adopting)
		return false;
	if (unknown)
		return held || !o->reported;
	return held && !e->present && e->tentative;
}

bool outbox_compare(struct outbox *o, enum key_kind kind, const char *key,
	const struct value *v, int64_t seq, int64_t now_us)
{
	struct entry *e = entry_find(o, kind, key);
	bool unknown = !e;
	bool confirmed;

	if (unknown)
		e = entry_get(o, kind, key);
	e->compared = true;
	e->in_db = true;
	if (entry_is_adopted(o, e, unknown, v->held)) {
		entry_adopt(o, e, v, seq, now_us);
		return true;
	}
	confirmed = e->present && e->tentative;
	e->tentative = false;
	if (!entry_wanted(o, e) || !value_same(kind, &e->value, v)) {
		if (unknown)
			e->said_us = now_us;
		entry_make_dirty(o, e);
	}
	return confirmed;
}

/* It was said in case that there is a row, and there is none. */
static void entry_forget(struct outbox *o, struct entry *e)
{
	o->npresent[e->kind] -= e->present;
	e->present = false;
	e->tentative = false;
	e->in_db = false;
	entry_make_clean(o, e);
}

void outbox_compare_end(struct outbox *o)
{
	struct entry *e, *next;

	o->compared = true;
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		HASH_ITER(hh, o->table[kind], e, next)
		{
			if (e->compared)
				continue;
			if (e->tentative)
				entry_forget(o, e);
			else if (entry_wanted(o, e))
				entry_make_dirty(o, e);
			else if (e->where == CLEAN)
				e->in_db = false;
		}
	}
}

bool outbox_audit(struct outbox *o, int64_t rows, uint64_t digest)
{
	struct entry *e, *next;

	if (outbox_dirty(o) > 0 || o->nrefused > 0)
		return true;
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		HASH_ITER(hh, o->table[kind], e, next)
		{
			if (!e->in_db)
				continue;
			rows--;
			digest ^= payload_row_digest(e->kind, e->name, &e->value);
		}
	}
	return rows == 0 && digest == 0;
}

void outbox_restart(struct outbox *o)
{
	struct entry *e, *next;

	assert(TAILQ_EMPTY(&o->in_flight));
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		HASH_ITER(hh, o->table[kind], e, next)
		{
			o->nrefused -= e->refused;
			e->refused = e->in_db = e->unsure = e->force = e->doubtful = false;
			e->sent_seq = 0;
			if (entry_wanted(o, e))
				entry_make_dirty(o, e);
			else
				entry_make_clean(o, e);
		}
	}
	o->compared = false;
	o->forgotten_seq = 0;
}

/* ---- looking ---- */

size_t outbox_dirty(const struct outbox *o)
{
	return o->ndirty + o->nin_flight;
}

int64_t outbox_oldest_us(const struct outbox *o, int64_t now_us)
{
	const struct entry *e = TAILQ_FIRST(&o->in_flight);

	if (!e)
		e = TAILQ_FIRST(&o->dirty);
	return e ? now_us - e->said_us : 0;
}

uint64_t outbox_mark(const struct outbox *o)
{
	return o->statements;
}

static bool list_is_later(const struct entry_list *list, uint64_t mark)
{
	const struct entry *e;

	TAILQ_FOREACH (e, list, link) {
		if (e->number <= mark)
			return false;
	}
	return true;
}

bool outbox_is_acked(const struct outbox *o, uint64_t mark)
{
	return list_is_later(&o->in_flight, mark) && list_is_later(&o->dirty, mark);
}

bool outbox_is_sent(const struct outbox *o, uint64_t mark)
{
	return list_is_later(&o->dirty, mark);
}

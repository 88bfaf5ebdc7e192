/*
 * Stage 6: listener.
 * In:    notifications; what the journal, the heads and the rows say; losses.
 * Out:   facts in order into the cache; what it wants to read; own rows to compare.
 * Owns:  for each entity how far it is known (in cache_entity.head), gaps, loads,
 * buffers. Never: I/O. Never trusts a notification: it is a hint that carries data.
 *
 * A change that continues what is known of its entity is applied, an older one is
 * ignored, anything else is a gap: the entity is read, and its notifications wait until
 * that is done.
 */
#include "listener.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "announced.h"
#include "log.h"
#include "mem.h"

enum want { WANT_NOTHING, WANT_JOURNAL, WANT_ROWS };
enum reading {
	READING_NOTHING,
	READING_ALL,
	READING_HEADS,
	READING_POLICIES,
	READING_JOURNAL,
	READING_ROWS
};

/* Notifications that wait for a load; beyond this they are dropped and read again. */
#define MOST_WAITING_BYTES (8u * 1024 * 1024)
/* Pulses for which a living entity may be behind what we know before its rows are read;
 * not all of them need to speak of it: in a large cluster few do. */
#define MOST_BEHIND 3
/* What was announced longer ago than this, by the database's clock, comes too late. */
#define ANNOUNCED_LATE_US INT64_C(1500000)
/* Own publishes whose echo may still come: what a ticker has not told yet. */
#define MOST_ECHOES 1024

struct waiting {
	STAILQ_ENTRY(waiting) link;
	bool asked; /* it came before the read that it waits for was asked */
	size_t len;
	char text[];
};
STAILQ_HEAD(waiting_list, waiting);

struct peer {
	struct cache_entity *entity;
	enum want want;
	bool known;               /* the head is what the cache has */
	int loaded;               /* its rows come in: chunks so far; marked, not swept */
	bool seen;                /* mentioned by the read under way */
	bool overflowed;          /* waiting notifications were dropped */
	int part;                 /* chunks of the publish after head.seq that were applied */
	int64_t clock_us;         /* of the change that was applied last; 0: it was read */
	int64_t behind;           /* the pulse that said less than we know; 0: none did */
	int64_t pulse_seq;        /* known when the pulse before this one came */
	int64_t last_pulse_seq;   /* known when the newest pulse came */
	struct payload_head told; /* JOURNAL: the head that came with it */
	struct announced *announced; /* NULL: all that is shown was written */
	struct waiting_list waiting;
};

struct listener {
	struct cache *cache;
	struct entity_id self;
	struct listener_callbacks cb;
	void *arg;
	bool connected;
	bool want_all, want_heads; /* not yet read since connected */
	bool want_policies;        /* another version was told of */
	bool want_some;            /* some peer may be wanted: else nobody is looked at */
	bool policies_seen;        /* by the read under way */
	int64_t policy_version;
	bool own;                           /* own rows are to be compared */
	int64_t own_clocks_us[MOST_ECHOES]; /* by seq: what publish() answered; 0: unknown */
	bool loaded_once;
	enum reading reading;
	struct entity_id reading_entity;
	int64_t pulse, pulses;  /* its number; how many were heard */
	int64_t pulse_clock_us; /* when it was made */
	int64_t changes;        /* heard since, our own too */
	int64_t deliveries;     /* a second, as the newest pulse found */
	struct payload_notify notify_mode;
	size_t waiting_bytes;
	struct listener_counts counts;
};

static bool listener_apply(struct listener *l, const char *text, size_t len);

/* ---- peers ---- */

static struct peer *peer_of(struct listener *l, const struct entity_id *id)
{
	struct cache_entity *e = cache_entity_get(l->cache, id);
	struct peer *p = e->listener;

	if (p)
		return p;
	p = mem_alloc(sizeof(*p));
	p->entity = e;
	STAILQ_INIT(&p->waiting);
	e->listener = p;
	return p;
}

static void peer_drop_waiting(struct listener *l, struct peer *p)
{
	struct waiting *w;

	while ((w = STAILQ_FIRST(&p->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->waiting, link);
		l->waiting_bytes -= w->len;
		free(w);
	}
}

/* Its rows are read, or our own: what was announced has no say any more. */
static void peer_settle(struct peer *p)
{
	announced_free(p->announced);
	p->announced = NULL;
}

static void peer_free(struct listener *l, struct peer *p)
{
	peer_drop_waiting(l, p);
	peer_settle(p);
	p->entity->listener = NULL;
	free(p);
}

/* Nothing is under way with it any more. */
static void peer_rest(struct listener *l, struct peer *p)
{
	peer_drop_waiting(l, p);
	p->loaded = 0;
	p->overflowed = false;
	p->part = 0;
	p->clock_us = 0;
	p->behind = 0;
	p->want = WANT_NOTHING;
}

static void peer_remove(struct listener *l, struct peer *p)
{
	struct cache_entity *e = p->entity;
	char id[ENTITY_ID_TEXT];

	log_notice("listener", "entity was removed entity=%s name=\"%s\"",
		entity_id_print(&e->id, id), e->who.name);
	if (entity_id_equal(&e->id, &l->self)) { /* another process had our id: we stay */
		peer_rest(l, p);
		peer_settle(p);
		p->known = false;
		cache_entity_flags(l->cache, e, false, false);
		cache_mark(l->cache, e);
		cache_sweep(l->cache, e);
		return;
	}
	peer_free(l, p);
	cache_entity_remove(l->cache, e);
}

static struct peer *peer_at(struct listener *l, int i)
{
	struct cache_entity *e = cache_entity_at(l->cache, i);

	return e->listener ? e->listener : peer_of(l, &e->id);
}

static bool peer_is_waiting(const struct listener *l, const struct peer *p)
{
	return l->want_all || p->want != WANT_NOTHING;
}

static void peer_wait(struct listener *l, struct peer *p, const char *text, size_t len)
{
	struct waiting *w;

	if (p->overflowed || l->waiting_bytes + len > MOST_WAITING_BYTES) {
		p->overflowed = true;
		return;
	}
	w = mem_alloc(sizeof(*w) + len);
	w->len = len;
	memcpy(w->text, text, len);
	STAILQ_INSERT_TAIL(&p->waiting, w, link);
	l->waiting_bytes += len;
}

static void peer_want(struct listener *l, struct peer *p, enum want want)
{
	if (p->entity->self && !(want == WANT_ROWS && l->own))
		return;
	if (want == WANT_ROWS)
		p->known = false;
	if (p->want < want)
		p->want = want;
	l->want_some = true;
}

static void peer_gap(struct listener *l, struct peer *p, const char *what)
{
	char id[ENTITY_ID_TEXT];

	if (p->entity->self)
		return;
	l->counts.gaps++;
	log_debug(1, "listener", "gap: %s entity=%s seq=%lld", what,
		entity_id_print(&p->entity->id, id), (long long)p->entity->head.seq);
	peer_want(l, p, p->known ? WANT_JOURNAL : WANT_ROWS);
}

/*
 * A notification comes after its commit is visible. So one that came before the read was
 * asked, and is newer than what was read, was forged, or taken back by a crash; it would
 * be a gap for ever, or what the read has just put right.
 */
static bool waiting_is_void(const struct peer *p, const struct waiting *w)
{
	const struct payload_head *known = &p->entity->head;
	struct payload pl;
	const char *why;

	if (!w->asked || !p->known || !payload_parse(w->text, w->len, &pl, &why) ||
		pl.type != PAYLOAD_CHANGE)
		return false;
	return !uuid_equal(&pl.head.incarnation, &known->incarnation) ||
		   pl.head.seq > known->seq;
}

/* After a load: what came meanwhile. A new gap stops it; the rest goes on waiting. */
static void peer_flush(struct listener *l, struct peer *p)
{
	struct waiting *w;

	while (!peer_is_waiting(l, p) && (w = STAILQ_FIRST(&p->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->waiting, link);
		l->waiting_bytes -= w->len;
		if (waiting_is_void(p, w))
			l->counts.older++;
		else
			listener_apply(l, w->text, w->len);
		free(w);
	}
	if (p->overflowed && STAILQ_EMPTY(&p->waiting)) {
		p->overflowed = false;
		peer_gap(l, p, "notifications were dropped while it was read");
	}
}

static void peer_head(struct listener *l, struct peer *p, const struct payload_head *head)
{
	struct cache_entity *e = p->entity;

	e->head.incarnation = head->incarnation;
	e->head.seq = head->seq;
	p->part = 0;
	p->clock_us = 0;
	p->behind = 0;
	p->known = true;
	cache_entity_flags(l->cache, e, head->alive, head->reporting);
}

/* ---- lines ---- */

static void peer_line(struct listener *l, struct peer *p, const struct payload_line *line)
{
	struct cache_entity *e = p->entity;

	if (p->announced && (line->type == LINE_VALUE || line->type == LINE_REMOVED) &&
		announced_settle(p->announced, line->kind, line->key))
		peer_settle(p);
	switch (line->type) {
	case LINE_VALUE:
		if (e->self) /* our word comes back: only the moment that the database gave it is
						news */
			cache_restamp(l->cache, e, line->kind, line->key, &line->value);
		else
			cache_put(l->cache, e, line->kind, line->key, &line->value);
		break;
	case LINE_REMOVED:
		if (!e->self)
			cache_remove(l->cache, e, line->kind, line->key);
		break;
	case LINE_ENTITY:
		e->who = line->entity;
		e->known = true;
		cache_entity_renamed(l->cache);
		break;
	case LINE_HEAD:
	case LINE_AUDIT:
	case LINE_VERSION:
	case LINE_NOTIFY:
		break; /* in pulses only */
	case LINE_POLICY:
		break; /* in V only */
	}
}

static void bad_payload(struct listener *l, const char *why)
{
	l->counts.bad++;
	log_warning("listener", "a payload is malformed and was left out: %s", why);
}

/* False: a line was malformed. */
static bool peer_lines(struct listener *l, struct peer *p, const struct payload *pl)
{
	static struct payload_line line;
	const char *why;
	size_t at = 0;
	bool good = true;
	int got;

	while ((got = payload_next(pl, &at, &line, &why)) != 0) {
		if (got > 0) {
			peer_line(l, p, &line);
			continue;
		}
		bad_payload(l, why);
		good = false;
	}
	return good;
}

/* ---- changes ---- */

/* Apply a chunk that is the next one. */
static void change_apply(struct listener *l, struct peer *p, const struct payload *pl)
{
	if (!peer_lines(l, p, pl)) {
		peer_want(l, p, WANT_ROWS);
		return;
	}
	if (pl->chunk < pl->chunks)
		p->part = pl->chunk;
	else
		peer_head(l, p, &pl->head);
	p->clock_us = pl->clock_us;
}

/*
 * A change that was told before. The same once more says nothing; another one under its
 * number: one of the two was forged, and by sums alone that may not be seen.
 */
static void change_again(struct listener *l, struct peer *p, const struct payload *pl)
{
	if (p->clock_us == 0 || p->clock_us == pl->clock_us) {
		l->counts.older++;
		return;
	}
	l->counts.gaps++;
	peer_want(l, p, WANT_ROWS);
}

static void change_next(struct listener *l, struct peer *p, const struct payload *pl)
{
	if (p->part > 0 && pl->clock_us != p->clock_us)
		change_again(l, p, pl);
	else if (pl->chunk == p->part + 1)
		change_apply(l, p, pl);
	else if (pl->chunk > p->part + 1)
		peer_gap(l, p, "a chunk is missing");
	else
		l->counts.older++;
}

/*
 * Another incarnation. Where it continues the one that we know, from a seq that we have
 * passed, its owner sends everything after that seq again: nothing is to be read.
 */
static void change_incarnation(
	struct listener *l, struct peer *p, const struct payload *pl)
{
	struct payload_head *known = &p->entity->head;

	/*
	 * Less than we know: a late word of a run that is over (its rows overtook it), unless
	 * we knew more before the last pulse: then the database was rewound.
	 */
	if (pl->head.seq < known->seq && !pl->continues.text[0] &&
		pl->head.seq >= p->last_pulse_seq) {
		l->counts.older++;
		return;
	}
	if (pl->chunk == 1 && pl->continues.text[0] &&
		uuid_equal(&pl->continues, &known->incarnation) &&
		pl->continues_seq <= known->seq) {
		l->counts.rewinds++;
		known->incarnation = pl->head.incarnation;
		known->seq = pl->from_seq;
		p->part = 0;
		p->clock_us = 0;
		change_next(l, p, pl);
		return;
	}
	l->counts.gaps++;
	peer_want(l, p, WANT_ROWS);
}

static void peer_change(struct listener *l, struct peer *p, const struct payload *pl)
{
	const struct payload_head *known = &p->entity->head;

	if (!p->known) {
		peer_want(l, p, WANT_ROWS);
	} else if (!uuid_equal(&pl->head.incarnation, &known->incarnation)) {
		change_incarnation(l, p, pl);
	} else if (pl->head.seq == known->seq) {
		change_again(l, p, pl);
	} else if (pl->head.seq < known->seq) {
		l->counts.older++;
	} else if (pl->from_seq == known->seq) {
		change_next(l, p, pl);
	} else {
		peer_gap(l, p, "a change is missing");
	}
}

/* ---- heads: in pulses and after a reconnect ---- */

/* The database knows less of it than we did a while ago: it was rewound. */
static void head_behind(
	struct listener *l, struct peer *p, const struct payload_head *head)
{
	if (head->seq >= p->pulse_seq) {
		l->counts.older++; /* the pulse was made before the change that we have */
		return;
	}
	if (p->behind == 0) {
		p->behind = l->pulses + 1;
		l->counts.rewinds++;
	}
	if (!head->alive || !uuid_equal(&head->incarnation, &p->entity->head.incarnation) ||
		p->entity->who.is_static || l->pulses + 1 - p->behind >= MOST_BEHIND)
		peer_want(l, p, WANT_ROWS); /* else its owner is about to send it again */
}

static void head_compare(
	struct listener *l, struct peer *p, const struct payload_head *head)
{
	const struct payload_head *known = &p->entity->head;
	bool same = uuid_equal(&head->incarnation, &known->incarnation);

	if (p->entity->self || peer_is_waiting(l, p))
		return;
	if (!p->known)
		peer_want(l, p, WANT_ROWS);
	else if (head->seq < known->seq)
		head_behind(l, p, head);
	else if (!same)
		peer_want(l, p, WANT_ROWS);
	else if (head->seq > known->seq)
		peer_gap(l, p, "a head is newer");
	else
		cache_entity_flags(l->cache, p->entity, head->alive, head->reporting);
}

static void audit_compare(
	struct listener *l, struct peer *p, const struct payload_line *line)
{
	const struct payload_head *known = &p->entity->head;
	char id[ENTITY_ID_TEXT];
	int64_t rows;
	uint64_t digest;

	if (p->entity->self) {
		l->cb.own_audit(l->arg, &line->head, line->audit_rows, line->audit_digest);
		return;
	}
	if (!p->known)
		peer_want(l, p, WANT_ROWS);
	if (peer_is_waiting(l, p) || p->part > 0 || p->announced ||
		known->seq != line->head.seq ||
		!uuid_equal(&known->incarnation, &line->head.incarnation))
		return;
	l->counts.audits++;
	cache_audit(l->cache, p->entity, &rows, &digest);
	if (rows == line->audit_rows && digest == line->audit_digest)
		return;
	l->counts.audits_bad++;
	log_warning("listener",
		"audit: the rows known of an entity differ from the database's, reading them "
		"again entity=%s name=\"%s\" rows=%lld in_database=%lld",
		entity_id_print(&p->entity->id, id), p->entity->who.name, (long long)rows,
		(long long)line->audit_rows);
	peer_want(l, p, WANT_ROWS);
}

/* ---- policies ---- */

static void policies_told(struct listener *l, int64_t version)
{
	if (version != l->policy_version)
		l->want_policies = true;
}

static void policies_take(struct listener *l, struct policies *p, int64_t version)
{
	l->policy_version = version;
	l->cb.policies(l->arg, p, version);
}

/* A line that this node does not understand is left out: reading it again would not help.
 */
static void policies_read(struct listener *l, const struct payload *pl)
{
	static struct payload_line line;
	struct policies *p;
	const char *why;
	size_t at = 0;
	int got;

	l->policies_seen = true;
	if (pl->number == l->policy_version)
		return;
	p = policies_new();
	while ((got = payload_next(pl, &at, &line, &why)) != 0) {
		if (got < 0)
			bad_payload(l, why);
		else if (line.type == LINE_POLICY &&
				 !policies_add(p, line.kind, line.key, line.policy))
			bad_payload(l, "there are too many policies");
	}
	policies_take(l, p, pl->number);
}

/* A read that tells of all policies, where there are any, told of none. */
static void policies_missing(struct listener *l)
{
	if (!l->policies_seen && l->policy_version != 0)
		policies_take(l, policies_new(), 0);
}

/* It was not written in time. */
static void peer_pulse(struct listener *l, struct peer *p)
{
	char id[ENTITY_ID_TEXT];
	int taken_back = announced_pulse(p->announced, l->cache, p->entity);

	if (taken_back > 0)
		log_notice("listener",
			"what was announced was not written, and is taken back: entity=%s "
			"devices=%d",
			entity_id_print(&p->entity->id, id), taken_back);
	l->counts.taken_back += taken_back;
	if (announced_is_empty(p->announced))
		peer_settle(p);
}

static void pulse_rate(struct listener *l, int members, int64_t for_us)
{
	l->deliveries = for_us > 0 ? members * l->changes * INT64_C(1000000) / for_us : 0;
	l->changes = 0;
}

/* The first payload of it. */
static void pulse_begin(struct listener *l, const struct payload *pl)
{
	int members = 0;

	l->pulse = pl->number;
	l->pulses++;
	l->notify_mode = (struct payload_notify){.mode = NOTIFY_DIRECT};
	for (int i = 0; i < cache_entities(l->cache); i++) {
		struct peer *p = peer_at(l, i);

		p->pulse_seq = p->last_pulse_seq;
		p->last_pulse_seq = p->entity->head.seq;
		members += p->entity->head.alive && !p->entity->who.is_static;
		if (p->announced)
			peer_pulse(l, p);
	}
	pulse_rate(l, members, pl->clock_us - l->pulse_clock_us);
	l->pulse_clock_us = pl->clock_us;
}

static void listener_pulse(struct listener *l, const struct payload *pl)
{
	static struct payload_line line;
	const char *why;
	size_t at = 0;
	int got;

	if (pl->number != l->pulse)
		pulse_begin(l, pl);
	while ((got = payload_next(pl, &at, &line, &why)) != 0) {
		struct peer *p = NULL;

		if (got < 0) {
			bad_payload(l, why);
			continue;
		}
		if (line.type == LINE_HEAD || line.type == LINE_AUDIT)
			p = peer_of(l, &line.head.entity);
		if (line.type == LINE_HEAD)
			head_compare(l, p, &line.head);
		else if (line.type == LINE_AUDIT)
			audit_compare(l, p, &line);
		else if (line.type == LINE_VERSION)
			policies_told(l, line.version);
		else if (line.type == LINE_NOTIFY)
			l->notify_mode = line.notify;
	}
	l->cb.pulse(l->arg, &pl->head.entity, pl->number, pl->clock_us);
}

/* ---- our own words come back ---- */

/* Did we publish that? The moment of a publish is known to who was told it: us, by its
 * answer, and before its notification is out nobody else. */
static bool own_is_genuine(
	const struct listener *l, const struct payload_head *known, const struct payload *pl)
{
	return uuid_equal(&pl->head.incarnation, &known->incarnation) &&
		   pl->head.seq <= known->seq && pl->head.seq > known->seq - MOST_ECHOES &&
		   pl->clock_us != 0 &&
		   pl->clock_us == l->own_clocks_us[pl->head.seq % MOST_ECHOES];
}

/* What comes before the answer waits for it. */
static void own_change(struct listener *l, struct peer *p, const struct payload *pl,
	const char *text, size_t len)
{
	const struct payload_head *known = &p->entity->head;

	if (own_is_genuine(l, known, pl))
		peer_lines(l, p, pl);
	else if (uuid_equal(&pl->head.incarnation, &known->incarnation) &&
			 pl->head.seq == known->seq + 1)
		peer_wait(l, p, text, len);
	else
		l->counts.older++;
}

void listener_own_lease(struct listener *l, const struct uuid *incarnation, int64_t seq)
{
	struct peer *p = peer_of(l, &l->self);
	struct payload_head *known = &p->entity->head;

	peer_drop_waiting(l, p);
	p->overflowed = false;
	if (!uuid_equal(incarnation, &known->incarnation) || seq != known->seq)
		memset(l->own_clocks_us, 0, sizeof(l->own_clocks_us));
	known->incarnation = *incarnation;
	known->seq = seq;
}

void listener_own_acked(struct listener *l, int64_t seq, int64_t clock_us)
{
	struct peer *p = peer_of(l, &l->self);
	struct waiting_list came = STAILQ_HEAD_INITIALIZER(came);
	struct waiting *w;

	p->overflowed = false;
	if (seq == p->entity->head.seq) { /* nothing was under way: nothing is to come */
		peer_drop_waiting(l, p);
		return;
	}
	p->entity->head.seq = seq;
	l->own_clocks_us[seq % MOST_ECHOES] = clock_us;
	STAILQ_CONCAT(&came, &p->waiting);
	while ((w = STAILQ_FIRST(&came)) != NULL) {
		STAILQ_REMOVE_HEAD(&came, link);
		l->waiting_bytes -= w->len;
		listener_apply(l, w->text, w->len);
		free(w);
	}
}

/* ---- notifications ---- */

static void listener_change(
	struct listener *l, const struct payload *pl, const char *text, size_t len)
{
	struct peer *p = peer_of(l, &pl->head.entity);

	l->changes++;
	if (p->entity->self) {
		own_change(l, p, pl, text, len);
		return;
	}
	if (peer_is_waiting(l, p)) {
		peer_wait(l, p, text, len);
		return;
	}
	peer_change(l, p, pl);
	if (peer_is_waiting(l, p)) /* it was a gap: this one waits as well */
		peer_wait(l, p, text, len);
}

/*
 * It is about to be written. Shown ahead only where what is known is what its node goes
 * by; anything else waits for the change itself.
 */
static void listener_announced(struct listener *l, const struct payload *pl)
{
	static struct payload_line line;
	struct peer *p = peer_of(l, &pl->head.entity);
	const struct payload_head *known = &p->entity->head;
	const char *why;
	size_t at = 0;
	int got;

	if (p->entity->self || !p->known || peer_is_waiting(l, p) || p->part > 0 ||
		known->seq < pl->from_seq || known->seq > pl->head.seq ||
		!uuid_equal(&pl->head.incarnation, &known->incarnation) ||
		pl->clock_us < l->pulse_clock_us - ANNOUNCED_LATE_US)
		return;
	while ((got = payload_next(pl, &at, &line, &why)) != 0) {
		if (got < 0)
			bad_payload(l, why);
		else if (line.type != LINE_VALUE || line.kind != KEY_DEVICE)
			bad_payload(l, "only states of devices are announced");
		else
			announced_show(&p->announced, l->cache, p->entity, line.key, &line.value);
	}
}

/* Somebody was refused because of us: say who. */
static void listener_twin(struct listener *l, const struct payload *pl)
{
	static struct payload_line line;
	const char *why;
	size_t at = 0;

	if (!entity_id_equal(&pl->head.entity, &l->self))
		return;
	if (payload_next(pl, &at, &line, &why) == 1 && line.type == LINE_ENTITY)
		l->cb.twin(l->arg, &pl->head.incarnation, &line.entity);
}

/* Changes of several entities, told at once: each as if it had come alone. */
static void listener_pack(struct listener *l, const struct payload *pack)
{
	struct payload pl;
	const char *text, *why;
	size_t at = 0, len;

	while (l->connected && payload_next_of_pack(pack, &at, &text, &len)) {
		if (!payload_parse(text, len, &pl, &why))
			bad_payload(l, why);
		else if (pl.type != PAYLOAD_CHANGE)
			bad_payload(l, "only changes come in a pack");
		else
			listener_change(l, &pl, text, len);
	}
}

/* False: malformed. */
static bool listener_apply(struct listener *l, const char *text, size_t len)
{
	struct payload pl;
	const char *why;

	if (!payload_parse(text, len, &pl, &why)) {
		bad_payload(l, why);
		return false;
	}
	switch (pl.type) {
	case PAYLOAD_CHANGE:
		listener_change(l, &pl, text, len);
		break;
	case PAYLOAD_PULSE:
		listener_pulse(l, &pl);
		break;
	case PAYLOAD_GONE:
		peer_want(l, peer_of(l, &pl.head.entity), WANT_ROWS);
		break;
	case PAYLOAD_PING:
		l->cb.ping(l->arg, &pl.head.entity, pl.number);
		break;
	case PAYLOAD_PONG:
		if (entity_id_equal(&pl.to, &l->self))
			l->cb.pong(l->arg, &pl.head.entity, pl.number);
		break;
	case PAYLOAD_TWIN:
		listener_twin(l, &pl);
		break;
	case PAYLOAD_POLICIES:
		policies_told(l, pl.number);
		break;
	case PAYLOAD_PACK:
		listener_pack(l, &pl);
		break;
	case PAYLOAD_ANNOUNCED:
		listener_announced(l, &pl);
		break;
	case PAYLOAD_ROWS:
		bad_payload(l, "rows do not come as a notification");
		return false;
	}
	return true;
}

void listener_notify(struct listener *l, const char *text, size_t len)
{
	if (!l->connected)
		return;
	l->counts.payloads++;
	listener_apply(l, text, len);
}

/* ---- reading ---- */

static void seen_begin(struct listener *l)
{
	for (int i = 0; i < cache_entities(l->cache); i++)
		peer_at(l, i)->seen = false;
}

/* What waits now came before it is asked for. */
static void waiting_is_asked(struct peer *p)
{
	for (struct waiting *w = STAILQ_FIRST(&p->waiting); w; w = STAILQ_NEXT(w, link))
		w->asked = true;
}

static void read_is(struct listener *l, struct db_request *req, enum reading reading,
	enum db_op op, struct peer *p)
{
	seen_begin(l);
	for (int i = 0; reading == READING_ALL && i < cache_entities(l->cache); i++)
		waiting_is_asked(peer_at(l, i));
	if (p)
		waiting_is_asked(p);
	if (reading == READING_ALL || reading == READING_HEADS || reading == READING_POLICIES)
		l->want_policies = false;
	l->policies_seen = false;
	l->reading = reading;
	req->op = op;
	req->entity = NULL;
	if (p) {
		l->reading_entity = p->entity->id;
		req->entity = &l->reading_entity;
		req->entity_incarnation = p->entity->head.incarnation;
		req->seq = p->entity->head.seq;
	}
}

bool listener_next_read(struct listener *l, struct db_request *req)
{
	if (!l->connected || l->reading != READING_NOTHING)
		return false;
	if (l->want_all) {
		read_is(l, req, READING_ALL, DB_READ_ROWS, NULL);
		return true;
	}
	if (l->want_heads) {
		read_is(l, req, READING_HEADS, DB_READ_HEADS, NULL);
		return true;
	}
	if (l->want_policies) {
		read_is(l, req, READING_POLICIES, DB_READ_POLICIES, NULL);
		return true;
	}
	for (int i = 0; l->want_some && i < cache_entities(l->cache); i++) {
		struct peer *p = peer_at(l, i);

		if (p->want == WANT_ROWS) {
			l->counts.reloads++;
			read_is(l, req, READING_ROWS, DB_READ_ROWS, p);
			return true;
		}
		if (p->want == WANT_JOURNAL) {
			l->counts.pulls++;
			p->told = (struct payload_head){0};
			read_is(l, req, READING_JOURNAL, DB_READ_JOURNAL, p);
			return true;
		}
	}
	l->want_some = false;
	return false;
}

static void own_rows(struct listener *l, struct peer *p, const struct payload *pl)
{
	static struct payload_line line;
	const char *why;
	size_t at = 0;
	int got;

	if (pl->chunk == 1)
		l->cb.own_begin(l->arg);
	while ((got = payload_next(pl, &at, &line, &why)) != 0) {
		if (got < 0)
			bad_payload(l, why);
		else if (line.type == LINE_VALUE)
			l->cb.own_row(l->arg, line.kind, line.key, &line.value, pl->head.seq);
		else if (line.type == LINE_ENTITY)
			peer_line(l, p, &line);
	}
	if (pl->chunk < pl->chunks)
		return;
	l->own = false;
	l->cb.own_end(l->arg, &pl->head);
}

/* Rows come in chunks, 1 to the last, in this order. A repeated one is left out; behind a
 * missing one nothing is taken: the load is cut. */
static bool rows_chunk_is_next(struct peer *p, const struct payload *pl)
{
	if (pl->chunk != 1 && pl->chunk != p->loaded + 1)
		return false;
	if (pl->chunk == 0)
		return false;
	p->loaded = pl->chunk < pl->chunks ? pl->chunk : 0;
	return true;
}

static void read_rows(struct listener *l, const struct payload *pl)
{
	struct peer *p = peer_of(l, &pl->head.entity);

	p->seen = true;
	if (p->entity->self && !l->own)
		return;
	if (!rows_chunk_is_next(p, pl))
		return;
	if (p->entity->self) {
		own_rows(l, p, pl);
		return;
	}
	if (pl->chunk == 1) {
		p->known = false;
		peer_settle(p);
		cache_mark(l->cache, p->entity);
		cache_entity_flags(l->cache, p->entity, pl->head.alive, pl->head.reporting);
	}
	peer_lines(l, p, pl); /* a bad line is left out: reading it again would not help */
	if (pl->chunk < pl->chunks)
		return;
	cache_sweep(l->cache, p->entity);
	peer_head(l, p, &pl->head);
}

static void read_journal(struct listener *l, const struct payload *pl)
{
	struct peer *p = peer_of(l, &l->reading_entity);

	if (!entity_id_equal(&pl->head.entity, &p->entity->id))
		return;
	if (pl->type == PAYLOAD_ROWS) {
		p->seen = true;
		p->told = pl->head;
	} else if (p->known) {
		peer_change(l, p, pl);
	}
}

static void read_head_line(struct listener *l, const char *text, size_t len)
{
	struct payload_head head;
	struct peer *p;

	if (!payload_parse_head(text, len, &head)) {
		bad_payload(l, "a head is malformed");
		return;
	}
	p = peer_of(l, &head.entity);
	p->seen = true;
	head_compare(l, p, &head);
}

void listener_read_payload(struct listener *l, const char *text, size_t len)
{
	struct payload pl;
	const char *why;

	if (l->reading == READING_NOTHING)
		return;
	if (l->reading == READING_HEADS && !(len > 0 && text[0] == '1')) {
		read_head_line(l, text, len);
		return;
	}
	if (!payload_parse(text, len, &pl, &why)) {
		bad_payload(l, why);
	} else if (pl.type == PAYLOAD_POLICIES) {
		policies_read(l, &pl);
	} else if (l->reading == READING_JOURNAL) {
		read_journal(l, &pl);
	} else if (l->reading == READING_HEADS || l->reading == READING_POLICIES) {
		bad_payload(l, "a head is malformed");
	} else if (pl.type == PAYLOAD_ROWS) {
		read_rows(l, &pl);
	}
}

/* The database has no row of us at all. */
static void own_missing(struct listener *l, const struct peer *p)
{
	if (!l->own || p->seen)
		return;
	l->own = false;
	l->cb.own_begin(l->arg);
	l->cb.own_end(l->arg, NULL);
}

/* Rows of one entity (or of all) were read: what was not mentioned does not exist. */
static void rows_done(struct listener *l, struct peer *p)
{
	bool told = !STAILQ_EMPTY(&p->waiting) || p->overflowed;

	p->loaded = 0;
	if (p->entity->self) {
		own_missing(l, p);
		/* still to be compared: it was cut, or wanted while this was under way */
		p->want = l->own ? WANT_ROWS : WANT_NOTHING;
		l->want_some = true;
		return;
	}
	if (!p->seen && told) { /* it came into being behind the snapshot */
		peer_drop_waiting(l, p);
		p->overflowed = false;
		p->known = false;
		p->want = WANT_ROWS;
		l->want_some = true;
		return;
	}
	if (!p->seen) {
		peer_remove(l, p);
		return;
	}
	p->want = p->known ? WANT_NOTHING : WANT_ROWS;
	l->want_some = true;
	peer_flush(l, p);
}

static void all_done(struct listener *l)
{
	l->want_all = false;
	l->loaded_once = true;
	policies_missing(l);
	for (int i = cache_entities(l->cache) - 1; i >= 0; i--)
		rows_done(l, peer_at(l, i));
}

static void heads_done(struct listener *l)
{
	l->want_heads = false;
	policies_missing(l);
	for (int i = 0; i < cache_entities(l->cache); i++) {
		struct peer *p = peer_at(l, i);

		if (!p->seen)
			peer_want(l, p, WANT_ROWS); /* it will not be found, and removed */
	}
}

static void journal_done(struct listener *l, struct peer *p)
{
	const struct payload_head *known = &p->entity->head;
	bool there = p->seen && p->known && p->part == 0 && p->want == WANT_JOURNAL &&
				 known->seq == p->told.seq &&
				 uuid_equal(&known->incarnation, &p->told.incarnation);

	if (!there) {
		p->want = WANT_NOTHING;
		peer_want(l, p, WANT_ROWS);
		return;
	}
	p->want = WANT_NOTHING;
	peer_head(l, p, &p->told);
	peer_flush(l, p);
}

void listener_read_done(struct listener *l, bool ok)
{
	enum reading reading = l->reading;

	l->reading = READING_NOTHING;
	if (!ok && reading == READING_POLICIES)
		l->want_policies = true;
	if (!ok || reading == READING_NOTHING || reading == READING_POLICIES)
		return;
	if (reading == READING_ALL)
		all_done(l);
	else if (reading == READING_HEADS)
		heads_done(l);
	else if (reading == READING_ROWS)
		rows_done(l, peer_of(l, &l->reading_entity));
	else
		journal_done(l, peer_of(l, &l->reading_entity));
}

/* ---- connection ---- */

void listener_connected(struct listener *l, bool own)
{
	l->connected = true;
	l->own = own;
	l->want_all = !l->loaded_once;
	l->want_heads = l->loaded_once;
	for (int i = 0; i < cache_entities(l->cache); i++) {
		struct peer *p = peer_at(l, i);

		p->pulse_seq = p->entity->head.seq;
		p->last_pulse_seq = p->entity->head.seq;
	}
	if (own && !l->want_all)
		peer_want(l, peer_of(l, &l->self), WANT_ROWS);
}

void listener_compare_own(struct listener *l)
{
	if (!l->connected || l->own)
		return;
	l->own = true;
	peer_want(l, peer_of(l, &l->self), WANT_ROWS);
}

void listener_forget(struct listener *l, const struct entity_id *id)
{
	struct peer *p = peer_of(l, id);

	peer_rest(l, p);
	peer_settle(p);
	p->known = false;
	if (entity_id_equal(id, &l->self))
		l->own = false; /* whoever wants them compared says so again */
	if (l->connected)
		peer_want(l, p, WANT_ROWS);
}

void listener_drop(struct listener *l, const struct entity_id *id)
{
	struct peer *p = peer_of(l, id);
	struct cache_entity *e = p->entity;

	peer_free(l, p);
	cache_entity_remove(l->cache, e);
}

void listener_disconnected(struct listener *l)
{
	l->connected = false;
	l->want_all = false;
	l->want_heads = false;
	l->want_policies = false;
	l->reading = READING_NOTHING;
	for (int i = 0; i < cache_entities(l->cache); i++) {
		struct peer *p = peer_at(l, i);

		if (p->loaded > 0 || p->part > 0 || p->want == WANT_ROWS)
			p->known = false; /* half of something: only its rows can tell */
		peer_rest(l, p);
	}
}

bool listener_is_loaded(const struct listener *l)
{
	if (!l->connected || l->want_all || l->want_heads || l->own)
		return false;
	return true;
}

struct payload_notify listener_notify_mode(const struct listener *l)
{
	return l->notify_mode;
}

int64_t listener_deliveries(const struct listener *l)
{
	return l->deliveries;
}

int64_t listener_policy_version(const struct listener *l)
{
	return l->policy_version;
}

void listener_counts(const struct listener *l, struct listener_counts *out)
{
	*out = l->counts;
}

struct listener *listener_new(struct cache *c, const struct entity_id *self,
	const struct listener_callbacks *cb, void *arg)
{
	struct listener *l = mem_alloc(sizeof(*l));

	l->cache = c;
	l->self = *self;
	l->cb = *cb;
	l->arg = arg;
	l->notify_mode.mode = NOTIFY_DIRECT;
	return l;
}

void listener_set_self(struct listener *l, const struct entity_id *self)
{
	l->self = *self;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	for (int i = 0; i < cache_entities(l->cache); i++)
		peer_free(l, peer_at(l, i));
	free(l);
}

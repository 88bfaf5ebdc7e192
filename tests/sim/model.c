/*
 * The model of the database: plain state, copied at each commit. One function here for
 * one function there (sql/functions/); the differential test holds the two against each
 * other.
 */
#include "model.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <md5.h>

#include "mem.h"
#include "payload.h"

#define MOST_ENTITIES 12
#ifndef MOST_KEYS
#define MOST_KEYS 24 /* of a kind */
#endif
#define KEPT_COMMITS    64 /* that a crash may take back */
#define MOST_POLICIES   8
#define AWAKE_GAP_US    INT64_C(1000000)
#define TICK_LEASE_US   INT64_C(2000000)
#define HEADS_SINCE_US  INT64_C(2000000)
#define MS              INT64_C(1000)
#define CHANNEL         "pgds_model"
#define PACK_HEADER     "1\tK\t1\n"
#define PACK_MORE_BYTES 300 /* 7,900 where chunks have 7,600 */

struct m_row {
	bool present;
	struct value value;
};

struct m_entity {
	struct entity_id id;
	char name[32], host[32], boot_id[40];
	int pid;
	bool is_static;
	int64_t expires_us; /* static; 0: never */
	int lease_ms, built_for;
	int journal_from; /* what is before belongs to one that was removed */
	struct uuid incarnation, session;
	int backend;
	int64_t seq;
	int unconfirmed;
	bool reporting, alive;
	int64_t beat_us, steady_us, since_us, moved_us;
	struct m_row rows[KEY_KINDS][MOST_KEYS];
};

struct m_policy {
	enum key_kind kind;
	enum policy policy;
	char pattern[40];
};

struct m_state {
	struct m_policy policies[MOST_POLICIES];
	int npolicies;
	int64_t policy_version;
	struct m_entity entities[MOST_ENTITIES];
	int nentities;
	struct uuid token;
	struct entity_id coordinator;
	struct uuid coordinator_run;
	int64_t renewed_us, reaped_us, pulse;
	struct entity_id slice_after, audit_after;
	int nchanges; /* of the journal; the rows themselves are the model's */
	int trimmed;  /* changes before this one are gone */
	/* the ticker */
	int notify_mode; /* setting: 0 auto, 1 direct, 2 ticker */
	bool ticker;     /* changes are left to it */
	bool relaying,
		until; /* it has something to tell; no ticker, somebody may count on it */
	struct uuid relayer;    /* token of the coordinator that called relay() last */
	int relay_from;         /* changes before this one are told */
	int64_t relayed_number; /* for MODEL_RELAY_BY_NUMBER */
	int members, period_ms, counted;
	bool packs;                                          /* all members read them */
	int64_t changes_per_s, late_ms, counted_us, busy_us; /* times: 0: never */
	int commits;
};

struct m_change {
	struct entity_id entity;
	struct uuid incarnation;
	int64_t from_seq, to_seq;
	int chunk, chunks;
	char *payload;
	int64_t number;  /* grows in the order of writing */
	int told_commit; /* the commit that told it; 0: none */
};

struct m_note {
	struct m_note *next;
	char *text;
};

struct model_session {
	struct model *model;
	struct model_session *next;
	int pid;
	int64_t since_us;
	bool open, listening;
	bool begun, begun_ticker; /* a publish; it is left to the ticker */
	int64_t begun_number;
	struct m_note *notes, **notes_end;
	int nnotes;
};

struct model {
	struct m_state now;
	struct m_state kept[KEPT_COMMITS]; /* before the commit of that number */
	struct m_change *changes;
	int room; /* for changes */
	char *keys[KEY_KINDS][MOST_KEYS];
	struct model_session *sessions;
	int last_pid;
	int64_t clock_us;
	size_t chunk_bytes;
	int slice;
	bool may_not_terminate, no_audit;
	int64_t direct_deliveries, ticker_deliveries;
	int period_ms; /* 0: follows the members */
	int64_t last_number;
	const struct model_session *writer; /* whose publish runs that began before */
	const struct model_tick *ticking;   /* it holds the locks */
	void (*untold)(void *arg, const char *what);
	void *untold_arg;
	void (*written)(void *arg, const struct entity_id *id, enum key_kind kind,
		const char *key, const struct value *v);
	void *written_arg;
	char message[200];
};

static enum model_rule broken;

void model_break(enum model_rule rule)
{
	broken = rule;
}

/* ---- small things ---- */

static const char *flags_of(bool alive, bool reporting)
{
	if (alive)
		return reporting ? "ar" : "a";
	return reporting ? "r" : "-";
}

static struct m_entity *entity_of(struct model *m, const struct entity_id *id)
{
	for (int i = 0; i < m->now.nentities; i++) {
		if (entity_id_equal(&m->now.entities[i].id, id))
			return &m->now.entities[i];
	}
	return NULL;
}

static int key_of(struct model *m, enum key_kind kind, const char *key)
{
	for (int i = 0; i < MOST_KEYS; i++) {
		if (!m->keys[kind][i])
			m->keys[kind][i] = mem_strdup(key);
		if (strcmp(m->keys[kind][i], key) == 0)
			return i;
	}
	assert(!"more keys than the model has room for");
	return -1;
}

static struct model_session *session_of(struct model *m, int pid)
{
	struct model_session *s = m->sessions;

	while (s && s->pid != pid)
		s = s->next;
	return s;
}

static bool backend_is_there(struct model *m, int pid)
{
	struct model_session *s = session_of(m, pid);

	return s && s->open;
}

static void notes_drop(struct model_session *s)
{
	struct m_note *n;

	while ((n = s->notes) != NULL) {
		s->notes = n->next;
		free(n->text);
		free(n);
	}
	s->notes_end = &s->notes;
	s->nnotes = 0;
}

static void session_end(struct model_session *s)
{
	s->open = false;
	s->listening = false;
	s->begun = false;
	notes_drop(s);
}

static void notify(struct model *m, const char *text)
{
	for (struct model_session *s = m->sessions; s; s = s->next) {
		struct m_note *n;

		if (!s->listening)
			continue;
		n = mem_alloc(sizeof(*n));
		n->text = mem_strdup(text);
		*s->notes_end = n;
		s->notes_end = &n->next;
		s->nnotes++;
	}
}

static void commit(struct model *m, const struct m_state *before)
{
	m->kept[before->commits % KEPT_COMMITS] = *before;
	m->now.commits = before->commits + 1;
}

/* ---- payloads ---- */

static void line_head(struct buf *b, char letter, const struct m_entity *e)
{
	char id[ENTITY_ID_TEXT];

	buf_addf(b, "%c\t%s\t%s\t%lld\t%s", letter, entity_id_print(&e->id, id),
		e->incarnation.text, (long long)e->seq, flags_of(e->alive, e->reporting));
}

static void line_entity(struct buf *b, const struct m_entity *e)
{
	if (e->is_static) {
		buf_addf(b, "E\tstatic\t%s\t-\t0\t-\t%lld\n", e->name, (long long)e->since_us);
		return;
	}
	buf_addf(b, "E\tnode\t%s\t%s\t%d\tmodel\t%lld\n", e->name, e->host, e->pid,
		(long long)e->since_us);
}

static void line_mailbox_name(struct buf *b, const char *key)
{
	size_t len = mailbox_len(key);

	buf_addf(b, "%.*s\t%s\n", (int)len, key, key + len + 1);
}

static void line_value(struct buf *b, enum key_kind kind, const char *key,
	const struct value *v, int64_t age_us)
{
	char held = v->held ? 'h' : '-';

	if (kind == KEY_DEVICE) {
		buf_addf(b, "D\t%d\t%c\t%lld\t%s\n", (int)v->state, held, (long long)age_us, key);
		return;
	}
	buf_addf(b, "M\t%u\t%u\t%u\t%c\t%lld\t", v->urgent, v->fresh, v->old, held,
		(long long)age_us);
	line_mailbox_name(b, key);
}

static void line_removed(
	struct buf *b, enum key_kind kind, const char *key, int64_t age_us)
{
	buf_addf(b, "%c\t%lld\t", kind == KEY_DEVICE ? 'd' : 'm', (long long)age_us);
	if (kind == KEY_DEVICE)
		buf_addf(b, "%s\n", key);
	else
		line_mailbox_name(b, key);
}

static void header(struct buf *b, const struct model *m, char type,
	const struct m_entity *e, int64_t from_seq, int chunk, int chunks,
	const struct db_request *continues)
{
	char id[ENTITY_ID_TEXT];
	bool goes_on = continues && continues->continues.text[0];

	buf_addf(b, "1\t%c\t1\t%s\t%s\t%lld\t%lld\t%d\t%d\t%s\t%s\t%lld\t%lld\n", type,
		entity_id_print(&e->id, id), e->incarnation.text, (long long)from_seq,
		(long long)e->seq, chunk, chunks, flags_of(e->alive, e->reporting),
		goes_on ? continues->continues.text : "-",
		goes_on ? (long long)continues->seq : 0, (long long)m->clock_us);
}

/* Where the chunk that begins at `at` ends: at the last line's end that it has room for.
 * A line that is longer than chunks are, in the simulator only, is one by itself. */
static size_t chunk_end(const struct model *m, const char *lines, size_t len, size_t at)
{
	size_t end = at + m->chunk_bytes;

	if (end >= len)
		return len;
	while (end > at && lines[end - 1] != '\n')
		end--;
	if (end == at)
		end += strcspn(lines + at, "\n") + 1;
	return end;
}

static void journal_add(struct model *m, const struct m_entity *e, int64_t from_seq,
	int chunk, int chunks, char *payload)
{
	struct m_change *c;

	if (m->now.nchanges == m->room) {
		m->room = m->room ? m->room * 2 : 256;
		m->changes = mem_realloc(m->changes, (size_t)m->room * sizeof(*c));
		memset(m->changes + m->now.nchanges, 0,
			(size_t)(m->room - m->now.nchanges) * sizeof(*c));
	}
	c = &m->changes[m->now.nchanges++];
	free(c->payload); /* of a change that a crash took */
	*c = (struct m_change){e->id, e->incarnation, from_seq, e->seq, chunk, chunks,
		payload, m->writer ? m->writer->begun_number : ++m->last_number, 0};
	if (m->writer ? m->writer->begun_ticker : m->now.ticker)
		return;
	c->told_commit = m->now.commits + 1;
	notify(m, payload);
}

/* One change of one entity: the journal's rows, and what they notify. */
static void write_change(struct model *m, const struct m_entity *e, int64_t from_seq,
	const struct buf *lines, const struct db_request *continues)
{
	const char *text = buf_str(lines);
	int chunks = 0, chunk = 0;
	size_t counted = 0;

	do {
		counted = chunk_end(m, text, lines->len, counted);
		chunks++;
	} while (counted < lines->len);
	for (size_t at = 0; chunk < chunks;) {
		size_t end = lines->len ? chunk_end(m, text, lines->len, at) : 0;
		struct buf b = {0};

		header(&b, m, 'C', e, from_seq, ++chunk, chunks, continues);
		buf_add(&b, text + at, end - at);
		journal_add(m, e, from_seq, chunk, chunks, buf_take(&b));
		at = end;
	}
}

/* ---- errors ---- */

static void fail(
	struct model *m, struct db_result *out, const char *sqlstate, const char *message)
{
	out->ok = false;
	snprintf(out->sqlstate, sizeof(out->sqlstate), "%s", sqlstate);
	snprintf(m->message, sizeof(m->message), "%s", message);
	out->message = m->message;
}

/* The entity that the caller may speak for, else NULL and PD001. */
static struct m_entity *head_of(
	struct model *m, const struct db_request *req, struct db_result *out)
{
	struct m_entity *e = entity_of(m, &req->self->entity);

	bool same_run = e && (broken == MODEL_NO_INCARNATION ||
							 uuid_equal(&e->incarnation, &req->incarnation));
	bool same_session =
		e && (broken == MODEL_NO_SESSION_TOKEN || broken == MODEL_NO_INCARNATION ||
				 uuid_equal(&e->session, &req->session));

	if (!e) {
		fail(m, out, "PD006", "there is no such node here");
		return NULL;
	}
	if (req->session.text[0] && e->session.text[0] && same_run && same_session)
		return e;
	fail(m, out, "PD001", "session or incarnation is not the current one");
	return NULL;
}

static int journal_begin(const struct model *m, const struct m_entity *e)
{
	return e->journal_from > m->now.trimmed ? e->journal_from : m->now.trimmed;
}

/* ---- the ticker: what nobody told yet ---- */

struct m_texts {
	char **text;
	int n;
};

static void texts_clear(struct m_texts *t)
{
	for (int i = 0; i < t->n; i++)
		free(t->text[i]);
	free(t->text);
	*t = (struct m_texts){NULL, 0};
}

static void texts_add(struct m_texts *t, char *text)
{
	t->text = mem_realloc(t->text, (size_t)(t->n + 1) * sizeof(*t->text));
	t->text[t->n++] = text;
}

/* Or nobody can: its entity was removed, and with it its part of the journal. */
static bool is_told(struct model *m, const struct m_change *c)
{
	const struct m_entity *e = entity_of(m, &c->entity);

	return c->told_commit > 0 || !e || c - m->changes < e->journal_from;
}

static void untold(struct model *m, const char *what, const struct m_change *c)
{
	char text[200], id[ENTITY_ID_TEXT];

	snprintf(text, sizeof(text), "%s: change %lld of %s", what, (long long)c->to_seq,
		entity_id_print(&c->entity, id));
	if (m->untold)
		m->untold(m->untold_arg, text);
}

/* Are those of its entity told that came before it? */
static void check_order(struct model *m, const struct m_change *c)
{
	for (const struct m_change *was = m->changes + m->now.trimmed; was < c; was++) {
		if (!is_told(m, was) && entity_id_equal(&was->entity, &c->entity))
			untold(m, "the ticker told it before an older one", c);
	}
}

/* A head in a pulse proves a gap: all that led to it was told. */
static void check_head(struct model *m, const struct m_entity *e)
{
	for (int i = journal_begin(m, e); i < m->now.nchanges; i++) {
		const struct m_change *c = &m->changes[i];

		if (!is_told(m, c) && entity_id_equal(&c->entity, &e->id) && c->to_seq <= e->seq)
			untold(m, "a pulse shows the head, nobody told it", c);
	}
}

static void relay_change(struct model *m, struct m_change *c, struct m_texts *out)
{
	if (is_told(m, c))
		return;
	if (broken == MODEL_RELAY_BY_NUMBER && c->number < m->now.relayed_number)
		return;
	if (m->now.relayed_number < c->number)
		m->now.relayed_number = c->number;
	check_order(m, c);
	c->told_commit = m->now.commits + 1;
	texts_add(out, mem_strdup(c->payload));
}

static void relay_changes(struct model *m, struct m_texts *out)
{
	int from = m->now.relay_from < m->now.trimmed ? m->now.trimmed : m->now.relay_from;
	int n = m->now.nchanges - from;

	for (int i = 0; i < n; i++)
		relay_change(m,
			&m->changes[from + (broken == MODEL_RELAY_NEWEST_FIRST ? n - 1 - i : i)],
			out);
	m->now.relay_from = m->now.nchanges;
}

/* Several changes in one notification, as many as there is room for: from *at on. */
static char *pack_next(const struct model *m, const struct m_texts *from, int *at)
{
	size_t most = m->now.packs ? m->chunk_bytes + PACK_MORE_BYTES : 0;
	struct buf b = {0};
	int first = *at;
	char *text;

	buf_adds(&b, PACK_HEADER);
	do
		buf_adds(&b, from->text[(*at)++]);
	while (*at < from->n && b.len + strlen(from->text[*at]) <= most);
	text = *at - first > 1 ? mem_strdup(buf_str(&b)) : mem_strdup(from->text[first]);
	buf_clear(&b);
	return text;
}

static void texts_pack(const struct model *m, struct m_texts *t)
{
	struct m_texts packed = {NULL, 0};

	for (int at = 0; at < t->n;)
		texts_add(&packed, pack_next(m, t, &at));
	texts_clear(t);
	*t = packed;
}

static bool somebody_counts_on_it(const struct model *m)
{
	for (const struct model_session *s = m->sessions; s; s = s->next) {
		if (s->begun && s->begun_ticker)
			return true;
	}
	return false;
}

/* Tells what is new; where the ticker was given up, until nobody counts on it. How many.
 */
static int ticker_step(struct model *m, bool ticker, struct m_texts *out)
{
	int sent;

	if (!m->now.relaying)
		return 0;
	relay_changes(m, out);
	sent = out->n;
	texts_pack(m, out);
	if (ticker) {
		m->now.until = false;
	} else if (!m->now.until) {
		m->now.until = true;
	} else if (!somebody_counts_on_it(m)) {
		m->now.relaying = false;
		m->now.until = false;
	}
	return sent;
}

static void ticker_end(struct model *m)
{
	struct m_texts texts = {NULL, 0};

	ticker_step(m, true, &texts);
	m->now.ticker = false;
	for (int i = 0; i < texts.n; i++)
		notify(m, texts.text[i]);
	texts_clear(&texts);
}

/* Behind the newest row of the journal; what was counted last, if there is none. */
static int journal_end(struct model *m)
{
	for (int i = m->now.nchanges; i > m->now.trimmed; i--) {
		const struct m_entity *e = entity_of(m, &m->changes[i - 1].entity);

		if (e && i > e->journal_from)
			return i;
	}
	return m->now.counted;
}

static void members_count(struct m_state *st)
{
	int read_packs = 0;

	st->members = 0;
	for (int i = 0; i < st->nentities; i++) {
		const struct m_entity *e = &st->entities[i];

		if (!e->alive || e->is_static)
			continue;
		st->members++;
		read_packs += e->built_for >= 5;
	}
	st->packs = st->members > 0 && read_packs == st->members;
}

/* How late a tick is, so long after the one before (0: that says nothing); it grows
 * slowly. */
static void late_count(struct m_state *st, int64_t ms)
{
	int64_t late_ms = ms - 500;

	if (late_ms > st->late_ms + 20)
		late_ms = st->late_ms + 20;
	st->late_ms = late_ms > 0 ? late_ms : 0;
}

static void ticker_count(struct model *m)
{
	struct m_state *st = &m->now;
	int64_t ms = (m->clock_us - st->counted_us) / MS;
	int last = journal_end(m);

	members_count(st);
	st->period_ms = (int)(st->members * INT64_C(1000) / m->ticker_deliveries);
	if (st->period_ms < 2)
		st->period_ms = 2;
	if (st->period_ms > 20)
		st->period_ms = 20;
	if (m->period_ms)
		st->period_ms = m->period_ms;
	if (st->counted_us && m->clock_us >= st->counted_us && ms < 100)
		return;
	if (!st->counted_us || m->clock_us < st->counted_us || ms > 10000)
		ms = 0;
	late_count(st, ms);
	if (ms)
		st->changes_per_s =
			(st->changes_per_s +
				(last > st->counted ? last - st->counted : 0) * INT64_C(1000) / ms) /
			2;
	st->counted = last;
	st->counted_us = m->clock_us;
	if (st->members * st->changes_per_s > m->direct_deliveries / 3)
		st->busy_us = m->clock_us;
}

static bool ticker_wanted(const struct model *m, bool begins)
{
	const struct m_state *st = &m->now;

	if (st->notify_mode == 1)
		return false;
	if (begins)
		return st->ticker;
	if (!uuid_equal(&st->relayer, &st->token))
		return false;
	if (st->notify_mode == 2 || st->members * st->changes_per_s > m->direct_deliveries)
		return true;
	if (st->members * st->changes_per_s > m->direct_deliveries / 3 && st->late_ms > 50)
		return true;
	return st->ticker && st->busy_us && st->busy_us <= m->clock_us &&
		   st->busy_us >= m->clock_us - INT64_C(10000000);
}

static void tick_ticker(struct model *m, bool begins, struct m_texts *out)
{
	struct m_state *st = &m->now;
	bool wanted;

	if (begins && broken == MODEL_TAKEOVER_FORGETS)
		st->relay_from = st->nchanges;
	if (broken != MODEL_PULSE_OVERTAKES)
		ticker_step(m, st->ticker, out);
	ticker_count(m);
	wanted = ticker_wanted(m, begins);
	if (wanted == st->ticker)
		return;
	st->ticker = wanted;
	st->until = false;
	if (wanted && !st->relaying)
		st->relay_from = st->nchanges;
	st->relaying = wanted || (st->relaying && broken != MODEL_SWITCH_FORGETS);
}

static void line_notify(const struct model *m, struct buf *b)
{
	static const char *const names[] = {"auto", "direct", "ticker"};
	const struct m_state *st = &m->now;

	if (!st->ticker && st->notify_mode == 0)
		return;
	buf_addf(b, "N\t%s\t%s\t%d\t%lld\t%d\n", st->ticker ? "ticker" : "direct",
		names[st->notify_mode], st->members, (long long)st->changes_per_s, st->period_ms);
}

static void run_relay(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	struct model *m = s->model;
	struct m_texts texts = {NULL, 0};

	if (!head_of(m, req, out) || m->ticking || !m->now.token.text[0] ||
		!uuid_equal(&m->now.token, &req->token))
		return;
	m->now.relayer = req->token;
	out->relay.sent = ticker_step(m, m->now.ticker, &texts);
	out->relay.period_ms = m->now.relaying ? m->now.period_ms : 0;
	for (int i = 0; i < texts.n; i++)
		notify(m, texts.text[i]);
	texts_clear(&texts);
}

/* ---- register, resume, leave ---- */

/* The clock went back: who looks at a lease ends beats of the future. */
static void lease_look(const struct model *m, struct m_entity *e)
{
	if (e->beat_us > m->clock_us)
		e->beat_us = m->clock_us;
}

static bool lease_holds(struct model *m, struct m_entity *e, const struct db_self *by)
{
	lease_look(m, e);
	if (!e->alive || e->beat_us + e->lease_ms * INT64_C(1000) <= m->clock_us ||
		broken == MODEL_TWIN_MAY_REGISTER)
		return false;
	return !(strcmp(e->host, by->host) == 0 && strcmp(e->boot_id, by->boot_id) == 0 &&
			 by->boot_id[0] && !backend_is_there(m, e->backend));
}

/* Of a restart beside a PBX that may be well; or the holder itself goes on. */
static bool lease_keeps_reporting(
	const struct model *m, const struct m_entity *e, const struct db_request *req)
{
	return strcmp(e->host, req->self->host) == 0 &&
		   strcmp(e->boot_id, req->self->boot_id) == 0 && req->self->boot_id[0] &&
		   (req->continues.text[0] ||
			   (e->alive && e->beat_us + e->lease_ms * INT64_C(1000) > m->clock_us));
}

static void lease_says_holder(
	struct model *m, const struct m_entity *e, struct db_lease *out)
{
	snprintf(out->holder_name, sizeof(out->holder_name), "%s", e->name);
	snprintf(out->holder_host, sizeof(out->holder_host), "%s", e->host);
	out->holder_pid = e->pid;
	out->holder_beat_age_ms = (m->clock_us - e->beat_us) / 1000;
}

static void lease_fill(struct model *m, struct db_lease *out)
{
	snprintf(out->channel, sizeof(out->channel), "%s", CHANNEL);
	out->site = 1;
	out->clock_us = m->clock_us;
}

static void backend_end(struct model *m, int pid, const struct model_session *but)
{
	struct model_session *s = session_of(m, pid);

	if (s && s != but && !m->may_not_terminate)
		session_end(s);
}

static void entity_is(
	struct m_entity *e, const struct db_self *self, const struct model_session *s)
{
	snprintf(e->name, sizeof(e->name), "%s", self->name);
	snprintf(e->host, sizeof(e->host), "%s", self->host);
	snprintf(e->boot_id, sizeof(e->boot_id), "%s", self->boot_id);
	e->pid = self->pid;
	e->backend = s->pid;
	e->steady_us = s->since_us < s->model->clock_us ? s->since_us : s->model->clock_us;
	e->session = uuid_random();
}

static struct m_entity *entity_add(struct model *m, const struct entity_id *id)
{
	struct m_entity *e = &m->now.entities[m->now.nentities++];

	assert(m->now.nentities <= MOST_ENTITIES);
	memset(e, 0, sizeof(*e));
	e->id = *id;
	e->journal_from = m->now.nchanges;
	return e;
}

static struct m_entity *entity_make(struct model *m, const struct db_request *req)
{
	struct m_entity *e = entity_of(m, &req->self->entity);

	if (e)
		return e;
	e = entity_add(m, &req->self->entity);
	e->incarnation = req->incarnation;
	return e;
}

static void tell_twin(struct model *m, const struct db_request *req)
{
	struct buf b = {0};
	char id[ENTITY_ID_TEXT];

	buf_addf(&b, "1\tT\t1\t%s\t%s\t%lld\nE\tnode\t%s\t%s\t%d\tmodel\t%lld\n",
		entity_id_print(&req->self->entity, id), req->incarnation.text,
		(long long)m->clock_us, req->self->name, req->self->host, req->self->pid,
		(long long)m->clock_us);
	notify(m, buf_str(&b));
	buf_clear(&b);
}

static void run_register(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	struct model *m = s->model;
	bool is_new = !entity_of(m, &req->self->entity);
	struct m_entity *e = entity_make(m, req);
	bool same = uuid_equal(&e->incarnation, &req->incarnation);
	struct buf lines = {0};

	lease_fill(m, &out->lease);
	if (req->continues.text[0] && (is_new || !same)) {
		if (!e->session.text[0] || !uuid_equal(&e->incarnation, &req->continues) ||
			!uuid_equal(&e->session, &req->continues_session) || e->seq != req->seq) {
			fail(m, out, "PD001", "is not at that incarnation any more");
			return;
		}
	} else if (!is_new && lease_holds(m, e, req->self) && !same) {
		out->lease.outcome = DB_REFUSED;
		out->lease.seq = e->seq;
		lease_says_holder(m, e, &out->lease);
		tell_twin(m, req);
		return;
	}
	e->reporting = e->reporting && lease_keeps_reporting(m, e, req);
	backend_end(m, e->backend, s);
	entity_is(e, req->self, s);
	e->incarnation = req->incarnation;
	e->lease_ms = req->self->lease_ms;
	e->built_for = req->self->built_for;
	e->unconfirmed = 0;
	if (!same || is_new)
		e->since_us = m->clock_us;
	e->seq++;
	e->alive = true;
	e->beat_us = m->clock_us;
	e->moved_us = m->clock_us;
	line_entity(&lines, e);
	write_change(m, e, e->seq - 1, &lines, same ? NULL : req);
	buf_clear(&lines);
	out->lease.outcome = DB_REGISTERED;
	out->lease.session = e->session;
	out->lease.seq = e->seq;
	out->lease.lease_ms = e->lease_ms;
}

static void resume_refuse(struct model_session *s, struct m_entity *e,
	const struct db_request *req, struct db_lease *out)
{
	out->outcome = DB_LOST;
	if (e)
		lease_look(s->model, e);
	if (e && uuid_equal(&e->incarnation, &req->incarnation)) {
		backend_end(s->model, e->backend, s);
		e->session.text[0] = '\0';
		e->alive = false;
	} else if (e && lease_holds(s->model, e, req->self)) {
		out->outcome = DB_REFUSED;
		lease_says_holder(s->model, e, out);
	}
}

static void run_resume(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	struct model *m = s->model;
	struct m_entity *e = entity_of(m, &req->self->entity);
	struct buf none = {0};
	bool was_alive;

	lease_fill(m, &out->lease);
	out->lease.seq = e ? e->seq : 0;
	if (!e || !uuid_equal(&e->incarnation, &req->incarnation) || !e->session.text[0] ||
		e->seq - e->unconfirmed > req->seq + 1) {
		resume_refuse(s, e, req, &out->lease);
		return;
	}
	was_alive = e->alive;
	out->lease.outcome =
		e->seq >= req->seq || broken == MODEL_REWIND_UNNOTICED ? DB_RESUMED : DB_REWOUND;
	backend_end(m, e->backend, s);
	entity_is(e, req->self, s);
	e->beat_us = m->clock_us;
	if (out->lease.outcome == DB_RESUMED && !was_alive) {
		e->seq++;
		e->unconfirmed++;
		e->alive = true;
		e->moved_us = m->clock_us;
		write_change(m, e, e->seq - 1, &none, NULL);
	}
	out->lease.session = e->session;
	out->lease.seq = e->seq;
	out->lease.lease_ms = e->lease_ms;
}

static void run_leave(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	struct model *m = s->model;
	struct m_entity *e = head_of(m, req, out);
	struct buf none = {0};

	if (!e)
		return;
	if (m->now.ticker && !m->ticking && entity_id_equal(&m->now.coordinator, &e->id) &&
		uuid_equal(&m->now.coordinator_run, &req->incarnation))
		ticker_end(m);
	e->alive = false;
	e->reporting = false;
	e->session.text[0] = '\0';
	e->unconfirmed = 0;
	e->beat_us = m->clock_us;
	e->moved_us = m->clock_us;
	e->seq++;
	out->seq = e->seq;
	write_change(m, e, e->seq - 1, &none, NULL);
}

/* ---- policies ---- */

struct policies *model_policies(const struct model *m)
{
	struct policies *p = m->now.npolicies > 0 ? policies_new() : NULL;

	for (int i = 0; i < m->now.npolicies; i++)
		policies_add(p, m->now.policies[i].kind, m->now.policies[i].pattern,
			m->now.policies[i].policy);
	return p;
}

static enum policy policy_of(const struct model *m, enum key_kind kind, const char *key)
{
	struct policies *p = model_policies(m);
	enum policy policy = policies_of(p, kind, key);

	policies_free(p);
	return policy;
}

static void policies_header(const struct model *m, struct buf *b)
{
	buf_addf(b, "1\tV\t1\t%lld\t%lld\n", (long long)m->now.policy_version,
		(long long)m->clock_us);
}

bool model_policy(struct model *m, enum key_kind kind, const char *pattern, int policy)
{
	struct m_state before = m->now;
	struct m_policy *p = m->now.policies, *end = p + m->now.npolicies;
	struct buf b = {0};

	while (p < end && (p->kind != kind || strcmp(p->pattern, pattern) != 0))
		p++;
	if (policy < 0 ? p == end : p < end && (int)p->policy == policy)
		return false;
	if (policy < 0) {
		*p = *--end;
		m->now.npolicies--;
	} else {
		assert(p < m->now.policies + MOST_POLICIES);
		m->now.npolicies += p == end;
		p->kind = kind;
		p->policy = (enum policy)policy;
		snprintf(p->pattern, sizeof(p->pattern), "%s", pattern);
	}
	m->now.policy_version =
		m->now.policy_version + 1 > m->clock_us ? m->now.policy_version + 1 : m->clock_us;
	commit(m, &before);
	policies_header(m, &b);
	notify(m, buf_str(&b));
	buf_clear(&b);
	return true;
}

/* ---- publish ---- */

static void written(const struct model *m, const struct m_entity *e, enum key_kind kind,
	const char *key, const struct value *v)
{
	if (m->written)
		m->written(m->written_arg, &e->id, kind, key, v);
}

/* Is there a word of another, behind our own, that this one was said after? What lies in
 * the future is of a clock that went back since. */
static bool toggle_was_overruled(
	const struct model *m, const struct m_entity *e, int key, int64_t said_us)
{
	int64_t own_us = e->rows[KEY_DEVICE][key].value.stamp_us;

	for (int i = 0; i < m->now.nentities; i++) {
		const struct m_entity *other = &m->now.entities[i];
		const struct m_row *row = &other->rows[KEY_DEVICE][key];
		int64_t at_us = row->value.stamp_us;

		if (other == e || !row->present || (at_us >= said_us && at_us <= m->clock_us))
			continue;
		if (at_us > own_us ||
			(at_us == own_us && memcmp(&other->id, &e->id, sizeof(e->id)) > 0))
			return true;
	}
	return false;
}

/* The newest stamp of a device, whosever; 0: nobody says anything. */
static int64_t toggle_newest_us(const struct model *m, int key)
{
	int64_t newest_us = 0;

	for (int i = 0; i < m->now.nentities; i++) {
		const struct m_row *row = &m->now.entities[i].rows[KEY_DEVICE][key];

		if (row->present && row->value.stamp_us > newest_us)
			newest_us = row->value.stamp_us;
	}
	return newest_us;
}

/* Does the word that stands keep its stamp: is this one no news? */
static bool toggle_stands(const struct model *m, const struct m_entity *e, int key,
	const struct batch_item *item, bool force)
{
	const struct m_row *own = &e->rows[KEY_DEVICE][key];

	return own->present && value_same(KEY_DEVICE, &own->value, &item->value) &&
		   (force || !toggle_was_overruled(m, e, key, m->clock_us - item->age_us));
}

static int64_t toggle_stamp(const struct model *m, const struct m_entity *e, int key,
	const struct batch_item *item, bool force)
{
	int64_t newest_us = toggle_newest_us(m, key);

	if (toggle_stands(m, e, key, item, force))
		return e->rows[KEY_DEVICE][key].value.stamp_us;
	if (broken == MODEL_TOGGLES_UNORDERED)
		return m->clock_us;
	return !force && newest_us > m->clock_us ? newest_us + 1 : m->clock_us - item->age_us;
}

static int write_toggle(struct model *m, struct m_entity *e,
	const struct batch_item *item, bool force, struct buf *lines)
{
	int key = key_of(m, KEY_DEVICE, item->key);
	struct m_row *row = &e->rows[KEY_DEVICE][key];
	int64_t stamp_us = toggle_stamp(m, e, key, item, force);

	if (!force && toggle_stands(m, e, key, item, force))
		return 0;
	row->present = true;
	row->value = item->value;
	row->value.stamp_us = stamp_us;
	written(m, e, KEY_DEVICE, item->key, &row->value);
	line_value(lines, KEY_DEVICE, item->key, &item->value, m->clock_us - stamp_us);
	return 1;
}

static int write_item(struct model *m, struct m_entity *e, const struct batch_item *item,
	bool force, struct buf *lines)
{
	int key = key_of(m, item->kind, item->key);
	struct m_row *row = &e->rows[item->kind][key];
	bool same = row->present == !item->removed &&
				(item->removed || value_same(item->kind, &row->value, &item->value));

	if (item->kind == KEY_DEVICE && !item->removed &&
		policy_of(m, KEY_DEVICE, item->key) == POLICY_LATEST)
		return write_toggle(m, e, item, force, lines);
	if (same && !force)
		return 0;
	row->present = !item->removed;
	row->value = item->value;
	row->value.stamp_us = m->clock_us - item->age_us;
	written(m, e, item->kind, item->key, item->removed ? NULL : &row->value);
	if (item->removed)
		line_removed(lines, item->kind, item->key, item->age_us);
	else
		line_value(lines, item->kind, item->key, &item->value, item->age_us);
	return 1;
}

/* Devices before mailboxes, of each what is removed last, by name. */
static int by_line(const void *a, const void *b)
{
	const struct batch_item *x = *(const struct batch_item *const *)a;
	const struct batch_item *y = *(const struct batch_item *const *)b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->removed != y->removed)
		return x->removed ? 1 : -1;
	return strcmp(x->key, y->key);
}

/* A key is once in a change, so listeners do not mind the order of its lines; but a
 * change of several chunks is divided by it, and has to be divided as PostgreSQL does. */
static int write_items(struct model *m, struct m_entity *e,
	const struct batch_item *items, size_t n, bool force, struct buf *lines)
{
	const struct batch_item **sorted = mem_alloc((n + 1) * sizeof(*sorted));
	int changed = 0;

	for (size_t i = 0; i < n; i++)
		sorted[i] = &items[i];
	qsort(sorted, n, sizeof(*sorted), by_line);
	for (size_t i = 0; i < n; i++)
		changed += write_item(m, e, sorted[i], force, lines);
	free(sorted);
	return changed;
}

/* How long a node may be silent while nothing is wrong: half a lease, 3 s at most. */
static int64_t beat_gap_us(const struct m_entity *e)
{
	return (e->lease_ms < 6000 ? e->lease_ms : 6000) * MS / 2;
}

/* More than that without a beat, or a clock that went back, is a gap. */
static void beat(const struct model *m, struct m_entity *e)
{
	if (m->clock_us < e->beat_us || m->clock_us > e->beat_us + beat_gap_us(e))
		e->steady_us = m->clock_us;
	e->beat_us = m->clock_us;
}

static void run_publish(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	struct model *m = s->model;
	struct m_entity *e = head_of(m, req, out);
	struct buf lines = {0};
	bool tell;

	if (!e)
		return;
	if (!e->alive && broken != MODEL_DEAD_MAY_PUBLISH) {
		fail(m, out, "PD002", "lease lost");
		return;
	}
	beat(m, e);
	e->unconfirmed = 0;
	tell = req->reporting >= 0 && (req->reporting == 1) != e->reporting;
	out->changed = write_items(m, e, req->items, req->nitems, req->force, &lines);
	if (out->changed > 0 || tell) {
		if (req->reporting >= 0)
			e->reporting = req->reporting == 1;
		e->seq++;
		e->moved_us = m->clock_us;
		write_change(m, e, e->seq - 1, &lines, NULL);
	}
	buf_clear(&lines);
	out->seq = e->seq;
	out->clock_us = m->clock_us;
}

/* ---- static entities: what SQL says ---- */

struct entity_id model_static_id(const char *name)
{
	struct entity_id id = {{2}};
	uint8_t md5[MD5_DIGEST_LENGTH];
	char text[80];
	MD5_CTX ctx;

	snprintf(text, sizeof(text), "pgdevstate static 0%s", name);
	MD5Init(&ctx);
	MD5Update(&ctx, (const uint8_t *)text, strlen(text));
	MD5Final(md5, &ctx);
	memcpy(id.bytes + 1, md5, sizeof(id.bytes) - 1);
	return id;
}

static struct m_entity *static_get(struct model *m, const char *name)
{
	struct entity_id id = model_static_id(name);
	struct m_entity *e = entity_of(m, &id);
	struct buf lines = {0};

	if (e)
		return e;
	e = entity_add(m, &id);
	e->is_static = true;
	e->alive = true;
	e->incarnation = (struct uuid){"00000000-0000-0000-0000-000000000000"};
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->seq = e->since_us = e->moved_us = m->clock_us;
	line_entity(&lines, e);
	write_change(m, e, 0, &lines, NULL);
	buf_clear(&lines);
	return e;
}

static bool batch_has(
	const struct batch_item *items, size_t n, enum key_kind kind, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (items[i].kind == kind && strcmp(items[i].key, key) == 0)
			return true;
	}
	return false;
}

/* Its time was over: what it said before must not come back. */
static size_t static_forget(
	const struct model *m, const struct m_entity *e, struct batch_item *items, size_t n)
{
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		for (int i = 0; i < MOST_KEYS && m->keys[kind][i]; i++) {
			struct batch_item gone = {
				.kind = (enum key_kind)kind, .key = m->keys[kind][i], .removed = true};

			if (e->rows[kind][i].present && !batch_has(items, n, gone.kind, gone.key))
				items[n++] = gone;
		}
	}
	return n;
}

int64_t model_static_ttl(struct model *m, const char *name)
{
	struct entity_id id = model_static_id(name);
	const struct m_entity *e = entity_of(m, &id);

	if (!e)
		return -1;
	if (!e->expires_us)
		return 0;
	return e->expires_us - m->clock_us > 1000 * MS ? e->expires_us - m->clock_us
												   : 1000 * MS;
}

int64_t model_static_end(struct model *m, const char *name)
{
	struct entity_id id = model_static_id(name);
	const struct m_entity *e = entity_of(m, &id);

	return e ? e->expires_us : 0;
}

int model_static(struct model *m, const char *name, int64_t ttl_us,
	const struct batch_item *items, size_t n)
{
	struct m_state before = m->now;
	struct m_entity *e = static_get(m, name);
	bool over = !e->alive || (e->expires_us && e->expires_us < m->clock_us);
	struct batch_item all[KEY_KINDS * MOST_KEYS];
	struct buf lines = {0};
	int64_t was = e->seq;
	int changed;

	assert(n <= KEY_KINDS * MOST_KEYS);
	memcpy(all, items, n * sizeof(*items));
	if (over && broken != MODEL_STATIC_COMES_BACK)
		n = static_forget(m, e, all, n);
	changed = write_items(m, e, all, n, false, &lines);
	e->alive = true;
	if (changed > 0 || over) {
		e->seq = was + 1 > m->clock_us ? was + 1 : m->clock_us;
		e->moved_us = m->clock_us;
		write_change(m, e, was, &lines, NULL);
	}
	e->expires_us = ttl_us ? m->clock_us + ttl_us : 0;
	e->beat_us = m->clock_us;
	commit(m, &before);
	buf_clear(&lines);
	return changed;
}

/* ---- tick ---- */

struct model_tick {
	struct model_session *session;
	struct m_state before;
	struct db_result result;
	struct buf pulse;
	struct m_texts told; /* before it */
};

/* Until when an entity knows that the database was there. */
static int64_t awake_until(struct model *m, const struct m_entity *e)
{
	int64_t until_us = e->beat_us;

	if (backend_is_there(m, e->backend))
		until_us += beat_gap_us(e);
	return until_us < m->clock_us ? until_us : m->clock_us;
}

/* How long after the last reaping this tick may come while nothing is wrong. */
static int64_t tick_gap_us(const struct model *m, const struct model_session *by)
{
	int64_t gap_us = AWAKE_GAP_US, least_us = INT64_MAX;

	for (int i = 0; i < m->now.nentities; i++) {
		const struct m_entity *e = &m->now.entities[i];

		if (e->alive && !e->is_static && beat_gap_us(e) < least_us)
			least_us = beat_gap_us(e);
	}
	if (by->since_us <= m->now.reaped_us && least_us < INT64_MAX && least_us > gap_us &&
		broken != MODEL_TICK_NO_SIGN)
		gap_us = least_us;
	return gap_us;
}

/* Since when the database was there without a gap; 0: since the last reaping at least. */
static int64_t awake_since(struct model *m, const struct model_session *by)
{
	int64_t seen_us = m->now.reaped_us, since_us = 0;

	if (seen_us > m->clock_us)
		return 1; /* the clock went back: only beats of the future are to end */
	if (broken == MODEL_STEADY_IGNORED && seen_us + AWAKE_GAP_US < m->clock_us)
		return m->clock_us;
	if (seen_us + tick_gap_us(m, by) >= m->clock_us)
		return 0;
	while (seen_us + AWAKE_GAP_US < m->clock_us) {
		int64_t next_us = m->clock_us, best_us = seen_us;

		for (int i = 0; i < m->now.nentities; i++) {
			struct m_entity *e = &m->now.entities[i];
			int64_t until_us = awake_until(m, e);

			if (e->is_static || e->beat_us > m->clock_us)
				continue;
			if (e->steady_us <= seen_us + AWAKE_GAP_US && until_us > best_us)
				best_us = until_us;
			if (e->steady_us > seen_us + AWAKE_GAP_US && e->steady_us < next_us)
				next_us = e->steady_us;
		}
		if (best_us == seen_us)
			since_us = next_us;
		seen_us = best_us == seen_us ? next_us : best_us;
	}
	return since_us && broken == MODEL_LEASES_ANEW_LATE ? m->clock_us : since_us;
}

/* The database was away: all leases begin anew when it was back. */
static void tick_leases_anew(struct model *m, int64_t since_us)
{
	for (int i = 0; since_us && i < m->now.nentities; i++) {
		struct m_entity *e = &m->now.entities[i];

		if (!e->alive || e->is_static)
			continue;
		if (e->beat_us < since_us)
			e->beat_us = since_us;
		if (e->beat_us > m->clock_us)
			e->beat_us = m->clock_us;
		if (e->steady_us > m->clock_us)
			e->steady_us = m->clock_us;
	}
}

static bool lease_is_over(const struct model *m, const struct m_entity *e)
{
	if (e->is_static)
		return e->expires_us && e->expires_us < m->clock_us &&
			   broken != MODEL_STATIC_FOR_EVER;
	return e->beat_us + e->lease_ms * MS < m->clock_us;
}

static int tick_reap(struct model_session *by, bool dead[])
{
	struct model *m = by->model;
	int reaped = 0;

	if (broken != MODEL_REAP_AT_ONCE)
		tick_leases_anew(m, awake_since(m, by));
	for (int i = 0; i < m->now.nentities; i++) {
		struct m_entity *e = &m->now.entities[i];

		if (!e->alive || !lease_is_over(m, e) || broken == MODEL_NO_REAPER)
			continue;
		e->alive = false;
		e->seq += broken == MODEL_REAPER_MOVES_SEQ;
		backend_end(m, e->backend, by);
		dead[i] = true;
		reaped++;
	}
	m->now.reaped_us = m->clock_us;
	return reaped;
}

/* The index of the first entity behind `after`; -1: none. */
static int entity_behind(const struct model *m, const struct entity_id *after)
{
	int best = -1;

	for (int i = 0; i < m->now.nentities; i++) {
		const struct entity_id *id = &m->now.entities[i].id;

		if (memcmp(id, after, sizeof(*id)) > 0 &&
			(best < 0 || memcmp(id, &m->now.entities[best].id, sizeof(*id)) < 0))
			best = i;
	}
	return best;
}

static void tick_audit(struct model *m, struct buf *b)
{
	static const struct entity_id none;
	int at = entity_behind(m, &m->now.audit_after);
	const struct m_entity *e = &m->now.entities[at < 0 ? 0 : at];
	uint64_t digest = 0;
	int rows = 0;

	m->now.audit_after = at < 0 ? none : e->id;
	if (at < 0 || m->no_audit || broken == MODEL_NO_AUDIT)
		return;
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		for (int i = 0; i < MOST_KEYS; i++) {
			if (!e->rows[kind][i].present)
				continue;
			rows++;
			digest ^= payload_row_digest(kind, m->keys[kind][i], &e->rows[kind][i].value);
		}
	}
	line_head(b, 'A', e);
	buf_addf(b, "\t%d\t%016llx\n", rows, (unsigned long long)digest);
}

/* Those that died, those that moved since shortly before the last tick, and a slice of
 * the others. */
static void tick_choose(struct model *m, int64_t since_us, bool chosen[])
{
	static const struct entity_id none;
	int at, n = 0;

	for (int i = 0; i < m->now.nentities; i++) {
		if (m->now.entities[i].moved_us >= since_us)
			chosen[i] = true;
	}
	for (; n < m->slice; n++) {
		at = entity_behind(m, &m->now.slice_after);
		if (at < 0)
			break;
		chosen[at] = true;
		m->now.slice_after = m->now.entities[at].id;
	}
	if (n == 0)
		m->now.slice_after = none;
}

static void tick_pulse(
	struct model *m, const struct db_request *req, const bool chosen[], struct buf *b)
{
	char id[ENTITY_ID_TEXT];

	buf_addf(b, "1\tP\t1\t%s\t%s\t%lld\t%lld\n", entity_id_print(&req->self->entity, id),
		req->incarnation.text, (long long)m->now.pulse, (long long)m->clock_us);
	if (m->now.policy_version > 0)
		buf_addf(b, "V\t%lld\n", (long long)m->now.policy_version);
	line_notify(m, b);
	for (int i = 0; i < m->now.nentities; i++) {
		if (!chosen[i] || broken == MODEL_NO_HEADS)
			continue;
		check_head(m, &m->now.entities[i]);
		line_head(b, 'H', &m->now.entities[i]);
		buf_addc(b, '\n');
	}
	tick_audit(m, b);
}

static bool tick_may(const struct model *m, const struct db_request *req)
{
	const struct m_state *st = &m->now;

	if (st->token.text[0] && uuid_equal(&st->token, &req->token))
		return true;
	return m->clock_us > st->renewed_us + TICK_LEASE_US ||
		   m->clock_us < st->renewed_us - TICK_LEASE_US;
}

struct model_tick *model_tick_begin(struct model_session *s, const struct db_request *req)
{
	struct model *m = s->model;
	struct model_tick *t = mem_alloc(sizeof(*t));
	bool chosen[MOST_ENTITIES] = {false};
	int64_t last_us = m->now.renewed_us < m->clock_us ? m->now.renewed_us : m->clock_us;
	struct m_entity *e;
	bool begins;

	t->session = s;
	t->before = m->now;
	t->result.op = DB_TICK;
	t->result.ok = true;
	t->result.tick.pulse = m->now.pulse;
	t->result.tick.coordinator = m->now.coordinator;
	t->result.tick.has_coordinator = m->now.pulse > 0;
	e = head_of(m, req, &t->result);
	if (!e || !tick_may(m, req) || m->ticking)
		return t;
	begins = !uuid_equal(&m->now.token, &req->token) || !req->token.text[0];
	if (begins) {
		if (!e->alive) {
			fail(m, &t->result, "PD002", "lease lost");
			return t;
		}
		m->now.token = uuid_random();
	}
	m->now.coordinator = e->id;
	m->now.coordinator_run = req->incarnation;
	m->now.renewed_us = m->clock_us;
	m->now.pulse++;
	t->result.tick = (struct db_tick){.token = m->now.token,
		.has_coordinator = true,
		.coordinator = e->id,
		.pulse = m->now.pulse};
	t->result.tick.reaped = tick_reap(s, chosen);
	tick_choose(m, last_us - HEADS_SINCE_US, chosen);
	tick_ticker(m, begins, &t->told);
	tick_pulse(m, req, chosen, &t->pulse);
	commit(m, &t->before);
	m->ticking = t;
	return t;
}

void model_tick_end(struct model_tick *t, struct db_result *out)
{
	struct model *m = t->session->model;

	if (m->ticking == t) { /* else it crashed meanwhile, or there is nothing to tell */
		for (int i = 0; i < t->told.n; i++)
			notify(m, t->told.text[i]);
		notify(m, buf_str(&t->pulse));
		m->ticking = NULL;
	}
	texts_clear(&t->told);
	*out = t->result;
	out->message = t->session->model->message;
	buf_clear(&t->pulse);
	free(t);
}

static void run_tick(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	model_tick_end(model_tick_begin(s, req), out);
}

/* ---- the rest ---- */

static void run_listen(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	(void)req;
	(void)out;
	s->listening = true;
}

static void run_policy(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	enum policy policy = POLICY_AGGREGATE;
	bool legal = req->policy && policy_parse(req->policy_kind, req->policy, &policy);

	out->changed = model_policy(
		s->model, req->policy_kind, req->policy_pattern, legal ? (int)policy : -1);
}

static void run_notify_mode(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	enum notify_mode mode;

	if (notify_mode_parse(req->notify_mode, &mode)) {
		out->changed = s->model->now.notify_mode != (int)mode;
		s->model->now.notify_mode = (int)mode;
	}
}

static void run_connect(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	(void)s;
	(void)req;
	(void)out;
}

static void run_ping(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	struct buf b = {0};
	char id[ENTITY_ID_TEXT], to[ENTITY_ID_TEXT];

	if (!head_of(s->model, req, out))
		return;
	buf_addf(&b, "1\t%c\t1\t%s\t%s\t", req->to ? 'R' : 'Q',
		entity_id_print(&req->self->entity, id), req->incarnation.text);
	if (req->to)
		buf_addf(&b, "%s\t", entity_id_print(req->to, to));
	buf_addf(&b, "%lld\t%lld\n", (long long)req->nonce, (long long)s->model->clock_us);
	notify(s->model, buf_str(&b));
	buf_clear(&b);
}

/* No more than a NOTIFY of the node's own. */
static void run_announce(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	struct buf b = {0};
	char id[ENTITY_ID_TEXT];

	(void)out;
	buf_addf(&b, "1\tA\t1\t%s\t%s\t%lld\t%lld\t%lld\n",
		entity_id_print(&req->self->entity, id), req->incarnation.text,
		(long long)req->seq, (long long)req->until_seq, (long long)req->clock_us);
	for (size_t i = 0; i < req->nitems; i++)
		line_value(&b, KEY_DEVICE, req->items[i].key, &req->items[i].value,
			req->items[i].age_us);
	notify(s->model, buf_str(&b));
	buf_clear(&b);
}

struct reader {
	void (*payload)(void *arg, const char *text, size_t len);
	void *arg;
};

static void give(const struct reader *r, struct buf *b)
{
	r->payload(r->arg, buf_str(b), b->len);
	buf_clear(b);
}

/* The same entity as it was a few commits ago. */
static const struct m_entity *entity_before(
	const struct model *m, const struct m_entity *e)
{
	const struct m_state *then =
		&m->kept[(m->now.commits + KEPT_COMMITS - 3) % KEPT_COMMITS];

	for (int i = 0; m->now.commits > 3 && i < then->nentities; i++) {
		if (entity_id_equal(&then->entities[i].id, &e->id))
			return &then->entities[i];
	}
	return e;
}

static void read_entity(
	const struct model *m, const struct m_entity *e, const struct reader *r)
{
	const struct m_entity *rows =
		broken == MODEL_ROWS_BEFORE_HEADS ? entity_before(m, e) : e;
	struct buf lines = {0}, b = {0};
	int chunks = 0, chunk = 0;
	const char *text;

	line_entity(&lines, e);
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		for (int i = 0; i < MOST_KEYS; i++) {
			const struct m_row *row = &rows->rows[kind][i];

			if (row->present)
				line_value(&lines, kind, m->keys[kind][i], &row->value,
					m->clock_us - row->value.stamp_us);
		}
	}
	text = buf_str(&lines);
	for (size_t at = 0; at < lines.len; at = chunk_end(m, text, lines.len, at))
		chunks++;
	for (size_t at = 0, end; at < lines.len; at = end) {
		end = chunk_end(m, text, lines.len, at);
		header(&b, m, 'S', e, 0, ++chunk, chunks, NULL);
		buf_add(&b, text + at, end - at);
		give(r, &b);
	}
	buf_clear(&lines);
}

static void read_policies(struct model *m, const struct reader *r)
{
	struct policies *p = model_policies(m);
	struct buf b = {0};

	policies_header(m, &b);
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		for (int i = 0; i < policies_count(p); i++) {
			const struct policy_rule *rule = policies_at(p, i);

			if ((int)rule->kind == kind)
				buf_addf(&b, "Y\t%s\t%s\t%s\n", key_kind_name(rule->kind),
					policy_name(rule->policy), rule->pattern);
		}
	}
	give(r, &b);
	policies_free(p);
}

static void read_rows(
	struct model *m, const struct db_request *req, const struct reader *r)
{
	if (!req->entity && m->now.policy_version > 0)
		read_policies(m, r);
	for (int i = 0; i < m->now.nentities; i++) {
		if (!req->entity || entity_id_equal(req->entity, &m->now.entities[i].id))
			read_entity(m, &m->now.entities[i], r);
	}
}

static void read_heads(struct model *m, const struct reader *r)
{
	struct buf b = {0};

	if (m->now.policy_version > 0)
		read_policies(m, r);
	for (int i = 0; i < m->now.nentities; i++) {
		line_head(&b, 'H', &m->now.entities[i]);
		give(r, &b);
	}
}

/* Do the changes after `after` lead to the head, beginning with this incarnation? */
static bool journal_leads(
	const struct model *m, const struct m_entity *e, const struct db_request *req)
{
	int64_t seq = req->seq;
	bool anchored = false;
	int part = 0;

	for (int i = journal_begin(m, e); i < m->now.nchanges; i++) {
		const struct m_change *c = &m->changes[i];

		if (!entity_id_equal(&c->entity, &e->id))
			continue;
		if (uuid_equal(&c->incarnation, &req->entity_incarnation) &&
			(c->to_seq == req->seq || c->from_seq == req->seq))
			anchored = true;
		if (c->to_seq <= req->seq)
			continue;
		if (c->from_seq != seq || c->chunk != part + 1)
			return false;
		part = c->chunk < c->chunks ? c->chunk : 0;
		seq = part ? seq : c->to_seq;
	}
	return anchored && seq == e->seq && part == 0;
}

static void read_journal(
	struct model *m, const struct db_request *req, const struct reader *r)
{
	const struct m_entity *e = entity_of(m, req->entity);
	struct buf b = {0};

	if (!e)
		return;
	header(&b, m, 'S', e, 0, 0, 0, NULL);
	give(r, &b);
	if (!journal_leads(m, e, req) && broken != MODEL_JOURNAL_WITH_HOLES)
		return;
	for (int i = journal_begin(m, e); i < m->now.nchanges; i++) {
		const struct m_change *c = &m->changes[i];

		if (entity_id_equal(&c->entity, &e->id) && c->to_seq > req->seq)
			r->payload(r->arg, c->payload, strlen(c->payload));
	}
}

static void (*const runs[DB_OPS])(
	struct model_session *, const struct db_request *, struct db_result *) = {
	[DB_CONNECT] = run_connect,
	[DB_REGISTER] = run_register,
	[DB_RESUME] = run_resume,
	[DB_LISTEN] = run_listen,
	[DB_PUBLISH] = run_publish,
	[DB_TICK] = run_tick,
	[DB_RELAY] = run_relay,
	[DB_LEAVE] = run_leave,
	[DB_PING] = run_ping,
	[DB_POLICY] = run_policy,
	[DB_NOTIFY_MODE] = run_notify_mode,
	[DB_ANNOUNCE] = run_announce,
};

static void run_writes(
	struct model_session *s, const struct db_request *req, struct db_result *out)
{
	s->model->writer = s->begun && req->op == DB_PUBLISH ? s : NULL;
	runs[req->op](s, req, out);
	s->model->writer = NULL;
	s->begun = false;
}

void model_publish_begin(struct model_session *s)
{
	s->begun = true;
	s->begun_ticker = s->model->now.ticker;
	s->begun_number = ++s->model->last_number;
}

void model_run(struct model_session *s, const struct db_request *req,
	struct db_result *out, void (*payload)(void *arg, const char *text, size_t len),
	void *arg)
{
	struct reader r = {payload, arg};
	struct m_state before = s->model->now;

	assert(s->open);
	memset(out, 0, sizeof(*out));
	out->op = req->op;
	out->ok = true;
	s->model->message[0] = '\0';
	out->message = s->model->message;
	if (req->op == DB_READ_ROWS)
		read_rows(s->model, req, &r);
	else if (req->op == DB_READ_HEADS)
		read_heads(s->model, &r);
	else if (req->op == DB_READ_POLICIES)
		read_policies(s->model, &r);
	else if (req->op == DB_READ_JOURNAL)
		read_journal(s->model, req, &r);
	else
		run_writes(s, req, out);
	if (!out->ok && req->op != DB_TICK)
		s->model->now = before;
	else if (runs[req->op] && req->op != DB_TICK)
		commit(s->model, &before);
}

/* ---- life ---- */

struct model *model_new(void)
{
	struct model *m = mem_alloc(sizeof(*m));

	m->chunk_bytes = 7600;
	m->slice = 10;
	m->direct_deliveries = 60000;
	m->ticker_deliveries = 10000;
	m->clock_us = 1;
	return m;
}

struct model *model_fork(const struct model *m, int lost)
{
	struct model *f = model_new();

	f->now = m->now;
	memcpy(f->kept, m->kept, sizeof(f->kept));
	f->room = m->room;
	f->changes = mem_alloc((size_t)(m->room ? m->room : 1) * sizeof(*f->changes));
	for (int i = 0; i < m->now.nchanges; i++) {
		f->changes[i] = m->changes[i];
		f->changes[i].payload = mem_strdup(m->changes[i].payload);
	}
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		for (int i = 0; i < MOST_KEYS && m->keys[kind][i]; i++)
			f->keys[kind][i] = mem_strdup(m->keys[kind][i]);
	}
	f->clock_us = m->clock_us;
	f->chunk_bytes = m->chunk_bytes;
	f->slice = m->slice;
	f->direct_deliveries = m->direct_deliveries;
	f->ticker_deliveries = m->ticker_deliveries;
	f->period_ms = m->period_ms;
	f->last_number = m->last_number;
	f->untold = m->untold;
	f->untold_arg = m->untold_arg;
	f->may_not_terminate = m->may_not_terminate;
	f->no_audit = m->no_audit;
	f->written = m->written;
	f->written_arg = m->written_arg;
	f->last_pid = m->last_pid + 1000;
	model_crash(f, lost);
	return f;
}

void model_free(struct model *m)
{
	struct model_session *s;

	if (!m)
		return;
	while ((s = m->sessions) != NULL)
		model_close(s);
	for (int i = 0; i < m->room; i++)
		free(m->changes[i].payload);
	free(m->changes);
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		for (int i = 0; i < MOST_KEYS; i++)
			free(m->keys[kind][i]);
	}
	free(m);
}

void model_set_clock(struct model *m, int64_t now_us)
{
	m->clock_us = now_us;
}

void model_set_chunk(struct model *m, size_t bytes)
{
	m->chunk_bytes = bytes;
}

int model_commits(const struct model *m)
{
	return m->now.commits;
}

/* How many of the last `most` commits can be taken back: older states are overwritten. */
static int commits_kept(const struct model *m, int most)
{
	int n = 0;

	while (n < most && n < m->now.commits &&
		   m->kept[(m->now.commits - n - 1) % KEPT_COMMITS].commits ==
			   m->now.commits - n - 1)
		n++;
	return n;
}

int model_crash(struct model *m, int lost)
{
	lost = commits_kept(m, lost);
	if (lost > 0)
		m->now = m->kept[(m->now.commits - lost) % KEPT_COMMITS];
	for (int i = 0; i < m->now.nchanges; i++) {
		if (m->changes[i].told_commit > m->now.commits)
			m->changes[i].told_commit = 0;
	}
	m->ticking = NULL;
	for (struct model_session *s = m->sessions; s; s = s->next)
		session_end(s);
	return lost;
}

struct model_session *model_open(struct model *m)
{
	struct model_session *s = mem_alloc(sizeof(*s));

	s->model = m;
	s->pid = ++m->last_pid;
	s->since_us = m->clock_us;
	s->open = true;
	s->notes_end = &s->notes;
	s->next = m->sessions;
	m->sessions = s;
	return s;
}

void model_close(struct model_session *s)
{
	struct model_session **at = &s->model->sessions;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	session_end(s);
	free(s);
}

bool model_is_open(const struct model_session *s)
{
	return s->open;
}

bool model_next_notify(struct model_session *s, struct buf *out)
{
	struct m_note *n = s->notes;

	if (!n)
		return false;
	s->notes = n->next;
	if (!s->notes)
		s->notes_end = &s->notes;
	s->nnotes--;
	buf_reset(out);
	buf_adds(out, n->text);
	free(n->text);
	free(n);
	return true;
}

int model_waiting(const struct model_session *s)
{
	return s->nnotes;
}

void model_notify_lose(struct model_session *s)
{
	struct buf b = {0};

	model_next_notify(s, &b);
	buf_clear(&b);
}

void model_forge(struct model *m, const char *text)
{
	notify(m, text);
}

bool model_tamper(struct model *m, const struct entity_id *id, enum key_kind kind,
	const char *key, const struct value *v)
{
	struct m_entity *e = entity_of(m, id);
	struct m_row *row = e ? &e->rows[kind][key_of(m, kind, key)] : NULL;

	if (!row || !row->present)
		return false;
	row->value = *v;
	return true;
}

bool model_tamper_any(struct model *m, const struct entity_id *id, enum key_kind kind,
	const char *key, const struct value *v)
{
	struct m_entity *e = entity_of(m, id);
	struct m_row *row;

	if (!e)
		return false;
	row = &e->rows[kind][key_of(m, kind, key)];
	if (v && row->present && value_same(kind, &row->value, v))
		return true;
	row->present = v != NULL;
	if (v)
		row->value = *v;
	written(m, e, kind, key, v);
	return true;
}

bool model_remove(struct model *m, const struct entity_id *id)
{
	struct m_state before = m->now;
	struct m_entity *e = entity_of(m, id);
	struct buf b = {0};
	char text[ENTITY_ID_TEXT];

	if (!e || (!e->is_static && e->alive && e->beat_us + e->lease_ms * MS > m->clock_us))
		return false;
	buf_addf(&b, "1\tX\t1\t%s\t%s\t%lld\t%lld\n", entity_id_print(id, text),
		e->incarnation.text, (long long)e->seq, (long long)m->clock_us);
	backend_end(m, e->backend, NULL);
	m->now.nentities--;
	memmove(e, e + 1, (size_t)(m->now.entities + m->now.nentities - e) * sizeof(*e));
	commit(m, &before);
	notify(m, buf_str(&b));
	buf_clear(&b);
	return true;
}

void model_forget_token(struct model *m)
{
	m->now.token.text[0] = '\0';
	m->now.renewed_us = 0;
}

void model_end(struct model_session *s)
{
	session_end(s);
}

void model_set_terminate(struct model *m, bool may)
{
	m->may_not_terminate = !may;
}

bool model_notify_mode(struct model *m, int mode)
{
	struct m_state before = m->now;

	m->now.notify_mode = mode;
	commit(m, &before);
	return before.notify_mode != mode;
}

void model_set_deliveries(struct model *m, int64_t direct, int64_t ticker)
{
	m->direct_deliveries = direct;
	m->ticker_deliveries = ticker;
}

void model_set_period(struct model *m, int ms)
{
	m->period_ms = ms;
}

bool model_is_ticker(const struct model *m)
{
	return m->now.ticker;
}

void model_on_untold(struct model *m, void (*fn)(void *arg, const char *what), void *arg)
{
	m->untold = fn;
	m->untold_arg = arg;
}

void model_set_audit(struct model *m, bool wanted)
{
	m->no_audit = !wanted;
}

void model_set_slice(struct model *m, int heads)
{
	m->slice = heads;
}

void model_on_write(struct model *m,
	void (*fn)(void *arg, const struct entity_id *id, enum key_kind kind, const char *key,
		const struct value *v),
	void *arg)
{
	m->written = fn;
	m->written_arg = arg;
}

void model_trim(struct model *m)
{
	m->now.trimmed = m->now.nchanges;
}

/* ---- looking ---- */

static const struct m_entity *entity_look(
	const struct model *m, const struct entity_id *id)
{
	for (int i = 0; i < m->now.nentities; i++) {
		if (entity_id_equal(&m->now.entities[i].id, id))
			return &m->now.entities[i];
	}
	return NULL;
}

const struct value *model_row(const struct model *m, const struct entity_id *id,
	enum key_kind kind, const char *key)
{
	const struct m_entity *e = entity_look(m, id);

	for (int i = 0; e && i < MOST_KEYS && m->keys[kind][i]; i++) {
		if (strcmp(m->keys[kind][i], key) == 0)
			return e->rows[kind][i].present ? &e->rows[kind][i].value : NULL;
	}
	return NULL;
}

static void head_fill(const struct m_entity *e, struct payload_head *out)
{
	out->entity = e->id;
	out->incarnation = e->incarnation;
	out->seq = e->seq;
	out->alive = e->alive;
	out->reporting = e->reporting;
}

bool model_head(
	const struct model *m, const struct entity_id *id, struct payload_head *out)
{
	const struct m_entity *e = entity_look(m, id);

	if (e)
		head_fill(e, out);
	return e != NULL;
}

bool model_entity_at(const struct model *m, int i, struct payload_head *out)
{
	if (i >= m->now.nentities)
		return false;
	head_fill(&m->now.entities[i], out);
	return true;
}

int model_entities(const struct model *m)
{
	return m->now.nentities;
}

bool model_each_row(const struct model *m, const struct entity_id *id,
	bool (*fn)(void *arg, enum key_kind kind, const char *key, const struct value *v),
	void *arg)
{
	const struct m_entity *e = entity_look(m, id);

	for (int kind = 0; e && kind < KEY_KINDS; kind++) {
		for (int i = 0; i < MOST_KEYS; i++) {
			if (e->rows[kind][i].present &&
				!fn(arg, kind, m->keys[kind][i], &e->rows[kind][i].value))
				return false;
		}
	}
	return true;
}

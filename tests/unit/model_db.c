/* A database in memory that answers as sql/functions do. */
#include "model_db.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "payload.h"

#define MOST_ENTITIES 8
#define MOST_ROWS     96
#define MOST_JOURNAL  400
#define MOST_KEPT     64
#define CLOCK_US      INT64_C(1700000000000000) /* the database's clock at 0 */
#define CHUNK_LINES   7                         /* small, so that there are chunks */
#define COORDINATE_US INT64_C(2000000)

struct row {
	enum key_kind kind;
	char key[64];
	struct value value;
};

struct head {
	bool used, alive, reporting;
	struct entity_id id;
	struct uuid incarnation, session;
	int64_t seq, beat_us, since_us, lease_us;
	int unconfirmed;
	char name[64], host[64], boot[64], version[64];
	int pid;
	int64_t backend;
	struct row rows[MOST_ROWS];
	int nrows;
};

struct entry {
	struct entity_id id;
	struct uuid incarnation;
	int64_t from, to;
	int chunk, chunks;
	char *payload; /* owned by the arena */
};

struct state {
	struct head heads[MOST_ENTITIES];
	struct entry journal[MOST_JOURNAL];
	int njournal;
	struct uuid token;
	struct entity_id coordinator;
	bool has_coordinator;
	int64_t renewed_us, reaped_us, pulse;
	int audit_at;
};

struct note {
	struct note *next;
	char text[];
};

struct ask {
	bool there, answered;
	struct db_request req;
	struct batch_item *items;
	struct db_self self;
	struct entity_id entity, to;
	struct db_result res;
	struct buf payloads; /* each with a NUL behind it */
};

struct model_port {
	struct model_db *db;
	struct model_port *next;
	struct db_events events;
	int64_t backend; /* 0: no session */
	bool listening, frozen, dead;
	bool told_lost; /* lost() is to be called */
	struct ask main, reader;
	struct note *notes, **notes_end;
	bool cut;
	enum db_op cut_op;
	enum model_cut cut_when;
	int64_t requests[DB_OPS];
};

struct model_db {
	struct state s;
	struct state *kept[MOST_KEPT]; /* after the last commits, newest last */
	int nkept;
	struct model_port *ports;
	char **arena;
	size_t narena;
	int64_t now_us, backends;
	uint32_t seed, uuids;
	bool down;
	char refuse[6];
	int refuse_n;
	char dislike[64];
};

/* ---- small things ---- */

static uint32_t dice(struct model_db *m, uint32_t n)
{
	m->seed = m->seed * 1664525u + 1013904223u;
	return (m->seed >> 10) % n;
}

static struct uuid uuid_next(struct model_db *m)
{
	struct uuid u;

	snprintf(u.text, sizeof(u.text), "00000000-0000-4000-9000-%012x", ++m->uuids);
	return u;
}

static int64_t clock_us(const struct model_db *m)
{
	return CLOCK_US + m->now_us;
}

static struct head *head_of(const struct model_db *m, const struct entity_id *id)
{
	for (int i = 0; i < MOST_ENTITIES; i++) {
		const struct head *h = &m->s.heads[i];

		if (h->used && entity_id_equal(&h->id, id))
			return (struct head *)h;
	}
	return NULL;
}

static struct row *row_of(struct head *h, enum key_kind kind, const char *key)
{
	for (int i = 0; i < h->nrows; i++) {
		if (h->rows[i].kind == kind && strcmp(h->rows[i].key, key) == 0)
			return &h->rows[i];
	}
	return NULL;
}

static void row_put(
	struct head *h, enum key_kind kind, const char *key, const struct value *v)
{
	struct row *r = row_of(h, kind, key);

	if (!r) {
		assert(h->nrows < MOST_ROWS);
		r = &h->rows[h->nrows++];
		r->kind = kind;
		snprintf(r->key, sizeof(r->key), "%s", key);
	}
	r->value = *v;
}

static bool row_delete(struct head *h, enum key_kind kind, const char *key)
{
	struct row *r = row_of(h, kind, key);

	if (r)
		*r = h->rows[--h->nrows];
	return r != NULL;
}

static struct model_port *backend_find(const struct model_db *m, int64_t backend)
{
	struct model_port *p = m->ports;

	while (p && (backend == 0 || p->backend != backend))
		p = p->next;
	return p;
}

static const char *flags_of(const struct head *h)
{
	if (h->reporting)
		return h->alive ? "ar" : "r";
	return h->alive ? "a" : "-";
}

/* ---- sessions ---- */

static void ask_clear(struct ask *a)
{
	for (size_t i = 0; a->items && i < a->req.nitems; i++)
		free((char *)a->items[i].key);
	free(a->items);
	buf_clear(&a->payloads);
	memset(a, 0, sizeof(*a));
}

static void notes_clear(struct model_port *p)
{
	struct note *n;

	while ((n = p->notes) != NULL) {
		p->notes = n->next;
		free(n);
	}
	p->notes_end = &p->notes;
}

static void ask_lose(struct ask *a)
{
	if (!a->there)
		return;
	a->answered = true;
	a->res = (struct db_result){.op = a->req.op, .lost = true, .message = "it is gone"};
	buf_reset(&a->payloads);
}

void model_break(struct model_port *p)
{
	if (p->backend == 0)
		return;
	p->backend = 0;
	p->listening = false;
	notes_clear(p);
	p->told_lost = !p->main.there;
	ask_lose(&p->main);
	ask_lose(&p->reader);
}

static void port_disconnect(void *arg, const char *reason)
{
	struct model_port *p = arg;

	(void)reason;
	p->backend = 0;
	p->listening = false;
	p->told_lost = false;
	notes_clear(p);
	ask_clear(&p->main);
	ask_clear(&p->reader);
}

static bool op_reads(enum db_op op)
{
	return op == DB_READ_ROWS || op == DB_READ_JOURNAL || op == DB_READ_HEADS;
}

static void port_submit(void *arg, const struct db_request *req)
{
	struct model_port *p = arg;
	struct ask *a = op_reads(req->op) ? &p->reader : &p->main;

	assert(!a->there);
	a->there = true;
	a->req = *req;
	a->self = *req->self;
	if (req->entity)
		a->entity = *req->entity;
	if (req->to)
		a->to = *req->to;
	a->items = mem_alloc((req->nitems + 1) * sizeof(*a->items));
	for (size_t i = 0; i < req->nitems; i++) {
		a->items[i] = req->items[i];
		a->items[i].key = mem_strdup(req->items[i].key);
	}
	buf_init(&a->payloads);
}

/* ---- words ---- */

static void tell(struct model_db *m, const char *text)
{
	for (struct model_port *p = m->ports; p; p = p->next) {
		struct note *n;

		if (!p->listening || p->dead)
			continue;
		n = mem_alloc(sizeof(*n) + strlen(text) + 1);
		strcpy(n->text, text);
		*p->notes_end = n;
		p->notes_end = &n->next;
	}
}

static char *keep(struct model_db *m, char *text)
{
	m->arena = mem_realloc(m->arena, (m->narena + 1) * sizeof(*m->arena));
	m->arena[m->narena++] = text;
	return text;
}

static void commit(struct model_db *m)
{
	struct state *s = mem_alloc(sizeof(*s));

	*s = m->s;
	if (m->nkept == MOST_KEPT) {
		free(m->kept[0]);
		memmove(m->kept, m->kept + 1, (MOST_KEPT - 1) * sizeof(m->kept[0]));
		m->nkept--;
	}
	m->kept[m->nkept++] = s;
}

static void print_header(struct model_db *m, struct buf *b, char type,
	const struct head *h, int64_t from, int chunk, int chunks, const char *continues,
	int64_t continues_seq)
{
	char id[ENTITY_ID_TEXT];

	buf_addf(b, "1\t%c\t1\t%s\t%s\t%lld\t%lld\t%d\t%d\t%s\t%s\t%lld\t%lld\n", type,
		entity_id_print(&h->id, id), h->incarnation.text, (long long)from,
		(long long)h->seq, chunk, chunks, flags_of(h), continues[0] ? continues : "-",
		(long long)continues_seq, (long long)clock_us(m));
}

static void print_entity(struct buf *b, const struct head *h)
{
	buf_addf(b, "E\tnode\t%s\t%s\t%d\t%s\t%lld\n", h->name, h->host, h->pid, h->version,
		(long long)h->since_us);
}

static void print_row(struct model_db *m, struct buf *b, const struct row *r)
{
	const struct value *v = &r->value;
	long long age = (long long)(clock_us(m) - v->stamp_us);
	char held = v->held ? 'h' : '-';
	int box = (int)mailbox_len(r->key);

	if (r->kind == KEY_DEVICE)
		buf_addf(b, "D\t%d\t%c\t%lld\t%s\n", v->state, held, age, r->key);
	else
		buf_addf(b, "M\t%u\t%u\t%u\t%c\t%lld\t%.*s\t%s\n", v->urgent, v->fresh, v->old,
			held, age, box, r->key, r->key + box + 1);
}

static void print_removed(struct buf *b, const struct batch_item *i)
{
	int box = (int)mailbox_len(i->key);

	if (i->kind == KEY_DEVICE)
		buf_addf(b, "d\t%lld\t%s\n", (long long)i->age_us, i->key);
	else
		buf_addf(b, "m\t%lld\t%.*s\t%s\n", (long long)i->age_us, box, i->key,
			i->key + box + 1);
}

static void journal_add(struct model_db *m, const struct entry *e)
{
	if (m->s.njournal == MOST_JOURNAL) {
		m->s.njournal--;
		memmove(m->s.journal, m->s.journal + 1,
			(size_t)m->s.njournal * sizeof(m->s.journal[0]));
	}
	m->s.journal[m->s.njournal++] = *e;
	tell(m, e->payload);
}

/* h->seq has moved to the new number already. */
static void write_change(struct model_db *m, struct head *h, int64_t from,
	const char *lines, const char *continues, int64_t continues_seq)
{
	int n = 0, chunks;
	const char *at = lines;

	for (const char *c = lines; *c; c++)
		n += *c == '\n';
	chunks = n <= CHUNK_LINES ? 1 : (n + CHUNK_LINES - 1) / CHUNK_LINES;
	for (int chunk = 1; chunk <= chunks; chunk++) {
		struct entry e = {h->id, h->incarnation, from, h->seq, chunk, chunks, NULL};
		struct buf b;

		buf_init(&b);
		print_header(m, &b, 'C', h, from, chunk, chunks, continues, continues_seq);
		for (int i = 0; i < CHUNK_LINES && *at; i++) {
			size_t len = strcspn(at, "\n") + 1;

			buf_add(&b, at, len);
			at += len;
		}
		e.payload = keep(m, buf_take(&b));
		journal_add(m, &e);
	}
}

/* ---- calls ---- */

static void refuse(struct ask *a, const char *sqlstate, const char *message)
{
	a->res.ok = false;
	snprintf(a->res.sqlstate, sizeof(a->res.sqlstate), "%s", sqlstate);
	a->res.message = message;
}

static bool head_holds(struct model_db *m, const struct head *h, const struct ask *a)
{
	bool crashed = strcmp(h->host, a->self.host) == 0 &&
				   strcmp(h->boot, a->self.boot_id) == 0 && !backend_find(m, h->backend);

	return h->alive && h->beat_us + h->lease_us > m->now_us && !crashed;
}

/* Restarted beside a PBX that may be well; or the holder itself goes on. */
static bool head_keeps_reporting(
	struct model_db *m, const struct head *h, const struct ask *a)
{
	return strcmp(h->host, a->self.host) == 0 && strcmp(h->boot, a->self.boot_id) == 0 &&
		   (a->req.continues.text[0] ||
			   (h->alive && h->beat_us + h->lease_us > m->now_us));
}

static void lease_answer(struct model_db *m, struct ask *a, const struct head *h)
{
	struct db_lease *l = &a->res.lease;

	l->session = h->session;
	l->site = 1;
	l->seq = h->seq;
	l->clock_us = clock_us(m);
	snprintf(l->channel, sizeof(l->channel), "secret");
}

static void lease_refused(struct model_db *m, struct ask *a, const struct head *h)
{
	struct db_lease *l = &a->res.lease;

	lease_answer(m, a, h);
	l->outcome = DB_REFUSED;
	memset(&l->session, 0, sizeof(l->session));
	snprintf(l->holder_name, sizeof(l->holder_name), "%s", h->name);
	snprintf(l->holder_host, sizeof(l->holder_host), "%s", h->host);
	snprintf(l->holder_since, sizeof(l->holder_since), "%lld", (long long)h->since_us);
	l->holder_pid = h->pid;
}

static void lease_begin(struct model_db *m, struct model_port *p, struct ask *a,
	struct head *h, int64_t from, const char *lines, const struct uuid *continues,
	int64_t continues_seq)
{
	struct model_port *old = backend_find(m, h->backend);

	if (old && old != p)
		model_break(old);
	h->backend = p->backend;
	h->session = uuid_next(m);
	snprintf(h->name, sizeof(h->name), "%s", a->self.name);
	snprintf(h->host, sizeof(h->host), "%s", a->self.host);
	snprintf(h->boot, sizeof(h->boot), "%s", a->self.boot_id);
	h->pid = a->self.pid;
	h->beat_us = m->now_us;
	if (h->seq > from) {
		h->alive = true;
		write_change(m, h, from, lines, continues ? continues->text : "", continues_seq);
	}
	lease_answer(m, a, h);
	commit(m);
}

static struct head *head_new(struct model_db *m, const struct ask *a)
{
	for (int i = 0; i < MOST_ENTITIES; i++) {
		struct head *h = &m->s.heads[i];

		if (h->used)
			continue;
		memset(h, 0, sizeof(*h));
		h->used = true;
		h->id = a->self.entity;
		h->incarnation = a->req.incarnation;
		return h;
	}
	abort();
}

static void tell_twin(struct model_db *m, const struct ask *a)
{
	char id[ENTITY_ID_TEXT], *text;

	text = mem_printf("1\tT\t1\t%s\t%s\t%lld\nE\tnode\t%s\t%s\t%d\t%s\t%lld\n",
		entity_id_print(&a->self.entity, id), a->req.incarnation.text,
		(long long)clock_us(m), a->self.name, a->self.host, a->self.pid, a->self.version,
		(long long)clock_us(m));
	tell(m, text);
	free(text);
}

static void call_register(struct model_db *m, struct model_port *p, struct ask *a)
{
	struct head *h = head_of(m, &a->self.entity);
	bool fresh = !h, same;
	struct uuid *continues = NULL;
	struct buf line;
	int64_t from;

	if (fresh)
		h = head_new(m, a);
	same = uuid_equal(&h->incarnation, &a->req.incarnation);
	if (a->req.continues.text[0] && (fresh || !same)) {
		if (!uuid_equal(&h->incarnation, &a->req.continues) ||
			!uuid_equal(&h->session, &a->req.continues_session) || h->seq != a->req.seq) {
			refuse(a, "PD001", "not at that incarnation any more");
			return;
		}
		continues = &a->req.continues;
	} else if (!fresh && head_holds(m, h, a) && !same) {
		lease_refused(m, a, h);
		tell_twin(m, a);
		return;
	}
	h->reporting = h->reporting && head_keeps_reporting(m, h, a);
	from = h->seq++;
	h->incarnation = a->req.incarnation;
	h->unconfirmed = 0;
	h->lease_us = a->self.lease_ms * INT64_C(1000);
	snprintf(h->version, sizeof(h->version), "%s", a->self.version);
	if (!same || fresh)
		h->since_us = clock_us(m);
	buf_init(&line);
	snprintf(h->name, sizeof(h->name), "%s", a->self.name);
	snprintf(h->host, sizeof(h->host), "%s", a->self.host);
	h->pid = a->self.pid;
	print_entity(&line, h);
	a->res.lease.outcome = DB_REGISTERED;
	lease_begin(m, p, a, h, from, buf_str(&line), continues, continues ? a->req.seq : 0);
	buf_clear(&line);
}

static void call_resume(struct model_db *m, struct model_port *p, struct ask *a)
{
	struct head *h = head_of(m, &a->self.entity);
	bool mine = h && uuid_equal(&h->incarnation, &a->req.incarnation);
	int64_t from;

	if (!mine || !h->session.text[0] || h->seq - h->unconfirmed > a->req.seq + 1) {
		a->res.lease.outcome = DB_LOST;
		if (mine) {
			h->alive = false;
			h->session.text[0] = '\0';
		} else if (h && head_holds(m, h, a)) {
			lease_refused(m, a, h);
		}
		return;
	}
	from = h->seq;
	a->res.lease.outcome = h->seq >= a->req.seq ? DB_RESUMED : DB_REWOUND;
	if (h->seq >= a->req.seq && !h->alive) {
		h->seq++;
		h->unconfirmed++;
	}
	lease_begin(m, p, a, h, from, "", NULL, 0);
}

/* NULL: the caller may not write, and was told so. */
static struct head *head_check(struct model_db *m, struct ask *a)
{
	struct head *h = head_of(m, &a->self.entity);

	if (!h)
		refuse(a, "PD006", "no such entity");
	else if (!uuid_equal(&h->incarnation, &a->req.incarnation) || !h->session.text[0] ||
			 !uuid_equal(&h->session, &a->req.session))
		refuse(a, "PD001", "not the current session");
	else
		return h;
	return NULL;
}

static void publish_item(struct model_db *m, struct head *h, const struct ask *a,
	const struct batch_item *i, struct buf *lines)
{
	struct row *r = row_of(h, i->kind, i->key);
	struct value v = i->value;

	if (i->removed) {
		if (row_delete(h, i->kind, i->key) || a->req.force)
			print_removed(lines, i);
		return;
	}
	if (r && value_same(i->kind, &r->value, &v) && !a->req.force)
		return;
	v.stamp_us = clock_us(m) - i->age_us;
	row_put(h, i->kind, i->key, &v);
	print_row(m, lines, row_of(h, i->kind, i->key));
}

static bool publish_refused(struct model_db *m, struct ask *a)
{
	if (m->refuse_n > 0) {
		m->refuse_n--;
		refuse(a, m->refuse, "refused for the test");
		return true;
	}
	for (size_t i = 0; i < a->req.nitems; i++) {
		if (m->dislike[0] && strcmp(m->dislike, a->items[i].key) == 0) {
			refuse(a, "PD004", "this key is bad");
			return true;
		}
	}
	return false;
}

static void call_publish(struct model_db *m, struct ask *a)
{
	struct head *h = head_check(m, a);
	struct buf lines;
	bool tell_reporting;

	if (!h)
		return;
	if (!h->alive) {
		refuse(a, "PD002", "declared dead");
		return;
	}
	if (publish_refused(m, a))
		return;
	h->beat_us = m->now_us;
	h->unconfirmed = 0;
	buf_init(&lines);
	for (size_t i = 0; i < a->req.nitems; i++)
		publish_item(m, h, a, &a->items[i], &lines);
	tell_reporting = a->req.reporting >= 0 && (a->req.reporting == 1) != h->reporting;
	if (tell_reporting)
		h->reporting = a->req.reporting == 1;
	if (lines.len > 0 || tell_reporting) {
		h->seq++;
		write_change(m, h, h->seq - 1, buf_str(&lines), "", 0);
		commit(m);
	}
	buf_clear(&lines);
	a->res.seq = h->seq;
	a->res.clock_us = clock_us(m);
}

static void call_leave(struct model_db *m, struct ask *a)
{
	struct head *h = head_check(m, a);

	if (!h)
		return;
	h->alive = false;
	h->reporting = false;
	h->session.text[0] = '\0';
	h->unconfirmed = 0;
	h->seq++;
	write_change(m, h, h->seq - 1, "", "", 0);
	commit(m);
	a->res.seq = h->seq;
}

static void call_ping(struct model_db *m, struct ask *a)
{
	char from[ENTITY_ID_TEXT], to[ENTITY_ID_TEXT], *text;

	if (!head_check(m, a))
		return;
	entity_id_print(&a->self.entity, from);
	if (a->req.to)
		text = mem_printf("1\tR\t1\t%s\t%s\t%s\t%lld\t%lld\n", from,
			a->req.incarnation.text, entity_id_print(&a->to, to), (long long)a->req.nonce,
			(long long)clock_us(m));
	else
		text = mem_printf("1\tQ\t1\t%s\t%s\t%lld\t%lld\n", from, a->req.incarnation.text,
			(long long)a->req.nonce, (long long)clock_us(m));
	tell(m, text);
	free(text);
}

/* ---- tick ---- */

static int reap(struct model_db *m)
{
	int n = 0;
	bool away = m->s.reaped_us < m->now_us - 5000000;

	for (int i = 0; i < MOST_ENTITIES; i++) {
		struct head *h = &m->s.heads[i];

		if (!h->used || !h->alive)
			continue;
		if (away)
			h->beat_us = m->now_us;
		if (h->beat_us + h->lease_us >= m->now_us)
			continue;
		h->alive = false;
		n++;
		if (backend_find(m, h->backend))
			model_break(backend_find(m, h->backend));
	}
	m->s.reaped_us = m->now_us;
	return n;
}

static void print_head(struct buf *b, const struct head *h, char type)
{
	char id[ENTITY_ID_TEXT];

	buf_addf(b, "%c\t%s\t%s\t%lld\t%s", type, entity_id_print(&h->id, id),
		h->incarnation.text, (long long)h->seq, flags_of(h));
}

static void print_audit(struct buf *b, const struct head *h)
{
	uint64_t digest = 0;

	for (int i = 0; i < h->nrows; i++)
		digest ^= payload_row_digest(h->rows[i].kind, h->rows[i].key, &h->rows[i].value);
	print_head(b, h, 'A');
	buf_addf(b, "\t%d\t%016llx\n", h->nrows, (unsigned long long)digest);
}

static void tell_pulse(struct model_db *m, const struct ask *a)
{
	char id[ENTITY_ID_TEXT];
	struct buf b;

	buf_init(&b);
	buf_addf(&b, "1\tP\t1\t%s\t%s\t%lld\t%lld\n", entity_id_print(&a->self.entity, id),
		a->req.incarnation.text, (long long)m->s.pulse, (long long)clock_us(m));
	for (int i = 0; i < MOST_ENTITIES; i++) {
		if (m->s.heads[i].used) {
			print_head(&b, &m->s.heads[i], 'H');
			buf_addc(&b, '\n');
		}
	}
	m->s.audit_at = (m->s.audit_at + 1) % MOST_ENTITIES;
	while (!m->s.heads[m->s.audit_at].used)
		m->s.audit_at = (m->s.audit_at + 1) % MOST_ENTITIES;
	print_audit(&b, &m->s.heads[m->s.audit_at]);
	tell(m, b.data);
	buf_clear(&b);
}

static void call_tick(struct model_db *m, struct ask *a)
{
	struct db_tick *t = &a->res.tick;
	struct head *h = head_check(m, a);
	bool ours;

	if (!h)
		return;
	ours = a->req.token.text[0] && uuid_equal(&a->req.token, &m->s.token);
	t->has_coordinator = m->s.has_coordinator;
	t->coordinator = m->s.coordinator;
	t->pulse = m->s.pulse;
	if (!ours && m->s.has_coordinator && m->now_us < m->s.renewed_us + COORDINATE_US)
		return;
	if (!ours && !h->alive) {
		refuse(a, "PD002", "declared dead");
		return;
	}
	if (!ours)
		m->s.token = uuid_next(m);
	m->s.has_coordinator = true;
	m->s.coordinator = a->self.entity;
	m->s.renewed_us = m->now_us;
	t->reaped = reap(m);
	m->s.pulse++;
	t->token = m->s.token;
	t->has_coordinator = true;
	t->coordinator = a->self.entity;
	t->pulse = m->s.pulse;
	tell_pulse(m, a);
}

/* ---- reading ---- */

static void payload_end(struct ask *a)
{
	buf_add(&a->payloads, "", 1);
}

static void read_rows_of(struct model_db *m, struct ask *a, const struct head *h)
{
	int chunks = h->nrows <= CHUNK_LINES ? 1 : (h->nrows + CHUNK_LINES - 1) / CHUNK_LINES;

	for (int chunk = 1; chunk <= chunks; chunk++) {
		int end = chunk * CHUNK_LINES < h->nrows ? chunk * CHUNK_LINES : h->nrows;

		print_header(m, &a->payloads, 'S', h, 0, chunk, chunks, "", 0);
		if (chunk == 1)
			print_entity(&a->payloads, h);
		for (int i = (chunk - 1) * CHUNK_LINES; i < end; i++)
			print_row(m, &a->payloads, &h->rows[i]);
		payload_end(a);
	}
}

static void call_read_rows(struct model_db *m, struct ask *a)
{
	for (int i = 0; i < MOST_ENTITIES; i++) {
		const struct head *h = &m->s.heads[i];

		if (h->used && (!a->req.entity || entity_id_equal(&h->id, &a->entity)))
			read_rows_of(m, a, h);
	}
}

static void call_read_heads(struct model_db *m, struct ask *a)
{
	for (int i = 0; i < MOST_ENTITIES; i++) {
		if (m->s.heads[i].used) {
			print_head(&a->payloads, &m->s.heads[i], 'H');
			payload_end(a);
		}
	}
}

/* All of it leads from there to the head without a gap, or nothing is told but the head.
 */
static bool journal_leads(struct model_db *m, const struct ask *a, const struct head *h)
{
	bool known = false;
	int64_t at = a->req.seq;

	for (int i = 0; i < m->s.njournal; i++) {
		const struct entry *e = &m->s.journal[i];

		if (!entity_id_equal(&e->id, &h->id))
			continue;
		known |= uuid_equal(&e->incarnation, &a->req.entity_incarnation) &&
				 (e->to == a->req.seq || e->from == a->req.seq);
		if (e->to > a->req.seq && e->chunk == 1 && e->from != at)
			return false;
		if (e->to > a->req.seq && e->chunk == e->chunks)
			at = e->to;
	}
	return known && at == h->seq && at > a->req.seq;
}

static void call_read_journal(struct model_db *m, struct ask *a)
{
	const struct head *h = head_of(m, &a->entity);

	if (!h)
		return;
	print_header(m, &a->payloads, 'S', h, 0, 0, 0, "", 0);
	payload_end(a);
	for (int i = 0; journal_leads(m, a, h) && i < m->s.njournal; i++) {
		const struct entry *e = &m->s.journal[i];

		if (entity_id_equal(&e->id, &h->id) && e->to > a->req.seq) {
			buf_adds(&a->payloads, e->payload);
			payload_end(a);
		}
	}
}

/* ---- doing it ---- */

static void call_connect(struct model_db *m, struct model_port *p, struct ask *a)
{
	if (m->down) {
		refuse(a, "08006", "connection refused");
		return;
	}
	p->backend = ++m->backends;
}

static void execute(struct model_port *p, struct ask *a)
{
	struct model_db *m = p->db;

	switch (a->req.op) {
	case DB_CONNECT:
		call_connect(m, p, a);
		break;
	case DB_REGISTER:
		call_register(m, p, a);
		break;
	case DB_RESUME:
		call_resume(m, p, a);
		break;
	case DB_LISTEN:
		p->listening = true;
		break;
	case DB_PUBLISH:
		call_publish(m, a);
		break;
	case DB_TICK:
		call_tick(m, a);
		break;
	case DB_LEAVE:
		call_leave(m, a);
		break;
	case DB_PING:
		call_ping(m, a);
		break;
	case DB_READ_ROWS:
		call_read_rows(m, a);
		break;
	case DB_READ_JOURNAL:
		call_read_journal(m, a);
		break;
	case DB_READ_HEADS:
		call_read_heads(m, a);
		break;
	default:
		abort();
	}
}

static void run(struct model_port *p, struct ask *a)
{
	bool cut = p->cut && (p->cut_op == DB_OPS || p->cut_op == a->req.op);

	a->res.op = a->req.op;
	a->res.ok = true;
	if (a->req.op != DB_CONNECT && p->backend == 0) {
		ask_lose(a);
		return;
	}
	if (cut)
		p->cut = false;
	if (!cut || p->cut_when == MODEL_CUT_AFTER) {
		p->requests[a->req.op]++;
		execute(p, a);
	}
	a->answered = true;
	if (!cut)
		return;
	model_break(p);
	ask_lose(a);
}

static void answer(struct model_port *p, struct ask *a)
{
	struct ask done = *a;
	const char *at = buf_str(&done.payloads), *end = at + done.payloads.len;

	for (; at < end; at += strlen(at) + 1)
		p->events.payload(p->events.arg, done.req.op, at, strlen(at));
	memset(a, 0, sizeof(*a));
	p->events.result(p->events.arg, &done.res);
	ask_clear(&done);
}

static void deliver_note(struct model_port *p)
{
	struct note *n = p->notes;

	p->notes = n->next;
	if (!p->notes)
		p->notes_end = &p->notes;
	p->events.notify(p->events.arg, n->text, strlen(n->text));
	free(n);
}

static void deliver_lost(struct model_port *p)
{
	p->told_lost = false;
	p->events.lost(p->events.arg, "57P01", "it was terminated");
}

/* What a port can do next, one of up to four things. */
static int choices(const struct model_port *p, int out[4])
{
	int n = 0;

	if (p->frozen || p->dead)
		return 0;
	if (p->main.there)
		out[n++] = 0;
	if (p->reader.there)
		out[n++] = 1;
	if (p->notes)
		out[n++] = 2;
	if (p->told_lost)
		out[n++] = 3;
	return n;
}

static void port_step(struct model_port *p, int what)
{
	struct ask *a = what == 0 ? &p->main : &p->reader;

	if (what == 2)
		deliver_note(p);
	else if (what == 3)
		deliver_lost(p);
	else if (a->answered)
		answer(p, a);
	else
		run(p, a);
}

bool model_step(struct model_db *m, void (*before)(void *node, int64_t now_us))
{
	struct model_port *ports[64];
	int whats[64], n = 0, at;

	for (struct model_port *p = m->ports; p && n < 60; p = p->next) {
		int mine[4], k = choices(p, mine);

		for (int i = 0; i < k; i++, n++) {
			ports[n] = p;
			whats[n] = mine[i];
		}
	}
	if (n == 0)
		return false;
	m->now_us += 50 + dice(m, 200);
	at = (int)dice(m, (uint32_t)n);
	before(ports[at]->events.arg, m->now_us);
	port_step(ports[at], whats[at]);
	return true;
}

/* ---- life, faults, looking ---- */

struct model_db *model_db_new(uint32_t seed)
{
	struct model_db *m = mem_alloc(sizeof(*m));

	m->seed = seed;
	m->now_us = 1000000;
	m->s.reaped_us = m->now_us;
	return m;
}

void model_db_free(struct model_db *m)
{
	assert(!m->ports);
	for (int i = 0; i < m->nkept; i++)
		free(m->kept[i]);
	for (size_t i = 0; i < m->narena; i++)
		free(m->arena[i]);
	free(m->arena);
	free(m);
}

struct model_port *model_port_new(struct model_db *m)
{
	struct model_port *p = mem_alloc(sizeof(*p));

	p->db = m;
	p->notes_end = &p->notes;
	p->next = m->ports;
	m->ports = p;
	return p;
}

void model_port_free(struct model_port *p)
{
	struct model_port **at = &p->db->ports;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	port_disconnect(p, "");
	free(p);
}

void model_port_set_events(struct model_port *p, const struct db_events *events)
{
	p->events = *events;
}

struct db_port model_port(struct model_port *p)
{
	return (struct db_port){port_submit, port_disconnect, p};
}

int64_t model_now(const struct model_db *m)
{
	return m->now_us;
}

void model_advance(struct model_db *m, int64_t to_us)
{
	if (to_us > m->now_us)
		m->now_us = to_us;
}

void model_cut(struct model_port *p, enum db_op op, enum model_cut when)
{
	p->cut = true;
	p->cut_op = op;
	p->cut_when = when;
}

bool model_cut_is_due(const struct model_port *p)
{
	return p->cut;
}

void model_kill(struct model_port *p)
{
	p->dead = true;
	port_disconnect(p, "");
}

void model_freeze(struct model_port *p, bool frozen)
{
	p->frozen = frozen;
}

static void break_all(struct model_db *m)
{
	for (struct model_port *p = m->ports; p; p = p->next)
		model_break(p);
}

void model_down(struct model_db *m, bool down)
{
	m->down = down;
	if (down)
		break_all(m);
}

void model_rewind(struct model_db *m, int commits)
{
	break_all(m);
	if (commits >= m->nkept)
		commits = m->nkept - 1;
	for (; commits > 0; commits--)
		free(m->kept[--m->nkept]);
	m->s = *m->kept[m->nkept - 1];
	m->s.reaped_us = 0; /* it was away */
}

void model_drop_notifications(struct model_port *p)
{
	notes_clear(p);
}

void model_refuse(struct model_db *m, const char *sqlstate, int n)
{
	snprintf(m->refuse, sizeof(m->refuse), "%s", sqlstate);
	m->refuse_n = n;
}

void model_dislike(struct model_db *m, const char *key)
{
	snprintf(m->dislike, sizeof(m->dislike), "%s", key ? key : "");
}

void model_trim(struct model_db *m)
{
	m->s.njournal = 0;
}

void model_set(struct model_db *m, const struct entity_id *id, enum key_kind kind,
	const char *key, const struct value *v)
{
	row_put(head_of(m, id), kind, key, v);
}

void model_delete(
	struct model_db *m, const struct entity_id *id, enum key_kind kind, const char *key)
{
	row_delete(head_of(m, id), kind, key);
}

bool model_remove(struct model_db *m, const struct entity_id *id)
{
	struct head *h = head_of(m, id);
	char text[ENTITY_ID_TEXT], *x;

	if (!h || h->alive)
		return false;
	x = mem_printf("1\tX\t1\t%s\t%s\t%lld\t%lld\n", entity_id_print(id, text),
		h->incarnation.text, (long long)h->seq, (long long)clock_us(m));
	h->used = false;
	for (int i = 0; i < m->s.njournal; i++) {
		if (entity_id_equal(&m->s.journal[i].id, id))
			memmove(&m->s.journal[i], &m->s.journal[i + 1],
				(size_t)(--m->s.njournal - i) * sizeof(m->s.journal[0])),
				i--;
	}
	commit(m);
	tell(m, x);
	free(x);
	return true;
}

bool model_get(const struct model_db *m, const struct entity_id *id, enum key_kind kind,
	const char *key, struct value *out)
{
	struct head *h = head_of(m, id);
	const struct row *r = h ? row_of(h, kind, key) : NULL;

	if (r)
		*out = r->value;
	return r != NULL;
}

int model_rows(const struct model_db *m, const struct entity_id *id)
{
	return head_of(m, id) ? head_of(m, id)->nrows : 0;
}

bool model_reporting(
	const struct model_db *m, const struct entity_id *id, bool *reporting)
{
	const struct head *h = head_of(m, id);

	if (h)
		*reporting = h->reporting;
	return h != NULL;
}

bool model_head(
	const struct model_db *m, const struct entity_id *id, int64_t *seq, bool *alive)
{
	const struct head *h = head_of(m, id);

	if (!h)
		return false;
	*seq = h->seq;
	*alive = h->alive;
	return true;
}

bool model_coordinator(const struct model_db *m, struct entity_id *out)
{
	*out = m->s.coordinator;
	return m->s.has_coordinator;
}

int64_t model_requests(const struct model_port *p, enum db_op op)
{
	return p->requests[op];
}

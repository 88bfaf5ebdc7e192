/* The modelled database with the ports of nodes, for unit tests. */
#define MOST_KEYS 96 /* of a kind: more than the simulator wants */
#include "../sim/model.c"

#include "world.h"

#define DATABASE_US INT64_C(1700000000000000) /* its clock at 0 */
#define CHUNK_BYTES 150                       /* small, so that there are chunks */
#define MOST_PORTS  15
#define CHOICES     5 /* of what a port can do next */

/* A request, a copy; then its answer. */
struct w_ask {
	bool there, answered;
	struct db_request req;
	struct batch_item *items;
	struct db_self self;
	struct entity_id entity, to;
	struct db_result res;
	struct buf payloads; /* each with a NUL behind it */
};

struct port {
	struct world *world;
	struct port *next;
	struct db_events events;
	struct model_session *session; /* NULL: none */
	bool frozen, dead;
	bool told_lost; /* lost() is to be called */
	struct w_ask main, reader, announcer;
	bool cut;
	enum db_op cut_op;
	enum port_cut cut_when;
	int64_t requests[DB_OPS];
};

struct world {
	struct model *model;
	struct port *ports;
	int64_t now_us;
	uint32_t seed;
	bool down;
	char refuse[6];
	int refuse_n;
	char dislike[64];
};

uint32_t world_dice(struct world *w, uint32_t n)
{
	w->seed = w->seed * 1664525u + 1013904223u;
	return (w->seed >> 10) % n;
}

void world_seed(struct world *w, uint32_t seed)
{
	w->seed = seed;
}

static void clock_set(struct world *w, int64_t now_us)
{
	w->now_us = now_us;
	model_set_clock(w->model, DATABASE_US + now_us);
}

/* ---- sessions ---- */

static void ask_clear(struct w_ask *a)
{
	for (size_t i = 0; a->items && i < a->req.nitems; i++)
		free((char *)a->items[i].key);
	free(a->items);
	buf_clear(&a->payloads);
	memset(a, 0, sizeof(*a));
}

static void ask_lose(struct w_ask *a)
{
	if (!a->there)
		return;
	a->answered = true;
	a->res = (struct db_result){.op = a->req.op, .lost = true, .message = "it is gone"};
	buf_reset(&a->payloads);
}

static void port_close(struct port *p)
{
	if (p->session)
		model_close(p->session);
	p->session = NULL;
}

void port_break(struct port *p)
{
	if (!p->session)
		return;
	port_close(p);
	p->told_lost = !p->main.there;
	ask_lose(&p->main);
	ask_lose(&p->reader);
	ask_lose(&p->announcer);
}

static void port_disconnect(void *arg, const char *reason)
{
	struct port *p = arg;

	(void)reason;
	port_close(p);
	p->told_lost = false;
	ask_clear(&p->main);
	ask_clear(&p->reader);
	ask_clear(&p->announcer);
}

static bool op_reads(enum db_op op)
{
	return op == DB_READ_ROWS || op == DB_READ_JOURNAL || op == DB_READ_HEADS ||
		   op == DB_READ_POLICIES;
}

static struct w_ask *ask_of(struct port *p, enum db_op op)
{
	if (op == DB_ANNOUNCE)
		return &p->announcer;
	return op_reads(op) ? &p->reader : &p->main;
}

static void port_submit(void *arg, const struct db_request *req)
{
	struct port *p = arg;
	struct w_ask *a = ask_of(p, req->op);

	assert(!a->there);
	a->there = true;
	a->req = *req;
	a->self = *req->self;
	a->req.self = &a->self;
	if (req->entity)
		a->entity = *req->entity;
	if (req->to)
		a->to = *req->to;
	a->req.entity = req->entity ? &a->entity : NULL;
	a->req.to = req->to ? &a->to : NULL;
	a->items = mem_alloc((req->nitems + 1) * sizeof(*a->items));
	for (size_t i = 0; i < req->nitems; i++) {
		a->items[i] = req->items[i];
		a->items[i].key = mem_strdup(req->items[i].key);
	}
	a->req.items = a->items;
}

/* ---- doing it ---- */

static void ask_refuse(struct w_ask *a, const char *sqlstate, const char *message)
{
	a->res = (struct db_result){.op = a->req.op, .message = message};
	snprintf(a->res.sqlstate, sizeof(a->res.sqlstate), "%s", sqlstate);
}

static bool publish_is_refused(struct world *w, struct w_ask *a)
{
	if (w->refuse_n > 0) {
		w->refuse_n--;
		ask_refuse(a, w->refuse, "refused");
		return true;
	}
	for (size_t i = 0; w->dislike[0] && i < a->req.nitems; i++) {
		if (strcmp(w->dislike, a->items[i].key) == 0) {
			ask_refuse(a, "PD004", "this key is disliked");
			return true;
		}
	}
	return false;
}

static void payload_keep(void *arg, const char *text, size_t len)
{
	struct w_ask *a = arg;

	buf_add(&a->payloads, text, len);
	buf_addc(&a->payloads, '\0');
}

static void execute(struct port *p, struct w_ask *a)
{
	struct world *w = p->world;

	if (a->req.op == DB_CONNECT && w->down) {
		ask_refuse(a, "08006", "connection refused");
		return;
	}
	if (a->req.op == DB_CONNECT)
		p->session = model_open(w->model);
	if (a->req.op != DB_PUBLISH || !publish_is_refused(w, a))
		model_run(p->session, &a->req, &a->res, payload_keep, a);
}

static void port_run(struct port *p, struct w_ask *a)
{
	bool cut = p->cut && (p->cut_op == DB_OPS || p->cut_op == a->req.op);

	if (a->req.op != DB_CONNECT && !p->session) {
		ask_lose(a);
		return;
	}
	p->cut = p->cut && !cut;
	if (!cut || p->cut_when == PORT_CUT_AFTER) {
		p->requests[a->req.op]++;
		execute(p, a);
	}
	a->answered = true;
	if (!cut)
		return;
	port_break(p);
	ask_lose(a);
}

static void answer(struct port *p, struct w_ask *a)
{
	struct w_ask done = *a;
	const char *at = buf_str(&done.payloads), *end = at + done.payloads.len;

	for (; at < end; at += strlen(at) + 1)
		p->events.payload(p->events.arg, done.req.op, at, strlen(at));
	memset(a, 0, sizeof(*a));
	p->events.result(p->events.arg, &done.res);
	ask_clear(&done);
}

static void deliver_note(struct port *p)
{
	struct buf text = {0};

	model_next_notify(p->session, &text);
	p->events.notify(p->events.arg, buf_str(&text), text.len);
	buf_clear(&text);
}

static void deliver_lost(struct port *p)
{
	p->told_lost = false;
	p->events.lost(p->events.arg, "57P01", "it was terminated");
}

/* What a port can do next. */
static int choices(struct port *p, int out[CHOICES])
{
	int n = 0;

	if (p->frozen || p->dead)
		return 0;
	if (p->session && !model_is_open(p->session))
		port_break(p); /* the server ended it */
	if (p->main.there)
		out[n++] = 0;
	if (p->reader.there)
		out[n++] = 1;
	if (p->session && model_waiting(p->session) > 0)
		out[n++] = 2;
	if (p->told_lost)
		out[n++] = 3;
	if (p->announcer.there)
		out[n++] = 4;
	return n;
}

static void port_step(struct port *p, int what)
{
	struct w_ask *a = what == 0 ? &p->main : what == 1 ? &p->reader : &p->announcer;

	if (what == 2)
		deliver_note(p);
	else if (what == 3)
		deliver_lost(p);
	else if (a->answered)
		answer(p, a);
	else
		port_run(p, a);
}

bool world_step(struct world *w, void (*before)(void *node, int64_t now_us))
{
	struct port *ports[CHOICES * MOST_PORTS];
	int whats[CHOICES * MOST_PORTS], n = 0, at;

	for (struct port *p = w->ports; p; p = p->next) {
		int mine[CHOICES], k = choices(p, mine);

		assert(n + k <= CHOICES * MOST_PORTS);
		for (int i = 0; i < k; i++, n++) {
			ports[n] = p;
			whats[n] = mine[i];
		}
	}
	if (n == 0)
		return false;
	clock_set(w, w->now_us + 50 + world_dice(w, 200));
	at = (int)world_dice(w, (uint32_t)n);
	before(ports[at]->events.arg, w->now_us);
	port_step(ports[at], whats[at]);
	return true;
}

/* ---- life, faults, looking ---- */

struct world *world_new(uint32_t seed)
{
	struct world *w = mem_alloc(sizeof(*w));

	w->seed = seed;
	w->model = model_new();
	model_set_chunk(w->model, CHUNK_BYTES);
	clock_set(w, 1000000);
	return w;
}

void world_free(struct world *w)
{
	assert(!w->ports);
	model_free(w->model);
	free(w);
}

struct port *port_new(struct world *w)
{
	struct port *p = mem_alloc(sizeof(*p));

	p->world = w;
	p->next = w->ports;
	w->ports = p;
	return p;
}

void port_free(struct port *p)
{
	struct port **at = &p->world->ports;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	port_disconnect(p, "");
	free(p);
}

void port_set_events(struct port *p, const struct db_events *events)
{
	p->events = *events;
}

struct db_port port_db(struct port *p)
{
	return (struct db_port){port_submit, port_disconnect, p};
}

int64_t world_now(const struct world *w)
{
	return w->now_us;
}

void world_advance(struct world *w, int64_t to_us)
{
	if (to_us > w->now_us)
		clock_set(w, to_us);
}

void port_cut(struct port *p, enum db_op op, enum port_cut when)
{
	p->cut = true;
	p->cut_op = op;
	p->cut_when = when;
}

void port_heal(struct port *p)
{
	p->cut = false;
}

bool port_cut_is_due(const struct port *p)
{
	return p->cut;
}

void port_kill(struct port *p)
{
	p->dead = true;
	port_disconnect(p, "");
}

void port_freeze(struct port *p, bool frozen)
{
	p->frozen = frozen;
}

bool port_is_frozen(const struct port *p)
{
	return p->frozen;
}

void port_drop_notifications(struct port *p)
{
	while (p->session && model_waiting(p->session) > 0)
		model_notify_lose(p->session);
}

void world_down(struct world *w, bool down)
{
	w->down = down;
	for (struct port *p = w->ports; down && p; p = p->next)
		port_break(p);
}

void world_rewind(struct world *w, int commits)
{
	for (struct port *p = w->ports; p; p = p->next)
		port_break(p);
	model_crash(w->model, commits);
}

void world_refuse(struct world *w, const char *sqlstate, int n)
{
	snprintf(w->refuse, sizeof(w->refuse), "%s", sqlstate);
	w->refuse_n = n;
}

int world_refusals_left(const struct world *w)
{
	return w->refuse_n;
}

void world_dislike(struct world *w, const char *key)
{
	snprintf(w->dislike, sizeof(w->dislike), "%s", key ? key : "");
}

struct model *world_model(struct world *w)
{
	return w->model;
}

static bool row_is_there(
	void *arg, enum key_kind kind, const char *key, const struct value *v)
{
	(void)kind;
	(void)key;
	(void)v;
	++*(int *)arg;
	return true;
}

int world_rows(struct world *w, const struct entity_id *id)
{
	int rows = 0;

	model_each_row(w->model, id, row_is_there, &rows);
	return rows;
}

int port_notifications(const struct port *p)
{
	return p->session ? model_waiting(p->session) : 0;
}

int64_t port_requests(const struct port *p, enum db_op op)
{
	return p->requests[op];
}

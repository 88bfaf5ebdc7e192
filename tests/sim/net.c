/*
 * The modelled network, and struct db_port on it, as src/pgport.c behaves: a request runs
 * when it arrives, whatever its client thinks by then; the answer and notifications
 * travel back in order, or are lost; a lost session is told once.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sim.h"

#define IDLE_US    (5 * SECOND)
#define TIMEOUT_US (5 * SECOND) /* of a connection attempt */

/* A request with all that it borrows. */
struct ask {
	struct db_request req;
	struct db_self self;
	char name[16], host[16], boot_id[24];
	struct entity_id to, entity;
	uint64_t ticket;
	bool main_wire; /* of the process's current session when it was sent */
	struct batch_item items[2 * MOST_SIM_KEYS];
	char keys[2 * MOST_SIM_KEYS][32];
	struct said said[KEY_KINDS][MOST_SIM_KEYS];
};

struct answer {
	struct db_result res;
	char message[200];
	bool lost;
};

static void request_arrives(struct sim *sim, struct event *ev);

static struct db_events events_of(struct box *b)
{
	return node_events(b->node);
}

/* ---- packets ---- */

static int64_t packet_us(struct wire *w)
{
	struct rng *r = &w->box->sim->net;

	return w->latency_us / 2 + rng_skewed(r, 0, w->latency_us * 4);
}

static int64_t arrival_us(struct wire *w, int64_t late_us, int64_t *newest_us)
{
	struct box *b = w->box;
	int64_t at_us = b->sim->now_us + packet_us(w) + (late_us > 0 ? late_us : 0);

	if (b->apart_until_us > b->sim->now_us && at_us < b->apart_until_us)
		at_us = b->apart_until_us + rng_below(&b->sim->net, SECOND / 2);
	if (at_us < *newest_us)
		at_us = *newest_us;
	*newest_us = at_us;
	return at_us;
}

/* NULL: it never arrives. */
static struct event *send_to_client(
	struct wire *w, void (*run)(struct sim *sim, struct event *ev))
{
	struct sim *sim = w->box->sim;
	struct event *ev;

	if (w->silent)
		return NULL;
	if (w->to_client_us < w->stalled_us)
		w->to_client_us = w->stalled_us;
	ev = event_add(sim, arrival_us(w, 0, &w->to_client_us), run);
	ev->box = w->box;
	ev->gen = w->gen;
	ev->wire = w;
	return ev;
}

static struct event *send_to_server(
	struct wire *w, int64_t late_us, void (*run)(struct sim *sim, struct event *ev))
{
	struct sim *sim = w->box->sim;
	struct event *ev;

	if (w->silent)
		return NULL;
	if (sim->slow_until_us > sim->now_us)
		late_us += rng_between(&sim->net, 20, 400) * MS;
	ev = event_add(sim, arrival_us(w, late_us, &w->to_server_us), run);
	ev->wire = w;
	return ev;
}

/* ---- opening and closing ---- */

static const char *const role_names[ROLES] = {"main", "reader's", "announcer's"};

static struct line *line_of(struct wire *w)
{
	return &w->box->lines[w->role];
}

static bool wire_is_current(struct wire *w)
{
	return w->box->gen == w->gen && line_of(w)->wire == w;
}

static struct wire *wire_open(struct box *b, struct server *s, enum role role)
{
	struct sim *sim = b->sim;
	struct wire *w = mem_alloc(sizeof(*w));

	w->next = sim->wires;
	sim->wires = w;
	w->number = ++sim->nwires;
	w->server = s;
	net_clock(sim, s);
	w->backend = model_open(s->model);
	w->box = b;
	w->gen = b->gen;
	w->role = role;
	w->client_open = true;
	w->server_open = true;
	w->latency_us = 1 + rng_skewed(&sim->net, 50, sim->plan.latency_us);
	return w;
}

static void backend_ends(struct wire *w)
{
	if (!w->server_open)
		return;
	w->server_open = false;
	model_end(w->backend);
}

static void fin_arrives(struct sim *sim, struct event *ev)
{
	(void)sim;
	backend_ends(ev->wire);
}

static void client_closes(struct wire *w)
{
	if (!w->client_open)
		return;
	w->client_open = false;
	send_to_server(w, 0, fin_arrives);
}

static void line_answers(struct box *b, struct line *l, const struct db_result *res)
{
	l->busy = false;
	l->used_us = b->sim->now_us;
	events_of(b).result(b->node, res);
}

static void line_fails(
	struct box *b, struct line *l, bool lost, const char *sqlstate, const char *message)
{
	struct db_result res = {.op = l->op, .lost = lost, .message = message};

	snprintf(res.sqlstate, sizeof(res.sqlstate), "%s", sqlstate);
	line_answers(b, l, &res);
}

/* The client learns that its connection is gone. */
static void line_is_lost(struct box *b, struct line *l, const char *reason)
{
	struct wire *w = l->wire;

	l->wire = NULL;
	if (w && w->silent)
		b->sim->noticed_us = b->sim->now_us;
	if (w)
		client_closes(w);
	if (l->busy)
		line_fails(b, l, l->op != DB_CONNECT, "", reason);
	else if (w && w->role == MAIN)
		events_of(b).lost(b->node, "", reason);
}

static void closed_arrives(struct sim *sim, struct event *ev)
{
	struct box *b = ev->box;

	(void)sim;
	if (!wire_is_current(ev->wire))
		return;
	box_turn_begin(b);
	story("the %s connection is closed by the server", role_names[ev->wire->role]);
	line_is_lost(b, line_of(ev->wire), "server closed the connection");
	box_turn_end(b);
}

static void server_closes(struct wire *w)
{
	if (!w->server_open)
		return;
	backend_ends(w);
	send_to_client(w, closed_arrives);
}

/* The client's own kernel says so: nothing has to arrive. */
static void closed_tell(struct wire *w)
{
	struct event *ev = event_add(w->box->sim, w->box->sim->now_us, closed_arrives);

	ev->box = w->box;
	ev->gen = w->gen;
	ev->wire = w;
}

static void keepalive_fails(struct sim *sim, struct event *ev)
{
	struct wire *w = ev->wire;

	(void)sim;
	backend_ends(w);
	if (w->box->gen != w->gen || !w->box->node || !wire_is_current(w))
		return;
	closed_tell(w);
}

static void wire_is_silent(struct wire *w)
{
	w->silent = true;
	event_add(w->box->sim, w->box->sim->now_us + KEEPALIVE_US, keepalive_fails)->wire = w;
}

/* ---- what the server sends ---- */

/* What a server said that is gone by now may be newer than what the next one knows. */
static void word_is_old(struct sim *sim, const struct wire *w)
{
	if (!w->server_open && sim->lenient_until_us < sim->now_us)
		sim->lenient_until_us = sim->now_us;
}

static void note_arrives(struct sim *sim, struct event *ev)
{
	struct box *b = ev->box;
	const char *text = ev->data;

	if (!wire_is_current(ev->wire))
		return;
	word_is_old(sim, ev->wire);
	box_turn_begin(b);
	if (story_level >= 2)
		story("hears %s", text);
	events_of(b).notify(b->node, text, strlen(text));
	box_turn_end(b);
}

static void note_send(struct wire *w, const struct buf *text)
{
	struct event *ev;
	int copies = 1;

	if (w->lose_notes > 0) {
		w->lose_notes--;
		story("%s loses a notification: %s", w->box->name, buf_str(text));
		return;
	}
	if (w->repeat_notes > 0) {
		w->repeat_notes--;
		copies = 2;
	}
	for (int i = 0; i < copies; i++) {
		ev = send_to_client(w, note_arrives);
		if (ev)
			ev->data = mem_strdup(buf_str(text));
	}
}

void net_server_flush(struct sim *sim, struct server *s)
{
	struct buf text = {0};

	for (struct wire *w = sim->wires; w; w = w->next) {
		if (w->server != s || !w->server_open)
			continue;
		if (!model_is_open(w->backend))
			server_closes(w);
		while (w->server_open && model_next_notify(w->backend, &text))
			note_send(w, &text);
	}
	buf_clear(&text);
}

void net_clock(struct sim *sim, struct server *s)
{
	model_set_clock(
		s->model, INT64_C(1700000000) * SECOND + sim->now_us + s->clock_offset_us);
}

static void answer_arrives(struct sim *sim, struct event *ev)
{
	struct box *b = ev->box;
	struct line *l = line_of(ev->wire);
	struct answer *a = ev->data;

	(void)sim;
	if (!wire_is_current(ev->wire) || !l->busy || l->ticket != ev->ticket)
		return;
	a->res.message = a->message;
	box_turn_begin(b);
	if (story_level >= 2)
		story("gets the answer to %s: %s", db_op_name(a->res.op),
			a->res.ok ? "ok" : a->res.sqlstate);
	line_answers(b, l, &a->res);
	box_turn_end(b);
}

static void row_arrives(struct sim *sim, struct event *ev)
{
	struct box *b = ev->box;
	struct line *l = line_of(ev->wire);
	const char *text = ev->data;

	if (!wire_is_current(ev->wire) || !l->busy || l->ticket != ev->ticket)
		return;
	word_is_old(sim, ev->wire);
	box_turn_begin(b);
	if (story_level >= 2)
		story("reads %s", text);
	events_of(b).payload(b->node, l->op, text, strlen(text));
	box_turn_end(b);
}

static void answer_send(
	struct wire *w, const struct ask *ask, const struct db_result *res)
{
	struct event *ev = send_to_client(w, answer_arrives);
	struct answer *a;

	if (!ev)
		return;
	a = mem_alloc(sizeof(*a));
	a->res = *res;
	snprintf(a->message, sizeof(a->message), "%s", res->message ? res->message : "");
	ev->data = a;
	ev->ticket = ask->ticket;
}

/* ---- faults that wait for the next request ---- */

static bool armed_take(struct wire *w, enum fault_kind kind)
{
	struct box *b = w->box;

	if (!b->armed[kind] || !wire_is_current(w))
		return false;
	b->armed[kind] = false;
	story("%s: now it comes: %s", b->name, fault_name(kind));
	return true;
}

/* True: it is not run. */
static bool request_is_spoilt(struct wire *w, const struct ask *ask)
{
	struct db_result res = {
		.op = ask->req.op, .sqlstate = "55P03", .message = "lock timeout"};

	if (armed_take(w, FAULT_CUT_BEFORE)) {
		server_closes(w);
		return true;
	}
	if (armed_take(w, FAULT_ERROR)) {
		answer_send(w, ask, &res);
		return true;
	}
	return false;
}

/* It has run: does the answer get through? */
static bool answer_is_spoilt(struct wire *w)
{
	if (armed_take(w, FAULT_CUT_AFTER)) {
		server_closes(w);
		return true;
	}
	if (armed_take(w, FAULT_LOSE_ANSWER)) {
		wire_is_silent(w);
		return true;
	}
	return false;
}

/* ---- running requests ---- */

struct rows {
	struct wire *wire;
	uint64_t ticket;
	int left; /* until it is cut; -1: never */
};

static void row_send(void *arg, const char *text, size_t len)
{
	struct rows *rows = arg;
	struct event *ev;

	if (rows->left == 0 || !rows->wire->server_open)
		return;
	rows->left -= rows->left > 0;
	ev = send_to_client(rows->wire, row_arrives);
	if (!ev)
		return;
	ev->ticket = rows->ticket;
	ev->data = mem_strndup(text, len);
}

static void tick_ends(struct sim *sim, struct event *ev)
{
	struct wire *w = ev->wire;
	struct ask ask = {.ticket = ev->ticket};
	struct db_result res;

	model_tick_end(ev->data, &res);
	ev->data = NULL;
	net_server_flush(sim, w->server);
	if (w->server_open && w->server->up && !answer_is_spoilt(w))
		answer_send(w, &ask, &res);
}

static void run_tick(struct sim *sim, struct wire *w, const struct ask *ask)
{
	struct lives lives;
	struct event *ev =
		event_add(sim, sim->now_us + rng_skewed(&sim->net, 0, 20 * MS), tick_ends);

	check_alive(sim, w->server, &lives);
	ev->data = model_tick_begin(w->backend, &ask->req);
	check_reaped(sim, w->server, &lives);
	ev->wire = w;
	ev->ticket = ask->ticket;
}

static void listen_late(struct sim *sim, struct event *ev)
{
	struct db_request req = {.op = DB_LISTEN};
	struct db_result res;

	(void)sim;
	if (ev->wire->server_open && model_is_open(ev->wire->backend))
		model_run(ev->wire->backend, &req, &res, NULL, NULL);
}

static void run_read(struct sim *sim, struct wire *w, const struct ask *ask)
{
	struct rows rows = {w, ask->ticket, -1};
	struct wire *main_wire = w->box->lines[MAIN].wire;
	struct db_result res;

	if (armed_take(w, FAULT_CUT_READ))
		rows.left = (int)rng_below(&sim->net, 3);
	model_run(w->backend, &ask->req, &res, row_send, &rows);
	if (mutation_on == MUTATE_LISTEN_LATE && main_wire && wire_is_current(w))
		event_add(sim, sim->now_us + rng_below(&sim->net, 300 * MS), listen_late)->wire =
			main_wire;
	if (rows.left >= 0)
		server_closes(w);
	else if (!answer_is_spoilt(w))
		answer_send(w, ask, &res);
}

static void run_call(struct sim *sim, struct wire *w, struct ask *ask)
{
	struct db_result res = {.op = ask->req.op, .ok = true, .message = ""};
	bool answer_first = rng_chance(&sim->net, 50);

	if (ask->req.op != DB_LISTEN || mutation_on != MUTATE_LISTEN_LATE)
		model_run(w->backend, &ask->req, &res, NULL, NULL);
	check_ran(w, &ask->req, &res);
	if (ask->req.op == DB_PUBLISH && ask->req.reporting == 1 && res.ok)
		check_reported(w, ask->said);
	if (answer_first && !answer_is_spoilt(w))
		answer_send(w, ask, &res);
	net_server_flush(sim, w->server);
	if (!answer_first && w->server_open && !answer_is_spoilt(w))
		answer_send(w, ask, &res);
}

static void ask_own(struct ask *a)
{
	a->self.name = a->name;
	a->self.host = a->host;
	a->self.boot_id = a->boot_id;
	a->req.self = &a->self;
	a->req.items = a->items;
	a->req.to = a->req.to ? &a->to : NULL;
	a->req.entity = a->req.entity ? &a->entity : NULL;
	for (size_t i = 0; i < a->req.nitems; i++)
		a->items[i].key = a->keys[i];
}

/* It began when it came, and commits now. */
static void publish_ends(struct sim *sim, struct event *ev)
{
	struct wire *w = ev->wire;

	if (!w->server_open || !w->server->up || !model_is_open(w->backend))
		return;
	net_clock(sim, w->server);
	ask_own(ev->data);
	run_call(sim, w, ev->data);
}

static void publish_begins(struct sim *sim, struct wire *w, struct event *was)
{
	int64_t for_us = rng_skewed(&sim->net, 0, sim->plan.publishes_us);
	struct event *ev = event_add(sim, sim->now_us + for_us, publish_ends);

	model_publish_begin(w->backend);
	ev->wire = w;
	ev->data = was->data;
	was->data = NULL;
}

static bool op_is_read(enum db_op op)
{
	return op == DB_READ_ROWS || op == DB_READ_JOURNAL || op == DB_READ_HEADS ||
		   op == DB_READ_POLICIES;
}

static void request_arrives(struct sim *sim, struct event *ev)
{
	struct wire *w = ev->wire;
	struct ask *ask = ev->data;

	if (!w->server_open || !w->server->up || !model_is_open(w->backend))
		return;
	if (request_is_spoilt(w, ask))
		return;
	sim->requests++;
	ask_own(ask);
	net_clock(sim, w->server);
	if (ask->req.op == DB_TICK)
		run_tick(sim, w, ask);
	else if (op_is_read(ask->req.op))
		run_read(sim, w, ask);
	else if (ask->req.op == DB_PUBLISH && sim->plan.publishes_us > 0)
		publish_begins(sim, w, ev);
	else
		run_call(sim, w, ask);
}

/* ---- the port ---- */

static struct ask *ask_copy(const struct db_request *req, uint64_t ticket)
{
	struct ask *a = mem_alloc(sizeof(*a));

	a->req = *req;
	a->ticket = ticket;
	a->self = *req->self;
	snprintf(a->name, sizeof(a->name), "%s", req->self->name);
	snprintf(a->host, sizeof(a->host), "%s", req->self->host);
	snprintf(a->boot_id, sizeof(a->boot_id), "%s", req->self->boot_id);
	if (req->to)
		a->to = *req->to;
	if (req->entity)
		a->entity = *req->entity;
	assert(req->nitems <= sizeof(a->items) / sizeof(a->items[0]));
	for (size_t i = 0; i < req->nitems; i++) {
		a->items[i] = req->items[i];
		snprintf(a->keys[i], sizeof(a->keys[i]), "%s", req->items[i].key);
	}
	return a;
}

static void request_tell(const struct db_request *req)
{
	story("asks %s%s", db_op_name(req->op), req->force ? ", forced" : "");
	for (size_t i = 0; i < req->nitems; i++)
		story("  %s%s %s %u", req->items[i].removed ? "no " : "", req->items[i].key,
			state_name(req->items[i].value.state), req->items[i].value.fresh);
}

/* What was told until the report was complete, and is still so. */
static void said_note(struct box *b, struct ask *a)
{
	for (int i = 0; i < KEY_KINDS * b->sim->plan.keys; i++) {
		struct said *said = &a->said[i % KEY_KINDS][i / KEY_KINDS];

		*said = b->said[i % KEY_KINDS][i / KEY_KINDS];
		if (!box_has_link_key(b, i / KEY_KINDS) || said->told_us > b->pbx.complete_us)
			said->stated = false;
	}
}

static void request_send(struct wire *w, const struct db_request *req, uint64_t ticket)
{
	struct box *b = w->box;
	int64_t late_us = w->role == READER ? 3 * w->latency_us : 0;
	struct event *ev;

	if (w->role != READER && req->nitems > 0 && armed_take(w, FAULT_LATE_REQUEST))
		late_us = b->armed_until_us[FAULT_LATE_REQUEST] - b->sim->now_us;
	if (story_level >= 2)
		request_tell(req);
	if (req->op == DB_PUBLISH && req->reporting == 1)
		check_reporting(b);
	ev = send_to_server(w, late_us, request_arrives);
	if (!ev)
		return;
	ev->data = ask_copy(req, ticket);
	said_note(b, ev->data);
}

static void unsendable(struct sim *sim, struct event *ev)
{
	struct box *b = ev->box;
	struct line *l = &b->lines[ev->index];

	(void)sim;
	if (!l->busy || l->ticket != ev->ticket)
		return;
	box_turn_begin(b);
	line_fails(b, l, true, "", "there is no session");
	box_turn_end(b);
}

static void deadline_passes(struct sim *sim, struct event *ev)
{
	struct box *b = ev->box;
	struct line *l = &b->lines[ev->index];

	(void)sim;
	if (!l->busy || l->ticket != ev->ticket)
		return;
	box_turn_begin(b);
	story("no answer to %s in time", db_op_name(l->op));
	line_is_lost(b, l, "no answer in time");
	box_turn_end(b);
}

static struct event *line_event(struct box *b, struct line *l, int64_t at_us,
	void (*run)(struct sim *sim, struct event *ev))
{
	struct event *ev = event_add(b->sim, at_us, run);

	ev->box = b;
	ev->gen = b->gen;
	ev->ticket = l->ticket;
	ev->index = (int)(l - b->lines);
	return ev;
}

/* Any server that is up: while there are two primaries, a node may find either. */
static struct server *server_find(struct sim *sim)
{
	struct server *up[MOST_SERVERS];
	int n = 0;

	for (int i = 0; i < sim->nservers; i++) {
		if (sim->servers[i].up)
			up[n++] = &sim->servers[i];
	}
	return n > 0 ? up[rng_below(&sim->net, n)] : NULL;
}

static void connect_ends(struct sim *sim, struct event *ev);

/* Nobody answered, not even with a refusal: the kernel asks 1 s and 3 s later again. */
static bool connect_goes_on(struct box *b)
{
	struct sim *sim = b->sim;
	int64_t begun_us = b->connect_until_us - TIMEOUT_US;
	int64_t next_us = begun_us + (sim->now_us < begun_us + SECOND ? 1 : 3) * SECOND;

	if (next_us <= sim->now_us)
		next_us = b->connect_until_us;
	if (next_us <= sim->now_us)
		return false;
	line_event(b, &b->lines[MAIN], next_us, connect_ends);
	return true;
}

static void connect_ends(struct sim *sim, struct event *ev)
{
	struct box *b = ev->box;
	struct server *s = server_find(sim);
	struct db_result res = {.op = DB_CONNECT, .ok = true, .message = ""};

	if (!b->lines[MAIN].busy || b->lines[MAIN].ticket != ev->ticket)
		return;
	if ((!s || b->apart_until_us > sim->now_us) && connect_goes_on(b))
		return;
	box_turn_begin(b);
	if (!s || b->apart_until_us > sim->now_us) {
		line_fails(b, &b->lines[MAIN], false, "", "no server can be reached");
	} else {
		b->lines[MAIN].wire = wire_open(b, s, MAIN);
		story("connected to server %d", s->number);
		line_answers(b, &b->lines[MAIN], &res);
	}
	box_turn_end(b);
}

static void connect_begin(struct box *b)
{
	struct sim *sim = b->sim;
	bool silent = b->apart_until_us > sim->now_us ||
				  (!server_find(sim) && rng_chance(&sim->net, 30));

	if (b->lines[MAIN].wire)
		client_closes(b->lines[MAIN].wire);
	b->lines[MAIN].wire = NULL;
	b->connect_until_us = sim->now_us + (silent ? TIMEOUT_US : 0);
	line_event(b, &b->lines[MAIN], sim->now_us + 3 * sim->plan.latency_us, connect_ends);
}

static void submit_read(struct box *b, const struct db_request *req)
{
	struct line *l = &b->lines[READER];

	if (l->wire && l->used_us + IDLE_US < b->sim->now_us) {
		client_closes(l->wire);
		l->wire = NULL;
	}
	if (!l->wire)
		l->wire = wire_open(b, b->lines[MAIN].wire->server, READER);
	request_send(l->wire, req, l->ticket);
}

/* The session for announcements is made, for the next time. */
static void submit_unopened(struct box *b, struct line *l)
{
	l->wire = wire_open(b, b->lines[MAIN].wire->server, ANNOUNCER);
	line_event(b, l, b->sim->now_us, unsendable);
}

static enum role role_of(enum db_op op)
{
	return op == DB_ANNOUNCE ? ANNOUNCER : op_is_read(op) ? READER : MAIN;
}

static void port_submit(void *arg, const struct db_request *req)
{
	struct box *b = arg;
	struct sim *sim = b->sim;
	struct line *l = &b->lines[role_of(req->op)];

	assert(!l->busy);
	l->busy = true;
	l->op = req->op;
	l->ticket = ++sim->events_made;
	if (req->deadline_ms > 0 && req->deadline_ms < INT32_MAX)
		line_event(b, l, sim->now_us + req->deadline_ms * MS, deadline_passes);
	if (req->op == DB_CONNECT)
		connect_begin(b);
	else if (!b->lines[MAIN].wire)
		line_event(b, l, sim->now_us, unsendable);
	else if (l == &b->lines[READER])
		submit_read(b, req);
	else if (!l->wire)
		submit_unopened(b, l);
	else
		request_send(l->wire, req, l->ticket);
}

static void line_drop(struct line *l)
{
	if (l->wire)
		client_closes(l->wire);
	l->wire = NULL;
	l->busy = false;
}

static void port_disconnect(void *arg, const char *reason)
{
	struct box *b = arg;

	if (b->lines[MAIN].wire || b->lines[READER].wire)
		story("disconnects: %s", reason);
	for (int role = 0; role < ROLES; role++)
		line_drop(&b->lines[role]);
}

struct db_port net_port(struct box *b)
{
	return (struct db_port){port_submit, port_disconnect, b};
}

/* ---- faults ---- */

void net_drop(struct box *b, bool reset)
{
	for (int role = 0; role < ROLES; role++) {
		struct line *l = &b->lines[role];

		if (l->wire && reset)
			client_closes(l->wire);
		else if (l->wire)
			wire_is_silent(l->wire);
		l->wire = NULL;
		l->busy = false;
	}
}

void net_cut(struct box *b, enum role role)
{
	struct line *l = &b->lines[role];

	if (l->wire)
		server_closes(l->wire);
}

void net_server_down(struct sim *sim, struct server *s)
{
	s->up = false;
	s->down_since_us = sim->now_us;
	for (struct wire *w = sim->wires; w; w = w->next) {
		if (w->server == s)
			server_closes(w);
	}
}

static void apart_too_long(struct sim *sim, struct event *ev)
{
	struct wire *w = ev->wire;

	if (w->box->apart_until_us <= sim->now_us)
		return;
	backend_ends(w);
	if (w->box->gen != w->gen || !w->box->node || !wire_is_current(w))
		return;
	closed_tell(w);
}

void net_apart(struct box *b)
{
	for (struct wire *w = b->sim->wires; w; w = w->next) {
		if (w->box == b && (w->server_open || w->client_open))
			event_add(b->sim, b->sim->now_us + KEEPALIVE_US, apart_too_long)->wire = w;
	}
}

void net_event_free(struct event *ev)
{
	struct db_result res;

	if (ev->run == tick_ends && ev->data) {
		model_tick_end(ev->data, &res);
		ev->data = NULL;
	}
	free(ev->data);
	free(ev);
}

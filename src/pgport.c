/* Layer 1: struct db_port on two connections. */
#include "pgport.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "pgcall.h"
#include "pgconn.h"

#define CHECK_MS          5000 /* settings and schema, once connected */
#define READER_IDLE_MS    5000
#define ANNOUNCER_IDLE_MS (10 * 60 * 1000) /* nothing changes: a session less */

struct session {
	struct pgport *port;
	struct pgconn *conn;
	/* Deadline of the request; for a reader without one: time to close. */
	struct loop_timer *timer;
	enum { MAIN, READER, ANNOUNCER } role;
	bool busy;       /* `op` is under way */
	bool unsendable; /* it cannot even be sent: told by the timer */
	enum db_op op;
	int64_t deadline_ms, silence_ms; /* of the request; 0: none */
	int64_t until_us;                /* deadline_ms in monotonic time */
	bool for_a_row;                  /* the timer is silence's, not the deadline's */
	bool was_up, complained;         /* an announcer: this time; that it cannot be */
	struct pgcall call;              /* of a reader that is still connecting */
};

struct pgport {
	struct db_events events;
	struct session main, reader, announcer;
	char *channel;             /* what is listened to ... */
	char announce_channel[64]; /* ... and beside it */
};

/* ---- answers ---- */

static void session_answer(struct session *s, struct db_result *res)
{
	struct pgport *p = s->port;

	assert(s->busy);
	s->busy = false;
	loop_timer_stop(s->timer);
	if (s->role != MAIN && pgconn_is_up(s->conn))
		loop_timer_start(
			s->timer, s->role == READER ? READER_IDLE_MS : ANNOUNCER_IDLE_MS);
	p->events.result(
		p->events.arg, res); /* may submit, disconnect, free: nothing after */
}

static void session_fail(
	struct session *s, bool lost, const char *sqlstate, const char *message)
{
	struct db_result res = {.op = s->op, .lost = lost, .message = message};

	snprintf(res.sqlstate, sizeof(res.sqlstate), "%s", sqlstate);
	session_answer(s, &res);
}

static void session_drop(struct session *s)
{
	s->busy = false;
	s->unsendable = false;
	pgcall_clear(&s->call);
	loop_timer_stop(s->timer);
	pgconn_close(s->conn);
}

static void session_done(void *arg, PGresult *pg)
{
	struct session *s = arg;
	struct db_result res;
	struct buf text;

	if (!pg || !s->busy)
		return; /* on_down() says why; or it was given up */
	buf_init(&text);
	pgcall_decode(s->op, pg, &res, &text);
	session_answer(s, &res);
	buf_clear(&text);
}

/* Runs to the deadline, or as long as it may be silent. */
static void session_wait(struct session *s)
{
	int64_t left_ms = (s->until_us - clock_mono_us()) / 1000;
	int64_t ms = s->deadline_ms > 0 ? (left_ms > 0 ? left_ms : 1) : s->silence_ms;

	s->for_a_row = s->silence_ms > 0 && (s->deadline_ms <= 0 || s->silence_ms < ms);
	if (s->for_a_row)
		ms = s->silence_ms;
	if (ms > 0)
		loop_timer_start(s->timer, ms);
}

static void session_row(void *arg, PGresult *pg)
{
	struct session *s = arg;
	struct pgport *p = s->port;

	if (!s->busy || PQntuples(pg) != 1 || PQnfields(pg) != 1)
		return;
	session_wait(s);
	p->events.payload(
		p->events.arg, s->op, PQgetvalue(pg, 0, 0), (size_t)PQgetlength(pg, 0, 0));
}

/* ---- asking ---- */

static void session_send(struct session *s, struct pgcall *call)
{
	struct pgconn_query q = {
		.sql = call->sql,
		.nparams = call->nparams,
		.params = (const char *const *)call->params,
		.prepare = call->prepare,
		.row = s->role == READER ? session_row : NULL,
		.done = session_done,
		.arg = s,
	};

	pgconn_send(s->conn, &q);
	pgcall_clear(call);
}

static void session_expired(void *arg)
{
	struct session *s = arg;
	char *reason;

	if (s->unsendable) {
		s->unsendable = false;
		session_fail(s, true, "", "there is no session");
		return;
	}
	if (!s->busy) {
		pgconn_close(s->conn); /* it was idle */
		return;
	}
	if (s->for_a_row) /* by the clock it may be a moment early */
		reason = mem_printf(
			"no row of %s for %g s", db_op_name(s->op), (double)s->silence_ms / 1000);
	else
		reason = mem_printf("no answer to %s within %g s", db_op_name(s->op),
			(double)s->deadline_ms / 1000);
	pgconn_fail(s->conn, reason);
	free(reason);
}

static void session_deadline(struct session *s, int64_t ms, int64_t silence_ms)
{
	s->deadline_ms = ms;
	s->silence_ms = silence_ms;
	s->until_us = clock_mono_us() + ms * 1000;
	session_wait(s);
}

static void submit_read(struct pgport *p, const struct db_request *req)
{
	struct session *s = &p->reader;

	if (pgconn_is_up(s->conn)) {
		struct pgcall call;

		pgcall_encode(req, &call);
		session_send(s, &call);
		return;
	}
	pgcall_encode(req, &s->call);
	if (pgconn_is_closed(s->conn)) {
		s->was_up = false;
		pgconn_open_beside(s->conn, p->main.conn);
	}
}

static void submit_call(struct pgport *p, const struct db_request *req)
{
	struct pgcall call;

	pgcall_encode(req, &call);
	session_send(&p->main, &call);
}

/* Who waits until there is a session gains nothing by an announcement. */
static void submit_announce(struct pgport *p, const struct db_request *req)
{
	struct session *s = &p->announcer;
	struct pgcall call;

	if (pgconn_is_up(s->conn)) {
		pgcall_encode(req, &call);
		session_send(s, &call);
		return;
	}
	if (pgconn_is_closed(s->conn)) {
		s->was_up = false;
		pgconn_open_beside(s->conn, p->main.conn);
	}
	s->unsendable = true;
	loop_timer_start(s->timer, 0);
}

static void submit_listen(struct pgport *p, const struct db_request *req)
{
	free(p->channel);
	p->channel = mem_strdup(req->channel);
	pgcall_announce_channel(p->channel, p->announce_channel);
	pgconn_listen(p->main.conn, p->announce_channel, NULL, NULL);
	pgconn_listen(p->main.conn, p->channel, session_done, &p->main);
}

static void submit_connect(struct pgport *p)
{
	pgconn_close(p->main.conn);
	pgconn_open(p->main.conn);
}

static bool op_is_read(enum db_op op)
{
	return op == DB_READ_ROWS || op == DB_READ_JOURNAL || op == DB_READ_HEADS ||
		   op == DB_READ_POLICIES;
}

static struct session *session_of(struct pgport *p, enum db_op op)
{
	if (op == DB_ANNOUNCE)
		return &p->announcer;
	return op_is_read(op) ? &p->reader : &p->main;
}

static void pgport_submit(void *arg, const struct db_request *req)
{
	struct pgport *p = arg;
	struct session *s = session_of(p, req->op);

	assert(!s->busy);
	s->busy = true;
	s->op = req->op;
	loop_timer_stop(s->timer);
	session_deadline(s, req->deadline_ms, s->role == READER ? req->silence_ms : 0);
	if (req->op == DB_CONNECT) {
		submit_connect(p);
	} else if (!pgconn_is_up(p->main.conn)) {
		s->unsendable = true;
		loop_timer_start(s->timer, 0);
	} else if (op_is_read(req->op)) {
		submit_read(p, req);
	} else if (req->op == DB_ANNOUNCE) {
		submit_announce(p, req);
	} else if (req->op == DB_LISTEN) {
		submit_listen(p, req);
	} else {
		submit_call(p, req);
	}
}

static void pgport_disconnect(void *arg, const char *reason)
{
	struct pgport *p = arg;

	if (pgconn_is_up(p->main.conn))
		log_debug(
			1, "session", "disconnected from %s: %s", pgconn_host(p->main.conn), reason);
	session_drop(&p->main);
	session_drop(&p->reader);
	session_drop(&p->announcer);
}

/* ---- connections ---- */

/* A server that will not do: there is no session, and the reason names the server. */
static void connect_refused(struct session *s, const struct db_result *res)
{
	char *message = mem_printf("%s: %s", pgconn_host(s->conn), res->message);
	char sqlstate[6];

	snprintf(sqlstate, sizeof(sqlstate), "%s", res->sqlstate);
	pgcall_clear(&s->call);
	s->busy = false; /* closing answers nothing */
	pgconn_close(s->conn);
	s->busy = true;
	session_fail(s, false, sqlstate, message);
	free(message);
}

static void main_schema_done(void *arg, PGresult *pg)
{
	struct session *s = arg;
	struct db_result res;
	struct buf text;

	if (!pg || !s->busy)
		return;
	buf_init(&text);
	pgcall_decode_schema(pg, pgconn_user(s->conn), &res, &text);
	if (res.ok) {
		log_debug(1, "session", "connected host=%s pid=%d server=%d",
			pgconn_host(s->conn), pgconn_backend_pid(s->conn),
			pgconn_server_version(s->conn) / 10000);
		session_answer(s, &res);
	} else {
		connect_refused(s, &res);
	}
	buf_clear(&text);
}

static void settings_done(void *arg, PGresult *pg)
{
	struct session *s = arg;
	struct db_result res;
	struct buf text;

	if (!pg || !s->busy)
		return;
	buf_init(&text);
	pgcall_decode(DB_CONNECT, pg, &res, &text);
	if (!res.ok)
		connect_refused(s, &res);
	buf_clear(&text);
}

static void session_set(struct session *s)
{
	struct pgconn_query q = {.done = settings_done, .arg = s};
	struct buf sql;

	buf_init(&sql);
	pgcall_settings(s->role == READER, &sql);
	q.sql = buf_str(&sql);
	pgconn_send(s->conn, &q);
	buf_clear(&sql);
}

static void main_up(void *arg)
{
	struct session *s = arg;
	struct pgconn_query q = {
		.sql = pgcall_schema_version(), .done = main_schema_done, .arg = s};
	struct db_result res;
	struct buf text;

	buf_init(&text);
	pgcall_check_server(pgconn_server_version(s->conn),
		pgconn_parameter(s->conn, "server_encoding"), &res, &text);
	if (res.ok) {
		session_deadline(s, CHECK_MS, 0);
		session_set(s);
		pgconn_send(s->conn, &q);
	} else {
		connect_refused(s, &res);
	}
	buf_clear(&text);
}

static void reader_up(void *arg)
{
	struct session *s = arg;

	session_set(s);
	session_send(s, &s->call);
}

static void announcer_up(void *arg)
{
	struct session *s = arg;

	s->was_up = true;
	s->complained = false;
	session_set(s);
	if (!s->busy) /* who asked for it went on, and may never ask again */
		loop_timer_start(s->timer, ANNOUNCER_IDLE_MS);
}

/* Nobody waits for it, so that nobody else would say why there is none: once. */
static void announcer_down(struct session *s, const char *reason)
{
	if (!s->was_up && !s->complained) {
		s->complained = true;
		log_warning("session",
			"no session for announcements, others see changes when they are written: %s",
			reason);
	}
}

static void on_down(void *arg, const char *sqlstate, const char *reason)
{
	struct session *s = arg;
	struct pgport *p = s->port;

	if (s->role == ANNOUNCER)
		announcer_down(s, reason);
	pgcall_clear(&s->call);
	loop_timer_stop(s->timer);
	s->unsendable = false;
	if (s->busy)
		session_fail(s, s->op != DB_CONNECT, sqlstate, reason);
	else if (s->role == MAIN)
		p->events.lost(p->events.arg, sqlstate, reason);
}

static void on_notify(void *arg, const char *channel, const char *payload, int pid)
{
	struct session *s = arg;
	struct pgport *p = s->port;

	(void)pid;
	if (p->channel &&
		(strcmp(channel, p->channel) == 0 || strcmp(channel, p->announce_channel) == 0))
		p->events.notify(p->events.arg, payload, strlen(payload));
}

static bool session_init(struct session *s, struct pgport *p, struct event_base *base,
	const char *conninfo, const char *app_name, char **error)
{
	static void (*const up[])(void *) = {main_up, reader_up, announcer_up};
	struct pgconn_callbacks cb = {
		up[s->role], on_down, s->role == MAIN ? on_notify : NULL};

	s->port = p;
	s->conn = pgconn_new(base, conninfo, app_name, &cb, s, error);
	if (!s->conn)
		return false;
	s->timer = loop_timer_new(base, session_expired, s);
	return true;
}

static void session_clear(struct session *s)
{
	pgcall_clear(&s->call);
	loop_timer_free(s->timer);
	pgconn_free(s->conn);
}

struct pgport *pgport_new(
	struct event_base *base, const char *conninfo, const char *app_name, char **error)
{
	struct pgport *p = mem_alloc(sizeof(*p));
	char *reader_name = mem_printf("%s reader", app_name);
	char *announcer_name = mem_printf("%s announcer", app_name);
	bool ok;

	p->reader.role = READER;
	p->announcer.role = ANNOUNCER;
	ok = session_init(&p->main, p, base, conninfo, app_name, error) &&
		 session_init(&p->reader, p, base, conninfo, reader_name, error) &&
		 session_init(&p->announcer, p, base, conninfo, announcer_name, error);
	free(reader_name);
	free(announcer_name);
	if (ok)
		return p;
	pgport_free(p);
	return NULL;
}

void pgport_free(struct pgport *p)
{
	if (!p)
		return;
	session_clear(&p->main);
	session_clear(&p->reader);
	session_clear(&p->announcer);
	free(p->channel);
	free(p);
}

void pgport_set_events(struct pgport *p, const struct db_events *events)
{
	p->events = *events;
}

struct db_port pgport_port(struct pgport *p)
{
	return (struct db_port){pgport_submit, pgport_disconnect, p};
}

const char *pgport_host(const struct pgport *p)
{
	return pgconn_is_up(p->main.conn) ? pgconn_host(p->main.conn) : "";
}

int pgport_backend_pid(const struct pgport *p)
{
	return pgconn_is_up(p->main.conn) ? pgconn_backend_pid(p->main.conn) : 0;
}

/* Layer 0: one connection to PostgreSQL on the event loop. All connection-level PQ*
 * calls. */
#include "pgconn.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <event2/event.h>

#include "buf.h"
#include "log.h"
#include "lookup.h"
#include "loop.h"
#include "mem.h"
#include "pghost.h"
#include "pginfo.h"
#include "text.h"

enum conn_state {
	CONN_CLOSED,
	CONN_STARTING, /* the next address is tried in the next turn of the loop */
	CONN_LOOKUP,   /* a host's name is being looked up */
	CONN_TRYING,   /* one address: PQconnectPoll */
	CONN_UP
};

struct query {
	char *sql;
	int nparams;
	char **params;
	bool prepare;
	bool again; /* its plan was out of date once */
	void (*row)(void *arg, PGresult *res);
	void (*done)(void *arg, PGresult *res);
	void *arg;
	struct query *next;
};

struct prepared {
	char *sql;
	char name[16];
	struct prepared *next;
};

struct pgconn {
	struct event_base *base;
	struct pgconn_callbacks cb;
	void *arg;
	struct pginfo info;

	enum conn_state state;
	unsigned turn; /* moves when a callback has opened, closed or freed us */
	bool freed;
	PGconn *pg;
	struct event *read, *write;
	struct loop_timer *timer;

	int host, end; /* in hosts: the one that is tried, and behind the last to try */
	struct lookup *lookup;
	char **addresses; /* of this host's name; NULL: libpq needs none */
	int naddresses, address;
	struct buf label;   /* of where we are connected or trying to */
	struct buf reasons; /* why the hosts before did not do */

	char sqlstate[6]; /* of the server's last words */
	struct buf farewell;

	struct query *first, **last;
	bool running;   /* the first is at the server ... */
	bool preparing; /* ... only to be prepared for now */
	PGresult *result;
	struct prepared *prepared;
	unsigned nprepared;
};

static void conn_step(void *arg);
static void conn_send_next(struct pgconn *c);

struct pgconn *pgconn_new(struct event_base *base, const char *conninfo,
	const char *application_name, const struct pgconn_callbacks *cb, void *arg,
	char **error)
{
	struct pgconn *c = mem_alloc(sizeof(*c));

	if (!pginfo_init(&c->info, conninfo, application_name, error)) {
		free(c);
		return NULL;
	}
	c->base = base;
	c->cb = *cb;
	c->arg = arg;
	c->timer = loop_timer_new(base, conn_step, c);
	c->last = &c->first;
	return c;
}

/* ---- what is asked ---- */

static struct query *query_copy(const struct pgconn_query *from)
{
	struct query *q = mem_alloc(sizeof(*q));

	q->sql = mem_strdup(from->sql);
	q->nparams = from->nparams;
	q->params = mem_alloc((size_t)from->nparams * sizeof(*q->params));
	for (int i = 0; i < from->nparams; i++)
		q->params[i] = from->params[i] ? mem_strdup(from->params[i]) : NULL;
	q->prepare = from->prepare;
	q->row = from->row;
	q->done = from->done;
	q->arg = from->arg;
	return q;
}

static void query_free(struct query *q)
{
	for (int i = 0; i < q->nparams; i++)
		free(q->params[i]);
	free(q->params);
	free(q->sql);
	free(q);
}

static struct query *queue_pop(struct pgconn *c)
{
	struct query *q = c->first;

	c->first = q->next;
	if (!c->first)
		c->last = &c->first;
	return q;
}

static struct query *queue_take(struct pgconn *c)
{
	struct query *all = c->first;

	c->first = NULL;
	c->last = &c->first;
	return all;
}

/* Nobody knows whether they were executed. */
static void queries_lose(struct pgconn *c, struct query *q)
{
	struct query *next;

	for (; q; q = next) {
		next = q->next;
		if (!c->freed && q->done)
			q->done(q->arg, NULL);
		query_free(q);
	}
}

/* ---- prepared statements: of one connection ---- */

static struct prepared *prepared_find(struct pgconn *c, const char *sql)
{
	struct prepared *p = c->prepared;

	while (p && strcmp(p->sql, sql) != 0)
		p = p->next;
	return p;
}

/* Names are never used twice: a statement that is out of date stays on the server,
 * unused. */
static void prepared_name(unsigned number, char out[16])
{
	snprintf(out, 16, "p%u", number);
}

static void prepared_add(struct pgconn *c, const char *sql)
{
	struct prepared *p = mem_alloc(sizeof(*p));

	p->sql = mem_strdup(sql);
	prepared_name(c->nprepared, p->name);
	p->next = c->prepared;
	c->prepared = p;
}

static void prepared_forget(struct pgconn *c, const char *sql)
{
	struct prepared **at = &c->prepared, *p;

	while ((p = *at) != NULL) {
		if (sql && strcmp(p->sql, sql) != 0) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p->sql);
		free(p);
	}
}

/* ---- the end of a connection ---- */

static void addresses_free(struct pgconn *c)
{
	for (int i = 0; c->addresses && i < c->naddresses; i++)
		free(c->addresses[i]);
	free(c->addresses);
	c->addresses = NULL;
	c->naddresses = c->address = 0;
}

static void event_drop(struct event **e)
{
	if (*e)
		event_free(*e);
	*e = NULL;
}

/* The socket is libpq's: the events must be gone before PQfinish() closes it. */
static void conn_hang_up(struct pgconn *c)
{
	event_drop(&c->read);
	event_drop(&c->write);
	loop_timer_stop(c->timer);
	PQclear(c->result);
	c->result = NULL;
	if (c->pg)
		PQfinish(c->pg);
	c->pg = NULL;
	prepared_forget(c, NULL);
	c->nprepared = 0;
	c->running = c->preparing = false;
}

static void conn_reset(struct pgconn *c)
{
	conn_hang_up(c);
	lookup_free(c->lookup);
	c->lookup = NULL;
	addresses_free(c);
	c->state = CONN_CLOSED;
	c->turn++;
}

static void conn_drop(struct pgconn *c, const char *sqlstate, const char *reason)
{
	char state[6], *text = text_one_line(reason);
	unsigned turn;

	snprintf(state, sizeof(state), "%s", sqlstate);
	conn_reset(c);
	turn = c->turn;
	queries_lose(c, queue_take(c));
	if (c->turn == turn) /* else: a callback closed, freed or opened us */
		c->cb.down(c->arg, state, text);
	free(text);
}

/* While up: the reason is of this host, and what the server said last explains it best.
 */
static void conn_lost(struct pgconn *c, const char *message)
{
	struct buf reason;

	buf_init(&reason);
	buf_addf(&reason, "%s: %s", buf_str(&c->label),
		c->farewell.len ? buf_str(&c->farewell) : message);
	conn_drop(c, c->sqlstate, buf_str(&reason));
	buf_clear(&reason);
}

void pgconn_close(struct pgconn *c)
{
	conn_reset(c);
	queries_lose(c, queue_take(c));
}

static void conn_destroy(void *arg)
{
	struct pgconn *c = arg;

	loop_timer_free(c->timer);
	pginfo_clear(&c->info);
	buf_clear(&c->label);
	buf_clear(&c->reasons);
	buf_clear(&c->farewell);
	free(c);
}

void pgconn_free(struct pgconn *c)
{
	if (!c)
		return;
	assert(!c->freed);
	c->freed = true;
	conn_reset(c);
	queries_lose(c, queue_take(c)); /* says nothing any more: freed */
	loop_defer(c->base, conn_destroy, c);
}

void pgconn_fail(struct pgconn *c, const char *reason)
{
	if (c->state == CONN_CLOSED)
		return;
	buf_reset(&c->farewell);
	conn_lost(c, reason);
}

/* ---- connecting: host by host, address by address ---- */

static void conn_soon(struct pgconn *c)
{
	loop_timer_start(c->timer, 0);
}

/* This address, or this whole host, does not do: on to the next. */
static void conn_pass_over(struct pgconn *c, const char *why)
{
	char *text = text_one_line(why);

	if (c->reasons.len)
		buf_adds(&c->reasons, "; ");
	buf_addf(&c->reasons, "%s: %s", buf_str(&c->label), text);
	log_debug(1, "session", "passed over %s: %s", buf_str(&c->label), text);
	free(text);
	conn_hang_up(c);
	lookup_free(c->lookup);
	c->lookup = NULL;
	if (++c->address >= c->naddresses) {
		addresses_free(c);
		c->host++;
	}
	c->state = CONN_STARTING;
	conn_soon(c);
}

static void conn_label(
	struct pgconn *c, const char *host, const char *addr, const char *port)
{
	buf_reset(&c->label);
	pghost_print(host, addr, port, &c->label);
}

static bool result_is_fatal(const PGresult *res)
{
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

	return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

/* The last words of a server that shuts down or ends this session, in or out of a query.
 */
static void conn_farewell(struct pgconn *c, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	snprintf(c->sqlstate, sizeof(c->sqlstate), "%s", state ? state : "");
	buf_reset(&c->farewell);
	buf_adds(&c->farewell, message ? message : "the server ended the session");
}

/* 57P0x: the server or the session ends; after a crash elsewhere that is but a warning.
 */
static void conn_noticed(void *arg, const PGresult *res)
{
	struct pgconn *c = arg;
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	if (result_is_fatal(res) || (state && strncmp(state, "57P0", 4) == 0))
		conn_farewell(c, res);
	else
		log_debug(1, "session", "%s says: %s (%s)", buf_str(&c->label),
			message ? message : "nothing", state ? state : "-----");
}

static void conn_try_address(struct pgconn *c);

static void conn_looked_up(void *arg, char *const *addresses, int n, const char *error)
{
	struct pgconn *c = arg;
	char *why;

	if (n == 0) {
		why = mem_printf("the name cannot be looked up: %s", error);
		conn_pass_over(c, why);
		free(why);
		return;
	}
	lookup_free(c->lookup);
	c->lookup = NULL;
	c->addresses = mem_alloc((size_t)n * sizeof(*c->addresses));
	for (int i = 0; i < n; i++)
		c->addresses[i] = mem_strdup(addresses[i]);
	c->naddresses = n;
	conn_try_address(c);
}

static void conn_try_host(struct pgconn *c)
{
	const struct pghost *h = &c->info.hosts.list[c->host];

	conn_label(c, h->host, h->hostaddr, h->port);
	if (!pghost_is_name(h)) {
		c->naddresses = 1;
		conn_try_address(c);
		return;
	}
	c->state = CONN_LOOKUP;
	loop_timer_start(c->timer, c->info.connect_timeout_ms);
	c->lookup = lookup_new(c->base, h->host, conn_looked_up, c);
}

static void conn_pollable(evutil_socket_t fd, short what, void *arg);

/* libpq may have opened another socket meanwhile (TLS or not): a new event each time. */
static void conn_wait(struct pgconn *c, short what)
{
	event_drop(&c->read);
	c->read = event_new(c->base, PQsocket(c->pg), what, conn_pollable, c);
	assert(c->read);
	event_add(c->read, NULL);
}

static void conn_try_address(struct pgconn *c)
{
	const struct pghost *h = &c->info.hosts.list[c->host];
	struct pginfo_params p;

	pginfo_params(&c->info, h, c->addresses ? c->addresses[c->address] : NULL, &p);
	c->sqlstate[0] = '\0';
	buf_reset(&c->farewell);
	c->pg = PQconnectStartParams(p.keys, p.values, 0);
	if (!c->pg) {
		conn_pass_over(c, "out of memory");
		return;
	}
	PQsetNoticeReceiver(c->pg, conn_noticed, c);
	conn_label(c, PQhost(c->pg), c->addresses ? c->addresses[c->address] : h->hostaddr,
		PQport(c->pg));
	if (PQstatus(c->pg) == CONNECTION_BAD) {
		conn_pass_over(c, PQerrorMessage(c->pg));
		return;
	}
	c->state = CONN_TRYING;
	loop_timer_start(c->timer, c->info.connect_timeout_ms);
	conn_wait(c, EV_WRITE);
}

static void conn_give_up(struct pgconn *c)
{
	char *reason = buf_take(&c->reasons);

	conn_drop(c, c->sqlstate, reason);
	free(reason);
}

/* The timer: it is time for the next address, or this one took too long. */
static void conn_step(void *arg)
{
	struct pgconn *c = arg;
	char why[80];

	snprintf(
		why, sizeof(why), "no answer within %g s", c->info.connect_timeout_ms / 1000.0);
	switch (c->state) {
	case CONN_STARTING:
		if (c->host == c->end)
			conn_give_up(c);
		else if (c->naddresses)
			conn_try_address(c);
		else
			conn_try_host(c);
		break;
	case CONN_LOOKUP:
	case CONN_TRYING:
		conn_pass_over(c, why);
		break;
	case CONN_UP: /* sending failed */
		conn_lost(c, PQerrorMessage(c->pg));
		break;
	case CONN_CLOSED:
		break;
	}
}

static void conn_failed(struct pgconn *c)
{
	char *message = mem_strdup(PQerrorMessage(c->pg));

	if (PQconnectionNeedsPassword(c->pg)) {
		snprintf(c->sqlstate, sizeof(c->sqlstate), "28P01");
		conn_pass_over(c,
			"the server asks for a password and there is none: set passfile "
			"(or password) in the conninfo");
	} else {
		conn_pass_over(c, message);
	}
	free(message);
}

/* ---- up: reading and writing ---- */

static void conn_notifies(struct pgconn *c)
{
	unsigned turn = c->turn;
	PGnotify *n;

	while (c->turn == turn && (n = PQnotifies(c->pg)) != NULL) {
		if (c->cb.notify)
			c->cb.notify(c->arg, n->relname, n->extra, n->be_pid);
		PQfreemem(n);
	}
}

static bool query_must_prepare(struct pgconn *c, const struct query *q)
{
	return q->prepare && !prepared_find(c, q->sql);
}

static bool result_is_error(const PGresult *res)
{
	ExecStatusType s = PQresultStatus(res);

	return s != PGRES_TUPLES_OK && s != PGRES_COMMAND_OK;
}

/* Raised before anything was executed: the schema was migrated under a prepared
 * statement. */
static bool result_is_stale_plan(const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return state && (strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0);
}

/* The server is done with what it was given. True: the same query goes there once more.
 */
static bool query_goes_on(struct pgconn *c, struct query *q, const PGresult *res)
{
	if (c->preparing) {
		c->preparing = false;
		if (result_is_error(res))
			return false;
		prepared_add(c, q->sql);
		return true;
	}
	if (q->prepare && !q->again && result_is_stale_plan(res)) {
		prepared_forget(c, q->sql);
		q->again = true;
		return true;
	}
	return false;
}

static void conn_finish_query(struct pgconn *c)
{
	struct query *q = c->first;
	PGresult *res = c->result;
	unsigned turn = c->turn;

	c->result = NULL;
	c->running = false;
	if (!query_goes_on(c, q, res)) {
		queue_pop(c);
		if (q->done)
			q->done(q->arg, res);
		query_free(q);
	}
	PQclear(res);
	if (c->turn == turn)
		conn_send_next(c);
}

/*
 * An error may follow a result that looked good (at commit: a full NOTIFY queue), so the
 * first error counts, else the last result, once the server is ready again.
 */
static void conn_keep_result(struct pgconn *c, PGresult *res)
{
	if (c->result && result_is_error(c->result)) {
		PQclear(res);
		return;
	}
	PQclear(c->result);
	c->result = res;
}

/* An error without SQLSTATE is libpq's own: the connection is broken. */
static bool result_is_end(const PGresult *res)
{
	return PQresultStatus(res) == PGRES_FATAL_ERROR &&
		   (!PQresultErrorField(res, PG_DIAG_SQLSTATE) || result_is_fatal(res));
}

/* What came before the end still counts. */
static void conn_ended(struct pgconn *c, PGresult *res)
{
	char *message = mem_strdup(PQresultErrorMessage(res));
	unsigned turn = c->turn;

	if (result_is_fatal(res))
		conn_farewell(c, res);
	PQclear(res);
	conn_notifies(c);
	if (c->turn == turn)
		conn_lost(c, message);
	free(message);
}

static void conn_got_result(struct pgconn *c, PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_SINGLE_TUPLE:
		c->first->row(c->first->arg, res);
		PQclear(res);
		break;
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		PQclear(res);
		conn_lost(c, "COPY is not possible on this connection");
		break;
	default:
		if (result_is_end(res))
			conn_ended(c, res);
		else
			conn_keep_result(c, res);
	}
}

/* One result or the end of them. False: nothing more for now, or the connection is gone.
 */
static bool conn_next_result(struct pgconn *c)
{
	unsigned turn = c->turn;
	PGresult *res;

	if (!c->running || PQisBusy(c->pg))
		return false;
	res = PQgetResult(c->pg);
	if (res)
		conn_got_result(c, res);
	else if (c->result)
		conn_finish_query(c);
	else
		conn_lost(c, "the server answered nothing");
	return c->turn == turn;
}

/*
 * Everything that has come, in whatever order libpq has it. Answers first: while the
 * notifications are looked at, the server works on the next query.
 */
static void conn_process(struct pgconn *c)
{
	unsigned turn = c->turn;

	do {
		while (c->turn == turn && conn_next_result(c))
			;
		if (c->turn == turn)
			conn_notifies(c);
	} while (c->turn == turn && conn_next_result(c));
}

static bool fd_is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

/*
 * TLS: a record is up to 16 kB and libpq reads 8 kB or more at a time: the rest sits in
 * the TLS library, where no event tells of it. Two reads with an idle socket empty it.
 */
static bool conn_consume_tls(struct pgconn *c)
{
	for (int idle = 0, reads = 0; idle < 2 && reads < 64; reads++) {
		idle = fd_is_readable(PQsocket(c->pg)) ? 0 : idle + 1;
		if (!PQconsumeInput(c->pg))
			return false;
	}
	return true;
}

static bool conn_consume(struct pgconn *c)
{
	if (!PQconsumeInput(c->pg))
		return false;
	return !PQsslInUse(c->pg) || conn_consume_tls(c);
}

/* A failure is told in the next turn: callers of pgconn_send() are not called back within
 * it. */
static void conn_flush(struct pgconn *c)
{
	int rc = PQflush(c->pg);

	if (rc < 0)
		conn_soon(c);
	else if (rc > 0)
		event_add(c->write, NULL);
	else
		event_del(c->write);
}

static void conn_readable(evutil_socket_t fd, short what, void *arg)
{
	struct pgconn *c = arg;
	unsigned turn = c->turn;

	(void)fd;
	(void)what;
	if (conn_consume(c)) {
		conn_flush(c);
		conn_process(c);
		return;
	}
	if (!c->farewell.len)
		buf_adds(&c->farewell, PQerrorMessage(c->pg));
	conn_process(c);
	if (c->turn == turn)
		conn_lost(c, "the connection ended");
}

static void conn_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_flush(arg);
}

static void conn_up(struct pgconn *c)
{
	unsigned turn = c->turn;
	int fd = PQsocket(c->pg);

	loop_timer_stop(c->timer);
	event_drop(&c->read);
	c->read = event_new(c->base, fd, EV_READ | EV_PERSIST, conn_readable, c);
	c->write = event_new(c->base, fd, EV_WRITE | EV_PERSIST, conn_writable, c);
	assert(c->read && c->write);
	event_add(c->read, NULL);
	c->state = CONN_UP;
	lookup_free(c->lookup);
	c->lookup = NULL;
	buf_clear(&c->reasons);
	c->cb.up(c->arg);
	if (c->turn == turn)
		conn_process(c);
}

/* Servers before 14 do not report these: whoever cares for the version finds that next.
 */
static void conn_check(struct pgconn *c)
{
	const char *standby = PQparameterStatus(c->pg, "in_hot_standby");
	const char *read_only = PQparameterStatus(c->pg, "default_transaction_read_only");

	if (standby && strcmp(standby, "on") == 0)
		conn_pass_over(c, "it is a standby, not a primary");
	else if (read_only && strcmp(read_only, "on") == 0)
		conn_pass_over(c, "it is read-only (default_transaction_read_only is on)");
	else if (PQsetnonblocking(c->pg, 1) != 0)
		conn_pass_over(c, PQerrorMessage(c->pg));
	else
		conn_up(c);
}

static void conn_pollable(evutil_socket_t fd, short what, void *arg)
{
	struct pgconn *c = arg;

	(void)fd;
	(void)what;
	switch (PQconnectPoll(c->pg)) {
	case PGRES_POLLING_READING:
		conn_wait(c, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		conn_wait(c, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		conn_check(c);
		break;
	default:
		conn_failed(c);
	}
}

static int conn_dispatch(struct pgconn *c, const struct query *q)
{
	const char *const *params = (const char *const *)q->params;
	struct prepared *p = q->prepare ? prepared_find(c, q->sql) : NULL;
	char name[16];

	if (query_must_prepare(c, q)) {
		c->preparing = true;
		prepared_name(++c->nprepared, name);
		return PQsendPrepare(c->pg, name, q->sql, q->nparams, NULL);
	}
	if (p)
		return PQsendQueryPrepared(c->pg, p->name, q->nparams, params, NULL, NULL, 0);
	return PQsendQueryParams(c->pg, q->sql, q->nparams, NULL, params, NULL, NULL, 0);
}

static void conn_send_next(struct pgconn *c)
{
	if (c->running || !c->first)
		return;
	c->running = true;
	if (!conn_dispatch(c, c->first)) {
		conn_soon(c);
		return;
	}
	if (c->first->row && !c->preparing)
		PQsetSingleRowMode(c->pg);
	conn_flush(c);
}

/* ---- what others call ---- */

static void conn_open_hosts(struct pgconn *c, int from, int end)
{
	assert(!c->freed && c->state == CONN_CLOSED);
	c->turn++;
	c->state = CONN_STARTING;
	c->host = from;
	c->end = end;
	c->sqlstate[0] = '\0';
	buf_reset(&c->reasons);
	buf_reset(&c->farewell);
	conn_soon(c);
}

void pgconn_open(struct pgconn *c)
{
	conn_open_hosts(c, 0, c->info.hosts.n);
}

void pgconn_open_beside(struct pgconn *c, const struct pgconn *other)
{
	assert(other->state == CONN_UP && other->info.hosts.n == c->info.hosts.n);
	conn_open_hosts(c, other->host, other->host + 1);
	if (!other->addresses)
		return;
	c->addresses = mem_alloc(sizeof(*c->addresses));
	c->addresses[0] = mem_strdup(other->addresses[other->address]);
	c->naddresses = 1;
}

bool pgconn_is_up(const struct pgconn *c)
{
	return c->state == CONN_UP;
}

bool pgconn_is_closed(const struct pgconn *c)
{
	return c->state == CONN_CLOSED;
}

int pgconn_backend_pid(const struct pgconn *c)
{
	return c->pg ? PQbackendPID(c->pg) : 0;
}

const char *pgconn_host(const struct pgconn *c)
{
	return buf_str(&c->label);
}

const char *pgconn_user(const struct pgconn *c)
{
	return c->pg ? PQuser(c->pg) : "";
}

int pgconn_server_version(const struct pgconn *c)
{
	return c->pg ? PQserverVersion(c->pg) : 0;
}

const char *pgconn_parameter(const struct pgconn *c, const char *name)
{
	const char *value = c->pg ? PQparameterStatus(c->pg, name) : NULL;

	return value ? value : "";
}

void pgconn_send(struct pgconn *c, const struct pgconn_query *from)
{
	struct query *q;

	assert(c->state == CONN_UP && !c->freed);
	q = query_copy(from);
	*c->last = q;
	c->last = &q->next;
	conn_send_next(c);
}

void pgconn_listen(struct pgconn *c, const char *channel,
	void (*done)(void *arg, PGresult *res), void *arg)
{
	struct pgconn_query q = {.done = done, .arg = arg};
	char *name, *sql;

	assert(c->state == CONN_UP && !c->freed);
	name = PQescapeIdentifier(c->pg, channel, strlen(channel));
	/* What cannot be quoted (not UTF-8) becomes a name that the server refuses. */
	sql = mem_printf("listen %s", name ? name : "\"\"");
	PQfreemem(name);
	q.sql = sql;
	pgconn_send(c, &q);
	free(sql);
}

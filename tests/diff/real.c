/* The real database for the differential test. */
#include "real.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libpq-fe.h>

#include "mem.h"
#include "pgcall.h"

#define PATIENCE_MS 10000
#define CHANNEL_SQL "select channel from pgdevstate.site where is_here"

struct real {
	char *conninfo;
	PGconn *admin;
	char *channel;
	int marks;
};

struct real_session {
	struct real *real;
	PGconn *conn;
	bool listening;
	struct buf text; /* of the last answer */
};

static void die(const char *what, PGconn *conn)
{
	fprintf(stderr, "diff: %s: %s\n", what, PQerrorMessage(conn));
	exit(2);
}

static PGconn *connect_to(const char *conninfo)
{
	PGconn *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
		die("connect", conn);
	return conn;
}

static char *ask(PGconn *conn, const char *sql)
{
	PGresult *res = PQexec(conn, sql);
	char *answer;

	if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1)
		die(sql, conn);
	answer = mem_strdup(PQgetvalue(res, 0, 0));
	PQclear(res);
	return answer;
}

bool real_exec(struct real *r, const char *sql)
{
	PGresult *res = PQexec(r->admin, sql);
	bool ok =
		PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;

	PQclear(res);
	return ok;
}

char *real_ask(struct real *r, const char *sql)
{
	return ask(r->admin, sql);
}

static void must(struct real *r, const char *sql)
{
	if (!real_exec(r, sql))
		die(sql, r->admin);
}

struct real *real_new(const char *conninfo)
{
	struct real *r = mem_alloc(sizeof(*r));

	r->conninfo = mem_printf("%s user=diff_node", conninfo);
	r->admin = connect_to(conninfo);
	must(r, "set client_min_messages = error; set synchronous_commit = off");
	r->channel = ask(r->admin, CHANNEL_SQL);
	return r;
}

void real_free(struct real *r)
{
	PQfinish(r->admin);
	free(r->conninfo);
	free(r->channel);
	free(r);
}

void real_empty(struct real *r)
{
	must(r, "truncate pgdevstate.entity, pgdevstate.heartbeat, pgdevstate.entity_device, "
			"pgdevstate.entity_mailbox, pgdevstate.change restart identity");
	must(r, "delete from pgdevstate.policy");
	must(r, "update pgdevstate.site set policy_version = 0");
	must(r, "update pgdevstate.site set ticker = false");
	must(r, "delete from pgdevstate.ticker");
	must(r, "insert into pgdevstate.ticker (site) "
			"select site from pgdevstate.site where is_here");
	must(r, "update pgdevstate.setting set value = 0 where name = 'notify_mode'");
	must(r, "delete from pgdevstate.coordinator");
	must(r, "insert into pgdevstate.coordinator (site) "
			"select site from pgdevstate.site where is_here");
}

void real_set_clock(struct real *r, int64_t now_us)
{
	char *sql = mem_printf("update diff.clock set at = "
						   "timestamptz 'epoch' + %lld * interval '1 microsecond'",
		(long long)now_us);

	must(r, sql);
	free(sql);
}

/* ---- sessions ---- */

static void ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

struct real_session *real_open(struct real *r)
{
	struct real_session *s = mem_alloc(sizeof(*s));
	struct buf sql = {0};

	s->real = r;
	s->conn = connect_to(r->conninfo);
	PQsetNoticeReceiver(s->conn, ignore_notice, NULL);
	pgcall_settings(false, &sql);
	free(ask(s->conn, buf_str(&sql)));
	buf_clear(&sql);
	free(ask(s->conn, "select set_config('diff.connected', diff.now()::text, false)"));
	return s;
}

void real_close(struct real_session *s)
{
	char *sql = mem_printf(
		"select count(*) from pg_stat_activity where pid = %d", PQbackendPID(s->conn));
	char *left;

	PQfinish(s->conn);
	for (int ms = 0; left = ask(s->real->admin, sql), strcmp(left, "0") != 0; ms++) {
		if (ms > PATIENCE_MS)
			die("a backend does not end", s->real->admin);
		free(left);
		poll(NULL, 0, 1);
	}
	free(left);
	free(sql);
	buf_clear(&s->text);
	free(s);
}

static bool wait_input(struct real_session *s, int timeout_ms)
{
	struct pollfd p = {.fd = PQsocket(s->conn), .events = POLLIN};

	return p.fd >= 0 && poll(&p, 1, timeout_ms) > 0;
}

bool real_is_open(struct real_session *s, bool expected_to_end)
{
	while (PQstatus(s->conn) == CONNECTION_OK &&
		   wait_input(s, expected_to_end ? PATIENCE_MS : 0) && PQconsumeInput(s->conn))
		;
	return PQstatus(s->conn) == CONNECTION_OK;
}

/* ---- calls ---- */

static void run_listen(struct real_session *s, struct db_result *out)
{
	char *name = PQescapeIdentifier(s->conn, s->real->channel, strlen(s->real->channel));
	char *sql = mem_printf("listen %s", name);
	PGresult *res = PQexec(s->conn, sql);

	pgcall_decode(DB_LISTEN, res, out, &s->text);
	s->listening = out->ok;
	PQclear(res);
	free(sql);
	PQfreemem(name);
}

void real_run(struct real_session *s, const struct db_request *req, struct db_result *out,
	void (*payload)(void *arg, const char *text, size_t len), void *arg)
{
	struct pgcall call;
	PGresult *res;

	if (req->op == DB_LISTEN) {
		run_listen(s, out);
		return;
	}
	pgcall_encode(req, &call);
	res = PQexecParams(s->conn, call.sql, call.nparams, NULL,
		(const char *const *)call.params, NULL, NULL, 0);
	pgcall_clear(&call);
	pgcall_decode(req->op, res, out, &s->text);
	if (req->op == DB_READ_ROWS || req->op == DB_READ_JOURNAL ||
		req->op == DB_READ_HEADS || req->op == DB_READ_POLICIES) {
		for (int i = 0; i < PQntuples(res); i++)
			payload(arg, PQgetvalue(res, i, 0), (size_t)PQgetlength(res, i, 0));
	}
	PQclear(res);
}

/* ---- notifications ---- */

void real_mark(struct real *r)
{
	char *sql = mem_printf(
		"select pg_catalog.pg_notify('%s', 'mark %d')", r->channel, ++r->marks);

	must(r, sql);
	free(sql);
}

void real_notified(struct real_session *s,
	void (*fn)(void *arg, const char *text, size_t len), void *arg)
{
	char mark[32];
	bool marked = !s->listening;
	PGnotify *n;

	snprintf(mark, sizeof(mark), "mark %d", s->real->marks);
	while (!marked) {
		while (!marked && (n = PQnotifies(s->conn)) != NULL) {
			marked = strcmp(n->extra, mark) == 0;
			if (strncmp(n->extra, "mark ", 5) != 0)
				fn(arg, n->extra, strlen(n->extra));
			PQfreemem(n);
		}
		if (!marked && (!wait_input(s, PATIENCE_MS) || !PQconsumeInput(s->conn)))
			die("notifications do not come", s->conn);
	}
}

/*
 * A connection driven by hand: commands on stdin, what happens on stdout.
 * tests/flow/pgconn.t plays it against a real server that restarts, refuses, stays silent
 * and kills sessions.
 *
 *   new CONNINFO | open | close | free | fail REASON | pid
 *   query SQL | prepared SQL | rows SQL | listen CHANNEL | big BYTES
 *   in_done close|free    what the next done() does to its own connection
 */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>

#include "buf.h"
#include "loop.h"
#include "mem.h"
#include "pgconn.h"

static struct {
	struct event_base *base;
	struct pgconn *conn;
	struct buf input;
	char in_done[16];
	long rows;
	size_t bytes;
} t;

static void on_up(void *arg)
{
	(void)arg;
	printf(
		"up %s version=%d\n", pgconn_host(t.conn), pgconn_server_version(t.conn) / 10000);
}

static void on_down(void *arg, const char *sqlstate, const char *reason)
{
	(void)arg;
	printf("down [%s] %s\n", sqlstate, reason);
}

static void on_notify(void *arg, const char *channel, const char *payload, int pid)
{
	(void)arg;
	printf("notify %s %zu %.20s%s\n", channel, strlen(payload), payload,
		pid == pgconn_backend_pid(t.conn) ? " (own)" : "");
}

static void free_conn(void)
{
	pgconn_free(t.conn);
	t.conn = NULL;
}

static void on_row(void *arg, PGresult *res)
{
	(void)arg;
	assert(PQntuples(res) == 1);
	t.rows++;
	t.bytes += (size_t)PQgetlength(res, 0, 0);
	if (strcmp(t.in_done, "row_free") == 0) {
		t.in_done[0] = '\0';
		free_conn();
	}
}

static void on_done(void *arg, PGresult *res)
{
	(void)arg;
	if (!res)
		printf("done lost\n");
	else if (PQresultStatus(res) == PGRES_FATAL_ERROR)
		printf("done error %s\n", PQresultErrorField(res, PG_DIAG_SQLSTATE));
	else if (t.rows)
		printf("done rows=%ld bytes=%zu\n", t.rows, t.bytes);
	else
		printf("done ok %s\n", PQntuples(res) ? PQgetvalue(res, 0, 0) : "-");
	t.rows = 0;
	t.bytes = 0;
	if (strcmp(t.in_done, "close") == 0)
		pgconn_close(t.conn);
	else if (strcmp(t.in_done, "free") == 0)
		free_conn();
	t.in_done[0] = '\0';
}

static void do_new(const char *conninfo)
{
	struct pgconn_callbacks cb = {on_up, on_down, on_notify};
	char *error = NULL;

	t.conn = pgconn_new(t.base, conninfo, "pgconn_real", &cb, NULL, &error);
	printf("%s%s\n", t.conn ? "new" : "refused ", error ? error : "");
	free(error);
}

static void do_query(const char *sql, bool prepare, bool rows)
{
	struct pgconn_query q = {
		.sql = sql, .prepare = prepare, .row = rows ? on_row : NULL, .done = on_done};

	pgconn_send(t.conn, &q);
}

/* A parameter larger than any socket's buffer: it goes out in pieces. */
static void do_big(size_t bytes)
{
	char *large = mem_alloc(bytes + 1);
	const char *params[] = {large};
	struct pgconn_query q = {.sql = "select length($1::text)",
		.nparams = 1,
		.params = params,
		.done = on_done};

	memset(large, 'x', bytes);
	pgconn_send(t.conn, &q);
	free(large);
}

static void do_command(char *line)
{
	char *arg = strchr(line, ' ');

	arg = arg ? (*arg = '\0', arg + 1) : line + strlen(line);
	if (strcmp(line, "new") == 0)
		do_new(arg);
	else if (strcmp(line, "in_done") == 0)
		snprintf(t.in_done, sizeof(t.in_done), "%s", arg);
	else if (strcmp(line, "open") == 0)
		pgconn_open(t.conn);
	else if (strcmp(line, "close") == 0)
		pgconn_close(t.conn);
	else if (strcmp(line, "free") == 0)
		free_conn();
	else if (strcmp(line, "fail") == 0)
		pgconn_fail(t.conn, arg);
	else if (strcmp(line, "pid") == 0)
		printf("pid %d\n", pgconn_backend_pid(t.conn));
	else if (strcmp(line, "listen") == 0)
		pgconn_listen(t.conn, arg, on_done, NULL);
	else if (strcmp(line, "big") == 0)
		do_big(strtoul(arg, NULL, 10));
	else
		do_query(arg, strcmp(line, "prepared") == 0, strcmp(line, "rows") == 0);
}

static void on_stdin(evutil_socket_t fd, short what, void *arg)
{
	char chunk[4096], *end;
	ssize_t n = read(fd, chunk, sizeof(chunk));

	(void)what;
	(void)arg;
	if (n <= 0) {
		loop_stop(t.base);
		return;
	}
	buf_add(&t.input, chunk, (size_t)n);
	while ((end = memchr(buf_str(&t.input), '\n', t.input.len)) != NULL) {
		char *line = mem_strndup(t.input.data, (size_t)(end - t.input.data));
		char *rest = mem_strdup(end + 1);

		buf_reset(&t.input);
		buf_adds(&t.input, rest);
		do_command(line);
		free(line);
		free(rest);
	}
}

int main(void)
{
	struct event *in;

	setvbuf(stdout, NULL, _IOLBF, 0);
	t.base = loop_new();
	in = event_new(t.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, NULL);
	event_add(in, NULL);
	loop_run(t.base);
	event_free(in);
	pgconn_free(t.conn);
	loop_free(t.base);
	buf_clear(&t.input);
	printf("end\n");
	return 0;
}

/*
 * The relay floor: a node that does nothing but its way. It speaks as much of the link as
 * an Asterisk module needs; what that says of a device is one prepared upsert with one
 * NOTIFY, and what another relay notified of is told to the module as it came. No rules,
 * no batches, no journal, no cache, no lease: no node between Asterisk and PostgreSQL is
 * faster than this one. Usage: relay SOCKET CONNINFO HEARS SAYS, the latter two being
 * channels: what is said on one is heard by the relay that has them the other way round.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static PGconn *conn;
static struct {
	int fd; /* -1: nobody is linked */
	char entity[32];
	char in[65536];
	size_t have;
} link_to = {.fd = -1};

static void __attribute__((noreturn)) die(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(1);
}

/* Whatever the format makes, with the end of a line, at once. */
static void __attribute__((format(printf, 1, 2))) tell(const char *format, ...)
{
	char line[4096];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n < 0 || n >= (int)sizeof(line))
		die("relay", "a line is too long");
	line[n++] = '\n';
	if (link_to.fd >= 0 && send(link_to.fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		fprintf(stderr, "bench: relay: %s\n", strerror(errno));
}

static void run(PGresult *r)
{
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		die("relay", PQerrorMessage(conn));
	PQclear(r);
}

/* The line's payload is what the other relay's module is told. */
static void take_notifications(void)
{
	PGnotify *got;

	if (!PQconsumeInput(conn))
		die("relay", PQerrorMessage(conn));
	while ((got = PQnotifies(conn)) != NULL) {
		tell("device\t%s", got->extra);
		PQfreemem(got);
	}
}

/* STATE NAME */
static void got_device(char *line)
{
	const char *params[3] = {line, link_to.entity, strchr(line, '\t')};

	if (!params[2])
		die("the module says", line);
	*strchr(line, '\t') = '\0';
	params[2]++;
	run(PQexecPrepared(conn, "say", 3, params, NULL, NULL, 0));
	take_notifications();
}

static void got_line(char *line)
{
	if (sscanf(line, "hello\t1\t%31[^\t]", link_to.entity) == 1)
		tell("hello\t1\t%s\trelay\t1\nstatus\tready\nbegin\nend", link_to.entity);
	else if (strncmp(line, "device\t", 7) == 0)
		got_device(line + 7);
	else if (strncmp(line, "ping\t", 5) == 0)
		tell("pong\t%s", line + 5);
}

static void lost(void)
{
	close(link_to.fd);
	link_to.fd = -1;
	link_to.have = 0;
}

static void take_lines(void)
{
	ssize_t n = recv(link_to.fd, link_to.in + link_to.have,
		sizeof(link_to.in) - link_to.have, MSG_DONTWAIT);
	char *line = link_to.in, *stop;

	if (n <= 0) { /* gone, or more in a line than there is room for */
		lost();
		return;
	}
	link_to.have += (size_t)n;
	while ((stop = memchr(line, '\n', link_to.have - (size_t)(line - link_to.in)))) {
		*stop = '\0';
		got_line(line);
		line = stop + 1;
	}
	link_to.have -= (size_t)(line - link_to.in);
	memmove(link_to.in, line, link_to.have);
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 1) != 0)
		die(path, strerror(errno));
	return fd;
}

/* Channels are words of the caller's. */
static void prepare(const char *conninfo, const char *hears, const char *says)
{
	char sql[1000];

	conn = PQconnectdb(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		die("relay", PQerrorMessage(conn));
	run(PQexec(conn,
		"set synchronous_commit = off; set client_min_messages = warning; "
		"select pg_advisory_xact_lock(1); create table if not exists bench_relay "
		"(entity text collate \"C\", device text collate \"C\", state text, "
		"primary key (entity, device)) with (fillfactor = 70, "
		"autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)"));
	snprintf(sql, sizeof(sql),
		"with put as (insert into bench_relay (state, entity, device) values ($1, $2, "
		"$3) on conflict (entity, device) do update set state = excluded.state "
		"returning *) select pg_notify('%s', state || e'\\t' || entity || e'\\t' || "
		"device) from put",
		says);
	run(PQprepare(conn, "say", sql, 0, NULL));
	snprintf(sql, sizeof(sql), "listen %s", hears);
	run(PQexec(conn, sql));
}

static void turn(int listener)
{
	bool linked = link_to.fd >= 0;
	struct pollfd p[2] = {
		{PQsocket(conn), POLLIN, 0}, {linked ? link_to.fd : listener, POLLIN, 0}};

	if (poll(p, 2, -1) < 0)
		die("poll", strerror(errno));
	if (p[0].revents)
		take_notifications();
	if (p[1].revents && linked)
		take_lines();
	else if (p[1].revents)
		link_to.fd = accept(listener, NULL, NULL);
}

int main(int argc, char **argv)
{
	int listener;

	if (argc != 5)
		die("usage", "relay SOCKET CONNINFO HEARS SAYS");
	prepare(argv[2], argv[3], argv[4]);
	listener = listen_at(argv[1]);
	while (true)
		turn(listener);
}

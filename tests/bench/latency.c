/*
 * Latency of one change, from node_set() on one node until another node's cache has it,
 * both on real connections in one loop, beside the floor: one prepared upsert with a
 * pg_notify, from libpq to libpq. Prints microseconds and the ratio. Usage: latency
 * CONNINFO [changes]; the database has the schema.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <libpq-fe.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "node.h"
#include "pgport.h"

struct bench_node {
	struct node *node;
	struct pgport *port;
	struct loop_timer *timer;
	bool ready;
};

static struct {
	struct event_base *base;
	struct bench_node a, b;
	int changes, done;
	int64_t sent_us;
	int64_t *took_us;
} bench;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "latency bench: %s: %s\n", what, why);
	exit(1);
}

/* ---- ours ---- */

static void rearm(void *arg)
{
	struct bench_node *n = arg;
	int64_t wait_us = n->node ? node_next_us(n->node) - clock_mono_us() : 0;

	loop_timer_start(n->timer, wait_us > 0 ? wait_us / 1000 + 1 : 0);
}

static void timer(void *arg)
{
	struct bench_node *n = arg;

	node_timer(n->node, clock_mono_us());
	rearm(n);
}

static void say_next(void *arg)
{
	struct value v = {.held = true};

	(void)arg;
	v.state = bench.done % 2 ? STATE_INUSE : STATE_NOT_INUSE;
	bench.sent_us = clock_mono_us();
	node_now(bench.a.node, bench.sent_us);
	node_set(bench.a.node, KEY_DEVICE, "Custom:bench", &v);
}

static void changed(void *arg, enum key_kind kind, const char *key, const struct sum *was,
	const struct sum *now)
{
	(void)kind;
	(void)key;
	(void)was;
	(void)now;
	if (arg != &bench.b || bench.sent_us == 0)
		return;
	bench.took_us[bench.done++] = clock_mono_us() - bench.sent_us;
	if (bench.done == bench.changes)
		loop_stop(bench.base);
	else
		loop_defer(bench.base, say_next, NULL);
}

static void phase(void *arg, enum node_phase p)
{
	struct bench_node *n = arg;

	n->ready = p == NODE_READY;
	if (bench.a.ready && bench.b.ready && bench.sent_us == 0)
		loop_defer(bench.base, say_next, NULL);
}

static void left(void *arg)
{
	(void)arg;
}

static struct db_events events(void *arg)
{
	struct bench_node *n = arg;

	node_now(n->node, clock_mono_us());
	return node_events(n->node);
}

static void on_result(void *arg, const struct db_result *res)
{
	struct db_events e = events(arg);

	e.result(e.arg, res);
}

static void on_payload(void *arg, enum db_op op, const char *text, size_t len)
{
	struct db_events e = events(arg);

	e.payload(e.arg, op, text, len);
}

static void on_notify(void *arg, const char *text, size_t len)
{
	struct db_events e = events(arg);

	e.notify(e.arg, text, len);
}

static void on_lost(void *arg, const char *sqlstate, const char *reason)
{
	(void)arg;
	(void)sqlstate;
	die("the session was lost", reason);
}

static void node_make(
	struct bench_node *n, const char *conninfo, const char *name, int last)
{
	static const struct node_callbacks cb = {changed, phase, rearm, left};
	struct node_config cfg = {
		.self = {.entity = {{2, 0, 0, 0, 0xbe, (uint8_t)last}},
			.name = name,
			.host = "bench",
			.boot_id = "bench",
			.version = "bench",
			.pid = (int)getpid(),
			.lease_ms = 10000},
		.publish = {true, true},
		.subscribe = {true, true},
	};
	struct db_events ev = {on_result, on_payload, on_notify, on_lost, n};
	struct db_port port;
	char *error = NULL;

	n->port = pgport_new(bench.base, conninfo, "bench", &error);
	if (!n->port)
		die("conninfo", error);
	port = pgport_port(n->port);
	pgport_set_events(n->port, &ev);
	n->timer = loop_timer_new(bench.base, timer, n);
	n->node = node_new(&cfg, &port, &cb, n, clock_mono_us());
	node_start(n->node, clock_mono_us());
}

static void node_unmake(struct bench_node *n)
{
	loop_timer_free(n->timer);
	pgport_free(n->port);
	node_free(n->node);
}

static void run_ours(const char *conninfo)
{
	bench.base = loop_new();
	node_make(&bench.a, conninfo, "bench-a", 1);
	node_make(&bench.b, conninfo, "bench-b", 2);
	loop_run(bench.base);
	node_unmake(&bench.a);
	node_unmake(&bench.b);
	loop_free(bench.base);
}

/* ---- the floor ---- */

static PGconn *open_floor(const char *conninfo)
{
	PGconn *c = PQconnectdb(conninfo);

	if (PQstatus(c) != CONNECTION_OK)
		die("connect", PQerrorMessage(c));
	PQclear(PQexec(c, "set synchronous_commit = off; set client_min_messages = warning"));
	return c;
}

static void wait_notify(PGconn *c)
{
	struct pollfd fd = {PQsocket(c), POLLIN, 0};
	PGnotify *got;

	while ((got = PQnotifies(c)) == NULL) {
		if (poll(&fd, 1, 10000) <= 0 || !PQconsumeInput(c))
			die("no notification", PQerrorMessage(c));
	}
	PQfreemem(got);
}

static void run_floor(const char *conninfo)
{
	PGconn *w = open_floor(conninfo), *r = open_floor(conninfo);
	const char *params[1];

	PQclear(
		PQexec(w, "create table if not exists latency_floor (device text primary key, "
				  "state int) with (fillfactor = 50)"));
	PQclear(PQexec(r, "listen latency_floor"));
	PQclear(PQprepare(w, "put",
		"with put as (insert into latency_floor values ('Custom:bench', $1::int) on "
		"conflict (device) do update set state = excluded.state returning state) select "
		"pg_notify('latency_floor', state::text) from put",
		0, NULL));
	for (int i = 0; i < bench.changes; i++) {
		int64_t sent_us = clock_mono_us();

		params[0] = i % 2 ? "1" : "2";
		PQclear(PQexecPrepared(w, "put", 1, params, NULL, NULL, 0));
		wait_notify(r);
		bench.took_us[i] = clock_mono_us() - sent_us;
	}
	PQclear(PQexec(w, "drop table latency_floor"));
	PQfinish(w);
	PQfinish(r);
}

/* ---- figures ---- */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void figures(const char *name, double *p50, double *p99)
{
	qsort(bench.took_us, (size_t)bench.changes, sizeof(int64_t), by_size);
	*p50 = (double)bench.took_us[bench.changes / 2];
	*p99 = (double)bench.took_us[bench.changes * 99 / 100];
	printf("%-34s %8.0f %8.0f\n", name, *p50, *p99);
}

int main(int argc, char **argv)
{
	double ours[2], floor[2];

	if (argc < 2)
		die("usage", "latency CONNINFO [changes]");
	bench.changes = argc > 2 ? atoi(argv[2]) : 5000;
	if (bench.changes < 100)
		die("changes", "at least 100");
	log_open(LOG_TO_FILE, "/dev/null");
	bench.took_us = mem_alloc((size_t)bench.changes * sizeof(int64_t));
	printf("%-34s %8s %8s\n", "one change, us", "p50", "p99");
	run_floor(argv[1]);
	figures("floor: upsert + notify", &floor[0], &floor[1]);
	run_ours(argv[1]);
	figures("pgdevstate: node to node", &ours[0], &ours[1]);
	printf("ratio to the floor: p50 %.2f, p99 %.2f\n", ours[0] / floor[0],
		ours[1] / floor[1]);
	free(bench.took_us);
	log_close();
	return 0;
}

/*
 * The floor: what PostgreSQL and libpq take for the least that does the job, without
 * checks, leases, journal or cache: a prepared upsert that notifies, on one connection,
 * and another one that listens. One row at a time it is a plain upsert; of more, up to
 * 256 a call, an upsert of arrays with one notification. Usage: floor CONNINFO; commands
 * as in path.h.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "path.h"

#define BATCH 256

static PGconn *writer, *reader;
static int in_flight;

static const char one_sql[] =
	"with put as (insert into bench_floor values ($1, $2::int) on conflict (device) do "
	"update set state = excluded.state returning state, device)"
	" select pg_notify('bench_floor', state || ' ' || device || ' ') from put";
static const char many_sql[] =
	"with put as (insert into bench_floor as t select * from unnest($1::text[], "
	"$2::int[]) on conflict (device) do update set state = excluded.state where t.state "
	"<> excluded.state returning device, state)"
	" select pg_notify('bench_floor', string_agg(state || ' ' || device, ' ') || ' ') "
	"from "
	"put";

static PGconn *open_conn(const char *conninfo)
{
	PGconn *c = PQconnectdb(conninfo);

	if (PQstatus(c) != CONNECTION_OK)
		path_die("floor", PQerrorMessage(c));
	return c;
}

static void run(PGconn *c, PGresult *r)
{
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		path_die("floor", PQerrorMessage(c));
	PQclear(r);
}

static int fds(struct pollfd *out)
{
	out[0] = (struct pollfd){PQsocket(reader), POLLIN, 0};
	out[1] = (struct pollfd){PQsocket(writer), POLLIN, 0};
	return 2;
}

static int say(const struct path_item *items, int n)
{
	static char devices[BATCH * 16], states[BATCH * 4];
	const char *params[2] = {devices, states};
	char *d = devices, *s = states;

	if (in_flight)
		return 0;
	if (n == 1) {
		sprintf(devices, "PJSIP/%06d", items[0].device);
		sprintf(states, "%d", items[0].state);
	} else {
		for (int i = 0; i < n; i++) {
			d += sprintf(d, "%cPJSIP/%06d", i ? ',' : '{', items[i].device);
			s += sprintf(s, "%c%d", i ? ',' : '{', items[i].state);
		}
		strcpy(d, "}");
		strcpy(s, "}");
	}
	if (!PQsendQueryPrepared(writer, n == 1 ? "one" : "many", 2, params, NULL, NULL, 0))
		path_die("floor", PQerrorMessage(writer));
	in_flight = 1;
	return n;
}

static void take_result(void)
{
	PGresult *r;

	if (!PQconsumeInput(writer))
		path_die("floor", PQerrorMessage(writer));
	while (in_flight && !PQisBusy(writer)) {
		if ((r = PQgetResult(writer)) == NULL)
			in_flight = 0;
		else
			run(writer, r);
	}
}

static void take_notifications(void)
{
	PGnotify *got;

	if (!PQconsumeInput(reader))
		path_die("floor", PQerrorMessage(reader));
	while ((got = PQnotifies(reader)) != NULL) {
		const char *at = got->extra;
		int state, device, used;

		while (sscanf(at, "%d PJSIP/%d %n", &state, &device, &used) == 2) {
			path_seen(device, state);
			at += used;
		}
		PQfreemem(got);
	}
}

static void turn(const struct pollfd *polled)
{
	if (polled[1].revents)
		take_result();
	if (polled[0].revents)
		take_notifications();
}

int main(int argc, char **argv)
{
	static const struct path path = {fds, say, turn};

	if (argc != 2)
		path_die("usage", "floor CONNINFO");
	writer = open_conn(argv[1]);
	reader = open_conn(argv[1]);
	run(writer,
		PQexec(writer, "set synchronous_commit = off; set client_min_messages = warning; "
					   "drop table if exists bench_floor; create table bench_floor "
					   "(device text collate \"C\" primary key, state int) with "
					   "(fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, "
					   "autovacuum_vacuum_cost_delay = 0)"));
	run(writer, PQprepare(writer, "one", one_sql, 0, NULL));
	run(writer, PQprepare(writer, "many", many_sql, 0, NULL));
	run(reader, PQexec(reader, "listen bench_floor"));
	return path_main(&path);
}

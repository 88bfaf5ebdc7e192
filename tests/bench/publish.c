/*
 * Rows per second of publish() on one connection, at 1, 16, 64 and 256 rows a call,
 * beside the floor: a prepared upsert of the same arrays with one pg_notify, without
 * journal or checks. Usage: publish CONNINFO [seconds]; the database has the schema.
 * Every row changes every time.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEVICES     10000
#define INCARNATION "11111111-2222-3333-4444-555555555555"
#define ENTITY      "02:00:00:00:be:0c"

static const char publish_sql[] =
	"select seq, clock_us, changed from pgdevstate.publish('" ENTITY "', '" INCARNATION
	"', $5, $1, $2, $3, $4, '{}', '{}', '{}', '{}', '{}', '{}', '{}')";
static const char floor_sql[] =
	"with put as (insert into bench_floor as t select * from unnest($1::text[], "
	"$2::int[],"
	" $3::bool[], $4::bigint[]) on conflict (device) do update set state = excluded.state"
	" where t.state <> excluded.state returning device, state)"
	" select pg_notify('bench_floor', string_agg(state || device, '')) from put where $5 "
	"<> ''";

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static PGresult *check(PGconn *c, PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);
	if (s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK)
		return r;
	fprintf(stderr, "publish bench: %s", PQerrorMessage(c));
	exit(1);
}

static void run(PGconn *c, const char *sql)
{
	PQclear(check(c, PQexec(c, sql)));
}

/* The arrays of one call: `rows` devices from `at` on, each with a state it did not have.
 */
static void fill(char *arrays[4], int rows, int at, int round)
{
	char *p[4];
	for (int i = 0; i < 4; i++)
		p[i] = arrays[i];
	for (int n = 0; n < rows; n++) {
		char sep = n ? ',' : '{';
		p[0] += sprintf(p[0], "%cPJSIP/%06d", sep, (at + n) % DEVICES);
		p[1] += sprintf(p[1], "%c%d", sep, 1 + round % 2);
		p[2] += sprintf(p[2], "%cf", sep);
		p[3] += sprintf(p[3], "%c0", sep);
	}
	for (int i = 0; i < 4; i++)
		memcpy(p[i], "}", 2);
}

static double measure(
	PGconn *c, const char *name, int rows, double seconds, const char *session)
{
	char *arrays[4];
	for (int i = 0; i < 4; i++)
		arrays[i] = malloc(64 + (size_t)rows * 16);
	const char *params[5] = {arrays[0], arrays[1], arrays[2], arrays[3], session};
	long calls = 0;
	double begin = now_s(), end = begin + seconds;
	static int at, round;
	while (now_s() < end) {
		fill(arrays, rows, at, round);
		at += rows;
		if (at >= DEVICES) {
			at = 0;
			round++;
		}
		PQclear(check(c, PQexecPrepared(c, name, 5, params, NULL, NULL, 0)));
		calls++;
	}
	double took = now_s() - begin;
	for (int i = 0; i < 4; i++)
		free(arrays[i]);
	return (double)(calls * rows) / took;
}

int main(int argc, char **argv)
{
	PGconn *c = PQconnectdb(argc > 1 ? argv[1] : "");
	double seconds = argc > 2 ? atof(argv[2]) : 3;
	if (PQstatus(c) != CONNECTION_OK) {
		fprintf(stderr, "publish bench: %s", PQerrorMessage(c));
		return 1;
	}
	run(c, "set client_min_messages = warning");
	run(c, "set synchronous_commit = off");
	run(c, "drop table if exists bench_floor");
	run(c, "create table bench_floor (device text collate \"C\" primary key, state int, "
		   "held bool,"
		   " age bigint) with (fillfactor = 70)");
	PGresult *r = check(
		c, PQexec(c, "select session from pgdevstate.register('" ENTITY "', '" INCARNATION
					 "', 'bench', 'bench', 1, 'bench', '1', 3600000)"));
	char *session = strdup(PQgetvalue(r, 0, 0));
	PQclear(r);
	PQclear(check(c, PQprepare(c, "publish", publish_sql, 0, NULL)));
	PQclear(check(c, PQprepare(c, "floor", floor_sql, 0, NULL)));
	measure(c, "publish", 256, 0.5, session);
	measure(c, "floor", 256, 0.5, session);
	printf("%8s %12s %12s %6s\n", "rows", "floor/s", "publish/s", "ratio");
	int sizes[] = {1, 16, 64, 256};
	for (int i = 0; i < 4; i++) {
		double floor = measure(c, "floor", sizes[i], seconds, session);
		double publish = measure(c, "publish", sizes[i], seconds, session);
		printf("%8d %12.0f %12.0f %6.2f\n", sizes[i], floor, publish, publish / floor);
	}
	run(c, "drop table bench_floor");
	r = check(c, PQexec(c, "select pg_sleep(1.2), relname, n_tup_upd, n_tup_hot_upd from "
						   "pg_stat_user_tables"
						   " where schemaname = 'pgdevstate' and n_tup_upd > 0"));
	PQclear(r);
	r = check(c,
		PQexec(c, "select relname, n_tup_upd, round(100.0 * n_tup_hot_upd / n_tup_upd, 1)"
				  " from pg_stat_user_tables where schemaname = 'pgdevstate' and "
				  "n_tup_upd > 0 order by 1"));
	for (int i = 0; i < PQntuples(r); i++)
		printf("%s: %s updates, %s %% HOT\n", PQgetvalue(r, i, 0), PQgetvalue(r, i, 1),
			PQgetvalue(r, i, 2));
	PQclear(r);
	free(session);
	PQfinish(c);
	return 0;
}

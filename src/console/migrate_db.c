/* Layer 3: what `pgdevstate migrate` says to the database; errors are printed where they
 * occur. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/migrate_int.h"
#include "console/sql_text.h"
#include "mem.h"

static void print_field(const char *label, const PGresult *res, int code)
{
	const char *text = PQresultErrorField(res, code);

	if (text)
		fprintf(stderr, "    %s: %s\n", label, text);
}

static void print_advice(const char *sqlstate)
{
	if (strcmp(sqlstate, "42501") == 0)
		fprintf(stderr,
			"    This user may not do that: connect as the database's owner or a\n"
			"    superuser, for example with -U postgres or --conninfo.\n");
}

/* `where` is "FILE:LINE" or what was done. */
static void print_error(const char *where, const PGresult *res)
{
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	if (!message) {
		fprintf(stderr, "%s: %s", where, PQresultErrorMessage(res));
		return;
	}
	fprintf(stderr, "%s: %s (SQLSTATE %s)\n", where, message, sqlstate ? sqlstate : "?");
	print_field("Detail", res, PG_DIAG_MESSAGE_DETAIL);
	print_field("Hint", res, PG_DIAG_MESSAGE_HINT);
	print_field("Context", res, PG_DIAG_CONTEXT);
	print_advice(sqlstate ? sqlstate : "");
}

/* NULL, and a message was printed, when it failed; else the caller clears. */
PGresult *migrate_query(struct migrate *m, const char *what, const char *sql, int nparams,
	const char *const *params)
{
	PGresult *res = PQexecParams(m->conn, sql, nparams, NULL, params, NULL, NULL, 0);
	ExecStatusType st = PQresultStatus(res);

	if (st == PGRES_TUPLES_OK || st == PGRES_COMMAND_OK)
		return res;
	print_error(what, res);
	PQclear(res);
	return NULL;
}

/* Takes several statements at once. */
bool migrate_run(struct migrate *m, const char *what, const char *sql)
{
	PGresult *res = PQexec(m->conn, sql);
	bool ok =
		PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;

	if (!ok)
		print_error(what, res);
	PQclear(res);
	return ok;
}

static void print_file_error(const struct sql_file *f, const PGresult *res, int statement)
{
	const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	int line = position ? sql_text_line_at(f->text, atoi(position))
						: sql_text_statement_line(f->text, statement);
	char *where = mem_printf("%s:%d", f->path, line);

	print_error(where, res);
	free(where);
}

bool migrate_run_file(struct migrate *m, const struct sql_file *f)
{
	PGresult *res;
	int statement = 0;
	bool ok = true;

	if (!PQsendQuery(m->conn, f->text)) {
		fprintf(stderr, "%s: %s", f->path, PQerrorMessage(m->conn));
		return false;
	}
	while ((res = PQgetResult(m->conn)) != NULL) {
		ExecStatusType st = PQresultStatus(res);

		if (ok && st != PGRES_TUPLES_OK && st != PGRES_COMMAND_OK) {
			print_file_error(f, res, statement);
			ok = false;
		}
		statement++;
		PQclear(res);
	}
	return ok;
}

static void on_notice(void *arg, const PGresult *res)
{
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

	(void)arg;
	if (severity && strcmp(severity, "WARNING") == 0)
		fprintf(
			stderr, "warning: %s\n", PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
}

/* A word alone would be taken for a database's name. */
static bool check_conninfo(const char *conninfo)
{
	char *message = NULL;
	PQconninfoOption *parsed = PQconninfoParse(conninfo, &message);

	if (!parsed)
		fprintf(stderr,
			"pgdevstate migrate: the conninfo is wrong: %s"
			"    Write it as for psql, for example: host=db1 dbname=pgdevstate\n",
			message ? message : "out of memory\n");
	PQfreemem(message);
	PQconninfoFree(parsed);
	return parsed != NULL;
}

/* The conninfo's parameters, then the user asked for: the last one counts. */
static PGconn *connect_to(const char *conninfo, const char *user)
{
	const char *keys[] = {
		"fallback_application_name", "dbname", user ? "user" : NULL, NULL};
	const char *values[] = {"pgdevstate migrate", conninfo, user, NULL};

	return PQconnectdbParams(keys, values, 1);
}

bool migrate_connect(struct migrate *m, const char *conninfo)
{
	if (!check_conninfo(conninfo))
		return false;
	m->conn = connect_to(conninfo, m->user);
	if (PQstatus(m->conn) != CONNECTION_OK) {
		fprintf(stderr, "pgdevstate migrate: %s", PQerrorMessage(m->conn));
		fprintf(stderr,
			"    Is PostgreSQL running, and is the conninfo right? Another one can "
			"be given\n    with --conninfo, another user with -U.\n");
		return false;
	}
	PQsetNoticeReceiver(m->conn, on_notice, NULL);
	if (PQserverVersion(m->conn) < 150000) {
		fprintf(stderr,
			"pgdevstate migrate: the server is PostgreSQL %d; 15 or newer is "
			"needed\n",
			PQserverVersion(m->conn) / 10000);
		return false;
	}
	return migrate_run(m, "set up the session",
		"select set_config('client_min_messages', 'warning', false),"
		" set_config('check_function_bodies', 'off', false),"
		" set_config('synchronous_commit', 'on', false),"
		" set_config('statement_timeout', '0', false),"
		" set_config('idle_in_transaction_session_timeout', '0', false)");
}

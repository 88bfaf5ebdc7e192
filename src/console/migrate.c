/*
 * `pgdevstate migrate`. Each migration is one transaction under an advisory lock, so that
 * any number of migrators may run at once; what was applied is in pgdevstate.migration,
 * with checksums. Functions and views are no migrations: all are installed again with the
 * last migration, or by themselves when they differ from what the database has.
 */
#include "console/migrate.h"

#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "clock.h"
#include "console/sql_bundle.h"
#include "console/sql_text.h"
#include "mem.h"
#include "options.h"

#define LOCK_KEY "8099574262236185697" /* any constant: one lock in each database */

struct migrate {
	/* what is asked for */
	const char *file, *conninfo, *user, *role;
	bool status, dry_run;
	/* what is there */
	PGconn *conn;
	int applied;         /* migrations, in the database */
	int carried;         /* migrations, in this program */
	bool objects_differ; /* functions and views */
	struct buf progress; /* lines to print once they are true */
};

static const char usage[] =
	"Usage: pgdevstate migrate [-C FILE | --conninfo CONNINFO] [-U USER] [OPTION]\n"
	"Brings the schema pgdevstate in a database to what this program carries.\n"
	"  -C, --config FILE      take the conninfo of this node's configuration\n"
	"                         (default " PGDEVSTATE_CONF ")\n"
	"      --conninfo TEXT    take this conninfo; the database's owner or a superuser\n"
	"  -U, --user USER        connect as this user instead of the conninfo's\n"
	"      --status           list what is applied and pending; exit status 3: something "
	"is\n"
	"      --dry-run          do it all in one transaction and roll that back\n"
	"      --create-role ROLE afterwards, make a login role for a node\n";

static void sha256_hex(const char *const *texts, char out[SHA256_DIGEST_STRING_LENGTH])
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	for (; *texts; texts++)
		SHA256Update(&ctx, (const uint8_t *)*texts, strlen(*texts) + 1);
	SHA256End(&ctx, out);
}

static void migration_checksum(int version, char out[SHA256_DIGEST_STRING_LENGTH])
{
	const char *texts[] = {sql_migrations[version - 1].text, NULL};

	sha256_hex(texts, out);
}

static void objects_checksum(char out[SHA256_DIGEST_STRING_LENGTH])
{
	const char **texts;
	size_t n = 0, i = 0;

	while (sql_objects[n].path)
		n++;
	texts = mem_alloc((2 * n + 1) * sizeof(*texts));
	for (n = 0; sql_objects[n].path; n++) {
		texts[i++] = sql_objects[n].path;
		texts[i++] = sql_objects[n].text;
	}
	sha256_hex(texts, out);
	free(texts);
}

/* "migrations/0001_initial.sql" -> "0001_initial"; caller frees. */
static char *migration_name(int version)
{
	const char *base = strrchr(sql_migrations[version - 1].path, '/') + 1;

	return mem_strndup(base, strcspn(base, "."));
}

/* --- talking to the database
 * ------------------------------------------------------------- */

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
static PGresult *query(struct migrate *m, const char *what, const char *sql, int nparams,
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
static bool run(struct migrate *m, const char *what, const char *sql)
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

static bool run_file(struct migrate *m, const struct sql_file *f)
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

/* --- connecting
 * -------------------------------------------------------------------------- */

/* The conninfo's parameters, then the user asked for: the last one counts. */
static PGconn *connect_to(const char *conninfo, const char *user)
{
	const char *keys[] = {
		"fallback_application_name", "dbname", user ? "user" : NULL, NULL};
	const char *values[] = {"pgdevstate migrate", conninfo, user, NULL};

	return PQconnectdbParams(keys, values, 1);
}

static bool connect_db(struct migrate *m, const char *conninfo)
{
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
	return run(m, "set up the session",
		"select set_config('client_min_messages', 'warning', false),"
		" set_config('check_function_bodies', 'off', false),"
		" set_config('synchronous_commit', 'on', false),"
		" set_config('statement_timeout', '0', false),"
		" set_config('idle_in_transaction_session_timeout', '0', false)");
}

static bool connect_by_file(struct migrate *m)
{
	struct buf errors;
	struct options *o;
	bool ok;

	buf_init(&errors);
	o = options_read(m->file, &errors);
	if (!o)
		fprintf(stderr, "%s", buf_str(&errors));
	buf_clear(&errors);
	ok = o && connect_db(m, o->conninfo);
	options_free(o);
	return ok;
}

/* --- what was applied
 * -------------------------------------------------------------------- */

static bool check_applied(
	const struct migrate *m, int version, const char *name, const char *checksum)
{
	char ours[SHA256_DIGEST_STRING_LENGTH];

	if (version > m->carried) {
		fprintf(stderr,
			"pgdevstate migrate: the database is newer than this program: it has %s, "
			"this\n"
			"    program (%s) knows %d migrations. Nothing was changed. Upgrade "
			"pgdevstate\n"
			"    on this host.\n",
			name, PGDEVSTATE_VERSION, m->carried);
		return false;
	}
	migration_checksum(version, ours);
	if (strcmp(ours, checksum) == 0)
		return true;
	fprintf(stderr,
		"pgdevstate migrate: %s was applied to this database with other content than\n"
		"    this program carries (sha256 %.12s... there, %.12s... here). Nothing was\n"
		"    changed. Use the program that made this database, or compare the two "
		"files.\n",
		sql_migrations[version - 1].path, checksum, ours);
	return false;
}

static bool take_ledger(struct migrate *m, const PGresult *rows)
{
	for (int i = 0; i < PQntuples(rows); i++) {
		int version = atoi(PQgetvalue(rows, i, 0));

		if (!check_applied(m, version, PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 2)))
			return false;
		if (version != m->applied + 1) {
			fprintf(stderr,
				"pgdevstate migrate: pgdevstate.migration has a row for migration %d but "
				"none "
				"for %d:\n    it was changed by hand\n",
				version, m->applied + 1);
			return false;
		}
		m->applied = version;
	}
	return true;
}

static bool read_objects(struct migrate *m)
{
	char ours[SHA256_DIGEST_STRING_LENGTH];
	PGresult *res = query(m, "read pgdevstate.installed",
		"select functions_checksum from pgdevstate.installed", 0, NULL);

	objects_checksum(ours);
	m->objects_differ =
		!res || PQntuples(res) != 1 || strcmp(ours, PQgetvalue(res, 0, 0)) != 0;
	PQclear(res);
	return res != NULL;
}

/* Fills applied and objects_differ; refuses a database that does not fit. */
static bool read_ledger(struct migrate *m)
{
	static const char what[] = "read pgdevstate.migration";
	PGresult *res = query(m, what, "select to_regclass('pgdevstate.migration')", 0, NULL);
	bool exists = res && !PQgetisnull(res, 0, 0);
	bool ok;

	PQclear(res);
	m->applied = 0;
	m->objects_differ = true;
	if (!exists)
		return res != NULL;
	res = query(m, what,
		"select version, name, checksum from pgdevstate.migration order by version", 0,
		NULL);
	ok = res && take_ledger(m, res) && read_objects(m);
	PQclear(res);
	return ok;
}

static bool write_migration(struct migrate *m, int version, const char *name)
{
	char checksum[SHA256_DIGEST_STRING_LENGTH];
	char *number = mem_printf("%d", version);
	const char *params[] = {number, name, checksum};
	PGresult *res;

	migration_checksum(version, checksum);
	res = query(m, "write pgdevstate.migration",
		"insert into pgdevstate.migration (version, name, checksum) values ($1, $2, $3)",
		3, params);
	free(number);
	PQclear(res);
	return res != NULL;
}

static bool write_objects(struct migrate *m)
{
	char checksum[SHA256_DIGEST_STRING_LENGTH];
	const char *params[] = {checksum};
	PGresult *res;

	objects_checksum(checksum);
	res = query(m, "write pgdevstate.installed",
		"update pgdevstate.installed set functions_checksum = $1, functions_at = "
		"clock_timestamp()",
		1, params);
	PQclear(res);
	return res != NULL;
}

/* --- applying
 * ---------------------------------------------------------------------------- */

static void note_done(struct migrate *m, const char *name, int64_t since_us)
{
	buf_addf(&m->progress, "%s ... %s in %lld ms\n", name,
		m->dry_run ? "would be applied" : "applied",
		(long long)(clock_mono_us() - since_us) / 1000);
}

static bool commit(struct migrate *m)
{
	if (!run(m, "commit", m->dry_run ? "rollback" : "commit"))
		return false;
	fputs(buf_str(&m->progress), stdout);
	fflush(stdout);
	buf_reset(&m->progress);
	return true;
}

static bool apply_migration(struct migrate *m, int version)
{
	int64_t since = clock_mono_us();
	char *name = migration_name(version);
	bool ok =
		run_file(m, &sql_migrations[version - 1]) && write_migration(m, version, name);

	if (ok) {
		m->applied = version;
		m->objects_differ = true; /* they may stand on what was changed */
		note_done(m, name, since);
	}
	free(name);
	return ok;
}

static bool install_objects(struct migrate *m)
{
	int64_t since = clock_mono_us();

	for (const struct sql_file *f = sql_objects; f->path; f++)
		if (!run_file(m, f))
			return false;
	if (!write_objects(m))
		return false;
	m->objects_differ = false;
	note_done(m, "functions and views", since);
	return true;
}

static bool begin_locked(struct migrate *m)
{
	PGresult *res;
	bool got;

	if (!run(m, "begin", "begin"))
		return false;
	res = query(m, "lock", "select pg_try_advisory_xact_lock(" LOCK_KEY ")", 0, NULL);
	got = res && PQgetvalue(res, 0, 0)[0] == 't';
	PQclear(res);
	if (!res)
		return false;
	if (got)
		return true;
	fprintf(stderr, "waiting for another migration of this database to end\n");
	return run(m, "lock", "select pg_advisory_xact_lock(" LOCK_KEY ")");
}

/* One transaction: the next migration, and with the last one the functions and views. */
static bool apply_next(struct migrate *m)
{
	if (m->applied < m->carried && !apply_migration(m, m->applied + 1))
		return false;
	return m->applied < m->carried || !m->objects_differ || install_objects(m);
}

static bool is_pending(const struct migrate *m)
{
	return m->applied < m->carried || m->objects_differ;
}

/* A login role for a node; one that exists becomes a node's. */
static bool create_role(struct migrate *m)
{
	char *name = PQescapeIdentifier(m->conn, m->role, strlen(m->role));
	const char *params[] = {m->role};
	PGresult *res = query(
		m, "look for the role", "select from pg_roles where rolname = $1", 1, params);
	bool exists = res && PQntuples(res) > 0;
	char *sql = exists ? mem_printf("grant pgdevstate_node to %s", name)
					   : mem_printf("create role %s login in role pgdevstate_node", name);
	bool ok = res && run(m, "create the role", sql);

	if (ok)
		buf_addf(&m->progress,
			"role %s ... may log in as a node; it has no password yet\n", m->role);
	PQclear(res);
	PQfreemem(name);
	free(sql);
	return ok;
}

static void note_up_to_date(struct migrate *m)
{
	buf_addf(&m->progress, "up to date: %d migration%s\n", m->applied,
		m->applied == 1 ? "" : "s");
}

static bool migrate_all(struct migrate *m)
{
	bool did = false;

	for (; begin_locked(m) && read_ledger(m); did = true) {
		if (!is_pending(m)) {
			if (!did)
				note_up_to_date(m);
			return (!m->role || create_role(m)) && commit(m);
		}
		if (!apply_next(m) || !commit(m))
			return false;
	}
	return false;
}

static bool migrate_dry(struct migrate *m)
{
	if (!begin_locked(m) || !read_ledger(m))
		return false;
	if (!is_pending(m))
		note_up_to_date(m);
	while (is_pending(m))
		if (!apply_next(m))
			return false;
	return (!m->role || create_role(m)) && commit(m);
}

static int print_status(struct migrate *m)
{
	if (!read_ledger(m))
		return MIGRATE_FAILED;
	for (int version = 1; version <= m->carried; version++) {
		char *name = migration_name(version);

		printf("%s ... %s\n", name, version <= m->applied ? "applied" : "pending");
		free(name);
	}
	printf("functions and views ... %s\n", m->objects_differ ? "pending" : "installed");
	return is_pending(m) ? MIGRATE_PENDING : MIGRATE_DONE;
}

/* --- the command
 * ------------------------------------------------------------------------- */

enum { OPT_CONNINFO = 256, OPT_STATUS, OPT_DRY_RUN, OPT_ROLE, OPT_HELP };
static const struct option long_options[] = {{"config", required_argument, NULL, 'C'},
	{"conninfo", required_argument, NULL, OPT_CONNINFO},
	{"user", required_argument, NULL, 'U'}, {"status", no_argument, NULL, OPT_STATUS},
	{"dry-run", no_argument, NULL, OPT_DRY_RUN},
	{"create-role", required_argument, NULL, OPT_ROLE},
	{"help", no_argument, NULL, OPT_HELP}, {NULL, 0, NULL, 0}};

static bool take_option(struct migrate *m, int opt)
{
	switch (opt) {
	case 'C':
		m->file = optarg;
		break;
	case 'U':
		m->user = optarg;
		break;
	case OPT_CONNINFO:
		m->conninfo = optarg;
		break;
	case OPT_STATUS:
		m->status = true;
		break;
	case OPT_DRY_RUN:
		m->dry_run = true;
		break;
	case OPT_ROLE:
		m->role = optarg;
		break;
	default:
		return false;
	}
	return true;
}

/* -1: go on; else the exit status. */
static int parse_arguments(struct migrate *m, int argc, char **argv)
{
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "C:U:", long_options, NULL)) != -1) {
		if (opt == OPT_HELP) {
			printf("%s", usage);
			return MIGRATE_DONE;
		}
		if (!take_option(m, opt)) {
			fprintf(stderr, "%s", usage);
			return MIGRATE_USAGE;
		}
	}
	if (optind < argc || (m->file && m->conninfo) || (m->status && m->dry_run)) {
		fprintf(stderr, "pgdevstate migrate: %s\n%s",
			optind < argc ? "takes options only" : "these options exclude each other",
			usage);
		return MIGRATE_USAGE;
	}
	return -1;
}

static int migrate_connected(struct migrate *m)
{
	if (m->status)
		return print_status(m);
	if (m->dry_run ? migrate_dry(m) : migrate_all(m))
		return MIGRATE_DONE;
	fprintf(stderr, "pgdevstate migrate: stopped; what is not listed as applied was not "
					"applied\n");
	return MIGRATE_FAILED;
}

int migrate_command(int argc, char **argv)
{
	struct migrate m = {0};
	int status = parse_arguments(&m, argc, argv);
	bool connected;

	if (status >= 0)
		return status;
	while (sql_migrations[m.carried].path)
		m.carried++;
	if (!m.file)
		m.file = PGDEVSTATE_CONF;
	connected = m.conninfo ? connect_db(&m, m.conninfo) : connect_by_file(&m);
	status = connected ? migrate_connected(&m) : MIGRATE_FAILED;
	PQfinish(m.conn);
	buf_clear(&m.progress);
	return status;
}

/*
 * Layer 3: `pgdevstate migrate`. Each migration is one transaction under an advisory
 * lock, so that any number of migrators may run at once. Functions and views are no
 * migrations: all are installed again with the last migration, or by themselves when they
 * differ.
 */
#include "console/migrate.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "console/migrate_int.h"
#include "mem.h"
#include "options.h"

#define LOCK_KEY "8099574262236185697" /* any constant: one lock in each database */

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
	ok = o && migrate_connect(m, o->conninfo);
	options_free(o);
	return ok;
}

static void note_done(struct migrate *m, const char *name, int64_t since_us)
{
	buf_addf(&m->progress, "%s ... %s in %lld ms\n", name,
		m->dry_run ? "would be applied" : "applied",
		(long long)(clock_mono_us() - since_us) / 1000);
}

static bool commit(struct migrate *m)
{
	if (!migrate_run(m, "commit", m->dry_run ? "rollback" : "commit"))
		return false;
	fputs(buf_str(&m->progress), stdout);
	fflush(stdout);
	buf_reset(&m->progress);
	return true;
}

static bool apply_migration(struct migrate *m, int version)
{
	int64_t since = clock_mono_us();
	char *name = ledger_name(version);
	bool ok = migrate_run_file(m, &sql_migrations[version - 1]) &&
			  ledger_write_migration(m, version, name);

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
		if (!migrate_run_file(m, f))
			return false;
	if (!ledger_write_objects(m))
		return false;
	m->objects_differ = false;
	note_done(m, "functions and views", since);
	return true;
}

static bool begin_locked(struct migrate *m)
{
	PGresult *res;
	bool got;

	if (!migrate_run(m, "begin", "begin"))
		return false;
	res = migrate_query(
		m, "lock", "select pg_try_advisory_xact_lock(" LOCK_KEY ")", 0, NULL);
	got = res && PQgetvalue(res, 0, 0)[0] == 't';
	PQclear(res);
	if (!res)
		return false;
	if (got)
		return true;
	fprintf(stderr, "waiting for another migration of this database to end\n");
	return migrate_run(m, "lock", "select pg_advisory_xact_lock(" LOCK_KEY ")");
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
	PGresult *res = migrate_query(
		m, "look for the role", "select from pg_roles where rolname = $1", 1, params);
	bool exists = res && PQntuples(res) > 0;
	char *sql = exists ? mem_printf("grant pgdevstate_node to %s", name)
					   : mem_printf("create role %s login in role pgdevstate_node", name);
	bool ok = res && migrate_run(m, "create the role", sql);

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

	for (; begin_locked(m) && ledger_read(m); did = true) {
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
	if (!begin_locked(m) || !ledger_read(m))
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
	if (!ledger_read(m))
		return MIGRATE_FAILED;
	for (int version = 1; version <= m->carried; version++) {
		char *name = ledger_name(version);

		printf("%s ... %s\n", name, version <= m->applied ? "applied" : "pending");
		free(name);
	}
	printf("functions and views ... %s\n", m->objects_differ ? "pending" : "installed");
	return is_pending(m) ? MIGRATE_PENDING : MIGRATE_DONE;
}

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
	connected = m.conninfo ? migrate_connect(&m, m.conninfo) : connect_by_file(&m);
	status = connected ? migrate_connected(&m) : MIGRATE_FAILED;
	PQfinish(m.conn);
	buf_clear(&m.progress);
	return status;
}

/*
 * Layer 3: what `pgdevstate migrate` keeps: the applied migrations and their checksums in
 * pgdevstate.migration, the checksum of all functions and views in pgdevstate.installed.
 */
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/migrate_int.h"
#include "mem.h"

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
char *ledger_name(int version)
{
	const char *base = strrchr(sql_migrations[version - 1].path, '/') + 1;

	return mem_strndup(base, strcspn(base, "."));
}

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
	PGresult *res = migrate_query(m, "read pgdevstate.installed",
		"select functions_checksum from pgdevstate.installed", 0, NULL);

	objects_checksum(ours);
	m->objects_differ =
		!res || PQntuples(res) != 1 || strcmp(ours, PQgetvalue(res, 0, 0)) != 0;
	PQclear(res);
	return res != NULL;
}

/* Fills applied and objects_differ; refuses a database that does not fit. */
bool ledger_read(struct migrate *m)
{
	static const char what[] = "read pgdevstate.migration";
	PGresult *res =
		migrate_query(m, what, "select to_regclass('pgdevstate.migration')", 0, NULL);
	bool exists = res && !PQgetisnull(res, 0, 0);
	bool ok;

	PQclear(res);
	m->applied = 0;
	m->objects_differ = true;
	if (!exists)
		return res != NULL;
	res = migrate_query(m, what,
		"select version, name, checksum from pgdevstate.migration order by version", 0,
		NULL);
	ok = res && take_ledger(m, res) && read_objects(m);
	PQclear(res);
	return ok;
}

bool ledger_write_migration(struct migrate *m, int version, const char *name)
{
	char checksum[SHA256_DIGEST_STRING_LENGTH];
	char *number = mem_printf("%d", version);
	const char *params[] = {number, name, checksum};
	PGresult *res;

	migration_checksum(version, checksum);
	res = migrate_query(m, "write pgdevstate.migration",
		"insert into pgdevstate.migration (version, name, checksum) values ($1, $2, $3)",
		3, params);
	free(number);
	PQclear(res);
	return res != NULL;
}

bool ledger_write_objects(struct migrate *m)
{
	char checksum[SHA256_DIGEST_STRING_LENGTH];
	const char *params[] = {checksum};
	PGresult *res;

	objects_checksum(checksum);
	res = migrate_query(m, "write pgdevstate.installed",
		"update pgdevstate.installed set functions_checksum = $1, functions_at = "
		"clock_timestamp()",
		1, params);
	PQclear(res);
	return res != NULL;
}

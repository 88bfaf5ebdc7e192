/* Layer 3: what the files of `pgdevstate migrate` share. */
#ifndef MIGRATE_INT_H
#define MIGRATE_INT_H

#include <stdbool.h>
#include <libpq-fe.h>

#include "buf.h"
#include "console/sql_bundle.h"

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

/* migrate_db.c: false or NULL: it failed, and a message was printed. */
bool migrate_connect(struct migrate *m, const char *conninfo);
PGresult *migrate_query(struct migrate *m, const char *what, const char *sql, int nparams,
	const char *const *params); /* caller clears */
bool migrate_run(struct migrate *m, const char *what, const char *sql); /* statements */
bool migrate_run_file(struct migrate *m, const struct sql_file *f);

/* migrate_ledger.c */
char *ledger_name(int version); /* "0001_initial"; caller frees */
/* Fills applied and objects_differ; refuses a database that does not fit this program. */
bool ledger_read(struct migrate *m);
bool ledger_write_migration(struct migrate *m, int version, const char *name);
bool ledger_write_objects(struct migrate *m);

#endif

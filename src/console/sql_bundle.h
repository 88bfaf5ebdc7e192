/* Layer 3: the SQL files that the program carries; build/gen/sql_bundle.c is made by
 * scripts/sql-bundle. */
#ifndef SQL_BUNDLE_H
#define SQL_BUNDLE_H

struct sql_file {
	const char *path; /* "migrations/0001_initial.sql", as in the source tree */
	const char *text;
};

/* Each ends with an entry whose path is NULL. */
extern const struct sql_file sql_migrations[]; /* in order, numbered from 1 */
extern const struct sql_file
	sql_objects[]; /* functions, then views: re-installed each time */

#endif

/*
 * Layer 1: struct db_port on real connections: one session for everything,
 * and one for reading, which lives only as long as it is needed and is always on the same
 * server.
 *
 * A lost session is told once: as the result (`lost`) of the request in flight, else by
 * lost(). A deadline that passes drops the session in the same way. disconnect() drops
 * both sessions; what was asked on them is never answered.
 */
#ifndef PGPORT_H
#define PGPORT_H

#include "db.h"

struct event_base;
struct pgport;

/* NULL: the conninfo cannot be used, *error (caller frees) says why. */
struct pgport *pgport_new(
	struct event_base *base, const char *conninfo, const char *app_name, char **error);
void pgport_free(struct pgport *p); /* legal inside events */
/* Before the first request. */
void pgport_set_events(struct pgport *p, const struct db_events *events);
struct db_port pgport_port(struct pgport *p);

/* Where the session is, "db1:5432 (10.0.0.1)"; "" while there is none. */
const char *pgport_host(const struct pgport *p);
int pgport_backend_pid(const struct pgport *p); /* 0: no session */

#endif

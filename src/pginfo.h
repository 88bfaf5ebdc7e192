/*
 * Layer 0: a conninfo: what it says, what the environment adds, and what this project
 * wants where neither says anything (keepalives: a dead server must be noticed within
 * seconds).
 */
#ifndef PGINFO_H
#define PGINFO_H

#include <stdbool.h>
#include <libpq-fe.h>

#include "pghost.h"

struct pginfo {
	PQconninfoOption *options;
	char *application_name;
	struct pghosts hosts;
	int connect_timeout_ms;
};

/* False: *error (caller frees), which never holds a piece of a password. */
bool pginfo_init(
	struct pginfo *i, const char *conninfo, const char *application_name, char **error);
void pginfo_clear(struct pginfo *i);

#define PGINFO_PARAMS_MAX 64
struct pginfo_params {
	const char *keys[PGINFO_PARAMS_MAX], *values[PGINFO_PARAMS_MAX];
	int n;
};
/* For PQconnectStartParams() to one host at one address (NULL: its own). All borrowed. */
void pginfo_params(const struct pginfo *i, const struct pghost *h, const char *address,
	struct pginfo_params *out);

#endif

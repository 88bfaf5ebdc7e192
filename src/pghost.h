/*
 * Layer 0: the hosts that a conninfo lists. libpq would try them one after the other
 * without a time-out and with look-ups that block, so the lists are split here and each
 * host is tried by itself.
 */
#ifndef PGHOST_H
#define PGHOST_H

#include <stdbool.h>

#include "buf.h"

struct pghost { /* NULL: libpq's default */
	char *host, *hostaddr, *port;
};

struct pghosts {
	struct pghost *list;
	int n;
};

/* The values of host=, hostaddr= and port=, each may be NULL. False: *error (caller
 * frees). */
bool pghosts_parse(const char *host, const char *hostaddr, const char *port,
	struct pghosts *out, char **error);
void pghosts_clear(struct pghosts *h);

/* Neither a socket's directory nor a numeric address: the name must be looked up. */
bool pghost_is_name(const struct pghost *h);
/* "db1:5432", "[::1]:5432", "/run/postgresql/.s.PGSQL.5432"; `address` may be NULL. */
void pghost_print(
	const char *host, const char *address, const char *port, struct buf *out);

#endif

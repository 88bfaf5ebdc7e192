/*
 * Layer 1: the calls of docs/protocol.md: requests as SQL with parameters, PostgreSQL's
 * results as answers. Pure.
 */
#ifndef PGCALL_H
#define PGCALL_H

#include <stdbool.h>
#include <libpq-fe.h>

#include "buf.h"
#include "db.h"

#define PGCALL_PARAMS 16
struct pgcall {
	const char *sql;
	char *params[PGCALL_PARAMS]; /* NULL: null */
	int nparams;
	bool prepare; /* called again and again */
};

/* Not for CONNECT and LISTEN, which are no calls. */
void pgcall_encode(const struct db_request *req, struct pgcall *out);
/* Where announcements go, beside a site's channel: who does not know them does not listen
 * there. */
void pgcall_announce_channel(const char *channel, char out[64]);
void pgcall_clear(struct pgcall *c);

/* What a session sets for itself before anything else: one statement. */
void pgcall_settings(bool reader, struct buf *sql);
const char *pgcall_schema_version(void);

/* An answer; `text` holds what out->message says. `out` is made from nothing. */
void pgcall_decode(
	enum db_op op, const PGresult *res, struct db_result *out, struct buf *text);
/* The answer to pgcall_schema_version(): do node and schema fit? */
void pgcall_decode_schema(
	const PGresult *res, const char *user, struct db_result *out, struct buf *text);
/* Is this a server that we can use at all? */
void pgcall_check_server(
	int version, const char *encoding, struct db_result *out, struct buf *text);

/* One element of an array in text form, quoted; the arrays are {...}. */
void pgcall_add_element(struct buf *array, const char *text, size_t len);

#endif

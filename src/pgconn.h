/*
 * Layer 0: one connection to PostgreSQL on the event loop. All connection-level PQ* calls
 * of the node are in pgconn.c. Nothing here blocks.
 *
 * A conninfo may list hosts: each is tried by itself with its own timer (connect_timeout
 * of the conninfo, default 5 s, 2 s where several are listed) and a server in recovery or
 * read-only is passed over, whatever target_session_attrs says, because LISTEN and every
 * write need a primary. Names are looked up without blocking the loop. connect_timeout=0
 * means the default too: nothing waits for ever. `service=` is refused.
 *
 * A prepared statement whose plan the server calls out of date (the schema was migrated)
 * is prepared and tried once more. A session that the server ends while a query runs
 * counts as lost, not as an answer.
 */
#ifndef PGCONN_H
#define PGCONN_H

#include <stdbool.h>
#include <stdint.h>
#include <libpq-fe.h>

struct event_base;
struct pgconn;

struct pgconn_callbacks {
	/* Connected, writable, ready for queries. */
	void (*up)(void *arg);
	/*
	 * The connection is gone or could not be made; said once for an open(). Queries that
	 * had not finished got done(NULL) before. `sqlstate` is "" when the server did not
	 * say one. `reason` is one line that names the host. Call pgconn_open() again when
	 * you want to.
	 */
	void (*down)(void *arg, const char *sqlstate, const char *reason);
	void (*notify)(void *arg, const char *channel, const char *payload, int backend_pid);
};

/* `conninfo` is copied. Returns NULL and sets *error (caller frees) when it cannot be
 * parsed. */
struct pgconn *pgconn_new(struct event_base *base, const char *conninfo,
	const char *application_name, const struct pgconn_callbacks *cb, void *arg,
	char **error);
/* Legal inside callbacks; no callback comes afterwards. */
void pgconn_free(struct pgconn *c);

void pgconn_open(struct pgconn *c); /* begin with the first host */
/* Only where `other`, of the same conninfo, is up now. */
void pgconn_open_beside(struct pgconn *c, const struct pgconn *other);
void pgconn_close(
	struct pgconn *c); /* quietly: no down(); unfinished queries get done(NULL) */
bool pgconn_is_up(const struct pgconn *c);
bool pgconn_is_closed(const struct pgconn *c); /* neither up nor trying */
int pgconn_backend_pid(const struct pgconn *c);
const char *pgconn_host(
	const struct pgconn *c); /* "host:port" or the socket, for messages */

/* Of the session; only while up (else "" and 0). */
const char *pgconn_user(const struct pgconn *c);
int pgconn_server_version(const struct pgconn *c); /* 150004 */
const char *pgconn_parameter(
	const struct pgconn *c, const char *name); /* "server_encoding" */

/* Tell the connection that it is silent for too long: closes it and calls down(). */
void pgconn_fail(struct pgconn *c, const char *reason);

struct pgconn_query {
	const char *sql;
	int nparams;
	const char *const *params; /* text format; copied */
	bool prepare;              /* prepare once per connection (name made from the text) */
	/* Optional: rows one by one (single-row mode); `res` holds one row and is cleared
	 * after. */
	void (*row)(void *arg, PGresult *res);
	/*
	 * The end: a result with status TUPLES_OK / COMMAND_OK or an error; NULL when the
	 * connection was lost before an answer came (the server may have executed it!).
	 * `res` is cleared by pgconn afterwards.
	 */
	void (*done)(void *arg, PGresult *res);
	void *arg;
};

/* Queued in order, one in flight. Copies everything. Must be up (asserts). */
void pgconn_send(struct pgconn *c, const struct pgconn_query *q);
/* LISTEN, with the channel's name quoted. Queued as pgconn_send(). */
void pgconn_listen(struct pgconn *c, const char *channel,
	void (*done)(void *arg, PGresult *res), void *arg);

#endif

/*
 * The real database for the differential test: the node's own calls (src/pgcall.c), one
 * after the other, on connections that block, with a clock that the test sets
 * (tests/diff/clock.sql). Whatever should not happen here ends the program.
 */
#ifndef REAL_H
#define REAL_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "db.h"

struct real;
struct real_session;

struct real *real_new(const char *conninfo);
void real_free(struct real *r);
void real_empty(struct real *r); /* as it is after `migrate` */
void real_set_clock(struct real *r, int64_t now_us);
/* As administrator. True: it was done. */
bool real_exec(struct real *r, const char *sql);
char *real_ask(struct real *r, const char *sql); /* one value; yours to free */

struct real_session *real_open(struct real *r);
void real_close(struct real_session *s); /* returns when its backend is gone */
/* Did the server end it? `expected`: wait for that a while. */
bool real_is_open(struct real_session *s, bool expected_to_end);

void real_run(struct real_session *s, const struct db_request *req, struct db_result *out,
	void (*payload)(void *arg, const char *text, size_t len), void *arg);

/* What was notified since the last call, in order. Marks first, once for all sessions. */
void real_mark(struct real *r);
void real_notified(struct real_session *s,
	void (*fn)(void *arg, const char *text, size_t len), void *arg);

#endif

/*
 * Layer 3: what a command answers: text for people or one JSON document for programs. A
 * handler calls both kinds of functions; those of the other kind do nothing. Output is
 * handed on in pieces of up to REPLY_PIECE_BYTES.
 */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "buf.h"

#define REPLY_PIECE_BYTES 32768

struct reply {
	bool json;
	struct buf pending;
	json_t *object; /* JSON that is not a list */
	enum { REPLY_NO_LIST, REPLY_LIST_EMPTY, REPLY_LIST_GOING } list;
	void (*write)(void *arg, const char *bytes, size_t len);
	void *arg;
};

void reply_init(struct reply *r, bool json,
	void (*write)(void *arg, const char *bytes, size_t len), void *arg);
void reply_clear(struct reply *r);
void reply_flush(struct reply *r);
void reply_end(struct reply *r); /* closes the JSON document and flushes */

/* Text. Nothing is cut. */
void reply_printf(struct reply *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Either: a line "  LABEL:        VALUE" and a member of the JSON object. */
void reply_field(struct reply *r, const char *label, const char *key, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));
void reply_number(struct reply *r, const char *label, const char *key, int64_t n);
/* In seconds, with what is behind the point where there is something. */
void reply_seconds(struct reply *r, const char *label, const char *key, int64_t ms);

/* JSON; the value is taken over, also where it is text that is wanted. NULL is an error.
 */
void reply_set(struct reply *r, const char *key, json_t *value);
void reply_list(struct reply *r); /* the document is a list, also an empty one */
void reply_item(struct reply *r, json_t *value);

json_t *reply_string(const char *s); /* bytes that are not UTF-8 become U+FFFD */
/* "2026-11-23 10:00:00 UTC", of microseconds since 1970; "never" for 0. */
#define REPLY_TIME_TEXT 32
const char *reply_time(int64_t us, char out[REPLY_TIME_TEXT]);

#endif

/*
 * Stage 2: outbox.
 * In:    own statements (console, dialplan, link), acks and losses (publisher, lease).
 * Out:   batches of what the database does not have for sure; the newest value of a key
 * only. Owns:  all that this node says, each key with the seq that last sent it; the
 * dirty list. Never: I/O, time of its own.
 *
 * The node is the authority on its own state: nothing is forgotten before the database
 * has acknowledged it, and what it acknowledged can be sent again when it loses it.
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "change.h"
#include "db.h"
#include "policy.h"

struct outbox;

struct outbox *outbox_new(void);
void outbox_free(struct outbox *o);

/* False: it said so already. now_us is monotonic, for ages. */
bool outbox_set(struct outbox *o, enum key_kind kind, const char *key,
	const struct value *v, int64_t now_us);
bool outbox_remove(struct outbox *o, enum key_kind kind, const char *key, int64_t now_us);
/* It is said again as it is, at said_us: the database decides by time whether that is
 * news. False: it is not said at all. */
bool outbox_restate(
	struct outbox *o, enum key_kind kind, const char *key, int64_t said_us);
const struct value *outbox_get(
	struct outbox *o, enum key_kind kind, const char *key); /* NULL: says nothing */
/* All that is said now; the callback must not change the outbox. */
void outbox_each(struct outbox *o,
	void (*fn)(void *arg, enum key_kind kind, const char *key, const struct value *v,
		int64_t said_us),
	void *arg);
size_t outbox_count(const struct outbox *o, enum key_kind kind);

/*
 * What the link says of its PBX: rows that are not held. Inside a report (begin to end)
 * what is said is marked as mentioned; the end takes out what belongs to the link and was
 * not. A key that the console holds stays held, whatever its value, until the end of the
 * report that mentions it: a cut report takes nothing away.
 * True: the value is another one now. A first 0/0 of a mailbox is no statement; while it
 * is not known yet whether there is a row, it waits for outbox_compare().
 */
bool outbox_report_set(struct outbox *o, enum key_kind kind, const char *key,
	const struct value *v, int64_t now_us);
/* It is mentioned by the report, and no statement. */
void outbox_report_mention(struct outbox *o, enum key_kind kind, const char *key);
/* What is held is not the link's to remove. */
bool outbox_report_remove(
	struct outbox *o, enum key_kind kind, const char *key, int64_t now_us);
void outbox_report_begin(struct outbox *o);
/* `ended` is called for each key that changes by it; v NULL: it is not said any more. */
void outbox_report_end(struct outbox *o, int64_t now_us,
	void (*ended)(void *arg, enum key_kind kind, const char *key, const struct value *v),
	void *arg);

/* Keys of a kind that is not published are kept here and taken out of the database. */
void outbox_set_published(
	struct outbox *o, enum key_kind kind, bool published, int64_t now_us);

/* From now on these apply, borrowed until others are set. Devices under LOCAL are kept
 * here and taken out of the database. */
void outbox_set_policies(struct outbox *o, const struct policies *p);

/*
 * The next batch: at most `max` keys, all to be forced or none. They are in flight until
 * acked or failed; one batch at a time. Keys are borrowed until the next call.
 */
size_t outbox_take(
	struct outbox *o, struct batch_item *items, size_t max, int64_t now_us, bool *force);
void outbox_acked(struct outbox *o, int64_t seq); /* what changed meanwhile stays dirty */
/*
 * Before outbox_acked(): the database changed fewer rows than were sent. A key that was
 * said twice before it was sent, or sent before without an answer, may have been there as
 * it is, said at another time: it is sent again, with force, so that all know one time.
 */
void outbox_doubt(struct outbox *o);
void outbox_failed(struct outbox *o);  /* back to dirty, in front */
void outbox_refused(struct outbox *o); /* leave these out until they are said anew */

/*
 * What the next batch begins with, to be told ahead of it: devices that have a state,
 * each once. None where more than `max` keys wait. A device whose state goes by time or
 * by place is not among them. Keys are borrowed until the next call.
 */
size_t outbox_announce(
	struct outbox *o, struct batch_item *items, size_t max, int64_t now_us);

/*
 * The database is back at db_seq: everything sent after it is dirty again, with force.
 * False: removals after it were forgotten, so that only comparing all rows can tell.
 */
bool outbox_rewind(struct outbox *o, int64_t db_seq);

/*
 * Compare with the rows that the database has of us, one call a row between begin and
 * end. The first time, a row that is not known here is adopted, but for what a complete
 * report did not mention; what differs is dirty. True: tell the cache what outbox_get()
 * says.
 */
void outbox_compare_begin(struct outbox *o, bool adopt);
bool outbox_compare(struct outbox *o, enum key_kind kind, const char *key,
	const struct value *v, int64_t seq, int64_t now_us);
void outbox_compare_end(struct outbox *o);

/* Does the database have exactly what it should? Only told when nothing is dirty. */
bool outbox_audit(struct outbox *o, int64_t rows, uint64_t digest);

/* Another entity's from now on: what is said is to be said anew, the rest is forgotten.
 */
void outbox_restart(struct outbox *o);

size_t outbox_dirty(const struct outbox *o); /* with those in flight */
int64_t outbox_oldest_us(const struct outbox *o, int64_t now_us); /* age of the oldest */

/* A number that grows with each statement; true when all up to it are acknowledged. */
uint64_t outbox_mark(const struct outbox *o);
bool outbox_is_acked(const struct outbox *o, uint64_t mark);
bool outbox_is_sent(const struct outbox *o, uint64_t mark); /* ... or in flight */

#endif

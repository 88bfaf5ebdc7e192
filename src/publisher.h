/*
 * Stage 3: publisher.
 * In:    the outbox; "you may send"; results of publish().
 * Out:   one publish request at a time, what it said of the session.
 * Owns:  the batch in flight, how large batches may be (bisecting), the pause after
 * trouble; what the database knows of `reporting`. Never: I/O. Never decides about
 * sessions: lease.c does.
 */
#ifndef PUBLISHER_H
#define PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "db.h"
#include "outbox.h"

struct publisher;

enum publish_verdict {
	PUBLISH_DONE,   /* acknowledged */
	PUBLISH_RETRY,  /* failed; will be sent again, perhaps in halves */
	PUBLISH_FENCED, /* the session or the lease is not ours any more: resume */
	PUBLISH_LOST    /* no answer, or the server is read-only: connect anew */
};

struct publisher *publisher_new(struct outbox *o);
void publisher_free(struct publisher *p);

/*
 * Fills a request when something is to be sent (or a beat is due: `beat`). `req` borrows
 * from the publisher until its result comes. False: nothing to do, or paused, or in
 * flight.
 */
bool publisher_request(
	struct publisher *p, bool beat, int64_t now_us, struct db_request *req);
enum publish_verdict publisher_result(
	struct publisher *p, const struct db_result *res, int64_t now_us);
void publisher_reset(
	struct publisher *p); /* the connection is gone: nothing is in flight */

/*
 * Is the PBX's report complete? True goes out with the batch that has the last of what
 * was said up to `mark`; false with the next one.
 */
void publisher_set_reporting(struct publisher *p, bool reporting, uint64_t mark);
/* What the database has; -1: not known, so it is told again, after the rows. */
void publisher_reporting_is(struct publisher *p, int reporting);
bool publisher_reporting_is_acked(const struct publisher *p);

bool publisher_in_flight(const struct publisher *p);
/* The batch in flight; valid until publisher_result(). */
struct batch_item *publisher_items(struct publisher *p, size_t *n);
bool publisher_is_forced(const struct publisher *p);
bool publisher_has_sent(const struct publisher *p);   /* in flight, and not only a beat */
int64_t publisher_next_us(const struct publisher *p); /* end of a pause; 0: none */
int64_t publisher_refused_keys(const struct publisher *p); /* counted since start */
int64_t publisher_rows(const struct publisher *p);         /* acknowledged since start */

#endif

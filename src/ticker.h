/*
 * Stage 5: ticker.
 * In:    time, what tick() and relay() answered.
 * Out:   when to call relay().
 * Owns:  the period, while this node is the coordinator.
 * Never: I/O; nor the choice between the ticker and a notification for each change, which
 * is the database's.
 *
 * After each tick() of the coordinator relay() is due once; it says how soon again, and 0
 * when nothing is left to the ticker.
 */
#ifndef TICKER_H
#define TICKER_H

#include <stdbool.h>
#include <stdint.h>

#include "db.h"

#define RELAY_REST_US  INT64_C(1000)   /* between two, for other requests */
#define RELAY_ERROR_US INT64_C(100000) /* pause after an error */

struct ticker {
	int64_t due_us;   /* 0: not before the next tick */
	int64_t asked_us; /* when relay() was called last */
	int64_t calls;
	int64_t told; /* changes */
};

void ticker_stop(struct ticker *t);                   /* this node does not coordinate */
void ticker_ticked(struct ticker *t, int64_t now_us); /* it does */
void ticker_asked(struct ticker *t, int64_t now_us);
void ticker_relayed(
	struct ticker *t, const struct db_relay *relay, bool failed, int64_t now_us);
int64_t ticker_due_us(const struct ticker *t); /* 0: never */

#endif

/*
 * Stage 5: coordinator.
 * In:    time, pulses heard, results of tick().
 * Out:   when to call tick(), and whether the channel has gone deaf.
 * Owns:  the token of the coordinator's lease (when it is ours), who has it, the last
 * pulse. Never: I/O.
 *
 * One node of the cluster ticks (renews, pulses, reaps, trims). When no pulse was heard
 * for a while, anyone tries; the database gives the token to one.
 */
#ifndef COORDINATOR_H
#define COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "db.h"

#define TICK_US          INT64_C(500000)  /* the coordinator's period */
#define PULSE_SILENCE_US INT64_C(2000000) /* then anyone may try to take over */
#define PULSE_DEAF_US    INT64_C(5000000) /* ticks go on, but we hear none: reconnect */

struct coordinator {
	struct uuid token; /* "": not us */
	bool known;
	struct entity_id id; /* who it is, as last heard */
	int64_t pulse;       /* the newest number heard; -1: none since connected */
	int64_t heard_us;    /* when; 0: none since connected */
	int64_t since_us;    /* of this connection */
	int64_t due_us;      /* of our next tick() */
	int64_t changes;     /* how often it became another one */
};

void coordinator_connected(struct coordinator *c, int64_t now_us); /* tries at once */
void coordinator_disconnected(struct coordinator *c);
void coordinator_pulse(
	struct coordinator *c, const struct entity_id *id, int64_t number, int64_t now_us);
/* False: the channel is deaf. `failed`: tick() did not work. */
bool coordinator_ticked(
	struct coordinator *c, const struct db_tick *tick, bool failed, int64_t now_us);
bool coordinator_is_us(const struct coordinator *c);
int64_t coordinator_due_us(const struct coordinator *c);

#endif

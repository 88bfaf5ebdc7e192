/*
 * Stage 5: coordinator.
 * In:    time, pulses heard, results of tick().
 * Out:   when to call tick(), and whether the channel has gone deaf.
 * Owns:  the token of the coordinator's lease (when it is ours), who has it, the last
 * pulse. Never: I/O.
 */
#include "coordinator.h"

#include <string.h>

void coordinator_connected(struct coordinator *c, int64_t now_us)
{
	c->since_us = now_us;
	c->heard_us = 0;
	c->pulse = -1; /* another server, or one that went back, may count lower */
	c->due_us = now_us;
}

void coordinator_disconnected(struct coordinator *c)
{
	c->token.text[0] = '\0';
	c->heard_us = 0;
}

static void coordinator_is(struct coordinator *c, const struct entity_id *id)
{
	if (c->known && entity_id_equal(&c->id, id))
		return;
	c->changes += c->known;
	c->known = true;
	c->id = *id;
}

void coordinator_pulse(
	struct coordinator *c, const struct entity_id *id, int64_t number, int64_t now_us)
{
	coordinator_is(c, id);
	c->pulse = number;
	c->heard_us = now_us;
	if (!coordinator_is_us(c))
		c->due_us = now_us + PULSE_SILENCE_US;
}

/* Somebody has it, as far as we know: wait for a pulse. When none comes, do not wait that
 * long again: the ticker tells nothing meanwhile. */
static int64_t wait_us(const struct coordinator *c, int64_t now_us)
{
	bool heard = c->heard_us && now_us - c->heard_us < PULSE_SILENCE_US;

	return coordinator_is_us(c) || !heard ? TICK_US : PULSE_SILENCE_US;
}

bool coordinator_ticked(
	struct coordinator *c, const struct db_tick *tick, bool failed, int64_t now_us)
{
	int64_t heard_us = c->heard_us ? c->heard_us : c->since_us;

	if (failed) {
		c->token.text[0] = '\0';
		c->due_us = now_us + TICK_US;
		return true;
	}
	c->token = tick->token;
	if (c->pulse < 0)
		c->pulse = tick->pulse;
	if (tick->has_coordinator)
		coordinator_is(c, &tick->coordinator);
	c->due_us = now_us + wait_us(c, now_us);
	return !(tick->pulse > c->pulse + 2 && now_us - heard_us > PULSE_DEAF_US);
}

bool coordinator_is_us(const struct coordinator *c)
{
	return c->token.text[0] != '\0';
}

int64_t coordinator_due_us(const struct coordinator *c)
{
	return c->due_us;
}

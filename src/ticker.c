/*
 * Stage 5: ticker.
 * In:    time, what tick() and relay() answered.
 * Out:   when to call relay().
 * Owns:  the period, while this node is the coordinator.
 * Never: I/O.
 */
#include "ticker.h"

void ticker_stop(struct ticker *t)
{
	t->due_us = 0;
}

void ticker_ticked(struct ticker *t, int64_t now_us)
{
	if (t->due_us == 0)
		t->due_us = now_us;
}

void ticker_asked(struct ticker *t, int64_t now_us)
{
	t->asked_us = now_us;
	t->due_us = 0;
	t->calls++;
}

/* From call to call, so that what a call takes does not make the period longer. */
void ticker_relayed(
	struct ticker *t, const struct db_relay *relay, bool failed, int64_t now_us)
{
	if (failed) {
		t->due_us = now_us + RELAY_ERROR_US;
		return;
	}
	t->told += relay->sent;
	if (relay->period_ms <= 0)
		return;
	t->due_us = t->asked_us + relay->period_ms * INT64_C(1000);
	if (t->due_us < now_us + RELAY_REST_US)
		t->due_us = now_us + RELAY_REST_US;
}

int64_t ticker_due_us(const struct ticker *t)
{
	return t->due_us;
}

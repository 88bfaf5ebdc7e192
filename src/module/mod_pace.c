/* Layer 1: how fast. Pure. */
#include "mod_pace.h"

#include <string.h>

void pace_init(struct pace *p)
{
	memset(p, 0, sizeof(*p));
}

bool pace_allows(const struct pace *p)
{
	return p->left > 0;
}

void pace_took(struct pace *p)
{
	p->left--;
}

void pace_look(struct pace *p, long longest, bool alert, int64_t now_ms)
{
	if (p->left > 0 || now_ms < p->next_ms)
		return;
	if (alert || longest >= PACE_TASKS_MAX) {
		p->next_ms = now_ms + (longest < 0 ? PACE_BLIND_MS : PACE_WAIT_MS);
		p->waits++;
	} else if (longest < 0) {
		p->left = PACE_BLIND_STEP;
		p->next_ms = now_ms + PACE_BLIND_MS;
	} else {
		p->left = PACE_STEP;
	}
}

void bucket_init(struct bucket *b, double rate, double max)
{
	b->level = max;
	b->at_ms = 0;
	b->rate = rate;
	b->max = max;
}

bool bucket_take(struct bucket *b, int64_t now_ms)
{
	if (b->at_ms > 0 && now_ms > b->at_ms)
		b->level += (double)(now_ms - b->at_ms) * b->rate / 1000;
	if (b->level > b->max)
		b->level = b->max;
	b->at_ms = now_ms;
	if (b->level < 1)
		return false;
	b->level -= 1;
	return true;
}

int64_t retry_next(struct retry *b, bool refused, uint32_t random)
{
	int64_t most = refused ? RETRY_REFUSED_MS : RETRY_MAX_MS;

	b->ms = b->ms == 0 ? RETRY_FIRST_MS : 2 * b->ms;
	if (b->ms > most)
		b->ms = most;
	return b->ms / 2 + (int64_t)(random % (uint32_t)(b->ms / 2 + 1));
}

void retry_reset(struct retry *b)
{
	b->ms = 0;
}

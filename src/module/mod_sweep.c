/* Stage 1, in Asterisk: facts handed on, dumps, purges; and their pace. */
#include "asterisk.h"

#include "asterisk/utils.h"

#include "clock.h"
#include "mod_announce.h"
#include "mod_import.h"
#include "mod_mwi.h"
#include "mod_sweep.h"
#include "mod_tps.h"

static bool sweeping, purging;

void sweep_init(void)
{
	sweeping = purging = false;
}

void sweep_dump_begins(void)
{
	import_round_begin();
	mail_round_begin();
	announce_round_begin();
}

void sweep_dump_ends(void)
{
	import_sweep_begin();
	mail_sweep_begin();
	announce_sweep_begin();
	sweeping = true;
	purging = false;
}

void sweep_purge(void)
{
	sweep_dump_begins();
	sweep_dump_ends();
	purging = true;
}

bool sweep_is_on(void)
{
	return sweeping;
}

bool sweep_step(void)
{
	sweeping = import_sweep(purging) || mail_sweep() || announce_sweep();
	return sweeping;
}

void sweep_fact(const struct mod_options *options, struct line *l)
{
	if (memcmp(l->entity.bytes, ast_eid_default.eid, sizeof(l->entity.bytes)) == 0)
		l->entity = line_at_node(l->entity);
	if (l->word == LINE_MEMBER)
		announce_line(l);
	else if (l->word == LINE_MAILBOX)
		mail_line(options, l);
	else
		import_line(options, l);
}

bool sweep_may(struct pace *p, int64_t now_ms)
{
	if (pace_allows(p))
		return true;
	if (now_ms < p->next_ms)
		return false;
	tps_search(now_ms);
	pace_look(p, tps_longest(), tps_alert(), now_ms);
	return pace_allows(p);
}

void sweep_all(int64_t paced_ms)
{
	int64_t now = clock_mono_us() / 1000, until = now + paced_ms;
	struct pace pace;

	pace_init(&pace);
	while (sweep_is_on()) {
		now = clock_mono_us() / 1000;
		if (now < until && !sweep_may(&pace, now)) {
			usleep(1000);
			continue;
		}
		sweep_step();
		pace_took(&pace);
	}
}

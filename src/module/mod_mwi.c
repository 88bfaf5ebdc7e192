/* Stage 1, in Asterisk: mailboxes. */
#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/mwi.h"
#include "asterisk/stasis.h"
#include "asterisk/utils.h"

#include "clock.h"
#include "mod_export.h"
#include "mod_import.h"
#include "mod_mwi.h"
#include "mod_queue.h"
#include "mod_tables.h"

#define BACK_MS   1000
#define BACK_MAX  100000
#define POLL_PUTS 20 /* a mailbox that had to be put back so often is polled */

/* Names, and when each is due. */
static struct queue later[MOD_EVENTS];
AST_MUTEX_DEFINE_STATIC(later_lock); /* for them */

void mail_init(void)
{
	queue_init(&later[EVENT_DEVICE_STATE], BACK_MAX);
	queue_init(&later[EVENT_MWI], BACK_MAX);
}

void mail_clear(void)
{
	queue_clear(&later[EVENT_DEVICE_STATE]);
	queue_clear(&later[EVENT_MWI]);
}

struct counts mail_counts(const struct ast_mwi_state *state)
{
	struct counts c = {.fresh = (uint32_t)MAX(state->new_msgs, 0),
		.old = (uint32_t)MAX(state->old_msgs, 0)};

#if ASTERISK_MAJOR >= 18
	c.urgent = (uint32_t)MAX(state->urgent_msgs, 0);
#endif
	c.urgent = MIN(c.urgent, LINE_COUNT_MAX);
	c.fresh = MIN(c.fresh, LINE_COUNT_MAX);
	c.old = MIN(c.old, LINE_COUNT_MAX);
	return c;
}

static void publish(const char *id, const struct counts *c, struct ast_eid *eid)
{
#if ASTERISK_MAJOR >= 18
	ast_mwi_publish_by_mailbox(
		id, NULL, (int)c->urgent, (int)c->fresh, (int)c->old, NULL, eid);
#else
	ast_publish_mwi_state_full(id, NULL, (int)c->fresh, (int)c->old, NULL, eid);
#endif
}

/* What Asterisk has; false: nothing. */
static bool shown_now(const char *id, struct counts *counts, struct ast_eid *eid)
{
	struct stasis_message *message =
		stasis_cache_get(ast_mwi_state_cache(), ast_mwi_state_type(), id);
	struct ast_mwi_state *state;

	if (!message)
		return false;
	state = stasis_message_data(message);
	*counts = mail_counts(state);
	*eid = state->eid;
	ao2_ref(message, -1);
	return true;
}

/* The state store keeps a remote writer's counts for ever: deleted as the local one's. */
static void take_away(const char *id)
{
	export_expect_delete(id, true);
	if (ast_delete_mwi_state_full(id, NULL, NULL) != 0)
		export_expect_delete(id, false);
}

/* Nobody has a word about it: what others said goes, what this server may have is not
 * touched. */
static void show_nothing(const char *id)
{
	static const struct counts none;
	struct counts now;
	struct ast_eid eid;

	if (!shown_now(id, &now, &eid) || ast_eid_cmp(&eid, &ast_eid_default) == 0)
		return;
	if (!counts_same(&now, &none))
		publish(id, &none, &eid);
	take_away(id);
}

/* Equal counts are not published: that would be one more NOTIFY to each phone. */
static void show_counts(const char *id, const struct counts *counts, struct ast_eid *eid)
{
	struct counts now;
	struct ast_eid writer;

	if (!shown_now(id, &now, &writer) || !counts_same(&now, counts))
		publish(id, counts, eid);
}

static void show(const char *id)
{
	struct tables *t = tables_lock();
	struct entity_id entity;
	struct counts counts;
	struct ast_eid eid;
	enum box_show what = boxes_show(&t->boxes, id, &counts, &entity);

	tables_unlock();
	if (what == SHOW_NOTHING) {
		show_nothing(id);
	} else if (what == SHOW_OWN) {
		show_counts(id, &counts, &ast_eid_default);
	} else {
		memcpy(eid.eid, entity.bytes, sizeof(eid.eid));
		show_counts(id, &counts, &eid);
	}
}

void mail_learn(void)
{
	struct ao2_container *all =
		stasis_cache_dump(ast_mwi_state_cache(), ast_mwi_state_type());
	struct stasis_message *message;
	struct ao2_iterator i;

	if (!all)
		return;
	i = ao2_iterator_init(all, 0);
	for (; (message = ao2_iterator_next(&i)); ao2_ref(message, -1)) {
		struct ast_mwi_state *state = stasis_message_data(message);
		struct counts counts = mail_counts(state);

		if (ast_eid_cmp(&state->eid, &ast_eid_default) != 0 || !state->uniqueid[0])
			continue;
		boxes_own_set(&tables_lock()->boxes, state->uniqueid, &counts);
		tables_unlock();
	}
	ao2_iterator_destroy(&i);
	ao2_ref(all, -1);
}

/* app_voicemail's pollmailboxes=yes writes its counts again and again. */
static void warn_of_polling(const char *id)
{
	static bool warned;

	if (!warned)
		ast_log(LOG_WARNING,
			"Mailbox '%s' is written again and again with this server's own "
			"counts: is pollmailboxes=yes in voicemail.conf? Say no: between two polls "
			"and "
			"their repair phones see wrong counts\n",
			id);
	warned = true;
}

/* Asterisk shows this server's counts now; is that right? */
static void check_shown(const char *id, bool told)
{
	struct tables *t = tables_lock();
	struct box *box = boxes_find(&t->boxes, id);
	bool foreign = box && box->is_foreign;
	bool often = foreign && !told && ++box->puts == POLL_PUTS;

	tables_unlock();
	if (!foreign)
		return;
	if (often)
		warn_of_polling(id);
	if (told)
		mail_later(EVENT_MWI, id);
	else
		show(id);
}

bool mail_local(
	const struct mod_options *options, const char *id, const struct counts *counts)
{
	struct boxes *b = &tables_lock()->boxes;
	enum box_local local = counts ? boxes_own_set(b, id, counts) : boxes_own_clear(b, id);
	bool told = local == BOX_CHANGED && options_publish(options, EVENT_MWI, id);

	tables_unlock();
	check_shown(id, told);
	return told;
}

void mail_line(const struct mod_options *options, const struct line *l)
{
	struct tables *t = tables_lock();
	bool other = false, wanted = options_subscribe(options, EVENT_MWI, l->id);

	if (wanted)
		other = l->gone ? boxes_unsay(&t->boxes, l->id)
						: boxes_say(&t->boxes, l->id, &l->entity, &l->counts);
	t->imported += other;
	t->filtered += !wanted;
	tables_unlock();
	if (wanted)
		show(l->id);
}

void mail_round_begin(void)
{
	boxes_round_begin(&tables_lock()->boxes);
	tables_unlock();
}

void mail_sweep_begin(void)
{
	boxes_sweep_begin(&tables_lock()->boxes);
	tables_unlock();
}

bool mail_sweep(void)
{
	char id[LINE_BOX_MAX + 1];
	bool any = boxes_sweep(&tables_lock()->boxes, id);

	tables_unlock();
	if (any)
		show(id);
	return any;
}

void mail_later(enum mod_event event, const char *name)
{
	ast_mutex_lock(&later_lock);
	queue_put_due(&later[event], name, clock_mono_us() / 1000 + BACK_MS);
	ast_mutex_unlock(&later_lock);
}

/* The next one that is due, if any. */
static struct queue_entry *take_due(struct queue *q, int64_t now_ms)
{
	struct queue_entry *e;

	ast_mutex_lock(&later_lock);
	e = queue_take_due(q, now_ms);
	ast_mutex_unlock(&later_lock);
	return e;
}

void mail_put_back(bool fresh, int64_t now_ms)
{
	struct queue_entry *e;
	int event;

	for (event = 0; event < MOD_EVENTS; event++) {
		while ((e = take_due(&later[event], now_ms))) {
			if (fresh && event == EVENT_MWI)
				show(e->name);
			else if (fresh)
				import_put_back(e->name);
			queue_entry_free(e);
		}
	}
}

bool mail_is_waiting(void)
{
	bool waiting;

	ast_mutex_lock(&later_lock);
	waiting =
		!queue_is_empty(&later[EVENT_DEVICE_STATE]) || !queue_is_empty(&later[EVENT_MWI]);
	ast_mutex_unlock(&later_lock);
	return waiting;
}

/* Stage 1, in Asterisk: what this server says. */
#include "asterisk.h"

#include "asterisk/devicestate.h"
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
#include "mod_slot.h"
#include "mod_tables.h"

#define QUEUE_MAX 200000 /* names; beyond that everything is said again */
#define GONE_MS   1000   /* a mailbox that is deleted for longer is gone */

/* The lock is for the queues only, and nothing else is called while it is held. */
AST_MUTEX_DEFINE_STATIC(lock);
static struct queue changed[MOD_EVENTS];
/*
 * Mailboxes that were deleted here, and when that is believed: a reload of app_voicemail
 * deletes all and publishes them again, and old counts would become the newest word of
 * the cluster.
 */
static struct queue gone;
static struct queue deletes; /* mailboxes that we delete: not this server's word */
static bool deletes_heard;   /* at unload nobody listens any more */
static void (*changed_here)(enum mod_event event);
static struct stasis_caching_topic *devices_sub;
static struct stasis_subscription *mwi_sub;

/* Behind the link's lock. */
static struct queue due[MOD_EVENTS]; /* of the full report */
static bool reporting;

static void put(enum mod_event event, const char *name, const struct counts *counts)
{
	bool first;

	ast_mutex_lock(&lock);
	first = queue_is_empty(&changed[event]);
	queue_put(&changed[event], name, counts);
	ast_mutex_unlock(&lock);
	if (first)
		changed_here(event);
}

static int64_t now_ms(void)
{
	return clock_mono_us() / 1000;
}

/* counts NULL: deleted. */
static void put_box(const char *id, const struct counts *counts)
{
	if (counts) {
		ast_mutex_lock(&lock);
		queue_drop(&gone, id);
		ast_mutex_unlock(&lock);
		put(EVENT_MWI, id, counts);
		return;
	}
	ast_mutex_lock(&lock);
	if (!queue_put_due(&gone, id, now_ms() + GONE_MS))
		changed[EVENT_MWI].overflow = true;
	ast_mutex_unlock(&lock);
	changed_here(EVENT_MWI);
}

/* What is gone for long enough is a change like others. */
static void believe_gone(void)
{
	struct queue_entry *e;

	ast_mutex_lock(&lock);
	while ((e = queue_take_due(&gone, now_ms()))) {
		queue_put(&changed[EVENT_MWI], e->name, NULL);
		queue_entry_free(e);
	}
	ast_mutex_unlock(&lock);
}

bool export_is_waiting(void)
{
	bool waiting;

	ast_mutex_lock(&lock);
	waiting = !queue_is_empty(&gone);
	ast_mutex_unlock(&lock);
	return waiting;
}

/* A device that was taken, for the link's next turn. */
static void put_again(const char *device)
{
	ast_mutex_lock(&lock);
	queue_put(&changed[EVENT_DEVICE_STATE], device, NULL);
	ast_mutex_unlock(&lock);
}

static struct queue_entry *take(enum mod_event event)
{
	struct queue_entry *e;

	ast_mutex_lock(&lock);
	e = queue_take(&changed[event]);
	ast_mutex_unlock(&lock);
	return e;
}

/*
 * What a cache asks for a message's key; of a "cache clear" it is shown what is cleared.
 * There is no key: nothing is kept.
 */
static const char *heard_device(struct stasis_message *message)
{
	const struct ast_device_state_message *data;

	if (stasis_message_type(message) != ast_device_state_message_type())
		return NULL;
	data = stasis_message_data(message);
	if (data->cachable == AST_DEVSTATE_CACHABLE && data->eid &&
		ast_eid_cmp(data->eid, &ast_eid_default) == 0)
		put(EVENT_DEVICE_STATE, data->device, NULL);
	return NULL;
}

/*
 * A subscription's callback has a thread of its own, and waking that takes as long as all
 * that we do. A cache is called by the thread that publishes: behind Asterisk's own
 * cache, which subscribed when Asterisk started, so that the slot has what is published.
 */
static struct stasis_caching_topic *subscribe_devices(void)
{
	struct stasis_cache *none = stasis_cache_create(heard_device);
	struct stasis_caching_topic *sub =
		none ? stasis_caching_topic_create(ast_device_state_topic_all(), none) : NULL;

	ao2_cleanup(none); /* it has a reference */
	if (!sub)
		return NULL;
	stasis_caching_accept_message_type(sub, ast_device_state_message_type());
	stasis_caching_set_filter(sub, STASIS_SUBSCRIPTION_FILTER_SELECTIVE);
	return sub;
}

/* One clear of this mailbox is ours? */
static bool is_our_delete(const char *id)
{
	struct queue_entry *e;

	ast_mutex_lock(&lock);
	e = (struct queue_entry *)map_find(&deletes.names, id);
	if (e && --e->counts.old == 0) {
		map_remove(&deletes.names, &e->item);
		queue_entry_free(e);
	}
	ast_mutex_unlock(&lock);
	return e;
}

void export_expect_delete(const char *id, bool expected)
{
	struct counts once = {.old = 1};
	struct queue_entry *e;

	if (!expected) {
		is_our_delete(id);
		return;
	}
	ast_mutex_lock(&lock);
	if (!deletes_heard) {
		ast_mutex_unlock(&lock);
		return;
	}
	e = (struct queue_entry *)map_find(&deletes.names, id);
	if (e)
		e->counts.old++;
	else
		queue_put(&deletes, id, &once);
	ast_mutex_unlock(&lock);
}

static void heard_box(
	void *unused, struct stasis_subscription *sub, struct stasis_message *message)
{
	struct stasis_message_type *type = stasis_message_type(message);
	bool deleted = type == stasis_cache_clear_type();
	struct ast_mwi_state *state;
	struct counts counts;

	if (deleted) {
		message = stasis_message_data(message);
		type = stasis_message_type(message);
	}
	if (type != ast_mwi_state_type())
		return;
	state = stasis_message_data(message);
	if (ast_eid_cmp(&state->eid, &ast_eid_default) != 0 || !state->uniqueid[0])
		return;
	if (deleted && is_our_delete(state->uniqueid))
		return;
	counts = mail_counts(state);
	put_box(state->uniqueid, deleted ? NULL : &counts);
}

static struct stasis_subscription *subscribe_boxes(void)
{
	struct stasis_subscription *sub =
		stasis_subscribe(ast_mwi_topic_all(), heard_box, NULL);

	if (!sub)
		return NULL;
	stasis_subscription_accept_message_type(sub, ast_mwi_state_type());
	stasis_subscription_accept_message_type(sub, stasis_cache_clear_type());
	stasis_subscription_set_filter(sub, STASIS_SUBSCRIPTION_FILTER_SELECTIVE);
	return sub;
}

bool export_start(void (*has_changed)(enum mod_event event))
{
	int e;

	for (e = 0; e < MOD_EVENTS; e++) {
		queue_init(&changed[e], QUEUE_MAX);
		queue_init(&due[e], QUEUE_MAX);
	}
	queue_init(&gone, QUEUE_MAX);
	queue_init(&deletes, QUEUE_MAX);
	reporting = false;
	changed_here = has_changed;
	devices_sub = subscribe_devices();
	mwi_sub = subscribe_boxes();
	ast_mutex_lock(&lock);
	deletes_heard = mwi_sub;
	ast_mutex_unlock(&lock);
	return devices_sub && mwi_sub;
}

void export_stop(void)
{
	ast_mutex_lock(&lock);
	deletes_heard = false;
	ast_mutex_unlock(&lock);
	devices_sub = stasis_caching_unsubscribe_and_join(devices_sub);
	mwi_sub = stasis_unsubscribe_and_join(mwi_sub);
}

void export_clear(void)
{
	int e;

	for (e = 0; e < MOD_EVENTS; e++) {
		queue_clear(&changed[e]);
		queue_clear(&due[e]);
	}
	queue_clear(&gone);
	queue_clear(&deletes);
}

/* This server's slots that are filled, and what it said before. False: no memory. */
static bool gather_devices(void)
{
	struct ao2_container *all;
	struct ao2_iterator i;
	struct stasis_message *message;
	struct map_item *item;

	all = stasis_cache_dump_by_eid(
		ast_device_state_cache(), ast_device_state_message_type(), &ast_eid_default);
	if (!all)
		return false;
	i = ao2_iterator_init(all, 0);
	for (; (message = ao2_iterator_next(&i)); ao2_ref(message, -1)) {
		struct ast_device_state_message *data = stasis_message_data(message);

		queue_put(&due[EVENT_DEVICE_STATE], data->device, NULL);
	}
	ao2_iterator_destroy(&i);
	ao2_ref(all, -1);
	for (item = tables_lock()->facts.devices.first; item; item = item->next)
		if (((struct device *)item)->has_own)
			queue_put(&due[EVENT_DEVICE_STATE], item->key, NULL);
	tables_unlock();
	return true;
}

/* The node takes no more than that either. */
static void warn_of_many(void)
{
	if (due[EVENT_DEVICE_STATE].overflow || due[EVENT_MWI].overflow)
		ast_log(LOG_WARNING,
			"There are more than %d devices or mailboxes, or too little memory: not all "
			"are shared; exclude some in res_pgdevstate.conf\n",
			QUEUE_MAX);
}

static void gather_boxes(void)
{
	struct map_item *item;

	mail_learn();
	for (item = tables_lock()->boxes.all.first; item; item = item->next)
		if (((struct box *)item)->has_own)
			queue_put(&due[EVENT_MWI], item->key, NULL);
	tables_unlock();
}

void export_reset(void)
{
	queue_clear(&due[EVENT_DEVICE_STATE]);
	queue_clear(&due[EVENT_MWI]);
	reporting = false;
}

bool export_report(const struct mod_options *options, struct line_out *out)
{
	struct queue all;

	export_reset();
	queue_init(&all, QUEUE_MAX);
	ast_mutex_lock(&lock);
	SWAP(all, changed[EVENT_DEVICE_STATE]); /* all of them are due */
	changed[EVENT_MWI].overflow = false;
	ast_mutex_unlock(&lock);
	queue_clear(&all); /* may be long, and publishers would wait for it */
	if (options->publish[EVENT_DEVICE_STATE] && !gather_devices()) {
		export_reset();
		return false;
	}
	gather_boxes();
	warn_of_many();
	line_out_add(out, "begin");
	reporting = true;
	return true;
}

bool export_reporting(void)
{
	return reporting;
}

static void count(bool legal)
{
	struct tables *t = tables_lock();

	if (legal)
		t->exported++;
	else
		t->illegal++;
	tables_unlock();
}

/* Names that no line can have: said once. */
static bool can_be_said(const char *name, bool legal)
{
	static bool warned;

	if (legal)
		return true;
	count(false);
	if (!warned)
		ast_log(LOG_WARNING,
			"'%s' is not shared, and others like it are not: a name has at most "
			"%d bytes, all UTF-8, no control characters\n",
			name, LINE_NAME_MAX);
	warned = true;
	return false;
}

/* This server's slot is empty, or not shared any more. */
static void say_gone(const char *name, struct line_out *out, bool report)
{
	bool said = mod_facts_own_clear(&tables_lock()->facts, name);

	tables_unlock();
	if (said && !report && line_out_device(out, name, NULL))
		count(true);
}

static void say_own(
	const char *name, enum device_state state, struct line_out *out, bool report)
{
	struct tables *t = tables_lock();
	bool other = mod_facts_own_set(&t->facts, name, state);
	struct device *d = mod_facts_find(&t->facts, name);
	bool back = d && d->adopted;

	tables_unlock();
	if (back && report) {
		/* pressed while the link was down: a report repeats words, after it it counts */
		if (line_out_device(out, name, &state))
			count(true);
		put_again(name);
		return;
	}
	if (back)
		import_own_again(name);
	if (back) /* to be put back, or the store to be looked at */
		mail_later(EVENT_DEVICE_STATE, name);
	if ((other || report || back) && line_out_device(out, name, &state))
		count(true);
}

/*
 * The slot has somebody else's word: a full report has this server's last one; unless the
 * node's console put that aside: it would be said anew.
 */
static void say_remembered(const char *name, struct line_out *out, bool report)
{
	struct device *d = mod_facts_find(&tables_lock()->facts, name);
	bool aside = d && d->is_merged && slot_is_ours(&d->merged.entity);
	bool known = d && d->has_own && !aside;
	enum device_state own = known ? d->own : STATE_UNKNOWN;

	tables_unlock();
	if (known && report && line_out_device(out, name, &own))
		count(true);
}

static void say_device(const struct mod_options *options, const char *name,
	struct line_out *out, bool report)
{
	enum device_state state;
	enum slot_owner owner;

	if (!can_be_said(name, line_name_ok(name, strlen(name))))
		return;
	owner = slot_read(name, &state);
	if (!options_publish(options, EVENT_DEVICE_STATE, name))
		owner = SLOT_EMPTY;
	if (owner == SLOT_OWN)
		say_own(name, state, out, report);
	else if (owner == SLOT_ADOPTED)
		say_remembered(name, out, report);
	else
		say_gone(name, out, report);
}

static void say_box(
	const struct mod_options *options, const char *id, struct line_out *out)
{
	struct box *box = boxes_find(&tables_lock()->boxes, id);
	bool own = box && box->has_own;
	struct counts counts = {0};

	if (own)
		counts = box->own;
	tables_unlock();
	if (!options_publish(options, EVENT_MWI, id) || !can_be_said(id, line_box_ok(id)))
		return;
	if (line_out_box(out, id, own ? &counts : NULL))
		count(true);
}

static void pump_report(const struct mod_options *options, struct line_out *out)
{
	struct queue_entry *e;

	while (line_out_room(out) && (e = queue_take(&due[EVENT_DEVICE_STATE]))) {
		say_device(options, e->name, out, true);
		queue_entry_free(e);
	}
	while (line_out_room(out) && (e = queue_take(&due[EVENT_MWI]))) {
		say_box(options, e->name, out);
		queue_entry_free(e);
	}
	if (!queue_is_empty(&due[EVENT_DEVICE_STATE]) || !queue_is_empty(&due[EVENT_MWI]))
		return;
	reporting = !line_out_add(out, "end");
}

static bool has_overflown(void)
{
	bool over;

	ast_mutex_lock(&lock);
	over = changed[EVENT_DEVICE_STATE].overflow || changed[EVENT_MWI].overflow;
	ast_mutex_unlock(&lock);
	return over;
}

/* It goes back: this one is for the link's thread. */
static bool is_for_later(struct queue_entry *e)
{
	struct device *d = mod_facts_find(&tables_lock()->facts, e->name);
	bool later = d && d->adopted;

	tables_unlock();
	if (later)
		put_again(e->name);
	return later;
}

bool export_devices(const struct mod_options *options, struct line_out *out)
{
	struct queue_entry *e;
	bool later = reporting || has_overflown();

	if (later || !tables_try_lock())
		return false;
	while (!later && line_out_room(out) && (e = take(EVENT_DEVICE_STATE))) {
		later = is_for_later(e);
		if (!later)
			say_device(options, e->name, out, false);
		queue_entry_free(e);
	}
	tables_unlock();
	return !later && line_out_room(out);
}

bool export_pump(const struct mod_options *options, struct line_out *out)
{
	struct queue_entry *e;

	believe_gone();
	if (has_overflown())
		return false;
	if (reporting)
		pump_report(options, out);
	while (!reporting && line_out_room(out) && (e = take(EVENT_DEVICE_STATE))) {
		say_device(options, e->name, out, false);
		queue_entry_free(e);
	}
	while (!reporting && line_out_room(out) && (e = take(EVENT_MWI))) {
		if (mail_local(options, e->name, e->gone ? NULL : &e->counts))
			say_box(options, e->name, out);
		queue_entry_free(e);
	}
	return true;
}

/* Devices wait in the queue; mailboxes are noted, for what is imported must be put back.
 */
void export_idle(const struct mod_options *options)
{
	struct queue_entry *e;

	believe_gone();
	while ((e = take(EVENT_MWI))) {
		mail_local(options, e->name, e->gone ? NULL : &e->counts);
		queue_entry_free(e);
	}
}

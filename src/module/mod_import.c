/*
 * Stage 1, in Asterisk: what others say of devices, brought into Asterisk's cache.
 *
 * Under policy `latest` the node sends one merged value. It goes into this server's own
 * slot, marked with its writer's id; for Custom: also into func_devstate's store, so that
 * this server's next press turns it round. What is adopted like that is kept in
 * Asterisk's database, too: after a restart func_devstate would pass it off as this
 * server's word.
 */
#include "asterisk.h"

#include "asterisk/astdb.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"

#include "mod_import.h"
#include "mod_mwi.h"
#include "mod_slot.h"
#include "mod_tables.h"

#define STORE        "CustomDevstate" /* func_devstate's family in Asterisk's database */
#define OUR_STORE    "pgdevstate"
#define CUSTOM       "Custom:"
#define CUSTOM_MAX   79 /* func_devstate cuts longer names */
#define REFUSED_WARN 10000

/* Counted in the statistics; said once in a while. */
static void refuse(const char *name, unsigned long times)
{
	if (times % REFUSED_WARN == 1)
		ast_log(LOG_WARNING,
			"Too many devices of other servers: '%s' is not imported, like "
			"%lu before it; raise import_max in res_pgdevstate.conf, or filter\n",
			name, times - 1);
}

/*
 * A name that func_devstate's store can keep: with a slash it would come back as another
 * device after a restart.
 */
static bool is_stored(const char *device)
{
	return strncasecmp(device, CUSTOM, strlen(CUSTOM)) == 0 && device[strlen(CUSTOM)] &&
		   !strchr(device, '/') && strlen(device) <= CUSTOM_MAX;
}

/* What we adopted, from whom, and what this server had said itself. */
static void note_adopted(const char *device, const struct entity_id *entity,
	enum device_state state, const enum device_state *own)
{
	char text[80], id[ENTITY_ID_TEXT];

	snprintf(text, sizeof(text), "%s %s %s", state_name(state),
		entity_id_print(entity, id), own ? state_name(*own) : "-");
	ast_db_put(OUR_STORE, device, text);
}

/*
 * A press writes func_devstate's store, then the slot, and we both at the same time: the
 * store may be left with what the slot has not.
 */
static void check_later(const char *device)
{
	if (is_stored(device))
		mail_later(EVENT_DEVICE_STATE, device);
}

static void check_store(const char *device)
{
	enum device_state state, kept;
	char text[40];

	if (!is_stored(device) || slot_read(device, &state) == SLOT_EMPTY ||
		ast_db_get(STORE, device + strlen(CUSTOM), text, sizeof(text)) != 0)
		return;
	if (!state_parse(text, &kept) || kept != state)
		ast_db_put(STORE, device + strlen(CUSTOM), state_name(state));
}

static void adopt(const char *device, const struct entity_id *entity,
	enum device_state state, const enum device_state *own)
{
	if (is_stored(device)) {
		/* in this order: a kill may leave the first alone, which is then a press before
		 * it */
		note_adopted(device, entity, state, own);
		ast_db_put(STORE, device + strlen(CUSTOM), state_name(state));
	}
	slot_adopt(device, entity, state);
	check_later(device);
}

/* The merged value is gone: this server's own word again. */
static void unadopt(const char *device, const enum device_state *own)
{
	enum device_state state, now;

	if (is_stored(device))
		ast_db_del(OUR_STORE, device);
	if (slot_read(device, &state) != SLOT_ADOPTED)
		return; /* a press or the driver took the slot back */
	if (is_stored(device)) {
		if (own)
			ast_db_put(STORE, device + strlen(CUSTOM), state_name(*own));
		else
			ast_db_del(STORE, device + strlen(CUSTOM));
		slot_restore(device, own);
		check_later(device);
		return;
	}
	slot_restore(device, NULL);
	now = (enum device_state)ast_device_state(device);
	if (own && fact_counts(now))
		slot_restore(device, &now); /* the driver knows better than we remember */
}

/* This server's own last word, if any. */
static const enum device_state *own_word(
	struct tables *t, const char *name, enum device_state *out)
{
	struct device *d = mod_facts_find(&t->facts, name);

	if (!d || !d->has_own)
		return NULL;
	*out = d->own;
	return out;
}

static void take_merged(const struct line *l)
{
	struct tables *t = tables_lock();
	enum device_state buf;
	const enum device_state *own = own_word(t, l->name, &buf);
	struct fact_change c;
	unsigned long refused;

	if (l->gone)
		c = mod_facts_unmerge(&t->facts, l->name);
	else
		c = mod_facts_merge(&t->facts, l->name, &l->entity, l->state);
	if (c.changed)
		mod_facts_adopt(&t->facts, l->name, !l->gone);
	t->imported += c.changed;
	refused = t->facts.refused;
	tables_unlock();
	if (c.refused)
		refuse(l->name, refused);
	else if (c.changed && l->gone)
		unadopt(l->name, own);
	else if (c.changed)
		adopt(l->name, &l->entity, l->state, own);
}

static void take_device(const struct line *l)
{
	struct tables *t = tables_lock();
	struct fact_change c;
	unsigned long refused;

	if (l->gone)
		c = mod_facts_unsay(&t->facts, l->name, &l->entity);
	else
		c = mod_facts_say(&t->facts, l->name, &l->entity, l->state);
	t->imported += c.changed;
	refused = t->facts.refused;
	tables_unlock();
	if (c.refused)
		refuse(l->name, refused);
	else if (c.changed && c.after)
		slot_fill(l->name, &l->entity, l->state);
	else if (c.changed && c.before)
		slot_empty(l->name, &l->entity);
}

void import_put_back(const char *name)
{
	struct tables *t = tables_lock();
	struct device *d = mod_facts_find(&t->facts, name);
	enum device_state state, merged = STATE_UNKNOWN, buf;
	const enum device_state *own = own_word(t, name, &buf);
	struct entity_id entity;
	bool due = d && d->is_merged && !d->adopted;

	if (due) {
		merged = d->merged.state;
		entity = d->merged.entity;
		d->adopted = true;
	}
	tables_unlock();
	if (due && slot_read(name, &state) == SLOT_OWN && state != merged)
		adopt(name, &entity, merged, own);
	else
		check_store(name);
}

void import_line(const struct mod_options *options, const struct line *l)
{
	if (!options_subscribe(options, EVENT_DEVICE_STATE, l->name)) {
		tables_lock()->filtered++;
		tables_unlock();
		return;
	}
	if (l->word == LINE_MERGED)
		take_merged(l);
	else
		take_device(l);
}

void import_own_again(const char *device)
{
	mod_facts_adopt(&tables_lock()->facts, device, false);
	tables_unlock();
	if (is_stored(device))
		ast_db_del(OUR_STORE, device);
}

/* "STATE ENTITY OWN" of our store. */
static bool parse_note(char *text, enum device_state *state, struct entity_id *entity,
	enum device_state *own, bool *has_own)
{
	char *word = strsep(&text, " "), *id = strsep(&text, " ");

	if (!id || !text || !state_parse(word, state) || !entity_id_parse(id, entity))
		return false;
	*has_own = state_parse(text, own);
	return true;
}

/* Calls `each` for the notes of our store; those that nobody can read are deleted. */
static void each_note(void (*each)(const char *device, const struct entity_id *entity,
	enum device_state state, const enum device_state *own))
{
	struct ast_db_entry *all = ast_db_gettree(OUR_STORE, NULL), *e;
	size_t prefix = strlen("/" OUR_STORE "/");
	enum device_state state, own;
	struct entity_id entity;
	char text[80];
	bool has_own;

	for (e = all; e; e = e->next) {
		ast_copy_string(text, e->data, sizeof(text));
		if (strlen(e->key) <= prefix)
			continue;
		if (is_stored(e->key + prefix) &&
			parse_note(text, &state, &entity, &own, &has_own))
			each(e->key + prefix, &entity, state, has_own ? &own : NULL);
		else
			ast_db_del(OUR_STORE, e->key + prefix);
	}
	ast_db_freetree(all);
}

static void recall(const char *device, const struct entity_id *entity,
	enum device_state state, const enum device_state *own)
{
	struct tables *t = tables_lock();

	mod_facts_merge(&t->facts, device, entity, state);
	mod_facts_adopt(&t->facts, device, true);
	if (own)
		mod_facts_own_set(&t->facts, device, *own);
	tables_unlock();
}

void import_recall(void)
{
	each_note(recall);
}

/*
 * Something else in the slot was pressed while the module was not there: what the node
 * says first must not take its place, see say_own() in mod_export.c.
 */
static void readopt(const char *device, const struct entity_id *entity,
	enum device_state state, const enum device_state *own)
{
	enum device_state now;

	if (slot_read(device, &now) == SLOT_OWN && now == state)
		slot_adopt(device, entity, state);
}

void import_readopt(void)
{
	each_note(readopt);
}

void import_round_begin(void)
{
	mod_facts_round_begin(&tables_lock()->facts);
	tables_unlock();
}

void import_sweep_begin(void)
{
	mod_facts_sweep_begin(&tables_lock()->facts);
	tables_unlock();
}

/* A toggle keeps its last word when the node is away. */
static bool is_kept(struct tables *t, const struct fact_gone *gone, bool purge)
{
	if (!gone->merged || !purge || !is_stored(gone->name))
		return false;
	return !mod_facts_merge(&t->facts, gone->name, &gone->entity, gone->state).refused;
}

bool import_sweep(bool purge)
{
	struct tables *t = tables_lock();
	const enum device_state *own = NULL;
	struct fact_gone gone;
	enum device_state buf;
	bool any = mod_facts_sweep(&t->facts, &gone), kept = any && is_kept(t, &gone, purge);

	if (any)
		own = own_word(t, gone.name, &buf);
	if (any && gone.merged && !kept)
		mod_facts_adopt(&t->facts, gone.name, false);
	t->imported += any && !kept;
	tables_unlock();
	if (any && gone.merged && !kept)
		unadopt(gone.name, own);
	else if (any && !gone.merged && gone.counted)
		slot_empty(gone.name, &gone.entity);
	return any;
}

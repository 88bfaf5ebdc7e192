/*
 * Stage 1, in Asterisk: the module's console commands. A console may be slow: what is
 * shown is copied under the lock, and printed without it.
 */
#include "asterisk.h"

#include "asterisk/cli.h"
#include "asterisk/devicestate.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "mod_cli.h"
#include "mod_link.h"
#include "mod_slot.h"
#include "mod_tables.h"
#include "pattern.h"

#define RULE "=============================================================\n"
#define LINE "=== ---------------------------------------------------------\n"

static void box_begin(int to, const char *title)
{
	int dashes = 61 - 5 - (int)strlen(title);

	ast_cli(to, "\n" RULE "=== %s %.*s\n" RULE "===\n", title, dashes,
		"==========================================================");
}

static void show_member(
	int to, const char *name, const char *id, const char *host, const char *version)
{
	ast_cli(to,
		LINE "=== Node Name: %s\n=== ==> ID: %s\n=== ==> Address: %s\n"
			 "=== ==> Member: Yes\n=== ==> Version: %s\n" LINE "===\n",
		name, id, host, version);
}

/* This server first; false: no memory. */
static struct member *copy_members(size_t *count)
{
	struct members *m = &tables_lock()->members;
	struct member *all = ast_calloc(m->all.count + 1, sizeof(*all));
	struct map_item *item;

	*count = 0;
	for (item = m->all.first; all && item; item = item->next)
		all[(*count)++] = *(struct member *)item;
	tables_unlock();
	return all;
}

static char *show_members(struct ast_cli_entry *e, int cmd, struct ast_cli_args *a)
{
	struct link_status s;
	struct member *all;
	char id[ENTITY_ID_TEXT];
	size_t count, i;

	switch (cmd) {
	case CLI_INIT:
		e->command = "pgdevstate show members";
		e->usage = "Usage: pgdevstate show members\n"
				   "       Lists the servers that share their states with this one.\n";
		return NULL;
	case CLI_GENERATE:
		return NULL;
	}
	if (a->argc != e->args)
		return CLI_SHOWUSAGE;
	link_get_status(&s);
	all = copy_members(&count);
	box_begin(a->fd, "Cluster Members");
	if (s.session.phase != SESSION_UP)
		ast_cli(a->fd, "=== No link to the node: this is what was known last.\n===\n");
	ast_eid_to_str(id, sizeof(id), &ast_eid_default);
	show_member(a->fd, S_OR(s.session.node_name, "this server"), id, "this server",
		S_OR(s.session.node_version, "?"));
	for (i = 0; i < count; i++)
		show_member(a->fd, all[i].name, all[i].id, all[i].host, all[i].version);
	ast_cli(a->fd, RULE "\n");
	ast_free(all);
	return CLI_SUCCESS;
}

static void show_channel(int to, const struct mod_channel *c)
{
	int event;

	ast_cli(to, LINE "=== Event Channel Name: %s\n", c->name);
	for (event = 0; event < MOD_EVENTS; event++)
		if (c->publish[event])
			ast_cli(to, "=== ==> Publishing Event Type: %s\n", mod_event_name(event));
	for (event = 0; event < MOD_EVENTS; event++)
		if (c->subscribe[event])
			ast_cli(to, "=== ==> Subscribing to Event Type: %s\n", mod_event_name(event));
	ast_cli(to, LINE "===\n");
}

static char *show_channels(struct ast_cli_entry *e, int cmd, struct ast_cli_args *a)
{
	struct mod_options o;
	int i;

	switch (cmd) {
	case CLI_INIT:
		e->command = "pgdevstate show event channels";
		e->usage = "Usage: pgdevstate show event channels\n"
				   "       Lists which events are shared, as res_pgdevstate.conf says.\n";
		return NULL;
	case CLI_GENERATE:
		return NULL;
	}
	if (a->argc != e->args)
		return CLI_SHOWUSAGE;
	link_get_options(&o);
	box_begin(a->fd, "Event Channels");
	for (i = 0; i < o.channels; i++)
		show_channel(a->fd, &o.channel[i]);
	ast_cli(a->fd, RULE "\n");
	return CLI_SUCCESS;
}

static void show_link(int to, const struct link_status *s)
{
	char id[ENTITY_ID_TEXT];

	ast_eid_to_str(id, sizeof(id), &ast_eid_default);
	ast_cli(to, "  Entity ID:                   %s\n", id);
	ast_cli(to, "  Node's socket:               %s\n", s->socket);
	ast_cli(to, "  Link:                        %s, for %ld s\n",
		session_phase_name(s->session.phase),
		(long)(s->now_ms - s->session.since_ms) / 1000);
	if (s->session.phase == SESSION_DOWN)
		ast_cli(
			to, "  Last error:                  %s\n", S_OR(s->session.reason, "none"));
	else
		ast_cli(to, "  Node:                        %s, pgdevstated %s, %s\n",
			s->session.node_name, s->session.node_version,
			S_OR(s->session.status, "status unknown"));
	ast_cli(to, "  Full report:                 %s\n",
		s->reported    ? "complete"
		: s->reporting ? "on its way"
					   : "none");
	ast_cli(to, "  States of other servers:     %s\n",
		s->session.fresh  ? "fresh"
		: s->stale_s >= 0 ? "kept for a while"
						  : "none yet");
	if (s->stale_s >= 0)
		ast_cli(to, "  ... are dropped in:          %ld s\n", s->stale_s);
}

static char *show_status(struct ast_cli_entry *e, int cmd, struct ast_cli_args *a)
{
	struct link_status s;
	struct tables t;

	switch (cmd) {
	case CLI_INIT:
		e->command = "pgdevstate show status";
		e->usage = "Usage: pgdevstate show status\n"
				   "       Shows the link to the node, and counters.\n";
		return NULL;
	case CLI_GENERATE:
		return NULL;
	}
	if (a->argc != e->args)
		return CLI_SHOWUSAGE;
	link_get_status(&s);
	t = *tables_lock();
	tables_unlock();
	show_link(a->fd, &s);
	ast_cli(a->fd, "  Devices of other servers:    %zu (at most %zu)\n", t.facts.foreign,
		t.facts.max);
	ast_cli(a->fd, "  Mailboxes of other servers:  %zu\n", t.boxes.foreign);
	ast_cli(a->fd, "  Other members:               %zu\n", t.members.all.count);
	ast_cli(a->fd, "  Told the node:               %lu\n", t.exported);
	ast_cli(a->fd, "  Imported:                    %lu\n", t.imported);
	ast_cli(
		a->fd, "  Refused for their number:    %lu\n", t.facts.refused + t.boxes.refused);
	ast_cli(a->fd, "  Refused by the node:         %lu\n", s.refused);
	ast_cli(a->fd, "  Left out, illegal names:     %lu\n", t.illegal);
	ast_cli(a->fd, "  Left out by filters:         %lu\n", t.filtered);
	ast_cli(a->fd, "  Links lost:                  %lu\n", s.losses);
	ast_cli(a->fd, "  Waits for task processors:   %lu (%d watched)\n", s.pace_waits,
		s.consumers);
	return CLI_SUCCESS;
}

/* One line of a listing, or of a device. */
struct word {
	char *device;
	char entity[ENTITY_ID_TEXT];
	enum device_state state;
	bool merged;
};
struct listing {
	struct word *word;
	size_t count, room;
	bool failed;
};

/* Its id, or what people call the one that the module made up. */
static const char *print_speaker(const struct entity_id *entity, char out[ENTITY_ID_TEXT])
{
	if (!slot_is_ours(entity))
		return entity_id_print(entity, out);
	ast_copy_string(out, "this node", ENTITY_ID_TEXT);
	return out;
}

static void add_word(
	struct listing *l, const char *device, const struct fact *f, bool merged)
{
	struct word *w;

	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;

		w = ast_realloc(l->word, room * sizeof(*w));
		l->failed |= !w;
		if (!w)
			return;
		l->word = w;
		l->room = room;
	}
	w = &l->word[l->count++];
	w->device = ast_strdup(device);
	print_speaker(&f->entity, w->entity);
	w->state = f->state;
	w->merged = merged;
}

static void add_device(struct listing *l, const struct device *d)
{
	int i;

	if (d->is_merged)
		add_word(l, d->name, &d->merged, true);
	for (i = 0; i < d->count; i++)
		add_word(l, d->name, &d->said[i], false);
}

static void listing_clear(struct listing *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		ast_free(l->word[i].device);
	ast_free(l->word);
}

static int by_name(const void *a, const void *b)
{
	const struct word *left = a, *right = b;
	int order = strcmp(S_OR(left->device, ""), S_OR(right->device, ""));

	return order ? order : strcmp(left->entity, right->entity);
}

static char *show_devices(struct ast_cli_entry *e, int cmd, struct ast_cli_args *a)
{
	struct listing l = {NULL, 0, 0, false};
	struct map_item *item;
	size_t i;

	switch (cmd) {
	case CLI_INIT:
		e->command = "pgdevstate show devices";
		e->usage =
			"Usage: pgdevstate show devices [PATTERN]\n"
			"       Lists what other servers say of devices; in a pattern * stands for\n"
			"       any characters and ? for one.\n";
		return NULL;
	case CLI_GENERATE:
		return NULL;
	}
	if (a->argc > e->args + 1)
		return CLI_SHOWUSAGE;
	for (item = tables_lock()->facts.devices.first; item; item = item->next)
		if (a->argc == e->args || pattern_matches(a->argv[e->args], item->key))
			add_device(&l, (struct device *)item);
	tables_unlock();
	if (l.count > 1)
		qsort(l.word, l.count, sizeof(*l.word), by_name);
	ast_cli(a->fd, "%-32s %-12s %s\n", "Device", "State", "Server");
	for (i = 0; i < l.count; i++)
		ast_cli(a->fd, "%-32s %-12s %s%s\n", S_OR(l.word[i].device, "?"),
			state_name(l.word[i].state), l.word[i].entity,
			l.word[i].merged ? " (latest)" : "");
	ast_cli(a->fd, "%zu words of other servers%s\n", l.count,
		l.failed ? "; memory ran out" : "");
	listing_clear(&l);
	return CLI_SUCCESS;
}

static void show_own(int to, const char *device)
{
	enum device_state state = STATE_UNKNOWN;
	enum slot_owner owner = slot_read(device, &state);

	ast_cli(to, "  This server says:            %s%s\n",
		owner == SLOT_EMPTY ? "nothing" : state_name(state),
		owner == SLOT_ADOPTED ? " (adopted: another server's word)" : "");
}

/* Names of devices that others speak of; in any case, as all that completes here. */
static void complete_device(const char *begin)
{
	size_t len = strlen(begin);
	struct map_item *item;

	for (item = tables_lock()->facts.devices.first; item; item = item->next)
		if (strncasecmp(item->key, begin, len) == 0 &&
			ast_cli_completion_add(ast_strdup(item->key)) != 0)
			break;
	tables_unlock();
}

static char *show_device(struct ast_cli_entry *e, int cmd, struct ast_cli_args *a)
{
	struct listing l = {NULL, 0, 0, false};
	const struct device *d;
	const char *name;
	size_t i;

	switch (cmd) {
	case CLI_INIT:
		e->command = "pgdevstate show device";
		e->usage =
			"Usage: pgdevstate show device NAME\n"
			"       Shows who says what of a device, and what that adds up to here.\n";
		return NULL;
	case CLI_GENERATE:
		if (a->pos == e->args)
			complete_device(a->word);
		return NULL;
	}
	if (a->argc != e->args + 1)
		return CLI_SHOWUSAGE;
	name = a->argv[e->args];
	d = mod_facts_find(&tables_lock()->facts, name);
	if (d)
		add_device(&l, d);
	tables_unlock();
	ast_cli(a->fd, "  Device:                      %s\n", name);
	ast_cli(a->fd, "  State in Asterisk:           %s\n",
		ast_devstate_str(ast_device_state(name)));
	show_own(a->fd, name);
	for (i = 0; i < l.count; i++)
		ast_cli(a->fd, "  %-17s says:      %s%s\n", l.word[i].entity,
			state_name(l.word[i].state),
			l.word[i].merged               ? " (the latest word of all)"
			: fact_counts(l.word[i].state) ? ""
										   : " (no statement)");
	listing_clear(&l);
	return CLI_SUCCESS;
}

/* A line of the mailboxes. */
struct box_line {
	char *id;
	struct box box;
};

/* NULL: no memory. */
static struct box_line *copy_boxes(const char *pattern, size_t *count)
{
	struct boxes *b = &tables_lock()->boxes;
	struct box_line *all = ast_calloc(b->all.count + 1, sizeof(*all));
	struct map_item *item;

	*count = 0;
	for (item = b->all.first; all && item; item = item->next) {
		if (!pattern_matches(pattern, item->key))
			continue;
		all[*count].id = ast_strdup(item->key);
		all[(*count)++].box = *(struct box *)item;
	}
	tables_unlock();
	return all;
}

static int box_by_name(const void *a, const void *b)
{
	return strcmp(S_OR(((const struct box_line *)a)->id, ""),
		S_OR(((const struct box_line *)b)->id, ""));
}

static const char *counts_text(
	bool has, const struct counts *c, char text[40], const char *none)
{
	if (!has)
		return none;
	snprintf(text, 40, "%u/%u/%u", c->fresh, c->old, c->urgent);
	return text;
}

static void show_box(int to, const struct box_line *l)
{
	const struct counts *counts = l->box.is_foreign ? &l->box.foreign : &l->box.own;
	char id[ENTITY_ID_TEXT], all[40], own[40];

	ast_cli(to, "%-32s %-14s %-14s %s\n", S_OR(l->id, "?"),
		counts_text(true, counts, all, ""),
		counts_text(l->box.has_own, &l->box.own, own, "-"),
		l->box.is_foreign ? print_speaker(&l->box.entity, id) : "this server");
}

static char *show_mailboxes(struct ast_cli_entry *e, int cmd, struct ast_cli_args *a)
{
	struct box_line *all;
	size_t count, i;

	switch (cmd) {
	case CLI_INIT:
		e->command = "pgdevstate show mailboxes";
		e->usage = "Usage: pgdevstate show mailboxes [PATTERN]\n"
				   "       Lists new/old/urgent messages of mailboxes in the cluster, "
				   "what this\n"
				   "       server counts itself, and who said what is shown; in a "
				   "pattern * stands\n"
				   "       for any characters and ? for one.\n";
		return NULL;
	case CLI_GENERATE:
		return NULL;
	}
	if (a->argc > e->args + 1)
		return CLI_SHOWUSAGE;
	all = copy_boxes(a->argc > e->args ? a->argv[e->args] : "*", &count);
	if (count > 1)
		qsort(all, count, sizeof(*all), box_by_name);
	ast_cli(a->fd, "%-32s %-14s %-14s %s\n", "Mailbox", "In the cluster", "This server",
		"Server");
	for (i = 0; i < count; i++) {
		show_box(a->fd, &all[i]);
		ast_free(all[i].id);
	}
	ast_cli(a->fd, "%zu mailboxes\n", count);
	ast_free(all);
	return CLI_SUCCESS;
}

static char *ping(struct ast_cli_entry *e, int cmd, struct ast_cli_args *a)
{
	char why[SESSION_REASON + 40];
	long us;

	switch (cmd) {
	case CLI_INIT:
		e->command = "pgdevstate ping";
		e->usage = "Usage: pgdevstate ping\n"
				   "       Measures the round trip to the node.\n";
		return NULL;
	case CLI_GENERATE:
		return NULL;
	}
	if (a->argc != e->args)
		return CLI_SHOWUSAGE;
	if (!link_ping(&us, why, sizeof(why))) {
		ast_cli(a->fd, "No pong: %s\n", why);
		return CLI_FAILURE;
	}
	ast_cli(a->fd, "The node answered after %ld.%03ld ms\n", us / 1000, us % 1000);
	return CLI_SUCCESS;
}

static char *resync(struct ast_cli_entry *e, int cmd, struct ast_cli_args *a)
{
	switch (cmd) {
	case CLI_INIT:
		e->command = "pgdevstate resync";
		e->usage = "Usage: pgdevstate resync\n"
				   "       Tells the node all states of this server again, and asks for "
				   "those of\n"
				   "       the others. Only what differs changes anything.\n";
		return NULL;
	case CLI_GENERATE:
		return NULL;
	}
	if (a->argc != e->args)
		return CLI_SHOWUSAGE;
	if (!link_resync()) {
		ast_cli(a->fd,
			"There is no link to the node, trying now: see pgdevstate show status\n");
		return CLI_FAILURE;
	}
	ast_cli(a->fd, "Asked the node for everything, and told it everything\n");
	return CLI_SUCCESS;
}

static struct ast_cli_entry commands[] = {
	AST_CLI_DEFINE(show_members, "Show the servers of the cluster"),
	AST_CLI_DEFINE(show_channels, "Show which events are shared"),
	AST_CLI_DEFINE(show_status, "Show the link to the node"),
	AST_CLI_DEFINE(show_devices, "Show what other servers say of devices"),
	AST_CLI_DEFINE(show_device, "Show who says what of a device"),
	AST_CLI_DEFINE(show_mailboxes, "Show message counts in the cluster"),
	AST_CLI_DEFINE(ping, "Measure the round trip to the node"),
	AST_CLI_DEFINE(resync, "Exchange all states with the node again"),
};

void cli_start(void)
{
	ast_cli_register_multiple(commands, ARRAY_LEN(commands));
}

void cli_stop(void)
{
	ast_cli_unregister_multiple(commands, ARRAY_LEN(commands));
}

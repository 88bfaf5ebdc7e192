/* Layer 3: commands about the cluster: its members, event channels, counters, ping. */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "link_socket.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "node.h"
#include "options.h"

#define PING_WAIT_MS 2000

#define RULE "=============================================================\n"
#define LINE "=== ---------------------------------------------------------\n"

static void box_begin(struct reply *r, const char *title)
{
	int dashes = 61 - 5 - (int)strlen(title);

	reply_printf(r, "\n" RULE "=== %s %.*s\n" RULE "===\n", title, dashes,
		"==========================================================");
}

static void box_end(struct reply *r)
{
	reply_printf(r, RULE "\n");
}

static const char *yes(bool b)
{
	return b ? "Yes" : "No";
}

static json_t *member_json(const struct cache_entity *e)
{
	char id[ENTITY_ID_TEXT], since[REPLY_TIME_TEXT];

	return json_pack(
		"{s:o, s:s, s:o, s:b, s:s, s:o, s:b, s:s, s:i, s:b, s:I, s:s, s:I, s:I}", "name",
		reply_string(cmd_entity_name(e)), "entity_id", entity_id_print(&e->id, id),
		"host", reply_string(e->who.host), "member", e->head.alive, "since",
		reply_time(e->who.since_us, since), "version", reply_string(e->who.version),
		"reporting", e->head.reporting, "kind", e->who.is_static ? "static" : "node",
		"pid", e->who.pid, "this_node", e->self, "seq", (json_int_t)e->head.seq,
		"incarnation", e->head.incarnation.text, "devices",
		(json_int_t)e->rows[KEY_DEVICE], "mailboxes", (json_int_t)e->rows[KEY_MAILBOX]);
}

static void print_node(struct reply *r, const struct cache_entity *e)
{
	char since[REPLY_TIME_TEXT];

	reply_printf(r, "=== ==> Since: %s\n", reply_time(e->who.since_us, since));
	if (e->who.is_static)
		reply_printf(r, "=== ==> Kind: static (set by SQL)\n");
	else
		reply_printf(r, "=== ==> Version: %s\n=== ==> Process ID: %d\n", e->who.version,
			e->who.pid);
	reply_printf(r, "=== ==> Reporting: %s\n", yes(e->head.reporting));
}

static void print_member(struct reply *r, const struct cache_entity *e)
{
	char id[ENTITY_ID_TEXT];

	reply_printf(r, LINE "=== Node Name: %s%s\n", cmd_entity_name(e),
		e->self ? " (this node)" : "");
	reply_printf(r, "=== ==> ID: %s\n", entity_id_print(&e->id, id));
	reply_printf(r, "=== ==> Address: %s\n", e->who.host);
	reply_printf(r, "=== ==> Member: %s\n", yes(e->head.alive));
	print_node(r, e);
	reply_printf(r, "=== ==> Devices: %lld\n=== ==> Mailboxes: %lld\n",
		(long long)e->rows[KEY_DEVICE], (long long)e->rows[KEY_MAILBOX]);
	reply_printf(r, LINE "===\n");
}

static void show_members(struct call *c)
{
	const struct cache *cache = node_cache(c->app->node);
	struct node_status status;

	node_get_status(c->app->node, &status);
	box_begin(&c->reply, "Cluster Members");
	if (status.phase != NODE_READY)
		reply_printf(&c->reply,
			"=== Not connected (%s): this is what was known last.\n===\n",
			node_phase_name(status.phase));
	reply_list(&c->reply);
	for (int i = 0; i < cache_entities(cache); i++) {
		const struct cache_entity *e = cache_entity_at(cache, i);
		print_member(&c->reply, e);
		if (c->reply.json)
			reply_item(&c->reply, member_json(e));
	}
	box_end(&c->reply);
	call_end(c, 0);
}

static json_t *event_types_json(const bool types[EVENT_TYPES])
{
	json_t *list = json_array();

	for (int t = 0; t < EVENT_TYPES; t++) {
		if (types[t])
			json_array_append_new(list, json_string(event_type_name((enum event_type)t)));
	}
	return list;
}

static void print_event_types(
	struct reply *r, const char *what, const bool types[EVENT_TYPES])
{
	for (int t = 0; t < EVENT_TYPES; t++) {
		if (types[t])
			reply_printf(r, "=== ==> %s Event Type: %s\n", what,
				event_type_name((enum event_type)t));
	}
}

static void show_channels(struct call *c)
{
	struct reply *r = &c->reply;

	box_begin(r, "Event Channels");
	reply_list(r);
	for (const struct event_channel *ch = c->app->options->channels; ch; ch = ch->next) {
		reply_printf(r, LINE "=== Event Channel Name: %s\n", ch->name);
		print_event_types(r, "Publishing", ch->publish);
		print_event_types(r, "Subscribing to", ch->subscribe);
		reply_printf(r, LINE "===\n");
		if (r->json)
			reply_item(r, json_pack("{s:o, s:o, s:o}", "name", reply_string(ch->name),
							  "publish_event", event_types_json(ch->publish),
							  "subscribe_event", event_types_json(ch->subscribe)));
	}
	box_end(r);
	call_end(c, 0);
}

static const char *name_of(struct call *c, const struct entity_id *id)
{
	const struct cache_entity *e = cache_entity_find(node_cache(c->app->node), id);

	return e ? cmd_entity_name(e) : "none";
}

static void show_keys(struct call *c, const struct node_status *s)
{
	const struct cache *cache = node_cache(c->app->node);
	struct reply *r = &c->reply;

	reply_number(r, "Members known", "members", cache_entities(cache));
	reply_number(r, "Devices known", "devices", cache_keys(cache, KEY_DEVICE));
	reply_number(r, "Mailboxes known", "mailboxes", cache_keys(cache, KEY_MAILBOX));
	reply_number(r, "Own devices", "own_devices", (int64_t)s->own[KEY_DEVICE]);
	reply_number(r, "Own mailboxes", "own_mailboxes", (int64_t)s->own[KEY_MAILBOX]);
	reply_number(r, "Unsent", "unsent", (int64_t)s->unsent);
	reply_number(r, "Oldest unsent, ms", "oldest_unsent_ms", s->oldest_unsent_us / 1000);
}

static void show_link(struct call *c, const struct node_status *s)
{
	struct reply *r = &c->reply;

	reply_field(r, "Report", "report", "%s", report_state_name(s->report));
	reply_field(r, "Reporting", "reporting", "%s%s", yes(s->reporting),
		s->reporting_acked ? "" : " (the database does not know yet)");
	for (int i = 0; c->app->link && i < LINK_COUNTERS; i++) {
		const char *name = link_counter_name((enum link_counter)i);

		reply_number(r, name, name,
			links_counter(link_socket_links(c->app->link), (enum link_counter)i));
	}
}

/* What the newest pulse said: what the coordinator chose. */
static void show_notify(struct call *c, const struct payload_notify *n)
{
	struct reply *r = &c->reply;
	bool ticker = n->mode == NOTIFY_TICKER;

	reply_field(r, "Notify mode", "notify_mode", "%s", notify_mode_name(n->mode));
	reply_field(
		r, "Notify mode set", "notify_mode_set", "%s", notify_mode_name(n->setting));
	reply_number(r, "Ticker period, ms", "ticker_period_ms", ticker ? n->period_ms : 0);
	reply_number(r, "Ticker members", "ticker_members", ticker ? n->members : 0);
	reply_number(
		r, "Ticker changes/s", "ticker_changes_per_s", ticker ? n->changes_per_s : 0);
}

static void show_stats(struct call *c)
{
	struct node_status s;
	struct reply *r = &c->reply;

	node_get_status(c->app->node, &s);
	reply_field(r, "Phase", "phase", "%s", node_phase_name(s.phase));
	reply_field(r, "Incarnation", "incarnation", "%s", s.incarnation.text);
	reply_number(r, "Sequence", "seq", s.seq);
	reply_number(r, "Site", "site", s.site);
	reply_field(r, "Coordinator", "coordinator", "%s%s", name_of(c, &s.coordinator_id),
		s.coordinator ? " (this node)" : "");
	if (s.pulse_age_us < 0 && r->json)
		reply_set(r, "pulse_age_ms", json_null());
	else if (s.pulse_age_us < 0)
		reply_field(r, "Pulse age, ms", "pulse_age_ms", "none heard");
	else
		reply_number(r, "Pulse age, ms", "pulse_age_ms", s.pulse_age_us / 1000);
	show_notify(c, &s.notify);
	show_keys(c, &s);
	for (int i = 0; i < NODE_COUNTERS; i++) {
		const char *name = node_counter_name((enum node_counter)i);
		reply_number(r, name, name, s.counters[i]);
	}
	show_link(c, &s);
	reply_number(r, "log_lines_lost", "log_lines_lost", log_lines_lost());
	call_end(c, 0);
}

struct peer {
	struct entity_id id;
	char *name;
	int64_t rtt_us; /* -1: no answer yet */
};

struct ping {
	int64_t nonce;
	struct loop_timer *timer;
	struct peer *peers;
	int npeers, answered;
};

static void ping_release(struct call *c)
{
	struct ping *p = c->data;

	if (p->nonce)
		node_cancel_ping(c->app->node, p->nonce);
	loop_timer_free(p->timer);
	for (int i = 0; i < p->npeers; i++)
		free(p->peers[i].name);
	free(p->peers);
	free(p);
}

static void ping_show(struct call *c, const struct peer *peer)
{
	char id[ENTITY_ID_TEXT];

	entity_id_print(&peer->id, id);
	if (peer->rtt_us >= 0)
		reply_printf(
			&c->reply, "%s (%s): %.3f ms\n", peer->name, id, (double)peer->rtt_us / 1000);
	else
		reply_printf(&c->reply, "%s (%s): no answer within %d s\n", peer->name, id,
			PING_WAIT_MS / 1000);
	if (c->reply.json)
		reply_item(
			&c->reply, json_pack("{s:o, s:s, s:b, s:o}", "name", reply_string(peer->name),
						   "entity_id", id, "answered", peer->rtt_us >= 0, "rtt_ms",
						   peer->rtt_us >= 0 ? json_real((double)peer->rtt_us / 1000)
											 : json_null()));
}

/* Those that answered were shown when they did. */
static void ping_end(void *arg)
{
	struct call *c = arg;
	struct ping *p = c->data;

	for (int i = 0; i < p->npeers; i++) {
		if (p->peers[i].rtt_us < 0)
			ping_show(c, &p->peers[i]);
	}
	reply_printf(&c->reply, "%d of %d members answered\n", p->answered, p->npeers);
	loop_timer_stop(p->timer);
	call_end(c, p->answered == p->npeers ? 0 : 1);
}

static void ping_answer(
	void *arg, int64_t nonce, const struct entity_id *from, int64_t rtt_us)
{
	struct call *c = arg;
	struct ping *p = c->data;

	if (c->ended || nonce != p->nonce)
		return;
	for (int i = 0; i < p->npeers; i++) {
		struct peer *peer = &p->peers[i];
		if (peer->rtt_us >= 0 || !entity_id_equal(&peer->id, from))
			continue;
		peer->rtt_us = rtt_us;
		p->answered++;
		ping_show(c, peer);
		reply_flush(&c->reply);
	}
	if (p->answered == p->npeers)
		ping_end(c);
}

/* Living nodes: all of them, or the one of that name or entity id. */
static bool ping_wants(const struct cache_entity *e, const char *name)
{
	char id[ENTITY_ID_TEXT];

	if (!e->head.alive || e->who.is_static)
		return false;
	return !name || strcmp(name, cmd_entity_name(e)) == 0 ||
		   strcasecmp(name, entity_id_print(&e->id, id)) == 0;
}

static void ping_choose(struct call *c, struct ping *p, const char *name)
{
	const struct cache *cache = node_cache(c->app->node);
	int n = cache_entities(cache);

	p->peers = mem_alloc((size_t)n * sizeof(*p->peers));
	for (int i = 0; i < n; i++) {
		const struct cache_entity *e = cache_entity_at(cache, i);
		if (!ping_wants(e, name))
			continue;
		p->peers[p->npeers++] = (struct peer){
			.id = e->id, .name = mem_strdup(cmd_entity_name(e)), .rtt_us = -1};
	}
}

static void ping(struct call *c)
{
	struct ping *p = mem_alloc(sizeof(*p));
	const char *name = c->argc ? c->argv[0] : NULL;
	struct node_status status;

	c->data = p;
	c->release = ping_release;
	ping_choose(c, p, name);
	if (p->npeers == 0) {
		call_fail(c, "No living member%s%s ('cluster show members' lists all)",
			name ? " has the name or entity id " : "", name ? name : "");
		return;
	}
	p->nonce = node_ping(cmd_node(c), ping_answer, c);
	if (p->nonce == 0) {
		node_get_status(c->app->node, &status);
		call_fail(c, "Cannot ask the members: not connected to the database (%s%s%s)",
			node_phase_name(status.phase), *status.last_error ? ": " : "",
			status.last_error);
		return;
	}
	reply_list(&c->reply);
	p->timer = loop_timer_new(c->app->base, ping_end, c);
	loop_timer_start(p->timer, PING_WAIT_MS);
}

static void complete_members(struct completion *out, int arg)
{
	const struct cache *cache = node_cache(out->app->node);

	(void)arg;
	for (int i = 0; i < cache_entities(cache); i++) {
		const struct cache_entity *e = cache_entity_at(cache, i);
		if (ping_wants(e, NULL) && !completion_offer(out, cmd_entity_name(e)))
			break;
	}
}

/* ---- cluster notify ---- */

static void notify_changed(void *arg, const char *wrong)
{
	struct call *c = arg;

	if (*wrong)
		call_fail(c, "The notify mode was not changed: %s", wrong);
	else
		call_end(c, 0);
}

static void notify_forget(struct call *c)
{
	node_cancel_policy(c->app->node, c);
}

static void notify(struct call *c)
{
	struct node_status status;
	enum notify_mode mode;

	if (!notify_mode_parse(c->argv[0], &mode)) {
		call_fail(
			c, "'%s' is no notify mode; modes are auto, direct, ticker", c->argv[0]);
		return;
	}
	reply_printf(&c->reply, "Setting notify mode %s for the cluster\n", c->argv[0]);
	reply_set(&c->reply, "notify_mode_set", json_string(c->argv[0]));
	c->release = notify_forget;
	if (node_set_notify_mode(cmd_node(c), mode, notify_changed, c))
		return;
	node_get_status(c->app->node, &status);
	call_fail(c, "Cannot change the notify mode now: %s",
		status.phase == NODE_READY ? "another change is under way"
								   : "not connected to the database");
}

static void complete_modes(struct completion *out, int arg)
{
	(void)arg;
	for (int mode = 0; mode < NOTIFY_MODES; mode++)
		completion_offer(out, notify_mode_name((enum notify_mode)mode));
}

const struct command cmd_cluster[] = {
	{"cluster show members", "", 0, 0, "Show the members of the cluster", NULL, NULL,
		show_members, NULL},
	{"ais clm show members", "", 0, 0, "Show the members of the cluster", NULL,
		"cluster show members", show_members, NULL},
	{"cluster show channels", "", 0, 0, "Show the event channels", NULL, NULL,
		show_channels, NULL},
	{"ais evt show event channels", "", 0, 0, "Show the event channels", NULL,
		"cluster show channels", show_channels, NULL},
	{"cluster show stats", "", 0, 0, "Show counters and how far this node is", NULL, NULL,
		show_stats, NULL},
	{"cluster ping", "[NAME]", 0, 1,
		"Measure the round trip to members, through the database",
		"Asks each living member, or the one of that name or entity id, and waits for 2 "
		"seconds.\n"
		"Fails when one of them does not answer.",
		NULL, ping, complete_members},
	{"cluster notify", "MODE", 1, 1, "Set how changes are told to the nodes",
		"MODE is direct (each change by a notification of its own), ticker (one node "
		"tells "
		"them, a\n"
		"period's worth at a time: for many nodes and high rates) or auto (the default: "
		"as "
		"suits\n"
		"members and rate). It holds for the whole cluster, from the next pulse on, and "
		"needs an\n"
		"administrator's right in the database. 'cluster show stats' shows what is used.",
		NULL, notify, complete_modes},
	{.words = NULL},
};

/* Layer 3: commands about this node: core ..., help. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "hint.h"
#include "log.h"
#include "node.h"
#include "options.h"

/* "2 hours, 1 minute, 5 seconds" */
static void print_duration(int64_t us, struct buf *out)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = {{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
	int64_t left = us / 1000000;

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		int64_t n = left / units[i].seconds;
		left %= units[i].seconds;
		if (n == 0 && (out->len || units[i].seconds > 1))
			continue;
		buf_addf(out, "%s%lld %s%s", out->len ? ", " : "", (long long)n, units[i].name,
			n == 1 ? "" : "s");
	}
}

static void show_database(struct call *c)
{
	struct node_status status;

	node_get_status(c->app->node, &status);
	const char *where = c->app->database(c->app);
	reply_field(
		&c->reply, "Database", "database", "%s", *where ? where : "not connected");
	reply_field(&c->reply, "Phase", "phase", "%s", node_phase_name(status.phase));
	reply_number(&c->reply, "Seconds in this phase", "phase_seconds",
		(clock_mono_us() - status.phase_since_us) / 1000000);
	if (*status.last_error)
		reply_field(&c->reply, "Last error", "last_error", "%s", status.last_error);
	if (*status.holder)
		reply_field(&c->reply, "Entity ID in use by", "holder", "%s", status.holder);
	reply_number(&c->reply, "Site", "site", status.site);
}

static void show_settings(struct call *c)
{
	const struct options *o = c->app->options;
	struct reply *r = &c->reply;
	char id[ENTITY_ID_TEXT];

	reply_printf(r, "\npgdevstate settings\n-------------------\n");
	reply_field(r, "Version", "version", "%s", PGDEVSTATE_VERSION);
	reply_field(r, "Entity ID", "entity_id", "%s", entity_id_print(&o->entity_id, id));
	reply_field(r, "System name", "system_name", "%s", o->system_name);
	reply_field(r, "Configuration file", "config_file", "%s", o->file);
	reply_field(r, "Dialplan", "dialplan", "%s", *o->dialplan ? o->dialplan : "none");
	reply_field(r, "Run directory", "run_directory", "%s", o->run_directory);
	reply_field(r, "Console socket", "socket", "%s", o->socket);
	reply_field(r, "Link socket", "link_socket", "%s", o->link_socket);
	reply_field(r, "Log", "log", "%s", *o->log_file ? o->log_file : "stderr or syslog");
	reply_number(r, "Process ID", "pid", getpid());
	show_database(c);
	reply_seconds(r, "Lease", "lease_seconds", o->lease_ms);
	reply_field(
		r, "Stale after", "stale_after_seconds", "%g", o->stale_after_ms / 1000.0);
	reply_field(r, "Announce", "announce", "%s", o->announce ? "yes" : "no");
	reply_number(r, "Debug", "debug", log_get_debug());
	reply_number(r, "Verbose", "verbose", c->app->verbose);
	reply_printf(r, "\n");
	call_end(c, 0);
}

static void show_hint(struct call *c, const struct hint *h)
{
	reply_printf(&c->reply, "   %20s@%-20s: %-20s  State:%-15s Watchers %2d\n", h->exten,
		h->context, h->devices, exten_state_label(h->state), h->watchers);
	if (c->reply.json)
		reply_item(&c->reply,
			json_pack("{s:o, s:o, s:o, s:s, s:s, s:i}", "exten", reply_string(h->exten),
				"context", reply_string(h->context), "devices", reply_string(h->devices),
				"state", exten_state_label(h->state), "device_state", state_name(h->sum),
				"watchers", h->watchers));
}

/* A reload may shorten the list meanwhile; then what is left is shown. */
static bool one_hint(struct call *c, struct listing *l)
{
	if ((int64_t)l->at >= hints_count(c->app->hints))
		return false;
	show_hint(c, hints_at(c->app->hints, (int)l->at));
	l->at++;
	l->listed++;
	return true;
}

static void end_hints(struct call *c, struct listing *l)
{
	reply_printf(
		&c->reply, "----------------\n- %lld hints registered\n", (long long)l->listed);
}

static void show_hints(struct call *c)
{
	if (hints_count(c->app->hints) == 0) {
		reply_printf(&c->reply, "There are no registered dialplan hints\n");
		reply_list(&c->reply);
		call_end(c, 0);
		return;
	}
	reply_printf(&c->reply, "    -= Registered Asterisk Dial Plan Hints =-\n");
	cmd_list(c, one_hint, end_hints);
	cmd_list_start(c);
}

/* Without a context: in every context. */
static bool hint_is(
	const struct hint *h, const char *exten, size_t len, const char *context)
{
	return strlen(h->exten) == len && memcmp(h->exten, exten, len) == 0 &&
		   (!context || strcmp(h->context, context) == 0);
}

static void show_one_hint(struct call *c)
{
	const char *exten = c->argv[0], *at = strrchr(exten, '@');
	size_t len = at ? (size_t)(at - exten) : strlen(exten);
	int found = 0;

	for (int i = 0; i < hints_count(c->app->hints); i++) {
		const struct hint *h = hints_at(c->app->hints, i);
		if (!hint_is(h, exten, len, at ? at + 1 : NULL))
			continue;
		show_hint(c, h);
		found++;
	}
	if (found == 0) {
		call_fail(
			c, "No hints matching extension %s ('core show hints' lists all)", exten);
		return;
	}
	reply_printf(&c->reply, "----------------\n- %d hint%s matching extension %s\n",
		found, found == 1 ? "" : "s", exten);
	call_end(c, 0);
}

static void complete_hints(struct completion *out, int arg)
{
	struct buf name;

	(void)arg;
	buf_init(&name);
	for (int i = 0; i < hints_count(out->app->hints); i++) {
		const struct hint *h = hints_at(out->app->hints, i);
		buf_reset(&name);
		buf_addf(&name, "%s@%s", h->exten, h->context);
		if (!completion_offer(out, buf_str(&name)))
			break;
	}
	buf_clear(&name);
}

static void show_version(struct call *c)
{
	reply_printf(&c->reply, "pgdevstate %s\n", PGDEVSTATE_VERSION);
	reply_set(&c->reply, "version", json_string(PGDEVSTATE_VERSION));
	call_end(c, 0);
}

static void show_ago(struct call *c, const char *label, const char *key, int64_t since_us)
{
	int64_t us = clock_mono_us() - since_us;
	struct buf text;

	buf_init(&text);
	print_duration(us, &text);
	reply_printf(&c->reply, "%s: %s\n", label, buf_str(&text));
	reply_set(&c->reply, key, json_integer(us / 1000000));
	buf_clear(&text);
}

static void show_uptime(struct call *c)
{
	show_ago(c, "System uptime", "uptime_seconds", c->app->started_us);
	show_ago(c, "Last reload", "reloaded_seconds_ago",
		c->app->reloaded_us ? c->app->reloaded_us : c->app->started_us);
	call_end(c, 0);
}

static bool parse_level(const char *text, int *out)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (strcasecmp(text, "off") == 0) {
		*out = 0;
		return true;
	}
	if (end == text || *end || *text == '-' || *text == '+' || n > OPTIONS_LEVEL_MAX)
		return false;
	*out = (int)n;
	return true;
}

/* Says it as Asterisk does. */
static void set_level(struct call *c, const char *label, const char *key, int was,
	void (*set)(struct app *app, int level))
{
	int now;

	if (!parse_level(c->argv[0], &now)) {
		call_fail(c, "'%s' is not a level: a number from 0 to %d, or off", c->argv[0],
			OPTIONS_LEVEL_MAX);
		return;
	}
	set(c->app, now);
	if (was == now)
		reply_printf(&c->reply, "%s is still %d.\n", label, now);
	else
		reply_printf(&c->reply, "%s was %d and is now %d.\n", label, was, now);
	reply_set(&c->reply, "was", json_integer(was));
	reply_set(&c->reply, key, json_integer(now));
	call_end(c, 0);
}

static void set_debug_level(struct app *app, int level)
{
	(void)app;
	log_set_debug(level);
}

static void set_verbose_level(struct app *app, int level)
{
	app->verbose = level;
}

static void set_debug(struct call *c)
{
	set_level(c, "Core debug", "debug", log_get_debug(), set_debug_level);
}

static void set_verbose(struct call *c)
{
	set_level(c, "Console verbose", "verbose", c->app->verbose, set_verbose_level);
}

static void complete_off(struct completion *out, int arg)
{
	(void)arg;
	completion_offer(out, "off");
}

static void reload(struct call *c)
{
	struct buf messages;

	buf_init(&messages);
	bool ok = c->app->reload(c->app, &messages);
	while (messages.len && messages.data[messages.len - 1] == '\n')
		messages.data[--messages.len] = '\0';
	if (!ok) {
		call_fail(c, "%s\nThe running configuration is kept.", buf_str(&messages));
	} else {
		if (messages.len)
			reply_printf(&c->reply, "%s\n", buf_str(&messages));
		reply_printf(&c->reply, "Reloaded.\n");
		reply_set(&c->reply, "messages", reply_string(buf_str(&messages)));
		call_end(c, 0);
	}
	buf_clear(&messages);
}

/* What cannot be delivered any more: the database is away. */
static size_t undelivered(const struct call *c)
{
	struct node_status status;

	node_get_status(c->app->node, &status);
	return status.phase == NODE_READY ? 0 : status.unsent;
}

static void stop(struct call *c, bool gracefully)
{
	struct app *app = c->app;
	size_t lost = undelivered(c);

	if (lost > 0)
		reply_printf(&c->reply,
			"Stopping. The database is away: %zu changes that it does not have are "
			"lost.\n",
			lost);
	else
		reply_printf(&c->reply, "%s\n",
			gracefully ? "Stopping: what waits for the database is delivered first."
					   : "Stopping now.");
	reply_set(&c->reply, "stopping", json_string(gracefully ? "gracefully" : "now"));
	reply_set(&c->reply, "lost", json_integer((json_int_t)lost));
	call_end(c, 0);
	app->stop(app, gracefully);
}

static void stop_now(struct call *c)
{
	stop(c, false);
}

static void stop_gracefully(struct call *c)
{
	stop(c, true);
}

static void help(struct call *c)
{
	command_help(c, c->argc, c->argv);
}

/* What could be typed behind `help` is what could be typed alone: words of commands. */
static void complete_help(struct completion *out, int arg)
{
	if (arg > 0)
		return;
	for (const struct command *const *table = command_tables; *table; table++) {
		for (const struct command *cmd = *table; cmd->words; cmd++) {
			char word[64];
			snprintf(
				word, sizeof(word), "%.*s", (int)strcspn(cmd->words, " "), cmd->words);
			completion_offer(out, word);
		}
	}
}

const struct command cmd_core[] = {
	{"core show settings", "", 0, 0, "Show the settings and where the database is", NULL,
		NULL, show_settings, NULL},
	{"core show hints", "", 0, 0, "Show all hints and their states", NULL, NULL,
		show_hints, NULL},
	{"core show hint", "EXT[@CONTEXT]", 1, 1, "Show the hints of one extension", NULL,
		NULL, show_one_hint, complete_hints},
	{"core show version", "", 0, 0, "Show the version of the daemon", NULL, NULL,
		show_version, NULL},
	{"core show uptime", "", 0, 0, "Show for how long the daemon runs", NULL, NULL,
		show_uptime, NULL},
	{"core set debug", "N|off", 1, 1, "Set the level of debug messages",
		"At 1 each change of a device's state is logged: what each server says and how "
		"it adds\n"
		"up.",
		NULL, set_debug, complete_off},
	{"core set verbose", "N|off", 1, 1, "Set the level of verbose messages",
		"From 3 on the steps of every 'console dial' are shown on all interactive "
		"consoles.",
		NULL, set_verbose, complete_off},
	{"core reload", "", 0, 0, "Read the configuration and the dialplan again", NULL, NULL,
		reload, NULL},
	{"dialplan reload", "", 0, 0, "Read the configuration and the dialplan again", NULL,
		"core reload", reload, NULL},
	{"core stop now", "", 0, 0, "End the daemon", NULL, NULL, stop_now, NULL},
	{"core stop gracefully", "", 0, 0, "End the daemon when the database has all it said",
		NULL, NULL, stop_gracefully, NULL},
	{"help", "[COMMAND]", 0, COMMAND_MAX_WORDS, "List the commands, or explain one", NULL,
		NULL, help, complete_help},
	{.words = NULL},
};

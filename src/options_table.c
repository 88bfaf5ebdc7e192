/*
 * Layer 1: the one table of options. options.c reads files by it; the sample file and
 * README's table are printed from it, so they cannot say anything else.
 */
#include <string.h>
#include <strings.h>

#include "options.h"
#include "options_table.h"

#define IN_OPTIONS(field) .section = "options", .offset = offsetof(struct options, field)

const struct option option_table[] = {
	{IN_OPTIONS(entity_id), .name = "entity_id", .alias = "entityid",
		.type = OPTION_ENTITY_ID, .default_help = "auto", .example = "01:23:45:67:89:ab",
		.help =
			"The node's id in the cluster. auto: that of the telephone server that is "
			"linked; until one says its own, the first MAC address that is neither all "
			"00 "
			"nor all ff. It must be unique: machines that were cloned may share a MAC "
			"address."},
	{IN_OPTIONS(system_name), .name = "system_name", .alias = "systemname",
		.type = OPTION_NAME, .default_help = "the host's name", .example = "server1",
		.help =
			"The node's name, for people: in listings, logs and the console's prompt."},
	{IN_OPTIONS(run_directory), .name = "run_directory", .alias = "rundir",
		.type = OPTION_PATH, .def = "/run/pgdevstate",
		.help = "Where the node keeps its sockets while it runs."},
	{IN_OPTIONS(socket), .name = "socket", .type = OPTION_PATH,
		.default_help = "pgdevstated.ctl in run_directory",
		.example = "/run/pgdevstate/pgdevstated.ctl",
		.help = "The console's socket. Its path may have 107 bytes."},
	{IN_OPTIONS(link_socket), .name = "link_socket", .type = OPTION_PATH,
		.default_help = "pgdevstate.link in run_directory",
		.example = "/run/pgdevstate/pgdevstate.link",
		.help = "The socket for telephone servers and other programs: "
				"pgdevstate-link(7). Its path may have 107 bytes."},
	{IN_OPTIONS(link_group), .name = "link_group", .type = OPTION_GROUP, .def = "",
		.default_help = "none: the group that the node runs as", .example = "asterisk",
		.help = "The group whose members may use the link's socket. The node's user must "
				"be in it, or root."},
	{IN_OPTIONS(dialplan), .name = "dialplan", .type = OPTION_PATH_OR_NONE,
		.reloadable = true,
		.default_help = "extensions.conf beside this file, where there is one",
		.example = "extensions.conf",
		.help = "The dialplan: hints, and extensions for 'console dial'. Empty: none."},
	{IN_OPTIONS(log_file), .name = "log_file", .type = OPTION_PATH_OR_NONE, .def = "",
		.default_help = "standard error with -f, else syslog",
		.example = "/var/log/pgdevstated.log", .help = "Where log lines are appended."},
	{IN_OPTIONS(debug), .name = "debug", .type = OPTION_NUMBER, .max = OPTIONS_LEVEL_MAX,
		.def = "0", .reloadable = true,
		.help = "How much the log explains. From 1 on: for every change of a device, "
				"what each "
				"server says and how it adds up."},
	{IN_OPTIONS(verbose), .name = "verbose", .type = OPTION_NUMBER,
		.max = OPTIONS_LEVEL_MAX, .def = "3", .reloadable = true,
		.help = "How much interactive consoles are told."},
	{IN_OPTIONS(lease_ms), .name = "lease", .type = OPTION_SECONDS, .min = 2, .max = 3600,
		.def = "10",
		.help = "A node that was not heard of for so long is dead: its states leave the "
				"sum."},
	{IN_OPTIONS(stale_after_ms), .name = "stale_after", .type = OPTION_SECONDS,
		.max = 86400, .def = "60", .reloadable = true,
		.help = "While the database is away, what other servers said last counts for so "
				"long. "
				"0: for ever."},
	{IN_OPTIONS(announce), .name = "announce", .type = OPTION_YES_NO, .def = "yes",
		.reloadable = true,
		.help = "Tell the other servers of a device while it is being written, not when "
				"it is: lamps change in less than half the time. It takes a connection "
				"more to the database, and a notification more for a change."},
	{.section = "postgresql",
		.name = "conninfo",
		.type = OPTION_CONNINFO,
		.offset = offsetof(struct options, conninfo),
		.default_help = "none: must be given",
		.example = "dbname=pgdevstate",
		.help = "How to reach the database: a connection string of libpq, as psql takes "
				"it; it "
				"may list several hosts."},
	{.section = OPTION_CHANNEL,
		.name = "type",
		.type = OPTION_CHANNEL_TYPE,
		.reloadable = true,
		.default_help = "none: must be given",
		.example = "event_channel",
		.help = "Says that the section is an event channel."},
	{.section = OPTION_CHANNEL,
		.name = "publish_event",
		.type = OPTION_PUBLISH,
		.reloadable = true,
		.default_help = "none",
		.example = "device_state",
		.help = "Tell the other servers what this one knows. One line for each event."},
	{.section = OPTION_CHANNEL,
		.name = "subscribe_event",
		.type = OPTION_SUBSCRIBE,
		.reloadable = true,
		.default_help = "none",
		.example = "device_state",
		.help = "Take into account what the other servers say. One line for each event."},
};
const size_t option_count = sizeof(option_table) / sizeof(option_table[0]);

const struct option *option_find(const char *section, const char *name)
{
	const struct option *o;

	for (o = option_table; o < option_table + option_count; o++)
		if (strcasecmp(o->section, section) == 0 &&
			(strcasecmp(o->name, name) == 0 ||
				(o->alias && strcasecmp(o->alias, name) == 0)))
			return o;
	return NULL;
}

size_t option_names(const char *section, const char **out)
{
	size_t i, n = 0;

	for (i = 0; i < option_count; i++)
		if (strcasecmp(option_table[i].section, section) == 0)
			out[n++] = option_table[i].name;
	return n;
}

void option_print_legal(const struct option *opt, struct buf *out)
{
	static const char *const texts[OPTION_TYPES] = {
		[OPTION_ENTITY_ID] = "six bytes, like 01:23:45:67:89:ab, or auto",
		[OPTION_NAME] = "1 to 255 bytes of UTF-8",
		[OPTION_PATH] = "a path",
		[OPTION_PATH_OR_NONE] = "a path, or nothing",
		[OPTION_GROUP] = "a group, or nothing",
		[OPTION_YES_NO] = "yes or no",
		[OPTION_CONNINFO] = "a connection string",
		[OPTION_CHANNEL_TYPE] = "event_channel",
		[OPTION_PUBLISH] = "device_state, mwi",
		[OPTION_SUBSCRIBE] = "device_state, mwi",
	};

	if (texts[opt->type])
		buf_adds(out, texts[opt->type]);
	else
		buf_addf(out, "%d to %d%s", opt->min, opt->max,
			opt->type == OPTION_SECONDS ? " seconds" : "");
}

/* ---- the sample ---- */

/* Comment lines of at most 80 characters. */
static void print_wrapped(struct buf *out, const char *text)
{
	size_t len;

	while (*text != '\0') {
		len = strlen(text);
		if (len > 78) {
			len = 78;
			while (len > 0 && text[len] != ' ')
				len--;
		}
		buf_addf(out, "; %.*s\n", (int)len, text);
		text += len + strspn(text + len, " ");
	}
}

static void print_default(struct buf *out, const struct option *opt)
{
	buf_adds(out, opt->default_help ? opt->default_help : opt->def);
}

static void print_sample_option(struct buf *out, const struct option *opt)
{
	struct buf text;
	bool shown = opt->type == OPTION_CONNINFO;

	buf_init(&text);
	buf_addc(out, '\n');
	print_wrapped(out, opt->help);
	buf_adds(&text, "Values: ");
	option_print_legal(opt, &text);
	buf_adds(&text, ". Default: ");
	print_default(&text, opt);
	buf_addc(&text, '.');
	if (opt->alias)
		buf_addf(&text, " Also written %s.", opt->alias);
	if (!opt->reloadable)
		buf_adds(&text, " Needs a restart.");
	print_wrapped(out, buf_str(&text));
	buf_addf(out, "%s%s = %s\n", shown ? "" : ";", opt->name,
		opt->example ? opt->example : opt->def);
	buf_clear(&text);
}

static void print_sample_channels(struct buf *out)
{
	size_t i;

	buf_adds(out,
		"\n; Event channels: which events are shared with the other servers. Each is a\n"
		"; section with a name of your own. In it:\n;\n");
	for (i = 0; i < option_count; i++) {
		if (strcmp(option_table[i].section, OPTION_CHANNEL) != 0)
			continue;
		buf_addf(out, ";   %s: ", option_table[i].name);
		option_print_legal(&option_table[i], out);
		buf_addc(out, '\n');
		buf_addf(out, ";     %s\n", option_table[i].help);
	}
	buf_adds(out, ";\n; A server that only publishes tells the others, and adds up "
				  "nothing but its own;\n"
				  "; one that only subscribes hears them and says nothing.\n");
	for (i = 0; i < EVENT_TYPES; i++) {
		const char *event = event_type_name((enum event_type)i);

		buf_addf(out,
			"\n[%s]\ntype=event_channel\npublish_event=%s\nsubscribe_event=%s\n", event,
			event, event);
	}
}

void options_print_sample(struct buf *out)
{
	const char *section = "";
	size_t i;

	buf_adds(out,
		"; pgdevstate.conf: a node of a cluster that shares the states of devices and\n"
		"; mailboxes through PostgreSQL. A semicolon begins a comment; write \\; for a\n"
		"; semicolon in a value. Relative paths begin at this file's directory.\n"
		"; 'core reload' reads it again; where it is wrong, the node goes on as it was\n"
		"; and says file, line and what to do.\n");
	for (i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];

		if (strcmp(opt->section, OPTION_CHANNEL) == 0)
			continue;
		if (strcmp(opt->section, section) != 0)
			buf_addf(out, "\n[%s]\n", opt->section);
		section = opt->section;
		print_sample_option(out, opt);
	}
	print_sample_channels(out);
}

/* ---- README's table ---- */

void options_print_table(struct buf *out)
{
	size_t i;

	buf_adds(out, "| section | option | values | default | reload | meaning |\n"
				  "|---|---|---|---|---|---|\n");
	for (i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];

		buf_addf(out, "| `[%s]` | `%s`", opt->section, opt->name);
		if (opt->alias)
			buf_addf(out, ", `%s`", opt->alias);
		buf_adds(out, " | ");
		option_print_legal(opt, out);
		buf_adds(out, " | ");
		print_default(out, opt);
		buf_addf(out, " | %s | %s |\n", opt->reloadable ? "yes" : "no", opt->help);
	}
}

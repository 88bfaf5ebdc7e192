/*
 * Layer 1: options: the configuration file, read by the table in options_table.c.
 * All that is wrong is told at once; nothing is taken silently.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf.h"
#include "mem.h"
#include "options.h"
#include "options_table.h"
#include "pginfo.h"
#include "suggest.h"

#define CHANNEL_TYPE     "event_channel"
#define SOCKET_NAME      "pgdevstated.ctl"
#define LINK_SOCKET_NAME "pgdevstate.link"
#define DIALPLAN_NAME    "extensions.conf"
#define OPTIONS_MAX      32 /* more than the table has; asserted */

_Static_assert(
	(int)EVENT_DEVICE_STATE == (int)KEY_DEVICE && (int)EVENT_MWI == (int)KEY_MAILBOX,
	"event types have the order of key kinds");

struct reading {
	struct options *o;
	const struct conf *conf;
	struct buf *errors;
	char *dir; /* of the file */
	const struct conf_entry *seen[OPTIONS_MAX];
	struct event_channel *channel; /* the one that is being read */
};

static void *field(const struct options *o, const struct option *opt)
{
	return (char *)o + opt->offset;
}

static void replace(char **where, char *with)
{
	free(*where);
	*where = with;
}

/* FILE:LINE: 'value' is no legal NAME (why); legal: ... */
static bool bad_value(struct reading *r, const struct option *opt,
	const struct conf_entry *e, const char *why)
{
	struct buf legal;

	buf_init(&legal);
	option_print_legal(opt, &legal);
	conf_complain(r->errors, r->conf->file, e->line, "%s = %s: %s; legal: %s", e->name,
		e->value, why, buf_str(&legal));
	buf_clear(&legal);
	return false;
}

/* ---- one setter for each type ---- */

static void set_entity_id(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	r->o->has_entity_id = strcasecmp(e->value, "auto") != 0;
	if (!r->o->has_entity_id)
		return;
	if (!entity_id_parse(e->value, &r->o->entity_id))
		bad_value(r, opt, e, "not an entity id (all 00 and all ff are none)");
}

static void set_name(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	const char *why;

	if (!name_check(e->value, strlen(e->value), &why))
		bad_value(r, opt, e, why);
	replace(field(r->o, opt), mem_strdup(e->value));
}

static char *absolute(const char *dir, const char *path)
{
	const char *slash = dir[strlen(dir) - 1] == '/' ? "" : "/";

	return *path == '/' ? mem_strdup(path) : mem_printf("%s%s%s", dir, slash, path);
}

static void set_path_or_none(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	char *path = *e->value != '\0' ? absolute(r->dir, e->value) : mem_strdup("");

	replace(field(r->o, opt), path);
	if (strlen(path) >= PATH_MAX)
		bad_value(r, opt, e, "too long for a path");
}

static void set_path(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	if (*e->value == '\0')
		bad_value(r, opt, e, "it is empty");
	else
		set_path_or_none(r, opt, e);
}

static void set_group(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	const char *why;

	if (*e->value && !name_check(e->value, strlen(e->value), &why))
		bad_value(r, opt, e, why);
	replace(field(r->o, opt), mem_strdup(e->value));
}

static bool parse_number(
	struct reading *r, const struct option *opt, const struct conf_entry *e, int *out)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(e->value, &end, 10);
	/* strtol() would take "", " 1" and "+1". */
	if (strspn(e->value, "-0123456789") != strlen(e->value) || end == e->value || *end)
		return bad_value(r, opt, e, "not a whole number");
	if (errno != 0 || n < opt->min || n > opt->max)
		return bad_value(r, opt, e, "out of range");
	*out = (int)n;
	return true;
}

static void set_number(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	parse_number(r, opt, e, field(r->o, opt));
}

static void set_seconds(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	int seconds;

	if (parse_number(r, opt, e, &seconds))
		*(int *)field(r->o, opt) = seconds * 1000;
}

static void set_yes_no(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	static const char *const words[] = {"no", "yes", "off", "on", "false", "true"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(e->value, words[i]) == 0) {
			*(bool *)field(r->o, opt) = i % 2 != 0;
			return;
		}
	}
	bad_value(r, opt, e, "neither yes nor no");
}

static void set_conninfo(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	struct pginfo info;
	char *error = NULL;

	replace(field(r->o, opt), mem_strdup(e->value));
	if (*e->value == '\0') {
		bad_value(r, opt, e, "it is empty; for example: dbname=pgdevstate");
		return;
	}
	if (pginfo_init(&info, e->value, "", &error)) {
		pginfo_clear(&info);
		return;
	}
	/* The value may hold a password: it is not repeated. */
	conf_complain(r->errors, r->conf->file, e->line,
		"%s: %s; write it as for psql, for example: host=db1,db2 dbname=pgdevstate",
		opt->name, error);
	free(error);
}

static void set_channel_type(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	if (strcasecmp(e->value, CHANNEL_TYPE) != 0)
		bad_value(r, opt, e, "unknown type");
}

static void set_event(
	struct reading *r, const struct conf_entry *e, bool events[EVENT_TYPES])
{
	const char *names[EVENT_TYPES];
	struct buf hint;
	int i;

	for (i = 0; i < EVENT_TYPES; i++) {
		names[i] = event_type_name((enum event_type)i);
		if (strcasecmp(names[i], e->value) == 0) {
			events[i] = true;
			return;
		}
	}
	buf_init(&hint);
	suggest_print(&hint, e->value, names, EVENT_TYPES);
	conf_complain(r->errors, r->conf->file, e->line, "%s: unknown event '%s'%s", e->name,
		e->value, buf_str(&hint));
	buf_clear(&hint);
}

static void set_publish(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	(void)opt;
	set_event(r, e, r->channel->publish);
}

static void set_subscribe(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	(void)opt;
	set_event(r, e, r->channel->subscribe);
}

static void (*const setters[OPTION_TYPES])(
	struct reading *r, const struct option *opt, const struct conf_entry *e) = {
	[OPTION_ENTITY_ID] = set_entity_id,
	[OPTION_NAME] = set_name,
	[OPTION_PATH] = set_path,
	[OPTION_PATH_OR_NONE] = set_path_or_none,
	[OPTION_GROUP] = set_group,
	[OPTION_NUMBER] = set_number,
	[OPTION_SECONDS] = set_seconds,
	[OPTION_YES_NO] = set_yes_no,
	[OPTION_CONNINFO] = set_conninfo,
	[OPTION_CHANNEL_TYPE] = set_channel_type,
	[OPTION_PUBLISH] = set_publish,
	[OPTION_SUBSCRIBE] = set_subscribe,
};

/* ---- sections ---- */

static bool is_repeatable(const struct option *opt)
{
	return opt->type == OPTION_PUBLISH || opt->type == OPTION_SUBSCRIBE;
}

static bool same_value(const struct option *opt, const char *a, const char *b)
{
	return opt->type == OPTION_ENTITY_ID ? strcasecmp(a, b) == 0 : strcmp(a, b) == 0;
}

/* Given twice is fine when both say the same; the first counts. */
static bool check_repeated(
	struct reading *r, const struct option *opt, const struct conf_entry *e)
{
	const struct conf_entry **seen = &r->seen[opt - option_table];

	if (!*seen || is_repeatable(opt)) {
		*seen = e;
		return true;
	}
	if (!same_value(opt, (*seen)->value, e->value))
		conf_complain(r->errors, r->conf->file, e->line,
			"%s: line %d says something else (%s); keep one of them", e->name,
			(*seen)->line, (*seen)->name);
	return false;
}

static void unknown_option(
	struct reading *r, const char *section, const char *shown, const struct conf_entry *e)
{
	const char *names[OPTIONS_MAX];
	size_t n = option_names(section, names);
	struct buf hint;

	buf_init(&hint);
	suggest_print(&hint, e->name, names, n);
	conf_complain(r->errors, r->conf->file, e->line, "unknown option '%s' in [%s]%s",
		e->name, shown, buf_str(&hint));
	buf_clear(&hint);
}

static void read_entries(
	struct reading *r, const char *section, const struct conf_section *s)
{
	const struct option *opt;
	size_t i;

	for (i = 0; i < s->nentries; i++) {
		opt = option_find(section, s->entries[i].name);
		if (!opt)
			unknown_option(r, section, s->name, &s->entries[i]);
		else if (check_repeated(r, opt, &s->entries[i]))
			setters[opt->type](r, opt, &s->entries[i]);
	}
}

static bool has_entry(const struct conf_section *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->nentries; i++)
		if (strcasecmp(s->entries[i].name, name) == 0)
			return true;
	return false;
}

/* Is this section one that we may read as an event channel? */
static bool check_channel(struct reading *r, const struct conf_section *s)
{
	static const char *const sections[] = {"options", "postgresql"};
	const char *close = suggest_word(s->name, sections, 2);
	const struct event_channel *c;
	const char *why;

	for (c = r->o->channels; c; c = c->next) {
		if (strcmp(c->name, s->name) != 0)
			continue;
		conf_complain(r->errors, r->conf->file, s->line,
			"there is an event channel [%s] already; put both into one section", s->name);
		return false;
	}
	if (!has_entry(s, "type")) {
		conf_complain(r->errors, r->conf->file, s->line,
			"[%s] has no type%s%s%s; a section is [options], [postgresql] or an event "
			"channel "
			"with the line type=" CHANNEL_TYPE,
			s->name, close ? "; did you mean [" : "", close ? close : "",
			close ? "]?" : "");
		return false;
	}
	if (name_check(s->name, strlen(s->name), &why))
		return true;
	conf_complain(
		r->errors, r->conf->file, s->line, "bad name of an event channel: %s", why);
	return false;
}

static void read_channel(struct reading *r, const struct conf_section *s)
{
	struct event_channel **end = &r->o->channels;

	if (!check_channel(r, s))
		return;
	while (*end)
		end = &(*end)->next;
	r->channel = *end = mem_alloc(sizeof(**end));
	r->channel->name = mem_strdup(s->name);
	memset(r->seen, 0, sizeof(r->seen));
	read_entries(r, OPTION_CHANNEL, s);
}

/* Channels forget what was seen: all of [options] and [postgresql] comes first. */
static void read_sections(struct reading *r)
{
	static const char *const sections[] = {"options", "postgresql"};
	const struct conf_section *s = r->conf->sections;
	size_t i, k;

	for (k = 0; k < 2; k++)
		for (i = 0; i < r->conf->nsections; i++)
			if (strcasecmp(s[i].name, sections[k]) == 0)
				read_entries(r, sections[k], &s[i]);
	for (i = 0; i < r->conf->nsections; i++)
		if (strcasecmp(s[i].name, sections[0]) != 0 &&
			strcasecmp(s[i].name, sections[1]) != 0)
			read_channel(r, &s[i]);
}

/* ---- what the file leaves open ---- */

static void set_defaults(struct reading *r)
{
	struct conf_entry e = {0};
	size_t i;

	for (i = 0; i < option_count; i++) {
		if (!option_table[i].def)
			continue;
		e.name = (char *)option_table[i].name;
		e.value = (char *)option_table[i].def;
		setters[option_table[i].type](r, &option_table[i], &e);
	}
}

/* A host without a MAC address has none, until a telephone server is linked. */
static void find_entity_id(struct reading *r)
{
	if (!r->o->has_entity_id && !entity_id_from_interfaces(&r->o->entity_id))
		memset(&r->o->entity_id, 0, sizeof(r->o->entity_id));
}

static void find_system_name(struct reading *r)
{
	char host[NAME_MAX_BYTES + 1] = "";
	const char *why;

	if (r->o->system_name)
		return;
	gethostname(host, sizeof(host) - 1);
	r->o->system_name = mem_strdup(host);
	if (!name_check(host, strlen(host), &why))
		conf_complain(r->errors, r->conf->file, 0,
			"the host's name cannot be used (%s); set system_name in [options]", why);
}

static void find_dialplan(struct reading *r)
{
	if (r->o->dialplan)
		return;
	r->o->dialplan = absolute(r->dir, DIALPLAN_NAME);
	if (access(r->o->dialplan, F_OK) != 0)
		*r->o->dialplan = '\0';
}

static void find_socket(struct reading *r, char **path, const char *name,
	const char *whose, const char *option)
{
	size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (!*path)
		*path = absolute(r->o->run_directory, name);
	if (strlen(*path) > max)
		conf_complain(r->errors, r->conf->file, 0,
			"the %s's socket %s has a path of %zu bytes, the system allows %zu; set a "
			"shorter run_directory or %s in [options]",
			whose, *path, strlen(*path), max, option);
}

static bool says_something(const struct event_channel *c)
{
	int i;

	for (i = 0; i < EVENT_TYPES; i++)
		if (c->publish[i] || c->subscribe[i])
			return true;
	return false;
}

static void find_warnings(struct reading *r)
{
	const struct event_channel *c;
	struct buf b;

	buf_init(&b);
	if (!r->o->channels)
		conf_complain(&b, r->conf->file, 0,
			"no event channel: nothing is shared with other servers; add a section with "
			"type=" CHANNEL_TYPE " (see the sample)");
	for (c = r->o->channels; c; c = c->next)
		if (!says_something(c))
			conf_complain(&b, r->conf->file, 0,
				"event channel [%s] has neither publish_event nor subscribe_event: it "
				"does "
				"nothing",
				c->name);
	r->o->warnings = buf_take(&b);
}

static void fill_in(struct reading *r)
{
	find_entity_id(r);
	find_system_name(r);
	find_dialplan(r);
	find_socket(r, &r->o->socket, SOCKET_NAME, "console", "socket");
	find_socket(r, &r->o->link_socket, LINK_SOCKET_NAME, "link", "link_socket");
	find_warnings(r);
	if (!r->o->conninfo)
		conf_complain(r->errors, r->conf->file, 0,
			"conninfo is missing; say in [postgresql] how to reach the database, for "
			"example: "
			"conninfo = dbname=pgdevstate");
}

/* ---- the outside ---- */

const char *event_type_name(enum event_type t)
{
	return t == EVENT_MWI ? "mwi" : "device_state";
}

static char *directory_of(const char *absolute_file)
{
	const char *slash = strrchr(absolute_file, '/');

	return mem_strndup(
		absolute_file, slash == absolute_file ? 1 : (size_t)(slash - absolute_file));
}

/* Also where the current directory is gone. */
static char *absolute_file(const char *file)
{
	char cwd[PATH_MAX];

	return absolute(getcwd(cwd, sizeof(cwd)) ? cwd : "/", file);
}

/* What could be understood; the rest is complained of. */
static struct options *understand(const struct conf *conf, struct buf *errors)
{
	struct reading r = {.conf = conf, .errors = errors};

	assert(option_count <= OPTIONS_MAX);
	r.o = mem_alloc(sizeof(*r.o));
	r.o->file = absolute_file(conf->file);
	r.dir = directory_of(r.o->file);
	set_defaults(&r);
	read_sections(&r);
	fill_in(&r);
	free(r.dir);
	return r.o;
}

static struct options *read_options(
	const struct conf *conf, struct buf *errors, size_t before)
{
	struct options *o = understand(conf, errors);

	if (errors->len == before)
		return o;
	options_free(o);
	return NULL;
}

struct options *options_parse(
	const char *file, const char *text, size_t len, struct buf *errors)
{
	size_t before = errors->len;
	struct conf *conf = conf_parse(file, text, len, errors);
	struct options *o = read_options(conf, errors, before);

	conf_free(conf);
	return o;
}

static struct conf *read_conf(const char *file, struct buf *errors)
{
	return conf_read(file,
		"write one (pgdevstate.conf.sample shows how) or name another with -C FILE",
		errors);
}

struct options *options_read(const char *file, struct buf *errors)
{
	size_t before = errors->len;
	struct options *o = NULL;
	struct conf *conf = read_conf(file, errors);

	if (conf)
		o = read_options(conf, errors, before);
	conf_free(conf);
	return o;
}

char *options_read_socket(const char *file, struct buf *errors)
{
	struct conf *conf = read_conf(file, errors);
	struct options *o = conf ? understand(conf, errors) : NULL;
	char *path = o ? mem_strdup(o->socket) : NULL;

	options_free(o);
	conf_free(conf);
	return path;
}

void options_free(struct options *o)
{
	struct event_channel *c;

	if (!o)
		return;
	while ((c = o->channels)) {
		o->channels = c->next;
		free(c->name);
		free(c);
	}
	free(o->file);
	free(o->system_name);
	free(o->run_directory);
	free(o->socket);
	free(o->link_socket);
	free(o->link_group);
	free(o->dialplan);
	free(o->log_file);
	free(o->conninfo);
	free(o->warnings);
	free(o);
}

bool options_publishes(const struct options *o, enum event_type t)
{
	const struct event_channel *c;

	for (c = o->channels; c; c = c->next)
		if (c->publish[t])
			return true;
	return false;
}

bool options_subscribes(const struct options *o, enum event_type t)
{
	const struct event_channel *c;

	for (c = o->channels; c; c = c->next)
		if (c->subscribe[t])
			return true;
	return false;
}

static bool differs(
	const struct options *a, const struct options *b, const struct option *opt)
{
	switch (opt->type) {
	case OPTION_ENTITY_ID:
		/* The first MAC address may be another one by now: that is no wish of anybody. */
		return (a->has_entity_id || b->has_entity_id) &&
			   !entity_id_equal(&a->entity_id, &b->entity_id);
	case OPTION_NUMBER:
	case OPTION_SECONDS:
		return *(int *)field(a, opt) != *(int *)field(b, opt);
	case OPTION_YES_NO:
		return *(bool *)field(a, opt) != *(bool *)field(b, opt);
	default:
		return strcmp(*(char **)field(a, opt), *(char **)field(b, opt)) != 0;
	}
}

void options_diff(const struct options *old, const struct options *new, struct buf *out)
{
	const char *comma = "";
	size_t i;

	for (i = 0; i < option_count; i++) {
		if (option_table[i].reloadable || !differs(old, new, &option_table[i]))
			continue;
		buf_addf(out, "%s%s", comma, option_table[i].name);
		comma = ", ";
	}
}

static size_t field_size(const struct option *opt)
{
	switch (opt->type) {
	case OPTION_ENTITY_ID:
		return sizeof(struct entity_id);
	case OPTION_NUMBER:
	case OPTION_SECONDS:
		return sizeof(int);
	case OPTION_YES_NO:
		return sizeof(bool);
	default:
		return sizeof(char *);
	}
}

static void swap_bytes(char *a, char *b, size_t size)
{
	while (size-- > 0) {
		char c = a[size];

		a[size] = b[size];
		b[size] = c;
	}
}

void options_keep(struct options *old, struct options *new)
{
	bool has_entity_id = old->has_entity_id;

	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];

		if (!opt->reloadable && strcmp(opt->section, OPTION_CHANNEL) != 0)
			swap_bytes(field(old, opt), field(new, opt), field_size(opt));
	}
	old->has_entity_id = new->has_entity_id;
	new->has_entity_id = has_entity_id;
}

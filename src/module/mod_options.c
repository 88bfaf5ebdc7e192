/* Layer 1: res_pgdevstate.conf: what its entries mean. Pure. */
#include "mod_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const event_names[MOD_EVENTS] = {"device_state", "mwi"};

const char *mod_event_name(enum mod_event event)
{
	return event_names[event];
}

void options_begin(struct mod_options *o)
{
	memset(o, 0, sizeof(*o));
	strcpy(o->socket, OPTIONS_SOCKET);
	o->stale_after_s = 60;
	o->import_max = 50000;
	o->default_excludes = true;
}

static bool set_number(
	int *out, const char *value, int min, int max, char *why, size_t size)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (end == value || *end || n < min || n > max) {
		snprintf(why, size, "'%s' is not a number from %d to %d", value, min, max);
		return false;
	}
	*out = (int)n;
	return true;
}

static bool set_socket(struct mod_options *o, const char *value, char *why, size_t size)
{
	if (value[0] != '/' || strlen(value) >= sizeof(o->socket)) {
		snprintf(why, size,
			"a socket is a path that begins with '/' and has at most %zu bytes",
			sizeof(o->socket) - 1);
		return false;
	}
	strcpy(o->socket, value);
	return true;
}

static bool set_bool(bool *out, const char *value, char *why, size_t size)
{
	if (strcasecmp(value, "yes") != 0 && strcasecmp(value, "no") != 0) {
		snprintf(why, size, "'%s' is neither yes nor no", value);
		return false;
	}
	*out = strcasecmp(value, "yes") == 0;
	return true;
}

static bool set_general(
	struct mod_options *o, const char *name, const char *value, char *why, size_t size)
{
	if (strcasecmp(name, "socket") == 0)
		return set_socket(o, value, why, size);
	if (strcasecmp(name, "stale_after") == 0)
		return set_number(&o->stale_after_s, value, 1, 86400, why, size);
	if (strcasecmp(name, "import_max") == 0)
		return set_number(&o->import_max, value, 1, 100000, why, size);
	if (strcasecmp(name, "default_excludes") == 0)
		return set_bool(&o->default_excludes, value, why, size);
	if (strcasecmp(name, "voicemail_provider") == 0)
		return set_bool(&o->voicemail_provider, value, why, size);
	snprintf(why, size,
		"unknown option; [general] has socket, stale_after, import_max, "
		"default_excludes, voicemail_provider");
	return false;
}

static struct mod_channel *channel_of(struct mod_options *o, const char *section)
{
	struct mod_channel *c;

	for (int i = 0; i < o->channels; i++)
		if (strcasecmp(o->channel[i].name, section) == 0)
			return &o->channel[i];
	if (o->channels == OPTIONS_CHANNELS || strlen(section) >= OPTIONS_CHANNEL)
		return NULL;
	c = &o->channel[o->channels++];
	strcpy(c->name, section);
	return c;
}

static bool set_event(bool set[MOD_EVENTS], const char *value, char *why, size_t size)
{
	for (int e = 0; e < MOD_EVENTS; e++) {
		if (strcasecmp(event_names[e], value) == 0) {
			set[e] = true;
			return true;
		}
	}
	snprintf(why, size, "there is no event '%s'; events are device_state, mwi", value);
	return false;
}

/* A pattern is for the events of its section, which so stand above it. */
static bool add_pattern(struct mod_options *o, const struct mod_channel *c, bool include,
	const char *value, char *why, size_t size)
{
	const char *reason = "";
	bool any = false;

	for (int e = 0; e < MOD_EVENTS; e++) {
		struct filter *f = &o->filter[e];

		if (!c->publish[e] && !c->subscribe[e])
			continue;
		any = true;
		if (!(include ? filter_include : filter_exclude)(f, value, &reason)) {
			snprintf(why, size, "'%.80s': %s", value, reason);
			return false;
		}
	}
	if (!any)
		snprintf(why, size,
			"publish_event or subscribe_event must stand above the patterns of a "
			"section");
	return any;
}

static bool set_channel(struct mod_options *o, struct mod_channel *c, const char *name,
	const char *value, char *why, size_t size)
{
	if (strcasecmp(name, "type") == 0) {
		c->typed = strcasecmp(value, "event_channel") == 0;
		if (!c->typed)
			snprintf(why, size, "'%s' is no type; there is event_channel", value);
		return c->typed;
	}
	if (strcasecmp(name, "publish_event") == 0)
		return set_event(c->publish, value, why, size);
	if (strcasecmp(name, "subscribe_event") == 0)
		return set_event(c->subscribe, value, why, size);
	if (strcasecmp(name, "include") == 0 || strcasecmp(name, "exclude") == 0)
		return add_pattern(o, c, strcasecmp(name, "include") == 0, value, why, size);
	snprintf(why, size,
		"unknown option; an event channel has type, publish_event, subscribe_event, "
		"include, "
		"exclude");
	return false;
}

bool options_set(struct mod_options *o, const char *section, const char *name,
	const char *value, char *why, size_t size)
{
	struct mod_channel *c;

	if (strcasecmp(section, "general") == 0)
		return set_general(o, name, value, why, size);
	c = channel_of(o, section);
	if (!c) {
		snprintf(why, size, "at most %d event channels, with names of at most %d bytes",
			OPTIONS_CHANNELS, OPTIONS_CHANNEL - 1);
		return false;
	}
	return set_channel(o, c, name, value, why, size);
}

bool options_end(struct mod_options *o, char *why, size_t size)
{
	for (int i = 0; i < o->channels; i++) {
		const struct mod_channel *c = &o->channel[i];

		if (!c->typed) {
			snprintf(why, size, "section [%s] has no type=event_channel", c->name);
			return false;
		}
		for (int e = 0; e < MOD_EVENTS; e++) {
			o->publish[e] |= c->publish[e];
			o->subscribe[e] |= c->subscribe[e];
		}
	}
	if (o->default_excludes)
		filter_exclude_defaults(&o->filter[EVENT_DEVICE_STATE]);
	return true;
}

bool options_share(const struct mod_options *o)
{
	for (int e = 0; e < MOD_EVENTS; e++)
		if (o->publish[e] || o->subscribe[e])
			return true;
	return false;
}

bool options_publish(const struct mod_options *o, enum mod_event event, const char *name)
{
	return o->publish[event] && filter_passes(&o->filter[event], name);
}

bool options_subscribe(
	const struct mod_options *o, enum mod_event event, const char *name)
{
	return o->subscribe[event] && filter_passes(&o->filter[event], name);
}

/*
 * Layer 1: res_pgdevstate.conf: what its entries mean. Reading the file is Asterisk's.
 * Pure; nothing unknown is ignored.
 */
#ifndef MOD_OPTIONS_H
#define MOD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "mod_filter.h"

#define OPTIONS_SOCKET      "/run/pgdevstate/pgdevstate.link"
#define OPTIONS_SOCKET_SIZE 108 /* sun_path */
#define OPTIONS_CHANNELS    8
#define OPTIONS_CHANNEL     48

enum mod_event { EVENT_DEVICE_STATE, EVENT_MWI, MOD_EVENTS };
const char *mod_event_name(enum mod_event event);

/* A section of type event_channel. */
struct mod_channel {
	char name[OPTIONS_CHANNEL];
	bool typed;
	bool publish[MOD_EVENTS], subscribe[MOD_EVENTS];
};

struct mod_options {
	char socket[OPTIONS_SOCKET_SIZE];
	int stale_after_s;
	int import_max;
	bool default_excludes;
	bool voicemail_provider;
	bool publish[MOD_EVENTS], subscribe[MOD_EVENTS]; /* of all channels */
	struct filter filter[MOD_EVENTS];
	int channels;
	struct mod_channel channel[OPTIONS_CHANNELS];
};

void options_begin(struct mod_options *o);
/* One entry. False: `why` says what is wrong and what is allowed. */
bool options_set(struct mod_options *o, const char *section, const char *name,
	const char *value, char *why, size_t size);
/* All were set: the rest. */
bool options_end(struct mod_options *o, char *why, size_t size);
/* Is anything? */
bool options_share(const struct mod_options *o);
/* Is this name told to others, or taken from them? */
bool options_publish(const struct mod_options *o, enum mod_event event, const char *name);
bool options_subscribe(
	const struct mod_options *o, enum mod_event event, const char *name);

#endif

/*
 * Layer 1: the configuration file: one table of options, event channels, all checked.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

#include "buf.h"
#include "change.h"
#include "entity_id.h"

/* Of debug and verbose, in the file and on the console. */
#define OPTIONS_LEVEL_MAX 99

/* The same order as key kinds. */
enum event_type { EVENT_DEVICE_STATE, EVENT_MWI, EVENT_TYPES };
const char *event_type_name(enum event_type t); /* "device_state", "mwi" */

struct event_channel {
	char *name;
	bool publish[EVENT_TYPES];
	bool subscribe[EVENT_TYPES];
	struct event_channel *next; /* in the file's order */
};

struct options {
	char *file; /* where it was read from, absolute */
	struct entity_id entity_id;
	bool has_entity_id;  /* set in the file; else ("auto") the first usable MAC was taken,
							or there is none */
	char *system_name;   /* default: the host's name */
	char *run_directory; /* default /run/pgdevstate; holds the console's socket */
	char *socket;   /* the console's; default run_directory/pgdevstated.ctl; absolute */
	char *dialplan; /* absolute path of extensions.conf; "" for none */
	char *log_file; /* "": stderr with -f, else syslog */
	char *link_socket; /* default run_directory/pgdevstate.link; absolute */
	char *link_group;  /* of the link's socket; "": the node's own */
	int debug, verbose;
	int lease_ms;       /* `lease` in seconds, default 10 */
	int stale_after_ms; /* `stale_after` in seconds, default 60 */
	bool announce;      /* default yes */
	char *conninfo;
	struct event_channel *channels;
	char *warnings; /* "FILE: text\n" each, for the log; "" when there are none */
};

/*
 * Read and check. On failure returns NULL and `errors` holds one line for each thing that
 * is wrong: "FILE:LINE: what is wrong; what to do".
 */
struct options *options_read(const char *file, struct buf *errors);
struct options *options_parse(
	const char *file, const char *text, size_t len, struct buf *errors);
/*
 * Only where the console's socket is, from whatever can be understood of the file: with a
 * mistake in it the daemon that runs can still be talked to. The caller frees; NULL: no
 * file.
 */
char *options_read_socket(const char *file, struct buf *errors);
void options_free(struct options *o);

/* Does any channel publish / subscribe to it? */
bool options_publishes(const struct options *o, enum event_type t);
bool options_subscribes(const struct options *o, enum event_type t);

/* What differs and cannot change without a restart: "entity_id, conninfo"; "" when
 * nothing. */
void options_diff(const struct options *old, const struct options *new, struct buf *out);

/* Carry what cannot change without a restart from `old` over into `new`, and back. */
void options_keep(struct options *old, struct options *new);

void options_print_sample(struct buf *out); /* conf/pgdevstate.conf.sample is this */
void options_print_table(struct buf *out);  /* README's table is this */

#endif

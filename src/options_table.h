/* Layer 1: the table of options: what options.c parses, and what sample and README show.
 */
#ifndef OPTIONS_TABLE_H
#define OPTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum option_type {
	OPTION_ENTITY_ID,
	OPTION_NAME,
	OPTION_PATH, /* must not be empty */
	OPTION_PATH_OR_NONE,
	OPTION_GROUP,
	OPTION_NUMBER,
	OPTION_SECONDS, /* kept in milliseconds */
	OPTION_YES_NO,  /* kept as bool */
	OPTION_CONNINFO,
	OPTION_CHANNEL_TYPE, /* these three are an event channel's */
	OPTION_PUBLISH,
	OPTION_SUBSCRIBE,
	OPTION_TYPES
};

struct option {
	const char *section; /* "NAME" for those of an event channel */
	const char *name;
	const char *alias; /* NULL: none */
	enum option_type type;
	size_t offset;   /* in struct options; an event channel's have none */
	int min, max;    /* numbers and seconds */
	const char *def; /* as one would write it; NULL: default_help says it */
	const char *default_help;
	bool reloadable;
	const char *example; /* in the sample, where there is no `def` to show */
	const char *help;
};

extern const struct option option_table[];
extern const size_t option_count;

#define OPTION_CHANNEL "NAME" /* the section of the options of event channels */

/* NULL when there is none. Without case, as Asterisk compares. */
const struct option *option_find(const char *section, const char *name);
/* The names of a section's options; returns how many. `out` has room for option_count. */
size_t option_names(const char *section, const char **out);
/* "2 to 3600 seconds", "device_state, mwi": writes what is legal. */
struct buf;
void option_print_legal(const struct option *opt, struct buf *out);

#endif

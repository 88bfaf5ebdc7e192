/*
 * Layer 1: which names are shared. A pattern has `*` for any bytes and `?` for one;
 * letters match without case. Pure.
 */
#ifndef MOD_FILTER_H
#define MOD_FILTER_H

#include <stdbool.h>

#define FILTER_PATTERNS 64
#define FILTER_TEXT     80 /* a pattern, with NUL */

struct filter {
	int includes, excludes;
	char include[FILTER_PATTERNS][FILTER_TEXT];
	char exclude[FILTER_PATTERNS][FILTER_TEXT];
};

/* False: *why. */
bool filter_include(struct filter *f, const char *pattern, const char **why);
bool filter_exclude(struct filter *f, const char *pattern, const char **why);
/* Not excluded, and included where there is any include. */
bool filter_passes(const struct filter *f, const char *name);
/* What is never meant for others, or would come back as an echo. */
void filter_exclude_defaults(struct filter *f);

#endif

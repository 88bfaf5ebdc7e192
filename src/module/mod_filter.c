/* Layer 1: which names are shared. Pure. */
#include "mod_filter.h"

#include <stddef.h>
#include <string.h>

#include "pattern.h"

/*
 * Each server has its own queues, parking lots, conferences; and MWI: is made on every
 * server from the mailboxes, with the server's own id.
 */
static const char *const never_shared[] = {"Queue:*", "park:*", "MWI:*", "ccss:*",
	"confbridge:*", "meetme:*", "SLA:*", "Calendar:*"};

static bool add(
	char list[][FILTER_TEXT], int *count, const char *pattern, const char **why)
{
	size_t len = strlen(pattern);

	if (len == 0 || len >= FILTER_TEXT) {
		*why = "a pattern has 1 to 79 bytes";
		return false;
	}
	if (*count == FILTER_PATTERNS) {
		*why = "there are more than 64 patterns";
		return false;
	}
	memcpy(list[(*count)++], pattern, len + 1);
	return true;
}

bool filter_include(struct filter *f, const char *pattern, const char **why)
{
	return add(f->include, &f->includes, pattern, why);
}

bool filter_exclude(struct filter *f, const char *pattern, const char **why)
{
	return add(f->exclude, &f->excludes, pattern, why);
}

bool filter_passes(const struct filter *f, const char *name)
{
	bool in = f->includes == 0;

	for (int i = 0; i < f->excludes; i++)
		if (pattern_matches(f->exclude[i], name))
			return false;
	for (int i = 0; !in && i < f->includes; i++)
		in = pattern_matches(f->include[i], name);
	return in;
}

void filter_exclude_defaults(struct filter *f)
{
	const char *why;

	for (size_t i = 0; i < sizeof(never_shared) / sizeof(never_shared[0]); i++)
		filter_exclude(f, never_shared[i], &why);
}

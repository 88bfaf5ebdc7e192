/* Layer 1: Asterisk's version, as it names itself. Pure. */
#include "mod_version.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Releases with longer support, and what was built from a checkout. */
static const char *const kinds[] = {"GIT-", "certified/", "certified-"};

static const char *skip_kinds(const char *version)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i]);

		if (strncmp(version, kinds[i], len) == 0)
			return skip_kinds(version + len);
	}
	return version;
}

int version_major(const char *version)
{
	const char *number = skip_kinds(version);
	char *end;
	long major;

	if (*number < '1' || *number > '9')
		return 0;
	major = strtol(number, &end, 10);
	return major < 1000 && (*end == '.' || *end == '-' || *end == '\0') ? (int)major : 0;
}

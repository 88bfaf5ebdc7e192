/* What the daemon answers when it is asked for completions. */
#ifndef CANDIDATES_H
#define CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

struct candidates {
	size_t replace; /* so many bytes before the cursor are replaced */
	int count;
	char *common;      /* what all of them begin with */
	const char *words; /* a line for each; borrowed from the answer */
};

/* False: there are none, or the answer makes no sense. Clear in both cases. */
bool candidates_parse(const char *answer, size_t cursor, struct candidates *out);
void candidates_clear(struct candidates *c);

#endif

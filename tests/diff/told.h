/*
 * What one of the two databases said, as text that can be compared: the chunks of a
 * change joined, lines in one order.
 */
#ifndef TOLD_H
#define TOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

struct told {
	char **payloads;
	size_t n;
};

void told_add(void *told, const char *text, size_t len);
/* Appends all of it to `out` and forgets it. `sorted`: their order does not matter. */
void told_print(struct told *t, bool sorted, struct buf *out);

#endif

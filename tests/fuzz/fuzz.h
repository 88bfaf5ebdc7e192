/* What fuzz_*.c share: the entry that libFuzzer and replay.c call, and a check that
 * stays. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                             \
	do {                                                                            \
		if (!(condition)) {                                                         \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                           \
	} while (0)

/* A copy that ends where the input does, so that reading past it is seen. */
static inline char *fuzz_copy(const void *bytes, size_t len)
{
	char *copy = malloc(len ? len : 1);

	must(copy);
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

/* The same with a NUL behind it. */
static inline char *fuzz_text(const void *bytes, size_t len)
{
	char *copy = malloc(len + 1);

	must(copy);
	if (len > 0)
		memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

/* What is logged of bad input is expected. */
static inline void fuzz_quiet(void)
{
	static bool quiet;

	if (!quiet)
		must(log_open(LOG_TO_FILE, "/dev/null"));
	quiet = true;
}

#endif

/* Layer 1: a command line taken apart into words, and one word put into quotes again. */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

#define WORDS_MAX 32

struct words {
	int count;
	char *word[WORDS_MAX + 1]; /* NULL behind the last */
	size_t start[WORDS_MAX];   /* where each begins in the line */
	bool open;                 /* the line ends inside quotes or behind a backslash */
	bool blank_end; /* the line ends with a blank: the next word is a new one */
};

/* False: too many words, or a NUL byte; *why says so. Clear in both cases. */
bool words_parse(const char *line, size_t len, struct words *out, const char **why);
void words_clear(struct words *w);

/* With quotes where words_parse() would take it apart otherwise. */
void words_quote(struct buf *out, const char *word);

/* The i-th of words divided by one blank; NULL: there are not so many. */
const char *words_nth(const char *words, int i, size_t *len);
int words_count(const char *words);

#endif

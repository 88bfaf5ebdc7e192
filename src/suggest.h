/* Layer 0: "did you mean ...": the closest of the known words. */
#ifndef SUGGEST_H
#define SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* NULL when nothing is close (or `word` is known). Compares without case. */
const char *suggest_word(const char *word, const char *const *known, size_t n);

/* Adds "; did you mean 'X'?" when there is one, then "; legal: A, B, C". */
void suggest_print(struct buf *out, const char *word, const char *const *known, size_t n);

#endif

/* Layer 0: texts of servers and peers, made fit for a line of ours. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

/* The length of the UTF-8 character at `s` (at most `len` bytes), 0 when it is none. */
size_t text_utf8_len(const char *s, size_t len);

/*
 * One line of UTF-8: runs of spaces and control characters become one space, none at the
 * ends; what is not UTF-8 becomes '?'. Caller frees.
 */
char *text_one_line(const char *text);

#endif

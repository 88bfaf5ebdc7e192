/* Layer 0: UTF-8: what is a character, what is a control character. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The bytes of the character at `s`, 0 when there is none: overlong, a surrogate, too
 * large, or cut by the end. The same that PostgreSQL accepts. left > 0.
 */
size_t utf8_len(const char *s, size_t left);
/* C0, DEL or C1? `len` is what utf8_len() said. */
bool utf8_is_control(const char *s, size_t len);

#endif

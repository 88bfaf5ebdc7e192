/* Layer 0: a growing byte buffer, always NUL-terminated behind `len`. */
#ifndef BUF_H
#define BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* NULL until something was added; use buf_str() to read */
	size_t len;
	size_t cap;
};

void buf_init(struct buf *b);
void buf_clear(struct buf *b); /* frees; usable again afterwards */
void buf_reset(struct buf *b); /* empties, keeps the memory */
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_add_number(struct buf *b, int64_t number); /* decimal, many a batch */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addv(struct buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
const char *buf_str(const struct buf *b); /* borrowed; "" when empty */
char *buf_take(struct buf *b); /* caller frees; the buffer is empty afterwards */

#endif

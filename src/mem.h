/* Layer 0: memory. Allocation that cannot fail: out of memory ends the process with a
 * message. */
#ifndef MEM_H
#define MEM_H

#include <stddef.h>

void *mem_alloc(size_t size); /* zeroed; free with free() */
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

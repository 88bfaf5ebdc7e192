/* Layer 0: texts of servers and peers, made fit for a line of ours. */
#include "text.h"

#include <stdbool.h>
#include <string.h>

#include "buf.h"
#include "utf8.h"

/* The run of spaces and control characters at `s`; does a line end in it? */
static size_t blank_len(const char *s, bool *newline)
{
	size_t len = 0, n;

	*newline = false;
	while (s[len]) {
		n = utf8_len(s + len, strnlen(s + len, 4));
		if (n == 0 || !(s[len] == ' ' || utf8_is_control(s + len, n)))
			break;
		*newline |= s[len] == '\n';
		len += n;
	}
	return len;
}

char *text_one_line(const char *text)
{
	const char *s = text;
	bool newline;
	struct buf b;
	size_t n;

	buf_init(&b);
	while (*s) {
		n = blank_len(s, &newline);
		s += n;
		if (n && *s && b.len)
			buf_adds(&b, newline ? " - " : " ");
		if (n)
			continue;
		n = utf8_len(s, strnlen(s, 4));
		buf_add(&b, n ? s : "?", n ? n : 1);
		s += n ? n : 1;
	}
	return buf_take(&b);
}

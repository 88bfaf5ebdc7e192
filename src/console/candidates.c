/* What the daemon answers when it is asked for completions. */
#include "candidates.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* Not in the middle of a UTF-8 character. */
static size_t whole_characters(const char *s, size_t len)
{
	while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static size_t common_len(const char *a, size_t len, const char *b)
{
	size_t i = 0;

	while (i < len && a[i] == b[i] && b[i] != '\n')
		i++;
	return i;
}

bool candidates_parse(const char *answer, size_t cursor, struct candidates *out)
{
	char *end;
	size_t len;

	memset(out, 0, sizeof(*out));
	out->replace = strtoul(answer, &end, 10);
	if (end == answer || *end != '\n' || end[1] == '\0' || out->replace > cursor)
		return false;
	out->words = end + 1;
	len = strcspn(out->words, "\n");
	for (const char *at = out->words; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		len = common_len(out->words, len, at);
		out->count++;
	}
	out->common = mem_strndup(out->words, whole_characters(out->words, len));
	return true;
}

void candidates_clear(struct candidates *c)
{
	free(c->common);
	memset(c, 0, sizeof(*c));
}

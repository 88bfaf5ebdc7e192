/* Layer 1: a command line taken apart into words. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One word from *at on; moves *at behind it. */
static char *take_word(const char *line, size_t len, size_t *at, bool *open)
{
	struct buf word;
	bool quoted = false, escaped = false;

	buf_init(&word);
	for (; *at < len; (*at)++) {
		char c = line[*at];
		if (escaped) {
			buf_addc(&word, c);
			escaped = false;
		} else if (c == '\\') {
			escaped = true;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (is_blank(c) && !quoted) {
			break;
		} else {
			buf_addc(&word, c);
		}
	}
	*open = quoted || escaped;
	return buf_take(&word);
}

bool words_parse(const char *line, size_t len, struct words *out, const char **why)
{
	size_t at = 0;

	memset(out, 0, sizeof(*out));
	if (memchr(line, '\0', len)) {
		*why = "a NUL byte in the line";
		return false;
	}
	out->blank_end = true;
	while (true) {
		while (at < len && is_blank(line[at]))
			at++;
		if (at == len)
			return true;
		if (out->count == WORDS_MAX) {
			*why = "more than 32 words";
			return false;
		}
		out->start[out->count] = at;
		out->word[out->count++] = take_word(line, len, &at, &out->open);
		out->blank_end = at < len;
	}
}

void words_clear(struct words *w)
{
	for (int i = 0; i < w->count; i++)
		free(w->word[i]);
	memset(w, 0, sizeof(*w));
}

void words_quote(struct buf *out, const char *word)
{
	if (*word && !word[strcspn(word, " \t\r\n\"\\")]) {
		buf_adds(out, word);
		return;
	}
	buf_addc(out, '"');
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *word);
	}
	buf_addc(out, '"');
}

const char *words_nth(const char *words, int i, size_t *len)
{
	for (; i > 0; i--) {
		words = strchr(words, ' ');
		if (!words)
			return NULL;
		words++;
	}
	*len = strcspn(words, " ");
	return words;
}

int words_count(const char *words)
{
	int n = 1;

	for (; (words = strchr(words, ' ')); words++)
		n++;
	return n;
}

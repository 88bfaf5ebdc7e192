/* What one of the two databases said, as text that can be compared. */
#include "told.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "payload.h"

#define CHUNK_FIELD 7 /* of the header of C and S: chunk, chunks */

/* The header without its chunk numbers, but for "0 of 0", which says something. */
static void header_print(const char *text, size_t len, struct buf *out)
{
	bool chunked = len > 4 && (text[2] == 'C' || text[2] == 'S');
	int field = 0;

	for (size_t i = 0; i < len; i++) {
		bool digit = text[i] != '\t' && text[i] != '0';

		field += text[i] == '\t';
		if (chunked && digit && (field == CHUNK_FIELD || field == CHUNK_FIELD + 1))
			continue;
		buf_addc(out, text[i]);
	}
}

static size_t header_len(const char *payload)
{
	return strcspn(payload, "\n");
}

/* A change of a pack is marked as such, whatever else is in the pack. */
static void told_add_one(struct told *t, const char *mark, const char *text, size_t len)
{
	struct buf b = {0};
	const char *newline = memchr(text, '\n', len);
	size_t head = newline ? (size_t)(newline - text) : len;
	size_t before;

	buf_adds(&b, mark);
	header_print(text, head, &b);
	before = t->n > 0 ? header_len(t->payloads[t->n - 1]) : 0;
	if (t->n > 0 && b.len == before && newline &&
		memcmp(t->payloads[t->n - 1], buf_str(&b), before) == 0) {
		buf_reset(&b);
		buf_adds(&b, t->payloads[t->n - 1]);
		free(t->payloads[--t->n]);
		head++;
	}
	buf_add(&b, text + head, len - head);
	t->payloads = mem_realloc(t->payloads, (t->n + 1) * sizeof(*t->payloads));
	t->payloads[t->n++] = buf_take(&b);
}

void told_add(void *told, const char *text, size_t len)
{
	struct payload pl;
	const char *why, *part;
	size_t at = 0, part_len;

	if (!payload_parse(text, len, &pl, &why) || pl.type != PAYLOAD_PACK) {
		told_add_one(told, "", text, len);
		return;
	}
	while (payload_next_of_pack(&pl, &at, &part, &part_len))
		told_add_one(told, "packed ", part, part_len);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_print(char *text, struct buf *out)
{
	char **lines = NULL, *rest = text, *line;
	size_t n = 0;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (!*line)
			continue;
		lines = mem_realloc(lines, (n + 1) * sizeof(*lines));
		lines[n++] = line;
	}
	if (n > 1)
		qsort(lines + 1, n - 1, sizeof(*lines), by_text);
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%s%s\n", i ? "      " : "    ", lines[i]);
	free(lines);
}

void told_print(struct told *t, bool sorted, struct buf *out)
{
	if (sorted && t->n > 1)
		qsort(t->payloads, t->n, sizeof(*t->payloads), by_text);
	for (size_t i = 0; i < t->n; i++) {
		lines_print(t->payloads[i], out);
		free(t->payloads[i]);
	}
	free(t->payloads);
	*t = (struct told){0};
}

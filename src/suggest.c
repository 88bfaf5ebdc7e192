/* Layer 0: suggestions for words that are not known. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "suggest.h"

#define WORD_MAX_BYTES 40 /* longer words are nobody's slip of the finger */

static int least(int a, int b)
{
	return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* How many letters to insert, drop, change or swap with the next one to make a from b. */
static int distance(const char *a, const char *b)
{
	int rows[3][WORD_MAX_BYTES + 1];
	int *before = rows[0], *above = rows[1], *row = rows[2], *spare;
	int n = (int)strlen(b), i, k;

	for (k = 0; k <= n; k++)
		above[k] = k;
	for (i = 1; a[i - 1] != '\0'; i++) {
		row[0] = i;
		for (k = 1; k <= n; k++) {
			row[k] = above[k - 1] + !same_letter(a[i - 1], b[k - 1]);
			row[k] = least(row[k], least(above[k], row[k - 1]) + 1);
			if (i > 1 && k > 1 && same_letter(a[i - 1], b[k - 2]) &&
				same_letter(a[i - 2], b[k - 1]))
				row[k] = least(row[k], before[k - 2] + 1);
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[n];
}

const char *suggest_word(const char *word, const char *const *known, size_t n)
{
	const char *best = NULL;
	size_t len = strlen(word), i;
	/* One letter in three may be wrong, but never all of them. */
	int limit = len < 2 ? 0 : len < 4 ? 1 : len < 8 ? 2 : 3;
	int d, best_d = limit + 1;

	if (len == 0 || len > WORD_MAX_BYTES)
		return NULL;
	for (i = 0; i < n; i++) {
		if (strcasecmp(word, known[i]) == 0)
			return NULL;
		if (strlen(known[i]) > WORD_MAX_BYTES)
			continue;
		d = distance(word, known[i]);
		if (d < best_d) {
			best_d = d;
			best = known[i];
		}
	}
	return best;
}

void suggest_print(struct buf *out, const char *word, const char *const *known, size_t n)
{
	const char *best = suggest_word(word, known, n);
	size_t i;

	if (best)
		buf_addf(out, "; did you mean '%s'?", best);
	buf_adds(out, "; legal: ");
	for (i = 0; i < n; i++)
		buf_addf(out, "%s%s", i ? ", " : "", known[i]);
}

/* Layer 3: which command a line names. */
#include "command_match.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "suggest.h"
#include "words.h"

#define WORDS_OF_A_COMMAND 5 /* the longest has so many */

const struct command *match_at(int i)
{
	for (const struct command *const *table = command_tables; *table; table++) {
		for (const struct command *cmd = *table; cmd->words; cmd++) {
			if (i-- == 0)
				return cmd;
		}
	}
	return NULL;
}

enum likeness { UNLIKE, PREFIX, EXACT, BEHIND };

/* How the i-th word of a command compares with what was typed; BEHIND: it is an argument.
 */
static enum likeness compare(const struct command *cmd, int i, const char *typed)
{
	size_t len, have = strlen(typed);
	const char *word = words_nth(cmd->words, i, &len);

	if (!word)
		return BEHIND;
	if (have > len || have == 0 || strncasecmp(word, typed, have) != 0)
		return UNLIKE;
	return have == len ? EXACT : PREFIX;
}

/* Keeps the commands that the i-th word leaves possible. */
static void narrow(struct match *m, int i, const char *typed)
{
	bool exact = false;
	int kept = 0;

	for (int k = 0; k < m->count; k++)
		exact |= compare(m->commands[k], i, typed) == EXACT;
	for (int k = 0; k < m->count; k++) {
		enum likeness like = compare(m->commands[k], i, typed);
		if (like == EXACT || like == BEHIND || (like == PREFIX && !exact))
			m->commands[kept++] = m->commands[k];
	}
	m->count = kept;
}

void match_prefix(int count, char *const *words, struct match *out)
{
	const struct command *cmd;

	out->count = 0;
	for (int i = 0; (cmd = match_at(i)); i++) {
		assert(out->count < MATCH_MAX);
		out->commands[out->count++] = cmd;
	}
	for (int i = 0; i < count; i++)
		narrow(out, i, words[i]);
}

/* Keeps the commands that have no more words than were typed, when there are some. */
static int keep_complete(struct match *m, int count)
{
	int complete = 0;

	for (int k = 0; k < m->count; k++) {
		if (words_count(m->commands[k]->words) <= count)
			m->commands[complete++] = m->commands[k];
	}
	if (complete)
		m->count = complete;
	return complete;
}

void match_words(int count, char *const *words, struct match *out)
{
	match_prefix(count, words, out);
	if (out->count == 0)
		out->kind = MATCH_NONE;
	else if (keep_complete(out, count) == 0)
		out->kind = MATCH_INCOMPLETE;
	else
		out->kind = out->count == 1 ? MATCH_FOUND : MATCH_AMBIGUOUS;
}

/* The first `n` words with a blank between. */
static char *join(int n, char *const *words)
{
	struct buf out;

	buf_init(&out);
	for (int i = 0; i < n; i++)
		buf_addf(&out, i > 0 ? " %s" : "%s", words[i]);
	return buf_take(&out);
}

/* Among the commands of `n` words. */
static const struct command *nearest_of(int n, const char *typed)
{
	const struct command *cmd;
	const char *known[MATCH_MAX] = {NULL};
	const struct command *commands[MATCH_MAX];
	size_t count = 0;

	for (int i = 0; (cmd = match_at(i)); i++) {
		if (words_count(cmd->words) == n) {
			known[count] = cmd->words;
			commands[count++] = cmd;
		}
	}
	const char *best = suggest_word(typed, known, count);
	for (size_t i = 0; i < count; i++) {
		if (known[i] == best)
			return commands[i];
	}
	return NULL;
}

const struct command *match_nearest(int count, char *const *words)
{
	const struct command *best = NULL;
	int n = count < WORDS_OF_A_COMMAND ? count : WORDS_OF_A_COMMAND;

	for (; n > 0 && !best; n--) {
		char *typed = join(n, words);
		best = nearest_of(n, typed);
		free(typed);
	}
	return best;
}

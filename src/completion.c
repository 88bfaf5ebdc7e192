/* Layer 3: what could be typed next. */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command_match.h"
#include "mem.h"
#include "words.h"

static bool offered(const struct completion *c, const char *quoted, size_t len)
{
	for (const char *at = buf_str(&c->words); *at; at = strchr(at, '\n') + 1) {
		if (strncmp(at, quoted, len) == 0 && at[len] == '\n')
			return true;
	}
	return false;
}

bool completion_offer(struct completion *out, const char *word)
{
	struct buf quoted;

	if (strncasecmp(word, out->prefix, strlen(out->prefix)) != 0)
		return true;
	buf_init(&quoted);
	words_quote(&quoted, word);
	if (!offered(out, buf_str(&quoted), quoted.len)) {
		buf_addf(&out->words, "%s\n", buf_str(&quoted));
		out->count++;
	}
	buf_clear(&quoted);
	return out->count < COMMAND_MAX_CANDIDATES;
}

/* The next word of a command, or what it offers for an argument. */
static void offer_of(struct completion *c, const struct command *cmd, int at)
{
	int count = words_count(cmd->words);
	size_t len;

	if (at < count) {
		const char *word = words_nth(cmd->words, at, &len);
		char *copy = mem_strndup(word, len);
		completion_offer(c, copy);
		free(copy);
	} else if (cmd->complete && at - count < cmd->max_args) {
		cmd->complete(c, at - count);
	}
}

void command_complete(struct app *app, const char *line, size_t len, struct buf *out)
{
	struct completion c = {.app = app, .prefix = ""};
	struct words w;
	struct match m;
	const char *why;
	size_t replace = 0;

	buf_init(&c.words);
	if (words_parse(line, len, &w, &why)) {
		int before = w.blank_end ? w.count : w.count - 1;
		if (!w.blank_end) {
			c.prefix = w.word[before];
			replace = len - w.start[before];
		}
		match_prefix(before, w.word, &m);
		for (int i = 0; i < m.count; i++)
			offer_of(&c, m.commands[i], before);
	}
	buf_addf(out, "%zu\n%s", replace, buf_str(&c.words));
	buf_clear(&c.words);
	words_clear(&w);
}

/* Layer 3: which command a line names; for command.c, its help and its completion. */
#ifndef COMMAND_MATCH_H
#define COMMAND_MATCH_H

#include "command.h"

#define MATCH_MAX 128 /* commands in all tables */

enum match_kind {
	MATCH_FOUND,      /* one command: commands[0] */
	MATCH_INCOMPLETE, /* words are missing: commands[] are those that it could become */
	MATCH_AMBIGUOUS,  /* several: commands[] */
	MATCH_NONE
};

struct match {
	enum match_kind kind;
	int count;
	const struct command *commands[MATCH_MAX];
};

void match_words(int count, char *const *words, struct match *out);

/*
 * Those commands whose first words are the given ones, also shorter commands that are
 * complete before. Exact words win over shortened ones.
 */
void match_prefix(int count, char *const *words, struct match *out);

/* Commands in the tables' order: NULL behind the last. */
const struct command *match_at(int i);

/* The command whose words are most like the given ones; NULL: none is near. */
const struct command *match_nearest(int count, char *const *words);

#endif

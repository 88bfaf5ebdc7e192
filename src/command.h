/*
 * Layer 3: commands: the table, finding a command in a line, running it, help,
 * completion.
 *
 * A command is found by its words; a word may be shortened while it stays unambiguous.
 * What follows are arguments. Double quotes keep blanks together, a backslash takes the
 * next character as it is.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "app.h"
#include "reply.h"

#define COMMAND_MAX_WORDS      32
#define COMMAND_MAX_CANDIDATES 200

struct call;
struct completion;

struct command {
	const char *words; /* "console dial" */
	const char *args;  /* for help: "EXT[@CONTEXT]"; "" for none */
	int min_args, max_args;
	const char *summary;  /* one line */
	const char *help;     /* more; may be NULL */
	const char *alias_of; /* the words of the command that this one stands for; or NULL */
	void (*run)(struct call *c);
	/* Offer words for argument number `arg`; NULL: nothing to offer. */
	void (*complete)(struct completion *out, int arg);
};

/* Each table ends with a command without words; the list of tables ends with NULL. */
extern const struct command *const command_tables[]; /* command_table.c */
extern const struct command cmd_core[], cmd_cluster[], cmd_devstate[], cmd_mailbox[],
	cmd_policy[], cmd_dialplan[], cmd_link[];

/* Who called, and where the output goes. None of them may free the call. */
struct call_sink {
	void (*out)(void *arg, const char *bytes, size_t len);
	void (*err)(void *arg, const char *bytes, size_t len);
	void (*end)(void *arg, int status);
	bool (*ready)(void *arg); /* is there room for more output? */
	void *arg;
};

/* One running command. */
struct call {
	struct app *app;
	const struct command *command; /* NULL: the line named none */
	int argc;
	char **argv; /* the arguments behind the command's words */
	struct reply reply;
	bool ended;
	int status; /* 0: done; 1: failed */
	/* A handler that does not end the call sets some of these: */
	void (*more)(struct call *c); /* goes on when the reader has room */
	void (*release)(
		struct call *c); /* cancels what is pending, frees `data`; called once */
	void *data;
	struct call_sink sink;
	void *words; /* command.c's */
};

/* Runs a line. It may have ended when this returns; free it with command_free(), any
 * time. */
struct call *command_start(struct app *app, const char *line, size_t len, bool json,
	const struct call_sink *sink);
void command_more(struct call *c); /* the reader has room again */
void command_free(
	struct call *c); /* cancels it when it still runs; free(NULL) is legal */

/* For handlers. */
void call_end(struct call *c, int status);
/* One line on the error output and the end with status 1. */
void call_fail(struct call *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void call_usage(struct call *c); /* the arguments are wrong: says how they should be */
/* No command begins with these words: says which one is near. */
void command_fail_unknown(struct call *c, int argc, char **argv);

/* What could be typed next: "REPLACE\n" (bytes before the end of `line`), then the words.
 */
void command_complete(struct app *app, const char *line, size_t len, struct buf *out);

struct completion {
	struct app *app;
	const char *prefix; /* what was typed of the word */
	int count;
	struct buf words; /* each with a newline behind it */
};
/* False: it is enough. Words that do not begin with the prefix are passed over. */
bool completion_offer(struct completion *out, const char *word);

/* Help: NULL, or the words of a command. */
void command_help(struct call *c, int argc, char **argv);
void command_print_usage(const struct command *cmd, struct buf *out);

#endif

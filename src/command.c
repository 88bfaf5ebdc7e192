/* Layer 3: running a command line. */
#include "command.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "command_match.h"
#include "mem.h"
#include "words.h"

static void write_out(void *arg, const char *bytes, size_t len)
{
	struct call *c = arg;

	c->sink.out(c->sink.arg, bytes, len);
}

static void write_err(struct call *c, const char *text)
{
	struct buf line;

	buf_init(&line);
	buf_addf(&line, "%s\n", text);
	c->sink.err(c->sink.arg, line.data, line.len);
	buf_clear(&line);
}

void call_end(struct call *c, int status)
{
	assert(!c->ended);
	reply_end(&c->reply);
	c->ended = true;
	c->status = status;
	c->sink.end(c->sink.arg, status);
}

/* Programs find the error on the output too: it is the whole document then. */
static void end_failed(struct call *c, const char *text)
{
	if (c->reply.list == REPLY_NO_LIST)
		reply_set(&c->reply, "error", reply_string(text));
	reply_end(&c->reply);
	write_err(c, text);
	call_end(c, 1);
}

void call_fail(struct call *c, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text);
	va_start(ap, fmt);
	buf_addv(&text, fmt, ap);
	va_end(ap);
	end_failed(c, buf_str(&text));
	buf_clear(&text);
}

void call_usage(struct call *c)
{
	struct buf usage;

	buf_init(&usage);
	command_print_usage(c->command, &usage);
	call_fail(c, "%s", buf_str(&usage));
	buf_clear(&usage);
}

static void fail_candidates(struct call *c, const char *problem, const struct match *m)
{
	struct buf text;

	buf_init(&text);
	buf_addf(&text, "%s; commands that begin so:", problem);
	for (int i = 0; i < m->count; i++)
		buf_addf(&text, "\n  %s", m->commands[i]->words);
	end_failed(c, buf_str(&text));
	buf_clear(&text);
}

void command_fail_unknown(struct call *c, int argc, char **argv)
{
	const struct command *near = match_nearest(argc, argv);
	struct buf line;

	buf_init(&line);
	for (int i = 0; i < argc; i++) {
		if (i > 0)
			buf_addc(&line, ' ');
		words_quote(&line, argv[i]);
	}
	if (near)
		call_fail(c, "No such command '%s'; did you mean '%s'? ('help' lists all)",
			buf_str(&line), near->words);
	else
		call_fail(c, "No such command '%s' ('help' lists all)", buf_str(&line));
	buf_clear(&line);
}

static void run_command(struct call *c, struct words *w)
{
	int used = words_count(c->command->words);

	c->argc = w->count - used;
	c->argv = w->word + used;
	if (c->argc < c->command->min_args || c->argc > c->command->max_args)
		call_usage(c);
	else
		c->command->run(c);
}

static void run_words(struct call *c, struct words *w)
{
	struct match m;

	match_words(w->count, w->word, &m);
	switch (m.kind) {
	case MATCH_FOUND:
		c->command = m.commands[0];
		run_command(c, w);
		break;
	case MATCH_INCOMPLETE:
		fail_candidates(c, "The command is not complete", &m);
		break;
	case MATCH_AMBIGUOUS:
		fail_candidates(c, "The command is ambiguous", &m);
		break;
	case MATCH_NONE:
		command_fail_unknown(c, w->count, w->word);
		break;
	}
}

struct call *command_start(struct app *app, const char *line, size_t len, bool json,
	const struct call_sink *sink)
{
	struct call *c = mem_alloc(sizeof(*c));
	struct words *w = mem_alloc(sizeof(*w));
	const char *why = NULL;

	c->app = app;
	c->sink = *sink;
	c->words = w;
	reply_init(&c->reply, json, write_out, c);
	if (!words_parse(line, len, w, &why))
		call_fail(c, "Cannot read the command: %s", why);
	else if (w->open)
		call_fail(c, "Cannot read the command: a double quote is not closed, or the "
					 "line ends with a backslash");
	else if (w->count == 0)
		call_end(c, 0);
	else
		run_words(c, w);
	if (!c->ended)
		reply_flush(&c->reply);
	return c;
}

void command_more(struct call *c)
{
	if (!c->ended && c->more)
		c->more(c);
}

void command_free(struct call *c)
{
	if (!c)
		return;
	if (c->release)
		c->release(c);
	reply_clear(&c->reply);
	words_clear(c->words);
	free(c->words);
	free(c);
}

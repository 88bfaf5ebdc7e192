/*
 * The client at a terminal. libedit asks for characters through get_char(), which waits
 * for the keyboard and for the daemon at once: so that log lines can come while a line is
 * edited.
 */
#include "interactive.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "candidates.h"
#include "mem.h"
#include "run.h"
#include "remote.h"

#define HISTORY_LINES    1000
#define HISTORY_FILE     ".pgdevstate_history"
#define COMPLETE_WAIT_MS 3000
#define CLEAR_LINE       "\r\033[K"

struct terminal {
	const char *path;
	bool json;
	struct remote *remote; /* NULL: the daemon went away */
	char *prompt;
	EditLine *el;
	History *history;
	char *history_file;
	mbstate_t decoding;
	bool quit;
};

static volatile int interrupted; /* Ctrl-C */
static volatile int disturbed;   /* the window's size is another, or we were stopped */
static int wake[2];              /* a signal just before poll() must end it, too */

static void on_signal(int sig)
{
	int saved = errno;

	*(sig == SIGINT ? &interrupted : &disturbed) = 1;
	ssize_t written = write(wake[1], "", 1); /* fails when it is full: it wakes anyway */
	(void)written;
	errno = saved;
}

static void set_prompt(struct terminal *t, const char *name)
{
	free(t->prompt);
	t->prompt = mem_printf("%s*CLI> ", name);
}

static bool reconnect(struct terminal *t)
{
	char *error = NULL;

	t->remote = remote_open(t->path, "interactive", t->json, &error);
	if (!t->remote) {
		fprintf(stderr, "pgdevstate: %s\n", error);
		free(error);
		return false;
	}
	t->remote->wake_fd = wake[0];
	set_prompt(t, t->remote->system_name);
	printf("Connected to pgdevstate %s currently running on %s (pid = %d)\n",
		t->remote->version, t->remote->system_name, t->remote->pid);
	return true;
}

static void disconnected(struct terminal *t)
{
	remote_close(t->remote);
	t->remote = NULL;
	set_prompt(t, "disconnected");
	printf("Press Enter to connect again, or type quit.\n");
}

/* A line that comes while another is edited: above it. */
static void show_above(struct terminal *t, const char *text)
{
	fprintf(stdout, CLEAR_LINE "%s\n", text);
	fflush(stdout);
	(void)t;
}

/* Takes what the daemon sent while nothing was asked; false: it went away. */
static bool take_news(struct terminal *t)
{
	const char *why = "";
	struct frame f;
	enum remote_got got;

	while ((got = remote_next(t->remote, 0, &f, &why)) == REMOTE_FRAME) {
		if (f.type == FRAME_LOG)
			show_above(t, f.data);
		if (f.type == FRAME_BYE) {
			got = REMOTE_CLOSED;
			why = f.data;
			break;
		}
	}
	if (got == REMOTE_CLOSED) {
		printf(CLEAR_LINE "Disconnected from %s: %s. ", t->remote->system_name, why);
		disconnected(t);
	}
	return got != REMOTE_CLOSED;
}

static void drain(int fd)
{
	char bytes[64];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

static void restore_terminal(struct terminal *t)
{
	disturbed = 0;
	el_set(t->el, EL_PREP_TERM, 1);
	el_resize(t->el);
	el_set(t->el, EL_REFRESH);
}

/* Waits for a key, and shows what comes meanwhile. False: interrupted. */
static bool wait_for_key(struct terminal *t)
{
	while (true) {
		struct pollfd p[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = t->remote ? t->remote->fd : -1, .events = POLLIN},
			{.fd = wake[0], .events = POLLIN}};
		int rc = poll(p, 3, -1);
		if (rc > 0 && p[2].revents)
			drain(wake[0]);
		if (interrupted || (rc < 0 && errno != EINTR))
			return false;
		if (disturbed)
			restore_terminal(t);
		if (rc > 0 && p[1].revents) {
			take_news(t);
			el_set(t->el, EL_REFRESH);
		}
		if (rc > 0 && p[0].revents)
			return true;
	}
}

/* One character for libedit: 1, 0 at the end of the input, -1. */
static int get_char(EditLine *el, wchar_t *out)
{
	struct terminal *t;
	char byte;

	el_get(el, EL_CLIENTDATA, &t);
	while (wait_for_key(t)) {
		ssize_t n = read(STDIN_FILENO, &byte, 1);
		if (n <= 0)
			return (int)n;
		size_t used = mbrtowc(out, &byte, 1, &t->decoding);
		if (used == 1 || used == 0)
			return 1;
		if (used == (size_t)-1)
			memset(&t->decoding, 0, sizeof(t->decoding));
	}
	return -1;
}

static char *prompt(EditLine *el)
{
	struct terminal *t;

	el_get(el, EL_CLIENTDATA, &t);
	return t->prompt;
}

/* Asks the daemon; NULL: no answer. The caller frees it. */
static char *ask_candidates(struct terminal *t, const char *line, size_t len)
{
	const char *why;
	struct frame f;

	if (!t->remote || len > FRAME_MAX_BYTES)
		return NULL;
	remote_send(t->remote, FRAME_COMPLETE, line, len);
	while (remote_next(t->remote, COMPLETE_WAIT_MS, &f, &why) == REMOTE_FRAME) {
		if (f.type == FRAME_LIST)
			return mem_strndup(f.data, f.len);
		if (f.type == FRAME_LOG)
			show_above(t, f.data);
	}
	return NULL;
}

static void insert(
	EditLine *el, const char *line, size_t cursor, const struct candidates *c)
{
	size_t characters = 0;

	/* libedit counts characters, the daemon counts bytes. */
	for (size_t i = cursor - c->replace; i < cursor; i++)
		characters += ((unsigned char)line[i] & 0xc0) != 0x80;
	el_deletestr(el, (int)characters);
	el_insertstr(el, c->common);
	if (c->count == 1)
		el_insertstr(el, " ");
}

static unsigned char complete(EditLine *el, int key)
{
	const LineInfo *info = el_line(el);
	size_t cursor = (size_t)(info->cursor - info->buffer);
	char *line = mem_strndup(info->buffer, cursor);
	struct candidates c;
	struct terminal *t;
	unsigned char result = CC_REFRESH;

	(void)key;
	el_get(el, EL_CLIENTDATA, &t);
	char *answer = ask_candidates(t, line, cursor);
	if (!answer || !candidates_parse(answer, cursor, &c)) {
		result = CC_ERROR;
	} else if (c.count == 1 || strlen(c.common) > c.replace) {
		insert(el, line, cursor, &c);
	} else {
		printf("\n%s", c.words);
		fflush(stdout);
		result = CC_REDISPLAY;
	}
	if (answer)
		candidates_clear(&c);
	free(answer);
	free(line);
	return result;
}

static void open_history(struct terminal *t)
{
	const char *home = getenv("HOME");
	HistEvent ev;

	t->history = history_init();
	history(t->history, &ev, H_SETSIZE, HISTORY_LINES);
	history(t->history, &ev, H_SETUNIQUE, 1);
	if (!home || !*home)
		return;
	t->history_file = mem_printf("%s/%s", home, HISTORY_FILE);
	history(t->history, &ev, H_LOAD, t->history_file);
}

static void open_editor(struct terminal *t)
{
	t->el = el_init("pgdevstate", stdin, stdout, stderr);
	el_set(t->el, EL_CLIENTDATA, t);
	el_set(t->el, EL_PROMPT, prompt);
	el_set(t->el, EL_EDITOR, "emacs");
	el_set(t->el, EL_SIGNAL, 0);
	el_set(t->el, EL_HIST, history, t->history);
	el_set(t->el, EL_GETCFN, get_char);
	el_set(t->el, EL_ADDFN, "pgdevstate-complete", "complete the word", complete);
	el_set(t->el, EL_BIND, "^I", "pgdevstate-complete", NULL);
	el_set(t->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_source(t->el, NULL);
}

static void close_terminal(struct terminal *t)
{
	HistEvent ev;

	if (t->history_file) {
		mode_t old = umask(0077);
		history(t->history, &ev, H_SAVE, t->history_file);
		umask(old);
	}
	el_end(t->el);
	history_end(t->history);
	free(t->history_file);
	free(t->prompt);
	remote_close(t->remote);
}

/* The line as it was typed, without blanks around it. */
static void run_line(struct terminal *t, char *line)
{
	HistEvent ev;
	int status;

	line += strspn(line, " \t");
	for (size_t len = strlen(line); len > 0 && strchr(" \t\r\n", line[len - 1]);)
		line[--len] = '\0';
	if (*line)
		history(t->history, &ev, H_ENTER, line);
	t->quit = strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0;
	if (t->quit || (!t->remote && !reconnect(t)) || !*line)
		return;
	if (!run_command(t->remote, line, &interrupted, &status))
		disconnected(t);
}

static void edit_lines(struct terminal *t)
{
	while (!t->quit) {
		int count = 0;
		const char *line = el_gets(t->el, &count);
		if (!line || count <= 0) {
			if (!interrupted)
				break;
			interrupted = 0;
			printf("\n");
			el_reset(t->el);
			continue;
		}
		char *copy = mem_strdup(line);
		run_line(t, copy);
		free(copy);
	}
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
	sigaction(SIGCONT, &action, NULL);
}

int interactive_run(const char *path, bool json)
{
	struct terminal t = {.path = path, .json = json};

	setlocale(LC_CTYPE, "");
	if (pipe2(wake, O_NONBLOCK | O_CLOEXEC) < 0 || !reconnect(&t))
		return EXIT_NOT_CONNECTED;
	printf("Type 'help' for the commands, 'quit' to leave.\n");
	catch_signals();
	open_history(&t);
	open_editor(&t);
	edit_lines(&t);
	if (!t.quit)
		printf("\n");
	close_terminal(&t);
	return EXIT_DONE;
}

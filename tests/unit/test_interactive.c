/* console/interactive.c: a person at a pseudo terminal, the test is the daemon. */
#include "console_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "console/interactive.h"
#include "mem.h"

#define CTRL_D '\x04'

struct person {
	struct world *w;
	pid_t pid;
	int fd; /* the terminal */
	struct buf seen;
};

static void sit_down(struct person *p, struct world *w)
{
	struct winsize size = {.ws_row = 24, .ws_col = 120};

	fflush(stdout);
	p->w = w;
	p->pid = forkpty(&p->fd, NULL, NULL, &size);
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		setenv("HOME", w->dir, 1);
		setenv("TERM", "xterm", 1); /* vt100 is padded with NULs */
		setenv("LC_ALL", "C.UTF-8", 1);
		_exit(interactive_run(w->path, false));
	}
	fcntl(p->fd, F_SETFL, O_NONBLOCK);
	buf_init(&p->seen);
}

/* Reads what the terminal shows; false: the client ended. */
static bool look(struct person *p)
{
	char bytes[4096];
	ssize_t n = read(p->fd, bytes, sizeof(bytes));

	turn(p->w);
	fake_ack(p->w->f->app.node, true);
	if (n > 0)
		buf_add(&p->seen, bytes, (size_t)n);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Waits until the text is seen, and forgets what was seen up to there. */
static void sees(struct person *p, const char *text)
{
	int64_t until = clock_mono_us() + DEADLINE_US;
	char *found;

	while (!(found = strstr(buf_str(&p->seen), text))) {
		if (!look(p) || clock_mono_us() > until)
			fail_msg("'%s' is not in: %s", text, buf_str(&p->seen));
	}
	char *rest = strdup(found + strlen(text));
	buf_reset(&p->seen);
	buf_adds(&p->seen, rest);
	free(rest);
}

static void types(struct person *p, const char *text)
{
	assert_int_equal(write(p->fd, text, strlen(text)), strlen(text));
}

/* The prompt is shown an instant before: a Ctrl-D would be lost on a terminal in between.
 */
static void reads_keys(struct person *p)
{
	int64_t until = clock_mono_us() + DEADLINE_US;
	struct termios mode;

	do {
		assert_true(look(p) && clock_mono_us() < until);
		assert_int_equal(tcgetattr(p->fd, &mode), 0);
	} while (mode.c_lflag & ICANON);
}

static void leaves(struct person *p, const char *by, int status)
{
	int64_t until = clock_mono_us() + DEADLINE_US;
	int ended = -1;

	if (*by == CTRL_D)
		reads_keys(p);
	types(p, by);
	while (look(p))
		assert_true(clock_mono_us() < until);
	assert_int_equal(waitpid(p->pid, &ended, 0), p->pid);
	assert_true(WIFEXITED(ended));
	assert_int_equal(WEXITSTATUS(ended), status);
	close(p->fd);
	buf_clear(&p->seen);
}

static char *history_of(struct world *w)
{
	char *path = mem_printf("%s/.pgdevstate_history", w->dir);
	char *text = calloc(1, 4096);
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_true(fread(text, 1, 4095, file) > 0);
	fclose(file);
	unlink(path);
	free(path);
	return text;
}

#define PROMPT "server1*CLI> "

static void test_session(void **state)
{
	struct person p;

	sit_down(&p, *state);
	sees(&p,
		"Connected to pgdevstate " PGDEVSTATE_VERSION " currently running on server1");
	sees(&p, PROMPT);
	types(&p, "core show version\n");
	sees(&p, "pgdevstate " PGDEVSTATE_VERSION "\r\n");
	sees(&p, PROMPT);
	types(&p, "devstate change \"Custom:M\xc3\xbcller\" inuse\n");
	sees(&p, "Changing Custom:M\xc3\xbcller to INUSE\r\n");
	sees(&p, PROMPT);
	types(&p, "nonsense\n");
	sees(&p, "No such command 'nonsense'");
	sees(&p, PROMPT);
	leaves(&p, "quit\n", 0);
	char *history = history_of(*state);
	assert_contains(history, "version");
	free(history);
}

static void test_completion(void **state)
{
	struct person p;

	sit_down(&p, *state);
	sees(&p, PROMPT);
	types(&p, "clu\t\t");
	sees(&p, "ping");
	types(&p, "show mem\t\n");
	sees(&p, "=== Cluster Members ===");
	sees(&p, PROMPT);
	leaves(&p, "\x04", 0);
	free(history_of(*state));
}

/* An answer that comes after the client gave up is not the next one's. */
static void test_late_completion(void **state)
{
	struct person p;
	char byte = '\0';

	sit_down(&p, *state);
	sees(&p, PROMPT);
	types(&p, "core show ver\t");
	for (int64_t until = clock_mono_us() + DEADLINE_US; byte != '\a';) { /* its bell */
		assert_true(clock_mono_us() < until);
		if (read(p.fd, &byte, 1) < 1)
			usleep(1000);
	}
	types(&p, "\x15"
			  "clu\t"); /* another line instead */
	while (!strstr(buf_str(&p.seen), "ster ")) {
		assert_true(look(&p));
		if (strchr(buf_str(&p.seen), '\a')) { /* it was slow again: once more */
			buf_reset(&p.seen);
			types(&p, "\t");
		}
	}
	sees(&p, "ster ");
	types(&p, "show mem\t\n");
	sees(&p, "=== Cluster Members ===");
	sees(&p, PROMPT);
	leaves(&p, "\x04", 0);
	free(history_of(*state));
}

static void test_log_line_above(void **state)
{
	struct person p;

	sit_down(&p, *state);
	sees(&p, PROMPT);
	types(&p, "core show ver");
	sees(&p, "core show ver");
	log_notice("test", "the database is away");
	sees(&p, "the database is away\r\n");
	sees(&p, PROMPT "core show ver"); /* what was typed is there again */
	types(&p, "\n");
	sees(&p, "pgdevstate " PGDEVSTATE_VERSION);
	sees(&p, PROMPT);
	leaves(&p, "exit\n", 0);
	free(history_of(*state));
}

static void test_interrupt(void **state)
{
	struct world *w = *state;
	struct person p;

	sit_down(&p, w);
	sees(&p, PROMPT);
	types(&p, "half a line\x03");
	sees(&p, PROMPT);
	types(&p, "cluster ping\n");
	while (!w->f->app.node->pong_arg)
		look(&p);
	types(&p, "\x03");
	sees(&p, "Cancelled.");
	assert_null(w->f->app.node->pong_arg);
	sees(&p, PROMPT);
	leaves(&p, "\x04", 0);
	free(history_of(w));
}

static void test_stopped_and_resized(void **state)
{
	struct winsize size = {.ws_row = 30, .ws_col = 60};
	struct person p;

	sit_down(&p, *state);
	sees(&p, PROMPT);
	types(&p, "core show ver");
	sees(&p, "core show ver");
	assert_int_equal(ioctl(p.fd, TIOCSWINSZ, &size), 0); /* the kernel sends SIGWINCH */
	sees(&p, PROMPT "core show ver");
	assert_int_equal(kill(p.pid, SIGCONT), 0);
	sees(&p, PROMPT "core show ver");
	types(&p, "\n");
	sees(&p, "pgdevstate " PGDEVSTATE_VERSION);
	sees(&p, PROMPT);
	leaves(&p, "quit\n", 0);
	free(history_of(*state));
}

static void test_daemon_goes_and_comes(void **state)
{
	struct world *w = *state;
	struct person p;
	char *error = NULL;

	sit_down(&p, w);
	sees(&p, PROMPT);
	console_free(w->f->app.console);
	w->f->app.console = NULL;
	sees(&p, "Disconnected from server1: the daemon stops.");
	sees(&p, "disconnected*CLI> ");
	types(&p, "core show version\n");
	sees(&p, "is pgdevstated running");
	sees(&p, "disconnected*CLI> ");
	w->f->app.console = console_new(&w->f->app, w->path, &error);
	assert_non_null(w->f->app.console);
	types(&p, "\n");
	sees(&p, "Connected to pgdevstate");
	sees(&p, PROMPT);
	leaves(&p, "quit\n", 0);
	free(history_of(w));
}

static void test_no_daemon(void **state)
{
	struct world *w = *state;
	struct person p;

	console_free(w->f->app.console);
	w->f->app.console = NULL;
	sit_down(&p, w);
	sees(&p, "is pgdevstated running");
	leaves(&p, "\n", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_session),
		world_test(test_completion),
		world_test(test_late_completion),
		world_test(test_log_line_above),
		world_test(test_interrupt),
		world_test(test_stopped_and_resized),
		world_test(test_daemon_goes_and_comes),
		world_test(test_no_daemon),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* console/run.c and remote.c: the client's code in a process of its own, the test is the
 * daemon. */
#include "console_fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "console/run.h"

struct output {
	struct buf out, err;
	int status;
};

static void read_all(struct world *w, int out, int err, struct output *o)
{
	int64_t until = clock_mono_us() + DEADLINE_US;
	struct buf *to[2] = {&o->out, &o->err};
	int fds[2] = {out, err}, open = 2;
	char bytes[4096];

	while (open > 0) {
		assert_true(clock_mono_us() < until);
		turn(w);
		fake_ack(w->f->app.node, true);
		for (int i = 0; i < 2; i++) {
			ssize_t n = fds[i] < 0 ? -1 : read(fds[i], bytes, sizeof(bytes));
			if (n > 0)
				buf_add(to[i], bytes, (size_t)n);
			if (n == 0) {
				close(fds[i]);
				fds[i] = -1;
				open--;
			}
		}
	}
}

/* Runs the client's code as its main() would; the test is the daemon meanwhile. */
static struct output client(
	struct world *w, bool json, const char *command, const char *script)
{
	struct output o = {.status = -1};
	int out[2], err[2], in[2];

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		close(out[0]), close(err[0]), close(in[1]);
		int status = script ? run_script(w->path, json, fdopen(in[0], "r"))
							: run_once(w->path, json, command);
		_exit(status);
	}
	close(out[1]), close(err[1]), close(in[0]);
	if (script)
		assert_int_equal(write(in[1], script, strlen(script)), strlen(script));
	close(in[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	buf_init(&o.out);
	buf_init(&o.err);
	read_all(w, out[0], err[0], &o);
	assert_int_equal(waitpid(pid, &o.status, 0), pid);
	assert_true(WIFEXITED(o.status));
	o.status = WEXITSTATUS(o.status);
	return o;
}

static void check(struct output o, int status, const char *out, const char *err)
{
	if (o.status != status || !strstr(buf_str(&o.out), out) ||
		!strstr(buf_str(&o.err), err))
		fail_msg("status %d, output '%s', errors '%s'", o.status, buf_str(&o.out),
			buf_str(&o.err));
	buf_clear(&o.out);
	buf_clear(&o.err);
}

static void test_run_once(void **state)
{
	struct world *w = *state;

	check(client(w, false, "core show version", NULL), EXIT_DONE,
		"pgdevstate " PGDEVSTATE_VERSION "\n", "");
	check(client(w, true, "core show version", NULL), EXIT_DONE, "\"version\"", "");
	check(client(w, false, "devstate change Custom:x INUSE", NULL), EXIT_DONE,
		"Changing Custom:x to INUSE\n", "");
	check(client(w, false, "devstate change Custom:x FOO", NULL), EXIT_COMMAND_FAILED, "",
		"'FOO' is no device state");
}

static void test_run_not_connected(void **state)
{
	struct world *w = *state;

	console_free(w->f->app.console);
	w->f->app.console = NULL;
	check(client(w, false, "core show version", NULL), EXIT_NOT_CONNECTED, "",
		"is pgdevstated running");
}

static void test_run_script(void **state)
{
	struct world *w = *state;

	check(client(w, false, NULL,
			  "core show version\n\nmailbox set 1000 2\nmailbox list\nquit\nnever\n"),
		EXIT_DONE, "1000@default", "");
	check(client(w, false, NULL, "nonsense\ncore show version"), EXIT_COMMAND_FAILED,
		"pgdevstate ", "No such command 'nonsense'");
	check(client(w, false, NULL, ""), EXIT_DONE, "", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_run_once),
		world_test(test_run_not_connected),
		world_test(test_run_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

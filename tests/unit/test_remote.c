/* console/remote.c: daemons that are not there, and what is no daemon. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "console/remote.h"

static char dir[64], path[96];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/remote-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/ctl", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

/* A process that answers whoever connects with these bytes, reads on and ends. */
static pid_t daemon_that_says(const char *bytes)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char sink[256];
		int client = accept(fd, NULL, NULL);
		ssize_t n = read(client, sink, sizeof(sink)); /* the greeting */
		if (n > 0)
			n = write(client, bytes, strlen(bytes));
		shutdown(client, SHUT_WR);
		while (n > 0)
			n = read(client, sink, sizeof(sink));
		_exit(0);
	}
	close(fd);
	return pid;
}

static void refuse(const char *where, const char *part)
{
	char *error = NULL;

	assert_null(remote_open(where, "once", false, &error));
	assert_non_null(error);
	if (!strstr(error, part) || !strstr(error, where))
		fail_msg("'%s' does not say '%s'", error, part);
	free(error);
}

static void test_nobody(void **state)
{
	char longer[200];

	(void)state;
	refuse(path, "No such file or directory: is pgdevstated running");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	refuse(longer, "too long: at most 107 bytes");
}

static void test_no_daemon(void **state)
{
	static const struct {
		const char *bytes, *part;
	} cases[] = {
		{"220 mail.example.com ESMTP\r\n", "another version"},
		{"SSH-2.0-OpenSSH 9.2\n", "VERSION TYPE LENGTH"},
		{"1 out 2\nhi", "it does not speak the console's protocol"},
		{"1 ready 7\nserver1", "it does not speak the console's protocol"},
		{"1 bye 16\nthe daemon stops", "the daemon stops"},
		{"1 ready 99\nserver1", "it closed the connection"},
		{"2 ready 5\na\tb\t1", "another version"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		pid_t pid = daemon_that_says(cases[i].bytes);
		refuse(path, cases[i].part);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		unlink(path);
	}
}

static void test_frames(void **state)
{
	pid_t pid =
		daemon_that_says("1 ready 17\nserver1\t0.1.0\t4711 log 5\nhello1 out 3\nabc");
	char *error = NULL;
	const char *why = "";
	struct frame f;

	(void)state;
	struct remote *r = remote_open(path, "interactive", true, &error);
	assert_non_null(r);
	assert_string_equal(r->system_name, "server1");
	assert_string_equal(r->version, "0.1.0");
	assert_int_equal(r->pid, 471);
	assert_int_equal(remote_next(r, -1, &f, &why), REMOTE_FRAME);
	assert_int_equal(f.type, FRAME_LOG);
	assert_int_equal(remote_next(r, 0, &f, &why), REMOTE_FRAME);
	assert_string_equal(f.data, "abc");
	assert_int_equal(remote_next(r, -1, &f, &why), REMOTE_CLOSED);
	assert_string_equal(why, "it closed the connection");
	remote_close(r);
	remote_close(NULL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The other end is gone: no signal ends the process. */
static void test_send_to_nobody(void **state)
{
	char *error = NULL;
	const char *why;
	struct frame f;

	(void)state;
	pid_t pid = daemon_that_says("1 ready 17\nserver1\t0.1.0\t471");
	struct remote *r = remote_open(path, "once", false, &error);
	assert_non_null(r);
	assert_int_equal(remote_next(r, -1, &f, &why), REMOTE_CLOSED);
	shutdown(r->fd, SHUT_WR);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(remote_send(r, FRAME_RUN, "help", 4));
	remote_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_daemon, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send_to_nobody, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

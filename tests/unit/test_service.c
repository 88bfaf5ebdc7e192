/* service.c: one daemon for a directory, the background, systemd's socket. */
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

#include "service.h"

static char top[] = "/tmp/test_service.XXXXXX";
static char run[64], pid_file[80];
static struct buf errors;

static int setup(void **state)
{
	(void)state;
	snprintf(run, sizeof(run), "%s/run", top);
	snprintf(pid_file, sizeof(pid_file), "%s/pgdevstated.pid", run);
	unsetenv("NOTIFY_SOCKET");
	buf_reset(&errors);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(pid_file);
	rmdir(run);
	return 0;
}

static int pid_in_file(void)
{
	FILE *f = fopen(pid_file, "r");
	int pid = 0;

	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

static void test_begin_and_end(void **state)
{
	struct service s;

	(void)state;
	for (int i = 0; i < 2; i++) { /* makes the directory, then finds it */
		assert_true(service_begin(&s, run, false, &errors));
		assert_int_equal(pid_in_file(), getpid());
		service_status(&s, "ready");
		service_ready(&s);
		service_stopping(&s);
		service_end(&s);
		service_end(&s); /* twice is legal */
		assert_int_equal(access(pid_file, F_OK), -1);
	}
	assert_string_equal(buf_str(&errors), "");
}

static void test_zeroed_is_legal(void **state)
{
	struct service s = {0};

	(void)state;
	service_ready(&s);
	service_status(&s, "x");
	service_stopping(&s);
	service_end(&s);
}

static void test_a_second_one_is_refused(void **state)
{
	struct service a, b;
	char want[200];

	(void)state;
	assert_true(service_begin(&a, run, false, &errors));
	assert_false(service_begin(&b, run, false, &errors));
	snprintf(want, sizeof(want),
		"another pgdevstated (pid %d) holds %s: stop it, or give this one another "
		"run_directory in [options]\n",
		(int)getpid(), pid_file);
	assert_string_equal(buf_str(&errors), want);
	service_end(&b);
	assert_int_equal(pid_in_file(), getpid()); /* not harmed */
	service_end(&a);
	assert_true(service_begin(&b, run, false, &errors));
	service_end(&b);
}

/* What a dead daemon left stops nobody, whatever is in it. */
static void test_an_old_file_is_taken_over(void **state)
{
	struct service s;
	FILE *f;

	(void)state;
	mkdir(run, 0755);
	f = fopen(pid_file, "w");
	fprintf(f, "1 and a lot of other things\n");
	fclose(f);
	assert_true(service_begin(&s, run, false, &errors));
	assert_int_equal(pid_in_file(), getpid());
	service_end(&s);
}

static void test_bad_directories(void **state)
{
	struct service s;
	char path[100];

	(void)state;
	assert_false(service_begin(&s, "/proc/nowhere/run", false, &errors));
	assert_non_null(
		strstr(buf_str(&errors), "/proc/nowhere/run: cannot make the run directory: "));
	buf_reset(&errors);
	assert_false(service_begin(&s, "/dev/null", false, &errors));
	assert_non_null(strstr(buf_str(&errors), "/dev/null: is no directory"));
	buf_reset(&errors);
	assert_false(service_begin(&s, "/proc", false, &errors));
	assert_non_null(strstr(buf_str(&errors), "/proc/pgdevstated.pid: cannot open: "));
	buf_reset(&errors);
	mkdir(run, 0755);
	snprintf(path, sizeof(path), "%s/target", top);
	assert_int_equal(symlink(path, pid_file), 0); /* nobody writes through it */
	assert_false(service_begin(&s, run, false, &errors));
	assert_int_equal(access(path, F_OK), -1);
	service_end(&s);
}

/* Runs it in the background in a process of its own; returns what a shell would see. */
static int background(void (*daemon)(struct service *s))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct service s;

		if (!service_begin(&s, run, true, &errors))
			_exit(42);
		daemon(&s);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int stop_pipe[2], gone_pipe[2];

/* Ready; lives until the test closes its pipe, and its death closes the other one. */
static void daemon_ready(struct service *s)
{
	char c;

	close(stop_pipe[1]);
	close(gone_pipe[0]);
	service_ready(s);
	if (read(stop_pipe[0], &c, 1) == 0)
		service_end(s);
}

static void daemon_fails(struct service *s)
{
	service_end(s);
}

static void daemon_dies(struct service *s)
{
	(void)s;
	_exit(7);
}

static void test_background(void **state)
{
	struct service other;
	char c;

	(void)state;
	assert_int_equal(pipe(stop_pipe), 0);
	assert_int_equal(pipe(gone_pipe), 0);
	assert_int_equal(background(daemon_ready), 0);
	assert_true(pid_in_file() > 0 && pid_in_file() != getpid());
	assert_int_equal(getsid(pid_in_file()), pid_in_file());
	assert_false(
		service_begin(&other, run, false, &errors)); /* the child holds the lock */
	close(stop_pipe[0]);
	close(stop_pipe[1]);
	close(gone_pipe[1]);
	assert_int_equal(read(gone_pipe[0], &c, 1), 0); /* it has ended */
	close(gone_pipe[0]);
	assert_true(service_begin(&other, run, false, &errors));
	service_end(&other);
}

static void test_background_that_fails(void **state)
{
	(void)state;
	assert_int_equal(background(daemon_fails), 1);
	assert_int_equal(background(daemon_dies), 1);
}

static int notify_socket(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(addr.sun_path, name, strlen(name));
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	assert_int_equal(
		bind(fd, (struct sockaddr *)&addr,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void expect_told(int fd, const char *want)
{
	char got[100] = "";

	assert_true(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT) > 0);
	assert_string_equal(got, want);
}

static void test_systemd(void **state)
{
	char names[2][64], want[64];

	(void)state;
	snprintf(names[0], sizeof(names[0]), "%s/notify", top);
	snprintf(names[1], sizeof(names[1]), "@%s", top);
	for (int i = 0; i < 2; i++) {
		int fd = notify_socket(names[i]);
		struct service s;

		assert_true(service_begin(&s, run, false, &errors));
		service_status(&s, "loading");
		expect_told(fd, "STATUS=loading");
		service_ready(&s);
		snprintf(want, sizeof(want), "READY=1\nMAINPID=%d", (int)getpid());
		expect_told(fd, want);
		service_stopping(&s);
		expect_told(fd, "STOPPING=1");
		close(fd);
		service_status(&s, "nobody hears this");
		service_end(&s);
	}
	unlink(names[0]);
	unsetenv("NOTIFY_SOCKET");
}

static void refuses(const char *dir, const char *log, const char *why)
{
	buf_reset(&errors);
	assert_false(service_check(dir, log, &errors));
	if (!strstr(buf_str(&errors), why))
		fail_msg("%s: %s", why, buf_str(&errors));
}

/* What -t tells before anybody relies on it. Nothing is made. */
static void test_check(void **state)
{
	char file[96], below[128], missing[96];
	FILE *f;

	(void)state;
	snprintf(file, sizeof(file), "%s/file", top);
	snprintf(below, sizeof(below), "%s/file/below", top);
	snprintf(missing, sizeof(missing), "%s/missing/run", top);
	f = fopen(file, "w");
	assert_non_null(f);
	fclose(f);
	assert_true(service_check(top, "", &errors));
	assert_true(service_check(top, file, &errors));
	assert_true(service_check(run, "/dev/null", &errors)); /* it can be made */
	assert_int_not_equal(access(run, F_OK), 0);
	assert_int_equal(errors.len, 0);
	refuses(file, "", "/file: is no directory; set run_directory in [options]\n");
	refuses(below, "", "/file/below: cannot make the run directory: Not a directory");
	refuses(missing, "",
		"/missing/run: cannot make the run directory: No such file or "
		"directory");
	refuses(
		top, top, ": cannot open the log: Is a directory; set log_file in [options]\n");
	refuses(top, missing, "/missing/run: cannot open the log: No such file");
	refuses(missing, missing, "/missing/run: cannot make the run directory: ");
	assert_non_null(strstr(buf_str(&errors), "cannot open the log: ")); /* all at once */
	unlink(file);
}

/* As somebody who may not write there. */
static void test_check_rights(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		char own[80], log[96];

		snprintf(own, sizeof(own), "%s/own", top);
		snprintf(log, sizeof(log), "%s/own/log", top);
		if (mkdir(own, 0555) != 0 || (geteuid() == 0 && setuid(65534) != 0))
			_exit(2);
		_exit(service_check(own, log, &errors)
				  ? 3
				  : !strstr(buf_str(&errors), "Permission denied"));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_check),
		TEST(test_check_rights),
		TEST(test_begin_and_end),
		TEST(test_zeroed_is_legal),
		TEST(test_a_second_one_is_refused),
		TEST(test_an_old_file_is_taken_over),
		TEST(test_bad_directories),
		TEST(test_background),
		TEST(test_background_that_fails),
		TEST(test_systemd),
	};
	int rc;

	if (!mkdtemp(top))
		return 1;
	rc = cmocka_run_group_tests_name("service", tests, NULL, NULL);
	buf_clear(&errors);
	rmdir(top);
	return rc;
}

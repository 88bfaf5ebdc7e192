/* local_socket.c: nobody's living socket is taken away. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local_socket.h"

static char dir[64], path[96];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/console-socket-XXXXXX");
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

static void refuse(const char *where, const char *part)
{
	char *error = NULL;

	assert_null(local_socket_open(where, "console", "", &error));
	assert_non_null(error);
	if (!strstr(error, part))
		fail_msg("'%s' does not say '%s'", error, part);
	free(error);
}

static struct local_socket *open_socket(void)
{
	char *error = NULL;
	struct local_socket *s = local_socket_open(path, "link", "", &error);

	if (!s)
		fail_msg("%s", error);
	return s;
}

static void test_mode_and_end(void **state)
{
	struct stat st;
	mode_t old = umask(077);
	struct local_socket *s = open_socket();

	(void)state;
	umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0660);
	local_socket_close(s);
	assert_int_equal(access(path, F_OK), -1);
	local_socket_close(NULL);
}

/* Another group than ours, where there is one that we may give it to. */
static void test_group(void **state)
{
	const struct group *g = getgrgid(getgid());
	char *error = NULL;
	struct local_socket *s;
	struct stat st;

	(void)state;
	assert_non_null(g);
	s = local_socket_open(path, "link", g->gr_name, &error);
	assert_non_null(s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, getgid());
	assert_int_equal(st.st_mode & 0777, 0660);
	local_socket_close(s);
	assert_null(local_socket_open(path, "link", "no such group", &error));
	assert_non_null(strstr(error, "cannot give the socket /tmp/"));
	assert_non_null(strstr(error, " to group no such group: there is no such group"));
	free(error);
	assert_int_equal(access(path, F_OK), -1);
}

/* As somebody who is in no group but his own: is it said what to do? */
static bool is_told_of_membership(void)
{
	char mine[] = "/tmp/console-socket-XXXXXX", where[64];
	char *error = NULL;
	bool ok;

	if (geteuid() == 0 &&
		(setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
		return false;
	if (!mkdtemp(mine))
		return false;
	snprintf(where, sizeof(where), "%s/ctl", mine);
	ok = !local_socket_open(where, "link", "root", &error) && error &&
		 strstr(error, " to group root: the user that pgdevstated runs as must be a "
					   "member of it: usermod -aG");
	free(error);
	unlink(where);
	return rmdir(mine) == 0 && ok;
}

static void test_group_of_others(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(is_told_of_membership() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_living(void **state)
{
	struct local_socket *s = open_socket();

	(void)state;
	refuse(path, "another pgdevstated listens on ");
	refuse(path, path);
	assert_int_equal(access(path, F_OK), 0);
	local_socket_close(s);
}

/* What a daemon leaves that was killed: a file that nobody listens on. */
static void leave_behind(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
}

static void test_stale(void **state)
{
	(void)state;
	leave_behind();
	local_socket_close(open_socket());
}

static void test_no_socket(void **state)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	refuse(path, "is there and is no socket");
	assert_int_equal(access(path, F_OK), 0);
}

/* The file of somebody who came after is not removed. */
static void test_not_ones_own(void **state)
{
	struct local_socket *s = open_socket();

	(void)state;
	unlink(path);
	leave_behind();
	local_socket_close(s);
	assert_int_equal(access(path, F_OK), 0);
}

static void test_bad_paths(void **state)
{
	char longer[200];

	(void)state;
	snprintf(longer, sizeof(longer), "%s/none/ctl", dir);
	refuse(longer, "No such file or directory");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	refuse(longer, "too long: at most 107 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mode_and_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_living, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ones_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_paths, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

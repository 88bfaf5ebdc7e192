/* Layer 0: being a service: pid file, background, systemd. */
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

#define PID_FILE "pgdevstated.pid"

/* ---- the run directory's lock ---- */

static bool directory_make(const char *dir, struct buf *errors)
{
	struct stat st;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
		buf_addf(errors,
			"%s: cannot make the run directory: %s; make it, or set run_directory in "
			"[options]\n",
			dir, strerror(errno));
		return false;
	}
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
		buf_addf(errors, "%s: is no directory; set run_directory in [options]\n", dir);
		return false;
	}
	return true;
}

/* What open() or mkdir() would say of a path that is not there; 0: it can be made. */
static int error_of_making(const char *path)
{
	char *copy = mem_strdup(path);
	int error = 0;

	if (faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS) < 0)
		error = errno;
	free(copy);
	return error;
}

static int error_of_directory(const char *dir)
{
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	return errno == ENOENT ? error_of_making(dir) : errno;
}

static int error_of_log(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? error_of_making(path) : errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? errno : 0;
}

bool service_check(const char *run_directory, const char *log_file, struct buf *errors)
{
	size_t before = errors->len;
	struct stat st;
	int error = error_of_directory(run_directory);

	if (stat(run_directory, &st) == 0 && !S_ISDIR(st.st_mode))
		buf_addf(errors, "%s: is no directory; set run_directory in [options]\n",
			run_directory);
	else if (error && stat(run_directory, &st) == 0)
		buf_addf(errors,
			"%s: cannot write there: %s; who runs pgdevstated must be able to, or set "
			"run_directory in [options]\n",
			run_directory, strerror(error));
	else if (error)
		buf_addf(errors,
			"%s: cannot make the run directory: %s; make it, or set run_directory in "
			"[options]\n",
			run_directory, strerror(error));
	error = log_file[0] ? error_of_log(log_file) : 0;
	if (error)
		buf_addf(errors, "%s: cannot open the log: %s; set log_file in [options]\n",
			log_file, strerror(error));
	return errors->len == before;
}

static void error_held(int fd, const char *path, struct buf *errors)
{
	char pid[16];
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	buf_addf(errors,
		"another pgdevstated (pid %s) holds %s: stop it, or give this one another "
		"run_directory in [options]\n",
		*pid ? pid : "unknown", path);
}

/* Whoever held it may have removed the file while we waited at its door: then it is not
 * ours. */
static bool lock_is_of(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
		   ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

/* 1: locked; 0: once more; -1: no. */
static int lock_try(struct service *s, struct buf *errors)
{
	int fd = open(s->pid_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0) {
		buf_addf(errors,
			"%s: cannot open: %s; who runs pgdevstated must be able to write there, or "
			"set run_directory in [options]\n",
			s->pid_file, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		error_held(fd, s->pid_file, errors);
		close(fd);
		return -1;
	}
	if (!lock_is_of(fd, s->pid_file)) {
		close(fd);
		return 0;
	}
	s->lock_fd = fd;
	return 1;
}

static bool lock_take(struct service *s, const char *dir, struct buf *errors)
{
	int rc;

	s->pid_file = mem_printf("%s/" PID_FILE, dir);
	do {
		rc = lock_try(s, errors);
	} while (rc == 0);
	if (rc > 0)
		return true;
	free(s->pid_file);
	s->pid_file = NULL;
	return false;
}

static bool pid_write(const struct service *s, struct buf *errors)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(s->lock_fd, 0) == 0 && pwrite(s->lock_fd, text, (size_t)n, 0) == n)
		return true;
	buf_addf(errors, "%s: cannot write: %s\n", s->pid_file, strerror(errno));
	return false;
}

/* ---- the background ---- */

/* The process that was started: its exit status is what the child says, or that it ended.
 */
static _Noreturn void parent_wait(int fd)
{
	char said = 'f';
	ssize_t n;

	do {
		n = read(fd, &said, 1);
	} while (n < 0 && errno == EINTR);
	_exit(n == 1 && said == 'r' ? 0 : 1);
}

static void point_at_null(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

static bool background_enter(struct service *s, struct buf *errors)
{
	int fds[2];
	pid_t pid;

	fflush(NULL);
	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		buf_addf(errors, "cannot go to the background: %s\n", strerror(errno));
		return false;
	}
	if (pid > 0) {
		close(fds[1]);
		parent_wait(fds[0]);
	}
	close(fds[0]);
	s->ready_fd = fds[1];
	s->waited_for = true;
	setsid();
	point_at_null(STDIN_FILENO);
	if (chdir("/") < 0)
		log_warning("daemon", "cannot go to /: %s", strerror(errno));
	return true;
}

static void background_tell(struct service *s, char what)
{
	if (!s->waited_for)
		return;
	if (write(s->ready_fd, &what, 1) < 0)
		log_debug(1, "daemon", "who started us is gone: %s", strerror(errno));
	close(s->ready_fd);
	s->waited_for = false;
}

/* ---- systemd: a datagram to the socket that it names ---- */

static bool notify_address(struct sockaddr_un *addr, socklen_t *len)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(addr->sun_path) || (path[0] != '/' && path[0] != '@'))
		return false;
	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(addr->sun_path, path, n);
	if (path[0] == '@')
		addr->sun_path[0] = '\0'; /* abstract */
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

static void notify(const char *text)
{
	struct sockaddr_un addr;
	socklen_t len;
	int fd;

	if (!notify_address(&addr, &len))
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&addr, len) < 0)
		log_debug(1, "daemon", "cannot tell systemd: %s", strerror(errno));
	close(fd);
}

/* ---- what others call ---- */

bool service_begin(
	struct service *s, const char *run_directory, bool background, struct buf *errors)
{
	*s = (struct service){0};
	if (!directory_make(run_directory, errors) || !lock_take(s, run_directory, errors))
		return false;
	/* The lock belongs to the open file: the child inherits it. */
	if ((!background || background_enter(s, errors)) && pid_write(s, errors))
		return true;
	service_end(s);
	return false;
}

void service_ready(struct service *s)
{
	char text[64];

	if (!s->pid_file)
		return;
	if (s->waited_for) {
		point_at_null(STDOUT_FILENO);
		point_at_null(STDERR_FILENO);
	}
	background_tell(s, 'r');
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d", (int)getpid());
	notify(text);
}

void service_status(struct service *s, const char *status)
{
	char *text;

	if (!s->pid_file)
		return;
	text = mem_printf("STATUS=%s", status);
	notify(text);
	free(text);
}

void service_stopping(struct service *s)
{
	if (s->pid_file)
		notify("STOPPING=1");
}

void service_end(struct service *s)
{
	if (!s->pid_file)
		return;
	unlink(s->pid_file); /* while it is locked: nobody else's */
	close(s->lock_fd);
	background_tell(s, 'f'); /* last: who hears it may start another one */
	free(s->pid_file);
	*s = (struct service){0};
}

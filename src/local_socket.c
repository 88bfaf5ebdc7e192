/* Layer 0: a daemon's unix socket. */
#include "local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mem.h"

#define SOCKET_MODE    0660
#define SOCKET_BACKLOG 64

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* A full backlog (EAGAIN) is a living daemon too. */
static bool is_alive(const struct sockaddr_un *addr)
{
	int fd = new_socket();
	int rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	bool alive = rc == 0 || errno == EAGAIN || errno == EINPROGRESS || errno == EACCES;

	if (fd >= 0)
		close(fd);
	return alive;
}

/* Removes what a dead daemon left. */
static bool make_room(const struct sockaddr_un *addr, char **error)
{
	struct stat st;

	if (lstat(addr->sun_path, &st) < 0)
		return true;
	if (!S_ISSOCK(st.st_mode)) {
		*error = mem_printf("%s is there and is no socket: remove it, or set another "
							"run_directory or socket",
			addr->sun_path);
		return false;
	}
	if (is_alive(addr)) {
		*error =
			mem_printf("another pgdevstated listens on %s: stop it, or give this one "
					   "another run_directory or socket",
				addr->sun_path);
		return false;
	}
	if (unlink(addr->sun_path) < 0) {
		*error = mem_printf(
			"cannot remove the old socket %s: %s", addr->sun_path, strerror(errno));
		return false;
	}
	return true;
}

static const char *group_trouble(const struct group *g, int err)
{
	if (!g)
		return "there is no such group";
	if (err == EPERM)
		return "the user that pgdevstated runs as must be a member of it: usermod -aG";
	return strerror(err);
}

static bool give_to_group(const char *path, const char *group, char **error)
{
	const struct group *g;

	if (!*group)
		return true;
	g = getgrnam(group);
	if (g && chown(path, (uid_t)-1, g->gr_gid) == 0)
		return true;
	*error = mem_printf("cannot give the socket %s to group %s: %s", path, group,
		group_trouble(g, errno));
	return false;
}

/*
 * The mode is set before the file is there, so that it is never wider; and once more
 * behind, because the umask may have taken bits away.
 */
static bool bind_and_listen(struct local_socket *s, const struct sockaddr_un *addr,
	const char *whose, const char *group, char **error)
{
	struct stat st;

	s->fd = new_socket();
	if (s->fd >= 0 && fchmod(s->fd, SOCKET_MODE) == 0 &&
		bind(s->fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0) {
		if (lstat(addr->sun_path, &st) == 0) { /* ours: to be removed */
			s->dev = st.st_dev;
			s->ino = st.st_ino;
		}
		if (!give_to_group(addr->sun_path, group, error))
			return false;
		if (s->ino && chmod(addr->sun_path, SOCKET_MODE) == 0 &&
			listen(s->fd, SOCKET_BACKLOG) == 0)
			return true;
	}
	*error = mem_printf(
		"cannot make the %s's socket %s: %s", whose, addr->sun_path, strerror(errno));
	return false;
}

/* Looking, removing and binding are one step for daemons that start at the same moment.
 */
static int lock_directory(const char *path, const char *whose, char **error)
{
	char *copy = mem_strdup(path);
	const char *dir = dirname(copy);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		*error = mem_printf("cannot open the directory %s of the %s's socket: %s", dir,
			whose, strerror(errno));
	else
		while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
			;
	free(copy);
	return fd;
}

struct local_socket *local_socket_open(
	const char *path, const char *whose, const char *group, char **error)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct local_socket *s;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		*error = mem_printf("the socket's path %s is too long: at most %zu bytes", path,
			sizeof(addr.sun_path) - 1);
		return NULL;
	}
	strcpy(addr.sun_path, path);
	int lock = lock_directory(path, whose, error);
	if (lock < 0)
		return NULL;
	s = mem_alloc(sizeof(*s));
	s->fd = -1;
	s->path = mem_strdup(path);
	bool ok = make_room(&addr, error) && bind_and_listen(s, &addr, whose, group, error);
	close(lock);
	if (!ok) {
		local_socket_close(s);
		return NULL;
	}
	return s;
}

void local_socket_close(struct local_socket *s)
{
	struct stat st;

	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	if (s->ino && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	free(s->path);
	free(s);
}

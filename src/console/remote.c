/* The client's side of the console: one connection to a daemon. */
#include "remote.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mem.h"

#define READY_WAIT_MS 10000
#define READ_BYTES    16384

/* What a person can do about a socket that does not answer. */
static const char *advice(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return "is pgdevstated running, and is this its socket?";
	case EACCES:
	case EPERM:
		return "only the daemon's user and group may use its console";
	case EAGAIN:
		return "the daemon does not take connections at the moment";
	default:
		return "see the daemon's log";
	}
}

static int connect_to(const char *path, char **error)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path)) {
		*error = mem_printf("the socket's path %s is too long: at most %zu bytes", path,
			sizeof(addr.sun_path) - 1);
	} else {
		strcpy(addr.sun_path, path);
		if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
			return fd;
		int failed = errno;
		*error = mem_printf(
			"cannot connect to %s: %s: %s", path, strerror(failed), advice(failed));
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* system_name TAB version TAB pid */
static bool parse_ready(struct remote *s, const struct frame *f)
{
	const char *version = strchr(f->data, '\t');
	const char *pid = version ? strchr(version + 1, '\t') : NULL;

	if (!pid)
		return false;
	s->system_name = mem_strndup(f->data, (size_t)(version - f->data));
	s->version = mem_strndup(version + 1, (size_t)(pid - version - 1));
	s->pid = atoi(pid + 1);
	return true;
}

static bool greet(struct remote *s, const char *mode, bool json, char **error)
{
	char *open = mem_printf("%s%s", mode, json ? " json" : "");
	bool sent = remote_send(s, FRAME_OPEN, open, strlen(open));
	const char *why = "it closed the connection";
	struct frame f;

	free(open);
	enum remote_got got = remote_next(s, READY_WAIT_MS, &f, &why);
	if (sent && got == REMOTE_FRAME && f.type == FRAME_READY && parse_ready(s, &f))
		return true;
	if (got == REMOTE_FRAME)
		why = f.type == FRAME_BYE ? f.data : "it does not speak the console's protocol";
	else if (got == REMOTE_NOTHING)
		why = "it does not answer";
	*error = mem_printf("the daemon at %s: %s", s->path, why);
	return false;
}

struct remote *remote_open(const char *path, const char *mode, bool json, char **error)
{
	int fd = connect_to(path, error);
	struct remote *s;

	if (fd < 0)
		return NULL;
	s = mem_alloc(sizeof(*s));
	s->fd = fd;
	s->wake_fd = -1;
	s->path = mem_strdup(path);
	frame_reader_init(&s->in);
	if (greet(s, mode, json, error))
		return s;
	remote_close(s);
	return NULL;
}

void remote_close(struct remote *s)
{
	if (!s)
		return;
	close(s->fd);
	frame_reader_clear(&s->in);
	free(s->path);
	free(s->system_name);
	free(s->version);
	free(s);
}

bool remote_send(struct remote *s, enum frame_type type, const char *data, size_t len)
{
	struct buf frame;
	size_t at = 0;

	s->lists += type == FRAME_COMPLETE;
	buf_init(&frame);
	frame_print(&frame, type, data, len);
	while (at < frame.len) {
		ssize_t n = send(s->fd, frame.data + at, frame.len - at, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	bool sent = at == frame.len;
	buf_clear(&frame);
	return sent;
}

/* Waits for bytes and takes them in. */
static enum remote_got take_bytes(struct remote *s, int timeout_ms, const char **why)
{
	struct pollfd p[2] = {
		{.fd = s->fd, .events = POLLIN}, {.fd = s->wake_fd, .events = POLLIN}};
	char bytes[READ_BYTES];

	if (poll(p, 2, timeout_ms) <= 0)
		return REMOTE_NOTHING;
	if (p[1].revents) {
		while (read(s->wake_fd, bytes, sizeof(bytes)) > 0)
			;
		return REMOTE_NOTHING;
	}
	ssize_t n = read(s->fd, bytes, sizeof(bytes));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return REMOTE_NOTHING;
	if (n <= 0) {
		*why = n == 0 ? "it closed the connection" : strerror(errno);
		return REMOTE_CLOSED;
	}
	frame_reader_add(&s->in, bytes, (size_t)n);
	return REMOTE_FRAME;
}

enum remote_got remote_next(
	struct remote *s, int timeout_ms, struct frame *out, const char **why)
{
	while (true) {
		int rc = frame_reader_next(&s->in, out, why);
		if (rc > 0 && out->type == FRAME_LIST && s->lists-- > 1)
			continue; /* nobody waits for it any more */
		if (rc != 0)
			return rc > 0 ? REMOTE_FRAME : REMOTE_CLOSED;
		enum remote_got got = take_bytes(s, timeout_ms, why);
		if (got != REMOTE_FRAME)
			return got;
	}
}

/*
 * The path through two nodes: what a telephone server says on the link of one, until a
 * program that watches the other one's link was told. Usage: link SOCKET SOCKET; commands
 * as in path.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "path.h"

#define ROOM 65536 /* what waits for the socket; then no more is taken */

struct end {
	int fd;
	char in[65536];
	size_t have;
	char out[ROOM + 64 * 256];
	size_t waiting, written;
};

static struct {
	struct end said, seen;
	int began; /* the first dump is complete */
} links;

static const char *const states[] = {"-", "NOT_INUSE", "INUSE", "BUSY"};

static void end_open(struct end *e, const char *path, const char *words)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	e->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(e->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		path_die(path, strerror(errno));
	e->waiting = (size_t)sprintf(e->out, "hello\t1\t-\tbench\t1\t%s\n", words);
}

static void end_flush(struct end *e)
{
	while (e->written < e->waiting) {
		ssize_t n = send(e->fd, e->out + e->written, e->waiting - e->written,
			MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			break; /* full; or closed, which reading tells */
		e->written += (size_t)n;
	}
	if (e->written == e->waiting)
		e->written = e->waiting = 0;
}

static int state_of(const char *word, size_t len)
{
	for (int i = 0; i < 4; i++) {
		if (strlen(states[i]) == len && memcmp(states[i], word, len) == 0)
			return i;
	}
	return -1;
}

/* device STATE ENTITY PJSIP/000001 */
static void got_device(const char *line)
{
	const char *end = strchr(line, '\t'), *name = strstr(line, "\tPJSIP/");

	if (end && name)
		path_seen(atoi(name + 7), state_of(line, (size_t)(end - line)));
}

static void got_line(struct end *e, const char *line)
{
	if (strncmp(line, "device\t", 7) == 0)
		got_device(line + 7);
	else if (strcmp(line, "end") == 0)
		links.began |= e == &links.seen;
	else if (strncmp(line, "refused", 7) == 0)
		path_die("the node says", line);
	else if (strncmp(line, "bye", 3) == 0 && e == &links.seen)
		path_die("the node says", line);
}

static void end_read(struct end *e)
{
	ssize_t n;

	while (
		(n = recv(e->fd, e->in + e->have, sizeof(e->in) - e->have, MSG_DONTWAIT)) > 0) {
		char *line = e->in, *stop;

		e->have += (size_t)n;
		while ((stop = memchr(line, '\n', e->have - (size_t)(line - e->in))) != NULL) {
			*stop = '\0';
			got_line(e, line);
			line = stop + 1;
		}
		e->have -= (size_t)(line - e->in);
		memmove(e->in, line, e->have);
	}
	if (n == 0 && e == &links.seen)
		path_die("link", "the node closed it");
	if (n == 0) { /* the node that was killed: nothing more comes from it */
		close(e->fd);
		e->fd = -1;
	}
}

static int fds(struct pollfd *out)
{
	out[0] = (struct pollfd){links.seen.fd, POLLIN, 0};
	out[1] = (struct pollfd){links.said.fd, POLLIN, 0};
	if (links.said.waiting > 0)
		out[1].events |= POLLOUT;
	return 2;
}

static void turn(const struct pollfd *polled)
{
	if (polled[1].revents & POLLOUT)
		end_flush(&links.said);
	if (polled[1].revents & (POLLIN | POLLHUP))
		end_read(&links.said);
	if (polled[0].revents & (POLLIN | POLLHUP))
		end_read(&links.seen);
}

static int say(const struct path_item *items, int n)
{
	struct end *e = &links.said;

	if (e->waiting >= ROOM || e->fd < 0)
		return 0;
	for (int i = 0; i < n; i++)
		e->waiting += (size_t)sprintf(e->out + e->waiting, "device\t%s\tPJSIP/%06d\n",
			states[items[i].state], items[i].device);
	end_flush(e);
	return n;
}

int main(int argc, char **argv)
{
	static const struct path path = {fds, say, turn};
	int64_t until = path_now_us() + 60000000;

	if (argc != 3)
		path_die("usage", "link SOCKET SOCKET");
	end_open(&links.said, argv[1], "report");
	links.said.waiting +=
		(size_t)sprintf(links.said.out + links.said.waiting, "begin\nend\n");
	end_open(&links.seen, argv[2], "watch");
	end_flush(&links.seen);
	end_flush(&links.said);
	while (!links.began) {
		path_step(&path, 100000);
		if (path_now_us() > until)
			path_die(argv[2], "it did not tell all it knows within 60 s");
	}
	return path_main(&path);
}

/* Links on a real socket in a directory of its own; the test turns the loop. */
#ifndef LINK_WORLD_H
#define LINK_WORLD_H

#include "command_fixture.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "link_socket.h"
#include "log.h"

#define DEADLINE_US 20000000 /* of a condition that is waited for */
#define OURS        "01:23:45:67:89:ab"

struct world {
	struct fixture *f;
	char dir[64], path[96];
	char became[ENTITY_ID_TEXT];
};

static inline void world_become(void *arg, const struct entity_id *id)
{
	entity_id_print(id, ((struct world *)arg)->became);
}

static inline struct link_socket *world_listen(struct world *w, bool set, char **error)
{
	struct link_socket_config cfg = {.path = w->path,
		.group = "",
		.link = {.entity_is_set = set,
			.name = "server1",
			.version = "0.9",
			.file = "/etc/p.conf"},
		.become = world_become,
		.arg = w};
	struct link_socket *s;

	entity_id_parse(OURS, &cfg.link.entity);
	s = link_socket_new(w->f->app.base, w->f->app.node, &cfg, error);
	if (s)
		links_phase(link_socket_links(s), NODE_READY);
	return s;
}

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char *error = NULL;

	log_open(LOG_TO_FILE, "/dev/null");
	log_set_debug(0);
	strcpy(w->dir, "/tmp/link-XXXXXX");
	if (!mkdtemp(w->dir))
		return -1;
	snprintf(w->path, sizeof(w->path), "%s/link", w->dir);
	w->f = fixture_new();
	w->f->app.link = world_listen(w, true, &error);
	*state = w;
	return w->f->app.link ? 0 : -1;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	link_socket_free(w->f->app.link);
	fixture_free(w->f);
	log_close();
	int rc = rmdir(w->dir); /* the socket is gone */
	free(w);
	return rc;
}

#define world_test(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static inline struct links *world_links(struct world *w)
{
	return link_socket_links(w->f->app.link);
}

static inline void turn(struct world *w)
{
	event_base_loop(w->f->app.base, EVLOOP_NONBLOCK);
}

/* Turns the loop until `condition`, or fails and says which. */
#define wait_until(w, condition)                             \
	do {                                                     \
		int64_t until_ = clock_mono_us() + DEADLINE_US;      \
		while (!(condition)) {                               \
			if (clock_mono_us() >= until_)                   \
				fail_msg("never came to pass: " #condition); \
			turn(w);                                         \
		}                                                    \
	} while (0)

/* ---- a client whose bytes the test makes ---- */

struct peer {
	int fd;
	struct buf in;
	bool closed;
};

static inline struct peer peer_new(struct world *w)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct peer p = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};

	strcpy(addr.sun_path, w->path);
	assert_int_equal(connect(p.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	buf_init(&p.in);
	return p;
}

static inline void peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	buf_clear(&p->in);
}

static inline void put(struct peer *p, const char *text)
{
	assert_int_equal(send(p->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What is there now. */
static inline void peer_hear(struct peer *p)
{
	char bytes[65536];
	ssize_t n;

	while (!p->closed && (n = read(p->fd, bytes, sizeof(bytes))) != 0) {
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0)
			break;
		buf_add(&p->in, bytes, (size_t)n);
	}
	p->closed = true;
}

/* Waits until it was told this, and forgets all up to there. */
static inline void told(struct world *w, struct peer *p, const char *text)
{
	int64_t until = clock_mono_us() + DEADLINE_US;
	struct buf rest;
	const char *at;

	while (!(at = strstr(buf_str(&p->in), text))) {
		if (p->closed || clock_mono_us() >= until)
			fail_msg("'%s' is not in: %s", text, buf_str(&p->in));
		turn(w);
		peer_hear(p);
	}
	buf_init(&rest);
	buf_adds(&rest, at + strlen(text));
	buf_clear(&p->in);
	p->in = rest;
}

/* Waits for the end, which the node makes; these words are in its last line. */
static inline void ended(struct world *w, struct peer *p, const char *last)
{
	const char *end;

	told(w, p, last);
	wait_until(w, (peer_hear(p), p->closed));
	end = strchr(buf_str(&p->in), '\n');
	assert_true(!end || !end[1]);
	peer_close(p);
}

static inline struct peer linked(struct world *w, const char *words)
{
	struct peer p = peer_new(w);
	char hello[200];

	snprintf(hello, sizeof(hello), "hello\t1\t-\tpbx\t1.0%s\n", words);
	put(&p, hello);
	told(w, &p, "hello\t1\t" OURS "\tserver1\t0.9\nstatus\tready\n");
	return p;
}

#endif

/*
 * Stage 1: the link's socket.
 * In:    bytes of telephone servers and other programs on a unix socket.
 * Out:   the same to link.h, and what that has to say to them.
 * Owns:  the socket, the connections, their timers.
 * Never: waits for a client: one that does not read is dropped.
 *
 * What woke a link is looked at once, at the end of the loop turn: many changes leave
 * together.
 */
#include "link_socket.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "clock.h"
#include "local_socket.h"
#include "log.h"
#include "loop.h"
#include "mem.h"

#define READ_BYTES      16384
#define MOST_BYTES      65536 /* facts are made while less than this waits */
#define ACCEPT_PAUSE_MS 1000
#define BYE_WAIT_S      5 /* whoever was dropped may read why for so long */
#define S_US            INT64_C(1000000)

struct client {
	TAILQ_ENTRY(client) entry;
	struct link_socket *socket;
	struct link *link;
	struct bufferevent *bev;
	struct loop_timer *timer;
	int64_t written_us; /* when it last took something, or had nothing to take */
	int64_t over_us;    /* when its last word was given to libevent; 0: not yet */
	bool woken, reading;
	const char *lost; /* NULL: it is there */
};

TAILQ_HEAD(client_list, client);

struct link_socket {
	struct event_base *base;
	struct local_socket *socket;
	struct evconnlistener *listener;
	struct loop_timer *accept_again, *pump;
	struct links *links;
	struct node *node;
	void (*become)(void *arg, const struct entity_id *id);
	void *arg;
	bool pumping;
	struct client_list clients;
};

static size_t unread(const struct client *cl)
{
	return evbuffer_get_length(bufferevent_get_output(cl->bev));
}

static void client_wake(struct client *cl)
{
	if (cl->woken)
		return;
	cl->woken = true;
	if (cl->socket->pumping)
		loop_timer_start(cl->socket->pump, 0); /* others have their turn first */
	else
		loop_timer_soon(cl->socket->pump);
}

/* At once as much as goes: a turn of the loop less. What was taken of it. */
static size_t client_send(struct client *cl, const struct buf *out)
{
	ssize_t n = 0;

	if (unread(cl) == 0 && out->len > 0)
		n = send(
			bufferevent_getfd(cl->bev), out->data, out->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n > 0 ? (size_t)n : 0;
}

static void client_fill(struct client *cl)
{
	struct buf out = {0};
	size_t sent;

	if (unread(cl) >= MOST_BYTES / 2)
		return;
	link_pull(cl->link, &out, MOST_BYTES - unread(cl));
	sent = client_send(cl, &out);
	if (sent < out.len)
		bufferevent_write(cl->bev, out.data + sent, out.len - sent);
	else if (sent >= MOST_BYTES)
		client_wake(cl); /* there may be more */
	buf_clear(&out);
}

static void client_free(struct client *cl)
{
	struct link_socket *s = cl->socket;

	node_now(s->node, clock_mono_us());
	TAILQ_REMOVE(&s->clients, cl, entry);
	/* The last words are worth one try. libevent guards the buffer. */
	client_fill(cl);
	evbuffer_unfreeze(bufferevent_get_output(cl->bev), 1);
	evbuffer_write(bufferevent_get_output(cl->bev), bufferevent_getfd(cl->bev));
	link_free(cl->link, cl->lost);
	bufferevent_free(cl->bev);
	loop_timer_free(cl->timer);
	free(cl);
}

/* Freed by the pump: a callback may still hold it. */
static void client_lost(struct client *cl, const char *why)
{
	if (cl->lost)
		return;
	cl->lost = why;
	bufferevent_disable(cl->bev, EV_READ | EV_WRITE);
	loop_timer_start(cl->socket->pump, 0);
}

/* False: there was nothing. */
static bool client_take(struct client *cl)
{
	char bytes[READ_BYTES];
	bool any = false;
	size_t n;

	while (!link_is_paused(cl->link) &&
		   (n = bufferevent_read(cl->bev, bytes, sizeof(bytes))) > 0) {
		link_input(cl->link, bytes, n, clock_mono_us());
		any = true;
	}
	return any;
}

/* ---- out ---- */

static void client_watch(struct client *cl, int64_t now_us)
{
	int64_t at = link_deadline_us(cl->link);
	int64_t stuck = cl->over_us ? cl->over_us + BYE_WAIT_S * S_US
								: cl->written_us + LINK_STUCK_S * S_US;

	if (unread(cl) > 0 && (at == 0 || stuck < at))
		at = stuck;
	if (at == 0)
		loop_timer_stop(cl->timer);
	else
		loop_timer_start(cl->timer, at > now_us ? (at - now_us) / 1000 + 1 : 0);
}

static void client_read(struct client *cl, bool on)
{
	if (cl->reading == on)
		return;
	cl->reading = on;
	if (on)
		bufferevent_enable(cl->bev, EV_READ);
	else
		bufferevent_disable(cl->bev, EV_READ);
}

static void client_pump(struct client *cl, int64_t now_us)
{
	cl->woken = false;
	if (unread(cl) == 0)
		cl->written_us = now_us;
	client_fill(cl);
	client_read(cl, !link_is_over(cl->link) && !link_is_paused(cl->link));
	if (cl->reading)
		client_take(cl); /* what came before it was paused */
	if (link_is_over(cl->link)) {
		if (cl->over_us == 0)
			cl->over_us = now_us;
		if (unread(cl) == 0)
			client_lost(cl, "");
	}
	client_watch(cl, now_us);
}

static void pump(void *arg)
{
	struct link_socket *s = arg;
	struct client *cl, *next;
	int64_t now_us = clock_mono_us();

	s->pumping = true;
	for (cl = TAILQ_FIRST(&s->clients); cl; cl = next) {
		next = TAILQ_NEXT(cl, entry);
		if (cl->woken && !cl->lost)
			client_pump(cl, now_us);
	}
	s->pumping = false;
	for (cl = TAILQ_FIRST(&s->clients); cl; cl = next) {
		next = TAILQ_NEXT(cl, entry);
		if (cl->lost)
			client_free(cl);
	}
}

static void on_wake(void *arg, struct link *l)
{
	(void)arg;
	if (link_owner(l))
		client_wake(link_owner(l));
}

static void on_drained(struct bufferevent *bev, void *arg)
{
	struct client *cl = arg;

	(void)bev;
	cl->written_us = clock_mono_us();
	if (!cl->lost)
		client_wake(cl);
}

/* Some of it went out: it reads. */
static void on_output(
	struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
	struct client *cl = arg;

	(void)out;
	if (info->n_deleted > 0)
		cl->written_us = clock_mono_us();
}

/* ---- in ---- */

static void on_read(struct bufferevent *bev, void *arg)
{
	struct client *cl = arg;

	(void)bev;
	if (!cl->lost && client_take(cl))
		client_wake(cl);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *cl = arg;

	(void)bev;
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	on_read(bev, cl); /* what it said before it went */
	client_lost(cl,
		what & BEV_EVENT_EOF ? "it closed without bye" : strerror(EVUTIL_SOCKET_ERROR()));
}

static void on_timer(void *arg)
{
	struct client *cl = arg;
	int64_t now_us = clock_mono_us();

	if (cl->over_us && now_us >= cl->over_us + BYE_WAIT_S * S_US) {
		client_lost(cl, "");
		return;
	}
	if (!cl->over_us && unread(cl) > 0 &&
		now_us >= cl->written_us + LINK_STUCK_S * S_US) {
		client_lost(cl, "it does not read: nothing could be written for 30 s");
		return;
	}
	link_timer(cl->link, now_us);
	client_wake(cl);
}

/* ---- clients ---- */

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr,
	int addrlen, void *arg)
{
	struct link_socket *s = arg;
	struct client *cl = mem_alloc(sizeof(*cl));
	struct ucred who = {.pid = 0};
	socklen_t wholen = sizeof(who);

	(void)l, (void)addr, (void)addrlen;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &wholen);
	cl->socket = s;
	cl->written_us = clock_mono_us();
	cl->timer = loop_timer_new(s->base, on_timer, cl);
	cl->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	assert(cl->bev);
	bufferevent_setcb(cl->bev, on_read, on_drained, on_event, cl);
	bufferevent_setwatermark(cl->bev, EV_WRITE, MOST_BYTES / 4, 0);
	bufferevent_setwatermark(cl->bev, EV_READ, 0, MOST_BYTES);
	evbuffer_add_cb(bufferevent_get_output(cl->bev), on_output, cl);
	bufferevent_enable(cl->bev, EV_READ | EV_WRITE);
	cl->reading = true;
	TAILQ_INSERT_TAIL(&s->clients, cl, entry);
	cl->link = link_new(s->links, cl, who.pid, who.uid, cl->written_us);
	client_wake(cl);
}

/* Out of descriptors, for example: trying at once would only spin. */
static void on_accept_error(struct evconnlistener *l, void *arg)
{
	struct link_socket *s = arg;

	log_warning("link", "cannot accept a client: %s", strerror(errno));
	evconnlistener_disable(l);
	loop_timer_start(s->accept_again, ACCEPT_PAUSE_MS);
}

static void accept_again(void *arg)
{
	struct link_socket *s = arg;

	evconnlistener_enable(s->listener);
}

/* ---- life ---- */

static void on_touched(void *arg, enum key_kind kind, const char *key)
{
	struct link_socket *s = arg;

	links_touched(s->links, kind, key);
}

static void on_become(void *arg, const struct entity_id *id)
{
	struct link_socket *s = arg;

	s->become(s->arg, id);
}

/* Also when there is more of it to be read. */
static bool on_is_closed(void *arg, struct link *l)
{
	struct client *cl = link_owner(l);
	struct pollfd p = {.fd = cl ? bufferevent_getfd(cl->bev) : -1};

	(void)arg;
	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

struct link_socket *link_socket_new(struct event_base *base, struct node *n,
	const struct link_socket_config *cfg, char **error)
{
	static const struct link_callbacks cb = {on_wake, on_become, on_is_closed};
	struct local_socket *socket = local_socket_open(cfg->path, "link", cfg->group, error);
	struct link_socket *s;

	if (!socket)
		return NULL;
	signal(SIGPIPE, SIG_IGN); /* a client that went away must not take the daemon along */
	s = mem_alloc(sizeof(*s));
	s->base = base;
	s->socket = socket;
	s->node = n;
	s->become = cfg->become;
	s->arg = cfg->arg;
	TAILQ_INIT(&s->clients);
	s->links = links_new(n, &cfg->link, &cb, s);
	s->pump = loop_timer_new(base, pump, s);
	s->accept_again = loop_timer_new(base, accept_again, s);
	s->listener =
		evconnlistener_new(base, on_accept, s, LEV_OPT_CLOSE_ON_EXEC, 0, socket->fd);
	assert(s->listener);
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	node_on_touched(n, on_touched, s);
	return s;
}

void link_socket_free(struct link_socket *s)
{
	struct client *cl;

	if (!s)
		return;
	node_on_touched(s->node, NULL, NULL);
	links_end(s->links, "the node stops");
	while ((cl = TAILQ_FIRST(&s->clients)) != NULL) {
		client_pump(cl, clock_mono_us());
		client_free(cl);
	}
	loop_timer_free(s->pump);
	loop_timer_free(s->accept_again);
	evconnlistener_free(s->listener);
	local_socket_close(s->socket);
	links_free(s->links);
	free(s);
}

struct links *link_socket_links(struct link_socket *s)
{
	return s->links;
}

/*
 * Stage 9: console.
 * In:    frames of clients on a unix socket; lines of the log.
 * Out:   commands (command.h); their output, log lines and completions to the clients.
 * Owns:  the socket, the clients, the command that each of them runs.
 * Never: waits for a client: who does not read is dropped.
 */
#include "console.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "app.h"
#include "command.h"
#include "local_socket.h"
#include "frame.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "options.h"

#define MAX_CLIENTS 64
#define READ_BYTES  16384
#define MORE_BYTES  65536 /* a listing goes on below this much */
#define MAX_OUTPUT_BYTES \
	(4 * 1024 * 1024) /* a client that is this far behind is dropped */
#define ACCEPT_PAUSE_MS 1000
#define BYE_WAIT_MS     30000 /* who is dropped may read the reason for so long */
#define PIECE_BYTES     REPLY_PIECE_BYTES

/* A whole frame that libevent has not got yet, so that it can still be taken back. */
struct waiting {
	STAILQ_ENTRY(waiting) link;
	size_t len;
	char bytes[];
};
STAILQ_HEAD(waiting_list, waiting);

struct client {
	struct console *console;
	struct bufferevent *bev;
	struct waiting_list waiting;
	size_t waiting_bytes;
	struct frame_reader in;
	struct call *call; /* the running one, or the last one that ended */
	bool open, interactive, json;
	bool dead; /* freed after this loop turn: a handler may still be writing to it */
	struct loop_timer *bye; /* ... or, where it was dropped, when it has read why */
	pid_t pid;
	uid_t uid;
	struct client *next;
};

struct console {
	struct app *app;
	struct local_socket *socket;
	struct evconnlistener *listener;
	struct loop_timer *accept_again;
	struct loop_timer *reaper;
	struct log_listener log;
	struct client *clients;
	int nclients;
};

static void drop_waiting(struct client *cl)
{
	struct waiting *w;

	while ((w = STAILQ_FIRST(&cl->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&cl->waiting, link);
		free(w);
	}
	cl->waiting_bytes = 0;
}

static void client_free(struct client *cl)
{
	command_free(cl->call);
	/* The last words are worth one try; nobody is waited for. libevent guards the buffer.
	 */
	evbuffer_unfreeze(bufferevent_get_output(cl->bev), 1);
	evbuffer_write(bufferevent_get_output(cl->bev), bufferevent_getfd(cl->bev));
	bufferevent_free(cl->bev);
	loop_timer_free(cl->bye);
	drop_waiting(cl);
	frame_reader_clear(&cl->in);
	cl->console->nclients--;
	free(cl);
}

static void reap(void *arg)
{
	struct console *c = arg;

	for (struct client **at = &c->clients; *at;) {
		struct client *cl = *at;
		if (cl->dead && !cl->bye) {
			*at = cl->next;
			client_free(cl);
			continue;
		}
		if (cl->dead) { /* it may still read why: nothing runs for it */
			command_free(cl->call);
			cl->call = NULL;
		}
		at = &cl->next;
	}
}

static void client_end(struct client *cl)
{
	cl->dead = true;
	loop_timer_free(cl->bye);
	cl->bye = NULL;
	bufferevent_disable(cl->bev, EV_READ | EV_WRITE);
	loop_timer_start(cl->console->reaper, 0);
}

static void bye_is_over(void *arg)
{
	client_end(arg);
}

/* What libevent has, a client may have read in part: only whole frames beyond that wait.
 */
static void fill_output(struct client *cl)
{
	struct evbuffer *out = bufferevent_get_output(cl->bev);
	struct waiting *w;

	while (evbuffer_get_length(out) < MORE_BYTES &&
		   (w = STAILQ_FIRST(&cl->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&cl->waiting, link);
		cl->waiting_bytes -= w->len;
		bufferevent_write(cl->bev, w->bytes, w->len);
		free(w);
	}
}

static void put_frame(
	struct client *cl, enum frame_type type, const void *data, size_t len)
{
	struct waiting *w;
	struct buf frame;

	buf_init(&frame);
	frame_print(&frame, type, data, len);
	w = mem_alloc(sizeof(*w) + frame.len);
	w->len = frame.len;
	memcpy(w->bytes, frame.data, frame.len);
	buf_clear(&frame);
	cl->waiting_bytes += w->len;
	STAILQ_INSERT_TAIL(&cl->waiting, w, link);
	fill_output(cl);
}

static void client_drop(struct client *cl, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void client_drop(struct client *cl, const char *fmt, ...)
{
	struct buf why;
	va_list ap;

	if (cl->dead)
		return;
	buf_init(&why);
	va_start(ap, fmt);
	buf_addv(&why, fmt, ap);
	va_end(ap);
	cl->dead = true;
	drop_waiting(cl); /* the reason comes behind what libevent has already */
	put_frame(cl, FRAME_BYE, buf_str(&why), why.len);
	bufferevent_disable(cl->bev, EV_READ);
	bufferevent_setwatermark(cl->bev, EV_WRITE, 0, 0);
	cl->bye = loop_timer_new(cl->console->app->base, bye_is_over, cl);
	loop_timer_start(cl->bye, BYE_WAIT_MS);
	loop_timer_start(cl->console->reaper, 0);
	log_warning("console", "client dropped: %s pid=%d uid=%u", buf_str(&why),
		(int)cl->pid, (unsigned)cl->uid);
	buf_clear(&why);
}

static size_t unread(const struct client *cl)
{
	return evbuffer_get_length(bufferevent_get_output(cl->bev)) + cl->waiting_bytes;
}

/* Long data becomes several frames. */
static void client_send(
	struct client *cl, enum frame_type type, const char *data, size_t len)
{
	while (!cl->dead && len > 0) {
		size_t piece = len < PIECE_BYTES ? len : PIECE_BYTES;
		put_frame(cl, type, data, piece);
		data += piece;
		len -= piece;
	}
	if (!cl->dead && unread(cl) > MAX_OUTPUT_BYTES)
		client_drop(cl, "it does not read: %zu bytes wait for it", unread(cl));
}

static void sink_out(void *arg, const char *bytes, size_t len)
{
	client_send(arg, FRAME_OUT, bytes, len);
}

static void sink_err(void *arg, const char *bytes, size_t len)
{
	client_send(arg, FRAME_ERR, bytes, len);
}

static void sink_end(void *arg, int status)
{
	client_send(arg, FRAME_END, status == 0 ? "0" : "1", 1);
}

static bool sink_ready(void *arg)
{
	const struct client *cl = arg;

	return !cl->dead && unread(cl) < MORE_BYTES;
}

static bool is_running(const struct client *cl)
{
	return cl->call && !cl->call->ended;
}

static void got_open(struct client *cl, const struct frame *f)
{
	struct buf ready;

	if (cl->open || strspn(f->data, "abcdefghijklmnopqrstuvwxyz ") != f->len) {
		client_drop(cl, "a wrong 'open'");
		return;
	}
	cl->open = true;
	cl->interactive = strncmp(f->data, "interactive", 11) == 0;
	cl->json = strstr(f->data, " json") != NULL;
	buf_init(&ready);
	buf_addf(&ready, "%s\t%s\t%d", cl->console->app->options->system_name,
		PGDEVSTATE_VERSION, (int)getpid());
	put_frame(cl, FRAME_READY, ready.data, ready.len);
	buf_clear(&ready);
}

static void got_run(struct client *cl, const struct frame *f)
{
	struct call_sink sink = {.out = sink_out,
		.err = sink_err,
		.end = sink_end,
		.ready = sink_ready,
		.arg = cl};

	if (is_running(cl)) {
		client_drop(cl, "it sent a command while its last one was running");
		return;
	}
	log_debug(2, "console", "command pid=%d uid=%u line=%s", (int)cl->pid,
		(unsigned)cl->uid, f->data);
	command_free(cl->call);
	cl->call = NULL;
	cl->call = command_start(cl->console->app, f->data, f->len, cl->json, &sink);
}

static void got_cancel(struct client *cl, const struct frame *f)
{
	(void)f;
	if (!is_running(cl))
		return;
	command_free(cl->call);
	cl->call = NULL;
	sink_err(cl, "Cancelled.\n", strlen("Cancelled.\n"));
	sink_end(cl, 1);
}

static void got_complete(struct client *cl, const struct frame *f)
{
	struct buf list;
	size_t len;

	buf_init(&list);
	command_complete(cl->console->app, f->data, f->len, &list);
	for (len = list.len; len > FRAME_MAX_BYTES || list.data[len - 1] != '\n';)
		len--;
	put_frame(cl, FRAME_LIST, list.data, len);
	buf_clear(&list);
}

static void (*const handlers[FRAME_TYPES])(struct client *cl, const struct frame *f) = {
	[FRAME_OPEN] = got_open,
	[FRAME_RUN] = got_run,
	[FRAME_CANCEL] = got_cancel,
	[FRAME_COMPLETE] = got_complete,
};

static void got_frame(struct client *cl, const struct frame *f)
{
	if (!handlers[f->type])
		client_drop(
			cl, "a frame '%s', which only the daemon sends", frame_type_name(f->type));
	else if (!cl->open && f->type != FRAME_OPEN)
		client_drop(cl, "a frame '%s' before 'open'", frame_type_name(f->type));
	else
		handlers[f->type](cl, f);
}

static void take_frames(struct client *cl)
{
	struct frame f;
	const char *why = NULL;
	int rc;

	while (!cl->dead && (rc = frame_reader_next(&cl->in, &f, &why)) != 0) {
		if (rc > 0)
			got_frame(cl, &f);
		else
			client_drop(cl, "%s", why);
	}
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct client *cl = arg;
	char bytes[READ_BYTES];
	size_t n;

	while (!cl->dead && (n = bufferevent_read(bev, bytes, sizeof(bytes))) > 0) {
		frame_reader_add(&cl->in, bytes, n);
		take_frames(cl);
	}
}

static void on_drained(struct bufferevent *bev, void *arg)
{
	struct client *cl = arg;

	fill_output(cl);
	if (cl->dead && cl->bye && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		client_end(cl); /* it has read why it was dropped */
	else if (!cl->dead && is_running(cl))
		command_more(cl->call);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *cl = arg;

	(void)bev;
	if ((cl->dead && !cl->bye) || !(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	if (!cl->dead && is_running(cl))
		log_notice("console",
			"client left while its command was running: cancelled pid=%d", (int)cl->pid);
	client_end(cl);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr,
	int addrlen, void *arg)
{
	struct console *c = arg;
	struct client *cl = mem_alloc(sizeof(*cl));
	struct ucred who = {.pid = 0};
	socklen_t wholen = sizeof(who);

	(void)l, (void)addr, (void)addrlen;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &wholen);
	cl->console = c;
	cl->pid = who.pid;
	cl->uid = who.uid;
	STAILQ_INIT(&cl->waiting);
	frame_reader_init(&cl->in);
	cl->bev = bufferevent_socket_new(c->app->base, fd, BEV_OPT_CLOSE_ON_FREE);
	assert(cl->bev);
	bufferevent_setcb(cl->bev, on_read, on_drained, on_event, cl);
	bufferevent_setwatermark(cl->bev, EV_WRITE, MORE_BYTES / 2, 0);
	bufferevent_enable(cl->bev, EV_READ | EV_WRITE);
	cl->next = c->clients;
	c->clients = cl;
	if (++c->nclients > MAX_CLIENTS)
		client_drop(cl, "%d consoles are open already", MAX_CLIENTS);
}

/* Out of descriptors, for example: trying at once would only spin. */
static void on_accept_error(struct evconnlistener *l, void *arg)
{
	struct console *c = arg;

	log_warning("console", "cannot accept a client: %s", strerror(errno));
	evconnlistener_disable(l);
	loop_timer_start(c->accept_again, ACCEPT_PAUSE_MS);
}

static void accept_again(void *arg)
{
	struct console *c = arg;

	evconnlistener_enable(c->listener);
}

static void on_log(void *arg, enum log_level level, const char *line)
{
	struct console *c = arg;

	(void)level;
	for (struct client *cl = c->clients; cl; cl = cl->next) {
		if (cl->interactive)
			client_send(cl, FRAME_LOG, line, strlen(line));
	}
}

void console_verbose(struct console *c, const char *line, const struct call *except)
{
	for (struct client *cl = c ? c->clients : NULL; cl; cl = cl->next) {
		if (cl->interactive && (!except || except->sink.arg != cl))
			client_send(cl, FRAME_LOG, line, strlen(line));
	}
}

struct console *console_new(struct app *app, const char *path, char **error)
{
	struct local_socket *s = local_socket_open(path, "console", "", error);
	struct console *c;

	if (!s)
		return NULL;
	/* A client that went away must not take the daemon along. */
	signal(SIGPIPE, SIG_IGN);
	c = mem_alloc(sizeof(*c));
	c->app = app;
	c->socket = s;
	c->listener =
		evconnlistener_new(app->base, on_accept, c, LEV_OPT_CLOSE_ON_EXEC, 0, s->fd);
	assert(c->listener);
	evconnlistener_set_error_cb(c->listener, on_accept_error);
	c->accept_again = loop_timer_new(app->base, accept_again, c);
	c->reaper = loop_timer_new(app->base, reap, c);
	c->log = (struct log_listener){.line = on_log, .arg = c};
	log_add_listener(&c->log);
	return c;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	log_remove_listener(&c->log);
	for (struct client *cl = c->clients; cl; cl = cl->next) {
		if (!cl->dead)
			put_frame(cl, FRAME_BYE, "the daemon stops", strlen("the daemon stops"));
		client_end(cl);
	}
	reap(c);
	loop_timer_free(c->reaper);
	loop_timer_free(c->accept_again);
	evconnlistener_free(c->listener);
	local_socket_close(c->socket);
	free(c);
}

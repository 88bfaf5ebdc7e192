/*
 * A PostgreSQL server of the tests' own: it speaks just enough of the protocol, on the
 * same loop, and misbehaves as it is told. Each .c that includes this has one fake.
 */
#ifndef FAKEPG_H
#define FAKEPG_H

#include <arpa/inet.h>
#include <signal.h>
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#define FAKE_STATEMENTS 16

struct fake_client {
	struct bufferevent *bev; /* NULL: hung up */
	bool started;
	bool parsed, bound;       /* since the last Sync */
	char name[32], sql[1024]; /* of the last Parse or Bind */
	struct {
		char name[32], sql[1024];
	} statements[FAKE_STATEMENTS];
	int nstatements;
};

static struct {
	struct event_base *base;
	char dir[32], path[64], conninfo[128];
	struct evconnlistener *listener;
	struct fake_client clients[16];
	int nclients;
	/* how to behave */
	bool silent; /* takes connections and never says a word */
	const char *refuse, *refuse_state;
	const char *in_hot_standby, *read_only, *encoding;
	int version;
	/* Answers a statement: fake_row()s, then fake_complete(), or fake_error(). */
	void (*query)(struct fake_client *c, const char *sql);
	int nqueries, nprepared;
} fake;

static inline void fake_bytes(struct fake_client *c, const void *bytes, size_t len)
{
	if (c->bev)
		evbuffer_add(bufferevent_get_output(c->bev), bytes, len);
}

static inline void fake_message(
	struct fake_client *c, char type, const void *body, size_t len)
{
	uint32_t n = htonl((uint32_t)len + 4);

	fake_bytes(c, &type, 1);
	fake_bytes(c, &n, 4);
	fake_bytes(c, body, len);
}

static inline void fake_param(struct fake_client *c, const char *name, const char *value)
{
	char body[200];
	int n = snprintf(body, sizeof(body), "%s%c%s", name, 0, value);

	fake_message(c, 'S', body, (size_t)n + 1);
}

/* type E: an error; N: a notice */
static inline void fake_error_of(struct fake_client *c, char type, const char *severity,
	const char *state, const char *text)
{
	char body[500];
	int n = snprintf(body, sizeof(body), "S%s%cV%s%cC%s%cM%s%c", severity, 0, severity, 0,
		state, 0, text, 0);

	fake_message(c, type, body, (size_t)n + 1);
}

static inline void fake_error(struct fake_client *c, const char *state, const char *text)
{
	fake_error_of(c, 'E', "ERROR", state, text);
}

static inline void fake_columns(struct fake_client *c, int columns)
{
	/* table 4, column 2, type 4 (25: text), size 2, modifier 4, format 2 bytes */
	static const char about[18] = {[9] = 25, [10] = (char)0xff, [11] = (char)0xff};
	char body[2048] = {0};
	size_t len = 2;

	body[1] = (char)columns;
	for (int i = 0; i < columns; i++) {
		len += (size_t)sprintf(body + len, "c%d", i) + 1;
		memcpy(body + len, about, sizeof(about));
		len += sizeof(about);
	}
	fake_message(c, 'T', body, len);
}

/* NULL values are null. */
static inline void fake_row(struct fake_client *c, int columns, const char *const *values)
{
	struct evbuffer *b = evbuffer_new();
	uint16_t n = htons((uint16_t)columns);
	size_t len;

	evbuffer_add(b, &n, 2);
	for (int i = 0; i < columns; i++) {
		uint32_t size = htonl(values[i] ? (uint32_t)strlen(values[i]) : UINT32_MAX);

		evbuffer_add(b, &size, 4);
		if (values[i])
			evbuffer_add(b, values[i], strlen(values[i]));
	}
	len = evbuffer_get_length(b);
	fake_message(c, 'D', evbuffer_pullup(b, -1), len);
	evbuffer_free(b);
}

static inline void fake_complete(struct fake_client *c)
{
	fake_message(c, 'C', "SELECT 1", 9);
}

/* One row of one text: the usual answer. */
static inline void fake_answer(struct fake_client *c, const char *text)
{
	fake_columns(c, 1);
	fake_row(c, 1, &text);
	fake_complete(c);
}

static inline void fake_ready(struct fake_client *c)
{
	fake_message(c, 'Z', "I", 1);
}

static inline void fake_notify(
	struct fake_client *c, const char *channel, const char *payload)
{
	char body[300] = {0};
	int n = snprintf(body + 4, sizeof(body) - 4, "%s%c%s", channel, 0, payload);

	fake_message(c, 'A', body, 4 + (size_t)n + 1);
}

/* What was said is still sent. */
static inline void fake_hang_up(struct fake_client *c)
{
	struct evbuffer *out;

	if (!c->bev)
		return;
	out = bufferevent_get_output(c->bev);
	evbuffer_unfreeze(out, 1); /* only the loop may take from it, usually */
	while (evbuffer_get_length(out) > 0 &&
		   evbuffer_write(out, bufferevent_getfd(c->bev)) > 0)
		;
	bufferevent_free(c->bev);
	c->bev = NULL;
}

static inline struct fake_client *fake_last(void)
{
	assert(fake.nclients > 0);
	return &fake.clients[fake.nclients - 1];
}

static inline void fake_start(struct fake_client *c)
{
	char version[16];

	c->started = true;
	if (fake.refuse) {
		fake_error_of(c, 'E', "FATAL", fake.refuse_state, fake.refuse);
		fake_hang_up(c);
		return;
	}
	snprintf(version, sizeof(version), "%d.1", fake.version);
	fake_message(c, 'R', "\0\0\0", 4);
	fake_param(c, "server_version", version);
	fake_param(c, "server_encoding", fake.encoding);
	fake_param(c, "in_hot_standby", fake.in_hot_standby);
	fake_param(c, "default_transaction_read_only", fake.read_only);
	fake_message(c, 'K', "\0\0\0\7\0\0\0\0", 8);
	fake_ready(c);
}

static inline void fake_parse(struct fake_client *c, const char *body)
{
	c->parsed = true;
	snprintf(c->name, sizeof(c->name), "%s", body);
	snprintf(c->sql, sizeof(c->sql), "%s", body + strlen(body) + 1);
	if (!*c->name)
		return;
	assert(c->nstatements < FAKE_STATEMENTS);
	memcpy(c->statements[c->nstatements].name, c->name, sizeof(c->name));
	memcpy(c->statements[c->nstatements++].sql, c->sql, sizeof(c->sql));
	fake.nprepared++;
}

static inline void fake_bind(struct fake_client *c, const char *body)
{
	const char *name = body + strlen(body) + 1;

	c->bound = true;
	for (int i = 0; i < c->nstatements; i++)
		if (*name && strcmp(c->statements[i].name, name) == 0)
			memcpy(c->sql, c->statements[i].sql, sizeof(c->sql));
}

static inline void fake_sync(struct fake_client *c)
{
	if (c->parsed)
		fake_message(c, '1', "", 0);
	if (c->bound) {
		fake_message(c, '2', "", 0);
		fake.nqueries++;
		fake.query(c, c->sql);
	}
	c->parsed = c->bound = false;
	if (!fake.silent)
		fake_ready(c);
}

static inline void fake_got(struct fake_client *c, char type, const char *body)
{
	switch (type) {
	case 0:
		fake_start(c);
		break;
	case 'P':
		fake_parse(c, body);
		break;
	case 'B':
		fake_bind(c, body);
		break;
	case 'S':
		fake_sync(c);
		break;
	case 'X':
		fake_hang_up(c);
		break;
	default:
		break;
	}
}

static inline void fake_readable(struct bufferevent *bev, void *arg)
{
	struct fake_client *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	while (!fake.silent && c->bev) {
		size_t head = c->started ? 1 : 0;
		unsigned char h[5];
		uint32_t len;
		char *body, type;

		if (evbuffer_copyout(in, h, head + 4) < (ssize_t)(head + 4))
			return;
		memcpy(&len, h + head, 4);
		len = ntohl(len);
		if (evbuffer_get_length(in) < head + len)
			return;
		type = c->started ? (char)h[0] : 0;
		evbuffer_drain(in, head + 4);
		body = calloc(1, len + 1);
		evbuffer_remove(in, body, len - 4);
		fake_got(c, type, body);
		free(body);
	}
}

static inline void fake_event(struct bufferevent *bev, short what, void *arg)
{
	struct fake_client *c = arg;

	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		fake_hang_up(c);
}

static inline void fake_accept(struct evconnlistener *l, evutil_socket_t fd,
	struct sockaddr *addr, int len, void *arg)
{
	struct fake_client *c = &fake.clients[fake.nclients++];

	(void)l;
	(void)addr;
	(void)len;
	(void)arg;
	assert(fake.nclients <= 16);
	*c = (struct fake_client){0};
	c->bev = bufferevent_socket_new(fake.base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(c->bev, fake_readable, NULL, fake_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static inline void fake_open(
	struct event_base *base, void (*query)(struct fake_client *c, const char *sql))
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	signal(SIGPIPE, SIG_IGN);
	memset(&fake, 0, sizeof(fake));
	fake.base = base;
	fake.query = query;
	fake.in_hot_standby = fake.read_only = "off";
	fake.encoding = "UTF8";
	fake.version = 15;
	strcpy(fake.dir, "/tmp/fakepg.XXXXXX");
	if (!mkdtemp(fake.dir))
		abort();
	snprintf(fake.path, sizeof(fake.path), "%s/.s.PGSQL.5432", fake.dir);
	snprintf(fake.conninfo, sizeof(fake.conninfo),
		"host=%s port=5432 user=u dbname=d connect_timeout=20", fake.dir);
	strcpy(addr.sun_path, fake.path);
	fake.listener = evconnlistener_new_bind(base, fake_accept, NULL,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16, (struct sockaddr *)&addr,
		sizeof(addr));
	assert(fake.listener);
}

static inline void fake_close(void)
{
	evconnlistener_free(fake.listener);
	for (int i = 0; i < fake.nclients; i++)
		fake_hang_up(&fake.clients[i]);
	unlink(fake.path);
	rmdir(fake.dir);
}

#endif

/*
 * The database port driven by hand: commands on stdin, what happens on stdout.
 * tests/flow/pgport.t plays it on the real schema.
 *
 *   connect | register | resume SEQ | listen | tick | leave | ping NONCE
 *   device STATE AGE_US NAME | mailbox NEW AGE_US NAME | remove NAME   collected for ...
 *   publish | force | beat
 *   rows | own_rows | journal SEQ | heads | disconnect | deadline MS (of the next)
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>

#include "buf.h"
#include "db.h"
#include "loop.h"
#include "mem.h"
#include "pgport.h"
#include "schema_version.h"

#define ITEMS_MAX 16

static struct {
	struct event_base *base;
	struct pgport *pgport;
	struct db_port port;
	struct db_self self;
	struct uuid incarnation, session, token;
	char channel[64];
	struct batch_item items[ITEMS_MAX];
	size_t nitems;
	int64_t deadline_ms;
	struct buf input;
} t;

static void print_lease(const struct db_lease *l)
{
	printf(" outcome=%d seq=%lld site=%d lease=%d holder=%s@%s:%d%s", l->outcome,
		(long long)l->seq, l->site, l->lease_ms, l->holder_name, l->holder_host,
		l->holder_pid, l->clock_us > 0 ? " clock" : "");
	if (!l->session.text[0])
		return;
	t.session = l->session;
	snprintf(t.channel, sizeof(t.channel), "%s", l->channel);
}

static void print_tick(const struct db_tick *k)
{
	char id[ENTITY_ID_TEXT];

	printf(" token=%s coordinator=%s pulse=%lld usage=%g",
		k->token.text[0] ? "yes" : "no",
		k->has_coordinator ? entity_id_print(&k->coordinator, id) : "none",
		(long long)k->pulse, k->queue_usage);
	t.token = k->token;
}

static void on_result(void *arg, const struct db_result *res)
{
	(void)arg;
	printf("%s %s", db_op_name(res->op), res->ok ? "ok" : res->lost ? "lost" : "error");
	if (!res->ok)
		printf(" [%s] %s", res->sqlstate, res->message);
	else if (res->op == DB_REGISTER || res->op == DB_RESUME)
		print_lease(&res->lease);
	else if (res->op == DB_TICK)
		print_tick(&res->tick);
	else
		printf(" seq=%lld changed=%d", (long long)res->seq, res->changed);
	printf("\n");
}

static void on_payload(void *arg, enum db_op op, const char *text, size_t len)
{
	(void)arg;
	printf("row of %s: %.*s%s", db_op_name(op), (int)len, text,
		op == DB_READ_HEADS ? "\n" : "");
}

static void on_notify(void *arg, const char *text, size_t len)
{
	(void)arg;
	printf("heard: %.*s", (int)len, text);
}

static void on_lost(void *arg, const char *sqlstate, const char *reason)
{
	(void)arg;
	printf("session lost [%s] %s\n", sqlstate, reason);
}

static void add_item(enum key_kind kind, int number, const char *rest)
{
	struct batch_item *item = &t.items[t.nitems++];
	char *name;

	assert(t.nitems < ITEMS_MAX);
	*item = (struct batch_item){.kind = kind, .age_us = strtoll(rest, &name, 10)};
	if (kind == KEY_DEVICE)
		item->value.state = (enum device_state)number;
	else
		item->value.fresh = (uint32_t)number;
	item->key = mem_strdup(name + 1);
}

static void add_removed(const char *name)
{
	struct batch_item *item = &t.items[t.nitems++];

	*item = (struct batch_item){
		.kind = strchr(name, '@') ? KEY_MAILBOX : KEY_DEVICE, .removed = true};
	item->key = mem_strdup(name);
}

static void drop_items(void)
{
	while (t.nitems > 0)
		free((char *)t.items[--t.nitems].key);
}

static void submit(struct db_request *req)
{
	req->self = &t.self;
	req->incarnation = t.incarnation;
	req->session = t.session;
	req->deadline_ms = t.deadline_ms ? t.deadline_ms : 20000;
	t.deadline_ms = 0;
	t.port.submit(t.port.arg, req);
}

static void publish(bool force, bool beat)
{
	struct db_request req = {
		.op = DB_PUBLISH, .force = force, .reporting = beat ? -1 : 1};

	req.items = t.items;
	req.nitems = beat ? 0 : t.nitems;
	submit(&req);
	if (!beat)
		drop_items();
}

static bool do_write(const char *word, const char *arg)
{
	if (strcmp(word, "device") == 0)
		add_item(KEY_DEVICE, atoi(arg), arg + strcspn(arg, " "));
	else if (strcmp(word, "mailbox") == 0)
		add_item(KEY_MAILBOX, atoi(arg), arg + strcspn(arg, " "));
	else if (strcmp(word, "remove") == 0)
		add_removed(arg);
	else if (strcmp(word, "publish") == 0)
		publish(false, false);
	else if (strcmp(word, "force") == 0)
		publish(true, false);
	else if (strcmp(word, "beat") == 0)
		publish(false, true);
	else
		return false;
	return true;
}

static void do_request(const char *word, const char *arg)
{
	static const struct {
		const char *word;
		enum db_op op;
	} words[] = {{"connect", DB_CONNECT}, {"register", DB_REGISTER},
		{"resume", DB_RESUME}, {"listen", DB_LISTEN}, {"tick", DB_TICK},
		{"leave", DB_LEAVE}, {"ping", DB_PING}, {"rows", DB_READ_ROWS},
		{"own_rows", DB_READ_ROWS}, {"journal", DB_READ_JOURNAL},
		{"heads", DB_READ_HEADS}};
	struct db_request req = {.seq = atoll(arg),
		.nonce = atoll(arg),
		.channel = t.channel,
		.token = t.token,
		.entity_incarnation = t.incarnation};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i].word) != 0)
			continue;
		req.op = words[i].op;
		if (req.op == DB_READ_JOURNAL || strcmp(word, "own_rows") == 0)
			req.entity = &t.self.entity;
		submit(&req);
		return;
	}
	printf("what is %s?\n", word);
}

static void do_command(char *line)
{
	char *arg = strchr(line, ' ');

	arg = arg ? (*arg = '\0', arg + 1) : line + strlen(line);
	if (strcmp(line, "disconnect") == 0)
		t.port.disconnect(t.port.arg, "told to");
	else if (strcmp(line, "deadline") == 0)
		t.deadline_ms = atoll(arg);
	else if (strcmp(line, "where") == 0)
		printf("where %s %d\n", pgport_host(t.pgport), pgport_backend_pid(t.pgport));
	else if (!do_write(line, arg))
		do_request(line, arg);
}

static void on_stdin(evutil_socket_t fd, short what, void *arg)
{
	char chunk[4096], *end;
	ssize_t n = read(fd, chunk, sizeof(chunk));

	(void)what;
	(void)arg;
	if (n <= 0) {
		loop_stop(t.base);
		return;
	}
	buf_add(&t.input, chunk, (size_t)n);
	while ((end = memchr(buf_str(&t.input), '\n', t.input.len)) != NULL) {
		char *line = mem_strndup(t.input.data, (size_t)(end - t.input.data));
		char *rest = mem_strdup(end + 1);

		buf_reset(&t.input);
		buf_adds(&t.input, rest);
		do_command(line);
		free(line);
		free(rest);
	}
}

static bool start(const char *conninfo, const char *entity)
{
	struct db_events events = {on_result, on_payload, on_notify, on_lost, NULL};
	char *error = NULL;

	t.self = (struct db_self){.name = "real",
		.host = "here",
		.boot_id = "boot",
		.version = "0",
		.pid = (int)getpid(),
		.lease_ms = 10000,
		.built_for = SCHEMA_VERSION};
	t.incarnation = uuid_random();
	t.base = loop_new();
	t.pgport = pgport_new(t.base, conninfo, "pgport_real", &error);
	if (!t.pgport || !entity_id_parse(entity, &t.self.entity)) {
		printf("refused %s\n", error ? error : "entity");
		free(error);
		return false;
	}
	pgport_set_events(t.pgport, &events);
	t.port = pgport_port(t.pgport);
	return true;
}

int main(int argc, char **argv)
{
	struct event *in;

	setvbuf(stdout, NULL, _IOLBF, 0);
	assert(argc == 3);
	if (start(argv[1], argv[2])) {
		in = event_new(t.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, NULL);
		event_add(in, NULL);
		loop_run(t.base);
		event_free(in);
	}
	drop_items();
	pgport_free(t.pgport);
	loop_free(t.base);
	buf_clear(&t.input);
	printf("end\n");
	return 0;
}

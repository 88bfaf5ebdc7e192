/* console.c on a real socket: several clients, slow ones, rude ones; and the client's own
 * code. */
#include "console_fixture.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "frame.h"

/* A client whose bytes the tests make. */
struct peer {
	int fd;
	struct frame_reader in;
};

static struct peer peer_new(struct world *w)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct peer p = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};

	strcpy(addr.sun_path, w->path);
	assert_int_equal(connect(p.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	frame_reader_init(&p.in);
	return p;
}

static void peer_free(struct peer *p)
{
	close(p->fd);
	frame_reader_clear(&p->in);
}

static void put(struct peer *p, const char *bytes)
{
	assert_int_equal(send(p->fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

static void put_frame(struct peer *p, enum frame_type type, const char *data)
{
	struct buf b;

	buf_init(&b);
	frame_print(&b, type, data, strlen(data));
	put(p, buf_str(&b));
	buf_clear(&b);
}

/* The next frame; 0: the connection was closed. */
static int get(struct world *w, struct peer *p, struct frame *f)
{
	int64_t until = clock_mono_us() + DEADLINE_US;
	char bytes[4096];
	const char *why;
	int rc;

	while ((rc = frame_reader_next(&p->in, f, &why)) == 0) {
		assert_true(clock_mono_us() < until);
		turn(w);
		ssize_t n = read(p->fd, bytes, sizeof(bytes));
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return 0;
		if (n > 0)
			frame_reader_add(&p->in, bytes, (size_t)n);
	}
	assert_int_equal(rc, 1);
	return 1;
}

static void expect(
	struct world *w, struct peer *p, enum frame_type type, const char *part)
{
	struct frame f;

	if (!get(w, p, &f))
		fail_msg("closed instead of '%s'", part);
	if (f.type != type || !strstr(f.data, part))
		fail_msg("%s '%s' instead of %s '%s'", frame_type_name(f.type), f.data,
			frame_type_name(type), part);
}

static void expect_bye(struct world *w, struct peer *p, const char *part)
{
	struct frame f;

	expect(w, p, FRAME_BYE, part);
	assert_int_equal(get(w, p, &f), 0);
}

static struct peer opened(struct world *w, const char *mode)
{
	struct peer p = peer_new(w);

	put_frame(&p, FRAME_OPEN, mode);
	expect(w, &p, FRAME_READY, "server1\t" PGDEVSTATE_VERSION "\t");
	return p;
}

static void test_commands(void **state)
{
	struct world *w = *state;
	struct peer a = opened(w, "once"), b = opened(w, "once json");

	put_frame(&a, FRAME_RUN, "core show version");
	put_frame(&b, FRAME_RUN, "core show version");
	expect(w, &a, FRAME_OUT, "pgdevstate " PGDEVSTATE_VERSION "\n");
	expect(w, &a, FRAME_END, "0");
	expect(w, &b, FRAME_OUT, "{\n  \"version\": ");
	expect(w, &b, FRAME_END, "0");
	put_frame(&a, FRAME_RUN, "nothing");
	expect(w, &a, FRAME_ERR, "No such command 'nothing'");
	expect(w, &a, FRAME_END, "1");
	put_frame(&a, FRAME_COMPLETE, "core sh");
	expect(w, &a, FRAME_LIST, "2\nshow\n");
	peer_free(&a);
	peer_free(&b);
}

static void test_byte_by_byte(void **state)
{
	struct world *w = *state;
	struct peer p = opened(w, "once");
	const char *text = "1 run 17\ncore show version";

	for (; *text; text++) {
		char one[2] = {*text, '\0'};
		put(&p, one);
		turn(w);
	}
	expect(w, &p, FRAME_OUT, "pgdevstate ");
	peer_free(&p);
}

static void test_rude(void **state)
{
	static const struct {
		const char *bytes, *answer;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "VERSION TYPE LENGTH"},
		{"GET /a/longer/path/than/any/header HTTP/1.1\r\n", "too long"},
		{"GET /\n", "VERSION TYPE LENGTH"},
		{"1 run 4\nhelp", "a frame 'run' before 'open'"},
		{"1 out 4\nhelp", "which only the daemon sends"},
		{"1 open 4\nonce1 open 4\nonce", NULL},
		{"1 open 4\no\tce", "a wrong 'open'"},
		{"1 run 70000\n", "length"},
		{"9 open 4\nonce", "another version"},
	};
	struct world *w = *state;
	struct frame f;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct peer p = peer_new(w);
		put(&p, cases[i].bytes);
		if (!cases[i].answer)
			expect(w, &p, FRAME_READY, "server1");
		expect(w, &p, FRAME_BYE, cases[i].answer ? cases[i].answer : "a wrong 'open'");
		assert_int_equal(get(w, &p, &f), 0);
		peer_free(&p);
	}
}

static void test_one_command_at_a_time(void **state)
{
	struct world *w = *state;
	struct peer p = opened(w, "once");

	put_frame(&p, FRAME_RUN, "cluster ping");
	put_frame(&p, FRAME_RUN, "help");
	expect_bye(w, &p, "its last one was running");
	assert_null(w->f->app.node->pong_arg);
	peer_free(&p);
}

static void test_client_leaves(void **state)
{
	struct world *w = *state;
	struct node *n = w->f->app.node;
	struct peer p = opened(w, "once");

	put_frame(&p, FRAME_RUN, "cluster ping");
	wait_until(w, &n->pong_arg, true);
	peer_free(&p);
	wait_until(w, &n->pong_arg, false);
	p = opened(w, "once");
	put_frame(&p, FRAME_RUN, "devstate change Custom:x BUSY");
	wait_until(w, &n->acked_arg, true);
	peer_free(&p);
	wait_until(w, &n->acked_arg, false);
	assert_string_equal(buf_str(&n->said), "set device Custom:x BUSY 0/0/0 held\n");
}

static void test_cancel(void **state)
{
	struct world *w = *state;
	struct peer p = opened(w, "interactive");

	put_frame(&p, FRAME_CANCEL, ""); /* nothing runs: nothing happens */
	put_frame(&p, FRAME_RUN, "cluster ping");
	put_frame(&p, FRAME_CANCEL, "");
	expect(w, &p, FRAME_ERR, "Cancelled.");
	expect(w, &p, FRAME_END, "1");
	assert_null(w->f->app.node->pong_arg);
	put_frame(&p, FRAME_RUN, "core show version");
	expect(w, &p, FRAME_OUT, "pgdevstate ");
	expect(w, &p, FRAME_END, "0");
	peer_free(&p);
}

static void test_log_lines(void **state)
{
	struct world *w = *state;
	struct peer person = opened(w, "interactive"), script = opened(w, "script");

	log_notice("test", "something happened key=%d", 1);
	expect(w, &person, FRAME_LOG, "something happened key=1");
	put_frame(&script, FRAME_RUN, "core show version");
	expect(w, &script, FRAME_OUT, "pgdevstate "); /* no log line before it */
	peer_free(&person);
	peer_free(&script);
}

static void test_verbose(void **state)
{
	struct world *w = *state;
	struct peer person = opened(w, "interactive"), caller = opened(w, "interactive");

	fixture_dialplan(w->f, "[default]\nexten => say,1,NoOp(hello)\n");
	put_frame(&caller, FRAME_RUN, "console dial say");
	expect(w, &caller, FRAME_OUT, "NoOp(\"Console/dsp\", \"hello\")");
	w->f->app.verbose = 3;
	put_frame(&person, FRAME_RUN, "console dial say");
	expect(w, &person, FRAME_OUT, "NoOp(\"Console/dsp\", \"hello\")");
	struct frame f;
	do
		assert_int_equal(get(w, &caller, &f), 1);
	while (f.type != FRAME_LOG);
	assert_contains(f.data, "NoOp(\"Console/dsp\", \"hello\")");
	console_verbose(NULL, "no console yet", NULL);
	peer_free(&person);
	peer_free(&caller);
}

static void log_much(struct world *w)
{
	char line[1001];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 10000; i++) {
		log_notice("test", "%s", line);
		if (i % 100 == 0)
			turn(w);
	}
}

/*
 * A person who does not read is dropped; what waited is given up, so that the reason is
 * what is read last, at once, when reading goes on. The others are served.
 */
static void test_slow_reader(void **state)
{
	struct world *w = *state;
	struct peer slow = opened(w, "interactive"), other = opened(w, "once");
	struct frame f;
	int frames = 0;

	put_frame(&slow, FRAME_RUN, "cluster ping");
	wait_until(w, &w->f->app.node->pong_arg, true);
	log_much(w);
	wait_until(w, &w->f->app.node->pong_arg, false); /* its command is given up */
	while (get(w, &slow, &f) && f.type == FRAME_LOG)
		frames++;
	assert_true(frames > 10 && frames < 1000); /* 1000 bytes each */
	assert_int_equal(f.type, FRAME_BYE);
	assert_contains(f.data, "it does not read: 4");
	assert_int_equal(get(w, &slow, &f), 0);
	put_frame(&other, FRAME_RUN, "core show version");
	expect(w, &other, FRAME_OUT, "pgdevstate ");
	peer_free(&slow);
	peer_free(&other);
}

/* It was dropped and goes without having read why; or stays to the daemon's end. */
static void test_slow_reader_goes(void **state)
{
	struct world *w = *state;
	struct peer goes = opened(w, "interactive"), stays = opened(w, "interactive");

	log_much(w);
	peer_free(&goes);
	for (int i = 0; i < 100; i++)
		turn(w);
	peer_free(&stays); /* in the teardown the daemon still has it */
}

/* A long listing waits for a slow reader and reaches its end. */
static void test_long_listing(void **state)
{
	struct world *w = *state;
	struct peer p = opened(w, "once json");
	char name[64];
	struct frame f;
	struct buf all;

	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "PJSIP/a-longer-name-%d", i);
		fake_says(w->f->app.node, w->f->app.node->self, name, STATE_INUSE);
	}
	put_frame(&p, FRAME_RUN, "devstate list");
	for (int i = 0; i < 1000; i++)
		turn(w); /* nobody reads: it must stop at the bound */
	buf_init(&all);
	while (get(w, &p, &f) && f.type == FRAME_OUT)
		buf_add(&all, f.data, f.len);
	assert_int_equal(f.type, FRAME_END);
	json_t *list = json_loads(buf_str(&all), 0, NULL);
	assert_int_equal(json_array_size(list), 100000);
	json_decref(list);
	buf_clear(&all);
	peer_free(&p);
}

static void test_too_many_clients(void **state)
{
	struct world *w = *state;
	struct peer peers[65];

	for (int i = 0; i < 64; i++)
		peers[i] = opened(w, "interactive");
	peers[64] = peer_new(w);
	expect_bye(w, &peers[64], "64 consoles are open already");
	for (int i = 0; i < 65; i++)
		peer_free(&peers[i]);
}

static void test_second_daemon(void **state)
{
	struct world *w = *state;
	char *error = NULL;

	assert_null(console_new(&w->f->app, w->path, &error));
	assert_contains(error, "another pgdevstated listens on ");
	free(error);
}

static void test_goodbye(void **state)
{
	struct world *w = *state;
	struct peer p = opened(w, "interactive");

	put_frame(&p, FRAME_RUN, "cluster ping");
	wait_until(w, &w->f->app.node->pong_arg, true);
	console_free(w->f->app.console);
	w->f->app.console = NULL;
	assert_null(w->f->app.node->pong_arg);
	expect_bye(w, &p, "the daemon stops");
	peer_free(&p);
}

static void test_damaged_frames(void **state)
{
	struct world *w = *state;
	unsigned seed = 2008;

	for (int round = 0; round < 300; round++) {
		struct peer p = opened(w, "interactive json");
		struct buf b;
		buf_init(&b);
		frame_print(&b, FRAME_RUN, "help core show", 14);
		frame_print(&b, FRAME_COMPLETE, "devstate \"x", 11);
		frame_print(&b, FRAME_CANCEL, "", 0);
		for (int i = rand_r(&seed) % 3; i >= 0; i--)
			b.data[(size_t)rand_r(&seed) % b.len] = (char)rand_r(&seed);
		if (send(p.fd, b.data, b.len, MSG_NOSIGNAL) < 0)
			fail();
		for (int i = 0; i < 5; i++)
			turn(w);
		buf_clear(&b);
		peer_free(&p);
	}
	turn(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_commands),
		world_test(test_byte_by_byte),
		world_test(test_rude),
		world_test(test_one_command_at_a_time),
		world_test(test_client_leaves),
		world_test(test_cancel),
		world_test(test_log_lines),
		world_test(test_verbose),
		world_test(test_slow_reader),
		world_test(test_slow_reader_goes),
		world_test(test_long_listing),
		world_test(test_too_many_clients),
		world_test(test_second_daemon),
		world_test(test_goodbye),
		world_test(test_damaged_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

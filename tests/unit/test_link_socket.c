/* link_socket.c on a real socket: clients that come, go, are slow or rude. */
#include "link_world.h"

#include "mem.h"

static const char *said(struct world *w)
{
	return buf_str(&w->f->app.node->said);
}

static int count(struct world *w)
{
	return links_count(world_links(w));
}

static void test_report(void **state)
{
	struct world *w = *state;
	struct peer p = linked(w, "\treport");

	put(&p, "begin\ndevice\tINUSE\tSIP/1\n");
	wait_until(w, strstr(said(w), "SIP/1"));
	put(&p, "mailbox\t0\t2\t1\t1000\tdefault\nend\nping\tx\n");
	told(w, &p, "pong\tx\n");
	assert_string_equal(said(w), "up\nbegin\nset device SIP/1 INUSE 0/0/0\n"
								 "set mailbox 1000@default UNKNOWN 2/1/0\nend\n");
	put(&p, "bye\n");
	wait_until(w, count(w) == 0);
	assert_non_null(strstr(said(w), "end\nbye\n"));
	peer_close(&p);
}

/* It is all the same in how many pieces it comes. */
static void test_pieces(void **state)
{
	static const char text[] = "device\tBUSY\tSIP/2\nping\tx\n";
	struct world *w = *state;
	struct peer p = linked(w, "\treport");

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		char piece[2] = {text[i], '\0'};

		put(&p, piece);
		turn(w);
	}
	told(w, &p, "pong\tx\n");
	assert_non_null(strstr(said(w), "set device SIP/2 BUSY"));
	peer_close(&p);
	wait_until(w, count(w) == 0);
	assert_non_null(strstr(said(w), "lost\n"));
	assert_int_equal(links_counter(world_links(w), LINK_LOST), 1);
}

/* What it said before it went counts, though it did not wait for anything. */
static void test_last_words(void **state)
{
	struct world *w = *state;
	struct peer p = peer_new(w);

	put(&p, "hello\t1\t-\tshell\t1\treport\nbegin\ndevice\tINUSE\tSIP/3\nend\n");
	peer_close(&p);
	wait_until(w, links_counter(world_links(w), LINK_CONNECTS) == 1 && count(w) == 0);
	assert_string_equal(said(w), "up\nbegin\nset device SIP/3 INUSE 0/0/0\nend\nlost\n");
}

static void test_watch(void **state)
{
	struct world *w = *state;
	struct node *n = w->f->app.node;
	struct cache_entity *b = fake_member(n, "01:23:45:67:89:ac", "server2", "host2");
	struct peer one, two;

	fake_says(n, b, "SIP/1", STATE_INUSE);
	one = linked(w, "\twatch");
	two = linked(w, "\twatch");
	told(w, &one, "device\tINUSE\t01:23:45:67:89:ac\tSIP/1\nend\n");
	told(w, &two, "device\tINUSE\t01:23:45:67:89:ac\tSIP/1\nend\n");
	assert_int_equal(count(w), 2);
	fake_says(n, b, "SIP/1", STATE_RINGING);
	told(w, &one, "device\tRINGING\t01:23:45:67:89:ac\tSIP/1\n");
	told(w, &two, "device\tRINGING\t01:23:45:67:89:ac\tSIP/1\n");
	peer_close(&one);
	wait_until(w, count(w) == 1);
	fake_says(n, b, "SIP/1", STATE_BUSY);
	told(w, &two, "device\tBUSY\t01:23:45:67:89:ac\tSIP/1\n");
	peer_close(&two);
}

/* More than a socket takes at once, to one who reads late: all of it comes, in order. */
static void test_slow_reader(void **state)
{
	struct world *w = *state;
	struct node *n = w->f->app.node;
	struct cache_entity *b = fake_member(n, "01:23:45:67:89:ac", "server2", "host2");
	struct link_status status;
	char name[80];
	struct peer p;
	int lines = 0;

	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "Custom:a-name-that-is-not-short-%d", i);
		fake_says(n, b, name, STATE_INUSE);
	}
	p = peer_new(w);
	put(&p, "hello\t1\t-\tpbx\t1.0\twatch\n");
	wait_until(w, count(w) == 1);
	for (int i = 0; i < 1000; i++)
		turn(w);
	/* it does not read: what has no room is not even made */
	links_status(world_links(w), 0, &status);
	assert_true(status.waiting > 5000);
	told(w, &p, "\nbegin\n");
	wait_until(w, (peer_hear(&p), strstr(buf_str(&p.in), "\nend\n")));
	for (const char *at = buf_str(&p.in); (at = strstr(at, "device\tINUSE")); at++)
		lines++;
	assert_int_equal(lines, 20000);
	peer_close(&p);
}

static void test_rude(void **state)
{
	struct world *w = *state;
	char *longer = mem_alloc(5001);
	struct peer p = peer_new(w);

	put(&p, "GET / HTTP/1.0\r\n\r\n");
	ended(w, &p, "bye\tprotocol: line 1: ");
	wait_until(w, count(w) == 0);
	p = linked(w, "");
	memset(longer, 'x', 5000);
	longer[5000] = '\0';
	put(&p, longer);
	ended(w, &p, "bye\tprotocol: line 2: ");
	free(longer);
	p = linked(w, "");
	put(&p, "hello\t1\t-\tpbx\t1.0\n");
	ended(w, &p, "bye\tprotocol: line 2: ");
	wait_until(w, count(w) == 0);
	assert_int_equal(links_counter(world_links(w), LINK_DROPPED), 3);
	assert_string_equal(said(w), "");
}

/* One may report; the others may still do all else. */
static void test_two_that_report(void **state)
{
	struct world *w = *state;
	struct peer p = linked(w, "\treport"), second = peer_new(w);

	put(&second, "hello\t1\t-\tother\t2.0\treport\n");
	ended(w, &second, " reports already; one may\n");
	put(&p, "bye\n");
	wait_until(w, count(w) == 0);
	second = linked(w, "\treport");
	peer_close(&second);
	peer_close(&p);
}

static void test_too_many(void **state)
{
	struct peer peers[LINK_MAX_LINKS], more;
	struct world *w = *state;

	for (int i = 0; i < LINK_MAX_LINKS; i++)
		peers[i] = linked(w, "");
	more = peer_new(w);
	wait_until(w, (peer_hear(&more), more.closed));
	assert_non_null(strstr(buf_str(&more.in), "bye\t"));
	peer_close(&more);
	peer_close(&peers[0]);
	wait_until(w, count(w) == LINK_MAX_LINKS - 1);
	peers[0] = linked(w, "");
	for (int i = 0; i < LINK_MAX_LINKS; i++)
		peer_close(&peers[i]);
}

/* It said for how long it is to be missed. */
static void test_silent(void **state)
{
	struct world *w = *state;
	struct peer p = linked(w, "\ttimeout=1");

	ended(w, &p, "bye\t");
	wait_until(w, count(w) == 0);
}

static void test_node_stops(void **state)
{
	struct world *w = *state;
	struct peer p = linked(w, "\treport"), watcher = linked(w, "\twatch");

	told(w, &watcher, "end\n");
	link_socket_free(w->f->app.link);
	w->f->app.link = NULL;
	ended(w, &p, "bye\tthe node stops\n");
	ended(w, &watcher, "bye\tthe node stops\n");
	assert_int_equal(access(w->path, F_OK), -1);
	link_socket_free(NULL);
}

static void test_socket_is_taken(void **state)
{
	struct world *w = *state;
	char *error = NULL;

	assert_null(world_listen(w, true, &error));
	assert_contains(error, w->path);
	free(error);
	assert_int_equal(access(w->path, F_OK), 0); /* the first one's is still there */
}

/* entity_id is auto: the telephone server's is taken over. */
static void test_become(void **state)
{
	struct world *w = *state;
	char *error = NULL;
	struct peer p;

	link_socket_free(w->f->app.link);
	w->f->app.link = world_listen(w, false, &error);
	assert_non_null(w->f->app.link);
	p = peer_new(w);
	put(&p, "hello\t1\t02:00:00:00:00:77\tasterisk\t22\treport\n");
	wait_until(w, w->became[0]);
	assert_string_equal(w->became, "02:00:00:00:00:77");
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_report),
		world_test(test_pieces),
		world_test(test_last_words),
		world_test(test_watch),
		world_test(test_slow_reader),
		world_test(test_rude),
		world_test(test_two_that_report),
		world_test(test_too_many),
		world_test(test_silent),
		world_test(test_node_stops),
		world_test(test_socket_is_taken),
		world_test(test_become),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* cmd_link.c: `link show`, as text and as JSON. */
#include "link_world.h"

static void test_none(void **state)
{
	struct world *w = *state;
	json_t *all;

	assert_output(w->f, "link show",
		"0 links; the telephone server's devices and mailboxes do not count\n");
	all = fixture_json(w->f, "link show");
	assert_int_equal(json_array_size(all), 0);
	json_decref(all);
}

/* Before the socket is there. */
static void test_not_listening(void **state)
{
	struct fixture *f = *state;

	assert_output(f, "link show",
		"0 links; the telephone server's devices and mailboxes do not count\n");
}

static void test_text(void **state)
{
	struct world *w = *state;
	struct node *n = w->f->app.node;
	struct peer p = linked(w, "\treport\twatch\twindow=3"), before = peer_new(w);
	char pid[40];

	fake_says(
		n, fake_member(n, "01:23:45:67:89:ac", "server2", "host2"), "SIP/9", STATE_INUSE);
	put(&p, "begin\ndevice\tINUSE\tSIP/1\ndevice\tSLEEPY\tSIP/2\nend\nping\tx\n");
	told(w, &p, "pong\tx\n");
	wait_until(w, links_count(world_links(w)) == 2);
	n->status.reporting = true;
	assert_int_equal(fixture_run(w->f, "link show"), 0);
	snprintf(pid, sizeof(pid), "pbx 1.0 pid %d uid %u, for ", (int)getpid(),
		(unsigned)getuid());
	assert_contains(buf_str(&w->f->out), pid);
	assert_contains(
		buf_str(&w->f->out), "  reports: complete, statements 2, refused 1\n");
	assert_contains(buf_str(&w->f->out), "  watches: facts sent ");
	assert_contains(buf_str(&w->f->out), " of 3 not acknowledged\n");
	assert_contains(buf_str(&w->f->out), "  refused last: ");
	assert_contains(buf_str(&w->f->out), "(no hello yet)  pid ");
	assert_contains(buf_str(&w->f->out),
		"\n2 links; the telephone server's devices and mailboxes count\n");
	peer_close(&before);
	wait_until(w, links_count(world_links(w)) == 1);
	n->status.report = REPORT_KEPT;
	assert_int_equal(fixture_run(w->f, "link show"), 0);
	assert_contains(buf_str(&w->f->out),
		"\n1 link; the telephone server's devices and mailboxes count, for half a lease "
		"after it was lost\n");
	peer_close(&p);
}

static const char *text_of(json_t *item, const char *key)
{
	const char *text = json_string_value(json_object_get(item, key));

	assert_non_null(text);
	return text;
}

static json_int_t number_of(json_t *item, const char *key)
{
	assert_true(json_is_integer(json_object_get(item, key)));
	return json_integer_value(json_object_get(item, key));
}

static void test_json(void **state)
{
	struct world *w = *state;
	struct peer p = linked(w, "\treport"), watcher = linked(w, "\twatch\twindow=7");
	json_t *all, *item;

	put(&p, "device\tINUSE\tSIP/1\nmailbox\t0\t-1\t0\t1000\tdefault\nping\tx\n");
	told(w, &p, "pong\tx\n");
	all = fixture_json(w->f, "link show");
	assert_int_equal(json_array_size(all), 2);
	item = json_array_get(all, 0);
	assert_string_equal(text_of(item, "program"), "pbx");
	assert_string_equal(text_of(item, "version"), "1.0");
	assert_string_equal(text_of(item, "report"), "awaited");
	assert_int_equal(number_of(item, "pid"), getpid());
	assert_true(json_is_true(json_object_get(item, "reports")));
	assert_true(json_is_false(json_object_get(item, "watches")));
	assert_int_equal(number_of(item, "statements"), 2);
	assert_int_equal(number_of(item, "refused"), 1);
	assert_contains(text_of(item, "last_refused"), "mailbox");
	item = json_array_get(all, 1);
	assert_string_equal(text_of(item, "report"), "none");
	assert_true(json_is_true(json_object_get(item, "watches")));
	assert_int_equal(number_of(item, "window"), 7);
	assert_int_equal(number_of(item, "waiting"), 0);
	json_decref(all);
	peer_close(&p);
	peer_close(&watcher);
}

/* What a program calls itself does not reach a terminal as it is. */
static void test_names(void **state)
{
	struct world *w = *state;
	struct peer p = peer_new(w);

	put(&p, "hello\t1\t-\tt\xc3\xa4st \"x\"\t1.0\n");
	told(w, &p, "status\tready\n");
	assert_int_equal(fixture_run(w->f, "link show"), 0);
	assert_contains(buf_str(&w->f->out), "t\xc3\xa4st \"x\" 1.0 pid ");
	peer_close(&p);
	p = peer_new(w);
	put(&p, "hello\t1\t-\tt\x1b[2Jst\t1.0\n");
	wait_until(w, (peer_hear(&p), p.closed));
	assert_contains(buf_str(&p.in), "bye\t");
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_none),
		fixture_test(test_not_listening),
		world_test(test_text),
		world_test(test_json),
		world_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

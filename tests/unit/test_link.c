/* link.c: the protocol of a link: what comes in, what it means, what is refused. */
#include "link_fixture.h"

/* ---- hello ---- */

static void hello_is_answered(void **state)
{
	struct link *l = link_begin();

	(void)state;
	told(l, "");
	put(l, HELLO "\n");
	told(l, WORDS "ready\n");
	assert_true(wakes > 0);
	told(l, "");
	put(l, "ping\tx y\n");
	told(l, "pong\tx y\n");
	put(l, "bye\n");
	told(l, "");
	assert_true(link_is_over(l));
	link_free(l, NULL);
	node_was_told(""); /* it did not report */
	assert_int_equal(links_counter(links, LINK_DROPPED), 0);
	assert_int_equal(links_counter(links, LINK_LOST), 0);
}

static void hello_by_name(void **state)
{
	struct link *l = link_begin();

	(void)state;
	put(l, "hello\t1\t" OURS "\tpbx\t1.0\treport\twatch\ttimeout=30\twindow=5\textra\n");
	dropped(l,
		"protocol: line 1: hello: unknown word \"extra\"; there are report, watch, "
		"timeout=1 to 86400, window=1 to 1000000");
	l = link_begin();
	put(l, "hello\t1\t01:23:45:67:89:AB\tpbx\t1.0\treport\n"); /* in any case */
	assert_non_null(strstr(pull(l, ALL), "hello\t1\t" OURS));
	link_free(l, "gone");
	node_was_told("up\nlost\n");
}

static void hello_that_is_wrong(void **state)
{
	static const char *const cases[][2] = {
		{"device\tINUSE\tx\n", "protocol: line 1: device before hello"},
		{"ping\tx\n", "protocol: line 1: ping before hello"},
		{"hello\t1\t-\tpbx\n",
			"protocol: line 1: hello has 4 fields, it needs 5 or more"},
		{"hello\t2\t-\tpbx\t1\n",
			"protocol: line 1: hello: this node speaks version 1 of the link, the "
			"telephone server version 2: install both from the same pgdevstate"},
		{"hello\t1234567890123456789\xc3\xbc\t-\tpbx\t1\n",
			"protocol: line 1: hello: this node speaks version 1 of the link, the "
			"telephone server version 1234567890123456789?: install both from the same "
			"pgdevstate"},
		{"hello\t1\tx\tpbx\t1\n",
			"protocol: line 1: hello: no entity id: it is six bytes, "
			"like 01:23:45:67:89:ab, or -"},
		{"hello\t1\t-\t\t1\n", "protocol: line 1: hello: bad program: it is empty"},
		{"hello\t1\t-\tp\t\x01\n",
			"protocol: line 1: hello: bad version: byte 1 is a control character"},
		{"hello\t1\t-\tp\t1\ttimeout=0\n", "protocol: line 1: hello: unknown word "
										   "\"timeout=0\"; there are report, watch, "
										   "timeout=1 to 86400, window=1 to 1000000"},
		{"hello\t1\t-\tp\t1\twindow=1x\n", "protocol: line 1: hello: unknown word "
										   "\"window=1x\"; there are report, watch, "
										   "timeout=1 to 86400, window=1 to 1000000"},
		{"hello\t1\t" B_ID "\tpbx\t1\treport\n",
			"entity id mismatch: this node is " OURS " (/etc/p.conf), pbx says " B_ID
			"; give both the same: entityid in asterisk.conf, entity_id in the node's "
			"file, "
			"or entity_id = auto"},
		{"\n", "protocol: line 1: unknown word \"\""},
		{"GET / HTTP/1.1\r\n",
			"protocol: line 1: unknown word \"GET / HTTP/1.1\"; a line "
			"ends with a newline, without a carriage return"},
		{"hello 1 - p 1 report\n", "protocol: line 1: unknown word \"hello 1 - p 1 "
								   "report\"; fields are divided by tabs"},
		{"hello\t1\t-\tp\t1\twatch\r\n",
			"protocol: line 1: hello: unknown word \"watch\"; there are report, watch, "
			"timeout=1 to 86400, window=1 to 1000000; a line ends with a newline, "
			"without a "
			"carriage return"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct link *l = link_begin();

		put(l, cases[i][0]);
		dropped(l, cases[i][1]);
	}
	node_was_told("");
	assert_int_equal(links_count(links), 0);
	assert_int_equal(
		links_counter(links, LINK_DROPPED), sizeof(cases) / sizeof(cases[0]));
}

static void hello_once(void **state)
{
	struct link *l = linked("\treport");

	(void)state;
	put(l, HELLO "\n");
	dropped(l, "protocol: line 2: a second hello");
	node_was_told("up\nlost\n");
}

static void one_reports(void **state)
{
	struct link *one = linked("\treport"), *two = link_begin();

	(void)state;
	put(two, "hello\t1\t-\tother\t2\treport\n");
	dropped(two, "pbx 1.0 pid 4711 reports already; one may");
	node_was_told("up\n");
	put(one, "bye\tgoing\n");
	node_was_told("bye\n"); /* at once, and the place is free */
	two = linked("\treport");
	node_was_told("up\n");
	link_free(one, NULL);
	node_was_told("");
	link_free(two, "it closed without bye");
	node_was_told("lost\n");
	assert_int_equal(links_counter(links, LINK_LOST), 1);
}

/* The end of the one that reported is not read yet, nor all that it said. */
static void one_that_closed_makes_room(void **state)
{
	struct link *one = linked("\treport"), *two;

	(void)state;
	closed = one;
	two = link_begin();
	put(two, HELLO "\n"); /* it does not report: nobody is in its way */
	told(two, "hello\t1\t" OURS "\tserver1\t0.9\nstatus\tready\n");
	node_was_told("up\n");
	link_free(two, "gone");
	two = linked("\treport");
	node_was_told("lost\nup\n");
	put(one, "begin\ndevice\tBUSY\tPJSIP/1\nend\nbye\n");
	node_was_told(""); /* of an older time */
	dropped(one, "it closed, and another one reports");
	link_free(two, NULL);
	node_was_told("lost\n");
}

static void so_many_watch(void **state)
{
	struct link *all[LINK_MAX_WATCHERS + 1];

	(void)state;
	for (int i = 0; i < LINK_MAX_WATCHERS; i++)
		all[i] = linked("\twatch");
	all[LINK_MAX_WATCHERS] = link_begin();
	put(all[LINK_MAX_WATCHERS], HELLO "\twatch\n");
	dropped(all[LINK_MAX_WATCHERS], "16 links watch already");
	link_free(all[0], "gone");
	all[0] = linked("\twatch");
	for (int i = 0; i < LINK_MAX_WATCHERS; i++)
		link_free(all[i], "gone");
}

static void so_many_links(void **state)
{
	struct link *all[LINK_MAX_LINKS], *more;

	(void)state;
	for (int i = 0; i < LINK_MAX_LINKS; i++)
		all[i] = linked("");
	more = link_begin();
	put(more, HELLO "\n"); /* not heard any more */
	dropped(more, "32 links are open already");
	for (int i = 0; i < LINK_MAX_LINKS; i++)
		link_free(all[i], "gone");
}

/* ---- entity_id = auto ---- */

static void auto_takes_the_id_over(void **state)
{
	struct link *l, *other, *watcher;

	(void)state;
	links_begin(false);
	links_phase(links, NODE_READY);
	other = linked("");
	watcher = link_begin();
	put(watcher,
		"hello\t1\t" B_ID "\tw\t1\twatch\n"); /* whoever only watches has no say */
	assert_non_null(
		strstr(pull(watcher, ALL), "bye\tentity id mismatch: this node is " OURS));
	link_free(watcher, "closed");
	assert_string_equal(became, "");
	l = link_begin();
	put(l, "hello\t1\t02:00:00:00:00:09\tpbx\t1.0\treport\n");
	assert_string_equal(became, "02:00:00:00:00:09");
	told(l, "hello\t1\t02:00:00:00:00:09\tserver1\t0.9\nstatus\tready\n");
	dropped(
		other, "the node has another entity id now: 02:00:00:00:00:09; connect again");
	links_phase(links, NODE_DOWN);
	told(l, "status\taway\n");
	node_was_told("up\n");
	other = link_begin();
	put(other, "hello\t1\t02:00:00:00:00:0b\tpbx\t1.0\treport\n");
	dropped(other, "pbx 1.0 pid 4711 reports already; one may");
	assert_string_equal(became, "02:00:00:00:00:09"); /* who is there stays who it is */
	link_free(l, "gone");
	l = link_begin();
	put(l,
		"hello\t1\t02:00:00:00:00:0a\tpbx\t1.0\treport\n"); /* it has another one now */
	assert_string_equal(became, "02:00:00:00:00:0a");
	link_free(l, "gone");
}

/* ---- what is said ---- */

static void a_report(void **state)
{
	struct link *l = linked("\treport");

	(void)state;
	put(l, "begin\ndevice\tInUse\tPJSIP/1\nmailbox\t1\t2\t3\t1000\tdefault\n");
	put(l, "mailbox\t0\t1\t0\tunique@id\t\nend\n");
	node_was_told("up\nbegin\nset device PJSIP/1 INUSE 0/0/0\n"
				  "set mailbox 1000@default UNKNOWN 2/3/1\n"
				  "set mailbox unique@id@ UNKNOWN 1/0/0\nend\n");
	put(l, "device\tringing\tPJSIP/1\ndevice\t-\tPJSIP/1\ndevice\t-\tPJSIP/1\n");
	put(l, "mailbox\t-\t-\t-\t1000\tdefault\n");
	node_was_told("set device PJSIP/1 RINGING 0/0/0\nremove device PJSIP/1\n"
				  "remove mailbox 1000@default\n");
	told(l, "");
	assert_int_equal(links_counter(links, LINK_REPORTS), 1);
	assert_int_equal(links_counter(links, LINK_REFUSED), 0);
	assert_int_equal(links_counter(links, LINK_STATEMENTS), 7);
	link_free(l, "gone");
	node_was_told("lost\n");
}

/* Every cut of the bytes is the same. */
static void cut_at_any_place(void **state)
{
	static const char text[] = HELLO "\treport\nbegin\ndevice\tBUSY\tA\xC3\xA4 b\n"
									 "mailbox\t0\t1\t0\t1\td\nend\nping\t1\n";
	size_t len = strlen(text);

	(void)state;
	for (size_t first = 0; first <= len; first++) {
		for (size_t second = first; second <= len; second += 7) {
			struct link *l = link_begin();

			link_input(l, text, first, now);
			link_input(l, text + first, second - first, now);
			link_input(l, text + second, len - second, now);
			node_was_told("up\nbegin\nset device A\xC3\xA4 b BUSY 0/0/0\n"
						  "set mailbox 1@d UNKNOWN 1/0/0\nend\n");
			told(l, WORDS "ready\npong\t1\n");
			link_free(l, "gone");
			node_was_told("lost\n");
		}
	}
}

static void a_last_line_that_is_cut_is_none(void **state)
{
	struct link *l = linked("\treport");

	(void)state;
	put(l, "device\tBUSY\tPJSIP/100");
	node_was_told("up\n");
	link_free(l, "gone");
	node_was_told("lost\n");
}

static void bad_content_is_refused(void **state)
{
	static const char *const cases[][2] = {
		{"device\tINUSE\t\n", "refused\tdevice\t-\tno name of a device: it is empty\n"},
		{"device\tINUSE\ta\x01z\n",
			"refused\tdevice\ta z\tno name of a device: byte 2 is a control character\n"},
		{"device\tINUSE\t\xff\n",
			"refused\tdevice\t?\tno name of a device: byte 1 is not UTF-8\n"},
		{"device\tINUS\tx\n",
			"refused\tdevice\tx\tunknown state; there are UNKNOWN, NOT_INUSE, INUSE, "
			"BUSY, "
			"INVALID, UNAVAILABLE, RINGING, RINGINUSE, ONHOLD, and -\n"},
		{"device\t\tx\n", "refused\tdevice\tx\tunknown state; there are UNKNOWN, "
						  "NOT_INUSE, INUSE, BUSY, "
						  "INVALID, UNAVAILABLE, RINGING, RINGINUSE, ONHOLD, and -\n"},
		{"mailbox\t0\t1\t0\t1\ta@b\n",
			"refused\tmailbox\t1\tno name of a mailbox: its context has an '@'\n"},
		{"mailbox\t0\t-1\t0\t1\td\n",
			"refused\tmailbox\t1\tcounts are urgent, new and old, "
			"each 0 to 1000000, or all -\n"},
		{"mailbox\t0\t1000001\t0\t1\td\n", "refused\tmailbox\t1\tcounts are urgent, new "
										   "and old, each 0 to 1000000, or all "
										   "-\n"},
		{"mailbox\t-\t1\t-\t1\td\n",
			"refused\tmailbox\t1\tcounts are urgent, new and old, "
			"each 0 to 1000000, or all -\n"},
	};
	struct link *l = linked("\treport");
	struct link_status s;
	size_t n = sizeof(cases) / sizeof(cases[0]);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		put(l, cases[i][0]);
		told(l, cases[i][1]);
	}
	node_was_told("up\n");
	links_status(links, 0, &s);
	assert_int_equal(s.refused, n);
	assert_int_equal(links_counter(links, LINK_REFUSED), n);
	assert_string_equal(s.last_refused,
		"mailbox \"1\": counts are urgent, new and old, each 0 to 1000000, or all -");
	put(l, "device\tBUSY\tx\n"); /* and it goes on */
	node_was_told("set device x BUSY 0/0/0\n");
	link_free(l, "gone");
}

/* A name as long as a line is told again in part. */
static void long_names_are_refused(void **state)
{
	struct link *l = linked("\treport");
	char name[1900], *line;
	const char *said;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	line = mem_printf("device\tBUSY\t%s\n", name);
	put(l, line);
	said = pull(l, ALL);
	assert_true(strlen(said) < 400);
	assert_non_null(strstr(said, "it has 1899 bytes, at most 255 are allowed"));
	free(line);
	link_free(l, "gone");
}

static void so_many_keys(void **state)
{
	struct link *l = linked("\treport");

	(void)state;
	put(l, "device\tBUSY\told\n");
	node->said_count = LINK_MAX_KEYS - 1;
	put(l, "device\tBUSY\tnew\nmailbox\t0\t1\t0\t1\td\n");
	told(l, "refused\tdevice\tnew\tthere are 200000 devices and mailboxes already\n"
			"refused\tmailbox\t1@d\tthere are 200000 devices and mailboxes already\n");
	put(l, "device\tINUSE\told\ndevice\t-\told\n"); /* what it has may change, and go */
	told(l, "");
	node_was_told("up\nset device old BUSY 0/0/0\nset device old INUSE 0/0/0\n"
				  "remove device old\n");
	link_free(l, "gone");
}

static void what_breaks_the_protocol(void **state)
{
	static const char *const cases[][2] = {
		{"unknown\n", "protocol: line 2: unknown word \"unknown\""},
		{"device\tINUSE\n", "protocol: line 2: device has 2 fields, it needs 3"},
		{"device\tINUSE\ta\tb\n", "protocol: line 2: device has 4 fields, it needs 3"},
		{"mailbox\t1\t1\t1\tx\n", "protocol: line 2: mailbox has 5 fields, it needs 6"},
		{"begin\tx\n", "protocol: line 2: begin has 2 fields, it needs 1"},
		{"end\n", "protocol: line 2: end without begin"},
		{"begin\nend\nend\n", "protocol: line 4: end without begin"},
		{"ack\tx\n", "protocol: line 2: ack: a number from 0 to 1000000 is wanted"},
		{"resync\n", "protocol: line 2: resync of a link that does not watch"},
		{"Device\tINUSE\ta\n", "protocol: line 2: unknown word \"Device\""},
		{"bye\ta\tb\n", "protocol: line 2: bye has 3 fields, it needs 1 or more"},
		{"a\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\n",
			"protocol: line 2: it has more than 24 fields"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct link *l = linked("\treport");

		put(l, cases[i][0]);
		put(l, "device\tBUSY\tafterwards\n"); /* is not heard any more */
		dropped(l, cases[i][1]);
		assert_null(strstr(buf_str(&node->said), "afterwards"));
		buf_reset(&node->said);
	}
}

static void only_who_said_so_reports(void **state)
{
	static const char *const lines[] = {
		"begin\n", "device\tBUSY\tx\n", "mailbox\t0\t0\t0\t1\td\n", "end\n"};
	static const char *const names[] = {"begin", "device", "mailbox", "end"};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct link *l = linked("");
		char *reason = mem_printf(
			"protocol: line 2: %s of a link whose hello did not say report", names[i]);

		put(l, lines[i]);
		dropped(l, reason);
		free(reason);
	}
	node_was_told("");
}

static void lines_that_are_too_long(void **state)
{
	char longest[LINK_MAX_LINE];
	struct link *l = linked("");
	const char *said;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "ping\t", 5);
	longest[LINK_MAX_LINE - 1] = '\n';
	link_input(l, longest, LINK_MAX_LINE, now); /* just what is allowed */
	said = pull(l, ALL);
	assert_int_equal(strncmp(said, "pong\txxx", 8), 0);
	longest[LINK_MAX_LINE - 1] = 'x';
	link_input(l, longest, LINK_MAX_LINE, now); /* its newline would be one more */
	assert_false(link_is_over(l));
	put(l, "x");
	dropped(l, "protocol: line 3: longer than 2048 bytes");
	l = linked("");
	link_input(l, "ping\ta\0b\n", 9, now);
	dropped(l, "protocol: line 2: it has a NUL byte");
}

/* Nothing but noise: it ends, and reads nothing more. */
static void garbage(void **state)
{
	char noise[5000];
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct link *l = round % 2 ? linked("\treport\twatch") : link_begin();
		const char *said;

		for (size_t i = 0; i < sizeof(noise); i++) {
			seed = seed * 1103515245u + 12345u;
			noise[i] = (char)(seed >> 16);
		}
		for (size_t at = 0; at < sizeof(noise); at += 500)
			link_input(l, noise + at, 500, now);
		said = pull(l, ALL);
		assert_non_null(strstr(said, "bye\tprotocol: line "));
		assert_int_equal(said[strlen(said) - 1], '\n');
		assert_true(link_is_over(l));
		link_free(l, "gone");
	}
}

/* Asks without end and reads nothing: what waits for it is bounded. */
static void who_floods_is_paused(void **state)
{
	struct link *l = linked("");
	size_t got = 0, n;
	int pings = 0;

	(void)state;
	while (!link_is_paused(l)) {
		put(l, "ping\tthe same again\n");
		assert_true(++pings < 10000);
	}
	assert_false(link_is_over(l));
	while ((n = strlen(pull(l, 1000))) > 0) {
		assert_true(n < 1100); /* whole lines, and little more */
		got += n;
	}
	assert_int_equal(got, (size_t)pings * strlen("pong\tthe same again\n"));
	assert_false(link_is_paused(l));
	link_free(l, "gone");
}

/* ---- time ---- */

static void hello_has_its_time(void **state)
{
	struct link *l = link_begin();

	(void)state;
	assert_int_equal(link_deadline_us(l), now + 10000000);
	link_timer(l, now + 9999999);
	assert_false(link_is_over(l));
	link_timer(l, now + 10000000);
	assert_int_equal(link_deadline_us(l), 0);
	dropped(l, "it said no hello for 10 s");
	l = linked("");
	assert_int_equal(link_deadline_us(l), 0); /* asked for no other */
	link_timer(l, now + 1000000000);
	assert_false(link_is_over(l));
	link_free(l, "gone");
}

static void timeouts(void **state)
{
	struct link *l = linked("\treport\ttimeout=3");

	(void)state;
	assert_int_equal(link_deadline_us(l), now + 3000000);
	now += 2000000;
	put(l, "ping\t1\n");
	told(l, "pong\t1\n");
	link_timer(l, now + 2999999);
	assert_false(link_is_over(l));
	node_was_told("up\n");
	link_timer(l, now + 3000000);
	node_was_told("lost\n");
	dropped(l, "nothing was heard of it for 3 s");
	node_was_told("");
}

/* ---- the node ---- */

static void status_is_told(void **state)
{
	struct link *l = linked("");

	(void)state;
	links_phase(links, NODE_DOWN);
	links_phase(links, NODE_CONNECTING);
	links_phase(links, NODE_LOADING);
	told(l, "status\taway\n");
	links_phase(links, NODE_READY);
	told(l, "status\tready\n");
	node->status.holder = "server9 host=elsewhere pid=1";
	links_phase(links, NODE_REFUSED);
	told(l, "status\trefused\tanother living process has this entity id: name=server9 "
			"host=elsewhere pid=1\n");
	links_end(links, "the node stops");
	links_end(links, "again");
	dropped(l, "the node stops");
}

static void who_is_linked(void **state)
{
	struct link *one = linked("\treport\twindow=7"), *two = link_begin();
	struct link_status s;

	(void)state;
	put(one, "begin\ndevice\tBUSY\tx\ndevice\tx\tx\n");
	assert_int_equal(links_count(links), 2);
	links_status(links, 0, &s);
	assert_string_equal(s.program, "pbx");
	assert_string_equal(s.version, "1.0");
	assert_true(s.report && !s.watch);
	assert_int_equal(s.pid, 4711);
	assert_int_equal(s.uid, 42);
	assert_int_equal(s.window, 7);
	assert_int_equal(s.statements, 2);
	assert_int_equal(s.refused, 1);
	links_status(links, 1, &s);
	assert_string_equal(s.program, "");
	assert_string_equal(s.last_refused, "");
	link_free(two, "gone");
	link_free(one, "gone");
	assert_int_equal(links_count(links), 0);
	assert_int_equal(links_counter(links, LINK_LOST), 1); /* one had said hello */
	for (int i = 0; i < LINK_COUNTERS; i++)
		assert_int_equal(strncmp(link_counter_name((enum link_counter)i), "link_", 5), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(hello_is_answered),
		T(hello_by_name),
		T(hello_that_is_wrong),
		T(hello_once),
		T(one_reports),
		T(one_that_closed_makes_room),
		T(so_many_watch),
		T(so_many_links),
		cmocka_unit_test_teardown(auto_takes_the_id_over, teardown),
		T(a_report),
		T(cut_at_any_place),
		T(a_last_line_that_is_cut_is_none),
		T(bad_content_is_refused),
		T(long_names_are_refused),
		T(so_many_keys),
		T(what_breaks_the_protocol),
		T(only_who_said_so_reports),
		T(lines_that_are_too_long),
		T(garbage),
		T(who_floods_is_paused),
		T(hello_has_its_time),
		T(timeouts),
		T(status_is_told),
		T(who_is_linked),
	};

	log_open(LOG_TO_FILE, "/dev/null"); /* what is logged here is expected */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* link_facts.c: what a link is told: dumps, differences, windows; and that whoever
 * applies the lines knows what the cache knows. */
#include "link_fixture.h"

#define DUMP_END                                                     \
	"member\tup\t" B_ID "\tserver2\thost2\t0.1.0\nmember\tup\t" C_ID \
	"\tserver3\thost3\t0.1.0\n"

static struct link *watching(void)
{
	struct link *l = linked("\twatch"); /* and its dump is pulled */

	return l;
}

/* ---- dumps ---- */

static void everything_is_told_first(void **state)
{
	struct link *l = link_begin();

	(void)state;
	fake_says(node, b, "PJSIP/1", STATE_INUSE);
	fake_says(node, c, "PJSIP/1", STATE_RINGING);
	fake_says(node, node->self, "PJSIP/1", STATE_BUSY); /* not to itself */
	fake_says(node, node->self, "PJSIP/2", STATE_BUSY);
	says_box(b, "1000@default", counts(1, 2, 3));
	put(l, HELLO "\twatch\n");
	told(l, WORDS "ready\nbegin\n" DUMP_END "device\tINUSE\t" B_ID "\tPJSIP/1\n"
				  "device\tRINGING\t" C_ID "\tPJSIP/1\n"
				  "mailbox\t1\t2\t3\t" B_ID "\t1000\tdefault\n"
				  "end\n");
	told(l, "");
	put(l, "resync\n");
	assert_int_equal(strncmp(pull(l, ALL), "begin\nmember\t", 13), 0);
	put(l, "resync\n"); /* and once more in the middle of one */
	pull(l, 10);
	put(l, "resync\n");
	assert_int_equal(strncmp(pull(l, ALL), "begin\nmember\t", 13), 0);
	link_free(l, "gone");
}

static void an_empty_cluster_is_a_dump(void **state)
{
	struct link *l = link_begin();

	(void)state;
	cache_entity_remove(node->cache, b);
	cache_entity_flags(node->cache, c, false, false);
	put(l, HELLO "\twatch\n");
	told(l, WORDS "ready\nbegin\nend\n");
	link_free(l, "gone");
}

/* A node that restarts knows nothing yet: no lamp goes out by that. */
static void not_before_it_is_loaded(void **state)
{
	struct link *l;

	(void)state;
	links_begin(true);
	l = link_begin();
	put(l, HELLO "\twatch\n");
	told(l, WORDS "away\n");
	fake_says(node, b, "PJSIP/1", STATE_INUSE);
	links_phase(links, NODE_LOADING);
	put(l, "resync\n");
	told(l, "");
	links_phase(links, NODE_READY);
	told(l, "status\tready\nbegin\n" DUMP_END "device\tINUSE\t" B_ID "\tPJSIP/1\nend\n");
	links_phase(links, NODE_DOWN);
	links_phase(links, NODE_READY);
	told(l, "status\taway\nstatus\tready\n"); /* from now on differences are enough */
	link_free(l, "gone");
}

static void who_does_not_watch_is_told_nothing(void **state)
{
	struct link *l = linked("\treport");

	(void)state;
	fake_says(node, b, "PJSIP/1", STATE_INUSE);
	told(l, "");
	link_free(l, "gone");
}

/* ---- differences ---- */

static void changes_are_told_once(void **state)
{
	struct link *l = watching();

	(void)state;
	wakes = 0;
	fake_says(node, b, "PJSIP/1", STATE_INUSE);
	assert_true(wakes > 0);
	told(l, "device\tINUSE\t" B_ID "\tPJSIP/1\n");
	fake_says(node, b, "PJSIP/1", STATE_INUSE);
	told(l, "");
	fake_says(node, c, "PJSIP/1", STATE_BUSY);
	fake_says(node, b, "PJSIP/1", STATE_RINGING);
	told(l, "device\tRINGING\t" B_ID "\tPJSIP/1\ndevice\tBUSY\t" C_ID "\tPJSIP/1\n");
	cache_remove(node->cache, b, KEY_DEVICE, "PJSIP/1");
	told(l, "device\t-\t" B_ID "\tPJSIP/1\n");
	cache_remove(node->cache, c, KEY_DEVICE, "PJSIP/1");
	told(l, "device\t-\t" C_ID "\tPJSIP/1\n");
	fake_says(node, node->self, "PJSIP/1", STATE_BUSY);
	told(l, "");
	link_free(l, "gone");
}

/* The newest wins: what happened while it did not read is not told one by one. */
static void only_the_newest_is_told(void **state)
{
	struct link *l = watching();

	(void)state;
	for (int i = 0; i < 100; i++)
		fake_says(node, b, "PJSIP/1", (enum device_state)(i % 9));
	told(l, "device\tUNKNOWN\t" B_ID "\tPJSIP/1\n");
	fake_says(node, b, "PJSIP/1", STATE_BUSY);
	fake_says(node, b, "PJSIP/1", STATE_UNKNOWN);
	told(l, ""); /* it is as it was */
	link_free(l, "gone");
}

/* Only what counts: a row of a dead entity, or of one whose server does not report. */
static void what_does_not_count_is_taken_back(void **state)
{
	struct value held = {.state = STATE_BUSY, .held = true, .stamp_us = 1};
	struct link *l = watching();

	(void)state;
	fake_says(node, b, "PJSIP/1", STATE_INUSE);
	cache_put(node->cache, b, KEY_DEVICE, "Custom:x", &held);
	pull(l, ALL);
	cache_entity_flags(node->cache, b, true, false);
	told(l, "device\t-\t" B_ID "\tPJSIP/1\n");
	cache_entity_flags(node->cache, b, false, false);
	told(l,
		"member\tdown\t" B_ID "\tserver2\thost2\t0.1.0\ndevice\t-\t" B_ID "\tCustom:x\n");
	cache_entity_flags(node->cache, b, true, true);
	assert_non_null(strstr(pull(l, ALL), "member\tup\t" B_ID));
	cache_set_stale(node->cache, true);
	assert_non_null(strstr(pull(l, ALL), "device\t-\t" B_ID "\tPJSIP/1\n"));
	link_free(l, "gone");
}

static void mailboxes_have_one_value(void **state)
{
	struct link *l = watching();

	(void)state;
	says_box(b, "1@d", counts(0, 2, 0));
	told(l, "mailbox\t0\t2\t0\t" B_ID "\t1\td\n");
	says_box(c, "1@d", counts(0, 2, 0)); /* the same, said by another one */
	told(l, "mailbox\t0\t2\t0\t" C_ID "\t1\td\n");
	says_box(node->self, "1@d", counts(0, 5, 1)); /* ours is the newest: it knows that */
	told(l, "mailbox\t-\t-\t-\t-\t1\td\n");
	says_box(b, "1@d", counts(1, 0, 0));
	told(l, "mailbox\t1\t0\t0\t" B_ID "\t1\td\n");
	cache_remove(node->cache, b, KEY_MAILBOX, "1@d");
	told(l, "mailbox\t-\t-\t-\t-\t1\td\n");
	cache_remove(node->cache, node->self, KEY_MAILBOX, "1@d");
	told(l, "mailbox\t0\t2\t0\t" C_ID "\t1\td\n");
	says_box(c, "unique@id@", counts(0, 1, 0)); /* without a context */
	told(l, "mailbox\t0\t1\t0\t" C_ID "\tunique@id\t\n");
	link_free(l, "gone");
}

/* ---- policies ---- */

static void set_policy(enum key_kind kind, const char *pattern, enum policy policy)
{
	static struct policies *now_set;
	struct policies *p = policies_new();

	if (pattern)
		assert_true(policies_add(p, kind, pattern, policy));
	cache_set_policies(node->cache, p);
	policies_free(now_set);
	now_set = p;
	if (pattern)
		return;
	cache_set_policies(node->cache, NULL);
	policies_free(p);
	now_set = NULL;
}

static void toggles_have_one_value(void **state)
{
	struct value v = {.state = STATE_INUSE, .held = true, .stamp_us = ++now};
	struct link *l = watching();

	(void)state;
	cache_put(node->cache, b, KEY_DEVICE, "Custom:n", &v);
	v.state = STATE_BUSY;
	v.stamp_us = ++now;
	cache_put(node->cache, c, KEY_DEVICE, "Custom:n", &v);
	pull(l, ALL);
	set_policy(KEY_DEVICE, "Custom:*", POLICY_LATEST); /* the old form goes first */
	told(l, "device\t-\t" C_ID "\tCustom:n\ndevice\t-\t" B_ID "\tCustom:n\n"
			"merged\tBUSY\t" C_ID "\tCustom:n\n");
	v.state = STATE_NOT_INUSE;
	v.stamp_us = ++now;
	v.held = false; /* it said that itself */
	cache_put(node->cache, node->self, KEY_DEVICE, "Custom:n", &v);
	told(l, "merged\t-\t-\tCustom:n\n");
	v.held = true;
	v.stamp_us = ++now;
	cache_put(node->cache, b, KEY_DEVICE, "Custom:n", &v);
	told(l, "merged\tNOT_INUSE\t" B_ID "\tCustom:n\n");
	set_policy(KEY_DEVICE, "Custom:*", POLICY_LOCAL);
	told(l, "merged\t-\t-\tCustom:n\n");
	set_policy(KEY_DEVICE, NULL, POLICY_AGGREGATE);
	told(l, "device\tNOT_INUSE\t" B_ID "\tCustom:n\ndevice\tBUSY\t" C_ID "\tCustom:n\n");
	link_free(l, "gone");
}

/* A telephone server does not know what its node's console said in its name. */
static void what_is_held_is_told(void **state)
{
	struct value v = {.state = STATE_INUSE, .held = true, .stamp_us = ++now};
	struct value box = counts(0, 1, 0);
	struct link *l = watching();

	(void)state;
	cache_put(node->cache, node->self, KEY_DEVICE, "Custom:n", &v);
	told(l, "device\tINUSE\t" OURS "\tCustom:n\n");
	v.held = false; /* now it says so itself */
	cache_put(node->cache, node->self, KEY_DEVICE, "Custom:n", &v);
	told(l, "device\t-\t" OURS "\tCustom:n\n");
	set_policy(KEY_DEVICE, "Custom:*", POLICY_LATEST);
	v.held = true;
	v.stamp_us = ++now;
	cache_put(node->cache, node->self, KEY_DEVICE, "Custom:n", &v);
	told(l, "merged\tINUSE\t" OURS "\tCustom:n\n");
	cache_remove(node->cache, node->self, KEY_DEVICE, "Custom:n");
	told(l, "merged\t-\t-\tCustom:n\n");
	set_policy(KEY_DEVICE, NULL, POLICY_AGGREGATE);
	box.held = true;
	says_box(node->self, "1@d", box);
	told(l, "mailbox\t0\t1\t0\t" OURS "\t1\td\n");
	set_policy(KEY_MAILBOX, "*@d", POLICY_SUM);
	told(l, "");
	says_box(b, "1@d", counts(0, 2, 0));
	told(l, "mailbox\t0\t3\t0\t" B_ID "\t1\td\n");
	cache_remove(node->cache, b, KEY_MAILBOX, "1@d");
	told(l, "mailbox\t0\t1\t0\t" OURS "\t1\td\n");
	cache_remove(node->cache, node->self, KEY_MAILBOX, "1@d");
	told(l, "mailbox\t-\t-\t-\t-\t1\td\n");
	set_policy(KEY_MAILBOX, NULL, POLICY_LATEST);
	link_free(l, "gone");
}

static void sums_of_mailboxes(void **state)
{
	struct link *l = watching();

	(void)state;
	set_policy(KEY_MAILBOX, "*@d", POLICY_SUM);
	says_box(node->self, "1@d", counts(0, 5, 1));
	told(l, ""); /* nobody else has a part */
	says_box(b, "1@d", counts(1, 2, 0));
	told(l, "mailbox\t1\t7\t1\t" B_ID "\t1\td\n");
	says_box(node->self, "1@d", counts(0, 1, 1)); /* its own part moves, too */
	told(l, "mailbox\t1\t3\t1\t" B_ID "\t1\td\n");
	set_policy(KEY_MAILBOX, "*@d", POLICY_MAX);
	told(l, "mailbox\t1\t2\t1\t" B_ID "\t1\td\n");
	cache_remove(node->cache, b, KEY_MAILBOX, "1@d");
	told(l, "mailbox\t-\t-\t-\t-\t1\td\n");
	set_policy(KEY_MAILBOX, NULL, POLICY_LATEST);
	link_free(l, "gone");
}

/* ---- members ---- */

static void members_come_and_go(void **state)
{
	struct link *l = watching();
	struct cache_entity *d;

	(void)state;
	told(l, "");
	d = fake_member(node, "01:23:45:67:89:aa", "server0", "");
	told(l, "member\tup\t01:23:45:67:89:aa\tserver0\t-\t0.1.0\n");
	strcpy(d->who.name, "renamed");
	cache_entity_renamed(node->cache);
	told(l, "member\tup\t01:23:45:67:89:aa\trenamed\t-\t0.1.0\n");
	cache_entity_flags(node->cache, d, true, false); /* no news of a member */
	told(l, "");
	cache_entity_remove(node->cache, d);
	told(l, "member\tdown\t01:23:45:67:89:aa\trenamed\t-\t0.1.0\n");
	cache_entity_flags(node->cache, b, false, false);
	told(l, "member\tdown\t" B_ID "\tserver2\thost2\t0.1.0\n");
	cache_entity_remove(node->cache, b);
	told(l, "");
	link_free(l, "gone");
}

/* Another process has our id: what it says is no word of another server. */
static void our_own_id_is_nobody_else(void **state)
{
	struct link *l = watching();

	(void)state;
	cache_set_self(node->cache, node->self, false);
	fake_says(node, node->self, "PJSIP/1", STATE_BUSY);
	says_box(node->self, "1@d", counts(0, 1, 0));
	told(l, "");
	link_free(l, "gone");
}

/* It showed its own word; what it was told last is told again, or it would not know. */
static void a_press_is_answered(void **state)
{
	struct value v = {.state = STATE_BUSY, .held = true, .stamp_us = ++now};
	struct link *l = linked("\treport\twatch"), *other = watching();

	(void)state;
	set_policy(KEY_DEVICE, "Custom:*", POLICY_LATEST);
	cache_put(node->cache, b, KEY_DEVICE, "Custom:n", &v);
	fake_says(node, b, "PJSIP/1", STATE_INUSE);
	says_box(b, "1000@default", counts(0, 2, 1));
	pull(l, ALL);
	pull(other, ALL);
	put(l, "device\tBUSY\tCustom:n\n"); /* the node leaves it: that is what all show */
	told(l, "merged\tBUSY\t" B_ID "\tCustom:n\n");
	put(l, "device\tBUSY\tCustom:n\ndevice\tINUSE\tCustom:n\n");
	told(l, "merged\tBUSY\t" B_ID "\tCustom:n\n");
	put(l,
		"device\tINUSE\tPJSIP/1\ndevice\tINUSE\tCustom:unheard\ndevice\t-\tCustom:n\n");
	told(l, "");
	put(l, "mailbox\t0\t0\t0\t1000\tdefault\n");
	told(l, "mailbox\t0\t2\t1\t" B_ID "\t1000\tdefault\n");
	told(l, "");
	told(other, "");
	link_free(l, "gone");
	link_free(other, "gone");
}

/* ---- windows, slow readers ---- */

static void a_window_is_kept(void **state)
{
	struct link *l = link_begin();
	static const char before[] =
		WORDS "ready\nbegin\n" DUMP_END "device\tINUSE\t" B_ID "\t";
	struct link_status s;
	char name[16], line[80];
	const char *said;
	int first;

	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "D/%d", i);
		fake_says(node, b, name, STATE_INUSE);
		fake_says(node, c, name, STATE_INUSE);
	}
	put(l, HELLO "\twatch\twindow=3\n");
	said = pull(l, ALL);
	assert_int_equal(strncmp(said, before, strlen(before)), 0);
	assert_int_equal(
		sscanf(said + strlen(before), "D/%d\n", &first), 1); /* any of them */
	snprintf(name, sizeof(name), "D/%d", first);
	assert_int_equal(strlen(said), strlen(before) + strlen(name) + 1);
	told(l, "");
	put(l, "ack\t0\n");
	told(l, "");
	links_status(links, 0, &s);
	assert_true(s.unacked == 3 && s.waiting == 10);
	fake_says(node, c, name, STATE_BUSY); /* in the middle of its lines */
	put(l, "ping\tx\nack\t1\n");
	snprintf(line, sizeof(line), "pong\tx\ndevice\tBUSY\t" C_ID "\t%s\n", name);
	told(l, line);
	put(l, "ack\t100\n"); /* more than there are: all of them */
	for (int i = 1; i < 7; i++) {
		int lines = 0;

		for (const char *at = pull(l, ALL); (at = strstr(at, "device\tINUSE\t")); at++)
			lines++;
		assert_int_equal(lines, 3);
		put(l, "ack\t3\n");
	}
	told(l, "end\n");
	link_free(l, "gone");
}

static void a_watcher_that_never_acks_is_dropped(void **state)
{
	struct link *l = linked("\twatch\twindow=2"),
				*quick = linked("\twatch\twindow=2\ttimeout=5");

	(void)state;
	put(l, "ack\t2\n");
	fake_says(node, b, "D/1", STATE_INUSE);
	pull(l, ALL);
	now += 1000000000;
	node_now(node, now);
	assert_int_equal(
		link_deadline_us(l), 0); /* nothing waits: it may be silent for ever */
	fake_says(node, b, "D/2", STATE_INUSE);
	fake_says(node, b, "D/3", STATE_INUSE);
	told(l, "device\tINUSE\t" B_ID "\tD/2\n");
	assert_int_equal(link_deadline_us(l), now + 60000000);
	now += 59000000;
	put(l, "ping\tx\n"); /* it lives */
	told(l, "pong\tx\n");
	assert_int_equal(link_deadline_us(l), now + 60000000);
	now += 59000000;
	put(l, "ack\t2\n");
	told(l, "device\tINUSE\t" B_ID "\tD/3\n");
	assert_int_equal(link_deadline_us(l), 0);
	fake_says(node, b, "D/1", STATE_BUSY);
	told(l, "device\tBUSY\t" B_ID "\tD/1\n");
	link_timer(l, now + 59999999);
	assert_false(link_is_over(l));
	pull(quick, ALL);
	assert_int_equal(
		link_deadline_us(quick), 1000000 + 5000000); /* what it asked for is sooner */
	link_timer(l, now + 60000000);
	dropped(l, "it acknowledges nothing: its window has been full for 60 s");
	link_free(quick, "gone");
}

/* As it reads: whole lines, not more at once than there is room for, and all of it in the
 * end. */
static void a_slow_reader_costs_its_keys(void **state)
{
	struct link *l = watching();
	char name[32];
	int lines = 0;
	size_t n;

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 1000; i++) {
			struct link_status s;

			snprintf(name, sizeof(name), "PJSIP/%d", i);
			fake_says(node, b, name, (enum device_state)((i + round) % 9));
			links_status(links, 0, &s);
			assert_true(s.waiting <= 1000);
		}
	}
	while ((n = strlen(pull(l, 100))) > 0) {
		assert_true(n <= 200);
		for (const char *at = pull(l, 0); *at; at++)
			fail_msg("no room, and told");
		lines += n > 100 ? 3 : 2;
	}
	assert_true(lines >= 900);
	link_free(l, "gone");
}

/* ---- at random ---- */

struct seen { /* what somebody knows who applies the lines */
	char text[64][160];
	int n;
	bool in_dump;
};

static void seen_set(struct seen *s, const char *key, const char *value)
{
	int at = 0;
	size_t len = strlen(key);

	while (at < s->n && !(strncmp(s->text[at], key, len) == 0 && s->text[at][len] == '='))
		at++;
	if (!value) {
		assert_true(at < s->n); /* nothing is taken back that was not told */
		memmove(s->text[at], s->text[--s->n], sizeof(s->text[0]));
		return;
	}
	assert_true(at < 64);
	snprintf(s->text[at], sizeof(s->text[0]), "%s=%s", key, value);
	s->n += at == s->n;
}

static void seen_line(struct seen *s, char *line)
{
	char *f[8], *save = NULL, *w, key[120], value[40] = "";
	int n = 0;

	for (w = strtok_r(line, "\t", &save); w && n < 8; w = strtok_r(NULL, "\t", &save))
		f[n++] = w;
	if (strcmp(f[0], "begin") == 0) {
		s->n = 0;
	} else if (strcmp(f[0], "device") == 0) {
		snprintf(key, sizeof(key), "d %s %s", f[3], f[2]);
		seen_set(s, key, *f[1] == '-' ? NULL : f[1]);
	} else if (strcmp(f[0], "merged") == 0) {
		snprintf(key, sizeof(key), "m %s", f[3]);
		seen_set(s, key, *f[1] == '-' ? NULL : f[1]);
	} else if (strcmp(f[0], "mailbox") == 0) {
		snprintf(key, sizeof(key), "b %s", f[5]);
		snprintf(value, sizeof(value), "%s/%s/%s", f[1], f[2], f[3]);
		seen_set(s, key, *f[1] == '-' ? NULL : value);
	} else {
		assert_non_null(strstr("member end hello status", f[0]));
	}
}

static void seen_lines(struct seen *s, struct link *l, size_t most)
{
	char *lines = mem_strdup(pull(l, most)), *save = NULL, *line;

	for (line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		seen_line(s, line);
	free(lines);
}

static int by_text(const void *x, const void *y)
{
	return strcmp(x, y);
}

static unsigned seed;

static unsigned dice(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static void one_change(void)
{
	struct cache_entity *e = (struct cache_entity *[]){node->self, b, c}[dice(3)];
	struct value v = {.state = (enum device_state)dice(9),
		.fresh = dice(3),
		.held = dice(2),
		.stamp_us = ++now};
	static const char *const names[] = {"d1", "d2", "Custom:1", "Custom:2"};
	static const char *const boxes[] = {"1@d", "2@d"};
	enum key_kind kind = dice(3) ? KEY_DEVICE : KEY_MAILBOX;
	const char *name = kind == KEY_DEVICE ? names[dice(4)] : boxes[dice(2)];
	static const enum policy of_devices[] = {
		POLICY_AGGREGATE, POLICY_LATEST, POLICY_LOCAL};

	switch (dice(12)) {
	case 0:
		cache_entity_flags(node->cache, e == node->self ? b : e, dice(2), dice(2));
		break;
	case 1:
		if (kind == KEY_DEVICE)
			set_policy(kind, "Custom:*", of_devices[dice(3)]);
		else
			set_policy(kind, "*", (enum policy[]){POLICY_LATEST, POLICY_SUM}[dice(2)]);
		break;
	case 2:
		cache_set_stale(node->cache, dice(2));
		break;
	case 3:
	case 4:
		cache_remove(node->cache, e, kind, name);
		break;
	default:
		cache_put(node->cache, e, kind, name, &v);
	}
}

/* Whoever heard all differences, with breaks, knows what a dump tells to one who comes.
 */
static void differences_are_the_whole(void **state)
{
	for (int round = 0; round < 300; round++) {
		static struct seen one, other;
		struct link *l, *late;

		teardown(state);
		setup(state);
		seed = (unsigned)round;
		memset(&one, 0, sizeof(one));
		memset(&other, 0, sizeof(other));
		l = linked(dice(2) ? "\twatch" : "\twatch\twindow=2");
		for (int i = 0; i < 60; i++) {
			one_change();
			if (dice(3) == 0)
				seen_lines(&one, l, dice(150));
			if (dice(3) == 0)
				put(l, "ack\t1\n");
			if (dice(40) == 0)
				put(l, "resync\n");
		}
		for (int i = 0; i < 100; i++) {
			put(l, "ack\t2\n");
			seen_lines(&one, l, ALL);
		}
		late = link_begin();
		put(late, HELLO "\twatch\n");
		seen_lines(&other, late, ALL);
		qsort(one.text, (size_t)one.n, sizeof(one.text[0]), by_text);
		qsort(other.text, (size_t)other.n, sizeof(other.text[0]), by_text);
		assert_int_equal(one.n, other.n);
		for (int i = 0; i < one.n; i++)
			assert_string_equal(one.text[i], other.text[i]);
		link_free(late, "gone");
		link_free(l, "gone");
		set_policy(KEY_DEVICE, NULL, POLICY_AGGREGATE);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(everything_is_told_first),
		T(an_empty_cluster_is_a_dump),
		cmocka_unit_test_teardown(not_before_it_is_loaded, teardown),
		T(who_does_not_watch_is_told_nothing),
		T(changes_are_told_once),
		T(only_the_newest_is_told),
		T(what_does_not_count_is_taken_back),
		T(mailboxes_have_one_value),
		T(toggles_have_one_value),
		T(what_is_held_is_told),
		T(sums_of_mailboxes),
		T(members_come_and_go),
		T(our_own_id_is_nobody_else),
		T(a_press_is_answered),
		T(a_window_is_kept),
		T(a_watcher_that_never_acks_is_dropped),
		T(a_slow_reader_costs_its_keys),
		T(differences_are_the_whole),
	};

	log_open(LOG_TO_FILE, "/dev/null"); /* what is logged here is expected */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

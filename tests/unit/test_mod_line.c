/* mod_line.c: what the node says is understood or refused; what we say fits the protocol.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mod_line.h"

#define ID "02:00:00:00:00:0a"

static bool parse(const char *text, struct line *out)
{
	static char copy[4096];
	const char *why = NULL;
	bool good;

	snprintf(copy, sizeof(copy), "%s", text);
	good = line_parse(copy, out, &why);
	assert_true(good || (why && *why));
	return good;
}

static struct line good(const char *text)
{
	struct line l;

	assert_true(parse(text, &l));
	return l;
}

static void refused(const char *text)
{
	struct line l;

	assert_false(parse(text, &l));
}

static void test_device(void **state)
{
	struct line l = good("device\tInUse\t" ID "\tPJSIP/1000");
	char id[ENTITY_ID_TEXT];

	(void)state;
	assert_int_equal(l.word, LINE_DEVICE);
	assert_int_equal(l.state, STATE_INUSE);
	assert_false(l.gone);
	assert_string_equal(l.name, "PJSIP/1000");
	assert_string_equal(entity_id_print(&l.entity, id), ID);
	l = good("device\t-\t" ID "\tM\xc3\xbcller phone\tlater\tfields");
	assert_true(l.gone);
	assert_string_equal(l.name, "M\xc3\xbcller phone");
	refused("device");
	refused("device\tINUSE\t" ID);
	refused("device\tINUSE\t" ID "\t");
	refused("device\tWHAT\t" ID "\tx");
	refused("device\tINUSE\t-\tx");
	refused("device\t-\t-\tx");
	refused("device\tINUSE\t00:00:00:00:00:00\tx");
	refused("device\tINUSE\t" ID "\ta\rb");
	refused("device\tINUSE\t" ID "\ta\x7f");
	refused("device\tINUSE\t" ID "\ta\xff");
}

static void test_long_names(void **state)
{
	char text[400];

	(void)state;
	snprintf(text, sizeof(text), "device\tINUSE\t" ID "\t%0255d", 0);
	assert_int_equal(strlen(good(text).name), 255);
	snprintf(text, sizeof(text), "device\tINUSE\t" ID "\t%0256d", 0);
	refused(text);
}

static void test_merged(void **state)
{
	struct line l = good("merged\tBUSY\t" ID "\tCustom:night");

	(void)state;
	assert_int_equal(l.word, LINE_MERGED);
	assert_int_equal(l.state, STATE_BUSY);
	l = good("merged\t-\t-\tCustom:night");
	assert_true(l.gone);
	assert_string_equal(l.name, "Custom:night");
	refused("merged\tBUSY\t-\tCustom:night");
	refused("merged\t-\t-\t");
	refused("merged\t-\t-");
}

static void test_mailbox(void **state)
{
	struct line l = good("mailbox\t1\t2\t3\t" ID "\t1000\tdefault");

	(void)state;
	assert_int_equal(l.word, LINE_MAILBOX);
	assert_string_equal(l.id, "1000@default");
	assert_int_equal(l.counts.urgent, 1);
	assert_int_equal(l.counts.fresh, 2);
	assert_int_equal(l.counts.old, 3);
	assert_string_equal(good("mailbox\t0\t1000000\t0\t" ID "\t1000\t").id, "1000");
	l = good("mailbox\t-\t-\t-\t-\t1000\tdefault");
	assert_true(l.gone);
	refused("mailbox\t0\t1000001\t0\t" ID "\t1000\tdefault");
	refused("mailbox\t0\t-1\t0\t" ID "\t1000\tdefault");
	refused("mailbox\t0\t1x\t0\t" ID "\t1000\tdefault");
	refused("mailbox\t0\t\t0\t" ID "\t1000\tdefault");
	refused("mailbox\t0\t1\t0\t-\t1000\tdefault");
	refused("mailbox\t0\t1\t0\t" ID "\t\tdefault");
	refused("mailbox\t0\t1\t0\t" ID "\t1000");
}

static void test_others(void **state)
{
	struct line l = good("hello\t1\t" ID "\tserver1\t0.2.0");

	(void)state;
	assert_int_equal(l.word, LINE_HELLO);
	assert_string_equal(l.name, "server1");
	assert_string_equal(l.version, "0.2.0");
	assert_string_equal(
		good("hello\t2").why, "2"); /* of another version: understood so far */
	refused("hello\t1\t" ID "\tserver1");
	refused("hello");
	refused("hello\t1\tme\tserver1\t0.2.0");
	assert_string_equal(good("status\taway (no database)").name, "away (no database)");
	refused("status");
	assert_int_equal(good("begin").word, LINE_BEGIN);
	assert_int_equal(good("end").word, LINE_END);
	assert_int_equal(good("bye").word, LINE_BYE);
	assert_string_equal(good("bye").name, "");
	assert_string_equal(good("bye\tentity id mismatch: x").name, "entity id mismatch: x");
	assert_string_equal(good("pong\tx 1").name, "x 1");
	l = good("refused\tdevice\tx\ttoo many");
	assert_string_equal(l.version, "device");
	assert_string_equal(l.name, "x");
	assert_string_equal(l.why, "too many");
	l = good("member\tup\t" ID "\tserver2\thost2\t0.2");
	assert_int_equal(l.word, LINE_MEMBER);
	assert_false(l.gone);
	assert_string_equal(l.host, "host2");
	assert_true(good("member\tdown\t" ID "\tserver2\thost2\t0.2").gone);
	refused("member\tsideways\t" ID "\tserver2\thost2\t0.2");
	assert_int_equal(good("wibble\tx").word, LINE_OTHER);
	assert_int_equal(good("").word, LINE_OTHER);
	assert_int_equal(good("Device\tx").word, LINE_OTHER);
	refused("wibble\t\x01");
}

static void test_facts(void **state)
{
	(void)state;
	assert_true(line_is_fact(LINE_DEVICE) && line_is_fact(LINE_MERGED));
	assert_true(line_is_fact(LINE_MAILBOX) && line_is_fact(LINE_MEMBER));
	assert_false(line_is_fact(LINE_BEGIN) || line_is_fact(LINE_OTHER));
}

static void test_many_fields(void **state)
{
	(void)state;
	good("device\tINUSE\t" ID
		 "\tx\t4\t5\t6\t7\t8\t9\t10\t11\t12\t13\t14\t15\t16\t17\t18\t19");
}

/* Bytes in pieces of any size: the same lines. */
static void test_reader(void **state)
{
	const char text[] = "one\ntwo\n\nfour";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct line_reader r;
		char got[64] = "", *line;
		const char *why;

		line_reader_init(&r);
		for (size_t at = 0; at < strlen(text); at += piece) {
			size_t n = strlen(text) - at < piece ? strlen(text) - at : piece, room;

			memcpy(line_reader_space(&r, &room), text + at, n);
			assert_true(room >= n);
			line_reader_filled(&r, n);
			while (line_reader_next(&r, &line, &why) > 0)
				snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s|", line);
		}
		assert_string_equal(got, "one|two||");
	}
}

static int read_bytes(size_t len, bool lf)
{
	static struct line_reader r;
	const char *why = NULL;
	char *line;
	size_t room;
	int got;

	line_reader_init(&r);
	memset(line_reader_space(&r, &room), 'x', len);
	line_reader_filled(&r, len);
	if (lf) {
		*line_reader_space(&r, &room) = '\n';
		line_reader_filled(&r, 1);
	}
	got = line_reader_next(&r, &line, &why);
	assert_true(got >= 0 || *why);
	return got;
}

static void test_reader_limits(void **state)
{
	static struct line_reader r;
	const char *why;
	char *line;
	size_t room;

	(void)state;
	assert_int_equal(read_bytes(LINE_MAX_BYTES - 1, true), 1);
	assert_int_equal(read_bytes(LINE_MAX_BYTES, true), -1);
	assert_int_equal(read_bytes(LINE_MAX_BYTES, false), 0);
	assert_int_equal(read_bytes(LINE_MAX_BYTES + 1, false), -1);
	line_reader_init(&r);
	memcpy(line_reader_space(&r, &room), "a\0b\n", 4);
	line_reader_filled(&r, 4);
	assert_int_equal(line_reader_next(&r, &line, &why), -1);
}

static void test_out(void **state)
{
	static struct line_out o;
	enum device_state busy = STATE_BUSY;
	struct counts counts = {.urgent = 1, .fresh = 2, .old = 3};
	const char expected[] =
		"device\tBUSY\tx y\ndevice\t-\tx y\nmailbox\t1\t2\t3\t1000\tdefault\n"
		"mailbox\t-\t-\t-\t1000\t\nping\t7\n";

	(void)state;
	o.len = 0;
	assert_true(line_out_device(&o, "x y", &busy));
	assert_true(line_out_device(&o, "x y", NULL));
	assert_true(line_out_box(&o, "1000@default", &counts));
	assert_true(line_out_box(&o, "1000", NULL));
	assert_true(line_out_add(&o, "ping\t%d", 7));
	assert_int_equal(o.len, strlen(expected));
	assert_memory_equal(o.data, expected, o.len);
	line_out_sent(&o, strlen("device\tBUSY\tx y\n"));
	assert_memory_equal(o.data, "device\t-\tx y\n", 13);
}

/* It takes whole lines until it is full, and then none. */
static void test_out_is_bounded(void **state)
{
	static struct line_out o;
	char name[1001];
	size_t lines = 0, len;

	(void)state;
	memset(name, 'n', 1000);
	name[1000] = '\0';
	o.len = 0;
	while (line_out_room(&o)) {
		assert_true(line_out_add(&o, "%s", name));
		lines++;
	}
	len = o.len;
	assert_false(line_out_add(&o, "x"));
	assert_int_equal(o.len, len);
	assert_int_equal(len, lines * 1001);
	assert_true(len <= sizeof(o.data));
	line_out_sent(&o, len);
	assert_false(line_out_add(&o, "%s%s%s", name, name, name)); /* no line is that long */
	assert_int_equal(o.len, 0);
}

static void test_names(void **state)
{
	char name[600];

	(void)state;
	assert_true(
		line_box_ok("1000@default") && line_box_ok("1000") && line_box_ok("a@b@c"));
	assert_false(line_box_ok("") || line_box_ok("@") || line_box_ok("1000@"));
	assert_false(line_box_ok("@default") || line_box_ok("10\n00@default"));
	memset(name, 'n', sizeof(name));
	name[255] = '@';
	name[511] = '\0';
	assert_true(line_box_ok(name));
	name[511] = 'n';
	name[512] = '\0';
	assert_false(line_box_ok(name));
	assert_false(line_name_ok("a\0b", 3));
}

static void test_counts_same(void **state)
{
	struct counts a = {1, 2, 3}, b = a;

	(void)state;
	assert_true(counts_same(&a, &b));
	b.urgent++;
	assert_false(counts_same(&a, &b));
	b = a;
	b.fresh++;
	assert_false(counts_same(&a, &b));
	b = a;
	b.old++;
	assert_false(counts_same(&a, &b));
}

static void test_at_node(void **state)
{
	struct entity_id id, other;

	(void)state;
	assert_true(entity_id_parse("02:00:00:00:00:01", &id));
	other = line_at_node(id);
	assert_false(entity_id_equal(&id, &other));
	other = line_at_node(other);
	assert_true(entity_id_equal(&id, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_mailbox),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_reader_limits),
		cmocka_unit_test(test_out),
		cmocka_unit_test(test_out_is_bounded),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_counts_same),
		cmocka_unit_test(test_at_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* payload.c: every kind of line by hand, every kind of damage. Texts are parsed in
 * buffers of exactly their size, so that a byte read too far is seen. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload.h"

#define E1 "01:23:45:67:89:ab"
#define E2 "02:00:00:00:00:02"
#define I1 "11111111-1111-4111-8111-111111111111"
#define I2 "22222222-2222-4222-8222-222222222222"
#define NO "00000000-0000-0000-0000-000000000000"

/* A payload in a buffer of its own. */
struct sample {
	char *text;
	struct payload p;
	const char *why;
	bool ok;
};

static struct sample parse_n(const char *text, size_t len)
{
	struct sample s = {malloc(len ? len : 1), {0}, NULL, false};

	memcpy(s.text, text, len);
	s.ok = payload_parse(s.text, len, &s.p, &s.why);
	if (!s.ok)
		assert_non_null(s.why);
	return s;
}

static void refuse(const char *text)
{
	struct sample s = parse_n(text, strlen(text));

	if (s.ok)
		fail_msg("taken: %s", text);
	free(s.text);
}

static struct sample accept(const char *text)
{
	struct sample s = parse_n(text, strlen(text));

	if (!s.ok)
		fail_msg("%s: %s", s.why, text);
	return s;
}

static void expect_id(const struct entity_id *id, const char *text)
{
	char out[ENTITY_ID_TEXT];

	assert_string_equal(entity_id_print(id, out), text);
}

/* ---- packs ---- */

#define C1 "1\tC\t1\t" E1 "\t" I1 "\t1\t2\t1\t1\ta\t-\t0\t5\n"
#define C2 "1\tC\t1\t" E2 "\t" I2 "\t7\t8\t1\t1\ta\t-\t0\t6\n"

/* What a pack is taken apart into: each with a '|' behind it. */
static void expect_parts(const char *pack, const char *parts)
{
	struct sample s = accept(pack);
	char got[1000] = "";
	const char *text;
	size_t at = 0, len;

	assert_int_equal(s.p.type, PAYLOAD_PACK);
	while (payload_next_of_pack(&s.p, &at, &text, &len)) {
		assert_true(len > 0 && text >= s.p.rest && text + len <= s.p.rest + s.p.rest_len);
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%.*s|", (int)len, text);
	}
	assert_false(payload_next_of_pack(&s.p, &at, &text, &len));
	assert_string_equal(got, parts);
	free(s.text);
}

static void packs_are_taken_apart(void **arg)
{
	(void)arg;
	expect_parts("1\tK\t1\n", "");
	expect_parts("1\tK\t1\n" C1, C1 "|");
	expect_parts("1\tK\t1\n" C1 C2, C1 "|" C2 "|");
	expect_parts("1\tK\t1\n" C1 "D\t1\th\t0\t1x\nd\t0\ty\n" C2 "m\t0\t1\tdefault\n",
		C1 "D\t1\th\t0\t1x\nd\t0\ty\n|" C2 "m\t0\t1\tdefault\n|");
}

/* Whatever is wrong with a part is its own, and told by the parser of parts. */
static void packs_that_are_damaged(void **arg)
{
	(void)arg;
	expect_parts("1\tK\t1\n" C1 C2 "D\t1\th", C1 "|" C2 "D\t1\th|");
	expect_parts("1\tK\t1\n" C1 "1\tC\t1\t02", C1 "|1\tC\t1\t02|");
	expect_parts("1\tK\t1\n" C1 "1", C1 "|1|");
	expect_parts("1\tK\t1\nD\t1\th\t0\tx\n" C1, "D\t1\th\t0\tx\n|" C1 "|");
	expect_parts("1\tK\t1\n\n\n" C1, "\n\n|" C1 "|");
	expect_parts("1\tK\t1\n1\tK\t1\n" C1, "1\tK\t1\n|" C1 "|");
	expect_parts("1\tK\t1\nx", "x|");
	refuse("1\tK\t1");
	refuse("1\tK\t1\t2\n" C1);
	refuse("1\tK\t-1\n" C1);
	refuse("2\tK\t1\n" C1);
}

/* ---- headers ---- */

static void header_change(void **arg)
{
	struct sample s = accept(
		"1\tC\t3\t" E1 "\t" I1 "\t41\t42\t2\t3\tar\t" I2 "\t40\t1700000000000000\nD\n");

	(void)arg;
	assert_int_equal(s.p.type, PAYLOAD_CHANGE);
	assert_int_equal(s.p.site, 3);
	expect_id(&s.p.head.entity, E1);
	assert_string_equal(s.p.head.incarnation.text, I1);
	assert_int_equal(s.p.from_seq, 41);
	assert_int_equal(s.p.head.seq, 42);
	assert_int_equal(s.p.chunk, 2);
	assert_int_equal(s.p.chunks, 3);
	assert_true(s.p.head.alive && s.p.head.reporting);
	assert_string_equal(s.p.continues.text, I2);
	assert_int_equal(s.p.continues_seq, 40);
	assert_int_equal(s.p.clock_us, INT64_C(1700000000000000));
	assert_int_equal(s.p.rest_len, 2);
	assert_memory_equal(s.p.rest, "D\n", 2);
	free(s.text);
}

static void header_rows(void **arg)
{
	struct sample s = accept("1\tS\t1\t" E1 "\t" NO "\t0\t9\t0\t0\t-\t-\t0\t5\n");

	(void)arg;
	assert_int_equal(s.p.type, PAYLOAD_ROWS);
	assert_false(s.p.head.alive || s.p.head.reporting);
	assert_string_equal(s.p.continues.text, "");
	assert_int_equal(s.p.chunks, 0);
	assert_int_equal(s.p.rest_len, 0);
	free(s.text);
	s = accept("1\tS\t1\t" E1 "\t" NO "\t0\t9\t1\t1\ta\t-\t0\t5\n");
	assert_true(s.p.head.alive && !s.p.head.reporting);
	free(s.text);
	s = accept("1\tS\t1\t" E1 "\t" NO "\t0\t9\t1\t1\tr\t-\t0\t5\n");
	assert_true(!s.p.head.alive && s.p.head.reporting);
	free(s.text);
}

static void the_other_headers(void **arg)
{
	struct sample s = accept("1\tP\t1\t" E1 "\t" I1 "\t77\t5\n");

	(void)arg;
	assert_int_equal(s.p.type, PAYLOAD_PULSE);
	assert_int_equal(s.p.number, 77);
	assert_int_equal(s.p.clock_us, 5);
	free(s.text);
	s = accept("1\tQ\t1\t" E1 "\t" I1 "\t9223372036854775807\t5\n");
	assert_int_equal(s.p.type, PAYLOAD_PING);
	assert_true(s.p.number == INT64_MAX);
	free(s.text);
	s = accept("1\tR\t1\t" E1 "\t" I1 "\t" E2 "\t8\t5\n");
	assert_int_equal(s.p.type, PAYLOAD_PONG);
	expect_id(&s.p.head.entity, E1);
	expect_id(&s.p.to, E2);
	assert_int_equal(s.p.number, 8);
	free(s.text);
	s = accept("1\tX\t1\t" E1 "\t" I1 "\t12\t5\n");
	assert_int_equal(s.p.type, PAYLOAD_GONE);
	assert_int_equal(s.p.head.seq, 12);
	free(s.text);
	s = accept("1\tA\t1\t" E1 "\t" I1 "\t12\t13\t5\nD\t2\t-\t1\tx\n");
	assert_int_equal(s.p.type, PAYLOAD_ANNOUNCED);
	assert_int_equal(s.p.from_seq, 12);
	assert_int_equal(s.p.head.seq, 13);
	assert_int_equal(s.p.clock_us, 5);
	free(s.text);
	s = accept("1\tT\t1\t" E1 "\t" I1 "\t5\nE\tnode\tx\ty\t1\tv\t0\n");
	assert_int_equal(s.p.type, PAYLOAD_TWIN);
	assert_int_equal(s.p.clock_us, 5);
	free(s.text);
	s = accept("1\tV\t1\t1227441600000001\t5\nY\tdevice\tlatest\tCustom:*\n");
	assert_int_equal(s.p.type, PAYLOAD_POLICIES);
	assert_true(s.p.number == INT64_C(1227441600000001));
	assert_int_equal(s.p.clock_us, 5);
	free(s.text);
}

/* Fields of good headers, one replaced, left out or added. */
static void rebuild(const char *good, int field, const char *by, char *out, size_t size)
{
	const char *at = good;
	size_t len = 0;

	for (int i = 0; *at; i++) {
		size_t n = strcspn(at, "\t\n");
		char end = at[n];

		if (i == field && by)
			len += (size_t)snprintf(out + len, size - len, "%s%c", by, end);
		else if (i != field)
			len += (size_t)snprintf(out + len, size - len, "%.*s%c", (int)n, at, end);
		else if (end == '\n' && len > 0) /* left out at the end */
			out[len - 1] = '\n';
		at += n + (end != '\0');
	}
	out[len] = '\0';
}

static const char *const headers[] = {
	"1\tC\t1\t" E1 "\t" I1 "\t41\t42\t1\t1\ta\t" I2 "\t40\t5\n",
	"1\tS\t1\t" E1 "\t" I1 "\t0\t42\t1\t1\ta\t-\t0\t5\n",
	"1\tP\t1\t" E1 "\t" I1 "\t77\t5\n",
	"1\tQ\t1\t" E1 "\t" I1 "\t78\t5\n",
	"1\tR\t1\t" E1 "\t" I1 "\t" E2 "\t8\t5\n",
	"1\tX\t1\t" E1 "\t" I1 "\t12\t5\n",
	"1\tT\t1\t" E1 "\t" I1 "\t5\n",
	"1\tV\t1\t77\t5\n",
	"1\tA\t1\t" E1 "\t" I1 "\t41\t42\t5\n",
};
#define HEADERS (sizeof(headers) / sizeof(headers[0]))

static int fields_of(const char *line)
{
	int n = 1;

	for (; *line; line++)
		n += *line == '\t';
	return n;
}

static void any_field_missing_added_or_bad(void **arg)
{
	/* None of them is legal anywhere in a header. */
	static const char *const never[] = {"", " ", "x", "+1", " 1", "1 ", "1x", "-1", "0x1",
		"\r1", "\v1", "\f1", "9223372036854775808", "18446744073709551617",
		"99999999999999999999999", "--1", "1-", "1.0", "00:00:00:00:00:00",
		"ff:ff:ff:ff:ff:ff", "\xff", "- "};
	char text[400];

	(void)arg;
	for (size_t h = 0; h < HEADERS; h++) {
		for (int f = 0; f < fields_of(headers[h]); f++) {
			rebuild(headers[h], f, NULL, text, sizeof(text));
			refuse(text);
			for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
				rebuild(headers[h], f, never[i], text, sizeof(text));
				refuse(text);
			}
		}
		snprintf(
			text, sizeof(text), "%.*s\t1\n", (int)strlen(headers[h]) - 1, headers[h]);
		refuse(text);
		snprintf(text, sizeof(text), "%.*s\t\n", (int)strlen(headers[h]) - 1, headers[h]);
		refuse(text);
		snprintf(text, sizeof(text), "\n%s", headers[h]);
		refuse(text);
	}
}

static void versions_types_and_ranges(void **arg)
{
	(void)arg;
	refuse("2\tP\t1\t" E1 "\t" I1 "\t77\t5\n");
	refuse("0\tP\t1\t" E1 "\t" I1 "\t77\t5\n");
	refuse("1\tp\t1\t" E1 "\t" I1 "\t77\t5\n");
	refuse("1\tPP\t1\t" E1 "\t" I1 "\t77\t5\n");
	refuse("1\tD\t1\t" E1 "\t" I1 "\t77\t5\n");
	refuse("1\tP\t32768\t" E1 "\t" I1 "\t77\t5\n");
	refuse("1\tP\t1\t" E1 "\t" I1 "\t77\t9000000000000001\n");
	refuse("1\tP\t1\t" E1 "\t-\t77\t5\n");
	/* chunks and seqs that do not fit together */
	refuse("1\tC\t1\t" E1 "\t" I1 "\t41\t42\t2\t1\ta\t-\t0\t5\n");
	refuse("1\tC\t1\t" E1 "\t" I1 "\t41\t42\t0\t1\ta\t-\t0\t5\n");
	refuse("1\tC\t1\t" E1 "\t" I1 "\t43\t42\t1\t1\ta\t-\t0\t5\n");
	refuse("1\tC\t1\t" E1 "\t" I1 "\t41\t42\t1\t1000001\ta\t-\t0\t5\n");
	refuse("1\tA\t1\t" E1 "\t" I1 "\t43\t42\t5\n");
	/* flags */
	refuse("1\tC\t1\t" E1 "\t" I1 "\t41\t42\t1\t1\tx\t-\t0\t5\n");
	refuse("1\tC\t1\t" E1 "\t" I1 "\t41\t42\t1\t1\tax\t-\t0\t5\n");
	refuse("1\tC\t1\t" E1 "\t" I1 "\t41\t42\t1\t1\ta-\t-\t0\t5\n");
	refuse("1\tC\t1\t" E1 "\t" I1 "\t41\t42\t1\t1\t--\t-\t0\t5\n");
	refuse("1\tC\t1\t" E1 "\t" I1 "\t41\t42\t1\t1\taa\t-\t0\t5\n");
}

static void nul_bytes(void **arg)
{
	(void)arg;
	for (size_t h = 0; h < HEADERS; h++) {
		for (size_t i = 0; i < strlen(headers[h]); i++) {
			char text[400];
			struct sample s;

			memcpy(text, headers[h], strlen(headers[h]));
			text[i] = '\0';
			s = parse_n(text, strlen(headers[h]));
			assert_false(s.ok);
			free(s.text);
		}
	}
}

/* ---- lines ---- */

#define CLOCK  1000000
#define HEADER "1\tC\t1\t" E1 "\t" I1 "\t1\t2\t1\t1\ta\t-\t0\t1000000\n"

/* The lines behind a header; -1 when one is bad. */
static int lines_of(const char *lines, size_t len, struct payload_line *last)
{
	size_t all = strlen(HEADER) + len, at = 0;
	char *text = malloc(all);
	struct payload_line *line = malloc(sizeof(*line));
	const char *why = NULL;
	struct payload p;
	int got, n = 0;

	memcpy(text, HEADER, strlen(HEADER));
	memcpy(text + strlen(HEADER), lines, len);
	assert_true(payload_parse(text, all, &p, &why));
	while ((got = payload_next(&p, &at, line, &why)) == 1) {
		n++;
		if (last)
			*last = *line;
	}
	if (got < 0)
		assert_non_null(why);
	free(line);
	free(text);
	return got < 0 ? -1 : n;
}

static struct payload_line line;

static void one(const char *text)
{
	if (lines_of(text, strlen(text), &line) != 1)
		fail_msg("not taken: %s", text);
}

static void none(const char *text)
{
	if (lines_of(text, strlen(text), NULL) != -1)
		fail_msg("taken: %s", text);
}

static void line_of_a_device(void **arg)
{
	char text[40];

	(void)arg;
	for (int s = 0; s < STATE_COUNT; s++) {
		snprintf(text, sizeof(text), "D\t%d\t-\t0\tX\n", s);
		one(text);
		assert_int_equal(line.value.state, s);
	}
	one("D\t2\th\t250000\tPJSIP/1000;=|\"' \\ \xc3\xa9\n");
	assert_int_equal(line.type, LINE_VALUE);
	assert_int_equal(line.kind, KEY_DEVICE);
	assert_string_equal(line.key, "PJSIP/1000;=|\"' \\ \xc3\xa9");
	assert_true(line.value.held);
	assert_int_equal(line.value.stamp_us, CLOCK - 250000);
	one("D\t2\t-\t-5\tX\n"); /* said in the database's future: clocks differ */
	assert_false(line.value.held);
	assert_int_equal(line.value.stamp_us, CLOCK + 5);
	one("d\t1\tX\n");
	assert_int_equal(line.type, LINE_REMOVED);
	assert_int_equal(line.kind, KEY_DEVICE);
	assert_string_equal(line.key, "X");
	assert_int_equal(line.value.stamp_us, CLOCK - 1);
}

static void line_of_a_mailbox(void **arg)
{
	(void)arg;
	one("M\t1\t2\t3\th\t7\t1000\tdefault\n");
	assert_int_equal(line.type, LINE_VALUE);
	assert_int_equal(line.kind, KEY_MAILBOX);
	assert_string_equal(line.key, "1000@default");
	assert_int_equal(line.value.urgent, 1);
	assert_int_equal(line.value.fresh, 2);
	assert_int_equal(line.value.old, 3);
	assert_true(line.value.held);
	assert_int_equal(line.value.stamp_us, CLOCK - 7);
	one("M\t1000000\t0\t0\t-\t7\ta@b\t\n");
	assert_string_equal(line.key, "a@b@");
	assert_int_equal(line.value.urgent, MESSAGES_MAX);
	one("m\t9\t1000\tdefault\n");
	assert_int_equal(line.type, LINE_REMOVED);
	assert_int_equal(line.kind, KEY_MAILBOX);
	assert_string_equal(line.key, "1000@default");
}

static void lines_of_entities(void **arg)
{
	(void)arg;
	one("E\tnode\tserver 1\thost.example\t4711\t0.1.0\t123\n");
	assert_int_equal(line.type, LINE_ENTITY);
	assert_false(line.entity.is_static);
	assert_string_equal(line.entity.name, "server 1");
	assert_string_equal(line.entity.host, "host.example");
	assert_int_equal(line.entity.pid, 4711);
	assert_string_equal(line.entity.version, "0.1.0");
	assert_int_equal(line.entity.since_us, 123);
	one("E\tstatic\tsql\t-\t0\t-\t0\n");
	assert_true(line.entity.is_static);
	one("H\t" E2 "\t" I2 "\t99\tar\n");
	assert_int_equal(line.type, LINE_HEAD);
	expect_id(&line.head.entity, E2);
	assert_string_equal(line.head.incarnation.text, I2);
	assert_int_equal(line.head.seq, 99);
	assert_true(line.head.alive && line.head.reporting);
	one("A\t" E2 "\t" I2 "\t99\t-\t3\tfedcba9876543210\n");
	assert_int_equal(line.type, LINE_AUDIT);
	assert_int_equal(line.audit_rows, 3);
	assert_true(line.audit_digest == UINT64_C(0xfedcba9876543210));
	assert_false(line.head.alive);
}

static void lines_of_policies(void **arg)
{
	(void)arg;
	one("V\t1227441600000001\n");
	assert_int_equal(line.type, LINE_VERSION);
	assert_true(line.version == INT64_C(1227441600000001));
	one("Y\tdevice\tlocal\tPJSIP/1??\n");
	assert_int_equal(line.type, LINE_POLICY);
	assert_int_equal(line.kind, KEY_DEVICE);
	assert_int_equal(line.policy, POLICY_LOCAL);
	assert_string_equal(line.key, "PJSIP/1??");
	one("Y\tmailbox\tsum\t*@default\n");
	assert_int_equal(line.kind, KEY_MAILBOX);
	assert_int_equal(line.policy, POLICY_SUM);
}

static void lines_of_notify_modes(void **arg)
{
	enum notify_mode mode;

	(void)arg;
	one("N\tticker\tauto\t200\t980\t20\n");
	assert_int_equal(line.type, LINE_NOTIFY);
	assert_int_equal(line.notify.mode, NOTIFY_TICKER);
	assert_int_equal(line.notify.setting, NOTIFY_AUTO);
	assert_int_equal(line.notify.members, 200);
	assert_int_equal(line.notify.changes_per_s, 980);
	assert_int_equal(line.notify.period_ms, 20);
	one("N\tdirect\tdirect\t0\t0\t2\n");
	assert_int_equal(line.notify.mode, NOTIFY_DIRECT);
	assert_false(notify_mode_parse("Ticker", &mode));
	assert_false(notify_mode_parse("", &mode));
}

static const char *const good_lines[] = {
	"D\t2\t-\t0\tX\n",
	"d\t0\tX\n",
	"M\t1\t2\t3\th\t7\t1000\tdefault\n",
	"m\t9\t1000\tdefault\n",
	"E\tnode\tserver1\thost\t4711\t0.1.0\t123\n",
	"H\t" E2 "\t" I2 "\t99\tar\n",
	"A\t" E2 "\t" I2 "\t99\t-\t3\tfedcba9876543210\n",
	"V\t99\n",
	"N\tticker\tauto\t200\t980\t20\n",
	"Y\tdevice\tlatest\tCustom:*\n",
};
#define GOOD_LINES (sizeof(good_lines) / sizeof(good_lines[0]))

static void damaged_lines(void **arg)
{
	char text[400];

	(void)arg;
	for (size_t i = 0; i < GOOD_LINES; i++) {
		const char *good = good_lines[i];
		int fields = fields_of(good);

		one(good);
		for (int f = 0; f < fields; f++) {
			rebuild(good, f, NULL, text, sizeof(text));
			none(text);

			rebuild(good, f,
				"a\x01"
				"b",
				text, sizeof(text));
			none(text);
			rebuild(good, f, "\xff", text, sizeof(text));
			none(text);
		}
		snprintf(text, sizeof(text), "%.*s\t1\n", (int)strlen(good) - 1, good);
		none(text);
		for (size_t cut = 1; cut < strlen(good); cut++) { /* lines end with a newline */
			snprintf(text, sizeof(text), "%.*s", (int)cut, good);
			none(text);
		}
	}
}

static void bad_lines(void **arg)
{
	static const char *const bad[] = {"\n", "Z\t1\n", "DD\t1\t-\t0\tX\n",
		"D\t9\t-\t0\tX\n", "D\t-1\t-\t0\tX\n", "D\t2\tx\t0\tX\n", "D\t2\t\t0\tX\n",
		"D\t2\thh\t0\tX\n", "D\t2\t-\t\tX\n", "D\t2\t-\t9000000000000001\tX\n",
		"D\t2\t-\t0\t\n", "D\t2\t-\t-9223372036854775809\tX\n", "D\t2\t-\t-\tX\n",
		"D\t2\t-\t--1\tX\n", "D\t2\t-\t1-\tX\n", "D\t2\t-\t18446744073709551617\tX\n",
		"D\t2\t-\t0\ta\x7f\n", "d\t0\t\n", "M\t-1\t0\t0\t-\t0\t1\td\n",
		"M\t0\t1000001\t0\t-\t0\t1\td\n", "M\t1000001\t0\t0\t-\t0\t1\td\n",
		"M\t0\t0\t1000001\t-\t0\t1\td\n", "M\t0\t0\t99999999999999999999\t-\t0\t1\td\n",
		"M\t0\t0\t0\t-\t0\t\td\n", "M\t0\t0\t0\t-\t0\t1\ta@b\n", "m\t0\t1\ta@b\n",
		"E\tpbx\ta\tb\t1\tv\t0\n", "E\tnode\ta\tb\t-1\tv\t0\n",
		"E\tnode\ta\tb\t2147483648\tv\t0\n", "E\tnode\ta\x1b[2J\tb\t1\tv\t0\n",
		"E\tnode\t\tb\t1\tv\t0\n", "E\tnode\ta\tb\t1\tv\x1b\t0\n",
		"H\t" E2 "\t-\t99\tar\n", "H\t" E2 "\t" I2 "\t-1\tar\n",
		"A\t" E2 "\t" I2 "\t99\t-\t3\tfedcba987654321\n",
		"A\t" E2 "\t" I2 "\t99\t-\t3\tfedcba987654321g\n",
		"A\t" E2 "\t" I2 "\t99\t-\t3\t0xdcba9876543210\n",
		"A\t" E2 "\t" I2 "\t99\t-\t3\t-edcba9876543210\n",
		"A\t" E2 "\t" I2 "\t99\t-\t-3\tfedcba9876543210\n"};

	(void)arg;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		none(bad[i]);
}

static void long_names(void **arg)
{
	char text[700], name[NAME_MAX_BYTES + 2];

	(void)arg;
	memset(name, 'n', sizeof(name));
	name[NAME_MAX_BYTES] = '\0';
	snprintf(text, sizeof(text), "D\t2\t-\t0\t%s\n", name);
	one(text);
	snprintf(text, sizeof(text), "D\t2\t-\t0\t%sn\n", name);
	none(text);
	snprintf(text, sizeof(text), "M\t0\t0\t0\t-\t0\t%s\t%s\n", name, name);
	one(text);
	assert_int_equal(strlen(line.key), KEY_MAX_BYTES);
	snprintf(text, sizeof(text), "M\t0\t0\t0\t-\t0\t%s\t%sn\n", name, name);
	none(text);
	snprintf(text, sizeof(text), "E\tnode\t%s\t%s\t1\tv\t0\n", name, name);
	one(text);
	snprintf(text, sizeof(text), "E\tnode\t%sn\tx\t1\tv\t0\n", name);
	none(text);
	snprintf(text, sizeof(text), "E\tnode\tx\tx\t1\t%.64s\t0\n", name);
	none(text);
}

static void several_lines(void **arg)
{
	static const char lines[] =
		"D\t2\t-\t0\tA\nd\t0\tB\nM\t1\t2\t3\th\t7\t1000\tdefault\n";

	(void)arg;
	assert_int_equal(lines_of(lines, strlen(lines), NULL), 3);
	assert_int_equal(lines_of("", 0, NULL), 0);
	assert_int_equal(lines_of("D\t2\t-\t0\tA\n\0", 11, NULL), -1);
	assert_int_equal(lines_of("D\t2\t-\t0\tA\0B\n", 12, NULL), -1);
	none("D\t2\t-\t0\tA\nx\n");
}

/* A reader may leave a bad line out and go on behind it. */
static void goes_on_behind_a_bad_line(void **arg)
{
	struct sample s = accept(HEADER "D\t2\t-\t0\tA\nD\t99\t-\t0\tB\nD\t3\t-\t0\tC\n");
	size_t at = 0;
	const char *why;

	(void)arg;
	assert_int_equal(payload_next(&s.p, &at, &line, &why), 1);
	assert_int_equal(payload_next(&s.p, &at, &line, &why), -1);
	assert_int_equal(payload_next(&s.p, &at, &line, &why), 1);
	assert_string_equal(line.key, "C");
	assert_int_equal(payload_next(&s.p, &at, &line, &why), 0);
	assert_int_equal(payload_next(&s.p, &at, &line, &why), 0);
	free(s.text);
}

/* ---- damage anywhere: never a crash, never a byte too far ---- */

static void walk(const char *text, size_t len)
{
	struct sample s = parse_n(text, len);
	size_t at = 0;
	const char *why;
	int left = 100;

	while (s.ok && left-- > 0 && payload_next(&s.p, &at, &line, &why) != 0)
		;
	assert_true(left > 0);
	free(s.text);
}

static void cut_and_flipped(void **arg)
{
	char all[2000] = HEADER, copy[2000];
	size_t len;
	uint32_t seed = 1;

	(void)arg;
	for (size_t i = 0; i < GOOD_LINES; i++)
		strcat(all, good_lines[i]);
	len = strlen(all);
	for (size_t cut = 0; cut <= len; cut++)
		walk(all, cut);
	for (int i = 0; i < 20000; i++) {
		memcpy(copy, all, len);
		for (int k = 0; k < 3; k++) {
			seed = seed * 1664525u + 1013904223u;
			copy[(seed >> 8) % len] = "\t\n\0"
									  "09-DMEHA\xff:x"[(seed >> 24) % 15];
		}
		walk(copy, len);
	}
}

static void a_cut_header_is_refused(void **arg)
{
	(void)arg;
	for (size_t h = 0; h < HEADERS; h++) {
		for (size_t cut = 0; cut < strlen(headers[h]); cut++) {
			struct sample s = parse_n(headers[h], cut);

			assert_false(s.ok);
			free(s.text);
		}
	}
}

/* ---- heads by themselves, digests ---- */

static void heads(void **arg)
{
	static const char text[] = "H\t" E2 "\t" I2 "\t99\ta";
	struct payload_head head;
	char *copy = malloc(sizeof(text));

	(void)arg;
	memcpy(copy, text, strlen(text));
	assert_true(payload_parse_head(copy, strlen(text), &head));
	assert_int_equal(head.seq, 99);
	assert_true(head.alive && !head.reporting);
	copy[strlen(text)] = '\n';
	assert_true(payload_parse_head(copy, strlen(text) + 1, &head));
	for (size_t cut = 0; cut < strlen(text); cut++) {
		char *part = malloc(cut + 1);

		memcpy(part, text, cut);
		if (payload_parse_head(part, cut, &head))
			fail_msg("taken after %zu bytes", cut);
		free(part);
	}
	free(copy);
	assert_false(payload_parse_head("D\t2\t-\t0\tA\n", 10, &head));
}

static void digests(void **arg)
{
	/* printf 'D\t2\t-\tPJSIP/1000' | md5sum | cut -c1-16, and so on */
	static const struct {
		enum key_kind kind;
		const char *key;
		struct value v;
		uint64_t digest;
	} known[] = {
		{KEY_DEVICE, "PJSIP/1000", {.state = STATE_INUSE, .stamp_us = 99},
			UINT64_C(0xefe791dd2bc2d410)},
		{KEY_DEVICE, "Custom:night", {.state = STATE_UNKNOWN, .held = true},
			UINT64_C(0xfb2fe407d51f1330)},
		{KEY_MAILBOX, "1000@default", {.fresh = 2, .old = 1, .held = true},
			UINT64_C(0x6bd0e80b842ebc00)},
		{KEY_MAILBOX, "a@b@", {.urgent = 4, .fresh = 2, .old = 1},
			UINT64_C(0xbc68a3b93b46f7ab)},
	};

	(void)arg;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint64_t got = payload_row_digest(known[i].kind, known[i].key, &known[i].v);

		assert_true(got == known[i].digest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packs_are_taken_apart),
		cmocka_unit_test(packs_that_are_damaged),
		cmocka_unit_test(header_change),
		cmocka_unit_test(header_rows),
		cmocka_unit_test(the_other_headers),
		cmocka_unit_test(any_field_missing_added_or_bad),
		cmocka_unit_test(versions_types_and_ranges),
		cmocka_unit_test(nul_bytes),
		cmocka_unit_test(line_of_a_device),
		cmocka_unit_test(line_of_a_mailbox),
		cmocka_unit_test(lines_of_entities),
		cmocka_unit_test(lines_of_notify_modes),
		cmocka_unit_test(lines_of_policies),
		cmocka_unit_test(damaged_lines),
		cmocka_unit_test(bad_lines),
		cmocka_unit_test(long_names),
		cmocka_unit_test(several_lines),
		cmocka_unit_test(goes_on_behind_a_bad_line),
		cmocka_unit_test(cut_and_flipped),
		cmocka_unit_test(a_cut_header_is_refused),
		cmocka_unit_test(heads),
		cmocka_unit_test(digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

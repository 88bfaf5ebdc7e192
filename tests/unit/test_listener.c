/* listener.c: order, gaps, loads, rewinds, audits; each notification and each read by
 * hand. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "listener.h"
#include "log.h"

#define SELF "02:00:00:00:00:01"
#define A    "02:00:00:00:00:0a"
#define B    "02:00:00:00:00:0b"
#define I1   "11111111-1111-4111-8111-111111111111"
#define I2   "22222222-2222-4222-8222-222222222222"
#define NIL  "00000000-0000-0000-0000-000000000000"

static struct cache *c;
static struct listener *l;
static struct db_request req;
static int own_begins, own_rows, own_ends, own_audits, pulses, twins, pings, pongs;

static void own_begin(void *arg)
{
	(void)arg;
	own_begins++;
}

static void own_row(
	void *arg, enum key_kind kind, const char *key, const struct value *v, int64_t seq)
{
	(void)arg;
	(void)kind;
	(void)key;
	(void)v;
	(void)seq;
	own_rows++;
}

static void own_end(void *arg, const struct payload_head *head)
{
	char id[ENTITY_ID_TEXT];

	(void)arg;
	if (head)
		assert_string_equal(entity_id_print(&head->entity, id), SELF);
	own_ends++;
}

static void own_audit(
	void *arg, const struct payload_head *head, int64_t rows, uint64_t digest)
{
	(void)arg;
	assert_int_equal(head->seq, 7);
	assert_int_equal(rows, 3);
	assert_true(digest == 0xff);
	own_audits++;
}

static void pulse(
	void *arg, const struct entity_id *who, int64_t number, int64_t clock_us)
{
	(void)arg;
	(void)who;
	(void)number;
	(void)clock_us;
	pulses++;
}

static void twin(void *arg, const struct uuid *inc, const struct payload_entity *who)
{
	(void)arg;
	assert_string_equal(inc->text, I2);
	assert_string_equal(who->host, "elsewhere");
	twins++;
}

static void ping(void *arg, const struct entity_id *from, int64_t nonce)
{
	(void)arg;
	(void)from;
	assert_int_equal(nonce, 9);
	pings++;
}

static void pong(void *arg, const struct entity_id *from, int64_t nonce)
{
	(void)arg;
	(void)from;
	assert_int_equal(nonce, 9);
	pongs++;
}

static struct policies *policies;
static int64_t policies_version;
static int policies_told;

static void got_policies(void *arg, struct policies *p, int64_t version)
{
	(void)arg;
	policies_free(policies);
	policies = p;
	policies_version = version;
	policies_told++;
}

static int begin(void **arg)
{
	static const struct cache_callbacks none = {NULL, NULL};
	static const struct listener_callbacks cb = {
		own_begin, own_row, own_end, own_audit, pulse, twin, ping, pong, got_policies};
	struct entity_id self;

	(void)arg;
	own_begins = own_rows = own_ends = own_audits = pulses = twins = pings = pongs = 0;
	entity_id_parse(SELF, &self);
	c = cache_new(&none, NULL);
	l = listener_new(c, &self, &cb, NULL);
	cache_entity_get(c, &self)->self = true;
	return 0;
}

static int end(void **arg)
{
	(void)arg;
	listener_free(l);
	listener_free(NULL);
	cache_free(c);
	policies_free(policies);
	policies = NULL;
	policies_version = 0;
	policies_told = 0;
	return 0;
}

/* ---- words ---- */

static void notify(const char *text)
{
	char *copy = malloc(strlen(text) + 1); /* without a NUL behind it */

	memcpy(copy, text, strlen(text));
	listener_notify(l, copy, strlen(text));
	free(copy);
}

struct chunk { /* a header; "" and 0 where usual */
	const char *who, *inc;
	int64_t from, to;
	int chunk, chunks;
	const char *flags, *continues;
	int64_t continues_seq;
};

static char *print(char type, const struct chunk *h, const char *lines)
{
	struct buf b;

	buf_init(&b);
	buf_addf(&b, "1\t%c\t1\t%s\t%s\t%lld\t%lld\t%d\t%d\t%s\t%s\t%lld\t1000000\n%s", type,
		h->who, h->inc, (long long)h->from, (long long)h->to, h->chunk, h->chunks,
		h->flags ? h->flags : "a", h->continues ? h->continues : "-",
		(long long)h->continues_seq, lines);
	return buf_take(&b);
}

static void change_of(const struct chunk *h, const char *lines)
{
	char *text = print('C', h, lines);

	notify(text);
	free(text);
}

static void change(const char *who, const char *inc, int64_t from, const char *lines)
{
	change_of(&(struct chunk){who, inc, from, from + 1, 1, 1, NULL, NULL, 0}, lines);
}

static void read_text(const char *text)
{
	char *copy = malloc(strlen(text) + 1);

	memcpy(copy, text, strlen(text));
	listener_read_payload(l, copy, strlen(text));
	free(copy);
}

static void rows_chunk(const char *who, const char *inc, int64_t seq, int chunk,
	int chunks, const char *lines)
{
	char *text = print(
		'S', &(struct chunk){who, inc, 0, seq, chunk, chunks, NULL, NULL, 0}, lines);

	read_text(text);
	free(text);
}

static void rows(const char *who, const char *inc, int64_t seq, const char *lines)
{
	rows_chunk(who, inc, seq, 1, 1, lines);
}

static void journal(const char *who, const char *inc, int64_t from, const char *lines)
{
	char *text =
		print('C', &(struct chunk){who, inc, from, from + 1, 1, 1, NULL, NULL, 0}, lines);

	read_text(text);
	free(text);
}

static void pulse_of(int number, const char *lines)
{
	char text[1000];

	snprintf(text, sizeof(text), "1\tP\t1\t" B "\t" I1 "\t%d\t5\n%s", number, lines);
	notify(text);
}

static bool wants(enum db_op op, const char *who)
{
	char id[ENTITY_ID_TEXT];

	memset(&req, 0, sizeof(req));
	if (!listener_next_read(l, &req))
		return false;
	assert_int_equal(req.op, op);
	assert_int_equal(req.entity != NULL, who != NULL);
	if (who)
		assert_string_equal(entity_id_print(req.entity, id), who);
	return true;
}

static bool wants_nothing(void)
{
	return !listener_next_read(l, &req);
}

static void done(void)
{
	listener_read_done(l, true);
}

static struct cache_entity *entity(const char *who)
{
	struct entity_id id;

	assert_true(entity_id_parse(who, &id));
	return cache_entity_find(c, &id);
}

/* The state of a device by A; -1: none. */
static int state_by(const char *who, const char *device)
{
	const struct value *v =
		entity(who) ? cache_get(c, entity(who), KEY_DEVICE, device) : NULL;

	return v ? (int)v->state : -1;
}

static struct listener_counts counts(void)
{
	struct listener_counts n;

	listener_counts(l, &n);
	return n;
}

/* Loaded, with A at seq 10 of I1: x is INUSE, y is BUSY. */
static void load(void)
{
	listener_connected(l, false);
	assert_true(wants(DB_READ_ROWS, NULL));
	rows(A, I1, 10, "E\tnode\ta\th\t1\tv\t0\nD\t2\th\t0\tx\nD\t3\th\t0\ty\n");
	done();
	assert_true(listener_is_loaded(l));
	assert_true(wants_nothing());
	assert_int_equal(entity(A)->head.seq, 10);
}

#define X1 "D\t1\th\t0\tx\n"
#define X2 "D\t2\th\t0\tx\n"
#define X6 "D\t6\th\t0\tx\n"

/* ---- order ---- */

static void in_order(void **arg)
{
	(void)arg;
	load();
	assert_string_equal(entity(A)->who.name, "a");
	change(A, I1, 10, X6);
	assert_int_equal(state_by(A, "x"), 6);
	change(A, I1, 11, "d\t0\tx\nD\t1\th\t0\tz\n");
	assert_int_equal(state_by(A, "x"), -1);
	assert_int_equal(state_by(A, "z"), 1);
	assert_int_equal(entity(A)->head.seq, 12);
	assert_int_equal(counts().payloads, 2);
	assert_true(wants_nothing());
}

static void older_is_left_out(void **arg)
{
	(void)arg;
	load();
	change(A, I1, 9, X6);
	change(A, I1, 3, X6);
	assert_int_equal(state_by(A, "x"), 2);
	assert_int_equal(counts().older, 2);
	change(A, I1, 10, X6);
	change(A, I1, 10, X1); /* twice */
	assert_int_equal(state_by(A, "x"), 6);
	assert_true(wants_nothing());
}

/* ---- packs ---- */

static void pack_add(
	struct buf *pack, const char *who, const char *inc, int64_t from, const char *lines)
{
	char *text =
		print('C', &(struct chunk){who, inc, from, from + 1, 1, 1, NULL, NULL, 0}, lines);

	if (!pack->len)
		buf_adds(pack, "1\tK\t1\n");
	buf_adds(pack, text);
	free(text);
}

static void pack_notify(struct buf *pack)
{
	char *text = buf_take(pack);

	notify(text);
	free(text);
}

/* Loaded, with B beside A: x is INUSE by it, too. */
static void load_two(void)
{
	load();
	change(B, I2, 4, "");
	assert_true(wants(DB_READ_ROWS, B));
	rows(B, I2, 5, "E\tnode\tb\th\t1\tv\t0\n" X2);
	done();
	assert_true(wants_nothing());
}

static void a_pack_of_changes(void **arg)
{
	struct buf pack = {0};

	(void)arg;
	load_two();
	pack_add(&pack, A, I1, 10, X6);
	pack_add(&pack, B, I2, 5, "d\t0\tx\nD\t1\th\t0\tz\n");
	pack_add(&pack, A, I1, 11, X1);
	pack_add(&pack, SELF, I1, 1, X1);
	pack_notify(&pack);
	assert_int_equal(state_by(A, "x"), 1);
	assert_int_equal(state_by(B, "x"), -1);
	assert_int_equal(state_by(B, "z"), 1);
	assert_int_equal(entity(A)->head.seq, 12);
	assert_int_equal(entity(B)->head.seq, 6);
	assert_int_equal(counts().payloads, 2); /* the first made B known */
	assert_int_equal(counts().bad, 0);
	assert_true(wants_nothing());
}

static void a_gap_in_a_pack(void **arg)
{
	struct buf pack = {0};

	(void)arg;
	load_two();
	pack_add(&pack, A, I1, 11, X6); /* 11 is missing */
	pack_add(&pack, B, I2, 5, X1);
	pack_add(&pack, A, I1, 12, X1);
	pack_notify(&pack);
	assert_int_equal(state_by(B, "x"), 1);
	assert_int_equal(state_by(A, "x"), 2);
	assert_true(wants(DB_READ_JOURNAL, A));
	read_text("1\tS\t1\t" A "\t" I1 "\t0\t13\t0\t0\ta\t-\t0\t5\n");
	journal(A, I1, 10, "");
	journal(A, I1, 11, X6);
	journal(A, I1, 12, X1);
	done();
	assert_int_equal(state_by(A, "x"), 1);
	assert_int_equal(counts().gaps, 1);
	assert_int_equal(counts().pulls, 1);
	assert_true(wants_nothing());
}

/* What is whole counts; the rest is told as bad, and read. */
static void a_pack_that_is_cut(void **arg)
{
	struct buf pack = {0};

	(void)arg;
	load_two();
	pack_add(&pack, A, I1, 10, X6);
	buf_adds(&pack, "1\tC\t1\t" B "\t" I2 "\t5\t6\t1\t1\ta");
	pack_notify(&pack);
	assert_int_equal(counts().bad, 1);
	assert_int_equal(state_by(A, "x"), 6);
	assert_int_equal(entity(B)->head.seq, 5);
	assert_true(
		wants_nothing()); /* whose it was is not to be trusted: the pulse will tell */
	pack_add(&pack, A, I1, 11, X1);
	pack_add(&pack, B, I2, 5, "D\t1\th\t0\tz\nD\t6\th");
	pack_notify(&pack);
	assert_int_equal(counts().bad, 2);
	assert_int_equal(state_by(A, "x"), 1);
	assert_int_equal(entity(B)->head.seq, 5);
	assert_true(wants(DB_READ_ROWS, B));
}

static void what_is_no_pack(void **arg)
{
	struct buf pack = {0};

	(void)arg;
	load_two();
	notify("1\tK\t1\n");
	assert_int_equal(counts().bad, 0);
	notify("1\tK\t1\n1\tP\t1\t" B "\t" I2 "\t3\t5\n");
	assert_int_equal(counts().bad, 1);
	assert_int_equal(pulses, 0);
	notify("1\tK\t1\n1\tK\t1\n1\tK\t1\n");
	assert_int_equal(counts().bad, 3);
	notify("1\tK\t1\n1\tX\t1\t" A "\t" I1 "\t10\t5\n");
	assert_int_equal(counts().bad, 4);
	assert_true(wants_nothing());
	pack_add(&pack, A, I1, 10, X6);
	buf_adds(&pack, "3\tC\tof another time\n");
	pack_add(&pack, A, I1, 11, X1);
	pack_notify(&pack);
	assert_int_equal(counts().bad, 5);
	assert_int_equal(state_by(A, "x"), 1);
	assert_true(wants_nothing());
}

static void a_change_of_flags(void **arg)
{
	(void)arg;
	load();
	change_of(&(struct chunk){A, I1, 10, 11, 1, 1, "ar", NULL, 0}, "");
	assert_true(entity(A)->head.alive && entity(A)->head.reporting);
	change_of(&(struct chunk){A, I1, 11, 12, 1, 1, "-", NULL, 0}, ""); /* it left */
	assert_false(entity(A)->head.alive);
	assert_int_equal(state_by(A, "x"), 2); /* its rows stay, and do not count */
}

static void gap_reads_the_journal(void **arg)
{
	(void)arg;
	load();
	change(A, I1, 12, X6); /* 11 and 12 are missing */
	change(A, I1, 13, "D\t7\th\t0\ty\n");
	assert_int_equal(state_by(A, "x"), 2);
	assert_int_equal(counts().gaps, 1);
	assert_true(wants(DB_READ_JOURNAL, A));
	assert_int_equal(req.seq, 10);
	assert_string_equal(req.entity_incarnation.text, I1);
	assert_true(wants_nothing()); /* one at a time */
	rows_chunk(A, I1, 14, 0, 0, "");
	journal(A, I1, 10, X1);
	journal(A, I1, 11, "D\t5\th\t0\tnew\n");
	journal(A, I1, 12, X6);
	journal(A, I1, 13, "D\t7\th\t0\ty\n");
	change(A, I1, 14, "D\t8\th\t0\ty\n"); /* while it is read */
	done();
	assert_int_equal(state_by(A, "x"), 6);
	assert_int_equal(state_by(A, "new"), 5);
	assert_int_equal(state_by(A, "y"), 8);
	assert_int_equal(entity(A)->head.seq, 15);
	assert_int_equal(counts().pulls, 1);
	assert_int_equal(counts().reloads, 0);
	assert_true(wants_nothing());
}

/* Nobody said it: what is read does not lead to it, and it must not be waited for. */
static void a_forged_gap_is_read_once(void **arg)
{
	(void)arg;
	load();
	change(A, I1, 1000, X6);
	assert_true(wants(DB_READ_JOURNAL, A));
	rows_chunk(A, I1, 10, 0, 0, "");
	done();
	assert_true(wants_nothing());
	assert_int_equal(state_by(A, "x"), 2);
	change(A, I1, 10, X1);
	assert_int_equal(state_by(A, "x"), 1);
	change(A, I2, 500, X6); /* of another run */
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I1, 11, X1);
	done();
	assert_true(wants_nothing());
	assert_int_equal(state_by(A, "x"), 1);
	assert_int_equal(entity(A)->head.seq, 11);
}

static void trimmed_journal_reads_the_rows(void **arg)
{
	(void)arg;
	load();
	change(A, I1, 12, X6);
	assert_true(wants(DB_READ_JOURNAL, A));
	rows_chunk(A, I1, 13, 0, 0, ""); /* the head only */
	done();
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I1, 13, X6);
	done();
	assert_int_equal(state_by(A, "x"), 6);
	assert_int_equal(state_by(A, "y"), -1);
	assert_int_equal(entity(A)->head.seq, 13);
	assert_true(wants_nothing());
	assert_int_equal(counts().older, 1); /* the one that waited */
}

static void a_journal_that_stops_short(void **arg)
{
	(void)arg;
	load();
	change(A, I1, 12, X6);
	assert_true(wants(DB_READ_JOURNAL, A));
	rows_chunk(A, I1, 13, 0, 0, "");
	journal(A, I1, 10, X1);
	done();
	assert_true(wants(DB_READ_ROWS, A));
}

static void a_failed_read_is_wanted_again(void **arg)
{
	(void)arg;
	load();
	change(A, I1, 12, X6);
	assert_true(wants(DB_READ_JOURNAL, A));
	listener_read_done(l, false);
	assert_true(wants(DB_READ_JOURNAL, A));
	rows_chunk(A, I1, 13, 0, 0, "");
	done();
	assert_true(wants(DB_READ_ROWS, A));
	rows_chunk(A, I1, 13, 1, 2, X6);
	listener_read_done(l, false);
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I1, 13, X1);
	done();
	assert_int_equal(state_by(A, "x"), 1);
	assert_int_equal(state_by(A, "y"), -1);
}

/* ---- chunks ---- */

static void chunk(int n, int of, const char *lines)
{
	change_of(&(struct chunk){A, I1, 10, 11, n, of, NULL, NULL, 0}, lines);
}

static void chunks_of_a_change(void **arg)
{
	(void)arg;
	load();
	chunk(1, 3, X6);
	assert_int_equal(entity(A)->head.seq, 10); /* not before the last */
	chunk(1, 3, X1);
	assert_int_equal(state_by(A, "x"), 6);
	chunk(2, 3, "D\t1\th\t0\ty\n");
	chunk(3, 3, "D\t4\th\t0\tz\n");
	assert_int_equal(entity(A)->head.seq, 11);
	assert_int_equal(state_by(A, "y"), 1);
	assert_int_equal(state_by(A, "z"), 4);
	chunk(3, 3, "D\t5\th\t0\tz\n");
	assert_int_equal(state_by(A, "z"), 4);
	assert_true(wants_nothing());
}

static void a_missing_chunk(void **arg)
{
	(void)arg;
	load();
	chunk(1, 3, X6);
	chunk(3, 3, "D\t4\th\t0\tz\n");
	assert_int_equal(state_by(A, "z"), -1);
	assert_true(wants(DB_READ_JOURNAL, A));
	rows_chunk(A, I1, 11, 0, 0, "");
	for (int i = 1; i <= 3; i++) {
		char *text = print(
			'C', &(struct chunk){A, I1, 10, 11, i, 3, NULL, NULL, 0}, "D\t4\th\t0\tz\n");

		read_text(text);
		free(text);
	}
	done();
	assert_int_equal(entity(A)->head.seq, 11);
	assert_int_equal(state_by(A, "z"), 4);
	assert_true(wants_nothing());
}

static void half_a_change_then_disconnected(void **arg)
{
	(void)arg;
	load();
	chunk(1, 2, X6);
	listener_disconnected(l);
	listener_connected(l, false);
	assert_true(wants(DB_READ_HEADS, NULL));
	read_text("H\t" A "\t" I1 "\t10\ta"); /* equal, but half of 11 is in */
	done();
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I1, 10, X2);
	done();
	assert_int_equal(state_by(A, "x"), 2);
}

static void chunks_of_rows(void **arg)
{
	(void)arg;
	listener_connected(l, false);
	assert_true(wants(DB_READ_ROWS, NULL));
	rows_chunk(A, I1, 10, 1, 3, X6);
	rows_chunk(A, I1, 10, 1, 3, X6);
	rows_chunk(A, I1, 10, 2, 3, "D\t1\th\t0\ty\n");
	rows_chunk(A, I1, 10, 2, 3, "D\t1\th\t0\ty\n");
	rows_chunk(A, I1, 10, 3, 3, "D\t1\th\t0\tz\n");
	rows_chunk(B, I1, 5, 1, 1, "");
	done();
	assert_int_equal(entity(A)->rows[KEY_DEVICE], 3);
	assert_int_equal(entity(A)->head.seq, 10);
	assert_non_null(entity(B));
	assert_true(wants_nothing());
}

static void a_missing_chunk_of_rows(void **arg)
{
	(void)arg;
	load();
	change(A, I2, 20, ""); /* another run: rows are read */
	assert_true(wants(DB_READ_ROWS, A));
	rows_chunk(A, I2, 21, 1, 3, X6);
	rows_chunk(A, I2, 21, 3, 3, "D\t1\th\t0\tz\n");
	done();
	assert_int_equal(state_by(A, "y"), 3); /* nothing was swept by half a load */
	assert_true(wants(DB_READ_ROWS, A));
	rows_chunk(A, I2, 21, 2, 3, "D\t1\th\t0\tq\n"); /* the first is missing */
	rows_chunk(A, I2, 21, 3, 3, "D\t1\th\t0\tz\n");
	done();
	assert_int_equal(state_by(A, "q"), -1);
	assert_int_equal(state_by(A, "y"), 3);
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I2, 21, X6);
	done();
	assert_int_equal(state_by(A, "y"), -1);
	assert_true(wants_nothing());
}

/* ---- incarnations ---- */

static void a_new_run_reads_the_rows(void **arg)
{
	(void)arg;
	load();
	change(A, I2, 10, "E\tnode\ta\th\t2\tv\t0\n");
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I2, 11, X1);
	done();
	assert_int_equal(state_by(A, "x"), 1);
	assert_int_equal(state_by(A, "y"), -1);
	assert_string_equal(entity(A)->head.incarnation.text, I2);
	assert_true(wants_nothing());
	change(A, I1, 9, X6); /* a late word of the run before */
	assert_true(wants_nothing());
	assert_int_equal(state_by(A, "x"), 1);
}

static void a_run_that_continues(void **arg)
{
	(void)arg;
	load();
	change_of(&(struct chunk){A, I2, 8, 9, 1, 1, NULL, I1, 8}, "");
	assert_true(wants_nothing());
	assert_int_equal(entity(A)->head.seq, 9);
	assert_string_equal(entity(A)->head.incarnation.text, I2);
	assert_int_equal(state_by(A, "x"), 2); /* kept: its owner says it again */
	assert_int_equal(counts().rewinds, 1);
	change(A, I2, 9, X6);
	assert_int_equal(state_by(A, "x"), 6);
}

static void a_run_that_continues_what_we_do_not_have(void **arg)
{
	(void)arg;
	load();
	change_of(&(struct chunk){A, I2, 12, 13, 1, 1, NULL, I1, 12}, "");
	assert_true(wants(DB_READ_ROWS, A)); /* we are behind */
	rows(A, I2, 13, X6);
	done();
	change_of(&(struct chunk){A, I1, 5, 6, 1, 1, NULL, I1, 5}, ""); /* of another run */
	assert_true(wants(DB_READ_ROWS, A));
}

/* ---- pulses ---- */

#define HEAD_A(inc, seq, flags) "H\t" A "\t" inc "\t" seq "\t" flags "\n"

static void pulses_prove_gaps(void **arg)
{
	(void)arg;
	load();
	pulse_of(1, HEAD_A(I1, "10", "a"));
	assert_int_equal(pulses, 1);
	assert_true(wants_nothing());
	pulse_of(2, HEAD_A(I1, "11", "a"));
	assert_true(wants(DB_READ_JOURNAL, A));
	rows_chunk(A, I1, 11, 0, 0, "");
	journal(A, I1, 10, X6);
	done();
	assert_int_equal(state_by(A, "x"), 6);
	pulse_of(3, HEAD_A(I2, "11", "a")); /* the same number of another run */
	assert_true(wants(DB_READ_ROWS, A));
}

static void pulses_tell_who_died(void **arg)
{
	(void)arg;
	load();
	pulse_of(1, HEAD_A(I1, "10", "-"));
	assert_false(entity(A)->head.alive);
	pulse_of(2, HEAD_A(I1, "10", "ar"));
	assert_true(entity(A)->head.alive && entity(A)->head.reporting);
	change(A, I1, 10, X6);
	pulse_of(3, HEAD_A(I1, "10", "-")); /* made before what we know */
	assert_true(entity(A)->head.alive);
	assert_true(wants_nothing());
}

static void pulses_tell_of_the_unknown(void **arg)
{
	(void)arg;
	load();
	pulse_of(1, "H\t" B "\t" I1 "\t3\ta\n");
	assert_true(wants(DB_READ_ROWS, B));
	rows(B, I1, 3, X1);
	done();
	assert_int_equal(state_by(B, "x"), 1);
	pulse_of(2, "A\t02:00:00:00:00:0c\t" I1 "\t3\ta\t0\t0000000000000000\n");
	assert_true(wants(DB_READ_ROWS, "02:00:00:00:00:0c"));
	done();
	assert_null(entity("02:00:00:00:00:0c"));
}

static void a_stale_pulse_is_harmless(void **arg)
{
	(void)arg;
	load();
	for (int i = 1; i < 20; i++) { /* always one behind: made before the change came */
		pulse_of(i, HEAD_A(I1, "10", "a"));
		listener_disconnected(l);
		listener_connected(l, false);
		assert_true(wants(DB_READ_HEADS, NULL));
		read_text("H\t" A "\t" I1 "\t10\ta");
		read_text("H\t" SELF "\t" I1 "\t1\ta");
		done();
	}
	for (int i = 0; i < 30; i++) {
		char head[200];

		change(A, I1, 10 + i, X6);
		snprintf(head, sizeof(head), "H\t" A "\t" I1 "\t%d\ta\n", 10 + i);
		pulse_of(100 + i, head);
		pulse_of(100 + i, head); /* its second payload */
	}
	assert_true(wants_nothing());
	assert_int_equal(counts().rewinds, 0);
}

static void a_rewind_is_seen_by_pulses(void **arg)
{
	int n = 0;

	(void)arg;
	load();
	pulse_of(1, HEAD_A(I1, "10", "a"));
	while (wants_nothing() && n < 20)
		pulse_of(2 + n++, HEAD_A(I1, "8", "a"));
	assert_true(n > 1 && n < 10); /* its owner gets time to say it again */
	listener_read_done(l, false);
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I1, 8, X1);
	done();
	assert_int_equal(entity(A)->head.seq, 8);
	assert_int_equal(state_by(A, "x"), 1);
	assert_int_equal(counts().rewinds, 1);
	change(A, I1, 8, X6);
	assert_int_equal(state_by(A, "x"), 6);
}

static void a_rewind_of_a_dead_one_is_read_at_once(void **arg)
{
	(void)arg;
	load();
	pulse_of(1, HEAD_A(I1, "10", "-"));
	pulse_of(2, HEAD_A(I1, "8", "-"));
	assert_true(wants(DB_READ_ROWS, A));
}

/* Nobody says it again for SQL's own. */
static void a_rewind_of_a_static_one_is_read_at_once(void **arg)
{
	(void)arg;
	listener_connected(l, false);
	wants(DB_READ_ROWS, NULL);
	rows(A, NIL, 10, "E\tstatic\tsql\t-\t0\t-\t0\n" X2);
	done();
	listener_disconnected(l);
	listener_connected(l, false);
	assert_true(wants(DB_READ_HEADS, NULL));
	read_text("H\t" A "\t" NIL "\t8\ta");
	done();
	assert_true(wants(DB_READ_ROWS, A));
}

/* ---- audits ---- */

static void audit_of(int64_t seq, int64_t n, uint64_t digest)
{
	char text[300];

	snprintf(text, sizeof(text), "A\t" A "\t" I1 "\t%lld\ta\t%lld\t%016llx\n",
		(long long)seq, (long long)n, (unsigned long long)digest);
	pulse_of((int)(seq * 1000 + n), text);
}

static void audits(void **arg)
{
	uint64_t digest;
	int64_t n;

	(void)arg;
	load();
	cache_audit(c, entity(A), &n, &digest);
	audit_of(10, n, digest);
	assert_true(wants_nothing());
	audit_of(9, n + 1, digest); /* of another moment */
	audit_of(11, n + 1, digest);
	assert_int_equal(counts().audits, 1);
	audit_of(10, n, digest ^ 1);
	assert_int_equal(counts().audits_bad, 1);
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I1, 10, X1);
	done();
	assert_int_equal(state_by(A, "x"), 1);
	cache_audit(c, entity(A), &n, &digest);
	audit_of(10, n + 1, digest);
	assert_true(wants(DB_READ_ROWS, A));
}

static void no_audit_in_the_middle_of_a_change(void **arg)
{
	(void)arg;
	load();
	chunk(1, 2, X6);
	audit_of(10, 2, 1);
	assert_true(wants_nothing());
	chunk(2, 2, "");
	assert_int_equal(entity(A)->head.seq, 11);
	pulse_of(7, "A\t" SELF "\t" I1 "\t7\ta\t3\t00000000000000ff\n");
	assert_int_equal(own_audits, 1);
}

/* ---- coming and going ---- */

static void gone(void **arg)
{
	(void)arg;
	load();
	notify("1\tX\t1\t" A "\t" I1 "\t10\t5\n");
	assert_int_equal(state_by(A, "x"), 2);
	assert_true(wants(DB_READ_ROWS, A)); /* a notification is a hint */
	done();
	assert_null(entity(A));
	assert_true(wants_nothing());
	notify("1\tX\t1\t" B "\t" I1 "\t10\t5\n"); /* never heard of */
	assert_true(wants(DB_READ_ROWS, B));
	done();
	assert_null(entity(B));
	notify("1\tX\t1\t" SELF "\t" I1 "\t10\t5\n");
	assert_true(wants_nothing());
	assert_non_null(entity(SELF));
}

/* Another process holds our id, and is removed: the entity is the node's own. */
static void our_id_is_removed(void **arg)
{
	(void)arg;
	load();
	cache_set_self(c, entity(SELF), false);
	listener_forget(l, &entity(SELF)->id);
	assert_true(wants(DB_READ_ROWS, SELF));
	rows(SELF, I2, 7, X6);
	done();
	assert_int_equal(state_by(SELF, "x"), 6);
	notify("1\tX\t1\t" SELF "\t" I2 "\t7\t5\n");
	assert_true(wants(DB_READ_ROWS, SELF));
	done();
	assert_non_null(entity(SELF));
	assert_int_equal(state_by(SELF, "x"), -1);
	assert_true(wants_nothing());
	change(SELF, I1, 0, X1);
	assert_true(wants(DB_READ_ROWS, SELF));
	rows(SELF, I1, 1, X1);
	done();
	assert_int_equal(state_by(SELF, "x"), 1);
}

static void gone_and_back(void **arg)
{
	(void)arg;
	load();
	notify("1\tX\t1\t" A "\t" I1 "\t10\t5\n");
	assert_true(wants(DB_READ_ROWS, A));
	change(A, I2, 0, X6); /* behind the snapshot that did not have it */
	done();
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I2, 1, X6);
	done();
	assert_int_equal(state_by(A, "x"), 6);
}

static void unknown_entity(void **arg)
{
	(void)arg;
	load();
	change(B, I1, 0, X6);
	assert_true(wants(DB_READ_ROWS, B));
	change(B, I1, 1, X1);
	rows(B, I1, 1, X6);
	done();
	assert_int_equal(state_by(B, "x"), 1);
	assert_int_equal(entity(B)->head.seq, 2);
}

static void first_load_with_notifications_waiting(void **arg)
{
	(void)arg;
	listener_connected(l, false);
	assert_false(listener_is_loaded(l));
	change(A, I1, 9, X1);
	assert_true(wants(DB_READ_ROWS, NULL));
	change(A, I1, 10, X2);
	change(B, I1, 0, X6); /* registered behind the snapshot */
	rows(A, I1, 10, X1);
	change(A, I1, 11, X6);
	assert_int_equal(state_by(A, "x"), 1);
	done();
	assert_true(listener_is_loaded(l));
	assert_int_equal(state_by(A, "x"), 6);
	assert_int_equal(entity(A)->head.seq, 12);
	assert_int_equal(counts().gaps, 0);
	assert_true(wants(DB_READ_ROWS, B)); /* not forgotten */
	rows(B, I1, 1, X6);
	done();
	assert_int_equal(state_by(B, "x"), 6);
}

static void too_much_waits(void **arg)
{
	struct buf lines;
	int64_t seq = 10;

	(void)arg;
	load();
	buf_init(&lines);
	for (int i = 0; i < 300; i++)
		buf_addf(&lines, "D\t%d\th\t0\tdevice-%d\n", i % 9, i);
	change(A, I1, 11, ""); /* a gap */
	assert_true(wants(DB_READ_JOURNAL, A));
	for (seq = 12; lines.len * (size_t)(seq - 12) < 9u * 1024 * 1024; seq++)
		change(A, I1, seq, lines.data);
	rows_chunk(A, I1, 12, 0, 0, "");
	journal(A, I1, 10, X1);
	journal(A, I1, 11, X6);
	done();
	assert_true(entity(A)->head.seq > 100 && entity(A)->head.seq < seq);
	assert_true(wants(DB_READ_JOURNAL, A)); /* what was dropped is read */
	assert_int_equal(req.seq, entity(A)->head.seq);
	rows_chunk(A, I1, seq, 0, 0, "");
	for (int64_t s = req.seq; s < seq; s++)
		journal(A, I1, s, "");
	done();
	assert_int_equal(entity(A)->head.seq, seq);
	assert_true(wants_nothing());
	change(A, I1, seq, X1);
	assert_int_equal(state_by(A, "x"), 1);
	buf_clear(&lines);
}

/* ---- reconnecting ---- */

static void reconnect(const char *heads)
{
	char *copy = strdup(heads), *save, *line;

	listener_disconnected(l);
	change(A, I1, 10, X6); /* nothing is heard */
	listener_connected(l, false);
	assert_false(listener_is_loaded(l));
	assert_true(wants(DB_READ_HEADS, NULL));
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		read_text(line);
	done();
	assert_true(listener_is_loaded(l));
	free(copy);
}

static void reconnect_equal(void **arg)
{
	(void)arg;
	load();
	reconnect("H\t" A "\t" I1 "\t10\tar\n");
	assert_true(wants_nothing());
	assert_true(entity(A)->head.reporting);
	assert_int_equal(state_by(A, "x"), 2);
}

static void reconnect_higher(void **arg)
{
	(void)arg;
	load();
	reconnect("H\t" A "\t" I1 "\t12\ta\nH\t" B "\t" I1 "\t1\ta\n");
	assert_true(wants(DB_READ_JOURNAL, A));
	rows_chunk(A, I1, 12, 0, 0, "");
	journal(A, I1, 10, X1);
	journal(A, I1, 11, X6);
	done();
	assert_int_equal(state_by(A, "x"), 6);
	assert_true(wants(DB_READ_ROWS, B));
}

static void reconnect_lower(void **arg)
{
	(void)arg;
	load();
	reconnect("H\t" A "\t" I1 "\t7\ta\n");
	assert_true(wants_nothing()); /* its owner is about to say it again */
	assert_int_equal(counts().rewinds, 1);
	change_of(&(struct chunk){A, I2, 7, 8, 1, 1, NULL, I1, 7}, "");
	change(A, I2, 8, X6);
	assert_int_equal(state_by(A, "x"), 6);
	assert_true(wants_nothing());
}

static void reconnect_lower_and_dead(void **arg)
{
	(void)arg;
	load();
	reconnect("H\t" A "\t" I1 "\t7\t-\n");
	assert_true(wants(DB_READ_ROWS, A));
}

static void reconnect_missing(void **arg)
{
	(void)arg;
	load();
	reconnect("H\t" B "\t" I1 "\t7\t-\n");
	assert_true(wants(DB_READ_ROWS, A));
	done();
	assert_null(entity(A));
	assert_true(wants(DB_READ_ROWS, B));
}

static void reconnect_another_run(void **arg)
{
	(void)arg;
	load();
	reconnect("H\t" A "\t" I2 "\t10\ta\nH\tbad\n");
	assert_int_equal(counts().bad, 1);
	assert_true(wants(DB_READ_ROWS, A));
}

static void disconnected_at_each_moment(void **arg)
{
	(void)arg;
	for (int moment = 0; moment < 6; moment++) {
		begin(NULL);
		if (moment < 3) {
			listener_connected(l, false);
			if (moment > 0)
				wants(DB_READ_ROWS, NULL);
			if (moment > 1)
				rows_chunk(A, I1, 10, 1, 2, X6);
			change(A, I1, 10, X1);
		} else {
			load();
			change(A, I2, 30, X6);
			if (moment > 3)
				wants(DB_READ_ROWS, A);
			if (moment > 4)
				rows_chunk(A, I2, 31, 1, 2, X6);
		}
		listener_disconnected(l);
		listener_read_done(l, true); /* a late end of what was given up */
		assert_true(wants_nothing());
		listener_connected(l, false);
		if (moment < 3) {
			assert_true(wants(DB_READ_ROWS, NULL));
		} else {
			assert_true(wants(DB_READ_HEADS, NULL));
			read_text("H\t" A "\t" I2 "\t31\ta");
			done();
			assert_true(wants(DB_READ_ROWS, A));
		}
		rows(A, I2, 31, X6);
		done();
		assert_int_equal(state_by(A, "x"), 6);
		assert_int_equal(state_by(A, "y"), -1);
		assert_true(listener_is_loaded(l) && wants_nothing());
		end(NULL);
	}
}

/* ---- malformed ---- */

static void malformed(void **arg)
{
	(void)arg;
	load();
	notify("");
	notify("rubbish");
	notify("2\tC\t1\n");
	notify(
		"1\tS\t1\t" A "\t" I1 "\t0\t11\t1\t1\ta\t-\t0\t5\n"); /* not as a notification */
	assert_int_equal(counts().bad, 4);
	assert_true(wants_nothing());
	change(A, I1, 10,
		X6 "D\t99\th\t0\ty\n"
		   "D\t1\th\t0\tz\n");
	assert_int_equal(counts().bad, 5);
	assert_true(wants(DB_READ_ROWS, A)); /* its rows tell */
	rows(A, I1, 11,
		X6 "rubbish\n"
		   "D\t1\th\t0\tz\n");
	done();
	assert_int_equal(state_by(A, "x"), 6);
	assert_int_equal(state_by(A, "z"), 1); /* what could be read is there ... */
	assert_true(wants_nothing());          /* ... and it is not read for ever */
	pulse_of(4, "rubbish\n" HEAD_A(I1, "12", "a"));
	assert_true(wants(DB_READ_JOURNAL, A));
	read_text("rubbish");
	rows_chunk(A, I1, 12, 0, 0, "");
	done();
	assert_true(wants(DB_READ_ROWS, A));
}

/* ---- ourselves ---- */

static void own_rows_are_compared(void **arg)
{
	(void)arg;
	listener_connected(l, true);
	assert_true(wants(DB_READ_ROWS, NULL));
	rows(A, I1, 10, X2);
	rows_chunk(SELF, I1, 3, 1, 2, "E\tnode\tme\th\t1\tv\t0\n" X2);
	assert_int_equal(own_ends, 0);
	rows_chunk(SELF, I1, 3, 2, 2, "rubbish\n" X2 X6);
	done();
	assert_true(own_begins == 1 && own_rows == 3 && own_ends == 1);
	assert_true(listener_is_loaded(l));
	assert_true(wants_nothing());
	assert_int_equal(state_by(SELF, "x"), -1); /* the callbacks decide */
}

static void the_database_has_nothing_of_us(void **arg)
{
	(void)arg;
	listener_connected(l, true);
	assert_true(wants(DB_READ_ROWS, NULL));
	done();
	assert_true(own_begins == 1 && own_ends == 1);
	assert_true(listener_is_loaded(l));
}

static void compared_while_connected(void **arg)
{
	(void)arg;
	load();
	listener_compare_own(l);
	listener_compare_own(l);
	assert_false(listener_is_loaded(l));
	assert_true(wants(DB_READ_ROWS, SELF));
	rows_chunk(SELF, I1, 3, 2, 2, X2); /* the first chunk is missing */
	done();
	assert_int_equal(own_ends, 0);
	assert_true(wants(DB_READ_ROWS, SELF));
	rows(SELF, I1, 3, X2);
	done();
	assert_true(own_begins == 1 && own_rows == 1 && own_ends == 1);
	assert_true(listener_is_loaded(l) && wants_nothing());
}

/* Registered while the first load is under way and has passed us already. */
static void compared_while_loading(void **arg)
{
	(void)arg;
	listener_connected(l, false);
	assert_true(wants(DB_READ_ROWS, NULL));
	rows_chunk(SELF, I1, 3, 1, 2, X2);
	listener_compare_own(l);
	rows_chunk(SELF, I1, 3, 2, 2, X2);
	done();
	assert_false(listener_is_loaded(l));
	assert_true(wants(DB_READ_ROWS, SELF));
	rows(SELF, I1, 4, X2);
	done();
	assert_true(own_begins == 1 && own_rows == 1 && own_ends == 1);
	assert_true(listener_is_loaded(l));
}

/* As change(), told at that moment of the database. */
static void change_at(
	const char *who, const char *inc, int64_t from, const char *clock, const char *lines)
{
	char text[1000];

	snprintf(text, sizeof(text), "1\tC\t1\t%s\t%s\t%lld\t%lld\t1\t1\ta\t-\t0\t%s\n%s",
		who, inc, (long long)from, (long long)from + 1, clock, lines);
	notify(text);
}

static void own_lease(const char *incarnation, int64_t seq)
{
	struct uuid u;

	snprintf(u.text, sizeof(u.text), "%s", incarnation);
	listener_own_lease(l, &u, seq);
}

static int64_t own_stamp(void)
{
	return cache_get(c, entity(SELF), KEY_DEVICE, "x")->stamp_us;
}

static void own_begin_at(int64_t seq)
{
	struct value v = {.state = STATE_INUSE, .held = true, .stamp_us = 5};

	load();
	cache_put(c, entity(SELF), KEY_DEVICE, "x", &v);
	own_lease(I1, seq);
}

static void our_own_word_comes_back(void **arg)
{
	(void)arg;
	own_begin_at(3);
	change(SELF, I1, 3, "D\t2\th\t250000\tx\n");
	assert_int_equal(own_stamp(), 5); /* waits for the answer */
	listener_own_acked(l, 4, 1000000);
	assert_int_equal(own_stamp(), 1000000 - 250000);
	assert_int_equal(entity(SELF)->head.seq, 4);
	listener_own_acked(l, 5, 1000000); /* the answer first: told by the ticker */
	change(SELF, I1, 4, "D\t6\th\t0\tx\nd\t0\tx\nD\t1\th\t0\tforeign\n");
	assert_int_equal(state_by(SELF, "x"), 2); /* we are the authority */
	assert_int_equal(state_by(SELF, "foreign"), -1);
	change(SELF, I2, 90, "");
	assert_true(wants_nothing());
}

static void own_words_in_chunks(void **arg)
{
	(void)arg;
	own_begin_at(3);
	change_of(&(struct chunk){SELF, I1, 3, 4, 1, 2, NULL, NULL, 0}, "D\t1\th\t0\ty\n");
	change_of(&(struct chunk){SELF, I1, 3, 4, 2, 2, NULL, NULL, 0}, "D\t2\th\t9\tx\n");
	assert_int_equal(own_stamp(), 5);
	listener_own_acked(l, 4, 1000000);
	assert_int_equal(own_stamp(), 1000000 - 9);
	own_lease(I1, 4); /* resumed: what was told late is still ours */
	change(SELF, I1, 3, "D\t2\th\t8\tx\n");
	assert_int_equal(own_stamp(), 1000000 - 8);
}

/* Forged with a right name and a right number, at any time: the moment gives it away. */
static void own_words_that_we_did_not_say(void **arg)
{
	static const char word[] = "D\t2\th\t0\tx\n";

	(void)arg;
	own_begin_at(3);
	change_at(SELF, I1, 3, "77", word); /* nothing was asked yet */
	change_at(SELF, I1, 1002, "77", word);
	change_at(SELF, I2, 3, "1000000", word);
	change_at(SELF, I1, 2, "0", word); /* of a publish that we know nothing of */
	assert_int_equal(own_stamp(), 5);
	listener_own_acked(l, 4, 1000000);
	assert_int_equal(own_stamp(), 5);
	change_at(SELF, I1, 3, "1000000", word);
	assert_int_equal(own_stamp(), 1000000);
	change_at(SELF, I1, 3, "77", word);
	assert_int_equal(own_stamp(), 1000000);
	assert_int_equal(entity(SELF)->head.seq, 4);
	own_lease(I2, 4); /* another run: nothing of the one before is ours */
	change_at(SELF, I1, 3, "1000000", "D\t2\th\t1\tx\n");
	change_at(SELF, I2, 3, "1000000", "D\t2\th\t1\tx\n");
	assert_int_equal(own_stamp(), 1000000);
	assert_true(wants_nothing());
}

/* What waits for an answer is no more after one, or it would fill the room of others'. */
static void own_words_that_flood(void **arg)
{
	char *lines = malloc(7001);

	(void)arg;
	memset(lines, 'x', 7000);
	lines[7000] = '\0';
	own_begin_at(3);
	for (int i = 0; i < 2000; i++)
		change(SELF, I1, 3, lines);
	listener_own_acked(l, 3, 900000); /* a beat */
	change(A, I1, 11, "");
	assert_true(wants(DB_READ_JOURNAL, A));
	change(A, I1, 11, X1);
	rows_chunk(A, I1, 11, 0, 0, "");
	journal(A, I1, 10, X2);
	done();
	assert_int_equal(state_by(A, "x"), 1); /* it could wait */
	assert_true(wants_nothing());
	change(SELF, I1, 3, "D\t2\th\t9\tx\n");
	listener_own_acked(l, 4, 1000000);
	assert_int_equal(own_stamp(), 1000000 - 9);
	free(lines);
}

static void own_words_of_long_ago(void **arg)
{
	(void)arg;
	own_begin_at(3);
	for (int i = 0; i < 2000; i++)
		listener_own_acked(l, 4 + i, 1000 + i);
	change_at(SELF, I1, 3, "1000", "D\t2\th\t0\tx\n"); /* its place is another's by now */
	change_at(SELF, I1, 1027, "3048", "D\t2\th\t0\tx\n");
	assert_int_equal(own_stamp(), 5);
	change_at(SELF, I1, 2002, "2999", "D\t2\th\t0\tx\n");
	assert_int_equal(own_stamp(), 2999);
}

/* ---- forged changes of others ---- */

/* Few pulses speak of it, where entities are many. */
static void a_forged_change_is_found_by_two_heads(void **arg)
{
	(void)arg;
	load();
	pulse_of(1, HEAD_A(I1, "10", "a"));
	change_at(A, I1, 10, "77", X6);
	for (int i = 2; i <= 7; i++)
		pulse_of(i, "");
	pulse_of(8, HEAD_A(I1, "10", "a"));
	assert_true(wants_nothing()); /* its owner may be about to say it again */
	pulse_of(9, "");
	pulse_of(10, "");
	pulse_of(11, HEAD_A(I1, "10", "a"));
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I1, 10, X2);
	done();
	assert_int_equal(state_by(A, "x"), 2);
	assert_true(wants_nothing());
}

/* It took the number of one that comes, and says the same but for the time. */
static void a_forged_change_before_its_like(void **arg)
{
	(void)arg;
	load();
	change_at(A, I1, 10, "77", X6);
	assert_int_equal(cache_get(c, entity(A), KEY_DEVICE, "x")->stamp_us, 77);
	change(A, I1, 10, X6);
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I1, 11, X6);
	done();
	assert_int_equal(cache_get(c, entity(A), KEY_DEVICE, "x")->stamp_us, 1000000);
	change_at(A, I1, 10, "78", X6); /* what was read is true */
	assert_true(wants_nothing());
	assert_int_equal(cache_get(c, entity(A), KEY_DEVICE, "x")->stamp_us, 1000000);
}

static void a_forged_change_after_its_like(void **arg)
{
	(void)arg;
	load();
	change(A, I1, 10, X6);
	change(A, I1, 10, X6); /* told twice */
	assert_true(wants_nothing());
	change_at(A, I1, 10, "77", X6);
	assert_true(wants(DB_READ_ROWS, A)); /* which of the two it was is not known */
}

/* The read that was asked behind it would have it. */
static void a_forged_change_that_waits(void **arg)
{
	(void)arg;
	load();
	change(A, I1, 12, X1); /* a gap */
	change(A, I1, 10, X6);
	assert_true(wants(DB_READ_JOURNAL, A));
	rows_chunk(A, I1, 10, 0, 0, "");
	done();
	assert_int_equal(state_by(A, "x"), 2);
	assert_int_equal(entity(A)->head.seq, 10);
	assert_true(wants_nothing());
	change(A, I1, 12, X1);
	assert_true(wants(DB_READ_JOURNAL, A));
	change(A, I1, 10, X6); /* came later: the read may be older */
	rows_chunk(A, I1, 10, 0, 0, "");
	done();
	assert_int_equal(state_by(A, "x"), 6);
	assert_true(wants_nothing());
}

static void a_forged_chunk(void **arg)
{
	(void)arg;
	load();
	notify("1\tC\t1\t" A "\t" I1 "\t10\t11\t1\t2\ta\t-\t0\t77\n" X6);
	assert_true(wants_nothing());
	change_of(&(struct chunk){A, I1, 10, 11, 1, 2, NULL, NULL, 0}, X6);
	assert_true(wants(DB_READ_ROWS, A));
}

static void twins_pings_and_pongs(void **arg)
{
	(void)arg;
	load();
	notify("1\tT\t1\t" SELF "\t" I2 "\t5\nE\tnode\tme\telsewhere\t1\tv\t0\n");
	assert_int_equal(twins, 1);
	notify("1\tT\t1\t" A "\t" I2 "\t5\nE\tnode\tme\tother\t1\tv\t0\n");
	notify("1\tT\t1\t" SELF "\t" I2 "\t5\n");
	assert_int_equal(twins, 1);
	notify("1\tQ\t1\t" A "\t" I1 "\t9\t5\n");
	assert_int_equal(pings, 1);
	notify("1\tR\t1\t" A "\t" I1 "\t" SELF "\t9\t5\n");
	notify("1\tR\t1\t" A "\t" I1 "\t" B "\t9\t5\n");
	assert_int_equal(pongs, 1);
	listener_disconnected(l);
	notify("1\tQ\t1\t" A "\t" I1 "\t9\t5\n");
	assert_int_equal(pings, 1);
}

/* ---- policies ---- */

#define V(version) "1\tV\t1\t" version "\t5\n"
#define TOGGLES    "Y\tdevice\tlatest\tCustom:*\n"

static void expect_policies(int told, int64_t version, int n)
{
	assert_int_equal(policies_told, told);
	assert_int_equal(policies_version, version);
	assert_true(listener_policy_version(l) == version);
	assert_int_equal(policies_count(policies), n);
}

static void policies_come_with_the_snapshot(void **arg)
{
	(void)arg;
	listener_connected(l, false);
	assert_true(wants(DB_READ_ROWS, NULL));
	read_text(V("7") TOGGLES);
	expect_policies(1, 7, 1); /* before any row */
	rows(A, I1, 10, X2);
	done();
	assert_true(wants_nothing());
	assert_true(listener_is_loaded(l));
	assert_int_equal(policies_of(policies, KEY_DEVICE, "Custom:x"), POLICY_LATEST);
}

/* A notification says that there is another version; it is read. */
static void another_version_is_read(void **arg)
{
	(void)arg;
	load();
	expect_policies(0, 0, 0);
	notify(V("7"));
	assert_true(wants(DB_READ_POLICIES, NULL));
	notify(V("8")); /* and again, while it is read */
	read_text(V("7") TOGGLES);
	done();
	expect_policies(1, 7, 1);
	assert_true(wants(DB_READ_POLICIES, NULL));
	read_text(V("8"));
	done();
	expect_policies(2, 8, 0);
	assert_true(wants_nothing());
	notify(V("8"));
	assert_true(wants_nothing());
	assert_int_equal(counts().bad, 0);
}

/* What a pulse does not say is not so any more; its second part says nothing of it. */
static void the_pulse_tells_the_notify_mode(void **arg)
{
	(void)arg;
	load();
	assert_int_equal(listener_notify_mode(l).mode, NOTIFY_DIRECT);
	assert_int_equal(listener_notify_mode(l).setting, NOTIFY_AUTO);
	pulse_of(1, "N\tticker\tauto\t3\t70\t2\n");
	pulse_of(1, "");
	assert_int_equal(listener_notify_mode(l).mode, NOTIFY_TICKER);
	assert_int_equal(listener_notify_mode(l).period_ms, 2);
	pulse_of(2, "");
	assert_int_equal(listener_notify_mode(l).mode, NOTIFY_DIRECT);
	assert_int_equal(listener_notify_mode(l).period_ms, 0);
	pulse_of(3, "N\tnever\tauto\t3\t70\t2\n");
	assert_int_equal(listener_notify_mode(l).mode, NOTIFY_DIRECT);
	assert_int_equal(counts().bad, 1);
}

/* The notification was lost: the pulse tells the version. */
static void the_pulse_heals(void **arg)
{
	(void)arg;
	load();
	pulse_of(1, "V\t7\n");
	assert_true(wants(DB_READ_POLICIES, NULL));
	listener_read_done(l, false); /* it failed */
	assert_true(wants(DB_READ_POLICIES, NULL));
	read_text(V("7") TOGGLES);
	done();
	pulse_of(2, "V\t7\n");
	assert_true(wants_nothing());
	expect_policies(1, 7, 1);
	pulse_of(3, ""); /* the second part of a pulse has none */
	assert_true(wants_nothing());
}

static void policies_after_a_reconnect(void **arg)
{
	(void)arg;
	load();
	notify(V("7"));
	assert_true(wants(DB_READ_POLICIES, NULL));
	listener_disconnected(l);
	listener_connected(l, false);
	assert_true(wants(DB_READ_HEADS, NULL));
	read_text(V("9") TOGGLES "Y\tmailbox\tmax\t*\n");
	read_text("H\t" A "\t" I1 "\t10\ta");
	done();
	expect_policies(1, 9, 2);
	assert_true(wants_nothing());
	listener_disconnected(l); /* rewound to where there never were any */
	listener_connected(l, false);
	assert_true(wants(DB_READ_HEADS, NULL));
	read_text("H\t" A "\t" I1 "\t10\ta");
	done();
	expect_policies(2, 0, 0);
	assert_int_equal(counts().bad, 0);
}

static void policies_that_are_not_understood(void **arg)
{
	struct buf text;

	(void)arg;
	load();
	notify(V("7"));
	assert_true(wants(DB_READ_POLICIES, NULL));
	read_text(V("7") "Y\tdevice\tnewest\tA\nY\tthing\tlatest\tB\n" TOGGLES
					 "Y\tmailbox\tlocal\t*\nY\tmailbox\tmax\tno at\nE\tx\n");
	read_text("H\t" A "\t" I1 "\t10\ta"); /* not here */
	done();
	expect_policies(1, 7, 1);
	assert_int_equal(counts().bad, 6);
	assert_true(wants_nothing());
	buf_init(&text);
	buf_adds(&text, V("8"));
	for (int i = 0; i <= POLICIES_MAX; i++)
		buf_addf(&text, "Y\tdevice\tlocal\td%d\n", i);
	notify(V("8"));
	assert_true(wants(DB_READ_POLICIES, NULL));
	read_text(buf_str(&text));
	done();
	expect_policies(2, 8, POLICIES_MAX);
	assert_int_equal(counts().bad, 7);
	buf_clear(&text);
}

/* ---- announcements ---- */

static void announced(
	const char *who, const char *inc, int64_t from, int64_t until, const char *lines)
{
	struct buf b = {0};

	buf_addf(&b, "1\tA\t1\t%s\t%s\t%lld\t%lld\t1000000\n%s", who, inc, (long long)from,
		(long long)until, lines);
	notify(buf_str(&b));
	buf_clear(&b);
}

static void announced_and_written(void **arg)
{
	(void)arg;
	load();
	announced(A, I1, 10, 10, "D\t6\t-\t0\tx\nD\t3\t-\t0\tz\n");
	assert_int_equal(state_by(A, "x"), STATE_RINGING);
	assert_int_equal(state_by(A, "z"), STATE_BUSY);
	assert_int_equal(entity(A)->head.seq, 10);
	change(A, I1, 10, "D\t6\t-\t0\tx\n");
	for (int i = 0; i < 10; i++)
		pulse_of(10 + i, "");
	assert_int_equal(state_by(A, "x"), STATE_RINGING);
	assert_int_equal(state_by(A, "z"), -1); /* that one was not written */
	assert_int_equal(counts().taken_back, 1);
	assert_true(wants_nothing());
}

static void announced_and_never_written(void **arg)
{
	int was;

	(void)arg;
	load();
	was = state_by(A, "x");
	assert_int_not_equal(was, -1);
	announced(A, I1, 10, 10, "D\t6\t-\t0\tx\n");
	announced(A, I1, 10, 10, "D\t8\t-\t0\tx\n"); /* said anew meanwhile */
	for (int i = 0; i < 5; i++)
		pulse_of(10 + i, "");
	assert_int_equal(state_by(A, "x"), STATE_ONHOLD);
	pulse_of(20, "");
	assert_int_equal(state_by(A, "x"), was);
	assert_int_equal(counts().taken_back, 1);
}

/* The word that is written differs: a removal too. */
static void announced_and_written_otherwise(void **arg)
{
	(void)arg;
	load();
	announced(A, I1, 10, 10, "D\t6\t-\t0\tx\nD\t6\t-\t0\tz\n");
	change(A, I1, 10, "d\t0\tx\nD\t2\t-\t0\tz\n");
	assert_int_equal(state_by(A, "x"), -1);
	assert_int_equal(state_by(A, "z"), STATE_INUSE);
	for (int i = 0; i < 10; i++)
		pulse_of(10 + i, "");
	assert_int_equal(state_by(A, "x"), -1);
	assert_int_equal(counts().taken_back, 0);
}

/* Only what continues what is known here: nothing that comes late, or early. */
static void announced_out_of_place(void **arg)
{
	int was;

	(void)arg;
	load();
	was = state_by(A, "x");
	announced(A, I2, 10, 10, "D\t6\t-\t0\tx\n");
	announced(A, I1, 8, 9, "D\t6\t-\t0\tx\n");
	announced(A, I1, 11, 12, "D\t6\t-\t0\tx\n");
	announced(B, I1, 1, 1, "D\t6\t-\t0\tx\n");
	announced(SELF, I1, 0, 9, "D\t6\t-\t0\tx\n");
	assert_int_equal(state_by(A, "x"), was);
	assert_int_equal(state_by(SELF, "x"), -1);
	notify("1\tP\t1\t" B "\t" I1 "\t30\t3000000\n"); /* two seconds behind it */
	announced(A, I1, 10, 10, "D\t6\t-\t0\tx\n");
	assert_int_equal(state_by(A, "x"), was);
	change(A, I1, 13, "D\t6\t-\t0\tx\n"); /* a gap: its rows are to be read */
	announced(A, I1, 10, 10, "D\t8\t-\t0\tx\n");
	assert_int_equal(state_by(A, "x"), was);
}

static void announced_nonsense(void **arg)
{
	(void)arg;
	load();
	announced(A, I1, 10, 10, "M\t0\t1\t0\t-\t0\t1\td\n");
	announced(A, I1, 10, 10, "d\t0\tx\n");
	announced(A, I1, 10, 10, "D\t99\t-\t0\tx\n");
	announced(A, I1, 10, 10, "");
	assert_int_equal(counts().bad, 3);
	for (int i = 0; i < 40; i++) { /* more than anybody announces: no more than 16 */
		char line[40];

		snprintf(line, sizeof(line), "D\t6\t-\t0\tmany%d\n", i);
		announced(A, I1, 10, 10, line);
	}
	assert_int_equal(state_by(A, "many15"), STATE_RINGING);
	assert_int_equal(state_by(A, "many16"), -1);
	for (int i = 0; i < 6; i++)
		pulse_of(10 + i, "");
	assert_int_equal(counts().taken_back, 16);
}

/* While something is announced the rows are not the database's: no audit. Rows that are
 * read end it. */
static void announced_audit_and_rows(void **arg)
{
	(void)arg;
	load();
	announced(A, I1, 10, 10, "D\t6\t-\t0\tz\n");
	pulse_of(10, "A\t" A "\t" I1 "\t10\ta\t7\t0000000000000001\n");
	assert_true(wants_nothing());
	listener_disconnected(l);
	listener_connected(l, false);
	assert_true(wants(DB_READ_HEADS, NULL));
	read_text("H\t" A "\t" I2 "\t12\ta\n");
	done();
	assert_true(wants(DB_READ_ROWS, A));
	rows(A, I2, 12, "D\t2\t-\t0\tx\n");
	done();
	assert_int_equal(state_by(A, "z"), -1);
	assert_int_equal(state_by(A, "x"), STATE_INUSE);
	for (int i = 0; i < 8; i++)
		pulse_of(20 + i, "");
	assert_int_equal(counts().taken_back, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(in_order),
		T(older_is_left_out),
		T(a_pack_of_changes),
		T(a_gap_in_a_pack),
		T(a_pack_that_is_cut),
		T(what_is_no_pack),
		T(a_change_of_flags),
		T(gap_reads_the_journal),
		T(a_forged_gap_is_read_once),
		T(trimmed_journal_reads_the_rows),
		T(a_journal_that_stops_short),
		T(a_failed_read_is_wanted_again),
		T(chunks_of_a_change),
		T(a_missing_chunk),
		T(half_a_change_then_disconnected),
		T(chunks_of_rows),
		T(a_missing_chunk_of_rows),
		T(a_new_run_reads_the_rows),
		T(a_run_that_continues),
		T(a_run_that_continues_what_we_do_not_have),
		T(pulses_prove_gaps),
		T(pulses_tell_who_died),
		T(pulses_tell_of_the_unknown),
		T(a_stale_pulse_is_harmless),
		T(a_rewind_is_seen_by_pulses),
		T(a_rewind_of_a_dead_one_is_read_at_once),
		T(a_rewind_of_a_static_one_is_read_at_once),
		T(audits),
		T(no_audit_in_the_middle_of_a_change),
		T(gone),
		T(our_id_is_removed),
		T(gone_and_back),
		T(unknown_entity),
		T(first_load_with_notifications_waiting),
		T(too_much_waits),
		T(reconnect_equal),
		T(reconnect_higher),
		T(reconnect_lower),
		T(reconnect_lower_and_dead),
		T(reconnect_missing),
		T(reconnect_another_run),
		cmocka_unit_test(disconnected_at_each_moment),
		T(malformed),
		T(own_rows_are_compared),
		T(the_database_has_nothing_of_us),
		T(compared_while_connected),
		T(compared_while_loading),
		T(our_own_word_comes_back),
		T(own_words_in_chunks),
		T(own_words_that_we_did_not_say),
		T(own_words_that_flood),
		T(own_words_of_long_ago),
		T(a_forged_change_is_found_by_two_heads),
		T(a_forged_change_before_its_like),
		T(a_forged_change_after_its_like),
		T(a_forged_change_that_waits),
		T(a_forged_chunk),
		T(twins_pings_and_pongs),
		T(policies_come_with_the_snapshot),
		T(another_version_is_read),
		T(the_pulse_tells_the_notify_mode),
		T(the_pulse_heals),
		T(policies_after_a_reconnect),
		T(policies_that_are_not_understood),
		T(announced_and_written),
		T(announced_and_never_written),
		T(announced_and_written_otherwise),
		T(announced_out_of_place),
		T(announced_nonsense),
		T(announced_audit_and_rows),
	};

	log_open(LOG_TO_FILE, "/dev/null"); /* what is logged here is expected */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

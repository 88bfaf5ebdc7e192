/* cache.c: what counts, how it adds up, who is told, and that nothing stays behind. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"

static struct cache *c;
static int changes, touches;
static struct sum last_was, last_now;
static char last_key[64];

static void changed(void *arg, enum key_kind kind, const char *key, const struct sum *was,
	const struct sum *now)
{
	struct sum seen;

	(void)arg;
	changes++;
	last_was = *was;
	last_now = *now;
	snprintf(last_key, sizeof(last_key), "%s", key);
	cache_sum(c, kind, key, &seen); /* what is told is what is found */
	assert_int_equal(seen.entities, now->entities);
	assert_int_equal(seen.value.state, now->value.state);
}

static void touched(void *arg, enum key_kind kind, const char *key)
{
	(void)arg;
	(void)kind;
	(void)key;
	touches++;
}

static int begin(void **arg)
{
	static const struct cache_callbacks cb = {changed, touched};

	(void)arg;
	changes = touches = 0;
	c = cache_new(&cb, NULL);
	return 0;
}

static int end(void **arg)
{
	(void)arg;
	cache_free(c);
	cache_free(NULL);
	return 0;
}

static struct cache_entity *entity(uint8_t n, bool alive)
{
	struct entity_id id = {{2, 0, 0, 0, 0, n}};
	struct cache_entity *e = cache_entity_get(c, &id);

	cache_entity_flags(c, e, alive, false);
	return e;
}

static void put(struct cache_entity *e, const char *key, enum device_state s, bool held)
{
	struct value v = {.state = s, .held = held};

	cache_put(c, e, KEY_DEVICE, key, &v);
}

static void box(struct cache_entity *e, const char *key, uint32_t fresh, int64_t stamp)
{
	struct value v = {.fresh = fresh, .held = true, .stamp_us = stamp};

	cache_put(c, e, KEY_MAILBOX, key, &v);
}

static void expect(const char *key, int entities, enum device_state s)
{
	struct sum sum;

	cache_sum(c, KEY_DEVICE, key, &sum);
	assert_int_equal(sum.entities, entities);
	assert_int_equal(sum.value.state, s);
	assert_null(sum.writer);
}

static void expect_box(
	const char *key, int entities, uint32_t fresh, const struct cache_entity *writer)
{
	struct sum sum;

	cache_sum(c, KEY_MAILBOX, key, &sum);
	assert_int_equal(sum.entities, entities);
	assert_int_equal(sum.value.fresh, fresh);
	assert_ptr_equal(sum.writer, writer);
}

static void nobody_says_anything(void **arg)
{
	(void)arg;
	expect("Custom:x", 0, STATE_UNKNOWN);
	expect("PJSIP/1", 0, STATE_INVALID);
	expect_box("1@d", 0, 0, NULL);
	assert_int_equal(cache_keys(c, KEY_DEVICE), 0);
}

static void all_pairs_add_up(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true);

	(void)arg;
	for (int x = 0; x < STATE_COUNT; x++) {
		for (int y = 0; y < STATE_COUNT; y++) {
			put(a, "D", (enum device_state)x, true);
			put(b, "D", (enum device_state)y, true);
			expect("D", 2, state_sum(1u << x | 1u << y));
		}
	}
	cache_remove(c, a, KEY_DEVICE, "D");
	expect("D", 1, STATE_ONHOLD);
}

static void many_entities(void **arg)
{
	unsigned set = 0;

	(void)arg;
	for (int i = 1; i <= 100; i++) {
		enum device_state s = (enum device_state)(i * 7 % STATE_COUNT);

		set |= state_bit(s);
		put(entity((uint8_t)i, true), "D", s, true);
		expect("D", i, state_sum(set));
	}
	for (int i = 1; i <= 99; i++)
		cache_entity_remove(c, entity((uint8_t)i, true));
	expect("D", 1, (enum device_state)(700 % STATE_COUNT));
	assert_int_equal(cache_entities(c), 1);
}

/* Alive, and held or reporting. */
static void what_counts(void **arg)
{
	struct cache_entity *e = entity(1, false);

	(void)arg;
	for (int bits = 0; bits < 8; bits++) {
		bool alive = bits & 1, reporting = bits & 2, held = bits & 4;
		bool counts = alive && (held || reporting);

		put(e, "D", STATE_BUSY, held);
		cache_entity_flags(c, e, alive, reporting);
		expect("D", counts, counts ? STATE_BUSY : STATE_INVALID);
	}
}

static void self_always_counts(void **arg)
{
	struct cache_entity *e = entity(1, false), *other = entity(2, true);

	(void)arg;
	e->self = true;
	put(e, "D", STATE_BUSY, true);
	put(other, "D", STATE_INUSE, true);
	expect("D", 2, STATE_BUSY);
	cache_set_stale(c, true);
	assert_true(cache_is_stale(c));
	expect("D", 1, STATE_BUSY);
	put(other, "D", STATE_RINGING,
		true); /* meanwhile it is taken in, and does not count */
	expect("D", 1, STATE_BUSY);
	cache_set_stale(c, false);
	expect("D", 2, STATE_RINGINUSE);
	cache_set_subscribed(c, KEY_MAILBOX, false);
	expect("D", 2, STATE_RINGINUSE);
	cache_set_subscribed(c, KEY_DEVICE, false);
	expect("D", 1, STATE_BUSY);
	cache_set_subscribed(c, KEY_DEVICE, true);
	expect("D", 2, STATE_RINGINUSE);
}

static void told_exactly_when_it_is_different(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true);

	(void)arg;
	put(a, "D", STATE_INUSE, true);
	assert_int_equal(changes, 1);
	assert_string_equal(last_key, "D");
	assert_int_equal(last_was.entities, 0);
	assert_int_equal(last_was.value.state, STATE_INVALID);
	assert_int_equal(last_now.value.state, STATE_INUSE);
	put(a, "D", STATE_INUSE, true);
	assert_int_equal(changes, 1);
	assert_int_equal(touches, 1);    /* a repeat is no fact */
	put(b, "D", STATE_ONHOLD, true); /* adds nothing to INUSE */
	assert_int_equal(changes, 1);
	assert_int_equal(touches, 2);
	put(b, "D", STATE_RINGING, true);
	assert_int_equal(changes, 2);
	assert_int_equal(last_was.value.state, STATE_INUSE);
	assert_int_equal(last_now.value.state, STATE_RINGINUSE);
	cache_entity_flags(c, b, false, false);
	assert_int_equal(changes, 3);
	assert_int_equal(last_now.value.state, STATE_INUSE);
	cache_entity_flags(c, b, false, false);
	cache_entity_flags(c, b, false, true); /* dead: reporting or not is the same */
	assert_int_equal(changes, 3);
	cache_remove(c, a, KEY_DEVICE, "D");
	assert_int_equal(changes, 4);
	assert_int_equal(last_now.value.state, STATE_INVALID);
	cache_remove(c, a, KEY_DEVICE, "D");
	cache_remove(c, a, KEY_DEVICE, "never");
	cache_remove(c, b, KEY_DEVICE, "D"); /* did not count */
	assert_int_equal(changes, 4);
	assert_int_equal(cache_keys(c, KEY_DEVICE), 0);
}

static void the_last_word_on_a_mailbox(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true);

	(void)arg;
	box(a, "1@d", 5, 100);
	expect_box("1@d", 1, 5, a);
	box(b, "1@d", 2, 200);
	expect_box("1@d", 2, 2, b);
	box(a, "1@d", 9, 150); /* an older word does not win */
	expect_box("1@d", 2, 2, b);
	box(a, "1@d", 7, 201);
	expect_box("1@d", 2, 7, a);
	box(b, "1@d", 1, 201); /* at the same moment: the higher id, as in SQL */
	expect_box("1@d", 2, 1, b);
	cache_entity_flags(c, b, false, false); /* a dead entity's counts leave */
	expect_box("1@d", 1, 7, a);
	cache_entity_flags(c, b, true, false);
	expect_box("1@d", 2, 1, b);
	cache_entity_remove(c, b);
	expect_box("1@d", 1, 7, a);
	expect("1@d", 0, STATE_INVALID); /* a device of this name is another key */
}

static int64_t stamp_of(struct cache_entity *e, enum key_kind kind, const char *key)
{
	const struct value *v = cache_get(c, e, kind, key);

	return v ? v->stamp_us : -1;
}

/* Only the moment of a word: never another word, nor one that was not said. */
static void a_word_gets_another_moment(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true);
	struct value other = {.fresh = 3, .held = true, .stamp_us = 50};
	struct value same = {.fresh = 2, .held = true, .stamp_us = 30};
	int told;

	(void)arg;
	box(a, "1@d", 2, 10);
	box(b, "1@d", 5, 20);
	expect_box("1@d", 2, 5, b);
	told = changes;
	cache_restamp(c, a, KEY_MAILBOX, "1@d", &other);
	assert_int_equal(stamp_of(a, KEY_MAILBOX, "1@d"), 10);
	other = same;
	other.held = false;
	cache_restamp(c, a, KEY_MAILBOX, "1@d", &other);
	assert_int_equal(stamp_of(a, KEY_MAILBOX, "1@d"), 10);
	cache_restamp(c, a, KEY_MAILBOX, "2@d", &same);
	assert_null(cache_get(c, a, KEY_MAILBOX, "2@d"));
	assert_int_equal(cache_keys(c, KEY_MAILBOX), 1);
	assert_int_equal(changes, told);
	touches = 0;
	cache_restamp(c, a, KEY_MAILBOX, "1@d", &same);
	assert_int_equal(stamp_of(a, KEY_MAILBOX, "1@d"), 30);
	expect_box("1@d", 2, 2, a); /* it is the last word now */
	assert_int_equal(changes, told + 1);
	assert_int_equal(touches, 0);
	cache_restamp(c, a, KEY_MAILBOX, "1@d", &same);
	assert_int_equal(changes, told + 1);
}

/* It was heard again: it is not swept, whether its moment is another one or not. */
static void restamped_rows_are_not_swept(void **arg)
{
	struct cache_entity *a = entity(1, true);
	struct value v = {.fresh = 2, .held = true, .stamp_us = 10};

	(void)arg;
	box(a, "same@d", 2, 10);
	box(a, "later@d", 2, 5);
	box(a, "unheard@d", 2, 10);
	cache_mark(c, a);
	cache_restamp(c, a, KEY_MAILBOX, "same@d", &v);
	cache_restamp(c, a, KEY_MAILBOX, "later@d", &v);
	cache_sweep(c, a);
	assert_int_equal(stamp_of(a, KEY_MAILBOX, "same@d"), 10);
	assert_int_equal(stamp_of(a, KEY_MAILBOX, "later@d"), 10);
	assert_null(cache_get(c, a, KEY_MAILBOX, "unheard@d"));
}

static void ties_do_not_depend_on_order(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true);

	(void)arg;
	box(b, "1@d", 1, 5);
	box(a, "1@d", 2, 5);
	expect_box("1@d", 2, 1, b);
	cache_remove(c, b, KEY_MAILBOX, "1@d");
	box(b, "1@d", 1, 5);
	expect_box("1@d", 2, 1, b);
}

static void mark_and_sweep(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true);

	(void)arg;
	put(a, "keep", STATE_INUSE, true);
	put(a, "go", STATE_INUSE, true);
	put(b, "go", STATE_BUSY, true);
	box(a, "1@d", 1, 1);
	changes = 0;
	cache_mark(c, a);
	put(a, "keep", STATE_INUSE, true);
	put(a, "new", STATE_RINGING, true);
	cache_sweep(c, a);
	assert_int_equal(changes, 2); /* new, the mailbox; "keep" never flickered */
	expect("keep", 1, STATE_INUSE);
	expect("go", 1, STATE_BUSY);
	expect("new", 1, STATE_RINGING);
	assert_int_equal(a->rows[KEY_DEVICE], 2);
	assert_int_equal(a->rows[KEY_MAILBOX], 0);
	assert_int_equal(b->rows[KEY_DEVICE], 1);
	cache_mark(c, a); /* a load that was cut, and one that was not */
	put(a, "keep", STATE_INUSE, true);
	cache_mark(c, a);
	put(a, "new", STATE_RINGING, true);
	cache_sweep(c, a);
	expect("keep", 0, STATE_INVALID);
	cache_sweep(c, a); /* again: the same */
	assert_int_equal(a->rows[KEY_DEVICE], 1);
}

static void entities_in_order(void **arg)
{
	struct entity_id id = {{2, 0, 0, 0, 0, 9}};

	(void)arg;
	for (int i = 0; i < 50; i++)
		entity((uint8_t)(i * 37 % 50 + 100), true);
	assert_int_equal(cache_entities(c), 50);
	for (int i = 0; i < 50; i++)
		assert_int_equal(cache_entity_at(c, i)->id.bytes[5], 100 + i);
	assert_null(cache_entity_find(c, &id));
	assert_ptr_equal(entity(120, true), cache_entity_at(c, 20));
	assert_int_equal(cache_entities(c), 50);
}

static bool count_row(
	void *arg, const struct cache_entity *e, const struct value *v, bool counts)
{
	int *n = arg;

	(void)v;
	assert_int_equal(counts, e->id.bytes[5] != 2);
	return ++*n < 10;
}

static bool stop(void *arg, const char *key, const struct sum *sum)
{
	int *n = arg;

	(void)key;
	(void)sum;
	++*n;
	return false;
}

static void looking(void **arg)
{
	int n = 0;

	(void)arg;
	put(entity(1, true), "D", STATE_BUSY, true);
	put(entity(2, false), "D", STATE_BUSY, true);
	put(entity(3, true), "D", STATE_BUSY, true);
	put(entity(3, true), "E", STATE_BUSY, true);
	assert_true(cache_each_row(c, KEY_DEVICE, "D", count_row, &n));
	assert_int_equal(n, 3);
	assert_true(cache_each_row(c, KEY_DEVICE, "none", count_row, &n));
	n = 0;
	assert_false(cache_each_key(c, KEY_DEVICE, stop, &n));
	assert_true(cache_each_key(c, KEY_MAILBOX, stop, &n));
	assert_int_equal(n, 1);
	assert_non_null(cache_get(c, entity(2, false), KEY_DEVICE, "D"));
	assert_null(cache_get(c, entity(2, false), KEY_DEVICE, "E"));
	assert_null(cache_get(c, entity(2, false), KEY_MAILBOX, "D"));
}

static void audit_is_the_xor(void **arg)
{
	struct cache_entity *e = entity(1, true);
	uint64_t digest, expected = 0;
	int64_t rows;

	(void)arg;
	cache_audit(c, e, &rows, &digest);
	assert_true(rows == 0 && digest == 0);
	for (int i = 0; i < 50; i++) {
		struct value v = {.state = (enum device_state)(i % 9), .held = i & 1};
		char key[20];

		snprintf(key, sizeof(key), "K%d", i);
		cache_put(c, e, KEY_DEVICE, key, &v);
		expected ^= payload_row_digest(KEY_DEVICE, key, &v);
	}
	box(e, "1@d", 3, 7);
	expected ^=
		payload_row_digest(KEY_MAILBOX, "1@d", &(struct value){.fresh = 3, .held = true});
	put(entity(2, true), "other", STATE_BUSY, true);
	cache_audit(c, e, &rows, &digest);
	assert_int_equal(rows, 51);
	assert_true(digest == expected);
}

static void many_keys(void **arg)
{
	enum { N = 100000 };
	struct cache_entity *a = entity(1, true), *b = entity(2, true);
	char key[32];

	(void)arg;
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "PJSIP/%d", i);
		put(a, key, (enum device_state)(i % 9), true);
		if (i % 10 == 0)
			put(b, key, STATE_BUSY, true);
	}
	assert_int_equal(cache_keys(c, KEY_DEVICE), N);
	for (int i = 1; i < N; i += 997) {
		snprintf(key, sizeof(key), "PJSIP/%d", i);
		if (i % 10)
			expect(key, 1, (enum device_state)(i % 9));
	}
	cache_entity_flags(c, a, false, false);
	expect("PJSIP/7", 0, STATE_INVALID);
	expect("PJSIP/70", 1, STATE_BUSY);
	cache_entity_remove(c, a);
	assert_int_equal(cache_keys(c, KEY_DEVICE), N / 10);
	cache_entity_remove(c, b);
	assert_int_equal(cache_keys(c, KEY_DEVICE), 0);
}

/* Keys that fall into one bucket, taken out in any order. */
static void keys_without_rows_do_not_exist(void **arg)
{
	struct cache_entity *a = entity(1, true);
	char key[32];

	(void)arg;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2000; i++) {
			snprintf(key, sizeof(key), "K%d", i);
			put(a, key, STATE_BUSY, true);
		}
		for (int i = 0; i < 2000; i++) {
			snprintf(key, sizeof(key), "K%d", (i * 777 + round) % 2000);
			cache_remove(c, a, KEY_DEVICE, key);
			expect(key, 0, STATE_INVALID);
		}
		assert_int_equal(cache_keys(c, KEY_DEVICE), 0);
		assert_int_equal(a->rows[KEY_DEVICE], 0);
	}
}

/* A mark has few bits in a row: loads that were cut, as many as you like, revive nothing.
 */
static void marks_repeat(void **arg)
{
	struct cache_entity *a = entity(1, true);

	(void)arg;
	for (int cut = 0; cut < 600; cut++) {
		put(a, "old", STATE_BUSY, true);
		for (int i = 0; i <= cut; i++)
			cache_mark(c, a);
		put(a, "new", STATE_INUSE, true);
		cache_sweep(c, a);
		expect("old", 0, STATE_INVALID);
		expect("new", 1, STATE_INUSE);
	}
}

/* What is packed comes out as it went in: names of all lengths, all values, both kinds.
 */
static void nothing_is_lost_in_packing(void **arg)
{
	struct cache_entity *a = entity(1, true);
	char key[KEY_MAX_BYTES + 1];

	(void)arg;
	for (int len = 1; len <= KEY_MAX_BYTES; len++) {
		struct value v = {.urgent = (uint32_t)len,
			.fresh = MESSAGES_MAX,
			.old = (uint32_t)len * 7,
			.state = (enum device_state)(len % STATE_COUNT),
			.held = len % 2 == 0,
			.stamp_us = len % 3 ? INT64_MAX - len : INT64_MIN + len};
		memset(key, 'a' + len % 26, (size_t)len);
		key[len] = '\0';
		cache_put(c, a, KEY_DEVICE, key, &v);
		cache_put(c, a, KEY_MAILBOX, key, &v);
	}
	for (int len = 1; len <= KEY_MAX_BYTES; len++) {
		const struct value *v;

		memset(key, 'a' + len % 26, (size_t)len);
		key[len] = '\0';
		v = cache_get(c, a, KEY_MAILBOX, key);
		assert_int_equal(v->urgent, len);
		assert_int_equal(v->fresh, MESSAGES_MAX);
		assert_int_equal(v->old, len * 7);
		v = cache_get(c, a, KEY_DEVICE, key);
		assert_int_equal(v->state, len % STATE_COUNT);
		assert_int_equal(v->held, len % 2 == 0);
		assert_true(v->stamp_us == (len % 3 ? INT64_MAX - len : INT64_MIN + len));
		assert_int_equal(v->urgent + v->fresh + v->old, 0); /* a device has none */
	}
}

/* Another entity takes the number of one that is gone, and none of its words. */
static void entities_come_and_go(void **arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++) {
		struct entity_id id = {{2, 0, 0, 1, (uint8_t)(i / 256), (uint8_t)i}};
		struct cache_entity *e = cache_entity_get(c, &id), *stays = entity(1, true);

		cache_entity_flags(c, e, true, true);
		put(stays, "D", STATE_NOT_INUSE, true);
		put(e, "D", STATE_BUSY, true);
		box(e, "1@d", (uint32_t)i + 1, i + 1);
		expect("D", 2 + i % 3, STATE_BUSY);
		expect_box("1@d", 1 + i % 3, (uint32_t)i + 1, e);
		if (i % 3 < 2)
			continue;
		for (int gone = 2; gone >= 0; gone--) { /* three of them, in this order */
			id.bytes[5] = (uint8_t)(i - gone);
			id.bytes[4] = (uint8_t)((i - gone) / 256);
			cache_entity_remove(c, cache_entity_find(c, &id));
		}
		expect("D", 1, STATE_NOT_INUSE);
		expect_box("1@d", 0, 0, NULL);
	}
}

/* ---- policies ---- */

static void toggle(
	struct cache_entity *e, const char *key, enum device_state s, int64_t stamp)
{
	struct value v = {.state = s, .held = true, .stamp_us = stamp};

	cache_put(c, e, KEY_DEVICE, key, &v);
}

static void expect_toggle(
	const char *key, int entities, enum device_state s, const struct cache_entity *writer)
{
	struct sum sum;

	cache_sum(c, KEY_DEVICE, key, &sum);
	assert_int_equal(sum.policy, POLICY_LATEST);
	assert_int_equal(sum.entities, entities);
	assert_int_equal(sum.value.state, s);
	assert_ptr_equal(sum.writer, writer);
}

static struct policies *policy(enum key_kind kind, const char *pattern, enum policy which)
{
	struct policies *p = policies_new();

	assert_true(policies_add(p, kind, pattern, which));
	cache_set_policies(c, p);
	return p;
}

static void policy_end(struct policies *p)
{
	cache_set_policies(c, NULL);
	policies_free(p);
}

static void the_last_word_on_a_toggle(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true), *d = entity(3, true);
	struct policies *p = policy(KEY_DEVICE, "Custom:*", POLICY_LATEST);

	(void)arg;
	expect_toggle("Custom:n", 0, STATE_UNKNOWN, NULL);
	toggle(a, "Custom:n", STATE_INUSE, 10);
	expect_toggle("Custom:n", 1, STATE_INUSE, a);
	toggle(b, "Custom:n", STATE_NOT_INUSE, 20); /* adding up could never clear it */
	expect_toggle("Custom:n", 2, STATE_NOT_INUSE, b);
	toggle(d, "Custom:n", STATE_RINGING, 15); /* said before, heard late */
	expect_toggle("Custom:n", 3, STATE_NOT_INUSE, b);
	toggle(a, "Custom:n", STATE_INUSE, 21);
	expect_toggle("Custom:n", 3, STATE_INUSE, a);
	cache_remove(c, a, KEY_DEVICE, "Custom:n");
	expect_toggle("Custom:n", 2, STATE_NOT_INUSE, b);
	cache_remove(c, b, KEY_DEVICE, "Custom:n");
	cache_remove(c, d, KEY_DEVICE, "Custom:n");
	expect_toggle("Custom:n", 0, STATE_UNKNOWN, NULL);
	put(a, "PJSIP/1", STATE_INUSE, true); /* the others add up as ever */
	put(b, "PJSIP/1", STATE_RINGING, true);
	expect("PJSIP/1", 2, STATE_RINGINUSE);
	policy_end(p);
}

/* Two at one moment: the same one wins whatever the order that they are heard in. */
static void a_tie_is_the_higher_id_s(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true);
	struct policies *p = policy(KEY_DEVICE, "*", POLICY_LATEST);

	(void)arg;
	toggle(a, "T", STATE_INUSE, 10);
	toggle(b, "T", STATE_BUSY, 10);
	expect_toggle("T", 2, STATE_BUSY, b);
	toggle(b, "U", STATE_BUSY, 10);
	toggle(a, "U", STATE_INUSE, 10);
	expect_toggle("U", 2, STATE_BUSY, b);
	policy_end(p);
}

static void a_dead_one_s_toggle_stays(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true),
						*sql = entity(3, true);
	struct policies *p = policy(KEY_DEVICE, "Custom:*", POLICY_LATEST);

	(void)arg;
	sql->who.is_static = true;
	toggle(a, "Custom:n", STATE_NOT_INUSE, 10);
	toggle(b, "Custom:n", STATE_INUSE, 20);
	put(b, "PJSIP/1", STATE_INUSE, true);
	changes = 0;
	cache_entity_flags(c, b, false, false);
	expect_toggle("Custom:n", 2, STATE_INUSE, b);
	expect("PJSIP/1", 0, STATE_INVALID); /* the rest of what it said does not */
	assert_int_equal(changes, 1);
	cache_set_stale(c, true); /* nor does it end with the database */
	expect_toggle("Custom:n", 2, STATE_INUSE, b);
	cache_set_stale(c, false);
	toggle(sql, "Custom:n", STATE_BUSY, 30); /* SQL's words have a time to live */
	expect_toggle("Custom:n", 3, STATE_BUSY, sql);
	cache_entity_flags(c, sql, false, false);
	expect_toggle("Custom:n", 2, STATE_INUSE, b);
	cache_set_subscribed(c, KEY_DEVICE, false);
	expect_toggle("Custom:n", 0, STATE_UNKNOWN, NULL);
	policy_end(p);
}

static void local_is_ours_alone(void **arg)
{
	struct cache_entity *us = entity(1, true), *b = entity(2, true);
	struct policies *p;

	(void)arg;
	cache_set_self(c, us, true);
	put(us, "L", STATE_INUSE, true);
	put(b, "L", STATE_RINGING, true);
	expect("L", 2, STATE_RINGINUSE);
	changes = 0;
	p = policy(KEY_DEVICE, "L", POLICY_LOCAL);
	assert_int_equal(changes, 1);
	expect("L", 1, STATE_INUSE);
	assert_null(cache_other(c, KEY_DEVICE, "L"));
	cache_remove(c, us, KEY_DEVICE, "L");
	expect("L", 0, STATE_INVALID);
	changes = 0;
	policy_end(p);
	expect("L", 1, STATE_RINGING);
	assert_int_equal(changes, 1);
}

static void expect_counts(
	const char *key, enum policy which, uint32_t fresh, uint32_t old, uint32_t urgent)
{
	struct sum sum;

	cache_sum(c, KEY_MAILBOX, key, &sum);
	assert_int_equal(sum.policy, which);
	assert_int_equal(sum.value.fresh, fresh);
	assert_int_equal(sum.value.old, old);
	assert_int_equal(sum.value.urgent, urgent);
}

static void mailboxes_add_up(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true);
	struct value va = {.fresh = 2, .old = 7, .urgent = 0, .held = true, .stamp_us = 20};
	struct value vb = {.fresh = 3, .old = 1, .urgent = 1, .held = true, .stamp_us = 10};
	struct policies *p;

	(void)arg;
	cache_put(c, a, KEY_MAILBOX, "1@d", &va);
	cache_put(c, b, KEY_MAILBOX, "1@d", &vb);
	expect_counts("1@d", POLICY_LATEST, 2, 7, 0);
	p = policy(KEY_MAILBOX, "*@d", POLICY_SUM);
	expect_counts("1@d", POLICY_SUM, 5, 8, 1);
	expect_box("1@d", 2, 5, a); /* who spoke last of them */
	policy_end(p);
	p = policy(KEY_MAILBOX, "*@d", POLICY_MAX);
	expect_counts("1@d", POLICY_MAX, 3, 7, 1);
	cache_entity_flags(c, b, false, false); /* a dead one's counts leave */
	expect_counts("1@d", POLICY_MAX, 2, 7, 0);
	cache_entity_flags(c, a, false, false);
	expect_counts("1@d", POLICY_MAX, 0, 0, 0);
	policy_end(p);
}

static void a_sum_of_messages_has_a_bound(void **arg)
{
	struct policies *p = policy(KEY_MAILBOX, "*", POLICY_SUM);

	(void)arg;
	for (uint8_t i = 1; i <= 9; i++)
		box(entity(i, true), "1@d", 1000000, i);
	expect_counts("1@d", POLICY_SUM, 1000000, 0, 0);
	policy_end(p);
}

static void the_last_of_the_others(void **arg)
{
	struct cache_entity *us = entity(2, true), *b = entity(1, true), *d = entity(3, true);

	(void)arg;
	cache_set_self(c, us, true);
	assert_null(cache_other(c, KEY_MAILBOX, "1@d"));
	box(us, "1@d", 1, 50);
	assert_null(cache_other(c, KEY_MAILBOX, "1@d"));
	box(b, "1@d", 2, 20);
	box(d, "1@d", 3, 10);
	assert_ptr_equal(cache_other(c, KEY_MAILBOX, "1@d"), b);
	expect_box("1@d", 3, 1, us);
	cache_entity_flags(c, b, false, false);
	assert_ptr_equal(cache_other(c, KEY_MAILBOX, "1@d"), d);
}

/* A change of policies is told where it makes a difference, and only there. */
static void other_policies_tell_differences(void **arg)
{
	struct cache_entity *a = entity(1, true), *b = entity(2, true);
	struct policies *p;

	(void)arg;
	toggle(a, "Custom:x", STATE_INUSE, 10);
	toggle(b, "Custom:x", STATE_NOT_INUSE, 20);
	toggle(a, "Custom:same", STATE_INUSE, 10);
	toggle(a, "PJSIP/1", STATE_INUSE, 10);
	changes = touches = 0;
	p = policy(KEY_DEVICE, "custom:*", POLICY_LATEST);
	assert_int_equal(changes, 1);
	assert_int_equal(touches, 2);
	assert_string_equal(last_key, "Custom:x");
	assert_int_equal(last_was.value.state, STATE_INUSE);
	assert_int_equal(last_now.value.state, STATE_NOT_INUSE);
	cache_set_policies(c, p); /* the same again */
	assert_int_equal(changes, 1);
	assert_int_equal(touches, 2);
	assert_int_equal(cache_policy(c, KEY_DEVICE, "Custom:x"), POLICY_LATEST);
	assert_int_equal(cache_policy(c, KEY_DEVICE, "Custom:unheard"), POLICY_LATEST);
	assert_int_equal(cache_policy(c, KEY_DEVICE, "PJSIP/1"), POLICY_AGGREGATE);
	assert_int_equal(cache_policy(c, KEY_MAILBOX, "Custom:x"), POLICY_LATEST);
	policy_end(p);
	assert_int_equal(changes, 2);
	expect("Custom:x", 2, STATE_INUSE);
}

/* ---- reports, in the order of names or not, against a table ---- */

enum { ENTITIES = 4, NAMES = 7 };

static struct {
	bool said;
	enum device_state state;
} said[ENTITIES][KEY_KINDS][NAMES];

/* The same names are devices and mailboxes. */
static void say(int who, enum key_kind kind, int name, int state)
{
	struct cache_entity *e = entity((uint8_t)(who + 1), true);
	struct value v = {.held = true};
	char key[16];

	snprintf(key, sizeof(key), "%d@d", name);
	said[who][kind][name].said = state >= 0;
	if (state < 0) {
		cache_remove(c, e, kind, key);
		return;
	}
	if (kind == KEY_DEVICE)
		v.state = (enum device_state)state;
	else
		v.fresh = (uint32_t)state;
	said[who][kind][name].state = (enum device_state)state;
	cache_put(c, e, kind, key, &v);
}

static void expect_as_said(enum key_kind kind, int name)
{
	int entities = 0, last = 0;
	unsigned set = 0;
	struct sum sum;
	char key[16];

	for (int who = 0; who < ENTITIES; who++) {
		if (!said[who][kind][name].said)
			continue;
		entities++;
		set |= state_bit(said[who][kind][name].state);
		last = (int)said[who][kind][name].state; /* at one moment: the highest id's */
	}
	snprintf(key, sizeof(key), "%d@d", name);
	cache_sum(c, kind, key, &sum);
	assert_int_equal(sum.entities, entities);
	if (entities && kind == KEY_DEVICE)
		assert_int_equal(sum.value.state, state_sum(set));
	if (entities && kind == KEY_MAILBOX)
		assert_int_equal(sum.value.fresh, last);
}

static void expect_all_as_said(void)
{
	int64_t keys[KEY_KINDS] = {0};

	for (int kind = 0; kind < KEY_KINDS; kind++) {
		for (int name = 0; name < NAMES; name++) {
			bool is_said = false;

			expect_as_said((enum key_kind)kind, name);
			for (int who = 0; who < ENTITIES; who++)
				is_said = is_said || said[who][kind][name].said;
			keys[kind] += is_said;
		}
		assert_int_equal(cache_keys(c, (enum key_kind)kind), keys[kind]);
	}
}

/* Names in order, some left out, from one entity after the other: as rows are loaded. */
static void reports_in_order(void **arg)
{
	(void)arg;
	memset(said, 0, sizeof(said));
	srand(1);
	for (int round = 0; round < 500; round++) {
		for (int who = 0; who < ENTITIES; who++) {
			for (int name = 0; name < NAMES; name++)
				for (int kind = 0; kind < KEY_KINDS; kind++)
					if (rand() % 5)
						say(who, (enum key_kind)kind, name, rand() % STATE_COUNT);
			expect_all_as_said();
		}
		for (int who = 0; who < ENTITIES; who++)
			for (int name = 0; name < NAMES; name++)
				for (int kind = 0; kind < KEY_KINDS; kind++)
					if (rand() % 8)
						say(who, (enum key_kind)kind, name, -1);
		expect_all_as_said();
	}
}

/* Words and their removal as they come. */
static void words_in_any_order(void **arg)
{
	(void)arg;
	memset(said, 0, sizeof(said));
	srand(2);
	for (int i = 0; i < 20000; i++) {
		say(rand() % ENTITIES, (enum key_kind)(rand() % KEY_KINDS), rand() % NAMES,
			rand() % (STATE_COUNT + 6) - 6);
		expect_all_as_said();
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(nobody_says_anything),
		T(all_pairs_add_up),
		T(many_entities),
		T(what_counts),
		T(self_always_counts),
		T(told_exactly_when_it_is_different),
		T(the_last_word_on_a_mailbox),
		T(a_word_gets_another_moment),
		T(restamped_rows_are_not_swept),
		T(ties_do_not_depend_on_order),
		T(mark_and_sweep),
		T(entities_in_order),
		T(looking),
		T(audit_is_the_xor),
		T(many_keys),
		T(keys_without_rows_do_not_exist),
		T(marks_repeat),
		T(nothing_is_lost_in_packing),
		T(entities_come_and_go),
		T(the_last_word_on_a_toggle),
		T(a_tie_is_the_higher_id_s),
		T(a_dead_one_s_toggle_stays),
		T(local_is_ours_alone),
		T(mailboxes_add_up),
		T(a_sum_of_messages_has_a_bound),
		T(the_last_of_the_others),
		T(other_policies_tell_differences),
		T(reports_in_order),
		T(words_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

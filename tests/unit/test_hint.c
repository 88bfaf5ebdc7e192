/* hint.c: what a hint adds up to, whom it tells and when, and reloads. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hint.h"

static enum device_state states[4]; /* of A, B, C, D */
static int told;
static struct hint last;
static char last_exten[32];

static enum device_state lookup(void *arg, const char *device)
{
	(void)arg;
	return strlen(device) == 1 && *device >= 'A' && *device <= 'D' ? states[*device - 'A']
																   : STATE_INVALID;
}

static void changed(void *arg, const struct hint *hint)
{
	int *count = arg;

	++*count;
	last = *hint;
	snprintf(last_exten, sizeof(last_exten), "%s@%s", hint->exten, hint->context);
}

static void add(struct hints *h, const char *exten, const char *devices)
{
	const char *why = NULL;

	assert_true(hints_add(h, exten, "ctx", devices, &why));
}

static struct hints *fresh(void)
{
	for (int i = 0; i < 4; i++)
		states[i] = STATE_NOT_INUSE;
	told = 0;
	return hints_new(lookup, NULL);
}

static struct hints *one_hint(const char *devices)
{
	struct hints *h = fresh();

	hints_begin(h);
	add(h, "1", devices);
	hints_end(h);
	return h;
}

static void set(struct hints *h, char device, enum device_state s)
{
	char name[2] = {device, '\0'};

	states[device - 'A'] = s;
	hints_device_changed(h, name);
}

static void adds_up(void **arg)
{
	struct hints *h = one_hint("A&B");

	(void)arg;
	for (int a = 0; a < STATE_COUNT; a++) {
		for (int b = 0; b < STATE_COUNT; b++) {
			enum device_state sum = state_sum(1u << a | 1u << b);

			set(h, 'A', (enum device_state)a);
			set(h, 'B', (enum device_state)b);
			assert_int_equal(hints_find(h, "1", "ctx")->sum, sum);
			assert_int_equal(hints_find(h, "1", "ctx")->state, exten_state_of(sum));
		}
	}
	hints_free(h);
}

static void tells_when_the_mapped_state_changed(void **arg)
{
	struct hints *h = one_hint("A");
	struct hint_watcher w = {changed, &told, NULL};

	(void)arg;
	assert_true(hints_watch(h, "1", "ctx", &w));
	assert_int_equal(hints_find(h, "1", "ctx")->watchers, 1);
	set(h, 'A', STATE_UNKNOWN); /* Idle as before */
	assert_int_equal(told, 0);
	assert_int_equal(hints_find(h, "1", "ctx")->sum, STATE_UNKNOWN);
	set(h, 'A', STATE_INUSE);
	assert_int_equal(told, 1);
	assert_int_equal(last.state, EXTEN_INUSE);
	hints_device_changed(h, "A");
	assert_int_equal(told, 1);
	set(h, 'A', STATE_UNAVAILABLE);
	set(h, 'A', STATE_INVALID);
	assert_int_equal(told, 2);
	hints_device_changed(h, "Z");
	hints_device_changed(h, "");
	assert_int_equal(told, 2);
	hints_unwatch(h, &w);
	assert_int_equal(hints_find(h, "1", "ctx")->watchers, 0);
	set(h, 'A', STATE_BUSY);
	assert_int_equal(told, 2);
	hints_unwatch(h, &w); /* twice is nothing */
	hints_free(h);
}

static void ringing_is_told_each_time(void **arg)
{
	struct hints *h = one_hint("A&B");
	struct hint_watcher w = {changed, &told, NULL};

	(void)arg;
	hints_watch(h, "1", "ctx", &w);
	set(h, 'A', STATE_RINGING);
	assert_int_equal(told, 1);
	set(h, 'B', STATE_UNAVAILABLE); /* still Ringing */
	assert_int_equal(told, 2);
	assert_int_equal(last.state, EXTEN_RINGING);
	set(h, 'B', STATE_INUSE);
	assert_int_equal(told, 3);
	assert_int_equal(last.state, EXTEN_INUSE_RINGING);
	set(h, 'B', STATE_BUSY);
	assert_int_equal(told, 4);
	set(h, 'A', STATE_NOT_INUSE);
	assert_int_equal(told, 5);
	assert_int_equal(last.state, EXTEN_BUSY);
	hints_free(h);
}

static void a_device_in_several_hints(void **arg)
{
	struct hints *h = fresh();
	struct hint_watcher all = {changed, &told, NULL}, one = {changed, &told, NULL};

	(void)arg;
	hints_begin(h);
	add(h, "1", "A&A&A");
	add(h, "2", "B&A");
	add(h, "3", "C");
	hints_end(h);
	assert_true(hints_watch(h, NULL, NULL, &all));
	assert_true(hints_watch(h, "2", "ctx", &one));
	set(h, 'A', STATE_INUSE);
	assert_int_equal(told, 3); /* 1 and 2 to all, 2 to one */
	set(h, 'C', STATE_INUSE);
	assert_int_equal(told, 4);
	assert_string_equal(last_exten, "3@ctx");
	hints_unwatch(h, &all);
	set(h, 'C', STATE_BUSY);
	assert_int_equal(told, 4);
	hints_free(h);
}

static void malformed(void **arg)
{
	static const char *const bad[] = {"", "&", "A&", "&A", "A&&B", "A\tB", "A&\xff"};
	struct hints *h = fresh();
	const char *why;

	(void)arg;
	hints_begin(h);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = NULL;
		assert_false(hints_add(h, "1", "ctx", bad[i], &why));
		assert_non_null(why);
	}
	add(h, "1", "A");
	assert_false(hints_add(h, "1", "ctx", "B", &why));
	assert_non_null(strstr(why, "already"));
	assert_true(hints_add(h, "1", "other", "B", &why));
	hints_end(h);
	assert_int_equal(hints_count(h), 2);
	assert_string_equal(hints_find(h, "1", "ctx")->devices, "A");
	assert_string_equal(hints_find(h, "1", "other")->devices, "B");
	assert_null(hints_find(h, "2", "ctx"));
	assert_false(hints_watch(h, "2", "ctx", &(struct hint_watcher){0}));
	hints_free(h);
}

static void reload_keeps_watchers(void **arg)
{
	struct hints *h = one_hint("A");
	struct hint_watcher w = {changed, &told, NULL}, all = {changed, &told, NULL};

	(void)arg;
	states['B' - 'A'] = STATE_BUSY;
	hints_watch(h, "1", "ctx", &w);
	hints_watch(h, NULL, NULL, &all);
	hints_begin(h);
	add(h, "2", "C");
	add(h, "1", "A");
	assert_int_equal(hints_count(h), 1); /* not before its end */
	hints_end(h);
	assert_int_equal(told, 0);
	assert_int_equal(hints_count(h), 2);
	assert_string_equal(hints_at(h, 0)->exten, "2"); /* in the order of the dialplan */
	assert_string_equal(hints_at(h, 1)->exten, "1");
	assert_int_equal(hints_find(h, "1", "ctx")->watchers, 1);
	hints_begin(h);
	add(h, "1", "B"); /* another device: another state */
	hints_end(h);
	assert_int_equal(told, 2);
	assert_int_equal(last.state, EXTEN_BUSY);
	set(h, 'A', STATE_INUSE);
	assert_int_equal(told, 2);
	hints_free(h);
}

static void reload_aborted_or_without_it(void **arg)
{
	struct hints *h = one_hint("A");
	struct hint_watcher w = {changed, &told, NULL};

	(void)arg;
	hints_watch(h, "1", "ctx", &w);
	hints_begin(h);
	add(h, "9", "B");
	hints_abort(h);
	assert_int_equal(hints_count(h), 1);
	set(h, 'A', STATE_INUSE);
	assert_int_equal(told, 1);
	hints_begin(h);
	add(h, "9", "B");
	hints_end(h);
	assert_null(hints_find(h, "1", "ctx"));
	set(h, 'A', STATE_BUSY);
	assert_int_equal(told, 1);
	hints_unwatch(h, &w);
	hints_begin(h); /* begun and never ended */
	add(h, "8", "B");
	hints_free(h);
	hints_free(NULL);
}

static struct hints *its_hints;

static void leaves(void *arg, const struct hint *hint)
{
	struct hint_watcher *w = arg;

	(void)hint;
	told++;
	hints_unwatch(its_hints, w);
}

static void a_watcher_may_leave_when_told(void **arg)
{
	struct hint_watcher first = {leaves, &first, NULL}, second = {leaves, &second, NULL};

	(void)arg;
	its_hints = one_hint("A");
	hints_watch(its_hints, "1", "ctx", &first);
	hints_watch(its_hints, "1", "ctx", &second);
	set(its_hints, 'A', STATE_BUSY);
	assert_int_equal(told, 2);
	set(its_hints, 'A', STATE_INUSE);
	assert_int_equal(told, 2);
	assert_int_equal(hints_find(its_hints, "1", "ctx")->watchers, 0);
	hints_free(its_hints);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_up),
		cmocka_unit_test(tells_when_the_mapped_state_changed),
		cmocka_unit_test(ringing_is_told_each_time),
		cmocka_unit_test(a_device_in_several_hints),
		cmocka_unit_test(malformed),
		cmocka_unit_test(reload_keeps_watchers),
		cmocka_unit_test(reload_aborted_or_without_it),
		cmocka_unit_test(a_watcher_may_leave_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

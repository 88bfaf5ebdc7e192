/* entity_id.c: what is an entity id and a uuid, and what is not. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "entity_id.h"

/* In a buffer of its own size, so that reading beyond the end is seen. */
static bool parse(const char *text, struct entity_id *out)
{
	char *copy = strdup(text);
	bool ok = entity_id_parse(copy, out);

	free(copy);
	return ok;
}

static void prints_what_it_parsed(void **arg)
{
	static const char *const good[] = {"01:23:45:67:89:ab", "00:00:00:00:00:01",
		"ff:ff:ff:ff:ff:fe", "80:00:00:00:00:00"};
	struct entity_id id;
	char text[ENTITY_ID_TEXT];

	(void)arg;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(parse(good[i], &id));
		assert_string_equal(entity_id_print(&id, text), good[i]);
	}
	assert_true(parse("AB:cD:Ef:00:11:22", &id));
	assert_string_equal(entity_id_print(&id, text), "ab:cd:ef:00:11:22");
}

static void refuses_the_rest(void **arg)
{
	static const char *const bad[] = {"", ":", "0", "01", "01:", "01:23:45:67:89",
		"01:23:45:67:89:", "01:23:45:67:89:a", "01:23:45:67:89:abc",
		"01:23:45:67:89:ab:", "01:23:45:67:89:ab ", " 01:23:45:67:89:ab",
		"01-23-45-67-89-ab", "0123456789ab", "01:23:45:67:89:ag", "1:2:3:4:5:6",
		"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "FF:FF:ff:ff:ff:ff", "01::23:45:67:89",
		"+1:23:45:67:89:ab", "\xc3\xa9"};
	struct entity_id id = {{1, 2, 3, 4, 5, 6}};

	(void)arg;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(parse(bad[i], &id));
		assert_int_equal(id.bytes[5], 6);
	}
}

static void is_cut_anywhere(void **arg)
{
	const char *whole = "01:23:45:67:89:ab";
	struct entity_id id;

	(void)arg;
	for (size_t len = 0; len < strlen(whole); len++) {
		char *cut = strndup(whole, len);

		assert_false(entity_id_parse(cut, &id));
		free(cut);
	}
}

static void compares(void **arg)
{
	struct entity_id a, b;

	(void)arg;
	assert_true(parse("01:23:45:67:89:ab", &a));
	assert_true(parse("01:23:45:67:89:AB", &b));
	assert_true(entity_id_equal(&a, &b));
	for (int i = 0; i < 6; i++) {
		struct entity_id c = a;

		c.bytes[i] ^= 1;
		assert_false(entity_id_equal(&a, &c));
	}
}

static void an_interface_gives_a_usable_one(void **arg)
{
	struct entity_id id, again;
	char text[ENTITY_ID_TEXT];

	(void)arg;
	if (!entity_id_from_interfaces(&id))
		return; /* a machine with a loopback only */
	assert_true(entity_id_parse(entity_id_print(&id, text), &again));
	assert_true(entity_id_equal(&id, &again));
}

static void is_kept_in_a_directory(void **arg)
{
	char dir[] = "/tmp/entity-id-XXXXXX", path[64];
	struct entity_id id = {{1, 2, 3, 4, 5, 6}}, got = {{9}};
	FILE *f;

	(void)arg;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/entity_id", dir);
	assert_false(entity_id_recall(dir, &got));
	assert_true(entity_id_remember(dir, &id));
	assert_true(entity_id_recall(dir, &got));
	assert_true(entity_id_equal(&id, &got));
	id.bytes[0] = 7;
	assert_true(entity_id_remember(dir, &id));
	assert_true(entity_id_recall(dir, &got));
	assert_int_equal(got.bytes[0], 7);
	f = fopen(path, "w"); /* cut by a full disk, or written by hand */
	fputs("01:23:45", f);
	fclose(f);
	assert_false(entity_id_recall(dir, &got));
	assert_int_equal(got.bytes[0], 7);
	unlink(path);
	rmdir(dir);
	assert_false(entity_id_remember(dir, &id));
}

static void random_uuids(void **arg)
{
	enum { N = 300 };
	struct uuid all[N], same;

	(void)arg;
	for (int i = 0; i < N; i++) {
		all[i] = uuid_random();
		assert_int_equal(strlen(all[i].text), 36);
		assert_true(uuid_parse(all[i].text, &same));
		assert_true(uuid_equal(&all[i], &same));
		assert_int_equal(all[i].text[14], '4');
		assert_non_null(strchr("89ab", all[i].text[19]));
		for (int j = 0; j < i; j++)
			assert_false(uuid_equal(&all[i], &all[j]));
	}
}

static void uuids_are_parsed(void **arg)
{
	static const char good[] = "0123ABCD-89ab-cdef-0123-456789ABCDEF";
	struct uuid u;

	(void)arg;
	assert_true(uuid_parse(good, &u));
	assert_string_equal(u.text, "0123abcd-89ab-cdef-0123-456789abcdef");
	assert_true(uuid_parse("00000000-0000-0000-0000-000000000000", &u));
	for (size_t len = 0; len < strlen(good); len++) {
		char *cut = strndup(good, len);

		assert_false(uuid_parse(cut, &u));
		free(cut);
	}
	for (size_t i = 0; i < strlen(good); i++) {
		char *bad = strdup(good);

		bad[i] = bad[i] == '-' ? '0' : '-';
		assert_false(uuid_parse(bad, &u));
		bad[i] = 'g';
		assert_false(uuid_parse(bad, &u));
		free(bad);
	}
	assert_false(uuid_parse("0123abcd-89ab-cdef-0123-456789abcdef0", &u));
	assert_false(uuid_parse("0123abcd-89ab-cdef-0123-456789abcdef ", &u));
	assert_false(uuid_parse("{123abcd-89ab-cdef-0123-456789abcdef}", &u));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_what_it_parsed),
		cmocka_unit_test(refuses_the_rest),
		cmocka_unit_test(is_cut_anywhere),
		cmocka_unit_test(compares),
		cmocka_unit_test(an_interface_gives_a_usable_one),
		cmocka_unit_test(is_kept_in_a_directory),
		cmocka_unit_test(random_uuids),
		cmocka_unit_test(uuids_are_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

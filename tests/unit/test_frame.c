/* frame.c: whole frames out of bytes as they come, and nothing out of garbage. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "frame.h"

static void add(struct frame_reader *r, const char *text)
{
	frame_reader_add(r, text, strlen(text));
}

static void test_print(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	frame_print(&b, FRAME_RUN, "core show hints", 15);
	frame_print(&b, FRAME_CANCEL, "", 0);
	assert_string_equal(buf_str(&b), "1 run 15\ncore show hints1 cancel 0\n");
	buf_clear(&b);
}

static void test_every_type_comes_back(void **state)
{
	struct frame_reader r;
	struct frame f;
	struct buf b;
	const char *why;

	(void)state;
	frame_reader_init(&r);
	buf_init(&b);
	for (int t = 0; t < FRAME_TYPES; t++)
		frame_print(&b, (enum frame_type)t, "x\0\n", 3);
	frame_reader_add(&r, b.data, b.len);
	for (int t = 0; t < FRAME_TYPES; t++) {
		assert_int_equal(frame_reader_next(&r, &f, &why), 1);
		assert_int_equal(f.type, t);
		assert_int_equal(f.len, 3);
		assert_memory_equal(f.data, "x\0\n\0", 4);
	}
	assert_int_equal(frame_reader_next(&r, &f, &why), 0);
	buf_clear(&b);
	frame_reader_clear(&r);
}

static void test_byte_by_byte(void **state)
{
	const char *text = "1 run 4\nhelp1 complete 2\ncl1 cancel 0\n";
	struct frame_reader r;
	struct frame f;
	const char *why;
	int frames = 0;

	(void)state;
	frame_reader_init(&r);
	for (const char *at = text; *at; at++) {
		frame_reader_add(&r, at, 1);
		while (frame_reader_next(&r, &f, &why) == 1)
			frames++;
	}
	assert_int_equal(frames, 3);
	assert_int_equal(f.type, FRAME_CANCEL);
	frame_reader_clear(&r);
}

static void refuse(const char *text, const char *part)
{
	struct frame_reader r;
	struct frame f;
	const char *why = "";

	frame_reader_init(&r);
	add(&r, text);
	if (frame_reader_next(&r, &f, &why) != -1)
		fail_msg("'%s' was taken", text);
	if (!strstr(why, part))
		fail_msg("'%s': '%s' does not say '%s'", text, why, part);
	frame_reader_clear(&r);
}

static void test_refused(void **state)
{
	(void)state;
	refuse("2 run 4\nhelp", "another version");
	refuse(" run 4\nhelp", "VERSION TYPE LENGTH");
	refuse("1 fly 4\nhelp", "unknown type");
	refuse("1  4\nhelp", "unknown type");
	refuse("1 run 65537\n", "length");
	refuse("1 run -1\n", "length");
	refuse("1 run 4x\n", "length");
	refuse("1 run \n", "length");
	refuse("1 run 99999999999999\n", "length");
	refuse("1 run\n", "VERSION TYPE LENGTH");
	refuse("\n", "VERSION TYPE LENGTH");
	refuse("GET / HTTP/1.1 and so on and so on", "too long");
}

static void test_the_largest(void **state)
{
	struct frame_reader r;
	struct frame f;
	struct buf b;
	const char *why;
	char *bytes = calloc(1, FRAME_MAX_BYTES);

	(void)state;
	frame_reader_init(&r);
	buf_init(&b);
	frame_print(&b, FRAME_OUT, bytes, FRAME_MAX_BYTES);
	frame_reader_add(&r, b.data, b.len - 1);
	assert_int_equal(frame_reader_next(&r, &f, &why), 0);
	frame_reader_add(&r, b.data + b.len - 1, 1);
	assert_int_equal(frame_reader_next(&r, &f, &why), 1);
	assert_int_equal(f.len, FRAME_MAX_BYTES);
	free(bytes);
	buf_clear(&b);
	frame_reader_clear(&r);
}

/* A fixed seed: valid frames with bytes changed, in random pieces. Must end, and stay
 * inside. */
static void test_damaged_frames(void **state)
{
	unsigned seed = 20081123;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct frame_reader r;
		struct frame f;
		struct buf b;
		const char *why;
		int rc = 0;
		frame_reader_init(&r);
		buf_init(&b);
		for (int i = 0; i < 4; i++)
			frame_print(
				&b, (enum frame_type)(rand_r(&seed) % FRAME_TYPES), "1 run 3\nabc", 11);
		for (int i = rand_r(&seed) % 4; i > 0; i--)
			b.data[(size_t)rand_r(&seed) % b.len] = (char)rand_r(&seed);
		for (size_t at = 0; at < b.len && rc >= 0;) {
			size_t piece = 1 + (size_t)rand_r(&seed) % 17;
			piece = piece < b.len - at ? piece : b.len - at;
			frame_reader_add(&r, b.data + at, piece);
			at += piece;
			while ((rc = frame_reader_next(&r, &f, &why)) == 1)
				assert_int_equal(f.data[f.len], '\0');
		}
		buf_clear(&b);
		frame_reader_clear(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_every_type_comes_back),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_the_largest),
		cmocka_unit_test(test_damaged_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

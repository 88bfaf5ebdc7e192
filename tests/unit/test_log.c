/* log.c: one line an event, to files and listeners. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"

static char dir[] = "/tmp/test_log_XXXXXX";
static char file[64];

static char *slurp(const char *path)
{
	struct buf b;
	char chunk[1000];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	buf_init(&b);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	return buf_take(&b);
}

static void assert_match(const char *text, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, text, 0, NULL, 0) != 0)
		fail_msg("'%s' does not match '%s'", text, pattern);
	regfree(&re);
}

#define STAMP "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}"

static int setup(void **state)
{
	(void)state;
	snprintf(file, sizeof(file), "%s/log", dir);
	unlink(file);
	log_set_debug(0);
	return log_open(LOG_TO_FILE, file) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	log_close();
	return 0;
}

static void test_format(void **state)
{
	char *text;

	(void)state;
	log_notice("session", "connected host=%s port=%d", "db1", 5432);
	log_error("conf", "bad");
	text = slurp(file);
	assert_match(text, "^" STAMP " NOTICE  session: connected host=db1 port=5432\n" STAMP
					   " ERROR   conf: bad\n$");
	free(text);
}

static void test_a_line_is_one_line(void **state)
{
	char *text;

	(void)state;
	log_warning("session", "%s", "first\nsecond\ttab\033[31mred\n\n");
	text = slurp(file);
	assert_match(text, "^" STAMP " WARNING session: first second tab \\[31mred\n$");
	free(text);
}

static void test_utf8_goes_through(void **state)
{
	char *text;

	(void)state;
	log_notice("x", "%s", "T\xc3\xbcr");
	text = slurp(file);
	assert_non_null(strstr(text, "x: T\xc3\xbcr\n"));
	free(text);
}

static int evaluated;
static int evaluate(void)
{
	return ++evaluated;
}

static void test_debug_levels(void **state)
{
	char *text;

	(void)state;
	log_debug(1, "x", "%d", evaluate()); /* not shown: not even evaluated */
	assert_int_equal(evaluated, 0);
	log_set_debug(2);
	assert_int_equal(log_get_debug(), 2);
	log_debug(2, "x", "two");
	log_debug(3, "x", "three");
	text = slurp(file);
	assert_match(text, "^" STAMP " DEBUG   x: two\n$");
	free(text);
}

static void test_errno_survives(void **state)
{
	(void)state;
	errno = ENOENT;
	log_notice("x", "y");
	assert_int_equal(errno, ENOENT);
}

static void test_reopen_after_rotation(void **state)
{
	char old[80], *text;

	(void)state;
	snprintf(old, sizeof(old), "%s.1", file);
	log_notice("x", "before");
	assert_int_equal(rename(file, old), 0);
	log_notice("x", "between");
	assert_true(log_reopen());
	log_notice("x", "after");
	text = slurp(old);
	assert_match(text, "before\n.*between\n$");
	free(text);
	text = slurp(file);
	assert_match(text, "^" STAMP " NOTICE  x: after\n$");
	free(text);
	unlink(old);
}

static void test_reopen_that_fails_keeps_the_old_file(void **state)
{
	char old[80], *text;

	(void)state;
	snprintf(old, sizeof(old), "%s.1", file);
	assert_int_equal(rename(file, old), 0);
	assert_int_equal(symlink("/nowhere/at/all", file), 0);
	errno = 0;
	assert_false(log_reopen());
	assert_int_equal(errno, ENOENT);
	log_notice("x", "still here");
	text = slurp(old);
	assert_non_null(strstr(text, "still here"));
	free(text);
	unlink(old);
}

static void test_open_that_fails_keeps_the_target(void **state)
{
	char *text;

	(void)state;
	assert_false(log_open(LOG_TO_FILE, "/nowhere/at/all"));
	assert_int_equal(errno, ENOENT);
	log_notice("x", "still here");
	text = slurp(file);
	assert_non_null(strstr(text, "still here"));
	free(text);
}

struct ear {
	struct log_listener listener;
	int heard;
	char last[200];
	struct ear *removes; /* in the callback */
	bool logs;
};

static void ear_line(void *arg, enum log_level level, const char *line)
{
	struct ear *e = arg;

	(void)level;
	e->heard++;
	snprintf(e->last, sizeof(e->last), "%s", line);
	if (e->removes)
		log_remove_listener(&e->removes->listener);
	if (e->logs)
		log_notice("ear", "heard something");
}

static void ear_add(struct ear *e)
{
	e->listener.line = ear_line;
	e->listener.arg = e;
	log_add_listener(&e->listener);
}

static void test_listeners(void **state)
{
	struct ear a = {0}, b = {0};

	(void)state;
	ear_add(&a);
	ear_add(&b);
	log_notice("x", "hello");
	assert_int_equal(a.heard, 1);
	assert_int_equal(b.heard, 1);
	assert_match(a.last, "^" STAMP " NOTICE  x: hello$");
	log_remove_listener(&a.listener);
	log_remove_listener(&a.listener); /* twice is legal */
	log_notice("x", "again");
	assert_int_equal(a.heard, 1);
	assert_int_equal(b.heard, 2);
	log_remove_listener(&b.listener);
}

/* Whoever is removed by whomever in whatever order: nobody is told twice or after it. */
static void test_listeners_remove_each_other(void **state)
{
	(void)state;
	for (int who = 0; who < 3; who++) {
		for (int whom = 0; whom < 3; whom++) {
			struct ear e[3] = {{.heard = 0}};

			for (int i = 0; i < 3; i++)
				ear_add(&e[i]);
			e[who].removes = &e[whom];
			log_notice("x", "1");
			log_notice("x", "2");
			for (int i = 0; i < 3; i++) {
				assert_true(e[i].heard <= 2);
				assert_true(i == whom || e[i].heard == 2);
			}
			assert_true(e[whom].heard < 2);
			for (int i = 0; i < 3; i++)
				log_remove_listener(&e[i].listener);
		}
	}
}

static void test_a_listener_that_logs_does_not_recurse(void **state)
{
	struct ear a = {.logs = true}, b = {.logs = true};
	char *text;

	(void)state;
	ear_add(&a);
	ear_add(&b);
	log_notice("x", "hello");
	log_remove_listener(&a.listener);
	log_remove_listener(&b.listener);
	assert_int_equal(a.heard, 1);
	assert_int_equal(b.heard, 1);
	text = slurp(file);
	assert_match(text, "hello\n.*heard something\n.*heard something\n$");
	free(text);
}

static void reopen_as(const char *target)
{
	unlink(file);
	if (target)
		assert_int_equal(symlink(target, file), 0);
	assert_true(log_reopen());
}

/* A full disk: the log says what it lost as soon as it can, and consoles hear it at once.
 */
static void test_lines_that_are_lost_are_counted(void **state)
{
	int64_t before = log_lines_lost();
	struct ear ear = {0};
	char *text;

	(void)state;
	reopen_as("/dev/full");
	ear_add(&ear);
	log_notice("x", "one");
	assert_int_equal(ear.heard, 2);
	assert_match(ear.last, "NOTICE  x: one$");
	log_notice("x", "two");
	log_notice("x", "three");
	assert_int_equal(ear.heard, 4);
	assert_int_equal(log_lines_lost() - before, 3);
	reopen_as(NULL);
	log_notice("x", "four");
	log_notice("x", "five");
	assert_int_equal(ear.heard, 7);
	log_remove_listener(&ear.listener);
	assert_int_equal(log_lines_lost() - before, 3);
	text = slurp(file);
	assert_match(text,
		"^" STAMP " WARNING log: lines were lost here count=3: No space left "
		"on device\n" STAMP " NOTICE  x: four\n" STAMP " NOTICE  x: five\n$");
	free(text);
}

static void test_a_lost_line_is_said_at_once(void **state)
{
	struct ear ear = {0};

	(void)state;
	reopen_as("/dev/full");
	ear_add(&ear);
	ear.removes = &ear; /* hears one line only */
	log_notice("x", "one");
	assert_match(ear.last,
		"ERROR   log: cannot write to .*/log, lines are lost: No space "
		"left on device$");
	reopen_as(NULL);
	log_notice("x", "two");
}

/* Where only a piece of a line had room, the next one begins on a line of its own. */
static void test_a_torn_line_is_ended(void **state)
{
	struct rlimit limit, small;
	char *text;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 60;
	signal(SIGXFSZ, SIG_IGN);
	log_notice("x", "one");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	log_notice("x", "two");
	log_notice("x", "three");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, SIG_DFL);
	log_notice("x", "four");
	text = slurp(file);
	assert_match(text, " one\n[^\n]{1,40}\n" STAMP " WARNING log: lines were lost here "
					   "count=2: [^\n]*\n" STAMP " NOTICE  x: four\n$");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_format, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_line_is_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_utf8_goes_through, setup, teardown),
		cmocka_unit_test_setup_teardown(test_debug_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errno_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reopen_after_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_reopen_that_fails_keeps_the_old_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_open_that_fails_keeps_the_target, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listeners, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_listeners_remove_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_listener_that_logs_does_not_recurse, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_lines_that_are_lost_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_lost_line_is_said_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_torn_line_is_ended, setup, teardown),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	rc = cmocka_run_group_tests_name("log", tests, NULL, NULL);
	unlink(file);
	rmdir(dir);
	return rc;
}

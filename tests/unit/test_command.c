/* command*.c and completion.c, on a table of their own. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "command.h"

static struct buf out, err;
static int status;
static int released;

static void echo(struct call *c)
{
	reply_printf(&c->reply, "%s:", c->command->words);
	for (int i = 0; i < c->argc; i++)
		reply_printf(&c->reply, " <%s>", c->argv[i]);
	reply_set(&c->reply, "arguments", json_integer(c->argc));
	call_end(c, 0);
}

static void release(struct call *c)
{
	(void)c;
	released++;
}

static void go_on(struct call *c)
{
	reply_printf(&c->reply, "more.");
	call_end(c, 0);
}

static void later(struct call *c)
{
	reply_printf(&c->reply, "begun. ");
	c->release = release;
	c->more = go_on;
}

static void fruit(struct completion *c, int arg)
{
	if (arg == 0) {
		completion_offer(c, "apple");
		completion_offer(c, "Apple pie");
		completion_offer(c, "cherry");
		completion_offer(c, "apple");
	} else {
		completion_offer(c, "second");
	}
}

static void many(struct completion *c, int arg)
{
	char name[32];
	int offered = 0;

	(void)arg;
	do
		snprintf(name, sizeof(name), "name%d", offered++);
	while (completion_offer(c, name));
	assert_int_equal(offered, COMMAND_MAX_CANDIDATES);
}

static const struct command first[] = {
	{"core show hints", "", 0, 0, "All hints", NULL, NULL, echo, NULL},
	{"core show hint", "EXT", 1, 1, "One hint", "More words.", NULL, echo, NULL},
	{"core stop", "", 0, 0, "Stop", NULL, NULL, echo, NULL},
	{.words = NULL},
};
static const struct command second[] = {
	{"eat", "WHAT [WHERE]", 1, 2, "Eat", NULL, NULL, echo, fruit},
	{"many", "NAME", 1, 1, "Many", NULL, NULL, echo, many},
	{"later on", "", 0, 0, "Later", NULL, NULL, later, NULL},
	{"help", "[COMMAND]", 0, 8, "Help", NULL, NULL, echo, NULL},
	{.words = NULL},
};
const struct command *const command_tables[] = {first, second, NULL};

static void take_out(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	buf_add(&out, bytes, len);
}

static void take_err(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	buf_add(&err, bytes, len);
}

static void take_end(void *arg, int s)
{
	(void)arg;
	assert_int_equal(status, -1);
	status = s;
}

static bool ready(void *arg)
{
	(void)arg;
	return true;
}

static struct call *start(const char *line, size_t len, bool json)
{
	struct call_sink sink = {take_out, take_err, take_end, ready, NULL};

	buf_reset(&out);
	buf_reset(&err);
	status = -1;
	return command_start(NULL, line, len, json, &sink);
}

static void expect(const char *line, const char *expected)
{
	command_free(start(line, strlen(line), false));
	assert_string_equal(buf_str(&err), "");
	assert_string_equal(buf_str(&out), expected);
	assert_int_equal(status, 0);
}

static void refuse(const char *line, const char *expected)
{
	command_free(start(line, strlen(line), false));
	assert_string_equal(buf_str(&err), expected);
	assert_string_equal(buf_str(&out), "");
	assert_int_equal(status, 1);
}

static int setup(void **state)
{
	(void)state;
	buf_init(&out);
	buf_init(&err);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_clear(&out);
	buf_clear(&err);
	return 0;
}

static void test_found(void **state)
{
	(void)state;
	expect("core show hints", "core show hints:");
	expect("  CORE\tshow   hints ", "core show hints:");
	expect("core show hint 1234", "core show hint: <1234>");
	expect("eat \"an apple\"  here", "eat: <an apple> <here>");
	expect("", "");
	expect(" \n", "");
}

static void test_shortened(void **state)
{
	(void)state;
	expect("c st", "core stop:");
	expect("co sh hint 1", "core show hint: <1>"); /* exact wins over shortened */
	expect("e x", "eat: <x>");
}

static void test_ambiguous(void **state)
{
	(void)state;
	refuse("core sh hin", "The command is ambiguous; commands that begin so:\n"
						  "  core show hints\n  core show hint\n");
	refuse("core", "The command is not complete; commands that begin so:\n"
				   "  core show hints\n  core show hint\n  core stop\n");
}

static void test_unknown(void **state)
{
	(void)state;
	refuse("frobnicate \"a b\"",
		"No such command 'frobnicate \"a b\"' ('help' lists all)\n");
	refuse("core shwo hints", "No such command 'core shwo hints'; did you mean 'core "
							  "show hints'? ('help' lists "
							  "all)\n");
	refuse("eta apples",
		"No such command 'eta apples'; did you mean 'eat'? ('help' lists all)\n");
	refuse("\"\" x", "No such command '\"\" x' ('help' lists all)\n");
}

static void test_arguments(void **state)
{
	(void)state;
	refuse("eat", "Usage: eat WHAT [WHERE]\n");
	refuse("eat a b c", "Usage: eat WHAT [WHERE]\n");
	refuse("core stop now", "Usage: core stop\n");
}

static void test_unreadable(void **state)
{
	(void)state;
	refuse("eat \"apple",
		"Cannot read the command: a double quote is not closed, or the line ends with a "
		"backslash\n");
	command_free(start("eat a\0b", 7, false));
	assert_int_equal(status, 1);
	assert_string_equal(
		buf_str(&err), "Cannot read the command: a NUL byte in the line\n");
}

static void test_json(void **state)
{
	(void)state;
	command_free(start("eat apple", 9, true));
	assert_string_equal(buf_str(&out), "{\n  \"arguments\": 1\n}\n");
	command_free(start("xyzzy", 5, true));
	assert_int_equal(status, 1);
	assert_string_equal(buf_str(&out),
		"{\n  \"error\": \"No such command 'xyzzy' ('help' lists all)\"\n}\n");
	assert_string_equal(buf_str(&err), "No such command 'xyzzy' ('help' lists all)\n");
}

static void test_going_on(void **state)
{
	struct call *c;

	(void)state;
	released = 0;
	c = start("later on", 8, false);
	assert_string_equal(buf_str(&out), "begun. ");
	assert_int_equal(status, -1);
	command_more(c);
	assert_string_equal(buf_str(&out), "begun. more.");
	assert_int_equal(status, 0);
	command_more(c); /* nothing any more */
	assert_int_equal(released, 0);
	command_free(c);
	assert_int_equal(released, 1);
	command_free(start("later on", 8, false));
	assert_int_equal(status, -1); /* given up: no end is told */
	assert_int_equal(released, 2);
	command_free(NULL);
}

static void complete(const char *line, const char *expected)
{
	struct buf list;

	buf_init(&list);
	command_complete(NULL, line, strlen(line), &list);
	assert_string_equal(buf_str(&list), expected);
	buf_clear(&list);
}

static void test_completion(void **state)
{
	(void)state;
	complete("", "0\ncore\neat\nmany\nlater\nhelp\n");
	complete("c", "1\ncore\n");
	complete("core ", "0\nshow\nstop\n");
	complete("core s", "1\nshow\nstop\n");
	complete("c sh h", "1\nhints\nhint\n");
	complete("core show hint ", "0\n");
	complete("nothing ", "0\n");
	complete("eat ", "0\napple\n\"Apple pie\"\ncherry\n");
	complete("eat a", "1\napple\n\"Apple pie\"\n");
	complete("eat \"Apple p", "8\n\"Apple pie\"\n");
	complete("eat apple ", "0\nsecond\n");
	complete("eat apple here ", "0\n");
}

static void test_completion_is_bounded(void **state)
{
	(void)state;
	struct buf list;

	buf_init(&list);
	command_complete(NULL, "many ", 5, &list);
	assert_non_null(strstr(buf_str(&list), "\nname199\n"));
	assert_null(strstr(buf_str(&list), "\nname200\n"));
	buf_clear(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shortened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ambiguous, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_going_on, setup, teardown),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_completion_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

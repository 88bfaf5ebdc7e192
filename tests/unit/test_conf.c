/* conf.c: what the lines of a .conf file mean, and what is said of the bad ones. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "mem.h"

static struct buf errors;

static struct conf *parse(const char *text)
{
	buf_reset(&errors);
	return conf_parse("x.conf", text, strlen(text), &errors);
}

/* The value of the only entry of "[s]\n" LINE. */
static void assert_value(const char *line, const char *value)
{
	char *text = mem_printf("[s]\n%s\n", line);
	struct conf *c = parse(text);

	assert_string_equal(buf_str(&errors), "");
	assert_int_equal(c->nsections, 1);
	assert_int_equal(c->sections[0].nentries, 1);
	assert_string_equal(c->sections[0].entries[0].name, "n");
	assert_string_equal(c->sections[0].entries[0].value, value);
	conf_free(c);
	free(text);
}

static void assert_error(const char *text, const char *error)
{
	struct conf *c = parse(text);

	assert_string_equal(buf_str(&errors), error);
	conf_free(c);
}

static int setup(void **state)
{
	(void)state;
	buf_init(&errors);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_clear(&errors);
	return 0;
}

static void test_structure(void **state)
{
	struct conf *c =
		parse("; head\n\n[one]\na = 1\nb=>2\n  [two]  \n\tc => 3\n[one]\na=4\n[none]\n");

	(void)state;
	assert_string_equal(buf_str(&errors), "");
	assert_string_equal(c->file, "x.conf");
	assert_int_equal(c->nsections, 4);
	assert_string_equal(c->sections[0].name, "one");
	assert_int_equal(c->sections[0].line, 3);
	assert_int_equal(c->sections[0].nentries, 2);
	assert_string_equal(c->sections[0].entries[1].name, "b");
	assert_string_equal(c->sections[0].entries[1].value, "2");
	assert_int_equal(c->sections[0].entries[1].line, 5);
	assert_string_equal(c->sections[1].name, "two");
	assert_int_equal(c->sections[1].entries[0].line, 7);
	assert_string_equal(c->sections[2].name, "one");
	assert_string_equal(c->sections[2].entries[0].value, "4");
	assert_int_equal(c->sections[3].nentries, 0);
	conf_free(c);
}

static void test_nothing(void **state)
{
	struct conf *c = conf_parse("x.conf", NULL, 0, &errors);

	(void)state;
	assert_int_equal(c->nsections, 0);
	conf_free(c);
	assert_error("\n\n  \n; only\n", "");
	conf_free(NULL);
}

static void test_values(void **state)
{
	(void)state;
	assert_value("n=v", "v");
	assert_value("  n  =>   v w  ", "v w");
	assert_value("n =", "");
	assert_value("n =>", "");
	assert_value("n = = x => y", "= x => y");
	assert_value("n = > x", "> x"); /* an arrow has no space in it */
	assert_value("n = \"q\" 'r' | \\ [x] #y", "\"q\" 'r' | \\ [x] #y");
	assert_value("n = \xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9");
	assert_value("n = v\r", "v"); /* CRLF */
}

static void test_comments(void **state)
{
	(void)state;
	assert_value("n = v ; comment", "v");
	assert_value("n = v;comment = x", "v");
	assert_value("n = a\\;b ; c", "a;b");
	assert_value("n = a\\\\;b", "a\\;b"); /* a backslash before ; always belongs to it */
	assert_value("n = a\\ ;b", "a\\");
	assert_value("n = a\\nb\\=c", "a\\nb\\=c");
	assert_value("n = v ;-- block --; w", "v  w");
	assert_value("n = v ;--- not a block", "v");
	assert_value("n = v\n; \x80\x01 any bytes in a comment", "v");
}

static void test_block_comments(void **state)
{
	(void)state;
	assert_value(";--\n[no]\na=1\n ;---- no\n--; n = v", "v");
	assert_value(";-- outer ;-- inner --; still --; n = v", "v");
	assert_value(";-- a --;;-- b --;\nn = v", "v");
	assert_value("n = v --; a plain comment", "v --");
	assert_error("[s]\n;-- a\n;-- b\n --;\n",
		"x.conf:2: the block comment ;-- has no end; write --; where it ends\n");
}

static void test_bom_and_line_ends(void **state)
{
	struct conf *c = parse("\xEF\xBB\xBF[s]\r\nn = v\r\n[t]");

	(void)state;
	assert_string_equal(buf_str(&errors), "");
	assert_string_equal(c->sections[0].name, "s");
	assert_string_equal(c->sections[0].entries[0].value, "v");
	assert_string_equal(c->sections[1].name, "t");
	conf_free(c);
}

static void test_bad_headers(void **state)
{
	(void)state;
	assert_error("[s\na=1\n", "x.conf:1: '[s': a section's name ends with ']'\n");
	assert_error("[]\n", "x.conf:1: a section needs a name\n");
	assert_error("[s] x\n", "x.conf:1: 'x' behind the section's name; remove it\n");
	assert_error("[s](!)\na=1\n", "x.conf:1: templates and additions, [section](!), are "
								  "not supported; write it out\n");
	assert_error("[s](+)\n", "x.conf:1: templates and additions, [section](+), are not "
							 "supported; write it out\n");
}

static void test_bad_lines(void **state)
{
	(void)state;
	assert_error("a=1\n", "x.conf:1: 'a' comes before the first [section]\n");
	assert_error("[s]\nhello\n",
		"x.conf:2: 'hello': expected [section], name = value or name => value\n");
	assert_error("[s]\n=1\n", "x.conf:2: there is no name before the '='\n");
	assert_error("[s]\na += 1\n",
		"x.conf:2: 'a +=': adding to a value is not supported; write it in one line\n");
	assert_error("[s]\n#include \"y.conf\"\n",
		"x.conf:2: '#include \"y.conf\"': #include, #exec and the like are not "
		"supported; "
		"put it in here\n");
	assert_error("#exec /bin/x\n",
		"x.conf:1: '#exec /bin/x': #include, #exec and the like are "
		"not supported; put it in here\n");
}

static void test_bad_bytes(void **state)
{
	struct conf *c;

	(void)state;
	assert_error("[s]\na = \xE9t\xE9\n",
		"x.conf:2: byte 5 (0xe9) is not UTF-8; save the file as UTF-8\n");
	assert_error("[s]\na = \x1B[0m\n",
		"x.conf:2: byte 5 is a control character (0x1b); remove it\n");
	assert_error("[s]\na = \xC2\x85\n",
		"x.conf:2: byte 5 is a control character (0x85); remove it\n");
	buf_reset(&errors);
	c = conf_parse("x.conf", "[s]\na=\0b\n", 9, &errors);
	assert_string_equal(
		buf_str(&errors), "x.conf:2: byte 3 is a control character (0x00); remove it\n");
	conf_free(c);
}

static void test_all_errors_are_told(void **state)
{
	(void)state;
	assert_error("x=1\n[s\n[t]\nfoo\n#exec\n",
		"x.conf:1: 'x' comes before the first [section]\n"
		"x.conf:2: '[s': a section's name ends with ']'\n"
		"x.conf:4: 'foo': expected [section], name = value or name => value\n"
		"x.conf:5: '#exec': #include, #exec and the like are not supported; put it in "
		"here\n");
}

static void test_garbage_is_given_up(void **state)
{
	struct buf text;
	struct conf *c;
	const char *s;
	int i, lines = 0;

	(void)state;
	buf_init(&text);
	for (i = 0; i < 1000; i++)
		buf_adds(&text, "\x01\n");
	c = parse(buf_str(&text));
	for (s = buf_str(&errors); (s = strchr(s, '\n')); s++)
		lines++;
	assert_int_equal(lines, 51);
	assert_non_null(strstr(buf_str(&errors), "x.conf:50: too many errors"));
	conf_free(c);
	buf_clear(&text);
}

static char *repeat(const char *before, char ch, size_t n)
{
	struct buf b;

	buf_init(&b);
	buf_adds(&b, before);
	while (n--)
		buf_addc(&b, ch);
	return buf_take(&b);
}

static void test_long_lines(void **state)
{
	char *text = repeat("[s]\nn=", 'x', CONF_LINE_MAX_BYTES - 2);
	struct conf *c = parse(text);

	(void)state;
	assert_string_equal(buf_str(&errors), "");
	assert_int_equal(strlen(c->sections[0].entries[0].value), CONF_LINE_MAX_BYTES - 2);
	conf_free(c);
	free(text);
	text = repeat("[s]\nn=", 'x', CONF_LINE_MAX_BYTES - 1);
	assert_error(text, "x.conf:2: the line is longer than 65536 bytes; divide it\n");
	free(text);
}

static void test_long_messages_are_cut(void **state)
{
	char *text = repeat("[s]\n", 'x', 10000);
	struct conf *c = parse(text);

	(void)state;
	assert_true(errors.len < 1100);
	assert_non_null(strstr(buf_str(&errors), "xxx...\n"));
	conf_free(c);
	free(text);
}

static void test_many_entries(void **state)
{
	struct buf text;
	struct conf *c;
	size_t i;

	(void)state;
	buf_init(&text);
	for (i = 0; i < 3000; i++)
		buf_addf(&text, "[s%zu]\nn=1\nn=2\nn=3\n", i);
	c = parse(buf_str(&text));
	assert_int_equal(c->nsections, 3000);
	for (i = 0; i < 3000; i++) {
		assert_int_equal(c->sections[i].nentries, 3);
		assert_string_equal(c->sections[i].entries[2].value, "3");
	}
	conf_free(c);
	buf_clear(&text);
}

static void assert_unreadable(const char *file, const char *why)
{
	char *expected = mem_printf("%s: cannot be read: %s; do this\n", file, why);

	buf_reset(&errors);
	assert_null(conf_read(file, "do this", &errors));
	assert_string_equal(buf_str(&errors), expected);
	free(expected);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/test_conf.XXXXXX";
	char *file, *pipe_file;
	struct conf *c;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	file = mem_printf("%s/a.conf", dir);
	pipe_file = mem_printf("%s/pipe", dir);
	assert_unreadable(file, "No such file or directory");
	assert_unreadable(dir, "Is a directory");
	assert_int_equal(mkfifo(pipe_file, 0600), 0);
	assert_unreadable(pipe_file, "not a regular file");
	f = fopen(file, "w");
	assert_non_null(f);
	fputs("[s]\nn = v\n", f);
	fclose(f);
	buf_reset(&errors);
	c = conf_read(file, "do this", &errors);
	assert_non_null(c);
	assert_string_equal(c->sections[0].entries[0].value, "v");
	conf_free(c);
	assert_int_equal(truncate(file, CONF_FILE_MAX_BYTES + 1), 0);
	assert_unreadable(file, "larger than 16 MiB");
	unlink(file);
	unlink(pipe_file);
	rmdir(dir);
	free(file);
	free(pipe_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_block_comments),
		cmocka_unit_test(test_bom_and_line_ends),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_bad_bytes),
		cmocka_unit_test(test_all_errors_are_told),
		cmocka_unit_test(test_garbage_is_given_up),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_long_messages_are_cut),
		cmocka_unit_test(test_many_entries),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests_name("conf", tests, setup, teardown);
}

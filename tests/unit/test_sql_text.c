/* console/sql_text.c: where a statement or a position is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "console/sql_text.h"

static void line_of_a_position(void **state)
{
	const char *text = "select 1;\nselect 2;\n\nselect 3";

	(void)state;
	assert_int_equal(sql_text_line_at(text, 1), 1);
	assert_int_equal(sql_text_line_at(text, 10), 1); /* the newline itself */
	assert_int_equal(sql_text_line_at(text, 11), 2);
	assert_int_equal(sql_text_line_at(text, 22), 4);
	assert_int_equal(sql_text_line_at(text, 10000), 4);
	assert_int_equal(sql_text_line_at("", 1), 1);
}

static void positions_are_characters(void **state)
{
	const char *text = "-- \xc3\xa4\xc3\xb6\xe2\x82\xac\nx";

	(void)state;
	assert_int_equal(sql_text_line_at(text, 7), 1);
	assert_int_equal(sql_text_line_at(text, 8), 2);
}

static void statements_begin_where_their_first_word_is(void **state)
{
	const char *text =
		"-- a comment; with a semicolon\n\nselect 1;\n\n/* one\n; */ select\n2;;\n"
		"select 3";

	(void)state;
	assert_int_equal(sql_text_statement_line(text, 0), 3);
	assert_int_equal(sql_text_statement_line(text, 1), 6);
	assert_int_equal(sql_text_statement_line(text, 2), 8);
	assert_int_equal(sql_text_statement_line(text, 3), 0);
	assert_int_equal(sql_text_statement_line("", 0), 0);
	assert_int_equal(sql_text_statement_line("-- nothing", 0), 0);
}

static void semicolons_in_quotes_do_not_count(void **state)
{
	const char *text = "select 'a;''b;', \"c;\"\"d\", e'f\\';g', E'\\\\';\n"
					   "select $$ ; $$, $tag$ ; $$ ; $tag$, $1;\n"
					   "/* /* ; */ ; */ select a$b$c;\n"
					   "select 4";

	(void)state;
	assert_int_equal(sql_text_statement_line(text, 1), 2);
	assert_int_equal(sql_text_statement_line(text, 2), 3);
	assert_int_equal(sql_text_statement_line(text, 3), 4);
	assert_int_equal(sql_text_statement_line(text, 4), 0);
}

static void atomic_bodies_are_one_statement(void **state)
{
	const char *text = "create function f() returns int language sql begin atomic\n"
					   "select case when true then 1 end;\nselect 2;\nend;\n"
					   "select case when true then 1 end;\nselect 6";

	(void)state;
	assert_int_equal(sql_text_statement_line(text, 0), 1);
	assert_int_equal(sql_text_statement_line(text, 1), 5);
	assert_int_equal(sql_text_statement_line(text, 2), 6);
}

/* Text that ends in the middle of something is read to its end and not beyond. */
static void unfinished_text_ends(void **state)
{
	static const char *const texts[] = {"'abc", "\"abc", "$$abc", "$a", "$", "/* abc",
		"/*", "/", "--", "-", "e'\\", "e'abc\\'", "begin atomic select 1;"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(sql_text_statement_line(texts[i], 99), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_of_a_position),
		cmocka_unit_test(positions_are_characters),
		cmocka_unit_test(statements_begin_where_their_first_word_is),
		cmocka_unit_test(semicolons_in_quotes_do_not_count),
		cmocka_unit_test(atomic_bodies_are_one_statement),
		cmocka_unit_test(unfinished_text_ends),
	};

	return cmocka_run_group_tests_name("sql_text", tests, NULL, NULL);
}

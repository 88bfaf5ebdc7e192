/* expand.c: what ${...} becomes, what is refused, and that values never change the text
 * around. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "expand.h"
#include "mem.h"

/* ---- a small world: variables are looked up here, functions show what they were given
 * ---- */

static const struct {
	const char *name, *value;
} variables[] = {
	{"A", "alpha"},
	{"B", "A"},
	{"EMPTY", ""},
	{"DEV", "SIP/a)b(c}d${A}$[1];=|\"'\\ ,:"},
	{"UTF", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z"},
	{"N", "2"},
	{"FN", "SHOW"},
};

static bool variable(void *arg, const char *name, struct buf *out)
{
	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		if (strcmp(variables[i].name, name) == 0) {
			buf_adds(out, variables[i].value);
			return true;
		}
	}
	if (strcmp(name, "BIG") == 0) {
		for (i = 0; i < 40000; i++)
			buf_addc(out, 'b');
		return true;
	}
	return false;
}

static bool function(
	void *arg, const char *name, const char *args, struct buf *out, struct buf *why)
{
	(void)arg;
	if (strcmp(name, "SHOW") == 0) {
		buf_addf(out, "<%s>", args);
		return true;
	}
	if (strcmp(name, "HALF") == 0)
		buf_adds(out, "half");
	buf_addf(why, "no function %s", name);
	return false;
}

static const struct expand_env env = {variable, function, NULL};

static void assert_expands(const char *text, const char *result)
{
	struct buf out, errors;

	buf_init(&out);
	buf_init(&errors);
	buf_adds(&out, "before ");
	assert_true(expand_text(text_of(text), &env, &out, &errors));
	assert_string_equal(buf_str(&errors), "");
	assert_memory_equal(buf_str(&out), "before ", 7);
	assert_string_equal(buf_str(&out) + 7, result);
	buf_clear(&out);
	buf_clear(&errors);
}

static void assert_fails(const char *text, const char *result, const char *error)
{
	struct buf out, errors;

	buf_init(&out);
	buf_init(&errors);
	assert_false(expand_text(text_of(text), &env, &out, &errors));
	assert_string_equal(buf_str(&errors), error);
	assert_string_equal(buf_str(&out), result);
	buf_clear(&out);
	buf_clear(&errors);
}

static void test_variables(void **state)
{
	(void)state;
	assert_expands("", "");
	assert_expands("plain $ text } ) {", "plain $ text } ) {");
	assert_expands("${A}", "alpha");
	assert_expands("x${A}y${A}z", "xalphayalphaz");
	assert_expands("${NOT_SET}|${EMPTY}|", "||");
	assert_expands("$${A}", "$alpha");
	assert_expands("${${B}}", "alpha");
	assert_expands("\\${A}", "\\alpha"); /* backslashes mean nothing */
}

static void test_substrings(void **state)
{
	(void)state;
	assert_expands("${A:1}", "lpha");
	assert_expands("${A:0:2}", "al");
	assert_expands("${A:1:3}", "lph");
	assert_expands("${A:-2}", "ha");
	assert_expands("${A:-2:1}", "h");
	assert_expands("${A:0:-1}", "alph");
	assert_expands("${A:1:-1}", "lph");
	assert_expands("${A:4:-3}", "");
	assert_expands("${A:9}", "");
	assert_expands("${A:-9}", "alpha");
	assert_expands("${A:-9:2}", "al");
	assert_expands("${A:2:0}", "");
	assert_expands("${A:2:}", "pha");
	assert_expands("${A:${N}:${N}}", "ph");
	assert_expands("${NOT_SET:1:2}", "");
	assert_expands("${SHOW(ab):1:2}", "ab");
}

/* Characters, not bytes: a piece of UTF-8 is UTF-8. */
static void test_substrings_of_utf8(void **state)
{
	(void)state;
	assert_expands("${UTF:0:1}", "\xC3\xA9");
	assert_expands("${UTF:1:1}", "\xE2\x82\xAC");
	assert_expands("${UTF:-2}", "\xF0\x9F\x98\x80z");
	assert_expands("${UTF:0:-1}", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

static void test_functions(void **state)
{
	(void)state;
	assert_expands("${SHOW()}", "<>");
	assert_expands("${SHOW(Custom:my state)}!", "<Custom:my state>!");
	assert_expands("${SHOW(a(b)c)}", "<a(b)c>");
	assert_expands("${SHOW(a}b)}", "<a}b>"); /* braces inside parentheses are text */
	assert_expands("${SHOW(${A}:${${B}})}", "<alpha:alpha>");
	assert_expands("${SHOW(${SHOW(${A})})}", "<<alpha>>");
	assert_expands("${${FN}(x)}", "<x>");
}

/* Nothing in a value is ever read as syntax, and nothing is expanded twice. */
static void test_values_are_only_text(void **state)
{
	(void)state;
	assert_expands("${DEV}", "SIP/a)b(c}d${A}$[1];=|\"'\\ ,:");
	assert_expands("${SHOW(${DEV})}", "<SIP/a)b(c}d${A}$[1];=|\"'\\ ,:>");
	assert_expands("${SHOW(${DEV}):1:5}", "SIP/a");
}

static void test_failures(void **state)
{
	(void)state;
	assert_fails("a${NOPE(x)}b", "ab", "no function NOPE\n");
	assert_fails("${NOPE(x)}${NOPE(y)}", "", "no function NOPE\nno function NOPE\n");
	assert_fails(
		"a${HALF(x)}b", "ahalfb", "no function HALF\n"); /* what it gave is taken */
	assert_fails("${A:x}", "", "'x' is no number of characters\n");
	assert_fails("${A:${NOT_SET}}", "", "'' is no number of characters\n");
	assert_fails("${A:1:9999999999999999999}", "",
		"'9999999999999999999' is no number of characters\n");
	assert_fails("${SHOW(${NOPE()})}", "", "no function NOPE\n");
	assert_fails("a$[1+1]", "", "expressions, $[...], are not supported\n");
}

static void test_limits(void **state)
{
	(void)state;
	assert_fails("x${BIG}${BIG}", "", "the text is longer than 65536 bytes\n");
	assert_fails("${SHOW(${BIG}${BIG})}", "", "the text is longer than 65536 bytes\n");
	assert_expands("${BIG:0:3}${BIG:-1}", "bbbb");
}

/* ---- checking ---- */

static struct buf seen; /* what the checks were asked */

static bool check(
	void *arg, const char *name, const char *args, bool literal, struct buf *why)
{
	(void)arg;
	buf_addf(&seen, "%s(%s)%s ", name, args, literal ? "" : "?");
	if (strncmp(name, "SHOW", 4) == 0)
		return true;
	buf_addf(why, "unknown function %s", name);
	return false;
}

static const struct expand_checks checks = {check, NULL};

static void assert_checks(const char *text, const char *asked)
{
	struct buf why;

	buf_init(&why);
	buf_reset(&seen);
	assert_true(expand_check(text_of(text), &checks, &why));
	assert_string_equal(buf_str(&why), "");
	assert_string_equal(buf_str(&seen), asked);
	buf_clear(&why);
}

static void assert_refused(const char *text, const char *error)
{
	struct buf why;

	buf_init(&why);
	buf_reset(&seen);
	assert_false(expand_check(text_of(text), &checks, &why));
	assert_string_equal(buf_str(&why), error);
	buf_clear(&why);
}

static void test_check(void **state)
{
	(void)state;
	buf_init(&seen);
	assert_checks("", "");
	assert_checks("a ) } ( { b $", "");
	assert_checks("${A}${A:1}${A:-1:2}${A:${N}}", "");
	assert_checks("${SHOW(a)} ${SHOW(${A})}", "SHOW(a) SHOW(${A})? ");
	assert_checks("${${FN}(${SHOW(1)})}", "SHOW(1) "); /* known when it runs */
	assert_checks("${SHOW(${SHOW2(x)})}", "SHOW(${SHOW2(x)})? SHOW2(x) ");
	buf_clear(&seen);
}

static void test_refused(void **state)
{
	(void)state;
	buf_init(&seen);
	assert_refused("${", "'${' has a '${' without its '}'");
	assert_refused("a${A", "'${A' has a '${' without its '}'");
	assert_refused("${SHOW(a}", "'${SHOW(a}' has a '(' without its ')'");
	assert_refused("${SHOW(a)", "'${SHOW(a)' has a '${' without its '}'");
	assert_refused("${SHOW(a)x}", "'${SHOW(a)x}': expected '}' before 'x}'");
	assert_refused("${A:1:2:3}", "'${A:1:2:3}': expected '}' before ':3}'");
	assert_refused("${}", "'' is no name of a variable (letters, digits, _ - .)");
	assert_refused("${a b}", "'a b' is no name of a variable (letters, digits, _ - .)");
	assert_refused("${A:b}", "'b' is no number of characters");
	assert_refused("${A:}", "'' is no number of characters");
	assert_refused("${A:0:1x}", "'1x' is no number of characters");
	assert_refused("${NOPE(a)}", "unknown function NOPE");
	assert_refused("${A${NOPE(a)}}", "unknown function NOPE");
	assert_refused("${SHOW(${NOPE(a)})}", "unknown function NOPE");
	assert_refused("${A:${NOPE(a)}}", "unknown function NOPE");
	assert_refused("$[1]", "expressions, $[...], are not supported");
	assert_refused("${SHOW($[1])}", "expressions, $[...], are not supported");
	buf_clear(&seen);
}

static char *nested(int depth)
{
	struct buf b;
	int i;

	buf_init(&b);
	for (i = 0; i < depth; i++)
		buf_adds(&b, "${");
	buf_adds(&b, "B");
	for (i = 0; i < depth; i++)
		buf_addc(&b, '}');
	return buf_take(&b);
}

static void test_depth(void **state)
{
	char *text = nested(EXPAND_MAX_DEPTH);

	(void)state;
	buf_init(&seen);
	assert_checks(text, "");
	free(text);
	text = nested(EXPAND_MAX_DEPTH + 1);
	assert_refused(text, "${...} is nested more than 16 deep");
	free(text);
	text = nested(20000); /* the stack must not care */
	assert_refused(text, "${...} is nested more than 16 deep");
	free(text);
	buf_clear(&seen);
}

/* ---- assignments ---- */

static void assert_assignment(
	const char *text, const char *name, const char *args, const char *value)
{
	struct assignment a;
	struct buf why;
	char *s;

	buf_init(&why);
	assert_true(expand_assignment(text_of(text), &a, &why));
	s = mem_strndup(a.name.s, a.name.len);
	assert_string_equal(s, name);
	free(s);
	assert_int_equal(a.is_function, args != NULL);
	s = mem_strndup(a.is_function ? a.args.s : "", a.args.len);
	assert_string_equal(s, args ? args : "");
	free(s);
	s = mem_strndup(a.value.s, a.value.len);
	assert_string_equal(s, value);
	free(s);
	buf_clear(&why);
}

static void assert_no_assignment(const char *text)
{
	struct assignment a;
	struct buf why;

	buf_init(&why);
	assert_false(expand_assignment(text_of(text), &a, &why));
	assert_true(why.len > 0);
	buf_clear(&why);
}

static void test_assignments(void **state)
{
	(void)state;
	assert_assignment("A=b", "A", NULL, "b");
	assert_assignment(" A = b c ", "A", NULL, " b c ");
	assert_assignment("A=", "A", NULL, "");
	assert_assignment("A=b=c(d", "A", NULL, "b=c(d");
	assert_assignment("F(x)=y", "F", "x", "y");
	assert_assignment("F()=y", "F", "", "y");
	assert_assignment("F(a=b|\"c\" \\d;(e)f)=g=h", "F", "a=b|\"c\" \\d;(e)f", "g=h");
	assert_assignment("F (x) = y", "F", "x", " y");
	assert_assignment("F(${A:1})=${B}", "F", "${A:1}", "${B}");
	assert_assignment("F(${SHOW(=)})=y", "F", "${SHOW(=)}", "y");
	assert_assignment("${A}=y", "${A}", NULL, "y");
	assert_assignment("${F(a=b)}=y", "${F(a=b)}", NULL, "y");
}

static void test_no_assignments(void **state)
{
	(void)state;
	assert_no_assignment("");
	assert_no_assignment("A");
	assert_no_assignment("=b");
	assert_no_assignment(" =b");
	assert_no_assignment("(x)=b");
	assert_no_assignment("F(x)");
	assert_no_assignment("F(x)y=z");
	assert_no_assignment("F(x=z");
	assert_no_assignment("F(${A)=z");
	assert_no_assignment("A$[1]=z");
}

static void test_texts(void **state)
{
	struct text t = text_trim(text_of(" \t a b\t "));

	(void)state;
	assert_int_equal(t.len, 3);
	assert_memory_equal(t.s, "a b", 3);
	assert_int_equal(text_trim(text_of("  ")).len, 0);
	assert_true(expand_is_literal(text_of("$ { }")));
	assert_false(expand_is_literal(text_of("a${A}")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_substrings),
		cmocka_unit_test(test_substrings_of_utf8),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_values_are_only_text),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_assignments),
		cmocka_unit_test(test_no_assignments),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests_name("expand", tests, NULL, NULL);
}

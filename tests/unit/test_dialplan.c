/* dialplan.c, dialplan_app.c, dialplan_func.c: what is read, what is refused, and why. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dialplan_int.h"

static struct buf errors;

static struct dialplan *parse(const char *text)
{
	buf_reset(&errors);
	return dialplan_parse("/etc/x/e.conf", text, strlen(text), &errors);
}

static struct dialplan *parse_good(const char *text)
{
	struct dialplan *d = parse(text);

	assert_string_equal(buf_str(&errors), "");
	assert_non_null(d);
	return d;
}

static void assert_error(const char *text, const char *error)
{
	struct dialplan *d = parse(text);

	assert_string_equal(buf_str(&errors), error);
	assert_null(d);
}

/* One step of an extension is wrong. */
static void assert_step_error(const char *step, const char *error)
{
	char *text = mem_printf("[c]\nexten => e,1,%s\n", step);
	char *expected = mem_printf("/etc/x/e.conf:2: %s\n", error);

	assert_error(text, expected);
	free(text);
	free(expected);
}

static void assert_step_good(const char *step)
{
	char *text = mem_printf("[c]\nexten => e,1,%s\n", step);

	dialplan_free(parse_good(text));
	free(text);
}

static void assert_shown(const char *text, const char *shown)
{
	struct dialplan *d = parse_good(text);
	struct buf out;

	buf_init(&out);
	dialplan_print(d, &out);
	assert_string_equal(buf_str(&out), shown);
	buf_clear(&out);
	dialplan_free(d);
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

/* ---- what is read and shown ---- */

static void test_document(void **state)
{
	(void)state;
	assert_shown(
		"[devstate_test]\n\nexten => 1234,hint,Custom:mystate\n\n"
		"exten => set_inuse,1,Set(DEVICE_STATE(Custom:mystate)=INUSE)\n"
		"exten => set_not_inuse,1,Set(DEVICE_STATE(Custom:mystate)=NOT_INUSE)\n\n"
		"exten => check,1,NoOp(Custom:mystate is ${DEVICE_STATE(Custom:mystate)})\n",
		"[ Context 'devstate_test' created by 'pbx_config' ]\n"
		"  '1234' =>         hint: Custom:mystate                          [e.conf:3]\n"
		"  'set_inuse' =>    1. Set(DEVICE_STATE(Custom:mystate)=INUSE)    [e.conf:5]\n"
		"  'set_not_inuse' => 1. Set(DEVICE_STATE(Custom:mystate)=NOT_INUSE) [e.conf:6]\n"
		"  'check' =>        1. NoOp(Custom:mystate is ${DEVICE_STATE(Custom:mystate)}) "
		"[e.conf:8]\n\n"
		"-= 4 extensions (4 priorities) in 1 context. =-\n");
}

static void test_show_everything(void **state)
{
	(void)state;
	assert_shown(
		"[a]\nexten = x,1,noop\nSAME => n(lab),  VERBOSE( hi , you )\nsame=>7,wait(1)\n"
		"exten => x,hint,A&B\ninclude => b\n[b]\n[a]\nexten=>y,1(first),HangUp()\n",
		"[ Context 'a' created by 'pbx_config' ]\n"
		"  'x' =>            hint: A&B                                     [e.conf:5]\n"
		"                    1. NoOp()                                     [e.conf:2]\n"
		"     [lab]          2. Verbose( hi , you )                        [e.conf:3]\n"
		"                    7. Wait(1)                                    [e.conf:4]\n"
		"  'y' =>            1. Hangup()                                   [e.conf:9]\n"
		"  Include =>        'b'                                           [e.conf:6]\n\n"
		"[ Context 'b' created by 'pbx_config' ]\n\n"
		"-= 2 extensions (5 priorities) in 2 contexts. =-\n");
}

static void test_empty(void **state)
{
	struct dialplan *d = dialplan_empty();
	struct buf out;

	(void)state;
	buf_init(&out);
	dialplan_print(d, &out);
	assert_string_equal(
		buf_str(&out), "-= 0 extensions (0 priorities) in 0 contexts. =-\n");
	assert_false(dialplan_has(d, "a", "b"));
	assert_false(dialplan_has_context(d, "b"));
	buf_clear(&out);
	dialplan_free(d);
	dialplan_free(NULL);
	assert_shown("", "-= 0 extensions (0 priorities) in 0 contexts. =-\n");
	assert_shown("[general]\nstatic=yes\nwriteprotect=no\nautofallthrough=yes\n"
				 "ClearGlobalVars=no\n[globals]\nA=1\nB=${A}2\nDEV=a)b\n",
		"-= 0 extensions (0 priorities) in 0 contexts. =-\n");
}

static bool add_hint(void *arg, const char *exten, const char *context,
	const char *devices, const char *file, int line)
{
	struct buf *out = arg;

	buf_addf(out, "%s@%s=%s %s:%d\n", exten, context, devices, file, line);
	return strcmp(exten, "stop") != 0;
}

static void test_hints(void **state)
{
	struct dialplan *d = parse_good("[a]\nexten => 1,HINT,SIP/1\nexten => 2,hint, "
									"PJSIP/a b=c|\"d\" & Custom:e\\;f\\g \n"
									"exten => no,1,NoOp\n[b]\ninclude => a\nexten => "
									"stop,hint,X\nexten => 4,hint,Y\n");
	struct buf out;

	(void)state;
	buf_init(&out);
	assert_false(dialplan_each_hint(d, add_hint, &out));
	assert_string_equal(buf_str(&out),
		"1@a=SIP/1 /etc/x/e.conf:2\n"
		"2@a=PJSIP/a b=c|\"d\"&Custom:e;f\\g /etc/x/e.conf:3\n"
		"stop@b=X /etc/x/e.conf:7\n");
	buf_clear(&out);
	dialplan_free(d);
}

static void test_find(void **state)
{
	struct dialplan *d =
		parse_good("[a]\nexten => x,1,NoOp(a)\ninclude => b\ninclude => c\n"
				   "[b]\nexten => y,1,NoOp(b)\ninclude => d\n"
				   "[c]\nexten => y,1,NoOp(c)\nexten => z,1,NoOp(c)\n"
				   "[d]\nexten => z,1,NoOp(d)\nexten => h,hint,X\ninclude => a\n");
	const struct dialplan_context *where = NULL;

	(void)state;
	assert_true(dialplan_has(d, "x", "a"));
	assert_true(dialplan_has(d, "y", "a"));
	assert_string_equal(dialplan_find(d, "y", "a", false, NULL)->prios[0].args, "b");
	/* In depth first, as Asterisk searches. */
	assert_string_equal(dialplan_find(d, "z", "a", false, NULL)->prios[0].args, "d");
	assert_true(dialplan_has(d, "x", "d")); /* contexts may include each other */
	assert_false(dialplan_has(d, "x", "c"));
	assert_false(dialplan_has(d, "h", "a")); /* a hint only */
	assert_non_null(dialplan_find(d, "h", "a", true, &where));
	assert_string_equal(where->name, "d");
	assert_null(dialplan_find(d, "x", "a", true, NULL));
	assert_false(dialplan_has(d, "nope", "a"));
	assert_false(dialplan_has(d, "x", "nope"));
	assert_true(dialplan_has_context(d, "d"));
	dialplan_free(d);
}

static void test_deep_includes(void **state)
{
	struct buf text;
	struct dialplan *d;
	int i;

	(void)state;
	buf_init(&text);
	for (i = 0; i < 20000; i++)
		buf_addf(&text, "[c%d]\ninclude => c%d\ninclude => c%d\n", i, (i + 1) % 20000,
			(i + 2) % 20000);
	buf_adds(&text, "[c19999]\nexten => e,1,NoOp\n");
	d = parse_good(buf_str(&text));
	assert_true(dialplan_has(d, "e", "c0"));
	assert_false(dialplan_has(d, "f", "c0"));
	dialplan_free(d);
	buf_clear(&text);
}

static void test_priorities_in_any_order(void **state)
{
	struct dialplan *d = parse_good("[c]\nexten => e,3,NoOp(3)\nexten => e,1,NoOp(1)\n"
									"same => n,NoOp(2)\nexten => e,5,NoOp(5)\n");
	struct dialplan_exten *e = dialplan_find(d, "e", "c", false, NULL);
	size_t i;

	(void)state;
	assert_int_equal(e->nprios, 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(e->prios[i].number, atoi(e->prios[i].args));
	dialplan_free(d);
}

static void test_globals(void **state)
{
	struct dialplan *d =
		parse_good("[globals]\nA = x\nB => ${A}y${NOPE}\nA = z ; again\nC=${B:1}\n");

	(void)state;
	assert_string_equal(vars_get(d->globals, "A"), "z");
	assert_string_equal(vars_get(d->globals, "B"), "xy");
	assert_string_equal(vars_get(d->globals, "C"), "y");
	assert_null(vars_get(d->globals, "a"));
	dialplan_free(d);
}

/* ---- what is refused ---- */

static void test_bad_lines(void **state)
{
	(void)state;
	assert_error("[c]\nextern => a,1,NoOp\n",
		"/etc/x/e.conf:2: 'extern' is not supported in a context; did you mean 'exten'?; "
		"legal: exten, same, include\n");
	assert_error("[c]\nswitch => IAX2/x\n",
		"/etc/x/e.conf:2: 'switch' is not supported in a context; legal: exten, same, "
		"include\n");
	assert_error("[c]\nsame => n,NoOp\n",
		"/etc/x/e.conf:2: same => needs an exten => above it in [c]\n");
	assert_error("[general]\nstatick=yes\n",
		"/etc/x/e.conf:2: unknown option 'statick' in [general]; did you mean 'static'?; "
		"legal: static, writeprotect, autofallthrough, extenpatternmatchnew, "
		"clearglobalvars, overrideswitch, userscontext, priorityjumping\n");
	assert_error("[c@d]\n", "/etc/x/e.conf:1: bad context 'c@d': it has an '@'\n");
}

static void test_bad_extensions(void **state)
{
	static const char form[] =
		"write exten => NAME,PRIORITY,Application(arguments) or exten "
		"=> NAME,hint,DEVICES";
	char *expected;

	(void)state;
	/* Its same => lines are not complained of once more. */
	assert_error("[c]\nexten => _X.,1,NoOp\nsame => n,NoOp\n",
		"/etc/x/e.conf:2: bad extension '_X.': patterns are not supported; write the "
		"extension "
		"out\n");
	assert_error("[c]\nexten => 1/2,1,NoOp\n",
		"/etc/x/e.conf:2: bad extension '1/2': matching the caller's number, with '/', "
		"is not "
		"supported\n");
	assert_error("[c]\nexten => a@b,1,NoOp\n",
		"/etc/x/e.conf:2: bad extension 'a@b': it has an '@', so nobody could dial it\n");
	assert_error("[c]\nexten => ${A},1,NoOp\n",
		"/etc/x/e.conf:2: bad extension '${A}': variables are not supported here; write "
		"the "
		"extension out\n");
	assert_error(
		"[c]\nexten => ,1,NoOp\n", "/etc/x/e.conf:2: bad extension '': it is empty\n");
	expected = mem_printf("/etc/x/e.conf:2: 'e': %s\n/etc/x/e.conf:3: 'e': %s\n"
						  "/etc/x/e.conf:4: 'e': %s\n",
		form, form, form);
	assert_error("[c]\nexten => e\nsame => 1\nexten => e,1,\n", expected);
	free(expected);
}

static void test_bad_priorities(void **state)
{
	static const char *const bad[] = {"0", "-1", "1000001", "99999999999999999999", "x",
		"n+2", "s", "1(", "1)", "", "hints", "(x)"};
	char *text, *expected;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = mem_printf("[c]\nexten => e,%s,NoOp\n", bad[i]);
		expected =
			mem_printf("/etc/x/e.conf:2: bad priority '%s'; legal: 1 to 1000000, n, "
					   "n(label), hint\n",
				bad[i]);
		assert_error(text, expected);
		free(text);
		free(expected);
	}
	assert_error("[c]\nexten => e,n,NoOp\n",
		"/etc/x/e.conf:2: the first priority of e cannot be n; write 1\n");
	assert_error("[c]\nexten => e,1,NoOp\nsame => n,NoOp\nexten => e,2,NoOp\n",
		"/etc/x/e.conf:4: e@c has a priority 2 already, in line 3\n");
}

static void test_bad_hints(void **state)
{
	char name[257];
	char *text, *expected;

	(void)state;
	assert_error("[c]\nexten => e,hint,\n",
		"/etc/x/e.conf:2: 'e': write exten => NAME,PRIORITY,Application(arguments) or "
		"exten => "
		"NAME,hint,DEVICES\n");
	assert_error("[c]\nexten => e,hint,A&&B\n",
		"/etc/x/e.conf:2: bad device '' in a hint: it is empty\n");
	assert_error("[c]\nexten => e,hint,A&\n",
		"/etc/x/e.conf:2: bad device '' in a hint: it is empty\n");
	assert_error("[c]\nexten => e,hint,SIP/${EXTEN}\n",
		"/etc/x/e.conf:2: variables are not supported in a hint; write the devices "
		"out\n");
	assert_error("[c]\nexten => e,hint,A,CustomPresence:x\n",
		"/etc/x/e.conf:2: only devices joined by '&' are supported in a hint; remove the "
		"',' "
		"and what is behind it\n");
	assert_error("[c]\nexten => e,hint,A\nexten => e,hint,B\n",
		"/etc/x/e.conf:3: e@c has a hint already, in line 2\n");
	memset(name, 'd', 256);
	name[256] = '\0';
	text = mem_printf("[c]\nexten => e,hint,A&%s\n", name);
	expected =
		mem_printf("/etc/x/e.conf:2: bad device '%s' in a hint: it has 256 bytes, at "
				   "most 255 are allowed\n",
			name);
	assert_error(text, expected);
	free(text);
	free(expected);
}

static void test_bad_applications(void **state)
{
	(void)state;
	assert_step_error("Answer()",
		"unknown application 'Answer'; legal: NoOp, Verbose, Set, Wait, Hangup");
	assert_step_error("NoOpp(x)",
		"unknown application 'NoOpp'; did you mean 'NoOp'?; legal: "
		"NoOp, Verbose, Set, Wait, Hangup");
	assert_step_error("NoOp(x", "'NoOp(x' does not end with ')'");
	assert_step_error("NoOp(x) y", "'NoOp(x) y' does not end with ')'");
	assert_step_error("NoOp(${A)", "'${A' has a '${' without its '}'");
	assert_step_error("Hangup($[1])", "expressions, $[...], are not supported");
	assert_step_error("Verbose(1,${NOPE(x)})",
		"unknown function 'NOPE'; legal: DEVICE_STATE, EXTENSION_STATE, MAILBOX_COUNT");
}

static void test_bad_waits(void **state)
{
	static const char *const bad[] = {"", "x", "-1", "1e3", "0x1", "1,5", "1s", ".",
		"86401", "99999999999999999999999", "1.5.1", "inf", "86400.1"};
	char *step, *error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		step = mem_printf("Wait(%s)", bad[i]);
		error = mem_printf("Wait(%s): write seconds, 0 to 86400, like 1.5", bad[i]);
		assert_step_error(step, error);
		free(step);
		free(error);
	}
	assert_step_good("Wait(${X})"); /* known when it runs */
}

static void assert_wait(const char *args, int64_t expected)
{
	struct buf why;
	int64_t ms;

	buf_init(&why);
	assert_true(dialplan_wait_parse(args, &ms, &why));
	assert_int_equal(ms, expected);
	buf_clear(&why);
}

static void test_waits(void **state)
{
	(void)state;
	assert_wait("0", 0);
	assert_wait("1", 1000);
	assert_wait(" 2.5 ", 2500);
	assert_wait(".25", 250);
	assert_wait("3.", 3000);
	assert_wait("0.0019", 1);
	assert_wait("86400", 86400000);
	assert_wait("007.123456789012345678901234567890", 7123);
}

static void assert_verbose(const char *args, int level, const char *message)
{
	const char *got;

	assert_int_equal(dialplan_verbose_parse(args, &got), level);
	assert_string_equal(got, message);
}

static void test_verbose(void **state)
{
	(void)state;
	assert_verbose("hello", 0, "hello");
	assert_verbose("2,hello, you", 2, "hello, you");
	assert_verbose("hello, you", 0, "hello, you");
	assert_verbose("2", 0, "2");
	assert_verbose("", 0, "");
	assert_verbose("1000000,x", 0, "1000000,x");
}

static void test_bad_sets(void **state)
{
	(void)state;
	assert_step_error(
		"Set()", "'' is no assignment; write NAME=value or FUNCTION(arguments)=value");
	assert_step_error(
		"Set(A)", "'A' is no assignment; write NAME=value or FUNCTION(arguments)=value");
	assert_step_error(
		"Set(a b=1)", "'a b' is no name of a variable (letters, digits, _ - .)");
	assert_step_error(
		"Set(EXTEN=1)", "EXTEN is set by the running extension; choose another name");
	assert_step_error("Set(DEVICE_STATES(x)=INUSE)",
		"unknown function 'DEVICE_STATES'; did you mean 'DEVICE_STATE'?; legal: "
		"DEVICE_STATE, "
		"EXTENSION_STATE, MAILBOX_COUNT");
	assert_step_error(
		"Set(EXTENSION_STATE(x)=INUSE)", "EXTENSION_STATE() can be read, not set");
	assert_step_error("Set(DEVICE_STATE(x)=FOO)",
		"'FOO' is no device state; legal: UNKNOWN, NOT_INUSE, INUSE, BUSY, INVALID, "
		"UNAVAILABLE, RINGING, RINGINUSE, ONHOLD");
	assert_step_error(
		"Set(DEVICE_STATE()=INUSE)", "DEVICE_STATE(): bad device name: it is empty");
	assert_step_error("Set(DEVICE_STATE(x=INUSE)",
		"'DEVICE_STATE(x=INUSE' has a '(' without "
		"its ')'");
	assert_step_error("Set(MAILBOX_COUNT(1,new)=1)",
		"Set(MAILBOX_COUNT(1,new)=...): set all counts at once, "
		"Set(MAILBOX_COUNT(mailbox@context)=new/old/urgent)");
	assert_step_error(
		"Set(A=${DEVICE_STATE()})", "DEVICE_STATE(): bad device name: it is empty");
	parse("[c]\nexten => e,1,Set(MAILBOX_COUNT(1)=many)\n");
	assert_non_null(strstr(buf_str(&errors), "'many' are no message counts: "));
}

static void test_good_sets(void **state)
{
	(void)state;
	assert_step_good("Set(A=)");
	assert_step_good("Set(device_state(Custom:x)= inuse )");
	assert_step_good("Set(DEVICE_STATE(${A})=FOO${B})");
	assert_step_good("Set(DEVICE_STATE(a=b|\"c\" \\d\\;(e)f)=BUSY)");
	assert_step_good("Set(MAILBOX_COUNT(1000)=1/2/3)");
	assert_step_good("Set(MAILBOX_COUNT(1000@x)=${N})");
	assert_step_good("Set(${A}=1)");
}

static void test_bad_function_arguments(void **state)
{
	(void)state;
	assert_step_error("NoOp(${EXTENSION_STATE()})",
		"EXTENSION_STATE(): write EXTENSION_STATE(extension@context)");
	assert_step_error("NoOp(${EXTENSION_STATE(@c)})",
		"EXTENSION_STATE(@c): write EXTENSION_STATE(extension@context)");
	assert_step_error("NoOp(${EXTENSION_STATE(e@)})",
		"EXTENSION_STATE(e@): write EXTENSION_STATE(extension@context)");
	assert_step_error("NoOp(${MAILBOX_COUNT(1000,nwe)})",
		"MAILBOX_COUNT(1000,nwe): unknown count 'nwe'; did you mean 'new'?; legal: new, "
		"old, "
		"urgent");
	assert_step_error(
		"NoOp(${MAILBOX_COUNT()})", "MAILBOX_COUNT(): bad mailbox: it is empty");
	assert_step_good("NoOp(${MAILBOX_COUNT(1000@c,URGENT)}${EXTENSION_STATE(${A})})");
}

static void test_bad_includes(void **state)
{
	(void)state;
	assert_error("[devices]\n[c]\ninclude => device\ninclude => colour\n",
		"/etc/x/e.conf:3: include => device: there is no such context; did you mean "
		"'devices'?\n"
		"/etc/x/e.conf:4: include => colour: there is no such context; write it, or "
		"remove the "
		"line\n");
	assert_error("[c]\ninclude => c,9:00-17:00,mon-fri,*,*\n",
		"/etc/x/e.conf:2: include => c,9:00-17:00,mon-fri,*,*: times are not supported; "
		"write "
		"the context only\n");
}

static void test_bad_globals(void **state)
{
	(void)state;
	assert_error("[globals]\nEXTEN=1\nA b=2\nC=${\nD=${DEVICE_STATE(x)}\n",
		"/etc/x/e.conf:2: EXTEN is set by the running extension; choose another name\n"
		"/etc/x/e.conf:3: 'A b' is no name of a variable (letters, digits, _ - .)\n"
		"/etc/x/e.conf:4: C: '${' has a '${' without its '}'\n"
		"/etc/x/e.conf:5: D: a global variable is set when the file is read, without "
		"functions "
		"like DEVICE_STATE()\n");
}

static void test_all_errors_are_told(void **state)
{
	(void)state;
	assert_error("[c]\nexten => a,1,Foo()\nexten => a,0,NoOp\nhello\nsame => n,NoOp\n"
				 "include => d\n",
		"/etc/x/e.conf:4: 'hello': expected [section], name = value or name => value\n"
		"/etc/x/e.conf:2: unknown application 'Foo'; legal: NoOp, Verbose, Set, Wait, "
		"Hangup\n"
		"/etc/x/e.conf:3: bad priority '0'; legal: 1 to 1000000, n, n(label), hint\n"
		"/etc/x/e.conf:6: include => d: there is no such context; write it, or remove "
		"the "
		"line\n");
}

/* ---- files ---- */

static void test_missing_file(void **state)
{
	(void)state;
	buf_reset(&errors);
	assert_null(dialplan_read("/nonexistent/e.conf", &errors));
	assert_string_equal(buf_str(&errors),
		"/nonexistent/e.conf: cannot be read: No such file or directory; write one "
		"(extensions.conf.sample shows how) or set dialplan in [options]\n");
}

static void test_sample(void **state)
{
	struct dialplan *d;

	(void)state;
	/* From the top of the tree. */
	assert_int_equal(access("conf/extensions.conf.sample", R_OK), 0);
	buf_reset(&errors);
	d = dialplan_read("conf/extensions.conf.sample", &errors);
	assert_string_equal(buf_str(&errors), "");
	assert_non_null(d);
	assert_true(dialplan_has(d, "check", "devstate_test"));
	assert_true(dialplan_has(d, "set_inuse", "devstate_test"));
	assert_true(dialplan_has(d, "set_not_inuse", "devstate_test"));
	assert_non_null(dialplan_find(d, "1234", "devstate_test", true, NULL));
	assert_true(dialplan_has(d, "check", "mwi_test"));
	dialplan_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_show_everything),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_hints),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_deep_includes),
		cmocka_unit_test(test_priorities_in_any_order),
		cmocka_unit_test(test_globals),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_bad_extensions),
		cmocka_unit_test(test_bad_priorities),
		cmocka_unit_test(test_bad_hints),
		cmocka_unit_test(test_bad_applications),
		cmocka_unit_test(test_bad_waits),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_verbose),
		cmocka_unit_test(test_bad_sets),
		cmocka_unit_test(test_good_sets),
		cmocka_unit_test(test_bad_function_arguments),
		cmocka_unit_test(test_bad_includes),
		cmocka_unit_test(test_bad_globals),
		cmocka_unit_test(test_all_errors_are_told),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_sample),
	};

	return cmocka_run_group_tests_name("dialplan", tests, setup, teardown);
}

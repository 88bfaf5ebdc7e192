/* dialplan_run.c: an extension runs on the loop, in a small world of devices and
 * mailboxes. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "dialplan.h"
#include "loop.h"
#include "mem.h"
#include "vars.h"

/* ---- the world ---- */

struct world {
	struct event_base *base;
	struct vars *devices; /* name -> state */
	struct vars *mailboxes;
	struct buf lines;
	struct buf calls; /* what was set */
	struct dialplan_run *run;
	const char *hangup_at; /* hang up when a line begins so */
	bool done, ok;
};

static struct world w;

static enum device_state device_state(void *arg, const char *device)
{
	const char *value = vars_get(w.devices, device);
	enum device_state s = state_default(device);

	assert_ptr_equal(arg, &w);
	if (value)
		assert_true(state_parse(value, &s));
	return s;
}

static void set_device_state(void *arg, const char *device, enum device_state s)
{
	(void)arg;
	vars_set(w.devices, device, state_name(s));
	buf_addf(&w.calls, "%s=%s\n", device, state_name(s));
}

static bool exten_state(
	void *arg, const char *exten, const char *context, enum exten_state *out)
{
	(void)arg;
	buf_addf(&w.calls, "hint %s@%s\n", exten, context);
	*out = exten_state_of(device_state(arg, "Custom:hint"));
	return strcmp(exten, "1234") == 0 && strcmp(context, "hints") == 0;
}

static bool mailbox_counts(void *arg, const char *key, struct value *out)
{
	const char *value = vars_get(w.mailboxes, key), *why;

	(void)arg;
	return value && counts_parse(value, out, &why);
}

static void set_mailbox_counts(void *arg, const char *key, const struct value *v)
{
	char *text = mem_printf("%u/%u/%u", v->fresh, v->old, v->urgent);

	(void)arg;
	vars_set(w.mailboxes, key, text);
	buf_addf(&w.calls, "%s=%s%s\n", key, text, v->held ? " held" : "");
	free(text);
}

static void got_line(void *arg, const char *line)
{
	(void)arg;
	buf_addf(&w.lines, "%s\n", line);
	if (w.hangup_at && strncmp(line, w.hangup_at, strlen(w.hangup_at)) == 0)
		dialplan_hangup(w.run);
}

static void done(void *arg, bool ok)
{
	(void)arg;
	assert_false(w.done);
	w.done = true;
	w.ok = ok;
	loop_stop(w.base);
}

static const struct dialplan_env env = {.device_state = device_state,
	.set_device_state = set_device_state,
	.exten_state = exten_state,
	.mailbox_counts = mailbox_counts,
	.set_mailbox_counts = set_mailbox_counts,
	.line = got_line,
	.done = done,
	.arg = &w};

static int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.base = loop_new();
	w.devices = vars_new();
	w.mailboxes = vars_new();
	buf_init(&w.lines);
	buf_init(&w.calls);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(w.base);
	vars_free(w.devices);
	vars_free(w.mailboxes);
	buf_clear(&w.lines);
	buf_clear(&w.calls);
	return 0;
}

static struct dialplan *parse(const char *text)
{
	struct buf errors;
	struct dialplan *d;

	buf_init(&errors);
	d = dialplan_parse("e.conf", text, strlen(text), &errors);
	assert_string_equal(buf_str(&errors), "");
	assert_non_null(d);
	buf_clear(&errors);
	return d;
}

static void start(struct dialplan *d, const char *exten, const char *context)
{
	char *why;

	w.done = false;
	buf_reset(&w.lines);
	buf_reset(&w.calls);
	w.run = dialplan_start(w.base, d, exten, context, &env, &why);
	assert_null(why);
	assert_non_null(w.run);
	assert_false(w.done);
	assert_string_equal(buf_str(&w.lines), ""); /* nothing runs before it returns */
}

/* Runs e@c of the text to its end. */
static void run(const char *text)
{
	struct dialplan *d = parse(text);

	start(d, "e", "c");
	dialplan_free(d); /* the run keeps what it needs */
	loop_run(w.base);
	assert_true(w.done);
}

#define END                                                                \
	"    -- Auto fallthrough, channel 'Console/dsp' status is 'UNKNOWN'\n" \
	" << Hangup on console >> \n"

/* ---- what is shown and done ---- */

static void test_document(void **state)
{
	struct dialplan *d = parse(
		"[devstate_test]\nexten => 1234,hint,Custom:mystate\n"
		"exten => set_inuse,1,Set(DEVICE_STATE(Custom:mystate)=INUSE)\n"
		"exten => set_not_inuse,1,Set(DEVICE_STATE(Custom:mystate)=NOT_INUSE)\n"
		"exten => check,1,NoOp(Custom:mystate is ${DEVICE_STATE(Custom:mystate)})\n");

	(void)state;
	start(d, "set_inuse", "devstate_test");
	loop_run(w.base);
	assert_true(w.ok);
	assert_string_equal(buf_str(&w.lines),
		"    -- Executing [set_inuse@devstate_test:1] Set(\"Console/dsp\", "
		"\"DEVICE_STATE(Custom:mystate)=INUSE\") in new stack\n" END);
	assert_string_equal(buf_str(&w.calls), "Custom:mystate=INUSE\n");
	start(d, "check", "devstate_test");
	loop_run(w.base);
	assert_string_equal(buf_str(&w.lines),
		"    -- Executing [check@devstate_test:1] NoOp(\"Console/dsp\", "
		"\"Custom:mystate is INUSE\") in new stack\n" END);
	dialplan_free(d);
}

static void test_variables(void **state)
{
	(void)state;
	run("[globals]\nG=glob\nH=no\n[c]\nexten => e,1,Set(H=${G}al)\n"
		"same => n,Set(V${G}=${H:0:2}\\;\"x\")\n"
		"same => n,NoOp(${Vglob} ${H} ${CHANNEL} "
		"${EXTEN}@${CONTEXT}:${PRIORITY}${NONE})\n");
	assert_true(w.ok);
	assert_string_equal(buf_str(&w.lines),
		"    -- Executing [e@c:1] Set(\"Console/dsp\", \"H=global\") in new stack\n"
		"    -- Executing [e@c:2] Set(\"Console/dsp\", \"Vglob=gl;\"x\"\") in new stack\n"
		"    -- Executing [e@c:3] NoOp(\"Console/dsp\", "
		"\"gl;\"x\" global Console/dsp e@c:3\") in new stack\n" END);
}

/* Every character that a name may have comes through a dialplan unharmed. */
static void test_names_are_unharmed(void **state)
{
	(void)state;
	run("[globals]\nODD=one ( only\n[c]\n"
		"exten => e,1,Set(DEVICE_STATE(a\\;b=c|d \"e\" 'f' \\g (h) \xC3\xA9,i)=BUSY)\n"
		"same => n,Set(DEVICE_STATE(${ODD})=INUSE)\n"
		"same => n,Set(X=${DEVICE_STATE(${ODD})}/${DEVICE_STATE(a\\;b=c|d \"e\" 'f' \\g "
		"(h) "
		"\xC3\xA9,i)})\n");
	assert_true(w.ok);
	assert_string_equal(buf_str(&w.calls),
		"a;b=c|d \"e\" 'f' \\g (h) \xC3\xA9,i=BUSY\none ( only=INUSE\n");
	assert_non_null(strstr(buf_str(&w.lines), "\"X=INUSE/BUSY\""));
}

static void test_unknown_devices(void **state)
{
	(void)state;
	run("[c]\nexten => e,1,NoOp(${DEVICE_STATE(Custom:x)} ${DEVICE_STATE(SIP/x)})\n");
	assert_true(w.ok);
	assert_non_null(strstr(buf_str(&w.lines), "\"UNKNOWN INVALID\""));
}

static void test_mailboxes(void **state)
{
	(void)state;
	run("[c]\nexten => e,1,NoOp(${MAILBOX_COUNT(1000)} ${MAILBOX_COUNT(1000,new)})\n"
		"same => n,Set(MAILBOX_COUNT(1000)=2/1/3)\n"
		"same => n,NoOp(${MAILBOX_COUNT(1000@default)} ${MAILBOX_COUNT(1000,new)} "
		"${MAILBOX_COUNT(1000,Old)} ${MAILBOX_COUNT(1000,urgent)})\n"
		"same => n,Set(MAILBOX_COUNT(a b@c d)= 7 )\n");
	assert_true(w.ok);
	assert_non_null(strstr(buf_str(&w.lines), "\"0/0 0\""));
	assert_non_null(strstr(buf_str(&w.lines), "\"2/1 2 1 3\""));
	assert_string_equal(
		buf_str(&w.calls), "1000@default=2/1/3 held\na b@c d=7/0/0 held\n");
}

static void test_extension_state(void **state)
{
	(void)state;
	vars_set(w.devices, "Custom:hint", "RINGINUSE");
	run("[hints]\nexten => 1234,hint,Custom:hint\n[both]\ninclude => hints\n"
		"[c]\nexten => e,1,NoOp(${EXTENSION_STATE(1234@hints)} "
		"${EXTENSION_STATE(1234@both)})\n");
	assert_true(w.ok);
	assert_non_null(strstr(buf_str(&w.lines), "\"RINGINUSE RINGINUSE\""));
	assert_string_equal(buf_str(&w.calls), "hint 1234@hints\nhint 1234@hints\n");
}

static void test_no_such_hint(void **state)
{
	(void)state;
	run("[c]\nexten => e,1,NoOp(is ${EXTENSION_STATE(99)})\nsame => n,NoOp(on)\n");
	assert_false(w.ok);
	assert_string_equal(buf_str(&w.lines),
		"    -- Executing [e@c:1] NoOp(\"Console/dsp\", \"is UNKNOWN\") in new stack\n"
		"WARNING: e@c:1: NoOp: EXTENSION_STATE(99): there is no hint 99@default\n"
		"    -- Executing [e@c:2] NoOp(\"Console/dsp\", \"on\") in new stack\n" END);
}

static void test_verbose(void **state)
{
	(void)state;
	run("[c]\nexten => e,1,Verbose(hi, you)\nsame => n,Verbose(1,one)\n"
		"same => n,Verbose(2,two)\nsame => n,Verbose(3,three)\nsame => "
		"n,Verbose(9,more)\n");
	assert_true(w.ok);
	assert_non_null(strstr(buf_str(&w.lines), ") in new stack\nhi, you\n"));
	assert_non_null(strstr(buf_str(&w.lines), "\n one\n"));
	assert_non_null(strstr(buf_str(&w.lines), "\n  == two\n"));
	assert_non_null(strstr(buf_str(&w.lines), "\n    -- three\n"));
	assert_non_null(strstr(buf_str(&w.lines), "\n       > more\n"));
}

static void test_hangup(void **state)
{
	(void)state;
	run("[c]\nexten => e,1,NoOp\nsame => n,Hangup(16)\nsame => n,NoOp(never)\n");
	assert_true(w.ok);
	assert_string_equal(buf_str(&w.lines),
		"    -- Executing [e@c:1] NoOp(\"Console/dsp\", \"\") in new stack\n"
		"    -- Executing [e@c:2] Hangup(\"Console/dsp\", \"16\") in new stack\n"
		"  == Spawn extension (c, e, 2) exited non-zero on 'Console/dsp'\n"
		" << Hangup on console >> \n");
}

static void test_gap_ends(void **state)
{
	(void)state;
	run("[c]\nexten => e,1,NoOp\nexten => e,3,NoOp(never)\n");
	assert_true(w.ok);
	assert_null(strstr(buf_str(&w.lines), "never"));
}

static void test_included(void **state)
{
	(void)state;
	run("[c]\ninclude => d\n[d]\nexten => e,1,NoOp(${CONTEXT})\n");
	assert_non_null(strstr(buf_str(&w.lines), "[e@c:1] NoOp(\"Console/dsp\", \"c\")"));
}

static void test_wait(void **state)
{
	int64_t began = clock_mono_us();

	(void)state;
	run("[c]\nexten => e,1,Set(T=0.03)\nsame => n,Wait(${T})\nsame => n,NoOp(after)\n");
	assert_true(clock_mono_us() - began >= 25000);
	assert_true(w.ok);
	assert_non_null(strstr(buf_str(&w.lines), "\"after\""));
}

/* ---- what goes wrong while it runs ---- */

static void test_bad_values_go_on(void **state)
{
	(void)state;
	run("[c]\nexten => e,1,Set(S=FOO)\nsame => n,Set(DEVICE_STATE(Custom:x)=${S})\n"
		"same => n,Set(DEVICE_STATE(${NONE})=INUSE)\n"
		"same => n,Set(MAILBOX_COUNT(1)=${S})\nsame => n,Wait(${S})\n"
		"same => n,Set(${S:0:1}${S:9}${NONE}=ok)\nsame => n,Set(${NONE}=x)\n"
		"same => n,NoOp(${${S}(x)}.)\nsame => n,Set(A=${S:${S}})\nsame => "
		"n,NoOp([${A}])\n");
	assert_false(w.ok);
	assert_string_equal(buf_str(&w.calls), "");
	assert_non_null(strstr(buf_str(&w.lines),
		"    -- Executing [e@c:2] Set(\"Console/dsp\", \"DEVICE_STATE(Custom:x)=FOO\") "
		"in new "
		"stack\n"
		"WARNING: e@c:2: Set: 'FOO' is no device state; legal: UNKNOWN, "));
	assert_non_null(strstr(buf_str(&w.lines),
		"WARNING: e@c:3: Set: DEVICE_STATE(): bad device name: it is empty\n"));
	assert_non_null(
		strstr(buf_str(&w.lines), "WARNING: e@c:4: Set: 'FOO' are no message counts: "));
	assert_non_null(strstr(buf_str(&w.lines),
		"WARNING: e@c:5: Wait: Wait(FOO): write seconds, 0 to 86400, like 1.5\n"));
	assert_null(strstr(buf_str(&w.lines), "WARNING: e@c:6"));
	assert_non_null(
		strstr(buf_str(&w.lines), "WARNING: e@c:7: Set: '' is no name of a "));
	assert_non_null(strstr(
		buf_str(&w.lines), "WARNING: e@c:8: NoOp: unknown function 'FOO'; legal: "));
	assert_non_null(strstr(
		buf_str(&w.lines), "WARNING: e@c:9: Set: 'FOO' is no number of characters\n"));
	assert_non_null(strstr(buf_str(&w.lines), "\"[]\"")); /* A was not set */
	assert_non_null(strstr(buf_str(&w.lines), END));
}

static void test_growth_is_bounded(void **state)
{
	struct buf text;
	int i;

	(void)state;
	buf_init(&text);
	buf_adds(&text, "[c]\nexten => e,1,Set(A=0123456789)\n");
	for (i = 0; i < 40; i++)
		buf_adds(&text, "same => n,Set(A=${A}${A})\n");
	run(buf_str(&text));
	assert_false(w.ok);
	assert_non_null(strstr(buf_str(&w.lines), "the text is longer than 65536 bytes\n"));
	buf_clear(&text);
}

static void test_steps_are_bounded(void **state)
{
	struct buf text;
	int i;

	(void)state;
	buf_init(&text);
	buf_adds(&text, "[c]\nexten => e,1,NoOp\n");
	for (i = 0; i < 10001; i++)
		buf_adds(&text, "same => n,NoOp\n");
	run(buf_str(&text));
	assert_false(w.ok);
	assert_non_null(strstr(buf_str(&w.lines), "WARNING: e@c:10001: NoOp: the extension "
											  "has more than 10,000 steps; stopping\n"));
	buf_clear(&text);
}

/* ---- hanging up, starting ---- */

static void stop(void *arg)
{
	loop_stop(arg);
}

static void test_hangup_before_it_runs(void **state)
{
	struct dialplan *d = parse("[c]\nexten => e,1,NoOp\n");

	(void)state;
	start(d, "e", "c");
	dialplan_hangup(w.run);
	dialplan_hangup(NULL);
	dialplan_free(d);
	loop_defer(w.base, stop, w.base);
	loop_run(w.base);
	assert_false(w.done);
	assert_string_equal(buf_str(&w.lines), "");
}

static void test_hangup_inside_each_line(void **state)
{
	static const char *const at[] = {"    -- Executing [e@c:1]", "WARNING: e@c:1",
		"    -- Executing [e@c:2]", "hello", "    -- Executing [e@c:3]",
		"    -- Auto fallthrough", " << Hangup"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct dialplan *d = parse("[c]\nexten => e,1,NoOp(${EXTENSION_STATE(9)})\n"
								   "same => n,Verbose(hello)\n"
								   "same => n,Set(DEVICE_STATE(x)=INUSE)\n");
		struct loop_timer *t = loop_timer_new(w.base, stop, w.base);

		w.hangup_at = at[i];
		start(d, "e", "c");
		dialplan_free(d);
		loop_timer_start(t, 20);
		loop_run(w.base);
		loop_timer_free(t);
		assert_false(w.done);
		/* The line was the last one, and nothing was done after it. */
		assert_non_null(strstr(buf_str(&w.lines), at[i]));
		assert_int_equal(strstr(buf_str(&w.calls), "x=INUSE") != NULL, i > 4);
	}
}

static void assert_no_start(const char *exten, const char *context, const char *expected)
{
	struct dialplan *d = parse("[numbers]\nexten => check,1,NoOp\nexten => 1234,hint,X\n"
							   "exten => late,2,NoOp\n");
	char *why;

	assert_null(dialplan_start(w.base, d, exten, context, &env, &why));
	assert_string_equal(why, expected);
	free(why);
	dialplan_free(d);
}

static void test_no_such_extension(void **state)
{
	(void)state;
	assert_no_start("chekc", "numbers",
		"there is no extension 'chekc' in context 'numbers'; did you mean 'check'?");
	assert_no_start("elephant", "numbers",
		"there is no extension 'elephant' in context 'numbers'; 'dialplan show' shows "
		"what "
		"there is");
	assert_no_start(
		"check", "number", "there is no context 'number'; did you mean 'numbers'?");
	assert_no_start("check", "colour",
		"there is no context 'colour'; 'dialplan show' shows what there is");
	assert_no_start("1234", "numbers",
		"extension '1234' in context 'numbers' is a hint: there is nothing to run");
	assert_no_start(
		"late", "numbers", "extension 'late' in context 'numbers' has no priority 1");
}

static void test_several_at_once(void **state)
{
	struct dialplan *d = parse("[c]\nexten => a,1,Wait(0.01)\nsame => n,NoOp(a)\n"
							   "exten => e,1,Wait(0.05)\nsame => n,NoOp(e)\n");
	struct dialplan_run *other;
	char *why;

	(void)state;
	start(d, "e", "c");
	other = dialplan_start(w.base, d, "a", "c", &env, &why);
	assert_non_null(other);
	dialplan_free(d);
	loop_run(w.base); /* until a is done */
	assert_true(w.done);
	assert_non_null(strstr(buf_str(&w.lines), "[a@c:2]"));
	assert_null(strstr(buf_str(&w.lines), "[e@c:2]"));
	w.done = false;
	loop_run(w.base);
	assert_non_null(strstr(buf_str(&w.lines), "[e@c:2]"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_document),
		T(test_variables),
		T(test_names_are_unharmed),
		T(test_unknown_devices),
		T(test_mailboxes),
		T(test_extension_state),
		T(test_no_such_hint),
		T(test_verbose),
		T(test_hangup),
		T(test_gap_ends),
		T(test_included),
		T(test_wait),
		T(test_bad_values_go_on),
		T(test_growth_is_bounded),
		T(test_steps_are_bounded),
		T(test_hangup_before_it_runs),
		T(test_hangup_inside_each_line),
		T(test_no_such_extension),
		T(test_several_at_once),
	};

	return cmocka_run_group_tests_name("dialplan_run", tests, NULL, NULL);
}

/* cmd_dialplan.c, on a real dialplan. */
#include "command_fixture.h"

static const char *const document =
	"[devstate_test]\n"
	"exten => 1234,hint,Custom:mystate\n"
	"exten => set_inuse,1,Set(DEVICE_STATE(Custom:mystate)=INUSE)\n"
	"exten => set_not_inuse,1,Set(DEVICE_STATE(Custom:mystate)=NOT_INUSE)\n"
	"exten => check,1,NoOp(Custom:mystate is ${DEVICE_STATE(Custom:mystate)})\n"
	"[default]\n"
	"exten => slow,1,Wait(60)\n"
	"exten => say,1,NoOp(hello)\n";

static int setup(void **state)
{
	struct fixture *f = fixture_new();

	fixture_dialplan(f, document);
	*state = f;
	return 0;
}

#define dialplan_test(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

static void test_document(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_run(f, "console dial set_inuse@devstate_test"), 0);
	assert_string_equal(
		buf_str(&f->app.node->said), "set device Custom:mystate INUSE 0/0/0 held\n");
	assert_int_equal(fixture_run(f, "console dial check@devstate_test"), 0);
	assert_contains(buf_str(&f->out),
		"    -- Executing [check@devstate_test:1] "
		"NoOp(\"Console/dsp\", \"Custom:mystate is INUSE\") in new "
		"stack\n");
	assert_null(f->app.node->acked_arg);
}

static void test_default_context(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_run(f, "console dial say"), 0);
	assert_contains(buf_str(&f->out), "[say@default:1]");
}

static void test_no_such_extension(void **state)
{
	struct fixture *f = *state;

	assert_fails(
		f, "console dial nothing@devstate_test", "Cannot dial nothing@devstate_test: ");
	assert_fails(f, "console dial say@nowhere", "Cannot dial say@nowhere: ");
	assert_fails(f, "console dial", "Usage: console dial EXT[@CONTEXT]");
}

static void test_json(void **state)
{
	struct fixture *f = *state;
	json_t *o = fixture_json(f, "console dial set_inuse@devstate_test");

	assert_true(json_array_size(json_object_get(o, "lines")) > 0);
	assert_true(json_is_true(json_object_get(o, "acknowledged")));
	json_decref(o);
}

/* A caller that leaves hangs up; nothing is called afterwards. */
static void test_leaves(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "console dial slow", false);
	for (int i = 0; i < 10; i++)
		event_base_loop(f->app.base, EVLOOP_NONBLOCK);
	assert_int_equal(f->status, -1);
	command_free(f->call);
	f->call = NULL;
	event_base_loop(f->app.base, EVLOOP_NONBLOCK);
	assert_int_equal(f->status, -1);
}

static void test_not_acknowledged(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "console dial set_inuse@devstate_test", false);
	while (!f->app.node->acked_arg)
		event_base_loop(f->app.base, EVLOOP_ONCE);
	fake_ack(f->app.node, false);
	assert_int_equal(f->status, 0);
	assert_contains(buf_str(&f->out), "it is kept, and will be delivered.\n");
}

static void test_show(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_run(f, "dialplan show"), 0);
	assert_contains(
		buf_str(&f->out), "[ Context 'devstate_test' created by 'pbx_config' ]\n");
	assert_contains(buf_str(&f->out), "'slow' =>");
	assert_int_equal(fixture_run(f, "dialplan show default"), 0);
	assert_contains(buf_str(&f->out), "'slow' =>");
	assert_null(strstr(buf_str(&f->out), "set_inuse"));
	assert_int_equal(fixture_run(f, "dialplan show set_inuse@devstate_test"), 0);
	assert_contains(buf_str(&f->out), "'set_inuse' =>");
	assert_contains(buf_str(&f->out), "[ Context 'devstate_test'");
	assert_null(strstr(buf_str(&f->out), "set_not_inuse"));
	assert_null(strstr(buf_str(&f->out), "check"));
	assert_fails(f, "dialplan show nowhere", "There is no context 'nowhere'");
	assert_fails(
		f, "dialplan show x@default", "There is no extension 'x' in context 'default'");
	json_t *list = fixture_json(f, "dialplan show default");
	assert_true(json_array_size(list) >= 3);
	json_decref(list);
}

static void test_completion(void **state)
{
	struct fixture *f = *state;
	struct buf list;

	buf_init(&list);
	command_complete(&f->app, "console dial set", strlen("console dial set"), &list);
	assert_string_equal(
		buf_str(&list), "3\nset_inuse@devstate_test\nset_not_inuse@devstate_test\n");
	buf_reset(&list);
	command_complete(&f->app, "dialplan show de", strlen("dialplan show de"), &list);
	assert_string_equal(buf_str(&list), "2\ndevstate_test\ndefault\n");
	buf_clear(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		dialplan_test(test_document),
		dialplan_test(test_default_context),
		dialplan_test(test_no_such_extension),
		dialplan_test(test_json),
		dialplan_test(test_leaves),
		dialplan_test(test_not_acknowledged),
		dialplan_test(test_show),
		dialplan_test(test_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* cmd_core.c: what is said about this node, in the looks that people know. */
#include "command_fixture.h"

#include "log.h"

static void test_settings(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_run(f, "core show settings"), 0);
	assert_contains(
		buf_str(&f->out), "\n  Entity ID:                   01:23:45:67:89:ab\n");
	assert_contains(buf_str(&f->out), "\n  System name:                 server1\n");
	assert_contains(
		buf_str(&f->out), "\n  Link socket:                 /run/x/server1.link\n");
	assert_contains(buf_str(&f->out), "\n  Database:                    db1:5432\n");
	assert_contains(buf_str(&f->out), "\n  Phase:                       ready\n");
	assert_contains(buf_str(&f->out), "\n  Stale after:                 60\n");
	assert_null(strstr(buf_str(&f->out), "Last error"));
	f->app.node->status.last_error = "no route to host";
	assert_int_equal(fixture_run(f, "core show settings"), 0);
	assert_contains(
		buf_str(&f->out), "\n  Last error:                  no route to host\n");
}

static void test_settings_json(void **state)
{
	struct fixture *f = *state;
	json_t *o = fixture_json(f, "core show settings");

	assert_string_equal(
		json_string_value(json_object_get(o, "entity_id")), "01:23:45:67:89:ab");
	assert_int_equal(json_integer_value(json_object_get(o, "pid")), getpid());
	json_decref(o);
}

static void test_hints(void **state)
{
	struct fixture *f = *state;

	assert_output(f, "core show hints", "There are no registered dialplan hints\n");
	fake_says(f->app.node, f->app.node->self, "Custom:mystate", STATE_INUSE);
	fixture_hint(f, "1234", "devstate_test", "Custom:mystate");
	assert_output(f, "core show hints",
		"    -= Registered Asterisk Dial Plan Hints =-\n"
		"                   1234@devstate_test       : Custom:mystate        State:InUse "
		"          "
		"Watchers  0\n"
		"----------------\n"
		"- 1 hints registered\n");
}

static void test_long_names_are_not_cut(void **state)
{
	struct fixture *f = *state;

	fixture_hint(f, "an_extension_with_a_long_name", "a_context_with_a_long_name",
		"PJSIP/a_device_with_a_long_name&Custom:another one");
	assert_int_equal(fixture_run(f, "core show hints"), 0);
	assert_contains(buf_str(&f->out),
		"   an_extension_with_a_long_name@a_context_with_a_long_name: "
		"PJSIP/a_device_with_a_long_name&Custom:another one  State:");
}

static void test_one_hint(void **state)
{
	struct fixture *f = *state;

	fixture_hint(f, "1234", "devstate_test", "Custom:mystate");
	assert_int_equal(fixture_run(f, "core show hint 1234@devstate_test"), 0);
	assert_contains(buf_str(&f->out), "State:Idle");
	assert_contains(buf_str(&f->out), "- 1 hint matching extension 1234@devstate_test\n");
	assert_int_equal(fixture_run(f, "core show hint 1234"), 0);
	assert_fails(f, "core show hint 123", "No hints matching extension 123");
	assert_fails(f, "core show hint 1234@elsewhere", "No hints matching");
	json_t *o = fixture_json(f, "core show hint 999");
	assert_non_null(json_object_get(o, "error"));
	json_decref(o);
}

static void test_hints_json(void **state)
{
	struct fixture *f = *state;
	json_t *list = fixture_json(f, "core show hints");

	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	fixture_hint(f, "1234", "devstate_test", "Custom:mystate");
	list = fixture_json(f, "core show hints");
	json_t *hint = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(hint, "exten")), "1234");
	assert_string_equal(json_string_value(json_object_get(hint, "state")), "Idle");
	json_decref(list);
}

static void test_levels(void **state)
{
	struct fixture *f = *state;

	log_set_debug(0);
	assert_output(f, "core set debug 1", "Core debug was 0 and is now 1.\n");
	assert_int_equal(log_get_debug(), 1);
	assert_output(f, "core set debug 1", "Core debug is still 1.\n");
	assert_output(f, "core set debug off", "Core debug was 1 and is now 0.\n");
	assert_output(f, "core set verbose 3", "Console verbose was 0 and is now 3.\n");
	assert_int_equal(f->app.verbose, 3);
	assert_fails(f, "core set debug loud", "'loud' is not a level");
	assert_fails(f, "core set debug -1", "'-1' is not a level");
	assert_fails(f, "core set debug 100", "from 0 to 99");
	assert_fails(f, "core set debug", "Usage: core set debug N|off");
	assert_int_equal(log_get_debug(), 0);
}

static void test_version_and_uptime(void **state)
{
	struct fixture *f = *state;

	assert_output(f, "core show version", "pgdevstate " PGDEVSTATE_VERSION "\n");
	assert_int_equal(fixture_run(f, "core show uptime"), 0);
	assert_contains(buf_str(&f->out), "System uptime: ");
	assert_contains(buf_str(&f->out), "\nLast reload: ");
}

static void test_reload(void **state)
{
	struct fixture *f = *state;

	assert_output(f, "core reload", "Reloaded.\n");
	assert_output(f, "dialplan reload", "Reloaded.\n");
	f->reload_fails = true;
	assert_fails(f, "core reload",
		"x.conf:3: no such option 'foo'\nThe running configuration is kept.\n");
}

static void test_stop(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_run(f, "core stop now"), 0);
	assert_int_equal(f->stopped, 1);
	assert_int_equal(fixture_run(f, "core stop gracefully"), 0);
	assert_int_equal(f->stopped, 2);
	f->app.node->status.phase = NODE_DOWN;
	f->app.node->status.unsent = 3;
	assert_output(f, "core stop gracefully",
		"Stopping. The database is away: 3 changes that it does not have are lost.\n");
	f->stopped = 0;
	assert_fails(f, "core stop", "not complete");
	assert_int_equal(f->stopped, 0);
}

static void test_help(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_run(f, "help"), 0);
	assert_contains(buf_str(&f->out),
		"                  console dial  Run an extension of the dialplan\n");
	assert_int_equal(fixture_run(f, "help ais clm show members"), 0);
	assert_contains(buf_str(&f->out), "The same as 'cluster show members'.");
	assert_int_equal(fixture_run(f, "help core show"), 0);
	assert_null(strstr(buf_str(&f->out), "console dial"));
	assert_fails(f, "help core shoo hints",
		"No such command 'core shoo hints'; did you mean 'core show hints'?");
	assert_fails(f, "help \"x y\"", "No such command '\"x y\"' ('help' lists all)");
	json_t *list = fixture_json(f, "help");
	assert_true(json_array_size(list) > 20);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_settings),
		fixture_test(test_settings_json),
		fixture_test(test_hints),
		fixture_test(test_long_names_are_not_cut),
		fixture_test(test_one_hint),
		fixture_test(test_hints_json),
		fixture_test(test_levels),
		fixture_test(test_version_and_uptime),
		fixture_test(test_reload),
		fixture_test(test_stop),
		fixture_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

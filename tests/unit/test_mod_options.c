/* mod_options.c: res_pgdevstate.conf is understood, or refused with a reason. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mod_options.h"

static char why[200];

static bool set(
	struct mod_options *o, const char *section, const char *name, const char *value)
{
	return options_set(o, section, name, value, why, sizeof(why));
}

static void refused(
	const char *section, const char *name, const char *value, const char *reason)
{
	struct mod_options o;

	options_begin(&o);
	why[0] = '\0';
	assert_false(set(&o, section, name, value));
	if (!strstr(why, reason))
		fail_msg("[%s] %s=%s: %s", section, name, value, why);
}

static void test_defaults(void **state)
{
	struct mod_options o;

	(void)state;
	options_begin(&o);
	assert_true(options_end(&o, why, sizeof(why)));
	assert_string_equal(o.socket, "/run/pgdevstate/pgdevstate.link");
	assert_int_equal(o.stale_after_s, 60);
	assert_int_equal(o.import_max, 50000);
	assert_false(o.voicemail_provider);
	assert_false(options_publish(&o, EVENT_DEVICE_STATE, "x"));
	assert_false(options_subscribe(&o, EVENT_MWI, "x"));
	assert_false(options_share(&o));
	assert_true(set(&o, "lamps", "subscribe_event", "mwi"));
	assert_true(set(&o, "lamps", "type", "event_channel"));
	assert_true(options_end(&o, why, sizeof(why)));
	assert_true(options_share(&o));
}

static void test_general(void **state)
{
	struct mod_options o;

	(void)state;
	options_begin(&o);
	assert_true(set(&o, "general", "socket", "/tmp/x"));
	assert_true(set(&o, "General", "STALE_AFTER", "5"));
	assert_true(set(&o, "general", "import_max", "100"));
	assert_true(set(&o, "general", "default_excludes", "No"));
	assert_true(set(&o, "general", "voicemail_provider", "yes"));
	assert_true(o.voicemail_provider);
	assert_string_equal(o.socket, "/tmp/x");
	assert_int_equal(o.stale_after_s, 5);
	assert_int_equal(o.import_max, 100);
	assert_false(o.default_excludes);
	refused("general", "socket", "x", "begins with '/'");
	refused("general", "socket", "", "begins with '/'");
	refused("general", "stale_after", "0", "from 1 to 86400");
	refused("general", "stale_after", "x", "is not a number");
	refused("general", "stale_after", "", "is not a number");
	refused("general", "stale_after", "5s", "is not a number");
	refused("general", "import_max", "100001", "from 1 to 100000");
	refused("general", "default_excludes", "maybe", "neither yes nor no");
	refused("general", "soket", "/x", "unknown option");
}

static void test_socket_fits(void **state)
{
	char path[OPTIONS_SOCKET_SIZE + 1];
	struct mod_options o;

	(void)state;
	options_begin(&o);
	memset(path, '/', sizeof(path));
	path[OPTIONS_SOCKET_SIZE] = '\0';
	assert_false(set(&o, "general", "socket", path));
	path[OPTIONS_SOCKET_SIZE - 1] = '\0';
	assert_true(set(&o, "general", "socket", path));
}

static void test_channels(void **state)
{
	struct mod_options o;

	(void)state;
	options_begin(&o);
	assert_true(set(&o, "devices", "type", "event_channel"));
	assert_true(set(&o, "devices", "publish_event", "device_state"));
	assert_true(set(&o, "boxes", "type", "event_channel"));
	assert_true(set(&o, "boxes", "subscribe_event", "MWI"));
	assert_true(options_end(&o, why, sizeof(why)));
	assert_true(options_publish(&o, EVENT_DEVICE_STATE, "PJSIP/1"));
	assert_false(options_subscribe(&o, EVENT_DEVICE_STATE, "PJSIP/1"));
	assert_false(options_publish(&o, EVENT_MWI, "1@default"));
	assert_true(options_subscribe(&o, EVENT_MWI, "1@default"));
	assert_int_equal(o.channels, 2);
	assert_string_equal(o.channel[0].name, "devices");
	assert_false(options_publish(&o, EVENT_DEVICE_STATE, "Queue:x"));
	refused("x", "type", "channel", "there is event_channel");
	refused("x", "publish_event", "ping", "there is no event 'ping'");
	refused("x", "publishevent", "mwi", "unknown option");
	refused("x", "include", "PJSIP/*", "must stand above");
}

static void test_no_type(void **state)
{
	struct mod_options o;

	(void)state;
	options_begin(&o);
	assert_true(set(&o, "devices", "publish_event", "device_state"));
	assert_false(options_end(&o, why, sizeof(why)));
	assert_non_null(strstr(why, "[devices] has no type"));
}

static void test_patterns(void **state)
{
	struct mod_options o;

	(void)state;
	options_begin(&o);
	assert_true(set(&o, "general", "default_excludes", "no"));
	assert_true(set(&o, "all", "type", "event_channel"));
	assert_true(set(&o, "all", "publish_event", "device_state"));
	assert_true(set(&o, "all", "subscribe_event", "device_state"));
	assert_true(set(&o, "all", "include", "PJSIP/*"));
	assert_true(set(&o, "all", "exclude", "*/9*"));
	assert_true(options_end(&o, why, sizeof(why)));
	assert_true(options_publish(&o, EVENT_DEVICE_STATE, "pjsip/1"));
	assert_true(options_subscribe(&o, EVENT_DEVICE_STATE, "pjsip/1"));
	assert_false(options_publish(&o, EVENT_DEVICE_STATE, "PJSIP/9"));
	assert_false(options_publish(&o, EVENT_DEVICE_STATE, "Queue:x"));
	assert_false(set(&o, "all", "exclude", ""));
	assert_non_null(strstr(why, "1 to 79"));
}

static void test_too_many_channels(void **state)
{
	struct mod_options o;
	char name[20];

	(void)state;
	options_begin(&o);
	for (int i = 0; i < OPTIONS_CHANNELS; i++) {
		snprintf(name, sizeof(name), "channel%d", i);
		assert_true(set(&o, name, "type", "event_channel"));
	}
	assert_false(set(&o, "more", "type", "event_channel"));
	assert_non_null(strstr(why, "at most 8"));
	refused("a name that is much too long for a channel of events", "type",
		"event_channel", "at most");
}

/* The ends of ranges, and what is a hair beyond them. */
static void test_ranges(void **state)
{
	struct mod_options o;
	char socket[OPTIONS_SOCKET_SIZE + 1];

	(void)state;
	options_begin(&o);
	assert_true(set(&o, "general", "stale_after", "1"));
	assert_true(set(&o, "general", "stale_after", "86400"));
	assert_true(set(&o, "general", "import_max", "1"));
	assert_true(set(&o, "general", "import_max", "100000"));
	refused("general", "stale_after", "86401", "from 1 to 86400");
	refused("general", "stale_after", "-1", "from 1 to 86400");
	refused("general", "stale_after", "99999999999999999999", "from 1 to 86400");
	refused("general", "import_max", "0", "from 1 to 100000");
	refused("general", "import_max", "1e3", "is not a number");
	refused("general", "voicemail_provider", "1", "neither yes nor no");
	refused("general", "voicemail_provider", "", "neither yes nor no");
	memset(socket, '/', sizeof(socket));
	socket[OPTIONS_SOCKET_SIZE] = '\0';
	refused("general", "socket", socket, "at most 107 bytes");
	socket[OPTIONS_SOCKET_SIZE - 1] = '\0';
	assert_true(set(&o, "general", "socket", socket));
}

/* A refused entry leaves what there was. */
static void test_refused_changes_nothing(void **state)
{
	struct mod_options o;

	(void)state;
	options_begin(&o);
	assert_true(set(&o, "general", "stale_after", "7"));
	assert_false(set(&o, "general", "stale_after", "0"));
	assert_false(set(&o, "general", "socket", "nowhere"));
	assert_false(set(&o, "general", "default_excludes", "perhaps"));
	assert_int_equal(o.stale_after_s, 7);
	assert_string_equal(o.socket, OPTIONS_SOCKET);
	assert_true(o.default_excludes);
}

static void test_event_names(void **state)
{
	(void)state;
	assert_string_equal(mod_event_name(EVENT_DEVICE_STATE), "device_state");
	assert_string_equal(mod_event_name(EVENT_MWI), "mwi");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_general),
		cmocka_unit_test(test_socket_fits),
		cmocka_unit_test(test_channels),
		cmocka_unit_test(test_no_type),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_too_many_channels),
		cmocka_unit_test(test_event_names),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_refused_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

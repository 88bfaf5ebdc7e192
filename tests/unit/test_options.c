/* options.c: every option, every kind of mistake, and the sample that is printed from the
 * table. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "options.h"
#include "options_table.h"

static struct buf errors;

#define DB "[postgresql]\nconninfo = dbname=x\n"
#define ID "[options]\nentity_id = 01:23:45:67:89:AB\n"

static struct options *parse(const char *text)
{
	buf_reset(&errors);
	return options_parse("/etc/x/p.conf", text, strlen(text), &errors);
}

static struct options *parse_good(const char *text)
{
	struct options *o = parse(text);

	assert_string_equal(buf_str(&errors), "");
	assert_non_null(o);
	return o;
}

static void assert_error(const char *text, const char *error)
{
	struct options *o = parse(text);

	assert_string_equal(buf_str(&errors), error);
	assert_null(o);
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

static void assert_entity(const struct options *o, const char *text)
{
	char out[ENTITY_ID_TEXT];

	assert_string_equal(entity_id_print(&o->entity_id, out), text);
}

static void test_defaults(void **state)
{
	struct options *o = parse_good(ID DB);
	char host[256] = "";

	(void)state;
	gethostname(host, sizeof(host) - 1);
	assert_string_equal(o->file, "/etc/x/p.conf");
	assert_true(o->has_entity_id);
	assert_entity(o, "01:23:45:67:89:ab");
	assert_string_equal(o->system_name, host);
	assert_string_equal(o->run_directory, "/run/pgdevstate");
	assert_string_equal(o->socket, "/run/pgdevstate/pgdevstated.ctl");
	assert_string_equal(o->dialplan, "");
	assert_string_equal(o->log_file, "");
	assert_string_equal(o->link_socket, "/run/pgdevstate/pgdevstate.link");
	assert_string_equal(o->link_group, "");
	assert_int_equal(o->debug, 0);
	assert_int_equal(o->verbose, 3);
	assert_int_equal(o->lease_ms, 10000);
	assert_int_equal(o->stale_after_ms, 60000);
	assert_true(o->announce);
	assert_string_equal(o->conninfo, "dbname=x");
	assert_null(o->channels);
	options_free(o);
	options_free(NULL);
}

static void test_everything(void **state)
{
	struct options *o = parse_good(
		ID "system_name = Server \xC3\x84 1\nrun_directory = run\nsocket = /tmp/s\n"
		   "dialplan = ../d/e.conf\nlog_file = log\ndebug = 99\nverbose=0\nlease = 3600\n"
		   "link_socket = l/s\nlink_group = asterisk\n"
		   "stale_after => 0\n[postgresql]\nconninfo = host=a,b dbname=x "
		   "password='p\\;='\n");

	(void)state;
	assert_string_equal(o->system_name, "Server \xC3\x84 1");
	assert_string_equal(o->run_directory, "/etc/x/run");
	assert_string_equal(o->socket, "/tmp/s");
	assert_string_equal(o->dialplan, "/etc/x/../d/e.conf");
	assert_string_equal(o->log_file, "/etc/x/log");
	assert_string_equal(o->link_socket, "/etc/x/l/s");
	assert_string_equal(o->link_group, "asterisk");
	assert_int_equal(o->debug, 99);
	assert_int_equal(o->verbose, 0);
	assert_int_equal(o->lease_ms, 3600000);
	assert_int_equal(o->stale_after_ms, 0);
	assert_string_equal(o->conninfo, "host=a,b dbname=x password='p;='");
	options_free(o);
}

static void test_spellings(void **state)
{
	struct options *o = parse_good("[Options]\nENTITYID = 00:00:00:00:00:01\n"
								   "systemname=a\nrundir=/r\n[options]\nlease=2\n" DB);

	(void)state;
	assert_entity(o, "00:00:00:00:00:01");
	assert_string_equal(o->system_name, "a");
	assert_string_equal(o->socket, "/r/pgdevstated.ctl");
	assert_int_equal(o->lease_ms, 2000);
	options_free(o);
}

static void test_empty_paths(void **state)
{
	struct options *o = parse_good(ID "log_file =\ndialplan =\n" DB);

	(void)state;
	assert_string_equal(o->log_file, "");
	assert_string_equal(o->dialplan, "");
	options_free(o);
	assert_error(ID "run_directory =\n" DB,
		"/etc/x/p.conf:3: run_directory = : it is empty; legal: a path\n");
	assert_error(
		ID "socket =\n" DB, "/etc/x/p.conf:3: socket = : it is empty; legal: a path\n");
}

static void test_given_twice(void **state)
{
	(void)state;
	options_free(parse_good(ID "entityid = 01:23:45:67:89:ab\n" DB));
	options_free(parse_good(ID "lease=5\nlease = 5\n" DB));
	assert_error(ID "entityid = 01:23:45:67:89:ac\n" DB,
		"/etc/x/p.conf:3: entityid: line 2 says something else (entity_id); keep one of "
		"them\n");
	assert_error(ID
		"[x]\ntype=event_channel\ntype=event\n[options]\nlease=5\nlease = 6\n" DB,
		"/etc/x/p.conf:8: lease: line 7 says something else (lease); keep one of them\n"
		"/etc/x/p.conf:5: type: line 4 says something else (type); keep one of them\n");
}

static void test_bad_values(void **state)
{
	static const char *const ids[] = {"", "1:2:3:4:5:6", "00:00:00:00:00:00",
		"ff:ff:ff:ff:ff:ff", "01:23:45:67:89", "01:23:45:67:89:ab:cd"};
	static const char *const numbers[] = {"", "x", "1x", "+1", "1.5", "0x1", "--1", "-"};
	char *text, *error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		text = mem_printf("[options]\nentity_id = %s\n" DB, ids[i]);
		error = mem_printf(
			"/etc/x/p.conf:2: entity_id = %s: not an entity id (all 00 and all "
			"ff are none); legal: six bytes, like 01:23:45:67:89:ab, or auto\n",
			ids[i]);
		assert_error(text, error);
		free(text);
		free(error);
	}
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		text = mem_printf(ID "debug = %s\n" DB, numbers[i]);
		error = mem_printf(
			"/etc/x/p.conf:3: debug = %s: not a whole number; legal: 0 to 99\n",
			numbers[i]);
		assert_error(text, error);
		free(text);
		free(error);
	}
}

static void test_ranges(void **state)
{
	(void)state;
	assert_error(ID "debug = 100\nverbose = -1\nlease = 1\nstale_after = 86401\n" DB,
		"/etc/x/p.conf:3: debug = 100: out of range; legal: 0 to 99\n"
		"/etc/x/p.conf:4: verbose = -1: out of range; legal: 0 to 99\n"
		"/etc/x/p.conf:5: lease = 1: out of range; legal: 2 to 3600 seconds\n"
		"/etc/x/p.conf:6: stale_after = 86401: out of range; legal: 0 to 86400 "
		"seconds\n");
	assert_error(ID "lease = 99999999999999999999\n" DB,
		"/etc/x/p.conf:3: lease = 99999999999999999999: out of range; legal: 2 to 3600 "
		"seconds\n");
	assert_error(ID "system_name =\n" DB,
		"/etc/x/p.conf:3: system_name = : it is empty; legal: 1 to 255 bytes of UTF-8\n");
	assert_error(ID "announce = maybe\n" DB,
		"/etc/x/p.conf:3: announce = maybe: neither yes nor no; legal: yes or no\n");
	assert_error(ID "announce =\n" DB,
		"/etc/x/p.conf:3: announce = : neither yes nor no; legal: yes or no\n");
}

static void test_yes_and_no(void **state)
{
	static const char *const words[] = {"no", "yes", "Off", "ON", "false", "True"};

	(void)state;
	for (int i = 0; i < 6; i++) {
		char *text = mem_printf(ID "announce = %s\n" DB, words[i]);
		struct options *o = parse_good(text);

		assert_int_equal(o->announce, i % 2);
		options_free(o);
		free(text);
	}
}

static void test_unknown_options(void **state)
{
	(void)state;
	assert_error(ID "leese = 5\n" DB "host = x\n[mwi]\ntype=event_channel\npublish=mwi\n",
		"/etc/x/p.conf:3: unknown option 'leese' in [options]; did you mean 'lease'?; "
		"legal: "
		"entity_id, system_name, run_directory, socket, link_socket, link_group, "
		"dialplan, log_file, debug, verbose, "
		"lease, stale_after, announce\n"
		"/etc/x/p.conf:6: unknown option 'host' in [postgresql]; legal: conninfo\n"
		"/etc/x/p.conf:9: unknown option 'publish' in [mwi]; legal: type, publish_event, "
		"subscribe_event\n");
}

static void test_unknown_sections(void **state)
{
	(void)state;
	assert_error(ID DB "[postgres]\nconninfo = x\n",
		"/etc/x/p.conf:5: [postgres] has no type; did you mean [postgresql]?; a section "
		"is "
		"[options], [postgresql] or an event channel with the line type=event_channel\n");
	assert_error(ID DB "[colour]\n", "/etc/x/p.conf:5: [colour] has no type; a section "
									 "is [options], [postgresql] or an "
									 "event channel with the line type=event_channel\n");
	assert_error(ID DB "[c]\ntype=channel\n",
		"/etc/x/p.conf:6: type = channel: unknown type; legal: event_channel\n");
	assert_error(ID DB "[c]\ntype=event_channel\n[c]\ntype=event_channel\n",
		"/etc/x/p.conf:7: there is an event channel [c] already; put both into one "
		"section\n");
}

static void test_conninfo(void **state)
{
	(void)state;
	assert_null(parse(""));
	assert_non_null(strstr(buf_str(&errors), "conninfo is missing"));
	assert_error(ID,
		"/etc/x/p.conf: conninfo is missing; say in [postgresql] how to reach the "
		"database, for example: conninfo = dbname=pgdevstate\n");
	assert_error(ID "[postgresql]\nconninfo =\n",
		"/etc/x/p.conf:4: conninfo = : it is empty; for example: dbname=pgdevstate; "
		"legal: a "
		"connection string\n");
	assert_error(ID "[postgresql]\nconninfo = dbnam=x\n",
		"/etc/x/p.conf:4: conninfo: invalid connection option \"dbnam\"; write it as for "
		"psql, "
		"for example: host=db1,db2 dbname=pgdevstate\n");
	assert_null(parse(ID "[postgresql]\nconninfo = password='secret dbname=x\n"));
	assert_null(strstr(buf_str(&errors), "secret"));
	assert_null(parse(ID "[postgresql]\nconninfo = dbname=x password=open sesame\n"));
	assert_null(strstr(buf_str(&errors), "sesame"));
	assert_error(ID "[postgresql]\nconninfo = port=99999\n",
		"/etc/x/p.conf:4: conninfo: port \"99999\" is not a number from 1 to 65535; "
		"write it as for psql, for example: host=db1,db2 dbname=pgdevstate\n");
	assert_error(ID "[postgresql]\nconninfo = host=a,b port=1,2,3\n",
		"/etc/x/p.conf:4: conninfo: port lists 3 for 2 hosts: one for all or one for "
		"each; write it as for psql, for example: host=db1,db2 dbname=pgdevstate\n");
	options_free(
		parse_good(ID "[postgresql]\nconninfo = postgresql://a,b:5433/x?user=y\n"));
}

static void test_all_four_combinations(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 16; i++) {
		bool pd = i & 1, sd = i & 2, pm = i & 4, sm = i & 8;
		char *text = mem_printf(ID DB "[c]\n%s%s%s%stype = Event_Channel\n",
			pd ? "publish_event = device_state\n" : "",
			sd ? "subscribe_event = DEVICE_STATE\n" : "",
			pm ? "publish_event => mwi\n" : "", sm ? "subscribe_event=mwi\n" : "");
		struct options *o = parse_good(text);

		assert_int_equal(options_publishes(o, EVENT_DEVICE_STATE), pd);
		assert_int_equal(options_subscribes(o, EVENT_DEVICE_STATE), sd);
		assert_int_equal(options_publishes(o, EVENT_MWI), pm);
		assert_int_equal(options_subscribes(o, EVENT_MWI), sm);
		options_free(o);
		free(text);
	}
}

static void test_several_channels(void **state)
{
	struct options *o = parse_good(ID DB
		"[mwi]\ntype=event_channel\npublish_event=mwi\nsubscribe_event=mwi\n"
		"[device_state]\ntype=event_channel\nsubscribe_event=device_state\n"
		"[both]\ntype=event_channel\npublish_event=device_state\npublish_event=mwi\n");

	(void)state;
	assert_string_equal(o->channels->name, "mwi");
	assert_true(o->channels->publish[EVENT_MWI]);
	assert_false(o->channels->publish[EVENT_DEVICE_STATE]);
	assert_string_equal(o->channels->next->name, "device_state");
	assert_false(o->channels->next->publish[EVENT_DEVICE_STATE]);
	assert_string_equal(o->channels->next->next->name, "both");
	assert_true(o->channels->next->next->publish[EVENT_DEVICE_STATE]);
	assert_null(o->channels->next->next->next);
	assert_true(options_publishes(o, EVENT_DEVICE_STATE));
	assert_string_equal(o->warnings, "");
	options_free(o);
}

static void test_unknown_events(void **state)
{
	(void)state;
	assert_error(ID DB "[c]\ntype=event_channel\npublish_event=devicestate\n"
					   "subscribe_event=weather\nsubscribe_event=\n",
		"/etc/x/p.conf:7: publish_event: unknown event 'devicestate'; did you mean "
		"'device_state'?; legal: device_state, mwi\n"
		"/etc/x/p.conf:8: subscribe_event: unknown event 'weather'; legal: device_state, "
		"mwi\n"
		"/etc/x/p.conf:9: subscribe_event: unknown event ''; legal: device_state, mwi\n");
}

static void test_warnings(void **state)
{
	struct options *o = parse_good(ID DB);

	(void)state;
	assert_string_equal(o->warnings, "/etc/x/p.conf: no event channel: nothing is shared "
									 "with other servers; add a section "
									 "with type=event_channel (see the sample)\n");
	options_free(o);
	o = parse_good(ID DB "[c]\ntype=event_channel\n");
	assert_string_equal(o->warnings,
		"/etc/x/p.conf: event channel [c] has neither "
		"publish_event nor subscribe_event: it does nothing\n");
	options_free(o);
}

static void test_long_socket(void **state)
{
	char dir[100];
	char *text;
	struct options *o;

	(void)state;
	memset(dir, 'd', sizeof(dir));
	/* "/" + 90 + "/pgdevstated.ctl" are 107 bytes. */
	dir[90] = '\0';
	text = mem_printf(ID "run_directory = /%s\n" DB, dir);
	o = parse_good(text);
	assert_int_equal(strlen(o->socket), 107);
	options_free(o);
	free(text);
	text = mem_printf(ID "run_directory = /%sx\n" DB, dir);
	assert_null(parse(text));
	assert_non_null(strstr(buf_str(&errors),
		"has a path of 108 bytes, the system allows 107; set a shorter run_directory or "
		"socket in [options]\n"));
	free(text);
}

static void test_entity_id_of_interfaces(void **state)
{
	struct options *o = parse(DB);
	struct entity_id id;

	(void)state;
	assert_non_null(o);
	assert_false(o->has_entity_id);
	if (entity_id_from_interfaces(&id))
		assert_true(entity_id_equal(&o->entity_id, &id));
	else
		assert_false(entity_id_usable(&o->entity_id));
	options_free(o);
}

static void test_errors_of_lines_too(void **state)
{
	(void)state;
	assert_error(ID "[foo](!)\ndebug = x\n#include \"y\"\n" DB,
		"/etc/x/p.conf:3: templates and additions, [section](!), are not supported; "
		"write it "
		"out\n"
		"/etc/x/p.conf:5: '#include \"y\"': #include, #exec and the like are not "
		"supported; "
		"put it in here\n"
		"/etc/x/p.conf:3: [foo] has no type; a section is [options], [postgresql] or an "
		"event "
		"channel with the line type=event_channel\n");
}

static void write_file(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/test_options.XXXXXX";
	char *file, *dialplan;
	struct options *o;

	(void)state;
	assert_non_null(mkdtemp(dir));
	file = mem_printf("%s/p.conf", dir);
	dialplan = mem_printf("%s/extensions.conf", dir);
	buf_reset(&errors);
	assert_null(options_read(file, &errors));
	assert_non_null(strstr(buf_str(&errors), "cannot be read: No such file or directory; "
											 "write one"));
	write_file(file, ID DB);
	buf_reset(&errors);
	o = options_read(file, &errors);
	assert_non_null(o);
	assert_string_equal(o->file, file);
	assert_string_equal(o->dialplan, "");
	options_free(o);
	write_file(dialplan, "");
	o = options_read(file, &errors);
	assert_non_null(o);
	assert_string_equal(o->dialplan, dialplan);
	options_free(o);
	unlink(dialplan);
	unlink(file);
	rmdir(dir);
	free(file);
	free(dialplan);
}

static void test_relative_file(void **state)
{
	struct options *o;
	char cwd[4096];
	char *expected;

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	buf_reset(&errors);
	o = options_parse("p.conf", ID DB, strlen(ID DB), &errors);
	assert_non_null(o);
	expected = mem_printf("%s/p.conf", cwd);
	assert_string_equal(o->file, expected);
	free(expected);
	options_free(o);
	o = options_parse(
		"/p.conf", ID "log_file=l\n" DB, strlen(ID "log_file=l\n" DB), &errors);
	assert_string_equal(o->log_file, "/l");
	options_free(o);
}

static void test_auto_entity_id(void **state)
{
	struct options *o = parse_good("[options]\nentity_id = Auto\n" DB);

	(void)state;
	assert_false(o->has_entity_id);
	options_free(o);
}

static void assert_diff(const char *old_text, const char *new_text, const char *diff)
{
	struct options *a = parse_good(old_text), *b = parse_good(new_text);
	struct buf out;

	buf_init(&out);
	options_diff(a, b, &out);
	assert_string_equal(buf_str(&out), diff);
	buf_clear(&out);
	options_free(a);
	options_free(b);
}

static void test_diff(void **state)
{
	(void)state;
	assert_diff(ID DB, ID DB, "");
	assert_diff(ID DB,
		ID "debug=1\nverbose=1\nstale_after=5\nannounce=no\ndialplan=/x\n" DB
		   "[c]\ntype=event_channel\npublish_event=mwi\n",
		"");
	assert_diff(ID DB,
		"[options]\nentity_id=00:00:00:00:00:01\nlease=11\nsystem_name=zz\nrundir=/x\n"
		"log_file=/l\n[postgresql]\nconninfo=dbname=y\n",
		"entity_id, system_name, run_directory, socket, link_socket, log_file, lease, "
		"conninfo");
}

/* ---- what is printed from the table ---- */

static void test_sample_is_good(void **state)
{
	struct buf out;
	struct options *o;

	(void)state;
	buf_init(&out);
	options_print_sample(&out);
	buf_reset(&errors);
	o = options_parse("/etc/x/p.conf", buf_str(&out), out.len, &errors);
	assert_non_null(o);
	assert_true(options_publishes(o, EVENT_MWI) && options_subscribes(o, EVENT_MWI) &&
				options_publishes(o, EVENT_DEVICE_STATE) &&
				options_subscribes(o, EVENT_DEVICE_STATE));
	options_free(o);
	buf_clear(&out);
}

/* With every example taken seriously. */
static void test_sample_examples_are_good(void **state)
{
	struct buf out;
	struct options *o;
	char *s;

	(void)state;
	buf_init(&out);
	options_print_sample(&out);
	for (s = out.data; (s = strstr(s, "\n;")); s++)
		if (s[2] >= 'a' && s[2] <= 'z')
			s[1] = ' ';
	o = parse_good(buf_str(&out));
	assert_entity(o, "01:23:45:67:89:ab");
	assert_string_equal(o->system_name, "server1");
	assert_string_equal(o->dialplan, "/etc/x/extensions.conf");
	options_free(o);
	buf_clear(&out);
}

static void test_sample_file(void **state)
{
	struct buf out, file;
	FILE *f = fopen("conf/pgdevstate.conf.sample", "r");
	int c;

	(void)state;
	assert_non_null(f); /* from the top of the tree */
	buf_init(&out);
	buf_init(&file);
	while ((c = getc(f)) != EOF)
		buf_addc(&file, (char)c);
	fclose(f);
	options_print_sample(&out);
	assert_string_equal(buf_str(&out), buf_str(&file));
	buf_clear(&out);
	buf_clear(&file);
}

static void test_every_option_is_shown(void **state)
{
	struct buf sample, table;
	char *name;
	size_t i;

	(void)state;
	buf_init(&sample);
	buf_init(&table);
	options_print_sample(&sample);
	options_print_table(&table);
	for (i = 0; i < option_count; i++) {
		assert_non_null(strstr(buf_str(&sample), option_table[i].name));
		name = mem_printf("| `%s`", option_table[i].name);
		assert_non_null(strstr(buf_str(&table), name));
		free(name);
		assert_true(option_table[i].def || option_table[i].default_help);
		assert_true(option_table[i].def || option_table[i].example);
	}
	assert_non_null(
		strstr(buf_str(&table), "| `[options]` | `lease` | 2 to 3600 seconds | 10 | no | "
								"A node that was not heard of "
								"for so long is dead: its states leave the sum. |\n"));
	buf_clear(&sample);
	buf_clear(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_empty_paths),
		cmocka_unit_test(test_given_twice),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_yes_and_no),
		cmocka_unit_test(test_unknown_options),
		cmocka_unit_test(test_unknown_sections),
		cmocka_unit_test(test_conninfo),
		cmocka_unit_test(test_all_four_combinations),
		cmocka_unit_test(test_several_channels),
		cmocka_unit_test(test_unknown_events),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_long_socket),
		cmocka_unit_test(test_entity_id_of_interfaces),
		cmocka_unit_test(test_errors_of_lines_too),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_relative_file),
		cmocka_unit_test(test_auto_entity_id),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_sample_is_good),
		cmocka_unit_test(test_sample_examples_are_good),
		cmocka_unit_test(test_sample_file),
		cmocka_unit_test(test_every_option_is_shown),
	};

	return cmocka_run_group_tests_name("options", tests, setup, teardown);
}

/* cmd_devstate.c and cmd.c: lists as the reader takes them, statements, changes. */
#include "command_fixture.h"

#define HEAD                                                                  \
	"---------------------------------------------------------------------\n" \
	"--- Device States across the cluster --------------------------------\n" \
	"---------------------------------------------------------------------\n" \
	"---\n"
#define FOOT(n)                                                               \
	"---\n"                                                                   \
	"---------------------------------------------------------------------\n" \
	"--- " n " devices\n"

static void test_list(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->app.node;

	assert_output(f, "devstate list", HEAD FOOT("0"));
	fake_says(n, n->self, "PJSIP/2", STATE_RINGING);
	fake_says(n, n->self, "Custom:a b", STATE_INUSE);
	fake_says(n, n->self, "PJSIP/1", STATE_NOT_INUSE);
	assert_output(f, "devstate list all",
		HEAD "--- Name: 'Custom:a b'  State: 'INUSE'\n"
			 "--- Name: 'PJSIP/1'  State: 'NOT_INUSE'\n"
			 "--- Name: 'PJSIP/2'  State: 'RINGING'\n" FOOT("3"));
	assert_output(f, "devstate list PJSIP/*",
		HEAD "--- Name: 'PJSIP/1'  State: 'NOT_INUSE'\n"
			 "--- Name: 'PJSIP/2'  State: 'RINGING'\n" FOOT("2"));
	assert_output(f, "devstate list \"Custom:a b\"",
		HEAD "--- Name: 'Custom:a b'  State: 'INUSE'\n" FOOT("1"));
}

/* A static entity may have the name of a node: who says it is told all the same. */
static void test_same_names(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->app.node;
	struct cache_entity *sql = fake_member(n, "02:23:45:67:89:ac", "server1", "");

	sql->who.is_static = true;
	fake_says(n, n->self, "Custom:x", STATE_BUSY);
	fake_says(n, sql, "Custom:x", STATE_INUSE);
	assert_int_equal(fixture_run(f, "devstate show Custom:x"), 0);
	assert_contains(buf_str(&f->out), "01:23:45:67:89:ab server1              BUSY       "
									  "       since 2008-11-23 12:00:00 UTC\n");
	assert_contains(buf_str(&f->out),
		"02:23:45:67:89:ac server1              INUSE             "
		"since 2008-11-23 12:00:00 UTC, set by SQL\n");
	json_t *o = fixture_json(f, "devstate show Custom:x");
	json_t *list = json_object_get(o, "statements");
	for (size_t i = 0; i < 2; i++) {
		json_t *one = json_array_get(list, i);
		bool first = strcmp(json_string_value(json_object_get(one, "entity_id")),
						 "01:23:45:67:89:ab") == 0;
		assert_string_equal(
			json_string_value(json_object_get(one, "kind")), first ? "node" : "static");
	}
	json_decref(o);
}

static void test_list_json(void **state)
{
	struct fixture *f = *state;
	json_t *list = fixture_json(f, "devstate list");

	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	fake_says(f->app.node, f->app.node->self, "PJSIP/\"\\1", STATE_BUSY);
	list = fixture_json(f, "devstate list all");
	json_t *one = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(one, "device")), "PJSIP/\"\\1");
	assert_string_equal(json_string_value(json_object_get(one, "state")), "BUSY");
	json_decref(list);
}

static void say_many(struct node *n, int count)
{
	char name[64];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "PJSIP/%06d", i);
		fake_says(n, n->self, name, STATE_INUSE);
	}
}

static size_t lines(const struct buf *b)
{
	size_t count = 0;

	for (size_t i = 0; i < b->len; i++)
		count += b->data[i] == '\n';
	return count;
}

/* A reader that stops costs nothing more than what it has not taken. */
static void test_list_waits_for_the_reader(void **state)
{
	struct fixture *f = *state;
	char gone[64];

	say_many(f->app.node, 30000);
	f->full = true;
	fixture_start(f, "devstate list", false);
	assert_int_equal(f->status, -1);
	assert_true(f->out.len < 1000);
	command_more(f->call);
	assert_true(f->out.len < 1000);
	f->full = false;
	command_more(f->call);
	assert_true(lines(&f->out) > 900 && lines(&f->out) < 1100);    /* a slice */
	for (int i = 0; i == 0 || strstr(buf_str(&f->out), gone); i++) /* not told yet */
		snprintf(gone, sizeof(gone), "PJSIP/%06d", i);
	cache_remove(f->app.node->cache, f->app.node->self, KEY_DEVICE, gone);
	fixture_finish(f);
	assert_int_equal(lines(&f->out), 4 + 29999 + 3);
}

static void test_list_is_abandoned(void **state)
{
	struct fixture *f = *state;

	say_many(f->app.node, 5000);
	fixture_start(f, "devstate list", true);
	assert_int_equal(f->status, -1); /* the teardown frees it: nothing may leak */
}

static json_t *statement_of(json_t *answer, const char *name)
{
	json_t *statement;
	size_t i;

	json_array_foreach(json_object_get(answer, "statements"), i, statement)
	{
		if (strcmp(json_string_value(json_object_get(statement, "name")), name) == 0)
			return statement;
	}
	return NULL;
}

static void test_show(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->app.node;
	struct cache_entity *other = fake_member(n, "01:23:45:67:89:ac", "server2", "h");

	fake_says(n, n->self, "PJSIP/1", STATE_INUSE);
	fake_says(n, other, "PJSIP/1", STATE_RINGING);
	assert_int_equal(fixture_run(f, "devstate show PJSIP/1"), 0);
	assert_contains(buf_str(&f->out), "  State:                       RINGINUSE\n");
	assert_contains(buf_str(&f->out), "  Entities that count:         2\n");
	assert_contains(
		buf_str(&f->out), "  01:23:45:67:89:ab server1              INUSE        ");
	cache_entity_flags(n->cache, other, false, true);
	assert_int_equal(fixture_run(f, "devstate show PJSIP/1"), 0);
	assert_contains(buf_str(&f->out), "  State:                       INUSE\n");
	assert_contains(buf_str(&f->out), ", does not count: the entity is not alive\n");
	cache_entity_flags(n->cache, other, true, false);
	json_t *o = fixture_json(f, "devstate show PJSIP/1");
	json_t *statement = statement_of(o, "server2");
	assert_true(json_is_false(json_object_get(statement, "counts")));
	assert_contains(
		json_string_value(json_object_get(statement, "why_not")), "not reporting");
	json_decref(o);
}

static void test_show_nobody(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_run(f, "devstate show Custom:x"), 0);
	assert_contains(buf_str(&f->out), "  State:                       UNKNOWN\n");
	assert_contains(buf_str(&f->out), "  Nobody says anything of it.\n");
	assert_int_equal(fixture_run(f, "devstate show PJSIP/9"), 0);
	assert_contains(buf_str(&f->out), "  State:                       INVALID\n");
}

static void test_change(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->app.node;

	assert_output(
		f, "devstate change Custom:night INUSE", "Changing Custom:night to INUSE\n");
	assert_string_equal(buf_str(&n->said), "set device Custom:night INUSE 0/0/0 held\n");
	buf_reset(&n->said);
	assert_output(f, "devstate change \"Custom:a \\\"b\\\\;=|\" ringing",
		"Changing Custom:a \"b\\;=| to RINGING\n");
	assert_string_equal(
		buf_str(&n->said), "set device Custom:a \"b\\;=| RINGING 0/0/0 held\n");
}

static void test_change_is_kept(void **state)
{
	struct fixture *f = *state;

	f->app.node->status.phase = NODE_DOWN;
	f->app.node->status.last_error = "no route to host";
	fixture_start(f, "devstate change Custom:x BUSY", false);
	assert_int_equal(f->status, -1);
	fake_ack(f->app.node, false);
	assert_int_equal(f->status, 0);
	assert_contains(buf_str(&f->out),
		"has not acknowledged it within 2 s (down: no route to host)"
		": it is kept, and will be delivered.\n");
	json_t *o = fixture_json(f, "devstate change Custom:x BUSY");
	assert_true(json_is_true(json_object_get(o, "acknowledged")));
	json_decref(o);
}

static void test_change_is_abandoned(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "devstate change Custom:x BUSY", false);
	assert_non_null(f->app.node->acked_arg);
	command_free(f->call);
	f->call = NULL;
	assert_null(f->app.node->acked_arg);
}

static void test_change_refused(void **state)
{
	struct fixture *f = *state;

	assert_fails(f, "devstate change Custom:x SLEEPING",
		"'SLEEPING' is no device state; states are UNKNOWN, NOT_INUSE, INUSE");
	assert_fails(f, "devstate change \"\" BUSY", "is no device name");
	assert_fails(f, "devstate change \"Custom:a\tb\" BUSY", "control character");
	assert_fails(f, "devstate change Custom:x", "Usage: devstate change DEVICE STATE");
	assert_fails(f, "devstate change Custom:x INUSE now", "Usage: ");
	f->app.node->status.phase = NODE_REFUSED;
	f->app.node->status.holder = "server9 (host h9, pid 99)";
	assert_fails(f, "devstate change Custom:x INUSE",
		"its entity id is in use by server9 (host h9, pid 99)");
	assert_string_equal(buf_str(&f->app.node->said), "");
}

static void test_change_unpublished(void **state)
{
	struct fixture *f = *state;

	f->channels[1].publish[EVENT_DEVICE_STATE] = false;
	assert_int_equal(fixture_run(f, "devstate change Custom:x INUSE"), 0);
	assert_contains(buf_str(&f->out), "no event channel publishes device_state");
}

static void test_remove(void **state)
{
	struct fixture *f = *state;

	assert_fails(f, "devstate remove Custom:x", "This node says nothing about Custom:x");
	fake_says(f->app.node, f->app.node->self, "Custom:x", STATE_BUSY);
	assert_output(
		f, "devstate remove Custom:x", "Removing what this node says about Custom:x\n");
	assert_string_equal(buf_str(&f->app.node->said), "remove device Custom:x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_list),
		fixture_test(test_same_names),
		fixture_test(test_list_json),
		fixture_test(test_list_waits_for_the_reader),
		fixture_test(test_list_is_abandoned),
		fixture_test(test_show),
		fixture_test(test_show_nobody),
		fixture_test(test_change),
		fixture_test(test_change_is_kept),
		fixture_test(test_change_is_abandoned),
		fixture_test(test_change_refused),
		fixture_test(test_change_unpublished),
		fixture_test(test_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

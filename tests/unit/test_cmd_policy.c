/* cmd_policy.c */
#include "command_fixture.h"

static void test_show(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->app.node;

	assert_output(f, "policy show",
		"Kind       Policy     Pattern\n"
		"0 policies; what no pattern matches: devices aggregate, mailboxes latest\n");
	fake_policy(n, KEY_DEVICE, "Custom:*", POLICY_LATEST);
	assert_output(f, "policy show",
		"Kind       Policy     Pattern\n"
		"device     latest     Custom:*\n"
		"1 policy; what no pattern matches: devices aggregate, mailboxes latest\n");
	fake_policy(n, KEY_DEVICE, "PJSIP/1000", POLICY_LOCAL);
	fake_policy(n, KEY_MAILBOX, "*@d", POLICY_SUM);
	assert_output(f, "policy show",
		"Kind       Policy     Pattern\n"
		"device     local      PJSIP/1000\n"
		"device     latest     Custom:*\n"
		"mailbox    sum        *@d\n"
		"3 policies; what no pattern matches: devices aggregate, mailboxes latest\n");
	json_t *list = fixture_json(f, "policy show");
	assert_int_equal(json_array_size(list), 3);
	json_t *first = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(first, "kind")), "device");
	assert_string_equal(json_string_value(json_object_get(first, "policy")), "local");
	assert_string_equal(
		json_string_value(json_object_get(first, "pattern")), "PJSIP/1000");
	json_decref(list);
}

/* Asks for a change, and answers it with `wrong`. */
static int change(struct fixture *f, const char *line, const char *wrong)
{
	fixture_start(f, line, false);
	assert_false(f->call->ended);
	fake_policy_set(f->app.node, wrong);
	assert_true(f->call->ended);
	return f->call->status;
}

static void test_change(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->app.node;

	assert_int_equal(change(f, "policy set device Custom:* Latest", ""), 0);
	assert_string_equal(buf_str(&f->out), "Setting policy latest for device Custom:*\n");
	fixture_finish(f);
	assert_int_equal(change(f, "policy clear mailbox *@d", ""), 0);
	assert_string_equal(buf_str(&f->out), "Clearing the policy of mailbox *@d\n");
	fixture_finish(f);
	assert_string_equal(
		buf_str(&n->said), "policy device Custom:* latest\npolicy mailbox *@d -\n");
	assert_int_equal(change(f, "policy set device x local", "you may not"), 1);
	assert_contains(buf_str(&f->err), "The policies were not changed: you may not");
	fixture_finish(f);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;

	assert_fails(f, "policy set devices x latest",
		"'devices' is no kind of key; kinds are device, mailbox");
	assert_fails(f, "policy set device \"\" latest", "'' is no pattern: it is empty");
	assert_fails(f, "policy set mailbox 1000 sum", "'1000' is no pattern: ");
	assert_fails(f, "policy set device 'Custom:*' latest",
		"Single quotes would be part of the pattern 'Custom:*': leave them out");
	assert_fails(f, "policy set device x max",
		"'max' is no policy of a device; policies are aggregate, latest, local");
	assert_fails(f, "policy clear thing x", "'thing' is no kind of key");
	assert_fails(f, "policy set device x", "Usage: policy set KIND PATTERN POLICY");
	assert_string_equal(buf_str(&f->app.node->said), "");
	f->app.node->status.phase = NODE_DOWN;
	assert_fails(f, "policy set device x latest",
		"Cannot change policies now: not connected to the database");
}

/* One at a time; who leaves is not called back. */
static void test_one_at_a_time(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "policy set device x latest", false);
	assert_non_null(f->app.node->policy_arg);
	command_free(f->call);
	f->call = NULL;
	assert_null(f->app.node->policy_arg);
	f->app.node->policy_arg = f; /* somebody else's */
	assert_fails(f, "policy clear device x",
		"Cannot change policies now: another change is under way");
	f->app.node->policy_arg = NULL;
}

static void test_shown_with_a_key(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->app.node;

	assert_int_equal(fixture_run(f, "devstate show Custom:x"), 0);
	assert_contains(buf_str(&f->out), "  Policy:                      aggregate\n");
	fake_policy(n, KEY_DEVICE, "Custom:*", POLICY_LATEST);
	fake_says(n, n->self, "Custom:x", STATE_INUSE);
	assert_int_equal(fixture_run(f, "devstate show Custom:x"), 0);
	assert_contains(buf_str(&f->out), "  Policy:                      latest\n"
									  "  By pattern:                  Custom:*\n"
									  "  Last word:                   server1\n");
	json_t *o = fixture_json(f, "devstate show Custom:x");
	assert_string_equal(json_string_value(json_object_get(o, "policy")), "latest");
	assert_string_equal(json_string_value(json_object_get(o, "writer")), "server1");
	json_decref(o);
	assert_int_equal(fixture_run(f, "mailbox show 1000"), 0);
	assert_contains(buf_str(&f->out), "  Policy:                      latest\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_show),
		fixture_test(test_change),
		fixture_test(test_refused),
		fixture_test(test_one_at_a_time),
		fixture_test(test_shown_with_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

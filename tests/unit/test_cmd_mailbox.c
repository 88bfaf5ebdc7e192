/* cmd_mailbox.c */
#include "command_fixture.h"

static void test_set(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->app.node;

	assert_output(f, "mailbox set 1000 2/1",
		"Setting 1000@default to 2 new, 1 old, 0 urgent messages\n");
	assert_output(f, "mailbox set 1000@office 3 2 1",
		"Setting 1000@office to 3 new, 2 old, 1 urgent messages\n");
	assert_string_equal(buf_str(&n->said),
		"set mailbox 1000@default UNKNOWN 2/1/0 held\n"
		"set mailbox 1000@office UNKNOWN 3/2/1 held\n");
	assert_output(f, "mailbox list",
		"1000@default                   New: 2     Old: 1     Urgent: 0     by server1\n"
		"1000@office                    New: 3     Old: 2     Urgent: 1     by server1\n"
		"2 mailboxes\n");
	assert_int_equal(fixture_run(f, "mailbox list *@office"), 0);
	assert_contains(buf_str(&f->out), "\n1 mailboxes\n");
}

static void test_set_refused(void **state)
{
	struct fixture *f = *state;

	assert_fails(
		f, "mailbox set 1000 two", "'two' is not NEW, NEW/OLD or NEW/OLD/URGENT: ");
	assert_fails(f, "mailbox set 1000 1/2/3/4", "'1/2/3/4' is not");
	assert_fails(f, "mailbox set 1000 1 -1", "'1/-1' is not");
	assert_fails(f, "mailbox set \"\" 1", "'' is no mailbox: ");
	assert_fails(f, "mailbox set 1000", "Usage: mailbox set MAILBOX[@CONTEXT] NEW");
	f->app.node->status.phase = NODE_REFUSED;
	assert_fails(f, "mailbox set 1000 1", "This node may not write");
	assert_string_equal(buf_str(&f->app.node->said), "");
}

static void test_show(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_run(f, "mailbox show 1000"), 0);
	assert_contains(buf_str(&f->out), "  Mailbox:                     1000@default\n");
	assert_contains(buf_str(&f->out), "  Nobody says anything of it.\n");
	assert_int_equal(fixture_run(f, "mailbox set 1000 2/1"), 0);
	assert_int_equal(fixture_run(f, "mailbox show 1000"), 0);
	assert_contains(buf_str(&f->out), "  New messages:                2\n");
	assert_contains(buf_str(&f->out), "new 2 old 1 urgent 0 held since ");
	assert_contains(buf_str(&f->out), ", the last change\n");
	json_t *o = fixture_json(f, "mailbox show 1000");
	assert_int_equal(json_integer_value(json_object_get(o, "new")), 2);
	assert_int_equal(json_array_size(json_object_get(o, "statements")), 1);
	json_decref(o);
}

static void test_remove(void **state)
{
	struct fixture *f = *state;

	assert_fails(f, "mailbox remove 1000", "This node says nothing about 1000@default");
	assert_int_equal(fixture_run(f, "mailbox set 1000 2/1"), 0);
	assert_output(f, "mailbox remove 1000@default",
		"Removing what this node says about 1000@default\n");
	json_t *list = fixture_json(f, "mailbox list");
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_set),
		fixture_test(test_set_refused),
		fixture_test(test_show),
		fixture_test(test_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Layer 3: commands about mailboxes: mailbox ... */
#include "cmd.h"
#include "node.h"

static bool parse(struct call *c, char key[KEY_MAX_BYTES + 1])
{
	const char *why;

	if (mailbox_parse(c->argv[0], key, &why))
		return true;
	call_fail(c, "'%s' is no mailbox: %s", c->argv[0], why);
	return false;
}

static bool one_mailbox(struct call *c, struct listing *l)
{
	const char *key = cmd_list_next_key(l);
	struct sum sum;

	if (!key)
		return false;
	cache_sum(node_cache(c->app->node), KEY_MAILBOX, key, &sum);
	if (sum.entities == 0)
		return true;
	const char *writer = sum.writer ? cmd_entity_name(sum.writer) : "";
	reply_printf(&c->reply, "%-30s New: %-5u Old: %-5u Urgent: %-5u by %s\n", key,
		sum.value.fresh, sum.value.old, sum.value.urgent, writer);
	if (c->reply.json)
		reply_item(&c->reply,
			json_pack("{s:o, s:I, s:I, s:I, s:o}", "mailbox", reply_string(key), "new",
				(json_int_t)sum.value.fresh, "old", (json_int_t)sum.value.old, "urgent",
				(json_int_t)sum.value.urgent, "entity", reply_string(writer)));
	l->listed++;
	return true;
}

static void end_mailboxes(struct call *c, struct listing *l)
{
	reply_printf(&c->reply, "%lld mailboxes\n", (long long)l->listed);
}

static void list(struct call *c)
{
	cmd_list_keys(
		c, KEY_MAILBOX, c->argc ? c->argv[0] : NULL, one_mailbox, end_mailboxes);
}

static void show(struct call *c)
{
	char key[KEY_MAX_BYTES + 1];
	struct sum sum;

	if (!parse(c, key))
		return;
	cache_sum(node_cache(c->app->node), KEY_MAILBOX, key, &sum);
	reply_field(&c->reply, "Mailbox", "mailbox", "%s", key);
	reply_number(&c->reply, "New messages", "new", sum.value.fresh);
	reply_number(&c->reply, "Old messages", "old", sum.value.old);
	reply_number(&c->reply, "Urgent messages", "urgent", sum.value.urgent);
	reply_number(&c->reply, "Entities that count", "entities", sum.entities);
	cmd_show_policy(c, KEY_MAILBOX, key, &sum);
	cmd_show_statements(c, KEY_MAILBOX, key);
	call_end(c, 0);
}

/* "2/1/0" or "2 1 0" */
static bool parse_counts(struct call *c, struct value *v)
{
	struct buf text;
	const char *why;

	buf_init(&text);
	for (int i = 1; i < c->argc; i++)
		buf_addf(&text, i > 1 ? "/%s" : "%s", c->argv[i]);
	bool ok = counts_parse(buf_str(&text), v, &why);
	if (!ok)
		call_fail(
			c, "'%s' is not NEW, NEW/OLD or NEW/OLD/URGENT: %s", buf_str(&text), why);
	buf_clear(&text);
	return ok;
}

static void set(struct call *c)
{
	char key[KEY_MAX_BYTES + 1];
	struct value v = {.state = STATE_UNKNOWN};

	if (!parse(c, key) || !parse_counts(c, &v) || !cmd_may_write(c, KEY_MAILBOX))
		return;
	v.held = true;
	reply_printf(&c->reply, "Setting %s to %u new, %u old, %u urgent messages\n", key,
		v.fresh, v.old, v.urgent);
	reply_set(&c->reply, "mailbox", reply_string(key));
	reply_set(&c->reply, "new", json_integer(v.fresh));
	reply_set(&c->reply, "old", json_integer(v.old));
	reply_set(&c->reply, "urgent", json_integer(v.urgent));
	c->release = cmd_forget_acked;
	node_set(cmd_node(c), KEY_MAILBOX, key, &v);
	cmd_end_acked(c);
}

static void remove_mailbox(struct call *c)
{
	char key[KEY_MAX_BYTES + 1];

	if (!parse(c, key) || !cmd_may_write(c, KEY_MAILBOX))
		return;
	if (!node_remove(cmd_node(c), KEY_MAILBOX, key)) {
		call_fail(
			c, "This node says nothing about %s ('mailbox show' tells who does)", key);
		return;
	}
	reply_printf(&c->reply, "Removing what this node says about %s\n", key);
	reply_set(&c->reply, "mailbox", reply_string(key));
	c->release = cmd_forget_acked;
	cmd_end_acked(c);
}

static void complete(struct completion *out, int arg)
{
	if (arg == 0)
		cmd_complete_mailboxes(out);
}

const struct command cmd_mailbox[] = {
	{"mailbox list", "[all|PATTERN]", 0, 1, "List mailboxes and their messages",
		"PATTERN is a name with *, ? and [...], as in a shell: mailbox list *@default",
		NULL, list, complete},
	{"mailbox show", "MAILBOX[@CONTEXT]", 1, 1, "Show who says what about a mailbox",
		NULL, NULL, show, complete},
	{"mailbox set", "MAILBOX[@CONTEXT] NEW[/OLD[/URGENT]]", 2, 4,
		"Set how many messages a mailbox has",
		"The counts may also be divided by blanks: mailbox set 1000 2 1 0\n"
		"The context is 'default' when none is given.",
		NULL, set, complete},
	{"mailbox remove", "MAILBOX[@CONTEXT]", 1, 1,
		"Take back what this node says about a mailbox", NULL, NULL, remove_mailbox,
		complete},
	{.words = NULL},
};

/* Layer 3: commands about devices: devstate ... */
#include "cmd.h"
#include "node.h"

#define DASHES "---------------------------------------------------------------------\n"

static bool check(struct call *c)
{
	const char *why;

	if (device_check(c->argv[0], &why))
		return true;
	call_fail(c, "'%s' is no device name: %s", c->argv[0], why);
	return false;
}

static bool one_device(struct call *c, struct listing *l)
{
	const char *key = cmd_list_next_key(l);
	struct sum sum;

	if (!key)
		return false;
	cache_sum(node_cache(c->app->node), KEY_DEVICE, key, &sum);
	if (sum.entities == 0)
		return true;
	reply_printf(
		&c->reply, "--- Name: '%s'  State: '%s'\n", key, state_name(sum.value.state));
	if (c->reply.json)
		reply_item(
			&c->reply, json_pack("{s:o, s:s, s:i}", "device", reply_string(key), "state",
						   state_name(sum.value.state), "entities", sum.entities));
	l->listed++;
	return true;
}

static void end_devices(struct call *c, struct listing *l)
{
	reply_printf(&c->reply, "---\n" DASHES "--- %lld devices\n", (long long)l->listed);
}

static void list(struct call *c)
{
	reply_printf(&c->reply, DASHES
		"--- Device States across the cluster --------------------------------\n" DASHES
		"---\n");
	cmd_list_keys(c, KEY_DEVICE, c->argc ? c->argv[0] : NULL, one_device, end_devices);
}

static void show(struct call *c)
{
	struct sum sum;

	if (!check(c))
		return;
	cache_sum(node_cache(c->app->node), KEY_DEVICE, c->argv[0], &sum);
	reply_field(&c->reply, "Device", "device", "%s", c->argv[0]);
	reply_field(&c->reply, "State", "state", "%s", state_name(sum.value.state));
	reply_field(&c->reply, "Shown as", "label", "%s", state_label(sum.value.state));
	reply_number(&c->reply, "Entities that count", "entities", sum.entities);
	cmd_show_policy(c, KEY_DEVICE, c->argv[0], &sum);
	cmd_show_statements(c, KEY_DEVICE, c->argv[0]);
	call_end(c, 0);
}

static void change(struct call *c)
{
	struct value v = {.held = true};

	if (!check(c))
		return;
	if (!state_parse(c->argv[1], &v.state)) {
		call_fail(
			c, "'%s' is no device state; states are %s", c->argv[1], state_all_names());
		return;
	}
	if (!cmd_may_write(c, KEY_DEVICE))
		return;
	reply_printf(&c->reply, "Changing %s to %s\n", c->argv[0], state_name(v.state));
	reply_set(&c->reply, "device", reply_string(c->argv[0]));
	reply_set(&c->reply, "state", json_string(state_name(v.state)));
	c->release = cmd_forget_acked;
	node_set(cmd_node(c), KEY_DEVICE, c->argv[0], &v);
	cmd_end_acked(c);
}

static void remove_device(struct call *c)
{
	if (!check(c) || !cmd_may_write(c, KEY_DEVICE))
		return;
	if (!node_remove(cmd_node(c), KEY_DEVICE, c->argv[0])) {
		call_fail(c, "This node says nothing about %s ('devstate show' tells who does)",
			c->argv[0]);
		return;
	}
	reply_printf(&c->reply, "Removing what this node says about %s\n", c->argv[0]);
	reply_set(&c->reply, "device", reply_string(c->argv[0]));
	c->release = cmd_forget_acked;
	cmd_end_acked(c);
}

static void complete_pattern(struct completion *out, int arg)
{
	(void)arg;
	completion_offer(out, "all");
	cmd_complete_devices(out);
}

static void complete_device(struct completion *out, int arg)
{
	if (arg == 0) {
		cmd_complete_devices(out);
		return;
	}
	for (int s = 0; s < STATE_COUNT; s++)
		completion_offer(out, state_name((enum device_state)s));
}

const struct command cmd_devstate[] = {
	{"devstate list", "[all|PATTERN]", 0, 1,
		"List devices and their states across the cluster",
		"PATTERN is a name with *, ? and [...], as in a shell: devstate list PJSIP/*\n"
		"Lists of more than 20,000 devices are not sorted.",
		NULL, list, complete_pattern},
	{"devstate show", "DEVICE", 1, 1, "Show who says what about a device, and the sum",
		NULL, NULL, show, complete_device},
	{"devstate change", "DEVICE STATE", 2, 2, "Set what this node says about a device",
		"It stays until it is changed or removed, also when the node is restarted.", NULL,
		change, complete_device},
	{"devstate remove", "DEVICE", 1, 1, "Take back what this node says about a device",
		NULL, NULL, remove_device, complete_device},
	{.words = NULL},
};

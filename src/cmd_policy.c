/* Layer 3: commands about policies: policy ... */
#include <string.h>

#include "cmd.h"
#include "node.h"

static bool parse_kind(struct call *c, enum key_kind *out)
{
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		if (strcmp(c->argv[0], key_kind_name((enum key_kind)kind)) == 0) {
			*out = (enum key_kind)kind;
			return true;
		}
	}
	call_fail(c, "'%s' is no kind of key; kinds are device, mailbox", c->argv[0]);
	return false;
}

static bool parse_pattern(struct call *c, enum key_kind kind)
{
	const char *why;

	if (!policy_pattern_check(kind, c->argv[1], &why)) {
		call_fail(c, "'%s' is no pattern: %s", c->argv[1], why);
		return false;
	}
	return true;
}

/* Who is used to a shell sets a policy in quotes, for names that nobody has, and sees
 * nothing happen. */
static bool refuse_quotes(struct call *c)
{
	const char *pattern = c->argv[1];
	size_t len = strlen(pattern);

	if (len < 2 || pattern[0] != '\'' || pattern[len - 1] != '\'')
		return false;
	call_fail(c,
		"Single quotes would be part of the pattern %s: leave them out; double quotes "
		"keep blanks",
		pattern);
	return true;
}

static void show_rule(struct reply *r, const struct policy_rule *rule)
{
	reply_printf(r, "%-10s %-10s %s\n", key_kind_name(rule->kind),
		policy_name(rule->policy), rule->pattern);
	if (r->json)
		reply_item(
			r, json_pack("{s:s, s:o, s:s}", "kind", key_kind_name(rule->kind), "pattern",
				   reply_string(rule->pattern), "policy", policy_name(rule->policy)));
}

static void show(struct call *c)
{
	const struct policies *p = node_policies(c->app->node);
	int n = policies_count(p);

	reply_list(&c->reply);
	reply_printf(&c->reply, "%-10s %-10s %s\n", "Kind", "Policy", "Pattern");
	for (int i = 0; i < n; i++)
		show_rule(&c->reply, policies_at(p, i));
	reply_printf(&c->reply,
		"%d polic%s; what no pattern matches: devices %s, mailboxes %s\n", n,
		n == 1 ? "y" : "ies", policy_name(policy_default(KEY_DEVICE)),
		policy_name(policy_default(KEY_MAILBOX)));
	call_end(c, 0);
}

static void changed(void *arg, const char *wrong)
{
	struct call *c = arg;

	if (*wrong)
		call_fail(c, "The policies were not changed: %s", wrong);
	else
		call_end(c, 0);
}

static void forget(struct call *c)
{
	node_cancel_policy(c->app->node, c);
}

static void change(struct call *c, enum key_kind kind, const char *policy)
{
	struct node_status status;

	reply_set(&c->reply, "kind", json_string(key_kind_name(kind)));
	reply_set(&c->reply, "pattern", reply_string(c->argv[1]));
	reply_set(&c->reply, "policy", policy ? json_string(policy) : json_null());
	c->release = forget;
	if (node_set_policy(cmd_node(c), kind, c->argv[1], policy, changed, c))
		return;
	node_get_status(c->app->node, &status);
	call_fail(c, "Cannot change policies now: %s",
		status.phase == NODE_READY ? "another change is under way"
								   : "not connected to the database");
}

static void set(struct call *c)
{
	enum key_kind kind;
	enum policy policy;

	if (!parse_kind(c, &kind) || refuse_quotes(c) || !parse_pattern(c, kind))
		return;
	if (!policy_parse(kind, c->argv[2], &policy)) {
		call_fail(c, "'%s' is no policy of a %s; policies are %s", c->argv[2],
			key_kind_name(kind), policy_all_names(kind));
		return;
	}
	reply_printf(&c->reply, "Setting policy %s for %s %s\n", policy_name(policy),
		key_kind_name(kind), c->argv[1]);
	change(c, kind, policy_name(policy));
}

static void clear(struct call *c)
{
	enum key_kind kind;

	if (!parse_kind(c, &kind) || !parse_pattern(c, kind))
		return;
	reply_printf(
		&c->reply, "Clearing the policy of %s %s\n", key_kind_name(kind), c->argv[1]);
	change(c, kind, NULL);
}

static void complete_patterns(struct completion *out)
{
	const struct policies *p = node_policies(out->app->node);

	for (int i = 0; i < policies_count(p); i++) {
		if (!completion_offer(out, policies_at(p, i)->pattern))
			break;
	}
}

static void complete(struct completion *out, int arg)
{
	if (arg == 0) {
		completion_offer(out, "device");
		completion_offer(out, "mailbox");
	} else if (arg == 1) {
		complete_patterns(out);
	} else {
		for (int p = 0; p < POLICY_COUNT; p++)
			completion_offer(out, policy_name((enum policy)p));
	}
}

static void complete_clear(struct completion *out, int arg)
{
	if (arg < 2)
		complete(out, arg);
}

const struct command cmd_policy[] = {
	{"policy show", "", 0, 0, "Show the policies of the cluster",
		"'devstate show' and 'mailbox show' tell which one applies.", NULL, show, NULL},
	{"policy set", "KIND PATTERN POLICY", 3, 3,
		"Set how what several servers say becomes one value",
		"KIND is device or mailbox, PATTERN a name or MAILBOX@CONTEXT with * and ?.\n"
		"Policies of a device: aggregate (added up, the default), latest (the last word "
		"wins), local (not shared);\n"
		"of a mailbox: latest (the default), sum, max.\n"
		"It holds for the whole cluster, and needs an administrator's right in the "
		"database.",
		NULL, set, complete},
	{"policy clear", "KIND PATTERN", 2, 2, "Take back the policy of a pattern", NULL,
		NULL, clear, complete_clear},
	{.words = NULL},
};

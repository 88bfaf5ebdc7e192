/* Layer 3: help: the list of commands, and what one of them wants. */
#include "command.h"

#include "command_match.h"

static json_t *command_json(const struct command *cmd)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "command", cmd->words, "arguments",
		cmd->args, "summary", cmd->summary);

	if (cmd->help)
		json_object_set_new(o, "help", json_string(cmd->help));
	if (cmd->alias_of)
		json_object_set_new(o, "alias_of", json_string(cmd->alias_of));
	return o;
}

static void list_command(struct call *c, const struct command *cmd)
{
	reply_printf(&c->reply, "%30s  %s\n", cmd->words, cmd->summary);
	if (c->reply.json)
		reply_item(&c->reply, command_json(cmd));
}

void command_print_usage(const struct command *cmd, struct buf *out)
{
	buf_addf(out, "Usage: %s%s%s", cmd->words, *cmd->args ? " " : "", cmd->args);
}

static void explain(struct call *c, const struct command *cmd)
{
	struct buf usage;

	buf_init(&usage);
	command_print_usage(cmd, &usage);
	reply_printf(&c->reply, "%s\n       %s.\n", buf_str(&usage), cmd->summary);
	if (cmd->alias_of)
		reply_printf(&c->reply, "       The same as '%s'.\n", cmd->alias_of);
	if (cmd->help)
		reply_printf(&c->reply, "\n%s\n", cmd->help);
	if (c->reply.json)
		reply_item(&c->reply, command_json(cmd));
	buf_clear(&usage);
	call_end(c, 0);
}

void command_help(struct call *c, int argc, char **argv)
{
	struct match m;

	match_words(argc, argv, &m);
	if (m.kind == MATCH_NONE) {
		command_fail_unknown(c, argc, argv);
		return;
	}
	if (m.kind == MATCH_FOUND) {
		explain(c, m.commands[0]);
		return;
	}
	reply_list(&c->reply);
	for (int i = 0; i < m.count; i++)
		list_command(c, m.commands[i]);
	call_end(c, 0);
}

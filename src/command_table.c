/* Layer 3: all commands, in the order that help lists them in. */
#include "command.h"

const struct command *const command_tables[] = {cmd_cluster, cmd_devstate, cmd_mailbox,
	cmd_policy, cmd_dialplan, cmd_link, cmd_core, NULL};

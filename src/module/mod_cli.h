/* Stage 1, in Asterisk: the module's console commands. */
#ifndef MOD_CLI_H
#define MOD_CLI_H

void cli_start(void);
void cli_stop(void);

#endif

/* The client without a terminal: one command, or a script of them. Return exit statuses.
 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdio.h>

#include "remote.h"

enum exit_status { EXIT_DONE, EXIT_COMMAND_FAILED, EXIT_NOT_CONNECTED };

int run_once(const char *path, bool json, const char *command);
int run_script(const char *path, bool json, FILE *in);

/*
 * Sends one command and shows what comes. `interrupted` (may be NULL) is looked at when a
 * signal came: the command is then given up. False: the connection is gone, which was
 * told.
 */
bool run_command(
	struct remote *s, const char *command, volatile int *interrupted, int *status);

#endif

/* The client at a terminal: line editing, history, completion, log lines above the
 * prompt. */
#ifndef INTERACTIVE_H
#define INTERACTIVE_H

#include <stdbool.h>

int interactive_run(const char *path, bool json); /* the exit status */

#endif

/*
 * Stage 9: console.
 * In:    frames of clients on a unix socket; lines of the log.
 * Out:   commands (command.h); their output, log lines and completions to the clients.
 * Owns:  the socket, the clients, the command that each of them runs.
 * Never: waits for a client: who does not read is dropped.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

struct app;
struct call;
struct console;

/* NULL: *error says why (caller frees). */
struct console *console_new(struct app *app, const char *path, char **error);
/* Says goodbye; commands that still run are cancelled. free(NULL) is legal. */
void console_free(struct console *c);

/* A line for the people at all interactive consoles but the one that runs `except`. */
void console_verbose(struct console *c, const char *line, const struct call *except);

#endif

/* The client's side of the console: one connection to a daemon. Blocking, with deadlines.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include <stdbool.h>

#include "frame.h"

struct remote {
	int fd;
	int wake_fd; /* a pipe that signal handlers write to, so that a wait ends; -1: none */
	char *path;
	char *system_name, *version; /* of the daemon */
	int pid;
	int lists; /* asked for, and not come yet; they come in order */
	struct frame_reader in;
};

/* `mode`: "once", "script" or "interactive". NULL: *error says why (caller frees). */
struct remote *remote_open(const char *path, const char *mode, bool json, char **error);
void remote_close(struct remote *s); /* free(NULL) is legal */

bool remote_send(struct remote *s, enum frame_type type, const char *data, size_t len);

enum remote_got { REMOTE_FRAME, REMOTE_NOTHING, REMOTE_CLOSED };
/*
 * The next frame, without lists that were asked for before the last one; waits up to
 * timeout_ms for it (-1: for ever). NOTHING: none in time, or a signal came. CLOSED: *why
 * says what happened. A signal ends the wait.
 */
enum remote_got remote_next(
	struct remote *s, int timeout_ms, struct frame *out, const char **why);

#endif

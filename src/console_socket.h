/* Layer 0: the console's unix socket: made so that two daemons never share or steal one.
 */
#ifndef CONSOLE_SOCKET_H
#define CONSOLE_SOCKET_H

#include <sys/types.h>

struct console_socket {
	int fd;
	char *path;
	dev_t dev; /* which file it is: so that only one's own is removed */
	ino_t ino;
};

/*
 * Listens at `path`, mode 0660. A file that a dead daemon left is replaced; one where
 * somebody listens is not. NULL: *error says why (caller frees).
 */
struct console_socket *console_socket_open(const char *path, char **error);
void console_socket_close(struct console_socket *s); /* and removes the file */

#endif

/* Layer 0: a daemon's unix socket: made so that two daemons never share or steal one. */
#ifndef LOCAL_SOCKET_H
#define LOCAL_SOCKET_H

#include <sys/types.h>

struct local_socket {
	int fd;
	char *path;
	dev_t dev; /* which file it is: so that only one's own is removed */
	ino_t ino;
};

/*
 * Listens at `path`, mode 0660, for its owner and `group` ("": the process's). A file
 * that a dead daemon left is replaced; one where somebody listens is not. `whose`: for
 * messages, "console". NULL: *error says why (caller frees).
 */
struct local_socket *local_socket_open(
	const char *path, const char *whose, const char *group, char **error);
void local_socket_close(struct local_socket *s); /* and removes the file */

#endif

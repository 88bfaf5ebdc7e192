/*
 * Stage 1: the link's socket.
 * In:    bytes of telephone servers and other programs on a unix socket.
 * Out:   the same to link.h, and what that has to say to them.
 * Owns:  the socket, the connections, their timers.
 * Never: waits for a client: one that does not read is dropped.
 */
#ifndef LINK_SOCKET_H
#define LINK_SOCKET_H

#include "link.h"

#define LINK_STUCK_S 30 /* nothing could be written for so long: dropped */

struct event_base;
struct link_socket;

struct link_socket_config {
	const char *path, *group; /* "": the process's */
	struct link_config link;
	/* entity_id is auto, and the telephone server has this one. */
	void (*become)(void *arg, const struct entity_id *id);
	void *arg;
};

/* NULL: *error says why (caller frees). */
struct link_socket *link_socket_new(struct event_base *base, struct node *n,
	const struct link_socket_config *cfg, char **error);
/* Says goodbye to all. free(NULL) is legal. */
void link_socket_free(struct link_socket *s);
struct links *link_socket_links(struct link_socket *s);

#endif

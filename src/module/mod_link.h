/*
 * Stage 1, in Asterisk: the link to the node: a thread of its own with a unix socket.
 * Nothing of Asterisk ever waits for it; what it waits for is poll().
 */
#ifndef MOD_LINK_H
#define MOD_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "mod_options.h"
#include "mod_session.h"

/*
 * Whoever calls link_changed() begins after link_open() and has ended before link_stop():
 * what wakes the thread outlives them.
 */
bool link_open(const struct mod_options *options);
bool link_start(void);
/* Says goodbye and ends the thread, if there is one; what was imported stays for the
 * caller to purge. */
void link_stop(void);
/* Asterisk exits: says goodbye if that is possible at once. */
void link_goodbye(void);
/* There is something to send. Any thread that holds no lock of this module's; no waiting.
 */
void link_changed(enum mod_event event);
void link_reload(const struct mod_options *options);

struct link_status {
	char socket[OPTIONS_SOCKET_SIZE];
	struct session session;
	bool reported; /* a full report is complete */
	bool reporting;
	long stale_s;  /* imports stay for so long, -1: as long as the link is up */
	int consumers; /* task processors that are watched */
	unsigned long pace_waits, losses, refused;
	int64_t now_ms;
};
void link_get_status(struct link_status *out);
void link_get_options(struct mod_options *out);

/* Console: the round trip to the node. False: `why`. At most two seconds. */
bool link_ping(long *us, char *why, size_t size);
/* Console: everything again, both ways. False: the link is down, and tried again now. */
bool link_resync(void);

#endif

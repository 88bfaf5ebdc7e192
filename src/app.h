/*
 * Layer 3: what the faces can reach. main.c fills it once and owns everything in it; a
 * reload replaces `options` and `dialplan`, so read them through this struct each time.
 */
#ifndef APP_H
#define APP_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

struct event_base;
struct node;
struct hints;
struct dialplan;
struct options;
struct console;
struct link_socket;

struct app {
	struct event_base *base;
	struct node *node;
	struct hints *hints;
	struct dialplan *dialplan;
	struct options *options;
	struct console *console;  /* NULL until it listens */
	struct link_socket *link; /* NULL until it listens */
	int verbose;              /* begins as options->verbose */
	int64_t started_us;       /* monotonic */
	int64_t reloaded_us;      /* monotonic; 0: never */
	/* Read the files again. False: kept what was there; `messages` says why, or what
	 * changed. */
	bool (*reload)(struct app *app, struct buf *messages);
	/* End the daemon after this loop turn; gracefully: deliver what waits first. */
	void (*stop)(struct app *app, bool gracefully);
	/* "host:port" or the socket of the database's session; "" while there is none. */
	const char *(*database)(struct app *app);
	void *owner; /* main.c's own */
};

#endif

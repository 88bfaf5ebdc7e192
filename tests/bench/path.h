/*
 * What is measured the same way over our links, over bare libpq and over corosync's CPG:
 * a path takes changes of devices at one end, and they are seen at the other. The program
 * reads commands from its standard input and answers each with a line of name=value:
 *
 *   idle N [US]      one change after the other has been seen, N times, each after a
 *                    pause of half of US to US microseconds: n, p50_us, p99_us, max_us
 *   full N           N devices, each changed once, as fast as the path takes them, until
 *                    the last one was seen: rate (per second), and the same figures
 *   paced RATE MS N  RATE changes a second for so long, of N devices in turn: the same
 *   gone N           until N devices were taken back: n
 *
 * Each gives up, with a message, where nothing was seen for 30 s.
 */
#ifndef PATH_H
#define PATH_H

#include <poll.h>
#include <stdint.h>

#define PATH_FDS     4
#define PATH_DEVICES 200000

struct path_item {
	int device; /* 0 to PATH_DEVICES - 1 */
	int state;  /* 1 to 3 */
};

struct path {
	/* What to wait for; how many. */
	int (*fds)(struct pollfd *fds);
	/* How many of the items it took; never waits. */
	int (*send)(const struct path_item *items, int n);
	/* Reads and writes what goes without waiting; path_seen() for what arrived. */
	void (*turn)(const struct pollfd *fds);
};

int path_main(const struct path *p);                  /* until the end of the input */
void path_step(const struct path *p, int timeout_us); /* waits and turns once */
void path_seen(int device, int state);                /* 0: taken back */
void path_die(const char *what, const char *why) __attribute__((noreturn));
int64_t path_now_us(void);

#endif

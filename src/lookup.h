/* Layer 0: looking up a host's addresses without blocking the loop. */
#ifndef LOOKUP_H
#define LOOKUP_H

struct event_base;
struct lookup;

/*
 * `done` is called once, never before lookup_new() returns: with n > 0 addresses as
 * numbers (borrowed), or with n = 0 and an error.
 */
struct lookup *lookup_new(struct event_base *base, const char *name,
	void (*done)(void *arg, char *const *addresses, int n, const char *error), void *arg);
void lookup_free(
	struct lookup *l); /* at any time, also inside done; free(NULL) is legal */

#endif

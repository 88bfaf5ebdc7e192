/*
 * Stage 6, beside the listener: what a node announced and did not write yet.
 * In:    devices that an entity announced; what is heard or read of it; pulses.
 * Out:   the cache has the announced values, until they are written, or taken back.
 * Owns:  what stood there before.
 * Never: I/O, time. Never moves a head: rows are the truth.
 */
#ifndef ANNOUNCED_H
#define ANNOUNCED_H

#include <stdbool.h>

#include "cache.h"

/* Of one entity. NULL: nothing is shown that was not written. */
struct announced;

/*
 * Shows it. Not where it says what is known already, nor under a policy by which the time
 * decides, nor where too many wait.
 */
void announced_show(struct announced **list, struct cache *c, struct cache_entity *e,
	const char *device, const struct value *v);
/* The database says something of the key: that counts. True: nothing is left. */
bool announced_settle(struct announced *list, enum key_kind kind, const char *key);
/*
 * A pulse was heard. What was announced some pulses ago and is still not written never
 * will be: the cache has again what it had before. How many devices.
 */
int announced_pulse(struct announced *list, struct cache *c, struct cache_entity *e);
bool announced_is_empty(const struct announced *list);
void announced_free(struct announced *list); /* may be NULL; the cache stays as it is */

#endif

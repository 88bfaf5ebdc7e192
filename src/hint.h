/*
 * Stage 8: hints.
 * In:    "the sum of a device changed" (cache).
 * Out:   the state of a hint changed -> its watchers, once.
 * Owns:  hints (exten@context -> devices), watchers.
 * Never: I/O, time. The dialplan says what hints there are.
 */
#ifndef HINT_H
#define HINT_H

#include <stdbool.h>

#include "state.h"

struct hints;
struct hint {
	const char *exten, *context;
	const char *devices; /* as written: "PJSIP/1&PJSIP/2" */
	enum device_state sum;
	enum exten_state state;
	int watchers;
};

/* `lookup` tells the state of a device across the cluster. */

struct hints *hints_new(
	enum device_state (*lookup)(void *arg, const char *device), void *arg);
void hints_free(struct hints *h);

/*
 * Replace the hints by those added between begin and end; watchers of those that are
 * still there stay, and are told when the state is different. abort: keep the old ones.
 */
void hints_begin(struct hints *h);
bool hints_add(struct hints *h, const char *exten, const char *context,
	const char *devices, const char **why); /* false: malformed or there already */
void hints_end(struct hints *h);
void hints_abort(struct hints *h);

void hints_device_changed(struct hints *h, const char *device);

struct hint_watcher {
	/* Told when the mapped state changed, and again at each change while it has RINGING.
	 */
	void (*changed)(void *arg, const struct hint *hint);
	void *arg;
	struct hint_watcher *next; /* hints' own */
};
/* exten NULL: watch every hint. Borrowed until removed. False: no such hint. */
bool hints_watch(
	struct hints *h, const char *exten, const char *context, struct hint_watcher *w);
void hints_unwatch(struct hints *h, struct hint_watcher *w);

const struct hint *hints_find(
	const struct hints *h, const char *exten, const char *context);
int hints_count(const struct hints *h);
const struct hint *hints_at(const struct hints *h, int i); /* in the dialplan's order */

#endif

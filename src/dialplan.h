/*
 * Layer 3: dialplan: extensions.conf as Asterisk's people write it, its hints, and
 * running an extension ("console dial").
 */
#ifndef DIALPLAN_H
#define DIALPLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "change.h"
#include "state.h"

struct dialplan;

/* As options_read(): NULL and one line for each error, with file and line. */
struct dialplan *dialplan_read(const char *file, struct buf *errors);
struct dialplan *dialplan_parse(
	const char *file, const char *text, size_t len, struct buf *errors);
struct dialplan *dialplan_empty(void);
void dialplan_free(struct dialplan *d);

void dialplan_print(const struct dialplan *d, struct buf *out); /* "dialplan show" */
bool dialplan_each_hint(const struct dialplan *d,
	bool (*fn)(void *arg, const char *exten, const char *context, const char *devices,
		const char *file, int line),
	void *arg);
bool dialplan_has(const struct dialplan *d, const char *exten, const char *context);
bool dialplan_has_context(const struct dialplan *d, const char *context);

/* What a running extension needs of the world. */
struct dialplan_env {
	enum device_state (*device_state)(void *arg, const char *device);
	void (*set_device_state)(void *arg, const char *device, enum device_state s);
	bool (*exten_state)(void *arg, const char *exten, const char *context,
		enum exten_state *out); /* false: no hint */
	bool (*mailbox_counts)(
		void *arg, const char *key, struct value *out); /* false: nobody says anything */
	void (*set_mailbox_counts)(void *arg, const char *key, const struct value *v);
	/* Lines for the console, without newline: "    -- Executing ..." */
	void (*line)(void *arg, const char *line);
	void (*done)(void *arg, bool ok); /* hung up; the run is freed by now */
	void *arg;
};

struct event_base;
struct dialplan_run;
/*
 * Start at priority 1. Variables: CHANNEL is "Console/dsp", EXTEN, CONTEXT, PRIORITY.
 * Steps run from the loop, so done() never comes before this returns. The dialplan may be
 * replaced (dialplan_free) meanwhile: runs keep what they need. NULL and *why when there
 * is no such extension.
 */
struct dialplan_run *dialplan_start(struct event_base *base, struct dialplan *d,
	const char *exten, const char *context, const struct dialplan_env *env, char **why);
void dialplan_hangup(struct dialplan_run *r); /* ends it quietly: no done() */

#endif

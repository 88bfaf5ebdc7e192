/*
 * Stage 1, in Asterisk: what the node says, handed to those whom it concerns; and dumps:
 * between begin and end everything is said again, the rest is swept out, paced like
 * imports. A purge is a dump of nothing.
 */
#ifndef MOD_SWEEP_H
#define MOD_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "mod_line.h"
#include "mod_options.h"
#include "mod_pace.h"

void sweep_init(void);
void sweep_dump_begins(void);
void sweep_dump_ends(void);
/* All that came from the node goes; toggles keep their last word. */
void sweep_purge(void);
bool sweep_is_on(void);
/* One thing is taken out; false: nothing is left. */
bool sweep_step(void);
/* A line that is a fact. */
void sweep_fact(const struct mod_options *options, struct line *l);

/* May one more be imported, or swept? Asks Asterisk's task processors. */
bool sweep_may(struct pace *p, int64_t now_ms);
/* For unload: to the end, paced for so long at most. */
void sweep_all(int64_t paced_ms);

#endif

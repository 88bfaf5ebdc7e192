/*
 * Stage 1, in Asterisk: mailboxes. Asterisk has one value for each, the last writer's:
 * the cluster's where others have a word in it, this server's own otherwise. Called by
 * the link's thread, and by unload when that has ended.
 */
#ifndef MOD_MWI_H
#define MOD_MWI_H

#include "mod_boxes.h"
#include "mod_options.h"

struct ast_mwi_state;

struct counts mail_counts(const struct ast_mwi_state *state);
/* This server's own counts, from Asterisk's cache. */
void mail_learn(void);
/* A local publication, NULL: deleted. True: the node is to be told. */
bool mail_local(
	const struct mod_options *options, const char *id, const struct counts *counts);

/* mailbox lines. */
void mail_line(const struct mod_options *options, const struct line *l);
void mail_round_begin(void);
void mail_sweep_begin(void);
bool mail_sweep(void);

/*
 * This server said something else than the cluster; unless the node takes the cluster's
 * value back in a moment, that is put back.
 */
void mail_later(enum mod_event event, const char *name);
void mail_put_back(bool fresh, int64_t now_ms);
bool mail_is_waiting(void);
void mail_init(void);
void mail_clear(void);

#endif

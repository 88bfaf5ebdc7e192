/*
 * Stage 1, in Asterisk: what others say of devices, brought into Asterisk's cache under
 * their entity ids, and taken out again so that the truth of this server shows. Called by
 * the link's thread, and by unload when that has ended.
 */
#ifndef MOD_IMPORT_H
#define MOD_IMPORT_H

#include <stdbool.h>

#include "mod_line.h"
#include "mod_options.h"

/* device and merged lines. */
void import_line(const struct mod_options *options, const struct line *l);
/* At load: what was adopted before Asterisk, or the module, ended. */
void import_recall(void);
/* Asterisk is complete: what func_devstate read from its store is marked as adopted
 * again. */
void import_readopt(void);

/* This server took its slot back: a press, or the driver. */
void import_own_again(const char *device);
/* ... and the node still says that the merged value stands. */
void import_put_back(const char *device);

void import_round_begin(void);
/*
 * What the last dump did not have; purge: it goes because the node is away or the module
 * is, and the last word on a toggle stays. One step; false: done.
 */
void import_sweep_begin(void);
bool import_sweep(bool purge);

#endif

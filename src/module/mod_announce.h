/*
 * Stage 1, in Asterisk: who joins and leaves the cluster, told to AMI (event
 * ClusterMember) and to Asterisk's modules (ast_cluster_discovery). Called by the link's
 * thread, and by unload when that has ended.
 */
#ifndef MOD_ANNOUNCE_H
#define MOD_ANNOUNCE_H

#include <stdbool.h>

#include "mod_line.h"

void announce_line(const struct line *l); /* member lines */
void announce_round_begin(void);
void announce_sweep_begin(void);
bool announce_sweep(void);

#endif

/*
 * Layer 1: the other members of the cluster, as the node names them. Pure; the caller
 * locks.
 */
#ifndef MOD_MEMBERS_H
#define MOD_MEMBERS_H

#include "mod_line.h"
#include "mod_map.h"

#define MEMBERS_MAX 1024

struct member {
	struct map_item item;
	struct entity_id entity;
	uint32_t round;
	char id[ENTITY_ID_TEXT];
	char name[LINE_NAME_MAX + 1], host[LINE_NAME_MAX + 1], version[64];
};

struct members {
	struct map all;
	uint32_t round;
};

void members_init(struct members *m);
void members_clear(struct members *m);
struct member *members_find(const struct members *m, const struct entity_id *entity);
/* True: it joined; *out, where it is known now (NULL: too many, or no memory). */
bool members_up(struct members *m, const struct line *l, struct member **out);
/* Taken out; false: it was not there. */
bool members_down(struct members *m, const struct entity_id *entity, struct member *out);
void members_round_begin(struct members *m);
void members_sweep_begin(struct members *m);
bool members_sweep(struct members *m, struct member *out);

#endif

/*
 * Stage 1, in Asterisk: its cache of device states: the slots of this server and of
 * others, and what everybody is told when the last of them is empty.
 */
#ifndef MOD_SLOT_H
#define MOD_SLOT_H

#include <stdbool.h>

#include "asterisk/devicestate.h"

#include "mod_line.h"

enum slot_owner {
	SLOT_EMPTY,
	SLOT_OWN,    /* this server's word */
	SLOT_ADOPTED /* this server's slot, somebody else's word */
};
/* Said by the node's console in this server's name, see line_at_node()? */
bool slot_is_ours(const struct entity_id *entity);

/* This server's slot. */
enum slot_owner slot_read(const char *device, enum device_state *state);
/* What Asterisk takes for the state of the device, all slots together; false: no slot. */
bool slot_sum(const char *device, enum device_state *state);

/* Another server's slot. */
void slot_fill(
	const char *device, const struct entity_id *entity, enum device_state state);
/* Empties it; when it was the last one, the truth is told. */
void slot_empty(const char *device, const struct entity_id *entity);
/* This server's slot with somebody else's word, which exporters know by its mark. */
void slot_adopt(
	const char *device, const struct entity_id *entity, enum device_state state);
/* This server's slot: its own word again, or nothing. */
void slot_restore(const char *device, const enum device_state *own);

#endif

/*
 * Layer 1: device states, their names, and how the states of several entities add up.
 * The same rules are in SQL (sql/functions/device_state*.sql); tests/cases/ holds one
 * table of cases that tests both.
 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>

enum device_state {
	STATE_UNKNOWN,
	STATE_NOT_INUSE,
	STATE_INUSE,
	STATE_BUSY,
	STATE_INVALID,
	STATE_UNAVAILABLE,
	STATE_RINGING,
	STATE_RINGINUSE,
	STATE_ONHOLD,
	STATE_COUNT
};

const char *state_name(enum device_state s);                /* "INUSE" */
const char *state_label(enum device_state s);               /* "In use" */
bool state_parse(const char *name, enum device_state *out); /* any case */
const char *state_all_names(void); /* "UNKNOWN, NOT_INUSE, ...", for messages */

/* A set of states is one bit each: 1 << state. */
unsigned state_bit(enum device_state s);
/* The sum of a set that is not empty. */
enum device_state state_sum(unsigned set);
/* What a device is that no entity says anything of: UNKNOWN for Custom:, else INVALID. */
enum device_state state_default(const char *device);

/* Extension states, as hints and watchers see them. Values are Asterisk's. */
enum exten_state {
	EXTEN_IDLE = 0,
	EXTEN_INUSE = 1,
	EXTEN_BUSY = 2,
	EXTEN_UNAVAILABLE = 4,
	EXTEN_RINGING = 8,
	EXTEN_INUSE_RINGING = 9,
	EXTEN_HOLD = 16
};
enum exten_state exten_state_of(enum device_state s);
const char *exten_state_label(
	enum exten_state s); /* "InUse&Ringing", as core show hints */
const char *exten_state_function(
	enum exten_state s); /* "RINGINUSE", as EXTENSION_STATE() */

#endif

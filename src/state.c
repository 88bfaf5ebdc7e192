/* Layer 1: device states and how they add up. Pure. */
#include "state.h"

#include <assert.h>
#include <stddef.h>
#include <strings.h>

struct state_row {
	const char *name;
	const char *label;
	int rank; /* the highest of a set is the sum */
	enum exten_state exten;
};

static const struct state_row states[STATE_COUNT] = {
	[STATE_UNKNOWN] = {"UNKNOWN", "Unknown", 1, EXTEN_IDLE},
	[STATE_NOT_INUSE] = {"NOT_INUSE", "Not in use", 3, EXTEN_IDLE},
	[STATE_INUSE] = {"INUSE", "In use", 6, EXTEN_INUSE},
	[STATE_BUSY] = {"BUSY", "Busy", 7, EXTEN_BUSY},
	[STATE_INVALID] = {"INVALID", "Invalid", 0, EXTEN_UNAVAILABLE},
	[STATE_UNAVAILABLE] = {"UNAVAILABLE", "Unavailable", 2, EXTEN_UNAVAILABLE},
	[STATE_RINGING] = {"RINGING", "Ringing", 5, EXTEN_RINGING},
	[STATE_RINGINUSE] = {"RINGINUSE", "Ring+Inuse", 8, EXTEN_INUSE_RINGING},
	[STATE_ONHOLD] = {"ONHOLD", "On Hold", 4, EXTEN_HOLD},
};

const char *state_name(enum device_state s)
{
	return s < STATE_COUNT ? states[s].name : "?";
}

const char *state_label(enum device_state s)
{
	return s < STATE_COUNT ? states[s].label : "?";
}

bool state_parse(const char *name, enum device_state *out)
{
	for (int s = 0; s < STATE_COUNT; s++) {
		if (strcasecmp(name, states[s].name) == 0) {
			*out = (enum device_state)s;
			return true;
		}
	}
	return false;
}

const char *state_all_names(void)
{
	return "UNKNOWN, NOT_INUSE, INUSE, BUSY, INVALID, UNAVAILABLE, RINGING, RINGINUSE, "
		   "ONHOLD";
}

unsigned state_bit(enum device_state s)
{
	return 1u << s;
}

enum device_state state_sum(unsigned set)
{
	const unsigned talking = 1u << STATE_INUSE | 1u << STATE_BUSY | 1u << STATE_ONHOLD;
	int best = -1;

	assert(set != 0 && set < 1u << STATE_COUNT);
	if ((set & 1u << STATE_RINGING) && (set & talking))
		return STATE_RINGINUSE;
	for (int s = 0; s < STATE_COUNT; s++) {
		if ((set & 1u << s) && (best < 0 || states[s].rank > states[best].rank))
			best = s;
	}
	return (enum device_state)best;
}

enum device_state state_default(const char *device)
{
	return strncasecmp(device, "Custom:", 7) == 0 ? STATE_UNKNOWN : STATE_INVALID;
}

enum exten_state exten_state_of(enum device_state s)
{
	assert(s < STATE_COUNT);
	return states[s].exten;
}

const char *exten_state_label(enum exten_state s)
{
	switch (s) {
	case EXTEN_IDLE:
		return "Idle";
	case EXTEN_INUSE:
		return "InUse";
	case EXTEN_BUSY:
		return "Busy";
	case EXTEN_UNAVAILABLE:
		return "Unavailable";
	case EXTEN_RINGING:
		return "Ringing";
	case EXTEN_INUSE_RINGING:
		return "InUse&Ringing";
	case EXTEN_HOLD:
		return "Hold";
	}
	return "Unknown";
}

const char *exten_state_function(enum exten_state s)
{
	switch (s) {
	case EXTEN_IDLE:
		return "NOT_INUSE";
	case EXTEN_INUSE:
		return "INUSE";
	case EXTEN_BUSY:
		return "BUSY";
	case EXTEN_UNAVAILABLE:
		return "UNAVAILABLE";
	case EXTEN_RINGING:
		return "RINGING";
	case EXTEN_INUSE_RINGING:
		return "RINGINUSE";
	case EXTEN_HOLD:
		return "ONHOLD";
	}
	return "UNKNOWN";
}

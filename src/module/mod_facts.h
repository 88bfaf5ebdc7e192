/*
 * Layer 1: what others say of devices, as the node told it, and what this server said
 * last. Decides nothing about Asterisk: says what changed. Pure; the caller locks.
 */
#ifndef MOD_FACTS_H
#define MOD_FACTS_H

#include "mod_line.h"
#include "mod_map.h"

struct fact {
	struct entity_id entity;
	enum device_state state;
	uint32_t round; /* the dump that named it last */
};

struct device {
	struct map_item item;
	struct fact *said; /* one for each other entity */
	int count;
	bool is_merged; /* one value for all instead, `merged.entity` said it */
	struct fact merged;
	bool adopted; /* Asterisk's own slot holds a merged value: not this server's word */
	bool has_own; /* what this server said last */
	enum device_state own;
	char name[];
};

struct facts {
	struct map devices;
	size_t max;     /* devices that others speak of */
	size_t foreign; /* now */
	uint32_t round;
	unsigned long refused;
};

/* What an entity said before and says now; nothing to be shown is false. */
struct fact_change {
	bool changed, before, after;
	bool refused; /* too many devices, or no memory */
};

void mod_facts_init(struct facts *f, size_t max);
void mod_facts_clear(struct facts *f);
struct device *mod_facts_find(const struct facts *f, const char *name);

/* UNKNOWN and INVALID are no statement: as somebody's only word they would hide the
 * truth. */
bool fact_counts(enum device_state state);

struct fact_change mod_facts_say(struct facts *f, const char *name,
	const struct entity_id *entity, enum device_state state);
struct fact_change mod_facts_unsay(
	struct facts *f, const char *name, const struct entity_id *entity);
struct fact_change mod_facts_merge(struct facts *f, const char *name,
	const struct entity_id *entity, enum device_state state);
struct fact_change mod_facts_unmerge(struct facts *f, const char *name);

/* What this server said; true: it is something else than before. */
bool mod_facts_own_set(struct facts *f, const char *name, enum device_state state);
bool mod_facts_own_clear(struct facts *f, const char *name);
/* Remembers that Asterisk's own slot holds somebody else's word, or does no longer. */
void mod_facts_adopt(struct facts *f, const char *name, bool adopted);

/*
 * A dump: between begin and the sweep everything is said again; what was not is taken out
 * by mod_facts_sweep(), one after the other. A purge is a dump of nothing.
 */
struct fact_gone {
	char name[LINE_NAME_MAX + 1];
	struct entity_id entity;
	enum device_state state;
	bool merged;
	bool counted; /* it was shown */
};
void mod_facts_round_begin(struct facts *f);
void mod_facts_sweep_begin(struct facts *f);
bool mod_facts_sweep(struct facts *f, struct fact_gone *out);

#endif

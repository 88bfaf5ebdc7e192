/*
 * Layer 1: mailboxes: this server's own counts, and the value for the whole cluster where
 * somebody else's word matters. Asterisk has one value for a mailbox; what that should be
 * is decided here. Pure; the caller locks.
 */
#ifndef MOD_BOXES_H
#define MOD_BOXES_H

#include "mod_line.h"
#include "mod_map.h"

struct box {
	struct map_item item;
	bool has_own;
	struct counts own;
	bool is_foreign; /* `foreign` is what the node said, `entity` said it */
	struct counts foreign;
	struct entity_id entity;
	uint32_t round;
	int64_t back_ms; /* when to put the foreign value back, 0: not */
	unsigned puts;   /* how often that was needed */
	char id[];
};

struct boxes {
	struct map all;
	size_t max; /* mailboxes that others speak of */
	size_t foreign;
	uint32_t round;
	unsigned long refused;
};

void boxes_init(struct boxes *b, size_t max);
void boxes_clear(struct boxes *b);
struct box *boxes_find(const struct boxes *b, const char *id);

/* A local publication. */
enum box_local {
	BOX_NOTHING, /* the same as before, or a first 0/0: no statement */
	BOX_CHANGED  /* to be told */
};
enum box_local boxes_own_set(
	struct boxes *b, const char *id, const struct counts *counts);
enum box_local boxes_own_clear(struct boxes *b, const char *id);

/* True: another value than before. False: the same, or refused. */
bool boxes_say(struct boxes *b, const char *id, const struct entity_id *entity,
	const struct counts *counts);
bool boxes_unsay(struct boxes *b, const char *id);

/* What Asterisk is to show. */
enum box_show { SHOW_NOTHING, SHOW_OWN, SHOW_FOREIGN };
enum box_show boxes_show(const struct boxes *b, const char *id, struct counts *counts,
	struct entity_id *entity);

/* A list of mailboxes, "1000@default,1001": the next name of it; false: no more. */
bool boxes_next_name(const char **list, char name[LINE_BOX_MAX + 1]);
/* Messages in a folder of app_voicemail's; NULL or "": INBOX. */
uint32_t counts_in_folder(const struct counts *counts, const char *folder);

/* As in mod_facts.h. */
void boxes_round_begin(struct boxes *b);
void boxes_sweep_begin(struct boxes *b);
bool boxes_sweep(struct boxes *b, char id[LINE_BOX_MAX + 1]);

#endif

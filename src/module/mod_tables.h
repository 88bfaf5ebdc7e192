/*
 * Stage 1, in Asterisk: what the module knows, behind one lock. The link's thread writes,
 * and, what this server says, Asterisk's; the console reads. The lock is never held while
 * something waits; Asterisk's own locks are taken inside it. Who may hold one of those
 * already, as heard_device() in mod_export.c does, only tries.
 */
#ifndef MOD_TABLES_H
#define MOD_TABLES_H

#include "mod_boxes.h"
#include "mod_facts.h"
#include "mod_members.h"

struct tables {
	struct facts facts;
	struct boxes boxes;
	struct members members;
	unsigned long imported, exported, refused, illegal, filtered;
};

void tables_init(size_t import_max);
void tables_clear(void);
struct tables *tables_lock(void);
bool tables_try_lock(void); /* false: somebody has it */
void tables_unlock(void);

#endif

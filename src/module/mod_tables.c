/* Stage 1, in Asterisk: what the module knows, behind one lock. */
#include "asterisk.h"

#include "asterisk/lock.h"

#include "mod_tables.h"

AST_MUTEX_DEFINE_STATIC(lock);
static struct tables tables;

void tables_init(size_t import_max)
{
	memset(&tables, 0, sizeof(tables));
	mod_facts_init(&tables.facts, import_max);
	boxes_init(&tables.boxes, import_max);
	members_init(&tables.members);
}

void tables_clear(void)
{
	mod_facts_clear(&tables.facts);
	boxes_clear(&tables.boxes);
	members_clear(&tables.members);
}

struct tables *tables_lock(void)
{
	ast_mutex_lock(&lock);
	return &tables;
}

bool tables_try_lock(void)
{
	return ast_mutex_trylock(&lock) == 0;
}

void tables_unlock(void)
{
	ast_mutex_unlock(&lock);
}

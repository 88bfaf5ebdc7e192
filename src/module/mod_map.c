/* Layer 0: a hash table of items that begin with a struct map_item. */
#include "mod_map.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 64

void map_init(struct map *m)
{
	memset(m, 0, sizeof(*m));
}

void map_clear(struct map *m, void (*release)(struct map_item *item))
{
	for (struct map_item *item = m->first, *next; item; item = next) {
		next = item->next;
		release(item);
	}
	free(m->slot);
	map_init(m);
}

/* FNV-1a: names are short, and who may choose them could do worse things. */
static uint32_t hash_of(const char *key)
{
	uint32_t h = 2166136261u;

	for (; *key; key++)
		h = (h ^ (uint8_t)*key) * 16777619u;
	return h;
}

static struct map_item **slot_of(const struct map *m, uint32_t hash)
{
	return &m->slot[hash & (m->slots - 1)];
}

struct map_item *map_find(const struct map *m, const char *key)
{
	uint32_t hash = hash_of(key);

	if (m->slots == 0)
		return NULL;
	for (struct map_item *item = *slot_of(m, hash); item; item = item->chain)
		if (item->hash == hash && strcmp(item->key, key) == 0)
			return item;
	return NULL;
}

static void chain_item(struct map *m, struct map_item *item)
{
	struct map_item **slot = slot_of(m, item->hash);

	item->chain = *slot;
	*slot = item;
}

static bool grow(struct map *m)
{
	size_t slots = m->slots ? 2 * m->slots : SLOTS_FIRST;
	struct map_item **slot = calloc(slots, sizeof(struct map_item *));

	if (!slot)
		return m->slots > 0; /* full tables work, too: slower */
	free(m->slot);
	m->slot = slot;
	m->slots = slots;
	for (struct map_item *item = m->first; item; item = item->next)
		chain_item(m, item);
	return true;
}

bool map_add(struct map *m, struct map_item *item, const char *key)
{
	if (m->count >= m->slots && !grow(m))
		return false;
	item->key = key;
	item->hash = hash_of(key);
	chain_item(m, item);
	item->next = NULL;
	item->prev = m->last;
	if (m->last)
		m->last->next = item;
	else
		m->first = item;
	m->last = item;
	m->count++;
	return true;
}

static void unlist(struct map *m, struct map_item *item)
{
	if (m->walk == item)
		m->walk = item->next;
	if (item->prev)
		item->prev->next = item->next;
	else
		m->first = item->next;
	if (item->next)
		item->next->prev = item->prev;
	else
		m->last = item->prev;
}

void map_remove(struct map *m, struct map_item *item)
{
	struct map_item **at = slot_of(m, item->hash);

	while (*at != item)
		at = &(*at)->chain;
	*at = item->chain;
	unlist(m, item);
	m->count--;
}

void map_walk_begin(struct map *m)
{
	m->walk = m->first;
}

struct map_item *map_walk(struct map *m)
{
	struct map_item *item = m->walk;

	if (item)
		m->walk = item->next;
	return item;
}

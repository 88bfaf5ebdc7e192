/*
 * Layer 0: a hash table of items that begin with a struct map_item, with a list through
 * them in the order in which they came. Keys are texts, byte-exact. The items, and their
 * keys, are the caller's.
 */
#ifndef MOD_MAP_H
#define MOD_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_item {
	struct map_item *chain;       /* in its slot */
	struct map_item *prev, *next; /* in the order of coming */
	const char *key;              /* lives as long as the item is in the table */
	uint32_t hash;
};

struct map {
	struct map_item **slot;
	size_t slots; /* a power of two, or 0 */
	size_t count;
	struct map_item *first, *last;
	struct map_item *walk; /* the next of map_walk() */
};

void map_init(struct map *m);
/* Hands every item to `release` and forgets it. */
void map_clear(struct map *m, void (*release)(struct map_item *item));
struct map_item *map_find(const struct map *m, const char *key);
/* The key must not be in it. False: no memory, nothing changed. */
bool map_add(struct map *m, struct map_item *item, const char *key);
void map_remove(struct map *m, struct map_item *item);

/*
 * One long walk through all items, during which any may be removed and others come (they
 * are met at the end). NULL: it is over.
 */
void map_walk_begin(struct map *m);
struct map_item *map_walk(struct map *m);

#endif

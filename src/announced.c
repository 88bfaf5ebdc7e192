/*
 * Stage 6, beside the listener: what a node announced and did not write yet. Rows of the
 * cache that are ahead of the database's; what they were before is kept until that is
 * settled.
 */
#include "announced.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* A node announces what it sends next: a few. */
#define MOST_ANNOUNCED 16
/* Pulses, half a second each: a publish has an answer, or an error, by then. */
#define MOST_PULSES 6

struct one {
	char *device;
	bool had; /* there was a row before, and this is what it said */
	struct value before;
	int pulses;
};

struct announced {
	int n;
	struct one list[MOST_ANNOUNCED];
};

static struct one *one_find(struct announced *list, const char *device)
{
	for (int i = 0; list && i < list->n; i++) {
		if (strcmp(list->list[i].device, device) == 0)
			return &list->list[i];
	}
	return NULL;
}

static void one_drop(struct announced *list, struct one *o)
{
	free(o->device);
	*o = list->list[--list->n];
}

void announced_show(struct announced **list, struct cache *c, struct cache_entity *e,
	const char *device, const struct value *v)
{
	const struct value *before = cache_get(c, e, KEY_DEVICE, device); /* until the put */
	struct one *o = one_find(*list, device);

	if ((before && value_same(KEY_DEVICE, before, v)) ||
		cache_policy(c, KEY_DEVICE, device) != POLICY_AGGREGATE)
		return;
	if (!*list)
		*list = mem_alloc(sizeof(**list));
	if (!o && (*list)->n == MOST_ANNOUNCED)
		return;
	if (!o) {
		o = &(*list)->list[(*list)->n++];
		o->device = mem_strdup(device);
		o->had = before != NULL;
		if (before)
			o->before = *before;
	}
	o->pulses = 0;
	cache_put(c, e, KEY_DEVICE, device, v);
}

bool announced_settle(struct announced *list, enum key_kind kind, const char *key)
{
	struct one *o = kind == KEY_DEVICE ? one_find(list, key) : NULL;

	if (o)
		one_drop(list, o);
	return list->n == 0;
}

static void one_take_back(const struct one *o, struct cache *c, struct cache_entity *e)
{
	if (o->had)
		cache_put(c, e, KEY_DEVICE, o->device, &o->before);
	else
		cache_remove(c, e, KEY_DEVICE, o->device);
}

int announced_pulse(struct announced *list, struct cache *c, struct cache_entity *e)
{
	int taken_back = 0;

	for (int i = list->n - 1; i >= 0; i--) {
		if (++list->list[i].pulses < MOST_PULSES)
			continue;
		one_take_back(&list->list[i], c, e);
		one_drop(list, &list->list[i]);
		taken_back++;
	}
	return taken_back;
}

bool announced_is_empty(const struct announced *list)
{
	return list->n == 0;
}

void announced_free(struct announced *list)
{
	for (int i = 0; list && i < list->n; i++)
		free(list->list[i].device);
	free(list);
}

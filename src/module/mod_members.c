/* Layer 1: the other members of the cluster. Pure. */
#include "mod_members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void members_init(struct members *m)
{
	memset(m, 0, sizeof(*m));
	map_init(&m->all);
}

static void release(struct map_item *item)
{
	free(item);
}

void members_clear(struct members *m)
{
	map_clear(&m->all, release);
}

struct member *members_find(const struct members *m, const struct entity_id *entity)
{
	char id[ENTITY_ID_TEXT];

	return (struct member *)map_find(&m->all, entity_id_print(entity, id));
}

static struct member *member_new(struct members *m, const struct entity_id *entity)
{
	struct member *one = m->all.count < MEMBERS_MAX ? calloc(1, sizeof(*one)) : NULL;

	if (!one)
		return NULL;
	one->entity = *entity;
	entity_id_print(entity, one->id);
	if (map_add(&m->all, &one->item, one->id))
		return one;
	free(one);
	return NULL;
}

bool members_up(struct members *m, const struct line *l, struct member **out)
{
	struct member *one = members_find(m, &l->entity);
	bool joined = !one;

	if (!one)
		one = member_new(m, &l->entity);
	*out = one;
	if (!one)
		return false;
	one->round = m->round;
	snprintf(one->name, sizeof(one->name), "%s", l->name);
	snprintf(one->host, sizeof(one->host), "%s", l->host);
	snprintf(one->version, sizeof(one->version), "%s", l->version);
	return joined;
}

static void take_out(struct members *m, struct member *one, struct member *out)
{
	map_remove(&m->all, &one->item);
	*out = *one;
	free(one);
}

bool members_down(struct members *m, const struct entity_id *entity, struct member *out)
{
	struct member *one = members_find(m, entity);

	if (one)
		take_out(m, one, out);
	return one;
}

void members_round_begin(struct members *m)
{
	m->round++;
}

void members_sweep_begin(struct members *m)
{
	map_walk_begin(&m->all);
}

bool members_sweep(struct members *m, struct member *out)
{
	struct map_item *item;

	while ((item = map_walk(&m->all))) {
		struct member *one = (struct member *)item;

		if (one->round != m->round) {
			take_out(m, one, out);
			return true;
		}
	}
	return false;
}

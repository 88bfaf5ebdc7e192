/* Layer 1: mailboxes: own counts, and the cluster's value. Pure. */
#include "mod_boxes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void boxes_init(struct boxes *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	map_init(&b->all);
	b->max = max;
}

static void release(struct map_item *item)
{
	free(item);
}

void boxes_clear(struct boxes *b)
{
	map_clear(&b->all, release);
	boxes_init(b, b->max);
}

struct box *boxes_find(const struct boxes *b, const char *id)
{
	return (struct box *)map_find(&b->all, id);
}

static struct box *box_get(struct boxes *b, const char *id)
{
	struct box *box = boxes_find(b, id);
	size_t size = strlen(id) + 1;

	if (box)
		return box;
	box = calloc(1, sizeof(*box) + size);
	if (!box)
		return NULL;
	memcpy(box->id, id, size);
	if (map_add(&b->all, &box->item, box->id))
		return box;
	free(box);
	return NULL;
}

static void drop_unused(struct boxes *b, struct box *box)
{
	if (box->has_own || box->is_foreign)
		return;
	map_remove(&b->all, &box->item);
	free(box);
}

static bool is_zero(const struct counts *c)
{
	return c->urgent == 0 && c->fresh == 0 && c->old == 0;
}

enum box_local boxes_own_set(struct boxes *b, const char *id, const struct counts *counts)
{
	struct box *box = box_get(b, id);
	bool said = !box || !is_zero(counts);

	if (box && box->has_own)
		said = !counts_same(&box->own, counts);
	if (box) {
		box->has_own = true;
		box->own = *counts;
	}
	return said ? BOX_CHANGED : BOX_NOTHING;
}

enum box_local boxes_own_clear(struct boxes *b, const char *id)
{
	struct box *box = boxes_find(b, id);

	if (!box || !box->has_own)
		return BOX_NOTHING;
	box->has_own = false;
	drop_unused(b, box);
	return BOX_CHANGED;
}

bool boxes_say(struct boxes *b, const char *id, const struct entity_id *entity,
	const struct counts *counts)
{
	struct box *box = boxes_find(b, id);
	bool same;

	if (!box || !box->is_foreign) {
		box = b->foreign < b->max ? box_get(b, id) : NULL;
		if (!box) {
			b->refused++;
			return false;
		}
		b->foreign++;
	}
	same = box->is_foreign && counts_same(&box->foreign, counts) &&
		   entity_id_equal(&box->entity, entity);
	box->is_foreign = true;
	box->foreign = *counts;
	box->entity = *entity;
	box->round = b->round;
	return !same;
}

static void unsay(struct boxes *b, struct box *box)
{
	box->is_foreign = false;
	box->back_ms = 0;
	b->foreign--;
	drop_unused(b, box);
}

bool boxes_unsay(struct boxes *b, const char *id)
{
	struct box *box = boxes_find(b, id);

	if (!box || !box->is_foreign)
		return false;
	unsay(b, box);
	return true;
}

enum box_show boxes_show(const struct boxes *b, const char *id, struct counts *counts,
	struct entity_id *entity)
{
	const struct box *box = boxes_find(b, id);

	if (box && box->is_foreign) {
		*counts = box->foreign;
		*entity = box->entity;
		return SHOW_FOREIGN;
	}
	if (box && box->has_own) {
		*counts = box->own;
		return SHOW_OWN;
	}
	return SHOW_NOTHING;
}

void boxes_round_begin(struct boxes *b)
{
	b->round++;
}

void boxes_sweep_begin(struct boxes *b)
{
	map_walk_begin(&b->all);
}

bool boxes_sweep(struct boxes *b, char id[LINE_BOX_MAX + 1])
{
	struct map_item *item;

	while ((item = map_walk(&b->all))) {
		struct box *box = (struct box *)item;

		if (!box->is_foreign || box->round == b->round)
			continue;
		strcpy(id, box->id); /* others' names were checked */
		unsay(b, box);
		return true;
	}
	return false;
}

bool boxes_next_name(const char **list, char name[LINE_BOX_MAX + 1])
{
	size_t len;

	do {
		*list += strspn(*list, ", &");
		len = strcspn(*list, ", &");
		if (len == 0)
			return false;
		if (len <= LINE_BOX_MAX) {
			memcpy(name, *list, len);
			name[len] = '\0';
		}
		*list += len;
	} while (len > LINE_BOX_MAX); /* nobody has such a mailbox */
	return true;
}

uint32_t counts_in_folder(const struct counts *counts, const char *folder)
{
	if (!folder || !*folder || strcasecmp(folder, "INBOX") == 0)
		return counts->fresh;
	if (strcasecmp(folder, "Old") == 0)
		return counts->old;
	return strcasecmp(folder, "Urgent") == 0 ? counts->urgent : 0;
}

/* Layer 1: what changed here and was not looked at yet. Pure. */
#include "mod_queue.h"

#include <stdlib.h>
#include <string.h>

void queue_init(struct queue *q, size_t max)
{
	map_init(&q->names);
	q->max = max;
	q->overflow = false;
}

static void release(struct map_item *item)
{
	queue_entry_free((struct queue_entry *)item);
}

void queue_clear(struct queue *q)
{
	map_clear(&q->names, release);
	q->overflow = false;
}

bool queue_is_empty(const struct queue *q)
{
	return q->names.count == 0;
}

static struct queue_entry *append(struct queue *q, const char *name)
{
	size_t size = strlen(name) + 1;
	struct queue_entry *e = NULL;

	if (q->names.count < q->max)
		e = calloc(1, sizeof(*e) + size);
	if (!e)
		return NULL;
	memcpy(e->name, name, size);
	if (map_add(&q->names, &e->item, e->name))
		return e;
	free(e);
	return NULL;
}

static struct queue_entry *find(const struct queue *q, const char *name)
{
	return (struct queue_entry *)map_find(&q->names, name);
}

/* Its entry, made where there is none; NULL: no room. */
static struct queue_entry *get(struct queue *q, const char *name)
{
	struct queue_entry *e = find(q, name);

	if (!e)
		e = append(q, name);
	if (!e)
		q->overflow = true;
	return e;
}

bool queue_put(struct queue *q, const char *name, const struct counts *counts)
{
	struct queue_entry *e = get(q, name);

	if (!e)
		return false;
	e->gone = !counts;
	if (counts)
		e->counts = *counts;
	return true;
}

struct queue_entry *queue_take(struct queue *q)
{
	struct queue_entry *e = (struct queue_entry *)q->names.first;

	if (e)
		map_remove(&q->names, &e->item);
	return e;
}

void queue_entry_free(struct queue_entry *e)
{
	free(e);
}

bool queue_put_due(struct queue *q, const char *name, int64_t due_ms)
{
	struct queue_entry *e = get(q, name);

	if (!e)
		return false;
	e->due_ms = due_ms;
	/* behind those that are due before it; the table has room, it was in it */
	map_remove(&q->names, &e->item);
	map_add(&q->names, &e->item, e->name);
	return true;
}

struct queue_entry *queue_take_due(struct queue *q, int64_t now_ms)
{
	struct queue_entry *e = (struct queue_entry *)q->names.first;

	return e && e->due_ms <= now_ms ? queue_take(q) : NULL;
}

void queue_drop(struct queue *q, const char *name)
{
	struct queue_entry *e = find(q, name);

	if (e)
		map_remove(&q->names, &e->item);
	queue_entry_free(e);
}

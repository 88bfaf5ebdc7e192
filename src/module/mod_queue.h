/*
 * Layer 1: what changed here and was not looked at yet: names, each once, in the order in
 * which they came; bounded. For mailboxes the newest counts go with the name. Pure; who
 * shares it between threads locks it.
 */
#ifndef MOD_QUEUE_H
#define MOD_QUEUE_H

#include "mod_line.h"
#include "mod_map.h"

struct queue_entry {
	struct map_item item;
	bool gone; /* the mailbox was deleted */
	struct counts counts;
	int64_t due_ms; /* of queue_put_due() */
	char name[];    /* bytes of Asterisk's: not checked */
};

struct queue {
	struct map names;
	size_t max;
	bool overflow; /* something was left out: everything has to be said again */
};

void queue_init(struct queue *q, size_t max);
void queue_clear(struct queue *q); /* empty, no overflow */
bool queue_is_empty(const struct queue *q);
/* Newest wins; counts NULL: none, or gone. False: no room, q->overflow. */
bool queue_put(struct queue *q, const char *name, const struct counts *counts);
/* The oldest, NULL: empty. */
struct queue_entry *queue_take(struct queue *q);
void queue_entry_free(struct queue_entry *e);
/* Names that wait for a time; who puts one again begins its time anew. */
bool queue_put_due(struct queue *q, const char *name, int64_t due_ms);
/* The oldest, if it is due; else NULL. */
struct queue_entry *queue_take_due(struct queue *q, int64_t now_ms);
void queue_drop(struct queue *q, const char *name);

#endif

/*
 * Layer 2: the node's toggles: devices under LATEST, where the last word wins. When a
 * word of ours was said, in the database's clock, and whether it is in force.
 */
#include "node_parts.h"

bool node_is_toggle(struct node *n, enum key_kind kind, const char *key)
{
	return kind == KEY_DEVICE && n->policies && policies_count(n->policies) > 0 &&
		   cache_policy(n->cache, kind, key) == POLICY_LATEST;
}

/* A toggle where another entity's word is in force: *sum is that. */
bool node_is_overruled(
	struct node *n, enum key_kind kind, const char *key, struct sum *sum)
{
	if (!node_is_toggle(n, kind, key))
		return false;
	cache_sum(n->cache, kind, key, sum);
	return sum->writer && sum->writer != n->self;
}

/* A toggle where our word is in force. */
bool node_is_in_force(struct node *n, enum key_kind kind, const char *key)
{
	struct sum sum;

	if (!node_is_toggle(n, kind, key))
		return false;
	cache_sum(n->cache, kind, key, &sum);
	return sum.writer == n->self;
}

int64_t node_stamp_now(struct node *n, enum key_kind kind, const char *key)
{
	int64_t now_us = n->now_us + n->clock_offset_us;
	struct sum sum;

	if (!node_is_toggle(n, kind, key))
		return now_us;
	cache_sum(n->cache, kind, key, &sum);
	return sum.value.stamp_us >= now_us ? sum.value.stamp_us + 1 : now_us;
}

void node_ages(struct node *n, struct batch_item *items, size_t nitems)
{
	for (size_t i = 0; i < nitems && !n->yielded; i++) {
		struct batch_item *item = &items[i];
		const struct value *v;

		if (item->removed || !node_is_toggle(n, item->kind, item->key))
			continue;
		v = cache_get(n->cache, n->self, item->kind, item->key);
		if (!v || !value_same(item->kind, v, &item->value))
			continue;
		item->age_us = n->now_us + n->clock_offset_us - v->stamp_us;
		if (item->age_us < 0)
			item->age_us = 0;
	}
}

static bool restate_key(
	void *arg, enum key_kind kind, const char *key, const struct value *v)
{
	struct node *n = arg;

	if (node_is_in_force(n, kind, key))
		outbox_restate(n->outbox, kind, key, v->stamp_us - n->clock_offset_us);
	return true;
}

void node_restate(struct node *n)
{
	if (!n->yielded)
		cache_each_entity_row(n->cache, n->self, restate_key, n);
}

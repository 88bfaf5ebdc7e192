/* Layer 1: what others say of devices, and what this server said last. Pure. */
#include "mod_facts.h"

#include <stdlib.h>
#include <string.h>

void mod_facts_init(struct facts *f, size_t max)
{
	memset(f, 0, sizeof(*f));
	map_init(&f->devices);
	f->max = max;
}

static void release(struct map_item *item)
{
	struct device *d = (struct device *)item;

	free(d->said);
	free(d);
}

void mod_facts_clear(struct facts *f)
{
	map_clear(&f->devices, release);
	mod_facts_init(f, f->max);
}

struct device *mod_facts_find(const struct facts *f, const char *name)
{
	return (struct device *)map_find(&f->devices, name);
}

bool fact_counts(enum device_state state)
{
	return state != STATE_UNKNOWN && state != STATE_INVALID;
}

static struct device *device_new(struct facts *f, const char *name)
{
	size_t size = strlen(name) + 1;
	struct device *d = calloc(1, sizeof(*d) + size);

	if (!d)
		return NULL;
	memcpy(d->name, name, size);
	if (map_add(&f->devices, &d->item, d->name))
		return d;
	free(d);
	return NULL;
}

static bool is_foreign(const struct device *d)
{
	return d->count > 0 || d->is_merged;
}

/* Nobody says anything of it: forgotten. */
static void drop_unused(struct facts *f, struct device *d)
{
	if (is_foreign(d) || d->has_own || d->adopted)
		return;
	map_remove(&f->devices, &d->item);
	release(&d->item);
}

/* For a word of somebody else; NULL: there are too many, or no memory. */
static struct device *device_for_other(struct facts *f, const char *name)
{
	struct device *d = mod_facts_find(f, name);

	if (d && is_foreign(d))
		return d;
	if (f->foreign < f->max && !d)
		d = device_new(f, name);
	if (!d || f->foreign >= f->max) {
		f->refused++;
		return NULL;
	}
	return d;
}

static struct fact *fact_find(struct device *d, const struct entity_id *entity)
{
	for (int i = 0; i < d->count; i++)
		if (entity_id_equal(&d->said[i].entity, entity))
			return &d->said[i];
	return NULL;
}

static struct fact *fact_new(struct device *d, const struct entity_id *entity)
{
	struct fact *larger = realloc(d->said, (size_t)(d->count + 1) * sizeof(*larger));

	if (!larger)
		return NULL;
	d->said = larger;
	d->said[d->count].entity = *entity;
	return &d->said[d->count++];
}

static const struct fact_change no_room = {.refused = true};

struct fact_change mod_facts_say(struct facts *f, const char *name,
	const struct entity_id *entity, enum device_state state)
{
	struct device *d = device_for_other(f, name);
	struct fact_change c = {.after = fact_counts(state)};
	struct fact *fact = d ? fact_find(d, entity) : NULL;
	bool was_foreign = d && is_foreign(d);

	if (!d)
		return no_room;
	if (fact) {
		c.before = fact_counts(fact->state);
		c.changed = fact->state != state;
	} else {
		fact = fact_new(d, entity);
		c.changed = true;
	}
	if (!fact) {
		f->refused++;
		drop_unused(f, d);
		return no_room;
	}
	fact->state = state;
	fact->round = f->round;
	if (!was_foreign)
		f->foreign++;
	return c;
}

/* After a word of others was taken away. */
static void less_foreign(struct facts *f, struct device *d)
{
	if (!is_foreign(d))
		f->foreign--;
	drop_unused(f, d);
}

static struct fact_change fact_remove(
	struct facts *f, struct device *d, struct fact *fact)
{
	struct fact_change c = {.changed = true, .before = fact_counts(fact->state)};

	*fact = d->said[--d->count];
	less_foreign(f, d);
	return c;
}

struct fact_change mod_facts_unsay(
	struct facts *f, const char *name, const struct entity_id *entity)
{
	struct device *d = mod_facts_find(f, name);
	struct fact *fact = d ? fact_find(d, entity) : NULL;

	if (!fact)
		return (struct fact_change){.changed = false};
	return fact_remove(f, d, fact);
}

struct fact_change mod_facts_merge(struct facts *f, const char *name,
	const struct entity_id *entity, enum device_state state)
{
	struct device *d = device_for_other(f, name);
	struct fact_change c = {.after = true};

	if (!d)
		return no_room;
	c.before = d->is_merged;
	c.changed = !d->is_merged || !d->adopted || d->merged.state != state ||
				!entity_id_equal(&d->merged.entity, entity);
	if (!is_foreign(d))
		f->foreign++;
	d->is_merged = true;
	d->merged.entity = *entity;
	d->merged.state = state;
	d->merged.round = f->round;
	return c;
}

struct fact_change mod_facts_unmerge(struct facts *f, const char *name)
{
	struct device *d = mod_facts_find(f, name);

	if (!d || !d->is_merged)
		return (struct fact_change){.changed = false};
	d->is_merged = false;
	less_foreign(f, d);
	return (struct fact_change){.changed = true, .before = true};
}

bool mod_facts_own_set(struct facts *f, const char *name, enum device_state state)
{
	struct device *d = mod_facts_find(f, name);
	bool changed;

	if (!d)
		d = device_new(f, name);
	if (!d)
		return true; /* unknown to us: said every time */
	changed = !d->has_own || d->own != state;
	d->has_own = true;
	d->own = state;
	return changed;
}

bool mod_facts_own_clear(struct facts *f, const char *name)
{
	struct device *d = mod_facts_find(f, name);

	if (!d || !d->has_own)
		return false;
	d->has_own = false;
	drop_unused(f, d);
	return true;
}

void mod_facts_adopt(struct facts *f, const char *name, bool adopted)
{
	struct device *d = mod_facts_find(f, name);

	if (!d && adopted)
		d = device_new(f, name);
	if (!d)
		return;
	d->adopted = adopted;
	drop_unused(f, d);
}

void mod_facts_round_begin(struct facts *f)
{
	f->round++;
}

void mod_facts_sweep_begin(struct facts *f)
{
	map_walk_begin(&f->devices);
}

static void gone_of(
	const struct device *d, const struct fact *fact, bool merged, struct fact_gone *out)
{
	strcpy(out->name, d->name); /* others' names were checked: 255 bytes at most */
	out->entity = fact->entity;
	out->state = fact->state;
	out->merged = merged;
	out->counted = merged || fact_counts(fact->state);
}

/* The first word of this device that the last dump did not have; takes it out. */
static bool sweep_device(struct facts *f, struct device *d, struct fact_gone *out)
{
	if (d->is_merged && d->merged.round != f->round) {
		gone_of(d, &d->merged, true, out);
		d->is_merged = false;
		if (d->count > 0)
			f->devices.walk = &d->item; /* there may be more of it */
		less_foreign(f, d);
		return true;
	}
	for (int i = 0; i < d->count; i++) {
		if (d->said[i].round == f->round)
			continue;
		gone_of(d, &d->said[i], false, out);
		if (d->count > 1)
			f->devices.walk = &d->item;
		fact_remove(f, d, &d->said[i]);
		return true;
	}
	return false;
}

bool mod_facts_sweep(struct facts *f, struct fact_gone *out)
{
	struct map_item *item;

	while ((item = map_walk(&f->devices)))
		if (sweep_device(f, (struct device *)item, out))
			return true;
	return false;
}

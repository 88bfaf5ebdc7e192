/*
 * Stage 8: hints.
 * In:    "the sum of a device changed" (cache).
 * Out:   the state of a hint changed -> its watchers, once.
 * Owns:  hints (exten@context -> devices), watchers.
 * Never: I/O, time. The dialplan says what hints there are.
 */
#include "hint.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "change.h"
#include "mem.h"

struct hint_entry {
	struct hint pub;
	char *name; /* "exten@context" */
	char **devices;
	int ndevices;
	struct hint_watcher *watchers;
	UT_hash_handle hh;
};

/* A device and the hints that have it. */
struct hint_device {
	char *name;
	struct hint_entry **hints;
	int nhints;
	UT_hash_handle hh;
};

struct hint_set {
	struct hint_entry *by_name;
	struct hint_device *by_device;
	struct hint_entry **order;
	int count;
};

struct hints {
	enum device_state (*lookup)(void *arg, const char *device);
	void *arg;
	struct hint_set now, next; /* next: between begin and end */
	struct hint_watcher *all;  /* watchers of every hint */
};

static struct hint_entry *entry_find(
	const struct hint_set *set, const char *exten, const char *context)
{
	char *name = mem_printf("%s@%s", exten, context);
	struct hint_entry *e;

	HASH_FIND_STR(set->by_name, name, e);
	free(name);
	return e;
}

static void entry_free(struct hint_entry *e)
{
	for (int i = 0; i < e->ndevices; i++)
		free(e->devices[i]);
	free(e->devices);
	free((char *)e->pub.exten);
	free((char *)e->pub.context);
	free((char *)e->pub.devices);
	free(e->name);
	free(e);
}

static void device_free(struct hint_device *d)
{
	free(d->name);
	free(d->hints);
	free(d);
}

static void set_clear(struct hint_set *set)
{
	struct hint_entry *e, *enext;
	struct hint_device *d, *dnext;

	HASH_ITER(hh, set->by_device, d, dnext)
	{
		HASH_DEL(set->by_device, d);
		device_free(d);
	}
	HASH_ITER(hh, set->by_name, e, enext)
	{
		HASH_DEL(set->by_name, e);
		entry_free(e);
	}
	free(set->order);
	*set = (struct hint_set){0};
}

struct hints *hints_new(
	enum device_state (*lookup)(void *arg, const char *device), void *arg)
{
	struct hints *h = mem_alloc(sizeof(*h));

	h->lookup = lookup;
	h->arg = arg;
	return h;
}

void hints_free(struct hints *h)
{
	if (!h)
		return;
	set_clear(&h->next);
	set_clear(&h->now);
	free(h);
}

/* ---- what hints there are ---- */

/* "A&B&C" -> its parts; false: one of them is not a device's name. */
static bool split_devices(struct hint_entry *e, const char *devices, const char **why)
{
	const char *at = devices;

	for (;;) {
		size_t len = strcspn(at, "&");

		if (!name_check(at, len, why))
			return false;
		e->devices =
			mem_realloc(e->devices, (size_t)(e->ndevices + 1) * sizeof(*e->devices));
		e->devices[e->ndevices++] = mem_strndup(at, len);
		if (at[len] == '\0')
			return true;
		at += len + 1;
	}
}

static void set_link_device(struct hint_set *set, const char *name, struct hint_entry *e)
{
	struct hint_device *d;

	HASH_FIND_STR(set->by_device, name, d);
	if (!d) {
		d = mem_alloc(sizeof(*d));
		d->name = mem_strdup(name);
		HASH_ADD_KEYPTR(hh, set->by_device, d->name, strlen(d->name), d);
	}
	if (d->nhints > 0 && d->hints[d->nhints - 1] == e)
		return; /* named twice in one hint */
	d->hints = mem_realloc(d->hints, (size_t)(d->nhints + 1) * sizeof(*d->hints));
	d->hints[d->nhints++] = e;
}

void hints_begin(struct hints *h)
{
	set_clear(&h->next);
}

bool hints_add(struct hints *h, const char *exten, const char *context,
	const char *devices, const char **why)
{
	struct hint_entry *e = mem_alloc(sizeof(*e));

	e->pub.exten = mem_strdup(exten);
	e->pub.context = mem_strdup(context);
	e->pub.devices = mem_strdup(devices);
	e->name = mem_printf("%s@%s", exten, context);
	if (!split_devices(e, devices, why)) {
		entry_free(e);
		return false;
	}
	if (entry_find(&h->next, exten, context)) {
		*why = "this extension has a hint already";
		entry_free(e);
		return false;
	}
	HASH_ADD_KEYPTR(hh, h->next.by_name, e->name, strlen(e->name), e);
	for (int i = 0; i < e->ndevices; i++)
		set_link_device(&h->next, e->devices[i], e);
	h->next.order =
		mem_realloc(h->next.order, (size_t)(h->next.count + 1) * sizeof(*h->next.order));
	h->next.order[h->next.count++] = e;
	return true;
}

/* ---- their states ---- */

static void entry_look(struct hints *h, struct hint_entry *e)
{
	unsigned set = 0;

	for (int i = 0; i < e->ndevices; i++)
		set |= state_bit(h->lookup(h->arg, e->devices[i]));
	e->pub.sum = state_sum(set);
	e->pub.state = exten_state_of(e->pub.sum);
}

static void watchers_tell(struct hint_watcher *w, const struct hint *hint)
{
	for (struct hint_watcher *next; w; w = next) {
		next = w->next; /* a watcher may remove itself */
		w->changed(w->arg, hint);
	}
}

/* `again`: a device moved, and a hint that rings says so each time (a second call rings).
 */
static void entry_update(struct hints *h, struct hint_entry *e, bool again)
{
	enum exten_state state = e->pub.state;

	entry_look(h, e);
	if (e->pub.state == state && !(again && (e->pub.state & EXTEN_RINGING)))
		return;
	watchers_tell(e->watchers, &e->pub);
	watchers_tell(h->all, &e->pub);
}

void hints_device_changed(struct hints *h, const char *device)
{
	struct hint_device *d;

	HASH_FIND_STR(h->now.by_device, device, d);
	for (int i = 0; d && i < d->nhints; i++)
		entry_update(h, d->hints[i], true);
}

/* A new entry takes over the watchers and the last state of the old one of its name. */
static void entry_inherit(struct hints *h, struct hint_entry *e)
{
	struct hint_entry *old = entry_find(&h->now, e->pub.exten, e->pub.context);

	if (!old) {
		entry_look(h, e);
		return;
	}
	e->watchers = old->watchers;
	e->pub.watchers = old->pub.watchers;
	e->pub.sum = old->pub.sum;
	e->pub.state = old->pub.state;
	old->watchers = NULL;
}

void hints_end(struct hints *h)
{
	for (int i = 0; i < h->next.count; i++)
		entry_inherit(h, h->next.order[i]);
	set_clear(&h->now);
	h->now = h->next;
	h->next = (struct hint_set){0};
	for (int i = 0; i < h->now.count; i++)
		entry_update(h, h->now.order[i], false);
}

void hints_abort(struct hints *h)
{
	set_clear(&h->next);
}

/* ---- watchers and looking ---- */

bool hints_watch(
	struct hints *h, const char *exten, const char *context, struct hint_watcher *w)
{
	struct hint_entry *e = exten ? entry_find(&h->now, exten, context) : NULL;
	struct hint_watcher **list;

	if (exten && !e)
		return false;
	list = e ? &e->watchers : &h->all;
	if (e)
		e->pub.watchers++;
	w->next = *list;
	*list = w;
	return true;
}

static bool watcher_unlink(struct hint_watcher **list, struct hint_watcher *w)
{
	for (; *list; list = &(*list)->next) {
		if (*list == w) {
			*list = w->next;
			return true;
		}
	}
	return false;
}

void hints_unwatch(struct hints *h, struct hint_watcher *w)
{
	if (watcher_unlink(&h->all, w))
		return;
	for (int i = 0; i < h->now.count; i++) {
		if (watcher_unlink(&h->now.order[i]->watchers, w)) {
			h->now.order[i]->pub.watchers--;
			return;
		}
	}
}

const struct hint *hints_find(
	const struct hints *h, const char *exten, const char *context)
{
	const struct hint_entry *e = entry_find(&h->now, exten, context);

	return e ? &e->pub : NULL;
}

int hints_count(const struct hints *h)
{
	return h->now.count;
}

const struct hint *hints_at(const struct hints *h, int i)
{
	return &h->now.order[i]->pub;
}

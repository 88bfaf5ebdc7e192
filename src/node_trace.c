/* Layer 2: debug 1: for every device state change, what each server says and how it adds
 * up. */
#include "log.h"
#include "node_parts.h"

struct trace {
	const char *device;
};

static bool trace_row(
	void *arg, const struct cache_entity *e, const struct value *v, bool counts)
{
	const struct trace *t = arg;
	char id[ENTITY_ID_TEXT];

	log_debug(1, "devstate", "%s state of '%s' from %s (%s) for '%s'",
		counts ? "Adding" : "Leaving out", state_name(v->state),
		e->who.name[0] ? e->who.name : "?", entity_id_print(&e->id, id), t->device);
	return true;
}

void trace_device(struct cache *c, const char *device)
{
	struct trace t = {device};
	struct sum sum;

	if (log_get_debug() < 1)
		return;
	cache_each_row(c, KEY_DEVICE, device, trace_row, &t);
	cache_sum(c, KEY_DEVICE, device, &sum);
	log_debug(1, "devstate", "'%s' adds up to '%s' servers=%d", device,
		state_name(sum.value.state), sum.entities);
}

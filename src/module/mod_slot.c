/*
 * Stage 1, in Asterisk: its cache of device states.
 *
 * A slot is emptied by a "cache clear" message, which tells nobody: hints and queues keep
 * what they heard last. When no slot is left, the provider or channel driver is asked and
 * its answer published as an aggregate that is not cachable: obeyed by all, stored by
 * none. A final UNKNOWN in the slot would be wrong: queues ring agents whose state is
 * unknown.
 */
#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/stasis.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "mod_slot.h"

#define TRUTH_TRIES 4

/* Both enumerations have the same numbers; a new state here would be refused by the
 * parser. */
_Static_assert((int)STATE_ONHOLD == (int)AST_DEVICE_ONHOLD &&
				   (int)STATE_INVALID == (int)AST_DEVICE_INVALID &&
				   (int)STATE_COUNT == (int)AST_DEVICE_TOTAL,
	"states have Asterisk's numbers");

static struct ast_eid eid_of(const struct entity_id *entity)
{
	struct ast_eid eid = {{0}};

	memcpy(eid.eid, entity->bytes, sizeof(eid.eid));
	return eid;
}

bool slot_is_ours(const struct entity_id *entity)
{
	struct entity_id id = line_at_node(*entity);

	return memcmp(id.bytes, ast_eid_default.eid, sizeof(id.bytes)) == 0;
}

/* NULL: empty. The caller gives it back. */
static struct stasis_message *message_in(const char *device, const struct ast_eid *eid)
{
	return stasis_cache_get_by_eid(
		ast_device_state_cache(), ast_device_state_message_type(), device, eid);
}

enum slot_owner slot_read(const char *device, enum device_state *state)
{
	struct stasis_message *message = message_in(device, &ast_eid_default);
	struct ast_device_state_message *data;
	enum slot_owner owner;

	if (!message)
		return SLOT_EMPTY;
	data = stasis_message_data(message);
	*state = (enum device_state)data->state;
	owner = data->eid && ast_eid_cmp(data->eid, &ast_eid_default) == 0 ? SLOT_OWN
																	   : SLOT_ADOPTED;
	ao2_ref(message, -1);
	return owner;
}

bool slot_sum(const char *device, enum device_state *state)
{
	struct stasis_message *message = message_in(device, NULL);
	struct ast_device_state_message *data;

	if (!message)
		return false;
	data = stasis_message_data(message);
	*state = (enum device_state)data->state;
	ao2_ref(message, -1);
	return true;
}

/* As an aggregate that is not stored. */
static void tell(const char *device, enum device_state state)
{
	ast_publish_device_state_full(
		device, (enum ast_device_state)state, AST_DEVSTATE_NOT_CACHABLE, NULL);
}

/*
 * No slot is left. While the provider was asked and its answer told, this server may have
 * filled its slot: whoever heard the answer last would keep it, so the sum is told again.
 */
static void tell_truth(const char *device)
{
	enum device_state told = (enum device_state)ast_device_state(device), now;
	int tries;

	tell(device, told);
	for (tries = 0; tries < TRUTH_TRIES; tries++) {
		if (!slot_sum(device, &now) || now == told)
			break;
		tell(device, now);
		told = now;
	}
}

void slot_fill(
	const char *device, const struct entity_id *entity, enum device_state state)
{
	struct ast_eid eid = eid_of(entity);

	ast_publish_device_state_full(
		device, (enum ast_device_state)state, AST_DEVSTATE_CACHABLE, &eid);
}

static void clear(const char *device, const struct ast_eid *eid)
{
	struct stasis_message *message = message_in(device, eid), *order;
	struct stasis_topic *topic = ast_device_state_topic(device);

	order = message && topic ? stasis_cache_clear_create(message) : NULL;
	if (order)
		stasis_publish(topic, order);
	ao2_cleanup(order);
	ao2_cleanup(message);
}

void slot_empty(const char *device, const struct entity_id *entity)
{
	struct ast_eid eid = eid_of(entity);
	enum device_state left;

	clear(device, &eid);
	if (!slot_sum(device, &left))
		tell_truth(device);
}

/* A message whose data have the writer's id while the message has ours. */
static struct stasis_message *marked_message(
	const char *device, const struct entity_id *entity, enum device_state state)
{
	struct ast_device_state_message *data;
	struct stasis_message *message;
	char *name;

	data = ao2_alloc(sizeof(*data) + sizeof(struct ast_eid) + strlen(device) + 1, NULL);
	if (!data)
		return NULL;
	data->stuff[0] = eid_of(entity);
	data->eid = &data->stuff[0];
	name = (char *)&data->stuff[1];
	strcpy(name, device); /* fits, see above */
	data->device = name;
	data->state = (enum ast_device_state)state;
	data->cachable = AST_DEVSTATE_CACHABLE;
	message = stasis_message_create_full(
		ast_device_state_message_type(), data, &ast_eid_default);
	ao2_ref(data, -1);
	return message;
}

void slot_adopt(
	const char *device, const struct entity_id *entity, enum device_state state)
{
	struct stasis_message *message = marked_message(device, entity, state);
	struct stasis_topic *topic = ast_device_state_topic(device);

	if (message && topic)
		stasis_publish(topic, message);
	ao2_cleanup(message);
}

void slot_restore(const char *device, const enum device_state *own)
{
	enum device_state left;

	clear(device, &ast_eid_default);
	if (own)
		ast_publish_device_state(
			device, (enum ast_device_state) * own, AST_DEVSTATE_CACHABLE);
	else if (!slot_sum(device, &left))
		tell_truth(device);
}

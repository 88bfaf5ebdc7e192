/* Stage 1, in Asterisk: who joins and leaves the cluster. */
#include "asterisk.h"

#include "asterisk/json.h"
#include "asterisk/logger.h"
#include "asterisk/manager.h"
#include "asterisk/stasis.h"
#include "asterisk/stasis_system.h"

#include "mod_announce.h"
#include "mod_tables.h"

static void tell_manager(const struct member *m, bool joined)
{
	struct ast_json *event = ast_json_pack("{s: s, s: s, s: s, s: s, s: s}", "EntityID",
		m->id, "Name", m->name, "Host", m->host, "Version", m->version, "Status",
		joined ? "Joined" : "Left");

	if (!event)
		return;
	ast_manager_publish_event("ClusterMember", EVENT_FLAG_SYSTEM, event);
	ast_json_unref(event);
}

/* The members of this message are what its other publisher has. */
static void tell_modules(const struct member *m, bool joined)
{
	struct ast_json *what = ast_json_pack("{s: s, s: i, s: s, s: i}", "address", m->host,
		"node_id", 0, "eid", m->id, "joined", joined ? 1 : 0);
	struct ast_json_payload *payload = what ? ast_json_payload_create(what) : NULL;
	struct stasis_message *message;

	message =
		payload ? stasis_message_create(ast_cluster_discovery_type(), payload) : NULL;
	if (message)
		stasis_publish(ast_system_topic(), message);
	ao2_cleanup(message);
	ao2_cleanup(payload);
	ast_json_unref(what);
}

static void announce(const struct member *m, bool joined)
{
	ast_log(LOG_NOTICE, "Server '%s' (%s) on %s %s the cluster\n", m->name, m->id,
		m->host, joined ? "joined" : "left");
	tell_manager(m, joined);
	tell_modules(m, joined);
}

void announce_line(const struct line *l)
{
	struct members *members = &tables_lock()->members;
	struct member one, *known = NULL;
	bool news;

	if (l->gone) {
		news = members_down(members, &l->entity, &one);
	} else {
		news = members_up(members, l, &known);
		if (known)
			one = *known;
	}
	tables_unlock();
	if (news)
		announce(&one, !l->gone);
}

void announce_round_begin(void)
{
	members_round_begin(&tables_lock()->members);
	tables_unlock();
}

void announce_sweep_begin(void)
{
	members_sweep_begin(&tables_lock()->members);
	tables_unlock();
}

bool announce_sweep(void)
{
	struct member one;
	bool any = members_sweep(&tables_lock()->members, &one);

	tables_unlock();
	if (any)
		announce(&one, false);
	return any;
}

/* Who else speaks: telephone servers beside nodes, with their links; and SQL. */
#include <string.h>

#include "node_parts.h"
#include "sim.h"

/* ---- a report ---- */

static void pbx_tells(struct box *b, enum key_kind kind, int key)
{
	const struct said *truth = &b->pbx.truth[kind][key];
	struct said *said = &b->said[kind][key];

	*said = *truth;
	said->stated = true;
	said->at_us = said->told_us = b->sim->now_us; /* the node knows no earlier time */
	b->pbx.mentioned[kind][key] = true;
	if (truth->present)
		node_report_set(b->node, kind, key_name(kind, key), &truth->value);
	else
		node_report_remove(b->node, kind, key_name(kind, key));
}

static void report_end(struct box *b)
{
	struct pbx *p = &b->pbx;

	for (int i = 0; i < KEY_KINDS * b->sim->plan.keys; i++) {
		enum key_kind kind = (enum key_kind)(i % KEY_KINDS);
		struct said *said = &b->said[kind][i / KEY_KINDS];
		const struct value *own =
			outbox_get(b->node->outbox, kind, key_name(kind, i / KEY_KINDS));

		if (own && own->held)
			continue; /* not the link's */
		if (!box_has_link_key(b, i / KEY_KINDS) ||
			p->mentioned[i % KEY_KINDS][i / KEY_KINDS])
			continue;
		said->stated = true;
		said->present = false;
		said->told_us = b->sim->now_us;
	}
	p->open = false;
	p->complete = true;
	p->complete_us = b->sim->now_us;
	story("its PBX has told everything");
	node_report_end(b->node);
}

static void report_goes_on(struct sim *sim, struct event *ev);

static void report_later(struct box *b, int next, int64_t after_us)
{
	struct event *ev = event_add(b->sim, b->sim->now_us + after_us, report_goes_on);

	ev->box = b;
	ev->gen = b->gen;
	ev->index = next;
	ev->ticket = b->pbx.ticket;
}

static void report_breaks_off(struct box *b)
{
	b->pbx.cuts--;
	story("its PBX breaks off in the middle of the report");
	pbx_goes(b, false);
	pbx_comes(b, rng_below(&b->sim->net, 2 * SECOND));
}

/* One key, or the end. */
static void report_goes_on(struct sim *sim, struct event *ev)
{
	struct box *b = ev->box;
	int key = ev->index / KEY_KINDS;
	enum key_kind kind = (enum key_kind)(ev->index % KEY_KINDS);

	if (ev->ticket != b->pbx.ticket || !b->pbx.open)
		return;
	if (b->pbx.cuts > 0 && ev->index >= sim->plan.keys) {
		report_breaks_off(b);
		return;
	}
	box_turn_begin(b);
	if (ev->index == KEY_KINDS * sim->plan.keys)
		report_end(b);
	else if (box_has_link_key(b, key) && b->pbx.truth[kind][key].present)
		pbx_tells(b, kind, key);
	box_turn_end(b);
	if (b->pbx.open)
		report_later(b, ev->index + 1, rng_skewed(&sim->net, 0, 100 * MS));
}

static void link_is_up(struct sim *sim, struct event *ev)
{
	struct box *b = ev->box;

	(void)sim;
	if (!b->pbx.alive || b->pbx.linked || ev->ticket != b->pbx.ticket || b->left)
		return;
	b->pbx.linked = true;
	b->pbx.open = true;
	memset(b->pbx.mentioned, 0, sizeof(b->pbx.mentioned));
	box_turn_begin(b);
	story("its PBX is there, and reports");
	node_report_up(b->node);
	node_report_begin(b->node);
	box_turn_end(b);
	report_later(b, 0, 0);
}

void pbx_comes(struct box *b, int64_t after_us)
{
	struct event *ev = event_add(b->sim, b->sim->now_us + after_us, link_is_up);

	ev->box = b;
	ev->gen = b->gen;
	ev->ticket = ++b->pbx.ticket;
}

void pbx_goes(struct box *b, bool says_bye)
{
	b->pbx.ticket++;
	if (!b->pbx.linked || !b->node || b->left)
		return;
	b->pbx.linked = b->pbx.open = b->pbx.complete = false;
	box_turn_begin(b);
	story("its PBX %s", says_bye ? "says goodbye" : "is gone");
	if (says_bye)
		node_report_bye(b->node);
	else
		node_report_lost(b->node);
	box_turn_end(b);
}

void pbx_step(struct box *b, const struct step *step)
{
	struct said *truth = &b->pbx.truth[step->kind][step->key];
	struct value value = step->value;

	if (!b->pbx.alive)
		return;
	value.held = false;
	truth->present = !step->removed;
	if (truth->present) {
		value_is_said(b->sim, box_of_entity(b->sim, &b->id), step, &value);
		truth->value = value;
		truth->at_us = b->sim->now_us;
	}
	if (!b->pbx.linked || !b->node || b->left || b->paused_until_us > b->sim->now_us)
		return;
	box_turn_begin(b);
	story("its PBX says %s %s %u", key_name(step->kind, step->key),
		truth->present ? state_name(value.state) : "nothing", value.fresh);
	pbx_tells(b, step->kind, step->key);
	box_turn_end(b);
}

/* ---- SQL ---- */

static bool static_is_over(const struct sim *sim, int number)
{
	return sim->static_until_us[number] && sim->static_until_us[number] < sim->now_us;
}

void static_step(struct sim *sim, const struct step *step)
{
	int number = step->box - MOST_BOXES;
	struct server *s = &sim->servers[sim->primary];
	struct said *said = &sim->static_said[number][step->kind][step->key];
	struct batch_item item = {.kind = step->kind,
		.key = key_name(step->kind, step->key),
		.removed = step->removed,
		.value = step->value};

	if (!s->up)
		return;
	if (static_is_over(sim, number))
		memset(sim->static_said[number], 0, sizeof(sim->static_said[number]));
	if (!item.removed)
		value_is_said(sim, step->box, step, &item.value);
	said->present = !item.removed;
	said->value = item.value;
	sim->static_until_us[number] = step->ttl_us ? sim->now_us + step->ttl_us : 0;
	story("SQL \"%s\" says %s %s %u, for %.3f s", static_name(number), item.key,
		item.removed ? "nothing" : state_name(item.value.state), item.value.fresh,
		(double)step->ttl_us / SECOND);
	net_clock(sim, s);
	model_static(s->model, static_name(number), step->ttl_us, &item, 1);
	net_server_flush(sim, s);
}

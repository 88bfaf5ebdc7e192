/*
 * Layer 2: what the PBX says, as the node takes it: whose keys are whose, when a report
 * takes effect, and for how long what a lost link said still counts (node.h has the
 * rules).
 */
#include "log.h"
#include "node_parts.h"

const char *report_state_name(enum report_state s)
{
	static const char *const names[] = {"none", "kept", "awaited", "open", "complete"};

	return names[s];
}

enum report_state report_state(const struct node *n)
{
	const struct node_report *r = &n->report;

	if (!r->linked)
		return r->reporting ? REPORT_KEPT : REPORT_NONE;
	if (r->open)
		return REPORT_OPEN;
	return r->complete ? REPORT_COMPLETE : REPORT_AWAITED;
}

/* With all that was said up to now. */
static void reporting_set(struct node *n, bool reporting)
{
	n->report.grace_us = 0;
	n->report.reporting = reporting;
	publisher_set_reporting(n->publisher, reporting, outbox_mark(n->outbox));
	if (!n->yielded)
		cache_entity_flags(n->cache, n->self, true, reporting);
	session_kick(n);
}

static void grace_begin(struct node *n)
{
	n->report.grace_us = n->now_us + n->cfg.self.lease_ms * INT64_C(1000) / 2;
	n->cb.rearm(n->arg);
}

void report_adopt(struct node *n, bool reporting)
{
	publisher_reporting_is(n->publisher, reporting);
	if (!reporting || n->report.reporting || n->report.bye)
		return;
	reporting_set(n, true);
	grace_begin(n);
}

void report_timer(struct node *n)
{
	if (n->report.grace_us == 0 || n->now_us < n->report.grace_us)
		return;
	log_warning("report",
		"no telephone server has told everything for half a lease: what it said last "
		"does not count any more report=%s",
		report_state_name(report_state(n)));
	reporting_set(n, false);
}

int64_t report_next_us(const struct node *n)
{
	return n->report.grace_us;
}

/* ---- the link ---- */

void node_report_up(struct node *n)
{
	n->report.linked = true;
	n->report.bye = false;
	n->report.open = false;
	n->report.complete = false;
	outbox_report_begin(n->outbox);
}

void node_report_begin(struct node *n)
{
	n->report.open = true;
	outbox_report_begin(n->outbox);
}

void node_report_set(
	struct node *n, enum key_kind kind, const char *key, const struct value *v)
{
	struct value value = *v;
	struct sum sum;
	bool overruled = node_is_overruled(n, kind, key, &sum);

	if (overruled && sum.value.state == v->state) { /* it took that over from us */
		outbox_report_mention(n->outbox, kind, key);
		return;
	}
	value.held = false;
	if (!outbox_report_set(n->outbox, kind, key, &value, n->now_us) &&
		!(overruled && report_state(n) == REPORT_COMPLETE &&
			outbox_restate(n->outbox, kind, key, n->now_us)))
		return;
	value = *outbox_get(n->outbox, kind, key);
	value.stamp_us = node_stamp_now(n, kind, key);
	if (!n->yielded)
		cache_put(n->cache, n->self, kind, key, &value);
	session_kick(n);
}

bool node_report_remove(struct node *n, enum key_kind kind, const char *key)
{
	if (!outbox_report_remove(n->outbox, kind, key, n->now_us))
		return false;
	if (!n->yielded)
		cache_remove(n->cache, n->self, kind, key);
	session_kick(n);
	return true;
}

/* The end of a report took a key out, or from the console; that is no new word. */
static void key_ended(
	void *arg, enum key_kind kind, const char *key, const struct value *v)
{
	struct node *n = arg;
	const struct value *known = cache_get(n->cache, n->self, kind, key);
	struct value value;

	if (n->yielded)
		return;
	if (!v) {
		cache_remove(n->cache, n->self, kind, key);
		return;
	}
	value = *v;
	value.stamp_us = known ? known->stamp_us : n->now_us + n->clock_offset_us;
	cache_put(n->cache, n->self, kind, key, &value);
}

void node_report_end(struct node *n)
{
	if (!n->report.open)
		return;
	n->report.open = false;
	n->report.complete = true;
	/* First, so that a key that stops being held goes on counting. */
	if (!n->yielded)
		cache_entity_flags(n->cache, n->self, true, true);
	outbox_report_end(n->outbox, n->now_us, key_ended, n);
	reporting_set(n, true);
}

void node_report_lost(struct node *n)
{
	if (!n->report.linked)
		return;
	n->report.linked = false;
	n->report.open = false;
	n->report.complete = false;
	if (n->report.reporting && n->report.grace_us == 0)
		grace_begin(n);
}

void node_report_bye(struct node *n)
{
	n->report = (struct node_report){.bye = true};
	reporting_set(n, false);
}

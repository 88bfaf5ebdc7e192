/*
 * Stage 3, session: what is asked of the database next.
 * In:    results, losses, time.
 * Out:   one request at a time on the main session, one on the reading session.
 * Owns:  the phase of the node, when to try again.
 * Never: I/O of its own, nor what an answer means for the outbox or the cache.
 *
 *   DOWN -> CONNECTING -> REGISTERING -> LISTENING -> LOADING -> READY (or REFUSED)
 *     ^_________________________ lost, at any point ______________________|
 *
 * While READY or REFUSED, whatever is due goes first come, first served: answers to
 * pings, publish, tick, relay, beat, and a new try to register where we were refused.
 */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "node_parts.h"

#define RETRY_MIN_US     INT64_C(250000)
#define RETRY_MAX_US     INT64_C(1500000)
#define REFUSED_RETRY_US INT64_C(2000000)
#define BEAT_MAX_US      INT64_C(2000000)
#define LEAVE_US         INT64_C(3000000)
#define ANSWER_MIN_MS    3000 /* above lock_timeout, whose error says more */
#define ANSWER_MAX_MS    5000
#define READ_MS          120000
/* Without a row: a server process may hang on a host that is well. Doubled each time. */
#define SILENCE_MS 5000
/* So many keys at once are told ahead; more are quicker told by the publish itself. */
#define MOST_AHEAD 8
/* With this much to deliver a second, a notification more for each change costs the
 * others more than it saves. */
#define AHEAD_DELIVERIES 20000
/* So long a publish waits for what is announced to be out, and after a failure the next
 * try. */
#define AHEAD_US       INT64_C(20000)
#define AHEAD_MS       1000
#define AHEAD_RETRY_US INT64_C(1000000)

static const char *const phase_names[] = {"down", "connecting", "registering",
	"listening", "loading", "ready", "refused", "leaving", "left"};

const char *node_phase_name(enum node_phase p)
{
	return phase_names[p];
}

static void phase_set(struct node *n, enum node_phase phase)
{
	if (n->phase == phase)
		return;
	log_debug(2, "session", "phase %s -> %s", phase_names[n->phase], phase_names[phase]);
	n->phase = phase;
	n->phase_since_us = n->now_us;
	n->cb.phase(n->arg, phase);
}

bool session_is_up(const struct node *n)
{
	return n->phase == NODE_LOADING || n->phase == NODE_READY ||
		   n->phase == NODE_REFUSED || n->phase == NODE_LEAVING;
}

static int64_t beat_period_us(const struct node *n)
{
	int64_t period = n->cfg.self.lease_ms * INT64_C(1000) / 5;

	return period < BEAT_MAX_US ? period : BEAT_MAX_US;
}

/* Well below a lease: who is back late after an outage is not to be buried. */
static int64_t retry_max_us(const struct node *n)
{
	int64_t max = n->cfg.self.lease_ms * INT64_C(1000) / 4;

	return max < RETRY_MAX_US ? max : RETRY_MAX_US;
}

/* Without an answer for a lease, the lease is gone. */
static int answer_ms(const struct node *n)
{
	int lease_ms = n->cfg.self.lease_ms;

	if (lease_ms < ANSWER_MIN_MS)
		return ANSWER_MIN_MS;
	return lease_ms < ANSWER_MAX_MS ? lease_ms : ANSWER_MAX_MS;
}

/* Doubled at each failure, and spread over +-25 % so that nodes do not come all at once.
 * What hosts that are silent took has passed already.
 */
static void retry_later(struct node *n)
{
	int64_t from_us = n->phase == NODE_CONNECTING ? n->phase_since_us : n->now_us;
	uint32_t spread = (uint32_t)n->cfg.self.pid * 2654435761u ^ (uint32_t)n->now_us;

	n->retry_delay_us = n->retry_delay_us ? n->retry_delay_us * 2 : RETRY_MIN_US;
	if (n->retry_delay_us > retry_max_us(n))
		n->retry_delay_us = retry_max_us(n);
	n->retry_us = from_us + n->retry_delay_us * 3 / 4 + spread % (n->retry_delay_us / 2);
	if (n->retry_us < n->now_us)
		n->retry_us = n->now_us + spread % (RETRY_MIN_US / 2);
}

/* ---- losing it ---- */

static void error_remember(struct node *n, const char *reason)
{
	if (strcmp(buf_str(&n->last_error), reason) == 0) {
		log_debug(1, "session", "still: %s", reason);
		return;
	}
	buf_reset(&n->last_error);
	buf_adds(&n->last_error, reason);
	log_error("session", "%s", reason);
}

static void left(struct node *n)
{
	n->leaving = false;
	if (n->becoming) {
		node_reborn(n);
		n->reading = false;
		n->announcing = false;
		n->publish_by_us = 0;
		n->listening = false;
		n->npings = 0;
		n->retry_us = n->now_us;
		phase_set(n, NODE_DOWN);
		return;
	}
	phase_set(n, NODE_LEFT);
	n->cb.left(n->arg);
}

/* Is there something in flight whose change others may know, and a crash may have taken?
 */
static bool seq_may_have_moved(const struct node *n)
{
	return publisher_has_sent(n->publisher) ||
		   (n->phase == NODE_REGISTERING && n->asked == DB_RESUME);
}

void session_lost(struct node *n, const char *reason)
{
	bool heard = n->listening;

	if (n->phase == NODE_DOWN || n->phase == NODE_LEFT)
		return;
	error_remember(n, reason);
	n->port.disconnect(n->port.arg, reason);
	n->asking = false;
	n->reading = false;
	n->announcing = false;
	n->publish_by_us = 0;
	n->listening = false;
	n->npings = 0;
	if (n->policy.where == POLICY_DONE)
		wait_policy_end(n, "");
	else if (n->policy.where != POLICY_IDLE)
		wait_policy_end(n, "the connection was lost: whether it was done is not known");
	if (seq_may_have_moved(n))
		lease_unanswered(&n->lease);
	publisher_reset(n->publisher);
	lease_lost(&n->lease);
	coordinator_disconnected(&n->coordinator);
	ticker_stop(&n->ticker);
	listener_disconnected(n->listener);
	if (heard && n->cfg.stale_after_ms > 0 && n->stale_us == 0)
		n->stale_us = n->now_us + n->cfg.stale_after_ms * INT64_C(1000);
	if (n->leaving) {
		left(n);
		return;
	}
	retry_later(n);
	phase_set(n, NODE_DOWN);
}

static void session_failed(struct node *n, const struct db_result *res)
{
	session_lost(n, res->message && res->message[0] ? res->message : "no answer came");
}

/* ---- asking ---- */

static void ask(struct node *n, struct db_request *req)
{
	req->self = &n->cfg.self;
	if (req->op != DB_REGISTER && req->op != DB_RESUME) {
		req->incarnation = n->lease.incarnation;
		req->session = n->lease.session;
	}
	if (req->deadline_ms == 0)
		req->deadline_ms = answer_ms(n);
	n->asked = req->op;
	n->asking = true;
	n->port.submit(n->port.arg, req);
}

static void ask_lease(struct node *n)
{
	struct db_request req = {0};

	if (n->phase != NODE_REFUSED)
		phase_set(n, NODE_REGISTERING);
	lease_request(&n->lease, &req);
	ask(n, &req);
}

/* A pulse told that whoever holds our id died: no need to wait for the next try. */
static bool holder_is_gone(struct node *n)
{
	bool lived = n->holder_lives;

	n->holder_lives = n->self->head.alive;
	return lived && !n->holder_lives;
}

static bool ask_ping(struct node *n)
{
	struct db_request req = {.op = DB_PING};
	struct node_ping ping;

	if (!wait_next_ping(n, &ping))
		return false;
	req.nonce = ping.nonce;
	req.to = ping.answer ? &ping.to : NULL;
	ask(n, &req);
	return true;
}

static bool ask_policy(struct node *n)
{
	struct db_request req = {.op = DB_POLICY};

	if (!wait_next_policy(n, &req))
		return false;
	ask(n, &req);
	return true;
}

static bool ask_tick(struct node *n)
{
	struct db_request req = {.op = DB_TICK, .token = n->coordinator.token};

	if (n->now_us < coordinator_due_us(&n->coordinator))
		return false;
	ask(n, &req);
	return true;
}

static bool ask_relay(struct node *n)
{
	struct db_request req = {.op = DB_RELAY, .token = n->coordinator.token};
	int64_t due_us = ticker_due_us(&n->ticker);

	if (due_us == 0 || n->now_us < due_us)
		return false;
	ticker_asked(&n->ticker, n->now_us);
	ask(n, &req);
	return true;
}

static bool may_announce(const struct node *n)
{
	return n->cfg.announce && !n->announcing && n->phase == NODE_READY && !n->comparing &&
		   !n->leaving && lease_may_write(&n->lease) &&
		   n->now_us >= n->announce_retry_us &&
		   listener_notify_mode(n->listener).mode != NOTIFY_TICKER &&
		   listener_deliveries(n->listener) <= AHEAD_DELIVERIES;
}

/*
 * What changed is told ahead of publish(), on a session where nothing is in its way: the
 * others show it while it is being written. Not by the ticker's clock, which is there to
 * tell less often.
 */
static void ask_announce(struct node *n)
{
	struct batch_item items[MOST_AHEAD];
	struct db_request req = {
		.op = DB_ANNOUNCE, .deadline_ms = AHEAD_MS, .self = &n->cfg.self};

	if (!may_announce(n))
		return;
	req.nitems = outbox_announce(n->outbox, items, MOST_AHEAD, n->now_us);
	if (req.nitems == 0)
		return;
	req.items = items;
	req.channel = n->lease.channel;
	req.incarnation = n->lease.incarnation;
	req.site = n->lease.site;
	req.seq = n->lease.seq;
	req.until_seq = n->lease.seq + publisher_has_sent(n->publisher);
	req.clock_us = n->now_us + n->clock_offset_us;
	n->announcing = true;
	if (n->publish_by_us == 0)
		n->publish_by_us = n->now_us + AHEAD_US;
	n->port.submit(n->port.arg, &req);
}

/*
 * First out, then written: so that it cannot come behind its own change. From the first
 * one on: who changes again and again would be announced for ever, and never written.
 */
static bool publish_must_wait(const struct node *n)
{
	return n->announcing && n->now_us < n->publish_by_us;
}

static bool ask_publish(struct node *n)
{
	struct db_request req = {0};
	bool beat = n->now_us >= n->beat_us;
	size_t nitems;

	if (!beat && publish_must_wait(n))
		return false;

	/* Before own rows were compared, only beats: what to send is not known yet. */
	if (n->comparing) {
		if (!beat)
			return false;
		req = (struct db_request){.op = DB_PUBLISH, .reporting = -1};
		ask(n, &req);
		return true;
	}
	if (!publisher_request(n->publisher, beat, n->now_us, &req))
		return false;
	n->publish_by_us = 0;
	node_ages(n, publisher_items(n->publisher, &nitems), req.nitems);
	n->counters[COUNT_PUBLISHES] += req.nitems > 0;
	ask(n, &req);
	return true;
}

static bool ask_leave(struct node *n)
{
	struct db_request req = {.op = DB_LEAVE};

	if (!n->leaving || n->phase == NODE_LEAVING)
		return false;
	if (outbox_dirty(n->outbox) > 0 && n->now_us < n->leave_until_us)
		return false;
	phase_set(n, NODE_LEAVING);
	ask(n, &req);
	return true;
}

/* There is nobody to say goodbye to, or nothing of ours in the database. */
static void leave_unheld(struct node *n)
{
	n->port.disconnect(n->port.arg, "left");
	n->asking = false;
	left(n);
	if (n->phase == NODE_DOWN)
		session_kick(n);
}

static void ask_in_session(struct node *n)
{
	static bool (*const due[])(struct node *) = {
		ask_leave, ask_ping, ask_policy, ask_tick, ask_relay, ask_publish};

	if (lease_may_write(&n->lease)) {
		/* tick() and relay() alone would keep a slow session busy, and the beats late */
		if ((n->asked == DB_RELAY || n->asked == DB_TICK) && !n->leaving &&
			ask_publish(n))
			return;
		for (size_t i = 0; i < sizeof(due) / sizeof(due[0]) && !due[i](n); i++)
			;
	} else if (n->leaving) {
		leave_unheld(n);
	} else if (holder_is_gone(n) || n->now_us >= n->retry_us) {
		ask_lease(n);
	}
}

static void ask_main(struct node *n)
{
	struct db_request req = {0};

	switch (n->phase) {
	case NODE_DOWN:
		if (n->now_us < n->retry_us || !entity_id_usable(&n->cfg.self.entity))
			return;
		phase_set(n, NODE_CONNECTING);
		req.op = DB_CONNECT;
		req.deadline_ms = INT32_MAX; /* the port has timers for each host */
		ask(n, &req);
		break;
	case NODE_REGISTERING:
		ask_lease(n);
		break;
	case NODE_LISTENING:
		req.op = DB_LISTEN;
		req.channel = n->lease.channel;
		ask(n, &req);
		break;
	case NODE_LOADING:
	case NODE_READY:
	case NODE_REFUSED:
		ask_in_session(n);
		break;
	default:
		break;
	}
}

static void ask_reader(struct node *n)
{
	struct db_request req = {
		.deadline_ms = READ_MS, .silence_ms = SILENCE_MS << n->read_silences};

	if (n->reading || !session_is_up(n) || n->now_us < n->read_retry_us)
		return;
	if (!listener_next_read(n->listener, &req))
		return;
	req.self = &n->cfg.self;
	n->counters[COUNT_SNAPSHOTS] += req.op == DB_READ_ROWS && !req.entity;
	n->reading = true;
	n->port.submit(n->port.arg, &req);
}

static void loaded_check(struct node *n)
{
	enum node_phase phase = lease_may_write(&n->lease) ? NODE_READY : NODE_REFUSED;

	if (n->phase != NODE_LOADING || !listener_is_loaded(n->listener))
		return;
	n->stale_us = 0;
	n->retry_delay_us = 0;
	cache_set_stale(n->cache, false);
	if (phase == NODE_READY)
		buf_reset(&n->last_error);
	phase_set(n, phase);
	log_notice("session", "%s site=%d seq=%lld entities=%d devices=%lld mailboxes=%lld",
		phase_names[phase], n->lease.site, (long long)n->lease.seq,
		cache_entities(n->cache), (long long)cache_keys(n->cache, KEY_DEVICE),
		(long long)cache_keys(n->cache, KEY_MAILBOX));
}

void session_kick(struct node *n)
{
	loaded_check(n);
	ask_announce(n);
	if (!n->asking)
		ask_main(n);
	ask_reader(n);
	wait_check(n);
	n->cb.rearm(n->arg);
}

/* ---- answers ---- */

static void got_connect(struct node *n, const struct db_result *res)
{
	if (!res->ok) {
		session_failed(n, res);
		return;
	}
	n->counters[COUNT_CONNECTS]++;
	phase_set(n, NODE_REGISTERING);
}

static void refused(struct node *n, const struct db_lease *got)
{
	char text[sizeof(n->holder)], id[ENTITY_ID_TEXT];

	node_yield(n);
	snprintf(text, sizeof(text), "%s host=%s pid=%d since=%s", got->holder_name,
		got->holder_host, got->holder_pid, got->holder_since);
	n->counters[COUNT_REFUSALS]++;
	n->retry_us = n->now_us + REFUSED_RETRY_US;
	n->holder_lives = n->self->head.alive;
	if (strcmp(text, n->holder) == 0)
		return; /* said already */
	snprintf(n->holder, sizeof(n->holder), "%s", text);
	log_error("session",
		"entity id %s is held by another living process: name=%s; this node only reads. "
		"Give "
		"one of the two an entity_id of its own in [options]",
		entity_id_print(&n->cfg.self.entity, id), n->holder);
}

/* While another process holds our id, the rows are not ours to compare. */
static bool own_is_wanted(const struct node *n)
{
	return n->comparing && lease_may_write(&n->lease);
}

/* The lease is settled; on a session that listens already nothing else is to be done. */
static void lease_settled(struct node *n)
{
	if (!n->listening) {
		phase_set(n, NODE_LISTENING);
		return;
	}
	if (own_is_wanted(n))
		listener_compare_own(n->listener);
	phase_set(n, NODE_LOADING);
}

/* The run goes on in a new incarnation: everything behind the database's seq goes again.
 */
static void lease_rewound(struct node *n, int64_t acked_seq)
{
	if (n->lease.seq < acked_seq) {
		n->counters[COUNT_REWINDS]++;
		log_warning("session",
			"the database lost what it had acknowledged, sending it again seq=%lld "
			"acked=%lld",
			(long long)n->lease.seq, (long long)acked_seq);
	}
	if (!outbox_rewind(n->outbox, n->lease.seq))
		n->comparing = true; /* too far back: compare all rows too */
	node_restate(n);
}

static void lease_granted(struct node *n, const struct db_lease *got)
{
	node_clock(n, got->clock_us);
	n->beat_us = n->now_us + beat_period_us(n);
	if (n->holder[0])
		log_notice("session", "entity id is ours now, it was held by name=%s", n->holder);
	n->holder[0] = '\0';
	node_reclaim(n);
	cache_entity_flags(n->cache, n->self, true, n->report.reporting);
	publisher_reporting_is(n->publisher, -1);
	listener_own_lease(n->listener, &n->lease.incarnation, n->lease.seq);
}

static void got_lease(struct node *n, const struct db_result *res)
{
	int64_t acked_seq = n->lease.seq;

	switch (lease_result(&n->lease, res)) {
	case LEASE_GO_ON:
		lease_granted(n, &res->lease);
		lease_settled(n);
		break;
	case LEASE_COMPARE:
		n->comparing = true;
		/* fall through */
	case LEASE_RESEND:
		lease_granted(n, &res->lease);
		lease_settled(n);
		break;
	case LEASE_AGAIN:
		if (n->lease.state == LEASE_REWOUND)
			lease_rewound(n, acked_seq);
		phase_set(n, NODE_REGISTERING);
		break;
	case LEASE_REFUSED:
		refused(n, &res->lease);
		if (n->phase != NODE_REFUSED)
			lease_settled(n);
		break;
	case LEASE_FAILED:
		session_failed(n, res);
		break;
	}
}

static void got_listen(struct node *n, const struct db_result *res)
{
	if (!res->ok) {
		session_failed(n, res);
		return;
	}
	n->listening = true;
	phase_set(n, NODE_LOADING);
	coordinator_connected(&n->coordinator, n->now_us);
	listener_connected(n->listener, own_is_wanted(n));
}

/* Twice without a publish in between: somebody fights for it, or rows are missing. */
static void fenced(struct node *n, const struct db_result *res)
{
	n->counters[COUNT_FENCED]++;
	if (n->fenced) {
		session_failed(n, res);
		return;
	}
	n->fenced = true;
	log_warning("session", "the lease is in doubt, resuming: %s", res->message);
	lease_lost(&n->lease);
	coordinator_disconnected(&n->coordinator);
	ticker_stop(&n->ticker);
	coordinator_connected(&n->coordinator, n->now_us);
	phase_set(n, NODE_REGISTERING);
}

static void acked(struct node *n, const struct db_result *res)
{
	lease_acked(&n->lease, res->seq);
	listener_own_acked(n->listener, res->seq, res->clock_us);
}

/* A beat that went out beside the publisher, while own rows are compared. */
static void got_bare_beat(struct node *n, const struct db_result *res)
{
	if (res->ok) {
		n->fenced = false;
		acked(n, res);
		n->beat_us = n->now_us + beat_period_us(n);
	} else if (strncmp(res->sqlstate, "PD", 2) == 0) {
		fenced(n, res);
	} else {
		session_failed(n, res);
	}
}

static void got_publish(struct node *n, const struct db_result *res)
{
	const struct batch_item *items;
	size_t nitems;

	if (!publisher_in_flight(n->publisher)) {
		got_bare_beat(n, res);
		return;
	}
	items = publisher_items(n->publisher, &nitems);
	if (res->ok && (size_t)res->changed == nitems)
		node_stamp(n, items, nitems, res->clock_us, publisher_is_forced(n->publisher));
	switch (publisher_result(n->publisher, res, n->now_us)) {
	case PUBLISH_DONE:
		n->fenced = false;
		acked(n, res);
		node_clock(n, res->clock_us);
		n->beat_us = n->now_us + beat_period_us(n);
		break;
	case PUBLISH_RETRY:
		n->beat_us = n->now_us + beat_period_us(n); /* a beat would fail as well */
		break;
	case PUBLISH_FENCED:
		fenced(n, res);
		break;
	case PUBLISH_LOST:
		session_failed(n, res);
		break;
	}
}

static void got_tick(struct node *n, const struct db_result *res)
{
	bool was_us = coordinator_is_us(&n->coordinator);

	if (strcmp(res->sqlstate, "PD001") == 0 || strcmp(res->sqlstate, "PD002") == 0) {
		fenced(n, res);
		return;
	}
	if (!res->ok)
		log_warning(
			"coordinator", "tick failed: %s sqlstate=%s", res->message, res->sqlstate);
	if (!coordinator_ticked(&n->coordinator, &res->tick, !res->ok, n->now_us)) {
		session_lost(
			n, "the cluster pulses but this session hears nothing: reconnecting");
		return;
	}
	if (coordinator_is_us(&n->coordinator))
		ticker_ticked(&n->ticker, n->now_us);
	else
		ticker_stop(&n->ticker);
	if (res->tick.reaped > 0)
		log_notice("coordinator", "entities whose lease ran out were taken out count=%d",
			res->tick.reaped);
	if (was_us != coordinator_is_us(&n->coordinator))
		log_notice("coordinator", was_us ? "this node coordinates no longer"
										 : "this node coordinates the cluster");
}

static void got_relay(struct node *n, const struct db_result *res)
{
	if (strcmp(res->sqlstate, "PD001") == 0) {
		fenced(n, res);
		return;
	}
	if (!res->ok)
		log_warning(
			"coordinator", "relay failed: %s sqlstate=%s", res->message, res->sqlstate);
	ticker_relayed(&n->ticker, &res->relay, !res->ok, n->now_us);
}

static void got_leave(struct node *n, const struct db_result *res)
{
	if (!res->ok)
		log_warning("session", "could not say goodbye: %s", res->message);
	lease_lost(&n->lease);
	n->port.disconnect(n->port.arg, "left");
	left(n);
}

static void got_ping(struct node *n, const struct db_result *res)
{
	if (!res->ok && strncmp(res->sqlstate, "PD", 2) == 0)
		fenced(n, res);
	else if (!res->ok)
		log_warning("session", "ping failed: %s", res->message);
}

/* The end of a change that is for administrators. Who may not is told what to do;
 * anything else the function says itself. */
static void change_ended(struct node *n, const struct db_result *res, const char *what,
	const char *function, const char *functions)
{
	char wrong[512];

	snprintf(wrong, sizeof(wrong), "%s", res->ok ? "" : res->message);
	if (strcmp(res->sqlstate, "42501") == 0)
		snprintf(wrong, sizeof(wrong),
			"%s. %s for administrators: let one say it in SQL, select "
			"pgdevstate.%s(...), or "
			"allow it to this node's role: grant execute on function %s to ROLE",
			res->message, what, function, functions);
	wait_policy_end(n, wrong);
}

static void got_policy(struct node *n, const struct db_result *res)
{
	if (res->ok && res->changed)
		wait_policy_done(n);
	else
		change_ended(n, res, "Policies are", "set_policy",
			"pgdevstate.set_policy, pgdevstate.clear_policy");
}

static void got_notify_mode(struct node *n, const struct db_result *res)
{
	change_ended(
		n, res, "The notify mode is", "set_notify_mode", "pgdevstate.set_notify_mode");
}

static void got_read(struct node *n, const struct db_result *res)
{
	n->reading = false;
	if (res->ok)
		n->read_silences = 0;
	else if ((SILENCE_MS << n->read_silences) < READ_MS)
		n->read_silences++;
	if (!res->ok) {
		n->read_retry_us = n->now_us + RETRY_MIN_US * 2;
		log_warning(
			"listener", "%s failed, trying again: %s", db_op_name(res->op), res->message);
	}
	listener_read_done(n->listener, res->ok);
}

/* What could not be told ahead is told by its publish. */
static void got_announce(struct node *n, const struct db_result *res)
{
	if (!n->announcing)
		return;
	n->announcing = false;
	if (res->ok) {
		n->counters[COUNT_ANNOUNCED]++;
		return;
	}
	n->announce_retry_us = n->now_us + AHEAD_RETRY_US;
	log_debug(1, "session", "not announced: %s", res->message ? res->message : "");
}

static void (*const got_main[DB_OPS])(struct node *, const struct db_result *) = {
	[DB_CONNECT] = got_connect,
	[DB_REGISTER] = got_lease,
	[DB_RESUME] = got_lease,
	[DB_LISTEN] = got_listen,
	[DB_PUBLISH] = got_publish,
	[DB_TICK] = got_tick,
	[DB_RELAY] = got_relay,
	[DB_LEAVE] = got_leave,
	[DB_PING] = got_ping,
	[DB_POLICY] = got_policy,
	[DB_NOTIFY_MODE] = got_notify_mode,
};

void session_result(struct node *n, const struct db_result *res)
{
	if (res->op == DB_ANNOUNCE) {
		got_announce(n, res);
	} else if (!got_main[res->op]) {
		if (!n->reading)
			return; /* an answer to what was given up */
		got_read(n, res);
	} else {
		if (!n->asking || n->asked != res->op)
			return;
		n->asking = false;
		if (res->lost)
			session_failed(n, res);
		else
			got_main[res->op](n, res);
	}
	session_kick(n);
}

/* ---- time ---- */

void session_start(struct node *n)
{
	n->retry_us = n->now_us;
	if (!entity_id_usable(&n->cfg.self.entity))
		error_remember(n, node_no_entity);
	session_kick(n);
}

void session_timer(struct node *n)
{
	if (n->stale_us && n->now_us >= n->stale_us) {
		n->stale_us = 0;
		log_warning("session",
			"the database is away for %d s: states of other servers are dropped",
			n->cfg.stale_after_ms / 1000);
		cache_set_stale(n->cache, true);
	}
	session_kick(n);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return b != 0 && b < a ? b : a;
}

int64_t session_next_us(const struct node *n)
{
	int64_t next = earlier(INT64_MAX, n->stale_us);

	if (!n->reading && session_is_up(n) && n->read_retry_us > n->now_us)
		next = earlier(next, n->read_retry_us);
	if (n->asking || !entity_id_usable(&n->cfg.self.entity))
		return next;
	if (n->phase == NODE_DOWN || (session_is_up(n) && !lease_may_write(&n->lease)))
		return earlier(next, n->retry_us);
	if (!session_is_up(n))
		return next;
	next = earlier(next, n->beat_us);
	next = earlier(next, coordinator_due_us(&n->coordinator));
	next = earlier(next, ticker_due_us(&n->ticker));
	if (publish_must_wait(n))
		next = earlier(next, n->publish_by_us);
	else if (!n->comparing)
		next = earlier(next, publisher_next_us(n->publisher));
	if (n->leaving)
		next = earlier(next, n->leave_until_us);
	return next;
}

void session_leave(struct node *n, bool deliver)
{
	n->leaving = true;
	n->leave_until_us = n->now_us + (deliver ? LEAVE_US : 0);
	if (session_is_up(n))
		session_kick(n);
	else
		leave_unheld(n);
}

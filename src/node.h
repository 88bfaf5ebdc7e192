/*
 * Layer 2: the node without its I/O: stages 2, 3, 6, 7 and 8 and the order in which they
 * speak to the database. It gets results, notifications and time, and gives requests. The
 * daemon drives it with real connections (src/pgport.c), the simulator with a model.
 */
#ifndef NODE_H
#define NODE_H

#include "cache.h"
#include "change.h"
#include "db.h"
#include "hint.h"
#include "payload.h"

struct node;

enum node_phase {
	NODE_DOWN, /* no session; trying again */
	NODE_CONNECTING,
	NODE_REGISTERING, /* register or resume under way */
	NODE_LISTENING,
	NODE_LOADING, /* snapshot under way */
	NODE_READY,
	NODE_REFUSED, /* another living process holds our entity id: read only, trying again
				   */
	NODE_LEAVING,
	NODE_LEFT
};
const char *node_phase_name(enum node_phase p);

struct node_config {
	struct db_self self;
	int stale_after_ms;
	bool announce; /* what is about to be published is told ahead */
	bool publish[KEY_KINDS];
	bool subscribe[KEY_KINDS];
};

struct node_callbacks {
	void (*changed)(void *arg, enum key_kind kind, const char *key, const struct sum *was,
		const struct sum *now);
	void (*phase)(void *arg, enum node_phase phase);
	void (*rearm)(void *arg); /* node_next_us() is different now */
	void (*left)(void *arg);  /* after node_leave(): said goodbye, or could not */
};

/* What is wrong, and what to do, where cfg.self.entity is none (all 00). */
extern const char *const node_no_entity;

/*
 * Config's strings are borrowed for the node's life. Without an entity id the node takes
 * what it is told, and waits for node_become() before it goes to the database.
 */
struct node *node_new(const struct node_config *cfg, const struct db_port *port,
	const struct node_callbacks *cb, void *arg, int64_t now_us);
void node_free(struct node *n);

/* Driving it. now_us is monotonic. node_timer(): call when node_next_us() has come. */
void node_start(struct node *n, int64_t now_us);
void node_timer(struct node *n, int64_t now_us);
int64_t node_next_us(const struct node *n);
void node_now(struct node *n, int64_t now_us); /* before events() and the calls below */
int64_t node_time_us(const struct node *n);    /* what it was told last */
struct db_events node_events(struct node *n);
/* Leave the cluster; `deliver`: what is dirty first (bounded). left() is called. */
void node_leave(struct node *n, bool deliver);
/* Leave the cluster, and come back under another entity id with all that was said. */
void node_become(struct node *n, const struct entity_id *id);
void node_reconfigure(struct node *n, const bool publish[KEY_KINDS],
	const bool subscribe[KEY_KINDS], int stale_after_ms, bool announce);

/*
 * Own statements. Names must have been checked (device_check, mailbox_parse).
 *
 * Somebody says it now: a press of a button, a command, a change. What we say already is
 * no change, but for a device under LATEST where another entity's newer word is in force:
 * there it is a new word, and wins.
 */
void node_set(struct node *n, enum key_kind kind, const char *key, const struct value *v);
bool node_remove(
	struct node *n, enum key_kind kind, const char *key); /* false: said nothing */

/*
 * What the PBX says, over the one link that reports. These rows are not held: they count
 * while the entity is `reporting`, which is one flag on the head.
 *
 *   none --up--> awaited --begin--> open --end--> complete
 *     ^            |                  |              |
 *     '---- bye ---'------------------'--------------' at once not reporting
 *   kept <--- lost, or a restart that took over a reporting entity ---
 *
 * - What is said is told at once, in and outside a report; it counts once a report is
 *   complete. A report's end removes the link's keys that it did not mention, and makes
 *   the entity reporting, with the publish that carries the last of it. A cut report
 *   removes nothing.
 * - Who said it last owns a key: the console (held) or the link. In a report (and before
 *   the first one) a held key stays held until the end; its value is the newest.
 * - A link that is lost without goodbye changes nothing for half a lease. A report that
 * is complete by then and says the same causes no write; else the entity is not reporting
 *   any more: one row. The rows stay, for comparison.
 * - A restarted node takes over its rows, and goes on reporting for half a lease where
 * the database let it (register(): same host and boot, within the lease).
 * - A first 0/0 of a mailbox without a row is no statement.
 * - A device under LATEST: the word of another that is in force, said by the PBX, is what
 * it took over from the cluster, and no statement. What we say already, overruled by
 * another: in a report no news, outside of one a new word (the second press).
 */
enum report_state {
	REPORT_NONE,    /* no link, nothing is reporting */
	REPORT_KEPT,    /* no link; what the last one said counts, for a while */
	REPORT_AWAITED, /* linked, no report yet */
	REPORT_OPEN,    /* between begin and end */
	REPORT_COMPLETE /* linked, and all is said */
};
const char *report_state_name(enum report_state s); /* "none", ... */

void node_report_up(struct node *n); /* a link that reports is there; one at a time */
void node_report_begin(struct node *n);
void node_report_set(
	struct node *n, enum key_kind kind, const char *key, const struct value *v);
/* False: the link said nothing of it. */
bool node_report_remove(struct node *n, enum key_kind kind, const char *key);
void node_report_end(struct node *n);
void node_report_lost(struct node *n); /* the link is gone, without goodbye */
void node_report_bye(struct node *n);  /* ... with it */

/*
 * Call once everything that is unacknowledged now was acknowledged (true), or at the
 * latest after timeout_ms (false). Never called before it returns. cancel: with the same
 * arg.
 */
void node_when_acked(
	struct node *n, int timeout_ms, void (*fn)(void *arg, bool acked), void *arg);
void node_cancel_acked(struct node *n, void *arg);

/* Ask every living node through the database; fn is called for each answer. */
int64_t node_ping(struct node *n,
	void (*fn)(void *arg, int64_t nonce, const struct entity_id *from, int64_t rtt_us),
	void *arg); /* 0: not connected */
void node_cancel_ping(struct node *n, int64_t nonce);

/*
 * Change a policy in the database, for all nodes; NULL clears it. fn is called when it is
 * done and this node goes by it (""), or with what is wrong; never before this returns.
 * False: not connected, or another one is under way. cancel: fn is not called any more.
 */
bool node_set_policy(struct node *n, enum key_kind kind, const char *pattern,
	const char *policy, void (*fn)(void *arg, const char *wrong), void *arg);
void node_cancel_policy(struct node *n, void *arg);
/* The same for the way in which changes are told; a pulse later it is used. */
bool node_set_notify_mode(struct node *n, enum notify_mode mode,
	void (*fn)(void *arg, const char *wrong), void *arg);

/* Looking. */
struct cache *node_cache(struct node *n);
const struct policies *node_policies(struct node *n); /* until the loop's next turn */
/* What this node says of a key itself, and of how many; NULL: nothing. */
const struct value *node_said(struct node *n, enum key_kind kind, const char *key);
size_t node_said_count(struct node *n, enum key_kind kind);
/* Called for each fact of a key that was applied, whether its sum moved or not. */
void node_on_touched(struct node *n,
	void (*fn)(void *arg, enum key_kind kind, const char *key), void *arg);
enum device_state node_device_state(struct node *n, const char *device);

enum node_counter {
	COUNT_PUBLISHES,
	COUNT_ROWS_SENT,
	COUNT_PAYLOADS,
	COUNT_PAYLOADS_BAD,
	COUNT_OLDER,
	COUNT_GAPS,
	COUNT_PULLS,
	COUNT_RELOADS,
	COUNT_SNAPSHOTS,
	COUNT_AUDITS,
	COUNT_AUDITS_BAD,
	COUNT_KEYS_REFUSED,
	COUNT_FENCED,
	COUNT_CONNECTS,
	COUNT_REWINDS,
	COUNT_PULSES,
	COUNT_COORDINATOR_CHANGES,
	COUNT_REFUSALS,
	COUNT_RELAYS,
	COUNT_RELAYED,
	COUNT_ANNOUNCED,
	COUNT_TAKEN_BACK,
	NODE_COUNTERS
};
const char *node_counter_name(
	enum node_counter c); /* "gaps", as in `cluster show stats` */

struct node_status {
	enum node_phase phase;
	struct uuid incarnation;
	int64_t seq;
	int site;
	const char *last_error;   /* of the database; "" when all is well; borrowed */
	int64_t phase_since_us;   /* monotonic */
	int64_t pulse_age_us;     /* -1: none heard */
	int64_t oldest_unsent_us; /* 0: nothing is waiting */
	size_t unsent;            /* keys */
	size_t own[KEY_KINDS];    /* keys */
	enum report_state report;
	bool reporting;       /* own rows that are not held count */
	bool reporting_acked; /* the database knows */
	bool coordinator;     /* this node is */
	struct entity_id coordinator_id;
	struct payload_notify notify; /* how changes are told */
	int64_t counters[NODE_COUNTERS];
	const char *holder; /* REFUSED: who holds our id; else "" */
};
void node_get_status(struct node *n, struct node_status *out);

#endif

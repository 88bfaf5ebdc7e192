/*
 * Layer 1: what the stages ask of the database and what it answers, without a word of
 * SQL. src/pgport.c turns it into calls on real connections; the simulator into calls on
 * a model.
 */
#ifndef DB_H
#define DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "change.h"
#include "entity_id.h"

enum db_op {
	DB_CONNECT, /* open the session and check the schema; until lost */
	DB_REGISTER,
	DB_RESUME,
	DB_LISTEN,
	DB_PUBLISH,
	DB_TICK,
	DB_LEAVE,
	DB_PING,
	DB_READ_ROWS, /* these four run on a short-lived second session */
	DB_READ_JOURNAL,
	DB_READ_HEADS,
	DB_READ_POLICIES,
	DB_POLICY,      /* set or clear one, on the main session: for administrators */
	DB_NOTIFY_MODE, /* set it: likewise */
	DB_RELAY,
	/* On a session of its own, so that nothing is in its way. Where that is not up, the
	 * answer is `lost`, and it is made, for the next time. */
	DB_ANNOUNCE,
	DB_OPS
};
const char *db_op_name(enum db_op op); /* "register", ... */

struct batch_item {
	enum key_kind kind;
	const char *key; /* borrowed until the request was submitted */
	bool removed;
	struct value value; /* stamp_us is not used */
	int64_t age_us;
};

/* Who this node is: for register and resume. Borrowed; lives as long as the node. */
struct db_self {
	struct entity_id entity;
	const char *name, *host, *boot_id, *version;
	int pid;
	int lease_ms;
	int built_for; /* version of the schema; what this node can read goes by it */
};

struct db_request {
	enum db_op op;
	int64_t deadline_ms; /* 0: none; give up (and drop the session) after this long */
	int64_t silence_ms;  /* READ_*: ... or when no row comes for so long; 0: never */
	const struct db_self *self;
	struct uuid incarnation;
	struct uuid session; /* "" where there is none yet */
	/* REGISTER: continues; RESUME: acked_seq; READ_JOURNAL: after_seq */
	struct uuid continues;
	struct uuid continues_session;
	int64_t seq;
	/* LISTEN, ANNOUNCE */
	const char *channel;
	/* ANNOUNCE: acknowledged is `seq`, in flight up to `until_seq` */
	int64_t until_seq;
	int64_t clock_us;
	int site;
	/* PUBLISH; ANNOUNCE: devices that have a state */
	const struct batch_item *items;
	size_t nitems;
	bool force;
	int reporting; /* -1: unchanged, 0, 1 */
	/* TICK, RELAY */
	struct uuid token; /* "": not the coordinator */
	/* PING: nonce, and to whom (NULL: ask all) */
	int64_t nonce;
	const struct entity_id *to;
	/* POLICY */
	enum key_kind policy_kind;
	const char *policy_pattern;
	const char *policy;      /* NULL: clear it */
	const char *notify_mode; /* NOTIFY_MODE */
	/* READ_ROWS (NULL: all), READ_JOURNAL: whose */
	const struct entity_id *entity;
	struct uuid entity_incarnation;
};

enum db_outcome { DB_REGISTERED, DB_RESUMED, DB_REWOUND, DB_LOST, DB_REFUSED };

struct db_lease { /* REGISTER, RESUME */
	enum db_outcome outcome;
	struct uuid session;
	char channel[64];
	int site;
	int64_t seq;
	int64_t clock_us;
	int lease_ms;
	char holder_name[256], holder_host[256], holder_since[64];
	int holder_pid;
	int64_t holder_beat_age_ms;
};

struct db_tick {
	struct uuid token; /* "": not us */
	bool has_coordinator;
	struct entity_id coordinator;
	int64_t pulse;
	int reaped, trimmed;
	double queue_usage;
};

struct db_relay {
	int period_ms; /* again after this long; 0: after the next tick */
	int sent;
};

struct db_result {
	enum db_op op;
	bool ok;
	bool lost;           /* no answer came: it may have been executed */
	char sqlstate[6];    /* of an error; "" when there is none */
	const char *message; /* of an error: one line; borrowed */
	struct db_lease lease;
	int64_t seq;      /* PUBLISH, LEAVE */
	int64_t clock_us; /* PUBLISH */
	int changed;      /* PUBLISH: rows; POLICY, NOTIFY_MODE: 0 or 1 */
	struct db_tick tick;
	struct db_relay relay;
};

/*
 * The port. One request at a time for each session: the next is submitted when the answer
 * to the last one came. submit() copies what it needs and never calls back before it
 * returns.
 */
struct db_port {
	void (*submit)(void *arg, const struct db_request *req);
	void (*disconnect)(
		void *arg, const char *reason); /* drop the session; no lost() comes */
	void *arg;
};

/* What the port calls; the node implements it. */
struct db_events {
	void (*result)(void *arg, const struct db_result *res);
	void (*payload)(
		void *arg, enum db_op op, const char *text, size_t len); /* rows of READ_* */
	void (*notify)(void *arg, const char *text, size_t len);
	void (*lost)(
		void *arg, const char *sqlstate, const char *reason); /* the main session */
	void *arg;
};

#endif

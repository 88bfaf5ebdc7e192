/*
 * Layer 2: the inside of a node, shared by node.c (stages wired, own statements),
 * node_report.c (what the PBX says), session.c (what is asked of the database, in which
 * order) and node_wait.c (who waits for an answer).
 */
#ifndef NODE_PARTS_H
#define NODE_PARTS_H

#include "buf.h"
#include "cache.h"
#include "coordinator.h"
#include "lease.h"
#include "listener.h"
#include "node.h"
#include "outbox.h"
#include "publisher.h"
#include "ticker.h"

#define MOST_ANSWERS 64

struct node_ping {
	int64_t nonce;
	bool answer;         /* of somebody's ping, else our own */
	struct entity_id to; /* answer: whom */
};

struct node_policy { /* a change of policies, or of the notify mode, that was asked for */
	bool notify_mode; /* then `policy` is the mode */
	enum key_kind kind;
	char pattern[NAME_MAX_BYTES + 1];
	char policy[16]; /* "": clear it */
	enum { POLICY_IDLE, POLICY_WAITS, POLICY_ASKED, POLICY_DONE } where;
	void (*fn)(void *arg, const char *wrong); /* NULL: nobody waits for the answer */
	void *arg;
};

struct node_waiter { /* for acks */
	struct node_waiter *next;
	uint64_t mark;
	int64_t until_us;
	void (*fn)(void *arg, bool acked);
	void *arg;
};

struct node_pinger {
	struct node_pinger *next;
	int64_t nonce;
	int64_t sent_us;
	void (*fn)(void *arg, int64_t nonce, const struct entity_id *from, int64_t rtt_us);
	void *arg;
};

struct node_report {
	bool linked;
	bool open;     /* between begin and end */
	bool complete; /* this link's report is */
	bool bye;      /* the last one said goodbye */
	bool reporting;
	int64_t grace_us; /* not reporting any more then; 0: no such time */
};

struct node {
	struct node_config cfg;
	struct db_port port;
	struct node_callbacks cb;
	void *arg;
	int64_t now_us;

	/* the stages, in the order of the flow */
	struct outbox *outbox;
	struct publisher *publisher;
	struct lease lease;
	struct coordinator coordinator;
	struct ticker ticker;
	struct listener *listener;
	struct cache *cache;
	struct cache_entity *self;
	struct policies *policies; /* that outbox and cache go by */

	struct node_report report;
	void (*touched)(void *arg, enum key_kind kind, const char *key);
	void *touched_arg;

	/* the session (session.c) */
	enum node_phase phase;
	int64_t phase_since_us;
	enum db_op asked; /* main session: the request under way ... */
	bool asking;      /* ... if there is one */
	bool reading;     /* second session */
	bool announcing;  /* third session */
	bool listening;   /* LISTEN is in force on this session */
	bool adopted;     /* own rows were compared once by this process */
	bool comparing;   /* own rows are to be compared before we publish */
	bool fenced;      /* and no publish went well since */
	bool leaving;
	bool becoming; /* comes back under next_id */
	struct entity_id next_id;
	int64_t leave_until_us;
	int64_t retry_us; /* DOWN: connect; REFUSED: register again */
	int64_t retry_delay_us;
	int64_t read_retry_us;
	int64_t announce_retry_us;
	/* What is announced may keep a publish waiting so long; 0: nothing is. */
	int64_t publish_by_us;
	int read_silences;       /* reads in a row that failed */
	int64_t beat_us;         /* the next one is due */
	int64_t stale_us;        /* others' states are dropped then; 0: not ticking */
	int64_t pulse_us;        /* when the last one was heard, by any session; 0: none */
	int64_t clock_offset_us; /* database's clock less our monotonic one */
	bool clock_known;
	struct buf last_error;
	char holder[768];
	bool yielded;      /* the entity's rows are another process's: it holds our id */
	bool holder_lives; /* REFUSED: as far as pulses tell */
	struct uuid twin;  /* the last one that was refused our id */
	int64_t counters[NODE_COUNTERS];

	/* who waits (node_wait.c) */
	struct node_ping pings[MOST_ANSWERS]; /* to be sent */
	int npings;
	struct node_policy policy;
	struct node_waiter *waiters;
	struct node_pinger *pingers;
};

/* session.c */
void session_start(struct node *n);
void session_kick(struct node *n);  /* ask what is next, if anything */
void session_timer(struct node *n); /* time has passed */
int64_t session_next_us(const struct node *n);
void session_result(struct node *n, const struct db_result *res);
void session_lost(struct node *n, const char *reason);
void session_leave(struct node *n, bool deliver);
bool session_is_up(const struct node *n); /* READY or REFUSED, or loading */

/* node.c */
/* All of the batch was written, at this time of the database. */
void node_stamp(struct node *n, const struct batch_item *items, size_t nitems,
	int64_t clock_us, bool forced);
/* node_toggle.c */
bool node_is_toggle(struct node *n, enum key_kind kind, const char *key);
bool node_is_in_force(struct node *n, enum key_kind kind, const char *key); /* our word */
/* A device under LATEST where another entity's word is in force: *sum is that. */
bool node_is_overruled(
	struct node *n, enum key_kind kind, const char *key, struct sum *sum);
/* Now, in the database's clock; under LATEST behind the word that it answers, which may
 * have been said by a clock that was ahead. */
int64_t node_stamp_now(struct node *n, enum key_kind kind, const char *key);
/* Words under LATEST were said when we show them: their age, in the database's clock. */
void node_ages(struct node *n, struct batch_item *items, size_t nitems);
/* The database lost what it had: our words that are in force are to be so again. */
void node_restate(struct node *n);
void node_clock(struct node *n, int64_t clock_us); /* the database's, now */
void node_yield(struct node *n);   /* another process holds our id: show what it says */
void node_reclaim(struct node *n); /* the id is ours again */
void node_reborn(struct node *n);  /* it has left: it is next_id from now on */

/* node_report.c */
/* The database's flag, when own rows were read for the first time. */
void report_adopt(struct node *n, bool reporting);
void report_timer(struct node *n);
int64_t report_next_us(const struct node *n); /* 0: none */
enum report_state report_state(const struct node *n);

/* node_wait.c */
void wait_check(struct node *n);
int64_t wait_next_us(const struct node *n); /* INT64_MAX: none */
void wait_free(struct node *n);
bool wait_next_ping(struct node *n, struct node_ping *out);
void wait_add_ping(struct node *n, const struct node_ping *ping);
bool wait_next_policy(struct node *n, struct db_request *req);
/* It is done in the database; the caller hears it when the node goes by it. */
void wait_policy_done(struct node *n);
void wait_policy_end(struct node *n, const char *wrong);
void wait_pong(struct node *n, const struct entity_id *from, int64_t nonce);

/* node_trace.c: debug 1 */
void trace_device(struct cache *c, const char *device);

#endif

/*
 * The simulator: N real nodes (src/node.c and all below it) on a modelled database, a
 * modelled network and modelled time, all from one seed. Everything that happens is an
 * event with a time; events of the same time happen in the order in which they were made.
 *
 * sim.c: events, the story, one run.  net.c: connections, struct db_port.  box.c: hosts
 * and the processes on them.  plan.c: what a seed lets happen.  fault.c: faults.
 * check.c: what must hold.  mutation.c: rules broken on purpose.  main.c: seeds,
 * replay, the shortest story.
 */
#ifndef SIM_H
#define SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "db.h"
#include "hint.h"
#include "model.h"
#include "node.h"
#include "rng.h"

#define MOST_BOXES    7
#define MOST_SERVERS  6
#define MOST_FAULTS   24
#define STATICS       2 /* entities that SQL writes for */
#define MOST_SPEAKERS (MOST_BOXES + STATICS)
#define MOST_STEPS    400
#define MOST_SIM_KEYS 6 /* of a kind */
#define MOST_VERSIONS 4096
#define MOST_ACKS     8
#define MS            INT64_C(1000)
#define SECOND        INT64_C(1000000)
#define KEEPALIVE_US  (11 * SECOND) /* then either end gives a silent peer up */

struct sim;
struct box;
struct wire;

/* ---- events ---- */

struct event {
	int64_t at_us;
	uint64_t number;
	void (*run)(struct sim *sim, struct event *ev);
	struct box *box; /* NULL: nobody's; else it waits while the box is paused ... */
	int gen;         /* ... and is void when the process is another one */
	struct wire *wire;
	uint64_t ticket;
	void *data; /* freed with the event */
	int index;
};

/* ---- the network ---- */

struct server {
	struct model *model;
	bool up;
	int number;
	int64_t clock_offset_us;
	int64_t down_since_us, up_since_us;
};

/* A node's connections. */
enum role { MAIN, READER, ANNOUNCER, ROLES };

/* One connection: a process at one end, a backend at the other. */
struct wire {
	struct wire *next;
	int number;
	struct server *server;
	struct model_session *backend;
	struct box *box;
	int gen;
	enum role role;
	bool client_open, server_open;
	bool silent; /* nothing gets through any more */
	int64_t latency_us;
	int64_t to_server_us, to_client_us; /* when the newest packet arrives */
	int64_t stalled_us;                 /* nothing arrives at the client before */
	int lose_notes, repeat_notes;
};

/* What a node sees of its sessions: src/pgport.c's state. */
struct line {
	struct wire *wire;
	bool busy;
	enum db_op op;
	uint64_t ticket;
	int64_t used_us;
};

/* ---- faults ---- */

enum fault_kind {
	FAULT_CUT,            /* main connection, now */
	FAULT_CUT_BEFORE,     /* with the next request on its way */
	FAULT_CUT_AFTER,      /* with the next answer on its way */
	FAULT_CUT_READ,       /* in the middle of the next read */
	FAULT_LOSE_ANSWER,    /* the next one; the connection is silent from then on */
	FAULT_LATE_REQUEST,   /* the next one takes its time */
	FAULT_ERROR,          /* lock timeout instead of doing the next request */
	FAULT_NOTE_LOST,      /* some notifications */
	FAULT_NOTE_TWICE,     /* some notifications */
	FAULT_STALL,          /* what the server sends waits: a slow reader */
	FAULT_FORGE,          /* a notification that nobody sent */
	FAULT_PARTITION,      /* a box from the network */
	FAULT_CRASH,          /* of the database; loses commits */
	FAULT_OUTAGE,         /* of the database; loses nothing */
	FAULT_FAILOVER,       /* to a standby that is behind */
	FAULT_SPLIT,          /* two primaries for a while */
	FAULT_NODE_CRASH,     /* and restart */
	FAULT_NODE_POWER_OFF, /* the server does not notice; and boots again */
	FAULT_BLACKOUT,       /* all servers' power, and all boot again */
	FAULT_NODE_STOP,      /* leaves, and starts again */
	FAULT_NODE_DIES,      /* and stays away */
	FAULT_PAUSE,          /* a process, perhaps past its lease */
	FAULT_PAUSE_COORDINATOR,
	FAULT_COORDINATOR_LOST, /* the database forgets who it is */
	FAULT_TWIN,             /* another host with the same entity id */
	FAULT_TAMPER,           /* an UPDATE by hand */
	FAULT_TRIM,             /* all of the journal */
	FAULT_CLOCK,            /* the database's clock jumps */
	FAULT_TOGGLE,           /* publish or subscribe of a kind, of a node */
	FAULT_REMOVE,           /* an administrator removes a dead entity */
	FAULT_PBX_DIES,         /* beside a living node, and comes back */
	FAULT_REPORT_CUT,       /* in the middle, and again from the start */
	FAULT_POLICY,           /* an administrator changes one: presses cross */
	FAULT_FLOOD,            /* more is said than can be sent */
	FAULT_SLOW,             /* the database takes its time */
	FAULT_CLONE, /* a copy of a virtual machine: the same run of the same entity twice */
	FAULT_NOTIFY_MODE, /* an administrator says how changes are told */
	FAULT_KINDS
};
const char *fault_name(enum fault_kind kind);

struct fault {
	enum fault_kind kind;
	int64_t at_us, for_us;
	int box;
	int64_t a, b; /* what else there is to choose */
	bool off;     /* left out while looking for the shortest story */
};

/* A statement on a box. Odd keys are its PBX's, where it has one. */
struct step {
	int64_t at_us;
	int box;        /* MOST_BOXES and on: of SQL */
	int64_t ttl_us; /* of SQL; 0: for ever */
	enum key_kind kind;
	int key;
	bool removed;
	bool again; /* a mailbox: what was said before that */
	struct value value;
	bool off;
};

/* What a seed lets happen, decided before it begins. */
struct plan {
	uint64_t seed;
	int boxes;
	int keys;
	int lease_ms, stale_after_ms;
	size_t chunk_bytes;
	size_t batch;         /* rows of a publish, at most */
	int notify_mode;      /* how changes are told: 0 auto, 1 direct, 2 ticker */
	int64_t deliveries;   /* a second: more, and auto takes the ticker */
	int period_ms;        /* of the ticker */
	bool announce;        /* nodes tell ahead what they publish */
	unsigned older;       /* a bit for the box whose node reads no packs */
	int64_t publishes_us; /* so long a publish may take from its begin to its commit */
	bool statics;
	unsigned pbxs; /* a bit for each box that has one */
	int slice;
	bool may_terminate;
	bool nets; /* audits, and reloads of who seems to be behind: else all must do without
				*/
	int64_t gap_us; /* between statements */
	int64_t latency_us;
	int64_t faults_end_us; /* from then on all is well */
	int nfaults, nsteps;
	struct fault faults[MOST_FAULTS];
	struct step steps[MOST_STEPS];
};

/* ---- boxes ---- */

struct said {
	bool stated; /* by this process */
	bool present;
	struct value value;
	int64_t at_us;
	int64_t told_us; /* the link: when the node was told last */
};

/* A telephone server beside a node, and its link. */
struct pbx {
	bool alive, stays_dead;
	bool linked, open, complete;
	int cuts;            /* so many reports more break off */
	uint64_t ticket;     /* of the report under way */
	int64_t complete_us; /* the end of its last report */
	struct said truth[KEY_KINDS][MOST_SIM_KEYS];
	bool mentioned[KEY_KINDS][MOST_SIM_KEYS];
};

/* What the database had of an entity when this process registered first. */
struct left_behind {
	bool known;
	struct server *server;
	int64_t at_us;
	bool present[KEY_KINDS][MOST_SIM_KEYS];
	struct value values[KEY_KINDS][MOST_SIM_KEYS];
};

/* What a listener showed last of a mailbox, in the order of commits. */
struct shown {
	int64_t order, at_us;
};

/* What it knew last of an entity's head. */
struct known {
	struct uuid incarnation;
	int64_t seq, at_us;
};

/* Somebody who waits until what was said is acknowledged. */
struct ack {
	struct box *box; /* NULL: free */
	uint32_t version;
	int key;
};

struct box {
	struct sim *sim;
	int number;
	struct entity_id id;
	char name[16], host[16], boot_id[24];
	int boots;
	struct node_config cfg;
	struct node *node; /* NULL: no process */
	int gen;           /* counts processes */
	bool twin;         /* comes for a while only */
	bool stays_dead;
	int64_t mono_us; /* its clock, less ours */
	int64_t paused_until_us, apart_until_us;
	int64_t connect_until_us; /* then an attempt to connect is given up */
	struct line lines[ROLES];
	struct ack acks[MOST_ACKS];
	bool cloned;
	struct uuid clone_of; /* the run that its process believes to be; "": a new one */
	struct hints *hints;
	struct hint_watcher watcher;
	int watched[MOST_SIM_KEYS]; /* as the watcher was told */
	uint64_t timer_ticket;
	int64_t timer_at_us; /* 0: none */
	bool left;
	bool armed[FAULT_KINDS];
	int64_t armed_until_us[FAULT_KINDS];
	bool publish[KEY_KINDS], subscribe[KEY_KINDS];
	struct said said[KEY_KINDS][MOST_SIM_KEYS];
	struct left_behind left_behind;
	uint32_t before[MOST_SIM_KEYS]; /* what it said of a mailbox the time before */
	struct shown shown[MOST_SPEAKERS][MOST_SIM_KEYS];
	struct known heads[MOST_SPEAKERS];
	struct pbx pbx;
	int64_t ready_since_us; /* 0: is not */
	int64_t dead_since_us;  /* 0: there is a process */
	int turns;              /* at the same time */
	int64_t turn_us;
};

/* A mailbox's new messages are a number that is never used twice. */
struct version {
	int entity; /* as box_of_entity() says */
	int key;
	bool repeated; /* said again after another one: its order says nothing */
	int64_t order; /* of the newest commit with it; 0: none */
};

struct sim {
	struct plan plan;
	struct rng net, ids;
	int64_t now_us;
	uint64_t events_made;
	int64_t events_run;
	struct event **heap;
	int nheap, heap_room;

	struct server servers[MOST_SERVERS];
	int nservers;
	int primary; /* index; the one that will stay */
	struct wire *wires;
	int nwires;

	struct box boxes[MOST_BOXES];
	int nboxes;
	int last_pid;
	int next_version;
	struct version versions[MOST_VERSIONS];
	int64_t commit_order;
	uint32_t device_said[MOST_SPEAKERS][MOST_SIM_KEYS]; /* bits: state, held */
	struct entity_id statics[STATICS];
	struct said static_said[STATICS][KEY_KINDS][MOST_SIM_KEYS];
	int64_t static_until_us[STATICS]; /* 0: for ever */
	int64_t calm_us, slow_until_us;
	int64_t lenient_until_us; /* after a rewind, a forged word: order may differ */
	struct box *current;      /* whose code runs */
	struct box *writer;       /* whose request runs */

	struct wire *holders[MOST_SERVERS][MOST_BOXES]; /* who may write for an entity */
	int done[FAULT_KINDS];
	int64_t requests;
	int64_t noticed_us; /* when a connection that had gone silent was given up last */
	int64_t agreed_us;  /* after the end of all faults; -1: not yet */
	bool failed;
	char failure[600];
	bool tampered, clock_jumped;
	jmp_buf out;
};

/* sim.c */
extern struct sim *sim_now; /* the one that runs */
struct event *event_add(
	struct sim *sim, int64_t at_us, void (*run)(struct sim *sim, struct event *ev));
void story(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool story_is_told(void);
void sim_fail(struct sim *sim, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/* A run; what it found is in the sim, which the caller frees. */
struct sim *sim_run(const struct plan *plan);
void sim_free(struct sim *sim);
extern int story_level; /* 0: none, 1: what happens, 2: each packet */

/* A lease and 3 s; where each packet takes long, as long as some 25 of them take. */
int64_t bound_us(const struct plan *plan);

/* plan.c */
void plan_make(struct plan *plan, uint64_t seed);
extern int plan_only; /* a kind of fault: no others; -1: all */
const char *static_name(int number);
const char *key_name(enum key_kind kind, int key);

/* net.c */
struct db_port net_port(struct box *b);
void net_drop(struct box *b, bool reset);    /* both ends; of a process that died */
void net_cut(struct box *b, enum role role); /* now, both ends notice */
void net_server_down(struct sim *sim, struct server *s);
void net_server_flush(struct sim *sim, struct server *s);
void net_apart(struct box *b); /* apart_until_us was set */
void net_event_free(struct event *ev);
void net_clock(struct sim *sim, struct server *s);

/* box.c */
void box_init(struct sim *sim, int number, const struct entity_id *id);
void box_start(struct box *b);
void box_stop(struct box *b, bool reset); /* the process is gone */
void box_leave(struct box *b);
void box_clear(struct box *b);
void box_turn_begin(struct box *b);
void box_turn_end(struct box *b);
uint32_t device_bit(const struct value *v);
void box_step(struct box *b, const struct step *step);
struct cache_entity;
struct sum;
/* The first box with that id, or MOST_BOXES and on: of SQL; -1: nobody's. */
int box_of_entity(const struct sim *sim, const struct entity_id *id);
/* Every new value of a mailbox is a number of its own, so that its order can be seen. */
void value_is_said(struct sim *sim, int entity, const struct step *step, struct value *v);
bool box_has_link_key(const struct box *b, int key);
void static_step(struct sim *sim, const struct step *step);

/* pbx.c */
void pbx_comes(struct box *b, int64_t after_us); /* links, and reports */
void pbx_goes(struct box *b, bool says_bye);
void pbx_step(struct box *b, const struct step *step);

/* fault.c */
void fault_begin(struct sim *sim, struct fault *f);
void faults_end(struct sim *sim);
void fault_print(const struct fault *f, struct buf *out);

/* check.c */
void check_written(void *arg, const struct entity_id *id, enum key_kind kind,
	const char *key, const struct value *v); /* by the model */
void check_put(struct sim *sim, const struct cache_entity *e, enum key_kind kind,
	const char *key, const struct value *v); /* into a cache */
/* tick() ran; who was alive before it. */
struct lives {
	bool alive[MOST_BOXES];
	int64_t seq[MOST_BOXES];
};
void check_reaped(struct sim *sim, const struct server *s, const struct lives *was);
void check_alive(struct sim *sim, const struct server *s, struct lives *out);
/* What was said of a mailbox is acknowledged. */
void check_acked(struct box *b, int key, uint32_t version);
/* A request ran. */
void check_ran(struct wire *w, const struct db_request *req, const struct db_result *res);
void check_box(struct box *b); /* after each of its turns */
/* By the model: what is to be told and was not. */
void check_untold(void *arg, const char *what);
/* A publish says that the report is complete: it is sent; it ran, and `said` is what the
 * node had been told when it sent it, until the end of the report. */
void check_reporting(struct box *b);
void check_reported(struct wire *w, struct said said[KEY_KINDS][MOST_SIM_KEYS]);
bool check_agree(struct sim *sim, struct buf *why);

/* mutation.c */
struct mutation {
	const char *name;
	enum model_rule rule;
	int switch_number;
};
extern const struct mutation mutations[];
extern int mutation_on; /* a switch_number; 0: none */
void mutation_set(const struct mutation *m);
enum {
	MUTATE_NOTHING,
	MUTATE_NO_GAP_CHECK,
	MUTATE_LISTEN_LATE,
	MUTATE_ANY_INCARNATION,
	MUTATE_FLIGHT_IS_CLEAN,
	MUTATE_NO_FORCE,
	MUTATE_NO_SWEEP,
	MUTATE_ECHO_APPLIED,
	MUTATE_NO_TOMBS,
	MUTATE_LOWER_HEAD_IGNORED,
	MUTATE_NOT_ADOPTED,
	MUTATE_NOTES_NOT_KEPT,
	MUTATE_DEAD_COUNT,
	MUTATE_AGES_FORGOTTEN,
	MUTATE_REPORTS_EARLY,
	MUTATE_REPORT_BEFORE_ROWS,
	MUTATE_CUT_SWEEPS,
	MUTATE_END_KEEPS,
	MUTATE_LINK_FOR_EVER,
	MUTATE_ANNOUNCED_FOR_EVER
};

#endif

/*
 * A database in memory that answers as sql/functions do (docs/protocol.md), for tests of
 * whole nodes with a simulated clock: entities, rows, journal, tokens, notifications, and
 * faults. Deterministic: all that is chance comes from the seed.
 */
#ifndef MODEL_DB_H
#define MODEL_DB_H

#include "db.h"

struct model_db;
struct model_port; /* a node's connections to it */

struct model_db *model_db_new(uint32_t seed);
void model_db_free(struct model_db *m);

struct model_port *model_port_new(struct model_db *m);
void model_port_free(struct model_port *p);
void model_port_set_events(struct model_port *p, const struct db_events *events);
struct db_port model_port(struct model_port *p);

/* The clock of the world, monotonic; the database's own is another. */
int64_t model_now(const struct model_db *m);
void model_advance(struct model_db *m, int64_t to_us);

/*
 * Do one thing that waits to be done: execute a request, deliver an answer or a
 * notification. False: nothing waits. Moves the clock a little. `before` is called with
 * the owner of the port's events before they are.
 */
bool model_step(struct model_db *m, void (*before)(void *node, int64_t now_us));

/* ---- faults ---- */

enum model_cut { MODEL_CUT_BEFORE, MODEL_CUT_AFTER }; /* the commit */
/* The session breaks at the next request of this kind; DB_OPS: at any. */
void model_cut(struct model_port *p, enum db_op op, enum model_cut when);
bool model_cut_is_due(const struct model_port *p); /* it has not come yet */
void model_break(struct model_port *p);            /* its sessions break now */
/* Its process is gone: nothing is delivered, the server knows. */
void model_kill(struct model_port *p);
/* It hangs: nothing is done for it, the server does not know. */
void model_freeze(struct model_port *p, bool frozen);
void model_down(struct model_db *m, bool down); /* all sessions break; none is made */
/* Everything after the last `commits` commits is lost; all sessions break. */
void model_rewind(struct model_db *m, int commits);
void model_drop_notifications(struct model_port *p); /* those under way */
/* The next n publishes are refused with this SQLSTATE. */
void model_refuse(struct model_db *m, const char *sqlstate, int n);
/* A publish that has this key is refused with PD004; NULL: none. */
void model_dislike(struct model_db *m, const char *key);
void model_trim(struct model_db *m); /* the journal is empty */

/* ---- by hand ---- */

void model_set(struct model_db *m, const struct entity_id *id, enum key_kind kind,
	const char *key, const struct value *v); /* a hand-made UPDATE: no seq, no word */
void model_delete(
	struct model_db *m, const struct entity_id *id, enum key_kind kind, const char *key);
bool model_remove(struct model_db *m, const struct entity_id *id); /* remove() */

/* ---- looking ---- */

bool model_get(const struct model_db *m, const struct entity_id *id, enum key_kind kind,
	const char *key, struct value *out);
int model_rows(const struct model_db *m, const struct entity_id *id);
bool model_head(
	const struct model_db *m, const struct entity_id *id, int64_t *seq, bool *alive);
bool model_reporting(
	const struct model_db *m, const struct entity_id *id, bool *reporting);
bool model_coordinator(const struct model_db *m, struct entity_id *out);
int64_t model_requests(const struct model_port *p, enum db_op op); /* executed */

#endif

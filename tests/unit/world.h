/*
 * For tests of whole nodes: the modelled database (tests/sim/model.h), the clock of the
 * world, and the nodes' ports to it, with faults. What waits to be done is done in random
 * order; all that is chance comes from the seed.
 */
#ifndef WORLD_H
#define WORLD_H

#include "../sim/model.h"

struct world;
struct port; /* a node's connections */

struct world *world_new(uint32_t seed);
void world_free(struct world *w);
uint32_t world_dice(struct world *w, uint32_t n); /* 0 to n - 1 */
void world_seed(struct world *w, uint32_t seed);

struct port *port_new(struct world *w);
void port_free(struct port *p);
void port_set_events(struct port *p, const struct db_events *events);
struct db_port port_db(struct port *p);

/* Monotonic; the database's own clock is another. */
int64_t world_now(const struct world *w);
void world_advance(struct world *w, int64_t to_us);

/*
 * Do one thing that waits to be done: execute a request, deliver an answer or a
 * notification. False: nothing waits. Moves the clock a little. `before` is called with
 * the owner of the port's events before they are.
 */
bool world_step(struct world *w, void (*before)(void *node, int64_t now_us));

/* ---- faults ---- */

enum port_cut { PORT_CUT_BEFORE, PORT_CUT_AFTER }; /* the commit */
/* The session breaks at the next request of this kind; DB_OPS: at any. */
void port_cut(struct port *p, enum db_op op, enum port_cut when);
void port_heal(struct port *p);             /* no cut is to come any more */
bool port_cut_is_due(const struct port *p); /* it has not come yet */
void port_break(struct port *p);            /* its sessions break now */
/* Its process is gone: nothing is delivered, the server knows. */
void port_kill(struct port *p);
/* It hangs: nothing is done for it, the server does not know. */
void port_freeze(struct port *p, bool frozen);
bool port_is_frozen(const struct port *p);
void port_drop_notifications(struct port *p);    /* those under way */
void world_down(struct world *w, bool down);     /* all sessions break; none is made */
void world_rewind(struct world *w, int commits); /* these are lost; all sessions break */
/* The next n publishes are refused with this SQLSTATE. */
void world_refuse(struct world *w, const char *sqlstate, int n);
int world_refusals_left(const struct world *w);
/* A publish that has this key is refused with PD004; NULL: none. */
void world_dislike(struct world *w, const char *key);

/* ---- looking ---- */

struct model *world_model(struct world *w);
int world_rows(struct world *w, const struct entity_id *id);
int port_notifications(const struct port *p);               /* under way */
int64_t port_requests(const struct port *p, enum db_op op); /* executed */

#endif

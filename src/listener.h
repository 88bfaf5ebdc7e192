/*
 * Stage 6: listener.
 * In:    notifications; what the journal, the heads and the rows say; losses.
 * Out:   facts in order into the cache; what it wants to read; own rows to compare;
 * policies. Owns:  for each entity how far it is known (in cache_entity.head), gaps,
 * loads, buffers; the version of the policies. Never: I/O. Never trusts a notification:
 * it is a hint that carries data.
 *
 * First load, gap and reconnect are one path: "read this entity" (its journal, or its
 * rows where the journal does not reach), while its notifications wait.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache.h"
#include "db.h"
#include "payload.h"

struct listener;

struct listener_counts {
	int64_t payloads, bad, older, gaps, pulls, reloads, audits, audits_bad, rewinds,
		taken_back;
};

struct listener_callbacks {
	/* A row that the database has of this node (stage 2 compares), while own rows load.
	 */
	void (*own_begin)(void *arg);
	void (*own_row)(void *arg, enum key_kind kind, const char *key, const struct value *v,
		int64_t seq);
	void (*own_end)(void *arg, const struct payload_head *head); /* NULL: has none */
	/* The database audits us: are these the rows that we published up to this head? */
	void (*own_audit)(
		void *arg, const struct payload_head *head, int64_t rows, uint64_t digest);
	void (*pulse)(
		void *arg, const struct entity_id *coordinator, int64_t number, int64_t clock_us);
	/* A process with our entity id and another incarnation asked and was refused. */
	void (*twin)(
		void *arg, const struct uuid *incarnation, const struct payload_entity *who);
	void (*ping)(void *arg, const struct entity_id *from, int64_t nonce);
	void (*pong)(void *arg, const struct entity_id *from, int64_t nonce);
	/* These are the policies from now on; `p` is taken over. */
	void (*policies)(void *arg, struct policies *p, int64_t version);
};

struct listener *listener_new(struct cache *c, const struct entity_id *self,
	const struct listener_callbacks *cb, void *arg);
void listener_free(struct listener *l);
void listener_set_self(struct listener *l, const struct entity_id *self);

/* LISTEN was acknowledged: bring everything up to date. `own`: compare own rows as well.
 */
void listener_connected(struct listener *l, bool own);
void listener_compare_own(struct listener *l); /* own rows only, while connected */
/* Our lease is this one. An echo is believed where publish() answered the same moment. */
void listener_own_lease(struct listener *l, const struct uuid *incarnation, int64_t seq);
void listener_own_acked(struct listener *l, int64_t seq, int64_t clock_us);
/* What is known of an entity is void: its rows are read anew, unless they are our own. */
void listener_forget(struct listener *l, const struct entity_id *id);
/* It was nobody, in no database: nothing is left of it. */
void listener_drop(struct listener *l, const struct entity_id *id);
void listener_disconnected(struct listener *l);

void listener_notify(struct listener *l, const char *text, size_t len);

/* The read that it wants next; `req` borrows until listener_read_done(). One at a time.
 */
bool listener_next_read(struct listener *l, struct db_request *req);
void listener_read_payload(struct listener *l, const char *text, size_t len);
void listener_read_done(struct listener *l, bool ok); /* not ok: wanted again */

/* Everything that was asked for by listener_connected() is there. */
bool listener_is_loaded(const struct listener *l);
/* How changes are told, as the newest pulse says. */
struct payload_notify listener_notify_mode(const struct listener *l);
/* Changes a second times members, by the newest pulse: what the server has to deliver. */
int64_t listener_deliveries(const struct listener *l);
int64_t listener_policy_version(const struct listener *l); /* 0: there never were any */
void listener_counts(const struct listener *l, struct listener_counts *out);

#endif

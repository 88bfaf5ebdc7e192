/*
 * Stage 1: link.
 * In:    lines of a telephone server, or of any program, on the node's link socket.
 * Out:   its devices and mailboxes to the node; facts of the others to those who watch.
 * Owns:  who is linked, what each was told last, which keys it is to be told anew.
 * Never: I/O: bytes come in by link_input(), go out by link_pull().
 *
 * The protocol is in pgdevstate-link(7). Facts are never queued: a key that changed is
 * dirty, and what is said of it is made from the cache when there is room for it. So the
 * newest wins, and memory is bounded by the number of keys.
 */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "change.h"
#include "entity_id.h"
#include "node.h"

#define LINK_MAX_LINE     2048 /* with its newline */
#define LINK_MAX_LINKS    32
#define LINK_MAX_WATCHERS 16
#define LINK_MAX_KEYS     200000 /* that a telephone server may have said */
#define LINK_HELLO_S      10     /* to say hello in */
#define LINK_ACK_S        60     /* its window is full and it says nothing: dropped */

struct link;
struct links; /* all links of a node */

struct link_callbacks {
	/* link_pull() has something, or link_is_over(), or link_is_paused() changed. Inside
	 * it no other function of a link may be called. */
	void (*wake)(void *arg, struct link *l);
	/* entity_id is auto, and the telephone server has this one. */
	void (*become)(void *arg, const struct entity_id *id);
	/* Its program has closed, though not all that it said has been read yet. */
	bool (*is_closed)(void *arg, struct link *l);
};

struct link_config {
	struct entity_id entity;
	bool entity_is_set; /* in the node's file; else the telephone server's is taken */
	const char *name, *version; /* of the node; borrowed */
	const char *file;           /* its configuration */
};

struct links *links_new(struct node *n, const struct link_config *cfg,
	const struct link_callbacks *cb, void *arg);
void links_free(struct links *ls); /* the links must be gone */
/* What the node tells: a key was touched; its phase is another one. */
void links_touched(struct links *ls, enum key_kind kind, const char *key);
void links_phase(struct links *ls, enum node_phase phase);
/* Says goodbye to all; what they said still counts for half a lease. */
void links_end(struct links *ls, const char *reason);

struct link *link_new(
	struct links *ls, void *owner, pid_t pid, uid_t uid, int64_t now_us);
/* `lost`: it is gone without goodbye, or was dropped, and why; NULL: it said so. */
void link_free(struct link *l, const char *lost);
void *link_owner(const struct link *l);

void link_input(struct link *l, const char *bytes, size_t len, int64_t now_us);
/* Adds whole lines until `out` has `most` bytes or there is nothing more to say. */
void link_pull(struct link *l, struct buf *out, size_t most);
bool link_is_over(const struct link *l);   /* close it when all is written */
bool link_is_paused(const struct link *l); /* read no more of it until it has read */
/* The time that it gave itself, or has for its hello, is over: bye. 0: no such time. */
int64_t link_deadline_us(const struct link *l);
void link_timer(struct link *l, int64_t now_us);

enum link_counter {
	LINK_CONNECTS,
	LINK_LOST,    /* without goodbye */
	LINK_DROPPED, /* for what they sent, or did not read */
	LINK_REPORTS, /* complete ones */
	LINK_STATEMENTS,
	LINK_REFUSED, /* statements */
	LINK_FACTS,
	LINK_COUNTERS
};
const char *link_counter_name(enum link_counter c); /* "link_reports" */
int64_t links_counter(const struct links *ls, enum link_counter c);

struct link_status {
	const char *program, *version; /* "" before its hello; borrowed, as all texts */
	pid_t pid;
	uid_t uid;
	bool report, watch;
	int64_t since_us; /* monotonic */
	int64_t statements, refused, facts;
	size_t waiting; /* keys that it is to be told of */
	int unacked, window;
	const char *last_refused; /* "" when there was none */
};
int links_count(const struct links *ls);
void links_status(const struct links *ls, int i, struct link_status *out);

#endif

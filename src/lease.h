/*
 * Stage 3: lease.
 * In:    results of register() and resume(), acks, losses.
 * Out:   which of the two to ask next; what the answer means for the outbox.
 * Owns:  incarnation, session, the acknowledged seq, who holds our id when it is not us.
 * Never: I/O.
 */
#ifndef LEASE_H
#define LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "db.h"

enum lease_state {
	LEASE_NONE,     /* never registered */
	LEASE_HELD,     /* we may write with `session` */
	LEASE_DOUBTFUL, /* the connection or the lease was lost: resume */
	LEASE_REWOUND,  /* the database lost acknowledged publishes: register, continuing */
	LEASE_TAKEN     /* someone else's, or reaped and overtaken: register anew */
};
const char *lease_state_name(enum lease_state s);

struct lease {
	enum lease_state state;
	struct uuid incarnation; /* "": none yet */
	/*
	 * A register() under way. It is kept when no answer comes: asked again with the same
	 * incarnation, the database knows that it is us and not a twin.
	 */
	struct uuid asked;
	struct uuid session; /* the token; "": may not write */
	struct uuid rewound; /* REWOUND: the incarnation that is continued ... */
	struct uuid rewound_session;
	int64_t seq;     /* the last acknowledged; REWOUND: the database's */
	bool unanswered; /* a publish was when the connection went */
	char channel[64];
	int site;
};

enum lease_verdict {
	LEASE_GO_ON,   /* nothing to compare: what was in flight is dirty already */
	LEASE_COMPARE, /* a new incarnation: compare all own rows with the database's */
	LEASE_RESEND,  /* continues: what was sent after the database's seq was made dirty */
	LEASE_AGAIN,   /* ask again at once (lease_request() says what) */
	LEASE_REFUSED, /* another living process holds our id: read only, ask again later */
	LEASE_FAILED   /* an error: ask again later */
};

void lease_init(struct lease *l);
/* What to ask; `req` borrows nothing from the lease. */
void lease_request(struct lease *l, struct db_request *req);
enum lease_verdict lease_result(struct lease *l, const struct db_result *res);
void lease_acked(struct lease *l, int64_t seq);
/*
 * A publish was under way when the connection went. It may have been done, told, and lost
 * again by a crash, so that its seq would come twice: go on in a new incarnation.
 */
void lease_unanswered(struct lease *l);
void lease_lost(struct lease *l); /* the connection is gone, or publish() was fenced */
bool lease_may_write(const struct lease *l);

#endif

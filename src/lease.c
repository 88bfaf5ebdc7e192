/*
 * Stage 3: lease.
 * In:    results of register() and resume(), acks, losses.
 * Out:   which of the two to ask next; what the answer means for the outbox.
 * Owns:  incarnation, session, the acknowledged seq, who holds our id when it is not us.
 * Never: I/O.
 *
 *   NONE --register--> HELD --lost, fenced--> DOUBTFUL --resume--> HELD
 *                       ^                        |---- the database is behind, or a
 *                       |                        |     publish was unanswered --->
 * REWOUND |                        '---- not ours any more -------> TAKEN
 *                       '------- register (a new incarnation) ------ REWOUND, TAKEN
 */
#include "lease.h"

#include <assert.h>
#include <string.h>

const char *lease_state_name(enum lease_state s)
{
	static const char *const names[] = {"none", "held", "doubtful", "rewound", "taken"};

	return names[s];
}

void lease_init(struct lease *l)
{
	memset(l, 0, sizeof(*l));
}

bool lease_may_write(const struct lease *l)
{
	return l->state == LEASE_HELD;
}

void lease_acked(struct lease *l, int64_t seq)
{
	assert(l->state == LEASE_HELD);
	l->seq = seq;
}

void lease_unanswered(struct lease *l)
{
	l->unanswered = true;
}

void lease_lost(struct lease *l)
{
	l->session.text[0] = '\0';
	if (l->state == LEASE_REWOUND) {
		/* Its session went with the connection: ask anew. `seq` is the database's by now,
		 * so it will answer as if nothing had been lost. */
		l->state = LEASE_DOUBTFUL;
		l->unanswered = true;
	} else if (l->state == LEASE_HELD) {
		l->state = LEASE_DOUBTFUL;
	}
}

void lease_request(struct lease *l, struct db_request *req)
{
	if (l->state == LEASE_DOUBTFUL) {
		req->op = DB_RESUME;
		req->incarnation = l->incarnation;
		req->seq = l->seq;
		return;
	}
	req->op = DB_REGISTER;
	req->continues = (struct uuid){""};
	req->continues_session = (struct uuid){""};
	req->seq = 0;
	if (l->state == LEASE_REWOUND) {
		req->continues = l->rewound;
		req->continues_session = l->rewound_session;
		req->seq = l->seq;
	}
	if (!l->asked.text[0])
		l->asked = uuid_random();
	req->incarnation = l->asked;
}

static void lease_take(struct lease *l, const struct db_lease *got)
{
	l->state = LEASE_HELD;
	l->session = got->session;
	l->seq = got->seq;
}

/* The run goes on in a new incarnation, from where the database is. */
static enum lease_verdict lease_continue(struct lease *l, const struct db_lease *got)
{
	l->state = LEASE_REWOUND;
	l->rewound = l->incarnation;
	l->rewound_session = got->session;
	l->seq = got->seq;
	return LEASE_AGAIN;
}

static enum lease_verdict lease_resumed(struct lease *l, const struct db_lease *got)
{
	switch (got->outcome) {
	case DB_RESUMED:
		if (l->unanswered)
			return lease_continue(l, got);
		lease_take(l, got);
		return LEASE_GO_ON;
	case DB_REWOUND:
		return lease_continue(l, got);
	case DB_REFUSED:
		l->state = LEASE_TAKEN;
		/* It may be ourselves: a register() whose answer did not come. */
		return l->asked.text[0] ? LEASE_AGAIN : LEASE_REFUSED;
	default:
		l->state = LEASE_TAKEN;
		return LEASE_AGAIN;
	}
}

static enum lease_verdict lease_registered(struct lease *l, const struct db_lease *got)
{
	bool continued = l->state == LEASE_REWOUND;

	if (got->outcome != DB_REGISTERED) {
		l->state = LEASE_TAKEN; /* the same incarnation asks again: it is the same run */
		return LEASE_REFUSED;
	}
	l->incarnation = l->asked;
	l->asked.text[0] = '\0';
	l->unanswered = false;
	lease_take(l, got);
	return continued ? LEASE_RESEND : LEASE_COMPARE;
}

enum lease_verdict lease_result(struct lease *l, const struct db_result *res)
{
	if (!res->ok)
		return LEASE_FAILED;
	memcpy(l->channel, res->lease.channel, sizeof(l->channel));
	l->site = res->lease.site;
	if (res->op == DB_RESUME)
		return lease_resumed(l, &res->lease);
	return lease_registered(l, &res->lease);
}

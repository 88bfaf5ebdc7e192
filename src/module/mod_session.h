/*
 * Layer 1: the link as a state machine: what a line of the node means for the link, when
 * to ping, what to acknowledge, when the node is to be given up. Pure: lines and time
 * come in, lines go into `out`; what others say (facts) is the caller's.
 *
 *   down -> greeting (hello sent) -> up (hello heard) -> down
 */
#ifndef MOD_SESSION_H
#define MOD_SESSION_H

#include "mod_line.h"
#include "mod_pace.h"

#define SESSION_WINDOW     256   /* facts that may be under way */
#define SESSION_TIMEOUT_S  30    /* the node drops us when it hears nothing for so long */
#define SESSION_PING_MS    5000  /* silent for so long: ping */
#define SESSION_SILENCE_MS 15000 /* heard nothing for so long: the node is given up */

#define SESSION_REASON 600 /* a goodbye names ids, files and what to do */

#define SESSION_NODE_STOPS "the node stops" /* its goodbye to all, when it does */

enum session_phase { SESSION_DOWN, SESSION_GREETING, SESSION_UP, SESSION_PHASES };
const char *session_phase_name(enum session_phase phase);

struct session {
	enum session_phase phase;
	int64_t since_ms, heard_ms, pinged_ms;
	bool dumping; /* between begin and end */
	bool fresh;   /* a dump is complete: what we have is what the node has */
	bool refused; /* it does not want us as we are: somebody has to change something */
	unsigned unacked;
	unsigned long pings;
	struct bucket idle; /* lines that are not facts */
	struct entity_id node;
	char node_name[LINE_NAME_MAX + 1], node_version[64];
	char status[256];            /* the node's own: ready, away, refused ... */
	char reason[SESSION_REASON]; /* why it is down */
};

void session_init(struct session *s);
/* The socket is connected: greet. */
bool session_greet(struct session *s, const char *entity, const char *version,
	struct line_out *out, int64_t now_ms);
void session_end(struct session *s, const char *reason, int64_t now_ms);

/* One line. False: drop the link, s->reason says why. */
bool session_take(struct session *s, const struct line *l, int64_t now_ms);
/* Pings. False: the node is silent, s->reason. */
bool session_tick(struct session *s, struct line_out *out, int64_t now_ms);
/* When session_tick() has something to do. */
int64_t session_next_ms(const struct session *s);
/*
 * What it said is old: the link was lost at lost_ms (0: it was not), and no dump is
 * coming that would replace it.
 */
bool session_is_stale(
	const struct session *s, int64_t lost_ms, int stale_after_s, int64_t now_ms);
/* So many facts are done; told when there are enough, or, where it is idle, `all`. */
void session_ack(struct session *s, struct line_out *out, bool all);

#endif

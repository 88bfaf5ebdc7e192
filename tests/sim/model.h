/*
 * A model of the database for the simulator and for unit tests: what the functions of
 * docs/protocol.md do, as plain C on plain data, one server. A request runs when the
 * caller says so, in the order that the caller chooses; its answer, and each
 * notification, is handed over when the caller asks for it. It never looks at a clock:
 * time is set.
 *
 * Names are interned, state is small and copied at each commit, so that a crash can take
 * the last commits back and a second server can be forked off.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "cache.h"
#include "db.h"

struct model;
struct model_session;

struct model *model_new(void);
struct model *model_fork(
	const struct model *m, int lost); /* a second server that is behind */
void model_free(struct model *m);

void model_set_clock(struct model *m, int64_t now_us);
void model_set_chunk(struct model *m, size_t bytes); /* of a change; default 7600 */

/* A crash takes the last `lost` commits (as far as they are kept) and ends all sessions.
 */
int model_crash(struct model *m, int lost); /* how many really went */
int model_commits(const struct model *m);

/* Sessions. Freed with the model or by model_close(); told apart by their number. */
struct model_session *model_open(struct model *m);
void model_close(struct model_session *s);
bool model_is_open(const struct model_session *s); /* false: ended by the server */

/*
 * Run a request: all of it, committed. `payload` gets the rows of READ_*. The result's
 * message is borrowed until the next call.
 */
void model_run(struct model_session *s, const struct db_request *req,
	struct db_result *out, void (*payload)(void *arg, const char *text, size_t len),
	void *arg);
/*
 * A publish that begins now and commits when it is run: its place in the journal, and
 * whether it is left to the ticker, are settled by now. One at a time for each session.
 */
void model_publish_begin(struct model_session *s);
/* tick() in two steps, because its pulse is older than its commit. */
struct model_tick;
struct model_tick *model_tick_begin(
	struct model_session *s, const struct db_request *req);
void model_tick_end(struct model_tick *t, struct db_result *out); /* frees it */

/* The oldest notification that waits for this session, moved into `out`. */
bool model_next_notify(struct model_session *s, struct buf *out);
int model_waiting(const struct model_session *s);
/* Faults: say the oldest twice, lose it, or say something that nobody said. */
void model_notify_lose(struct model_session *s);
void model_forge(struct model *m, const char *text);

/* By hand: an UPDATE that no function made; all of the journal gone. */
bool model_tamper(struct model *m, const struct entity_id *id, enum key_kind kind,
	const char *key, const struct value *v);
void model_trim(struct model *m);

/* As model_tamper(), but also inserts and (v NULL) deletes. The moment alone stays as it
 * is: no audit would see that. False: no such entity. */
bool model_tamper_any(struct model *m, const struct entity_id *id, enum key_kind kind,
	const char *key, const struct value *v);
/* remove(): forget an entity. False: it is alive, or unknown. */
bool model_remove(struct model *m, const struct entity_id *id);
/* set_device_state(), set_mailbox(), clear_...(): what SQL says. ttl_us 0: for ever. How
 * many rows changed. */
int model_static(struct model *m, const char *name, int64_t ttl_us,
	const struct batch_item *items, size_t n);
/* How long its words still count; 0: for ever; -1: there is none of that name. */
int64_t model_static_ttl(struct model *m, const char *name);
/* In the database's clock; 0: never. */
int64_t model_static_end(struct model *m, const char *name);
struct entity_id model_static_id(const char *name);
/* set_policy(); policy < 0: clear_policy(). True: it is another one than before. */
bool model_policy(struct model *m, enum key_kind kind, const char *pattern, int policy);
struct policies *model_policies(const struct model *m); /* yours to free; NULL: none */
/* set_notify_mode(): 0 auto, 1 direct, 2 ticker; and what auto and the period go by. */
bool model_notify_mode(struct model *m, int mode);
void model_set_deliveries(struct model *m, int64_t direct, int64_t ticker);
void model_set_period(struct model *m, int ms); /* of the ticker; 0: as members say */
bool model_is_ticker(const struct model *m);
/* Told when a pulse shows a head whose changes were not all told before, or when the
 * ticker tells an entity's changes out of their order: `what`. */
void model_on_untold(struct model *m, void (*fn)(void *arg, const char *what), void *arg);
/* The coordinator's token is nobody's any more. */
void model_forget_token(struct model *m);
void model_end(struct model_session *s); /* the server closes it; freed with the model */
/* May the functions end other sessions (pg_signal_backend)? Default: yes. */
void model_set_terminate(struct model *m, bool may);
void model_set_audit(struct model *m, bool wanted); /* in the pulse; default: yes */
void model_set_slice(struct model *m, int heads);   /* in a pulse; default 10 */
/* Told of every row that is written or removed (v NULL). */
void model_on_write(struct model *m,
	void (*fn)(void *arg, const struct entity_id *id, enum key_kind kind, const char *key,
		const struct value *v),
	void *arg);

/* Rules that the functions keep, broken on purpose: do the tests notice? */
enum model_rule {
	MODEL_ALL_RULES,
	MODEL_NO_SESSION_TOKEN,   /* publish() does not look at the session */
	MODEL_NO_INCARNATION,     /* nor at the incarnation */
	MODEL_ROWS_BEFORE_HEADS,  /* read_rows(): rows of an older snapshot than the heads */
	MODEL_REAP_AT_ONCE,       /* no new leases after nobody looked for a while */
	MODEL_REAPER_MOVES_SEQ,   /* without telling */
	MODEL_NO_AUDIT,           /* in the pulse */
	MODEL_NO_HEADS,           /* in the pulse */
	MODEL_TWIN_MAY_REGISTER,  /* whoever holds the lease */
	MODEL_REWIND_UNNOTICED,   /* resume() does not compare seq */
	MODEL_JOURNAL_WITH_HOLES, /* read_journal() gives what it has */
	MODEL_DEAD_MAY_PUBLISH,   /* publish() does not look whether it was reaped */
	MODEL_STATIC_FOR_EVER,    /* static entities outlive their time */
	MODEL_STATIC_COMES_BACK,  /* what they said before it was over counts again */
	MODEL_LEASES_ANEW_LATE,   /* at the first tick after an outage, not at its end */
	MODEL_STEADY_IGNORED,     /* any tick after a pause of ticks begins all leases anew */
	MODEL_TICK_NO_SIGN, /* ... after one of more than a second, of a session that goes on
						 */
	MODEL_TOGGLES_UNORDERED, /* a word under latest has the time of its publish */
	MODEL_RELAY_BY_NUMBER,   /* the ticker goes by the number of the last row that it told
							  */
	MODEL_RELAY_NEWEST_FIRST, /* it tells them in the wrong order */
	MODEL_PULSE_OVERTAKES,    /* the pulse does not tell first what its heads show */
	MODEL_SWITCH_FORGETS, /* back to direct: nobody waits for who counted on the ticker */
	MODEL_TAKEOVER_FORGETS, /* a new coordinator begins with what comes from now on */
	MODEL_NO_REAPER
};
void model_break(enum model_rule rule); /* in all models */

/* Looking: what an entity says; whether it is alive; the head. NULL: no row. */
const struct value *model_row(const struct model *m, const struct entity_id *id,
	enum key_kind kind, const char *key);
bool model_head(
	const struct model *m, const struct entity_id *id, struct payload_head *out);
int model_entities(const struct model *m);
bool model_entity_at(const struct model *m, int i, struct payload_head *out);
bool model_each_row(const struct model *m, const struct entity_id *id,
	bool (*fn)(void *arg, enum key_kind kind, const char *key, const struct value *v),
	void *arg);

#endif

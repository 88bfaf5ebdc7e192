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
void model_set_chunk(struct model *m, size_t bytes); /* of a change; default 7000 */

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

/* Looking: what an entity says; whether it is alive; the head. NULL: no row. */
const struct value *model_row(const struct model *m, const struct entity_id *id,
	enum key_kind kind, const char *key);
bool model_head(
	const struct model *m, const struct entity_id *id, struct payload_head *out);
int model_entities(const struct model *m);
bool model_each_row(const struct model *m, const struct entity_id *id,
	bool (*fn)(void *arg, enum key_kind kind, const char *key, const struct value *v),
	void *arg);

#endif

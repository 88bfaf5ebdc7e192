/*
 * For tests of whole nodes: up to four of them on a modelled database with a simulated
 * clock.
 */
#ifndef NODE_FIXTURE_H
#define NODE_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "node.h"
#include "schema_version.h"
#include "world.h"

#define S     INT64_C(1000000)
#define NODES 4

struct peer {
	struct entity_id id;
	struct node *node;
	struct port *port;
	char name[24];
	int changes, lefts, acks, timeouts, pongs;
};

static struct world *db;
static struct peer peers[NODES];
static bool announce; /* nodes that begin from now on do */

/* ---- the world ---- */

static inline void on_changed(void *arg, enum key_kind kind, const char *key,
	const struct sum *was, const struct sum *now)
{
	struct peer *p = arg;

	(void)kind;
	(void)key;
	(void)was;
	(void)now;
	p->changes++;
}

static inline void on_phase(void *arg, enum node_phase phase)
{
	(void)arg;
	(void)phase;
}

static inline void on_rearm(void *arg)
{
	(void)arg;
}

static inline void on_left(void *arg)
{
	struct peer *p = arg;

	p->lefts++;
}

static inline void before(void *node, int64_t now_us)
{
	node_now(node, now_us);
}

/* Peer i on entity id `id` (0: none) as process `pid` of `host`. */
static inline struct peer *begin_as(int i, int id, const char *host, int pid)
{
	static const struct node_callbacks cb = {on_changed, on_phase, on_rearm, on_left};
	struct peer *p = &peers[i];
	struct node_config cfg = {.stale_after_ms = 60000, .announce = announce};
	struct db_events events;
	struct db_port port;

	memset(p, 0, sizeof(*p));
	p->id = (struct entity_id){{id ? 2 : 0, 0, 0, 0, 0, (uint8_t)id}};
	snprintf(p->name, sizeof(p->name), "server%d", i);
	cfg.self =
		(struct db_self){p->id, p->name, host, "boot", "1", pid, 10000, SCHEMA_VERSION};
	cfg.publish[0] = cfg.publish[1] = cfg.subscribe[0] = cfg.subscribe[1] = true;
	p->port = port_new(db);
	port = port_db(p->port);
	p->node = node_new(&cfg, &port, &cb, p, world_now(db));
	events = node_events(p->node);
	port_set_events(p->port, &events);
	node_start(p->node, world_now(db));
	return p;
}

static inline struct peer *begin(int i)
{
	return begin_as(i, i + 1, "host", 100 + i);
}

static inline void stop(struct peer *p)
{
	if (!p->node)
		return;
	port_kill(p->port);
	node_free(p->node);
	port_free(p->port);
	p->node = NULL;
}

static inline int world_begin(void **arg)
{
	(void)arg;
	memset(peers, 0, sizeof(peers));
	db = world_new(1);
	return 0;
}

static inline int world_end(void **arg)
{
	(void)arg;
	for (int i = 0; i < NODES; i++)
		stop(&peers[i]);
	announce = false;
	world_free(db);
	return 0;
}

static inline int64_t next_timer(void)
{
	int64_t next = INT64_MAX;

	for (int i = 0; i < NODES; i++) {
		if (peers[i].node && !port_is_frozen(peers[i].port) &&
			node_next_us(peers[i].node) < next)
			next = node_next_us(peers[i].node);
	}
	return next;
}

static inline void timers(void)
{
	for (int i = 0; i < NODES; i++) {
		if (peers[i].node && !port_is_frozen(peers[i].port) &&
			node_next_us(peers[i].node) <= world_now(db))
			node_timer(peers[i].node, world_now(db));
	}
}

/* Let the world go on until `until_us`. A node that asks without end is found here. */
static inline void run_until(int64_t until_us)
{
	int steps = 0;

	while (world_now(db) < until_us) {
		int64_t next;

		if (++steps > 100000)
			fail_msg("a node does not come to rest");
		timers();
		if (world_step(db, before))
			continue;
		next = next_timer();
		world_advance(db, next < until_us ? next + (next <= world_now(db)) : until_us);
	}
	timers();
}

static inline void run_s(double seconds)
{
	run_until(world_now(db) + (int64_t)(seconds * 1e6));
}

static inline struct node_status status(const struct peer *p)
{
	struct node_status s;

	node_get_status(p->node, &s);
	return s;
}

static inline void expect_phase(const struct peer *p, enum node_phase phase)
{
	if (status(p).phase != phase)
		fail_msg("%s is %s, not %s: %s", p->name, node_phase_name(status(p).phase),
			node_phase_name(phase), status(p).last_error);
}

static inline void say(struct peer *p, const char *device, enum device_state s)
{
	struct value v = {.state = s, .held = true};

	node_now(p->node, world_now(db));
	node_set(p->node, KEY_DEVICE, device, &v);
}

static inline void say_box(struct peer *p, const char *key, uint32_t fresh)
{
	struct value v = {.fresh = fresh, .held = true};

	node_now(p->node, world_now(db));
	node_set(p->node, KEY_MAILBOX, key, &v);
}

static inline void unsay(struct peer *p, const char *device)
{
	node_now(p->node, world_now(db));
	assert_true(node_remove(p->node, KEY_DEVICE, device));
}

static inline void expect_state(
	const struct peer *p, const char *device, enum device_state s)
{
	enum device_state got = node_device_state(p->node, device);

	if (got != s)
		fail_msg("%s: %s is %s, not %s", p->name, device, state_name(got), state_name(s));
}

struct rows {
	int n;
	uint64_t digest;
};

static inline bool row_count(
	void *arg, enum key_kind kind, const char *key, const struct value *v)
{
	struct rows *rows = arg;

	rows->n++;
	rows->digest ^= payload_row_digest(kind, key, v);
	return true;
}

static inline void expect_known(const struct peer *p, const struct payload_head *head)
{
	struct cache *c = node_cache(p->node);
	struct cache_entity *e = cache_entity_find(c, &head->entity);
	struct rows rows = {0, 0};
	uint64_t known;
	int64_t n;

	assert_non_null(e);
	model_each_row(world_model(db), &head->entity, row_count, &rows);
	cache_audit(c, e, &n, &known);
	if (n != rows.n || known != rows.digest)
		fail_msg("%s knows %d rows of entity %d, the database has %d", p->name, (int)n,
			head->entity.bytes[5], rows.n);
	if (!e->self)
		assert_int_equal(e->head.alive, head->alive);
	assert_int_equal(e->head.reporting, head->reporting);
}

/* Each entity's rows as each node knows them are the database's. */
static inline void expect_agreement(void)
{
	struct payload_head head;

	for (int i = 0; i < NODES; i++) {
		for (int h = 0; peers[i].node && model_entity_at(world_model(db), h, &head); h++)
			expect_known(&peers[i], &head);
	}
}

static inline void begin_two(void)
{
	begin(0);
	begin(1);
	run_s(1);
	expect_phase(&peers[0], NODE_READY);
	expect_phase(&peers[1], NODE_READY);
}

#endif

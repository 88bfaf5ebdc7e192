/*
 * The model of the database (tests/sim/model.c) held against the real one: the same
 * random operations run on both; what they answer, give to read and notify must be the
 * same text.
 *
 *   diff [-v] [-n SEEDS] [-f FIRST] CONNINFO
 *
 * The database is migrated and has read tests/diff/clock.sql. Sessions' and coordinators'
 * tokens are made by the databases, so each side is called with its own.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "db.h"
#include "mem.h"
#include "model.h"
#include "real.h"
#include "rng.h"
#include "told.h"

enum { MODEL, REAL, SIDES };
enum { CLIENTS = 6, ENTITIES = 4, STEPS = 120, DEVICES = 8, BOXES = 20, LONG_BOXES = 15 };
#define START_US INT64_C(1790000000000000)
#define MS       1000 /* whole ones, because ages of beats are rounded to them */

/* A process that speaks for a node: some share one, as twins do. */
struct client {
	struct db_self self;
	struct uuid incarnation, before; /* the one that it had */
	struct uuid session[SIDES], old_session[SIDES], token[SIDES];
	int64_t acked;
	struct model_session *model;
	struct real_session *real;
};

struct call {
	struct client *client;
	struct db_request req;
	struct uuid session[SIDES], token[SIDES], continues_session[SIDES];
	struct batch_item items[DEVICES + BOXES];
};

static struct {
	struct rng rng;
	uint64_t seed;
	int step, uuids;
	int64_t clock_us;
	bool verbose;
	struct model *model;
	struct real *real;
	struct client clients[CLIENTS], *coordinator;
	struct db_result result[SIDES];
	struct buf said[SIDES], what;
	char keys[DEVICES + BOXES][KEY_MAX_BYTES + 1];
	long counts[DB_OPS], statics, errors;
} d;

static struct uuid next_uuid(void)
{
	struct uuid u;

	snprintf(u.text, sizeof(u.text), "%08llx-0000-4000-8000-%012x",
		(unsigned long long)(d.seed & 0xffffffff), (unsigned)++d.uuids);
	return u;
}

/* ---- comparing ---- */

static void compare(void)
{
	if (d.verbose)
		printf("%4d %s\n%s", d.step, buf_str(&d.what), buf_str(&d.said[REAL]));
	if (strcmp(buf_str(&d.said[MODEL]), buf_str(&d.said[REAL])) != 0) {
		printf("seed %llu, step %d: %s\n  the model says:\n%s  PostgreSQL says:\n%s",
			(unsigned long long)d.seed, d.step, buf_str(&d.what), buf_str(&d.said[MODEL]),
			buf_str(&d.said[REAL]));
		exit(1);
	}
	buf_reset(&d.said[MODEL]);
	buf_reset(&d.said[REAL]);
}

static void say_lease(struct buf *b, const struct db_lease *l)
{
	buf_addf(b, " outcome=%d seq=%lld site=%d clock=%lld", (int)l->outcome,
		(long long)l->seq, l->site, (long long)l->clock_us);
	if (l->outcome == DB_REFUSED)
		buf_addf(b, " holder=%s@%s:%d, %lld ms", l->holder_name, l->holder_host,
			l->holder_pid, (long long)l->holder_beat_age_ms);
	if (l->session.text[0])
		buf_addf(b, " session lease=%d", l->lease_ms);
}

static void say_tick(struct buf *b, const struct db_tick *t)
{
	char id[ENTITY_ID_TEXT];

	buf_addf(b, " %s coordinator=%s pulse=%lld reaped=%d",
		t->token.text[0] ? "token" : "-",
		t->has_coordinator ? entity_id_print(&t->coordinator, id) : "none",
		(long long)t->pulse, t->reaped);
}

static void say_result(struct buf *b, const struct db_result *res)
{
	buf_addf(b, "    %s", res->ok ? "ok" : res->lost ? "lost" : res->sqlstate);
	if (!res->ok)
		d.errors++;
	else if (res->op == DB_REGISTER || res->op == DB_RESUME)
		say_lease(b, &res->lease);
	else if (res->op == DB_TICK)
		say_tick(b, &res->tick);
	else if (res->op == DB_RELAY)
		buf_addf(b, " told=%d again=%d", res->relay.sent, res->relay.period_ms);
	else if (res->op == DB_PUBLISH)
		buf_addf(b, " seq=%lld changed=%d clock=%lld", (long long)res->seq, res->changed,
			(long long)res->clock_us);
	else if (res->op == DB_LEAVE)
		buf_addf(b, " seq=%lld", (long long)res->seq);
	buf_addc(b, '\n');
}

static void client_open(struct client *c)
{
	c->model = model_open(d.model);
	c->real = real_open(d.real);
}

static void client_close(struct client *c)
{
	model_close(c->model);
	real_close(c->real);
}

/* Sessions that were ended on both sides connect again. */
static void compare_open(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &d.clients[i];
		bool open = model_is_open(c->model), is_open = real_is_open(c->real, !open);

		if (open != is_open) {
			buf_addf(&d.said[MODEL], "    session %d %s\n", i, open ? "open" : "ended");
			buf_addf(&d.said[REAL], "    session %d %s\n", i, is_open ? "open" : "ended");
		} else if (!open) {
			client_close(c);
			client_open(c);
		}
	}
}

static void compare_notified(void)
{
	struct buf text = {0};

	real_mark(d.real);
	for (int i = 0; i < CLIENTS; i++) {
		struct told told[SIDES] = {{0}};

		while (model_next_notify(d.clients[i].model, &text))
			told_add(&told[MODEL], buf_str(&text), text.len);
		real_notified(d.clients[i].real, told_add, &told[REAL]);
		for (int side = 0; side < SIDES; side++) {
			if (told[side].n)
				buf_addf(&d.said[side], "    session %d hears:\n", i);
			told_print(&told[side], false, &d.said[side]);
		}
	}
	buf_clear(&text);
}

/* ---- calling ---- */

static void call_run(struct call *c)
{
	struct told told[SIDES] = {{0}};
	bool any_order = c->req.op == DB_READ_ROWS || c->req.op == DB_READ_HEADS;

	for (int side = 0; side < SIDES; side++) {
		c->req.session = c->session[side];
		c->req.token = c->token[side];
		c->req.continues_session = c->continues_session[side];
		if (side == MODEL)
			model_run(c->client->model, &c->req, &d.result[side], told_add, &told[side]);
		else
			real_run(c->client->real, &c->req, &d.result[side], told_add, &told[side]);
		say_result(&d.said[side], &d.result[side]);
		told_print(&told[side], any_order, &d.said[side]);
	}
	d.counts[c->req.op]++;
}

static struct call call_make(struct client *client, enum db_op op)
{
	struct call c = {.client = client};

	c.req.op = op;
	c.req.self = &client->self;
	c.req.incarnation = client->incarnation;
	memcpy(c.session, client->session, sizeof(c.session));
	if (rng_chance(&d.rng, 5))
		memcpy(c.session, client->old_session, sizeof(c.session));
	if (rng_chance(&d.rng, 3) && client->before.text[0])
		c.req.incarnation = client->before;
	buf_reset(&d.what);
	buf_addf(&d.what, "client %d, %s", (int)(client - d.clients), db_op_name(op));
	return c;
}

static void client_holds(struct client *c, struct uuid incarnation)
{
	memcpy(c->old_session, c->session, sizeof(c->session));
	for (int side = 0; side < SIDES; side++)
		c->session[side] = d.result[side].lease.session;
	if (!uuid_equal(&c->incarnation, &incarnation))
		c->before = c->incarnation;
	c->incarnation = incarnation;
	c->acked = d.result[REAL].lease.seq;
}

static void step_register(struct client *client)
{
	struct call c = call_make(client, DB_REGISTER);

	if (rng_chance(&d.rng, 80))
		c.req.incarnation = next_uuid();
	if (rng_chance(&d.rng, 15)) {
		c.req.continues = client->incarnation;
		memcpy(c.continues_session, client->session, sizeof(c.continues_session));
		c.req.seq = client->acked + (rng_chance(&d.rng, 20) ? 1 : 0);
		buf_adds(&d.what, " continues");
	}
	call_run(&c);
	if (d.result[REAL].ok && d.result[REAL].lease.outcome == DB_REGISTERED)
		client_holds(client, c.req.incarnation);
}

static void step_resume(struct client *client)
{
	struct call c = call_make(client, DB_RESUME);
	enum db_outcome outcome;

	c.req.seq = client->acked;
	if (rng_chance(&d.rng, 30))
		c.req.seq += rng_between(&d.rng, -2, 4);
	if (c.req.seq < 0)
		c.req.seq = 0;
	buf_addf(&d.what, " from %lld", (long long)c.req.seq);
	call_run(&c);
	outcome = d.result[REAL].lease.outcome;
	if (d.result[REAL].ok && (outcome == DB_RESUMED || outcome == DB_REWOUND))
		client_holds(client, c.req.incarnation);
}

static void item_make(struct batch_item *item, int key)
{
	static const int64_t ages_us[] = {0, 0, 1, 999999, 5000000, INT64_C(86400000000)};

	*item = (struct batch_item){.kind = key < DEVICES ? KEY_DEVICE : KEY_MAILBOX,
		.key = d.keys[key],
		.removed = rng_chance(&d.rng, 20),
		.age_us = ages_us[rng_below(&d.rng, 6)]};
	item->value.held = rng_chance(&d.rng, 20);
	if (item->kind == KEY_DEVICE) {
		item->value.state = (enum device_state)rng_below(&d.rng, STATE_COUNT);
		return;
	}
	item->value.urgent = (uint32_t)rng_below(&d.rng, 2);
	item->value.fresh = (uint32_t)rng_below(&d.rng, 3);
	item->value.old = (uint32_t)rng_below(&d.rng, 2);
}

static void step_publish(struct client *client)
{
	struct call c = call_make(client, DB_PUBLISH);
	bool big = rng_chance(&d.rng, 8);

	for (int key = 0; key < DEVICES + BOXES; key++) {
		bool is_long = key >= DEVICES + BOXES - LONG_BOXES;

		if (rng_chance(&d.rng, is_long ? (big ? 90 : 2) : 20))
			item_make(&c.items[c.req.nitems++], key);
	}
	if (rng_chance(&d.rng, 25))
		c.req.nitems = 0;
	c.req.items = c.items;
	c.req.force = rng_chance(&d.rng, 15);
	c.req.reporting = rng_chance(&d.rng, 15) ? (int)rng_below(&d.rng, 2) : -1;
	buf_addf(&d.what, " of %zu%s, reporting %d", c.req.nitems,
		c.req.force ? " forced" : "", c.req.reporting);
	call_run(&c);
	if (d.result[REAL].ok)
		client->acked = d.result[REAL].seq;
}

/* Mostly the one that may: else the ticker would never come to work. */
static struct client *coordinator_or(struct client *client)
{
	return d.coordinator && rng_chance(&d.rng, 85) ? d.coordinator : client;
}

static void step_tick(struct client *client)
{
	struct call c;

	client = coordinator_or(client);
	c = call_make(client, DB_TICK);
	if (rng_chance(&d.rng, 80))
		memcpy(c.token, client->token, sizeof(c.token));
	call_run(&c);
	for (int side = 0; side < SIDES && d.result[REAL].ok; side++)
		client->token[side] = d.result[side].tick.token;
	if (client->token[REAL].text[0])
		d.coordinator = client;
}

static void step_relay(struct client *client)
{
	struct call c;

	client = coordinator_or(client);
	c = call_make(client, DB_RELAY);
	memcpy(c.token, client->token, sizeof(c.token));
	call_run(&c);
}

static void step_leave(struct client *client)
{
	struct call c = call_make(client, DB_LEAVE);

	call_run(&c);
}

static void step_listen(struct client *client)
{
	struct call c = call_make(client, DB_LISTEN);

	call_run(&c);
}

static struct client *any_client(void)
{
	return &d.clients[rng_below(&d.rng, CLIENTS)];
}

static void step_ping(struct client *client)
{
	struct call c = call_make(client, DB_PING);

	c.req.nonce = rng_below(&d.rng, 1000);
	if (rng_chance(&d.rng, 50))
		c.req.to = &any_client()->self.entity;
	call_run(&c);
}

static void step_read(struct client *client)
{
	enum db_op op = DB_READ_ROWS + (int)rng_below(&d.rng, 4);
	struct call c = call_make(client, op);
	struct client *of = any_client();

	if (op == DB_READ_JOURNAL || rng_chance(&d.rng, 50))
		c.req.entity = &of->self.entity;
	c.req.entity_incarnation =
		rng_chance(&d.rng, 20) && of->before.text[0] ? of->before : of->incarnation;
	c.req.seq = of->acked - rng_below(&d.rng, 6);
	if (c.req.seq < 0)
		c.req.seq = 0;
	buf_addf(
		&d.what, " of client %d after %lld", (int)(of - d.clients), (long long)c.req.seq);
	call_run(&c);
}

static void step_reconnect(struct client *client)
{
	buf_reset(&d.what);
	buf_addf(&d.what, "client %d connects again", (int)(client - d.clients));
	client_close(client);
	client_open(client);
}

static void step_remove(struct client *client)
{
	struct entity_id statics[] = {model_static_id("sql"), model_static_id("door")};
	struct entity_id *of = &client->self.entity;
	char id[ENTITY_ID_TEXT];
	char *sql;

	if (rng_chance(&d.rng, 20))
		of = &statics[rng_below(&d.rng, 2)];
	sql = mem_printf("select pgdevstate.remove('%s')", entity_id_print(of, id));
	buf_reset(&d.what);
	buf_addf(&d.what, "remove %s", id);
	buf_adds(&d.said[MODEL], model_remove(d.model, of) ? "    ok\n" : "    refused\n");
	buf_adds(&d.said[REAL], real_exec(d.real, sql) ? "    ok\n" : "    refused\n");
	free(sql);
}

static void quote(struct buf *b, const char *text)
{
	buf_addc(b, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_addc(b, '\'');
		buf_addc(b, *text);
	}
	buf_addc(b, '\'');
}

static void static_devices(
	const struct batch_item *items, size_t n, bool clear, struct buf *sql)
{
	buf_addf(sql, "select pgdevstate.%s(array[",
		clear ? "clear_device_state" : "set_device_state");
	for (size_t i = 0; i < n; i++) {
		buf_adds(sql, i ? "," : "");
		quote(sql, items[i].key);
	}
	buf_adds(sql, clear ? "]::text[]" : "]::text[],array[");
	for (size_t i = 0; i < n && !clear; i++)
		buf_addf(sql, items[i].removed ? "%snull" : "%s'%s'", i ? "," : "",
			state_name(items[i].value.state));
	buf_adds(sql, clear ? "" : "]::text[]");
}

static void static_mailbox(const struct batch_item *item, struct buf *sql)
{
	size_t len = mailbox_len(item->key);
	char *box = mem_strndup(item->key, len);

	buf_addf(
		sql, "select pgdevstate.%s(", item->removed ? "clear_mailbox" : "set_mailbox");
	quote(sql, box);
	buf_adds(sql, ",");
	quote(sql, item->key + len + 1);
	if (!item->removed)
		buf_addf(
			sql, ",%u,%u,%u", item->value.fresh, item->value.old, item->value.urgent);
	free(box);
}

/* What SQL is called with ends with whose word it is, and for how long. */
static void static_run(const char *name, int64_t ttl_us, bool clear,
	const struct batch_item *items, size_t n, struct buf *sql)
{
	char *changed;

	buf_addf(sql, ",'%s'", name);
	if (!clear && ttl_us)
		buf_addf(sql, ",interval '%lld us'", (long long)ttl_us);
	buf_adds(sql, clear || ttl_us ? ")" : ",null)");
	if (clear && (ttl_us = model_static_ttl(d.model, name)) < 0) {
		buf_adds(&d.said[MODEL], "    refused\n");
		buf_adds(&d.said[REAL],
			real_exec(d.real, buf_str(sql)) ? "    ok\n" : "    refused\n");
		return;
	}
	buf_addf(&d.said[MODEL], "    changed %d\n",
		model_static(d.model, name, ttl_us, items, n));
	changed = real_ask(d.real, buf_str(sql));
	buf_addf(&d.said[REAL], "    changed %s\n", changed);
	free(changed);
}

/* SQL speaks: of some devices, or of one mailbox. */
static void step_static(struct client *client)
{
	static const int64_t ttls_us[] = {0, 0, 500000, 3000000, 20000000};
	const char *name = rng_chance(&d.rng, 50) ? "sql" : "door";
	int64_t ttl_us = ttls_us[rng_below(&d.rng, 5)];
	struct batch_item items[DEVICES];
	struct buf sql = {0};
	size_t n = 0;
	bool clear = rng_chance(&d.rng, 15);

	(void)client;
	for (int key = 0; key < DEVICES; key++) {
		if (rng_chance(&d.rng, 30))
			item_make(&items[n++], key);
	}
	if (rng_chance(&d.rng, 40)) {
		item_make(&items[0], DEVICES + (int)rng_below(&d.rng, BOXES));
		n = 1;
		clear = items[0].removed;
		static_mailbox(&items[0], &sql);
	} else {
		static_devices(items, n, clear, &sql);
	}
	for (size_t i = 0; i < n; i++) {
		items[i].age_us = 0;
		items[i].value.held = true;
		items[i].removed = items[i].removed || clear;
	}
	buf_reset(&d.what);
	static_run(name, ttl_us, clear, items, n, &sql);
	buf_addf(&d.what, "%s", buf_str(&sql));
	d.statics++;
	buf_clear(&sql);
}

static void step_policy(struct client *client)
{
	static const char *const patterns[] = {"Custom:*", "custom:d1*", "*", "*@default"};
	enum key_kind kind = rng_chance(&d.rng, 80) ? KEY_DEVICE : KEY_MAILBOX;
	const char *pattern = patterns[kind == KEY_DEVICE ? rng_below(&d.rng, 3) : 3];
	int policy = (int)rng_below(&d.rng, POLICY_COUNT);
	char *sql, *changed;

	(void)client;
	if (!policy_is_legal(kind, (enum policy)policy))
		policy = -1;
	sql = policy < 0
			  ? mem_printf("select pgdevstate.clear_policy('%s', '%s')",
					key_kind_name(kind), pattern)
			  : mem_printf("select pgdevstate.set_policy('%s', '%s', '%s')",
					key_kind_name(kind), pattern, policy_name((enum policy)policy));
	buf_reset(&d.what);
	buf_adds(&d.what, sql);
	buf_adds(&d.said[MODEL], model_policy(d.model, kind, pattern, policy)
								 ? "    changed\n"
								 : "    as it was\n");
	if (policy < 0) {
		buf_adds(
			&d.said[REAL], real_exec(d.real, sql) ? "    changed\n" : "    as it was\n");
	} else {
		changed = real_ask(d.real, sql);
		buf_adds(&d.said[REAL], *changed == 't' ? "    changed\n" : "    as it was\n");
		free(changed);
	}
	free(sql);
}

static void step_notify_mode(struct client *client)
{
	int mode = (int)rng_below(&d.rng, NOTIFY_MODES);
	char *sql = mem_printf("select pgdevstate.set_notify_mode('%s')",
		notify_mode_name((enum notify_mode)mode));
	char *changed = real_ask(d.real, sql);

	(void)client;
	buf_reset(&d.what);
	buf_adds(&d.what, sql);
	buf_adds(&d.said[MODEL], model_notify_mode(d.model, mode) ? "    t\n" : "    f\n");
	buf_addf(&d.said[REAL], "    %s\n", changed);
	free(changed);
	free(sql);
}

static void step_trim(struct client *client)
{
	(void)client;
	buf_reset(&d.what);
	buf_adds(&d.what, "the journal is trimmed");
	model_trim(d.model);
	real_exec(d.real, "delete from pgdevstate.change");
}

static const struct {
	int weight;
	bool writes; /* mostly by those who registered */
	void (*run)(struct client *client);
} steps[] = {
	{9, false, step_register},
	{10, false, step_resume},
	{35, true, step_publish},
	{14, true, step_tick},
	{12, true, step_relay},
	{3, true, step_leave},
	{6, false, step_listen},
	{4, true, step_ping},
	{15, false, step_read},
	{3, false, step_reconnect},
	{2, false, step_remove},
	{8, false, step_static},
	{2, false, step_policy},
	{3, false, step_notify_mode},
	{1, false, step_trim},
};

static void step_choose(void)
{
	struct client *client;
	int64_t at = 0;
	size_t i = 0;

	for (size_t n = 0; n < sizeof(steps) / sizeof(steps[0]); n++)
		at += steps[n].weight;
	at = rng_below(&d.rng, at);
	while (at >= steps[i].weight)
		at -= steps[i++].weight;
	client = any_client();
	if (steps[i].writes && !client->session[REAL].text[0] && rng_chance(&d.rng, 70))
		step_register(client);
	else
		steps[i].run(client);
}

/* ---- a run ---- */

/* Mostly a little; leases of all kinds run out; now and then the clock goes back. */
static void clock_move(void)
{
	static const int64_t jumps_us[] = {500000, 2000000, 4000000, 5000000, 12000000};

	if (rng_chance(&d.rng, 2)) {
		d.clock_us -= MS * rng_between(&d.rng, 1, 20000);
		/* Real audits pause then, by how long they took; the model has no such thing. */
		real_exec(d.real, "update pgdevstate.coordinator set audit_at = '-infinity'");
	}
	if (rng_chance(&d.rng, 12))
		d.clock_us += jumps_us[rng_below(&d.rng, 5)];
	else
		d.clock_us += MS * rng_between(&d.rng, 0, 200);
	model_set_clock(d.model, d.clock_us);
	real_set_clock(d.real, d.clock_us);
}

static void read_all(void)
{
	static const enum db_op ops[] = {DB_READ_ROWS, DB_READ_HEADS};

	for (int i = 0; i < 2; i++) {
		struct call c = call_make(&d.clients[0], ops[i]);

		call_run(&c);
		compare();
	}
}

static void clients_make(void)
{
	static const char *const names[] = {"a", "b", "c", "d"};

	bool older = rng_chance(&d.rng, 30);

	memset(d.clients, 0, sizeof(d.clients));
	d.coordinator = NULL;
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &d.clients[i];

		c->self = (struct db_self){.name = names[i % ENTITIES],
			.host = rng_chance(&d.rng, 50) ? "here" : "there",
			.boot_id = rng_chance(&d.rng, 80) ? "boot" : "",
			.version = "model",
			.pid = 100 + i,
			.lease_ms = rng_chance(&d.rng, 50) ? 10000 : 3000,
			.built_for = older && i == 0 ? 4 : 5};
		c->incarnation = next_uuid();
		c->self.entity.bytes[0] = 2;
		c->self.entity.bytes[5] = (uint8_t)(9 - i % ENTITIES);
		client_open(c);
	}
}

/* What takes the ticker: some, or much, for the few that there are here. */
static void ticker_make(void)
{
	int64_t deliveries = rng_skewed(&d.rng, 0, 200);
	int mode = rng_chance(&d.rng, 50) ? NOTIFY_TICKER : NOTIFY_AUTO;
	char *sql = mem_printf("update pgdevstate.setting set value = %lld "
						   "where name = 'direct_deliveries'",
		(long long)deliveries);

	real_exec(d.real, sql);
	free(sql);
	sql = mem_printf(
		"update pgdevstate.setting set value = %d where name = 'notify_mode'", mode);
	real_exec(d.real, sql);
	free(sql);
	model_notify_mode(d.model, mode);
	model_set_deliveries(d.model, deliveries, 10000);
}

static void run_seed(uint64_t seed)
{
	d.seed = seed;
	d.rng = rng_make(seed, 1);
	d.uuids = 0;
	d.clock_us = START_US;
	d.model = model_new();
	model_set_slice(d.model, 40);
	real_empty(d.real);
	ticker_make();
	model_set_clock(d.model, d.clock_us);
	real_set_clock(d.real, d.clock_us);
	clients_make();
	for (d.step = 1; d.step <= STEPS; d.step++) {
		clock_move();
		step_choose();
		compare_open();
		if (strcmp(buf_str(&d.said[MODEL]), buf_str(&d.said[REAL])) == 0)
			compare_notified();
		compare();
		if (d.step % 20 == 0)
			read_all();
	}
	for (int i = 0; i < CLIENTS; i++)
		client_close(&d.clients[i]);
	model_free(d.model);
}

static void keys_make(void)
{
	char box[NAME_MAX_BYTES - 1];

	for (int i = 0; i < DEVICES; i++)
		snprintf(d.keys[i], sizeof(d.keys[i]), "Custom:d%d \\\"{}'", i);
	for (int i = 0; i < BOXES; i++) {
		bool is_long = i >= BOXES - LONG_BOXES;

		memset(box, 'x', sizeof(box));
		box[is_long ? NAME_MAX_BYTES - 2 : 2] = '\0';
		snprintf(d.keys[DEVICES + i], sizeof(d.keys[0]), "%02d%s@%s", i, box,
			is_long ? box : "default");
	}
}

int main(int argc, char **argv)
{
	long n = 10, first = 1;
	int option;

	while ((option = getopt(argc, argv, "n:f:v")) != -1) {
		if (option == 'n')
			n = atol(optarg);
		else if (option == 'f')
			first = atol(optarg);
		else if (option == 'v')
			d.verbose = true;
		else
			return 2;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: diff [-v] [-n SEEDS] [-f FIRST] CONNINFO\n");
		return 2;
	}
	keys_make();
	d.real = real_new(argv[optind]);
	for (long seed = first; seed < first + n; seed++)
		run_seed((uint64_t)seed);
	real_free(d.real);
	for (int side = 0; side < SIDES; side++)
		buf_clear(&d.said[side]);
	buf_clear(&d.what);
	printf("the model and PostgreSQL agree: %ld seeds,", n);
	for (int op = 0; op < DB_OPS; op++) {
		if (d.counts[op])
			printf(" %ld %s,", d.counts[op], db_op_name((enum db_op)op));
	}
	printf(" %ld of SQL, %ld refused\n", d.statics, d.errors / SIDES);
	return 0;
}

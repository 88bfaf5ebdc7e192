/* Layer 1: the calls of docs/protocol.md: all SQL that a node says. */
#include "pgcall.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "schema_version.h"
#include "text.h"

#define SERVER_VERSION_MIN 150000
#define MIGRATE            "run \"pgdevstate -C FILE migrate\""

/* ---- what a session sets ---- */

enum { OF_MAIN = 1, OF_READER = 2, OF_BOTH = 3 };
static const struct {
	int of;
	const char *name, *value;
} settings[] = {
	/* Nodes say again what a crash of the server forgets, so no commit waits for a disk.
	 */
	{OF_MAIN, "synchronous_commit", "off"},
	/* A publish that waits for a lock makes the node deaf: rather an error. */
	{OF_BOTH, "lock_timeout", "2s"},
	{OF_MAIN, "statement_timeout", "30s"},
	/* Loading a large cluster may take its time; nobody waits for it. */
	{OF_READER, "statement_timeout", "120s"},
	/* An open transaction pins the NOTIFY queue and vacuum; we never want one. */
	{OF_BOTH, "idle_in_transaction_session_timeout", "10s"},
	/* A role or database may have defaults that the functions do not expect. */
	{OF_BOTH, "default_transaction_isolation", "read committed"},
	{OF_BOTH, "search_path", "pg_catalog"},
	/* Calls are short, compiling them is not. */
	{OF_BOTH, "jit", "off"},
	/* Calls find rows by key, also where nobody has counted yet how many there are. */
	{OF_MAIN, "enable_seqscan", "off"},
	{OF_MAIN, "enable_bitmapscan", "off"},
	/* The server must notice a dead node as soon as we notice a dead server. */
	{OF_BOTH, "tcp_keepalives_idle", "5"},
	{OF_BOTH, "tcp_keepalives_interval", "2"},
	{OF_BOTH, "tcp_keepalives_count", "3"},
	{OF_BOTH, "tcp_user_timeout", "10s"},
};

void pgcall_settings(bool reader, struct buf *sql)
{
	int of = reader ? OF_READER : OF_MAIN;
	const char *before = "select ";

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (!(settings[i].of & of))
			continue;
		buf_addf(sql, "%spg_catalog.set_config('%s', '%s', false)", before,
			settings[i].name, settings[i].value);
		before = ", ";
	}
}

const char *pgcall_schema_version(void)
{
	return "select version, oldest_node from pgdevstate.schema_version()";
}

/* ---- arrays ---- */

void pgcall_add_element(struct buf *array, const char *text, size_t len)
{
	const char *end = text + len;

	buf_adds(array, array->len ? ",\"" : "{\"");
	for (const char *at = text; at < end; text = at) {
		at += *at == '"' || *at == '\\';
		while (at < end && *at != '"' && *at != '\\')
			at++;
		if (*text == '"' || *text == '\\')
			buf_addc(array, '\\');
		buf_add(array, text, (size_t)(at - text));
	}
	buf_addc(array, '"');
}

static void array_add_number(struct buf *array, int64_t number)
{
	buf_addc(array, array->len ? ',' : '{');
	buf_add_number(array, number);
}

static void array_add_bool(struct buf *array, bool value)
{
	buf_addc(array, array->len ? ',' : '{');
	buf_addc(array, value ? 't' : 'f');
}

static char *array_take(struct buf *array)
{
	buf_adds(array, array->len ? "}" : "{}");
	return buf_take(array);
}

/* ---- parameters ---- */

static void call_add_taken(struct pgcall *c, char *value)
{
	assert(c->nparams < PGCALL_PARAMS);
	c->params[c->nparams++] = value;
}

static void call_add(struct pgcall *c, const char *text)
{
	call_add_taken(c, text ? mem_strdup(text) : NULL);
}

static void call_add_number(struct pgcall *c, int64_t number)
{
	call_add_taken(c, mem_printf("%lld", (long long)number));
}

static void call_add_uuid(struct pgcall *c, const struct uuid *u)
{
	call_add(c, u->text[0] ? u->text : NULL);
}

static void call_add_entity(struct pgcall *c, const struct entity_id *id)
{
	char text[ENTITY_ID_TEXT];

	call_add(c, id ? entity_id_print(id, text) : NULL);
}

/* Whoever writes: entity, incarnation, session. */
static void call_add_writer(struct pgcall *c, const struct db_request *req)
{
	call_add_entity(c, &req->self->entity);
	call_add_uuid(c, &req->incarnation);
	call_add_uuid(c, &req->session);
}

#define LEASE_COLUMNS                                                         \
	"outcome, session, channel, site, seq, clock_us, lease_ms, holder_name, " \
	"holder_host, holder_pid, holder_since, holder_beat_age_ms"

static void encode_register(const struct db_request *req, struct pgcall *c)
{
	const struct db_self *self = req->self;

	c->sql = "select " LEASE_COLUMNS " from pgdevstate.register($1::macaddr, $2::uuid, "
			 "$3::text, $4::text, $5::int, $6::text, $7::text, $8::int, $9::uuid, "
			 "$10::bigint, $11::uuid, $12::int)";
	call_add_entity(c, &self->entity);
	call_add_uuid(c, &req->incarnation);
	call_add(c, self->name);
	call_add(c, self->host);
	call_add_number(c, self->pid);
	call_add(c, self->boot_id);
	call_add(c, self->version);
	call_add_number(c, self->lease_ms);
	call_add_uuid(c, &req->continues);
	if (req->continues.text[0])
		call_add_number(c, req->seq);
	else
		call_add(c, NULL);
	call_add_uuid(c, &req->continues_session);
	call_add_number(c, self->built_for);
}

static void encode_resume(const struct db_request *req, struct pgcall *c)
{
	const struct db_self *self = req->self;

	c->sql = "select " LEASE_COLUMNS " from pgdevstate.resume($1::macaddr, $2::uuid, "
			 "$3::bigint, $4::text, $5::text, $6::int, $7::text)";
	call_add_entity(c, &self->entity);
	call_add_uuid(c, &req->incarnation);
	call_add_number(c, req->seq);
	call_add(c, self->name);
	call_add(c, self->host);
	call_add_number(c, self->pid);
	call_add(c, self->boot_id);
}

static void encode_devices(const struct db_request *req, struct pgcall *c)
{
	struct buf names = {0}, states = {0}, held = {0}, ages = {0};

	for (size_t i = 0; i < req->nitems; i++) {
		const struct batch_item *item = &req->items[i];

		if (item->kind != KEY_DEVICE)
			continue;
		pgcall_add_element(&names, item->key, strlen(item->key));
		array_add_number(&states, item->removed ? -1 : (int)item->value.state);
		array_add_bool(&held, item->value.held);
		array_add_number(&ages, item->age_us);
	}
	call_add_taken(c, array_take(&names));
	call_add_taken(c, array_take(&states));
	call_add_taken(c, array_take(&held));
	call_add_taken(c, array_take(&ages));
}

static void encode_mailboxes(const struct db_request *req, struct pgcall *c)
{
	struct buf a[7] = {{0}}; /* mailboxes, contexts, urgent, new, old, held, ages */

	for (size_t i = 0; i < req->nitems; i++) {
		const struct batch_item *item = &req->items[i];
		size_t len;

		if (item->kind != KEY_MAILBOX)
			continue;
		len = mailbox_len(item->key);
		pgcall_add_element(&a[0], item->key, len);
		pgcall_add_element(&a[1], item->key + len + 1, strlen(item->key + len + 1));
		array_add_number(&a[2], item->removed ? -1 : (int64_t)item->value.urgent);
		array_add_number(&a[3], item->value.fresh);
		array_add_number(&a[4], item->value.old);
		array_add_bool(&a[5], item->value.held);
		array_add_number(&a[6], item->age_us);
	}
	for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++)
		call_add_taken(c, array_take(&a[i]));
}

/* The usual case of an idle cluster: less to send, to read and to do. */
static bool is_one_device(const struct db_request *req)
{
	return req->nitems == 1 && req->items[0].kind == KEY_DEVICE &&
		   !req->items[0].removed && !req->force && req->reporting < 0;
}

static void encode_publish_device(const struct db_request *req, struct pgcall *c)
{
	const struct batch_item *item = &req->items[0];

	c->sql = "select seq, clock_us, changed from pgdevstate.publish_device($1::macaddr, "
			 "$2::uuid, $3::uuid, $4::text, $5::int, $6::bool, $7::bigint)";
	c->prepare = true;
	call_add_writer(c, req);
	call_add(c, item->key);
	call_add_number(c, item->value.state);
	call_add(c, item->value.held ? "t" : "f");
	call_add_number(c, item->age_us);
}

static void encode_publish(const struct db_request *req, struct pgcall *c)
{
	if (is_one_device(req)) {
		encode_publish_device(req, c);
		return;
	}
	c->sql = "select seq, clock_us, changed from pgdevstate.publish($1::macaddr, "
			 "$2::uuid, $3::uuid, $4::text[], $5::int[], $6::bool[], $7::bigint[], "
			 "$8::text[], $9::text[], $10::int[], $11::int[], $12::int[], $13::bool[], "
			 "$14::bigint[], $15::bool, $16::bool)";
	c->prepare = true;
	call_add_writer(c, req);
	encode_devices(req, c);
	encode_mailboxes(req, c);
	call_add(c, req->force ? "t" : "f");
	call_add(c, req->reporting < 0 ? NULL : req->reporting ? "t" : "f");
}

static void encode_tick(const struct db_request *req, struct pgcall *c)
{
	c->sql = "select token, coordinator, pulse, reaped, trimmed, queue_usage from "
			 "pgdevstate.tick($1::macaddr, $2::uuid, $3::uuid, $4::uuid)";
	c->prepare = true;
	call_add_writer(c, req);
	call_add_uuid(c, &req->token);
}

static void encode_relay(const struct db_request *req, struct pgcall *c)
{
	c->sql = "select period_ms, sent from pgdevstate.relay($1::macaddr, $2::uuid, "
			 "$3::uuid, $4::uuid)";
	c->prepare = true;
	call_add_writer(c, req);
	call_add_uuid(c, &req->token);
}

static void encode_leave(const struct db_request *req, struct pgcall *c)
{
	c->sql = "select pgdevstate.leave($1::macaddr, $2::uuid, $3::uuid)";
	call_add_writer(c, req);
}

static void encode_ping(const struct db_request *req, struct pgcall *c)
{
	c->sql = "select pgdevstate.ping($1::macaddr, $2::uuid, $3::uuid, $4::bigint, "
			 "$5::macaddr)";
	call_add_writer(c, req);
	call_add_number(c, req->nonce);
	call_add_entity(c, req->to);
}

static void encode_policy(const struct db_request *req, struct pgcall *c)
{
	c->sql = req->policy ? "select pgdevstate.set_policy($1::text, $2::text, $3::text)"
						 : "select pgdevstate.clear_policy($1::text, $2::text)";
	call_add(c, key_kind_name(req->policy_kind));
	call_add(c, req->policy_pattern);
	if (req->policy)
		call_add(c, req->policy);
}

static void encode_notify_mode(const struct db_request *req, struct pgcall *c)
{
	c->sql = "select pgdevstate.set_notify_mode($1::text)";
	call_add(c, req->notify_mode);
}

/* Cut or not, it begins as no site's channel may. */
void pgcall_announce_channel(const char *channel, char out[64])
{
	snprintf(out, 64, "A_%s", channel);
}

/* No function of ours: that would take longer than all the rest. */
static void encode_announce(const struct db_request *req, struct pgcall *c)
{
	char channel[64], id[ENTITY_ID_TEXT];
	struct buf text = {0};

	pgcall_announce_channel(req->channel, channel);
	buf_addf(&text, "1\tA\t%d\t%s\t%s\t%lld\t%lld\t%lld\n", req->site,
		entity_id_print(&req->self->entity, id), req->incarnation.text,
		(long long)req->seq, (long long)req->until_seq, (long long)req->clock_us);
	for (size_t i = 0; i < req->nitems; i++) {
		const struct batch_item *item = &req->items[i];

		buf_addf(&text, "D\t%d\t%c\t%lld\t%s\n", (int)item->value.state,
			item->value.held ? 'h' : '-', (long long)item->age_us, item->key);
	}
	c->sql = "select pg_catalog.pg_notify($1::text, $2::text)";
	c->prepare = true;
	call_add(c, channel);
	call_add_taken(c, buf_take(&text));
}

/* Set-returning functions stand in the select list: there their rows come one by one. */
static void encode_read_rows(const struct db_request *req, struct pgcall *c)
{
	c->sql = "select pgdevstate.read_rows($1::macaddr)";
	call_add_entity(c, req->entity);
}

static void encode_read_journal(const struct db_request *req, struct pgcall *c)
{
	c->sql = "select pgdevstate.read_journal($1::macaddr, $2::uuid, $3::bigint)";
	call_add_entity(c, req->entity);
	call_add_uuid(c, &req->entity_incarnation);
	call_add_number(c, req->seq);
}

static void encode_read_heads(const struct db_request *req, struct pgcall *c)
{
	(void)req;
	c->sql = "select pgdevstate.read_heads()";
}

static void encode_read_policies(const struct db_request *req, struct pgcall *c)
{
	(void)req;
	c->sql = "select pgdevstate.read_policies()";
}

void pgcall_encode(const struct db_request *req, struct pgcall *out)
{
	static void (*const encoders[DB_OPS])(const struct db_request *, struct pgcall *) = {
		[DB_REGISTER] = encode_register,
		[DB_RESUME] = encode_resume,
		[DB_PUBLISH] = encode_publish,
		[DB_TICK] = encode_tick,
		[DB_RELAY] = encode_relay,
		[DB_LEAVE] = encode_leave,
		[DB_PING] = encode_ping,
		[DB_POLICY] = encode_policy,
		[DB_NOTIFY_MODE] = encode_notify_mode,
		[DB_ANNOUNCE] = encode_announce,
		[DB_READ_ROWS] = encode_read_rows,
		[DB_READ_JOURNAL] = encode_read_journal,
		[DB_READ_HEADS] = encode_read_heads,
		[DB_READ_POLICIES] = encode_read_policies,
	};

	assert(req->op < DB_OPS && encoders[req->op]);
	*out = (struct pgcall){0};
	encoders[req->op](req, out);
}

void pgcall_clear(struct pgcall *c)
{
	for (int i = 0; i < c->nparams; i++)
		free(c->params[i]);
	*c = (struct pgcall){0};
}

/* ---- answers ---- */

/* A row that is read column by column; `bad` once one is not what it should be. */
struct row {
	const PGresult *res;
	int column;
	bool bad;
};

static const char *row_text(struct row *r)
{
	int column = r->column++;

	return PQgetisnull(r->res, 0, column) ? "" : PQgetvalue(r->res, 0, column);
}

/* null is 0 where `optional`. */
static int64_t row_number(struct row *r, bool optional)
{
	const char *text = row_text(r);
	long long n;
	char *end;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (*end || errno || (!*text && !optional))
		r->bad = true;
	return r->bad ? 0 : n;
}

static int row_int(struct row *r, bool optional)
{
	int64_t n = row_number(r, optional);

	if (n < INT32_MIN || n > INT32_MAX)
		r->bad = true;
	return r->bad ? 0 : (int)n;
}

static void row_copy(struct row *r, char *out, size_t size)
{
	const char *text = row_text(r);

	if (strlen(text) >= size)
		r->bad = true;
	snprintf(out, size, "%s", text);
}

static void row_uuid(struct row *r, struct uuid *out)
{
	const char *text = row_text(r);

	*out = (struct uuid){.text = ""};
	if (*text && !uuid_parse(text, out))
		r->bad = true;
}

static void row_outcome(struct row *r, enum db_outcome *out)
{
	static const char *const names[] = {[DB_REGISTERED] = "registered",
		[DB_RESUMED] = "resumed",
		[DB_REWOUND] = "rewound",
		[DB_LOST] = "lost",
		[DB_REFUSED] = "refused"};
	const char *text = row_text(r);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], text) == 0) {
			*out = (enum db_outcome)i;
			return;
		}
	}
	r->bad = true;
}

static void decode_lease(struct row *r, struct db_result *out)
{
	struct db_lease *l = &out->lease;

	row_outcome(r, &l->outcome);
	row_uuid(r, &l->session);
	row_copy(r, l->channel, sizeof(l->channel));
	l->site = row_int(r, true);
	l->seq = row_number(r, true);
	l->clock_us = row_number(r, true);
	l->lease_ms = row_int(r, true);
	row_copy(r, l->holder_name, sizeof(l->holder_name));
	row_copy(r, l->holder_host, sizeof(l->holder_host));
	l->holder_pid = row_int(r, true);
	row_copy(r, l->holder_since, sizeof(l->holder_since));
	l->holder_beat_age_ms = row_number(r, true);
}

static void decode_publish(struct row *r, struct db_result *out)
{
	out->seq = row_number(r, false);
	out->clock_us = row_number(r, false);
	out->changed = row_int(r, false);
}

static double row_fraction(struct row *r)
{
	const char *text = row_text(r);
	char *end;
	double d = strtod(text, &end);

	if (*end)
		r->bad = true;
	return d;
}

static void decode_tick(struct row *r, struct db_result *out)
{
	struct db_tick *t = &out->tick;
	const char *coordinator;

	row_uuid(r, &t->token);
	coordinator = row_text(r);
	t->has_coordinator = *coordinator != '\0';
	if (t->has_coordinator && !entity_id_parse(coordinator, &t->coordinator))
		r->bad = true;
	t->pulse = row_number(r, true);
	t->reaped = row_int(r, true);
	t->trimmed = row_int(r, true);
	t->queue_usage = row_fraction(r);
}

static void decode_relay(struct row *r, struct db_result *out)
{
	out->relay.period_ms = row_int(r, false);
	out->relay.sent = row_int(r, false);
}

/* clear_policy() says nothing: it failed, or did it. */
static void decode_policy(struct row *r, struct db_result *out)
{
	out->changed = strcmp(row_text(r), "f") != 0;
}

static void decode_leave(struct row *r, struct db_result *out)
{
	out->seq = row_number(r, false);
}

static const struct {
	int columns; /* 0: nothing to read, or rows that went by one by one */
	void (*decode)(struct row *r, struct db_result *out);
} decoders[DB_OPS] = {
	[DB_REGISTER] = {12, decode_lease},
	[DB_RESUME] = {12, decode_lease},
	[DB_PUBLISH] = {3, decode_publish},
	[DB_TICK] = {6, decode_tick},
	[DB_RELAY] = {2, decode_relay},
	[DB_LEAVE] = {1, decode_leave},
	[DB_POLICY] = {1, decode_policy},
	[DB_NOTIFY_MODE] = {1, decode_policy},
};

static bool result_is_ok(const PGresult *res)
{
	ExecStatusType s = PQresultStatus(res);

	return s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK;
}

static void result_error(const PGresult *res, struct db_result *out, struct buf *text)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	char *line = text_one_line(message ? message : PQresultErrorMessage(res));

	snprintf(out->sqlstate, sizeof(out->sqlstate), "%s", state ? state : "");
	buf_adds(text, *line ? line : "the server says no more than that");
	free(line);
}

static void result_finish(struct db_result *out, const struct buf *text)
{
	out->ok = text->len == 0;
	out->message = buf_str(text);
}

void pgcall_decode(
	enum db_op op, const PGresult *res, struct db_result *out, struct buf *text)
{
	struct row r = {.res = res};

	*out = (struct db_result){.op = op};
	buf_reset(text);
	if (!result_is_ok(res)) {
		result_error(res, out, text);
	} else if (decoders[op].columns) {
		r.bad = PQntuples(res) != 1 || PQnfields(res) != decoders[op].columns;
		if (!r.bad)
			decoders[op].decode(&r, out);
		if (r.bad)
			buf_addf(text,
				"the answer of %s() makes no sense to this node: schema and node do not "
				"fit; " MIGRATE,
				db_op_name(op));
	}
	result_finish(out, text);
}

/* ---- do we fit? ---- */

static void schema_error(const char *user, struct db_result *out, struct buf *text)
{
	static const char *const missing[] = {"3F000", "42883", "42P01"};

	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		if (strcmp(out->sqlstate, missing[i]) == 0) {
			buf_reset(text);
			buf_adds(text, "the database has no schema pgdevstate: " MIGRATE);
			return;
		}
	}
	if (strcmp(out->sqlstate, "42501") == 0)
		buf_addf(
			text, ": say \"grant pgdevstate_node to \"%s\"\" as an administrator", user);
}

static void schema_compare(int version, int oldest_node, struct buf *text)
{
	if (version < SCHEMA_VERSION)
		buf_addf(text,
			"the database has schema %d, this pgdevstated needs %d: " MIGRATE
			" of this release",
			version, SCHEMA_VERSION);
	else if (oldest_node > SCHEMA_VERSION)
		buf_addf(text,
			"the database has schema %d, which needs nodes built for %d or newer; this "
			"pgdevstated is built for %d: upgrade pgdevstated on this host",
			version, oldest_node, SCHEMA_VERSION);
}

void pgcall_decode_schema(
	const PGresult *res, const char *user, struct db_result *out, struct buf *text)
{
	struct row r = {.res = res};
	int version, oldest_node;

	*out = (struct db_result){.op = DB_CONNECT};
	buf_reset(text);
	if (!result_is_ok(res)) {
		result_error(res, out, text);
		schema_error(user, out, text);
	} else if (PQntuples(res) != 1 || PQnfields(res) != 2) {
		buf_adds(text, "the schema does not say its version: " MIGRATE);
	} else {
		version = row_int(&r, false);
		oldest_node = row_int(&r, false);
		if (r.bad)
			buf_adds(text, "the schema does not say its version: " MIGRATE);
		else
			schema_compare(version, oldest_node, text);
	}
	result_finish(out, text);
}

void pgcall_check_server(
	int version, const char *encoding, struct db_result *out, struct buf *text)
{
	*out = (struct db_result){.op = DB_CONNECT};
	buf_reset(text);
	if (version < SERVER_VERSION_MIN)
		buf_addf(
			text, "the server is PostgreSQL %d, 15 or newer is needed", version / 10000);
	else if (strcmp(encoding, "UTF8") != 0)
		buf_addf(text,
			"the database's encoding is %s, UTF8 is needed: make one with \"create "
			"database NAME encoding 'UTF8' template template0\"",
			*encoding ? encoding : "unknown");
	result_finish(out, text);
}

/* Layer 3: what the commands' files share: acknowledgement, long lists, statements. */
#include "cmd.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "node.h"
#include "options.h"

#define SLICE_ITEMS    1000
#define SORTED_KEYS    20000  /* more are listed in the order that they are found in */
#define COMPLETE_LOOKS 100000 /* a completion looks at so many keys at most */

struct node *cmd_node(struct call *c)
{
	/* What was printed comes before the log lines of what follows. */
	reply_flush(&c->reply);
	node_now(c->app->node, clock_mono_us());
	return c->app->node;
}

/* The phase, and why it is not ready. */
static void print_trouble(const struct node_status *status, struct buf *out)
{
	buf_adds(out, node_phase_name(status->phase));
	if (*status->holder)
		buf_addf(out, ": the entity id is in use by %s", status->holder);
	else if (*status->last_error)
		buf_addf(out, ": %s", status->last_error);
}

static void got_acked(void *arg, bool acked)
{
	struct call *c = arg;
	struct node_status status;
	struct buf trouble;

	node_get_status(c->app->node, &status);
	buf_init(&trouble);
	print_trouble(&status, &trouble);
	if (!acked)
		reply_printf(&c->reply,
			"The database has not acknowledged it within %d s (%s): it is kept, and will "
			"be "
			"delivered.\n",
			CMD_ACK_WAIT_MS / 1000, buf_str(&trouble));
	buf_clear(&trouble);
	reply_set(&c->reply, "acknowledged", json_boolean(acked));
	reply_set(&c->reply, "phase", json_string(node_phase_name(status.phase)));
	call_end(c, 0);
}

void cmd_end_acked(struct call *c)
{
	node_when_acked(cmd_node(c), CMD_ACK_WAIT_MS, got_acked, c);
}

void cmd_forget_acked(struct call *c)
{
	node_cancel_acked(c->app->node, c);
}

bool cmd_may_write(struct call *c, enum key_kind kind)
{
	struct node_status status;

	node_get_status(c->app->node, &status);
	if (status.phase == NODE_REFUSED) {
		call_fail(c,
			"This node may not write: its entity id is in use by %s. Stop that one, or "
			"give "
			"this one another entity_id in %s",
			*status.holder ? status.holder : "another node", c->app->options->file);
		return false;
	}
	if (!options_publishes(c->app->options, (enum event_type)kind))
		reply_printf(&c->reply,
			"Note: no event channel publishes %s: the other servers will not hear of "
			"it.\n",
			event_type_name((enum event_type)kind));
	return true;
}

static void free_listing(struct call *c)
{
	struct listing *l = c->data;

	buf_clear(&l->keys);
	buf_clear(&l->pattern);
	free(l);
}

static void list_more(struct call *c)
{
	struct listing *l = c->data;
	int64_t stop = l->listed + SLICE_ITEMS;

	while (l->listed < stop && c->sink.ready(c->sink.arg)) {
		if (l->one(c, l))
			continue;
		if (l->end)
			l->end(c, l);
		call_end(c, 0);
		return;
	}
	reply_flush(&c->reply);
}

struct listing *cmd_list(struct call *c, bool (*one)(struct call *c, struct listing *l),
	void (*end)(struct call *c, struct listing *l))
{
	struct listing *l = mem_alloc(sizeof(*l));

	l->one = one;
	l->end = end;
	buf_init(&l->keys);
	buf_init(&l->pattern);
	c->data = l;
	c->release = free_listing;
	c->more = list_more;
	return l;
}

void cmd_list_start(struct call *c)
{
	reply_list(&c->reply);
	list_more(c);
}

static bool take_key(void *arg, const char *key, const struct sum *sum)
{
	struct listing *l = arg;

	(void)sum;
	if (l->pattern.len && fnmatch(buf_str(&l->pattern), key, 0) != 0)
		return true;
	buf_add(&l->keys, key, strlen(key) + 1);
	l->found++;
	return true;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_keys(struct listing *l)
{
	size_t n = (size_t)l->found, i = 0;
	const char **keys = mem_alloc(n * sizeof(*keys));
	struct buf sorted;

	for (size_t at = 0; at < l->keys.len; at += strlen(l->keys.data + at) + 1)
		keys[i++] = l->keys.data + at;
	qsort(keys, n, sizeof(*keys), compare_keys);
	buf_init(&sorted);
	for (i = 0; i < n; i++)
		buf_add(&sorted, keys[i], strlen(keys[i]) + 1);
	buf_clear(&l->keys);
	l->keys = sorted;
	free(keys);
}

void cmd_list_keys(struct call *c, enum key_kind kind, const char *pattern,
	bool (*one)(struct call *c, struct listing *l),
	void (*end)(struct call *c, struct listing *l))
{
	struct listing *l = cmd_list(c, one, end);

	if (pattern && strcmp(pattern, "all") != 0)
		buf_adds(&l->pattern, pattern);
	cache_each_key(node_cache(c->app->node), kind, take_key, l);
	if (l->found && l->found <= SORTED_KEYS)
		sort_keys(l);
	cmd_list_start(c);
}

const char *cmd_list_next_key(struct listing *l)
{
	const char *key = buf_str(&l->keys) + l->at;

	if (l->at == l->keys.len)
		return NULL;
	l->at += strlen(key) + 1;
	return key;
}

const char *cmd_entity_name(const struct cache_entity *e)
{
	return e->known && *e->who.name ? e->who.name : "(name not heard yet)";
}

/* Why a statement does not count; "" when it does. The order is that of the rules. */
static const char *why_not(struct call *c, const struct cache_entity *e,
	enum key_kind kind, const struct value *v, bool counts)
{
	if (counts)
		return "";
	if (!e->head.alive)
		return "the entity is not alive";
	if (!v->held && !e->head.reporting)
		return "not held, and the entity's PBX is not reporting";
	if (!e->self && !options_subscribes(c->app->options, (enum event_type)kind))
		return "no event channel subscribes to it";
	if (!e->self && cache_is_stale(node_cache(c->app->node)))
		return "the database is away for longer than stale_after";
	return "its rows are not loaded yet";
}

struct statements {
	struct call *call;
	enum key_kind kind;
	const struct cache_entity *writer; /* whose mailbox counts won */
	json_t *list;
	int said;
};

static void value_text(enum key_kind kind, const struct value *v, struct buf *out)
{
	if (kind == KEY_DEVICE)
		buf_adds(out, state_name(v->state));
	else
		buf_addf(out, "new %u old %u urgent %u", v->fresh, v->old, v->urgent);
}

static json_t *statement_json(
	enum key_kind kind, const struct cache_entity *e, const struct value *v, bool counts)
{
	char id[ENTITY_ID_TEXT], since[REPLY_TIME_TEXT];
	json_t *o = json_pack("{s:s, s:o, s:s, s:b, s:b, s:s}", "entity_id",
		entity_id_print(&e->id, id), "name", reply_string(cmd_entity_name(e)), "kind",
		e->who.is_static ? "static" : "node", "held", v->held, "counts", counts, "since",
		reply_time(v->stamp_us, since));

	if (kind == KEY_DEVICE)
		json_object_set_new(o, "state", json_string(state_name(v->state)));
	if (kind == KEY_MAILBOX) {
		json_object_set_new(o, "new", json_integer(v->fresh));
		json_object_set_new(o, "old", json_integer(v->old));
		json_object_set_new(o, "urgent", json_integer(v->urgent));
	}
	return o;
}

static bool add_statement(
	void *arg, const struct cache_entity *e, const struct value *v, bool counts)
{
	struct statements *s = arg;
	char id[ENTITY_ID_TEXT], since[REPLY_TIME_TEXT];
	const char *why = why_not(s->call, e, s->kind, v, counts);
	struct buf value;

	buf_init(&value);
	value_text(s->kind, v, &value);
	reply_printf(&s->call->reply, "  %-17s %-20s %-12s %-4s since %s%s%s%s%s\n",
		entity_id_print(&e->id, id), cmd_entity_name(e), buf_str(&value),
		v->held ? "held" : "", reply_time(v->stamp_us, since),
		e->who.is_static ? ", set by SQL" : "", *why ? ", does not count: " : "", why,
		e == s->writer ? ", the last change" : "");
	buf_clear(&value);
	if (s->call->reply.json) {
		json_t *o = statement_json(s->kind, e, v, counts);
		if (*why)
			json_object_set_new(o, "why_not", json_string(why));
		json_array_append_new(s->list, o);
	}
	s->said++;
	return true;
}

void cmd_show_policy(
	struct call *c, enum key_kind kind, const char *key, const struct sum *sum)
{
	const struct policy_rule *rule =
		policies_find(node_policies(c->app->node), kind, key);

	reply_field(&c->reply, "Policy", "policy", "%s", policy_name(sum->policy));
	if (rule)
		reply_field(&c->reply, "By pattern", "pattern", "%s", rule->pattern);
	if (sum->writer)
		reply_field(&c->reply, "Last word", "writer", "%s", cmd_entity_name(sum->writer));
}

void cmd_show_statements(struct call *c, enum key_kind kind, const char *key)
{
	struct statements s = {.call = c, .kind = kind};
	struct sum sum;

	cache_sum(node_cache(c->app->node), kind, key, &sum);
	s.writer = sum.writer;
	s.list = json_array();
	cache_each_row(node_cache(c->app->node), kind, key, add_statement, &s);
	if (!s.said)
		reply_printf(&c->reply, "  Nobody says anything of it.\n");
	reply_set(&c->reply, "statements", s.list);
}

struct key_completion {
	struct completion *out;
	int looks;
};

static bool offer_key(void *arg, const char *key, const struct sum *sum)
{
	struct key_completion *k = arg;

	(void)sum;
	return completion_offer(k->out, key) && ++k->looks < COMPLETE_LOOKS;
}

static void complete_keys(struct completion *out, enum key_kind kind)
{
	struct key_completion k = {.out = out};

	cache_each_key(node_cache(out->app->node), kind, offer_key, &k);
}

void cmd_complete_devices(struct completion *out)
{
	complete_keys(out, KEY_DEVICE);
}

void cmd_complete_mailboxes(struct completion *out)
{
	complete_keys(out, KEY_MAILBOX);
}

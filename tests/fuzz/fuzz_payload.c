/*
 * The text of the database: each record is parsed, and given to a listener. Records are
 * divided by empty lines; the first byte of one says what happens with the rest of it:
 *   N a notification   R a row of the read that runs   D, F the read is done, failed
 *   C, O connected, and own rows are compared   X disconnected   W own rows   G forget
 */
#include "fuzz.h"
#include "listener.h"

static struct payload_line line;

static void check_key(void)
{
	char key[KEY_MAX_BYTES + 1];
	const char *why;

	if (line.kind == KEY_DEVICE) {
		must(device_check(line.key, &why));
		return;
	}
	size_t len = mailbox_len(line.key);
	char *mailbox = fuzz_text(line.key, len);
	must(mailbox_join(mailbox, line.key + len + 1, key, &why));
	must(strcmp(key, line.key) == 0);
	free(mailbox);
}

static void check_policy(void)
{
	const char *why;

	must(policy_is_legal(line.kind, line.policy));
	must(policy_pattern_check(line.kind, line.key, &why));
}

static void check_line(void)
{
	if (line.type == LINE_POLICY)
		check_policy();
	if (line.type != LINE_VALUE && line.type != LINE_REMOVED)
		return;
	check_key();
	if (line.type == LINE_REMOVED)
		return;
	must(line.value.state <= STATE_ONHOLD);
	must(line.value.urgent <= INT32_MAX && line.value.fresh <= INT32_MAX &&
		 line.value.old <= INT32_MAX);
	payload_row_digest(line.kind, line.key, &line.value);
}

/* Its parts, one behind the other, are all that is behind its header. */
static void take_apart(const struct payload *pack)
{
	const char *text, *end = pack->rest, *why = NULL;
	size_t at = 0, len;
	struct payload p;

	while (payload_next_of_pack(pack, &at, &text, &len)) {
		must(text == end && len > 0);
		end = text + len;
		must(payload_parse(text, len, &p, &why) || (why && *why));
	}
	must(end == pack->rest + pack->rest_len);
}

static void parse_alone(const char *text, size_t len)
{
	struct payload p;
	struct payload_head head;
	const char *why = NULL;
	size_t at = 0;
	int got;

	payload_parse_head(text, len, &head);
	if (!payload_parse(text, len, &p, &why)) {
		must(why && *why);
		return;
	}
	must(p.rest >= text && p.rest + p.rest_len <= text + len);
	if (p.type == PAYLOAD_PACK)
		take_apart(&p);
	while ((got = payload_next(&p, &at, &line, &why)) != 0) {
		must(at <= p.rest_len + 1); /* the last line may lack its newline */
		if (got > 0)
			check_line();
		else
			must(why && *why);
	}
}

static void own_begin(void *arg)
{
	must(*(int *)arg >= 0);
}

static void own_row(
	void *arg, enum key_kind kind, const char *key, const struct value *v, int64_t seq)
{
	(void)arg;
	must(kind < KEY_KINDS && *key && v->state <= STATE_ONHOLD && seq >= 0);
}

static void own_end(void *arg, const struct payload_head *head)
{
	(void)arg;
	must(!head || head->seq >= 0);
}

static void own_audit(
	void *arg, const struct payload_head *head, int64_t rows, uint64_t digest)
{
	(void)arg;
	(void)digest;
	must(head->seq >= 0 && rows >= 0);
}

static void number(void *arg, const struct entity_id *who, int64_t a, int64_t b)
{
	(void)arg;
	(void)who;
	(void)a;
	(void)b;
}

static void twin(
	void *arg, const struct uuid *incarnation, const struct payload_entity *who)
{
	(void)arg;
	(void)incarnation;
	must(memchr(who->name, '\0', sizeof(who->name)));
}

static void nonce(void *arg, const struct entity_id *from, int64_t n)
{
	number(arg, from, n, 0);
}

static struct cache *the_cache;
static struct policies *the_policies;

static void policies(void *arg, struct policies *p, int64_t version)
{
	struct policies *was = the_policies;

	(void)arg;
	must(version >= 0 && policies_count(p) <= POLICIES_MAX);
	the_policies = p;
	cache_set_policies(the_cache, p);
	policies_free(was);
}

/* A sum goes by the key's policy, and has a writer where there is one to have. */
static bool check_sum(void *arg, const char *key, const struct sum *sum)
{
	enum key_kind kind = (enum key_kind) * (int *)arg;
	bool added_up = sum->policy == POLICY_AGGREGATE || sum->policy == POLICY_LOCAL;

	must(sum->policy == policies_of(the_policies, kind, key));
	must((sum->writer != NULL) == (sum->entities > 0 && !added_up));
	return true;
}

static bool count_row(
	void *arg, enum key_kind kind, const char *key, const struct value *v)
{
	uint64_t *sums = arg;

	sums[0]++;
	sums[1] ^= payload_row_digest(kind, key, v);
	return true;
}

/* What the cache counts is what it has. */
static void check_cache(struct cache *c)
{
	for (int kind = 0; kind < KEY_KINDS; kind++)
		cache_each_key(c, (enum key_kind)kind, check_sum, &kind);
	for (int i = 0; i < cache_entities(c); i++) {
		struct cache_entity *e = cache_entity_at(c, i);
		uint64_t sums[2] = {0, 0}, digest;
		int64_t rows;

		cache_each_entity_row(c, e, count_row, sums);
		cache_audit(c, e, &rows, &digest);
		must((uint64_t)rows == sums[0] && digest == sums[1]);
		must(i == 0 || memcmp(&cache_entity_at(c, i - 1)->id, &e->id, sizeof(e->id)) < 0);
	}
}

static void happen(struct listener *l, char what, const char *text, size_t len)
{
	struct entity_id id;
	struct db_request req;
	char *word;

	if (what == 'R') {
		listener_next_read(l, &req);
		listener_read_payload(l, text, len);
	} else if (what == 'D' || what == 'F') {
		listener_next_read(l, &req);
		listener_read_done(l, what == 'D');
	} else if (what == 'C' || what == 'O') {
		listener_disconnected(l);
		listener_connected(l, what == 'O');
	} else if (what == 'X') {
		listener_disconnected(l);
	} else if (what == 'W') {
		listener_compare_own(l);
	} else if (what == 'G') {
		word = fuzz_text(text, len);
		if (entity_id_parse(word, &id))
			listener_forget(l, &id);
		free(word);
	} else {
		listener_notify(l, text, len);
	}
}

static void each_record(struct listener *l, const char *text, size_t len)
{
	const char *end = text + len, *at = text;

	while (at < end) {
		const char *gap = memmem(at, (size_t)(end - at), "\n\n", 2);
		const char *next = gap ? gap + 1 : end; /* its newline belongs to it */
		size_t n = (size_t)(next - at) - 1;
		char *copy = fuzz_copy(at + 1, n);

		parse_alone(copy, n);
		happen(l, *at, copy, n);
		free(copy);
		at = gap ? gap + 2 : end;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cache_callbacks none = {NULL, NULL};
	static const struct listener_callbacks cb = {
		own_begin, own_row, own_end, own_audit, number, twin, nonce, nonce, policies};
	static int arg;
	struct entity_id self;
	struct cache *c = cache_new(&none, NULL);
	struct listener *l;
	struct listener_counts counts;

	fuzz_quiet();
	must(entity_id_parse("02:00:00:00:00:01", &self));
	the_cache = c;
	l = listener_new(c, &self, &cb, &arg);
	cache_entity_get(c, &self)->self = true;
	listener_connected(l, false);
	parse_alone((const char *)data, size);
	each_record(l, (const char *)data, size);
	check_cache(c);
	listener_counts(l, &counts);
	must(counts.bad >= 0 && counts.bad <= (int64_t)size);
	listener_free(l);
	cache_free(c);
	policies_free(the_policies);
	the_policies = NULL;
	return 0;
}

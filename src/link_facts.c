/*
 * Stage 1, link: what goes out: for each link, what it was told last of each key and of
 * each member, and the lines that make it what the cache says now.
 */
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "link_parts.h"
#include "mem.h"

/* ---- keys ---- */

void facts_init(struct facts *f)
{
	TAILQ_INIT(&f->dirty);
}

static struct fact_key *key_get(struct facts *f, enum key_kind kind, const char *name)
{
	size_t len = strlen(name);
	struct fact_key *k;

	HASH_FIND(hh, f->keys[kind], name, len, k);
	if (k)
		return k;
	k = mem_alloc(sizeof(*k) + len + 1);
	k->kind = kind;
	memcpy(k->name, name, len + 1);
	HASH_ADD_KEYPTR(hh, f->keys[kind], k->name, len, k);
	return k;
}

static void key_free(struct facts *f, struct fact_key *k)
{
	HASH_DEL(f->keys[k->kind], k);
	free(k->facts);
	free(k);
}

static void key_dirty(struct facts *f, struct fact_key *k)
{
	if (k->dirty)
		return;
	k->dirty = true;
	TAILQ_INSERT_TAIL(&f->dirty, k, entry);
	f->ndirty++;
}

static void key_done(struct facts *f, struct fact_key *k)
{
	k->dirty = false;
	TAILQ_REMOVE(&f->dirty, k, entry);
	f->ndirty--;
	f->dump_left -= k->in_dump;
	k->in_dump = false;
	if (k->nfacts == 0)
		key_free(f, k);
}

static void members_forget(struct facts *f)
{
	for (int i = 0; i < f->nmembers; i++)
		free(f->members[i].text);
	free(f->members);
	f->members = NULL;
	f->nmembers = 0;
	f->members_known = false;
}

void facts_clear(struct facts *f)
{
	struct fact_key *k, *next;

	for (int kind = 0; kind < KEY_KINDS; kind++) {
		HASH_ITER(hh, f->keys[kind], k, next)
		{
			key_free(f, k);
		}
	}
	members_forget(f);
	TAILQ_INIT(&f->dirty);
	f->ndirty = 0;
	f->dump = DUMP_NONE;
	f->dump_left = 0;
}

void facts_touch(struct link *l, enum key_kind kind, const char *key)
{
	key_dirty(&l->facts, key_get(&l->facts, kind, key));
}

/* Its own word has taken the place of the one value that it was told. */
void facts_again(struct link *l, enum key_kind kind, const char *key)
{
	struct fact_key *k;

	HASH_FIND(hh, l->facts.keys[kind], key, strlen(key), k);
	if (!k || k->nfacts == 0 || k->form == FACT_EACH)
		return;
	k->again = true;
	key_dirty(&l->facts, k);
}

struct dump_of {
	struct facts *facts;
	enum key_kind kind;
};

static bool dump_key(void *arg, const char *key, const struct sum *sum)
{
	struct dump_of *d = arg;
	struct fact_key *k = key_get(d->facts, d->kind, key);

	(void)sum;
	k->in_dump = true;
	d->facts->dump_left++;
	key_dirty(d->facts, k);
	return true;
}

void facts_dump(struct link *l)
{
	facts_clear(&l->facts);
	l->facts.dump = DUMP_WANTED;
	for (int kind = 0; kind < KEY_KINDS; kind++) {
		struct dump_of d = {&l->facts, (enum key_kind)kind};

		cache_each_key(node_cache(l->links->node), d.kind, dump_key, &d);
	}
}

/* ---- what the cache says of a key ---- */

struct now {
	struct links *links;
	enum fact_form form;
	int nfacts;
};

static bool is_other(const struct links *ls, const struct cache_entity *e)
{
	return !e->self && !entity_id_equal(&e->id, &ls->cfg.entity);
}

/*
 * Of our own words those that the console, the dialplan or SQL said in the telephone
 * server's name: it does not know them itself.
 */
static bool is_told(
	const struct links *ls, const struct cache_entity *e, const struct value *v)
{
	return is_other(ls, e) || (e->self && v->held);
}

static void now_add(struct now *now, const struct cache_entity *e, const struct value *v)
{
	struct links *ls = now->links;

	if (now->nfacts == ls->scratch_size) {
		ls->scratch_size = ls->scratch_size ? ls->scratch_size * 2 : 16;
		ls->scratch =
			mem_realloc(ls->scratch, (size_t)ls->scratch_size * sizeof(*ls->scratch));
	}
	ls->scratch[now->nfacts++] = (struct fact){e->id, *v};
}

static bool now_row(
	void *arg, const struct cache_entity *e, const struct value *v, bool counts)
{
	struct now *now = arg;

	if (counts && is_told(now->links, e, v))
		now_add(now, e, v);
	return true;
}

/* Who has a part in one value for all that a telephone server does not know itself. */
static const struct cache_entity *writer_of(
	const struct now *now, enum key_kind kind, const char *key, const struct sum *sum)
{
	struct cache *c = node_cache(now->links->node);
	const struct cache_entity *writer = sum->writer;
	const struct value *v;

	if (sum->policy == POLICY_SUM || sum->policy == POLICY_MAX)
		writer = cache_other(c, kind, key);
	if (!writer)
		writer = cache_entity_find(c, &now->links->cfg.entity);
	v = writer ? cache_get(c, writer, kind, key) : NULL;
	return v && is_told(now->links, writer, v) ? writer : NULL;
}

static void now_merged(
	struct now *now, enum key_kind kind, const char *key, const struct sum *sum)
{
	const struct cache_entity *writer = NULL;

	if (sum->entities > 0)
		writer = writer_of(now, kind, key, sum);
	if (writer)
		now_add(now, writer, &sum->value);
}

/*
 * The one place where it is decided in which form a key is told: states of each entity,
 * which whoever hears them adds up, or one value for all.
 */
static void now_get(struct now *now, enum key_kind kind, const char *key)
{
	struct cache *c = node_cache(now->links->node);
	struct sum sum;

	cache_sum(c, kind, key, &sum);
	now->nfacts = 0;
	now->form = kind == KEY_MAILBOX ? FACT_MAILBOX : FACT_MERGED;
	if (sum.policy == POLICY_LOCAL)
		return;
	if (sum.policy != POLICY_AGGREGATE) {
		now_merged(now, kind, key, &sum);
		return;
	}
	now->form = FACT_EACH;
	cache_each_row(c, kind, key, now_row, now);
}

/* ---- lines ---- */

/* fact->value counts only where it is not taken back. */
static void print_fact(struct link *l, struct buf *out, const struct fact_key *k,
	const struct fact *fact, bool back)
{
	char id[ENTITY_ID_TEXT];
	const struct value *v = &fact->value;
	int mailbox = (int)mailbox_len(k->name);

	entity_id_print(&fact->entity, id);
	l->nfacts++;
	l->links->counters[LINK_FACTS]++;
	l->unacked += l->window > 0;
	switch (k->form) {
	case FACT_EACH:
		buf_adds(out, "device\t");
		buf_adds(out, back ? "-" : state_name(v->state));
		buf_addc(out, '\t');
		buf_adds(out, id);
		buf_addc(out, '\t');
		buf_adds(out, k->name);
		buf_addc(out, '\n');
		break;
	case FACT_MERGED:
		buf_addf(out, "merged\t%s\t%s\t%s\n", back ? "-" : state_name(v->state),
			back ? "-" : id, k->name);
		break;
	case FACT_MAILBOX:
		if (back)
			buf_adds(out, "mailbox\t-\t-\t-\t-");
		else
			buf_addf(out, "mailbox\t%u\t%u\t%u\t%s", v->urgent, v->fresh, v->old, id);
		buf_addf(out, "\t%.*s\t%s\n", mailbox, k->name, k->name + mailbox + 1);
		break;
	}
}

static void facts_insert(struct fact_key *k, int at, const struct fact *fact)
{
	k->facts = mem_realloc(k->facts, (size_t)(k->nfacts + 1) * sizeof(*k->facts));
	memmove(
		k->facts + at + 1, k->facts + at, (size_t)(k->nfacts - at) * sizeof(*k->facts));
	k->facts[at] = *fact;
	k->nfacts++;
}

static void facts_remove(struct fact_key *k, int at)
{
	k->nfacts--;
	memmove(
		k->facts + at, k->facts + at + 1, (size_t)(k->nfacts - at) * sizeof(*k->facts));
}

static bool fact_same(
	const struct fact_key *k, const struct fact *a, const struct fact *b)
{
	struct value x = a->value, y = b->value;

	x.held = y.held = false;
	return value_same(k->kind, &x, &y) &&
		   (k->form == FACT_EACH || entity_id_equal(&a->entity, &b->entity));
}

static int fact_order(const struct fact *a, const struct fact *b)
{
	if (!a || !b)
		return a ? -1 : 1;
	return memcmp(&a->entity, &b->entity, sizeof(a->entity));
}

/* Place `at` of what was told and of what is: the line that makes them one. False: they
 * are. */
static bool place_step(
	struct link *l, struct fact_key *k, int at, const struct fact *b, struct buf *out)
{
	struct fact *a = at < k->nfacts ? &k->facts[at] : NULL;
	int order = k->form != FACT_EACH && a && b ? 0 : fact_order(a, b);

	if (order < 0) {
		print_fact(l, out, k, a, true);
		facts_remove(k, at);
	} else if (order > 0) {
		print_fact(l, out, k, b, false);
		facts_insert(k, at, b);
	} else {
		if (fact_same(k, a, b) && !k->again)
			return false;
		*a = *b;
		print_fact(l, out, k, b, false);
	}
	k->again = false;
	return true;
}

/* Prints the next line of a key; false: there is none. */
static bool key_step(
	struct link *l, struct fact_key *k, const struct now *now, struct buf *out)
{
	const struct fact *is = l->links->scratch;

	if (k->nfacts > 0 && k->form != now->form) { /* the old form is taken back first */
		print_fact(l, out, k, &k->facts[k->nfacts - 1], true);
		k->nfacts--;
		return true;
	}
	k->form = now->form;
	for (int at = 0; at < k->nfacts || at < now->nfacts; at++) {
		if (place_step(l, k, at, at < now->nfacts ? &is[at] : NULL, out))
			return true;
	}
	return false;
}

/* ---- members ---- */

static const char *or_dash(const char *s)
{
	return *s ? s : "-";
}

static char *member_text(const struct cache_entity *e)
{
	return mem_printf("%s\t%s\t%s", or_dash(e->who.name), or_dash(e->who.host),
		or_dash(e->who.version));
}

static void member_tell(struct link *l, struct buf *out, const struct fact_member *m)
{
	char id[ENTITY_ID_TEXT];

	l->nfacts++;
	l->links->counters[LINK_FACTS]++;
	l->unacked += l->window > 0;
	buf_addf(out, "member\t%s\t%s\t%s\n", m->up ? "up" : "down",
		entity_id_print(&m->entity, id), m->text);
}

static struct fact_member *member_find(struct facts *f, const struct entity_id *id)
{
	for (int i = 0; i < f->nmembers; i++) {
		if (entity_id_equal(&f->members[i].entity, id))
			return &f->members[i];
	}
	return NULL;
}

static struct fact_member *member_add(struct facts *f, const struct entity_id *id)
{
	struct fact_member *m;

	f->members = mem_realloc(f->members, (size_t)(f->nmembers + 1) * sizeof(*m));
	m = &f->members[f->nmembers++];
	*m = (struct fact_member){.entity = *id};
	return m;
}

/* One that was never seen up is no news. */
static bool member_step(struct link *l, const struct cache_entity *e, struct buf *out)
{
	struct fact_member *m = member_find(&l->facts, &e->id);
	char *text;

	if (!e->known || !is_other(l->links, e) || (!m && !e->head.alive))
		return false;
	text = member_text(e);
	if (m && m->up == e->head.alive && strcmp(m->text, text) == 0) {
		free(text);
		return false;
	}
	if (!m)
		m = member_add(&l->facts, &e->id);
	free(m->text);
	m->text = text;
	m->up = e->head.alive;
	member_tell(l, out, m);
	return true;
}

/* Of those that were told, who was removed or has become ourselves? */
static bool member_gone_step(struct link *l, struct buf *out)
{
	struct facts *f = &l->facts;

	for (int i = 0; i < f->nmembers; i++) {
		struct fact_member m = f->members[i];
		struct cache_entity *e = cache_entity_find(node_cache(l->links->node), &m.entity);

		if (e && is_other(l->links, e))
			continue;
		f->members[i] = f->members[--f->nmembers];
		if (m.up) {
			m.up = false;
			member_tell(l, out, &m);
		}
		free(m.text);
		return true;
	}
	return false;
}

static bool members_wait(const struct link *l)
{
	return !l->facts.members_known ||
		   l->facts.members_seen != cache_generation(node_cache(l->links->node));
}

static bool has_room(const struct link *l, const struct buf *out, size_t most)
{
	return facts_have_room(l) && out->len < most;
}

static void members_pull(struct link *l, struct buf *out, size_t most)
{
	struct cache *c = node_cache(l->links->node);

	if (!members_wait(l))
		return;
	while (has_room(l, out, most) && member_gone_step(l, out))
		;
	for (int i = 0; i < cache_entities(c) && has_room(l, out, most); i++)
		member_step(l, cache_entity_at(c, i), out);
	if (!has_room(l, out, most))
		return; /* looked at once more; nothing is told twice */
	l->facts.members_known = true;
	l->facts.members_seen = cache_generation(c);
}

/* ---- out ---- */

bool facts_have_room(const struct link *l)
{
	return l->window == 0 || l->unacked < l->window;
}

bool facts_wait(const struct link *l)
{
	if (!l->watch || !l->links->loaded)
		return false;
	return l->facts.ndirty > 0 || l->facts.dump != DUMP_NONE || members_wait(l);
}

static void keys_pull(struct link *l, struct buf *out, size_t most)
{
	struct now now = {.links = l->links};
	struct fact_key *k;

	while (has_room(l, out, most) && (k = TAILQ_FIRST(&l->facts.dirty)) != NULL) {
		now_get(&now, k->kind, k->name);
		while (has_room(l, out, most) && key_step(l, k, &now, out))
			;
		if (has_room(l, out, most))
			key_done(&l->facts, k);
	}
}

/* Since when does the window keep facts back? */
static void full_note(struct link *l)
{
	if (facts_have_room(l) || !facts_wait(l))
		l->full_us = 0;
	else if (l->full_us == 0)
		l->full_us = node_time_us(l->links->node);
}

static void all_pull(struct link *l, struct buf *out, size_t most)
{
	struct facts *f = &l->facts;

	if (f->dump == DUMP_WANTED) {
		buf_adds(out, "begin\n");
		f->dump = DUMP_BEGUN;
	}
	members_pull(l, out, most);
	if (members_wait(l))
		return;
	keys_pull(l, out, most);
	if (f->dump == DUMP_BEGUN && f->dump_left == 0) {
		buf_adds(out, "end\n");
		f->dump = DUMP_NONE;
	}
}

void facts_pull(struct link *l, struct buf *out, size_t most)
{
	if (facts_wait(l))
		all_pull(l, out, most);
	full_note(l);
}

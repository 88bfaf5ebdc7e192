/* Layer 3: dialplan: what was read: contexts, extensions, and finding them. */
#include <stdlib.h>
#include <string.h>

#include "dialplan_int.h"

struct dialplan_context *dialplan_find_context(
	const struct dialplan *d, const char *context)
{
	struct dialplan_context *c;

	HASH_FIND_STR(d->contexts, context, c);
	return c;
}

/* A stack, because includes may be nested deeper than the C stack is. */
struct search {
	struct dialplan_context **stack;
	size_t n, cap;
};

static void search_push(struct search *s, struct dialplan_context *c)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->stack = mem_realloc(s->stack, s->cap * sizeof(*s->stack));
	}
	s->stack[s->n++] = c;
}

struct dialplan_exten *dialplan_find(const struct dialplan *d, const char *exten,
	const char *context, bool with_hint, const struct dialplan_context **where)
{
	static unsigned mark; /* contexts that include each other are seen once */
	struct search s = {0};
	struct dialplan_context *c = dialplan_find_context(d, context);
	struct dialplan_exten *e = NULL;
	size_t i;

	mark++;
	if (c)
		search_push(&s, c);
	while (!e && s.n > 0) {
		c = s.stack[--s.n];
		if (c->mark == mark)
			continue;
		c->mark = mark;
		HASH_FIND_STR(c->extens, exten, e);
		if (e && (with_hint ? e->hint == NULL : e->nprios == 0))
			e = NULL;
		for (i = c->nincludes; i > 0; i--)
			search_push(&s, c->includes[i - 1].context);
	}
	if (e && where)
		*where = c;
	free(s.stack);
	return e;
}

bool dialplan_has(const struct dialplan *d, const char *exten, const char *context)
{
	return dialplan_find(d, exten, context, false, NULL) != NULL;
}

bool dialplan_has_context(const struct dialplan *d, const char *context)
{
	return dialplan_find_context(d, context) != NULL;
}

bool dialplan_each_hint(const struct dialplan *d,
	bool (*fn)(void *arg, const char *exten, const char *context, const char *devices,
		const char *file, int line),
	void *arg)
{
	struct dialplan_context *c;
	struct dialplan_exten *e;

	for (c = d->contexts; c; c = c->hh.next)
		for (e = c->extens; e; e = e->hh.next)
			if (e->hint && !fn(arg, e->name, c->name, e->hint, d->file, e->hint_line))
				return false;
	return true;
}

struct dialplan *dialplan_new(const char *file)
{
	struct dialplan *d = mem_alloc(sizeof(*d));

	d->refs = 1;
	d->file = mem_strdup(file);
	d->globals = vars_new();
	return d;
}

struct dialplan *dialplan_empty(void)
{
	return dialplan_new("");
}

static void free_exten(struct dialplan_exten *e)
{
	size_t i;

	for (i = 0; i < e->nprios; i++) {
		free(e->prios[i].label);
		free(e->prios[i].args);
	}
	free(e->prios);
	free(e->hint);
	free(e->name);
	free(e);
}

static void free_context(struct dialplan_context *c)
{
	struct dialplan_exten *e, *next;
	size_t i;

	HASH_ITER(hh, c->extens, e, next)
	{
		HASH_DEL(c->extens, e);
		free_exten(e);
	}
	for (i = 0; i < c->nincludes; i++)
		free(c->includes[i].name);
	free(c->includes);
	free(c->name);
	free(c);
}

void dialplan_free(struct dialplan *d)
{
	struct dialplan_context *c, *next;

	if (!d || --d->refs > 0)
		return;
	HASH_ITER(hh, d->contexts, c, next)
	{
		HASH_DEL(d->contexts, c);
		free_context(c);
	}
	vars_free(d->globals);
	free(d->file);
	free(d);
}

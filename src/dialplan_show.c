/* Layer 3: dialplan: "dialplan show", in Asterisk's look. */
#include <stdlib.h>
#include <string.h>

#include "dialplan_int.h"

struct shown {
	const char *file; /* without directories */
	struct buf *out;
	size_t extens, prios, contexts;
};

/* Columns as Asterisk has them; a name that is longer moves the rest, nothing is cut. */
static void show_row(struct shown *s, const char *left, const char *text, int line)
{
	buf_addf(s->out, "  %-17s %-45s [%s:%d]\n", left, text, s->file, line);
	s->prios++;
}

static void show_exten(struct shown *s, const struct dialplan_exten *e)
{
	char *left = mem_printf("'%s' =>", e->name), *text;
	size_t i;

	s->extens++;
	if (e->hint) {
		text = mem_printf("hint: %s", e->hint);
		show_row(s, left, text, e->hint_line);
		free(text);
		*left = '\0';
	}
	for (i = 0; i < e->nprios; i++) {
		const struct dialplan_prio *p = &e->prios[i];

		if (*left == '\0' && p->label) {
			free(left);
			left = mem_printf("   [%s]", p->label);
		}
		text = mem_printf("%d. %s(%s)", p->number, dialplan_app_name(p->app), p->args);
		show_row(s, left, text, p->line);
		free(text);
		*left = '\0';
	}
	free(left);
}

static void show_context(struct shown *s, const struct dialplan_context *c)
{
	const struct dialplan_exten *e;
	char *text;
	size_t i;

	s->contexts++;
	buf_addf(s->out, "[ Context '%s' created by 'pbx_config' ]\n", c->name);
	for (e = c->extens; e; e = e->hh.next)
		show_exten(s, e);
	for (i = 0; i < c->nincludes; i++) {
		text = mem_printf("'%s'", c->includes[i].name);
		show_row(s, "Include =>", text, c->includes[i].line);
		s->prios--; /* is none */
		free(text);
	}
	buf_addc(s->out, '\n');
}

void dialplan_print(const struct dialplan *d, struct buf *out)
{
	const char *slash = strrchr(d->file, '/');
	struct shown s = {.file = slash ? slash + 1 : d->file, .out = out};
	const struct dialplan_context *c;

	for (c = d->contexts; c; c = c->hh.next)
		show_context(&s, c);
	buf_addf(out, "-= %zu %s (%zu %s) in %zu %s. =-\n", s.extens,
		s.extens == 1 ? "extension" : "extensions", s.prios,
		s.prios == 1 ? "priority" : "priorities", s.contexts,
		s.contexts == 1 ? "context" : "contexts");
}

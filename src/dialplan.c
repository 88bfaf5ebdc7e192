/*
 * Layer 3: dialplan: reads extensions.conf, finds extensions, prints the dialplan.
 * Everything that can be known to be wrong without running is refused here, with file and
 * line.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf.h"
#include "dialplan_int.h"
#include "suggest.h"

#define PRIORITY_MAX 1000000

struct reading {
	struct dialplan *d;
	const struct conf *conf;
	struct buf *errors;
	struct dialplan_context *context;
	struct dialplan_exten *exten; /* what same => goes on with */
	bool exten_is_bad;            /* told already; its same => lines are passed over */
	int line;
};

static void complain(struct reading *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void complain(struct reading *r, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text);
	va_start(ap, fmt);
	buf_addv(&text, fmt, ap);
	va_end(ap);
	conf_complain(r->errors, r->conf->file, r->line, "%s", buf_str(&text));
	buf_clear(&text);
}

static char *copy_of(struct text t)
{
	return mem_strndup(t.s, t.len);
}

/* The text before the first comma, trimmed; *t is what is behind it. False: no comma. */
static bool cut_at_comma(struct text *t, struct text *before)
{
	const char *comma = memchr(t->s, ',', t->len);
	size_t len = comma ? (size_t)(comma - t->s) : t->len;

	*before = text_trim((struct text){t->s, len});
	*t = text_trim(
		(struct text){t->s + len + (comma != NULL), t->len - len - (comma != NULL)});
	return comma != NULL;
}

/* ---- finding ---- */

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

/* ---- [general] and [globals] ---- */

static void read_general(struct reading *r, const struct conf_entry *entry)
{
	/* What Asterisk's file may have; nothing of it matters here. */
	static const char *const known[] = {"static", "writeprotect", "autofallthrough",
		"extenpatternmatchnew", "clearglobalvars", "overrideswitch", "userscontext",
		"priorityjumping"};
	size_t n = sizeof(known) / sizeof(known[0]), i;
	struct buf hint;

	for (i = 0; i < n; i++)
		if (strcasecmp(known[i], entry->name) == 0)
			return;
	buf_init(&hint);
	suggest_print(&hint, entry->name, known, n);
	complain(r, "unknown option '%s' in [general]%s", entry->name, buf_str(&hint));
	buf_clear(&hint);
}

static bool get_global(void *arg, const char *name, struct buf *out)
{
	const struct vars *globals = arg;
	const char *value = vars_get(globals, name);

	if (value)
		buf_adds(out, value);
	return value != NULL;
}

static bool no_function(
	void *arg, const char *name, const char *args, struct buf *out, struct buf *why)
{
	(void)arg;
	(void)args;
	(void)out;
	buf_addf(why,
		"a global variable is set when the file is read, without functions like %s()",
		name);
	return false;
}

static void read_global(struct reading *r, const struct conf_entry *entry)
{
	struct expand_env env = {get_global, no_function, r->d->globals};
	struct buf value, why;

	buf_init(&value);
	buf_init(&why);
	if (!dialplan_var_check(entry->name, &why))
		complain(r, "%s", buf_str(&why));
	else if (!expand_text(text_of(entry->value), &env, &value, &why))
		complain(
			r, "%s: %.*s", entry->name, (int)strcspn(buf_str(&why), "\n"), buf_str(&why));
	else
		vars_set(r->d->globals, entry->name, buf_str(&value));
	buf_clear(&value);
	buf_clear(&why);
}

/* ---- hints ---- */

/* "A & B" -> "A&B"; NULL: complained. */
static char *read_devices(struct reading *r, struct text t)
{
	const char *amp, *why;
	struct text part;
	struct buf out;
	char *device;
	bool ok = true;

	buf_init(&out);
	do {
		amp = memchr(t.s, '&', t.len);
		part = text_trim((struct text){t.s, amp ? (size_t)(amp - t.s) : t.len});
		device = copy_of(part);
		if (!device_check(device, &why)) {
			complain(r, "bad device '%s' in a hint: %s", device, why);
			ok = false;
		}
		buf_addf(&out, "%s%s", out.len > 0 ? "&" : "", device);
		free(device);
		if (amp)
			t = (struct text){amp + 1, t.len - (size_t)(amp + 1 - t.s)};
	} while (amp && ok);
	if (ok)
		return buf_take(&out);
	buf_clear(&out);
	return NULL;
}

static void read_hint(struct reading *r, struct text devices)
{
	char *text;

	if (devices.len == 0)
		complain(r, "the hint names no device; write exten => %s,hint,DEVICE&DEVICE...",
			r->exten->name);
	else if (!expand_is_literal(devices))
		complain(r, "variables are not supported in a hint; write the devices out");
	else if (memchr(devices.s, ',', devices.len))
		complain(r,
			"only devices joined by '&' are supported in a hint; remove the ',' and "
			"what is behind it");
	else if (r->exten->hint)
		complain(r, "%s@%s has a hint already, in line %d", r->exten->name,
			r->context->name, r->exten->hint_line);
	else if ((text = read_devices(r, devices))) {
		r->exten->hint = text;
		r->exten->hint_line = r->line;
	}
}

/* ---- priorities ---- */

/* "1", "n", "n(label)". 0: complained. */
static int read_number(struct reading *r, struct text t, struct text *label)
{
	const char *open = memchr(t.s, '(', t.len);
	struct text number = t;
	size_t i;
	int n = 0;

	*label = (struct text){NULL, 0};
	if (open && t.s[t.len - 1] == ')') {
		number = text_trim((struct text){t.s, (size_t)(open - t.s)});
		*label = text_trim((struct text){open + 1, t.len - (size_t)(open + 2 - t.s)});
	}
	if (number.len == 1 && (*number.s == 'n' || *number.s == 'N')) {
		n = r->exten->last + 1;
		if (n > 1)
			return n;
		complain(r, "the first priority of %s cannot be n; write 1", r->exten->name);
		return 0;
	}
	for (i = 0;
		 i < number.len && isdigit((unsigned char)number.s[i]) && n <= PRIORITY_MAX; i++)
		n = n * 10 + (number.s[i] - '0');
	if (i == number.len && n > 0 && n <= PRIORITY_MAX)
		return n;
	complain(r, "bad priority '%.*s'; legal: 1 to %d, n, n(label), hint", (int)t.len, t.s,
		PRIORITY_MAX);
	return 0;
}

/* "App(arguments)" or "App". False: complained. */
static bool read_app(struct reading *r, struct text t, struct dialplan_prio *out)
{
	const char *open = memchr(t.s, '(', t.len);
	struct text name = text_trim((struct text){t.s, open ? (size_t)(open - t.s) : t.len});
	struct text args = {"", 0};
	struct buf why;
	char *text;
	bool ok;

	if (open && t.s[t.len - 1] != ')') {
		complain(r, "'%.*s' does not end with ')'", (int)t.len, t.s);
		return false;
	}
	if (open)
		args = (struct text){open + 1, t.len - (size_t)(open + 2 - t.s)};
	buf_init(&why);
	text = copy_of(name);
	out->args = copy_of(args);
	ok = dialplan_app_find(text, &out->app, &why) &&
		 dialplan_app_check(out->app, out->args, &why);
	if (!ok)
		complain(r, "%s", buf_str(&why));
	free(text);
	buf_clear(&why);
	return ok;
}

/* Where the priority belongs; NULL: there is one with its number already (complained). */
static struct dialplan_prio *add_prio(struct reading *r, int number)
{
	struct dialplan_exten *e = r->exten;
	size_t at = e->nprios;

	while (at > 0 && e->prios[at - 1].number > number)
		at--;
	if (at > 0 && e->prios[at - 1].number == number) {
		complain(r, "%s@%s has a priority %d already, in line %d", e->name,
			r->context->name, number, e->prios[at - 1].line);
		return NULL;
	}
	if ((e->nprios & (e->nprios - 1)) == 0) /* grows at powers of two */
		e->prios =
			mem_realloc(e->prios, (e->nprios ? e->nprios * 2 : 1) * sizeof(*e->prios));
	memmove(e->prios + at + 1, e->prios + at, (e->nprios - at) * sizeof(*e->prios));
	memset(&e->prios[at], 0, sizeof(e->prios[at]));
	e->nprios++;
	return &e->prios[at];
}

static void read_priority(
	struct reading *r, struct text number_text, struct text app_text)
{
	struct text label;
	struct dialplan_prio *prio;
	int number = read_number(r, number_text, &label);

	if (number == 0)
		return;
	r->exten->last = number;
	prio = add_prio(r, number);
	if (!prio)
		return;
	prio->number = number;
	prio->line = r->line;
	prio->label = label.len > 0 ? copy_of(label) : NULL;
	read_app(r, app_text, prio); /* a bad one stays: the dialplan is refused anyway */
}

/* Behind the extension's name: "hint,DEVICES" or "PRIORITY,App(arguments)". */
static void read_step(struct reading *r, struct text t)
{
	struct text number;

	if (!cut_at_comma(&t, &number) || t.len == 0)
		complain(r,
			"'%s': write exten => NAME,PRIORITY,Application(arguments) or exten => "
			"NAME,hint,DEVICES",
			r->exten->name);
	else if (number.len == 4 && strncasecmp(number.s, "hint", 4) == 0)
		read_hint(r, t);
	else
		read_priority(r, number, t);
}

/* ---- the lines of a context ---- */

/* NULL: fine. */
static const char *bad_exten_name(const char *name)
{
	const char *why;

	if (*name == '_')
		return "patterns are not supported; write the extension out";
	if (strstr(name, "${"))
		return "variables are not supported here; write the extension out";
	if (strchr(name, '/'))
		return "matching the caller's number, with '/', is not supported";
	if (strchr(name, '@'))
		return "it has an '@', so nobody could dial it";
	return name_check(name, strlen(name), &why) ? NULL : why;
}

static void read_exten(struct reading *r, const char *value)
{
	struct text t = text_of(value), name_text;
	char *name;
	const char *why;

	cut_at_comma(&t, &name_text);
	name = copy_of(name_text);
	why = bad_exten_name(name);
	r->exten = NULL;
	r->exten_is_bad = why != NULL;
	if (why) {
		complain(r, "bad extension '%s': %s", name, why);
		free(name);
		return;
	}
	HASH_FIND_STR(r->context->extens, name, r->exten);
	if (!r->exten) {
		r->exten = mem_alloc(sizeof(*r->exten));
		r->exten->name = name;
		HASH_ADD_KEYPTR(hh, r->context->extens, name, strlen(name), r->exten);
	} else {
		free(name);
	}
	read_step(r, t);
}

static void read_same(struct reading *r, const char *value)
{
	if (r->exten)
		read_step(r, text_of(value));
	else if (!r->exten_is_bad)
		complain(r, "same => needs an exten => above it in [%s]", r->context->name);
}

static void read_include(struct reading *r, const char *value)
{
	struct dialplan_context *c = r->context;
	struct dialplan_include *i;

	if (strpbrk(value, ",|")) {
		complain(
			r, "include => %s: times are not supported; write the context only", value);
		return;
	}
	if ((c->nincludes & (c->nincludes - 1)) == 0)
		c->includes = mem_realloc(
			c->includes, (c->nincludes ? c->nincludes * 2 : 1) * sizeof(*c->includes));
	i = &c->includes[c->nincludes++];
	i->name = mem_strdup(value);
	i->context = NULL;
	i->line = r->line;
}

static void read_line(struct reading *r, const struct conf_entry *entry)
{
	static const struct {
		const char *name;
		void (*read)(struct reading *r, const char *value);
	} lines[] = {{"exten", read_exten}, {"same", read_same}, {"include", read_include}};
	const char *names[3];
	struct buf hint;
	size_t i;

	for (i = 0; i < 3; i++) {
		names[i] = lines[i].name;
		if (strcasecmp(names[i], entry->name) == 0) {
			lines[i].read(r, entry->value);
			return;
		}
	}
	buf_init(&hint);
	suggest_print(&hint, entry->name, names, 3);
	complain(r, "'%s' is not supported in a context%s", entry->name, buf_str(&hint));
	buf_clear(&hint);
}

/* ---- the file ---- */

static void begin_context(struct reading *r, const char *name)
{
	const char *why;

	r->exten = NULL;
	r->exten_is_bad = false;
	r->context = dialplan_find_context(r->d, name);
	if (r->context)
		return;
	if (strchr(name, '@'))
		complain(r, "bad context '%s': it has an '@'", name);
	else if (!name_check(name, strlen(name), &why))
		complain(r, "bad context '%s': %s", name, why);
	r->context = mem_alloc(sizeof(*r->context));
	r->context->name = mem_strdup(name);
	HASH_ADD_KEYPTR(hh, r->d->contexts, r->context->name, strlen(name), r->context);
}

static void read_section(struct reading *r, const struct conf_section *s)
{
	void (*read)(struct reading * r, const struct conf_entry *entry) = read_line;
	size_t i;

	r->line = s->line;
	if (strcasecmp(s->name, "general") == 0)
		read = read_general;
	else if (strcasecmp(s->name, "globals") == 0)
		read = read_global;
	else
		begin_context(r, s->name);
	for (i = 0; i < s->nentries; i++) {
		r->line = s->entries[i].line;
		read(r, &s->entries[i]);
	}
}

static void unknown_context(struct reading *r, const struct dialplan_include *i)
{
	size_t n = 0;
	const char **names = mem_alloc((HASH_COUNT(r->d->contexts) + 1) * sizeof(*names));
	const struct dialplan_context *c;
	const char *close;

	for (c = r->d->contexts; c; c = c->hh.next)
		names[n++] = c->name;
	close = suggest_word(i->name, names, n);
	r->line = i->line;
	complain(r, "include => %s: there is no such context%s%s%s", i->name,
		close ? "; did you mean '" : "; write it, or remove the line", close ? close : "",
		close ? "'?" : "");
	free(names);
}

static void resolve_includes(struct reading *r)
{
	struct dialplan_context *c;
	size_t i;

	for (c = r->d->contexts; c; c = c->hh.next) {
		for (i = 0; i < c->nincludes; i++) {
			c->includes[i].context = dialplan_find_context(r->d, c->includes[i].name);
			if (!c->includes[i].context)
				unknown_context(r, &c->includes[i]);
		}
	}
}

static struct dialplan *new_dialplan(const char *file)
{
	struct dialplan *d = mem_alloc(sizeof(*d));

	d->refs = 1;
	d->file = mem_strdup(file);
	d->globals = vars_new();
	return d;
}

static struct dialplan *read_conf(
	const struct conf *conf, struct buf *errors, size_t before)
{
	struct reading r = {.conf = conf, .errors = errors};
	size_t i;

	r.d = new_dialplan(conf->file);
	for (i = 0; i < conf->nsections; i++)
		read_section(&r, &conf->sections[i]);
	resolve_includes(&r);
	if (errors->len == before)
		return r.d;
	dialplan_free(r.d);
	return NULL;
}

struct dialplan *dialplan_parse(
	const char *file, const char *text, size_t len, struct buf *errors)
{
	size_t before = errors->len;
	struct conf *conf = conf_parse(file, text, len, errors);
	struct dialplan *d = read_conf(conf, errors, before);

	conf_free(conf);
	return d;
}

struct dialplan *dialplan_read(const char *file, struct buf *errors)
{
	size_t before = errors->len;
	struct dialplan *d = NULL;
	struct conf *conf = conf_read(file,
		"write one (extensions.conf.sample shows how) or set dialplan in [options]",
		errors);

	if (conf)
		d = read_conf(conf, errors, before);
	conf_free(conf);
	return d;
}

struct dialplan *dialplan_empty(void)
{
	return new_dialplan("");
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

/* ---- showing ---- */

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

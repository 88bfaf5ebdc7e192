/*
 * Layer 3: dialplan: reads extensions.conf.
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
	i = 0;
	while (i < number.len && isdigit((unsigned char)number.s[i]) && n <= PRIORITY_MAX)
		n = n * 10 + (number.s[i++] - '0');
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

typedef void read_entry(struct reading *r, const struct conf_entry *entry);

static void read_section(struct reading *r, const struct conf_section *s)
{
	read_entry *read = read_line;
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

static struct dialplan *read_conf(
	const struct conf *conf, struct buf *errors, size_t before)
{
	struct reading r = {.conf = conf, .errors = errors};
	size_t i;

	r.d = dialplan_new(conf->file);
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

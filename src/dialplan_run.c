/*
 * Layer 3: dialplan: a running extension ("console dial"). One priority a turn of the
 * loop, so that a long extension holds up nobody. What fails is told with its place, and
 * the run goes on with the next priority, as in Asterisk.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "dialplan_int.h"
#include "loop.h"
#include "suggest.h"

#define CHANNEL   "Console/dsp"
#define STEPS_MAX 10000

struct dialplan_run {
	struct dialplan *dialplan; /* a reference of its own */
	struct dialplan_env env;
	struct loop_timer *timer;
	const struct dialplan_exten *exten; /* the dialplan's */
	char *context;                      /* that was dialled */
	size_t next;                        /* index of the next priority */
	int steps;
	struct vars *vars;
	bool ok;
	bool inside; /* a callback is running: do not free */
	bool dead;   /* hung up meanwhile */
};

enum step { STEP_NEXT, STEP_WAIT, STEP_HANGUP };

/* ---- lines ---- */

static void say(struct dialplan_run *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct dialplan_run *r, const char *fmt, ...)
{
	struct buf line;
	va_list ap;

	if (r->dead)
		return;
	buf_init(&line);
	va_start(ap, fmt);
	buf_addv(&line, fmt, ap);
	va_end(ap);
	r->env.line(r->env.arg, buf_str(&line));
	buf_clear(&line);
}

/* `what` may have several lines, or none. */
static void warn(struct dialplan_run *r, const struct dialplan_prio *p, const char *what)
{
	size_t len;

	if (*what != '\0')
		r->ok = false;
	while (*what != '\0') {
		len = strcspn(what, "\n");
		say(r, "WARNING: %s@%s:%d: %s: %.*s", r->exten->name, r->context, p->number,
			dialplan_app_name(p->app), (int)len, what);
		what += len + (what[len] == '\n');
	}
}

/* ---- expanding ---- */

static bool get_variable(void *arg, const char *name, struct buf *out)
{
	const struct dialplan_run *r = arg;
	const char *value = vars_get(r->vars, name);

	if (!value)
		value = vars_get(r->dialplan->globals, name);
	if (value)
		buf_adds(out, value);
	return value != NULL;
}

static bool get_function(
	void *arg, const char *name, const char *args, struct buf *out, struct buf *why)
{
	const struct dialplan_run *r = arg;
	struct dialplan_world world = {&r->env, r->dialplan};

	return dialplan_func_read(&world, name, args, out, why);
}

static char *expand(struct dialplan_run *r, struct text t, struct buf *errors)
{
	struct expand_env env = {get_variable, get_function, r};
	struct buf out;

	buf_init(&out);
	expand_text(t, &env, &out, errors);
	return buf_take(&out);
}

static void say_executing(
	struct dialplan_run *r, const struct dialplan_prio *p, const char *args)
{
	say(r, "    -- Executing [%s@%s:%d] %s(\"%s\", \"%s\") in new stack", r->exten->name,
		r->context, p->number, dialplan_app_name(p->app), CHANNEL, args);
}

/* ---- applications ---- */

static enum step run_noop(struct dialplan_run *r, const struct dialplan_prio *p,
	const char *args, int64_t *wait_ms)
{
	(void)r;
	(void)p;
	(void)args;
	(void)wait_ms;
	return STEP_NEXT;
}

static enum step run_verbose(struct dialplan_run *r, const struct dialplan_prio *p,
	const char *args, int64_t *wait_ms)
{
	/* As Asterisk's console marks them. */
	static const char *const prefixes[] = {"", " ", "  == ", "    -- ", "       > "};
	const char *message;
	int level = dialplan_verbose_parse(args, &message);

	(void)p;
	(void)wait_ms;
	say(r, "%s%s", prefixes[level < 4 ? level : 4], message);
	return STEP_NEXT;
}

static enum step run_wait(struct dialplan_run *r, const struct dialplan_prio *p,
	const char *args, int64_t *wait_ms)
{
	struct buf why;
	bool ok;

	buf_init(&why);
	ok = dialplan_wait_parse(args, wait_ms, &why);
	warn(r, p, buf_str(&why));
	buf_clear(&why);
	return ok ? STEP_WAIT : STEP_NEXT;
}

static enum step run_hangup(struct dialplan_run *r, const struct dialplan_prio *p,
	const char *args, int64_t *wait_ms)
{
	(void)args;
	(void)wait_ms;
	say(r, "  == Spawn extension (%s, %s, %d) exited non-zero on '%s'", r->context,
		r->exten->name, p->number, CHANNEL);
	return STEP_HANGUP;
}

/* An assignment with its parts expanded. */
struct set {
	bool is_function;
	char *name, *args, *value;
};

static bool apply_set(struct dialplan_run *r, const struct set *s, struct buf *why)
{
	struct dialplan_world world = {&r->env, r->dialplan};

	if (s->is_function)
		return dialplan_func_write(&world, s->name, s->args, s->value, why);
	if (!dialplan_var_check(s->name, why))
		return false;
	vars_set(r->vars, s->name, s->value);
	return true;
}

static void run_set(struct dialplan_run *r, const struct dialplan_prio *p)
{
	struct assignment a;
	struct buf errors, shown;
	struct set s = {0};
	bool good;

	buf_init(&errors);
	buf_init(&shown);
	good = expand_assignment(text_of(p->args), &a, &errors);
	assert(good); /* was checked when it was read */
	s.is_function = a.is_function;
	s.name = expand(r, a.name, &errors);
	s.args = expand(r, a.args, &errors);
	s.value = expand(r, a.value, &errors);
	if (s.is_function)
		buf_addf(&shown, "%s(%s)=%s", s.name, s.args, s.value);
	else
		buf_addf(&shown, "%s=%s", s.name, s.value);
	say_executing(r, p, buf_str(&shown));
	/* With a part that could not be expanded it would set something nobody meant. */
	if (errors.len == 0 && !r->dead)
		apply_set(r, &s, &errors);
	warn(r, p, buf_str(&errors));
	free(s.name);
	free(s.args);
	free(s.value);
	buf_clear(&shown);
	buf_clear(&errors);
}

typedef enum step run_app(struct dialplan_run *r, const struct dialplan_prio *p,
	const char *args, int64_t *wait_ms);

static enum step run_other(
	struct dialplan_run *r, const struct dialplan_prio *p, int64_t *wait_ms)
{
	static run_app *const runs[DIALPLAN_APPS] = {
		[APP_NOOP] = run_noop,
		[APP_VERBOSE] = run_verbose,
		[APP_WAIT] = run_wait,
		[APP_HANGUP] = run_hangup,
	};
	struct buf errors;
	enum step step;
	char *args;

	buf_init(&errors);
	args = expand(r, text_of(p->args), &errors);
	say_executing(r, p, args);
	warn(r, p, buf_str(&errors));
	step = runs[p->app](r, p, args, wait_ms);
	free(args);
	buf_clear(&errors);
	return step;
}

/* ---- the run ---- */

static void free_run(struct dialplan_run *r)
{
	loop_timer_free(r->timer);
	vars_free(r->vars);
	dialplan_free(r->dialplan);
	free(r->context);
	free(r);
}

static void finish(struct dialplan_run *r)
{
	struct dialplan_env env = r->env;
	bool ok = r->ok, dead;

	say(r, " << Hangup on console >> ");
	dead = r->dead;
	free_run(r);
	if (!dead)
		env.done(env.arg, ok);
}

/* The priority that comes now; NULL: there is none. */
static const struct dialplan_prio *next_prio(struct dialplan_run *r)
{
	const struct dialplan_exten *e = r->exten;

	if (r->next == e->nprios ||
		(r->next > 0 && e->prios[r->next].number != e->prios[r->next - 1].number + 1))
		return NULL;
	if (++r->steps > STEPS_MAX) {
		warn(r, &e->prios[r->next], "the extension has more than 10,000 steps; stopping");
		return NULL;
	}
	return &e->prios[r->next++];
}

static enum step run_prio(
	struct dialplan_run *r, const struct dialplan_prio *p, int64_t *wait_ms)
{
	char *number = mem_printf("%d", p->number);

	vars_set(r->vars, "PRIORITY", number);
	free(number);
	if (p->app != APP_SET)
		return run_other(r, p, wait_ms);
	run_set(r, p);
	return STEP_NEXT;
}

static void take_step(void *arg)
{
	struct dialplan_run *r = arg;
	const struct dialplan_prio *p = next_prio(r);
	enum step step = STEP_HANGUP;
	int64_t wait_ms = 0;

	r->inside = true;
	if (p)
		step = run_prio(r, p, &wait_ms);
	else
		say(r, "    -- Auto fallthrough, channel '%s' status is 'UNKNOWN'", CHANNEL);
	if (r->dead || step == STEP_HANGUP) {
		finish(r);
		return;
	}
	r->inside = false;
	loop_timer_start(r->timer, wait_ms);
}

/* ---- starting ---- */

static char *no_context(const struct dialplan *d, const char *context)
{
	const char **names = mem_alloc((HASH_COUNT(d->contexts) + 1) * sizeof(*names));
	const struct dialplan_context *c;
	const char *close;
	size_t n = 0;

	for (c = d->contexts; c; c = c->hh.next)
		names[n++] = c->name;
	close = suggest_word(context, names, n);
	free(names);
	if (close)
		return mem_printf("there is no context '%s'; did you mean '%s'?", context, close);
	return mem_printf(
		"there is no context '%s'; 'dialplan show' shows what there is", context);
}

static char *no_exten(const struct dialplan *d, const char *exten, const char *context)
{
	const struct dialplan_context *c = dialplan_find_context(d, context);
	const char **names = mem_alloc((HASH_COUNT(c->extens) + 1) * sizeof(*names));
	const struct dialplan_exten *e;
	const char *close;
	size_t n = 0;

	if (dialplan_find(d, exten, context, true, NULL)) {
		free(names);
		return mem_printf(
			"extension '%s' in context '%s' is a hint: there is nothing to run", exten,
			context);
	}
	for (e = c->extens; e; e = e->hh.next)
		names[n++] = e->name;
	close = suggest_word(exten, names, n);
	free(names);
	if (close)
		return mem_printf(
			"there is no extension '%s' in context '%s'; did you mean '%s'?", exten,
			context, close);
	return mem_printf(
		"there is no extension '%s' in context '%s'; 'dialplan show' shows what "
		"there is",
		exten, context);
}

struct dialplan_run *dialplan_start(struct event_base *base, struct dialplan *d,
	const char *exten, const char *context, const struct dialplan_env *env, char **why)
{
	const struct dialplan_exten *e = dialplan_find(d, exten, context, false, NULL);
	struct dialplan_run *r;

	*why = NULL;
	if (!dialplan_has_context(d, context))
		*why = no_context(d, context);
	else if (!e)
		*why = no_exten(d, exten, context);
	else if (e->prios[0].number != 1)
		*why = mem_printf(
			"extension '%s' in context '%s' has no priority 1", exten, context);
	if (*why)
		return NULL;
	r = mem_alloc(sizeof(*r));
	r->dialplan = d;
	d->refs++;
	r->env = *env;
	r->exten = e;
	r->context = mem_strdup(context);
	r->vars = vars_new();
	r->ok = true;
	vars_set(r->vars, "CHANNEL", CHANNEL);
	vars_set(r->vars, "EXTEN", exten);
	vars_set(r->vars, "CONTEXT", context);
	r->timer = loop_timer_new(base, take_step, r);
	loop_timer_start(r->timer, 0);
	return r;
}

void dialplan_hangup(struct dialplan_run *r)
{
	if (!r)
		return;
	if (r->inside)
		r->dead = true; /* freed when the callback has returned */
	else
		free_run(r);
}

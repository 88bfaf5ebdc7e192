/* Layer 3: commands about the dialplan: console dial, dialplan show. */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "console.h"
#include "dialplan.h"
#include "hint.h"
#include "mem.h"
#include "node.h"

#define VERBOSE_STEPS   3 /* from this level on other consoles see the steps */
#define DEFAULT_CONTEXT "default"

/* One dialled extension. */
struct dial {
	struct dialplan_run *run; /* NULL: hung up */
	json_t *lines;
	bool wrote;
};

static void dial_release(struct call *c)
{
	struct dial *d = c->data;

	if (d->run)
		dialplan_hangup(d->run);
	cmd_forget_acked(c);
	json_decref(d->lines);
	free(d);
}

static void dial_line(void *arg, const char *line)
{
	struct call *c = arg;
	struct dial *d = c->data;

	if (c->reply.json)
		json_array_append_new(d->lines, reply_string(line));
	reply_printf(&c->reply, "%s\n", line);
	reply_flush(&c->reply);
	if (c->app->verbose >= VERBOSE_STEPS)
		console_verbose(c->app->console, line, c);
}

static void dial_done(void *arg, bool ok)
{
	struct call *c = arg;
	struct dial *d = c->data;

	d->run = NULL;
	if (!ok) {
		call_fail(c, "The extension did not run to its end");
		return;
	}
	reply_set(&c->reply, "lines", json_incref(d->lines));
	if (d->wrote)
		cmd_end_acked(c);
	else
		call_end(c, 0);
}

static enum device_state dial_device_state(void *arg, const char *device)
{
	struct call *c = arg;

	return node_device_state(c->app->node, device);
}

static void dial_set_device_state(void *arg, const char *device, enum device_state s)
{
	struct call *c = arg;
	struct dial *d = c->data;
	struct value v = {.state = s, .held = true};

	d->wrote = true;
	node_set(cmd_node(c), KEY_DEVICE, device, &v);
}

static bool dial_exten_state(
	void *arg, const char *exten, const char *context, enum exten_state *out)
{
	struct call *c = arg;
	const struct hint *h = hints_find(c->app->hints, exten, context);

	if (h)
		*out = h->state;
	return h != NULL;
}

static bool dial_mailbox_counts(void *arg, const char *key, struct value *out)
{
	struct call *c = arg;
	struct sum sum;

	cache_sum(node_cache(c->app->node), KEY_MAILBOX, key, &sum);
	*out = sum.value;
	return sum.entities > 0;
}

static void dial_set_mailbox_counts(void *arg, const char *key, const struct value *v)
{
	struct call *c = arg;
	struct dial *d = c->data;
	struct value held = *v;

	d->wrote = true;
	held.held = true;
	node_set(cmd_node(c), KEY_MAILBOX, key, &held);
}

/* "EXT@CONTEXT" or "EXT"; the caller frees both. */
static void split_exten(const char *text, char **exten, char **context)
{
	const char *at = strrchr(text, '@');

	*exten = at ? mem_strndup(text, (size_t)(at - text)) : mem_strdup(text);
	*context = mem_strdup(at ? at + 1 : DEFAULT_CONTEXT);
}

static void dial_start(struct call *c, const char *exten, const char *context)
{
	struct dial *d = c->data;
	struct dialplan_env env = {
		.device_state = dial_device_state,
		.set_device_state = dial_set_device_state,
		.exten_state = dial_exten_state,
		.mailbox_counts = dial_mailbox_counts,
		.set_mailbox_counts = dial_set_mailbox_counts,
		.line = dial_line,
		.done = dial_done,
		.arg = c,
	};
	char *why = NULL;

	d->run = dialplan_start(c->app->base, c->app->dialplan, exten, context, &env, &why);
	if (!d->run)
		call_fail(
			c, "Cannot dial %s@%s: %s", exten, context, why ? why : "no such extension");
	free(why);
}

static void dial(struct call *c)
{
	struct dial *d = mem_alloc(sizeof(*d));
	char *exten, *context;

	d->lines = json_array();
	c->data = d;
	c->release = dial_release;
	split_exten(c->argv[0], &exten, &context);
	dial_start(c, exten, context);
	free(exten);
	free(context);
}

static bool one_line(struct call *c, struct listing *l)
{
	const char *line = cmd_list_next_key(l);

	if (!line)
		return false;
	reply_printf(&c->reply, "%s\n", line);
	if (c->reply.json)
		reply_item(&c->reply, reply_string(line));
	l->listed++;
	return true;
}

/* What of "dialplan show" is wanted: the lines of one context, of one extension in it. */
struct filter {
	const char *exten, *context; /* NULL: any */
	bool in_context, in_exten;
};

/* Does `line` go on with the quoted name right behind `lead`? */
static bool names(const char *line, const char *lead, const char *name)
{
	size_t lead_len = strlen(lead), len = strlen(name);

	return strncmp(line, lead, lead_len) == 0 &&
		   strncmp(line + lead_len, name, len) == 0 && line[lead_len + len] == '\'';
}

static bool starts(const char *line, const char *lead)
{
	return strncmp(line, lead, strlen(lead)) == 0;
}

#define CONTEXT_LEAD "[ Context '"
#define EXTEN_LEAD   "  '"

static bool filter_wants(struct filter *f, const char *line)
{
	if (!f->context)
		return true;
	if (starts(line, CONTEXT_LEAD)) {
		f->in_context = names(line, CONTEXT_LEAD, f->context);
		f->in_exten = !f->exten;
		return f->in_context;
	}
	/* What is indented deeper goes on with the extension before. */
	if (f->exten && starts(line, "  ") && line[2] != ' ')
		f->in_exten = names(line, EXTEN_LEAD, f->exten);
	if (starts(line, "-="))
		f->in_context = false;
	return f->in_context && f->in_exten;
}

static void list_lines(struct call *c, struct filter *f)
{
	struct listing *l = cmd_list(c, one_line, NULL);
	struct buf text;
	char *rest, *line;

	buf_init(&text);
	dialplan_print(c->app->dialplan, &text);
	for (rest = text.data; (line = strsep(&rest, "\n")) && (rest || *line);) {
		if (filter_wants(f, line))
			buf_add(&l->keys, line, strlen(line) + 1);
	}
	buf_clear(&text);
	cmd_list_start(c);
}

static void show(struct call *c)
{
	struct filter f = {.exten = NULL};
	char *exten = NULL, *context = NULL;

	if (c->argc && strchr(c->argv[0], '@')) {
		split_exten(c->argv[0], &exten, &context);
		f.exten = exten;
		f.context = context;
	} else if (c->argc) {
		f.context = c->argv[0];
	}
	if (f.context && !dialplan_has_context(c->app->dialplan, f.context))
		call_fail(c, "There is no context '%s' ('dialplan show' lists all)", f.context);
	else if (f.exten && !dialplan_has(c->app->dialplan, f.exten, f.context))
		call_fail(c,
			"There is no extension '%s' in context '%s' ('dialplan show %s' lists all)",
			f.exten, f.context, f.context);
	else
		list_lines(c, &f);
	free(exten);
	free(context);
}

/* The name in quotes behind `lead`; false: the line has none. */
static bool take_name(const char *line, const char *lead, struct buf *out)
{
	if (!starts(line, lead))
		return false;
	line += strlen(lead);
	buf_reset(out);
	buf_add(out, line, strcspn(line, "'"));
	return true;
}

/* Contexts, or extensions with their contexts, out of the printed dialplan. */
static void offer_names(struct completion *out, bool contexts, bool extensions)
{
	struct buf text, context, exten;
	char *rest, *line;
	bool go_on = true;

	buf_init(&text);
	buf_init(&context);
	buf_init(&exten);
	dialplan_print(out->app->dialplan, &text);
	for (rest = text.data; go_on && (line = strsep(&rest, "\n"));) {
		if (take_name(line, CONTEXT_LEAD, &context)) {
			go_on = !contexts || completion_offer(out, buf_str(&context));
		} else if (extensions && take_name(line, EXTEN_LEAD, &exten)) {
			buf_addf(&exten, "@%s", buf_str(&context));
			go_on = completion_offer(out, buf_str(&exten));
		}
	}
	buf_clear(&text);
	buf_clear(&context);
	buf_clear(&exten);
}

static void complete_dial(struct completion *out, int arg)
{
	(void)arg;
	offer_names(out, false, true);
}

static void complete_show(struct completion *out, int arg)
{
	(void)arg;
	offer_names(out, true, true);
}

const struct command cmd_dialplan[] = {
	{"console dial", "EXT[@CONTEXT]", 1, 1, "Run an extension of the dialplan",
		"The context is 'default' when none is given. It ends when the extension hung up "
		"and the\n"
		"database has what it set, after 2 more seconds at the latest.",
		NULL, dial, complete_dial},
	{"dialplan show", "[CONTEXT|EXT@CONTEXT]", 0, 1, "Show the dialplan", NULL, NULL,
		show, complete_show},
	{.words = NULL},
};

/*
 * Layer 3: dialplan: the functions: DEVICE_STATE, EXTENSION_STATE, MAILBOX_COUNT. Each
 * checks its arguments the same way when the file is read and when it runs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dialplan_int.h"
#include "suggest.h"

struct function {
	const char *name;
	bool (*check)(const char *args, struct buf *why);
	bool (*read)(const struct dialplan_world *w, const char *args, struct buf *out,
		struct buf *why);
	/* NULL: cannot be written. */
	bool (*check_write)(const char *args, struct buf *why);
	bool (*check_value)(const char *value, struct buf *why);
	void (*write)(const struct dialplan_world *w, const char *args, const char *value);
};

/* ---- DEVICE_STATE(device) ---- */

static bool device_args(const char *args, struct buf *why)
{
	const char *reason;

	if (device_check(args, &reason))
		return true;
	buf_addf(why, "DEVICE_STATE(%s): bad device name: %s", args, reason);
	return false;
}

static bool device_read(
	const struct dialplan_world *w, const char *args, struct buf *out, struct buf *why)
{
	(void)why;
	buf_adds(out, state_name(w->env->device_state(w->env->arg, args)));
	return true;
}

static bool parse_state(const char *value, enum device_state *out)
{
	struct text t = text_trim(text_of(value));
	char *name = mem_strndup(t.s, t.len);
	bool ok = state_parse(name, out);

	free(name);
	return ok;
}

static bool device_value(const char *value, struct buf *why)
{
	enum device_state s;

	if (parse_state(value, &s))
		return true;
	buf_addf(why, "'%s' is no device state; legal: %s", value, state_all_names());
	return false;
}

static void device_write(
	const struct dialplan_world *w, const char *args, const char *value)
{
	enum device_state s = STATE_UNKNOWN;

	parse_state(value, &s); /* was checked */
	w->env->set_device_state(w->env->arg, args, s);
}

/* ---- EXTENSION_STATE(extension[@context]) ---- */

/* The context is what is behind the last '@'; caller frees both. */
static void split_extension(const char *args, char **exten, char **context)
{
	const char *at = strrchr(args, '@');

	*exten = at ? mem_strndup(args, (size_t)(at - args)) : mem_strdup(args);
	*context = mem_strdup(at ? at + 1 : "default"); /* as Asterisk has it */
}

static bool extension_args(const char *args, struct buf *why)
{
	const char *at = strrchr(args, '@');

	if (*args != '\0' && at != args && !(at && at[1] == '\0'))
		return true;
	buf_addf(why, "EXTENSION_STATE(%s): write EXTENSION_STATE(extension@context)", args);
	return false;
}

static bool extension_read(
	const struct dialplan_world *w, const char *args, struct buf *out, struct buf *why)
{
	const struct dialplan_context *where = NULL;
	enum exten_state state;
	char *exten, *context;
	bool found;

	split_extension(args, &exten, &context);
	/* Hints are known by the context that has them, not by one that includes it. */
	dialplan_find(w->dialplan, exten, context, true, &where);
	found =
		w->env->exten_state(w->env->arg, exten, where ? where->name : context, &state);
	if (!found)
		buf_addf(
			why, "EXTENSION_STATE(%s): there is no hint %s@%s", args, exten, context);
	buf_adds(out, found ? exten_state_function(state) : "UNKNOWN");
	free(exten);
	free(context);
	return found;
}

/* ---- MAILBOX_COUNT(mailbox[@context][,new|old|urgent]) ---- */

enum mailbox_what { COUNT_ALL, COUNT_NEW, COUNT_OLD, COUNT_URGENT };

static bool mailbox_args_parse(const char *args, char key[KEY_MAX_BYTES + 1],
	enum mailbox_what *what, struct buf *why)
{
	static const char *const names[] = {"new", "old", "urgent"};
	const char *comma = strrchr(args, ','), *reason;
	char *mailbox;
	bool ok;
	int i;

	*what = COUNT_ALL;
	for (i = 0; comma && i < 3; i++)
		if (strcasecmp(comma + 1, names[i]) == 0)
			*what = (enum mailbox_what)(COUNT_NEW + i);
	if (comma && *what == COUNT_ALL) {
		buf_addf(why, "MAILBOX_COUNT(%s): unknown count '%s'", args, comma + 1);
		suggest_print(why, comma + 1, names, 3);
		return false;
	}
	mailbox = mem_strndup(args, comma ? (size_t)(comma - args) : strlen(args));
	ok = mailbox_parse(mailbox, key, &reason);
	if (!ok)
		buf_addf(why, "MAILBOX_COUNT(%s): bad mailbox: %s", args, reason);
	free(mailbox);
	return ok;
}

static bool mailbox_args(const char *args, struct buf *why)
{
	char key[KEY_MAX_BYTES + 1];
	enum mailbox_what what;

	return mailbox_args_parse(args, key, &what, why);
}

static bool mailbox_read(
	const struct dialplan_world *w, const char *args, struct buf *out, struct buf *why)
{
	char key[KEY_MAX_BYTES + 1];
	enum mailbox_what what;
	struct value v = {0};

	if (!mailbox_args_parse(args, key, &what, why))
		return false;
	/* Nobody says anything: no messages. */
	if (!w->env->mailbox_counts(w->env->arg, key, &v))
		memset(&v, 0, sizeof(v));
	if (what == COUNT_ALL)
		buf_addf(out, "%" PRIu32 "/%" PRIu32, v.fresh, v.old);
	else
		buf_addf(out, "%" PRIu32,
			what == COUNT_NEW   ? v.fresh
			: what == COUNT_OLD ? v.old
								: v.urgent);
	return true;
}

static bool mailbox_args_write(const char *args, struct buf *why)
{
	char key[KEY_MAX_BYTES + 1];
	enum mailbox_what what;

	if (!mailbox_args_parse(args, key, &what, why))
		return false;
	if (what == COUNT_ALL)
		return true;
	buf_addf(why,
		"Set(MAILBOX_COUNT(%s)=...): set all counts at once, "
		"Set(MAILBOX_COUNT(mailbox@context)=new/old/urgent)",
		args);
	return false;
}

static bool parse_counts(const char *value, struct value *out, const char **why)
{
	struct text t = text_trim(text_of(value));
	char *text = mem_strndup(t.s, t.len);
	bool ok = counts_parse(text, out, why);

	free(text);
	return ok;
}

static bool mailbox_value(const char *value, struct buf *why)
{
	const char *reason;
	struct value v;

	if (parse_counts(value, &v, &reason))
		return true;
	buf_addf(why, "'%s' are no message counts: %s; write new, new/old or new/old/urgent",
		value, reason);
	return false;
}

static void mailbox_write(
	const struct dialplan_world *w, const char *args, const char *value)
{
	char key[KEY_MAX_BYTES + 1];
	struct value v = {0};
	const char *why;

	if (!mailbox_parse(args, key, &why) || !parse_counts(value, &v, &why))
		return; /* was checked */
	v.held = true;
	w->env->set_mailbox_counts(w->env->arg, key, &v);
}

/* ---- all of them ---- */

static const struct function functions[] = {
	{"DEVICE_STATE", device_args, device_read, device_args, device_value, device_write},
	{"EXTENSION_STATE", extension_args, extension_read, NULL, NULL, NULL},
	{"MAILBOX_COUNT", mailbox_args, mailbox_read, mailbox_args_write, mailbox_value,
		mailbox_write},
};
#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static const struct function *find(const char *name, struct buf *why)
{
	const char *names[FUNCTIONS];
	size_t i;

	for (i = 0; i < FUNCTIONS; i++) {
		names[i] = functions[i].name;
		if (strcasecmp(names[i], name) == 0)
			return &functions[i];
	}
	buf_addf(why, "unknown function '%s'", name);
	suggest_print(why, name, names, FUNCTIONS);
	return NULL;
}

static bool check_read(
	void *arg, const char *name, const char *args, bool literal, struct buf *why)
{
	const struct function *f = find(name, why);

	(void)arg;
	return f && (!literal || f->check(args, why));
}

const struct expand_checks dialplan_func_checks = {check_read, NULL};

bool dialplan_func_check_write(const char *name, const char *args, bool literal_args,
	const char *value, bool literal_value, struct buf *why)
{
	const struct function *f = find(name, why);

	if (!f)
		return false;
	if (!f->write) {
		buf_addf(why, "%s() can be read, not set", f->name);
		return false;
	}
	return (!literal_args || f->check_write(args, why)) &&
		   (!literal_value || f->check_value(value, why));
}

bool dialplan_func_read(const struct dialplan_world *w, const char *name,
	const char *args, struct buf *out, struct buf *why)
{
	const struct function *f = find(name, why);

	return f && f->check(args, why) && f->read(w, args, out, why);
}

bool dialplan_func_write(const struct dialplan_world *w, const char *name,
	const char *args, const char *value, struct buf *why)
{
	const struct function *f;

	if (!dialplan_func_check_write(name, args, true, value, true, why))
		return false;
	f = find(name, why);
	f->write(w, args, value);
	return true;
}

bool dialplan_var_check(const char *name, struct buf *why)
{
	static const char *const own[] = {"CHANNEL", "CONTEXT", "EXTEN", "PRIORITY"};
	size_t i;

	if (!expand_check_name(text_of(name), why))
		return false;
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(own[i], name) != 0)
			continue;
		buf_addf(why, "%s is set by the running extension; choose another name", name);
		return false;
	}
	return true;
}

/* Layer 3: dialplan: the applications that there are, and what their arguments may be. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dialplan_int.h"
#include "suggest.h"

#define WAIT_MAX_S 86400

static bool check_text(const char *args, struct buf *why)
{
	return expand_check(text_of(args), &dialplan_func_checks, why);
}

static bool check_wait(const char *args, struct buf *why)
{
	int64_t ms;

	if (!expand_is_literal(text_of(args)))
		return check_text(args, why);
	return dialplan_wait_parse(args, &ms, why);
}

static bool check_set_function(const struct assignment *a, struct buf *why)
{
	char *name = mem_strndup(a->name.s, a->name.len);
	char *args = mem_strndup(a->args.s, a->args.len);
	char *value = mem_strndup(a->value.s, a->value.len);
	bool ok = dialplan_func_check_write(
		name, args, expand_is_literal(a->args), value, expand_is_literal(a->value), why);

	free(name);
	free(args);
	free(value);
	return ok;
}

static bool check_set_variable(const struct assignment *a, struct buf *why)
{
	char *name = mem_strndup(a->name.s, a->name.len);
	bool ok = dialplan_var_check(name, why);

	free(name);
	return ok;
}

static bool check_set(const char *args, struct buf *why)
{
	struct assignment a;

	if (!expand_assignment(text_of(args), &a, why))
		return false;
	if (!expand_check(a.name, &dialplan_func_checks, why) ||
		!expand_check(a.args, &dialplan_func_checks, why) ||
		!expand_check(a.value, &dialplan_func_checks, why))
		return false;
	if (!expand_is_literal(a.name))
		return true;
	return a.is_function ? check_set_function(&a, why) : check_set_variable(&a, why);
}

static const struct {
	const char *name;
	bool (*check)(const char *args, struct buf *why);
} apps[DIALPLAN_APPS] = {
	[APP_NOOP] = {"NoOp", check_text},
	[APP_VERBOSE] = {"Verbose", check_text},
	[APP_SET] = {"Set", check_set},
	[APP_WAIT] = {"Wait", check_wait},
	[APP_HANGUP] = {"Hangup", check_text},
};

const char *dialplan_app_name(enum dialplan_app app)
{
	return apps[app].name;
}

bool dialplan_app_find(const char *name, enum dialplan_app *out, struct buf *why)
{
	const char *names[DIALPLAN_APPS];
	int i;

	for (i = 0; i < DIALPLAN_APPS; i++) {
		names[i] = apps[i].name;
		if (strcasecmp(names[i], name) == 0) {
			*out = (enum dialplan_app)i;
			return true;
		}
	}
	buf_addf(why, "unknown application '%s'", name);
	suggest_print(why, name, names, DIALPLAN_APPS);
	return false;
}

bool dialplan_app_check(enum dialplan_app app, const char *args, struct buf *why)
{
	return apps[app].check(args, why);
}

/* Decimal only: strtod() would take 1e3, 0x10, inf and a locale's comma. */
bool dialplan_wait_parse(const char *args, int64_t *ms, struct buf *why)
{
	struct text t = text_trim(text_of(args));
	size_t i = 0, digits = 0;
	int64_t unit = 100;

	*ms = 0;
	for (; i < t.len && isdigit((unsigned char)t.s[i]) && *ms <= WAIT_MAX_S; digits++)
		*ms = *ms * 10 + (t.s[i++] - '0');
	*ms *= 1000;
	if (i < t.len && t.s[i] == '.')
		for (i++; i < t.len && isdigit((unsigned char)t.s[i]); i++, digits++, unit /= 10)
			*ms += unit * (t.s[i] - '0');
	if (i == t.len && digits > 0 && *ms <= WAIT_MAX_S * INT64_C(1000))
		return true;
	buf_addf(why, "Wait(%s): write seconds, 0 to %d, like 1.5", args, WAIT_MAX_S);
	return false;
}

int dialplan_verbose_parse(const char *args, const char **message)
{
	size_t digits = strspn(args, "0123456789");

	*message = args;
	if (digits == 0 || digits > 3 || args[digits] != ',')
		return 0;
	*message = args + digits + 1;
	return atoi(args);
}

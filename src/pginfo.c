/* Layer 0: a conninfo and what this project adds to it. */
#include "pginfo.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "text.h"

/* Where one host is only tried before another, less: leases run on meanwhile. */
#define CONNECT_TIMEOUT_MS      5000
#define CONNECT_TIMEOUT_EACH_MS 2000

static PQconninfoOption *option_find(const struct pginfo *i, const char *key)
{
	for (PQconninfoOption *o = i->options; o->keyword; o++)
		if (strcmp(o->keyword, key) == 0)
			return o;
	return NULL;
}

static const char *empty_is_null(const char *s)
{
	return s && *s ? s : NULL;
}

static const char *option_get(const struct pginfo *i, const char *key)
{
	PQconninfoOption *o = option_find(i, key);

	return o ? empty_is_null(o->val) : NULL;
}

/* What the conninfo says, else what libpq takes from the environment. */
static const char *option_or_env(const struct pginfo *i, const char *key)
{
	PQconninfoOption *o = option_find(i, key);

	if (!o || o->val || !o->envvar)
		return o ? empty_is_null(o->val) : NULL;
	return empty_is_null(getenv(o->envvar));
}

/* libpq quotes the piece that it could not read: with a password that may be a part of
 * it. */
static void error_hide_quoted(char *text)
{
	char *from = strchr(text, '"'), *to = strrchr(text, '"');

	if (!from || to - from < 3)
		return;
	memcpy(from, "...", 3);
	memmove(from + 3, to + 1, strlen(to + 1) + 1);
}

static bool pginfo_parse(struct pginfo *i, const char *conninfo, char **error)
{
	char *message = NULL;

	i->options = PQconninfoParse(conninfo, &message);
	if (i->options)
		return true;
	*error = text_one_line(message ? message : "out of memory");
	PQfreemem(message);
	if (strstr(conninfo, "password") || strstr(conninfo, "://"))
		error_hide_quoted(*error);
	return false;
}

static int pginfo_timeout_ms(const struct pginfo *i)
{
	const char *text = option_or_env(i, "connect_timeout");
	int seconds = text ? atoi(text) : 0;

	if (seconds > 0 && seconds < 86400)
		return seconds * 1000;
	return i->hosts.n > 1 ? CONNECT_TIMEOUT_EACH_MS : CONNECT_TIMEOUT_MS;
}

static bool pginfo_hosts(struct pginfo *i, char **error)
{
	if (option_get(i, "service")) {
		*error = mem_strdup("service= is not supported: write host, port and dbname");
		return false;
	}
	return pghosts_parse(option_or_env(i, "host"), option_or_env(i, "hostaddr"),
		option_or_env(i, "port"), &i->hosts, error);
}

bool pginfo_init(
	struct pginfo *i, const char *conninfo, const char *application_name, char **error)
{
	*i = (struct pginfo){0};
	if (!pginfo_parse(i, conninfo, error))
		return false;
	if (!pginfo_hosts(i, error)) {
		pginfo_clear(i);
		return false;
	}
	i->application_name = mem_strdup(application_name);
	i->connect_timeout_ms = pginfo_timeout_ms(i);
	return true;
}

void pginfo_clear(struct pginfo *i)
{
	PQconninfoFree(i->options);
	pghosts_clear(&i->hosts);
	free(i->application_name);
	*i = (struct pginfo){0};
}

static void params_set(struct pginfo_params *p, const char *key, const char *value)
{
	if (!value)
		return;
	assert(p->n < PGINFO_PARAMS_MAX - 1);
	p->keys[p->n] = key;
	p->values[p->n++] = value;
	p->keys[p->n] = p->values[p->n] = NULL;
}

static bool params_is_ours(const char *key)
{
	static const char *const ours[] = {
		"host", "hostaddr", "port", "target_session_attrs", "client_encoding"};

	for (size_t n = 0; n < sizeof(ours) / sizeof(ours[0]); n++)
		if (strcmp(ours[n], key) == 0)
			return true;
	return false;
}

static void params_defaults(const struct pginfo *i, struct pginfo_params *p)
{
	static const char *const defaults[][2] = {
		{"keepalives_idle", "5"}, {"keepalives_interval", "2"}, {"keepalives_count", "3"},
		{"tcp_user_timeout", "10000"},
		{"gssencmode", "disable"}, /* Kerberos look-ups block */
	};

	for (size_t n = 0; n < sizeof(defaults) / sizeof(defaults[0]); n++)
		if (option_find(i, defaults[n][0]) && !option_or_env(i, defaults[n][0]))
			params_set(p, defaults[n][0], defaults[n][1]);
	/* PGAPPNAME does not count: it would name all nodes of a machine alike. */
	if (!option_get(i, "application_name"))
		params_set(p, "application_name", i->application_name);
}

void pginfo_params(const struct pginfo *i, const struct pghost *h, const char *address,
	struct pginfo_params *out)
{
	*out = (struct pginfo_params){.n = 0};
	for (PQconninfoOption *o = i->options; o->keyword; o++)
		if (o->val && *o->val && !params_is_ours(o->keyword))
			params_set(out, o->keyword, o->val);
	params_set(out, "host", h->host);
	params_set(out, "hostaddr", address ? address : h->hostaddr);
	params_set(out, "port", h->port);
	params_set(out, "target_session_attrs", "any"); /* pgconn.c checks */
	params_set(out, "client_encoding", "UTF8");
	params_defaults(i, out);
}

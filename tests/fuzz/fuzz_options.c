/* pgdevstate.conf: options, or errors; never neither, nor both. */
#include "fuzz.h"
#include "options.h"

/* "/f:LINE: what" each, fit for a terminal. */
static void check_lines(const char *text, size_t len)
{
	must(len == 0 || text[len - 1] == '\n');
	for (size_t i = 0; i < len; i++)
		must((unsigned char)text[i] >= ' ' || text[i] == '\n' || text[i] == '\t');
	must(len == 0 || strncmp(text, "/f", 2) == 0);
}

static void check_options(struct options *o)
{
	struct buf differs;
	const char *why;

	buf_init(&differs);
	options_diff(o, o, &differs);
	must(differs.len == 0);
	must(strlen(o->socket) <= 107 && o->socket[0] == '/' && *o->conninfo);
	must(o->lease_ms >= 2000 && o->lease_ms <= 3600000);
	must(name_check(o->system_name, strlen(o->system_name), &why));
	for (struct event_channel *c = o->channels; c; c = c->next)
		must(*c->name);
	check_lines(o->warnings, strlen(o->warnings));
	buf_clear(&differs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	struct buf errors;
	struct options *o;

	buf_init(&errors);
	o = options_parse("/f", text, size, &errors);
	must(o ? errors.len == 0 : errors.len > 0);
	check_lines(errors.data, errors.len);
	if (o)
		check_options(o);
	options_free(o);
	buf_clear(&errors);
	free(text);
	return 0;
}

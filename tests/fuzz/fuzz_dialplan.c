/* extensions.conf: a dialplan or errors; what was read is shown, and its extensions run.
 */
#include <event2/event.h>

#include "dialplan_int.h"
#include "fuzz.h"
#include "loop.h"

#define RUNS_MAX  8
#define TURNS_MAX 300

static struct event_base *base;
static struct dialplan_run *current;

static enum device_state device_state(void *arg, const char *device)
{
	(void)arg;
	return state_default(device);
}

static void set_device_state(void *arg, const char *device, enum device_state s)
{
	const char *why;

	(void)arg;
	must(device_check(device, &why) && s <= STATE_ONHOLD);
}

static bool exten_state(
	void *arg, const char *exten, const char *context, enum exten_state *out)
{
	(void)arg;
	*out = EXTEN_IDLE;
	return strlen(exten) > strlen(context);
}

static bool mailbox_counts(void *arg, const char *key, struct value *v)
{
	(void)arg;
	*v = (struct value){.fresh = 2, .old = 1};
	return strchr(key, 'x') == NULL;
}

static void set_mailbox_counts(void *arg, const char *key, const struct value *v)
{
	(void)arg;
	must(strchr(key, '@') && v->fresh <= 1000000 && v->old <= 1000000);
}

static void line(void *arg, const char *text)
{
	(void)arg;
	for (; *text; text++)
		must((unsigned char)*text >= ' ' || *text == '\t');
}

static void done(void *arg, bool ok)
{
	(void)arg;
	(void)ok;
	current = NULL;
}

static const struct dialplan_env env = {device_state, set_device_state, exten_state,
	mailbox_counts, set_mailbox_counts, line, done, NULL};

/* Waiting ones are hung up where they wait. */
static void run_exten(struct dialplan *d, const char *exten, const char *context)
{
	char *why = NULL;

	current = dialplan_start(base, d, exten, context, &env, &why);
	must(current ? !why : why && *why);
	free(why);
	for (int turns = 0; current && turns < TURNS_MAX; turns++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	dialplan_hangup(current);
	current = NULL;
}

static void run_all(struct dialplan *d)
{
	int runs = 0;

	for (struct dialplan_context *c = d->contexts; c; c = c->hh.next)
		for (struct dialplan_exten *e = c->extens; e && runs < RUNS_MAX; e = e->hh.next)
			if (e->nprios > 0) {
				run_exten(d, e->name, c->name);
				runs++;
			}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	struct buf errors, shown;
	struct dialplan *d;

	if (!base)
		base = loop_new();
	buf_init(&errors);
	buf_init(&shown);
	d = dialplan_parse("/f", text, size, &errors);
	must(d ? errors.len == 0 : errors.len > 0 && errors.data[errors.len - 1] == '\n');
	if (d) {
		dialplan_print(d, &shown);
		run_all(d);
	}
	dialplan_free(d);
	buf_clear(&errors);
	buf_clear(&shown);
	free(text);
	return 0;
}

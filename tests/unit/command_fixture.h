/* What tests of commands need: an app around a fake node, and somebody who calls. */
#ifndef COMMAND_FIXTURE_H
#define COMMAND_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

#include "app.h"
#include "command.h"
#include "dialplan.h"
#include "fake_node.h"
#include "hint.h"
#include "loop.h"
#include "options.h"

struct fixture {
	struct app app;
	struct options options;
	struct event_channel channels[2];
	/* the caller */
	struct buf out, err;
	int status; /* -1: the command runs */
	bool full;  /* the caller does not read */
	struct call *call;
	/* what main.c was asked for */
	bool reload_fails;
	int stopped; /* 1: now, 2: gracefully */
};

static inline enum device_state fixture_lookup(void *arg, const char *device)
{
	return node_device_state(arg, device);
}

static inline bool fixture_reload(struct app *app, struct buf *messages)
{
	struct fixture *f = app->owner;

	buf_adds(messages, f->reload_fails ? "x.conf:3: no such option 'foo'\n" : "");
	return !f->reload_fails;
}

static inline void fixture_stop(struct app *app, bool gracefully)
{
	struct fixture *f = app->owner;

	f->stopped = gracefully ? 2 : 1;
}

static inline const char *fixture_database(struct app *app)
{
	(void)app;
	return "db1:5432";
}

static inline void fixture_options(struct fixture *f)
{
	struct options *o = &f->options;

	f->channels[0] =
		(struct event_channel){"mwi", {false, true}, {false, true}, &f->channels[1]};
	f->channels[1] =
		(struct event_channel){"device_state", {true, false}, {true, false}, NULL};
	o->file = "/etc/x/server1.conf";
	entity_id_parse("01:23:45:67:89:ab", &o->entity_id);
	o->system_name = "server1";
	o->run_directory = "/run/x";
	o->socket = "/run/x/server1.ctl";
	o->link_socket = "/run/x/server1.link";
	o->dialplan = "/etc/x/extensions.conf";
	o->log_file = "";
	o->lease_ms = 10000;
	o->stale_after_ms = 60000;
	o->channels = f->channels;
	o->warnings = "";
}

static inline void fixture_dialplan(struct fixture *f, const char *text)
{
	char path[] = "/tmp/fixture-extensions-XXXXXX";
	int fd = mkstemp(path);
	struct buf errors;

	buf_init(&errors);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	dialplan_free(f->app.dialplan);
	f->app.dialplan = dialplan_read(path, &errors);
	unlink(path);
	assert_string_equal(buf_str(&errors), "");
	assert_non_null(f->app.dialplan);
}

static inline struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fixture_options(f);
	f->app.base = loop_new();
	f->app.node = fake_node_new();
	f->app.hints = hints_new(fixture_lookup, f->app.node);
	f->app.options = &f->options;
	f->app.dialplan = dialplan_empty();
	f->app.reload = fixture_reload;
	f->app.stop = fixture_stop;
	f->app.database = fixture_database;
	f->app.owner = f;
	f->status = -1;
	buf_init(&f->out);
	buf_init(&f->err);
	return f;
}

static inline void fixture_hint(
	struct fixture *f, const char *exten, const char *context, const char *devices)
{
	const char *why = "";

	hints_begin(f->app.hints);
	assert_true(hints_add(f->app.hints, exten, context, devices, &why));
	hints_end(f->app.hints);
}

static inline void fixture_free(struct fixture *f)
{
	command_free(f->call);
	hints_free(f->app.hints);
	dialplan_free(f->app.dialplan);
	fake_node_free(f->app.node);
	loop_free(f->app.base);
	buf_clear(&f->out);
	buf_clear(&f->err);
	free(f);
}

static inline void fixture_out(void *arg, const char *bytes, size_t len)
{
	buf_add(&((struct fixture *)arg)->out, bytes, len);
}

static inline void fixture_err(void *arg, const char *bytes, size_t len)
{
	buf_add(&((struct fixture *)arg)->err, bytes, len);
}

static inline void fixture_end(void *arg, int status)
{
	struct fixture *f = arg;

	assert_int_equal(f->status, -1);
	f->status = status;
}

static inline bool fixture_ready(void *arg)
{
	return !((struct fixture *)arg)->full;
}

/* Starts a command; it may still run when this returns (status -1). */
static inline void fixture_start(struct fixture *f, const char *line, bool json)
{
	struct call_sink sink = {fixture_out, fixture_err, fixture_end, fixture_ready, f};

	command_free(f->call);
	f->call = NULL;
	buf_reset(&f->out);
	buf_reset(&f->err);
	f->status = -1;
	f->call = command_start(&f->app, line, strlen(line), json, &sink);
}

/* Turns the loop until the command ended; the database acknowledges at once. */
static inline void fixture_finish(struct fixture *f)
{
	for (int turns = 0; f->status < 0; turns++) {
		assert_true(turns < 100000);
		event_base_loop(f->app.base, EVLOOP_NONBLOCK);
		command_more(f->call);
		fake_ack(f->app.node, true);
	}
}

static inline int fixture_run(struct fixture *f, const char *line)
{
	fixture_start(f, line, false);
	fixture_finish(f);
	return f->status;
}

/* The JSON document that a command answered; the caller gives it back. */
static inline json_t *fixture_json(struct fixture *f, const char *line)
{
	json_error_t error;
	json_t *document;

	fixture_start(f, line, true);
	fixture_finish(f);
	document = json_loads(buf_str(&f->out), JSON_REJECT_DUPLICATES, &error);
	if (!document)
		fail_msg("%s: %s in: %s", line, error.text, buf_str(&f->out));
	return document;
}

/* Golden text: the whole output. */
#define assert_output(f, line, expected)                   \
	do {                                                   \
		assert_int_equal(fixture_run(f, line), 0);         \
		assert_string_equal(buf_str(&(f)->out), expected); \
		assert_string_equal(buf_str(&(f)->err), "");       \
	} while (0)

#define assert_contains(text, part)                     \
	do {                                                \
		if (!strstr(text, part))                        \
			fail_msg("'%s' is not in: %s", part, text); \
	} while (0)

#define assert_fails(f, line, part)                \
	do {                                           \
		assert_int_equal(fixture_run(f, line), 1); \
		assert_contains(buf_str(&(f)->err), part); \
	} while (0)

static inline int fixture_setup(void **state)
{
	*state = fixture_new();
	return 0;
}

static inline int fixture_teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

#define fixture_test(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif

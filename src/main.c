/*
 * Layer 3: pgdevstated, the daemon. Reads its files, wires stage to stage (wire()), runs
 * the loop. After it is ready, nothing that the network, the database or a file does ends
 * it.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "app.h"
#include "clock.h"
#include "console.h"
#include "dialplan.h"
#include "hint.h"
#include "link_socket.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "node.h"
#include "options.h"
#include "pgport.h"
#include "schema_version.h"
#include "service.h"

#define SIGNALS     5
#define HANDOVER_MS 3000

struct daemon {
	struct app app;
	struct pgport *port;
	struct loop_timer *timer; /* the node's */
	struct event *signals[SIGNALS];
	struct service service;
	char host[256];
	char boot_id[64];
	char *system_name; /* the node's for its life; a reload frees the options' */
	bool foreground;
	bool said_ready;
	bool stopping;
};

/* ---- the node's clock ---- */

static int64_t wait_ms(const struct daemon *d)
{
	int64_t next_us = node_next_us(d->app.node);
	int64_t wait_us = next_us - clock_mono_us();

	if (wait_us <= 0)
		return 0;
	return wait_us / 1000 + 1 < 3600000 ? wait_us / 1000 + 1 : 3600000;
}

static void node_rearm(void *arg)
{
	struct daemon *d = arg;

	if (d->app.node)
		loop_timer_start(d->timer, wait_ms(d));
}

static void node_tick(void *arg)
{
	struct daemon *d = arg;

	node_timer(d->app.node, clock_mono_us());
	node_rearm(d);
}

/* ---- stage 7 -> 8 ---- */

static void node_changed(void *arg, enum key_kind kind, const char *key,
	const struct sum *was, const struct sum *now)
{
	struct daemon *d = arg;

	(void)was;
	(void)now;
	if (kind == KEY_DEVICE)
		hints_device_changed(d->app.hints, key);
}

static enum device_state hint_asks(void *arg, const char *device)
{
	struct daemon *d = arg;

	return d->app.node ? node_device_state(d->app.node, device) : state_default(device);
}

static void node_phase_is(void *arg, enum node_phase phase)
{
	struct daemon *d = arg;

	service_status(&d->service, node_phase_name(phase));
	if (d->app.link)
		links_phase(link_socket_links(d->app.link), phase);
	if (phase == NODE_READY)
		log_notice("daemon", "the database is %s", pgport_host(d->port));
}

static void node_has_left(void *arg)
{
	struct daemon *d = arg;

	loop_stop(d->app.base);
}

/* ---- the port's events: the node's clock is set before each ---- */

static struct db_events to_node(struct daemon *d)
{
	node_now(d->app.node, clock_mono_us());
	return node_events(d->app.node);
}

static void port_result(void *arg, const struct db_result *res)
{
	struct db_events ev = to_node(arg);

	ev.result(ev.arg, res);
}

static void port_payload(void *arg, enum db_op op, const char *text, size_t len)
{
	struct db_events ev = to_node(arg);

	ev.payload(ev.arg, op, text, len);
}

static void port_notify(void *arg, const char *text, size_t len)
{
	struct db_events ev = to_node(arg);

	ev.notify(ev.arg, text, len);
}

static void port_lost(void *arg, const char *sqlstate, const char *reason)
{
	struct db_events ev = to_node(arg);

	ev.lost(ev.arg, sqlstate, reason);
}

/* ---- files ---- */

static void log_lines(enum log_level level, const char *lines)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		log_write(level, "config", "%.*s", (int)len, lines);
		lines += len + (lines[len] == '\n');
	}
}

static struct dialplan *read_dialplan(const struct options *o, struct buf *errors)
{
	return o->dialplan[0] ? dialplan_read(o->dialplan, errors) : dialplan_empty();
}

struct hint_load {
	struct hints *hints;
	struct buf *errors;
	bool ok;
};

static bool load_hint(void *arg, const char *exten, const char *context,
	const char *devices, const char *file, int line)
{
	struct hint_load *load = arg;
	const char *why;

	if (hints_add(load->hints, exten, context, devices, &why))
		return true;
	buf_addf(load->errors, "%s:%d: hint %s@%s: %s\n", file, line, exten, context, why);
	load->ok = false;
	return true;
}

static bool load_hints(struct hints *h, const struct dialplan *plan, struct buf *errors)
{
	struct hint_load load = {h, errors, true};

	hints_begin(h);
	dialplan_each_hint(plan, load_hint, &load);
	if (load.ok)
		hints_end(h);
	else
		hints_abort(h);
	return load.ok;
}

static void event_settings(
	const struct options *o, bool publish[KEY_KINDS], bool subscribe[KEY_KINDS])
{
	publish[KEY_DEVICE] = options_publishes(o, EVENT_DEVICE_STATE);
	publish[KEY_MAILBOX] = options_publishes(o, EVENT_MWI);
	subscribe[KEY_DEVICE] = options_subscribes(o, EVENT_DEVICE_STATE);
	subscribe[KEY_MAILBOX] = options_subscribes(o, EVENT_MWI);
}

static void reopen_log(void)
{
	if (!log_reopen())
		log_error("log", "cannot open the log file anew, going on with the old one: %s",
			strerror(errno));
}

/* Everything is read and checked before anything is replaced. */
static bool app_reload(struct app *app, struct buf *messages)
{
	struct options *o = options_read(app->options->file, messages);
	struct dialplan *plan = o ? read_dialplan(o, messages) : NULL;
	bool publish[KEY_KINDS], subscribe[KEY_KINDS];
	struct buf changed = {0};

	if (!plan || !load_hints(app->hints, plan, messages)) {
		log_lines(LOG_LEVEL_ERROR, buf_str(messages));
		log_error("config", "reload failed, the running configuration is kept");
		options_free(o);
		dialplan_free(plan);
		return false;
	}
	options_diff(app->options, o, &changed);
	if (changed.len > 0)
		buf_addf(messages, "%s: changed, but in force only after a restart: %s\n",
			o->file, buf_str(&changed));
	buf_clear(&changed);
	buf_adds(messages, o->warnings);
	log_lines(LOG_LEVEL_WARNING, buf_str(messages));
	event_settings(o, publish, subscribe);
	node_now(app->node, clock_mono_us());
	node_reconfigure(app->node, publish, subscribe, o->stale_after_ms, o->announce);
	if (o->debug != app->options->debug)
		log_set_debug(o->debug);
	if (o->verbose != app->options->verbose)
		app->verbose = o->verbose;
	options_keep(app->options, o);
	options_free(app->options);
	dialplan_free(app->dialplan);
	app->options = o;
	app->dialplan = plan;
	app->reloaded_us = clock_mono_us();
	reopen_log();
	log_notice("config", "reloaded file=%s hints=%d", o->file, hints_count(app->hints));
	return true;
}

/* ---- stopping, signals ---- */

static void app_stop(struct app *app, bool gracefully)
{
	struct daemon *d = app->owner;

	if (d->stopping && gracefully)
		return;
	log_notice("daemon", "stopping %s", gracefully ? "gracefully" : "now");
	service_stopping(&d->service);
	if (d->stopping) {
		loop_stop(app->base);
		return;
	}
	d->stopping = true;
	node_now(app->node, clock_mono_us());
	node_leave(app->node, gracefully);
}

static const char *app_database(struct app *app)
{
	struct daemon *d = app->owner;

	return pgport_host(d->port);
}

static void handed_over(void *arg, bool acked)
{
	struct daemon *d = arg;

	(void)acked;
	loop_stop(d->app.base);
}

/*
 * Another process of ours follows within the lease: no goodbye, so that what the
 * telephone server said goes on counting.
 */
static void hand_over(struct daemon *d)
{
	if (d->stopping)
		return;
	log_notice("daemon", "stopping, to be started again within the lease");
	service_stopping(&d->service);
	d->stopping = true;
	node_now(d->app.node, clock_mono_us());
	node_when_acked(d->app.node, HANDOVER_MS, handed_over, d);
}

static void got_signal(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;
	struct buf messages = {0};

	(void)what;
	if (sig == SIGHUP) {
		log_notice("daemon", "SIGHUP: reloading");
		app_reload(&d->app, &messages);
		buf_clear(&messages);
	} else if (sig == SIGUSR1) {
		reopen_log();
	} else if (sig == SIGUSR2) {
		hand_over(d);
	} else {
		app_stop(&d->app, true);
	}
}

static void watch_signals(struct daemon *d)
{
	static const int numbers[SIGNALS] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT};

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < SIGNALS; i++) {
		signal(numbers[i], SIG_IGN); /* what the loop restores at the end */
		d->signals[i] = evsignal_new(d->app.base, numbers[i], got_signal, d);
		event_add(d->signals[i], NULL);
	}
}

/* ---- wiring ---- */

static struct node_config node_settings(struct daemon *d)
{
	const struct options *o = d->app.options;

	d->system_name = mem_strdup(o->system_name);
	struct node_config cfg = {
		.self = {.entity = o->entity_id,
			.name = d->system_name,
			.host = d->host,
			.boot_id = d->boot_id,
			.version = PGDEVSTATE_VERSION,
			.pid = (int)getpid(),
			.lease_ms = o->lease_ms,
			.built_for = SCHEMA_VERSION},
		.stale_after_ms = o->stale_after_ms,
		.announce = o->announce,
	};

	event_settings(o, cfg.publish, cfg.subscribe);
	return cfg;
}

/* The telephone server's entity id is ours from now on, and after a restart. */
static void link_becomes(void *arg, const struct entity_id *id)
{
	struct daemon *d = arg;

	d->app.options->entity_id = *id;
	if (!entity_id_remember(d->app.options->run_directory, id))
		log_warning("daemon",
			"cannot write the entity id into the run directory, a restart begins with "
			"another one: %s",
			strerror(errno));
	node_become(d->app.node, id);
}

static bool link_wire(struct daemon *d, char **error)
{
	const struct options *o = d->app.options;
	struct link_socket_config cfg = {.path = o->link_socket,
		.group = o->link_group,
		.link = {.entity = o->entity_id,
			.entity_is_set = o->has_entity_id,
			.name = d->system_name,
			.file = o->file,
			.version = PGDEVSTATE_VERSION},
		.become = link_becomes,
		.arg = d};

	d->app.link = link_socket_new(d->app.base, d->app.node, &cfg, error);
	return d->app.link != NULL;
}

/*
 * Stage to stage, as the flow goes:
 *   1 link, 9 faces -> 2 outbox -> 3 publisher -> pgport -> PostgreSQL (4, 5)
 *   PostgreSQL -> pgport -> 6 listener -> 7 cache -> 8 hints -> 9 faces, 1 link
 * Stages 2 to 7 are wired inside node.c; false: `errors` says why.
 */
static bool wire(struct daemon *d, struct buf *errors)
{
	static const struct node_callbacks from_node = {
		node_changed, node_phase_is, node_rearm, node_has_left};
	struct db_events from_port = {port_result, port_payload, port_notify, port_lost, d};
	struct app *app = &d->app;
	struct node_config cfg = node_settings(d);
	struct db_port port;
	char *error = NULL;

	app->hints = hints_new(hint_asks, d);
	if (!load_hints(app->hints, app->dialplan, errors))
		return false;
	d->port = pgport_new(app->base, app->options->conninfo, "pgdevstated", &error);
	if (d->port)
		app->console = console_new(app, app->options->socket, &error);
	if (app->console) {
		port = pgport_port(d->port);
		d->timer = loop_timer_new(app->base, node_tick, d);
		app->node = node_new(&cfg, &port, &from_node, d, clock_mono_us());
		pgport_set_events(d->port, &from_port);
	}
	if (app->console && link_wire(d, &error))
		return true;
	buf_addf(errors, "%s\n", error);
	free(error);
	return false;
}

static void unwire(struct daemon *d)
{
	console_free(d->app.console);
	link_socket_free(d->app.link);
	loop_timer_free(d->timer);
	pgport_free(d->port);
	node_free(d->app.node);
	hints_free(d->app.hints);
	dialplan_free(d->app.dialplan);
	options_free(d->app.options);
	free(d->system_name);
	for (int i = 0; i < SIGNALS; i++) {
		if (d->signals[i])
			event_free(d->signals[i]);
	}
	service_end(&d->service);
	loop_free(d->app.base);
	log_close();
}

/* ---- start ---- */

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: pgdevstated [-f] [-C FILE] [-d]...\n"
		"Shares device states and mailbox counts with a cluster through PostgreSQL.\n\n"
		"  -f, --foreground   do not become a daemon; log to the terminal\n"
		"  -C, --config FILE  configuration, default %s\n"
		"  -d, --debug        more debugging, as [options] debug\n"
		"  -t, --test         read and check the configuration, then exit\n"
		"  -V, --version\n"
		"  -h, --help\n",
		PGDEVSTATE_CONF);
}

struct arguments {
	const char *file;
	bool foreground, test;
	int debug;
};

/* -1: go on; else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option longs[] = {{"foreground", no_argument, NULL, 'f'},
		{"config", required_argument, NULL, 'C'}, {"debug", no_argument, NULL, 'd'},
		{"test", no_argument, NULL, 't'}, {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "fC:dtVh", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			a->foreground = true;
			break;
		case 'C':
			a->file = optarg;
			break;
		case 'd':
			a->debug++;
			break;
		case 't':
			a->test = true;
			break;
		case 'V':
			printf("pgdevstated %s\n", PGDEVSTATE_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "pgdevstated: unexpected argument \"%s\"\n", argv[optind]);
		usage(stderr);
		return 2;
	}
	return -1;
}

static bool read_files(struct daemon *d, const struct arguments *a, struct buf *errors)
{
	struct app *app = &d->app;

	app->options = options_read(a->file, errors);
	app->dialplan = app->options ? read_dialplan(app->options, errors) : NULL;
	if (!app->dialplan)
		return false;
	app->verbose = app->options->verbose;
	log_set_debug(a->debug > app->options->debug ? a->debug : app->options->debug);
	return true;
}

static void read_host(struct daemon *d)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");

	if (gethostname(d->host, sizeof(d->host) - 1) != 0)
		snprintf(d->host, sizeof(d->host), "localhost");
	if (!f || fscanf(f, "%63s", d->boot_id) != 1)
		d->boot_id[0] = '\0'; /* then a restart waits for its lease */
	if (f)
		fclose(f);
}

static bool open_log(const struct daemon *d, struct buf *errors)
{
	const char *file = d->app.options->log_file;

	if (file[0]) {
		if (log_open(LOG_TO_FILE, file))
			return true;
		buf_addf(errors, "%s: cannot open the log: %s; set log_file in [options]\n", file,
			strerror(errno));
		return false;
	}
	return log_open(d->foreground ? LOG_TO_STDERR : LOG_TO_SYSLOG, NULL);
}

static int fail(struct daemon *d, struct buf *errors)
{
	fputs(buf_str(errors), stderr);
	buf_clear(errors);
	unwire(d);
	return 1;
}

/* Nobody else has these: they are gone with the process. */
static void tell_undelivered(struct node *node)
{
	struct node_status status;

	node_get_status(node, &status);
	if (status.unsent > 0)
		log_warning("daemon",
			"the database did not take what was said last of devices and mailboxes: "
			"lost=%zu %s",
			status.unsent, status.last_error);
}

static int run(struct daemon *d)
{
	struct app *app = &d->app;
	char id[ENTITY_ID_TEXT];

	log_notice("daemon", "pgdevstated %s starts entity=%s name=%s pid=%d",
		PGDEVSTATE_VERSION, entity_id_print(&app->options->entity_id, id),
		app->options->system_name, (int)getpid());
	if (!app->options->has_entity_id)
		log_notice("daemon",
			"entity_id is auto: the id is that of the telephone server that was linked "
			"last, else the MAC address of the first network interface");
	log_lines(LOG_LEVEL_WARNING, app->options->warnings);
	watch_signals(d);
	service_ready(&d->service);
	if (!entity_id_usable(&app->options->entity_id))
		service_status(&d->service, "waiting for an entity id: a telephone server's, or "
									"one in the configuration");
	node_start(app->node, clock_mono_us());
	loop_run(app->base);
	tell_undelivered(app->node);
	log_notice("daemon", "stopped");
	unwire(d);
	return 0;
}

static void recall_entity(struct options *o)
{
	if (!o->has_entity_id)
		entity_id_recall(o->run_directory, &o->entity_id);
}

/* All is well, but perhaps for what only the host, or a telephone server, can tell. */
static int tested(struct daemon *d)
{
	struct options *o = d->app.options;

	recall_entity(o);
	if (!entity_id_usable(&o->entity_id))
		fprintf(stderr, "%s: %s\n", o->file, node_no_entity);
	printf("%s: all is well\n", o->file);
	unwire(d);
	return 0;
}

int main(int argc, char **argv)
{
	struct arguments a = {.file = PGDEVSTATE_CONF};
	struct daemon d = {0};
	struct buf errors = {0};
	int status = parse_arguments(argc, argv, &a);

	if (status >= 0)
		return status;
	d.foreground = a.foreground;
	d.app.owner = &d;
	d.app.reload = app_reload;
	d.app.stop = app_stop;
	d.app.database = app_database;
	if (!read_files(&d, &a, &errors))
		return fail(&d, &errors);
	if (a.test &&
		!service_check(d.app.options->run_directory, d.app.options->log_file, &errors))
		return fail(&d, &errors);
	if (a.test)
		return tested(&d);
	if (!open_log(&d, &errors) ||
		!service_begin(&d.service, d.app.options->run_directory, !a.foreground, &errors))
		return fail(&d, &errors);
	recall_entity(d.app.options);
	read_host(&d);
	d.app.base = loop_new();
	d.app.started_us = clock_mono_us();
	if (!wire(&d, &errors))
		return fail(&d, &errors);
	return run(&d);
}

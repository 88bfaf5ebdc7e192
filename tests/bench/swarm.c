/*
 * Many nodes in few processes: the daemon's own objects (node, listener, cache, pgport),
 * each with a session of its own, without links and consoles. Usage: swarm CONNINFO NODES
 * PROCESSES. Commands on standard input, answers of name=value as in path.h:
 *
 *   paced RATE MS    RATE changes a second for so long, the nodes in turn; each is seen
 *                    by all other nodes: n, p50_us, p99_us, max_us, said, expected (to be
 *                    seen), behind_ms (from the last word until all was seen; at most 10
 *                    s), cpu_ms (of the nodes and of this tool)
 *
 * Each change is of a device of its own, for some seconds; they share their time of
 * saying in memory.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "node.h"
#include "path.h"
#include "pgport.h"
#include "schema_version.h"
#include "samples.h"

#define PROCESSES  8
#define DEVICES    8192
#define READY_US   120000000
#define SILENCE_US 3000000
#define LATE_US    10000000 /* then those who did not keep up are left */
#define CHECK_MS   1

struct shared {
	atomic_int ready;
	atomic_int order; /* number of the command */
	double rate;
	int64_t since_us, until_us;
	atomic_llong said;
	int devices; /* a multiple of the nodes */
	int run;     /* in their names: those of a swarm before this one count, too */
	_Atomic int64_t said_us[DEVICES];
	struct {
		_Alignas(64) atomic_llong seen; /* only this process writes here */
		_Atomic int64_t last_seen_us;
		struct samples took;
	} by[PROCESSES];
};

struct bench_node {
	struct node *node;
	struct pgport *port;
	struct loop_timer *timer;
	struct entity_id id;
	char name[32];
	bool ready;
};

static struct shared *shared;
static struct {
	struct event_base *base;
	struct loop_timer *check;
	struct bench_node *nodes;
	int count, process, processes, all;
	int order;
	int64_t said; /* of this process, of this order */
	uint8_t state[DEVICES];
	bool saying;
	char prefix[32]; /* of the devices of this run */
	size_t prefix_len;
} self;

static void rearm(void *arg)
{
	struct bench_node *n = arg;
	int64_t wait_us = n->node ? node_next_us(n->node) - clock_mono_us() : 0;

	loop_timer_start(n->timer, wait_us > 0 ? wait_us / 1000 + 1 : 0);
}

static void timer(void *arg)
{
	struct bench_node *n = arg;

	node_timer(n->node, clock_mono_us());
	rearm(n);
}

static void changed(void *arg, enum key_kind kind, const char *key, const struct sum *was,
	const struct sum *now)
{
	int64_t now_us = clock_mono_us();
	char *end;
	long device;

	(void)arg;
	(void)kind;
	(void)was;
	(void)now;
	if (self.saying || self.order == 0) /* its own; what was there before */
		return;
	if (strncmp(key, self.prefix, self.prefix_len) != 0)
		return;
	device = strtol(key + self.prefix_len, &end, 10);
	if (*end || device < 0 || device >= DEVICES)
		return;
	samples_add(&shared->by[self.process].took, now_us - shared->said_us[device]);
	shared->by[self.process].seen++;
	shared->by[self.process].last_seen_us = now_us;
}

static void phase(void *arg, enum node_phase p)
{
	struct bench_node *n = arg;

	if (p == NODE_READY && !n->ready) {
		n->ready = true;
		atomic_fetch_add(&shared->ready, 1);
	}
}

static void left(void *arg)
{
	(void)arg;
}

static struct db_events events(void *arg)
{
	struct bench_node *n = arg;

	node_now(n->node, clock_mono_us());
	return node_events(n->node);
}

static void on_result(void *arg, const struct db_result *res)
{
	struct db_events e = events(arg);

	e.result(e.arg, res);
}

static void on_payload(void *arg, enum db_op op, const char *text, size_t len)
{
	struct db_events e = events(arg);

	e.payload(e.arg, op, text, len);
}

static void on_notify(void *arg, const char *text, size_t len)
{
	struct db_events e = events(arg);

	e.notify(e.arg, text, len);
}

static void on_lost(void *arg, const char *sqlstate, const char *reason)
{
	struct db_events e = events(arg);

	e.lost(e.arg, sqlstate, reason);
}

static void node_make(struct bench_node *n, const char *conninfo, int number)
{
	static const struct node_callbacks cb = {changed, phase, rearm, left};
	struct node_config cfg = {
		.announce = true, .publish = {true, true}, .subscribe = {true, true}};
	struct db_events ev = {on_result, on_payload, on_notify, on_lost, n};
	struct db_port port;
	char *error = NULL;

	snprintf(n->name, sizeof(n->name), "swarm%d", number);
	n->id = (struct entity_id){
		{2, 0, 0, 0xbe, (uint8_t)(number / 256), (uint8_t)(number % 256)}};
	cfg.self = (struct db_self){.entity = n->id,
		.name = n->name,
		.host = "bench",
		.boot_id = "bench",
		.version = "bench",
		.pid = (int)getpid(),
		.lease_ms = 30000,
		.built_for = SCHEMA_VERSION};
	n->port = pgport_new(self.base, conninfo, "bench", &error);
	if (!n->port)
		path_die("conninfo", error);
	port = pgport_port(n->port);
	pgport_set_events(n->port, &ev);
	n->timer = loop_timer_new(self.base, timer, n);
	n->node = node_new(&cfg, &port, &cb, n, clock_mono_us());
	node_start(n->node, clock_mono_us());
}

/* ---- saying ---- */

/* The k-th change of all; this process says those of its nodes. */
static void say(int64_t k)
{
	int device = (int)(k % shared->devices);
	struct bench_node *n = &self.nodes[k % self.all / self.processes];
	struct value v = {.held = true};
	char name[48];

	self.state[device] ^= 1;
	v.state = self.state[device] ? STATE_INUSE : STATE_NOT_INUSE;
	snprintf(name, sizeof(name), "%s%05d", self.prefix, device);
	self.saying = true;
	shared->said_us[device] = clock_mono_us();
	node_now(n->node, clock_mono_us());
	node_set(n->node, KEY_DEVICE, name, &v);
	self.saying = false;
	atomic_fetch_add(&shared->said, 1);
}

static void check(void *arg)
{
	int64_t now_us = clock_mono_us();
	int64_t due;

	(void)arg;
	if (self.order != shared->order) {
		self.order = shared->order;
		self.said = 0;
	}
	if (now_us > shared->until_us)
		now_us = shared->until_us;
	due = self.order ? (int64_t)((double)(now_us - shared->since_us) * shared->rate / 1e6)
					 : 0;
	while (self.said < due) {
		if (self.said % self.all % self.processes == self.process)
			say(self.said);
		self.said++;
	}
	loop_timer_start(self.check, CHECK_MS);
}

static void child(const char *conninfo, int process, int processes, int all)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_open(LOG_TO_FILE, "/dev/null");
	self.process = process;
	self.processes = processes;
	self.all = all;
	self.prefix_len =
		(size_t)snprintf(self.prefix, sizeof(self.prefix), "PJSIP/%d-", shared->run);
	self.base = loop_new();
	self.nodes = mem_alloc((size_t)all * sizeof(*self.nodes));
	for (int i = process; i < all; i += processes)
		node_make(&self.nodes[self.count++], conninfo, i);
	self.check = loop_timer_new(self.base, check, NULL);
	loop_timer_start(self.check, CHECK_MS);
	loop_run(self.base);
	_exit(0);
}

/* ---- the parent ---- */

static void children_live(void)
{
	if (waitpid(-1, NULL, WNOHANG) != 0)
		path_die("swarm", "one of its processes has ended");
}

static void wait_ready(int nodes)
{
	int64_t until = clock_mono_us() + READY_US;
	char why[100];

	while (shared->ready < nodes) {
		usleep(10000);
		children_live();
		if (clock_mono_us() < until)
			continue;
		snprintf(why, sizeof(why), "%d of %d nodes are ready after 120 s", shared->ready,
			nodes);
		path_die("swarm", why);
	}
}

static int64_t cpu_us(const pid_t *children, int processes)
{
	int64_t all_us = 0;
	struct timespec t;
	clockid_t clock;

	for (int i = 0; i < processes; i++) {
		if (clock_getcpuclockid(children[i], &clock) != 0 ||
			clock_gettime(clock, &t) != 0)
			path_die("swarm", "one of its processes has no clock");
		all_us += t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
	}
	return all_us;
}

static int64_t seen_by_all(int processes, int64_t *last_us)
{
	int64_t seen = 0;

	*last_us = shared->until_us;
	for (int i = 0; i < processes; i++) {
		seen += shared->by[i].seen;
		if (shared->by[i].last_seen_us > *last_us)
			*last_us = shared->by[i].last_seen_us;
	}
	return seen;
}

static void run_paced(
	double rate, int ms, int nodes, const pid_t *children, int processes)
{
	struct samples took;
	int64_t expected, seen, last_us, cpu = cpu_us(children, processes);

	samples_clear(&took);
	for (int i = 0; i < processes; i++) {
		samples_clear(&shared->by[i].took);
		shared->by[i].seen = shared->by[i].last_seen_us = 0;
	}
	shared->said = 0;
	shared->rate = rate;
	shared->since_us = clock_mono_us();
	shared->until_us = shared->since_us + ms * 1000LL;
	atomic_fetch_add(&shared->order, 1);
	do {
		usleep(5000);
		children_live();
		expected = shared->said * (nodes - 1);
		seen = seen_by_all(processes, &last_us);
	} while (clock_mono_us() < shared->until_us + 100000 ||
			 (seen < expected && clock_mono_us() < last_us + SILENCE_US &&
				 clock_mono_us() < shared->until_us + LATE_US));
	for (int i = 0; i < processes; i++)
		samples_join(&took, &shared->by[i].took);
	samples_print(&took);
	printf(" said=%lld expected=%lld behind_ms=%.1f cpu_ms=%.1f\n",
		(long long)shared->said, (long long)expected,
		(double)(last_us - shared->until_us) / 1000,
		(double)(cpu_us(children, processes) - cpu) / 1000);
}

int main(int argc, char **argv)
{
	int nodes = argc == 4 ? atoi(argv[2]) : 0, processes = argc == 4 ? atoi(argv[3]) : 0;
	pid_t children[PROCESSES];
	char line[200];
	double rate;
	int ms;

	if (nodes < 2 || nodes > DEVICES / 4 || processes < 1 || processes > PROCESSES)
		path_die("usage", "swarm CONNINFO NODES PROCESSES");
	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		path_die("swarm", "no memory to share");
	shared->devices = DEVICES / nodes * nodes;
	shared->run = (int)getpid();
	for (int i = 0; i < processes; i++) {
		children[i] = fork();
		if (children[i] < 0)
			path_die("swarm", "no process more");
		if (children[i] == 0)
			child(argv[1], i, processes, nodes);
	}
	wait_ready(nodes);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready=1");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "paced %lf %d", &rate, &ms) != 2)
			path_die("no such command", line);
		run_paced(rate, ms, nodes, children, processes);
	}
	return 0; /* the children end with it */
}

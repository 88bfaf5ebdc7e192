/* The simulator's clock: events in order, the story that they tell, one run of a plan. */
#include "sim.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "mem.h"

#define MOST_EVENTS  3000000
#define SETTLE_US    (60 * SECOND) /* after the last fault, all agree */
#define STAY_US      (20 * SECOND) /* and go on to, for at least so long */
#define LOOK_US      (250 * MS)
#define FIRST_ENTITY 0x10

struct sim *sim_now;
int story_level;

/* ---- seams: what the node takes from the system ---- */

/* The first that a clone's process draws is the incarnation that it believes to be. */
static bool clone_bytes(struct box *b, uint8_t *out)
{
	const char *text = b->clone_of.text;
	unsigned byte;

	if (b->cloned)
		return false;
	b->cloned = true;
	for (int i = 0; i < 16; i++) {
		text += *text == '-';
		sscanf(text, "%2x", &byte);
		out[i] = (uint8_t)byte;
		text += 2;
	}
	return true;
}

ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags)
{
	uint8_t *bytes = out;
	struct box *b = sim_now->current;

	(void)flags;
	if (b && b->clone_of.text[0] && len == 16 && clone_bytes(b, bytes))
		return (ssize_t)len;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(rng_next(&sim_now->ids) >> 24);
	return (ssize_t)len;
}

int log_get_debug(void)
{
	return story_level >= 2 ? 1 : 0;
}

void log_write(enum log_level level, const char *subsystem, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	(void)level;
	if (!story_is_told())
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	story("%s: %s", subsystem, text);
}

/* ---- the story ---- */

bool story_is_told(void)
{
	return story_level > 0;
}

void story(const char *fmt, ...)
{
	va_list ap;

	if (!story_is_told())
		return;
	printf("%10.4f %-6s ", (double)sim_now->now_us / SECOND,
		sim_now->current ? sim_now->current->name : "-");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void sim_fail(struct sim *sim, const char *fmt, ...)
{
	va_list ap;

	sim->failed = true;
	va_start(ap, fmt);
	vsnprintf(sim->failure, sizeof(sim->failure), fmt, ap);
	va_end(ap);
	story("FAILED: %s", sim->failure);
	longjmp(sim->out, 1);
}

/* ---- events: a heap ---- */

static bool event_is_before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void heap_put(struct sim *sim, struct event *ev)
{
	int i = sim->nheap++;

	if (sim->nheap > sim->heap_room) {
		sim->heap_room = sim->heap_room ? sim->heap_room * 2 : 256;
		sim->heap = mem_realloc(sim->heap, (size_t)sim->heap_room * sizeof(ev));
	}
	while (i > 0 && event_is_before(ev, sim->heap[(i - 1) / 2])) {
		sim->heap[i] = sim->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	sim->heap[i] = ev;
}

static struct event *heap_take(struct sim *sim)
{
	struct event *first = sim->heap[0], *last = sim->heap[--sim->nheap];
	int i = 0;

	for (int child = 1; child < sim->nheap; child = i * 2 + 1) {
		if (child + 1 < sim->nheap &&
			event_is_before(sim->heap[child + 1], sim->heap[child]))
			child++;
		if (!event_is_before(sim->heap[child], last))
			break;
		sim->heap[i] = sim->heap[child];
		i = child;
	}
	sim->heap[i] = last;
	return first;
}

struct event *event_add(
	struct sim *sim, int64_t at_us, void (*run)(struct sim *sim, struct event *ev))
{
	struct event *ev = mem_alloc(sizeof(*ev));

	ev->at_us = at_us > sim->now_us ? at_us : sim->now_us;
	ev->number = ++sim->events_made;
	ev->run = run;
	heap_put(sim, ev);
	return ev;
}

/* False: it waits until its box goes on. */
static bool event_is_due(struct sim *sim, struct event *ev)
{
	if (!ev->box || ev->box->gen != ev->gen || ev->box->paused_until_us <= sim->now_us)
		return true;
	ev->at_us = ev->box->paused_until_us;
	ev->number = ++sim->events_made;
	heap_put(sim, ev);
	return false;
}

static void event_next(struct sim *sim)
{
	struct event *ev = heap_take(sim);

	sim->now_us = ev->at_us;
	if (!event_is_due(sim, ev))
		return;
	sim->events_run++;
	if (sim->events_run > MOST_EVENTS)
		sim_fail(sim, "more than %d events: something never rests", MOST_EVENTS);
	if (!ev->box || (ev->box->gen == ev->gen && ev->box->node))
		ev->run(sim, ev);
	net_event_free(ev);
}

static void run_until(struct sim *sim, int64_t until_us)
{
	while (sim->nheap > 0 && sim->heap[0]->at_us <= until_us)
		event_next(sim);
	sim->now_us = until_us;
}

/* ---- one run ---- */

static void fault_due(struct sim *sim, struct event *ev)
{
	fault_begin(sim, &sim->plan.faults[ev->index]);
}

static void step_due(struct sim *sim, struct event *ev)
{
	const struct step *step = &sim->plan.steps[ev->index];

	if (step->box >= MOST_BOXES)
		static_step(sim, step);
	else if (box_has_link_key(&sim->boxes[step->box], step->key))
		pbx_step(&sim->boxes[step->box], step);
	else
		box_step(&sim->boxes[step->box], step);
}

static void box_due(struct sim *sim, struct event *ev)
{
	box_start(&sim->boxes[ev->index]);
}

static void servers_make(struct sim *sim)
{
	struct server *s = &sim->servers[sim->nservers++];

	s->model = model_new();
	s->up = true;
	model_set_chunk(s->model, sim->plan.chunk_bytes);
	model_set_slice(s->model, sim->plan.slice);
	model_set_terminate(s->model, sim->plan.may_terminate);
	model_set_audit(s->model, sim->plan.nets);
	model_on_write(s->model, check_written, sim);
	model_on_untold(s->model, check_untold, sim);
	model_notify_mode(s->model, sim->plan.notify_mode);
	model_set_deliveries(s->model, sim->plan.deliveries, 10000);
	model_set_period(s->model, sim->plan.period_ms);
	for (int i = 0; i < STATICS; i++)
		sim->statics[i] = model_static_id(static_name(i));
}

static void boxes_make(struct sim *sim)
{
	sim->nboxes = sim->plan.boxes;
	for (int i = 0; i < sim->nboxes; i++) {
		struct entity_id id = {{2, 0, 0, 0, 0, 0}};

		/* neither in the order of boxes nor of their coming */
		id.bytes[5] = (uint8_t)(FIRST_ENTITY + i * 7 % 5);
		id.bytes[4] = (uint8_t)i;
		box_init(sim, i, &id);
		sim->boxes[i].pbx.alive = sim->plan.pbxs >> i & 1;
		event_add(sim, rng_below(&sim->net, 2 * SECOND), box_due)->index = i;
	}
}

static void plan_begin(struct sim *sim)
{
	for (int i = 0; i < sim->plan.nfaults; i++) {
		if (!sim->plan.faults[i].off)
			event_add(sim, sim->plan.faults[i].at_us, fault_due)->index = i;
	}
	for (int i = 0; i < sim->plan.nsteps; i++) {
		if (!sim->plan.steps[i].off)
			event_add(sim, sim->plan.steps[i].at_us, step_due)->index = i;
	}
}

static void settle_fails(struct sim *sim, int64_t end_us)
{
	char why[sizeof(sim->failure)];

	memcpy(why, sim->failure, sizeof(why));
	sim_fail(sim, "%.0f s after the last fault: %s",
		(double)(sim->now_us - end_us) / SECOND, why);
}

int64_t bound_us(const struct plan *plan)
{
	return plan->lease_ms * MS + 3 * SECOND + 25 * (plan->latency_us - 2 * MS);
}

/*
 * Some ends of connections learn only later that a fault was: so it is not the first
 * agreement that counts, but the last time that there was none.
 */
static void settle(struct sim *sim)
{
	const struct server *s = &sim->servers[sim->primary];
	char late[sizeof(sim->failure)] = "";
	int64_t end_us = sim->now_us, last_us = end_us;
	struct buf why = {0};
	bool agreed = check_agree(sim, &why);

	while (
		sim->now_us < end_us + STAY_US || (!agreed && sim->now_us < end_us + SETTLE_US)) {
		if (!agreed) {
			last_us = sim->now_us;
			snprintf(late, sizeof(late), "%.500s", buf_str(&why));
		}
		run_until(sim, sim->now_us + LOOK_US);
		agreed = check_agree(sim, &why);
	}
	snprintf(sim->failure, sizeof(sim->failure), "%s", buf_str(&why));
	buf_clear(&why);
	if (!agreed)
		settle_fails(sim, end_us);
	if (end_us < sim->noticed_us)
		end_us = sim->noticed_us;
	for (int i = 0; i < STATICS; i++) { /* what ends by itself is no fault */
		int64_t over_us = model_static_end(s->model, static_name(i)) -
						  INT64_C(1700000000) * SECOND - s->clock_offset_us;

		if (end_us < over_us && over_us < sim->now_us)
			end_us = over_us;
	}
	sim->agreed_us = last_us > end_us ? last_us - end_us : 0;
	if (sim->agreed_us > bound_us(&sim->plan))
		sim_fail(sim, "all agree %.2f s after the last fault, the bound is %.2f s: %s",
			(double)sim->agreed_us / SECOND, (double)bound_us(&sim->plan) / SECOND, late);
	story(
		"all agree, since %.2f s after the last fault", (double)sim->agreed_us / SECOND);
}

static void sim_play(struct sim *sim)
{
	servers_make(sim);
	boxes_make(sim);
	plan_begin(sim);
	run_until(sim, sim->plan.faults_end_us);
	faults_end(sim);
	settle(sim);
}

struct sim *sim_run(const struct plan *plan)
{
	struct sim *sim = mem_alloc(sizeof(*sim));

	sim->plan = *plan;
	sim->net = rng_make(plan->seed, 1);
	sim->ids = rng_make(plan->seed, 2);
	sim->next_version = 1;
	sim->agreed_us = -1;
	sim_now = sim;
	if (setjmp(sim->out) == 0)
		sim_play(sim);
	return sim;
}

void sim_free(struct sim *sim)
{
	struct wire *w;

	sim->current = NULL;
	for (int i = 0; i < sim->nboxes; i++)
		box_clear(&sim->boxes[i]);
	for (int i = 0; i < sim->nheap; i++)
		net_event_free(sim->heap[i]);
	free(sim->heap);
	while ((w = sim->wires) != NULL) {
		sim->wires = w->next;
		free(w);
	}
	for (int i = 0; i < sim->nservers; i++)
		model_free(sim->servers[i].model);
	free(sim);
}

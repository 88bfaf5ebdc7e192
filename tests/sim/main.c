/*
 * sim: runs seeds, replays one, looks for the shortest story of a failure, tries the
 * mutations.
 *
 *   sim [-n SEEDS] [-f FIRST]   that many seeds, from FIRST (1)
 *   sim -s SEED [-t] [-v]       one seed; -t tells the story, -v every packet of it
 *   sim -m [-n SEEDS]           each mutation until a seed catches it
 *   -F NAME                     with faults of that kind only
 *   -M NAME                     with that mutation;  -S: the shortest story that fails
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "sim.h"

#define MOST_FAILURES 5

struct totals {
	int64_t seeds, failed, requests, events, done[FAULT_KINDS];
	int64_t agreed_us_sum, agreed_us_max, runs_agreed, late, over_us_max;
	uint64_t slowest, latest;
};

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* An assert that fails is a failure of its seed. */
static void on_abort(int number)
{
	struct sim *sim = sim_now;

	signal(number, on_abort);
	sim->failed = true;
	snprintf(sim->failure, sizeof(sim->failure), "signal %d (an assert, or worse) in %s",
		number, sim->current ? sim->current->name : "the simulator");
	longjmp(sim->out, 1);
}

static void catch_aborts(void)
{
	sigset_t set;

	signal(SIGABRT, on_abort);
	sigemptyset(&set);
	sigaddset(&set, SIGABRT);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void totals_add(struct totals *t, const struct sim *sim)
{
	int64_t over_us;

	t->seeds++;
	t->failed += sim->failed;
	t->requests += sim->requests;
	t->events += sim->events_run;
	for (int i = 0; i < FAULT_KINDS; i++)
		t->done[i] += sim->done[i];
	if (sim->agreed_us < 0)
		return;
	t->runs_agreed++;
	over_us = sim->agreed_us - sim->plan.lease_ms * MS;
	t->late += over_us > 3 * SECOND;
	if (over_us > t->over_us_max) {
		t->over_us_max = over_us;
		t->latest = sim->plan.seed;
	}
	t->agreed_us_sum += sim->agreed_us;
	if (sim->agreed_us > t->agreed_us_max) {
		t->agreed_us_max = sim->agreed_us;
		t->slowest = sim->plan.seed;
	}
}

static void totals_print(const struct totals *t, double took)
{
	printf("seeds %" PRId64 "  failed %" PRId64 "  steps %" PRId64 "  requests %" PRId64
		   "  time %.1f s\n",
		t->seeds, t->failed, t->events, t->requests, took);
	printf("agreed after the last fault: mean %.2f s, longest %.2f s (seed %" PRIu64
		   ")\n",
		t->runs_agreed ? (double)t->agreed_us_sum / (double)t->runs_agreed / SECOND : 0.0,
		(double)t->agreed_us_max / SECOND, t->slowest);
	printf("later than the lease: by %.2f s at most (seed %" PRIu64
		   "), by more than 3 s in %" PRId64 " runs\n",
		(double)t->over_us_max / SECOND, t->latest, t->late);
	printf("faults:");
	for (int i = 0; i < FAULT_KINDS; i++)
		printf("%s%s %" PRId64, i % 6 == 0 ? "\n  " : ", ", fault_name(i), t->done[i]);
	printf("\n");
}

/* ---- the shortest story ---- */

static bool plan_fails(const struct plan *plan)
{
	struct sim *sim = sim_run(plan);
	bool failed = sim->failed;

	catch_aborts();
	sim_free(sim);
	return failed;
}

/* Leave out `n` things from `from` on; true: there were any, and it still fails. */
static bool leave_out(struct plan *plan, bool steps, int from, int n)
{
	struct plan less = *plan;
	int most = steps ? plan->nsteps : plan->nfaults, gone = 0;

	for (int i = from; i < from + n && i < most; i++) {
		bool *off = steps ? &less.steps[i].off : &less.faults[i].off;

		gone += !*off;
		*off = true;
	}
	if (gone == 0 || !plan_fails(&less))
		return false;
	*plan = less;
	return true;
}

/* Without the last box, and all that happens to it. */
static bool fewer_boxes(struct plan *plan)
{
	struct plan less = *plan;

	if (--less.boxes < 1)
		return false;
	for (int i = 0; i < less.nsteps; i++)
		less.steps[i].off |= less.steps[i].box == less.boxes;
	for (int i = 0; i < less.nfaults; i++)
		less.faults[i].off |= less.faults[i].box == less.boxes;
	less.pbxs &= ~(1u << less.boxes);
	if (!plan_fails(&less))
		return false;
	*plan = less;
	return true;
}

static bool fewer_pbxs(struct plan *plan, int box)
{
	struct plan less = *plan;

	less.pbxs &= ~(1u << box);
	if (less.pbxs == plan->pbxs || !plan_fails(&less))
		return false;
	*plan = less;
	return true;
}

static bool shorter_steps(struct plan *plan)
{
	bool shorter = false;

	for (int n = 128; n > 0; n /= 2) {
		for (int i = 0; i < plan->nsteps; i += n)
			shorter |= leave_out(plan, true, i, n);
	}
	return shorter;
}

/* What is left out changes what chance does later: again, while that helps. */
static void shorten(struct plan *plan)
{
	bool shorter = true;

	for (int round = 0; shorter && round < 5; round++) {
		shorter = false;
		while (fewer_boxes(plan))
			shorter = true;
		for (int i = 0; i < plan->boxes; i++)
			shorter |= fewer_pbxs(plan, i);
		for (int i = 0; i < plan->nfaults; i++)
			shorter |= leave_out(plan, false, i, 1);
		shorter |= shorter_steps(plan);
	}
}

static void plan_print(const struct plan *plan)
{
	struct buf out = {0};
	int steps = 0;

	for (int i = 0; i < plan->nsteps; i++)
		steps += !plan->steps[i].off;
	for (int i = 0; i < plan->nfaults; i++) {
		if (!plan->faults[i].off)
			fault_print(&plan->faults[i], &out);
	}
	printf("%d boxes, %d with a PBX, lease %d s, %d statements, and these faults until "
		   "%.3f s:\n%s",
		plan->boxes, __builtin_popcount(plan->pbxs), plan->lease_ms / 1000, steps,
		(double)plan->faults_end_us / SECOND, buf_str(&out));
	buf_clear(&out);
}

static void failure_print(const struct plan *whole, const struct sim *sim)
{
	struct plan plan = *whole;

	printf("seed %" PRIu64 " FAILED: %s\n", plan.seed, sim->failure);
	shorten(&plan);
	printf("replay: make sim SEED=%" PRIu64 " TRACE=1; the shortest that fails: ",
		plan.seed);
	plan_print(&plan);
	fflush(stdout);
}

/* ---- what is asked for ---- */

static int run_seeds(uint64_t first, int64_t seeds)
{
	struct totals t = {0};
	double began = seconds_now();
	struct plan *plan = mem_alloc(sizeof(*plan));

	for (int64_t i = 0; i < seeds && t.failed < MOST_FAILURES; i++) {
		struct sim *sim;

		plan_make(plan, first + (uint64_t)i);
		sim = sim_run(plan);
		catch_aborts();
		totals_add(&t, sim);
		if (sim->failed)
			failure_print(plan, sim);
		sim_free(sim);
	}
	free(plan);
	totals_print(&t, seconds_now() - began);
	return t.failed > 0;
}

static int run_one(uint64_t seed, bool shortest)
{
	struct plan *plan = mem_alloc(sizeof(*plan));
	int level = story_level;
	struct sim *sim;
	bool failed;

	plan_make(plan, seed);
	if (shortest) {
		story_level = 0;
		if (plan_fails(plan))
			shorten(plan);
		story_level = level;
	}
	plan_print(plan);
	sim = sim_run(plan);
	catch_aborts();
	failed = sim->failed;
	if (failed)
		printf("seed %" PRIu64 " FAILED: %s\n", seed, sim->failure);
	else
		printf("seed %" PRIu64 " passed, agreed after %.2f s\n", seed,
			(double)sim->agreed_us / SECOND);
	sim_free(sim);
	free(plan);
	return failed;
}

/* The first seed that catches it; 0: none. */
static uint64_t mutation_catch(
	const struct mutation *m, uint64_t first, int64_t seeds, struct sim **caught)
{
	struct plan *plan = mem_alloc(sizeof(*plan));
	uint64_t found = 0;

	mutation_set(m);
	for (int64_t i = 0; i < seeds && !found; i++) {
		struct sim *sim;

		plan_make(plan, first + (uint64_t)i);
		sim = sim_run(plan);
		catch_aborts();
		if (sim->failed) {
			found = plan->seed;
			*caught = sim;
		} else {
			sim_free(sim);
		}
	}
	mutation_set(NULL);
	free(plan);
	return found;
}

static int mutation_choose(const char *name)
{
	for (const struct mutation *m = mutations; m->name; m++) {
		if (strcmp(m->name, name) != 0)
			continue;
		mutation_set(m);
		return 0;
	}
	fprintf(stderr, "sim: there is no mutation \"%s\"; sim -m lists them\n", name);
	return 2;
}

static bool fault_choose(const char *name)
{
	for (int kind = 0; kind < FAULT_KINDS; kind++) {
		if (strcmp(fault_name((enum fault_kind)kind), name) == 0)
			plan_only = kind;
	}
	if (plan_only < 0)
		fprintf(stderr, "sim: there is no fault \"%s\"\n", name);
	return plan_only >= 0;
}

static int run_mutations(uint64_t first, int64_t seeds)
{
	int missed = 0;

	printf("%-38s %6s %8s  %s\n", "mutation", "seed", "step", "what was seen");
	for (const struct mutation *m = mutations; m->name; m++) {
		struct sim *sim;
		uint64_t seed = mutation_catch(m, first, seeds, &sim);

		if (seed) {
			printf("%-38s %6" PRIu64 " %8" PRId64 "  %s\n", m->name, seed,
				sim->events_run, sim->failure);
			sim_free(sim);
		} else {
			printf("%-38s %6s %8s  NOT CAUGHT in %" PRId64 " seeds\n", m->name, "-", "-",
				seeds);
			missed++;
		}
		fflush(stdout);
	}
	return missed > 0;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, seed = 0;
	int64_t seeds = 1000;
	bool mutate = false, shortest = false;
	int opt;

	while ((opt = getopt(argc, argv, "n:f:s:tvmSM:F:")) != -1) {
		if (opt == 'n')
			seeds = strtoll(optarg, NULL, 10);
		else if (opt == 'f')
			first = strtoull(optarg, NULL, 10);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (opt == 't' || opt == 'v')
			story_level = opt == 'v' ? 2 : 1;
		else if (opt == 'F' && !fault_choose(optarg))
			return 2;
		else if (opt == 'F')
			continue;
		else if (opt == 'M' && mutation_choose(optarg) != 0)
			return 2;
		else if (opt == 'M')
			continue;
		else if (opt == 'S')
			shortest = true;
		else if (opt == 'm')
			mutate = true;
		else
			return 2;
	}
	catch_aborts();
	if (mutate)
		return run_mutations(first, seeds);
	if (seed)
		return run_one(seed, shortest);
	return run_seeds(first, seeds);
}

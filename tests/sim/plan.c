/* What a seed lets happen: the cluster, its load, its faults, all decided beforehand, so
 * that parts of it can be left out. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

int plan_only = -1;

const char *key_name(enum key_kind kind, int key)
{
	static const char *const names[KEY_KINDS][MOST_SIM_KEYS] = {
		{"Custom:a", "PJSIP/b", "Custom:c", "PJSIP/d", "Custom:e", "PJSIP/f"},
		{"a@x", "b@x", "c@x", "d@x", "e@y", "f@y"}};

	return names[kind][key];
}

const char *static_name(int number)
{
	static const char *const names[STATICS] = {"sql", "door"};

	return names[number];
}

static void plan_cluster(struct plan *plan, struct rng *r)
{
	plan->boxes = (int)rng_between(r, 2, 5);
	plan->keys = (int)rng_between(r, 2, MOST_SIM_KEYS);
	plan->lease_ms = (int)rng_between(r, 3, 10) * 1000;
	plan->stale_after_ms = (int)rng_between(r, 2, 60) * 1000;
	plan->chunk_bytes = rng_chance(r, 50) ? 7600 : (size_t)rng_between(r, 20, 120);
	plan->slice = (int)rng_between(r, 1, 10);
	plan->may_terminate = rng_chance(r, 50);
	plan->latency_us = rng_chance(r, 80) ? 2 * MS : rng_between(r, 1, 200) * MS;
	plan->faults_end_us = rng_between(r, 8, 60) * SECOND;
	plan->gap_us = rng_between(r, 100, 3000) * MS;
	plan->batch = rng_chance(r, 50) ? 1000 : (size_t)rng_between(r, 1, 5);
	plan->statics = rng_chance(r, 40);
	plan->pbxs = rng_chance(r, 60) ? (unsigned)rng_below(r, 1 << plan->boxes) : 0;
}

static void plan_step(struct plan *plan, struct rng *r, struct step *s)
{
	/* bursts: most come right after the one before */
	int64_t gap_us = rng_below(r, rng_chance(r, 60) ? 5 * MS : plan->gap_us);

	s->at_us = (s == plan->steps ? 0 : s[-1].at_us) + gap_us;
	s->box = (int)rng_below(r, plan->boxes);
	s->kind = rng_chance(r, 50) ? KEY_DEVICE : KEY_MAILBOX;
	s->key = (int)rng_below(r, plan->keys);
	s->removed = rng_chance(r, 25);
	s->again = rng_chance(r, 25);
	s->value.held = rng_chance(r, 70);
	if (plan->statics && rng_chance(r, 15)) {
		s->box = MOST_BOXES + (int)rng_below(r, STATICS);
		s->ttl_us = rng_chance(r, 40) ? 0 : rng_skewed(r, 500 * MS, 20 * SECOND);
		s->value.held = true;
	}
	if (s->kind == KEY_DEVICE)
		s->value.state = (enum device_state)rng_below(r, STATE_COUNT);
}

static void plan_load(struct plan *plan, struct rng *r)
{
	while (plan->nsteps < MOST_STEPS) {
		struct step *s = &plan->steps[plan->nsteps];

		plan_step(plan, r, s);
		if (s->at_us >= plan->faults_end_us)
			break;
		plan->nsteps++;
	}
}

static void plan_fault(
	struct plan *plan, struct rng *r, const bool wanted[], struct fault *f)
{
	do
		f->kind = (enum fault_kind)rng_below(r, FAULT_KINDS);
	while (!wanted[f->kind]);
	f->at_us = rng_below(r, plan->faults_end_us);
	f->for_us = rng_skewed(r, 10 * MS, 3 * plan->lease_ms * MS);
	f->box = (int)rng_below(r, plan->boxes);
	f->a = rng_below(r, 1000000);
	f->b = rng_below(r, 1000000);
}

/*
 * Only audits find what nobody said, and what a rewind took from an owner that dies
 * before it has sent it all again. SQL sends nothing again.
 */
static bool needs_nets(const struct plan *plan, const bool wanted[])
{
	bool rewinds = wanted[FAULT_CRASH] || wanted[FAULT_FAILOVER] || wanted[FAULT_SPLIT];

	return wanted[FAULT_TAMPER] || wanted[FAULT_FORGE] || wanted[FAULT_CLONE] ||
		   ((wanted[FAULT_NODE_DIES] || plan->statics) && rewinds);
}

/* A seed has a few kinds of faults only, so that each is tried with and without the
 * others. */
static void plan_faults(struct plan *plan, struct rng *r)
{
	int kinds = (int)rng_between(r, 1, 6);
	bool wanted[FAULT_KINDS] = {false};

	for (int i = 0; i < kinds; i++)
		wanted[rng_below(r, FAULT_KINDS)] = true;
	if (plan_only >= 0) {
		memset(wanted, 0, sizeof(wanted));
		wanted[plan_only] = true;
	}
	plan->nfaults = (int)rng_skewed(r, 1, MOST_FAULTS);
	if (rng_chance(r, 2))
		plan->nfaults = 0;
	plan->nets = needs_nets(plan, wanted) || rng_chance(r, 40);
	for (int i = 0; i < plan->nfaults; i++)
		plan_fault(plan, r, wanted, &plan->faults[i]);
}

/* Drawn apart from the rest. Periods are longer than real ones: what the simulator looks
 * for happens between two. */
static void plan_ticker(struct plan *plan, struct rng *r)
{
	static const int modes[] = {0, 0, 1, 2, 2};

	plan->notify_mode = modes[rng_below(r, 5)];
	plan->deliveries = rng_skewed(r, 1, 100);
	plan->period_ms = (int)rng_skewed(r, 10, 400);
	plan->publishes_us = rng_chance(r, 40) ? 0 : rng_between(r, 1, 100) * MS;
	plan->announce = rng_chance(r, 70);
	plan->older = rng_chance(r, 25) ? 1u << rng_below(r, plan->boxes) : 0;
}

void plan_make(struct plan *plan, uint64_t seed)
{
	struct rng r = rng_make(seed, 0);

	memset(plan, 0, sizeof(*plan));
	plan->seed = seed;
	plan_cluster(plan, &r);
	plan_load(plan, &r);
	plan_faults(plan, &r);
	r = rng_make(seed, 3);
	plan_ticker(plan, &r);
}

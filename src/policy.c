/* Layer 1: policies: patterns, and which one applies to a key. Pure. */
#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "pattern.h"

struct policies {
	int n;
	struct policy_rule *rules; /* in the order in which they are tried */
};

static const char *const names[POLICY_COUNT] = {
	"aggregate", "latest", "local", "sum", "max"};

const char *policy_name(enum policy p)
{
	return p < POLICY_COUNT ? names[p] : "?";
}

enum policy policy_default(enum key_kind kind)
{
	return kind == KEY_DEVICE ? POLICY_AGGREGATE : POLICY_LATEST;
}

bool policy_is_legal(enum key_kind kind, enum policy p)
{
	if (kind == KEY_DEVICE)
		return p == POLICY_AGGREGATE || p == POLICY_LATEST || p == POLICY_LOCAL;
	return p == POLICY_LATEST || p == POLICY_SUM || p == POLICY_MAX;
}

bool policy_parse(enum key_kind kind, const char *word, enum policy *out)
{
	for (int p = 0; p < POLICY_COUNT; p++) {
		if (strcasecmp(word, names[p]) == 0 && policy_is_legal(kind, (enum policy)p)) {
			*out = (enum policy)p;
			return true;
		}
	}
	return false;
}

const char *policy_all_names(enum key_kind kind)
{
	return kind == KEY_DEVICE ? "aggregate, latest, local" : "latest, sum, max";
}

/* ---- patterns ---- */

bool policy_pattern_check(enum key_kind kind, const char *pattern, const char **why)
{
	if (!name_check(pattern, strlen(pattern), why))
		return false;
	if (kind == KEY_MAILBOX && !strpbrk(pattern, "@*")) {
		*why = "a mailbox's pattern is MAILBOX@CONTEXT";
		return false;
	}
	return true;
}

/* ---- all of them ---- */

struct policies *policies_new(void)
{
	return mem_alloc(sizeof(struct policies));
}

void policies_free(struct policies *p)
{
	if (!p)
		return;
	free(p->rules);
	free(p);
}

static int rule_compare(const struct policy_rule *a, const struct policy_rule *b)
{
	if (a->kind != b->kind)
		return (int)a->kind - (int)b->kind;
	if (a->characters != b->characters)
		return b->characters - a->characters;
	return pattern_compare(a->pattern, b->pattern);
}

bool policies_add(
	struct policies *p, enum key_kind kind, const char *pattern, enum policy policy)
{
	struct policy_rule rule = {
		.kind = kind, .policy = policy, .characters = pattern_characters(pattern)};
	int at = 0, order = -1;

	snprintf(rule.pattern, sizeof(rule.pattern), "%s", pattern);
	while (at < p->n && (order = rule_compare(&p->rules[at], &rule)) < 0)
		at++;
	if (at < p->n && order == 0) {
		p->rules[at] = rule;
		return true;
	}
	if (p->n == POLICIES_MAX)
		return false;
	p->rules = mem_realloc(p->rules, (size_t)(p->n + 1) * sizeof(*p->rules));
	memmove(p->rules + at + 1, p->rules + at, (size_t)(p->n - at) * sizeof(*p->rules));
	p->rules[at] = rule;
	p->n++;
	return true;
}

int policies_count(const struct policies *p)
{
	return p ? p->n : 0;
}

const struct policy_rule *policies_at(const struct policies *p, int i)
{
	return &p->rules[i];
}

const struct policy_rule *policies_find(
	const struct policies *p, enum key_kind kind, const char *key)
{
	for (int i = 0; i < policies_count(p); i++) {
		const struct policy_rule *r = &p->rules[i];

		if (r->kind == kind && pattern_matches(r->pattern, key))
			return r;
	}
	return NULL;
}

enum policy policies_of(const struct policies *p, enum key_kind kind, const char *key)
{
	const struct policy_rule *r = policies_find(p, kind, key);

	return r ? r->policy : policy_default(kind);
}

/*
 * Layer 1: policies: how what several entities say of a key becomes one value. The
 * cluster keeps them in the database (table pgdevstate.policy), by pattern. The same
 * rules are in SQL (sql/functions/60_policy.sql, views); tests/cases/policies.tsv tests
 * both.
 *
 * A pattern is a device's name or mailbox@context with * (anything, also nothing) and ?
 * (one character); ASCII letters match without case. Of those that match, the one with
 * the most characters that are no wildcard applies; of two with as many, the first in
 * the order of bytes, in lower case.
 */
#ifndef POLICY_H
#define POLICY_H

#include "change.h"

enum policy {
	POLICY_AGGREGATE, /* devices: added up; the default */
	POLICY_LATEST,    /* the last word wins; the default of mailboxes */
	POLICY_LOCAL,     /* devices: not shared */
	POLICY_SUM,       /* mailboxes: counts of all added up */
	POLICY_MAX,       /* mailboxes: the highest of each count */
	POLICY_COUNT
};

const char *policy_name(enum policy p); /* "aggregate" */
enum policy policy_default(enum key_kind kind);
bool policy_is_legal(enum key_kind kind, enum policy p);
/* Any case. False: there is no such policy for this kind. */
bool policy_parse(enum key_kind kind, const char *word, enum policy *out);
const char *policy_all_names(enum key_kind kind); /* for messages */

/* Is it a legal pattern for this kind? *why as name_check(). */
bool policy_pattern_check(enum key_kind kind, const char *pattern, const char **why);

#define POLICIES_MAX 200 /* of a cluster */

struct policy_rule {
	enum key_kind kind;
	enum policy policy;
	int characters; /* that are no wildcard */
	char pattern[NAME_MAX_BYTES + 1];
};

/* All of them, the rule that goes first in front. NULL stands for none. */
struct policies;
struct policies *policies_new(void);
void policies_free(struct policies *p);
/* False: there are POLICIES_MAX of them. The pattern must have been checked. A rule of
 * the same pattern is replaced. */
bool policies_add(
	struct policies *p, enum key_kind kind, const char *pattern, enum policy policy);
int policies_count(const struct policies *p);
const struct policy_rule *policies_at(const struct policies *p, int i);

/* The rule that applies to a key; NULL: the default. */
const struct policy_rule *policies_find(
	const struct policies *p, enum key_kind kind, const char *key);
enum policy policies_of(const struct policies *p, enum key_kind kind, const char *key);

#endif

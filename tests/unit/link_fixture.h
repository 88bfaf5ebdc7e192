/* For tests of the link: links on a fake node, whose bytes the test makes and reads. */
#ifndef LINK_FIXTURE_H
#define LINK_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_node.h"
#include "link.h"
#include "log.h"
#include "mem.h"

#define OURS  "01:23:45:67:89:ab"
#define B_ID  "01:23:45:67:89:ac"
#define C_ID  "01:23:45:67:89:ad"
#define HELLO "hello\t1\t-\tpbx\t1.0"
#define WORDS "hello\t1\t" OURS "\tserver1\t0.9\nstatus\t"
#define ALL   1000000

static struct node *node;
static struct links *links;
static struct cache_entity *b, *c;
static int64_t now;
static int wakes;
static char became[ENTITY_ID_TEXT];

static inline void on_wake(void *arg, struct link *l)
{
	(void)arg;
	(void)l;
	wakes++;
}

static inline void on_become(void *arg, const struct entity_id *id)
{
	(void)arg;
	entity_id_print(id, became);
}

static struct link *closed; /* its program has gone */
static inline bool on_is_closed(void *arg, struct link *l)
{
	(void)arg;
	return l == closed;
}

static inline void on_touched(void *arg, enum key_kind kind, const char *key)
{
	links_touched(arg, kind, key);
}

static inline void links_begin(bool entity_is_set)
{
	static const struct link_callbacks cb = {on_wake, on_become, on_is_closed};
	struct link_config cfg = {.entity_is_set = entity_is_set,
		.name = "server1",
		.version = "0.9",
		.file = "/etc/p.conf"};

	node = fake_node_new();
	entity_id_parse(OURS, &cfg.entity);
	links = links_new(node, &cfg, &cb, NULL);
	node_on_touched(node, on_touched, links);
	b = fake_member(node, B_ID, "server2", "host2");
	c = fake_member(node, C_ID, "server3", "host3");
	now = 1000000;
	wakes = 0;
	became[0] = '\0';
	closed = NULL;
}

static inline int setup(void **state)
{
	(void)state;
	links_begin(true);
	links_phase(links, NODE_READY);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	links_free(links);
	fake_node_free(node);
	return 0;
}

static inline struct link *link_begin(void)
{
	return link_new(links, NULL, 4711, 42, now);
}

static inline void put(struct link *l, const char *text)
{
	link_input(l, text, strlen(text), now);
}

/* All that it is told, up to `most` bytes; borrowed until the next call. */
static inline const char *pull(struct link *l, size_t most)
{
	static struct buf out;

	buf_reset(&out);
	link_pull(l, &out, most);
	return buf_str(&out);
}

static inline void told(struct link *l, const char *expected)
{
	assert_string_equal(pull(l, ALL), expected);
}

static inline struct link *linked(const char *words)
{
	struct link *l = link_begin();
	char *hello = mem_printf(HELLO "%s\n", words);

	put(l, hello);
	free(hello);
	pull(l, ALL);
	return l;
}

/* What the node was told since the last time. */
static inline void node_was_told(const char *expected)
{
	assert_string_equal(buf_str(&node->said), expected);
	buf_reset(&node->said);
}

static inline void dropped(struct link *l, const char *reason)
{
	char *expected = mem_printf("bye\t%s\n", reason);

	told(l, expected);
	free(expected);
	assert_true(link_is_over(l));
	link_free(l, "closed");
}

static inline struct value counts(uint32_t urgent, uint32_t fresh, uint32_t old)
{
	return (struct value){
		.urgent = urgent, .fresh = fresh, .old = old, .stamp_us = ++now};
}

static inline void says_box(struct cache_entity *e, const char *key, struct value v)
{
	cache_put(node->cache, e, KEY_MAILBOX, key, &v);
}

#endif

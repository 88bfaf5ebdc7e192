/* Layer 3: what the commands' files share. */
#ifndef CMD_H
#define CMD_H

#include <stdint.h>

#include "cache.h"
#include "command.h"

#define CMD_ACK_WAIT_MS 2000

struct node;

/* The node, told what time it is: for calls that say or ask something. */
struct node *cmd_node(struct call *c);

/*
 * Wait until the database has what this node said, then end the call: with success also
 * when it has not in time, because the node keeps it and delivers it. The call's
 * release() must do cmd_forget_acked(), or be it.
 */
void cmd_end_acked(struct call *c);
void cmd_forget_acked(struct call *c);

/* May this node say something? If not the call was ended with the reason. */
bool cmd_may_write(struct call *c, enum key_kind kind);

/* Long lists are made in slices, as the reader takes them. */
struct listing {
	bool (*one)(
		struct call *c, struct listing *l); /* prints one; false: there are no more */
	void (*end)(struct call *c, struct listing *l); /* the last line; NULL: none */
	struct buf keys;                                /* each with a NUL behind it */
	size_t at; /* how far `keys` is done, or whatever one() counts */
	int64_t listed;
	struct buf pattern;
	int64_t found;
};
struct listing *cmd_list(struct call *c, bool (*one)(struct call *c, struct listing *l),
	void (*end)(struct call *c, struct listing *l));
void cmd_list_start(struct call *c); /* prints the first slice */
/* Lists the keys of a kind that match a pattern ("all" or NULL: all of them). */
void cmd_list_keys(struct call *c, enum key_kind kind, const char *pattern,
	bool (*one)(struct call *c, struct listing *l),
	void (*end)(struct call *c, struct listing *l));
const char *cmd_list_next_key(struct listing *l); /* NULL: there are no more */

/* Who says what of a key: a line or a JSON list "statements". */
void cmd_show_statements(struct call *c, enum key_kind kind, const char *key);

/* Which policy applies to a key, and by which pattern; under LATEST whose word it is. */
void cmd_show_policy(
	struct call *c, enum key_kind kind, const char *key, const struct sum *sum);

/* Shown name of an entity; never empty. */
const char *cmd_entity_name(const struct cache_entity *e);

void cmd_complete_devices(struct completion *out);
void cmd_complete_mailboxes(struct completion *out);

#endif

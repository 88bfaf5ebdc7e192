/*
 * Layer 1: keys and values: what can be said of a device or a mailbox.
 *
 * A key is a kind and a name. A device's name is kept byte-exact. A mailbox's name is
 * "mailbox@context": the last '@' divides, a context has none.
 */
#ifndef CHANGE_H
#define CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"

enum key_kind { KEY_DEVICE, KEY_MAILBOX, KEY_KINDS };

#define NAME_MAX_BYTES 255                      /* device, mailbox, context: each */
#define KEY_MAX_BYTES  (2 * NAME_MAX_BYTES + 1) /* the longest key name */

struct value {
	enum device_state state;     /* devices */
	uint32_t urgent, fresh, old; /* mailboxes: urgent, new, old messages */
	bool held;                   /* set by console, SQL or dialplan: survives restarts */
	int64_t stamp_us;            /* when it was said, in the database's clock */
};

const char *key_kind_name(enum key_kind kind); /* "device", "mailbox" */

/* Equal in what is said; stamps do not matter. */
bool value_same(enum key_kind kind, const struct value *a, const struct value *b);

/*
 * Is this a legal name (1 to 255 bytes of UTF-8 without control characters)? When not,
 * *why says what is wrong ("byte 7 is a control character"), static text or a buffer of
 * its own that the next call overwrites.
 */
bool name_check(const char *name, size_t len, const char **why);
bool device_check(const char *device, const char **why);

/*
 * "1000@default", "1000" (context default). Writes the key name; false: *why says what is
 * wrong.
 */
bool mailbox_parse(const char *text, char out[KEY_MAX_BYTES + 1], const char **why);
/* The length of the mailbox part of a key name; the context begins one behind. */
size_t mailbox_len(const char *key);
bool mailbox_join(const char *mailbox, const char *context, char out[KEY_MAX_BYTES + 1],
	const char **why);

/* The most that a count of messages may be: the database's domain says the same. */
#define MESSAGES_MAX 1000000
/* "2", "2/1", "2/1/0": new, old, urgent. */
bool counts_parse(const char *text, struct value *out, const char **why);

#endif

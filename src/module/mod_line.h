/*
 * Layer 1: the lines of the link between a PBX and its node, as pgdevstate-link(7) says:
 * what the node says is taken apart, what the PBX says is printed. Pure; nothing that
 * comes in can do more than be refused.
 */
#ifndef MOD_LINE_H
#define MOD_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entity_id.h"
#include "state.h"

#define LINE_MAX_BYTES   2048 /* with its LF */
#define LINE_NAME_MAX    255  /* device, mailbox, context: each */
#define LINE_BOX_MAX     (2 * LINE_NAME_MAX + 1)
#define LINE_COUNT_MAX   1000000
#define LINE_VERSION     1
#define LINE_READER_SIZE (8 * LINE_MAX_BYTES)

/* Bytes from the socket, lines out of them. */
struct line_reader {
	char data[LINE_READER_SIZE];
	size_t begin, end;
};
void line_reader_init(struct line_reader *r);
/* Where the next bytes go, and how many; never none after line_reader_next() said 0. */
char *line_reader_space(struct line_reader *r, size_t *room);
void line_reader_filled(struct line_reader *r, size_t n);
/* 1: *line, writable, until the next call. 0: none complete yet. -1: *why: not a line. */
int line_reader_next(struct line_reader *r, char **line, const char **why);

struct counts {
	uint32_t urgent, fresh, old;
};
bool counts_same(const struct counts *a, const struct counts *b);

enum line_word {
	LINE_OTHER, /* a word of a later version: skip it */
	LINE_HELLO,
	LINE_STATUS,
	LINE_BEGIN,
	LINE_END,
	LINE_MEMBER,
	LINE_DEVICE,
	LINE_MERGED,
	LINE_MAILBOX,
	LINE_REFUSED,
	LINE_PONG,
	LINE_BYE
};

struct line {
	enum line_word word;
	bool gone;               /* '-' for state or counts; a member that is down */
	struct entity_id entity; /* not where gone is said of merged, mailbox */
	enum device_state state;
	struct counts counts;
	char id[LINE_BOX_MAX + 1]; /* mailbox: its unique id in Asterisk */
	/* Parts of the line: device; member's name; text of status, bye, pong, refused. The
	 * version in `why` of a hello. */
	const char *name, *host, *version, *why;
};

/* Cuts up `text`, which must outlive *out. False: *why says what is wrong. */
bool line_parse(char *text, struct line *out, const char **why);
/* Is it one of the lines that are acknowledged? */
bool line_is_fact(enum line_word word);

/*
 * What the node's console says in this server's name is kept in Asterisk under an id of
 * its own, or it would be taken for this server's word. Both ways.
 */
struct entity_id line_at_node(struct entity_id id);

/* 1 to 255 bytes of UTF-8 without control characters. */
bool line_name_ok(const char *name, size_t len);
/* Can this unique id be said on the link? mailbox@context, or one name alone. */
bool line_box_ok(const char *id);

/* What waits for the socket. Lines go in whole, or not at all. */
struct line_out {
	char data[32 * LINE_MAX_BYTES];
	size_t len;
};
bool line_out_room(const struct line_out *o);     /* for one more line */
void line_out_sent(struct line_out *o, size_t n); /* the first n bytes are gone */
bool line_out_add(struct line_out *o, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The names must have been checked. NULL: it says nothing of it any more. */
bool line_out_device(
	struct line_out *o, const char *name, const enum device_state *state);
bool line_out_box(struct line_out *o, const char *id, const struct counts *counts);

#endif

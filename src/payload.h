/*
 * Layer 1: the text that the database sends, as NOTIFY payload, from the journal and in a
 * snapshot: one grammar for all (docs/protocol.md). Pure; never trusts its input: names
 * are checked, numbers have ranges, unknown types and versions are refused with a reason.
 *
 * A payload is lines of tab-separated fields. The first is the header.
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "change.h"
#include "entity_id.h"
#include "policy.h"

enum payload_type {
	PAYLOAD_CHANGE,   /* C: one chunk of one publish of one entity */
	PAYLOAD_ROWS,     /* S: one chunk of all rows of one entity */
	PAYLOAD_PULSE,    /* P: the coordinator's pulse; heads and an audit follow as lines */
	PAYLOAD_GONE,     /* X: an entity was removed */
	PAYLOAD_PING,     /* Q: asks every node to answer */
	PAYLOAD_PONG,     /* R: an answer */
	PAYLOAD_TWIN,     /* T: someone was refused our id; an E line says who */
	PAYLOAD_POLICIES, /* V: policies changed; with lines: all of them */
	PAYLOAD_PACK,     /* K: several C, as payload_next_of_pack() takes them apart */
	PAYLOAD_ANNOUNCED /* A: what a node is about to publish, as lines */
};

struct payload_head {
	struct entity_id entity;
	struct uuid incarnation;
	int64_t seq; /* the newest */
	bool alive;
	bool reporting;
};

struct payload {
	enum payload_type type;
	int site;
	struct payload_head
		head;          /* C, S, A; entity and incarnation also X, Q, R; P: coordinator */
	int64_t from_seq;  /* C: continues this; A: at this, or up to head.seq */
	int chunk, chunks; /* C, S: 1..chunks */
	struct uuid continues; /* C: this incarnation continues that one ... */
	int64_t continues_seq; /* ... from this seq on; "" and 0: it does not */
	int64_t clock_us; /* the database's clock when it was made; A: as the node knows it */
	int64_t number;   /* P: the pulse's number; Q, R: the nonce; V: the version */
	struct entity_id to; /* R: who asked */
	const char *rest;    /* the lines behind the header; borrowed */
	size_t rest_len;
};

/* Borrows `text`, which must outlive `out`. False: *why says what is wrong. */
bool payload_parse(const char *text, size_t len, struct payload *out, const char **why);

/*
 * The payloads that a pack holds, one after the other: *at starts at 0. False: no more.
 * Each is what it would be by itself, and to be parsed as such; only C is legal there.
 */
bool payload_next_of_pack(
	const struct payload *pack, size_t *at, const char **text, size_t *len);

enum payload_line_type {
	LINE_VALUE,   /* D, M: key has value */
	LINE_REMOVED, /* d, m: key was removed */
	LINE_ENTITY,  /* E: who the entity is */
	LINE_HEAD,    /* H: a head, in a pulse */
	LINE_AUDIT,   /* A: what an entity's rows should be */
	LINE_VERSION, /* V: version of the policies, in a pulse */
	LINE_NOTIFY,  /* N: how changes are told, in a pulse */
	LINE_POLICY   /* Y: a policy, in V */
};

struct payload_entity {
	bool is_static;
	char name[256];
	char host[256];
	int pid;
	char version[64];
	int64_t since_us;
};

enum notify_mode { NOTIFY_AUTO, NOTIFY_DIRECT, NOTIFY_TICKER, NOTIFY_MODES };
const char *notify_mode_name(enum notify_mode mode); /* "auto", ... */
bool notify_mode_parse(const char *name, enum notify_mode *out);

/* How changes are told; where the pulse says nothing, each by itself, and auto. */
struct payload_notify {
	enum notify_mode mode, setting; /* mode is never auto */
	int members;
	int64_t changes_per_s;
	int period_ms; /* of the ticker */
};

struct payload_line {
	enum payload_line_type type;
	enum key_kind kind;           /* VALUE, REMOVED, POLICY */
	char key[KEY_MAX_BYTES + 1];  /* POLICY: the pattern */
	struct value value;           /* stamp_us is set for REMOVED too */
	struct payload_entity entity; /* ENTITY */
	struct payload_head head;     /* HEAD, AUDIT */
	enum policy policy;           /* POLICY */
	int64_t version;              /* VERSION */
	struct payload_notify notify; /* NOTIFY */
	int64_t audit_rows;
	uint64_t audit_digest;
};

/*
 * Iterates over the lines: *at starts at 0. Returns 1 and fills `out`, 0 at the end, -1
 * when a line is bad (*why).
 */
int payload_next(
	const struct payload *p, size_t *at, struct payload_line *out, const char **why);

/* One line of read_heads(): an H line, with or without its newline. */
bool payload_parse_head(const char *text, size_t len, struct payload_head *out);

/* The digest of one row; an entity's digest is the xor of its rows'. */
uint64_t payload_row_digest(enum key_kind kind, const char *key, const struct value *v);

#endif

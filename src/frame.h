/*
 * Layer 1: frames between the console's client and the daemon.
 *
 * A frame is one header line and then bytes: "1 run 12\ncore show hin". The first field
 * is the version of this grammar, then the type, then how many bytes follow.
 */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

#define FRAME_VERSION   1
#define FRAME_MAX_BYTES 65536 /* behind the header */

enum frame_type {
	/* client -> daemon */
	FRAME_OPEN,   /* "once", "script" or "interactive", and " json" behind it for JSON */
	FRAME_RUN,    /* a command line */
	FRAME_CANCEL, /* give up the running command */
	FRAME_COMPLETE, /* a line up to the cursor: asks for a list */
	/* daemon -> client */
	FRAME_READY, /* answers open: system name, version and pid, divided by tabs */
	FRAME_OUT,   /* output of the command */
	FRAME_ERR,   /* its error messages */
	FRAME_END,   /* the command ended: its exit status */
	FRAME_LOG,   /* a line that no command asked for */
	FRAME_LIST,  /* lines: bytes to replace before the cursor, then each candidate */
	FRAME_BYE,   /* the daemon closes the connection: why */
	FRAME_TYPES
};
const char *frame_type_name(enum frame_type t); /* "run" */

struct frame {
	enum frame_type type;
	const char *data; /* borrowed from the reader until its next call; NUL behind `len` */
	size_t len;
};

/* Bytes come in as they like; whole frames come out. */
struct frame_reader {
	struct buf in;
	size_t at; /* bytes of `in` that are done */
	char kept; /* the byte that the NUL behind a frame covers */
	bool covered;
};
void frame_reader_init(struct frame_reader *r);
void frame_reader_clear(struct frame_reader *r);
void frame_reader_add(struct frame_reader *r, const void *bytes, size_t len);
/* 1 and a frame; 0: more bytes are needed; -1: this is no frame, *why says what is wrong.
 */
int frame_reader_next(struct frame_reader *r, struct frame *out, const char **why);

/* Appends a frame; `len` is at most FRAME_MAX_BYTES. */
void frame_print(struct buf *out, enum frame_type type, const void *data, size_t len);

#endif

/* Layer 1: frames between the console's client and the daemon: reading and printing them.
 */
#include "frame.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

/* "1 complete 65536\n" is the longest header that can be right. */
#define HEADER_MAX_BYTES 32

static const char *const names[FRAME_TYPES] = {
	[FRAME_OPEN] = "open",
	[FRAME_RUN] = "run",
	[FRAME_CANCEL] = "cancel",
	[FRAME_COMPLETE] = "complete",
	[FRAME_READY] = "ready",
	[FRAME_OUT] = "out",
	[FRAME_ERR] = "err",
	[FRAME_END] = "end",
	[FRAME_LOG] = "log",
	[FRAME_LIST] = "list",
	[FRAME_BYE] = "bye",
};

const char *frame_type_name(enum frame_type t)
{
	assert(t < FRAME_TYPES);
	return names[t];
}

static bool find_type(const char *name, size_t len, enum frame_type *out)
{
	for (int i = 0; i < FRAME_TYPES; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
			*out = (enum frame_type)i;
			return true;
		}
	}
	return false;
}

/* Digits up to `end` and nothing else; false when it is no number up to `max`. */
static bool parse_number(const char *at, const char *end, size_t max, size_t *out)
{
	size_t n = 0;

	if (at == end)
		return false;
	for (; at < end; at++) {
		if (!isdigit((unsigned char)*at))
			return false;
		n = n * 10 + (size_t)(*at - '0');
		if (n > max)
			return false;
	}
	*out = n;
	return true;
}

/* `line` ends at `end`, where the newline is. */
static bool parse_header(
	const char *line, const char *end, struct frame *out, const char **why)
{
	const char *type = memchr(line, ' ', (size_t)(end - line));
	const char *length = type ? memchr(type + 1, ' ', (size_t)(end - type - 1)) : NULL;
	size_t version;

	if (!length || !parse_number(line, type, 9999, &version)) {
		*why = "a header is not VERSION TYPE LENGTH";
		return false;
	}
	if (version != FRAME_VERSION) {
		*why = "another version of the console's protocol (1 is spoken here): "
			   "client and daemon must be of one release; restart the daemon after an "
			   "upgrade";
		return false;
	}
	if (!find_type(type + 1, (size_t)(length - type - 1), &out->type)) {
		*why = "a frame of an unknown type";
		return false;
	}
	if (!parse_number(length + 1, end, FRAME_MAX_BYTES, &out->len)) {
		*why = "a frame's length is not a number up to 65536";
		return false;
	}
	return true;
}

void frame_reader_init(struct frame_reader *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->in);
}

void frame_reader_clear(struct frame_reader *r)
{
	buf_clear(&r->in);
	frame_reader_init(r);
}

static void uncover(struct frame_reader *r)
{
	if (r->covered)
		r->in.data[r->at] = r->kept;
	r->covered = false;
}

void frame_reader_add(struct frame_reader *r, const void *bytes, size_t len)
{
	uncover(r);
	if (r->at > 0) {
		memmove(r->in.data, r->in.data + r->at, r->in.len - r->at);
		r->in.len -= r->at;
		r->in.data[r->in.len] = '\0';
		r->at = 0;
	}
	buf_add(&r->in, bytes, len);
}

int frame_reader_next(struct frame_reader *r, struct frame *out, const char **why)
{
	uncover(r);
	const char *line = buf_str(&r->in) + r->at;
	size_t have = r->in.len - r->at;
	const char *end =
		memchr(line, '\n', have < HEADER_MAX_BYTES ? have : HEADER_MAX_BYTES);

	if (!end) {
		*why = "a header is too long";
		return have < HEADER_MAX_BYTES ? 0 : -1;
	}
	if (!parse_header(line, end, out, why))
		return -1;
	size_t header = (size_t)(end - line) + 1;
	if (have - header < out->len)
		return 0;
	out->data = end + 1;
	r->at += header + out->len;
	r->kept = r->in.data[r->at];
	r->in.data[r->at] = '\0';
	r->covered = true;
	return 1;
}

void frame_print(struct buf *out, enum frame_type type, const void *data, size_t len)
{
	assert(len <= FRAME_MAX_BYTES);
	buf_addf(out, "%d %s %zu\n", FRAME_VERSION, frame_type_name(type), len);
	buf_add(out, data, len);
}

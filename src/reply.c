/* Layer 3: what a command answers, as text or as JSON. */
#include "reply.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LABEL_COLUMNS 28

void reply_init(struct reply *r, bool json,
	void (*write)(void *arg, const char *bytes, size_t len), void *arg)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->pending);
	r->json = json;
	r->write = write;
	r->arg = arg;
}

void reply_clear(struct reply *r)
{
	buf_clear(&r->pending);
	json_decref(r->object);
	r->object = NULL;
}

void reply_flush(struct reply *r)
{
	const char *at = buf_str(&r->pending);
	size_t left = r->pending.len;

	while (left > 0) {
		size_t piece = left < REPLY_PIECE_BYTES ? left : REPLY_PIECE_BYTES;
		r->write(r->arg, at, piece);
		at += piece;
		left -= piece;
	}
	buf_reset(&r->pending);
}

static void flush_when_full(struct reply *r)
{
	if (r->pending.len >= REPLY_PIECE_BYTES)
		reply_flush(r);
}

void reply_printf(struct reply *r, const char *fmt, ...)
{
	va_list ap;

	if (r->json)
		return;
	va_start(ap, fmt);
	buf_addv(&r->pending, fmt, ap);
	va_end(ap);
	flush_when_full(r);
}

static void add_json(struct reply *r, const json_t *value, size_t flags)
{
	char *text = json_dumps(value, flags | JSON_ENCODE_ANY);

	assert(text);
	buf_adds(&r->pending, text);
	free(text);
	flush_when_full(r);
}

void reply_set(struct reply *r, const char *key, json_t *value)
{
	assert(value);
	if (!r->json) {
		json_decref(value);
		return;
	}
	if (!r->object)
		r->object = json_object();
	int failed = json_object_set_new(r->object, key, value);
	assert(!failed);
}

static void print_line(struct reply *r, const char *label, const char *value)
{
	char column[LABEL_COLUMNS + 1];

	snprintf(column, sizeof(column), "%s:", label);
	reply_printf(r, "  %-*s %s\n", LABEL_COLUMNS, column, value);
}

void reply_field(
	struct reply *r, const char *label, const char *key, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text);
	va_start(ap, fmt);
	buf_addv(&text, fmt, ap);
	va_end(ap);
	print_line(r, label, buf_str(&text));
	if (r->json)
		reply_set(r, key, reply_string(buf_str(&text)));
	buf_clear(&text);
}

void reply_number(struct reply *r, const char *label, const char *key, int64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	print_line(r, label, text);
	reply_set(r, key, json_integer(n));
}

void reply_seconds(struct reply *r, const char *label, const char *key, int64_t ms)
{
	char text[32];

	snprintf(text, sizeof(text), "%g", (double)ms / 1000);
	print_line(r, label, text);
	reply_set(r, key, json_real((double)ms / 1000));
}

void reply_list(struct reply *r)
{
	if (!r->json || r->list != REPLY_NO_LIST)
		return;
	assert(!r->object);
	buf_adds(&r->pending, "[");
	r->list = REPLY_LIST_EMPTY;
}

void reply_item(struct reply *r, json_t *value)
{
	assert(value);
	if (r->json) {
		reply_list(r);
		buf_adds(&r->pending, r->list == REPLY_LIST_EMPTY ? "\n  " : ",\n  ");
		r->list = REPLY_LIST_GOING;
		add_json(r, value, 0);
	}
	json_decref(value);
}

void reply_end(struct reply *r)
{
	if (r->list != REPLY_NO_LIST)
		buf_adds(&r->pending, r->list == REPLY_LIST_EMPTY ? "]\n" : "\n]\n");
	r->list = REPLY_NO_LIST;
	if (r->object) {
		add_json(r, r->object, JSON_INDENT(2));
		buf_adds(&r->pending, "\n");
		json_decref(r->object);
		r->object = NULL;
	}
	reply_flush(r);
}

/* Byte by byte: whatever jansson takes stays, the rest is shown as U+FFFD. */
static json_t *repaired_string(const char *s)
{
	struct buf out;
	json_t *string;

	buf_init(&out);
	while (*s) {
		size_t len = 1;
		json_t *one = NULL;
		for (; len <= 4 && strnlen(s, len) == len; len++) {
			one = json_stringn(s, len);
			if (one)
				break;
		}
		buf_add(&out, one ? s : "\xef\xbf\xbd", one ? len : 3);
		s += one ? len : 1;
		json_decref(one);
	}
	string = json_string(buf_str(&out));
	assert(string);
	buf_clear(&out);
	return string;
}

json_t *reply_string(const char *s)
{
	json_t *string = json_string(s);

	return string ? string : repaired_string(s);
}

const char *reply_time(int64_t us, char out[REPLY_TIME_TEXT])
{
	time_t seconds = (time_t)(us / 1000000);
	struct tm tm;

	if (us <= 0 || !gmtime_r(&seconds, &tm))
		snprintf(out, REPLY_TIME_TEXT, "never");
	else
		strftime(out, REPLY_TIME_TEXT, "%Y-%m-%d %H:%M:%S UTC", &tm);
	return out;
}

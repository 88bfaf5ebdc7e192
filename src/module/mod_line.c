/* Layer 1: the lines of the link between a PBX and its node. Pure. */
#include "mod_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define FIELDS_MAX 16

void line_reader_init(struct line_reader *r)
{
	r->begin = r->end = 0;
}

char *line_reader_space(struct line_reader *r, size_t *room)
{
	if (r->begin > 0) {
		memmove(r->data, r->data + r->begin, r->end - r->begin);
		r->end -= r->begin;
		r->begin = 0;
	}
	*room = sizeof(r->data) - r->end;
	return r->data + r->end;
}

void line_reader_filled(struct line_reader *r, size_t n)
{
	r->end += n;
}

int line_reader_next(struct line_reader *r, char **line, const char **why)
{
	char *begin = r->data + r->begin;
	size_t len = r->end - r->begin;
	char *lf = memchr(begin, '\n', len);

	if ((lf ? (size_t)(lf - begin) + 1 : len) > LINE_MAX_BYTES) {
		*why = "a line is longer than 2048 bytes";
		return -1;
	}
	if (!lf)
		return 0;
	*lf = '\0';
	r->begin += (size_t)(lf - begin) + 1;
	if (strlen(begin) != (size_t)(lf - begin)) {
		*why = "a line has a NUL byte";
		return -1;
	}
	*line = begin;
	return 1;
}

bool counts_same(const struct counts *a, const struct counts *b)
{
	return a->urgent == b->urgent && a->fresh == b->fresh && a->old == b->old;
}

/* UTF-8 without control characters? Empty is fine. */
static bool text_ok(const char *text, size_t len)
{
	for (size_t at = 0, step; at < len; at += step) {
		step = utf8_len(text + at, len - at);
		if (step == 0 || utf8_is_control(text + at, step))
			return false;
	}
	return true;
}

bool line_name_ok(const char *name, size_t len)
{
	return len > 0 && len <= LINE_NAME_MAX && text_ok(name, len);
}

bool line_box_ok(const char *id)
{
	const char *at = strrchr(id, '@');

	if (!at)
		return line_name_ok(id, strlen(id));
	return line_name_ok(id, (size_t)(at - id)) && line_name_ok(at + 1, strlen(at + 1));
}

/* The fields behind the word. */
struct fields {
	char *at[FIELDS_MAX];
	int count;
};

static void split(char *text, struct fields *f)
{
	char *tab;

	for (f->count = 0; f->count < FIELDS_MAX; text = tab + 1) {
		f->at[f->count++] = text;
		tab = strchr(text, '\t');
		if (!tab)
			return;
		*tab = '\0';
	}
}

static bool is_none(const char *field)
{
	return strcmp(field, "-") == 0;
}

static bool parse_count(const char *text, uint32_t *out)
{
	char *end;
	unsigned long n;

	if (*text < '0' || *text > '9' || strlen(text) > 7)
		return false;
	n = strtoul(text, &end, 10);
	*out = (uint32_t)n;
	return *end == '\0' && n <= LINE_COUNT_MAX;
}

/* Another version is the session's business; its fields may be others. */
static bool parse_hello(struct fields *f, struct line *out)
{
	out->why = f->at[0];
	if (strcmp(f->at[0], "1") != 0)
		return true;
	if (f->count < 4)
		return false;
	out->name = f->at[2];
	out->version = f->at[3];
	return entity_id_parse(f->at[1], &out->entity);
}

static bool parse_text(struct fields *f, struct line *out)
{
	out->name = f->count > 0 ? f->at[0] : "";
	return true;
}

static bool parse_nothing(struct fields *f, struct line *out)
{
	(void)f;
	(void)out;
	return true;
}

static bool parse_member(struct fields *f, struct line *out)
{
	out->gone = strcmp(f->at[0], "down") == 0;
	out->name = f->at[2];
	out->host = f->at[3];
	out->version = f->at[4];
	return (out->gone || strcmp(f->at[0], "up") == 0) &&
		   entity_id_parse(f->at[1], &out->entity);
}

static bool parse_device(struct fields *f, struct line *out)
{
	out->gone = is_none(f->at[0]);
	out->name = f->at[2];
	return (out->gone || state_parse(f->at[0], &out->state)) &&
		   entity_id_parse(f->at[1], &out->entity) &&
		   line_name_ok(out->name, strlen(out->name));
}

static bool parse_merged(struct fields *f, struct line *out)
{
	if (!is_none(f->at[0]))
		return parse_device(f, out);
	out->gone = true;
	out->name = f->at[2];
	return line_name_ok(out->name, strlen(out->name));
}

static bool parse_box_name(const char *mailbox, const char *context, struct line *out)
{
	if (!line_name_ok(mailbox, strlen(mailbox)))
		return false;
	if (!*context)
		return snprintf(out->id, sizeof(out->id), "%s", mailbox) > 0;
	if (!line_name_ok(context, strlen(context)))
		return false;
	return snprintf(out->id, sizeof(out->id), "%s@%s", mailbox, context) > 0;
}

static bool parse_mailbox(struct fields *f, struct line *out)
{
	out->gone = is_none(f->at[0]);
	if (!parse_box_name(f->at[4], f->at[5], out))
		return false;
	return out->gone || (parse_count(f->at[0], &out->counts.urgent) &&
							parse_count(f->at[1], &out->counts.fresh) &&
							parse_count(f->at[2], &out->counts.old) &&
							entity_id_parse(f->at[3], &out->entity));
}

static bool parse_refused(struct fields *f, struct line *out)
{
	out->version = f->at[0]; /* which word */
	out->name = f->at[1];
	out->why = f->at[2];
	return true;
}

static const struct {
	const char *word;
	enum line_word is;
	int fields; /* at least */
	bool (*parse)(struct fields *f, struct line *out);
} words[] = {
	{"device", LINE_DEVICE, 3, parse_device},
	{"mailbox", LINE_MAILBOX, 6, parse_mailbox},
	{"merged", LINE_MERGED, 3, parse_merged},
	{"member", LINE_MEMBER, 5, parse_member},
	{"pong", LINE_PONG, 1, parse_text},
	{"begin", LINE_BEGIN, 0, parse_nothing},
	{"end", LINE_END, 0, parse_nothing},
	{"hello", LINE_HELLO, 1, parse_hello},
	{"status", LINE_STATUS, 1, parse_text},
	{"refused", LINE_REFUSED, 3, parse_refused},
	{"bye", LINE_BYE, 0, parse_text},
};

static bool parse_word(
	const char *word, struct fields *f, struct line *out, const char **why)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, word) != 0)
			continue;
		out->word = words[i].is;
		*why = "too few fields";
		if (f->count < words[i].fields)
			return false;
		*why = "a field is wrong";
		return words[i].parse(f, out);
	}
	return true;
}

/* A tab divides fields; any other control character has no business here. */
static bool line_text_ok(const char *text)
{
	while (true) {
		size_t len = strcspn(text, "\t");

		if (!text_ok(text, len))
			return false;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

bool line_parse(char *text, struct line *out, const char **why)
{
	struct fields f = {.count = 0};
	char *tab;

	memset(out, 0, sizeof(*out));
	out->name = out->host = out->version = out->why = "";
	*why = "a control character, or not UTF-8";
	if (!line_text_ok(text))
		return false;
	tab = strchr(text, '\t');
	if (tab) {
		*tab = '\0';
		split(tab + 1, &f);
	}
	return parse_word(text, &f, out, why);
}

/* No network card has an address with this bit, and entity ids are mostly those. */
struct entity_id line_at_node(struct entity_id id)
{
	id.bytes[0] ^= 1;
	return id;
}

bool line_is_fact(enum line_word word)
{
	return word == LINE_DEVICE || word == LINE_MERGED || word == LINE_MAILBOX ||
		   word == LINE_MEMBER;
}

bool line_out_room(const struct line_out *o)
{
	return sizeof(o->data) - o->len >= LINE_MAX_BYTES;
}

void line_out_sent(struct line_out *o, size_t n)
{
	o->len -= n;
	memmove(o->data, o->data + n, o->len);
}

bool line_out_add(struct line_out *o, const char *format, ...)
{
	va_list args;
	int n;

	if (!line_out_room(o))
		return false;
	va_start(args, format);
	n = vsnprintf(o->data + o->len, LINE_MAX_BYTES, format, args);
	va_end(args);
	if (n < 0 || n >= LINE_MAX_BYTES)
		return false;
	o->data[o->len + (size_t)n] = '\n';
	o->len += (size_t)n + 1;
	return true;
}

bool line_out_device(struct line_out *o, const char *name, const enum device_state *state)
{
	return line_out_add(o, "device\t%s\t%s", state ? state_name(*state) : "-", name);
}

bool line_out_box(struct line_out *o, const char *id, const struct counts *counts)
{
	const char *at = strrchr(id, '@');
	int len = at ? (int)(at - id) : (int)strlen(id);

	if (!counts)
		return line_out_add(o, "mailbox\t-\t-\t-\t%.*s\t%s", len, id, at ? at + 1 : "");
	return line_out_add(o, "mailbox\t%u\t%u\t%u\t%.*s\t%s", counts->urgent, counts->fresh,
		counts->old, len, id, at ? at + 1 : "");
}

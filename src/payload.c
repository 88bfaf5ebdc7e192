/*
 * Layer 1: the payload grammar (docs/protocol.md). Pure: bytes in, checked values out.
 */
#include "payload.h"

#include <md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fields of one line, taken from left to right. */
struct fields {
	const char *at;
	const char *end;   /* the newline or the end of the text */
	bool whole;        /* it ends with a newline */
	bool more;         /* another field follows */
	const char *wrong; /* the first thing that was wrong */
};

struct slice {
	const char *at;
	size_t len;
};

static struct fields fields_of_line(const char *text, size_t len)
{
	const char *newline = memchr(text, '\n', len);

	return (struct fields){
		text, newline ? newline : text + len, newline != NULL, true, NULL};
}

static bool fields_fail(struct fields *f, const char *wrong)
{
	if (!f->wrong)
		f->wrong = wrong;
	return false;
}

static bool take_slice(struct fields *f, struct slice *out)
{
	const char *tab;

	if (f->wrong)
		return false;
	if (!f->more)
		return fields_fail(f, "a field is missing");
	tab = memchr(f->at, '\t', (size_t)(f->end - f->at));
	out->at = f->at;
	out->len = (size_t)((tab ? tab : f->end) - f->at);
	f->more = tab != NULL;
	f->at = tab ? tab + 1 : f->end;
	return true;
}

/* A field without tabs that has at most size - 1 bytes. */
static bool take_text(struct fields *f, char *out, size_t size)
{
	struct slice s;

	if (!take_slice(f, &s))
		return false;
	if (s.len >= size || memchr(s.at, '\0', s.len))
		return fields_fail(f, "a field is too long");
	memcpy(out, s.at, s.len);
	out[s.len] = '\0';
	return true;
}

/* Digits, a minus before them or not. 18 of them always fit. */
static bool number_of(const struct slice *s, int64_t *out)
{
	bool minus = s->len > 0 && s->at[0] == '-';
	int64_t n = 0;

	if (s->len == minus || s->len > 23)
		return false;
	for (size_t i = minus; i < s->len; i++) {
		unsigned digit = (unsigned)(s->at[i] - '0');

		if (digit > 9 || (i >= 18 && n > (INT64_MAX - (int64_t)digit) / 10))
			return false;
		n = n * 10 + digit;
	}
	*out = minus ? -n : n;
	return true;
}

static bool take_int(struct fields *f, int64_t min, int64_t max, int64_t *out)
{
	struct slice s;
	int64_t n;

	if (!take_slice(f, &s))
		return false;
	if (!number_of(&s, &n) || n < min || n > max)
		return fields_fail(f, "a number is malformed or out of range");
	*out = n;
	return true;
}

static bool take_entity(struct fields *f, struct entity_id *out)
{
	char text[ENTITY_ID_TEXT];

	if (!take_text(f, text, sizeof(text)))
		return false;
	return entity_id_parse(text, out) || fields_fail(f, "an entity id is malformed");
}

static bool take_uuid(struct fields *f, struct uuid *out, bool optional)
{
	char text[UUID_TEXT];

	if (!take_text(f, text, sizeof(text)))
		return false;
	if (optional && text[0] == '-' && !text[1]) {
		out->text[0] = '\0';
		return true;
	}
	return uuid_parse(text, out) || fields_fail(f, "a uuid is malformed");
}

static bool take_flags(struct fields *f, struct payload_head *head)
{
	static const char *const flags[] = {"-", "a", "r", "ar"};
	struct slice s;

	if (!take_slice(f, &s))
		return false;
	for (int i = 0; i < 4; i++) {
		if (s.len == strlen(flags[i]) && memcmp(s.at, flags[i], s.len) == 0) {
			head->alive = (i & 1) != 0;
			head->reporting = (i & 2) != 0;
			return true;
		}
	}
	return fields_fail(f, "flags are malformed");
}

/* A field of one character; '\0': of another length. */
static bool take_letter(struct fields *f, char *out)
{
	struct slice s;

	if (!take_slice(f, &s))
		return false;
	*out = s.len == 1 ? s.at[0] : '\0';
	return true;
}

static bool take_held(struct fields *f, bool *held)
{
	char letter;

	if (!take_letter(f, &letter))
		return false;
	*held = letter == 'h';
	return *held || letter == '-' || fields_fail(f, "held is neither h nor -");
}

static bool fields_end(struct fields *f)
{
	if (!f->wrong && f->more)
		fields_fail(f, "a line has too many fields");
	if (!f->whole)
		fields_fail(f, "a line is cut");
	return f->wrong == NULL;
}

static bool take_name(struct fields *f, char *out)
{
	struct slice s;
	const char *why;

	if (!take_slice(f, &s))
		return false;
	if (!name_check(s.at, s.len, &why))
		return fields_fail(f, "a name is not legal");
	memcpy(out, s.at, s.len);
	out[s.len] = '\0';
	return true;
}

static bool take_version(struct fields *f, char *out, size_t size)
{
	const char *why;

	if (!take_text(f, out, size))
		return false;
	return name_check(out, strlen(out), &why) || fields_fail(f, "a version is not legal");
}

static bool take_mailbox(struct fields *f, char *key)
{
	char mailbox[NAME_MAX_BYTES + 1], context[NAME_MAX_BYTES + 1];
	const char *why;

	if (!take_name(f, mailbox) || !take_text(f, context, sizeof(context)))
		return false;
	return mailbox_join(mailbox, context, key, &why) ||
		   fields_fail(f, "a mailbox's context is not legal");
}

#define MOST_STAMP INT64_C(9000000000000000) /* beyond the year 2250, in microseconds */

static bool take_header_change(struct fields *f, struct payload *p)
{
	int64_t chunk = 0, chunks = 0;

	if (!take_entity(f, &p->head.entity) || !take_uuid(f, &p->head.incarnation, false) ||
		!take_int(f, 0, INT64_MAX, &p->from_seq) ||
		!take_int(f, 0, INT64_MAX, &p->head.seq) || !take_int(f, 0, 1000000, &chunk) ||
		!take_int(f, 0, 1000000, &chunks) || !take_flags(f, &p->head) ||
		!take_uuid(f, &p->continues, true) ||
		!take_int(f, 0, INT64_MAX, &p->continues_seq) ||
		!take_int(f, 0, MOST_STAMP, &p->clock_us))
		return false;
	p->chunk = (int)chunk;
	p->chunks = (int)chunks;
	if (chunk > chunks || (chunk == 0) != (chunks == 0) || p->from_seq > p->head.seq)
		return fields_fail(f, "chunks or seqs do not fit together");
	return true;
}

static bool take_header_announced(struct fields *f, struct payload *p)
{
	return take_entity(f, &p->head.entity) && take_uuid(f, &p->head.incarnation, false) &&
		   take_int(f, 0, INT64_MAX, &p->from_seq) &&
		   take_int(f, p->from_seq, INT64_MAX, &p->head.seq) &&
		   take_int(f, 0, MOST_STAMP, &p->clock_us);
}

static bool take_header_rest(struct fields *f, struct payload *p)
{
	switch (p->type) {
	case PAYLOAD_CHANGE:
	case PAYLOAD_ROWS:
		return take_header_change(f, p);
	case PAYLOAD_PULSE:
	case PAYLOAD_PING:
		return take_entity(f, &p->head.entity) &&
			   take_uuid(f, &p->head.incarnation, false) &&
			   take_int(f, 0, INT64_MAX, &p->number) &&
			   take_int(f, 0, MOST_STAMP, &p->clock_us);
	case PAYLOAD_PONG:
		return take_entity(f, &p->head.entity) &&
			   take_uuid(f, &p->head.incarnation, false) && take_entity(f, &p->to) &&
			   take_int(f, 0, INT64_MAX, &p->number) &&
			   take_int(f, 0, MOST_STAMP, &p->clock_us);
	case PAYLOAD_POLICIES:
		return take_int(f, 0, INT64_MAX, &p->number) &&
			   take_int(f, 0, MOST_STAMP, &p->clock_us);
	case PAYLOAD_PACK:
		return true;
	case PAYLOAD_TWIN:
		return take_entity(f, &p->head.entity) &&
			   take_uuid(f, &p->head.incarnation, false) &&
			   take_int(f, 0, MOST_STAMP, &p->clock_us);
	case PAYLOAD_ANNOUNCED:
		return take_header_announced(f, p);
	case PAYLOAD_GONE:
		return take_entity(f, &p->head.entity) &&
			   take_uuid(f, &p->head.incarnation, false) &&
			   take_int(f, 0, INT64_MAX, &p->head.seq) &&
			   take_int(f, 0, MOST_STAMP, &p->clock_us);
	}
	return false;
}

static bool take_type(struct fields *f, enum payload_type *out)
{
	static const char letters[] = "CSPXQRTVKA";
	const char *at;
	char letter;

	if (!take_letter(f, &letter))
		return false;
	at = letter ? strchr(letters, letter) : NULL;
	if (!at)
		return fields_fail(f, "its type is unknown");
	*out = (enum payload_type)(at - letters);
	return true;
}

bool payload_parse(const char *text, size_t len, struct payload *out, const char **why)
{
	struct fields f = fields_of_line(text, len);
	const char *behind = f.whole ? f.end + 1 : f.end;
	int64_t version, site = 0;

	memset(out, 0, sizeof(*out));
	if (take_int(&f, 0, INT32_MAX, &version) && version != 1)
		fields_fail(&f, "its version is unknown");
	if (!take_type(&f, &out->type) || !take_int(&f, 0, 32767, &site) ||
		!take_header_rest(&f, out) || !fields_end(&f)) {
		*why = f.wrong;
		return false;
	}
	out->site = (int)site;
	out->rest = behind;
	out->rest_len = (size_t)(text + len - behind);
	return true;
}

/* A payload's header begins with its version, a digit; other lines with a letter. */
bool payload_next_of_pack(
	const struct payload *pack, size_t *at, const char **text, size_t *len)
{
	const char *begin = pack->rest + *at, *end = pack->rest + pack->rest_len;
	const char *next = begin;

	if (begin == end)
		return false;
	do {
		next = memchr(next, '\n', (size_t)(end - next));
		next = next ? next + 1 : end;
	} while (next < end && !(*next >= '0' && *next <= '9'));
	*text = begin;
	*len = (size_t)(next - begin);
	*at += *len;
	return true;
}

static bool take_age(struct fields *f, const struct payload *p, struct payload_line *out)
{
	int64_t age;

	if (!take_int(f, -MOST_STAMP, MOST_STAMP, &age))
		return false;
	out->value.stamp_us = p->clock_us - age;
	return true;
}

static bool line_device(
	struct fields *f, const struct payload *p, struct payload_line *out)
{
	int64_t state = 0;

	out->type = LINE_VALUE;
	out->kind = KEY_DEVICE;
	if (!take_int(f, 0, STATE_COUNT - 1, &state) || !take_held(f, &out->value.held))
		return false;
	out->value.state = (enum device_state)state;
	return take_age(f, p, out) && take_name(f, out->key);
}

static bool line_device_removed(
	struct fields *f, const struct payload *p, struct payload_line *out)
{
	out->type = LINE_REMOVED;
	out->kind = KEY_DEVICE;
	return take_age(f, p, out) && take_name(f, out->key);
}

static bool line_mailbox(
	struct fields *f, const struct payload *p, struct payload_line *out)
{
	int64_t urgent = 0, fresh = 0, old = 0;

	out->type = LINE_VALUE;
	out->kind = KEY_MAILBOX;
	if (!take_int(f, 0, MESSAGES_MAX, &urgent) || !take_int(f, 0, MESSAGES_MAX, &fresh) ||
		!take_int(f, 0, MESSAGES_MAX, &old) || !take_held(f, &out->value.held))
		return false;
	out->value.urgent = (uint32_t)urgent;
	out->value.fresh = (uint32_t)fresh;
	out->value.old = (uint32_t)old;
	return take_age(f, p, out) && take_mailbox(f, out->key);
}

static bool line_mailbox_removed(
	struct fields *f, const struct payload *p, struct payload_line *out)
{
	out->type = LINE_REMOVED;
	out->kind = KEY_MAILBOX;
	return take_age(f, p, out) && take_mailbox(f, out->key);
}

static bool line_entity(
	struct fields *f, const struct payload *p, struct payload_line *out)
{
	struct payload_entity *e = &out->entity;
	char kind[8];
	int64_t pid = 0;

	(void)p;
	out->type = LINE_ENTITY;
	if (!take_text(f, kind, sizeof(kind)) || !take_name(f, e->name) ||
		!take_name(f, e->host) || !take_int(f, 0, INT32_MAX, &pid) ||
		!take_version(f, e->version, sizeof(e->version)) ||
		!take_int(f, 0, MOST_STAMP, &e->since_us))
		return false;
	e->pid = (int)pid;
	e->is_static = strcmp(kind, "static") == 0;
	return e->is_static || strcmp(kind, "node") == 0 ||
		   fields_fail(f, "an entity's kind is unknown");
}

static bool line_head(struct fields *f, const struct payload *p, struct payload_line *out)
{
	(void)p;
	out->type = LINE_HEAD;
	return take_entity(f, &out->head.entity) &&
		   take_uuid(f, &out->head.incarnation, false) &&
		   take_int(f, 0, INT64_MAX, &out->head.seq) && take_flags(f, &out->head);
}

static bool line_audit(
	struct fields *f, const struct payload *p, struct payload_line *out)
{
	char digest[17];

	if (!line_head(f, p, out) || !take_int(f, 0, INT64_MAX, &out->audit_rows) ||
		!take_text(f, digest, sizeof(digest)))
		return false;
	out->type = LINE_AUDIT;
	out->audit_digest = strtoull(digest, NULL, 16);
	return strspn(digest, "0123456789abcdef") == 16 ||
		   fields_fail(f, "a digest is malformed");
}

static bool line_version(
	struct fields *f, const struct payload *p, struct payload_line *out)
{
	(void)p;
	out->type = LINE_VERSION;
	return take_int(f, 0, INT64_MAX, &out->version);
}

static const char *const notify_modes[NOTIFY_MODES] = {"auto", "direct", "ticker"};

const char *notify_mode_name(enum notify_mode mode)
{
	return notify_modes[mode];
}

bool notify_mode_parse(const char *name, enum notify_mode *out)
{
	for (int mode = 0; mode < NOTIFY_MODES; mode++) {
		if (strcmp(name, notify_modes[mode]) == 0) {
			*out = (enum notify_mode)mode;
			return true;
		}
	}
	return false;
}

static bool take_notify_mode(struct fields *f, enum notify_mode *out)
{
	char text[8];

	return take_text(f, text, sizeof(text)) &&
		   (notify_mode_parse(text, out) || fields_fail(f, "a notify mode is unknown"));
}

static bool line_notify(
	struct fields *f, const struct payload *p, struct payload_line *out)
{
	struct payload_notify *n = &out->notify;
	int64_t members = 0, period_ms = 0;

	(void)p;
	out->type = LINE_NOTIFY;
	if (!take_notify_mode(f, &n->mode) || !take_notify_mode(f, &n->setting) ||
		!take_int(f, 0, INT32_MAX, &members) ||
		!take_int(f, 0, INT64_MAX, &n->changes_per_s) ||
		!take_int(f, 0, INT32_MAX, &period_ms))
		return false;
	n->members = (int)members;
	n->period_ms = (int)period_ms;
	return n->mode != NOTIFY_AUTO || fields_fail(f, "a notify mode is unknown");
}

static bool line_policy(
	struct fields *f, const struct payload *p, struct payload_line *out)
{
	char kind[8], word[16];
	const char *why;

	(void)p;
	out->type = LINE_POLICY;
	if (!take_text(f, kind, sizeof(kind)) || !take_text(f, word, sizeof(word)) ||
		!take_name(f, out->key))
		return false;
	out->kind = strcmp(kind, "device") == 0 ? KEY_DEVICE : KEY_MAILBOX;
	if (strcmp(kind, key_kind_name(out->kind)) != 0)
		return fields_fail(f, "the kind of a policy is unknown");
	if (!policy_parse(out->kind, word, &out->policy))
		return fields_fail(f, "a policy is unknown");
	return policy_pattern_check(out->kind, out->key, &why) ||
		   fields_fail(f, "a pattern is not legal");
}

static const struct {
	char letter;
	bool (*take)(struct fields *, const struct payload *, struct payload_line *);
} line_types[] = {
	{'D', line_device},
	{'d', line_device_removed},
	{'M', line_mailbox},
	{'m', line_mailbox_removed},
	{'E', line_entity},
	{'H', line_head},
	{'A', line_audit},
	{'V', line_version},
	{'N', line_notify},
	{'Y', line_policy},
};

static bool take_line(struct fields *f, const struct payload *p, struct payload_line *out)
{
	char letter;

	if (!take_letter(f, &letter))
		return false;
	for (size_t i = 0; i < sizeof(line_types) / sizeof(line_types[0]); i++) {
		if (letter == line_types[i].letter)
			return line_types[i].take(f, p, out) && fields_end(f);
	}
	return fields_fail(f, "a line's type is unknown");
}

int payload_next(
	const struct payload *p, size_t *at, struct payload_line *out, const char **why)
{
	struct fields f;

	if (*at >= p->rest_len)
		return 0;
	f = fields_of_line(p->rest + *at, p->rest_len - *at);
	*at = (size_t)(f.end - p->rest) + 1;
	out->value = (struct value){0};
	if (take_line(&f, p, out))
		return 1;
	*why = f.wrong;
	return -1;
}

bool payload_parse_head(const char *text, size_t len, struct payload_head *out)
{
	struct payload none = {0};
	struct payload_line *line = malloc(sizeof(*line));
	struct fields f = fields_of_line(text, len);
	bool ok;

	f.whole = true;
	ok = line && take_line(&f, &none, line) && line->type == LINE_HEAD;

	if (ok)
		*out = line->head;
	free(line);
	return ok;
}

uint64_t payload_row_digest(enum key_kind kind, const char *key, const struct value *v)
{
	char line[KEY_MAX_BYTES + 64];
	uint8_t md5[MD5_DIGEST_LENGTH];
	uint64_t digest = 0;
	char held = v->held ? 'h' : '-';
	MD5_CTX ctx;
	int len;

	if (kind == KEY_DEVICE) {
		len = snprintf(line, sizeof(line), "D\t%d\t%c\t%s", (int)v->state, held, key);
	} else {
		size_t box = mailbox_len(key);

		len = snprintf(line, sizeof(line), "M\t%u\t%u\t%u\t%c\t%.*s\t%s", v->urgent,
			v->fresh, v->old, held, (int)box, key, key + box + 1);
	}
	MD5Init(&ctx);
	MD5Update(&ctx, (const uint8_t *)line, (size_t)len);
	MD5Final(md5, &ctx);
	for (int i = 0; i < 8; i++)
		digest = digest << 8 | md5[i];
	return digest;
}

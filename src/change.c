/* Layer 1: keys and values, and the edge where names are checked. Pure. */
#include "change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *key_kind_name(enum key_kind kind)
{
	return kind == KEY_DEVICE ? "device" : "mailbox";
}

bool value_same(enum key_kind kind, const struct value *a, const struct value *b)
{
	if (a->held != b->held)
		return false;
	if (kind == KEY_DEVICE)
		return a->state == b->state;
	return a->urgent == b->urgent && a->fresh == b->fresh && a->old == b->old;
}

/*
 * The length of the UTF-8 sequence at s, 0 when it is none (overlong, surrogate, too
 * large, cut): the same that PostgreSQL accepts.
 */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80   ? 1
				 : s[0] < 0xc2 ? 0
				 : s[0] < 0xe0 ? 2
				 : s[0] < 0xf0 ? 3
							   : 4;
	unsigned code = len ? s[0] & (0xff >> (len + 1)) : 0;

	if (len <= 1)
		return len;
	if (len > left || s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return len;
}

/* C0, DEL and C1: a line end in a name would split events and listings. */
static bool is_control(const unsigned char *s, size_t len)
{
	return s[0] < 0x20 || s[0] == 0x7f || (len == 2 && s[0] == 0xc2 && s[1] < 0xa0);
}

bool name_check(const char *name, size_t len, const char **why)
{
	static char reason[80];
	const unsigned char *s = (const unsigned char *)name;

	*why = reason;
	if (len == 0) {
		snprintf(reason, sizeof(reason), "it is empty");
		return false;
	}
	if (len > NAME_MAX_BYTES) {
		snprintf(reason, sizeof(reason), "it has %zu bytes, at most %d are allowed", len,
			NAME_MAX_BYTES);
		return false;
	}
	for (size_t at = 0, step; at < len; at += step) {
		step = utf8_len(s + at, len - at);
		if (step == 0) {
			snprintf(reason, sizeof(reason), "byte %zu is not UTF-8", at + 1);
			return false;
		}
		if (is_control(s + at, step)) {
			snprintf(reason, sizeof(reason), "byte %zu is a control character", at + 1);
			return false;
		}
	}
	return true;
}

bool device_check(const char *device, const char **why)
{
	return name_check(device, strlen(device), why);
}

bool mailbox_join(const char *mailbox, const char *context, char out[KEY_MAX_BYTES + 1],
	const char **why)
{
	if (!name_check(mailbox, strlen(mailbox), why))
		return false;
	if (*context && !name_check(context, strlen(context), why))
		return false;
	if (strchr(context, '@')) {
		*why = "its context has an '@'";
		return false;
	}
	snprintf(out, KEY_MAX_BYTES + 1, "%s@%s", mailbox, context);
	return true;
}

bool mailbox_parse(const char *text, char out[KEY_MAX_BYTES + 1], const char **why)
{
	const char *at = strrchr(text, '@');
	size_t len = at ? (size_t)(at - text) : strlen(text);
	char mailbox[NAME_MAX_BYTES + 1];

	if (!name_check(text, len, why))
		return false;
	memcpy(mailbox, text, len);
	mailbox[len] = '\0';
	return mailbox_join(mailbox, at ? at + 1 : "default", out, why);
}

size_t mailbox_len(const char *key)
{
	const char *at = strrchr(key, '@');

	return at ? (size_t)(at - key) : strlen(key);
}

bool counts_parse(const char *text, struct value *out, const char **why)
{
	uint32_t counts[3] = {0, 0, 0};
	const char *at = text;

	*why = "counts are NEW[/OLD[/URGENT]], each 0 to 1000000";
	for (int i = 0; i < 3; i++) {
		char *end;
		unsigned long n;

		if (*at < '0' || *at > '9')
			return false;
		n = strtoul(at, &end, 10);
		if (n > 1000000 || end - at > 7)
			return false;
		counts[i] = (uint32_t)n;
		if (*end == '\0') {
			out->fresh = counts[0];
			out->old = counts[1];
			out->urgent = counts[2];
			return true;
		}
		if (*end != '/')
			return false;
		at = end + 1;
	}
	return false;
}

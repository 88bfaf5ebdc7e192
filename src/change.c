/* Layer 1: keys and values, and the edge where names are checked. Pure. */
#include "change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

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

bool name_check(const char *name, size_t len, const char **why)
{
	static char reason[80];

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
		step = name[at] >= ' ' && name[at] < 0x7f;
		if (step == 1) /* most are */
			continue;
		step = utf8_len(name + at, len - at);
		if (step == 0) {
			snprintf(reason, sizeof(reason), "byte %zu is not UTF-8", at + 1);
			return false;
		}
		if (utf8_is_control(name + at, step)) {
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
		if (n > MESSAGES_MAX || end - at > 7)
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

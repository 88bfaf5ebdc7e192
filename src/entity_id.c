/* Layer 1: entity ids and uuids. */
#include "entity_id.h"

#include <assert.h>
#include <ifaddrs.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "mem.h"

bool entity_id_usable(const struct entity_id *id)
{
	static const struct entity_id none, all = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

	return !entity_id_equal(id, &none) && !entity_id_equal(id, &all);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool entity_id_parse(const char *text, struct entity_id *out)
{
	struct entity_id id;

	for (int i = 0; i < 6; i++, text += 3) {
		int hi = hex_value(text[0]);
		int lo = hi < 0 ? -1 : hex_value(text[1]);

		if (lo < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		id.bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	if (!entity_id_usable(&id))
		return false;
	*out = id;
	return true;
}

const char *entity_id_print(const struct entity_id *id, char out[ENTITY_ID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *at = out;

	for (int i = 0; i < 6; i++) {
		*at++ = digits[id->bytes[i] >> 4];
		*at++ = digits[id->bytes[i] & 15];
		*at++ = i < 5 ? ':' : '\0';
	}
	return out;
}

bool entity_id_equal(const struct entity_id *a, const struct entity_id *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool entity_id_from_interfaces(struct entity_id *out)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (i = all; i && !found; i = i->ifa_next) {
		struct sockaddr_ll link;

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_PACKET)
			continue;
		memcpy(&link, i->ifa_addr, sizeof(link));
		if (link.sll_halen != sizeof(out->bytes))
			continue;
		memcpy(out->bytes, link.sll_addr, sizeof(out->bytes));
		found = entity_id_usable(out);
	}
	freeifaddrs(all);
	return found;
}

struct uuid uuid_random(void)
{
	uint8_t b[16];
	struct uuid u;
	ssize_t got = getrandom(b, sizeof(b), 0);

	assert(got == sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(u.text, sizeof(u.text),
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
		b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
		b[14], b[15]);
	return u;
}

static const char hex_lower[256] = {['0'] = '0',
	'1',
	'2',
	'3',
	'4',
	'5',
	'6',
	'7',
	'8',
	'9',
	['A'] = 'a',
	'b',
	'c',
	'd',
	'e',
	'f',
	['a'] = 'a',
	'b',
	'c',
	'd',
	'e',
	'f'};

bool uuid_parse(const char *text, struct uuid *out)
{
	static const uint8_t group_end[] = {8, 13, 18, 23, 36};
	size_t at = 0;

	for (size_t group = 0; group < sizeof(group_end); group++) {
		for (; at < group_end[group]; at++) {
			out->text[at] = hex_lower[(unsigned char)text[at]];
			if (!out->text[at])
				return false;
		}
		out->text[at] = at < UUID_TEXT - 1 ? '-' : '\0';
		if (text[at] != out->text[at])
			return false;
		at++;
	}
	return true;
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return strcmp(a->text, b->text) == 0;
}

#define KEPT_FILE "entity_id"

bool entity_id_recall(const char *dir, struct entity_id *out)
{
	char *path = mem_printf("%s/" KEPT_FILE, dir);
	FILE *f = fopen(path, "re");
	char text[ENTITY_ID_TEXT] = "";
	bool got = f && fgets(text, sizeof(text), f) && entity_id_parse(text, out);

	if (f)
		fclose(f);
	free(path);
	return got;
}

/* Beside it first, so that there is never half of one. */
bool entity_id_remember(const char *dir, const struct entity_id *id)
{
	char *path = mem_printf("%s/" KEPT_FILE, dir);
	char *beside = mem_printf("%s.new", path);
	FILE *f = fopen(beside, "we");
	char text[ENTITY_ID_TEXT];
	bool ok = f && fprintf(f, "%s\n", entity_id_print(id, text)) > 0;

	if (f && fclose(f) != 0)
		ok = false;
	ok = ok && rename(beside, path) == 0;
	free(beside);
	free(path);
	return ok;
}

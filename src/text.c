/* Layer 0: texts of servers and peers, made fit for a line of ours. */
#include "text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "buf.h"

/* How many bytes a first byte announces, its smallest code point; overlong ones are
 * refused. */
static size_t utf8_begin(unsigned char first, uint32_t *code, uint32_t *smallest)
{
	static const struct {
		unsigned char mask, value;
		uint32_t smallest;
	} kinds[] = {
		{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((first & kinds[i].mask) == kinds[i].value) {
			*code = first & (unsigned char)~kinds[i].mask;
			*smallest = kinds[i].smallest;
			return i + 1;
		}
	}
	return 0;
}

size_t text_utf8_len(const char *s, size_t len)
{
	uint32_t code, smallest;
	size_t n = len ? utf8_begin((unsigned char)s[0], &code, &smallest) : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (c & 0x3f);
	}
	if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return n;
}

static bool is_blank(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

char *text_one_line(const char *text)
{
	size_t len = strlen(text), n;
	bool blank = false;
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < len; i += n) {
		n = text_utf8_len(text + i, len - i);
		if (n <= 1 && is_blank(text[i])) {
			blank = true;
			n = 1;
			continue;
		}
		if (blank && b.len)
			buf_addc(&b, ' ');
		blank = false;
		if (n)
			buf_add(&b, text + i, n);
		else
			buf_addc(&b, '?');
		n = n ? n : 1;
	}
	return buf_take(&b);
}

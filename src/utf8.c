/* Layer 0: UTF-8. */
#include "utf8.h"

size_t utf8_len(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len = s[0] < 0x80   ? 1
				 : s[0] < 0xC2 ? 0
				 : s[0] < 0xE0 ? 2
				 : s[0] < 0xF0 ? 3
				 : s[0] < 0xF5 ? 4
							   : 0;
	size_t i;

	if (len <= 1)
		return len;
	if (len > left)
		return 0;
	for (i = 1; i < len; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	/* What the first two bytes rule out: overlong, surrogates, behind U+10FFFF. */
	if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
		(s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
		return 0;
	return len;
}

bool utf8_is_control(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;

	return (len == 1 && (s[0] < 0x20 || s[0] == 0x7F)) ||
		   (len == 2 && s[0] == 0xC2 && s[1] < 0xA0);
}

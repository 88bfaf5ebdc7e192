/* Layer 1: patterns of names. Pure. */
#include "pattern.h"

#include <stddef.h>

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (unsigned char)c;
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Behind the character at `s`, which is not the end. */
static const char *next_character(const char *s)
{
	do
		s++;
	while (is_continuation(*s));
	return s;
}

bool pattern_matches(const char *pattern, const char *key)
{
	const char *star = NULL, *from = NULL; /* of the last *: behind it; what it took to */

	while (*key) {
		if (*pattern == '*') {
			star = ++pattern;
			from = key;
		} else if (*pattern == '?') {
			pattern++;
			key = next_character(key);
		} else if (*pattern && lower(*pattern) == lower(*key)) {
			pattern++;
			key++;
		} else if (star) {
			from = next_character(from);
			pattern = star;
			key = from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

int pattern_characters(const char *pattern)
{
	int n = 0;

	for (; *pattern; pattern++)
		n += *pattern != '*' && *pattern != '?' && !is_continuation(*pattern);
	return n;
}

int pattern_compare(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) - lower(*b);
}

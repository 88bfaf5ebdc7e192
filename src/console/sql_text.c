/*
 * Layer 3: finds the lines of SQL statements. PostgreSQL tells a position for some errors
 * only; for the others the number of statements that had succeeded says which one failed.
 */
#include "console/sql_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

int sql_text_line_at(const char *text, int position)
{
	int line = 1, at = 1;

	for (; *text && at < position; text++) {
		if (*text == '\n')
			line++;
		if (((unsigned char)text[1] & 0xc0) != 0x80) /* a character, not a byte */
			at++;
	}
	return line;
}

static const char *skip_comment(const char *p)
{
	int depth = 0;

	if (p[0] == '-')
		return p + strcspn(p, "\n");
	do {
		if (p[0] == '/' && p[1] == '*') {
			depth++;
			p += 2;
		} else if (p[0] == '*' && p[1] == '/') {
			depth--;
			p += 2;
		} else {
			p++;
		}
	} while (*p && depth > 0);
	return p;
}

static const char *skip_quoted(const char *p, bool backslashes)
{
	char quote = *p++;

	while (*p) {
		if (*p == quote && p[1] == quote)
			p += 2;
		else if (*p == quote)
			return p + 1;
		else if (backslashes && *p == '\\' && p[1])
			p += 2;
		else
			p++;
	}
	return p;
}

/* p is at '$': behind the end of a dollar-quoted string, or p + 1 when it is none. */
static const char *skip_dollar(const char *p)
{
	const char *end = p + 1;
	size_t tag;

	while (isalnum((unsigned char)*end) || *end == '_')
		end++;
	if (*end != '$' || isdigit((unsigned char)p[1]))
		return p + 1;
	tag = (size_t)(end - p) + 1;
	for (end++; *end; end++)
		if (*end == '$' && strncmp(end, p, tag) == 0)
			return end + tag;
	return end;
}

static bool is_word(const char *p, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(p, word, len) == 0;
}

/* Semicolons inside `begin atomic ... end` do not end a statement; `case ... end` nests.
 */
static void count_word(const char *p, size_t len, int *depth)
{
	if (is_word(p, len, "atomic") || (*depth > 0 && is_word(p, len, "case")))
		++*depth;
	else if (*depth > 0 && is_word(p, len, "end"))
		--*depth;
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static const char *skip_word(const char *p, int *depth)
{
	const char *start = p;

	while (is_word_char(*p) || *p == '$')
		p++;
	if (*p == '\'' && p - start == 1 && (*start == 'e' || *start == 'E'))
		return skip_quoted(p, true);
	count_word(start, (size_t)(p - start), depth);
	return p;
}

/* One token that is no white space, no comment and no semicolon. */
static const char *skip_token(const char *p, int *depth)
{
	if (*p == '\'' || *p == '"')
		return skip_quoted(p, false);
	if (*p == '$')
		return skip_dollar(p);
	if (is_word_char(*p))
		return skip_word(p, depth);
	return p + 1;
}

static bool is_comment(const char *p)
{
	return (p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*');
}

int sql_text_statement_line(const char *text, int n)
{
	const char *p = text, *counted = text;
	bool inside = false;
	int line = 1, depth = 0, seen = 0;

	while (*p) {
		if (isspace((unsigned char)*p)) {
			p++;
		} else if (is_comment(p)) {
			p = skip_comment(p);
		} else if (*p == ';' && depth == 0) {
			inside = false;
			p++;
		} else {
			if (!inside && seen++ == n) {
				for (; counted < p; counted++)
					line += *counted == '\n';
				return line;
			}
			inside = true;
			p = skip_token(p, &depth);
		}
	}
	return 0;
}

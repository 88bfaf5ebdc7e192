/*
 * Layer 1: expand. A reference ${...} is read as it is written, and only then are its
 * parts expanded, from the inside: so a device's name that comes from a variable may have
 * any character in it.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "expand.h"
#include "mem.h"

struct reference {
	struct text name;
	bool is_function;
	struct text args;
	int nparts; /* of :offset:length */
	struct text parts[2];
	size_t size; /* from ${ to } */
};

struct text text_of(const char *s)
{
	return (struct text){s, strlen(s)};
}

struct text text_trim(struct text t)
{
	while (t.len > 0 && (*t.s == ' ' || *t.s == '\t')) {
		t.s++;
		t.len--;
	}
	while (t.len > 0 && (t.s[t.len - 1] == ' ' || t.s[t.len - 1] == '\t'))
		t.len--;
	return t;
}

static struct text text_from(struct text t, size_t at)
{
	return (struct text){t.s + at, t.len - at};
}

static bool has_at(struct text t, size_t at, const char *two)
{
	return at + 2 <= t.len && t.s[at] == two[0] && t.s[at + 1] == two[1];
}

/* ---- reading ---- */

static bool read_reference(
	struct text t, int depth, struct reference *ref, struct buf *why);

/*
 * From *at to the first of the characters `ends` that is not inside a reference or inside
 * parentheses (only where ')' is one of them). *at is then there, or at the end of the
 * text.
 */
static bool scan(struct text t, size_t *at, const char *ends, int depth, struct buf *why)
{
	bool in_parens = strchr(ends, ')') != NULL;
	struct reference inner;
	int open = 0;

	while (*at < t.len) {
		if (has_at(t, *at, "${")) {
			if (!read_reference(text_from(t, *at), depth + 1, &inner, why))
				return false;
			*at += inner.size;
			continue;
		}
		if (has_at(t, *at, "$[")) {
			buf_adds(why, "expressions, $[...], are not supported");
			return false;
		}
		if (open == 0 && strchr(ends, t.s[*at]))
			return true;
		if (in_parens && t.s[*at] == '(')
			open++;
		else if (in_parens && t.s[*at] == ')')
			open--;
		(*at)++;
	}
	return true;
}

/* Behind the '(' at *at - 1: the arguments, and *at behind the ')' that matches. */
static bool read_args(
	struct text t, size_t *at, struct text *args, int depth, struct buf *why)
{
	size_t begin = *at;

	if (!scan(t, at, ")", depth, why))
		return false;
	if (*at == t.len) {
		buf_addf(why, "'%.*s' has a '(' without its ')'", (int)t.len, t.s);
		return false;
	}
	*args = (struct text){t.s + begin, *at - begin};
	(*at)++;
	return true;
}

/* :offset:length */
static bool read_parts(
	struct text t, size_t *at, struct reference *ref, int depth, struct buf *why)
{
	size_t begin;

	while (*at < t.len && t.s[*at] == ':' && ref->nparts < 2) {
		begin = ++*at;
		if (!scan(t, at, ":}", depth, why))
			return false;
		ref->parts[ref->nparts++] = (struct text){t.s + begin, *at - begin};
	}
	return true;
}

static bool read_reference(
	struct text t, int depth, struct reference *ref, struct buf *why)
{
	size_t at = 2;

	memset(ref, 0, sizeof(*ref));
	if (depth > EXPAND_MAX_DEPTH) {
		buf_addf(why, "${...} is nested more than %d deep", EXPAND_MAX_DEPTH);
		return false;
	}
	if (!scan(t, &at, "(:}", depth, why))
		return false;
	ref->name = (struct text){t.s + 2, at - 2};
	if (at < t.len && t.s[at] == '(') {
		at++;
		ref->is_function = true;
		if (!read_args(t, &at, &ref->args, depth, why))
			return false;
	}
	if (!read_parts(t, &at, ref, depth, why))
		return false;
	if (at == t.len) {
		buf_addf(why, "'%.*s' has a '${' without its '}'", (int)t.len, t.s);
		return false;
	}
	if (t.s[at] != '}') {
		buf_addf(why, "'%.*s': expected '}' before '%.*s'", (int)t.len, t.s,
			(int)(t.len - at), t.s + at);
		return false;
	}
	ref->size = at + 1;
	return true;
}

/*
 * One piece of a text at *at: 1 and a reference, 0 and *literal (with length 0 at the
 * end), -1 when it cannot be read.
 */
static int next_piece(struct text t, size_t *at, struct text *literal,
	struct reference *ref, struct buf *why)
{
	size_t begin = *at;

	while (*at < t.len && !has_at(t, *at, "${")) {
		if (has_at(t, *at, "$[")) {
			buf_adds(why, "expressions, $[...], are not supported");
			return -1;
		}
		(*at)++;
	}
	*literal = (struct text){t.s + begin, *at - begin};
	if (literal->len > 0 || *at == t.len)
		return 0;
	if (!read_reference(text_from(t, *at), 1, ref, why))
		return -1;
	*at += ref->size;
	return 1;
}

bool expand_is_literal(struct text t)
{
	size_t i;

	for (i = 0; i < t.len; i++)
		if (has_at(t, i, "${"))
			return false;
	return true;
}

bool expand_assignment(struct text t, struct assignment *out, struct buf *why)
{
	size_t at = 0;

	memset(out, 0, sizeof(*out));
	if (!scan(t, &at, "(=", 1, why))
		return false;
	out->name = text_trim((struct text){t.s, at});
	if (at < t.len && t.s[at] == '(') {
		at++;
		out->is_function = true;
		if (!read_args(t, &at, &out->args, 1, why))
			return false;
		while (at < t.len && (t.s[at] == ' ' || t.s[at] == '\t'))
			at++;
	}
	if (at == t.len || t.s[at] != '=' || out->name.len == 0) {
		buf_addf(why,
			"'%.*s' is no assignment; write NAME=value or FUNCTION(arguments)=value",
			(int)t.len, t.s);
		return false;
	}
	out->value = text_from(t, at + 1);
	return true;
}

/* ---- substrings ---- */

/* Where character number n begins; the end when there are fewer. */
static size_t character(const char *s, size_t len, long n)
{
	size_t i = 0;

	while (i < len && n > 0) {
		i++;
		while (i < len && ((unsigned char)s[i] & 0xC0) == 0x80)
			i++;
		n--;
	}
	return i;
}

static long characters(const char *s, size_t len)
{
	long n = 0;
	size_t i;

	for (i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xC0) != 0x80;
	return n;
}

/* Negative numbers count from the end, as in Asterisk. */
static void add_substring(
	struct buf *out, const char *s, size_t len, long offset, long length)
{
	long n = characters(s, len);
	long end;
	size_t from;

	if (offset < 0)
		offset = n + offset < 0 ? 0 : n + offset;
	if (offset > n)
		offset = n;
	if (length < 0)
		end = n + length < offset ? offset : n + length;
	else
		end = length > n - offset ? n : offset + length;
	from = character(s, len, offset);
	buf_add(out, s + from, character(s, len, end) - from);
}

static bool parse_offset(const char *text, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *out >= -EXPAND_MAX_BYTES &&
		   *out <= EXPAND_MAX_BYTES;
}

/* ---- expanding ---- */

static void add_error(struct buf *errors, const struct buf *why)
{
	buf_addf(errors, "%s\n", buf_str(why));
}

/* The value without :offset:length. */
static bool add_value(const struct reference *ref, const struct expand_env *env,
	struct buf *out, struct buf *errors)
{
	struct buf name, args, why;
	bool ok;

	buf_init(&name);
	buf_init(&args);
	buf_init(&why);
	ok = expand_text(ref->name, env, &name, errors) &&
		 expand_text(ref->args, env, &args, errors);
	if (ok && !ref->is_function) {
		env->variable(env->arg, buf_str(&name), out);
	} else if (ok &&
			   !env->function(env->arg, buf_str(&name), buf_str(&args), out, &why)) {
		add_error(errors, &why);
		ok = false;
	}
	buf_clear(&name);
	buf_clear(&args);
	buf_clear(&why);
	return ok;
}

static bool get_offset(
	struct text part, const struct expand_env *env, long *out, struct buf *errors)
{
	struct buf text;
	bool ok;

	buf_init(&text);
	ok = expand_text(part, env, &text, errors);
	if (ok && !parse_offset(buf_str(&text), out)) {
		buf_addf(errors, "'%s' is no number of characters\n", buf_str(&text));
		ok = false;
	}
	buf_clear(&text);
	return ok;
}

static bool add_reference(const struct reference *ref, const struct expand_env *env,
	struct buf *out, struct buf *errors)
{
	long offset = 0, length = EXPAND_MAX_BYTES;
	struct buf value;
	bool ok, parts_ok = true;

	buf_init(&value);
	ok = add_value(ref, env, &value, errors);
	if (ref->nparts > 0)
		parts_ok = get_offset(ref->parts[0], env, &offset, errors);
	if (ref->nparts > 1 && ref->parts[1].len > 0)
		parts_ok &= get_offset(ref->parts[1], env, &length, errors);
	if (parts_ok)
		add_substring(out, buf_str(&value), value.len, offset, length);
	buf_clear(&value);
	return ok && parts_ok;
}

bool expand_text(
	struct text t, const struct expand_env *env, struct buf *out, struct buf *errors)
{
	size_t at = 0, begin = out->len;
	struct reference ref;
	struct text literal;
	struct buf why;
	bool ok = true;
	int piece = 0;

	buf_init(&why);
	while (at < t.len && piece >= 0 && out->len - begin <= EXPAND_MAX_BYTES) {
		piece = next_piece(t, &at, &literal, &ref, &why);
		if (piece == 1)
			ok &= add_reference(&ref, env, out, errors);
		else if (piece == 0)
			buf_add(out, literal.s, literal.len);
	}
	if (piece >= 0 && out->len - begin > EXPAND_MAX_BYTES)
		buf_addf(&why, "the text is longer than %d bytes", EXPAND_MAX_BYTES);
	if (why.len > 0) {
		add_error(errors, &why);
		out->len = begin; /* nothing rather than a part */
		if (out->data)
			out->data[begin] = '\0';
		ok = false;
	}
	buf_clear(&why);
	return ok;
}

/* ---- checking ---- */

bool expand_check_name(struct text name, struct buf *why)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
								"0123456789_-.";
	size_t i;

	for (i = 0; i < name.len; i++)
		if (!strchr(legal, name.s[i]))
			break;
	if (name.len > 0 && i == name.len)
		return true;
	buf_addf(why, "'%.*s' is no name of a variable (letters, digits, _ - .)",
		(int)name.len, name.s);
	return false;
}

static bool check_part(
	struct text part, const struct expand_checks *checks, struct buf *why)
{
	char *text;
	long n;
	bool ok;

	if (!expand_is_literal(part))
		return expand_check(part, checks, why);
	text = mem_strndup(part.s, part.len);
	ok = parse_offset(text, &n);
	if (!ok)
		buf_addf(why, "'%s' is no number of characters", text);
	free(text);
	return ok;
}

static bool check_value(
	const struct reference *ref, const struct expand_checks *checks, struct buf *why)
{
	char *name, *args;
	bool ok;

	if (!expand_is_literal(ref->name))
		return expand_check(ref->name, checks, why) &&
			   expand_check(ref->args, checks, why);
	if (!ref->is_function)
		return expand_check_name(ref->name, why);
	name = mem_strndup(ref->name.s, ref->name.len);
	args = mem_strndup(ref->args.s, ref->args.len);
	ok = checks->function(checks->arg, name, args, expand_is_literal(ref->args), why) &&
		 expand_check(ref->args, checks, why);
	free(name);
	free(args);
	return ok;
}

static bool check_reference(
	const struct reference *ref, const struct expand_checks *checks, struct buf *why)
{
	if (!check_value(ref, checks, why))
		return false;
	if (ref->nparts > 0 && !check_part(ref->parts[0], checks, why))
		return false;
	return ref->nparts < 2 || ref->parts[1].len == 0 ||
		   check_part(ref->parts[1], checks, why);
}

bool expand_check(struct text t, const struct expand_checks *checks, struct buf *why)
{
	struct reference ref;
	struct text literal;
	size_t at = 0;
	int piece;

	while (at < t.len) {
		piece = next_piece(t, &at, &literal, &ref, why);
		if (piece < 0 || (piece == 1 && !check_reference(&ref, checks, why)))
			return false;
	}
	return true;
}

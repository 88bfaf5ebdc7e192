/*
 * Layer 1: conf: reads .conf files line by line.
 *
 * Why not inih: as Debian builds it, it cuts a line at 199 bytes and reads the rest as a
 * new line without an error, takes an indented line for the continuation of the one
 * above, and does not tell its callback the line's number, without which no message can
 * name the place.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "mem.h"
#include "utf8.h"

#define MESSAGE_MAX_BYTES 1000
#define ERRORS_MAX        50 /* then the file is something else than a .conf file */

struct reader {
	struct conf *conf;
	struct buf *errors;
	int nerrors;
	int line;
	int depth;       /* of block comments */
	int block_line;  /* where the outermost began */
	bool skipping;   /* behind a header that could not be read */
	struct buf text; /* the line without comments */
};

void conf_complain(struct buf *errors, const char *file, int line, const char *fmt, ...)
{
	struct buf msg;
	va_list ap;
	size_t len;

	buf_init(&msg);
	va_start(ap, fmt);
	buf_addv(&msg, fmt, ap);
	va_end(ap);
	buf_adds(errors, file);
	if (line > 0)
		buf_addf(errors, ":%d", line);
	buf_adds(errors, ": ");
	len = msg.len;
	if (len > MESSAGE_MAX_BYTES) {
		len = MESSAGE_MAX_BYTES;
		while (len > 0 && ((unsigned char)msg.data[len] & 0xC0) == 0x80)
			len--; /* never cut a character in two */
	}
	buf_add(errors, buf_str(&msg), len);
	if (len < msg.len)
		buf_adds(errors, "...");
	buf_addc(errors, '\n');
	buf_clear(&msg);
}

static void bad_line(struct reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void bad_line(struct reader *r, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text);
	va_start(ap, fmt);
	buf_addv(&text, fmt, ap);
	va_end(ap);
	r->nerrors++;
	conf_complain(r->errors, r->conf->file, r->line, "%s", buf_str(&text));
	buf_clear(&text);
}

/* ---- text ---- */

/* Complains and returns false when the line is no clean UTF-8 text. */
static bool check_text(struct reader *r)
{
	const char *s = buf_str(&r->text);
	size_t i, n;

	for (i = 0; i < r->text.len; i += n) {
		n = utf8_len(s + i, r->text.len - i);
		if (n > 0 && (s[i] == '\t' || !utf8_is_control(s + i, n)))
			continue;
		if (n > 0)
			bad_line(r, "byte %zu is a control character (0x%02x); remove it", i + 1,
				(unsigned char)s[i + n - 1]);
		else
			bad_line(r, "byte %zu (0x%02x) is not UTF-8; save the file as UTF-8", i + 1,
				(unsigned char)s[i]);
		return false;
	}
	return true;
}

static bool begins(const char *s, size_t left, const char *with)
{
	size_t n = strlen(with);

	return left >= n && memcmp(s, with, n) == 0;
}

/* A block comment begins with ;-- but ;--- is a line that somebody drew. */
static bool begins_block(const char *s, size_t left)
{
	return begins(s, left, ";--") && (left == 3 || s[3] != '-');
}

static size_t skip_in_block(struct reader *r, const char *s, size_t left)
{
	if (begins_block(s, left)) {
		r->depth++;
		return 3;
	}
	if (begins(s, left, "--;")) {
		r->depth--;
		return 3;
	}
	return 1;
}

/* The line without its comments goes to r->text. */
static void strip_comments(struct reader *r, const char *line, size_t len)
{
	size_t i = 0;

	buf_reset(&r->text);
	while (i < len) {
		if (r->depth > 0) {
			i += skip_in_block(r, line + i, len - i);
		} else if (begins(line + i, len - i, "\\;")) {
			buf_addc(&r->text, ';');
			i += 2;
		} else if (begins_block(line + i, len - i)) {
			r->depth++;
			r->block_line = r->line;
			i += 3;
		} else if (line[i] == ';') {
			break;
		} else {
			buf_addc(&r->text, line[i++]);
		}
	}
}

/* Trims in place; returns where the text begins. */
static char *trim(char *s)
{
	size_t len;

	s += strspn(s, " \t");
	len = strlen(s);
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		s[--len] = '\0';
	return s;
}

/* ---- lines ---- */

static void *grow(void *array, size_t n, size_t size)
{
	/* Powers of two: grows exactly when n reaches one. */
	if (n != 0 && (n & (n - 1)) != 0)
		return array;
	return mem_realloc(array, (n ? n * 2 : 1) * size);
}

static void add_section(struct reader *r, const char *name)
{
	struct conf *c = r->conf;
	struct conf_section *s;

	c->sections = grow(c->sections, c->nsections, sizeof(*c->sections));
	s = &c->sections[c->nsections++];
	memset(s, 0, sizeof(*s));
	s->name = mem_strdup(name);
	s->line = r->line;
}

static void add_entry(struct reader *r, const char *name, const char *value)
{
	struct conf_section *s = &r->conf->sections[r->conf->nsections - 1];
	struct conf_entry *e;

	s->entries = grow(s->entries, s->nentries, sizeof(*s->entries));
	e = &s->entries[s->nentries++];
	e->name = mem_strdup(name);
	e->value = mem_strdup(value);
	e->line = r->line;
}

static void got_header(struct reader *r, char *s)
{
	char *end = strchr(s, ']');
	char *name;

	r->skipping = true; /* until the header proves good */
	if (!end) {
		bad_line(r, "'%s': a section's name ends with ']'", s);
		return;
	}
	*end = '\0';
	name = trim(s + 1);
	end = trim(end + 1);
	if (*end == '(')
		bad_line(r,
			"templates and additions, [section]%s, are not supported; write it out", end);
	else if (*end != '\0')
		bad_line(r, "'%s' behind the section's name; remove it", end);
	else if (*name == '\0')
		bad_line(r, "a section needs a name");
	if (*name == '\0')
		return;
	r->skipping = false;
	add_section(r, name);
}

static void got_entry(struct reader *r, char *s)
{
	char *eq = strchr(s, '=');
	char *name, *value;
	size_t len;

	if (!eq) {
		bad_line(r, "'%s': expected [section], name = value or name => value", s);
		return;
	}
	*eq = '\0';
	name = trim(s);
	value = trim(eq[1] == '>' ? eq + 2 : eq + 1);
	len = strlen(name);
	if (len == 0)
		bad_line(r, "there is no name before the '='");
	else if (name[len - 1] == '+')
		bad_line(
			r, "'%s=': adding to a value is not supported; write it in one line", name);
	else if (r->conf->nsections == 0 && !r->skipping)
		bad_line(r, "'%s' comes before the first [section]", name);
	else if (!r->skipping)
		add_entry(r, name, value);
}

static void got_line(struct reader *r, const char *line, size_t len)
{
	char *s;

	if (len > CONF_LINE_MAX_BYTES) {
		bad_line(r, "the line is longer than 65536 bytes; divide it");
		return;
	}
	strip_comments(r, line, len);
	if (r->text.len == 0 || !check_text(r))
		return;
	s = trim(r->text.data);
	if (*s == '[')
		got_header(r, s);
	else if (*s == '#')
		bad_line(
			r, "'%s': #include, #exec and the like are not supported; put it in here", s);
	else if (*s != '\0')
		got_entry(r, s);
}

struct conf *conf_parse(
	const char *file, const char *text, size_t len, struct buf *errors)
{
	struct reader r = {.errors = errors};
	size_t at = begins(text, len, "\xEF\xBB\xBF") ? 3 : 0;
	const char *eol;
	size_t n;

	buf_init(&r.text);
	r.conf = mem_alloc(sizeof(*r.conf));
	r.conf->file = mem_strdup(file);
	while (at < len && r.nerrors < ERRORS_MAX) {
		r.line++;
		eol = memchr(text + at, '\n', len - at);
		n = eol ? (size_t)(eol - text) - at : len - at;
		got_line(&r, text + at, n > 0 && text[at + n - 1] == '\r' ? n - 1 : n);
		at += n + 1;
	}
	if (r.nerrors == ERRORS_MAX)
		conf_complain(errors, file, r.line, "too many errors; the rest was not read");
	else if (r.depth > 0)
		conf_complain(errors, file, r.block_line,
			"the block comment ;-- has no end; write --; where it ends");
	buf_clear(&r.text);
	return r.conf;
}

/* ---- files ---- */

/* NULL: *why. */
static const char *check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (S_ISDIR(st.st_mode))
		return strerror(EISDIR);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_size > CONF_FILE_MAX_BYTES)
		return "larger than 16 MiB";
	return NULL;
}

/* NULL when all is well, else what is wrong. */
static const char *slurp(int fd, struct buf *out)
{
	const char *why = check_file(fd);
	char chunk[16384];
	ssize_t n;

	while (!why) {
		n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			return NULL;
		if (n > 0)
			buf_add(out, chunk, (size_t)n);
		else if (errno != EINTR)
			why = strerror(errno);
		if (out->len > CONF_FILE_MAX_BYTES)
			why = "larger than 16 MiB";
	}
	return why;
}

struct conf *conf_read(const char *file, const char *advice, struct buf *errors)
{
	struct conf *c = NULL;
	const char *why;
	struct buf text;
	int fd;

	buf_init(&text);
	/* Non-blocking: a pipe is refused, not waited for. */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	why = fd < 0 ? strerror(errno) : slurp(fd, &text);
	if (why)
		conf_complain(errors, file, 0, "cannot be read: %s; %s", why, advice);
	else
		c = conf_parse(file, buf_str(&text), text.len, errors);
	if (fd >= 0)
		close(fd);
	buf_clear(&text);
	return c;
}

void conf_free(struct conf *c)
{
	size_t i, k;

	if (!c)
		return;
	for (i = 0; i < c->nsections; i++) {
		for (k = 0; k < c->sections[i].nentries; k++) {
			free(c->sections[i].entries[k].name);
			free(c->sections[i].entries[k].value);
		}
		free(c->sections[i].entries);
		free(c->sections[i].name);
	}
	free(c->sections);
	free(c->file);
	free(c);
}

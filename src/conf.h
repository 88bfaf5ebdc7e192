/*
 * Layer 1: the line reader for files in the style of Asterisk's .conf files.
 *
 *   [section]
 *   name = value        ; a comment; `\;` is a semicolon, other backslashes stay
 *   name => value
 *   ;-- a block of
 *       comment --;
 *
 * Sections and entries keep the file's order; a section that is there twice is listed
 * twice.
 */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

struct conf_entry {
	char *name;
	char *value; /* "" when there is nothing behind the '=' */
	int line;
};

struct conf_section {
	char *name;
	int line;
	struct conf_entry *entries;
	size_t nentries;
};

struct conf {
	char *file; /* as it was given */
	struct conf_section *sections;
	size_t nsections;
};

#define CONF_LINE_MAX_BYTES 65536
#define CONF_FILE_MAX_BYTES (16 * 1024 * 1024)

/*
 * What is wrong in the text goes into `errors`, one line each, and the rest is read on,
 * so that all errors are found at once: look at errors->len before using the result. NULL
 * only when the file cannot be read; `advice` says what to do then.
 */
struct conf *conf_read(const char *file, const char *advice, struct buf *errors);
struct conf *conf_parse(
	const char *file, const char *text, size_t len, struct buf *errors);
void conf_free(struct conf *c);

/* Adds "FILE:LINE: text\n"; line 0: "FILE: text\n". Very long texts are cut. */
void conf_complain(struct buf *errors, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif

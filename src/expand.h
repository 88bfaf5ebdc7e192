/*
 * Layer 1: expand: ${...} in the arguments of a dialplan. Pure.
 *
 *   ${NAME}  ${FUNCTION(arguments)}  ${...:offset:length}  ${${NAME}}
 *
 * What a variable holds is text and nothing else: brackets, parentheses, commas and
 * colons in it never change how the text around it is read.
 */
#ifndef EXPAND_H
#define EXPAND_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

struct text { /* a borrowed piece of a longer text */
	const char *s;
	size_t len;
};

#define EXPAND_MAX_BYTES 65536 /* of a result */
#define EXPAND_MAX_DEPTH 16

struct expand_env {
	/* Adds the value; false: not set, which expands to nothing, as in Asterisk. */
	bool (*variable)(void *arg, const char *name, struct buf *out);
	/* Adds the value; false: *why got what is wrong (what was added is taken all the
	 * same). */
	bool (*function)(
		void *arg, const char *name, const char *args, struct buf *out, struct buf *why);
	void *arg;
};

/* Adds the expanded text to `out`. False: `errors` got one line for each thing that
 * failed. */
bool expand_text(
	struct text t, const struct expand_env *env, struct buf *out, struct buf *errors);

struct expand_checks {
	/* `args` is what is written, literal when nothing in it is to be expanded. */
	bool (*function)(
		void *arg, const char *name, const char *args, bool literal, struct buf *why);
	void *arg;
};

/* Can it be expanded, as far as one can tell without doing it? False: *why. */
bool expand_check(struct text t, const struct expand_checks *checks, struct buf *why);
bool expand_is_literal(struct text t);
/* A variable's name: letters, digits, _ - . */
bool expand_check_name(struct text name, struct buf *why);

/*
 * "NAME=value" or "FUNCTION(arguments)=value", not expanded. The parentheses that match
 * end the arguments; the first '=' after the name divides. Spaces around the name do not
 * count.
 */
struct assignment {
	struct text name;
	bool is_function;
	struct text args;
	struct text value;
};
bool expand_assignment(struct text t, struct assignment *out, struct buf *why);

struct text text_of(const char *s);
struct text text_trim(struct text t);

#endif

/* Layer 3: what the files of the dialplan share: dialplan*.c only. */
#ifndef DIALPLAN_INT_H
#define DIALPLAN_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dialplan.h"
#include "expand.h"
#include "mem.h"
#include "vars.h"

#define uthash_malloc(size) mem_alloc(size)
#include <uthash.h>

enum dialplan_app { APP_NOOP, APP_VERBOSE, APP_SET, APP_WAIT, APP_HANGUP, DIALPLAN_APPS };

struct dialplan_prio {
	int number;  /* from 1 */
	char *label; /* NULL: none */
	enum dialplan_app app;
	char *args; /* not expanded */
	int line;
};

struct dialplan_exten {
	char *name;
	char *hint; /* NULL: none; devices joined by '&' */
	int hint_line;
	struct dialplan_prio *prios; /* by number */
	size_t nprios;
	int last; /* the number that was given last: n is the next one */
	UT_hash_handle hh;
};

struct dialplan_include {
	char *name;
	struct dialplan_context *context; /* NULL until all is read */
	int line;
};

struct dialplan_context {
	char *name;
	struct dialplan_exten *extens; /* in the file's order */
	struct dialplan_include *includes;
	size_t nincludes;
	unsigned mark; /* of the search that saw it last */
	UT_hash_handle hh;
};

struct dialplan {
	int refs; /* the owner and every run */
	char *file;
	struct dialplan_context *contexts; /* in the file's order */
	struct vars *globals;
};

/* dialplan.c */
struct dialplan *dialplan_new(const char *file);
struct dialplan_context *dialplan_find_context(
	const struct dialplan *d, const char *context);
/* In the context, or in those that it includes, in order. with_hint: one that has a hint.
 */
struct dialplan_exten *dialplan_find(const struct dialplan *d, const char *exten,
	const char *context, bool with_hint, const struct dialplan_context **where);

/* dialplan_app.c: what applications there are, and their arguments. */
const char *dialplan_app_name(enum dialplan_app app);
bool dialplan_app_find(const char *name, enum dialplan_app *out, struct buf *why);
/* What can be checked without running. False: *why. */
bool dialplan_app_check(enum dialplan_app app, const char *args, struct buf *why);
bool dialplan_wait_parse(const char *args, int64_t *ms, struct buf *why);
/* "[level,]message" -> level; the message is borrowed from args. */
int dialplan_verbose_parse(const char *args, const char **message);

/* dialplan_func.c: what functions there are. The checks are for what is written
 * literally. */
struct dialplan_world {
	const struct dialplan_env *env;
	const struct dialplan *dialplan;
};
extern const struct expand_checks dialplan_func_checks;
bool dialplan_func_check_write(const char *name, const char *args, bool literal_args,
	const char *value, bool literal_value, struct buf *why);
bool dialplan_func_read(const struct dialplan_world *w, const char *name,
	const char *args, struct buf *out, struct buf *why);
bool dialplan_func_write(const struct dialplan_world *w, const char *name,
	const char *args, const char *value, struct buf *why);
/* May a Set() set it? Those that the run itself sets may not. */
bool dialplan_var_check(const char *name, struct buf *why);

#endif

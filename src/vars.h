/* Layer 1: variables by name: the dialplan's globals and those of a running extension. */
#ifndef VARS_H
#define VARS_H

struct vars;

struct vars *vars_new(void);
void vars_free(struct vars *v); /* free(NULL) is legal */
void vars_set(struct vars *v, const char *name, const char *value);
const char *vars_get(
	const struct vars *v, const char *name); /* borrowed; NULL: not set */

#endif

/* Layer 1: vars. Names are compared with case, as Asterisk does. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "vars.h"

#define uthash_malloc(size) mem_alloc(size)
#include <uthash.h>

struct var {
	char *name;
	char *value;
	UT_hash_handle hh;
};

struct vars {
	struct var *all;
};

struct vars *vars_new(void)
{
	return mem_alloc(sizeof(struct vars));
}

void vars_free(struct vars *v)
{
	struct var *var, *next;

	if (!v)
		return;
	HASH_ITER(hh, v->all, var, next)
	{
		HASH_DEL(v->all, var);
		free(var->name);
		free(var->value);
		free(var);
	}
	free(v);
}

void vars_set(struct vars *v, const char *name, const char *value)
{
	char *copy = mem_strdup(value); /* first: it may be the old value */
	struct var *var;

	HASH_FIND_STR(v->all, name, var);
	if (!var) {
		var = mem_alloc(sizeof(*var));
		var->name = mem_strdup(name);
		HASH_ADD_KEYPTR(hh, v->all, var->name, strlen(var->name), var);
	}
	free(var->value);
	var->value = copy;
}

const char *vars_get(const struct vars *v, const char *name)
{
	struct var *var;

	HASH_FIND_STR(v->all, name, var);
	return var ? var->value : NULL;
}

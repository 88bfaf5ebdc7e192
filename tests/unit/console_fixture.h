/* A console on a real socket in a directory of its own; the test turns its loop. */
#ifndef CONSOLE_FIXTURE_H
#define CONSOLE_FIXTURE_H

#include "command_fixture.h"

#include "clock.h"
#include "console.h"
#include "log.h"

#define DEADLINE_US 60000000 /* of a condition that is waited for */

struct world {
	struct fixture *f;
	char dir[64], path[96];
};

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char *error = NULL;

	log_open(LOG_TO_FILE, "/dev/null");
	log_set_debug(0);
	strcpy(w->dir, "/tmp/console-XXXXXX");
	if (!mkdtemp(w->dir))
		return -1;
	snprintf(w->path, sizeof(w->path), "%s/ctl", w->dir);
	w->f = fixture_new();
	w->f->app.console = console_new(&w->f->app, w->path, &error);
	*state = w;
	return w->f->app.console ? 0 : -1;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	console_free(w->f->app.console);
	fixture_free(w->f);
	log_close();
	int rc = rmdir(w->dir); /* the socket is gone */
	free(w);
	return rc;
}

static inline void turn(struct world *w)
{
	event_base_loop(w->f->app.base, EVLOOP_NONBLOCK);
}

/* Turns the loop until a pointer of the fake node is set, or is not any more. */
static inline void wait_until(struct world *w, void *const *what, bool set)
{
	int64_t until = clock_mono_us() + DEADLINE_US;

	while ((*what != NULL) != set) {
		assert_true(clock_mono_us() < until);
		turn(w);
	}
}

#define world_test(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif

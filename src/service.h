/*
 * Layer 0: being a service: one daemon for a run directory, going to the background, and
 * telling systemd. All calls are legal on a zeroed struct, on which they do nothing.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>

#include "buf.h"

struct service {
	char *pid_file; /* locked as long as we live; NULL: not begun */
	int lock_fd;
	bool waited_for; /* the process that started us waits for ready or failed */
	int ready_fd;
};

/*
 * Makes the run directory where it is missing and locks it. With `background` only the
 * child returns; the process that was started waits until service_ready() (exit status 0)
 * or until the child ends or service_end() (1), and errors still reach its stderr
 * until then. False: `errors` says why.
 */
bool service_begin(
	struct service *s, const char *run_directory, bool background, struct buf *errors);
/* Could it be used, and could the log be written ("": no file)? Makes nothing. */
bool service_check(const char *run_directory, const char *log_file, struct buf *errors);
void service_ready(struct service *s);
void service_status(struct service *s, const char *text); /* shown by systemctl status */
void service_stopping(struct service *s);
void service_end(struct service *s); /* unlocks */

#endif

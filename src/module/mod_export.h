/*
 * Stage 1, in Asterisk: what this server says. Asterisk's messages leave names in a queue
 * and nothing else; what is sent is read when it is sent. Mailboxes' counts are in the
 * message only. Devices are heard of by the threads that publish them, which may hold
 * locks of Asterisk: they wait for nothing.
 */
#ifndef MOD_EXPORT_H
#define MOD_EXPORT_H

#include <stdbool.h>

#include "mod_line.h"
#include "mod_options.h"

/* `has_changed` is called by Asterisk's threads when there is something to send. */
bool export_start(void (*has_changed)(enum mod_event event));
/* Nothing is heard any more, and no callback runs when it returns. */
void export_stop(void);
/* When the link's thread has ended, too. */
void export_clear(void);

/*
 * A full report begins: `begin` is said, all names are due. False: no memory for it, and
 * nothing was said; half a report would take the rest away.
 */
bool export_report(const struct mod_options *options, struct line_out *out);
bool export_reporting(void);
/* The link is down: nothing is due, a report will follow. */
void export_reset(void);
/* As much as `out` takes. False: a queue ran over, a full report is needed. */
bool export_pump(const struct mod_options *options, struct line_out *out);
/*
 * Devices that changed, said by any thread with the link's lock. False: not all; some are
 * for export_pump(), as those are whose merged value may have to be put back, or all
 * while somebody looks at the tables.
 */
bool export_devices(const struct mod_options *options, struct line_out *out);
/* Without a link: mailboxes' counts are noted and imported values put back. */
void export_idle(const struct mod_options *options);

/* A mailbox was deleted a moment ago, which may be no news: call the two again soon. */
bool export_is_waiting(void);

/* Deletes a mailbox without taking that for the server's own word. */
void export_expect_delete(const char *id, bool expected);

#endif

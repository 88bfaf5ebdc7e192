/* Layer 3: commands about the link: which telephone server and which programs are there.
 */
#include "clock.h"
#include "cmd.h"
#include "link_socket.h"
#include "node.h"

static json_t *link_json(const struct link_status *s, const char *report)
{
	return json_pack("{s:o, s:o, s:i, s:i, s:b, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:i, "
					 "s:i, s:o}",
		"program", reply_string(s->program), "version", reply_string(s->version), "pid",
		(int)s->pid, "uid", (int)s->uid, "reports", s->report, "watches", s->watch,
		"report", report, "seconds",
		(json_int_t)((clock_mono_us() - s->since_us) / 1000000), "statements",
		(json_int_t)s->statements, "refused", (json_int_t)s->refused, "facts",
		(json_int_t)s->facts, "waiting", (json_int_t)s->waiting, "unacknowledged",
		s->unacked, "window", s->window, "last_refused", reply_string(s->last_refused));
}

static void print_link(struct reply *r, const struct link_status *s, const char *report)
{
	reply_printf(r, "%s %s pid %d uid %u, for %lld s\n",
		*s->program ? s->program : "(no hello yet)", s->version, (int)s->pid,
		(unsigned)s->uid, (long long)((clock_mono_us() - s->since_us) / 1000000));
	if (s->report)
		reply_printf(r, "  reports: %s, statements %lld, refused %lld\n", report,
			(long long)s->statements, (long long)s->refused);
	if (s->watch)
		reply_printf(r, "  watches: facts sent %lld, keys waiting %zu\n",
			(long long)s->facts, s->waiting);
	if (s->window > 0)
		reply_printf(r, "  window: %d of %d not acknowledged\n", s->unacked, s->window);
	if (*s->last_refused)
		reply_printf(r, "  refused last: %s\n", s->last_refused);
}

static void show_links(struct call *c)
{
	struct links *ls = c->app->link ? link_socket_links(c->app->link) : NULL;
	struct node_status status;
	struct link_status s;
	struct reply *r = &c->reply;
	int n = ls ? links_count(ls) : 0;

	node_get_status(c->app->node, &status);
	reply_list(r);
	for (int i = 0; i < n; i++) {
		const char *report;

		links_status(ls, i, &s);
		report = s.report ? report_state_name(status.report) : "none";
		print_link(r, &s, report);
		if (r->json)
			reply_item(r, link_json(&s, report));
	}
	reply_printf(r, "%d link%s; the telephone server's devices and mailboxes %s%s\n", n,
		n == 1 ? "" : "s", status.reporting ? "count" : "do not count",
		status.report == REPORT_KEPT ? ", for half a lease after it was lost" : "");
	call_end(c, 0);
}

const struct command cmd_link[] = {
	{"link show", "", 0, 0, "Show who is linked: telephone servers and other programs",
		"For each: program, version, process; what it reported and what it is told.",
		NULL, show_links, NULL},
	{.words = NULL},
};

/* Layer 0: looking up a host's addresses: glibc's getaddrinfo_a, asked again by a timer.
 */
#include "lookup.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loop.h"
#include "mem.h"

#define LOOKUP_POLL_MIN_MS 1
#define LOOKUP_POLL_MAX_MS 50

/* What glibc's thread writes to. It may outlive the look-up: a slow query cannot be
 * stopped. */
struct lookup_job {
	struct gaicb request;
	struct addrinfo hints;
	char *name;
	struct lookup_job *next;
};
static struct lookup_job *given_up;

struct lookup {
	struct lookup_job *job;
	struct loop_timer *timer;
	int64_t poll_ms;
	int failed; /* what getaddrinfo_a() said at once */
	void (*done)(void *arg, char *const *addresses, int n, const char *error);
	void *arg;
};

static void job_free(struct lookup_job *job)
{
	if (job->request.ar_result)
		freeaddrinfo(job->request.ar_result);
	free(job->name);
	free(job);
}

static void jobs_reap(void)
{
	struct lookup_job **at = &given_up, *job;

	while ((job = *at) != NULL) {
		if (gai_error(&job->request) == EAI_INPROGRESS) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		job_free(job);
	}
}

static int addresses_take(const struct addrinfo *list, char ***out)
{
	char text[NI_MAXHOST];
	int n = 0;

	*out = NULL;
	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof(text), NULL, 0,
				NI_NUMERICHOST) != 0)
			continue;
		*out = mem_realloc(*out, (size_t)(n + 1) * sizeof(**out));
		(*out)[n++] = mem_strdup(text);
	}
	return n;
}

static void lookup_finish(struct lookup *l, int rc)
{
	char **addresses = NULL;
	int n = 0;

	if (rc == 0)
		n = addresses_take(l->job->request.ar_result, &addresses);
	if (n > 0)
		l->done(l->arg, addresses, n, "");
	else
		l->done(l->arg, NULL, 0, rc ? gai_strerror(rc) : "it has no address");
	/* `l` may be gone */
	for (int i = 0; i < n; i++)
		free(addresses[i]);
	free(addresses);
}

static void lookup_poll(void *arg)
{
	struct lookup *l = arg;
	int rc = l->failed ? l->failed : gai_error(&l->job->request);

	if (rc != EAI_INPROGRESS) {
		lookup_finish(l, rc);
		return;
	}
	l->poll_ms =
		l->poll_ms * 2 < LOOKUP_POLL_MAX_MS ? l->poll_ms * 2 : LOOKUP_POLL_MAX_MS;
	loop_timer_start(l->timer, l->poll_ms);
}

struct lookup *lookup_new(struct event_base *base, const char *name,
	void (*done)(void *arg, char *const *addresses, int n, const char *error), void *arg)
{
	struct lookup *l = mem_alloc(sizeof(*l));
	struct lookup_job *job = mem_alloc(sizeof(*job));
	struct gaicb *list[1] = {&job->request};

	jobs_reap();
	job->name = mem_strdup(name);
	job->hints.ai_socktype = SOCK_STREAM;
	job->request.ar_name = job->name;
	job->request.ar_request = &job->hints;
	l->job = job;
	l->done = done;
	l->arg = arg;
	l->poll_ms = LOOKUP_POLL_MIN_MS;
	l->timer = loop_timer_new(base, lookup_poll, l);
	l->failed = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
	loop_timer_start(l->timer, l->failed ? 0 : l->poll_ms);
	return l;
}

void lookup_free(struct lookup *l)
{
	if (!l)
		return;
	loop_timer_free(l->timer);
	if (!l->failed)
		gai_cancel(&l->job->request);
	l->job->next = given_up;
	given_up = l->job;
	jobs_reap();
	free(l);
}

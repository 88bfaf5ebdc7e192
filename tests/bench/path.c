/* The commands of path.h, whatever the path is made of. */
#include "path.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "samples.h"

#define SILENCE_US 30000000
#define CHUNK      256
#define IDLE_SET   64 /* devices that take turns while it is idle */

static struct {
	uint8_t is[PATH_DEVICES];   /* as seen */
	uint8_t want[PATH_DEVICES]; /* as said, 0: nothing is open */
	int64_t said_us[PATH_DEVICES];
	int open;        /* said, not seen */
	int gone;        /* taken back, all in all */
	int64_t news_us; /* when something was seen last */
	struct samples took;
} state;

void path_die(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(1);
}

int64_t path_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void path_seen(int device, int is)
{
	if (device < 0 || device >= PATH_DEVICES)
		return;
	state.news_us = path_now_us();
	if (is == 0 && state.is[device] != 0)
		state.gone++;
	state.is[device] = (uint8_t)is;
	if (is == 0 || state.want[device] != is)
		return;
	state.want[device] = 0;
	state.open--;
	samples_add(&state.took, state.news_us - state.said_us[device]);
}

void path_step(const struct path *p, int timeout_us)
{
	struct pollfd fds[PATH_FDS];
	struct timespec wait = {timeout_us / 1000000, timeout_us % 1000000 * 1000L};
	int n = p->fds(fds);

	if (ppoll(fds, (nfds_t)n, &wait, NULL) < 0)
		path_die("poll", "interrupted");
	p->turn(fds);
}

static void step(const struct path *p, int timeout_us, const char *doing)
{
	char why[100];

	path_step(p, timeout_us);
	if (path_now_us() - state.news_us < SILENCE_US)
		return;
	snprintf(
		why, sizeof(why), "nothing was seen for 30 s, %d changes are open", state.open);
	path_die(doing, why);
}

static void begin(void)
{
	samples_clear(&state.took);
	state.news_us = path_now_us();
	state.gone = 0;
}

/* Say that n devices from `first` on (of `of`) change; how many were taken. */
static int say(const struct path *p, int first, int n, int of)
{
	struct path_item items[CHUNK];
	int64_t now = path_now_us();
	int taken;

	n = n < CHUNK ? n : CHUNK;
	for (int i = 0; i < n; i++) {
		int device = (first + i) % of;
		items[i] = (struct path_item){device, state.is[device] % 3 + 1};
	}
	taken = p->send(items, n);
	for (int i = 0; i < taken; i++) {
		state.open += state.want[items[i].device] == 0;
		state.want[items[i].device] = (uint8_t)items[i].state;
		state.said_us[items[i].device] = now;
	}
	return taken;
}

/* Half of most_us to all of it: no period of anything is met again and again. */
static void pause_for(const struct path *p, int64_t most_us)
{
	int64_t until = path_now_us() + most_us / 2 + random() % (most_us / 2 + 1), left;

	while ((left = until - path_now_us()) > 0)
		path_step(p, (int)left);
	state.news_us = path_now_us();
}

static void run_idle(const struct path *p, int n, int pause_us)
{
	for (int i = 0; i < n; i++) {
		if (pause_us > 0)
			pause_for(p, pause_us);
		while (say(p, i, 1, IDLE_SET) == 0)
			step(p, 1000, "idle");
		while (state.open > 0)
			step(p, 1000000, "idle");
	}
	samples_print(&state.took);
}

static void run_full(const struct path *p, int n)
{
	int64_t since = path_now_us();

	for (int said = 0; said < n || state.open > 0;) {
		int taken = said < n ? say(p, said, n - said, n) : 0;
		said += taken;
		step(p, taken > 0 ? 0 : 1000, "full");
	}
	printf("rate=%.1f ", n * 1e6 / (double)(path_now_us() - since));
	samples_print(&state.took);
}

/* What is due is said at once, whatever was seen; a device's turn comes when it was. */
static void run_paced(const struct path *p, double rate, int ms, int of)
{
	int64_t since = path_now_us();
	int all = (int)(rate * ms / 1000), said = 0;

	while (said < all || state.open > 0) {
		int64_t now = path_now_us() - since;
		int due = (int)((double)now * rate / 1e6) + 1 - said;
		int n = due < all - said ? due : all - said;
		int64_t wait_us;

		if (n > 0 && state.want[said % of] == 0)
			said += say(p, said, n < of ? n : of, of);
		wait_us = (int64_t)(said * 1e6 / rate) - (path_now_us() - since);
		if (said == all)
			wait_us = 1000000;
		step(p, wait_us < 0 ? 0 : (int)wait_us, "paced");
	}
	printf("rate=%.1f ", all * 1e6 / (double)(path_now_us() - since));
	samples_print(&state.took);
}

static void run_gone(const struct path *p, int n)
{
	while (state.gone < n)
		step(p, 1000000, "gone");
	memset(state.want, 0, sizeof(state.want));
	state.open = 0;
	printf("n=%d", state.gone);
}

static bool run(const struct path *p, const char *line)
{
	int n, ms, of, pause_us = 0;
	double rate;

	if (sscanf(line, "idle %d %d", &n, &pause_us) >= 1)
		run_idle(p, n, pause_us);
	else if (sscanf(line, "full %d", &n) == 1 && n <= PATH_DEVICES)
		run_full(p, n);
	else if (sscanf(line, "paced %lf %d %d", &rate, &ms, &of) == 3 && of <= PATH_DEVICES)
		run_paced(p, rate, ms, of);
	else if (sscanf(line, "gone %d", &n) == 1)
		run_gone(p, n);
	else
		return false;
	return true;
}

int path_main(const struct path *p)
{
	char line[200];

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready=1");
	while (fgets(line, sizeof(line), stdin)) {
		begin();
		if (!run(p, line))
			path_die("no such command", line);
		putchar('\n');
	}
	return 0;
}

/*
 * Stage 1, in Asterisk: the link to the node: a thread of its own with a unix socket.
 *
 * A turn: say what is due, hear what came as fast as Asterisk's consumers take it, wait.
 * The lock is for what the console reads, for goodbyes, and for Asterisk's threads that
 * say a change themselves; it is not held in poll() nor while something is imported.
 */
#include "asterisk.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "asterisk/ast_version.h"
#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/options.h"
#include "asterisk/utils.h"

#include "clock.h"
#include "mod_export.h"
#include "mod_import.h"
#include "mod_link.h"
#include "mod_mwi.h"
#include "mod_sweep.h"
#include "mod_tables.h"
#include "mod_tps.h"
#include "mod_voicemail.h"

#define TURN_LINES   64
#define IDLE_MS      1000
#define SOON_MS      100
#define PING_WAIT_MS 2000
#define REFUSED_LOG  1000 /* one refused line of so many is logged */

AST_MUTEX_DEFINE_STATIC(lock);
static ast_cond_t ponged;

/* Behind the lock. */
static struct session session;
static struct line_out out;
static int fd = -1;
static struct mod_options next_options;
static bool stop, reload, resync, hurry, said_goodbye;
static bool reported;
static unsigned long losses, refused;
static int64_t
	lost_ms; /* when what we have stopped being fresh; 0: it is, or is nothing */
static unsigned int ping_number, ping_sent, ping_heard;
static int64_t ping_us;

/* The thread's; what say() needs is changed with the lock only. */
static struct mod_options options;
static struct line_reader in;
static struct pace pace;
static struct retry backoff;
static int64_t retry_at_ms;
static bool report_due, readopted;
static bool mute; /* the node takes nothing any more */
static bool idle; /* nothing happened for a while: the last facts are acknowledged */
static char last_reason[SESSION_REASON];

static pthread_t thread = AST_PTHREADT_NULL;
static int wake_fd = -1;

static int64_t now_ms(void)
{
	return clock_mono_us() / 1000;
}

static void link_wake(void)
{
	uint64_t one = 1;

	if (wake_fd < 0)
		ast_log(LOG_ERROR,
			"res_pgdevstate: a change came while there is no link: report this\n");
	else if (write(wake_fd, &one, sizeof(one)) < 0)
		ast_debug(3, "the link's thread is awake\n");
}

/*
 * The same reason again and again is said once. A node that refuses us has to be told
 * otherwise; one that is away comes back.
 */
static void log_down(const char *reason, bool was_up)
{
	if (!was_up && strcmp(reason, last_reason) == 0)
		return;
	ast_copy_string(last_reason, reason, sizeof(last_reason));
	if (session.refused)
		ast_log(LOG_ERROR, "No link to the node at %s: %s. Trying again\n",
			options.socket, reason);
	else if (was_up)
		ast_log(LOG_WARNING,
			"Lost the node at %s: %s. Trying again; states of other servers stay "
			"for %d s\n",
			options.socket, reason, options.stale_after_s);
	else
		ast_log(LOG_WARNING, "No link to the node at %s: %s. Trying again\n",
			options.socket, reason);
}

/* With the lock. */
static void drop(const char *reason, int64_t now)
{
	bool was_up = session.phase == SESSION_UP;
	char text[sizeof(session.reason)];

	ast_copy_string(text, reason, sizeof(text));
	if (session.fresh)
		lost_ms = now;
	session_end(&session, text, now);
	if (fd >= 0)
		close(fd);
	fd = -1;
	out.len = 0;
	reported = false;
	losses += was_up;
	export_reset();
	retry_at_ms = now + retry_next(&backoff, session.refused, (uint32_t)ast_random());
	log_down(text, was_up);
	session.refused = false;
}

/* -1: errno. */
static int socket_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	ast_copy_string(address.sun_path, path, sizeof(address.sun_path));
	if (s < 0 || connect(s, (struct sockaddr *)&address, sizeof(address)) == 0)
		return s;
	error = errno;
	close(s);
	errno = error;
	return -1;
}

static void greet(int64_t now)
{
	char id[ENTITY_ID_TEXT];

	line_reader_init(&in);
	mute = idle = false;
	ast_eid_to_str(id, sizeof(id), &ast_eid_default);
	session_greet(&session, id, ast_get_version(), &out, now);
	report_due = true;
}

static void connect_when_due(int64_t now)
{
	char reason[120];

	/*
	 * pbx_config reads a device's state first and adds the hint to those that hear of
	 * changes later: a fact that came in between would be lost on it for good. And what
	 * func_devstate brings back from its store is what was adopted, or a press: it must
	 * not be mixed up with what the node says now.
	 */
	if (!ast_fully_booted || said_goodbye)
		return;
	if (fd >= 0 || (now < retry_at_ms && !hurry))
		return;
	if (!readopted)
		import_readopt();
	readopted = true;
	hurry = false;
	out.len = 0;
	fd = socket_connect(options.socket);
	if (fd >= 0) {
		greet(now);
		return;
	}
	snprintf(reason, sizeof(reason), "%s%s", strerror(errno),
		errno == ENOENT || errno == ECONNREFUSED
			? ": is pgdevstated running, and is that its link_socket?"
			: "");
	drop(reason, now);
}

/* As much as the socket takes. */
static void flush(void)
{
	while (fd >= 0 && out.len > 0) {
		ssize_t n = send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0) {
			/* its last words, and the end, are still to be read */
			mute = true;
			out.len = 0;
			return;
		}
		line_out_sent(&out, (size_t)n);
	}
}

static void begin_report(void)
{
	if (!report_due || !line_out_room(&out))
		return;
	report_due = !export_report(&options, &out);
}

static void say_pings(void)
{
	if (ping_number != ping_sent && line_out_add(&out, "ping\tcli-%u", ping_number)) {
		ping_sent = ping_number;
		ping_us = clock_mono_us();
	}
	if (resync && line_out_add(&out, "resync")) {
		resync = false;
		report_due = true;
	}
}

static void say(int64_t now)
{
	bool was;

	if (said_goodbye || mute || session.phase == SESSION_DOWN)
		return;
	if (!session_tick(&session, &out, now)) {
		drop(session.reason, now);
		return;
	}
	if (session.phase == SESSION_UP) {
		say_pings();
		begin_report();
		was = export_reporting();
		if (!report_due)
			report_due = !export_pump(&options, &out);
		reported |= was && !export_reporting();
		session_ack(&session, &out, idle);
	}
	flush();
}

/*
 * A device changed: said at once by the thread that published it, if nothing is in the
 * way; waking another one costs more than all the rest here. It may hold locks of
 * Asterisk, so it waits for none of ours.
 */
static bool say_now(void)
{
	bool done = false;

	if (ast_mutex_trylock(&lock) != 0)
		return false;
	if (!stop && !said_goodbye && !mute && !report_due && session.phase == SESSION_UP &&
		out.len == 0)
		done = export_devices(&options, &out);
	flush();
	done = done && out.len == 0;
	ast_mutex_unlock(&lock);
	return done;
}

void link_changed(enum mod_event event)
{
	if (event != EVENT_DEVICE_STATE || !say_now())
		link_wake();
}

static void take_reload(int64_t now)
{
	bool moved = strcmp(options.socket, next_options.socket) != 0;
	struct tables *t;

	if (moved && session.phase != SESSION_DOWN)
		drop("the socket's path was changed", now);
	options = next_options;
	reload = false;
	t = tables_lock();
	t->facts.max = t->boxes.max = (size_t)options.import_max;
	tables_unlock();
	resync = session.phase == SESSION_UP;
	retry_reset(&backoff);
	retry_at_ms = fd < 0 ? now : retry_at_ms;
}

/* What the console is told about the line, and what is logged. With the lock. */
static void note_line(const struct line *l)
{
	char token[20];

	snprintf(token, sizeof(token), "cli-%u", ping_sent);
	if (l->word == LINE_PONG && strcmp(l->name, token) == 0) {
		ping_heard = ping_sent;
		ping_us = clock_mono_us() - ping_us;
		ast_cond_broadcast(&ponged);
	}
	if (l->word == LINE_REFUSED && refused++ % REFUSED_LOG == 0)
		ast_log(
			LOG_WARNING, "The node refuses %s '%s': %s\n", l->version, l->name, l->why);
	if (l->word == LINE_STATUS)
		ast_verb(3, "The node says: %s\n", l->name);
}

static bool is_right_node(const struct line *l, char *why, size_t size)
{
	char mine[ENTITY_ID_TEXT], its[ENTITY_ID_TEXT];

	if (memcmp(l->entity.bytes, ast_eid_default.eid, sizeof(l->entity.bytes)) == 0)
		return true;
	session.refused = true;
	ast_eid_to_str(mine, sizeof(mine), &ast_eid_default);
	snprintf(why, size,
		"entity id mismatch: Asterisk has %s, the node has %s: set entity_id=auto or "
		"entity_id=%s in pgdevstate.conf",
		mine, entity_id_print(&l->entity, its), mine);
	return false;
}

static void connected(const struct line *l)
{
	ast_log(LOG_NOTICE, "Linked to node '%s', pgdevstated %s, at %s\n", l->name,
		l->version, options.socket);
	last_reason[0] = '\0';
}

/* False: the link was dropped. With the lock. */
static bool take_control(const struct line *l, int64_t now)
{
	char why[200];

	if (!session_take(&session, l, now)) {
		drop(session.reason, now);
		return false;
	}
	if (l->word == LINE_HELLO) {
		if (!is_right_node(l, why, sizeof(why))) {
			drop(why, now);
			return false;
		}
		connected(l);
	}
	note_line(l);
	if (l->word == LINE_END) {
		lost_ms = 0;
		retry_reset(&backoff); /* not at hello: one may say that and hang up */
	}
	return true;
}

static void take_line(char *text, int64_t now)
{
	char reason[120], begin[41];
	const char *why;
	struct line l;
	bool good;

	ast_copy_string(begin, text, sizeof(begin));
	good = line_parse(text, &l, &why);
	ast_mutex_lock(&lock);
	if (!good) {
		snprintf(reason, sizeof(reason), "it talks nonsense: %s: '%s'", why, begin);
		drop(reason, now);
	} else {
		good = take_control(&l, now);
	}
	ast_mutex_unlock(&lock);
	if (!good)
		return;
	if (line_is_fact(l.word)) {
		sweep_fact(&options, &l);
		pace_took(&pace);
	} else if (l.word == LINE_BEGIN) {
		sweep_dump_begins();
	} else if (l.word == LINE_END) {
		sweep_dump_ends();
	}
}

/* False: nothing more for now. */
static bool fill(int64_t now)
{
	size_t room;
	char *space = line_reader_space(&in, &room);
	ssize_t n = recv(fd, space, room, MSG_DONTWAIT);
	int error = errno;

	if (n > 0) {
		line_reader_filled(&in, (size_t)n);
		return true;
	}
	if (n < 0 && (error == EAGAIN || error == EWOULDBLOCK || error == EINTR))
		return false;
	ast_mutex_lock(&lock);
	drop(n == 0 ? "it closed the link" : strerror(error), now);
	ast_mutex_unlock(&lock);
	return false;
}

/* One line, or what is to be swept. False: nothing more for now. */
static bool hear_one(int64_t now)
{
	const char *why;
	char *line;
	int got;

	if (sweep_is_on()) {
		sweep_step();
		pace_took(&pace);
		return true;
	}
	if (fd < 0)
		return false;
	got = line_reader_next(&in, &line, &why);
	if (got > 0)
		take_line(line, now);
	if (got < 0) {
		ast_mutex_lock(&lock);
		drop(why, now);
		ast_mutex_unlock(&lock);
	}
	return got == 0 ? fill(now) : true;
}

enum turn { TURN_IDLE, TURN_MORE, TURN_PACED };

/* As fast as those who get it are; but after some lines, what is to be said comes first.
 */
static enum turn hear(int64_t now)
{
	int n;

	for (n = 0; n < TURN_LINES; n++) {
		if (!sweep_may(&pace, now))
			return TURN_PACED;
		if (!hear_one(now))
			return TURN_IDLE;
	}
	return TURN_MORE;
}

/* The node is away, or knows nothing itself: what it said last has an end. */
static void forget_stale(int64_t now)
{
	bool stale;

	if (sweep_is_on())
		return; /* one after the other */
	ast_mutex_lock(&lock);
	stale = session_is_stale(&session, lost_ms, options.stale_after_s, now);
	if (stale)
		lost_ms = 0;
	ast_mutex_unlock(&lock);
	if (!stale)
		return;
	ast_log(LOG_WARNING,
		"No word from the node for %d s: states of other servers are dropped\n",
		options.stale_after_s);
	sweep_purge();
}

static int wait_ms(enum turn turn, int64_t now)
{
	int64_t until = now + IDLE_MS;

	if (turn == TURN_MORE)
		return 0;
	if (turn == TURN_PACED)
		return (int)MAX(pace.next_ms - now, 1);
	if (mail_is_waiting() || export_is_waiting() ||
		(report_due && session.phase == SESSION_UP))
		until = now + SOON_MS;
	if (!ast_fully_booted)
		return SOON_MS;
	if (fd < 0)
		until = MIN(until, retry_at_ms);
	else
		until = MIN(until, session_next_ms(&session));
	return (int)MAX(until - now, 1);
}

/* `more` waits for the socket; what is added later wakes us. */
static void wait_turn(enum turn turn, bool more, int64_t now)
{
	struct pollfd p[2] = {{.fd = wake_fd, .events = POLLIN}, {.fd = fd}};
	uint64_t count;

	p[1].events = (short)((turn == TURN_PACED ? 0 : POLLIN) | (more ? POLLOUT : 0));
	if (turn == TURN_PACED && !more)
		p[1].fd = -1; /* a closed socket would wake us without end */
	idle = poll(p, 2, wait_ms(turn, now)) == 0 && turn == TURN_IDLE;
	if ((p[0].revents & POLLIN) && read(wake_fd, &count, sizeof(count)) < 0)
		ast_debug(3, "nothing to read from the link's wake-up\n");
}

static void *run(void *unused)
{
	bool ends = false, quiet, more;

	while (!ends) {
		int64_t now = now_ms();
		enum turn turn;

		ast_mutex_lock(&lock);
		ends = stop;
		if (reload)
			take_reload(now);
		connect_when_due(now);
		say(now);
		quiet = said_goodbye;
		more = out.len > 0;
		ast_mutex_unlock(&lock);
		if (ends)
			break;
		if (quiet) {
			usleep(SOON_MS * 1000); /* Asterisk exits */
			continue;
		}
		if (ast_fully_booted)
			voicemail_answer(options.voicemail_provider);
		if (fd < 0)
			export_idle(&options);
		turn = hear(now);
		mail_put_back(session.fresh, now);
		forget_stale(now);
		wait_turn(turn, more, now);
	}
	return NULL;
}

/* With the lock. As much as goes at once: whoever says it does not wait. */
static void say_goodbye(void)
{
	bool linked = fd >= 0 && !said_goodbye && session.phase != SESSION_DOWN;
	ssize_t n = 0;

	said_goodbye = true; /* and no link is made any more */
	if (!linked)
		return;
	if (line_out_add(&out, "bye"))
		n = send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < (ssize_t)out.len)
		ast_log(
			LOG_NOTICE, "The node did not take our goodbye at once: it will notice\n");
}

void link_goodbye(void)
{
	int tries;

	for (tries = 0; tries < 20; tries++) {
		if (ast_mutex_trylock(&lock) == 0) {
			say_goodbye();
			ast_mutex_unlock(&lock);
			return;
		}
		usleep(500);
	}
}

static void reset(const struct mod_options *o)
{
	session_init(&session);
	session_end(&session, ast_fully_booted ? "" : "Asterisk is still starting", now_ms());
	line_reader_init(&in);
	pace_init(&pace);
	retry_reset(&backoff);
	out.len = 0;
	options = next_options = *o;
	stop = reload = resync = hurry = said_goodbye = reported = report_due = readopted =
		false;
	losses = refused = 0;
	lost_ms = retry_at_ms = 0;
	ping_number = ping_sent = ping_heard = 0;
	last_reason[0] = '\0';
}

/* Its clock is one that nobody sets. */
static void ponged_init(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	ast_cond_init(&ponged, &attr);
	pthread_condattr_destroy(&attr);
}

bool link_open(const struct mod_options *o)
{
	ast_mutex_lock(&lock);
	reset(o);
	ast_mutex_unlock(&lock);
	ponged_init();
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wake_fd < 0)
		ast_log(LOG_ERROR, "Cannot make the link's wake-up: %s\n", strerror(errno));
	return wake_fd >= 0;
}

bool link_start(void)
{
	int error = ast_pthread_create_background(&thread, NULL, run, NULL);

	if (error == 0)
		return true;
	ast_log(LOG_ERROR, "Cannot start the link's thread: %s\n", strerror(error));
	thread = AST_PTHREADT_NULL;
	return false;
}

void link_stop(void)
{
	ast_mutex_lock(&lock);
	stop = true;
	say_goodbye();
	ast_mutex_unlock(&lock);
	if (thread != AST_PTHREADT_NULL) {
		link_wake();
		pthread_join(thread, NULL);
	}
	thread = AST_PTHREADT_NULL;
	if (fd >= 0)
		close(fd);
	if (wake_fd >= 0)
		close(wake_fd);
	fd = wake_fd = -1;
	ast_cond_destroy(&ponged);
}

void link_reload(const struct mod_options *o)
{
	ast_mutex_lock(&lock);
	next_options = *o;
	reload = true;
	ast_mutex_unlock(&lock);
	link_wake();
}

void link_get_status(struct link_status *s)
{
	ast_mutex_lock(&lock);
	s->now_ms = now_ms();
	ast_copy_string(s->socket, next_options.socket, sizeof(s->socket));
	s->session = session;
	s->reported = reported;
	s->reporting = session.phase == SESSION_UP && !reported;
	s->stale_s = -1;
	if (lost_ms > 0)
		s->stale_s =
			(long)MAX(next_options.stale_after_s - (s->now_ms - lost_ms) / 1000, 0);
	s->consumers = tps_known();
	s->pace_waits = pace.waits;
	s->losses = losses;
	s->refused = refused;
	ast_mutex_unlock(&lock);
}

void link_get_options(struct mod_options *o)
{
	ast_mutex_lock(&lock);
	*o = next_options;
	ast_mutex_unlock(&lock);
}

bool link_ping(long *us, char *why, size_t size)
{
	int64_t end_us = clock_mono_us() + PING_WAIT_MS * 1000LL;
	struct timespec until = {
		.tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000};
	unsigned int number;
	bool heard;

	ast_mutex_lock(&lock);
	if (session.phase != SESSION_UP) {
		snprintf(why, size, "the link is down: %s", session.reason);
		ast_mutex_unlock(&lock);
		return false;
	}
	number = ++ping_number;
	link_wake();
	while (ping_heard < number && ast_cond_timedwait(&ponged, &lock, &until) == 0)
		;
	heard = ping_heard >= number;
	*us = (long)ping_us;
	ast_mutex_unlock(&lock);
	if (!heard)
		snprintf(why, size, "no answer within %d s", PING_WAIT_MS / 1000);
	return heard;
}

bool link_resync(void)
{
	bool up;

	ast_mutex_lock(&lock);
	up = session.phase == SESSION_UP;
	resync = up;
	hurry = fd < 0; /* else it is being tried */
	ast_mutex_unlock(&lock);
	link_wake();
	return up;
}

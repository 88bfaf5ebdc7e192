/* Layer 0: log: one line an event, to stderr, syslog or a file, and to the consoles. */
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "mem.h"

static const struct {
	const char *name, *colour;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"ERROR", "\033[1;31m", LOG_ERR},
	[LOG_LEVEL_WARNING] = {"WARNING", "\033[33m", LOG_WARNING},
	[LOG_LEVEL_NOTICE] = {"NOTICE", "\033[32m", LOG_NOTICE},
	[LOG_LEVEL_DEBUG] = {"DEBUG", "\033[36m", LOG_DEBUG},
};

static struct {
	enum log_target target;
	int fd; /* stderr until log_open() */
	char *path;
	bool colour;
	int debug;
	struct log_listener *listeners;
	struct log_listener *next; /* whose turn it is while lines are given out */
	bool giving;
	int64_t lost;   /* lines, ever ... */
	int64_t untold; /* ... of which the log does not say so yet */
	int lost_errno;
	bool torn; /* the last line has no end */
} logger = {.target = LOG_TO_STDERR, .fd = STDERR_FILENO};

static int log_open_file(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
}

static bool log_wants_colour(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term && strcmp(term, "dumb") != 0 && !getenv("NO_COLOR");
}

bool log_open(enum log_target target, const char *path)
{
	int fd = STDERR_FILENO;

	if (target == LOG_TO_FILE) {
		fd = log_open_file(path);
		if (fd < 0)
			return false;
	}
	log_close();
	logger.target = target;
	logger.fd = fd;
	logger.path = target == LOG_TO_FILE ? mem_strdup(path) : NULL;
	logger.colour = target == LOG_TO_STDERR && log_wants_colour(fd);
	if (target == LOG_TO_SYSLOG)
		openlog("pgdevstated", LOG_PID, LOG_DAEMON);
	return true;
}

/* When the new file cannot be opened the old one stays: errno says why. */
bool log_reopen(void)
{
	int fd;

	if (logger.target != LOG_TO_FILE)
		return true;
	fd = log_open_file(logger.path);
	if (fd < 0)
		return false;
	close(logger.fd);
	logger.fd = fd;
	return true;
}

void log_close(void)
{
	if (logger.target == LOG_TO_FILE)
		close(logger.fd);
	if (logger.target == LOG_TO_SYSLOG)
		closelog();
	free(logger.path);
	logger.path = NULL;
	logger.target = LOG_TO_STDERR;
	logger.fd = STDERR_FILENO;
	logger.colour = false;
}

void log_set_debug(int level)
{
	logger.debug = level;
}

int log_get_debug(void)
{
	return logger.debug;
}

void log_add_listener(struct log_listener *l)
{
	l->next = logger.listeners;
	logger.listeners = l;
}

void log_remove_listener(struct log_listener *l)
{
	struct log_listener **at = &logger.listeners;

	while (*at && *at != l)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = l->next;
	if (logger.next == l)
		logger.next = l->next;
	l->next = NULL;
}

static void log_add_time(struct buf *b)
{
	int64_t now_us = clock_wall_us();
	time_t seconds = now_us / 1000000;
	struct tm tm;
	char text[32];

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	buf_addf(b, "%s.%03d ", text, (int)(now_us / 1000 % 1000));
}

/*
 * Texts of servers and peers end up here: what could break a line or move a terminal's
 * cursor becomes a space.
 */
static void log_tame(struct buf *b)
{
	while (b->len > 0 && strchr("\r\n", b->data[b->len - 1]))
		b->data[--b->len] = '\0';
	for (size_t i = 0; i < b->len; i++)
		if ((unsigned char)b->data[i] < 0x20 || b->data[i] == 0x7f)
			b->data[i] = ' ';
}

/* One write() a line, so that lines of several processes do not mix. False: errno is set.
 */
static bool log_put(enum log_level level, const char *line)
{
	bool colour = logger.colour && level != LOG_LEVEL_NOTICE;
	struct buf out;
	ssize_t n;

	buf_init(&out);
	buf_addf(&out, "%s%s%s%s\n", logger.torn ? "\n" : "",
		colour ? levels[level].colour : "", line, colour ? "\033[0m" : "");
	do {
		n = write(logger.fd, out.data, out.len);
	} while (n < 0 && errno == EINTR);
	bool whole = n == (ssize_t)out.len;
	if (n >= 0 && !whole)
		errno = ENOSPC; /* the rest did not fit */
	if (n > 0)
		logger.torn = !whole;
	buf_clear(&out);
	return whole;
}

/* A listener that logs is heard by the target only: else two of them would never end. */
static void log_give(enum log_level level, const char *line)
{
	struct log_listener *l;

	if (logger.giving)
		return;
	logger.giving = true;
	for (l = logger.listeners; l; l = logger.next) {
		logger.next = l->next;
		l->line(l->arg, level, line);
	}
	logger.giving = false;
}

static void log_begin(struct buf *line, enum log_level level)
{
	buf_init(line);
	log_add_time(line);
	buf_addf(line, "%-7s ", levels[level].name);
}

/* The first lost line of several: whoever listens hears it while there is no log. */
static void log_lost(void)
{
	struct buf line;

	logger.lost++;
	logger.lost_errno = errno;
	if (logger.untold++ > 0)
		return;
	log_begin(&line, LOG_LEVEL_ERROR);
	buf_addf(&line, "log: cannot write to %s, lines are lost: %s",
		logger.path ? logger.path : "standard error", strerror(logger.lost_errno));
	log_give(LOG_LEVEL_ERROR, line.data);
	buf_clear(&line);
}

/* There may be room again: that comes before the line that found it. */
static void log_tell_lost(void)
{
	struct buf line;

	if (logger.untold == 0)
		return;
	log_begin(&line, LOG_LEVEL_WARNING);
	buf_addf(&line, "log: lines were lost here count=%lld: %s", (long long)logger.untold,
		strerror(logger.lost_errno));
	if (log_put(LOG_LEVEL_WARNING, line.data)) {
		logger.untold = 0;
		log_give(LOG_LEVEL_WARNING, line.data);
	}
	buf_clear(&line);
}

int64_t log_lines_lost(void)
{
	return logger.lost;
}

void log_write(enum log_level level, const char *subsystem, const char *fmt, ...)
{
	struct buf line;
	size_t text;
	va_list ap;
	int saved = errno;

	assert(level <= LOG_LEVEL_DEBUG);
	log_begin(&line, level);
	text = line.len;
	buf_addf(&line, "%s: ", subsystem);
	va_start(ap, fmt);
	buf_addv(&line, fmt, ap);
	va_end(ap);
	log_tame(&line);
	if (logger.target == LOG_TO_SYSLOG) {
		syslog(levels[level].priority, "%s", line.data + text);
	} else {
		log_tell_lost();
		if (!log_put(level, line.data))
			log_lost();
	}
	log_give(level, line.data);
	buf_clear(&line);
	errno = saved;
}

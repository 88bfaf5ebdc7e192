/*
 * Layer 0: log. One line an event: time, level, subsystem, text, then key=value.
 * Who detects a thing logs it, once, with the object and the reason.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

/* Where lines go besides the callbacks. A file is opened for appending; false: errno is
 * set. */
enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE };
bool log_open(enum log_target target, const char *path);
bool log_reopen(void); /* after rotation */
void log_close(void);
/* Lines that could not be written, on a full disk say. When one can be again, a warning
 * comes first that says how many were lost and why; consoles hear of the first at once.
 */
int64_t log_lines_lost(void);

void log_set_debug(int level); /* 0: none; log_debug(n, ...) is shown when n <= level */
int log_get_debug(void);

/* Every line also goes to the listeners (consoles). `line` is borrowed, without a
 * newline. */
struct log_listener {
	void (*line)(void *arg, enum log_level level, const char *line);
	void *arg;
	struct log_listener *next; /* the log's own */
};
void log_add_listener(struct log_listener *l);    /* borrowed until removed */
void log_remove_listener(struct log_listener *l); /* legal inside line() */

void log_write(enum log_level level, const char *subsystem, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(sub, ...)   log_write(LOG_LEVEL_ERROR, sub, __VA_ARGS__)
#define log_warning(sub, ...) log_write(LOG_LEVEL_WARNING, sub, __VA_ARGS__)
#define log_notice(sub, ...)  log_write(LOG_LEVEL_NOTICE, sub, __VA_ARGS__)
#define log_debug(n, sub, ...)                            \
	do {                                                  \
		if ((n) <= log_get_debug())                       \
			log_write(LOG_LEVEL_DEBUG, sub, __VA_ARGS__); \
	} while (0)

#endif

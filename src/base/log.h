/* log: one line an event, `key=value`, to standard error.
 *
 * The owner of a session or a shard logs; the floors below it return errors. A line is written with one write(2), so that
 * lines of several threads do not mix. log_quote() makes foreign text safe to print.
 */
#pragma once

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL };

extern enum log_level log_level_min;    /* atomic; LOG_INFO by default */

/* `part` is the file's prefix ("pool"); `format` makes `key=value` pairs: log_info("pool", "node=%s msg=\"opened\"", …). */
void log_write(enum log_level level, const char *part, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(...) (__atomic_load_n(&log_level_min, __ATOMIC_RELAXED) <= LOG_DEBUG ? log_write(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* debug, info, warn, error; another name changes nothing. */
void log_set_level(const char *name);

/* Copies `text` into `out` with quotes, backslashes and control characters made harmless; returns `out`. */
const char *log_quote(const char *text, char *out, unsigned long out_size);

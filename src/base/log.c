#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 2048 };

enum log_level log_level_min = LOG_INFO;

static const char *const level_names[] = { "debug", "info", "warn", "error", "fatal" };

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

void log_write(enum log_level level, const char *part, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	struct timespec now;
	struct tm parts;
	va_list args;
	size_t size;
	int added;

	if (level < __atomic_load_n(&log_level_min, __ATOMIC_RELAXED))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size = strftime(line, sizeof(line), "time=%Y-%m-%dT%H:%M:%S", &parts);
	size += (size_t)snprintf(line + size, sizeof(line) - size, ".%03ldZ level=%s part=%s ", now.tv_nsec / 1000000,
				 level_names[level], part);
	va_start(args, format);
	added = vsnprintf(line + size, sizeof(line) - size - 1, format, args);
	va_end(args);
	if (added > 0)
		size += (size_t)added < sizeof(line) - size - 1 ? (size_t)added : sizeof(line) - size - 2;
	for (size_t i = 0; i < size; i++)       /* an event is one line, whatever was printed into it */
		line[i] = is_control(line[i]) ? ' ' : line[i];
	line[size++] = '\n';
	if (write(STDERR_FILENO, line, size) < 0)
		return;                 /* nowhere left to complain to */
}

void log_set_level(const char *name)
{
	for (unsigned i = 0; i <= LOG_ERROR; i++)
		if (strcmp(level_names[i], name) == 0)
			__atomic_store_n(&log_level_min, (enum log_level)i, __ATOMIC_RELAXED);
}

const char *log_quote(const char *text, char *out, unsigned long out_size)
{
	unsigned long used = 0;

	for (; *text && used + 3 < out_size; text++) {
		if (*text == '"' || *text == '\\')
			out[used++] = '\\';
		out[used++] = is_control(*text) ? ' ' : *text;
	}
	out[used] = '\0';
	return out;
}

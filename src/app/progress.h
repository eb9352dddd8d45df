/* progress: what a person sees while something takes time, and whether that person has had enough.
 *
 * On a terminal one line that moves; elsewhere one plain line for each step, when it is done. One step at a time, on the main thread.
 * progress_start() blocks SIGINT, SIGTERM and SIGHUP in this thread and in those made later: they are answered where waiting is done.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/limits.h"

must_use int progress_start(struct err *err);

/* A step begins, "creating servers"; the words stay the caller's and must outlive the step. */
void progress_begin(const char *doing);
/* How far it is: part of the whole, 0 to 1. */
void progress_set(double part);
/* It is done, in these words: "2 servers created"; the time that it took is added. */
void progress_end(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* It ended without success: the moving line goes away. */
void progress_drop(void);

/* Waits until one of the descriptors (at most PROGRESS_FDS_MAX) is ready or wait_ms have passed, moving the line meanwhile. The number that are
 * ready; ERR_CANCELED when a signal asked the program to end. */
enum { PROGRESS_FDS_MAX = NODES_MAX + 1 };
must_use int progress_wait(struct pollfd *fds, size_t count, int wait_ms, struct err *err);

/* From now on such signals no longer end a wait: the program is already stopping. */
void progress_finish(void);

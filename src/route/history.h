/* history: where the timelines of a server came from: each of its ancestors, and the position at which it was left.
 *
 * Source: PostgreSQL's timeline history files (timeline.c): a line for each ancestor, oldest first, "TLI<tab>LSN<tab>reason"; lines that begin with #
 * are comments. A value; no memory of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { HISTORY_MAX = 256, HISTORY_TEXT_SIZE = HISTORY_MAX * 32 };

struct ancestor { uint32_t timeline; uint64_t end; };   /* all of it before this position belongs to the descendants, too */

struct history {
	uint32_t timeline;              /* whose history it is; 0: nothing is known */
	size_t count;
	struct ancestor ancestors[HISTORY_MAX];         /* ascending; of more, the newest */
};

/* `text`: of the file. ERR_CONFIG: it is no such file. Timeline 1 has no file: history_first(). */
must_use int history_read(uint32_t timeline, const char *text, struct history *ret_history, struct err *err);
void history_first(struct history *ret_history);
/* Whether `timeline` is an ancestor; *ret_end is where it was left. */
bool history_fork(const struct history *history, uint32_t timeline, uint64_t *ret_end);
/* Whether `history` goes on from `before`: that is an ancestor, and has the same ancestors; *ret_end is where it was left. */
bool history_descends(const struct history *history, const struct history *before, uint64_t *ret_end);
/* Without reasons; history_read() takes it back. */
void history_write(const struct history *history, char text[HISTORY_TEXT_SIZE]);

/* server: a PostgreSQL server on this machine, known by its data folder: its postmaster.pid is believed when that process is a postgres that stands
 * in the folder. Used by the main thread.
 */
#pragma once

#include <stdbool.h>

#include "base/process.h"
#include "base/arena.h"

/* Takes hold of it, unless it is held already; false: none runs. */
bool server_find(struct arena *arena, const char *data, struct process *process);

/* Fast shutdown; at once when that takes too long or a signal asks for haste; at last it is killed. Reaps it. */
void server_stop(struct process *process);

enum { SERVER_STOP_MS_MAX = 30 * 1000 };
extern const int server_stop_signals[3];        /* fast, immediate, and no choice */

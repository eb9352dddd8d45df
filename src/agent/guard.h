/* guard: a process of its own that stops the node at once when its agent's authority is over, whatever has become of the agent.
 *
 * It knows two things, in a file that it and the agent have mapped: until when the node may be a primary, by the clock that goes on while the machine
 * sleeps, and during which start of the machine that was said. Twenty times in a lease it looks; a node that may not be a primary any more and is none
 * of its standbys (there is no standby.signal) is stopped: SIGQUIT, and SIGKILL for all of its processes soon after.
 * While the node is rewound (there is GUARD_MARK in the agent's folder) it stops nothing: pg_rewind has a server of its own recover what crashed.
 * The guard outlives the agent, and the next agent finds it by its lock. Who kills the guard alone has its agent start another one; who kills both has
 * the routers' permits left, which end by themselves.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct guard;

#define GUARD_MARK "unfinished"

/* The clock of everything that an agent promises: CLOCK_BOOTTIME, in microseconds. */
uint64_t guard_now(void);
/* For the node with this data folder; `folder`: the agent's own, for the file. One agent at a time: ERR_CONFLICT. Starts the guard's process if there is none. Before the
 * agent has threads. */
must_use int guard_open(const char *data, const char *folder, struct guard **ret_guard, struct err *err);
/* The node may be a primary until then. As long as nothing was said since the machine started, the guard does nothing. */
void guard_until(struct guard *guard, uint64_t until);
/* Starts the guard's process again if it was killed. */
void guard_check(struct guard *guard);
void guard_close(struct guard *guard);          /* the process goes on; NULL is allowed */

/* Stops a node at once, with all of its processes, and returns when none is left: SIGQUIT first, SIGKILL after `quit_ms`. Also without a guard. */
void guard_stop_node(const char *data, unsigned quit_ms);

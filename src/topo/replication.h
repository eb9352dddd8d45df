/* replication: whom a shard's primary waits for before a commit is acknowledged. Pure.
 *
 * What is asked for is a part of the topology; what the primary is told (PostgreSQL's synchronous_standby_names) follows from it and from the
 * replicas that stream at the moment.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/limits.h"

enum replication_mode {
	REPLICATION_ASYNC,              /* for nobody */
	REPLICATION_SEMI_SYNC,          /* for any `count` of the replicas */
	REPLICATION_SYNC,               /* for all of them */
};

struct replication_rule {
	enum replication_mode mode;
	unsigned count;                 /* of semi-sync; 0 otherwise */
	bool degrades;                  /* while replicas are missing it waits for fewer; false: commits wait */
};

enum replication_state {
	REPLICATION_OK,
	REPLICATION_DEGRADED,           /* it waits for fewer than asked */
	REPLICATION_BLOCKED,            /* commits wait for replicas that do not stream */
};

/* "async", "semi-sync", "sync". */
const char *replication_mode_name(enum replication_mode mode);
bool replication_mode_read(const char *name, enum replication_mode *ret_mode);
const char *replication_state_name(enum replication_state state);       /* "ok", "degraded", "blocked" */

/* What a primary with these replicas is to be told; memory of `arena`, or constant. `streams[i]`: replica i streams. *ret_state is what commits
 * then meet.
 * Source: PostgreSQL 15, "synchronous_standby_names". */
const char *replication_names(const struct replication_rule *replication, const char *const *replicas, const bool *streams, size_t count,
			      struct arena *arena, enum replication_state *ret_state);
/* The same for `wanted` of these, whoever streams; "": of none. `all`: the mode is sync. */
const char *replication_list(const char *const *replicas, size_t count, unsigned wanted, bool all, struct arena *arena);

enum { REPLICATION_SLOT_SIZE = NAME_SIZE_MAX };
/* The slot of a node of this name: its letters and digits, lower case, and _ for what else is in it. */
void replication_slot(const char *name, char ret_slot[REPLICATION_SLOT_SIZE]);

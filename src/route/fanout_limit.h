/* fanout_limit: LIMIT and OFFSET, taken from the client's statement and written anew for the shards.
 *
 * A shard cannot know which of its rows the others' rows come before: it is asked for limit + offset rows, and the router does the rest.
 * A parameter that the shards need no more still stands in their statement, so that its number and type stay what the client knows.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "route/fanout.h"
#include "route/fanout_tree.h"

/* Reads LIMIT and OFFSET into `fanout` and rewrites them. `pushable`: the rows that the client gets are among the first limit + offset
 * rows of each shard. */
must_use int limit_rewrite(PgQuery__SelectStmt *select, bool pushable, struct arena *arena, struct fanout *fanout, struct err *err);

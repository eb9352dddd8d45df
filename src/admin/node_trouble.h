/* node_trouble: what is wrong with a node's role, in words: it is not what the topology calls it, or does not follow its primary. */
#pragma once

#include <stddef.h>

struct arena;
struct role_watch;
struct snapshot;

/* NULL: nothing is known against it. `node`: an index in the topology. */
const char *node_trouble(const struct snapshot *snapshot, struct role_watch *roles, size_t node, struct arena *arena);

/* follow_roles: the topology follows roles that others change (ha/roles.h): a promotion by hand, a managed service. Where the nodes have agents, it follows
 * whom these have lead (app/leaders.h).
 *
 * Of each shard the store remembers (primaries/SHARD) on which timeline of which system its primary was last seen, so that a router which starts while
 * that one is down does not take a forgotten node for it. Used by the thread that changes the plane.
 */
#pragma once

#include <stdbool.h>

struct plane;
struct replication_watch;
struct role_follower;
struct role_watch;

/* `watch`, which outlives it, is told what is found; `replication` as well, of what promoted nodes are told. */
struct role_follower *role_follower_new(struct plane *plane, struct role_watch *watch, struct replication_watch *replication);
void role_follower_free(struct role_follower *follower);        /* NULL is allowed */

/* Judges every shard, and stores and publishes the topology that follows. True: it is to be called again in a moment, as something could not be asked
 * or stored. */
bool role_follower_look(struct role_follower *follower);

#include "admin/node_trouble.h"

#include "base/arena.h"
#include "ha/role_watch.h"
#include "route/node_status.h"
#include "route/snapshot.h"
#include "topo/topology.h"

static const char *of_replica(const struct node_seen *seen, const struct node_seen *primary, const char *primary_name, struct arena *arena)
{
	if (seen->system && primary->system && seen->system != primary->system)
		return "it belongs to another system";
	if (seen->role == SEEN_PRIMARY)
		return arena_printf(arena, "it is a primary of its own, on timeline %u: nothing is read from it or written to it", seen->timeline);
	if (seen->role == SEEN_REPLICA && primary->role == SEEN_PRIMARY && seen->timeline != primary->timeline)
		return arena_printf(arena, "it is on timeline %u, and %s, the primary, on timeline %u", seen->timeline, primary_name, primary->timeline);
	if (seen->role == SEEN_REPLICA && seen->hides)
		return "it may hide commits that came before it started, until one more comes: it serves only reads that need not be up to date";
	return NULL;
}

const char *node_trouble(const struct snapshot *snapshot, struct role_watch *roles, size_t node, struct arena *arena)
{
	const struct topology *topology = snapshot->topology;
	const struct shard *shard = &topology->shards[topology->nodes[node].shard];
	struct node_seen seen = node_status_read(snapshot->statuses[node]), primary;
	char reason[ROLE_REASON_SIZE];

	if (shard->primary == (int)node) {
		if (role_watch_read(roles, shard->name, reason) != ROLES_AS_THEY_ARE)
			return arena_strdup(arena, reason);
		return seen.reachable && seen.role == SEEN_REPLICA ? "it is in recovery" : NULL;
	}
	primary = node_status_read(snapshot->statuses[shard->primary]);
	return of_replica(&seen, &primary, topology->nodes[shard->primary].name, arena);
}

#include "route/snapshot.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "route/balance.h"

static struct node_status *status_of(const struct node *node, const struct snapshot *before)
{
	for (size_t i = 0; before && i < before->topology->node_count; i++) {
		const struct node *known = &before->topology->nodes[i];

		if (strcmp(known->name, node->name) == 0 && strcmp(known->host, node->host) == 0 && known->port == node->port)
			return node_status_ref(before->statuses[i]);
	}
	return node_status_new();
}

static struct turns turns_of(const struct topology *topology, const int *nodes, size_t count)
{
	unsigned weights[NODES_MAX];
	struct turns turns;

	for (size_t i = 0; i < count; i++)
		weights[i] = topology->nodes[nodes[i]].weight;
	turns.nodes = balance_turns(nodes, weights, count, &turns.count);
	return turns;
}

static void list_replicas(struct snapshot *snapshot)
{
	const struct topology *topology = snapshot->topology;

	snapshot->replicas = mem_calloc(topology->shard_count, sizeof(*snapshot->replicas));
	for (size_t i = 0; i < topology->node_count; i++) {
		struct shard_replicas *replicas = &snapshot->replicas[topology->nodes[i].shard];

		if (topology->nodes[i].role != NODE_REPLICA)
			continue;
		replicas->nodes = mem_realloc(replicas->nodes, (replicas->count + 2) * sizeof(*replicas->nodes));
		replicas->nodes[replicas->count++] = (int)i;
	}
	for (size_t i = 0; i < topology->shard_count; i++) {
		struct shard_replicas *replicas = &snapshot->replicas[i];

		replicas->primary = topology->shards[i].primary;
		replicas->followed = node_status_id(snapshot->statuses[replicas->primary]);
		if (!replicas->count)
			continue;
		replicas->nodes[replicas->count] = replicas->primary;
		replicas->turns = turns_of(topology, replicas->nodes, replicas->count);
		replicas->turns_shared = turns_of(topology, replicas->nodes, replicas->count + 1);
	}
}

struct snapshot *snapshot_new(uint64_t version, struct topology *topology, struct catalog *const *catalogs, const struct snapshot *before)
{
	struct snapshot *snapshot = mem_calloc(1, sizeof(*snapshot));

	snapshot->refs = 1;
	snapshot->version = version;
	snapshot->topology = topology;
	snapshot->catalogs = mem_calloc(topology->database_count, sizeof(*snapshot->catalogs));
	for (size_t i = 0; i < topology->database_count; i++)
		snapshot->catalogs[i] = catalogs[i];
	snapshot->addresses = mem_calloc(topology->node_count, sizeof(*snapshot->addresses));
	for (size_t i = 0; i < topology->node_count; i++)
		snapshot->addresses[i] = address_resolve(topology->nodes[i].host, topology->nodes[i].port);
	snapshot->statuses = mem_calloc(topology->node_count, sizeof(struct node_status *));
	for (size_t i = 0; i < topology->node_count; i++)
		snapshot->statuses[i] = status_of(&topology->nodes[i], before);
	list_replicas(snapshot);
	return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
	__atomic_add_fetch(&snapshot->refs, 1, __ATOMIC_RELAXED);
	return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
	if (!snapshot || __atomic_sub_fetch(&snapshot->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < snapshot->topology->database_count; i++)
		catalog_unref(snapshot->catalogs[i]);
	for (size_t i = 0; i < snapshot->topology->node_count; i++)
		node_status_unref(snapshot->statuses[i]);
	for (size_t i = 0; i < snapshot->topology->shard_count; i++) {
		mem_free(snapshot->replicas[i].nodes);
		mem_free(snapshot->replicas[i].turns.nodes);
		mem_free(snapshot->replicas[i].turns_shared.nodes);
	}
	topology_unref(snapshot->topology);
	mem_free(snapshot->statuses);
	mem_free(snapshot->replicas);
	mem_free(snapshot->catalogs);
	mem_free(snapshot->addresses);
	mem_free(snapshot);
}

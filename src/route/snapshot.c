#include "route/snapshot.h"

#include "base/mem.h"

struct snapshot *snapshot_new(uint64_t version, struct topology *topology, struct catalog *const *catalogs)
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
	topology_unref(snapshot->topology);
	mem_free(snapshot->catalogs);
	mem_free(snapshot->addresses);
	mem_free(snapshot);
}

#include <string.h>

#include "base/mem.h"
#include "topo/config.h"
#include "topo/topology.h"

static int shard_index(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->shards_count; i++)
		if (strcmp(config->shards[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int node_index(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->nodes_count; i++)
		if (strcmp(config->nodes[i].name, name) == 0)
			return (int)i;
	return -1;
}

static void add_nodes_and_shards(const struct config *config, struct topology *topology)
{
	struct arena *arena = &topology->arena;
	struct node *nodes = arena_calloc(arena, config->nodes_count, sizeof(*nodes));
	struct shard *shards = arena_calloc(arena, config->shards_count, sizeof(*shards));

	for (unsigned i = 0; i < config->nodes_count; i++)
		nodes[i] = (struct node){
			.name = arena_strdup(arena, config->nodes[i].name),
			.host = arena_strdup(arena, config->nodes[i].host),
			.port = config->nodes[i].port,
			.region = arena_strdup(arena, config->nodes[i].region),
			.zone = arena_strdup(arena, config->nodes[i].zone),
			.weight = config->nodes[i].weight,
			.shard = -1,
			.upstream = "",
			.slot = "",
		};
	for (unsigned i = 0; i < config->shards_count; i++) {
		const struct config_shard *shard = &config->shards[i];

		shards[i].name = arena_strdup(arena, shard->name);
		shards[i].primary = node_index(config, shard->nodes[0]);
		for (unsigned j = 0; j < shard->nodes_count; j++) {
			struct node *node = &nodes[node_index(config, shard->nodes[j])];

			node->shard = (int)i;
			node->role = j == 0 ? NODE_PRIMARY : NODE_REPLICA;
		}
	}
	topology->nodes = nodes;
	topology->node_count = config->nodes_count;
	topology->shards = shards;
	topology->shard_count = config->shards_count;
}

static void add_databases(const struct config *config, struct topology *topology)
{
	struct arena *arena = &topology->arena;
	struct database *databases = arena_calloc(arena, config->databases_count, sizeof(*databases));

	for (unsigned i = 0; i < config->databases_count; i++) {
		const struct config_database *from = &config->databases[i];
		int *shards = arena_calloc(arena, from->shards_count, sizeof(*shards));

		for (unsigned j = 0; j < from->shards_count; j++)
			shards[j] = shard_index(config, from->shards[j]);
		databases[i] = (struct database){
			.name = arena_strdup(arena, from->name),
			.node_database = arena_strdup(arena, from->node_database),
			.shards = shards,
			.shard_count = from->shards_count,
		};
	}
	topology->databases = databases;
	topology->database_count = config->databases_count;
}

/* A name that the configuration gives belongs to it, and so does an address, whatever it calls the node there. */
static bool is_configured(const struct config *config, const struct node *node)
{
	for (unsigned i = 0; i < config->nodes_count; i++)
		if (strcmp(config->nodes[i].name, node->name) == 0 ||
		    (config->nodes[i].port == node->port && strcmp(config->nodes[i].host, node->host) == 0))
			return true;
	return false;
}

/* The nodes that were added while the router ran stand behind those of the configuration. */
static int keep_added_nodes(const struct config *config, const struct topology *stored, struct topology *topology, struct err *err)
{
	struct arena *arena = &topology->arena;
	struct node *nodes = arena_calloc(arena, topology->node_count + stored->node_count, sizeof(*nodes));
	size_t count = topology->node_count;

	memcpy(nodes, topology->nodes, count * sizeof(*nodes));
	for (size_t i = 0; i < stored->node_count; i++) {
		const struct node *node = &stored->nodes[i];
		const char *shard = stored->shards[node->shard].name;

		if (!node->added || is_configured(config, node))
			continue;
		nodes[count] = (struct node){
			.name = arena_strdup(arena, node->name),
			.host = arena_strdup(arena, node->host),
			.port = node->port,
			.region = arena_strdup(arena, node->region),
			.zone = arena_strdup(arena, node->zone),
			.weight = node->weight,
			.role = NODE_REPLICA,
			.shard = topology_shard(topology, shard),
			.added = true,
			.upstream = arena_strdup(arena, node->upstream),
			.slot = arena_strdup(arena, node->slot),
		};
		if (nodes[count++].shard >= 0)
			continue;
		err_set(err, ERR_CONFIG, "node \"%s\", which was added while the router ran, belongs to shard \"%s\", which is not in the "
			"configuration", node->name, shard);
		err_hint(err, "Put the shard back, and take the node away first: SELECT nanu.remove_node('%s').", node->name);
		return ERR_CONFIG;
	}
	topology->nodes = nodes;
	topology->node_count = count;
	return 0;
}

/* How shards are replicated is said while the router runs. */
static void keep_replication(const struct topology *stored, struct topology *topology)
{
	struct shard *shards = (struct shard *)(uintptr_t)topology->shards;

	for (size_t i = 0; i < topology->shard_count; i++) {
		int before = topology_shard(stored, shards[i].name);

		if (before >= 0)
			shards[i].replication = stored->shards[before].replication;
	}
}

/* Who is the primary, others have said since: as long as that node belongs to the shard, and roles are followed. */
static void keep_roles(const struct config *config, const struct topology *stored, struct topology *topology)
{
	struct shard *shards = (struct shard *)(uintptr_t)topology->shards;
	struct node *nodes = (struct node *)(uintptr_t)topology->nodes;

	for (size_t i = 0; config->follow_roles == TOGGLE_ON && i < topology->shard_count; i++) {
		int before = topology_shard(stored, shards[i].name);
		int node = before >= 0 && stored->shards[before].followed ?
			   topology_node(topology, stored->nodes[stored->shards[before].primary].name) : -1;

		if (node < 0 || nodes[node].shard != (int)i)
			continue;
		nodes[shards[i].primary].role = NODE_REPLICA;
		nodes[node].role = NODE_PRIMARY;
		shards[i].primary = node;
		shards[i].followed = true;
	}
}

/* Who streams from a replica that is the primary now streams from the primary. */
static void settle_upstreams(struct topology *topology)
{
	struct node *nodes = (struct node *)(uintptr_t)topology->nodes;

	for (size_t i = 0; i < topology->node_count; i++)
		if (strcmp(nodes[i].upstream, nodes[topology->shards[nodes[i].shard].primary].name) == 0)
			nodes[i].upstream = "";
}

/* The place in `database` of the shard that stands at place `old_place` of the stored database. */
static int same_shard(const struct topology *stored, const struct database *old, int old_place, const struct topology *topology,
		      const struct database *database)
{
	const char *name = stored->shards[old->shards[old_place]].name;

	for (size_t i = 0; i < database->shard_count; i++)
		if (strcmp(topology->shards[database->shards[i]].name, name) == 0)
			return (int)i;
	return -1;
}

/* Copies one stored table. A slice's shard is found again by its name: the configuration may list the shards in another order. */
static int keep_table(const struct topology *stored, const struct database *old, const struct sharded_table *table,
		      struct topology *topology, const struct database *database, struct sharded_table *ret_table, struct err *err)
{
	struct arena *arena = &topology->arena;
	struct placement *placement = arena_alloc(arena, sizeof(*placement));
	size_t count = table->placement->slice_count;
	int64_t *bounds = arena_calloc(arena, count, sizeof(*bounds));
	int *shards = arena_calloc(arena, count, sizeof(*shards));

	for (size_t i = 0; i < count; i++) {
		int old_place = table->placement->shards[i];

		bounds[i] = table->placement->bounds[i];
		shards[i] = same_shard(stored, old, old_place, topology, database);
		if (shards[i] < 0) {
			int rc = err_set(err, ERR_CONFIG, "table \"%s\" of database \"%s\" has rows on shard \"%s\", which the configuration "
					 "does not give to the database", table->name, old->name,
					 stored->shards[old->shards[old_place]].name);

			err_hint(err, "Put the shard back; tables move away from a shard only by resharding.");
			return rc;
		}
	}
	*placement = (struct placement){
		.name = arena_strdup(arena, table->placement->name), .slice_count = count, .bounds = bounds, .shards = shards,
	};
	*ret_table = *table;
	ret_table->schema = arena_strdup(arena, table->schema);
	ret_table->name = arena_strdup(arena, table->name);
	ret_table->key_column = arena_strdup(arena, table->key_column);
	ret_table->sharded_by = table->sharded_by ? arena_strdup(arena, table->sharded_by) : NULL;
	ret_table->placement = placement;
	return 0;
}

static int keep_database(const struct topology *stored, const struct database *old, struct topology *topology, struct err *err)
{
	struct database *database = (struct database *)(uintptr_t)topology_database(topology, old->name);
	const char *old_home = stored->shards[old->shards[0]].name, *home;
	struct sharded_table *tables;

	if (!database && old->table_count == 0)
		return 0;
	if (!database) {
		int rc = err_set(err, ERR_CONFIG, "database \"%s\" has sharded tables in the store, but is not in the configuration",
				 old->name);

		err_hint(err, "Put it back, or unshard or drop its tables first.");
		return rc;
	}
	home = topology->shards[database->shards[0]].name;
	if (strcmp(home, old_home) != 0) {
		int rc = err_set(err, ERR_CONFIG, "the home shard of database \"%s\" was \"%s\" and would become \"%s\"", old->name,
				 old_home, home);

		err_detail(err, "The tables that nobody sharded live on the first shard of their database.");
		err_hint(err, "List shard \"%s\" first in the database's shards.", old_home);
		return rc;
	}
	tables = arena_calloc(&topology->arena, old->table_count, sizeof(*tables));
	for (size_t i = 0; i < old->table_count; i++) {
		int rc = keep_table(stored, old, &old->tables[i], topology, database, &tables[i], err);

		if (rc < 0)
			return rc;
	}
	database->tables = tables;
	database->table_count = old->table_count;
	return 0;
}

int config_topology(const struct config *config, const struct topology *stored, struct topology **ret_topology, struct err *err)
{
	struct topology *topology = topology_new(stored ? stored->epoch : 1);
	int rc = 0;

	add_nodes_and_shards(config, topology);
	add_databases(config, topology);
	if (stored) {
		keep_replication(stored, topology);
		rc = keep_added_nodes(config, stored, topology, err);
		if (rc == 0) {
			keep_roles(config, stored, topology);
			settle_upstreams(topology);
		}
	}
	for (size_t i = 0; stored && rc == 0 && i < stored->database_count; i++)
		rc = keep_database(stored, &stored->databases[i], topology, err);
	if (rc == 0)
		rc = topology_check(topology, err);
	if (rc < 0) {
		topology_unref(topology);
		return rc;
	}
	if (stored && !topology_same(topology, stored))
		topology->epoch++;
	*ret_topology = topology;
	return 0;
}

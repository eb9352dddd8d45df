#include "topo/topology.h"

#include <string.h>

#include "base/mem.h"

enum { TOPOLOGY_BLOCK_SIZE = 4 << 10 };

struct topology *topology_ref(struct topology *topology)
{
	__atomic_add_fetch(&topology->refs, 1, __ATOMIC_RELAXED);
	return topology;
}

void topology_unref(struct topology *topology)
{
	if (!topology || __atomic_sub_fetch(&topology->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	arena_release(&topology->arena);
	mem_free(topology);
}

struct topology *topology_new(uint64_t epoch)
{
	struct topology *topology = mem_calloc(1, sizeof(*topology));

	topology->epoch = epoch;
	topology->refs = 1;
	arena_init(&topology->arena, TOPOLOGY_BLOCK_SIZE);
	return topology;
}

const struct database *topology_database(const struct topology *topology, const char *name)
{
	for (size_t i = 0; i < topology->database_count; i++)
		if (strcmp(topology->databases[i].name, name) == 0)
			return &topology->databases[i];
	return NULL;
}

const char *topology_node_database(const struct topology *topology, int shard)
{
	for (size_t i = 0; i < topology->database_count; i++)
		for (size_t j = 0; j < topology->databases[i].shard_count; j++)
			if (topology->databases[i].shards[j] == shard)
				return topology->databases[i].node_database;
	return "postgres";
}

int topology_node(const struct topology *topology, const char *name)
{
	for (size_t i = 0; i < topology->node_count; i++)
		if (strcmp(topology->nodes[i].name, name) == 0)
			return (int)i;
	return -1;
}

int topology_shard(const struct topology *topology, const char *name)
{
	for (size_t i = 0; i < topology->shard_count; i++)
		if (strcmp(topology->shards[i].name, name) == 0)
			return (int)i;
	return -1;
}

const struct sharded_table *database_table(const struct database *database, const char *schema, const char *name)
{
	for (size_t i = 0; i < database->table_count; i++) {
		const struct sharded_table *table = &database->tables[i];

		if (strcmp(table->name, name) == 0 && strcmp(table->schema, schema) == 0)
			return table;
	}
	return NULL;
}

const char *database_shard_names(const struct topology *topology, const struct database *database, struct arena *arena)
{
	const char *names = "";

	for (size_t i = 0; i < database->shard_count; i++)
		names = arena_printf(arena, "%s%s%s", names, i ? ", " : "", topology->shards[database->shards[i]].name);
	return names;
}

static void *copy_array(struct arena *arena, const void *old, size_t count, size_t size)
{
	void *copy = arena_alloc(arena, count * size);

	if (count)
		memcpy(copy, old, count * size);
	return copy;
}

static void copy_node(struct arena *arena, struct node *copy, const struct node *old)
{
	*copy = *old;
	copy->name = arena_strdup(arena, old->name);
	copy->host = arena_strdup(arena, old->host);
	copy->region = arena_strdup(arena, old->region);
	copy->zone = arena_strdup(arena, old->zone);
	copy->upstream = arena_strdup(arena, old->upstream);
	copy->slot = arena_strdup(arena, old->slot);
}

static void copy_table(struct arena *arena, struct sharded_table *copy, const struct sharded_table *old)
{
	struct placement *placement = arena_alloc(arena, sizeof(*placement));
	const struct placement *from = old->placement;

	*placement = (struct placement){
		.name = arena_strdup(arena, from->name),
		.slice_count = from->slice_count,
		.bounds = copy_array(arena, from->bounds, from->slice_count, sizeof(*from->bounds)),
		.shards = copy_array(arena, from->shards, from->slice_count, sizeof(*from->shards)),
	};
	*copy = *old;
	copy->schema = arena_strdup(arena, old->schema);
	copy->name = arena_strdup(arena, old->name);
	copy->key_column = arena_strdup(arena, old->key_column);
	copy->sharded_by = old->sharded_by ? arena_strdup(arena, old->sharded_by) : NULL;
	copy->placement = placement;
}

static void copy_database(struct arena *arena, struct database *copy, const struct database *old)
{
	struct sharded_table *tables = arena_calloc(arena, old->table_count, sizeof(*tables));

	for (size_t i = 0; i < old->table_count; i++)
		copy_table(arena, &tables[i], &old->tables[i]);
	*copy = (struct database){
		.name = arena_strdup(arena, old->name),
		.node_database = arena_strdup(arena, old->node_database),
		.shards = copy_array(arena, old->shards, old->shard_count, sizeof(*old->shards)),
		.shard_count = old->shard_count,
		.tables = tables,
		.table_count = old->table_count,
	};
}

struct topology *topology_copy(const struct topology *old, uint64_t epoch)
{
	struct topology *copy = topology_new(epoch);
	struct arena *arena = &copy->arena;
	struct node *nodes = arena_calloc(arena, old->node_count, sizeof(*nodes));
	struct shard *shards = copy_array(arena, old->shards, old->shard_count, sizeof(*shards));
	struct database *databases = arena_calloc(arena, old->database_count, sizeof(*databases));

	for (size_t i = 0; i < old->node_count; i++)
		copy_node(arena, &nodes[i], &old->nodes[i]);
	for (size_t i = 0; i < old->shard_count; i++)
		shards[i].name = arena_strdup(arena, old->shards[i].name);
	for (size_t i = 0; i < old->database_count; i++)
		copy_database(arena, &databases[i], &old->databases[i]);
	copy->nodes = nodes;
	copy->node_count = old->node_count;
	copy->shards = shards;
	copy->shard_count = old->shard_count;
	copy->databases = databases;
	copy->database_count = old->database_count;
	return copy;
}

/* A copy at the next epoch and, in it, the database to change. Only the function that edits the copy, before anyone else sees it, may
 * write to it. */
static int begin_edit(const struct topology *old, const char *name, struct topology **ret_copy, struct database **ret_database,
		      struct err *err)
{
	const struct database *database;
	struct topology *copy;

	if (!topology_database(old, name))
		return err_set(err, ERR_NOT_FOUND, "the topology has no database \"%s\"", name);
	copy = topology_copy(old, old->epoch + 1);
	database = topology_database(copy, name);
	*ret_copy = copy;
	*ret_database = (struct database *)(uintptr_t)database;
	return 0;
}

static int end_edit(struct topology *copy, struct topology **ret_topology, struct err *err)
{
	int rc = topology_check(copy, err);

	if (rc < 0) {
		topology_unref(copy);
		return rc;
	}
	*ret_topology = copy;
	return 0;
}

/* The table in a copy that is being edited; without it the copy is dropped. */
static int edited_table(struct topology *copy, const struct database *database, const char *schema, const char *name,
			struct sharded_table **ret_table, struct err *err)
{
	const struct sharded_table *table = database_table(database, schema, name);

	if (!table) {
		int rc = err_set(err, ERR_NOT_FOUND, "table \"%s\".\"%s\" of database \"%s\" is not sharded", schema, name,
				 database->name);

		topology_unref(copy);
		return rc;
	}
	*ret_table = (struct sharded_table *)(uintptr_t)table;
	return 0;
}

int topology_with_table(const struct topology *old, const char *database_name, const struct sharded_table *table,
			struct topology **ret_topology, struct err *err)
{
	const struct sharded_table *found;
	struct sharded_table *tables;
	struct database *database;
	struct topology *copy;
	size_t place;
	int rc = begin_edit(old, database_name, &copy, &database, err);

	if (rc < 0)
		return rc;
	found = database_table(database, table->schema, table->name);
	place = found ? (size_t)(found - database->tables) : database->table_count;
	tables = arena_calloc(&copy->arena, database->table_count + 1, sizeof(*tables));
	if (database->table_count)
		memcpy(tables, database->tables, database->table_count * sizeof(*tables));
	copy_table(&copy->arena, &tables[place], table);
	database->tables = tables;
	database->table_count += found ? 0 : 1;
	return end_edit(copy, ret_topology, err);
}

int topology_without_table(const struct topology *old, const char *database_name, const char *schema, const char *name,
			   struct topology **ret_topology, struct err *err)
{
	struct sharded_table *table = NULL;
	struct database *database;
	struct topology *copy;
	size_t after;
	int rc = begin_edit(old, database_name, &copy, &database, err);

	if (rc == 0)
		rc = edited_table(copy, database, schema, name, &table, err);
	if (rc < 0)
		return rc;
	after = database->table_count - 1 - (size_t)(table - database->tables);
	memmove(table, table + 1, after * sizeof(*table));
	database->table_count--;
	return end_edit(copy, ret_topology, err);
}

int topology_with_node(const struct topology *old, const struct node *node, struct topology **ret_topology, struct err *err)
{
	struct topology *copy;
	struct node *nodes;

	for (size_t i = 0; i < old->node_count; i++)
		if (old->nodes[i].port == node->port && strcmp(old->nodes[i].host, node->host) == 0)
			return err_set(err, ERR_CONFIG, "%s port %u is node \"%s\" already", node->host, node->port, old->nodes[i].name);
	copy = topology_copy(old, old->epoch + 1);
	nodes = arena_calloc(&copy->arena, old->node_count + 1, sizeof(*nodes));
	memcpy(nodes, copy->nodes, old->node_count * sizeof(*nodes));
	copy_node(&copy->arena, &nodes[old->node_count], node);
	copy->nodes = nodes;
	copy->node_count++;
	return end_edit(copy, ret_topology, err);
}

int topology_without_node(const struct topology *old, const char *name, struct topology **ret_topology, struct err *err)
{
	int gone = topology_node(old, name);
	struct topology *copy;
	struct shard *shards;
	struct node *nodes;

	if (gone < 0)
		return err_set(err, ERR_NOT_FOUND, "the topology has no node \"%s\"", name);
	if (old->shards[old->nodes[gone].shard].primary == gone)
		return err_set(err, ERR_CONFIG, "node \"%s\" is the primary of shard \"%s\"", name, old->shards[old->nodes[gone].shard].name);
	for (size_t i = 0; i < old->node_count; i++)
		if (strcmp(old->nodes[i].upstream, name) == 0)
			return err_set(err, ERR_CONFIG, "node \"%s\" streams from node \"%s\"", old->nodes[i].name, name);
	copy = topology_copy(old, old->epoch + 1);
	nodes = (struct node *)(uintptr_t)copy->nodes;
	shards = (struct shard *)(uintptr_t)copy->shards;
	memmove(nodes + gone, nodes + gone + 1, (old->node_count - 1 - (size_t)gone) * sizeof(*nodes));
	copy->node_count--;
	for (size_t i = 0; i < copy->shard_count; i++)
		shards[i].primary -= shards[i].primary > gone;
	return end_edit(copy, ret_topology, err);
}

size_t topology_replicas(const struct topology *topology, int shard, int *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < topology->node_count; i++)
		if (topology->nodes[i].shard == shard && topology->nodes[i].role == NODE_REPLICA && !*topology->nodes[i].upstream)
			ret[count++] = (int)i;
	return count;
}

int topology_with_replication(const struct topology *old, const char *shard, const struct replication_rule *replication,
			      struct topology **ret_topology, struct err *err)
{
	int index = topology_shard(old, shard);
	struct topology *copy;

	if (index < 0)
		return err_set(err, ERR_NOT_FOUND, "the topology has no shard \"%s\"", shard);
	copy = topology_copy(old, old->epoch + 1);
	((struct shard *)(uintptr_t)copy->shards)[index].replication = *replication;
	return end_edit(copy, ret_topology, err);
}

int topology_with_primary(const struct topology *old, int node, struct topology **ret_topology, struct err *err)
{
	struct topology *copy = topology_copy(old, old->epoch + 1);
	struct node *nodes = (struct node *)(uintptr_t)copy->nodes;
	struct shard *shard = (struct shard *)(uintptr_t)&copy->shards[nodes[node].shard];

	nodes[shard->primary].role = NODE_REPLICA;
	nodes[node].role = NODE_PRIMARY;
	/* Its slot was one of the primary before; what streams from it has a slot on it still. */
	nodes[node].slot = nodes[node].upstream = "";
	for (size_t i = 0; i < copy->node_count; i++)
		if (nodes[i].shard == nodes[node].shard && strcmp(nodes[i].upstream, nodes[node].name) == 0)
			nodes[i].upstream = "";
	shard->primary = node;
	shard->followed = true;
	return end_edit(copy, ret_topology, err);
}

#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "topo/topology.h"

/* Names are UTF-8: the text form is JSON, which can hold nothing else. */
static int check_name(const char *what, const char *name, struct err *err)
{
	if (!name || !*name)
		return err_set(err, ERR_CONFIG, "a %s has no name", what);
	if (strlen(name) >= NAME_SIZE_MAX)
		return err_set(err, ERR_CONFIG, "the name of %s \"%s\" is longer than %d bytes", what, name, NAME_SIZE_MAX - 1);
	if (!utf8_valid(name))
		return err_set(err, ERR_CONFIG, "the name of a %s is not valid UTF-8", what);
	return 0;
}

static int check_nodes(const struct topology *topology, struct err *err)
{
	if (topology->node_count > NODES_MAX)
		return err_set(err, ERR_CONFIG, "more than %d nodes", NODES_MAX);
	for (size_t i = 0; i < topology->node_count; i++) {
		const struct node *node = &topology->nodes[i];
		int rc = check_name("node", node->name, err);

		if (rc < 0)
			return rc;
		if (!*node->host || !utf8_valid(node->host))
			return err_set(err, ERR_CONFIG, "node \"%s\" has no usable host", node->name);
		if (node->port == 0)
			return err_set(err, ERR_CONFIG, "node \"%s\" has no port", node->name);
		if (!utf8_valid(node->region) || !utf8_valid(node->zone))
			return err_set(err, ERR_CONFIG, "region or zone of node \"%s\" is not valid UTF-8", node->name);
		if (strlen(node->slot) >= NAME_SIZE_MAX || !utf8_valid(node->slot))
			return err_set(err, ERR_CONFIG, "the slot of node \"%s\" has no usable name", node->name);
		if (node->shard < 0 || (size_t)node->shard >= topology->shard_count)
			return err_set(err, ERR_CONFIG, "node \"%s\" belongs to no shard", node->name);
		for (size_t j = 0; j < i; j++)
			if (strcmp(topology->nodes[j].name, node->name) == 0)
				return err_set(err, ERR_CONFIG, "two nodes are named \"%s\"", node->name);
	}
	return 0;
}

/* Each streams from its shard's primary, or by way of other replicas: no circles. */
static int check_upstream(const struct topology *topology, size_t index, struct err *err)
{
	const struct node *node = &topology->nodes[index], *from = node;

	for (size_t steps = 0; *from->upstream; steps++) {
		int up = topology_node(topology, from->upstream);

		if (up < 0 || topology->nodes[up].shard != node->shard || from->role != NODE_REPLICA || steps > topology->node_count) {
			err_set(err, ERR_CONFIG, "node \"%s\" streams from \"%s\", which is no other replica of its shard", from->name, from->upstream);
			err_hint(err, "Take it away first: SELECT nanu.remove_node('%s').", from->name);
			return ERR_CONFIG;
		}
		from = &topology->nodes[up];
	}
	return 0;
}

/* The primary cannot be told to wait for replicas that are not there at all. */
static int check_replication(const struct topology *topology, int index, struct err *err)
{
	const struct shard *shard = &topology->shards[index];
	size_t wanted = shard->replication.mode == REPLICATION_SEMI_SYNC ? shard->replication.count : shard->replication.mode == REPLICATION_SYNC;
	int replicas[NODES_MAX];
	size_t count = topology_replicas(topology, index, replicas);

	if (shard->replication.mode == REPLICATION_SEMI_SYNC && wanted == 0)
		return err_set(err, ERR_CONFIG, "shard \"%s\" is semi-sync and waits for no replica", shard->name);
	if (wanted <= count)
		return 0;
	err_set(err, ERR_CONFIG, "shard \"%s\" is %s and waits for %zu replica%s, and has %zu", shard->name,
		replication_mode_name(shard->replication.mode), wanted, wanted == 1 ? "" : "s", count);
	err_hint(err, "Add replicas, or change that first: SELECT nanu.set_replication('%s', 'async').", shard->name);
	return ERR_CONFIG;
}

static int check_shards(const struct topology *topology, struct err *err)
{
	if (topology->shard_count > SHARDS_MAX)
		return err_set(err, ERR_CONFIG, "more than %d shards", SHARDS_MAX);
	for (size_t i = 0; i < topology->shard_count; i++) {
		const struct shard *shard = &topology->shards[i];
		const struct node *primary;
		int rc = check_name("shard", shard->name, err);

		if (rc < 0)
			return rc;
		for (size_t j = 0; j < i; j++)
			if (strcmp(topology->shards[j].name, shard->name) == 0)
				return err_set(err, ERR_CONFIG, "two shards are named \"%s\"", shard->name);
		if (shard->primary < 0 || (size_t)shard->primary >= topology->node_count)
			return err_set(err, ERR_CONFIG, "shard \"%s\" has no primary", shard->name);
		primary = &topology->nodes[shard->primary];
		if (primary->shard != (int)i || primary->role != NODE_PRIMARY)
			return err_set(err, ERR_CONFIG, "node \"%s\" is not a primary of shard \"%s\"", primary->name,
				       shard->name);
		for (size_t j = 0; j < topology->node_count; j++)
			if (topology->nodes[j].shard == (int)i && topology->nodes[j].role == NODE_PRIMARY &&
			    (int)j != shard->primary)
				return err_set(err, ERR_CONFIG, "shard \"%s\" has two primaries, \"%s\" and \"%s\"",
					       shard->name, primary->name, topology->nodes[j].name);
		rc = check_replication(topology, (int)i, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int check_placement(const struct database *database, const struct sharded_table *table, struct err *err)
{
	const struct placement *placement = table->placement;

	if (!placement || strcmp(placement->name, "hash") != 0)
		return err_set(err, ERR_CONFIG, "table \"%s\".\"%s\" has an unknown placement", table->schema, table->name);
	if (placement->slice_count == 0 || placement->bounds[0] != INT64_MIN)
		return err_set(err, ERR_CONFIG, "the placement of table \"%s\".\"%s\" does not begin at the lowest hash",
			       table->schema, table->name);
	for (size_t i = 0; i < placement->slice_count; i++) {
		if (i > 0 && placement->bounds[i] <= placement->bounds[i - 1])
			return err_set(err, ERR_CONFIG, "the bounds of table \"%s\".\"%s\" do not ascend at slice %zu",
				       table->schema, table->name, i);
		if (placement->shards[i] < 0 || (size_t)placement->shards[i] >= database->shard_count)
			return err_set(err, ERR_CONFIG, "slice %zu of table \"%s\".\"%s\" is on no shard of database \"%s\"", i,
				       table->schema, table->name, database->name);
	}
	return 0;
}

/* Joins of colocated tables stay on one shard only if equal keys do. */
static bool placed_alike(const struct sharded_table *a, const struct sharded_table *b)
{
	const struct placement *left = a->placement, *right = b->placement;

	return a->key_kind == b->key_kind && left->slice_count == right->slice_count &&
	       memcmp(left->bounds, right->bounds, left->slice_count * sizeof(*left->bounds)) == 0 &&
	       memcmp(left->shards, right->shards, left->slice_count * sizeof(*left->shards)) == 0;
}

static int check_table(const struct database *database, size_t index, struct err *err)
{
	const struct sharded_table *table = &database->tables[index];
	int rc = check_name("schema", table->schema, err);

	if (rc == 0)
		rc = check_name("table", table->name, err);
	if (rc == 0)
		rc = check_name("key column", table->key_column, err);
	if (rc < 0)
		return rc;
	rc = check_placement(database, table, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < index; i++) {
		const struct sharded_table *other = &database->tables[i];

		if (strcmp(other->name, table->name) == 0 && strcmp(other->schema, table->schema) == 0)
			return err_set(err, ERR_CONFIG, "table \"%s\".\"%s\" of database \"%s\" stands there twice",
				       table->schema, table->name, database->name);
		if (other->colocation == table->colocation && !placed_alike(other, table))
			return err_set(err, ERR_CONFIG, "tables \"%s\" and \"%s\" are called colocated, but are placed unlike",
				       other->name, table->name);
	}
	return 0;
}

static int check_database(const struct topology *topology, size_t index, struct err *err)
{
	const struct database *database = &topology->databases[index];
	int rc = check_name("database", database->name, err);
	uint64_t seen = 0;

	if (rc == 0)
		rc = check_name("database on the nodes", database->node_database, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < index; i++)
		if (strcmp(topology->databases[i].name, database->name) == 0)
			return err_set(err, ERR_CONFIG, "two databases are named \"%s\"", database->name);
	if (database->shard_count == 0)
		return err_set(err, ERR_CONFIG, "database \"%s\" has no shards", database->name);
	for (size_t i = 0; i < database->shard_count; i++) {
		int shard = database->shards[i];

		if (shard < 0 || (size_t)shard >= topology->shard_count)
			return err_set(err, ERR_CONFIG, "database \"%s\" names a shard that is not there", database->name);
		if (seen & UINT64_C(1) << shard)
			return err_set(err, ERR_CONFIG, "database \"%s\" names shard \"%s\" twice", database->name,
				       topology->shards[shard].name);
		seen |= UINT64_C(1) << shard;
	}
	for (size_t i = 0; i < database->table_count; i++) {
		rc = check_table(database, i, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int topology_check(const struct topology *topology, struct err *err)
{
	int rc = check_nodes(topology, err);

	if (rc == 0)
		rc = check_shards(topology, err);
	for (size_t i = 0; rc == 0 && i < topology->node_count; i++)
		rc = check_upstream(topology, i, err);
	for (size_t i = 0; rc == 0 && i < topology->database_count; i++)
		rc = check_database(topology, i, err);
	return rc;
}

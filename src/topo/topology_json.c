/* The text form:
 *
 *	{ "epoch": 3,
 *	  "nodes":  [ { "name": "n1", "host": "10.0.0.1", "port": 5432, "region": "", "zone": "", "role": "primary", "shard": "s1" } ],
 *	  "shards": [ { "name": "s1", "primary": "n1" } ],
 *	  "databases": [ { "name": "shop", "node_database": "shop", "shards": [ "s1", "s2" ],
 *	      "tables": [ { "schema": "public", "name": "orders", "key_column": "user_id", "key_type": 20, "colocation": 1,
 *	          "placement": { "name": "hash", "slices": [ { "from": "-9223372036854775808", "shard": "s1" }, … ] } } ] } ] }
 *
 * A table that is being sharded has "being_sharded": "router", too: who does it.
 *
 * A shard whose primary was found to be another than the configuration says has "followed": true.
 * A node that was added while the router ran has two members more: "added": true, and "slot", its replication slot on the primary, or on "upstream", the replica
 * that it streams from.
 *
 * A shard that is not replicated asynchronously has one more: "replication": { "mode": "semi-sync", "count": 1, "when_missing": "degrade" }.
 *
 * Indexes are written as names, so that a person can read it; bounds as strings, because most readers of JSON lose what is beyond 2^53.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "topo/topology.h"

enum { JSON_SLICES_MAX = 65536, JSON_TABLES_MAX = 65536, JSON_DATABASES_MAX = 1024 };

static const char *const role_names[] = { [NODE_PRIMARY] = "primary", [NODE_REPLICA] = "replica" };

static json_t *table_to_json(const struct topology *topology, const struct database *database, const struct sharded_table *table)
{
	const struct placement *placement = table->placement;
	json_t *slices = json_array(), *object;

	for (size_t i = 0; i < placement->slice_count; i++) {
		const char *shard = topology->shards[database->shards[placement->shards[i]]].name;
		char from[32];

		snprintf(from, sizeof(from), "%" PRId64, placement->bounds[i]);
		json_array_append_new(slices, json_pack("{s:s, s:s}", "from", from, "shard", shard));
	}
	object = json_pack("{s:s, s:s, s:s, s:I, s:i, s:{s:s, s:o}}", "schema", table->schema, "name", table->name, "key_column",
			   table->key_column, "key_type", (json_int_t)table->key_type, "colocation", table->colocation, "placement",
			   "name", placement->name, "slices", slices);
	if (table->being_sharded)
		json_object_set_new(object, "being_sharded", json_string(table->sharded_by ? table->sharded_by : ""));
	return object;
}

static json_t *database_to_json(const struct topology *topology, const struct database *database)
{
	json_t *shards = json_array(), *tables = json_array();

	for (size_t i = 0; i < database->shard_count; i++)
		json_array_append_new(shards, json_string(topology->shards[database->shards[i]].name));
	for (size_t i = 0; i < database->table_count; i++)
		json_array_append_new(tables, table_to_json(topology, database, &database->tables[i]));
	return json_pack("{s:s, s:s, s:o, s:o}", "name", database->name, "node_database", database->node_database, "shards", shards,
			 "tables", tables);
}

static json_t *node_to_json(const struct topology *topology, const struct node *node)
{
	json_t *object = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s}", "name", node->name, "host", node->host, "port", (int)node->port,
				   "region", node->region, "zone", node->zone, "role", role_names[node->role], "shard",
				   topology->shards[node->shard].name);

	if (node->weight != 1)
		json_object_set_new(object, "weight", json_integer(node->weight));
	if (node->added) {
		json_object_set_new(object, "added", json_true());
		json_object_set_new(object, "slot", json_string(node->slot));
		if (*node->upstream)
			json_object_set_new(object, "upstream", json_string(node->upstream));
	}
	return object;
}

static json_t *shard_to_json(const struct topology *topology, const struct shard *shard)
{
	const struct replication_rule *replication = &shard->replication;
	json_t *object = json_pack("{s:s, s:s}", "name", shard->name, "primary", topology->nodes[shard->primary].name);

	if (replication->mode != REPLICATION_ASYNC)
		json_object_set_new(object, "replication", json_pack("{s:s, s:i, s:s}", "mode", replication_mode_name(replication->mode), "count",
								     (int)replication->count, "when_missing",
								     replication->degrades ? "degrade" : "block"));
	if (shard->followed)
		json_object_set_new(object, "followed", json_true());
	return object;
}

char *topology_to_json(const struct topology *topology)
{
	json_t *nodes = json_array(), *shards = json_array(), *databases = json_array(), *root;
	char *text, *copy;

	for (size_t i = 0; i < topology->node_count; i++)
		json_array_append_new(nodes, node_to_json(topology, &topology->nodes[i]));
	for (size_t i = 0; i < topology->shard_count; i++)
		json_array_append_new(shards, shard_to_json(topology, &topology->shards[i]));
	for (size_t i = 0; i < topology->database_count; i++)
		json_array_append_new(databases, database_to_json(topology, &topology->databases[i]));
	root = json_pack("{s:I, s:o, s:o, s:o}", "epoch", (json_int_t)topology->epoch, "nodes", nodes, "shards", shards, "databases",
			 databases);
	text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	copy = mem_strdup(text ? text : "");
	free(text);
	return copy;
}

bool topology_same(const struct topology *a, const struct topology *b)
{
	char *left = topology_to_json(a), *right = topology_to_json(b);
	bool same = strcmp(left, right) == 0;

	mem_free(left);
	mem_free(right);
	return same;
}

static int bad_json(struct err *err, const char *where, const json_error_t *error)
{
	return err_set(err, ERR_CONFIG, "the topology's text form is wrong at %s: %s", where, error->text);
}

/* The place of the named shard in the database's own list. */
static int place_of_shard(const struct topology *topology, const struct database *database, const char *name)
{
	for (size_t i = 0; i < database->shard_count; i++)
		if (strcmp(topology->shards[database->shards[i]].name, name) == 0)
			return (int)i;
	return -1;
}

static int read_replication(json_t *object, const char *shard, struct replication_rule *replication, struct err *err)
{
	const char *mode, *missing;
	json_error_t error;
	int count;

	if (!object)
		return 0;
	if (json_unpack_ex(object, &error, JSON_STRICT, "{s:s, s:i, s:s}", "mode", &mode, "count", &count, "when_missing", &missing) < 0)
		return bad_json(err, "replication", &error);
	replication->degrades = strcmp(missing, "degrade") == 0;
	replication->count = (unsigned)count;
	if (!replication_mode_read(mode, &replication->mode) || replication->mode == REPLICATION_ASYNC ||
	    (replication->mode == REPLICATION_SYNC && count != 0) || count < 0 || count > NODES_MAX ||
	    (!replication->degrades && strcmp(missing, "block") != 0))
		return err_set(err, ERR_CONFIG, "shard \"%s\" is replicated in no valid way", shard);
	return 0;
}

static int read_shards(struct topology *topology, json_t *array, struct err *err)
{
	struct shard *shards;
	json_error_t error;

	if (json_array_size(array) > SHARDS_MAX)
		return err_set(err, ERR_CONFIG, "more than %d shards", SHARDS_MAX);
	shards = arena_calloc(&topology->arena, json_array_size(array), sizeof(*shards));
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *name, *primary;
		json_t *replication = NULL;
		int rc, followed = 0;

		if (json_unpack_ex(json_array_get(array, i), &error, JSON_STRICT, "{s:s, s:s, s?o, s?b}", "name", &name, "primary",
				   &primary, "replication", &replication, "followed", &followed) < 0)
			return bad_json(err, "shards", &error);
		rc = read_replication(replication, name, &shards[i].replication, err);
		if (rc < 0)
			return rc;
		shards[i].name = arena_strdup(&topology->arena, name);
		shards[i].followed = followed;
		shards[i].primary = -1;
		for (size_t j = 0; j < topology->node_count; j++)
			if (strcmp(topology->nodes[j].name, primary) == 0)
				shards[i].primary = (int)j;
	}
	topology->shards = shards;
	topology->shard_count = json_array_size(array);
	return 0;
}

/* Nodes name shards and shards name nodes: the nodes' own shards are found once both are read (link_nodes). */
static int read_nodes(struct topology *topology, json_t *array, struct err *err)
{
	struct arena *arena = &topology->arena;
	struct node *nodes;
	json_error_t error;

	if (json_array_size(array) > NODES_MAX)
		return err_set(err, ERR_CONFIG, "more than %d nodes", NODES_MAX);
	nodes = arena_calloc(arena, json_array_size(array), sizeof(*nodes));
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *name, *host, *region, *zone, *role, *shard, *slot = "", *upstream = "";
		int port, weight = 1, added = 0;

		if (json_unpack_ex(json_array_get(array, i), &error, JSON_STRICT, "{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s?i, s?b, s?s, s?s}", "name",
				   &name, "host", &host, "port", &port, "region", &region, "zone", &zone, "role", &role, "shard",
				   &shard, "weight", &weight, "added", &added, "slot", &slot, "upstream", &upstream) < 0)
			return bad_json(err, "nodes", &error);
		if (strcmp(role, "primary") != 0 && strcmp(role, "replica") != 0)
			return err_set(err, ERR_CONFIG, "node \"%s\" has an unknown role \"%s\"", name, role);
		if (port < 1 || port > UINT16_MAX)
			return err_set(err, ERR_CONFIG, "node \"%s\" has no valid port: %d", name, port);
		if (weight < 0 || weight > WEIGHT_MAX)
			return err_set(err, ERR_CONFIG, "node \"%s\" has no valid weight: %d", name, weight);
		nodes[i] = (struct node){
			.name = arena_strdup(arena, name),
			.host = arena_strdup(arena, host),
			.port = (uint16_t)port,
			.region = arena_strdup(arena, region),
			.zone = arena_strdup(arena, zone),
			.weight = (unsigned)weight,
			.role = strcmp(role, "primary") == 0 ? NODE_PRIMARY : NODE_REPLICA,
			.shard = -1,
			.added = added,
			.upstream = arena_strdup(arena, added ? upstream : ""),
			.slot = arena_strdup(arena, added ? slot : ""),
		};
	}
	topology->nodes = nodes;
	topology->node_count = json_array_size(array);
	return 0;
}

static void link_nodes(struct topology *topology, json_t *array)
{
	struct node *nodes = (struct node *)(uintptr_t)topology->nodes;

	for (size_t i = 0; i < topology->node_count; i++)
		nodes[i].shard = topology_shard(topology, json_string_value(json_object_get(json_array_get(array, i), "shard")));
}

static int read_bound(const char *text, int64_t *ret_bound)
{
	char *end;

	errno = 0;
	*ret_bound = strtoll(text, &end, 10);
	return errno || end == text || *end ? -1 : 0;
}

static int read_placement(const struct topology *topology, struct arena *arena, const struct database *database, const char *table,
			  const char *name, json_t *slices, const struct placement **ret_placement, struct err *err)
{
	struct placement *placement = arena_calloc(arena, 1, sizeof(*placement));
	size_t count = json_array_size(slices);
	json_error_t error;
	int64_t *bounds;
	int *shards;

	if (count > JSON_SLICES_MAX)
		return err_set(err, ERR_CONFIG, "table \"%s\" has more than %d slices", table, JSON_SLICES_MAX);
	bounds = arena_calloc(arena, count, sizeof(*bounds));
	shards = arena_calloc(arena, count, sizeof(*shards));
	for (size_t i = 0; i < count; i++) {
		const char *from, *shard;

		if (json_unpack_ex(json_array_get(slices, i), &error, JSON_STRICT, "{s:s, s:s}", "from", &from, "shard",
				   &shard) < 0)
			return bad_json(err, "slices", &error);
		if (read_bound(from, &bounds[i]) < 0)
			return err_set(err, ERR_CONFIG, "slice %zu of table \"%s\" has no valid bound: \"%s\"", i, table, from);
		shards[i] = place_of_shard(topology, database, shard);
		if (shards[i] < 0)
			return err_set(err, ERR_CONFIG, "slice %zu of table \"%s\" is on shard \"%s\", which database \"%s\" does not have",
				       i, table, shard, database->name);
	}
	*placement = (struct placement){
		.name = arena_strdup(arena, name),
		.slice_count = count,
		.bounds = bounds,
		.shards = shards,
	};
	*ret_placement = placement;
	return 0;
}

static int read_table(const struct topology *topology, struct arena *arena, const struct database *database, json_t *object,
		      struct sharded_table *table, struct err *err)
{
	const char *schema, *name, *key_column, *placement, *sharded_by = NULL;
	json_error_t error;
	json_int_t key_type;
	json_t *slices;

	if (json_unpack_ex(object, &error, JSON_STRICT, "{s:s, s:s, s:s, s:I, s:i, s:{s:s, s:o}, s?:s}", "schema", &schema, "name", &name,
			   "key_column", &key_column, "key_type", &key_type, "colocation", &table->colocation, "placement", "name",
			   &placement, "slices", &slices, "being_sharded", &sharded_by) < 0)
		return bad_json(err, "tables", &error);
	if (key_type < 1 || key_type > UINT32_MAX)
		return err_set(err, ERR_CONFIG, "table \"%s\" has no valid type of its key", name);
	table->schema = arena_strdup(arena, schema);
	table->name = arena_strdup(arena, name);
	table->key_column = arena_strdup(arena, key_column);
	table->key_type = (uint32_t)key_type;
	table->being_sharded = sharded_by != NULL;
	table->sharded_by = sharded_by ? arena_strdup(arena, sharded_by) : NULL;
	if (key_kind_of_type(table->key_type, &table->key_kind, NULL) < 0)
		return err_set(err, ERR_CONFIG, "the key of table \"%s\" has type %u, which cannot be a key", name, table->key_type);
	return read_placement(topology, arena, database, table->name, placement, slices, &table->placement, err);
}

static int read_database(struct topology *topology, json_t *object, struct database *database, struct err *err)
{
	struct arena *arena = &topology->arena;
	const char *name, *node_database;
	struct sharded_table *tables;
	json_t *names, *array;
	json_error_t error;
	int *shards;

	if (json_unpack_ex(object, &error, JSON_STRICT, "{s:s, s:s, s:o, s:o}", "name", &name, "node_database", &node_database,
			   "shards", &names, "tables", &array) < 0)
		return bad_json(err, "databases", &error);
	if (!json_is_array(names) || !json_is_array(array))
		return err_set(err, ERR_CONFIG, "database \"%s\" has no list of shards or of tables", name);
	if (json_array_size(names) > SHARDS_MAX || json_array_size(array) > JSON_TABLES_MAX)
		return err_set(err, ERR_CONFIG, "database \"%s\" has too many shards or tables", name);
	database->name = arena_strdup(arena, name);
	database->node_database = arena_strdup(arena, node_database);
	shards = arena_calloc(arena, json_array_size(names), sizeof(*shards));
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *shard = json_string_value(json_array_get(names, i));

		shards[i] = shard ? topology_shard(topology, shard) : -1;
		if (shards[i] < 0)
			return err_set(err, ERR_CONFIG, "database \"%s\" names shard \"%s\", which is not there", name,
				       shard ? shard : "");
	}
	database->shards = shards;
	database->shard_count = json_array_size(names);
	tables = arena_calloc(arena, json_array_size(array), sizeof(*tables));
	database->tables = tables;
	for (size_t i = 0; i < json_array_size(array); i++) {
		int rc = read_table(topology, arena, database, json_array_get(array, i), &tables[i], err);

		if (rc < 0)
			return rc;
		database->table_count = i + 1;
	}
	return 0;
}

static int read_databases(struct topology *topology, json_t *array, struct err *err)
{
	struct database *databases;

	if (json_array_size(array) > JSON_DATABASES_MAX)
		return err_set(err, ERR_CONFIG, "more than %d databases", JSON_DATABASES_MAX);
	databases = arena_calloc(&topology->arena, json_array_size(array), sizeof(*databases));
	topology->databases = databases;
	for (size_t i = 0; i < json_array_size(array); i++) {
		int rc = read_database(topology, json_array_get(array, i), &databases[i], err);

		if (rc < 0)
			return rc;
		topology->database_count = i + 1;
	}
	return 0;
}

static int read_root(json_t *root, struct topology *topology, struct err *err)
{
	json_t *nodes, *shards, *databases;
	json_error_t error;
	json_int_t epoch;
	int rc;

	if (json_unpack_ex(root, &error, JSON_STRICT, "{s:I, s:o, s:o, s:o}", "epoch", &epoch, "nodes", &nodes, "shards", &shards,
			   "databases", &databases) < 0)
		return bad_json(err, "its root", &error);
	if (epoch < 1 || !json_is_array(nodes) || !json_is_array(shards) || !json_is_array(databases))
		return err_set(err, ERR_CONFIG, "the topology's text form has no valid epoch, nodes, shards or databases");
	topology->epoch = (uint64_t)epoch;
	rc = read_nodes(topology, nodes, err);
	if (rc == 0)
		rc = read_shards(topology, shards, err);
	if (rc < 0)
		return rc;
	link_nodes(topology, nodes);
	rc = read_databases(topology, databases, err);
	return rc < 0 ? rc : topology_check(topology, err);
}

int topology_from_json(const char *json, struct topology **ret_topology, struct err *err)
{
	struct topology *topology;
	json_error_t error;
	json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
	int rc;

	if (!root)
		return err_set(err, ERR_CONFIG, "the topology's text form is not JSON: line %d: %s", error.line, error.text);
	topology = topology_new(1);
	rc = read_root(root, topology, err);
	json_decref(root);
	if (rc < 0) {
		topology_unref(topology);
		return rc;
	}
	*ret_topology = topology;
	return 0;
}

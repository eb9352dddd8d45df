#include <string.h>

#include "admin/replication.h"
#include "admin/tables.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "net/env.h"
#include "route/node_status.h"
#include "route/snapshot.h"
#include "topo/topology.h"

static const char *type_text(uint32_t type)
{
	static const struct { uint32_t type; const char *name; } names[] = {
		{ OID_INT2, "smallint" }, { OID_INT4, "integer" }, { OID_INT8, "bigint" }, { OID_TEXT, "text" },
		{ OID_VARCHAR, "character varying" }, { OID_BPCHAR, "character" }, { OID_UUID, "uuid" }, { OID_BYTEA, "bytea" },
		{ OID_DATE, "date" }, { OID_TIMESTAMP, "timestamp without time zone" }, { OID_TIMESTAMPTZ, "timestamp with time zone" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	return NULL;
}

void fill_databases(struct filling *filling)
{
	const struct topology *topology = filling->snapshot->topology;

	for (size_t i = 0; i < topology->database_count; i++) {
		const struct database *database = &topology->databases[i];
		const struct catalog *catalog = filling->snapshot->catalogs[i];

		row_text(filling, database->name);
		row_text(filling, database->node_database);
		row_size(filling, database->shard_count);
		row_text(filling, topology->shards[database->shards[0]].name);
		row_size(filling, database->table_count);
		row_bool(filling, catalog != NULL);
		row_text(filling, catalog ? catalog->server_version : NULL);
		row_text(filling, catalog ? catalog->encoding : NULL);
		row_bool(filling, reports_hold(filling->reports, HOLD_DATABASE, database->node_database));
		row_bool(filling, reports_hold(filling->reports, HOLD_LOGIN, database->name));
		row_end(filling);
	}
}

struct node_state {
	size_t connections, lent, waiting;
	bool failed;
	const char *last_failure;
};

static struct node_state state_of(const struct reports *reports, const char *node)
{
	struct node_state state = { 0 };

	for (unsigned i = 0; i < reports->count; i++) {
		for (size_t j = 0; j < reports->items[i].pool_count; j++) {
			const struct report_pool *pool = &reports->items[i].pools[j];

			if (strcmp(pool->node, node) != 0)
				continue;
			state.connections += pool->idle + pool->lent + pool->cleaning;
			state.lent += pool->lent;
			state.waiting += pool->waiting;
			state.failed |= pool->unreachable;
			if (pool->last_failure)
				state.last_failure = pool->last_failure;
		}
	}
	return state;
}

static void row_permit(struct filling *filling, const struct node_status *status)
{
	const struct env *env = env_system();
	uint64_t until_us = node_status_permit(status), now_us = env->now_us(env->world);

	if (until_us == UINT64_MAX)
		row_null(filling);
	else
		row_size(filling, until_us > now_us ? (until_us - now_us) / 1000 : 0);
}

void fill_nodes(struct filling *filling)
{
	const struct topology *topology = filling->snapshot->topology;

	for (size_t i = 0; i < topology->node_count; i++) {
		const struct node *node = &topology->nodes[i];
		struct node_state state = state_of(filling->reports, node->name);
		struct node_seen seen = node_status_read(filling->snapshot->statuses[i]);

		row_text(filling, node->name);
		row_text(filling, node->host);
		row_int(filling, node->port);
		row_text(filling, node->region);
		row_text(filling, node->zone);
		row_int(filling, node->weight);
		row_text(filling, node->role == NODE_PRIMARY ? "primary" : "replica");
		row_text(filling, topology->shards[node->shard].name);
		row_bool(filling, node->added);
		row_text(filling, *node->upstream ? node->upstream : NULL);
		if (state.connections || state.failed)
			row_bool(filling, state.connections > 0);
		else if (seen.sampled_us)
			row_bool(filling, seen.reachable);
		else
			row_null(filling);
		row_size(filling, state.connections);
		row_size(filling, state.lent);
		row_size(filling, state.waiting);
		row_text(filling, state.last_failure);
		row_bool(filling, reports_hold(filling->reports, HOLD_NODE, node->name));
		row_permit(filling, filling->snapshot->statuses[i]);
		row_end(filling);
	}
}

/* The shard with the index `place` in `database`'s list: how many of the tables' slices it holds, and of how many tables. */
static void count_slices(const struct database *database, size_t place, size_t *ret_tables, size_t *ret_slices)
{
	*ret_tables = *ret_slices = 0;
	for (size_t i = 0; i < database->table_count; i++) {
		const struct placement *placement = database->tables[i].placement;
		size_t before = *ret_slices;

		for (size_t j = 0; j < placement->slice_count; j++)
			*ret_slices += placement->shards[j] == (int)place;
		*ret_tables += *ret_slices > before;
	}
}

static void row_replication(struct filling *filling, const struct shard *shard)
{
	const struct replication_rule *replication = &shard->replication;
	enum replication_state state;

	row_text(filling, replication_mode_name(replication->mode));
	if (replication->mode == REPLICATION_SEMI_SYNC)
		row_int(filling, replication->count);
	else
		row_null(filling);
	row_text(filling, replication->mode == REPLICATION_ASYNC ? NULL : replication->degrades ? "degrade" : "block");
	row_text(filling, replication->mode != REPLICATION_ASYNC && replication_watch_state(filling->watch, shard->name, &state) ?
		 replication_state_name(state) : NULL);
}

static size_t count_nodes(const struct topology *topology, int shard)
{
	size_t count = 0;

	for (size_t i = 0; i < topology->node_count; i++)
		count += topology->nodes[i].shard == shard;
	return count;
}

void fill_shards(struct filling *filling)
{
	const struct topology *topology = filling->snapshot->topology;

	for (size_t i = 0; i < topology->database_count; i++) {
		const struct database *database = &topology->databases[i];

		for (size_t j = 0; j < database->shard_count; j++) {
			const struct shard *shard = &topology->shards[database->shards[j]];
			size_t tables, slices;

			count_slices(database, j, &tables, &slices);
			row_text(filling, shard->name);
			row_text(filling, database->name);
			row_text(filling, topology->nodes[shard->primary].name);
			row_bool(filling, j == 0);
			row_size(filling, count_nodes(topology, database->shards[j]));
			row_size(filling, tables);
			row_size(filling, slices);
			row_replication(filling, shard);
			row_end(filling);
		}
	}
}

void fill_tables(struct filling *filling)
{
	const struct topology *topology = filling->snapshot->topology;

	for (size_t i = 0; i < topology->database_count; i++) {
		for (size_t j = 0; j < topology->databases[i].table_count; j++) {
			const struct sharded_table *table = &topology->databases[i].tables[j];

			row_text(filling, topology->databases[i].name);
			row_text(filling, table->schema);
			row_text(filling, table->name);
			row_text(filling, table->key_column);
			row_text(filling, type_text(table->key_type));
			row_text(filling, table->placement->name);
			row_int(filling, table->colocation);
			row_size(filling, table->placement->slice_count);
			row_bool(filling, table->being_sharded);
			row_end(filling);
		}
	}
}

void fill_slices(struct filling *filling)
{
	const struct topology *topology = filling->snapshot->topology;

	for (size_t i = 0; i < topology->database_count; i++) {
		const struct database *database = &topology->databases[i];

		for (size_t j = 0; j < database->table_count; j++) {
			const struct sharded_table *table = &database->tables[j];
			const struct placement *placement = table->placement;

			for (size_t k = 0; k < placement->slice_count; k++) {
				row_text(filling, database->name);
				row_text(filling, table->schema);
				row_text(filling, table->name);
				row_text(filling, topology->shards[database->shards[placement->shards[k]]].name);
				row_int(filling, placement->bounds[k]);
				row_int(filling, k + 1 < placement->slice_count ? placement->bounds[k + 1] - 1 : INT64_MAX);
				row_end(filling);
			}
		}
	}
}

void fill_topology(struct filling *filling)
{
	char *json = topology_to_json(filling->snapshot->topology);

	row_size(filling, filling->snapshot->topology->epoch);
	row_text(filling, json);
	row_end(filling);
	mem_free(json);
}

/* topology: nodes, shards, roles, tables and placements at one epoch.
 *
 * Immutable once published; shared between threads by reference count; a transaction keeps the one it began under. Its text form is
 * JSON (topology_to_json), which is what the store keeps under STORE_KEY_TOPOLOGY and what `nanu status --json` shows.
 * Everything lives in its arena.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "place/place.h"
#include "topo/replication.h"

enum node_role { NODE_PRIMARY, NODE_REPLICA };

struct node {
	const char *name;
	const char *host;               /* address, host name, or the directory of a unix socket (begins with '/') */
	uint16_t port;
	const char *region, *zone;      /* "" when not given */
	unsigned weight;                /* how often reads go to it when it is a replica, in proportion to others; 0: never */
	enum node_role role;
	int shard;                      /* index into the topology's shards */
	bool added;                     /* while the router ran (nanu.add_node), and not by the configuration */
	const char *upstream;           /* of an added replica: the replica that it streams from; "": the primary */
	const char *slot;               /* of an added replica: its replication slot there; "": none, or nobody knows */
};

struct shard {
	const char *name;
	int primary;                    /* index into nodes */
	struct replication_rule replication; /* async unless nanu.set_replication() said otherwise */
	bool followed;                  /* the primary is the one that was found to be it, whatever the configuration says */
};

struct sharded_table {
	const char *schema;
	const char *name;
	const char *key_column;
	uint32_t key_type;              /* a built-in OID */
	enum key_kind key_kind;
	const struct placement *placement; /* its shards are indexes into the database's `shards` */
	bool being_sharded;             /* statements on it are refused for this moment; stored only where several routers share the store */
	const char *sharded_by;         /* of one that is being sharded: the router that does it, as routers.h names it; else NULL */
	int colocation;                 /* tables with the same number are colocated */
};

struct database {
	const char *name;               /* as clients say it */
	const char *node_database;      /* its name on the nodes */
	const int *shards;              /* indexes into the topology's shards; [0] is the home shard: tables nobody sharded */
	size_t shard_count;
	const struct sharded_table *tables;
	size_t table_count;
};

struct topology {
	uint64_t epoch;
	unsigned refs;
	struct arena arena;
	const struct node *nodes;
	size_t node_count;
	const struct shard *shards;
	size_t shard_count;
	const struct database *databases;
	size_t database_count;
};

struct topology *topology_ref(struct topology *topology);
void topology_unref(struct topology *topology);

/* The name on the nodes of a database that the shard has; "postgres" when it has none. */
const char *topology_node_database(const struct topology *topology, int shard);

const struct database *topology_database(const struct topology *topology, const char *name);
const struct sharded_table *database_table(const struct database *database, const char *schema, const char *name);

/* The names of the shards behind `database` as ERR_… details say them: "s1, s2, s3"; memory of `arena`. */
const char *database_shard_names(const struct topology *topology, const struct database *database, struct arena *arena);

/* For builders, before they publish it: an empty topology, a mutable deep copy at the given epoch; each with one reference. */
struct topology *topology_new(uint64_t epoch);
struct topology *topology_copy(const struct topology *old, uint64_t epoch);

/* Whether everything that the structs promise holds: indexes in range, names unique, not empty and in UTF-8, a primary for every shard that
 * stands in it, bounds ascending from INT64_MIN, colocated tables placed alike. ERR_CONFIG says what does not. */
must_use int topology_check(const struct topology *topology, struct err *err);

/* The text form and back. Reading checks everything that the structs promise (indexes, names unique, bounds ascending) and says what is
 * wrong: ERR_CONFIG. */
char *topology_to_json(const struct topology *topology);                /* mem_free() it */
bool topology_same(const struct topology *a, const struct topology *b);         /* in all that the text form says */
must_use int topology_from_json(const char *json, struct topology **ret_topology, struct err *err);

/* The index of the node or shard of this name; -1: there is none. */
int topology_node(const struct topology *topology, const char *name);
int topology_shard(const struct topology *topology, const char *name);

/* A copy of `old` at epoch + 1 with one node more, behind the others; its strings are copied. ERR_CONFIG: another node has its name or its
 * address, or topology_check() says why. */
must_use int topology_with_node(const struct topology *old, const struct node *node, struct topology **ret_topology, struct err *err);
/* The same without the node. ERR_NOT_FOUND: there is none of this name; ERR_CONFIG: it is a primary, or another streams from it. */
must_use int topology_without_node(const struct topology *old, const char *name, struct topology **ret_topology, struct err *err);

/* A copy of `old` at epoch + 1 in which the shard is replicated so. ERR_NOT_FOUND; ERR_CONFIG: it has too few replicas for that. */
must_use int topology_with_replication(const struct topology *old, const char *shard, const struct replication_rule *replication,
				       struct topology **ret_topology, struct err *err);
/* A copy of `old` at epoch + 1 in which `node` (an index) is the primary of its shard, and the one before a replica. ERR_CONFIG: topology_check(). */
must_use int topology_with_primary(const struct topology *old, int node, struct topology **ret_topology, struct err *err);
/* The replicas of a shard that stream from its primary: indexes of nodes into `ret`, which has room for NODES_MAX; returns how many. */
size_t topology_replicas(const struct topology *topology, int shard, int *ret);

/* A copy of `old` at epoch + 1 in which `database` has `table` (replaced when it is there already, by schema and name). */
must_use int topology_with_table(const struct topology *old, const char *database, const struct sharded_table *table,
				 struct topology **ret_topology, struct err *err);
/* The same without the table (after DROP TABLE). ERR_NOT_FOUND. */
must_use int topology_without_table(const struct topology *old, const char *database, const char *schema, const char *name,
				    struct topology **ret_topology, struct err *err);

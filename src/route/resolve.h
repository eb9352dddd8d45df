/* resolve: names of a shape -> tables and columns of the catalog, and from there what pins each sharded table to a shard.
 *
 * Inside of route/, but for resolve_relation().
 */
#pragma once

#include "route/plan.h"

struct catalog_table;

struct resolved_table {
	const struct catalog_table *table;      /* NULL: not a relation, or not in the catalog */
	const struct sharded_table *sharded;    /* NULL: stands on the home shard */
	bool everywhere;                        /* pg_catalog or information_schema */
	bool local;                             /* the nanu schema */
	bool unknown;                           /* the catalog does not have it */
	int typmod;                             /* of the shard key */
};

struct resolver {
	const struct plan_context *context;
	const struct database *database;
	const struct catalog *catalog;          /* may be NULL */
	const struct shape *shape;
	struct arena *arena;
	struct resolved_table *tables;          /* as shape->tables */
	const char **search_path;               /* pg_catalog stands in it; of the context's, if that has one */
	size_t search_path_count;
};

/* Resolves the tables of `shape`. ERR_UNSUPPORTED when the search path cannot be followed. */
must_use int resolver_init(struct resolver *resolver, const struct plan_context *context, const struct shape *shape, struct arena *arena,
			   struct err *err);

/* The relation that a name means to a session: for admin/, which is told names in texts. NULL, and no error: there is none that the catalog has. */
must_use int resolve_relation(const struct plan_context *context, const char *schema, const char *name, struct arena *arena,
			      const struct catalog_table **ret_table, struct err *err);

/* The relation that a name without a schema means, temporary ones apart; NULL: none that the catalog has. */
const struct catalog_table *resolve_name(const struct resolver *resolver, const char *name);

/* The table of the shape (an index) whose column `ref`, written in `scope`, is; -1 when that cannot be told. */
int resolve_column(const struct resolver *resolver, int scope, const struct column_ref *ref);

/* For each sharded table of the shape, what its key is held to. Tables whose key is held to nothing get list_count 0. */
void resolve_pins(const struct resolver *resolver, struct pin *ret_pins, int *ret_tables, size_t *ret_count);

/* For each parameter ([0] is $1) whether the statement uses it elsewhere than as the whole of a shard key's value in `pins`: then, not declared, it
 * may have another type than the key's. */
const bool *resolve_shared_params(const struct resolver *resolver, const struct pin *pins, size_t pin_count);

/* Whether all sharded tables of the top scope are joined on their keys (so that matching rows share a shard). */
bool resolve_colocated(const struct resolver *resolver);

/* fanout_scope: what the names in a SELECT over tables stand for: its FROM list, resolved with the catalog.
 *
 * Relations (tables under their alias), the columns that `*` gives in their order, and the meaning of each column reference. What a
 * SELECT over several shards cannot have in FROM (subqueries, functions, views, NATURAL, …) is refused here. Lives in the arena.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "route/fanout_tree.h"

struct catalog;
struct catalog_table;

struct scope_relation {
	const char *name;               /* alias, or the table's own name */
	const char *schema;             /* as written; NULL also under an alias */
	const struct catalog_table *table;
	const char **column_names;      /* as the alias renames them; table->column_count of them */
};

/* The two sides of a USING column have different ones. */
#define SCOPE_COLLATION_UNKNOWN UINT32_MAX

/* A column, or what USING makes of two. Equal columns have equal `relation` and `attnum`. */
struct scope_column {
	const char *name;
	int relation;                   /* index; -1 - n: the n-th full join's USING column, which is neither side's */
	int attnum;
	uint32_t type;
	uint32_t collation;             /* 0: the type has none */
	bool merged;                    /* by USING: only its bare name means it */
};

struct scope {
	struct arena *arena;
	const struct catalog *catalog;
	struct scope_relation *relations;
	size_t relation_count;
	struct scope_column *columns;   /* as `*` lists them */
	size_t column_count;
	int full_join_count;
};

must_use int scope_init(struct scope *scope, const PgQuery__SelectStmt *select, const struct catalog *catalog, struct arena *arena,
			struct err *err);

/* What a column reference means. ERR_UNDEFINED_COLUMN; ERR_UNSUPPORTED for whole rows and system columns. */
must_use int scope_resolve(const struct scope *scope, const PgQuery__ColumnRef *ref, struct scope_column *ret_column, struct err *err);

/* Whether a bare name is a column of FROM (also an ambiguous one). */
bool scope_has(const struct scope *scope, const char *name);

/* The expression as bytes with its columns as what they mean, however they were written: equal for equal expressions. */
struct slice scope_canonical(const struct scope *scope, const PgQuery__Node *node);

/* Writes `*` and `t.*` of the target list out, each column as a target of its own. */
must_use int scope_expand_stars(const struct scope *scope, PgQuery__SelectStmt *select, struct err *err);

/* fanout_planner: what the parts of fanout share while one statement is planned.
 *
 *     fanout.c             clauses that are refused; the order of steps
 *     fanout_aggregate.c   aggregates -> partial aggregates of the shards and what combines them
 *     fanout_order.c       ORDER BY, GROUP BY and DISTINCT -> hidden columns, and the keys that the merge works by
 *     fanout_limit.c       LIMIT and OFFSET
 *
 * Lives on the stack of fanout_plan().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "route/fanout_scope.h"
#include "route/merge.h"

/* What is recognized as an aggregate: sum(x), COALESCE(sum(x), 0), count(*)::int, COALESCE(sum(x), 0)::int. */
struct aggregate_form {
	const char *name;               /* of the aggregate; NULL: it is none */
	PgQuery__Node *call;
	PgQuery__Node *coalesce;        /* or NULL */
};

struct planner_entry {                  /* one column that the client sees */
	PgQuery__ResTarget *target;
	const char *name;
	struct aggregate_form aggregate;
	struct slice canonical;         /* scope_canonical() of its expression */
};

struct planner {
	struct arena *arena;
	PgQuery__SelectStmt *select;
	struct scope scope;
	struct merge_spec *spec;
	struct planner_entry *entries;
	size_t entry_count;
	PgQuery__Node **targets;        /* the shards' target list as it grows: the entries, then hidden columns */
	struct slice *canonicals;       /* of the hidden ones */
	size_t target_count;
};

/* Appends a hidden column; gives the index of one that is there already when `node` is equal to it and `shared`. */
must_use int planner_hide(struct planner *planner, PgQuery__Node *node, bool shared, int *ret_column, struct err *err);

/* Whether `node` is an aggregate that can be combined; refuses those that cannot. */
must_use int aggregate_recognize(const struct planner *planner, PgQuery__Node *node, struct aggregate_form *ret_form, struct err *err);

/* Hides the partial columns of the aggregate and says in `output` how they combine. */
must_use int aggregate_add(struct planner *planner, const struct aggregate_form *form, struct merge_output *output, struct err *err);

/* A literal or a parameter, perhaps under casts: the same in every row. */
bool planner_is_constant(const PgQuery__Node *node);

/* ORDER BY, GROUP BY and DISTINCT: fills spec's keys and writes the shards' ORDER BY. */
must_use int order_plan(struct planner *planner, struct err *err);

#include <string.h>

#include "route/fanout_check.h"
#include "route/fanout_collate.h"
#include "route/fanout_name.h"
#include "route/fanout_planner.h"

/* Partial results of the shards combine by these. bool_and() is the least of its partial results, bool_or() the greatest. */
static const struct {
	const char *name;
	enum merge_aggregate_kind kind;
} kinds[] = {
	{ "count",    AGGREGATE_COUNT },
	{ "sum",      AGGREGATE_SUM   },
	{ "min",      AGGREGATE_MIN   },
	{ "max",      AGGREGATE_MAX   },
	{ "avg",      AGGREGATE_AVG   },
	{ "bool_and", AGGREGATE_MIN   },
	{ "every",    AGGREGATE_MIN   },
	{ "bool_or",  AGGREGATE_MAX   },
};

static bool find_kind(const char *name, enum merge_aggregate_kind *ret_kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			*ret_kind = kinds[i].kind;
			return true;
		}
	}
	return false;
}

static int check_call(const struct planner *planner, const PgQuery__FuncCall *call, const char *name, struct err *err)
{
	enum merge_aggregate_kind kind;

	if (call->over)
		return check_refuse(err, "the window function %s() OVER", name);
	if (!find_kind(name, &kind) || call->agg_within_group || call->func_variadic) {
		check_refuse(err, "the aggregate %s()", name);
		err_detail(err, "Partial results of count, sum, min, max, avg, bool_and, bool_or and every can be combined.");
		return ERR_UNSUPPORTED;
	}
	if (call->agg_distinct) {
		check_refuse(err, "%s(DISTINCT …)", name);
		err_hint(err, "Add the shard key to WHERE, or SELECT DISTINCT the values and combine them in the application.");
		return ERR_UNSUPPORTED;
	}
	if (call->n_agg_order)
		return check_refuse(err, "ORDER BY within %s()", name);
	for (size_t i = 0; i < call->n_args; i++) {
		int code = check_expression(&planner->scope, call->args[i], CHECK_VALUE, err);

		if (code < 0)
			return code;
	}
	return check_expression(&planner->scope, call->agg_filter, CHECK_VALUE, err);
}

int aggregate_recognize(const struct planner *planner, const PgQuery__Node *node, const char **ret_aggregate, struct err *err)
{
	*ret_aggregate = NULL;
	if (node->node_case != PG_QUERY__NODE__NODE_FUNC_CALL)
		return 0;
	*ret_aggregate = check_aggregate(&planner->scope, node->func_call);
	return *ret_aggregate ? check_call(planner, node->func_call, *ret_aggregate, err) : 0;
}

/* The same call of another aggregate. */
static PgQuery__Node *renamed(const PgQuery__Node *node, const char *name, struct arena *arena)
{
	PgQuery__Node *copy = tree_copy(node, arena);
	PgQuery__FuncCall *call = copy->func_call;

	call->funcname[call->n_funcname - 1]->string->sval = arena_strdup(arena, name);
	return copy;
}

static const char *describe(const PgQuery__FuncCall *call, const char *aggregate, struct arena *arena)
{
	PgQuery__ResTarget argument = PG_QUERY__RES_TARGET__INIT;

	if (call->n_args != 1)
		return arena_printf(arena, "%s()", aggregate);
	argument.val = call->args[0];
	return arena_printf(arena, "%s(%s)", aggregate, output_name(&argument));
}

int aggregate_add(struct planner *planner, PgQuery__Node *node, const char *aggregate, struct merge_output *output, struct err *err)
{
	struct collate_result collate;
	int code;

	*output = (struct merge_output){ .kind = OUTPUT_AGGREGATE, .name = describe(node->func_call, aggregate, planner->arena) };
	if (!find_kind(aggregate, &output->aggregate))
		return check_refuse(err, "the aggregate %s()", aggregate);
	if (output->aggregate == AGGREGATE_AVG) {
		code = planner_hide(planner, renamed(node, "sum", planner->arena), false, &output->aggregate_column, err);
		if (code == 0)
			code = planner_hide(planner, renamed(node, "count", planner->arena), false, &output->aggregate_count_column, err);
		return code;
	}
	if (output->aggregate == AGGREGATE_MIN || output->aggregate == AGGREGATE_MAX) {
		collate_derive(&planner->scope, node, &collate);
		output->collation = collate.collation;
		output->no_collation_why = collate.why;
	}
	return planner_hide(planner, node, false, &output->aggregate_column, err);
}

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
		int code = check_operand(&planner->scope, call->args[i], CHECK_VALUE, err);

		if (code < 0)
			return code;
	}
	return check_expression(&planner->scope, call->agg_filter, CHECK_VALUE, err);
}

/* A cast to an integer type without more; the merge prints a count or a sum as such. */
static bool is_integer_cast(const PgQuery__Node *node)
{
	static const char *const names[] = { "int2", "int4", "int8" };
	const PgQuery__TypeName *type;
	const char *name;

	if (node->node_case != PG_QUERY__NODE__NODE_TYPE_CAST)
		return false;
	type = node->type_cast->type_name;
	name = tree_name(type->names, type->n_names, type->n_names - 1);
	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]) && !type->n_array_bounds; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool is_coalesce_with_constants(const PgQuery__Node *node)
{
	if (node->node_case != PG_QUERY__NODE__NODE_COALESCE_EXPR)
		return false;
	for (size_t i = 1; i < node->coalesce_expr->n_args; i++)
		if (!planner_is_constant(node->coalesce_expr->args[i]))
			return false;
	return true;
}

int aggregate_recognize(const struct planner *planner, PgQuery__Node *node, struct aggregate_form *ret_form, struct err *err)
{
	struct aggregate_form form = { 0 };

	*ret_form = form;
	if (is_integer_cast(node))
		node = node->type_cast->arg;
	if (is_coalesce_with_constants(node)) {
		form.coalesce = node;
		node = node->coalesce_expr->args[0];
	}
	if (node->node_case != PG_QUERY__NODE__NODE_FUNC_CALL)
		return 0;
	form.call = node;
	form.name = check_aggregate(&planner->scope, node->func_call);
	if (!form.name)
		return 0;
	*ret_form = form;
	for (size_t i = 1; form.coalesce && i < form.coalesce->coalesce_expr->n_args; i++) {
		int code = check_operand(&planner->scope, form.coalesce->coalesce_expr->args[i], CHECK_VALUE, err);

		if (code < 0)
			return code;
	}
	return check_call(planner, node->func_call, form.name, err);
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

int aggregate_add(struct planner *planner, const struct aggregate_form *form, struct merge_output *output, struct err *err)
{
	struct collate_result collate;
	int code = 0;

	*output = (struct merge_output){ .kind = OUTPUT_AGGREGATE, .name = describe(form->call->func_call, form->name, planner->arena) };
	if (!find_kind(form->name, &output->aggregate))
		return check_refuse(err, "the aggregate %s()", form->name);
	if (form->coalesce) {
		output->has_default = true;
		code = planner_hide(planner, form->coalesce, true, &output->default_column, err);
	}
	if (code == 0 && output->aggregate == AGGREGATE_AVG) {
		code = planner_hide(planner, renamed(form->call, "sum", planner->arena), false, &output->aggregate_column, err);
		if (code == 0)
			code = planner_hide(planner, renamed(form->call, "count", planner->arena), false,
					    &output->aggregate_count_column, err);
		return code;
	}
	if (output->aggregate == AGGREGATE_MIN || output->aggregate == AGGREGATE_MAX) {
		collate_derive(&planner->scope, form->call, &collate);
		output->collation = collate.collation;
		output->no_collation_why = collate.why;
	}
	return code < 0 ? code : planner_hide(planner, form->call, false, &output->aggregate_column, err);
}

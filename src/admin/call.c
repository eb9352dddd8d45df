#include "admin/call.h"

#include <string.h>

#include "sql/parse.h"

static bool has_clauses(const PgQuery__SelectStmt *select)
{
	return select->where_clause || select->larg || select->n_values_lists || select->n_sort_clause || select->limit_count ||
	       select->limit_offset || select->with_clause || select->n_distinct_clause || select->n_group_clause || select->having_clause ||
	       select->n_window_clause || select->into_clause || select->n_locking_clause;
}

static bool is_star(const PgQuery__Node *node)
{
	return node && node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && node->column_ref->n_fields == 1 &&
	       node->column_ref->fields[0]->node_case == PG_QUERY__NODE__NODE_A_STAR;
}

/* SELECT * FROM nanu.function(…) AS name */
static const PgQuery__FuncCall *call_in_from(const PgQuery__SelectStmt *select, const char **ret_column)
{
	const PgQuery__RangeFunction *range;
	const PgQuery__List *pair;

	if (select->n_from_clause != 1 || select->from_clause[0]->node_case != PG_QUERY__NODE__NODE_RANGE_FUNCTION ||
	    !is_star(select->target_list[0]->res_target->val))
		return NULL;
	range = select->from_clause[0]->range_function;
	if (range->lateral || range->ordinality || range->is_rowsfrom || range->n_coldeflist || range->n_functions != 1)
		return NULL;
	pair = range->functions[0]->list;       /* the call, and the columns that it might define */
	if (!pair->n_items || pair->items[0]->node_case != PG_QUERY__NODE__NODE_FUNC_CALL)
		return NULL;
	if (range->alias)
		*ret_column = range->alias->n_colnames ? range->alias->colnames[0]->string->sval : range->alias->aliasname;
	return pair->items[0]->func_call;
}

static const PgQuery__FuncCall *only_call(const PgQuery__ParseResult *tree, const char **ret_column)
{
	const PgQuery__SelectStmt *select;
	const PgQuery__ResTarget *target;

	if (tree->n_stmts != 1 || tree->stmts[0]->stmt->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
		return NULL;
	select = tree->stmts[0]->stmt->select_stmt;
	if (select->n_target_list != 1 || has_clauses(select))
		return NULL;
	if (select->n_from_clause)
		return call_in_from(select, ret_column);
	target = select->target_list[0]->res_target;
	if (!target->val || target->val->node_case != PG_QUERY__NODE__NODE_FUNC_CALL)
		return NULL;
	*ret_column = target->name && target->name[0] ? target->name : NULL;
	return target->val->func_call;
}

static int refuse_argument(struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, "the arguments of nanu's functions are texts, numbers, booleans or parameters");
	err_hint(err, "Work the value out first, and give it as a constant or a parameter.");
	return ERR_UNSUPPORTED;
}

static int read_value(const PgQuery__Node *node, const char *const *params, size_t param_count, struct arena *arena, struct call *call,
		      const char **ret, struct err *err)
{
	const PgQuery__AConst *constant;

	while (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST)
		node = node->type_cast->arg;
	if (node->node_case == PG_QUERY__NODE__NODE_PARAM_REF) {
		size_t number = (size_t)node->param_ref->number;

		if (number > call->param_count)
			call->param_count = number;
		*ret = number >= 1 && number <= param_count ? params[number - 1] : NULL;
		return 0;
	}
	if (node->node_case != PG_QUERY__NODE__NODE_A_CONST)
		return refuse_argument(err);
	constant = node->a_const;
	*ret = NULL;
	if (constant->isnull)
		return 0;
	switch (constant->val_case) {
	case PG_QUERY__A__CONST__VAL_IVAL:
		*ret = arena_printf(arena, "%d", constant->ival->ival);
		break;
	case PG_QUERY__A__CONST__VAL_FVAL:
		*ret = arena_strdup(arena, constant->fval->fval);
		break;
	case PG_QUERY__A__CONST__VAL_BOOLVAL:
		*ret = constant->boolval->boolval ? "true" : "false";
		break;
	case PG_QUERY__A__CONST__VAL_SVAL:
		*ret = arena_strdup(arena, constant->sval->sval);
		break;
	default:
		return refuse_argument(err);
	}
	return 0;
}

static int read_call(const PgQuery__ParseResult *tree, const char *const *params, size_t param_count, struct arena *arena,
		     struct call *call, struct err *err)
{
	const char *column = NULL;
	const PgQuery__FuncCall *function = only_call(tree, &column);

	if (!function || function->n_funcname != 2 || strcmp(function->funcname[0]->string->sval, "nanu") != 0)
		return 0;
	*call = (struct call){ .function = arena_strdup(arena, function->funcname[1]->string->sval) };
	call->column = column ? arena_strdup(arena, column) : call->function;
	if (function->agg_star || function->agg_distinct || function->agg_filter || function->over || function->n_agg_order)
		return err_set(err, ERR_SYNTAX, "nanu.%s is neither an aggregate nor a window function", call->function);
	if (function->n_args > CALL_ARGS_MAX)
		return err_set(err, ERR_UNDEFINED_FUNCTION, "function nanu.%s does not take so many arguments", call->function);
	for (size_t i = 0; i < function->n_args; i++) {
		const PgQuery__Node *node = function->args[i];
		struct call_arg *arg = &call->args[call->arg_count++];
		int rc;

		if (node->node_case == PG_QUERY__NODE__NODE_NAMED_ARG_EXPR) {
			arg->name = arena_strdup(arena, node->named_arg_expr->name);
			node = node->named_arg_expr->arg;
		}
		rc = read_value(node, params, param_count, arena, call, &arg->value, err);
		if (rc < 0)
			return rc;
	}
	return 1;
}

int call_read(const char *sql, const char *const *params, size_t param_count, struct arena *arena, struct call *ret_call, struct err *err)
{
	PgQuery__ParseResult *tree;
	int rc = parse_text(sql, true, NULL, &tree, err);

	if (rc < 0)
		return rc;
	rc = read_call(tree, params, param_count, arena, ret_call, err);
	pg_query__parse_result__free_unpacked(tree, NULL);
	return rc;
}

const char *call_arg(const struct call *call, size_t position, const char *name, const char *fallback)
{
	for (size_t i = 0; i < call->arg_count; i++)
		if (call->args[i].name ? strcmp(call->args[i].name, name) == 0 : i == position)
			return call->args[i].value ? call->args[i].value : fallback;
	return fallback;
}

int call_check(const struct call *call, const char *const *names, struct err *err)
{
	size_t count = 0;

	while (names[count])
		count++;
	for (size_t i = 0; i < call->arg_count; i++) {
		bool known = !call->args[i].name && i < count;

		for (size_t j = 0; call->args[i].name && j < count; j++)
			known |= strcmp(call->args[i].name, names[j]) == 0;
		if (!known)
			return err_set(err, ERR_UNDEFINED_FUNCTION, "function nanu.%s has no argument %s%s%s", call->function,
				       call->args[i].name ? "\"" : "number ", call->args[i].name ? call->args[i].name : "of this place",
				       call->args[i].name ? "\"" : "");
	}
	return 0;
}

#include "sql/shape_make.h"

#include <string.h>

#include "base/buf.h"

static const PgQuery__DefElem *def_elem(const PgQuery__Node *node)
{
	return node->node_case == PG_QUERY__NODE__NODE_DEF_ELEM ? node->def_elem : NULL;
}

/* SQL text that reads as `text` whether standard_conforming_strings is on or off. */
static const char *quote(struct arena *arena, const char *text)
{
	bool escape = strchr(text, '\\') != NULL;
	char *quoted = arena_alloc(arena, strlen(text) * 2 + 4), *out = quoted;

	if (escape)
		*out++ = 'E';
	*out++ = '\'';
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			*out++ = *text;
		*out++ = *text;
	}
	*out++ = '\'';
	*out = '\0';
	return quoted;
}

/* One constant as SQL text; NULL for what is none. */
static const char *const_text(struct arena *arena, const PgQuery__AConst *constant)
{
	switch (constant->val_case) {
	case PG_QUERY__A__CONST__VAL_IVAL: return arena_printf(arena, "%d", constant->ival->ival);
	case PG_QUERY__A__CONST__VAL_FVAL: return arena_strdup(arena, constant->fval->fval);
	case PG_QUERY__A__CONST__VAL_SVAL: return quote(arena, constant->sval->sval);
	case PG_QUERY__A__CONST__VAL_BOOLVAL: return constant->boolval->boolval ? "true" : "false";
	case PG_QUERY__A__CONST__VAL_BSVAL:
	case PG_QUERY__A__CONST__VAL__NOT_SET:
	default: return NULL;
	}
}

/* SET TIME ZONE INTERVAL '…': the setting's own text for it is INTERVAL '…' as a string, with no place for modifiers. */
static const char *interval_text(struct arena *arena, const PgQuery__TypeCast *cast)
{
	const PgQuery__Node *arg = cast->arg;

	if (!arg || arg->node_case != PG_QUERY__NODE__NODE_A_CONST || arg->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL)
		return NULL;
	if ((!cast->type_name || cast->type_name->n_typmods) && !strchr(arg->a_const->sval->sval, ':'))
		return NULL;
	return quote(arena, arena_printf(arena, "INTERVAL %s", quote(arena, arg->a_const->sval->sval)));
}

static void setting_value_read(struct maker *maker, const PgQuery__VariableSetStmt *set)
{
	struct shape *shape = maker->shape;
	bool known = set->n_args > 0;
	struct buf value;

	buf_init(&value, BUF_SIZE_MAX);
	for (size_t i = 0; known && i < set->n_args; i++) {
		const PgQuery__Node *arg = set->args[i];
		const char *text = NULL;

		if (arg->node_case == PG_QUERY__NODE__NODE_A_CONST)
			text = const_text(maker->arena, arg->a_const);
		else if (arg->node_case == PG_QUERY__NODE__NODE_TYPE_CAST)
			text = interval_text(maker->arena, arg->type_cast);
		if (i)
			buf_add_text(&value, ", ");
		buf_add_text(&value, text ? text : "");
		known = text;
		shape->set_config_opaque |= !text;
	}
	if (known)
		shape->setting_value = arena_slice(maker->arena, buf_slice(&value)).data;
	buf_release(&value);
}

static bool is_true_option(const PgQuery__DefElem *option)
{
	const PgQuery__Node *arg = option->arg;

	return arg && arg->node_case == PG_QUERY__NODE__NODE_A_CONST &&
	       arg->a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL && arg->a_const->ival->ival != 0;
}

/* ISOLATION LEVEL …, READ ONLY, …: of BEGIN and of SET TRANSACTION. */
static void transaction_modes_read(struct maker *maker, PgQuery__Node *const *nodes, size_t count)
{
	struct shape *shape = maker->shape;

	for (size_t i = 0; i < count; i++) {
		const PgQuery__DefElem *option = def_elem(nodes[i]);
		const PgQuery__Node *arg = option ? option->arg : NULL;

		if (!option)
			continue;
		if (strcmp(option->defname, "transaction_read_only") == 0) {
			shape->tx_read_only = is_true_option(option);
			shape->tx_read_write = !shape->tx_read_only;
		} else if (strcmp(option->defname, "transaction_deferrable") == 0) {
			shape->tx_deferrable = is_true_option(option);
			shape->tx_not_deferrable = !shape->tx_deferrable;
		} else if (strcmp(option->defname, "transaction_isolation") == 0) {
			shape->tx_isolation_given = true;
			if (arg && arg->node_case == PG_QUERY__NODE__NODE_A_CONST &&
			    arg->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL)
				shape->tx_isolation = lower_text(maker->arena, arg->a_const->sval->sval);
		}
	}
}

/* SET TRANSACTION, SET SESSION CHARACTERISTICS, SET TRANSACTION SNAPSHOT. */
static void set_transaction_read(struct maker *maker, const PgQuery__VariableSetStmt *set)
{
	struct shape *shape = maker->shape;

	shape->tx_session_characteristics = strcmp(set->name, "SESSION CHARACTERISTICS") == 0;
	shape->kind = shape->tx_session_characteristics ? STMT_SET : STMT_SET_TRANSACTION;
	if (strcmp(set->name, "TRANSACTION SNAPSHOT") != 0) {
		transaction_modes_read(maker, set->args, set->n_args);
		return;
	}
	if (set->n_args == 1 && set->args[0]->node_case == PG_QUERY__NODE__NODE_A_CONST &&
	    set->args[0]->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL)
		shape->name = arena_strdup(maker->arena, set->args[0]->a_const->sval->sval);
}

static void set_read(struct maker *maker, const PgQuery__VariableSetStmt *set)
{
	struct shape *shape = maker->shape;

	shape->kind = STMT_SET;
	shape->set_scope = set->is_local ? SET_LOCAL : SET_SESSION;
	if (set->name[0])
		shape->setting = lower_text(maker->arena, set->name);
	switch (set->kind) {
	case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
		setting_value_read(maker, set);
		return;
	case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_CURRENT:
		shape->set_current = true;
		return;
	case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI:
		set_transaction_read(maker, set);
		shape->setting = NULL;
		return;
	case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL:
		shape->reset_all = true;
		shape->setting = NULL;
		shape->kind = STMT_RESET;
		return;
	case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
		shape->kind = STMT_RESET;
		return;
	default:                                /* VAR_SET_DEFAULT: no value */
		return;
	}
}

bool shape_setting(struct maker *maker, const PgQuery__Node *statement)
{
	struct shape *shape = maker->shape;
	PgQuery__DiscardMode mode;
	bool all;

	switch (statement->node_case) {
	case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
		set_read(maker, statement->variable_set_stmt);
		return true;
	case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
		shape->kind = STMT_SHOW;
		shape->setting = lower_text(maker->arena, statement->variable_show_stmt->name);
		return true;
	case PG_QUERY__NODE__NODE_DISCARD_STMT:
		shape->kind = STMT_DISCARD;
		mode = statement->discard_stmt->target;
		all = mode == PG_QUERY__DISCARD_MODE__DISCARD_ALL;
		shape->reset_all = all;
		shape->discard_temp = all || mode == PG_QUERY__DISCARD_MODE__DISCARD_TEMP;
		shape->discard_plans = all || mode == PG_QUERY__DISCARD_MODE__DISCARD_PLANS;
		shape->discard_sequences = all || mode == PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES;
		return true;
	case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT:
		shape->kind = STMT_SET_CONSTRAINTS;
		walk(maker, &statement->base, 0);
		return true;
	default:
		return false;
	}
}

bool shape_transaction(struct maker *maker, const PgQuery__Node *statement)
{
	static const enum stmt_kind kinds[] = {
		[PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN] = STMT_BEGIN,
		[PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START] = STMT_BEGIN,
		[PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT] = STMT_COMMIT,
		[PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK] = STMT_ROLLBACK,
		[PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT] = STMT_SAVEPOINT,
		[PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE] = STMT_RELEASE,
		[PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO] = STMT_ROLLBACK_TO,
		[PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE] = STMT_PREPARE_TX,
		[PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT_PREPARED] = STMT_COMMIT_PREPARED,
		[PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_PREPARED] = STMT_ROLLBACK_PREPARED,
	};
	const PgQuery__TransactionStmt *transaction;
	struct shape *shape = maker->shape;

	if (statement->node_case != PG_QUERY__NODE__NODE_TRANSACTION_STMT)
		return false;
	transaction = statement->transaction_stmt;
	shape->kind = (size_t)transaction->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[transaction->kind] : STMT_OTHER;
	shape->tx_start = transaction->kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START;
	shape->tx_chain = transaction->chain;
	transaction_modes_read(maker, transaction->options, transaction->n_options);
	shape->name = text_or_null(maker, transaction->savepoint_name);
	if (!shape->name)
		shape->name = text_or_null(maker, transaction->gid);
	return true;
}

static bool is_set_config(const struct function_ref *function)
{
	return function->name && strcmp(function->name, "set_config") == 0 &&
	       (!function->schema || strcmp(function->schema, "pg_catalog") == 0);
}

static const char *string_const(const PgQuery__Node *node)
{
	if (node->node_case != PG_QUERY__NODE__NODE_A_CONST || node->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL)
		return NULL;
	return node->a_const->sval->sval;
}

/* The one call of a SELECT that is nothing but a call, as far as FROM and WHERE are not looked at; NULL for all others. */
static const PgQuery__FuncCall *only_call(const PgQuery__SelectStmt *select)
{
	const PgQuery__Node *target;

	if (!select || select->n_target_list != 1 || select->having_clause || select->n_group_clause || select->with_clause || select->limit_count || select->limit_offset ||
	    select->op != PG_QUERY__SET_OPERATION__SETOP_NONE || select->into_clause)
		return NULL;
	target = select->target_list[0];
	if (target->node_case != PG_QUERY__NODE__NODE_RES_TARGET || !target->res_target->val ||
	    target->res_target->val->node_case != PG_QUERY__NODE__NODE_FUNC_CALL)
		return NULL;
	return target->res_target->val->func_call;
}

static bool is_column(const PgQuery__Node *node, const char *name)
{
	const PgQuery__ColumnRef *column = node && node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF ? node->column_ref : NULL;

	return column && column->n_fields == 1 && column->fields[0]->node_case == PG_QUERY__NODE__NODE_STRING &&
	       strcmp(column->fields[0]->string->sval, name) == 0;
}

/* pg_dump's way to set what a server may not have: SELECT set_config(name, 'value', boolean) FROM pg_settings WHERE name = 'name'. */
static const char *name_in_pg_settings(const PgQuery__SelectStmt *select, const PgQuery__Node *arg)
{
	const PgQuery__Node *from = select->n_from_clause == 1 ? select->from_clause[0] : NULL;
	const PgQuery__RangeVar *table = from && from->node_case == PG_QUERY__NODE__NODE_RANGE_VAR ? from->range_var : NULL;
	const PgQuery__Node *where = select->where_clause;
	const PgQuery__AExpr *equal = where && where->node_case == PG_QUERY__NODE__NODE_A_EXPR ? where->a_expr : NULL;

	if (!table || table->alias || strcmp(table->relname, "pg_settings") != 0 || (*table->schemaname && strcmp(table->schemaname, "pg_catalog") != 0) ||
	    !equal || equal->kind != PG_QUERY__A__EXPR__KIND__AEXPR_OP || equal->n_name != 1 || equal->name[0]->node_case != PG_QUERY__NODE__NODE_STRING ||
	    strcmp(equal->name[0]->string->sval, "=") != 0 || !is_column(equal->lexpr, "name") || !is_column(arg, "name"))
		return NULL;
	return string_const(equal->rexpr);
}

/* A parameter, also under a cast that leaves its bytes as they are. False: it is none. */
static bool param_read(struct maker *maker, const PgQuery__Node *node, bool is_boolean, struct set_config_arg *ret_arg)
{
	const char *cast;
	struct value value;

	value_read(maker, node, &value);
	cast = value.cast && strncmp(value.cast, "pg_catalog.", 11) == 0 ? value.cast + 11 : value.cast;
	if (value.kind != VALUE_PARAM || (cast && (is_boolean ? strcmp(cast, "bool") != 0 : strcmp(cast, "text") != 0 && strcmp(cast, "varchar") != 0)))
		return false;
	*ret_arg = (struct set_config_arg){ .param = value.param };
	return true;
}

/* set_config() with parameters in place of constants. `name`, `value`, `local`: the constants among its arguments, as they are read; NULL for others. */
static const struct set_config_arg *set_config_args(struct maker *maker, const PgQuery__FuncCall *call, const char *name, const char *value, const char *local)
{
	struct set_config_arg *args = arena_alloc(maker->arena, 3 * sizeof(*args));
	const char *const constants[] = { name, value, local };

	for (size_t i = 0; i < 3; i++) {
		args[i] = (struct set_config_arg){ .text = constants[i] ? arena_strdup(maker->arena, constants[i]) : NULL };
		if (!constants[i] && !param_read(maker, call->args[i], i == 2, &args[i]))
			return NULL;
	}
	return args;
}

/* After the walk: if set_config() was found, is it SELECT set_config('name', 'value', boolean)? `select` is NULL for a
 * statement that is no SELECT. */
void shape_set_config(struct maker *maker, const PgQuery__SelectStmt *select)
{
	const struct function_ref *functions = maker->functions.items;
	const PgQuery__FuncCall *call = only_call(select);
	struct shape *shape = maker->shape;
	const char *name, *value;
	struct value local;
	size_t found = 0, passing = 0;

	for (size_t i = 0; i < maker->functions.count; i++) {
		found += is_set_config(&functions[i]);
		passing += is_set_config(&functions[i]) && functions[i].passing;
	}
	if (!found)
		return;
	shape->set_config_passing = found == passing && !shape->inner;
	shape->set_config_opaque = !shape->set_config_passing;
	if (!call || found != 1 || maker->functions.count != 1 || call->n_args != 3 || call->agg_filter || call->over)
		return;
	name = select->n_from_clause || select->where_clause ? name_in_pg_settings(select, call->args[0]) : string_const(call->args[0]);
	value = string_const(call->args[1]);
	value_read(maker, call->args[2], &local);
	if (!name || !value || (local.kind != VALUE_TRUE && local.kind != VALUE_FALSE)) {
		if (!select->n_from_clause && !select->where_clause)
			shape->set_config_args = set_config_args(maker, call, name, value, local.kind == VALUE_TRUE ? "true" : local.kind == VALUE_FALSE ? "false" : NULL);
		return;
	}
	shape->set_config = true;
	shape->set_config_opaque = shape->set_config_passing = false;
	shape->setting = lower_text(maker->arena, name);
	shape->setting_value = quote(maker->arena, value);
	shape->set_scope = local.kind == VALUE_TRUE ? SET_LOCAL : SET_SESSION;
}

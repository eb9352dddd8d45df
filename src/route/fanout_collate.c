#include "route/fanout_collate.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/catalog.h"
#include "route/fanout_check.h"
#include "route/fanout_scope.h"
#include "route/value.h"

enum strength { NONE, IMPLICIT, EXPLICIT, UNKNOWN };

struct state {
	enum strength strength;
	uint32_t oid;
};

static const struct state none = { NONE, 0 };
static const struct state unknown = { UNKNOWN, 0 };
static const struct state by_default = { IMPLICIT, OID_COLLATION_DEFAULT };

/* Functions that give text of the collation that their text arguments agree on. Sorted. */
static const char *const text_functions[] = {
	"btrim", "concat_ws", "initcap", "left", "lower", "lpad", "ltrim", "normalize", "overlay", "regexp_replace", "repeat", "replace",
	"reverse", "right", "rpad", "rtrim", "split_part", "substr", "substring", "translate", "upper",
};

/* Functions that give `name`, a type with a collation of its own ("C"). Sorted. */
static const char *const name_functions[] = {
	"current_database", "current_schema", "current_user", "getdatabaseencoding", "getpgusername", "name", "nameconcatoid",
	"pg_client_encoding", "pg_encoding_to_char", "pg_get_userbyid", "session_user",
};

/* Built-in types without a collation. Sorted. */
static const char *const plain_types[] = {
	"bit", "bool", "bytea", "cidr", "date", "float4", "float8", "inet", "int2", "int4", "int8", "interval", "json", "jsonb", "macaddr",
	"money", "numeric", "oid", "time", "timestamp", "timestamptz", "timetz", "tsquery", "tsvector", "uuid", "varbit", "xml",
};

static const char *const text_types[] = { "bpchar", "text", "varchar" };

static int compare_names(const void *name, const void *entry)
{
	return strcmp(name, *(const char *const *)entry);
}

#define LISTED(list, name) (bsearch((name), (list), sizeof(list) / sizeof((list)[0]), sizeof((list)[0]), compare_names) != NULL)

static struct state combine(struct state a, struct state b)
{
	if (a.strength == NONE || b.strength == UNKNOWN)
		return b;
	if (b.strength == NONE || a.strength == UNKNOWN)
		return a;
	if (a.strength != b.strength)
		return a.strength > b.strength ? a : b;
	if (a.oid == b.oid)
		return a;
	if (a.strength == IMPLICIT && (a.oid == OID_COLLATION_DEFAULT || b.oid == OID_COLLATION_DEFAULT))
		return a.oid == OID_COLLATION_DEFAULT ? b : a;
	return unknown;
}

static struct state derive(const struct scope *scope, const PgQuery__Node *node);

static struct state derive_all(const struct scope *scope, PgQuery__Node *const *nodes, size_t count)
{
	struct state state = none;

	for (size_t i = 0; i < count; i++)
		state = combine(state, derive(scope, nodes[i]));
	return state;
}

static struct state of_column(const struct scope *scope, const PgQuery__ColumnRef *ref)
{
	struct scope_column column;

	if (scope_resolve(scope, ref, &column, NULL) < 0 || column.collation == SCOPE_COLLATION_UNKNOWN)
		return unknown;
	return column.collation ? (struct state){ IMPLICIT, column.collation } : none;
}

static struct state of_clause(const struct scope *scope, const PgQuery__CollateClause *clause)
{
	const char *name = tree_name(clause->collname, clause->n_collname, clause->n_collname - 1);
	const char *schema = clause->n_collname > 1 ? tree_name(clause->collname, clause->n_collname, clause->n_collname - 2) : NULL;
	const struct catalog_collation *collation = name ? catalog_collation_named(scope->catalog, schema, name) : NULL;

	if (collation)
		return (struct state){ EXPLICIT, collation->oid };
	if (name && !schema && (strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0))
		return (struct state){ EXPLICIT, OID_COLLATION_C };
	return unknown;
}

static const char *builtin_type(const PgQuery__TypeName *type)
{
	const char *schema = type->n_names > 1 ? tree_name(type->names, type->n_names, type->n_names - 2) : NULL;

	if (type->n_array_bounds || type->setof || type->pct_type || (schema && strcmp(schema, "pg_catalog") != 0))
		return NULL;
	return tree_name(type->names, type->n_names, type->n_names - 1);
}

static struct state of_cast(const struct scope *scope, const PgQuery__TypeCast *cast)
{
	const char *type = builtin_type(cast->type_name);

	if (type && LISTED(plain_types, type))
		return none;
	if (type && LISTED(text_types, type)) {
		struct state state = derive(scope, cast->arg);

		return state.strength == NONE ? by_default : state;
	}
	return unknown;
}

static int beware(const ProtobufCMessage *message, void *context, struct err *err)
{
	const struct scope *scope = context;

	if (TREE_IS(message, column_ref)) {
		struct state state = of_column(scope, (const PgQuery__ColumnRef *)message);

		return state.strength == NONE || state.oid == OID_COLLATION_DEFAULT ? TREE_SKIP : ERR_UNSUPPORTED;
	}
	if (TREE_IS(message, func_call)) {
		const PgQuery__FuncCall *call = (const PgQuery__FuncCall *)message;
		const char *name = tree_name(call->funcname, call->n_funcname, call->n_funcname - 1);
		const struct catalog_function *function = name ? catalog_function(scope->catalog, NULL, name) : NULL;

		if (!function || strcmp(function->schema, "pg_catalog") != 0 || LISTED(name_functions, name))
			return ERR_UNSUPPORTED;
	}
	if (TREE_IS(message, type_cast)) {
		const char *type = builtin_type(((const PgQuery__TypeCast *)message)->type_name);

		if (!type || !(LISTED(plain_types, type) || LISTED(text_types, type)))
			return ERR_UNSUPPORTED;
	}
	return TREE_IS(message, collate_clause) || TREE_IS(message, sqlvalue_function) ? ERR_UNSUPPORTED : TREE_INTO;
}

/* Whatever the types in it: when nothing in an expression has a collation other than the default, neither has the expression. */
static struct state of_anything(const struct scope *scope, const PgQuery__Node *node)
{
	return tree_walk(&node->base, beware, (void *)(uintptr_t)scope, NULL) < 0 ? unknown : by_default;
}

static const char *builtin_function(const struct scope *scope, const PgQuery__FuncCall *call)
{
	const char *name = tree_name(call->funcname, call->n_funcname, call->n_funcname - 1);
	const struct catalog_function *function = name ? catalog_function(scope->catalog, NULL, name) : NULL;

	return function && strcmp(function->schema, "pg_catalog") == 0 ? name : NULL;
}

static struct state of_function(const struct scope *scope, const PgQuery__Node *node)
{
	const PgQuery__FuncCall *call = node->func_call;
	const char *aggregate = check_aggregate(scope, call), *name = builtin_function(scope, call);

	if (aggregate && (strcmp(aggregate, "min") == 0 || strcmp(aggregate, "max") == 0))
		return derive_all(scope, call->args, call->n_args);
	if (aggregate)
		return none;
	if (name && LISTED(text_functions, name)) {
		struct state state = derive_all(scope, call->args, call->n_args);

		return state.strength == NONE ? by_default : state;
	}
	return of_anything(scope, node);
}

static struct state of_operator(const struct scope *scope, const PgQuery__Node *node)
{
	const PgQuery__AExpr *expr = node->a_expr;
	const char *name = tree_name(expr->name, expr->n_name, expr->n_name - 1);

	if (expr->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF ||
	    (expr->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP && name && strcmp(name, "||") == 0 && expr->lexpr))
		return combine(derive(scope, expr->lexpr), derive(scope, expr->rexpr));
	return of_anything(scope, node);
}

static struct state of_case(const struct scope *scope, const PgQuery__CaseExpr *expr)
{
	struct state state = expr->defresult ? derive(scope, expr->defresult) : none;

	for (size_t i = 0; i < expr->n_args; i++) {
		const PgQuery__Node *when = expr->args[i];

		if (when->node_case != PG_QUERY__NODE__NODE_CASE_WHEN)
			return unknown;
		state = combine(state, derive(scope, when->case_when->result));
	}
	return state;
}

static struct state of_sql_value(const PgQuery__SQLValueFunction *value)
{
	switch (value->op) {
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_ROLE:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_USER:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_USER:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_SESSION_USER:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA:
		return (struct state){ IMPLICIT, OID_COLLATION_C };
	default:
		return none;
	}
}

static struct state derive(const struct scope *scope, const PgQuery__Node *node)
{
	switch ((int)node->node_case) {
	case PG_QUERY__NODE__NODE_COLUMN_REF:
		return of_column(scope, node->column_ref);
	case PG_QUERY__NODE__NODE_A_CONST:
		return node->a_const->isnull || node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL ? by_default : none;
	case PG_QUERY__NODE__NODE_PARAM_REF:
		return by_default;
	case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
		return of_clause(scope, node->collate_clause);
	case PG_QUERY__NODE__NODE_TYPE_CAST:
		return of_cast(scope, node->type_cast);
	case PG_QUERY__NODE__NODE_FUNC_CALL:
		return of_function(scope, node);
	case PG_QUERY__NODE__NODE_A_EXPR:
		return of_operator(scope, node);
	case PG_QUERY__NODE__NODE_COALESCE_EXPR:
		return derive_all(scope, node->coalesce_expr->args, node->coalesce_expr->n_args);
	case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
		return derive_all(scope, node->min_max_expr->args, node->min_max_expr->n_args);
	case PG_QUERY__NODE__NODE_CASE_EXPR:
		return of_case(scope, node->case_expr);
	case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
		return of_sql_value(node->sqlvalue_function);
	}
	return of_anything(scope, node);
}

static const char *get_collation(const struct scope *scope, const struct catalog_collation *found, const struct collation **ret_collation)
{
	struct err err;

	if (found->provider != 'c')
		return arena_printf(scope->arena, "The collation \"%s\" is not one of the C library.", found->name);
	if (!found->version_matches)
		return arena_printf(scope->arena, "The collation \"%s\" has another version on the node than on the router's machine.",
				    found->name);
	if (collation_get(found->locale, ret_collation, &err) < 0) {
		*ret_collation = NULL;
		return arena_strdup(scope->arena, err.message);
	}
	return NULL;
}

/* Plain columns and functions of text_functions; that COLLATE may be put behind. */
static bool is_text_for_certain(const struct scope *scope, const PgQuery__Node *node)
{
	struct scope_column column;

	if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF)
		return scope_resolve(scope, node->column_ref, &column, NULL) == 0 && column.collation != 0 &&
		       (column.type == OID_TEXT || column.type == OID_VARCHAR || column.type == OID_BPCHAR);
	if (node->node_case == PG_QUERY__NODE__NODE_FUNC_CALL) {
		const char *name = builtin_function(scope, node->func_call);

		return name && node->func_call->n_args == 1 && (strcmp(name, "lower") == 0 || strcmp(name, "upper") == 0) &&
		       is_text_for_certain(scope, node->func_call->args[0]);
	}
	return false;
}

void collate_derive(const struct scope *scope, const PgQuery__Node *node, struct collate_result *ret_result)
{
	struct state state = derive(scope, node);
	const struct catalog_collation *found;

	*ret_result = (struct collate_result){ .why = "The collation of the expression cannot be told without PostgreSQL." };
	if (state.strength == NONE || state.strength == UNKNOWN)
		return;
	found = catalog_collation(scope->catalog, state.oid);
	if (!found && (state.oid == OID_COLLATION_C || state.oid == OID_COLLATION_POSIX)) {
		ret_result->collation = collation_bytes();
		ret_result->bytes_decide = is_text_for_certain(scope, node);
		return;
	}
	if (!found) {
		ret_result->why = "Its collation is not in the schema as the router last read it.";
		return;
	}
	ret_result->bytes_decide = found->deterministic && is_text_for_certain(scope, node);
	if (found->deterministic)
		ret_result->why = get_collation(scope, found, &ret_result->collation);
	else
		ret_result->why = "Its collation is not deterministic.";
}

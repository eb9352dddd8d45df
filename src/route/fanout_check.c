#include "route/fanout_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "catalog/catalog.h"
#include "route/fanout_scope.h"

/* STABLE functions of pg_catalog that depend on their arguments and on settings of the session alone. Sorted. */
static const char *const stable_functions[] = {
	"array_to_json", "array_to_string", "concat", "concat_ws", "convert", "convert_from", "convert_to", "date", "date_part",
	"date_trunc", "extract", "format", "in_range", "json_build_array", "json_build_object", "jsonb_build_array",
	"jsonb_build_object", "jsonb_path_exists_tz", "jsonb_path_match_tz", "jsonb_path_query_array_tz",
	"jsonb_path_query_first_tz", "length", "make_timestamptz", "money", "numeric", "overlaps", "phraseto_tsquery",
	"plainto_tsquery", "quote_literal", "quote_nullable", "time", "timestamp", "timestamptz", "timetz", "timezone", "to_char",
	"to_date", "to_json", "to_jsonb", "to_number", "to_timestamp", "to_tsquery", "to_tsvector", "ts_headline",
	"websearch_to_tsquery",
};

/* They read the clock, or the start of the transaction, which each shard has its own. Sorted. */
static const char *const clock_functions[] = { "now", "statement_timestamp", "transaction_timestamp" };

/* Types whose values are OIDs, which each node gives out on its own. Sorted. */
static const char *const oid_types[] = {
	"regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc",
	"regprocedure", "regrole", "regtype",
};

/* Strings that the input of dates and times reads as the clock. Sorted. */
static const char *const clock_words[] = { "now", "today", "tomorrow", "yesterday" };

struct check {
	const struct scope *scope;
	enum check_place place;
};

static int compare_names(const void *name, const void *entry)
{
	return strcmp(name, *(const char *const *)entry);
}

#define LISTED(list, name) (bsearch((name), (list), sizeof(list) / sizeof((list)[0]), sizeof((list)[0]), compare_names) != NULL)

int check_refuse(struct err *err, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	err_set(err, ERR_UNSUPPORTED, "%s is not supported in a query over several shards", what);
	err_hint(err, "Add the shard key to WHERE, so that one shard answers.");
	return ERR_UNSUPPORTED;
}

static int refuse_clock(const char *name, struct err *err)
{
	check_refuse(err, "%s outside of WHERE", name);
	err_detail(err, "Each shard would read its own clock.");
	err_hint(err, "Pass the time as a parameter, or add the shard key to WHERE.");
	return ERR_UNSUPPORTED;
}

/* Whether the input of dates and times would read the literal as the clock: 'now', 'today 10:00'. */
static bool reads_clock(const PgQuery__AConst *literal)
{
	const char *text;
	char word[16];
	size_t size = 0;

	if (literal->val_case != PG_QUERY__A__CONST__VAL_SVAL)
		return false;
	text = literal->sval->sval;
	text += strspn(text, " \t\n\v\f\r");
	for (; size < sizeof(word) - 1 && (text[size] | 32) >= 'a' && (text[size] | 32) <= 'z'; size++)
		word[size] = (char)(text[size] | 32);
	word[size] = '\0';
	return LISTED(clock_words, word) && text[size + strspn(text + size, " \t\n\v\f\r0123456789:.+-")] == '\0';
}

static int check_builtin(const struct check *check, const PgQuery__FuncCall *call, const struct catalog_function *function,
			 struct err *err)
{
	switch (function->volatility) {
	case VOLATILITY_IMMUTABLE:
		return 0;
	case VOLATILITY_STABLE:
		if (LISTED(clock_functions, function->name))
			return check->place == CHECK_FILTER ? 0 : refuse_clock(function->name, err);
		/* With one argument, age() counts from today. */
		if (strcmp(function->name, "age") == 0)
			return call->n_args == 2 || check->place == CHECK_FILTER ? 0 : refuse_clock("age(timestamp)", err);
		if (LISTED(stable_functions, function->name))
			return 0;
		check_refuse(err, "%s()", function->name);
		err_detail(err, "Its result depends on the node that it runs on.");
		return ERR_UNSUPPORTED;
	case VOLATILITY_VOLATILE:
		check_refuse(err, "%s()", function->name);
		err_detail(err, "The function is volatile: it would run on every shard.");
		return ERR_UNSUPPORTED;
	}
	return check_refuse(err, "%s()", function->name);
}

static int check_one(const struct check *check, const PgQuery__FuncCall *call, const struct catalog_function *function, struct err *err)
{
	if (call->over)
		return check_refuse(err, "the window function %s() OVER", function->name);
	if (function->aggregate && strcmp(function->schema, "pg_catalog") == 0 && call->n_args < 2 && !check_aggregate(check->scope, call)) {
		check_refuse(err, "%s(), which a schema of search_path has another one of that its argument may mean,", function->name);
		err_hint(err, "Write pg_catalog.%s() if that is meant, or add the shard key to WHERE.", function->name);
		return ERR_UNSUPPORTED;
	}
	if (function->aggregate) {
		check_refuse(err, "an expression over the aggregate %s()", function->name);
		err_hint(err, "Select the aggregate alone and compute with it in the application, or add the shard key to WHERE.");
		return ERR_UNSUPPORTED;
	}
	if (function->set_returning)
		return check_refuse(err, "the set-returning function %s()", function->name);
	if (strcmp(function->schema, "pg_catalog") == 0)
		return check_builtin(check, call, function, err);
	if (function->volatility == VOLATILITY_IMMUTABLE)
		return 0;
	check_refuse(err, "%s.%s()", function->schema, function->name);
	err_detail(err, "The function is not declared IMMUTABLE, so it may read tables.");
	return ERR_UNSUPPORTED;
}

/* Which overload PostgreSQL takes depends on types that are not known here: every function of the name, in every schema that it may come
 * from, has to pass. */
static int check_function(const struct check *check, const PgQuery__FuncCall *call, struct err *err)
{
	const struct catalog *catalog = check->scope->catalog;
	const char *name = tree_name(call->funcname, call->n_funcname, call->n_funcname - 1);
	const char *schema = call->n_funcname > 1 ? tree_name(call->funcname, call->n_funcname, call->n_funcname - 2) : NULL;
	const struct catalog_function *function = schema ? catalog_function(catalog, schema, name) : NULL;
	bool found = function != NULL;
	int code = function ? check_one(check, call, function, err) : 0;

	if (!schema) {
		function = catalog_function(catalog, "pg_catalog", name);
		found = function != NULL;
		code = function ? check_one(check, call, function, err) : 0;
		for (size_t i = 0; i < catalog->search_path_count && code == 0; i++) {
			function = catalog_function(catalog, catalog->search_path[i], name);
			found = found || function;
			code = function ? check_one(check, call, function, err) : 0;
		}
	}
	if (!found) {
		check_refuse(err, "the unknown function %s()", name);
		err_detail(err, "It is not in the schema as the router last read it.");
		return ERR_UNSUPPORTED;
	}
	return code;
}

static bool takes(const struct catalog_function *function, uint32_t type)
{
	for (size_t i = 0; i < function->take_count; i++)
		if (function->takes[i] == type)
			return true;
	return false;
}

/* The type of the one argument, 0 where that is not known. */
static uint32_t argument_type(const struct scope *scope, const PgQuery__FuncCall *call)
{
	struct scope_column column;
	struct err ignored;

	if (call->n_args != 1 || call->args[0]->node_case != PG_QUERY__NODE__NODE_COLUMN_REF ||
	    scope_resolve(scope, call->args[0]->column_ref, &column, &ignored) < 0)
		return 0;
	return column.type;
}

/* Whether a function of the user's own, in `schema`, might be meant instead of pg_catalog's aggregate. PostgreSQL takes the one that takes just the
 * argument's type, of pg_catalog first; else it chooses among all that may take it. */
static bool may_mean(const struct scope *scope, const PgQuery__FuncCall *call, const struct catalog_function *builtin, const char *schema)
{
	const struct catalog_function *own = strcmp(schema, "pg_catalog") == 0 ? NULL : catalog_function(scope->catalog, schema, builtin->name);
	uint32_t type = argument_type(scope, call);

	if (!own || call->n_args > 1)
		return own != NULL;
	if (call->agg_star || !type)
		return !call->agg_star || takes(own, 0);
	return !takes(builtin, type) && (takes(own, type) || takes(own, 0));
}

const char *check_aggregate(const struct scope *scope, const PgQuery__FuncCall *call)
{
	const struct catalog *catalog = scope->catalog;
	const char *name = tree_name(call->funcname, call->n_funcname, call->n_funcname - 1);
	const char *schema = call->n_funcname > 1 ? tree_name(call->funcname, call->n_funcname, call->n_funcname - 2) : NULL;
	const struct catalog_function *function = catalog_function(catalog, "pg_catalog", name);

	if (!function || !function->aggregate || (schema && strcmp(schema, "pg_catalog") != 0))
		return NULL;
	for (size_t i = 0; i < catalog->search_path_count && !schema; i++)
		if (strcmp(catalog->search_path[i], "pg_catalog") == 0 ? i > 0 : may_mean(scope, call, function, catalog->search_path[i]))
			return NULL;
	return function->name;
}

static int check_sql_value(const struct check *check, const PgQuery__SQLValueFunction *value, struct err *err)
{
	switch (value->op) {
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_ROLE:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_USER:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_USER:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_SESSION_USER:
		return 0;
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA:
		return check_refuse(err, "CURRENT_CATALOG or CURRENT_SCHEMA");
	default:
		return check->place == CHECK_FILTER ? 0 : refuse_clock("CURRENT_TIMESTAMP or one of its kind", err);
	}
}

static bool is_time_type(const char *name)
{
	static const char *const names[] = { "date", "time", "timestamp", "timestamptz", "timetz" };

	return LISTED(names, name);
}

static int check_cast(const PgQuery__TypeCast *cast, struct err *err)
{
	const PgQuery__TypeName *type = cast->type_name;
	const char *name = tree_name(type->names, type->n_names, type->n_names - 1);

	if (!name)
		return TREE_INTO;
	if (LISTED(oid_types, name)) {
		check_refuse(err, "a cast to %s", name);
		err_detail(err, "Each node has its own OIDs.");
		return ERR_UNSUPPORTED;
	}
	if (cast->arg->node_case != PG_QUERY__NODE__NODE_A_CONST || is_time_type(name))
		return TREE_INTO;
	return TREE_SKIP;               /* 'today'::text is text */
}

/* A literal takes the type that its place asks for: beside a timestamp, 'now' is one. */
static int check_literal(const struct check *check, const PgQuery__AConst *literal, struct err *err)
{
	if (check->place == CHECK_FILTER || !reads_clock(literal))
		return 0;
	refuse_clock("a literal such as 'now' within an expression", err);
	err_hint(err, "Cast it to text if it is one, pass the time as a parameter, or add the shard key to WHERE.");
	return ERR_UNSUPPORTED;
}

static int check_operator(const PgQuery__AExpr *expr, struct err *err)
{
	const char *schema = expr->n_name > 1 ? tree_name(expr->name, expr->n_name, 0) : NULL;

	if (schema && strcmp(schema, "pg_catalog") != 0)
		return check_refuse(err, "the operator of schema \"%s\"", schema);
	return 0;
}

static int visit(const ProtobufCMessage *message, void *context, struct err *err)
{
	const struct check *check = context;
	struct scope_column column;
	int code = 0;

	if (TREE_IS(message, column_ref)) {
		code = scope_resolve(check->scope, (const PgQuery__ColumnRef *)message, &column, err);
		return code < 0 ? code : TREE_SKIP;
	}
	if (TREE_IS(message, func_call))
		code = check_function(check, (const PgQuery__FuncCall *)message, err);
	else if (TREE_IS(message, sqlvalue_function))
		code = check_sql_value(check, (const PgQuery__SQLValueFunction *)message, err);
	else if (TREE_IS(message, type_cast))
		return check_cast((const PgQuery__TypeCast *)message, err);
	else if (TREE_IS(message, a__expr))
		code = check_operator((const PgQuery__AExpr *)message, err);
	else if (TREE_IS(message, a__const))
		code = check_literal(check, (const PgQuery__AConst *)message, err);
	else if (TREE_IS(message, sub_link) || TREE_IS(message, select_stmt))
		code = check_refuse(err, "a subquery");
	else if (TREE_IS(message, window_def))
		code = check_refuse(err, "a window function");
	else if (TREE_IS(message, grouping_func) || TREE_IS(message, grouping_set))
		code = check_refuse(err, "GROUPING SETS, CUBE or ROLLUP");
	else if (TREE_IS(message, a__star))
		code = check_refuse(err, "(…).*");
	else if (TREE_IS(message, current_of_expr))
		code = check_refuse(err, "WHERE CURRENT OF");
	return code < 0 ? code : TREE_INTO;
}

int check_operand(const struct scope *scope, const PgQuery__Node *node, enum check_place place, struct err *err)
{
	struct check check = { .scope = scope, .place = place };

	return node ? tree_walk(&node->base, visit, &check, err) : 0;
}

int check_expression(const struct scope *scope, const PgQuery__Node *node, enum check_place place, struct err *err)
{
	/* Nothing beside it gives a lone literal a type: 'now' is text. */
	if (node && node->node_case == PG_QUERY__NODE__NODE_A_CONST)
		return 0;
	return check_operand(scope, node, place, err);
}

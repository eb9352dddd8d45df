#include <string.h>

#include "admin/translate_tree.h"
#include "base/buf.h"
#include "base/limits.h"
#include "catalog/catalog.h"

/* What each takes and gives: b, i (bigint), f (double precision), t (text), n (bigint or double precision), a (anything); = is the type of the
 * first argument. */
struct function {
	const char *name;
	const char *args;
	char result;
	const char *sql;                /* what it is for SQLite, where it is not called alike */
	bool aggregate;
};

static const struct function functions[] = {
	{ "count", "a", 'i', NULL, true },
	{ "sum", "n", '=', NULL, true },
	{ "avg", "n", 'f', NULL, true },
	{ "min", "a", '=', NULL, true },
	{ "max", "a", '=', NULL, true },
	{ "bool_and", "b", 'b', "min", true },
	{ "every", "b", 'b', "min", true },
	{ "bool_or", "b", 'b', "max", true },
	{ "string_agg", "tt", 't', "group_concat", true },
	{ "abs", "n", '=', NULL, false },
	{ "round", "n", 'f', NULL, false },
	{ "round", "ni", 'f', NULL, false },
	{ "floor", "n", 'f', NULL, false },
	{ "ceil", "n", 'f', NULL, false },
	{ "lower", "t", 't', NULL, false },
	{ "upper", "t", 't', NULL, false },
	{ "length", "t", 'i', NULL, false },
	{ "char_length", "t", 'i', "length", false },
	{ "replace", "ttt", 't', NULL, false },
	{ "strpos", "tt", 'i', "instr", false },
	{ "position", "tt", 'i', "instr", false },
	{ "trim", "t", 't', NULL, false },
	{ "btrim", "t", 't', "trim", false },
	{ "ltrim", "t", 't', NULL, false },
	{ "rtrim", "t", 't', NULL, false },
	{ "starts_with", "tt", 'b', NULL, false },
	{ "now", "", 'z', "now_us", false },
};

enum { ARGS_MAX = 4 };

static enum value_type type_of_letter(char letter, enum value_type first)
{
	switch (letter) {
	case 'b':
		return TYPE_BOOL;
	case 'i':
		return TYPE_INT8;
	case 'f':
		return TYPE_FLOAT8;
	case 't':
		return TYPE_TEXT;
	case 'z':
		return TYPE_TIME;
	default:
		return first;
	}
}

static bool takes(char letter, enum value_type type)
{
	if (letter == 'a')
		return true;
	if (letter == 'n')
		return type == TYPE_INT8 || type == TYPE_FLOAT8;
	return type == type_of_letter(letter, TYPE_UNKNOWN) || (letter == 't' && type == TYPE_UNKNOWN);
}

static const char *last_name(PgQuery__Node *const *names, size_t count)
{
	return names[count - 1]->string->sval;
}

static bool in_our_schema(const PgQuery__FuncCall *call)
{
	return call->n_funcname > 1 && strcmp(call->funcname[0]->string->sval, "nanu") == 0;
}

static int undefined_function(struct writer *writer, const PgQuery__FuncCall *call)
{
	const char *name = last_name(call->funcname, call->n_funcname);

	if (in_our_schema(call)) {
		err_set(writer->err, ERR_UNSUPPORTED, "functions of nanu are called one at a time, in statements of their own");
		err_hint(writer->err, "SELECT nanu.%s(…) or SELECT * FROM nanu.%s(…), and nothing else.", name, name);
		return ERR_UNSUPPORTED;
	}
	err_set(writer->err, ERR_UNDEFINED_FUNCTION, "function %s with %zu arguments of these types is not known in the nanu schema", name,
		call->n_args);
	err_hint(writer->err, "Read the rows with a plainer SELECT, and do the rest in the application.");
	return ERR_UNDEFINED_FUNCTION;
}

static const struct function *find_function(const char *name, const struct piece *args, size_t count)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		bool good = strcmp(functions[i].name, name) == 0 && strlen(functions[i].args) == count;

		for (size_t j = 0; good && j < count; j++)
			good = takes(functions[i].args[j], args[j].type);
		if (good)
			return &functions[i];
	}
	return NULL;
}

static bool is_aggregate(const char *name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (functions[i].aggregate && strcmp(functions[i].name, name) == 0)
			return true;
	return false;
}

/* concat() takes anything as its output function writes it: a boolean is t or f, unlike under ::text. NULLs are empty. */
static int write_concat(struct writer *writer, struct query_scope *scope, const PgQuery__FuncCall *call, struct piece *ret)
{
	struct buf out;
	int rc = 0;

	buf_init(&out, STATEMENT_SIZE_MAX);
	buf_add_text(&out, "(''");
	for (size_t i = 0; rc == 0 && i < call->n_args; i++) {
		struct piece piece;

		rc = write_expression(writer, scope, call->args[i], TYPE_TEXT, &piece);
		if (rc == 0)
			buf_printf(&out, piece.type == TYPE_BOOL ? " || coalesce(substr(%s, 1, 1), '')" : " || coalesce(%s, '')",
				   text_of(writer, piece));
	}
	buf_add_text(&out, ")");
	if (rc == 0)
		*ret = (struct piece){ arena_strndup(writer->arena, out.data, out.size), TYPE_TEXT };
	buf_release(&out);
	return rc;
}

static int refuse_forms(struct writer *writer, const PgQuery__FuncCall *call, bool aggregate)
{
	if (call->over)
		return translate_refuse(writer, "OVER");
	if (call->n_agg_order)
		return translate_refuse(writer, "ORDER BY inside of an aggregate");
	if (call->agg_within_group || call->func_variadic)
		return translate_refuse(writer, "this form of function call");
	if (!aggregate && (call->agg_filter || call->agg_distinct || call->agg_star))
		return translate_fail(writer, "42809", "%s is not an aggregate function", last_name(call->funcname, call->n_funcname));
	for (size_t i = 0; i < call->n_args; i++)
		if (call->args[i]->node_case == PG_QUERY__NODE__NODE_NAMED_ARG_EXPR)
			return translate_refuse(writer, "name => value");
	return 0;
}

static int write_args(struct writer *writer, struct query_scope *scope, const PgQuery__FuncCall *call, bool aggregate, struct piece *args,
		      struct piece *filter)
{
	unsigned own_count = scope->own_count, outer_count = scope->outer_count;
	bool in_aggregate = scope->in_aggregate;
	int rc = 0;

	if (aggregate && scope->in_filter)
		return translate_fail(writer, "42803", "aggregate functions are not allowed in WHERE, JOIN conditions and GROUP BY");
	if (aggregate && in_aggregate)
		return translate_fail(writer, "42803", "aggregate function calls cannot be nested");
	if (aggregate)
		scope->aggregates = scope->in_aggregate = true;
	for (size_t i = 0; rc == 0 && i < call->n_args; i++)
		rc = write_expression(writer, scope, call->args[i], TYPE_TEXT, &args[i]);
	if (rc == 0 && call->agg_filter)
		rc = write_condition(writer, scope, call->agg_filter, "FILTER", filter);
	scope->in_aggregate = in_aggregate;
	/* PostgreSQL would compute it in the query around */
	if (rc == 0 && aggregate && scope->outer_count > outer_count && scope->own_count == own_count)
		return translate_refuse(writer, "an aggregate of an outer query's columns");
	return rc;
}

int write_call(struct writer *writer, struct query_scope *scope, const PgQuery__FuncCall *call, struct piece *ret)
{
	const char *name = last_name(call->funcname, call->n_funcname), *list = "";
	bool aggregate = is_aggregate(name);
	struct piece args[ARGS_MAX] = { 0 }, filter = { 0 };
	const struct function *function;
	int rc;

	if (call->n_funcname > 1 && strcmp(call->funcname[0]->string->sval, "pg_catalog") != 0)
		return undefined_function(writer, call);
	rc = refuse_forms(writer, call, aggregate);
	if (rc == 0 && strcmp(name, "concat") == 0)
		return write_concat(writer, scope, call, ret);
	if (rc == 0 && call->n_args == 0 && strcmp(name, "current_database") == 0) {
		*ret = write_value(writer, writer->request->database, 0, TYPE_TEXT);
		return 0;
	}
	if (rc == 0 && call->n_args > ARGS_MAX)
		return undefined_function(writer, call);
	if (rc == 0)
		rc = write_args(writer, scope, call, aggregate, args, &filter);
	if (rc < 0)
		return rc;
	if (call->agg_star && strcmp(name, "count") != 0)
		return undefined_function(writer, call);
	function = call->agg_star ? &functions[0] : find_function(name, args, call->n_args);
	/* PostgreSQL has no least or greatest boolean */
	if (!function || (aggregate && function->result == '=' && args[0].type == TYPE_BOOL))
		return undefined_function(writer, call);
	for (size_t i = 0; i < call->n_args; i++)
		list = arena_printf(writer->arena, "%s%s%s", list, i ? ", " : "", args[i].text);
	ret->text = arena_printf(writer->arena, "%s(%s%s)%s%s%s", function->sql ? function->sql : function->name,
				 call->agg_distinct ? "DISTINCT " : "", call->agg_star ? "*" : list, filter.text ? " FILTER (WHERE " : "",
				 filter.text ? filter.text : "", filter.text ? ")" : "");
	ret->type = type_of_letter(function->result, args[0].type);
	return 0;
}

/* ---- casts ---- */

static const struct { const char *name; enum value_type type; int bits; } cast_types[] = {
	{ "int2", TYPE_INT8, 16 }, { "int4", TYPE_INT8, 32 }, { "int8", TYPE_INT8, 64 }, { "oid", TYPE_INT8, 64 },
	{ "float4", TYPE_FLOAT8, 0 }, { "float8", TYPE_FLOAT8, 0 }, { "numeric", TYPE_FLOAT8, 0 },
	{ "text", TYPE_TEXT, 0 }, { "varchar", TYPE_TEXT, 0 }, { "name", TYPE_TEXT, 0 }, { "bool", TYPE_BOOL, 0 },
	{ "timestamptz", TYPE_TIME, 0 },
};

enum value_type type_of_oid(uint32_t oid)
{
	switch (oid) {
	case OID_BOOL:
		return TYPE_BOOL;
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
	case OID_OID:
		return TYPE_INT8;
	case OID_FLOAT4:
	case OID_FLOAT8:
	case OID_NUMERIC:
		return TYPE_FLOAT8;
	case OID_TIMESTAMPTZ:
		return TYPE_TIME;
	default:
		return TYPE_TEXT;
	}
}

int write_cast(struct writer *writer, struct query_scope *scope, const PgQuery__TypeCast *cast, struct piece *ret)
{
	const PgQuery__TypeName *type = cast->type_name;
	const char *name = last_name(type->names, type->n_names);
	struct piece from;
	size_t i = 0;
	int rc;

	while (i < sizeof(cast_types) / sizeof(cast_types[0]) && strcmp(cast_types[i].name, name) != 0)
		i++;
	if (i == sizeof(cast_types) / sizeof(cast_types[0]) || type->n_typmods || type->n_array_bounds || type->setof) {
		err_set(writer->err, ERR_UNSUPPORTED, "casts to type %s%s are not supported in the nanu schema", name,
			type->n_typmods ? "(…)" : type->n_array_bounds ? "[]" : "");
		err_hint(writer->err, "Cast to boolean, integer, bigint, double precision, text or timestamptz, or in the application.");
		return ERR_UNSUPPORTED;
	}
	rc = write_expression(writer, scope, cast->arg, cast_types[i].type, &from);
	if (rc < 0)
		return rc;
	ret->type = cast_types[i].type;
	switch (ret->type) {
	case TYPE_INT8:
		ret->text = arena_printf(writer->arena, "to_int(%s, %d)", from.text, cast_types[i].bits);
		break;
	case TYPE_FLOAT8:
		ret->text = from.type == TYPE_FLOAT8 ? from.text : arena_printf(writer->arena, "to_float(%s)", from.text);
		break;
	case TYPE_TEXT:
		ret->text = text_of(writer, from);
		break;
	case TYPE_BOOL:
		ret->text = from.type == TYPE_BOOL ? from.text : arena_printf(writer->arena, "to_bool(%s)", from.text);
		break;
	case TYPE_TIME:
		ret->text = from.text;
		break;
	case TYPE_UNKNOWN:
	case TYPE_COUNT_:
		break;
	}
	if ((from.type == TYPE_TIME) != (ret->type == TYPE_TIME) && ret->type != TYPE_TEXT)
		return translate_fail(writer, "42846", "cannot cast type %s to %s", value_type_name(from.type), value_type_name(ret->type));
	return 0;
}

#include "route/fanout_limit.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/catalog.h"
#include "place/place.h"
#include "route/fanout_check.h"
#include "route/merge.h"

enum clause { LIMIT, OFFSET };

static int negative(enum clause clause, struct err *err)
{
	err_set(err, ERR_INVALID_VALUE, "%s must not be negative", clause == LIMIT ? "LIMIT" : "OFFSET");
	err_sqlstate(err, clause == LIMIT ? "2201W" : "2201X");
	return ERR_INVALID_VALUE;
}

static int too_clever(enum clause clause, struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, "%s must be a whole number or a parameter in a query over several shards",
		clause == LIMIT ? "LIMIT" : "OFFSET");
	err_hint(err, "Compute it before, or add the shard key to WHERE.");
	return ERR_UNSUPPORTED;
}

static int set_number(struct fanout_value *value, int64_t number, enum clause clause, struct err *err)
{
	if (number < 0)
		return negative(clause, err);
	value->given = true;
	value->number = (uint64_t)number;
	return 0;
}

static int read_text(struct slice text, enum clause clause, struct fanout_value *value, struct err *err)
{
	struct key key;
	int code = key_from_text(OID_INT8, text, NULL, &key, err);

	return code < 0 ? code : set_number(value, key.integer, clause, err);
}

static int read_constant(const PgQuery__AConst *constant, enum clause clause, struct fanout_value *value, struct err *err)
{
	if (constant->isnull)
		return 0;
	switch (constant->val_case) {
	case PG_QUERY__A__CONST__VAL_IVAL:
		return set_number(value, constant->ival->ival, clause, err);
	case PG_QUERY__A__CONST__VAL_SVAL:
		return read_text(slice_of(constant->sval->sval), clause, value, err);
	case PG_QUERY__A__CONST__VAL_FVAL:
		/* Digits too many for int4, or a fraction, which PostgreSQL would round. */
		if (strspn(constant->fval->fval, "-0123456789") != strlen(constant->fval->fval))
			return too_clever(clause, err);
		return read_text(slice_of(constant->fval->fval), clause, value, err);
	default:
		return too_clever(clause, err);
	}
}

/* The integer type of a cast, or NULL: another. */
static const char *integer_type(const PgQuery__TypeName *type)
{
	const char *name = tree_name(type->names, type->n_names, type->n_names - 1);

	if (!name || type->n_array_bounds || (strcmp(name, "int2") != 0 && strcmp(name, "int4") != 0 && strcmp(name, "int8") != 0))
		return NULL;
	return name;
}

/* `*ret_type`: that which a cast gives the parameter. */
static int read_clause(const PgQuery__Node *node, enum clause clause, struct fanout_value *value, const char **ret_type, struct err *err)
{
	*ret_type = "int8";
	*value = (struct fanout_value){ 0 };
	if (!node)
		return 0;
	if (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
		*ret_type = integer_type(node->type_cast->type_name);
		node = node->type_cast->arg;
	}
	if (!*ret_type)
		return too_clever(clause, err);
	if (node->node_case == PG_QUERY__NODE__NODE_PARAM_REF) {
		value->given = true;
		value->param = node->param_ref->number;
		return 0;
	}
	if (node->node_case != PG_QUERY__NODE__NODE_A_CONST)
		return too_clever(clause, err);
	return read_constant(node->a_const, clause, value, err);
}

/* An expression of SQL's own syntax, by way of the parser. */
static int parse_expression(const char *text, struct arena *arena, PgQuery__Node **ret_node, struct err *err)
{
	PgQuery__SelectStmt *select;
	int code = tree_parse_select(slice_of(arena_printf(arena, "SELECT 1 LIMIT %s", text)), true, arena, &select, err);

	if (code == 0)
		*ret_node = select->limit_count;
	return code;
}

static const char *bigint_of(const struct fanout_value *value, const char *type, struct arena *arena)
{
	if (value->param)
		return arena_printf(arena, "$%d::%s%s", value->param, type, strcmp(type, "int8") == 0 ? "" : "::int8");
	return arena_printf(arena, "%llu", (unsigned long long)value->number);
}

/* NULL, with the parameter in it. */
static const char *null_of(const struct fanout_value *value, const char *type, struct arena *arena)
{
	const char *bigint = bigint_of(value, type, arena);

	return arena_printf(arena, "nullif(%s, %s)", bigint, bigint);
}

/* What the shards are given for LIMIT; NULL: nothing. */
static const char *pushed_limit(const struct fanout *fanout, const char *limit_type, const char *offset_type, struct arena *arena)
{
	const struct fanout_value *limit = &fanout->limit, *offset = &fanout->offset;

	if (!limit->param && !offset->param) {
		if (limit->number > (uint64_t)INT64_MAX - offset->number)
			return NULL;
		return arena_printf(arena, "%llu", (unsigned long long)(limit->number + offset->number));
	}
	/* In numeric, since the sum may be beyond int8; least() ignores a NULL, which is no limit. */
	return arena_printf(arena, "least(%s::numeric + coalesce(%s, 0), %lld)::int8", bigint_of(limit, limit_type, arena),
			    offset->given ? bigint_of(offset, offset_type, arena) : "0", (long long)INT64_MAX);
}

static int push_limit(PgQuery__SelectStmt *select, const struct fanout *fanout, const char *limit_type, const char *offset_type,
		      struct arena *arena, struct err *err)
{
	const char *text;

	/* A lone LIMIT $1 stays as it is. */
	if (!fanout->offset.given && fanout->limit.param)
		return 0;
	text = pushed_limit(fanout, limit_type, offset_type, arena);
	if (text)
		return parse_expression(text, arena, &select->limit_count, err);
	select->limit_count = NULL;
	return 0;
}

int limit_rewrite(PgQuery__SelectStmt *select, bool pushable, struct arena *arena, struct fanout *fanout, struct err *err)
{
	const char *limit_type, *offset_type;
	int code;

	if (select->limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES)
		return check_refuse(err, "FETCH FIRST … WITH TIES");
	/* OFFSET first: PostgreSQL complains of it first. */
	code = read_clause(select->limit_offset, OFFSET, &fanout->offset, &offset_type, err);
	if (code == 0)
		code = read_clause(select->limit_count, LIMIT, &fanout->limit, &limit_type, err);
	if (code < 0)
		return code;
	select->limit_offset = NULL;
	if (fanout->limit.given && pushable) {
		code = push_limit(select, fanout, limit_type, offset_type, arena, err);
	} else {
		select->limit_count = NULL;
		if (fanout->limit.param)
			code = parse_expression(null_of(&fanout->limit, limit_type, arena), arena, &select->limit_count, err);
		if (code == 0 && fanout->offset.param)
			code = parse_expression(null_of(&fanout->offset, offset_type, arena), arena, &select->limit_offset, err);
	}
	if (!select->limit_count && !select->limit_offset)
		select->limit_option = PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_DEFAULT;
	else
		select->limit_option = PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_COUNT;
	return code;
}

static int64_t integer_of(struct slice wire)
{
	uint64_t value = 0;
	unsigned spare = (unsigned)(8 - wire.size) * 8;

	for (size_t i = 0; i < wire.size; i++)
		value = value << 8 | (unsigned char)wire.data[i];
	return (int64_t)(value << spare) >> spare;
}

static int bind(const struct fanout_value *value, const struct fanout_param *params, size_t param_count, enum clause clause,
		bool *ret_given, uint64_t *ret_number, struct err *err)
{
	struct fanout_value bound = *value;
	const struct fanout_param *param;
	int code = 0;

	if (value->param) {
		if ((size_t)value->param > param_count)
			return err_set(err, ERR_PROTOCOL, "there is no parameter $%d", value->param);
		param = &params[value->param - 1];
		bound.given = false;
		if (param->type && param->type != OID_INT2 && param->type != OID_INT4 && param->type != OID_INT8)
			return too_clever(clause, err);
		if (param->value.data && param->format == 0)
			code = read_text(param->value, clause, &bound, err);
		else if (param->value.data && (param->value.size == 2 || param->value.size == 4 || param->value.size == 8))
			code = set_number(&bound, integer_of(param->value), clause, err);
		else if (param->value.data)
			code = err_set(err, ERR_PROTOCOL, "incorrect binary data format in bind parameter %d", value->param);
	}
	*ret_given = bound.given;
	*ret_number = bound.given ? bound.number : 0;
	return code;
}

int fanout_limits(const struct fanout *fanout, const struct fanout_param *params, size_t param_count, struct merge_spec *spec,
		  struct err *err)
{
	int code = bind(&fanout->offset, params, param_count, OFFSET, &spec->has_offset, &spec->offset, err);

	if (code == 0)
		code = bind(&fanout->limit, params, param_count, LIMIT, &spec->has_limit, &spec->limit, err);
	return code;
}

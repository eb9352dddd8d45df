#include <stdio.h>
#include <string.h>

#include "admin/translate_tree.h"
#include "base/buf.h"
#include "base/limits.h"

enum { VALUES_MAX = 5000, EXPRESSIONS_MAX = 50000 };

struct piece write_value(struct writer *writer, const char *text, int param, enum value_type type)
{
	struct translation *out = writer->out;

	if (!text && !param)
		return (struct piece){ "NULL", type };
	for (size_t i = 0; i < out->value_count; i++) {
		const struct translated_value *value = &out->values[i];

		if (value->param == param && value->type == type && (param || strcmp(value->text, text) == 0))
			return (struct piece){ arena_printf(writer->arena, "?%zu", i + 1), type };
	}
	if (out->value_count == writer->value_capacity) {
		size_t capacity = writer->value_capacity ? writer->value_capacity * 2 : 16;
		struct translated_value *values = arena_alloc(writer->arena, capacity * sizeof(*values));

		if (out->value_count)
			memcpy(values, out->values, out->value_count * sizeof(*values));
		out->values = values;
		writer->value_capacity = capacity;
	}
	out->values[out->value_count++] = (struct translated_value){ param, text ? arena_strdup(writer->arena, text) : NULL, type };
	return (struct piece){ arena_printf(writer->arena, "?%zu", out->value_count), type };
}

/* ---- types ---- */

static int mismatch(struct writer *writer, const char *what, enum value_type a, enum value_type b)
{
	return translate_fail(writer, "42883", "operator does not exist: %s %s %s", value_type_name(a), what, value_type_name(b));
}

static bool is_number(enum value_type type)
{
	return type == TYPE_INT8 || type == TYPE_FLOAT8;
}

int translate_unify(struct writer *writer, enum value_type a, enum value_type b, enum value_type *ret_type)
{
	if (a == b || b == TYPE_UNKNOWN)
		*ret_type = a;
	else if (a == TYPE_UNKNOWN)
		*ret_type = b;
	else if (is_number(a) && is_number(b))
		*ret_type = TYPE_FLOAT8;
	else
		return translate_fail(writer, "42804", "types %s and %s cannot be matched", value_type_name(a), value_type_name(b));
	return 0;
}

/* A string, NULL or parameter that takes its type from what stands beside it. */
static bool is_untyped(const struct writer *writer, const PgQuery__Node *node)
{
	if (node->node_case == PG_QUERY__NODE__NODE_A_CONST)
		return node->a_const->isnull || node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL;
	if (node->node_case == PG_QUERY__NODE__NODE_PARAM_REF)
		return (size_t)node->param_ref->number > writer->out->param_count ||
		       writer->out->param_types[node->param_ref->number] == TYPE_UNKNOWN;
	return false;
}

int write_alike(struct writer *writer, struct query_scope *scope, PgQuery__Node *const *nodes, size_t count, struct piece *ret,
		enum value_type *ret_type)
{
	enum value_type type = TYPE_UNKNOWN;
	int rc;

	for (int untyped = 0; untyped < 2; untyped++) {
		for (size_t i = 0; i < count; i++) {
			if (ret[i].text || is_untyped(writer, nodes[i]) != (bool)untyped)
				continue;
			rc = write_expression(writer, scope, nodes[i], type, &ret[i]);
			if (rc == 0)
				rc = translate_unify(writer, type, ret[i].type, &type);
			if (rc < 0)
				return rc;
		}
	}
	*ret_type = type;
	return 0;
}

const char *text_of(struct writer *writer, struct piece piece)
{
	switch (piece.type) {
	case TYPE_BOOL:
		return arena_printf(writer->arena, "bool_text(%s)", piece.text);
	case TYPE_INT8:
		return arena_printf(writer->arena, "CAST(%s AS TEXT)", piece.text);
	case TYPE_FLOAT8:
		return arena_printf(writer->arena, "float_text(%s)", piece.text);
	case TYPE_TIME:
		return arena_printf(writer->arena, "time_text(%s)", piece.text);
	case TYPE_UNKNOWN:
	case TYPE_TEXT:
	case TYPE_COUNT_:
		break;
	}
	return piece.text;
}

/* ---- constants ---- */

static int write_constant(struct writer *writer, const PgQuery__AConst *constant, enum value_type want, struct piece *ret)
{
	char number[16];

	if (constant->isnull) {
		*ret = (struct piece){ "NULL", want };
		return 0;
	}
	switch (constant->val_case) {
	case PG_QUERY__A__CONST__VAL_IVAL:
		snprintf(number, sizeof(number), "%d", constant->ival->ival);
		*ret = write_value(writer, number, 0, TYPE_INT8);
		return 0;
	case PG_QUERY__A__CONST__VAL_FVAL:
		*ret = write_value(writer, constant->fval->fval, 0, strpbrk(constant->fval->fval, ".eE") ? TYPE_FLOAT8 : TYPE_INT8);
		return 0;
	case PG_QUERY__A__CONST__VAL_BOOLVAL:
		*ret = write_value(writer, constant->boolval->boolval ? "true" : "false", 0, TYPE_BOOL);
		return 0;
	case PG_QUERY__A__CONST__VAL_SVAL:
		*ret = write_value(writer, constant->sval->sval, 0, want);
		return 0;
	default:
		return translate_refuse(writer, "this kind of constant");
	}
}

static int write_param(struct writer *writer, const PgQuery__ParamRef *ref, enum value_type want, struct piece *ret)
{
	struct translation *out = writer->out;
	enum value_type *type;

	if (ref->number < 1 || ref->number > TRANSLATE_PARAMS_MAX)
		return translate_fail(writer, "42P02", "there is no parameter $%d in the nanu schema, which takes at most %d", ref->number,
			    TRANSLATE_PARAMS_MAX);
	if ((size_t)ref->number > out->param_count)
		out->param_count = (size_t)ref->number;
	type = &out->param_types[ref->number];
	if (*type == TYPE_UNKNOWN)
		*type = want;
	*ret = write_value(writer, NULL, ref->number, *type);
	return 0;
}

static int write_session_value(struct writer *writer, const PgQuery__SQLValueFunction *function, struct piece *ret)
{
	switch ((int)function->op) {
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP:
		*ret = (struct piece){ "now_us()", TYPE_TIME };
		return 0;
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_USER:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_ROLE:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_SESSION_USER:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_USER:
		*ret = write_value(writer, writer->request->user, 0, TYPE_TEXT);
		return 0;
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG:
		*ret = write_value(writer, writer->request->database, 0, TYPE_TEXT);
		return 0;
	}
	return translate_refuse(writer, "this session value");
}

/* ---- operators ---- */

static int write_arithmetic(struct writer *writer, struct query_scope *scope, const PgQuery__AExpr *expression, const char *function, struct piece *ret)
{
	PgQuery__Node *const nodes[2] = { expression->lexpr, expression->rexpr };
	struct piece sides[2] = { 0 };
	enum value_type type;
	int rc = 0;

	if (!expression->lexpr) {
		rc = write_expression(writer, scope, expression->rexpr, TYPE_INT8, &sides[1]);
		sides[0] = write_value(writer, "0", 0, TYPE_INT8);
		type = sides[1].type;
	} else {
		rc = write_alike(writer, scope, nodes, 2, sides, &type);
	}
	if (rc < 0 && sides[0].text && sides[1].text)
		return mismatch(writer, expression->name[expression->n_name - 1]->string->sval, sides[0].type, sides[1].type);
	if (rc < 0)
		return rc;
	if (!is_number(type) || (type == TYPE_FLOAT8 && strcmp(function, "modulo") == 0))
		return mismatch(writer, expression->name[expression->n_name - 1]->string->sval, sides[0].type, sides[1].type);
	*ret = (struct piece){ arena_printf(writer->arena, "%s(%s, %s)", function, sides[0].text, sides[1].text), type };
	return 0;
}

static int write_concatenation(struct writer *writer, struct query_scope *scope, const PgQuery__AExpr *expression, struct piece *ret)
{
	struct piece left, right;
	int rc = write_expression(writer, scope, expression->lexpr, TYPE_TEXT, &left);

	if (rc == 0)
		rc = write_expression(writer, scope, expression->rexpr, TYPE_TEXT, &right);
	if (rc < 0)
		return rc;
	if (left.type != TYPE_TEXT && right.type != TYPE_TEXT)
		return mismatch(writer, "||", left.type, right.type);
	*ret = (struct piece){ arena_printf(writer->arena, "(%s || %s)", text_of(writer, left), text_of(writer, right)), TYPE_TEXT };
	return 0;
}

static int write_comparison(struct writer *writer, struct query_scope *scope, const char *name, PgQuery__Node *left, PgQuery__Node *right,
			    struct piece *ret)
{
	PgQuery__Node *const nodes[2] = { left, right };
	struct piece sides[2] = { 0 };
	enum value_type type;
	int rc = write_alike(writer, scope, nodes, 2, sides, &type);

	if (rc < 0 && sides[0].text && sides[1].text)
		return mismatch(writer, name, sides[0].type, sides[1].type);
	if (rc < 0)
		return rc;
	*ret = (struct piece){ arena_printf(writer->arena, "(%s %s %s)", sides[0].text, name, sides[1].text), TYPE_BOOL };
	return 0;
}

static int write_operator(struct writer *writer, struct query_scope *scope, const PgQuery__AExpr *expression, struct piece *ret)
{
	static const struct { const char *name, *function; } arithmetic[] = {
		{ "+", "plus" }, { "-", "minus" }, { "*", "times" }, { "/", "divide" }, { "%", "modulo" },
	};
	static const char *const comparisons[] = { "=", "<>", "<", "<=", ">", ">=" };
	const char *name = expression->name[expression->n_name - 1]->string->sval;

	for (size_t i = 0; i < sizeof(arithmetic) / sizeof(arithmetic[0]); i++)
		if (strcmp(arithmetic[i].name, name) == 0 && (expression->lexpr || i == 1))
			return write_arithmetic(writer, scope, expression, arithmetic[i].function, ret);
	for (size_t i = 0; expression->lexpr && i < sizeof(comparisons) / sizeof(comparisons[0]); i++)
		if (strcmp(comparisons[i], name) == 0)
			return write_comparison(writer, scope, name, expression->lexpr, expression->rexpr, ret);
	if (strcmp(name, "||") == 0 && expression->lexpr)
		return write_concatenation(writer, scope, expression, ret);
	err_set(writer->err, ERR_UNSUPPORTED, "operator %s is not supported in the nanu schema", name);
	err_hint(writer->err, "Read the rows with a plainer SELECT, and do the rest in the application.");
	return ERR_UNSUPPORTED;
}

static int write_like(struct writer *writer, struct query_scope *scope, const PgQuery__AExpr *expression, struct piece *ret)
{
	const char *name = expression->name[0]->string->sval;
	bool negated = name[0] == '!', folded = expression->kind == PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE;
	struct piece text, pattern;
	int rc = write_expression(writer, scope, expression->lexpr, TYPE_TEXT, &text);

	if (rc == 0)
		rc = write_expression(writer, scope, expression->rexpr, TYPE_TEXT, &pattern);
	if (rc < 0)
		return rc;
	if (text.type != TYPE_TEXT || pattern.type != TYPE_TEXT)
		return mismatch(writer, name, text.type, pattern.type);
	*ret = (struct piece){ arena_printf(writer->arena, "(%s%s(%s, %s))", negated ? "NOT " : "", folded ? "like_folded" : "like_exact",
					    text.text, pattern.text), TYPE_BOOL };
	return 0;
}

/* x IN (…), x = ANY (ARRAY[…]), and their negations. */
static int write_in(struct writer *writer, struct query_scope *scope, PgQuery__Node *left, PgQuery__Node *const *items, size_t count, bool negated,
		    struct piece *ret)
{
	PgQuery__Node **nodes = arena_alloc(writer->arena, (count + 1) * sizeof(*nodes));
	struct piece *pieces = arena_calloc(writer->arena, count + 1, sizeof(*pieces));
	enum value_type type;
	struct buf out;
	int rc;

	nodes[0] = left;
	if (count)
		memcpy(nodes + 1, items, count * sizeof(*nodes));
	rc = write_alike(writer, scope, nodes, count + 1, pieces, &type);
	if (rc < 0)
		return rc;
	buf_init(&out, STATEMENT_SIZE_MAX);
	buf_printf(&out, "(%s %sIN (", pieces[0].text, negated ? "NOT " : "");
	for (size_t i = 1; i <= count; i++)
		buf_printf(&out, "%s%s", i > 1 ? ", " : "", pieces[i].text);
	buf_add_text(&out, "))");
	*ret = (struct piece){ arena_strndup(writer->arena, out.data, out.size), TYPE_BOOL };
	buf_release(&out);
	return 0;
}

static int write_any(struct writer *writer, struct query_scope *scope, const PgQuery__AExpr *expression, struct piece *ret)
{
	const char *name = expression->name[0]->string->sval;
	bool all = expression->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL;
	const PgQuery__AArrayExpr *array = expression->rexpr->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR ? expression->rexpr->a_array_expr : NULL;

	if (array && strcmp(name, all ? "<>" : "=") == 0)
		return write_in(writer, scope, expression->lexpr, array->elements, array->n_elements, all, ret);
	translate_refuse(writer, "ANY and ALL of anything but ARRAY[…]");
	err_hint(writer->err, "Use IN (…).");
	return ERR_UNSUPPORTED;
}

static int write_between(struct writer *writer, struct query_scope *scope, const PgQuery__AExpr *expression, struct piece *ret)
{
	const PgQuery__List *bounds = expression->rexpr->list;
	PgQuery__Node *const nodes[3] = { expression->lexpr, bounds->items[0], bounds->items[1] };
	bool negated = expression->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN;
	struct piece pieces[3] = { 0 };
	enum value_type type;
	int rc = write_alike(writer, scope, nodes, 3, pieces, &type);

	if (rc == 0)
		*ret = (struct piece){ arena_printf(writer->arena, "(%s %sBETWEEN %s AND %s)", pieces[0].text, negated ? "NOT " : "",
						    pieces[1].text, pieces[2].text), TYPE_BOOL };
	return rc;
}

static int write_nullif(struct writer *writer, struct query_scope *scope, const PgQuery__AExpr *expression, struct piece *ret)
{
	PgQuery__Node *const nodes[2] = { expression->lexpr, expression->rexpr };
	struct piece sides[2] = { 0 };
	enum value_type type;
	int rc = write_alike(writer, scope, nodes, 2, sides, &type);

	if (rc == 0)
		*ret = (struct piece){ arena_printf(writer->arena, "nullif(%s, %s)", sides[0].text, sides[1].text), sides[0].type };
	return rc;
}

static int write_a_expr(struct writer *writer, struct query_scope *scope, const PgQuery__AExpr *expression, struct piece *ret)
{
	switch ((int)expression->kind) {
	case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
		return write_operator(writer, scope, expression, ret);
	case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
	case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
		return write_any(writer, scope, expression, ret);
	case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
		return write_comparison(writer, scope, "IS NOT", expression->lexpr, expression->rexpr, ret);
	case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
		return write_comparison(writer, scope, "IS", expression->lexpr, expression->rexpr, ret);
	case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
		return write_nullif(writer, scope, expression, ret);
	case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
		if (expression->rexpr->node_case != PG_QUERY__NODE__NODE_LIST)
			break;
		return write_in(writer, scope, expression->lexpr, expression->rexpr->list->items, expression->rexpr->list->n_items,
				strcmp(expression->name[0]->string->sval, "<>") == 0, ret);
	case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
	case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
		return write_like(writer, scope, expression, ret);
	case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
	case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
		return write_between(writer, scope, expression, ret);
	}
	return translate_refuse(writer, "this operator");
}

/* ---- conditions ---- */

int write_condition(struct writer *writer, struct query_scope *scope, const PgQuery__Node *node, const char *where, struct piece *ret)
{
	int rc = write_expression(writer, scope, node, TYPE_BOOL, ret);

	if (rc == 0 && ret->type != TYPE_BOOL)
		rc = translate_fail(writer, "42804", "argument of %s must be type boolean, not type %s", where, value_type_name(ret->type));
	return rc;
}

static int write_logic(struct writer *writer, struct query_scope *scope, const PgQuery__BoolExpr *expression, struct piece *ret)
{
	bool both = expression->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR, not = expression->boolop == PG_QUERY__BOOL_EXPR_TYPE__NOT_EXPR;
	struct buf out;
	int rc = 0;

	buf_init(&out, STATEMENT_SIZE_MAX);
	buf_add_text(&out, not ? "(NOT " : "(");
	for (size_t i = 0; rc == 0 && i < expression->n_args; i++) {
		struct piece piece;

		rc = write_condition(writer, scope, expression->args[i], not ? "NOT" : both ? "AND" : "OR", &piece);
		if (rc == 0)
			buf_printf(&out, "%s%s", i ? (both ? " AND " : " OR ") : "", piece.text);
	}
	buf_add_text(&out, ")");
	if (rc == 0)
		*ret = (struct piece){ arena_strndup(writer->arena, out.data, out.size), TYPE_BOOL };
	buf_release(&out);
	return rc;
}

static int write_boolean_test(struct writer *writer, struct query_scope *scope, const PgQuery__BooleanTest *test, struct piece *ret)
{
	static const char *const words[] = {
		[PG_QUERY__BOOL_TEST_TYPE__IS_TRUE] = "IS TRUE", [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE] = "IS NOT TRUE",
		[PG_QUERY__BOOL_TEST_TYPE__IS_FALSE] = "IS FALSE", [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE] = "IS NOT FALSE",
		[PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN] = "IS NULL", [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_UNKNOWN] = "IS NOT NULL",
	};
	struct piece piece;
	int rc = write_condition(writer, scope, test->arg, words[test->booltesttype], &piece);

	if (rc == 0)
		*ret = (struct piece){ arena_printf(writer->arena, "(%s %s)", piece.text, words[test->booltesttype]), TYPE_BOOL };
	return rc;
}

static int write_null_test(struct writer *writer, struct query_scope *scope, const PgQuery__NullTest *test, struct piece *ret)
{
	struct piece piece;
	int rc = write_expression(writer, scope, test->arg, TYPE_UNKNOWN, &piece);

	if (rc == 0)
		*ret = (struct piece){ arena_printf(writer->arena, "(%s IS %sNULL)", piece.text,
						    test->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NOT_NULL ? "NOT " : ""), TYPE_BOOL };
	return rc;
}

/* [0]: what is compared (empty: nothing is), then the conditions, or what it is compared with. */
static int write_whens(struct writer *writer, struct query_scope *scope, const PgQuery__CaseExpr *expression, struct piece *ret)
{
	size_t count = expression->n_args;
	PgQuery__Node **nodes = arena_calloc(writer->arena, count + 1, sizeof(*nodes));
	enum value_type type;
	int rc = 0;

	nodes[0] = expression->arg;
	for (size_t i = 0; i < count; i++)
		nodes[i + 1] = expression->args[i]->case_when->expr;
	if (expression->arg)
		return write_alike(writer, scope, nodes, count + 1, ret, &type);
	ret[0].text = "";
	for (size_t i = 1; rc == 0 && i <= count; i++)
		rc = write_condition(writer, scope, nodes[i], "CASE/WHEN", &ret[i]);
	return rc;
}

static int write_case(struct writer *writer, struct query_scope *scope, const PgQuery__CaseExpr *expression, struct piece *ret)
{
	size_t count = expression->n_args;
	PgQuery__Node **results = arena_calloc(writer->arena, count + 1, sizeof(*results));
	struct piece *pieces = arena_calloc(writer->arena, count + 1, sizeof(*pieces));
	struct piece *whens = arena_calloc(writer->arena, count + 1, sizeof(*whens));
	enum value_type type;
	struct buf out;
	int rc;

	for (size_t i = 0; i < count; i++)
		results[i] = expression->args[i]->case_when->result;
	results[count] = expression->defresult;
	rc = write_alike(writer, scope, results, count + (expression->defresult ? 1 : 0), pieces, &type);
	if (rc == 0)
		rc = write_whens(writer, scope, expression, whens);
	if (rc < 0)
		return rc;
	buf_init(&out, STATEMENT_SIZE_MAX);
	buf_printf(&out, "(CASE %s", whens[0].text);
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, " WHEN %s THEN %s", whens[i + 1].text, pieces[i].text);
	if (expression->defresult)
		buf_printf(&out, " ELSE %s", pieces[count].text);
	buf_add_text(&out, " END)");
	*ret = (struct piece){ arena_strndup(writer->arena, out.data, out.size), type };
	buf_release(&out);
	return 0;
}

/* coalesce, greatest, least */
static int write_choice(struct writer *writer, struct query_scope *scope, const char *function, PgQuery__Node *const *nodes, size_t count,
			struct piece *ret)
{
	struct piece *pieces = arena_calloc(writer->arena, count + 1, sizeof(*pieces));
	enum value_type type;
	struct buf out;
	int rc = write_alike(writer, scope, nodes, count, pieces, &type);

	if (rc < 0)
		return rc;
	if (count == 1) {
		*ret = pieces[0];
		return 0;
	}
	buf_init(&out, STATEMENT_SIZE_MAX);
	buf_printf(&out, "%s(", function);
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "%s%s", i ? ", " : "", pieces[i].text);
	buf_add_text(&out, ")");
	*ret = (struct piece){ arena_strndup(writer->arena, out.data, out.size), type };
	buf_release(&out);
	return 0;
}

/* ---- subqueries ---- */

static int write_sublink(struct writer *writer, struct query_scope *scope, const PgQuery__SubLink *link, struct piece *ret)
{
	struct columns columns = { 0 };
	enum value_type type;
	struct piece test;
	const char *sql;
	int rc;

	if (link->subselect->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
		return translate_refuse(writer, "this kind of subquery");
	rc = write_select(writer, link->subselect->select_stmt, scope, &sql, &columns);
	if (rc < 0)
		return rc;
	if (link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK) {
		*ret = (struct piece){ arena_printf(writer->arena, "EXISTS (%s)", sql), TYPE_BOOL };
		return 0;
	}
	if (columns.count != 1)
		return translate_fail(writer, "42601", "subquery must return only one column");
	if (link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK) {
		/* SQLite would take the first of several rows */
		*ret = (struct piece){ arena_printf(writer->arena, "(SELECT only_row(c1) FROM (%s))", sql), columns.items[0].piece.type };
		return 0;
	}
	if (link->sub_link_type != PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK ||
	    (link->n_oper_name && strcmp(link->oper_name[0]->string->sval, "=") != 0))
		return translate_refuse(writer, "this kind of subquery");
	rc = write_expression(writer, scope, link->testexpr, columns.items[0].piece.type, &test);
	if (rc == 0)
		rc = translate_unify(writer, test.type, columns.items[0].piece.type, &type);
	if (rc == 0)
		*ret = (struct piece){ arena_printf(writer->arena, "(%s IN (%s))", test.text, sql), TYPE_BOOL };
	return rc;
}

/* ---- any expression ---- */

static int write_node(struct writer *writer, struct query_scope *scope, const PgQuery__Node *node, enum value_type want, struct piece *ret)
{
	switch ((int)node->node_case) {
	case PG_QUERY__NODE__NODE_COLUMN_REF:
		return find_column(writer, scope, node->column_ref, ret);
	case PG_QUERY__NODE__NODE_A_CONST:
		return write_constant(writer, node->a_const, want, ret);
	case PG_QUERY__NODE__NODE_PARAM_REF:
		return write_param(writer, node->param_ref, want, ret);
	case PG_QUERY__NODE__NODE_TYPE_CAST:
		return write_cast(writer, scope, node->type_cast, ret);
	case PG_QUERY__NODE__NODE_A_EXPR:
		return write_a_expr(writer, scope, node->a_expr, ret);
	case PG_QUERY__NODE__NODE_BOOL_EXPR:
		return write_logic(writer, scope, node->bool_expr, ret);
	case PG_QUERY__NODE__NODE_NULL_TEST:
		return write_null_test(writer, scope, node->null_test, ret);
	case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
		return write_boolean_test(writer, scope, node->boolean_test, ret);
	case PG_QUERY__NODE__NODE_CASE_EXPR:
		return write_case(writer, scope, node->case_expr, ret);
	case PG_QUERY__NODE__NODE_COALESCE_EXPR:
		return write_choice(writer, scope, "coalesce", node->coalesce_expr->args, node->coalesce_expr->n_args, ret);
	case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
		return write_choice(writer, scope, node->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least",
				    node->min_max_expr->args, node->min_max_expr->n_args, ret);
	case PG_QUERY__NODE__NODE_FUNC_CALL:
		return write_call(writer, scope, node->func_call, ret);
	case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
		return write_session_value(writer, node->sqlvalue_function, ret);
	case PG_QUERY__NODE__NODE_SUB_LINK:
		return write_sublink(writer, scope, node->sub_link, ret);
	}
	return translate_refuse(writer, "this kind of expression");
}

int write_expression(struct writer *writer, struct query_scope *scope, const PgQuery__Node *node, enum value_type want, struct piece *ret)
{
	const char *ungrouped = scope->ungrouped;
	int rc;

	/* GROUP BY 1 writes an expression twice, and what is nested in it four times, … */
	if (++writer->expression_count > EXPRESSIONS_MAX)
		return err_set(writer->err, ERR_LIMIT, "more than %d expressions in a statement on the nanu schema", EXPRESSIONS_MAX);
	rc = write_node(writer, scope, node, want, ret);
	if (rc == 0 && writer->out->value_count > VALUES_MAX)
		return err_set(writer->err, ERR_LIMIT, "more than %d values in a statement on the nanu schema", VALUES_MAX);
	/* an expression that GROUP BY names is grouped, whatever columns are in it */
	for (size_t i = 0; rc == 0 && i < scope->group_count; i++)
		if (strcmp(scope->groups[i], ret->text) == 0)
			scope->ungrouped = ungrouped;
	return rc;
}

#include "route/fanout_name.h"

/* How good a name is: a cast's type gives way to a better one inside, and CASE to its ELSE. */
enum { NO_NAME, WEAK_NAME, GOOD_NAME };

static int suggest(const PgQuery__Node *node, const char **ret_name);

static int good(const char *name, const char **ret_name)
{
	if (!name)
		return NO_NAME;
	*ret_name = name;
	return GOOD_NAME;
}

static const char *last_name(PgQuery__Node *const *names, size_t count)
{
	for (size_t i = count; i > 0; i--)
		if (tree_name(names, count, i - 1))
			return tree_name(names, count, i - 1);
	return NULL;
}

static int suggest_cast(const PgQuery__TypeCast *cast, const char **ret_name)
{
	int strength = suggest(cast->arg, ret_name);

	if (strength > WEAK_NAME || cast->type_name->n_names == 0)
		return strength;
	*ret_name = last_name(cast->type_name->names, cast->type_name->n_names);
	return WEAK_NAME;
}

static int suggest_case(const PgQuery__CaseExpr *expr, const char **ret_name)
{
	int strength = expr->defresult ? suggest(expr->defresult, ret_name) : NO_NAME;

	if (strength > WEAK_NAME)
		return strength;
	*ret_name = "case";
	return WEAK_NAME;
}

static const char *sql_value_name(PgQuery__SQLValueFunctionOp op)
{
	switch (op) {
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE:
		return "current_date";
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME_N:
		return "current_time";
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N:
		return "current_timestamp";
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N:
		return "localtime";
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP:
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N:
		return "localtimestamp";
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_ROLE:
		return "current_role";
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_USER:
		return "current_user";
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_USER:
		return "user";
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_SESSION_USER:
		return "session_user";
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG:
		return "current_catalog";
	case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA:
		return "current_schema";
	default:
		return NULL;
	}
}

static const char *xml_name(PgQuery__XmlExprOp op)
{
	switch (op) {
	case PG_QUERY__XML_EXPR_OP__IS_XMLCONCAT:
		return "xmlconcat";
	case PG_QUERY__XML_EXPR_OP__IS_XMLELEMENT:
		return "xmlelement";
	case PG_QUERY__XML_EXPR_OP__IS_XMLFOREST:
		return "xmlforest";
	case PG_QUERY__XML_EXPR_OP__IS_XMLPARSE:
		return "xmlparse";
	case PG_QUERY__XML_EXPR_OP__IS_XMLPI:
		return "xmlpi";
	case PG_QUERY__XML_EXPR_OP__IS_XMLROOT:
		return "xmlroot";
	default:
		return NULL;
	}
}

static int suggest(const PgQuery__Node *node, const char **ret_name)
{
	switch ((int)node->node_case) {
	case PG_QUERY__NODE__NODE_COLUMN_REF:
		return good(last_name(node->column_ref->fields, node->column_ref->n_fields), ret_name);
	case PG_QUERY__NODE__NODE_A_INDIRECTION:
		if (good(last_name(node->a_indirection->indirection, node->a_indirection->n_indirection), ret_name) == GOOD_NAME)
			return GOOD_NAME;
		return suggest(node->a_indirection->arg, ret_name);
	case PG_QUERY__NODE__NODE_FUNC_CALL:
		return good(last_name(node->func_call->funcname, node->func_call->n_funcname), ret_name);
	case PG_QUERY__NODE__NODE_A_EXPR:
		return good(node->a_expr->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF ? "nullif" : NULL, ret_name);
	case PG_QUERY__NODE__NODE_TYPE_CAST:
		return suggest_cast(node->type_cast, ret_name);
	case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
		return suggest(node->collate_clause->arg, ret_name);
	case PG_QUERY__NODE__NODE_CASE_EXPR:
		return suggest_case(node->case_expr, ret_name);
	case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
		return good("array", ret_name);
	case PG_QUERY__NODE__NODE_ROW_EXPR:
		return good("row", ret_name);
	case PG_QUERY__NODE__NODE_COALESCE_EXPR:
		return good("coalesce", ret_name);
	case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
		return good(node->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least", ret_name);
	case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
		return good(sql_value_name(node->sqlvalue_function->op), ret_name);
	case PG_QUERY__NODE__NODE_XML_EXPR:
		return good(xml_name(node->xml_expr->op), ret_name);
	case PG_QUERY__NODE__NODE_XML_SERIALIZE:
		return good("xmlserialize", ret_name);
	}
	return NO_NAME;
}

const char *output_name(const PgQuery__ResTarget *target)
{
	const char *name = NULL;

	if (target->name[0])
		return target->name;
	return suggest(target->val, &name) == NO_NAME ? "?column?" : name;
}

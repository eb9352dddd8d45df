#include "sql/shape_make.h"

#include <limits.h>
#include <string.h>

#include "sql/lexer.h"

static bool is_node(const PgQuery__Node *node, PgQuery__Node__NodeCase kind)
{
	return node && node->node_case == kind;
}

const struct literal *literal_from(const struct fingerprint *fingerprint, uint32_t location)
{
	size_t low = 0, high = fingerprint->literal_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fingerprint->literals[middle].offset < location)
			low = middle + 1;
		else
			high = middle;
	}
	return low < fingerprint->literal_count ? &fingerprint->literals[low] : NULL;
}

/* The signs between `from` and `to`, where the parser folded them into the number: is their product negative? Anything but
 * minus signs and parentheses says that this is not so: then *ret_known is false. */
static bool signs_negate(const struct maker *maker, uint32_t from, uint32_t to, bool *ret_known)
{
	struct lexer lexer;
	struct token token;
	bool negated = false;

	lexer_init(&lexer, slice_make(maker->sql.data + from, to - from), maker->fingerprint->standard_strings);
	*ret_known = true;
	while (lexer_next(&lexer, &token) == 1) {
		if (token_is(&token, '-'))
			negated = !negated;
		else if (!token_is(&token, '('))
			*ret_known = false;
	}
	return negated;
}

/* The parser's location of a constant is that of its token, or of the minus before it. */
static void literal_read(struct maker *maker, int32_t location, struct value *value)
{
	const struct literal *literal;
	bool known = true;

	if (!maker->fingerprint || location < 0 || (size_t)location >= maker->sql.size)
		return;
	literal = literal_from(maker->fingerprint, (uint32_t)location);
	if (!literal || literal->slot > INT_MAX)
		return;
	if (literal->offset != (uint32_t)location) {
		if (literal->class != LITERAL_INTEGER && literal->class != LITERAL_DECIMAL)
			return;
		value->negated = signs_negate(maker, (uint32_t)location, literal->offset, &known);
	}
	if (!known)
		return;
	value->kind = VALUE_LITERAL;
	value->slot = (int)literal->slot;
}

static void const_read(struct maker *maker, const PgQuery__AConst *constant, struct value *value)
{
	if (constant->isnull)
		value->kind = VALUE_NULL;
	else if (constant->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL)
		value->kind = constant->boolval->boolval ? VALUE_TRUE : VALUE_FALSE;
	else
		literal_read(maker, constant->location, value);
}

/* "schema.name" of a type without modifiers; NULL for others. */
static const char *type_text(struct maker *maker, const PgQuery__TypeName *type, size_t array_bounds)
{
	if (type->setof || type->pct_type || type->n_typmods || type->n_array_bounds != array_bounds)
		return NULL;
	return dotted_name(maker, type->names, type->n_names);
}

/* A value without a cast. */
static void atom_read(struct maker *maker, const PgQuery__Node *node, struct value *value)
{
	if (is_node(node, PG_QUERY__NODE__NODE_A_CONST))
		const_read(maker, node->a_const, value);
	else if (is_node(node, PG_QUERY__NODE__NODE_SET_TO_DEFAULT))
		value->kind = VALUE_DEFAULT;
	else if (is_node(node, PG_QUERY__NODE__NODE_PARAM_REF) && node->param_ref->number > 0) {
		value->kind = VALUE_PARAM;
		value->param = node->param_ref->number;
	}
}

static void cast_read(struct maker *maker, const PgQuery__Node *node, size_t array_bounds, struct value *ret_value)
{
	*ret_value = (struct value){ .kind = VALUE_OPAQUE };
	if (!is_node(node, PG_QUERY__NODE__NODE_TYPE_CAST)) {
		atom_read(maker, node, ret_value);
		return;
	}
	if (!node->type_cast->type_name)
		return;
	ret_value->cast = type_text(maker, node->type_cast->type_name, array_bounds);
	if (ret_value->cast)
		atom_read(maker, node->type_cast->arg, ret_value);
	if (ret_value->kind == VALUE_OPAQUE || ret_value->kind == VALUE_DEFAULT)
		*ret_value = (struct value){ .kind = VALUE_OPAQUE };
}

void value_read(struct maker *maker, const PgQuery__Node *node, struct value *ret_value)
{
	cast_read(maker, node, 0, ret_value);
}

/* A column as written; false for anything else, also for a.b.c.d and t.*. */
static bool column_read(struct maker *maker, const PgQuery__Node *node, struct column_ref *ret_column)
{
	const char *parts[3] = { NULL };
	size_t count;

	*ret_column = (struct column_ref){ 0 };
	if (!is_node(node, PG_QUERY__NODE__NODE_COLUMN_REF))
		return false;
	count = node->column_ref->n_fields;
	if (count < 1 || count > 3)
		return false;
	for (size_t i = 0; i < count; i++) {
		parts[i] = text_or_null(maker, node_string(node->column_ref->fields[i]));
		if (!parts[i])
			return false;
	}
	ret_column->name = parts[count - 1];
	ret_column->qualifier = count > 1 ? parts[count - 2] : NULL;
	ret_column->qualifier_schema = count > 2 ? parts[0] : NULL;
	return true;
}

/* = or OPERATOR(pg_catalog.=). */
static bool is_equals(const PgQuery__AExpr *expression)
{
	size_t count = expression->n_name;
	const char *name = count ? node_string(expression->name[count - 1]) : NULL;

	if (!name || strcmp(name, "=") != 0 || count > 2)
		return false;
	name = node_string(expression->name[0]);
	return count == 1 || (name && strcmp(name, "pg_catalog") == 0);
}

static struct equality *equality_add(struct maker *maker, int scope, enum equality_strength strength, struct column_ref left)
{
	struct equality *equality = vector_add(&maker->equalities, maker->arena, sizeof(*equality));

	*equality = (struct equality){ .scope = scope, .strength = strength, .left = left, .join = -1 };
	return equality;
}

void equality_of_columns(struct maker *maker, int scope, enum equality_strength strength, struct column_ref left,
			 struct column_ref right)
{
	struct equality *equality = equality_add(maker, scope, strength, left);

	equality->is_column = true;
	equality->right = right;
}

static bool same_value(const struct value *a, const struct value *b)
{
	return a->kind == VALUE_LITERAL && b->kind == VALUE_LITERAL && a->slot == b->slot && a->negated == b->negated;
}

/* C does not let T ** become const T *const * by itself. */
static const PgQuery__Node *const *as_const(PgQuery__Node **nodes)
{
	return (const PgQuery__Node *const *)nodes;
}

/* column = one of `nodes`, each perhaps of the type `cast`. Literals of one slot (a collapsed list) are one value. */
static void equality_of_list(struct maker *maker, int scope, enum equality_strength strength, struct column_ref left,
			     const PgQuery__Node *const *nodes, size_t count, const char *cast)
{
	struct equality *equality;
	struct value *values = arena_calloc(maker->arena, count ? count : 1, sizeof(*values));
	size_t value_count = 0;

	for (size_t i = 0; i < count; i++) {
		struct value *value = &values[value_count];

		value_read(maker, nodes[i], value);
		if (value->kind == VALUE_OPAQUE || value->kind == VALUE_DEFAULT || (cast && value->cast))
			return;
		if (cast)
			value->cast = cast;
		if (value_count == 0 || !same_value(value - 1, value))
			value_count++;
	}
	equality = equality_add(maker, scope, strength, left);
	equality->values = values;
	equality->value_count = value_count;
}

/* column = ANY (ARRAY[…]), = ANY ('{…}'), = ANY ($1), each perhaps cast to an array type. */
static void equality_of_array(struct maker *maker, int scope, enum equality_strength strength, struct column_ref left,
			      const PgQuery__Node *array)
{
	const PgQuery__Node *inner = array;
	const char *cast = NULL;
	struct value *value;

	if (is_node(array, PG_QUERY__NODE__NODE_TYPE_CAST) && array->type_cast->type_name) {
		inner = array->type_cast->arg;
		cast = type_text(maker, array->type_cast->type_name, 1);
		if (!cast)
			return;
	}
	if (is_node(inner, PG_QUERY__NODE__NODE_A_ARRAY_EXPR)) {
		equality_of_list(maker, scope, strength, left, as_const(inner->a_array_expr->elements),
				 inner->a_array_expr->n_elements, cast);
		return;
	}
	value = arena_calloc(maker->arena, 1, sizeof(*value));
	atom_read(maker, inner, value);
	if (value->kind != VALUE_LITERAL && value->kind != VALUE_PARAM)
		return;
	value->cast = cast;
	struct equality *equality = equality_add(maker, scope, strength, left);

	equality->values = value;
	equality->value_count = 1;
	equality->array = true;
}

static void equality_of_pair(struct maker *maker, int scope, enum equality_strength strength, const PgQuery__Node *left,
			     const PgQuery__Node *right)
{
	struct column_ref column, other;

	if (!column_read(maker, left, &column)) {
		const PgQuery__Node *swapped = left;

		left = right;
		right = swapped;
		if (!column_read(maker, left, &column))
			return;
	}
	if (column_read(maker, right, &other))
		equality_of_columns(maker, scope, strength, column, other);
	else
		equality_of_list(maker, scope, strength, column, &right, 1, NULL);
}

/* a = b, or ROW(a, b) = ROW(c, d) as a = c AND b = d. */
static void equality_of_sides(struct maker *maker, int scope, enum equality_strength strength, const PgQuery__Node *left,
			      const PgQuery__Node *right)
{
	if (!is_node(left, PG_QUERY__NODE__NODE_ROW_EXPR) || !is_node(right, PG_QUERY__NODE__NODE_ROW_EXPR)) {
		equality_of_pair(maker, scope, strength, left, right);
		return;
	}
	if (left->row_expr->n_args != right->row_expr->n_args)
		return;
	for (size_t i = 0; i < left->row_expr->n_args; i++)
		equality_of_pair(maker, scope, strength, left->row_expr->args[i], right->row_expr->args[i]);
}

static void equality_of_expression(struct maker *maker, const PgQuery__AExpr *expression, int scope,
				   enum equality_strength strength)
{
	struct column_ref column;

	if (!is_equals(expression))
		return;
	if (expression->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP) {
		if (expression->lexpr && expression->rexpr)
			equality_of_sides(maker, scope, strength, expression->lexpr, expression->rexpr);
		return;
	}
	if (!column_read(maker, expression->lexpr, &column))
		return;
	if (expression->kind == PG_QUERY__A__EXPR__KIND__AEXPR_IN && is_node(expression->rexpr, PG_QUERY__NODE__NODE_LIST))
		equality_of_list(maker, scope, strength, column, as_const(expression->rexpr->list->items),
				 expression->rexpr->list->n_items, NULL);
	else if (expression->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY)
		equality_of_array(maker, scope, strength, column, expression->rexpr);
}

void equalities_add(struct maker *maker, const PgQuery__Node *condition, int scope, enum equality_strength strength)
{
	if (is_node(condition, PG_QUERY__NODE__NODE_A_EXPR))
		equality_of_expression(maker, condition->a_expr, scope, strength);
	else if (is_node(condition, PG_QUERY__NODE__NODE_BOOL_EXPR) &&
		 condition->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR)
		for (size_t i = 0; i < condition->bool_expr->n_args; i++)
			equalities_add(maker, condition->bool_expr->args[i], scope, strength);
}

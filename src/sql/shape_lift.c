#include "sql/lift.h"
#include "sql/shape_make.h"

/* Only where a Const and a Param of the same type are read alike: operands of plain operators and lists in WHERE, values of INSERT, operands in
 * UPDATE's SET. Elsewhere a constant may be a position (ORDER BY 1), must equal another (GROUP BY a % 2), or names what an index was made with
 * (ON CONFLICT (…) WHERE a = 1). What PostgreSQL computes of constants while it plans (1 / 0, a value made the column's type by SET) stays as it is:
 * there it fails although no row comes to it.
 */

static void lift_const(struct maker *maker, const PgQuery__AConst *constant)
{
	const struct literal *literal;
	uint32_t location = (uint32_t)constant->location;

	if (constant->isnull || constant->location < 0 || location >= maker->sql.size)
		return;
	literal = literal_from(maker->fingerprint, location);
	if (!literal || literal->class != LITERAL_INTEGER || literal->kept || literal->slot >= maker->fingerprint->slot_count)
		return;
	if (literal->offset == location)
		maker->shape->lifts[literal->slot] |= LIFT_PLAIN;
	else if (lift_minus_before(maker->sql, literal->offset) == location)
		maker->shape->lifts[literal->slot] |= LIFT_MINUS;
}

/* Is it known of `node` that its value depends on a row? */
static bool varies(const PgQuery__Node *node)
{
	if (!node)
		return false;
	switch (node->node_case) {
	case PG_QUERY__NODE__NODE_COLUMN_REF:
	case PG_QUERY__NODE__NODE_SUB_LINK:
		return true;
	case PG_QUERY__NODE__NODE_TYPE_CAST:
		return varies(node->type_cast->arg);
	case PG_QUERY__NODE__NODE_A_INDIRECTION:
		return varies(node->a_indirection->arg);
	case PG_QUERY__NODE__NODE_A_EXPR:
		return varies(node->a_expr->lexpr) || varies(node->a_expr->rexpr);
	case PG_QUERY__NODE__NODE_FUNC_CALL:
		for (size_t i = 0; i < node->func_call->n_args; i++)
			if (varies(node->func_call->args[i]))
				return true;
		return false;
	default:
		return false;
	}
}

static void lift_expression(struct maker *maker, const PgQuery__Node *node);

static void lift_operand(struct maker *maker, const PgQuery__Node *node, const PgQuery__Node *other)
{
	if (node && (node->node_case != PG_QUERY__NODE__NODE_A_CONST || varies(other)))
		lift_expression(maker, node);
}

static void lift_expression(struct maker *maker, const PgQuery__Node *node)
{
	if (!node)
		return;
	if (node->node_case == PG_QUERY__NODE__NODE_A_CONST) {
		lift_const(maker, node->a_const);
	} else if (node->node_case == PG_QUERY__NODE__NODE_LIST) {
		for (size_t i = 0; i < node->list->n_items; i++)
			lift_expression(maker, node->list->items[i]);
	} else if (node->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR) {
		for (size_t i = 0; i < node->bool_expr->n_args; i++)
			lift_expression(maker, node->bool_expr->args[i]);
	} else if (node->node_case == PG_QUERY__NODE__NODE_A_EXPR) {
		switch (node->a_expr->kind) {
		case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
			lift_operand(maker, node->a_expr->lexpr, node->a_expr->rexpr);
			lift_operand(maker, node->a_expr->rexpr, node->a_expr->lexpr);
			break;
		case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
		case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
		case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
			if (!varies(node->a_expr->lexpr))
				break;
			lift_operand(maker, node->a_expr->lexpr, NULL);
			lift_expression(maker, node->a_expr->rexpr);
			break;
		default:
			break;
		}
	}
}

static void lift_rows(struct maker *maker, const PgQuery__Node *source)
{
	if (!source || source->node_case != PG_QUERY__NODE__NODE_SELECT_STMT || source->select_stmt->with_clause)
		return;
	for (size_t i = 0; i < source->select_stmt->n_values_lists; i++)
		lift_expression(maker, source->select_stmt->values_lists[i]);
}

void lifts_read(struct maker *maker, const PgQuery__Node *statement)
{
	if (!maker->lone || !maker->fingerprint || maker->shape->param_max || !maker->fingerprint->slot_count)
		return;
	maker->shape->lifts = arena_calloc(maker->arena, maker->fingerprint->slot_count, sizeof(*maker->shape->lifts));
	switch (statement->node_case) {
	case PG_QUERY__NODE__NODE_SELECT_STMT:
		lift_expression(maker, statement->select_stmt->where_clause);
		break;
	case PG_QUERY__NODE__NODE_INSERT_STMT:
		lift_rows(maker, statement->insert_stmt->select_stmt);
		break;
	case PG_QUERY__NODE__NODE_UPDATE_STMT:
		for (size_t i = 0; i < statement->update_stmt->n_target_list; i++)
			if (statement->update_stmt->target_list[i]->node_case == PG_QUERY__NODE__NODE_RES_TARGET)
				lift_operand(maker, statement->update_stmt->target_list[i]->res_target->val, NULL);
		lift_expression(maker, statement->update_stmt->where_clause);
		break;
	case PG_QUERY__NODE__NODE_DELETE_STMT:
		lift_expression(maker, statement->delete_stmt->where_clause);
		break;
	default:
		break;
	}
}

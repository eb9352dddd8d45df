#include "sql/lift.h"
#include "sql/shape_make.h"

/* Only where a Const and a Param of the same type are read alike: operands of plain operators and lists in WHERE, values of INSERT and of UPDATE's
 * SET. Elsewhere a constant may be a position (ORDER BY 1), must equal another (GROUP BY a % 2), or names what an index was made with
 * (ON CONFLICT (…) WHERE a = 1). */

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
		case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
		case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
		case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
			lift_expression(maker, node->a_expr->lexpr);
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
				lift_expression(maker, statement->update_stmt->target_list[i]->res_target->val);
		lift_expression(maker, statement->update_stmt->where_clause);
		break;
	case PG_QUERY__NODE__NODE_DELETE_STMT:
		lift_expression(maker, statement->delete_stmt->where_clause);
		break;
	default:
		break;
	}
}

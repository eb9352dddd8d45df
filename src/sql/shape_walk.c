#include "sql/shape_make.h"

#include <string.h>

/* Walks what is below a message, whatever type it has, by protobuf's own descriptions of the fields: no node type that the
 * parser knows can be forgotten. */
static void walk_below(struct maker *maker, const ProtobufCMessage *message, int scope)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	const char *base = (const char *)message;

	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		const void *member = base + field->offset, *quantifier = base + field->quantifier_offset;

		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			ProtobufCMessage *const *items = *(ProtobufCMessage *const *const *)member;
			size_t count = *(const size_t *)quantifier;

			for (size_t k = 0; k < count; k++)
				walk(maker, items[k], scope);
		} else if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) || *(const uint32_t *)quantifier == field->id) {
			const ProtobufCMessage *item = *(ProtobufCMessage *const *)member;

			if (item)
				walk(maker, item, scope);
		}
	}
}

static void note_call(struct maker *maker, const PgQuery__FuncCall *call, int scope)
{
	struct function_ref *function = vector_add(&maker->functions, maker->arena, sizeof(*function));
	size_t count = call->n_funcname;

	*function = (struct function_ref){
		.schema = count > 1 ? text_or_null(maker, node_string(call->funcname[count - 2])) : NULL,
		.name = count ? text_or_null(maker, node_string(call->funcname[count - 1])) : NULL,
		.scope = scope,
		.star = call->agg_star,
		.distinct = call->agg_distinct,
		.filter = call->agg_filter != NULL,
		.over = call->over != NULL,
		.ordered = call->n_agg_order > 0 && !call->agg_within_group,
		.within_group = call->agg_within_group,
	};
	scope_at(maker, scope)->window |= function->over;
}

static void note_sql_value(struct shape *shape, const PgQuery__SQLValueFunction *value)
{
	if (value->op <= PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N)
		shape->time_value = true;
	else
		shape->session_value = true;
}

static void note_param(struct maker *maker, int number)
{
	if (number < 1 || number > UINT16_MAX)
		return;                 /* more than Bind can bring */
	while (maker->param_uses.count < (size_t)number)
		vector_add(&maker->param_uses, maker->arena, sizeof(unsigned));
	((unsigned *)maker->param_uses.items)[number - 1]++;
	if (number > maker->shape->param_max)
		maker->shape->param_max = number;
}

void walk(struct maker *maker, const ProtobufCMessage *message, int scope)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;

	if (type == &pg_query__node__descriptor) {
		const PgQuery__Node *node = (const PgQuery__Node *)message;

		switch (node->node_case) {
		case PG_QUERY__NODE__NODE_SELECT_STMT: case PG_QUERY__NODE__NODE_INSERT_STMT:
		case PG_QUERY__NODE__NODE_UPDATE_STMT: case PG_QUERY__NODE__NODE_DELETE_STMT:
		case PG_QUERY__NODE__NODE_MERGE_STMT:
			walk_query(maker, node, scope_add(maker, SCOPE_SUBLINK, scope));
			return;
		default:
			break;
		}
	} else if (type == &pg_query__range_var__descriptor) {
		table_add(maker, (const PgQuery__RangeVar *)message, scope);
	} else if (type == &pg_query__func_call__descriptor) {
		note_call(maker, (const PgQuery__FuncCall *)message, scope);
	} else if (type == &pg_query__sqlvalue_function__descriptor) {
		note_sql_value(maker->shape, (const PgQuery__SQLValueFunction *)message);
	} else if (type == &pg_query__param_ref__descriptor) {
		note_param(maker, ((const PgQuery__ParamRef *)message)->number);
	} else if (type == &pg_query__current_of_expr__descriptor) {
		maker->shape->current_of = text_or_null(maker, ((const PgQuery__CurrentOfExpr *)message)->cursor_name);
	} else if (type == &pg_query__multi_assign_ref__descriptor) {
		if (((const PgQuery__MultiAssignRef *)message)->colno > 1)
			return;                 /* SET (a, b) = (SELECT …): each column has the same source */
	} else if (type == &pg_query__locking_clause__descriptor) {
		return;                         /* FOR UPDATE OF t names tables of the FROM */
	}
	walk_below(maker, message, scope);
}

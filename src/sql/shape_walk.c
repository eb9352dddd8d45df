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

static bool is_passing(struct maker *maker, const PgQuery__FuncCall *call)
{
	const PgQuery__Node *name = call->n_args == 3 ? call->args[0] : NULL;
	struct value local;

	if (!name || name->node_case != PG_QUERY__NODE__NODE_A_CONST || name->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL ||
	    !strchr(name->a_const->sval->sval, '.'))
		return false;
	value_read(maker, call->args[2], &local);
	return local.kind == VALUE_TRUE;
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
		.passing = is_passing(maker, call),
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

static void note_word(struct maker *maker, const char *name, bool field)
{
	const struct word_ref *last = maker->words.count ? (struct word_ref *)maker->words.items + maker->words.count - 1 : NULL;
	struct word_ref *word;

	if (!name || !name[0] || (last && last->field == field && strcmp(last->name, name) == 0))
		return;
	word = vector_add(&maker->words, maker->arena, sizeof(*word));
	*word = (struct word_ref){ .name = arena_strdup(maker->arena, name), .field = field };
}

static void note_last(struct maker *maker, PgQuery__Node *const *names, size_t count, bool field)
{
	note_word(maker, count ? node_string(names[count - 1]) : NULL, field);
}

/* What is written in it that may run code, and is no call. */
static void note_words(struct maker *maker, const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;

	if (type == &pg_query__a__expr__descriptor) {
		const PgQuery__AExpr *expr = (const PgQuery__AExpr *)message;

		note_last(maker, expr->name, expr->n_name, false);
	} else if (type == &pg_query__sub_link__descriptor) {
		const PgQuery__SubLink *link = (const PgQuery__SubLink *)message;

		note_last(maker, link->oper_name, link->n_oper_name, false);
	} else if (type == &pg_query__sort_by__descriptor) {
		const PgQuery__SortBy *sort = (const PgQuery__SortBy *)message;

		note_last(maker, sort->use_op, sort->n_use_op, false);
	} else if (type == &pg_query__type_name__descriptor) {
		const PgQuery__TypeName *name = (const PgQuery__TypeName *)message;

		note_last(maker, name->names, name->n_names, false);
		if (name->pct_type)     /* table.column%TYPE */
			note_word(maker, name->n_names > 1 ? node_string(name->names[name->n_names - 2]) : NULL, false);
	} else if (type == &pg_query__object_with_args__descriptor) {
		const PgQuery__ObjectWithArgs *object = (const PgQuery__ObjectWithArgs *)message;

		note_last(maker, object->objname, object->n_objname, false);
	} else if (type == &pg_query__column_ref__descriptor) {
		const PgQuery__ColumnRef *ref = (const PgQuery__ColumnRef *)message;

		if (ref->n_fields > 1)
			note_last(maker, ref->fields, ref->n_fields, true);
	} else if (type == &pg_query__a__indirection__descriptor) {
		const PgQuery__AIndirection *taken = (const PgQuery__AIndirection *)message;

		for (size_t i = 0; i < taken->n_indirection; i++)
			note_word(maker, node_string(taken->indirection[i]), true);
	}
}

static void note_param(struct maker *maker, int number)
{
	if (!maker->lone || number < 1 || number > UINT16_MAX)
		return;                 /* nothing binds them, or more than Bind can bring */
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
	note_words(maker, message);
	walk_below(maker, message, scope);
}

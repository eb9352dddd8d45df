/* shape_keys: the unique and foreign keys that a definition adds. */
#include <string.h>

#include "sql/shape_make.h"

static const char **names_of(struct maker *maker, PgQuery__Node *const *items, size_t count, size_t *ret_count)
{
	const char **names = arena_alloc(maker->arena, (count + 1) * sizeof(*names));

	*ret_count = 0;
	for (size_t i = 0; i < count; i++) {
		const char *name = NULL;

		if (items[i]->node_case == PG_QUERY__NODE__NODE_INDEX_ELEM)
			name = text_or_null(maker, items[i]->index_elem->name);
		else if (items[i]->node_case == PG_QUERY__NODE__NODE_STRING)
			name = text_or_null(maker, items[i]->string->sval);
		if (name)
			names[(*ret_count)++] = name;
	}
	return names;
}

static struct shape_key *add(struct maker *maker)
{
	struct shape *shape = maker->shape;
	struct shape_key *keys = arena_calloc(maker->arena, shape->key_count + 1, sizeof(*keys));

	for (size_t i = 0; i < shape->key_count; i++)
		keys[i] = shape->keys[i];
	shape->keys = keys;
	return &keys[shape->key_count++];
}

/* `column` (or NULL) is the column whose constraint it is. */
static void add_constraint(struct maker *maker, const PgQuery__Constraint *constraint, const char *column)
{
	struct shape_key *key;

	switch (constraint->contype) {
	case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
	case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
		if (constraint->indexname && constraint->indexname[0])
			return;         /* USING INDEX: the index was looked at when it was made */
		key = add(maker);
		key->columns = names_of(maker, constraint->keys, constraint->n_keys, &key->column_count);
		break;
	case PG_QUERY__CONSTR_TYPE__CONSTR_EXCLUSION:
		key = add(maker);       /* what its operators compare is not looked into: no column is known to be equal */
		break;
	case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
		key = add(maker);
		key->foreign = true;
		key->columns = names_of(maker, constraint->fk_attrs, constraint->n_fk_attrs, &key->column_count);
		key->ref_schema = text_or_null(maker, constraint->pktable->schemaname);
		key->ref_table = text_or_null(maker, constraint->pktable->relname);
		key->ref_columns = names_of(maker, constraint->pk_attrs, constraint->n_pk_attrs, &key->ref_column_count);
		break;
	case PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY:
		maker->shape->sequence_default = true;
		return;
	default:
		return;
	}
	if (column && key->column_count == 0) {
		key->columns = arena_alloc(maker->arena, sizeof(*key->columns));
		key->columns[key->column_count++] = column;
	}
}

/* Source: transformColumnDefinition() of parse_utilcmd.c. */
static bool is_serial(const PgQuery__TypeName *type)
{
	static const char *const names[] = { "smallserial", "serial2", "serial", "serial4", "bigserial", "serial8" };
	const char *name = type && type->n_names == 1 ? node_string(type->names[0]) : NULL;

	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

void keys_of_definition(struct maker *maker, const PgQuery__Node *definition)
{
	const PgQuery__ColumnDef *column;

	if (definition->node_case == PG_QUERY__NODE__NODE_CONSTRAINT)
		add_constraint(maker, definition->constraint, NULL);
	if (definition->node_case != PG_QUERY__NODE__NODE_COLUMN_DEF)
		return;
	column = definition->column_def;
	maker->shape->sequence_default |= is_serial(column->type_name);
	for (size_t i = 0; i < column->n_constraints; i++)
		if (column->constraints[i]->node_case == PG_QUERY__NODE__NODE_CONSTRAINT)
			add_constraint(maker, column->constraints[i]->constraint, text_or_null(maker, column->colname));
}

void keys_of_index(struct maker *maker, const PgQuery__IndexStmt *index)
{
	struct shape_key *key;

	if (!index->unique)
		return;
	key = add(maker);
	key->columns = names_of(maker, index->index_params, index->n_index_params, &key->column_count);
}

#include "route/fanout_scope.h"

#include <string.h>

#include "base/limits.h"
#include "catalog/catalog.h"

static int refuse(struct err *err, const char *what, const char *hint)
{
	err_set(err, ERR_UNSUPPORTED, "%s is not supported in a query over several shards", what);
	err_hint(err, "%s", hint);
	return ERR_UNSUPPORTED;
}

/* The columns of one FROM item, as they grow while joins are read. */
struct columns {
	struct arena *arena;
	struct scope_column *items;
	size_t count, capacity;
};

static void grow(struct columns *columns)
{
	size_t capacity = columns->capacity ? 2 * columns->capacity : 32;
	struct scope_column *items = arena_alloc(columns->arena, capacity * sizeof(*items));

	if (columns->count)
		memcpy(items, columns->items, columns->count * sizeof(*items));
	columns->items = items;
	columns->capacity = capacity;
}

static int add_column(struct columns *columns, struct scope_column column, struct err *err)
{
	if (columns->count == TARGET_LIST_MAX) {
		err_set(err, ERR_LIMIT, "target lists can have at most %d entries", TARGET_LIST_MAX);
		err_sqlstate(err, "54011");
		return ERR_LIMIT;
	}
	if (columns->count == columns->capacity)
		grow(columns);
	columns->items[columns->count++] = column;
	return 0;
}

static int name_columns(struct scope *scope, struct scope_relation *relation, const PgQuery__Alias *alias, struct err *err)
{
	const struct catalog_table *table = relation->table;

	relation->column_names = arena_alloc(scope->arena, table->column_count * sizeof(char *));
	for (size_t i = 0; i < table->column_count; i++)
		relation->column_names[i] = table->columns[i].name;
	if (!alias)
		return 0;
	if (alias->n_colnames > table->column_count) {
		err_set(err, ERR_UNDEFINED_COLUMN, "table \"%s\" has %zu columns available but %zu columns specified", relation->name,
			table->column_count, alias->n_colnames);
		err_sqlstate(err, "42P10");
		return ERR_UNDEFINED_COLUMN;
	}
	for (size_t i = 0; i < alias->n_colnames; i++)
		relation->column_names[i] = tree_name(alias->colnames, alias->n_colnames, i);
	return 0;
}

static int add_relation(struct scope *scope, const PgQuery__RangeVar *var, struct columns *columns, struct err *err)
{
	const char *schema = var->schemaname[0] ? var->schemaname : NULL;
	const struct catalog_table *table = catalog_table(scope->catalog, schema, var->relname);
	struct scope_relation *relation = &scope->relations[scope->relation_count];
	int code;

	if (var->catalogname[0])
		return refuse(err, "a table name with a database before it", "Write schema.table.");
	if (!table)
		return err_set(err, ERR_UNDEFINED_TABLE, "relation \"%s\" does not exist", var->relname);
	if (table->kind == 'S')
		return refuse(err, "a sequence", "Ask one node for it.");
	if (table->kind != 'r' && table->kind != 'p' && table->kind != 'f')
		return refuse(err, "a view", "Write the view's query out, or add the shard key to WHERE.");
	if (scope->relation_count == FANOUT_TABLES_MAX)
		return err_set(err, ERR_LIMIT, "more than %d tables in one query over several shards", FANOUT_TABLES_MAX);
	*relation = (struct scope_relation){ .table = table, .name = var->alias ? var->alias->aliasname : var->relname,
					     .schema = var->alias ? NULL : schema };
	for (size_t i = 0; i < scope->relation_count; i++) {
		if (strcmp(scope->relations[i].name, relation->name) == 0) {
			err_set(err, ERR_UNSUPPORTED, "table name \"%s\" specified more than once", relation->name);
			err_hint(err, "Give each table an alias of its own.");
			return ERR_UNSUPPORTED;
		}
	}
	code = name_columns(scope, relation, var->alias, err);
	for (size_t i = 0; i < table->column_count && code == 0; i++) {
		const struct catalog_column *column = &table->columns[i];

		code = add_column(columns, (struct scope_column){ .name = relation->column_names[i], .relation = (int)scope->relation_count,
								  .attnum = column->attnum, .type = column->type,
								  .collation = column->collation }, err);
	}
	scope->relation_count++;
	return code;
}

static int find(const struct columns *columns, const char *name, struct scope_column **ret_column, struct err *err)
{
	*ret_column = NULL;
	for (size_t i = 0; i < columns->count; i++) {
		if (strcmp(columns->items[i].name, name) != 0)
			continue;
		if (*ret_column) {
			err_set(err, ERR_UNDEFINED_COLUMN, "column reference \"%s\" is ambiguous", name);
			err_sqlstate(err, "42702");
			return ERR_UNDEFINED_COLUMN;
		}
		*ret_column = &columns->items[i];
	}
	return 0;
}

static int undefined(const char *name, struct err *err)
{
	err_set(err, ERR_UNDEFINED_COLUMN, "column \"%s\" does not exist", name);
	err_detail(err, "It was looked for in the schema as the router last read it.");
	return ERR_UNDEFINED_COLUMN;
}

static void drop(struct columns *columns, const struct scope_column *column)
{
	size_t at = (size_t)(column - columns->items);

	memmove(&columns->items[at], &columns->items[at + 1], (--columns->count - at) * sizeof(*columns->items));
}

/* transformFromClauseItem of parse_clause.c: the columns of USING first, then the rest of the left side, then of the right. */
static int merge_using(struct scope *scope, const PgQuery__JoinExpr *join, struct columns *left, struct columns *right,
		       struct columns *columns, struct err *err)
{
	for (size_t i = 0; i < join->n_using_clause; i++) {
		const char *name = tree_name(join->using_clause, join->n_using_clause, i);
		struct scope_column *from_left, *from_right, merged;
		int code = find(left, name, &from_left, err);

		if (code == 0)
			code = find(right, name, &from_right, err);
		if (code < 0)
			return code;
		if (!from_left || !from_right)
			return undefined(name, err);
		merged = join->jointype == PG_QUERY__JOIN_TYPE__JOIN_RIGHT ? *from_right : *from_left;
		if (join->jointype == PG_QUERY__JOIN_TYPE__JOIN_FULL)
			merged.relation = -1 - scope->full_join_count++;
		if (from_left->collation != from_right->collation)
			merged.collation = SCOPE_COLLATION_UNKNOWN;
		merged.merged = true;
		drop(left, from_left);
		drop(right, from_right);
		code = add_column(columns, merged, err);
		if (code < 0)
			return code;
	}
	return 0;
}

static int add_item(struct scope *scope, const PgQuery__Node *item, struct columns *columns, struct err *err);

static int add_join(struct scope *scope, const PgQuery__JoinExpr *join, struct columns *columns, struct err *err)
{
	struct columns left = { .arena = scope->arena }, right = { .arena = scope->arena };
	int code;

	if (join->is_natural)
		return refuse(err, "NATURAL JOIN", "Name the columns with USING or ON.");
	if (join->alias || join->join_using_alias)
		return refuse(err, "an alias of a join", "Use the aliases of the joined tables.");
	code = add_item(scope, join->larg, &left, err);
	if (code == 0)
		code = add_item(scope, join->rarg, &right, err);
	if (code == 0)
		code = merge_using(scope, join, &left, &right, columns, err);
	for (size_t i = 0; i < left.count && code == 0; i++)
		code = add_column(columns, left.items[i], err);
	for (size_t i = 0; i < right.count && code == 0; i++)
		code = add_column(columns, right.items[i], err);
	return code;
}

static int add_item(struct scope *scope, const PgQuery__Node *item, struct columns *columns, struct err *err)
{
	switch ((int)item->node_case) {
	case PG_QUERY__NODE__NODE_RANGE_VAR:
		return add_relation(scope, item->range_var, columns, err);
	case PG_QUERY__NODE__NODE_JOIN_EXPR:
		return add_join(scope, item->join_expr, columns, err);
	case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
		return refuse(err, "a subquery in FROM", "Write it as a join, or add the shard key to the WHERE of both.");
	case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
	case PG_QUERY__NODE__NODE_RANGE_TABLE_FUNC:
		return refuse(err, "a function in FROM", "Add the shard key to WHERE.");
	case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE:
		return refuse(err, "TABLESAMPLE", "Add the shard key to WHERE, or filter by a hash of a column.");
	}
	return refuse(err, "this item in FROM", "Join plain tables only, or add the shard key to WHERE.");
}

int scope_init(struct scope *scope, const PgQuery__SelectStmt *select, const struct catalog *catalog, struct arena *arena,
	       struct err *err)
{
	struct columns columns = { .arena = arena };

	*scope = (struct scope){ .arena = arena, .catalog = catalog };
	scope->relations = arena_alloc(arena, FANOUT_TABLES_MAX * sizeof(*scope->relations));
	if (select->n_from_clause == 0)
		return refuse(err, "a SELECT without FROM", "It needs no shard: any node answers it.");
	for (size_t i = 0; i < select->n_from_clause; i++) {
		int code = add_item(scope, select->from_clause[i], &columns, err);

		if (code < 0)
			return code;
	}
	scope->columns = columns.items;
	scope->column_count = columns.count;
	return 0;
}

bool scope_has(const struct scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->column_count; i++)
		if (strcmp(scope->columns[i].name, name) == 0)
			return true;
	return false;
}

static bool is_system_column(const char *name)
{
	static const char *const names[] = { "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const struct scope_relation *find_relation(const struct scope *scope, const char *schema, const char *name)
{
	for (size_t i = 0; i < scope->relation_count; i++) {
		const struct scope_relation *relation = &scope->relations[i];

		if (strcmp(relation->name, name) == 0 &&
		    (!schema || (strcmp(relation->table->schema, schema) == 0 && strcmp(relation->table->name, name) == 0)))
			return relation;
	}
	return NULL;
}

static int not_found(const struct scope *scope, const char *name, bool bare, struct err *err)
{
	if (is_system_column(name))
		return refuse(err, "a system column", "Its values belong to one node; add the shard key to WHERE.");
	if (bare && find_relation(scope, NULL, name))
		return refuse(err, "a whole row as a value", "List its columns.");
	return undefined(name, err);
}

static int resolve_bare(const struct scope *scope, const char *name, struct scope_column *ret_column, struct err *err)
{
	struct columns columns = { .items = scope->columns, .count = scope->column_count };
	struct scope_column *found;
	int code = find(&columns, name, &found, err);

	if (code < 0)
		return code;
	if (!found)
		return not_found(scope, name, true, err);
	*ret_column = *found;
	return 0;
}

static int resolve_in(const struct scope *scope, const struct scope_relation *relation, const char *name,
		      struct scope_column *ret_column, struct err *err)
{
	const struct catalog_column *found = NULL;

	for (size_t i = 0; i < relation->table->column_count; i++) {
		if (strcmp(relation->column_names[i], name) != 0)
			continue;
		if (found)
			return err_set(err, ERR_UNSUPPORTED, "column reference \"%s\" is ambiguous", name);
		found = &relation->table->columns[i];
	}
	if (!found)
		return not_found(scope, name, false, err);
	*ret_column = (struct scope_column){ .name = name, .relation = (int)(relation - scope->relations), .attnum = found->attnum,
					     .type = found->type, .collation = found->collation };
	return 0;
}

/* The relation before the dots of a reference with `count` names before its last part. */
static int relation_of(const struct scope *scope, const PgQuery__ColumnRef *ref, const struct scope_relation **ret_relation,
		       struct err *err)
{
	const char *first = tree_name(ref->fields, ref->n_fields, 0), *second = tree_name(ref->fields, ref->n_fields, 1);

	if (ref->n_fields > 3)
		return refuse(err, "a column name with a database before it", "Write table.column.");
	*ret_relation = ref->n_fields == 2 ? find_relation(scope, NULL, first) : find_relation(scope, first, second);
	if (*ret_relation)
		return 0;
	return err_set(err, ERR_UNDEFINED_TABLE, "missing FROM-clause entry for table \"%s\"", ref->n_fields == 2 ? first : second);
}

int scope_resolve(const struct scope *scope, const PgQuery__ColumnRef *ref, struct scope_column *ret_column, struct err *err)
{
	const char *name = tree_name(ref->fields, ref->n_fields, ref->n_fields - 1);
	const struct scope_relation *relation;
	int code;

	if (!name)
		return refuse(err, "a whole row as a value", "List its columns.");
	if (ref->n_fields == 1)
		return resolve_bare(scope, name, ret_column, err);
	code = relation_of(scope, ref, &relation, err);
	return code < 0 ? code : resolve_in(scope, relation, name, ret_column, err);
}

static int name_by_meaning(const ProtobufCMessage *message, void *context, struct err *err)
{
	const struct scope *scope = context;
	PgQuery__ColumnRef *ref = (PgQuery__ColumnRef *)(uintptr_t)message;
	struct scope_column column;
	const char *name;

	if (!TREE_IS(message, column_ref))
		return TREE_INTO;
	if (scope_resolve(scope, ref, &column, NULL) == 0) {
		name = arena_printf(scope->arena, "%d.%d", column.relation, column.attnum);
		*ref = *tree_column(scope->arena, &name, 1)->column_ref;
	}
	return TREE_SKIP;
}

struct slice scope_canonical(const struct scope *scope, const PgQuery__Node *node)
{
	PgQuery__Node *copy = tree_copy(node, scope->arena);

	if (tree_walk(&copy->base, name_by_meaning, (void *)(uintptr_t)scope, NULL) < 0)
		return slice_make(NULL, 0);
	return tree_bytes(&copy->base, scope->arena);
}

static const PgQuery__ColumnRef *star_of(const PgQuery__Node *target)
{
	const PgQuery__ResTarget *entry = target->node_case == PG_QUERY__NODE__NODE_RES_TARGET ? target->res_target : NULL;
	const PgQuery__ColumnRef *ref;

	if (!entry || !entry->val || entry->val->node_case != PG_QUERY__NODE__NODE_COLUMN_REF)
		return NULL;
	ref = entry->val->column_ref;
	return ref->fields[ref->n_fields - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR ? ref : NULL;
}

/* The reference that means this column and no other: with its relation before it, or bare for a USING column. */
static int reference_to(const struct scope *scope, const struct scope_column *column, PgQuery__Node **ret_target, struct err *err)
{
	const struct scope_relation *relation = column->merged ? NULL : &scope->relations[column->relation];
	const char *names[2] = { relation ? relation->name : column->name, column->name };
	PgQuery__Node *reference = tree_column(scope->arena, names, relation ? 2 : 1);
	struct scope_column meant;
	int code = scope_resolve(scope, reference->column_ref, &meant, err);

	if (code < 0)
		return refuse(err, "* where a column's name is ambiguous", "List the columns.");
	*ret_target = tree_target(scope->arena, reference, NULL);
	return 0;
}

static int expand(const struct scope *scope, const PgQuery__ColumnRef *star, PgQuery__Node **targets, size_t *count, struct err *err)
{
	const struct scope_relation *relation = NULL;
	size_t column_count = scope->column_count;
	int code = 0;

	if (star->n_fields > 1) {
		code = relation_of(scope, star, &relation, err);
		column_count = code < 0 ? 0 : relation->table->column_count;
	}
	for (size_t i = 0; i < column_count && code == 0; i++) {
		struct scope_column column = { .name = relation ? relation->column_names[i] : NULL,
					       .relation = relation ? (int)(relation - scope->relations) : 0 };

		if (*count == TARGET_LIST_MAX)
			return err_set(err, ERR_LIMIT, "target lists can have at most %d entries", TARGET_LIST_MAX);
		code = reference_to(scope, relation ? &column : &scope->columns[i], &targets[(*count)++], err);
	}
	return code;
}

int scope_expand_stars(const struct scope *scope, PgQuery__SelectStmt *select, struct err *err)
{
	PgQuery__Node **targets = arena_alloc(scope->arena, (TARGET_LIST_MAX + 1) * sizeof(*targets));
	size_t count = 0;

	for (size_t i = 0; i < select->n_target_list; i++) {
		const PgQuery__ColumnRef *star = star_of(select->target_list[i]);
		int code = 0;

		if (star)
			code = expand(scope, star, targets, &count, err);
		else if (count < TARGET_LIST_MAX)
			targets[count++] = select->target_list[i];
		else
			code = err_set(err, ERR_LIMIT, "target lists can have at most %d entries", TARGET_LIST_MAX);
		if (code < 0)
			return code;
	}
	select->target_list = targets;
	select->n_target_list = count;
	return 0;
}

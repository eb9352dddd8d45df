#include "sql/shape_make.h"

#include <string.h>

static void walk_item(struct maker *maker, const PgQuery__Node *item, int scope, bool nullable);

static bool is_cte(const struct maker *maker, const PgQuery__RangeVar *range)
{
	if (range->schemaname[0] || range->catalogname[0])
		return false;
	for (const struct cte *cte = maker->ctes; cte; cte = cte->next)
		if (strcmp(cte->name, range->relname) == 0)
			return true;
	return false;
}

static struct table_ref *add(struct maker *maker, enum table_ref_kind kind, const PgQuery__Alias *alias, int scope)
{
	struct table_ref *table = vector_add(&maker->tables, maker->arena, sizeof(*table));

	*table = (struct table_ref){ .scope = scope, .kind = kind, .subquery_scope = -1 };
	if (alias) {
		table->alias = text_or_null(maker, alias->aliasname);
		table->column_aliases = alias->n_colnames > 0;
	}
	return table;
}

/* A relation, under the name that it is written with. Only in a FROM can the name be a CTE's. */
struct table_ref *table_add(struct maker *maker, const PgQuery__RangeVar *range, int scope)
{
	struct table_ref *table;

	if (!range)
		return add(maker, TABLE_REF_RELATION, NULL, scope);
	table = add(maker, TABLE_REF_RELATION, range->alias, scope);
	table->schema = text_or_null(maker, range->schemaname);
	table->name = text_or_null(maker, range->relname);
	table->only = !range->inh;
	maker->shape->temporary |= strcmp(range->relpersistence, "t") == 0 ||
		strcmp(range->schemaname, "pg_temp") == 0 || strncmp(range->schemaname, "pg_temp_", 8) == 0;
	return table;
}

static void walk_relation(struct maker *maker, const PgQuery__RangeVar *range, int scope, bool nullable)
{
	struct table_ref *table = table_add(maker, range, scope);

	table->nullable = nullable;
	if (is_cte(maker, range))
		table->kind = TABLE_REF_CTE;
}

static void walk_subselect(struct maker *maker, const PgQuery__RangeSubselect *range, int scope, bool nullable)
{
	const PgQuery__Node *query = range->subquery;
	bool values = query && query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT &&
		      query->select_stmt->n_values_lists > 0;
	int inner = scope_add(maker, SCOPE_FROM, scope);
	struct table_ref *table = add(maker, values ? TABLE_REF_VALUES : TABLE_REF_SUBQUERY, range->alias, scope);

	table->nullable = nullable;
	table->subquery_scope = inner;
	walk_query(maker, query, inner);
}

/* The first call's name stands for ROWS FROM (f(), g()). */
static const PgQuery__FuncCall *first_call(const PgQuery__RangeFunction *range)
{
	const PgQuery__Node *first = range->n_functions ? range->functions[0] : NULL;

	if (first && first->node_case == PG_QUERY__NODE__NODE_LIST && first->list->n_items)
		first = first->list->items[0];
	return first && first->node_case == PG_QUERY__NODE__NODE_FUNC_CALL ? first->func_call : NULL;
}

static void walk_function(struct maker *maker, const PgQuery__RangeFunction *range, int scope, bool nullable)
{
	const PgQuery__FuncCall *call = first_call(range);
	struct table_ref *table = add(maker, TABLE_REF_FUNCTION, range->alias, scope);

	table->nullable = nullable;
	table->column_aliases |= range->n_coldeflist > 0;
	if (call && call->n_funcname)
		table->name = text_or_null(maker, node_string(call->funcname[call->n_funcname - 1]));
	if (call && call->n_funcname > 1)
		table->schema = text_or_null(maker, node_string(call->funcname[call->n_funcname - 2]));
	walk_nodes(maker, range->functions, range->n_functions, scope);
	walk_nodes(maker, range->coldeflist, range->n_coldeflist, scope);
}

static void walk_xmltable(struct maker *maker, const PgQuery__RangeTableFunc *range, int scope, bool nullable)
{
	struct table_ref *table = add(maker, TABLE_REF_FUNCTION, range->alias, scope);

	table->name = "xmltable";
	table->nullable = nullable;
	walk(maker, &range->base, scope);
}

/* TABLESAMPLE's method is a function too. */
static void walk_sample(struct maker *maker, const PgQuery__RangeTableSample *sample, int scope, bool nullable)
{
	struct function_ref *function = vector_add(&maker->functions, maker->arena, sizeof(*function));

	function->scope = scope;
	function->name = sample->n_method ? text_or_null(maker, node_string(sample->method[sample->n_method - 1])) : NULL;
	function->schema = sample->n_method > 1 ? text_or_null(maker, node_string(sample->method[0])) : NULL;
	walk_item(maker, sample->relation, scope, nullable);
	walk_nodes(maker, sample->args, sample->n_args, scope);
	WALK(maker, sample->repeatable, scope);
}

/* The plain table from which `column`, merged by USING, takes its value below `item`; NULL when it is none or not certain. */
static const PgQuery__RangeVar *using_source(const PgQuery__Node *item, const char *column)
{
	const PgQuery__JoinExpr *join;

	if (!item)
		return NULL;
	if (item->node_case == PG_QUERY__NODE__NODE_RANGE_VAR)
		return item->range_var->alias && item->range_var->alias->n_colnames ? NULL : item->range_var;
	if (item->node_case != PG_QUERY__NODE__NODE_JOIN_EXPR || item->join_expr->alias)
		return NULL;
	join = item->join_expr;
	for (size_t i = 0; i < join->n_using_clause; i++) {
		const char *name = node_string(join->using_clause[i]);

		if (!name || strcmp(name, column) != 0)
			continue;
		if (join->jointype == PG_QUERY__JOIN_TYPE__JOIN_INNER || join->jointype == PG_QUERY__JOIN_TYPE__JOIN_LEFT)
			return using_source(join->larg, column);
		return join->jointype == PG_QUERY__JOIN_TYPE__JOIN_RIGHT ? using_source(join->rarg, column) : NULL;
	}
	return NULL;
}

static struct column_ref column_of(struct maker *maker, const PgQuery__RangeVar *range, const char *column)
{
	const char *alias = range->alias ? text_or_null(maker, range->alias->aliasname) : NULL;

	return (struct column_ref){
		.qualifier = alias ? alias : text_or_null(maker, range->relname),
		.qualifier_schema = alias ? NULL : text_or_null(maker, range->schemaname),
		.name = text_or_null(maker, column),
	};
}

static void using_read(struct maker *maker, const PgQuery__JoinExpr *join, int scope, enum equality_strength strength)
{
	for (size_t i = 0; i < join->n_using_clause; i++) {
		const char *column = node_string(join->using_clause[i]);
		const PgQuery__RangeVar *left = column ? using_source(join->larg, column) : NULL;
		const PgQuery__RangeVar *right = column ? using_source(join->rarg, column) : NULL;

		if (left && right)
			equality_of_columns(maker, scope, strength, column_of(maker, left, column),
					    column_of(maker, right, column));
		if (!left || !right || join->jointype == PG_QUERY__JOIN_TYPE__JOIN_FULL)
			scope_at(maker, scope)->natural_join = true;
	}
}

/* The tables below a join whose alias renames columns: their columns have other names outside. */
static void mark_renamed(struct maker *maker, size_t first_table)
{
	struct table_ref *tables = maker->tables.items;

	for (size_t i = first_table; i < maker->tables.count; i++)
		tables[i].column_aliases = true;
}

static void join_add(struct maker *maker, const PgQuery__JoinExpr *join, size_t first, size_t middle, size_t first_equality)
{
	struct join *added = vector_add(&maker->joins, maker->arena, sizeof(*added));
	struct equality *equalities = maker->equalities.items;

	*added = (struct join){ .first = (int)first, .middle = (int)middle, .end = (int)maker->tables.count };
	if (join->jointype == PG_QUERY__JOIN_TYPE__JOIN_LEFT)
		added->kind = JOIN_LEFT;
	else if (join->jointype == PG_QUERY__JOIN_TYPE__JOIN_RIGHT)
		added->kind = JOIN_RIGHT;
	else if (join->jointype == PG_QUERY__JOIN_TYPE__JOIN_FULL)
		added->kind = JOIN_FULL;
	for (size_t i = first_equality; i < maker->equalities.count; i++)
		equalities[i].join = (int)maker->joins.count - 1;
}

static void walk_join(struct maker *maker, const PgQuery__JoinExpr *join, int scope, bool nullable)
{
	bool outer = join->jointype != PG_QUERY__JOIN_TYPE__JOIN_INNER;
	bool full = join->jointype == PG_QUERY__JOIN_TYPE__JOIN_FULL;
	bool left_nullable = nullable || full || join->jointype == PG_QUERY__JOIN_TYPE__JOIN_RIGHT;
	bool right_nullable = nullable || full || join->jointype == PG_QUERY__JOIN_TYPE__JOIN_LEFT;
	enum equality_strength strength = outer || nullable ? EQUALITY_MATCH : EQUALITY_FILTER;
	size_t first_table = maker->tables.count, middle, first_equality;

	scope_at(maker, scope)->outer_join |= outer;
	scope_at(maker, scope)->natural_join |= join->is_natural;
	walk_item(maker, join->larg, scope, left_nullable);
	middle = maker->tables.count;
	walk_item(maker, join->rarg, scope, right_nullable);
	first_equality = maker->equalities.count;
	using_read(maker, join, scope, strength);
	equalities_add(maker, join->quals, scope, strength);
	join_add(maker, join, first_table, middle, first_equality);
	WALK(maker, join->quals, scope);
	if (join->alias && join->alias->n_colnames)
		mark_renamed(maker, first_table);
}

static void walk_item(struct maker *maker, const PgQuery__Node *item, int scope, bool nullable)
{
	if (!item)
		return;
	switch (item->node_case) {
	case PG_QUERY__NODE__NODE_RANGE_VAR:
		walk_relation(maker, item->range_var, scope, nullable);
		return;
	case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
		walk_subselect(maker, item->range_subselect, scope, nullable);
		return;
	case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
		walk_function(maker, item->range_function, scope, nullable);
		return;
	case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE:
		walk_sample(maker, item->range_table_sample, scope, nullable);
		return;
	case PG_QUERY__NODE__NODE_JOIN_EXPR:
		walk_join(maker, item->join_expr, scope, nullable);
		return;
	case PG_QUERY__NODE__NODE_RANGE_TABLE_FUNC:
		walk_xmltable(maker, item->range_table_func, scope, nullable);
		return;
	default:
		walk(maker, &item->base, scope);
	}
}

void walk_from(struct maker *maker, PgQuery__Node *const *items, size_t count, int scope)
{
	for (size_t i = 0; i < count; i++)
		walk_item(maker, items[i], scope, false);
}

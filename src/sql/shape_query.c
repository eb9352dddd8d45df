#include "sql/shape_make.h"

#include "base/limits.h"

int scope_add(struct maker *maker, enum scope_kind kind, int parent)
{
	struct scope *scope = vector_add(&maker->scopes, maker->arena, sizeof(*scope));

	scope->kind = kind;
	scope->parent = parent;
	return (int)maker->scopes.count - 1;
}

struct scope *scope_at(struct maker *maker, int scope)
{
	return (struct scope *)maker->scopes.items + scope;
}

void walk_nodes(struct maker *maker, PgQuery__Node *const *nodes, size_t count, int scope)
{
	for (size_t i = 0; i < count; i++)
		WALK(maker, nodes[i], scope);
}

static void set_columns_add(struct maker *maker, PgQuery__Node *const *targets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char **column;

		if (targets[i]->node_case != PG_QUERY__NODE__NODE_RES_TARGET)
			continue;
		column = vector_add(&maker->set_columns, maker->arena, sizeof(*column));
		*column = arena_strdup(maker->arena, targets[i]->res_target->name);
	}
}

/* The CTEs of a WITH: each sees those before it, with RECURSIVE all see all. The names stay known to the caller's query,
 * which puts maker->ctes back when it is done. */
static void walk_with(struct maker *maker, const PgQuery__WithClause *with, int scope)
{
	if (!with)
		return;
	maker->cte_count += with->n_ctes;
	if (maker->cte_count > CTES_MAX) {
		*maker->too_many = true;
		return;
	}
	maker->shape->recursive |= with->recursive;
	for (int pass = with->recursive ? 0 : 1; pass < 2; pass++)
		for (size_t i = 0; i < with->n_ctes; i++) {
			const PgQuery__CommonTableExpr *cte = with->ctes[i]->common_table_expr;

			if (with->ctes[i]->node_case != PG_QUERY__NODE__NODE_COMMON_TABLE_EXPR)
				continue;
			if (pass == 1) {
				int inner = scope_add(maker, SCOPE_CTE, scope);

				maker->shape->cte_writes |= cte->ctequery &&
					cte->ctequery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT;
				walk_query(maker, cte->ctequery, inner);
				WALK(maker, cte->cycle_clause, inner);
			}
			if (pass == 0 || !with->recursive) {
				struct cte *known = arena_alloc(maker->arena, sizeof(*known));

				*known = (struct cte){ arena_strdup(maker->arena, cte->ctename), maker->ctes };
				maker->ctes = known;
			}
		}
}

static bool is_null_const(const PgQuery__Node *node)
{
	return node->node_case == PG_QUERY__NODE__NODE_A_CONST && node->a_const->isnull;
}

static void note_clauses(struct scope *scope, const PgQuery__SelectStmt *select)
{
	if (select->n_distinct_clause) {
		/* plain DISTINCT is a list of one empty node */
		scope->distinct = select->distinct_clause[0]->node_case == PG_QUERY__NODE__NODE__NOT_SET;
		scope->distinct_on = !scope->distinct;
	}
	scope->group_by = select->n_group_clause > 0;
	for (size_t i = 0; i < select->n_group_clause; i++)
		scope->grouping_sets |= select->group_clause[i]->node_case == PG_QUERY__NODE__NODE_GROUPING_SET;
	scope->having = select->having_clause != NULL;
	scope->window |= select->n_window_clause > 0;
	scope->order_by = select->n_sort_clause > 0;
	scope->limit = select->limit_count && !is_null_const(select->limit_count);
	scope->offset = select->limit_offset && !is_null_const(select->limit_offset);
	scope->with_ties = select->limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES;
	scope->locking = select->n_locking_clause > 0;
}

static void walk_select(struct maker *maker, const PgQuery__SelectStmt *select, int scope)
{
	const struct cte *outer_ctes = maker->ctes;
	const PgQuery__SelectStmt *arms[] = { select->larg, select->rarg };

	walk_with(maker, select->with_clause, scope);
	note_clauses(scope_at(maker, scope), select);
	if (select->op != PG_QUERY__SET_OPERATION__SETOP_NONE) {
		scope_at(maker, scope)->set_operation = true;
		for (size_t i = 0; i < 2; i++)
			if (arms[i])
				walk_select(maker, arms[i], scope_add(maker, SCOPE_SETOP_ARM, scope));
	}
	walk_from(maker, select->from_clause, select->n_from_clause, scope);
	if (select->n_values_lists) {
		struct table_ref *table = vector_add(&maker->tables, maker->arena, sizeof(*table));

		*table = (struct table_ref){ .scope = scope, .kind = TABLE_REF_VALUES, .subquery_scope = -1 };
	}
	equalities_add(maker, select->where_clause, scope, EQUALITY_FILTER);
	walk_nodes(maker, select->distinct_clause, select->n_distinct_clause, scope);
	walk_nodes(maker, select->target_list, select->n_target_list, scope);
	walk_nodes(maker, select->values_lists, select->n_values_lists, scope);
	WALK(maker, select->where_clause, scope);
	walk_nodes(maker, select->group_clause, select->n_group_clause, scope);
	WALK(maker, select->having_clause, scope);
	walk_nodes(maker, select->window_clause, select->n_window_clause, scope);
	walk_nodes(maker, select->sort_clause, select->n_sort_clause, scope);
	WALK(maker, select->limit_count, scope);
	WALK(maker, select->limit_offset, scope);
	maker->ctes = outer_ctes;
}

/* VALUES and nothing else: the rows are the statement's own. */
static bool is_plain_values(const PgQuery__SelectStmt *select)
{
	return select->n_values_lists && !select->with_clause && !select->n_sort_clause && !select->limit_count &&
	       !select->limit_offset && !select->n_locking_clause && select->op == PG_QUERY__SET_OPERATION__SETOP_NONE;
}

static void insert_values_read(struct maker *maker, const PgQuery__SelectStmt *select)
{
	struct shape *shape = maker->shape;
	PgQuery__Node **rows = select->values_lists;

	shape->insert_source = INSERT_VALUES;
	shape->insert_row_count = select->n_values_lists;
	/* PostgreSQL refuses rows that are not alike; one that is as wide as the statement is long must not make room for many of its kind. */
	shape->insert_width = SIZE_MAX;
	for (size_t row = 0; row < select->n_values_lists; row++)
		if (rows[row]->list->n_items < shape->insert_width)
			shape->insert_width = rows[row]->list->n_items;
	shape->insert_values = arena_calloc(maker->arena, shape->insert_row_count * shape->insert_width + 1,
					    sizeof(*shape->insert_values));
	for (size_t row = 0; row < select->n_values_lists; row++)
		for (size_t i = 0; i < shape->insert_width; i++)
			value_read(maker, rows[row]->list->items[i], &shape->insert_values[row * shape->insert_width + i]);
}

static void insert_source_read(struct maker *maker, const PgQuery__InsertStmt *insert, int scope)
{
	struct shape *shape = maker->shape;
	const PgQuery__Node *source = insert->select_stmt;
	bool own = scope == 0 && shape->kind == STMT_INSERT;

	if (own) {
		shape->insert_source = source ? INSERT_SELECT : INSERT_DEFAULT;
		shape->overriding = insert->override > PG_QUERY__OVERRIDING_KIND__OVERRIDING_NOT_SET;
		shape->returning = insert->n_returning_list > 0;
		shape->insert_columns = arena_calloc(maker->arena, insert->n_cols + 1, sizeof(*shape->insert_columns));
		for (size_t i = 0; i < insert->n_cols; i++)
			if (insert->cols[i]->node_case == PG_QUERY__NODE__NODE_RES_TARGET)
				shape->insert_columns[shape->insert_column_count++] =
					arena_strdup(maker->arena, insert->cols[i]->res_target->name);
	}
	walk_nodes(maker, insert->cols, insert->n_cols, scope);
	if (!source || source->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
		return;
	if (!is_plain_values(source->select_stmt)) {
		walk_query(maker, source, scope_add(maker, SCOPE_SOURCE, scope));
		return;
	}
	if (own)
		insert_values_read(maker, source->select_stmt);
	walk_nodes(maker, source->select_stmt->values_lists, source->select_stmt->n_values_lists, scope);
}

static void walk_insert(struct maker *maker, const PgQuery__InsertStmt *insert, int scope)
{
	const PgQuery__OnConflictClause *conflict = insert->on_conflict_clause;

	table_add(maker, insert->relation, scope)->target = true;
	insert_source_read(maker, insert, scope);
	if (conflict) {
		maker->shape->on_conflict = true;
		set_columns_add(maker, conflict->target_list, conflict->n_target_list);
		walk(maker, &conflict->base, scope);
	}
	walk_nodes(maker, insert->returning_list, insert->n_returning_list, scope);
}

static void walk_update(struct maker *maker, const PgQuery__UpdateStmt *update, int scope)
{
	table_add(maker, update->relation, scope)->target = true;
	walk_from(maker, update->from_clause, update->n_from_clause, scope);
	set_columns_add(maker, update->target_list, update->n_target_list);
	equalities_add(maker, update->where_clause, scope, EQUALITY_FILTER);
	walk_nodes(maker, update->target_list, update->n_target_list, scope);
	WALK(maker, update->where_clause, scope);
	walk_nodes(maker, update->returning_list, update->n_returning_list, scope);
	maker->shape->returning |= scope == 0 && update->n_returning_list > 0;
}

static void walk_delete(struct maker *maker, const PgQuery__DeleteStmt *delete, int scope)
{
	table_add(maker, delete->relation, scope)->target = true;
	walk_from(maker, delete->using_clause, delete->n_using_clause, scope);
	equalities_add(maker, delete->where_clause, scope, EQUALITY_FILTER);
	WALK(maker, delete->where_clause, scope);
	walk_nodes(maker, delete->returning_list, delete->n_returning_list, scope);
	maker->shape->returning |= scope == 0 && delete->n_returning_list > 0;
}

/* The join condition of a MERGE holds only for rows that matched. */
static void walk_merge(struct maker *maker, const PgQuery__MergeStmt *merge, int scope)
{
	table_add(maker, merge->relation, scope)->target = true;
	walk_from(maker, (PgQuery__Node *const[]){ merge->source_relation }, merge->source_relation != NULL, scope);
	equalities_add(maker, merge->join_condition, scope, EQUALITY_MATCH);
	WALK(maker, merge->join_condition, scope);
	for (size_t i = 0; i < merge->n_merge_when_clauses; i++) {
		const PgQuery__MergeWhenClause *when = merge->merge_when_clauses[i]->merge_when_clause;

		if (merge->merge_when_clauses[i]->node_case != PG_QUERY__NODE__NODE_MERGE_WHEN_CLAUSE)
			continue;
		if (when->command_type == PG_QUERY__CMD_TYPE__CMD_UPDATE)
			set_columns_add(maker, when->target_list, when->n_target_list);
		walk(maker, &when->base, scope);
	}
}

static const PgQuery__WithClause *with_clause(const PgQuery__Node *query)
{
	switch (query->node_case) {
	case PG_QUERY__NODE__NODE_INSERT_STMT: return query->insert_stmt->with_clause;
	case PG_QUERY__NODE__NODE_UPDATE_STMT: return query->update_stmt->with_clause;
	case PG_QUERY__NODE__NODE_DELETE_STMT: return query->delete_stmt->with_clause;
	case PG_QUERY__NODE__NODE_MERGE_STMT: return query->merge_stmt->with_clause;
	default: return NULL;           /* walk_select() sees to its own */
	}
}

void walk_query(struct maker *maker, const PgQuery__Node *query, int scope)
{
	const struct cte *outer_ctes = maker->ctes;

	if (!query)
		return;
	walk_with(maker, with_clause(query), scope);
	if (query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT)
		walk_select(maker, query->select_stmt, scope);
	else if (query->node_case == PG_QUERY__NODE__NODE_INSERT_STMT)
		walk_insert(maker, query->insert_stmt, scope);
	else if (query->node_case == PG_QUERY__NODE__NODE_UPDATE_STMT)
		walk_update(maker, query->update_stmt, scope);
	else if (query->node_case == PG_QUERY__NODE__NODE_DELETE_STMT)
		walk_delete(maker, query->delete_stmt, scope);
	else if (query->node_case == PG_QUERY__NODE__NODE_MERGE_STMT)
		walk_merge(maker, query->merge_stmt, scope);
	else
		WALK(maker, query, scope);
	maker->ctes = outer_ctes;
}

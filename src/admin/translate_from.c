#include <string.h>

#include "admin/tables.h"
#include "admin/translate_tree.h"
#include "base/buf.h"
#include "base/limits.h"

enum { RELATIONS_MAX = 64 };    /* SQLite joins no more */

bool translate_is_star(const PgQuery__ColumnRef *ref)
{
	return ref->n_fields && ref->fields[ref->n_fields - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR;
}

void columns_add(struct writer *writer, struct columns *columns, struct named_column column)
{
	if (columns->count == columns->capacity) {
		size_t capacity = columns->capacity ? columns->capacity * 2 : 16;
		struct named_column *items = arena_alloc(writer->arena, capacity * sizeof(*items));

		if (columns->count)
			memcpy(items, columns->items, columns->count * sizeof(*items));
		columns->items = items;
		columns->capacity = capacity;
	}
	columns->items[columns->count++] = column;
}

const struct named_column *columns_find(const struct columns *columns, const char *relation, const char *name, bool *ret_ambiguous)
{
	const struct named_column *found = NULL;

	for (size_t i = 0; i < columns->count; i++) {
		const struct named_column *column = &columns->items[i];

		if (strcmp(column->name, name) != 0 || (relation && (!column->relation || strcmp(column->relation, relation) != 0)))
			continue;
		if (found)
			*ret_ambiguous = true;
		found = column;
	}
	return found;
}

/* ---- names in expressions ---- */

static void note_column(struct query_scope *scope, const struct named_column *column, struct piece *ret)
{
	bool grouped = scope->in_aggregate || scope->in_filter;

	for (size_t i = 0; !grouped && i < scope->group_count; i++)
		grouped = strcmp(scope->groups[i], column->piece.text) == 0;
	if (!grouped && !scope->ungrouped)
		scope->ungrouped = column->name;
	*ret = column->piece;
}

static bool has_relation(const struct query_scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->relation_count; i++)
		if (strcmp(scope->relations[i], name) == 0)
			return true;
	return false;
}

int find_column(struct writer *writer, struct query_scope *scope, const PgQuery__ColumnRef *ref, struct piece *ret)
{
	const char *parts[3] = { NULL, NULL, NULL };    /* column, relation, schema */
	struct query_scope *innermost = scope;
	bool known_relation = false;

	if (translate_is_star(ref))
		return translate_refuse(writer, "* inside of an expression");
	if (ref->n_fields > 3)
		return translate_refuse(writer, "a column name of more than three parts");
	for (size_t i = 0; i < ref->n_fields; i++)
		parts[i] = ref->fields[ref->n_fields - 1 - i]->string->sval;
	if (parts[2] && strcmp(parts[2], "nanu") != 0)
		return translate_fail(writer, "42P01", "missing FROM-clause entry for table \"%s\"", parts[1]);
	for (; scope; scope = scope->parent) {
		const struct named_column *found;
		bool ambiguous = false;

		found = columns_find(parts[1] ? &scope->all : &scope->star, parts[1], parts[0], &ambiguous);
		if (ambiguous)
			return translate_fail(writer, "42702", "column reference \"%s\" is ambiguous", parts[0]);
		if (found) {
			*(scope == innermost ? &innermost->own_count : &innermost->outer_count) += 1;
			note_column(scope, found, ret);
			return 0;
		}
		if (parts[1] && has_relation(scope, parts[1])) {
			known_relation = true;
			break;
		}
	}
	if (parts[1] && !known_relation)
		return translate_fail(writer, "42P01", "missing FROM-clause entry for table \"%s\"", parts[1]);
	err_set(writer->err, ERR_UNDEFINED_COLUMN, "column %s%s\"%s\" does not exist", parts[1] ? parts[1] : "", parts[1] ? "." : "", parts[0]);
	err_hint(writer->err, "SELECT * FROM nanu.columns lists them all.");
	return ERR_UNDEFINED_COLUMN;
}

/* ---- relations ---- */

struct from {                           /* what one item of FROM brings */
	const char *sql;
	struct columns columns;         /* what * stands for */
	struct columns all;             /* each relation's own */
};

static int take_alias(struct writer *writer, struct query_scope *scope, const char *alias)
{
	if (has_relation(scope, alias))
		return translate_fail(writer, "42712", "table name \"%s\" specified more than once", alias);
	if (scope->relation_count == RELATIONS_MAX)
		return err_set(writer->err, ERR_LIMIT, "a statement on the nanu schema joins at most %d tables", RELATIONS_MAX);
	if (!scope->relations)
		scope->relations = arena_calloc(writer->arena, RELATIONS_MAX, sizeof(*scope->relations));
	scope->relations[scope->relation_count++] = alias;
	return 0;
}

/* The columns of `from`, which SQLite is told to call `name`, as relation `alias`. */
static int name_columns(struct writer *writer, const struct columns *from, const char *name, const char *alias, const PgQuery__Alias *given,
			struct columns *ret)
{
	if (given && given->n_colnames > from->count)
		return translate_fail(writer, "42P10", "table \"%s\" has %zu columns available but %zu columns specified", alias, from->count, given->n_colnames);
	for (size_t i = 0; i < from->count; i++) {
		struct named_column column = from->items[i];

		column.relation = alias;
		column.piece.text = arena_printf(writer->arena, "%s.%s", name, column.piece.text);
		if (given && i < given->n_colnames)
			column.name = arena_strdup(writer->arena, given->colnames[i]->string->sval);
		columns_add(writer, ret, column);
	}
	return 0;
}

static const struct cte *find_cte(const struct writer *writer, const char *name)
{
	for (const struct cte *cte = writer->ctes; cte; cte = cte->next)
		if (strcmp(cte->name, name) == 0)
			return cte;
	return NULL;
}

static int undefined_table(struct writer *writer, const PgQuery__RangeVar *range)
{
	bool ours = strcmp(range->schemaname, "nanu") == 0;

	err_set(writer->err, ERR_UNDEFINED_TABLE, "relation \"%s%s%s\" does not exist%s", range->schemaname, *range->schemaname ? "." : "",
		range->relname, ours ? "" : " in the nanu schema");
	err_hint(writer->err, ours ? "SELECT DISTINCT table_name FROM nanu.columns lists the tables of the nanu schema." :
				     "The nanu schema is answered by the router alone, and cannot be joined with tables of the nodes.");
	return ERR_UNDEFINED_TABLE;
}

static int write_relation(struct writer *writer, struct query_scope *scope, const PgQuery__RangeVar *range, struct from *ret)
{
	const struct cte *cte = *range->schemaname ? NULL : find_cte(writer, range->relname);
	const char *alias = arena_strdup(writer->arena, range->alias ? range->alias->aliasname : range->relname);
	const char *name = arena_printf(writer->arena, "r%u", ++writer->name_count);
	struct columns columns = { 0 };
	int index, rc;

	rc = take_alias(writer, scope, alias);
	if (rc < 0)
		return rc;
	if (cte) {
		ret->sql = arena_printf(writer->arena, "%s AS %s", cte->sql_name, name);
		return name_columns(writer, &cte->columns, name, alias, range->alias, &ret->columns);
	}
	index = strcmp(range->schemaname, "nanu") == 0 ? tables_find(range->relname) : -1;
	if (index < 0)
		return undefined_table(writer, range);
	for (size_t i = 0; i < admin_tables[index].column_count; i++)
		columns_add(writer, &columns, (struct named_column){ .name = admin_tables[index].columns[i].name,
			.piece = { arena_printf(writer->arena, "\"%s\"", admin_tables[index].columns[i].name),
				   admin_tables[index].columns[i].type } });
	writer->out->tables |= UINT64_C(1) << index;
	ret->sql = arena_printf(writer->arena, "main.%s AS %s", admin_tables[index].name, name);
	return name_columns(writer, &columns, name, alias, range->alias, &ret->columns);
}

static int write_subquery(struct writer *writer, struct query_scope *scope, const PgQuery__RangeSubselect *range, struct from *ret)
{
	const char *name = arena_printf(writer->arena, "r%u", ++writer->name_count), *sql, *alias;
	struct columns columns = { 0 };
	int rc;

	if (range->lateral)
		return translate_refuse(writer, "LATERAL");
	if (!range->alias)
		return translate_fail(writer, "42601", "subquery in FROM must have an alias");
	if (range->subquery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
		return translate_refuse(writer, "this kind of subquery");
	rc = write_select(writer, range->subquery->select_stmt, scope->parent, &sql, &columns);
	if (rc < 0)
		return rc;
	alias = arena_strdup(writer->arena, range->alias->aliasname);
	rc = take_alias(writer, scope, alias);
	if (rc < 0)
		return rc;
	ret->sql = arena_printf(writer->arena, "(%s) AS %s", sql, name);
	return name_columns(writer, &columns, name, alias, range->alias, &ret->columns);
}

/* ---- joins ---- */

static void add_all(struct writer *writer, struct columns *to, const struct columns *from, const struct columns *but)
{
	for (size_t i = 0; i < from->count; i++) {
		bool ambiguous = false;

		if (!but || !columns_find(but, NULL, from->items[i].name, &ambiguous))
			columns_add(writer, to, from->items[i]);
	}
}

/* USING: the named columns once and first, then what is left of both sides; the two sides' own stay reachable by their tables' names. */
static int write_using(struct writer *writer, const PgQuery__JoinExpr *join, const struct from *left, const struct from *right, struct buf *on,
		       struct from *ret)
{
	struct columns merged = { 0 };

	for (size_t i = 0; i < join->n_using_clause; i++) {
		const char *name = join->using_clause[i]->string->sval;
		bool ambiguous = false;
		const struct named_column *a = columns_find(&left->columns, NULL, name, &ambiguous);
		const struct named_column *b = columns_find(&right->columns, NULL, name, &ambiguous);
		struct named_column column = { .name = arena_strdup(writer->arena, name) };
		int rc;

		if (!a || !b) {
			err_set(writer->err, ERR_UNDEFINED_COLUMN, "column \"%s\" specified in USING clause does not exist in %s table", name,
				a ? "right" : "left");
			return ERR_UNDEFINED_COLUMN;
		}
		if (ambiguous)
			return translate_fail(writer, "42702", "common column name \"%s\" appears more than once in one table", name);
		rc = translate_unify(writer, a->piece.type, b->piece.type, &column.piece.type);
		if (rc < 0)
			return rc;
		column.piece.text = join->jointype == PG_QUERY__JOIN_TYPE__JOIN_FULL
			? arena_printf(writer->arena, "coalesce(%s, %s)", a->piece.text, b->piece.text)
			: join->jointype == PG_QUERY__JOIN_TYPE__JOIN_RIGHT ? b->piece.text : a->piece.text;
		columns_add(writer, &merged, column);
		buf_printf(on, "%s(%s = %s)", i ? " AND " : "", a->piece.text, b->piece.text);
	}
	add_all(writer, &ret->columns, &merged, NULL);
	add_all(writer, &ret->columns, &left->columns, &merged);
	add_all(writer, &ret->columns, &right->columns, &merged);
	return 0;
}

static int write_item(struct writer *writer, struct query_scope *scope, const PgQuery__Node *node, struct from *ret);

/* A join condition sees the columns of its two sides only. */
static int write_on(struct writer *writer, const struct query_scope *scope, const struct from *ret, const PgQuery__Node *quals, struct buf *on)
{
	struct query_scope inner = { .parent = scope->parent, .star = ret->columns, .all = ret->all, .relations = scope->relations,
			       .relation_count = scope->relation_count, .in_filter = true };
	struct piece condition;
	int rc = write_condition(writer, &inner, quals, "JOIN/ON", &condition);

	if (rc == 0)
		buf_add_text(on, condition.text);
	return rc;
}

static int write_join(struct writer *writer, struct query_scope *scope, const PgQuery__JoinExpr *join, struct from *ret)
{
	static const char *const words[] = {
		[PG_QUERY__JOIN_TYPE__JOIN_INNER] = "JOIN", [PG_QUERY__JOIN_TYPE__JOIN_LEFT] = "LEFT JOIN",
		[PG_QUERY__JOIN_TYPE__JOIN_FULL] = "FULL JOIN", [PG_QUERY__JOIN_TYPE__JOIN_RIGHT] = "RIGHT JOIN",
	};
	struct from left = { 0 }, right = { 0 };
	struct buf on;
	int rc;

	if (join->is_natural || join->alias || join->join_using_alias)
		return translate_refuse(writer, join->is_natural ? "NATURAL JOIN" : "an alias of a join");
	rc = write_item(writer, scope, join->larg, &left);
	if (rc == 0)
		rc = write_item(writer, scope, join->rarg, &right);
	if (rc < 0)
		return rc;
	buf_init(&on, STATEMENT_SIZE_MAX);
	add_all(writer, &ret->all, &left.all, NULL);
	add_all(writer, &ret->all, &right.all, NULL);
	if (join->n_using_clause) {
		rc = write_using(writer, join, &left, &right, &on, ret);
	} else {
		add_all(writer, &ret->columns, &left.columns, NULL);
		add_all(writer, &ret->columns, &right.columns, NULL);
		if (join->quals)
			rc = write_on(writer, scope, ret, join->quals, &on);
	}
	/* SQLite nests joins to the left only: the right side stands in parentheses when it is a join itself */
	ret->sql = rc < 0 ? NULL : arena_printf(writer->arena, join->rarg->node_case == PG_QUERY__NODE__NODE_JOIN_EXPR ? "%s %s (%s)%s%.*s" :
												     "%s %s %s%s%.*s",
						left.sql, words[join->jointype], right.sql, on.size ? " ON " : "", (int)on.size, on.size ? on.data : "");
	buf_release(&on);
	return rc;
}

static int write_item(struct writer *writer, struct query_scope *scope, const PgQuery__Node *node, struct from *ret)
{
	int rc;

	switch ((int)node->node_case) {
	case PG_QUERY__NODE__NODE_RANGE_VAR:
		rc = write_relation(writer, scope, node->range_var, ret);
		add_all(writer, &ret->all, &ret->columns, NULL);
		return rc;
	case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
		rc = write_subquery(writer, scope, node->range_subselect, ret);
		add_all(writer, &ret->all, &ret->columns, NULL);
		return rc;
	case PG_QUERY__NODE__NODE_JOIN_EXPR:
		return write_join(writer, scope, node->join_expr, ret);
	case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
		translate_refuse(writer, "a function in FROM beside anything else");
		err_hint(writer->err, "Call a function of nanu in a statement of its own: SELECT * FROM nanu.explain('…').");
		return ERR_UNSUPPORTED;
	}
	return translate_refuse(writer, "this kind of FROM item");
}

int write_from(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *scope, const char **ret_sql)
{
	struct buf out;
	int rc = 0;

	buf_init(&out, STATEMENT_SIZE_MAX);
	for (size_t i = 0; rc == 0 && i < select->n_from_clause; i++) {
		struct from from = { 0 };

		rc = write_item(writer, scope, select->from_clause[i], &from);
		if (rc < 0)
			break;
		/* CROSS JOIN binds like JOIN in SQLite, where the comma does too: each item in parentheses keeps PostgreSQL's nesting */
		buf_printf(&out, select->from_clause[i]->node_case == PG_QUERY__NODE__NODE_JOIN_EXPR && select->n_from_clause > 1 ? "%s(%s)" : "%s%s",
			   i ? ", " : " FROM ", from.sql);
		add_all(writer, &scope->star, &from.columns, NULL);
		add_all(writer, &scope->all, &from.all, NULL);
	}
	if (rc == 0)
		*ret_sql = out.size ? arena_strndup(writer->arena, out.data, out.size) : "";
	buf_release(&out);
	return rc;
}

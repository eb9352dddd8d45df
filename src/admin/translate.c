#include "admin/translate_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "catalog/catalog.h"
#include "route/fanout_name.h"
#include "sql/parse.h"

const char *value_type_name(enum value_type type)
{
	static const char *const names[TYPE_COUNT_] = { "unknown", "boolean", "bigint", "double precision", "text", "timestamp with time zone" };

	return names[type];
}

uint32_t value_type_oid(enum value_type type)
{
	static const uint32_t oids[TYPE_COUNT_] = { OID_TEXT, OID_BOOL, OID_INT8, OID_FLOAT8, OID_TEXT, OID_TIMESTAMPTZ };

	return oids[type];
}

int translate_refuse(struct writer *writer, const char *what)
{
	err_set(writer->err, ERR_UNSUPPORTED, "%s is not supported in the nanu schema", what);
	err_hint(writer->err, "Read the rows with a plainer SELECT, and do the rest in the application.");
	return ERR_UNSUPPORTED;
}

int translate_fail(struct writer *writer, const char *sqlstate, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	err_set(writer->err, ERR_SYNTAX, "%s", text);
	err_sqlstate(writer->err, sqlstate);
	return ERR_SYNTAX;
}

/* ---- the select list ---- */

struct targets {
	struct piece *pieces;
	const char **names;
	size_t count;
};

/* output_name() knows no subqueries: a fan-out has none. */
static const char *target_name(const PgQuery__ResTarget *target)
{
	while (!target->name[0] && target->val->node_case == PG_QUERY__NODE__NODE_SUB_LINK) {
		const PgQuery__SubLink *link = target->val->sub_link;
		const PgQuery__SelectStmt *select = link->subselect->select_stmt;

		if (link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK)
			return "exists";
		while (select->larg)
			select = select->larg;
		if (link->sub_link_type != PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK || !select->n_target_list)
			break;
		target = select->target_list[0]->res_target;
	}
	return output_name(target);
}

static int expand_star(struct writer *writer, const struct query_scope *scope, const PgQuery__ColumnRef *ref, struct targets *targets)
{
	const char *relation = ref->n_fields > 1 ? ref->fields[ref->n_fields - 2]->string->sval : NULL;
	const struct columns *columns = relation ? &scope->all : &scope->star;
	bool known = !relation && scope->relation_count;

	for (size_t i = 0; relation && i < scope->relation_count; i++)
		known |= strcmp(scope->relations[i], relation) == 0;
	if (!known && !relation)
		return translate_fail(writer, "42601", "SELECT * with no tables specified is not valid");
	if (!known)
		return translate_fail(writer, "42P01", "missing FROM-clause entry for table \"%s\"", relation);
	for (size_t i = 0; i < columns->count; i++) {
		const struct named_column *column = &columns->items[i];

		if (relation && strcmp(column->relation, relation) != 0)
			continue;
		if (targets->count == TARGET_LIST_MAX)
			return translate_fail(writer, "54011", "target lists can have at most %d entries", TARGET_LIST_MAX);
		targets->pieces[targets->count] = column->piece;
		targets->names[targets->count++] = column->name;
	}
	return 0;
}

static int write_targets(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *scope, struct targets *targets)
{
	targets->pieces = arena_calloc(writer->arena, TARGET_LIST_MAX, sizeof(*targets->pieces));
	targets->names = arena_calloc(writer->arena, TARGET_LIST_MAX, sizeof(*targets->names));
	if (!select->n_target_list)
		return translate_refuse(writer, "an empty select list");
	for (size_t i = 0; i < select->n_target_list; i++) {
		const PgQuery__ResTarget *target = select->target_list[i]->res_target;
		size_t first = targets->count;
		int rc;

		if (target->val->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && translate_is_star(target->val->column_ref)) {
			rc = expand_star(writer, scope, target->val->column_ref, targets);
			for (size_t j = first; rc == 0 && !scope->ungrouped && j < targets->count; j++) {
				bool grouped = false;

				for (size_t k = 0; k < scope->group_count; k++)
					grouped |= strcmp(scope->groups[k], targets->pieces[j].text) == 0;
				if (!grouped)
					scope->ungrouped = targets->names[j];
			}
		} else if (targets->count == TARGET_LIST_MAX) {
			return translate_fail(writer, "54011", "target lists can have at most %d entries", TARGET_LIST_MAX);
		} else {
			rc = write_expression(writer, scope, target->val, TYPE_UNKNOWN, &targets->pieces[targets->count]);
			targets->names[targets->count++] = arena_strdup(writer->arena, target_name(target));
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- GROUP BY and ORDER BY ---- */

/* A bare whole number: the place in the select list, from 1; 0 when it is none. */
static int position_of(const PgQuery__Node *node)
{
	const PgQuery__AConst *constant = node->node_case == PG_QUERY__NODE__NODE_A_CONST ? node->a_const : NULL;

	/* protobuf leaves a zero out: position 0 comes without its value */
	return constant && !constant->isnull && constant->val_case == PG_QUERY__A__CONST__VAL_IVAL ? (constant->ival->ival ? constant->ival->ival : -1)
													: 0;
}

static const char *bare_name(const PgQuery__Node *node)
{
	if (node->node_case != PG_QUERY__NODE__NODE_COLUMN_REF || node->column_ref->n_fields != 1 || translate_is_star(node->column_ref))
		return NULL;
	return node->column_ref->fields[0]->string->sval;
}

/* The select list's expression of this name, or NULL. */
static const PgQuery__Node *named_target(const PgQuery__SelectStmt *select, const char *name)
{
	for (size_t i = 0; i < select->n_target_list; i++)
		if (strcmp(target_name(select->target_list[i]->res_target), name) == 0)
			return select->target_list[i]->res_target->val;
	return NULL;
}

static int write_group(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *scope, const PgQuery__Node *node,
		       struct piece *ret)
{
	const char *name = bare_name(node);
	int position = position_of(node);
	bool ambiguous = false;

	if (node->node_case == PG_QUERY__NODE__NODE_GROUPING_SET)
		return translate_refuse(writer, "GROUPING SETS, CUBE or ROLLUP");
	if (position) {
		for (size_t i = 0; i < select->n_target_list; i++) {
			const PgQuery__Node *value = select->target_list[i]->res_target->val;

			if (value->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && translate_is_star(value->column_ref))
				return translate_refuse(writer, "GROUP BY a position beside *");
		}
		if (position < 0 || (size_t)position > select->n_target_list)
			return translate_fail(writer, "42P10", "GROUP BY position %d is not in select list", position < 0 ? 0 : position);
		node = select->target_list[position - 1]->res_target->val;
	} else if (name && !columns_find(&scope->star, NULL, name, &ambiguous) && !ambiguous && named_target(select, name)) {
		node = named_target(select, name);
	}
	return write_expression(writer, scope, node, TYPE_UNKNOWN, ret);
}

static int write_groups(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *scope, struct buf *out)
{
	const char **groups = arena_calloc(writer->arena, select->n_group_clause + 1, sizeof(*groups));

	scope->in_filter = true;
	for (size_t i = 0; i < select->n_group_clause; i++) {
		struct piece piece;
		int rc = write_group(writer, select, scope, select->group_clause[i], &piece);

		if (rc < 0)
			return rc;
		groups[i] = piece.text;
		/* (…) keeps SQLite from taking a number for a position */
		buf_printf(out, "%s(%s)", i ? ", " : " GROUP BY ", piece.text);
	}
	scope->in_filter = false;
	scope->groups = groups;
	scope->group_count = select->n_group_clause;
	scope->ungrouped = NULL;
	return 0;
}

/* One ORDER BY item: a place in the select list where it can be one, else written out. `scope` is NULL behind a set operation. */
static int write_order_item(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *scope, const struct targets *targets,
			    const PgQuery__Node *node, struct buf *out)
{
	const char *name = bare_name(node);
	int position = position_of(node);
	struct piece piece;
	int rc;

	if (position < 0 || position > (int)targets->count)
		return translate_fail(writer, "42P10", "ORDER BY position %d is not in select list", position < 0 ? 0 : position);
	for (size_t i = 0; name && position >= 0 && i < targets->count; i++) {
		if (strcmp(targets->names[i], name) != 0)
			continue;
		if (position && strcmp(targets->pieces[position - 1].text, targets->pieces[i].text) != 0)
			return translate_fail(writer, "42702", "ORDER BY \"%s\" is ambiguous", name);
		position = position ? position : (int)i + 1;
	}
	if (!position && !scope)
		return translate_refuse(writer, "ORDER BY an expression behind UNION, INTERSECT or EXCEPT");
	if (!position) {
		rc = write_expression(writer, scope, node, TYPE_UNKNOWN, &piece);
		if (rc < 0)
			return rc;
		for (size_t i = 0; !position && i < targets->count; i++)
			if (strcmp(targets->pieces[i].text, piece.text) == 0)
				position = (int)i + 1;
		if (!position && select->n_distinct_clause)
			return translate_fail(writer, "42P10", "for SELECT DISTINCT, ORDER BY expressions must appear in select list");
	}
	if (position)
		buf_printf(out, "%d", position);
	else
		buf_printf(out, "(%s)", piece.text);
	return 0;
}

static int write_order(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *scope, const struct targets *targets,
		       struct buf *out)
{
	for (size_t i = 0; i < select->n_sort_clause; i++) {
		const PgQuery__SortBy *sort = select->sort_clause[i]->sort_by;
		bool descending = sort->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC, first = descending;
		int rc;

		if (sort->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_USING)
			return translate_refuse(writer, "ORDER BY … USING");
		if (sort->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST)
			first = true;
		if (sort->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST)
			first = false;
		buf_add_text(out, i ? ", " : " ORDER BY ");
		rc = write_order_item(writer, select, scope, targets, sort->node, out);
		if (rc < 0)
			return rc;
		buf_printf(out, "%s NULLS %s", descending ? " DESC" : "", first ? "FIRST" : "LAST");
	}
	return 0;
}

static int write_limit(struct writer *writer, const PgQuery__SelectStmt *select, struct buf *out)
{
	struct query_scope nothing = { .in_filter = true };
	struct piece count = { "NULL", TYPE_INT8 }, offset = { "NULL", TYPE_INT8 };
	int rc = 0;

	if (select->limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES)
		return translate_refuse(writer, "WITH TIES");
	if (!select->limit_count && !select->limit_offset)
		return 0;
	if (select->limit_count)
		rc = write_expression(writer, &nothing, select->limit_count, TYPE_INT8, &count);
	if (rc == 0 && select->limit_offset)
		rc = write_expression(writer, &nothing, select->limit_offset, TYPE_INT8, &offset);
	if (rc < 0)
		return rc;
	if (count.type != TYPE_INT8 || offset.type != TYPE_INT8)
		return translate_fail(writer, "42804", "argument of LIMIT and OFFSET must be type bigint");
	buf_printf(out, " LIMIT limit_rows(%s) OFFSET offset_rows(%s)", count.text, offset.text);
	return 0;
}

/* ---- WITH ---- */

static int write_with(struct writer *writer, const PgQuery__WithClause *with, struct query_scope *parent, struct buf *out)
{
	if (with->recursive)
		return translate_refuse(writer, "WITH RECURSIVE");
	for (size_t i = 0; i < with->n_ctes; i++) {
		const PgQuery__CommonTableExpr *expression = with->ctes[i]->common_table_expr;
		struct cte *cte = arena_calloc(writer->arena, 1, sizeof(*cte));
		const char *sql;
		int rc;

		if (expression->ctequery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
			return translate_refuse(writer, "WITH of anything but SELECT");
		rc = write_select(writer, expression->ctequery->select_stmt, parent, &sql, &cte->columns);
		if (rc < 0)
			return rc;
		if (expression->n_aliascolnames > cte->columns.count)
			return translate_fail(writer, "42P10", "WITH query \"%s\" has %zu columns available but %zu columns specified", expression->ctename,
				    cte->columns.count, expression->n_aliascolnames);
		for (size_t j = 0; j < expression->n_aliascolnames; j++)
			cte->columns.items[j].name = arena_strdup(writer->arena, expression->aliascolnames[j]->string->sval);
		cte->name = arena_strdup(writer->arena, expression->ctename);
		cte->sql_name = arena_printf(writer->arena, "w%u", ++writer->name_count);
		cte->next = writer->ctes;
		writer->ctes = cte;
		buf_printf(out, "%s%s AS (%s)", i ? ", " : "WITH ", cte->sql_name, sql);
	}
	buf_add_text(out, with->n_ctes ? " " : "");
	return 0;
}

/* ---- SELECT ---- */

static int refuse_clauses(struct writer *writer, const PgQuery__SelectStmt *select)
{
	if (select->into_clause)
		return translate_refuse(writer, "SELECT INTO");
	if (select->n_window_clause)
		return translate_refuse(writer, "WINDOW");
	if (select->n_locking_clause)
		return translate_refuse(writer, "FOR UPDATE or FOR SHARE");
	if (select->n_values_lists)
		return translate_refuse(writer, "VALUES");
	if (select->group_distinct)
		return translate_refuse(writer, "GROUP BY DISTINCT");
	for (size_t i = 0; i < select->n_distinct_clause; i++)
		if (select->distinct_clause[i]->node_case != PG_QUERY__NODE__NODE__NOT_SET)
			return translate_refuse(writer, "DISTINCT ON");
	return 0;
}

static int write_plain(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *parent, struct buf *out, struct targets *targets)
{
	struct query_scope *scope = arena_calloc(writer->arena, 1, sizeof(*scope));
	struct buf groups, order;
	struct piece where = { 0 }, having = { 0 };
	const char *from = "";
	int rc;

	scope->parent = parent;
	buf_init(&groups, STATEMENT_SIZE_MAX);
	buf_init(&order, STATEMENT_SIZE_MAX);
	scope->in_filter = true;
	rc = write_from(writer, select, scope, &from);
	if (rc == 0 && select->where_clause)
		rc = write_condition(writer, scope, select->where_clause, "WHERE", &where);
	if (rc == 0)
		rc = write_groups(writer, select, scope, &groups);
	if (rc == 0)
		rc = write_targets(writer, select, scope, targets);
	if (rc == 0 && select->having_clause)
		rc = write_condition(writer, scope, select->having_clause, "HAVING", &having);
	if (rc == 0)
		rc = write_order(writer, select, scope, targets, &order);
	if (rc == 0 && scope->ungrouped && (scope->aggregates || scope->group_count || select->having_clause))
		rc = translate_fail(writer, "42803", "column \"%s\" must appear in the GROUP BY clause or be used in an aggregate function", scope->ungrouped);
	if (rc == 0) {
		buf_printf(out, "SELECT %s", select->n_distinct_clause ? "DISTINCT " : "");
		for (size_t i = 0; i < targets->count; i++)
			buf_printf(out, "%s%s AS c%zu", i ? ", " : "", targets->pieces[i].text, i + 1);
		buf_add_text(out, from);
		if (where.text)
			buf_printf(out, " WHERE %s", where.text);
		buf_add_slice(out, buf_slice(&groups));
		/* SQLite wants a GROUP BY before HAVING; one group of all rows is there also when there are none */
		if (having.text && !select->n_group_clause && !scope->aggregates)
			rc = translate_refuse(writer, "HAVING without GROUP BY or an aggregate");
		if (having.text)
			buf_printf(out, " HAVING %s", having.text);
		buf_add_slice(out, buf_slice(&order));
	}
	buf_release(&groups);
	buf_release(&order);
	return rc;
}

static int write_set_operation(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *parent, struct buf *out,
			       struct targets *targets)
{
	static const char *const words[] = {
		[PG_QUERY__SET_OPERATION__SETOP_UNION] = "UNION", [PG_QUERY__SET_OPERATION__SETOP_INTERSECT] = "INTERSECT",
		[PG_QUERY__SET_OPERATION__SETOP_EXCEPT] = "EXCEPT",
	};
	struct columns left = { 0 }, right = { 0 };
	const char *left_sql = NULL, *right_sql = NULL;
	int rc = write_select(writer, select->larg, parent, &left_sql, &left);

	if (rc == 0)
		rc = write_select(writer, select->rarg, parent, &right_sql, &right);
	if (rc < 0)
		return rc;
	if (select->all && select->op != PG_QUERY__SET_OPERATION__SETOP_UNION)
		return translate_refuse(writer, "INTERSECT ALL or EXCEPT ALL");
	if (left.count != right.count)
		return translate_fail(writer, "42601", "each %s query must have the same number of columns", words[select->op]);
	targets->pieces = arena_calloc(writer->arena, left.count, sizeof(*targets->pieces));
	targets->names = arena_calloc(writer->arena, left.count, sizeof(*targets->names));
	targets->count = left.count;
	for (size_t i = 0; i < left.count; i++) {
		targets->names[i] = left.items[i].name;
		targets->pieces[i].text = arena_printf(writer->arena, "c%zu", i + 1);
		rc = translate_unify(writer, left.items[i].piece.type, right.items[i].piece.type, &targets->pieces[i].type);
		if (rc < 0)
			return rc;
	}
	buf_printf(out, "SELECT * FROM (SELECT * FROM (%s) %s%s SELECT * FROM (%s))", left_sql, words[select->op], select->all ? " ALL" : "",
		   right_sql);
	return write_order(writer, select, NULL, targets, out);
}

int write_select(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *parent, const char **ret_sql, struct columns *ret_columns)
{
	struct cte *outer_ctes = writer->ctes;
	struct targets targets = { 0 };
	struct buf out;
	int rc = refuse_clauses(writer, select);

	buf_init(&out, STATEMENT_SIZE_MAX);
	if (rc == 0 && select->with_clause)
		rc = write_with(writer, select->with_clause, parent, &out);
	if (rc == 0)
		rc = select->op == PG_QUERY__SET_OPERATION__SETOP_NONE || !select->larg ? write_plain(writer, select, parent, &out, &targets)
											  : write_set_operation(writer, select, parent, &out, &targets);
	if (rc == 0)
		rc = write_limit(writer, select, &out);
	if (rc == 0 && out.failed)
		rc = err_set(writer->err, ERR_LIMIT, "the statement is too long for the nanu schema");
	for (size_t i = 0; rc == 0 && i < targets.count; i++)
		columns_add(writer, ret_columns, (struct named_column){ .name = targets.names[i],
			.piece = { arena_printf(writer->arena, "c%zu", i + 1),
				   targets.pieces[i].type == TYPE_UNKNOWN ? TYPE_TEXT : targets.pieces[i].type } });
	if (rc == 0)
		*ret_sql = arena_strndup(writer->arena, out.data, out.size);
	buf_release(&out);
	writer->ctes = outer_ctes;
	return rc;
}

/* ---- the statement ---- */

static int write_statement(struct writer *writer, const PgQuery__ParseResult *tree)
{
	struct columns columns = { 0 };
	int rc;

	if (tree->n_stmts != 1)
		return translate_refuse(writer, "more than one statement at a time");
	if (tree->stmts[0]->stmt->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
		return translate_refuse(writer, "anything but SELECT");
	rc = write_select(writer, tree->stmts[0]->stmt->select_stmt, NULL, &writer->out->sql, &columns);
	if (rc < 0)
		return rc;
	writer->out->columns = arena_calloc(writer->arena, columns.count + 1, sizeof(*writer->out->columns));
	writer->out->column_count = columns.count;
	for (size_t i = 0; i < columns.count; i++)
		writer->out->columns[i] = (struct translated_column){ columns.items[i].name, columns.items[i].piece.type };
	return 0;
}

int translate(const struct translate_request *request, struct arena *arena, struct translation *ret, struct err *err)
{
	struct writer writer = { .arena = arena, .request = request, .out = ret, .err = err };
	PgQuery__ParseResult *tree;
	int rc;

	if (request->param_type_count > TRANSLATE_PARAMS_MAX)
		return err_set(err, ERR_LIMIT, "a statement on the nanu schema has at most %d parameters", TRANSLATE_PARAMS_MAX);
	*ret = (struct translation){ .param_types = arena_calloc(arena, TRANSLATE_PARAMS_MAX + 1, sizeof(*ret->param_types)),
				     .param_count = request->param_type_count };
	for (size_t i = 0; i < request->param_type_count; i++)
		ret->param_types[i + 1] = request->param_types[i] ? type_of_oid(request->param_types[i]) : TYPE_UNKNOWN;
	if (strlen(request->sql) > ADMIN_STATEMENT_SIZE_MAX)
		return err_set(err, ERR_LIMIT, "a statement on the nanu schema has at most %d bytes", ADMIN_STATEMENT_SIZE_MAX);
	rc = parse_text(request->sql, true, NULL, &tree, err);
	if (rc < 0)
		return rc;
	rc = write_statement(&writer, tree);
	pg_query__parse_result__free_unpacked(tree, NULL);
	return rc;
}

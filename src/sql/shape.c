#include "sql/shape.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sql/comments.h"
#include "sql/lexer.h"
#include "sql/nesting.h"
#include "sql/parse.h"
#include "sql/shape_make.h"

enum { VECTOR_FIRST = 8, CURSOR_HOLD = 0x20 /* CURSOR_OPT_HOLD of PostgreSQL's parsenodes.h */ };

void *vector_add(struct vector *vector, struct arena *arena, size_t item_size)
{
	if (vector->count == vector->capacity) {
		void *old = vector->items;

		vector->capacity = vector->capacity ? vector->capacity * 2 : VECTOR_FIRST;
		vector->items = arena_calloc(arena, vector->capacity, item_size);
		if (old)
			memcpy(vector->items, old, vector->count * item_size);
	}
	return (char *)vector->items + vector->count++ * item_size;
}

const char *text_or_null(struct maker *maker, const char *text)
{
	return text && text[0] ? arena_strdup(maker->arena, text) : NULL;
}

const char *node_string(const PgQuery__Node *node)
{
	return node && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval : NULL;
}

const char *dotted_name(struct maker *maker, PgQuery__Node *const *parts, size_t count)
{
	const char *name = NULL;
	struct buf text;
	size_t i;

	buf_init(&text, BUF_SIZE_MAX);
	for (i = 0; i < count && node_string(parts[i]); i++) {
		if (i)
			buf_add_u8(&text, '.');
		buf_add_text(&text, node_string(parts[i]));
	}
	if (count && i == count)
		name = arena_slice(maker->arena, buf_slice(&text)).data;
	buf_release(&text);
	return name;
}

char *lower_text(struct arena *arena, const char *text)
{
	char *lower = arena_strdup(arena, text);

	for (char *at = lower; *at; at++)
		*at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 0x20 : *at);
	return lower;
}

static void append(struct vector *vector, struct arena *arena, const void *items, size_t count, size_t item_size)
{
	for (size_t i = 0; i < count; i++)
		memcpy(vector_add(vector, arena, item_size), (const char *)items + i * item_size, item_size);
}

/* What the inner statement found is the outer one's too. Its scopes come behind the outer's scope 0, as that one's children,
 * and are renumbered. */
static void adopt(struct maker *maker, const struct shape *inner)
{
	struct shape *shape = maker->shape;
	struct arena *arena = maker->arena;
	int shift = (int)maker->scopes.count;
	size_t scopes = maker->scopes.count, tables = maker->tables.count, equalities = maker->equalities.count,
	       functions = maker->functions.count, joins = maker->joins.count;

	append(&maker->scopes, arena, inner->scopes, inner->scope_count, sizeof(*inner->scopes));
	append(&maker->tables, arena, inner->tables, inner->table_count, sizeof(*inner->tables));
	append(&maker->equalities, arena, inner->equalities, inner->equality_count, sizeof(*inner->equalities));
	append(&maker->joins, arena, inner->joins, inner->join_count, sizeof(*inner->joins));
	append(&maker->functions, arena, inner->functions, inner->function_count, sizeof(*inner->functions));
	append(&maker->words, arena, inner->words, inner->word_count, sizeof(*inner->words));
	for (size_t i = scopes; i < maker->scopes.count; i++) {
		struct scope *scope = scope_at(maker, (int)i);

		scope->parent = scope->parent < 0 ? 0 : scope->parent + shift;
	}
	for (size_t i = tables; i < maker->tables.count; i++) {
		struct table_ref *table = (struct table_ref *)maker->tables.items + i;

		table->scope += shift;
		table->subquery_scope += table->subquery_scope < 0 ? 0 : shift;
	}
	for (size_t i = equalities; i < maker->equalities.count; i++) {
		struct equality *equality = (struct equality *)maker->equalities.items + i;

		equality->scope += shift;
		equality->join += equality->join < 0 ? 0 : (int)joins;
	}
	for (size_t i = joins; i < maker->joins.count; i++) {
		struct join *join = (struct join *)maker->joins.items + i;

		join->first += (int)tables;
		join->middle += (int)tables;
		join->end += (int)tables;
	}
	for (size_t i = functions; i < maker->functions.count; i++)
		((struct function_ref *)maker->functions.items)[i].scope += shift;
	shape->inner = (struct shape *)(uintptr_t)inner;
	if (inner->param_max > shape->param_max)
		shape->param_max = inner->param_max;
	append(&maker->param_uses, arena, inner->param_uses, (size_t)inner->param_max, sizeof(*inner->param_uses));
	shape->cte_writes |= inner->cte_writes;
	shape->current_of = inner->current_of;
	shape->recursive |= inner->recursive;
	shape->session_value |= inner->session_value;
	shape->time_value |= inner->time_value;
	shape->temporary |= inner->temporary;
	shape->set_config_opaque |= inner->set_config || inner->set_config_opaque || inner->set_config_passing;
}

static void wrap(struct maker *maker, const PgQuery__Node *query)
{
	if (query)
		adopt(maker, shape_of_statement(maker, query));
}

static const char *option_text(struct maker *maker, const PgQuery__Node *arg);

static const char *option_list(struct maker *maker, const PgQuery__List *list)
{
	const char *text;
	struct buf all;

	buf_init(&all, BUF_SIZE_MAX);
	for (size_t i = 0; i < list->n_items; i++) {
		const char *item = option_text(maker, list->items[i]);

		if (i)
			buf_add_u8(&all, ',');
		buf_add_text(&all, item ? item : "");
	}
	text = arena_slice(maker->arena, buf_slice(&all)).data;
	buf_release(&all);
	return text;
}

/* The value of an option as text: constants as they are, names as they are, lists with commas between. */
static const char *option_text(struct maker *maker, const PgQuery__Node *arg)
{
	if (!arg)
		return NULL;
	switch (arg->node_case) {
	case PG_QUERY__NODE__NODE_STRING: return arena_strdup(maker->arena, arg->string->sval);
	case PG_QUERY__NODE__NODE_INTEGER: return arena_printf(maker->arena, "%d", arg->integer->ival);
	case PG_QUERY__NODE__NODE_FLOAT: return arena_strdup(maker->arena, arg->float_->fval);
	case PG_QUERY__NODE__NODE_BOOLEAN: return arg->boolean->boolval ? "true" : "false";
	case PG_QUERY__NODE__NODE_A_STAR: return "*";
	case PG_QUERY__NODE__NODE_LIST:
		return option_list(maker, arg->list);
	default: return NULL;
	}
}

static void options_read(struct maker *maker, PgQuery__Node *const *options, size_t count)
{
	struct shape *shape = maker->shape;

	shape->options = arena_calloc(maker->arena, count + 1, sizeof(*shape->options));
	for (size_t i = 0; i < count; i++) {
		if (options[i]->node_case != PG_QUERY__NODE__NODE_DEF_ELEM)
			continue;
		shape->options[shape->option_count++] = (struct shape_option){
			.name = lower_text(maker->arena, options[i]->def_elem->defname),
			.value = option_text(maker, options[i]->def_elem->arg),
		};
	}
}

/* defGetBoolean() of PostgreSQL: nothing, true, on and 1 mean yes. */
static bool option_is_on(const struct shape_option *option)
{
	return !option->value || strcasecmp(option->value, "true") == 0 || strcasecmp(option->value, "on") == 0 ||
	       strcmp(option->value, "1") == 0;
}

static void read_explain(struct maker *maker, const PgQuery__ExplainStmt *explain)
{
	struct shape *shape = maker->shape;

	shape->kind = STMT_EXPLAIN;
	options_read(maker, explain->options, explain->n_options);
	for (size_t i = 0; i < shape->option_count; i++)
		if (strcmp(shape->options[i].name, "analyze") == 0)
			shape->explain_analyze = option_is_on(&shape->options[i]);
	wrap(maker, explain->query);
}

static void read_copy(struct maker *maker, const PgQuery__CopyStmt *copy)
{
	struct shape *shape = maker->shape;

	shape->kind = STMT_COPY;
	shape->copy_from = copy->is_from;
	shape->copy_stdio = !copy->filename[0] && !copy->is_program;
	shape->copy_where = copy->where_clause != NULL;
	options_read(maker, copy->options, copy->n_options);
	if (copy->relation)
		table_add(maker, copy->relation, 0)->target = copy->is_from;
	shape->insert_columns = arena_calloc(maker->arena, copy->n_attlist + 1, sizeof(*shape->insert_columns));
	for (size_t i = 0; i < copy->n_attlist; i++) {
		const char *column = node_string(copy->attlist[i]);

		if (column)
			shape->insert_columns[shape->insert_column_count++] = arena_strdup(maker->arena, column);
	}
	WALK(maker, copy->where_clause, 0);
	wrap(maker, copy->query);
}

static void read_create_as(struct maker *maker, const PgQuery__IntoClause *into, const PgQuery__Node *query)
{
	maker->shape->kind = STMT_CREATE_TABLE_AS;
	if (into && into->rel)
		table_add(maker, into->rel, 0)->target = true;
	wrap(maker, query);
}

static void read_execute(struct maker *maker, const PgQuery__ExecuteStmt *execute)
{
	struct shape *shape = maker->shape;

	shape->kind = STMT_EXECUTE;
	shape->name = text_or_null(maker, execute->name);
	shape->execute_args = arena_calloc(maker->arena, execute->n_params + 1, sizeof(*shape->execute_args));
	for (size_t i = 0; i < execute->n_params; i++)
		value_read(maker, execute->params[i], &shape->execute_args[shape->execute_arg_count++]);
	walk_nodes(maker, execute->params, execute->n_params, 0);
}

/* The query of PREPARE begins behind the first AS that stands in no parentheses. */
static size_t prepare_query_offset(const struct maker *maker, size_t from)
{
	bool standard = !maker->fingerprint || maker->fingerprint->standard_strings, found = false;
	struct lexer lexer;
	struct token token;
	size_t depth = 0;

	lexer_init(&lexer, slice_make(maker->sql.data + from, maker->sql.size - from), standard);
	while (lexer_next(&lexer, &token) == 1) {
		if (found)
			return from + token.offset;
		depth += token_is(&token, '(');
		depth -= token_is(&token, ')') && depth > 0;
		found = depth == 0 && token.kind == TOKEN_WORD && token.size == 2 &&
			strncasecmp(lexer.text + token.offset, "as", 2) == 0;
	}
	return maker->sql.size;
}

static const PgQuery__SelectStmt *leftmost(const PgQuery__SelectStmt *select)
{
	while (select->larg)
		select = select->larg;
	return select;
}

/* SELECT … INTO: the INTO hangs in the first arm. Inside of the wrapped statement it is taken off. */
static bool read_select_into(struct maker *maker, const PgQuery__Node *statement)
{
	PgQuery__SelectStmt *first = (PgQuery__SelectStmt *)(uintptr_t)leftmost(statement->select_stmt);
	PgQuery__IntoClause *into = first->into_clause;

	if (!into)
		return false;
	first->into_clause = NULL;
	read_create_as(maker, into, statement);
	first->into_clause = into;
	return true;
}

static bool read_query(struct maker *maker, const PgQuery__Node *statement)
{
	struct shape *shape = maker->shape;

	switch (statement->node_case) {
	case PG_QUERY__NODE__NODE_SELECT_STMT:
		if (read_select_into(maker, statement))
			return true;
		shape->kind = STMT_SELECT;
		break;
	case PG_QUERY__NODE__NODE_INSERT_STMT: shape->kind = STMT_INSERT; break;
	case PG_QUERY__NODE__NODE_UPDATE_STMT: shape->kind = STMT_UPDATE; break;
	case PG_QUERY__NODE__NODE_DELETE_STMT: shape->kind = STMT_DELETE; break;
	case PG_QUERY__NODE__NODE_MERGE_STMT: shape->kind = STMT_MERGE; break;
	default: return false;
	}
	walk_query(maker, statement, 0);
	lifts_read(maker, statement);
	return true;
}

/* Prepared statements, cursors, notifications, and the rest: a kind, a name, and what hangs below. */
/* PostgreSQL leaves out their modifiers too. */
static void read_prepare_types(struct maker *maker, const PgQuery__PrepareStmt *prepare)
{
	struct shape *shape = maker->shape;

	shape->prepare_type_count = prepare->n_argtypes;
	shape->prepare_types = arena_calloc(maker->arena, prepare->n_argtypes + 1, sizeof(*shape->prepare_types));
	for (size_t i = 0; i < prepare->n_argtypes; i++) {
		const PgQuery__TypeName *type = prepare->argtypes[i]->type_name;

		shape->prepare_types[i] = type->n_array_bounds ? NULL : dotted_name(maker, type->names, type->n_names);
	}
}

static void read_do(struct maker *maker, const PgQuery__DoStmt *statement)
{
	for (size_t i = 0; i < statement->n_args; i++) {
		const PgQuery__DefElem *option = statement->args[i]->def_elem;

		if (statement->args[i]->node_case != PG_QUERY__NODE__NODE_DEF_ELEM)
			continue;
		if (strcmp(option->defname, "as") == 0)
			maker->shape->code = option_text(maker, option->arg);
		else if (strcmp(option->defname, "language") == 0)
			maker->shape->code_language = option_text(maker, option->arg);
	}
}

static void read_other(struct maker *maker, const PgQuery__Node *statement)
{
	struct shape *shape = maker->shape;
	const char *name = NULL;

	switch (statement->node_case) {
	case PG_QUERY__NODE__NODE_EXPLAIN_STMT: read_explain(maker, statement->explain_stmt); return;
	case PG_QUERY__NODE__NODE_COPY_STMT: read_copy(maker, statement->copy_stmt); return;
	case PG_QUERY__NODE__NODE_EXECUTE_STMT: read_execute(maker, statement->execute_stmt); return;
	case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
		read_create_as(maker, statement->create_table_as_stmt->into, statement->create_table_as_stmt->query);
		return;
	case PG_QUERY__NODE__NODE_PREPARE_STMT:
		shape->kind = STMT_PREPARE;
		shape->name = text_or_null(maker, statement->prepare_stmt->name);
		read_prepare_types(maker, statement->prepare_stmt);
		walk_nodes(maker, statement->prepare_stmt->argtypes, statement->prepare_stmt->n_argtypes, 0);
		wrap(maker, statement->prepare_stmt->query);
		return;
	case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
		shape->kind = STMT_DECLARE;
		shape->name = text_or_null(maker, statement->declare_cursor_stmt->portalname);
		shape->cursor_hold = statement->declare_cursor_stmt->options & CURSOR_HOLD;
		wrap(maker, statement->declare_cursor_stmt->query);
		return;
	case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
		shape->kind = STMT_DEALLOCATE;
		name = statement->deallocate_stmt->name;
		break;
	case PG_QUERY__NODE__NODE_FETCH_STMT:
		shape->kind = STMT_FETCH;
		name = statement->fetch_stmt->portalname;
		break;
	case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
		shape->kind = STMT_CLOSE;
		name = statement->close_portal_stmt->portalname;
		break;
	case PG_QUERY__NODE__NODE_LISTEN_STMT:
		shape->kind = STMT_LISTEN;
		name = statement->listen_stmt->conditionname;
		break;
	case PG_QUERY__NODE__NODE_UNLISTEN_STMT:
		shape->kind = STMT_UNLISTEN;
		name = statement->unlisten_stmt->conditionname;
		break;
	case PG_QUERY__NODE__NODE_NOTIFY_STMT:
		shape->kind = STMT_NOTIFY;
		name = statement->notify_stmt->conditionname;
		break;
	case PG_QUERY__NODE__NODE_CALL_STMT: shape->kind = STMT_CALL; break;
	case PG_QUERY__NODE__NODE_DO_STMT:
		shape->kind = STMT_DO;
		read_do(maker, statement->do_stmt);
		break;
	case PG_QUERY__NODE__NODE_LOCK_STMT: shape->kind = STMT_LOCK; break;
	default: shape->kind = STMT_OTHER; break;
	}
	shape->name = text_or_null(maker, name);
	walk(maker, &statement->base, 0);
}

struct shape *shape_of_statement(struct maker *outer, const PgQuery__Node *statement)
{
	struct maker maker = {
		.arena = outer->arena, .sql = outer->sql, .fingerprint = outer->fingerprint, .lone = outer->lone, .too_many = outer->too_many,
	};
	struct shape *shape = arena_calloc(outer->arena, 1, sizeof(*shape));

	shape->arena = outer->arena;
	maker.shape = shape;
	scope_add(&maker, SCOPE_TOP, -1);
	if (!read_query(&maker, statement) && !shape_setting(&maker, statement) && !shape_transaction(&maker, statement) &&
	    !shape_ddl(&maker, statement))
		read_other(&maker, statement);
	shape_set_config(&maker, shape->kind == STMT_SELECT ? statement->select_stmt : NULL);
	shape->scopes = maker.scopes.items;
	shape->scope_count = maker.scopes.count;
	shape->tables = maker.tables.items;
	shape->table_count = maker.tables.count;
	shape->equalities = maker.equalities.items;
	shape->equality_count = maker.equalities.count;
	shape->joins = maker.joins.items;
	shape->join_count = maker.joins.count;
	shape->param_uses = maker.param_uses.items;
	shape->functions = maker.functions.items;
	shape->function_count = maker.functions.count;
	shape->words = maker.words.items;
	shape->word_count = maker.words.count;
	shape->set_columns = maker.set_columns.items;
	shape->set_column_count = maker.set_columns.count;
	return shape;
}

static void make_shapes(struct maker *maker, const PgQuery__ParseResult *tree, struct shapes *shapes)
{
	shapes->items = arena_calloc(maker->arena, tree->n_stmts + 1, sizeof(*shapes->items));
	shapes->offsets = arena_calloc(maker->arena, tree->n_stmts + 1, sizeof(*shapes->offsets));
	shapes->sizes = arena_calloc(maker->arena, tree->n_stmts + 1, sizeof(*shapes->sizes));
	maker->lone = tree->n_stmts == 1;
	for (size_t i = 0; i < tree->n_stmts; i++) {
		const PgQuery__RawStmt *raw = tree->stmts[i];
		size_t offset = (size_t)raw->stmt_location, size = (size_t)raw->stmt_len;
		struct shape *shape;

		if (!raw->stmt || offset > maker->sql.size)
			continue;
		shape = shape_of_statement(maker, raw->stmt);
		if (shape->kind == STMT_PREPARE)
			shape->prepare_query_offset = prepare_query_offset(maker, offset);
		shapes->items[shapes->count] = *shape;
		shapes->offsets[shapes->count] = offset;
		shapes->sizes[shapes->count] = size && size <= maker->sql.size - offset ? size : maker->sql.size - offset;
		shapes->count++;
	}
	if (shapes->count == 0) {
		shapes->count = 1;
		shapes->items[0] = (struct shape){ .kind = STMT_EMPTY, .arena = maker->arena };
		shapes->items[0].scopes = arena_calloc(maker->arena, 1, sizeof(struct scope));
		shapes->items[0].scopes[0].parent = -1;
		shapes->items[0].scope_count = 1;
		shapes->sizes[0] = maker->sql.size;
	}
}

int shape_parse(struct slice sql, const struct fingerprint *fingerprint, struct arena *arena, struct shapes *ret_shapes,
		struct err *err)
{
	bool standard = !fingerprint || fingerprint->standard_strings, too_many = false;
	struct maker maker = { .arena = arena, .sql = sql, .fingerprint = fingerprint, .too_many = &too_many };
	PgQuery__ParseResult *tree;
	size_t nesting;
	char *text;
	int rc = 0;

	*ret_shapes = (struct shapes){ 0 };
	if (sql.size > STATEMENT_SIZE_MAX)
		return err_set(err, ERR_LIMIT, "a statement is longer than %d bytes", STATEMENT_SIZE_MAX);
	nesting = nesting_bound(sql, standard);
	if (nesting == SIZE_MAX || (sql.size && memchr(sql.data, '\0', sql.size)))
		return err_set(err, ERR_SYNTAX, "the scanner refuses the statement");
	if (nesting > NESTING_MAX) {
		rc = err_set(err, ERR_LIMIT, "the statement is nested deeper than %d levels", NESTING_MAX);
		err_sqlstate(err, "54001");
		err_hint(err, "Shorten the longest chain of operators, joins or UNIONs in it.");
		return rc;
	}
	text = mem_strndup(sql.size ? sql.data : "", sql.size);
	comments_blank(text, sql.size, standard);
	rc = parse_text(text, standard, NULL, &tree, err);
	mem_free(text);
	if (rc < 0)
		return rc;
	make_shapes(&maker, tree, ret_shapes);
	pg_query__parse_result__free_unpacked(tree, NULL);
	if (too_many) {
		*ret_shapes = (struct shapes){ 0 };
		rc = err_set(err, ERR_LIMIT, "the statement has more than %d WITH queries", CTES_MAX);
	}
	return rc;
}

#include "sql/shape.h"

#include "base/buf.h"
#include "base/limits.h"

static const char *const kind_names[STMT_KIND_COUNT_] = {
	[STMT_EMPTY] = "empty", [STMT_SELECT] = "select", [STMT_INSERT] = "insert", [STMT_UPDATE] = "update",
	[STMT_DELETE] = "delete", [STMT_MERGE] = "merge", [STMT_BEGIN] = "begin", [STMT_COMMIT] = "commit",
	[STMT_ROLLBACK] = "rollback", [STMT_SAVEPOINT] = "savepoint", [STMT_RELEASE] = "release",
	[STMT_ROLLBACK_TO] = "rollback to", [STMT_PREPARE_TX] = "prepare transaction",
	[STMT_COMMIT_PREPARED] = "commit prepared", [STMT_ROLLBACK_PREPARED] = "rollback prepared", [STMT_SET] = "set",
	[STMT_RESET] = "reset", [STMT_SHOW] = "show", [STMT_DISCARD] = "discard", [STMT_SET_TRANSACTION] = "set transaction",
	[STMT_SET_CONSTRAINTS] = "set constraints", [STMT_PREPARE] = "prepare", [STMT_EXECUTE] = "execute",
	[STMT_DEALLOCATE] = "deallocate", [STMT_DECLARE] = "declare", [STMT_FETCH] = "fetch", [STMT_CLOSE] = "close",
	[STMT_LISTEN] = "listen", [STMT_UNLISTEN] = "unlisten", [STMT_NOTIFY] = "notify", [STMT_COPY] = "copy",
	[STMT_EXPLAIN] = "explain", [STMT_CALL] = "call", [STMT_DO] = "do", [STMT_LOCK] = "lock",
	[STMT_TRUNCATE] = "truncate", [STMT_CREATE_TABLE] = "create table", [STMT_CREATE_TABLE_AS] = "create table as",
	[STMT_ALTER_TABLE] = "alter table", [STMT_RENAME] = "rename", [STMT_DROP] = "drop",
	[STMT_CREATE_INDEX] = "create index", [STMT_DDL] = "ddl", [STMT_MAINTENANCE] = "maintenance",
	[STMT_CLUSTER_DDL] = "cluster ddl", [STMT_OTHER] = "other",
};

static const char *const kind_words[STMT_KIND_COUNT_] = {
	[STMT_EMPTY] = "an empty statement", [STMT_SELECT] = "SELECT", [STMT_INSERT] = "INSERT", [STMT_UPDATE] = "UPDATE",
	[STMT_DELETE] = "DELETE", [STMT_MERGE] = "MERGE", [STMT_BEGIN] = "BEGIN", [STMT_COMMIT] = "COMMIT",
	[STMT_ROLLBACK] = "ROLLBACK", [STMT_SAVEPOINT] = "SAVEPOINT", [STMT_RELEASE] = "RELEASE SAVEPOINT",
	[STMT_ROLLBACK_TO] = "ROLLBACK TO SAVEPOINT", [STMT_PREPARE_TX] = "PREPARE TRANSACTION",
	[STMT_COMMIT_PREPARED] = "COMMIT PREPARED", [STMT_ROLLBACK_PREPARED] = "ROLLBACK PREPARED", [STMT_SET] = "SET",
	[STMT_RESET] = "RESET", [STMT_SHOW] = "SHOW", [STMT_DISCARD] = "DISCARD",
	[STMT_SET_TRANSACTION] = "SET TRANSACTION", [STMT_SET_CONSTRAINTS] = "SET CONSTRAINTS", [STMT_PREPARE] = "PREPARE",
	[STMT_EXECUTE] = "EXECUTE", [STMT_DEALLOCATE] = "DEALLOCATE", [STMT_DECLARE] = "DECLARE", [STMT_FETCH] = "FETCH",
	[STMT_CLOSE] = "CLOSE", [STMT_LISTEN] = "LISTEN", [STMT_UNLISTEN] = "UNLISTEN", [STMT_NOTIFY] = "NOTIFY",
	[STMT_COPY] = "COPY", [STMT_EXPLAIN] = "EXPLAIN", [STMT_CALL] = "CALL", [STMT_DO] = "DO", [STMT_LOCK] = "LOCK",
	[STMT_TRUNCATE] = "TRUNCATE", [STMT_CREATE_TABLE] = "CREATE TABLE", [STMT_CREATE_TABLE_AS] = "CREATE TABLE AS",
	[STMT_ALTER_TABLE] = "ALTER TABLE", [STMT_RENAME] = "ALTER … RENAME", [STMT_DROP] = "DROP",
	[STMT_CREATE_INDEX] = "CREATE INDEX", [STMT_DDL] = "a definition",
	[STMT_MAINTENANCE] = "VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT or REFRESH",
	[STMT_CLUSTER_DDL] = "a definition for a whole node", [STMT_OTHER] = "this statement",
};

const char *stmt_kind_name(enum stmt_kind kind)
{
	return kind < STMT_KIND_COUNT_ ? kind_names[kind] : "?";
}

const char *stmt_kind_sql(enum stmt_kind kind)
{
	return kind < STMT_KIND_COUNT_ ? kind_words[kind] : "?";
}

static void put_name(struct buf *out, const char *name)
{
	buf_add_u8(out, '"');
	for (; *name; name++) {
		if (*name == '"')
			buf_add_u8(out, '"');
		buf_add_u8(out, (uint8_t)*name);
	}
	buf_add_u8(out, '"');
}

static void put_dotted(struct buf *out, const char *schema, const char *name)
{
	if (schema) {
		put_name(out, schema);
		buf_add_u8(out, '.');
	}
	put_name(out, name ? name : "");
}

static void put_flag(struct buf *out, bool flag, const char *name)
{
	if (flag)
		buf_printf(out, " %s", name);
}

static void put_labelled(struct buf *out, const char *label, const char *name)
{
	if (!name)
		return;
	buf_printf(out, "  %s ", label);
	put_name(out, name);
	buf_add_u8(out, '\n');
}

static void put_column(struct buf *out, const struct column_ref *column)
{
	if (column->qualifier_schema) {
		put_name(out, column->qualifier_schema);
		buf_add_u8(out, '.');
	}
	put_dotted(out, column->qualifier, column->name);
}

static void put_value(struct buf *out, const struct value *value)
{
	static const char *const words[] = {
		[VALUE_OPAQUE] = "opaque", [VALUE_NULL] = "null", [VALUE_TRUE] = "true", [VALUE_FALSE] = "false",
		[VALUE_DEFAULT] = "default",
	};

	if (value->kind == VALUE_LITERAL)
		buf_printf(out, "%sslot %d", value->negated ? "-" : "", value->slot);
	else if (value->kind == VALUE_PARAM)
		buf_printf(out, "$%d", value->param);
	else
		buf_add_text(out, words[value->kind]);
	if (value->cast)
		buf_printf(out, "::%s", value->cast);
}

static void put_values(struct buf *out, const struct value *values, size_t count)
{
	buf_add_text(out, "(");
	for (size_t i = 0; i < count; i++) {
		buf_add_text(out, i ? ", " : "");
		put_value(out, &values[i]);
	}
	buf_add_text(out, ")");
}

static void put_names(struct buf *out, const char *label, const char *const *names, size_t count)
{
	if (count == 0)
		return;
	buf_printf(out, "  %s (", label);
	for (size_t i = 0; i < count; i++) {
		buf_add_text(out, i ? ", " : "");
		put_name(out, names[i] ? names[i] : "");
	}
	buf_add_text(out, ")\n");
}

static void put_scope(struct buf *out, const struct scope *scope, size_t index)
{
	static const char *const kinds[] = {
		[SCOPE_TOP] = "top", [SCOPE_SUBLINK] = "sublink", [SCOPE_FROM] = "from", [SCOPE_CTE] = "cte",
		[SCOPE_SETOP_ARM] = "arm", [SCOPE_SOURCE] = "source",
	};

	buf_printf(out, "  scope %zu %s of %d:", index, kinds[scope->kind], scope->parent);
	put_flag(out, scope->set_operation, "set_operation");
	put_flag(out, scope->distinct, "distinct");
	put_flag(out, scope->distinct_on, "distinct_on");
	put_flag(out, scope->group_by, "group_by");
	put_flag(out, scope->grouping_sets, "grouping_sets");
	put_flag(out, scope->having, "having");
	put_flag(out, scope->window, "window");
	put_flag(out, scope->order_by, "order_by");
	put_flag(out, scope->limit, "limit");
	put_flag(out, scope->offset, "offset");
	put_flag(out, scope->with_ties, "with_ties");
	put_flag(out, scope->locking, "locking");
	put_flag(out, scope->natural_join, "natural_join");
	put_flag(out, scope->outer_join, "outer_join");
	buf_add_u8(out, '\n');
}

static void put_table(struct buf *out, const struct table_ref *table)
{
	static const char *const kinds[] = {
		[TABLE_REF_RELATION] = "relation", [TABLE_REF_CTE] = "cte", [TABLE_REF_SUBQUERY] = "subquery",
		[TABLE_REF_FUNCTION] = "function", [TABLE_REF_VALUES] = "values",
	};

	buf_printf(out, "  table %s ", kinds[table->kind]);
	put_dotted(out, table->schema, table->name);
	if (table->alias) {
		buf_add_text(out, " as ");
		put_name(out, table->alias);
	}
	buf_printf(out, " in %d", table->scope);
	if (table->subquery_scope >= 0)
		buf_printf(out, " from scope %d", table->subquery_scope);
	put_flag(out, table->target, "target");
	put_flag(out, table->nullable, "nullable");
	put_flag(out, table->only, "only");
	put_flag(out, table->column_aliases, "column_aliases");
	buf_add_u8(out, '\n');
}

static void put_equality(struct buf *out, const struct equality *equality)
{
	buf_printf(out, "  %s in %d: ", equality->strength == EQUALITY_FILTER ? "filter" : "match", equality->scope);
	put_column(out, &equality->left);
	buf_add_text(out, equality->array ? " = any " : " = ");
	if (equality->is_column)
		put_column(out, &equality->right);
	else
		put_values(out, equality->values, equality->value_count);
	buf_add_u8(out, '\n');
}

static void put_function(struct buf *out, const struct function_ref *function)
{
	buf_add_text(out, "  function ");
	put_dotted(out, function->schema, function->name);
	buf_printf(out, " in %d", function->scope);
	put_flag(out, function->star, "star");
	put_flag(out, function->distinct, "distinct");
	put_flag(out, function->filter, "filter");
	put_flag(out, function->over, "over");
	put_flag(out, function->ordered, "ordered");
	put_flag(out, function->within_group, "within_group");
	buf_add_u8(out, '\n');
}

static void put_insert(struct buf *out, const struct shape *shape)
{
	static const char *const sources[] = {
		[INSERT_NONE] = "", [INSERT_VALUES] = "values", [INSERT_SELECT] = "select", [INSERT_DEFAULT] = "default",
	};

	put_names(out, "columns", shape->insert_columns, shape->insert_column_count);
	if (shape->insert_source != INSERT_NONE)
		buf_printf(out, "  insert %s\n", sources[shape->insert_source]);
	for (size_t row = 0; row < shape->insert_row_count; row++) {
		buf_add_text(out, "  row ");
		put_values(out, shape->insert_values + row * shape->insert_width, shape->insert_width);
		buf_add_u8(out, '\n');
	}
}

static void put_setting(struct buf *out, const struct shape *shape)
{
	if (shape->setting)
		buf_printf(out, "  setting \"%s\" %s to %s\n", shape->setting,
			   shape->set_scope == SET_LOCAL ? "local" : "session",
			   shape->setting_value ? shape->setting_value : "default");
	if (shape->tx_isolation)
		buf_printf(out, "  isolation %s\n", shape->tx_isolation);
	for (size_t i = 0; i < shape->option_count; i++)
		buf_printf(out, "  option %s = %s\n", shape->options[i].name,
			   shape->options[i].value ? shape->options[i].value : "");
	put_labelled(out, "name", shape->name);
	put_labelled(out, "current of", shape->current_of);
	put_labelled(out, "rename to", shape->rename_to);
	put_labelled(out, "rename schema", shape->rename_schema);
}

static void put_flags(struct buf *out, const struct shape *shape)
{
	const struct { bool set; const char *name; } flags[] = {
		{ shape->returning, "returning" }, { shape->on_conflict, "on_conflict" }, { shape->cte_writes, "cte_writes" },
		{ shape->recursive, "recursive" }, { shape->session_value, "session_value" },
		{ shape->time_value, "time_value" }, { shape->overriding, "overriding" }, { shape->reset_all, "reset_all" },
		{ shape->set_config, "set_config" }, { shape->set_config_opaque, "set_config_opaque" },
		{ shape->set_config_passing, "set_config_passing" },
		{ shape->set_current, "set_current" }, { shape->tx_read_only, "tx_read_only" },
		{ shape->tx_read_write, "tx_read_write" }, { shape->tx_isolation_given, "tx_isolation_given" },
		{ shape->tx_chain, "tx_chain" }, { shape->tx_session_characteristics, "tx_session_characteristics" },
		{ shape->explain_analyze, "explain_analyze" }, { shape->cursor_hold, "cursor_hold" },
		{ shape->discard_temp, "discard_temp" }, { shape->discard_plans, "discard_plans" },
		{ shape->discard_sequences, "discard_sequences" }, { shape->copy_from, "copy_from" },
		{ shape->copy_stdio, "copy_stdio" }, { shape->copy_where, "copy_where" }, { shape->temporary, "temporary" },
		{ shape->concurrently, "concurrently" }, { shape->drop_tables, "drop_tables" },
		{ shape->on_index, "on_index" },
		{ shape->rename_table, "rename_table" }, { shape->rename_column, "rename_column" },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		put_flag(out, flags[i].set, flags[i].name);
	if (shape->param_max)
		buf_printf(out, " params %d", shape->param_max);
	buf_add_u8(out, '\n');
}

static void put_shape(struct buf *out, const struct shape *shape)
{
	buf_add_text(out, stmt_kind_name(shape->kind));
	put_flags(out, shape);
	for (size_t i = 0; i < shape->scope_count; i++)
		put_scope(out, &shape->scopes[i], i);
	for (size_t i = 0; i < shape->table_count; i++)
		put_table(out, &shape->tables[i]);
	for (size_t i = 0; i < shape->equality_count; i++)
		put_equality(out, &shape->equalities[i]);
	for (size_t i = 0; i < shape->function_count; i++)
		put_function(out, &shape->functions[i]);
	put_insert(out, shape);
	put_names(out, "sets", shape->set_columns, shape->set_column_count);
	put_names(out, "alters", shape->altered_columns, shape->altered_column_count);
	put_setting(out, shape);
	if (shape->kind == STMT_EXECUTE) {
		buf_add_text(out, "  args ");
		put_values(out, shape->execute_args, shape->execute_arg_count);
		buf_add_u8(out, '\n');
	}
	if (shape->inner) {
		buf_add_text(out, "inner ");
		put_shape(out, shape->inner);
	}
}

char *shape_describe(const struct shape *shape, struct arena *arena)
{
	struct buf out;
	char *text;

	buf_init(&out, STATEMENT_SIZE_MAX);
	put_shape(&out, shape);
	text = arena_strndup(arena, out.data, out.size);
	buf_release(&out);
	return text;
}

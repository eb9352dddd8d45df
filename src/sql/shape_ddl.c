#include "sql/shape_make.h"

#include <string.h>

#include "sql/set_value.h"

static bool is_cluster_object(PgQuery__ObjectType type)
{
	return type == PG_QUERY__OBJECT_TYPE__OBJECT_DATABASE || type == PG_QUERY__OBJECT_TYPE__OBJECT_ROLE ||
	       type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLESPACE || type == PG_QUERY__OBJECT_TYPE__OBJECT_SUBSCRIPTION ||
	       type == PG_QUERY__OBJECT_TYPE__OBJECT_PARAMETER_ACL;
}

static bool is_relation_object(PgQuery__ObjectType type)
{
	return type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE || type == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW ||
	       type == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW || type == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX ||
	       type == PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE || type == PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE;
}

static bool is_table(PgQuery__ObjectType type)
{
	return type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE || type == PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE;
}

/* The first `count` tables are what the statement defines or changes. */
static void mark_targets(struct maker *maker, size_t count)
{
	struct table_ref *tables = maker->tables.items;

	for (size_t i = 0; i < count && i < maker->tables.count; i++)
		tables[i].target = true;
}

/* A relation that the grammar gives as a list of names. */
static void add_named(struct maker *maker, PgQuery__Node *const *names, size_t count)
{
	struct table_ref *table;

	if (count == 0)
		return;
	table = vector_add(&maker->tables, maker->arena, sizeof(*table));
	*table = (struct table_ref){
		.kind = TABLE_REF_RELATION, .subquery_scope = -1, .target = true,
		.name = text_or_null(maker, node_string(names[count - 1])),
		.schema = count > 1 ? text_or_null(maker, node_string(names[count - 2])) : NULL,
	};
	if (table->schema && (strcmp(table->schema, "pg_temp") == 0 || strncmp(table->schema, "pg_temp_", 8) == 0))
		maker->shape->temporary = true;
}

static void read_drop(struct maker *maker, const PgQuery__DropStmt *drop)
{
	struct shape *shape = maker->shape;

	shape->kind = is_cluster_object(drop->remove_type) ? STMT_CLUSTER_DDL : STMT_DROP;
	shape->drop_tables = drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE;
	shape->on_index = drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX;
	shape->concurrently = drop->concurrent;
	for (size_t i = 0; is_relation_object(drop->remove_type) && i < drop->n_objects; i++)
		if (drop->objects[i]->node_case == PG_QUERY__NODE__NODE_LIST)
			add_named(maker, drop->objects[i]->list->items, drop->objects[i]->list->n_items);
}

static void read_rename(struct maker *maker, const PgQuery__RenameStmt *rename)
{
	struct shape *shape = maker->shape;
	bool column = rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN;

	shape->kind = is_cluster_object(rename->rename_type) ? STMT_CLUSTER_DDL : STMT_RENAME;
	shape->rename_to = text_or_null(maker, rename->newname);
	shape->name = text_or_null(maker, rename->subname);
	shape->rename_table = is_table(rename->rename_type);
	shape->on_index = rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX;
	shape->rename_column = column && is_table(rename->relation_type);
	if (rename->relation)
		table_add(maker, rename->relation, 0)->target = true;
	WALK(maker, rename->object, 0);
}

static void read_alter_table(struct maker *maker, const PgQuery__AlterTableStmt *alter)
{
	struct shape *shape = maker->shape;

	shape->kind = is_table(alter->objtype) ? STMT_ALTER_TABLE : STMT_DDL;
	table_add(maker, alter->relation, 0)->target = true;
	shape->altered_columns = arena_calloc(maker->arena, alter->n_cmds + 1, sizeof(*shape->altered_columns));
	for (size_t i = 0; i < alter->n_cmds; i++) {
		const PgQuery__AlterTableCmd *command = alter->cmds[i]->alter_table_cmd;

		if (alter->cmds[i]->node_case != PG_QUERY__NODE__NODE_ALTER_TABLE_CMD)
			continue;
		if (command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn ||
		    command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType)
			shape->altered_columns[shape->altered_column_count++] = arena_strdup(maker->arena, command->name);
		if (command->def && command->def->node_case == PG_QUERY__NODE__NODE_PARTITION_CMD)
			shape->concurrently |= command->def->partition_cmd->concurrent;
		shape->inherits |= command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit ||
				   command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AttachPartition;
		if (command->def)
			keys_of_definition(maker, command->def);
		walk(maker, &command->base, 0);
	}
}

static bool has_option(PgQuery__Node *const *options, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (options[i]->node_case == PG_QUERY__NODE__NODE_DEF_ELEM &&
		    strcmp(options[i]->def_elem->defname, name) == 0)
			return true;
	return false;
}

/* Functions, types, … made in pg_temp: their names are lists of strings. */
static void note_temporary_name(struct maker *maker, PgQuery__Node *const *names, size_t count)
{
	const char *schema = count > 1 ? node_string(names[0]) : NULL;

	if (schema && (strcmp(schema, "pg_temp") == 0 || strncmp(schema, "pg_temp_", 8) == 0))
		maker->shape->temporary = true;
}

static const char *last_name(struct maker *maker, PgQuery__Node *const *names, size_t count)
{
	return count ? text_or_null(maker, node_string(names[count - 1])) : NULL;
}

/* What needs more than its kind. */
static bool read_special(struct maker *maker, const PgQuery__Node *statement)
{
	struct shape *shape = maker->shape;

	switch (statement->node_case) {
	case PG_QUERY__NODE__NODE_DROP_STMT:
		read_drop(maker, statement->drop_stmt);
		return true;
	case PG_QUERY__NODE__NODE_RENAME_STMT:
		read_rename(maker, statement->rename_stmt);
		return true;
	case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
		read_alter_table(maker, statement->alter_table_stmt);
		return true;
	case PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT:
		shape->kind = statement->alter_object_schema_stmt->relation ? STMT_RENAME : STMT_DDL;
		shape->rename_schema = text_or_null(maker, statement->alter_object_schema_stmt->newschema);
		shape->rename_table = is_table(statement->alter_object_schema_stmt->object_type);
		walk(maker, &statement->base, 0);
		mark_targets(maker, 1);
		return true;
	case PG_QUERY__NODE__NODE_CREATE_STMT:
		shape->kind = STMT_CREATE_TABLE;
		shape->inherits = statement->create_stmt->n_inh_relations > 0;
		for (size_t i = 0; i < statement->create_stmt->n_table_elts; i++)
			keys_of_definition(maker, statement->create_stmt->table_elts[i]);
		walk(maker, &statement->base, 0);
		mark_targets(maker, 1);
		return true;
	case PG_QUERY__NODE__NODE_INDEX_STMT:
		shape->kind = STMT_CREATE_INDEX;
		shape->concurrently = statement->index_stmt->concurrent;
		keys_of_index(maker, statement->index_stmt);
		walk(maker, &statement->base, 0);
		mark_targets(maker, 1);
		return true;
	case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
		shape->kind = STMT_TRUNCATE;
		walk(maker, &statement->base, 0);
		mark_targets(maker, maker->tables.count);
		return true;
	case PG_QUERY__NODE__NODE_REINDEX_STMT:
		shape->kind = STMT_MAINTENANCE;
		shape->on_index = statement->reindex_stmt->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_INDEX;
		shape->concurrently = has_option(statement->reindex_stmt->params, statement->reindex_stmt->n_params,
						 "concurrently");
		walk(maker, &statement->base, 0);
		return true;
	case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT:
		shape->kind = STMT_DDL;
		note_temporary_name(maker, statement->create_function_stmt->funcname,
				    statement->create_function_stmt->n_funcname);
		shape->function = last_name(maker, statement->create_function_stmt->funcname, statement->create_function_stmt->n_funcname);
		walk(maker, &statement->base, 0);
		return true;
	case PG_QUERY__NODE__NODE_ALTER_FUNCTION_STMT:
		shape->kind = STMT_DDL;
		if (statement->alter_function_stmt->func)
			shape->function = last_name(maker, statement->alter_function_stmt->func->objname,
						    statement->alter_function_stmt->func->n_objname);
		walk(maker, &statement->base, 0);
		return true;
	case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
		shape->kind = STMT_DDL;
		note_temporary_name(maker, statement->create_enum_stmt->type_name, statement->create_enum_stmt->n_type_name);
		return true;
	case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
		shape->kind = STMT_DDL;
		note_temporary_name(maker, statement->create_domain_stmt->domainname,
				    statement->create_domain_stmt->n_domainname);
		walk(maker, &statement->base, 0);
		return true;
	default:
		return false;
	}
}

/* Statements about an object of any kind: more than one database is concerned by some kinds. */
static enum stmt_kind object_kind(const PgQuery__Node *statement)
{
	PgQuery__ObjectType type = PG_QUERY__OBJECT_TYPE__OBJECT_TYPE_UNDEFINED;

	switch (statement->node_case) {
	case PG_QUERY__NODE__NODE_GRANT_STMT: type = statement->grant_stmt->objtype; break;
	case PG_QUERY__NODE__NODE_COMMENT_STMT: type = statement->comment_stmt->objtype; break;
	case PG_QUERY__NODE__NODE_SEC_LABEL_STMT: type = statement->sec_label_stmt->objtype; break;
	case PG_QUERY__NODE__NODE_ALTER_OWNER_STMT: type = statement->alter_owner_stmt->object_type; break;
	default: return STMT_OTHER;
	}
	return is_cluster_object(type) ? STMT_CLUSTER_DDL : STMT_DDL;
}

static enum stmt_kind plain_kind(const PgQuery__Node *statement)
{
	switch (statement->node_case) {
	case PG_QUERY__NODE__NODE_VACUUM_STMT: case PG_QUERY__NODE__NODE_CLUSTER_STMT:
	case PG_QUERY__NODE__NODE_CHECK_POINT_STMT: case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT:
		return STMT_MAINTENANCE;
	case PG_QUERY__NODE__NODE_CREATEDB_STMT: case PG_QUERY__NODE__NODE_DROPDB_STMT:
	case PG_QUERY__NODE__NODE_ALTER_DATABASE_STMT: case PG_QUERY__NODE__NODE_ALTER_DATABASE_SET_STMT:
	case PG_QUERY__NODE__NODE_ALTER_DATABASE_REFRESH_COLL_STMT:
	case PG_QUERY__NODE__NODE_CREATE_ROLE_STMT: case PG_QUERY__NODE__NODE_ALTER_ROLE_STMT:
	case PG_QUERY__NODE__NODE_ALTER_ROLE_SET_STMT: case PG_QUERY__NODE__NODE_DROP_ROLE_STMT:
	case PG_QUERY__NODE__NODE_GRANT_ROLE_STMT: case PG_QUERY__NODE__NODE_DROP_OWNED_STMT:
	case PG_QUERY__NODE__NODE_REASSIGN_OWNED_STMT: case PG_QUERY__NODE__NODE_CREATE_TABLE_SPACE_STMT:
	case PG_QUERY__NODE__NODE_DROP_TABLE_SPACE_STMT: case PG_QUERY__NODE__NODE_ALTER_TABLE_SPACE_OPTIONS_STMT:
	case PG_QUERY__NODE__NODE_ALTER_TABLE_MOVE_ALL_STMT: case PG_QUERY__NODE__NODE_CREATE_SUBSCRIPTION_STMT:
	case PG_QUERY__NODE__NODE_ALTER_SUBSCRIPTION_STMT: case PG_QUERY__NODE__NODE_DROP_SUBSCRIPTION_STMT:
	case PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT:
		return STMT_CLUSTER_DDL;
	case PG_QUERY__NODE__NODE_ALTER_DOMAIN_STMT: case PG_QUERY__NODE__NODE_ALTER_DEFAULT_PRIVILEGES_STMT:
	case PG_QUERY__NODE__NODE_DEFINE_STMT:
	case PG_QUERY__NODE__NODE_RULE_STMT: case PG_QUERY__NODE__NODE_VIEW_STMT: case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
	case PG_QUERY__NODE__NODE_ALTER_SEQ_STMT: case PG_QUERY__NODE__NODE_CREATE_TRIG_STMT:
	case PG_QUERY__NODE__NODE_CREATE_PLANG_STMT: case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT:
	case PG_QUERY__NODE__NODE_CREATE_CONVERSION_STMT: case PG_QUERY__NODE__NODE_CREATE_CAST_STMT:
	case PG_QUERY__NODE__NODE_CREATE_OP_CLASS_STMT: case PG_QUERY__NODE__NODE_CREATE_OP_FAMILY_STMT:
	case PG_QUERY__NODE__NODE_ALTER_OP_FAMILY_STMT: case PG_QUERY__NODE__NODE_ALTER_OBJECT_DEPENDS_STMT:
	case PG_QUERY__NODE__NODE_ALTER_OPERATOR_STMT: case PG_QUERY__NODE__NODE_ALTER_TYPE_STMT:
	case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT: case PG_QUERY__NODE__NODE_CREATE_RANGE_STMT:
	case PG_QUERY__NODE__NODE_ALTER_ENUM_STMT: case PG_QUERY__NODE__NODE_ALTER_TSDICTIONARY_STMT:
	case PG_QUERY__NODE__NODE_ALTER_TSCONFIGURATION_STMT: case PG_QUERY__NODE__NODE_CREATE_FDW_STMT:
	case PG_QUERY__NODE__NODE_ALTER_FDW_STMT: case PG_QUERY__NODE__NODE_CREATE_FOREIGN_SERVER_STMT:
	case PG_QUERY__NODE__NODE_ALTER_FOREIGN_SERVER_STMT: case PG_QUERY__NODE__NODE_CREATE_USER_MAPPING_STMT:
	case PG_QUERY__NODE__NODE_ALTER_USER_MAPPING_STMT: case PG_QUERY__NODE__NODE_DROP_USER_MAPPING_STMT:
	case PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT: case PG_QUERY__NODE__NODE_IMPORT_FOREIGN_SCHEMA_STMT:
	case PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT: case PG_QUERY__NODE__NODE_ALTER_EXTENSION_STMT:
	case PG_QUERY__NODE__NODE_ALTER_EXTENSION_CONTENTS_STMT: case PG_QUERY__NODE__NODE_CREATE_EVENT_TRIG_STMT:
	case PG_QUERY__NODE__NODE_ALTER_EVENT_TRIG_STMT: case PG_QUERY__NODE__NODE_CREATE_POLICY_STMT:
	case PG_QUERY__NODE__NODE_ALTER_POLICY_STMT: case PG_QUERY__NODE__NODE_CREATE_TRANSFORM_STMT:
	case PG_QUERY__NODE__NODE_CREATE_AM_STMT: case PG_QUERY__NODE__NODE_CREATE_PUBLICATION_STMT:
	case PG_QUERY__NODE__NODE_ALTER_PUBLICATION_STMT: case PG_QUERY__NODE__NODE_CREATE_STATS_STMT:
	case PG_QUERY__NODE__NODE_ALTER_COLLATION_STMT: case PG_QUERY__NODE__NODE_ALTER_STATS_STMT:
		return STMT_DDL;
	default:
		return object_kind(statement);
	}
}

/* Does it define what stands behind operators, casts, types, aggregates? */
static bool defines_types(const PgQuery__Node *statement)
{
	switch (statement->node_case) {
	case PG_QUERY__NODE__NODE_DEFINE_STMT: case PG_QUERY__NODE__NODE_CREATE_CAST_STMT: case PG_QUERY__NODE__NODE_CREATE_OP_CLASS_STMT:
	case PG_QUERY__NODE__NODE_ALTER_OP_FAMILY_STMT: case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT:
	case PG_QUERY__NODE__NODE_CREATE_RANGE_STMT: case PG_QUERY__NODE__NODE_ALTER_DOMAIN_STMT: case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
	case PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT: case PG_QUERY__NODE__NODE_ALTER_EXTENSION_STMT:
		return true;
	default:
		return false;
	}
}

/* Does the first relation of the statement name what it defines? */
static bool defines_relation(const PgQuery__Node *statement)
{
	return statement->node_case == PG_QUERY__NODE__NODE_VIEW_STMT ||
	       statement->node_case == PG_QUERY__NODE__NODE_CREATE_SEQ_STMT ||
	       statement->node_case == PG_QUERY__NODE__NODE_ALTER_SEQ_STMT ||
	       statement->node_case == PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT ||
	       statement->node_case == PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT ||
	       statement->node_case == PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT;
}

static bool keeps_routers(struct maker *maker, const PgQuery__Node *statement)
{
	const PgQuery__VariableSetStmt *set = NULL;

	if (statement->node_case == PG_QUERY__NODE__NODE_ALTER_ROLE_SET_STMT)
		set = statement->alter_role_set_stmt->setstmt;
	else if (statement->node_case == PG_QUERY__NODE__NODE_ALTER_DATABASE_SET_STMT)
		set = statement->alter_database_set_stmt->setstmt;
	else if (statement->node_case == PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT)
		set = statement->alter_system_stmt->setstmt;
	return set && set->name && set->kind != PG_QUERY__VARIABLE_SET_KIND__VAR_RESET && set_value_is_routers(lower_text(maker->arena, set->name));
}

bool shape_ddl(struct maker *maker, const PgQuery__Node *statement)
{
	enum stmt_kind kind;

	maker->shape->types = defines_types(statement);
	if (read_special(maker, statement))
		return true;
	maker->shape->keeps_routers = keeps_routers(maker, statement);
	kind = plain_kind(statement);
	if (kind == STMT_OTHER)
		return false;
	maker->shape->kind = kind;
	maker->shape->hooks = statement->node_case == PG_QUERY__NODE__NODE_RULE_STMT ||
			      statement->node_case == PG_QUERY__NODE__NODE_CREATE_TRIG_STMT ||
			      statement->node_case == PG_QUERY__NODE__NODE_CREATE_POLICY_STMT;
	if (statement->node_case == PG_QUERY__NODE__NODE_CREATE_TRIG_STMT)
		maker->shape->function = last_name(maker, statement->create_trig_stmt->funcname, statement->create_trig_stmt->n_funcname);
	if (statement->node_case == PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT)
		maker->shape->name = text_or_null(maker, statement->create_schema_stmt->schemaname);
	walk(maker, &statement->base, 0);
	if (defines_relation(statement))
		mark_targets(maker, 1);
	return true;
}

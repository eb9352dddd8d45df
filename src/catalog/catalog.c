#include "catalog/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { CATALOG_BLOCK_SIZE = 64 << 10, QUALIFIED_SIZE_MAX = 160 };

struct catalog *catalog_new(uint64_t version)
{
	struct catalog *catalog = mem_calloc(1, sizeof(*catalog));

	catalog->version = version;
	catalog->refs = 1;
	arena_init(&catalog->arena, CATALOG_BLOCK_SIZE);
	return catalog;
}

struct catalog *catalog_ref(struct catalog *catalog)
{
	__atomic_add_fetch(&catalog->refs, 1, __ATOMIC_RELAXED);
	return catalog;
}

void catalog_unref(struct catalog *catalog)
{
	if (!catalog || __atomic_sub_fetch(&catalog->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	map_release(&catalog->tables);
	map_release(&catalog->functions);
	map_release(&catalog->collations);
	map_release(&catalog->tables_by_oid);
	map_release(&catalog->tables_named);
	map_release(&catalog->functions_named);
	map_release(&catalog->role_paths);
	map_release(&catalog->role_schemas);
	arena_release(&catalog->arena);
	mem_free(catalog);
}

static struct slice qualified(const char *schema, const char *name, char out[QUALIFIED_SIZE_MAX])
{
	/* A zero between them: "a.b"."c" is not "a"."b.c". */
	int size = snprintf(out, QUALIFIED_SIZE_MAX, "%s%c%s", schema, '\0', name);

	return slice_make(out, size < QUALIFIED_SIZE_MAX ? (size_t)size : QUALIFIED_SIZE_MAX - 1);
}

void catalog_add_table(struct catalog *catalog, const struct catalog_table *table)
{
	struct catalog_table *copy = arena_alloc(&catalog->arena, sizeof(*copy));
	char key[QUALIFIED_SIZE_MAX];

	*copy = *table;
	copy->schema = arena_strdup(&catalog->arena, table->schema);
	copy->name = arena_strdup(&catalog->arena, table->name);
	copy->columns = arena_alloc(&catalog->arena, table->column_count * sizeof(*copy->columns));
	for (size_t i = 0; i < table->column_count; i++) {
		copy->columns[i] = table->columns[i];
		copy->columns[i].name = arena_strdup(&catalog->arena, table->columns[i].name);
	}
	copy->same_name = map_get(&catalog->tables_named, slice_of(copy->name));
	map_set(&catalog->tables, qualified(copy->schema, copy->name, key), copy);
	map_set(&catalog->tables_by_oid, slice_make(&copy->oid, sizeof(copy->oid)), copy);
	map_set(&catalog->tables_named, slice_of(copy->name), copy);
}

void catalog_add_function(struct catalog *catalog, const struct catalog_function *function)
{
	struct catalog_function *copy = arena_alloc(&catalog->arena, sizeof(*copy));
	char key[QUALIFIED_SIZE_MAX];

	*copy = *function;
	copy->schema = arena_strdup(&catalog->arena, function->schema);
	copy->name = arena_strdup(&catalog->arena, function->name);
	copy->body = function->body ? arena_strdup(&catalog->arena, function->body) : NULL;
	copy->body_immutable = function->body_immutable ? arena_strdup(&catalog->arena, function->body_immutable) : NULL;
	copy->calls = NULL;
	copy->takes = NULL;
	copy->call_count = copy->take_count = 0;
	copy->same_name = map_get(&catalog->functions_named, slice_of(copy->name));
	map_set(&catalog->functions, qualified(copy->schema, copy->name, key), copy);
	map_set(&catalog->functions_named, slice_of(copy->name), copy);
}

void catalog_add_collation(struct catalog *catalog, const struct catalog_collation *collation)
{
	struct catalog_collation *copy = arena_alloc(&catalog->arena, sizeof(*copy));

	*copy = *collation;
	copy->schema = arena_strdup(&catalog->arena, collation->schema ? collation->schema : "pg_catalog");
	copy->name = arena_strdup(&catalog->arena, collation->name);
	copy->locale = arena_strdup(&catalog->arena, collation->locale ? collation->locale : "");
	map_set(&catalog->collations, slice_make(&copy->oid, sizeof(copy->oid)), copy);
}

static bool listed(const struct catalog *catalog, const char *schema)
{
	for (size_t i = 0; i < catalog->search_path_count; i++)
		if (strcmp(catalog->search_path[i], schema) == 0)
			return true;
	return false;
}

static void *lookup(const struct catalog *catalog, const struct map *map, const char *schema, const char *name)
{
	char key[QUALIFIED_SIZE_MAX];
	void *found;

	if (schema)
		return map_get(map, qualified(schema, name, key));
	found = listed(catalog, "pg_catalog") ? NULL : map_get(map, qualified("pg_catalog", name, key));
	for (size_t i = 0; !found && i < catalog->search_path_count; i++)
		found = map_get(map, qualified(catalog->search_path[i], name, key));
	return found;
}

const struct catalog_table *catalog_table(const struct catalog *catalog, const char *schema, const char *name)
{
	return lookup(catalog, &catalog->tables, schema, name);
}

const struct catalog_function *catalog_function(const struct catalog *catalog, const char *schema, const char *name)
{
	return lookup(catalog, &catalog->functions, schema, name);
}

const struct catalog_collation *catalog_collation(const struct catalog *catalog, uint32_t oid)
{
	return map_get(&catalog->collations, slice_make(&oid, sizeof(oid)));
}

static const struct catalog_collation *collation_in(const struct catalog *catalog, const char *schema, const char *name)
{
	const struct catalog_collation *collation;
	size_t position = 0;
	struct slice key;
	void *value;

	while (map_next(&catalog->collations, &position, &key, &value)) {
		collation = value;
		if (strcmp(collation->schema, schema) == 0 && strcmp(collation->name, name) == 0)
			return collation;
	}
	return NULL;
}

const struct catalog_collation *catalog_collation_named(const struct catalog *catalog, const char *schema, const char *name)
{
	const struct catalog_collation *found;

	if (schema)
		return collation_in(catalog, schema, name);
	found = listed(catalog, "pg_catalog") ? NULL : collation_in(catalog, "pg_catalog", name);
	for (size_t i = 0; !found && i < catalog->search_path_count; i++)
		found = collation_in(catalog, catalog->search_path[i], name);
	return found;
}

const struct catalog_column *catalog_column(const struct catalog_table *table, const char *name)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			return &table->columns[i];
	return NULL;
}

const struct catalog_table *catalog_table_by_oid(const struct catalog *catalog, uint32_t oid)
{
	return map_get(&catalog->tables_by_oid, slice_make(&oid, sizeof(oid)));
}

const struct catalog_table *catalog_tables_named(const struct catalog *catalog, const char *name)
{
	return map_get(&catalog->tables_named, slice_of(name));
}

const struct catalog_function *catalog_functions_named(const struct catalog *catalog, const char *name)
{
	return map_get(&catalog->functions_named, slice_of(name));
}

const char *const catalog_reading_functions[] = {
	"check_foreign_key", "check_primary_key", "connectby", "crosstab", "crosstab2", "crosstab3", "crosstab4", "crosstabn",
	"cursor_to_xml", "cursor_to_xmlschema", "database_to_xml", "database_to_xml_and_xmlschema", "database_to_xmlschema",
	"query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema", "schema_to_xml", "schema_to_xml_and_xmlschema",
	"schema_to_xmlschema", "table_to_xml", "table_to_xml_and_xmlschema", "table_to_xmlschema", "ts_rewrite", "ts_stat",
	"xpath_table", NULL,
};

static int compare_names(const void *name, const void *entry)
{
	return strcmp(name, *(const char *const *)entry);
}

bool catalog_reads_tables(const char *function)
{
	size_t count = sizeof(catalog_reading_functions) / sizeof(catalog_reading_functions[0]) - 1;

	return bsearch(function, catalog_reading_functions, count, sizeof(catalog_reading_functions[0]), compare_names) != NULL;
}

bool catalog_reads_tables_by_oid(const struct catalog *catalog, uint32_t function)
{
	for (size_t i = 0; i < catalog->reading_oid_count; i++)
		if (catalog->reading_oids[i] == function)
			return true;
	return false;
}

const char *const catalog_leaving_functions[] = {
	"pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_unlock", "pg_advisory_unlock_all", "pg_advisory_unlock_shared",
	"pg_try_advisory_lock", "pg_try_advisory_lock_shared", "set_config", "setseed",
	"pg_backup_start", "pg_create_logical_replication_slot", "pg_create_physical_replication_slot", "pg_replication_origin_session_reset",
	"pg_replication_origin_session_setup", "set_limit", NULL,
};
enum { FOLLOWED_COUNT = 9 };            /* the first of them */

static bool among_leaving(const char *function, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(catalog_leaving_functions[i], function) == 0)
			return true;
	return false;
}

bool catalog_leaves_traces(const char *function)
{
	return among_leaving(function, sizeof(catalog_leaving_functions) / sizeof(catalog_leaving_functions[0]) - 1);
}

bool catalog_follows(const char *function)
{
	return among_leaving(function, FOLLOWED_COUNT);
}

const char *const catalog_telling_functions[] = { "current_query", "pg_cursor", "statement_timestamp", NULL };

bool catalog_tells_statement(const char *function)
{
	for (size_t i = 0; catalog_telling_functions[i]; i++)
		if (strcmp(catalog_telling_functions[i], function) == 0)
			return true;
	return false;
}

void catalog_add_role_path(struct catalog *catalog, const char *role, const char *path)
{
	map_set(&catalog->role_paths, slice_of(role), arena_strdup(&catalog->arena, path));
}

void catalog_add_role_schema(struct catalog *catalog, const char *role)
{
	map_set(&catalog->role_schemas, slice_of(role), catalog);
}

const char *catalog_role_path(const struct catalog *catalog, const char *login, const char *role)
{
	const char *own = catalog->role_paths.count ? map_get(&catalog->role_paths, slice_of(login)) : NULL;

	if (own || !catalog->role_schemas.count)
		return own;
	return map_get(&catalog->role_schemas, slice_of(role)) ? catalog->search_path_text : NULL;
}

#include "route/definition.h"

#include <string.h>

#include "catalog/catalog.h"
#include "place/place.h"
#include "route/hooks.h"
#include "route/resolve.h"
#include "topo/topology.h"

static bool listed(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void check_altered(const struct shape *shape, const struct sharded_table *table, struct plan_item *item)
{
	if (!listed(shape->altered_columns, shape->altered_column_count, table->key_column))
		return;
	plan_refuse(item, "", "Make a new table, shard it, and copy the rows.");
	err_set(&item->refusal, ERR_UNSUPPORTED, "column \"%s\" is the shard key of table \"%s\": it can be neither dropped nor changed in type",
		table->key_column, table->name);
	err_hint(&item->refusal, "Make a new table, shard it, and copy the rows.");
}

/* Equal rows share a shard only where the shard key is among what must be unique. */
static void check_unique(const struct shape_key *key, const struct sharded_table *table, struct plan_item *item)
{
	if (listed(key->columns, key->column_count, table->key_column))
		return;
	plan_refuse(item, "", "");
	err_set(&item->refusal, ERR_UNSUPPORTED, "a unique key of table \"%s\" must contain its shard key \"%s\" to hold over all shards",
		table->name, table->key_column);
	err_hint(&item->refusal, "Add \"%s\" to the columns of the key.", table->key_column);
}

/* Each shard's sequence would give the numbers that the others give; shard_table() parts them, for the columns that it finds. */
static void check_sequences(const struct shape *shape, const struct sharded_table *table, struct plan_item *item)
{
	bool uses = shape->sequence_default;

	for (size_t i = 0; i < shape->function_count; i++)
		uses |= strcmp(shape->functions[i].name, "nextval") == 0;
	if (!uses)
		return;
	plan_refuse(item, "", "");
	err_set(&item->refusal, ERR_UNSUPPORTED, "a sequence for a column of the sharded table \"%s\" would give the same numbers on each shard",
		table->name);
	err_hint(&item->refusal, "Give the column its sequence before the table is sharded, or take the numbers from elsewhere.");
}

static const struct resolved_table *referenced(const struct resolver *resolver, const struct shape_key *key)
{
	for (size_t i = 0; i < resolver->shape->table_count; i++) {
		const struct table_ref *ref = &resolver->shape->tables[i];

		if (strcmp(ref->name ? ref->name : "", key->ref_table) == 0 &&
		    (!key->ref_schema || (ref->schema && strcmp(ref->schema, key->ref_schema) == 0)))
			return &resolver->tables[i];
	}
	return NULL;
}

/* Whether the i-th column of the foreign key refers to `column`. None listed: those of the primary key. */
static bool refers_to(const struct shape_key *key, const struct resolved_table *target, size_t i, const char *column)
{
	const struct catalog_column *found = target->table ? catalog_column(target->table, column) : NULL;

	if (key->ref_column_count)
		return i < key->ref_column_count && strcmp(key->ref_columns[i], column) == 0;
	return found && found->primary_at == (int)i + 1;
}

/* A row and the row that it refers to share a shard only where both are sharded alike, and the keys are paired. */
static void check_foreign(const struct resolver *resolver, const struct shape_key *key, const struct sharded_table *table,
			  struct plan_item *item)
{
	const struct resolved_table *target = referenced(resolver, key);
	const struct sharded_table *other = target ? target->sharded : NULL;

	if (!table && !other)
		return;
	if (table && other && table->colocation == other->colocation && key_types_meet(table->key_type, other->key_type)) {
		for (size_t i = 0; i < key->column_count; i++)
			if (strcmp(key->columns[i], table->key_column) == 0 && refers_to(key, target, i, other->key_column))
				return;
	}
	plan_refuse(item, "", "");
	err_set(&item->refusal, ERR_UNSUPPORTED, "a foreign key to \"%s\" cannot hold over all shards", key->ref_table);
	if (other && !table)
		err_hint(&item->refusal, "Create the table without it, shard the table by the column that refers to \"%s\", then ALTER TABLE … ADD FOREIGN KEY (that"
			 " column) REFERENCES %s (%s).", other->key_column, key->ref_table, other->key_column);
	else
		err_hint(&item->refusal, "Foreign keys stand between sharded tables that are placed alike, with the shard key of one paired with that of the other.");
}

void plan_refuse_hiding(struct resolver *resolver, struct plan_item *item)
{
	const struct shape *shape = resolver->shape;
	bool creates = shape->kind == STMT_CREATE_TABLE || shape->kind == STMT_CREATE_TABLE_AS || shape->kind == STMT_DDL;

	if (!creates || resolver->database->shard_count == 1 || !shape->table_count || !shape->tables[0].target ||
	    !resolve_name(resolver, shape->tables[0].name))
		return;
	plan_refuse(item, "", "");
	err_set(&item->refusal, ERR_UNSUPPORTED, "a temporary relation named \"%s\" would hide the one of the database on one shard only",
		shape->tables[0].name);
	err_hint(&item->refusal, "Give it another name.");
}

/* No catalog will have the defaults of a temporary table, nor what a temporary view reads. */
static void refuse_hiding_code(const struct resolver *resolver, struct plan_item *item)
{
	const struct shape *shape = resolver->shape;

	if (hooks_refuse_expressions(resolver, shape, false, item) || hooks_refuse(resolver, shape, item))
		return;
	if (shape->kind == STMT_CREATE_TABLE && shape->table_count > 1 && resolver->database->table_count && resolver->catalog &&
	    hooks_takes_code(resolver))
		plan_refuse(item, "a temporary table would take over code that may touch sharded tables, of which it would see one shard only",
			    "Leave defaults and checks out (LIKE … without INCLUDING).");
	for (size_t i = 0; i < shape->table_count && item->kind != ROUTE_REFUSED; i++)
		if (resolver->tables[i].sharded && !shape->tables[i].target)
			plan_refuse(item, "a temporary relation made of a sharded table would see one shard only", "Write the query out.");
}

void plan_definition(struct resolver *resolver, struct plan_item *item)
{
	const struct shape *shape = resolver->shape;
	const struct sharded_table *table = shape->table_count && shape->kind != STMT_CREATE_TABLE ? resolver->tables[0].sharded : NULL;

	item->kind = shape->concurrently ? ROUTE_ALL_LOOSE : ROUTE_ALL;
	if (shape->temporary) {
		item->kind = ROUTE_HOME;
		item->writes = true;
		plan_refuse_hiding(resolver, item);
		if (shape->kind != STMT_DROP && item->kind != ROUTE_REFUSED)
			refuse_hiding_code(resolver, item);
		return;
	}
	if (table) {
		check_altered(shape, table, item);
		check_sequences(shape, table, item);
	}
	for (size_t i = 0; shape->hooks && i < shape->table_count; i++)
		if (resolver->tables[i].sharded && !(shape->function && hooks_known_strictly(resolver)))
			plan_refuse(item, "a trigger, rule or policy that concerns a sharded table may read tables, of which it would see one shard only",
				    shape->function ? "Its function may be of SQL or PL/pgSQL without EXECUTE, and name neither tables nor sequences." :
						      "Do in the application what it would do.");
	for (size_t i = 0; i < shape->key_count; i++) {
		if (shape->keys[i].foreign)
			check_foreign(resolver, &shape->keys[i], table, item);
		else if (table)
			check_unique(&shape->keys[i], table, item);
	}
	for (size_t i = 0; shape->inherits && i < shape->table_count; i++)
		if (resolver->tables[i].sharded)
			plan_refuse(item, "inheritance and partitions of sharded tables are not supported yet", "Shard the tables one by one.");
}

bool plan_redefined(struct slice redefined, const char *name)
{
	for (size_t at = 0; at < redefined.size; at += strlen(redefined.data + at) + 1)
		if (strcmp(redefined.data + at, name) == 0 || strcmp(redefined.data + at, REDEFINED_ALL) == 0)
			return true;
	return false;
}

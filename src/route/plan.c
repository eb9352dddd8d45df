#include "route/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "catalog/catalog.h"
#include "route/definition.h"
#include "route/hint.h"
#include "route/hooks.h"
#include "route/reading.h"
#include "route/resolve.h"
#include "route/snapshot.h"
#include "route/traces.h"
#include "sql/body.h"
#include "sql/set_value.h"
#include "topo/topology.h"

enum { PLAN_BLOCK_SIZE = 4 << 10 };

#define HINT_KEY "Name the shard key with = or IN in WHERE, so that the statement finds its shard."

const char *route_kind_name(enum route_kind kind)
{
	static const char *const names[] = { "any shard", "home shard", "by key", "fan-out", "all shards", "all shards, each for itself",
		"router", "refused" };

	return names[kind];
}

void plan_refuse(struct plan_item *item, const char *what, const char *hint)
{
	item->kind = ROUTE_REFUSED;
	err_set(&item->refusal, ERR_UNSUPPORTED, "%s", what);
	err_hint(&item->refusal, "%s", hint);
}

/* ---- functions ---- */

static bool is_system_function(const struct resolver *resolver, const struct function_ref *function, const struct catalog_function **ret)
{
	const struct catalog_function *found = NULL;

	if (resolver->catalog)
		found = catalog_function(resolver->catalog, function->schema, function->name);
	*ret = found;
	return found && found->builtin && !found->call_count;
}

/* Code of the user's own that no call shows: behind operators, casts, …, or an attribute that is a function. */
static bool hides_code(const struct resolver *resolver)
{
	const struct shape *shape = resolver->shape;

	for (size_t i = 0; resolver->catalog && i < shape->word_count; i++) {
		const struct catalog_function *function = shape->words[i].field ? catalog_functions_named(resolver->catalog, shape->words[i].name) : NULL;

		for (; function; function = function->same_name)
			if (function->of_row)
				return true;
	}
	return resolver->catalog && resolver->catalog->hidden_count;
}

static bool writes_by_function(const struct resolver *resolver)
{
	if (hides_code(resolver))
		return true;
	for (size_t i = 0; i < resolver->shape->function_count; i++) {
		const struct function_ref *call = &resolver->shape->functions[i];
		const struct catalog_function *found;

		for (found = resolver->catalog && !call->schema ? catalog_functions_named(resolver->catalog, call->name) : NULL; found; found = found->same_name)
			if (!found->builtin && found->volatility == VOLATILITY_VOLATILE)
				return true;    /* perhaps an overload of the user's own is meant */
		if (!is_system_function(resolver, call, &found) || found->volatility == VOLATILITY_VOLATILE)
			return true;
	}
	return false;
}

/* A sequence stands on every shard, and gives each number there; who listens, listens on the home shard. */
static bool refuse_of_server(const struct resolver *resolver, struct plan_item *item)
{
	for (size_t i = 0; i < resolver->shape->function_count; i++) {
		const char *name = resolver->shape->functions[i].name;

		if (strcmp(name, "pg_notify") == 0) {
			plan_refuse(item, "pg_notify() in a statement on a sharded table would reach nobody: who listens, listens on the home shard",
				    "SELECT pg_notify(…) in a statement of its own.");
			return true;
		}
		if (strcmp(name, "nextval") != 0 && strcmp(name, "setval") != 0)
			continue;
		item->kind = ROUTE_REFUSED;
		err_set(&item->refusal, ERR_UNSUPPORTED, "%s() in a statement on a sharded table would give the same numbers on each shard", name);
		err_hint(&item->refusal, "SELECT nextval(…) first and give the number as a value, or leave it to the column's default.");
		return true;
	}
	return false;
}

/* ---- SELECT, UPDATE, DELETE ---- */

struct table_counts {
	size_t sharded, home, everywhere, local, views;
	const char *home_name, *sharded_name, *view_name;
};

static struct table_counts count_tables(const struct resolver *resolver)
{
	struct table_counts counts = { 0 };

	for (size_t i = 0; i < resolver->shape->table_count; i++) {
		const struct table_ref *ref = &resolver->shape->tables[i];
		const struct resolved_table *table = &resolver->tables[i];

		if (ref->kind != TABLE_REF_RELATION)
			continue;
		if (table->local) {
			counts.local++;
		} else if (table->sharded) {
			counts.sharded++;
			counts.sharded_name = ref->name;
		} else if (table->everywhere) {
			counts.everywhere++;
		} else {
			counts.home++;
			counts.home_name = ref->name;
			if (table->table && (table->table->kind == 'v' || table->table->kind == 'm')) {
				counts.views++;
				counts.view_name = ref->name;
			}
		}
	}
	return counts;
}

static bool simple_for_fanout(const struct resolver *resolver, struct plan_item *item)
{
	const struct shape *shape = resolver->shape;

	if (item->dirties) {
		plan_refuse(item, "a function of this statement may change its session, and would run on several shards",
			    "Call it in a statement of its own, without the sharded table.");
		return false;
	}

	if (shape->kind != STMT_SELECT) {
		plan_refuse(item, "this statement would have to run on several shards", HINT_KEY);
		return false;
	}
	if (shape->scope_count > 1) {
		plan_refuse(item, "subqueries, CTEs and set operations over several shards are not supported yet",
		       "Pin every sharded table of the statement to one shard with its shard key, or split the statement.");
		return false;
	}
	if (!resolve_colocated(resolver)) {
		plan_refuse(item, "joining sharded tables on other columns than their shard keys is not supported yet",
		       "Add an equality between the shard keys of the joined tables, or name the key in WHERE.");
		return false;
	}
	return true;
}

static void plan_rows(struct plan *plan, struct resolver *resolver, struct plan_item *item, const struct table_counts *counts)
{
	const struct shape *shape = resolver->shape;
	size_t pinned = 0;
	int *tables;

	if (counts->home || counts->everywhere) {
		plan_refuse(item, "joining sharded tables with tables that stand on the home shard is not supported yet", "");
		err_hint(&item->refusal, "Shard \"%s\" by the same key, or read the two with two statements.",
			 counts->home ? counts->home_name : "the table");
		return;
	}
	if (refuse_of_server(resolver, item) || hooks_refuse_expressions(resolver, shape, true, item))
		return;
	item->pins = arena_calloc(&plan->arena, counts->sharded, sizeof(*item->pins));
	tables = arena_calloc(&plan->arena, counts->sharded, sizeof(*tables));
	resolve_pins(resolver, item->pins, tables, &item->pin_count);
	item->shared_params = resolve_shared_params(resolver, item->pins, item->pin_count);
	for (size_t i = 0; i < item->pin_count; i++)
		if (item->pins[i].list_count)
			pinned++;
	if (pinned == item->pin_count) {
		item->kind = ROUTE_KEYED;
		item->fanout = simple_for_fanout(resolver, item);       /* leaves its reason for a key with several shards */
		item->kind = ROUTE_KEYED;
		return;
	}
	if (shape->kind == STMT_SELECT || shape->kind == STMT_INSERT) {
		if (simple_for_fanout(resolver, item))
			item->kind = ROUTE_FANOUT;
		return;
	}
	plan_refuse(item, "", HINT_KEY);
	err_set(&item->refusal, ERR_UNSUPPORTED, "%s without the shard key would change rows on several shards, which is not supported yet",
		stmt_kind_sql(shape->kind));
	err_detail(&item->refusal, "Table \"%s\" is placed by hash(%s).", item->pins[0].table->name, item->pins[0].table->key_column);
	err_hint(&item->refusal, HINT_KEY);
}

static void plan_update(struct plan *plan, struct resolver *resolver, struct plan_item *item, const struct table_counts *counts)
{
	for (size_t i = 0; i < resolver->shape->table_count; i++) {
		const struct sharded_table *table = resolver->tables[i].sharded;

		if (!resolver->shape->tables[i].target || !table)
			continue;
		for (size_t j = 0; j < resolver->shape->set_column_count; j++) {
			if (strcmp(resolver->shape->set_columns[j], table->key_column) != 0)
				continue;
			plan_refuse(item, "", "");
			err_set(&item->refusal, ERR_UNSUPPORTED, "UPDATE of the shard key \"%s\" would move rows between shards", table->key_column);
			err_detail(&item->refusal, "Table \"%s\" is placed by hash(%s).", table->name, table->key_column);
			err_hint(&item->refusal, "Delete the row and insert it anew, or update other columns only.");
			return;
		}
	}
	plan_rows(plan, resolver, item, counts);
}

/* ---- INSERT ---- */

static int insert_position(const struct shape *shape, const struct catalog_table *table, const char *key)
{
	if (shape->insert_column_count) {
		for (size_t i = 0; i < shape->insert_column_count; i++)
			if (strcmp(shape->insert_columns[i], key) == 0)
				return (int)i;
		return -1;
	}
	for (size_t i = 0; table && i < table->column_count; i++)
		if (strcmp(table->columns[i].name, key) == 0)
			return (int)i;
	return -1;
}

static void refuse_without_key(const struct resolved_table *target, struct plan_item *item)
{
	const struct sharded_table *table = target->sharded;
	const struct catalog_column *key = target->table ? catalog_column(target->table, table->key_column) : NULL;

	item->kind = ROUTE_REFUSED;
	if (key && key->not_null && !key->has_default)
		err_set(&item->refusal, ERR_NULL_KEY, "null value in column \"%s\" of relation \"%s\" violates not-null constraint",
			table->key_column, table->name);
	else
		err_set(&item->refusal, ERR_UNSUPPORTED, "INSERT does not give the shard key \"%s\"", table->key_column);
	err_detail(&item->refusal, "Table \"%s\" is placed by hash(%s).", table->name, table->key_column);
	err_hint(&item->refusal, "Give \"%s\" a value in every row.", table->key_column);
}

static void plan_insert(struct plan *plan, struct resolver *resolver, struct plan_item *item, const struct table_counts *counts)
{
	const struct shape *shape = resolver->shape;
	const struct resolved_table *target = NULL;
	const struct catalog_column *key;
	int position;

	for (size_t i = 0; i < shape->table_count; i++)
		if (shape->tables[i].target)
			target = &resolver->tables[i];
	if (!target || !target->sharded) {
		plan_refuse(item, "INSERT of rows read from sharded tables into a table on the home shard is not supported yet",
		       "Read the rows first and insert them with VALUES.");
		return;
	}
	if (shape->insert_source == INSERT_DEFAULT) {
		refuse_without_key(target, item);
		return;
	}
	if (shape->insert_source != INSERT_VALUES) {
		plan_refuse(item, "INSERT … SELECT into a sharded table is not supported yet", "Read the rows first and insert them with VALUES.");
		return;
	}
	if (counts->sharded > 1 || counts->home || counts->everywhere) {
		plan_refuse(item, "a subquery or CTE that reads a table is not supported yet in an INSERT into a sharded table",
			    "Read the value first, with a SELECT of its own, and give it as a constant or parameter.");
		return;
	}
	if (refuse_of_server(resolver, item) || hooks_refuse_expressions(resolver, shape, true, item))
		return;
	for (size_t j = 0; j < shape->set_column_count; j++)
		if (strcmp(shape->set_columns[j], target->sharded->key_column) == 0) {
			plan_refuse(item, "ON CONFLICT DO UPDATE of the shard key would move rows between shards", "Update other columns only.");
			return;
		}
	position = insert_position(shape, target->table, target->sharded->key_column);
	if (position < 0 || (size_t)position >= shape->insert_width) {
		refuse_without_key(target, item);
		return;
	}
	key = target->table ? catalog_column(target->table, target->sharded->key_column) : NULL;
	item->kind = ROUTE_KEYED;
	item->pin_count = shape->insert_row_count;
	item->pins = arena_calloc(&plan->arena, item->pin_count, sizeof(*item->pins));
	for (size_t row = 0; row < item->pin_count; row++) {
		struct pin *pin = &item->pins[row];

		*pin = (struct pin){ .table = target->sharded, .typmod = target->typmod, .list_count = 1,
				     .not_null = !key || key->not_null, .has_default = key && key->has_default };
		pin->lists = arena_alloc(&plan->arena, sizeof(*pin->lists));
		pin->list_sizes = arena_alloc(&plan->arena, sizeof(*pin->list_sizes));
		pin->list_arrays = arena_alloc(&plan->arena, sizeof(*pin->list_arrays));
		pin->lists[0] = &shape->insert_values[row * shape->insert_width + (size_t)position];
		pin->list_sizes[0] = 1;
		pin->list_arrays[0] = false;
	}
	item->shared_params = resolve_shared_params(resolver, item->pins, item->pin_count);
	err_set(&item->refusal, ERR_UNSUPPORTED, "the rows of this INSERT belong to several shards, which is not supported yet");
	err_detail(&item->refusal, "Table \"%s\" is placed by hash(%s).", target->sharded->name, target->sharded->key_column);
	err_hint(&item->refusal, "Insert the rows of one shard key at a time.");
}

/* ---- one statement ---- */

static bool calls_nanu(const struct shape *shape)
{
	for (size_t i = 0; i < shape->function_count; i++)
		if (shape->functions[i].schema && strcmp(shape->functions[i].schema, "nanu") == 0)
			return true;
	return false;
}

static bool names_nanu(const struct resolver *resolver)
{
	const struct shape *shape = resolver->shape;

	for (size_t i = 0; i < shape->table_count; i++)
		if (resolver->tables[i].local)
			return true;
	return calls_nanu(shape) || (shape->kind == STMT_DDL && shape->name && strcmp(shape->name, "nanu") == 0);
}

static void judge_reading(const struct resolver *resolver, struct plan_item *item)
{
	item->reading = reading_of(resolver, resolver->shape, false);
	item->reading_there = item->reading == READING_ANYWHERE ? READING_ANYWHERE : reading_of(resolver, resolver->shape, true);
	item->reads = item->reading == READING_ANYWHERE && !item->dirties;
	item->reads_there = item->reading_there == READING_ANYWHERE && !item->dirties;
}

static void plan_query(struct plan *plan, struct resolver *resolver, struct plan_item *item)
{
	const struct shape *shape = resolver->shape;
	struct table_counts counts = count_tables(resolver);

	item->writes = shape->kind != STMT_SELECT || shape->cte_writes || writes_by_function(resolver);
	item->dirties = traces_left(resolver);
	item->telling = traces_tell_statement(resolver);
	for (size_t i = 0; i < shape->scope_count; i++)
		item->writes |= shape->scopes[i].locking;
	judge_reading(resolver, item);
	item->writes &= !item->reads;
	if (counts.local || calls_nanu(shape)) {
		item->kind = ROUTE_LOCAL;
		item->writes = false;
		if (counts.sharded || counts.home || shape->kind != STMT_SELECT)
			plan_refuse(item, "the nanu schema cannot be joined with tables of the nodes, nor written",
			       "Read it with SELECT; call its functions one at a time.");
		return;
	}
	if (shape->set_config && set_value_is_routers(shape->setting)) {
		plan_refuse(item, "set_config() is the servers', and this setting is nanu's own", "Use SET, or SET LOCAL.");
		return;
	}
	if (resolver->database->shard_count == 1 || !resolver->database->table_count) {
		item->kind = counts.home || counts.everywhere || item->writes ? ROUTE_HOME : ROUTE_ANY;
		return;
	}
	if (counts.sharded == 0) {
		item->kind = counts.home || counts.everywhere || item->writes ? ROUTE_HOME : ROUTE_ANY;
		if (!hooks_refuse_expressions(resolver, shape, false, item))
			hooks_refuse(resolver, shape, item);
		return;
	}
	for (size_t i = 0; i < resolver->shape->table_count; i++) {
		if (!resolver->tables[i].sharded || !resolver->tables[i].sharded->being_sharded)
			continue;
		item->kind = ROUTE_REFUSED;
		err_set(&item->refusal, ERR_WRONG_STATE, "table \"%s\" is being sharded", resolver->shape->tables[i].name);
		err_hint(&item->refusal, "Try again in a moment.");
		return;
	}
	if (counts.views) {
		plan_refuse(item, "views beside sharded tables are not supported yet", "Write the view's query out.");
		return;
	}
	switch (shape->kind) {
	case STMT_INSERT:
		plan_insert(plan, resolver, item, &counts);
		break;
	case STMT_UPDATE:
		plan_update(plan, resolver, item, &counts);
		break;
	case STMT_MERGE:
		plan_refuse(item, "MERGE into a sharded table is not supported yet", "Use INSERT … ON CONFLICT, UPDATE or DELETE with the shard key.");
		break;
	default:
		plan_rows(plan, resolver, item, &counts);
	}
	if (item->kind != ROUTE_REFUSED)
		hooks_refuse(resolver, shape, item);
}

static void plan_wrapper(struct plan *plan, const struct plan_context *context, const struct shape *shape, struct plan_item *item);

static bool touches_sharded(const struct resolver *resolver)
{
	for (size_t i = 0; i < resolver->shape->table_count; i++)
		if (resolver->tables[i].sharded)
			return true;
	return false;
}

/* What no catalog has, in a session with temporary relations, is one of those. */
static bool of_temporary(const struct resolver *resolver)
{
	const struct shape *shape = resolver->shape;

	if (!resolver->context->temporary || shape->on_index)
		return false;
	switch (shape->kind) {
	case STMT_ALTER_TABLE:
	case STMT_RENAME:
	case STMT_DROP:
	case STMT_CREATE_INDEX:
	case STMT_TRUNCATE:
	case STMT_MAINTENANCE:
		break;
	default:
		return false;
	}
	for (size_t i = 0; i < shape->table_count; i++)
		if (!resolver->tables[i].unknown || resolver->tables[i].sharded)
			return false;
	return shape->table_count > 0;
}

/* A default or a CHECK that is added runs over the rows that are there. */
static void refuse_altering(const struct resolver *resolver, struct plan_item *item)
{
	if (touches_sharded(resolver)) {
		hooks_refuse_expressions(resolver, resolver->shape, true, item);
		return;
	}
	if (item->kind != ROUTE_REFUSED)
		hooks_refuse_expressions(resolver, resolver->shape, false, item);
}

static bool definition_leaves_traces(const struct resolver *resolver)
{
	return !resolver->catalog || resolver->catalog->event_triggers || traces_left(resolver);
}

static void plan_item(struct plan *plan, const struct plan_context *context, const struct shape *shape, struct plan_item *item)
{
	struct resolver resolver;
	bool one_shard = context->snapshot->topology->databases[context->database].shard_count == 1;

	item->shape = shape;
	item->reading = item->reading_there = reading_is_of_session(shape) ? READING_ANYWHERE : READING_UNKNOWN;
	if (resolver_init(&resolver, context, shape, &plan->arena, &item->refusal) < 0) {
		item->kind = ROUTE_REFUSED;
		return;
	}
	for (size_t i = 0; i < shape->table_count; i++)
		plan->unknown |= resolver.tables[i].unknown && !shape->temporary && (!one_shard || shape->kind <= STMT_MERGE);
	if (of_temporary(&resolver)) {
		item->kind = ROUTE_HOME;
		item->writes = true;
		hooks_refuse_expressions(&resolver, shape, false, item);
		return;
	}
	switch (shape->kind) {
	case STMT_SELECT:
	case STMT_INSERT:
	case STMT_UPDATE:
	case STMT_DELETE:
	case STMT_MERGE:
		plan_query(plan, &resolver, item);
		return;
	case STMT_PREPARE:
	case STMT_DECLARE:
	case STMT_EXPLAIN:
	case STMT_COPY:
	case STMT_CREATE_TABLE_AS:
		plan_wrapper(plan, context, shape, item);
		return;
	case STMT_CREATE_TABLE:
	case STMT_ALTER_TABLE:
	case STMT_RENAME:
	case STMT_DROP:
	case STMT_CREATE_INDEX:
	case STMT_DDL:
	case STMT_TRUNCATE:
		item->dirties = definition_leaves_traces(&resolver);
		plan_definition(&resolver, item);
		hooks_note_redefined(&resolver, item);
		if (names_nanu(&resolver))
			plan_refuse(item, "the nanu schema is the router's own: nothing is defined in it, nor made of its tables",
				    "Read it with plain SELECTs; name your own tables in another schema.");
		if (shape->kind == STMT_ALTER_TABLE ||
		    (shape->kind == STMT_CREATE_INDEX && resolver.catalog && resolver.catalog->hidden_count))
			refuse_altering(&resolver, item);
		if (shape->kind == STMT_TRUNCATE && item->kind != ROUTE_REFUSED)
			hooks_refuse(&resolver, shape, item);
		break;
	case STMT_MAINTENANCE:
		item->dirties = traces_left(&resolver);
		item->kind = ROUTE_ALL_LOOSE;
		if (shape->table_count && shape->tables[0].target)      /* REFRESH MATERIALIZED VIEW */
			hooks_refuse(&resolver, shape, item);
		break;
	case STMT_CLUSTER_DDL:
		item->kind = ROUTE_HOME;
		item->writes = true;
		if (!one_shard)
			plan_refuse(item, "databases, roles and tablespaces belong to a node, not to the sharded database",
			       "Run the statement on each node.");
		if (shape->keeps_routers)
			plan_refuse(item, "a setting of the router's cannot be kept with a role, a database or a server: it would not be heeded",
				    "In the router's configuration, users and databases have consistency, read_from and others of their own; else SET it in each session.");
		break;
	case STMT_LOCK:
		item->kind = touches_sharded(&resolver) ? ROUTE_ALL : ROUTE_HOME;
		item->writes = true;
		break;
	case STMT_CALL:
	case STMT_DO:
		item->dirties = shape->kind == STMT_DO ? traces_left_by_code(&resolver, shape->code, shape->code_language) : traces_left(&resolver);
		item->kind = ROUTE_HOME;
		item->writes = true;
		if (shape->kind == STMT_DO) {
			item->defines = !shape->code || shape->code_language || body_defines(slice_of(shape->code));
			hooks_refuse_code(&resolver, item);
		} else {
			hooks_refuse_expressions(&resolver, shape, false, item);
		}
		break;
	case STMT_LISTEN:
	case STMT_UNLISTEN:
	case STMT_NOTIFY:
	case STMT_PREPARE_TX:
	case STMT_COMMIT_PREPARED:
	case STMT_ROLLBACK_PREPARED:
	case STMT_OTHER:
		item->kind = ROUTE_HOME;
		item->writes = true;
		break;
	case STMT_EXECUTE:
		item->dirties = traces_left(&resolver);
		item->reading = item->reading_there = reading_of(&resolver, shape, false);
		item->calls_read = !item->dirties && item->reading == READING_ANYWHERE;
		item->kind = ROUTE_ANY;
		hooks_refuse_expressions(&resolver, shape, true, item); /* of its arguments, wherever it will run */
		break;
	case STMT_BEGIN:
		item->reads = item->reads_there = plan_reads_block(shape);
		item->kind = ROUTE_ANY;
		break;
	case STMT_SHOW:
		item->reads_there = shape->setting && strcmp(shape->setting, "in_hot_standby") == 0;
		item->kind = shape->setting && set_value_is_routers(shape->setting) ? ROUTE_LOCAL : ROUTE_ANY;
		break;
	case STMT_EMPTY:
	case STMT_COMMIT:
	case STMT_ROLLBACK:
	case STMT_SAVEPOINT:
	case STMT_RELEASE:
	case STMT_ROLLBACK_TO:
	case STMT_SET:
	case STMT_RESET:
	case STMT_DISCARD:
	case STMT_SET_TRANSACTION:
	case STMT_SET_CONSTRAINTS:
	case STMT_DEALLOCATE:
	case STMT_FETCH:
	case STMT_CLOSE:
	case STMT_KIND_COUNT_:
		item->kind = ROUTE_ANY;
		break;
	}
	if (one_shard && item->kind != ROUTE_REFUSED && item->kind != ROUTE_LOCAL) {
		item->kind = ROUTE_HOME;
		item->writes = true;
	}
}

/* Statements that wrap another go where the inner one goes, as far as that is one shard. */
static void plan_wrapper(struct plan *plan, const struct plan_context *context, const struct shape *shape, struct plan_item *item)
{
	struct resolver resolver;
	bool one_shard = context->snapshot->topology->databases[context->database].shard_count == 1;
	bool copies = reading_copies(shape);

	item->shape = shape;
	item->kind = ROUTE_HOME;
	item->writes = shape->kind == STMT_COPY ? shape->copy_from : shape->kind == STMT_CREATE_TABLE_AS;
	if (shape->inner && shape->kind != STMT_PREPARE) {
		plan_item(plan, context, shape->inner, item);
		item->shape = shape;
		item->calls_read = false;
		item->reads &= copies;
		item->reads_there &= copies;
		item->writes |= shape->kind == STMT_CREATE_TABLE_AS;
		if (item->kind == ROUTE_FANOUT) {
			item->fanout = false;
			plan_refuse(item, "", HINT_KEY);
			err_set(&item->refusal, ERR_UNSUPPORTED, "%s of a statement over several shards is not supported yet", stmt_kind_sql(shape->kind));
			err_hint(&item->refusal, HINT_KEY);
		} else if (item->kind == ROUTE_LOCAL) {
			plan_refuse(item, "the nanu schema is read with plain SELECTs", "Leave out what stands around the SELECT.");
		} else if (item->fanout) {
			item->fanout = false;
			err_set(&item->refusal, ERR_UNSUPPORTED, "%s of a statement over several shards is not supported yet", stmt_kind_sql(shape->kind));
			err_hint(&item->refusal, HINT_KEY);
		} else if (item->kind == ROUTE_ANY) {
			item->kind = ROUTE_HOME;
		}
		if (shape->kind == STMT_CREATE_TABLE_AS && !one_shard && item->kind != ROUTE_REFUSED && !shape->temporary)
			plan_refuse(item, "CREATE TABLE AS is not supported yet in a database of several shards",
			       "Create the table, then insert the rows.");
		if (shape->kind == STMT_CREATE_TABLE_AS && shape->temporary && resolver_init(&resolver, context, shape, &plan->arena, &item->refusal) == 0)
			plan_refuse_hiding(&resolver, item);
		return;
	}
	if (resolver_init(&resolver, context, shape, &plan->arena, &item->refusal) < 0) {
		item->kind = ROUTE_REFUSED;
		return;
	}
	item->dirties = shape->kind != STMT_PREPARE && traces_left(&resolver);
	if (copies)
		judge_reading(&resolver, item);
	if (shape->kind == STMT_PREPARE && hooks_refuse_expressions(&resolver, shape, touches_sharded(&resolver), item))
		;
	else if (names_nanu(&resolver))
		plan_refuse(item, "the nanu schema is read with plain SELECTs", "Leave out what stands around the SELECT.");
	else if (shape->kind == STMT_COPY && touches_sharded(&resolver))
		plan_refuse(item, "COPY of a sharded table is not supported yet",
		       "COPY (SELECT … WHERE the shard key = …) TO reads one shard; INSERT with the shard key writes.");
	else if (shape->kind == STMT_COPY && !hooks_refuse_expressions(&resolver, shape, false, item))
		hooks_refuse(&resolver, shape, item);
}

bool plan_reads_block(const struct shape *begin)
{
	return begin->tx_read_only && (!begin->tx_isolation || strcmp(begin->tx_isolation, "serializable") != 0);
}

static bool item_uses_literals(const struct plan_item *item)
{
	for (size_t i = 0; i < item->pin_count; i++)
		for (size_t j = 0; j < item->pins[i].list_count; j++)
			for (size_t k = 0; k < item->pins[i].list_sizes[j]; k++)
				if (item->pins[i].lists[j][k].kind == VALUE_LITERAL)
					return true;
	return false;
}

/* PostgreSQL says best what is wrong with a text; unless it would accept what this parser, which is PostgreSQL 15's and bounded, does not:
 * then the statement might read a sharded table, and must not go to one shard. */
static void plan_unparsed(struct plan *plan, const struct plan_context *context, struct slice sql, const struct err *why)
{
	const struct database *database = &context->snapshot->topology->databases[context->database];
	const struct catalog *catalog = context->snapshot->catalogs[context->database];
	struct plan_item *item = &plan->items[0];

	item->kind = ROUTE_HOME;
	item->reading = item->reading_there = READING_UNKNOWN;
	item->dirties = why->code != ERR_SYNTAX || !catalog || strncmp(catalog->server_version, "15", 2) != 0;
	if (why->code == ERR_NOMEM || (database->table_count && item->dirties)) {
		item->kind = ROUTE_REFUSED;
		item->refusal = *why;
	} else if (why->code == ERR_SYNTAX && set_value_unquoted_user(sql)) {
		item->kind = ROUTE_REFUSED;
		item->refusal = *why;
		err_hint(&item->refusal, "The word user is reserved: write it in quotes, nanu.\"user\".");
	}
}

/* With pg_temp at the head of search_path, what is made without a schema is temporary without saying so. */
static void check_temporary(struct plan *plan, const struct plan_context *context, struct plan_item *item)
{
	bool one_shard = context->snapshot->topology->databases[context->database].shard_count == 1;
	const struct shape *shape = item->shape;
	const char **names;
	size_t count;

	if ((shape->kind != STMT_CREATE_TABLE && shape->kind != STMT_CREATE_TABLE_AS && shape->kind != STMT_DDL) || shape->temporary ||
	    (shape->table_count && shape->tables[0].schema) || !context->search_path ||
	    !set_value_split(&plan->arena, context->search_path, &names, &count) || !count || strcmp(names[0], "pg_temp") != 0)
		return;
	if (one_shard)
		item->dirties = true;   /* the server is asked what it made */
	else
		plan_refuse(item, "search_path begins with pg_temp, where a definition without a schema would go",
			    "Write CREATE TEMPORARY, or the schema's name.");
}

static void take_hint(struct plan *plan, const struct plan_context *context, struct slice text)
{
	const struct topology *topology = context->snapshot->topology;
	struct err err;
	int rc = hint_read(text, topology, &topology->databases[context->database], &plan->arena, &plan->hint, &err);

	for (size_t i = 0; plan->parsed && rc == 0 && i < plan->shapes.count; i++)
		rc = hint_suits(plan->hint, &plan->items[i], plan->shapes.count, &err);
	for (size_t i = 0; rc < 0 && i < plan->shapes.count; i++) {
		plan->items[i].kind = ROUTE_REFUSED;
		plan->items[i].reads = plan->items[i].reads_there = false;
		plan->items[i].refusal = err;
	}
}

static void sum_up(struct plan *plan)
{
	plan->reads = plan->reads_there = plan->shapes.count > 0;
	for (size_t i = 0; i < plan->shapes.count; i++) {
		plan->reads &= plan->items[i].reads;
		plan->reads_there &= plan->items[i].reads_there;
		plan->may_write |= !reading_is_of_session(plan->items[i].shape) && !plan->items[i].reads;
		plan->looks |= reading_looks(plan->items[i].shape);
		plan->dirties |= plan->items[i].dirties;
		plan->holds |= reading_holds(plan->items[i].shape);
		plan->sets_unseen |= plan->items[i].shape->set_config_opaque;
		if (plan->reading < plan->items[i].reading)
			plan->reading = plan->items[i].reading;
		if (plan->reading_there < plan->items[i].reading_there)
			plan->reading_there = plan->items[i].reading_there;
	}
}

struct plan *plan_new(const struct plan_context *context, struct slice sql, const struct fingerprint *fingerprint)
{
	struct plan *plan = mem_calloc(1, sizeof(*plan));
	struct err err;
	int rc;

	plan->refs = 1;
	plan->snapshot_version = context->snapshot->version;
	arena_init(&plan->arena, PLAN_BLOCK_SIZE);
	rc = shape_parse(sql, fingerprint, &plan->arena, &plan->shapes, &err);
	plan->parsed = rc == 0;
	if (!plan->parsed) {
		struct shape *shape = arena_calloc(&plan->arena, 1, sizeof(*shape));

		shape->kind = STMT_OTHER;
		plan->shapes = (struct shapes){ .items = shape, .count = 1 };
	}
	plan->items = arena_calloc(&plan->arena, plan->shapes.count + 1, sizeof(*plan->items));
	for (size_t i = 0; i < plan->shapes.count; i++) {
		plan_item(plan, context, &plan->shapes.items[i], &plan->items[i]);
		check_temporary(plan, context, &plan->items[i]);
		plan->uses_literals |= item_uses_literals(&plan->items[i]);
	}
	if (!plan->parsed)
		plan_unparsed(plan, context, sql, &err);
	if (fingerprint && fingerprint->hint_offset)
		take_hint(plan, context, slice_make(sql.data + fingerprint->hint_offset, fingerprint->hint_size));
	sum_up(plan);
	return plan;
}

struct plan *plan_ref(struct plan *plan)
{
	plan->refs++;
	return plan;
}

void plan_unref(struct plan *plan)
{
	if (!plan || --plan->refs > 0)
		return;
	arena_release(&plan->arena);
	mem_free(plan);
}

int plan_param_max(const struct plan_item *item)
{
	int param_max = 0;

	for (size_t i = 0; i < item->pin_count; i++)
		for (size_t j = 0; j < item->pins[i].list_count; j++)
			for (size_t k = 0; k < item->pins[i].list_sizes[j]; k++) {
				const struct value *value = &item->pins[i].lists[j][k];

				if (value->kind == VALUE_PARAM && value->param > param_max)
					param_max = value->param;
			}
	return param_max;
}

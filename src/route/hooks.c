#include "route/hooks.h"

#include <string.h>

#include "catalog/catalog.h"
#include "route/definition.h"
#include "route/resolve.h"
#include "route/snapshot.h"
#include "sql/body.h"
#include "topo/topology.h"

enum { LOOK_TABLES_MAX = 128, LOOK_FUNCTIONS_MAX = 128 };

/* One look at everything that a table's code leads to. */
struct look {
	const struct database *database;
	const struct catalog *catalog;
	const struct catalog_table *tables[LOOK_TABLES_MAX];    /* seen already, and for which events */
	unsigned events[LOOK_TABLES_MAX];
	size_t table_count;
	const struct catalog_function *functions[LOOK_FUNCTIONS_MAX];
	size_t function_count;
	struct slice redefined;         /* names of what the transaction itself gave other code */
	const char *opaque;             /* found: a function that may do anything */
	const char *sharded;            /* found: a sharded table */
};

static bool look_at_table(struct look *look, const struct catalog_table *table, unsigned events);

/* ---- functions ---- */

static bool look_at_function(struct look *look, const struct catalog_function *function);

static bool look_at_name(void *owner, struct slice name, bool field)
{
	struct look *look = owner;

	for (const struct catalog_table *table = field ? NULL : catalog_tables_named(look->catalog, name.data); table; table = table->same_name)
		if (!look_at_table(look, table, EVENT_ANY))
			return false;
	for (const struct catalog_function *function = catalog_functions_named(look->catalog, name.data); function; function = function->same_name)
		if (!look_at_function(look, function))
			return false;
	return true;
}

static bool look_at_function(struct look *look, const struct catalog_function *function)
{
	bool seen = false;

	if (plan_redefined(look->redefined, function->name)) {
		look->opaque = function->name;
		return false;
	}
	if (function->builtin && !catalog_reads_tables(function->name))
		return true;
	if (!function->builtin && function->volatility == VOLATILITY_IMMUTABLE)
		return true;
	for (size_t i = 0; i < look->function_count && !seen; i++)
		seen = look->functions[i] == function;
	if (seen)
		return true;
	if (!function->builtin && function->readable && !look->catalog->hidden_calls && look->function_count < LOOK_FUNCTIONS_MAX) {
		look->functions[look->function_count++] = function;
		if (!function->body || body_names(slice_of(function->body), look_at_name, look))
			return true;
	}
	if (!look->opaque && !look->sharded)
		look->opaque = function->name;
	return false;
}

/* ---- tables ---- */

static bool is_sharded(const struct look *look, const struct catalog_table *table)
{
	return database_table(look->database, table->schema, table->name) != NULL;
}

static bool look_at_call(struct look *look, const struct catalog_call *call)
{
	const struct catalog_function *function = catalog_function(look->catalog, call->schema, call->name);

	if (function)
		return look_at_function(look, function);
	look->opaque = call->name;
	return false;
}

static bool look_at_hook(struct look *look, const struct catalog_hook *hook, unsigned events)
{
	if (hook->reads) {
		look->opaque = hook->reads;
		return false;
	}
	for (size_t i = 0; i < hook->call_count; i++)
		if (!look_at_call(look, &hook->calls[i]))
			return false;
	for (size_t i = 0; i < hook->relation_count; i++)
		if (!look_at_table(look, hook->relations[i], hook->does ? hook->does : events & hook->events))
			return false;
	return true;
}

static bool seen_table(struct look *look, const struct catalog_table *table, unsigned events)
{
	for (size_t i = 0; i < look->table_count; i++) {
		if (look->tables[i] != table)
			continue;
		if ((look->events[i] & events) == events)
			return true;
		look->events[i] |= events;
		return false;
	}
	if (look->table_count < LOOK_TABLES_MAX) {
		look->tables[look->table_count] = table;
		look->events[look->table_count++] = events;
	}
	return false;
}

/* A sharded table's code runs on all shards: it may not touch any table, nor take numbers from a sequence unseen. */
static bool look_at_sharded(struct look *look, const struct catalog_hook *hook)
{
	for (size_t i = 0; hook->passes_on && i < hook->relation_count; i++) {          /* to tables that are sharded alike */
		if (seen_table(look, hook->relations[i], hook->does))
			continue;
		for (const struct catalog_hook *next = hook->relations[i]->hooks; next; next = next->next)
			if (next->events & hook->does && !look_at_sharded(look, next))
				return false;
	}
	if (hook->passes_on)
		return true;
	if (hook->reads || hook->relation_count) {
		look->opaque = hook->reads ? hook->reads : hook->relations[0]->name;
		return false;
	}
	for (size_t i = 0; i < hook->call_count; i++) {
		const struct catalog_function *function = catalog_function(look->catalog, hook->calls[i].schema, hook->calls[i].name);

		if (function && (function->builtin ? !catalog_reads_tables(function->name) : function->volatility == VOLATILITY_IMMUTABLE))
			continue;
		look->opaque = hook->calls[i].name;
		return false;
	}
	return true;
}

/* What code of a table's does to another one. */
static bool look_at_table(struct look *look, const struct catalog_table *table, unsigned events)
{
	if (is_sharded(look, table)) {
		look->sharded = table->name;
		return false;
	}
	if (plan_redefined(look->redefined, table->name)) {
		look->opaque = table->name;
		return false;
	}
	if (seen_table(look, table, events))
		return true;
	if (look->table_count == LOOK_TABLES_MAX) {
		look->opaque = table->name;
		return false;
	}
	for (const struct catalog_hook *hook = table->hooks; hook; hook = hook->next)
		if (hook->events & events && !look_at_hook(look, hook, events))
			return false;
	return true;
}

/* ---- one statement ---- */

static unsigned events_of(const struct shape *shape, const struct table_ref *ref)
{
	if (!ref->target)
		return EVENT_SELECT;
	if (shape->cte_writes)
		return EVENT_SELECT | EVENT_WRITE;
	switch (shape->kind) {
	case STMT_INSERT:
		return shape->set_column_count ? EVENT_INSERT | EVENT_UPDATE : EVENT_INSERT;
	case STMT_COPY:
		return EVENT_INSERT;
	case STMT_UPDATE:
		return EVENT_UPDATE;
	case STMT_DELETE:
		return EVENT_DELETE;
	case STMT_TRUNCATE:
		return EVENT_TRUNCATE;
	default:
		return EVENT_SELECT | EVENT_WRITE;
	}
}

static bool listed(const char *const *names, size_t count, const char *name, size_t *ret_at)
{
	for (*ret_at = 0; *ret_at < count; (*ret_at)++)
		if (strcmp(names[*ret_at], name) == 0)
			return true;
	return false;
}

/* Whether the statement leaves the column to its default in some row. */
static bool takes_default(const struct shape *shape, const struct catalog_table *table, const char *column)
{
	size_t at;
	bool given;

	if (shape->cte_writes || (shape->kind != STMT_INSERT && shape->kind != STMT_COPY && shape->kind != STMT_UPDATE) ||
	    listed(shape->set_columns, shape->set_column_count, column, &at))
		return true;
	if (shape->kind == STMT_UPDATE)
		return false;
	given = listed(shape->insert_columns, shape->insert_column_count, column, &at);
	if (!shape->insert_column_count) {
		if (shape->kind == STMT_COPY)
			return false;
		for (at = 0; at < table->column_count && strcmp(table->columns[at].name, column) != 0;)
			at++;
		given = shape->insert_source == INSERT_VALUES && at < shape->insert_width;
	}
	for (size_t row = 0; given && row < shape->insert_row_count && at < shape->insert_width; row++)
		given = shape->insert_values[row * shape->insert_width + at].kind != VALUE_DEFAULT;
	return !given;
}

static void tell(const struct look *look, const struct catalog_hook *hook, const struct catalog_table *table, struct err *err)
{
	bool view = strcmp(hook->kind, "view") == 0;

	if (hook->passes_on)
		err_set(err, ERR_UNSUPPORTED, "this statement changes other tables together with \"%s\" (%s%s%s%s), whose code may touch sharded tables,"
			" of which it would see one shard only", table->name, hook->kind, hook->name[0] ? " \"" : "", hook->name,
			hook->name[0] ? "\"" : "");
	else
		err_set(err, ERR_UNSUPPORTED, "%s \"%s\"%s%s%s may touch sharded tables, of which it would see one shard only", hook->kind, hook->name,
			view ? "" : " of table \"", view ? "" : table->name, view ? "" : "\"");
	if (look->sharded) {
		err_detail(err, "It leads to the sharded table \"%s\".", look->sharded);
		err_hint(err, "%s; do in the application, in a statement of its own, what concerns \"%s\".",
			 hook->column ? "Give the column a value in the statement" : "Drop it", look->sharded);
		return;
	}
	err_detail(err, "What \"%s\" does cannot be told for sure.", look->opaque);
	err_hint(err, "%srite the function in SQL or PL/pgSQL without EXECUTE, or declare it IMMUTABLE if it touches no table.",
		 hook->column ? "Give the column a value in the statement, w" : "W");
}

static void tell_sharded(const struct look *look, const struct catalog_hook *hook, const struct catalog_table *table, struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, "%s \"%s\" of table \"%s\" may touch tables, of which it would see one shard only", hook->kind, hook->name,
		table->name);
	err_detail(err, "What \"%s\" does cannot be told for sure.", look->opaque);
	err_hint(err, "%s, or declare the function IMMUTABLE if it touches neither tables nor sequences.",
		 hook->column ? "Give the column a value in the statement, or drop its default" : "Drop it, and do in the application what it does");
}

static struct look look_of(const struct resolver *resolver)
{
	return (struct look){ .database = resolver->database, .catalog = resolver->catalog, .redefined = resolver->context->redefined };
}

/* True: a reason was found. */
static bool check_table(const struct resolver *resolver, const struct shape *shape, const struct table_ref *ref, const struct resolved_table *table,
			struct err *err)
{
	unsigned events = events_of(shape, ref);

	for (const struct catalog_hook *hook = table->table->hooks; hook; hook = hook->next) {
		struct look look = look_of(resolver);

		if (!(hook->events & events) || (hook->column && !takes_default(shape, table->table, hook->column)))
			continue;
		if (table->sharded ? look_at_sharded(&look, hook) : look_at_hook(&look, hook, events))
			continue;
		if (table->sharded)
			tell_sharded(&look, hook, table->table, err);
		else
			tell(&look, hook, table->table, err);
		return true;
	}
	return false;
}

bool hooks_refuse(const struct resolver *resolver, const struct shape *shape, struct plan_item *item)
{
	struct err err;

	if (resolver->database->shard_count == 1 || !resolver->database->table_count)
		return false;
	for (size_t i = 0; i < shape->table_count; i++) {
		const char *name = shape->tables[i].kind == TABLE_REF_RELATION ? shape->tables[i].name : NULL;

		if (name && plan_redefined(resolver->context->redefined, name)) {
			plan_refuse(item, "", "");
			err_set(&item->refusal, ERR_UNSUPPORTED, "this transaction changed what \"%s\" is, or what code it runs", name);
			err_detail(&item->refusal, "The router knows of it when the transaction has committed.");
			err_hint(&item->refusal, "Commit before \"%s\" is used.", name);
			return true;
		}
		if (name && !resolver->catalog && !resolver->tables[i].sharded && !resolver->tables[i].everywhere) {
			plan_refuse(item, "", "");
			err_set(&item->refusal, ERR_CONNECT, "the schema of database \"%s\" could not be read: what \"%s\" is, or what code it runs, is not"
				" known", resolver->database->name, name);
			err_hint(&item->refusal, "Its home shard must answer to node_user; see the router's log. It is tried again for every statement.");
			return true;
		}
		if (!resolver->tables[i].table || resolver->tables[i].everywhere ||
		    !check_table(resolver, shape, &shape->tables[i], &resolver->tables[i], &err))
			continue;
		plan_refuse(item, "", "");
		item->refusal = err;
		return true;
	}
	return false;
}

bool hooks_refuse_functions(const struct resolver *resolver, struct plan_item *item)
{
	if (resolver->database->shard_count == 1 || !resolver->database->table_count)
		return false;
	for (size_t i = 0; i < resolver->shape->function_count; i++) {
		const struct function_ref *call = &resolver->shape->functions[i];
		const struct catalog_function *function =
			resolver->catalog ? catalog_function(resolver->catalog, call->schema, call->name) : NULL;
		struct look look = look_of(resolver);

		if (function && look_at_function(&look, function))
			continue;
		plan_refuse(item, "", "");
		err_set(&item->refusal, ERR_UNSUPPORTED, "function %s() may touch sharded tables, of which it would see one shard only", call->name);
		err_hint(&item->refusal, "Write it in SQL or PL/pgSQL without EXECUTE and without sharded tables, or declare it IMMUTABLE if it touches no table.");
		return true;
	}
	return false;
}

/* Whether all that the definition calls is known, and harmless. */
static bool calls_known(const struct resolver *resolver)
{
	const struct shape *shape = resolver->shape;
	const struct catalog_function *function;
	struct look look = look_of(resolver);

	if (!resolver->catalog)
		return false;
	for (size_t i = 0; i < shape->function_count; i++) {
		function = catalog_function(resolver->catalog, shape->functions[i].schema, shape->functions[i].name);
		if (!function || !look_at_function(&look, function))
			return false;
	}
	if (!shape->hooks)
		return true;
	function = shape->function ? catalog_functions_named(resolver->catalog, shape->function) : NULL;
	for (const struct catalog_function *next = function; next; next = next->same_name)
		if (!look_at_function(&look, next))
			return false;
	return function != NULL;
}

static bool is_sharded_name(const struct resolver *resolver, const char *name)
{
	for (size_t i = 0; name && i < resolver->database->table_count; i++)
		if (strcmp(resolver->database->tables[i].name, name) == 0)
			return true;
	return false;
}

/* A table that is made like others, as a part of them, or of types that the catalog does not look into, may have code that no call shows. */
static bool takes_code(const struct resolver *resolver)
{
	struct look look = look_of(resolver);

	for (size_t i = 1; i < resolver->shape->table_count; i++) {
		const struct resolved_table *table = &resolver->tables[i];
		const char *name = resolver->shape->tables[i].name;

		if (name && plan_redefined(look.redefined, name))
			return true;
		if (!table->table)
			continue;       /* the transaction made it, without any code */
		if (!table->sharded && !look_at_table(&look, table->table, EVENT_ANY))
			return true;
		for (const struct catalog_hook *hook = table->table->hooks; table->sharded && hook; hook = hook->next)
			if (!look_at_sharded(&look, hook))
				return true;
	}
	return resolver->catalog->hidden_calls;
}

/* The name under which something else than before is found, or something new that the router would take for a plain table. */
static const char *renamed_to(const struct resolver *resolver)
{
	const struct shape *shape = resolver->shape;
	const struct resolved_table *source = &resolver->tables[0];
	const char *name = shape->rename_to;

	if (!shape->table_count)
		return name;            /* a function */
	if (shape->rename_column)
		return source->sharded ? shape->tables[0].name : NULL;
	if (!name)
		name = shape->tables[0].name;   /* in another schema */
	if (source->sharded || is_sharded_name(resolver, name) ||
	    (source->table ? source->table->kind == 'v' || source->table->kind == 'm' :
			     plan_redefined(resolver->context->redefined, shape->tables[0].name)))
		return name;
	return NULL;
}

void hooks_note_redefined(const struct resolver *resolver, struct plan_item *item)
{
	const struct shape *shape = resolver->shape;
	const char *table = shape->table_count ? shape->tables[0].name : NULL;

	if (resolver->database->shard_count == 1 || !resolver->database->table_count || shape->temporary || shape->on_index)
		return;
	if (shape->kind == STMT_RENAME)
		item->redefines = renamed_to(resolver);
	else if (shape->function && !shape->hooks)
		item->redefines = shape->function;
	else if (shape->hooks || shape->kind == STMT_ALTER_TABLE)
		item->redefines = calls_known(resolver) ? NULL : table;
	else if (shape->kind == STMT_CREATE_TABLE)
		item->redefines = is_sharded_name(resolver, table) || !calls_known(resolver) || takes_code(resolver) ? table : NULL;
	else if (shape->kind == STMT_DDL && table && shape->tables[0].target && (shape->table_count > 1 || shape->function_count))
		item->redefines = table;        /* a view */
}

bool hooks_allow_sharding(const struct database *database, const struct catalog *catalog, const struct catalog_table *table, struct err *err)
{
	for (const struct catalog_hook *hook = table->hooks; hook; hook = hook->next) {
		struct look look = { .database = database, .catalog = catalog };

		if (look_at_sharded(&look, hook))
			continue;
		tell_sharded(&look, hook, table, err);
		err_hint(err, "Drop it, and do in the application what it does; or declare the function IMMUTABLE if it touches neither tables nor sequences.");
		return false;
	}
	return true;
}

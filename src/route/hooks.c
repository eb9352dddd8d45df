#include "route/hooks.h"

#include <string.h>

#include "catalog/catalog.h"
#include "route/definition.h"
#include "route/look.h"
#include "route/resolve.h"
#include "route/snapshot.h"
#include "topo/topology.h"

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

#define HINT_WRITE "rite the function in SQL or PL/pgSQL without EXECUTE, so that the router can read what it touches"

/* What stands in the way, in a detail. */
static void tell_found(const struct look *look, struct err *err)
{
	if (look->sharded)
		err_detail(err, "It leads to the sharded table \"%s\".", look->sharded);
	else if (look->table)
		err_detail(err, "It leads to \"%s\", and would run wherever the rows of the sharded table are.", look->table);
	else if (look->opaque)
		err_detail(err, "What \"%s\" does cannot be told for sure.", look->opaque);
}

static bool is_view(const struct catalog_hook *hook)
{
	return strcmp(hook->kind, "view") == 0;
}

static void tell(const struct look *look, const struct catalog_hook *hook, const struct catalog_table *table, struct err *err)
{
	const char *action = hook->column ? "Give the column a value in the statement" : "Drop it";

	if (hook->passes_on)
		err_set(err, ERR_UNSUPPORTED, "this statement changes other tables together with \"%s\" (%s%s%s%s), whose code may touch sharded tables,"
			" of which it would see one shard only", table->name, hook->kind, hook->name[0] ? " \"" : "", hook->name,
			hook->name[0] ? "\"" : "");
	else if (look->strict)
		err_set(err, ERR_UNSUPPORTED, "%s \"%s\" of table \"%s\" may touch tables, of which it would see one shard only", hook->kind, hook->name,
			table->name);
	else
		err_set(err, ERR_UNSUPPORTED, "%s \"%s\"%s%s%s may touch sharded tables, of which it would see one shard only", hook->kind, hook->name,
			is_view(hook) ? "" : " of table \"", is_view(hook) ? "" : table->name, is_view(hook) ? "" : "\"");
	tell_found(look, err);
	if (is_view(hook))
		err_hint(err, "Write the view's query out.");
	else if (look->sharded)
		err_hint(err, "%s; do in the application, in a statement of its own, what concerns \"%s\".", action, look->sharded);
	else if (look->table)
		err_hint(err, "%s; do in the application what concerns \"%s\".", action, look->table);
	else
		err_hint(err, hook->column ? "Give the column a value in the statement, or w" HINT_WRITE "." : "W" HINT_WRITE "; or drop it.");
}

/* True: a reason was found. */
static bool check_table(const struct resolver *resolver, const struct shape *shape, const struct table_ref *ref, const struct resolved_table *table,
			struct err *err)
{
	unsigned events = events_of(shape, ref);
	bool stored = table->table->kind == 'm' && (shape->kind != STMT_MAINTENANCE || !ref->target);   /* a materialized view has its rows */

	for (const struct catalog_hook *hook = table->table->hooks; hook; hook = hook->next) {
		struct look look = look_of(resolver, table->sharded != NULL);

		if (!(hook->events & events) || (hook->column && !takes_default(shape, table->table, hook->column)) || (stored && is_view(hook)))
			continue;
		if (look_hook(&look, hook, events))
			continue;
		tell(&look, hook, table->table, err);
		return true;
	}
	return false;
}

/* In words of the client's: what may run a function without calling it. */
static bool refuse_hidden(const struct resolver *resolver, const struct shape *shape, bool strict, struct plan_item *item)
{
	struct look look = look_of(resolver, strict);
	const char *field;
	const struct catalog_hidden *hidden = look_hidden(&look, resolver, shape, &field);

	if (!hidden && !field)
		return false;
	plan_refuse(item, "", "");
	err_set(&item->refusal, ERR_UNSUPPORTED, "%s \"%s\" may run code that touches %stables, of which it would see one shard only",
		hidden ? hidden->kind : "function", hidden ? hidden->name : field, strict ? "" : "sharded ");
	if (hidden)
		err_detail(&item->refusal, "The function behind it is \"%s\".", hidden->calls[0].name);
	else
		tell_found(&look, &item->refusal);
	err_hint(&item->refusal, "W" HINT_WRITE "; or leave it out of the statement.");
	return true;
}

static bool refuse_calls(const struct resolver *resolver, const struct shape *shape, bool strict, struct plan_item *item)
{
	for (size_t i = 0; i < shape->function_count; i++) {
		const struct function_ref *call = &shape->functions[i];
		struct look look = look_of(resolver, strict);

		if (call->schema && strcmp(call->schema, "nanu") == 0)
			continue;
		if (look_call(&look, call))
			continue;
		plan_refuse(item, "", "");
		err_set(&item->refusal, ERR_UNSUPPORTED, "function %s() may touch %stables, of which it would see one shard only", call->name,
			strict ? "" : "sharded ");
		tell_found(&look, &item->refusal);
		if (strict && look.table)
			err_hint(&item->refusal, "Call it in a statement of its own, without the sharded table.");
		else if (look.sharded)
			err_hint(&item->refusal, "Do in the application, in a statement of its own, what concerns \"%s\".", look.sharded);
		else
			err_hint(&item->refusal, "W" HINT_WRITE ".");
		return true;
	}
	return false;
}

static bool concerned(const struct resolver *resolver)
{
	return resolver->database->shard_count > 1 && resolver->database->table_count;
}

bool hooks_refuse_expressions(const struct resolver *resolver, const struct shape *shape, bool strict, struct plan_item *item)
{
	struct look look = look_of(resolver, strict);

	if (!concerned(resolver))
		return false;
	item->wary = look_wary(&look);
	return refuse_calls(resolver, shape, strict, item) || refuse_hidden(resolver, shape, strict, item);
}

bool hooks_refuse_code(const struct resolver *resolver, struct plan_item *item)
{
	const struct shape *shape = resolver->shape;
	const char *language = shape->code_language ? shape->code_language : "plpgsql";
	struct look look = look_of(resolver, false);

	if (!concerned(resolver))
		return false;
	if (resolver->catalog && shape->code && strcmp(language, "plpgsql") == 0 && look_code(&look, shape->code))
		return false;
	plan_refuse(item, "", "");
	err_set(&item->refusal, ERR_UNSUPPORTED, "this DO block may touch sharded tables, of which it would see one shard only");
	tell_found(&look, &item->refusal);
	if (look.sharded)
		err_hint(&item->refusal, "Send its statements one by one, with the shard key.");
	else
		err_hint(&item->refusal, "Write it in PL/pgSQL without EXECUTE and without definitions, or send its statements one by one.");
	return true;
}

bool hooks_refuse(const struct resolver *resolver, const struct shape *shape, struct plan_item *item)
{
	struct err err;

	if (!concerned(resolver))
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

/* Whether all that the definition calls is known, and harmless. */
static bool calls_known(const struct resolver *resolver, bool strictly)
{
	const struct shape *shape = resolver->shape;
	const struct catalog_function *function;
	struct look look = look_of(resolver, strictly);

	if (!resolver->catalog)
		return false;
	for (size_t i = 0; i < shape->function_count; i++)
		if (!look_call(&look, &shape->functions[i]))
			return false;
	if (!shape->hooks)
		return true;
	function = shape->function ? catalog_functions_named(resolver->catalog, shape->function) : NULL;
	for (const struct catalog_function *next = function; next; next = next->same_name)
		if (!look_function(&look, next))
			return false;
	return function != NULL && look_calm(&look);
}

bool hooks_known_strictly(const struct resolver *resolver)
{
	return calls_known(resolver, true);
}

static bool is_sharded_name(const struct resolver *resolver, const char *name)
{
	for (size_t i = 0; name && i < resolver->database->table_count; i++)
		if (strcmp(resolver->database->tables[i].name, name) == 0)
			return true;
	return false;
}

/* A table that is made like others, as a part of them, or of types that the catalog does not look into, may have code that no call shows. */
bool hooks_takes_code(const struct resolver *resolver)
{
	struct look look = look_of(resolver, false), strict = look_of(resolver, true);

	for (size_t i = 1; i < resolver->shape->table_count; i++) {
		const struct resolved_table *table = &resolver->tables[i];
		const char *name = resolver->shape->tables[i].name;

		if (name && plan_redefined(look.redefined, name))
			return true;
		if (!table->table)
			continue;       /* the transaction made it, without any code */
		if (!table->sharded && !look_table(&look, table->table, EVENT_ANY))
			return true;
		for (const struct catalog_hook *hook = table->table->hooks; table->sharded && hook; hook = hook->next)
			if (!look_hook(&strict, hook, EVENT_ANY))
				return true;
	}
	return !look_calm(&look);
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

/* Operators, casts, types, aggregates that the transaction defines: whether what they call is known, and touches nothing, wherever it runs. Names of
 * functions stand among the words of such definitions. */
static bool types_known(const struct resolver *resolver)
{
	const struct shape *shape = resolver->shape;
	struct look look = look_of(resolver, true);

	if (!resolver->catalog || !look_calm(&look))
		return false;
	for (size_t i = 0; i < shape->function_count; i++)
		if (!look_call(&look, &shape->functions[i]))
			return false;
	for (size_t i = 0; i < shape->word_count; i++) {
		const char *name = shape->words[i].name;

		if (plan_redefined(look.redefined, name))
			return false;
		for (const struct catalog_function *next = catalog_functions_named(resolver->catalog, name); next; next = next->same_name)
			if (!look_function(&look, next))
				return false;
	}
	return true;
}

void hooks_note_redefined(const struct resolver *resolver, struct plan_item *item)
{
	const struct shape *shape = resolver->shape;
	const char *table = shape->table_count ? shape->tables[0].name : NULL;

	if (!concerned(resolver) || shape->temporary || shape->on_index)
		return;
	if (shape->kind == STMT_RENAME)
		item->redefines = renamed_to(resolver);
	else if (shape->function && !shape->hooks)
		item->redefines = shape->function;
	else if (shape->hooks || shape->kind == STMT_ALTER_TABLE)
		item->redefines = calls_known(resolver, false) ? NULL : table;
	else if (shape->kind == STMT_CREATE_TABLE)
		item->redefines = is_sharded_name(resolver, table) || !calls_known(resolver, false) || hooks_takes_code(resolver) ? table : NULL;
	else if (shape->types)
		item->redefines = types_known(resolver) ? NULL : REDEFINED_ALL;
	else if (shape->kind == STMT_DDL && table && shape->tables[0].target &&
		 (shape->table_count > 1 || shape->function_count || (resolver->catalog && resolver->catalog->hidden_count)))
		item->redefines = table;        /* a view */
}

bool hooks_allow_sharding(const struct database *database, const struct catalog *catalog, const struct catalog_table *table, struct err *err)
{
	for (const struct catalog_hook *hook = table->hooks; hook; hook = hook->next) {
		struct look look = { .database = database, .catalog = catalog, .strict = true };

		if (look_hook(&look, hook, EVENT_ANY))
			continue;
		tell(&look, hook, table, err);
		err_hint(err, "Drop it, and do in the application what it does; or write its function in SQL or PL/pgSQL, with neither tables nor sequences.");
		return false;
	}
	return true;
}

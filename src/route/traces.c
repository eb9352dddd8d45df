#include "route/traces.h"

#include <string.h>

#include "route/look.h"
#include "route/resolve.h"
#include "sql/body.h"

enum { TRACES_TABLES_MAX = LOOK_TABLES_MAX, TRACES_FUNCTIONS_MAX = LOOK_FUNCTIONS_MAX };

struct search {                         /* lives on the stack, and ends with the first trace */
	const struct resolver *resolver;
	const struct catalog *catalog;
	bool (*sought)(const char *function);   /* of PostgreSQL's own functions, those that are a trace */
	const struct catalog_table *tables[TRACES_TABLES_MAX];
	size_t table_count;
	const struct catalog_function *functions[TRACES_FUNCTIONS_MAX];
	size_t function_count;
	bool everything;                /* what expressions run without a call was looked at, all of it */
};

/* PostgreSQL's own, with a rule that makes UPDATE a call of set_config(). */
static const char settings_view[] = "pg_settings";

static bool code_leaves(struct search *search, const char *code);
static bool table_leaves(struct search *search, const struct catalog_table *table, unsigned events);

/* ---- functions ---- */

static bool calls_leave(struct search *search, const struct catalog_call *calls, size_t count);

static bool function_leaves(struct search *search, const struct catalog_function *function)
{
	for (size_t i = 0; i < search->function_count; i++)
		if (search->functions[i] == function)
			return false;
	if (plan_redefined(search->resolver->context->redefined, function->name) || search->function_count == TRACES_FUNCTIONS_MAX)
		return true;
	if (function->builtin ? search->sought(function->name) || catalog_reads_tables(function->name) : !function->readable)
		return true;
	search->functions[search->function_count++] = function;
	return calls_leave(search, function->calls, function->call_count) || (function->body && code_leaves(search, function->body)) ||
	       (function->body_immutable && code_leaves(search, function->body_immutable));
}

static bool calls_leave(struct search *search, const struct catalog_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct catalog_function *function = catalog_function(search->catalog, calls[i].schema, calls[i].name);

		if (!function || function_leaves(search, function))
			return true;
	}
	return false;
}

/* Which schema's and which overload is meant depends on types and search_path. */
static bool name_leaves(struct search *search, const char *schema, const char *name, bool written)
{
	const struct catalog_function *function;

	function = schema ? catalog_function(search->catalog, schema, name) : catalog_functions_named(search->catalog, name);
	if (written && !function)
		return true;
	for (; function; function = schema ? NULL : function->same_name)
		if (!(written && function->builtin && catalog_follows(name)) && function_leaves(search, function))
			return true;
	return false;
}

/* ---- code ---- */

static bool tell(void *owner, struct slice name, bool field)
{
	struct search *search = owner;
	const struct catalog_table *table = field ? NULL : catalog_tables_named(search->catalog, name.data);

	for (; table; table = table->same_name)
		if (table_leaves(search, table, EVENT_ANY))
			return false;
	return !name_leaves(search, NULL, name.data, false);
}

static bool anything_hidden_leaves(struct search *search)
{
	if (search->everything)
		return false;
	search->everything = true;
	for (size_t i = 0; i < search->catalog->hidden_count; i++)
		if (calls_leave(search, search->catalog->hidden[i].calls, search->catalog->hidden[i].call_count))
			return true;
	return false;
}

static bool code_leaves(struct search *search, const char *code)
{
	return body_sets(slice_of(code)) || anything_hidden_leaves(search) || !body_names(slice_of(code), tell, search);
}

/* ---- tables ---- */

static bool hook_leaves(struct search *search, const struct catalog_hook *hook)
{
	if (hook->reads || calls_leave(search, hook->calls, hook->call_count))
		return true;
	for (size_t i = 0; i < hook->relation_count; i++)
		if (table_leaves(search, hook->relations[i], hook->does ? hook->does : EVENT_ANY))
			return true;
	return false;
}

static bool table_leaves(struct search *search, const struct catalog_table *table, unsigned events)
{
	if (plan_redefined(search->resolver->context->redefined, table->name) ||
	    (events & EVENT_UPDATE && strcmp(table->name, settings_view) == 0))
		return true;
	if (!table->hooks)
		return false;
	for (size_t i = 0; i < search->table_count; i++)
		if (search->tables[i] == table)
			return false;
	if (search->table_count == TRACES_TABLES_MAX)
		return true;
	if (events == EVENT_ANY)
		search->tables[search->table_count++] = table;
	for (const struct catalog_hook *hook = table->hooks; hook; hook = hook->next)
		if (hook->events & events && hook_leaves(search, hook))
			return true;
	return false;
}

/* ---- a statement ---- */

static bool is_named(const struct table_ref *ref, const char *name)
{
	return ref->name && strcmp(ref->name, name) == 0;
}

static unsigned events_of(const struct shape *shape, const struct table_ref *ref)
{
	switch (shape->kind) {
	case STMT_SELECT:
	case STMT_INSERT:
	case STMT_UPDATE:
	case STMT_DELETE:
	case STMT_MERGE:
	case STMT_COPY:
		return ref->target ? EVENT_SELECT | EVENT_WRITE : EVENT_SELECT;
	default:
		return EVENT_ANY;
	}
}

/* What the catalog does not have is a definition's new table, or, in a session that has temporary ones, one of these. */
static bool tables_leave(struct search *search)
{
	const struct shape *shape = search->resolver->shape;
	bool queries = shape->kind <= STMT_MERGE || shape->kind == STMT_COPY;

	for (size_t i = 0; i < shape->table_count; i++) {
		const struct resolved_table *table = &search->resolver->tables[i];

		if (shape->tables[i].target && is_named(&shape->tables[i], settings_view))
			return true;
		if (table->unknown && queries && !search->resolver->context->temporary)
			return true;
		if (table->table && !table->everywhere && table_leaves(search, table->table, events_of(shape, &shape->tables[i])))
			return true;
	}
	return false;
}

static bool words_leave(struct search *search)
{
	const struct catalog *catalog = search->catalog;
	const struct shape *shape = search->resolver->shape;

	for (size_t i = 0; i < catalog->hidden_count; i++)
		if (look_may_run(&catalog->hidden[i], search->resolver, shape) &&
		    calls_leave(search, catalog->hidden[i].calls, catalog->hidden[i].call_count))
			return true;
	for (size_t i = 0; i < shape->word_count; i++) {
		const struct catalog_function *function = shape->words[i].field ? catalog_functions_named(catalog, shape->words[i].name) : NULL;

		for (; function; function = function->same_name)
			if (function->of_row && function_leaves(search, function))
				return true;
	}
	return false;
}

static bool statement_leaves(const struct resolver *resolver, bool (*sought)(const char *function))
{
	struct search search = { .resolver = resolver, .catalog = resolver->catalog, .sought = sought };
	const struct shape *shape = resolver->shape;

	if (!search.catalog)
		return shape->function_count > 0;
	for (size_t i = 0; i < shape->function_count; i++) {
		const struct function_ref *call = &shape->functions[i];

		if (!(call->schema && strcmp(call->schema, "nanu") == 0) && name_leaves(&search, call->schema, call->name, true))
			return true;
	}
	return tables_leave(&search) || words_leave(&search);
}

bool traces_left(const struct resolver *resolver)
{
	return statement_leaves(resolver, catalog_leaves_traces);
}

bool traces_tell_statement(const struct resolver *resolver)
{
	for (size_t i = 0; i < resolver->shape->table_count; i++)
		if (is_named(&resolver->shape->tables[i], "pg_cursors"))
			return true;
	return statement_leaves(resolver, catalog_tells_statement);
}

bool traces_left_by_code(const struct resolver *resolver, const char *code, const char *language)
{
	struct search search = { .resolver = resolver, .catalog = resolver->catalog, .sought = catalog_leaves_traces };

	return !search.catalog || !code || (language && strcmp(language, "plpgsql") != 0) || code_leaves(&search, code);
}

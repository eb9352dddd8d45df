#include "route/look.h"

#include <string.h>

#include "route/resolve.h"
#include "sql/body.h"
#include "topo/topology.h"

static bool seen_table(struct look *look, const struct catalog_table *table, unsigned events);

struct look look_of(const struct resolver *resolver, bool strict)
{
	return (struct look){ .database = resolver->database, .catalog = resolver->catalog, .strict = strict,
			      .redefined = resolver->context->redefined };
}

/* ---- functions ---- */

/* Words in the code of functions that concern what each server has of its own: numbers of sequences, notifications, locks, large objects. */
static const char *of_server(const char *name)
{
	static const char *const words[] = { "currval", "information_schema", "lastval", "listen", "nextval", "notify", "pg_notify", "setval", "unlisten" };
	static const char *const beginnings[] = { "lo_", "pg_advisory_", "pg_try_advisory_" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], name) == 0)
			return words[i];
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (strncmp(beginnings[i], name, strlen(beginnings[i])) == 0)
			return beginnings[i];
	return NULL;
}

static bool look_name(void *owner, struct slice name, bool field)
{
	struct look *look = owner;
	const struct catalog_table *table = field ? NULL : catalog_tables_named(look->catalog, name.data);

	if (look->strict && !field && of_server(name.data)) {
		look->table = of_server(name.data);
		return false;
	}
	for (; table; table = table->same_name)
		if (!look_table(look, table, EVENT_ANY))
			return false;
	for (const struct catalog_function *function = catalog_functions_named(look->catalog, name.data); function; function = function->same_name)
		if (!look_function(look, function))
			return false;
	return true;
}

bool look_code(struct look *look, const char *code)
{
	return look_calm(look) && body_names(slice_of(code), look_name, look);
}

static bool look_at_calls(struct look *look, const struct catalog_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct catalog_function *function = catalog_function(look->catalog, calls[i].schema, calls[i].name);

		if (function && look_function(look, function))
			continue;
		if (!function)
			look->opaque = calls[i].name;
		return false;
	}
	return true;
}

bool look_function(struct look *look, const struct catalog_function *function)
{
	for (size_t i = 0; i < look->function_count; i++)
		if (look->functions[i] == function)
			return true;
	if (plan_redefined(look->redefined, function->name) || (function->builtin && catalog_reads_tables(function->name))) {
		look->opaque = function->name;
		return false;
	}
	if (!function->call_count && (function->builtin || function->volatility == VOLATILITY_IMMUTABLE))
		return true;
	if (look->function_count < LOOK_FUNCTIONS_MAX) {
		look->functions[look->function_count++] = function;
		if (look_at_calls(look, function->calls, function->call_count)) {
			if (function->builtin || function->volatility == VOLATILITY_IMMUTABLE)
				return true;
			if (function->readable && (!function->body || look_code(look, function->body)))
				return true;
		}
	}
	if (!look->opaque && !look->sharded && !look->table)
		look->opaque = function->name;
	return false;
}

/* Which schema's and which overload is meant depends on types and search_path: every function of the name has to pass. */
bool look_call(struct look *look, const struct function_ref *call)
{
	const struct catalog_function *function = NULL;

	if (look->catalog)
		function = call->schema ? catalog_function(look->catalog, call->schema, call->name) : catalog_functions_named(look->catalog, call->name);
	if (!function || plan_redefined(look->redefined, call->name)) {
		look->opaque = call->name;
		return false;
	}
	for (; function; function = call->schema ? NULL : function->same_name)
		if (!look_function(look, function))
			return false;
	return true;
}

/* ---- tables ---- */

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

/* A sharded table's code runs on all shards. */
static bool look_strictly(struct look *look, const struct catalog_hook *hook)
{
	for (size_t i = 0; hook->passes_on && i < hook->relation_count; i++) {          /* to tables that are sharded alike */
		if (seen_table(look, hook->relations[i], hook->does))
			continue;
		for (const struct catalog_hook *next = hook->relations[i]->hooks; next; next = next->next)
			if (next->events & hook->does && !look_strictly(look, next))
				return false;
	}
	if (hook->passes_on)
		return true;
	if (hook->reads || hook->relation_count) {
		look->opaque = hook->reads ? hook->reads : hook->relations[0]->name;
		return false;
	}
	return look_at_calls(look, hook->calls, hook->call_count);
}

bool look_hook(struct look *look, const struct catalog_hook *hook, unsigned events)
{
	if (look->strict)
		return look_strictly(look, hook);
	if (hook->reads) {
		look->opaque = hook->reads;
		return false;
	}
	if (!look_at_calls(look, hook->calls, hook->call_count))
		return false;
	for (size_t i = 0; i < hook->relation_count; i++)
		if (!look_table(look, hook->relations[i], hook->does ? hook->does : events & hook->events))
			return false;
	return true;
}

/* What code does to a table. Names of information_schema are common words, and mean it only with its own name before them. */
bool look_table(struct look *look, const struct catalog_table *table, unsigned events)
{
	if (database_table(look->database, table->schema, table->name)) {
		look->sharded = table->name;
		return false;
	}
	if (look->strict) {
		if (strcmp(table->schema, "information_schema") == 0)
			return true;
		look->table = table->name;
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
		if (hook->events & events && !(table->kind == 'm' && strcmp(hook->kind, "view") == 0) && !look_hook(look, hook, events))
			return false;
	return true;
}

/* ---- what no call shows ---- */

/* Taken by itself: a chain of such code that leads to a table has a last link, which names it. */
static bool harmless(const struct look *look, const struct catalog_hidden *hidden)
{
	struct look own = { .database = look->database, .catalog = look->catalog, .strict = look->strict, .redefined = look->redefined, .calm = CALM };

	return look_at_calls(&own, hidden->calls, hidden->call_count);
}

bool look_calm(struct look *look)
{
	if (look->calm != CALM_UNKNOWN)
		return look->calm == CALM;
	look->calm = CALM;
	for (size_t i = 0; look->catalog && i < look->catalog->hidden_count && look->calm == CALM; i++)
		if (!harmless(look, &look->catalog->hidden[i]))
			look->calm = CALM_NOT;
	return look->calm == CALM;
}

bool look_wary(struct look *look)
{
	for (size_t i = 0; !look_calm(look) && i < look->catalog->hidden_count; i++)
		if (look->catalog->hidden[i].type_count && !harmless(look, &look->catalog->hidden[i]))
			return true;
	return false;
}

static bool has_word(const struct catalog_hidden *hidden, const char *name)
{
	for (size_t i = 0; name && i < hidden->word_count; i++)
		if (strcmp(hidden->words[i], name) == 0)
			return true;
	return false;
}

static bool has_type(const struct catalog_hidden *hidden, const struct catalog_table *table)
{
	for (size_t i = 0; table && i < table->column_count; i++)
		for (size_t j = 0; j < hidden->type_count; j++)
			if (table->columns[i].type == hidden->types[j])
				return true;
	return false;
}

bool look_may_run(const struct catalog_hidden *hidden, const struct resolver *resolver, const struct shape *shape)
{
	bool may = hidden->everywhere;

	for (size_t i = 0; i < shape->word_count && !may; i++)
		may = has_word(hidden, shape->words[i].name);
	for (size_t i = 0; i < shape->function_count && !may; i++)
		may = has_word(hidden, shape->functions[i].name);
	for (size_t i = 0; i < shape->table_count && !may; i++)
		may = has_type(hidden, resolver->tables[i].table);
	return may;
}

const struct catalog_hidden *look_hidden(struct look *look, const struct resolver *resolver, const struct shape *shape, const char **ret_field)
{
	*ret_field = NULL;
	for (size_t i = 0; look->catalog && !look_calm(look) && i < look->catalog->hidden_count; i++)
		if (!harmless(look, &look->catalog->hidden[i]) && look_may_run(&look->catalog->hidden[i], resolver, shape))
			return &look->catalog->hidden[i];
	for (size_t i = 0; look->catalog && i < shape->word_count; i++) {
		const char *name = shape->words[i].field ? shape->words[i].name : NULL;
		const struct catalog_function *function = name ? catalog_functions_named(look->catalog, name) : NULL;

		for (; function; function = function->same_name)
			if (function->of_row && !look_function(look, function))
				break;
		if (!function && !(name && plan_redefined(look->redefined, name)))
			continue;
		*ret_field = name;
		return NULL;
	}
	return NULL;
}

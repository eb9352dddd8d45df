#include "route/reading.h"

#include <string.h>

#include "catalog/catalog.h"
#include "route/resolve.h"

enum { RELATIONS_DEEP_MAX = 8 };

/* STABLE functions that tell of the server, or of what only the primary knows. */
static bool tells_of_server(const char *function)
{
	static const char *const names[] = {
		"current_setting", "inet_server_addr", "inet_server_port", "pg_backend_pid", "pg_conf_load_time", "pg_current_snapshot",
		"pg_current_xact_id", "pg_current_xact_id_if_assigned", "pg_is_in_backup", "pg_postmaster_start_time", "pg_sequence_last_value",
		"txid_current", "txid_current_if_assigned", "txid_current_snapshot", "version",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], function) == 0)
			return true;
	return strncmp(function, "pg_stat_", 8) == 0 || strncmp(function, "pg_show_", 8) == 0;
}

/* VOLATILE, but a replica answers as well as the primary. */
static bool is_harmless(const struct catalog_function *function)
{
	static const char *const names[] = { "clock_timestamp", "gen_random_uuid", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "random", "timeofday" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(function->schema, "pg_catalog") == 0 && strcmp(function->name, names[i]) == 0)
			return true;
	return false;
}

static bool is_volatile(const struct catalog_function *function)
{
	return function->volatility == VOLATILITY_VOLATILE && !is_harmless(function);
}

/* Known, and none of its overloads VOLATILE; without a schema the name may mean those of every schema. */
static bool is_steady(const struct resolver *resolver, const struct function_ref *call, bool there)
{
	const struct catalog_function *found = catalog_function(resolver->catalog, call->schema, call->name);

	if (there && found && strcmp(found->schema, "pg_catalog") == 0 && strcmp(found->name, "pg_is_in_recovery") == 0)
		return true;

	if (!found || found->call_count || tells_of_server(call->name))
		return false;
	if (call->schema)
		return !is_volatile(found);
	for (found = catalog_functions_named(resolver->catalog, call->name); found; found = found->same_name)
		if (is_volatile(found))
			return false;
	return true;
}

/* Tables alone, and what they are parts of: views and foreign tables run code, a sequence is ahead of itself on a replica, an unlogged table is empty
 * there. */
static bool is_plain(const struct catalog_table *table, unsigned deep)
{
	if (!strchr("rpm", table->kind) || table->persistence != 'p' || deep > RELATIONS_DEEP_MAX)
		return false;
	for (const struct catalog_hook *hook = table->hooks; hook; hook = hook->next) {
		if (!(hook->events & EVENT_SELECT))
			continue;
		if (!hook->passes_on || hook->call_count)
			return false;           /* a policy */
		for (size_t i = 0; i < hook->relation_count; i++)
			if (!is_plain(hook->relations[i], deep + 1))
				return false;
	}
	return true;
}

bool reading_only(const struct resolver *resolver, const struct shape *shape, bool there)
{
	if (shape->kind != STMT_SELECT || shape->cte_writes || !resolver->catalog || resolver->catalog->hidden_count || shape->set_config ||
	    shape->set_config_opaque || shape->set_config_passing)
		return false;
	for (size_t i = 0; i < shape->scope_count; i++)
		if (shape->scopes[i].locking)
			return false;
	for (size_t i = 0; i < shape->table_count; i++) {
		const struct resolved_table *table = &resolver->tables[i];

		if (shape->tables[i].kind != TABLE_REF_RELATION)
			continue;
		if (!table->table || table->everywhere || table->local || !is_plain(table->table, 0))
			return false;
	}
	for (size_t i = 0; i < shape->function_count; i++)
		if (!is_steady(resolver, &shape->functions[i], there))
			return false;
	for (size_t i = 0; i < shape->word_count; i++) {
		const struct catalog_function *function = shape->words[i].field ? catalog_functions_named(resolver->catalog, shape->words[i].name) : NULL;

		for (; function; function = function->same_name)
			if (function->of_row && function->volatility == VOLATILITY_VOLATILE)
				return false;
	}
	return true;
}

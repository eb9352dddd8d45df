#include "route/reading.h"

#include <string.h>

#include "catalog/catalog.h"
#include "route/look.h"
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
static bool is_steady(const struct resolver *resolver, const char *schema, const char *name, bool there)
{
	const struct catalog_function *found = catalog_function(resolver->catalog, schema, name);

	if (there && found && strcmp(found->schema, "pg_catalog") == 0 && strcmp(found->name, "pg_is_in_recovery") == 0)
		return true;

	if (!found || found->call_count || tells_of_server(name))
		return false;
	if (schema)
		return !is_volatile(found);
	for (found = catalog_functions_named(resolver->catalog, name); found; found = found->same_name)
		if (is_volatile(found))
			return false;
	return true;
}

static bool is_plain(const struct resolver *resolver, const struct catalog_table *table, bool there, unsigned deep);

static bool all_plain(const struct resolver *resolver, const struct catalog_table *const *tables, size_t count, bool there, unsigned deep)
{
	for (size_t i = 0; i < count; i++)
		if (!is_plain(resolver, tables[i], there, deep))
			return false;
	return true;
}

/* What its query would be, were it written out. */
static bool view_reads(const struct resolver *resolver, const struct catalog_view *view, bool there, unsigned deep)
{
	/* Which operators and types it has in it, nobody noted. */
	if (!view || view->opaque || view->locks || resolver->catalog->hidden_count || !all_plain(resolver, view->relations, view->relation_count, there, deep))
		return false;
	for (size_t i = 0; i < view->call_count; i++)
		if (!is_steady(resolver, view->calls[i].schema, view->calls[i].name, there))
			return false;
	return true;
}

/* Tables, with their parts, and what is made of tables by functions that only read. A foreign table runs code, a sequence is ahead of itself on a
 * replica, an unlogged table is empty there, and the catalogs have what is a server's own. */
static bool is_plain(const struct resolver *resolver, const struct catalog_table *table, bool there, unsigned deep)
{
	if (!strchr("rpmv", table->kind) || table->persistence != 'p' || deep > RELATIONS_DEEP_MAX || strcmp(table->schema, "pg_catalog") == 0 ||
	    strcmp(table->schema, "information_schema") == 0)
		return false;
	if (table->kind == 'v' && !view_reads(resolver, table->view, there, deep + 1))
		return false;
	for (const struct catalog_hook *hook = table->hooks; hook; hook = hook->next) {
		if (strcmp(hook->kind, "policy") == 0)
			return false;
		if (strcmp(hook->kind, "inheritance") == 0 && !all_plain(resolver, hook->relations, hook->relation_count, there, deep + 1))
			return false;
	}
	return true;
}

bool reading_copies(const struct shape *shape)
{
	return shape->kind == STMT_COPY && !shape->copy_from && shape->copy_stdio;
}

bool reading_only(const struct resolver *resolver, const struct shape *shape, bool there)
{
	if ((shape->kind != STMT_SELECT && shape->kind != STMT_EXECUTE && !reading_copies(shape)) || shape->cte_writes || !resolver->catalog ||
	    shape->set_config || shape->set_config_opaque || shape->set_config_passing)
		return false;
	for (size_t i = 0; i < resolver->catalog->hidden_count; i++)
		if (look_may_run(&resolver->catalog->hidden[i], resolver, shape))
			return false;
	for (size_t i = 0; i < shape->scope_count; i++)
		if (shape->scopes[i].locking)
			return false;
	for (size_t i = 0; i < shape->table_count; i++) {
		const struct resolved_table *table = &resolver->tables[i];

		if (shape->tables[i].kind != TABLE_REF_RELATION)
			continue;
		if (!table->table || table->everywhere || table->local || !is_plain(resolver, table->table, there, 0))
			return false;
	}
	for (size_t i = 0; i < shape->function_count; i++)
		if (!is_steady(resolver, shape->functions[i].schema, shape->functions[i].name, there))
			return false;
	for (size_t i = 0; i < shape->word_count; i++) {
		const struct catalog_function *function = shape->words[i].field ? catalog_functions_named(resolver->catalog, shape->words[i].name) : NULL;

		for (; function; function = function->same_name)
			if (function->of_row && function->volatility == VOLATILITY_VOLATILE)
				return false;
	}
	return true;
}

static bool takes_lock(const struct shape *shape)
{
	for (size_t i = 0; i < shape->function_count; i++)
		if (strncmp(shape->functions[i].name, "pg_advisory_", 12) == 0 || strncmp(shape->functions[i].name, "pg_try_advisory_", 16) == 0)
			return true;
	return false;
}

bool reading_holds(const struct shape *shape)
{
	return (shape->kind == STMT_DECLARE && shape->cursor_hold) || takes_lock(shape) || (shape->inner && takes_lock(shape->inner));
}

bool reading_is_of_session(const struct shape *shape)
{
	switch (shape->kind) {
	case STMT_EMPTY:
	case STMT_BEGIN:
	case STMT_COMMIT:
	case STMT_ROLLBACK:
	case STMT_SAVEPOINT:
	case STMT_RELEASE:
	case STMT_ROLLBACK_TO:
	case STMT_SET:
	case STMT_RESET:
	case STMT_SHOW:
	case STMT_SET_TRANSACTION:
		return true;
	default:
		return false;
	}
}

bool reading_looks(const struct shape *shape)
{
	switch (shape->kind) {
	case STMT_PREPARE_TX:
	case STMT_COMMIT_PREPARED:
	case STMT_ROLLBACK_PREPARED:
	case STMT_PREPARE:
	case STMT_DEALLOCATE:
	case STMT_DISCARD:
	case STMT_FETCH:                /* what was there when its cursor was made */
	case STMT_CLOSE:
	case STMT_LISTEN:
	case STMT_UNLISTEN:
	case STMT_NOTIFY:
	case STMT_LOCK:
		return false;
	default:
		return !reading_is_of_session(shape);
	}
}

#include "route/reading.h"

#include <string.h>

#include "catalog/catalog.h"
#include "route/look.h"
#include "route/resolve.h"
#include "sql/body.h"

enum { SEEN_MAX = 256 };

/* One question; what it leads to is looked at once. */
struct reader {
	const struct resolver *resolver;
	bool there;
	enum reading found;             /* the worst so far */
	const void *seen[SEEN_MAX];     /* functions and tables */
	size_t seen_count;
};

static void see_function(struct reader *reader, const struct catalog_function *function);
static void see_table(struct reader *reader, const struct catalog_table *table);

static void find(struct reader *reader, enum reading found)
{
	if (found > reader->found)
		reader->found = found;
}

static bool seen(struct reader *reader, const void *thing)
{
	for (size_t i = 0; i < reader->seen_count; i++)
		if (reader->seen[i] == thing)
			return true;
	if (reader->seen_count == SEEN_MAX) {
		find(reader, READING_UNKNOWN);
		return true;
	}
	reader->seen[reader->seen_count++] = thing;
	return false;
}

static bool listed(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* ---- functions ---- */

/* What they tell of is not in the WAL, or they cannot be called while it is replayed. */
static bool tells_own(const char *function)
{
	static const char *const names[] = { "pg_current_xact_id", "pg_lock_status", "pg_prepared_xact", "pg_sequence_last_value", "txid_current" };

	return strncmp(function, "pg_stat_", 8) == 0 || listed(function, names, sizeof(names) / sizeof(names[0]));
}

/* STABLE functions that tell of the server, or of what only the primary knows. */
static bool tells_of_server(const char *function)
{
	static const char *const names[] = {
		"current_setting", "inet_server_addr", "inet_server_port", "pg_backend_pid", "pg_conf_load_time", "pg_current_snapshot",
		"pg_current_xact_id_if_assigned", "pg_is_in_backup", "pg_postmaster_start_time", "txid_current_if_assigned",
		"txid_current_snapshot", "version",
	};

	return strncmp(function, "pg_show_", 8) == 0 || listed(function, names, sizeof(names) / sizeof(names[0]));
}

/* Who asks for them at a replica's port means the replica. */
static bool tells_of_standby(const char *function)
{
	static const char *const names[] = {
		"pg_get_wal_replay_pause_state", "pg_is_in_recovery", "pg_is_wal_replay_paused", "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn",
		"pg_last_xact_replay_timestamp",
	};

	return tells_of_server(function) || listed(function, names, sizeof(names) / sizeof(names[0]));
}

/* VOLATILE, but a replica answers as well as the primary. */
static bool is_harmless(const struct catalog_function *function)
{
	static const char *const names[] = { "clock_timestamp", "gen_random_uuid", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "random", "timeofday" };

	return strcmp(function->schema, "pg_catalog") == 0 && listed(function->name, names, sizeof(names) / sizeof(names[0]));
}

/* Common words are names of information_schema's too: they mean it only with its own name before them. */
static bool see_word(void *owner, struct slice name, bool field)
{
	struct reader *reader = owner;
	const struct catalog *catalog = reader->resolver->catalog;

	if (slice_is(name, "information_schema"))
		find(reader, READING_UNKNOWN);
	for (const struct catalog_table *table = field ? NULL : catalog_tables_named(catalog, name.data); table; table = table->same_name)
		if (strcmp(table->schema, "information_schema") != 0)
			see_table(reader, table);
	for (const struct catalog_function *function = catalog_functions_named(catalog, name.data); function; function = function->same_name)
		see_function(reader, function);
	return true;
}

/* Which operators and types have code of the user's own in there, nobody noted. */
static void see_inside(struct reader *reader)
{
	if (reader->resolver->catalog->hidden_count)
		find(reader, READING_UNKNOWN);
}

/* Without a schema the name may mean those of every schema. */
static void see_call(struct reader *reader, const char *schema, const char *name)
{
	const struct catalog *catalog = reader->resolver->catalog;
	const struct catalog_function *function = schema ? catalog_function(catalog, schema, name) : catalog_functions_named(catalog, name);

	if (!function)
		find(reader, READING_UNKNOWN);
	for (; function; function = schema ? NULL : function->same_name)
		see_function(reader, function);
}

/* IMMUTABLE is believed, as PostgreSQL does; STABLE of what is not PostgreSQL's own says nothing of what is a server's own, nor of what it calls. */
static void see_function(struct reader *reader, const struct catalog_function *function)
{
	if (seen(reader, function) || (reader->there && strcmp(function->schema, "pg_catalog") == 0 && tells_of_standby(function->name)))
		return;
	if (tells_own(function->name))
		find(reader, READING_OWN);
	if (tells_of_server(function->name))
		find(reader, READING_UNKNOWN);
	if ((function->volatility == VOLATILITY_VOLATILE && !is_harmless(function)) || (function->builtin && catalog_reads_tables(function->name)))
		find(reader, READING_UNKNOWN);
	for (size_t i = 0; i < function->call_count; i++)
		see_call(reader, function->calls[i].schema, function->calls[i].name);
	if (function->builtin || function->volatility == VOLATILITY_IMMUTABLE)
		return;
	see_inside(reader);
	if (!function->readable || (function->body && !body_names(slice_of(function->body), see_word, reader)))
		find(reader, READING_UNKNOWN);
}

/* ---- relations ---- */

static void see_tables(struct reader *reader, const struct catalog_table *const *tables, size_t count)
{
	for (size_t i = 0; i < count; i++)
		see_table(reader, tables[i]);
}

/* What its query would be, were it written out. */
static void see_view(struct reader *reader, const struct catalog_view *view)
{
	see_inside(reader);
	if (!view || view->opaque || view->locks) {
		find(reader, READING_UNKNOWN);
		return;
	}
	see_tables(reader, view->relations, view->relation_count);
	for (size_t i = 0; i < view->call_count; i++)
		see_call(reader, view->calls[i].schema, view->calls[i].name);
}

static bool is_statistics(const char *view)
{
	static const char *const names[] = {
		"pg_backend_memory_contexts", "pg_locks", "pg_prepared_xacts", "pg_replication_origin_status", "pg_replication_slots", "pg_sequences",
		"pg_shmem_allocations",
	};

	return strncmp(view, "pg_stat_", 8) == 0 || strncmp(view, "pg_statio_", 10) == 0 || listed(view, names, sizeof(names) / sizeof(names[0]));
}

/* Tables, with their parts, and what is made of tables by functions that only read. A foreign table runs code, a sequence is ahead of itself on a
 * replica, an unlogged table is empty there, and the catalogs have what is a server's own. */
static void see_table(struct reader *reader, const struct catalog_table *table)
{
	bool catalogs = strcmp(table->schema, "pg_catalog") == 0;

	if (seen(reader, table))
		return;
	if (table->kind == 'S' || table->persistence == 'u' || (catalogs && is_statistics(table->name)))
		find(reader, READING_OWN);
	if (!strchr("rpmv", table->kind) || table->persistence != 'p' || catalogs || strcmp(table->schema, "information_schema") == 0) {
		find(reader, READING_UNKNOWN);
		return;
	}
	if (table->kind == 'v')
		see_view(reader, table->view);
	for (const struct catalog_hook *hook = table->hooks; hook; hook = hook->next) {
		if (strcmp(hook->kind, "policy") == 0)
			find(reader, READING_UNKNOWN);
		if (strcmp(hook->kind, "inheritance") == 0)
			see_tables(reader, hook->relations, hook->relation_count);
	}
}

/* ---- the statement ---- */

/* An attribute that is a function (row.name) too. */
static void see_field(struct reader *reader, const char *name)
{
	for (const struct catalog_function *function = catalog_functions_named(reader->resolver->catalog, name); function; function = function->same_name)
		if (function->of_row)
			see_function(reader, function);
}

enum reading reading_of(const struct resolver *resolver, const struct shape *shape, bool there)
{
	struct reader reader = { .resolver = resolver, .there = there };

	if (!resolver->catalog)
		return READING_UNKNOWN;
	if ((shape->kind != STMT_SELECT && shape->kind != STMT_EXECUTE && !reading_copies(shape)) || shape->cte_writes || shape->set_config ||
	    shape->set_config_opaque || shape->set_config_passing)
		find(&reader, READING_UNKNOWN);
	for (size_t i = 0; i < resolver->catalog->hidden_count; i++)
		if (look_may_run(&resolver->catalog->hidden[i], resolver, shape))
			find(&reader, READING_UNKNOWN);
	for (size_t i = 0; i < shape->scope_count; i++)
		if (shape->scopes[i].locking)
			find(&reader, READING_UNKNOWN);
	for (size_t i = 0; i < shape->table_count; i++) {
		const struct resolved_table *table = &resolver->tables[i];

		if (shape->tables[i].kind != TABLE_REF_RELATION)
			continue;
		if (!table->table || table->everywhere || table->local)
			find(&reader, READING_UNKNOWN);
		if (table->table)
			see_table(&reader, table->table);
	}
	for (size_t i = 0; i < shape->function_count; i++)
		see_call(&reader, shape->functions[i].schema, shape->functions[i].name);
	for (size_t i = 0; i < shape->word_count; i++)
		if (shape->words[i].field)
			see_field(&reader, shape->words[i].name);
	return reader.found;
}

bool reading_copies(const struct shape *shape)
{
	return shape->kind == STMT_COPY && !shape->copy_from && shape->copy_stdio;
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

#include "catalog/catalog_load.h"

#include <gnu/libc-version.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "catalog/ask.h"
#include "catalog/catalog.h"

enum { NODE_SILENT_MS_MAX = 30 * 1000 };

static const char BEGIN[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/* Before search_path is set for our own safety: current_schemas() leaves out what does not exist, and resolves "$user". */
static const char SEARCH_PATH[] = "SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))";

static const char SEARCH_PATH_TEXT[] = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'search_path'";

/* Roles with a search_path of their own, in this database before in all; then, without a path, roles of whose name there is a schema. */
static const char ROLE_PATHS[] =
	"SELECT r.rolname, (SELECT substr(c, 13) FROM pg_db_role_setting s, unnest(s.setconfig) c"
	"   WHERE s.setrole = r.oid AND c LIKE 'search_path=%' AND s.setdatabase IN (0, d.oid) ORDER BY s.setdatabase DESC LIMIT 1)"
	" FROM pg_roles r, pg_database d WHERE d.datname = current_database() AND EXISTS ("
	"   SELECT FROM pg_db_role_setting s, unnest(s.setconfig) c"
	"   WHERE s.setrole = r.oid AND c LIKE 'search_path=%' AND s.setdatabase IN (0, d.oid))"
	" UNION ALL "
	"SELECT r.rolname, NULL FROM pg_roles r JOIN pg_namespace n ON n.nspname = r.rolname";

/* Compiling the larger of our queries would take longer than running them. */
static const char SAFE_PATH[] = "SET LOCAL search_path = pg_catalog; SET LOCAL jit = off; SET LOCAL lock_timeout = '10s'";

static const char SERVER[] =
	"SELECT current_setting('server_version'), current_setting('server_encoding'), EXISTS (SELECT FROM pg_event_trigger WHERE evtenabled <> 'D')";

/* One row a column, those of one table together; a table without columns is one row with a NULL attname. */
static const char COLUMNS[] =
	"SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,"
	"       a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnum, a.attnotnull,"
	"       a.attidentity <> '' OR coalesce(" CATALOG_CALLS_NEXTVAL ", false), a.attgenerated <> '',"
	"       a.attidentity <> '' OR d.oid IS NOT NULL, coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)"      /* an int2vector begins at 0 */
	" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	" LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
	" LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary"
	" LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum AND a.attgenerated = ''"
	" WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND " NAMEABLE_SCHEMA
	" ORDER BY c.oid, a.attnum";

/* 'i' < 's' < 'v' in provolatile, so that the greatest is the worst. A body that the parser has taken in (prosqlbody) is not asked for: to write
 * it out, the server locks the tables in it. */
#define BUILTIN "(n.nspname = 'pg_catalog' OR p.prokind = 'a' OR " KNOWN_C ")"

static const char FUNCTIONS[] =
	"SELECT n.nspname, p.proname, max(p.provolatile), bool_or(p.prokind = 'a'), bool_or(p.prokind = 'w'), bool_or(p.proretset),"
	"       bool_and(" BUILTIN "), bool_and(" BUILTIN " OR p.provolatile = 'i' OR (l.lanname IN ('sql', 'plpgsql') AND p.prosqlbody IS NULL)),"
	"       string_agg(p.prosrc, E'\n;\n') FILTER (WHERE l.lanname IN ('sql', 'plpgsql') AND p.provolatile <> 'i' AND NOT " BUILTIN "),"
	"       string_agg(p.prosrc, E'\n;\n') FILTER (WHERE l.lanname IN ('sql', 'plpgsql') AND p.provolatile = 'i' AND NOT " BUILTIN ")"
	" FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang"
	" WHERE " NAMEABLE_SCHEMA
	" GROUP BY n.nspname, p.proname";

/* The database's default, first, takes the place of pg_collation's own entry "default". Others are those of the database's encoding. */
static const char COLLATIONS[] =
	"SELECT 100::oid, 'pg_catalog', 'default', datlocprovider, true,"
	"       CASE datlocprovider WHEN 'c' THEN datcollate ELSE daticulocale END, pg_database_collation_actual_version(oid)"
	" FROM pg_database WHERE datname = current_database()"
	" UNION ALL "
	"SELECT c.oid, nspname, collname, collprovider, collisdeterministic,"
	"       CASE collprovider WHEN 'c' THEN collcollate ELSE colliculocale END, pg_collation_actual_version(c.oid)"
	" FROM pg_collation c JOIN pg_namespace n ON n.oid = collnamespace"
	" WHERE collprovider <> 'd' AND collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding()))";

/* As ask(), which does not know what it is asked for. */
static int ask_for(PGconn *conn, const char *sql, const char *param, const char *what, ExecStatusType wanted, PGresult **ret_result, struct err *err)
{
	struct err why;
	int code = ask(conn, sql, param, wanted, NODE_SILENT_MS_MAX, ret_result, &why);

	return code < 0 ? err_set(err, why.code, "cannot read the schema (%s): %s", what, why.message) : 0;
}

static int run(PGconn *conn, const char *sql, const char *what, struct err *err)
{
	PGresult *result;
	int code = ask_for(conn, sql, NULL, what, PGRES_COMMAND_OK, &result, err);

	PQclear(result);
	return code;
}

static int fetch(PGconn *conn, const char *sql, const char *what, PGresult **ret_result, struct err *err)
{
	return catalog_fetch(conn, sql, NULL, what, ret_result, err);
}

int catalog_fetch(PGconn *conn, const char *sql, const char *param, const char *what, PGresult **ret_result, struct err *err)
{
	return ask_for(conn, sql, param, what, PGRES_TUPLES_OK, ret_result, err);
}

static char *text_at(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column);
}

char *catalog_text(struct catalog *catalog, const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : arena_strdup(&catalog->arena, PQgetvalue(result, row, column));
}

uint32_t catalog_number(const PGresult *result, int row, int column)
{
	return (uint32_t)strtoul(PQgetvalue(result, row, column), NULL, 10);
}

static bool true_at(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

static int load_server(PGconn *conn, struct catalog *catalog, struct err *err)
{
	PGresult *result;
	int code = fetch(conn, SEARCH_PATH, "search_path", &result, err);

	if (code < 0)
		return code;
	for (int row = 0; row < PQntuples(result) && catalog->search_path_count < CATALOG_SEARCH_PATH_MAX; row++)
		catalog->search_path[catalog->search_path_count++] = arena_strdup(&catalog->arena, text_at(result, row, 0));
	PQclear(result);
	code = fetch(conn, SEARCH_PATH_TEXT, "search_path", &result, err);
	if (code < 0)
		return code;
	catalog->search_path_text = arena_strdup(&catalog->arena, text_at(result, 0, 0));
	PQclear(result);
	code = run(conn, SAFE_PATH, "search_path", err);
	if (code == 0)
		code = fetch(conn, ROLE_PATHS, "roles", &result, err);
	if (code < 0)
		return code;
	for (int row = 0; row < PQntuples(result); row++) {
		if (!PQgetisnull(result, row, 1))
			catalog_add_role_path(catalog, text_at(result, row, 0), text_at(result, row, 1));
		else if (strstr(catalog->search_path_text, "$user"))
			catalog_add_role_schema(catalog, text_at(result, row, 0));
	}
	PQclear(result);
	code = fetch(conn, SERVER, "version", &result, err);
	if (code < 0)
		return code;
	snprintf(catalog->server_version, sizeof(catalog->server_version), "%s", text_at(result, 0, 0));
	snprintf(catalog->encoding, sizeof(catalog->encoding), "%s", text_at(result, 0, 1));
	catalog->event_triggers = true_at(result, 0, 2);
	PQclear(result);
	return 0;
}

static struct catalog_column column_at(const PGresult *result, int row)
{
	return (struct catalog_column){
		.name = text_at(result, row, 5),
		.type = catalog_number(result, row, 6),
		.typmod = atoi(text_at(result, row, 7)),
		.collation = catalog_number(result, row, 8),
		.attnum = atoi(text_at(result, row, 9)),
		.not_null = true_at(result, row, 10),
		.default_nextval = true_at(result, row, 11),
		.generated = true_at(result, row, 12),
		.has_default = true_at(result, row, 13),
		.primary_at = atoi(text_at(result, row, 14)),
	};
}

static int load_tables(PGconn *conn, struct catalog *catalog, struct err *err)
{
	enum { COLUMNS_OF_TABLE_MAX = 1600 };           /* MaxHeapAttributeNumber of PostgreSQL */
	struct catalog_column *columns;
	PGresult *result;
	int code = fetch(conn, COLUMNS, "tables", &result, err);

	if (code < 0)
		return code;
	columns = mem_alloc(COLUMNS_OF_TABLE_MAX * sizeof(*columns));
	for (int row = 0, next; row < PQntuples(result); row = next) {
		struct catalog_table table = {
			.oid = catalog_number(result, row, 0),
			.schema = text_at(result, row, 1),
			.name = text_at(result, row, 2),
			.kind = text_at(result, row, 3)[0],
			.persistence = text_at(result, row, 4)[0],
			.columns = columns,
		};

		for (next = row; next < PQntuples(result) && catalog_number(result, next, 0) == table.oid; next++)
			if (!PQgetisnull(result, next, 5) && table.column_count < COLUMNS_OF_TABLE_MAX)
				columns[table.column_count++] = column_at(result, next);
		catalog_add_table(catalog, &table);
	}
	mem_free(columns);
	PQclear(result);
	return 0;
}

static int load_functions(PGconn *conn, struct catalog *catalog, struct err *err)
{
	PGresult *result;
	int code = fetch(conn, FUNCTIONS, "functions", &result, err);

	if (code < 0)
		return code;
	for (int row = 0; row < PQntuples(result); row++) {
		char worst = text_at(result, row, 2)[0];
		struct catalog_function function = {
			.schema = text_at(result, row, 0),
			.name = text_at(result, row, 1),
			.volatility = worst == 'i' ? VOLATILITY_IMMUTABLE : worst == 's' ? VOLATILITY_STABLE : VOLATILITY_VOLATILE,
			.aggregate = true_at(result, row, 3),
			.window = true_at(result, row, 4),
			.set_returning = true_at(result, row, 5),
			.builtin = true_at(result, row, 6),
			.readable = true_at(result, row, 7),
			.body = PQgetisnull(result, row, 8) ? NULL : text_at(result, row, 8),
			.body_immutable = PQgetisnull(result, row, 9) ? NULL : text_at(result, row, 9),
		};

		catalog_add_function(catalog, &function);
	}
	PQclear(result);
	return 0;
}

/* C, POSIX and the C.* locales order by bytes and have no version (get_collation_actual_version() of pg_locale.c). */
static bool orders_by_bytes(const char *locale)
{
	return strcasecmp(locale, "C") == 0 || strcasecmp(locale, "POSIX") == 0 || strncasecmp(locale, "C.", 2) == 0;
}

static int load_collations(PGconn *conn, struct catalog *catalog, struct err *err)
{
	PGresult *result;
	int code = fetch(conn, COLLATIONS, "collations", &result, err);

	if (code < 0)
		return code;
	for (int row = 0; row < PQntuples(result); row++) {
		struct catalog_collation collation = {
			.oid = catalog_number(result, row, 0),
			.schema = text_at(result, row, 1),
			.name = text_at(result, row, 2),
			.provider = text_at(result, row, 3)[0],
			.deterministic = true_at(result, row, 4),
			.locale = text_at(result, row, 5),
		};

		collation.version_matches = collation.provider == 'c' &&
			(orders_by_bytes(collation.locale) || strcmp(text_at(result, row, 6), gnu_get_libc_version()) == 0);
		catalog_add_collation(catalog, &collation);
	}
	PQclear(result);
	return 0;
}

static int load_all(PGconn *conn, struct catalog *catalog, struct err *err)
{
	int code = run(conn, BEGIN, "begin", err);

	if (code == 0)
		code = load_server(conn, catalog, err);
	if (code == 0)
		code = load_tables(conn, catalog, err);
	if (code == 0)
		code = load_functions(conn, catalog, err);
	if (code == 0)
		code = load_collations(conn, catalog, err);
	if (code == 0)
		code = catalog_load_calls(conn, catalog, err);
	if (code == 0)
		code = catalog_load_hooks(conn, catalog, err);
	if (code == 0)
		code = catalog_load_views(conn, catalog, err);
	if (code == 0)
		code = run(conn, "COMMIT", "commit", err);
	return code;
}

int catalog_load(const char *conninfo, uint64_t version, struct catalog **ret_catalog, struct err *err)
{
	PGconn *conn = PQconnectdb(conninfo);
	struct catalog *catalog;
	int code;

	if (PQstatus(conn) != CONNECTION_OK) {
		const char *message = PQerrorMessage(conn);

		code = err_set(err, ERR_CONNECT, "cannot read the schema: %.*s", (int)strcspn(message, "\n"), message);
		PQfinish(conn);
		return code;
	}
	/* Names are kept as the server stores them, whatever this process's environment asks libpq for. */
	PQsetClientEncoding(conn, PQparameterStatus(conn, "server_encoding"));
	catalog = catalog_new(version);
	code = load_all(conn, catalog, err);
	PQfinish(conn);
	if (code < 0) {
		catalog_unref(catalog);
		return code;
	}
	*ret_catalog = catalog;
	return 0;
}

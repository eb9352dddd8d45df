/* What functions run beside their bodies, and what expressions run without a call: support functions of aggregates, defaults of arguments, the
 * functions behind operators, casts, domains and orders of types. PostgreSQL's record of dependencies knows them, but for functions that every
 * database has, of which the few that read tables are looked for in the expressions. */
#include "catalog/catalog_load.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "catalog/catalog.h"

static const char CALLS[] =
	"WITH called(func, callee) AS ("
	"  SELECT aggfnoid::oid, s FROM pg_aggregate, unnest(ARRAY[aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn,"
	"   aggminvtransfn, aggmfinalfn]::oid[]) s WHERE aggfnoid >= 16384"
	" UNION"
	"  SELECT p.oid, coalesce(o.oprcode, d.refobjid) FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
	"   LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid"
	"   WHERE p.pronargdefaults > 0 AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)"
	" UNION"
	"  SELECT oid, m[1]::oid FROM pg_proc, regexp_matches(proargdefaults::text, ':(?:funcid|opfuncid) ([0-9]+)', 'g') m"
	"   WHERE pronargdefaults > 0 AND oid >= 16384)"
	" SELECT DISTINCT n.nspname, p.proname, cn.nspname, c.proname FROM called"
	"  JOIN pg_proc p ON p.oid = func JOIN pg_namespace n ON n.oid = p.pronamespace"
	"  JOIN pg_proc c ON c.oid = callee JOIN pg_namespace cn ON cn.oid = c.pronamespace ORDER BY 1, 2";

/* 2249 is record; 2276 and so on are the polymorphic types that may be a row. */
static const char OF_ROWS[] =
	"SELECT DISTINCT n.nspname, p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_type t ON t.oid = p.proargtypes[0]"
	" WHERE p.oid >= 16384 AND p.pronargs - p.pronargdefaults <= 1 AND (t.typtype IN ('c', 'd') OR t.oid IN (2249, 2276, 2283, 2776, 5077, 5079)"
	"  OR EXISTS (SELECT FROM pg_cast k JOIN pg_type s ON s.oid = k.castsource WHERE k.casttarget = t.oid AND s.typtype = 'c'))";

/* An argument of a pseudo-type (0) takes whatever comes. */
static const char TAKES[] =
	"WITH shared AS (SELECT DISTINCT proname FROM pg_proc p WHERE oid >= 16384 AND EXISTS (SELECT FROM pg_proc b"
	"  WHERE b.proname = p.proname AND b.pronamespace = 'pg_catalog'::regnamespace AND b.prokind = 'a'))"
	" SELECT DISTINCT n.nspname, p.proname, x.type FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
	"  LEFT JOIN pg_type t ON t.oid = p.proargtypes[0], LATERAL ("
	"   SELECT CASE WHEN t.oid IS NULL OR (t.typtype = 'p' AND p.oid >= 16384) THEN 0 ELSE t.oid END UNION ALL"
	"   SELECT k.castsource FROM pg_cast k WHERE k.casttarget = t.oid AND k.castcontext = 'i' AND p.oid >= 16384 UNION ALL"
	"   SELECT d.oid FROM pg_type d WHERE d.typbasetype = t.oid AND p.oid >= 16384) x(type)"
	"  WHERE p.proname IN (SELECT proname FROM shared) AND p.pronargs - p.pronargdefaults <= 1 ORDER BY 1, 2";

/* They run what a type that is named to them has of the user's own. */
#define TYPE_INPUT \
	"'array_in', 'array_recv', 'domain_in', 'domain_recv', 'multirange_in', 'multirange_recv', 'range_in', 'range_recv', 'record_in', 'record_recv'"

static const char READING_OIDS[] =
	"SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND (proname = ANY ($1::name[]) OR proname IN (" TYPE_INPUT "))";

/* Comparisons that the grammar makes of other words (IN, BETWEEN, CASE, USING) are everywhere; so is what happens to values of PostgreSQL's own
 * types. A value comes to a cast by its source, unless that is one of PostgreSQL's own. */
static const char HIDDEN[] =
	"WITH " READERS ", places(kind, id, name, func, types, everywhere) AS ("
	"  SELECT 'operator', o.oid, o.oprname::text, o.oprcode::oid, '{}'::oid[], o.oprname IN ('=', '<>', '<', '<=', '>', '>=') FROM pg_operator o"
	"   WHERE o.oid >= 16384"
	" UNION ALL"
	"  SELECT 'cast', c.oid, format_type(castsource, NULL) || ' AS ' || format_type(casttarget, NULL), castfunc,"
	"   ARRAY[CASE WHEN castsource >= 16384 THEN castsource ELSE casttarget END],"
	"   (castsource < 16384 AND (casttarget < 16384 OR castcontext = 'i')) FROM pg_cast c WHERE c.oid >= 16384 AND castfunc <> 0"
	" UNION ALL"
	"  SELECT 'domain', contypid, format_type(contypid, NULL), coalesce(o.oprcode::oid, d.refobjid), ARRAY[contypid], false FROM pg_constraint k"
	"   JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid"
	"   LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid"
	"   WHERE contypid <> 0 AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)"
	" UNION ALL"
	"  SELECT 'domain', contypid, format_type(contypid, NULL), substring(conbin::text FROM pattern)::oid, ARRAY[contypid], false"
	"   FROM pg_constraint, readers WHERE contypid <> 0 AND conbin::text ~ pattern"
	" UNION ALL"
	"  SELECT 'operator class', a.oid, opfname, amproc::oid, ARRAY[amproclefttype, amprocrighttype], amproclefttype < 16384 OR amprocrighttype < 16384"
	"   FROM pg_amproc a JOIN pg_opfamily f ON f.oid = amprocfamily WHERE a.oid >= 16384"
	")"
	" SELECT kind, id, k.name, types, everywhere, n.nspname, p.proname FROM places k JOIN pg_proc p ON p.oid = k.func"
	"  JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang"
	"  WHERE (p.oid >= 16384 AND p.provolatile <> 'i' AND NOT " KNOWN_C ") OR p.proname = ANY ($1::name[]) ORDER BY 1, 2, 3, 5";

/* $1 are types. Those that contain one of them, and by which names values of them come about. */
static const char HOLDERS[] =
	"WITH RECURSIVE holder(type) AS ("
	"  SELECT unnest($1::oid[])"
	" UNION"
	"  SELECT whole FROM holder JOIN (" TYPES_WITHIN
	"   UNION ALL SELECT d.refobjid, contypid FROM pg_constraint k JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid"
	"    WHERE d.refclassid = 'pg_type'::regclass AND contypid <> 0) x(part, whole) ON part = type"
	"), list(types) AS (SELECT array_agg(type) FROM holder)"
	" SELECT t.oid, typname FROM holder JOIN pg_type t ON t.oid = type"
	" UNION ALL SELECT DISTINCT 0::oid, proname FROM pg_proc, list WHERE (proargtypes::oid[] || prorettype || coalesce(proallargtypes, '{}')) && types"
	" UNION ALL SELECT 0::oid, unnest(ARRAY[" TYPE_INPUT "]::name[])"
	" UNION ALL SELECT DISTINCT 0::oid, oprname FROM pg_operator, list WHERE ARRAY[oprleft, oprright, oprresult] && types";

static bool same(const PGresult *result, int a, int b, int columns)
{
	for (int i = 0; i < columns; i++)
		if (strcmp(PQgetvalue(result, a, i), PQgetvalue(result, b, i)) != 0)
			return false;
	return true;
}

static int same_until(const PGresult *result, int row, int columns)
{
	int next = row + 1;

	while (next < PQntuples(result) && same(result, row, next, columns))
		next++;
	return next;
}

static struct catalog_function *function_at(const struct catalog *catalog, const PGresult *result, int row)
{
	/* The catalog is still ours alone. */
	return (struct catalog_function *)(uintptr_t)catalog_function(catalog, PQgetvalue(result, row, 0), PQgetvalue(result, row, 1));
}

/* Rows [first, end): schema and name from `column` on. */
static const struct catalog_call *calls_at(struct catalog *catalog, const PGresult *result, int first, int end, int column)
{
	struct catalog_call *calls = arena_calloc(&catalog->arena, (size_t)(end - first), sizeof(*calls));

	for (int row = first; row < end; row++)
		calls[row - first] = (struct catalog_call){ catalog_text(catalog, result, row, column), catalog_text(catalog, result, row, column + 1) };
	return calls;
}

static void add_calls(struct catalog *catalog, const PGresult *result)
{
	for (int row = 0, next; row < PQntuples(result); row = next) {
		struct catalog_function *function = function_at(catalog, result, row);

		next = same_until(result, row, 2);
		if (!function)
			continue;
		function->calls = calls_at(catalog, result, row, next, 2);
		function->call_count = (size_t)(next - row);
	}
}

static void add_of_rows(struct catalog *catalog, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct catalog_function *function = function_at(catalog, result, row);

		if (function)
			function->of_row = true;
	}
}

static void add_takes(struct catalog *catalog, const PGresult *result)
{
	for (int row = 0, next; row < PQntuples(result); row = next) {
		struct catalog_function *function = function_at(catalog, result, row);
		uint32_t *types;

		next = same_until(result, row, 2);
		if (!function)
			continue;
		function->takes = types = arena_calloc(&catalog->arena, (size_t)(next - row), sizeof(*types));
		for (int at = row; at < next; at++)
			types[function->take_count++] = catalog_number(result, at, 2);
	}
}

static void add_reading_oids(struct catalog *catalog, const PGresult *result)
{
	uint32_t *oids = arena_calloc(&catalog->arena, (size_t)PQntuples(result) + 1, sizeof(*oids));

	for (int row = 0; row < PQntuples(result); row++)
		oids[catalog->reading_oid_count++] = catalog_number(result, row, 0);
	catalog->reading_oids = oids;
}

static int add_holders(PGconn *conn, struct catalog *catalog, const char *types, struct catalog_hidden *hidden, struct err *err)
{
	PGresult *result;
	uint32_t *oids;
	int rows, code = catalog_fetch(conn, HOLDERS, types, "types", &result, err);

	if (code < 0)
		return code;
	rows = PQntuples(result);
	hidden->types = oids = arena_calloc(&catalog->arena, (size_t)rows + 1, sizeof(*oids));
	hidden->words = arena_calloc(&catalog->arena, (size_t)rows + 1, sizeof(*hidden->words));
	for (int row = 0; row < rows; row++) {
		if (catalog_number(result, row, 0))
			oids[hidden->type_count++] = catalog_number(result, row, 0);
		hidden->words[hidden->word_count++] = catalog_text(catalog, result, row, 1);
	}
	PQclear(result);
	return 0;
}

static int add_hidden(PGconn *conn, struct catalog *catalog, const PGresult *result, struct err *err)
{
	enum { KIND, ID, NAME, TYPES, EVERYWHERE, CALL, PLACE_COLUMNS = CALL };
	struct catalog_hidden *all;
	int code = 0;

	if (!PQntuples(result))
		return 0;
	catalog->hidden = all = arena_calloc(&catalog->arena, (size_t)PQntuples(result), sizeof(*all));
	for (int row = 0, next; row < PQntuples(result) && code == 0; row = next) {
		struct catalog_hidden *hidden = &all[catalog->hidden_count++];
		const char *types = PQgetvalue(result, row, TYPES);

		next = same_until(result, row, PLACE_COLUMNS);
		hidden->kind = catalog_text(catalog, result, row, KIND);
		hidden->name = catalog_text(catalog, result, row, NAME);
		hidden->everywhere = PQgetvalue(result, row, EVERYWHERE)[0] == 't';
		hidden->calls = calls_at(catalog, result, row, next, CALL);
		hidden->call_count = (size_t)(next - row);
		if (!hidden->everywhere && strcmp(types, "{}") != 0) {
			code = add_holders(conn, catalog, types, hidden, err);
			continue;
		}
		hidden->words = arena_alloc(&catalog->arena, sizeof(*hidden->words));
		hidden->words[hidden->word_count++] = hidden->name;
	}
	return code;
}

int catalog_load_calls(PGconn *conn, struct catalog *catalog, struct err *err)
{
	static const struct {
		const char *sql, *what;
		bool reads_names;
		void (*add)(struct catalog *catalog, const PGresult *result);
	} parts[] = { { CALLS, "aggregates", false, add_calls }, { OF_ROWS, "functions", false, add_of_rows }, { TAKES, "aggregates", false, add_takes },
		    { READING_OIDS, "functions", true, add_reading_oids } };
	struct buf names, all;
	PGresult *result;
	int code = 0;

	buf_init(&names, READER_NAMES_SIZE_MAX);
	buf_init(&all, READER_NAMES_SIZE_MAX);
	catalog_reader_names(false, &names);
	catalog_reader_names(true, &all);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && code == 0; i++) {
		code = catalog_fetch(conn, parts[i].sql, parts[i].reads_names ? names.data : NULL, parts[i].what, &result, err);
		if (code < 0)
			break;
		parts[i].add(catalog, result);
		PQclear(result);
	}
	if (code == 0)
		code = catalog_fetch(conn, HIDDEN, all.data, "operators, casts, domains", &result, err);
	buf_release(&names);
	buf_release(&all);
	if (code < 0)
		return code;
	code = add_hidden(conn, catalog, result, err);
	PQclear(result);
	return code;
}

static void add_names(const char *const *functions, struct buf *names)
{
	for (size_t i = 0; functions[i]; i++)
		buf_printf(names, "%c%s", names->size ? ',' : '{', functions[i]);
}

void catalog_reader_names(bool hooks, struct buf *names)
{
	add_names(catalog_reading_functions, names);
	if (hooks) {
		add_names(catalog_leaving_functions, names);
		add_names(catalog_telling_functions, names);
	}
	buf_add(names, "}", 2);
}

/* What the queries of views use. PostgreSQL's record of dependencies leaves out what every database has from its beginning, so it is read from the
 * queries themselves, as the parser's tree that is kept of them has it. Strings and names in it are escaped, and cannot pass for a field. */
#include "catalog/catalog_load.h"

#include "base/mem.h"
#include "catalog/catalog.h"

static const char VIEWS[] =
	"WITH found(rel, relation, func, locks) AS ("
	"  SELECT DISTINCT ev_class, m[1], m[2]::oid, m[3] FROM pg_rewrite JOIN pg_class c ON c.oid = ev_class JOIN pg_namespace n ON n.oid = relnamespace"
	"   LEFT JOIN regexp_matches(ev_action::text,"
	"    ':(?:relid ([0-9]+)|(?:funcid|aggfnoid|winfnoid|tsmhandler) ([0-9]+)|hasForUpdate (true))', 'g') m ON true"
	"   WHERE relkind = 'v' AND ev_type = '1' AND " USER_SCHEMA
	")"
	" SELECT rel, locks, relation, nspname, proname FROM found LEFT JOIN (pg_proc p JOIN pg_namespace n ON n.oid = pronamespace) ON p.oid = func ORDER BY rel";

enum { REL, LOCKS, RELATION, CALL_SCHEMA, CALL_NAME };

/* Rows [first, end) are one view's. */
static void add_view(struct catalog *catalog, const PGresult *result, int first, int end)
{
	uint32_t oid = catalog_number(result, first, REL);
	struct catalog_table *table = map_get(&catalog->tables_by_oid, slice_make(&oid, sizeof(oid)));
	struct catalog_view *view;
	struct catalog_call *calls;

	if (!table)
		return;
	view = arena_calloc(&catalog->arena, 1, sizeof(*view));
	view->calls = calls = arena_calloc(&catalog->arena, (size_t)(end - first), sizeof(*calls));
	view->relations = arena_calloc(&catalog->arena, (size_t)(end - first), sizeof(*view->relations));
	for (int row = first; row < end; row++) {
		uint32_t used = PQgetisnull(result, row, RELATION) ? 0 : catalog_number(result, row, RELATION);
		const struct catalog_table *relation = catalog_table_by_oid(catalog, used);

		view->locks |= !PQgetisnull(result, row, LOCKS);
		if (!PQgetisnull(result, row, CALL_NAME))
			calls[view->call_count++] = (struct catalog_call){ catalog_text(catalog, result, row, CALL_SCHEMA),
									   catalog_text(catalog, result, row, CALL_NAME) };
		if (relation && relation != table)      /* the view itself stands in its query for what a rule may ask of it */
			view->relations[view->relation_count++] = relation;
		view->opaque |= used && !relation;
	}
	table->view = view;
}

int catalog_load_views(PGconn *conn, struct catalog *catalog, struct err *err)
{
	PGresult *result;
	int code = catalog_fetch(conn, VIEWS, NULL, "views", &result, err);

	if (code < 0)
		return code;
	for (int row = 0, next; row < PQntuples(result); row = next) {
		for (next = row + 1; next < PQntuples(result) && catalog_number(result, next, REL) == catalog_number(result, row, REL);)
			next++;
		add_view(catalog, result, row, next);
	}
	PQclear(result);
	return 0;
}

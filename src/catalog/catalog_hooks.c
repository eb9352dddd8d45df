/* The code that tables have of their own: which functions it calls and which other tables it concerns, as PostgreSQL's record of dependencies has
 * it. That record leaves out what every database has from its beginning, of which the few functions that read tables are looked for in the
 * expressions themselves. Nothing is asked for that would wait for another session's lock. */
#include "catalog/catalog_load.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "catalog/catalog.h"

/* types: those that each column has inside of its own (base types of domains, elements, attributes), as domains have checks and defaults.
 * guard: what a domain's check calls when a value becomes one.
 * code: every place where a table has some, with the bits of enum catalog_event. What reads or writes a view reads or writes its tables.
 * One row for each function or relation that a place depends on; $1 are the names of functions that read tables, leave traces, or tell
 * how the statement came. */
static const char HOOKS[] =
	"WITH RECURSIVE guard(type, func) AS ("
	"  SELECT k.contypid, coalesce(o.oprcode::oid, d.refobjid) FROM pg_constraint k JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass"
	"   AND d.objid = k.oid LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid"
	"   WHERE k.contypid <> 0 AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)"
	" UNION"
	"  SELECT whole, g.func FROM guard g JOIN (" TYPES_WITHIN ") x(part, whole) ON part = g.type"
	"), types(rel, col, type) AS ("
	"  SELECT a.attrelid, a.attname, a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
	"   WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384 AND c.relkind IN ('r', 'p', 'f')"
	" UNION"
	"  SELECT t.rel, t.col, i.type FROM types t JOIN pg_type y ON y.oid = t.type, LATERAL ("
	"    SELECT y.typbasetype UNION ALL SELECT y.typelem UNION ALL"
	"    SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped) i(type)"
	"   WHERE i.type >= 16384"
	"), code(class, obj, rel, kind, name, col, events, does, tree) AS ("
	"  SELECT 'pg_trigger'::regclass::oid, oid, tgrelid, 'trigger', tgname::text, NULL::text,"
	"   ((tgtype >> 1) & 2) | ((tgtype >> 2) & 4) | (tgtype & 8) | ((tgtype >> 1) & 16), 1, tgqual::text FROM pg_trigger WHERE tgenabled <> 'D'"
	" UNION ALL"
	"  SELECT 'pg_rewrite'::regclass, r.oid, ev_class, CASE ev_type WHEN '1' THEN 'view' ELSE 'rule' END,"
	"   CASE ev_type WHEN '1' THEN relname ELSE rulename END, NULL, CASE ev_type WHEN '1' THEN 31 WHEN '2' THEN 4 WHEN '3' THEN 2 ELSE 8 END,"
	"   CASE ev_type WHEN '1' THEN 0 ELSE 31 END, concat(ev_qual, ev_action) FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class"
	"   WHERE ev_enabled <> 'D' AND r.oid >= 16384"
	" UNION ALL"
	"  SELECT 'pg_policy'::regclass, p.oid, polrelid, 'policy', polname, NULL, 15, 1, concat(polqual, polwithcheck)"
	"   FROM pg_policy p JOIN pg_class c ON c.oid = polrelid WHERE relrowsecurity"
	" UNION ALL"
	"  SELECT 'pg_attrdef'::regclass, d.oid, adrelid, CASE attgenerated WHEN '' THEN 'default' ELSE 'generated column' END, attname,"
	"   CASE attgenerated WHEN '' THEN attname END, 6, 1, adbin::text FROM pg_attrdef d JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum"
	" UNION ALL"
	"  SELECT 'pg_constraint'::regclass, oid, conrelid, 'constraint', conname, NULL, 6, 1, conbin::text FROM pg_constraint"
	"   WHERE contype = 'c' AND conrelid <> 0"
	" UNION ALL"
	"  SELECT 'pg_class'::regclass, indexrelid, indrelid, 'index', relname, NULL, 6, 1, concat(indexprs, indpred)"
	"   FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indexprs IS NOT NULL OR indpred IS NOT NULL"
	" UNION ALL"
	"  SELECT DISTINCT 'pg_constraint'::regclass, k.oid, t.rel, 'domain constraint', conname, NULL, 6, 1, conbin::text"
	"   FROM types t JOIN pg_constraint k ON k.contypid = t.type"
	" UNION ALL"
	"  SELECT 'pg_type'::regclass, y.oid, t.rel, 'default', t.col, t.col, 6, 1, typdefaultbin::text"
	"   FROM types t JOIN pg_type y ON y.oid = t.type WHERE typdefaultbin IS NOT NULL"
	"), calls(class, obj, rel, func, relation) AS ("
	"  SELECT k.class, k.obj, k.rel, coalesce(o.oprcode, d.refobjid)::oid, 0::oid FROM code k JOIN pg_depend d ON d.classid = k.class AND d.objid = k.obj"
	"   LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid"
	"   WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)"
	" UNION"
	"  SELECT k.class, k.obj, k.rel, g.func, 0 FROM code k JOIN pg_depend d ON d.classid = k.class AND d.objid = k.obj"
	"   JOIN guard g ON d.refclassid = 'pg_type'::regclass AND g.type = d.refobjid"
	" UNION"
	"  SELECT k.class, k.obj, k.rel, 0, c.oid FROM code k JOIN pg_depend d ON d.classid = k.class AND d.objid = k.obj"
	"   JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
	"   WHERE c.oid <> k.rel OR k.kind = 'rule'"
	"), own(class, obj, rel, schema, name, relation) AS ("
	"  SELECT x.class, x.obj, x.rel, f.nspname, p.proname, x.relation FROM calls x"
	"   LEFT JOIN (pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace f ON f.oid = p.pronamespace) ON p.oid = x.func"
	"   WHERE x.func = 0 OR p.oid >= 16384 OR l.lanname NOT IN ('internal', 'c') OR p.proname = ANY ($1::name[])"
	"), " READERS
	" SELECT k.rel, k.kind, k.name, k.col, k.events, k.does, false, k.class, k.obj,"
	"   (SELECT proname FROM pg_proc WHERE oid = substring(k.tree FROM pattern)::oid) AS reads, x.schema, x.name AS function, x.relation"
	"  FROM code k JOIN pg_class c ON c.oid = k.rel JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN readers"
	"  LEFT JOIN own x ON x.class = k.class AND x.obj = k.obj AND x.rel = k.rel"
	"  WHERE " USER_SCHEMA " AND (x.class IS NOT NULL OR k.tree ~ pattern)"
	" UNION ALL"
	" SELECT confrelid, 'foreign key', conname, NULL, event, does, true, 0, f.oid, NULL, NULL, NULL, conrelid FROM pg_constraint f, LATERAL (VALUES"
	"   (8, CASE confdeltype WHEN 'c' THEN 8 WHEN 'n' THEN 4 WHEN 'd' THEN 4 END), (4, CASE WHEN confupdtype IN ('c', 'n', 'd') THEN 4 END), (16, 16)"
	"   ) e(event, does) WHERE contype = 'f' AND does IS NOT NULL"
	" UNION ALL"
	" SELECT inhparent, 'inheritance', '', NULL, 30, 0, true, 1, 0, NULL, NULL, NULL, inhrelid FROM pg_inherits i"
	"  JOIN pg_class c ON c.oid = inhparent WHERE relkind IN ('r', 'p', 'f')"
	" ORDER BY 1, 8, 9, 5, 2, 3, 4";

enum { REL, KIND, NAME, COLUMN, EVENTS, DOES, PASSES_ON, CLASS, OBJECT, READS, CALL_SCHEMA, CALL_NAME, RELATION };

static bool same_hook(const PGresult *result, int a, int b)
{
	static const int parts[] = { REL, CLASS, OBJECT, EVENTS, KIND, NAME, COLUMN };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcmp(PQgetvalue(result, a, parts[i]), PQgetvalue(result, b, parts[i])) != 0)
			return false;
	return true;
}

/* Rows [first, end) are one hook's. */
static void add_hook(struct catalog *catalog, const PGresult *result, int first, int end)
{
	uint32_t oid = catalog_number(result, first, REL);
	struct catalog_table *table = map_get(&catalog->tables_by_oid, slice_make(&oid, sizeof(oid)));
	struct catalog_hook *hook;
	struct catalog_call *calls;

	if (!table)
		return;
	hook = arena_calloc(&catalog->arena, 1, sizeof(*hook));
	*hook = (struct catalog_hook){
		.next = table->hooks, .kind = catalog_text(catalog, result, first, KIND), .name = catalog_text(catalog, result, first, NAME),
		.column = catalog_text(catalog, result, first, COLUMN), .events = catalog_number(result, first, EVENTS),
		.does = catalog_number(result, first, DOES), .passes_on = PQgetvalue(result, first, PASSES_ON)[0] == 't',
		.reads = catalog_text(catalog, result, first, READS),
	};
	hook->calls = calls = arena_calloc(&catalog->arena, (size_t)(end - first), sizeof(*calls));
	hook->relations = arena_calloc(&catalog->arena, (size_t)(end - first), sizeof(*hook->relations));
	for (int row = first; row < end; row++) {
		const struct catalog_table *relation;

		if (!PQgetisnull(result, row, CALL_NAME))
			calls[hook->call_count++] = (struct catalog_call){ catalog_text(catalog, result, row, CALL_SCHEMA),
									   catalog_text(catalog, result, row, CALL_NAME) };
		relation = catalog_table_by_oid(catalog, PQgetisnull(result, row, RELATION) ? 0 : catalog_number(result, row, RELATION));
		if (relation)
			hook->relations[hook->relation_count++] = relation;
	}
	table->hooks = hook;
}

int catalog_load_hooks(PGconn *conn, struct catalog *catalog, struct err *err)
{
	struct buf names;
	PGresult *result;
	int code;

	buf_init(&names, READER_NAMES_SIZE_MAX);
	catalog_reader_names(true, &names);
	code = catalog_fetch(conn, HOOKS, names.data, "triggers, defaults, policies", &result, err);
	buf_release(&names);
	if (code < 0)
		return code;
	for (int row = 0, next; row < PQntuples(result); row = next) {
		for (next = row + 1; next < PQntuples(result) && same_hook(result, row, next);)
			next++;
		add_hook(catalog, result, row, next);
	}
	PQclear(result);
	return 0;
}

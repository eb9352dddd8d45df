#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/arena.h"
#include "catalog/catalog.h"
#include "route/fanout.h"
#include "route/merge.h"
#include "route/value.h"

enum { OID_COLLATION_ICU = 20000, OID_COLLATION_OLD = 20001, OID_COLLATION_LOOSE = 20002 };

static struct arena arena;
static struct catalog *catalog;

static void add_table(const char *name, char kind, const struct catalog_column *columns, size_t count)
{
	struct catalog_column copies[16];

	for (size_t i = 0; i < count; i++) {
		copies[i] = columns[i];
		copies[i].attnum = (int)i + 1;
	}
	catalog_add_table(catalog, &(struct catalog_table){ .schema = "public", .name = name, .oid = 16384, .kind = kind, .columns = copies,
							    .column_count = count });
}

static void add_function(const char *schema, const char *name, enum volatility volatility, char kind)
{
	catalog_add_function(catalog, &(struct catalog_function){ .schema = schema, .name = name, .volatility = volatility,
								  .aggregate = kind == 'a', .window = kind == 'w', .set_returning = kind == 's',
								  .builtin = true });
}

static int make_catalog(void **state)
{
	static const struct catalog_column orders[] = {
		{ .name = "id", .type = OID_INT8 }, { .name = "user_id", .type = OID_INT8 }, { .name = "total", .type = OID_NUMERIC },
		{ .name = "note", .type = OID_TEXT, .collation = OID_COLLATION_DEFAULT },
		{ .name = "code", .type = OID_TEXT, .collation = OID_COLLATION_C },
		{ .name = "icu", .type = OID_TEXT, .collation = OID_COLLATION_ICU },
		{ .name = "old", .type = OID_TEXT, .collation = OID_COLLATION_OLD },
		{ .name = "loose", .type = OID_TEXT, .collation = OID_COLLATION_LOOSE },
		{ .name = "at", .type = OID_TIMESTAMPTZ },
	};
	static const struct catalog_column items[] = { { .name = "order_id", .type = OID_INT8 }, { .name = "user_id", .type = OID_INT8 },
						       { .name = "n", .type = OID_INT4 } };

	arena_init(&arena, 256 << 10);
	catalog = catalog_new(1);
	catalog->search_path[0] = "public";
	catalog->search_path_count = 1;
	add_table("orders", 'r', orders, 9);
	add_table("items", 'p', items, 3);
	add_table("orders_view", 'v', orders, 9);
	for (const char **name = (const char *[]){ "count", "sum", "min", "max", "avg", "bool_and", "string_agg", NULL }; *name; name++)
		add_function("pg_catalog", *name, VOLATILITY_IMMUTABLE, 'a');
	for (const char **name = (const char *[]){ "lower", "upper", "round", "abs", "coalesce_me", NULL }; *name; name++)
		add_function("pg_catalog", *name, VOLATILITY_IMMUTABLE, 'f');
	for (const char **name = (const char *[]){ "now", "date_trunc", "age", "current_setting", "to_char", NULL }; *name; name++)
		add_function("pg_catalog", *name, VOLATILITY_STABLE, 'f');
	add_function("pg_catalog", "random", VOLATILITY_VOLATILE, 'f');
	add_function("pg_catalog", "generate_series", VOLATILITY_IMMUTABLE, 's');
	add_function("pg_catalog", "row_number", VOLATILITY_IMMUTABLE, 'w');
	add_function("public", "reads_tables", VOLATILITY_STABLE, 'f');
	add_function("public", "pure", VOLATILITY_IMMUTABLE, 'f');
	add_function("public", "abs", VOLATILITY_VOLATILE, 'f');
	catalog_add_collation(catalog, &(struct catalog_collation){ .oid = OID_COLLATION_DEFAULT, .name = "default", .provider = 'c',
								    .deterministic = true, .locale = "C.UTF-8", .version_matches = true });
	catalog_add_collation(catalog, &(struct catalog_collation){ .oid = OID_COLLATION_C, .name = "C", .provider = 'c',
								    .deterministic = true, .locale = "C", .version_matches = true });
	catalog_add_collation(catalog, &(struct catalog_collation){ .oid = OID_COLLATION_ICU, .schema = "public", .name = "icu", .provider = 'i',
								    .deterministic = true, .locale = "en" });
	catalog_add_collation(catalog, &(struct catalog_collation){ .oid = OID_COLLATION_OLD, .schema = "public", .name = "old", .provider = 'c',
								    .deterministic = true, .locale = "en_US.utf8" });
	catalog_add_collation(catalog, &(struct catalog_collation){ .oid = OID_COLLATION_LOOSE, .schema = "public", .name = "loose",
								    .provider = 'i', .locale = "und" });
	return 0;
}

static int drop_catalog(void **state)
{
	catalog_unref(catalog);
	arena_release(&arena);
	return 0;
}

static const struct fanout *plan(const char *sql)
{
	struct fanout *fanout;
	struct err err = { 0 };

	if (fanout_plan(slice_of(sql), true, catalog, &arena, &fanout, &err) < 0)
		fail_msg("%s\n   %s %s", sql, err.message, err.detail);
	return fanout;
}

static void shards_run_the_clients_columns_with_hidden_keys_behind(void **state)
{
	static const char *const cases[][2] = {
		{ "SELECT id FROM orders",
		  "SELECT id FROM orders" },
		{ "SELECT 'now', 'today'::text || note FROM orders WHERE at > 'today'",
		  "SELECT 'now', 'today'::text || note FROM orders WHERE at > 'today'" },
		{ "SELECT coalesce(sum(total), 0), count(*)::int FROM orders",
		  "SELECT COALESCE(sum(total), 0), count(*)::int, COALESCE(sum(total), 0) AS nanu_3, sum(total) AS nanu_4, count(*) AS nanu_5"
		  " FROM orders" },
		{ "TABLE items",
		  "SELECT items.order_id, items.user_id, items.n FROM items" },
		{ "SELECT note FROM orders ORDER BY total DESC, 1",
		  "SELECT note, total AS nanu_2, note AS nanu_3 FROM orders ORDER BY 2 DESC NULLS FIRST, 3 ASC NULLS LAST" },
		{ "SELECT id AS total FROM orders ORDER BY total NULLS FIRST LIMIT 5 OFFSET 2",
		  "SELECT id AS total, id AS nanu_2 FROM orders ORDER BY 2 ASC NULLS FIRST LIMIT 7" },
		{ "SELECT DISTINCT note, 'x' FROM orders ORDER BY note",
		  "SELECT DISTINCT note, 'x', note AS nanu_3 FROM orders ORDER BY 3 ASC NULLS LAST" },
		{ "SELECT count(*), avg(total) FROM orders",
		  "SELECT count(*), avg(total), count(*) AS nanu_3, sum(total) AS nanu_4, count(total) AS nanu_5 FROM orders" },
		{ "SELECT user_id, sum(total) FROM orders GROUP BY user_id ORDER BY user_id DESC LIMIT 3",
		  "SELECT user_id, sum(total), sum(total) AS nanu_3, user_id AS nanu_4 FROM orders GROUP BY user_id"
		  " ORDER BY 4 DESC NULLS FIRST LIMIT 3" },
		{ "SELECT user_id FROM orders GROUP BY 1 ORDER BY max(at) DESC LIMIT 3",
		  "SELECT user_id, user_id AS nanu_2, max(at) AS nanu_3 FROM orders GROUP BY 1 ORDER BY 2 ASC NULLS LAST" },
		{ "SELECT o.*, n FROM orders o JOIN items i ON i.order_id = o.id AND i.user_id = o.user_id WHERE at < now() ORDER BY n",
		  "SELECT o.id, o.user_id, o.total, o.note, o.code, o.icu, o.old, o.loose, o.at, n, n AS nanu_11 FROM orders o"
		  " JOIN items i ON i.order_id = o.id AND i.user_id = o.user_id WHERE at < now() ORDER BY 11 ASC NULLS LAST" },
		{ "SELECT * FROM items a JOIN items b USING (user_id)",
		  "SELECT user_id, a.order_id, a.n, b.order_id, b.n FROM items a JOIN items b USING (user_id)" },
		{ "SELECT id FROM orders LIMIT $1",
		  "SELECT id FROM orders LIMIT $1" },
		{ "SELECT id FROM orders LIMIT $2::int OFFSET $1",
		  "SELECT id FROM orders LIMIT LEAST($2::int4::int8::numeric + COALESCE($1::int8, 0), 9223372036854775807)::int8" },
		{ "SELECT user_id, count(*) FROM orders GROUP BY user_id ORDER BY 2 LIMIT $1",
		  "SELECT user_id, count(*), count(*) AS nanu_3, user_id AS nanu_4 FROM orders GROUP BY user_id ORDER BY 4 ASC NULLS LAST"
		  " LIMIT (NULLIF($1::int8, $1::int8))" },
		{ "SELECT DISTINCT icu FROM orders",
		  "SELECT DISTINCT icu, icu COLLATE \"C\" AS nanu_2 FROM orders ORDER BY 2 ASC NULLS LAST" },
		{ "SELECT lower(old), count(*) FROM orders GROUP BY lower(old)",
		  "SELECT lower(old), count(*), count(*) AS nanu_3, lower(old) COLLATE \"C\" AS nanu_4 FROM orders GROUP BY lower(old)"
		  " ORDER BY 4 ASC NULLS LAST" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(plan(cases[i][0])->sql, cases[i][1]);
}

static void what_cannot_be_merged_exactly_is_refused_by_name_with_a_way_out(void **state)
{
	static const char *const cases[][2] = {
		{ "SELECT 1", "without FROM" },
		{ "SELECT id FROM orders; SELECT id FROM orders", "single SELECT" },
		{ "DELETE FROM orders", "single SELECT" },
		{ "WITH x AS (SELECT 1) SELECT id FROM orders", "WITH" },
		{ "SELECT id FROM orders UNION SELECT id FROM orders", "UNION" },
		{ "VALUES (1)", "VALUES" },
		{ "SELECT id INTO x FROM orders", "SELECT INTO" },
		{ "SELECT count(*) FROM orders HAVING count(*) > 1", "HAVING" },
		{ "SELECT DISTINCT ON (id) id FROM orders", "DISTINCT ON" },
		{ "SELECT id FROM orders FOR SHARE", "FOR SHARE" },
		{ "SELECT id FROM orders ORDER BY id FETCH FIRST 1 ROW WITH TIES", "WITH TIES" },
		{ "SELECT count(*) FROM orders GROUP BY ROLLUP (id)", "ROLLUP" },
		{ "SELECT count(*) FROM orders GROUP BY ()", "GROUPING SETS" },
		{ "SELECT row_number() OVER () FROM orders", "window function row_number()" },
		{ "SELECT sum(id) OVER () FROM orders", "window function sum()" },
		{ "SELECT count(DISTINCT id) FROM orders", "count(DISTINCT" },
		{ "SELECT string_agg(note, ',') FROM orders", "string_agg()" },
		{ "SELECT sum(id) + 1 FROM orders", "expression over the aggregate sum()" },
		{ "SELECT id FROM orders ORDER BY sum(id) + 1", "expression over the aggregate sum()" },
		{ "SELECT DISTINCT id FROM orders GROUP BY id", "DISTINCT with GROUP BY" },
		{ "SELECT id FROM orders WHERE id IN (SELECT order_id FROM items)", "subquery" },
		{ "SELECT id FROM (SELECT id FROM orders) x", "subquery in FROM" },
		{ "SELECT * FROM generate_series(1, 2)", "function in FROM" },
		{ "SELECT generate_series(1, 2) FROM orders", "set-returning" },
		{ "SELECT id FROM orders TABLESAMPLE SYSTEM (1)", "TABLESAMPLE" },
		{ "SELECT id FROM orders NATURAL JOIN items", "NATURAL JOIN" },
		{ "SELECT id FROM orders_view", "view" },
		{ "SELECT random() FROM orders", "random()" },
		{ "SELECT id FROM orders WHERE random() < 0.5", "random()" },
		{ "SELECT now() FROM orders", "now" },
		{ "SELECT id FROM orders ORDER BY age(at)", "age(" },
		{ "SELECT CURRENT_DATE FROM orders", "CURRENT_TIMESTAMP" },
		{ "SELECT 'now'::timestamp FROM orders", "'now'" },
		{ "SELECT ' Today 10:00'::timestamptz FROM orders", "'now'" },
		{ "SELECT at - 'now' FROM orders", "'now'" },
		{ "SELECT coalesce(at, 'now') FROM orders", "'now'" },
		{ "SELECT coalesce(max(at), 'tomorrow') FROM orders", "'now'" },
		{ "SELECT date_trunc('day', 'today') FROM orders", "'now'" },
		{ "SELECT current_setting('x') FROM orders", "current_setting()" },
		{ "SELECT reads_tables(id) FROM orders", "public.reads_tables()" },
		{ "SELECT abs(id) FROM orders", "public.abs()" },
		{ "SELECT nobody_knows(id) FROM orders", "unknown function nobody_knows()" },
		{ "SELECT 'orders'::regclass FROM orders", "regclass" },
		{ "SELECT id OPERATOR(public.+) 1 FROM orders", "operator" },
		{ "SELECT ctid FROM orders", "system column" },
		{ "SELECT orders FROM orders", "whole row" },
		{ "SELECT count(o.*) FROM orders o", "whole row" },
		{ "SELECT id FROM orders ORDER BY id USING <", "USING" },
		{ "SELECT id FROM orders LIMIT 1 + 1", "LIMIT must be a whole number" },
		{ "SELECT id FROM orders LIMIT 1.5", "LIMIT must be a whole number" },
		{ "SELECT FROM orders", "empty select list" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fanout *fanout;
		struct err err = { 0 };

		if (fanout_plan(slice_of(cases[i][0]), true, catalog, &arena, &fanout, &err) != ERR_UNSUPPORTED)
			fail_msg("%s\n   was not refused: %s", cases[i][0], err.message);
		if (!strstr(err.message, cases[i][1]))
			fail_msg("%s\n   %s", cases[i][0], err.message);
		if (!strstr(err.message, "single SELECT"))
			assert_true(err.hint[0]);
	}
}

static void errors_of_the_statement_are_those_of_postgresql(void **state)
{
	static const char *const cases[][3] = {
		{ "SELECT FROM WHERE", "42601", "syntax error at or near \"WHERE\"" },
		{ "SELECT nope FROM orders", "42703", "column \"nope\" does not exist" },
		{ "SELECT id FROM nowhere", "42P01", "relation \"nowhere\" does not exist" },
		{ "SELECT x.id FROM orders", "42P01", "missing FROM-clause entry for table \"x\"" },
		{ "SELECT user_id FROM orders, items", "42702", "column reference \"user_id\" is ambiguous" },
		{ "SELECT id FROM orders ORDER BY 2", "42P10", "ORDER BY position 2 is not in select list" },
		{ "SELECT id FROM orders ORDER BY 'id'", "42601", "non-integer constant in ORDER BY" },
		{ "SELECT id AS x, total AS x FROM orders ORDER BY x", "42702", "ORDER BY \"x\" is ambiguous" },
		{ "SELECT DISTINCT id FROM orders ORDER BY total", "42P10",
		  "for SELECT DISTINCT, ORDER BY expressions must appear in select list" },
		{ "SELECT sum(id) FROM orders GROUP BY 1", "42803", "aggregate functions are not allowed in GROUP BY" },
		{ "SELECT id FROM orders LIMIT -1", "2201W", "LIMIT must not be negative" },
		{ "SELECT id FROM orders LIMIT -1 OFFSET -1", "2201X", "OFFSET must not be negative" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fanout *fanout;
		struct err err = { 0 };

		assert_true(fanout_plan(slice_of(cases[i][0]), true, catalog, &arena, &fanout, &err) < 0);
		assert_string_equal(err.sqlstate, cases[i][1]);
		assert_string_equal(err.message, cases[i][2]);
	}
}

static void text_is_ordered_only_by_a_collation_that_is_known_for_certain(void **state)
{
	static const struct { const char *expression; const char *why; } cases[] = {
		{ "note", NULL }, { "code", NULL }, { "lower(note)", NULL }, { "note || 'x'", NULL }, { "code || note", NULL },
		{ "note COLLATE \"C\"", NULL }, { "icu COLLATE \"C\"", NULL }, { "coalesce(note, 'x')", NULL }, { "CURRENT_USER", NULL },
		{ "CASE WHEN icu = 'x' THEN note END", NULL }, { "id::text", NULL }, { "nullif(note, 'x')", NULL }, { "max(note)", NULL },
		{ "icu", "\"icu\" is not one of the C library" },
		{ "lower(icu)", "\"icu\" is not one of the C library" },
		{ "old", "another version" },
		{ "loose", "not deterministic" },
		{ "icu || code", "cannot be told" },
		{ "pure(note)", "cannot be told" },
		{ "to_char(total, code)", "cannot be told" },
		{ "note::some_domain", "cannot be told" },
		{ "max(old)", "another version" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *group = strncmp(cases[i].expression, "max", 3) == 0 ? "GROUP BY id" : "";
		const struct merge_key *key =
			&plan(arena_printf(&arena, "SELECT id FROM orders %s ORDER BY %s, id", group, cases[i].expression))->spec->order[0];

		if ((key->collation != NULL) != (cases[i].why == NULL) || (cases[i].why && !strstr(key->no_collation_why, cases[i].why)))
			fail_msg("%s: %s", cases[i].expression, key->collation ? "has a collation" : key->no_collation_why);
	}
}

static void limits_of_one_execution_are_read_as_postgresql_reads_them(void **state)
{
	const struct fanout *fanout = plan("SELECT id FROM orders LIMIT $1 OFFSET $2");
	struct fanout_param params[2] = { { .value = SLICE_LIT(" 10 ") }, { .format = 1, .value = SLICE_LIT("\0\0\0\3") } };
	struct merge_spec spec = *fanout->spec;
	struct err err = { 0 };

	assert_int_equal(fanout_limits(fanout, params, 2, &spec, &err), 0);
	assert_true(spec.has_limit && spec.limit == 10 && spec.has_offset && spec.offset == 3);
	params[0].value = slice_make(NULL, 0);
	assert_int_equal(fanout_limits(fanout, params, 2, &spec, &err), 0);
	assert_false(spec.has_limit);
	params[1].value = SLICE_LIT("\xff\xff");
	assert_int_equal(fanout_limits(fanout, params, 2, &spec, &err), ERR_INVALID_VALUE);
	assert_string_equal(err.sqlstate, "2201X");
	params[1].value = SLICE_LIT("\0");
	assert_int_equal(fanout_limits(fanout, params, 2, &spec, &err), ERR_PROTOCOL);
	params[1] = (struct fanout_param){ .value = SLICE_LIT("9223372036854775808") };
	assert_int_equal(fanout_limits(fanout, params, 2, &spec, &err), ERR_OUT_OF_RANGE);
	params[1] = (struct fanout_param){ .type = OID_NUMERIC, .value = SLICE_LIT("1.5") };
	assert_int_equal(fanout_limits(fanout, params, 2, &spec, &err), ERR_UNSUPPORTED);
	assert_int_equal(fanout_limits(fanout, params, 1, &spec, &err), ERR_PROTOCOL);
	fanout = plan("SELECT id FROM orders LIMIT 9223372036854775807 OFFSET 10");
	assert_string_equal(fanout->sql, "SELECT id FROM orders");
	assert_true(fanout->spec->limit == INT64_MAX && fanout->spec->offset == 10);
}

static void groups_come_in_the_clients_order_where_they_can(void **state)
{
	const struct merge_spec *spec = plan("SELECT count(*) FROM orders GROUP BY note, user_id ORDER BY user_id DESC")->spec;

	assert_int_equal(spec->order_count, 0);
	assert_int_equal(spec->group_count, 2);
	assert_true(spec->groups[0].descending && spec->groups[0].nulls_first);
	spec = plan("SELECT note, avg(id) FROM orders GROUP BY note ORDER BY avg(orders.id), max(at), note")->spec;
	assert_int_equal(spec->order_count, 3);
	assert_int_equal(spec->output_count, 2);
	assert_int_equal(spec->hidden_output_count, 1);
	assert_int_equal(spec->order[0].column, spec->outputs[1].aggregate_column);
	assert_int_equal(spec->order[1].column, spec->outputs[2].aggregate_column);
	assert_int_equal(spec->order[2].column, spec->groups[0].column);
}

static uint32_t roll(uint64_t *seed, size_t sides)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((*seed >> 33) % sides);
}

static void add_expressions(char *sql, const char *clause, uint64_t *seed)
{
	static const char *const expressions[] = {
		"id", "note", "count(*)", "avg(total)", "o.*", "*", "1", "2", "$1", "'x'", "NULL", "note || 'x'", "x", "id AS x", "id DESC",
		"note::text", "total::int", "note COLLATE \"C\"", "CASE WHEN id = 1 THEN note ELSE icu END", "lower(old)", "id IN (1, 2)",
		"max(note)", "min(at)", "now()", "ROW(id, note)", "(id, note)", "count(*) FILTER (WHERE true)", "ARRAY[id]", "id IS NULL",
		"NOT true", "(ARRAY[id])[1]", "o", "sum(id) OVER ()", "EXISTS (SELECT 1)", "$2::int[]", "at AT TIME ZONE 'UTC'", "id NULLS FIRST",
	};

	strcat(sql, clause);
	for (uint32_t i = roll(seed, 3) + 1; i > 0; i--) {
		strcat(sql, expressions[roll(seed, sizeof(expressions) / sizeof(expressions[0]))]);
		strcat(sql, i > 1 ? ", " : "");
	}
}

/* A cheap fuzzer: statements put together at random, some with a piece cut out. */
static void mangled_statements_never_crash(void **state)
{
	uint64_t seed = 42;
	size_t planned = 0;

	for (int round = 0; round < 10000; round++) {
		char sql[1024] = "";
		struct fanout *fanout;

		add_expressions(sql, roll(&seed, 4) ? "SELECT " : "SELECT DISTINCT ", &seed);
		strcat(sql, roll(&seed, 4) ? " FROM orders o" : " FROM orders o LEFT JOIN items USING (user_id)");
		if (roll(&seed, 4) == 0)
			add_expressions(sql, " GROUP BY ", &seed);
		if (roll(&seed, 3) == 0)
			add_expressions(sql, " ORDER BY ", &seed);
		if (roll(&seed, 4) == 0)
			strcat(sql, roll(&seed, 2) ? " LIMIT $3 OFFSET 2" : " OFFSET $3");
		if (roll(&seed, 2) == 0) {
			size_t at = roll(&seed, strlen(sql)), size = roll(&seed, 8);

			if (at + size < strlen(sql))
				memmove(sql + at, sql + at + size, strlen(sql) - at - size + 1);
		}
		if (fanout_plan(slice_of(sql), true, catalog, &arena, &fanout, NULL) == 0)
			planned++;
		arena_reset(&arena);
	}
	assert_true(planned > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shards_run_the_clients_columns_with_hidden_keys_behind),
		cmocka_unit_test(what_cannot_be_merged_exactly_is_refused_by_name_with_a_way_out),
		cmocka_unit_test(errors_of_the_statement_are_those_of_postgresql),
		cmocka_unit_test(text_is_ordered_only_by_a_collation_that_is_known_for_certain),
		cmocka_unit_test(limits_of_one_execution_are_read_as_postgresql_reads_them),
		cmocka_unit_test(groups_come_in_the_clients_order_where_they_can),
		cmocka_unit_test(mangled_statements_never_crash),
	};

	return cmocka_run_group_tests(tests, make_catalog, drop_catalog);
}

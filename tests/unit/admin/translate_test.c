#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "admin/tables.h"
#include "admin/translate.h"
#include "catalog/catalog.h"

static struct arena arena;
static struct err err;

static int make_arena(void **state)
{
	arena_init(&arena, 64 << 10);
	return 0;
}

static int drop_arena(void **state)
{
	arena_release(&arena);
	return 0;
}

static int read_sql(const char *sql, struct translation *ret)
{
	const struct translate_request request = { .sql = sql, .user = "me", .database = "shop" };

	err = (struct err){ 0 };
	return translate(&request, &arena, ret, &err);
}

static struct translation good(const char *sql)
{
	struct translation translation;

	if (read_sql(sql, &translation) < 0)
		fail_msg("%s: %s", sql, err.message);
	return translation;
}

/* The columns as "name type, name type". */
static const char *columns_of(const char *sql)
{
	struct translation translation = good(sql);
	const char *text = "";

	for (size_t i = 0; i < translation.column_count; i++)
		text = arena_printf(&arena, "%s%s%s %s", text, i ? ", " : "", translation.columns[i].name,
				    value_type_name(translation.columns[i].type));
	return text;
}

static void assert_sql(const char *sql, const char *expected)
{
	assert_string_equal(good(sql).sql, expected);
}

static void assert_refused(const char *sql, const char *sqlstate)
{
	struct translation translation;

	if (read_sql(sql, &translation) == 0)
		fail_msg("not refused: %s", sql);
	if (strcmp(err.sqlstate, sqlstate) != 0)
		fail_msg("%s: %s %s", sql, err.sqlstate, err.message);
}

static void test_nothing_that_the_user_wrote_reaches_sqlite(void **state)
{
	struct translation translation = good("SELECT \"weird\"\"n\".name AS \"a;b\" FROM nanu.nodes \"weird\"\"n\" WHERE name = 'x'';y' AND port > 7");

	assert_string_equal(translation.sql, "SELECT r1.\"name\" AS c1 FROM main.nodes AS r1 WHERE ((r1.\"name\" = ?1) AND (r1.\"port\" > ?2))");
	assert_string_equal(translation.columns[0].name, "a;b");
	assert_string_equal(translation.values[0].text, "x';y");
	assert_int_equal(translation.values[0].type, TYPE_TEXT);
	assert_string_equal(translation.values[1].text, "7");
	assert_int_equal(translation.values[1].type, TYPE_INT8);
}

static void test_only_the_tables_named_are_filled(void **state)
{
	assert_int_equal(good("SELECT 1").tables, 0);
	assert_int_equal(good("SELECT 1 FROM nanu.nodes WHERE EXISTS (SELECT 1 FROM nanu.pools)").tables,
			 UINT64_C(1) << tables_find("nodes") | UINT64_C(1) << tables_find("pools"));
}

static void test_columns_have_postgresqls_names_and_types(void **state)
{
	assert_string_equal(columns_of("SELECT name, port, reachable, started FROM nanu.nodes, nanu.router"),
			    "name text, port bigint, reachable boolean, started timestamp with time zone");
	assert_string_equal(columns_of("SELECT count(*), max(name), avg(port), port + 1, 'x', NULL, port::text FROM nanu.nodes GROUP BY port"),
			    "count bigint, max text, avg double precision, ?column? bigint, ?column? text, ?column? text, port text");
	assert_string_equal(columns_of("SELECT a.b FROM (SELECT name AS b FROM nanu.nodes) a"), "b text");
	assert_string_equal(columns_of("SELECT CASE WHEN is_home THEN 1 ELSE 2.5 END, coalesce(NULL, 3) FROM nanu.shards"),
			    "case double precision, coalesce bigint");
}

static void test_a_star_stands_for_what_postgresql_makes_of_it(void **state)
{
	assert_string_equal(columns_of("SELECT * FROM nanu.topology"), "epoch bigint, json text");
	assert_string_equal(columns_of("SELECT t.*, 1 AS one FROM nanu.topology t"), "epoch bigint, json text, one bigint");
	assert_string_equal(columns_of("SELECT * FROM (SELECT name, port FROM nanu.nodes) a JOIN (SELECT port, host FROM nanu.nodes) b USING (port)"),
			    "port bigint, name text, host text");
	assert_string_equal(columns_of("SELECT b.* FROM nanu.topology a JOIN nanu.topology b USING (json)"), "epoch bigint, json text");
	assert_refused("SELECT *", "42601");
	assert_refused("SELECT x.* FROM nanu.nodes", "42P01");
}

static void test_columns_with_equal_names_stay_apart(void **state)
{
	assert_sql("SELECT * FROM (SELECT a.name, b.name FROM nanu.nodes a, nanu.nodes b) s",
		   "SELECT r1.c1 AS c1, r1.c2 AS c2 FROM (SELECT r2.\"name\" AS c1, r3.\"name\" AS c2 FROM main.nodes AS r2, main.nodes AS r3) AS r1");
	assert_refused("SELECT name FROM nanu.nodes a, nanu.nodes b", "42702");
}

static void test_nulls_stand_where_postgresql_puts_them(void **state)
{
	assert_sql("SELECT name FROM nanu.nodes ORDER BY zone, port DESC, region NULLS FIRST",
		   "SELECT r1.\"name\" AS c1 FROM main.nodes AS r1 ORDER BY (r1.\"zone\") NULLS LAST, (r1.\"port\") DESC NULLS FIRST,"
		   " (r1.\"region\") NULLS FIRST");
	assert_sql("SELECT name AS n FROM nanu.nodes ORDER BY n", "SELECT r1.\"name\" AS c1 FROM main.nodes AS r1 ORDER BY 1 NULLS LAST");
	assert_sql("SELECT name FROM nanu.nodes ORDER BY 1 DESC", "SELECT r1.\"name\" AS c1 FROM main.nodes AS r1 ORDER BY 1 DESC NULLS FIRST");
	assert_refused("SELECT name FROM nanu.nodes ORDER BY 2", "42P10");
	assert_refused("SELECT name FROM nanu.nodes ORDER BY 0", "42P10");
}

static void test_names_that_are_not_there(void **state)
{
	assert_refused("SELECT * FROM nanu.nope", "42P01");
	assert_refused("SELECT * FROM nodes", "42P01");
	assert_refused("SELECT nope FROM nanu.nodes", "42703");
	assert_refused("SELECT nodes.nope FROM nanu.nodes", "42703");
	assert_refused("SELECT x.name FROM nanu.nodes", "42P01");
	assert_refused("SELECT nope(name) FROM nanu.nodes", "42883");
	assert_refused("SELECT name FROM nanu.nodes JOIN nanu.pools USING (nope)", "42703");
	assert_refused("SELECT 1 FROM nanu.nodes, nanu.nodes", "42712");
}

static void test_what_sqlite_would_let_pass(void **state)
{
	assert_refused("SELECT name, count(*) FROM nanu.nodes", "42803");
	assert_refused("SELECT name FROM nanu.nodes GROUP BY port", "42803");
	assert_refused("SELECT * FROM nanu.nodes GROUP BY name", "42803");
	assert_refused("SELECT port FROM nanu.nodes GROUP BY port ORDER BY name", "42803");
	assert_refused("SELECT 1 FROM nanu.nodes WHERE count(*) > 1", "42803");
	assert_refused("SELECT count(count(*)) FROM nanu.nodes", "42803");
	assert_refused("SELECT (SELECT count(n.name) FROM nanu.pools) FROM nanu.nodes n", "0A000");
	assert_refused("SELECT 1 FROM nanu.nodes WHERE port = name", "42883");
	assert_refused("SELECT 1 FROM nanu.nodes WHERE port", "42804");
	assert_refused("SELECT name + 1 FROM nanu.nodes", "42883");
	assert_refused("SELECT lower(port) FROM nanu.nodes", "42883");
	assert_refused("SELECT name FROM nanu.nodes UNION SELECT port FROM nanu.nodes", "42804");
	assert_refused("SELECT name FROM nanu.nodes UNION SELECT name, host FROM nanu.nodes", "42601");
	assert_refused("SELECT DISTINCT name FROM nanu.nodes ORDER BY port", "42P10");
	assert_refused("SELECT CASE WHEN port THEN 1 END FROM nanu.nodes", "42804");
	assert_refused("SELECT 1 FROM nanu.nodes a JOIN nanu.nodes b ON a.port", "42804");
}

static void test_groups_may_be_expressions_positions_and_names(void **state)
{
	assert_string_equal(columns_of("SELECT port / 10, count(*) FROM nanu.nodes GROUP BY port / 10 ORDER BY 2"), "?column? bigint, count bigint");
	assert_string_equal(columns_of("SELECT port / 10 AS ten, count(*) FROM nanu.nodes GROUP BY ten HAVING count(*) > 1"), "ten bigint, count bigint");
	assert_string_equal(columns_of("SELECT name, count(*) FROM nanu.nodes GROUP BY 1"), "name text, count bigint");
	assert_string_equal(columns_of("SELECT (SELECT max(idle) FROM nanu.pools WHERE node = n.name) FROM nanu.nodes n GROUP BY n.name"),
			    "max bigint");
}

static void test_parameters_take_their_type_from_what_they_meet(void **state)
{
	struct translation translation = good("SELECT $3 FROM nanu.nodes WHERE port = $1 AND name LIKE $2 AND reachable IS NOT DISTINCT FROM $4 LIMIT $5");
	static const enum value_type expected[] = { TYPE_INT8, TYPE_TEXT, TYPE_UNKNOWN, TYPE_BOOL, TYPE_INT8 };

	assert_int_equal(translation.param_count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(translation.param_types[i + 1], expected[i]);
}

static void test_declared_parameters_keep_their_type(void **state)
{
	static const uint32_t types[] = { OID_TEXT };
	const struct translate_request request = { .sql = "SELECT 1 FROM nanu.nodes WHERE port = $1", .param_types = types, .param_type_count = 1,
						   .user = "me", .database = "shop" };
	struct translation translation;

	assert_int_equal(translate(&request, &arena, &translation, &err), ERR_SYNTAX);
	assert_string_equal(err.sqlstate, "42883");
}

static void test_what_is_not_supported_is_refused(void **state)
{
	static const char *const statements[] = {
		"INSERT INTO nanu.nodes VALUES (1)", "DELETE FROM nanu.nodes", "SELECT 1; SELECT 2", "VALUES (1)",
		"WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r", "SELECT DISTINCT ON (name) name FROM nanu.nodes",
		"SELECT row_number() OVER () FROM nanu.nodes", "SELECT name FROM nanu.nodes FOR UPDATE", "SELECT * FROM nanu.nodes NATURAL JOIN nanu.pools",
		"SELECT ARRAY[1] FROM nanu.nodes", "SELECT name ~ 'x' FROM nanu.nodes", "SELECT name::varchar(3) FROM nanu.nodes",
		"SELECT 1 INTO x FROM nanu.nodes", "SELECT * FROM nanu.nodes, LATERAL (SELECT 1) x", "SELECT 1 FROM nanu.nodes WHERE port = ANY ($1)",
		"SELECT nanu.explain(name) FROM nanu.nodes", "SELECT * FROM nanu.explain('x'), nanu.nodes", "SELECT port FETCH FIRST 1 ROW WITH TIES",
		"SELECT string_agg(name, ',' ORDER BY name) FROM nanu.nodes", "SELECT name FROM nanu.nodes INTERSECT ALL SELECT name FROM nanu.nodes",
		"SELECT name COLLATE \"C\" FROM nanu.nodes", "SELECT FROM nanu.nodes",
	};

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		struct translation translation;
		int rc = read_sql(statements[i], &translation);

		if (rc != ERR_UNSUPPORTED && rc != ERR_UNDEFINED_COLUMN && rc != ERR_SYNTAX)
			fail_msg("%s: %d %s", statements[i], rc, err.message);
	}
}

static void test_a_statement_has_a_greatest_size(void **state)
{
	char *sql = arena_alloc(&arena, 70000);
	struct translation translation;

	memset(sql, ' ', 69999);
	sql[69999] = '\0';
	memcpy(sql, "SELECT 1", 8);
	assert_int_equal(read_sql(sql, &translation), ERR_LIMIT);
}

static void test_nesting_does_not_multiply_without_end(void **state)
{
	const char *sql = "SELECT 1";
	struct translation translation;

	for (int i = 0; i < 40; i++)
		sql = arena_printf(&arena, "SELECT (%s) FROM nanu.nodes GROUP BY 1", sql);
	assert_int_equal(read_sql(sql, &translation), ERR_LIMIT);
	sql = "port";
	for (int i = 0; i < 40; i++)
		sql = arena_printf(&arena, "CASE %s WHEN 1 THEN 1 WHEN 2 THEN 2 WHEN 3 THEN 3 END", sql);
	assert_true(strlen(good(arena_printf(&arena, "SELECT %s FROM nanu.nodes", sql)).sql) < 10000);
}

/* A table that can be named needs names that PostgreSQL does not reserve. */
static void test_every_column_can_be_named_without_quotes(void **state)
{
	for (size_t i = 0; i < admin_table_count; i++)
		for (size_t j = 0; j < admin_tables[i].column_count; j++)
			assert_int_equal(good(arena_printf(&arena, "SELECT %s FROM nanu.%s", admin_tables[i].columns[j].name, admin_tables[i].name))
					 .tables, UINT64_C(1) << i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_that_the_user_wrote_reaches_sqlite),
		cmocka_unit_test(test_only_the_tables_named_are_filled),
		cmocka_unit_test(test_columns_have_postgresqls_names_and_types),
		cmocka_unit_test(test_a_star_stands_for_what_postgresql_makes_of_it),
		cmocka_unit_test(test_columns_with_equal_names_stay_apart),
		cmocka_unit_test(test_nulls_stand_where_postgresql_puts_them),
		cmocka_unit_test(test_names_that_are_not_there),
		cmocka_unit_test(test_what_sqlite_would_let_pass),
		cmocka_unit_test(test_groups_may_be_expressions_positions_and_names),
		cmocka_unit_test(test_parameters_take_their_type_from_what_they_meet),
		cmocka_unit_test(test_declared_parameters_keep_their_type),
		cmocka_unit_test(test_what_is_not_supported_is_refused),
		cmocka_unit_test(test_a_statement_has_a_greatest_size),
		cmocka_unit_test(test_nesting_does_not_multiply_without_end),
		cmocka_unit_test(test_every_column_can_be_named_without_quotes),
	};

	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}

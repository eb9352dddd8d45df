#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <string.h>

#include "catalog/catalog.h"

static void add_table(struct catalog *catalog, const char *schema, const char *name, uint32_t oid)
{
	struct catalog_column columns[] = {
		{ .name = "id", .type = OID_INT8, .attnum = 1, .not_null = true },
		{ .name = "note", .type = OID_TEXT, .attnum = 3, .collation = OID_COLLATION_DEFAULT },
	};
	struct catalog_table table = { .schema = schema, .name = name, .oid = oid, .kind = 'r', .columns = columns, .column_count = 2 };

	catalog_add_table(catalog, &table);
}

static void names_without_schema_walk_the_search_path(void **state)
{
	struct catalog *catalog = catalog_new(1);

	catalog->search_path[0] = "app";
	catalog->search_path[1] = "public";
	catalog->search_path_count = 2;
	add_table(catalog, "public", "orders", 1);
	add_table(catalog, "app", "orders", 2);
	add_table(catalog, "other", "hidden", 3);
	add_table(catalog, "public", "pg_class", 4);
	add_table(catalog, "pg_catalog", "pg_class", 5);
	assert_int_equal(catalog_table(catalog, NULL, "orders")->oid, 2);
	assert_int_equal(catalog_table(catalog, "public", "orders")->oid, 1);
	assert_null(catalog_table(catalog, NULL, "hidden"));
	assert_int_equal(catalog_table(catalog, NULL, "pg_class")->oid, 5);
	catalog->search_path[2] = "pg_catalog";
	catalog->search_path_count = 3;
	assert_int_equal(catalog_table(catalog, NULL, "pg_class")->oid, 4);
	assert_int_equal(catalog_column(catalog_table(catalog, NULL, "orders"), "note")->attnum, 3);
	assert_null(catalog_column(catalog_table(catalog, NULL, "orders"), "ctid"));
	catalog_unref(catalog);
}

static void dots_in_names_do_not_confuse(void **state)
{
	struct catalog *catalog = catalog_new(1);

	add_table(catalog, "a.b", "c", 1);
	add_table(catalog, "a", "b.c", 2);
	assert_int_equal(catalog_table(catalog, "a.b", "c")->oid, 1);
	assert_int_equal(catalog_table(catalog, "a", "b.c")->oid, 2);
	catalog_unref(catalog);
}

static void a_node_that_is_away_is_an_error_and_not_a_catalog(void **state)
{
	struct catalog *catalog = NULL;
	struct err err = { 0 };

	assert_int_equal(catalog_load("host=/nonexistent dbname=x user=x", 1, &catalog, &err), ERR_CONNECT);
	assert_null(catalog);
	assert_non_null(strstr(err.message, "/nonexistent"));
}

static void execute(const char *conninfo, const char *sql)
{
	PGconn *conn = PQconnectdb(conninfo);
	PGresult *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail_msg("%s", PQerrorMessage(conn));
	PQclear(result);
	PQfinish(conn);
}

/* With NANU_TEST_CONNINFO, a database of a running PostgreSQL where the user may create tables. */
static void a_live_schema_is_read_whole(void **state)
{
	const char *conninfo = getenv("NANU_TEST_CONNINFO");
	const struct catalog_table *table;
	const struct catalog_function *function;
	const struct catalog_collation *collation;
	struct catalog *catalog;
	struct err err = { 0 };

	if (!conninfo)
		skip();
	execute(conninfo, "DROP SCHEMA IF EXISTS \"Nanu test\" CASCADE;"
			  "CREATE SCHEMA \"Nanu test\""
			  " CREATE TABLE \"T x\" (a serial, gone int, b int8 GENERATED ALWAYS AS IDENTITY, c text COLLATE \"C\","
			  "                      d varchar(4), e int DEFAULT 5)"
			  " CREATE TABLE nothing ();"
			  "ALTER TABLE \"Nanu test\".\"T x\" DROP COLUMN gone;"
			  "CREATE FUNCTION \"Nanu test\".f() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';"
			  "CREATE FUNCTION \"Nanu test\".f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'");
	if (catalog_load(conninfo, 7, &catalog, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(catalog->version, 7);
	assert_true(catalog->server_version[0] && catalog->encoding[0] && catalog->search_path_count > 0);
	table = catalog_table(catalog, NULL, "pg_class");
	assert_int_equal(table->oid, 1259);
	assert_int_equal(catalog_column(table, "oid")->type, OID_OID);
	assert_int_equal(catalog_column(table, "relname")->collation, OID_COLLATION_C);
	assert_int_equal(catalog_table(catalog, "information_schema", "tables")->kind, 'v');
	function = catalog_function(catalog, NULL, "random");
	assert_true(function->builtin && function->volatility == VOLATILITY_VOLATILE);
	function = catalog_function(catalog, NULL, "sum");
	assert_true(function->aggregate && function->volatility == VOLATILITY_IMMUTABLE);
	assert_true(catalog_function(catalog, NULL, "generate_series")->set_returning);
	assert_true(catalog_function(catalog, NULL, "row_number")->window);
	collation = catalog_collation(catalog, OID_COLLATION_C);
	assert_true(collation->version_matches && collation->deterministic && strcmp(collation->locale, "C") == 0);
	assert_ptr_equal(catalog_collation_named(catalog, NULL, "C"), collation);
	assert_ptr_equal(catalog_collation_named(catalog, "pg_catalog", "C"), collation);
	assert_null(catalog_collation_named(catalog, "public", "C"));
	collation = catalog_collation(catalog, OID_COLLATION_DEFAULT);
	assert_true(collation->provider == 'c' || collation->provider == 'i');
	assert_true(collation->locale[0] != '\0');
	table = catalog_table(catalog, "Nanu test", "T x");
	assert_int_equal(table->column_count, 5);
	assert_true(table->kind == 'r' && table->persistence == 'p');
	assert_true(table->columns[0].default_nextval && table->columns[0].not_null && table->columns[0].type == OID_INT4);
	assert_true(table->columns[1].default_nextval && table->columns[1].attnum == 3);
	assert_true(table->columns[2].collation == OID_COLLATION_C && !table->columns[2].default_nextval);
	assert_true(table->columns[3].typmod == 4 + 4 && table->columns[3].collation == OID_COLLATION_DEFAULT);
	assert_false(table->columns[4].default_nextval);
	assert_int_equal(catalog_table(catalog, "Nanu test", "nothing")->column_count, 0);
	assert_int_equal(catalog_function(catalog, "Nanu test", "f")->volatility, VOLATILITY_VOLATILE);
	assert_false(catalog_function(catalog, "Nanu test", "f")->builtin);
	catalog_unref(catalog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_without_schema_walk_the_search_path),
		cmocka_unit_test(dots_in_names_do_not_confuse),
		cmocka_unit_test(a_node_that_is_away_is_an_error_and_not_a_catalog),
		cmocka_unit_test(a_live_schema_is_read_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The names in the source of a function: none may be missed that could be a function's or a table's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sql/body.h"

struct told {
	char names[512];
	const char *stop;
};

static bool tell(void *owner, struct slice name, bool field)
{
	struct told *told = owner;
	size_t size = strlen(told->names);

	snprintf(told->names + size, sizeof(told->names) - size, "%s%s%.*s", size ? " " : "", field ? "." : "", SLICE_FMT(name));
	return !told->stop || strcmp(told->stop, name.data) != 0;
}

static void expect(const char *source, const char *names)
{
	struct told told = { 0 };
	bool known = body_names(slice_of(source), tell, &told);

	assert_int_equal(known, names != NULL);
	if (names)
		assert_string_equal(told.names, names);
}

static void every_name_is_told_folded_and_without_quotes(void **state)
{
	expect("", "");
	expect("SELECT a.B, \"C d\"(\"e\"\"f\") FROM Public.Orders -- x\n/* y */", "select a b C d e\"f from public orders");
	expect("x := 'SELECT * FROM orders' || $$orders$$ || e'a\\n' || 1.5;", "x");
	expect("SELECT 1 FROM a;\n;\nBEGIN RETURN b(); END", "select from a begin return b end");
}

static void fields_of_the_row_are_told_apart(void **state)
{
	expect("NEW.orders := OLD . total; t.new.x", "new .orders old .total t new .x");
	expect("NEW := \"NEW\".orders", "new NEW orders");
	expect("NEW, orders", "new orders");
	expect("new.execute", "new .execute");
}

static void what_the_names_do_not_show_is_unknown(void **state)
{
	static const char *const sources[] = {
		"EXECUTE 'x'", "BEGIN execute x; END", "OPEN c FOR EXECUTE x", "CREATE TABLE x ()", "ALTER TABLE x RENAME TO y", "DROP TABLE x",
		"PREPARE p AS SELECT 1", "REFRESH MATERIALIZED VIEW x", "IMPORT FOREIGN SCHEMA x", "DO $$ x $$", "DO LANGUAGE plpgsql 'x'", "x DO",
		"pg_temp.f()", "pg_temp_3.f()", "U&\"\\0061\"", "'a\\'", "E'a\\'b'", "'unterminated", "/* unterminated", "\"\"",
		"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg",
	};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		expect(sources[i], NULL);
	expect("INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING", "insert into a values on conflict do nothing");
	expect("ON CONFLICT (b) DO UPDATE SET c = \"execute\"", "on conflict b do update set c execute");
}

static void it_ends_when_told_to(void **state)
{
	struct told told = { .stop = "b" };

	assert_false(body_names(slice_of("a b c"), tell, &told));
	assert_string_equal(told.names, "a b");
}

static void what_changes_its_session_is_found(void **state)
{
	static const char *const changes[] = {
		"SET work_mem = 1", "BEGIN SET LOCAL a.b = 1; END", "UPDATE t SET a = 1; SET b = 2", "IF x THEN SET a = 1; END IF",
		"FOR r IN SELECT 1 FOR UPDATE LOOP SET a = 1; END LOOP", "RESET ALL", "listen a", "UNLISTEN *", "DISCARD ALL", "LOAD 'x'",
		"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "'unterminated",
	};
	static const char *const others[] = {
		"UPDATE t SET a = 1", "INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1", "SELECT 'SET a = 1'", "SELECT \"set\"", "SELECT 1",
		"MERGE INTO t USING u ON a = b WHEN MATCHED THEN UPDATE SET a = 1", "-- SET a = 1",
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		assert_true(body_sets(slice_of(changes[i])));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(body_sets(slice_of(others[i])));
}

static void what_may_define_something_is_found(void **state)
{
	static const char *const defines[] = { "BEGIN CREATE TABLE t (a int); END", "EXECUTE format('x')", "drop view v", "ALTER TABLE t ADD a int", "'unterminated" };
	static const char *const others[] = { "BEGIN UPDATE t SET a = 1; END", "RAISE NOTICE 'CREATE'", "PERFORM \"create\"()" };

	for (size_t i = 0; i < sizeof(defines) / sizeof(defines[0]); i++)
		assert_true(body_defines(slice_of(defines[i])));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(body_defines(slice_of(others[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_told_folded_and_without_quotes),
		cmocka_unit_test(fields_of_the_row_are_told_apart),
		cmocka_unit_test(what_the_names_do_not_show_is_unknown),
		cmocka_unit_test(it_ends_when_told_to),
		cmocka_unit_test(what_changes_its_session_is_found),
		cmocka_unit_test(what_may_define_something_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

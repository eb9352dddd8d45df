#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/call.h"

static struct arena arena;
static struct err err;

static int make_arena(void **state)
{
	arena_init(&arena, 4096);
	return 0;
}

static int drop_arena(void **state)
{
	arena_release(&arena);
	return 0;
}

static struct call read_call(const char *sql)
{
	static const char *const params[] = { "one", NULL };
	struct call call = { 0 };

	err = (struct err){ 0 };
	assert_int_equal(call_read(sql, params, 2, &arena, &call, &err), 1);
	return call;
}

static void test_a_call_in_the_select_list(void **state)
{
	struct call call = read_call("SELECT nanu.shard_table('orders', key => 'user_id')");

	assert_string_equal(call.function, "shard_table");
	assert_string_equal(call.column, "shard_table");
	assert_string_equal(call_arg(&call, 0, "table", NULL), "orders");
	assert_string_equal(call_arg(&call, 1, "key", NULL), "user_id");
	assert_string_equal(call_arg(&call, 2, "placement", "hash"), "hash");
}

static void test_a_call_in_from(void **state)
{
	struct call call = read_call("SELECT * FROM nanu.explain('SELECT 1')");

	assert_string_equal(call.function, "explain");
	assert_string_equal(call.column, "explain");
	assert_string_equal(call_arg(&call, 0, "statement", NULL), "SELECT 1");
}

static void test_an_alias_names_the_column(void **state)
{
	assert_string_equal(read_call("SELECT nanu.explain('x') AS lines").column, "lines");
	assert_string_equal(read_call("SELECT * FROM nanu.explain('x') AS lines").column, "lines");
	assert_string_equal(read_call("SELECT * FROM nanu.explain('x') AS t (lines)").column, "lines");
}

static void test_parameters_are_arguments(void **state)
{
	struct call call = read_call("SELECT nanu.explain($1::text, $2, 3, true, NULL)");

	assert_string_equal(call_arg(&call, 0, "a", NULL), "one");
	assert_null(call_arg(&call, 1, "b", NULL));
	assert_string_equal(call_arg(&call, 2, "c", NULL), "3");
	assert_string_equal(call_arg(&call, 3, "d", NULL), "true");
	assert_string_equal(call_arg(&call, 4, "e", "fallback"), "fallback");
	assert_int_equal(call.param_count, 2);
}

static void test_what_stands_around_a_call_makes_it_something_else(void **state)
{
	static const char *const statements[] = {
		"SELECT nanu.explain('x'), 1", "SELECT nanu.explain('x') LIMIT 1", "SELECT nanu.explain('x') OFFSET 1",
		"SELECT * FROM nanu.explain('x') WHERE true", "SELECT * FROM nanu.explain('x') ORDER BY 1",
		"SELECT * FROM nanu.explain('x') WITH ORDINALITY", "SELECT * FROM nanu.explain('x'), nanu.nodes",
		"SELECT count(*) FROM nanu.explain('x')", "SELECT nanu.explain('x') FROM nanu.nodes", "SELECT * FROM nanu.nodes",
		"SELECT nanu.explain('x') UNION SELECT 'y'", "SELECT nanu.explain('x'); SELECT 1", "SELECT 1", "VALUES (1)",
		"SELECT nanu.explain('x') GROUP BY 1", "SELECT nanu.explain('x') || 'y'", "SELECT other.explain('x')", "SELECT explain('x')",
	};
	struct call call;

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
		assert_int_equal(call_read(statements[i], NULL, 0, &arena, &call, &err), 0);
}

static void test_arguments_are_constants(void **state)
{
	struct call call;

	assert_int_equal(call_read("SELECT nanu.explain('a' || 'b')", NULL, 0, &arena, &call, &err), ERR_UNSUPPORTED);
	assert_int_equal(call_read("SELECT nanu.explain(", NULL, 0, &arena, &call, &err), ERR_SYNTAX);
	assert_int_equal(call_read("SELECT nanu.explain(DISTINCT 'a')", NULL, 0, &arena, &call, &err), ERR_SYNTAX);
}

static void test_unknown_arguments_are_named(void **state)
{
	static const char *const names[] = { "statement", NULL };
	struct call call = read_call("SELECT nanu.explain(statment => 'x')");

	assert_int_equal(call_check(&call, names, &err), ERR_UNDEFINED_FUNCTION);
	assert_non_null(strstr(err.message, "statment"));
	call = read_call("SELECT nanu.explain('x', 'y')");
	assert_int_equal(call_check(&call, names, &err), ERR_UNDEFINED_FUNCTION);
	call = read_call("SELECT nanu.explain('x')");
	assert_int_equal(call_check(&call, names, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_in_the_select_list),
		cmocka_unit_test(test_a_call_in_from),
		cmocka_unit_test(test_an_alias_names_the_column),
		cmocka_unit_test(test_parameters_are_arguments),
		cmocka_unit_test(test_what_stands_around_a_call_makes_it_something_else),
		cmocka_unit_test(test_arguments_are_constants),
		cmocka_unit_test(test_unknown_arguments_are_named),
	};

	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}

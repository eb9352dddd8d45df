/* What is lifted out of a text, and what stays because it may mean something else as a parameter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sql/lift.h"

/* The lifted text, then each value with its type: "SELECT … $1 | 5:23"; "-" when it is not to be. */
static const char *lifted(const char *first, const char *sql)
{
	static char said[1024];
	struct fingerprinter *fingerprinter = fingerprinter_new(false);
	const struct fingerprint *fingerprint;
	struct lifted values;
	struct shapes shapes;
	struct arena arena;
	struct buf text;

	arena_init(&arena, 4096);
	buf_init(&text, 4096);
	assert_int_equal(fingerprint_make(fingerprinter, slice_of(first), true, &fingerprint, NULL), 0);
	assert_int_equal(shape_parse(slice_of(first), fingerprint, &arena, &shapes, NULL), 0);
	assert_int_equal(fingerprint_make(fingerprinter, slice_of(sql), true, &fingerprint, NULL), 0);
	snprintf(said, sizeof(said), "-");
	if (lift(&shapes.items[0], fingerprint, slice_of(sql), &text, &values)) {
		size_t used = (size_t)snprintf(said, sizeof(said), "%.*s", (int)text.size, text.data);

		for (size_t i = 0; i < values.count; i++)
			used += (size_t)snprintf(said + used, sizeof(said) - used, "%s%s%.*s:%u", i ? " " : " | ", values.negative[i] ? "-" : "",
						 SLICE_FMT(values.values[i]), values.types[i]);
	}
	buf_release(&text);
	arena_release(&arena);
	fingerprinter_free(fingerprinter);
	return said;
}

static void integers_become_parameters(void **state)
{
	static const char *const cases[][2] = {
		{ "SELECT a FROM t WHERE id = 12345;", "SELECT a FROM t WHERE id = $1; | 12345:23" },
		{ "SELECT a FROM t WHERE id = -5", "SELECT a FROM t WHERE id = $1 | -5:23" },
		{ "SELECT a FROM t WHERE id = - 5", "SELECT a FROM t WHERE id = $1 | -5:23" },
		{ "SELECT a FROM t WHERE id+-5=0", "SELECT a FROM t WHERE id+$1=$2 | -5:23 0:23" },
		{ "SELECT a FROM t WHERE id-5=b", "SELECT a FROM t WHERE id-$1=b | 5:23" },
		{ "SELECT a FROM t WHERE id IN (3, 4.5)", "SELECT a FROM t WHERE id IN ($1, 4.5) | 3:23" },
		{ "SELECT a FROM t WHERE id IN (1, 2, 3)", "SELECT a FROM t WHERE id IN ($1, $2, $3) | 1:23 2:23 3:23" },
		{ "SELECT a FROM t WHERE NOT (id BETWEEN 1 AND 007)", "SELECT a FROM t WHERE NOT (id BETWEEN $1 AND $2) | 1:23 007:23" },
		{ "UPDATE t SET a = a + 7, b = 8 WHERE id = 9", "UPDATE t SET a = a + $1, b = 8 WHERE id = $2 | 7:23 9:23" },
		{ "INSERT INTO t VALUES (1, -2, 'x', now()), (3, 4, 'y', NULL)",
		  "INSERT INTO t VALUES ($1, $2, 'x', now()), ($3, $4, 'y', NULL) | 1:23 -2:23 3:23 4:23" },
		{ "DELETE FROM t WHERE id = 1 AND name = 'x'", "DELETE FROM t WHERE id = $1 AND name = 'x' | 1:23" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(lifted(cases[i][0], cases[i][0]), cases[i][1]);
}

static void types_are_those_of_the_grammar(void **state)
{
	static const struct { const char *value, *said; } cases[] = {
		{ "2147483647", "2147483647:23" }, { "2147483648", "2147483648:20" }, { "-2147483648", "-2147483648:23" },
		{ "-2147483649", "-2147483649:20" }, { "9223372036854775807", "9223372036854775807:20" }, { "0000000000000000000000000000001", "0000000000000000000000000000001:23" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char sql[200], expected[200];

		snprintf(sql, sizeof(sql), "DELETE FROM t WHERE id = %s", cases[i].value);
		snprintf(expected, sizeof(expected), "DELETE FROM t WHERE id = $1 | %s", cases[i].said);
		assert_string_equal(lifted(sql, sql), expected);
	}
}

static void what_a_parameter_could_mean_otherwise_stays(void **state)
{
	static const char *const cases[] = {
		"SELECT 1, a + 2 FROM t", "SELECT a FROM t ORDER BY 1 LIMIT 5 OFFSET 6", "SELECT a % 2 FROM t GROUP BY a % 2 HAVING count(*) > 3",
		"SELECT a FROM t WHERE b = 1.5", "SELECT a FROM t WHERE b = '1'", "SELECT a FROM t WHERE b = int8 '1'", "SELECT a FROM t WHERE b = 9223372036854775808",
		"SELECT a FROM t WHERE b = f(5)", "SELECT a FROM t WHERE b = 5::int8", "SELECT a FROM t WHERE b LIKE 5", "SELECT a FROM t WHERE b = ANY(ARRAY[1, 2])",
		"SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE c = 1)", "SELECT a FROM t WHERE b = numeric(5, 2) '1'", "VALUES (1)",
		"SELECT a FROM t WHERE b[1]", "SELECT a FROM (SELECT 1 AS a) t UNION SELECT b FROM t WHERE b = 1", "WITH t AS (SELECT 1) SELECT 2 FROM t",
		"INSERT INTO t SELECT 5 FROM u WHERE a = 1", "INSERT INTO t (a) SELECT 1 ON CONFLICT (a) WHERE a = 1 DO UPDATE SET a = 2",
	};
	/* PostgreSQL computes it before there is a row. */
	static const char *const planned[] = {
		"UPDATE t SET a = 100000", "UPDATE t SET a = -1", "SELECT a FROM t WHERE b = 1 / 0", "SELECT a FROM t WHERE 1 = 1", "SELECT a FROM t WHERE b = 7 - f(1)",
		"DELETE FROM t WHERE b < 2147483647 + 1", "SELECT a FROM t WHERE 1 BETWEEN 2 AND 3", "SELECT a FROM t WHERE 1 IN (2, 3)", "INSERT INTO t VALUES (1 / 0)",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(lifted(cases[i], cases[i]), cases[i]);
	for (size_t i = 0; i < sizeof(planned) / sizeof(planned[0]); i++)
		assert_string_equal(lifted(planned[i], planned[i]), planned[i]);
	assert_string_equal(lifted("SELECT a FROM t WHERE b = 1 + 2 + c AND 3 < c / 4", "SELECT a FROM t WHERE b = 1 + 2 + c AND 3 < c / 4"),
			    "SELECT a FROM t WHERE b = 1 + 2 + c AND $1 < c / $2 | 3:23 4:23");
	assert_string_equal(lifted("SELECT a FROM t WHERE b = $1 AND c = 5", "SELECT a FROM t WHERE b = $1 AND c = 5"), "-");
}

static void what_the_shape_did_not_foresee_is_not_lifted(void **state)
{
	assert_string_equal(lifted("SELECT a FROM t WHERE b IN (1, 2)", "SELECT a FROM t WHERE b IN (3, 4, 5)"),
			    "SELECT a FROM t WHERE b IN ($1, $2, $3) | 3:23 4:23 5:23");
	assert_string_equal(lifted("SELECT a FROM t WHERE b = -(5)", "SELECT a FROM t WHERE b = -(5)"), "SELECT a FROM t WHERE b = -(5)");
	assert_string_equal(lifted("SELECT a FROM t WHERE b = - - 5", "SELECT a FROM t WHERE b = - - 5"), "SELECT a FROM t WHERE b = - - 5");
	assert_string_equal(lifted("SELECT a FROM t WHERE b BETWEEN-5 AND-3", "SELECT a FROM t WHERE b BETWEEN-5 AND-3"), "-");
	assert_string_equal(lifted("SELECT a FROM t WHERE b = -1", "SELECT a FROM t WHERE b = - /* two */ 2"), "-");
	assert_string_equal(lifted("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 'x'"), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_become_parameters),
		cmocka_unit_test(types_are_those_of_the_grammar),
		cmocka_unit_test(what_a_parameter_could_mean_otherwise_stays),
		cmocka_unit_test(what_the_shape_did_not_foresee_is_not_lifted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/cell.h"
#include "catalog/catalog.h"

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

static void test_whole_numbers_are_read_as_postgresql_reads_them(void **state)
{
	struct cell_number number;

	assert_int_equal(cell_read(TYPE_INT8, " -42 ", &number, &err), 0);
	assert_int_equal(number.integer, -42);
	assert_int_equal(cell_read(TYPE_INT8, "9223372036854775807", &number, &err), 0);
	assert_int_equal(cell_read(TYPE_INT8, "9223372036854775808", &number, &err), ERR_OUT_OF_RANGE);
	for (const char **text = (const char *[]){ "", " ", "1x", "1.0", "x", NULL }; *text; text++)
		assert_int_equal(cell_read(TYPE_INT8, *text, &number, &err), ERR_INVALID_TEXT);
}

static void test_booleans_have_many_names(void **state)
{
	struct cell_number number;

	for (const char **text = (const char *[]){ "t", "true", "TRUE", " tr ", "y", "yes", "on", "1", NULL }; *text; text++) {
		assert_int_equal(cell_read(TYPE_BOOL, *text, &number, &err), 0);
		assert_int_equal(number.integer, 1);
	}
	for (const char **text = (const char *[]){ "f", "false", "n", "no", "of", "off", "0", NULL }; *text; text++) {
		assert_int_equal(cell_read(TYPE_BOOL, *text, &number, &err), 0);
		assert_int_equal(number.integer, 0);
	}
	for (const char **text = (const char *[]){ "", "o", "2", "truex", "10", NULL }; *text; text++)
		assert_int_equal(cell_read(TYPE_BOOL, *text, &number, &err), ERR_INVALID_TEXT);
}

static void test_floats_are_printed_short(void **state)
{
	assert_string_equal(cell_float_text(0.1, &arena), "0.1");
	assert_string_equal(cell_float_text(2, &arena), "2");
	assert_string_equal(cell_float_text(1.0 / 3, &arena), "0.3333333333333333");
	assert_string_equal(cell_float_text(-1e300 * 1e10, &arena), "-Infinity");
}

static void test_floats_are_read(void **state)
{
	struct cell_number number;

	assert_int_equal(cell_read(TYPE_FLOAT8, "1.5e2", &number, &err), 0);
	assert_true(number.real == 150);
	assert_int_equal(cell_read(TYPE_FLOAT8, "0x10", &number, &err), ERR_INVALID_TEXT);
	assert_int_equal(cell_read(TYPE_FLOAT8, "1e999", &number, &err), ERR_OUT_OF_RANGE);
}

static void test_times_are_printed_in_utc(void **state)
{
	assert_string_equal(cell_time_text(0, &arena), "1970-01-01 00:00:00+00");
	assert_string_equal(cell_time_text(1714564800500000, &arena), "2024-05-01 12:00:00.5+00");
	assert_string_equal(cell_time_text(-1, &arena), "1969-12-31 23:59:59.999999+00");
}

static void assert_binary(uint32_t type, const char *bytes, size_t size, const char *expected)
{
	const char *text;

	assert_int_equal(cell_from_binary(type, slice_make(bytes, size), &arena, &text, &err), 0);
	assert_string_equal(text, expected);
}

static void test_binary_parameters_become_text(void **state)
{
	const char *text;

	assert_binary(OID_BOOL, "\1", 1, "true");
	assert_binary(OID_INT2, "\xff\xfe", 2, "-2");
	assert_binary(OID_INT4, "\0\0\1\0", 4, "256");
	assert_binary(OID_INT8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "-1");
	assert_binary(OID_OID, "\xff\xff\xff\xff", 4, "4294967295");
	assert_binary(OID_FLOAT8, "\x3f\xf8\0\0\0\0\0\0", 8, "1.5");
	assert_binary(OID_TEXT, "abc", 3, "abc");
	assert_int_equal(cell_from_binary(OID_INT4, slice_make("\0", 1), &arena, &text, &err), ERR_INVALID_TEXT);
	assert_int_equal(cell_from_binary(OID_TEXT, slice_make("a\0b", 3), &arena, &text, &err), ERR_INVALID_TEXT);
	assert_int_equal(cell_from_binary(OID_UUID, slice_make("0123456789abcdef", 16), &arena, &text, &err), ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_numbers_are_read_as_postgresql_reads_them),
		cmocka_unit_test(test_booleans_have_many_names),
		cmocka_unit_test(test_floats_are_printed_short),
		cmocka_unit_test(test_floats_are_read),
		cmocka_unit_test(test_times_are_printed_in_utc),
		cmocka_unit_test(test_binary_parameters_become_text),
	};

	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}

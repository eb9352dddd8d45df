#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <gnu/libc-version.h>
#include <stdio.h>

#include "base/arena.h"
#include "route/numeric.h"
#include "route/value.h"
#include "value_golden.h"

static struct arena arena;

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

static struct slice from_hex(const char *hex, size_t size)
{
	char *bytes = arena_alloc(&arena, size / 2 + 1);

	for (size_t i = 0; i < size / 2; i++) {
		unsigned byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		bytes[i] = (char)byte;
	}
	return slice_make(bytes, size / 2);
}

static int sign(int number)
{
	return (number > 0) - (number < 0);
}

static void orders_every_type_as_postgresql_does(void **state)
{
	size_t count = sizeof(golden_values) / sizeof(golden_values[0]);
	struct slice *values = arena_alloc(&arena, count * sizeof(*values));

	for (size_t i = 0; i < count; i++) {
		values[i] = from_hex(golden_values[i].wire, strlen(golden_values[i].wire));
		assert_true(value_orderable(golden_values[i].type));
		assert_true(value_valid(golden_values[i].type, values[i]));
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			uint32_t type = golden_values[i].type;
			int wanted = sign(golden_values[i].place - golden_values[j].place);

			if (golden_values[j].type != type)
				continue;
			if (sign(value_compare(type, collation_bytes(), values[i], values[j])) != wanted)
				fail_msg("type %u: %s against %s should give %d", type, golden_values[i].wire, golden_values[j].wire, wanted);
			assert_int_equal(value_equal(type, values[i], values[j]), wanted == 0);
		}
	}
}

static void orders_text_by_locale_as_postgresql_does(void **state)
{
	size_t count = sizeof(golden_texts) / sizeof(golden_texts[0]);
	struct slice *texts = arena_alloc(&arena, count * sizeof(*texts));
	const struct collation *collation;

	if (strcmp(gnu_get_libc_version(), "2.36") != 0 || collation_get("en_US.utf8", &collation, NULL) < 0)
		skip();
	for (size_t i = 0; i < count; i++)
		texts[i] = from_hex(golden_texts[i].text, strlen(golden_texts[i].text));
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			assert_int_equal(sign(value_compare(OID_TEXT, collation, texts[i], texts[j])),
					 sign(golden_texts[i].place - golden_texts[j].place));
}

static void locales_are_found_once_or_refused(void **state)
{
	const struct collation *first, *second;
	struct err err = { 0 };

	assert_int_equal(collation_get("C", &first, &err), 0);
	assert_int_equal(collation_get("POSIX", &second, &err), 0);
	assert_ptr_equal(first, second);
	assert_int_equal(collation_get("C.UTF-8", &second, &err), 0);
	assert_ptr_equal(first, second);
	assert_int_equal(collation_get("xx_YY.klingon", &first, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "xx_YY.klingon"));
}

static void malformed_values_are_not_valid(void **state)
{
	assert_false(value_valid(OID_INT4, SLICE_LIT("\0\0\0")));
	assert_false(value_valid(OID_UUID, SLICE_LIT("short")));
	assert_false(value_valid(OID_NUMERIC, SLICE_LIT("")));
	assert_false(value_valid(OID_NUMERIC, SLICE_LIT("\0\1\0\0\0\0\0\0")));                 /* a digit is missing */
	assert_false(value_valid(OID_NUMERIC, SLICE_LIT("\0\1\0\0\0\0\0\0\x27\x10")));         /* 10000 is no digit */
	assert_false(value_valid(OID_NUMERIC, SLICE_LIT("\xff\xff\0\0\0\0\0\0")));
	assert_false(value_valid(OID_NUMERIC, SLICE_LIT("\0\0\0\0\x12\x34\0\0")));
	assert_true(value_valid(OID_NUMERIC, SLICE_LIT("\0\1\0\0\0\0\0\0\x27\x0f")));
	assert_false(value_valid(OID_JSON, SLICE_LIT("{}")));
}

static void check_print(const struct numeric_sum *sum, int64_t count, const char *text, const char *wire, const struct golden_sum *golden)
{
	struct slice bytes = from_hex(wire, strlen(wire));
	struct buf out;

	buf_init(&out, 1 << 20);
	for (int format = 0; format <= 1; format++) {
		struct err err = { 0 };
		int code;

		buf_clear(&out);
		code = count ? numeric_sum_divide(sum, count, format, &out, &err) : numeric_sum_print(sum, format, &out, &err);
		assert_int_equal(code, 0);
		if (format == 0 && text[0] && !slice_is(buf_slice(&out), text))
			fail_msg("inputs %s: %.*s instead of %s", golden->inputs, SLICE_FMT(buf_slice(&out)), text);
		if (format == 1 && !slice_eq(buf_slice(&out), bytes))
			fail_msg("inputs %s: wrong bytes for %s (%s)", golden->inputs, wire, text);
	}
	buf_release(&out);
}

static void sums_and_averages_are_postgresqls(void **state)
{
	struct numeric_sum sum;

	numeric_sum_init(&sum);
	for (size_t i = 0; i < sizeof(golden_sums) / sizeof(golden_sums[0]); i++) {
		const struct golden_sum *golden = &golden_sums[i];
		int64_t count = 0;

		numeric_sum_clear(&sum);
		for (const char *at = golden->inputs; *at; at += strspn(at, " ")) {
			size_t size = strcspn(at, " ");
			struct slice wire = from_hex(at, size);

			assert_true(numeric_valid(wire));
			numeric_sum_add(&sum, wire);
			count++;
			at += size;
		}
		check_print(&sum, 0, golden->sum_text, golden->sum, golden);
		check_print(&sum, count, golden->average_text, golden->average, golden);
	}
	numeric_sum_release(&sum);
}

static void averages_of_integers_are_postgresqls(void **state)
{
	/* SELECT avg(v) FROM (VALUES (9223372036854775807), (-1), (5)) t(v), and of (-9223372036854775808), (-1) */
	static const struct { int64_t inputs[3]; int64_t count; const char *text; } cases[] = {
		{ { INT64_MAX, -1, 5 }, 3, "3074457345618258604" },
		{ { INT64_MIN, -1 }, 2, "-4611686018427387905" },
		{ { 1, 2, 2 }, 3, "1.6666666666666667" },
		{ { 0, 0, 0 }, 3, "0.00000000000000000000" },
	};
	struct numeric_sum sum;
	struct buf out;

	numeric_sum_init(&sum);
	buf_init(&out, 1 << 10);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		numeric_sum_clear(&sum);
		buf_clear(&out);
		for (int64_t j = 0; j < cases[i].count; j++)
			numeric_sum_add_int8(&sum, cases[i].inputs[j]);
		assert_int_equal(numeric_sum_divide(&sum, cases[i].count, 0, &out, NULL), 0);
		buf_add_u8(&out, 0);
		assert_string_equal(out.data, cases[i].text);
	}
	buf_release(&out);
	numeric_sum_release(&sum);
}

static void a_sum_beyond_numeric_is_an_error(void **state)
{
	/* 9999 with weight 32767, twice: the sum needs weight 32768. */
	struct slice huge = SLICE_LIT("\0\1\x7f\xff\0\0\0\0\x27\x0f");
	struct numeric_sum sum;
	struct err err = { 0 };
	struct buf out;

	numeric_sum_init(&sum);
	buf_init(&out, 1 << 20);
	numeric_sum_add(&sum, huge);
	assert_int_equal(numeric_sum_print(&sum, 1, &out, &err), 0);
	assert_true(slice_eq(buf_slice(&out), huge));
	numeric_sum_add(&sum, huge);
	assert_int_equal(numeric_sum_print(&sum, 1, &out, &err), ERR_OUT_OF_RANGE);
	assert_int_equal(numeric_sum_print(&sum, 0, &out, &err), ERR_OUT_OF_RANGE);
	assert_string_equal(err.sqlstate, "22003");
	buf_release(&out);
	numeric_sum_release(&sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_every_type_as_postgresql_does),
		cmocka_unit_test(orders_text_by_locale_as_postgresql_does),
		cmocka_unit_test(locales_are_found_once_or_refused),
		cmocka_unit_test(malformed_values_are_not_valid),
		cmocka_unit_test(sums_and_averages_are_postgresqls),
		cmocka_unit_test(averages_of_integers_are_postgresqls),
		cmocka_unit_test(a_sum_beyond_numeric_is_an_error),
	};

	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}

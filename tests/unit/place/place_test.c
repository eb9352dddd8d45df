#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <endian.h>
#include <stdio.h>

#include "base/arena.h"
#include "hash_golden.h"
#include "place/hash.h"
#include "place/place.h"

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

static struct slice from_hex(const char *hex)
{
	size_t size = strlen(hex) / 2;
	char *bytes = arena_alloc(&arena, size + 1);

	for (size_t i = 0; i < size; i++) {
		unsigned byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		bytes[i] = (char)byte;
	}
	return slice_make(bytes, size);
}

static struct slice wire_of(int64_t value, size_t size)
{
	uint64_t wire = htobe64((uint64_t)value);

	return arena_slice(&arena, slice_make((const char *)&wire + 8 - size, size));
}

static void hashes_every_type_as_postgresql_does(void **state)
{
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		struct slice text = from_hex(golden[i].text_hex);
		struct err err = { 0 };
		struct key key;

		if (key_from_text(golden[i].type, text, &arena, &key, &err) < 0)
			fail_msg("row %zu \"%.*s\": %s", i, SLICE_FMT(text), err.message);
		if ((int64_t)key_hash(&key) != golden[i].hash)
			fail_msg("row %zu type %u \"%.*s\": %lld, PostgreSQL has %lld", i, golden[i].type, SLICE_FMT(text),
				 (long long)key_hash(&key), (long long)golden[i].hash);
	}
}

static void hashes_do_not_depend_on_alignment(void **state)
{
	char bytes[80];
	uint64_t hash;

	for (size_t i = 0; i < 64; i++)
		bytes[i] = (char)(i * 37);
	hash = hash_bytes_extended(bytes, 64, 0);
	for (size_t shift = 1; shift < 16; shift++) {
		char moved[80];

		memcpy(moved + shift, bytes, 64);
		assert_int_equal(hash_bytes_extended(moved + shift, 64, 0), hash);
	}
}

static void seeds_change_the_hash_as_postgresql_has_it(void **state)
{
	/* SELECT hashint8extended(42, 7), hashtextextended('nanu', 123456789012345) */
	assert_int_equal((int64_t)hash_int8_extended(42, 7), INT64_C(3069212791777980624));
	assert_int_equal((int64_t)hash_bytes_extended("nanu", 4, UINT64_C(123456789012345)), INT64_C(3482356075245821432));
}

static int code_of(uint32_t type, const char *text)
{
	struct key key;

	return key_from_text(type, slice_of(text), &arena, &key, NULL);
}

static int64_t integer_of(uint32_t type, const char *text)
{
	struct key key;

	assert_int_equal(key_from_text(type, slice_of(text), &arena, &key, NULL), 0);
	return key.integer;
}

static void integers_are_read_by_postgresqls_rules(void **state)
{
	assert_int_equal(integer_of(OID_INT4, "  +42\t\n"), 42);
	assert_int_equal(integer_of(OID_INT2, "-32768"), INT16_MIN);
	assert_int_equal(integer_of(OID_INT8, "-9223372036854775808"), INT64_MIN);
	assert_int_equal(integer_of(OID_INT8, "0009223372036854775807"), INT64_MAX);
	assert_int_equal(code_of(OID_INT2, "32768"), ERR_OUT_OF_RANGE);
	assert_int_equal(code_of(OID_INT4, "2147483648"), ERR_OUT_OF_RANGE);
	assert_int_equal(code_of(OID_INT8, "9223372036854775808"), ERR_OUT_OF_RANGE);
	assert_int_equal(code_of(OID_INT8, "-99999999999999999999999999999999999999999999999999999999999"), ERR_OUT_OF_RANGE);
	for (const char **bad = (const char *[]){ "", " ", "-", "+-1", "1.0", "1e3", "0x10", "1_000", "1 2", "- 1", NULL }; *bad; bad++)
		assert_int_equal(code_of(OID_INT4, *bad), ERR_INVALID_TEXT);
}

static void uuids_are_read_by_postgresqls_rules(void **state)
{
	for (const char **good = (const char *[]){ "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}",
						   "a0eebc999c0b4ef8bb6d6bb9bd380a11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
						   "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", NULL }; *good; good++) {
		struct key key;

		assert_int_equal(key_from_text(OID_UUID, slice_of(*good), &arena, &key, NULL), 0);
		assert_memory_equal(key.bytes.data, "\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11", 16);
	}
	for (const char **bad = (const char *[]){ "", "{", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
						  "a0-eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
						  " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11",
						  "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", NULL }; *bad; bad++)
		assert_int_equal(code_of(OID_UUID, *bad), ERR_INVALID_TEXT);
}

static void bytea_is_read_from_its_hex_form_only(void **state)
{
	struct key key;

	assert_int_equal(key_from_text(OID_BYTEA, slice_of("\\xDE ad\nBe\tEF"), &arena, &key, NULL), 0);
	assert_true(slice_is(key.bytes, "\xde\xad\xbe\xef"));
	assert_int_equal(code_of(OID_BYTEA, "\\x"), 0);
	assert_int_equal(code_of(OID_BYTEA, "\\xa"), ERR_INVALID_TEXT);
	assert_int_equal(code_of(OID_BYTEA, "\\xa b"), ERR_INVALID_TEXT);
	assert_int_equal(code_of(OID_BYTEA, "\\001"), ERR_UNSUPPORTED);
	assert_int_equal(code_of(OID_BYTEA, ""), ERR_UNSUPPORTED);
}

static void times_that_depend_on_settings_are_left_to_postgresql(void **state)
{
	for (const char **other = (const char *[]){ "2024-1-02", "01/02/2024", "2024-02-30", "2023-02-29", "20240102", "now", "infinity", "0000-01-01",
						    "2024-01-02 BC", "12024-01-02", "2024-01-02 ", NULL }; *other; other++)
		assert_int_equal(code_of(OID_DATE, *other), ERR_UNSUPPORTED);
	for (const char **other = (const char *[]){ "2024-01-02 24:00:00", "2024-01-02 10:00:60", "2024-01-02 10:00:00.1234567", "2024-01-02 10",
						    "2024-01-02 10:00:00.", "2024-01-02 10:00:00+00", NULL }; *other; other++)
		assert_int_equal(code_of(OID_TIMESTAMP, *other), ERR_UNSUPPORTED);
	assert_int_equal(code_of(OID_TIMESTAMPTZ, "2024-01-02 10:00:00"), ERR_UNSUPPORTED);
	assert_int_equal(code_of(OID_TIMESTAMPTZ, "2024-01-02 10:00:00+16"), ERR_UNSUPPORTED);
	assert_int_equal(code_of(OID_TIMESTAMPTZ, "2024-01-02"), ERR_UNSUPPORTED);
	assert_int_equal(integer_of(OID_DATE, "2000-01-01"), 0);
	assert_int_equal(integer_of(OID_DATE, "2000-03-01"), 60);
	assert_int_equal(integer_of(OID_TIMESTAMP, "2000-01-01T00:00:01.5"), 1500000);
	assert_int_equal(integer_of(OID_TIMESTAMPTZ, "2000-01-01 00:00-01"), 3600 * INT64_C(1000000));
}

static void binary_and_text_make_the_same_key(void **state)
{
	struct key key;

	assert_int_equal(key_from_binary(OID_INT8, OID_INT2, wire_of(-7, 2), &arena, &key, NULL), 0);
	assert_int_equal(key.integer, -7);
	assert_int_equal(key_from_binary(OID_INT4, OID_INT8, wire_of(INT64_MIN, 8), &arena, &key, NULL), 0);
	assert_int_equal(key.integer, INT64_MIN);
	assert_int_equal(key_from_binary(OID_BPCHAR, OID_TEXT, SLICE_LIT("ab  "), &arena, &key, NULL), 0);
	assert_true(slice_is(key.bytes, "ab"));
	assert_int_equal(key_from_binary(OID_TEXT, OID_VARCHAR, SLICE_LIT("ab  "), &arena, &key, NULL), 0);
	assert_true(slice_is(key.bytes, "ab  "));
	assert_int_equal(key_from_binary(OID_DATE, OID_DATE, wire_of(-1, 4), &arena, &key, NULL), 0);
	assert_int_equal(key.integer, -1);
}

static void binary_of_another_family_or_size_is_refused(void **state)
{
	struct key key;

	assert_int_equal(key_from_binary(OID_INT4, OID_NUMERIC, wire_of(1, 8), &arena, &key, NULL), ERR_UNSUPPORTED);
	assert_int_equal(key_from_binary(OID_VARCHAR, OID_BPCHAR, SLICE_LIT("a"), &arena, &key, NULL), ERR_UNSUPPORTED);
	assert_int_equal(key_from_binary(OID_TIMESTAMP, OID_TIMESTAMPTZ, wire_of(1, 8), &arena, &key, NULL), ERR_UNSUPPORTED);
	assert_int_equal(key_from_binary(OID_NUMERIC, OID_NUMERIC, wire_of(1, 8), &arena, &key, NULL), ERR_UNSUPPORTED);
	assert_int_equal(key_from_binary(OID_INT4, OID_INT4, wire_of(1, 8), &arena, &key, NULL), ERR_INVALID_TEXT);
	assert_int_equal(key_from_binary(OID_UUID, OID_UUID, wire_of(1, 8), &arena, &key, NULL), ERR_INVALID_TEXT);
}

static void storing_into_varchar_cuts_blanks_as_postgresql_does(void **state)
{
	struct key key = { .kind = KEY_TEXT, .bytes = SLICE_LIT("나누  ") };

	key_assign(OID_VARCHAR, -1, &key);
	assert_true(slice_is(key.bytes, "나누  "));
	key_assign(OID_VARCHAR, 4 + 3, &key);
	assert_true(slice_is(key.bytes, "나누 "));
	key_assign(OID_VARCHAR, 4 + 1, &key);
	assert_true(slice_is(key.bytes, "나누 "));              /* the node refuses this one */
	key_assign(OID_VARCHAR, 4 + 2, &key);
	assert_true(slice_is(key.bytes, "나누"));
}

static void slices_cover_the_whole_hash_space_evenly(void **state)
{
	for (size_t count = 1; count <= 64; count++) {
		const struct placement *placement = placement_hash(&arena, count);

		assert_int_equal(placement->slice_count, count);
		assert_int_equal(placement->bounds[0], INT64_MIN);
		for (size_t i = 1; i < count; i++) {
			uint64_t width = (uint64_t)placement->bounds[i] - (uint64_t)placement->bounds[i - 1];

			assert_true(placement->bounds[i] > placement->bounds[i - 1]);
			assert_true(width == UINT64_MAX / count || width == UINT64_MAX / count + 1);
		}
	}
}

static void a_key_lands_in_the_slice_that_holds_its_hash(void **state)
{
	for (size_t count = 1; count <= 64; count++) {
		const struct placement *placement = placement_hash(&arena, count);

		for (int64_t value = -100; value < 100; value++) {
			struct key key = { .kind = KEY_INT, .integer = value * 7919 };
			int64_t hash = (int64_t)key_hash(&key);
			size_t slice = count - 1;

			while (placement->bounds[slice] > hash)
				slice--;
			assert_int_equal(placement_shard(placement, &key), placement->shards[slice]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_every_type_as_postgresql_does),
		cmocka_unit_test(hashes_do_not_depend_on_alignment),
		cmocka_unit_test(seeds_change_the_hash_as_postgresql_has_it),
		cmocka_unit_test(integers_are_read_by_postgresqls_rules),
		cmocka_unit_test(uuids_are_read_by_postgresqls_rules),
		cmocka_unit_test(bytea_is_read_from_its_hex_form_only),
		cmocka_unit_test(times_that_depend_on_settings_are_left_to_postgresql),
		cmocka_unit_test(binary_and_text_make_the_same_key),
		cmocka_unit_test(binary_of_another_family_or_size_is_refused),
		cmocka_unit_test(storing_into_varchar_cuts_blanks_as_postgresql_does),
		cmocka_unit_test(slices_cover_the_whole_hash_space_evenly),
		cmocka_unit_test(a_key_lands_in_the_slice_that_holds_its_hash),
	};

	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}

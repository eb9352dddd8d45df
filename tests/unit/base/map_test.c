#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/map.h"

enum { KEYS = 500, STEPS = 200000 };

static uint64_t seed = 1;

static uint32_t roll(uint32_t sides)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % sides;
}

/* Keys of many sizes, some the beginning of others, with zeros in them; the first is empty. */
static struct slice key_of(size_t i, char *room)
{
	memset(room, (int)(i % 3), 64);
	memcpy(room, &i, sizeof(i));
	return slice_make(room, i == 0 ? 0 : 2 + i % 40);
}

static void check_all(const struct map *map, char *const model[])
{
	size_t position = 0, seen = 0, expected = 0;
	struct slice key;
	void *value;
	char room[64];

	while (map_next(map, &position, &key, &value)) {
		size_t i = (size_t)((char **)value - (char **)(uintptr_t)model);

		assert_true(i < KEYS);
		assert_non_null(model[i]);
		assert_true(slice_eq(key, key_of(i, room)));
		seen++;
	}
	for (size_t i = 0; i < KEYS; i++) {
		expected += model[i] != NULL;
		assert_ptr_equal(map_get(map, key_of(i, room)), model[i]);
	}
	assert_int_equal(seen, expected);
	assert_int_equal(map->count, expected);
}

/* The value of key i is the address of its place in the model. */
static void it_does_what_a_table_of_all_keys_does(void **state)
{
	static char *model[KEYS];
	struct map map = { 0 };
	char room[64];

	for (int step = 0; step < STEPS; step++) {
		/* Mostly growing for a while, then mostly shrinking. */
		bool setting = roll(10) < (step / 5000 % 2 ? 3u : 7u);
		size_t i = roll(KEYS);
		struct slice key = key_of(i, room);

		if (setting) {
			assert_ptr_equal(map_set(&map, key, &model[i]), model[i]);
			model[i] = (char *)&model[i];
		} else {
			assert_ptr_equal(map_remove(&map, key), model[i]);
			model[i] = NULL;
		}
		if (step % 997 == 0)
			check_all(&map, model);
	}
	check_all(&map, model);
	map_release(&map);
	assert_int_equal(map.count, 0);
}

static void an_empty_map_is_zeros(void **state)
{
	struct map map = { 0 };
	struct slice key;
	size_t position = 0;
	void *value;

	assert_null(map_get(&map, SLICE_LIT("a")));
	assert_null(map_remove(&map, SLICE_LIT("a")));
	assert_false(map_next(&map, &position, &key, &value));
	map_release(&map);
}

static void keys_are_copied(void **state)
{
	struct map map = { 0 };
	char key[] = "abc";
	int value;

	map_set(&map, slice_of(key), &value);
	key[0] = 'x';
	assert_ptr_equal(map_get(&map, SLICE_LIT("abc")), &value);
	assert_null(map_get(&map, slice_of(key)));
	map_release(&map);
}

/* A full table with every key removed in the order in which it came: each removal closes gaps over the table's end too. */
static void removal_leaves_every_other_key_reachable(void **state)
{
	enum { COUNT = 3000 };
	struct map map = { 0 };
	static int values[COUNT];

	for (int i = 0; i < COUNT; i++)
		map_set(&map, slice_make(&i, sizeof(i)), &values[i]);
	for (int i = 0; i < COUNT; i++) {
		assert_ptr_equal(map_remove(&map, slice_make(&i, sizeof(i))), &values[i]);
		for (int j = i + 1; j < COUNT; j += 1 + (int)roll(100))
			assert_ptr_equal(map_get(&map, slice_make(&j, sizeof(j))), &values[j]);
	}
	assert_int_equal(map.count, 0);
	map_release(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_does_what_a_table_of_all_keys_does),
		cmocka_unit_test(an_empty_map_is_zeros),
		cmocka_unit_test(keys_are_copied),
		cmocka_unit_test(removal_leaves_every_other_key_reachable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

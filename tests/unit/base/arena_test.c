#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"

enum { BLOCK_SIZE = 4096 };

static void allocations_are_aligned_and_apart(void **state)
{
	struct arena arena;
	char *last = NULL;
	size_t last_size = 0;

	arena_init(&arena, BLOCK_SIZE);
	for (size_t size = 0; size < 300; size++) {
		char *memory = arena_alloc(&arena, size);

		assert_int_equal((uintptr_t)memory % 16, 0);
		memset(memory, (int)size, size);
		for (size_t i = 0; i < last_size; i++)
			assert_int_equal((unsigned char)last[i], (unsigned char)last_size);
		last = memory;
		last_size = size;
	}
	arena_release(&arena);
}

static void more_than_a_block_fits(void **state)
{
	struct arena arena;
	char *huge, *small;

	arena_init(&arena, BLOCK_SIZE);
	small = arena_strdup(&arena, "small");
	huge = arena_alloc(&arena, BLOCK_SIZE * 10);
	memset(huge, 'x', BLOCK_SIZE * 10);
	assert_string_equal(small, "small");
	assert_true(arena.used_bytes >= BLOCK_SIZE * 10 + 6);
	arena_release(&arena);
	assert_int_equal(arena.used_bytes, 0);
}

static void a_reset_keeps_the_first_block(void **state)
{
	struct arena arena;
	void *first;

	arena_init(&arena, BLOCK_SIZE);
	first = arena_alloc(&arena, 16);
	for (int i = 0; i < 100; i++)
		arena_alloc(&arena, BLOCK_SIZE / 2);
	arena_reset(&arena);
	assert_int_equal(arena.used_bytes, 0);
	assert_ptr_equal(arena_alloc(&arena, 16), first);
	arena_release(&arena);
}

static void a_reset_gives_an_oversized_block_back(void **state)
{
	struct arena arena;

	arena_init(&arena, BLOCK_SIZE);
	arena_reset(&arena);                    /* of nothing */
	arena_alloc(&arena, BLOCK_SIZE * 100);
	arena_reset(&arena);
	assert_null(arena.blocks);
	assert_non_null(arena_alloc(&arena, 1));
	arena_release(&arena);
	arena_release(&arena);
}

static void copies_end_in_a_zero(void **state)
{
	struct arena arena;
	struct slice copy;
	char *zeros;

	arena_init(&arena, BLOCK_SIZE);
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&arena, NULL, 0), "");
	copy = arena_slice(&arena, slice_make("a\0b--", 3));
	assert_int_equal(copy.size, 3);
	assert_memory_equal(copy.data, "a\0b\0", 4);
	assert_string_equal(arena_printf(&arena, "%s-%d", "x", 42), "x-42");
	zeros = arena_calloc(&arena, 5, 3);
	for (int i = 0; i < 15; i++)
		assert_int_equal(zeros[i], 0);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations_are_aligned_and_apart),
		cmocka_unit_test(more_than_a_block_fits),
		cmocka_unit_test(a_reset_keeps_the_first_block),
		cmocka_unit_test(a_reset_gives_an_oversized_block_back),
		cmocka_unit_test(copies_end_in_a_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

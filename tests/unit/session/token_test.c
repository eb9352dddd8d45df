#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "session/token.h"

static const uint8_t key[TOKEN_KEY_SIZE] = "of this store", other_key[TOKEN_KEY_SIZE] = "of another store";

static struct token make(size_t count)
{
	struct token token = { .count = count };

	for (size_t i = 0; i < count; i++)
		token.positions[i] = (struct token_position){ UINT64_MAX - i, 1 + i, (uint32_t)i, UINT64_C(0xfedcba9876543210) + i };
	return token;
}

static void what_was_written_is_read_again(void **state)
{
	for (size_t count = 0; count <= SHARDS_MAX; count++) {
		struct token token = make(count), read;
		struct arena arena;

		arena_init(&arena, 4096);
		assert_int_equal(token_read(key, token_write(&arena, key, &token), &read, NULL), 0);
		assert_int_equal(read.count, count);
		assert_memory_equal(read.positions, token.positions, count * sizeof(token.positions[0]));
		arena_release(&arena);
	}
}

static void no_other_text_is_one(void **state)
{
	struct token token = make(3), read;
	struct arena arena;
	const char *text;
	char *changed;

	arena_init(&arena, 4096);
	text = token_write(&arena, key, &token);
	assert_true(token_read(other_key, text, &read, NULL) < 0);
	changed = arena_strdup(&arena, text);
	for (size_t i = 0; i < strlen(text) - 1; i++) {         /* of the last letter some bits mean nothing */
		for (const char *letter = "Ab9-_=+ "; *letter; letter++) {
			changed[i] = *letter;
			assert_true(*letter == text[i] || token_read(key, changed, &read, NULL) < 0);
		}
		changed[i] = 0;
		assert_true(token_read(key, changed, &read, NULL) < 0);
		changed[i] = text[i];
	}
	assert_true(token_read(key, arena_printf(&arena, "%sA", text), &read, NULL) < 0);
	changed = arena_alloc(&arena, 10001);
	memset(changed, 'A', 10000);
	changed[10000] = 0;
	assert_true(token_read(key, changed, &read, NULL) < 0);
	arena_release(&arena);
}

static void a_position_is_of_a_shard_on_its_servers(void **state)
{
	struct token token = { .count = 2, .positions = { { 7, 70, 1, 100 }, { 8, 70, 1, 200 } } };

	assert_int_equal(token_find(&token, 8, 70)->lsn, 200);
	assert_null(token_find(&token, 8, 71));
	assert_null(token_find(&token, 9, 70));
	assert_int_not_equal(token_shard("s1"), token_shard("s2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_again),
		cmocka_unit_test(no_other_text_is_one),
		cmocka_unit_test(a_position_is_of_a_shard_on_its_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

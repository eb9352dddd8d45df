#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "base/err.h"

static const int codes[] = {
#define X(name, sqlstate, text, retryable) name,
	ERR_TABLE(X)
#undef X
};

static void every_code_has_its_row(void **state)
{
	static const char *const names[] = {
#define X(name, sqlstate, text, retryable) #name,
		ERR_TABLE(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const char *sqlstate = err_code_sqlstate(codes[i]);

		assert_true(codes[i] < 0);
		assert_string_equal(err_code_name(codes[i]), names[i]);
		assert_int_equal(strlen(sqlstate), 5);
		for (int j = 0; j < 5; j++)
			assert_true(isdigit((unsigned char)sqlstate[j]) || isupper((unsigned char)sqlstate[j]));
		assert_true(strlen(err_code_text(codes[i])) > 0);
	}
	assert_true(err_code_retryable(ERR_CONFLICT));
	assert_false(err_code_retryable(ERR_UNKNOWN_OUTCOME));
}

static void an_unknown_code_is_an_internal_error(void **state)
{
	static const int unknown[] = { 0, 1, -1, ERR_TABLE_START_, INT32_MIN, INT32_MAX };

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_string_equal(err_code_name(unknown[i]), "ERR_INTERNAL");
}

static void the_record_is_filled_and_the_code_returned(void **state)
{
	struct err err;

	memset(&err, 'x', sizeof(err));
	assert_int_equal(err_set(&err, ERR_LIMIT, "more than %d", 5), ERR_LIMIT);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(err.sqlstate, "54000");
	assert_string_equal(err.message, "more than 5");
	assert_string_equal(err.detail, "");
	assert_string_equal(err.hint, "");
	err_detail(&err, "%s", "d");
	err_hint(&err, "%s", "h");
	err_sqlstate(&err, "53300");
	assert_string_equal(err.detail, "d");
	assert_string_equal(err.hint, "h");
	assert_string_equal(err.sqlstate, "53300");
}

static void without_a_record_the_code_travels_alone(void **state)
{
	assert_int_equal(err_set(NULL, ERR_IO, "x"), ERR_IO);
	err_detail(NULL, "x");
	err_hint(NULL, "x");
	err_sqlstate(NULL, "00000");
}

/* A client in UTF8 refuses a message that ends in half a character. */
static void long_text_is_cut_between_characters(void **state)
{
	static const char *const characters[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
	char text[2000];
	struct err err;

	for (size_t size = 1; size <= 4; size++) {
		for (size_t before = 0; before < size; before++) {
			size_t used = before;

			memset(text, 'x', before);
			while (used + size < sizeof(text) - 1) {
				memcpy(text + used, characters[size - 1], size);
				used += size;
			}
			text[used] = '\0';
			err_set(&err, ERR_SYNTAX, "%s", text);
			err_detail(&err, "%s", text);
			assert_int_equal(strlen(err.message), before + (sizeof(err.message) - 1 - before) / size * size);
			assert_memory_equal(err.message, text, strlen(err.message));
			assert_int_equal((strlen(err.detail) - before) % size, 0);
		}
	}
	memset(text, 0x80, sizeof(text));       /* no UTF-8 at all: kept as it is */
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_SYNTAX, "%s", text);
	assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_its_row),
		cmocka_unit_test(an_unknown_code_is_an_internal_error),
		cmocka_unit_test(the_record_is_filled_and_the_code_returned),
		cmocka_unit_test(without_a_record_the_code_travels_alone),
		cmocka_unit_test(long_text_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

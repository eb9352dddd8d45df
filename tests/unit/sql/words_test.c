/* Every word of the table is found, in any case, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include "sql/words.h"

static enum word find(const struct words *words, const char *text, bool exact)
{
	return words_find(words, text, strlen(text), strlen(text), exact);
}

static void every_word_is_found_in_any_case(void **state)
{
	struct words words;
	char upper[64];

	words_init(&words);
	for (int i = 1; i < W_COUNT_; i++) {
		const char *text = word_text((enum word)i);

		assert_int_equal(find(&words, text, false), i);
		assert_int_equal(find(&words, text, true), i);
		for (size_t k = 0; k <= strlen(text); k++)
			upper[k] = (char)(text[k] >= 'a' && text[k] <= 'z' ? text[k] - 0x20 : text[k]);
		assert_int_equal(find(&words, upper, false), i);
		assert_int_equal(find(&words, upper, true), W_UNKNOWN_);
	}
}

static void other_names_are_not_found(void **state)
{
	static const char *const names[] = { "", "selec", "selects", "id", "x", "current_timestamp_", "a_very_long_name_of_a_column_indeed", "sel\xc3" };
	struct words words;

	words_init(&words);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(find(&words, names[i], false), W_UNKNOWN_);
	/* what stands behind the word does not count */
	assert_int_equal(words_find(&words, "selectx", 6, 7, false), W_SELECT);
	assert_int_equal(words_find(&words, "in (1, 2)", 2, 9, false), W_IN);
}

static void categories_are_postgresqls(void **state)
{
	for (int i = 1; i < W_COUNT_; i++) {
		PgQueryScanResult result = pg_query_scan(word_text((enum word)i));
		PgQuery__ScanResult *scan = pg_query__scan_result__unpack(NULL, result.pbuf.len, (const uint8_t *)result.pbuf.data);

		/* both count from "no keyword" over unreserved, column name and type or function name to reserved */
		assert_int_equal(scan->n_tokens, 1);
		assert_int_equal(word_category((enum word)i), scan->tokens[0]->keyword_kind);
		pg_query__scan_result__free_unpacked(scan, NULL);
		pg_query_free_scan_result(result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_is_found_in_any_case),
		cmocka_unit_test(other_names_are_not_found),
		cmocka_unit_test(categories_are_postgresqls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which texts are twins, and that their fingerprint is what scanning them makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "sql/fingerprint.h"
#include "sql/twins.h"

static const struct fingerprint *read_anew(struct fingerprinter *fingerprinter, const char *sql)
{
	const struct fingerprint *fingerprint;

	assert_int_equal(fingerprint_make(fingerprinter, slice_of(sql), true, &fingerprint, NULL), 0);
	return fingerprint;
}

/* Whether the second text is known by the first; and if so, that nothing is different about it. */
static bool are_twins(const char *first, const char *second)
{
	struct fingerprinter *fingerprinter = fingerprinter_new(false);
	struct twins *twins = twins_new();
	const struct fingerprint *found, *expected;
	bool known;

	twins_add(twins, slice_of(first), read_anew(fingerprinter, first));
	assert_non_null(twins_find(twins, slice_of(first), true));
	assert_null(twins_find(twins, slice_of(first), false));
	found = twins_find(twins, slice_of(second), true);
	known = found != NULL;
	if (known) {
		expected = read_anew(fingerprinter, second);
		assert_true(slice_eq(found->normal, expected->normal));
		assert_true(found->hash[0] == expected->hash[0] && found->hash[1] == expected->hash[1]);
		assert_int_equal(found->literal_count, expected->literal_count);
		assert_int_equal(found->slot_count, expected->slot_count);
		for (size_t i = 0; i < found->literal_count; i++) {
			assert_int_equal(found->literals[i].offset, expected->literals[i].offset);
			assert_int_equal(found->literals[i].size, expected->literals[i].size);
			assert_int_equal(found->literals[i].slot, expected->literals[i].slot);
			assert_int_equal(found->literals[i].class, expected->literals[i].class);
		}
	}
	twins_free(twins);
	fingerprinter_free(fingerprinter);
	return known;
}

static void integers_and_plain_strings_may_differ(void **state)
{
	assert_true(are_twins("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 123456789012345678"));
	assert_true(are_twins("SELECT a FROM t WHERE b = 1234;", "SELECT a FROM t WHERE b = 7;"));
	assert_true(are_twins("INSERT INTO t VALUES (1, 'a', -2)", "INSERT INTO t VALUES (100, '', -30)"));
	assert_false(are_twins("SELECT a FROM t1 WHERE b IN (1,2, 3) AND c='x'", "SELECT a FROM t1 WHERE b IN (10,200, 0) AND c='1''2'"));
	assert_true(are_twins("SELECT a FROM t1 WHERE b IN (1,2, 3) AND c='x'", "SELECT a FROM t1 WHERE b IN (10,200, 0) AND c='\xc3\xa9 -- /*'"));
	assert_true(are_twins("/* nanu: x=1 */ SELECT 1", "/* nanu: x=1 */ SELECT 22"));
	assert_true(are_twins("SELECT 1-2", "SELECT 11-22"));
	assert_true(are_twins("SELECT a FROM t WHERE b = $1 AND c = 5", "SELECT a FROM t WHERE b = $1 AND c = 66"));
	assert_true(are_twins("SELECT 'a', E'\\n', 1.5, 7", "SELECT 'abc', E'\\n', 1.5, 88"));
}

static void what_could_make_other_tokens_may_not(void **state)
{
	assert_false(are_twins("SELECT 1", "SELECT 1234567890123456789"));
	assert_false(are_twins("SELECT 1", "SELECT 1.5"));
	assert_false(are_twins("SELECT 1", "SELECT 1e5"));
	assert_false(are_twins("SELECT 1", "SELECT 1a"));
	assert_false(are_twins("SELECT 1 ", "SELECT  "));
	assert_false(are_twins("SELECT 1.5", "SELECT 2.5"));
	assert_false(are_twins("SELECT 'a'", "SELECT 'a\\'"));
	assert_false(are_twins("SELECT 'a'", "SELECT 'a''b'"));
	assert_false(are_twins("SELECT 'a'", "SELECT 'a'\n'b'"));
	assert_false(are_twins("SELECT E'a'", "SELECT E'b'"));
	assert_false(are_twins("SELECT $$a$$", "SELECT $$b$$"));
	assert_false(are_twins("SELECT 'a'", "SELECT 'b"));
	assert_false(are_twins("SELECT a FROM t ORDER BY 1", "SELECT a FROM t ORDER BY 2"));
	assert_false(are_twins("SELECT date '2024-01-01'", "SELECT date 'now'"));
	assert_false(are_twins("SELECT a FROM t1 WHERE b = 1", "SELECT a FROM t2 WHERE b = 1"));
	assert_false(are_twins("SELECT $1", "SELECT $2"));
	assert_false(are_twins("SELECT \"1\"", "SELECT \"2\""));
	assert_false(are_twins("SELECT 1 -- 2", "SELECT 1 -- 3"));
}

/* More statements than there is room for: each is still what it was, or unknown. */
static void many_statements_share_the_room(void **state)
{
	struct fingerprinter *remembering = fingerprinter_new(true), *other = fingerprinter_new(false);
	char sql[128];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2000; i++) {
			const struct fingerprint *found, *expected;

			snprintf(sql, sizeof(sql), "SELECT c%d FROM t WHERE a = %d AND b = '%d'", i % 700, i * round, i);
			found = read_anew(remembering, sql);
			expected = read_anew(other, sql);
			assert_true(slice_eq(found->normal, expected->normal));
			assert_int_equal(found->literals[1].offset, expected->literals[1].offset);
		}
	}
	fingerprinter_free(remembering);
	fingerprinter_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_and_plain_strings_may_differ),
		cmocka_unit_test(what_could_make_other_tokens_may_not),
		cmocka_unit_test(many_statements_share_the_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* No statement is so deep that parsing it exhausts the stack; no sane statement is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "sql/nesting.h"
#include "sql/shape.h"

/* `head`, `count` times `link`, `middle`, `count` times `tail`. */
static char *chain(const char *head, const char *link, const char *middle, const char *tail, size_t count)
{
	char *text = mem_alloc(strlen(head) + strlen(middle) + count * (strlen(link) + strlen(tail)) + 1), *at = stpcpy(text, head);

	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, link);
	at = stpcpy(at, middle);
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, tail);
	return text;
}

static const struct { const char *head, *link, *middle, *tail; } deep[] = {
	{ "select 1", "+1", "", "" },
	{ "select ", "- ", "1", "" },
	{ "select a", "::int", "", "" },
	{ "select a", "::int[]", "", "" },
	{ "select ", "not ", "a", "" },
	{ "select 1", " union select 1", "", "" },
	{ "select 1", " union all select 1 as end", "", "" },
	{ "select from t", " join t on true", "", "" },
	{ "select from t", " cross join t", "", "" },
	{ "select ", "(", "1", ")" },
	{ "select ", "f(", "1", ")" },
	{ "select ", "array[", "1", "]" },
	{ "select ", "(select ", "1", ")" },
	{ "select from ", "(select from ", "t", ") x" },
	{ "select ", "case when a then ", "1", " end" },
	{ "select ", "case when t.end then ", "1", " end" },
	{ "select ", "1+1+1+case when a then ", "1", " end" },
	{ "select ", "1+1+1+case when a and ", "b", " then 1 end" },
	{ "select ", "(a or 1+", "1", ")" },
	{ "select a", " collate \"C\"", "", "" },
	{ "select a", " at time zone b", "", "" },
	{ "select a", " || b", "", "" },
	{ "select a", " operator(pg_catalog.+) b", "", "" },
	{ "select a", " -> 'b'", "", "" },
	{ "select a", " in (1)", "", "" },
	{ "select ", "a in (", "1", ")" },
	{ "select ", "row(", "1", ")" },
	{ "select a = ", "any (array[a = ", "1", "])" },
	{ "with ", "a as (with ", "b as (select 1) select 1", ") select 1" },
	{ "values (", "(values (", "1", "))" , },
	{ "select ", "exists (select ", "1", ")" },
	{ "select ", "a is distinct from ( ", "1", ")" },
};

static void deep_statements_are_refused(void **state)
{
	struct arena arena;
	struct shapes shapes;
	struct err err;

	arena_init(&arena, 4096);
	for (size_t i = 0; i < sizeof(deep) / sizeof(deep[0]); i++) {
		char *text = chain(deep[i].head, deep[i].link, deep[i].middle, deep[i].tail, 200000);

		if (shape_parse(slice_of(text), NULL, &arena, &shapes, &err) != ERR_LIMIT)
			fail_msg("%s%s%s…: %s", deep[i].head, deep[i].link, deep[i].link, err.message);
		assert_string_equal(err.sqlstate, "54001");
		mem_free(text);
	}
	arena_release(&arena);
}

/* Just below the limit they are parsed, or found to be no SQL, on a stack of ordinary size. */
static void statements_below_the_limit_are_parsed(void **state)
{
	struct arena arena;
	struct shapes shapes;

	arena_init(&arena, 64 << 10);
	for (size_t i = 0; i < sizeof(deep) / sizeof(deep[0]); i++)
		for (size_t count = 64; count < 2 * NESTING_MAX; count += 97) {
			char *text = chain(deep[i].head, deep[i].link, deep[i].middle, deep[i].tail, count);
			int rc = shape_parse(slice_of(text), NULL, &arena, &shapes, NULL);

			if (rc == 0)
				assert_non_null(shape_describe(&shapes.items[0], &arena));
			arena_reset(&arena);
			mem_free(text);
		}
	arena_release(&arena);
}

static void long_lists_are_not_deep(void **state)
{
	static const struct { const char *head, *link, *tail; } flat[] = {
		{ "select 1", ", 1 + 2 * 3", "" },
		{ "select from t where a = 1", " or a = 1", "" },
		{ "select from t where a = 1", " and a not in (1) and b is not null", "" },
		{ "insert into t values (1, 'a')", ", (1, 'a'::text)", "" },
		{ "select a in (1", ", -1", ")" },
		{ "select case", " when a = 1 then 2", " end" },
		{ "select 1", ", case when a then b else c end", "" },
		{ "select 1", "; select 1 + 2", "" },
		{ "update t set a = 1", ", b = c + 1", "" },
	};

	for (size_t i = 0; i < sizeof(flat) / sizeof(flat[0]); i++) {
		char *text = chain(flat[i].head, flat[i].link, flat[i].tail, "", 5000);

		if (nesting_bound(slice_of(text), true) > 20)
			fail_msg("%s%s%s…", flat[i].head, flat[i].link, flat[i].link);
		mem_free(text);
	}
}

static void too_many_ctes_are_refused(void **state)
{
	char *text = chain("with a as (select 1)", ", a as (select 1)", " select 1", "", CTES_MAX);
	struct arena arena;
	struct shapes shapes;

	arena_init(&arena, 4096);
	assert_int_equal(shape_parse(slice_of(text), NULL, &arena, &shapes, NULL), ERR_LIMIT);
	assert_int_equal(shapes.count, 0);
	mem_free(text);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deep_statements_are_refused),
		cmocka_unit_test(statements_below_the_limit_are_parsed),
		cmocka_unit_test(long_lists_are_not_deep),
		cmocka_unit_test(too_many_ctes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

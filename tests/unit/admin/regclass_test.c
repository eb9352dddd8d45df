/* Names of relations in texts, as PostgreSQL's regclass reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin/regclass.h"

static void expect(const char *text, const char *database, const char *schema, const char *name)
{
	struct relation_name read;
	struct arena arena;
	struct err err;

	arena_init(&arena, 4096);
	assert_int_equal(regclass_read(text, &arena, &read, &err), 0);
	assert_string_equal(read.name, name);
	assert_string_equal(read.schema ? read.schema : "-", schema);
	assert_string_equal(read.database ? read.database : "-", database);
	arena_release(&arena);
}

static void refuse(const char *text, const char *sqlstate)
{
	struct relation_name read;
	struct arena arena;
	struct err err = { 0 };

	arena_init(&arena, 4096);
	assert_true(regclass_read(text, &arena, &read, &err) < 0);
	assert_string_equal(err.sqlstate, sqlstate);
	assert_true(err.hint[0]);
	arena_release(&arena);
}

static void unquoted_names_are_folded(void **state)
{
	expect("orders", "-", "-", "orders");
	expect(" Orders ", "-", "-", "orders");
	expect("Shop . ORDERS", "-", "shop", "orders");
	expect("db.shop.orders", "db", "shop", "orders");
	expect("7up", "-", "-", "7up");
	expect("\xC3\x84rger", "-", "-", "\xC3\x84rger");
}

static void quoted_names_are_as_they_stand(void **state)
{
	expect("\"K 19\"", "-", "-", "K 19");
	expect("Shop.\"a.b\"\"c\"", "-", "shop", "a.b\"c");
	expect("\" Shop\".\"\"\"\"", "-", " Shop", "\"");
}

static void long_names_are_cut_between_characters(void **state)
{
	expect("a234567890b234567890c234567890d234567890e234567890f234567890g23456", "-", "-",
	       "a234567890b234567890c234567890d234567890e234567890f234567890g23");
	expect("a234567890b234567890c234567890d234567890e234567890f234567890g2\xC3\xA4", "-", "-",
	       "a234567890b234567890c234567890d234567890e234567890f234567890g2");
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const texts[] = { "", " ", ".", "a.", ".a", "a..b", "\"a", "\"\"", "a b", "\"a\"b", "a.\"b\" c" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refuse(texts[i], "42602");
	refuse("a.b.c.d", "42601");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unquoted_names_are_folded),
		cmocka_unit_test(quoted_names_are_as_they_stand),
		cmocka_unit_test(long_names_are_cut_between_characters),
		cmocka_unit_test(what_is_no_name_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "sql/set_value.h"

static void expect_text(const char *sql, bool names, const char *expected)
{
	char *text = set_value_text(sql, names);

	assert_string_equal(text, expected);
	mem_free(text);
}

static void what_stands_after_to_becomes_the_servers_text(void **state)
{
	expect_text("", false, "");
	expect_text("5", false, "5");
	expect_text("-1.5, 'x'", false, "-1.5, x");
	expect_text("'it''s'", false, "it's");
	expect_text("E'a\\\\b''c'", false, "a\\b'c");
	expect_text("'sql', 'dmy'", false, "sql, dmy");
	expect_text("'a, b'", false, "a, b");
}

static void each_name_of_a_list_is_quoted(void **state)
{
	expect_text("'Foo', 'public'", true, "\"Foo\", \"public\"");
	expect_text("'a, b'", true, "\"a, b\"");
	expect_text("''", true, "\"\"");
	expect_text("'a\"b', E'c\\\\d''e', 1", true, "\"a\"\"b\", \"c\\d'e\", 1");
	assert_true(set_value_is_names("search_path") && set_value_is_names("temp_tablespaces"));
	assert_false(set_value_is_names("datestyle"));
}

/* `expected`: the names with | behind each; NULL: refused. */
static void expect_names(const char *list, const char *expected)
{
	char joined[300] = "";
	struct arena arena;
	const char **names;
	size_t count;
	bool read;

	arena_init(&arena, 256);
	read = set_value_split(&arena, list, &names, &count);
	for (size_t i = 0; i < count && read; i++)
		strcat(strcat(joined, names[i]), "|");
	if (!expected)
		assert_false(read);
	else
		assert_true(read && strcmp(joined, expected) == 0);
	arena_release(&arena);
}

static void a_list_of_names_is_read_as_postgresql_does(void **state)
{
	expect_names("", "");
	expect_names(" \t\n", "");
	expect_names("a", "a|");
	expect_names(" A , \"B c\",d\n", "a|B c|d|");
	expect_names("\"$user\", $User", "$user|$user|");
	expect_names("\"a\"\"b\", \"c,d\", \"\"", "a\"b|c,d||");
	expect_names("a.b, it's, e\\f", "a.b|it's|e\\f|");
	expect_names("\303\204B", "\303\204b|");
	expect_names("\"0123456789012345678901234567890123456789012345678901234567890123\"",
		     "012345678901234567890123456789012345678901234567890123456789012|");
	expect_names("\"01234567890123456789012345678901234567890123456789012345678901\303\204\"",
		     "01234567890123456789012345678901234567890123456789012345678901|");
	expect_names("a b", NULL);
	expect_names("a,", NULL);
	expect_names(",a", NULL);
	expect_names("a,,b", NULL);
	expect_names("\"a", NULL);
	expect_names("\"a\"b", NULL);
}

static void the_reserved_word_is_found_and_no_other(void **state)
{
	static const char *const with[] = { "SET nanu.user = 'x'", "SET Nanu . USER TO x", "show nanu.user", "SET nanu./* of */user = 1" };
	static const char *const without[] = { "SET nanu.users = 'x' y", "SELECT nanu.user_id FROM", "SET xnanu.user = 1", "SET nanu.\"user\" = ", "SET user = 1",
		"SELECT 'nanu.user' FROM", "SELECT nanu.user\303\251 FROM", "SELECT nanu.user$1 FROM", "-- nanu.user", "nanu.", "" };

	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
		assert_true(set_value_unquoted_user(slice_of(with[i])));
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		assert_false(set_value_unquoted_user(slice_of(without[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_after_to_becomes_the_servers_text),
		cmocka_unit_test(each_name_of_a_list_is_quoted),
		cmocka_unit_test(a_list_of_names_is_read_as_postgresql_does),
		cmocka_unit_test(the_reserved_word_is_found_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

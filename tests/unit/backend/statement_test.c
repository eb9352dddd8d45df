#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "backend/settings.h"
#include "backend/statement.h"

static struct settings_table settings;
static struct statement_table table;

static struct statement *intern(enum statement_form form, const char *text, size_t type_count, struct settings *under, uint64_t version,
				const char *database, const char *user)
{
	static const uint32_t types[] = { 23, 25 };

	const struct statement_key key = {
		.form = form, .text = slice_of(text), .types = types, .type_count = type_count, .settings = under, .schema_version = version,
		.database = database, .user = user,
	};

	return statement_intern(&table, &key);
}

static void one_text_in_one_context_is_one_statement(void **state)
{
	struct settings *path, *named;
	struct statement *base, *same, *others[8];

	settings_table_init(&settings);
	path = settings_with(settings.empty, "search_path", "s", SETTING_SQL);
	named = settings_with(settings.empty, "application_name", "psql", SETTING_RAW);
	base = intern(STATEMENT_PARSE, "SELECT $1", 1, settings.empty, 1, "d", "u");
	same = intern(STATEMENT_PARSE, "SELECT $1", 1, named, 1, "d", "u");     /* the name of the application means nothing */
	assert_ptr_equal(base, same);
	statement_unref(same);
	others[0] = intern(STATEMENT_SQL, "SELECT $1", 1, settings.empty, 1, "d", "u");
	others[1] = intern(STATEMENT_PARSE, "SELECT $2", 1, settings.empty, 1, "d", "u");
	others[2] = intern(STATEMENT_PARSE, "SELECT $1", 0, settings.empty, 1, "d", "u");
	others[3] = intern(STATEMENT_PARSE, "SELECT $1", 2, settings.empty, 1, "d", "u");
	others[4] = intern(STATEMENT_PARSE, "SELECT $1", 1, path, 1, "d", "u");
	others[5] = intern(STATEMENT_PARSE, "SELECT $1", 1, settings.empty, 2, "d", "u");
	others[6] = intern(STATEMENT_PARSE, "SELECT $1", 1, settings.empty, 1, "du", "");
	others[7] = intern(STATEMENT_PARSE, "SELECT $1", 1, settings.empty, 1, "d", "v");
	for (int i = 0; i < 8; i++) {
		assert_ptr_not_equal(others[i], base);
		assert_string_not_equal(others[i]->name, base->name);
		for (int j = 0; j < i; j++)
			assert_ptr_not_equal(others[i], others[j]);
	}
	assert_true(slice_is(base->text, "SELECT $1"));
	assert_int_equal(base->type_count, 1);
	assert_int_equal(base->types[0], 23);
	settings_unref(path);
	settings_unref(named);
	for (int i = 0; i < 8; i++)
		statement_unref(others[i]);
	statement_unref(statement_ref(base));
	assert_int_equal(table.statements.count, 1);
	statement_unref(base);
	statement_unref(NULL);
	assert_int_equal(table.statements.count, 0);
	assert_int_equal(settings.sets.count, 1);
	map_release(&table.statements);
	settings_table_release(&settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_text_in_one_context_is_one_statement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

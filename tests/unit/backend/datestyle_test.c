#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/datestyle.h"
#include "base/mem.h"

static void expect(const char *now, const char *reset, const char *said, const char *expected)
{
	char *text = datestyle_after(now, reset, said);

	if (!expected)
		assert_null(text);
	else
		assert_string_equal(text, expected);
	mem_free(text);
}

static void style_and_order_are_kept_apart(void **state)
{
	expect(NULL, NULL, "iso", "ISO");
	expect(NULL, NULL, "dmy", "DMY");
	expect("SQL", NULL, "dmy", "SQL, DMY");
	expect("SQL, DMY", NULL, "postgres", "Postgres, DMY");
	expect("SQL, DMY", NULL, "ymd, ISO", "ISO, YMD");
	expect("DMY", NULL, "PostgreSQL", "Postgres, DMY");
}

static void other_words_mean_the_same(void **state)
{
	expect(NULL, NULL, "European", "DMY");
	expect(NULL, NULL, "US", "MDY");
	expect(NULL, NULL, "NonEuropean", "MDY");
	expect("SQL, MDY", NULL, "german", "German, DMY");
	expect("SQL, MDY", NULL, "ymd, german", "German, YMD");
	expect("SQL, MDY", NULL, "german, ymd", "German, YMD");
}

static void default_gives_back_what_is_not_said(void **state)
{
	expect("SQL, DMY", NULL, "default", NULL);
	expect("SQL, DMY", "iso", "default", "ISO");
	expect("SQL, DMY", "german", "default, iso", "ISO, DMY");
	expect("SQL, DMY", NULL, "ymd, default", "YMD");
	expect("SQL, DMY", "", "", "SQL, DMY");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(style_and_order_are_kept_apart),
		cmocka_unit_test(other_words_mean_the_same),
		cmocka_unit_test(default_gives_back_what_is_not_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

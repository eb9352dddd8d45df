#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/boolean.h"

static void what_postgresql_takes_for_a_boolean_is_one(void **state)
{
	static const struct { const char *text; bool value; } cases[] = {
		{ "on", true }, { "true", true }, { "t", true }, { "TRU", true }, { "y", true }, { "Yes", true }, { "1", true },
		{ "off", false }, { "of", false }, { "false", false }, { "F", false }, { "n", false }, { "NO", false }, { "0", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool value = !cases[i].value;

		if (!boolean_read(cases[i].text, strlen(cases[i].text), &value))
			fail_msg("\"%s\" is refused", cases[i].text);
		assert_int_equal(value, cases[i].value);
	}
}

static void what_means_neither_is_refused(void **state)
{
	static const char *const cases[] = { "", "o", "2", "10", "onn", "truely", "yess", " on", "on ", "null" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool value;

		if (boolean_read(cases[i], strlen(cases[i]), &value))
			fail_msg("\"%s\" is read as %s", cases[i], value ? "yes" : "no");
	}
}

static void no_more_is_read_than_is_given(void **state)
{
	bool value = false;

	assert_true(boolean_read("online", 2, &value));
	assert_true(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_postgresql_takes_for_a_boolean_is_one),
		cmocka_unit_test(what_means_neither_is_refused),
		cmocka_unit_test(no_more_is_read_than_is_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

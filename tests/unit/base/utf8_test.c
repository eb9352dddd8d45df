#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/utf8.h"

static void every_length_has_its_first_and_last_character(void **state)
{
	static const char *const cases[] = {
		"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf", "na\xc3\xafve",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(utf8_valid(cases[i]));
	assert_int_equal(utf8_next(""), 0);
	assert_int_equal(utf8_next("\xe0\xa0\x80z"), 3);
}

static void what_is_cut_overlong_or_a_surrogate_is_none(void **state)
{
	static const char *const cases[] = {
		"\x80", "\xbf", "\xc1\x81", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xff", "caf\xe9",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_false(utf8_valid(cases[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_has_its_first_and_last_character),
		cmocka_unit_test(what_is_cut_overlong_or_a_surrogate_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

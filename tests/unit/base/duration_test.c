#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/duration.h"

static void what_postgresql_reads_is_read_alike(void **state)
{
	static const struct { const char *text; uint64_t us; } cases[] = {
		{ "0", 0 }, { "250", 250000 }, { "500ms", 500000 }, { "5s", 5000000 }, { " 5 s ", 5000000 }, { "1min", 60000000 },
		{ "2h", 7200000000 }, { "1d", 86400000000 }, { "100us", 100 }, { "0.5s", 500000 }, { ".5s", 500000 }, { "1.5 min", 90000000 },
		{ "0.0000001s", 0 }, { "1.0000009s", 1000000 }, { "2147483647", 2147483647000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t us = 1;

		if (!duration_read(cases[i].text, &us))
			fail_msg("\"%s\" is refused", cases[i].text);
		assert_int_equal(us, cases[i].us);
	}
}

static void what_is_no_length_of_time_is_refused(void **state)
{
	static const char *const cases[] = {
		"", " ", "s", ".", ".s", "five", "5 seconds", "5S", "5sec", "5m", "5 s s", "-5s", "+5s", "5s5", "1e3", "0x10", "5;s",
		"2147483648", "25d", "99999999999999999999s", "24.9d",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t us;

		if (duration_read(cases[i], &us))
			fail_msg("\"%s\" is read as %llu us", cases[i], (unsigned long long)us);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_postgresql_reads_is_read_alike),
		cmocka_unit_test(what_is_no_length_of_time_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

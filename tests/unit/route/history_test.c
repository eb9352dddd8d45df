#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "route/history.h"

static const char FILE_OF_4[] = "1\t0/3000148\tno recovery target specified\n\n2\t0/A000000\tbefore 2026-01-01\n# a comment\n3\t1/0\tno recovery target specified\n";

static struct history *read_all(uint32_t timeline, const char *text)
{
	static struct history history;
	struct err err;

	assert_int_equal(history_read(timeline, text, &history, &err), 0);
	return &history;
}

static void a_file_of_postgresql_is_understood(void **state)
{
	const struct history *history = read_all(4, FILE_OF_4);
	uint64_t end;

	assert_int_equal(history->count, 3);
	assert_true(history_fork(history, 1, &end) && end == 0x3000148);
	assert_true(history_fork(history, 2, &end) && end == 0xA000000);
	assert_true(history_fork(history, 3, &end) && end == UINT64_C(1) << 32);
	assert_false(history_fork(history, 4, &end));
	assert_int_equal(read_all(2, "1\t0/10\tx")->count, 1);        /* without an end of line */
	assert_int_equal(read_all(2, "")->count, 0);
}

static void what_is_no_history_is_refused(void **state)
{
	static const char *const wrong[] = { "1", "1\tx/y\n", "0\t0/10\n", "2\t0/10\n1\t0/20\n", "1\t0/10\n1\t0/20\n", "4\t0/10\n", "5\t0/10\n", "-1\t0/10\n" };
	static struct history history;
	struct err err;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(history_read(4, wrong[i], &history, &err), ERR_CONFIG);
}

static void what_is_written_is_read_again(void **state)
{
	static struct history before, after;
	static char text[HISTORY_TEXT_SIZE];
	struct err err;

	before = *read_all(4, FILE_OF_4);
	history_write(&before, text);
	assert_string_equal(text, "1\t0/3000148\n2\t0/A000000\n3\t1/0\n");
	assert_int_equal(history_read(4, text, &after, &err), 0);
	assert_memory_equal(&before.ancestors, &after.ancestors, before.count * sizeof(before.ancestors[0]));
}

static void of_many_ancestors_the_newest_are_kept(void **state)
{
	static struct history long_one, longer;
	static char text[HISTORY_TEXT_SIZE * 2];
	size_t size = 0;
	struct err err;
	uint64_t end;

	for (unsigned timeline = 1; timeline <= HISTORY_MAX + 10; timeline++) {
		if (timeline == HISTORY_MAX + 10)
			assert_int_equal(history_read(timeline, text, &long_one, &err), 0);
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%u\t0/%X\tpromoted\n", timeline, timeline * 16);
	}
	assert_int_equal(history_read(HISTORY_MAX + 11, text, &longer, &err), 0);
	assert_int_equal(longer.count, HISTORY_MAX);
	assert_false(history_fork(&longer, 10, &end));
	assert_true(history_fork(&longer, 11, &end) && end == 11 * 16);
	assert_true(history_fork(&longer, HISTORY_MAX + 10, &end) && end == (HISTORY_MAX + 10) * 16);
	assert_true(history_descends(&longer, &long_one, &end) && end == (HISTORY_MAX + 10) * 16);
	long_one.ancestors[100].end++;
	assert_false(history_descends(&longer, &long_one, &end));
}

static void a_timeline_goes_on_from_another_when_all_before_is_the_same(void **state)
{
	static struct history before, after;
	uint64_t end = 0;

	before = *read_all(2, "1\t0/10\n");
	after = *read_all(3, "1\t0/10\n2\t0/20\n");
	assert_true(history_descends(&after, &before, &end) && end == 0x20);
	after = *read_all(3, "1\t0/11\n2\t0/20\n");     /* another timeline 2 */
	assert_false(history_descends(&after, &before, &end));
	after = *read_all(3, "1\t0/10\n");
	assert_false(history_descends(&after, &before, &end));
	history_first(&before);
	assert_true(history_descends(&after, &before, &end) && end == 0x10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_postgresql_is_understood),
		cmocka_unit_test(what_is_no_history_is_refused),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(of_many_ancestors_the_newest_are_kept),
		cmocka_unit_test(a_timeline_goes_on_from_another_when_all_before_is_the_same),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

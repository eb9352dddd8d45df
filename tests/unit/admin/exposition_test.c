#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "admin/exposition.h"

static struct arena arena;

static int make_arena(void **state)
{
	arena_init(&arena, 1024);
	return 0;
}

static int drop_arena(void **state)
{
	arena_release(&arena);
	return 0;
}

static void a_family_is_written_as_the_format_has_it(void **state)
{
	struct buf out;

	buf_init(&out, 4096);
	exposition_family(&out, "nanu_things", METRIC_GAUGE, "Things.");
	exposition_count(&out, "nanu_things", "", NULL, UINT64_MAX);
	exposition_count(&out, "nanu_things", LABELS(&arena, { "a", "1" }, { "b", "" }), NULL, 0);
	exposition_count(&out, "nanu_things", LABELS(&arena, { "a", "1" }), "state=\"x\"", 2);
	exposition_count(&out, "nanu_things", "", "state=\"x\"", 3);
	exposition_family(&out, "nanu_wait_seconds_total", METRIC_COUNTER, "Time.");
	exposition_seconds(&out, "nanu_wait_seconds_total", "", NULL, 12000034);
	buf_add_u8(&out, 0);
	assert_string_equal(out.data, "# HELP nanu_things Things.\n# TYPE nanu_things gauge\nnanu_things 18446744073709551615\n"
				      "nanu_things{a=\"1\",b=\"\"} 0\nnanu_things{a=\"1\",state=\"x\"} 2\nnanu_things{state=\"x\"} 3\n"
				      "# HELP nanu_wait_seconds_total Time.\n# TYPE nanu_wait_seconds_total counter\nnanu_wait_seconds_total 12.000034\n");
	buf_release(&out);
}

static void names_cannot_break_out_of_their_label(void **state)
{
	assert_string_equal(LABELS(&arena, { "user", "a\"b" }), "user=\"a\\\"b\"");
	assert_string_equal(LABELS(&arena, { "user", "a\\b" }), "user=\"a\\\\b\"");
	assert_string_equal(LABELS(&arena, { "user", "a\nb" }), "user=\"a\\nb\"");
	assert_string_equal(LABELS(&arena, { "user", "na\xc3\xafve {},=" }), "user=\"na\xc3\xafve {},=\"");
}

static void a_name_that_is_not_utf_8_is_written_in_ascii_and_unlike_others(void **state)
{
	const char *latin = LABELS(&arena, { "user", "caf\xe9" }), *latin_slash = LABELS(&arena, { "user", "caf\xe9\\" });

	assert_string_equal(latin, "user=\"caf\\\\xE9\"");
	assert_string_equal(latin_slash, "user=\"caf\\\\xE9\\\\x5C\"");
	assert_string_equal(LABELS(&arena, { "user", "\xff\xfe" }), "user=\"\\\\xFF\\\\xFE\"");
}

static void what_does_not_fit_is_failed_and_not_cut_unseen(void **state)
{
	struct buf out;

	buf_init(&out, 40);
	for (int i = 0; i < 10; i++)
		exposition_count(&out, "nanu_things", "", NULL, 1);
	assert_true(out.failed);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_is_written_as_the_format_has_it),
		cmocka_unit_test(names_cannot_break_out_of_their_label),
		cmocka_unit_test(a_name_that_is_not_utf_8_is_written_in_ascii_and_unlike_others),
		cmocka_unit_test(what_does_not_fit_is_failed_and_not_cut_unseen),
	};

	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scratch.h"
#include "topo/lines.h"

static const char text[] = "a: 1\n"             /* 1 */
			   "\n"
			   "list:\n"            /* 3 */
			   "  - name: x\n"
			   "    of: [p, q,\n"   /* 5 */
			   "      r]\n"
			   "  - name: y\n";     /* 7 */

static void paths_lead_to_lines(void **state)
{
	struct lines *lines;

	assert_int_equal(lines_read(scratch_write(text), &lines, NULL), 0);
	assert_int_equal(lines_of(lines, "a"), 1);
	assert_int_equal(lines_of(lines, "list[0].name"), 4);
	assert_int_equal(lines_of(lines, "list[0].of[1]"), 5);
	assert_int_equal(lines_of(lines, "list[0].of[2]"), 6);
	assert_int_equal(lines_of(lines, "list[1].name"), 7);
	lines_free(lines);
}

static void what_is_not_there_has_the_line_of_what_is_around_it(void **state)
{
	struct lines *lines;

	assert_int_equal(lines_read(scratch_write(text), &lines, NULL), 0);
	assert_int_equal(lines_of(lines, "list[1].port"), 7);
	assert_int_equal(lines_of(lines, "list[9]"), 4);
	assert_int_equal(lines_of(lines, "b"), 1);
	assert_int_equal(lines_of(lines, "a[0]"), 1);
	lines_free(lines);
}

static void keys_are_found_from_a_line_on(void **state)
{
	struct lines *lines;

	assert_int_equal(lines_read(scratch_write(text), &lines, NULL), 0);
	assert_int_equal(lines_of_key(lines, "name", 1), 4);
	assert_int_equal(lines_of_key(lines, "name", 5), 7);
	assert_int_equal(lines_of_key(lines, "name", 8), 0);
	lines_free(lines);
}

static void what_is_not_one_document_is_refused(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "", "is empty" },
		{ "# only words\n", "is empty" },
		{ "a: 1\nb: [\n", ":3: not valid YAML" },
		{ "a: 1\n  b: 2\n", ":2: not valid YAML" },
		{ "a: \x01\n", "not valid YAML" },
		{ "a: 1\n---\nb: 2\n", "a second YAML document" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lines *lines = NULL;
		struct err err = { 0 };

		assert_int_equal(lines_read(scratch_write(cases[i].text), &lines, &err), ERR_CONFIG);
		assert_null(lines);
		if (!strstr(err.message, cases[i].reason))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.message, cases[i].reason);
	}
}

static void an_unreadable_file_says_why(void **state)
{
	struct lines *lines = NULL;
	struct err err;

	assert_int_equal(lines_read("/nonexistent/nanu.yaml", &lines, &err), ERR_IO);
	assert_non_null(strstr(err.message, "No such file"));
	assert_int_equal(lines_read("/", &lines, &err), ERR_IO);
}

static void a_huge_file_is_refused(void **state)
{
	size_t size = (1 << 20) + 10;
	char *huge = malloc(size + 1);
	struct lines *lines = NULL;
	struct err err;

	memset(huge, '#', size);
	huge[size] = '\0';
	assert_int_equal(lines_read(scratch_write(huge), &lines, &err), ERR_LIMIT);
	assert_non_null(strstr(err.message, "larger than"));
	free(huge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_lead_to_lines),
		cmocka_unit_test(what_is_not_there_has_the_line_of_what_is_around_it),
		cmocka_unit_test(keys_are_found_from_a_line_on),
		cmocka_unit_test(what_is_not_one_document_is_refused),
		cmocka_unit_test(an_unreadable_file_says_why),
		cmocka_unit_test(a_huge_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, scratch_remove);
}

/* Only the name changes, and error positions find their way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/rewrite.h"

static int rewrite_to(const char *sql, const char *name, struct buf *out, struct rewrite *rewrite)
{
	buf_init(out, 4096);
	return rewrite_execute(slice_of(sql), true, slice_of(name), out, rewrite, NULL);
}

static void expect(const char *sql, const char *rewritten)
{
	struct rewrite rewrite;
	struct buf out;

	assert_int_equal(rewrite_to(sql, "n", &out, &rewrite), 0);
	if (!slice_is(buf_slice(&out), rewritten))
		fail_msg("%s -> %.*s", sql, SLICE_FMT(buf_slice(&out)));
	assert_int_equal(out.size, strlen(sql) - rewrite.size + rewrite.new_size);
	buf_release(&out);
}

static void only_the_name_changes(void **state)
{
	expect("EXECUTE p(1, 'p')", "EXECUTE \"n\"(1, 'p')");
	expect("execute /* p */ \"P \"\"q\" (p)", "execute /* p */ \"n\" (p)");
	expect("PREPARE p(int) AS SELECT p", "PREPARE \"n\"(int) AS SELECT p");
	expect("deallocate p;", "deallocate \"n\";");
	expect("DEALLOCATE PREPARE p", "DEALLOCATE PREPARE \"n\"");
	expect("deallocate prepare", "deallocate \"n\"");
	expect("deallocate prepare;", "deallocate \"n\";");
	expect("explain (analyze) execute p", "explain (analyze) execute \"n\"");
	expect("create table x as execute p(5)", "create table x as execute \"n\"(5)");
	expect("execute U&\"!0070\" UESCAPE '!' (5)", "execute \"n\" (5)");
	expect("execute U&\"p\" (5)", "execute \"n\" (5)");
	expect("execute a\"b\"", "execute \"n\" \"b\"");
	expect("execute execute", "execute \"n\"");
	expect("prepare prepare as select 1", "prepare \"n\" as select 1");
}

static void names_are_quoted_safely(void **state)
{
	struct rewrite rewrite;
	struct buf out;

	assert_int_equal(rewrite_to("execute p", "a\"b", &out, &rewrite), 0);
	assert_true(slice_is(buf_slice(&out), "execute \"a\"\"b\""));
	buf_release(&out);
}

static void without_a_name_nothing_is_written(void **state)
{
	static const char *const texts[] = { "", "select 1", "execute", "deallocate all", "execute 5", "execute (p)", "execute 'x", "(execute p" };
	struct rewrite rewrite;
	struct buf out;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(rewrite_to(texts[i], "n", &out, &rewrite), ERR_SYNTAX);
		assert_int_equal(out.size, 0);
		buf_release(&out);
	}
}

static void positions_map_back(void **state)
{
	const char *sql = "/*\xc3\xa9*/ execute p(x)";
	struct rewrite rewrite;
	struct buf out;

	assert_int_equal(rewrite_to(sql, "longer\xc3\xa9", &out, &rewrite), 0);
	/* in characters: before the name, in it, and behind it */
	assert_int_equal(rewrite_position(&rewrite, slice_of(sql), buf_slice(&out), true, 3), 3);
	assert_int_equal(rewrite_position(&rewrite, slice_of(sql), buf_slice(&out), true, 15), 15);
	assert_int_equal(rewrite_position(&rewrite, slice_of(sql), buf_slice(&out), true, 18), 15);
	assert_int_equal(rewrite_position(&rewrite, slice_of(sql), buf_slice(&out), true, 25), 17);
	assert_int_equal(rewrite_position(&rewrite, slice_of(sql), buf_slice(&out), true, 999), 19);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_name_changes),
		cmocka_unit_test(names_are_quoted_safely),
		cmocka_unit_test(without_a_name_nothing_is_written),
		cmocka_unit_test(positions_map_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

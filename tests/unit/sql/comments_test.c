/* Comments become spaces; nothing else changes, and strings that went on still do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/comments.h"

static void expect(const char *text, bool standard_strings, const char *blanked)
{
	char copy[256];

	assert_int_equal(strlen(text), strlen(blanked));
	strcpy(copy, text);
	comments_blank(copy, strlen(copy), standard_strings);
	assert_string_equal(copy, blanked);
}

static void comments_become_spaces(void **state)
{
	expect("a -- b\nc", true, "a     \nc");
	expect("a /* b */ c", true, "a         c");
	expect("a/* /* */ \n */c--", true, "a             c  ");
	expect("-- /* \na /* -- */ b", true, "      \na          b");
	expect("a /**/ /*/**/*/ b", true, "a               b");
}

static void what_only_looks_like_one_stays(void **state)
{
	expect("'--' \"/*\" $$-- /* */$$ E'\\'--'", true, "'--' \"/*\" $$-- /* */$$ E'\\'--'");
	expect("'\\' -- x'", true, "'\\'      ");
	expect("'\\' -- x'", false, "'\\' -- x'");
}

static void strings_go_on_over_blanked_comments(void **state)
{
	expect("'a' /* b */ --\n'c'", true, "'a'            'c'");
	expect("'a' -- '\n 'b--' -- c\n'd' --e", true, "'a'     \n 'b--'     \n'd'    ");
	expect("E'a\\'' -- x\n'b' U&'c''' --\n'd' b'1' --\n'0'", true, "E'a\\''     \n'b' U&'c'''   \n'd' b'1'   \n'0'");
	expect("'a' /* \n */ 'b'", true, "'a'         'b'");
}

static void a_refused_text_stays_from_there_on(void **state)
{
	expect("a /* b */ c /* d", true, "a         c /* d");
	expect("a /* b */ c 'd --", true, "a         c 'd --");
	expect("", true, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comments_become_spaces),
		cmocka_unit_test(what_only_looks_like_one_stays),
		cmocka_unit_test(strings_go_on_over_blanked_comments),
		cmocka_unit_test(a_refused_text_stays_from_there_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

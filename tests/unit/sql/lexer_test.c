/* The lexer cuts texts as PostgreSQL's scan.l does; what is hard about that, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sql/lexer.h"

/* Joins the tokens of `text` as "kind:bytes" with " | " between; "!problem" at the end when the scanner refuses. */
static void cut(const char *text, size_t size, bool standard_strings, char *out, size_t out_size)
{
	static const char *const kinds[] = {
		"word", "nchar", "quoted", "uquoted", "string", "estring", "ustring", "dollar", "bits", "hex", "integer", "decimal",
		"param", "cast", "dotdot", "assign", "arrow", "le", "ge", "ne", "op", "char",
	};
	struct lexer lexer;
	struct token token;
	size_t used = 0;
	int rc;

	out[0] = '\0';
	lexer_init(&lexer, slice_make(text, size), standard_strings);
	while ((rc = lexer_next(&lexer, &token)) == 1)
		used += (size_t)snprintf(out + used, out_size - used, "%s%s:%.*s", used ? " | " : "", kinds[token.kind],
					 (int)token.size, text + token.offset);
	if (rc < 0)
		snprintf(out + used, out_size - used, "!%s", lexer.problem);
}

static void expect(const char *text, bool standard_strings, const char *tokens)
{
	char found[1024];

	cut(text, strlen(text), standard_strings, found, sizeof(found));
	assert_string_equal(found, tokens);
}

static void identifiers_take_digits_dollars_and_high_bytes(void **state)
{
	expect("a1$b _x \xc3\xa9t A", true, "word:a1$b | word:_x | word:\xc3\xa9t | word:A");
}

static void quoted_identifiers_hold_doubled_quotes_and_newlines(void **state)
{
	expect("\"a\"\"b\n\" U&\"d\\0061\" u &\"x\"", true, "quoted:\"a\"\"b\n\" | uquoted:U&\"d\\0061\" | word:u | op:& | quoted:\"x\"");
	expect("\"\"", true, "!zero-length delimited identifier");
	expect("\"a", true, "!unterminated quoted identifier");
}

static void backslashes_escape_only_where_postgresql_says_so(void **state)
{
	expect("'a\\' x", true, "string:'a\\' | word:x");
	expect("'a\\' x'", false, "estring:'a\\' x'");
	expect("E'a\\' x' y", true, "estring:E'a\\' x' | word:y");
	expect("e'\\\\' y", true, "estring:e'\\\\' | word:y");
	expect("U&'a\\' y", true, "ustring:U&'a\\' | word:y");
	expect("U&'a'", false, "!unsafe use of string constant with Unicode escapes");
}

static void strings_go_on_behind_a_newline_only(void **state)
{
	expect("'a'\n'b' c", true, "string:'a'\n'b' | word:c");
	expect("'a' 'b'", true, "string:'a' | string:'b'");
	expect("'a' -- x\n 'b'", true, "string:'a' -- x\n 'b'");
	expect("'a' /* x\n */ 'b'", true, "string:'a' | string:'b'");
	expect("'a'\n-'b'", true, "string:'a' | char:- | string:'b'");
	expect("b'1'\n'0' x", true, "bits:b'1'\n'0' | word:x");
	expect("'a'\nE'b'", true, "string:'a' | estring:E'b'");
}

static void bit_strings_know_no_doubled_quote(void **state)
{
	expect("b'1''0'", true, "bits:b'1' | string:'0'");
	expect("X'1F' xy", true, "hex:X'1F' | word:xy");
	expect("b'1", true, "!unterminated bit string literal");
}

static void national_strings_are_a_keyword_and_a_string(void **state)
{
	expect("N'a' n 'b'", true, "nchar:N | string:'a' | word:n | string:'b'");
}

static void dollar_quotes_end_at_their_own_tag(void **state)
{
	expect("$$a'b$$ $t$ $$ $T$ $t$ x", true, "dollar:$$a'b$$ | dollar:$t$ $$ $T$ $t$ | word:x");
	expect("$a$$b$a$", true, "dollar:$a$$b$a$");
	expect("a$b$c", true, "word:a$b$c");
	expect("$a$x", true, "!unterminated dollar-quoted string");
	expect("$a b", true, "char:$ | word:a | word:b");
}

static void params_are_no_dollar_quotes(void **state)
{
	expect("$1 $12$ x", true, "param:$1 | param:$12 | char:$ | word:x");
	expect("$1a", true, "!trailing junk after parameter");
}

static void numbers_end_where_postgresql_ends_them(void **state)
{
	expect("1 1. .5 1e5 1.5E-3 1..2", true, "integer:1 | decimal:1. | decimal:.5 | decimal:1e5 | decimal:1.5E-3 | "
		"integer:1 | dotdot:.. | integer:2");
	expect("1.5.5", true, "decimal:1.5 | decimal:.5");
	expect("a.5", true, "word:a | decimal:.5");
	expect("1e", true, "!trailing junk after numeric literal");
	expect("1e+", true, "!trailing junk after numeric literal");
	expect("0x1F", true, "!trailing junk after numeric literal");
	expect("1_000", true, "!trailing junk after numeric literal");
}

static void operators_give_back_trailing_signs(void **state)
{
	expect("a=-1", true, "word:a | char:= | char:- | integer:1");
	expect("a@-1", true, "word:a | op:@- | integer:1");
	expect("a<=-1", true, "word:a | le:<= | char:- | integer:1");
	expect("*-+", true, "char:* | char:- | char:+");
	expect("a<-b", true, "word:a | char:< | char:- | word:b");
	expect("->> #>> ||", true, "op:->> | op:#>> | op:||");
	expect("<> != => := :: <= >= !", true, "ne:<> | ne:!= | arrow:=> | assign::= | cast::: | le:<= | ge:>= | op:!");
}

static void comments_begin_inside_of_operators(void **state)
{
	expect("1+--x\n2", true, "integer:1 | char:+ | integer:2");
	expect("1*/*x*/2", true, "integer:1 | char:* | integer:2");
	expect("a /* b /* c */ d */ e", true, "word:a | word:e");
	expect("a /*/ b */ c", true, "word:a | word:c");
	expect("a --", true, "word:a");
	expect("a /* b /* c */", true, "word:a!unterminated /* comment");
}

static void vertical_tab_is_no_space_in_postgresql_15(void **state)
{
	expect("a\vb", true, "word:a | char:\v | word:b");
}

static void a_too_long_operator_is_refused(void **state)
{
	char text[65], found[256];

	memset(text, '@', 64);
	cut(text, 64, true, found, sizeof(found));
	assert_string_equal(found, "!operator too long");
	cut(text, 63, true, found, sizeof(found));
	assert_memory_equal(found, "op:@@@", 6);
}

static void unicode_escapes_must_be_whole(void **state)
{
	expect("E'\\u00e9 \\U0001F600 \\ud83d\\ude00'", true, "estring:E'\\u00e9 \\U0001F600 \\ud83d\\ude00'");
	expect("E'\\u00e'", true, "!invalid Unicode escape");
	expect("E'\\ud83d'", true, "!invalid Unicode surrogate pair");
	expect("E'\\ude00'", true, "!invalid Unicode surrogate pair");
	expect("E'\\u0000'", true, "!invalid Unicode escape value");
}

/* Every prefix of nasty texts, in memory that ends with the text: the sanitizers see any byte read behind it. */
static void no_byte_behind_the_text_is_read(void **state)
{
	static const char *const texts[] = {
		"E'\\u00e9\\U0001F600'", "$tag$ $ta $tag$", "'a'\n--x\n'b'", "/* /* */ */", "U&\"x\" UESCAPE '!'", "1.5e+10", "<=-->", "a::b:=c..d",
		"b'1'x'2'n'3'e'4'u&'5'", "\"a\"\"b\"",
	};
	char found[1024];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t size = 0; size <= strlen(texts[i]); size++) {
			char *copy = test_malloc(size ? size : 1);

			memcpy(copy, texts[i], size);
			cut(copy, size, true, found, sizeof(found));
			cut(copy, size, false, found, sizeof(found));
			test_free(copy);
		}
	cut(NULL, 0, true, found, sizeof(found));
	assert_string_equal(found, "");
}

static void a_zero_byte_is_refused(void **state)
{
	char found[64];

	cut("a\0b", 3, true, found, sizeof(found));
	assert_string_equal(found, "word:a!zero byte");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identifiers_take_digits_dollars_and_high_bytes),
		cmocka_unit_test(quoted_identifiers_hold_doubled_quotes_and_newlines),
		cmocka_unit_test(backslashes_escape_only_where_postgresql_says_so),
		cmocka_unit_test(strings_go_on_behind_a_newline_only),
		cmocka_unit_test(bit_strings_know_no_doubled_quote),
		cmocka_unit_test(national_strings_are_a_keyword_and_a_string),
		cmocka_unit_test(dollar_quotes_end_at_their_own_tag),
		cmocka_unit_test(params_are_no_dollar_quotes),
		cmocka_unit_test(numbers_end_where_postgresql_ends_them),
		cmocka_unit_test(operators_give_back_trailing_signs),
		cmocka_unit_test(comments_begin_inside_of_operators),
		cmocka_unit_test(vertical_tab_is_no_space_in_postgresql_15),
		cmocka_unit_test(a_too_long_operator_is_refused),
		cmocka_unit_test(unicode_escapes_must_be_whole),
		cmocka_unit_test(no_byte_behind_the_text_is_read),
		cmocka_unit_test(a_zero_byte_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

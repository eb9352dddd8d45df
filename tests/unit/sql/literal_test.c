/* The value of a literal is the one that PostgreSQL's own parser gives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include "sql/fingerprint.h"

extern __thread bool standard_conforming_strings;       /* libpg_query's scanner reads it */

/* The value of the one literal in "SELECT literal"; false when there is none. */
static bool our_value(const char *literal_text, bool standard_strings, char *out, size_t out_size)
{
	struct fingerprinter *fingerprinter = fingerprinter_new(false);
	const struct fingerprint *fingerprint;
	char sql[512];
	struct buf value;
	bool ok = false;

	snprintf(sql, sizeof(sql), "SELECT %s", literal_text);
	buf_init(&value, out_size - 1);
	if (fingerprint_make(fingerprinter, slice_of(sql), standard_strings, &fingerprint, NULL) == 0 &&
	    fingerprint->literal_count == 1 &&
	    literal_value(slice_of(sql), &fingerprint->literals[0], standard_strings, &value, NULL) == 0) {
		memcpy(out, value.size ? value.data : "", value.size);
		out[value.size] = '\0';
		ok = true;
	}
	buf_release(&value);
	fingerprinter_free(fingerprinter);
	return ok;
}

static bool their_value(const char *literal_text, bool standard_strings, char *out, size_t out_size)
{
	PgQueryProtobufParseResult result;
	char sql[512];
	bool ok = false;

	snprintf(sql, sizeof(sql), "SELECT %s", literal_text);
	standard_conforming_strings = standard_strings;
	result = pg_query_parse_protobuf(sql);
	if (!result.error) {
		PgQuery__ParseResult *tree = pg_query__parse_result__unpack(NULL, result.parse_tree.len,
									    (const uint8_t *)result.parse_tree.data);
		PgQuery__Node *node = tree->stmts[0]->stmt->select_stmt->target_list[0]->res_target->val;

		if (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST)
			node = node->type_cast->arg;
		ok = true;
		if (node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL)
			snprintf(out, out_size, "%s", node->a_const->sval->sval);
		else if (node->a_const->val_case == PG_QUERY__A__CONST__VAL_BSVAL)
			snprintf(out, out_size, "%s", node->a_const->bsval->bsval);
		else if (node->a_const->val_case == PG_QUERY__A__CONST__VAL_FVAL)
			snprintf(out, out_size, "%s", node->a_const->fval->fval);
		else
			snprintf(out, out_size, "%d", node->a_const->ival->ival);
		pg_query__parse_result__free_unpacked(tree, NULL);
	}
	pg_query_free_protobuf_parse_result(result);
	return ok;
}

static void values_are_postgresqls(void **state)
{
	static const char *const literals[] = {
		"'a'", "''", "'it''s'", "'a\\b'", "E'a\\'b'", "E'\\b\\f\\n\\r\\t\\v\\z'", "E'\\101\\x41\\1018\\x4142'", "E'\\xg'",
		"E'\\u00e9\\U0001F600\\ud83d\\ude00'", "E'a''b\\\\'", "e''", "$$a'b$$", "$t$ $$ $t$", "$$$$", "'a'\n'b'", "E'a\\n'\n'b\\n'",
		"'a''b'\r\n'c'", "U&'d\\0061t\\+000061'", "U&'\\\\'", "U&'!0061\\' UESCAPE '!'", "U&'a''b'", "u&'\\d83d\\de00'", "B'101'",
		"x'1Ff'", "b'1'\n'0'", "N'abc'", "1.5", "1e5", ".5", "1.", "9223372036854775808", "42", "U&'x' UESCAPE E'!'",
		"U&'*0061' UESCAPE $$*$$", "E'\\9'", "E'\\\n'", "U&'a'\n'\\0062'",
		/* refused */
		"E'\\u00'", "E'\\ud83d'", "E'\\ud83dx'", "U&'\\006'", "U&'\\d83d'", "U&'\\d83dx'", "U&'\\de00'", "U&'a' UESCAPE 'a'",
		"U&'a' UESCAPE '+'", "U&'a' UESCAPE '!!'", "U&'\\0000'", "U&'\\+110000'", "U&'\\'", "U&'a' UESCAPE ' '", "U&'a' UESCAPE ''",
	};
	char ours[512], theirs[512];

	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++)
		for (int standard = 0; standard < 2; standard++) {
			bool ok = our_value(literals[i], standard, ours, sizeof(ours));

			if (ok != their_value(literals[i], standard, theirs, sizeof(theirs)))
				fail_msg("%s: %s by us alone", literals[i], ok ? "taken" : "refused");
			if (ok)
				assert_string_equal(ours, theirs);
		}
}

static void zero_bytes_are_refused(void **state)
{
	char value[64];

	assert_false(our_value("E'a\\000'", true, value, sizeof(value)));
	assert_false(our_value("E'a\\x0'", true, value, sizeof(value)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_postgresqls),
		cmocka_unit_test(zero_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "lexer_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include "base/arena.h"
#include "base/buf.h"
#include "sql/fingerprint.h"
#include "sql/lexer.h"
#include "sql/shape.h"

extern __thread bool standard_conforming_strings;       /* libpg_query's scanner reads it */

static void fail(struct slice text, const char *what, struct slice other)
{
	fprintf(stderr, "\n%s\n--- text:\n%.*s\n--- other:\n%.*s\n---\n", what, SLICE_FMT(text), SLICE_FMT(other));
	abort();
}

/* Does PostgreSQL's kind of token fit ours? Keywords are words. */
static bool same_kind(const struct token *token, struct slice text, const PgQuery__ScanToken *theirs)
{
	switch ((enum token_kind)token->kind) {
	case TOKEN_WORD:
		return theirs->token == PG_QUERY__TOKEN__IDENT || theirs->keyword_kind != PG_QUERY__KEYWORD_KIND__NO_KEYWORD;
	case TOKEN_NCHAR: return theirs->token == PG_QUERY__TOKEN__NCHAR;
	case TOKEN_QUOTED: return theirs->token == PG_QUERY__TOKEN__IDENT;
	case TOKEN_QUOTED_UNICODE: return theirs->token == PG_QUERY__TOKEN__UIDENT;
	case TOKEN_STRING: case TOKEN_STRING_ESCAPE: case TOKEN_STRING_DOLLAR: return theirs->token == PG_QUERY__TOKEN__SCONST;
	case TOKEN_STRING_UNICODE: return theirs->token == PG_QUERY__TOKEN__USCONST;
	case TOKEN_BITS: return theirs->token == PG_QUERY__TOKEN__BCONST;
	case TOKEN_HEX: return theirs->token == PG_QUERY__TOKEN__XCONST;
	case TOKEN_INTEGER: return theirs->token == PG_QUERY__TOKEN__ICONST || theirs->token == PG_QUERY__TOKEN__FCONST;
	case TOKEN_DECIMAL: return theirs->token == PG_QUERY__TOKEN__FCONST;
	case TOKEN_PARAM: return theirs->token == PG_QUERY__TOKEN__PARAM;
	case TOKEN_TYPECAST: return theirs->token == PG_QUERY__TOKEN__TYPECAST;
	case TOKEN_DOT_DOT: return theirs->token == PG_QUERY__TOKEN__DOT_DOT;
	case TOKEN_COLON_EQUALS: return theirs->token == PG_QUERY__TOKEN__COLON_EQUALS;
	case TOKEN_EQUALS_GREATER: return theirs->token == PG_QUERY__TOKEN__EQUALS_GREATER;
	case TOKEN_LESS_EQUALS: return theirs->token == PG_QUERY__TOKEN__LESS_EQUALS;
	case TOKEN_GREATER_EQUALS: return theirs->token == PG_QUERY__TOKEN__GREATER_EQUALS;
	case TOKEN_NOT_EQUALS: return theirs->token == PG_QUERY__TOKEN__NOT_EQUALS;
	case TOKEN_OPERATOR: return theirs->token == PG_QUERY__TOKEN__Op;
	case TOKEN_CHAR: return (int)theirs->token == (unsigned char)text.data[token->offset];
	}
	return false;
}

static bool is_comment(const PgQuery__ScanToken *token)
{
	return token->token == PG_QUERY__TOKEN__SQL_COMMENT || token->token == PG_QUERY__TOKEN__C_COMMENT;
}

static void check_token(struct slice text, const struct token *ours, const PgQuery__ScanToken *theirs)
{
	/* pg_query_scan() takes the end from the last rule that matched, which in these is a look-ahead that was given back */
	bool end_known = ours->kind != TOKEN_STRING_UNICODE && ours->kind != TOKEN_QUOTED_UNICODE;
	int64_t end = (int64_t)ours->offset + ours->size;
	char other[160];

	if ((int64_t)ours->offset == theirs->start && (end == theirs->end || !end_known) && same_kind(ours, text, theirs))
		return;
	snprintf(other, sizeof(other), "ours: kind %d at %u+%u; PostgreSQL's: token %d at %d-%d", ours->kind, ours->offset,
		 ours->size, theirs->token, theirs->start, theirs->end);
	fail(text, "the lexer's token is not PostgreSQL's", slice_of(other));
}

/* What PostgreSQL refuses in the bytes of a string is no matter of the lexer's. */
static bool is_about_encoding(const char *message)
{
	return strstr(message, "invalid byte sequence") || strstr(message, "invalid Unicode");
}

/* libpg_query gives comments as tokens and so ends a string at one that stands between its parts, where PostgreSQL goes on:
 * 'a' -- comment
 * 'b'
 * Does `ours` go on behind such a one? */
static bool has_inner_comment(struct slice text, const struct token *ours, const PgQuery__ScanToken *theirs)
{
	int64_t at = theirs->end, end = (int64_t)ours->offset + ours->size;

	if (!token_is_string(ours) && ours->kind != TOKEN_BITS && ours->kind != TOKEN_HEX)
		return false;
	return memmem(text.data + ours->offset, ours->size, "--", 2) != NULL && at < end;
}

/* False when the scanner refuses the text, as both must. */
static bool check_tokens(struct slice text, bool standard_strings)
{
	char *copy = strndup(text.data, text.size);
	PgQueryScanResult result;
	PgQuery__ScanResult *scan;
	struct lexer lexer;
	struct token token;
	size_t i = 0;
	int rc;

	standard_conforming_strings = standard_strings;
	result = pg_query_scan(copy);
	scan = result.error ? NULL : pg_query__scan_result__unpack(NULL, result.pbuf.len, (const uint8_t *)result.pbuf.data);
	lexer_init(&lexer, text, standard_strings);
	while ((rc = lexer_next(&lexer, &token)) == 1 && scan) {
		while (i < scan->n_tokens && is_comment(scan->tokens[i]))
			i++;
		if (i == scan->n_tokens)
			fail(text, "the lexer finds more tokens than PostgreSQL", slice_of(""));
		if (has_inner_comment(text, &token, scan->tokens[i])) {
			i = scan->n_tokens;             /* the two part here */
			rc = 0;
			break;
		}
		check_token(text, &token, scan->tokens[i++]);
	}
	while (rc == 1)
		rc = lexer_next(&lexer, &token);
	while (scan && i < scan->n_tokens && is_comment(scan->tokens[i]))
		i++;
	if (scan && rc == 0 && i < scan->n_tokens)
		fail(text, "the lexer finds fewer tokens than PostgreSQL", slice_of(""));
	if (scan && rc < 0)
		fail(text, "the lexer refuses what PostgreSQL takes", slice_of(lexer.problem));
	if (result.error && rc == 0 && !is_about_encoding(result.error->message))
		fail(text, "the lexer takes what PostgreSQL refuses", slice_of(result.error->message));
	if (scan)
		pg_query__scan_result__free_unpacked(scan, NULL);
	pg_query_free_scan_result(result);
	free(copy);
	return rc == 0;
}

static bool is_digits(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return true;
}

static void add_other_literal(struct dice *dice, enum literal_class class, struct slice old, bool standard_strings, struct buf *out)
{
	static const char *const integers[] = { "0", "1", "42", "007", "2147483647", "65536", "9" };
	static const char *const big_integers[] = { "2147483648", "9223372036854775807", "00003000000000" };
	static const char *const decimals[] = { "1.5", ".5", "2.", "1e10", "1.5E-3" };
	static const char *const huge_integers[] = { "9223372036854775808", "123456789012345678901" };    /* kept as positions are */
	static const char *const strings[] = { "''", "'a'", "'it''s'", "E'\\n\\'x'", "$$x$$", "$t$a $$ b$t$", "'now'", "' 1'",
		"'a'\n'b'", "'a' -- c\n '/* b'", "e'\\u00e9'", "'{1,2}'", "'-5'", "'--'", "'\xc3\xa9'" };
	static const char *const unicode_strings[] = { "U&'d\\0061t'", "u&'!0061' UESCAPE '!'", "U&''" };
	static const char *const bits[] = { "B'101'", "X'ff'", "b''", "x'1'" };

	switch (class) {
	case LITERAL_INTEGER:
		if (dice_roll(dice, 20))
			buf_add_text(out, integers[dice_roll(dice, 7)]);
		else
			buf_add_text(out, big_integers[dice_roll(dice, 3)]);
		return;
	case LITERAL_DECIMAL:
		buf_add_text(out, is_digits(old) ? huge_integers[dice_roll(dice, 2)] : decimals[dice_roll(dice, 5)]);
		return;
	case LITERAL_STRING:
		if (standard_strings && dice_roll(dice, 8) == 0)
			buf_add_text(out, unicode_strings[dice_roll(dice, 3)]);
		else
			buf_add_text(out, strings[dice_roll(dice, 15)]);
		return;
	case LITERAL_BIT:
		buf_add_text(out, bits[dice_roll(dice, 4)]);
		return;
	}
}

/* Other literals where `literals` (all of one slot) stood: when they are more than one, any number. */
static void add_slot(struct dice *dice, struct slice text, const struct literal *literals, size_t count, bool standard_strings, struct buf *out)
{
	struct slice old = slice_make(text.data + literals->offset, literals->size);
	size_t other_count = count > 1 ? 1 + dice_roll(dice, 4) : 1;

	for (size_t i = 0; i < other_count; i++) {
		buf_add_text(out, i ? ", " : "");
		add_other_literal(dice, literals->class, old, standard_strings, out);
	}
}

static void add_blank(struct dice *dice, bool newline_allowed, struct buf *out)
{
	static const char *const blanks[] = { " ", "  ", "\t", " /* x */ ", "/**/ ", " /* a /* 'b */ c */ ", "\n", "\r\n", " -- 'x\n" };

	buf_add_text(out, blanks[dice_roll(dice, newline_allowed ? 9 : 6)]);
}

static void add_word(struct dice *dice, struct slice word, struct buf *out)
{
	bool other_case = dice_roll(dice, 4) == 0;

	for (size_t i = 0; i < word.size; i++) {
		char c = word.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		buf_add_u8(out, (uint8_t)(letter && other_case ? c ^ 0x20 : c));
	}
}

/* The text anew, token by token. */
static void make_variant(struct dice *dice, struct slice text, const struct fingerprint *fingerprint, struct buf *out)
{
	const struct literal *literals = fingerprint->literals;
	size_t at = 0;
	struct lexer lexer;
	struct token token;
	bool after_string = false, glue = true;
	uint32_t skip_to = 0;

	lexer_init(&lexer, text, fingerprint->standard_strings);
	while (lexer_next(&lexer, &token) == 1) {
		size_t count = 0;

		if (token.offset < skip_to)
			continue;
		if (!glue)
			add_blank(dice, !(after_string && token_is_string(&token)), out);
		glue = token.kind == TOKEN_NCHAR;
		after_string = token_is_literal(&token);
		while (at + count < fingerprint->literal_count && literals[at].slot == literals[at + count].slot &&
		       literals[at].offset == token.offset)
			count++;
		if (count == 0) {
			struct slice whole = slice_make(text.data + token.offset, token.size);

			if (token.kind == TOKEN_WORD)
				add_word(dice, whole, out);
			else
				buf_add_slice(out, whole);
			continue;
		}
		skip_to = literals[at + count - 1].offset + literals[at + count - 1].size;
		if (literals[at].kept)
			buf_add(out, text.data + token.offset, skip_to - token.offset);
		else
			add_slot(dice, text, &literals[at], count, fingerprint->standard_strings, out);
		at += count;
	}
}

static bool describe(struct slice text, const struct fingerprint *fingerprint, struct arena *arena, struct buf *out)
{
	struct shapes shapes;

	if (shape_parse(text, fingerprint, arena, &shapes, NULL) < 0)
		return false;
	for (size_t i = 0; i < shapes.count; i++)
		buf_add_text(out, shape_describe(&shapes.items[i], arena));
	return true;
}

static void check_values(struct slice text, const struct fingerprint *fingerprint)
{
	struct buf value;

	for (size_t i = 0; i < fingerprint->literal_count; i++) {
		buf_init(&value, text.size * 2 + 16);
		if (literal_value(text, &fingerprint->literals[i], fingerprint->standard_strings, &value, NULL) == 0 && value.failed)
			fail(text, "a literal's value is longer than the literal", buf_slice(&value));
		buf_release(&value);
	}
}

static bool same(const struct fingerprint *a, const struct fingerprint *b)
{
	for (size_t i = 0; i < a->literal_count && i < b->literal_count; i++) {
		const struct literal *one = &a->literals[i], *other = &b->literals[i];

		if (one->class != other->class || one->offset != other->offset || one->size != other->size || one->slot != other->slot ||
		    one->kept != other->kept)
			return false;
	}
	return slice_eq(a->normal, b->normal) && a->hash[0] == b->hash[0] && a->hash[1] == b->hash[1] && a->literal_count == b->literal_count &&
	       a->slot_count == b->slot_count && a->param_max == b->param_max && a->several == b->several &&
	       a->standard_strings == b->standard_strings && a->hint_offset == b->hint_offset && a->hint_size == b->hint_size;
}

static void check_shape(struct slice text, bool standard_strings, uint64_t seed, struct check_counts *counts)
{
	static struct fingerprinter *first, *second;
	const struct fingerprint *fingerprint, *other, *twin;
	struct buf variant, shape, other_shape;
	struct dice dice = { seed };
	struct arena arena;

	if (!first) {
		first = fingerprinter_new(true);
		second = fingerprinter_new(false);
	}
	if (fingerprint_make(first, text, standard_strings, &fingerprint, NULL) < 0)
		fail(text, "the fingerprint refuses what the lexer takes", slice_of(""));
	check_values(text, fingerprint);
	arena_init(&arena, 16 << 10);
	buf_init(&variant, 16 << 20);
	buf_init(&shape, 16 << 20);
	buf_init(&other_shape, 16 << 20);
	if (describe(text, fingerprint, &arena, &shape)) {
		counts->parsed++;
		make_variant(&dice, text, fingerprint, &variant);
		if (fingerprint_make(second, buf_slice(&variant), standard_strings, &other, NULL) < 0)
			fail(text, "a variant is refused", buf_slice(&variant));
		if (fingerprint_make(first, buf_slice(&variant), standard_strings, &twin, NULL) < 0 || !same(twin, other))
			fail(text, "a twin has another fingerprint", buf_slice(&variant));
		if (fingerprint_make(first, text, standard_strings, &fingerprint, NULL) < 0)
			fail(text, "refused the second time", buf_slice(&variant));
		if (!slice_eq(fingerprint->normal, other->normal)) {
			fprintf(stderr, "%.*s\n%.*s\n", SLICE_FMT(fingerprint->normal), SLICE_FMT(other->normal));
			fail(text, "a variant has another normal form", buf_slice(&variant));
		}
		if (fingerprint->hash[0] != other->hash[0] || fingerprint->hash[1] != other->hash[1])
			fail(text, "equal normal forms, unequal hashes", buf_slice(&variant));
		if (describe(buf_slice(&variant), other, &arena, &other_shape)) {
			counts->varied++;
			if (!slice_eq(buf_slice(&shape), buf_slice(&other_shape))) {
				fprintf(stderr, "%.*s\n%.*s\n", SLICE_FMT(buf_slice(&shape)), SLICE_FMT(buf_slice(&other_shape)));
				fail(text, "one fingerprint, two shapes", buf_slice(&variant));
			}
		}
	}
	buf_release(&other_shape);
	buf_release(&shape);
	buf_release(&variant);
	arena_release(&arena);
}

void check_text(struct slice text, bool standard_strings, bool with_shape, uint64_t seed, struct check_counts *counts)
{
	if (text.size && memchr(text.data, '\0', text.size))
		return;
	counts->texts++;
	if (!check_tokens(text, standard_strings)) {
		counts->refused++;
		return;
	}
	if (with_shape)
		check_shape(text, standard_strings, seed, counts);
}

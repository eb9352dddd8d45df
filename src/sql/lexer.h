/* lexer: SQL text -> tokens, by the rules of PostgreSQL 15's scanner (src/backend/parser/scan.l).
 *
 * A token is a place in the text; nothing is copied or folded. Whitespace and comments are skipped. Literal text of any kind
 * is one token, with its prefix and its continuations on further lines ('a' newline 'b'). As in PostgreSQL, N'…' is two
 * tokens, the keyword NCHAR (one byte wide) and a string; U&'…' UESCAPE '!' is three.
 * A lexer borrows the text; it never reads outside of it, whatever the bytes are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum token_kind {
	TOKEN_WORD,                     /* unquoted identifier or keyword */
	TOKEN_NCHAR,                    /* the n of N'…' */
	TOKEN_QUOTED,                   /* "…" */
	TOKEN_QUOTED_UNICODE,           /* U&"…" */
	TOKEN_STRING,                   /* '…' without backslash escapes */
	TOKEN_STRING_ESCAPE,            /* E'…', and '…' when standard_conforming_strings is off */
	TOKEN_STRING_UNICODE,           /* U&'…' */
	TOKEN_STRING_DOLLAR,            /* $tag$…$tag$ */
	TOKEN_BITS,                     /* B'…' */
	TOKEN_HEX,                      /* X'…' */
	TOKEN_INTEGER,                  /* digits only, of any length */
	TOKEN_DECIMAL,                  /* with a point or an exponent */
	TOKEN_PARAM,                    /* $1 */
	TOKEN_TYPECAST,                 /* :: */
	TOKEN_DOT_DOT,
	TOKEN_COLON_EQUALS,
	TOKEN_EQUALS_GREATER,
	TOKEN_LESS_EQUALS,
	TOKEN_GREATER_EQUALS,
	TOKEN_NOT_EQUALS,               /* <> and != */
	TOKEN_OPERATOR,                 /* any other operator, also of one character when that is not in "self" */
	TOKEN_CHAR,                     /* one character: of ,()[].;:+-*%/^<>= or one that the grammar does not know */
};

struct token {
	uint8_t kind;                   /* enum token_kind */
	char first;                     /* the first byte: what a TOKEN_CHAR is */
	uint16_t word;                  /* for the lexer's callers: enum word */
	uint32_t offset, size;
	uint32_t match;                 /* for the lexer's callers: the other bracket */
};

struct lexer {
	const char *text, *end, *at;
	bool standard_strings;
	const char *problem;            /* after ERR_SYNTAX: PostgreSQL's words for it */
};

/* The text must be shorter than 4 GB. */
void lexer_init(struct lexer *lexer, struct slice text, bool standard_strings);

/* 1 with the next token, 0 at the end, ERR_SYNTAX for what the scanner refuses (lexer->problem says why). */
must_use int lexer_next(struct lexer *lexer, struct token *ret_token);

static inline bool token_is(const struct token *token, char character)
{
	return token->kind == TOKEN_CHAR && token->first == character;
}

static inline bool token_is_string(const struct token *token)
{
	return token->kind >= TOKEN_STRING && token->kind <= TOKEN_STRING_DOLLAR;
}

static inline bool token_is_literal(const struct token *token)
{
	return token->kind >= TOKEN_STRING && token->kind <= TOKEN_DECIMAL;
}

/* Behind the `'` or `"` at `at` (which closes a string): where the string goes on behind the newline, or NULL. */
const char *lexer_continuation(const char *at, const char *end);

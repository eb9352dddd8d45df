#include "sql/lexer.h"

#include <string.h>

enum { OPERATOR_SIZE_MAX = 63 };        /* NAMEDATALEN - 1 */

/* What a byte can be a part of. */
enum {
	SPACE = 1,                      /* [ \t\n\r\f] */
	IDENT_START = 2,                /* [A-Za-z\200-\377_] */
	DIGIT = 4,
	DOLLAR = 8,                     /* goes on in identifiers, not in dollar-quote tags */
	OPERATOR = 16,                  /* [~!@#^&|`?+\-*%/<>=] */
	LOOSE = 32,                     /* one of these lets an operator end in + or - */
	SELF = 64,                      /* tokens of one character */
	HEX = 128,
	IDENT = IDENT_START | DIGIT | DOLLAR,
	TAG = IDENT_START | DIGIT,
};

static const uint8_t classes[256] = {
	[' '] = SPACE, ['\t'] = SPACE, ['\n'] = SPACE, ['\r'] = SPACE, ['\f'] = SPACE,
	['0' ... '9'] = DIGIT | HEX,
	['A' ... 'F'] = IDENT_START | HEX, ['a' ... 'f'] = IDENT_START | HEX,
	['G' ... 'Z'] = IDENT_START, ['g' ... 'z'] = IDENT_START, ['_'] = IDENT_START, [0x80 ... 0xff] = IDENT_START,
	['$'] = DOLLAR,
	['~'] = OPERATOR | LOOSE, ['!'] = OPERATOR | LOOSE, ['@'] = OPERATOR | LOOSE, ['#'] = OPERATOR | LOOSE,
	['&'] = OPERATOR | LOOSE, ['|'] = OPERATOR | LOOSE, ['`'] = OPERATOR | LOOSE, ['?'] = OPERATOR | LOOSE,
	['^'] = OPERATOR | LOOSE | SELF, ['%'] = OPERATOR | LOOSE | SELF,
	['+'] = OPERATOR | SELF, ['-'] = OPERATOR | SELF, ['*'] = OPERATOR | SELF, ['/'] = OPERATOR | SELF,
	['<'] = OPERATOR | SELF, ['>'] = OPERATOR | SELF, ['='] = OPERATOR | SELF,
	[','] = SELF, ['('] = SELF, [')'] = SELF, ['['] = SELF, [']'] = SELF, ['.'] = SELF, [';'] = SELF, [':'] = SELF,
};

static inline bool is(char c, int class)
{
	return classes[(unsigned char)c] & class;
}

void lexer_init(struct lexer *lexer, struct slice text, bool standard_strings)
{
	if (text.size == 0)
		text.data = "";                 /* NULL would read as an error below */
	*lexer = (struct lexer){
		.text = text.data, .at = text.data, .end = text.data + text.size, .standard_strings = standard_strings,
	};
}

static int refuse(struct lexer *lexer, const char *problem)
{
	lexer->problem = problem;
	return ERR_SYNTAX;
}

static const char *skip(const char *at, const char *end, int class)
{
	while (at < end && is(*at, class))
		at++;
	return at;
}

static const char *skip_line(const char *at, const char *end)
{
	while (at < end && *at != '\n' && *at != '\r')
		at++;
	return at;
}

/* Behind the block comment that begins at `at`, or NULL when it does not end. Comments nest. */
static const char *skip_block(const char *at, const char *end)
{
	size_t depth = 1;

	for (at += 2; end - at >= 2; at++) {
		if (at[0] == '*' && at[1] == '/') {
			at++;
			if (--depth == 0)
				return at + 1;
		} else if (at[0] == '/' && at[1] == '*') {
			at++;
			depth++;
		}
	}
	return NULL;
}

const char *lexer_continuation(const char *at, const char *end)
{
	bool newline = false;

	for (;; at++) {
		if (end - at >= 2 && at[0] == '-' && at[1] == '-')
			at = skip_line(at, end);
		if (at == end)
			return NULL;
		if (*at == '\'')
			return newline ? at + 1 : NULL;
		if (!is(*at, SPACE))
			return NULL;
		newline |= *at == '\n' || *at == '\r';
	}
}

/* The value of `count` hexadecimal digits, or -1. */
static int64_t hex_value(const char *at, const char *end, int count)
{
	int64_t value = 0;

	if (end - at < count)
		return -1;
	for (int i = 0; i < count; i++) {
		if (!is(at[i], HEX))
			return -1;
		value = value * 16 + (is(at[i], DIGIT) ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	}
	return value;
}

/* \uXXXX or \UXXXXXXXX at `at` (the backslash), with the second half of a surrogate pair: behind it, or NULL with the
 * problem noted. */
static const char *scan_unicode_escape(struct lexer *lexer, const char *at)
{
	int64_t half = 0;

	do {
		int digits = at[1] == 'u' ? 4 : 8;
		int64_t value = hex_value(at + 2, lexer->end, digits);

		if (value < 0) {
			lexer->problem = "invalid Unicode escape";
			return NULL;
		}
		if (value == 0 || value > 0x10ffff) {
			lexer->problem = "invalid Unicode escape value";
			return NULL;
		}
		if ((value >= 0xdc00 && value <= 0xdfff) != (half != 0)) {
			lexer->problem = "invalid Unicode surrogate pair";
			return NULL;
		}
		at += 2 + digits;
		if (half)
			return at;
		half = value >= 0xd800 && value <= 0xdbff ? value : 0;
		if (half && !(lexer->end - at >= 2 && at[0] == '\\' && (at[1] == 'u' || at[1] == 'U'))) {
			lexer->problem = "invalid Unicode surrogate pair";
			return NULL;
		}
	} while (half);
	return at;
}

/* `at` is behind the opening quote of a string with backslash escapes. */
static int scan_escape_string(struct lexer *lexer, const char *at)
{
	const char *end = lexer->end;

	while (at < end) {
		if (*at == '\\') {
			if (end - at >= 2 && (at[1] == 'u' || at[1] == 'U')) {
				at = scan_unicode_escape(lexer, at);
				if (!at)
					return ERR_SYNTAX;
			} else {
				at += end - at >= 2 ? 2 : 1;
			}
		} else if (*at != '\'') {
			at++;
		} else if (at + 1 < end && at[1] == '\'') {
			at += 2;
		} else {
			const char *more = lexer_continuation(at + 1, end);

			if (!more) {
				lexer->at = at + 1;
				return 1;
			}
			at = more;
		}
	}
	return refuse(lexer, "unterminated quoted string");
}

/* `at` is behind the opening quote. In bit strings '' is not a quote but an end and a new string: the grammar refuses it. */
static int scan_plain_string(struct lexer *lexer, const char *at, bool doubled)
{
	const char *end = lexer->end;

	while ((at = at < end ? memchr(at, '\'', (size_t)(end - at)) : NULL) != NULL) {
		at++;
		if (doubled && at < end && *at == '\'') {
			at++;
			continue;
		}
		const char *more = lexer_continuation(at, end);

		if (!more) {
			lexer->at = at;
			return 1;
		}
		at = more;
	}
	return refuse(lexer, doubled ? "unterminated quoted string" : "unterminated bit string literal");
}

static int scan_quoted(struct lexer *lexer, const char *at)
{
	const char *begin = at, *end = lexer->end;

	while ((at = at < end ? memchr(at, '"', (size_t)(end - at)) : NULL) != NULL) {
		if (at + 1 < end && at[1] == '"') {
			at += 2;
			continue;
		}
		if (at == begin)
			return refuse(lexer, "zero-length delimited identifier");
		lexer->at = at + 1;
		return 1;
	}
	return refuse(lexer, "unterminated quoted identifier");
}

/* A word, or what its first letter announces: b'…' x'…' n'…' e'…' u&'…' u&"…". */
static int scan_word(struct lexer *lexer, struct token *token, const char *at)
{
	const char *end = lexer->end;

	if (end - at >= 2 && at[1] == '\'') {
		switch (*at | 0x20) {
		case 'b':
			token->kind = TOKEN_BITS;
			return scan_plain_string(lexer, at + 2, false);
		case 'x':
			token->kind = TOKEN_HEX;
			return scan_plain_string(lexer, at + 2, false);
		case 'e':
			token->kind = TOKEN_STRING_ESCAPE;
			return scan_escape_string(lexer, at + 2);
		case 'n':
			token->kind = TOKEN_NCHAR;
			lexer->at = at + 1;
			return 1;
		}
	}
	if (end - at >= 3 && (*at | 0x20) == 'u' && at[1] == '&') {
		if (at[2] == '"') {
			token->kind = TOKEN_QUOTED_UNICODE;
			return scan_quoted(lexer, at + 3);
		}
		if (at[2] == '\'') {
			if (!lexer->standard_strings)
				return refuse(lexer, "unsafe use of string constant with Unicode escapes");
			token->kind = TOKEN_STRING_UNICODE;
			return scan_plain_string(lexer, at + 3, true);
		}
	}
	token->kind = TOKEN_WORD;
	lexer->at = skip(at + 1, end, IDENT);
	return 1;
}

static int scan_number(struct lexer *lexer, struct token *token, const char *at)
{
	const char *end = lexer->end;

	token->kind = TOKEN_INTEGER;
	at = skip(at, end, DIGIT);
	if (at < end && *at == '.' && !(end - at >= 2 && at[1] == '.' && at != lexer->at)) {
		token->kind = TOKEN_DECIMAL;
		at = skip(at + 1, end, DIGIT);
	}
	if (at < end && (*at | 0x20) == 'e') {
		const char *digits = at + 1;

		if (digits < end && (*digits == '+' || *digits == '-'))
			digits++;
		if (digits < end && is(*digits, DIGIT)) {
			token->kind = TOKEN_DECIMAL;
			at = skip(digits, end, DIGIT);
		}
	}
	if (at < end && is(*at, IDENT_START))
		return refuse(lexer, "trailing junk after numeric literal");
	lexer->at = at;
	return 1;
}

static int scan_dollar(struct lexer *lexer, struct token *token, const char *at)
{
	const char *end = lexer->end, *tag_end;
	size_t tag_size;

	token->kind = TOKEN_CHAR;
	lexer->at = at + 1;
	if (at + 1 < end && is(at[1], DIGIT)) {
		token->kind = TOKEN_PARAM;
		lexer->at = skip(at + 1, end, DIGIT);
		if (lexer->at < end && is(*lexer->at, IDENT_START))
			return refuse(lexer, "trailing junk after parameter");
		return 1;
	}
	tag_end = skip(at + 1, end, TAG);
	if (tag_end == end || *tag_end != '$')
		return 1;                       /* a lone $ */
	tag_size = (size_t)(tag_end + 1 - at);
	token->kind = TOKEN_STRING_DOLLAR;
	for (const char *from = tag_end + 1; (size_t)(end - from) >= tag_size; from++) {
		from = memchr(from, '$', (size_t)(end - from) - tag_size + 1);
		if (!from)
			break;
		if (memcmp(from, at, tag_size) == 0) {
			lexer->at = from + tag_size;
			return 1;
		}
	}
	return refuse(lexer, "unterminated dollar-quoted string");
}

/* How much of the run of operator characters [at, end) is one operator: a comment ends it, and a trailing + or - is not of
 * it unless it has a character that no SQL operator has. */
static size_t operator_size(const char *at, const char *end)
{
	size_t size = 0;
	bool loose = false;

	while (at + size < end) {
		bool pair = at + size + 1 < end;

		if (pair && at[size] == '-' && at[size + 1] == '-')
			break;
		if (pair && at[size] == '/' && at[size + 1] == '*')
			break;
		size++;
	}
	if (size > 1 && (at[size - 1] == '+' || at[size - 1] == '-')) {
		for (size_t i = 0; i + 1 < size && !loose; i++)
			loose = is(at[i], LOOSE);
		while (!loose && size > 1 && (at[size - 1] == '+' || at[size - 1] == '-'))
			size--;
	}
	return size;
}

static int scan_operator(struct lexer *lexer, struct token *token, const char *at)
{
	size_t size = operator_size(at, skip(at, lexer->end, OPERATOR));

	if (size > OPERATOR_SIZE_MAX)
		return refuse(lexer, "operator too long");
	lexer->at = at + size;
	token->kind = TOKEN_OPERATOR;
	if (size == 1 && is(*at, SELF))
		token->kind = TOKEN_CHAR;
	if (size != 2)
		return 1;
	if (at[0] == '<' && at[1] == '=')
		token->kind = TOKEN_LESS_EQUALS;
	else if (at[0] == '>' && at[1] == '=')
		token->kind = TOKEN_GREATER_EQUALS;
	else if ((at[0] == '<' && at[1] == '>') || (at[0] == '!' && at[1] == '='))
		token->kind = TOKEN_NOT_EQUALS;
	else if (at[0] == '=' && at[1] == '>')
		token->kind = TOKEN_EQUALS_GREATER;
	return 1;
}

static int scan_char(struct lexer *lexer, struct token *token, const char *at)
{
	char next = lexer->end - at >= 2 ? at[1] : '\0';

	token->kind = TOKEN_CHAR;
	lexer->at = at + 1;
	if (*at == ':' && (next == ':' || next == '=')) {
		token->kind = next == ':' ? TOKEN_TYPECAST : TOKEN_COLON_EQUALS;
		lexer->at++;
	} else if (*at == '.' && next == '.') {
		token->kind = TOKEN_DOT_DOT;
		lexer->at++;
	} else if (*at == '.' && is(next, DIGIT)) {
		return scan_number(lexer, token, at);
	} else if (*at == '\0') {
		return refuse(lexer, "zero byte");
	}
	return 1;
}

/* Behind whitespace and comments; NULL when a comment does not end. */
static const char *skip_blank(const char *at, const char *end)
{
	for (;;) {
		at = skip(at, end, SPACE);
		if (end - at < 2)
			return at;
		if (at[0] == '-' && at[1] == '-')
			at = skip_line(at, end);
		else if (at[0] == '/' && at[1] == '*')
			at = skip_block(at, end);
		else
			return at;
		if (!at)
			return NULL;
	}
}

static int scan(struct lexer *lexer, struct token *token, const char *at)
{
	uint8_t class = classes[(unsigned char)*at];

	if (class & IDENT_START)
		return scan_word(lexer, token, at);
	if (class & OPERATOR)
		return scan_operator(lexer, token, at);
	if (class & DIGIT)
		return scan_number(lexer, token, at);
	if (class & DOLLAR)
		return scan_dollar(lexer, token, at);
	if (*at == '\'') {
		token->kind = lexer->standard_strings ? TOKEN_STRING : TOKEN_STRING_ESCAPE;
		return lexer->standard_strings ? scan_plain_string(lexer, at + 1, true) : scan_escape_string(lexer, at + 1);
	}
	if (*at == '"') {
		token->kind = TOKEN_QUOTED;
		return scan_quoted(lexer, at + 1);
	}
	return scan_char(lexer, token, at);
}

int lexer_next(struct lexer *lexer, struct token *ret_token)
{
	const char *at = skip_blank(lexer->at, lexer->end);
	int rc;

	if (!at)
		return refuse(lexer, "unterminated /* comment");
	lexer->at = at;
	if (at == lexer->end)
		return 0;
	ret_token->first = *at;
	ret_token->word = 0;
	ret_token->match = 0;
	ret_token->offset = (uint32_t)(at - lexer->text);
	rc = scan(lexer, ret_token, at);
	ret_token->size = (uint32_t)(lexer->at - at);
	return rc;
}

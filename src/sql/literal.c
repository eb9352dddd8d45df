#include "sql/fingerprint.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "sql/lexer.h"

enum { UNICODE_MAX = 0x10ffff };

static int refuse(struct err *err, const char *problem)
{
	return err_set(err, ERR_SYNTAX, "%s", problem);
}

static bool is_high_half(uint32_t value)
{
	return value >= 0xd800 && value <= 0xdbff;
}

static bool is_low_half(uint32_t value)
{
	return value >= 0xdc00 && value <= 0xdfff;
}

static void add_utf8(struct buf *out, uint32_t value)
{
	if (value < 0x80) {
		buf_add_u8(out, (uint8_t)value);
	} else if (value < 0x800) {
		buf_add_u8(out, (uint8_t)(0xc0 | value >> 6));
		buf_add_u8(out, (uint8_t)(0x80 | (value & 0x3f)));
	} else if (value < 0x10000) {
		buf_add_u8(out, (uint8_t)(0xe0 | value >> 12));
		buf_add_u8(out, (uint8_t)(0x80 | (value >> 6 & 0x3f)));
		buf_add_u8(out, (uint8_t)(0x80 | (value & 0x3f)));
	} else {
		buf_add_u8(out, (uint8_t)(0xf0 | value >> 18));
		buf_add_u8(out, (uint8_t)(0x80 | (value >> 12 & 0x3f)));
		buf_add_u8(out, (uint8_t)(0x80 | (value >> 6 & 0x3f)));
		buf_add_u8(out, (uint8_t)(0x80 | (value & 0x3f)));
	}
}

/* Joins the halves of surrogate pairs. `half` is the first one, or 0. */
static int add_unicode(struct buf *out, uint32_t value, uint32_t *half, struct err *err)
{
	if (value == 0 || value > UNICODE_MAX)
		return refuse(err, "invalid Unicode escape value");
	if (is_low_half(value) != (*half != 0))
		return refuse(err, "invalid Unicode surrogate pair");
	if (is_high_half(value)) {
		*half = value;
		return 0;
	}
	if (*half)
		value = 0x10000 + ((*half & 0x3ff) << 10) + (value & 0x3ff);
	*half = 0;
	add_utf8(out, value);
	return 0;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads digits of `base`, at least `count_min` and at most `count_max` of them; false when there are too few. */
static bool read_digits(struct slice text, size_t *at, int base, size_t count_min, size_t count_max, uint32_t *ret_value)
{
	size_t count = 0;

	*ret_value = 0;
	for (; count < count_max && *at < text.size; count++, (*at)++) {
		int digit = digit_value(text.data[*at]);

		if (digit < 0 || digit >= base)
			break;
		*ret_value = *ret_value * (uint32_t)base + (uint32_t)digit;
	}
	return count >= count_min;
}

/* The escape at text.data[*at], which is behind the backslash. */
static int add_escape(struct slice text, size_t *at, struct buf *out, uint32_t *half, struct err *err)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	char c = text.data[*at];
	const char *letter = strchr(letters, c);
	uint32_t value;

	if (c == 'u' || c == 'U') {
		size_t count = c == 'u' ? 4 : 8;

		(*at)++;
		if (!read_digits(text, at, 16, count, count, &value))
			return refuse(err, "invalid Unicode escape");
		return add_unicode(out, value, half, err);
	}
	if (*half)
		return refuse(err, "invalid Unicode surrogate pair");
	if (c >= '0' && c <= '7') {
		(void)read_digits(text, at, 8, 1, 3, &value);
		value &= 0xff;
	} else {
		(*at)++;
		value = (unsigned char)(letter && c ? meanings[letter - letters] : c);
		if (c == 'x') {
			uint32_t hex;

			if (read_digits(text, at, 16, 1, 2, &hex))
				value = hex;
		}
	}
	if (value == 0)
		return refuse(err, "invalid byte sequence: 0x00");
	buf_add_u8(out, (uint8_t)value);
	return 0;
}

/* What stands between the quotes of `text` (which begins behind the opening one) up to the end: '' and continuations undone,
 * and backslashes too when `escapes`. */
static int add_quoted(struct slice text, bool escapes, struct buf *out, struct err *err)
{
	uint32_t half = 0;

	for (size_t at = 0; at < text.size;) {
		char c = text.data[at];
		int rc = 0;

		if (c == '\'' && at + 1 < text.size && text.data[at + 1] == '\'') {
			at++;
		} else if (c == '\'') {
			const char *more = lexer_continuation(text.data + at + 1, text.data + text.size);

			if (!more)
				break;
			at = (size_t)(more - text.data);
			continue;
		} else if (c == '\\' && escapes && at + 1 < text.size) {
			at++;
			rc = add_escape(text, &at, out, &half, err);
			if (rc < 0)
				return rc;
			continue;
		}
		if (half)
			return refuse(err, "invalid Unicode surrogate pair");
		buf_add_u8(out, (uint8_t)c);
		at++;
	}
	return half ? refuse(err, "invalid Unicode surrogate pair") : 0;
}

/* Undoes \XXXX and \+XXXXXX (str_udeescape() of PostgreSQL's parser.c). */
static int add_unicode_unescaped(struct slice text, char escape, struct buf *out, struct err *err)
{
	uint32_t half = 0, value;

	for (size_t at = 0; at < text.size;) {
		if (text.data[at] != escape || (at + 1 < text.size && text.data[at + 1] == escape)) {
			if (half)
				return refuse(err, "invalid Unicode surrogate pair");
			buf_add_u8(out, (uint8_t)text.data[at]);
			at += text.data[at] == escape ? 2 : 1;
			continue;
		}
		bool plus = ++at < text.size && text.data[at] == '+';
		int rc;

		at += plus;
		if (!read_digits(text, &at, 16, plus ? 6 : 4, plus ? 6 : 4, &value))
			return refuse(err, "invalid Unicode escape");
		rc = add_unicode(out, value, &half, err);
		if (rc < 0)
			return rc;
	}
	return half ? refuse(err, "invalid Unicode surrogate pair") : 0;
}

/* The escape character of UESCAPE 'x', which the rest of `lexer` may hold. */
static int read_uescape(struct lexer *lexer, bool standard_strings, char *ret_escape, struct err *err)
{
	struct token token;
	struct buf text;
	int rc;

	*ret_escape = '\\';
	if (lexer_next(lexer, &token) != 1)
		return 0;                       /* no UESCAPE */
	if (lexer_next(lexer, &token) != 1)
		return refuse(err, "UESCAPE must be followed by a simple string literal");
	struct literal literal = { LITERAL_STRING, token.offset, token.size, 0, false };

	buf_init(&text, 16);
	rc = literal_value(slice_make(lexer->text, (size_t)(lexer->end - lexer->text)), &literal, standard_strings, &text,
			   err);
	if (rc == 0 && (text.size != 1 || digit_value(text.data[0]) >= 0 || strchr("+'\" \t\n\r\f", text.data[0])))
		rc = refuse(err, "invalid Unicode escape character");
	if (rc == 0)
		*ret_escape = text.data[0];
	buf_release(&text);
	return rc;
}

static int add_unicode_string(struct slice quoted, struct lexer *lexer, bool standard_strings, struct buf *out,
			      struct err *err)
{
	struct buf raw;
	char escape;
	int rc = read_uescape(lexer, standard_strings, &escape, err);

	if (rc < 0)
		return rc;
	buf_init(&raw, quoted.size);
	rc = add_quoted(quoted, false, &raw, err);
	if (rc == 0)
		rc = add_unicode_unescaped(buf_slice(&raw), escape, out, err);
	buf_release(&raw);
	return rc;
}

static struct slice behind(struct slice text, size_t size)
{
	return slice_make(text.data + size, text.size - size);
}

int literal_value(struct slice sql, const struct literal *literal, bool standard_strings, struct buf *out, struct err *err)
{
	struct slice whole = slice_make(sql.data + literal->offset, literal->size), text;
	struct lexer lexer;
	struct token token;
	size_t tag_size;

	lexer_init(&lexer, whole, standard_strings);
	if (lexer_next(&lexer, &token) != 1)
		return refuse(err, "not a literal");
	text = slice_make(whole.data, token.size);
	switch ((enum token_kind)token.kind) {
	case TOKEN_INTEGER: case TOKEN_DECIMAL:
		buf_add_slice(out, text);
		return 0;
	case TOKEN_STRING:
		return add_quoted(behind(text, 1), false, out, err);
	case TOKEN_STRING_ESCAPE:
		return add_quoted(behind(text, token.first == '\'' ? 1 : 2), true, out, err);
	case TOKEN_STRING_UNICODE:
		return add_unicode_string(behind(text, 3), &lexer, standard_strings, out, err);
	case TOKEN_STRING_DOLLAR:
		tag_size = (size_t)((const char *)memchr(text.data + 1, '$', text.size - 1) - text.data) + 1;
		buf_add(out, text.data + tag_size, text.size - 2 * tag_size);
		return 0;
	case TOKEN_BITS: case TOKEN_HEX:
		buf_add_u8(out, token.kind == TOKEN_BITS ? 'b' : 'x');
		return add_quoted(behind(text, 2), false, out, err);
	case TOKEN_WORD: case TOKEN_NCHAR: case TOKEN_QUOTED: case TOKEN_QUOTED_UNICODE: case TOKEN_PARAM:
	case TOKEN_TYPECAST: case TOKEN_DOT_DOT: case TOKEN_COLON_EQUALS: case TOKEN_EQUALS_GREATER:
	case TOKEN_LESS_EQUALS: case TOKEN_GREATER_EQUALS: case TOKEN_NOT_EQUALS: case TOKEN_OPERATOR: case TOKEN_CHAR:
		break;
	}
	return refuse(err, "not a literal");
}

enum { TIME_WORD_SIZE_MAX = 9 };

static bool is_time_word(const char *word, size_t size)
{
	static const char *const words[] = { "now", "today", "tomorrow", "yesterday" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (size == strlen(words[i]) && strncasecmp(word, words[i], size) == 0)
			return true;
	return false;
}

/* In a field of a row, quotes may stand anywhere: (n"o"w). */
static bool has_time_word(struct slice text)
{
	char word[TIME_WORD_SIZE_MAX];
	size_t size = 0;

	for (size_t at = 0; at < text.size; at++) {
		char character = text.data[at];

		if (character == '"')
			continue;
		if (isalpha((unsigned char)character)) {
			if (size < TIME_WORD_SIZE_MAX)
				word[size] = character;
			size++;
			continue;
		}
		if (is_time_word(word, size))
			return true;
		size = 0;
	}
	return false;
}

/* 'n' and on the next line 'ow'; some others are taken for such. */
static bool may_continue(struct slice text)
{
	bool lines = memchr(text.data, '\n', text.size) || memchr(text.data, '\r', text.size);

	return lines && memchr(text.data + 1, '\'', text.size - 2);
}

bool literals_tell_time(const struct fingerprint *fingerprint, struct slice sql)
{
	for (size_t i = 0; i < fingerprint->literal_count; i++) {
		const struct literal *literal = &fingerprint->literals[i];
		struct slice text = slice_make(sql.data + literal->offset, literal->size);

		if (literal->class == LITERAL_STRING && (memchr(text.data, '\\', text.size) || has_time_word(text) || may_continue(text)))
			return true;
	}
	return false;
}

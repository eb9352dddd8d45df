#include "sql/keep.h"

#include <string.h>

enum { CAST_PARENTHESES_MAX = 16 };     /* around one literal; with more it is kept, so that `((((…` costs no square */

static const struct token *at(const struct tokens *tokens, size_t index)
{
	static const struct token none = { .kind = TOKEN_CHAR };

	return index < tokens->count ? &tokens->items[index] : &none;   /* index - 1 of the first token wraps around */
}

static bool is_char(const struct tokens *tokens, size_t index, char character)
{
	return token_is(at(tokens, index), character);
}

/* An unquoted word, and not the name behind a dot (where any keyword may stand). */
static bool is_word(const struct tokens *tokens, size_t index, enum word word)
{
	const struct token *token = at(tokens, index);

	return token->kind == TOKEN_WORD && token->word == word && !is_char(tokens, index - 1, '.');
}

static bool is_name(const struct token *token)
{
	return token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED || token->kind == TOKEN_QUOTED_UNICODE;
}

static bool begins_with(const struct tokens *tokens, const struct token *token, const char *prefix)
{
	size_t size = strlen(prefix), quote = token->kind == TOKEN_QUOTED;

	return token->size >= size + quote && strncasecmp(tokens->text + token->offset + quote, prefix, size) == 0;
}

unsigned keep_at_start(const struct tokens *tokens, size_t index)
{
	const struct token *token = at(tokens, index);

	if (token_is(token, '('))
		return 0;
	if (token->kind == TOKEN_WORD)
		switch (token->word) {
		case W_SELECT: case W_INSERT: case W_UPDATE: case W_DELETE:
		case W_WITH: case W_VALUES: case W_MERGE: case W_TABLE:
			return 0;
		}
	return KEEP_STATEMENT;
}

unsigned keep_behind_word(const struct tokens *tokens, size_t index, unsigned flags)
{
	const struct token *token = at(tokens, index);

	if (token->kind != TOKEN_WORD || is_char(tokens, index - 1, '.'))
		return flags;
	switch (token->word) {
	case W_ORDER: case W_GROUP:
		return is_word(tokens, index + 1, W_BY) ? flags | KEEP_POSITIONS : flags;
	case W_LIMIT: case W_OFFSET: case W_FETCH: case W_FOR: case W_HAVING: case W_WINDOW:
	case W_UNION: case W_INTERSECT: case W_EXCEPT: case W_ON: case W_RETURNING:
		return flags & ~(unsigned)KEEP_POSITIONS;
	}
	return flags;
}

/* May the token before "(" be the name of a function, so that the parentheses are its arguments? */
static bool is_function_name(const struct tokens *tokens, size_t index)
{
	const struct token *token = at(tokens, index);

	if (token->kind == TOKEN_QUOTED || token->kind == TOKEN_QUOTED_UNICODE)
		return true;
	return token->kind == TOKEN_WORD && token->word != W_ROW &&
	       (is_char(tokens, index - 1, '.') ||
		(word_category(token->word) != CATEGORY_RESERVED && !word_uses(token->word, USE_OPERAND)));
}

/* Is the type that is named at `index` one whose input is a plain value, and not cast on to another type? */
static bool is_base_type(const struct tokens *tokens, size_t index)
{
	const struct token *token;

	if (is_word(tokens, index, W_PG_CATALOG) && is_char(tokens, index + 1, '.'))
		index += 2;
	token = at(tokens, index++);
	if (token->kind != TOKEN_WORD || is_char(tokens, index, '.'))
		return false;
	if (token->word == W_CHARACTER && is_word(tokens, index, W_VARYING))
		index++;
	else if (token->word == W_DOUBLE && is_word(tokens, index, W_PRECISION))
		index++;
	else if (!word_uses(token->word, USE_BASE_TYPE))
		return false;
	if (is_char(tokens, index, '('))
		index = at(tokens, index)->match + (size_t)1;
	while (is_char(tokens, index, '['))
		index = at(tokens, index)->match + (size_t)1;
	return at(tokens, index)->kind != TOKEN_TYPECAST;
}

/* Are the tokens `low` to `high`, perhaps in parentheses, cast to a type that may give a string another meaning? */
static bool is_cast(const struct tokens *tokens, size_t low, size_t high)
{
	for (int i = 0; i < CAST_PARENTHESES_MAX; i++, low--, high++) {
		if (at(tokens, high + 1)->kind == TOKEN_TYPECAST)
			return !is_base_type(tokens, high + 2);
		if (!is_char(tokens, low - 1, '('))
			return false;
		if (is_word(tokens, low - 2, W_CAST) && is_word(tokens, high + 1, W_AS))
			return !is_base_type(tokens, high + 2);
		if (at(tokens, low - 1)->match != high + 1 || is_function_name(tokens, low - 2))
			return false;
	}
	return true;
}

/* A name, perhaps with dots, that stands behind :: or AS: a type. `index` is the last part of the name. */
static bool is_type_name(const struct tokens *tokens, size_t index)
{
	while (is_char(tokens, index - 1, '.') && is_name(at(tokens, index - 2)))
		index -= 2;
	return at(tokens, index - 1)->kind == TOKEN_TYPECAST ||
	       (is_word(tokens, index - 1, W_AS) && !is_word(tokens, index, W_MATERIALIZED));
}

/* Does the function whose name is at `index` look its arguments up, or keep state under them? */
static bool is_keeping_function(const struct tokens *tokens, size_t index)
{
	const struct token *token = at(tokens, index), *schema = at(tokens, index - 2);

	if (token->kind == TOKEN_QUOTED_UNICODE)
		return true;
	if (word_uses(token->word, USE_KEEPS) || begins_with(tokens, token, "pg_") ||
	    begins_with(tokens, token, "to_reg") || begins_with(tokens, token, "has_"))
		return true;
	return is_char(tokens, index - 1, '.') && is_name(schema) &&
	       (schema->word == W_NANU || schema->kind == TOKEN_QUOTED_UNICODE);
}

static bool is_array(const struct tokens *tokens, size_t index)
{
	return is_char(tokens, index, '[') && is_word(tokens, index - 1, W_ARRAY);
}

/* Does the bracket at `index` stand where a field of a row or an element of a list stands? */
static bool is_element(const struct tokens *tokens, size_t index)
{
	if (is_word(tokens, index - 1, W_ROW))
		index--;
	return is_char(tokens, index - 1, '(') || is_char(tokens, index - 1, ',');
}

unsigned keep_inside(const struct tokens *tokens, size_t index, unsigned flags)
{
	const struct token *open = at(tokens, index), *before = at(tokens, index - 1);
	unsigned fields = flags & KEEP_FIELDS;

	flags &= ~(unsigned)KEEP_FIELDS;
	if (is_array(tokens, index)) {
		if (open->match < tokens->count && is_cast(tokens, index - 1, open->match))
			flags |= KEEP_ARGUMENTS;
		return flags;
	}
	if (open->first != '(')
		return flags;
	if (fields && is_element(tokens, index))
		flags |= KEEP_FIELDS;
	if (is_word(tokens, index - 1, W_ON) && is_word(tokens, index - 2, W_DISTINCT))
		flags |= KEEP_POSITIONS;
	if (is_name(before)) {
		if (word_uses(before->word, USE_MODIFIER) || is_type_name(tokens, index - 1))
			flags |= KEEP_MODIFIERS;
		if (is_keeping_function(tokens, index - 1))
			flags |= KEEP_ARGUMENTS;
	}
	if (open->match < tokens->count && !is_function_name(tokens, index - 1)) {
		size_t low = is_word(tokens, index - 1, W_ROW) ? index - 1 : index;

		if (is_cast(tokens, low, open->match))
			flags |= KEEP_FIELDS;
	}
	return flags;
}

/* 'text' behind a name that may be a type: date '…', numeric(10, 2) '…'. */
static bool is_typed(const struct tokens *tokens, size_t index)
{
	const struct token *before = at(tokens, index - 1);

	if (before->kind == TOKEN_QUOTED || before->kind == TOKEN_QUOTED_UNICODE || before->kind == TOKEN_NCHAR)
		return true;
	if (token_is(before, ')'))
		return true;
	if (before->kind != TOKEN_WORD)
		return false;
	return is_char(tokens, index - 2, '.') ||
	       (word_category(before->word) != CATEGORY_RESERVED && !word_uses(before->word, USE_OPERAND));
}

static bool is_field(const struct tokens *tokens, size_t index)
{
	return (is_char(tokens, index - 1, '(') || is_char(tokens, index - 1, ',')) &&
	       (is_char(tokens, index + 1, ')') || is_char(tokens, index + 1, ','));
}

bool keep_literal(const struct tokens *tokens, size_t index, unsigned flags)
{
	const struct token *token = at(tokens, index);

	if (flags & (KEEP_STATEMENT | KEEP_ARGUMENTS | KEEP_MODIFIERS))
		return true;
	if (token->kind == TOKEN_INTEGER)
		return flags & KEEP_POSITIONS;
	if (!token_is_string(token))
		return false;
	if ((flags & KEEP_FIELDS) && is_field(tokens, index))
		return true;
	return is_typed(tokens, index) || is_cast(tokens, index, index);
}

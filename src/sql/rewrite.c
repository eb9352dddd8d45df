#include "sql/rewrite.h"

#include <strings.h>

#include "sql/lexer.h"

static bool is_word(struct slice sql, const struct token *token, const char *word)
{
	return token->kind == TOKEN_WORD && token->size == strlen(word) &&
	       strncasecmp(sql.data + token->offset, word, token->size) == 0;
}

/* The token behind the verb: the first EXECUTE, PREPARE or DEALLOCATE that stands in no parentheses; DEALLOCATE PREPARE is
 * one verb. U&"…" may go on with UESCAPE '…', which *ret_end takes in. */
static bool find_name(struct slice sql, bool standard_strings, struct token *ret_name, size_t *ret_end)
{
	struct lexer lexer;
	struct token token;
	bool verb = false, deallocate = false;
	size_t depth = 0;

	lexer_init(&lexer, sql, standard_strings);
	while (lexer_next(&lexer, &token) == 1) {
		if (verb && deallocate && is_word(sql, &token, "prepare")) {
			struct lexer ahead = lexer;
			struct token next;

			/* DEALLOCATE PREPARE alone names a statement "prepare" */
			if (lexer_next(&ahead, &next) == 1 && !token_is(&next, ';')) {
				deallocate = false;
				continue;
			}
		}
		if (verb)
			break;
		depth += token_is(&token, '(');
		depth -= token_is(&token, ')') && depth > 0;
		deallocate = is_word(sql, &token, "deallocate");
		verb = depth == 0 && (deallocate || is_word(sql, &token, "execute") || is_word(sql, &token, "prepare"));
		token.size = 0;
	}
	if (!verb || token.size == 0 || is_word(sql, &token, "all") ||
	    (token.kind != TOKEN_WORD && token.kind != TOKEN_QUOTED && token.kind != TOKEN_QUOTED_UNICODE))
		return false;
	*ret_name = token;
	*ret_end = token.offset + token.size;
	if (token.kind == TOKEN_QUOTED_UNICODE && lexer_next(&lexer, &token) == 1 && is_word(sql, &token, "uescape") &&
	    lexer_next(&lexer, &token) == 1)
		*ret_end = token.offset + token.size;
	return true;
}

void rewrite_quote_name(struct slice name, struct buf *out)
{
	buf_add_u8(out, '"');
	for (size_t i = 0; i < name.size; i++) {
		if (name.data[i] == '"')
			buf_add_u8(out, '"');
		buf_add_u8(out, (uint8_t)name.data[i]);
	}
	buf_add_u8(out, '"');
}

int rewrite_execute(struct slice sql, bool standard_strings, struct slice name, struct buf *out, struct rewrite *ret_rewrite,
		    struct err *err)
{
	struct token token;
	size_t end, begin_size;

	*ret_rewrite = (struct rewrite){ 0 };
	if (!find_name(sql, standard_strings, &token, &end))
		return err_set(err, ERR_SYNTAX, "the name of a prepared statement was expected");
	buf_add(out, sql.data, token.offset);
	begin_size = out->size;
	rewrite_quote_name(name, out);
	if (end < sql.size && sql.data[end] == '"')
		buf_add_u8(out, ' ');           /* a"b" is two names, and an error */
	*ret_rewrite = (struct rewrite){ token.offset, end - token.offset, out->size - begin_size };
	buf_add(out, sql.data + end, sql.size - end);
	return 0;
}

static bool begins_character(char c, bool utf8)
{
	return !utf8 || ((unsigned char)c & 0xc0) != 0x80;
}

/* The byte at which the character `position` (from 1) begins; text.size when there are fewer. */
static size_t byte_of(struct slice text, bool utf8, size_t position)
{
	for (size_t i = 0; i < text.size; i++)
		if (begins_character(text.data[i], utf8) && position-- <= 1)
			return i;
	return text.size;
}

static size_t character_of(struct slice text, bool utf8, size_t byte)
{
	size_t position = 1;

	for (size_t i = 0; i < byte && i < text.size; i++)
		position += begins_character(text.data[i], utf8);
	return position;
}

size_t rewrite_position(const struct rewrite *rewrite, struct slice old_text, struct slice new_text, bool utf8,
			size_t position)
{
	size_t byte = byte_of(new_text, utf8, position);

	if (byte >= rewrite->offset + rewrite->new_size)
		byte = byte - rewrite->new_size + rewrite->size;
	else if (byte > rewrite->offset)
		byte = rewrite->offset;
	return character_of(old_text, utf8, byte);
}

#include "sql/comments.h"

#include <string.h>

#include "sql/lexer.h"

/* [begin, end) holds nothing but whitespace and comments. Where a block comment stood, no newline is left: strings that it parts are not one. */
static void blank_gap(char *begin, const char *end)
{
	size_t depth = 0;
	bool line = false, block = false;

	for (char *at = begin; at < end; at++) {
		bool pair = at + 1 < end;

		if (!line && depth == 0 && pair && at[0] == '-' && at[1] == '-')
			line = true;
		else if (line && (*at == '\n' || *at == '\r'))
			line = false;
		if (!line && pair && at[0] == '/' && at[1] == '*') {
			depth++;
			block = true;
			*at++ = ' ';
		} else if (depth > 0 && pair && at[0] == '*' && at[1] == '/') {
			depth--;
			*at++ = ' ';
			*at = ' ';
		}
		if (line || depth > 0)
			*at = ' ';
	}
	if (block)
		memset(begin, ' ', (size_t)(end - begin));
}

/* The gaps between the parts of one string. */
static void blank_string(char *at, const char *end, bool escapes, bool doubled)
{
	at = memchr(at, '\'', (size_t)(end - at));
	if (!at)
		return;
	for (at++; at < end; at++) {
		const char *more;

		if (*at == '\\' && escapes) {
			at++;
			continue;
		}
		if (*at != '\'')
			continue;
		if (doubled && at + 1 < end && at[1] == '\'') {
			at++;
			continue;
		}
		more = lexer_continuation(at + 1, end);
		if (!more)
			return;
		blank_gap(at + 1, more - 1);
		at += more - 1 - at;
	}
}

void comments_blank(char *text, size_t size, bool standard_strings)
{
	struct lexer lexer;
	struct token token;
	size_t end = 0;
	int rc;

	lexer_init(&lexer, (struct slice){ text, size }, standard_strings);
	while ((rc = lexer_next(&lexer, &token)) == 1) {
		blank_gap(text + end, text + token.offset);
		end = token.offset + token.size;
		if (token.kind == TOKEN_STRING_ESCAPE)
			blank_string(text + token.offset, text + end, true, true);
		else if (token.kind == TOKEN_STRING || token.kind == TOKEN_STRING_UNICODE)
			blank_string(text + token.offset, text + end, false, true);
		else if (token.kind == TOKEN_BITS || token.kind == TOKEN_HEX)
			blank_string(text + token.offset, text + end, false, false);
	}
	if (rc == 0)
		blank_gap(text + end, text + size);
}

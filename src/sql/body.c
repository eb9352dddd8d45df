#include "sql/body.h"

#include <string.h>

#include "sql/lexer.h"

enum { NAME_BYTES_MAX = 63 };           /* NAMEDATALEN of PostgreSQL, without its zero; it cuts longer ones */

/* Words of statements that do more than the names in them show. */
static const char *const opaque_words[] = { "alter", "create", "drop", "execute", "import", "load", "pg_temp", "prepare", "refresh" };

static bool listed(const char *name)
{
	for (size_t i = 0; i < sizeof(opaque_words) / sizeof(opaque_words[0]); i++)
		if (strcmp(opaque_words[i], name) == 0)
			return true;
	return strncmp(name, "pg_temp_", 8) == 0;
}

/* Unquoted names are folded, quoted ones have their quotes taken away. 0: too long, or empty. */
static size_t read_name(struct slice source, const struct token *token, char out[NAME_BYTES_MAX + 2])
{
	const char *from = source.data + token->offset, *end = from + token->size;
	bool quoted = token->kind == TOKEN_QUOTED;
	size_t size = 0;

	if (quoted) {
		from++;
		end--;
	}
	for (; from < end; from++) {
		if (size > NAME_BYTES_MAX)
			return 0;
		out[size++] = !quoted && *from >= 'A' && *from <= 'Z' ? (char)(*from + 'a' - 'A') : *from;
		if (quoted && *from == '"')
			from++;
	}
	out[size] = '\0';
	return size > NAME_BYTES_MAX ? 0 : size;
}

/* Where strings end may depend on a setting, when a backslash stands before a quote. */
static bool ambiguous(struct slice source)
{
	for (size_t i = 0; i + 1 < source.size; i++)
		if (source.data[i] == '\\' && source.data[i + 1] == '\'')
			return true;
	return false;
}

bool body_names(struct slice source, bool (*tell)(void *owner, struct slice name, bool field), void *owner)
{
	enum { ROW_NONE, ROW_NAMED, ROW_POINT } row = ROW_NONE; /* NEW, then its point */
	struct lexer lexer;
	struct token token;
	bool after_do = false;
	int rc;

	if (ambiguous(source))
		return false;
	lexer_init(&lexer, source, true);
	while ((rc = lexer_next(&lexer, &token)) > 0) {
		char name[NAME_BYTES_MAX + 2];
		size_t size;

		if (token.kind == TOKEN_QUOTED_UNICODE)
			return false;
		if (token.kind != TOKEN_WORD && token.kind != TOKEN_QUOTED) {
			if (after_do)
				return false;   /* DO 'some code', not ON CONFLICT DO … */
			row = row == ROW_NAMED && token_is(&token, '.') ? ROW_POINT : ROW_NONE;
			continue;
		}
		size = read_name(source, &token, name);
		if (size == 0)
			return false;
		if (token.kind == TOKEN_WORD) {
			if (after_do && strcmp(name, "nothing") != 0 && strcmp(name, "update") != 0)
				return false;
			if (row != ROW_POINT && listed(name))
				return false;
			after_do = row != ROW_POINT && strcmp(name, "do") == 0;
		}
		if (!tell(owner, slice_make(name, size), row == ROW_POINT))
			return false;
		row = row != ROW_POINT && token.kind == TOKEN_WORD && (strcmp(name, "new") == 0 || strcmp(name, "old") == 0) ? ROW_NAMED : ROW_NONE;
	}
	return rc == 0 && !after_do;
}

bool body_defines(struct slice source)
{
	struct lexer lexer;
	struct token token;
	int rc;

	lexer_init(&lexer, source, true);
	while ((rc = lexer_next(&lexer, &token)) > 0) {
		char name[NAME_BYTES_MAX + 2];

		if (token.kind == TOKEN_WORD && (read_name(source, &token, name) == 0 || listed(name)))
			return true;
	}
	return rc < 0;
}

/* ---- statements that change their session ---- */

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* SET belongs to an UPDATE that stands before it in the same statement, and not right behind what statements begin with. */
bool body_sets(struct slice source)
{
	static const char *const statements[] = { "discard", "hold", "listen", "load", "reset", "unlisten" };
	static const char *const begin[] = { "begin", "else", "loop", "then" };
	bool begins = true, update = false;
	struct lexer lexer;
	struct token token;
	int rc;

	lexer_init(&lexer, source, true);
	while ((rc = lexer_next(&lexer, &token)) > 0) {
		char name[NAME_BYTES_MAX + 2] = "";

		if (token.kind == TOKEN_WORD && read_name(source, &token, name) == 0)
			return true;
		if (is_one_of(name, statements, sizeof(statements) / sizeof(statements[0])))
			return true;
		if (strcmp(name, "set") == 0 && (begins || !update))
			return true;
		begins = token_is(&token, ';') || is_one_of(name, begin, sizeof(begin) / sizeof(begin[0]));
		update = !begins && (update || strcmp(name, "update") == 0);
	}
	return rc < 0;
}

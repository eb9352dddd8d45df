#include "sql/set_value.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/mem.h"
#include "sql/lexer.h"

enum { IDENTIFIER_SIZE_MAX = 63 };      /* NAMEDATALEN - 1 */

/* The settings that PostgreSQL 15 marks so; libraries cannot make more of them (variable_is_guc_list_quote() of pg_dump lists them too). */
bool set_value_is_names(const char *setting)
{
	static const char *const names[] = {
		"search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries", "shared_preload_libraries",
		"unix_socket_directories",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(setting, names[i]) == 0)
			return true;
	return false;
}

/* The literal at *sql, which is moved behind it, without its quotes; returns the end of what was written. */
static char *add_literal(const char **sql, bool names, char *out)
{
	const char *at = *sql;
	bool escapes = *at == 'E';

	if (names)
		*out++ = '"';
	for (at += 1 + escapes; *at && (*at != '\'' || at[1] == '\''); at++) {
		at += *at == '\'' || (escapes && *at == '\\' && at[1]);
		if (names && *at == '"')
			*out++ = '"';
		*out++ = *at;
	}
	if (names)
		*out++ = '"';
	*sql = *at ? at + 1 : at;
	return out;
}

char *set_value_text(const char *sql, bool names)
{
	char *text = mem_alloc(strlen(sql) * 2 + 1), *out = text;

	while (*sql) {
		if (*sql == '\'' || (*sql == 'E' && sql[1] == '\''))
			out = add_literal(&sql, names, out);
		else
			*out++ = *sql++;
	}
	*out = '\0';
	return text;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* PostgreSQL cuts names in between two characters. */
static void cut(char *name)
{
	size_t size = strlen(name);

	if (size <= IDENTIFIER_SIZE_MAX)
		return;
	for (size = IDENTIFIER_SIZE_MAX; size > 0 && ((unsigned char)name[size] & 0xc0) == 0x80; size--)
		;
	name[size] = '\0';
}

bool set_value_split(struct arena *arena, const char *list, const char ***ret_names, size_t *ret_count)
{
	size_t room = 1;
	char *out = arena_alloc(arena, strlen(list) + 1);

	for (const char *at = list; *at; at++)
		room += *at == ',';
	*ret_names = arena_alloc(arena, room * sizeof(**ret_names));
	*ret_count = 0;
	while (is_space(*list))
		list++;
	while (*list) {
		char *name = out;

		if (*list == '"') {
			for (list++; *list && (*list != '"' || list[1] == '"'); list++) {
				list += *list == '"';
				*out++ = *list;
			}
			if (*list++ != '"')
				return false;
		} else {
			for (; *list && *list != ',' && !is_space(*list); list++)
				*out++ = (char)(*list >= 'A' && *list <= 'Z' ? *list + 0x20 : *list);
			if (out == name)
				return false;
		}
		*out++ = '\0';
		cut(name);
		(*ret_names)[(*ret_count)++] = name;
		while (is_space(*list))
			list++;
		if (!*list)
			return true;
		if (*list++ != ',')
			return false;
		while (is_space(*list))
			list++;
		if (!*list)
			return false;
	}
	return true;
}

bool set_value_is_routers(const char *name)
{
	return strncmp(name, "nanu.", 5) == 0;
}

static bool is_word(struct slice sql, const struct token *token, const char *word)
{
	return token->kind == TOKEN_WORD && token->size == strlen(word) && strncasecmp(sql.data + token->offset, word, token->size) == 0;
}

bool set_value_unquoted_user(struct slice sql)
{
	struct lexer lexer;
	struct token token;
	int found = 0;          /* so many of the three tokens stand right before */

	lexer_init(&lexer, sql, true);
	while (lexer_next(&lexer, &token) == 1) {
		if (found == 2 && is_word(sql, &token, "user"))
			return true;
		if (found == 1 && token_is(&token, '.'))
			found = 2;
		else
			found = is_word(sql, &token, "nanu");
	}
	return false;
}

#include "admin/regclass.h"

#include <string.h>

enum { PARTS_MAX = 3, NAME_BYTES_MAX = 63 };    /* NAMEDATALEN - 1 */

static bool blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_blanks(const char *at)
{
	while (blank(*at))
		at++;
	return at;
}

/* Behind the name that begins at `at`, or NULL. */
static const char *read_part(const char *at, struct arena *arena, const char **ret)
{
	char *out = arena_strdup(arena, at);
	size_t size = 0;

	if (*at == '"') {
		for (at++; *at != '"' || at[1] == '"'; at++) {
			if (!*at)
				return NULL;
			at += *at == '"';
			out[size++] = *at;
		}
		at++;
	} else {
		for (; *at && *at != '.' && !blank(*at); at++)
			out[size++] = *at >= 'A' && *at <= 'Z' ? (char)(*at + 'a' - 'A') : *at;
	}
	if (size > NAME_BYTES_MAX)      /* cut between characters, as the server does */
		for (size = NAME_BYTES_MAX; size && ((unsigned char)out[size] & 0xC0) == 0x80;)
			size--;
	out[size] = '\0';
	*ret = out;
	return size ? at : NULL;
}

int regclass_read(const char *text, struct arena *arena, struct relation_name *ret, struct err *err)
{
	const char *parts[PARTS_MAX], *at = skip_blanks(text);
	size_t count = 0;

	for (;;) {
		if (count == PARTS_MAX) {
			err_set(err, ERR_SYNTAX, "improper relation name (too many dotted names): %.200s", text);
			err_hint(err, "A relation is named as table or schema.table.");
			return ERR_SYNTAX;
		}
		at = read_part(at, arena, &parts[count++]);
		at = at ? skip_blanks(at) : NULL;
		if (at && *at == '.') {
			at = skip_blanks(at + 1);
			continue;
		}
		if (at && !*at)
			break;
		err_set(err, ERR_INVALID_VALUE, "invalid name syntax");
		err_sqlstate(err, "42602");
		err_hint(err, "Write table or schema.table; a name that is not all lower-case letters, digits and _ stands in double quotes: '\"My table\"'.");
		return ERR_INVALID_VALUE;
	}
	*ret = (struct relation_name){
		.name = parts[count - 1], .schema = count > 1 ? parts[count - 2] : NULL, .database = count > 2 ? parts[0] : NULL,
	};
	return 0;
}

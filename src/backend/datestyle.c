#include "backend/datestyle.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/mem.h"
#include "sql/set_value.h"

enum { DATESTYLE_SIZE = sizeof("Postgres, MDY") };

struct datestyle {                      /* NULL: the server's own */
	const char *style, *order;
};

static const struct {
	const char *word;
	size_t size;                    /* that must be alike; 0: all */
	const char *style, *order;
} words[] = {
	{ "ISO", 0, "ISO", NULL }, { "SQL", 0, "SQL", NULL }, { "POSTGRES", 8, "Postgres", NULL }, { "GERMAN", 0, "German", NULL },
	{ "YMD", 0, NULL, "YMD" }, { "DMY", 0, NULL, "DMY" }, { "EURO", 4, NULL, "DMY" }, { "MDY", 0, NULL, "MDY" },
	{ "US", 0, NULL, "MDY" }, { "NONEURO", 7, NULL, "MDY" },
};

static bool is_word(size_t at, const char *text)
{
	return words[at].size ? strncasecmp(text, words[at].word, words[at].size) == 0 : strcasecmp(text, words[at].word) == 0;
}

static void read_over(struct datestyle *value, struct datestyle reset, const char *text)
{
	bool have_style = false, have_order = false;
	struct arena arena;
	const char **names;
	size_t count;

	arena_init(&arena, 256);
	if (!set_value_split(&arena, text, &names, &count))
		count = 0;              /* the server has refused it */
	for (size_t i = 0; i < count; i++) {
		if (strcasecmp(names[i], "DEFAULT") == 0) {
			value->style = have_style ? value->style : reset.style;
			value->order = have_order ? value->order : reset.order;
		}
		for (size_t word = 0; word < sizeof(words) / sizeof(words[0]); word++) {
			if (!is_word(word, names[i]))
				continue;
			if (words[word].style)
				value->style = words[word].style;
			else
				value->order = words[word].order;
			have_style |= words[word].style != NULL;
			have_order |= words[word].order != NULL;
			if (strcmp(words[word].word, "GERMAN") == 0 && !have_order)
				value->order = "DMY";
		}
	}
	arena_release(&arena);
}

char *datestyle_after(const char *now, const char *reset, const char *said)
{
	struct datestyle value = { 0 }, before = { 0 };
	char *text;

	if (reset)
		read_over(&before, (struct datestyle){ 0 }, reset);
	if (now)
		read_over(&value, before, now);
	read_over(&value, before, said);
	if (!value.style && !value.order)
		return NULL;
	text = mem_alloc(DATESTYLE_SIZE);
	snprintf(text, DATESTYLE_SIZE, "%s%s%s", value.style ? value.style : "", value.style && value.order ? ", " : "",
		 value.order ? value.order : "");
	return text;
}

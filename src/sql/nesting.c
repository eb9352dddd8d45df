#include "sql/nesting.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "sql/lexer.h"

/* A bracket, a CASE, or the statement. */
struct level {
	bool is_case;
	size_t base;                    /* the depth at which it opened */
	size_t joins;                   /* JOIN, UNION, …: each arm lies below the one before */
	size_t operators;               /* since the last comma, AND, OR, WHEN, …: each lies below the one before */
};

struct counter {
	struct slice sql;
	struct level *levels;           /* [0] is the statement */
	size_t count, capacity;
	size_t deepest;
	bool name_next;                 /* behind a dot or AS stands a name, whatever word it is */
};

static bool is_one_of(const struct counter *counter, const struct token *token, const char *const *words)
{
	for (; *words; words++)
		if (token->size == strlen(*words) &&
		    strncasecmp(counter->sql.data + token->offset, *words, token->size) == 0)
			return true;
	return false;
}

static size_t depth(const struct level *level)
{
	return level->base + level->joins + level->operators;
}

static void open_level(struct counter *counter, bool is_case)
{
	size_t base = counter->count ? depth(&counter->levels[counter->count - 1]) + 1 : 0;

	if (counter->count == counter->capacity) {
		counter->capacity = counter->capacity ? counter->capacity * 2 : 64;
		counter->levels = mem_realloc(counter->levels, counter->capacity * sizeof(*counter->levels));
	}
	counter->levels[counter->count++] = (struct level){ .is_case = is_case, .base = base };
}

/* A closing bracket also ends a CASE that has lost its END: that is no SQL, and not ours to say. */
static void close_bracket(struct counter *counter)
{
	while (counter->count > 1 && counter->levels[counter->count - 1].is_case)
		counter->count--;
	if (counter->count > 1)
		counter->count--;
	counter->levels[counter->count - 1].operators++;        /* a[1][2] goes down too */
}

/* AND and OR make flat lists, and what they join are siblings; so are the parts of a CASE and what commas part. */
static void count_word(struct counter *counter, const struct token *token)
{
	static const char *const splitting[] = { "and", "or", "when", "then", "else", "select", NULL };
	static const char *const joining[] = { "join", "union", "intersect", "except", NULL };
	static const char *const operators[] = { "not", "is", "isnull", "notnull", "like", "ilike", "similar", "between",
		"in", "at", "collate", "operator", "overlaps", NULL };
	struct level *level = &counter->levels[counter->count - 1];

	if (is_one_of(counter, token, splitting))
		level->operators = 0;
	else if (is_one_of(counter, token, joining))
		level->joins++;
	else if (is_one_of(counter, token, operators))
		level->operators++;
	else if (is_one_of(counter, token, (const char *const[]){ "case", NULL }))
		open_level(counter, true);
	else if (level->is_case && is_one_of(counter, token, (const char *const[]){ "end", NULL }))
		counter->count--;
}

static void count_token(struct counter *counter, const struct token *token)
{
	struct level *level = &counter->levels[counter->count - 1];
	bool name = counter->name_next;

	counter->name_next = token_is(token, '.') ||
		(token->kind == TOKEN_WORD && is_one_of(counter, token, (const char *const[]){ "as", NULL }));
	if (token->kind == TOKEN_WORD) {
		if (!name)
			count_word(counter, token);
	} else if (token_is(token, '(') || token_is(token, '[')) {
		open_level(counter, false);
	} else if (token_is(token, ')') || token_is(token, ']')) {
		close_bracket(counter);
	} else if (token_is(token, ',')) {
		level->operators = 0;
	} else if (token_is(token, ';')) {
		level->operators = level->joins = 0;
	} else if (token->kind >= TOKEN_TYPECAST && !token_is(token, '.')) {
		level->operators++;
	}
	level = &counter->levels[counter->count - 1];
	if (depth(level) > counter->deepest)
		counter->deepest = depth(level);
}

size_t nesting_bound(struct slice sql, bool standard_strings)
{
	struct counter counter = { .sql = sql };
	struct lexer lexer;
	struct token token;
	int rc;

	lexer_init(&lexer, sql, standard_strings);
	open_level(&counter, false);
	while ((rc = lexer_next(&lexer, &token)) == 1)
		count_token(&counter, &token);
	mem_free(counter.levels);
	return rc < 0 ? SIZE_MAX : counter.deepest;
}

/* keep: which literals decide meaning, so that their text stays in the normal form (DESIGN: "Knowing a statement").
 *
 * Rules over the tokens of one text, looked at from the token in question; pure. They lean to keeping: a literal kept for
 * nothing costs a parse more, one lifted wrongly would give statements of different meaning one plan.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/lexer.h"
#include "sql/words.h"

/* All tokens of a text. `word` is set on words and quoted identifiers. `match` of a bracket is the index of the other one;
 * one that has none has UINT32_MAX. */
struct tokens {
	const char *text;
	const struct token *items;
	size_t count;
};

/* What is kept at a place, because of what it stands in. Brackets hand their flags down. */
enum keep_flags {
	KEEP_STATEMENT = 1,             /* everything: not a statement whose plan is worth sharing */
	KEEP_ARGUMENTS = 2,             /* everything: arguments of nextval(), the array of ARRAY['now', …]::date[], … */
	KEEP_MODIFIERS = 4,             /* everything: varchar(10) */
	KEEP_POSITIONS = 8,             /* integers: ORDER BY 1 */
	KEEP_FIELDS = 16,               /* strings that are fields of ROW('now', …)::t, and not deeper */
};

/* The flags with which the statement that begins at `index` starts. */
unsigned keep_at_start(const struct tokens *tokens, size_t index);

/* The flags behind the word at `index`: a clause of positions begins or ends there. */
unsigned keep_behind_word(const struct tokens *tokens, size_t index, unsigned flags);

/* The flags inside of the bracket that opens at `index`. */
unsigned keep_inside(const struct tokens *tokens, size_t index, unsigned flags);

/* Is the literal at `index` kept? */
bool keep_literal(const struct tokens *tokens, size_t index, unsigned flags);

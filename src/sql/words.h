/* words: which words the normal form must know, found by hash.
 *
 * The table is word_table.h; the index over it is built once by each thread's owner (words_init) and then only read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/word_table.h"

enum word {
	W_UNKNOWN_,
#define X(name, text, category, uses) W_##name,
	WORD_TABLE(X)
#undef X
	W_COUNT_
};

/* PostgreSQL's keyword categories: where a keyword may still be a name. */
enum word_category { CATEGORY_NAME, CATEGORY_UNRESERVED, CATEGORY_COLUMN, CATEGORY_TYPE_FUNC, CATEGORY_RESERVED };

enum word_use {
	USE_OPERAND = 1,               /* a string behind it is an operand of it, not the text of a typed literal */
	USE_MODIFIER = 2,              /* numbers in parentheses behind it are a type's modifiers */
	USE_BASE_TYPE = 4,             /* 'text'::word is no more than a value: its input depends on no setting or object */
	USE_KEEPS = 8,                 /* literals among its arguments decide meaning */
};

enum { WORD_INDEX_SIZE = 2048 };

struct words {
	uint16_t index[WORD_INDEX_SIZE];
};

void words_init(struct words *words);

/* The word at `data`, of which `size` bytes are its own and `readable` (>= size) may be looked at. `exact`: as it stands
 * (it was quoted), else folded to lower case. */
enum word words_find(const struct words *words, const char *data, size_t size, size_t readable, bool exact);

enum word_category word_category(enum word word);
bool word_uses(enum word word, enum word_use use);
const char *word_text(enum word word);

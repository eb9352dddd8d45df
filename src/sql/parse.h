/* parse: a text -> the tree that libpg_query makes of it.
 *
 * The library ends the process when memory runs out in some places of it. So what a long text may need is made sure of first, and its errors are caught
 * everywhere. Any thread.
 */
#pragma once

#include <stdbool.h>

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include "base/err.h"

/* The tree is freed with pg_query__parse_result__free_unpacked(tree, allocator); `allocator` may be NULL, for malloc(). ERR_SYNTAX in the parser's
 * words; ERR_NOMEM. */
must_use int parse_text(const char *text, bool standard_strings, ProtobufCAllocator *allocator, PgQuery__ParseResult **ret_tree, struct err *err);

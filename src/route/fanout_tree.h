/* fanout_tree: libpg_query's parse tree as plain structs in an arena: parsed, walked, compared, put together, written out again.
 *
 * Nodes are never freed one by one, so that one may stand in two places of a tree. A tree written out is parsed again and compared with
 * what it was written from: libpg_query's deparser is not trusted with the meaning of a statement.
 */
#pragma once

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

/* What a visitor returns besides a negative error. */
enum { TREE_INTO, TREE_SKIP };

typedef int tree_visit(const ProtobufCMessage *message, void *context, struct err *err);

/* The one statement of `sql`, which must be a SELECT. ERR_SYNTAX; ERR_UNSUPPORTED for anything else. */
must_use int tree_parse_select(struct slice sql, bool standard_strings, struct arena *arena, PgQuery__SelectStmt **ret_select, struct err *err);

/* As SQL text. ERR_UNSUPPORTED when that text would not be parsed into the same tree again. */
must_use int tree_write(PgQuery__SelectStmt *select, bool standard_strings, struct arena *arena, const char **ret_sql, struct err *err);

/* Visits `message` and what is below it, parents first, until a visitor returns an error. */
must_use int tree_walk(const ProtobufCMessage *message, tree_visit *visit, void *context, struct err *err);

/* The tree as bytes, without the places in the text: equal for equal trees. */
struct slice tree_bytes(const ProtobufCMessage *message, struct arena *arena);
PgQuery__Node *tree_copy(const PgQuery__Node *node, struct arena *arena);

#define TREE_IS(message, type) ((message)->descriptor == &pg_query__##type##__descriptor)

/* The nodes that rewriting adds. Strings are borrowed. */
PgQuery__Node *tree_integer(struct arena *arena, int value);
PgQuery__Node *tree_column(struct arena *arena, const char *const *names, size_t name_count);
PgQuery__Node *tree_target(struct arena *arena, PgQuery__Node *value, const char *name);
PgQuery__Node *tree_collate(struct arena *arena, PgQuery__Node *value, const char *collation);
PgQuery__Node *tree_sort(struct arena *arena, PgQuery__Node *value, bool descending, bool nulls_first);

/* The i-th of a list of names (function, operator, type, column), or NULL where it is no string. */
const char *tree_name(PgQuery__Node *const *names, size_t count, size_t i);

/* shape_make: what the parts of the shape's maker share. Private to src/sql/.
 *
 * One maker makes one shape: it walks libpg_query's tree (as protobuf messages) once and collects into vectors that live in
 * the shape's arena. shape.c drives; the others read what their names say.
 */
#pragma once

#include <pg_query/pg_query.pb-c.h>

#include "sql/fingerprint.h"
#include "sql/shape.h"

/* Items of one size, in an arena. */
struct vector {
	void *items;
	size_t count, capacity;
};

/* The CTEs that a name may mean, innermost first. */
struct cte {
	const char *name;
	const struct cte *next;
};

struct maker {
	struct arena *arena;
	struct slice sql;                       /* the whole text, which the tree's locations count in */
	const struct fingerprint *fingerprint;  /* or NULL */
	bool lone;                              /* the text is this statement: what others could not use is read for it alone */
	struct shape *shape;
	struct vector scopes, tables, equalities, joins, functions, words, set_columns, param_uses;
	const struct cte *ctes;
	size_t cte_count;                       /* in the statement, so far */
	bool *too_many;                         /* a limit was met: the shape is not whole */
};

/* A new item, zeroed. */
void *vector_add(struct vector *vector, struct arena *arena, size_t item_size);

/* NULL for the empty string that protobuf has instead of NULL. */
const char *text_or_null(struct maker *maker, const char *text);
const char *node_string(const PgQuery__Node *node);             /* of a String, or NULL */
/* "a.b.c"; NULL without a part, or when one is no String. */
const char *dotted_name(struct maker *maker, PgQuery__Node *const *parts, size_t count);
char *lower_text(struct arena *arena, const char *text);

/* shape.c */
struct shape *shape_of_statement(struct maker *outer, const PgQuery__Node *statement);

/* shape_walk.c: finds tables, calls, values and subqueries anywhere below a message. */
void walk(struct maker *maker, const ProtobufCMessage *message, int scope);

#define WALK(maker, message, scope) ((message) ? walk(maker, &(message)->base, scope) : (void)0)

/* shape_query.c: SELECT, INSERT, UPDATE, DELETE, MERGE, each in a scope that the caller made. */
int scope_add(struct maker *maker, enum scope_kind kind, int parent);
struct scope *scope_at(struct maker *maker, int scope);         /* valid until the next scope_add() */
void walk_nodes(struct maker *maker, PgQuery__Node *const *nodes, size_t count, int scope);
void walk_query(struct maker *maker, const PgQuery__Node *query, int scope);

/* shape_from.c: the tables of a FROM, their joins and what the joins equate. */
struct table_ref *table_add(struct maker *maker, const PgQuery__RangeVar *range, int scope);    /* valid until the next one */
void walk_from(struct maker *maker, PgQuery__Node *const *items, size_t count, int scope);

/* shape_lift.c: after the statement was walked */
void lifts_read(struct maker *maker, const PgQuery__Node *statement);

/* shape_where.c */
const struct literal *literal_from(const struct fingerprint *fingerprint, uint32_t location);   /* at or behind it; NULL: none */
void value_read(struct maker *maker, const PgQuery__Node *node, struct value *ret_value);
void equalities_add(struct maker *maker, const PgQuery__Node *condition, int scope, enum equality_strength strength);
void equality_of_columns(struct maker *maker, int scope, enum equality_strength strength, struct column_ref left,
			 struct column_ref right);

/* shape_settings.c, shape_ddl.c: they fill the shape when the statement is of theirs, and say so. */
bool shape_setting(struct maker *maker, const PgQuery__Node *statement);
bool shape_transaction(struct maker *maker, const PgQuery__Node *statement);
bool shape_ddl(struct maker *maker, const PgQuery__Node *statement);
void shape_set_config(struct maker *maker, const PgQuery__SelectStmt *select);

/* shape_keys.c: `definition` is that of an ALTER TABLE command, or an element of CREATE TABLE. */
void keys_of_definition(struct maker *maker, const PgQuery__Node *definition);
void keys_of_index(struct maker *maker, const PgQuery__IndexStmt *index);

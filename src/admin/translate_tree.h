/* translate_tree: the inside of translate, shared by its files: what is known while one statement is written.
 *
 *   translate.c             SELECT and its clauses       translate_from.c        FROM: relations, joins, names
 *   translate_expression.c  operators, constants         translate_function.c    functions, aggregates, casts
 */
#pragma once

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include "admin/translate.h"

struct piece {                          /* of SQLite's text, with its type */
	const char *text;
	enum value_type type;
};

struct named_column {                   /* what a column name in this scope may mean */
	const char *relation;           /* alias, as the user wrote it; NULL for the merged column of JOIN USING */
	const char *name;
	struct piece piece;
};

struct columns {
	struct named_column *items;
	size_t count, capacity;
};

struct query_scope {                          /* one SELECT */
	struct query_scope *parent;
	struct columns star;            /* what * stands for */
	struct columns all;             /* every relation's own, also those that JOIN USING has merged: found by the relation's name */
	const char **relations;         /* the aliases taken */
	size_t relation_count;
	const char **groups;            /* GROUP BY, written */
	size_t group_count;
	bool aggregates;                /* it calls one */
	bool in_aggregate;
	unsigned own_count, outer_count;        /* columns named in it so far: its own, those of what it stands in */
	bool in_filter;                 /* WHERE, JOIN … ON, GROUP BY: no place for aggregates */
	const char *ungrouped;          /* the first column that stands outside of aggregates and groups */
};

struct cte {
	struct cte *next;
	const char *name, *sql_name;
	struct columns columns;         /* of a relation without name */
};

struct writer {
	struct arena *arena;
	const struct translate_request *request;
	struct translation *out;
	size_t value_capacity;
	struct cte *ctes;               /* in sight, innermost first */
	unsigned name_count;            /* of our own names */
	unsigned expression_count;      /* written so far */
	struct err *err;
};

/* translate.c */
must_use int write_select(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *parent, const char **ret_sql,
			  struct columns *ret_columns);
int translate_refuse(struct writer *writer, const char *what);                            /* "… is not supported in the nanu schema" */
int translate_fail(struct writer *writer, const char *sqlstate, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* translate_from.c */
must_use int write_from(struct writer *writer, const PgQuery__SelectStmt *select, struct query_scope *scope, const char **ret_sql);
must_use int find_column(struct writer *writer, struct query_scope *scope, const PgQuery__ColumnRef *ref, struct piece *ret);
/* The one column of this name and relation (NULL: any); NULL when there is none, *ret_ambiguous when there are several. */
const struct named_column *columns_find(const struct columns *columns, const char *relation, const char *name, bool *ret_ambiguous);
void columns_add(struct writer *writer, struct columns *columns, struct named_column column);
bool translate_is_star(const PgQuery__ColumnRef *ref);

/* translate_expression.c: `want` is the type that a string, NULL or parameter takes if nothing else gives it one. */
must_use int write_expression(struct writer *writer, struct query_scope *scope, const PgQuery__Node *node, enum value_type want, struct piece *ret);
must_use int write_condition(struct writer *writer, struct query_scope *scope, const PgQuery__Node *node, const char *where, struct piece *ret);
/* Several that must be of one type, which is *ret_type. */
must_use int write_alike(struct writer *writer, struct query_scope *scope, PgQuery__Node *const *nodes, size_t count, struct piece *ret,
			 enum value_type *ret_type);
must_use int translate_unify(struct writer *writer, enum value_type a, enum value_type b, enum value_type *ret_type);
struct piece write_value(struct writer *writer, const char *text, int param, enum value_type type);
const char *text_of(struct writer *writer, struct piece piece);                 /* as ::text */

/* translate_function.c */
must_use int write_call(struct writer *writer, struct query_scope *scope, const PgQuery__FuncCall *call, struct piece *ret);
must_use int write_cast(struct writer *writer, struct query_scope *scope, const PgQuery__TypeCast *cast, struct piece *ret);
enum value_type type_of_oid(uint32_t oid);

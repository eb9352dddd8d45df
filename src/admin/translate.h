/* translate: a SELECT on the nanu schema, in PostgreSQL's words -> the same in SQLite's.
 *
 * The statement is read by PostgreSQL's own parser, every name is looked up and every expression gets a type, so that what SQLite would take
 * more lightly than PostgreSQL (text compared with numbers, columns that no group determines, unknown functions) is refused here with
 * PostgreSQL's SQLSTATE. Nothing that the user wrote reaches the text for SQLite but whole numbers: names are replaced by our own, strings become
 * SQLite's parameters. What is not known here is refused. Pure; everything lives in the caller's arena.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum { TRANSLATE_PARAMS_MAX = 1000 };

enum value_type {
	TYPE_UNKNOWN,                   /* a string, NULL or parameter that nothing gave a type to */
	TYPE_BOOL,                      /* SQLite: 0, 1 */
	TYPE_INT8,
	TYPE_FLOAT8,
	TYPE_TEXT,
	TYPE_TIME,                      /* timestamptz; SQLite: microseconds since 1970 */
	TYPE_COUNT_
};

struct translated_column { const char *name; enum value_type type; };

struct translated_value {               /* SQLite's ?1, ?2, … */
	int param;                      /* the client's $n, or 0: `text` */
	const char *text;
	enum value_type type;
};

struct translation {
	const char *sql;
	struct translated_column *columns;
	size_t column_count;
	struct translated_value *values;
	size_t value_count;
	uint64_t tables;                /* bit i: the i-th of tables.h is read */
	enum value_type *param_types;   /* [1] is of $1: as declared, or as used; UNKNOWN: text */
	size_t param_count;
};

struct translate_request {
	const char *sql;
	const uint32_t *param_types;    /* declared OIDs; 0 where not */
	size_t param_type_count;
	const char *user, *database;    /* current_user, current_database() */
};

/* ERR_SYNTAX, ERR_UNDEFINED_TABLE, ERR_UNDEFINED_COLUMN, ERR_UNDEFINED_FUNCTION, ERR_UNSUPPORTED, ERR_LIMIT, and others of PostgreSQL's
 * SQLSTATEs for what PostgreSQL would refuse too. */
must_use int translate(const struct translate_request *request, struct arena *arena, struct translation *ret, struct err *err);

const char *value_type_name(enum value_type type);              /* "bigint" */
uint32_t value_type_oid(enum value_type type);

/* statement: one text to prepare, shared by all sessions of a worker that prepare it in the same analysis context.
 *
 * The key is text, parameter types, form, the settings that change meaning, search path included, and the schema version: copies on backends
 * are shared only where PostgreSQL would have read the text alike. Interned, counted by references; one worker's. What is read otherwise each
 * time (`apart`), or is known to be read otherwise since (retired), is found by nobody else; nor is what the server remarks upon while it reads it,
 * which each who prepares it is to hear.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/slice.h"

struct plan;
struct settings;

enum statement_form {
	STATEMENT_PARSE,                /* a Parse message: text and types */
	STATEMENT_SQL,                  /* an SQL PREPARE: text is everything behind the name, "(int) AS SELECT …" or " AS SELECT …" */
};

enum { STATEMENTS_SEEN = 4096 };

struct statement_table {
	struct map statements;
	uint64_t last_id;
	uint64_t seen[STATEMENTS_SEEN]; /* hashes of keys, by their lowest bits */
	struct buf key;                 /* of the call under way */
};

struct statement_key {
	enum statement_form form;
	struct slice text;
	const uint32_t *types;          /* parameter types as declared; 0 where not */
	size_t type_count;
	struct settings *settings;
	uint64_t schema_version;
	const char *database, *user;
	bool apart;
};

struct statement {
	struct statement_table *table;
	unsigned refs;
	uint64_t id;
	char name[24];                  /* what it is called on backends */
	enum statement_form form;
	struct slice text;
	size_t query_offset;            /* SQL: where in `text` the statement itself begins */
	const uint32_t *types;          /* parameter types as declared; 0 where not */
	size_t type_count;
	struct settings *settings;      /* the settings of the session that first prepared it */
	struct slice key;
	bool shared;                    /* the table has it */
	bool remarked;                  /* the server said something (NOTICE, WARNING) while it read or planned it */
};

void statement_table_release(struct statement_table *table);   /* when nobody has a reference any more */

/* A new reference to the one statement of this key, or, if it is to stand apart, to a new one. Strings are copied. */
struct statement *statement_intern(struct statement_table *table, const struct statement_key *key);
bool statement_seen(const struct statement *statement);         /* it may be forgotten meanwhile */
void statement_see(const struct statement *statement);
/* What is prepared from now on does not share it; those who have it keep it. */
void statement_retire(struct statement *statement);
/* Retires it. A new reference to the one that those who prepare the same from now on share. */
struct statement *statement_anew(struct statement *statement);
bool statement_is_copy(struct slice name);                      /* what copies are called on backends: nobody else's name there */
struct statement *statement_ref(struct statement *statement);
void statement_unref(struct statement *statement);              /* NULL is allowed */

/* shape: what the router needs to know of a statement, and nothing that its literals decide.
 *
 * Made by libpg_query's parser from the first statement of a fingerprint, then shared by all statements of that fingerprint;
 * immutable, owned by its arena. A literal is named by its *slot* (fingerprint.h), so that each statement's own values can be
 * put in. Names are as PostgreSQL folds them; nothing is resolved: that needs a catalog, and happens in route/.
 *
 * A statement has scopes: the top query, each subquery, each CTE, each arm of a set operation. Tables, equalities and the
 * clauses that were seen belong to a scope. Every shape has scope 0, also that of a statement without a query.
 *
 * A statement that wraps another (PREPARE, EXPLAIN, DECLARE, COPY (query), CREATE TABLE AS, …) has the other one whole in
 * `inner`; what `inner` found of scopes, tables, equalities and functions stands in its own lists too, behind its own, so that
 * whoever asks "which tables?" need not ask twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct fingerprint;

enum stmt_kind {
	STMT_EMPTY,
	STMT_SELECT,                    /* also VALUES and TABLE */
	STMT_INSERT, STMT_UPDATE, STMT_DELETE, STMT_MERGE,
	STMT_BEGIN, STMT_COMMIT, STMT_ROLLBACK,         /* with their options; END and ABORT too */
	STMT_SAVEPOINT, STMT_RELEASE, STMT_ROLLBACK_TO,
	STMT_PREPARE_TX, STMT_COMMIT_PREPARED, STMT_ROLLBACK_PREPARED,
	STMT_SET, STMT_RESET, STMT_SHOW, STMT_DISCARD,
	STMT_SET_TRANSACTION,
	STMT_SET_CONSTRAINTS,
	STMT_PREPARE, STMT_EXECUTE, STMT_DEALLOCATE,
	STMT_DECLARE, STMT_FETCH, STMT_CLOSE,           /* FETCH and MOVE */
	STMT_LISTEN, STMT_UNLISTEN, STMT_NOTIFY,
	STMT_COPY, STMT_EXPLAIN, STMT_CALL, STMT_DO, STMT_LOCK,
	STMT_TRUNCATE,
	STMT_CREATE_TABLE,              /* not AS */
	STMT_CREATE_TABLE_AS,           /* CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW */
	STMT_ALTER_TABLE,               /* columns, constraints, …; not RENAME */
	STMT_RENAME,                    /* ALTER … RENAME */
	STMT_DROP,
	STMT_CREATE_INDEX,
	STMT_DDL,                       /* every other definition: views, functions, types, grants, comments, … */
	STMT_MAINTENANCE,               /* VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT, REFRESH MATERIALIZED VIEW */
	STMT_CLUSTER_DDL,               /* databases, roles, tablespaces, subscriptions, ALTER SYSTEM: more than one database */
	STMT_OTHER,
	STMT_KIND_COUNT_
};

enum value_kind {
	VALUE_OPAQUE,                   /* anything else: a column, a function call, arithmetic */
	VALUE_LITERAL,                  /* slot; in an IN list the slot may stand for many literals */
	VALUE_PARAM,                    /* $number */
	VALUE_NULL,
	VALUE_TRUE, VALUE_FALSE,
	VALUE_DEFAULT,                  /* DEFAULT in VALUES or SET */
};

/* A value as written, perhaps under a cast. `cast` is the cast's type as the parser has it ("int8", "uuid"; keywords become
 * "pg_catalog.int4", "pg_catalog.varchar"); a typed literal (date '…') is a cast too. A value under two casts, or under a
 * cast with a modifier or array bounds, is OPAQUE (but see `array` in struct equality). */
struct value {
	enum value_kind kind;
	int slot;                       /* VALUE_LITERAL */
	int param;                      /* VALUE_PARAM, from 1 */
	bool negated;                   /* a minus stands before the number */
	const char *cast;               /* or NULL */
};

/* An argument of set_config(). */
struct set_config_arg {
	const char *text;               /* a constant; NULL: a parameter */
	int param;                      /* from 1 */
};

struct column_ref {
	const char *qualifier;          /* alias or table name as written, or NULL */
	const char *qualifier_schema;   /* schema.table.column */
	const char *name;
};

enum equality_strength {
	EQUALITY_FILTER,                /* holds for every row that the scope returns: WHERE, inner ON outside nullable sides */
	EQUALITY_MATCH,                 /* holds only where an outer join matched */
};

/* column = column, or column = one of `values` (=, IN, = ANY): a conjunct of WHERE or of a join condition (also USING and
 * NATURAL-free forms), never under OR or NOT. */
struct equality {
	int scope;
	enum equality_strength strength;
	struct column_ref left;
	bool is_column;
	struct column_ref right;        /* is_column */
	struct value *values;           /* !is_column */
	size_t value_count;
	int join;                       /* index of the JOIN whose condition it stands in; -1: in none */
	bool array;                     /* column = ANY(value): the one value is an array (a literal '{…}' or a parameter),
	                                 * its `cast` is the type of the elements;
	                                 * ARRAY[…] is written out as values with array = false */
};                                      /* none of the values is OPAQUE: an equality with such a one is not listed */

enum table_ref_kind { TABLE_REF_RELATION, TABLE_REF_CTE, TABLE_REF_SUBQUERY, TABLE_REF_FUNCTION, TABLE_REF_VALUES };

struct table_ref {
	int scope;
	enum table_ref_kind kind;
	const char *schema;             /* as written, or NULL */
	const char *name;               /* relation or CTE */
	const char *alias;              /* as written, or NULL */
	bool column_aliases;            /* AS t(a, b): columns were renamed */
	bool target;                    /* INSERT INTO, UPDATE, DELETE FROM, MERGE INTO, COPY FROM, … writes it */
	bool nullable;                  /* on the nullable side of an outer join */
	bool only;                      /* ONLY t */
	int subquery_scope;             /* TABLE_REF_SUBQUERY, and TABLE_REF_VALUES in a FROM; else -1 */
};

enum lift { LIFT_PLAIN = 1, LIFT_MINUS = 2 };   /* as it stands; with the minus before it. Both: neither */

enum scope_kind {
	SCOPE_TOP,
	SCOPE_SUBLINK,                  /* a subquery in an expression; also the query of a view, a rule, a function's body */
	SCOPE_FROM,
	SCOPE_CTE,
	SCOPE_SETOP_ARM,
	SCOPE_SOURCE,                   /* INSERT … SELECT */
};

struct scope {
	enum scope_kind kind;
	int parent;                     /* -1: none */
	bool set_operation;             /* the scope itself is a UNION/INTERSECT/EXCEPT of its arms */
	bool distinct, distinct_on, group_by, grouping_sets, having, window, order_by, limit, offset, with_ties;
	bool locking;                   /* FOR UPDATE and friends */
	bool natural_join;              /* columns are joined that the shape does not list, or that are of no one table:
	                                 * NATURAL, USING where a side is not a plain table, FULL JOIN USING */
	bool outer_join;
};

/* A JOIN as written; those below it come before it. Its sides are ranges of `tables`: [first, middle) and [middle, end), in which the
 * tables of subqueries stand too. */
struct join {
	enum { JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL } kind;
	int first, middle, end;
};

struct function_ref {
	const char *schema;             /* as written, or NULL */
	const char *name;
	int scope;
	bool star, distinct, filter, over, ordered, within_group;
	bool passing;                   /* set_config('name.with.point', …, true): nothing else depends on it, and it ends with the transaction */
};

/* Names by which an expression may run code without a call: of operators and types, of what is taken from a row (row.name). */
struct word_ref {
	const char *name;
	bool field;
};

enum set_scope { SET_SESSION, SET_LOCAL };

/* WITH (format csv, header, force_null (a, b)): names in lower case; `value` is NULL where none was given, lists are joined
 * with commas. */
struct shape_option {
	const char *name;
	const char *value;
};

/* A unique or foreign key that CREATE TABLE, ALTER TABLE or CREATE UNIQUE INDEX gives tables[0]. */
struct shape_key {
	bool foreign;                   /* else it makes its columns unique (or excludes by them) */
	const char **columns;           /* without expressions */
	size_t column_count;
	const char *ref_schema, *ref_table;     /* foreign; the schema as written, or NULL */
	const char **ref_columns;       /* none listed: the primary key */
	size_t ref_column_count;
};

struct shape {
	enum stmt_kind kind;
	struct arena *arena;            /* where all of this lives; not owned */

	struct scope *scopes;           /* [0] is the statement's own; those of `inner` follow, [1] being its own */
	size_t scope_count;
	struct table_ref *tables;
	size_t table_count;
	struct equality *equalities;
	size_t equality_count;
	struct join *joins;
	size_t join_count;
	struct function_ref *functions; /* every call that is written in the statement; TABLESAMPLE's method too. Operators
	                                 * are not listed */
	size_t function_count;
	struct word_ref *words;         /* perhaps more than once */
	size_t word_count;
	int param_max;                  /* highest $n */
	unsigned char *lifts;           /* of each slot of the fingerprint, of enum lift: how its literals may become parameters (lift.h); or NULL */
	unsigned *param_uses;           /* [param_max]: how often each $n is written; [0] is $1 */

	bool returning;
	bool on_conflict;
	bool cte_writes;                /* a data-modifying CTE */
	bool recursive;
	const char *current_of;         /* WHERE CURRENT OF this cursor */
	bool session_value;             /* CURRENT_USER, SESSION_USER, … appear */
	bool time_value;                /* CURRENT_TIMESTAMP, LOCALTIME, … appear */

	/* INSERT; the columns also of COPY t (…) */
	enum { INSERT_NONE, INSERT_VALUES, INSERT_SELECT, INSERT_DEFAULT } insert_source;
	const char **insert_columns;    /* none listed: all, in the table's order */
	size_t insert_column_count;
	struct value *insert_values;    /* row by row, insert_width each */
	size_t insert_width, insert_row_count;  /* insert_width: of the narrowest */
	bool overriding;

	/* UPDATE (and ON CONFLICT DO UPDATE, and MERGE's UPDATE, also in a CTE): the columns that are set */
	const char **set_columns;
	size_t set_column_count;

	/* SET, RESET, SHOW, and set_config() as the whole statement: `SELECT set_config('x', 'v', false)` has kind SELECT and
	 * set_config = true with name and value here */
	const char *setting;            /* lower case; NULL with reset_all and tx_session_characteristics */
	const char *setting_value;      /* what follows TO, as SQL text that can be replayed after "SET x TO "; NULL: DEFAULT.
	                                 * set_config: its second argument, as an SQL literal */
	enum set_scope set_scope;
	bool reset_all;
	bool set_config;
	bool set_config_opaque;         /* a setting changes in a way that cannot be followed */
	bool set_config_passing;        /* nor here, but each call is `passing` */
	const struct set_config_arg *set_config_args;   /* 3: the whole statement would be set_config = true if these parameters were constants; or NULL */
	bool set_current;               /* SET x FROM CURRENT: nothing changes */
	bool keeps_routers;             /* ALTER ROLE, DATABASE or SYSTEM SET nanu.…: a setting of the router's, kept where it does not look */

	/* transactions */
	bool tx_start;                  /* START TRANSACTION, not BEGIN */
	bool tx_read_only, tx_read_write, tx_deferrable, tx_not_deferrable, tx_isolation_given, tx_chain;
	bool tx_session_characteristics; /* SET SESSION CHARACTERISTICS: it sets default_transaction_… */
	const char *tx_isolation;       /* "read committed", … */
	const char *name;               /* savepoint, prepared statement, cursor, channel, gid, snapshot, new schema; NULL for ALL and * */

	/* PREPARE, DECLARE, EXPLAIN, COPY (query), CREATE TABLE AS, … wrap a statement */
	struct shape *inner;
	struct value *execute_args;     /* EXECUTE */
	size_t execute_arg_count;
	const char **prepare_types;     /* PREPARE: the parameters' types as value.cast has them, modifiers left out; NULL: an array */
	size_t prepare_type_count;
	size_t prepare_query_offset;    /* PREPARE: where the inner statement begins in the text */
	bool explain_analyze;
	bool cursor_hold;
	bool discard_temp, discard_plans, discard_sequences;    /* DISCARD ALL sets all three and reset_all */

	/* COPY */
	bool copy_from, copy_stdio;     /* COPY … FROM; STDIN or STDOUT, not a file or program */
	bool copy_where;
	struct shape_option *options;         /* of COPY and EXPLAIN, also those of the old syntax */
	size_t option_count;

	/* DDL */
	bool temporary;                 /* CREATE TEMP …, or a name in pg_temp */
	bool concurrently;              /* CREATE/DROP/REINDEX INDEX CONCURRENTLY: not in a transaction */
	bool on_index;                  /* DROP, ALTER or REINDEX INDEX: `tables` are indexes */
	bool drop_tables;               /* DROP TABLE: `tables` lists them (as it does for other relations, without this) */
	const char *rename_to;
	const char *rename_schema;      /* ALTER … SET SCHEMA, which is a STMT_RENAME too: the new schema */
	bool rename_table, rename_column;       /* of tables[0]; rename_column: `name` is the old column */
	const char **altered_columns;   /* ALTER TABLE: columns dropped or whose type is altered */
	size_t altered_column_count;
	struct shape_key *keys;
	size_t key_count;
	bool sequence_default;          /* ALTER TABLE: a column gets serial, identity, or a default from nextval() */
	bool hooks;                     /* CREATE TRIGGER, RULE or POLICY: tables[0] gets code that runs with others' statements */
	bool types;                     /* CREATE or ALTER … DOMAIN, TYPE, OPERATOR, CAST, AGGREGATE, …: what expressions mean may change */
	const char *code, *code_language;       /* DO: what runs, and its language (NULL: PL/pgSQL) */
	const char *function;           /* CREATE or ALTER FUNCTION: its name; CREATE TRIGGER: the name of the one that it calls */
	bool inherits;                  /* CREATE TABLE … INHERITS, PARTITION OF; ALTER TABLE … INHERIT, ATTACH PARTITION */
};

/* One text may hold several statements. */
struct shapes {
	struct shape *items;
	size_t count;
	size_t *offsets;                /* where each begins in the text, in bytes, and its length */
	size_t *sizes;
};

/* Parses `sql`. `fingerprint` is of the same text and names the slots; NULL: every literal is VALUE_OPAQUE.
 * ret_shapes->items has at least one shape: of kind STMT_EMPTY when the text holds no statement.
 * On a syntax error: ERR_SYNTAX, and nothing else is known of the statement (PostgreSQL will say it better).
 * ERR_LIMIT: the text is longer than STATEMENT_SIZE_MAX, nested deeper than NESTING_MAX, or has more WITH queries than
 * CTES_MAX. */
must_use int shape_parse(struct slice sql, const struct fingerprint *fingerprint, struct arena *arena,
			 struct shapes *ret_shapes, struct err *err);

/* For nanu.explain and for tests: the shape as readable text, stable from run to run. */
char *shape_describe(const struct shape *shape, struct arena *arena);
const char *stmt_kind_name(enum stmt_kind kind);
const char *stmt_kind_sql(enum stmt_kind kind);        /* for messages: "CREATE TABLE" */

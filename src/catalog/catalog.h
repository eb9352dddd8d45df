/* catalog: what the router knows of one database's schema, at one version.
 *
 * Immutable once built (catalog_load.c builds it over libpq, catalog_new() and the adders for tests), shared between threads by
 * reference count. Names are as PostgreSQL stores them (already folded). A lookup without a schema walks the search path.
 * What a catalog does not know, it says it does not know; the planner then refuses or asks PostgreSQL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"

/* OIDs that PostgreSQL assigns by hand (pg_type.dat, pg_collation.dat): the same on every server. */
enum {
	OID_BOOL = 16, OID_BYTEA = 17, OID_CHAR = 18, OID_NAME = 19, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23,
	OID_REGPROC = 24, OID_TEXT = 25, OID_OID = 26, OID_JSON = 114, OID_FLOAT4 = 700, OID_FLOAT8 = 701, OID_UNKNOWN = 705,
	OID_BPCHAR = 1042, OID_VARCHAR = 1043, OID_DATE = 1082, OID_TIME = 1083, OID_TIMESTAMP = 1114,
	OID_TIMESTAMPTZ = 1184, OID_INTERVAL = 1186, OID_TIMETZ = 1266, OID_NUMERIC = 1700, OID_UUID = 2950, OID_JSONB = 3802,
	OID_FIRST_OF_USERS = 16384,     /* FirstNormalObjectId; below it are PostgreSQL's own */
	OID_COLLATION_DEFAULT = 100, OID_COLLATION_C = 950, OID_COLLATION_POSIX = 951,
};

/* Of a row d of pg_attrdef: the default calls nextval(regclass), function 1574. pg_get_expr() would tell as much, but locks the table, and so waits
 * for whoever is altering it. */
#define CATALOG_CALLS_NEXTVAL "pg_catalog.strpos(d.adbin::pg_catalog.text, ':funcid 1574 ') > 0"

enum volatility { VOLATILITY_IMMUTABLE, VOLATILITY_STABLE, VOLATILITY_VOLATILE };

struct catalog_column {
	const char *name;
	uint32_t type;                  /* OID on the node that was read */
	int32_t typmod;
	uint32_t collation;             /* 0: the type has none */
	int attnum;
	bool not_null;
	bool default_nextval;           /* serial, identity, or DEFAULT nextval(…) */
	bool has_default;
	int primary_at;                 /* its place in the primary key, from 1; 0: not in it */
	bool generated;                 /* GENERATED ALWAYS AS (…) STORED */
};

enum catalog_event {                    /* what a statement does to a table; a set of bits */
	EVENT_SELECT = 1, EVENT_INSERT = 2, EVENT_UPDATE = 4, EVENT_DELETE = 8, EVENT_TRUNCATE = 16,
	EVENT_WRITE = EVENT_INSERT | EVENT_UPDATE | EVENT_DELETE,
	EVENT_ANY = EVENT_SELECT | EVENT_WRITE | EVENT_TRUNCATE,
};

struct catalog_call {                   /* a function, by name */
	const char *schema;
	const char *name;
};

/* Code that a table has of its own, and that the server runs unseen with a statement: a trigger, a default, a policy, …. Those that call only
 * what PostgreSQL brings along, and concern no other table, are not listed. */
struct catalog_hook {
	const struct catalog_hook *next;
	const char *kind;               /* "trigger", "default", "constraint", "view", …, for messages */
	const char *name;
	const char *column;             /* it runs only for rows that do not give this column a value; or NULL */
	unsigned events;                /* of the statements that it runs with */
	bool passes_on;                 /* no code: the statement goes on to `relations` (foreign keys with actions, inheritance) */
	unsigned does;                  /* what it does to `relations`; 0: what the statement does */
	const char *reads;              /* a function of PostgreSQL's own that it calls and that reads what is named to it, or NULL */
	const struct catalog_call *calls;
	size_t call_count;
	const struct catalog_table **relations;
	size_t relation_count;
};

/* Code that expressions run without a call that is written: what stands behind an operator, a cast, a domain's check, the order of a type. Not
 * listed is what calls only IMMUTABLE functions and those that PostgreSQL and its own extensions bring along. */
struct catalog_hidden {
	const char *kind;               /* "operator", "cast", "domain", "operator class", for messages */
	const char *name;
	bool everywhere;                /* nothing in a statement need show it */
	const char **words;             /* operators, types and functions by which values come to it */
	size_t word_count;
	const uint32_t *types;          /* of values that bring it along: the type itself, and those that contain it */
	size_t type_count;
	const struct catalog_call *calls;
	size_t call_count;
};

/* What the query of a view uses, the subqueries in it included. */
struct catalog_view {
	const struct catalog_call *calls;       /* PostgreSQL's own functions too; not what runs without a call (struct catalog_hidden) */
	size_t call_count;
	const struct catalog_table **relations;
	size_t relation_count;
	bool locks;                     /* FOR UPDATE and friends */
	bool opaque;                    /* there is a relation that the catalog does not have */
};

struct catalog_table {
	const char *schema;
	const char *name;
	uint32_t oid;
	char kind;                      /* relkind: r, p, v, m, f, S */
	char persistence;               /* relpersistence: p, u, t */
	struct catalog_column *columns; /* in order of attnum, without dropped ones */
	size_t column_count;
	const struct catalog_hook *hooks;
	const struct catalog_view *view;        /* of the user's own views; else NULL */
	const struct catalog_table *same_name;  /* the next of this name, in another schema */
};

struct catalog_collation {
	uint32_t oid;
	const char *schema;
	const char *name;
	char provider;                  /* c: the C library, i: ICU, d: the database's default (resolved when loaded) */
	bool deterministic;
	const char *locale;             /* LC_COLLATE; "C" and "POSIX" compare bytes */
	bool version_matches;           /* the node's version of it is this router's own */
};

/* All overloads of one name in one schema, taken together. */
struct catalog_function {
	const char *schema;
	const char *name;
	enum volatility volatility;     /* the worst of the overloads */
	bool aggregate;                 /* some overload is an aggregate */
	bool window;                    /* some overload is a window function */
	bool set_returning;
	bool builtin;                   /* every overload lives in pg_catalog, is C of a known extension, or an aggregate (see `calls`) */
	bool readable;                  /* every other overload is IMMUTABLE, or has its source in `body` */
	bool of_row;                    /* some overload takes a row, and may be written as if it were a column: row.name */
	const char *body;               /* SQL and PL/pgSQL, one after the other; NULL: there is none */
	const char *body_immutable;     /* the same of overloads that are IMMUTABLE */
	const struct catalog_call *calls;       /* what runs beside the bodies: an aggregate's functions, defaults of arguments */
	size_t call_count;
	const uint32_t *takes;          /* types of first arguments that it takes unasked, 0 being any; pg_catalog's: exactly. Only of names that */
	size_t take_count;              /* users share with aggregates of pg_catalog */
	const struct catalog_function *same_name;       /* the next of this name, in another schema */
};

enum { CATALOG_SEARCH_PATH_MAX = 16 };

struct catalog {
	uint64_t version;               /* grows with every reload */
	unsigned refs;
	struct arena arena;
	struct map tables;              /* schema, zero, name -> struct catalog_table */
	struct map functions;           /* schema, zero, name -> struct catalog_function */
	struct map tables_by_oid;       /* 4 bytes of OID -> struct catalog_table */
	struct map tables_named;        /* name -> the first of them */
	struct map functions_named;
	const struct catalog_hidden *hidden;
	size_t hidden_count;
	struct map collations;          /* 4 bytes of OID -> struct catalog_collation */
	const char *search_path[CATALOG_SEARCH_PATH_MAX];      /* the default one, without schemas that do not exist; pg_catalog is
								 * looked into first unless it is listed */
	size_t search_path_count;
	const char *search_path_text;   /* the same as the setting has it, "$user" included */
	struct map role_paths;          /* role -> its own search_path (ALTER ROLE … SET), as text */
	const uint32_t *reading_oids;   /* of those functions */
	size_t reading_oid_count;
	bool event_triggers;            /* definitions run code of the user's own */
	struct map role_schemas;        /* roles of whose name there is a schema: "$user" is somebody -> itself */
	char server_version[32];
	char encoding[32];              /* server_encoding; names and texts of sessions in another one are not comparable here */
};

struct catalog *catalog_new(uint64_t version);
struct catalog *catalog_ref(struct catalog *catalog);
void catalog_unref(struct catalog *catalog);

/* For builders: the struct is copied, with its strings, into the catalog. */
void catalog_add_table(struct catalog *catalog, const struct catalog_table *table);
void catalog_add_function(struct catalog *catalog, const struct catalog_function *function);
void catalog_add_collation(struct catalog *catalog, const struct catalog_collation *collation);

/* `schema` may be NULL: then pg_catalog and the search path decide, as in PostgreSQL. NULL when there is none. */
const struct catalog_table *catalog_table(const struct catalog *catalog, const char *schema, const char *name);
const struct catalog_function *catalog_function(const struct catalog *catalog, const char *schema, const char *name);
const struct catalog_collation *catalog_collation(const struct catalog *catalog, uint32_t oid);
const struct catalog_collation *catalog_collation_named(const struct catalog *catalog, const char *schema, const char *name);
const struct catalog_table *catalog_table_by_oid(const struct catalog *catalog, uint32_t oid);
const struct catalog_column *catalog_column(const struct catalog_table *table, const char *name);

/* The first of that name in any schema; the others follow in `same_name`. */
const struct catalog_table *catalog_tables_named(const struct catalog *catalog, const char *name);
const struct catalog_function *catalog_functions_named(const struct catalog *catalog, const char *name);

/* The name of a type that every PostgreSQL has, for messages ("… values of the type %s"); of another one, words that stand in its place. */
const char *type_name(uint32_t oid);

/* Whether a function of PostgreSQL's own, or of its extensions, of this name runs a query that is given as text, or reads the table that is named
 * to it. */
bool catalog_reads_tables(const char *function);

/* The same of one of PostgreSQL's own by its number; also of the input of types, whatever type is asked of it. */
bool catalog_reads_tables_by_oid(const struct catalog *catalog, uint32_t function);
extern const char *const catalog_reading_functions[];   /* sorted; NULL ends it */

/* Whether a function of PostgreSQL's own, or of its extensions, of this name leaves something in its session; of these, whether the session follows
 * it when the statement calls it. */
bool catalog_leaves_traces(const char *function);
bool catalog_follows(const char *function);
extern const char *const catalog_leaving_functions[];   /* NULL ends it */

/* Whether a function of PostgreSQL's own of this name tells in what words, or by which messages, the statement came. */
bool catalog_tells_statement(const char *function);
extern const char *const catalog_telling_functions[];   /* NULL ends it */

/* The search_path with which a session of `login`, acting as `role`, begins, as text in which "$user" is still to be replaced by `role`;
 * NULL when it is the default, which catalog_table() and catalog_function() walk. */
const char *catalog_role_path(const struct catalog *catalog, const char *login, const char *role);
void catalog_add_role_path(struct catalog *catalog, const char *role, const char *path);        /* for builders */
void catalog_add_role_schema(struct catalog *catalog, const char *role);

/* Reads the whole schema of the database that `conninfo` (libpq's) names. Blocks: for the control plane's threads only.
 * Errors: ERR_CONNECT, ERR_INTERNAL with the server's message. */
must_use int catalog_load(const char *conninfo, uint64_t version, struct catalog **ret_catalog, struct err *err);

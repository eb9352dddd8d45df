/* plan: a shape with its route: which shards, what kind of run.
 *
 * Made once for a fingerprint in one analysis context, then asked for each execution where its literals or parameters lead. Immutable,
 * counted by references, one worker's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "sql/fingerprint.h"
#include "sql/shape.h"

struct bind;
struct catalog;
struct database;
struct hint;
struct sharded_table;
struct snapshot;

enum route_kind {
	ROUTE_ANY,                      /* any one shard will do: no tables, or only what all shards have alike */
	ROUTE_HOME,                     /* the home shard: tables nobody sharded, the catalogs */
	ROUTE_KEYED,                    /* the key's shard; more than one: fan-out over these */
	ROUTE_FANOUT,                   /* a SELECT over all shards, merged */
	ROUTE_ALL,                      /* every shard, in one transaction: definitions */
	ROUTE_ALL_LOOSE,                /* every shard, each for itself: VACUUM, CREATE INDEX CONCURRENTLY */
	ROUTE_LOCAL,                    /* the router answers: the nanu schema */
	ROUTE_REFUSED,
};

struct pin {                            /* what is known of the key of one sharded table reference */
	const struct sharded_table *table;
	const struct value **lists;     /* each list: key = one of; all lists hold */
	size_t *list_sizes;
	bool *list_arrays;              /* the one value is an array */
	size_t list_count;
	int typmod;                     /* of the key column */
	bool not_null, has_default;     /* INSERT: the key column */
};

enum reading {
	READING_ANYWHERE,               /* it changes nothing, and a replica answers as the primary would */
	READING_UNKNOWN,                /* what it does or tells cannot be known: the primary's, but for who says that he only reads */
	READING_OWN,                    /* it asks for what each server has of its own: where sequences are, unlogged tables, statistics */
};

struct plan_item {                      /* one statement of the text */
	const struct shape *shape;
	enum route_kind kind;
	bool writes;                    /* may change data, or take locks, on the shard it runs on */
	bool reads;                     /* a SELECT, COPY TO STDOUT or BEGIN READ ONLY that a replica can serve as the primary would */
	bool reads_there;               /* the same, of what is to be asked of a replica by who wants to know of it */
	enum reading reading, reading_there;    /* of what it runs, or what it wraps would */
	bool calls_read;                /* EXECUTE, and nothing around it: its arguments may be a replica's to work out */
	bool dirties;                   /* runs code that may change its session unseen: functions, DO, CALL */
	bool telling;                   /* a query: what it runs may tell in what words it came: current_query() */
	bool fanout;                    /* KEYED: may also run as a fan-out when the key names several shards */
	struct pin *pins;               /* KEYED: one for each sharded table reference; INSERT: one for each row */
	size_t pin_count;
	bool defines;                   /* a DO: what it runs may be definitions */
	const char *redefines;          /* a definition: the name that means, or runs, what the catalog does not have; or NULL */
	bool wary;                      /* parameters of the user's own types may run code that is not harmless */
	const bool *shared_params;      /* KEYED: resolve_shared_params() */
	struct err refusal;             /* REFUSED; and KEYED without fanout: why several shards cannot be served */
};

struct plan {
	unsigned refs;
	struct arena arena;
	uint64_t snapshot_version;
	struct shapes shapes;
	struct plan_item *items;
	const struct hint *hint;        /* of a comment; or NULL. When it cannot be had, every item is REFUSED for it */
	bool reads, reads_there;        /* all its items do, and there is one */
	bool may_write;                 /* some item is neither that nor of the session alone: BEGIN, SET */
	bool looks;                     /* some item may depend on what is there when it runs */
	bool dirties;                   /* some item does */
	bool holds;                     /* some item takes what others, or the session itself, are to find after it: an advisory lock, a cursor WITH HOLD */
	bool sets_unseen;               /* some item sets what only its server can tell afterwards */
	enum reading reading, reading_there;    /* the worst of its items */
	bool uses_literals;             /* some pin needs the statement's literals */
	bool unknown;                   /* names a relation that the catalog does not have: to be planned anew with a fresh one */
	bool parsed;                    /* false: PostgreSQL will not parse it either; one REFUSED-less item of kind ANY */
};

/* What tells one analysis context from another, for planning. */
struct plan_context {
	const struct snapshot *snapshot;
	int database;                   /* index into the topology's databases */
	const char *search_path;        /* of the session or its role, as the server has it; NULL: the database's default */
	const char *role;               /* whom "$user" in search_path means */
	bool temporary;                 /* the session has temporary relations: on the home shard, in no catalog */
	struct slice redefined;         /* names that the transaction under way has changed: plan_item.redefines of its definitions, a zero behind
					 * each */
};

/* Plans `sql`. Never fails: what cannot be planned is REFUSED with its reason, what does not parse goes to PostgreSQL for its error. */
struct plan *plan_new(const struct plan_context *context, struct slice sql, const struct fingerprint *fingerprint);
struct plan *plan_ref(struct plan *plan);
void plan_unref(struct plan *plan);

/* The values of one execution. */
struct plan_values {
	struct slice sql;
	const struct fingerprint *fingerprint;  /* of `sql`; NULL when no literal is needed */
	bool standard_strings;
	bool own_encoding;                      /* the client's texts are in the server's encoding */
	const struct bind *bind;                /* or NULL */
	const uint32_t *param_types;            /* declared in Parse; 0 where not */
	size_t param_type_count;
	const struct shape *execute;            /* SQL EXECUTE: its arguments stand for the parameters; else NULL */
	const struct plan_values *execute_values;       /* the EXECUTE's own text and literals */
};

/* The catalog as names without a schema mean it to a session of this context: another one than the snapshot's only in its search_path. Borrowed from
 * the snapshot, and allocated in `arena`. *ret_catalog is NULL where the schema is not known. */
must_use int resolve_catalog(const struct plan_context *context, struct arena *arena, const struct catalog **ret_catalog, struct err *err);

/* The shards of the database (bit i: its i-th shard) on which `item` runs. ERR_UNSUPPORTED, ERR_NULL_KEY, … with the reason in
 * `err`, which may be NULL. More than one bit in ret_shards only for FANOUT, ALL and KEYED with fanout. */
must_use int plan_route(const struct plan_context *context, const struct plan_item *item, const struct plan_values *values,
			uint64_t *ret_shards, struct err *err);

/* The highest $n whose value plan_route() may look at; 0: none. */
int plan_param_max(const struct plan_item *item);

/* For a parameter that SQL PREPARE declares: the OID of a type by the name it is written with, or PARAM_TYPE_OTHER. */
enum { PARAM_TYPE_OTHER = INT32_MAX };
uint32_t plan_type_named(const char *name);

/* Whether this BEGIN is of a block that a replica can serve: READ ONLY, and not SERIALIZABLE, which a standby does not have. */
bool plan_reads_block(const struct shape *begin);

/* Whether `name` is among them (plan_context.redefined); every name is, when REDEFINED_ALL is. */
#define REDEFINED_ALL "*"
bool plan_redefined(struct slice redefined, const char *name);

const char *route_kind_name(enum route_kind kind);

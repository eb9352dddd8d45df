/* catalog_load: what the files that read a database's schema over libpq share. Inside of catalog/. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/err.h"

struct buf;
struct catalog;

/* Schemas of sessions' temporary tables and of TOAST are nobody's to name. */
#define NAMEABLE_SCHEMA "n.nspname !~ '^pg_(toast|temp)'"
#define USER_SCHEMA NAMEABLE_SCHEMA " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"

/* Of pg_proc p and pg_language l: in C, of an extension whose functions touch no table but for those that catalog_reads_tables() names. Other code
 * in C may do anything. */
#define KNOWN_C \
	"(l.lanname IN ('internal', 'c') AND EXISTS (SELECT FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid" \
	" WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.refclassid = 'pg_extension'::regclass AND x.extname IN (" \
	"'adminpack', 'amcheck', 'bloom', 'btree_gin', 'btree_gist', 'citext', 'cube', 'dict_int', 'dict_xsyn', 'earthdistance', 'fuzzystrmatch'," \
	" 'hll', 'hstore', 'hypopg', 'insert_username', 'intagg', 'intarray', 'isn', 'lo', 'ltree', 'moddatetime', 'pageinspect', 'pg_buffercache'," \
	" 'pg_freespacemap', 'pg_prewarm', 'pg_stat_statements', 'pg_surgery', 'pg_trgm', 'pg_visibility', 'pg_walinspect', 'pgcrypto'," \
	" 'pgrowlocks', 'pgstattuple', 'postgis', 'postgis_raster', 'postgis_sfcgal', 'seg', 'semver', 'sslinfo', 'tablefunc', 'tcn'," \
	" 'tsm_system_rows', 'tsm_system_time', 'unaccent', 'unit', 'uuid-ossp', 'vector', 'xml2')))"

/* (part, whole): types and those that hold values of them: domains, arrays, rows, ranges. */
#define TYPES_WITHIN \
	"SELECT typbasetype, oid FROM pg_type WHERE typbasetype <> 0 UNION ALL SELECT typelem, oid FROM pg_type WHERE typelem <> 0" \
	" UNION ALL SELECT atttypid, reltype FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid" \
	"  WHERE attnum > 0 AND NOT attisdropped AND reltype <> 0" \
	" UNION ALL SELECT rngsubtype, rngtypid FROM pg_range UNION ALL SELECT rngtypid, rngmultitypid FROM pg_range"

/* $1 are the names of functions that read tables. */
#define READERS \
	"readers(pattern) AS (" \
	"  SELECT ':funcid (' || string_agg(oid::text, '|') || ') ' FROM pg_proc" \
	"   WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY ($1::name[]))"

enum { READER_NAMES_SIZE_MAX = 4 << 10 };

/* The rows of a query of one parameter (NULL: of none). ERR_INTERNAL with the server's message, and `what` was to be read. */
must_use int catalog_fetch(PGconn *conn, const char *sql, const char *param, const char *what, PGresult **ret_result, struct err *err);

char *catalog_text(struct catalog *catalog, const PGresult *result, int row, int column);       /* in its arena; NULL stays NULL */
uint32_t catalog_number(const PGresult *result, int row, int column);

/* catalog_reading_functions as the text of an array, with its zero; `hooks`: and the other functions that a table's own code is read for. */
void catalog_reader_names(bool hooks, struct buf *names);

/* Tells of functions what they run beside their bodies, and fills catalog->hidden. */
must_use int catalog_load_calls(PGconn *conn, struct catalog *catalog, struct err *err);

/* Gives the tables that `catalog` has their hooks. */
must_use int catalog_load_hooks(PGconn *conn, struct catalog *catalog, struct err *err);

/* And views what they use. */
must_use int catalog_load_views(PGconn *conn, struct catalog *catalog, struct err *err);

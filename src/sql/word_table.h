/* word_table: every keyword of PostgreSQL 15 (src/include/parser/kwlist.h), and the names whose literals need care.
 *
 *        X(NAME, "text", category, uses): the categories and uses are explained in words.h.
 */
#pragma once

#define WORD_TABLE(X) \
	/* the keywords */ \
	X(ABORT, "abort", UNRESERVED, 0) X(ABSOLUTE, "absolute", UNRESERVED, 0) \
	X(ACCESS, "access", UNRESERVED, 0) X(ACTION, "action", UNRESERVED, 0) X(ADD, "add", UNRESERVED, 0) \
	X(ADMIN, "admin", UNRESERVED, 0) X(AFTER, "after", UNRESERVED, 0) X(AGGREGATE, "aggregate", UNRESERVED, 0) \
	X(ALL, "all", RESERVED, 0) X(ALSO, "also", UNRESERVED, 0) X(ALTER, "alter", UNRESERVED, 0) \
	X(ALWAYS, "always", UNRESERVED, 0) X(ANALYSE, "analyse", RESERVED, 0) X(ANALYZE, "analyze", RESERVED, 0) \
	X(AND, "and", RESERVED, 0) X(ANY, "any", RESERVED, 0) X(ARRAY, "array", RESERVED, 0) \
	X(AS, "as", RESERVED, 0) X(ASC, "asc", RESERVED, 0) X(ASENSITIVE, "asensitive", UNRESERVED, 0) \
	X(ASSERTION, "assertion", UNRESERVED, 0) X(ASSIGNMENT, "assignment", UNRESERVED, 0) \
	X(ASYMMETRIC, "asymmetric", RESERVED, 0) X(ATOMIC, "atomic", UNRESERVED, 0) X(AT, "at", UNRESERVED, 0) \
	X(ATTACH, "attach", UNRESERVED, 0) X(ATTRIBUTE, "attribute", UNRESERVED, 0) \
	X(AUTHORIZATION, "authorization", TYPE_FUNC, 0) X(BACKWARD, "backward", UNRESERVED, 0) \
	X(BEFORE, "before", UNRESERVED, 0) X(BEGIN, "begin", UNRESERVED, 0) X(BETWEEN, "between", COLUMN, OPERAND) \
	X(BIGINT, "bigint", COLUMN, BASE_TYPE) X(BINARY, "binary", TYPE_FUNC, 0) X(BIT, "bit", COLUMN, MODIFIER) \
	X(BOOLEAN, "boolean", COLUMN, BASE_TYPE) X(BOTH, "both", RESERVED, 0) X(BREADTH, "breadth", UNRESERVED, 0) \
	X(BY, "by", UNRESERVED, 0) X(CACHE, "cache", UNRESERVED, 0) X(CALL, "call", UNRESERVED, 0) \
	X(CALLED, "called", UNRESERVED, 0) X(CASCADE, "cascade", UNRESERVED, 0) \
	X(CASCADED, "cascaded", UNRESERVED, 0) X(CASE, "case", RESERVED, 0) X(CAST, "cast", RESERVED, 0) \
	X(CATALOG, "catalog", UNRESERVED, 0) X(CHAIN, "chain", UNRESERVED, 0) X(CHAR, "char", COLUMN, MODIFIER) \
	X(CHARACTER, "character", COLUMN, MODIFIER) X(CHARACTERISTICS, "characteristics", UNRESERVED, 0) \
	X(CHECK, "check", RESERVED, 0) X(CHECKPOINT, "checkpoint", UNRESERVED, 0) X(CLASS, "class", UNRESERVED, 0) \
	X(CLOSE, "close", UNRESERVED, 0) X(CLUSTER, "cluster", UNRESERVED, 0) X(COALESCE, "coalesce", COLUMN, 0) \
	X(COLLATE, "collate", RESERVED, 0) X(COLLATION, "collation", TYPE_FUNC, 0) X(COLUMN, "column", RESERVED, 0) \
	X(COLUMNS, "columns", UNRESERVED, 0) X(COMMENT, "comment", UNRESERVED, 0) \
	X(COMMENTS, "comments", UNRESERVED, 0) X(COMMIT, "commit", UNRESERVED, 0) \
	X(COMMITTED, "committed", UNRESERVED, 0) X(COMPRESSION, "compression", UNRESERVED, 0) \
	X(CONCURRENTLY, "concurrently", TYPE_FUNC, 0) X(CONFIGURATION, "configuration", UNRESERVED, 0) \
	X(CONFLICT, "conflict", UNRESERVED, 0) X(CONNECTION, "connection", UNRESERVED, 0) \
	X(CONSTRAINT, "constraint", RESERVED, 0) X(CONSTRAINTS, "constraints", UNRESERVED, 0) \
	X(CONTENT, "content", UNRESERVED, 0) X(CONTINUE, "continue", UNRESERVED, 0) \
	X(CONVERSION, "conversion", UNRESERVED, 0) X(COPY, "copy", UNRESERVED, 0) X(COST, "cost", UNRESERVED, 0) \
	X(CREATE, "create", RESERVED, 0) X(CROSS, "cross", TYPE_FUNC, 0) X(CSV, "csv", UNRESERVED, 0) \
	X(CUBE, "cube", UNRESERVED, 0) X(CURRENT, "current", UNRESERVED, 0) \
	X(CURRENT_CATALOG, "current_catalog", RESERVED, 0) X(CURRENT_DATE, "current_date", RESERVED, 0) \
	X(CURRENT_ROLE, "current_role", RESERVED, 0) X(CURRENT_SCHEMA, "current_schema", TYPE_FUNC, 0) \
	X(CURRENT_TIME, "current_time", RESERVED, MODIFIER) \
	X(CURRENT_TIMESTAMP, "current_timestamp", RESERVED, MODIFIER) X(CURRENT_USER, "current_user", RESERVED, 0) \
	X(CURSOR, "cursor", UNRESERVED, 0) X(CYCLE, "cycle", UNRESERVED, 0) X(DATA, "data", UNRESERVED, 0) \
	X(DATABASE, "database", UNRESERVED, 0) X(DAY, "day", UNRESERVED, 0) \
	X(DEALLOCATE, "deallocate", UNRESERVED, 0) X(DEC, "dec", COLUMN, MODIFIER|BASE_TYPE) \
	X(DECIMAL, "decimal", COLUMN, MODIFIER|BASE_TYPE) X(DECLARE, "declare", UNRESERVED, 0) \
	X(DEFAULT, "default", RESERVED, 0) X(DEFAULTS, "defaults", UNRESERVED, 0) \
	X(DEFERRABLE, "deferrable", RESERVED, 0) X(DEFERRED, "deferred", UNRESERVED, 0) \
	X(DEFINER, "definer", UNRESERVED, 0) X(DELETE, "delete", UNRESERVED, 0) \
	X(DELIMITER, "delimiter", UNRESERVED, 0) X(DELIMITERS, "delimiters", UNRESERVED, 0) \
	X(DEPENDS, "depends", UNRESERVED, 0) X(DEPTH, "depth", UNRESERVED, 0) X(DESC, "desc", RESERVED, 0) \
	X(DETACH, "detach", UNRESERVED, 0) X(DICTIONARY, "dictionary", UNRESERVED, 0) \
	X(DISABLE, "disable", UNRESERVED, 0) X(DISCARD, "discard", UNRESERVED, 0) \
	X(DISTINCT, "distinct", RESERVED, 0) X(DO, "do", RESERVED, 0) X(DOCUMENT, "document", UNRESERVED, 0) \
	X(DOMAIN, "domain", UNRESERVED, 0) X(DOUBLE, "double", UNRESERVED, 0) X(DROP, "drop", UNRESERVED, 0) \
	X(EACH, "each", UNRESERVED, 0) X(ELSE, "else", RESERVED, 0) X(ENABLE, "enable", UNRESERVED, 0) \
	X(ENCODING, "encoding", UNRESERVED, 0) X(ENCRYPTED, "encrypted", UNRESERVED, 0) X(END, "end", RESERVED, 0) \
	X(ENUM, "enum", UNRESERVED, 0) X(ESCAPE, "escape", UNRESERVED, 0) X(EVENT, "event", UNRESERVED, 0) \
	X(EXCEPT, "except", RESERVED, 0) X(EXCLUDE, "exclude", UNRESERVED, 0) \
	X(EXCLUDING, "excluding", UNRESERVED, 0) X(EXCLUSIVE, "exclusive", UNRESERVED, 0) \
	X(EXECUTE, "execute", UNRESERVED, 0) X(EXISTS, "exists", COLUMN, 0) X(EXPLAIN, "explain", UNRESERVED, 0) \
	X(EXPRESSION, "expression", UNRESERVED, 0) X(EXTENSION, "extension", UNRESERVED, 0) \
	X(EXTERNAL, "external", UNRESERVED, 0) X(EXTRACT, "extract", COLUMN, 0) X(FALSE, "false", RESERVED, 0) \
	X(FAMILY, "family", UNRESERVED, 0) X(FETCH, "fetch", RESERVED, 0) X(FILTER, "filter", UNRESERVED, 0) \
	X(FINALIZE, "finalize", UNRESERVED, 0) X(FIRST, "first", UNRESERVED, 0) X(FLOAT, "float", COLUMN, MODIFIER) \
	X(FOLLOWING, "following", UNRESERVED, 0) X(FOR, "for", RESERVED, 0) X(FORCE, "force", UNRESERVED, 0) \
	X(FOREIGN, "foreign", RESERVED, 0) X(FORWARD, "forward", UNRESERVED, 0) X(FREEZE, "freeze", TYPE_FUNC, 0) \
	X(FROM, "from", RESERVED, 0) X(FULL, "full", TYPE_FUNC, 0) X(FUNCTION, "function", UNRESERVED, 0) \
	X(FUNCTIONS, "functions", UNRESERVED, 0) X(GENERATED, "generated", UNRESERVED, 0) \
	X(GLOBAL, "global", UNRESERVED, 0) X(GRANT, "grant", RESERVED, 0) X(GRANTED, "granted", UNRESERVED, 0) \
	X(GREATEST, "greatest", COLUMN, 0) X(GROUP, "group", RESERVED, 0) X(GROUPING, "grouping", COLUMN, 0) \
	X(GROUPS, "groups", UNRESERVED, 0) X(HANDLER, "handler", UNRESERVED, 0) X(HAVING, "having", RESERVED, 0) \
	X(HEADER, "header", UNRESERVED, 0) X(HOLD, "hold", UNRESERVED, 0) X(HOUR, "hour", UNRESERVED, 0) \
	X(IDENTITY, "identity", UNRESERVED, 0) X(IF, "if", UNRESERVED, 0) X(ILIKE, "ilike", TYPE_FUNC, OPERAND) \
	X(IMMEDIATE, "immediate", UNRESERVED, 0) X(IMMUTABLE, "immutable", UNRESERVED, 0) \
	X(IMPLICIT, "implicit", UNRESERVED, 0) X(IMPORT, "import", UNRESERVED, 0) X(IN, "in", RESERVED, 0) \
	X(INCLUDE, "include", UNRESERVED, 0) X(INCLUDING, "including", UNRESERVED, 0) \
	X(INCREMENT, "increment", UNRESERVED, 0) X(INDEX, "index", UNRESERVED, 0) \
	X(INDEXES, "indexes", UNRESERVED, 0) X(INHERIT, "inherit", UNRESERVED, 0) \
	X(INHERITS, "inherits", UNRESERVED, 0) X(INITIALLY, "initially", RESERVED, 0) \
	X(INLINE, "inline", UNRESERVED, 0) X(INNER, "inner", TYPE_FUNC, 0) X(INOUT, "inout", COLUMN, 0) \
	X(INPUT, "input", UNRESERVED, 0) X(INSENSITIVE, "insensitive", UNRESERVED, 0) \
	X(INSERT, "insert", UNRESERVED, 0) X(INSTEAD, "instead", UNRESERVED, 0) X(INT, "int", COLUMN, BASE_TYPE) \
	X(INTEGER, "integer", COLUMN, BASE_TYPE) X(INTERSECT, "intersect", RESERVED, 0) \
	X(INTERVAL, "interval", COLUMN, MODIFIER) X(INTO, "into", RESERVED, 0) X(INVOKER, "invoker", UNRESERVED, 0) \
	X(IS, "is", TYPE_FUNC, OPERAND) X(ISNULL, "isnull", TYPE_FUNC, OPERAND) \
	X(ISOLATION, "isolation", UNRESERVED, 0) X(JOIN, "join", TYPE_FUNC, 0) X(KEY, "key", UNRESERVED, 0) \
	X(LABEL, "label", UNRESERVED, 0) X(LANGUAGE, "language", UNRESERVED, 0) X(LARGE, "large", UNRESERVED, 0) \
	X(LAST, "last", UNRESERVED, 0) X(LATERAL, "lateral", RESERVED, 0) X(LEADING, "leading", RESERVED, 0) \
	X(LEAKPROOF, "leakproof", UNRESERVED, 0) X(LEAST, "least", COLUMN, 0) X(LEFT, "left", TYPE_FUNC, 0) \
	X(LEVEL, "level", UNRESERVED, 0) X(LIKE, "like", TYPE_FUNC, OPERAND) X(LIMIT, "limit", RESERVED, 0) \
	X(LISTEN, "listen", UNRESERVED, 0) X(LOAD, "load", UNRESERVED, 0) X(LOCAL, "local", UNRESERVED, 0) \
	X(LOCALTIME, "localtime", RESERVED, MODIFIER) X(LOCALTIMESTAMP, "localtimestamp", RESERVED, MODIFIER) \
	X(LOCATION, "location", UNRESERVED, 0) X(LOCK, "lock", UNRESERVED, 0) X(LOCKED, "locked", UNRESERVED, 0) \
	X(LOGGED, "logged", UNRESERVED, 0) X(MAPPING, "mapping", UNRESERVED, 0) X(MATCH, "match", UNRESERVED, 0) \
	X(MATCHED, "matched", UNRESERVED, 0) X(MATERIALIZED, "materialized", UNRESERVED, 0) \
	X(MAXVALUE, "maxvalue", UNRESERVED, 0) X(MERGE, "merge", UNRESERVED, 0) X(METHOD, "method", UNRESERVED, 0) \
	X(MINUTE, "minute", UNRESERVED, 0) X(MINVALUE, "minvalue", UNRESERVED, 0) X(MODE, "mode", UNRESERVED, 0) \
	X(MONTH, "month", UNRESERVED, 0) X(MOVE, "move", UNRESERVED, 0) X(NAME, "name", UNRESERVED, 0) \
	X(NAMES, "names", UNRESERVED, 0) X(NATIONAL, "national", COLUMN, MODIFIER) \
	X(NATURAL, "natural", TYPE_FUNC, 0) X(NCHAR, "nchar", COLUMN, MODIFIER) X(NEW, "new", UNRESERVED, 0) \
	X(NEXT, "next", UNRESERVED, 0) X(NFC, "nfc", UNRESERVED, 0) X(NFD, "nfd", UNRESERVED, 0) \
	X(NFKC, "nfkc", UNRESERVED, 0) X(NFKD, "nfkd", UNRESERVED, 0) X(NO, "no", UNRESERVED, 0) \
	X(NONE, "none", COLUMN, 0) X(NORMALIZE, "normalize", COLUMN, 0) X(NORMALIZED, "normalized", UNRESERVED, 0) \
	X(NOT, "not", RESERVED, 0) X(NOTHING, "nothing", UNRESERVED, 0) X(NOTIFY, "notify", UNRESERVED, 0) \
	X(NOTNULL, "notnull", TYPE_FUNC, OPERAND) X(NOWAIT, "nowait", UNRESERVED, 0) X(NULL, "null", RESERVED, 0) \
	X(NULLIF, "nullif", COLUMN, 0) X(NULLS, "nulls", UNRESERVED, 0) \
	X(NUMERIC, "numeric", COLUMN, MODIFIER|BASE_TYPE) X(OBJECT, "object", UNRESERVED, 0) \
	X(OF, "of", UNRESERVED, 0) X(OFF, "off", UNRESERVED, 0) X(OFFSET, "offset", RESERVED, 0) \
	X(OIDS, "oids", UNRESERVED, 0) X(OLD, "old", UNRESERVED, 0) X(ON, "on", RESERVED, 0) \
	X(ONLY, "only", RESERVED, 0) X(OPERATOR, "operator", UNRESERVED, 0) X(OPTION, "option", UNRESERVED, 0) \
	X(OPTIONS, "options", UNRESERVED, 0) X(OR, "or", RESERVED, 0) X(ORDER, "order", RESERVED, 0) \
	X(ORDINALITY, "ordinality", UNRESERVED, 0) X(OTHERS, "others", UNRESERVED, 0) X(OUT, "out", COLUMN, 0) \
	X(OUTER, "outer", TYPE_FUNC, 0) X(OVER, "over", UNRESERVED, 0) X(OVERLAPS, "overlaps", TYPE_FUNC, OPERAND) \
	X(OVERLAY, "overlay", COLUMN, 0) X(OVERRIDING, "overriding", UNRESERVED, 0) X(OWNED, "owned", UNRESERVED, 0) \
	X(OWNER, "owner", UNRESERVED, 0) X(PARALLEL, "parallel", UNRESERVED, 0) \
	X(PARAMETER, "parameter", UNRESERVED, 0) X(PARSER, "parser", UNRESERVED, 0) \
	X(PARTIAL, "partial", UNRESERVED, 0) X(PARTITION, "partition", UNRESERVED, 0) \
	X(PASSING, "passing", UNRESERVED, 0) X(PASSWORD, "password", UNRESERVED, 0) \
	X(PLACING, "placing", RESERVED, 0) X(PLANS, "plans", UNRESERVED, 0) X(POLICY, "policy", UNRESERVED, 0) \
	X(POSITION, "position", COLUMN, 0) X(PRECEDING, "preceding", UNRESERVED, 0) \
	X(PRECISION, "precision", COLUMN, MODIFIER) X(PRESERVE, "preserve", UNRESERVED, 0) \
	X(PREPARE, "prepare", UNRESERVED, 0) X(PREPARED, "prepared", UNRESERVED, 0) \
	X(PRIMARY, "primary", RESERVED, 0) X(PRIOR, "prior", UNRESERVED, 0) \
	X(PRIVILEGES, "privileges", UNRESERVED, 0) X(PROCEDURAL, "procedural", UNRESERVED, 0) \
	X(PROCEDURE, "procedure", UNRESERVED, 0) X(PROCEDURES, "procedures", UNRESERVED, 0) \
	X(PROGRAM, "program", UNRESERVED, 0) X(PUBLICATION, "publication", UNRESERVED, 0) \
	X(QUOTE, "quote", UNRESERVED, 0) X(RANGE, "range", UNRESERVED, 0) X(READ, "read", UNRESERVED, 0) \
	X(REAL, "real", COLUMN, BASE_TYPE) X(REASSIGN, "reassign", UNRESERVED, 0) \
	X(RECHECK, "recheck", UNRESERVED, 0) X(RECURSIVE, "recursive", UNRESERVED, 0) X(REF, "ref", UNRESERVED, 0) \
	X(REFERENCES, "references", RESERVED, 0) X(REFERENCING, "referencing", UNRESERVED, 0) \
	X(REFRESH, "refresh", UNRESERVED, 0) X(REINDEX, "reindex", UNRESERVED, 0) \
	X(RELATIVE, "relative", UNRESERVED, 0) X(RELEASE, "release", UNRESERVED, 0) \
	X(RENAME, "rename", UNRESERVED, 0) X(REPEATABLE, "repeatable", UNRESERVED, 0) \
	X(REPLACE, "replace", UNRESERVED, 0) X(REPLICA, "replica", UNRESERVED, 0) X(RESET, "reset", UNRESERVED, 0) \
	X(RESTART, "restart", UNRESERVED, 0) X(RESTRICT, "restrict", UNRESERVED, 0) \
	X(RETURN, "return", UNRESERVED, 0) X(RETURNING, "returning", RESERVED, 0) \
	X(RETURNS, "returns", UNRESERVED, 0) X(REVOKE, "revoke", UNRESERVED, 0) X(RIGHT, "right", TYPE_FUNC, 0) \
	X(ROLE, "role", UNRESERVED, 0) X(ROLLBACK, "rollback", UNRESERVED, 0) X(ROLLUP, "rollup", UNRESERVED, 0) \
	X(ROUTINE, "routine", UNRESERVED, 0) X(ROUTINES, "routines", UNRESERVED, 0) X(ROW, "row", COLUMN, 0) \
	X(ROWS, "rows", UNRESERVED, 0) X(RULE, "rule", UNRESERVED, 0) X(SAVEPOINT, "savepoint", UNRESERVED, 0) \
	X(SCHEMA, "schema", UNRESERVED, 0) X(SCHEMAS, "schemas", UNRESERVED, 0) X(SCROLL, "scroll", UNRESERVED, 0) \
	X(SEARCH, "search", UNRESERVED, 0) X(SECOND, "second", UNRESERVED, MODIFIER) \
	X(SECURITY, "security", UNRESERVED, 0) X(SELECT, "select", RESERVED, 0) \
	X(SEQUENCE, "sequence", UNRESERVED, 0) X(SEQUENCES, "sequences", UNRESERVED, 0) \
	X(SERIALIZABLE, "serializable", UNRESERVED, 0) X(SERVER, "server", UNRESERVED, 0) \
	X(SESSION, "session", UNRESERVED, 0) X(SESSION_USER, "session_user", RESERVED, 0) \
	X(SET, "set", UNRESERVED, 0) X(SETS, "sets", UNRESERVED, 0) X(SETOF, "setof", COLUMN, 0) \
	X(SHARE, "share", UNRESERVED, 0) X(SHOW, "show", UNRESERVED, 0) X(SIMILAR, "similar", TYPE_FUNC, OPERAND) \
	X(SIMPLE, "simple", UNRESERVED, 0) X(SKIP, "skip", UNRESERVED, 0) X(SMALLINT, "smallint", COLUMN, BASE_TYPE) \
	X(SNAPSHOT, "snapshot", UNRESERVED, 0) X(SOME, "some", RESERVED, 0) X(SQL, "sql", UNRESERVED, 0) \
	X(STABLE, "stable", UNRESERVED, 0) X(STANDALONE, "standalone", UNRESERVED, 0) \
	X(START, "start", UNRESERVED, 0) X(STATEMENT, "statement", UNRESERVED, 0) \
	X(STATISTICS, "statistics", UNRESERVED, 0) X(STDIN, "stdin", UNRESERVED, 0) \
	X(STDOUT, "stdout", UNRESERVED, 0) X(STORAGE, "storage", UNRESERVED, 0) X(STORED, "stored", UNRESERVED, 0) \
	X(STRICT, "strict", UNRESERVED, 0) X(STRIP, "strip", UNRESERVED, 0) \
	X(SUBSCRIPTION, "subscription", UNRESERVED, 0) X(SUBSTRING, "substring", COLUMN, 0) \
	X(SUPPORT, "support", UNRESERVED, 0) X(SYMMETRIC, "symmetric", RESERVED, 0) X(SYSID, "sysid", UNRESERVED, 0) \
	X(SYSTEM, "system", UNRESERVED, 0) X(TABLE, "table", RESERVED, 0) X(TABLES, "tables", UNRESERVED, 0) \
	X(TABLESAMPLE, "tablesample", TYPE_FUNC, 0) X(TABLESPACE, "tablespace", UNRESERVED, 0) \
	X(TEMP, "temp", UNRESERVED, 0) X(TEMPLATE, "template", UNRESERVED, 0) \
	X(TEMPORARY, "temporary", UNRESERVED, 0) X(TEXT, "text", UNRESERVED, BASE_TYPE) X(THEN, "then", RESERVED, 0) \
	X(TIES, "ties", UNRESERVED, 0) X(TIME, "time", COLUMN, MODIFIER) X(TIMESTAMP, "timestamp", COLUMN, MODIFIER) \
	X(TO, "to", RESERVED, 0) X(TRAILING, "trailing", RESERVED, 0) X(TRANSACTION, "transaction", UNRESERVED, 0) \
	X(TRANSFORM, "transform", UNRESERVED, 0) X(TREAT, "treat", COLUMN, 0) X(TRIGGER, "trigger", UNRESERVED, 0) \
	X(TRIM, "trim", COLUMN, 0) X(TRUE, "true", RESERVED, 0) X(TRUNCATE, "truncate", UNRESERVED, 0) \
	X(TRUSTED, "trusted", UNRESERVED, 0) X(TYPE, "type", UNRESERVED, 0) X(TYPES, "types", UNRESERVED, 0) \
	X(UESCAPE, "uescape", UNRESERVED, 0) X(UNBOUNDED, "unbounded", UNRESERVED, 0) \
	X(UNCOMMITTED, "uncommitted", UNRESERVED, 0) X(UNENCRYPTED, "unencrypted", UNRESERVED, 0) \
	X(UNION, "union", RESERVED, 0) X(UNIQUE, "unique", RESERVED, 0) X(UNKNOWN, "unknown", UNRESERVED, 0) \
	X(UNLISTEN, "unlisten", UNRESERVED, 0) X(UNLOGGED, "unlogged", UNRESERVED, 0) \
	X(UNTIL, "until", UNRESERVED, 0) X(UPDATE, "update", UNRESERVED, 0) X(USER, "user", RESERVED, 0) \
	X(USING, "using", RESERVED, 0) X(VACUUM, "vacuum", UNRESERVED, 0) X(VALID, "valid", UNRESERVED, 0) \
	X(VALIDATE, "validate", UNRESERVED, 0) X(VALIDATOR, "validator", UNRESERVED, 0) \
	X(VALUE, "value", UNRESERVED, 0) X(VALUES, "values", COLUMN, OPERAND) \
	X(VARCHAR, "varchar", COLUMN, MODIFIER|BASE_TYPE) X(VARIADIC, "variadic", RESERVED, 0) \
	X(VARYING, "varying", UNRESERVED, MODIFIER) X(VERBOSE, "verbose", TYPE_FUNC, 0) \
	X(VERSION, "version", UNRESERVED, 0) X(VIEW, "view", UNRESERVED, 0) X(VIEWS, "views", UNRESERVED, 0) \
	X(VOLATILE, "volatile", UNRESERVED, 0) X(WHEN, "when", RESERVED, 0) X(WHERE, "where", RESERVED, 0) \
	X(WHITESPACE, "whitespace", UNRESERVED, 0) X(WINDOW, "window", RESERVED, 0) X(WITH, "with", RESERVED, 0) \
	X(WITHIN, "within", UNRESERVED, 0) X(WITHOUT, "without", UNRESERVED, 0) X(WORK, "work", UNRESERVED, 0) \
	X(WRAPPER, "wrapper", UNRESERVED, 0) X(WRITE, "write", UNRESERVED, 0) X(XML, "xml", UNRESERVED, 0) \
	X(XMLATTRIBUTES, "xmlattributes", COLUMN, 0) X(XMLCONCAT, "xmlconcat", COLUMN, 0) \
	X(XMLELEMENT, "xmlelement", COLUMN, 0) X(XMLEXISTS, "xmlexists", COLUMN, 0) \
	X(XMLFOREST, "xmlforest", COLUMN, 0) X(XMLNAMESPACES, "xmlnamespaces", COLUMN, 0) \
	X(XMLPARSE, "xmlparse", COLUMN, 0) X(XMLPI, "xmlpi", COLUMN, 0) X(XMLROOT, "xmlroot", COLUMN, 0) \
	X(XMLSERIALIZE, "xmlserialize", COLUMN, 0) X(XMLTABLE, "xmltable", COLUMN, 0) X(YEAR, "year", UNRESERVED, 0) \
	X(YES, "yes", UNRESERVED, 0) X(ZONE, "zone", UNRESERVED, 0) \
	/* names that are no keywords */ \
	X(ABSTIME, "abstime", NAME, KEEPS) X(BOOL, "bool", NAME, BASE_TYPE) X(BPCHAR, "bpchar", NAME, MODIFIER) \
	X(BYTEA, "bytea", NAME, BASE_TYPE) X(CIDR, "cidr", NAME, BASE_TYPE) \
	X(CURRENT_SETTING, "current_setting", NAME, KEEPS) X(CURRVAL, "currval", NAME, KEEPS) \
	X(DATE, "date", NAME, KEEPS) X(FLOAT4, "float4", NAME, BASE_TYPE) X(FLOAT8, "float8", NAME, BASE_TYPE) \
	X(INET, "inet", NAME, BASE_TYPE) X(INT2, "int2", NAME, BASE_TYPE) X(INT4, "int4", NAME, BASE_TYPE) \
	X(INT8, "int8", NAME, BASE_TYPE) X(JSON, "json", NAME, BASE_TYPE) X(JSONB, "jsonb", NAME, BASE_TYPE) \
	X(NANU, "nanu", NAME, 0) X(NEXTVAL, "nextval", NAME, KEEPS) X(PG_CATALOG, "pg_catalog", NAME, 0) \
	X(REGCLASS, "regclass", NAME, KEEPS) X(REGCOLLATION, "regcollation", NAME, KEEPS) \
	X(REGCONFIG, "regconfig", NAME, KEEPS) X(REGDICTIONARY, "regdictionary", NAME, KEEPS) \
	X(REGNAMESPACE, "regnamespace", NAME, KEEPS) X(REGOPER, "regoper", NAME, KEEPS) \
	X(REGOPERATOR, "regoperator", NAME, KEEPS) X(REGPROC, "regproc", NAME, KEEPS) \
	X(REGPROCEDURE, "regprocedure", NAME, KEEPS) X(REGROLE, "regrole", NAME, KEEPS) \
	X(REGTYPE, "regtype", NAME, KEEPS) X(SET_CONFIG, "set_config", NAME, KEEPS) X(SETVAL, "setval", NAME, KEEPS) \
	X(TIMESTAMPTZ, "timestamptz", NAME, MODIFIER|KEEPS) X(TIMETZ, "timetz", NAME, MODIFIER|KEEPS) \
	X(UUID, "uuid", NAME, BASE_TYPE) X(VARBIT, "varbit", NAME, MODIFIER)

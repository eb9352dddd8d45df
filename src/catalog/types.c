#include "catalog/catalog.h"

/* pg_type.dat; the names are format_type()'s. */
static const struct {
	uint32_t oid;
	const char *name;
} types[] = {
	{ 16, "boolean" }, { 17, "bytea" }, { 18, "\"char\"" }, { 19, "name" }, { 20, "bigint" }, { 21, "smallint" }, { 22, "int2vector" },
	{ 23, "integer" }, { 24, "regproc" }, { 25, "text" }, { 26, "oid" }, { 27, "tid" }, { 28, "xid" }, { 29, "cid" }, { 30, "oidvector" },
	{ 114, "json" }, { 142, "xml" }, { 600, "point" }, { 601, "lseg" }, { 602, "path" }, { 603, "box" }, { 604, "polygon" },
	{ 628, "line" }, { 650, "cidr" }, { 700, "real" }, { 701, "double precision" }, { 705, "unknown" }, { 718, "circle" }, { 774, "macaddr8" },
	{ 790, "money" }, { 829, "macaddr" }, { 869, "inet" }, { 1000, "boolean[]" }, { 1001, "bytea[]" }, { 1005, "smallint[]" },
	{ 1007, "integer[]" }, { 1009, "text[]" }, { 1014, "character[]" }, { 1015, "character varying[]" }, { 1016, "bigint[]" },
	{ 1021, "real[]" }, { 1022, "double precision[]" }, { 1033, "aclitem" }, { 1042, "character" }, { 1043, "character varying" },
	{ 1082, "date" }, { 1083, "time without time zone" }, { 1114, "timestamp without time zone" },
	{ 1115, "timestamp without time zone[]" }, { 1182, "date[]" }, { 1184, "timestamp with time zone" },
	{ 1185, "timestamp with time zone[]" }, { 1186, "interval" }, { 1231, "numeric[]" }, { 1266, "time with time zone" }, { 1560, "bit" },
	{ 1562, "bit varying" }, { 1700, "numeric" }, { 1790, "refcursor" }, { 2202, "regprocedure" }, { 2205, "regclass" },
	{ 2206, "regtype" }, { 2249, "record" }, { 2278, "void" }, { 2950, "uuid" }, { 2951, "uuid[]" }, { 3220, "pg_lsn" }, { 3614, "tsvector" },
	{ 3615, "tsquery" }, { 3802, "jsonb" }, { 3807, "jsonb[]" }, { 3904, "int4range" }, { 3906, "numrange" }, { 3908, "tsrange" },
	{ 3910, "tstzrange" }, { 3912, "daterange" }, { 3926, "int8range" }, { 4072, "jsonpath" }, { 4089, "regnamespace" },
	{ 4096, "regrole" },
};

const char *type_name(uint32_t oid)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].oid == oid)
			return types[i].name;
	return oid < OID_FIRST_OF_USERS ? "that PostgreSQL brings along" : "that the database defines";
}

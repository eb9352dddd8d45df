/* regclass: the name of a relation in a text, as PostgreSQL's type regclass reads it: orders, Shop.Orders (folded), "K 19", shop."a.b". */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct relation_name {
	const char *database, *schema;  /* NULL: not given */
	const char *name;
};

/* ERR_INVALID_VALUE (42602) for what is no name, ERR_SYNTAX (42601) for too many parts. Texts live in `arena`.
 * Source: stringToQualifiedNameList() and makeRangeVarFromNameList() of PostgreSQL 15. */
must_use int regclass_read(const char *text, struct arena *arena, struct relation_name *ret, struct err *err);

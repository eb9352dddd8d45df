/* shape_from: the tables of a FROM, their joins and what the joins equate. Private to src/sql/. */
#pragma once

#include <pg_query/pg_query.pb-c.h>

struct maker;

void walk_from(struct maker *maker, PgQuery__Node *const *items, size_t count, int scope);

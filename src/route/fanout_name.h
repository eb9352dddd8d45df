/* fanout_name: the name that PostgreSQL gives a column of the answer, which ORDER BY and GROUP BY may use.
 *
 * FigureColname of src/backend/parser/parse_target.c. Pure.
 */
#pragma once

#include "route/fanout_tree.h"

/* The alias, or what the expression suggests, or "?column?". Lives as long as the tree. */
const char *output_name(const PgQuery__ResTarget *target);

/* fanout_collate: by which collation PostgreSQL would order an expression, as far as that can be proven without its types.
 *
 * PostgreSQL's derivation (src/backend/parser/parse_collate.c): COLLATE beats columns, columns beat literals, and two different columns
 * conflict. Types of subexpressions are not known here, so what does not follow from the rules for certain is said to be unknown.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "route/fanout_tree.h"

struct collation;
struct scope;

struct collate_result {
	const struct collation *collation;      /* NULL: the router cannot compare by it, and why */
	const char *why;
	bool bytes_decide;                      /* the expression is text of a deterministic collation for certain: values are equal
						 * when their bytes are (bpchar: but for blanks behind), whatever their order */
};

/* `result` is for an expression of a text type; it says nothing of the others. */
void collate_derive(const struct scope *scope, const PgQuery__Node *node, struct collate_result *ret_result);

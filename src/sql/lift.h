/* lift: the literals of a statement that may stand as parameters, taken out of its text. */
#pragma once

#include "base/buf.h"
#include "sql/fingerprint.h"
#include "sql/shape.h"

enum { LIFTED_MAX = 64 };

struct lifted {
	size_t count;
	uint32_t types[LIFTED_MAX];             /* OIDs of what PostgreSQL's grammar makes of the literals: int4 or int8 */
	struct slice values[LIFTED_MAX];        /* as they stand in the text */
	bool negative[LIFTED_MAX];              /* a minus goes before it */
};

/* Where the minus before the number at `offset` stands, with nothing but blanks between; SIZE_MAX: none does. */
size_t lift_minus_before(struct slice sql, size_t offset);

/* Appends `sql` with $1, $2, … in place of these literals to `out`. `shape` is of the fingerprint, which is of `sql`. False when there are too many,
 * or the text has parameters of its own, or something stands in a literal's place that the shape did not foresee. */
bool lift(const struct shape *shape, const struct fingerprint *fingerprint, struct slice sql, struct buf *out, struct lifted *ret_lifted);

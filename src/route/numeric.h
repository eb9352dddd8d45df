/* numeric: PostgreSQL's numeric in binary wire format: compared, summed exactly, divided and printed as PostgreSQL does.
 *
 * On the wire: count of digits, weight of the first, sign, display scale (16 bits each), then digits in base 10000
 * (numeric_send of src/backend/utils/adt/numeric.c, PostgreSQL 15). Sums are held in GMP integers. Pure; one thread at a time a sum.
 */
#pragma once

#include <gmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

bool numeric_valid(struct slice wire);

/* The order of numeric_cmp: -Infinity, numbers, Infinity, NaN; display scales do not count. */
int numeric_compare(struct slice a, struct slice b);

struct numeric_sum {
	mpz_t units;                    /* the sum in units of 10000^-fraction */
	unsigned long fraction;
	unsigned dscale;                /* the largest of the inputs: that of the sum */
	bool nan, plus_infinity, minus_infinity;
};

void numeric_sum_init(struct numeric_sum *sum);
void numeric_sum_release(struct numeric_sum *sum);
void numeric_sum_clear(struct numeric_sum *sum);
void numeric_sum_add(struct numeric_sum *sum, struct slice wire);       /* valid by numeric_valid() */
void numeric_sum_add_int8(struct numeric_sum *sum, int64_t value);

/* Each appends the value in text (format 0) or binary (1), without its length. numeric_sum_divide appends the sum divided by `count` > 0
 * with the scale that numeric_div chooses. ERR_OUT_OF_RANGE: "value overflows numeric format". */
must_use int numeric_sum_print(const struct numeric_sum *sum, int format, struct buf *out, struct err *err);
must_use int numeric_sum_divide(const struct numeric_sum *sum, int64_t count, int format, struct buf *out, struct err *err);

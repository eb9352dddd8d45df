/* key_time: dates and timestamps written so that no setting changes what they mean.
 *
 * Only ISO 8601 forms with a four-digit year: YYYY-MM-DD, and that with `T` or one blank and HH:MM[:SS[.ffffff]], and for timestamptz an
 * offset (Z, +HH, +HH:MM, +HHMM) besides. DateStyle, TimeZone and IntervalStyle have no say in these (PostgreSQL 15,
 * src/backend/utils/adt/datetime.c: DecodeDate takes a first field of three digits or more for the year). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Each returns false for every other form, right or wrong: PostgreSQL must read those. */
bool key_time_date(struct slice text, int64_t *ret_days);                       /* since 2000-01-01 */
bool key_time_timestamp(struct slice text, int64_t *ret_microseconds);          /* since 2000-01-01 */
bool key_time_timestamptz(struct slice text, int64_t *ret_microseconds);        /* since 2000-01-01 UTC */

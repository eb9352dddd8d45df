/* collation: how two texts compare: by bytes, or by a locale of the C library and then by bytes.
 *
 * PostgreSQL 15's varstr_cmp (src/backend/utils/adt/varlena.c): strcoll_l(), and strcmp() where that says equal. Made by
 * collation_get() of value.h; kept for the process; any thread.
 */
#pragma once

#include "base/slice.h"

struct collation;

int collation_compare(const struct collation *collation, struct slice a, struct slice b);

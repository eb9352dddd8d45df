/* value: PostgreSQL values in binary wire format, compared and printed as PostgreSQL does.
 *
 * Each compare function gives the order of the type's btree operator class; text by collation. Sources: the types' *_send and *_cmp
 * functions in PostgreSQL 15's src/backend/utils/adt. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct collation;                       /* a C-library locale (strcoll_l, then bytes) or plain bytes; thread-safe once made */

/* `locale` as pg_collation has it ("C", "POSIX", "en_US.utf8"). ERR_UNSUPPORTED when this machine does not have it.
 * Collations are made once and kept for the process. */
must_use int collation_get(const char *locale, const struct collation **ret_collation, struct err *err);

/* Whether values of this type (OID) can be ordered here: int2/4/8, oid, bool, float4/8, numeric, text/varchar/bpchar/name, bytea, uuid, date,
 * time, timetz, timestamp, timestamptz, interval. */
bool value_orderable(uint32_t type);
int value_compare(uint32_t type, const struct collation *collation, struct slice a, struct slice b);
/* Equality as the type's = operator has it (1.0 = 1.00, bpchar padding). */

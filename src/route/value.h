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

/* The order of bytes, which is that of C and POSIX. */
const struct collation *collation_bytes(void);

/* Whether values of this type (OID) can be ordered here: int2/4/8, oid, bool, float4/8, numeric, text/varchar/bpchar/name, bytea, uuid, date,
 * time, timetz, timestamp, timestamptz, interval. */
bool value_orderable(uint32_t type);
/* Whether the type's order depends on a collation: text, varchar, bpchar, name. */
bool value_collatable(uint32_t type);

/* Whether `bytes` is a value of an orderable type at all: its size, and for numeric its digits. What a peer sent is checked with
 * this before it is compared. */
bool value_valid(uint32_t type, struct slice bytes);

/* <0, 0, >0. `collation` is for collatable types only, and then not NULL. */
int value_compare(uint32_t type, const struct collation *collation, struct slice a, struct slice b);

/* Equality as the type's = operator has it (1.0 = 1.00, bpchar padding); collations are deterministic. */
bool value_equal(uint32_t type, struct slice a, struct slice b);

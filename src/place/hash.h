/* hash: PostgreSQL's own extended hash functions (src/common/hashfn.c: Bob Jenkins' lookup3), with seed 0.
 *
 * A key's hash here is what `hashint8extended(key, 0)`, `hashtextextended(key, 0)`, … return on the node, so that a placement
 * can be checked, and computed, in SQL. Pure functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes_extended(const void *bytes, size_t size, uint64_t seed);
uint64_t hash_uint32_extended(uint32_t value, uint64_t seed);
uint64_t hash_int8_extended(int64_t value, uint64_t seed);              /* equal for int2, int4, int8 of one value */

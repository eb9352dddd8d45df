/* map: bytes -> pointer, by open addressing.
 *
 * Keys are copied in and owned by the map; values are the caller's. Hashing is XXH3, seeded once a process, so that nobody
 * outside can choose colliding keys. One thread at a time. A map that is {0} is a valid empty map.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct map_entry {
	struct slice key;               /* .data == NULL: free place */
	void *value;
	uint64_t hash;
};

struct map {
	struct map_entry *entries;
	size_t capacity;                /* a power of two, or 0 */
	size_t count;
};

void map_release(struct map *map);                                      /* frees keys, not values */
void *map_get(const struct map *map, struct slice key);                 /* NULL when absent */
void *map_set(struct map *map, struct slice key, void *value);          /* the value it replaced, or NULL */
void *map_remove(struct map *map, struct slice key);                    /* the value it had, or NULL */

/* Walks the entries in no order: start with *position = 0, ends with false. The map must not change meanwhile. */
bool map_next(const struct map *map, size_t *position, struct slice *ret_key, void **ret_value);

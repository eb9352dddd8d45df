#include "base/map.h"

#include <xxhash.h>

#include <sys/random.h>

#include "base/mem.h"

enum { MAP_FIRST_CAPACITY = 16 };

static uint64_t hash_seed(void)
{
	static uint64_t seed;
	uint64_t fresh = 0, none = 0;

	if (__atomic_load_n(&seed, __ATOMIC_RELAXED) == 0) {
		while (fresh == 0)
			if (getrandom(&fresh, sizeof(fresh), 0) != (ssize_t)sizeof(fresh))
				fresh = 0x9e3779b97f4a7c15u;
		__atomic_compare_exchange_n(&seed, &none, fresh, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
	return __atomic_load_n(&seed, __ATOMIC_RELAXED);
}

static uint64_t hash_key(struct slice key)
{
	return XXH3_64bits_withSeed(key.data, key.size, hash_seed());
}

void map_release(struct map *map)
{
	for (size_t i = 0; i < map->capacity; i++)
		if (map->entries[i].key.data)
			mem_free((void *)(uintptr_t)map->entries[i].key.data);
	mem_free(map->entries);
	*map = (struct map){ 0 };
}

/* The place of the key, or the free place where it would go. The map is never full. */
static struct map_entry *find(const struct map *map, struct slice key, uint64_t hash)
{
	size_t mask = map->capacity - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct map_entry *entry = &map->entries[i];

		if (!entry->key.data || (entry->hash == hash && slice_eq(entry->key, key)))
			return entry;
	}
}

static void grow(struct map *map)
{
	struct map old = *map;

	map->capacity = old.capacity ? old.capacity * 2 : MAP_FIRST_CAPACITY;
	map->entries = mem_calloc(map->capacity, sizeof(*map->entries));
	for (size_t i = 0; i < old.capacity; i++)
		if (old.entries[i].key.data)
			*find(map, old.entries[i].key, old.entries[i].hash) = old.entries[i];
	mem_free(old.entries);
}

void *map_get(const struct map *map, struct slice key)
{
	return map->count ? find(map, key, hash_key(key))->value : NULL;
}

void *map_set(struct map *map, struct slice key, void *value)
{
	uint64_t hash = hash_key(key);
	struct map_entry *entry;
	void *old;

	if ((map->count + 1) * 4 > map->capacity * 3)
		grow(map);
	entry = find(map, key, hash);
	old = entry->value;
	if (!entry->key.data) {
		entry->key = slice_make(mem_strndup(key.data, key.size), key.size);
		entry->hash = hash;
		map->count++;
	}
	entry->value = value;
	return old;
}

void *map_remove(struct map *map, struct slice key)
{
	struct map_entry *entry;
	size_t mask, hole;
	void *old;

	if (map->count == 0)
		return NULL;
	mask = map->capacity - 1;
	entry = find(map, key, hash_key(key));
	if (!entry->key.data)
		return NULL;
	old = entry->value;
	mem_free((void *)(uintptr_t)entry->key.data);
	map->count--;
	/* Close the gap: an entry may move back only as far as its own first place allows (Knuth, 6.4, algorithm R). */
	hole = (size_t)(entry - map->entries);
	for (size_t i = (hole + 1) & mask; map->entries[i].key.data; i = (i + 1) & mask) {
		size_t home = map->entries[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->entries[hole] = map->entries[i];
			hole = i;
		}
	}
	map->entries[hole] = (struct map_entry){ 0 };
	return old;
}

bool map_next(const struct map *map, size_t *position, struct slice *ret_key, void **ret_value)
{
	while (*position < map->capacity) {
		const struct map_entry *entry = &map->entries[(*position)++];

		if (!entry->key.data)
			continue;
		*ret_key = entry->key;
		*ret_value = entry->value;
		return true;
	}
	return false;
}

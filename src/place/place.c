#include "place/place.h"

#include "place/hash.h"

struct placement *placement_hash(struct arena *arena, size_t shard_count)
{
	struct placement *placement = arena_alloc(arena, sizeof(*placement));
	int64_t *bounds = arena_alloc(arena, shard_count * sizeof(*bounds));
	int *shards = arena_alloc(arena, shard_count * sizeof(*shards));

	for (size_t i = 0; i < shard_count; i++) {
		bounds[i] = (int64_t)((__int128)INT64_MIN + (__int128)(((unsigned __int128)i << 64) / shard_count));
		shards[i] = (int)i;
	}
	*placement = (struct placement){ .name = "hash", .slice_count = shard_count, .bounds = bounds, .shards = shards };
	return placement;
}

uint64_t key_hash(const struct key *key)
{
	if (key->kind == KEY_INT)
		return hash_int8_extended(key->integer, 0);
	return hash_bytes_extended(key->bytes.data, key->bytes.size, 0);
}

int placement_shard(const struct placement *placement, const struct key *key)
{
	int64_t hash = (int64_t)key_hash(key);
	const int64_t *base = placement->bounds;

	/* The last bound at or below the hash; the step is a conditional move, not a branch. */
	for (size_t count = placement->slice_count; count > 1;) {
		size_t half = count / 2;

		base = base[half] <= hash ? base + half : base;
		count -= half;
	}
	return placement->shards[base - placement->bounds];
}

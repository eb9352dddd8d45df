#include "route/plan_cache.h"

#include <xxhash.h>

#include "base/limits.h"
#include "base/mem.h"
#include "route/snapshot.h"

struct cached_plan {
	struct list_node by_use;
	struct plan *plan;
	uint64_t key[2];
	struct slice normal, hint;      /* compared, so that a collision costs time and never an answer */
	char *search_path, *role;       /* or NULL */
	int database;
	bool temporary;
};

void plan_cache_init(struct plan_cache *cache)
{
	*cache = (struct plan_cache){ 0 };
	list_init(&cache->by_use);
}

static void drop(struct plan_cache *cache, struct cached_plan *cached)
{
	map_remove(&cache->plans, slice_make(cached->key, sizeof(cached->key)));
	list_remove(&cache->by_use, &cached->by_use);
	plan_unref(cached->plan);
	mem_free((void *)(uintptr_t)cached->normal.data);
	mem_free((void *)(uintptr_t)cached->hint.data);
	mem_free(cached->search_path);
	mem_free(cached->role);
	mem_free(cached);
}

void plan_cache_release(struct plan_cache *cache)
{
	struct list_node *node;

	while ((node = list_first(&cache->by_use)))
		drop(cache, CONTAINER_OF(node, struct cached_plan, by_use));
	map_release(&cache->plans);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

struct plan *plan_cache_get(struct plan_cache *cache, const struct plan_context *context, struct slice sql,
			    const struct fingerprint *fingerprint)
{
	struct cached_plan *cached;
	struct slice hint = { 0 };
	struct plan *plan;
	uint64_t key[2];

	if (!fingerprint || fingerprint->normal.size > PLAN_TEXT_SIZE_MAX || context->redefined.size)
		return plan_new(context, sql, fingerprint);
	key[0] = fingerprint->hash[0] ^ ((uint64_t)context->database << 48) ^ ((uint64_t)context->temporary << 47);
	key[1] = fingerprint->hash[1];
	if (fingerprint->hint_offset) {
		hint = slice_make(sql.data + fingerprint->hint_offset, fingerprint->hint_size);
		key[1] ^= XXH3_64bits_withSeed(hint.data, hint.size, 1);
	}
	if (context->search_path)
		key[1] ^= XXH3_64bits_withSeed(context->search_path, strlen(context->search_path),
					       XXH3_64bits(context->role, strlen(context->role)));
	cached = map_get(&cache->plans, slice_make(key, sizeof(key)));
	if (cached && cached->plan->snapshot_version == context->snapshot->version && cached->database == context->database &&
	    cached->temporary == context->temporary &&
	    same_text(cached->search_path, context->search_path) && (!context->search_path || same_text(cached->role, context->role)) &&
	    slice_eq(cached->normal, fingerprint->normal) && slice_eq(cached->hint, hint) && !cached->hint.data == !hint.data) {
		cache->hits++;
		list_remove(&cache->by_use, &cached->by_use);
		list_push_back(&cache->by_use, &cached->by_use);
		return plan_ref(cached->plan);
	}
	cache->misses++;
	if (cached)
		drop(cache, cached);
	else if (cache->plans.count >= PLAN_CACHE_COUNT_MAX)
		drop(cache, CONTAINER_OF(list_first(&cache->by_use), struct cached_plan, by_use));
	plan = plan_new(context, sql, fingerprint);
	if (plan->items[0].refusal.code == ERR_NOMEM)
		return plan;            /* another time there may be enough */
	cached = mem_calloc(1, sizeof(*cached));
	cached->key[0] = key[0];
	cached->key[1] = key[1];
	cached->database = context->database;
	cached->temporary = context->temporary;
	cached->search_path = context->search_path ? mem_strdup(context->search_path) : NULL;
	cached->role = context->search_path ? mem_strdup(context->role) : NULL;
	cached->normal = slice_make(mem_strndup(fingerprint->normal.data, fingerprint->normal.size), fingerprint->normal.size);
	if (hint.data)
		cached->hint = slice_make(mem_strndup(hint.data, hint.size), hint.size);
	cached->plan = plan;
	map_set(&cache->plans, slice_make(key, sizeof(key)), cached);
	list_push_back(&cache->by_use, &cached->by_use);
	return plan_ref(cached->plan);
}

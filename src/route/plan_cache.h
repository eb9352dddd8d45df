/* plan_cache: fingerprint and analysis context -> plan; one worker's.
 *
 * Bounded by PLAN_CACHE_COUNT_MAX; the least recently used goes first. A plan for an older snapshot is never returned.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "route/plan.h"

struct plan_cache {
	struct map plans;               /* hash of fingerprint and context (16 bytes) -> struct cached_plan */
	struct list by_use;             /* least recently used first */
	uint64_t hits, misses;
};

void plan_cache_init(struct plan_cache *cache);
void plan_cache_release(struct plan_cache *cache);

/* The plan of `sql` (whose fingerprint is given, or NULL when its text cannot be fingerprinted); a new reference. */
struct plan *plan_cache_get(struct plan_cache *cache, const struct plan_context *context, struct slice sql,
			    const struct fingerprint *fingerprint);

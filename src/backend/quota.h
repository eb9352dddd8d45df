/* quota: one limit on the backends of a (node, database, user), over all workers.
 *
 * Workers take a permit before they open a backend and give it back when it is closed; lending an idle backend touches nothing shared. A
 * worker that waits marks itself, and whoever can spare a permit gives it back and wakes the marked ones. Shared by all threads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct quotas;

struct quota {
	unsigned limit;
	unsigned used;                  /* atomic */
	uint64_t waiting;               /* atomic; a bit for each worker */
	unsigned sharers;               /* atomic: workers that have a pool on it */
};

struct quotas *quotas_new(void);
void quotas_free(struct quotas *quotas);

/* The quota of this key, made with `limit` when it is new. Lives as long as `quotas`. */
struct quota *quotas_get(struct quotas *quotas, struct slice key, unsigned limit);

bool quota_take(struct quota *quota);                           /* false: none left */
uint64_t quota_give(struct quota *quota);                       /* the workers that wait for it, to be woken */
void quota_wait(struct quota *quota, unsigned worker, bool waiting);
static inline bool quota_wanted(const struct quota *quota, unsigned worker)     /* some other worker waits */
{
	return (__atomic_load_n(&quota->waiting, __ATOMIC_RELAXED) & ~(UINT64_C(1) << worker)) != 0;
}

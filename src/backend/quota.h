/* quota: one limit on the backends of a (node, database, user), a (node, database) or a (node, user), over all workers.
 *
 * Workers take a permit before they open a backend and give it back when it is closed; lending an idle backend touches nothing shared. A
 * pool that waits marks its worker, and whoever can spare a permit gives it back and wakes the marked ones. Shared by all threads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"

struct quotas;

enum { QUOTA_NONE = INT32_MAX };

enum wait { WAIT_MORE, WAIT_NONE, WAIT_COUNT };         /* for one more; and the pool has none at all, which waits for MORE too */

struct quota {
	unsigned limit;                 /* atomic; QUOTA_NONE: none */
	unsigned used;                  /* atomic */
	uint64_t waiting[WAIT_COUNT];   /* atomic; a bit for each worker that has a pool that waits so */
	unsigned waiters[WAIT_COUNT][WORKERS_MAX];      /* how many such pools; each worker's own */
	unsigned sharers;               /* atomic: pools on it, over all workers */
};

struct quotas *quotas_new(void);
void quotas_free(struct quotas *quotas);

/* The quota of this key, made with `limit` when it is new. Lives as long as `quotas`. */
struct quota *quotas_get(struct quotas *quotas, struct slice key, unsigned limit);
void quota_leave(struct quota *quota);                          /* a pool that got it goes */
void quota_limit(struct quota *quota, unsigned limit);          /* changes the limit; what is taken already may be above it */
bool quota_over(const struct quota *quota);                     /* more is taken than the limit allows now */

bool quota_take(struct quota *quota);                           /* false: none left */
uint64_t quota_give(struct quota *quota);                       /* the workers that wait for it, to be woken */
void quota_wait(struct quota *quota, enum wait how, unsigned worker, bool waiting);     /* one pool of the worker begins, or ends, to wait */
/* Some pool waits so, other than `own` ones of this worker (1 when the asking pool waits itself, else 0). */
static inline bool quota_wanted(const struct quota *quota, enum wait how, unsigned worker, unsigned own)
{
	uint64_t waiting = __atomic_load_n(&quota->waiting[how], __ATOMIC_RELAXED);

	return waiting && ((waiting & ~(UINT64_C(1) << worker)) != 0 || quota->waiters[how][worker] > own);
}

/* quota: one limit on the backends of a (node, database, user), a (node, database) or a (node, user), over all workers.
 *
 * Workers take a permit before they open a backend and give it back when it is closed; lending an idle backend touches nothing shared. A
 * pool that finds none left queues: each permit that is given back wakes the workers of the queue, a pool takes one only if it leaves enough for
 * those before it, and goes to the end then. Shared by all threads.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/slice.h"

struct quotas;

enum { QUOTA_NONE = INT32_MAX };
#define QUOTA_NOBODY UINT32_MAX

struct quota_wait {                     /* a pool's place in one queue */
	struct list_node place;
	unsigned worker;
	unsigned have;                  /* how many backends the pool has */
};

struct quota {
	unsigned limit;                 /* atomic; QUOTA_NONE: none */
	unsigned used;                  /* atomic */
	unsigned least;                 /* atomic: the fewest backends that a pool in the queue has, or QUOTA_NOBODY */
	pthread_mutex_t lock;           /* of the queue */
	struct list queue;              /* of struct quota_wait; who came first first */
};

struct quotas *quotas_new(void);
void quotas_free(struct quotas *quotas);

/* The quota of this key, made with `limit` when it is new. Lives as long as `quotas`. */
struct quota *quotas_get(struct quotas *quotas, struct slice key, unsigned limit);
void quota_limit(struct quota *quota, unsigned limit);          /* changes the limit; what is taken already may be above it */
bool quota_over(const struct quota *quota);                     /* more is taken than the limit allows now */

/* False: none left for who stands where `wait` does in this queue; NULL: behind everybody. */
bool quota_take(struct quota *quota, struct quota_wait *wait);
uint64_t quota_give(struct quota *quota);                       /* the workers whose turn it may be, a bit for each: to be woken */
bool quota_queue(struct quota *quota, struct quota_wait *wait, unsigned have);  /* false: it stood there already, and had no more */
uint64_t quota_queue_no_more(struct quota *quota, struct quota_wait *wait);     /* as quota_give() */

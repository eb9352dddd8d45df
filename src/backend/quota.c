#include "backend/quota.h"

#include <assert.h>
#include <pthread.h>

#include "base/map.h"
#include "base/mem.h"

struct quotas {
	pthread_mutex_t lock;
	struct map by_key;
};

struct quotas *quotas_new(void)
{
	struct quotas *quotas = mem_calloc(1, sizeof(*quotas));

	pthread_mutex_init(&quotas->lock, NULL);
	return quotas;
}

void quotas_free(struct quotas *quotas)
{
	size_t position = 0;
	struct slice key;
	void *quota;

	if (!quotas)
		return;
	while (map_next(&quotas->by_key, &position, &key, &quota))
		mem_free(quota);
	map_release(&quotas->by_key);
	pthread_mutex_destroy(&quotas->lock);
	mem_free(quotas);
}

struct quota *quotas_get(struct quotas *quotas, struct slice key, unsigned limit)
{
	struct quota *quota;

	pthread_mutex_lock(&quotas->lock);
	quota = map_get(&quotas->by_key, key);
	if (!quota) {
		quota = mem_calloc(1, sizeof(*quota));
		quota->limit = limit;
		map_set(&quotas->by_key, key, quota);
	}
	pthread_mutex_unlock(&quotas->lock);
	__atomic_add_fetch(&quota->sharers, 1, __ATOMIC_RELAXED);
	return quota;
}

void quota_leave(struct quota *quota)
{
	__atomic_sub_fetch(&quota->sharers, 1, __ATOMIC_RELAXED);
}

void quota_limit(struct quota *quota, unsigned limit)
{
	__atomic_store_n(&quota->limit, limit, __ATOMIC_RELAXED);
}

bool quota_over(const struct quota *quota)
{
	return __atomic_load_n(&quota->used, __ATOMIC_RELAXED) > __atomic_load_n(&quota->limit, __ATOMIC_RELAXED);
}

bool quota_take(struct quota *quota)
{
	unsigned used = __atomic_load_n(&quota->used, __ATOMIC_RELAXED);

	do {
		if (used >= __atomic_load_n(&quota->limit, __ATOMIC_RELAXED))
			return false;
	} while (!__atomic_compare_exchange_n(&quota->used, &used, used + 1, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return true;
}

uint64_t quota_give(struct quota *quota)
{
	unsigned had = __atomic_fetch_sub(&quota->used, 1, __ATOMIC_SEQ_CST);

	assert(had > 0);
	return __atomic_load_n(&quota->waiting[WAIT_MORE], __ATOMIC_SEQ_CST);
}

void quota_wait(struct quota *quota, enum wait how, unsigned worker, bool waiting)
{
	quota->waiters[how][worker] += waiting ? 1 : -1U;
	if (quota->waiters[how][worker])
		__atomic_or_fetch(&quota->waiting[how], UINT64_C(1) << worker, __ATOMIC_SEQ_CST);
	else
		__atomic_and_fetch(&quota->waiting[how], ~(UINT64_C(1) << worker), __ATOMIC_SEQ_CST);
}

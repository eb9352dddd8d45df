#include "backend/quota.h"

#include <assert.h>

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
	void *item;

	if (!quotas)
		return;
	while (map_next(&quotas->by_key, &position, &key, &item)) {
		struct quota *quota = item;

		pthread_mutex_destroy(&quota->lock);
		mem_free(quota);
	}
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
		quota->least = QUOTA_NOBODY;
		pthread_mutex_init(&quota->lock, NULL);
		list_init(&quota->queue);
		map_set(&quotas->by_key, key, quota);
	}
	pthread_mutex_unlock(&quotas->lock);
	return quota;
}

void quota_limit(struct quota *quota, unsigned limit)
{
	__atomic_store_n(&quota->limit, limit, __ATOMIC_RELAXED);
}

bool quota_over(const struct quota *quota)
{
	return __atomic_load_n(&quota->used, __ATOMIC_RELAXED) > __atomic_load_n(&quota->limit, __ATOMIC_RELAXED);
}

/* One permit, if `others` more are left. */
static bool take(struct quota *quota, size_t others)
{
	unsigned used = __atomic_load_n(&quota->used, __ATOMIC_RELAXED);

	do {
		if (used + others >= __atomic_load_n(&quota->limit, __ATOMIC_RELAXED))
			return false;
	} while (!__atomic_compare_exchange_n(&quota->used, &used, used + 1, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return true;
}

/* ---- the queue, under its lock ---- */

static void note_least(struct quota *quota)
{
	unsigned least = QUOTA_NOBODY;

	LIST_EACH(&quota->queue, node) {
		const struct quota_wait *wait = CONTAINER_OF(node, struct quota_wait, place);

		least = wait->have < least ? wait->have : least;
	}
	/* Seen by whoever gives a permit back after this, or else the permit by whoever queued before this. */
	__atomic_store_n(&quota->least, least, __ATOMIC_SEQ_CST);
}

static size_t count_before(const struct quota *quota, const struct quota_wait *wait)
{
	size_t count = 0;

	LIST_EACH(&quota->queue, node) {
		if (wait && node == &wait->place)
			break;
		count++;
	}
	return count;
}

static uint64_t workers_of(const struct quota *quota)
{
	uint64_t workers = 0;

	LIST_EACH(&quota->queue, node)
		workers |= UINT64_C(1) << CONTAINER_OF(node, struct quota_wait, place)->worker;
	return workers;
}

/* ---- from any thread ---- */

static bool has_queue(const struct quota *quota)
{
	return __atomic_load_n(&quota->least, __ATOMIC_SEQ_CST) != QUOTA_NOBODY;
}

bool quota_take(struct quota *quota, struct quota_wait *wait)
{
	bool taken;

	if (!has_queue(quota))
		return take(quota, 0);
	pthread_mutex_lock(&quota->lock);
	taken = take(quota, count_before(quota, wait));
	if (taken && wait) {
		list_remove(&quota->queue, &wait->place);
		list_push_back(&quota->queue, &wait->place);
		wait->have++;
		note_least(quota);
	}
	pthread_mutex_unlock(&quota->lock);
	return taken;
}

static uint64_t workers_queued(struct quota *quota)
{
	uint64_t workers;

	if (!has_queue(quota))
		return 0;
	pthread_mutex_lock(&quota->lock);
	workers = workers_of(quota);
	pthread_mutex_unlock(&quota->lock);
	return workers;
}

uint64_t quota_give(struct quota *quota)
{
	unsigned had = __atomic_fetch_sub(&quota->used, 1, __ATOMIC_SEQ_CST);

	assert(had > 0);
	return workers_queued(quota);
}

bool quota_queue(struct quota *quota, struct quota_wait *wait, unsigned have)
{
	bool is_new = !list_node_linked(&wait->place), has_fewer = is_new || have < wait->have;

	if (!is_new && have == wait->have)
		return false;
	pthread_mutex_lock(&quota->lock);
	wait->have = have;
	if (is_new)
		list_push_back(&quota->queue, &wait->place);
	note_least(quota);
	pthread_mutex_unlock(&quota->lock);
	return has_fewer;
}

uint64_t quota_queue_no_more(struct quota *quota, struct quota_wait *wait)
{
	pthread_mutex_lock(&quota->lock);
	list_remove(&quota->queue, &wait->place);
	note_least(quota);
	pthread_mutex_unlock(&quota->lock);
	return __atomic_load_n(&quota->used, __ATOMIC_SEQ_CST) < __atomic_load_n(&quota->limit, __ATOMIC_RELAXED) ? workers_queued(quota) : 0;
}

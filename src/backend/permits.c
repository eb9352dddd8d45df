#include "backend/permits.h"

#include <stdio.h>

#include "topo/config.h"

void permits_init(struct permits *permits, struct quotas *quotas, unsigned worker, const char *node, const char *database, const char *user)
{
	/* A name has no zero in it: a user's key is no database's, and neither is a pool's. */
	const struct { const char *database, *user; } keys[PERMIT_COUNT] = {
		[PERMIT_POOL] = { database, user }, [PERMIT_DATABASE] = { database, "" }, [PERMIT_USER] = { "", user },
	};

	*permits = (struct permits){ .worker = worker };
	for (int i = 0; i < PERMIT_COUNT; i++) {
		char key[3 * NAME_SIZE_MAX + 256];
		int size = snprintf(key, sizeof(key), "%s%c%s%c%s", node, 0, keys[i].database, 0, keys[i].user);

		permits->quotas[i] = quotas_get(quotas, slice_make(key, (size_t)size < sizeof(key) ? (size_t)size : sizeof(key) - 1), QUOTA_NONE);
	}
}

void permits_release(struct permits *permits)
{
	permits_ask_no_more(permits);
	for (int i = 0; i < PERMIT_COUNT; i++)
		quota_leave(permits->quotas[i]);
}

void permits_limit(struct permits *permits, const struct policy *policy)
{
	quota_limit(permits->quotas[PERMIT_POOL], policy->pool_size);
	quota_limit(permits->quotas[PERMIT_DATABASE], policy->max_db_connections ? policy->max_db_connections : QUOTA_NONE);
	quota_limit(permits->quotas[PERMIT_USER], policy->max_user_connections ? policy->max_user_connections : QUOTA_NONE);
}

enum permit permits_take(struct permits *permits, enum permit first)
{
	for (int i = (int)first; i < PERMIT_COUNT; i++) {
		if (quota_take(permits->quotas[i]))
			continue;
		for (int j = (int)first; j < i; j++)
			quota_give(permits->quotas[j]);
		return (enum permit)i;
	}
	return PERMIT_COUNT;
}

uint64_t permits_give(struct permits *permits, enum permit first)
{
	uint64_t waiting = 0;

	for (int i = (int)first; i < PERMIT_COUNT; i++)
		waiting |= quota_give(permits->quotas[i]);
	return waiting;
}

static bool say(struct permits *permits, enum permit permit, enum wait how, bool waits)
{
	if (permits->asked[permit][how] == waits)
		return false;
	permits->asked[permit][how] = waits;
	quota_wait(permits->quotas[permit], how, permits->worker, waits);
	return true;
}

bool permits_ask(struct permits *permits, enum permit lacking, bool has_none)
{
	bool more = say(permits, lacking, WAIT_MORE, true), none = say(permits, lacking, WAIT_NONE, has_none);

	return more || (none && has_none);
}

void permits_ask_no_more(struct permits *permits)
{
	for (int i = 0; i < PERMIT_COUNT; i++)
		for (int how = 0; how < WAIT_COUNT; how++)
			say(permits, (enum permit)i, (enum wait)how, false);
}

static size_t quota_share(const struct quota *quota)
{
	unsigned sharers = __atomic_load_n(&quota->sharers, __ATOMIC_RELAXED);

	return (__atomic_load_n(&quota->limit, __ATOMIC_RELAXED) + sharers - 1) / sharers;
}

static bool wanted(const struct permits *permits, int permit, enum wait how)
{
	return quota_wanted(permits->quotas[permit], how, permits->worker, permits->asked[permit][how]);
}

/* Who waits takes one from a pool that has more than its share, or whose backend nobody there needs. */
enum sparing permits_spare(const struct permits *permits, size_t have, bool has_waiting)
{
	enum sparing sparing = SPARE_NOTHING;

	for (int i = 0; i < PERMIT_COUNT; i++) {
		const struct quota *quota = permits->quotas[i];

		if (quota_over(quota))
			return SPARE_NOW;
		if (!wanted(permits, i, WAIT_MORE))
			continue;
		if (have > quota_share(quota) || (!has_waiting && wanted(permits, i, WAIT_NONE)))
			return SPARE_NOW;
		if (!has_waiting)
			sparing = SPARE_LATER;
	}
	return sparing;
}

const char *permits_setting(const struct permits *permits, unsigned *ret_limit)
{
	enum permit lacking = PERMIT_POOL;

	for (int i = 0; i < PERMIT_COUNT; i++)
		if (permits->asked[i][WAIT_MORE])
			lacking = (enum permit)i;
	return permits_setting_of(permits, lacking, ret_limit);
}

const char *permits_setting_of(const struct permits *permits, enum permit lacking, unsigned *ret_limit)
{
	static const char *const names[PERMIT_COUNT] = { "pool_size", "max_db_connections", "max_user_connections" };

	*ret_limit = __atomic_load_n(&permits->quotas[lacking]->limit, __ATOMIC_RELAXED);
	return names[lacking];
}

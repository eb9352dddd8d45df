#include "backend/permits.h"

#include <stdio.h>

#include "topo/config.h"

void permits_init(struct permits *permits, struct quotas *quotas, unsigned worker, const char *node, const char *database, const char *user)
{
	/* A name has no zero in it: a user's key is no database's, and neither is a pool's. */
	const struct { const char *database, *user; } keys[PERMIT_COUNT] = {
		[PERMIT_POOL] = { database, user }, [PERMIT_DATABASE] = { database, "" }, [PERMIT_USER] = { "", user },
	};

	*permits = (struct permits){ .wait.worker = worker, .lacking = PERMIT_COUNT };
	for (int i = 0; i < PERMIT_COUNT; i++) {
		char key[3 * NAME_SIZE_MAX + 256];
		int size = snprintf(key, sizeof(key), "%s%c%s%c%s", node, 0, keys[i].database, 0, keys[i].user);

		permits->quotas[i] = quotas_get(quotas, slice_make(key, (size_t)size < sizeof(key) ? (size_t)size : sizeof(key) - 1), QUOTA_NONE);
	}
}

void permits_limit(struct permits *permits, const struct policy *policy)
{
	quota_limit(permits->quotas[PERMIT_POOL], policy->pool_size);
	quota_limit(permits->quotas[PERMIT_DATABASE], policy->max_db_connections ? policy->max_db_connections : QUOTA_NONE);
	quota_limit(permits->quotas[PERMIT_USER], policy->max_user_connections ? policy->max_user_connections : QUOTA_NONE);
}

static enum permit take(struct permits *permits, enum permit first, struct quota_wait *wait, uint64_t *ret_waiting)
{
	*ret_waiting = 0;
	for (int i = (int)first; i < PERMIT_COUNT; i++) {
		if (quota_take(permits->quotas[i], permits->lacking == (enum permit)i ? wait : NULL))
			continue;
		for (int j = (int)first; j < i; j++)
			*ret_waiting |= quota_give(permits->quotas[j]);
		return (enum permit)i;
	}
	return PERMIT_COUNT;
}

enum permit permits_take(struct permits *permits, uint64_t *ret_waiting)
{
	return take(permits, PERMIT_POOL, &permits->wait, ret_waiting);
}

enum permit permits_take_apart(struct permits *permits, uint64_t *ret_waiting)
{
	return take(permits, PERMIT_DATABASE, NULL, ret_waiting);
}

uint64_t permits_give(struct permits *permits, enum permit first)
{
	uint64_t waiting = 0;

	for (int i = (int)first; i < PERMIT_COUNT; i++)
		waiting |= quota_give(permits->quotas[i]);
	return waiting;
}

bool permits_ask(struct permits *permits, enum permit lacking, size_t have, uint64_t *ret_waiting)
{
	*ret_waiting = permits->lacking != lacking ? permits_ask_no_more(permits) : 0;
	permits->lacking = lacking;
	return quota_queue(permits->quotas[lacking], &permits->wait, (unsigned)have);
}

uint64_t permits_ask_no_more(struct permits *permits)
{
	enum permit lacking = permits->lacking;

	permits->lacking = PERMIT_COUNT;
	return lacking == PERMIT_COUNT ? 0 : quota_queue_no_more(permits->quotas[lacking], &permits->wait);
}

enum sparing permits_spare(const struct permits *permits, size_t have, bool has_waiting, bool had_turn)
{
	enum sparing sparing = SPARE_NOTHING;

	for (int i = 0; i < PERMIT_COUNT; i++) {
		unsigned least = __atomic_load_n(&permits->quotas[i]->least, __ATOMIC_RELAXED);

		if (quota_over(permits->quotas[i]))
			return SPARE_NOW;
		if (least == QUOTA_NOBODY)
			continue;
		if (least + 1 < have || (least == 0 && had_turn))
			return SPARE_NOW;
		if (!has_waiting && sparing < SPARE_SOON)
			sparing = least == 0 ? SPARE_SOON : SPARE_LATER;
	}
	return sparing;
}

const char *permits_setting(const struct permits *permits, unsigned *ret_limit)
{
	return permits_setting_of(permits, permits->lacking == PERMIT_COUNT ? PERMIT_POOL : permits->lacking, ret_limit);
}

const char *permits_setting_of(const struct permits *permits, enum permit lacking, unsigned *ret_limit)
{
	static const char *const names[PERMIT_COUNT] = { "pool_size", "max_db_connections", "max_user_connections" };

	*ret_limit = __atomic_load_n(&permits->quotas[lacking]->limit, __ATOMIC_RELAXED);
	return names[lacking];
}

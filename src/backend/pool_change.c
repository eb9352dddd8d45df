/* pool_change: what changes while the router runs: limits, addresses, what is paused. */
#include <stdio.h>
#include <string.h>

#include "backend/pool.h"
#include "base/limits.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "topo/config.h"

void pool_configure(struct pool *pool)
{
	const struct config *config = pool->pools->config;
	struct policy policy;

	config_policy(config, config_database_on_nodes(config, pool->database), pool->user, &policy);
	permits_limit(&pool->permits, &policy);
	pool->wait_ms_max = policy.pool_wait_ms_max;
}

static void retire_idle(struct pool *pool)
{
	struct list_node *node;

	while ((node = list_first(&pool->idle)))
		backend_retire(CONTAINER_OF(node, struct backend, place));
}

/* Where the topology has this pool's node and database; NULL: nowhere. */
static const struct node_address *find_address(const struct pool *pool, const struct snapshot *snapshot, const char **ret_host)
{
	const struct topology *topology = snapshot->topology;

	for (size_t i = 0; i < topology->database_count; i++) {
		const struct database *database = &topology->databases[i];

		for (size_t j = 0; strcmp(database->node_database, pool->database) == 0 && j < database->shard_count; j++)
			for (size_t k = 0; k < topology->node_count; k++)
				if (topology->nodes[k].shard == database->shards[j] && strcmp(topology->nodes[k].name, pool->node) == 0) {
					*ret_host = topology->nodes[k].host;
					return &snapshot->addresses[k];
				}
	}
	return NULL;
}

/* backend_idle_ms_max may be shorter now: timers that were armed for longer fire at once, and are armed anew. */
static void look_again(struct pool *pool)
{
	LIST_EACH(&pool->idle, node)
		loop_arm(pool->pools->loop, &CONTAINER_OF(node, struct backend, place)->timer, 0);
	LIST_EACH(&pool->lent, node)
		loop_disarm(pool->pools->loop, &CONTAINER_OF(node, struct backend, place)->timer);
}

/* Whether its backends are where it is now; makes it so for those to come. */
static bool move(struct pool *pool, const struct node_address *address, const char *host)
{
	bool stays = address && address->size == pool->address.size &&
		     memcmp(&address->address, &pool->address.address, address->size) == 0 && strcmp(host, pool->host) == 0;

	if (!address || stays)
		return stays;
	pool->address = *address;
	mem_free(pool->host);
	pool->host = mem_strdup(host);
	return false;
}

static void lose_apart(struct pool *pool, const char *what)
{
	struct err why;

	err_set(&why, ERR_SHUTDOWN, "node \"%s\", or its database, %s", pool->node, what);
	pool_lose_apart(pool, &why);
}

void pools_configure(struct pools *pools, const struct config *config, const struct snapshot *snapshot)
{
	bool same_tls = config_same_node_tls(config, pools->config);

	pools->config = config;
	LIST_EACH(&pools->all, node) {
		struct pool *pool = CONTAINER_OF(node, struct pool, place);
		const char *host = NULL;
		const struct node_address *address = find_address(pool, snapshot, &host);

		pool->gone = !address;
		pool_configure(pool);
		look_again(pool);
		if (move(pool, address, host) && same_tls)
			continue;
		pool->generation++;
		retire_idle(pool);
		lose_apart(pool, pool->gone ? "is not in the configuration any more" : "has moved");
	}
	loop_later(pools->loop, &pools->retry);
}

void pools_outdate(struct pools *pools, const char *name)
{
	LIST_EACH(&pools->all, node) {
		struct pool *pool = CONTAINER_OF(node, struct pool, place);

		if (strcmp(pool->node, name) != 0)
			continue;
		pool->generation++;
		retire_idle(pool);
	}
}

void pools_leave(struct pools *pools)
{
	pools->leaving = true;
	LIST_EACH(&pools->all, node)
		retire_idle(CONTAINER_OF(node, struct pool, place));
}

static struct slice hold_key(enum hold what, const char *name, char key[NAME_SIZE_MAX + 16])
{
	int size = snprintf(key, NAME_SIZE_MAX + 16, "%c%c%s", "dnl"[what], 0, name);

	return slice_make(key, (size_t)size + 1);       /* with its zero: pools_next_hold() gives it as a string */
}

bool pools_held(const struct pools *pools, enum hold what, const char *name)
{
	char key[NAME_SIZE_MAX + 16];

	return pools->holds.count && map_get(&pools->holds, hold_key(what, name, key));
}

bool pools_next_hold(const struct pools *pools, size_t *position, enum hold *ret_what, const char **ret_name)
{
	struct slice key;
	void *pool;

	if (!map_next(&pools->holds, position, &key, &pool))
		return false;
	*ret_what = key.data[0] == 'd' ? HOLD_DATABASE : key.data[0] == 'n' ? HOLD_NODE : HOLD_LOGIN;
	*ret_name = key.data + 2;
	return true;
}

static bool concerns(const struct pool *pool, enum hold what, const char *name)
{
	return what != HOLD_LOGIN && strcmp(what == HOLD_DATABASE ? pool->database : pool->node, name) == 0;
}

/* Their time of waiting begins when they can be served again. */
static void wait_anew(struct pool *pool)
{
	LIST_EACH(&pool->waiting, node) {
		struct pool_wait *wait = CONTAINER_OF(node, struct pool_wait, place);

		wait->since_us = loop_now_us(pool->pools->loop);
		if (pool->wait_ms_max)
			loop_arm(pool->pools->loop, &wait->timer, (uint64_t)pool->wait_ms_max * 1000);
	}
}

void pools_hold(struct pools *pools, enum hold what, const char *name, bool hold)
{
	char key[NAME_SIZE_MAX + 16];

	if (hold)
		map_set(&pools->holds, hold_key(what, name, key), pools);
	else
		map_remove(&pools->holds, hold_key(what, name, key));
	LIST_EACH(&pools->all, node) {
		struct pool *pool = CONTAINER_OF(node, struct pool, place);

		if (!concerns(pool, what, name))
			continue;
		pool->held = pools_held(pools, HOLD_DATABASE, pool->database) || pools_held(pools, HOLD_NODE, pool->node);
		if (pool->held) {
			retire_idle(pool);
			lose_apart(pool, "is paused or drained");
		} else {
			wait_anew(pool);
		}
	}
	loop_later(pools->loop, &pools->retry);
}

size_t pools_count(const struct pools *pools, enum hold what, const char *name)
{
	size_t count = 0;

	LIST_EACH(&pools->all, node) {
		const struct pool *pool = CONTAINER_OF(node, struct pool, place);

		if (concerns(pool, what, name))
			count += pool_count(pool);
	}
	return count;
}


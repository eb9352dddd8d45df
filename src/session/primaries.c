#include "session/primaries.h"

#include <string.h>

#include "backend/cancel.h"
#include "base/log.h"
#include "route/snapshot.h"
#include "session/session.h"
#include "topo/config.h"

static const char *primary_name(const struct topology *topology, int shard)
{
	return topology->nodes[topology->shards[shard].primary].name;
}

/* The name of the shard's primary in another topology; NULL: it has no such shard. */
static const char *primary_in(const struct topology *other, const struct topology *topology, int shard)
{
	int there = topology_shard(other, topology->shards[shard].name);

	return there < 0 ? NULL : primary_name(other, there);
}

/* One whose leg takes it for the primary; NULL: there is none. */
static struct backend *next_lent(const struct pool *pool)
{
	LIST_EACH(&pool->lent, node) {
		struct backend *backend = CONTAINER_OF(node, struct backend, place);
		const struct leg *leg = backend->holder == &leg_holder ? backend->leg : NULL;

		if (leg && !leg->replica)
			return backend;
	}
	return NULL;
}

static struct pool_wait *next_wait(const struct list *waits)
{
	LIST_EACH(waits, node) {
		struct pool_wait *wait = CONTAINER_OF(node, struct pool_wait, place);

		if (wait->holder == &leg_holder && !CONTAINER_OF(wait, struct leg, wait)->replica)
			return wait;
	}
	return NULL;
}

static void fail_waits(const struct list *waits, const struct err *why)
{
	struct pool_wait *wait;

	while ((wait = next_wait(waits))) {
		pool_forget(wait);
		wait->done(wait, NULL, why);
	}
}

static void leave(struct pool *pool, const struct err *why)
{
	struct backend *backend;

	while ((backend = next_lent(pool))) {
		cancel_send(backend);
		backend_lose(backend, why);
	}
	fail_waits(&pool->waiting, why);
	fail_waits(&pool->wanting, why);
	pool_lose_apart(pool, why);
}

static void replace(struct worker *worker, const char *shard, const char *old, const char *new)
{
	struct err why;

	err_set(&why, ERR_CONFLICT, "the primary of shard \"%s\" is node \"%s\" now", shard, new);
	err_detail(&why, "It was node \"%s\", which is not written to any more.", old);
	err_hint(&why, "Run the transaction again.");
	pools_outdate(&worker->pools, old);
	pools_outdate(&worker->pools, new);
	LIST_EACH(&worker->pools.all, node) {
		struct pool *pool = CONTAINER_OF(node, struct pool, place);

		if (strcmp(pool->node, old) == 0)
			leave(pool, &why);
	}
}

void primaries_follow(struct worker *worker, const struct snapshot *before)
{
	const struct topology *old = before->topology, *new = worker->snapshot->topology;

	for (size_t i = 0; i < new->shard_count; i++) {
		const char *was = primary_in(old, new, (int)i), *is = primary_name(new, (int)i);

		if (was && strcmp(was, is) != 0)
			replace(worker, new->shards[i].name, was, is);
	}
}

int primaries_check(const struct session *session, int shard, struct err *err)
{
	const struct topology *topology = session->snapshot->topology;
	int index = session_database(session)->shards[shard];
	const char *is = primary_in(session->worker->snapshot->topology, topology, index);

	if (is && strcmp(is, primary_name(topology, index)) == 0)
		return 0;
	err_set(err, ERR_CONFLICT, "the primary of shard \"%s\" changed during the transaction", topology->shards[index].name);
	err_hint(err, "Roll back and run the transaction again.");
	return err->code;
}

int primaries_check_backend(const struct session *session, const struct backend *backend, int shard, struct err *err)
{
	if (session->worker->config->follow_roles == TOGGLE_OFF || !slice_is(params_get(backend->params, "in_hot_standby"), "on"))
		return 0;
	err_set(err, ERR_NOT_NOW, "node \"%s\", the primary of shard \"%s\", is in recovery", backend->pool->node,
		session_shard(session, shard)->name);
	err_detail(err, "It takes no writes, and what it shows may be out of date. Another node of the shard is taken for the primary as soon as it says that it is.");
	err_hint(err, "Try again in a moment. SELECT * FROM nanu.replication tells who is what; with follow_roles: off a node in recovery serves as a primary.");
	return err->code;
}

#include "session/primaries.h"

#include <stdio.h>
#include <string.h>

#include "backend/cancel.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "route/node_status.h"
#include "route/snapshot.h"
#include "session/session.h"
#include "session/visit.h"
#include "topo/config.h"

enum { AGAIN_US = 100000 };

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

/* ---- permits of agents ---- */

static bool is_led(const struct session *session, int shard)
{
	return node_status_permit(session->snapshot->statuses[session_shard(session, shard)->primary]) != UINT64_MAX;
}

static void look_again(struct leg *leg)
{
	struct session *session = leg->session;

	leg_forget(leg);
	session_resume(session);
}

static void fired(struct timer *timer)
{
	look_again(CONTAINER_OF(CONTAINER_OF(timer, struct pool_wait, timer), struct leg, wait));
}

static int no_leader(const struct session *session, int shard, struct err *err)
{
	err_set(err, ERR_NOT_NOW, "shard \"%s\" has no primary", session_shard(session, shard)->name);
	err_detail(err, "No agent of its nodes has said within failover_wait (%u ms) that its node leads.", session->policy ? session->policy->failover_wait : 0);
	err_hint(err, "Try again in a moment. What the agents wait for is in their logs.");
	return err->code;
}

int primaries_await(struct leg *leg, const struct err *why, struct err *err)
{
	struct session *session = leg->session;
	struct loop *loop = session->worker->loop;
	uint64_t now_us = loop_now_us(loop), left_us = session->policy ? session->policy->failover_wait * UINT64_C(1000) : 0;
	uint64_t again_us = left_us;

	if (session->state == SESSION_LOGIN)
		left_us = 0;            /* it is let in, and its first statement waits */
	else if (!session->leaderless_us)
		session->leaderless_us = now_us;
	else
		left_us = session->leaderless_us + left_us > now_us ? session->leaderless_us + left_us - now_us : 0;
	if (left_us == 0) {
		int rc = why ? why->code : no_leader(session, leg->shard, err);

		if (why)
			*err = *why;
		session->leaderless_us = 0;
		leg_forget(leg);
		return rc;
	}
	leg->state = LEG_WAITING;
	leg->leaderless = true;
	leg->wait.timer.fire = fired;
	list_push_back(&session->worker->leaderless, &leg->wait.place);
	if (why)                        /* ERR_CONFLICT: there is another primary now */
		again_us = why->code == ERR_CONFLICT ? 0 : AGAIN_US;
	loop_arm(loop, &leg->wait.timer, again_us < left_us ? again_us : left_us);
	err_forget(&leg->err);
	return 0;
}

bool primaries_may_return(const struct leg *leg)
{
	const char *state = leg->err->sqlstate;

	if (leg->replica || leg->in_tx || leg->needs_sync || leg->wrote || leg->err->code == ERR_SHUTDOWN || !is_led(leg->session, leg->shard))
		return false;
	return leg->err->code == ERR_CONFLICT || strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0;
}

bool primaries_may_begin_again(const struct leg *leg)
{
	return leg->in_tx && !leg->failed && !leg->looked && !leg->needs_sync && !leg->replica && leg->session->tx_status == 'T' &&
	       is_led(leg->session, leg->shard);
}

void primaries_forget(struct leg *leg)
{
	struct worker *worker = leg->session->worker;

	if (!leg->leaderless)
		return;
	leg->leaderless = false;
	list_remove(&worker->leaderless, &leg->wait.place);
	loop_disarm(worker->loop, &leg->wait.timer);
}

void primaries_explain(const struct leg *leg, const struct err *why, struct err *ret)
{
	*ret = *why;
	if (leg->replica || why->code == ERR_CONFLICT || !is_led(leg->session, leg->shard))
		return;
	err_set(ret, ERR_CONFLICT, "the %s was lost with the primary of shard \"%s\"", leg->session->tx_status == 'I' ? "statement" : "transaction",
		session_shard(leg->session, leg->shard)->name);
	err_detail(ret, "%s", why->message);
	err_hint(ret, "Nothing of it was done. Run it again: that waits until the shard has a primary.");
}

void primaries_wake(struct worker *worker)
{
	while (!list_empty(&worker->leaderless))
		look_again(CONTAINER_OF(CONTAINER_OF(list_first(&worker->leaderless), struct pool_wait, place), struct leg, wait));
}

/* Those whose permit has ended. */
static void leave_unpermitted(struct worker *worker)
{
	LIST_EACH(&worker->pools.all, node) {
		struct pool *pool = CONTAINER_OF(node, struct pool, place);
		struct err why;

		if (pool_is_permitted(pool))
			continue;
		err_set(&why, ERR_BACKEND_LOST, "node \"%s\" is not known to lead its shard any more", pool->node);
		pools_outdate(&worker->pools, pool->node);
		leave(pool, &why);
	}
}

static void look(struct worker *worker, void *argument)
{
	(void)argument;
	leave_unpermitted(worker);
	primaries_wake(worker);
	loop_later(worker->loop, &worker->pools.retry);
}

void primaries_permitted(struct services *services)
{
	for (unsigned i = 0; i < services->worker_count; i++)
		if (services->workers[i])
			worker_post_call(services->workers[i], look, NULL);
}

struct lent {
	char node[NAME_SIZE_MAX];
	uint64_t hold_us;
	int64_t count;                  /* atomic */
	bool early;                     /* atomic: a worker was not there yet */
};

static void count(struct worker *worker, void *argument)
{
	struct lent *lent = argument;

	if (loop_now_us(worker->loop) < lent->hold_us)
		__atomic_store_n(&lent->early, true, __ATOMIC_RELAXED);
	LIST_EACH(&worker->pools.all, node) {
		const struct pool *pool = CONTAINER_OF(node, struct pool, place);

		if (!pool->replica && strcmp(pool->node, lent->node) == 0)
			__atomic_add_fetch(&lent->count, (int64_t)pool->lent.count, __ATOMIC_RELAXED);
	}
}

int64_t primaries_count_lent(struct services *services, const char *node, uint64_t hold_us, unsigned wait_ms)
{
	struct lent *lent = mem_calloc(1, sizeof(*lent));
	struct visit *visit;
	int64_t found;

	snprintf(lent->node, sizeof(lent->node), "%s", node);
	lent->hold_us = hold_us;
	visit = visit_new(services, count, lent, mem_free);
	found = visit_wait(visit, wait_ms) < 0 && !__atomic_load_n(&lent->early, __ATOMIC_RELAXED) ? __atomic_load_n(&lent->count, __ATOMIC_RELAXED) : -1;
	visit_unref(visit);
	return found;
}

#include "backend/pool.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "topo/config.h"

enum { OPEN_PAUSE_US = 200000, LEAVING_IDLE_US = 1000000, TURN_US = 100000, MOMENT_US = 2000, WHILE_US = 100000 };

static void serve(struct pool *pool);
static void spare_later(struct timer *timer);

static void pause_over(struct timer *timer)
{
	serve(CONTAINER_OF(timer, struct pool, pause));
}

static void retry_pools(struct later *later)
{
	pools_look(CONTAINER_OF(later, struct pools, retry));
}

void pools_init(struct pools *pools, struct loop *loop, const struct config *config, struct users *users, struct quotas *quotas,
		unsigned worker)
{
	*pools = (struct pools){ .loop = loop, .config = config, .users = users, .quotas = quotas, .worker = worker };
	pools->retry.run = retry_pools;
	list_init(&pools->all);
	settings_table_init(&pools->settings);
}

bool pool_put_aside(struct pool *pool, uint64_t asked_us, uint64_t now_us)
{
	pool->pools->aside_count += !pool->aside.until_us;
	return aside_failed(&pool->aside, asked_us, now_us);
}

void pool_worked(struct pool *pool)
{
	pool->pools->aside_count -= pool->aside.until_us != 0;
	aside_worked(&pool->aside);
}

static void pool_free(struct pool *pool)
{
	pool_worked(pool);
	permits_ask_no_more(&pool->permits);
	list_remove(&pool->pools->all, &pool->place);
	loop_disarm(pool->pools->loop, &pool->pause);
	loop_disarm(pool->pools->loop, &pool->sparing);
	params_unref(pool->params);
	node_status_unref(pool->status);
	mem_free(pool->node);
	mem_free(pool->database);
	mem_free(pool->user);
	mem_free(pool->host);
	mem_free(pool);
}

void pools_release(struct pools *pools)
{
	struct list_node *node;

	while ((node = list_first(&pools->all)))
		pool_free(CONTAINER_OF(node, struct pool, place));
	map_release(&pools->by_key);
	map_release(&pools->holds);
	settings_table_release(&pools->settings);
	map_release(&pools->params.lists);
	statement_table_release(&pools->statements);
}

/* That hold a permit of PERMIT_POOL. */
static size_t count_own(const struct pool *pool)
{
	return pool->opening.count + pool->idle.count + pool->lent.count + pool->cleaning.count + pool->retiring.count;
}

size_t pool_count(const struct pool *pool)
{
	return count_own(pool) + pool->apart.count;
}

bool pools_empty(const struct pools *pools)
{
	LIST_EACH(&pools->all, node)
		if (pool_count(CONTAINER_OF(node, struct pool, place)) > 0)
			return false;
	return true;
}

static void close_all(struct list *list, const struct err *why)
{
	struct list_node *node;

	while ((node = list_first(list)))
		backend_close(CONTAINER_OF(node, struct backend, place), why);
}

static void fail_waiting(struct pool *pool, const struct err *why)
{
	struct list_node *node;

	while ((node = list_first(&pool->waiting))) {
		struct pool_wait *wait = CONTAINER_OF(node, struct pool_wait, place);

		pool_forget(wait);
		wait->done(wait, NULL, why);
	}
}

void pools_close(struct pools *pools)
{
	struct err why;

	pools->draining = true;
	err_set(&why, ERR_SHUTDOWN, "the router is shutting down");
	LIST_EACH(&pools->all, node) {
		struct pool *pool = CONTAINER_OF(node, struct pool, place);

		fail_waiting(pool, &why);
		close_all(&pool->opening, &why);
		close_all(&pool->idle, &why);
		close_all(&pool->cleaning, &why);
		close_all(&pool->retiring, &why);
		close_all(&pool->lent, &why);
		close_all(&pool->apart, &why);
	}
}

struct pool *pools_get(struct pools *pools, const char *node, const char *host, const struct node_address *address, const char *database,
		       const char *user)
{
	struct pool **recent = &pools->recent[((uintptr_t)node / sizeof(void *) + (unsigned char)user[0]) % POOLS_RECENT], *pool = *recent;
	const char *parts[] = { node, database, user };
	char key[3 * NAME_SIZE_MAX + 256];
	struct slice name = { key, 0 };

	if (pool && strcmp(pool->user, user) == 0 && strcmp(pool->database, database) == 0 && strcmp(pool->node, node) == 0)
		return pool;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t size = strlen(parts[i]) + 1;

		if (size > sizeof(key) - name.size)
			size = sizeof(key) - name.size;
		memcpy(key + name.size, parts[i], size);
		name.size += size;
	}
	pool = *recent = map_get(&pools->by_key, name);
	if (pool)
		return pool;
	pool = *recent = mem_calloc(1, sizeof(*pool));
	pool->pools = pools;
	pool->node = mem_strdup(node);
	pool->database = mem_strdup(database);
	pool->user = mem_strdup(user);
	pool->host = mem_strdup(host);
	pool->address = *address;
	pool->pause.fire = pause_over;
	pool->sparing.fire = spare_later;
	list_init(&pool->opening);
	list_init(&pool->idle);
	list_init(&pool->lent);
	list_init(&pool->cleaning);
	list_init(&pool->retiring);
	list_init(&pool->apart);
	list_init(&pool->waiting);
	list_init(&pool->wanting);
	pool->held = pools_held(pools, HOLD_DATABASE, database) || pools_held(pools, HOLD_NODE, node);
	permits_init(&pool->permits, pools->quotas, pools->worker, node, database, user);
	pool_configure(pool);
	map_set(&pools->by_key, name, pool);
	list_push_back(&pools->all, &pool->place);
	return pool;
}

/* ---- states ---- */

static struct list *list_of(struct backend *backend, enum backend_state state)
{
	struct pool *pool = backend->pool;

	if (backend->apart)
		return state == BACKEND_CLOSED ? NULL : &pool->apart;
	switch (state) {
	case BACKEND_OPENING:
	case BACKEND_LOGIN:
		return &pool->opening;
	case BACKEND_IDLE:
		return &pool->idle;
	case BACKEND_LENT:
		return &pool->lent;
	case BACKEND_CLEANING:
		return &pool->cleaning;
	case BACKEND_RETIRING:
		return &pool->retiring;
	case BACKEND_CLOSED:
	case BACKEND_STATE_COUNT_:
		break;
	}
	return NULL;
}

void pool_move(struct backend *backend, enum backend_state state)
{
	struct list *from = list_node_linked(&backend->place) ? list_of(backend, backend->state) : NULL;
	struct list *to = list_of(backend, state);

	if (from)
		list_remove(from, &backend->place);
	backend->state = state;
	if (to)
		list_push_back(to, &backend->place);
}

static void wake(struct pools *pools, uint64_t workers)
{
	for (unsigned worker = 0; workers; worker++, workers >>= 1) {
		if (!(workers & 1))
			continue;
		if (worker == pools->worker)
			loop_later(pools->loop, &pools->retry);
		else
			pools->wake_worker(pools, worker);
	}
}

static void lend(struct pool *pool, struct backend *backend, const struct pool_wait *wait)
{
	pool_move(backend, BACKEND_LENT);
	backend->holder = wait->holder;
	backend->held_by = wait->held_by;
	backend->owner = wait->owner;
	backend->copies_before = backend->copies_made;
	backend->queries++;
	pool->lent_count++;
}

/* The idle backend that suits best: most recently used among those that carry the same settings, else most recently used. */
static struct backend *pick_idle(struct pool *pool, const struct settings *settings)
{
	enum { LOOK_MAX = 8 };
	struct list_node *node = list_last(&pool->idle), *at = node;

	for (int i = 0; at && i < LOOK_MAX; i++) {
		struct backend *backend = CONTAINER_OF(at, struct backend, place);

		if (backend->settings == settings)
			return backend;
		at = at->prev == &pool->idle.head ? NULL : at->prev;
	}
	return node ? CONTAINER_OF(node, struct backend, place) : NULL;
}

static struct backend *find_wanted(const struct list *backends, const struct pool_wait *wait)
{
	LIST_EACH(backends, node) {
		struct backend *backend = CONTAINER_OF(node, struct backend, place);

		if (backend->id == wait->backend_wanted && backend->owner == wait->owner)
			return backend;
	}
	return NULL;
}

static enum sparing sparing(const struct pool *pool, const struct backend *backend)
{
	bool had_turn = backend->queries > 0 && loop_now_us(pool->pools->loop) - backend->opened_us >= TURN_US;

	return permits_spare(&pool->permits, count_own(pool) - pool->retiring.count, !list_empty(&pool->waiting), had_turn);
}

/* One at a time: when it has gone, the pool looks again. */
static void spare(struct pool *pool)
{
	static const uint64_t idle_us_min[] = { [SPARE_LATER] = WHILE_US, [SPARE_SOON] = MOMENT_US, [SPARE_NOW] = 0 };
	struct backend *oldest = list_empty(&pool->idle) ? NULL : CONTAINER_OF(list_first(&pool->idle), struct backend, place);
	enum sparing when = oldest ? sparing(pool, oldest) : SPARE_NOTHING;
	uint64_t idle_us;

	if (when == SPARE_NOTHING)
		return;
	idle_us = loop_now_us(pool->pools->loop) - oldest->idle_since_us;
	if (idle_us >= idle_us_min[when])
		backend_retire(oldest);
	else
		loop_arm(pool->pools->loop, &pool->sparing, idle_us_min[when] - idle_us);
}

static void spare_later(struct timer *timer)
{
	spare(CONTAINER_OF(timer, struct pool, sparing));
}

/* One permit of each kind; where one is lacking, everybody who can spare it hears that it is wanted. */
static bool take_permits(struct pool *pool)
{
	struct pools *pools = pool->pools;
	enum permit lacking;
	uint64_t waiting;

	while ((lacking = permits_take(&pool->permits, &waiting)) != PERMIT_COUNT) {
		bool news;

		wake(pools, waiting);
		news = permits_ask(&pool->permits, lacking, count_own(pool), &waiting);
		wake(pools, news ? UINT64_MAX : waiting);
		if (!news)
			return false;
	}
	return true;
}

static struct pool_wait *next_waiting(const struct pool *pool)
{
	LIST_EACH(&pool->waiting, node) {
		struct pool_wait *wait = CONTAINER_OF(node, struct pool_wait, place);

		if (!pool_holds(pool) || wait->urgent(wait))
			return wait;
	}
	return NULL;
}

/* Those that may be served. */
static size_t count_waiting(const struct pool *pool)
{
	size_t count = 0;

	if (!pool_holds(pool))
		return pool->waiting.count;
	LIST_EACH(&pool->waiting, node) {
		struct pool_wait *wait = CONTAINER_OF(node, struct pool_wait, place);

		count += wait->urgent(wait);
	}
	return count;
}

/* Gives backends to waiting sessions, first come first served, and opens more where the quotas allow. */
static void serve(struct pool *pool)
{
	struct pool_wait *wait;

	while ((wait = next_waiting(pool))) {
		struct backend *backend = pick_idle(pool, wait->settings);

		if (!backend)
			break;
		lend(pool, backend, wait);
		pool->wait_us += loop_now_us(pool->pools->loop) - wait->since_us;
		pool_forget(wait);
		wait->done(wait, backend, NULL);
	}
	while (count_waiting(pool) > pool->opening.count + pool->cleaning.count && !pool->pools->draining && !pool->pause.place) {
		if (!take_permits(pool))
			return;
		pool_move(backend_open(pool), BACKEND_OPENING);
	}
	wake(pool->pools, permits_ask_no_more(&pool->permits));
}

/* A pool for which the topology has no place goes when it is empty; from the loop alone, as others may hold it till then. */
static bool sweep(struct pools *pools)
{
	size_t position = 0;
	struct slice key;
	void *item;

	while (map_next(&pools->by_key, &position, &key, &item)) {
		struct pool *pool = item;

		if (!pool->gone || pool->kept || pool_count(pool) > 0 || !list_empty(&pool->waiting))
			continue;
		memset(pools->recent, 0, sizeof(pools->recent));
		map_remove(&pools->by_key, key);
		pool_free(pool);
		return true;
	}
	return false;
}

void pools_look(struct pools *pools)
{
	LIST_EACH(&pools->all, node) {
		serve(CONTAINER_OF(node, struct pool, place));
		spare(CONTAINER_OF(node, struct pool, place));
	}
	while (sweep(pools))
		;
}

/* ---- lending ---- */

static void wait_timed_out(struct timer *timer)
{
	struct pool_wait *wait = CONTAINER_OF(timer, struct pool_wait, timer);
	struct pool *pool = wait->pool;
	const char *setting;
	unsigned limit;
	struct err why;

	if (pool_holds(pool) && !wait->urgent(wait))
		return;                 /* it begins anew when it is not held any more */
	if (pool->last_failure.code && pool_count(pool) == 0)
		why = pool->last_failure;
	else
		err_set(&why, ERR_POOL_TIMEOUT, "no connection to node \"%s\" became free within pool_wait_ms_max (%u ms)", pool->node,
			pool->wait_ms_max);
	setting = permits_setting(&pool->permits, &limit);
	err_hint(&why, "All %u connections (%s) are in use, or the node does not answer.", limit, setting);
	pool_forget(wait);
	wait->done(wait, NULL, &why);
}

static struct list *waits(struct pool *pool, const struct pool_wait *wait)
{
	return wait->backend_wanted ? &pool->wanting : &pool->waiting;
}

int pool_acquire(struct pool *pool, struct pool_wait *wait, struct backend **ret_backend, struct err *err)
{
	struct pools *pools = pool->pools;
	bool may = pool_holds(pool) ? wait->urgent(wait) : list_empty(&pool->waiting);
	struct backend *backend = wait->backend_wanted ? find_wanted(&pool->idle, wait) : may ? pick_idle(pool, wait->settings) : NULL;

	if (backend) {
		lend(pool, backend, wait);
		*ret_backend = backend;
		return 1;
	}
	if (wait->backend_wanted && !find_wanted(&pool->cleaning, wait))
		return ERR_NOT_FOUND;
	if (pools->draining)
		return err_set(err, ERR_SHUTDOWN, "the router is shutting down");
	if (!pool_holds(pool) && pool->waiting.count >= pools->config->pool_queue_max) {
		const char *setting;
		unsigned limit;

		err_set(err, ERR_POOL_FULL, "too many sessions wait for a connection to node \"%s\" (pool_queue_max = %u)", pool->node,
			pools->config->pool_queue_max);
		setting = permits_setting(&pool->permits, &limit);
		err_hint(err, "All %u connections (%s) are in use. Raise %s or pool_queue_max, or hold transactions shorter.", limit, setting,
			 setting);
		return err->code;
	}
	wait->pool = pool;
	wait->since_us = loop_now_us(pools->loop);
	wait->timer.fire = wait_timed_out;
	pool->wait_count++;
	list_push_back(waits(pool, wait), &wait->place);
	if (pool->wait_ms_max)
		loop_arm(pools->loop, &wait->timer, (uint64_t)pool->wait_ms_max * 1000);
	serve(pool);
	return 0;
}

void pool_forget(struct pool_wait *wait)
{
	if (!wait->pool)
		return;
	list_remove(waits(wait->pool, wait), &wait->place);
	loop_disarm(wait->pool->pools->loop, &wait->timer);
	wait->pool = NULL;
}

uint64_t pool_idle_us_max(const struct pool *pool)
{
	uint64_t max_us = (uint64_t)pool->pools->config->backend_idle_ms_max * 1000;

	return pool->pools->leaving && (!max_us || max_us > LEAVING_IDLE_US) ? LEAVING_IDLE_US : max_us;
}

/* Of a node that moved or went, paused, or older than server_lifetime. */
static bool has_had_its_time(const struct backend *backend)
{
	const struct pool *pool = backend->pool;
	uint64_t lifetime_us = (uint64_t)pool->pools->config->server_lifetime * 1000;

	return backend->generation != pool->generation || (pool->held && !next_waiting(pool)) ||
	       (lifetime_us && loop_now_us(pool->pools->loop) - backend->opened_us > lifetime_us);
}

/* To who waits for just this one; with `why`, he hears that it is gone. */
static bool give_wanted(struct backend *backend, const struct err *why)
{
	LIST_EACH(&backend->pool->wanting, node) {
		struct pool_wait *wait = CONTAINER_OF(node, struct pool_wait, place);

		if (wait->backend_wanted != backend->id)
			continue;
		if (!why)
			lend(backend->pool, backend, wait);
		pool_forget(wait);
		wait->done(wait, why ? NULL : backend, why);
		return true;
	}
	return false;
}

static void offer(struct backend *backend)
{
	struct pool *pool = backend->pool;
	enum sparing when;
	bool over;

	pool_move(backend, BACKEND_IDLE);
	backend->holder = NULL;
	backend->held_by = NULL;
	backend->idle_since_us = loop_now_us(pool->pools->loop);
	over = has_had_its_time(backend);
	if (!over && give_wanted(backend, NULL))
		return;
	if (over || (when = sparing(pool, backend)) == SPARE_NOW) {
		backend_retire(backend);
		if (!list_empty(&pool->waiting))
			serve(pool);
		return;
	}
	if (!backend->timer.place && pool_idle_us_max(pool))
		loop_arm(pool->pools->loop, &backend->timer, pool_idle_us_max(pool));
	if (when != SPARE_NOTHING)
		spare(pool);
	if (!list_empty(&pool->waiting))
		serve(pool);
}

void pool_release(struct backend *backend)
{
	struct err why;

	if (backend->spoiled) {
		err_set(&why, ERR_WRONG_STATE, "its session did what cannot be undone");
		backend_close(backend, &why);
		return;
	}
	if (backend->cancel) {
		pool_move(backend, BACKEND_CLEANING);
		loop_disarm(backend->stream.loop, &backend->timer);
	} else if (backend->dirty)
		backend_clean(backend);
	else
		offer(backend);
}

void pool_cancel_over(struct backend *backend)
{
	if (backend->state == BACKEND_CLEANING)
		pool_release(backend);
}

void pool_opened(struct backend *backend)
{
	struct pool *pool = backend->pool;

	if (backend->state == BACKEND_LOGIN) {
		pool->opened_count++;
		backend->opened_us = loop_now_us(pool->pools->loop);
		pool->last_failure.code = 0;
		params_assign(&pool->params, backend->params);
	}
	if (backend->apart) {
		pool_move(backend, BACKEND_LENT);
		backend->holder->opened(backend);
		return;
	}
	offer(backend);
}

/* ---- beside those that are lent ---- */

int pool_open_apart(struct pool *pool, const char *what, const struct backend_holder *holder, void *held_by, struct settings *startup,
		    const char *replication, struct backend **ret_backend, struct err *err)
{
	struct backend *backend;
	enum permit lacking;
	uint64_t waiting;

	if (pool->pools->draining)
		return err_set(err, ERR_SHUTDOWN, "the router is shutting down");
	if (pool->held)
		return err_set(err, ERR_NOT_NOW, "database \"%s\" is paused, or node \"%s\" drained", pool->database, pool->node);
	lacking = permits_take_apart(&pool->permits, &waiting);
	wake(pool->pools, waiting);
	if (lacking != PERMIT_COUNT) {
		unsigned limit;
		const char *setting = permits_setting_of(&pool->permits, lacking, &limit);

		if (!list_empty(&pool->idle))
			backend_retire(CONTAINER_OF(list_first(&pool->idle), struct backend, place));
		err_set(err, ERR_POOL_FULL, "no connection to node \"%s\" can be opened: all %u (%s) are in use", pool->node, limit, setting);
		err_hint(err, "Raise %s, or hold transactions shorter.", setting);
		return err->code;
	}
	backend = backend_open(pool);
	backend->apart = what;
	backend->replication = replication;
	backend->startup = startup ? settings_ref(startup) : NULL;
	backend->holder = holder;
	backend->held_by = held_by;
	pool_move(backend, BACKEND_OPENING);
	*ret_backend = backend;
	return 0;
}

void pool_lose_apart(struct pool *pool, const struct err *why)
{
	struct list_node *node;

	while ((node = list_first(&pool->apart)))
		backend_lose(CONTAINER_OF(node, struct backend, place), why);
}

void pool_lost(struct backend *backend, const struct err *why)
{
	struct pool *pool = backend->pool;
	bool was_opening = backend->state == BACKEND_OPENING || backend->state == BACKEND_LOGIN;
	struct err gone;

	pool_move(backend, BACKEND_CLOSED);
	err_set(&gone, ERR_NOT_FOUND, "the connection was closed");
	give_wanted(backend, &gone);
	wake(pool->pools, permits_give(&pool->permits, backend->apart ? PERMIT_DATABASE : PERMIT_POOL));
	loop_later(pool->pools->loop, &pool->pools->retry);
	if (!was_opening || backend->apart)
		return;
	pool->failed_count++;
	pool->last_failure = *why;
	loop_arm(pool->pools->loop, &pool->pause, OPEN_PAUSE_US);
	/* With other backends at work the wait goes on (the node may only be at its own limit); with none, waiting is in vain. */
	if (pool_count(pool) == 0)
		fail_waiting(pool, why);
}

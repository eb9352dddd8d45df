#include "app/watch.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "app/routers.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/env.h"
#include "store/store.h"

enum { AWAY_MS = 200 };

struct watch {
	struct store *store;
	struct routers *routers;
	void (*changed)(void *argument);
	void *argument;
	uint64_t counter;               /* the store's, when changed() was called last */
	uint64_t kept_ms;               /* when the lease was renewed last */
	unsigned keep_ms;               /* how often that is done */
	bool away;                      /* atomic */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	pthread_t thread;
};

static uint64_t now_ms(void)
{
	const struct env *env = env_system();

	return env->now_us(env->world) / 1000;
}

static void set_away(struct watch *watch, const struct err *why)
{
	char quoted[600];

	if (watch->away == (why != NULL))
		return;
	__atomic_store_n(&watch->away, why != NULL, __ATOMIC_RELAXED);
	if (why)
		log_warn("watch", "sqlstate=%s msg=\"the store is away: statements go on, changes of the topology do not: %s\"", why->sqlstate,
			 log_quote(why->message, quoted, sizeof(quoted)));
	else
		log_info("watch", "msg=\"the store is back\"");
}

static int keep(struct watch *watch, struct err *err)
{
	int rc;

	if (watch->kept_ms && now_ms() - watch->kept_ms < watch->keep_ms)
		return 0;
	rc = routers_keep(watch->routers, err);
	if (rc == 0)
		watch->kept_ms = now_ms();
	return rc;
}

/* One turn: until something has changed, or it is time to renew the lease. */
static int turn(struct watch *watch, struct err *err)
{
	uint64_t since_ms;
	int rc = keep(watch, err), changed;

	if (rc < 0)
		return rc;
	since_ms = now_ms() - watch->kept_ms;
	changed = store_changed(watch->store, &watch->counter, since_ms < watch->keep_ms ? (unsigned)(watch->keep_ms - since_ms) : 0, err);
	if (changed > 0) {
		rc = routers_refresh(watch->routers, err);
		watch->changed(watch->argument);
	}
	return changed < 0 ? changed : rc;
}

static bool is_stopping(struct watch *watch)
{
	bool stopping;

	pthread_mutex_lock(&watch->lock);
	stopping = watch->stopping;
	pthread_mutex_unlock(&watch->lock);
	return stopping;
}

static void rest(struct watch *watch)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += AWAY_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&watch->lock);
	if (!watch->stopping)
		pthread_cond_timedwait(&watch->wake, &watch->lock, &until);
	pthread_mutex_unlock(&watch->lock);
}

static void *run(void *argument)
{
	struct watch *watch = argument;

	pthread_setname_np(pthread_self(), "nanu-watch");
	while (!is_stopping(watch)) {
		struct err why;

		if (turn(watch, &why) == 0) {
			if (watch->away)        /* what could not be done meanwhile is to be done now */
				watch->changed(watch->argument);
			set_away(watch, NULL);
			continue;
		}
		if (is_stopping(watch))
			break;
		set_away(watch, &why);
		rest(watch);
	}
	return NULL;
}

struct watch *watch_start(struct store *store, struct routers *routers, unsigned lease_ms, void (*changed)(void *argument), void *argument)
{
	struct watch *watch = mem_calloc(1, sizeof(*watch));

	*watch = (struct watch){ .store = store, .routers = routers, .changed = changed, .argument = argument, .keep_ms = lease_ms / 3 };
	pthread_mutex_init(&watch->lock, NULL);
	pthread_cond_init(&watch->wake, NULL);
	if (pthread_create(&watch->thread, NULL, run, watch) == 0)
		return watch;
	mem_free(watch);
	return NULL;
}

void watch_stop(struct watch *watch)
{
	if (!watch)
		return;
	store_interrupt(watch->store);
	pthread_mutex_lock(&watch->lock);
	watch->stopping = true;
	pthread_cond_signal(&watch->wake);
	pthread_mutex_unlock(&watch->lock);
	pthread_join(watch->thread, NULL);
	pthread_cond_destroy(&watch->wake);
	pthread_mutex_destroy(&watch->lock);
	mem_free(watch);
}

bool watch_is_away(const struct watch *watch)
{
	return watch && __atomic_load_n(&watch->away, __ATOMIC_RELAXED);
}

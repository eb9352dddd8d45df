#include "app/sync_watch.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "admin/replication.h"
#include "app/plane.h"
#include "base/limits.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "topo/config.h"
#include "topo/topology.h"

enum { LOOK_SECONDS = 1, ASYNC_LOOKS = 10 };

struct sync_watch {
	struct plane *plane;
	struct replication_watch *watch;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;                  /* under the lock */
	uint64_t epoch;                 /* of the topology that the connections belong to */
	unsigned async_looks;           /* so often the primaries of async shards are looked at yet: they may have been told another time whom to wait for */
	PGconn *conns[SHARDS_MAX];
	bool failed[SHARDS_MAX];        /* the last look; it was logged */
};

static void close_one(struct sync_watch *sync, size_t shard)
{
	PQfinish(sync->conns[shard]);
	sync->conns[shard] = NULL;
	sync->failed[shard] = false;
}

static void close_all(struct sync_watch *sync)
{
	for (size_t i = 0; i < SHARDS_MAX; i++)
		close_one(sync, i);
}

/* The newest topology is taken under the lock: what nanu.set_replication() has told a primary is not taken back by what was before. */
static void look_at(struct sync_watch *sync, size_t shard)
{
	struct config *config = plane_config(sync->plane);
	struct snapshot *snapshot;
	struct err err;
	int rc = 0;

	pthread_mutex_lock(&sync->watch->acting);
	snapshot = plane_snapshot(sync->plane);
	if (snapshot->topology->epoch != sync->epoch)
		close_all(sync);
	sync->epoch = snapshot->topology->epoch;
	replication_watch_keep(sync->watch, snapshot->topology);
	if (shard < snapshot->topology->shard_count) {
		rc = replication_look(sync->watch, config, snapshot->topology, (int)shard, true, &sync->conns[shard], &err);
		if (rc < 0 && !sync->failed[shard])
			plane_log_failure("cannot see whether a primary waits for its replicas", &err);
		sync->failed[shard] = rc < 0;
	}
	pthread_mutex_unlock(&sync->watch->acting);
	snapshot_unref(snapshot);
	config_unref(config);
}

/* Under the lock. */
static void wait_a_while(struct sync_watch *sync)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LOOK_SECONDS;
	while (!sync->stopping && pthread_cond_timedwait(&sync->wake, &sync->lock, &until) == 0)
		;
}

static void *thread(void *argument)
{
	struct sync_watch *sync = argument;

	pthread_setname_np(pthread_self(), "nanu-sync");
	pthread_mutex_lock(&sync->lock);
	while (!sync->stopping) {
		struct snapshot *snapshot = plane_snapshot(sync->plane);

		if (snapshot->topology->epoch != sync->epoch)
			sync->async_looks = ASYNC_LOOKS;
		for (size_t i = 0; i < snapshot->topology->shard_count && !sync->stopping; i++) {
			bool async = snapshot->topology->shards[i].replication.mode == REPLICATION_ASYNC;

			if (async && (!sync->async_looks || !snapshot->replicas[i].count))
				continue;
			pthread_mutex_unlock(&sync->lock);
			look_at(sync, i);
			pthread_mutex_lock(&sync->lock);
			if (async && sync->async_looks == 1)
				close_one(sync, i);
		}
		sync->async_looks -= sync->async_looks > 0;
		snapshot_unref(snapshot);
		wait_a_while(sync);
	}
	pthread_mutex_unlock(&sync->lock);
	close_all(sync);
	return NULL;
}

int sync_watch_start(struct plane *plane, struct replication_watch *watch, struct sync_watch **ret_watch, struct err *err)
{
	struct sync_watch *sync = mem_calloc(1, sizeof(*sync));

	sync->plane = plane;
	sync->watch = watch;
	pthread_mutex_init(&sync->lock, NULL);
	pthread_cond_init(&sync->wake, NULL);
	if (pthread_create(&sync->thread, NULL, thread, sync) == 0) {
		*ret_watch = sync;
		return 0;
	}
	pthread_cond_destroy(&sync->wake);
	pthread_mutex_destroy(&sync->lock);
	mem_free(sync);
	return err_set(err, ERR_NOMEM, "cannot start the control plane's threads");
}

void sync_watch_stop(struct sync_watch *sync)
{
	if (!sync)
		return;
	pthread_mutex_lock(&sync->lock);
	sync->stopping = true;
	pthread_cond_signal(&sync->wake);
	pthread_mutex_unlock(&sync->lock);
	pthread_join(sync->thread, NULL);
	pthread_cond_destroy(&sync->wake);
	pthread_mutex_destroy(&sync->lock);
	mem_free(sync);
}

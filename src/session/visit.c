#include "session/visit.h"

#include <errno.h>
#include <semaphore.h>
#include <stdint.h>
#include <time.h>

#include "base/limits.h"
#include "base/mem.h"
#include "session/worker.h"

struct visit {
	unsigned refs;                  /* atomic: of whoever waits, and of each worker that has not done it */
	unsigned worker_count;
	void (*act)(struct worker *worker, void *argument);
	void *argument;
	void (*release)(void *argument);
	uint64_t done;                  /* atomic: a bit for each worker */
	sem_t turn;                     /* one of them has done it */
};

_Static_assert(WORKERS_MAX <= 64, "a bit for each worker");

void visit_unref(struct visit *visit)
{
	if (!visit || __atomic_sub_fetch(&visit->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	visit->release(visit->argument);
	sem_destroy(&visit->turn);
	mem_free(visit);
}

static void act(struct worker *worker, void *argument)
{
	struct visit *visit = argument;

	visit->act(worker, visit->argument);
	__atomic_or_fetch(&visit->done, (uint64_t)1 << worker->index, __ATOMIC_RELEASE);
	sem_post(&visit->turn);
	visit_unref(visit);
}

struct visit *visit_new(struct services *services, void (*wanted)(struct worker *worker, void *argument), void *argument, void (*release)(void *argument))
{
	struct visit *visit = mem_calloc(1, sizeof(*visit));

	*visit = (struct visit){
		.refs = 1 + services->worker_count, .worker_count = services->worker_count, .act = wanted, .argument = argument, .release = release,
	};
	sem_init(&visit->turn, 0, 0);
	for (unsigned i = 0; i < services->worker_count; i++)
		worker_post_call(services->workers[i], act, visit);
	return visit;
}

static int missing(const struct visit *visit)
{
	uint64_t done = __atomic_load_n(&visit->done, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < visit->worker_count; i++)
		if (!(done >> i & 1))
			return (int)i;
	return -1;
}

static struct timespec from_now(unsigned wait_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return until;
}

int visit_wait(struct visit *visit, unsigned wait_ms)
{
	struct timespec until = from_now(wait_ms);

	while (missing(visit) >= 0)
		if (sem_clockwait(&visit->turn, CLOCK_MONOTONIC, &until) < 0 && errno == ETIMEDOUT)
			return missing(visit);
	return -1;
}

#include "session/worker.h"

#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/env.h"
#include "route/snapshot.h"
#include "session/hedge.h"
#include "session/job.h"
#include "session/peers.h"
#include "session/primaries.h"
#include "session/session.h"
#include "sql/fingerprint.h"
#include "topo/config.h"

enum { LISTENER_PAUSE_US = 100000, DRAIN_TURN_US = 20000, DRAIN_US_MAX = 3000000, LIFTED_SIZE_MAX = 256 << 10 };

/* ---- the listener ---- */

static void listen_now(struct worker *worker, bool wanted)
{
	for (size_t i = 0; i < worker->listener_count; i++)
		stream_receive(&worker->listeners[i].stream, wanted);
}

static void listener_again(struct timer *timer)
{
	listen_now(CONTAINER_OF(timer, struct worker, listener_pause), true);
}

static void close_listeners(struct worker *worker)
{
	for (size_t i = 0; i < worker->listener_count; i++)
		stream_close(&worker->listeners[i].stream);
}

static void accepted(struct stream *listener, int fd)
{
	struct worker *worker = CONTAINER_OF(listener, struct listener, stream)->worker;

	if (fd < 0) {
		log_warn("worker", "worker=%u msg=\"cannot accept connections for a moment\" errno=%d", worker->index, -fd);
		if (worker->leaving)
			return;
		listen_now(worker, false);
		loop_arm(worker->loop, &worker->listener_pause, LISTENER_PAUSE_US);
		return;
	}
	if (worker->stopping)
		close(fd);
	else
		session_new(worker, fd);
}

static void listener_closed(struct stream *listener)
{
}

static const struct stream_events listener_events = { .accepted = accepted, .closed = listener_closed };

/* ---- permits over workers ---- */

static void wake_worker(struct pools *pools, unsigned index)
{
	struct worker *worker = CONTAINER_OF(pools, struct worker, pools);

	if (index < worker->services->worker_count && worker->services->workers[index])
		worker_post_look(worker->services->workers[index]);
}

/* ---- life ---- */

int worker_init(struct worker *worker, struct services *services, unsigned index, struct snapshot *snapshot,
		const int *listen_fds, size_t listen_count, struct err *err)
{
	enum loop_engine engine = services->config->io == IO_URING ? LOOP_URING : services->config->io == IO_EPOLL ? LOOP_EPOLL : LOOP_AUTO;
	int rc;

	*worker = (struct worker){ .services = services, .config = config_ref(services->config), .index = index };
	rc = loop_new(engine, env_system(), worker, &worker->loop, err);
	if (rc < 0) {
		config_unref(worker->config);
		return rc;
	}
	worker->snapshot = snapshot_ref(snapshot);
	worker->started_us = loop_now_us(worker->loop);
	worker->fingerprinter = fingerprinter_new(true);
	buf_init(&worker->lifted, LIFTED_SIZE_MAX);
	worker->second_fingerprinter = fingerprinter_new(false);
	worker->listener_pause.fire = listener_again;
	list_init(&worker->sessions);
	list_init(&worker->awaiting_samples);
	list_init(&worker->losers);
	list_init(&worker->leaderless);
	plan_cache_init(&worker->plans);
	pools_init(&worker->pools, worker->loop, services->config, services->users, services->quotas, index);
	worker->pools.wake_worker = wake_worker;
	worker->listeners = mem_calloc(listen_count, sizeof(*worker->listeners));
	worker->listener_count = listen_count;
	for (size_t i = 0; i < listen_count; i++) {
		worker->listeners[i].worker = worker;
		stream_init(&worker->listeners[i].stream, worker->loop, &listener_events);
		stream_listen(&worker->listeners[i].stream, listen_fds[i]);
	}
	listen_now(worker, true);
	return 0;
}

void worker_run(struct worker *worker)
{
	loop_run(worker->loop);
}

/* ---- policies ---- */

struct shared_policy {
	struct shared_policy *next;
	struct policy policy;
};

const struct policy *worker_policy(struct worker *worker, const char *database, const char *user)
{
	struct shared_policy *shared;
	struct policy policy;

	config_policy(worker->config, config_database(worker->config, database), user, &policy);
	for (shared = worker->policies; shared; shared = shared->next)
		if (memcmp(&shared->policy, &policy, sizeof(policy)) == 0)
			return &shared->policy;
	shared = mem_alloc(sizeof(*shared));
	*shared = (struct shared_policy){ worker->policies, policy };
	worker->policies = shared;
	return &shared->policy;
}

static void policies_free(struct shared_policy *shared)
{
	while (shared) {
		struct shared_policy *next = shared->next;

		mem_free(shared);
		shared = next;
	}
}

void worker_release(struct worker *worker)
{
	map_release(&worker->by_number);
	map_release(&worker->listenings);
	mem_free(worker->listeners);
	pools_release(&worker->pools);
	plan_cache_release(&worker->plans);
	fingerprinter_free(worker->fingerprinter);
	buf_release(&worker->lifted);
	buf_release(&worker->spare_held);
	while (worker->spare_count) {
		struct spare *spare = &worker->spares[--worker->spare_count];

		arena_release(&spare->arena);
		mem_free(spare->answers);
		mem_free(spare->in);
	}
	while (worker->spare_leg_count)
		mem_free(worker->spare_legs[--worker->spare_leg_count]);
	fingerprinter_free(worker->second_fingerprinter);
	policies_free(worker->policies);
	snapshot_unref(worker->snapshot);
	config_unref(worker->config);
	loop_free(worker->loop);
}

struct session *worker_session(struct worker *worker, uint32_t number)
{
	return map_get(&worker->by_number, slice_make(&number, sizeof(number)));
}

/* ---- letters ---- */

struct call {
	struct letter letter;
	void (*visit)(struct worker *worker, void *argument);
	void *argument;
};

static void deliver_call(struct letter *letter, void *worker)
{
	struct call *call = CONTAINER_OF(letter, struct call, letter);

	call->visit(worker, call->argument);
	mem_free(call);
}

void worker_post_call(struct worker *worker, void (*visit)(struct worker *worker, void *argument), void *argument)
{
	struct call *call = mem_calloc(1, sizeof(*call));

	call->letter.deliver = deliver_call;
	call->visit = visit;
	call->argument = argument;
	loop_post(worker->loop, &call->letter);
}

struct visits {
	void (*visit)(struct worker *worker, void *argument);
	void *argument;
	sem_t done;
};

static void visit_one(struct worker *worker, void *argument)
{
	struct visits *visits = argument;

	visits->visit(worker, visits->argument);
	sem_post(&visits->done);
}

void services_visit(struct services *services, void (*visit)(struct worker *worker, void *argument), void *argument)
{
	struct visits visits = { .visit = visit, .argument = argument };

	sem_init(&visits.done, 0, 0);
	for (unsigned i = 0; i < services->worker_count; i++)
		worker_post_call(services->workers[i], visit_one, &visits);
	for (unsigned i = 0; i < services->worker_count; i++)
		while (sem_wait(&visits.done) < 0)
			;
	sem_destroy(&visits.done);
}

static void look(struct worker *worker, void *argument)
{
	pools_look(&worker->pools);
}

void worker_post_look(struct worker *worker)
{
	worker_post_call(worker, look, NULL);
}

static void take_snapshot(struct worker *worker, void *argument)
{
	struct snapshot *before = worker->snapshot;

	worker->snapshot = snapshot_ref(argument);
	primaries_follow(worker, before);
	primaries_wake(worker);
	snapshot_unref(before);
}

void services_publish(struct services *services, struct snapshot *snapshot)
{
	services_visit(services, take_snapshot, snapshot);
}

struct news { struct config *config; struct snapshot *snapshot; };

static void configure(struct worker *worker, void *argument)
{
	const struct news *news = argument;
	struct config *before = worker->config;
	struct shared_policy *policies = worker->policies;
	struct list_node *node = list_first(&worker->sessions);

	worker->policies = NULL;
	worker->config = config_ref(news->config);
	take_snapshot(worker, news->snapshot);
	pools_configure(&worker->pools, worker->config, worker->snapshot);
	while (node) {
		struct session *session = CONTAINER_OF(node, struct session, place);

		node = list_next(&worker->sessions, node);      /* it may end here: its database may be gone */
		session_configure(session);
	}
	policies_free(policies);
	config_unref(before);
}

void services_configure(struct services *services, struct config *config, struct snapshot *snapshot)
{
	struct news news = { config, snapshot };

	services_visit(services, configure, &news);
}

void worker_hold(struct worker *worker, enum hold what, const char *name, bool hold)
{
	pools_hold(&worker->pools, what, name, hold);
	for (struct list_node *node = list_first(&worker->sessions), *next; node; node = next) {
		next = list_next(&worker->sessions, node);
		login_held(CONTAINER_OF(node, struct session, place));
	}
}

/* ---- cancel requests ---- */

struct cancel_key { struct services *services; uint32_t pid, secret; };

static void forward(const struct cancel_key *key)
{
	key->services->forward_cancel(__atomic_load_n(&key->services->predecessor, __ATOMIC_RELAXED), key->pid, key->secret);
}

static void cancel(struct worker *worker, void *argument)
{
	struct cancel_key *key = argument;
	struct session *session = key->pid >> 24 == worker->index ? worker_session(worker, key->pid & 0xffffff) : NULL;

	if (session && session->secret == key->secret)
		session_cancel(session);
	else if (!peers_forward(worker, key->pid, key->secret))
		forward(key);
	mem_free(key);
}

void services_cancel(struct services *services, uint32_t pid, uint32_t secret)
{
	struct cancel_key *key = mem_calloc(1, sizeof(*key));

	*key = (struct cancel_key){ services, pid, secret };
	worker_post_call(services->workers[pid >> 24 < services->worker_count ? pid >> 24 : 0], cancel, key);
}

void services_set_predecessor(struct services *services, int predecessor)
{
	__atomic_store_n(&services->predecessor, predecessor, __ATOMIC_RELAXED);
}

/* ---- another process takes over ---- */

static void accept_waiting(struct worker *worker)
{
	int fd;

	for (size_t i = 0; i < worker->listener_count; i++)
		while ((fd = accept4(worker->listeners[i].stream.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
			session_new(worker, fd);
}

/* Whoever was accepted meanwhile is a session as any other; the listener is closed when nothing more can come of it. */
static void left(struct timer *timer)
{
	struct worker *worker = CONTAINER_OF(timer, struct worker, listener_pause);

	for (size_t i = 0; i < worker->listener_count; i++) {
		if (worker->listeners[i].stream.pending) {
			loop_arm(worker->loop, timer, DRAIN_TURN_US);
			return;
		}
	}
	accept_waiting(worker); /* we may have been woken for them, and not have wanted them any more */
	close_listeners(worker);
}

static void leave(struct worker *worker, void *argument)
{
	worker->leaving = true;
	listen_now(worker, false);
	worker->listener_pause.fire = left;
	loop_arm(worker->loop, &worker->listener_pause, DRAIN_TURN_US);
	pools_leave(&worker->pools);
}

void services_leave(struct services *services)
{
	services_visit(services, leave, NULL);
}

static void accept_left_over(struct worker *worker, void *argument)
{
	if (!worker->leaving && !worker->stopping)
		accept_waiting(worker);
}

void services_accept(struct services *services)
{
	for (unsigned i = 0; i < services->worker_count; i++)
		worker_post_call(services->workers[i], accept_left_over, NULL);
}

/* ---- the end ---- */

struct drain {
	struct timer timer;
	uint64_t until_us;
	struct worker *worker;
};

/* Everything is closed in order, and the loop ends when nothing is left in it. */
static void drained(struct timer *timer)
{
	struct drain *drain = CONTAINER_OF(timer, struct drain, timer);
	struct worker *worker = drain->worker;

	/* A client that does not read its last words holds up nobody for longer than that. */
	if (!pools_empty(&worker->pools) || (worker->open_streams && loop_now_us(worker->loop) < drain->until_us)) {
		loop_arm(worker->loop, timer, DRAIN_TURN_US);
		return;
	}
	loop_stop(worker->loop);
	mem_free(drain);
}

static void stop(struct worker *worker, void *argument)
{
	struct drain *drain;
	struct err why;

	if (worker->stopping)
		return;
	worker->stopping = true;
	loop_disarm(worker->loop, &worker->listener_pause);
	close_listeners(worker);
	err_set(&why, ERR_SHUTDOWN, "terminating connection: the router is shutting down");
	while (!list_empty(&worker->sessions))
		session_fatal(CONTAINER_OF(list_first(&worker->sessions), struct session, place), &why);
	hedge_forget_losers(worker);
	pools_close(&worker->pools);
	drain = mem_calloc(1, sizeof(*drain));
	drain->timer.fire = drained;
	drain->worker = worker;
	drain->until_us = loop_now_us(worker->loop) + DRAIN_US_MAX;
	loop_arm(worker->loop, &drain->timer, DRAIN_TURN_US * 5);       /* a few turns, for the kernel to let go of what was closed */
}

void worker_post_stop(struct worker *worker)
{
	worker_post_call(worker, stop, NULL);
}

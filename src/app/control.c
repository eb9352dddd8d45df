#include "app/control.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/replication.h"
#include "app/follow_roles.h"
#include "app/leaders.h"
#include "app/notify.h"
#include "app/plane.h"
#include "app/routers.h"
#include "app/sync_watch.h"
#include "app/watch.h"
#include "base/arena.h"
#include "base/mem.h"
#include "ha/role_watch.h"
#include "ha/sampler.h"
#include "session/primaries.h"
#include "session/samples.h"
#include "session/silence.h"
#include "route/snapshot.h"
#include "session/job.h"
#include "session/session.h"
#include "store/store.h"
#include "topo/config.h"
#include "topo/topology.h"

enum { RETRY_MS = 2000, ROLES_MS = 250, LENT_MS = 200 };

/* What a lane's thread is doing does not hold up the others: the nanu schema is answered while nodes that say nothing, or sessions that must end
 * their transactions, are waited for. */
enum lane_name { LANE_ANSWERS = ADMIN_ANSWERS, LANE_NODES = ADMIN_CHANGES, LANE_WAITS = ADMIN_WAITS, LANE_COUNT = ADMIN_LANE_COUNT };

struct lane {                           /* jobs, and the thread that runs them one by one */
	struct control *control;
	enum lane_name name;
	pthread_t thread;
	bool started;
	pthread_cond_t wake;
	struct job *first, *last;       /* the queue; linked through letter.next; under the control's lock */
};

struct control {
	struct plane plane;             /* changed by the thread of LANE_NODES only */
	struct lane lanes[LANE_COUNT];
	struct replication_watch replication;
	struct sync_watch *sync;        /* NULL: it does not run */
	struct role_watch *roles;
	struct role_follower *follower; /* of the thread of LANE_NODES */
	bool roles_again;               /* the same: they are to be looked at again in a moment */
	bool roles_wait;                /* atomic: a job of the sampler's is in the queue */
	pthread_mutex_t lock;
	bool stopping;
	struct watch *watch;            /* NULL: no other router shares the store. Atomic */
	bool follow_waits;              /* atomic: a job of the watch's is in the queue */
};

/* ---- what the admin floor may do ---- */

static struct snapshot *admin_snapshot(void *program)
{
	return control_snapshot(program);
}

static int admin_change(void *program, struct topology *topology, enum topology_change how, struct err *err)
{
	struct control *control = program;

	return plane_change(&control->plane, topology, how, err);
}

static int admin_follow(void *program, struct err *err)
{
	struct control *control = program;

	return plane_take_newer(&control->plane, err);
}

static int admin_forget_router(void *program, const char *name, struct err *err)
{
	struct control *control = program;

	return plane_forget_router(&control->plane, name, err);
}

static int admin_restore_topology(void *program, struct err *err)
{
	struct control *control = program;

	return plane_restore_topology(&control->plane, err);
}

static void admin_store(void *program, struct arena *arena, struct store_view *ret_view)
{
	struct control *control = program;
	struct plane *plane = &control->plane;
	struct router_row *rows, *copy;
	size_t count = 0;

	*ret_view = (struct store_view){ .kind = plane->routers ? "etcd" : "sqlite", .state = "ok" };
	if (!plane->routers)
		return;
	pthread_mutex_lock(&plane->lock);
	if (plane->went_back)
		ret_view->state = arena_strdup(arena, plane->went_back->message);
	pthread_mutex_unlock(&plane->lock);
	if (watch_is_away(__atomic_load_n(&control->watch, __ATOMIC_ACQUIRE)))
		ret_view->state = "away";
	rows = routers_seen(plane->routers, &count);
	copy = arena_alloc(arena, (count + 1) * sizeof(*copy));
	memcpy(copy, rows, count * sizeof(*copy));
	mem_free(rows);
	ret_view->routers = copy;
	ret_view->router_count = count;
}

static int admin_refresh(void *program, const char *database, struct err *err)
{
	struct control *control = program;

	return plane_refresh(&control->plane, database, err);
}

static int admin_reload(void *program, struct err *err)
{
	struct control *control = program;

	control->roles_again = true;
	return plane_reload(&control->plane, err);
}

/* ---- jobs ---- */

static void fetch_secret(struct control *control, struct job *job)
{
	const struct database *database = topology_database(control->plane.snapshot->topology, job->database);

	if (!database) {
		job->rc = err_set(&job->err, ERR_NO_DATABASE, "database \"%s\" does not exist", job->database);
		return;
	}
	job->rc = admin_fetch_secret(control->plane.config, control->plane.snapshot->topology, database, job->user, control->plane.users, &job->err);
}

static bool admin_stopping(void *program)
{
	struct control *control = program;
	bool stopping;

	pthread_mutex_lock(&control->lock);
	stopping = control->stopping;
	pthread_mutex_unlock(&control->lock);
	return stopping;
}

/* The lane that is to run it instead, or -1: it is done. */
static int run(struct control *control, enum lane_name lane, struct job *job)
{
	struct admin admin = {
		.lane = (enum admin_lane)lane, .stopping = admin_stopping,
		.services = control->plane.services, .program = control, .watch = &control->replication, .roles = control->roles,
		.snapshot = admin_snapshot, .change = admin_change, .refresh = admin_refresh, .reload = admin_reload, .follow = admin_follow,
		.me = control->plane.routers ? routers_me(control->plane.routers) : "", .store = admin_store,
		.forget_router = admin_forget_router, .restore_topology = admin_restore_topology,
	};
	struct config *config = plane_config(&control->plane);
	int other = -1;

	admin.config = config;

	switch (job->kind) {
	case JOB_REFRESH:
		job->rc = plane_refresh(&control->plane, job->database, &job->err);
		break;
	case JOB_DEFINED:
		job->rc = plane_refresh(&control->plane, job->database, &job->err);
		plane_defined(&control->plane, job->database, watch_is_away(control->watch));
		break;
	case JOB_FOLLOW:
		__atomic_store_n(&control->follow_waits, false, __ATOMIC_RELAXED);
		job->rc = plane_follow(&control->plane, &job->err);
		if (job->rc < 0)
			plane_log_failure("cannot follow the store", &job->err);
		break;
	case JOB_RELOAD:
		job->rc = plane_reload(&control->plane, &job->err);
		if (job->rc < 0)
			plane_log_failure("the configuration stays as it was", &job->err);
		control->roles_again = true;    /* whether they are followed may be another matter now */
		notify_reloaded();
		break;
	case JOB_ROLES:
		__atomic_store_n(&control->roles_wait, false, __ATOMIC_RELAXED);
		control->roles_again = role_follower_look(control->follower);
		break;
	case JOB_SECRET:
		fetch_secret(control, job);
		break;
	case JOB_LOCAL:
		job->rc = admin_answer(&admin, job);
		other = job->rc > 0 ? job->rc : -1;
		break;
	}
	config_unref(config);
	if (lane == LANE_NODES)
		plane_await(&control->plane);   /* who hears that it was done finds it done through every router */
	return other;
}

static void deliver(struct letter *letter, void *worker)
{
	struct job *job = CONTAINER_OF(letter, struct job, letter);
	struct session *session = worker_session(worker, job->session);

	if (session)
		local_answered(session, job);
	job_free(job);
}

static void answer(struct job *job)
{
	job->letter.deliver = deliver;
	if (job->loop)
		loop_post(job->loop, &job->letter);
	else
		job_free(job);
}

static void enqueue(struct lane *lane, struct job *job)
{
	struct control *control = lane->control;

	pthread_mutex_lock(&control->lock);
	job->letter.next = NULL;
	if (control->stopping) {
		pthread_mutex_unlock(&control->lock);
		job->rc = err_set(&job->err, ERR_SHUTDOWN, "the router is shutting down");
		answer(job);
		return;
	}
	if (lane->last)
		lane->last->letter.next = &job->letter;
	else
		lane->first = job;
	lane->last = job;
	pthread_cond_signal(&lane->wake);
	pthread_mutex_unlock(&control->lock);
}

static void submit(struct services *services, struct job *job)
{
	struct control *control = services->program;

	enqueue(&control->lanes[job->kind == JOB_LOCAL ? LANE_ANSWERS : LANE_NODES], job);
}

static struct job *dequeue(struct lane *lane)
{
	struct job *job = lane->first;

	if (job)
		lane->first = job->letter.next ? CONTAINER_OF(job->letter.next, struct job, letter) : NULL;
	if (!lane->first)
		lane->last = NULL;
	return job;
}

static bool catalog_missing(const struct control *control)
{
	for (size_t i = 0; i < control->plane.snapshot->topology->database_count; i++)
		if (!control->plane.snapshot->catalogs[i])
			return true;
	return false;
}

/* Until something is to be tried again; 0: nothing is. */
static unsigned retry_ms(const struct lane *lane)
{
	if (lane->name != LANE_NODES)
		return 0;
	return lane->control->roles_again ? ROLES_MS : catalog_missing(lane->control) ? RETRY_MS : 0;
}

static void try_again(struct control *control)
{
	if (control->roles_again)
		control->roles_again = role_follower_look(control->follower);
	if (catalog_missing(control))
		plane_refresh(&control->plane, NULL, NULL);
	plane_await(&control->plane);
}

/* Waits for a job, or until it is time to look again for what is missing. Under the lock. */
static void wait_for_job(struct lane *lane)
{
	struct control *control = lane->control;
	unsigned wait_ms = retry_ms(lane);
	struct timespec until;

	if (!wait_ms) {
		pthread_cond_wait(&lane->wake, &control->lock);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += wait_ms * INT64_C(1000000);
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (pthread_cond_timedwait(&lane->wake, &control->lock, &until) != 0 && !lane->first) {
		pthread_mutex_unlock(&control->lock);
		try_again(control);
		pthread_mutex_lock(&control->lock);
	}
}

static void *thread(void *argument)
{
	struct lane *lane = argument;
	static const char *const names[LANE_COUNT] = { [LANE_ANSWERS] = "nanu-answers", [LANE_NODES] = "nanu-control", [LANE_WAITS] = "nanu-waits" };
	struct control *control = lane->control;
	int other;

	pthread_setname_np(pthread_self(), names[lane->name]);
	pthread_mutex_lock(&control->lock);
	while (!control->stopping) {
		struct job *job = dequeue(lane);

		if (!job) {
			wait_for_job(lane);
			continue;
		}
		pthread_mutex_unlock(&control->lock);
		other = run(control, lane->name, job);
		if (other < 0)
			answer(job);
		else
			enqueue(&control->lanes[other], job);
		pthread_mutex_lock(&control->lock);
	}
	pthread_mutex_unlock(&control->lock);
	return NULL;
}

/* ---- life ---- */

int control_new(struct config *config, struct users *users, struct control **ret_control, struct err *err)
{
	struct control *control = mem_calloc(1, sizeof(*control));
	int rc;

	pthread_mutex_init(&control->lock, NULL);
	replication_watch_init(&control->replication);
	for (int i = 0; i < LANE_COUNT; i++) {
		control->lanes[i] = (struct lane){ .control = control, .name = (enum lane_name)i };
		pthread_cond_init(&control->lanes[i].wake, NULL);
	}
	control->roles = role_watch_new();
	control->follower = role_follower_new(&control->plane, control->roles, &control->replication);
	rc = plane_init(&control->plane, config, users, err);
	if (rc < 0) {
		control_free(control);
		return rc;
	}
	*ret_control = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	plane_release(&control->plane);
	role_follower_free(control->follower);
	role_watch_free(control->roles);
	replication_watch_release(&control->replication);
	pthread_mutex_destroy(&control->lock);
	for (int i = 0; i < LANE_COUNT; i++)
		pthread_cond_destroy(&control->lanes[i].wake);
	mem_free(control);
}

static void store_changed_now(void *argument)
{
	struct control *control = argument;

	if (!__atomic_exchange_n(&control->follow_waits, true, __ATOMIC_RELAXED))
		control_follow(control);
}

static void nodes_changed(void *argument)
{
	struct control *control = argument;

	if (!__atomic_exchange_n(&control->roles_wait, true, __ATOMIC_RELAXED))
		enqueue(&control->lanes[LANE_NODES], job_new(JOB_ROLES, NULL, 0));
}

static int start_watch(struct control *control, struct err *err)
{
	struct watch *watch = watch_start(control->plane.store, control->plane.routers, control->plane.config->router_timeout, store_changed_now,
					  control);

	__atomic_store_n(&control->watch, watch, __ATOMIC_RELEASE);
	return watch ? 0 : err_set(err, ERR_NOMEM, "cannot start the control plane's threads");
}

static void sampled(void *program)
{
	const struct control *control = program;

	samples_arrived(control->plane.services);
}

static void permitted(void *program)
{
	const struct control *control = program;

	primaries_permitted(control->plane.services);
}

static int64_t lent(void *program, const char *node, uint64_t hold_us)
{
	const struct control *control = program;

	return primaries_count_lent(control->plane.services, node, hold_us, LENT_MS);
}

static void hangs(void *program, struct node_status *status)
{
	const struct control *control = program;

	silence_noticed(control->plane.services, status);
}

int control_start(struct control *control, struct services *services, struct err *err)
{
	char me[ROUTER_WHO_SIZE];
	const struct leaders_calls calls = { .program = control, .changed = nodes_changed, .permitted = permitted, .lent = lent };
	int rc = plane_settle(&control->plane, err);

	if (rc < 0)
		return rc;
	control->plane.services = services;
	services->program = control;
	services->submit = submit;
	control->plane.sampler = sampler_new(sampled, nodes_changed, hangs, control);
	plane_sample(&control->plane);
	for (int i = 0; i < LANE_COUNT; i++) {
		struct lane *lane = &control->lanes[i];

		if (pthread_create(&lane->thread, NULL, thread, lane) != 0)
			return err_set(err, ERR_NOMEM, "cannot start the control plane's threads");
		lane->started = true;
	}
	if (control->plane.routers)
		snprintf(me, sizeof(me), "%s", routers_me(control->plane.routers));
	else
		snprintf(me, sizeof(me), "%d", (int)getpid());
	if (leaders_start(control->plane.leaders, me, &calls, err) < 0 ||
	    sync_watch_start(&control->plane, &control->replication, &control->sync, err) < 0)
		return err->code;
	return control->plane.routers ? start_watch(control, err) : 0;
}

void control_stop(struct control *control)
{
	struct watch *watch = control->watch;
	struct job *job;

	sync_watch_stop(control->sync);
	control->sync = NULL;
	leaders_stop(control->plane.leaders);
	pthread_mutex_lock(&control->lock);
	control->stopping = true;
	pthread_mutex_unlock(&control->lock);
	__atomic_store_n(&control->plane.stopping, true, __ATOMIC_RELAXED);
	if (control->plane.routers)
		store_interrupt(control->plane.store);
	pthread_mutex_lock(&control->lock);
	for (int i = 0; i < LANE_COUNT; i++)
		pthread_cond_signal(&control->lanes[i].wake);
	pthread_mutex_unlock(&control->lock);
	for (int i = 0; i < LANE_COUNT; i++) {
		if (control->lanes[i].started)
			pthread_join(control->lanes[i].thread, NULL);
		control->lanes[i].started = false;
	}
	__atomic_store_n(&control->watch, NULL, __ATOMIC_RELEASE);
	watch_stop(watch);
	sampler_free(control->plane.sampler);   /* it posts to workers, who go after this */
	control->plane.sampler = NULL;
	for (int i = 0; i < LANE_COUNT; i++) {
		while ((job = dequeue(&control->lanes[i]))) {
			job->rc = err_set(&job->err, ERR_SHUTDOWN, "the router is shutting down");
			answer(job);
		}
	}
}

struct snapshot *control_snapshot(struct control *control)
{
	return plane_snapshot(&control->plane);
}

struct role_watch *control_roles(struct control *control)
{
	return control->roles;
}

struct replication_watch *control_replication(struct control *control)
{
	return &control->replication;
}

struct config *control_config(struct control *control)
{
	return plane_config(&control->plane);
}

void control_reload(struct control *control)
{
	enqueue(&control->lanes[LANE_NODES], job_new(JOB_RELOAD, NULL, 0));
}

void control_follow(struct control *control)
{
	enqueue(&control->lanes[LANE_NODES], job_new(JOB_FOLLOW, NULL, 0));
}

void control_share(struct control *control, enum neighbour neighbour, int peer)
{
	__atomic_store_n(&control->plane.peers[neighbour], peer, __ATOMIC_RELAXED);
}

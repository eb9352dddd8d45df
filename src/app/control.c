#include "app/control.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/admin.h"
#include "backend/users.h"
#include "base/log.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "session/job.h"
#include "session/session.h"
#include "store/store.h"
#include "topo/config.h"
#include "topo/topology.h"

enum { RETRY_SECONDS = 2, SWAP_TRIES_MAX = 5 };

/* What a lane's thread is doing does not hold up the other: the nanu schema is answered while nodes that say nothing are waited for. */
enum lane_name { LANE_NODES, LANE_ANSWERS, LANE_COUNT };

struct lane {                           /* jobs, and the thread that runs them one by one */
	struct control *control;
	enum lane_name name;
	pthread_t thread;
	bool started;
	pthread_cond_t wake;
	struct job *first, *last;       /* the queue; linked through letter.next; under the control's lock */
};

struct control {
	const struct config *config;
	struct users *users;
	struct services *services;
	struct store *store;
	uint64_t revision;              /* of the topology in the store */
	struct lane lanes[LANE_COUNT];
	pthread_mutex_t lock;
	bool stopping;
	struct snapshot *snapshot;      /* the newest; changed by the thread of LANE_NODES only, under the lock */
};

/* ---- catalogs and snapshots ---- */

static int load_catalog(struct control *control, const struct topology *topology, const struct database *database, uint64_t version,
			struct catalog **ret_catalog, struct err *err)
{
	const struct node *home = &topology->nodes[topology->shards[database->shards[0]].primary];
	char *conninfo = admin_conninfo(control->config, home, database->node_database);
	int rc = catalog_load(conninfo, version, ret_catalog, err);

	mem_free(conninfo);
	return rc;
}

static void log_failure(const char *what, const struct err *err)
{
	char quoted[600];

	log_warn("control", "sqlstate=%s msg=\"%s: %s\"", err->sqlstate, what, log_quote(err->message, quoted, sizeof(quoted)));
}

/* Makes a snapshot of the newest catalogs and `topology` (whose reference it takes) the current one, for everybody. */
static void publish(struct control *control, struct topology *topology, struct catalog *const *catalogs)
{
	struct snapshot *old = control->snapshot;
	struct snapshot *fresh = snapshot_new(old ? old->version + 1 : 1, topology, catalogs);

	pthread_mutex_lock(&control->lock);
	control->snapshot = fresh;
	pthread_mutex_unlock(&control->lock);
	if (control->services)
		services_publish(control->services, fresh);
	snapshot_unref(old);
}

static int save(struct control *control, const struct topology *topology, struct err *err)
{
	char *json = topology_to_json(topology);
	int rc = store_swap(control->store, STORE_KEY_TOPOLOGY, control->revision, json, &control->revision, err);

	mem_free(json);
	return rc;
}

/* The table as the fresh catalog has it, known again by the OIDs of the old one; false: it is as it was. *ret_gone: it was dropped. */
static bool find_again(const struct catalog *known, const struct catalog *fresh, const struct sharded_table *table,
		       struct sharded_table *ret_now, bool *ret_gone)
{
	const struct catalog_table *before = catalog_table(known, table->schema, table->name);
	const struct catalog_table *after = before ? catalog_table_by_oid(fresh, before->oid) : NULL;
	const struct catalog_column *key = before ? catalog_column(before, table->key_column) : NULL;

	*ret_now = *table;
	*ret_gone = before && !after;
	if (!before || table->being_sharded)
		return *ret_gone = false;
	if (!after)
		return true;
	ret_now->schema = after->schema;
	ret_now->name = after->name;
	for (size_t j = 0; key && j < after->column_count; j++)
		if (after->columns[j].attnum == key->attnum)
			ret_now->key_column = after->columns[j].name;
	return strcmp(ret_now->schema, table->schema) != 0 || strcmp(ret_now->name, table->name) != 0 ||
	       strcmp(ret_now->key_column, table->key_column) != 0;
}

static struct topology *replaced(struct topology *old, struct topology *next, int rc)
{
	if (rc < 0)
		return old;
	topology_unref(old);
	return next;
}

/* Tables that were dropped, renamed or moved, or whose key was renamed. All of them go before the first comes back: one may have another's
 * name now. */
static struct topology *follow(const struct snapshot *old, size_t index, const struct catalog *fresh, struct topology *topology)
{
	const struct database *database = &old->topology->databases[index];
	const struct catalog *known = old->catalogs[index];
	struct topology *next = NULL;
	struct sharded_table now;
	bool gone;
	int rc;

	for (size_t i = 0; known && i < database->table_count; i++) {
		const struct sharded_table *table = &database->tables[i];

		if (!find_again(known, fresh, table, &now, &gone))
			continue;
		log_info("control", "database=%s table=%s.%s msg=\"%s\"", database->name, table->schema, table->name,
			 gone ? "dropped" : "renamed");
		rc = topology_without_table(topology, database->name, table->schema, table->name, &next, NULL);
		topology = replaced(topology, next, rc);
	}
	for (size_t i = 0; known && i < database->table_count; i++) {
		if (!find_again(known, fresh, &database->tables[i], &now, &gone) || gone)
			continue;
		rc = topology_with_table(topology, database->name, &now, &next, NULL);
		topology = replaced(topology, next, rc);
	}
	return topology;
}

static int refresh(struct control *control, const char *only, struct err *err)
{
	struct snapshot *old = control->snapshot;
	size_t count = old->topology->database_count;
	struct catalog **catalogs = mem_calloc(count + 1, sizeof(*catalogs));
	struct topology *topology = topology_ref(old->topology);
	bool changed = false;
	int rc = 0;

	for (size_t i = 0; i < count; i++) {
		const struct database *database = &old->topology->databases[i];
		struct err why;

		catalogs[i] = old->catalogs[i] ? catalog_ref(old->catalogs[i]) : NULL;
		if (only ? strcmp(only, database->name) != 0 : catalogs[i] != NULL)
			continue;
		if (load_catalog(control, old->topology, database, old->version + 1, &catalogs[i], &why) < 0) {
			log_failure("cannot read the schema", &why);
			catalogs[i] = old->catalogs[i] ? catalogs[i] : NULL;
			rc = why.code;
			if (err)
				*err = why;
			continue;
		}
		catalog_unref(old->catalogs[i]);
		topology = follow(old, i, catalogs[i], topology);
		changed = true;
	}
	if (topology != old->topology && save(control, topology, err) < 0) {
		log_failure("cannot store the topology", err);
		topology_unref(topology);
		topology = topology_ref(old->topology);
	}
	if (changed) {
		publish(control, topology, catalogs);
	} else {
		topology_unref(topology);
		for (size_t i = 0; i < count; i++)
			catalog_unref(catalogs[i]);
	}
	mem_free(catalogs);
	return rc;
}

struct snapshot *control_snapshot(struct control *control)
{
	struct snapshot *snapshot;

	pthread_mutex_lock(&control->lock);
	snapshot = snapshot_ref(control->snapshot);
	pthread_mutex_unlock(&control->lock);
	return snapshot;
}

/* ---- what the admin floor may do ---- */

static struct snapshot *admin_snapshot(void *program)
{
	return control_snapshot(program);
}

static int admin_change(void *program, struct topology *topology, bool durable, struct err *err)
{
	struct control *control = program;
	size_t count = control->snapshot->topology->database_count;
	struct catalog **catalogs = mem_calloc(count + 1, sizeof(*catalogs));
	int rc = durable ? save(control, topology, err) : 0;

	if (rc == 0) {
		for (size_t i = 0; i < count; i++)
			catalogs[i] = control->snapshot->catalogs[i] ? catalog_ref(control->snapshot->catalogs[i]) : NULL;
		publish(control, topology_ref(topology), catalogs);
	}
	mem_free(catalogs);
	return rc;
}

static int admin_refresh(void *program, const char *database, struct err *err)
{
	return refresh(program, database, err);
}

/* ---- jobs ---- */

static void fetch_secret(struct control *control, struct job *job)
{
	const struct database *database = topology_database(control->snapshot->topology, job->database);

	if (!database) {
		job->rc = err_set(&job->err, ERR_NO_DATABASE, "database \"%s\" does not exist", job->database);
		return;
	}
	job->rc = admin_fetch_secret(control->config, control->snapshot->topology, database, job->user, control->users, &job->err);
}

/* False: it is another lane's. */
static bool run(struct control *control, enum lane_name lane, struct job *job)
{
	struct admin admin = {
		.may_change = lane == LANE_NODES,
		.config = control->config, .services = control->services, .program = control,
		.snapshot = admin_snapshot, .change = admin_change, .refresh = admin_refresh,
	};

	switch (job->kind) {
	case JOB_REFRESH:
		job->rc = refresh(control, job->database, &job->err);
		break;
	case JOB_SECRET:
		fetch_secret(control, job);
		break;
	case JOB_LOCAL:
		job->rc = admin_answer(&admin, job);
		if (job->rc == ADMIN_CHANGES)
			return false;
		break;
	}
	return true;
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
	loop_post(job->loop, &job->letter);
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
	for (size_t i = 0; i < control->snapshot->topology->database_count; i++)
		if (!control->snapshot->catalogs[i])
			return true;
	return false;
}

/* Waits for a job, or, while a schema is missing, until it is time to look for it again. Under the lock. */
static void wait_for_job(struct lane *lane)
{
	struct control *control = lane->control;
	struct timespec until;

	if (lane->name != LANE_NODES || !catalog_missing(control)) {
		pthread_cond_wait(&lane->wake, &control->lock);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += RETRY_SECONDS;
	if (pthread_cond_timedwait(&lane->wake, &control->lock, &until) != 0 && !lane->first) {
		pthread_mutex_unlock(&control->lock);
		refresh(control, NULL, NULL);
		pthread_mutex_lock(&control->lock);
	}
}

static void *thread(void *argument)
{
	struct lane *lane = argument;
	struct control *control = lane->control;

	pthread_setname_np(pthread_self(), lane->name == LANE_NODES ? "nanu-control" : "nanu-answers");
	pthread_mutex_lock(&control->lock);
	while (!control->stopping) {
		struct job *job = dequeue(lane);

		if (!job) {
			wait_for_job(lane);
			continue;
		}
		pthread_mutex_unlock(&control->lock);
		if (run(control, lane->name, job))
			answer(job);
		else
			enqueue(&control->lanes[LANE_NODES], job);
		pthread_mutex_lock(&control->lock);
	}
	pthread_mutex_unlock(&control->lock);
	return NULL;
}

/* ---- life ---- */

static int first_topology(struct control *control, struct topology **ret_topology, struct err *err)
{
	struct topology *stored = NULL;
	struct store_entry entry;
	int rc = store_get(control->store, STORE_KEY_TOPOLOGY, &entry, err);

	if (rc < 0)
		return rc;
	control->revision = entry.revision;
	if (entry.value)
		rc = topology_from_json(entry.value, &stored, err);
	mem_free(entry.value);
	if (rc == 0)
		rc = config_topology(control->config, stored, ret_topology, err);
	if (rc == 0)
		rc = save(control, *ret_topology, err);
	topology_unref(stored);
	return rc;
}

int control_new(const struct config *config, struct users *users, struct control **ret_control, struct err *err)
{
	struct control *control = mem_calloc(1, sizeof(*control));
	struct topology *topology = NULL;
	struct catalog **catalogs;
	int rc;

	control->config = config;
	control->users = users;
	pthread_mutex_init(&control->lock, NULL);
	for (int i = 0; i < LANE_COUNT; i++) {
		control->lanes[i] = (struct lane){ .control = control, .name = (enum lane_name)i };
		pthread_cond_init(&control->lanes[i].wake, NULL);
	}
	rc = store_open_sqlite(config->store, &control->store, err);
	if (rc == 0)
		rc = first_topology(control, &topology, err);
	if (rc < 0) {
		control_free(control);
		return rc;
	}
	catalogs = mem_calloc(topology->database_count + 1, sizeof(*catalogs));
	for (size_t i = 0; i < topology->database_count; i++) {
		struct err why;

		if (load_catalog(control, topology, &topology->databases[i], 1, &catalogs[i], &why) < 0) {
			catalogs[i] = NULL;
			log_failure("cannot read the schema yet", &why);
		}
	}
	publish(control, topology, catalogs);
	mem_free(catalogs);
	*ret_control = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	snapshot_unref(control->snapshot);
	store_close(control->store);
	pthread_mutex_destroy(&control->lock);
	for (int i = 0; i < LANE_COUNT; i++)
		pthread_cond_destroy(&control->lanes[i].wake);
	mem_free(control);
}

int control_start(struct control *control, struct services *services, struct err *err)
{
	control->services = services;
	services->program = control;
	services->submit = submit;
	for (int i = 0; i < LANE_COUNT; i++) {
		struct lane *lane = &control->lanes[i];

		if (pthread_create(&lane->thread, NULL, thread, lane) != 0)
			return err_set(err, ERR_NOMEM, "cannot start the control plane's threads");
		lane->started = true;
	}
	return 0;
}

void control_stop(struct control *control)
{
	struct job *job;

	pthread_mutex_lock(&control->lock);
	control->stopping = true;
	for (int i = 0; i < LANE_COUNT; i++)
		pthread_cond_signal(&control->lanes[i].wake);
	pthread_mutex_unlock(&control->lock);
	for (int i = 0; i < LANE_COUNT; i++) {
		if (control->lanes[i].started)
			pthread_join(control->lanes[i].thread, NULL);
		control->lanes[i].started = false;
	}
	for (int i = 0; i < LANE_COUNT; i++) {
		while ((job = dequeue(&control->lanes[i]))) {
			job->rc = err_set(&job->err, ERR_SHUTDOWN, "the router is shutting down");
			answer(job);
		}
	}
}

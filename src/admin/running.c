#include "admin/running.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "catalog/catalog.h"
#include "route/snapshot.h"
#include "session/job.h"
#include "session/session.h"
#include "topo/config.h"

bool admin_is_admin(const struct config *config, const char *user)
{
	const char *at = config->admin_users;

	while (*at) {
		size_t size = strcspn(at, ", ");

		if (size && strlen(user) == size && memcmp(at, user, size) == 0)
			return true;
		at += size;
		at += strspn(at, ", ");
	}
	return false;
}

int admin_say(struct job *job, const struct call *call, uint32_t type, const char *text)
{
	job->columns = arena_alloc(&job->arena, sizeof(*job->columns));
	job->columns[0] = (struct local_column){ call->column, type };
	job->column_count = job->row_count = 1;
	job->values = arena_alloc(&job->arena, sizeof(*job->values));
	job->values[0] = text;
	job->tag = "SELECT 1";
	return 0;
}

int admin_reload(struct admin *admin, struct job *job, const struct call *call)
{
	static const char *const names[] = { NULL };
	int rc = call_check(call, names, &job->err);

	if (rc == 0)
		rc = admin->reload(admin->program, &job->err);
	return rc < 0 ? rc : admin_say(job, call, OID_TEXT, "the configuration was read anew");
}

int admin_forget_router(struct admin *admin, struct job *job, const struct call *call)
{
	static const char *const names[] = { "name", NULL };
	const char *name = call_arg(call, 0, "name", NULL);
	int rc = call_check(call, names, &job->err);

	if (rc == 0 && !name) {
		rc = err_set(&job->err, ERR_INVALID_VALUE, "which router?");
		err_hint(&job->err, "SELECT name FROM nanu.routers lists them.");
	}
	if (rc == 0)
		rc = admin->forget_router(admin->program, name, &job->err);
	return rc < 0 ? rc : admin_say(job, call, OID_TEXT, "forgotten: changes do not wait for it any more");
}

int admin_restore_topology(struct admin *admin, struct job *job, const struct call *call)
{
	static const char *const names[] = { NULL };
	int rc = call_check(call, names, &job->err);

	if (rc == 0)
		rc = admin->restore_topology(admin->program, &job->err);
	return rc < 0 ? rc : admin_say(job, call, OID_TEXT, "restored: the store has this router's topology");
}

/* ---- pause, drain, resume ---- */

struct holding {                        /* what every worker is asked for */
	enum hold what;
	const char *name;
	bool hold;
	size_t left;                    /* atomic: backends of it over all workers */
	bool held;                      /* atomic: as the first worker knows */
};

static void hold_one(struct worker *worker, void *argument)
{
	const struct holding *holding = argument;

	worker_hold(worker, holding->what, holding->name, holding->hold);
}

static void count_one(struct worker *worker, void *argument)
{
	struct holding *holding = argument;

	__atomic_add_fetch(&holding->left, pools_count(&worker->pools, holding->what, holding->name), __ATOMIC_RELAXED);
	if (worker->index == 0)
		__atomic_store_n(&holding->held, pools_held(&worker->pools, holding->what, holding->name), __ATOMIC_RELAXED);
}

static int wait_until_empty(struct admin *admin, struct job *job, struct holding *holding)
{
	static const struct timespec turn = { .tv_nsec = 10000000 };

	for (;;) {
		holding->left = 0;
		services_visit(admin->services, count_one, holding);
		if (!holding->held)
			return err_set(&job->err, ERR_WRONG_STATE, "\"%s\" was resumed before all its connections were given back", holding->name);
		if (!holding->left)
			return 0;
		if (admin->stopping(admin->program))
			return err_set(&job->err, ERR_SHUTDOWN, "the router is shutting down");
		nanosleep(&turn, NULL);
	}
}

/* The database's name on the nodes; ERR_NO_DATABASE, ERR_INVALID_VALUE. */
static int find_database(struct admin *admin, struct job *job, const char *name, const char **ret_node_database)
{
	struct snapshot *snapshot = admin->snapshot(admin->program);
	const struct database *database = name ? topology_database(snapshot->topology, name) : NULL;
	int rc = 0;

	if (database)
		*ret_node_database = arena_strdup(&job->arena, database->node_database);
	else if (name)
		rc = err_set(&job->err, ERR_NO_DATABASE, "database \"%s\" does not exist", name);
	else
		rc = err_set(&job->err, ERR_INVALID_VALUE, "which database?");
	if (rc < 0)
		err_hint(&job->err, "SELECT name FROM nanu.databases lists them.");
	snapshot_unref(snapshot);
	return rc;
}

static int find_node(struct admin *admin, struct job *job, const char *name)
{
	struct snapshot *snapshot = admin->snapshot(admin->program);
	bool found = false;

	for (size_t i = 0; name && i < snapshot->topology->node_count; i++)
		found |= strcmp(snapshot->topology->nodes[i].name, name) == 0;
	snapshot_unref(snapshot);
	if (found)
		return 0;
	if (name)
		err_set(&job->err, ERR_UNDEFINED_OBJECT, "node \"%s\" does not exist", name);
	else
		err_set(&job->err, ERR_INVALID_VALUE, "which node?");
	err_hint(&job->err, "SELECT name FROM nanu.nodes lists them.");
	return job->err.code;
}

static int hold_and_wait(struct admin *admin, struct job *job, const struct call *call, enum hold what, const char *name, const char *done)
{
	struct holding holding = { .what = what, .name = name, .hold = true };
	int rc;

	if (job->in_transaction) {
		err_set(&job->err, ERR_TX_STATE, "nanu.%s cannot run inside a transaction block, nor in a session that keeps its backend",
			call->function);
		err_sqlstate(&job->err, "25001");
		err_detail(&job->err, "It would wait for its own connection to be given back.");
		return job->err.code;
	}
	services_visit(admin->services, hold_one, &holding);
	rc = wait_until_empty(admin, job, &holding);
	return rc < 0 ? rc : admin_say(job, call, OID_TEXT, done);
}

int admin_pause(struct admin *admin, struct job *job, const struct call *call)
{
	static const char *const names[] = { "database", NULL };
	const char *node_database;
	int rc = call_check(call, names, &job->err);

	if (rc == 0)
		rc = find_database(admin, job, call_arg(call, 0, "database", NULL), &node_database);
	return rc < 0 ? rc : hold_and_wait(admin, job, call, HOLD_DATABASE, node_database, "paused: nanu.resume() lets statements go on");
}

int admin_drain(struct admin *admin, struct job *job, const struct call *call)
{
	static const char *const names[] = { "node", NULL };
	const char *node = call_arg(call, 0, "node", NULL);
	int rc = call_check(call, names, &job->err);

	if (rc == 0)
		rc = find_node(admin, job, node);
	return rc < 0 ? rc : hold_and_wait(admin, job, call, HOLD_NODE, node, "drained: nanu.resume(node => …) lets statements go on");
}

int admin_resume(struct admin *admin, struct job *job, const struct call *call)
{
	static const char *const names[] = { "database", "node", NULL };
	const char *node = call_arg(call, 1, "node", NULL);
	struct holding holding = { .what = node ? HOLD_NODE : HOLD_DATABASE, .name = node };
	int rc = call_check(call, names, &job->err);

	if (rc == 0)
		rc = node ? find_node(admin, job, node) : find_database(admin, job, call_arg(call, 0, "database", NULL), &holding.name);
	if (rc < 0)
		return rc;
	services_visit(admin->services, hold_one, &holding);
	return admin_say(job, call, OID_TEXT, "resumed");
}

static int let_in(struct admin *admin, struct job *job, const struct call *call, bool disable)
{
	static const char *const names[] = { "database", NULL };
	struct holding holding = { .what = HOLD_LOGIN, .name = call_arg(call, 0, "database", NULL), .hold = disable };
	const char *node_database;
	int rc = call_check(call, names, &job->err);

	if (rc == 0)
		rc = find_database(admin, job, holding.name, &node_database);
	if (rc < 0)
		return rc;
	services_visit(admin->services, hold_one, &holding);
	return admin_say(job, call, OID_TEXT, disable ? "disabled: it takes no new connections" : "enabled");
}

int admin_disable(struct admin *admin, struct job *job, const struct call *call)
{
	return let_in(admin, job, call, true);
}

int admin_enable(struct admin *admin, struct job *job, const struct call *call)
{
	return let_in(admin, job, call, false);
}

/* ---- one session ---- */

struct target { uint32_t pid; bool terminate, found; };

static void hit(struct worker *worker, void *argument)
{
	struct target *target = argument;
	struct session *session;
	struct err why;

	if (worker->index != target->pid >> 24)
		return;
	session = worker_session(worker, target->pid & 0xffffff);
	if (!session)
		return;
	target->found = true;
	if (target->terminate) {
		err_set(&why, ERR_SHUTDOWN, "terminating connection due to administrator command");
		session_terminate(session, &why);
	} else {
		session_cancel(session);
	}
}

static int hit_session(struct admin *admin, struct job *job, const struct call *call, bool terminate)
{
	static const char *const names[] = { "pid", NULL };
	const char *text = call_arg(call, 0, "pid", NULL);
	struct target target = { .terminate = terminate };
	int rc = call_check(call, names, &job->err);
	char *end = NULL;

	if (rc < 0)
		return rc;
	target.pid = (uint32_t)strtoul(text ? text : "", &end, 10);
	if (!text || !*text || *end) {
		err_set(&job->err, ERR_INVALID_VALUE, "which session?");
		err_hint(&job->err, "SELECT pid FROM nanu.sessions lists them.");
		return job->err.code;
	}
	services_visit(admin->services, hit, &target);
	return admin_say(job, call, OID_BOOL, target.found ? "t" : "f");
}

int admin_terminate_session(struct admin *admin, struct job *job, const struct call *call)
{
	return hit_session(admin, job, call, true);
}

int admin_cancel_session(struct admin *admin, struct job *job, const struct call *call)
{
	return hit_session(admin, job, call, false);
}

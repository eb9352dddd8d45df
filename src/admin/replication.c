#include "admin/replication.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "admin/node_ask.h"
#include "admin/running.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "ha/commit_wait.h"
#include "ha/flusher.h"
#include "route/snapshot.h"
#include "session/job.h"
#include "topo/config.h"
#include "topo/topology.h"

enum { ARENA_BLOCK_SIZE = 2 << 10, SETTLE_TRIES = 100, SETTLE_TRIES_ALONE = 10, SETTLE_TRY_MS = 50, LOOKS_UNTIL_DEGRADED = 3, WAKINGS = 2 };

/* ---- what was seen ---- */

void replication_watch_init(struct replication_watch *watch)
{
	*watch = (struct replication_watch){ 0 };
	pthread_mutex_init(&watch->acting, NULL);
	pthread_mutex_init(&watch->reading, NULL);
}

void replication_watch_release(struct replication_watch *watch)
{
	pthread_mutex_destroy(&watch->acting);
	pthread_mutex_destroy(&watch->reading);
}

static struct replication_seen *find(struct replication_watch *watch, const char *shard)
{
	for (size_t i = 0; i < watch->seen_count; i++)
		if (strcmp(watch->seen[i].shard, shard) == 0)
			return &watch->seen[i];
	return NULL;
}

bool replication_watch_state(struct replication_watch *watch, const char *shard, enum replication_state *ret_state)
{
	const struct replication_seen *seen;

	pthread_mutex_lock(&watch->reading);
	seen = find(watch, shard);
	if (seen)
		*ret_state = seen->state;
	pthread_mutex_unlock(&watch->reading);
	return seen != NULL;
}

void replication_watch_keep(struct replication_watch *watch, const struct topology *topology)
{
	pthread_mutex_lock(&watch->reading);
	for (size_t i = watch->seen_count; i-- > 0;) {
		int shard = topology_shard(topology, watch->seen[i].shard);

		if (shard < 0 || topology->shards[shard].replication.mode == REPLICATION_ASYNC)
			watch->seen[i] = watch->seen[--watch->seen_count];
	}
	pthread_mutex_unlock(&watch->reading);
}

static void tell_of(const struct shard *shard, enum replication_state state, const char *names)
{
	static const char *const words[] = {
		[REPLICATION_OK] = "the primary waits for replicas as asked",
		[REPLICATION_DEGRADED] = "replicas are missing: the primary waits for fewer than asked",
		[REPLICATION_BLOCKED] = "replicas are missing: commits wait for them",
	};
	char quoted[1024];

	log_write(state == REPLICATION_OK ? LOG_INFO : LOG_WARN, "replication", "shard=%s mode=%s state=%s names=\"%s\" msg=\"%s\"", shard->name,
		  replication_mode_name(shard->replication.mode), replication_state_name(state), log_quote(names, quoted, sizeof(quoted)), words[state]);
}

/* Whether that is news. `loaded`: as of the configuration of then. */
static bool note(struct replication_watch *watch, const struct shard *shard, enum replication_state state, const char *loaded)
{
	struct replication_seen *seen;
	bool news;

	pthread_mutex_lock(&watch->reading);
	seen = find(watch, shard->name);
	news = !seen || seen->state != state;
	if (!seen && watch->seen_count < SHARDS_MAX) {
		seen = &watch->seen[watch->seen_count++];
		*seen = (struct replication_seen){ 0 };
		memcpy(seen->shard, shard->name, strlen(shard->name));
	}
	if (seen) {
		seen->state = state;
		seen->missing_looks = 0;
		snprintf(seen->loaded, sizeof(seen->loaded), "%s", loaded);
	}
	pthread_mutex_unlock(&watch->reading);
	return news;
}

/* A replica that is back a moment later, as after a restart, is no reason to wait for fewer. */
static bool too_soon(struct replication_watch *watch, const struct shard *shard, enum replication_state state)
{
	struct replication_seen *seen;
	bool soon;

	pthread_mutex_lock(&watch->reading);
	seen = find(watch, shard->name);
	soon = state == REPLICATION_DEGRADED && seen && seen->state == REPLICATION_OK && ++seen->missing_looks < LOOKS_UNTIL_DEGRADED;
	pthread_mutex_unlock(&watch->reading);
	return soon;
}

/* ---- looking ---- */

/* Whether a replica of this name streams, as the primary says. */
static bool streams(const PGresult *result, const char *name)
{
	for (int row = 0; row < PQntuples(result); row++)
		if (strcasecmp(PQgetvalue(result, row, 0), name) == 0)
			return true;
	return false;
}

static int tell(PGconn *conn, const char *who, const char *names, struct err *err)
{
	struct arena arena;
	char *literal = PQescapeLiteral(conn, names, strlen(names));
	PGresult *result = NULL;
	int rc;

	arena_init(&arena, ARENA_BLOCK_SIZE);
	rc = node_ask(conn, who, arena_printf(&arena, "ALTER SYSTEM SET synchronous_standby_names = %s", literal), NULL, PGRES_COMMAND_OK, &result, err);
	PQfreemem(literal);
	arena_release(&arena);
	if (rc < 0)
		return rc;
	PQclear(result);
	rc = node_ask(conn, who, "SELECT pg_catalog.pg_reload_conf()", NULL, PGRES_TUPLES_OK, &result, err);
	if (rc == 0)
		PQclear(result);
	return rc < 0 ? rc : 1;
}

/* Commits that wait already are told that fewer replicas do when one of those confirms something, and an idle one does so every ten seconds
 * (wal_receiver_status_interval): it is given something, in a commit that waits for nobody. Its sender may have it before it reads the configuration. */
static int wake_waiting(struct replication_watch *watch, PGconn *conn, const char *who, const char *shard, struct err *err)
{
	struct replication_seen *seen;
	PGresult *result = NULL;
	bool owed;
	int rc;

	pthread_mutex_lock(&watch->reading);
	seen = find(watch, shard);
	owed = seen && seen->wakings > 0;
	if (owed)
		seen->wakings--;
	pthread_mutex_unlock(&watch->reading);
	if (!owed)
		return 0;
	rc = node_ask(conn, who, FLUSH_SQL, NULL, PGRES_TUPLES_OK, &result, err);
	PQclear(result);
	return rc;
}

static void owe_wakings(struct replication_watch *watch, const char *shard)
{
	struct replication_seen *seen;

	pthread_mutex_lock(&watch->reading);
	seen = find(watch, shard);
	if (seen)
		seen->wakings = WAKINGS;
	pthread_mutex_unlock(&watch->reading);
}

/* What the primary should be told, and whether it was told so already, or another time; when it read its configuration last; memory of `arena`. */
struct finding { const char *names, *loaded; enum replication_state state; bool told, ours; };

/* Whether these names are nodes of the shard, quoted as tell() has them: somebody else's are no business of an async shard's. */
static bool are_ours(const struct topology *topology, int shard, const char *names)
{
	const char *at = strchr(names, '"'), *end;
	bool found = false;

	for (; at; at = strchr(end + 1, '"')) {
		found = false;
		end = strchr(++at, '"');
		for (size_t i = 0; end && i < topology->node_count; i++)
			found |= topology->nodes[i].shard == shard && strlen(topology->nodes[i].name) == (size_t)(end - at) &&
				 strncmp(topology->nodes[i].name, at, (size_t)(end - at)) == 0;
		if (!found)
			break;
	}
	return found;
}

static int look(const struct topology *topology, int index, PGconn *conn, struct arena *arena, struct finding *ret, struct err *err)
{
	const struct shard *shard = &topology->shards[index];
	const char *who = topology->nodes[shard->primary].name, *replicas[NODES_MAX];
	int nodes[NODES_MAX], rc;
	size_t count = topology_replicas(topology, index, nodes);
	bool streaming[NODES_MAX];
	PGresult *result = NULL;

	rc = node_ask(conn, who, "SELECT '', pg_catalog.current_setting('synchronous_standby_names'), pg_catalog.pg_conf_load_time()::text UNION ALL"
		 " SELECT application_name, '', '' FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'", NULL, PGRES_TUPLES_OK, &result, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		replicas[i] = topology->nodes[nodes[i]].name;
		streaming[i] = streams(result, replicas[i]);
	}
	ret->names = replication_names(&shard->replication, replicas, streaming, count, arena, &ret->state);
	ret->told = strcmp(PQgetvalue(result, 0, 1), ret->names) == 0;
	ret->loaded = arena_strdup(arena, PQgetvalue(result, 0, 2));
	ret->ours = are_ours(topology, index, PQgetvalue(result, 0, 1));
	PQclear(result);
	return 0;
}

/* Whether its commits wait, as it was told: they have been seen to since it read its configuration last. */
static int see_wait(struct replication_watch *watch, const struct config *config, const struct topology *topology, int index, PGconn *conn,
		    const struct finding *found, bool *ret_wait, struct err *err)
{
	const struct replication_seen *seen;
	PGconn *committing = NULL;
	int rc = 0;

	pthread_mutex_lock(&watch->reading);
	seen = find(watch, topology->shards[index].name);
	*ret_wait = seen && strcmp(seen->loaded, found->loaded) == 0;
	pthread_mutex_unlock(&watch->reading);
	if (!*ret_wait) {
		rc = node_open(config, &topology->nodes[topology->shards[index].primary], topology_node_database(topology, index), &committing, err);
		if (rc == 0)
			rc = commit_wait_seen(conn, committing, ret_wait, err);
		PQfinish(committing);
	}
	return rc;
}

static int look_and_tell(struct replication_watch *watch, const struct config *config, const struct topology *topology, int index, bool patient, PGconn *conn,
			 struct arena *arena, struct err *err)
{
	const struct shard *shard = &topology->shards[index];
	const char *who = topology->nodes[shard->primary].name;
	bool waits = true;
	struct finding found;
	int rc = look(topology, index, conn, arena, &found, err);

	if (rc < 0 || (patient && too_soon(watch, shard, found.state)))
		return rc;
	if (found.told && *found.names)
		rc = see_wait(watch, config, topology, index, conn, &found, &waits, err);
	if (rc < 0)
		return rc;
	if (shard->replication.mode == REPLICATION_ASYNC)
		found.told |= patient && !found.ours;
	else if (((found.told && waits) || found.state != REPLICATION_OK) && note(watch, shard, found.state, found.told && waits ? found.loaded : ""))
		tell_of(shard, found.state, found.names);
	if (!found.told && config_has_agent(config, who))
		return 1;               /* its agent tells it, from the same rule */
	if (found.told)
		return waits ? wake_waiting(watch, conn, who, shard->name, err) : 1;
	rc = tell(conn, who, found.names, err);
	if (rc > 0)
		owe_wakings(watch, shard->name);
	return rc;
}

int replication_look(struct replication_watch *watch, const struct config *config, const struct topology *topology, int shard, bool patient,
		     PGconn **conn, struct err *err)
{
	const struct node *primary = &topology->nodes[topology->shards[shard].primary];
	struct arena arena;
	int rc = 0;

	arena_init(&arena, ARENA_BLOCK_SIZE);
	if (!*conn)
		rc = node_open(config, primary, topology_node_database(topology, shard), conn, err);
	if (rc == 0)
		rc = look_and_tell(watch, config, topology, shard, patient, *conn, &arena, err);
	if (rc < 0) {
		PQfinish(*conn);
		*conn = NULL;
	}
	arena_release(&arena);
	return rc;
}

/* ---- nanu.set_replication() ---- */

static int read_call(struct job *job, const struct call *call, const char **ret_shard, struct replication_rule *ret)
{
	static const char *const names[] = { "shard", "mode", "k", "when_missing", NULL };
	const char *mode = call_arg(call, 1, "mode", NULL), *count = call_arg(call, 2, "k", NULL);
	const char *missing = call_arg(call, 3, "when_missing", "block");
	char *end = NULL;

	if (call_check(call, names, &job->err) < 0)
		return job->err.code;
	*ret_shard = call_arg(call, 0, "shard", NULL);
	*ret = (struct replication_rule){ .degrades = strcmp(missing, "degrade") == 0 };
	if (!*ret_shard || !mode || !replication_mode_read(mode, &ret->mode)) {
		err_set(&job->err, ERR_INVALID_VALUE, "nanu.set_replication needs a shard, and a mode: async, semi-sync or sync");
		err_hint(&job->err, "SELECT nanu.set_replication('s1', 'semi-sync', k => 1, when_missing => 'degrade')");
		return job->err.code;
	}
	if (!ret->degrades && strcmp(missing, "block") != 0)
		return err_set(&job->err, ERR_INVALID_VALUE, "when_missing is 'block' or 'degrade', not '%s'", missing);
	if (ret->mode == REPLICATION_ASYNC)
		ret->degrades = false;
	if (ret->mode == REPLICATION_SEMI_SYNC)
		ret->count = (unsigned)strtoul(count ? count : "1", &end, 10);
	else if (count)
		return err_set(&job->err, ERR_INVALID_VALUE, "k is of mode semi-sync only: sync waits for all replicas, async for none");
	if (end && (*end || ret->count < 1 || ret->count > NODES_MAX))
		return err_set(&job->err, ERR_INVALID_VALUE, "k must be a whole number from 1 to %d, not \"%s\"", NODES_MAX, count);
	return 0;
}

/* Until the primary waits so: a server takes a moment to read its configuration. */
static int settle(struct replication_watch *watch, const struct config *config, const struct topology *topology, int shard, int tries, PGconn **conn,
		  struct err *err)
{
	static const struct timespec pause = { .tv_nsec = SETTLE_TRY_MS * 1000000 };

	for (int i = 0; i < tries; i++) {
		int rc = replication_look(watch, config, topology, shard, false, conn, err);

		if (rc <= 0)
			return rc;
		nanosleep(&pause, NULL);
	}
	return err_set(err, ERR_WRONG_STATE, "node \"%s\" was told whom to wait for, but its commits are not seen to wait yet: its checkpointer may be busy",
		       topology->nodes[topology->shards[shard].primary].name);
}

void replication_settle(struct admin *admin, const struct topology *topology, int shard)
{
	PGconn *conn = NULL;
	struct err err;

	if (topology->shards[shard].replication.mode == REPLICATION_ASYNC)
		return;
	pthread_mutex_lock(&admin->watch->acting);
	(void)!settle(admin->watch, admin->config, topology, shard, SETTLE_TRIES, &conn, &err);
	pthread_mutex_unlock(&admin->watch->acting);
	PQfinish(conn);
}

int replication_take_over(struct replication_watch *watch, const struct config *config, const struct topology *topology, int shard, struct err *err)
{
	const struct replication_rule *rule = &topology->shards[shard].replication;
	PGconn *conn = NULL;
	int rc;

	if (rule->mode == REPLICATION_ASYNC)
		return 0;
	pthread_mutex_lock(&watch->acting);
	rc = settle(watch, config, topology, shard, SETTLE_TRIES, &conn, err);
	pthread_mutex_unlock(&watch->acting);
	PQfinish(conn);
	return rc < 0 && rule->degrades ? 0 : rc;
}

/* A primary that is to wait for replicas must not begin with waiting for ever. */
static int check_enough(struct admin *admin, struct job *job, const struct topology *next, int shard, PGconn **conn)
{
	const struct node *primary = &next->nodes[next->shards[shard].primary];
	struct finding found;
	int rc = node_open(admin->config, primary, topology_node_database(next, shard), conn, &job->err);

	if (rc == 0)
		rc = look(next, shard, *conn, &job->arena, &found, &job->err);
	if (rc < 0 || found.state != REPLICATION_BLOCKED)
		return rc;
	err_set(&job->err, ERR_WRONG_STATE, "too few replicas of shard \"%s\" stream: commits would wait from now on", next->shards[shard].name);
	err_hint(&job->err, "A replica streams under its node's name: application_name in its primary_conninfo. Or say when_missing => 'degrade'.");
	return ERR_WRONG_STATE;
}

int replication_check_nodes(struct admin *admin, const struct topology *old, const struct topology *next, int shard, struct err *err)
{
	const struct shard *changed = &next->shards[shard];
	struct finding before = { 0 }, after = { 0 };
	struct arena arena;
	PGconn *conn = NULL;
	struct err why;
	int rc;

	if (changed->replication.mode == REPLICATION_ASYNC || changed->replication.degrades)
		return 0;
	arena_init(&arena, ARENA_BLOCK_SIZE);
	rc = node_open(admin->config, &next->nodes[changed->primary], topology_node_database(next, shard), &conn, &why);
	if (rc == 0)
		rc = look(old, shard, conn, &arena, &before, &why);
	if (rc == 0)
		rc = look(next, shard, conn, &arena, &after, &why);
	PQfinish(conn);
	arena_release(&arena);
	if (rc < 0 || before.state == REPLICATION_BLOCKED || after.state != REPLICATION_BLOCKED)
		return 0;               /* a primary that does not answer acknowledges nothing */
	err_set(err, ERR_WRONG_STATE, "commits of shard \"%s\", which is %s, would wait from now on: too few of its replicas would stream under their nodes' names",
		changed->name, replication_mode_name(changed->replication.mode));
	err_hint(err, "That name is application_name in a replica's primary_conninfo. Or change what commits wait for: nanu.set_replication().");
	return err->code;
}

/* Another router has set another mode since, and tells the primary that. */
static bool is_changed(struct admin *admin, const struct topology *next, int shard)
{
	const struct replication_rule *wanted = &next->shards[shard].replication, *now;
	struct snapshot *snapshot;
	struct err err;
	bool changed;
	int index;

	if (admin->follow(admin->program, &err) < 0)
		return false;
	snapshot = admin->snapshot(admin->program);
	index = topology_shard(snapshot->topology, next->shards[shard].name);
	now = index < 0 ? NULL : &snapshot->topology->shards[index].replication;
	changed = !now || now->mode != wanted->mode || now->count != wanted->count || now->degrades != wanted->degrades;
	snapshot_unref(snapshot);
	return changed;
}

/* What is stored holds: the primary is told again and again until it does so, but not that it is to be async. */
static int tell_primary(struct admin *admin, struct job *job, const struct topology *next, int shard, PGconn **conn)
{
	int rc = ERR_WRONG_STATE;
	struct err why;

	for (int tries = 0; rc == ERR_WRONG_STATE && tries < SETTLE_TRIES; tries += SETTLE_TRIES_ALONE) {
		rc = settle(admin->watch, admin->config, next, shard, SETTLE_TRIES_ALONE, conn, &why);
		if (rc == 0 || (rc == ERR_WRONG_STATE && is_changed(admin, next, shard)))
			return 0;
	}
	err_set(&job->err, ERR_WRONG_STATE, "shard \"%s\" is to be %s from now on, but its primary does not wait so yet", next->shards[shard].name,
		replication_mode_name(next->shards[shard].replication.mode));
	err_detail(&job->err, "%s", why.message);
	err_hint(&job->err, "It is told again and again. nanu.shards says in replication_state when it waits so; or call this again.");
	return ERR_WRONG_STATE;
}

static int set(struct admin *admin, struct job *job, const struct topology *topology, const char *name, const struct replication_rule *replication)
{
	int shard = topology_shard(topology, name), rc;
	struct topology *next = NULL;
	PGconn *conn = NULL;

	if (shard < 0) {
		err_set(&job->err, ERR_UNDEFINED_OBJECT, "shard \"%s\" does not exist", name);
		err_hint(&job->err, "SELECT name FROM nanu.shards lists them.");
		return job->err.code;
	}
	rc = topology_with_replication(topology, name, replication, &next, &job->err);
	if (rc < 0)
		err_sqlstate(&job->err, "55000");
	if (rc == 0)
		rc = check_enough(admin, job, next, shard, &conn);
	if (rc == 0)
		rc = admin->change(admin->program, next, CHANGE_STORE, &job->err);
	if (rc == 0)
		rc = tell_primary(admin, job, next, shard, &conn);
	if (rc == 0)
		replication_watch_keep(admin->watch, next);
	PQfinish(conn);
	topology_unref(next);
	return rc;
}

int admin_set_replication(struct admin *admin, struct job *job, const struct call *call)
{
	struct replication_rule replication;
	const char *shard = NULL;
	int rc = read_call(job, call, &shard, &replication);

	if (rc < 0)
		return rc;
	if (job->in_block) {
		err_set(&job->err, ERR_TX_STATE, "nanu.set_replication cannot run inside a transaction block");
		err_sqlstate(&job->err, "25001");
		err_hint(&job->err, "It changes the primary at once and cannot be rolled back: commit first, and call it by itself.");
		return job->err.code;
	}
	pthread_mutex_lock(&admin->watch->acting);
	rc = ERR_CONFLICT;              /* another router's change that came before is no reason to fail */
	for (int tries = 0; rc == ERR_CONFLICT && tries <= CHANGE_TRIES_MAX; tries++) {
		struct snapshot *snapshot = admin->snapshot(admin->program);

		rc = set(admin, job, snapshot->topology, shard, &replication);
		snapshot_unref(snapshot);
		if (rc == ERR_CONFLICT && admin->follow(admin->program, &job->err) < 0)
			rc = job->err.code;
	}
	pthread_mutex_unlock(&admin->watch->acting);
	return rc < 0 ? rc : admin_say(job, call, OID_TEXT, arena_printf(&job->arena, "%s is %s", shard, replication_mode_name(replication.mode)));
}

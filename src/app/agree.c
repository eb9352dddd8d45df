/* agree: how the routers on one store come to serve by the same topology. ARCHITECTURE.md, "Several routers on one etcd", has the reasoning.
 *
 * What a router does with what the store has: it takes what is newer, confirms it when all of its workers have it, and takes back what a router
 * left half done that is not there any more. What is older than what it serves by it does not take: then the store was restored from an old copy.
 * All of this by the thread that changes the plane.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/plane.h"
#include "app/routers.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/env.h"
#include "route/snapshot.h"
#include "store/store.h"
#include "topo/config.h"
#include "topo/topology.h"

#define SCHEMAS "schemas/"

enum { HEAR_MS_MAX = 2000, KEY_SIZE = 256 };

static uint64_t now_ms(void)
{
	const struct env *env = env_system();

	return env->now_us(env->world) / 1000;
}

/* ---- the newest epoch that this router has served by, noted beside the other files of its own ---- */

static void note_path(const struct config *config, char path[PATH_MAX], const char *ending)
{
	snprintf(path, PATH_MAX, "%s-epoch%s", config->store, ending);
}

/* 0: there is no note. One that cannot be read is no reason to take any store for a new one. */
static int noted_epoch(const struct config *config, uint64_t *ret_epoch, struct err *err)
{
	char path[PATH_MAX], text[32] = "", *end = text, why[128] = "It is not a number and the end of a line.";
	FILE *file;

	*ret_epoch = 0;
	note_path(config, path, "");
	file = fopen(path, "re");
	if (!file && errno == ENOENT)
		return 0;
	if (!file || !fgets(text, sizeof(text), file))
		snprintf(why, sizeof(why), "%s.", file && !ferror(file) ? "It is empty" : strerror(errno));
	if (file)
		fclose(file);
	errno = 0;
	if (*text >= '0' && *text <= '9')
		*ret_epoch = strtoull(text, &end, 10);
	if (*end == '\n' && errno == 0)
		return 0;
	err_set(err, ERR_WRONG_STATE, "the note of the newest epoch that this router has served by cannot be read: %.200s", path);
	err_detail(err, "%s", why);
	err_hint(err, "It tells whether the store is an old copy. If that is the newest one, remove the note.");
	return ERR_WRONG_STATE;
}

static void note_epoch(const struct plane *plane, uint64_t epoch)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	FILE *file;

	note_path(plane->config, path, "");
	note_path(plane->config, fresh, ".new");
	file = fopen(fresh, "we");
	if (!file || fprintf(file, "%" PRIu64 "\n", epoch) < 0 || fflush(file) != 0 || fsync(fileno(file)) < 0 || rename(fresh, path) < 0)
		log_warn("plane", "file=%s msg=\"cannot note the epoch of the topology: a store restored from an old copy would not be noticed at a start\"",
			 path);
	if (file)
		fclose(file);
}

int agree_check_start(struct plane *plane, uint64_t stored_epoch, struct err *err)
{
	uint64_t noted, greatest = 0;
	char who[ROUTER_WHO_SIZE], path[PATH_MAX];
	int rc = noted_epoch(plane->config, &noted, err);

	if (rc == 0 && plane->routers)
		rc = routers_greatest(plane->routers, &greatest, who, err);
	if (rc < 0)
		return rc;
	if (stored_epoch >= noted && stored_epoch >= greatest)
		return 0;
	note_path(plane->config, path, "");
	if (!plane->routers) {
		err_set(err, ERR_WRONG_STATE, "the topology in %s is of epoch %" PRIu64 ", but this router has served by epoch %" PRIu64, plane->config->store,
			stored_epoch, noted);
		err_detail(err, "The file is an old copy, it seems, or a new one: by its topology, statements would go to wrong shards.");
		err_hint(err, "Put a newer copy back. If this one is right, remove the note %.200s.", path);
		return ERR_WRONG_STATE;
	}
	if (stored_epoch < greatest)
		err_set(err, ERR_WRONG_STATE, "the topology in etcd is of epoch %" PRIu64 ", but router %s serves by epoch %" PRIu64, stored_epoch, who,
			greatest);
	else
		err_set(err, ERR_WRONG_STATE, "the topology in etcd is of epoch %" PRIu64 ", but this router has served by epoch %" PRIu64, stored_epoch,
			noted);
	err_detail(err, "etcd was restored from an old copy, it seems: by its topology, statements would go to wrong shards.");
	err_hint(err, "SELECT nanu.restore_topology() on a router that runs stores the newer one. Else restore a newer copy; if the old one is right, "
		 "stop every router and remove their notes (here: %.200s).", path);
	return ERR_WRONG_STATE;
}

/* ---- a store that went back ---- */

/* Every change has an epoch of its own: what is of a lower one, or of the same and another, does not come after what this router has. */
static bool is_older(const struct topology *ours, const struct topology *stored)
{
	return !stored || stored->epoch < ours->epoch || (stored->epoch == ours->epoch && !topology_same(stored, ours));
}

static void set_went_back(struct plane *plane, struct err *why)
{
	struct err *old;

	pthread_mutex_lock(&plane->lock);
	old = plane->went_back;
	plane->went_back = why;
	pthread_mutex_unlock(&plane->lock);
	mem_free(old);
}

static void note_older(struct plane *plane, uint64_t stored_epoch)
{
	uint64_t ours = plane->snapshot->topology->epoch;
	struct err *why;

	if (plane->went_back)
		return;
	why = mem_calloc(1, sizeof(*why));
	err_set(why, ERR_WRONG_STATE, "the topology in etcd (epoch %" PRIu64 ") is not one that came after this router's (epoch %" PRIu64
		"): etcd was restored from an old copy", stored_epoch, ours);
	err_detail(why, "This router goes on by the topology that it has, and changes nothing.");
	err_hint(why, "SELECT nanu.restore_topology() stores this router's topology; or restore a newer copy of etcd.");
	log_error("plane", "epoch=%" PRIu64 " stored_epoch=%" PRIu64 " msg=\"etcd has an older topology: it was restored from an old copy. This router keeps "
		  "its own, and refuses changes until nanu.restore_topology()\"", ours, stored_epoch);
	set_went_back(plane, why);
}

static void forget_older(struct plane *plane)
{
	if (!plane->went_back)
		return;
	log_info("plane", "epoch=%" PRIu64 " msg=\"the topology in etcd is the newest again\"", plane->snapshot->topology->epoch);
	set_went_back(plane, NULL);
}

int agree_may_change(struct plane *plane, struct err *err)
{
	if (!plane->went_back)
		return 0;
	if (err)
		*err = *plane->went_back;
	return plane->went_back->code;
}

int plane_restore_topology(struct plane *plane, struct err *err)
{
	const struct topology *ours = plane->snapshot->topology;
	struct topology *stored = NULL, *next;
	struct store_entry entry;
	char who[ROUTER_WHO_SIZE];
	uint64_t greatest;
	int rc;

	if (!plane->routers || !plane->went_back)
		return err_set(err, ERR_WRONG_STATE, "the store's topology is not older than this router's");
	rc = routers_greatest(plane->routers, &greatest, who, err);
	if (rc == 0 && greatest > ours->epoch)
		return err_set(err, ERR_WRONG_STATE, "router %s has a newer topology (epoch %" PRIu64 "): call it there", who, greatest);
	if (rc == 0)
		rc = store_get(plane->store, STORE_KEY_TOPOLOGY, &entry, err);
	if (rc < 0)
		return rc;
	rc = entry.value ? topology_from_json(entry.value, &stored, NULL) : 0;  /* damaged: it is replaced */
	next = topology_copy(ours, (rc == 0 && stored && stored->epoch > ours->epoch ? stored->epoch : ours->epoch) + 1);
	mem_free(entry.value);
	topology_unref(stored);
	plane->revision = entry.revision;
	set_went_back(plane, NULL);
	rc = plane_save(plane, next, err);
	if (rc == 0)
		plane_publish_topology(plane, topology_ref(next));
	else
		note_older(plane, 0);
	topology_unref(next);
	return rc < 0 ? rc : agree_confirm(plane, err);
}

/* ---- schemas: definitions that were run through another router ---- */

/* The greatest revision among them is what this process confirms that it knows. `refresh`: reads what is new. */
static int follow_schemas(struct plane *plane, bool refresh, struct err *err)
{
	struct store_item *items;
	uint64_t newest = 0;
	size_t count;
	int rc = store_list(plane->store, SCHEMAS, &items, &count, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++)
		newest = items[i].revision > newest ? items[i].revision : newest;
	for (size_t i = 0; refresh && rc == 0 && i < count; i++) {
		const char *name = items[i].key + strlen(SCHEMAS);
		bool ours = strcmp(items[i].value, routers_me(plane->routers)) == 0;

		/* A counter that has gone back says nothing of what is new. */
		if ((items[i].revision > plane->schemas && !ours) || newest < plane->schemas)
			if (topology_database(plane->snapshot->topology, name))
				rc = plane_refresh(plane, name, NULL);
	}
	if (rc == 0)            /* else it is not confirmed, and read when there is the next change */
		plane->schemas = newest;
	store_items_free(items, count);
	return 0;
}

int agree_learn_schemas(struct plane *plane, struct err *err)
{
	return follow_schemas(plane, false, err);
}

/* What another router defined and this one has not read yet is read before its word is written over. */
static int tell_schema(struct plane *plane, const char *database, struct err *err)
{
	struct store_entry entry;
	char key[KEY_SIZE];
	int rc = ERR_CONFLICT;

	snprintf(key, sizeof(key), SCHEMAS "%s", database);
	for (int tries = 0; rc == ERR_CONFLICT && tries < CHANGE_TRIES_MAX; tries++) {
		rc = store_get(plane->store, key, &entry, err);
		if (rc < 0)
			break;
		if (entry.revision > plane->schemas && strcmp(entry.value, routers_me(plane->routers)) != 0)
			rc = plane_refresh(plane, database, err);
		mem_free(entry.value);
		if (rc == 0)
			rc = store_swap(plane->store, key, entry.revision, routers_me(plane->routers), &plane->awaited_schemas, err);
	}
	return rc;
}

/* What could not be told when it was done. Of all databases: it is rare, and reading a schema for nothing does no harm. */
static int tell_untold(struct plane *plane, struct err *err)
{
	const struct topology *topology = plane->snapshot->topology;
	int rc = 0;

	for (size_t i = 0; plane->untold && rc == 0 && i < topology->database_count; i++)
		rc = tell_schema(plane, topology->databases[i].name, err);
	plane->untold = plane->untold && rc < 0;
	return rc;
}

void plane_defined(struct plane *plane, const char *database, bool away)
{
	struct err err;

	if (!plane->routers)
		return;
	if (!away && tell_schema(plane, database, &err) == 0)
		return;
	plane->untold = true;
	if (!away)
		plane_log_failure("the other routers are told later that the schema has changed", &err);
}

/* ---- following ---- */

int agree_confirm(struct plane *plane, struct err *err)
{
	return routers_confirm(plane->routers, plane->snapshot->topology->epoch, plane->schemas, plane->went_back != NULL, err);
}

/* Whether nobody is at it any more. This process is not. */
static int is_left_over(struct plane *plane, const struct sharded_table *table, struct err *err)
{
	int rc;

	if (!table->being_sharded)
		return 0;
	if (strcmp(table->sharded_by, routers_me(plane->routers)) == 0)
		return 1;
	rc = routers_has(plane->routers, table->sharded_by, err);
	return rc < 0 ? rc : !rc;
}

/* A table that a router began to shard and did not end: it is again as it was. */
static int take_back_left_overs(struct plane *plane, struct err *err)
{
	struct topology *topology = topology_ref(plane->snapshot->topology), *next;
	int rc = 0;

	for (size_t i = 0; i < plane->snapshot->topology->database_count && rc >= 0; i++) {
		const struct database *database = &plane->snapshot->topology->databases[i];

		for (size_t j = 0; j < database->table_count && rc >= 0; j++) {
			const struct sharded_table *table = &database->tables[j];

			rc = is_left_over(plane, table, err);
			if (rc <= 0)
				continue;
			log_info("plane", "database=%s table=%s.%s router=%s msg=\"its sharding was not brought to an end: taken back\"", database->name,
				 table->schema, table->name, table->sharded_by);
			rc = topology_without_table(topology, database->name, table->schema, table->name, &next, err);
			if (rc == 0) {
				topology_unref(topology);
				topology = next;
			}
		}
	}
	if (rc >= 0 && topology != plane->snapshot->topology) {
		rc = plane_save(plane, topology, err);
		if (rc == 0)
			plane_publish_topology(plane, topology_ref(topology));
	}
	topology_unref(topology);
	return rc;
}

int agree_take_newer(struct plane *plane, struct err *err)
{
	struct topology *stored = NULL;
	struct store_entry entry;
	int rc = store_get(plane->store, STORE_KEY_TOPOLOGY, &entry, err);

	if (rc == 0 && entry.value)
		rc = topology_from_json(entry.value, &stored, err);
	if (rc < 0) {
		mem_free(entry.value);
		return rc;
	}
	mem_free(entry.value);
	if (is_older(plane->snapshot->topology, stored)) {
		note_older(plane, stored ? stored->epoch : 0);
	} else {
		forget_older(plane);
		plane->revision = entry.revision;
		plane->stored_epoch = stored->epoch;
		if (stored->epoch != plane->snapshot->topology->epoch)
			plane_publish_topology(plane, topology_ref(stored));
	}
	topology_unref(stored);
	return 0;
}

int agree_follow(struct plane *plane, bool idle, struct err *err)
{
	int rc = agree_take_newer(plane, err);

	if (rc == 0)
		rc = tell_untold(plane, err);
	if (rc == 0)
		rc = follow_schemas(plane, true, err);
	if (rc == 0 && idle && !plane->went_back)
		rc = take_back_left_overs(plane, err);
	if (rc == ERR_CONFLICT)         /* somebody else has: what it made of it comes as the next change */
		rc = 0;
	return rc < 0 ? rc : agree_confirm(plane, err);
}

/* ---- waiting for the others ---- */

/* Follows them, too: they may be waiting for this one. */
static int wait_for_change(struct plane *plane, uint64_t *counter, uint64_t until_ms, struct err *err)
{
	uint64_t now = now_ms();
	int rc;

	if (__atomic_load_n(&plane->stopping, __ATOMIC_RELAXED))
		return err_set(err, ERR_SHUTDOWN, "the router is shutting down");
	rc = store_changed(plane->store, counter, until_ms > now ? (unsigned)(until_ms - now) : 0, err);
	return rc > 0 ? agree_follow(plane, false, err) : rc;
}

/* A router that has just started is a member before it is heard from. */
static int all_heard(struct plane *plane, struct err *err)
{
	uint64_t until_ms = now_ms() + HEAR_MS_MAX, counter = 0;
	char who[ROUTER_WHO_SIZE];
	int rc;

	for (;;) {
		rc = routers_agree(plane->routers, 0, 0, who, err);
		if (rc != ERR_WRONG_STATE || now_ms() >= until_ms)
			return rc < 0 ? rc : 0;
		rc = wait_for_change(plane, &counter, until_ms, err);
		if (rc < 0)
			return rc;
	}
}

static int wait_for_all(struct plane *plane, uint64_t epoch, struct err *err)
{
	uint64_t until_ms = now_ms() + plane->config->router_timeout, counter = 0;
	char who[ROUTER_WHO_SIZE] = "";
	int rc;

	for (;;) {
		rc = routers_agree(plane->routers, epoch, 0, who, err);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		if (now_ms() >= until_ms) {
			err_set(err, ERR_WRONG_STATE, "router %s did not confirm the change within %u ms", who, plane->config->router_timeout);
			err_hint(err, "It may be busy with a change of its own, or wait for a node that does not answer: try again, and look into its log.");
			return ERR_WRONG_STATE;
		}
		rc = wait_for_change(plane, &counter, until_ms, err);
		if (rc < 0)
			return rc;
	}
}

void plane_await(struct plane *plane)
{
	uint64_t until_ms = now_ms() + plane->config->router_timeout, counter = 0;
	char who[ROUTER_WHO_SIZE] = "", quoted[600];
	struct err err;
	int rc = 0;

	if (!plane->routers || (!plane->awaited_epoch && !plane->awaited_schemas))
		return;
	if (routers_agree(plane->routers, 0, 0, who, &err) == ERR_WRONG_STATE)
		log_warn("plane", "msg=\"what was defined here is not known everywhere: %s\"", log_quote(err.message, quoted, sizeof(quoted)));
	while (rc == 0) {
		rc = routers_heard_agree(plane->routers, plane->awaited_epoch, plane->awaited_schemas, who, &err);
		if (rc != 0)
			break;
		if (now_ms() >= until_ms) {
			log_warn("plane", "epoch=%" PRIu64 " router=%s msg=\"it has not confirmed what was changed here\"", plane->awaited_epoch, who);
			break;
		}
		rc = wait_for_change(plane, &counter, until_ms, &err);
	}
	plane->awaited_epoch = plane->awaited_schemas = 0;
}

/* ---- changing ---- */

int agree_change(struct plane *plane, struct topology *topology, enum topology_change how, struct err *err)
{
	int rc = agree_may_change(plane, err);

	if (rc == 0 && how == CHANGE_ANNOUNCE)
		rc = all_heard(plane, err);
	if (rc == 0)
		rc = plane_save(plane, topology, err);
	if (rc < 0)
		return rc;
	plane_publish_topology(plane, topology_ref(topology));
	rc = agree_confirm(plane, err);
	if (how == CHANGE_ANNOUNCE)
		return rc < 0 ? rc : wait_for_all(plane, topology->epoch, err);
	return 0;                       /* it is stored: who has not confirmed it yet refuses statements, or is told again */
}

int plane_forget_router(struct plane *plane, const char *name, struct err *err)
{
	int rc;

	if (!plane->routers) {
		err_set(err, ERR_WRONG_STATE, "this router shares its store with no other");
		err_hint(err, "etcd_hosts has several routers share an etcd.");
		return ERR_WRONG_STATE;
	}
	rc = routers_forget(plane->routers, name, err);
	if (rc == 0)
		rc = routers_refresh(plane->routers, err);
	return rc < 0 ? rc : agree_follow(plane, true, err);
}

void agree_published(struct plane *plane)
{
	note_epoch(plane, plane->stored_epoch);
}

#include "app/plane.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin.h"
#include "app/leaders.h"
#include "app/routers.h"
#include "app/takeover.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "ha/sampler.h"
#include "route/snapshot.h"
#include "session/worker.h"
#include "store/store.h"
#include "topo/config.h"
#include "topo/topology.h"

enum { PLACE_SIZE = 128 };

int plane_load_catalog(const struct plane *plane, const struct config *config, const struct topology *topology, const struct database *database,
		       struct catalog **ret_catalog, struct err *err)
{
	const struct node *home = &topology->nodes[topology->shards[database->shards[0]].primary];
	char *conninfo = admin_conninfo(config, home, database->node_database);
	int rc = catalog_load(conninfo, plane->snapshot ? plane->snapshot->version + 1 : 1, ret_catalog, err);

	mem_free(conninfo);
	return rc;
}

void plane_log_failure(const char *what, const struct err *err)
{
	char quoted[600];

	log_warn("plane", "sqlstate=%s msg=\"%s: %s\"", err->sqlstate, what, log_quote(err->message, quoted, sizeof(quoted)));
}

void plane_publish(struct plane *plane, struct topology *topology, struct catalog *const *catalogs)
{
	struct snapshot *old = plane->snapshot;
	struct snapshot *fresh = snapshot_new(old ? old->version + 1 : 1, topology, catalogs, old);

	leaders_follow(plane->leaders, plane->config, fresh);
	pthread_mutex_lock(&plane->lock);
	plane->snapshot = fresh;
	pthread_mutex_unlock(&plane->lock);
	if (plane->services)
		services_publish(plane->services, fresh);
	plane_sample(plane);
	snapshot_unref(old);
}

static char *sampler_conninfo(void *program, int index, bool served)
{
	enum { CONNECT_SECONDS_MAX = 2, SIZE_MAX_ = 8192 };
	const struct plane *plane = program;
	const struct topology *topology = plane->snapshot->topology;
	const struct node *node = &topology->nodes[index];
	char *conninfo = admin_conninfo(plane->config, node, served ? topology_node_database(topology, node->shard) : "postgres");
	struct buf out;

	buf_init(&out, SIZE_MAX_);
	buf_add_text(&out, conninfo);   /* of two settings the second counts */
	buf_printf(&out, "connect_timeout=%d application_name='nanu sampler'", CONNECT_SECONDS_MAX);
	buf_add_u8(&out, 0);
	mem_free(conninfo);
	return out.data;
}

void plane_sample(struct plane *plane)
{
	const struct config *config = plane->config;

	if (plane->sampler)
		sampler_follow(plane->sampler, plane->snapshot, config->max_lag * UINT64_C(1000), config->sample_interval, sampler_conninfo, plane);
}

int plane_save(struct plane *plane, const struct topology *topology, struct err *err)
{
	int rc = agree_may_change(plane, err);
	char *json;

	if (rc < 0)
		return rc;
	json = topology_to_json(topology);
	rc = store_swap(plane->store, STORE_KEY_TOPOLOGY, plane->revision, json, &plane->revision, err);
	mem_free(json);
	if (rc == 0)
		plane->awaited_epoch = plane->stored_epoch = topology->epoch;
	for (int i = 0; rc == 0 && i < NEIGHBOUR_COUNT; i++)
		takeover_tell_store(__atomic_load_n(&plane->peers[i], __ATOMIC_RELAXED));
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
		log_info("plane", "database=%s table=%s.%s msg=\"%s\"", database->name, table->schema, table->name,
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

/* What was read is kept only together with what follows from it for the topology: else nobody would find it again. */
static int refresh(struct plane *plane, const char *only, struct err *err)
{
	struct snapshot *old = plane->snapshot;
	size_t count = old->topology->database_count;
	struct catalog **catalogs = mem_calloc(count + 1, sizeof(*catalogs));
	struct topology *topology = topology_ref(old->topology);
	bool changed = false, edited;
	struct err why;
	int rc = 0;

	for (size_t i = 0; i < count; i++) {
		const struct database *database = &old->topology->databases[i];

		catalogs[i] = old->catalogs[i] ? catalog_ref(old->catalogs[i]) : NULL;
		if (only ? strcmp(only, database->name) != 0 : catalogs[i] != NULL)
			continue;
		if (plane_load_catalog(plane, plane->config, old->topology, database, &catalogs[i], &why) < 0) {
			plane_log_failure("cannot read the schema", &why);
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
	edited = topology != old->topology;
	if (edited && plane_save(plane, topology, &why) < 0) {
		rc = why.code;
		if (err)
			*err = why;
		if (rc != ERR_CONFLICT)
			plane_log_failure("cannot store the topology", &why);
		changed = false;
	}
	if (changed) {
		plane_publish(plane, topology, catalogs);
		if (edited)
			agree_published(plane);
	} else {
		topology_unref(topology);
		for (size_t i = 0; i < count; i++)
			catalog_unref(catalogs[i]);
	}
	mem_free(catalogs);
	return rc;
}

int plane_refresh(struct plane *plane, const char *only, struct err *err)
{
	int rc = refresh(plane, only, err);

	/* Another router was faster. */
	for (int tries = 0; rc == ERR_CONFLICT && plane->routers && tries < CHANGE_TRIES_MAX; tries++) {
		rc = agree_take_newer(plane, err);
		if (rc == 0)
			rc = refresh(plane, only, err);
	}
	return rc;
}

struct snapshot *plane_snapshot(struct plane *plane)
{
	struct snapshot *snapshot;

	pthread_mutex_lock(&plane->lock);
	snapshot = snapshot_ref(plane->snapshot);
	pthread_mutex_unlock(&plane->lock);
	return snapshot;
}

struct config *plane_config(struct plane *plane)
{
	struct config *config;

	pthread_mutex_lock(&plane->lock);
	config = config_ref(plane->config);
	pthread_mutex_unlock(&plane->lock);
	return config;
}

/* Every process on the store holds a lock for reading, as long as it lives. Who has the only one can make it one for writing; else nothing changes.
 * Source: fcntl(2), "Open file description locks". */
static int lock_store(const struct plane *plane, short type, bool wait)
{
	struct flock all = { .l_type = type, .l_whence = SEEK_SET };
	int rc;

	do
		rc = fcntl(plane->lock_fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &all);
	while (rc < 0 && errno == EINTR);
	return rc;
}

static int join_store(struct plane *plane, struct err *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s-lock", plane->config->store);
	plane->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (plane->lock_fd < 0 || lock_store(plane, F_RDLCK, true) < 0)
		return err_set(err, ERR_IO, "cannot lock %s: %m", path);
	return 0;
}

int plane_change(struct plane *plane, struct topology *topology, enum topology_change how, struct err *err)
{
	size_t count = plane->snapshot->topology->database_count;
	struct catalog **catalogs;
	int rc;

	if (plane->routers)
		return agree_change(plane, topology, how, err);
	if (lock_store(plane, F_WRLCK, false) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return err_set(err, ERR_IO, "cannot lock the store: %m");
		err_set(err, ERR_WRONG_STATE, "another process of this router still serves sessions");
		err_hint(err, "Wait until the process that was taken over has ended; if this session is one of its, connect again.");
		return err->code;
	}
	catalogs = mem_calloc(count + 1, sizeof(*catalogs));
	rc = how == CHANGE_STORE ? plane_save(plane, topology, err) : 0;
	if (rc == 0) {
		for (size_t i = 0; i < count; i++)
			catalogs[i] = plane->snapshot->catalogs[i] ? catalog_ref(plane->snapshot->catalogs[i]) : NULL;
		plane_publish(plane, topology_ref(topology), catalogs);
		if (how == CHANGE_STORE)
			agree_published(plane);
	}
	mem_free(catalogs);
	lock_store(plane, F_RDLCK, false);
	return rc;
}

/* ---- life ---- */

static int first_topology(struct plane *plane, struct topology **ret_topology, struct err *err)
{
	struct topology *stored = NULL;
	struct store_entry entry;
	int rc = store_get(plane->store, STORE_KEY_TOPOLOGY, &entry, err);

	if (rc < 0)
		return rc;
	plane->revision = entry.revision;
	if (entry.value)
		rc = topology_from_json(entry.value, &stored, err);
	mem_free(entry.value);
	if (rc == 0)
		rc = agree_check_start(plane, plane->stored_epoch = stored ? stored->epoch : 0, err);
	if (rc == 0)
		rc = config_topology(plane->config, stored, ret_topology, err);
	if (rc == 0)
		plane->unsaved = !stored || stored->epoch != (*ret_topology)->epoch;
	topology_unref(stored);
	return rc;
}

/* Routers that start together on an empty etcd: one stores the first topology, on which nothing runs yet, and the others go on from it. */
static int first_of_all(struct plane *plane, struct topology **topology, struct err *err)
{
	int rc = 0;

	for (int tries = 0; tries < CHANGE_TRIES_MAX; tries++) {
		topology_unref(*topology);
		*topology = NULL;
		rc = first_topology(plane, topology, err);
		if (rc < 0 || plane->revision || !plane->routers)
			return rc;
		rc = plane_save(plane, *topology, err);
		if (rc != ERR_CONFLICT) {
			plane->unsaved = false;
			return rc;
		}
	}
	return rc;
}

int plane_settle(struct plane *plane, struct err *err)
{
	int rc = plane->unsaved ? plane_save(plane, plane->snapshot->topology, err) : 0;

	if (rc < 0)
		return rc;
	agree_published(plane);
	return plane->routers ? agree_confirm(plane, err) : 0;
}

/* What is the same for the processes of this router alone: their lock, in this run of the machine. */
static void place_of(const struct plane *plane, char place[PLACE_SIZE])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	char boot[64] = "";
	struct stat info = { 0 };

	if (file) {
		if (fscanf(file, "%63s", boot) != 1)
			boot[0] = '\0';
		fclose(file);
	}
	if (fstat(plane->lock_fd, &info) < 0)
		info.st_ino = 0;
	snprintf(place, PLACE_SIZE, "%s:%llx:%llx", boot, (unsigned long long)info.st_dev, (unsigned long long)info.st_ino);
}

/* While it is alone on the lock, no other process of this router can enter: what it finds of them is of the dead. */
static int join_routers(struct plane *plane, struct err *err)
{
	bool alone = lock_store(plane, F_WRLCK, false) == 0;
	char place[PLACE_SIZE];
	int rc;

	place_of(plane, place);
	rc = routers_join(plane->store, plane->config, place, alone, &plane->routers, err);
	lock_store(plane, F_RDLCK, false);
	return rc < 0 ? rc : agree_learn_schemas(plane, err);
}

int plane_init(struct plane *plane, struct config *config, struct users *users, struct err *err)
{
	struct topology *topology = NULL;
	struct catalog **catalogs;
	int rc;

	*plane = (struct plane){ .config = config_ref(config), .users = users, .lock_fd = -1, .peers = { -1, -1 } };
	pthread_mutex_init(&plane->lock, NULL);
	rc = leaders_new(config, &plane->leaders, err);
	if (rc == 0)
		rc = store_open(config, &plane->store, err);
	if (rc == 0)
		rc = join_store(plane, err);
	if (rc == 0 && config->etcd_hosts)
		rc = join_routers(plane, err);
	if (rc == 0)
		rc = first_of_all(plane, &topology, err);
	if (rc < 0)
		return rc;
	catalogs = mem_calloc(topology->database_count + 1, sizeof(*catalogs));
	for (size_t i = 0; i < topology->database_count; i++) {
		struct err why;

		if (plane_load_catalog(plane, config, topology, &topology->databases[i], &catalogs[i], &why) < 0) {
			catalogs[i] = NULL;
			plane_log_failure("cannot read the schema yet", &why);
		}
	}
	plane_publish(plane, topology, catalogs);
	mem_free(catalogs);
	return 0;
}

void plane_release(struct plane *plane)
{
	sampler_free(plane->sampler);
	leaders_free(plane->leaders);
	snapshot_unref(plane->snapshot);
	routers_leave(plane->routers);
	mem_free(plane->went_back);
	store_close(plane->store);
	if (plane->lock_fd >= 0)
		close(plane->lock_fd);
	config_unref(plane->config);
	pthread_mutex_destroy(&plane->lock);
}

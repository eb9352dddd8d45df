/* cluster_replicas: the replicas of a playground, made, started, followed, and made anew. They hold nothing that their primaries lack, so that one
 * which cannot follow any more is thrown away without asking; but for one that was promoted, and which the router has taken for the primary since. */
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin.h"
#include "app/cluster.h"
#include "app/progress.h"
#include "app/reach.h"
#include "app/replica.h"
#include "base/buf.h"
#include "base/mem.h"
#include "store/store.h"
#include "topo/topology.h"

enum {
	MAKE_AT_ONCE = 2,
	TURN_MS = 100,
	BACKUP_MS_MAX = 600 * 1000,
	STALL_MS_MAX = 15 * 1000,       /* without getting on, before a replica is thought lost */
	CONNINFO_SIZE_MAX = 4096,
	PATH_SIZE = 4096,
};

/* Of its data folder. Without the folder's arena: this is asked again and again. */
static bool has_file(const struct cluster_node *node, const char *name)
{
	char path[PATH_SIZE];
	int size = snprintf(path, sizeof(path), "%s/%s", node->data, name);

	return size < PATH_SIZE && access(path, F_OK) == 0;
}

static bool is_standby(const struct cluster_node *node)
{
	return has_file(node, "standby.signal");
}

static int open_node(const struct cluster *cluster, const struct cluster_node *node, PGconn **ret_conn, struct err *err)
{
	char port[8];
	const char *const names[] = { "host", "port", "user", "password", "dbname", "connect_timeout", NULL };
	const char *const values[] = { "127.0.0.1", port, "postgres", cluster->folder->password, "postgres", "10", NULL };
	PGconn *conn;

	snprintf(port, sizeof(port), "%u", *node->port);
	conn = PQconnectdbParams(names, values, 0);
	*ret_conn = conn;
	return PQstatus(conn) == CONNECTION_OK ? 0 : err_set(err, ERR_CONNECT, "server %s: %s", node->name, PQerrorMessage(conn));
}

/* ---- whether it can follow ---- */

/* pg_control begins with it, whatever the version. */
static bool read_system(struct arena *arena, const struct cluster_node *node, uint64_t *ret_system)
{
	int fd = open(arena_printf(arena, "%s/global/pg_control", node->data), O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0 && read(fd, ret_system, sizeof(*ret_system)) == (ssize_t)sizeof(*ret_system);

	if (fd >= 0)
		close(fd);
	return good;
}

/* Whether the router has taken it for its shard's primary, by what its store says. */
static bool was_promoted(struct cluster *cluster, const struct cluster_node *node)
{
	struct topology *topology = NULL;
	struct store_entry entry;
	struct err err;
	int index = -1;
	bool promoted;

	if (store_look_sqlite(folder_file(cluster->folder, "nanu.db"), STORE_KEY_TOPOLOGY, &entry, &err) < 0)
		return false;
	if (entry.value && topology_from_json(entry.value, &topology, &err) == 0)
		index = topology_node(topology, node->name);
	promoted = index >= 0 && topology->nodes[index].role == NODE_PRIMARY;
	topology_unref(topology);
	mem_free(entry.value);
	return promoted;
}

/* What can be told before it runs. *ret_why: NULL when nothing is known against it. */
static int judge(struct cluster *cluster, const struct cluster_node *node, const char **ret_why, struct err *err)
{
	struct arena *arena = &cluster->folder->arena;
	enum slot_state state = SLOT_NONE;
	uint64_t own = 0, primary = 1;
	PGconn *conn = NULL;
	int rc = 0;

	*ret_why = NULL;
	if (!is_standby(node))
		*ret_why = "it is no standby any more";
	else if (!read_system(arena, node, &own) || !read_system(arena, node->primary, &primary) || own != primary)
		*ret_why = "its data is not its primary's";
	if (*ret_why)
		return 0;
	rc = open_node(cluster, node->primary, &conn, err);
	if (rc == 0)
		rc = replica_slot_state(conn, node->name, &state, err);
	PQfinish(conn);
	if (rc == 0 && state != SLOT_READY)
		*ret_why = state == SLOT_NONE ? "its replication slot is gone" : "its primary no longer has the WAL that it needs";
	return rc;
}

/* Server, data and slot go. */
static int discard(struct cluster *cluster, struct cluster_node *node, const char *why, struct err *err)
{
	printf("- replica %s is made anew: %s\n", node->name, why);
	fflush(stdout);
	cluster_stop_node(cluster, node);
	return folder_remove_data(cluster->folder, node->name, err);
}

/* The others of its shard are to be its replicas. */
static int take_for_primary(struct cluster *cluster, struct cluster_node *promoted, struct err *err)
{
	struct cluster_node *before = promoted->primary;

	printf("- %s was promoted, and is the primary of its shard: it stays. Nothing goes to %s any more, which was\n", promoted->name, before->name);
	fflush(stdout);
	promoted->promoted = true;
	for (unsigned i = cluster->shard_count; i < cluster->node_count; i++)
		if (cluster->nodes[i].primary == before && &cluster->nodes[i] != promoted)
			cluster->nodes[i].primary = promoted;
	return cluster_start_node(cluster, promoted, false, err);
}

static int judge_all(struct cluster *cluster, struct err *err)
{
	for (unsigned i = cluster->shard_count; i < cluster->node_count; i++) {
		struct cluster_node *node = &cluster->nodes[i];
		int rc = 0;

		if (access(node->data, F_OK) == 0 && !is_standby(node) && was_promoted(cluster, node))
			rc = take_for_primary(cluster, node, err);
		if (rc < 0)
			return rc;
	}
	for (unsigned i = cluster->shard_count; i < cluster->node_count; i++) {
		struct cluster_node *node = &cluster->nodes[i];
		const char *why;
		int rc;

		if (node->promoted || access(node->data, F_OK) < 0)
			continue;
		rc = judge(cluster, node, &why, err);
		if (rc == 0 && why)
			rc = discard(cluster, node, why, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- making ---- */

struct making {                         /* one base backup that runs */
	struct cluster_node *node;
	struct replica replica;
};

static int begin(struct cluster *cluster, struct cluster_node *node, struct making *making, struct err *err)
{
	PGconn *conn;
	int rc = open_node(cluster, node->primary, &conn, err);

	*making = (struct making){
		.node = node,
		.replica = { .arena = &cluster->folder->arena, .name = node->name, .data = node->data, .log = node->log,
			     .programs = cluster->programs, .identity = &cluster->identity, .settings = "", .scratch = true },
	};
	/* What an attempt that was cut short, or the one before, left. */
	if (rc == 0)
		rc = replica_drop_slot(conn, node->name, err);
	if (rc == 0)
		return replica_begin(&making->replica, conn, err);
	PQfinish(conn);
	return rc;
}

/* Waits until one has ended. */
static int wait_for_one(struct making *running, unsigned count, unsigned done, unsigned missing, struct err *err)
{
	struct pollfd fds[MAKE_AT_ONCE];

	for (int waited_ms = 0; waited_ms < BACKUP_MS_MAX; waited_ms += TURN_MS) {
		double part = done;
		int rc;

		for (unsigned i = 0; i < count; i++) {
			double one = replica_part(&running[i].replica);

			part += one > 0 ? one : 0;
			fds[i] = (struct pollfd){ .fd = running[i].replica.backup.pidfd, .events = POLLIN };
		}
		progress_set(part / missing);
		rc = progress_wait(fds, count, TURN_MS, err);
		if (rc != 0)
			return rc;
	}
	return err_set(err, ERR_IO, "a base backup takes longer than %d s", BACKUP_MS_MAX / 1000);
}

/* Its server is started at once: the slot keeps WAL from now on. */
static int end(struct cluster *cluster, struct making *making, struct err *err)
{
	int rc = replica_end(&making->replica, err);

	replica_release(&making->replica);
	if (rc < 0)
		return rc;
	if (!making->node->added)
		replica_unmark(&cluster->folder->arena, making->node->data);
	return cluster_launch(cluster, making->node, !making->node->added, err);
}

static int make(struct cluster *cluster, unsigned missing, struct err *err)
{
	struct making running[MAKE_AT_ONCE];
	unsigned count = 0, next = cluster->shard_count, done = 0;
	int rc = 0;

	while (rc >= 0 && done < missing) {
		for (; rc >= 0 && count < MAKE_AT_ONCE && next < cluster->node_count; next++) {
			if (access(cluster->nodes[next].data, F_OK) == 0)
				continue;
			rc = begin(cluster, &cluster->nodes[next], &running[count], err);
			count++;
		}
		if (rc >= 0)
			rc = wait_for_one(running, count, done, missing, err);
		for (unsigned i = count; rc >= 0 && i-- > 0;) {
			if (process_running(&running[i].replica.backup))
				continue;
			rc = end(cluster, &running[i], err);
			running[i] = running[--count];
			done++;
		}
	}
	while (count > 0)
		replica_release(&running[--count].replica);
	return rc < 0 ? rc : 0;
}

static int make_missing(struct cluster *cluster, struct err *err)
{
	unsigned missing = 0;
	int rc;

	for (unsigned i = cluster->shard_count; i < cluster->node_count; i++)
		missing += access(cluster->nodes[i].data, F_OK) < 0;
	if (missing == 0)
		return 0;
	progress_begin("making replicas (pg_basebackup)");
	rc = make(cluster, missing, err);
	if (rc < 0)
		progress_drop();
	else
		progress_end("%u replica%s made", missing, missing == 1 ? "" : "s");
	return rc;
}

/* ---- following ---- */

/* The same way to the primary, with another port; *ret_text lives as long as the folder. False: it has that port already, or is no such way. */
static bool with_port(struct arena *arena, const char *conninfo, uint16_t port, const char **ret_text)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	char wanted[8];
	bool changes = false;
	struct buf text;

	snprintf(wanted, sizeof(wanted), "%u", port);
	buf_init(&text, CONNINFO_SIZE_MAX);
	for (const PQconninfoOption *option = options; option && option->keyword; option++) {
		bool is_port = strcmp(option->keyword, "port") == 0;

		if (!option->val)
			continue;
		changes |= is_port && strcmp(option->val, wanted) != 0;
		admin_conninfo_add(&text, option->keyword, is_port ? wanted : option->val);
	}
	buf_add_u8(&text, 0);
	*ret_text = arena_strdup(arena, text.failed ? "" : text.data);
	changes &= !text.failed;
	buf_release(&text);
	PQconninfoFree(options);
	return changes;
}

/* The primary may have got another port since. */
static int point_at_primary(struct cluster *cluster, const struct cluster_node *node, struct err *err)
{
	struct arena *arena = &cluster->folder->arena;
	PGresult *result = NULL;
	const char *text;
	char *literal;
	PGconn *conn;
	int rc = open_node(cluster, node, &conn, err);

	if (rc == 0)
		rc = reach_ask(conn, "SHOW primary_conninfo", 0, NULL, &result, err);
	if (rc == 0 && with_port(arena, PQgetvalue(result, 0, 0), *node->primary->port, &text)) {
		PQclear(result);
		result = NULL;
		literal = PQescapeLiteral(conn, text, strlen(text));
		rc = reach_ask(conn, arena_printf(arena, "ALTER SYSTEM SET primary_conninfo = %s", literal), 0, NULL, &result, err);
		PQfreemem(literal);
		if (rc == 0) {
			PQclear(result);
			result = NULL;
			rc = reach_ask(conn, "SELECT pg_catalog.pg_reload_conf()", 0, NULL, &result, err);
		}
	}
	PQclear(result);
	PQfinish(conn);
	return rc;
}

static int follow(struct cluster *cluster, struct cluster_node *node, struct err *err)
{
	PGconn *conn = NULL;
	int rc = cluster_start_node(cluster, node, !node->added, err);

	if (rc == 0)
		rc = point_at_primary(cluster, node, err);
	if (rc == 0)
		rc = open_node(cluster, node->primary, &conn, err);
	if (rc == 0)
		rc = replica_follow(conn, node->name, &node->process, false, STALL_MS_MAX, err);
	PQfinish(conn);
	return rc;
}

/* Every replica gets one more chance, from the beginning. */
static int follow_or_make(struct cluster *cluster, struct cluster_node *node, struct err *err)
{
	int rc = node->promoted ? cluster_start_node(cluster, node, false, err) : follow(cluster, node, err);

	if (rc != ERR_CONNECT || node->promoted)
		return rc;
	progress_drop();
	rc = discard(cluster, node, "it does not follow its primary", err);
	if (rc == 0)
		rc = make_missing(cluster, err);
	progress_begin("waiting for the replicas");
	if (rc == 0)
		rc = follow(cluster, node, err);
	if (rc < 0 && rc != ERR_CANCELED)
		process_log_tail(node->log, err);
	return rc;
}

/* The router knows an added one by its port: another would be another node. */
static bool left_out(struct cluster *cluster, struct cluster_node *node)
{
	struct err err;

	if (!node->added || node->process.pid || cluster_launch(cluster, node, false, &err) == 0)
		return false;
	printf("- replica %s is left out: %s\n", node->name, err.message);
	fflush(stdout);
	return true;
}

struct cluster_node *cluster_lost(struct cluster *cluster)
{
	for (unsigned i = cluster->shard_count; i < cluster->node_count; i++) {
		struct cluster_node *node = &cluster->nodes[i];
		enum slot_state state = SLOT_NONE;
		PGconn *conn = NULL;
		struct err err;
		int rc;

		if (!is_standby(node) || has_file(node, REPLICA_MARK))
			continue;       /* promoted; or its making is another process's */
		rc = open_node(cluster, node->primary, &conn, &err);
		if (rc == 0)
			rc = replica_slot_state(conn, node->name, &state, &err);
		PQfinish(conn);
		if (rc == 0 && state == SLOT_LOST)
			return node;
	}
	return NULL;
}

int cluster_remake(struct cluster *cluster, struct cluster_node *node, const char *why, struct err *err)
{
	int rc = discard(cluster, node, why, err);

	if (rc == 0)
		rc = make_missing(cluster, err);
	if (rc < 0)
		return rc;
	progress_begin("waiting for the replica");
	rc = follow(cluster, node, err);
	if (rc < 0) {
		progress_drop();
		return rc;
	}
	replica_unmark(&cluster->folder->arena, node->data);
	progress_end("replica %s follows again", node->name);
	return 0;
}

int cluster_follow(struct cluster *cluster, struct err *err)
{
	unsigned count = cluster->node_count - cluster->shard_count, running = 0, followed = 0;
	bool out[NODES_MAX] = { false };
	int rc;

	if (count == 0)
		return 0;
	rc = judge_all(cluster, err);
	for (unsigned i = cluster->shard_count; i < cluster->node_count; i++)
		running += !cluster->nodes[i].promoted && process_running(&cluster->nodes[i].process);
	if (rc == 0)
		rc = make_missing(cluster, err);
	if (rc < 0)
		return rc;
	for (unsigned i = cluster->shard_count; i < cluster->node_count; i++)
		out[i] = left_out(cluster, &cluster->nodes[i]);
	progress_begin("waiting for the replicas");
	for (unsigned i = cluster->shard_count; rc == 0 && i < cluster->node_count; i++)
		if (!cluster->nodes[i].added && !cluster->nodes[i].process.pid)
			rc = cluster_launch(cluster, &cluster->nodes[i], true, err);
	for (unsigned i = cluster->shard_count; rc == 0 && i < cluster->node_count; i++) {
		if (out[i])
			continue;
		rc = follow_or_make(cluster, &cluster->nodes[i], err);
		followed += !cluster->nodes[i].promoted;
		progress_set((double)followed / count);
	}
	if (rc < 0) {
		progress_drop();
		return rc;
	}
	if (running)
		progress_end("%u replica%s started, %u found running: all follow", followed - running, followed - running == 1 ? "" : "s", running);
	else
		progress_end("%u replica%s started: all follow", followed, followed == 1 ? "" : "s");
	return 0;
}

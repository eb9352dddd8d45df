#include "app/cluster.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/port.h"
#include "app/progress.h"
#include "app/server.h"
#include "base/tree.h"

enum {
	INITDB_AT_ONCE = 2,
	INITDB_MS_MAX = 120 * 1000,
	START_MS_MAX = 60 * 1000,
	START_TRIES = 3,
	POLL_MS = 20,
};

static const char *pid_file(struct cluster *cluster, const struct cluster_node *node)
{
	return arena_printf(&cluster->folder->arena, "%s/postmaster.pid", node->data);
}

static bool find_server(struct cluster *cluster, struct cluster_node *node)
{
	return server_find(&cluster->folder->arena, node->data, &node->process);
}

const char *cluster_programs(struct arena *arena, struct err *err)
{
	static const char debian[] = "/usr/lib/postgresql/15/bin";
	char *rest, *part;

	if (access("/usr/lib/postgresql/15/bin/initdb", X_OK) == 0)
		return debian;
	rest = arena_strdup(arena, getenv("PATH") ? getenv("PATH") : "");
	while ((part = strsep(&rest, ":")))
		if (*part == '/' && access(arena_printf(arena, "%s/initdb", part), X_OK) == 0 &&
		    access(arena_printf(arena, "%s/postgres", part), X_OK) == 0)
			return part;
	err_set(err, ERR_NOT_FOUND, "PostgreSQL 15 is not installed: there is no initdb");
	err_hint(err, "The package is postgresql-15; tools/setup installs it.");
	return NULL;
}

static void add_node(struct cluster *cluster, const char *name, unsigned shard, uint16_t *port, struct cluster_node *primary, bool added)
{
	struct arena *arena = &cluster->folder->arena;
	struct cluster_node *node = &cluster->nodes[cluster->node_count++];

	*node = (struct cluster_node){ .shard = shard, .port = port, .primary = primary, .added = added, .process = PROCESS_NONE };
	snprintf(node->name, sizeof(node->name), "%s", name);
	node->data = folder_file(cluster->folder, node->name);
	node->log = arena_printf(arena, "%s/log/%s.log", cluster->folder->path, node->name);
	find_server(cluster, node);
}

int cluster_init(struct cluster *cluster, struct folder *folder, const struct identity *identity, struct err *err)
{
	struct arena *arena = &folder->arena;

	*cluster = (struct cluster){ .folder = folder, .identity = *identity, .shard_count = folder->shard_count };
	cluster->programs = cluster_programs(arena, err);
	if (!cluster->programs)
		return ERR_NOT_FOUND;
	cluster->nodes = arena_calloc(arena, folder->shard_count + folder->replica_count, sizeof(*cluster->nodes));
	for (unsigned i = 0; i < folder->shard_count; i++)
		add_node(cluster, arena_printf(arena, "n%u", i + 1), i, &folder->primary_ports[i], NULL, false);
	for (unsigned i = 0; i < folder->replica_count; i++) {
		struct folder_replica *replica = &folder->replicas[i];

		add_node(cluster, replica->name, replica->shard, &replica->port, &cluster->nodes[replica->shard], replica->added);
	}
	return 0;
}

struct cluster_node *cluster_node(const struct cluster *cluster, const char *name)
{
	for (unsigned i = 0; i < cluster->node_count; i++)
		if (strcmp(cluster->nodes[i].name, name) == 0)
			return &cluster->nodes[i];
	return NULL;
}

char *cluster_conninfo(const struct cluster *cluster, const struct cluster_node *node)
{
	return arena_printf(&cluster->folder->arena, "host=127.0.0.1 port=%u user=postgres password=%s dbname=postgres connect_timeout=10",
			    *node->port, cluster->folder->password);
}

void cluster_release(struct cluster *cluster)
{
	for (unsigned i = 0; i < cluster->node_count; i++)
		if (cluster->nodes[i].process.pid)
			close(cluster->nodes[i].process.pidfd);
	cluster->node_count = 0;
}

/* A file without a name that initdb, as whatever user it runs, can open once as /dev/fd/N. */
static int password_fd(const struct cluster *cluster)
{
	int fd = memfd_create("password", 0);
	size_t size = PLAYGROUND_PASSWORD_SIZE - 1;

	if (fd < 0 || write(fd, cluster->folder->password, size) != (ssize_t)size ||
	    fchown(fd, cluster->identity.uid, cluster->identity.gid) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* initdb works in n<i>.new, which becomes n<i> when it is whole. */
static int begin_initdb(struct cluster *cluster, struct cluster_node *node, int password, struct err *err)
{
	struct arena *arena = &cluster->folder->arena;
	char *fresh = arena_printf(arena, "%s.new", node->data);
	char *argv[] = {
		arena_printf(arena, "%s/initdb", cluster->programs),
		(char *)"--pgdata", fresh,
		(char *)"--username", (char *)"postgres",
		(char *)"--pwfile", arena_printf(arena, "/dev/fd/%d", password),
		(char *)"--auth", (char *)"scram-sha-256",
		(char *)"--encoding", (char *)"UTF8",
		(char *)"--locale", (char *)"C.UTF-8",
		(char *)"--no-instructions", (char *)"--no-sync",
		NULL,
	};
	const struct spawn spawn = {
		.argv = argv, .identity = &cluster->identity, .log_path = node->log, .dies_with_parent = true,
	};
	int rc = tree_remove(fresh, err);

	if (rc < 0)
		return rc;
	if (mkdir(fresh, 0700) < 0 || chown(fresh, cluster->identity.uid, cluster->identity.gid) < 0)
		return err_set(err, ERR_IO, "cannot make %s: %s", fresh, strerror(errno));
	return process_spawn(&spawn, &node->process, err);
}

static int end_initdb(struct cluster *cluster, struct cluster_node *node, struct err *err)
{
	const char *fresh = arena_printf(&cluster->folder->arena, "%s.new", node->data);
	int status = process_reap(&node->process), rc;
	char how[64];

	if (status != 0) {
		process_describe(status, how);
		rc = err_set(err, ERR_IO, "initdb of %s ended with %s", node->name, how);
		process_log_tail(node->log, err);
		return rc;
	}
	if (rename(fresh, node->data) < 0)
		return err_set(err, ERR_IO, "cannot rename %s: %s", fresh, strerror(errno));
	return 0;
}

/* Waits until one of `nodes` has ended. */
static int wait_for_one(struct cluster_node *const *nodes, unsigned count, int wait_ms, struct err *err)
{
	struct pollfd fds[PROGRESS_FDS_MAX];

	for (unsigned i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = nodes[i]->process.pidfd, .events = POLLIN };
	return progress_wait(fds, count, wait_ms, err);
}

static int run_initdbs(struct cluster *cluster, int password, unsigned missing, struct err *err)
{
	struct cluster_node *running[INITDB_AT_ONCE];
	unsigned running_count = 0, next = 0, done = 0;
	int rc = 0;

	while (done < missing) {
		for (; rc == 0 && running_count < INITDB_AT_ONCE && next < cluster->shard_count; next++) {
			struct cluster_node *node = &cluster->nodes[next];

			if (access(node->data, F_OK) == 0)
				continue;
			rc = begin_initdb(cluster, node, password, err);
			if (rc == 0)
				running[running_count++] = node;
		}
		if (rc == 0)
			rc = wait_for_one(running, running_count, INITDB_MS_MAX, err);
		if (rc == 0)
			rc = err_set(err, ERR_IO, "initdb takes longer than %d s", INITDB_MS_MAX / 1000);
		for (unsigned i = running_count; i-- > 0;) {
			if (rc < 0)
				process_signal(&running[i]->process, SIGKILL);
			else if (process_running(&running[i]->process))
				continue;
			if (rc < 0)
				process_reap(&running[i]->process);
			else
				rc = end_initdb(cluster, running[i], err);
			running[i] = running[--running_count];
			done++;
		}
		if (rc < 0)
			return rc;
		rc = 0;
		progress_set((double)done / missing);
	}
	return 0;
}

int cluster_create(struct cluster *cluster, struct err *err)
{
	const char *log = folder_file(cluster->folder, "log");
	unsigned missing = 0;
	int password, rc;

	if (mkdir(log, 0700) < 0 && errno != EEXIST)
		return err_set(err, ERR_IO, "cannot make %s: %s", log, strerror(errno));
	for (unsigned i = 0; i < cluster->shard_count; i++)
		missing += access(cluster->nodes[i].data, F_OK) < 0;
	if (missing == 0)
		return 0;
	password = password_fd(cluster);
	if (password < 0)
		return err_set(err, ERR_IO, "cannot hand a password to initdb: %s", strerror(errno));
	progress_begin("creating servers (initdb)");
	rc = run_initdbs(cluster, password, missing, err);
	close(password);
	if (rc < 0) {
		progress_drop();
		return rc;
	}
	progress_end("%u server%s created", missing, missing == 1 ? "" : "s");
	return 0;
}

static int spawn_server(struct cluster *cluster, struct cluster_node *node, struct err *err)
{
	struct arena *arena = &cluster->folder->arena;
	/* A replica needs as much room as its primary for what the primary may have at once. Neither a replica that is away for long nor many
	 * replicas shall fill the disk or the memory of who plays. */
	char *argv[] = {
		arena_printf(arena, "%s/postgres", cluster->programs),
		(char *)"-D", (char *)(uintptr_t)node->data,
		(char *)"-c", arena_printf(arena, "port=%u", *node->port),
		(char *)"-c", (char *)"listen_addresses=127.0.0.1",
		(char *)"-c", (char *)"unix_socket_directories=",
		(char *)"-c", (char *)"max_prepared_transactions=64",
		(char *)"-c", (char *)"max_connections=200",
		(char *)"-c", (char *)(node->primary ? "shared_buffers=32MB" : "shared_buffers=64MB"),
		(char *)"-c", (char *)"max_wal_senders=24",
		(char *)"-c", (char *)"max_replication_slots=24",
		(char *)"-c", (char *)"max_slot_wal_keep_size=256MB",
		(char *)"-c", (char *)"wal_retrieve_retry_interval=500ms",
		(char *)"-c", arena_printf(arena, "cluster_name=nanu-%s", node->name),
		NULL,
	};
	const struct spawn spawn = { .argv = argv, .identity = &cluster->identity, .log_path = node->log };

	return process_spawn(&spawn, &node->process, err);
}

/* The status in postmaster.pid (line 8, as pg_ctl reads it) of the server that we hold. */
static bool server_is_ready(struct cluster *cluster, const struct cluster_node *node)
{
	FILE *file = fopen(pid_file(cluster, node), "re");
	char line[1024];
	bool ready = false;

	if (!file)
		return false;
	for (int number = 1; fgets(line, sizeof(line), file); number++) {
		if (number == 1 && strtol(line, NULL, 10) != node->process.pid)
			break;
		ready = number == 8 && strncmp(line, "ready", 5) == 0;
	}
	fclose(file);
	return ready;
}

/* 0: ready; 1: it ended, and *ret_status says how. */
static int wait_until_ready(struct cluster *cluster, struct cluster_node *node, int *ret_status, struct err *err)
{
	for (int waited_ms = 0; waited_ms < START_MS_MAX; waited_ms += POLL_MS) {
		struct cluster_node *one[] = { node };
		int rc;

		if (server_is_ready(cluster, node))
			return 0;
		rc = wait_for_one(one, 1, POLL_MS, err);
		if (rc < 0)
			return rc;
		if (rc > 0) {
			*ret_status = process_reap(&node->process);
			return 1;
		}
	}
	err_set(err, ERR_CONNECT, "server %s is not ready after %d s", node->name, START_MS_MAX / 1000);
	process_log_tail(node->log, err);
	return ERR_CONNECT;
}

/* After kill -9 of a postmaster its children see that within moments, and end; until then a new one refuses to start. Or a postmaster is there
 * that is only beginning, and soon found. */
static int wait_for_leftovers(struct cluster *cluster, struct cluster_node *node, struct err *err)
{
	for (int waited_ms = 0; !find_server(cluster, node) && process_any_in("postgres", node->data); waited_ms += POLL_MS) {
		int rc = progress_wait(NULL, 0, POLL_MS, err);

		if (rc < 0)
			return rc;
		if (waited_ms >= START_MS_MAX)
			return err_set(err, ERR_WRONG_STATE, "processes of an earlier server still run in %s", node->data);
	}
	return 0;
}

int cluster_launch(struct cluster *cluster, struct cluster_node *node, bool moves, struct err *err)
{
	int rc = wait_for_leftovers(cluster, node, err);

	if (rc < 0 || node->process.pid)
		return rc;
	/* A postmaster believes its file when any process has the pid in it, also another program's, or a zombie that nobody reaps. No postgres
	 * stands in this folder: that was just seen. */
	unlink(pid_file(cluster, node));
	if (*node->port && !port_is_free(*node->port) && !moves)
		return err_set(err, ERR_WRONG_STATE, "port %u of server %s is in use by another program", *node->port, node->name);
	if (!(*node->port && port_is_free(*node->port))) {
		rc = port_choose(node->port, err);
		if (rc == 0)
			rc = folder_save(cluster->folder, err);
	}
	return rc < 0 ? rc : spawn_server(cluster, node, err);
}

/* A server that ends while it starts is started again: somebody may have taken its port just before it, or the next try tells why. */
int cluster_start_node(struct cluster *cluster, struct cluster_node *node, bool moves, struct err *err)
{
	int status = 0, rc = 0;
	char how[64];

	for (int i = 0; i < START_TRIES; i++) {
		if (!find_server(cluster, node))
			rc = cluster_launch(cluster, node, moves, err);
		if (rc == 0)
			rc = wait_until_ready(cluster, node, &status, err);
		if (rc <= 0)
			return rc;
		rc = 0;
	}
	process_describe(status, how);
	rc = err_set(err, ERR_CONNECT, "server %s ended with %s when it started", node->name, how);
	process_log_tail(node->log, err);
	return rc;
}

int cluster_start(struct cluster *cluster, unsigned *ret_started, struct err *err)
{
	unsigned running = 0;
	int rc = 0;

	for (unsigned i = 0; i < cluster->shard_count; i++)
		running += process_running(&cluster->nodes[i].process);
	*ret_started = cluster->shard_count - running;
	progress_begin("starting servers");
	for (unsigned i = 0; rc == 0 && i < cluster->shard_count; i++)
		if (!find_server(cluster, &cluster->nodes[i]))
			rc = cluster_launch(cluster, &cluster->nodes[i], true, err);
	for (unsigned i = 0; rc == 0 && i < cluster->shard_count; i++) {
		rc = cluster_start_node(cluster, &cluster->nodes[i], true, err);
		progress_set((double)(i + 1) / cluster->shard_count);
	}
	if (rc < 0) {
		progress_drop();
		return rc;
	}
	if (running)
		progress_end("%u server%s started, %u found running", *ret_started, *ret_started == 1 ? "" : "s", running);
	else
		progress_end("%u server%s started", *ret_started, *ret_started == 1 ? "" : "s");
	return 0;
}

static int execute(PGconn *conn, const struct cluster_node *node, const char *sql, bool *ret_any, struct err *err)
{
	PGresult *result = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(result);
	int rc = 0;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		rc = err_set(err, ERR_INTERNAL, "server %s: %s", node->name, PQresultErrorMessage(result));
	else if (ret_any)
		*ret_any = PQntuples(result) > 0;
	PQclear(result);
	return rc;
}

static int prepare_node(struct cluster *cluster, const struct cluster_node *node, const char *name, const char *password,
			struct err *err)
{
	struct arena *arena = &cluster->folder->arena;
	PGconn *conn = PQconnectdb(cluster_conninfo(cluster, node));
	bool role = false, database = false;
	int rc = 0;

	if (PQstatus(conn) != CONNECTION_OK)
		rc = err_set(err, ERR_CONNECT, "server %s: %s", node->name, PQerrorMessage(conn));
	if (rc == 0)
		rc = execute(conn, node, arena_printf(arena, "SELECT 1 FROM pg_roles WHERE rolname = '%s'", name), &role, err);
	if (rc == 0 && !role)
		rc = execute(conn, node, arena_printf(arena, "CREATE ROLE %s LOGIN PASSWORD '%s'", name, password), NULL, err);
	if (rc == 0)
		rc = execute(conn, node, arena_printf(arena, "SELECT 1 FROM pg_database WHERE datname = '%s'", name), &database, err);
	if (rc == 0 && !database)
		rc = execute(conn, node, arena_printf(arena, "CREATE DATABASE %s OWNER %s", name, name), NULL, err);
	PQfinish(conn);
	return rc;
}

int cluster_prepare(struct cluster *cluster, const char *name, const char *password, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < cluster->shard_count; i++)
		rc = prepare_node(cluster, &cluster->nodes[i], name, password, err);
	return rc;
}

unsigned cluster_running(const struct cluster *cluster)
{
	unsigned count = 0;

	for (unsigned i = 0; i < cluster->node_count; i++)
		count += process_running(&cluster->nodes[i].process);
	return count;
}

/* Sends a signal to all nodes that run, and waits until none does or the time is over. */
static void ask_to_end(struct cluster *cluster, int signal, int wait_ms)
{
	for (unsigned i = 0; i < cluster->node_count; i++)
		process_signal(&cluster->nodes[i].process, signal);
	for (int waited_ms = 0; waited_ms < wait_ms && cluster_running(cluster); waited_ms += POLL_MS)
		if (progress_wait(NULL, 0, POLL_MS, NULL) < 0)
			break;          /* asked again to end: the next, harder, signal at once */
}

void cluster_stop(struct cluster *cluster)
{
	for (size_t i = 0; i < sizeof(server_stop_signals) / sizeof(server_stop_signals[0]) && cluster_running(cluster); i++)
		ask_to_end(cluster, server_stop_signals[i], SERVER_STOP_MS_MAX);
	for (unsigned i = 0; i < cluster->node_count; i++)
		process_reap(&cluster->nodes[i].process);
}

void cluster_stop_node(struct cluster *cluster, struct cluster_node *node)
{
	if (find_server(cluster, node))
		server_stop(&node->process);
}

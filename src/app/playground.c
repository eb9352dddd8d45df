#include "app/playground.h"

#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/add_replica.h"
#include "app/cluster.h"
#include "app/command.h"
#include "app/folder.h"
#include "app/port.h"
#include "app/progress.h"
#include "app/replica.h"
#include "app/router.h"
#include "app/shop.h"
#include "base/limits.h"
#include "net/env.h"
#include "topo/settings.h"

const char playground_usage[] =
	"Usage: nanu playground [OPTION ...]\n"
	"\n"
	"Starts local PostgreSQL servers, the router in front of them, and a sharded shop to play with.\n"
	"Ctrl-C stops everything; the data stays for the next start.\n"
	"\n"
	"  --dir DIR     where everything is kept (default: .nanu)\n"
	"  --port N      port of the router on 127.0.0.1 (default: 6432, or the last one)\n"
	"  --shards N    number of shards, each with a primary; chosen at the first start (default: 2)\n"
	"  --replicas N  streaming replicas of each shard, 0 to 8; a later start may add some (default: 2)\n"
	"  --detach      leave everything running in the background\n"
	"  --stop        stop what runs, keep the data\n"
	"  --clean       stop what runs, delete the data\n"
	"  --help, --version\n";

enum { PORT_DEFAULT = 6432, SHARDS_DEFAULT = 2, REPLICAS_DEFAULT = 2, PATH_SIZE = 4096, STOP_MS_MAX = 60 * 1000, LOCK_POLL_MS = 50, PORT_MS_MAX = 5 * 1000,
	MEND_MS = 2000, MEND_PAUSE_MS_MAX = 300 * 1000 };

/* The name of database, user and password: whoever plays should not have to remember more. It listens on 127.0.0.1 alone. */
static const char shop_name[] = "shop";

/* Each works, and shows another side: one shard, all shards merged, what the router thinks, and who is there. */
static const char *const statements_to_try[] = {
	"SELECT id, status, total, placed FROM orders WHERE user_id = 42 ORDER BY id;",
	"SELECT city, count(*) FROM users GROUP BY city ORDER BY city LIMIT 5;",
	"SELECT * FROM nanu.explain('SELECT count(*) FROM order_items WHERE user_id = 42');",
	"SELECT name, role, shard, port FROM nanu.nodes ORDER BY name;",
};

enum mode { MODE_FOREGROUND, MODE_DETACH, MODE_STOP, MODE_CLEAN };

struct options {
	char dir[PATH_SIZE];            /* "": the default */
	unsigned port;                  /* 0: not given */
	unsigned shards;                /* 0: not given */
	unsigned replicas;
	bool has_replicas;              /* they were given */
	enum mode mode;
};

struct playground {
	struct options options;
	struct identity identity;
	struct folder *folder;
	struct cluster cluster;
	struct router router;
};

static int read_number(const char *name, const char *text, unsigned min, unsigned max, unsigned *ret_number)
{
	struct err err;

	if (setting_number(name, text, min, max, ret_number, &err) == 0)
		return 0;
	fprintf(stderr, "nanu playground: %s\n", err.message);
	return -1;
}

static int read_mode(struct options *options, enum mode mode)
{
	if (options->mode != MODE_FOREGROUND && options->mode != mode) {
		fputs("nanu playground: only one of --detach, --stop and --clean can be meant\n", stderr);
		return -1;
	}
	options->mode = mode;
	return 0;
}

static int read_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "port", required_argument, NULL, 'p' },
		{ "shards", required_argument, NULL, 's' },
		{ "replicas", required_argument, NULL, 'r' },
		{ "detach", no_argument, NULL, MODE_DETACH },
		{ "stop", no_argument, NULL, MODE_STOP },
		{ "clean", no_argument, NULL, MODE_CLEAN },
		{ 0 },
	};
	int option, rc = 0;

	while (rc == 0 && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'd')
			snprintf(options->dir, sizeof(options->dir), "%s", optarg);
		else if (option == 'p')
			rc = read_number("--port", optarg, 1, UINT16_MAX, &options->port);
		else if (option == 's')
			rc = read_number("--shards", optarg, 1, SHARDS_MAX, &options->shards);
		else if (option == 'r')
			rc = read_number("--replicas", optarg, 0, PLAYGROUND_REPLICAS_MAX, &options->replicas);
		else if (option == '?')
			rc = -1;
		else
			rc = read_mode(options, (enum mode)option);
		options->has_replicas |= option == 'r';
	}
	if (rc == 0 && optind < argc) {
		fprintf(stderr, "nanu playground: unexpected argument '%s'\n", argv[optind]);
		rc = -1;
	}
	return rc;
}

/* libpq and the servers would heed them; a playground is the same everywhere. */
static void forget_pg_environment(void)
{
	static const char *const names[] = { "PGDATA", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE",
					     "PGSERVICE", "PGSERVICEFILE", "PGOPTIONS", "PGSSLMODE", "PGREQUIRESSL", "PGCLIENTENCODING",
					     "PGTZ", "PGDATESTYLE", "PGGEQO", "PGCHANNELBINDING", "PGTARGETSESSIONATTRS",
					     "PGCONNECT_TIMEOUT", "PGGSSENCMODE", "PGREQUIREPEER" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

/* Replicas of a shard, without those that were added by hand. */
static unsigned count_replicas(const struct folder *folder, unsigned shard)
{
	unsigned count = 0;

	for (unsigned i = 0; i < folder->replica_count; i++)
		count += folder->replicas[i].shard == shard && !folder->replicas[i].added;
	return count;
}

static int settle_replicas(struct folder *folder, unsigned wanted, struct err *err)
{
	int rc;

	for (unsigned i = 0; i < folder->shard_count; i++) {
		unsigned count = count_replicas(folder, i);

		if (count > wanted) {
			rc = err_set(err, ERR_WRONG_STATE, "the playground in %s has %u replica%s of each shard, not %u", folder->path, count,
				     count == 1 ? "" : "s", wanted);
			err_hint(err, "Leave --replicas out, choose another --dir, or delete this one: nanu playground --clean --dir %s", folder->path);
			return rc;
		}
		for (; count < wanted; count++)
			if (!folder_add_replica(folder, i, false))
				return err_set(err, ERR_LIMIT, "there is no room for %u replicas of each of %u shards: a playground has at most %d servers, "
					       "a shard %d replicas", wanted, folder->shard_count, NODES_MAX, PLAYGROUND_REPLICAS_MAX);
	}
	return 0;
}

/* Ports and number of nodes: what was asked for, what is remembered, or the default. */
static int settle_choices(struct playground *playground, struct err *err)
{
	struct folder *folder = playground->folder;
	const struct options *options = &playground->options;
	bool fresh = folder->shard_count == 0;
	int rc = 0;

	if (!fresh && options->shards && options->shards != folder->shard_count) {
		rc = err_set(err, ERR_WRONG_STATE, "the playground in %s has %u shards, not %u", folder->path, folder->shard_count,
			     options->shards);
		err_hint(err, "Leave --shards out, choose another --dir, or delete this one: nanu playground --clean --dir %s", folder->path);
		return rc;
	}
	if (fresh)
		folder->shard_count = options->shards ? options->shards : SHARDS_DEFAULT;
	if (options->has_replicas || fresh)
		rc = settle_replicas(folder, options->has_replicas ? options->replicas : REPLICAS_DEFAULT, err);
	if (rc < 0)
		return rc;
	if (options->port)
		folder->port = (uint16_t)options->port;
	else if (folder->port == 0)
		folder->port = PORT_DEFAULT;
	return folder_save(folder, err);
}

/* Before anything is started: the router's port must be free, unless the router that has it is this playground's. One that was killed (it left
 * its pid file) may need a moment to give the port back. */
static int check_port(struct playground *playground, uint16_t old_port, struct err *err)
{
	const struct folder *folder = playground->folder;
	uint16_t wanted = playground->options.port ? (uint16_t)playground->options.port : old_port ? old_port : PORT_DEFAULT;
	bool is_ours = playground->router.process.pid && wanted == old_port;
	bool was_killed = access(folder_file(playground->folder, "nanu.pid"), F_OK) == 0;
	int rc;

	if (is_ours)
		return 0;
	rc = port_wait_free(wanted, was_killed ? PORT_MS_MAX : 0, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = err_set(err, ERR_WRONG_STATE, "port %u of 127.0.0.1 is in use by another program", wanted);
	err_hint(err, "Choose another one: nanu playground --dir %s --port %u", folder->path, wanted + 1u);
	return rc;
}

/* A port for every node before nanu.yaml is written; cluster_start() changes one that was taken meanwhile. */
static int start_router(struct playground *playground, struct err *err)
{
	struct router *router = &playground->router;
	bool written;
	int rc = router_configure(router, shop_name, &written, err);

	if (rc < 0)
		return rc;
	if (router->process.pid && !written) {
		progress_begin("finding the router");
		progress_end("router found running on 127.0.0.1:%u", playground->folder->port);
		return 0;
	}
	router_stop(router);
	return router_start(router, err);
}

static int load_shop(struct playground *playground, struct err *err)
{
	struct folder *folder = playground->folder;
	struct shop_counts counts;
	const char *info;
	int rc;

	if (access(folder_file(folder, "shop.loaded"), F_OK) == 0)
		return 0;
	info = arena_printf(&folder->arena, "host=127.0.0.1 port=%u user=%s password=%s dbname=%s connect_timeout=10", folder->port, shop_name,
			    shop_name, shop_name);
	rc = shop_load(info, &counts, err);
	return rc < 0 ? rc : folder_write(folder, "shop.loaded", "", 0600, err);
}

/* Replicas that were added are in the router's store; not one whose adding was cut short. */
static int tell_router(struct playground *playground, struct err *err)
{
	struct folder *folder = playground->folder;
	PGconn *conn = NULL;
	int rc = 0;

	for (unsigned i = playground->cluster.shard_count; rc == 0 && i < playground->cluster.node_count; i++) {
		const struct cluster_node *node = &playground->cluster.nodes[i];

		if (!node->added || !node->process.pid)
			continue;
		if (!conn)
			conn = PQconnectdb(arena_printf(&folder->arena, "host=127.0.0.1 port=%u user=postgres password=%s dbname=%s connect_timeout=10",
							folder->port, folder->password, shop_name));
		if (PQstatus(conn) != CONNECTION_OK)
			rc = err_set(err, ERR_CONNECT, "the router cannot be reached: %s", PQerrorMessage(conn));
		else
			rc = add_replica_register(conn, node->name, arena_printf(&folder->arena, "s%u", node->shard + 1), "127.0.0.1", *node->port, "",
						  err);
		if (rc == 0)
			replica_unmark(&folder->arena, node->data);
	}
	PQfinish(conn);
	return rc;
}

static int bring_up(struct playground *playground, struct err *err)
{
	unsigned started;
	int rc = cluster_create(&playground->cluster, err);

	if (rc == 0)
		rc = cluster_start(&playground->cluster, &started, err);
	if (rc == 0)
		rc = cluster_prepare(&playground->cluster, shop_name, shop_name, err);
	if (rc == 0)
		rc = cluster_follow(&playground->cluster, err);
	if (rc == 0)
		rc = start_router(playground, err);
	if (rc == 0)
		rc = tell_router(playground, err);
	return rc < 0 ? rc : load_shop(playground, err);
}

/* Another process may have added replicas since, or taken some away. */
static void look_again(struct playground *playground)
{
	struct err err;

	if (folder_lock_list(playground->folder, &err) < 0)
		return;
	cluster_release(&playground->cluster);
	(void)!cluster_init(&playground->cluster, playground->folder, &playground->identity, &err);
}

static void take_down(struct playground *playground)
{
	look_again(playground);
	if (!playground->router.process.pid && !cluster_running(&playground->cluster))
		return;
	progress_begin("stopping");
	router_stop(&playground->router);
	cluster_stop(&playground->cluster);
	progress_end("stopped; the data is in %s", playground->folder->path);
}

static void print_how_to_connect(const struct playground *playground)
{
	const struct folder *folder = playground->folder;

	printf("\nReady. Connect with any PostgreSQL driver:\n\n  psql 'postgresql://%s:%s@127.0.0.1:%u/%s'\n\nFour statements to try:\n\n",
	       shop_name, shop_name, folder->port, shop_name);
	for (size_t i = 0; i < sizeof(statements_to_try) / sizeof(statements_to_try[0]); i++)
		printf("  %s\n", statements_to_try[i]);
	printf("\nFor Prometheus: http://127.0.0.1:%u/metrics\n", folder->http_port);
	if (folder->replica_count)
		printf("\nOne more replica, while all runs: nanu add-replica s1 --dir %s\n", folder->path);
	printf("\nConfiguration, data and logs are in %s. ", folder->path);
	if (playground->options.mode == MODE_DETACH)
		printf("To stop: nanu playground --stop --dir %s\n", folder->path);
	else
		puts("Ctrl-C stops everything.");
	fflush(stdout);
}

/* Replicas that lost their way are made anew, one at a time, with a pause in between that grows as long as that does not last. */
struct mending {
	uint64_t next_ms, last_ms, pause_ms;
	const char *list;               /* the file with the list of servers */
	struct timespec list_time;      /* when it was written as it is known here */
};

static uint64_t now_ms(void)
{
	return env_system()->now_us(env_system()->world) / 1000;
}

/* Another process may have written it. */
static void read_list_again(struct playground *playground, struct mending *mending)
{
	struct stat info;

	if (stat(mending->list, &info) < 0 ||
	    (info.st_mtim.tv_sec == mending->list_time.tv_sec && info.st_mtim.tv_nsec == mending->list_time.tv_nsec))
		return;
	mending->list_time = info.st_mtim;
	look_again(playground);
	folder_unlock_list(playground->folder);
}

static void remake(struct playground *playground, const char *name)
{
	struct cluster_node *node;
	struct err err;
	int rc;

	look_again(playground);         /* with the list locked: nobody adds or removes meanwhile */
	node = cluster_node(&playground->cluster, name);
	rc = node ? cluster_remake(&playground->cluster, node, "its primary no longer has the WAL that it needs", &err) : 0;
	folder_unlock_list(playground->folder);
	if (rc < 0 && rc != ERR_CANCELED)
		fprintf(stderr, "nanu playground: replica %s could not be made anew, which is tried again: %s\n", name, err.message);
}

static void mend(struct playground *playground, struct mending *mending)
{
	const struct cluster_node *lost;
	char name[sizeof(lost->name)];

	read_list_again(playground, mending);
	if (now_ms() < mending->next_ms)
		return;
	lost = cluster_lost(&playground->cluster);
	if (!lost)
		return;
	memcpy(name, lost->name, sizeof(name));
	if (!mending->pause_ms || now_ms() - mending->last_ms > 2 * (uint64_t)MEND_PAUSE_MS_MAX)
		mending->pause_ms = MEND_MS;
	remake(playground, name);
	mending->last_ms = now_ms();
	mending->next_ms = mending->last_ms + mending->pause_ms;
	mending->pause_ms = mending->pause_ms * 2 > MEND_PAUSE_MS_MAX ? MEND_PAUSE_MS_MAX : mending->pause_ms * 2;
}

/* Until a signal asks to stop (0) or the router has ended (an error). A server that ends is told, and left alone: that may be the play. */
static int stand_by(struct playground *playground, struct err *err)
{
	struct cluster *cluster = &playground->cluster;
	struct pollfd fds[NODES_MAX + 1];
	struct mending mending = { .list = folder_file(playground->folder, "playground.json") };
	char how[64];
	int rc;

	for (;;) {
		for (unsigned i = 0; i < cluster->node_count; i++)
			fds[i] = (struct pollfd){ .fd = cluster->nodes[i].process.pid ? cluster->nodes[i].process.pidfd : -1, .events = POLLIN };
		fds[cluster->node_count] = (struct pollfd){ .fd = playground->router.process.pidfd, .events = POLLIN };
		rc = progress_wait(fds, cluster->node_count + 1u, MEND_MS, err);
		if (rc < 0)
			return 0;
		if (rc == 0)
			mend(playground, &mending);
		for (unsigned i = 0; rc > 0 && i < cluster->node_count; i++) {
			if (!fds[i].revents)
				continue;
			process_describe(process_reap(&cluster->nodes[i].process), how);
			printf("server %s ended with %s; its log is %s\n", cluster->nodes[i].name, how, cluster->nodes[i].log);
			fflush(stdout);
		}
		if (rc > 0 && fds[cluster->node_count].revents) {
			process_describe(process_reap(&playground->router.process), how);
			if (router_find(&playground->router))
				continue;       /* another one took over */
			rc = err_set(err, ERR_INTERNAL, "the router ended with %s", how);
			process_log_tail(playground->router.log, err);
			return rc;
		}
	}
}

static int run(struct playground *playground, struct err *err)
{
	int rc = bring_up(playground, err);

	folder_unlock_list(playground->folder);
	if (rc == 0) {
		print_how_to_connect(playground);
		if (playground->options.mode == MODE_DETACH)
			return 0;
		rc = stand_by(playground, err);
		putchar('\n');
	}
	take_down(playground);
	return rc;
}

static int hold(struct playground *playground, struct err *err)
{
	int rc = cluster_init(&playground->cluster, playground->folder, &playground->identity, err);

	if (rc == 0)
		router_init(&playground->router, playground->folder, shop_name);
	return rc;
}

static int start(struct playground *playground, struct err *err)
{
	uint16_t old_port;
	pid_t holder = 0;
	int rc = folder_open(playground->options.dir, true, &playground->identity, &playground->folder, err);

	if (rc == 0)
		rc = folder_lock(playground->folder, &holder, err);
	if (rc < 0) {
		if (holder)
			err_hint(err, "Stop it: nanu playground --stop --dir %s", playground->folder->path);
		return rc;
	}
	rc = folder_lock_list(playground->folder, err);
	if (rc < 0)
		return rc;
	old_port = playground->folder->port;
	router_init(&playground->router, playground->folder, shop_name);
	rc = check_port(playground, old_port, err);
	router_release(&playground->router);
	if (rc == 0)
		rc = settle_choices(playground, err);
	if (rc == 0)
		rc = hold(playground, err);
	return rc < 0 ? rc : run(playground, err);
}

/* Asks the playground in the foreground, if there is one, to end, and waits until it has let go of the folder. */
static int end_foreground(struct playground *playground, struct err *err)
{
	pid_t holder = 0;
	int rc = folder_lock(playground->folder, &holder, err);

	if (rc == ERR_WRONG_STATE && holder > 1 && kill(holder, SIGTERM) < 0 && errno != ESRCH)
		return err_set(err, ERR_IO, "cannot stop 'nanu playground' (pid %d): %s", (int)holder, strerror(errno));
	for (int waited_ms = 0; rc == ERR_WRONG_STATE && waited_ms < STOP_MS_MAX; waited_ms += LOCK_POLL_MS) {
		rc = progress_wait(NULL, 0, LOCK_POLL_MS, err);
		if (rc == 0)
			rc = folder_lock(playground->folder, &holder, err);
	}
	return rc;
}

static int clean(struct playground *playground, struct err *err)
{
	bool left;
	int rc = folder_remove(playground->folder, &left, err);

	if (rc == 0)
		printf(left ? "- deleted; %s has files of yours, which stay\n" : "- deleted %s\n", playground->folder->path);
	return rc;
}

static int stop(struct playground *playground, struct err *err)
{
	bool runs;
	int rc = folder_open(playground->options.dir, false, &playground->identity, &playground->folder, err);

	if (rc == ERR_NOT_FOUND) {
		printf("- %s\n", err->message);
		return 0;
	}
	if (rc == 0)
		rc = end_foreground(playground, err);
	if (rc == 0)
		rc = hold(playground, err);
	if (rc < 0)
		return rc;
	runs = playground->router.process.pid || cluster_running(&playground->cluster);
	take_down(playground);
	if (playground->options.mode == MODE_CLEAN)
		return clean(playground, err);
	if (!runs)
		printf("- nothing runs in %s\n", playground->folder->path);
	return 0;
}

int playground_main(int argc, char **argv)
{
	struct playground playground = { .router.process = PROCESS_NONE };
	struct err err = { 0 };
	int rc;

	if (read_options(argc, argv, &playground.options) < 0)
		return command_misused("playground");
	forget_pg_environment();
	rc = identity_for_servers(&playground.identity, &err);
	if (rc == 0 && !*playground.options.dir)
		rc = folder_default(&playground.identity, playground.options.dir, &err);
	if (rc == 0)
		rc = progress_start(&err);
	if (rc == 0)
		rc = playground.options.mode >= MODE_STOP ? stop(&playground, &err) : start(&playground, &err);
	router_release(&playground.router);
	cluster_release(&playground.cluster);
	folder_free(playground.folder);
	return rc < 0 ? command_failed("playground", &err) : 0;
}

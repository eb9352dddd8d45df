#include "app/add_replica.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cluster.h"
#include "app/command.h"
#include "app/port.h"
#include "app/progress.h"
#include "app/reach.h"
#include "app/replica.h"
#include "app/server.h"
#include "base/duration.h"
#include "base/tree.h"
#include "net/env.h"
#include "topo/replication.h"
#include "topo/settings.h"

const char add_replica_usage[] =
	"Usage: nanu add-replica SHARD [OPTION ...]\n"
	"\n"
	"Makes a new replica of a shard on this machine, while everything runs: a base backup of the primary, or of --from, a\n"
	"server that streams from it with a replication slot of its own. When it has caught up, the router is told. Without --data it is\n"
	"one more server of the playground. Interrupted, it leaves nothing on the primary; run again, it goes on or begins anew.\n"
	"\n"
	"  --data DIR        where its data is to be: a folder that is empty or not there yet\n"
	"  --port N          port that it listens on\n"
	"  --host HOST       address that it listens on, and at which the router reaches it (default: 127.0.0.1)\n"
	"  --name NODE       what it is called (default: the primary's name with a letter behind it)\n"
	"  --log FILE        log of its server (default: DIR.log)\n"
	"  --from NODE       the replica that it is copied from, and streams from (default: the primary)\n"
	"  --delay TIME      it replays each commit so much later: 1h, 30min; for what was done by mistake. It serves no reads of\n"
	"                    consistency eventual, nor others that want what is newer\n"
	"  --max-rate RATE   bytes a second of the base backup, as pg_basebackup has it: 50M (default: no limit)\n"
	"  --dir DIR         the router of the playground in DIR\n"
	"  --config FILE     the router that runs with this configuration\n"
	"  --dsn URL         any connection string of PostgreSQL that leads to the router, with a database\n"
	"  --help, --version\n"
	"\n"
	"It connects to the node that it copies as node_user; with --dsn, as the user and with the password of that.\n";

enum {
	ARENA_BLOCK_SIZE = 4 << 10,
	PATH_SIZE = 4096,
	TURN_MS = 100,
	STALL_MS_MAX = 120 * 1000,      /* without getting on, before the replica is thought lost */
	READY_MS_MAX = 60 * 1000,
	POSTGRES_MAJOR = 15,
};

struct options {
	struct reach reach;
	const char *shard, *data, *host, *name, *log, *max_rate, *from, *delay;
	uint64_t delay_us;
	unsigned port;                  /* 0: not given */
};

struct work {
	struct options options;
	struct arena arena;
	struct identity identity;
	const char *programs;
	PGconn *router;
	PGconn *claims;                 /* to the primary: locks on what is being made, which others see wherever they run */
	const char *primary;            /* name of the node */
	const char *upstream;           /* that it streams from: the primary, or --from */
	const char *name, *data, *log;
	uint16_t port;
	struct folder *folder;          /* of the playground; NULL: its server is none of a playground */
	struct cluster cluster;
	struct cluster_node *node;      /* in it */
	struct process server;
	bool begun;                     /* there may be something of it, here and on the node that it streams from */
	bool caught_up;
};

static int read_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "data", required_argument, NULL, 'a' }, { "port", required_argument, NULL, 'p' },     { "host", required_argument, NULL, 'h' },
		{ "name", required_argument, NULL, 'n' }, { "log", required_argument, NULL, 'l' },      { "max-rate", required_argument, NULL, 'm' },
		{ "dir", required_argument, NULL, 'd' },  { "config", required_argument, NULL, 'c' },   { "dsn", required_argument, NULL, 's' },
		{ "from", required_argument, NULL, 'f' }, { "delay", required_argument, NULL, 'y' },    { 0 },
	};
	struct err err;
	int option;

	options->host = "127.0.0.1";
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		const char **places[] = { ['a'] = &options->data, ['h'] = &options->host, ['n'] = &options->name, ['l'] = &options->log,
					  ['m'] = &options->max_rate, ['d'] = &options->reach.dir, ['c'] = &options->reach.config,
					  ['s'] = &options->reach.dsn, ['f'] = &options->from, ['y'] = &options->delay };

		if (option == '?')
			return -1;
		if (option != 'p') {
			*places[option] = optarg;
		} else if (setting_number("--port", optarg, 1, UINT16_MAX, &options->port, &err) < 0) {
			fprintf(stderr, "nanu add-replica: %s\n", err.message);
			return -1;
		}
	}
	if (optind + 1 != argc) {
		fputs(optind < argc ? "nanu add-replica: it takes one shard\n" : "nanu add-replica: which SHARD?\n", stderr);
		return -1;
	}
	options->shard = argv[optind];
	if (options->delay && !duration_read(options->delay, &options->delay_us)) {
		fprintf(stderr, "nanu add-replica: --delay must be a length of time, as 1h or 30min, not \"%s\"\n", options->delay);
		return -1;
	}
	if ((options->from || options->delay) && !options->data) {
		fputs("nanu add-replica: --from and --delay need --data and --port: a playground's own servers follow its primaries at once\n", stderr);
		return -1;
	}
	if (options->name && strlen(options->name) >= NAME_SIZE_MAX) {
		fprintf(stderr, "nanu add-replica: --name may have %d bytes at most, as PostgreSQL's names do\n", NAME_SIZE_MAX - 1);
		return -1;
	}
	if (!options->data == !options->port)
		return 0;
	fputs("nanu add-replica: --data and --port go together; in a playground both are chosen by themselves\n", stderr);
	return -1;
}

/* ---- what the router knows ---- */

static int find_primary(struct work *work, struct err *err)
{
	const char *params[1] = { work->options.shard };
	PGresult *result;
	int rc = reach_ask(work->router, "SELECT name FROM nanu.nodes WHERE shard = $1 AND role = 'primary'", 1, params, &result, err);

	if (rc < 0)
		return rc;
	if (PQntuples(result)) {
		work->primary = arena_strdup(&work->arena, PQgetvalue(result, 0, 0));
	} else {
		rc = err_set(err, ERR_UNDEFINED_OBJECT, "shard \"%s\" does not exist", work->options.shard);
		err_hint(err, "nanu status lists the shards.");
	}
	PQclear(result);
	return rc;
}

static int find_upstream(struct work *work, struct err *err)
{
	const char *params[2] = { work->options.from, work->options.shard };
	PGresult *result;
	int rc;

	work->upstream = work->primary;
	if (!work->options.from)
		return 0;
	rc = reach_ask(work->router, "SELECT 1 FROM nanu.nodes WHERE name = $1 AND shard = $2", 2, params, &result, err);
	if (rc < 0)
		return rc;
	if (PQntuples(result) == 0) {
		rc = err_set(err, ERR_UNDEFINED_OBJECT, "shard \"%s\" has no node \"%s\"", work->options.shard, work->options.from);
		err_hint(err, "nanu status lists them.");
	}
	PQclear(result);
	work->upstream = work->options.from;
	return rc;
}

static int is_known(struct work *work, const char *name, bool *ret_known, struct err *err)
{
	const char *params[1] = { name };
	PGresult *result;
	int rc = reach_ask(work->router, "SELECT 1 FROM nanu.nodes WHERE name = $1", 1, params, &result, err);

	if (rc < 0)
		return rc;
	*ret_known = PQntuples(result) > 0;
	PQclear(result);
	return 0;
}

/* Nobody else makes a replica of this name, or in this folder of this machine, until this process has ended. */
static int claim(struct work *work, const char *what, bool *ret_ours, struct err *err)
{
	const char *params[1] = { what };
	PGresult *result;
	int rc = reach_ask(work->claims, "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtext('nanu add-replica'), pg_catalog.hashtext($1))", 1, params,
			   &result, err);

	if (rc < 0)
		return rc;
	*ret_ours = PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	return 0;
}

static int claim_or_fail(struct work *work, const char *what, const char *said, struct err *err)
{
	bool ours = false;
	int rc = claim(work, what, &ours, err);

	if (rc < 0 || ours)
		return rc;
	rc = err_set(err, ERR_WRONG_STATE, "another nanu add-replica makes %s", said);
	err_hint(err, "Wait for its end, or interrupt it.");
	return rc;
}

static int claim_folder(struct work *work, struct err *err)
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	return claim_or_fail(work, arena_printf(&work->arena, "%s:%s", host, work->data), arena_printf(&work->arena, "a replica in %s", work->data), err);
}

static int claim_name(struct work *work, const char *name, struct err *err)
{
	return claim_or_fail(work, name, arena_printf(&work->arena, "replica \"%s\"", name), err);
}

/* n1a, n1b, …: the first that is free. What was begun keeps its name, also when the router knows it already. */
static int choose_name(struct work *work, struct err *err)
{
	const char *wanted = work->options.name;
	bool known = false, ours = false;
	int rc = claim_folder(work, err);

	if (rc < 0)
		return rc;
	work->name = replica_marked(&work->arena, work->data);
	if (work->name)
		return claim_name(work, work->name, err);
	if (wanted) {
		rc = is_known(work, wanted, &known, err);
		if (rc == 0 && !known)
			rc = claim_name(work, wanted, err);
		if (rc == 0 && known) {
			rc = err_set(err, ERR_INVALID_VALUE, "there is a node \"%s\" already", wanted);
			err_hint(err, "Choose another --name, or take that node away first: nanu remove-replica %s", wanted);
		}
		work->name = wanted;
		return rc;
	}
	for (char letter = 'a'; letter <= 'z'; letter++) {
		work->name = arena_printf(&work->arena, "%s%c", work->primary, letter);
		rc = is_known(work, work->name, &known, err);
		if (rc == 0 && !known)
			rc = claim(work, work->name, &ours, err);
		if (rc < 0 || ours)
			return rc;
	}
	return err_set(err, ERR_LIMIT, "shard \"%s\" has nodes of all names from %sa to %sz", work->options.shard, work->primary, work->primary);
}

int add_replica_register(PGconn *router, const char *name, const char *shard, const char *host, uint16_t port, const char *upstream, struct err *err)
{
	char number[8];
	const char *params[5] = { name, shard, host, number, upstream };
	PGresult *result;
	int rc;

	snprintf(number, sizeof(number), "%u", port);
	rc = reach_ask(router, "SELECT nanu.add_node(name => $1, shard => $2, host => $3, port => $4, upstream => $5)", 5, params, &result, err);
	if (rc == 0)
		PQclear(result);
	return rc;
}

/* ---- where it is to be ---- */

static bool folder_has_anything(const char *path)
{
	DIR *all = opendir(path);
	const struct dirent *entry;
	bool any = false;

	while (all && !any && (entry = readdir(all)))
		any = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (all)
		closedir(all);
	return any;
}

static int place_by_options(struct work *work, struct err *err)
{
	const char *data = work->options.data;
	char here[PATH_SIZE];
	int rc;

	if (*data != '/' && !getcwd(here, sizeof(here)))
		return err_set(err, ERR_IO, "cannot find the current folder: %s", strerror(errno));
	work->data = *data == '/' ? data : arena_printf(&work->arena, "%s/%s", here, data);
	work->log = work->options.log ? work->options.log : arena_printf(&work->arena, "%s.log", work->data);
	work->port = (uint16_t)work->options.port;
	if (!replica_marked(&work->arena, work->data) && folder_has_anything(work->data)) {
		rc = err_set(err, ERR_WRONG_STATE, "%s is there already, and is no replica in the making", work->data);
		err_hint(err, "Choose a folder that is empty or not there yet. A replica that runs there is added with SELECT nanu.add_node().");
		return rc;
	}
	return 0;
}

/* What an earlier call did not bring to its end is taken up again. */
static int find_entry(struct work *work, unsigned shard, struct folder_replica **ret_replica, struct err *err)
{
	struct folder *folder = work->folder;

	for (unsigned i = 0; i < folder->replica_count; i++) {
		struct folder_replica *replica = &folder->replicas[i];
		const char *data = folder_file(folder, replica->name);
		bool ours = false;
		int rc = 0;

		if (replica->added && replica->shard == shard && (access(data, F_OK) < 0 || replica_marked(&folder->arena, data)))
			rc = claim(work, replica->name, &ours, err);
		*ret_replica = replica;
		if (rc < 0 || ours)
			return rc;
	}
	*ret_replica = shard < folder->shard_count ? folder_add_replica(folder, shard, true) : NULL;
	if (!*ret_replica)
		return err_set(err, ERR_LIMIT, "a shard of a playground has at most %d replicas", PLAYGROUND_REPLICAS_MAX);
	return claim_name(work, (*ret_replica)->name, err);
}

static int remember(struct work *work, unsigned shard, struct err *err)
{
	struct folder *folder = work->folder;
	struct folder_replica *replica;
	int rc = folder_lock_list(folder, err);

	if (rc < 0)
		return rc;
	rc = find_entry(work, shard, &replica, err);
	if (rc == 0 && replica->port == 0)
		rc = port_choose(&replica->port, err);
	if (rc == 0)
		rc = folder_save(folder, err);
	folder_unlock_list(folder);
	if (rc == 0)
		rc = cluster_init(&work->cluster, folder, &work->identity, err);
	if (rc < 0)
		return rc;
	work->node = cluster_node(&work->cluster, replica->name);
	work->name = work->node->name;
	work->data = work->node->data;
	work->log = work->node->log;
	work->port = *work->node->port;
	return 0;
}

static int place_in_playground(struct work *work, struct err *err)
{
	char path[REACH_PATH_SIZE];
	int rc;

	if (!reach_playground(&work->options.reach, path)) {
		rc = err_set(err, ERR_INVALID_VALUE, "where is the replica to be? There is no playground here");
		err_hint(err, "Say --data DIR and --port N; or, for a playground elsewhere, --dir DIR.");
		return rc;
	}
	if (work->options.name || work->options.log)
		return err_set(err, ERR_INVALID_VALUE, "a playground names its servers and their logs itself");
	rc = folder_open(path, false, &work->identity, &work->folder, err);
	/* Its shards are s1, s2, … and their primaries n1, n2, …. */
	return rc < 0 ? rc : remember(work, (unsigned)strtoul(work->options.shard + 1, NULL, 10) - 1, err);
}

/* ---- its server ---- */

static bool find_server(struct work *work)
{
	return server_find(&work->arena, work->data, &work->server);
}

static int start_server(struct work *work, struct err *err)
{
	char *argv[] = { arena_printf(&work->arena, "%s/postgres", work->programs), (char *)"-D", (char *)(uintptr_t)work->data, NULL };
	const struct spawn spawn = { .argv = argv, .identity = &work->identity, .log_path = work->log };
	int rc;

	if (find_server(work))
		return 0;
	if (!work->node)
		return process_spawn(&spawn, &work->server, err);
	rc = cluster_launch(&work->cluster, work->node, false, err);
	work->server = work->node->process;
	work->node->process = PROCESS_NONE;
	return rc;
}

/* What a standby must have at least as much of as its primary, and where it listens. */
static int settings_of(struct work *work, PGconn *upstream, const char **ret_settings, struct err *err)
{
	bool local = *work->options.host == '/';
	PGresult *result;
	int rc;

	*ret_settings = "";
	if (work->node)
		return 0;
	rc = reach_ask(upstream, "SELECT pg_catalog.string_agg(name || ' = ' || setting || chr(10), '') FROM pg_catalog.pg_settings WHERE name IN"
		       " ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction')",
		       0, NULL, &result, err);
	if (rc < 0)
		return rc;
	/* The delay is said in any case: what it is copied from may have one. */
	*ret_settings = arena_printf(&work->arena, "hot_standby = on\nport = %u\nlisten_addresses = '%s'\nunix_socket_directories = '%s'\n"
				     "recovery_min_apply_delay = '%llums'\n%s", work->port, local ? "" : work->options.host, local ? work->options.host : "",
				     (unsigned long long)work->options.delay_us / 1000, PQgetvalue(result, 0, 0));
	PQclear(result);
	return 0;
}

static bool accepts(const struct work *work)
{
	char port[8];
	const char *const names[] = { "host", "port", "connect_timeout", NULL };
	const char *const values[] = { work->options.host, port, "5", NULL };

	snprintf(port, sizeof(port), "%u", work->port);
	return PQpingParams(names, values, 0) == PQPING_OK;
}

/* ---- the steps ---- */

static int open_upstream(struct work *work, PGconn **ret_conn, struct err *err)
{
	int version, rc = reach_node(&work->options.reach, work->router, work->upstream, ret_conn, err);

	if (rc < 0)
		return rc;
	version = PQserverVersion(*ret_conn) / 10000;
	if (version == POSTGRES_MAJOR)
		return 0;
	return err_set(err, ERR_UNSUPPORTED, "node \"%s\" is PostgreSQL %d, and here is %d: a replica has the version of what it streams from",
		       work->upstream, version, POSTGRES_MAJOR);
}

/* An attempt that was cut short is gone on with when its slot still has all that is needed; else it goes, and a new one begins. */
static int look_at_old(struct work *work, bool *ret_goes_on, struct err *err)
{
	enum slot_state state = SLOT_NONE;
	PGconn *upstream = NULL;
	int rc;

	*ret_goes_on = false;
	if (!replica_marked(&work->arena, work->data))
		return 0;
	rc = open_upstream(work, &upstream, err);
	if (rc == 0)
		rc = replica_slot_state(upstream, work->name, &state, err);
	*ret_goes_on = rc == 0 && state == SLOT_READY;
	if (rc == 0 && state != SLOT_READY) {
		if (find_server(work))
			server_stop(&work->server);
		rc = replica_drop_slot(upstream, work->name, err);
		if (rc == 0)
			rc = tree_remove(work->data, err);
	}
	PQfinish(upstream);
	return rc;
}

static int copy(struct work *work, struct err *err)
{
	struct replica replica = {
		.arena = &work->arena, .name = work->name, .data = work->data, .log = work->log, .programs = work->programs, .identity = &work->identity,
		.max_rate = work->options.max_rate, .scratch = work->node != NULL, .backup = PROCESS_NONE,
	};
	PGconn *upstream = NULL;
	int rc = open_upstream(work, &upstream, err);

	if (rc == 0)
		rc = settings_of(work, upstream, &replica.settings, err);
	if (rc < 0) {
		PQfinish(upstream);
		return rc;
	}
	progress_begin(arena_printf(&work->arena, "copying %s (pg_basebackup)", work->upstream));
	rc = replica_begin(&replica, upstream, err);
	if (rc == 0)
		work->begun = true;
	while (rc == 0) {
		struct pollfd ended = { .fd = replica.backup.pidfd, .events = POLLIN };
		double part = replica_part(&replica);

		if (part >= 0)
			progress_set(part);
		rc = progress_wait(&ended, 1, TURN_MS, err);
	}
	if (rc > 0)
		rc = replica_end(&replica, err);
	replica_release(&replica);
	if (rc < 0)
		progress_drop();
	else
		progress_end("copied %s to %s", work->upstream, work->data);
	return rc;
}

static int wait_until_ready(struct work *work, struct err *err)
{
	const struct env *env = env_system();
	uint64_t end_us = env->now_us(env->world) + (uint64_t)READY_MS_MAX * 1000;

	while (!accepts(work)) {
		int rc = progress_wait(NULL, 0, TURN_MS, err);

		if (rc < 0)
			return rc;
		if (!process_running(&work->server))
			return err_set(err, ERR_CONNECT, "the server of replica %s has ended", work->name);
		if (env->now_us(env->world) > end_us)
			return err_set(err, ERR_CONNECT, "the replica does not accept connections at %s port %u", work->options.host, work->port);
	}
	return 0;
}

static int catch_up(struct work *work, struct err *err)
{
	PGconn *upstream = NULL;
	int rc;

	progress_begin("catching up");
	rc = start_server(work, err);
	if (rc == 0)
		rc = open_upstream(work, &upstream, err);
	if (rc == 0)
		rc = replica_follow(upstream, work->name, &work->server, work->options.delay_us > 0, STALL_MS_MAX, err);
	if (rc == 0)
		rc = wait_until_ready(work, err);
	PQfinish(upstream);
	if (rc == 0) {
		progress_end("it streams, and has caught up");
		return 0;
	}
	progress_drop();
	if (rc != ERR_CANCELED)
		process_log_tail(work->log, err);
	return rc;
}

/* A connection of its own: the other one may be in the middle of something. */
static int drop_slot(struct work *work, struct err *err)
{
	PGconn *upstream = NULL;
	int rc = open_upstream(work, &upstream, err);

	if (rc == 0)
		rc = replica_drop_slot(upstream, work->name, err);
	PQfinish(upstream);
	return rc;
}

static void forget(struct work *work)
{
	struct err err;

	if (!work->node || access(work->data, F_OK) == 0 || folder_lock_list(work->folder, &err) < 0)
		return;
	folder_drop_replica(work->folder, work->name);
	(void)!folder_save(work->folder, &err);
	folder_unlock_list(work->folder);
}

/* Takes back what was done; says what is left where that fails. */
static void undo(struct work *work)
{
	char slot[REPLICATION_SLOT_SIZE];
	struct err err;

	if (work->begun) {
		progress_begin("taking it back");
		if (find_server(work))
			server_stop(&work->server);
		if (drop_slot(work, &err) < 0) {
			replication_slot(work->name, slot);
			fprintf(stderr, "nanu add-replica: the replication slot \"%s\" may be left on %s, and keep WAL there: %s\n", slot, work->upstream,
				err.message);
		}
		if (tree_remove(work->data, &err) < 0)
			fprintf(stderr, "nanu add-replica: %s\n", err.message);
		progress_drop();
	}
	forget(work);
}

static int prepare(struct work *work, struct err *err)
{
	int rc = identity_for_servers(&work->identity, err);

	if (rc == 0) {
		work->programs = cluster_programs(&work->arena, err);
		rc = work->programs ? reach_router(&work->options.reach, "nanu add-replica", &work->router, err) : ERR_NOT_FOUND;
	}
	if (rc == 0)
		rc = find_primary(work, err);
	if (rc == 0)
		rc = find_upstream(work, err);
	if (rc == 0)
		rc = reach_node(&work->options.reach, work->router, work->primary, &work->claims, err);
	if (rc == 0)
		rc = work->options.data ? place_by_options(work, err) : place_in_playground(work, err);
	if (rc == 0 && !work->node)
		rc = choose_name(work, err);
	return rc;
}

/* Somebody may have promoted another one meanwhile. */
static int check_primary(struct work *work, struct err *err)
{
	const char *before = work->primary;
	int rc = find_primary(work, err);

	if (rc < 0 || strcmp(before, work->primary) == 0 || work->upstream != before)
		return rc;
	rc = err_set(err, ERR_WRONG_STATE, "shard \"%s\" has another primary since: %s", work->options.shard, work->primary);
	err_hint(err, "The same command makes the replica from that.");
	return rc;
}

static int add(struct work *work, struct err *err)
{
	bool goes_on = false;
	int rc = look_at_old(work, &goes_on, err);

	if (rc == 0 && !find_server(work) && !port_is_free(work->port)) {
		rc = err_set(err, ERR_WRONG_STATE, "port %u is in use by another program", work->port);
		err_hint(err, "Choose another --port.");
	}
	if (rc == 0 && !goes_on)
		rc = copy(work, err);
	work->begun |= goes_on;
	if (rc == 0)
		rc = catch_up(work, err);
	if (rc == 0)
		rc = check_primary(work, err);
	if (rc < 0)
		return rc;
	work->caught_up = true;
	return add_replica_register(work->router, work->name, work->options.shard, work->options.host, work->port, work->upstream, err);
}

static int run(struct work *work, struct err *err)
{
	int rc = prepare(work, err);

	if (rc == 0)
		rc = add(work, err);
	if (rc == 0) {
		replica_unmark(&work->arena, work->data);
		printf("- %s is a replica of %s now, at %s port %u; its log is %s\n", work->name, work->options.shard, work->options.host, work->port,
		       work->log);
	} else if (work->caught_up) {           /* what the router made of it may not even be known */
		fputs("nanu add-replica: the replica runs and follows, and stays. The same command goes on from here.\n", stderr);
	} else {
		undo(work);
	}
	return rc;
}

int add_replica_main(int argc, char **argv)
{
	struct work work = { .server = PROCESS_NONE };
	struct err err = { 0 };
	int rc;

	if (read_options(argc, argv, &work.options) < 0)
		return command_misused("add-replica");
	arena_init(&work.arena, ARENA_BLOCK_SIZE);
	rc = progress_start(&err);
	if (rc == 0)
		rc = run(&work, &err);
	if (work.server.pid)
		close(work.server.pidfd);
	cluster_release(&work.cluster);
	folder_free(work.folder);
	PQfinish(work.router);
	PQfinish(work.claims);
	arena_release(&work.arena);
	return rc < 0 ? command_failed("add-replica", &err) : 0;
}

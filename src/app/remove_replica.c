#include "app/remove_replica.h"

#include <getopt.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cluster.h"
#include "app/command.h"
#include "app/progress.h"
#include "app/reach.h"
#include "app/server.h"

const char remove_replica_usage[] =
	"Usage: nanu remove-replica NODE [OPTION ...]\n"
	"\n"
	"Takes a replica that was added while the router ran (nanu add-replica, nanu.add_node) out of the topology, and drops its\n"
	"replication slot on the primary. Of a playground's own replica server and data go, too. A node of nanu.yaml is taken\n"
	"away there, and with SELECT nanu.reload().\n"
	"\n"
	"  --stop            stop its server, which must run on this machine; its data stays\n"
	"  --dir DIR         the router of the playground in DIR\n"
	"  --config FILE     the router that runs with this configuration\n"
	"  --dsn URL         any connection string of PostgreSQL that leads to the router, with a database\n"
	"  --help, --version\n";

enum { ARENA_BLOCK_SIZE = 4 << 10 };

struct work {
	struct reach reach;
	const char *name;
	bool stop;
	struct arena arena;
	struct identity identity;
	PGconn *router;
	struct process server;          /* found, and to be stopped */
	const char *data;
	struct folder *folder;          /* of the playground that it is of; NULL: of none */
	struct cluster cluster;
};

static int read_options(int argc, char **argv, struct work *work)
{
	static const struct option known[] = {
		{ "stop", no_argument, NULL, 'x' },
		{ "dir", required_argument, NULL, 'd' },
		{ "config", required_argument, NULL, 'c' },
		{ "dsn", required_argument, NULL, 's' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == '?')
			return -1;
		if (option == 'x')
			work->stop = true;
		else
			*(option == 'd' ? &work->reach.dir : option == 'c' ? &work->reach.config : &work->reach.dsn) = optarg;
	}
	if (optind + 1 != argc) {
		fputs(optind < argc ? "nanu remove-replica: it takes one node\n" : "nanu remove-replica: which NODE?\n", stderr);
		return -1;
	}
	work->name = argv[optind];
	return 0;
}

/* ---- its server ---- */

/* Before anything is changed: the server itself says where its data is, and must be the one that runs there on this machine. */
static int find_server(struct work *work, struct err *err)
{
	PGresult *result = NULL;
	PGconn *conn = NULL;
	int rc = reach_node(&work->reach, work->router, work->name, &conn, err);

	if (rc == 0)
		rc = reach_ask(conn, "SHOW data_directory", 0, NULL, &result, err);
	if (rc == 0) {
		work->data = arena_strdup(&work->arena, PQgetvalue(result, 0, 0));
		if (!server_find(&work->arena, work->data, &work->server))
			rc = err_set(err, ERR_NOT_FOUND, "the server of node \"%s\" does not run on this machine", work->name);
	}
	if (rc < 0)
		err_hint(err, "Nothing was changed. Leave --stop out, or call it where the server runs.");
	PQclear(result);
	PQfinish(conn);
	return rc;
}

static void stop_server(struct work *work)
{
	progress_begin("stopping its server");
	server_stop(&work->server);
	progress_end("its server is stopped; its data stays in %s", work->data);
}

/* ---- of a playground ---- */

static int find_in_playground(struct work *work, struct err *err)
{
	char path[REACH_PATH_SIZE];
	int rc;

	if (!reach_playground(&work->reach, path))
		return 0;
	rc = folder_open(path, false, &work->identity, &work->folder, err);
	for (unsigned i = 0; rc == 0 && i < work->folder->replica_count; i++)
		if (work->folder->replicas[i].added && strcmp(work->folder->replicas[i].name, work->name) == 0)
			return 0;
	folder_free(work->folder);
	work->folder = NULL;
	return rc;
}

static int clear_playground(struct work *work, struct err *err)
{
	int rc = folder_lock_list(work->folder, err);

	if (rc < 0)
		return rc;
	progress_begin("stopping its server");
	rc = cluster_init(&work->cluster, work->folder, &work->identity, err);
	if (rc == 0 && cluster_node(&work->cluster, work->name))
		cluster_stop_node(&work->cluster, cluster_node(&work->cluster, work->name));
	if (rc == 0)
		rc = folder_remove_data(work->folder, work->name, err);
	folder_drop_replica(work->folder, work->name);
	if (rc == 0)
		rc = folder_save(work->folder, err);
	folder_unlock_list(work->folder);
	if (rc < 0)
		progress_drop();
	else
		progress_end("its server is stopped, its data deleted");
	return rc;
}

/* ---- the command ---- */

static int take_away(struct work *work, struct err *err)
{
	const char *params[1] = { work->name };
	PGresult *result;
	int rc;

	progress_begin("taking it out of the topology");
	rc = reach_ask(work->router, "SELECT nanu.remove_node($1)", 1, params, &result, err);
	if (rc < 0) {
		progress_drop();
		/* Of a playground, what was cut short after this is brought to its end. */
		return work->folder && strcmp(err->sqlstate, "42704") == 0 ? 0 : rc;
	}
	progress_end("%s is no node any more", work->name);
	PQclear(result);
	return 0;
}

static int run(struct work *work, struct err *err)
{
	int rc = identity_for_servers(&work->identity, err);

	if (rc == 0)
		rc = reach_router(&work->reach, "nanu remove-replica", &work->router, err);
	if (rc == 0)
		rc = find_in_playground(work, err);
	if (rc == 0 && work->stop && !work->folder)
		rc = find_server(work, err);
	if (rc == 0)
		rc = take_away(work, err);
	if (rc < 0)
		return rc;
	if (work->folder)
		return clear_playground(work, err);
	if (work->server.pid)
		stop_server(work);
	return 0;
}

int remove_replica_main(int argc, char **argv)
{
	struct work work = { .server = PROCESS_NONE };
	struct err err = { 0 };
	int rc;

	if (read_options(argc, argv, &work) < 0)
		return command_misused("remove-replica");
	arena_init(&work.arena, ARENA_BLOCK_SIZE);
	rc = progress_start(&err);
	if (rc == 0)
		rc = run(&work, &err);
	if (work.server.pid)
		close(work.server.pidfd);
	cluster_release(&work.cluster);
	folder_free(work.folder);
	PQfinish(work.router);
	arena_release(&work.arena);
	return rc < 0 ? command_failed("remove-replica", &err) : 0;
}

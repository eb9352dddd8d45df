/* cluster: the local PostgreSQL servers of a playground.
 *
 * The primary of shard i has its data in n<i>/, its log in log/n<i>.log, and listens on 127.0.0.1 at its remembered port, without unix sockets
 * (their paths may be too long). Its replicas are n<i>a, n<i>b, …: standbys that stream from it, each with a slot of its own. A server that still runs from an earlier time is taken over: its postmaster.pid is believed when that process is a
 * postgres that stands in the data folder. Used by the main thread.
 */
#pragma once

#include "app/folder.h"
#include "base/process.h"

struct cluster_node {
	char name[16];
	const char *data;
	const char *log;
	uint16_t *port;                 /* in the folder's memory */
	struct cluster_node *primary;   /* whose replica it is; NULL: nobody's */
	unsigned shard;                 /* from 0 */
	bool added;                     /* nanu.yaml does not name it */
	bool promoted;                  /* a replica once, and its shard's primary now: it holds what the others lack */
	struct process process;
};

struct cluster {
	struct folder *folder;
	struct identity identity;
	const char *programs;           /* folder of initdb and postgres */
	struct cluster_node *nodes;     /* the primaries first, in the shards' order */
	unsigned shard_count, node_count;
};

/* Names the nodes and takes hold of those that run. ERR_NOT_FOUND when PostgreSQL 15 is not installed. */
must_use int cluster_init(struct cluster *cluster, struct folder *folder, const struct identity *identity, struct err *err);
void cluster_release(struct cluster *cluster);           /* lets go of the servers; they run on */

/* The folder of PostgreSQL's programs; NULL: PostgreSQL 15 is not installed, and the error says so. */
const char *cluster_programs(struct arena *arena, struct err *err);

/* Runs initdb for the primaries without data, two at a time. An initdb that was cut short leaves nothing. */
must_use int cluster_create(struct cluster *cluster, struct err *err);

/* Starts the primaries that do not run and waits until all accept connections; *ret_started says how many were not running. A remembered port that
 * somebody else has taken is exchanged for another, and remembered. */
must_use int cluster_start(struct cluster *cluster, unsigned *ret_started, struct err *err);

/* Makes role and database `name` on every primary where they are missing. */
must_use int cluster_prepare(struct cluster *cluster, const char *name, const char *password, struct err *err);

/* Makes the replicas that are not there, two at a time, and anew those that cannot follow any more; starts those that do not run; waits until all have
 * caught up. One that was added later and whose port somebody else has taken is left out, and told of. */
must_use int cluster_follow(struct cluster *cluster, struct err *err);

/* A replica for which its primary no longer has the WAL that it needs; NULL: there is none. */
struct cluster_node *cluster_lost(struct cluster *cluster);
/* Throws it away, makes it anew, and waits until it follows. */
must_use int cluster_remake(struct cluster *cluster, struct cluster_node *node, const char *why, struct err *err);

/* One node that does not run: begins to start it; with another port, if somebody has taken its own and `moves`, else that is ERR_WRONG_STATE. */
must_use int cluster_launch(struct cluster *cluster, struct cluster_node *node, bool moves, struct err *err);
/* Starts it so if it does not run, and waits until it accepts connections. */
must_use int cluster_start_node(struct cluster *cluster, struct cluster_node *node, bool moves, struct err *err);
/* Stops it, if it runs. */
void cluster_stop_node(struct cluster *cluster, struct cluster_node *node);
struct cluster_node *cluster_node(const struct cluster *cluster, const char *name);     /* NULL: there is none of this name */
/* libpq's, as superuser. */
char *cluster_conninfo(const struct cluster *cluster, const struct cluster_node *node);

unsigned cluster_running(const struct cluster *cluster);

/* Fast shutdown of all nodes at once; those that do not end in time are stopped at once, and at last killed. */
void cluster_stop(struct cluster *cluster);

/* cluster: the local PostgreSQL servers of a playground.
 *
 * Node i has its data in n<i>/, its log in log/n<i>.log, and listens on 127.0.0.1 at its remembered port, without unix sockets (their paths
 * may be too long). A server that still runs from an earlier time is taken over: its postmaster.pid is believed when that process is a
 * postgres that stands in the data folder. Used by the main thread.
 */
#pragma once

#include "app/folder.h"
#include "app/process.h"

struct cluster_node {
	char name[16];
	const char *data;
	const char *log;
	uint16_t *port;                 /* in the folder's memory */
	struct process process;
};

struct cluster {
	struct folder *folder;
	struct identity identity;
	const char *programs;           /* folder of initdb and postgres */
	struct cluster_node *nodes;
	unsigned node_count;
};

/* Names the nodes and takes hold of those that run. ERR_NOT_FOUND when PostgreSQL 15 is not installed. */
must_use int cluster_init(struct cluster *cluster, struct folder *folder, const struct identity *identity, struct err *err);
void cluster_release(struct cluster *cluster);           /* lets go of the servers; they run on */

/* Runs initdb for the nodes without data, two at a time. An initdb that was cut short leaves nothing. */
must_use int cluster_create(struct cluster *cluster, struct err *err);

/* Starts the nodes that do not run and waits until all accept connections; *ret_started says how many were not running. A remembered port that
 * somebody else has taken is exchanged for another, and remembered. */
must_use int cluster_start(struct cluster *cluster, unsigned *ret_started, struct err *err);

/* Makes role and database `name` on every node where they are missing. */
must_use int cluster_prepare(struct cluster *cluster, const char *name, const char *password, struct err *err);

unsigned cluster_running(const struct cluster *cluster);

/* Fast shutdown of all nodes at once; those that do not end in time are stopped at once, and at last killed. */
void cluster_stop(struct cluster *cluster);

/* plane: the newest configuration, topology and catalogs, the store behind them, and how they become everybody's.
 *
 * The control plane's inside. Changed by one thread alone (that of the nodes' lane); any thread may take references of what is newest. Workers
 * have each new snapshot before a function that publishes it returns.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "admin/admin.h"
#include "base/err.h"

struct catalog;
struct config;
struct database;
struct leaders;
struct routers;
struct sampler;
struct services;
struct snapshot;
struct store;
struct topology;
struct users;

enum neighbour { NEIGHBOUR_BEFORE, NEIGHBOUR_AFTER, NEIGHBOUR_COUNT };    /* who was taken over; who has taken over */

struct plane {
	struct config *config;          /* a reference; replaced under the lock */
	struct users *users;
	struct services *services;      /* NULL before the workers run */
	struct store *store;
	int lock_fd;                    /* of the file beside the store that tells how many processes are on it; or -1 */
	struct routers *routers;        /* those who share the store; NULL: nobody does, it is a file */
	uint64_t revision;              /* of the topology in the store */
	uint64_t stored_epoch;          /* its epoch. What is served by may be newer: a change that was begun in memory */
	uint64_t schemas;               /* what others defined is known up to here: agree.c */
	uint64_t awaited_epoch, awaited_schemas;        /* what this process has changed and plane_await() has not waited for; 0: nothing */
	bool untold;                    /* definitions were run here of which the others could not be told yet */
	bool stopping;                  /* atomic: who waits for other routers ends */
	struct err *went_back;          /* the store's topology is an old one, and this is what changes are told; NULL: it is not. Set under the lock */
	bool unsaved;                   /* plane_init() made another of it */
	int peers[NEIGHBOUR_COUNT];     /* atomic: connections to the processes that share the store; -1: there is none */
	pthread_mutex_t lock;
	struct snapshot *snapshot;      /* the newest; replaced under the lock */
	struct sampler *sampler;        /* NULL before the router runs */
	struct leaders *leaders;        /* of shards whose nodes have agents */
};

/* Opens the store, makes the first snapshot (nodes that do not answer are tried again later). ERR_IO, ERR_CONFIG. */
must_use int plane_init(struct plane *plane, struct config *config, struct users *users, struct err *err);
/* Stores what the configuration made of the topology. Last before it runs: a start that fails must not touch what a running process stands on.
 * ERR_CONFLICT, ERR_IO. */
must_use int plane_settle(struct plane *plane, struct err *err);
void plane_release(struct plane *plane);                /* also after a failed plane_init() */

/* From any thread: new references. */
struct snapshot *plane_snapshot(struct plane *plane);
struct config *plane_config(struct plane *plane);

/* Reads the schema of database `only` (NULL: of those that could not be read yet) anew, and follows it: tables that were dropped or renamed. */
int plane_refresh(struct plane *plane, const char *only, struct err *err);
/* Makes `topology` the current one. ERR_CONFLICT: another router was faster, plane_take_newer() has what it stored. ERR_IO, ERR_UNKNOWN_OUTCOME.
 * ERR_WRONG_STATE: without etcd, while another process of this router serves sessions, which could not know of it in time; with etcd, when a router
 * that shares it does not confirm what is announced, which is stored then and must be taken back. */
must_use int plane_change(struct plane *plane, struct topology *topology, enum topology_change how, struct err *err);
/* Reads the configuration, its certificates and its users file anew, and makes them everybody's; with an error nothing changes. ERR_CONFIG with
 * file, line and reason; ERR_CONFLICT, ERR_IO from the store. */
must_use int plane_reload(struct plane *plane, struct err *err);

/* Takes what other processes and routers stored, and confirms it. */
must_use int plane_follow(struct plane *plane, struct err *err);
/* The same within a change that is under way, which is left alone. */
must_use int plane_take_newer(struct plane *plane, struct err *err);
/* Waits until the routers that are heard from know what was changed here since the last time; that they do not in time is logged. */
void plane_await(struct plane *plane);
/* A session has run definitions on this database: other routers are to read its schema anew. `away`: the store is, so they are told when it is back. */
void plane_defined(struct plane *plane, const char *database, bool away);
/* nanu.forget_router(), nanu.restore_topology(). */
must_use int plane_forget_router(struct plane *plane, const char *name, struct err *err);
must_use int plane_restore_topology(struct plane *plane, struct err *err);

/* For the files of the plane. */
must_use int plane_load_catalog(const struct plane *plane, const struct config *config, const struct topology *topology,
				const struct database *database, struct catalog **ret_catalog, struct err *err);
must_use int plane_save(struct plane *plane, const struct topology *topology, struct err *err);
/* Makes a snapshot of the newest catalogs and `topology` (whose references it takes) the current one, for everybody. */
void plane_publish(struct plane *plane, struct topology *topology, struct catalog *const *catalogs);
/* The nodes of the newest snapshot are asked for their positions, if the router runs. */
void plane_sample(struct plane *plane);
/* The same with the catalogs that are known already, and others read. */
void plane_publish_topology(struct plane *plane, struct topology *topology);
void plane_log_failure(const char *what, const struct err *err);

/* agree.c: with other routers. */
must_use int agree_check_start(struct plane *plane, uint64_t stored_epoch, struct err *err);   /* ERR_WRONG_STATE: the store has an old topology */
must_use int agree_learn_schemas(struct plane *plane, struct err *err);                 /* before catalogs are read for the first time */
must_use int agree_may_change(struct plane *plane, struct err *err);                    /* went_back, if it is set */
must_use int agree_take_newer(struct plane *plane, struct err *err);
must_use int agree_follow(struct plane *plane, bool idle, struct err *err);             /* idle: nothing of this process's own is under way */
must_use int agree_confirm(struct plane *plane, struct err *err);
must_use int agree_change(struct plane *plane, struct topology *topology, enum topology_change how, struct err *err);
void agree_published(struct plane *plane);                                              /* notes what epoch the store has, for the next start */

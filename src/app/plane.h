/* plane: the newest configuration, topology and catalogs, the store behind them, and how they become everybody's.
 *
 * The control plane's inside. Changed by one thread alone (that of the nodes' lane); any thread may take references of what is newest. Workers
 * have each new snapshot before a function that publishes it returns.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct catalog;
struct config;
struct database;
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
	uint64_t revision;              /* of the topology in the store */
	bool unsaved;                   /* plane_init() made another of it */
	int peers[NEIGHBOUR_COUNT];     /* atomic: connections to the processes that share the store; -1: there is none */
	pthread_mutex_t lock;
	struct snapshot *snapshot;      /* the newest; replaced under the lock */
	struct sampler *sampler;        /* NULL before the router runs */
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
/* Makes `topology` the current one, and, when `durable`, stores it first. ERR_CONFLICT, ERR_IO; ERR_WRONG_STATE while another process
 * of this router serves sessions, which could not know of it in time. */
must_use int plane_change(struct plane *plane, struct topology *topology, bool durable, struct err *err);
/* Reads the configuration, its certificates and its users file anew, and makes them everybody's; with an error nothing changes. ERR_CONFIG with
 * file, line and reason; ERR_CONFLICT, ERR_IO from the store. */
must_use int plane_reload(struct plane *plane, struct err *err);

/* Takes the topology that another process stored. */
must_use int plane_follow(struct plane *plane, struct err *err);

/* For plane_reload.c. */
must_use int plane_load_catalog(const struct plane *plane, const struct config *config, const struct topology *topology,
				const struct database *database, struct catalog **ret_catalog, struct err *err);
must_use int plane_save(struct plane *plane, const struct topology *topology, struct err *err);
/* Makes a snapshot of the newest catalogs and `topology` (whose references it takes) the current one, for everybody. */
void plane_publish(struct plane *plane, struct topology *topology, struct catalog *const *catalogs);
/* The nodes of the newest snapshot are asked for their positions, if the router runs. */
void plane_sample(struct plane *plane);
void plane_log_failure(const char *what, const struct err *err);

/* pool: the backends of one (node, database, user) on one worker.
 *
 * A pool owns its backends; a session borrows one leg at a time and hands it back idle, in no transaction. Invariant: over all workers,
 * opening + idle + lent + cleaning <= the quota's limit. Lives as long as its worker; touched by no other thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "backend/params.h"
#include "backend/settings.h"
#include "backend/statement.h"
#include "base/list.h"
#include "net/address.h"
#include "net/loop.h"

struct config;
struct pools;
struct quota;
struct quotas;
struct tls_context;
struct users;

struct pool_wait {                      /* a session's place in the queue; embedded in the session's leg */
	struct list_node place;
	struct timer timer;
	struct pool *pool;              /* while it waits */
	const struct backend_holder *holder;
	void *held_by;
	const struct settings *settings;        /* a backend that carries these is preferred */
	uint64_t owner;                 /* who waits: a number of his own */
	uint64_t backend_wanted;        /* not 0: the backend of this id, if it was lent to this owner last, or none */
	uint64_t since_us;
	/* Exactly once: with the backend, now LENT; or NULL and why. */
	void (*done)(struct pool_wait *wait, struct backend *backend, const struct err *err);
};

struct pool {
	struct pools *pools;
	char *node;                     /* names */
	char *database;
	char *user;
	char *host;                     /* as it is configured: what the node's certificate must be made out for */
	struct node_address address;
	struct quota *quota;
	unsigned quota_sharer;
	struct list opening, idle, lent, cleaning;      /* of struct backend; idle: least recently used first */
	struct list waiting;                            /* of struct pool_wait */
	struct err last_failure;        /* of the last opening, until one succeeds */
	struct params *params;          /* what a fresh backend reports; NULL before the first */
	bool asked_spare;               /* the other workers were asked for a permit */
	struct timer pause;             /* after a failed opening nothing is opened for a moment */
	uint64_t opened_count, failed_count, lent_count, wait_count, wait_us;
};

struct pools {                          /* of one worker */
	struct loop *loop;
	const struct config *config;
	struct users *users;
	struct quotas *quotas;
	struct tls_context *node_tls;   /* NULL: no TLS with nodes */
	unsigned worker;
	struct map by_key;              /* node, zero, database, zero, user -> struct pool */
	struct settings_table settings;
	struct params_table params;
	struct statement_table statements;
	struct later retry;             /* pools with waiting sessions look again */
	void (*wake_worker)(struct pools *pools, unsigned worker);      /* ask it to look for permits it waits for, or can spare */
	uint64_t last_backend, last_owner;      /* the last numbers that were given */
	bool draining;                  /* nothing is opened any more */
};

void pools_init(struct pools *pools, struct loop *loop, const struct config *config, struct users *users, struct quotas *quotas,
		unsigned worker);
void pools_release(struct pools *pools);                /* after pools_close() and a few turns of the loop */
void pools_close(struct pools *pools);                  /* closes every backend, fails every wait */
bool pools_empty(const struct pools *pools);
void pools_look(struct pools *pools);                   /* another worker asked: spare permits, serve waiting sessions */

struct pool *pools_get(struct pools *pools, const char *node, const char *host, const struct node_address *address, const char *database,
		       const char *user);

/* Lends an idle backend (1, and wait->done is not called), or queues `wait` (0) until a backend is there or config.pool_wait_ms_max has
 * passed. ERR_NOT_FOUND when the backend that is wanted is not to be had; ERR_POOL_FULL (53300) when the queue is full. The caller has filled holder, held_by, settings and done. */
must_use int pool_acquire(struct pool *pool, struct pool_wait *wait, struct backend **ret_backend, struct err *err);
void pool_forget(struct pool_wait *wait);               /* the session goes away while it waits; harmless otherwise */

/* Takes the backend back, idle and in no transaction; one that is dirty is cleaned first. */
void pool_release(struct backend *backend);

/* For backend.c: a backend's state changed. */
void pool_move(struct backend *backend, enum backend_state state);
void pool_opened(struct backend *backend);
void pool_cancel_over(struct backend *backend);
void pool_lost(struct backend *backend, const struct err *why);

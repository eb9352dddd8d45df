/* pool: the backends of one (node, database, user) on one worker.
 *
 * A pool owns its backends; a session borrows one leg at a time and hands it back idle, in no transaction. Invariant: over all workers,
 * opening + idle + lent + cleaning + retiring <= the quotas' limits, unless these were lowered meanwhile. A pool that *holds* (nanu.pause, nanu.drain,
 * nanu switchover) lends only to those who have another backend that is waited for. One worker's; it lives until the topology has no place for it and it is empty.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "backend/params.h"
#include "backend/permits.h"
#include "backend/settings.h"
#include "backend/statement.h"
#include "base/list.h"
#include "net/address.h"
#include "net/loop.h"
#include "route/aside.h"
#include "route/node_status.h"
#include "sql/shape.h"

struct config;
struct pools;
struct quotas;
struct snapshot;
struct users;

struct pool_wait {                      /* a session's place in the queue; embedded in the session's leg */
	struct list_node place;
	struct timer timer;
	struct pool *pool;              /* while it waits */
	const struct backend_holder *holder;
	void *held_by;
	const struct settings *settings;        /* a backend that carries these is preferred */
	uint64_t owner;                 /* who waits: a number of his own */
	uint64_t backend_wanted;        /* not 0: the backend of this id, if it was lent to this owner last, or ERR_NOT_FOUND */
	uint64_t since_us;
	bool (*urgent)(struct pool_wait *wait);   /* whether who waits has a backend of a pool that is held, and gives it back only when he has this one too */
	/* Exactly once: with the backend, now LENT; or NULL and why. */
	void (*done)(struct pool_wait *wait, struct backend *backend, const struct err *err);
};

struct pool {
	struct pools *pools;
	struct list_node place;
	char *node;                     /* names */
	char *database;
	char *user;
	char *host;                     /* as it is configured: what the node's certificate must be made out for */
	struct node_address address;
	struct node_status *status;     /* of the node, as who borrowed last knew it: a reference, or NULL */
	struct permits permits;
	unsigned wait_ms_max;           /* 0: for ever */
	bool held, gone;                /* gone: the topology has it no more */
	bool replica;                   /* the node is one, in the topology */
	uint64_t generation;            /* backends of an older one are closed when they are given back */
	struct list opening, idle, lent, cleaning, retiring;    /* of struct backend; idle: least recently used first */
	struct list apart;                              /* of struct backend, in any state: each opened for one holder */
	struct list waiting;                            /* of struct pool_wait */
	struct list wanting;                            /* the same, each for one backend that is being cleaned */
	unsigned kept;                                  /* by those who may open one apart: it does not go */
	struct err last_failure;        /* of the last opening, until one succeeds */
	struct params *params;          /* what a fresh backend reports; NULL before the first */
	struct timer pause;             /* after a failed opening nothing is opened for a moment */
	struct aside aside;             /* of a replica's, which refuses this user or database: pool_put_aside() */
	struct timer sparing;           /* for what has been idle for a while */
	uint64_t opened_count, failed_count, lent_count, wait_count, wait_us;
	uint64_t statements[STMT_KIND_COUNT_];  /* that its backends have run to their end, as whoever borrowed them says */
};

enum { POOLS_RECENT = 16 };

struct pools {                          /* of one worker */
	struct loop *loop;
	const struct config *config;
	struct users *users;
	struct quotas *quotas;
	unsigned worker;
	struct map by_key;              /* node, zero, database, zero, user -> struct pool */
	struct list all;                /* the same */
	struct pool *recent[POOLS_RECENT];      /* pools_get() finds them without their key */
	struct settings_table settings;
	struct params_table params;
	struct statement_table statements;
	struct later retry;             /* pools with waiting sessions look again */
	void (*wake_worker)(struct pools *pools, unsigned worker);      /* ask it to look for permits it waits for, or can spare */
	uint64_t last_backend, last_owner;      /* the last numbers that were given */
	bool draining;                  /* nothing is opened any more */
	bool leaving;                   /* another process takes over: what is idle goes soon */
	struct map holds;               /* kind, zero, name: what is paused, drained or disabled */
	unsigned aside_count;           /* pools that have failed, and have not worked since */
};

enum hold { HOLD_DATABASE, HOLD_NODE, HOLD_LOGIN, HOLD_COUNT };         /* paused, by its name on the nodes; drained; disabled: no new clients */

void pools_init(struct pools *pools, struct loop *loop, const struct config *config, struct users *users, struct quotas *quotas,
		unsigned worker);
void pools_release(struct pools *pools);                /* after pools_close() and a few turns of the loop */
void pools_close(struct pools *pools);                  /* closes every backend, fails every wait */
/* A new configuration, or topology: limits, and backends of nodes and databases that are gone or have moved, or that are to be reached with
 * other settings of TLS, are closed as they are given back. */
void pools_configure(struct pools *pools, const struct config *config, const struct snapshot *snapshot);
/* Backends of this node that there are now are not lent again: it is another than it was when they were opened. */
void pools_outdate(struct pools *pools, const char *name);
void pools_leave(struct pools *pools);                  /* idle backends go now, and later ones soon */

/* Lends nothing of this database or node to sessions that have no backend of what is held, and closes its backends as they are given back; or does so no more. */
void pools_hold(struct pools *pools, enum hold what, const char *name, bool hold);
bool pools_held(const struct pools *pools, enum hold what, const char *name);
/* The next of what is held; *position is 0 at first. */
bool pools_next_hold(const struct pools *pools, size_t *position, enum hold *ret_what, const char **ret_name);
/* How many backends of it there still are. */
size_t pools_count(const struct pools *pools, enum hold what, const char *name);
bool pools_empty(const struct pools *pools);
void pools_look(struct pools *pools);                   /* another worker asked: spare permits, serve waiting sessions */

/* Whether statements may run on its node now: on a replica, or a primary that is known to lead. */
static inline bool pool_is_permitted(const struct pool *pool)
{
	return pool->replica || !pool->status || loop_now_us(pool->pools->loop) < node_status_permit(pool->status);
}

/* Whether it lends only to those who have another backend that is waited for: it is paused or drained, or its node about to hand over. */
static inline bool pool_holds(const struct pool *pool)
{
	return pool->held || (pool->status && !pool->replica && loop_now_us(pool->pools->loop) >= node_status_hold(pool->status));
}

struct pool *pools_get(struct pools *pools, const char *node, const char *host, const struct node_address *address, const char *database,
		       const char *user);

/* Lends an idle backend (1, and wait->done is not called), or queues `wait` (0) until a backend is there or config.pool_wait_ms_max has
 * passed. ERR_NOT_FOUND when the backend that is wanted is not to be had; ERR_POOL_FULL (53300) when the queue is full. The caller has filled holder, held_by, settings, urgent and done. */
must_use int pool_acquire(struct pool *pool, struct pool_wait *wait, struct backend **ret_backend, struct err *err);
/* Sessions could not use it, or can again: for whoever asks aside_open() before he borrows. */
bool pool_put_aside(struct pool *pool, uint64_t asked_us, uint64_t now_us);
void pool_worked(struct pool *pool);
void pool_forget(struct pool_wait *wait);               /* the session goes away while it waits; harmless otherwise */

/* Takes the backend back, idle and in no transaction; one that is dirty is cleaned first. */
void pool_release(struct backend *backend);

/* Opens a backend for this holder alone, beside those that are lent: max_db_connections and max_user_connections count it, pool_size does not. The
 * holder hears `opened`, or `lost` if that fails; it closes it with backend_close(). When the node moves or is drained, or the database paused, the
 * holder loses it. `what`: for nanu.backends. `replication`: a start-up parameter, with which go those in `startup`; or both NULL. ERR_POOL_FULL (53300), ERR_NOT_NOW while it is held, ERR_SHUTDOWN. */
must_use int pool_open_apart(struct pool *pool, const char *what, const struct backend_holder *holder, void *held_by, struct settings *startup,
			     const char *replication, struct backend **ret_backend, struct err *err);
void pool_lose_apart(struct pool *pool, const struct err *why);         /* all of them */

size_t pool_count(const struct pool *pool);             /* its backends, in any state */
void pool_configure(struct pool *pool);                 /* its limits, as the configuration has them */

/* For backend.c: a backend's state changed. */
void pool_move(struct backend *backend, enum backend_state state);
void pool_opened(struct backend *backend);
void pool_cancel_over(struct backend *backend);
uint64_t pool_idle_us_max(const struct pool *pool);     /* after which an idle backend goes; 0: never */
void pool_lost(struct backend *backend, const struct err *why);

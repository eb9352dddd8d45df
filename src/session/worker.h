/* worker: one thread's share of the program: its loop, listener, sessions, pools and plans.
 *
 * Nothing here is touched by another thread, except through letters; `services` is what workers share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/pool.h"
#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "net/loop.h"
#include "net/stream.h"
#include "route/plan_cache.h"
#include "session/reads_count.h"
#include "sql/shape.h"

struct admission;
struct config;
struct fingerprinter;
struct job;
struct session;
struct snapshot;
struct users;
struct worker;

struct services {                       /* shared by all workers; set up before they start */
	struct config *config;          /* as it was at the start; a worker has the newest */
	struct users *users;
	struct quotas *quotas;
	struct worker **workers;
	unsigned worker_count;
	struct admission *admission;
	unsigned client_count;          /* atomic: sessions over all workers */
	int predecessor;                /* atomic: the process that this one took over; -1: none */
	void (*forward_cancel)(int predecessor, uint32_t pid, uint32_t secret);
	void *program;
	void (*submit)(struct services *services, struct job *job);     /* from any thread */
};

/* Whole queries by the time that they took: counters.durations[i] took less than 2^(i + 1) us. */
enum { DURATION_COUNT = 64 };

struct worker_counters {
	uint64_t sessions_total, transactions, errors, refused, fanouts, rows_merged, received_bytes;
	uint64_t sent_bytes;            /* to sessions that have ended */
	uint64_t statements[STMT_KIND_COUNT_];
	uint64_t statement_us;
	uint64_t replica_reads, replica_retries, hedged_reads, hedges_won;
	uint64_t durations[DURATION_COUNT];
	uint64_t reads[READ_LEVEL_COUNT][READ_CHOICE_COUNT];
};

struct listener { struct stream stream; struct worker *worker; };

struct forwarded { uint32_t pid, secret; uint64_t until_us; };
enum { FORWARDED_KEPT = 64 };

/* What a session needs only while it works, kept for the next one that does. */
enum { SPARES_MAX = 256, SPARE_IN_SIZE_MAX = 4096 };

struct spare {                          /* what one session has worked with, for the next */
	struct arena arena;
	struct answer *answers;
	char *in;
	uint32_t in_capacity;
};

struct shared_policy;

struct worker {
	struct services *services;
	struct config *config;          /* a reference to the newest */
	unsigned index;
	struct loop *loop;
	struct snapshot *snapshot;
	struct pools pools;
	struct plan_cache plans;
	struct map listenings;          /* struct pool * -> struct listening: listen.c */
	struct spare spares[SPARES_MAX];
	size_t spare_count;
	struct leg *spare_legs[SPARES_MAX];
	size_t spare_leg_count;
	struct buf lifted;              /* automatic.c: of the query under way */
	struct buf spare_held;          /* reads_again.c: for the next session that holds something back */
	struct fingerprinter *fingerprinter, *second_fingerprinter;     /* two texts at a time: EXECUTE and what it executes */
	struct listener *listeners;     /* one, or some that were taken over */
	size_t listener_count;
	struct timer listener_pause;
	bool leaving;                   /* another process accepts now */
	struct list sessions;
	struct list awaiting_samples;   /* samples.h */
	unsigned awaiting_count;        /* atomic */
	struct list leaderless;         /* of struct pool_wait: primaries.h */
	size_t open_streams;            /* of clients, also those that only have their last words to read */
	struct map by_number;           /* session number (4 bytes) -> struct session */
	struct shared_policy *policies; /* that its sessions have, under the configuration it has now */
	uint32_t last_number;
	struct forwarded forwarded[FORWARDED_KEPT];     /* cancel requests: peers.c */
	size_t forwarded_at;
	struct worker_counters counters;
	uint64_t started_us;
	unsigned read_turn;             /* whose replica is next */
	unsigned hedge_budget;          /* hedge.h: what is left of it, in hundredths of a hedge */
	struct list losers;             /* there too */
	uint64_t refreshed_us;          /* the last catalog that was asked for because of a name in a database of one shard */
	bool stopping;
};

/* On the worker's own thread: opens its loop, listens on `listen_fds` (which it takes over), runs until worker_stop() has drained it. */
must_use int worker_init(struct worker *worker, struct services *services, unsigned index, struct snapshot *snapshot,
			 const int *listen_fds, size_t listen_count, struct err *err);
void worker_run(struct worker *worker);
void worker_release(struct worker *worker);

/* What the configuration lets sessions of this database and user do; valid until the worker has another configuration. */
const struct policy *worker_policy(struct worker *worker, const char *database, const char *user);

/* From any thread. */
void worker_post_stop(struct worker *worker);
void worker_post_look(struct worker *worker);                                   /* permits: see pool.h */
/* Cancels what the session runs, here, or in the process that this one took over, or in a peer (peers.h); without effect when nobody has such a session. */
void services_cancel(struct services *services, uint32_t pid, uint32_t secret);
void services_set_predecessor(struct services *services, int predecessor);

/* Runs `visit` on the worker's thread, as soon as its loop turns. */
void worker_post_call(struct worker *worker, void (*visit)(struct worker *worker, void *argument), void *argument);

/* Runs `visit` on every worker, at the same time, and returns when all have done it. Not from a worker's thread. */
void services_visit(struct services *services, void (*visit)(struct worker *worker, void *argument), void *argument);

/* Every worker has the snapshot when this returns: no statement is planned with an older one, unless its transaction began under it. */
void services_publish(struct services *services, struct snapshot *snapshot);

/* The same with a new configuration: its limits hold when this returns, for sessions that are there already too. */
void services_configure(struct services *services, struct config *config, struct snapshot *snapshot);

/* Nobody is accepted any more, and backends that are idle go: another process has taken over. Not from a worker's thread. */
void services_leave(struct services *services);

/* Clients who wait at the listening sockets are accepted: the process that shares them may have been woken for them, and not have come. */
void services_accept(struct services *services);

/* On the worker's own thread: pools_hold(), and who is logging in does not wait for a backend. */
void worker_hold(struct worker *worker, enum hold what, const char *name, bool hold);

/* The process number that a session's client knows, and its cancel requests name; and back. */
static inline uint32_t worker_pid(unsigned worker, uint32_t number)
{
	return worker << 24 | number;
}

struct session *worker_session(struct worker *worker, uint32_t number);         /* NULL when it has gone */

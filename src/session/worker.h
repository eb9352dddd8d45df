/* worker: one thread's share of the program: its loop, listener, sessions, pools and plans.
 *
 * Nothing here is touched by another thread, except through letters; `services` is what workers share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/pool.h"
#include "base/list.h"
#include "base/map.h"
#include "net/loop.h"
#include "net/stream.h"
#include "route/plan_cache.h"

struct config;
struct fingerprinter;
struct job;
struct session;
struct snapshot;
struct tls_context;
struct users;
struct worker;

struct services {                       /* shared by all workers; set up before they start */
	const struct config *config;
	struct users *users;
	struct quotas *quotas;
	struct tls_context *client_tls;         /* NULL: no TLS with clients */
	struct tls_context *node_tls;
	struct worker **workers;
	unsigned worker_count;
	unsigned client_count;          /* atomic: sessions over all workers */
	void *program;
	void (*submit)(struct services *services, struct job *job);     /* from any thread */
};

struct worker_counters {
	uint64_t sessions_total, statements, transactions, errors, refused, fanouts, rows_merged, received_bytes, sent_bytes;
	uint64_t statement_us;
};

struct worker {
	struct services *services;
	const struct config *config;
	unsigned index;
	struct loop *loop;
	struct snapshot *snapshot;
	struct pools pools;
	struct plan_cache plans;
	struct fingerprinter *fingerprinter, *second_fingerprinter;     /* two texts at a time: EXECUTE and what it executes */
	struct stream listener;
	struct timer listener_pause;
	struct list sessions;
	size_t open_streams;            /* of clients, also those that only have their last words to read */
	struct map by_number;           /* session number (4 bytes) -> struct session */
	uint32_t last_number;
	struct worker_counters counters;
	uint64_t started_us;
	bool stopping;
};

/* On the worker's own thread: opens its loop, listens on `listen_fd` (which it takes over), runs until worker_stop() has drained it. */
must_use int worker_init(struct worker *worker, struct services *services, unsigned index, struct snapshot *snapshot, int listen_fd,
			 struct err *err);
void worker_run(struct worker *worker);
void worker_release(struct worker *worker);

/* From any thread. */
void worker_post_stop(struct worker *worker);
void worker_post_look(struct worker *worker);                                   /* permits: see pool.h */
void worker_post_cancel(struct worker *worker, uint32_t number, uint32_t secret);

/* Runs `visit` on the worker's thread, as soon as its loop turns. */
void worker_post_call(struct worker *worker, void (*visit)(struct worker *worker, void *argument), void *argument);

/* Runs `visit` on every worker, at the same time, and returns when all have done it. Not from a worker's thread. */
void services_visit(struct services *services, void (*visit)(struct worker *worker, void *argument), void *argument);

/* Every worker has the snapshot when this returns: no statement is planned with an older one, unless its transaction began under it. */
void services_publish(struct services *services, struct snapshot *snapshot);

struct session *worker_session(struct worker *worker, uint32_t number);         /* NULL when it has gone */

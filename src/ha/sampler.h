/* sampler: asks every node, many times a second and over one standing connection, for its role and its positions in the WAL (route/node_status.h);
 * and once a second, where a shard has replicas, who streams from whom (route/feeds.h).
 *
 * One thread a node, with blocking libpq. In between, when somebody demands it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct node_status;
struct sampler;
struct snapshot;

/* `sampled` is called after every question; `turned` before that, when a node has another role or timeline than it had, is silent, or answers again.
 * `hangs`: it answers nothing at all for a while. On threads of the sampler's. */
struct sampler *sampler_new(void (*sampled)(void *program), void (*turned)(void *program), void (*hangs)(void *program, struct node_status *status), void *program);
/* From now on the nodes of this snapshot are asked, and others no more; max_lag_us: node_sample's; every_ms: how often, but 20
 * times as rarely in shards without replicas, where nobody needs positions. `conninfo` gives libpq's conninfo for a connection to its node (an index in the
 * topology), to be freed with mem_free(); `served`: to a database that sessions use, rather than to one that nobody minds an open connection to,
 * which a node may not have. It is called before this returns. By one thread at a time. */
void sampler_follow(struct sampler *sampler, const struct snapshot *snapshot, uint64_t max_lag_us, unsigned every_ms,
		    char *(*conninfo)(void *program, int node, bool served), void *program);
void sampler_free(struct sampler *sampler);             /* waits for the threads; NULL is allowed */

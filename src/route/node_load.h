/* node_load: what this router asks of a node, and how long that takes: how much is under way there, and the time that reads took of late.
 *
 * One in the status of each node (node_status.h). Every worker writes a part of its own, so that nobody waits; anybody reads all of it.
 *
 * The time is a peak-EWMA: one that is longer than what is known counts at once, a shorter one as much as time has passed. What nobody adds to fades,
 * so that a node that was slow is tried again. Source: Finagle's PeakEwma load balancer, which Linkerd uses.
 *
 * The time that 95 of 100 reads take is followed by steps: one up for each that takes longer, a nineteenth of it down for each other; they cancel out where one
 * of twenty takes longer. Source: Robbins and Monro, "A Stochastic Approximation Method", Annals of Mathematical Statistics 22 (1951).
 */
#pragma once

#include <stdint.h>

#include "base/limits.h"

enum { NODE_LOAD_DECAY_US = 10000000 };

struct node_load_part {                 /* a worker's, in cache lines that no other worker writes to */
	uint64_t under_way;
	uint64_t read_ns;               /* 0: none was measured */
	uint64_t measured_us;           /* when read_ns was true */
	uint64_t slow_ns;               /* that 95 of 100 are faster than; 0: none was measured */
	uint64_t apart[12];
};

struct node_load { struct node_load_part parts[WORKERS_MAX]; };

/* By the worker itself. */
static inline void node_load_begin(struct node_load *load, unsigned worker)
{
	uint64_t *under_way = &load->parts[worker].under_way;

	__atomic_store_n(under_way, *under_way + 1, __ATOMIC_RELAXED);
}

static inline void node_load_end(struct node_load *load, unsigned worker)
{
	uint64_t *under_way = &load->parts[worker].under_way;

	__atomic_store_n(under_way, *under_way - 1, __ATOMIC_RELAXED);
}

void node_load_measured(struct node_load *load, unsigned worker, uint64_t took_us, uint64_t now_us);
/* What a read takes, as this worker has seen; 0: it has not. */
double node_load_read_us(const struct node_load *load, unsigned worker, uint64_t now_us);

/* That 95 of 100 reads are faster than, of late; 0: nobody knows. */
uint64_t node_load_slow_us(const struct node_load *load, unsigned worker);

/* By anybody: over so many workers. */
uint64_t node_load_under_way(const struct node_load *load, unsigned worker_count);

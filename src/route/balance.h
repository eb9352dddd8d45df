/* balance: which of the replicas that may serve a read does. Pure.
 *
 * Replicas take turns in proportion to their weights, over a list in which each stands as often as its weight says, spread evenly; what is not decided by
 * load, time or distance is decided by whose turn it is. A replica of weight 0 stands in no list, and serves nothing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "topo/config.h"

struct candidate {                      /* a replica that may serve the read */
	int node;
	unsigned weight;
	unsigned distance;              /* balance_distance() */
	uint64_t under_way;             /* node_load.h */
	double read_us;                 /* there; 0: not known */
};

/* Allocated: the nodes with a weight, each as often as it says, but no oftener than their proportion needs; NULL: there are none. */
int *balance_turns(const int *nodes, const unsigned *weights, size_t count, size_t *ret_count);

/* 0: in the same zone; 1: in the same region; 2: elsewhere, or nobody knows. NULL is as "". */
unsigned balance_distance(const char *region, const char *zone, const char *node_region, const char *node_zone);

/* One of the candidates, of which there is one at least; all stand in `turns`. */
int balance_choose(enum read_from by, const struct candidate *candidates, size_t count, const int *turns, size_t turn_count, size_t turn);

#include "route/balance.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

static unsigned common_divisor(unsigned a, unsigned b)
{
	while (b) {
		unsigned rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Smooth weighted round robin: each turn is that of who is furthest behind his share. Source: nginx, ngx_http_upstream_round_robin.c. */
int *balance_turns(const int *nodes, const unsigned *weights, size_t count, size_t *ret_count)
{
	unsigned divisor = 0, total = 0;
	int *turns, *behind;

	for (size_t i = 0; i < count; i++)
		divisor = common_divisor(divisor, weights[i]);
	for (size_t i = 0; i < count && divisor; i++)
		total += weights[i] / divisor;
	*ret_count = total;
	if (!total)
		return NULL;
	turns = mem_alloc(total * sizeof(*turns));
	behind = mem_calloc(count, sizeof(*behind));
	for (unsigned turn = 0; turn < total; turn++) {
		size_t next = 0;

		for (size_t i = 0; i < count; i++) {
			behind[i] += (int)(weights[i] / divisor);
			if (behind[i] > behind[next])
				next = i;
		}
		behind[next] -= (int)total;
		turns[turn] = nodes[next];
	}
	mem_free(behind);
	return turns;
}

static bool same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

unsigned balance_distance(const char *region, const char *zone, const char *node_region, const char *node_zone)
{
	if (!same(region, node_region))
		return 2;
	if (zone && *zone && same(zone, node_zone))
		return 0;
	return region && *region ? 1 : 2;
}

/* The less the better. */
static double cost(enum read_from by, const struct candidate *candidate)
{
	double load = ((double)candidate->under_way + 1) / candidate->weight;

	switch (by) {
	case READ_FROM_PRIMARY:
	case READ_FROM_ROUND_ROBIN:
		break;
	case READ_FROM_LEAST_LOADED:
		return load;
	case READ_FROM_FASTEST:
	case READ_FROM_HEDGED:
		if (candidate->read_us > 0)
			return candidate->read_us * load;
		return candidate->under_way ? HUGE_VAL : 0;     /* one read finds out, and others wait for what it finds */
	case READ_FROM_NEAREST:
		return candidate->distance;
	}
	return 0;
}

/* How many turns the best have, of whom `best` says who they are; or up to whose the `stop`th is. */
static size_t count_turns(const struct candidate *candidates, const bool *best, size_t count, const int *turns, size_t turn_count, size_t stop, int *ret_node)
{
	size_t found = 0;

	for (size_t at = 0; at < turn_count; at++)
		for (size_t i = 0; i < count; i++) {
			if (!best[i] || candidates[i].node != turns[at])
				continue;
			*ret_node = turns[at];
			if (found++ == stop)
				return found;
		}
	return found;
}

int balance_choose(enum read_from by, const struct candidate *candidates, size_t count, const int *turns, size_t turn_count, size_t turn)
{
	double costs[NODES_MAX], least = HUGE_VAL;
	size_t found, best_count = 0;
	bool best[NODES_MAX];
	int node = candidates[0].node;

	for (size_t i = 0; i < count; i++) {
		costs[i] = cost(by, &candidates[i]);
		least = fmin(least, costs[i]);
	}
	for (size_t i = 0; i < count; i++) {
		best[i] = costs[i] <= least;
		best_count += best[i];
		if (best[i])
			node = candidates[i].node;
	}
	if (best_count == 1)
		return node;
	/* Others have no turns now: the best share them all in proportion. */
	found = count_turns(candidates, best, count, turns, turn_count, SIZE_MAX, &node);
	count_turns(candidates, best, count, turns, turn_count, turn % found, &node);
	return node;
}

#include "route/node_load.h"

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* What is left of a figure after some time. Hyperbolic, where Finagle's is exponential: the same for times that are short, and cheaper. */
static double left_after(uint64_t passed_us)
{
	return NODE_LOAD_DECAY_US / ((double)NODE_LOAD_DECAY_US + (double)passed_us);
}

static uint64_t passed_us(const struct node_load_part *part, uint64_t now_us)
{
	uint64_t before_us = get(&part->measured_us);

	return now_us > before_us ? now_us - before_us : 0;
}

enum { SLOW_STEP = 4, SLOW_STEPS_DOWN = 19 };   /* a step is a quarter of the figure */

static uint64_t slower(uint64_t slow_ns, uint64_t took_ns)
{
	uint64_t step = slow_ns / SLOW_STEP + 1;

	if (!slow_ns)
		return took_ns;
	return took_ns > slow_ns ? slow_ns + step : slow_ns - (step < slow_ns ? step / SLOW_STEPS_DOWN : 0);
}

void node_load_measured(struct node_load *load, unsigned worker, uint64_t took_us, uint64_t now_us)
{
	struct node_load_part *part = &load->parts[worker];
	double took_ns = (double)took_us * 1000 + 1, read_ns = (double)part->read_ns;

	if (took_ns < read_ns)
		took_ns += (read_ns - took_ns) * left_after(passed_us(part, now_us));
	__atomic_store_n(&part->read_ns, (uint64_t)took_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&part->measured_us, now_us, __ATOMIC_RELAXED);
	__atomic_store_n(&part->slow_ns, slower(part->slow_ns, took_us * 1000 + 1), __ATOMIC_RELAXED);
}

uint64_t node_load_slow_us(const struct node_load *load, unsigned worker)
{
	return (get(&load->parts[worker].slow_ns) + 999) / 1000;
}

double node_load_read_us(const struct node_load *load, unsigned worker, uint64_t now_us)
{
	const struct node_load_part *part = &load->parts[worker];

	return (double)get(&part->read_ns) / 1000 * left_after(passed_us(part, now_us));
}

uint64_t node_load_under_way(const struct node_load *load, unsigned worker_count)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < worker_count; i++)
		count += get(&load->parts[i].under_way);
	return count;
}

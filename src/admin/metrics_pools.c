/* metrics_pools: the pools of each node, database and user, summed over the workers. With more than METRICS_POOLS_MAX of them the users are summed,
 * too, and the label "user" is empty: an answer stays small whoever comes. And the statements of each node and database, by kind. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "admin/exposition.h"
#include "admin/metrics.h"
#include "admin/report.h"
#include "admin/scene.h"
#include "base/limits.h"
#include "base/map.h"
#include "route/snapshot.h"
#include "topo/topology.h"

struct sum {                            /* over the workers */
	const char *labels;
	uint64_t idle, lent, opening, cleaning, waiting, size_max;
	uint64_t opened, failed, lendings, waits, wait_us, statements;
};

struct sums {
	bool by_user;
	struct map by_labels;           /* labels -> struct sum */
	struct sum **items;             /* sorted by labels */
};

static const struct { const char *name, *help; enum metric_type type; size_t offset; bool seconds; } metrics[] = {
	{ "nanu_pool_connections_max", "Connections that there may be, over all workers.", METRIC_GAUGE, offsetof(struct sum, size_max), false },
	{ "nanu_pool_waiting_sessions", "Sessions that wait for a connection.", METRIC_GAUGE, offsetof(struct sum, waiting), false },
	{ "nanu_pool_opened_total", "Connections opened.", METRIC_COUNTER, offsetof(struct sum, opened), false },
	{ "nanu_pool_failed_total", "Connections that could not be opened.", METRIC_COUNTER, offsetof(struct sum, failed), false },
	{ "nanu_pool_lent_total", "Times that a connection was lent to a session.", METRIC_COUNTER, offsetof(struct sum, lendings), false },
	{ "nanu_pool_waits_total", "Times that a session had to wait for one.", METRIC_COUNTER, offsetof(struct sum, waits), false },
	{ "nanu_pool_wait_seconds_total", "Time that they waited.", METRIC_COUNTER, offsetof(struct sum, wait_us), true },
	{ "nanu_pool_statements_total", "Statements run; one that runs on several shards counts on each.", METRIC_COUNTER,
	  offsetof(struct sum, statements), false },
};

static const struct { const char *label; size_t offset; } states[] = {
	{ "state=\"idle\"", offsetof(struct sum, idle) },
	{ "state=\"lent\"", offsetof(struct sum, lent) },
	{ "state=\"opening\"", offsetof(struct sum, opening) },
	{ "state=\"cleaning\"", offsetof(struct sum, cleaning) },
};

/* "" for a node that the topology has no more. */
static const char *shard_of(const struct topology *topology, const char *node)
{
	for (size_t i = 0; i < topology->node_count; i++)
		if (strcmp(topology->nodes[i].name, node) == 0)
			return topology->shards[topology->nodes[i].shard].name;
	return "";
}

static void add_pool(const struct scene *scene, struct sums *sums, const struct report_pool *pool)
{
	const char *labels = LABELS(scene->arena, { "node", pool->node }, { "shard", shard_of(scene->snapshot->topology, pool->node) },
				    { "database", pool->database }, { "user", sums->by_user ? pool->user : "" });
	struct sum *sum = map_get(&sums->by_labels, slice_of(labels));

	if (!sum) {
		sum = arena_calloc(scene->arena, 1, sizeof(*sum));
		sum->labels = labels;
		map_set(&sums->by_labels, slice_of(labels), sum);
	}
	sum->idle += pool->idle;
	sum->lent += pool->lent;
	sum->opening += pool->opening;
	sum->cleaning += pool->cleaning;
	sum->waiting += pool->waiting;
	sum->opened += pool->opened_total;
	sum->failed += pool->failed_total;
	sum->lendings += pool->lent_total;
	sum->waits += pool->wait_total;
	sum->wait_us += pool->wait_us;
	for (size_t i = 0; i < STMT_KIND_COUNT_; i++)
		sum->statements += pool->statements[i];
	if (sum->size_max < pool->size_max)
		sum->size_max = pool->size_max;
}

static int by_labels(const void *a, const void *b)
{
	const struct sum *const *left = a, *const *right = b;

	return strcmp((*left)->labels, (*right)->labels);
}

static void add_pools(const struct scene *scene, struct sums *sums, bool by_user)
{
	size_t position = 0, count = 0;
	struct slice key;
	void *sum;

	*sums = (struct sums){ .by_user = by_user };
	for (unsigned i = 0; i < scene->reports->count; i++)
		for (size_t j = 0; j < scene->reports->items[i].pool_count; j++)
			add_pool(scene, sums, &scene->reports->items[i].pools[j]);
	sums->items = arena_calloc(scene->arena, sums->by_labels.count + 1, sizeof(*sums->items));
	while (map_next(&sums->by_labels, &position, &key, &sum))
		sums->items[count++] = sum;
	qsort(sums->items, count, sizeof(*sums->items), by_labels);
}

static uint64_t value_of(const struct sum *sum, size_t offset)
{
	return *(const uint64_t *)(const void *)((const char *)sum + offset);
}

/* ---- statements by kind ---- */

struct kinds {
	bool by_database;
	struct map by_labels;           /* labels -> uint64_t[STMT_KIND_COUNT_] */
	size_t count;                   /* of those that are not 0 */
};

static void add_kinds(const struct scene *scene, struct kinds *kinds, const struct report_pool *pool)
{
	const char *labels = LABELS(scene->arena, { "shard", shard_of(scene->snapshot->topology, pool->node) }, { "node", pool->node },
				    { "database", kinds->by_database ? pool->database : "" });
	uint64_t *counts = map_get(&kinds->by_labels, slice_of(labels));

	if (!counts) {
		counts = arena_calloc(scene->arena, STMT_KIND_COUNT_, sizeof(*counts));
		map_set(&kinds->by_labels, slice_of(labels), counts);
	}
	for (size_t i = 0; i < STMT_KIND_COUNT_; i++) {
		kinds->count += !counts[i] && pool->statements[i];
		counts[i] += pool->statements[i];
	}
}

static void add_all_kinds(const struct scene *scene, struct kinds *kinds, bool by_database)
{
	*kinds = (struct kinds){ .by_database = by_database };
	for (unsigned i = 0; i < scene->reports->count; i++)
		for (size_t j = 0; j < scene->reports->items[i].pool_count; j++)
			add_kinds(scene, kinds, &scene->reports->items[i].pools[j]);
}

/* Over users, and over databases where there are many. A node's role is no label, as it may change; pools go with their node or database, so that no
 * counter of these ever becomes less. */
static void write_kinds(const struct scene *scene, struct buf *out)
{
	static const char name[] = "nanu_shard_statements_total";
	struct kinds kinds;
	size_t position = 0;
	struct slice key;
	void *found;

	add_all_kinds(scene, &kinds, true);
	if (kinds.count > METRICS_POOLS_MAX) {
		map_release(&kinds.by_labels);
		add_all_kinds(scene, &kinds, false);
	}
	exposition_family(out, name, METRIC_COUNTER, "Statements run on each shard, of kinds that were; one that runs on several shards counts on each.");
	while (map_next(&kinds.by_labels, &position, &key, &found)) {
		const uint64_t *counts = found;
		const char *labels = arena_strndup(scene->arena, key.data, key.size);

		for (size_t i = 0; i < STMT_KIND_COUNT_; i++)
			if (counts[i])
				exposition_count(out, name, labels, LABELS(scene->arena, { "kind", stmt_kind_name((enum stmt_kind)i) }), counts[i]);
	}
	map_release(&kinds.by_labels);
}

void metrics_pools(const struct scene *scene, struct buf *out)
{
	static const char name[] = "nanu_pool_connections";
	struct sums sums;

	add_pools(scene, &sums, true);
	if (sums.by_labels.count > METRICS_POOLS_MAX) {
		map_release(&sums.by_labels);
		add_pools(scene, &sums, false);
	}
	exposition_family(out, name, METRIC_GAUGE, "Connections to nodes by state.");
	for (size_t i = 0; i < sums.by_labels.count; i++)
		for (size_t j = 0; j < sizeof(states) / sizeof(states[0]); j++)
			exposition_count(out, name, sums.items[i]->labels, states[j].label, value_of(sums.items[i], states[j].offset));
	for (size_t j = sums.by_user ? 0 : 1; j < sizeof(metrics) / sizeof(metrics[0]); j++) {  /* limits of several users are no one number */
		exposition_family(out, metrics[j].name, metrics[j].type, metrics[j].help);
		for (size_t i = 0; i < sums.by_labels.count; i++) {
			uint64_t value = value_of(sums.items[i], metrics[j].offset);

			if (metrics[j].seconds)
				exposition_seconds(out, metrics[j].name, sums.items[i]->labels, NULL, value);
			else
				exposition_count(out, metrics[j].name, sums.items[i]->labels, NULL, value);
		}
	}
	map_release(&sums.by_labels);
	write_kinds(scene, out);
}

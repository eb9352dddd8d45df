#include "admin/metrics.h"

#include <stddef.h>
#include <string.h>

#include "admin/exposition.h"
#include "admin/report.h"
#include "admin/scene.h"
#include "route/snapshot.h"
#include "topo/config.h"
#include "topo/topology.h"

/* ---- sums over all workers ---- */

#define OF(member) offsetof(struct report, member)

static const struct {
	const char *name, *help;
	enum metric_type type;
	size_t offset;
} sums[] = {
	{ "nanu_sessions_total", "Clients that have connected.", METRIC_COUNTER, OF(counters.sessions_total) },
	{ "nanu_transactions_total", "Transactions ended, statements outside of a transaction block among them.", METRIC_COUNTER, OF(counters.transactions) },
	{ "nanu_errors_total", "Errors that clients were told.", METRIC_COUNTER, OF(counters.errors) },
	{ "nanu_refused_total", "Statements refused because they could not be answered exactly.", METRIC_COUNTER, OF(counters.refused) },
	{ "nanu_fanouts_total", "Statements run on several shards and merged.", METRIC_COUNTER, OF(counters.fanouts) },
	{ "nanu_replica_reads_total", "Connections to replicas lent to read from.", METRIC_COUNTER, OF(counters.replica_reads) },
	{ "nanu_replica_retries_total", "Reads that a replica refused or lost, run again elsewhere.", METRIC_COUNTER, OF(counters.replica_retries) },
	{ "nanu_hedged_reads_total", "Reads that a second replica was asked for too.", METRIC_COUNTER, OF(counters.hedged_reads) },
	{ "nanu_hedges_won_total", "Reads that the second replica answered first.", METRIC_COUNTER, OF(counters.hedges_won) },
	{ "nanu_merged_rows_total", "Rows of these that clients were told.", METRIC_COUNTER, OF(counters.rows_merged) },
	{ "nanu_received_bytes_total", "Bytes received from clients.", METRIC_COUNTER, OF(counters.received_bytes) },
	{ "nanu_sent_bytes_total", "Bytes sent to clients.", METRIC_COUNTER, OF(sent_bytes) },
	{ "nanu_plan_cache_hits_total", "Statements whose plan was known.", METRIC_COUNTER, OF(plan_hits) },
	{ "nanu_plan_cache_misses_total", "Statements that had to be planned.", METRIC_COUNTER, OF(plan_misses) },
	{ "nanu_plans", "Plans that are kept.", METRIC_GAUGE, OF(plans) },
};

static uint64_t sum_of(const struct reports *reports, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < reports->count; i++)
		sum += *(const uint64_t *)(const void *)((const char *)&reports->items[i] + offset);
	return sum;
}

static void write_sums(const struct reports *reports, struct buf *out)
{
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		exposition_family(out, sums[i].name, sums[i].type, sums[i].help);
		exposition_count(out, sums[i].name, "", NULL, sum_of(reports, sums[i].offset));
	}
}

/* ---- the router ---- */

static void write_one(struct buf *out, const char *name, const char *help, uint64_t value)
{
	exposition_family(out, name, METRIC_GAUGE, help);
	exposition_count(out, name, "", NULL, value);
}

static void write_router(const struct scene *scene, struct buf *out)
{
	const struct report *first = &scene->reports->items[0];
	const char *labels = LABELS(scene->arena, { "version", NANU_VERSION }, { "io", first->engine });

	exposition_family(out, "nanu_build_info", METRIC_GAUGE, "Which nanu this is, and its event loop.");
	exposition_count(out, "nanu_build_info", labels, NULL, 1);
	exposition_family(out, "nanu_uptime_seconds", METRIC_GAUGE, "Since the router began.");
	exposition_seconds(out, "nanu_uptime_seconds", "", NULL, first->uptime_us);
	write_one(out, "nanu_workers", "Worker threads.", scene->reports->count);
	write_one(out, "nanu_topology_epoch", "Epoch of the topology: it grows with every change.", scene->snapshot->topology->epoch);
	write_one(out, "nanu_client_connections", "Connections of clients, those that are logging in among them.",
		  __atomic_load_n(&scene->services->client_count, __ATOMIC_RELAXED));
	write_one(out, "nanu_client_connections_max", "Setting client_max.", scene->config->client_max);
}

static void write_sessions(const struct scene *scene, struct buf *out)
{
	static const char *const states[DOING_COUNT] = {
		[DOING_LOGIN] = "login", [DOING_NOTHING] = "idle", [DOING_NOTHING_IN_TRANSACTION] = "idle_in_transaction", [DOING_STATEMENTS] = "working",
	};

	exposition_family(out, "nanu_sessions", METRIC_GAUGE, "Sessions by what they are doing.");
	for (size_t i = 0; i < DOING_COUNT; i++)
		exposition_count(out, "nanu_sessions", LABELS(scene->arena, { "state", states[i] }), NULL,
				 sum_of(scene->reports, OF(doing) + i * sizeof(uint64_t)));
}

static void write_statements(const struct scene *scene, struct buf *out)
{
	exposition_family(out, "nanu_statements_total", METRIC_COUNTER, "Statements run, by kind.");
	for (size_t i = 0; i < STMT_KIND_COUNT_; i++)
		exposition_count(out, "nanu_statements_total", LABELS(scene->arena, { "kind", stmt_kind_name((enum stmt_kind)i) }), NULL,
				 sum_of(scene->reports, OF(counters.statements) + i * sizeof(uint64_t)));
}

static void write_reads(const struct scene *scene, struct buf *out)
{
	exposition_family(out, "nanu_reads_total", METRIC_COUNTER,
			  "Reads of sessions that may read from replicas, by consistency level, role of what served, and reason; as nanu.reads tells them.");
	for (unsigned level = 0; level < READ_LEVEL_COUNT; level++)
		for (size_t i = 0; level != CONSISTENCY_SESSION && i < READ_CHOICE_COUNT; i++)
			exposition_count(out, "nanu_reads_total",
					 LABELS(scene->arena, { "level", consistency_names[level] }, { "role", read_choice_names[i].role },
						{ "reason", read_choice_names[i].reason }),
					 NULL, reports_reads(scene->reports, level, read_choice_names[i].choice));
}

/* ---- how long queries take ---- */

enum { BOUND_FIRST = 6, BOUND_LAST = 26 };      /* powers of two, in microseconds: 64 us to 67 s */

static void write_durations(const struct scene *scene, struct buf *out)
{
	static const char name[] = "nanu_query_duration_seconds", bucket[] = "nanu_query_duration_seconds_bucket";
	uint64_t count = 0;

	exposition_family(out, name, METRIC_HISTOGRAM,
			  "From a whole query (a simple query, or extended-protocol messages up to Sync) to the end of its answer.");
	for (size_t i = 0; i < DURATION_COUNT; i++) {
		count += sum_of(scene->reports, OF(counters.durations) + i * sizeof(uint64_t));
		if (i + 1 >= BOUND_FIRST && i + 1 <= BOUND_LAST) {
			unsigned long long bound_us = 1ULL << (i + 1);
			const char *bound = arena_printf(scene->arena, "%llu.%06llu", bound_us / 1000000, bound_us % 1000000);

			exposition_count(out, bucket, LABELS(scene->arena, { "le", bound }), NULL, count);
		}
	}
	exposition_count(out, bucket, LABELS(scene->arena, { "le", "+Inf" }), NULL, count);
	exposition_seconds(out, "nanu_query_duration_seconds_sum", "", NULL, sum_of(scene->reports, OF(counters.statement_us)));
	exposition_count(out, "nanu_query_duration_seconds_count", "", NULL, count);
}

/* ---- databases ---- */

static void write_databases(const struct scene *scene, struct buf *out)
{
	static const char *const names[] = { "nanu_database_schema_known", "nanu_database_paused", "nanu_database_disabled" };
	static const char *const helps[] = {
		"1 when its schema could be read from its home shard.", "1 when its statements wait for nanu.resume().", "1 when it takes no new connections.",
	};
	const struct topology *topology = scene->snapshot->topology;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		exposition_family(out, names[i], METRIC_GAUGE, helps[i]);
		for (size_t j = 0; j < topology->database_count; j++) {
			const struct database *database = &topology->databases[j];
			const bool values[] = {
				scene->snapshot->catalogs[j] != NULL, reports_hold(scene->reports, HOLD_DATABASE, database->node_database),
				reports_hold(scene->reports, HOLD_LOGIN, database->name),
			};

			exposition_count(out, names[i], LABELS(scene->arena, { "database", database->name }), NULL, values[i]);
		}
	}
}

void metrics_write(const struct scene *scene, struct buf *out)
{
	write_router(scene, out);
	write_sessions(scene, out);
	write_sums(scene->reports, out);
	write_statements(scene, out);
	write_reads(scene, out);
	write_durations(scene, out);
	write_databases(scene, out);
	metrics_nodes(scene, out);
	metrics_pools(scene, out);
	metrics_process(out);
}

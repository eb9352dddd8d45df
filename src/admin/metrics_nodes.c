/* metrics_nodes: the nodes of the topology, as they answer when they are asked for their positions. A node that has never answered has no samples
 * but nanu_node_up. */
#include "admin/exposition.h"
#include "admin/metrics.h"
#include "admin/replication.h"
#include "admin/report.h"
#include "admin/scene.h"
#include "ha/role_watch.h"
#include "route/node_status.h"
#include "route/snapshot.h"
#include "topo/topology.h"

struct told { const char *labels; const struct node *node; struct node_seen seen; uint64_t now_us; };

static bool up(const struct told *told, uint64_t *ret_value)
{
	*ret_value = told->seen.reachable;
	return true;
}

static bool in_recovery(const struct told *told, uint64_t *ret_value)
{
	*ret_value = told->seen.role == SEEN_REPLICA;
	return told->seen.role != SEEN_UNKNOWN;
}

static bool timeline(const struct told *told, uint64_t *ret_value)
{
	*ret_value = told->seen.timeline;
	return told->seen.role != SEEN_UNKNOWN;
}

static bool flushed(const struct told *told, uint64_t *ret_value)
{
	*ret_value = told->seen.flushed;
	return told->seen.role != SEEN_UNKNOWN;
}

static bool replayed(const struct told *told, uint64_t *ret_value)
{
	*ret_value = told->seen.replayed;
	return told->seen.role != SEEN_UNKNOWN;
}

static bool fit(const struct told *told, uint64_t *ret_value)
{
	*ret_value = node_seen_fit(&told->seen, told->now_us);
	return told->seen.role == SEEN_REPLICA;
}

static bool excluded(const struct told *told, uint64_t *ret_value)
{
	*ret_value = told->seen.excluded;
	return told->seen.role == SEEN_REPLICA;
}

static bool lag_bytes(const struct told *told, uint64_t *ret_value)
{
	*ret_value = told->seen.lag_bytes;
	return told->seen.role == SEEN_REPLICA && told->seen.compared;
}

static bool lag_us(const struct told *told, uint64_t *ret_value)
{
	*ret_value = node_seen_lag_us(&told->seen, told->now_us);
	return told->seen.role == SEEN_REPLICA && *ret_value != UINT64_MAX;
}

static bool stray(const struct told *told, uint64_t *ret_value)
{
	*ret_value = told->seen.role == SEEN_PRIMARY && told->node->role == NODE_REPLICA;
	return told->seen.role != SEEN_UNKNOWN;
}

static bool sample_age_us(const struct told *told, uint64_t *ret_value)
{
	*ret_value = told->now_us > told->seen.sampled_us ? told->now_us - told->seen.sampled_us : 0;
	return told->seen.sampled_us != 0;
}

static const struct {
	const char *name, *help;
	bool seconds;
	bool (*value)(const struct told *told, uint64_t *ret_value);    /* false: it is not known */
} metrics[] = {
	{ "nanu_node_up", "1 when the node answered when it was asked last.", false, up },
	{ "nanu_node_in_recovery", "1 when it is a replica, as it says itself.", false, in_recovery },
	{ "nanu_node_timeline", "Its timeline.", false, timeline },
	{ "nanu_node_flushed_lsn_bytes", "Position in the WAL up to which it has flushed, or a replica has received.", false, flushed },
	{ "nanu_node_replayed_lsn_bytes", "Position in the WAL up to which a replica has replayed.", false, replayed },
	{ "nanu_node_fit", "1 when reads may go to this replica.", false, fit },
	{ "nanu_node_excluded", "1 when this replica serves no reads because of max_lag.", false, excluded },
	{ "nanu_node_lag_bytes", "WAL that a replica has still to replay.", false, lag_bytes },
	{ "nanu_node_lag_seconds", "For how long, about, a replica has lacked what the primary had.", true, lag_us },
	{ "nanu_node_stray", "1 when it says that it is a primary, and the topology does not.", false, stray },
	{ "nanu_node_sample_age_seconds", "Since the newest answer was asked for.", true, sample_age_us },
};

/* 0 of an async shard, and of one whose primary was not looked at yet. */
static void shards_in(const struct scene *scene, struct buf *out, const char *name, const char *help, enum replication_state wanted)
{
	const struct topology *topology = scene->snapshot->topology;

	exposition_family(out, name, METRIC_GAUGE, help);
	for (size_t i = 0; i < topology->shard_count; i++) {
		enum replication_state state;

		exposition_count(out, name, LABELS(scene->arena, { "shard", topology->shards[i].name }), NULL,
				 replication_watch_state(scene->replication, topology->shards[i].name, &state) && state == wanted);
	}
}

void metrics_nodes(const struct scene *scene, struct buf *out)
{
	const struct topology *topology = scene->snapshot->topology;
	struct told *all = arena_calloc(scene->arena, topology->node_count + 1, sizeof(*all));

	exposition_family(out, "nanu_node_info", METRIC_GAUGE, "The nodes of the topology.");
	for (size_t i = 0; i < topology->node_count; i++) {
		const struct node *node = &topology->nodes[i];

		all[i] = (struct told){
			.labels = LABELS(scene->arena, { "node", node->name }, { "shard", topology->shards[node->shard].name }), .node = node,
			.seen = node_status_read(scene->snapshot->statuses[i]), .now_us = scene->now_us,
		};
		exposition_count(out, "nanu_node_info", all[i].labels,
				 LABELS(scene->arena, { "role", node->role == NODE_PRIMARY ? "primary" : "replica" }, { "region", node->region },
					{ "zone", node->zone }), 1);
	}
	exposition_family(out, "nanu_node_drained", METRIC_GAUGE, "1 when statements on it wait for nanu.resume().");
	for (size_t i = 0; i < topology->node_count; i++)
		exposition_count(out, "nanu_node_drained", all[i].labels, NULL, reports_hold(scene->reports, HOLD_NODE, all[i].node->name));
	exposition_family(out, "nanu_shard_primary_disputed", METRIC_GAUGE, "1 when several nodes claim to be the shard's primary, and nobody can tell which one is.");
	for (size_t i = 0; i < topology->shard_count; i++) {
		char reason[ROLE_REASON_SIZE];

		exposition_count(out, "nanu_shard_primary_disputed", LABELS(scene->arena, { "shard", topology->shards[i].name }), NULL,
				 role_watch_read(scene->roles, topology->shards[i].name, reason) == ROLES_DISPUTED);
	}
	shards_in(scene, out, "nanu_shard_replication_degraded", "1 when the shard's primary waits for fewer replicas than asked.", REPLICATION_DEGRADED);
	shards_in(scene, out, "nanu_shard_replication_blocked", "1 when commits on the shard wait for replicas that do not stream.", REPLICATION_BLOCKED);
	for (size_t j = 0; j < sizeof(metrics) / sizeof(metrics[0]); j++) {
		exposition_family(out, metrics[j].name, METRIC_GAUGE, metrics[j].help);
		for (size_t i = 0; i < topology->node_count; i++) {
			uint64_t value;

			if (!metrics[j].value(&all[i], &value))
				continue;
			if (metrics[j].seconds)
				exposition_seconds(out, metrics[j].name, all[i].labels, NULL, value);
			else
				exposition_count(out, metrics[j].name, all[i].labels, NULL, value);
		}
	}
}

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "admin/node_trouble.h"
#include "admin/tables.h"
#include "base/mem.h"
#include "net/env.h"
#include "route/feeds.h"
#include "route/history.h"
#include "route/node_load.h"
#include "route/snapshot.h"
#include "topo/topology.h"

/* ---- who streams from whom ---- */

struct feed_row {                       /* of one node; texts NULL: not known */
	const char *state, *sync_state, *sender, *slot, *slot_wal;
	uint64_t sent, written;
};

/* "" for a socket's, and where the name could not be resolved. */
static const char *address_text(const struct node_address *address, struct arena *arena)
{
	const struct sockaddr_storage *storage = &address->address;
	const void *bytes = storage->ss_family == AF_INET ? (const void *)&((const struct sockaddr_in *)storage)->sin_addr :
							    (const void *)&((const struct sockaddr_in6 *)storage)->sin6_addr;
	char text[INET6_ADDRSTRLEN];

	if (address->size == 0 || (storage->ss_family != AF_INET && storage->ss_family != AF_INET6) ||
	    !inet_ntop(storage->ss_family, bytes, text, sizeof(text)))
		return "";
	return arena_strdup(arena, text);
}

static const char *told(const char *text, struct arena *arena)
{
	return *text ? arena_strdup(arena, text) : NULL;
}

static struct feed_row row_of(const struct feed_member *members, const struct feed_found *found, struct arena *arena)
{
	const struct feed_given *given = found->given;
	struct feed_row row = { .slot = told(found->slot, arena), .state = found->gone ? "gone" : NULL };

	if (!given)
		return row;
	row.sender = members[found->sender].name;
	row.slot_wal = told(given->slot_wal, arena);
	if (given->active) {
		row.state = told(given->state, arena);
		row.sync_state = told(given->sync_state, arena);
		row.sent = given->sent;
		row.written = given->written;
	}
	return row;
}

/* Of each node of a shard: its row in `rows`, which has one for each of the topology. */
static void find_feeds(struct filling *filling, int shard, struct feed_row *rows)
{
	const struct snapshot *snapshot = filling->snapshot;
	const struct topology *topology = snapshot->topology;
	struct feed_member members[NODES_MAX];
	struct feeds *feeds[NODES_MAX];
	size_t nodes[NODES_MAX], places[NODES_MAX], count = 0;

	for (size_t i = 0; i < topology->node_count; i++) {
		if (topology->nodes[i].shard != shard)
			continue;
		places[i] = count;
		nodes[count++] = i;
	}
	for (size_t i = 0; i < count; i++) {
		const struct node *node = &topology->nodes[nodes[i]];
		int upstream = *node->upstream ? topology_node(topology, node->upstream) : topology->shards[shard].primary;

		feeds[i] = node_status_feeds(snapshot->statuses[nodes[i]]);
		members[i] = (struct feed_member){ .name = node->name, .host = node->host, .port = node->port, .slot = node->slot,
			.address = address_text(&snapshot->addresses[nodes[i]], filling->arena), .feeds = feeds[i],
			.upstream = places[upstream < 0 ? topology->shards[shard].primary : upstream] };
	}
	for (size_t i = 0; i < count; i++) {
		struct feed_found found = feeds_find(members, count, i);

		rows[nodes[i]] = row_of(members, &found, filling->arena);
	}
	for (size_t i = 0; i < count; i++)
		feeds_unref(feeds[i]);
}

static const char *history_of(struct node_status *status, uint32_t timeline, struct arena *arena)
{
	char text[HISTORY_TEXT_SIZE];
	struct history history;
	size_t size = 0;

	if (!node_status_ancestors(status, &history) || history.timeline != timeline)
		return NULL;
	text[0] = '\0';
	for (size_t i = 0; i < history.count; i++) {
		const struct ancestor *one = &history.ancestors[i];

		size += (size_t)snprintf(text + size, sizeof(text) - size, "%u@%X/%X,", one->timeline, (unsigned)(one->end >> 32), (unsigned)one->end);
	}
	return arena_printf(arena, "%s%u", text, timeline);
}

/* ---- rows ---- */

static void row_lsn(struct filling *filling, uint64_t lsn)
{
	row_text(filling, lsn ? arena_printf(filling->arena, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn) : NULL);
}

static void fill_feed(struct filling *filling, const struct feed_row *feed)
{
	row_text(filling, feed->state);
	row_text(filling, feed->sync_state);
	row_text(filling, feed->sender);
	row_text(filling, feed->slot);
	row_text(filling, feed->slot_wal);
	row_lsn(filling, feed->sent);
	row_lsn(filling, feed->written);
}

static void fill_position(struct filling *filling, const struct node_seen *seen, bool replica)
{
	uint64_t now_us = env_system()->now_us(env_system()->world), lag_us = node_seen_lag_us(seen, now_us);

	row_lsn(filling, seen->flushed);
	if (!replica) {
		for (int i = 0; i < 5; i++)
			row_null(filling);
	} else {
		row_lsn(filling, seen->replayed);
		row_size(filling, seen->lag_bytes);
		if (lag_us == UINT64_MAX)
			row_null(filling);
		else
			row_size(filling, lag_us / 1000);
		row_bool(filling, seen->excluded);
		if (seen->delay_us)
			row_size(filling, seen->delay_us / 1000);
		else
			row_null(filling);
	}
	row_size(filling, (now_us - seen->sampled_us) / 1000);
}

static void fill_aside(struct filling *filling, const struct node_seen *seen)
{
	uint64_t now_us = env_system()->now_us(env_system()->world);

	row_size(filling, seen->failures);
	if (seen->aside_us > now_us)
		row_size(filling, (seen->aside_us - now_us) / 1000 + 1);
	else
		row_null(filling);
}

static void fill_load(struct filling *filling, const struct node_load *load)
{
	uint64_t now_us = env_system()->now_us(env_system()->world);
	double read_us = 0;

	for (unsigned worker = 0; worker < WORKERS_MAX; worker++) {
		double seen_us = node_load_read_us(load, worker, now_us);

		read_us = seen_us > read_us ? seen_us : read_us;
	}
	row_size(filling, node_load_under_way(load, WORKERS_MAX));
	if (read_us > 0)
		row_size(filling, (uint64_t)read_us);
	else
		row_null(filling);
}

/* That of a primary is nobody's, whatever the topology calls it. */
static struct feed_row feed_of(const struct node_seen *seen, enum node_role role, const struct feed_row *row)
{
	bool takes = seen->role == SEEN_REPLICA || (seen->role == SEEN_UNKNOWN && role == NODE_REPLICA);

	return takes ? *row : (struct feed_row){ 0 };
}

static void fill_node(struct filling *filling, size_t index, const struct feed_row *row)
{
	static const char *const roles[] = { [SEEN_UNKNOWN] = NULL, [SEEN_PRIMARY] = "primary", [SEEN_REPLICA] = "replica" };
	const struct topology *topology = filling->snapshot->topology;
	const struct node *node = &topology->nodes[index];
	struct node_status *status = filling->snapshot->statuses[index];
	struct node_seen seen = node_status_read(status);
	struct feed_row feed = feed_of(&seen, node->role, row);

	row_text(filling, node->name);
	row_text(filling, topology->shards[node->shard].name);
	row_text(filling, node->role == NODE_PRIMARY ? "primary" : "replica");
	row_text(filling, roles[seen.role]);
	row_bool(filling, seen.reachable);
	if (node->role == NODE_REPLICA && seen.role != SEEN_UNKNOWN)
		row_bool(filling, node_seen_fit(&seen, env_system()->now_us(env_system()->world)));
	else
		row_null(filling);
	if (seen.role != SEEN_UNKNOWN)
		row_int(filling, seen.timeline);
	else
		row_null(filling);
	row_text(filling, history_of(status, seen.timeline, filling->arena));
	fill_feed(filling, &feed);
	if (seen.role != SEEN_UNKNOWN)
		fill_position(filling, &seen, node->role == NODE_REPLICA);
	for (int i = 0; seen.role == SEEN_UNKNOWN && i < 7; i++)
		row_null(filling);
	fill_aside(filling, &seen);
	fill_load(filling, node_status_load(status));
	row_text(filling, node_trouble(filling->snapshot, filling->roles, index, filling->arena));
	row_end(filling);
}

void fill_replication(struct filling *filling)
{
	const struct topology *topology = filling->snapshot->topology;
	struct feed_row *rows = mem_calloc(topology->node_count + 1, sizeof(*rows));

	for (size_t i = 0; i < topology->shard_count; i++)
		find_feeds(filling, (int)i, rows);
	for (size_t i = 0; i < topology->node_count; i++)
		fill_node(filling, i, &rows[i]);
	mem_free(rows);
}

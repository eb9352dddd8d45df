/* nodes: PostgreSQL servers, as far as a failover sees them: a WAL of writes, timelines, streaming, waiting for standbys. */
#include <string.h>

#include "world.h"

static bool is_up(const struct world *world, int member)
{
	const struct node *node = &world->nodes[member];

	return node->condition != MEMBER_DOWN && !node->paused && runs(world, member);
}

/* Up to where two are the same. */
static uint64_t common(const struct chain *a, const struct chain *b)
{
	size_t i = 0;

	while (i < a->count && i < b->count && a->branches[i].epoch == b->branches[i].epoch && a->branches[i].begin == b->branches[i].begin)
		i++;
	if (i == 0)
		return 0;
	if (i < a->count && i < b->count)
		return a->branches[i].begin < b->branches[i].begin ? a->branches[i].begin : b->branches[i].begin;
	return i < a->count ? a->branches[i].begin : i < b->count ? b->branches[i].begin : UINT64_MAX;
}

/* Whether one with this chain and so much WAL could go on as the other does. */
static bool is_part(const struct chain *chain, uint64_t flushed, const struct chain *of)
{
	return chain->count <= of->count && flushed <= common(chain, of);
}

/* The shard's history, as far as the record knows it. */
static const struct chain *history(const struct world *world, const struct leadership *record)
{
	uint64_t epoch = record->writable ? record->epoch : record->epoch - 1;

	if (epoch > world->chains_known)
		epoch = world->chains_known;
	while (epoch > 0 && world->chains[epoch].count == 0)
		epoch--;
	return &world->chains[epoch];
}

enum lineage node_lineage(const struct world *world, int member, const struct leadership *record)
{
	const struct node *node = &world->nodes[member];
	const struct chain *whole = history(world, record);
	struct chain chain = node->chain;

	if (node->half_done)
		return LINEAGE_OWN;
	/* Promoted by its agent, and not written down yet. */
	if (record->leader == member && !record->writable && chain.branches[chain.count - 1].epoch == record->epoch)
		chain.count--;
	if (chain.count < node->chain.count && is_part(&chain, node->chain.branches[chain.count].begin, whole))
		return LINEAGE_SAME;
	return is_part(&node->chain, node->flushed, whole) ? LINEAGE_SAME : LINEAGE_OWN;
}

uint64_t node_flushed(const struct world *world, int member, const struct leadership *record)
{
	const struct node *node = &world->nodes[member];
	uint64_t fork = common(&node->chain, history(world, record));

	return node_lineage(world, member, record) == LINEAGE_SAME || fork > node->flushed ? node->flushed : fork;
}

static void answer(struct world *world, int member)
{
	struct node *node = &world->nodes[member];

	while (node->condition == MEMBER_PRIMARY && node->answered < node->flushed) {
		uint64_t next = node->answered + 1;
		unsigned there = 0;
		uint32_t write = node->wal[node->answered];

		for (int i = 0; i < world->member_count; i++)
			there += node->waits_for.members >> i & 1 && node->acknowledged[i] >= next;
		if (there < node->waits_for.count)
			return;
		node->answered = next;
		tell(world, router_heard, &(struct message){ .from = member, .to = ROUTERS + (int)write % ROUTER_COUNT, .a = write,
			.b = node->chain.branches[node->chain.count - 1].epoch, .yes = node->waits_for.count > 0 });
	}
}

static void forget_standbys(struct node *node)
{
	memset(node->acknowledged, 0, sizeof(node->acknowledged));
}

static void flush(struct world *world, int member)
{
	struct node *node = &world->nodes[member];

	if (node->disk_stalled)
		return;
	node->flushed = node->written;
	answer(world, member);
}

void node_write(struct world *world, const struct message *message)
{
	struct node *node = &world->nodes[message->to];

	if (!is_up(world, message->to) || node->condition != MEMBER_PRIMARY || node->written == WAL_MAX || node->stopping_until)
		return;
	node->wal[node->written++] = (uint32_t)message->a;
	flush(world, message->to);
}

/* ---- its life ---- */

void node_stop(struct world *world, int member, bool crash)
{
	struct node *node = &world->nodes[member];

	if (node->condition != MEMBER_DOWN || node->busy_until)
		say(world, "node %d %s", member, crash ? "crashes" : "is stopped");
	node->condition = MEMBER_DOWN;
	node->clean = false;
	node->stopping_until = 0;
	node->written = node->flushed;
	node->busy_until = 0;
	node->life++;
	node->connection++;
	forget_standbys(node);
}

/* Writes that its standbys have not got yet are sent before it ends. */
static bool all_is_sent(const struct world *world, int member)
{
	const struct node *node = &world->nodes[member];

	for (int i = 0; i < world->member_count; i++)
		if (i != member && world->nodes[i].upstream == member && is_up(world, i) && node->acknowledged[i] < node->flushed)
			return false;
	return node->flushed == node->written;
}

static void finish_shutdown(struct world *world, const struct message *message)
{
	struct node *node = &world->nodes[message->to];
	bool sent;

	if (!node->stopping_until || node->life != message->a)
		return;
	sent = all_is_sent(world, message->to);
	if (!sent && world->now < node->stopping_until) {
		at(world, world->now + 10 * MS, finish_shutdown, message);
		return;
	}
	node_stop(world, message->to, false);
	node->clean = sent;
}

void node_shut_down(struct world *world, int member)
{
	struct node *node = &world->nodes[member];

	if (node->stopping_until || node->condition != MEMBER_PRIMARY || !is_up(world, member))
		return;
	node->stopping_until = world->now + 800 * MS;
	at(world, world->now + between(world, 20 * MS, 80 * MS), finish_shutdown, &(struct message){ .from = member, .to = member, .to_node = true, .a = node->life });
}

static void ready(struct world *world, const struct message *message)
{
	struct node *node = &world->nodes[message->to];

	if (node->life != message->a || !node->busy_until)
		return;
	if (node->paused) {
		at(world, world->now + 50 * MS, ready, message);
		return;
	}
	node->busy_until = 0;
	switch ((enum wish)message->b) {
	case WISH_REWOUND: {
		struct node *source = &world->nodes[message->from];
		uint64_t kept = common(&node->chain, &source->chain);

		if (!is_up(world, message->from) || source->life != message->revision)
			return;         /* half done */
		if (kept > node->flushed)
			kept = node->flushed;
		if (kept > source->flushed)
			kept = source->flushed;
		node->written = node->flushed = kept;
		while (node->chain.count > 1 && node->chain.branches[node->chain.count - 1].begin >= kept)
			node->chain.count--;
		for (size_t i = node->chain.count; i-- > 1;)
			if (i >= source->chain.count || node->chain.branches[i].epoch != source->chain.branches[i].epoch)
				node->chain.count = i;
		node->half_done = false;
		node->rewinds++;
		say(world, "node %d is rewound to %lu", message->to, node->flushed);
		return;
	}
	case WISH_PRIMARY:
		if (node->condition == MEMBER_STANDBY && node->chain.count < BRANCHES_MAX)
			node->chain.branches[node->chain.count++] = (struct branch){ message->revision, node->flushed };
		node->condition = MEMBER_PRIMARY;
		node->written = node->answered = node->flushed;
		node->connection++;
		forget_standbys(node);
		say(world, "node %d is primary, on branch %lu from %lu", message->to, node->chain.branches[node->chain.count - 1].epoch, node->flushed);
		return;
	default:
		node->condition = MEMBER_STANDBY;
		node->connection++;
		say(world, "node %d is a standby at %lu", message->to, node->flushed);
	}
}

static void begin(struct world *world, int member, uint64_t takes, enum wish what, int source, uint64_t detail)
{
	struct node *node = &world->nodes[member];

	node->busy_until = world->now + takes;
	at(world, node->busy_until, ready, &(struct message){ .from = source, .to = member, .to_node = true, .a = node->life, .b = what, .revision = detail });
}

void node_start(struct world *world, int member, enum member_condition as)
{
	struct node *node = &world->nodes[member];

	if (node->busy_until || node->condition != MEMBER_DOWN || node->half_done)
		return;
	begin(world, member, between(world, 80 * MS, 400 * MS), as == MEMBER_PRIMARY ? WISH_PRIMARY : WISH_STANDBY, member, 0);
}

void node_promote(struct world *world, int member, uint64_t epoch)
{
	struct node *node = &world->nodes[member];

	if (node->busy_until || node->condition != MEMBER_STANDBY || !is_up(world, member))
		return;
	node->connection++;
	begin(world, member, between(world, 30 * MS, 120 * MS), WISH_PRIMARY, member, epoch);
}

void node_rewind(struct world *world, int member, int source)
{
	struct node *node = &world->nodes[member];

	if (node->busy_until || !is_up(world, source) || world->links[member][source].cut || world->links[source][member].cut)
		return;
	if (node->condition != MEMBER_DOWN)
		node_stop(world, member, false);
	node->half_done = true;
	begin(world, member, between(world, 200 * MS, 1500 * MS), WISH_REWOUND, source, world->nodes[source].life);
}

void node_receive_from(struct world *world, int member, int upstream)
{
	struct node *node = &world->nodes[member];

	if (node->upstream == upstream || !is_up(world, member))
		return;
	node->upstream = upstream;
	node->connection++;
	node->received_at = 0;
}

void node_wait_for(struct world *world, int member, const struct quorum *quorum)
{
	world->nodes[member].waits_for = *quorum;
	if (is_up(world, member))
		answer(world, member);
}

/* ---- streaming ---- */

/* A standby has flushed so much. */
static void acknowledged(struct world *world, const struct message *message)
{
	struct node *node = &world->nodes[message->to];

	if (!is_up(world, message->to) || node->life != message->b || world->nodes[message->from].connection != message->incarnation)
		return;
	if (node->acknowledged[message->from] < message->a)
		node->acknowledged[message->from] = message->a;
	answer(world, message->to);
}

static void streamed(struct world *world, const struct message *message)
{
	struct node *node = &world->nodes[message->to], *upstream = &world->nodes[message->from];

	if (!is_up(world, message->to) || node->condition != MEMBER_STANDBY || node->connection != message->incarnation || upstream->rewinds != message->b)
		return;
	node->received_at = world->now;
	if (message->a > node->written) {
		memcpy(&node->wal[node->written], &upstream->wal[node->written], (message->a - node->written) * sizeof(node->wal[0]));
		node->written = message->a;
		for (size_t i = node->chain.count; i < upstream->chain.count && upstream->chain.branches[i].begin <= node->written; i++)
			node->chain.branches[node->chain.count++] = upstream->chain.branches[i];
	}
	flush(world, message->to);
	tell(world, acknowledged, &(struct message){ .from = message->to, .to = message->from, .to_node = true, .incarnation = node->connection,
		.a = node->flushed, .b = message->revision });
}

/* Every standby's sender, all the time. */
static void stream(struct world *world, const struct message *message)
{
	int member = message->to;
	struct node *node = &world->nodes[member], *upstream;

	at(world, world->now + between(world, 10 * MS, 30 * MS), stream, message);
	if (node->condition != MEMBER_STANDBY || node->upstream == LEADER_NOBODY || node->upstream == member || !is_up(world, node->upstream))
		return;
	upstream = &world->nodes[node->upstream];
	if (world->links[member][node->upstream].cut || !is_part(&node->chain, node->written, &upstream->chain) || node->written > upstream->flushed)
		return;
	tell(world, streamed, &(struct message){ .from = node->upstream, .to = member, .to_node = true, .incarnation = node->connection,
		.a = upstream->flushed, .b = upstream->rewinds, .revision = upstream->life });
}

static void disk(struct world *world, const struct message *message)
{
	at(world, world->now + 20 * MS, disk, message);
	if (world->nodes[message->to].condition != MEMBER_DOWN)
		flush(world, message->to);
}

void nodes_begin(struct world *world)
{
	for (int i = 0; i < world->member_count; i++) {
		struct message message = { .from = i, .to = i, .to_node = true };

		world->nodes[i].chain = (struct chain){ 1, { { 1, 0 } } };
		world->nodes[i].condition = i == 0 ? MEMBER_PRIMARY : MEMBER_STANDBY;
		world->nodes[i].upstream = i == 0 ? LEADER_NOBODY : 0;
		at(world, chance(world, 20 * MS), stream, &message);
		at(world, chance(world, 20 * MS), disk, &message);
	}
}

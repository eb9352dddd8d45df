/* routers: they ask for permits and pass writes on; the clients behind them, one write after the other; and the store. */
#include "world.h"

enum { ASK = 150 * MS };

/* ---- the store: one key of a linearizable map ---- */

void store_read(struct world *world, const struct message *message, deliver *told)
{
	if (world->store.away)
		return;
	tell(world, told, &(struct message){ .from = STORE, .to = message->from, .incarnation = message->incarnation, .asked_at = message->asked_at,
		.record = world->store.record, .revision = world->store.revision });
}

static void written_down(struct world *world, const struct leadership *record)
{
	struct chain *chain = &world->chains[record->epoch];

	if (!record->writable || chain->count || record->epoch >= EPOCHS_MAX)
		return;
	*chain = world->nodes[record->leader].chain;
	if (world->chains_known < record->epoch)
		world->chains_known = record->epoch;
}

void store_swap(struct world *world, const struct message *message, deliver *told)
{
	struct message answer = { .from = STORE, .to = message->from, .incarnation = message->incarnation, .asked_at = message->asked_at, .b = message->b };

	if (world->store.away)
		return;
	answer.yes = world->store.revision == message->revision;
	if (answer.yes) {
		if (message->record.epoch > world->store.record.epoch) {
			world->elections++;
			world->handovers += world->store.record.leader == LEADER_NOBODY;
			if (world->store.record.quorums[world->store.record.quorum_count - 1].count == 0)
				world->unsafe_until = world->now;       /* commits waited for nobody: the limit of loss counts, for what is older too */
			say(world, "epoch %lu: member %d is elected", message->record.epoch, message->record.leader);
		}
		world->store.record = message->record;
		world->store.revision++;
		if (world->store.revision_max < world->store.revision)
			world->store.revision_max = world->store.revision;
		if (leadership_later(&message->record, &world->store.newest))
			world->store.newest = message->record;
		written_down(world, &message->record);
	}
	answer.record = world->store.record;
	answer.revision = world->store.revision;
	tell(world, told, &answer);
}

/* ---- routers ---- */

static bool may_write(const struct world *world, int index)
{
	const struct router *router = &world->routers[index];

	return router->member != LEADER_NOBODY && (router->permit_until > clock_of(world, ROUTERS + index) || world->plant == PLANT_NO_EPOCH_CHECK);
}

void router_permitted(struct world *world, const struct message *message)
{
	struct router *router = &world->routers[message->to - ROUTERS];
	uint64_t until = message->asked_at + message->b;

	if (message->a < router->epoch && world->plant != PLANT_NO_EPOCH_CHECK)
		return;
	if (message->a > router->epoch || router->permit_until < until) {
		router->member = message->from;
		router->epoch = message->a;
		router->permit_until = until;
	}
}

/* A node has answered a commit. */
void router_heard(struct world *world, const struct message *message)
{
	struct router *router = &world->routers[message->to - ROUTERS];
	struct write *write = &world->writes[message->a];

	if (write->acknowledged || router->member != message->from || !may_write(world, message->to - ROUTERS) ||
	    (message->b != router->epoch && world->plant != PLANT_NO_EPOCH_CHECK))
		return;         /* unknown, and said so */
	write->acknowledged = true;
	write->safe = message->yes;
	write->epoch = message->b;
	write->at = world->now;
	write->late = message->b < world->newest_acknowledged;
	if (!write->late)
		world->newest_acknowledged = message->b;
	world->last_acknowledged_at = world->now;
}

static void work(struct world *world, const struct message *message)
{
	int index = message->to - ROUTERS;
	struct router *router = &world->routers[index];
	uint64_t now = clock_of(world, message->to);

	at(world, world->now + between(world, 15 * MS, 45 * MS), work, message);
	if (now >= router->asked_at + ASK) {
		router->asked_at = now;
		for (int i = 0; i < world->member_count; i++)
			tell(world, permit_asked, &(struct message){ .from = message->to, .to = i, .asked_at = now });
	}
	if (!may_write(world, index) || world->write_count + ROUTER_COUNT >= WAL_MAX)
		return;
	/* Each router's writes have numbers of its own. */
	while ((int)world->write_count % ROUTER_COUNT != index)
		world->write_count++;
	tell(world, node_write, &(struct message){ .from = message->to, .to = router->member, .to_node = true, .a = world->write_count++ });
}

void routers_begin(struct world *world)
{
	for (int i = 0; i < ROUTER_COUNT; i++) {
		world->routers[i].member = LEADER_NOBODY;
		at(world, chance(world, 20 * MS), work, &(struct message){ .from = ROUTERS + i, .to = ROUTERS + i });
	}
}

/* faults: what happens to a world, by chance: crashes, pauses, cuts in one direction and in both, slow and lossy links, stores that are away or come back
 * from an old copy, disks that stall, operators who promote by hand. Each lasts for a while, and ends; one may last. */
#include <string.h>

#include "world.h"

static int any_member(struct world *world)
{
	int leader = world->store.record.leader;

	if (leader != LEADER_NOBODY && happens(world, 0.5))
		return leader;
	return (int)chance(world, (uint64_t)world->member_count);
}

static void set_link(struct world *world, int a, int b, bool one_way, bool cut)
{
	world->links[a][b].cut = cut;
	if (!one_way)
		world->links[b][a].cut = cut;
}

static bool is_host(const struct world *world, int host)
{
	return host < world->member_count || host >= STORE;
}

static void agent_back(struct world *world, const struct message *message)
{
	if (!world->over)
		agent_start(world, message->from);
}

static void link_back(struct world *world, const struct message *message)
{
	if (!world->over)
		set_link(world, (int)message->a, (int)message->b, false, false);
}

static void all_links_back(struct world *world, const struct message *message)
{
	for (int i = 0; i < HOST_COUNT && !world->over; i++)
		set_link(world, (int)message->a, i, false, false);
}

static void node_goes_on(struct world *world, const struct message *message)
{
	world->nodes[message->a].paused = world->nodes[message->a].disk_stalled = false;
}

static void store_back(struct world *world, const struct message *message)
{
	(void)message;
	say(world, "the store is back");
	world->store.away = false;
}

static void quiet(struct world *world, const struct message *message)
{
	for (int i = 0; i < HOST_COUNT; i++)
		for (int j = 0; j < HOST_COUNT; j++)
			world->links[i][j] = (struct link){ .cut = world->links[i][j].cut, .delay = 300, .jitter = 500 };
	(void)message;
}

/* So many microseconds after now, by nobody in particular. */
static void later(struct world *world, uint64_t after, deliver *what, uint64_t a, uint64_t b)
{
	at(world, world->now + after, what, &(struct message){ .from = (int)a, .to = HOST_COUNT - 1, .a = a, .b = b, .to_node = true });
}

static uint64_t while_of(struct world *world)
{
	return happens(world, 0.5) ? between(world, 100 * MS, 2 * SECOND) : between(world, SECOND, 9 * SECOND);
}

static void host_paused(struct world *world, int host, uint64_t until)
{
	if (world->hosts[host].paused_until < until)
		world->hosts[host].paused_until = until;
}

static void all_cut(struct world *world, int member, bool from_members, bool one_way)
{
	for (int i = 0; i < HOST_COUNT; i++)
		if (i != member && (i >= STORE || from_members))
			set_link(world, one_way ? i : member, one_way ? member : i, one_way, true);
}

/* An operator asks for it. */
static void switchover(struct world *world)
{
	int leader = world->store.record.leader, heir = (int)chance(world, (uint64_t)world->member_count);

	if (leader == LEADER_NOBODY || heir == leader || !world->agents[leader].alive)
		return;
	say(world, "member %d is asked to hand over to %d", leader, heir);
	world->agents[leader].situation.heir = heir;
	world->agents[leader].situation.heir_until = clock_of(world, leader) + 3 * SECOND;
}

static void strong_fault(struct world *world)
{
	int member = any_member(world);
	uint64_t lasts = while_of(world);
	struct agent *agent = &world->agents[member];

	switch (chance(world, 15)) {
	case 0:
		node_stop(world, member, true);
		break;
	case 1:
		agent_kill(world, member);
		later(world, lasts, agent_back, (uint64_t)member, 0);
		break;
	case 2:         /* power is lost */
		node_stop(world, member, true);
		agent_kill(world, member);
		host_paused(world, member, world->now + lasts);
		later(world, lasts, agent_back, (uint64_t)member, 0);
		break;
	case 3:
		say(world, "host %d is paused for %lu ms", member, lasts / MS);
		host_paused(world, member, world->now + lasts);
		break;
	case 4:
		say(world, "agent %d is paused for %lu ms", member, lasts / MS);
		agent->paused_until = world->now + lasts;
		break;
	case 5:
		say(world, "node %d is paused for %lu ms", member, lasts / MS);
		world->nodes[member].paused = true;
		later(world, lasts, node_goes_on, (uint64_t)member, 0);
		break;
	case 6: {
		int other = (int)chance(world, HOST_COUNT);
		bool one_way = happens(world, 0.4), away = happens(world, 0.5);

		if (other == member || !is_host(world, other))
			break;
		say(world, "link %d - %d is cut%s for %lu ms", member, other, one_way ? " one way" : "", lasts / MS);
		set_link(world, away ? member : other, away ? other : member, one_way, true);
		later(world, lasts, link_back, (uint64_t)member, (uint64_t)other);
		break;
	}
	case 7: {
		bool members = happens(world, 0.6), one_way = happens(world, 0.2);

		say(world, "host %d is cut off%s%s for %lu ms", member, members ? "" : " but from members", one_way ? " one way" : "", lasts / MS);
		all_cut(world, member, members, one_way);
		later(world, lasts, all_links_back, (uint64_t)member, 0);
		break;
	}
	case 8:
		say(world, "the store is away for %lu ms", lasts / MS);
		world->store.away = true;
		later(world, lasts, store_back, 0, 0);
		break;
	case 9:
		say(world, "host %d is cut off the store for %lu ms", member, lasts / MS);
		set_link(world, member, STORE, false, true);
		later(world, lasts, link_back, (uint64_t)member, STORE);
		break;
	case 10: {
		uint64_t delay = between(world, MS, 1500 * MS);
		double loss = happens(world, 0.5) ? 0.3 : 0;

		say(world, "links are slow, %lu ms, %.0f %% lost, for %lu ms", delay / MS, loss * 100, lasts / MS);
		for (int i = 0; i < HOST_COUNT; i++)
			for (int j = 0; j < HOST_COUNT; j++)
				if (i != j && happens(world, 0.5))
					world->links[i][j] = (struct link){ world->links[i][j].cut, delay / 2, delay, loss, 0.1 };
		later(world, lasts, quiet, 0, 0);
		break;
	}
	case 11:
		say(world, "disk %d stalls for %lu ms", member, lasts / MS);
		world->nodes[member].disk_stalled = true;
		world->nodes[member].stalled_at = world->now;
		later(world, lasts, node_goes_on, (uint64_t)member, 0);
		break;
	case 12:
		if (world->store.copy_revision == 0 || happens(world, 0.5)) {
			world->store.copy = world->store.record;
			world->store.copy_revision = world->store.revision;
		} else if (happens(world, 0.3)) {
			say(world, "the store is restored: epoch %lu instead of %lu", world->store.copy.epoch, world->store.record.epoch);
			world->store.record = world->store.copy;
			world->store.revision = world->store.copy_revision;
		}
		break;
	case 14:
		switchover(world);
		break;
	case 13:
		if (happens(world, 0.1) && world->nodes[member].condition == MEMBER_STANDBY) {
			say(world, "somebody promotes node %d by hand", member);
			node_promote(world, member, UINT64_MAX - world->now);
		}
		break;
	}
}

/* What a healthy primary has to get over. */
static void gentle_fault(struct world *world)
{
	int member = any_member(world);
	uint64_t lasts = between(world, 100 * MS, world->gentle_us);

	switch (chance(world, 7)) {
	case 0:
		host_paused(world, member, world->now + lasts);
		break;
	case 1:
		world->agents[member].paused_until = world->now + lasts;
		break;
	case 2:
		agent_kill(world, member);
		later(world, between(world, 50 * MS, 1000 * MS), agent_back, (uint64_t)member, 0);
		break;
	case 3:
		for (int i = 0; i < HOST_COUNT; i++)
			for (int j = 0; j < HOST_COUNT; j++)
				if (i != j)
					world->links[i][j] = (struct link){ world->links[i][j].cut, MS, 50 * MS, 0.1, 0.1 };
		later(world, lasts, quiet, 0, 0);
		break;
	case 4:
		if (member == world->store.record.leader)
			break;
		node_stop(world, member, true);
		break;
	case 6:
		switchover(world);
		break;
	case 5:
		set_link(world, member, STORE, false, true);
		later(world, lasts, link_back, (uint64_t)member, STORE);
		break;
	}
}

static void fault(struct world *world, const struct message *message)
{
	if (world->now >= message->a)
		return;
	(world->gentle ? gentle_fault : strong_fault)(world);
	at(world, world->now + (world->gentle ? world->gentle_us + between(world, SECOND, 3 * SECOND) : between(world, 50 * MS, 4 * SECOND)), fault, message);
}

void faults_begin(struct world *world, uint64_t until)
{
	quiet(world, NULL);
	at(world, 2 * SECOND, fault, &(struct message){ .to = HOST_COUNT - 1, .a = until });
}

/* Somebody looks after the store: what it had before it was restored is in it. */
static void put_right(struct world *world)
{
	if (leadership_later(&world->store.newest, &world->store.record))
		world->store.record = world->store.newest;
	world->store.revision = world->store.revision_max += 10;
	world->store.away = false;
}

void faults_end(struct world *world)
{
	say(world, "all is well again");
	world->over = true;
	quiet(world, NULL);
	put_right(world);
	for (int i = 0; i < HOST_COUNT; i++) {
		world->hosts[i].paused_until = 0;
		for (int j = 0; j < HOST_COUNT; j++)
			world->links[i][j].cut = false;
	}
	for (int i = 0; i < world->member_count; i++) {
		world->agents[i].paused_until = 0;
		world->nodes[i].paused = world->nodes[i].disk_stalled = false;
		agent_start(world, i);
	}
}

void fault_that_lasts(struct world *world)
{
	int member = world->store.record.leader;

	if (world->gentle || world->member_count < 3 || member == LEADER_NOBODY)
		return;
	switch (world->lasting = (enum lasting)chance(world, LASTING_COUNT)) {
	case LASTING_NOTHING:
	case LASTING_COUNT:
		break;
	case LASTING_HOST_DOWN:
		say(world, "host %d is gone for good", member);
		node_stop(world, member, true);
		agent_kill(world, member);
		host_paused(world, member, UINT64_MAX / 2);
		break;
	case LASTING_LEADER_CUT_OFF:
		say(world, "host %d hears of members only, for good", member);
		all_cut(world, member, false, false);
		world->cut_off = member;
		break;
	}
}

/* simulate [--seed N] [--count N] [--plant NAME] [--loud]: plays so many histories of a shard, from this seed on, and says of each seed what was wrong in it.
 * Ends with 0 when nothing was; with --plant, when something was found. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum { FAULTS_UNTIL = 20 * SECOND };

const char *const plant_names[PLANT_COUNT] = { "none", "no-epoch-check", "lease-not-awaited", "no-history", "no-quorum", "vouches-always", "forgets-promises" };

static void begin(struct world *world, uint64_t seed, enum plant plant)
{
	static const enum replication_mode modes[] = { REPLICATION_SEMI_SYNC, REPLICATION_SYNC, REPLICATION_ASYNC };
	struct event *events = world->events;
	struct happening *happenings = world->happenings;
	size_t size = world->happening_size;
	bool loud = world->loud;

	memset(world, 0, sizeof(*world));
	world->events = events;
	world->happenings = happenings;
	world->happening_size = size;
	world->loud = loud;
	world->plant = plant;
	world->seed = seed;
	world->random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
	world->member_count = happens(world, 0.7) ? 3 : happens(world, 0.5) ? 2 : 5;
	world->gentle = happens(world, 0.2);
	world->profile = happens(world, 0.1) ? profile_wan : profile_fast;
	world->gentle_us = world->profile.lease_us == profile_wan.lease_us ? 10 * SECOND : 1900 * MS;
	world->bound_us = world->profile.lease_us * 3 + 4 * SECOND;
	world->rule.mode = modes[chance(world, 3)];
	world->rule.degrades = happens(world, 0.5);
	if (world->rule.mode == REPLICATION_SEMI_SYNC)
		world->rule.count = world->member_count < 5 ? 1 : (unsigned)between(world, 1, 2);
	for (int i = 0; i < HOST_COUNT; i++)
		world->hosts[i] = (struct host){
			.offset = (int64_t)between(world, SECOND, 1000 * (uint64_t)SECOND), .rate = 0.99 + (double)chance(world, 2001) / 100000,
		};
	world->store.revision = 1;
	world->store.record = (struct leadership){ .epoch = 1, .change = 1, .leader = 0, .heir = LEADER_NOBODY, .writable = true,
		.electable = (UINT32_C(1) << world->member_count) - 1, .quorum_count = 1 };
	world->chains[1] = (struct chain){ 1, { { 1, 0 } } };
	world->chains_known = 1;
	say(world, "seed %" PRIu64 ": %d members, %s%s, lease of %.2f s, %s", seed, world->member_count, replication_mode_name(world->rule.mode),
	    world->rule.degrades ? " degrade" : "", (double)world->profile.lease_us / SECOND, world->gentle ? "gentle" : "rough");
	faults_begin(world, FAULTS_UNTIL);
	nodes_begin(world);
	agents_begin(world);
	routers_begin(world);
}

static void play_until(struct world *world, uint64_t until)
{
	while (world->now < until && !world->violation[0] && step(world))
		continue;
}

static bool has(const struct node *node, uint32_t write)
{
	for (uint64_t i = 0; i < node->flushed; i++)
		if (node->wal[i] == write)
			return true;
	return false;
}

static unsigned check_kept(struct world *world)
{
	const struct node *node = &world->nodes[world->store.record.leader];
	unsigned lost = 0;
	uint32_t place = 0;

	for (uint32_t write = 0; write < world->write_count; write++) {
		if (!world->writes[write].acknowledged)
			continue;
		while (place < node->flushed && node->wal[place] != write)
			place++;
		if (place < node->flushed)
			continue;
		place = 0;
		if (has(node, write))
			continue;
		lost++;
		if (world->writes[write].late || (world->writes[write].safe && world->writes[write].at > world->unsafe_until))
			violated(world, "write %u, acknowledged at %.4f under epoch %lu%s, is lost: member %d does not have it", write,
				 (double)world->writes[write].at / SECOND, world->writes[write].epoch, world->writes[write].late ? " beside a later one" : "", world->store.record.leader);
	}
	return lost;
}

/* Whether so many are there that commits need not wait. */
static bool can_acknowledge(const struct world *world)
{
	return world->lasting == LASTING_NOTHING || world->rule.degrades || world->rule.mode != REPLICATION_SYNC;
}

static void check_serves(struct world *world)
{
	const struct leadership *record = &world->store.record;

	if (!world->violation[0] && (record->leader == LEADER_NOBODY || !record->writable))
		violated(world, "nobody leads");
	if (!world->violation[0] && can_acknowledge(world) && world->last_acknowledged_at + 2 * SECOND < world->now)
		violated(world, "nothing is acknowledged");
}

static void play(struct world *world)
{
	const struct leadership *record = &world->store.record;

	play_until(world, FAULTS_UNTIL);
	faults_end(world);
	play_until(world, FAULTS_UNTIL + world->bound_us);
	check_serves(world);
	fault_that_lasts(world);
	play_until(world, FAULTS_UNTIL + 2 * world->bound_us);
	check_serves(world);
	if (!world->violation[0] && world->lasting == LASTING_LEADER_CUT_OFF && record->leader == world->cut_off)
		violated(world, "who is cut off the store still leads");
	if (!world->violation[0] && world->gentle && world->elections > world->handovers)
		violated(world, "%u elections without need", world->elections - world->handovers);
	if (!world->violation[0])
		world->lost = check_kept(world);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' }, { "count", required_argument, NULL, 'n' }, { "plant", required_argument, NULL, 'p' },
		{ "loud", no_argument, NULL, 'l' }, { 0 },
	};
	static struct world world;
	uint64_t seed = 0, count = 1000, elections = 0, writes = 0, lost = 0;
	unsigned violations = 0;
	int plant = PLANT_NONE, option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			count = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			for (plant = 0; plant < PLANT_COUNT && strcmp(plant_names[plant], optarg) != 0; plant++)
				continue;
			break;
		case 'l':
			world.loud = true;
			break;
		default:
			return 2;
		}
	}
	if (plant == PLANT_COUNT)
		return 2;
	for (uint64_t i = 0; i < count; i++) {
		begin(&world, seed + i, (enum plant)plant);
		play(&world);
		elections += world.elections;
		writes += world.write_count;
		lost += world.lost;
		if (!world.violation[0])
			continue;
		violations++;
		if (violations <= 20)
			printf("seed %" PRIu64 ": %s\n", world.seed, world.violation);
		if (plant != PLANT_NONE)
			break;
	}
	printf("%" PRIu64 " histories, %" PRIu64 " elections, %" PRIu64 " writes, %" PRIu64 " of them lost where that may be: %u violations\n", count, elections,
	       writes, lost, violations);
	return (violations > 0) != (plant != PLANT_NONE);
}

/* agents: each member's agent, around decide(): it asks the store and the others, answers, and does what was decided; and its guard, which outlives it. */
#include <string.h>

#include "world.h"

enum { TICK = 40 * MS, ASK_STORE = 150 * MS, ASK_MEMBERS = 150 * MS, ASK_OFTEN = 40 * MS };

static struct agent *agent_of(struct world *world, const struct message *message)
{
	struct agent *agent = &world->agents[message->to];

	return agent->alive && (message->incarnation == 0 || message->incarnation == agent->incarnation) ? agent : NULL;
}

static struct message from(const struct world *world, int member, int to)
{
	return (struct message){ .from = member, .to = to, .incarnation = world->agents[member].incarnation, .asked_at = clock_of(world, member) };
}

static struct message answer_to(const struct message *message)
{
	return (struct message){ .from = message->to, .to = message->from, .incarnation = message->incarnation, .asked_at = message->asked_at };
}

/* ---- what it knows ---- */

static void look(struct world *world, int member)
{
	struct agent *agent = &world->agents[member];
	struct situation *s = &agent->situation;
	const struct node *node = &world->nodes[member];
	bool receives = node->condition == MEMBER_STANDBY && node->received_at && node->received_at + 300 * MS > world->now;

	s->own = (struct member_state){
		.node = node->condition,
		.lineage = world->plant == PLANT_NO_HISTORY ? LINEAGE_SAME : node_lineage(world, member, &s->record),
		.clean = node->clean,
		.sick = node->disk_stalled && world->now > node->stalled_at + SECOND,
		.receiving = receives && node->upstream == s->record.leader,
		.streaming = receives && node->flushed + 50 > s->record.flushed,
		.flushed = node_flushed(world, member, &s->record),
		.frozen = node->half_done || (node->condition != MEMBER_DOWN && node->upstream != LEADER_NOBODY && node->upstream == s->record.leader) ? 0 :
			agent->memory.frozen,
		.epoch = s->record.epoch,
		.change = s->record.change,
	};
	s->may_start = node->busy_until != 0;
	s->waits_for = node->waits_for;
}

static void keep(struct agent *agent)
{
	agent->frozen_kept = agent->memory.frozen;
	agent->epoch_kept = agent->situation.record.epoch;
	agent->change_kept = agent->situation.record.change;
}

/* ---- what it asks, and is told ---- */

static void store_told(struct world *world, const struct message *message)
{
	struct agent *agent = agent_of(world, message);

	if (!agent)
		return;
	if (decide_learn(&agent->situation, &message->record, message->revision, clock_of(world, message->to)))
		agent->situation.read_at = message->asked_at;
}

static void store_ask(struct world *world, const struct message *message)
{
	store_read(world, message, store_told);
}

static void swap_told(struct world *world, const struct message *message)
{
	struct agent *agent = agent_of(world, message);
	struct situation *s;

	if (!agent)
		return;
	s = &agent->situation;
	if (message->asked_at == agent->swap_at)
		s->swapping = false;
	if (!decide_learn(s, &message->record, message->revision, clock_of(world, message->to)))
		return;
	s->read_at = message->asked_at;
	if (!message->yes || s->record.leader != message->to || s->record.epoch != message->record.epoch)
		return;
	if (s->renewed_at < message->asked_at)
		s->renewed_at = message->asked_at;
	if (message->record.epoch != message->b)
		say(world, "member %d leads at epoch %lu", message->to, s->record.epoch);
}

static void swap_ask(struct world *world, const struct message *message)
{
	store_swap(world, message, swap_told);
}

static void state_told(struct world *world, const struct message *message)
{
	struct agent *agent = agent_of(world, message);
	struct member_view *view;

	if (!agent)
		return;
	view = &agent->situation.views[message->from];
	if (message->asked_at < view->asked_at)
		return;
	view->asked_at = message->asked_at;
	view->said = message->state;
	if (message->revision)
		decide_learn(&agent->situation, &message->record, message->revision, clock_of(world, message->to));
}

static void state_ask(struct world *world, const struct message *message)
{
	struct agent *agent = &world->agents[message->to];
	struct message answer = answer_to(message);

	if (!agent->alive)
		return;
	look(world, message->to);
	answer.state = agent->situation.own;
	answer.record = agent->situation.record;
	answer.revision = agent->situation.revision;
	tell(world, state_told, &answer);
}

static void vouch_told(struct world *world, const struct message *message)
{
	struct agent *agent = agent_of(world, message);

	if (!agent || !message->yes || agent->situation.record.epoch != message->a || agent->situation.views[message->from].vouched_at >= message->asked_at)
		return;
	agent->situation.views[message->from].vouched_at = message->asked_at;
}

static void vouch_ask(struct world *world, const struct message *message)
{
	struct agent *agent = &world->agents[message->to];
	struct message answer = answer_to(message);
	struct situation *s = &agent->situation;
	uint64_t read_at = s->read_at;

	if (!agent->alive)
		return;
	look(world, message->to);
	if (world->plant == PLANT_VOUCHES_ALWAYS)
		s->read_at = 0;
	answer.a = message->a;
	answer.yes = decide_vouch(s, &agent->memory, message->from, message->a, clock_of(world, message->to));
	s->read_at = read_at;
	if (world->plant == PLANT_FORGETS_PROMISES)
		agent->memory.promised_until = 0;
	tell(world, vouch_told, &answer);
}

static void freeze_ask(struct world *world, const struct message *message)
{
	struct agent *agent = &world->agents[message->to];

	if (!agent->alive)
		return;
	decide_learn(&agent->situation, &message->record, message->revision, clock_of(world, message->to));
	look(world, message->to);
	if (!decide_freeze(&agent->situation, &agent->memory, message->revision, clock_of(world, message->to)))
		return;
	keep(agent);
	node_receive_from(world, message->to, LEADER_NOBODY);
	state_ask(world, message);
}

void permit_asked(struct world *world, const struct message *message)
{
	struct agent *agent = &world->agents[message->to];
	struct message answer = answer_to(message);
	const struct situation *s = &agent->situation;
	uint64_t now = clock_of(world, message->to);

	if (!agent->alive || s->record.leader != message->to || !s->record.writable || world->nodes[message->to].condition != MEMBER_PRIMARY ||
	    agent->authority_until <= now)
		return;
	answer.a = s->record.epoch;
	answer.b = (agent->authority_until - now) / 100 * 98;
	tell(world, router_permitted, &answer);
}

/* ---- what it does ---- */

static void make(struct world *world, int member, const struct decision *d)
{
	struct node *node = &world->nodes[member];
	uint64_t epoch = world->agents[member].situation.record.epoch;

	if (world->agents[member].situation.record.leader == member)
		node_wait_for(world, member, &d->wait_for);
	switch (d->node) {
	case WISH_LEAVE:
		return;
	case WISH_STOPPED:
		if (node->condition == MEMBER_PRIMARY || node->busy_until)
			node_stop(world, member, false);
		return;
	case WISH_SHUT_DOWN:
		node_shut_down(world, member);
		return;
	case WISH_PRIMARY:
		if (node->condition == MEMBER_DOWN)
			node_start(world, member, node->chain.branches[node->chain.count - 1].epoch == epoch ? MEMBER_PRIMARY : MEMBER_STANDBY);
		else
			node_promote(world, member, epoch);
		return;
	case WISH_REWOUND:
		node_rewind(world, member, d->upstream);
		return;
	case WISH_STANDBY:
	case WISH_FROZEN:
		if (node->condition == MEMBER_DOWN)
			node_start(world, member, MEMBER_STANDBY);
		else
			node_receive_from(world, member, d->node == WISH_STANDBY || d->fetch ? d->upstream : LEADER_NOBODY);
	}
}

static void ask(struct world *world, int member, const struct decision *d, uint64_t now)
{
	struct agent *agent = &world->agents[member];
	struct situation *s = &agent->situation;
	bool others = now >= agent->asked_members_at + (d->ask_freeze ? ASK_OFTEN : ASK_MEMBERS), vouch = d->ask_vouch && now >= agent->asked_vouch_at + ASK_MEMBERS;
	struct message message;

	if (s->swapping && now >= agent->swap_at + world->profile.renew_us) {
		s->swapping = false;
		s->maybe_electable |= agent->swap_electable;
	}
	if (now >= agent->asked_store_at + ASK_STORE) {
		agent->asked_store_at = now;
		message = from(world, member, STORE);
		tell(world, store_ask, &message);
	}
	for (int i = 0; i < world->member_count; i++) {
		message = from(world, member, i);
		message.revision = s->revision;
		message.a = s->record.epoch;
		message.record = s->record;
		if (i == member)
			continue;
		if (others)
			tell(world, d->ask_freeze ? freeze_ask : state_ask, &message);
		if (others && d->ask_freeze)
			tell(world, state_ask, &message);
		if (vouch)
			tell(world, vouch_ask, &message);
	}
	if (others)
		agent->asked_members_at = now;
	if (vouch)
		agent->asked_vouch_at = now;
	if (!d->swap || s->swapping)
		return;
	message = from(world, member, STORE);
	message.record = d->record;
	message.revision = s->revision;
	message.b = s->record.epoch;
	agent->swap_at = now;
	agent->swap_electable = d->record.electable;
	s->maybe_resigned |= d->record.leader == LEADER_NOBODY;
	s->swapping = true;
	tell(world, swap_ask, &message);
}

static void tick(struct world *world, const struct message *message)
{
	int member = message->to;
	struct agent *agent = &world->agents[member];
	uint64_t now = clock_of(world, member);
	struct decision d;
	struct situation seen;

	if (!agent->alive || agent->incarnation != message->incarnation)
		return;
	at(world, world->now + TICK, tick, message);
	look(world, member);
	seen = agent->situation;
	if (world->plant == PLANT_LEASE_NOT_AWAITED)
		seen.seen_at -= 2 * SECOND;
	if (world->plant == PLANT_NO_QUORUM && seen.record.leader != member)
		for (size_t i = 0; i < seen.record.quorum_count; i++)
			seen.record.quorums[i].count = 0;
	d = decide(&seen, &agent->memory, now);
	keep(agent);
	agent->authority_until = d.node == WISH_STOPPED ? 0 : d.authority_until;
	if (d.authority_until)
		agent->guard_until = d.authority_until;
	if (world->loud && d.why && d.why != agent->why)
		say(world, "member %d: %s", member, d.why);
	agent->why = d.why;
	make(world, member, &d);
	ask(world, member, &d, now);
}

static void guard(struct world *world, const struct message *message)
{
	int member = message->to;

	at(world, world->now + 20 * MS, guard, message);
	if (world->nodes[member].condition == MEMBER_PRIMARY && clock_of(world, member) >= world->agents[member].guard_until)
		node_stop(world, member, false);
}

/* ---- life ---- */

void agent_start(struct world *world, int member)
{
	struct agent *agent = &world->agents[member];
	struct situation *s = &agent->situation;

	if (agent->alive)
		return;
	say(world, "agent %d starts", member);
	agent->alive = true;
	agent->incarnation++;
	memset(s, 0, sizeof(*s));
	agent->memory = (struct memory){ .frozen = agent->frozen_kept };
	s->profile = &world->profile;
	s->self = member;
	s->members = (UINT32_C(1) << world->member_count) - 1;
	s->rule = world->rule;
	s->loss_bytes_max = UINT64_MAX / 2;
	s->record.epoch = agent->epoch_kept;
	s->record.change = agent->change_kept;
	s->record.leader = s->heir = LEADER_NOBODY;
	agent->authority_until = agent->asked_store_at = agent->asked_members_at = agent->asked_vouch_at = 0;
	at(world, world->now + chance(world, TICK), tick, &(struct message){ .from = member, .to = member, .incarnation = agent->incarnation });
}

void agent_kill(struct world *world, int member)
{
	if (world->agents[member].alive)
		say(world, "agent %d is killed", member);
	world->agents[member].alive = false;
	world->agents[member].authority_until = 0;
}

void agents_begin(struct world *world)
{
	for (int i = 0; i < world->member_count; i++) {
		world->agents[i].guard_until = clock_of(world, i) + world->profile.hold_us;
		agent_start(world, i);
		at(world, 20 * MS, guard, &(struct message){ .from = i, .to = i, .to_node = true });
	}
}

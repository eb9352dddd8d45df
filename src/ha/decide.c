#include "ha/decide.h"

#include <string.h>

/* fast: whoever stands still for less than 2 s stays; hold = lease less 2 % for the clocks' rates and 150 ms for stopping. */
const struct profile profile_fast = {
	.lease_us = 2650000, .hold_us = 2450000, .renew_us = 400000, .fresh_us = 1000000, .silent_us = 4000000, .veto_us = 1500000,
	.gather_us = 200000, .yield_us = 1500000, .down_us = 30000000,
};

const struct profile profile_wan = {
	.lease_us = 14000000, .hold_us = 13500000, .renew_us = 2000000, .fresh_us = 7000000, .silent_us = 30000000, .veto_us = 6000000,
	.gather_us = 6000000, .yield_us = 15000000, .down_us = 120000000,
};

static uint32_t bit(int member)
{
	return UINT32_C(1) << member;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What it said lately; NULL: it is not heard. */
static const struct member_state *heard(const struct situation *s, int member, uint64_t within_us, uint64_t now)
{
	const struct member_view *view = &s->views[member];

	if (member == s->self)
		return &s->own;
	return view->asked_at && view->asked_at + within_us > now ? &view->said : NULL;
}

static bool reaches_store(const struct situation *s, uint64_t now)
{
	return s->read_at && s->read_at + s->profile->fresh_us > now;
}

/* ---- what commits wait for ---- */

static struct quorum wanted_quorum(const struct situation *s, uint32_t streaming)
{
	uint32_t others = s->members & ~bit(s->self);
	unsigned found = (unsigned)__builtin_popcount(streaming &= others);
	struct quorum quorum = { .leader = s->self };

	switch (s->rule.mode) {
	case REPLICATION_ASYNC:
		return quorum;
	case REPLICATION_SEMI_SYNC:
		quorum.members = others;
		quorum.count = s->rule.degrades && found < s->rule.count ? found : s->rule.count;
		break;
	case REPLICATION_SYNC:
		quorum.members = s->rule.degrades ? streaming : others;
		quorum.count = (unsigned)__builtin_popcount(quorum.members);
		break;
	}
	if (quorum.count == 0)
		quorum.members = 0;
	return quorum;
}

/* The last quorum has all that was acknowledged under those before it: these are needed no more. */
static bool has_caught_up(const struct situation *s, struct memory *memory, uint64_t now)
{
	const struct leadership *record = &s->record;
	const struct quorum *last = &record->quorums[record->quorum_count - 1];
	unsigned there = 0;

	if (s->own.node != MEMBER_PRIMARY || !quorum_equal(&s->waits_for, last))
		return false;
	if (memory->marked_epoch != record->epoch || memory->marked_change != record->change) {
		memory->marked_epoch = record->epoch;
		memory->marked_change = record->change;
		memory->mark = s->own.flushed;
	}
	for (int i = 0; i < MEMBERS_MAX; i++) {
		const struct member_state *said = last->members & bit(i) ? heard(s, i, s->profile->fresh_us, now) : NULL;

		there += said && said->node == MEMBER_STANDBY && said->lineage == LINEAGE_SAME && said->epoch == record->epoch && said->flushed >= memory->mark;
	}
	return there >= last->count;
}

/* ---- leading ---- */

/* Of as many as there may be: who alone can be elected needs nobody's word. */
static uint64_t authority_until(const struct situation *s, uint64_t now)
{
	uint64_t vouched = now;

	if (!s->renewed_at)
		return 0;               /* a swap of the process before this one may be under way yet */
	for (int i = 0; i < MEMBERS_MAX; i++)
		if (i != s->self && (s->record.electable | s->maybe_electable) & bit(i) && s->views[i].vouched_at < vouched)
			vouched = s->views[i].vouched_at;
	return later(s->renewed_at, vouched) + s->profile->hold_us;
}

static bool can_be_elected(const struct member_state *said)
{
	return said->node == MEMBER_STANDBY && said->lineage == LINEAGE_SAME && !said->sick;
}

/* Who has been silent for long is left out, so that those who are there can vouch. */
static uint32_t electable(const struct situation *s, uint64_t now)
{
	uint32_t found = bit(s->self);

	for (int i = 0; i < MEMBERS_MAX; i++) {
		bool was = s->record.electable & bit(i);
		const struct member_state *said = s->members & bit(i) ? heard(s, i, was ? s->profile->silent_us : s->profile->fresh_us, now) : NULL;

		if (i != s->self && said && can_be_elected(said) && (was || said->streaming))
			found |= bit(i);
	}
	return found;
}

static uint32_t streaming(const struct situation *s, uint64_t now)
{
	uint32_t found = 0;

	for (int i = 0; i < MEMBERS_MAX; i++) {
		const struct member_state *said = i != s->self && s->members & bit(i) ? heard(s, i, s->profile->fresh_us, now) : NULL;

		if (said && can_be_elected(said) && said->streaming)
			found |= bit(i);
	}
	return found;
}

/* The record as the leader would have it. */
static void plan_record(const struct situation *s, struct memory *memory, struct leadership *next, uint64_t now)
{
	const struct leadership *record = &s->record;
	bool primary = s->own.node == MEMBER_PRIMARY && s->own.lineage == LINEAGE_SAME;
	struct quorum wanted = wanted_quorum(s, streaming(s, now));

	*next = *record;
	next->beat++;
	next->flushed = s->own.flushed;
	next->writable |= primary;
	next->electable = electable(s, now);
	if (primary && record->quorum_count > 1 && has_caught_up(s, memory, now)) {
		next->quorums[0] = record->quorums[record->quorum_count - 1];
		next->quorum_count = 1;
	}
	if (primary && !s->rule_unknown && !quorum_equal(&wanted, &record->quorums[record->quorum_count - 1]))
		leadership_add_quorum(next, &wanted);
	if (next->writable != record->writable || next->electable != record->electable || next->quorum_count != record->quorum_count ||
	    memcmp(next->quorums, record->quorums, next->quorum_count * sizeof(next->quorums[0])) != 0)
		next->change++;
}

/* Once its node has stopped, the record says that nobody leads: others need not wait for the lease. Who has sent that is not primary any more, as far as
 * he knows. */
static void resign(const struct situation *s, struct decision *d, int heir)
{
	if (s->own.node != MEMBER_DOWN || s->may_start) {
		d->node = WISH_STOPPED;
		return;
	}
	d->node = WISH_LEAVE;
	d->record = s->record;
	d->record.beat++;
	d->record.change++;
	d->record.leader = LEADER_NOBODY;
	d->record.heir = heir;
	d->record.flushed = s->own.flushed;
	d->record.electable = s->members;       /* nobody has authority any more that others would have to vouch for */
	d->swap = !s->swapping;
}

/* Others can be elected, and have every acknowledged commit; `lossy`: or, when commits wait for nobody, lack no more of them than they may. */
static bool is_replaceable(const struct situation *s, bool lossy, uint64_t now)
{
	bool waits = s->record.quorums[s->record.quorum_count - 1].count > 0, near = false;
	uint32_t able = 0;

	for (int i = 0; i < MEMBERS_MAX; i++) {
		const struct member_state *said = i != s->self && s->record.electable & bit(i) ? heard(s, i, s->profile->fresh_us, now) : NULL;

		if (!said || !can_be_elected(said))
			continue;
		able |= bit(i);
		near |= s->own.flushed <= said->flushed + s->loss_bytes_max;
	}
	return able && (waits ? leadership_certain(&s->record, able) : lossy && near);
}

/* Asked to, and as far as that goes well. */
static bool hands_over(const struct situation *s, struct decision *d, uint64_t now)
{
	const struct member_state *heir = s->heir == LEADER_NOBODY || s->heir == s->self ? NULL : heard(s, s->heir, s->profile->fresh_us, now);

	if (!heir || !can_be_elected(heir) || now >= s->heir_until)
		return false;
	if (s->own.node == MEMBER_PRIMARY && heir->streaming)
		d->node = WISH_SHUT_DOWN;
	else if (s->own.node == MEMBER_DOWN && s->own.clean && heir->flushed >= s->own.flushed)
		resign(s, d, s->heir);
	else if (s->own.node == MEMBER_DOWN && s->own.clean)
		d->node = WISH_LEAVE;   /* the last of it is under way */
	else
		return false;
	return true;
}

/* Why it had better leave; NULL: it had not. */
static const char *why_resign(const struct situation *s, const struct memory *memory, uint64_t now)
{
	if (s->own.lineage == LINEAGE_OWN)
		return "its node has another history";
	if (s->maybe_resigned)
		return "it may have left already";
	if (s->record.writable && s->own.node == MEMBER_DOWN && !s->own.clean && is_replaceable(s, false, now))
		return "its node has crashed, and others have all of it";
	if (s->record.writable && now >= memory->up_at + s->profile->down_us && is_replaceable(s, true, now))
		return "its node does not come up, and others can lead";
	/* Its own timeline is in the record first: others may have followed it there. */
	if (s->own.sick && (s->own.node != MEMBER_PRIMARY || s->record.writable) && is_replaceable(s, true, now))
		return "its node is sick, and others can lead";
	return NULL;
}

static struct decision lead(const struct situation *s, struct memory *memory, uint64_t now)
{
	struct decision d = { .upstream = LEADER_NOBODY, .authority_until = authority_until(s, now), .wait_for = s->record.quorums[s->record.quorum_count - 1] };
	uint64_t renewal = s->renewed_at + s->profile->renew_us;

	memory->frozen = 0;
	if (s->own.node == MEMBER_PRIMARY || memory->led_epoch != s->record.epoch)
		memory->up_at = now;
	memory->led_epoch = s->record.epoch;
	d.why = why_resign(s, memory, now);
	if (d.why) {
		resign(s, &d, s->maybe_resigned ? s->heir : LEADER_NOBODY);
		return d;
	}
	if (d.authority_until == 0) {
		d.node = WISH_LEAVE;    /* its agent has just started: what the one before held is being kept, or ends by itself */
	} else if (now >= d.authority_until) {
		d.node = WISH_STOPPED;
		d.why = "its authority has ended";
	} else if (s->own.node == MEMBER_UNKNOWN) {
		d.node = WISH_LEAVE;
	} else if (hands_over(s, &d, now)) {
		d.why = "it hands over";
	} else if (s->own.node == MEMBER_PRIMARY || (now >= memory->promised_until && quorum_equal(&s->waits_for, &d.wait_for))) {
		d.node = WISH_PRIMARY;
	}
	if (d.swap)
		return d;
	plan_record(s, memory, &d.record, now);
	d.swap = !s->swapping && (!s->renewed_at || now >= renewal || d.record.change != s->record.change);
	d.ask_vouch = !s->renewed_at || now >= renewal + s->profile->renew_us;
	return d;
}

/* ---- following, and standing ---- */

static bool has_expired(const struct situation *s, uint64_t now)
{
	const struct leadership *record = &s->record;

	if (record->leader == LEADER_NOBODY && (record->heir == LEADER_NOBODY || record->heir == s->self))
		return true;
	return now >= s->seen_at + s->profile->lease_us;
}

/* What the leader had when it was shut down, this one has. */
static bool inherits(const struct situation *s)
{
	return s->record.leader == LEADER_NOBODY && s->record.heir == s->self && s->own.flushed >= s->record.flushed;
}

/* Somebody hears of a leader that does not renew: its agent may be about to come back. */
static bool is_vetoed(const struct situation *s, uint64_t now)
{
	if (s->record.leader == LEADER_NOBODY || now >= s->seen_at + s->profile->lease_us + s->profile->veto_us)
		return false;
	for (int i = 0; i < MEMBERS_MAX; i++) {
		const struct member_state *said = s->members & bit(i) ? heard(s, i, s->profile->renew_us, now) : NULL;

		if (said && said->receiving)
			return true;
	}
	return false;
}

/* Who has stopped to receive for this election, and what they have is what it will be. *ret_able: who could stand, of these. */
static uint32_t frozen_members(const struct situation *s, uint32_t *ret_able, uint64_t now)
{
	uint32_t found = 0;

	*ret_able = 0;
	for (int i = 0; i < MEMBERS_MAX; i++) {
		const struct member_state *said = s->members & bit(i) ? heard(s, i, s->profile->lease_us, now) : NULL;

		if (!said || said->frozen != s->revision || (said->lineage == LINEAGE_SAME && said->node != MEMBER_STANDBY))
			continue;
		found |= bit(i);
		*ret_able |= can_be_elected(said) ? bit(i) : 0;
	}
	return found;
}

static int best_of(const struct situation *s, uint32_t members)
{
	int best = s->self;

	for (int i = 0; i < MEMBERS_MAX; i++)
		if (members & bit(i) && s->views[i].said.flushed > (best == s->self ? s->own.flushed : s->views[best].said.flushed) && i != s->self)
			best = i;
	return best;
}

/* A later record than the store has: the store went back to an old copy. */
static bool somebody_knows_better(const struct situation *s)
{
	for (int i = 0; i < MEMBERS_MAX; i++) {
		const struct member_view *view = &s->views[i];

		if (i != s->self && view->asked_at &&
		    (view->said.epoch > s->record.epoch || (view->said.epoch == s->record.epoch && view->said.change > s->record.change)))
			return true;
	}
	return false;
}

static void claim(const struct situation *s, uint32_t frozen, struct leadership *next)
{
	struct quorum wanted = wanted_quorum(s, frozen);

	*next = s->record;
	next->epoch++;
	next->change++;
	next->beat++;
	next->leader = s->self;
	next->heir = LEADER_NOBODY;
	next->writable = false;
	if (!leadership_add_quorum(next, &wanted)) {
		/* As this one has it all, it must be heard whoever comes next. */
		next->quorums[0] = (struct quorum){ .members = bit(s->self), .count = 1, .leader = s->self };
		next->quorums[1] = wanted;
		next->quorum_count = 2;
	}
}

static void stand(const struct situation *s, struct memory *memory, struct decision *d, uint64_t now)
{
	const struct profile *profile = s->profile;
	uint32_t frozen, able, leader = s->record.leader == LEADER_NOBODY ? 0 : bit(s->record.leader);
	int best;

	if (s->rule_unknown || !(s->record.electable & bit(s->self)) || !can_be_elected(&s->own) || !has_expired(s, now) || !reaches_store(s, now) ||
	    now < memory->promised_until || is_vetoed(s, now) || somebody_knows_better(s)) {
		memory->standing_since = 0;
		return;
	}
	if (memory->frozen != s->revision || !memory->standing_since) {
		memory->frozen = s->revision;
		memory->standing_since = now;
	}
	d->node = WISH_FROZEN;
	d->ask_freeze = true;
	frozen = frozen_members(s, &able, now);
	best = best_of(s, frozen);
	if (inherits(s)) {
		claim(s, able, &d->record);
		d->swap = !s->swapping;
	} else if (!(frozen & bit(s->self)))
		d->why = "its receiver has not ended yet";
	else if (!leadership_certain(&s->record, frozen))
		d->why = "too few members answer to be sure of every acknowledged commit";
	else if (s->record.electable & ~frozen & ~leader && now < memory->standing_since + profile->gather_us)
		d->why = "others may answer yet";
	else if (best != s->self && now < memory->standing_since + profile->yield_us)
		d->why = "another one has more, and may stand";
	else if (!(able & bit(best)))
		d->why = "what only one has who is to be rewound is missing";
	else if (best != s->self) {
		d->why = "another one has more, which is fetched first";
		d->upstream = best;
		d->fetch = true;
	} else if (s->record.flushed > s->own.flushed + s->loss_bytes_max && !s->record.quorums[s->record.quorum_count - 1].count)
		d->why = "more would be lost than loss_bytes_max allows";
	else {
		claim(s, able, &d->record);
		d->swap = !s->swapping;
	}
}

static struct decision follow(const struct situation *s, struct memory *memory, uint64_t now)
{
	const struct leadership *record = &s->record;
	struct decision d = { .upstream = record->leader, .wait_for = wanted_quorum(s, s->members) };

	if (s->rule_unknown)
		d.wait_for.leader = LEADER_NOBODY;
	if (memory->frozen && memory->frozen != s->revision)
		memory->frozen = 0;
	if (s->own.node == MEMBER_PRIMARY)
		d.node = WISH_STOPPED;
	else if (s->own.node == MEMBER_UNKNOWN)
		d.node = WISH_LEAVE;
	else if (s->own.lineage == LINEAGE_OWN)
		d.node = record->leader != LEADER_NOBODY && record->writable ? WISH_REWOUND : WISH_LEAVE;
	else if (memory->frozen)
		d.node = WISH_FROZEN;
	else
		d.node = WISH_STANDBY;
	if (s->own.node != MEMBER_PRIMARY)
		stand(s, memory, &d, now);
	return d;
}

bool decide_learn(struct situation *s, const struct leadership *record, uint64_t revision, uint64_t now)
{
	if (revision < s->revision || leadership_later(&s->record, record))
		return false;
	if (revision == s->revision)
		return true;
	if (s->revision == 0 || record->epoch != s->record.epoch) {
		s->renewed_at = 0;
		for (int i = 0; i < MEMBERS_MAX; i++)
			s->views[i].vouched_at = 0;
	}
	s->record = *record;
	s->revision = revision;
	s->seen_at = now;
	s->maybe_electable = 0;
	s->maybe_resigned = false;
	return true;
}

struct decision decide(const struct situation *s, struct memory *memory, uint64_t now)
{
	if (s->revision == 0)
		return (struct decision){ .node = WISH_LEAVE, .upstream = LEADER_NOBODY, .why = "the store was not reached yet" };
	return s->record.leader == s->self ? lead(s, memory, now) : follow(s, memory, now);
}

bool decide_freeze(const struct situation *s, struct memory *memory, uint64_t revision, uint64_t now)
{
	if (revision == 0 || revision != s->revision || s->record.leader == s->self || now < memory->promised_until || s->own.node == MEMBER_PRIMARY)
		return false;
	if (s->own.receiving && now < s->seen_at + s->profile->lease_us + s->profile->veto_us)
		return false;
	memory->frozen = revision;
	return true;
}

bool decide_vouch(const struct situation *s, struct memory *memory, int leader, uint64_t epoch, uint64_t now)
{
	if (s->record.leader != leader || s->record.epoch != epoch || reaches_store(s, now) || s->swapping || memory->frozen)
		return false;
	memory->promised_until = now + s->profile->lease_us;
	return true;
}

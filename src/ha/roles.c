#include "ha/roles.h"

#include <stdio.h>
#include <string.h>

static bool is_primary(const struct role_claim *claim)
{
	return claim->heard && claim->role == SEEN_PRIMARY;
}

/* Of the shard's primary, as far as anybody knows; 0: nobody does. */
static uint32_t known_timeline(const struct role_claim *primary, const struct role_note *note)
{
	uint32_t seen = primary->role == SEEN_PRIMARY ? primary->timeline : 0;

	return seen > note->history.timeline ? seen : note->history.timeline;
}

static uint64_t known_system(const struct role_claim *primary, const struct role_note *note)
{
	return note->history.timeline ? note->system : primary->system;
}

bool roles_claims(const struct role_claim *claims, size_t index, size_t primary, const struct role_note *note)
{
	const struct role_claim *claim = &claims[index], *before = &claims[primary];
	uint32_t known = known_timeline(before, note);

	if (index == primary || !is_primary(claim) || !claim->system || claim->system != known_system(before, note))
		return false;
	if (!known)                     /* nobody has ever seen the topology's primary as one */
		return before->heard && before->role == SEEN_REPLICA;
	return claim->timeline > known || (claim->timeline == known && !is_primary(before) && strcmp(claim->name, note->node) == 0);
}

enum descent { DESCENDS, DESCENDS_NOT, DESCENT_UNKNOWN };

static enum descent descent(const struct role_claim *claim, const struct role_claim *before, const struct role_note *note, uint64_t *ret_fork)
{
	uint32_t known = known_timeline(before, note);

	if (!known || claim->timeline == known)
		return DESCENDS;
	if (!claim->history)
		return DESCENT_UNKNOWN;
	if (!history_fork(claim->history, known, ret_fork))
		return DESCENDS_NOT;
	if (note->has_ancestors && note->history.timeline == known && !history_descends(claim->history, &note->history, ret_fork))
		return DESCENDS_NOT;
	return DESCENDS;
}

static void dispute(struct role_judgement *ret)
{
	ret->verdict = ROLES_DISPUTED;
}

/* A winner has left all others behind, and they are its ancestors. */
static bool beats_all(const struct role_claim *claims, size_t count, size_t best, size_t primary, const struct role_note *note, struct role_judgement *ret)
{
	uint64_t fork;

	for (size_t i = 0; i < count; i++) {
		if (i == best || !roles_claims(claims, i, primary, note))
			continue;
		if (claims[i].timeline == claims[best].timeline)
			snprintf(ret->reason, sizeof(ret->reason), "%s and %s both say that they are the primary, on timeline %u", claims[i].name, claims[best].name,
				 claims[best].timeline);
		else if (!claims[best].history || !history_fork(claims[best].history, claims[i].timeline, &fork))
			snprintf(ret->reason, sizeof(ret->reason), "%s (timeline %u) and %s (timeline %u) both say that they are the primary, and neither is known"
				 " to go on from the other", claims[i].name, claims[i].timeline, claims[best].name, claims[best].timeline);
		else
			continue;
		dispute(ret);
		return false;
	}
	return true;
}

static void judge_best(const struct role_claim *claims, size_t best, size_t primary, const struct role_note *note, struct role_judgement *ret)
{
	const struct role_claim *claim = &claims[best], *before = &claims[primary];
	uint32_t known = known_timeline(before, note);
	enum descent how = descent(claim, before, note, &ret->fork);

	if (how == DESCENDS_NOT) {
		snprintf(ret->reason, sizeof(ret->reason), "%s says that it is the primary, on timeline %u, which does not go on from timeline %u of %s",
			 claim->name, claim->timeline, known, *note->node ? note->node : before->name);
		dispute(ret);
		return;
	}
	if (how == DESCENT_UNKNOWN && is_primary(before)) {
		snprintf(ret->reason, sizeof(ret->reason), "%s (timeline %u) and %s (timeline %u) both say that they are the primary, and the history of timeline"
			 " %u cannot be read", before->name, before->timeline, claim->name, claim->timeline, claim->timeline);
		dispute(ret);
		return;
	}
	ret->verdict = ROLES_PROMOTED;
	ret->node = best;
	ret->fork_known = known && how == DESCENDS && claim->timeline != known;
	if (ret->fork_known && before->role == SEEN_PRIMARY && before->timeline == known && before->flushed > ret->fork)
		ret->left_behind = before->flushed - ret->fork;
}

/* Nobody has the right to be it. */
static void judge_nobody(const struct role_claim *claims, size_t count, size_t primary, struct role_judgement *ret)
{
	const struct role_claim *before = &claims[primary];
	const struct role_claim *other = NULL;

	for (size_t i = 0; i < count; i++)
		if (i != primary && is_primary(&claims[i]))
			other = &claims[i];
	if (is_primary(before) || (!other && !before->heard))
		return;
	ret->verdict = ROLES_LEADERLESS;
	if (!other)
		snprintf(ret->reason, sizeof(ret->reason), "%s is in recovery, and no other node of the shard says that it is the primary", before->name);
	else
		snprintf(ret->reason, sizeof(ret->reason), "%s %s; %s says that it is the primary, on timeline %u of system %llu, but that does not go on from what"
			 " is known of the shard's primary", before->name, before->heard ? "is in recovery" : "does not answer", other->name, other->timeline,
			 (unsigned long long)other->system);
}

void roles_judge(const struct role_claim *claims, size_t count, size_t primary, const struct role_note *note, struct role_judgement *ret)
{
	size_t best = count;

	*ret = (struct role_judgement){ .verdict = ROLES_AS_THEY_ARE };
	for (size_t i = 0; i < count; i++)
		if (roles_claims(claims, i, primary, note) && (best == count || claims[i].timeline > claims[best].timeline))
			best = i;
	if (best == count)
		judge_nobody(claims, count, primary, ret);
	else if (beats_all(claims, count, best, primary, note, ret))
		judge_best(claims, best, primary, note, ret);
}

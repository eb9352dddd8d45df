#include "agent/handover.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ANNOUNCED_US = 450000, ROUTER_US = 2000000, SHUT_DOWN_US = 10000000 };

/* ---- the routers ---- */

void handover_heard(struct handover *handover, const char *name, int64_t lent, uint64_t now)
{
	struct handover_router *router = NULL, *oldest = &handover->routers[0];

	if (!*name)
		return;
	for (size_t i = 0; i < handover->router_count && !router; i++) {
		if (handover->routers[i].asked_at < oldest->asked_at)
			oldest = &handover->routers[i];
		if (strcmp(handover->routers[i].name, name) == 0)
			router = &handover->routers[i];
	}
	if (!router)
		router = handover->router_count < HANDOVER_ROUTERS_MAX ? &handover->routers[handover->router_count++] : oldest;
	snprintf(router->name, sizeof(router->name), "%s", name);
	router->asked_at = now;
	router->lent = lent;
}

/* How many backends are still lent; *ret_who: by the first router that has any, or does not hold yet. */
static int64_t count_lent(const struct handover *handover, uint64_t now, const char **ret_who)
{
	int64_t lent = 0;

	*ret_who = NULL;
	for (size_t i = 0; i < handover->router_count; i++) {
		const struct handover_router *router = &handover->routers[i];

		if (router->asked_at + ROUTER_US < now || router->lent == 0)
			continue;
		lent += router->lent > 0 ? router->lent : 0;
		*ret_who = *ret_who ? *ret_who : router->name;
	}
	return lent;
}

/* ---- the heir ---- */

static bool is_there(const struct situation *s, int member, uint64_t now)
{
	const struct member_view *view = &s->views[member];

	return member != s->self && s->members >> member & 1 && s->record.electable >> member & 1 && view->asked_at && view->asked_at + s->profile->fresh_us > now &&
	       view->said.node == MEMBER_STANDBY && view->said.lineage == LINEAGE_SAME && !view->said.sick;
}

static bool may_inherit(const struct situation *s, int member, uint64_t now)
{
	return is_there(s, member, now) && s->views[member].said.streaming;
}

static int best_heir(const struct situation *s, uint64_t now)
{
	int best = LEADER_NOBODY;

	for (int i = 0; i < MEMBERS_MAX; i++)
		if (may_inherit(s, i, now) && (best == LEADER_NOBODY || s->views[i].said.flushed > s->views[best].said.flushed))
			best = i;
	return best;
}

/* ---- its course ---- */

int handover_begin(struct handover *handover, const struct situation *s, const char *const *names, int heir, uint64_t drain_us, uint64_t now, struct err *err)
{
	if (s->record.leader != s->self || !s->record.writable || s->own.node != MEMBER_PRIMARY)
		return err_set(err, ERR_WRONG_STATE, "node \"%s\" does not lead its shard", names[s->self]);
	if (handover->phase != HANDOVER_NONE)
		return err_set(err, ERR_WRONG_STATE, "node \"%s\" hands over already", names[s->self]);
	if (heir == s->self)
		return err_set(err, ERR_WRONG_STATE, "node \"%s\" leads already", names[heir]);
	if (heir != LEADER_NOBODY && !may_inherit(s, heir, now))
		return err_set(err, ERR_WRONG_STATE, "node \"%s\" does not follow closely enough to lead: it does not stream, lags, or its agent does not answer", names[heir]);
	if (heir == LEADER_NOBODY)
		heir = best_heir(s, now);
	if (heir == LEADER_NOBODY)
		return err_set(err, ERR_WRONG_STATE, "no other node follows closely enough to lead");
	handover->phase = HANDOVER_ANNOUNCED;
	handover->ended_at = 0;
	handover->done = false;
	handover->outcome[0] = '\0';
	handover->heir = heir;
	handover->epoch = s->record.epoch;
	handover->hold_at = now + ANNOUNCED_US;
	handover->drain_until = handover->hold_at + drain_us;
	handover->until = handover->drain_until + SHUT_DOWN_US;
	return 0;
}

static void end(struct handover *handover, struct situation *s, bool done, uint64_t now)
{
	handover->phase = HANDOVER_NONE;
	handover->done = done;
	handover->ended_at = now;
	s->heir = LEADER_NOBODY;
}

static void say_not_drained(struct handover *handover, const char *self, uint64_t now)
{
	const char *who;
	int64_t lent = count_lent(handover, now, &who);

	if (lent)
		snprintf(handover->outcome, sizeof(handover->outcome), "%s goes on leading: %" PRId64 " backends were still lent by %s, …: to transactions, or sessions that keep theirs",
			 self, lent, who);
	else
		snprintf(handover->outcome, sizeof(handover->outcome), "%s goes on leading: router %s did not hold in time", self, who ? who : "");
}

void handover_step(struct handover *handover, struct situation *s, const char *const *names, uint64_t now)
{
	const char *who;

	if (handover->phase == HANDOVER_NONE)
		return;
	if (s->record.epoch > handover->epoch) {
		if (s->record.leader == LEADER_NOBODY || !s->record.writable)
			return;
		snprintf(handover->outcome, sizeof(handover->outcome), "%s leads, under epoch %" PRIu64, names[s->record.leader], s->record.epoch);
		end(handover, s, s->record.leader == handover->heir, now);
		return;
	}
	if (handover->phase == HANDOVER_ANNOUNCED && now >= handover->hold_at)
		handover->phase = HANDOVER_DRAINS;
	if (handover->phase == HANDOVER_DRAINS && (count_lent(handover, now, &who), !who)) {
		handover->phase = HANDOVER_SHUTS_DOWN;
		s->heir = handover->heir;
		s->heir_until = handover->until;
	} else if (handover->phase == HANDOVER_DRAINS && (now >= handover->drain_until || !may_inherit(s, handover->heir, now))) {
		if (now >= handover->drain_until)
			say_not_drained(handover, names[s->self], now);
		else
			snprintf(handover->outcome, sizeof(handover->outcome), "%s goes on leading: %s does not follow closely any more", names[s->self], names[handover->heir]);
		end(handover, s, false, now);
	} else if (handover->phase == HANDOVER_SHUTS_DOWN && (now >= handover->until || (s->record.leader == s->self && !is_there(s, handover->heir, now)))) {
		snprintf(handover->outcome, sizeof(handover->outcome), "%s goes on leading: it did not shut down in time, or %s did not get all of it", names[s->self],
			 names[handover->heir]);
		end(handover, s, false, now);
	}
}

uint64_t handover_hold_us(const struct handover *handover, uint64_t now)
{
	if (handover->phase == HANDOVER_NONE)
		return UINT64_MAX;
	return handover->hold_at > now ? handover->hold_at - now : 0;
}

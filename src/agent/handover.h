/* handover: the leader gives its place to another member because somebody asked for it (nanu switchover), and clients notice a pause at most. Pure.
 *
 *     asked ──▶ announced ── hold_at ──▶ drains ── routers lend no more of its backends ──▶ shuts down ── clean, and the heir has it all ──▶ resigned
 *                                          │ drain_until                                        │ too late
 *                                          └───────▶ the primary simply goes on ◀───────────────┘
 *
 * Routers hear when to begin no more transactions on the node together with their permits (ha/permit.h), before it is time, and so do it all at once; while
 * they hold they tell how many of its backends are still lent. Who has not asked for ROUTER_US is no router of this shard any more: its permit ends before
 * another one leads, whatever it does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "ha/decide.h"

enum { HANDOVER_ROUTERS_MAX = 64, HANDOVER_NAME_SIZE = 256, HANDOVER_OUTCOME_SIZE = 384 };

enum handover_phase { HANDOVER_NONE, HANDOVER_ANNOUNCED, HANDOVER_DRAINS, HANDOVER_SHUTS_DOWN };

struct handover_router {
	char name[HANDOVER_NAME_SIZE];
	uint64_t asked_at;
	int64_t lent;                   /* -1: it does not hold yet */
};

struct handover {
	enum handover_phase phase;
	int heir;
	uint64_t epoch;
	uint64_t hold_at, drain_until, until;
	uint64_t ended_at;              /* how the last one ended is told from then on; 0: there was none */
	bool done;                      /* it went as it should */
	char outcome[HANDOVER_OUTCOME_SIZE];
	struct handover_router routers[HANDOVER_ROUTERS_MAX];
	size_t router_count;
};

/* By this member, which leads, to that one (LEADER_NOBODY: the best), draining for so long. ERR_WRONG_STATE, and why not. */
must_use int handover_begin(struct handover *handover, const struct situation *situation, const char *const *names, int heir, uint64_t drain_us, uint64_t now,
			    struct err *err);
/* A router has asked for a permit; "": somebody who only looks. */
void handover_heard(struct handover *handover, const char *router, int64_t lent, uint64_t now);
/* As time passes: sets the situation's heir. */
void handover_step(struct handover *handover, struct situation *situation, const char *const *names, uint64_t now);
/* In how many microseconds a router is to hold; UINT64_MAX: it is not. */
uint64_t handover_hold_us(const struct handover *handover, uint64_t now);

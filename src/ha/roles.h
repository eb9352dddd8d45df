/* roles: which node of a shard is its primary, judged from what the nodes say of themselves. Pure.
 *
 * Others change roles: an operator promotes a replica, a managed service switches over. What they leave behind tells who is the primary now: a
 * promotion begins a new timeline. A node that is out of recovery, belongs to the same system, and is on a timeline newer than the one that the
 * shard's primary was last seen on, which goes on from that one, is the primary. What comes after the fork on the old timeline is no part of the
 * shard's history any more, whoever still writes there.
 *
 *     nobody else claims it                                       as it is
 *     one claims it on a newer timeline that descends             it is the primary
 *     on one of which that is not known                           it is, if the one before is silent or in recovery; else disputed
 *     on one that does not descend; two on the same timeline      disputed: nothing changes
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "route/history.h"
#include "route/node_status.h"

struct role_claim {                     /* a node of the shard */
	const char *name;
	bool heard;                     /* it has just answered */
	enum seen_role role;            /* as it said last */
	uint32_t timeline;
	uint64_t system;
	uint64_t flushed;               /* as it said last */
	const struct history *history;  /* NULL: not known */
};

struct role_note {                      /* what is remembered of the shard's primary; .timeline 0: it was never seen */
	char node[NAME_SIZE_MAX];
	uint64_t system;
	struct history history;         /* .count 0 with .timeline > 1: only the timeline is known */
	bool has_ancestors;             /* they are known */
};

enum role_verdict {
	ROLES_AS_THEY_ARE,
	ROLES_PROMOTED,                 /* .node is the primary now */
	ROLES_DISPUTED,                 /* several claim it, or one that cannot be right: .reason */
	ROLES_LEADERLESS,               /* the primary says that it is none, and nobody else claims it: .reason */
};

enum { ROLE_REASON_SIZE = 384 };

struct role_judgement {
	enum role_verdict verdict;
	size_t node;                    /* index of the claim */
	bool fork_known;
	uint64_t fork;                  /* where its timeline left that of the primary before */
	uint64_t left_behind;           /* bytes of WAL that the primary before was seen to have beyond that */
	char reason[ROLE_REASON_SIZE];
};

/* `primary`: index of the claim of the node that is the primary in the topology. */
void roles_judge(const struct role_claim *claims, size_t count, size_t primary, const struct role_note *note, struct role_judgement *ret);
/* Whether this claim would have a history looked at: only then it is worth reading. */
bool roles_claims(const struct role_claim *claims, size_t index, size_t primary, const struct role_note *note);

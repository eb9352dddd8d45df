/* decide: what a shard's member is to do now, from what it sees. Pure: no clock, no I/O; the same in the agent and in the simulated world.
 *
 * Every member decides for itself; the record (leadership.h) is the only thing that they agree on.
 *
 *     follower ── the record has stood still for lease_us, nobody still receives ──▶ asks all to freeze, hears them
 *         ▲                                                                               │ it is the best of enough of them
 *         │ another leads                                                                 ▼
 *       stops ◀──── its authority has ended ──── leads, renews ◀──── promotes ◀──── swaps the record: it leads
 *         ▲                                         │
 *         └── the record says: nobody leads ◀── has stopped its node: its heir has it all, or it crashed and others have it all, or it is sick
 *
 * Lease. The leader swaps the record again and again; its authority ends hold_us after it *began* the last swap that succeeded, and its node has been
 * stopped by then. Whoever has seen one revision for lease_us, counted from when he *had* it, knows that this authority is over: no clocks are
 * compared, their rates are trusted to 1 %. A router's permit to write is a part of that authority, asked of the leader's agent.
 *
 * Freezing. Before they are compared members stop to receive, and stay so until they see a later revision of the record. A candidate's swap succeeds
 * only on the revision under which he heard them. So what was acknowledged in semi-sync and sync is on one of those he heard however wrong the
 * clocks were.
 *
 * The store is away. The leader asks all electable members to vouch. Each who does not reach the store either promises not to be primary for
 * lease_us; when all have, the leader's authority goes on from when it asked. Nobody can be elected meanwhile: it takes a swap.
 *
 * Sources: C. Gray, D. Cheriton, "Leases" (1989); L. Lamport, "Paxos Made Simple" (2001), for what freezing does: its first phase.
 */
#pragma once

#include "ha/leadership.h"
#include "topo/replication.h"

struct profile {                        /* all by the clock that goes on while the machine sleeps */
	uint64_t lease_us, hold_us;
	uint64_t renew_us;              /* between two swaps of a leader that has nothing else to say */
	uint64_t fresh_us;              /* an answer that was asked for longer ago says nothing any more */
	uint64_t silent_us;             /* a member that has not answered for so long cannot vouch: it is electable no more */
	uint64_t veto_us;               /* beyond lease_us; then a member that still receives from the leader is not heeded any more */
	uint64_t gather_us;             /* until those that answer late are not waited for */
	uint64_t down_us;               /* so long a leader whose commits wait for nobody tries to have its node up before it leaves it to others */
	uint64_t yield_us;              /* so long a candidate leaves it to a better one to stand */
};

extern const struct profile profile_fast, profile_wan;

enum member_condition { MEMBER_DOWN, MEMBER_STANDBY, MEMBER_PRIMARY, MEMBER_UNKNOWN };        /* UNKNOWN: any of these; it has not been looked at yet, or is another's */
enum lineage {
	LINEAGE_SAME,                   /* all its WAL belongs to the shard's history, as the record has it; it may be behind */
	LINEAGE_OWN,                    /* it has WAL beyond a fork: to be rewound */
};

/* What an agent says of its member, to itself and to others. */
struct member_state {
	enum member_condition node;
	enum lineage lineage;
	bool clean;                     /* it is down, and was shut down: nothing comes after what it has flushed */
	bool sick;                      /* it cannot write, or not be connected to, for longer than it may */
	bool receiving;                 /* from the record's leader, just now */
	bool streaming;                 /* it receives, and lags little */
	uint64_t flushed;               /* of the shard's history, and not beyond a fork */
	uint64_t frozen;                /* receives no more since it was asked to under this revision; 0: it may receive */
	uint64_t epoch, change;         /* of the latest record that it has seen */
};

struct member_view {                    /* of a member, by another */
	uint64_t asked_at;              /* when what it said last was asked for; 0: it never said anything */
	struct member_state said;
	uint64_t vouched_at;            /* when it was asked what it last vouched for; 0: never under this epoch */
};

struct situation {
	const struct profile *profile;
	int self;
	uint32_t members;               /* all of the shard, a bit each */
	struct replication_rule rule;
	bool rule_unknown;              /* it was not read yet: what commits wait for stays, and nobody stands */
	uint64_t loss_bytes_max;        /* async: a member further behind is not elected */

	struct leadership record;       /* the latest seen */
	uint64_t revision;              /* 0: none was seen yet */
	uint64_t seen_at;               /* when that was first seen */
	uint64_t read_at;               /* when the last answer of the store was asked for; 0: none yet. Not of a store that has gone back */
	uint64_t renewed_at;            /* when this member began its last swap that succeeded, under the record's epoch; 0: none */
	bool swapping;                  /* one is under way */
	uint32_t maybe_electable;       /* by swaps on this revision of which the outcome is not known */
	bool maybe_resigned;            /* the same: nobody leads any more */
	int heir;                       /* to whom the leader is asked to hand over; LEADER_NOBODY: to nobody */
	uint64_t heir_until;            /* then it goes on leading */

	struct member_state own;
	bool may_start;                 /* a start of the own node may be under way, or begin before the next decision is known */
	struct quorum waits_for;        /* what commits on the own node wait for; as a standby: would */
	struct member_view views[MEMBERS_MAX];
};

struct memory {                         /* between two decisions; `frozen` outlives the agent's process */
	uint64_t frozen;                /* a revision */
	uint64_t promised_until;        /* not primary before: vouched */
	uint64_t standing_since;
	uint64_t led_epoch, up_at;      /* the epoch in which it led last; when its node was seen to be primary then, or it began to lead */
	uint64_t marked_epoch, marked_change, mark;    /* since this change commits wait for the last quorum; where the WAL was then */
};

enum wish { WISH_LEAVE, WISH_STOPPED, WISH_SHUT_DOWN, WISH_PRIMARY, WISH_STANDBY, WISH_FROZEN, WISH_REWOUND };

struct decision {
	enum wish node;                 /* what it is to be; WISH_LEAVE: as it is; WISH_SHUT_DOWN: stopped when its standbys have it all */
	int upstream;                   /* of a standby, and whom it is rewound to */
	bool fetch;                     /* frozen, but from there it receives */
	uint64_t authority_until;       /* to be stopped by then whatever happens; 0: there is none */
	struct quorum wait_for;         /* a primary's commits, from now on; a standby's, were it one: .leader is LEADER_NOBODY when that is not known */
	bool swap;                      /* the record is to become this */
	struct leadership record;
	bool ask_vouch, ask_freeze;     /* all members; freeze under the revision seen */
	const char *why;                /* of one who would lead and does not yet; NULL */
};

/* The store, or another member, has shown the record. False: it is older than what was seen, which is kept; a store that shows that has gone back to an
 * old copy, and does not count as reached. */
bool decide_learn(struct situation *situation, const struct leadership *record, uint64_t revision, uint64_t now);
struct decision decide(const struct situation *situation, struct memory *memory, uint64_t now);
/* A member asks this one not to receive any more, under a revision that it has shown (decide_learn()). False: it will not. */
bool decide_freeze(const struct situation *situation, struct memory *memory, uint64_t revision, uint64_t now);
/* The leader of this epoch asks whether its authority goes on. */
bool decide_vouch(const struct situation *situation, struct memory *memory, int leader, uint64_t epoch, uint64_t now);

/* leadership: who leads a shard, as its record in the store says. A value; pure.
 *
 * The record is the one truth about a shard's primary, and changes by compare-and-swap only: whoever swaps it has seen the revision that he replaces.
 * It also says what a commit of this shard is on besides its primary, so that whoever comes next knows whom to hear before he can be sure to have every
 * acknowledged commit: of each quorum so many that every `count` of its members have one of those among them (R + W > N).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LEADER_NOBODY = -1, QUORUMS_MAX = 4, MEMBERS_MAX = 16 };

struct quorum {                         /* a commit waits for `count` of these members; 0: for nobody */
	uint32_t members;               /* a bit each */
	unsigned count;
	int leader;                     /* on whose node, which has all of them */
};

struct leadership {
	uint64_t epoch;                 /* grows with every leader */
	uint64_t change;                /* grows with whatever changes but `beat` and `flushed` */
	uint64_t beat;                  /* grows with every swap: the leader lives */
	int leader;                     /* a member; LEADER_NOBODY: the one before has stopped its node and left */
	int heir;                       /* with nobody: who alone may follow at first; LEADER_NOBODY: any */
	bool writable;                  /* the leader's node is out of recovery, on this epoch's timeline */
	uint32_t electable;             /* who may stand; each of these vouches for the leader while the store is away */
	uint64_t flushed;               /* where the leader was in the WAL at that beat */
	size_t quorum_count;            /* each commit has waited for one of these; the last is what commits wait for from now on */
	struct quorum quorums[QUORUMS_MAX];
};

/* Whether a is a later state than b of one store's record. */
bool leadership_later(const struct leadership *a, const struct leadership *b);
bool quorum_equal(const struct quorum *a, const struct quorum *b);
/* Whether those who were heard, a bit each, have every acknowledged commit among them. */
bool leadership_certain(const struct leadership *record, uint32_t heard);
/* Commits will wait for `next`, too; those that waited for less are remembered. False: there is no room yet. */
bool leadership_add_quorum(struct leadership *record, const struct quorum *next);

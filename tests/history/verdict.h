/* verdict: whether a history is one that its sessions' levels allow.
 *
 *   every level        what is read was being written before the reading ended; no two additions to a counter make the same of it
 *   bounded            nothing older than the newest that was acknowledged max_staleness before the reading began
 *   monotonic          nothing older than this session was told before
 *   read_your_writes   and nothing older than what it wrote, or who has the same nanu.user had acknowledged before the reading began
 *   causal             and nothing older than what those knew who wrote what this session was told, or what they were told, and so on
 *   strong             and nothing older than the newest that anybody had acknowledged, or another strong session been told, before the reading began:
 *                      a linearizable register
 *
 * From monotonic on: nor older than what the token shows that the session was given last; to a causal one also what who took it knew by others.
 *
 * "Before", in one session, is the order in which it asked, also when it did not wait for the answer (a pipeline).
 */
#pragma once

#include "history.h"

enum { SHOWN_MAX = 4, SHOWN_SIZE = 512 };

struct level_verdict {
	uint64_t reads, replica_reads;  /* values that were told; by other nodes than `primaries` */
	uint64_t writes;
	uint64_t statements;            /* all that was one, which may have read several values */
	uint64_t violations;
	char shown[SHOWN_MAX][SHOWN_SIZE];      /* the first ones whole */
};

struct verdict {
	struct level_verdict levels[LEVEL_COUNT];
};

/* `primaries`: their ports. */
void verdict_find(const struct history *history, const uint16_t *primaries, size_t primary_count, struct verdict *ret_verdict);

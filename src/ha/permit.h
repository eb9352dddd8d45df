/* permit: what a router asks an agent, and is answered: who leads the shard, and for how long statements may run on the agent's node as its primary.
 *
 *	POST /router		{ "router": "r1", "lent": 3 }
 *	{ "member": "n1b", "permit_us": 2113000, "hold_us": 400000, "revision": 812, "record": { … } }
 *
 * A permit is a part of the leader's authority (ha/decide.h): it counts from when it was asked for, by the asker's own clock, and has ended when the
 * authority has. Nobody else can lead before; so what a node answers within a permit, it answers as the only primary. 0: the node does not lead, or takes
 * no writes. "record" is absent where the agent has seen none.
 *
 * "hold_us": the node is about to hand over (agent/handover.h). In so long, counted the same way, the router is to begin no more transactions there, until the
 * agent does not say so any more or another node leads; and to tell then how many of its backends are still lent ("lent"). Absent: it is not. A value; pure.
 *
 * Source: C. Gray, D. Cheriton, "Leases" (1989).
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "ha/record.h"

#define PERMIT_PATH "/router"

struct permit_question {
	char router[256];
	int64_t lent;                   /* -1: it does not hold */
};

struct permit_answer {
	char member[NAME_SIZE_MAX];
	uint64_t permit_us;
	uint64_t hold_us;               /* UINT64_MAX: it is not to hold */
	uint64_t revision;              /* 0: no record was seen */
	struct record record;
};

char *permit_question_to_json(const struct permit_question *question);  /* mem_free() it */
char *permit_answer_to_json(const struct permit_answer *answer);        /* the same */
/* ERR_CONFIG: it is no such text, and why. */
must_use int permit_question_from_json(const char *text, size_t size, struct permit_question *ret_question, struct err *err);
must_use int permit_answer_from_json(const char *text, size_t size, struct permit_answer *ret_answer, struct err *err);

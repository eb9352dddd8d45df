/* reads_count: what served the reads of sessions that may read from replicas, and why: a counter of the worker's for each level and choice.
 *
 * A read is a SELECT without INSERT, UPDATE or DELETE in it, a COPY … TO STDOUT, or an EXECUTE of one; one over several shards is one on each. It is counted
 * when its answer is complete, or when nobody may serve it. Who reads from the primary, and has chosen nothing else, is not counted.
 */
#pragma once

#include <stddef.h>

#include "topo/config.h"

struct leg;
struct plan;
struct session;

enum { READ_LEVEL_COUNT = CONSISTENCY_STRONG + 1 };     /* `session` is counted as read_your_writes, which it is */

enum read_choice {
	READ_PIPELINED,                 /* what a leg has that nothing else is known of */
	READ_FIT, READ_WAITED, READ_RETRIED_THERE,
	READ_NEEDS_PRIMARY, READ_SETTING, READ_IN_TRANSACTION, READ_PINNED, READ_NO_REPLICA, READ_NONE_FIT, READ_TURN, READ_RETRIED,
	READ_REFUSED,
	READ_CHOICE_COUNT
};

/* In the order in which they are told. */
extern const struct read_choice_name { enum read_choice choice; const char *role, *reason, *description; } read_choice_names[READ_CHOICE_COUNT];

/* Of a session that has reads: this item of the plan has been answered, by this leg; NULL: by several, or by the router. */
void reads_count(struct session *session, const struct leg *leg, const struct plan *plan, size_t item);
void reads_count_refused(struct session *session);      /* the read that asks for its legs */

/* actor: makes the node what it is to be, a step at a time, on a thread of its own: starting, promoting and rewinding take their time.
 *
 * Stopping a node whose authority has ended is not its work: that waits for nothing.
 */
#pragma once

#include <stdbool.h>

#include "agent/member.h"
#include "agent/probe.h"
#include "ha/record.h"

struct actor;

/* `acted`: the node was just promoted, or set otherwise. */
must_use int actor_start(const struct member_options *options, void (*acted)(void *program), void *program, struct actor **ret_actor, struct err *err);
/* From now on the node is to be so. `all`: the shard's mode is sync. Never waits. */
void actor_want(struct actor *actor, const struct decision *decision, const struct record *record, bool all, const struct probed *probed);
void actor_stop(struct actor *actor);   /* NULL is allowed; the node is left as it is */

/* From which member the node is set to receive; LEADER_NOBODY: from none. */
int actor_follows(const struct actor *actor, const struct probed *probed);
/* A start of it is under way, or may be begun before actor_want() is called again. */
bool actor_may_start(struct actor *actor);
/* A rewind of it was begun and not brought to an end: it must not be started. */
bool actor_unfinished(const struct actor *actor);
/* What commits on the node wait for, as the record's members. */
struct quorum actor_waits_for(const struct actor *actor, const struct record *record, const struct probed *probed);

/* primaries: what a worker does when a shard has got another primary (app/follow_roles.h).
 *
 * Nothing goes to the old one under the new topology: it may still take writes, which are no part of the shard's history any more, and whose
 * acknowledgement would be a lie. So its backends are closed, also those in the middle of something: whoever waits for them hears an error that
 * tells him to try again, or, after a COMMIT, that the outcome is not known. Backends of the new one were opened to a replica, and go when they are
 * given back.
 *
 * Where the nodes have agents (app/leaders.h), statements run on a primary only within a permit of its agent. When that ends, its backends are closed the
 * same way; who needs a primary then waits for one, up to failover_wait, unless he has begun something on the one before.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct backend;
struct leg;
struct services;
struct session;
struct snapshot;
struct worker;

/* From any thread: a permit has begun, or ended; or a node does not hand over after all. */
void primaries_permitted(struct services *services);
/* How many of this node's backends are lent as those of a primary, which none is any more from `hold_us` on. Asks all workers, for `wait_ms` at most: -1: not
 * all have answered, or for some that was not yet. Not from a worker's thread. */
int64_t primaries_count_lent(struct services *services, const char *node, uint64_t hold_us, unsigned wait_ms);
/* Who waits for a primary looks again. */
void primaries_wake(struct worker *worker);

/* This leg to its primary could not be had, or was lost (`why`; NULL: its node has no permit): it waits for another try. 0; or, after failover_wait, why
 * that is in vain, and the leg is forgotten. ERR_NOT_NOW, ERR_CONNECT. */
must_use int primaries_await(struct leg *leg, const struct err *why, struct err *err);
/* Whether a leg that is LOST may be had again, with nothing missed: its shard has agents, who see to that. */
bool primaries_may_return(const struct leg *leg);
/* The same of one whose transaction block has just begun, and has looked at nothing: it begins again with its next statement. */
bool primaries_may_begin_again(const struct leg *leg);
void primaries_forget(struct leg *leg);         /* it waits no more; harmless otherwise */
/* A statement or transaction that was under way on this leg is lost with it, and nothing of it was done: what the client is told. `why` where the shard has no agents. */
void primaries_explain(const struct leg *leg, const struct err *why, struct err *ret);

/* The worker has its newest snapshot, and had `before`. */
void primaries_follow(struct worker *worker, const struct snapshot *before);

/* A transaction keeps the topology that it began under. ERR_CONFLICT: the shard (an index in the session's database) has got another primary since. */
must_use int primaries_check(const struct session *session, int shard, struct err *err);
/* A backend that was opened to a primary. ERR_NOT_NOW: its node is in recovery, and shows what was, not what is; unless follow_roles is off. */
must_use int primaries_check_backend(const struct session *session, const struct backend *backend, int shard, struct err *err);

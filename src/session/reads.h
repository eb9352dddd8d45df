/* reads: which node serves a statement that only reads, as the session's consistency level allows.
 *
 * The levels are ordered; each promises what those before it do, `bounded` apart:
 *   eventual          any replica that max_lag does not exclude
 *   bounded           one that shows nothing older than nanu.max_staleness
 *   monotonic         one that shows at least what this session has been shown
 *   read_your_writes  and all that this session wrote
 *   strong            the primary
 * A replica is as of a time (route/node_status.h); so what a session was shown or wrote is remembered as the time at which it heard of it. Where no replica
 * will do, the primary serves. What a replica refuses, or fails to answer, is run again on the primary as long as the client has heard nothing of it:
 * what comes from a replica before the first row is held back for that.
 *
 * Only outside of transaction blocks, or in those that begin with BEGIN READ ONLY; and of sessions that nothing pins.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "session/session.h"

struct reads {                          /* of a session whose reads are not all the primary's, or were not once */
	struct settings *settings, *local;      /* of which the level was read; references */
	const struct policy *policy;
	enum consistency level;
	uint64_t max_staleness_us;
	bool may;                       /* the statement that asks for its leg may be served by a replica */
	bool in_tx;                     /* the transaction block under way is a replica's */
	bool wrote;                     /* since the session was ready last */
	uint64_t wrote_us, read_us;     /* when it was ready last, after it wrote, and after it read */
	uint64_t *read_from;            /* for each shard, the incarnation of the replica that showed it last what it has; 0: the primary, or several did */
	size_t shard_count;             /* that read_from has room for */
	uint64_t failed_in;             /* the segment in which a replica has failed */
	uint32_t unit;                  /* from which that is run again */
	bool holding;                   /* what the client is to hear stays in `held` */
	struct buf held;
};

/* Whether this setting is the router's own: its name begins with "nanu.". */
bool reads_is_setting(const struct shape *shape);
/* The effects of SET and RESET of such a one, without any server. ERR_INVALID_VALUE, ERR_UNDEFINED_OBJECT. */
must_use int reads_set(struct session *session, const struct shape *shape, struct err *err);
/* SHOW of such a one: true, and the answer is in `job`. */
bool reads_show(struct session *session, struct slice sql, struct job *job);
/* Of `settings`, those of the router are as they must be: of a start-up packet. ERR_INVALID_VALUE, ERR_UNDEFINED_OBJECT. */
must_use int reads_check(const struct settings *settings, struct err *err);
void reads_begin(struct session *session);      /* the session's settings or policy may let it read from replicas now */
void reads_free(struct reads *reads);

/* Before a statement asks for its leg on `shard`. False: not yet, units_go() will be called again. */
must_use bool reads_choose(struct session *session, const struct plan *plan, int shard);
static inline bool reads_step(struct session *session, const struct plan *plan, int shard)
{
	return !session->reads || reads_choose(session, plan, shard);
}
/* The node (an index in the topology) for the leg that this statement asked for: a replica, or `primary`. */
int reads_node(struct session *session, int shard, int primary);
/* The leg's replica could not be had, or went away: nobody reads from it for a moment, and this segment from none. */
void reads_give_up(struct session *session, const struct leg *leg);
void reads_begin_tx(struct session *session, const struct shape *shape);        /* a transaction block; `shape`: BEGIN, or NULL */
void reads_wrote(struct session *session, const struct plan *plan);     /* what reads_step() is not asked of runs now; NULL: nobody knows what */
void reads_ready(struct session *session);      /* the session is ready for the next query, outside of a transaction */

/* What is said to the client from now on is held back until it is released, if it comes from a replica that has said nothing yet. */
void reads_hold(struct session *session, const struct leg *leg);
__attribute__((noinline)) void reads_keep(struct session *session, struct slice bytes);         /* out of the way of what is not held; at most so much */
void reads_say_held(struct session *session);
static inline void reads_release(struct session *session)
{
	if (session->reads && session->reads->holding)
		reads_say_held(session);
}
/* The leg's node refused, or is lost (`error` empty). True: the client has heard nothing, and the segment runs again from session->reads->unit. */
bool reads_again(struct session *session, struct leg *leg, struct slice error);

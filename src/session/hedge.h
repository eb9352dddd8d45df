/* hedge: a read that its replica has not begun to answer when most would have ended is asked of a second one too.
 *
 * Under read_from hedged, for reads outside of transaction blocks that one replica serves. When the time has passed within which 95 of 100 reads end on
 * the fastest replica of the shard (node_load.h), the same bytes go to another that will do. Who says the first word of an answer serves the read; the
 * other is cancelled, unless it ends in as much time again, and comes back to its pool when it has told that it ended. At most HEDGE_PERCENT of the reads
 * are asked twice, but for HEDGE_BURST at once.
 *
 *             time passed                     the second is lent
 *  (armed) ────────────────▶ second: WAITING ────────────────────▶ both run ──▶ one is the session's leg, the other a loser
 *
 * Source: Dean and Barroso, "The Tail at Scale", Communications of the ACM 56 (2013).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/timer.h"

struct backend;
struct leg;
struct session;
struct worker;

enum { HEDGE_PERCENT = 6, HEDGE_BURST = 20 };

struct hedge {                          /* of a session that reads so; a part of struct reads */
	struct session *session;
	struct leg *first, *second;     /* NULL: none is under way; the second is in no list of the session's */
	uint64_t delay_us;              /* from when it was sent something */
	uint64_t incarnation;           /* of the second's replica */
	struct buf sent;                /* what the first was sent, but for its set-up */
	struct timer timer;
};

/* `cold`: out of the way of what is not hedged. */
#define HEDGE_COLD __attribute__((noinline, cold))

HEDGE_COLD void hedge_begin(struct session *session, struct leg *leg);  /* the leg is about to be borrowed from a replica */
HEDGE_COLD void hedge_sent(struct leg *leg, struct slice bytes);        /* leg->hedged, and it was sent this */
HEDGE_COLD void hedge_disturbed(struct leg *leg);       /* leg->hedged, and it is told what another need not be told: it runs alone */
/* leg->hedged, and its server begins a message of this type that is not of its set-up. */
HEDGE_COLD void hedge_heard(struct leg *leg, char type);
/* leg->hedged, and its backend is lost. True: the read is served by the other, or goes on with it. */
HEDGE_COLD bool hedge_lost(struct leg *leg);
bool hedge_is_second(const struct leg *leg);
HEDGE_COLD void hedge_end(struct leg *leg);     /* leg->hedged, and it is given back */
void hedge_stop(struct session *session);                       /* only the first runs on */
void hedge_forget_losers(struct worker *worker);                /* right before all backends are closed */

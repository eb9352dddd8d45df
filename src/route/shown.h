/* shown: as of when a primary shows what its replicas may have shown.
 *
 * A commit is in the WAL, and replicas may show it, before the primary does: while it waits for synchronous standbys, and for as long as its process
 * does not get on. A primary is as of T when it shows every commit that was in its WAL before T. Its samples tell which transactions run, and which
 * number the next one gets; T of a sample is reached when none runs any more that had a number by then. One that runs on may be committing, or just
 * be long: a replica that has replayed what was in the WAL at T knows which; and where the primary says later what its process does, and that is nothing
 * that a commit does, it was not committing at T. Source: the order of RecordTransactionCommit(), SyncRepWaitForLSN() and ProcArrayEndTransaction() in
 * PostgreSQL's xact.c.
 *
 * Pure. Transaction numbers are those of PostgreSQL's xid8, which do not wrap around.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DOUBTS_MAX = 2048 };

struct running {                        /* the transactions of a primary that have a number: pg_current_snapshot() */
	uint64_t xmin, xmax;            /* all before xmin have ended, and none from xmax on */
	uint64_t next;                  /* which nobody has got yet, as was found out later */
	const uint64_t *xids;           /* between xmin and xmax, those that run; ascending */
	size_t count;
};

struct doubts {                         /* transactions that are committing, or long */
	uint64_t number;                /* of the question */
	uint64_t lsn;                   /* who has replayed this can tell */
	size_t count;
	uint64_t xids[DOUBTS_MAX];
};

struct shown {
	uint64_t as_of_us;              /* 0: not known */
	uint64_t sought_us, next;       /* it is this when none of .doubts runs, all of which are below `next`; 0: nothing is sought */
	unsigned samples;               /* in which it was not so yet */
	bool told;                      /* .doubts are those that are committed */
	struct doubts doubts;           /* DOUBTS_MAX: there may be more */
};

/* A sample that began at `begun_us`, and what WAL was flushed: replicas get no more. */
void shown_sampled(struct shown *shown, uint64_t begun_us, uint64_t flushed, const struct running *running);
void shown_forget(struct shown *shown);         /* what is sought: the history is another */
/* Whether somebody could tell more of them, and they do not end by themselves. */
bool shown_in_doubt(const struct shown *shown);
/* What to ask about then; NULL: nothing, or there are too many. */
const struct doubts *shown_doubts(const struct shown *shown);
/* Of these doubts, what is committed on a replica that has replayed their .lsn. */
void shown_told(struct shown *shown, const struct doubts *committed);
/* Of these doubts, what was found open on the primary, and not committing, after they were listed. */
void shown_cleared(struct shown *shown, const struct doubts *open);

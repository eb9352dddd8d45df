/* node_status: what is known of a node from asking it again and again: its role, its positions in the WAL, its lag.
 *
 * One for each node of the topology, shared by all snapshots in which the node stands under the same name and address. One thread writes it (that
 * of ha/ which asks the node); anybody reads it without waiting. Times are of env_system()'s clock.
 *
 * A replica is up to date as of T when it has replayed all that the primary had inserted into its WAL at some moment after T. So a primary remembers
 * its samples, (T, position) each, T being when it was asked; and the newest of them that a replica has replayed is as of when that one is. Nobody's
 * clocks are compared, and nothing is written to the database. What was acknowledged, or seen on the primary, before T is in the WAL by T: the
 * insert position, and not the flush position, bounds also what asynchronous commits have shown.
 *
 * That is the safe bound, which levels of consistency ask for: never too late, and up to two samples too early. For how long a replica has been behind
 * is estimated closer: what it lacks was written between two samples of the primary, the more of which it has, the later; and not while the server was
 * down. It counts from there until it was asked, or until now where it stands still; what lacks nothing that the primary had is not behind.
 *
 * That is so of a replica that has seen the commits come. One that starts counts a transaction as running that its primary does, though it may have the
 * commit replayed, and shows it only when a later transaction has ended, or another list of those that run has come: until it has met one as late as any it
 * knew of, it is as of no time. (A commit that waits for synchronous standbys may last. Source: ProcArrayApplyRecoveryInfo() and GetSnapshotData(), which
 * takes what is behind the latest that has ended for running, in PostgreSQL's procarray.c.)
 *
 * A primary has such a time too, as its replicas may show a commit before it does (route/shown.h): what anybody was shown before, it shows.
 *
 * Who cannot wait for the next sample demands one: of the primary, and then of the replicas until they have replayed it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "route/shown.h"

struct feeds;
struct history;
struct node_load;
struct node_status;

enum seen_role { SEEN_UNKNOWN, SEEN_PRIMARY, SEEN_REPLICA };

struct node_seen {
	bool reachable;                 /* it answered when it was asked last */
	enum seen_role role;            /* as it says itself; SEEN_UNKNOWN: it has never answered */
	uint32_t timeline;
	uint64_t system;                /* the system identifier, which a primary and its replicas have in common */
	uint64_t flushed, replayed;     /* LSNs; of a primary both are what it has flushed, of a replica `flushed` is what it has received */
	uint64_t sampled_us;            /* when the newest answer was asked for; 0: never */
	uint64_t as_of_us;              /* what the primary had shown before this, and any of its replicas, it shows too; 0: not known */
	uint64_t hides;                 /* 1: node_sample's */
	uint64_t compared;              /* 1: a replica: how far it is behind is known */
	uint64_t lacks_us;              /* a replica: when about what it lacked at sampled_us was written first; 0: nothing that was known of then */
	uint64_t stands;                /* 1: it lacks something, and has replayed nothing since it was asked before */
	uint64_t lag_bytes;             /* behind the newest sample of the primary */
	uint64_t incarnation;           /* another one after each silence, and 0 before it was asked: a server that was restarted may show less than before */
	uint64_t excluded;              /* 1: it was further behind than max_lag, and is not half as near yet */
	uint64_t served;                /* 1: it was not excluded once */
	uint64_t returned_us;           /* when it was no longer excluded, and is given more and more to do since; 0: it has its whole share */
	uint64_t delay_us;              /* a replica: so long it waits on purpose before it replays a commit */
	uint64_t follows;               /* a replica: the primary (node_status_id) of which as_of_us tells; 0: it is none of that one's history */
	uint64_t failed_us;             /* when a session last found it broken; 0: never */
	uint64_t aside_us;              /* until when nobody reads from it for that; 0: it has worked since */
	uint64_t trial_us, failures;    /* aside.h */
};

struct node_status *node_status_new(void);
struct node_status *node_status_ref(struct node_status *status);
void node_status_unref(struct node_status *status);     /* NULL is allowed */

/* What is looked at before each read: part of the above. */
struct node_serving {
	uint64_t until_us;              /* reads may go to it, as far as its samples tell, before this; 0: they may not */
	uint64_t as_of_us, incarnation, follows, delay_us, returned_us; /* as above; a primary follows nobody: 0 */
};

enum { NODE_RETURN_US = 10000000 };     /* until who was excluded has its whole share again */

struct node_load *node_status_load(struct node_status *status);      /* a part of it */
struct node_seen node_status_read(const struct node_status *status);
/* Who streams from whom, as it said when it was asked for that last, or NULL; a reference. */
struct feeds *node_status_feeds(struct node_status *status);
/* False: nobody knows where its timeline came from. */
bool node_status_ancestors(struct node_status *status, struct history *ret_history);
/* False: no reads may go to it now. A primary's may. */
bool node_status_serves(const struct node_status *status, uint64_t now_us, struct node_serving *ret);
/* A number that no other status has, and never 0. */
uint64_t node_status_id(const struct node_status *status);
/* From any thread: aside.h. A session could not use it, having asked for it at `asked_us`: nobody does for a while, nor until it was sampled anew. */
bool node_status_failed(struct node_status *status, uint64_t asked_us, uint64_t now_us);
bool node_status_has_failed(const struct node_status *status);  /* and has not worked since: it is to be asked with care */
must_use bool node_status_ask(struct node_status *status, uint64_t now_us, bool *ret_trial);
void node_status_worked(struct node_status *status);
/* Of a primary: a sample that begins at `as_of_us` or later is wanted, by `due_us`. Of a replica: to know soon that it is as of then. From any thread. */
void node_status_demand(struct node_status *status, uint64_t as_of_us, uint64_t due_us);
/* Of a primary: to know soon that it is as of then. */
void node_status_demand_shown(struct node_status *primary, uint64_t as_of_us, uint64_t now_us);
/* Of a primary: who is as of *ret_us shows all that was before this position. AHEAD: its samples have not come so far; LOST: its history left that
 * timeline earlier, or nobody knows. */
enum position_state { POSITION_KNOWN, POSITION_AHEAD, POSITION_LOST };
enum position_state node_status_position(struct node_status *primary, uint32_t timeline, uint64_t lsn, uint64_t *ret_us);
/* A primary's newest sample; false: there is none. */
bool node_status_newest(struct node_status *primary, uint32_t *ret_timeline, uint64_t *ret_lsn, uint64_t *ret_us);
/* For how long, about, it has been out of date at `now_us`; UINT64_MAX: nobody knows, nor while it does not answer. No bound to rely on: that is as_of_us. */
uint64_t node_seen_lag_us(const struct node_seen *seen, uint64_t now_us);
/* Whether reads may go to this replica at all: it answers, was asked not long ago, follows its primary, and nobody has found it broken since, nor tries
 * whether it is. Who was the primary until a moment ago may still be the one that it follows: .follows tells. */
bool node_seen_fit(const struct node_seen *seen, uint64_t now_us);

/* Until when statements may run on it as its shard's primary, by env_system()'s clock: UINT64_MAX for a node without an agent (app/leaders.h). From any thread. */
uint64_t node_status_permit(const struct node_status *status);
void node_status_permit_until(struct node_status *status, uint64_t until_us);
/* From when on nothing may begin on it, as it is about to hand over, by the same clock; UINT64_MAX: it is not. From any thread. */
uint64_t node_status_hold(const struct node_status *status);
void node_status_hold_from(struct node_status *status, uint64_t from_us);
/* It has an agent: nothing may run on it before that gives a permit. Or it has none any more. */
void node_status_guard(struct node_status *status, bool has_agent);

/* ---- for who asks it ---- */

struct node_sample {
	enum seen_role role;
	uint32_t timeline;
	uint64_t system;
	uint64_t flushed;               /* a replica: received */
	uint64_t inserted;              /* a primary's: the end of the last record in its WAL; a replica's: what it has replayed */
	uint64_t begun_us;              /* before it was asked */
	uint64_t max_lag_us;            /* 0: none */
	uint64_t delay_us;              /* a replica's recovery_min_apply_delay */
	uint64_t started_us;            /* a primary: when about the server was started; 0: not known */
	uint64_t started_lsn;           /* all that it had written before then ends there */
	bool hides;                     /* a replica: it has started, and may not show yet all that it has replayed */
	struct running running;         /* a primary's */
};

/* `primary`: of its shard; the node itself, when it is that. True: its replicas are to be looked at now. */
bool node_status_sampled(struct node_status *status, struct node_status *primary, const struct node_sample *sample);
/* The primary was sampled: whether that tells more of a replica that was sampled a moment before. */
void node_status_compare(struct node_status *replica, struct node_status *primary, uint64_t now_us);
void node_status_silent(struct node_status *status);
/* Of a primary: whether replicas could tell more; what one on this timeline is asked about that has replayed so much, or false; and what it said. */
bool node_status_in_doubt(struct node_status *primary);
bool node_status_doubts(struct node_status *primary, uint32_t timeline, uint64_t replayed, struct doubts *ret_doubts);
void node_status_told(struct node_status *primary, const struct doubts *committed, uint64_t now_us);
/* Of a primary: what it is asked about itself that has been in doubt since `before_us` or earlier, or false; and what it said (shown_cleared()). */
bool node_status_old_doubts(struct node_status *primary, uint64_t before_us, struct doubts *ret_doubts);
void node_status_cleared(struct node_status *primary, const struct doubts *open, uint64_t now_us);
/* Takes the reference. */
void node_status_take_feeds(struct node_status *status, struct feeds *feeds);
/* Of the timeline that it is on; it is copied. Without ancestors where they are not known. */
void node_status_history(struct node_status *status, const struct history *history);
/* Waits until `due_us`, or, if `demands`, until one of them is due, or until somebody calls node_status_rouse(). */
void node_status_await(struct node_status *status, uint64_t due_us, bool demands);
void node_status_rouse(struct node_status *status);

/* The insert position stands behind the header of the next page where the last record has filled one, and no replica gets there before there is
 * another record. The end of the last record; sizes as wal_block_size and wal_segment_size say. Source: XLogBytePosToRecPtr() and
 * XLogBytePosToEndRecPtr() of PostgreSQL's xlog.c. */
uint64_t wal_end_of_record(uint64_t inserted, uint64_t block_size, uint64_t segment_size);

/* reads: which node serves a statement that only reads, as the session's consistency level allows.
 *
 * The levels are ordered; each promises what those before it do, `bounded` apart:
 *   eventual          any replica that max_lag does not exclude, and that is not delayed on purpose
 *   bounded           one that shows nothing older than nanu.max_staleness
 *   monotonic         one that shows at least what this session has been shown
 *   read_your_writes  and all that this session, or who is the same nanu.user, wrote
 *   causal            and all that those could know who wrote what it was shown, on every shard
 *   strong            the primary; or, where strong_reads says so, one that shows all that was acknowledged, or shown to anybody, before it was asked
 * A replica is as of a time (route/node_status.h); so what a session was shown or wrote is remembered as the time at which it heard of it. A token
 * (token.h) tells another session: of its positions this one learns the time. Where no replica will do, nanu.read_wait is waited for one, and
 * then the primary serves; whatever that is asked, it is waited for to show what replicas, which may show a commit first, have shown to the session. What a
 * replica refuses, or fails to answer, is run again on the primary, or on another replica where the primary is not to serve, as long as the client has heard
 * nothing of it: what comes from a replica before the first row is held back for that.
 *
 * Only outside of transaction blocks, or in those that are READ ONLY before their first statement, which has to be one that a replica can serve; and of
 * sessions that nothing pins.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "route/node_status.h"
#include "route/plan.h"
#include "route/snapshot.h"
#include "session/hedge.h"
#include "session/reads_count.h"
#include "session/session.h"
#include "session/token.h"

/* What may serve a segment's reads. */
enum reads_left {
	LEFT_ANY,                       /* no replica has failed */
	LEFT_PRIMARY,
	LEFT_ANOTHER,                   /* another replica, once: the primary is not to serve them */
	LEFT_NONE,
};

struct reads {                          /* of a session whose reads are not all the primary's, or were not once */
	struct session *session;
	struct settings *settings, *local;      /* of which what follows was read; references */
	const struct policy *policy;
	enum consistency level;
	uint64_t max_staleness_us, wait_us, timeout_us;         /* the last: statement_timeout; 0: none */
	enum read_from by;              /* which of those that will do is taken */
	bool shares;                    /* the primary is one of them */
	bool primary;                   /* it serves, whatever the level */
	bool chose_primary;             /* as the session has chosen so */
	bool hinted;                    /* these are as a hint of the last statement has them */
	bool easy;                      /* any replica that is not excluded serves, and nobody waits for one */
	bool or_fails;                  /* when no replica can serve, the primary does not either */
	uint64_t *user_wrote_us;        /* of who is the same nanu.user; or NULL */
	struct token *token;            /* or NULL */
	uint64_t token_open;            /* for each shard, whether it is still to be learned as of when it holds */

	bool trial;                     /* the replica that was chosen last has failed before: who asks it is the first */
	bool may;                       /* the statement that asks for its legs may be served by replicas */
	bool looks;                     /* and depends on what is there */
	uint64_t looked_on;             /* a bit for each shard whose primary the transaction block under way has looked at */
	bool pinned;                    /* it came to a backend that the session keeps */
	bool in_tx;                     /* the transaction block under way is a replica's */
	bool wrote;                     /* since the session was ready last */
	uint64_t asked_in, asked_us;    /* the segment under way, and when it asked first, or 0: reads_asked() */
	uint64_t wrote_us, read_us;     /* when it was ready last, after it wrote, and, where the level minds, after it read */
	uint64_t others_us;             /* the same, after it read anywhere but on the shard that it read last on */
	uint64_t read_on, reads_on;     /* a bit for each shard that it read last on, and since it was ready last */
	uint64_t *read_from;            /* for each shard, the incarnation of the replica that showed it last what it has, or one of these: */
#define READ_FROM_THE_PRIMARY UINT64_C(0)
#define READ_FROM_NOBODY UINT64_MAX     /* or several did */
	uint64_t *token_us;             /* for each shard, as of when replicas show what the token saw */
	size_t shard_count;             /* that there is room for in these */
	uint64_t room_for;              /* the version of the snapshot that has no more */
	struct hedge hedge;
	struct list_node wait_place;    /* samples.h */
	struct timer wait_timer;
	bool waits;
	uint64_t canceled_in;           /* the segment that a cancel request came for */
	uint64_t waited_in;             /* the segment that waited last */
	struct { uint64_t in, incarnation; int shard, node; } picked;   /* in a segment, before the leg is borrowed */
	enum read_choice choice;        /* why the leg that is being borrowed is the primary's, if it is */

	uint64_t failed_in;             /* the segment in which a replica has failed */
	enum reads_left left;           /* and what serves the rest of it */
	uint32_t unit;                  /* from which that is run again */
	bool copying;                   /* the replica is asked for no more yet than a copy of what SQL PREPARE made */
	bool holding;                   /* what the client is to hear stays in `held` */
	struct buf held;
};

bool reads_outdated(const struct session *session);     /* the settings are others than those that were read */
void reads_begin(struct session *session);      /* the session's settings or policy may let it read from replicas now */
void reads_free(struct session *session);

/* Before a statement asks for its legs on these shards: 1; 0: not yet, units_go() will be called again; or an error: nobody may serve it. */
must_use int reads_choose(struct session *session, const struct plan *plan, uint64_t shards, struct err *err);
static inline int reads_step(struct session *session, const struct plan *plan, uint64_t shards, struct err *err)
{
	return session->reads || plan->hint ? reads_choose(session, plan, shards, err) : 1;
}
/* Whether the settings in its hint are what they must be. ERR_INVALID_VALUE. */
must_use int reads_hint_check(struct session *session, const struct plan *plan, struct err *err);
/* The node (an index in the topology) for the leg that this statement asked for: a replica, or `primary`. 1: reads_choose() is to be asked anew; or
 * ERR_NOT_NOW: neither. */
must_use int reads_choose_node(struct session *session, int shard, int primary, int *ret_node, struct err *err);
must_use static inline int reads_node(struct session *session, int shard, int primary, int *ret_node, struct err *err)
{
	struct reads *reads = session->reads;

	*ret_node = primary;
	if (!reads)
		return 0;
	if (reads->may && reads->asked_in == session->segment)
		return reads_choose_node(session, shard, primary, ret_node, err);
	reads->choice = reads->primary ? READ_SETTING : reads->failed_in == session->segment ? READ_RETRIED : READ_PIPELINED;
	return 0;
}
/* A replica has failed this segment; `writes`: as only the primary can do what it was asked for. */
void reads_failed(struct session *session, bool writes);
/* The leg's replica could not be had, or went away: the same, and nobody reads from it for a while (route/aside.h). */
void reads_give_up(struct session *session, const struct leg *leg);
void reads_begin_tx(struct session *session);   /* a transaction block, with session->tx_modes */
void reads_end_tx(struct session *session);     /* the same has ended, and what follows in its pipeline is chosen for anew */
bool reads_leave(struct session *session);      /* no leg is a replica's any more; false: not yet, units_go() will be called again */
/* Who may serve a transaction block its first statement tells: it is begun where that goes. Where a pipeline has had another statement before, it is begun
 * there, unless that must not be the primary. */
static inline bool reads_begins_later(const struct session *session, const struct plan *begin)
{
	return session->reads && session->tx_status == 'I' && !session->pins && (list_empty(&session->legs) || begin->reads) &&
	       (!session->reads->primary || reads_outdated(session));
}
void reads_wrote(struct session *session, const struct plan *plan);     /* what reads_step() is not asked of runs now; NULL: nobody knows what */
/* As reads_step(), of such that may read what is there on these shards. */
must_use int reads_primaries(struct session *session, uint64_t shards, struct err *err);
/* The session is ready for the next query; `in_tx`: in a transaction block, which goes on. */
void reads_ready(struct session *session, bool in_tx);
void reads_forget_shown(struct reads *reads);   /* nobody knows what the session was shown until now, nor by whom */

void reads_cancel(struct session *session);             /* the segment waits no longer for a replica, now or later */

/* Shared by the files of reads. */
enum { READS_SURE_US_MAX = 1000000 };   /* what only the newest sample of a primary can tell is waited for so long, however short read_wait is */
uint64_t reads_now_us(void);
static inline uint64_t reads_asked(struct reads *reads)         /* later than when the segment came, if nobody had to know: that asks for more */
{
	if (!reads->asked_us)
		reads->asked_us = reads_now_us();
	return reads->asked_us;
}
static inline bool reads_minds(const struct reads *reads)       /* what the session was shown before */
{
	return reads->level >= CONSISTENCY_MONOTONIC && reads->level <= CONSISTENCY_CAUSAL;
}
void reads_make(struct session *session);
static inline enum reads_left reads_left(const struct session *session)
{
	return session->reads && session->reads->failed_in == session->segment ? session->reads->left : LEFT_ANY;
}
void reads_ask_now(struct session *session);    /* the segment's question is of now, or of when it was asked first; settings and room are as they must be */

/* reads_settings.c */
void reads_read_settings(struct session *session, const struct hint *hint);     /* hint: of the statement that asks; or NULL */
enum consistency reads_level(const struct session *session, const struct hint *hint);   /* as they are now */
void reads_user_wrote(uint64_t *place, uint64_t at_us); /* who is at session->reads->user_wrote_us */

/* reads_serve.c */
const struct shard_replicas *reads_replicas(const struct session *session, int shard);
struct node_status *reads_primary(const struct session *session, int shard);
void reads_make_more_room(struct session *session);     /* for what is known of each shard */
static inline void reads_make_room(struct session *session)
{
	if (session->reads->room_for != session->snapshot->version)
		reads_make_more_room(session);
}
/* A replica can serve, or the primary, as enough was waited for one: 1. 0: they will be looked at anew. Or an error: neither. */
must_use int reads_wait_long(struct session *session, int shard, struct err *err);
static inline bool reads_waits(const struct reads *reads)
{
	return reads->wait_us || reads->or_fails || reads->level >= CONSISTENCY_MONOTONIC;
}
static inline int reads_wait(struct session *session, int shard, struct err *err)
{
	return reads_waits(session->reads) ? reads_wait_long(session, shard, err) : 1;
}
/* The same where the primary is to serve, if the statement looks at what is there: until it shows what replicas have shown to the session. ERR_NOT_NOW: it
 * does not. */
must_use int reads_wait_shown(struct session *session, int shard, struct err *err);
/* The same within a transaction block; `leg`: of the shard, or NULL; `only`: the statement only reads. */
must_use int reads_wait_in_tx(struct session *session, const struct leg *leg, int shard, bool only, struct err *err);
/* Another replica than this leg's that will do, as its read takes long, and its incarnation; -1: none will. It is about to be borrowed from. */
int reads_other(struct session *session, const struct leg *leg, uint64_t *ret_incarnation);
/* Until a replica of the shard, or its primary, may be known to be as of then: 0; or why there is no waiting. */
must_use int reads_await(struct session *session, int shard, uint64_t as_of_us, uint64_t until_us, struct err *err);

/* reads_aside.c */
/* Whether this replica has let this user into this database, or may be asked again. */
bool reads_pool_open(struct session *session, int node, uint64_t at_us);
/* As it is about to be borrowed from, at the time that leg->since_us will be; false: somebody else tries meanwhile. */
must_use bool reads_ask_one_that_failed(struct session *session, int node, uint64_t at_us);
must_use static inline bool reads_ask(struct session *session, int node, uint64_t at_us)
{
	session->reads->trial = false;
	return (!session->worker->pools.aside_count && !node_status_has_failed(session->snapshot->statuses[node])) || reads_ask_one_that_failed(session, node, at_us);
}
void reads_put_aside(struct session *session, const struct leg *leg);   /* its replica has failed */
void reads_worked(struct leg *leg);                     /* its replica answers, which failed before */

/* reads_token.c */
void reads_token_key(const struct session *session, uint8_t ret_key[TOKEN_KEY_SIZE]);
/* The token for all that the session has been shown and wrote so far: 1; OWN_WAITS: it is resumed; or an error. */
must_use int reads_token(struct session *session, struct arena *arena, const char **ret_token, struct err *err);
void reads_token_read(struct session *session);         /* the setting is another */
/* As of when replicas of this shard show all that the token saw is known: 1; 0: not yet, the session is resumed; or an error: the shard has it not. */
must_use int reads_token_resolve(struct session *session, int shard, struct err *err);

/* reads_again.c */
void reads_again_init(struct reads *reads);
/* What is said to the client from now on is held back until it is released, if it comes from a replica that has said nothing yet, and may still fail. */
void reads_hold_now(struct session *session, struct leg *leg);
static inline void reads_hold(struct session *session, struct leg *leg)
{
	if (leg->replica && (!leg->told || leg->trial || session->reads->copying))
		reads_hold_now(session, leg);
}
__attribute__((noinline)) void reads_keep(struct session *session, struct slice bytes);         /* out of the way of what is not held; at most so much */
void reads_say_held(struct session *session);
static inline void reads_release(struct session *session)
{
	if (session->reads && session->reads->holding)
		reads_say_held(session);
}
/* Nothing of what this leg, a replica's, is asked for has been heard: were it lost, the client would not know. */
bool reads_are_unheard(const struct session *session, const struct leg *leg);
/* Whether the primary, or the same statement a little later, need not say this too. */
bool reads_is_of_replica(struct slice error);
/* The leg's replica refused, or is lost (`error` empty), and the client has heard nothing: the statement will run again. */
void reads_retry(struct session *session, struct leg *leg, struct slice error);
/* The leg's node refused, or is lost (`error` empty). True: the client has heard nothing, and the segment runs again from session->reads->unit. */
bool reads_again(struct session *session, struct leg *leg, struct slice error);

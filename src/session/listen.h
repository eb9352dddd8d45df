/* listen: LISTEN without a backend of one's own.
 *
 * For each pool of a home shard whose sessions LISTEN, a worker has one backend that listens to all their channels (`struct listening`). It hands
 * a notification to every session of the channel: at once when that is idle, else before its next ReadyForQuery outside of a transaction
 * block, as PostgreSQL does. Before that ReadyForQuery the backend is asked once more, so that what was notified before a session's statement is
 * heard with its answer. LISTEN and UNLISTEN take effect when their transaction commits; the backend listens from the statement on, and the
 * statement is answered when it does. When the backend is lost, so may be notifications: sessions that listen are ended. One worker's; what is of
 * a session (`struct hearing`) lives from its first LISTEN to its end.
 *
 * In pool_mode session, and when a function of the session's made its own backend listen (PIN_LISTEN), all this is left to that backend.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

struct channels;
struct err;
struct leg;
struct plan;
struct session;
struct shape;

bool listen_follows(const struct session *session);             /* it is for this file to do */

/* Makes the channels that the statements LISTEN to be listened to: 1; 0: not yet, units_go() will be called again; negative: cannot be had. */
must_use int listen_want(struct session *session, const struct plan *plan, struct err *err);
/* Runs a LISTEN or UNLISTEN here. As listen_want(). */
must_use int listen_run(struct session *session, struct plan *plan, bool extended, struct err *err);
/* Before a statement that may call pg_listening_channels() goes to the leg: it is to see the session's. As listen_want(). */
must_use int listen_show(struct session *session, const struct plan *plan, struct leg *leg, struct err *err);

void listen_effect(struct session *session, const struct shape *shape);         /* a LISTEN, UNLISTEN or DISCARD ALL was done */
void listen_end_tx(struct session *session, bool committed);
bool listen_changed(const struct session *session);             /* and the transaction is still to end */

/* As it is now, for a savepoint: a new reference, or NULL. */
struct channels *listen_mark(const struct session *session);
void listen_back(struct session *session, struct channels *mark);
void listen_unmark(struct channels *mark);

bool listen_settle(struct session *session);                    /* true: ReadyForQuery waits, and legs_mended() will be called */
void listen_tell(struct session *session);                      /* what has come, right before ReadyForQuery outside of a transaction block */
bool listen_passes(const struct session *session, struct slice body);   /* a NotificationResponse of a leg's own is for the client */
void listen_release(struct session *session);
unsigned listen_count(const struct session *session);           /* channels, as they are committed */

/* commit_wait: whether commits on a primary wait for its synchronous standbys.
 *
 * That they are named in the configuration is not yet that: backends go by a flag in shared memory, which the checkpointer sets when it reads the
 * configuration, and it does not while it hurries through a checkpoint. So a commit is made, and watched: it is seen to wait, or may not have waited.
 *
 * Source: PostgreSQL 15, syncrep.c: SyncRepWaitForLSN(), SyncRepUpdateSyncStandbysDefined(); checkpointer.c: CheckpointWriteDelay().
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/err.h"

/* Two connections of one user to a primary that has standbys named. Takes some milliseconds; some 50 when the answer is no, which may also be as the
 * wait was too short to be seen. What the commit waits for is not waited for here. ERR_CONNECT, ERR_INTERNAL: as ask(). */
must_use int commit_wait_seen(PGconn *watching, PGconn *committing, bool *ret_seen, struct err *err);

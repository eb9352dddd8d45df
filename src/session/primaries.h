/* primaries: what a worker does when a shard has got another primary (app/follow_roles.h).
 *
 * Nothing goes to the old one under the new topology: it may still take writes, which are no part of the shard's history any more, and whose
 * acknowledgement would be a lie. So its backends are closed, also those in the middle of something: whoever waits for them hears an error that
 * tells him to try again, or, after a COMMIT, that the outcome is not known. Backends of the new one were opened to a replica, and go when they are
 * given back.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct backend;
struct session;
struct snapshot;
struct worker;

/* The worker has its newest snapshot, and had `before`. */
void primaries_follow(struct worker *worker, const struct snapshot *before);

/* A transaction keeps the topology that it began under. ERR_CONFLICT: the shard (an index in the session's database) has got another primary since. */
must_use int primaries_check(const struct session *session, int shard, struct err *err);
/* A backend that was opened to a primary. ERR_NOT_NOW: its node is in recovery, and shows what was, not what is; unless follow_roles is off. */
must_use int primaries_check_backend(const struct session *session, const struct backend *backend, int shard, struct err *err);

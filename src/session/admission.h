/* admission: how many clients there are, over all workers: from each address, not logged in yet, of each database and user.
 *
 * Shared by all threads; asked when a client arrives, logs in and leaves, never in between. A limit of 0 is none.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct admission;
struct config;
struct policy;

struct admission *admission_new(void);
void admission_free(struct admission *admission);       /* NULL is allowed */

/* A client is there. ERR_POOL_FULL when it is to be refused at once: it may not understand the reason before it has said what it speaks, so that
 * admission_start() refuses first, and this only what is beyond twice the limit (of an address: CANCEL_ROOM). It is counted all the same, until
 * admission_leave(). `address` is the four or sixteen bytes of an IP address, empty for
 * a client without: it counts as not logged in alone. */
must_use int admission_arrive(struct admission *admission, const struct config *config, struct slice address, struct err *err);
/* It asks for a session, and not for another's cancellation. ERR_POOL_FULL, and then it does not count as a session. */
must_use int admission_start(struct admission *admission, const struct config *config, struct slice address, struct err *err);
/* It has proven who it is. ERR_POOL_FULL, and then it does not count as one of the database and user, but as not logged in still. */
must_use int admission_login(struct admission *admission, const struct policy *policy, const char *database, const char *user, struct err *err);
/* It goes: what it got to be. `database` and `user`: NULL unless it logged in. */
void admission_leave(struct admission *admission, struct slice address, bool started, const char *database, const char *user);

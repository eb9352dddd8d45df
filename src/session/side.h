/* side: a session that chose by its database's name ("shop@replica", "shop@primary"), or by the port that it came to, whom it is served by.
 *
 * On the side of the replicas: it reads from them, at consistency `eventual` unless it, or the configuration, asks for more; it is told what a standby
 * tells (in_hot_standby, default_transaction_read_only, pg_is_in_recovery()), and cannot write: 25006. A statement that replicas cannot serve is the primary's,
 * in a read-only transaction. On the side of the primary: its reads are strong.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct plan;
struct session;

enum side { SIDE_ANY, SIDE_PRIMARY, SIDE_REPLICA };

/* The start-up packet has been read: takes the suffix from the name, unless there is a database that is called so. ERR_INVALID_VALUE. */
must_use int side_take(struct session *session, struct err *err);
/* Its policy is known: the settings that follow from its side. ERR_UNSUPPORTED: it cannot have both. */
must_use int side_begin(struct session *session, struct err *err);
/* Before a text of a session on the side of the replicas runs. ERR_READ_ONLY. */
must_use int side_check(const struct session *session, const struct plan *plan, struct err *err);
/* Whether transactions of this session, of either side, are read-only unless they say otherwise. */
bool side_only_reads(const struct session *session);
/* Settings of the session have been found out on its server: what its side needs stays. */
void side_keep(struct session *session);

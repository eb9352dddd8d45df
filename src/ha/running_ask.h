/* running_ask: which transactions run on a node, which of them a replica has as committed, and which the primary itself finds open (route/shown.h). On
 * the sampler's connections. Blocks. */
#pragma once

#include <libpq-fe.h>
#include <stddef.h>

#include "base/err.h"
#include "route/shown.h"

/* What this tells. The memory returned is the caller's, and ret_running->xids. */
#define RUNNING_SQL "pg_catalog.pg_current_snapshot()::text || '/' || pg_catalog.age('3'::pg_catalog.xid)"
uint64_t *running_read(const char *text, struct running *ret_running);

/* Of a replica that has replayed doubts->lsn: which of them, one at least, are committed there. Errors as of ask(). */
must_use int doubts_ask(PGconn *conn, const struct doubts *doubts, unsigned wait_ms, struct doubts *ret_committed, struct err *err);
/* The primary: which of them, one at least, belong to processes that do something which no commit does; none where track_activities is off, or by whom it is
 * asked may not see what others do (pg_monitor). Errors as of ask(). */
must_use int open_ask(PGconn *conn, const struct doubts *doubts, unsigned wait_ms, struct doubts *ret_open, struct err *err);

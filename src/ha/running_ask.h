/* running_ask: which transactions run on a node, and which of them a replica has as committed (route/shown.h). On the sampler's connections. Blocks. */
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

#include "ha/running_ask.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "catalog/ask.h"

enum { FIRST_NORMAL_XID = 3 };          /* whose age is told */

/* What replays has a snapshot, too, behind whose end nothing is committed; pg_xact_status() refuses numbers that it has not met. */
static const char COMMITTED[] =
	"SELECT x FROM pg_catalog.unnest($1::pg_catalog.xid8[]) x WHERE CASE WHEN x < pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())"
	" THEN pg_catalog.pg_xact_status(x) = 'committed' END";

/* Its client is waited for, or a lock, or it reads a table: between the record of a commit and its end (shown.h) a process does none of that. It does write
 * to its client then, where somebody has ended its waiting for synchronous standbys. */
static const char OPEN[] =
	"SELECT x FROM pg_catalog.unnest($1::pg_catalog.xid8[]) x JOIN pg_catalog.pg_stat_activity a ON a.backend_xid = pg_catalog.xid(x)"
	" WHERE a.state IN ('idle in transaction', 'idle in transaction (aborted)') OR a.wait_event_type = 'Lock'"
	" OR a.wait_event IN ('ClientRead', 'BufferPin', 'DataFileRead', 'DataFileExtend', 'BufFileRead', 'BufFileWrite', 'PgSleep', 'VacuumDelay')";

/* xmin:xmax:xid,xid/age. An age is of the number that comes next, which it knows the lower half of. */
uint64_t *running_read(const char *text, struct running *ret_running)
{
	uint64_t *xids = mem_calloc(strlen(text) + 1, sizeof(*xids));
	uint32_t next;
	char *rest;

	*ret_running = (struct running){ .xids = xids, .xmin = strtoull(text, &rest, 10) };
	ret_running->xmax = strtoull(rest + (*rest == ':'), &rest, 10);
	for (rest += *rest == ':'; *rest >= '0' && *rest <= '9'; rest += *rest == ',')
		xids[ret_running->count++] = strtoull(rest, &rest, 10);
	next = (uint32_t)strtol(rest + (*rest == '/'), NULL, 10) + FIRST_NORMAL_XID;
	ret_running->next = ret_running->xmax + (next - (uint32_t)ret_running->xmax);
	return xids;
}

static int ask_which(PGconn *conn, const char *sql, const struct doubts *doubts, unsigned wait_ms, struct doubts *ret_those, struct err *err)
{
	PGresult *result;
	struct buf param;
	int rc;

	buf_init(&param, BUF_SIZE_MAX);
	for (size_t i = 0; i < doubts->count; i++)
		buf_printf(&param, "%c%" PRIu64, i ? ',' : '{', doubts->xids[i]);
	buf_add_cstr(&param, "}");
	rc = ask(conn, sql, param.data, PGRES_TUPLES_OK, wait_ms, &result, err);
	buf_release(&param);
	if (rc < 0)
		return rc;
	*ret_those = (struct doubts){ .number = doubts->number, .lsn = doubts->lsn };
	for (int row = 0; row < PQntuples(result) && ret_those->count < doubts->count; row++)
		ret_those->xids[ret_those->count++] = strtoull(PQgetvalue(result, row, 0), NULL, 10);
	PQclear(result);
	return 0;
}

int doubts_ask(PGconn *conn, const struct doubts *doubts, unsigned wait_ms, struct doubts *ret_committed, struct err *err)
{
	return ask_which(conn, COMMITTED, doubts, wait_ms, ret_committed, err);
}

int open_ask(PGconn *conn, const struct doubts *doubts, unsigned wait_ms, struct doubts *ret_open, struct err *err)
{
	return ask_which(conn, OPEN, doubts, wait_ms, ret_open, err);
}

#include "ha/commit_wait.h"

#include <stdio.h>

#include "catalog/ask.h"

enum { ANSWER_MS = 5000 };

/* Not before somebody watches. */
static const char COMMIT[] = "SELECT pg_catalog.pg_sleep(0.005), pg_catalog.set_config('synchronous_commit', 'on', true),"
			     " pg_catalog.pg_logical_emit_message(true, 'nanu', '')";

/* Looks at that backend again and again; what it waits for is read anew each time. */
static const char WATCH[] =
	"SELECT coalesce(a.wait_event = 'SyncRep', false)"
	" FROM pg_catalog.generate_series(1, 20000) i, LATERAL pg_catalog.pg_stat_get_activity($1::int + i - i) a"
	" WHERE a.wait_event = 'SyncRep' OR pg_catalog.clock_timestamp() > pg_catalog.statement_timestamp() + '50ms' LIMIT 1";

static void cancel(PGconn *conn)
{
	PGcancel *cancel = PQgetCancel(conn);
	char why[256];

	if (cancel)
		PQcancel(cancel, why, sizeof(why));     /* in vain: then it ends with its connection */
	PQfreeCancel(cancel);
}

int commit_wait_seen(PGconn *watching, PGconn *committing, bool *ret_seen, struct err *err)
{
	PGresult *result = NULL;
	char pid[16];
	int rc;

	*ret_seen = false;
	snprintf(pid, sizeof(pid), "%d", PQbackendPID(committing));
	if (!PQsendQuery(committing, COMMIT))
		return err_set(err, ERR_CONNECT, "%s", PQerrorMessage(committing));
	rc = ask(watching, WATCH, pid, PGRES_TUPLES_OK, ANSWER_MS, &result, err);
	if (rc == 0)
		*ret_seen = PQntuples(result) == 1 && *PQgetvalue(result, 0, 0) == 't';
	PQclear(result);
	PQconsumeInput(committing);
	if (PQisBusy(committing))
		cancel(committing);
	return rc;
}

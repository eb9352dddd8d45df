#include "ha/flusher.h"

/* False: the last one goes on, or has just been found to have failed. */
static bool has_ended(struct flusher *flusher)
{
	PGresult *result;
	bool failed;

	if (!flusher->flushes)
		return true;
	failed = !PQconsumeInput(flusher->conn);
	while (!failed && !PQisBusy(flusher->conn)) {
		result = PQgetResult(flusher->conn);
		if (!result) {
			flusher->flushes = false;
			return true;
		}
		failed = PQresultStatus(result) != PGRES_TUPLES_OK;
		PQclear(result);
	}
	if (failed)
		flusher_close(flusher);
	return false;
}

void flusher_flush(struct flusher *flusher, const char *conninfo)
{
	if (!has_ended(flusher))
		return;
	if (!flusher->conn)
		flusher->conn = PQconnectdb(conninfo);
	flusher->flushes = PQstatus(flusher->conn) == CONNECTION_OK && PQsendQuery(flusher->conn, FLUSH_SQL);
	if (!flusher->flushes)
		flusher_close(flusher);
}

bool flusher_connected(const struct flusher *flusher)
{
	return flusher->conn != NULL;
}

void flusher_close(struct flusher *flusher)
{
	PQfinish(flusher->conn);
	*flusher = (struct flusher){ 0 };
}

/* flusher: has a primary flush what is in its WAL, when nobody else does. Replicas are sent nothing else, and what no commit has ended may stay for many
 * seconds. It is a commit of a logical message (prefix "nanu") that writes to no table, on a connection of its own, of which nobody waits for the answer.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

/* A commit that waits for no replica. */
#define FLUSH_SQL "SELECT pg_catalog.set_config('synchronous_commit', 'local', true), pg_catalog.pg_logical_emit_message(true, 'nanu', '')"

struct flusher {                        /* zeroed: none has been needed yet */
	PGconn *conn;
	bool flushes;
};

/* Begins one, unless it goes on still. Blocks only while it connects, the first time. What fails is begun anew the next time. */
void flusher_flush(struct flusher *flusher, const char *conninfo);
bool flusher_connected(const struct flusher *flusher);
void flusher_close(struct flusher *flusher);

/* flusher: has a primary flush what is in its WAL, when nobody else does. Replicas are sent nothing else, and what no commit has ended may stay for many
 * seconds. It is a commit of a logical message (prefix "nanu") that writes to no table, on a connection and a thread of its own: nobody waits for it. One that
 * is not answered is given up with its connection, which a firewall may have forgotten: after 300 ms, and after twice as long each time in a row, up to 5 s.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

/* A commit that waits for no replica. */
#define FLUSH_SQL "SELECT pg_catalog.set_config('synchronous_commit', 'local', true), pg_catalog.pg_logical_emit_message(true, 'nanu', '')"

struct flusher {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	char *conninfo;                 /* NULL: none has been needed yet */
	bool wanted, changed, stopping;
	bool runs;                      /* there is a thread */
	pthread_t thread;
};

void flusher_init(struct flusher *flusher);
/* Begins one, unless it goes on still; what fails is begun anew by a later call. Never waits. */
void flusher_flush(struct flusher *flusher, const char *conninfo);
void flusher_release(struct flusher *flusher);  /* waits for what goes on */

#include "ha/flusher.h"

#include <libpq-fe.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "catalog/ask.h"

enum { FLUSH_MS = 300, FLUSH_MS_MAX = 5000, RETRY_MS = 200 };

static bool flush(PGconn **conn, const char *conninfo, unsigned wait_ms)
{
	PGresult *result;
	struct err err;
	bool done;

	if (!*conn)
		*conn = PQconnectdb(conninfo);
	done = PQstatus(*conn) == CONNECTION_OK && ask(*conn, FLUSH_SQL, NULL, PGRES_TUPLES_OK, wait_ms, &result, &err) == 0;
	if (done) {
		PQclear(result);
		return true;
	}
	PQfinish(*conn);
	*conn = NULL;
	return false;
}

/* Under the lock. */
static void pause_a_while(struct flusher *flusher)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += RETRY_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!flusher->stopping && pthread_cond_timedwait(&flusher->wake, &flusher->lock, &until) == 0)
		;
}

static void *run(void *argument)
{
	struct flusher *flusher = argument;
	unsigned wait_ms = FLUSH_MS;
	PGconn *conn = NULL;

	pthread_setname_np(pthread_self(), "nanu-flusher");
	pthread_mutex_lock(&flusher->lock);
	while (!flusher->stopping) {
		char *conninfo;
		bool done;

		if (!flusher->wanted) {
			pthread_cond_wait(&flusher->wake, &flusher->lock);
			continue;
		}
		conninfo = mem_strdup(flusher->conninfo);
		if (flusher->changed) {
			PQfinish(conn);
			conn = NULL;
		}
		flusher->changed = false;
		pthread_mutex_unlock(&flusher->lock);
		done = flush(&conn, conninfo, wait_ms);
		mem_free(conninfo);
		wait_ms = done ? FLUSH_MS : wait_ms < FLUSH_MS_MAX / 2 ? 2 * wait_ms : FLUSH_MS_MAX;
		pthread_mutex_lock(&flusher->lock);
		flusher->wanted = false;
		if (!done)
			pause_a_while(flusher);
	}
	pthread_mutex_unlock(&flusher->lock);
	PQfinish(conn);
	return NULL;
}

void flusher_init(struct flusher *flusher)
{
	*flusher = (struct flusher){ 0 };
	pthread_mutex_init(&flusher->lock, NULL);
	pthread_cond_init(&flusher->wake, NULL);
}

void flusher_flush(struct flusher *flusher, const char *conninfo)
{
	pthread_mutex_lock(&flusher->lock);
	if (!flusher->conninfo || strcmp(flusher->conninfo, conninfo) != 0) {
		mem_free(flusher->conninfo);
		flusher->conninfo = mem_strdup(conninfo);
		flusher->changed = true;
	}
	flusher->wanted = true;
	if (!flusher->runs)
		flusher->runs = pthread_create(&flusher->thread, NULL, run, flusher) == 0;
	pthread_cond_signal(&flusher->wake);
	pthread_mutex_unlock(&flusher->lock);
}

void flusher_release(struct flusher *flusher)
{
	pthread_mutex_lock(&flusher->lock);
	flusher->stopping = true;
	pthread_cond_signal(&flusher->wake);
	pthread_mutex_unlock(&flusher->lock);
	if (flusher->runs)
		pthread_join(flusher->thread, NULL);
	mem_free(flusher->conninfo);
	pthread_cond_destroy(&flusher->wake);
	pthread_mutex_destroy(&flusher->lock);
}

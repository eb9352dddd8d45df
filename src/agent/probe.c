#include "agent/probe.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/guard.h"
#include "base/log.h"
#include "base/mem.h"
#include "catalog/ask.h"
#include "ha/commit_wait.h"
#include "ha/flusher.h"

enum { ANSWER_MS = 1000, PATH_SIZE = 4096 };

struct probe {
	const struct postgres *postgres;
	unsigned every_ms;
	uint64_t sick_us;
	void (*found)(void *program, const struct probed *probed);
	void *program;
	PGconn *conn;
	struct probed probed;
	char loaded[40], waited[40];    /* when the node read its configuration last; the same when a commit was seen to wait */
	uint64_t answered_at;           /* by this postmaster; or when it was seen first */
	uint64_t wrote_at;              /* the probe's own write has reached the disk */
	uint64_t knocked_at, heard_at;  /* when a new connection was tried last, and got any answer */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping, wanted;
	pthread_t thread;
};

/* A standby without a walreceiver is known to have no more than it says only when the startup process has replayed all that there is, and waits.
 * A primary with an agent writes several times a second (write_to_node()): who has got nothing from it for a second does not receive. */
static const char STATE[] =
	"SELECT r.recovers,"
	" CASE WHEN r.recovers THEN greatest(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())"
	"  ELSE pg_catalog.pg_current_wal_flush_lsn() END,"
	" CASE WHEN r.recovers THEN greatest((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver),"
	"   (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()), (SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery()))::text"
	"  ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int::text END,"
	" NOT r.recovers OR pg_catalog.pg_last_wal_receive_lsn() IS NOT NULL OR EXISTS (SELECT FROM pg_catalog.pg_stat_activity"
	"  WHERE backend_type = 'startup' AND wait_event IN ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream')),"
	" (SELECT system_identifier FROM pg_catalog.pg_control_system()),"
	" pg_catalog.current_setting('synchronous_standby_names'), pg_catalog.pg_conf_load_time()::text,"
	" w.pid IS NOT NULL, coalesce(w.status = 'streaming' AND pg_catalog.clock_timestamp() - w.last_msg_receipt_time < '1s', false), pg_catalog.current_setting('primary_conninfo')"
	" FROM (SELECT pg_catalog.pg_is_in_recovery()) r(recovers) LEFT JOIN pg_catalog.pg_stat_wal_receiver w ON true";

enum { RECOVERS, FLUSHED, TIMELINE, EXACT, SYSTEM, WAITS_FOR, LOADED, HAS_RECEIVER, RECEIVING, UPSTREAM };

/* The newest timeline of which there is WAL: a segment's name begins with it. */
static uint32_t newest_segment(const struct postgres *postgres)
{
	char path[PATH_SIZE], *end;
	const struct dirent *entry;
	uint32_t newest = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "%s/pg_wal", postgres->data);
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		char digits[9] = "";

		if (strlen(entry->d_name) != 24 || strspn(entry->d_name, "0123456789ABCDEF") != 24)
			continue;
		memcpy(digits, entry->d_name, 8);
		if (strtoul(digits, &end, 16) > newest)
			newest = (uint32_t)strtoul(digits, &end, 16);
	}
	if (folder)
		closedir(folder);
	return newest;
}

static bool read_history(struct probe *probe, uint32_t timeline)
{
	struct history history;
	struct err err;

	if (timeline == probe->probed.history.timeline)
		return true;
	if (postgres_history(probe->postgres, timeline, &history, &err) < 0)
		return false;
	probe->probed.history = history;
	return true;
}

/* ---- of one that does not run ---- */

static void look_at_files(struct probe *probe)
{
	struct probed *probed = &probe->probed;
	struct postgres_control control;
	struct err err;

	PQfinish(probe->conn);
	probe->conn = NULL;
	probe->answered_at = probe->wrote_at = 0;
	if (!probed->running && probed->known) {        /* only that changes any more */
		postgres_waits_for_stopped(probe->postgres, probed->waits_for, sizeof(probed->waits_for));
		return;
	}
	memset(probed, 0, sizeof(*probed));
	postgres_waits_for_stopped(probe->postgres, probed->waits_for, sizeof(probed->waits_for));
	if (postgres_control(probe->postgres, &control, &err) < 0)
		return;
	probed->system = control.system;
	probed->clean = control.clean && !postgres_is_standby(probe->postgres);
	/* The record of the shutdown's checkpoint: header, length, CheckPoint, aligned (xlogrecord.h, pg_control.h). */
	probed->flushed = probed->clean ? control.checkpoint + 120 : control.checkpoint;
	probed->known = read_history(probe, control.timeline);
}

/* ---- of one that runs ---- */

static int understand(struct probe *probe, const PGresult *result)
{
	struct probed *probed = &probe->probed;
	uint32_t timeline = (uint32_t)strtoul(PQgetvalue(result, 0, TIMELINE), NULL, 10), segment;
	bool recovers = PQgetvalue(result, 0, RECOVERS)[0] == 't';

	if (recovers && (segment = newest_segment(probe->postgres)) > timeline)
		timeline = segment;
	if (PQgetvalue(result, 0, EXACT)[0] != 't' || !read_history(probe, timeline))
		return -1;
	probed->node = recovers ? MEMBER_STANDBY : MEMBER_PRIMARY;
	probed->clean = false;
	probed->flushed = ask_lsn(PQgetvalue(result, 0, FLUSHED));
	probed->system = strtoull(PQgetvalue(result, 0, SYSTEM), NULL, 10);
	snprintf(probed->waits_for, sizeof(probed->waits_for), "%s", PQgetvalue(result, 0, WAITS_FOR));
	probed->waits = !*probed->waits_for || strcmp(probe->waited, PQgetvalue(result, 0, LOADED)) == 0;
	snprintf(probe->loaded, sizeof(probe->loaded), "%s", PQgetvalue(result, 0, LOADED));
	probed->has_receiver = PQgetvalue(result, 0, HAS_RECEIVER)[0] == 't';
	probed->receiving = PQgetvalue(result, 0, RECEIVING)[0] == 't';
	snprintf(probed->upstream, sizeof(probed->upstream), "%s", PQgetvalue(result, 0, UPSTREAM));
	probed->known = true;
	return 0;
}

static int ask_node(struct probe *probe, struct err *err)
{
	PGresult *result;
	int rc = 0;

	if (!probe->conn) {
		probe->conn = PQconnectdb(probe->postgres->conninfo);
		if (PQstatus(probe->conn) != CONNECTION_OK)
			rc = err_set(err, ERR_CONNECT, "%s", PQerrorMessage(probe->conn));
	}
	if (rc == 0)
		rc = ask(probe->conn, STATE, NULL, PGRES_TUPLES_OK, ANSWER_MS, &result, err);
	if (rc == 0) {
		rc = understand(probe, result);
		PQclear(result);
		if (rc == 0)
			probe->answered_at = guard_now();
		return 0;
	}
	PQfinish(probe->conn);
	probe->conn = NULL;
	return rc;
}

/* The write path, down to the disk. */
static void write_to_node(struct probe *probe)
{
	PGresult *result;
	struct err err;

	if (!probe->conn || probe->probed.node != MEMBER_PRIMARY) {
		probe->wrote_at = guard_now();
		return;
	}
	if (guard_now() < probe->wrote_at + probe->sick_us / 4)
		return;
	if (ask(probe->conn, FLUSH_SQL, NULL, PGRES_TUPLES_OK, ANSWER_MS, &result, &err) == 0) {
		probe->wrote_at = guard_now();
		PQclear(result);
		return;
	}
	PQfinish(probe->conn);
	probe->conn = NULL;
}

/* A postmaster that hangs leaves the sessions that there are alone. */
static void knock(struct probe *probe)
{
	PGPing found;

	if (guard_now() < probe->knocked_at + probe->sick_us / 4)
		return;
	found = PQping(probe->postgres->knock);
	probe->knocked_at = guard_now();
	if (found != PQPING_NO_RESPONSE)
		probe->heard_at = probe->knocked_at;
}

/* Whether commits wait, as they are to. */
static void watch_commit(struct probe *probe)
{
	struct probed *probed = &probe->probed;
	PGconn *committing;
	struct err err;

	if (!probe->conn || probed->node != MEMBER_PRIMARY || probed->waits)
		return;
	committing = PQconnectdb(probe->postgres->conninfo);
	if (PQstatus(committing) == CONNECTION_OK && commit_wait_seen(probe->conn, committing, &probed->waits, &err) == 0 && probed->waits)
		memcpy(probe->waited, probe->loaded, sizeof(probe->waited));
	PQfinish(committing);
}

static void look(struct probe *probe)
{
	struct probed *probed = &probe->probed;
	struct err err;
	uint64_t now;

	if (!postgres_running(probe->postgres)) {
		look_at_files(probe);
		return;
	}
	if (!probed->running) {         /* what its files said holds no more */
		memset(probed, 0, sizeof(*probed));
		probed->running = true;
		probe->answered_at = probe->wrote_at = probe->heard_at = guard_now();
	}
	if (ask_node(probe, &err) == 0) {
		write_to_node(probe);
		watch_commit(probe);
	}
	knock(probe);
	now = guard_now();
	probed->sick = now > probe->answered_at + probe->sick_us || now > probe->wrote_at + probe->sick_us || now > probe->heard_at + probe->sick_us;
	if (probed->sick)
		probed->receiving = false;
}

static void *probe_main(void *argument)
{
	struct probe *probe = argument;

	pthread_mutex_lock(&probe->lock);
	while (!probe->stopping) {
		struct timespec until;

		probe->wanted = false;
		pthread_mutex_unlock(&probe->lock);
		look(probe);
		probe->found(probe->program, &probe->probed);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += probe->every_ms * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&probe->lock);
		while (!probe->stopping && !probe->wanted)
			if (pthread_cond_clockwait(&probe->wake, &probe->lock, CLOCK_MONOTONIC, &until) != 0)
				break;
	}
	pthread_mutex_unlock(&probe->lock);
	PQfinish(probe->conn);
	return NULL;
}

int probe_start(const struct postgres *postgres, unsigned every_ms, uint64_t sick_us, void (*found)(void *program, const struct probed *probed),
		void *program, struct probe **ret_probe, struct err *err)
{
	struct probe *probe = mem_calloc(1, sizeof(*probe));

	probe->postgres = postgres;
	probe->every_ms = every_ms;
	probe->sick_us = sick_us;
	probe->found = found;
	probe->program = program;
	pthread_mutex_init(&probe->lock, NULL);
	pthread_cond_init(&probe->wake, NULL);
	if (pthread_create(&probe->thread, NULL, probe_main, probe) != 0) {
		mem_free(probe);
		return err_set(err, ERR_NOMEM, "cannot start a thread");
	}
	*ret_probe = probe;
	return 0;
}

void probe_now(struct probe *probe)
{
	pthread_mutex_lock(&probe->lock);
	probe->wanted = true;
	pthread_cond_signal(&probe->wake);
	pthread_mutex_unlock(&probe->lock);
}

void probe_stop(struct probe *probe)
{
	if (!probe)
		return;
	pthread_mutex_lock(&probe->lock);
	probe->stopping = true;
	pthread_cond_signal(&probe->wake);
	pthread_mutex_unlock(&probe->lock);
	pthread_join(probe->thread, NULL);
	pthread_mutex_destroy(&probe->lock);
	pthread_cond_destroy(&probe->wake);
	mem_free(probe);
}

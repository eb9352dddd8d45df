#include "ha/sampler.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "catalog/ask.h"
#include "ha/feeds_ask.h"
#include "ha/flusher.h"
#include "ha/running_ask.h"
#include "net/env.h"
#include "route/feeds.h"
#include "route/history.h"
#include "route/node_status.h"
#include "route/snapshot.h"

enum {
	ALONE_FACTOR = 20,
	RETRY_MS = 100,                 /* after it could not be reached */
	AFTER_PRIMARY = 8,              /* that part of the interval later its replicas are asked, which may have replayed by then what it had */
	SILENT_MS_MAX = 1000,
	LATE_MS_MAX = 2000,             /* that much later */
	FEEDS_US = 1000000,             /* between two questions who streams from whom */
	PATIENCE_US = 2000,             /* for so long others may flush a primary's WAL, and tell of its doubts, on which somebody waits */
	UNFLUSHED_US_MAX = 100000,      /* on which nobody waits: replicas are not to seem behind for what they are not sent */
};

/* A walreceiver tells the timeline that is streamed; without one, the last restart point does. */
static const char PREPARE[] =
	"PREPARE sample AS SELECT r.recovers,"
	" CASE WHEN r.recovers THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())"
	"  ELSE pg_catalog.pg_current_wal_flush_lsn() END,"
	" CASE WHEN r.recovers THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_insert_lsn() END,"
	" CASE WHEN r.recovers THEN coalesce((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver),"
	"   (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()))::text"
	"  ELSE pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END,"
	" pg_catalog.current_setting('recovery_min_apply_delay'),"
	" " RUNNING_SQL
	" FROM (SELECT pg_catalog.pg_is_in_recovery()) r(recovers)";

enum { RECOVERS, FLUSHED, INSERTED, TIMELINE, DELAY, RUNNING };

/* What stays as it is while a server runs; how long it has, in microseconds, and where the newest checkpoint began: it makes one before it serves. */
static const char SIZES[] =
	"SELECT (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_block_size'),"
	" (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size'),"
	" (SELECT system_identifier FROM pg_catalog.pg_control_system()),"
	" (extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint,"
	" (SELECT redo_lsn FROM pg_catalog.pg_control_checkpoint())";

/* $1: the timeline. What of it only a superuser, or who may read the server's files, is told. */
static const char HISTORY[] =
	"SELECT pg_catalog.pg_read_file('pg_wal/' || pg_catalog.lpad(pg_catalog.upper(pg_catalog.to_hex($1::int)), 8, '0') || '.history')";

struct asked {                          /* a node, and the thread that asks it */
	struct list_node place;
	struct sampler *sampler;
	pthread_t thread;
	struct node_status *status;     /* a reference */
	bool wanted;                    /* while sampler_follow() looks: it is in the snapshot */

	/* under the sampler's lock */
	struct node_status *primary;    /* of its shard; a reference */
	struct node_status **replicas;  /* when it is the primary: references */
	size_t replica_count;
	char *conninfos[2];             /* to a database that nobody minds it in; to one that is served */
	unsigned every_ms;
	uint64_t max_lag_us;
	bool changed;                   /* conninfos are others */
	bool stopping;

	/* the thread's own */
	char name[64];
	PGconn *conn;
	bool served;                    /* that database is tried now */
	uint64_t block_size, segment_size, system;
	uint64_t started_us, started_lsn;       /* node_sample's */
	uint64_t feeds_due_us;          /* when it is asked next who streams from whom */
	bool tells_feeds;               /* it knows that question */
	uint32_t history;               /* of this timeline is known */
	uint64_t started_xid;           /* a replica: the transaction number that it knew as the next one at first; 0: not asked yet */
	uint32_t timeline;              /* the newest on this connection: without a walreceiver a replica tells an older one */
	struct node_seen told;          /* of which `turned` was called last */
	bool complained;
	uint64_t unflushed_lsn, unflushed_us;   /* a primary: what it had in its WAL then, and since when some of it may not be flushed */
	uint64_t unended_xid, unended_us;       /* which it told as running.xmax, and since when numbers from there on are in use */
	struct flusher flusher;
};

struct sampler {
	pthread_mutex_t lock;
	void (*sampled)(void *program);
	void (*turned)(void *program);
	void (*hangs)(void *program, struct node_status *status);
	void *program;
	struct list nodes;              /* of struct asked; changed by who follows only */
};

static uint64_t now_us(void)
{
	return env_system()->now_us(env_system()->world);
}

/* ---- one node, on its own thread ---- */

static void tell_changes(struct asked *asked)
{
	struct node_seen seen = node_status_read(asked->status), *told = &asked->told;

	if (told->reachable == seen.reachable && told->role == seen.role && told->timeline == seen.timeline && told->system == seen.system &&
	    told->incarnation)
		return;
	*told = seen;
	asked->sampler->turned(asked->sampler->program);
}

static void close_connection(struct asked *asked)
{
	PQfinish(asked->conn);
	asked->conn = NULL;
	asked->unflushed_lsn = 0;
}

static void forget_feeds(struct asked *asked)
{
	struct feeds *feeds = node_status_feeds(asked->status);

	if (feeds && feeds->heard)
		node_status_take_feeds(asked->status, feeds_silent(feeds));
	feeds_unref(feeds);
}

static void silent(struct asked *asked, const char *why)
{
	char quoted[600];

	node_status_silent(asked->status);
	forget_feeds(asked);
	if (!asked->complained)
		log_warn("sampler", "node=%s msg=\"it does not answer: %s\"", asked->name, log_quote(why, quoted, sizeof(quoted)));
	asked->complained = true;
}

static bool connect_to(struct asked *asked, const char *conninfo)
{
	PGresult *sizes, *prepared;
	uint64_t asked_us, ran_us;
	struct err err;
	int code;

	asked->conn = PQconnectdb(conninfo);
	if (PQstatus(asked->conn) != CONNECTION_OK) {
		asked->served = !asked->served;
		silent(asked, PQerrorMessage(asked->conn));
		return false;
	}
	asked_us = now_us();
	if (ask(asked->conn, SIZES, NULL, PGRES_TUPLES_OK, SILENT_MS_MAX, &sizes, &err) < 0) {
		silent(asked, err.message);
		return false;
	}
	asked->block_size = strtoull(PQgetvalue(sizes, 0, 0), NULL, 10);
	asked->segment_size = strtoull(PQgetvalue(sizes, 0, 1), NULL, 10);
	asked->system = strtoull(PQgetvalue(sizes, 0, 2), NULL, 10);
	asked->history = asked->timeline = 0;
	asked->started_xid = 0;
	ran_us = strtoull(PQgetvalue(sizes, 0, 3), NULL, 10);   /* by its own clock, which may have been set meanwhile */
	asked->started_us = ran_us < asked_us ? asked_us - ran_us : 0;
	asked->started_lsn = ask_lsn(PQgetvalue(sizes, 0, 4));
	PQclear(sizes);
	if (!asked->block_size || !asked->segment_size) {
		silent(asked, "it does not tell the sizes of its WAL");
		return false;
	}
	if (ask(asked->conn, PREPARE, NULL, PGRES_COMMAND_OK, SILENT_MS_MAX, &prepared, &err) < 0) {
		silent(asked, err.message);
		return false;
	}
	PQclear(prepared);
	code = feeds_prepare(asked->conn, SILENT_MS_MAX, &err);
	if (code == ERR_CONNECT)
		silent(asked, err.message);
	asked->tells_feeds = code == 0;
	asked->feeds_due_us = 0;
	return code != ERR_CONNECT;
}

/* One that is not told, or cannot be understood, has no ancestors: what was on earlier timelines is not found. */
static void read_history(struct asked *asked, uint32_t timeline)
{
	struct history history = { .timeline = timeline };
	PGresult *result = NULL;
	struct err err;
	char param[16];

	asked->history = timeline;
	snprintf(param, sizeof(param), "%u", timeline);
	if (timeline > 1 && ask(asked->conn, HISTORY, param, PGRES_TUPLES_OK, SILENT_MS_MAX, &result, &err) == 0 &&
	    history_read(timeline, PQgetvalue(result, 0, 0), &history, &err) < 0)
		history.count = 0;
	PQclear(result);
	node_status_history(asked->status, &history);
}

/* What runs on its primary may be committed on a replica that has replayed so much. */
static bool look_at_doubts(struct asked *asked, struct node_status *primary, const struct node_sample *taken)
{
	struct doubts doubts, committed;
	struct err err;
	int code;

	if (!node_status_doubts(primary, taken->timeline, taken->inserted, &doubts))
		return true;
	code = doubts_ask(asked->conn, &doubts, SILENT_MS_MAX, &committed, &err);
	if (code == 0)
		node_status_told(primary, &committed, now_us());
	else if (code == ERR_CONNECT)
		silent(asked, err.message);
	return code != ERR_CONNECT;
}

static void flush(struct asked *asked)
{
	pthread_mutex_lock(&asked->sampler->lock);
	flusher_flush(&asked->flusher, asked->conninfos[asked->served]);
	pthread_mutex_unlock(&asked->sampler->lock);
}

/* What replicas are not sent they do not replay: nor does anybody learn then that they show what was committed before it, nor what is committed there of
 * what runs here. And a primary lists what runs up to the newest number that has ended: of those behind it nobody can tell which are parts of another
 * transaction (subtransactions). One more commit tells all that. */
static void look_at_unflushed(struct asked *asked, const struct node_sample *taken, bool demanded)
{
	uint64_t patience_us = demanded ? PATIENCE_US : UNFLUSHED_US_MAX;
	const struct running *running = &taken->running;

	if (taken->flushed >= asked->unflushed_lsn) {
		asked->unflushed_lsn = taken->inserted;
		asked->unflushed_us = taken->begun_us;
	}
	if (running->xmax != asked->unended_xid || running->xmax == running->next) {
		asked->unended_xid = running->xmax;
		asked->unended_us = taken->begun_us;
	}
	if ((taken->flushed < asked->unflushed_lsn && taken->begun_us >= asked->unflushed_us + patience_us) ||
	    (demanded && taken->begun_us >= asked->unended_us + PATIENCE_US))
		flush(asked);
}

/* The primary may know itself what its replicas have not told for a while. */
static bool look_at_own_doubts(struct asked *asked, const struct node_sample *taken)
{
	struct doubts doubts, open;
	struct err err;
	int code;

	if (!node_status_old_doubts(asked->status, taken->begun_us - PATIENCE_US, &doubts))
		return true;
	code = open_ask(asked->conn, &doubts, SILENT_MS_MAX, &open, &err);
	if (code == 0 && open.count)
		node_status_cleared(asked->status, &open, now_us());
	else if (code == ERR_CONNECT)
		silent(asked, err.message);
	return code != ERR_CONNECT;
}

static bool sample(struct asked *asked, struct node_status *primary, uint64_t max_lag_us, bool has_replicas, bool *ret_demanded)
{
	struct node_sample taken = { .begun_us = now_us(), .system = asked->system, .max_lag_us = max_lag_us, .started_us = asked->started_us };
	uint64_t *xids = NULL;
	PGresult *result;
	struct err err;

	if (ask(asked->conn, "EXECUTE sample", NULL, PGRES_TUPLES_OK, SILENT_MS_MAX, &result, &err) < 0) {
		silent(asked, err.message);
		return false;
	}
	taken.role = PQgetvalue(result, 0, RECOVERS)[0] == 't' ? SEEN_REPLICA : SEEN_PRIMARY;
	taken.flushed = ask_lsn(PQgetvalue(result, 0, FLUSHED));
	taken.inserted = ask_lsn(PQgetvalue(result, 0, INSERTED));
	taken.timeline = (uint32_t)strtoul(PQgetvalue(result, 0, TIMELINE), NULL, taken.role == SEEN_PRIMARY ? 16 : 10);
	if (!duration_read(PQgetvalue(result, 0, DELAY), &taken.delay_us))
		taken.delay_us = 0;
	if (taken.timeline > asked->timeline)
		asked->timeline = taken.timeline;
	taken.timeline = asked->timeline;
	xids = running_read(PQgetvalue(result, 0, RUNNING), &taken.running);
	if (!asked->started_xid)
		asked->started_xid = taken.running.next;
	if (taken.role == SEEN_REPLICA) {
		taken.hides = taken.running.xmax < asked->started_xid;
	} else {
		taken.inserted = wal_end_of_record(taken.inserted, asked->block_size, asked->segment_size);
		taken.started_lsn = wal_end_of_record(asked->started_lsn, asked->block_size, asked->segment_size);
	}
	PQclear(result);
	if (taken.timeline != asked->history)
		read_history(asked, taken.timeline);
	*ret_demanded = node_status_sampled(asked->status, primary, &taken);
	mem_free(xids);
	if (asked->complained)
		log_info("sampler", "node=%s msg=\"it answers again\"", asked->name);
	asked->complained = false;
	if (taken.role == SEEN_PRIMARY && has_replicas)
		look_at_unflushed(asked, &taken, *ret_demanded);
	if (taken.role == SEEN_PRIMARY)
		return !*ret_demanded || look_at_own_doubts(asked, &taken);
	return taken.hides || look_at_doubts(asked, primary, &taken);
}

/* After a sample, on which somebody may have waited. */
static bool look_at_feeds(struct asked *asked, uint64_t begun_us)
{
	struct feeds *feeds, *before;
	struct err err;
	int code;

	if (begun_us < asked->feeds_due_us)
		return true;
	asked->feeds_due_us = begun_us + FEEDS_US;
	code = asked->tells_feeds ? feeds_ask(asked->conn, SILENT_MS_MAX, &feeds, &err) : ERR_INTERNAL;
	if (code == 0) {
		before = node_status_feeds(asked->status);
		feeds_remember(feeds, before);
		feeds_unref(before);
		node_status_take_feeds(asked->status, feeds);
	} else if (code == ERR_CONNECT) {
		silent(asked, err.message);
	} else {
		forget_feeds(asked);
	}
	return code != ERR_CONNECT;
}

static void announce(struct asked *asked)
{
	tell_changes(asked);
	asked->sampler->sampled(asked->sampler->program);
}

/* The primary was sampled: replicas that have replayed all are as of then; what the others have is looked at soon, if that was demanded, and what is
 * committed on them of what runs there. Under the lock. */
static void compare_replicas(struct asked *asked, uint64_t begun_us, bool demanded)
{
	bool in_doubt = demanded && node_status_in_doubt(asked->status);

	for (size_t i = 0; i < asked->replica_count; i++) {
		struct node_status *replica = asked->replicas[i];
		struct node_seen seen;

		node_status_compare(replica, asked->status, begun_us);
		seen = node_status_read(replica);
		if (demanded && seen.reachable && seen.as_of_us < begun_us)
			node_status_demand(replica, begun_us, begun_us);
		else if (in_doubt && seen.reachable)
			node_status_rouse(replica);
	}
}

/* When it is asked again: a replica soon after its primary, since what it is compared with is what that one had. */
static uint64_t next_us(const struct asked *asked, struct node_status *primary, uint64_t begun_us, unsigned every_ms)
{
	uint64_t every_us = every_ms * UINT64_C(1000), soonest_us = begun_us + every_us / 2, lsn, us;
	uint32_t timeline;

	if (primary == asked->status || !node_status_newest(primary, &timeline, &lsn, &us))
		return begun_us + every_us;
	us += every_us / AFTER_PRIMARY;
	return us >= soonest_us ? us : us + (soonest_us - us + every_us - 1) / every_us * every_us;
}

/* A question was not answered in time. That may be a moment in which the machine has other things to do: a little longer, and it hangs. */
static void look_for_life(struct asked *asked)
{
	struct pollfd answer = { .fd = PQsocket(asked->conn), .events = POLLIN };

	if (answer.fd >= 0 && poll(&answer, 1, LATE_MS_MAX) == 0)
		asked->sampler->hangs(asked->sampler->program, asked->status);
}

static void *run(void *argument)
{
	struct asked *asked = argument;
	struct sampler *sampler = asked->sampler;

	flusher_init(&asked->flusher);
	pthread_mutex_lock(&sampler->lock);
	while (!asked->stopping) {
		struct node_status *primary = node_status_ref(asked->primary);
		char *conninfo = asked->changed || !asked->conn ? mem_strdup(asked->conninfos[asked->served]) : NULL;
		unsigned every_ms = asked->every_ms;
		uint64_t begun_us = now_us(), max_lag_us = asked->max_lag_us, due_us;
		bool has_replicas = asked->primary == asked->status && asked->replica_count, alone = asked->primary == asked->status && !has_replicas;
		bool answered, demanded;

		asked->changed = false;
		pthread_mutex_unlock(&sampler->lock);
		if (conninfo)
			close_connection(asked);
		answered = (!conninfo || connect_to(asked, conninfo)) && sample(asked, primary, max_lag_us, has_replicas, &demanded);
		if (answered) {
			pthread_mutex_lock(&sampler->lock);
			compare_replicas(asked, begun_us, demanded);
			pthread_mutex_unlock(&sampler->lock);
		}
		announce(asked);
		if (answered && !alone && !look_at_feeds(asked, begun_us)) {
			answered = false;
			announce(asked);
		}
		if (!answered && now_us() - begun_us >= SILENT_MS_MAX * UINT64_C(1000))
			look_for_life(asked);
		if (!answered)
			close_connection(asked);
		due_us = answered ? next_us(asked, primary, begun_us, every_ms) : now_us() + RETRY_MS * UINT64_C(1000);
		node_status_unref(primary);
		mem_free(conninfo);
		node_status_await(asked->status, due_us, answered);
		pthread_mutex_lock(&sampler->lock);
	}
	pthread_mutex_unlock(&sampler->lock);
	close_connection(asked);
	flusher_release(&asked->flusher);
	return NULL;
}

/* ---- all of them ---- */

struct sampler *sampler_new(void (*sampled)(void *program), void (*turned)(void *program), void (*hangs)(void *program, struct node_status *status), void *program)
{
	struct sampler *sampler = mem_calloc(1, sizeof(*sampler));

	pthread_mutex_init(&sampler->lock, NULL);
	sampler->sampled = sampled;
	sampler->turned = turned;
	sampler->hangs = hangs;
	sampler->program = program;
	list_init(&sampler->nodes);
	return sampler;
}

static void forget_replicas(struct asked *asked)
{
	for (size_t i = 0; i < asked->replica_count; i++)
		node_status_unref(asked->replicas[i]);
	mem_free(asked->replicas);
	asked->replicas = NULL;
	asked->replica_count = 0;
}

static void remember_replicas(struct asked *asked, const struct snapshot *snapshot, const struct shard_replicas *replicas)
{
	asked->replicas = mem_alloc((replicas->count + 1) * sizeof(*asked->replicas));
	for (size_t i = 0; i < replicas->count; i++)
		asked->replicas[asked->replica_count++] = node_status_ref(snapshot->statuses[replicas->nodes[i]]);
}

/* Under the lock. */
static void tell(struct asked *asked, const struct snapshot *snapshot, int node, uint64_t max_lag_us, unsigned every_ms, char *conninfos[2])
{
	int shard = snapshot->topology->nodes[node].shard;

	node_status_unref(asked->primary);
	asked->primary = node_status_ref(snapshot->statuses[snapshot->topology->shards[shard].primary]);
	forget_replicas(asked);
	if (asked->primary == asked->status)
		remember_replicas(asked, snapshot, &snapshot->replicas[shard]);
	asked->every_ms = snapshot->replicas[shard].count ? every_ms : every_ms * ALONE_FACTOR;
	asked->max_lag_us = max_lag_us;
	for (int i = 0; i < 2; i++) {
		asked->changed |= !asked->conninfos[i] || strcmp(asked->conninfos[i], conninfos[i]) != 0;
		mem_free(asked->conninfos[i]);
		asked->conninfos[i] = conninfos[i];
	}
	asked->wanted = true;
}

static struct asked *find(struct sampler *sampler, const struct node_status *status)
{
	LIST_EACH(&sampler->nodes, node) {
		struct asked *asked = CONTAINER_OF(node, struct asked, place);

		if (asked->status == status)
			return asked;
	}
	return NULL;
}

static void asked_free(struct asked *asked)
{
	forget_replicas(asked);
	node_status_unref(asked->status);
	node_status_unref(asked->primary);
	mem_free(asked->conninfos[0]);
	mem_free(asked->conninfos[1]);
	mem_free(asked);
}

static void begin(struct sampler *sampler, const struct snapshot *snapshot, int node, uint64_t max_lag_us, unsigned every_ms, char *conninfos[2])
{
	struct asked *asked = mem_calloc(1, sizeof(*asked));

	asked->sampler = sampler;
	asked->status = node_status_ref(snapshot->statuses[node]);
	snprintf(asked->name, sizeof(asked->name), "%s", snapshot->topology->nodes[node].name);
	tell(asked, snapshot, node, max_lag_us, every_ms, conninfos);
	list_push_back(&sampler->nodes, &asked->place);
	if (pthread_create(&asked->thread, NULL, run, asked) == 0)
		return;
	log_warn("sampler", "node=%s msg=\"cannot start a thread: nothing is read from it\"", asked->name);
	list_remove(&sampler->nodes, &asked->place);
	asked_free(asked);
}

/* Those that are not wanted end together. */
static void end_others(struct sampler *sampler)
{
	struct list_node *node;

	pthread_mutex_lock(&sampler->lock);
	LIST_EACH(&sampler->nodes, each) {
		struct asked *asked = CONTAINER_OF(each, struct asked, place);

		asked->stopping = !asked->wanted;
		node_status_rouse(asked->status);
	}
	pthread_mutex_unlock(&sampler->lock);
	node = list_first(&sampler->nodes);
	while (node) {
		struct asked *asked = CONTAINER_OF(node, struct asked, place);

		node = list_next(&sampler->nodes, node);
		if (asked->wanted)
			continue;
		pthread_join(asked->thread, NULL);
		list_remove(&sampler->nodes, &asked->place);
		asked_free(asked);
	}
}

void sampler_follow(struct sampler *sampler, const struct snapshot *snapshot, uint64_t max_lag_us, unsigned every_ms,
		    char *(*conninfo)(void *program, int node, bool served), void *program)
{
	LIST_EACH(&sampler->nodes, node)
		CONTAINER_OF(node, struct asked, place)->wanted = false;
	for (size_t i = 0; i < snapshot->topology->node_count; i++) {
		char *texts[] = { conninfo(program, (int)i, false), conninfo(program, (int)i, true) };
		struct asked *asked;

		pthread_mutex_lock(&sampler->lock);
		asked = find(sampler, snapshot->statuses[i]);
		if (asked)
			tell(asked, snapshot, (int)i, max_lag_us, every_ms, texts);
		else
			begin(sampler, snapshot, (int)i, max_lag_us, every_ms, texts);
		pthread_mutex_unlock(&sampler->lock);
	}
	end_others(sampler);
}

void sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return;
	LIST_EACH(&sampler->nodes, node)
		CONTAINER_OF(node, struct asked, place)->wanted = false;
	end_others(sampler);
	pthread_mutex_destroy(&sampler->lock);
	mem_free(sampler);
}

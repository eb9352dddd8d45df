#include "admin/tables.h"

#include <string.h>

#include "base/mem.h"
#include "topo/config.h"

#define COLUMNS(...) (const struct admin_column[]){ __VA_ARGS__ }, sizeof((const struct admin_column[]){ __VA_ARGS__ }) / sizeof(struct admin_column)

#define INT  TYPE_INT8
#define TEXT TYPE_TEXT
#define BOOL TYPE_BOOL
#define TIME TYPE_TIME

static void fill_columns(struct filling *filling);
static void fill_settings(struct filling *filling);

const struct admin_table admin_tables[] = {
	{ "columns", "every column of the nanu schema", COLUMNS(
		{ "table_name", TEXT, "the table, without \"nanu.\"" },
		{ "column_name", TEXT, "the column" },
		{ "type", TEXT, "its type" },
		{ "description", TEXT, "what it says" }), REPORT_NONE, fill_columns },
	{ "router", "this router: one row", COLUMNS(
		{ "version", TEXT, "of the program" },
		{ "pid", INT, "of this process" },
		{ "listen", TEXT, "where clients connect: host:port" },
		{ "started", TIME, "when it began to run" },
		{ "uptime_ms", INT, "since then" },
		{ "workers", INT, "worker threads" },
		{ "sessions", INT, "clients that are connected now" },
		{ "epoch", INT, "of the topology" },
		{ "snapshot", INT, "version of the snapshot: grows when the topology or a schema changes" },
		{ "store", TEXT, "what keeps the topology: sqlite or etcd" },
		{ "store_state", TEXT, "ok; away: changes of the topology wait for it; or what is wrong" }), REPORT_COUNTERS, fill_router },
	{ "routers", "the routers that share an etcd, each process of theirs; without etcd there are none", COLUMNS(
		{ "name", TEXT, "its router_name" },
		{ "instance", TEXT, "which process: a take-over has two" },
		{ "address", TEXT, "where it listens: host:port" },
		{ "pid", INT, "of the process" },
		{ "epoch", INT, "of the topology that all of its workers have; NULL: it is not heard from" },
		{ "heard", BOOL, "whether it is heard from; one that is not may still serve, and keeps changes from being made: nanu.forget_router()" },
		{ "is_this", BOOL, "whether it is the one that answers" }), REPORT_NONE, fill_routers },
	{ "databases", "the databases that clients can connect to", COLUMNS(
		{ "name", TEXT, "as clients say it" },
		{ "node_database", TEXT, "what it is called on the nodes" },
		{ "shards", INT, "number of its shards" },
		{ "home_shard", TEXT, "the shard of the tables that are not sharded" },
		{ "sharded_tables", INT, "number of its sharded tables" },
		{ "schema_known", BOOL, "whether its schema could be read from its home shard" },
		{ "server_version", TEXT, "of the node from which the schema was read" },
		{ "encoding", TEXT, "of the database on that node" },
		{ "paused", BOOL, "whether its statements wait for nanu.resume()" },
		{ "disabled", BOOL, "whether it takes no new connections" }), REPORT_HOLDS, fill_databases },
	{ "nodes", "the PostgreSQL servers", COLUMNS(
		{ "name", TEXT, "the node's name" },
		{ "host", TEXT, "address, host name, or directory of the socket" },
		{ "port", INT, "its port" },
		{ "region", TEXT, "where it stands; empty: not given" },
		{ "zone", TEXT, "where in the region; empty: not given" },
		{ "weight", INT, "how often reads go to it when it is a replica, in proportion to others; 0: never" },
		{ "role", TEXT, "primary or replica" },
		{ "shard", TEXT, "the shard that it belongs to" },
		{ "added", BOOL, "whether it was added while the router ran, and not by the configuration" },
		{ "upstream", TEXT, "the replica that it streams from; NULL: the primary, or it is that" },
		{ "reachable", BOOL, "as the last connections tell, or the last sample; NULL: there was none" },
		{ "connections", INT, "backends that are open now" },
		{ "lent", INT, "of these, lent to a session" },
		{ "waiting", INT, "sessions that wait for a connection to it" },
		{ "last_failure", TEXT, "why the last opening failed; NULL: it did not" },
		{ "drained", BOOL, "whether statements on it wait for nanu.resume()" },
		{ "permit_ms", INT, "for how long its agent has let statements run on it as a primary; 0: none may; NULL: it has no agent" }),
		REPORT_POOLS | REPORT_HOLDS, fill_nodes },
	{ "replication", "where each node is in the WAL, and how far replicas are behind", COLUMNS(
		{ "node", TEXT, "the node's name" },
		{ "shard", TEXT, "the shard that it belongs to" },
		{ "role", TEXT, "primary or replica, in the topology" },
		{ "seen_role", TEXT, "the same, as the node says itself; NULL: it was not reached yet" },
		{ "reachable", BOOL, "whether it answered when it was asked last" },
		{ "serves", BOOL, "whether reads may go to it; NULL: it is the primary" },
		{ "timeline", INT, "of its WAL" },
		{ "history", TEXT, "where that comes from, as the node's history file has it: each timeline, @ the LSN at which the next left it, and so on to its"
		  " own: 1@0/4427BF0,2; NULL: nobody knows" },
		{ "state", TEXT, "of the walsender that feeds a replica, as that server says: startup, catchup, streaming, backup, stopping; gone: it has none;"
		  " NULL: nobody knows. This and what follows to written_lsn is asked once a second. It is the walsender on its slot; without a slot, the only"
		  " one under the application_name that the replica connects with, or the only one of these from its address" },
		{ "sync_state", TEXT, "of that walsender: async, potential, sync, quorum" },
		{ "sender", TEXT, "the node that has that walsender, or the slot" },
		{ "slot", TEXT, "the replication slot that the replica streams by, as it says itself; NULL: none, or it has not said" },
		{ "slot_wal", TEXT, "wal_status of that slot: reserved, extended, unreserved (its WAL may go any moment), lost; NULL: nobody knows" },
		{ "sent_lsn", TEXT, "what that walsender has sent" },
		{ "written_lsn", TEXT, "what the replica told it that it has written" },
		{ "flushed_lsn", TEXT, "what a primary has flushed, what a replica has received" },
		{ "replayed_lsn", TEXT, "what a replica has replayed" },
		{ "lag_bytes", INT, "what a replica has still to replay of what the primary had" },
		{ "lag_ms", INT, "for how long, about, a replica has lacked what the primary had; NULL: nobody knows" },
		{ "excluded", BOOL, "whether it serves nothing because of max_lag" },
		{ "delay_ms", INT, "how long a replica waits on purpose before it replays a commit; NULL: it does not" },
		{ "sampled_ms", INT, "since it was asked for all this" },
		{ "failures", INT, "how often in a row sessions found it broken" },
		{ "aside_ms", INT, "for how long nothing is read from it for that; NULL: it is not put aside" },
		{ "under_way", INT, "reads of this router that a replica serves now" },
		{ "read_us", INT, "what a read takes there of late, as read_from fastest sees it; NULL: none was measured" },
		{ "trouble", TEXT, "what is wrong with its role: it is not what the topology calls it, or does not follow its primary; NULL: nothing" }),
		REPORT_NONE, fill_replication },
	{ "shards", "the shards of each database", COLUMNS(
		{ "name", TEXT, "the shard's name" },
		{ "database", TEXT, "as clients say it" },
		{ "primary_node", TEXT, "the node that takes its writes" },
		{ "is_home", BOOL, "whether tables that are not sharded stand here" },
		{ "nodes", INT, "number of its nodes" },
		{ "sharded_tables", INT, "number of sharded tables with rows here" },
		{ "slices", INT, "number of slices that it holds, over all of them" },
		{ "replication", TEXT, "async, semi-sync or sync: how many replicas a commit waits for" },
		{ "sync_count", INT, "of semi-sync: for how many; NULL: it is not that" },
		{ "when_missing", TEXT, "block or degrade: what happens when too few replicas stream; NULL: async" },
		{ "replication_state", TEXT, "ok; degraded: it waits for fewer; blocked: commits wait; NULL: async, or not looked at yet" }), REPORT_NONE, fill_shards },
	{ "tables", "the sharded tables", COLUMNS(
		{ "database", TEXT, "as clients say it" },
		{ "schema", TEXT, "the table's schema" },
		{ "name", TEXT, "the table's name" },
		{ "key_column", TEXT, "the shard key" },
		{ "key_type", TEXT, "the type of the shard key" },
		{ "placement", TEXT, "how keys find their shard" },
		{ "colocation", INT, "tables with the same number have equal keys on the same shard" },
		{ "slices", INT, "number of slices" },
		{ "being_sharded", BOOL, "statements on it are refused for this moment" }), REPORT_NONE, fill_tables },
	{ "slices", "the slices of each sharded table", COLUMNS(
		{ "database", TEXT, "as clients say it" },
		{ "schema", TEXT, "the table's schema" },
		{ "table_name", TEXT, "the table's name" },
		{ "shard", TEXT, "the shard that holds the slice" },
		{ "lower_bound", INT, "the first hash of the slice" },
		{ "upper_bound", INT, "the last hash of the slice" }), REPORT_NONE, fill_slices },
	{ "topology", "the topology as text: one row", COLUMNS(
		{ "epoch", INT, "grows with every change" },
		{ "json", TEXT, "all of it" }), REPORT_NONE, fill_topology },
	{ "pools", "the backends of each node, database and user on each worker", COLUMNS(
		{ "worker", INT, "the worker" },
		{ "node", TEXT, "the node" },
		{ "database", TEXT, "the database's name on the node" },
		{ "user_name", TEXT, "whom the backends are logged in as" },
		{ "idle", INT, "backends that wait for a session" },
		{ "lent", INT, "backends that a session uses" },
		{ "opening", INT, "backends that are being opened" },
		{ "cleaning", INT, "backends that are being cleaned behind a session, or taking leave" },
		{ "waiting", INT, "sessions that wait for a backend" },
		{ "pool_size", INT, "the limit, over all workers" },
		{ "used", INT, "backends that count against it, over all workers" },
		{ "opened_total", INT, "backends opened so far" },
		{ "failed_total", INT, "openings that failed" },
		{ "lent_total", INT, "times that a backend was lent" },
		{ "wait_total", INT, "times that a session had to wait" },
		{ "wait_ms", INT, "time that they waited, in all" },
		{ "last_failure", TEXT, "why the last opening failed; NULL: it did not" },
		{ "aside_ms", INT, "for how long nothing is read from this replica as this user; NULL: it is not put aside for him" }), REPORT_POOLS, fill_pools },
	{ "backends", "each connection to a node", COLUMNS(
		{ "worker", INT, "the worker" },
		{ "node", TEXT, "the node" },
		{ "database", TEXT, "the database's name on the node" },
		{ "user_name", TEXT, "whom it is logged in as" },
		{ "pid", INT, "of the server's process" },
		{ "state", TEXT, "opening, login, idle, lent, cleaning; listening: for all sessions that LISTEN; replication: for one" },
		{ "transaction", TEXT, "none, open, failed" },
		{ "session", INT, "number of the session that uses it" },
		{ "dirty", BOOL, "whether it is reset before its next session" },
		{ "prepared", INT, "statements prepared on it" },
		{ "queries", INT, "times that it was lent" },
		{ "age_ms", INT, "since it was opened" }), REPORT_BACKENDS, fill_backends },
	{ "sessions", "the clients that are connected", COLUMNS(
		{ "worker", INT, "the worker" },
		{ "number", INT, "the session's number on that worker" },
		{ "pid", INT, "the process number that its client was told; nanu.terminate_session() takes it" },
		{ "user_name", TEXT, "whom it is logged in as" },
		{ "database", TEXT, "as the client said it" },
		{ "peer", TEXT, "the client's address" },
		{ "application_name", TEXT, "as the client calls itself" },
		{ "state", TEXT, "login, ready, working" },
		{ "transaction", TEXT, "none, open, failed" },
		{ "pins", TEXT, "why it keeps its backend between transactions; empty: it does not" },
		{ "channels", INT, "that it listens to, by a connection that sessions share (state listening in nanu.backends)" },
		{ "prepared", INT, "statements that it prepared" },
		{ "settings", INT, "settings that it changed" },
		{ "legs", INT, "backends that it uses now" },
		{ "shards", TEXT, "of these backends" },
		{ "server_pids", TEXT, "process numbers of these backends on their nodes" },
		{ "age_ms", INT, "since it connected" },
		{ "statements", INT, "that it has run" }), REPORT_SESSIONS, fill_sessions },
	{ "settings", "the settings of nanu.yaml", COLUMNS(
		{ "name", TEXT, "the setting" },
		{ "value", TEXT, "what it is now" },
		{ "default_value", TEXT, "what it is when the file does not say" },
		{ "unit", TEXT, "of the value" },
		{ "needs_restart", BOOL, "whether a change takes effect at the next start only" },
		{ "pending_restart", BOOL, "whether the file was changed so, and the router still runs with the value shown" },
		{ "description", TEXT, "what it is for" }), REPORT_NONE, fill_settings },
	{ "workers", "the worker threads and what each has done", COLUMNS(
		{ "worker", INT, "its number, from 0" },
		{ "io", TEXT, "its event loop: io_uring or epoll" },
		{ "uptime_ms", INT, "since it began" },
		{ "sessions", INT, "clients that are connected now" },
		{ "sessions_total", INT, "clients that have connected" },
		{ "statements", INT, "statements run" },
		{ "transactions", INT, "transactions ended" },
		{ "errors", INT, "errors told to clients by the router" },
		{ "refused", INT, "statements refused" },
		{ "fanouts", INT, "statements run on several shards" },
		{ "replica_reads", INT, "backends of replicas lent to read from" },
		{ "replica_retries", INT, "reads that a replica refused or lost, run again elsewhere" },
		{ "hedged_reads", INT, "reads that a second replica was asked for too" },
		{ "hedges_won", INT, "reads that it answered first" },
		{ "rows_merged", INT, "rows of these told to clients" },
		{ "plan_hits", INT, "statements whose plan was known" },
		{ "plan_misses", INT, "statements that had to be planned" },
		{ "plans", INT, "plans that are kept" },
		{ "received_bytes", INT, "from clients" },
		{ "sent_bytes", INT, "to clients" },
		{ "statement_ms", INT, "time that statements took, in all" }), REPORT_COUNTERS | REPORT_SUMS, fill_workers },
	{ "stats", "the counters of nanu.workers, summed over all workers", COLUMNS(
		{ "name", TEXT, "the counter" },
		{ "value", INT, "the sum" },
		{ "description", TEXT, "what it counts" }), REPORT_COUNTERS | REPORT_SUMS, fill_stats },
	{ "reads", "what served the reads of sessions that may read from replicas, and why; one over several shards counts on each", COLUMNS(
		{ "level", TEXT, "what the session or statement asked for: nanu.consistency" },
		{ "role", TEXT, "of what served: replica, primary; none: nobody could" },
		{ "reason", TEXT, "of the choice, in a word" },
		{ "reads", INT, "that were answered, or refused, so" },
		{ "description", TEXT, "the reason" }), REPORT_COUNTERS, fill_reads },
};

const size_t admin_table_count = sizeof(admin_tables) / sizeof(admin_tables[0]);

int tables_find(const char *name)
{
	for (size_t i = 0; i < admin_table_count; i++)
		if (strcmp(admin_tables[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* ---- rows ---- */

static void note(struct filling *filling, int rc)
{
	if (filling->rc == SQLITE_OK && rc != SQLITE_OK)
		filling->rc = rc;
}

void row_text(struct filling *filling, const char *text)
{
	note(filling, sqlite3_bind_text(filling->insert, ++filling->at, text, -1, SQLITE_TRANSIENT));
}

void row_int(struct filling *filling, int64_t number)
{
	note(filling, sqlite3_bind_int64(filling->insert, ++filling->at, number));
}

void row_size(struct filling *filling, uint64_t number)
{
	row_int(filling, (int64_t)(number > INT64_MAX ? INT64_MAX : number));
}

void row_bool(struct filling *filling, bool flag)
{
	row_int(filling, flag);
}

void row_null(struct filling *filling)
{
	note(filling, sqlite3_bind_null(filling->insert, ++filling->at));
}

void row_end(struct filling *filling)
{
	if (sqlite3_step(filling->insert) != SQLITE_DONE)
		note(filling, SQLITE_ERROR);
	note(filling, sqlite3_reset(filling->insert));
	filling->at = 0;
}

/* ---- what this file knows ---- */

static void fill_columns(struct filling *filling)
{
	for (size_t i = 0; i < admin_table_count; i++) {
		for (size_t j = 0; j < admin_tables[i].column_count; j++) {
			row_text(filling, admin_tables[i].name);
			row_text(filling, admin_tables[i].columns[j].name);
			row_text(filling, value_type_name(admin_tables[i].columns[j].type));
			row_text(filling, admin_tables[i].columns[j].description);
			row_end(filling);
		}
	}
}

static void fill_settings(struct filling *filling)
{
	size_t count = config_settings(filling->config, NULL, 0);
	struct setting_row *rows = mem_calloc(count + 1, sizeof(*rows));

	config_settings(filling->config, rows, count);
	for (size_t i = 0; i < count; i++) {
		row_text(filling, rows[i].name);
		row_text(filling, rows[i].value);
		row_text(filling, rows[i].default_value);
		row_text(filling, rows[i].unit);
		row_bool(filling, rows[i].restart);
		row_bool(filling, rows[i].pending);
		row_text(filling, rows[i].description);
		row_end(filling);
	}
	mem_free(rows);
}

#include "topo/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "topo/config.h"

static const char *const io_names[] = { [IO_AUTO] = "auto", [IO_URING] = "uring", [IO_EPOLL] = "epoll", NULL };
static const char *const auth_names[] = { [AUTH_TRUST] = "trust", [AUTH_PASSWORD] = "password", [AUTH_SCRAM] = "scram", [AUTH_MD5] = "md5", NULL };
static const char *const client_tls_names[] = {
	[CLIENT_TLS_DISABLE] = "disable", [CLIENT_TLS_ALLOW] = "allow", [CLIENT_TLS_REQUIRE] = "require", NULL
};
const char *const node_tls_names[] = {
	[NODE_TLS_DISABLE] = "disable", [NODE_TLS_ALLOW] = "allow", [NODE_TLS_PREFER] = "prefer", [NODE_TLS_REQUIRE] = "require",
	[NODE_TLS_VERIFY_CA] = "verify-ca", [NODE_TLS_VERIFY_FULL] = "verify-full", NULL
};
const char *const channel_binding_names[] = {
	[CHANNEL_BINDING_DISABLE] = "disable", [CHANNEL_BINDING_PREFER] = "prefer", [CHANNEL_BINDING_REQUIRE] = "require", NULL
};
const char *const tls_version_names[] = { [TLS_VERSION_1_2] = "TLSv1.2", [TLS_VERSION_1_3] = "TLSv1.3", NULL };
static const char *const pool_names[] = { [POOL_TRANSACTION] = "transaction", [POOL_SESSION] = "session", NULL };
static const char *const toggle_names[] = { [TOGGLE_OFF] = "off", [TOGGLE_ON] = "on", NULL };
const char *const consistency_names[] = {
	[CONSISTENCY_EVENTUAL] = "eventual", [CONSISTENCY_BOUNDED] = "bounded", [CONSISTENCY_MONOTONIC] = "monotonic",
	[CONSISTENCY_READ_YOUR_WRITES] = "read_your_writes", [CONSISTENCY_SESSION] = "session", [CONSISTENCY_CAUSAL] = "causal",
	[CONSISTENCY_STRONG] = "strong", NULL
};
static const char *const strong_reads_names[] = { [STRONG_READS_PRIMARY] = "primary", [STRONG_READS_REPLICAS] = "replicas", NULL };
const char *const read_fallback_names[] = { [READ_FALLBACK_PRIMARY] = "primary", [READ_FALLBACK_ERROR] = "error", NULL };
const char *const read_from_names[] = {
	[READ_FROM_PRIMARY] = "primary", [READ_FROM_ROUND_ROBIN] = "round_robin", [READ_FROM_LEAST_LOADED] = "least_loaded",
	[READ_FROM_FASTEST] = "fastest", [READ_FROM_NEAREST] = "nearest",
	[READ_FROM_HEDGED] = "hedged", NULL
};
static const char *const level_names[] = { "debug", "info", "warn", "error", NULL };

enum { MINUTE_MS = 60 * 1000, DAY_MS = 24 * 60 * MINUTE_MS, TIMEOUT_MS_MAX = INT32_MAX, POOL_SIZE_MAX = 10000,
	CLIENTS_MAX = 1000000 };

_Static_assert(sizeof(enum pool_mode) == sizeof(unsigned), "overrides");
_Static_assert(STATEMENT_SIZE_MAX == 67108864, "the default of statement_size_max below");

/* Who may log in, and has a password that is still valid. */
#define AUTH_QUERY \
	"SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin " \
	"AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())"

#define AT(member) .offset = offsetof(struct config, member)

const struct setting settings[] = {
	{ "listen_host", "", "address that clients connect to; * means every address", SETTING_TEXT, AT(listen_host),
	  .initial = "127.0.0.1", .restart = true },
	{ "listen_port", "", "port that clients connect to", SETTING_PORT, AT(listen_port), .initial = "6432",
	  .restart = true },
	{ "replica_port", "", "a second port, whose clients read from replicas and cannot write; when not given, there is none", SETTING_PORT,
	  AT(replica_port), .restart = true },
	{ "http_host", "", "address that load balancers and Prometheus connect to; * means every address", SETTING_TEXT, AT(http_host),
	  .initial = "127.0.0.1", .restart = true },
	{ "http_port", "", "port for /health, /ready, /primary, /replica and /metrics; when not given, there is none", SETTING_PORT, AT(http_port),
	  .restart = true },
	{ "workers", "threads", "worker threads; 0 means one a core", SETTING_COUNT, AT(workers), .initial = "0", .min = 0,
	  .max = WORKERS_MAX, .restart = true },
	{ "io", "", "event loop: auto takes io_uring when the kernel allows it, epoll otherwise", SETTING_CHOICE, AT(io),
	  .initial = "auto", .choices = io_names, .restart = true },
	{ "log_level", "", "least important lines to log", SETTING_WORD, AT(log_level), .initial = "info", .choices = level_names },
	{ "log_min_duration_statement", "ms", "statements that take this long or longer are logged; 0 means all, -1 none", SETTING_COUNT_OR_OFF,
	  AT(policy.log_min_duration_statement), .initial = "-1", .max = TIMEOUT_MS_MAX, .overrides = OF_BOTH },
	{ "application_name_add_host", "", "add the client's address and port to its application_name", SETTING_SWITCH,
	  AT(application_name_add_host), .initial = "false" },
	{ "store", "", "SQLite file that keeps the topology", SETTING_PATH, AT(store), .initial = "nanu.db",
	  .restart = true },
	{ "etcd_hosts", "", "addresses of etcd's members, \"http://10.0.0.1:2379, …\": it keeps the topology, for several routers, and not the file",
	  SETTING_TEXT, AT(etcd_hosts), .restart = true },
	{ "etcd_prefix", "", "what every key in etcd begins with", SETTING_TEXT, AT(etcd_prefix), .initial = "/nanu/", .restart = true },
	{ "etcd_user", "", "who logs in to etcd; when not given, nobody does", SETTING_TEXT, AT(etcd_user), .restart = true },
	{ "etcd_password", "", "that user's password", SETTING_TEXT, AT(etcd_password), .restart = true, .secret = true },
	{ "etcd_ca_file", "", "roots that etcd's certificates must come from (PEM); when not given, the system's", SETTING_PATH, AT(etcd_ca_file),
	  .restart = true },
	{ "etcd_cert_file", "", "certificate that etcd is shown (PEM)", SETTING_PATH, AT(etcd_cert_file), .restart = true },
	{ "etcd_key_file", "", "its private key (PEM)", SETTING_PATH, AT(etcd_key_file), .restart = true },
	{ "etcd_timeout", "ms", "longest wait for an answer of etcd, over all its members", SETTING_COUNT, AT(etcd_timeout), .initial = "5000",
	  .min = 100, .max = 10 * MINUTE_MS, .restart = true },
	{ "router_timeout", "ms", "routers on one etcd that are not heard from for so long, or do not confirm a change, keep it from being made",
	  SETTING_COUNT, AT(router_timeout), .initial = "10000", .min = 1000, .max = 10 * MINUTE_MS, .restart = true },
	{ "router_name", "", "this router's name among those on one etcd; when not given, the machine's name and listen_port", SETTING_TEXT,
	  AT(router_name), .restart = true },
	{ "router_region", "", "where this router stands: read_from nearest prefers nodes of the same region", SETTING_TEXT, AT(router_region) },
	{ "router_zone", "", "where in its region: nodes of the same zone come before others of the region", SETTING_TEXT, AT(router_zone) },
	{ "pid_file", "", "file that names the process while it accepts clients", SETTING_PATH, AT(pid_file), .restart = true },
	{ "takeover_socket", "", "Unix socket through which a new process takes over (nanu serve --takeover)", SETTING_PATH,
	  AT(takeover_socket), .initial = "nanu.sock", .restart = true },
	{ "drain_timeout", "ms", "a process that was taken over ends the sessions left after this; 0 means that it waits for them",
	  SETTING_COUNT, AT(drain_timeout), .initial = "0", .max = TIMEOUT_MS_MAX, .restart = true },
	{ "router_id", "", "this router's number among several behind one address, 1 to 63; 0: there are no others", SETTING_COUNT, AT(router_id),
	  .initial = "0", .max = ROUTER_ID_MAX, .restart = true },
	{ "peers", "", "the others, to which cancel requests for their sessions go: \"2=10.0.0.2:6432, 3=10.0.0.3:6432\"", SETTING_TEXT, AT(peers) },
	{ "auth", "", "how clients prove who they are; hba says it more finely", SETTING_CHOICE, AT(auth), .initial = "scram", .choices = auth_names },
	{ "users_file", "", "users, as in PgBouncer's userlist: \"user\" \"password, SCRAM verifier or md5 hash\" a line", SETTING_PATH,
	  AT(users_file) },
	{ "auth_from_nodes", "", "ask the nodes, with auth_query, for users whom the users file lacks", SETTING_SWITCH,
	  AT(auth_from_nodes), .initial = "true" },
	{ "auth_query", "", "statement that finds a user ($1) on the database's first node: name, and verifier or hash", SETTING_TEXT,
	  AT(auth_query), .initial = AUTH_QUERY },
	{ "auth_user", "", "who runs it; when not given, node_user", SETTING_TEXT, AT(auth_user) },
	{ "auth_cache_ms_max", "ms", "for how long its answer is believed", SETTING_COUNT, AT(auth_cache_ms_max), .initial = "60000", .min = 0,
	  .max = DAY_MS },
	{ "node_user", "", "user that nanu itself connects to the nodes as", SETTING_TEXT, AT(node_user), .initial = "postgres" },
	{ "node_password", "", "its password; when not given, the users file's", SETTING_TEXT, AT(node_password), .secret = true },
	{ "admin_users", "", "who may shard every table and steer the router, separated by commas; when not given, node_user", SETTING_TEXT,
	  AT(admin_users) },
	{ "client_tls", "", "TLS with clients; when not given, allow when there is a client_tls_cert_file, else disable", SETTING_CHOICE,
	  AT(client_tls), .choices = client_tls_names },
	{ "client_tls_cert_file", "", "certificate that clients are shown (PEM, with its intermediate certificates)", SETTING_PATH,
	  AT(client_tls_cert_file) },
	{ "client_tls_key_file", "", "its private key (PEM)", SETTING_PATH, AT(client_tls_key_file) },
	{ "client_tls_ca_file", "", "roots that clients' certificates must come from (PEM); when not given, clients are not asked for one",
	  SETTING_PATH, AT(client_tls_ca_file) },
	{ "node_tls", "", "TLS with nodes, as libpq's sslmode", SETTING_CHOICE, AT(node_tls), .initial = "prefer",
	  .choices = node_tls_names },
	{ "node_tls_ca_file", "", "roots that the nodes' certificates must come from (PEM); when not given, these are not looked at",
	  SETTING_PATH, AT(node_tls_ca_file) },
	{ "node_tls_cert_file", "", "certificate that nodes are shown (PEM)", SETTING_PATH, AT(node_tls_cert_file) },
	{ "node_tls_key_file", "", "its private key (PEM)", SETTING_PATH, AT(node_tls_key_file) },
	{ "node_channel_binding", "", "channel binding of SCRAM with nodes, as libpq's channel_binding", SETTING_CHOICE,
	  AT(node_channel_binding), .initial = "prefer", .choices = channel_binding_names },
	{ "agent_tls_cert_file", "", "certificate that agents show each other, and routers agents (PEM), made out for the host of `agent`; when not given, all stay on one machine",
	  SETTING_PATH, AT(agent_tls_cert_file), .restart = true },
	{ "agent_tls_key_file", "", "its private key (PEM)", SETTING_PATH, AT(agent_tls_key_file), .restart = true },
	{ "agent_tls_ca_file", "", "roots that agents' certificates must come from (PEM): whoever has one of these is believed", SETTING_PATH,
	  AT(agent_tls_ca_file), .restart = true },
	{ "tls_version_min", "", "oldest version of TLS, with clients, with nodes and between agents", SETTING_CHOICE, AT(tls_version_min),
	  .initial = "TLSv1.2", .choices = tls_version_names },
	{ "pool_mode", "", "what a backend is lent for", SETTING_CHOICE, AT(policy.pool_mode), .initial = "transaction",
	  .choices = pool_names, .overrides = OF_BOTH },
	{ "reuse_unnamed", "", "keep unnamed statements whose text comes again prepared on the backends", SETTING_CHOICE, AT(policy.reuse_unnamed),
	  .initial = "on", .choices = toggle_names, .overrides = OF_BOTH },
	{ "auto_prepare", "", "run simple queries that come again, but for their integers, as prepared statements", SETTING_CHOICE,
	  AT(policy.auto_prepare), .initial = "off", .choices = toggle_names, .overrides = OF_BOTH },
	{ "consistency", "", "what reads may see, unless the session has set nanu.consistency: strong reads from the primary", SETTING_CHOICE,
	  AT(policy.consistency), .initial = "strong", .choices = consistency_names, .overrides = OF_BOTH },
	{ "max_staleness", "ms", "how old what consistency bounded shows may be, unless the session has set nanu.max_staleness", SETTING_COUNT,
	  AT(policy.max_staleness), .initial = "5000", .max = TIMEOUT_MS_MAX, .overrides = OF_BOTH },
	{ "read_wait", "ms", "how long a read waits for a replica that can serve it, unless the session has set nanu.read_wait", SETTING_COUNT,
	  AT(policy.read_wait), .initial = "0", .max = TIMEOUT_MS_MAX, .overrides = OF_BOTH },
	{ "failover_wait", "ms", "how long a statement waits for a primary, where the nodes have agents who see to that; 0 means not at all", SETTING_COUNT,
	  AT(policy.failover_wait), .initial = "15000", .max = TIMEOUT_MS_MAX, .overrides = OF_BOTH },
	{ "read_fallback", "", "what then serves it, unless the session has set nanu.read_fallback: the primary, or an error", SETTING_CHOICE,
	  AT(policy.read_fallback), .initial = "primary", .choices = read_fallback_names, .overrides = OF_BOTH },
	{ "strong_reads", "", "what serves reads of consistency strong: the primary, or replicas that have replayed all that it had when they were asked",
	  SETTING_CHOICE, AT(policy.strong_reads), .initial = "primary", .choices = strong_reads_names, .overrides = OF_DATABASE },
	{ "read_from", "", "which of the replicas that may serve a read does, unless the session has set nanu.read_from; primary: none", SETTING_CHOICE,
	  AT(policy.read_from), .initial = "round_robin", .choices = read_from_names, .overrides = OF_BOTH },
	{ "read_primary", "", "the primary takes its turn among the replicas, for reads below strong", SETTING_CHOICE, AT(policy.read_primary),
	  .initial = "off", .choices = toggle_names, .overrides = OF_BOTH },
	{ "max_lag", "ms", "a replica further behind serves no reads, until it is half as far; 0 means that it does", SETTING_COUNT, AT(max_lag),
	  .initial = "5000", .max = TIMEOUT_MS_MAX },
	{ "follow_roles", "", "when a replica was promoted, take it for its shard's primary, and refuse to take a node in recovery for one",
	  SETTING_CHOICE, AT(follow_roles), .initial = "on", .choices = toggle_names },
	{ "sample_interval", "ms", "how often nodes are asked where they are; in shards without replicas a twentieth as often", SETTING_COUNT,
	  AT(sample_interval), .initial = "50", .min = 10, .max = 100 },         /* a restart, of which sessions must hear, takes longer */
	{ "pool_size", "backends", "backends for each node, database and user, over all workers", SETTING_COUNT, AT(policy.pool_size),
	  .initial = "20", .min = 1, .max = POOL_SIZE_MAX, .overrides = OF_BOTH },
	{ "max_db_connections", "backends", "backends for each node and database, over all users; 0 means no limit", SETTING_COUNT,
	  AT(policy.max_db_connections), .initial = "0", .max = POOL_SIZE_MAX, .overrides = OF_DATABASE },
	{ "max_user_connections", "backends", "backends for each node and user, over all databases; 0 means no limit", SETTING_COUNT,
	  AT(policy.max_user_connections), .initial = "0", .max = POOL_SIZE_MAX, .overrides = OF_USER },
	{ "client_max", "clients", "connections of clients, over all workers", SETTING_COUNT, AT(client_max), .initial = "10000",
	  .min = 1, .max = CLIENTS_MAX },
	{ "max_db_client_connections", "clients", "connections of clients to one database; 0 means no limit", SETTING_COUNT,
	  AT(policy.max_db_client_connections), .initial = "0", .max = CLIENTS_MAX, .overrides = OF_DATABASE },
	{ "max_user_client_connections", "clients", "connections of clients of one user; 0 means no limit", SETTING_COUNT,
	  AT(policy.max_user_client_connections), .initial = "0", .max = CLIENTS_MAX, .overrides = OF_USER },
	{ "max_connections_per_address", "clients", "connections of clients from one address; 0 means no limit", SETTING_COUNT,
	  AT(max_connections_per_address), .initial = "0", .max = CLIENTS_MAX },
	{ "max_unauthenticated_connections", "clients", "connections of clients that have not logged in yet; 0 means no limit",
	  SETTING_COUNT, AT(max_unauthenticated_connections), .initial = "0", .max = CLIENTS_MAX },
	{ "pool_queue_max", "sessions", "sessions that may wait for one pool", SETTING_COUNT, AT(pool_queue_max), .initial = "1000",
	  .min = 0, .max = POOL_QUEUE_MAX },
	{ "pool_wait_ms_max", "ms", "longest wait for a backend; 0 means for ever", SETTING_COUNT, AT(policy.pool_wait_ms_max),
	  .initial = "60000", .min = 0, .max = DAY_MS, .overrides = OF_BOTH },
	{ "connect_ms_max", "ms", "longest opening of a backend", SETTING_COUNT, AT(connect_ms_max), .initial = "5000", .min = 1,
	  .max = 10 * MINUTE_MS },
	{ "login_ms_max", "ms", "longest start-up and authentication of a client", SETTING_COUNT, AT(login_ms_max),
	  .initial = "60000", .min = 1, .max = 10 * MINUTE_MS },
	{ "backend_idle_ms_max", "ms", "an idle backend is closed after this; 0 means never", SETTING_COUNT,
	  AT(backend_idle_ms_max), .initial = "600000", .min = 0, .max = DAY_MS },
	{ "server_lifetime", "ms", "a backend this old is closed when it is given back; 0 means never", SETTING_COUNT,
	  AT(server_lifetime), .initial = "3600000", .max = TIMEOUT_MS_MAX },
	{ "idle_session_timeout", "ms", "a session idle for longer, outside a transaction, is ended; 0 means never", SETTING_COUNT,
	  AT(policy.idle_session_timeout), .initial = "0", .max = TIMEOUT_MS_MAX, .overrides = OF_BOTH },
	{ "idle_in_transaction_session_timeout", "ms", "a session idle for longer within a transaction is ended; 0 means never",
	  SETTING_COUNT, AT(policy.idle_in_transaction_session_timeout), .initial = "0", .max = TIMEOUT_MS_MAX, .overrides = OF_BOTH },
	{ "transaction_timeout", "ms", "a session whose transaction takes longer is ended; 0 means never", SETTING_COUNT,
	  AT(policy.transaction_timeout), .initial = "0", .max = TIMEOUT_MS_MAX, .overrides = OF_BOTH },
	{ "query_timeout", "ms", "a statement that takes longer is canceled; 0 means never", SETTING_COUNT, AT(policy.query_timeout),
	  .initial = "0", .max = TIMEOUT_MS_MAX, .overrides = OF_BOTH },
	{ "statement_size_max", "bytes", "longest text of one statement; parameters may be larger when the shard key stands before them", SETTING_COUNT, AT(statement_size_max),
	  .initial = "67108864", .min = 1024, .max = 1u << 30 },
};

const size_t setting_count = sizeof(settings) / sizeof(settings[0]);

static void *member(struct config *config, const struct setting *setting)
{
	return (char *)config + setting->offset;
}

int setting_number(const char *name, const char *text, unsigned min, unsigned max, unsigned *ret_value, struct err *err)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long long value;

	if (digits == 0 || text[digits] || digits > 18)
		return err_set(err, ERR_CONFIG, "%s must be a whole number from %u to %u, not \"%s\"", name, min, max, text);
	value = strtoull(text, NULL, 10);
	if (value < min || value > max)
		return err_set(err, ERR_CONFIG, "%s must be from %u to %u, not %s", name, min, max, text);
	*ret_value = (unsigned)value;
	return 0;
}

/* The index of `text` among the choices; ERR_CONFIG names them all. */
static int read_choice(const struct setting *setting, const char *text, struct err *err)
{
	char all[128] = "";

	for (int i = 0; setting->choices[i]; i++) {
		size_t used = strlen(all);

		if (strcmp(setting->choices[i], text) == 0)
			return i;
		snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", setting->choices[i]);
	}
	return err_set(err, ERR_CONFIG, "%s must be one of %s, not \"%s\"", setting->name, all, text);
}

static int read_count(const struct setting *setting, const char *text, unsigned *ret_value, struct err *err)
{
	if (setting->kind == SETTING_COUNT_OR_OFF && strcmp(text, "-1") == 0) {
		*ret_value = SETTING_OFF;
		return 0;
	}
	return setting_number(setting->name, text, setting->min, setting->max, ret_value, err);
}

int setting_override(const struct setting *setting, const char *text, struct override *ret_override, struct err *err)
{
	int rc;

	if (!*text)
		return err_set(err, ERR_CONFIG, "%s has no value", setting->name);
	ret_override->offset = setting->offset - offsetof(struct config, policy);
	if (setting->kind != SETTING_CHOICE)
		return read_count(setting, text, &ret_override->value, err);
	rc = read_choice(setting, text, err);
	ret_override->value = (unsigned)rc;
	return rc < 0 ? rc : 0;
}

static int read_switch(const struct setting *setting, const char *text, bool *ret_value, struct err *err)
{
	*ret_value = strcmp(text, "true") == 0;
	if (!*ret_value && strcmp(text, "false") != 0)
		return err_set(err, ERR_CONFIG, "%s must be true or false, not \"%s\"", setting->name, text);
	return 0;
}

/* Relative paths are meant beside the configuration file, wherever nanu was started. */
static char *resolve_path(struct config *config, const char *text)
{
	const char *slash = config->path ? strrchr(config->path, '/') : NULL;

	if (*text == '/' || !slash)
		return arena_strdup(&config->arena, text);
	return arena_printf(&config->arena, "%.*s/%s", (int)(slash - config->path), config->path, text);
}

int setting_read(const struct setting *setting, const char *text, struct config *config, struct err *err)
{
	void *target = member(config, setting);
	unsigned number;
	int rc = 0;

	if (!*text)
		return err_set(err, ERR_CONFIG, "%s has no value", setting->name);
	switch (setting->kind) {
	case SETTING_COUNT:
	case SETTING_COUNT_OR_OFF:
		return read_count(setting, text, target, err);
	case SETTING_PORT:
		rc = setting_number(setting->name, text, 1, UINT16_MAX, &number, err);
		if (rc == 0)
			*(uint16_t *)target = (uint16_t)number;
		return rc;
	case SETTING_SWITCH:
		return read_switch(setting, text, target, err);
	case SETTING_CHOICE:
		rc = read_choice(setting, text, err);
		if (rc < 0)
			return rc;
		*(unsigned *)target = (unsigned)rc;
		return 0;
	case SETTING_WORD:
		rc = read_choice(setting, text, err);
		if (rc < 0)
			return rc;
		*(char **)target = arena_strdup(&config->arena, text);
		return 0;
	case SETTING_TEXT:
		*(char **)target = arena_strdup(&config->arena, text);
		return 0;
	case SETTING_PATH:
		*(char **)target = resolve_path(config, text);
		return 0;
	}
	return err_set(err, ERR_INTERNAL, "setting \"%s\" has no kind", setting->name);
}

static void show_value(const struct setting *setting, const struct config *config, char *out, size_t size)
{
	const void *source = (const char *)config + setting->offset;
	const char *text = NULL;

	switch (setting->kind) {
	case SETTING_COUNT:
	case SETTING_COUNT_OR_OFF:
		if (setting->kind == SETTING_COUNT_OR_OFF && *(const unsigned *)source == SETTING_OFF)
			snprintf(out, size, "-1");
		else
			snprintf(out, size, "%u", *(const unsigned *)source);
		return;
	case SETTING_PORT:
		snprintf(out, size, *(const uint16_t *)source ? "%u" : "", *(const uint16_t *)source);
		return;
	case SETTING_SWITCH:
		text = *(const bool *)source ? "true" : "false";
		break;
	case SETTING_CHOICE:
		text = setting->choices[*(const unsigned *)source];
		break;
	case SETTING_WORD:
	case SETTING_TEXT:
	case SETTING_PATH:
		text = *(char *const *)source;
		break;
	}
	if (text && setting->secret)
		text = "(hidden)";
	snprintf(out, size, "%s", text ? text : "");
}

/* ---- a reload ---- */

static bool same_value(const struct setting *setting, const struct config *a, const struct config *b)
{
	const char *left = (const char *)a + setting->offset, *right = (const char *)b + setting->offset;
	const char *const *left_text = (const char *const *)(const void *)left, *const *right_text = (const char *const *)(const void *)right;

	switch (setting->kind) {
	case SETTING_COUNT:
	case SETTING_COUNT_OR_OFF:
	case SETTING_CHOICE:
		return memcmp(left, right, sizeof(unsigned)) == 0;
	case SETTING_PORT:
		return memcmp(left, right, sizeof(uint16_t)) == 0;
	case SETTING_SWITCH:
		return memcmp(left, right, sizeof(bool)) == 0;
	case SETTING_WORD:
	case SETTING_TEXT:
	case SETTING_PATH:
		break;
	}
	return *left_text && *right_text ? strcmp(*left_text, *right_text) == 0 : *left_text == *right_text;
}

static void copy_value(const struct setting *setting, struct config *to, const struct config *from)
{
	const void *source = (const char *)from + setting->offset;
	const char *text;

	switch (setting->kind) {
	case SETTING_COUNT:
	case SETTING_COUNT_OR_OFF:
	case SETTING_CHOICE:
		memcpy(member(to, setting), source, sizeof(unsigned));
		return;
	case SETTING_PORT:
		memcpy(member(to, setting), source, sizeof(uint16_t));
		return;
	case SETTING_SWITCH:
		memcpy(member(to, setting), source, sizeof(bool));
		return;
	case SETTING_WORD:
	case SETTING_TEXT:
	case SETTING_PATH:
		text = *(char *const *)source;
		*(char **)member(to, setting) = text ? arena_strdup(&to->arena, text) : NULL;
	}
}

void config_follow(struct config *fresh, const struct config *running)
{
	fresh->pending = arena_calloc(&fresh->arena, setting_count, sizeof(*fresh->pending));
	for (size_t i = 0; i < setting_count; i++) {
		fresh->pending[i] = settings[i].restart && !same_value(&settings[i], fresh, running);
		if (fresh->pending[i])
			copy_value(&settings[i], fresh, running);
	}
}

size_t config_settings(const struct config *config, struct setting_row *rows, size_t rows_max)
{
	for (size_t i = 0; i < setting_count && i < rows_max; i++) {
		const struct setting *setting = &settings[i];
		struct setting_row *row = &rows[i];

		row->name = setting->name;
		row->unit = setting->unit;
		row->description = setting->description;
		row->restart = setting->restart;
		row->pending = config && config->pending && config->pending[i];
		snprintf(row->default_value, sizeof(row->default_value), "%s", setting->initial ? setting->initial : "");
		if (config)
			show_value(setting, config, row->value, sizeof(row->value));
		else
			snprintf(row->value, sizeof(row->value), "%s", row->default_value);
	}
	return setting_count;
}

enum { NEAR_SIZE_MAX = 40, NEAR_DISTANCE_MAX = 3, NEAR_SHARE = 3 };

/* Letters that were added, left out, changed or exchanged with their neighbour (optimal string alignment), with three rows of the table. */
static unsigned distance(const char *a, const char *b)
{
	size_t b_size = strlen(b);
	unsigned rows[3][NEAR_SIZE_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_size; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned *free_row = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_size; j++) {
			unsigned change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
			unsigned shift = (last[j] < row[j - 1] ? last[j] : row[j - 1]) + 1;

			row[j] = change < shift ? change : shift;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = last;
		last = row;
		row = free_row;
	}
	return last[b_size];
}

const char *setting_nearest(const char *text, const char *const *names)
{
	const char *nearest = NULL;
	size_t limit = (strlen(text) + 1) / NEAR_SHARE;         /* of a short word, nearly every other one is near */
	unsigned best = (limit < NEAR_DISTANCE_MAX ? (unsigned)limit : NEAR_DISTANCE_MAX) + 1;

	for (; *names; names++) {
		unsigned now = strlen(*names) <= NEAR_SIZE_MAX ? distance(text, *names) : best;

		if (now < best) {
			best = now;
			nearest = *names;
		}
	}
	return nearest;
}

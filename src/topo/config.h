/* config: nanu.yaml, read into plain structs (libcyaml), and checked.
 *
 * Every setting has its default here, its unit in its name or its row, and one row in the table behind `nanu.settings`. Immutable once read, and
 * shared between threads by reference count: a reload makes a new one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "net/address.h"
#include "net/tls_context.h"
#include "topo/hba.h"

struct topology;

enum pool_mode { POOL_TRANSACTION, POOL_SESSION };
enum toggle { TOGGLE_OFF, TOGGLE_ON };
enum io_engine { IO_AUTO, IO_URING, IO_EPOLL };
enum client_tls { CLIENT_TLS_DISABLE, CLIENT_TLS_ALLOW, CLIENT_TLS_REQUIRE };
enum node_tls {                         /* as libpq's sslmode */
	NODE_TLS_DISABLE, NODE_TLS_ALLOW, NODE_TLS_PREFER, NODE_TLS_REQUIRE, NODE_TLS_VERIFY_CA, NODE_TLS_VERIFY_FULL
};

enum channel_binding { CHANNEL_BINDING_DISABLE, CHANNEL_BINDING_PREFER, CHANNEL_BINDING_REQUIRE };      /* as libpq's */

/* What a session's reads may see (session/reads.h has what each promises), in order. */
enum consistency {
	CONSISTENCY_EVENTUAL, CONSISTENCY_BOUNDED, CONSISTENCY_MONOTONIC, CONSISTENCY_READ_YOUR_WRITES, CONSISTENCY_SESSION, CONSISTENCY_CAUSAL,
	CONSISTENCY_STRONG
};
extern const char *const consistency_names[];   /* ends with NULL */

enum strong_reads { STRONG_READS_PRIMARY, STRONG_READS_REPLICAS };
enum read_fallback { READ_FALLBACK_PRIMARY, READ_FALLBACK_ERROR };
extern const char *const read_fallback_names[]; /* ends with NULL */
/* Which of the replicas that may serve a read does (route/balance.h). */
enum read_from { READ_FROM_PRIMARY, READ_FROM_ROUND_ROBIN, READ_FROM_LEAST_LOADED, READ_FROM_NEAREST, READ_FROM_FASTEST, READ_FROM_HEDGED };
extern const char *const read_from_names[];     /* ends with NULL */

/* What a database and a user may have otherwise than the router: a user's goes before a database's, and that before the router's. Each member
 * has the size of an unsigned. */
struct policy {
	enum pool_mode pool_mode;       /* transaction */
	enum toggle reuse_unnamed;      /* on */
	enum toggle auto_prepare;       /* off */
	enum consistency consistency;   /* strong */
	unsigned max_staleness;         /* ms; 5000 */
	unsigned read_wait;             /* ms; 0: for a replica that can serve */
	unsigned failover_wait;         /* ms; 15000: for a shard's next primary; 0: statements do not wait */
	enum read_fallback read_fallback;       /* primary: what serves when none can */
	enum strong_reads strong_reads; /* primary: what serves CONSISTENCY_STRONG. Not a user's */
	enum read_from read_from;       /* round_robin */
	enum toggle read_primary;       /* off: the primary takes its turn among the replicas */
	unsigned pool_size;             /* backends for each (node, database, user) over all workers; 20 */
	unsigned max_db_connections;    /* backends for each (node, database), over all users; 0: no limit. Not a user's */
	unsigned max_user_connections;  /* backends for each (node, user), over all databases; 0: no limit. Not a database's */
	unsigned max_db_client_connections, max_user_client_connections;        /* clients of one database, of one user; 0: no limit */
	unsigned pool_wait_ms_max;      /* 60000; 0: for ever */
	unsigned idle_session_timeout, idle_in_transaction_session_timeout, transaction_timeout, query_timeout; /* ms; 0: none */
	unsigned log_min_duration_statement;    /* ms; SETTING_OFF: nothing is logged */
};

#define SETTING_OFF UINT32_MAX          /* -1 in the file */

struct override { size_t offset; unsigned value; };     /* of a member of struct policy */

struct config_node { char *name, *host; uint16_t port; char *region, *zone; unsigned weight; char *agent; };     /* agent: HOST:PORT; NULL: none */
struct config_shard { char *name; char **nodes; unsigned nodes_count; };        /* the first node is the primary */
struct config_database {
	char *name;
	char *node_database;            /* default: name */
	char **shards;                  /* default: every shard, in the file's order */
	unsigned shards_count;
	struct override *overrides;
	unsigned overrides_count;
};
struct config_user { char *name; struct override *overrides; unsigned overrides_count; };

enum { ROUTER_ID_MAX = 63 };
struct config_peer { unsigned id; struct node_address address; };

struct config {
	unsigned refs;                  /* atomic */
	struct arena arena;             /* everything below lives here */
	bool *pending;                  /* for each row of the settings table: the file says otherwise, and a restart makes it so; NULL: none */
	char *path;                     /* of the file that was read; relative paths in it are resolved against its folder */

	char *listen_host;              /* 127.0.0.1 */
	uint16_t listen_port;           /* 6432 */
	uint16_t replica_port;          /* 0: none; who comes to it reads from replicas, and cannot write */
	char *http_host;                /* 127.0.0.1 */
	uint16_t http_port;             /* 0: nothing is answered over HTTP */
	unsigned workers;               /* 0: one a core */
	enum io_engine io;              /* auto */
	char *log_level;                /* info */
	bool application_name_add_host; /* false */
	char *pid_file;                 /* path; NULL: none */
	char *takeover_socket;          /* path of the Unix socket; default nanu.sock beside the configuration file */
	unsigned drain_timeout;         /* ms; 0: none */
	unsigned router_id;             /* among those behind one address; 0: there are no others */
	char *peers;                    /* the others, as written; NULL: none */
	struct config_peer peer_list[ROUTER_ID_MAX + 1];        /* read; without this router itself */
	unsigned peer_count;
	char *store;                    /* path of the SQLite file; default nanu.db beside the configuration file */
	char *etcd_hosts;               /* addresses of etcd's members, comma-separated: the store is etcd then; NULL: it is the file */
	char *etcd_prefix;              /* before every key; /nanu/ */
	char *etcd_user, *etcd_password;        /* NULL: nobody logs in */
	char *etcd_ca_file, *etcd_cert_file, *etcd_key_file;    /* PEM; NULL: the system's roots, no certificate */
	unsigned etcd_timeout;          /* ms; 5000: one call, over all members */
	unsigned router_timeout;        /* ms; 10000: for routers to hear from each other, and to confirm a change */
	char *router_region, *router_zone;      /* where this router stands; NULL: not said */
	char *router_name;              /* among the routers on one etcd; NULL: the machine's name and listen_port */

	enum auth_method auth;          /* scram; without `hba` */
	struct hba_rule *hba;           /* never empty: without rules in the file, what `auth` means */
	unsigned hba_count;
	char *users_file;               /* "user" "password, verifier or md5 hash" a line, as in PgBouncer's userlist */
	bool auth_from_nodes;           /* true: ask the node with auth_query for users whom the users file lacks */
	char *auth_query;               /* $1 is the user's name; (name, secret) */
	char *auth_user;                /* who asks; default: node_user */
	unsigned auth_cache_ms_max;     /* 60000: for how long an answer is believed */
	char *node_user;                /* what nanu itself connects as (control plane); default: postgres */
	char *node_password;            /* its password, or NULL */
	char *admin_users;              /* comma-separated: who may change the topology; default: node_user */

	enum client_tls client_tls;     /* allow when there is a certificate, else disable */
	char *client_tls_cert_file, *client_tls_key_file;       /* PEM */
	char *client_tls_ca_file;       /* roots of clients' certificates; NULL: they are not asked for */
	enum node_tls node_tls;         /* prefer */
	char *node_tls_ca_file;         /* roots of the nodes' certificates; NULL: these are not looked at */
	char *node_tls_cert_file, *node_tls_key_file;           /* what the nodes are shown; NULL: nothing */
	enum channel_binding node_channel_binding;      /* prefer */
	char *agent_tls_cert_file, *agent_tls_key_file, *agent_tls_ca_file;     /* PEM; all NULL: agents speak plainly with each other, on one machine */
	enum tls_version tls_version_min;       /* 1.2 */
	struct tls_context *client_tls_context, *node_tls_context;      /* references; NULL: no TLS on that side, or config_open_tls() is to come */

	struct policy policy;           /* unless a database or user has it otherwise */
	unsigned max_lag;               /* ms; 5000: a replica further behind serves nothing, until it is half as near again; 0: never mind */
	enum toggle follow_roles;       /* on: who is a primary is as the nodes themselves say */
	unsigned sample_interval;       /* ms; 50: between two samples of a node's positions; 20 times that in a shard without replicas */
	unsigned client_max;            /* 10000 */
	unsigned max_connections_per_address;   /* clients of one address; 0: no limit */
	unsigned max_unauthenticated_connections;       /* clients that have not proven who they are; 0: no limit */
	unsigned pool_queue_max;        /* sessions waiting for one pool; 1000 */
	unsigned connect_ms_max;        /* 5000: opening a backend */
	unsigned login_ms_max;          /* 60000: a client's start-up and authentication */
	unsigned backend_idle_ms_max;   /* 600000: an idle backend is closed; 0: never */
	unsigned server_lifetime;       /* ms; 3600000: a backend this old is closed when it is given back; 0: never */
	unsigned statement_size_max;    /* bytes of one Query or Parse; limits.h:STATEMENT_SIZE_MAX */

	struct config_node *nodes;
	unsigned nodes_count;
	struct config_shard *shards;
	unsigned shards_count;
	struct config_database *databases;
	unsigned databases_count;
	struct config_user *users;      /* those with settings of their own */
	unsigned users_count;
};

/* Reads and checks the file. ERR_CONFIG names file, line where known, and the reason. */
must_use int config_read(const char *path, struct config **ret_config, struct err *err);
struct config *config_ref(struct config *config);
void config_unref(struct config *config);               /* NULL is allowed */

/* Before `fresh` takes the place of `running`: what only a restart changes stays as it runs, and is noted as pending. */
void config_follow(struct config *fresh, const struct config *running);

/* What holds for `user` in `database` (NULL: one that the configuration does not name). */
void config_policy(const struct config *config, const struct config_database *database, const char *user, struct policy *ret_policy);
const struct config_database *config_database(const struct config *config, const char *name);   /* NULL when there is none */
/* The first one that is called so on the nodes, where databases of several names share pools; NULL when there is none. */
const struct config_database *config_database_on_nodes(const struct config *config, const char *node_database);

/* Whether the node has an agent, which then tells it whom its commits wait for. */
bool config_has_agent(const struct config *config, const char *node);
/* What agents and who asks them know each other by; false: they have nothing of the kind. */
bool config_agent_tls(const struct config *config, struct tls_files *ret_files);
/* What agents tell each other is believed by whoever hears it: ERR_CONFIG where it would leave the machine as it is. Looks names up, so it may block. */
must_use int config_check_agents(const struct config *config, struct err *err);

/* Reads `peers` into the list. ERR_CONFIG, without the file's name. */
must_use int config_read_peers(struct config *config, struct err *err);

/* Reads the certificates, keys and roots that the configuration names: before anybody else has it. ERR_CONFIG as tls_context_new(). */
must_use int config_open_tls(struct config *config, struct err *err);
/* Whether connections to nodes are secured alike, but for what their files say. */
bool config_same_node_tls(const struct config *a, const struct config *b);

/* The first topology of a configuration (epoch 1, no tables), and: the nodes, shards and databases of the configuration with the tables of
 * `stored` the nodes that were added and the replication that was chosen while the router ran, at stored's epoch when nothing changed and at the next one when something did. ERR_CONFIG when a stored table stands in a database
 * or on a shard that the configuration no longer has, when a database's home shard is not the stored one: its data would be lost; when the shard of an added node is gone; and when a shard has fewer replicas than it waits for. */
must_use int config_topology(const struct config *config, const struct topology *stored, struct topology **ret_topology,
			     struct err *err);

/* One row a setting, for nanu.settings and `nanu serve --help` (then without a configuration: NULL, and the values are the defaults).
 * Fills at most rows_max rows; returns how many settings there are. Passwords are not shown. */
struct setting_row {
	const char *name, *unit, *description;
	char value[256], default_value[256];
	bool restart;                   /* a change takes effect at the next start */
	bool pending;                   /* there is such a change */
};
size_t config_settings(const struct config *config, struct setting_row *rows, size_t rows_max);

#include "topo/config.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "topo/config_hba.h"
#include "topo/config_yaml.h"
#include "topo/lines.h"
#include "topo/settings.h"

enum { CONFIG_BLOCK_SIZE = 4 << 10, WHERE_SIZE = 96, NODE_PORT_DEFAULT = 5432 };

/* One reading of one file. */
struct reading {
	struct config *config;
	const struct config_yaml *yaml;
	const struct lines *lines;
	struct err *err;
};

/* `where` is the place in the file that is to blame: "shards[1].nodes[0]". */
__attribute__((format(printf, 3, 4))) static int refuse(const struct reading *reading, const char *where, const char *format, ...)
{
	char reason[400];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return err_set(reading->err, ERR_CONFIG, "%s:%u: %s", reading->config->path, lines_of(reading->lines, where), reason);
}

static const char *at(char where[WHERE_SIZE], const char *list, unsigned index, const char *rest)
{
	snprintf(where, WHERE_SIZE, "%s[%u]%s", list, index, rest);
	return where;
}

static int read_settings(const struct reading *reading)
{
	for (size_t i = 0; i < setting_count; i++) {
		const char *given = reading->yaml->settings[i];
		const char *text = given ? given : settings[i].initial;
		struct err reason;

		if (text && setting_read(&settings[i], text, reading->config, &reason) < 0)
			return refuse(reading, settings[i].name, "%s", reason.message);
	}
	return 0;
}

static bool is_given(const struct reading *reading, const char *name)
{
	for (size_t i = 0; i < setting_count; i++)
		if (strcmp(settings[i].name, name) == 0)
			return reading->yaml->settings[i] != NULL;
	return false;
}

static int read_name(const struct reading *reading, const char *list, unsigned index, const char *what, const char *name,
		     char **ret_name)
{
	char where[WHERE_SIZE];

	if (!*name)
		return refuse(reading, at(where, list, index, ".name"), "a %s needs a name", what);
	if (strlen(name) >= NAME_SIZE_MAX)
		return refuse(reading, at(where, list, index, ".name"), "the name of a %s has at most %d bytes", what,
			      NAME_SIZE_MAX - 1);
	*ret_name = arena_strdup(&reading->config->arena, name);
	return 0;
}

static int read_node(const struct reading *reading, unsigned index)
{
	const struct yaml_node_entry *entry = &reading->yaml->nodes[index];
	struct config_node *nodes = reading->config->nodes, *node = &nodes[index];
	struct arena *arena = &reading->config->arena;
	unsigned port = NODE_PORT_DEFAULT, weight = 1;
	char where[WHERE_SIZE], host[ADDRESS_HOST_SIZE];
	struct err reason;
	int rc = read_name(reading, "nodes", index, "node", entry->name, &node->name);

	if (rc < 0)
		return rc;
	if (!*entry->host)
		return refuse(reading, at(where, "nodes", index, ".host"), "node \"%s\" needs a host", node->name);
	if (entry->port && setting_number("port", entry->port, 1, UINT16_MAX, &port, &reason) < 0)
		return refuse(reading, at(where, "nodes", index, ".port"), "node \"%s\": %s", node->name, reason.message);
	if (entry->weight && setting_number("weight", entry->weight, 0, WEIGHT_MAX, &weight, &reason) < 0)
		return refuse(reading, at(where, "nodes", index, ".weight"), "node \"%s\": %s", node->name, reason.message);
	node->host = arena_strdup(arena, entry->host);
	node->port = (uint16_t)port;
	node->region = arena_strdup(arena, entry->region ? entry->region : "");
	node->zone = arena_strdup(arena, entry->zone ? entry->zone : "");
	node->weight = weight;
	if (entry->agent && !address_split(entry->agent, host, sizeof(host)))
		return refuse(reading, at(where, "nodes", index, ".agent"), "node \"%s\": agent must be HOST:PORT, not \"%s\"", node->name, entry->agent);
	node->agent = entry->agent ? arena_strdup(arena, entry->agent) : NULL;
	for (unsigned i = 0; i < index; i++) {
		if (strcmp(nodes[i].name, node->name) == 0)
			return refuse(reading, at(where, "nodes", index, ".name"), "two nodes are named \"%s\"", node->name);
		if (nodes[i].port == node->port && strcmp(nodes[i].host, node->host) == 0)
			return refuse(reading, at(where, "nodes", index, ".host"),
				      "nodes \"%s\" and \"%s\" are the same server, %s port %u", nodes[i].name, node->name,
				      node->host, node->port);
	}
	return 0;
}

/* Whether an earlier place of the file, of shard `shard` entry `entry`, has taken this node already. */
static const char *taken_by(const struct config *config, const char *node, unsigned shard, unsigned entry)
{
	for (unsigned i = 0; i <= shard; i++)
		for (unsigned j = 0; j < (i < shard ? config->shards[i].nodes_count : entry); j++)
			if (strcmp(config->shards[i].nodes[j], node) == 0)
				return config->shards[i].name;
	return NULL;
}

static bool has_node(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->nodes_count; i++)
		if (strcmp(config->nodes[i].name, name) == 0)
			return true;
	return false;
}

static int read_shard(const struct reading *reading, unsigned index)
{
	const struct yaml_shard_entry *entry = &reading->yaml->shards[index];
	struct config *config = reading->config;
	struct config_shard *shard = &config->shards[index];
	char where[WHERE_SIZE], rest[WHERE_SIZE / 2];
	int rc = read_name(reading, "shards", index, "shard", entry->name, &shard->name);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < index; i++)
		if (strcmp(config->shards[i].name, shard->name) == 0)
			return refuse(reading, at(where, "shards", index, ".name"), "two shards are named \"%s\"", shard->name);
	shard->nodes_count = entry->nodes_count;
	shard->nodes = arena_calloc(&config->arena, entry->nodes_count, sizeof(*shard->nodes));
	for (unsigned i = 0; i < entry->nodes_count; i++) {
		const char *node = entry->nodes[i], *other = taken_by(config, node, index, i);

		snprintf(rest, sizeof(rest), ".nodes[%u]", i);
		if (!has_node(config, node))
			return refuse(reading, at(where, "shards", index, rest), "shard \"%s\" names node \"%s\", which is not there",
				      shard->name, node);
		if (other)
			return refuse(reading, at(where, "shards", index, rest),
				      "node \"%s\" of shard \"%s\" is already a node of shard \"%s\"", node, shard->name, other);
		shard->nodes[i] = arena_strdup(&config->arena, node);
	}
	return 0;
}

static int check_nodes_used(const struct reading *reading)
{
	const struct config *config = reading->config;
	char where[WHERE_SIZE];

	for (unsigned i = 0; i < config->nodes_count; i++)
		if (!taken_by(config, config->nodes[i].name, config->shards_count - 1,
			      config->shards[config->shards_count - 1].nodes_count))
			return refuse(reading, at(where, "nodes", i, ".name"), "node \"%s\" is in no shard", config->nodes[i].name);
	return 0;
}

static bool has_shard(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->shards_count; i++)
		if (strcmp(config->shards[i].name, name) == 0)
			return true;
	return false;
}

static int read_database_shards(const struct reading *reading, unsigned index)
{
	const struct yaml_database_entry *entry = &reading->yaml->databases[index];
	struct config *config = reading->config;
	struct config_database *database = &config->databases[index];
	char where[WHERE_SIZE], rest[WHERE_SIZE / 2];

	database->shards_count = entry->shards ? entry->shards_count : config->shards_count;
	database->shards = arena_calloc(&config->arena, database->shards_count, sizeof(*database->shards));
	for (unsigned i = 0; i < database->shards_count; i++) {
		const char *shard = entry->shards ? entry->shards[i] : config->shards[i].name;

		snprintf(rest, sizeof(rest), ".shards[%u]", i);
		if (!has_shard(config, shard))
			return refuse(reading, at(where, "databases", index, rest),
				      "database \"%s\" names shard \"%s\", which is not there", database->name, shard);
		for (unsigned j = 0; j < i; j++)
			if (strcmp(database->shards[j], shard) == 0)
				return refuse(reading, at(where, "databases", index, rest), "database \"%s\" names shard \"%s\" twice",
					      database->name, shard);
		database->shards[i] = arena_strdup(&config->arena, shard);
	}
	return 0;
}

/* The settings of one database or user. */
static int read_overrides(const struct reading *reading, const char *list, unsigned index, char *const *given, struct override **ret_overrides,
			  unsigned *ret_count)
{
	char where[WHERE_SIZE], rest[WHERE_SIZE / 2];
	struct err reason;

	*ret_overrides = arena_calloc(&reading->config->arena, setting_count, sizeof(**ret_overrides));
	for (size_t i = 0; i < setting_count; i++) {
		if (!given[i])
			continue;
		snprintf(rest, sizeof(rest), ".%s", settings[i].name);
		if (setting_override(&settings[i], given[i], &(*ret_overrides)[*ret_count], &reason) < 0)
			return refuse(reading, at(where, list, index, rest), "%s", reason.message);
		++*ret_count;
	}
	return 0;
}

static int read_user(const struct reading *reading, unsigned index)
{
	const struct yaml_user_entry *entry = &reading->yaml->users[index];
	struct config_user *users = reading->config->users, *user = &users[index];
	char where[WHERE_SIZE];
	int rc = read_name(reading, "users", index, "user", entry->name, &user->name);

	for (unsigned i = 0; rc == 0 && i < index; i++)
		if (strcmp(users[i].name, user->name) == 0)
			rc = refuse(reading, at(where, "users", index, ".name"), "two users are named \"%s\"", user->name);
	return rc < 0 ? rc : read_overrides(reading, "users", index, entry->overrides, &user->overrides, &user->overrides_count);
}

static int read_database(const struct reading *reading, unsigned index)
{
	const struct yaml_database_entry *entry = &reading->yaml->databases[index];
	struct config *config = reading->config;
	struct config_database *databases = config->databases, *database = &databases[index];
	const char *inner = entry->node_database ? entry->node_database : entry->name;
	char where[WHERE_SIZE];
	int rc = read_name(reading, "databases", index, "database", entry->name, &database->name);

	if (rc < 0)
		return rc;
	if (!*inner || strlen(inner) >= NAME_SIZE_MAX)
		return refuse(reading, at(where, "databases", index, ".node_database"),
			      "node_database of \"%s\" must have from 1 to %d bytes", database->name, NAME_SIZE_MAX - 1);
	database->node_database = arena_strdup(&config->arena, inner);
	for (unsigned i = 0; i < index; i++)
		if (strcmp(databases[i].name, database->name) == 0)
			return refuse(reading, at(where, "databases", index, ".name"), "two databases are named \"%s\"",
				      database->name);
	rc = read_overrides(reading, "databases", index, entry->overrides, &database->overrides, &database->overrides_count);
	return rc < 0 ? rc : read_database_shards(reading, index);
}

static int check_tls(const struct reading *reading)
{
	struct config *config = reading->config;

	if (config->client_tls_cert_file && !config->client_tls_key_file)
		return refuse(reading, "client_tls_cert_file", "client_tls_cert_file needs client_tls_key_file");
	if (config->client_tls_key_file && !config->client_tls_cert_file)
		return refuse(reading, "client_tls_key_file", "client_tls_key_file needs client_tls_cert_file");
	if (!is_given(reading, "client_tls"))
		config->client_tls = config->client_tls_cert_file ? CLIENT_TLS_ALLOW : CLIENT_TLS_DISABLE;
	if (config->client_tls != CLIENT_TLS_DISABLE && !config->client_tls_cert_file)
		return refuse(reading, "client_tls", "TLS with clients needs client_tls_cert_file and client_tls_key_file");
	if (config->node_tls_cert_file && !config->node_tls_key_file)
		return refuse(reading, "node_tls_cert_file", "node_tls_cert_file needs node_tls_key_file");
	if (config->node_tls_key_file && !config->node_tls_cert_file)
		return refuse(reading, "node_tls_key_file", "node_tls_key_file needs node_tls_cert_file");
	if (config->node_tls >= NODE_TLS_VERIFY_CA && !config->node_tls_ca_file)
		return refuse(reading, "node_tls", "to verify the nodes' certificates, node_tls needs node_tls_ca_file");
	if (!config->agent_tls_cert_file != !config->agent_tls_key_file || !config->agent_tls_cert_file != !config->agent_tls_ca_file)
		return refuse(reading, config->agent_tls_cert_file ? "agent_tls_cert_file" : config->agent_tls_key_file ? "agent_tls_key_file" : "agent_tls_ca_file",
			      "agent_tls_cert_file, agent_tls_key_file and agent_tls_ca_file need each other");
	if (config->node_channel_binding == CHANNEL_BINDING_REQUIRE && config->node_tls < NODE_TLS_REQUIRE)
		return refuse(reading, "node_channel_binding", "channel binding needs TLS: node_tls must be require, verify-ca or verify-full");
	return 0;
}

static int read_hba(const struct reading *reading)
{
	struct config *config = reading->config;
	char where[WHERE_SIZE];
	struct err reason;

	if (!reading->yaml->hba) {
		config_hba_default(config);
		return 0;
	}
	if (is_given(reading, "auth"))
		return refuse(reading, "auth", "auth and hba exclude each other: every rule of hba has a method of its own");
	config->hba_count = reading->yaml->hba_count;
	config->hba = arena_calloc(&config->arena, config->hba_count, sizeof(*config->hba));
	for (unsigned i = 0; i < config->hba_count; i++)
		if (config_hba_read(&reading->yaml->hba[i], config, &config->hba[i], &reason) < 0)
			return refuse(reading, at(where, "hba", i, ""), "rule %u of hba: %s", i + 1, reason.message);
	return 0;
}

static bool somebody_may_log_in(const struct config *config)
{
	if (config->users_file || config->auth_from_nodes)
		return true;
	for (unsigned i = 0; i < config->hba_count; i++)
		if (config->hba[i].method == AUTH_TRUST || config->hba[i].method == AUTH_CERT)
			return true;
	return false;
}

static int check_etcd(const struct reading *reading)
{
	const struct config *config = reading->config;
	const char *name = config->router_name;

	if (!config->etcd_cert_file != !config->etcd_key_file)
		return refuse(reading, config->etcd_cert_file ? "etcd_cert_file" : "etcd_key_file",
			      "etcd_cert_file and etcd_key_file need each other");
	if (config->etcd_password && !config->etcd_user)
		return refuse(reading, "etcd_password", "etcd_password needs an etcd_user");
	if (name && (strlen(name) >= NAME_SIZE_MAX || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") != strlen(name)))
		return refuse(reading, "router_name", "router_name has at most %d letters, digits, dots, colons, hyphens and underscores, not \"%s\"",
			      NAME_SIZE_MAX - 1, name);
	return 0;
}

static bool hosts_meet(const char *a, const char *b)
{
	return strcmp(a, b) == 0 || strcmp(a, "*") == 0 || strcmp(b, "*") == 0;
}

/* What only two settings together can get wrong. */
static int check_settings(const struct reading *reading)
{
	struct config *config = reading->config;
	struct err reason;
	int rc;

	if (config_read_peers(config, &reason) < 0)
		return refuse(reading, "peers", "%s", reason.message);
	if (config->http_port == config->listen_port && hosts_meet(config->http_host, config->listen_host))
		return refuse(reading, "http_port", "http_port and listen_port are both %u: each needs a port of its own", config->http_port);
	if (config->replica_port && config->replica_port == config->listen_port)
		return refuse(reading, "replica_port", "replica_port and listen_port are both %u: each needs a port of its own", config->replica_port);
	if (config->replica_port && config->http_port == config->replica_port && hosts_meet(config->http_host, config->listen_host))
		return refuse(reading, "replica_port", "replica_port and http_port are both %u: each needs a port of its own", config->replica_port);
	if (!config->admin_users)
		config->admin_users = arena_strdup(&config->arena, config->node_user);
	if (!config->auth_user)
		config->auth_user = config->node_user;
	rc = check_tls(reading);
	if (rc == 0)
		rc = check_etcd(reading);
	if (rc == 0)
		rc = read_hba(reading);
	if (rc == 0 && !somebody_may_log_in(config))
		return refuse(reading, "auth_from_nodes", "nobody could log in: there is no users_file, and auth_from_nodes is false");
	return rc;
}

static int read_all(const struct reading *reading)
{
	const struct config_yaml *yaml = reading->yaml;
	struct config *config = reading->config;
	int rc = read_settings(reading);

	config->nodes_count = yaml->nodes_count;
	config->nodes = arena_calloc(&config->arena, yaml->nodes_count, sizeof(*config->nodes));
	config->shards_count = yaml->shards_count;
	config->shards = arena_calloc(&config->arena, yaml->shards_count, sizeof(*config->shards));
	config->databases_count = yaml->databases_count;
	config->databases = arena_calloc(&config->arena, yaml->databases_count, sizeof(*config->databases));
	config->users_count = yaml->users_count;
	config->users = arena_calloc(&config->arena, yaml->users_count, sizeof(*config->users));
	for (unsigned i = 0; rc == 0 && i < yaml->nodes_count; i++)
		rc = read_node(reading, i);
	for (unsigned i = 0; rc == 0 && i < yaml->shards_count; i++)
		rc = read_shard(reading, i);
	if (rc == 0)
		rc = check_nodes_used(reading);
	for (unsigned i = 0; rc == 0 && i < yaml->databases_count; i++)
		rc = read_database(reading, i);
	for (unsigned i = 0; rc == 0 && i < yaml->users_count; i++)
		rc = read_user(reading, i);
	return rc < 0 ? rc : check_settings(reading);
}

int config_read(const char *path, struct config **ret_config, struct err *err)
{
	struct config_yaml *yaml = NULL;
	struct lines *lines = NULL;
	struct config *config;
	int rc = lines_read(path, &lines, err);

	if (rc == 0)
		rc = config_yaml_read(path, lines, &yaml, err);
	if (rc < 0) {
		lines_free(lines);
		return rc;
	}
	config = mem_calloc(1, sizeof(*config));
	config->refs = 1;
	arena_init(&config->arena, CONFIG_BLOCK_SIZE);
	config->path = arena_strdup(&config->arena, path);
	rc = read_all(&(struct reading){ .config = config, .yaml = yaml, .lines = lines, .err = err });
	config_yaml_free(yaml);
	lines_free(lines);
	if (rc < 0) {
		config_unref(config);
		return rc;
	}
	*ret_config = config;
	return 0;
}

struct config *config_ref(struct config *config)
{
	__atomic_add_fetch(&config->refs, 1, __ATOMIC_RELAXED);
	return config;
}

void config_unref(struct config *config)
{
	if (!config || __atomic_sub_fetch(&config->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	tls_context_unref(config->client_tls_context);
	tls_context_unref(config->node_tls_context);
	arena_release(&config->arena);
	mem_free(config);
}

const struct config_database *config_database(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->databases_count; i++)
		if (strcmp(config->databases[i].name, name) == 0)
			return &config->databases[i];
	return NULL;
}

const struct config_database *config_database_on_nodes(const struct config *config, const char *node_database)
{
	for (unsigned i = 0; i < config->databases_count; i++)
		if (strcmp(config->databases[i].node_database, node_database) == 0)
			return &config->databases[i];
	return NULL;
}

static void apply(struct policy *policy, const struct override *overrides, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		memcpy((char *)policy + overrides[i].offset, &overrides[i].value, sizeof(overrides[i].value));
}

void config_policy(const struct config *config, const struct config_database *database, const char *user, struct policy *ret_policy)
{
	*ret_policy = config->policy;
	if (database)
		apply(ret_policy, database->overrides, database->overrides_count);
	for (unsigned i = 0; i < config->users_count; i++)
		if (strcmp(config->users[i].name, user) == 0)
			apply(ret_policy, config->users[i].overrides, config->users[i].overrides_count);
}

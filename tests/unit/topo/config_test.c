#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scratch.h"
#include "topo/config.h"
#include "topo/settings.h"

#define REST \
	"nodes:\n" \
	"  - {name: n1, host: 10.0.0.1, port: 5433}\n" \
	"  - {name: n2, host: 10.0.0.2, region: eu, zone: eu-a}\n" \
	"shards:\n" \
	"  - {name: s1, nodes: [n1]}\n" \
	"  - {name: s2, nodes: [n2]}\n" \
	"databases:\n" \
	"  - name: shop\n"

#define AGENT(address) "nodes: [{name: n1, host: a, agent: '" address "'}]\nshards: [{name: s1, nodes: [n1]}]\ndatabases: [{name: shop}]\n"

static struct config *read_text(const char *text)
{
	struct config *config = NULL;
	struct err err = { 0 };

	if (config_read(scratch_write(text), &config, &err) < 0)
		fail_msg("%s", err.message);
	return config;
}

static void a_short_file_gets_every_default(void **state)
{
	struct config *config = read_text(REST);
	char store[128];

	assert_string_equal(config->listen_host, "127.0.0.1");
	assert_int_equal(config->listen_port, 6432);
	assert_int_equal(config->workers, 0);
	assert_int_equal(config->io, IO_AUTO);
	assert_string_equal(config->log_level, "info");
	snprintf(store, sizeof(store), "%s/nanu.db", scratch_folder);
	assert_string_equal(config->store, store);
	assert_int_equal(config->auth, AUTH_SCRAM);
	assert_null(config->users_file);
	assert_true(config->auth_from_nodes);
	assert_string_equal(config->node_user, "postgres");
	assert_null(config->node_password);
	assert_string_equal(config->admin_users, "postgres");
	assert_int_equal(config->policy.pool_mode, POOL_TRANSACTION);
	assert_int_equal(config->policy.pool_size, 20);
	assert_int_equal(config->client_max, 10000);
	assert_int_equal(config->pool_queue_max, 1000);
	assert_int_equal(config->policy.pool_wait_ms_max, 60000);
	assert_int_equal(config->connect_ms_max, 5000);
	assert_int_equal(config->login_ms_max, 60000);
	assert_int_equal(config->backend_idle_ms_max, 600000);
	assert_int_equal(config->statement_size_max, 64 << 20);
	assert_int_equal(config->nodes[1].port, 5432);
	assert_string_equal(config->nodes[0].region, "");
	assert_string_equal(config->nodes[1].zone, "eu-a");
	assert_string_equal(config->databases[0].node_database, "shop");
	assert_int_equal(config->databases[0].shards_count, 2);
	assert_string_equal(config->databases[0].shards[1], "s2");
	config_unref(config);
}

static void given_values_are_taken(void **state)
{
	struct config *config = read_text("listen_port: 7000\nio: epoll\nauth: trust\npool_mode: session\npool_wait_ms_max: 0\n"
					  "users_file: /etc/users\nstore: sub/x.db\nauth_from_nodes: false\n"
					  "node_user: nanu\nlog_level: debug\nnode_password: 'it''s'\n"
					  "databases:\n  - {name: a, node_database: b, shards: [s1]}\n"
					  "shards:\n  - {name: s1, nodes: [n1]}\nnodes:\n  - {name: n1, host: /tmp}\n");
	char store[128];

	assert_int_equal(config->listen_port, 7000);
	assert_int_equal(config->io, IO_EPOLL);
	assert_int_equal(config->auth, AUTH_TRUST);
	assert_int_equal(config->policy.pool_mode, POOL_SESSION);
	assert_int_equal(config->policy.pool_wait_ms_max, 0);
	assert_string_equal(config->users_file, "/etc/users");
	snprintf(store, sizeof(store), "%s/sub/x.db", scratch_folder);
	assert_string_equal(config->store, store);
	assert_string_equal(config->admin_users, "nanu");
	assert_string_equal(config->node_password, "it's");
	assert_string_equal(config->databases[0].node_database, "b");
	config_unref(config);
}

static void mistakes_are_refused_with_line_and_reason(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *reason, *hint;
	} cases[] = {
		{ "pool_szie: 3\n" REST, 1, "\"pool_szie\" is not a setting", "\"pool_size\"" },
		{ "workers: 1\n\npool_szie: 3\n" REST, 3, "\"pool_szie\" is not a setting", "\"pool_size\"" },
		{ "workers: 1\nworkers: 2\n" REST, 2, "\"workers\" stands here a second time", "" },
		{ "workers: 1\n", 1, "\"nodes\" is missing", "" },
		{ "workers: 65\n" REST, 1, "workers must be from 0 to 64, not 65", "" },
		{ "io: auto\nworkers: 3x\n" REST, 2, "workers must be a whole number from 0 to 64, not \"3x\"", "" },
		{ "workers: -1\n" REST, 1, "workers must be a whole number", "" },
		{ "workers: 99999999999999999999999\n" REST, 1, "workers must be a whole number", "" },
		{ REST "    idle_session_timeout: soon\n", 9, "idle_session_timeout must be a whole number", "" },
		{ REST "    max_user_connections: 1\n", 9, "\"max_user_connections\" is not a setting here", "" },
		{ REST "users:\n  - {name: a}\n  - {name: a}\n", 11, "two users are named \"a\"", "" },
		{ "pool_size: 0\n" REST, 1, "pool_size must be from 1", "" },
		{ "listen_port: 0\n" REST, 1, "listen_port must be from 1 to 65535", "" },
		{ "listen_port: 65536\n" REST, 1, "listen_port must be from 1 to 65535", "" },
		{ "http_port: 0\n" REST, 1, "http_port must be from 1 to 65535", "" },
		{ "listen_port: 7000\nhttp_port: 7000\n" REST, 2, "http_port and listen_port are both 7000", "" },
		{ "listen_port: 7000\nhttp_port: 7000\nhttp_host: \"*\"\n" REST, 2, "http_port and listen_port are both 7000", "" },
		{ "listen_port: 7000\nreplica_port: 7000\n" REST, 2, "replica_port and listen_port are both 7000", "" },
		{ "replica_port: 6432\n" REST, 1, "replica_port and listen_port are both 6432", "" },
		{ "replica_port: 7001\nhttp_port: 7001\n" REST, 1, "replica_port and http_port are both 7001", "" },
		{ "io: fast\n" REST, 1, "io must be one of auto, uring, epoll, not \"fast\"", "" },
		{ "auth: peer\n" REST, 1, "auth must be one of trust, password, scram, md5", "" },
		{ "client_tls: prefer\n" REST, 1, "client_tls must be one of disable, allow, require", "" },
		{ "\nclient_tls: allow\n" REST, 2, "needs client_tls_cert_file", "" },
		{ "client_tls_cert_file: a\n" REST, 1, "needs client_tls_key_file", "" },
		{ "client_tls_key_file: a\n" REST, 1, "needs client_tls_cert_file", "" },
		{ "node_tls: verify-full\n" REST, 1, "needs node_tls_ca_file", "" },
		{ "node_tls_cert_file: a\n" REST, 1, "needs node_tls_key_file", "" },
		{ "agent_tls_cert_file: a\n" REST, 1, "agent_tls_cert_file, agent_tls_key_file and agent_tls_ca_file need each other", "" },
		{ "agent_tls_ca_file: a\n" REST, 1, "agent_tls_cert_file, agent_tls_key_file and agent_tls_ca_file need each other", "" },
		{ "\nagent_tls_key_file: a\nagent_tls_ca_file: a\n" REST, 2, "agent_tls_cert_file, agent_tls_key_file and agent_tls_ca_file need each other", "" },
		{ AGENT("6532"), 1, "agent must be HOST:PORT, not \"6532\"", "" },
		{ AGENT("a:"), 1, "agent must be HOST:PORT, not \"a:\"", "" },
		{ AGENT("::1:6532"), 1, "agent must be HOST:PORT, not \"::1:6532\"", "" },
		{ AGENT("[]:6532"), 1, "agent must be HOST:PORT, not \"[]:6532\"", "" },
		{ "node_channel_binding: require\n" REST, 1, "channel binding needs TLS", "" },
		{ "etcd_hosts: 'http://a:1'\netcd_cert_file: a\n" REST, 2, "etcd_cert_file and etcd_key_file need each other", "" },
		{ "etcd_key_file: a\n" REST, 1, "etcd_cert_file and etcd_key_file need each other", "" },
		{ "etcd_password: a\n" REST, 1, "etcd_password needs an etcd_user", "" },
		{ "router_name: a/b\n" REST, 1, "router_name has at most 63 letters, digits", "" },
		{ "router_timeout: 100\n" REST, 1, "router_timeout must be from 1000", "" },
		{ "tls_version_min: TLSv1.1\n" REST, 1, "tls_version_min must be one of TLSv1.2, TLSv1.3", "" },
		{ "auth: trust\nhba: [{method: trust}]\n" REST, 1, "exclude each other", "" },
		{ "hba:\n  - {method: trust}\n  - {type: hostssl}\n" REST, 3, "\"method\" is missing", "" },
		{ "hba:\n  - {method: trust}\n  - {method: ident}\n" REST, 3, "rule 2 of hba: method must be one of trust, password, scram-sha-256", "" },
		{ "hba:\n  - {method: trust, adresses: [all]}\n" REST, 2, "\"adresses\" is not a setting", "\"addresses\"" },
		{ "hba: [{type: any, method: trust}]\n" REST, 1, "type must be one of local, host, hostssl, hostnossl, not any", "" },
		{ "hba: [{type: hostssl, method: trust}]\n" REST, 1, "hostssl can match nobody", "" },
		{ "hba: [{addresses: [10.0.0.1/8], method: trust}]\n" REST, 1, "bits that are not in its first 8", "" },
		{ "hba: [{addresses: [10.0.0.0/33], method: trust}]\n" REST, 1, "a number of bits from 0 to 32", "" },
		{ "hba: [{addresses: [example.org], method: trust}]\n" REST, 1, "is no network", "" },
		{ "hba: [{type: local, addresses: [all], method: trust}]\n" REST, 1, "type local has no addresses", "" },
		{ "hba: [{users: [+staff], method: trust}]\n" REST, 1, "is no name of a user", "" },
		{ "hba: [{method: cert}]\n" REST, 1, "method cert needs type hostssl", "" },
		{ "client_tls_cert_file: a\nclient_tls_key_file: a\nhba: [{type: hostssl, method: cert}]\n" REST, 3, "need client_tls_ca_file", "" },
		{ "log_level: loud\n" REST, 1, "log_level must be one of debug, info", "" },
		{ "auth_from_nodes: maybe\n" REST, 1, "auth_from_nodes must be true or false", "" },
		{ "auth_from_nodes: false\n" REST, 1, "nobody could log in", "" },
		{ "listen_host:\n" REST, 1, "listen_host has no value", "" },
		{ "listen_host: [a]\n" REST, 1, "\"listen_host\" should be a single value; found: a list", "" },
		{ "listen_host: {a: b}\n" REST, 1, "\"listen_host\" should be a single value; found: settings", "" },
		{ "listen_host: &x a\nnode_user: *x\n" REST, 2, "\"node_user\" is a reference to another value (*name)", "" },
		{ "nodes: 3\nshards: []\ndatabases: []\n", 1, "\"nodes\" should be a list; found: a single value", "\"- \"" },
		{ "nodes:\n  a: b\n", 2, "\"nodes\" should be a list; found: settings (name: value)", "[a, b]" },
		{ "nodes:\n  - n1\n", 2, "an entry of \"nodes\" should be settings (name: value); found: a single value", "" },
		{ "- a\n", 1, "the file should be settings (name: value); found: a list", "" },
		{ REST "port: 3\n", 9, "\"port\" is not a setting here", "entries of \"nodes\"" },
		{ "nodes:\n  - {name: n1, host: a, workers: 3}\n", 2, "\"workers\" is not a setting here", "of the file itself" },
		{ "nodes:\n  - {name: n1, host: a, zoen: 3}\n", 2, "\"zoen\" is not a setting here", "\"zone\"" },
		{ "nodes:\n  - {name: n1}\n", 2, "\"host\" is missing", "" },
		{ "nodes:\n  - {name: n1, host: a, weight: 101}\nshards:\n  - {name: s, nodes: [n1]}\ndatabases:\n  - name: d\n", 2,
		  "node \"n1\": weight must be from 0 to 100", "" },
		{ "nodes:\n  - name: n1\n    host: a\n    prot: 1\n", 4, "\"prot\" is not a setting", "\"port\"" },
		{ "nodes:\n  - {name: n1, host: a, port: 0}\nshards:\n  - {name: s, nodes: [n1]}\ndatabases:\n  - name: d\n", 2,
		  "node \"n1\": port must be from 1", "" },
		{ "nodes:\n  - {name: n1, host: a}\n  - {name: n1, host: b}\nshards:\n  - {name: s, nodes: [n1]}\n"
		  "databases:\n  - name: d\n", 3, "two nodes are named \"n1\"", "" },
		{ "nodes:\n  - {name: n1, host: a}\n  - {name: n2, host: a}\nshards:\n  - {name: s, nodes: [n1]}\n"
		  "databases:\n  - name: d\n", 3, "are the same server", "" },
		{ "nodes:\n  - {name: '', host: a}\nshards:\n  - {name: s, nodes: [n1]}\ndatabases:\n  - name: d\n", 2, "needs a name",
		  "" },
		{ "nodes:\n  - {name: n1, host: ''}\nshards:\n  - {name: s, nodes: [n1]}\ndatabases:\n  - name: d\n", 2,
		  "needs a host", "" },
		{ "nodes:\n  - {name: n123456789012345678901234567890123456789012345678901234567890123, host: a}\n"
		  "shards:\n  - {name: s, nodes: [n1]}\ndatabases:\n  - name: d\n", 2, "at most 63 bytes", "" },
		{ "nodes:\n  - {name: n1, host: a}\nshards:\n  - name: s\n    nodes:\n      - n1\n      - n9\ndatabases:\n  - name: d\n", 7,
		  "shard \"s\" names node \"n9\", which is not there", "" },
		{ "nodes:\n  - {name: n1, host: a}\nshards:\n  - {name: s, nodes: []}\ndatabases:\n  - name: d\n", 4, "\"nodes\" must have at least 1 entry, and has 0", "" },
		{ "nodes:\n  - {name: n1, host: a}\nshards:\n  - {name: s, nodes: [n1]}\n  - {name: t, nodes: [n1]}\n"
		  "databases:\n  - name: d\n", 5, "node \"n1\" of shard \"t\" is already a node of shard \"s\"", "" },
		{ "nodes:\n  - {name: n1, host: a}\nshards:\n  - {name: s, nodes: [n1, n1]}\ndatabases:\n  - name: d\n", 4,
		  "already a node of shard \"s\"", "" },
		{ "nodes:\n  - {name: n1, host: a}\n  - {name: n2, host: b}\nshards:\n  - {name: s, nodes: [n1]}\n"
		  "databases:\n  - name: d\n", 3, "node \"n2\" is in no shard", "" },
		{ "nodes:\n  - {name: n1, host: a}\n  - {name: n2, host: b}\nshards:\n  - {name: s, nodes: [n1]}\n"
		  "  - {name: s, nodes: [n2]}\ndatabases:\n  - name: d\n", 6, "two shards are named \"s\"", "" },
		{ REST "    shards: [s1, s3]\n", 9, "names shard \"s3\", which is not there", "" },
		{ REST "    shards: [s1, s1]\n", 9, "names shard \"s1\" twice", "" },
		{ REST "  - name: shop\n", 9, "two databases are named \"shop\"", "" },
		{ REST "    node_database: ''\n", 9, "node_database of \"shop\" must have", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = NULL;
		struct err err = { 0 };
		char start[128];

		assert_int_equal(config_read(scratch_write(cases[i].text), &config, &err), ERR_CONFIG);
		assert_null(config);
		snprintf(start, sizeof(start), "%s:%u: ", scratch_path, cases[i].line);
		if (strncmp(err.message, start, strlen(start)) != 0)
			fail_msg("case %zu: \"%s\" does not name line %u", i, err.message, cases[i].line);
		if (!strstr(err.message, cases[i].reason))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.message, cases[i].reason);
		if (!strstr(err.hint, cases[i].hint))
			fail_msg("case %zu: the hint \"%s\" does not say \"%s\"", i, err.hint, cases[i].hint);
	}
}

static void only_near_names_are_suggested(void **state)
{
	static const char *const far[] = { "x", "io2go", "mode", "colour", "path", "name2", "hosts" };

	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		struct config *config = NULL;
		struct err err = { 0 };
		char text[512];

		snprintf(text, sizeof(text), "%s: 3\n" REST, far[i]);
		assert_int_equal(config_read(scratch_write(text), &config, &err), ERR_CONFIG);
		if (strstr(err.hint, "Did you mean"))
			fail_msg("\"%s\": %s", far[i], err.hint);
	}
}

static void settings_show_values_and_defaults(void **state)
{
	struct config *config = read_text("pool_size: 7\nnode_password: secret\netcd_user: nanu\netcd_password: secret\n" REST);
	struct setting_row rows[128];
	size_t count = config_settings(config, rows, 128);
	bool seen = false;

	assert_int_equal(count, setting_count);
	for (size_t i = 0; i < count; i++) {
		assert_true(*rows[i].name && *rows[i].description);
		assert_null(strstr(rows[i].value, "secret"));
		if (strcmp(rows[i].name, "pool_size") == 0) {
			assert_string_equal(rows[i].value, "7");
			assert_string_equal(rows[i].default_value, "20");
			assert_string_equal(rows[i].unit, "backends");
			seen = true;
		}
	}
	assert_true(seen);
	assert_int_equal(config_settings(config, rows, 1), count);
	assert_int_equal(config_settings(NULL, rows, 128), count);
	assert_string_equal(rows[0].value, "127.0.0.1");
	config_unref(config);
}

/* The example must name every setting, so that it stays the place to look them up. */
static void the_example_is_valid_and_whole(void **state)
{
	static char text[64 << 10];
	struct config *config = NULL;
	struct setting_row rows[128];
	struct err err = { 0 };
	FILE *file = fopen(EXAMPLES "/nanu.yaml", "re");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	if (config_read(EXAMPLES "/nanu.yaml", &config, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = config_settings(config, rows, 128); i-- > 0;) {
		char line[80];

		snprintf(line, sizeof(line), "\n# %s: ", rows[i].name);       /* one that has no default, and needs files */
		if (!strstr(text, line) && memmove(line + 1, line + 3, strlen(line + 3) + 1) && !strstr(text, line))
			fail_msg("%s is not in the example", rows[i].name);
	}
	config_unref(config);
}

static void users_go_before_databases_and_these_before_the_rest(void **state)
{
	struct config *config = read_text("query_timeout: 1\npool_size: 2\nidle_session_timeout: 3\n" REST
					  "    query_timeout: 10\n    pool_size: 20\n    pool_mode: session\n"
					  "users:\n  - {name: bob, query_timeout: 100}\n");
	struct policy policy;

	config_policy(config, config_database(config, "shop"), "bob", &policy);
	assert_int_equal(policy.query_timeout, 100);
	assert_int_equal(policy.pool_size, 20);
	assert_int_equal(policy.pool_mode, POOL_SESSION);
	assert_int_equal(policy.idle_session_timeout, 3);
	config_policy(config, config_database_on_nodes(config, "shop"), "eve", &policy);
	assert_int_equal(policy.query_timeout, 10);
	config_policy(config, config_database(config, "nowhere"), "eve", &policy);
	assert_int_equal(policy.query_timeout, 1);
	assert_int_equal(policy.pool_mode, POOL_TRANSACTION);
	config_unref(config);
}

static void what_needs_a_restart_stays_as_it_runs(void **state)
{
	struct config *running = read_text("workers: 2\npool_size: 2\n" REST);
	struct config *fresh = read_text("workers: 3\npool_size: 3\nstore: elsewhere.db\n" REST);
	struct setting_row rows[128];

	config_follow(fresh, running);
	assert_int_equal(fresh->workers, 2);
	assert_int_equal(fresh->policy.pool_size, 3);
	assert_string_equal(fresh->store, running->store);
	for (size_t i = config_settings(fresh, rows, 128); i-- > 0;)
		assert_int_equal(rows[i].pending, strcmp(rows[i].name, "workers") == 0 || strcmp(rows[i].name, "store") == 0);
	config_unref(running);
	config_unref(fresh);
}

static void agents_leave_the_machine_with_certificates_only(void **state)
{
	static const struct { const char *text; bool allowed; } cases[] = {
		{ REST, true }, { AGENT("127.0.0.1:6532"), true }, { AGENT("[::1]:6532"), true }, { AGENT("192.0.2.1:6532"), false },
		{ AGENT("[2001:db8::1]:6532"), false },
		{ "agent_tls_cert_file: a\nagent_tls_key_file: b\nagent_tls_ca_file: c\n" AGENT("192.0.2.1:6532"), true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = read_text(cases[i].text);
		struct tls_files files;
		struct err err = { 0 };

		assert_int_equal(config_check_agents(config, &err), cases[i].allowed ? 0 : ERR_CONFIG);
		assert_int_equal(strstr(err.hint, "agent_tls_cert_file, agent_tls_key_file and agent_tls_ca_file") != NULL, !cases[i].allowed);
		assert_int_equal(config_agent_tls(config, &files), config->agent_tls_cert_file != NULL);
		config_unref(config);
	}
}

static void every_setting_of_tls_with_nodes_makes_a_difference(void **state)
{
	static const char *const settings_of_tls[] = { "node_tls: require\n", "node_tls_ca_file: a\n", "node_tls_cert_file: a\nnode_tls_key_file: b\n",
						       "node_tls_cert_file: a\nnode_tls_key_file: c\n", "node_channel_binding: disable\n",
						       "tls_version_min: TLSv1.3\n", "" };
	enum { COUNT = sizeof(settings_of_tls) / sizeof(settings_of_tls[0]) };
	struct config *configs[COUNT];
	char text[1000];

	for (size_t i = 0; i < COUNT; i++) {
		snprintf(text, sizeof(text), "pool_size: %zu\n%s%s", i + 1, settings_of_tls[i], REST);
		configs[i] = read_text(text);
	}
	for (size_t i = 0; i < COUNT; i++)
		for (size_t j = 0; j < COUNT; j++)
			assert_int_equal(config_same_node_tls(configs[i], configs[j]), i == j);
	snprintf(text, sizeof(text), "pool_size: 100\n%s", REST);
	config_unref(configs[0]);
	configs[0] = read_text(text);
	assert_true(config_same_node_tls(configs[0], configs[COUNT - 1]));
	for (size_t i = 0; i < COUNT; i++)
		config_unref(configs[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_file_gets_every_default),
		cmocka_unit_test(given_values_are_taken),
		cmocka_unit_test(mistakes_are_refused_with_line_and_reason),
		cmocka_unit_test(only_near_names_are_suggested),
		cmocka_unit_test(settings_show_values_and_defaults),
		cmocka_unit_test(the_example_is_valid_and_whole),
		cmocka_unit_test(users_go_before_databases_and_these_before_the_rest),
		cmocka_unit_test(what_needs_a_restart_stays_as_it_runs),
		cmocka_unit_test(agents_leave_the_machine_with_certificates_only),
		cmocka_unit_test(every_setting_of_tls_with_nodes_makes_a_difference),
	};

	return cmocka_run_group_tests(tests, NULL, scratch_remove);
}

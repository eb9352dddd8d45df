#include "app/agent.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin.h"
#include "agent/link.h"
#include "agent/member.h"
#include "app/cluster.h"
#include "app/command.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/mutual_tls.h"
#include "store/store.h"
#include "topo/config.h"
#include "topo/topology.h"

const char agent_usage[] =
	"Usage: nanu agent --config FILE --node NAME --data DIR [OPTION ...] [-- SERVER-OPTION ...]\n"
	"\n"
	"Runs one node: the PostgreSQL server with the data in DIR, which the configuration calls NAME. The agents of a shard keep in the\n"
	"store who of them leads; that one's node is the primary, the others' follow it. When it is gone another one takes over by itself,\n"
	"and a node that has another history is rewound. Each node of the shard has an agent, at the address that the configuration gives\n"
	"(agent: HOST:PORT; on several machines with certificates, agent_tls_cert_file). What stands behind -- is given to the server when it\n"
	"is started.\n"
	"\n"
	"  --config FILE     nanu.yaml, the same as the routers'\n"
	"  --node NAME       which of its nodes\n"
	"  --data DIR        the server's data folder\n"
	"  --folder DIR      the agent's own files; default: DIR.agent beside the data\n"
	"  --programs DIR    PostgreSQL's programs; default: where Debian has them, or in PATH\n"
	"  --profile NAME    fast (the default): within one site; wan: tolerates latencies of 5 s and long pauses\n"
	"  --help, --version\n";

enum { STORE_MS = 1000, PATH_SIZE = 4096 };

static volatile sig_atomic_t stop;

struct arguments {
	const char *config, *node, *data, *folder, *programs, *profile;
	char *const *server;
};

static void end(int signal_number)
{
	(void)signal_number;
	stop = 1;
}

static int read_options(int argc, char **argv, struct arguments *arguments)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 0 }, { "node", required_argument, NULL, 0 }, { "data", required_argument, NULL, 0 },
		{ "folder", required_argument, NULL, 0 }, { "programs", required_argument, NULL, 0 }, { "profile", required_argument, NULL, 0 }, { 0 },
	};
	const char **places[] = { &arguments->config, &arguments->node, &arguments->data, &arguments->folder, &arguments->programs, &arguments->profile };
	int option, index;

	while ((option = getopt_long(argc, argv, "", known, &index)) != -1) {
		if (option != 0)
			return -1;
		*places[index] = optarg;
	}
	arguments->server = argv + optind;
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0) {
		fprintf(stderr, "nanu agent: unexpected argument '%s'\n", argv[optind]);
		return -1;
	}
	if (!arguments->config || !arguments->node || !arguments->data) {
		fputs("nanu agent: it needs --config FILE, --node NAME and --data DIR\n", stderr);
		return -1;
	}
	if (arguments->profile && strcmp(arguments->profile, "fast") != 0 && strcmp(arguments->profile, "wan") != 0) {
		fprintf(stderr, "nanu agent: --profile is fast or wan, not \"%s\"\n", arguments->profile);
		return -1;
	}
	return 0;
}

/* ---- from the configuration ---- */

static const struct config_node *node_called(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->nodes_count; i++)
		if (strcmp(config->nodes[i].name, name) == 0)
			return &config->nodes[i];
	return NULL;
}

static const struct config_shard *shard_of(const struct config *config, const char *node)
{
	for (unsigned i = 0; i < config->shards_count; i++)
		for (unsigned j = 0; j < config->shards[i].nodes_count; j++)
			if (strcmp(config->shards[i].nodes[j], node) == 0)
				return &config->shards[i];
	return NULL;
}

/* Without the password, which is in the environment then. */
static char *source_of(const char *conninfo)
{
	enum { SIZE_MAX_ = 8192 };
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	struct buf text;

	buf_init(&text, SIZE_MAX_);
	for (const PQconninfoOption *option = options; option && option->keyword; option++) {
		if (!option->val)
			continue;
		if (strcmp(option->keyword, "password") == 0) {
			setenv("PGPASSWORD", option->val, 1);
			continue;
		}
		buf_printf(&text, "%s='", option->keyword);
		for (const char *at = option->val; *at; at++) {
			if (*at == '\'' || *at == '\\')
				buf_add_u8(&text, '\\');
			buf_add_u8(&text, (uint8_t)*at);
		}
		buf_add_text(&text, "' ");
	}
	buf_add_u8(&text, 0);
	PQconninfoFree(options);
	return text.data;
}

static int add_member(const struct config *config, const char *name, struct member_options *options, struct err *err)
{
	const struct config_node *node = node_called(config, name);
	struct node reached = { .name = node->name, .host = node->host, .port = node->port };

	if (!node->agent) {
		err_set(err, ERR_CONFIG, "node \"%s\" of shard \"%s\" has no agent", name, options->shard);
		err_hint(err, "Every node of a shard has one, or none has: agent: HOST:PORT among what the configuration says of the node.");
		return ERR_CONFIG;
	}
	if (options->count == MEMBERS_MAX)
		return err_set(err, ERR_CONFIG, "shard \"%s\" has more than %d nodes", options->shard, MEMBERS_MAX);
	options->names[options->count] = node->name;
	options->agents[options->count] = node->agent;
	options->conninfos[options->count] = admin_conninfo(config, &reached, "postgres");
	options->sources[options->count] = source_of(options->conninfos[options->count]);
	options->count++;
	return 0;
}

static int find_members(const struct config *config, const struct arguments *arguments, struct member_options *options, struct err *err)
{
	const struct config_shard *shard = shard_of(config, arguments->node);
	int rc;

	if (!shard)
		return err_set(err, ERR_CONFIG, "the configuration has no node \"%s\" in a shard", arguments->node);
	options->shard = shard->name;
	rc = config_check_agents(config, err);
	for (unsigned i = 0; rc == 0 && i < shard->nodes_count; i++) {
		if (strcmp(shard->nodes[i], arguments->node) == 0)
			options->self = options->count;
		rc = add_member(config, shard->nodes[i], options, err);
	}
	return rc;
}

static int open_store(const struct config *config, struct store **ret_store, struct err *err)
{
	struct etcd_options options = {
		.hosts = config->etcd_hosts, .prefix = config->etcd_prefix, .user = config->etcd_user, .password = config->etcd_password,
		.ca_file = config->etcd_ca_file, .cert_file = config->etcd_cert_file, .key_file = config->etcd_key_file, .timeout_ms = STORE_MS,
		.may_be_away = true,    /* a healthy shard goes on without it, and needs its agents for that */
	};

	return config->etcd_hosts ? store_open_etcd(&options, ret_store, err) : store_open_sqlite(config->store, ret_store, err);
}

static int run(const struct config *config, const struct arguments *arguments, char *data, const struct mutual_tls *tls, struct arena *arena, struct err *err)
{
	struct member_options options = { .profile = arguments->profile && strcmp(arguments->profile, "wan") == 0 ? &profile_wan : &profile_fast,
		.loss_bytes_max = UINT64_MAX / 2, .tls = tls };
	struct identity identity;
	int rc = identity_for_servers(&identity, err);

	if (rc == 0)
		rc = find_members(config, arguments, &options, err);
	if (rc < 0)
		return rc;
	options.folder = arguments->folder ? arguments->folder : arena_printf(arena, "%s.agent", data);
	if (mkdir(options.folder, 0700) < 0 && errno != EEXIST)
		return err_set(err, ERR_IO, "cannot make %s: %s", options.folder, strerror(errno));
	options.postgres = (struct postgres){
		.data = data, .programs = arguments->programs ? arguments->programs : cluster_programs(arena, err),
		.log = arena_printf(arena, "%s/postgres.log", options.folder), .identity = &identity,
		.port = node_called(config, arguments->node)->port, .options = arguments->server, .conninfo = options.conninfos[options.self],
	};
	options.postgres.knock = arena_printf(arena, "%s password='' passfile='/dev/null' connect_timeout='2'", options.sources[options.self]);
	if (!options.postgres.programs)
		return ERR_NOT_FOUND;
	rc = guard_open(data, options.folder, &options.guard, err);
	if (rc == 0)
		rc = open_store(config, &options.store, err);
	if (rc == 0)
		rc = member_run(&options, &stop, err);
	store_close(options.store);
	guard_close(options.guard);
	for (size_t i = 0; i < options.count; i++)
		mem_free(options.conninfos[i]), mem_free(options.sources[i]);
	return rc;
}

int agent_main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	char data[PATH_SIZE];
	struct mutual_tls *tls = NULL;
	struct config *config;
	struct arena arena;
	struct err err;
	int rc;

	if (read_options(argc, argv, &arguments) < 0)
		return command_misused("agent");
	if (!realpath(arguments.data, data)) {
		err_set(&err, ERR_IO, "cannot find the data folder %s: %s", arguments.data, strerror(errno));
		return command_failed("agent", &err);
	}
	rc = config_read(arguments.config, &config, &err);
	if (rc < 0)
		return command_failed("agent", &err);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, end);
	signal(SIGTERM, end);
	log_set_level(config->log_level);
	arena_init(&arena, 4096);
	rc = link_tls(config, &tls, &err);
	if (rc == 0)
		rc = run(config, &arguments, data, tls, &arena, &err);
	mutual_tls_free(tls);
	arena_release(&arena);
	config_unref(config);
	return rc < 0 ? command_failed("agent", &err) : 0;
}

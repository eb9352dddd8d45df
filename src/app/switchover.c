#include "app/switchover.h"

#include <curl/curl.h>
#include <getopt.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin.h"
#include "agent/link.h"
#include "app/command.h"
#include "base/buf.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/mem.h"
#include "catalog/ask.h"
#include "ha/permit.h"
#include "net/env.h"
#include "net/mutual_tls.h"
#include "topo/config.h"
#include "topo/topology.h"

const char switchover_usage[] =
	"Usage: nanu switchover SHARD --config FILE [OPTION ...]\n"
	"\n"
	"Has another node of the shard lead, with its agents' help: routers begin no more transactions on the primary, those under\n"
	"way end, the node shuts down, the other one has all of it and is promoted, and what waited goes on there. Clients of\n"
	"routers notice a pause. When anything takes too long before the node shuts down, the old primary simply goes on.\n"
	"\n"
	"  --config FILE     the configuration that the agents and routers have\n"
	"  --to NODE         who is to lead; the one that is furthest, when left out\n"
	"  --drain TIME      how long transactions under way may take to end (5s)\n"
	"  --help, --version\n"
	"\n"
	"Sessions that keep their backend (temporary tables, advisory locks, pool_mode: session) count as transactions under way.\n"
	"Those that LISTEN, or replicate, are ended: they could miss something.\n";

enum { TIMEOUT_MS = 3000, POLL_US = 20000, GIVE_UP_US = 60000000, DRAIN_MS = 5000, CHECKPOINT_MS = 600000 };

struct work {
	const char *shard, *config_path, *to;
	unsigned drain_ms;
	struct config *config;
	struct mutual_tls *tls;
	const struct config_node *leader;
};

static int read_options(int argc, char **argv, struct work *work)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' }, { "to", required_argument, NULL, 't' }, { "drain", required_argument, NULL, 'd' }, { 0 },
	};
	const char *drain = NULL;
	int option;
	uint64_t us;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == '?')
			return -1;
		*(option == 'c' ? &work->config_path : option == 't' ? &work->to : &drain) = optarg;
	}
	work->drain_ms = DRAIN_MS;
	if (drain && (!duration_read(drain, &us) || us < 1000 || us > UINT64_C(3600000000))) {
		fprintf(stderr, "nanu switchover: --drain is a time like 500ms or 5s, of an hour at most, not \"%s\"\n", drain);
		return -1;
	}
	if (drain)
		work->drain_ms = (unsigned)(us / 1000);
	if (optind != argc - 1 || !work->config_path) {
		fputs("nanu switchover: it needs a SHARD and --config FILE\n", stderr);
		return -1;
	}
	work->shard = argv[optind];
	return 0;
}

static uint64_t now_us(void)
{
	const struct env *env = env_system();

	return env->now_us(env->world);
}

/* ---- the agents ---- */

/* ERR_CONNECT; ERR_WRONG_STATE with what the agent says against it. */
static int post(const struct work *work, const struct config_node *node, const char *path, const char *text, struct buf *ret_body, struct err *err)
{
	CURL *curl = link_new(work->tls, node->agent, path, TIMEOUT_MS, ret_body);
	const char *said;
	CURLcode result;
	long status = 0;
	json_t *json;
	int rc = 0;

	buf_clear(ret_body);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 0L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	result = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	if (result != CURLE_OK)
		return err_set(err, ERR_CONNECT, "the agent of node \"%s\" at %s does not answer: %s", node->name, node->agent, curl_easy_strerror(result));
	if (status == 200)
		return 0;
	json = json_loadb(ret_body->data, ret_body->size, 0, NULL);
	said = json_string_value(json_object_get(json, "error"));
	rc = err_set(err, ERR_WRONG_STATE, "%s", said ? said : "the agent refuses");
	json_decref(json);
	return rc;
}

static const struct config_node *node_called(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->nodes_count; i++)
		if (strcmp(config->nodes[i].name, name) == 0)
			return &config->nodes[i];
	return NULL;
}

static const struct config_shard *shard_called(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->shards_count; i++)
		if (strcmp(config->shards[i].name, name) == 0)
			return &config->shards[i];
	return NULL;
}

/* Of the agent that knows the latest record. */
static int find_leader(struct work *work, struct err *err)
{
	const struct config_shard *shard = shard_called(work->config, work->shard);
	struct permit_answer *answer = mem_alloc(sizeof(*answer));
	uint64_t epoch = 0;
	struct buf body;

	buf_init(&body, AGENT_BODY_SIZE_MAX);
	if (!shard)
		err_set(err, ERR_CONFIG, "the configuration has no shard \"%s\"", work->shard);
	else
		err_set(err, ERR_WRONG_STATE, "nobody leads shard \"%s\"", work->shard);
	for (unsigned i = 0; shard && i < shard->nodes_count; i++) {
		const struct config_node *node = node_called(work->config, shard->nodes[i]);
		struct err why;

		if (!node->agent) {
			err_set(err, ERR_CONFIG, "node \"%s\" has no agent", node->name);
			break;
		}
		if (post(work, node, PERMIT_PATH, "{\"router\":\"\"}", &body, &why) < 0 || permit_answer_from_json(body.data, body.size, answer, &why) < 0) {
			*err = epoch ? *err : why;
			continue;
		}
		if (answer->revision && answer->record.leadership.epoch > epoch) {
			epoch = answer->record.leadership.epoch;
			work->leader = answer->record.leadership.leader == LEADER_NOBODY ? NULL :
				       node_called(work->config, answer->record.members[answer->record.leadership.leader]);
		}
	}
	buf_release(&body);
	mem_free(answer);
	return work->leader ? 0 : err->code;
}

/* ---- what is done ---- */

/* So that the one at the shutdown has little left to write. */
static int checkpoint(const struct work *work, struct err *err)
{
	struct node reached = { .name = work->leader->name, .host = work->leader->host, .port = work->leader->port };
	char *conninfo = admin_conninfo(work->config, &reached, "postgres");
	PGconn *conn = PQconnectdb(conninfo);
	PGresult *result = NULL;
	int rc;

	explicit_bzero(conninfo, strlen(conninfo));
	mem_free(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		rc = err_set(err, ERR_CONNECT, "%s", PQerrorMessage(conn));
	else
		rc = ask(conn, "CHECKPOINT", NULL, PGRES_COMMAND_OK, CHECKPOINT_MS, &result, err);
	PQclear(result);
	PQfinish(conn);
	return rc;
}

static char *question(const struct work *work)
{
	json_t *json = json_pack("{s:s, s:i}", "to", work->to ? work->to : "", "drain_ms", (int)work->drain_ms);
	char *text = json_dumps(json, JSON_COMPACT), *copy = mem_strdup(text ? text : "");

	free(text);
	json_decref(json);
	return copy;
}

/* Until the agent says how it ended. */
static int await(const struct work *work, struct err *err)
{
	uint64_t until_us = now_us() + work->drain_ms * UINT64_C(1000) + GIVE_UP_US;
	struct buf body;
	int rc = 1;

	buf_init(&body, AGENT_BODY_SIZE_MAX);
	while (rc > 0) {
		json_t *json;

		usleep(POLL_US);
		if (post(work, work->leader, "/handover", "{}", &body, err) == 0) {
			json = json_loadb(body.data, body.size, 0, NULL);
			if (json_is_true(json_object_get(json, "ended"))) {
				rc = json_is_true(json_object_get(json, "done")) ? 0 :
				     err_set(err, ERR_WRONG_STATE, "%s", json_string_value(json_object_get(json, "outcome")));
				if (rc == 0)
					printf("shard %s: %s leads now, %s follows\n", work->shard, json_string_value(json_object_get(json, "to")), work->leader->name);
			}
			json_decref(json);
		}
		if (rc > 0 && now_us() > until_us)
			rc = err_set(err, ERR_UNKNOWN_OUTCOME, "the agent of node \"%s\" has not said in time how it ended", work->leader->name);
	}
	buf_release(&body);
	return rc;
}

static int run(struct work *work, struct err *err)
{
	struct buf body;
	char *text;
	int rc = find_leader(work, err);

	if (rc == 0)
		rc = checkpoint(work, err);
	if (rc < 0)
		return rc;
	buf_init(&body, AGENT_BODY_SIZE_MAX);
	text = question(work);
	rc = post(work, work->leader, "/handover", text, &body, err);
	mem_free(text);
	buf_release(&body);
	return rc < 0 ? rc : await(work, err);
}

int switchover_main(int argc, char **argv)
{
	struct work work = { 0 };
	struct err err;
	int rc;

	if (read_options(argc, argv, &work) < 0)
		return command_misused("switchover");
	rc = config_read(work.config_path, &work.config, &err);
	if (rc < 0)
		return command_failed("switchover", &err);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	rc = config_check_agents(work.config, &err);
	if (rc == 0)
		rc = link_tls(work.config, &work.tls, &err);
	if (rc == 0)
		rc = run(&work, &err);
	mutual_tls_free(work.tls);
	config_unref(work.config);
	return rc < 0 ? command_failed("switchover", &err) : 0;
}

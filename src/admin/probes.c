#include "admin/probes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "admin/report.h"
#include "admin/scene.h"
#include "ha/role_watch.h"
#include "route/node_status.h"
#include "route/snapshot.h"
#include "topo/config.h"
#include "topo/topology.h"

/* A node that was asked longer ago than any node is, and SILENT_US_MAX, has nobody who asks it. */
enum { REASON_SIZE = 512, SILENT_US_MAX = 5000000, INTERVALS_MAX = 40 };

struct verdict {
	const struct scene *scene;
	json_t *body, *reasons;
	bool *wanted;                   /* for each shard of the topology */
};

static void fail(struct verdict *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct verdict *verdict, const char *format, ...)
{
	char text[REASON_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(verdict->reasons, json_string(text));
}

static struct verdict begin(const struct scene *scene, json_t *body)
{
	struct verdict verdict = { .scene = scene, .body = body, .reasons = json_array() };

	verdict.wanted = arena_calloc(scene->arena, scene->snapshot->topology->shard_count, sizeof(*verdict.wanted));
	if (scene->left)
		fail(&verdict, "another process has taken over");
	return verdict;
}

static unsigned end(struct verdict *verdict)
{
	bool good = json_array_size(verdict->reasons) == 0;

	json_object_set_new(verdict->body, "status", json_string(good ? "ok" : "failed"));
	if (good)
		json_decref(verdict->reasons);
	else
		json_object_set_new(verdict->body, "reasons", verdict->reasons);
	return good ? HTTP_OK : HTTP_UNAVAILABLE;
}

static unsigned unknown(struct verdict *verdict, const char *what, const char *table)
{
	char hint[REASON_SIZE];

	fail(verdict, "there is no such %s", what);
	end(verdict);
	snprintf(hint, sizeof(hint), "SELECT name FROM nanu.%s lists them.", table);
	json_object_set_new(verdict->body, "hint", json_string(hint));
	return HTTP_NOT_FOUND;
}

/* ---- what is asked about ---- */

static void want_database(struct verdict *verdict, const struct database *database)
{
	if (reports_hold(verdict->scene->reports, HOLD_DATABASE, database->node_database))
		return;
	for (size_t i = 0; i < database->shard_count; i++)
		verdict->wanted[database->shards[i]] = true;
}

static void want_all(struct verdict *verdict)
{
	const struct topology *topology = verdict->scene->snapshot->topology;
	size_t enabled = 0;

	for (size_t i = 0; i < topology->database_count; i++) {
		const struct database *database = &topology->databases[i];

		if (reports_hold(verdict->scene->reports, HOLD_LOGIN, database->name))
			continue;
		enabled++;
		want_database(verdict, database);
	}
	if (!enabled)
		fail(verdict, "every database is disabled");
}

static bool has_shard(const struct database *database, size_t shard)
{
	for (size_t i = 0; i < database->shard_count; i++)
		if ((size_t)database->shards[i] == shard)
			return true;
	return false;
}

/* Only this shard, of `database` when that is not NULL. False: there is none. */
static bool want_shard(struct verdict *verdict, const struct database *database, const char *name)
{
	const struct topology *topology = verdict->scene->snapshot->topology;

	for (size_t i = 0; i < topology->shard_count; i++)
		if (strcmp(topology->shards[i].name, name) == 0 && (!database || has_shard(database, i)))
			return verdict->wanted[i] = true;
	return false;
}

/* HTTP_OK: verdict->wanted is filled. */
static unsigned want(struct verdict *verdict, const struct question *question)
{
	const struct database *database = NULL;

	if (question->database) {
		database = topology_database(verdict->scene->snapshot->topology, question->database);
		if (!database)
			return unknown(verdict, "database", "databases");
		if (reports_hold(verdict->scene->reports, HOLD_LOGIN, database->name))
			fail(verdict, "database \"%s\" is disabled", database->name);
	}
	if (question->shard) {
		if (!want_shard(verdict, database, question->shard))
			return unknown(verdict, "shard", "shards");
	} else if (database) {
		want_database(verdict, database);
	} else {
		want_all(verdict);
	}
	return HTTP_OK;
}

/* ---- primaries ---- */

static bool answers(const struct node_seen *seen, const struct scene *scene)
{
	uint64_t age_us_max = SILENT_US_MAX + scene->config->sample_interval * UINT64_C(1000) * INTERVALS_MAX;

	return seen->reachable && seen->sampled_us > seen->failed_us && seen->sampled_us + age_us_max > scene->now_us;
}

static void look_at_primary(struct verdict *verdict, size_t index, json_t *shards)
{
	const struct snapshot *snapshot = verdict->scene->snapshot;
	const struct shard *shard = &snapshot->topology->shards[index];
	const char *node = snapshot->topology->nodes[shard->primary].name;
	bool held = reports_hold(verdict->scene->reports, HOLD_NODE, node);
	struct node_seen seen = node_status_read(snapshot->statuses[shard->primary]);
	char reason[ROLE_REASON_SIZE];
	bool disputed = role_watch_read(verdict->scene->roles, shard->name, reason) == ROLES_DISPUTED;
	bool answered = answers(&seen, verdict->scene), good = answered && seen.role == SEEN_PRIMARY && !disputed;

	json_array_append_new(shards, json_pack("{s:s, s:s, s:b, s:b}", "shard", shard->name, "node", node, "writable", good, "drained", held));
	if (good || held)
		return;
	if (disputed)
		fail(verdict, "shard %s: the primary is disputed: %s", shard->name, reason);
	else if (!seen.sampled_us)
		fail(verdict, "shard %s: primary %s has not been asked yet", shard->name, node);
	else if (!answered)
		fail(verdict, "shard %s: primary %s does not answer", shard->name, node);
	else
		fail(verdict, "shard %s: %s does not take writes", shard->name, node);
}

static void look_at_primaries(struct verdict *verdict)
{
	json_t *shards = json_array();

	for (size_t i = 0; i < verdict->scene->snapshot->topology->shard_count; i++)
		if (verdict->wanted[i])
			look_at_primary(verdict, i, shards);
	json_object_set_new(verdict->body, "shards", shards);
}

static void look_at_schemas(struct verdict *verdict, const struct question *question)
{
	const struct snapshot *snapshot = verdict->scene->snapshot;

	for (size_t i = 0; i < snapshot->topology->database_count; i++) {
		const struct database *database = &snapshot->topology->databases[i];
		bool asked = !question->database || strcmp(question->database, database->name) == 0;

		if (asked && !snapshot->catalogs[i] && !reports_hold(verdict->scene->reports, HOLD_LOGIN, database->name))
			fail(verdict, "the schema of database \"%s\" could not be read yet", database->name);
	}
}

unsigned probe_ready(const struct scene *scene, const struct question *question, json_t *body)
{
	struct verdict verdict = begin(scene, body);
	unsigned status = want(&verdict, question);

	if (status != HTTP_OK)
		return status;
	look_at_schemas(&verdict, question);
	look_at_primaries(&verdict);
	return end(&verdict);
}

unsigned probe_primary(const struct scene *scene, const struct question *question, json_t *body)
{
	struct verdict verdict = begin(scene, body);
	unsigned status = want(&verdict, question);

	if (status != HTTP_OK)
		return status;
	look_at_primaries(&verdict);
	return end(&verdict);
}

/* ---- replicas ---- */

static bool look_at_replica(struct verdict *verdict, size_t index, const struct question *question, json_t *replicas)
{
	const struct snapshot *snapshot = verdict->scene->snapshot;
	const struct node *node = &snapshot->topology->nodes[index];
	struct node_seen seen = node_status_read(snapshot->statuses[index]);
	uint64_t lag_us = node_seen_lag_us(&seen, verdict->scene->now_us);
	bool drained = reports_hold(verdict->scene->reports, HOLD_NODE, node->name), fit = node_seen_fit(&seen, verdict->scene->now_us);
	json_t *lag = lag_us == UINT64_MAX ? json_null() : json_real((double)lag_us / 1000);

	json_array_append_new(replicas, json_pack("{s:s, s:b, s:b, s:b, s:o, s:I}", "node", node->name, "reachable", seen.reachable, "fit", fit,
						  "drained", drained, "lag_ms", lag, "lag_bytes", (json_int_t)seen.lag_bytes));
	return fit && !drained && (!question->lag_given || lag_us <= question->lag_us_max);
}

static void look_at_replicas(struct verdict *verdict, size_t index, const struct question *question, json_t *shards)
{
	const struct snapshot *snapshot = verdict->scene->snapshot;
	const char *shard = snapshot->topology->shards[index].name;
	json_t *replicas = json_array();
	size_t good = 0;

	for (size_t i = 0; i < snapshot->topology->node_count; i++)
		if ((size_t)snapshot->topology->nodes[i].shard == index && node_status_read(snapshot->statuses[i]).role == SEEN_REPLICA)
			good += look_at_replica(verdict, i, question, replicas);
	if (!good)
		fail(verdict, json_array_size(replicas) ? "shard %s: no replica is fit" : "shard %s: no replica answers", shard);
	json_array_append_new(shards, json_pack("{s:s, s:o}", "shard", shard, "replicas", replicas));
}

unsigned probe_replica(const struct scene *scene, const struct question *question, json_t *body)
{
	struct verdict verdict = begin(scene, body);
	unsigned status = want(&verdict, question);
	json_t *shards = json_array();

	for (size_t i = 0; status == HTTP_OK && i < scene->snapshot->topology->shard_count; i++)
		if (verdict.wanted[i])
			look_at_replicas(&verdict, i, question, shards);
	json_object_set_new(body, "shards", shards);
	return status == HTTP_OK ? end(&verdict) : status;
}

/* ---- the router itself ---- */

unsigned probe_health(const struct scene *scene, const struct question *question, json_t *body)
{
	json_object_set_new(body, "status", json_string("ok"));
	json_object_set_new(body, "version", json_string(NANU_VERSION));
	json_object_set_new(body, "workers", json_integer(scene->reports->count));
	json_object_set_new(body, "uptime_ms", json_integer((json_int_t)(scene->reports->items[0].uptime_us / 1000)));
	return HTTP_OK;
}

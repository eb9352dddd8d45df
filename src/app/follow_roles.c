#include "app/follow_roles.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/node_ask.h"
#include "admin/replication.h"
#include "app/leaders.h"
#include "app/plane.h"
#include "base/log.h"
#include "base/mem.h"
#include "ha/role_watch.h"
#include "ha/roles.h"
#include "net/env.h"
#include "route/snapshot.h"
#include "store/store.h"
#include "topo/config.h"
#include "topo/topology.h"

enum { KEY_SIZE = 128, SQL_SIZE = 128, FRESH_INTERVALS_MAX = 40, FRESH_US_MIN = 2000000 };

struct known_history {                  /* of a node, while it is on that timeline */
	bool read, tried;
	uint64_t incarnation;
	struct history history;
};

struct shard_note {
	char shard[NAME_SIZE_MAX];
	struct role_note note;
	uint64_t revision;
	bool loaded;
	uint32_t announced;             /* the timeline of the promotion that was logged last: it may take more than one try to store it */
};

struct role_follower {
	struct plane *plane;
	struct role_watch *watch;
	struct replication_watch *replication;
	struct shard_note notes[SHARDS_MAX];
	size_t note_count;
	struct known_history *histories;        /* one for each node of that topology */
	uint64_t epoch;
	bool again;                     /* something could not be asked or stored */
	bool failed;                    /* the last try to store; it was logged */
};

struct role_follower *role_follower_new(struct plane *plane, struct role_watch *watch, struct replication_watch *replication)
{
	struct role_follower *follower = mem_calloc(1, sizeof(*follower));

	follower->plane = plane;
	follower->watch = watch;
	follower->replication = replication;
	return follower;
}

void role_follower_free(struct role_follower *follower)
{
	if (!follower)
		return;
	mem_free(follower->histories);
	mem_free(follower);
}

/* ---- what is remembered of each shard's primary ---- */

static void note_key(const char *shard, char key[KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "primaries/%s", shard);
}

static void read_note(const char *text, struct role_note *ret)
{
	json_t *json = json_loads(text, 0, NULL);
	const char *node = json_string_value(json_object_get(json, "node")), *system = json_string_value(json_object_get(json, "system"));
	const char *history = json_string_value(json_object_get(json, "history"));
	uint32_t timeline = (uint32_t)json_integer_value(json_object_get(json, "timeline"));

	*ret = (struct role_note){ 0 };
	if (node && system && timeline) {
		snprintf(ret->node, sizeof(ret->node), "%s", node);
		ret->system = strtoull(system, NULL, 10);
		ret->has_ancestors = history && history_read(timeline, history, &ret->history, NULL) == 0;
		if (!ret->has_ancestors)
			ret->history.count = 0;
		ret->history.timeline = timeline;
	}
	json_decref(json);
}

static char *write_note(const struct role_note *note)
{
	char system[24], *history = mem_alloc(HISTORY_TEXT_SIZE), *text, *copy;
	json_t *json;

	snprintf(system, sizeof(system), "%" PRIu64, note->system);
	history_write(&note->history, history);
	json = json_pack("{s:s, s:s, s:i}", "node", note->node, "system", system, "timeline", (int)note->history.timeline);
	if (note->has_ancestors)
		json_object_set_new(json, "history", json_string(history));
	text = json_dumps(json, JSON_COMPACT);
	copy = mem_strdup(text ? text : "");
	free(text);
	json_decref(json);
	mem_free(history);
	return copy;
}

static bool load_note(struct role_follower *follower, struct shard_note *note)
{
	struct store_entry entry;
	char key[KEY_SIZE];
	struct err err;

	note_key(note->shard, key);
	if (store_get(follower->plane->store, key, &entry, &err) < 0) {
		follower->again = true;
		return false;
	}
	note->note = (struct role_note){ 0 };
	if (entry.value)
		read_note(entry.value, &note->note);
	note->revision = entry.revision;
	note->loaded = true;
	mem_free(entry.value);
	return true;
}

/* NULL: the store is away. */
static struct shard_note *note_of(struct role_follower *follower, const char *shard)
{
	struct shard_note *note = NULL;

	for (size_t i = 0; i < follower->note_count && !note; i++)
		if (strcmp(follower->notes[i].shard, shard) == 0)
			note = &follower->notes[i];
	if (!note) {
		if (follower->note_count == SHARDS_MAX)         /* of shards that are gone */
			follower->note_count = 0;
		note = &follower->notes[follower->note_count++];
		*note = (struct shard_note){ 0 };
		snprintf(note->shard, sizeof(note->shard), "%s", shard);
	}
	return note->loaded || load_note(follower, note) ? note : NULL;
}

static void save_note(struct role_follower *follower, struct shard_note *note, const struct role_note *fresh)
{
	char key[KEY_SIZE], *text = write_note(fresh);
	struct err err;
	int rc = agree_may_change(follower->plane, &err);

	note_key(note->shard, key);
	if (rc == 0)
		rc = store_swap(follower->plane->store, key, note->revision, text, &note->revision, &err);
	if (rc == 0) {
		note->note = *fresh;
	} else {
		note->loaded = false;           /* another router has written it, or nobody knows what is there */
		follower->again = true;
	}
	mem_free(text);
}

/* ---- histories ---- */

/* A file of the server: who may replicate gets it, and so does who may read files. */
static int ask_history(const struct config *config, const struct node *node, const char *database, uint32_t timeline, struct history *ret, struct err *err)
{
	char *conninfo = admin_conninfo(config, node, "postgres"), *replication, sql[SQL_SIZE];
	PGresult *result = NULL;
	PGconn *conn;
	int rc;

	if (asprintf(&replication, "%s replication=true connect_timeout=2", conninfo) < 0)
		replication = NULL;
	conn = PQconnectdb(replication ? replication : conninfo);
	explicit_bzero(conninfo, strlen(conninfo));
	if (replication)
		explicit_bzero(replication, strlen(replication));
	mem_free(conninfo);
	free(replication);
	snprintf(sql, sizeof(sql), "TIMELINE_HISTORY %" PRIu32, timeline);
	rc = PQstatus(conn) == CONNECTION_OK ? node_ask(conn, node->name, sql, NULL, PGRES_TUPLES_OK, &result, err) : ERR_CONNECT;
	if (rc == 0) {
		rc = history_read(timeline, PQgetvalue(result, 0, 1), ret, err);
		PQclear(result);
		PQfinish(conn);
		return rc;
	}
	PQfinish(conn);
	rc = node_open(config, node, database, &conn, err);
	snprintf(sql, sizeof(sql), "SELECT pg_catalog.pg_read_file('pg_wal/%08" PRIX32 ".history')", timeline);
	if (rc == 0)
		rc = node_ask(conn, node->name, sql, NULL, PGRES_TUPLES_OK, &result, err);
	if (rc == 0)
		rc = history_read(timeline, PQgetvalue(result, 0, 0), ret, err);
	PQclear(result);
	PQfinish(conn);
	return rc;
}

/* NULL: it is not known. */
static const struct history *history_of(struct role_follower *follower, const struct topology *topology, int node, const struct node_seen *seen)
{
	struct known_history *known = &follower->histories[node];
	struct err err;
	bool tried;

	if (seen->timeline == 1) {
		history_first(&known->history);
		return &known->history;
	}
	tried = known->tried && known->incarnation == seen->incarnation && known->history.timeline == seen->timeline;
	if (tried && known->read)
		return &known->history;
	known->read = ask_history(follower->plane->config, &topology->nodes[node], topology_node_database(topology, topology->nodes[node].shard),
				  seen->timeline, &known->history, &err) == 0;
	known->tried = true;
	known->incarnation = seen->incarnation;
	known->history.timeline = seen->timeline;
	if (!known->read && !tried)
		plane_log_failure("cannot read where a node's timeline comes from", &err);
	return known->read ? &known->history : NULL;
}

/* ---- one shard ---- */

struct claims {
	struct role_claim items[NODES_MAX];
	struct node_seen seen[NODES_MAX];
	int nodes[NODES_MAX];           /* indexes in the topology */
	size_t count, primary;
};

/* False: one of them has not been asked yet. */
static bool gather(struct role_follower *follower, const struct snapshot *snapshot, int shard, struct claims *ret)
{
	const struct topology *topology = snapshot->topology;
	uint64_t now_us = env_system()->now_us(env_system()->world);
	uint64_t fresh_us = follower->plane->config->sample_interval * UINT64_C(1000) * FRESH_INTERVALS_MAX;

	bool all_asked = true;

	if (fresh_us < FRESH_US_MIN)
		fresh_us = FRESH_US_MIN;
	ret->count = 0;
	for (size_t i = 0; i < topology->node_count; i++) {
		struct node_seen seen = node_status_read(snapshot->statuses[i]);

		if (topology->nodes[i].shard != shard)
			continue;
		all_asked &= seen.incarnation != 0;
		if (topology->shards[shard].primary == (int)i)
			ret->primary = ret->count;
		ret->nodes[ret->count] = (int)i;
		ret->seen[ret->count] = seen;
		ret->items[ret->count++] = (struct role_claim){ .name = topology->nodes[i].name, .heard = seen.reachable && seen.sampled_us + fresh_us > now_us,
			.role = seen.role, .timeline = seen.timeline, .system = seen.system, .flushed = seen.flushed };
	}
	return all_asked;
}

/* As it is seen now, if that is news. What was seen of another node on a newer timeline stays. */
static void keep_note(struct role_follower *follower, const struct topology *topology, struct claims *claims, struct shard_note *note)
{
	const struct role_claim *primary = &claims->items[claims->primary];
	const struct history *history;
	struct role_note fresh;

	if (!primary->heard || primary->role != SEEN_PRIMARY || !primary->system)
		return;
	if (strcmp(note->note.node, primary->name) == 0 && note->note.system == primary->system && note->note.history.timeline == primary->timeline)
		return;
	if (*note->note.node && strcmp(note->note.node, primary->name) != 0 && note->note.system == primary->system &&
	    note->note.history.timeline > primary->timeline)
		return;
	history = history_of(follower, topology, claims->nodes[claims->primary], &claims->seen[claims->primary]);
	fresh = (struct role_note){ .system = primary->system, .has_ancestors = history != NULL };
	snprintf(fresh.node, sizeof(fresh.node), "%s", primary->name);
	if (history)
		fresh.history = *history;
	fresh.history.timeline = primary->timeline;
	save_note(follower, note, &fresh);
}

static void log_verdict(struct role_follower *follower, const char *shard, const struct role_judgement *judged)
{
	char quoted[2 * ROLE_REASON_SIZE];

	if (!role_watch_found(follower->watch, shard, judged->verdict, judged->reason))
		return;
	if (judged->verdict == ROLES_DISPUTED)
		log_error("roles", "shard=%s msg=\"the primary is disputed, and stays as it is in the topology: %s. Stop the one that is none, or demote it\"", shard,
			  log_quote(judged->reason, quoted, sizeof(quoted)));
	else if (judged->verdict == ROLES_LEADERLESS)
		log_warn("roles", "shard=%s msg=\"no primary: %s\"", shard, log_quote(judged->reason, quoted, sizeof(quoted)));
	else
		log_info("roles", "shard=%s msg=\"it is known who is the primary\"", shard);
}

static void log_change(const struct topology *topology, int shard, const struct claims *claims, const struct role_judgement *judged)
{
	const struct role_claim *old = &claims->items[claims->primary], *new = &claims->items[judged->node];
	char fork[64] = "";

	if (judged->fork_known)
		snprintf(fork, sizeof(fork), " fork=%X/%X left_behind_bytes=%" PRIu64, (unsigned)(judged->fork >> 32), (unsigned)judged->fork, judged->left_behind);
	log_warn("roles", "shard=%s node=%s was=%s timeline=%u%s msg=\"%s was promoted: it is to be the primary%s\"", topology->shards[shard].name, new->name,
		 old->name, new->timeline, fork, new->name, judged->left_behind ? "; what the one before had written beyond the fork is on that node alone" : "");
}

/* The topology after it; a new reference, or the same. */
static struct topology *look_at(struct role_follower *follower, const struct snapshot *snapshot, int shard, struct topology *topology)
{
	struct shard_note *note = note_of(follower, snapshot->topology->shards[shard].name);
	struct claims *claims = mem_alloc(sizeof(*claims));
	struct role_judgement judged;
	struct topology *next;
	struct err err;

	if (!gather(follower, snapshot, shard, claims))
		note = NULL;            /* whom one says to be the primary, another may dispute */
	if (note)
		keep_note(follower, snapshot->topology, claims, note);
	for (size_t i = 0; note && i < claims->count; i++)
		if (roles_claims(claims->items, i, claims->primary, &note->note))
			claims->items[i].history = history_of(follower, snapshot->topology, claims->nodes[i], &claims->seen[i]);
	if (note) {
		roles_judge(claims->items, claims->count, claims->primary, &note->note, &judged);
		if (judged.verdict == ROLES_DISPUTED)   /* a history that could not be read may be the next time */
			follower->again = true;
		log_verdict(follower, note->shard, &judged);
		if (judged.verdict == ROLES_PROMOTED) {
			if (topology_with_primary(topology, claims->nodes[judged.node], &next, &err) == 0) {
				if (note->announced != claims->items[judged.node].timeline)
					log_change(topology, shard, claims, &judged);
				note->announced = claims->items[judged.node].timeline;
				topology_unref(topology);
				topology = next;
			} else {
				plane_log_failure("cannot take a promoted node for the primary", &err);
			}
		}
	}
	mem_free(claims);
	return topology;
}

/* ---- a shard whose nodes have agents ---- */

static bool is_led(const struct snapshot *snapshot, int shard)
{
	return node_status_permit(snapshot->statuses[snapshot->topology->shards[shard].primary]) != UINT64_MAX;
}

/* Its agents say who leads; what the nodes say of themselves decides nothing. */
static struct topology *follow_leader(struct role_follower *follower, int shard, struct topology *topology)
{
	const struct shard *led = &topology->shards[shard];
	const char *was = topology->nodes[led->primary].name;
	struct topology *next;
	struct leader_seen seen;
	struct err err;
	int node;

	role_watch_found(follower->watch, led->name, ROLES_AS_THEY_ARE, "");
	if (!leaders_read(follower->plane->leaders, led->name, &seen) || !seen.writable || !*seen.node || strcmp(seen.node, was) == 0)
		return topology;
	node = topology_node(topology, seen.node);
	if (node < 0 || topology->nodes[node].shard != shard) {
		err_set(&err, ERR_CONFIG, "node \"%s\", which leads shard \"%s\", is none of its nodes here", seen.node, led->name);
		plane_log_failure("cannot take the leader for the primary", &err);
		return topology;
	}
	if (topology_with_primary(topology, node, &next, &err) < 0) {
		plane_log_failure("cannot take the leader for the primary", &err);
		return topology;
	}
	log_warn("roles", "shard=%s node=%s was=%s epoch=%" PRIu64 " msg=\"%s leads: it is to be the primary\"", led->name, seen.node, was, seen.epoch, seen.node);
	topology_unref(topology);
	return next;
}

/* ---- all of them ---- */

/* Nothing is acknowledged by a new primary that its shard does not promise. */
static int tell_primaries(struct role_follower *follower, const struct topology *topology, struct err *err)
{
	const struct topology *before = follower->plane->snapshot->topology;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < topology->shard_count; i++)
		if (topology->shards[i].primary != before->shards[i].primary && !is_led(follower->plane->snapshot, (int)i))
			rc = replication_take_over(follower->replication, follower->plane->config, topology, (int)i, err);
	return rc;
}

static void fail(struct role_follower *follower, const char *what, const struct err *err)
{
	if (!follower->failed)
		plane_log_failure(what, err);
	follower->failed = follower->again = true;
}

static void publish(struct role_follower *follower, struct topology *topology)
{
	struct plane *plane = follower->plane;
	struct err err;
	int rc = tell_primaries(follower, topology, &err);

	if (rc < 0) {
		fail(follower, "cannot have a promoted node wait for its replicas: it is not taken for the primary yet", &err);
		return;
	}
	rc = plane_save(plane, topology, &err);
	if (rc == 0) {
		plane_publish_topology(plane, topology_ref(topology));
		follower->again = true; /* what is seen of the new one is to be remembered */
		rc = plane->routers ? agree_confirm(plane, &err) : 0;
	} else if (rc == ERR_CONFLICT) {        /* another router, or the one before this, was faster: what it stored is judged anew */
		rc = plane_follow(plane, &err);
		follower->again = true;
	}
	if (rc < 0)
		fail(follower, "cannot store who is the primary", &err);
	else
		follower->failed = false;
}

bool role_follower_look(struct role_follower *follower)
{
	struct snapshot *snapshot = snapshot_ref(follower->plane->snapshot);
	struct topology *topology = topology_ref(snapshot->topology);

	follower->again = false;
	for (size_t i = 0; i < snapshot->topology->shard_count; i++)
		if (is_led(snapshot, (int)i))
			topology = follow_leader(follower, (int)i, topology);
	for (size_t i = 0; follower->plane->config->follow_roles == TOGGLE_OFF && i < topology->shard_count; i++)
		role_watch_found(follower->watch, topology->shards[i].name, ROLES_AS_THEY_ARE, "");
	if (follower->plane->config->follow_roles == TOGGLE_ON) {
		if (follower->epoch != topology->epoch || !follower->histories) {
			mem_free(follower->histories);
			follower->histories = mem_calloc(topology->node_count + 1, sizeof(*follower->histories));
			follower->epoch = topology->epoch;
		}
		for (size_t i = 0; i < snapshot->topology->shard_count; i++)
			if (snapshot->replicas[i].count && !is_led(snapshot, (int)i))
				topology = look_at(follower, snapshot, (int)i, topology);
	}
	if (topology != snapshot->topology)
		publish(follower, topology);
	topology_unref(topology);
	snapshot_unref(snapshot);
	return follower->again;
}

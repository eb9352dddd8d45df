/* The steps of nanu.add_node():
 *
 *   1. what the topology forbids is refused: a name or an address that is taken, a shard that is not there
 *   2. the node is asked whether it is a standby, and it and the shard's primary which system they belong to
 *   3. the topology with the node is stored, and given to every worker
 *
 * nanu.remove_node() goes the other way, so that nothing is sent to a node that no longer follows: first the topology, then the slot.
 */
#include "admin/node.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "admin/node_ask.h"
#include "admin/replication.h"
#include "admin/running.h"
#include "admin/standby.h"
#include "base/limits.h"
#include "catalog/catalog.h"
#include "route/snapshot.h"
#include "session/job.h"
#include "topo/config.h"
#include "topo/settings.h"
#include "topo/topology.h"

enum { SLOT_TRIES = 100, SLOT_TRY_MS = 100 };

static int refuse_block(struct job *job, const struct call *call)
{
	err_set(&job->err, ERR_TX_STATE, "nanu.%s cannot run inside a transaction block", call->function);
	err_sqlstate(&job->err, "25001");
	err_hint(&job->err, "It changes the topology at once and cannot be rolled back: commit first, and call it by itself.");
	return job->err.code;
}

/* ---- nanu.add_node() ---- */

static int check_upstream(struct job *job, const struct topology *topology, const struct node *node)
{
	int upstream = *node->upstream ? topology_node(topology, node->upstream) : topology->shards[node->shard].primary;

	if (upstream < 0 || topology->nodes[upstream].shard != node->shard || strcmp(node->upstream, node->name) == 0) {
		err_set(&job->err, ERR_UNDEFINED_OBJECT, "shard \"%s\" has no other node \"%s\" to stream from", topology->shards[node->shard].name,
			node->upstream);
		err_hint(&job->err, "SELECT name FROM nanu.nodes WHERE shard = '%s' lists them.", topology->shards[node->shard].name);
		return job->err.code;
	}
	return 0;
}

static int read_node(struct job *job, const struct topology *topology, const struct call *call, struct node *ret_node)
{
	static const char *const names[] = { "name", "shard", "host", "port", "region", "zone", "weight", "upstream", NULL };
	const char *shard = call_arg(call, 1, "shard", NULL), *port = call_arg(call, 3, "port", NULL);
	const char *weight = call_arg(call, 6, "weight", "1");
	unsigned long number;
	struct err why;
	char *end;

	if (call_check(call, names, &job->err) < 0)
		return job->err.code;
	*ret_node = (struct node){
		.name = call_arg(call, 0, "name", ""), .host = call_arg(call, 2, "host", ""), .region = call_arg(call, 4, "region", ""),
		.zone = call_arg(call, 5, "zone", ""), .upstream = call_arg(call, 7, "upstream", ""), .role = NODE_REPLICA, .added = true, .slot = "",
	};
	if (!*ret_node->name || !*ret_node->host || !shard || !port) {
		err_set(&job->err, ERR_INVALID_VALUE, "nanu.add_node needs name, shard, host and port");
		err_hint(&job->err, "SELECT nanu.add_node(name => 'n1c', shard => 's1', host => '10.0.0.3', port => 5432)");
		return job->err.code;
	}
	number = strtoul(port, &end, 10);
	if (*port < '0' || *port > '9' || *end || number < 1 || number > UINT16_MAX)
		return err_set(&job->err, ERR_INVALID_VALUE, "port must be a whole number from 1 to %d, not \"%s\"", UINT16_MAX, port);
	ret_node->port = (uint16_t)number;
	if (setting_number("weight", weight, 0, WEIGHT_MAX, &ret_node->weight, &why) < 0)
		return err_set(&job->err, ERR_INVALID_VALUE, "%s", why.message);
	ret_node->shard = topology_shard(topology, shard);
	if (ret_node->shard >= 0)
		return check_upstream(job, topology, ret_node);
	err_set(&job->err, ERR_UNDEFINED_OBJECT, "shard \"%s\" does not exist", shard);
	err_hint(&job->err, "SELECT name FROM nanu.shards lists them.");
	return job->err.code;
}

static int taken(struct job *job, const char *hint)
{
	err_sqlstate(&job->err, "42710");
	err_hint(&job->err, "%s", hint);
	return job->err.code;
}

/* 1: the node is there already, as it is described. */
static int look_for(struct job *job, const struct topology *topology, const struct node *node)
{
	for (size_t i = 0; i < topology->node_count; i++) {
		const struct node *other = &topology->nodes[i];
		bool same_name = strcmp(other->name, node->name) == 0;
		bool same_address = other->port == node->port && strcmp(other->host, node->host) == 0;

		if (same_name && same_address && other->shard == node->shard && other->role == NODE_REPLICA)
			return 1;
		if (same_name) {
			err_set(&job->err, ERR_INVALID_VALUE, "there is a node \"%s\" already: %s port %u of shard \"%s\"", node->name, other->host,
				other->port, topology->shards[other->shard].name);
			return taken(job, "Choose another name, or take that node away first: nanu.remove_node().");
		}
		if (same_address) {
			err_set(&job->err, ERR_INVALID_VALUE, "%s port %u is node \"%s\" already", node->host, node->port, other->name);
			return taken(job, "A server is one node.");
		}
	}
	return 0;
}

/* By another address. Those that do not answer are another server. */
static int check_another(struct admin *admin, struct job *job, const struct topology *topology, const struct node *node, const struct standby *standby)
{
	for (size_t i = 0; i < topology->node_count; i++) {
		const struct node *other = &topology->nodes[i];
		struct standby said;
		struct err why;

		if (other->shard != node->shard || standby_ask(admin->config, topology, other, &job->arena, &said, &why) < 0 ||
		    strcmp(said.process, standby->process) != 0)
			continue;
		err_set(&job->err, ERR_INVALID_VALUE, "%s port %u is node \"%s\" already, at %s port %u", node->host, node->port, other->name, other->host,
			other->port);
		return taken(job, "A server is one node.");
	}
	return 0;
}

/* The slot of one that calls its sender by another name is not known to be on any node. */
static int check_sender(struct job *job, const struct topology *topology, struct node *node, const struct standby *standby)
{
	int primary = topology->shards[node->shard].primary, claimed = *node->upstream ? topology_node(topology, node->upstream) : SENDER_UNKNOWN;
	int sender = standby->sender;

	if (sender == SENDER_UNKNOWN) {
		node->slot = "";
		sender = claimed == SENDER_UNKNOWN ? primary : claimed;
	}
	if (claimed != SENDER_UNKNOWN && claimed != sender) {
		err_set(&job->err, ERR_WRONG_STATE, "%s port %u streams from node \"%s\", not from node \"%s\"", node->host, node->port,
			topology->nodes[sender].name, node->upstream);
		err_hint(&job->err, "Leave `upstream` out, or have it stream from there first: its primary_conninfo says from where it does.");
		return job->err.code;
	}
	node->upstream = sender == primary ? "" : topology->nodes[sender].name;
	return 0;
}

static int check_standby(struct admin *admin, struct job *job, const struct topology *topology, struct node *node)
{
	const struct node *primary = &topology->nodes[topology->shards[node->shard].primary];
	struct standby standby, home;
	int rc = standby_ask(admin->config, topology, node, &job->arena, &standby, &job->err);

	if (rc < 0) {
		err_hint(&job->err, "The router reaches it at %s port %u as user \"%s\"; its pg_hba.conf must let that in.", node->host, node->port,
			 admin->config->node_user);
		return rc;
	}
	rc = standby_ask(admin->config, topology, primary, &job->arena, &home, &job->err);
	if (rc < 0)
		return rc;
	if (strcmp(standby.system, home.system) != 0) {
		err_set(&job->err, ERR_WRONG_STATE, "%s port %u is no replica of shard \"%s\": it belongs to another system", node->host, node->port,
			topology->shards[node->shard].name);
		err_detail(&job->err, "Its system identifier is %s; that of node \"%s\" is %s.", standby.system, primary->name, home.system);
		err_hint(&job->err, "Make it with pg_basebackup from the shard's primary, or let nanu add-replica do so.");
		return job->err.code;
	}
	if (!standby.in_recovery) {
		err_set(&job->err, ERR_WRONG_STATE, "%s port %u is not in recovery: it is no standby", node->host, node->port);
		err_hint(&job->err, "Give it a standby.signal and primary_conninfo, and restart it; or make it anew with nanu add-replica.");
		return job->err.code;
	}
	node->slot = standby.slot;
	rc = check_another(admin, job, topology, node, &standby);
	return rc < 0 ? rc : check_sender(job, topology, node, &standby);
}

/* Stored, and everybody's; and the primary waits for the replicas that there are now. Takes the reference. */
static int publish(struct admin *admin, struct job *job, const struct topology *old, struct topology *next, int shard)
{
	int rc = replication_check_nodes(admin, old, next, shard, &job->err);

	if (rc == 0)
		rc = admin->change(admin->program, next, CHANGE_STORE, &job->err);
	if (rc == 0)
		replication_settle(admin, next, shard);
	topology_unref(next);
	return rc;
}

static int add(struct admin *admin, struct job *job, const struct call *call, const struct topology *topology)
{
	struct topology *next = NULL;
	struct node node;
	int rc = read_node(job, topology, call, &node);

	if (rc == 0)
		rc = look_for(job, topology, &node);
	if (rc > 0)
		return admin_say(job, call, OID_TEXT, arena_printf(&job->arena, "%s is a replica of %s already", node.name,
								   topology->shards[node.shard].name));
	if (rc == 0)
		rc = check_standby(admin, job, topology, &node);
	if (rc == 0)
		rc = topology_with_node(topology, &node, &next, &job->err);
	if (rc == 0)
		rc = publish(admin, job, topology, next, node.shard);
	return rc < 0 ? rc : admin_say(job, call, OID_TEXT, arena_printf(&job->arena, "%s is a replica of %s", node.name,
									 topology->shards[node.shard].name));
}

/* Another router's change that came before is no reason to fail: this one is made upon it. */
static int change(struct admin *admin, struct job *job, const struct call *call,
		  int (*once)(struct admin *admin, struct job *job, const struct call *call, const struct topology *topology))
{
	int rc = ERR_CONFLICT;

	for (int tries = 0; rc == ERR_CONFLICT && tries <= CHANGE_TRIES_MAX; tries++) {
		struct snapshot *snapshot = admin->snapshot(admin->program);

		rc = once(admin, job, call, snapshot->topology);
		snapshot_unref(snapshot);
		if (rc == ERR_CONFLICT && admin->follow(admin->program, &job->err) < 0)
			return job->err.code;
	}
	return rc;
}

int admin_add_node(struct admin *admin, struct job *job, const struct call *call)
{
	return job->in_block ? refuse_block(job, call) : change(admin, job, call, add);
}

/* ---- nanu.remove_node() ---- */

/* The standby that uses the slot is cut off until it is gone; it asks for it again every few seconds. */
static int drop_slot_by(PGconn *conn, const struct node *upstream, const char *slot, struct err *err)
{
	static const struct timespec pause = { .tv_nsec = SLOT_TRY_MS * 1000000 };
	int rc = 0;

	for (int i = 0; i < SLOT_TRIES; i++) {
		PGresult *result = NULL;

		rc = node_ask(conn, upstream->name, "SELECT pg_catalog.pg_terminate_backend(active_pid) FROM pg_catalog.pg_replication_slots"
			 " WHERE slot_name = $1 AND slot_type = 'physical'", slot, PGRES_TUPLES_OK, &result, err);
		if (rc < 0)
			return rc;
		if (PQntuples(result) == 0) {
			PQclear(result);
			return 0;
		}
		PQclear(result);
		rc = node_ask(conn, upstream->name, "SELECT pg_catalog.pg_drop_replication_slot($1)", slot, PGRES_TUPLES_OK, &result, err);
		if (rc == 0)
			PQclear(result);
		if (rc == 0 || PQstatus(conn) != CONNECTION_OK)
			return rc;
		nanosleep(&pause, NULL);
	}
	return rc;
}

/* The node that has the slot of one that is silent, as far as is known: another one may stream from there by a slot of that name. */
static int presumed_holder(struct admin *admin, struct job *job, const struct topology *topology, const struct node *node)
{
	int holder = *node->upstream ? topology_node(topology, node->upstream) : topology->shards[node->shard].primary;

	for (size_t i = 0; i < topology->node_count; i++) {
		const struct node *other = &topology->nodes[i];
		struct standby said;
		struct err why;

		if (other == node || other->shard != node->shard || standby_ask(admin->config, topology, other, &job->arena, &said, &why) < 0)
			continue;
		if (said.in_recovery && strcmp(said.slot, node->slot) == 0 && (said.sender == holder || said.sender == SENDER_UNKNOWN))
			return SENDER_UNKNOWN;
	}
	return holder;
}

struct slot {
	const char *name;               /* "": there is none */
	int holder;                     /* SENDER_UNKNOWN: nobody knows where it is */
};

static struct slot find_slot(struct admin *admin, struct job *job, const struct topology *topology, const struct node *node)
{
	struct standby said;
	struct err why;

	if (standby_ask(admin->config, topology, node, &job->arena, &said, &why) == 0)
		return (struct slot){ said.slot, said.sender };
	return (struct slot){ node->slot, *node->slot ? presumed_holder(admin, job, topology, node) : SENDER_UNKNOWN };
}

static int drop_slot(struct admin *admin, struct job *job, const struct topology *topology, const struct node *node, const struct slot *slot)
{
	const struct node *holder = &topology->nodes[slot->holder];
	struct err why;
	PGconn *conn;
	int rc = node_open(admin->config, holder, topology_node_database(topology, node->shard), &conn, &why);

	if (rc == 0)
		rc = drop_slot_by(conn, holder, slot->name, &why);
	PQfinish(conn);
	if (rc == 0)
		return 0;
	err_set(&job->err, ERR_WRONG_STATE, "node \"%s\" is out of the topology, but its replication slot \"%s\" on node \"%s\" could not be dropped",
		node->name, slot->name, holder->name);
	err_detail(&job->err, "%s", why.message);
	err_hint(&job->err, "It keeps WAL on that server. There, when it is back: SELECT pg_drop_replication_slot('%s')", slot->name);
	return job->err.code;
}

static int find_added(struct job *job, const struct topology *topology, const char *name, const struct node **ret_node)
{
	int index = name ? topology_node(topology, name) : -1;

	if (index < 0) {
		if (name)
			err_set(&job->err, ERR_UNDEFINED_OBJECT, "node \"%s\" does not exist", name);
		else
			err_set(&job->err, ERR_INVALID_VALUE, "which node?");
		err_hint(&job->err, "SELECT name FROM nanu.nodes WHERE added lists those that can be removed.");
		return job->err.code;
	}
	*ret_node = &topology->nodes[index];
	if ((*ret_node)->added)
		return 0;
	err_set(&job->err, ERR_WRONG_STATE, "node \"%s\" stands in the configuration", name);
	err_hint(&job->err, "Take it out of nanu.yaml, among the nodes and those of its shard, and call SELECT nanu.reload().");
	return job->err.code;
}

/* Its replicas would stand still. */
static int check_removable(struct job *job, const struct topology *topology, const struct node *node)
{
	for (size_t i = 0; i < topology->node_count; i++) {
		if (strcmp(topology->nodes[i].upstream, node->name) != 0)
			continue;
		err_set(&job->err, ERR_WRONG_STATE, "node \"%s\" streams from node \"%s\"", topology->nodes[i].name, node->name);
		err_hint(&job->err, "Take that one away first: SELECT nanu.remove_node('%s').", topology->nodes[i].name);
		return ERR_WRONG_STATE;
	}
	return 0;
}

static int remove_one(struct admin *admin, struct job *job, const struct call *call, const struct topology *topology)
{
	struct slot slot = { .name = "", .holder = SENDER_UNKNOWN };
	struct topology *next = NULL;
	const struct node *node = NULL;
	int rc = find_added(job, topology, call_arg(call, 0, "name", NULL), &node);

	if (rc == 0)
		rc = check_removable(job, topology, node);
	if (rc == 0)
		rc = topology_without_node(topology, node->name, &next, &job->err);
	if (rc == 0) {
		slot = find_slot(admin, job, topology, node);
		rc = publish(admin, job, topology, next, node->shard);
	}
	if (rc == 0 && *slot.name && slot.holder != SENDER_UNKNOWN)
		rc = drop_slot(admin, job, topology, node, &slot);
	if (rc < 0)
		return rc;
	if (*slot.name && slot.holder == SENDER_UNKNOWN)
		return admin_say(job, call, OID_TEXT, arena_printf(&job->arena, "%s is no node any more; its replication slot \"%s\" is left, as it is not known"
				 " on which node it is: there, SELECT pg_drop_replication_slot('%s')", node->name, slot.name, slot.name));
	return admin_say(job, call, OID_TEXT, arena_printf(&job->arena, "%s is no node any more", node->name));
}

int admin_remove_node(struct admin *admin, struct job *job, const struct call *call)
{
	static const char *const names[] = { "name", NULL };
	int rc = call_check(call, names, &job->err);

	if (rc < 0)
		return rc;
	return job->in_block ? refuse_block(job, call) : change(admin, job, call, remove_one);
}

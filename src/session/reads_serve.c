/* reads_serve: which node serves a read, and what is waited for until one can. See reads.h. */
#include <string.h>

#include "base/mem.h"
#include "net/env.h"
#include "route/balance.h"
#include "route/node_load.h"
#include "route/node_status.h"
#include "route/snapshot.h"
#include "session/reads.h"
#include "session/samples.h"
#include "session/session.h"

uint64_t reads_now_us(void)
{
	return env_system()->now_us(env_system()->world);
}

/* Sessions of this user may be other processes' too. */
static bool others_serve(const struct session *session)
{
	const struct services *services = session->worker->services;

	return session->worker->config->etcd_hosts || session->worker->config->peers ||
	       __atomic_load_n(&services->predecessor, __ATOMIC_RELAXED) >= 0 || session->worker->leaving;
}

void reads_make_room(struct session *session)
{
	struct reads *reads = session->reads;
	size_t count = session_shard_count(session), more = count - reads->shard_count;

	if (reads->shard_count >= count)
		return;
	reads->read_from = mem_realloc(reads->read_from, count * sizeof(*reads->read_from));
	reads->token_us = mem_realloc(reads->token_us, count * sizeof(*reads->token_us));
	memset(reads->read_from + reads->shard_count, 0, more * sizeof(*reads->read_from));
	memset(reads->token_us + reads->shard_count, 0, more * sizeof(*reads->token_us));
	reads->shard_count = count;
}

/* What a replica must show, of the history of the primary that it follows: all that was before `as_of_us`; and before `shown_us` too, unless it is the one that showed this session all it has. */
struct need { uint64_t as_of_us, shown_us, followed; };

static struct need need_of(const struct session *session, int shard)
{
	const struct reads *reads = session->reads;
	struct need need = { reads->token_us[shard], reads->read_us };
	uint64_t user_us;

	switch (reads->level) {
	case CONSISTENCY_EVENTUAL:
		return (struct need){ 0, 0 };
	case CONSISTENCY_BOUNDED:
		return (struct need){ reads->asked_us > reads->max_staleness_us ? reads->asked_us - reads->max_staleness_us : 0, 0 };
	case CONSISTENCY_MONOTONIC:
		return need;
	case CONSISTENCY_READ_YOUR_WRITES:
	case CONSISTENCY_SESSION:
	case CONSISTENCY_CAUSAL:
		break;
	case CONSISTENCY_STRONG:
		return (struct need){ reads->asked_us, 0 };
	}
	if (need.as_of_us < reads->wrote_us)
		need.as_of_us = reads->wrote_us;
	if (reads->user_wrote_us) {
		user_us = others_serve(session) ? reads->asked_us : __atomic_load_n(reads->user_wrote_us, __ATOMIC_ACQUIRE);
		if (need.as_of_us < user_us)
			need.as_of_us = user_us;
	}
	/* Who wrote what it was shown may have seen more elsewhere before: not only by the one that showed it. */
	if (reads->level == CONSISTENCY_CAUSAL && need.as_of_us < need.shown_us)
		need.as_of_us = need.shown_us;
	return need;
}

const struct shard_replicas *reads_replicas(const struct session *session, int shard)
{
	return &session->snapshot->replicas[session_database(session)->shards[shard]];
}

struct node_status *reads_primary(const struct session *session, int shard)
{
	const struct snapshot *snapshot = session->snapshot;

	return snapshot->statuses[snapshot->topology->shards[session_database(session)->shards[shard]].primary];
}

/* Its incarnation, when this replica will do; else 0. */
static uint64_t serves(struct session *session, int node, uint64_t last, const struct need *need, uint64_t at_us)
{
	const struct snapshot *snapshot = session->snapshot;
	struct node_seen seen = node_status_read(snapshot->statuses[node]);

	/* Of what is old on purpose, nobody who asks for something wants to be shown that. */
	if (session->reads->level == CONSISTENCY_EVENTUAL && seen.delay_us)
		return 0;
	if (!node_seen_fit(&seen, at_us) || seen.follows != need->followed || seen.as_of_us < need->as_of_us || (last != seen.incarnation && seen.as_of_us < need->shown_us) ||
	    pools_held(&session->worker->pools, HOLD_NODE, snapshot->topology->nodes[node].name) ||
	    (session->worker->pools.aside_count && !reads_pool_open(session, node, at_us)))
		return 0;
	return seen.incarnation;
}

/* The replica that nanu.read_from chooses among those that will do, and its incarnation; -1: none will. */
static int pick(struct session *session, int shard, uint64_t *ret_incarnation)
{
	const struct shard_replicas *replicas = reads_replicas(session, shard);
	const struct worker *worker = session->worker;
	struct need need = need_of(session, shard);
	uint64_t last = session->reads->read_from[shard], at_us = loop_now_us(worker->loop), incarnations[NODES_MAX];
	size_t turn = worker->read_turn + 1, count = 0;
	struct candidate candidates[NODES_MAX];
	int node;

	if (!replicas->turn_count)
		return -1;
	need.followed = node_status_id(reads_primary(session, shard));
	node = replicas->turns[turn % replicas->turn_count];
	if (session->reads->by == READ_FROM_ROUND_ROBIN && (*ret_incarnation = serves(session, node, last, &need, at_us)))
		return node;
	for (size_t i = 0; i < replicas->count; i++) {
		const struct node *one = &session->snapshot->topology->nodes[replicas->nodes[i]];
		const struct node_load *load = node_status_load(session->snapshot->statuses[replicas->nodes[i]]);

		incarnations[count] = one->weight ? serves(session, replicas->nodes[i], last, &need, at_us) : 0;
		if (!incarnations[count])
			continue;
		candidates[count++] = (struct candidate){ .node = replicas->nodes[i], .weight = one->weight,
			.distance = balance_distance(worker->config->router_region, worker->config->router_zone, one->region, one->zone),
			.under_way = node_load_under_way(load, worker->services->worker_count),
			.read_us = node_load_read_us(load, worker->index, at_us) };
	}
	if (!count)
		return -1;
	node = balance_choose(session->reads->by, candidates, count, replicas->turns, replicas->turn_count, turn);
	for (size_t i = 0; i < count; i++)
		if (candidates[i].node == node)
			*ret_incarnation = incarnations[i];
	return node;
}

static int nobody_serves(const struct session *session, int shard, struct err *err)
{
	const struct reads *reads = session->reads;

	err_set(err, ERR_NOT_NOW, "no replica of shard \"%s\" can serve this read at consistency %s",
		session->snapshot->topology->shards[session_database(session)->shards[shard]].name, consistency_names[reads->level]);
	err_detail(err, "It was waited for %u ms.", (unsigned)(reads->wait_us / 1000));
	err_hint(err, reads->level == CONSISTENCY_STRONG ? "Try again, or have strong_reads be the primary's; SELECT * FROM nanu.replication tells of the replicas." :
							  "Try again, or set nanu.read_wait higher, or nanu.read_fallback to primary; SELECT * FROM nanu.replication tells of the replicas.");
	return err->code;
}

int reads_node(struct session *session, int shard, int primary, int *ret_node, struct err *err)
{
	struct reads *reads = session->reads;
	bool may = reads->may && reads->asked_in == session->segment && reads_replicas(session, shard)->turn_count;
	enum reads_left left = reads_left(session);
	int node = -1;

	reads_make_room(session);
	/* Who tries whether one works again may have come first: that one is out then. */
	for (int i = 0; i < 2 && node < 0 && may && (left == LEFT_ANY || left == LEFT_ANOTHER); i++) {
		node = pick(session, shard, &reads->read_from[shard]);
		if (node >= 0 && !reads_ask(session, node, loop_now_us(session->worker->loop)))
			node = -1;
	}
	*ret_node = node < 0 ? primary : node;
	if (node < 0) {
		reads->read_from[shard] = 0;
		return may && left != LEFT_PRIMARY && reads->or_fails ? nobody_serves(session, shard, err) : 0;
	}
	session->worker->read_turn++;
	session->worker->counters.replica_reads++;
	return 0;
}

static bool any_fit(const struct session *session, int shard)
{
	const struct shard_replicas *replicas = reads_replicas(session, shard);
	uint64_t at_us = loop_now_us(session->worker->loop);

	for (size_t i = 0; i < replicas->count; i++) {
		struct node_seen seen = node_status_read(session->snapshot->statuses[replicas->nodes[i]]);

		if (session->snapshot->topology->nodes[replicas->nodes[i]].weight && node_seen_fit(&seen, at_us))
			return true;
	}
	return false;
}

int reads_await(struct session *session, int shard, uint64_t as_of_us, uint64_t until_us, struct err *err)
{
	if (session->reads->canceled_in == session->segment)
		return err_set(err, ERR_CANCELED, "canceling statement due to user request");
	samples_await(session, until_us);
	node_status_demand(reads_primary(session, shard), as_of_us, reads_now_us());
	return 0;
}

void reads_cancel(struct session *session)
{
	if (!session->reads || !session->reads->waits)
		return;
	session->reads->canceled_in = session->segment;
	samples_forget(session);
	session_resume(session);
}

int reads_wait_long(struct session *session, int shard, struct err *err)
{
	struct reads *reads = session->reads;
	const struct shard_replicas *replicas = reads_replicas(session, shard);
	uint64_t incarnation;
	struct need need;

	if (!replicas->turn_count || pick(session, shard, &incarnation) >= 0)
		return 1;
	if (reads_now_us() < reads->asked_us + reads->wait_us && any_fit(session, shard)) {
		need = need_of(session, shard);
		if (need.as_of_us < need.shown_us)
			need.as_of_us = need.shown_us;
		return reads_await(session, shard, need.as_of_us, reads->asked_us + reads->wait_us, err);
	}
	return reads->or_fails ? nobody_serves(session, shard, err) : 1;
}

/* A transaction block stays with the replica that served its first read on the shard: what that lacks by now is waited for. */
static int wait_for_leg(struct session *session, const struct leg *leg, int shard, struct err *err)
{
	const struct reads *reads = session->reads;
	struct node_seen seen = node_status_read(leg->replica);
	uint64_t until_us = reads->asked_us + (reads->wait_us > READS_SURE_US_MAX ? reads->wait_us : READS_SURE_US_MAX);
	struct need need = need_of(session, shard);

	if (seen.as_of_us >= need.as_of_us || session->tx_snapshot)     /* which will not be another */
		return 1;
	if (reads_now_us() < until_us)
		return reads_await(session, shard, need.as_of_us, until_us, err);
	err_set(err, ERR_NOT_NOW, "the replica of shard \"%s\" that serves this transaction cannot serve this read at consistency %s",
		session->snapshot->topology->shards[session_database(session)->shards[shard]].name, consistency_names[reads->level]);
	err_detail(err, "It was waited for %u ms.", (unsigned)((until_us - reads->asked_us) / 1000));
	err_hint(err, "Try again; SELECT * FROM nanu.replication tells of the replicas.");
	return err->code;
}

int reads_wait_in_tx(struct session *session, const struct leg *leg, int shard, struct err *err)
{
	int rc = 1;

	if (!session->reads->may)
		return 1;
	if (session->reads->token && session->reads->level >= CONSISTENCY_MONOTONIC)
		rc = reads_token_resolve(session, shard, err);
	if (rc <= 0)
		return rc;
	if (!leg)
		return reads_wait(session, shard, err);
	return leg->replica && leg->state != LEG_LOST ? wait_for_leg(session, leg, shard, err) : 1;
}

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

enum {
	SHARED_WAIT_US_MAX = 5000,      /* for a replica, where the primary could serve as well: a few samples' time */
	PAUSE_US = 100000,              /* after which all replicas have what a session was shown before */
};

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

void reads_make_more_room(struct session *session)
{
	struct reads *reads = session->reads;
	size_t count = session_shard_count(session), more = count - reads->shard_count;

	reads->room_for = session->snapshot->version;
	if (reads->shard_count >= count)
		return;
	reads->read_from = mem_realloc(reads->read_from, count * sizeof(*reads->read_from));
	reads->token_us = mem_realloc(reads->token_us, count * sizeof(*reads->token_us));
	memset(reads->read_from + reads->shard_count, 0xff, more * sizeof(*reads->read_from));
	memset(reads->token_us + reads->shard_count, 0, more * sizeof(*reads->token_us));
	reads->shard_count = count;
}

/* What a replica must show, of the history of the primary that it follows: all that was before `as_of_us`; and before `shown_us` too, unless it is the one
 * that showed this session all it has. What the primary must: all that was, on its replicas too, before `primary_us`. */
struct need {
	uint64_t as_of_us, shown_us, primary_us;
	uint64_t followed, last, at_us; /* that primary; the incarnation of the one; now */
	int primary;
	const struct node_status *without;      /* nobody is asked twice; or NULL */
	bool stays;                     /* where it was, if that will do */
	bool hurries;                   /* it goes also to who has just come back, and should not have much to do yet */
};

const struct shard_replicas *reads_replicas(const struct session *session, int shard)
{
	return &session->snapshot->replicas[session_database(session)->shards[shard]];
}

static inline void need_of(const struct session *session, int shard, struct need *need)
{
	const struct shard_replicas *replicas = reads_replicas(session, shard);
	struct reads *reads = session->reads;
	uint64_t user_us, shown_us;

	need->as_of_us = need->shown_us = need->primary_us = 0;
	need->primary = replicas->primary;
	need->followed = replicas->followed;
	need->last = reads->read_from[shard];
	need->at_us = loop_now_us(session->worker->loop);
	need->without = NULL;
	need->stays = need->hurries = false;
	if (reads->level == CONSISTENCY_EVENTUAL)
		return;
	if (reads->level == CONSISTENCY_BOUNDED) {
		if (reads_asked(reads) > reads->max_staleness_us)
			need->as_of_us = reads->asked_us - reads->max_staleness_us;
		return;
	}
	need->as_of_us = need->primary_us = reads->token_us[shard];
	need->shown_us = reads->read_us;
	if (reads->level == CONSISTENCY_STRONG) {
		need->as_of_us = reads_asked(reads);
		need->shown_us = 0;
		if (reads->policy->strong_reads == STRONG_READS_REPLICAS)
			need->primary_us = need->as_of_us;
		return;
	}
	if (need->last != READ_FROM_THE_PRIMARY && need->primary_us < reads->read_us)
		need->primary_us = reads->read_us;
	if (reads->level == CONSISTENCY_MONOTONIC)
		return;
	if (need->as_of_us < reads->wrote_us)
		need->as_of_us = reads->wrote_us;
	if (reads->user_wrote_us) {
		user_us = others_serve(session) ? reads_asked(reads) : __atomic_load_n(reads->user_wrote_us, __ATOMIC_ACQUIRE);
		if (need->as_of_us < user_us)
			need->as_of_us = user_us;
	}
	if (reads->level != CONSISTENCY_CAUSAL)
		return;
	/* Who wrote what it was shown may have seen more on other shards before; and what he saw on this one, a replica has replayed before that, but its
	 * primary may show later. */
	shown_us = reads->read_on == UINT64_C(1) << shard ? reads->others_us : reads->read_us;
	if (reads->reads_on & (reads->reads_on - 1))            /* one shard may show what came of what another does not show yet */
		shown_us = reads_asked(reads);
	if (need->as_of_us < shown_us)
		need->as_of_us = shown_us;
	need->primary_us = need->as_of_us > reads->read_us ? need->as_of_us : reads->read_us;
}

struct node_status *reads_primary(const struct session *session, int shard)
{
	return session->snapshot->statuses[session_shard(session, shard)->primary];
}

static const struct turns *turns_of(const struct session *session, int shard)
{
	const struct shard_replicas *replicas = reads_replicas(session, shard);

	return session->reads->shares ? &replicas->turns_shared : &replicas->turns;
}

/* Its share of the reads grows with the time. */
static __attribute__((noinline, cold)) bool is_his(const struct session *session, uint64_t returned_us, uint64_t now_us)
{
	unsigned scattered = (unsigned)session->worker->read_turn * 2654435761U;        /* Knuth, TAOCP 3, 6.4 */

	return (scattered >> 16) * (uint64_t)NODE_RETURN_US >> 16 <= now_us - returned_us;
}

/* Its incarnation, when this node will do; else 0. */
static inline uint64_t serves(struct session *session, int node, const struct need *need)
{
	const struct pools *pools = &session->worker->pools;
	struct node_serving seen;

	if (session->snapshot->statuses[node] == need->without || !node_status_serves(session->snapshot->statuses[node], need->at_us, &seen))
		return 0;
	if (node == need->primary) {
		if (seen.follows || seen.as_of_us < need->primary_us)
			return 0;
	} else if (seen.follows != need->followed || seen.as_of_us < need->as_of_us || (need->last != seen.incarnation && seen.as_of_us < need->shown_us) ||
		   (seen.delay_us && session->reads->level != CONSISTENCY_BOUNDED)) {   /* what is old on purpose, only who says how old it may be */
		return 0;
	}
	if (__builtin_expect(seen.returned_us != 0, false) && !need->hurries && !is_his(session, seen.returned_us, need->at_us))
		return 0;
	if ((pools->holds.count && pools_held(pools, HOLD_NODE, session->snapshot->topology->nodes[node].name)) ||
	    (pools->aside_count && !reads_pool_open(session, node, need->at_us)))
		return 0;
	return seen.incarnation;
}

/* Among all that will do, by load, time or distance; or as whose turn it is will not. */
static __attribute__((noinline)) int compare(struct session *session, int shard, const struct turns *turns, const struct need *need, uint64_t *ret_incarnation)
{
	const struct shard_replicas *replicas = reads_replicas(session, shard);
	const struct worker *worker = session->worker;
	uint64_t incarnations[NODES_MAX];
	struct candidate candidates[NODES_MAX];
	size_t count = 0;
	int node;

	for (size_t i = 0; i < replicas->count + session->reads->shares; i++) {
		const struct node *one = &session->snapshot->topology->nodes[replicas->nodes[i]];
		const struct node_load *load = node_status_load(session->snapshot->statuses[replicas->nodes[i]]);

		incarnations[count] = one->weight ? serves(session, replicas->nodes[i], need) : 0;
		if (!incarnations[count])
			continue;
		candidates[count++] = (struct candidate){ .node = replicas->nodes[i], .weight = one->weight,
			.distance = balance_distance(worker->config->router_region, worker->config->router_zone, one->region, one->zone),
			.under_way = node_load_under_way(load, worker->services->worker_count),
			.read_us = node_load_read_us(load, worker->index, need->at_us) };
	}
	if (!count)
		return -1;
	for (size_t i = 0; need->stays && i < count; i++)
		if (need->last == (candidates[i].node == need->primary ? READ_FROM_THE_PRIMARY : incarnations[i])) {
			*ret_incarnation = incarnations[i];
			return candidates[i].node;
		}
	node = balance_choose(session->reads->by, candidates, count, turns->nodes, turns->count, worker->read_turn + 1);
	for (size_t i = 0; i < count; i++)
		if (candidates[i].node == node)
			*ret_incarnation = incarnations[i];
	return node;
}

/* The node that nanu.read_from chooses among those that will do, and its incarnation; -1: none will. */
static int pick(struct session *session, int shard, uint64_t *ret_incarnation)
{
	const struct turns *turns = turns_of(session, shard);
	const struct reads *reads = session->reads;
	struct need need;
	int node;

	if (!turns->count)
		return -1;
	need_of(session, shard, &need);
	/* Who went to the primary would seldom find elsewhere what that had a moment before. */
	need.stays = reads->shares && reads_minds(reads) && reads->level != CONSISTENCY_CAUSAL && need.at_us < reads->read_us + PAUSE_US;
	node = turns->nodes[(session->worker->read_turn + 1) % turns->count];
	if (reads->by == READ_FROM_ROUND_ROBIN && !need.stays && (*ret_incarnation = serves(session, node, &need)))
		return node;
	node = compare(session, shard, turns, &need, ret_incarnation);
	if (node >= 0)
		return node;
	need.hurries = true;
	return compare(session, shard, turns, &need, ret_incarnation);
}

int reads_other(struct session *session, const struct leg *leg, uint64_t *ret_incarnation)
{
	const struct shard_replicas *replicas = reads_replicas(session, leg->shard);
	struct need need;
	int node;

	need_of(session, leg->shard, &need);
	need.last = READ_FROM_NOBODY;
	need.without = leg->replica;
	need.hurries = true;
	node = replicas->turns.count ? compare(session, leg->shard, &replicas->turns, &need, ret_incarnation) : -1;
	return node >= 0 && node != need.primary && reads_ask(session, node, need.at_us) ? node : -1;
}

static unsigned waited_ms(struct reads *reads)
{
	return (unsigned)((reads_now_us() - reads_asked(reads)) / 1000);
}

static int nobody_serves(const struct session *session, int shard, struct err *err)
{
	struct reads *reads = session->reads;

	err_set(err, ERR_NOT_NOW, "no replica of shard \"%s\" can serve this read at consistency %s", session_shard(session, shard)->name,
		consistency_names[reads->level]);
	err_detail(err, "It was waited for %u ms.", waited_ms(reads));
	err_hint(err, reads->level == CONSISTENCY_STRONG ? "Try again, or have strong_reads be the primary's; SELECT * FROM nanu.replication tells of the replicas." :
							  "Try again, or set nanu.read_wait higher, or nanu.read_fallback to primary; SELECT * FROM nanu.replication tells of the replicas.");
	return err->code;
}

/* Whether a replica may be read from that is as of then, or later; 0: as of whatever time. */
static bool any_fit(const struct session *session, int shard, uint64_t as_of_us)
{
	const struct shard_replicas *replicas = reads_replicas(session, shard);
	uint64_t at_us = loop_now_us(session->worker->loop);

	for (size_t i = 0; i < replicas->count; i++) {
		struct node_serving seen;

		if (session->snapshot->topology->nodes[replicas->nodes[i]].weight && node_status_serves(session->snapshot->statuses[replicas->nodes[i]], at_us, &seen) &&
		    seen.as_of_us >= as_of_us)
			return true;
	}
	return false;
}

/* Where no replica is, nobody has been shown more since the primary served last. */
static bool primary_shows(const struct session *session, int shard, const struct need *need)
{
	struct node_serving seen;

	if (!need->primary_us || !reads_replicas(session, shard)->count)
		return true;
	node_status_serves(reads_primary(session, shard), need->at_us, &seen);
	return seen.as_of_us >= need->primary_us || (need->last == READ_FROM_THE_PRIMARY && !any_fit(session, shard, 0));
}

int reads_choose_node(struct session *session, int shard, int primary, int *ret_node, struct err *err)
{
	struct reads *reads = session->reads;
	bool picked = reads->picked.in == session->segment && reads->picked.shard == shard;
	uint64_t incarnation = reads->picked.incarnation;
	struct need need;
	int node = -1;

	/* Who tries whether one works again may have come first: that one is out then. */
	for (int i = 0; i < 2 && node < 0 && reads_left(session) != LEFT_NONE; i++) {
		node = picked && i == 0 ? reads->picked.node : pick(session, shard, &incarnation);
		if (node >= 0 && node != primary && !reads_ask(session, node, loop_now_us(session->worker->loop)))
			node = -1;
	}
	reads->picked.in = 0;
	if (node < 0 && !reads->or_fails) {     /* another one was expected to serve */
		need_of(session, shard, &need);
		if (!primary_shows(session, shard, &need))
			return 1;
	}
	session->worker->read_turn += node >= 0;
	reads->read_from[shard] = node == primary || node < 0 ? READ_FROM_THE_PRIMARY : incarnation;
	*ret_node = node < 0 ? primary : node;
	if (*ret_node != primary) {
		session->worker->counters.replica_reads++;
		return 0;
	}
	reads->choice = !reads_replicas(session, shard)->turns.count ? READ_NO_REPLICA : node < 0 ? READ_NONE_FIT : READ_TURN;
	if (node >= 0 || !reads->or_fails || !turns_of(session, shard)->count)
		return 0;
	reads_count_refused(session);
	return nobody_serves(session, shard, err);
}

static int begin_wait(struct session *session, uint64_t until_us, struct err *err)
{
	struct reads *reads = session->reads;
	uint64_t timeout_us = reads->timeout_us ? reads_asked(reads) + reads->timeout_us : UINT64_MAX;

	if (reads->canceled_in == session->segment)
		return err_set(err, ERR_CANCELED, "canceling statement due to user request");
	if (reads_now_us() >= timeout_us)
		return err_set(err, ERR_CANCELED, "canceling statement due to statement timeout");
	reads->waited_in = session->segment;
	samples_await(session, until_us < timeout_us ? until_us : timeout_us);
	return 0;
}

int reads_await(struct session *session, int shard, uint64_t as_of_us, uint64_t until_us, struct err *err)
{
	int rc = begin_wait(session, until_us, err);

	if (rc == 0)
		node_status_demand(reads_primary(session, shard), as_of_us, reads_now_us());
	return rc;
}

/* What only newer samples can tell is waited for so long. */
static uint64_t surely_until_us(struct reads *reads)
{
	return reads_asked(reads) + (reads->wait_us > READS_SURE_US_MAX ? reads->wait_us : READS_SURE_US_MAX);
}

int reads_wait_shown(struct session *session, int shard, struct err *err)
{
	struct node_status *primary = reads_primary(session, shard);
	struct need need;
	int rc;

	if (!session->reads->looks)
		return 1;
	need_of(session, shard, &need);
	if (primary_shows(session, shard, &need)) {
		session->reads->read_from[shard] = READ_FROM_THE_PRIMARY;
		if (session->tx_status == 'T')
			session->reads->looked_on |= UINT64_C(1) << shard;
		return 1;
	}
	if (reads_now_us() < surely_until_us(session->reads)) {
		rc = begin_wait(session, surely_until_us(session->reads), err);
		if (rc == 0)
			node_status_demand_shown(primary, need.primary_us, reads_now_us());
		return rc;
	}
	err_set(err, ERR_NOT_NOW, "the primary of shard \"%s\" does not show yet what replicas have shown", session_shard(session, shard)->name);
	err_detail(err, "It was waited for %u ms. %s", waited_ms(session->reads),
		   node_status_read(primary).reachable ? "A transaction that runs there may be committed on them: one that waits for synchronous standbys, or of which nobody can tell." :
							"The primary does not answer the router.");
	err_hint(err, "Try again; SELECT * FROM nanu.replication tells of the replicas. At consistency eventual or bounded it is not waited for.");
	return err->code;
}

void reads_cancel(struct session *session)
{
	if (!session->reads)
		return;
	session->reads->canceled_in = session->segment;         /* it may be about to look, and to wait again */
	if (!session->reads->waits)
		return;
	samples_forget(session);
	session_resume(session);
}

/* Who was served by the primary stays there until it pauses: a session is to begin with whose turn it is, and to go on with the replica that it had.
 * A causal one may have to wait for any replica each time. */
static bool suits(const struct session *session, int shard, int node, int primary)
{
	const struct turns *turns = turns_of(session, shard);
	bool its_turn = turns->nodes[(session->worker->read_turn + 1) % turns->count] == primary;
	uint64_t last = session->reads->read_from[shard];

	if (node != primary)
		return node >= 0;
	return session->reads->level == CONSISTENCY_CAUSAL ? its_turn : last == READ_FROM_THE_PRIMARY || (last == READ_FROM_NOBODY && its_turn);
}

int reads_wait_long(struct session *session, int shard, struct err *err)
{
	struct reads *reads = session->reads;
	int primary = session_shard(session, shard)->primary, node;
	uint64_t incarnation, wait_us = reads->wait_us;
	struct need need;

	if (!turns_of(session, shard)->count)
		return reads_wait_shown(session, shard, err);
	node = pick(session, shard, &incarnation);
	if (suits(session, shard, node, primary)) {
		reads->picked.in = session->segment;
		reads->picked.shard = shard;
		reads->picked.node = node;
		reads->picked.incarnation = incarnation;
		return 1;
	}
	if (node >= 0 && wait_us > SHARED_WAIT_US_MAX)
		wait_us = SHARED_WAIT_US_MAX;
	if (reads_now_us() < reads_asked(reads) + wait_us && any_fit(session, shard, 1)) {
		need_of(session, shard, &need);
		if (need.as_of_us < need.shown_us)
			need.as_of_us = need.shown_us;
		return reads_await(session, shard, need.as_of_us, reads_asked(reads) + wait_us, err);
	}
	return reads->or_fails && node < 0 ? nobody_serves(session, shard, err) : reads_wait_shown(session, shard, err);
}

/* A transaction block stays with the replica that served its first read on the shard: what that lacks by now is waited for. */
static int wait_for_leg(struct session *session, const struct leg *leg, int shard, struct err *err)
{
	struct reads *reads = session->reads;
	struct node_seen seen = node_status_read(leg->replica);
	struct need need;

	need_of(session, shard, &need);
	if (seen.as_of_us >= need.as_of_us || session->tx_snapshot)     /* which will not be another */
		return 1;
	if (reads_now_us() < surely_until_us(reads))
		return reads_await(session, shard, need.as_of_us, surely_until_us(reads), err);
	err_set(err, ERR_NOT_NOW, "the replica of shard \"%s\" that serves this transaction cannot serve this read at consistency %s",
		session_shard(session, shard)->name, consistency_names[reads->level]);
	err_detail(err, "It was waited for %u ms.", waited_ms(reads));
	err_hint(err, "Try again; SELECT * FROM nanu.replication tells of the replicas.");
	return err->code;
}

int reads_wait_in_tx(struct session *session, const struct leg *leg, int shard, bool only, struct err *err)
{
	int rc = 1;

	if (session->tx_status != 'T')
		return 1;
	/* A block that looks at the primary goes on there: what is shown elsewhere meanwhile, its own changes keep it from knowing soon. */
	if ((session->reads->looked_on >> shard & 1) && (session->tx_snapshot || session->reads->level == CONSISTENCY_CAUSAL))
		return 1;
	if ((only || session->reads->may) && session->reads->looks && session->reads->token && session->reads->level >= CONSISTENCY_MONOTONIC)
		rc = reads_token_resolve(session, shard, err);
	if (rc <= 0)
		return rc;
	if (!leg && session->reads->may)
		return reads_wait(session, shard, err);
	if (leg && leg->replica)
		return leg->state != LEG_LOST && session->reads->may ? wait_for_leg(session, leg, shard, err) : 1;
	return reads_wait_shown(session, shard, err);
}

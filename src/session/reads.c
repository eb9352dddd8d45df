#include "session/reads.h"

#include <string.h>
#include <strings.h>

#include "base/duration.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "net/env.h"
#include "place/hash.h"
#include "route/balance.h"
#include "route/hint.h"
#include "route/node_load.h"
#include "route/node_status.h"
#include "route/plan.h"
#include "route/snapshot.h"
#include "session/own_settings.h"
#include "session/samples.h"
#include "session/session.h"
#include "session/side.h"
#include "session/units.h"

enum {
	WRITTEN_US = 2000,              /* until it is looked for where the replicas are, after a write: others may write too */
	USERS_SIZE = 1 << 14,
};

uint64_t reads_now_us(void)
{
	return env_system()->now_us(env_system()->world);
}

/* ---- whom nanu.user names ---- */

/* When somebody who may be this one was ready last after he wrote; users share a place now and then, which asks for more than is needed. */
static uint64_t users_wrote_us[USERS_SIZE];     /* atomic, each */

static uint64_t *user_place(const char *database, const char *user)
{
	uint64_t hash = hash_bytes_extended(user, strlen(user), hash_bytes_extended(database, strlen(database), 0));

	return &users_wrote_us[hash % USERS_SIZE];
}

static void user_wrote(uint64_t *place, uint64_t at_us)
{
	uint64_t before = __atomic_load_n(place, __ATOMIC_RELAXED);

	while (before < at_us && !__atomic_compare_exchange_n(place, &before, at_us, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/* Sessions of this user may be other processes' too. */
static bool others_serve(const struct session *session)
{
	const struct services *services = session->worker->services;

	return session->worker->config->etcd_hosts || session->worker->config->peers ||
	       __atomic_load_n(&services->predecessor, __ATOMIC_RELAXED) >= 0 || session->worker->leaving;
}

/* ---- the settings ---- */

static const char *value_for(const struct session *session, const struct hint *hint, const char *name)
{
	const char *text = hint_value(hint, name);

	return text ? text : own_value(session, name);
}

static uint64_t duration_of(const struct session *session, const struct hint *hint, const char *name, unsigned initial_ms)
{
	const char *text = value_for(session, hint, name);
	uint64_t us = initial_ms * UINT64_C(1000);

	return text && !duration_read(text, &us) ? 0 : us;
}

/* hint: of the statement that asks; or NULL. */
static void read_settings(struct session *session, const struct hint *hint)
{
	const struct policy *policy = session->policy;
	struct reads *reads = session->reads;
	const char *level = value_for(session, hint, OWN_CONSISTENCY), *fallback = value_for(session, hint, OWN_READ_FALLBACK), *user = own_value(session, OWN_USER);
	const char *isolation = own_value(session, "default_transaction_isolation"), *by = value_for(session, hint, OWN_READ_FROM);
	int read_level = level ? own_choice(consistency_names, level) : (int)policy->consistency;
	int read_from = by ? own_choice(read_from_names, by) : (int)policy->read_from;
	int read_fallback = fallback ? own_choice(read_fallback_names, fallback) : (int)policy->read_fallback;
	enum consistency before = reads->level;

	reads->hinted = hint != NULL;
	settings_assign(&reads->settings, session->settings);
	settings_assign(&reads->local, session->local);
	reads->policy = policy;
	/* set_config() may have been given anything: then the primary serves. A standby knows nothing of SERIALIZABLE. */
	reads->level = read_level < 0 ? CONSISTENCY_STRONG : (enum consistency)read_level;
#ifdef NANU_TEST_LEVELS_ARE_EVENTUAL            /* what tests/history must find fault with */
	reads->level = CONSISTENCY_EVENTUAL;
#endif
	reads->by = read_from < 0 ? READ_FROM_PRIMARY : (enum read_from)read_from;
	/* Where strong reads are the replicas', nobody's are the primary's. */
	reads->primary = (isolation && strcasecmp(isolation, "serializable") == 0) || read_level < 0 ||
			 (reads->level == CONSISTENCY_STRONG ? policy->strong_reads == STRONG_READS_PRIMARY : reads->by == READ_FROM_PRIMARY);
	if (reads->level != before && reads->read_from)         /* at another level several may have shown it what it has */
		memset(reads->read_from, 0, reads->shard_count * sizeof(*reads->read_from));
	reads->max_staleness_us = duration_of(session, hint, OWN_MAX_STALENESS, policy->max_staleness);
	reads->wait_us = duration_of(session, hint, OWN_READ_WAIT, policy->read_wait);
	/* A replica may show a commit before the primary does: strong reads are all the replicas', or all the primary's. */
	reads->or_fails = read_fallback != READ_FALLBACK_PRIMARY || reads->level == CONSISTENCY_STRONG;
	if (reads->level == CONSISTENCY_STRONG && reads->wait_us < READS_SURE_US_MAX)
		reads->wait_us = READS_SURE_US_MAX;
	reads->user_wrote_us = user && user[0] ? user_place(session->database_name, user) : NULL;
	reads_token_read(session);
}

void reads_make(struct session *session)
{
	session->reads = mem_calloc(1, sizeof(*session->reads));
	session->reads->session = session;
	reads_again_init(session->reads);
	session->reads->wrote_us = session->reads->read_us = reads_now_us();  /* nobody knows what it did until now */
}

void reads_begin(struct session *session)
{
	const struct policy *policy = session->policy;

	if (session->reads)
		session->reads->policy = NULL;  /* it is read anew */
	else if (policy->consistency != CONSISTENCY_STRONG || policy->strong_reads != STRONG_READS_PRIMARY || own_value(session, OWN_CONSISTENCY) ||
		 own_value(session, OWN_TOKEN) || own_value(session, OWN_USER))
		reads_make(session);
}

void reads_free(struct session *session)
{
	struct reads *reads = session->reads;

	if (!reads)
		return;
	samples_forget(session);
	settings_unref(reads->settings);
	settings_unref(reads->local);
	buf_release(&reads->held);
	mem_free(reads->read_from);
	mem_free(reads->token_us);
	mem_free(reads->token);
	mem_free(reads);
}

/* The settings, or the policy, are others than those the level was read of. */
static bool is_outdated(const struct session *session)
{
	const struct reads *reads = session->reads;

	return reads->settings != session->settings || reads->local != session->local || reads->policy != session->policy;
}

/* ---- which node ---- */

static void make_room(struct session *session)
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

static const struct shard_replicas *replicas_of(const struct session *session, int shard)
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
	const struct shard_replicas *replicas = replicas_of(session, shard);
	const struct worker *worker = session->worker;
	struct need need = need_of(session, shard);
	uint64_t last = session->reads->read_from[shard], at_us = reads_now_us(), incarnations[NODES_MAX];
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

int reads_node(struct session *session, int shard, int primary)
{
	struct reads *reads = session->reads;
	int node = -1;

	make_room(session);
	if (reads->may && reads->asked_in == session->segment)
		node = pick(session, shard, &reads->read_from[shard]);
	reads->may &= reads->fans;
	if (node < 0 || !reads_ask(session, node, reads_now_us())) {
		reads->read_from[shard] = 0;
		return primary;
	}
	session->worker->read_turn++;
	session->worker->counters.replica_reads++;
	return node;
}

static bool any_fit(const struct session *session, int shard)
{
	const struct shard_replicas *replicas = replicas_of(session, shard);
	uint64_t at_us = reads_now_us();

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

/* One replica or more will be looked at anew: 0. Enough was waited: 1, or an error where the primary is not to serve. */
static int wait_for_replica_now(struct session *session, int shard, struct err *err)
{
	struct reads *reads = session->reads;
	const struct shard_replicas *replicas = replicas_of(session, shard);
	uint64_t incarnation, at_us;
	struct need need;

	if (!replicas->turn_count || pick(session, shard, &incarnation) >= 0)
		return 1;
	at_us = reads_now_us();
	if (at_us < reads->asked_us + reads->wait_us && any_fit(session, shard)) {
		need = need_of(session, shard);
		if (need.as_of_us < need.shown_us)
			need.as_of_us = need.shown_us;
		return reads_await(session, shard, need.as_of_us, reads->asked_us + reads->wait_us, err);
	}
	if (!reads->or_fails)
		return 1;
	err_set(err, ERR_NOT_NOW, "no replica of shard \"%s\" can serve this read at consistency %s",
		session->snapshot->topology->shards[session_database(session)->shards[shard]].name, consistency_names[reads->level]);
	err_detail(err, "It was waited for %u ms.", (unsigned)(reads->wait_us / 1000));
	err_hint(err, reads->level == CONSISTENCY_STRONG ? "Try again, or have strong_reads be the primary's; SELECT * FROM nanu.replication tells of the replicas." :
							  "Try again, or set nanu.read_wait higher, or nanu.read_fallback to primary; SELECT * FROM nanu.replication tells of the replicas.");
	return err->code;
}

static inline int wait_for_replica(struct session *session, int shard, struct err *err)
{
	return session->reads->wait_us || session->reads->or_fails ? wait_for_replica_now(session, shard, err) : 1;
}

/* A transaction block stays with the replica that served its first read on the shard: what that lacks by now is waited for. */
static int wait_for_leg(struct session *session, const struct leg *leg, int shard, struct err *err)
{
	const struct reads *reads = session->reads;
	struct node_seen seen = node_status_read(leg->replica);
	uint64_t until_us = reads->asked_us + (reads->wait_us > READS_SURE_US_MAX ? reads->wait_us : READS_SURE_US_MAX);
	struct need need = need_of(session, shard);

	if (seen.as_of_us >= need.as_of_us)
		return 1;
	if (reads_now_us() < until_us)
		return reads_await(session, shard, need.as_of_us, until_us, err);
	err_set(err, ERR_NOT_NOW, "the replica of shard \"%s\" that serves this transaction cannot serve this read at consistency %s",
		session->snapshot->topology->shards[session_database(session)->shards[shard]].name, consistency_names[reads->level]);
	err_detail(err, "It was waited for %u ms.", (unsigned)((until_us - reads->asked_us) / 1000));
	err_hint(err, "Try again; SELECT * FROM nanu.replication tells of the replicas.");
	return err->code;
}

/* Within a block; `leg`: of the shard, or NULL. */
static int wait_in_tx(struct session *session, const struct leg *leg, int shard, struct err *err)
{
	int rc = 1;

	if (!session->reads->may)
		return 1;
	if (session->reads->token && session->reads->level >= CONSISTENCY_MONOTONIC)
		rc = reads_token_resolve(session, shard, err);
	if (rc <= 0)
		return rc;
	if (!leg)
		return wait_for_replica(session, shard, err);
	return leg->replica && leg->state != LEG_LOST ? wait_for_leg(session, leg, shard, err) : 1;
}

void reads_ask_now(struct session *session)
{
	struct reads *reads = session->reads;

	if (is_outdated(session))
		read_settings(session, NULL);
	make_room(session);
	if (reads->asked_in == session->segment)
		return;
	reads->asked_in = session->segment;
	reads->asked_us = reads_now_us();
}

/* ---- a statement ---- */

static bool only_reads(const struct session *session, const struct plan *plan)
{
	bool there = session->side == SIDE_REPLICA;

	for (size_t i = 0; i < plan->shapes.count; i++)
		if (!(there ? plan->items[i].reads_there : plan->items[i].reads))
			return false;
	return plan->shapes.count > 0;
}

static bool may_write(const struct plan *plan)
{
	for (size_t i = 0; i < plan->shapes.count; i++) {
		switch (plan->shapes.items[i].kind) {
		case STMT_EMPTY:
		case STMT_BEGIN:
		case STMT_COMMIT:
		case STMT_ROLLBACK:
		case STMT_SAVEPOINT:
		case STMT_RELEASE:
		case STMT_ROLLBACK_TO:
		case STMT_SET:
		case STMT_RESET:
		case STMT_SHOW:
		case STMT_SET_TRANSACTION:
			break;
		default:
			if (!plan->items[i].reads)
				return true;
		}
	}
	return false;
}

/* A segment goes to a replica as a whole: a query, or one statement that is parsed at most, and what uses it or others that read. */
static bool segment_reads(struct session *session, const struct hint *hint)
{
	const struct unit *now = &session->units[session->unit_at];
	struct slice parsed = { 0 };
	struct cursor cursor;

	if (now->kind == UNIT_QUERY)
		return true;
	if (now->kind == UNIT_PARSE) {
		cursor = cursor_of(unit_body(session, now));
		parsed = cursor_cstr(&cursor);
	}
	for (const struct unit *unit = now + 1; unit < session->units + session->unit_count; unit++) {
		const struct prepared *prepared;
		struct slice name;

		if (unit->kind == UNIT_PARSE || unit->left)
			return false;
		if (unit->kind != UNIT_BIND)
			continue;
		cursor = cursor_of(unit_body(session, unit));
		cursor_cstr(&cursor);
		name = cursor_cstr(&cursor);
		if (parsed.data && slice_eq(name, parsed))
			continue;
		prepared = prepared_find(session, name);
		if (!prepared || !only_reads(session, prepared->plan) || prepared->plan->hint != hint)
			return false;
	}
	return session->units[session->unit_count - 1].kind == UNIT_SYNC;
}

/* What only the primary can do follows what a replica was asked for. */
static bool leave(struct session *session, struct leg *leg)
{
	if (session->answer_count && leg == session->current) {
		units_flush(session);
		return false;
	}
	if (leg->state != LEG_READY)
		return false;
	if (leg->needs_sync) {
		leg_sync_hidden(leg);
		return false;
	}
	leg_release(leg, true);
	return true;
}

int reads_hint_check(struct session *session, const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->shapes.count; i++)
		if (plan->items[i].kind == ROUTE_REFUSED) {
			*err = plan->items[i].refusal;
			return err->code;
		}
	for (size_t i = 0; i < plan->hint->count; i++) {
		int rc = own_check_one(session, plan->hint->names[i], plan->hint->values[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What cannot be granted to one statement by itself. */
static int check_hint_here(const struct session *session, const struct hint *hint, struct err *err)
{
	const struct reads *reads = session->reads;
	const char *by = hint_value(hint, OWN_READ_FROM);

	if (hint && hint->count && session->tx_status == 'T' && reads->in_tx) {
		err_set(err, ERR_TX_STATE, "a hint cannot change what a transaction block that reads from a replica may see");
		err_hint(err, "SET what is to hold before BEGIN READ ONLY, or leave READ ONLY out.");
		return err->code;
	}
	if (by && own_choice(read_from_names, by) == READ_FROM_PRIMARY && reads->level == CONSISTENCY_STRONG && !reads->primary) {
		err_set(err, ERR_INVALID_VALUE, "strong reads of this database are the replicas' (strong_reads): one cannot be the primary's");
		err_hint(err, "The primary may not show yet what a replica has shown: choose another consistency.");
		return err->code;
	}
	return 0;
}

/* A statement asks for its legs: 1; or why its hint cannot be granted. */
static int take_question(struct session *session, const struct hint *hint, struct err *err)
{
	if (!session->reads)
		reads_make(session);
	reads_ask_now(session);
	if (!hint && !session->reads->hinted)
		return 1;
	read_settings(session, hint);
	return check_hint_here(session, hint, err) < 0 ? err->code : 1;
}

int reads_choose(struct session *session, const struct plan *plan, int shard, struct err *err)
{
	bool only = only_reads(session, plan);
	struct reads *reads;
	struct leg *leg;
	int rc = take_question(session, plan->hint, err);

	if (rc < 0)
		return rc;
	reads = session->reads;
	reads->wrote |= !only && may_write(plan);
	reads->fans = false;
	leg = leg_find(session, shard);
	if (session->tx_status != 'I') {
		reads->may = reads->in_tx && session->tx_status == 'T';
		return wait_in_tx(session, leg, shard, err);
	}
	reads->may = only && !reads->primary && !session->pins && reads->failed_in != session->segment && !leg && segment_reads(session, plan->hint);
	if (leg && leg->replica && (!only || reads->failed_in == session->segment))
		return leave(session, leg);
	if (reads->token && only && reads->level >= CONSISTENCY_MONOTONIC) {
		rc = reads_token_resolve(session, shard, err);
		if (rc <= 0)
			return rc;
	}
	if (!reads->may)
		return 1;
	reads->unit = session->unit_at + (session->units[session->unit_at].kind == UNIT_PARSE);
	return wait_for_replica(session, shard, err);
}

int reads_choose_all(struct session *session, const struct plan *plan, uint64_t shards, struct err *err)
{
	bool only = only_reads(session, plan), stays;
	struct reads *reads;
	int rc = take_question(session, plan->hint, err);

	if (rc < 0)
		return rc;
	reads = session->reads;
	stays = only && reads->failed_in != session->segment;
	reads->wrote |= !only && may_write(plan);
	reads->fans = true;
	if (session->tx_status != 'I')
		reads->may = reads->in_tx && session->tx_status == 'T';
	else
		reads->may = stays && !reads->primary && !session->pins && segment_reads(session, plan->hint);
	reads->unit = session->unit_at;
	for (int shard = 0; rc > 0 && shards >> shard; shard++) {
		struct leg *leg = leg_find(session, shard);

		if (!(shards >> shard & 1))
			continue;
		if (leg && leg->replica && session->tx_status == 'I' && !stays)
			rc = leave(session, leg);
		else if (reads->token && only && reads->level >= CONSISTENCY_MONOTONIC && session->tx_status == 'I')
			rc = reads_token_resolve(session, shard, err);
		if (rc > 0 && session->tx_status != 'I')
			rc = wait_in_tx(session, leg, shard, err);
		else if (rc > 0 && !leg && reads->may)
			rc = wait_for_replica(session, shard, err);
	}
	return rc;
}

void reads_wrote(struct session *session, const struct plan *plan)
{
	if (session->reads)
		session->reads->wrote |= !plan || may_write(plan);
}

void reads_begin_tx(struct session *session, const struct shape *shape)
{
	struct reads *reads = session->reads;

	if (!reads)
		return;
	if (is_outdated(session))
		read_settings(session, NULL);
	reads->in_tx = shape && plan_reads_block(shape) && !reads->primary && !session->pins;
}

/* The rest of the segment is the primary's. */
void reads_turn_to_primary(struct session *session)
{
	session->reads->failed_in = session->segment;
	session->reads->may = session->reads->in_tx = false;
}

void reads_give_up(struct session *session, const struct leg *leg)
{
	if (!leg->refused)              /* by what the session has set */
		reads_put_aside(session, leg);
	reads_turn_to_primary(session);
}

/* That replicas have it is looked for before the session reads again. */
static void demand(const struct session *session, uint64_t as_of_us)
{
	LIST_EACH(&session->legs, node) {
		const struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (replicas_of(session, leg->shard)->count)
			node_status_demand(reads_primary(session, leg->shard), as_of_us, as_of_us + WRITTEN_US);
	}
}

void reads_ready(struct session *session)
{
	struct reads *reads = session->reads;
	bool wrote;

	if (!reads)
		return;
	wrote = reads->wrote;
	reads->read_us = reads_now_us();
	if (wrote)
		reads->wrote_us = reads->read_us;
	reads->wrote = reads->in_tx = false;
	if (wrote && reads->user_wrote_us)
		user_wrote(reads->user_wrote_us, reads->read_us);
	if ((wrote && reads->level >= CONSISTENCY_READ_YOUR_WRITES && reads->level <= CONSISTENCY_CAUSAL) || reads->level == CONSISTENCY_CAUSAL)
		demand(session, reads->read_us);
}

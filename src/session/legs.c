/* legs: backends borrowed for a session's statement or transaction, made to carry what the session carries, and given back.
 *
 *            lent             set-up answered                     the transaction is over
 *  WAITING ────────▶ SETTING_UP ───────────────▶ READY ◀──▶ … ──────────────────────────▶ (released)
 *     └──────────────────┴────── pool or node failed ──────▶ LOST
 */
#include "base/mem.h"
#include "backend/cancel.h"
#include "base/limits.h"
#include "route/node_load.h"
#include "route/snapshot.h"
#include "session/deadlines.h"
#include "session/primaries.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/units.h"
#include "sql/rewrite.h"

enum { SETUP_SIZE_MAX = 1 << 20 };

struct leg *leg_find(struct session *session, int shard)
{
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->shard == shard)
			return leg;
	}
	return NULL;
}

uint64_t legs_shards(const struct session *session)
{
	uint64_t shards = 0;

	LIST_EACH(&session->legs, node)
		shards |= UINT64_C(1) << CONTAINER_OF(node, struct leg, place)->shard;
	return shards;
}

void leg_send(struct leg *leg, struct slice bytes)
{
	if (__builtin_expect(leg->hedged, false))
		hedge_sent(leg, bytes);
	if (leg->backend)
		backend_send(leg->backend, bytes);
}

/* ---- set-up ---- */

void leg_hide(struct leg *leg, const char *sql)
{
	struct buf out;

	buf_init(&out, SETUP_SIZE_MAX);
	message_query(&out, sql);
	if (leg->hedged)
		hedge_disturbed(leg);
	backend_send(leg->backend, buf_slice(&out));
	buf_release(&out);
	leg->setup_left++;
	leg->state = LEG_SETTING_UP;
	statement_unref(leg->backend->unnamed);         /* a simple query takes the unnamed statement away */
	leg->backend->unnamed = NULL;
}

void leg_sync_hidden(struct leg *leg)
{
	if (leg->hedged)
		hedge_disturbed(leg);
	leg_send(leg, SLICE_LIT("S\0\0\0\4"));
	leg->needs_sync = leg->executed = leg->wrote = false;
	leg->setup_left++;
	leg->state = LEG_SETTING_UP;
	if (!leg->in_tx)
		settings_assign(&leg->base, leg->backend->settings);
}

void leg_roll_back_hidden(struct leg *leg)
{
	leg_hide(leg, "ROLLBACK");
	leg->needs_sync = leg->executed = leg->wrote = false;
	settings_assign(&leg->backend->settings, leg->base);
}

static void expect_close(struct leg *leg, struct statement *closed)
{
	struct answer *answer = answers_push(leg->session, ANSWER_CLOSE);

	answer->hidden = true;
	answer->statement = closed;
	leg->needs_sync = true;
}

void leg_add_copy(struct leg *leg, struct statement *statement, struct buf *out)
{
	struct statement *closed = backend_add_prepared(leg->backend, statement, out);

	if (closed)
		expect_close(leg, closed);
}

void leg_close_copy(struct leg *leg, struct statement *statement)
{
	struct buf out;

	buf_init(&out, 64);
	message_close(&out, 'S', statement->name);
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	expect_close(leg, statement_ref(statement));
	backend_drop_prepared(leg->backend, statement);
}

static void hide_diff(struct leg *leg, const struct settings *from, const struct settings *to)
{
	struct buf sql;

	if (from == to)
		return;
	buf_init(&sql, SETUP_SIZE_MAX);
	settings_diff(from, to, "SELECT", &sql);
	buf_add_u8(&sql, 0);
	if (sql.size > 1)
		leg_hide(leg, sql.data);
	buf_release(&sql);
}

void leg_settings_within(struct leg *leg, const struct settings *from, const struct settings *to)
{
	static const enum answer_kind kinds[] = { ANSWER_PARSE, ANSWER_BIND, ANSWER_EXECUTE };
	struct buf sql, out;
	size_t empty;

	buf_init(&sql, SETUP_SIZE_MAX);
	buf_init(&out, SETUP_SIZE_MAX * 2);
	buf_add_text(&sql, "DO $nanu_settings$BEGIN ");
	empty = sql.size;
	settings_diff(from, to, "PERFORM", &sql);
	if (sql.size > empty) {
		buf_add_text(&sql, "END$nanu_settings$");
		message_parse(&out, "", buf_slice(&sql), NULL, 0);
		buf_add(&out, "B\0\0\0\14\0\0\0\0\0\0\0\0", 13);
		message_execute(&out, "", 0);
		leg_send(leg, buf_slice(&out));
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			answers_push(leg->session, kinds[i])->hidden = true;
		leg->needs_sync = true;
		statement_unref(leg->backend->unnamed);
		leg->backend->unnamed = NULL;
	}
	buf_release(&sql);
	buf_release(&out);
}

static void hide_locals(struct leg *leg, const struct settings *local)
{
	struct buf sql;

	if (!local || !local->count)
		return;
	buf_init(&sql, SETUP_SIZE_MAX);
	for (size_t i = 0; i < local->count; i++)
		settings_add_local(&local->items[i], &sql);
	buf_add_u8(&sql, 0);
	if (sql.size > 1)
		leg_hide(leg, sql.data);
	buf_release(&sql);
}

/* What was set since the transaction began, and its savepoints, each where it stood: a later ROLLBACK TO undoes here what it undoes
 * elsewhere. Nothing else happened on this server meanwhile, so a savepoint made late is the one that would have been made in time. */
static void hide_savepoints(struct leg *leg, const struct session *session)
{
	const struct settings *from = session->committed, *local = NULL;
	struct buf sql;

	buf_init(&sql, SETUP_SIZE_MAX);
	for (size_t i = 0; i < session->savepoint_count; i++) {
		const struct savepoint *savepoint = &session->savepoints[i];

		hide_diff(leg, from, savepoint->settings);
		if (savepoint->local != local)
			hide_locals(leg, savepoint->local);
		from = savepoint->settings;
		local = savepoint->local;
		buf_clear(&sql);
		buf_add_text(&sql, "SAVEPOINT ");
		rewrite_quote_name(slice_of(savepoint->name), &sql);
		buf_add_u8(&sql, 0);
		leg_hide(leg, sql.data);
	}
	buf_release(&sql);
	hide_diff(leg, from, session->settings);
	if (session->local != local)
		hide_locals(leg, session->local);
}

static void hide_begin(struct leg *leg)
{
	struct session *session = leg->session;

	buf_add_u8(&session->tx_begin, 0);
	leg_hide(leg, session->tx_begin.size > 1 ? session->tx_begin.data : "BEGIN");
	session->tx_begin.size--;
}

/* Brings the backend to where the session is: its settings, and its transaction. */
static void set_up(struct leg *leg, bool begin)
{
	struct session *session = leg->session;
	struct backend *backend = leg->backend;
	bool in_tx = session->tx_status == 'T';

	leg->state = LEG_READY;
	if (!in_tx) {
		hide_diff(leg, backend->settings, session->settings);
		settings_assign(&backend->settings, session->settings);
		settings_assign(&leg->base, backend->settings);
		if (begin)
			leg_hide(leg, "BEGIN");
		return;
	}
	/* Late for a transaction: what was set before it, its beginning, what was set in it. */
	hide_diff(leg, backend->settings, session->committed);
	settings_assign(&leg->base, session->committed);
	hide_begin(leg);
	hide_savepoints(leg, session);
	settings_assign(&backend->settings, session->settings);
}

void legs_mended(struct session *session)
{
	if (!session->ready_owed || session->job_pending)
		return;
	session->ready_owed = false;
	effects_ready(session, session->tx_status);
}

int leg_setup_message(struct leg *leg, char type, struct slice body)
{
	struct session *session = leg->session;
	struct buf out;
	bool probed;

	if (!leg->setup_left || type == 'A')
		return 0;
	if (type == 'D' && session->probing)
		carried_probed(session, leg->backend, body);
	if (type == 'E' && !leg->err) {
		struct err err;

		err_set(&err, ERR_WRONG_STATE, "node \"%s\" could not be set up for this session: %.*s", leg->backend->pool->node,
			SLICE_FMT(error_field(body, 'M')));
		if (error_field(body, 'C').size == 5)
			err_sqlstate(&err, error_field(body, 'C').data);
		err_hint(&err, "RESET or SET the setting anew, or use RESET ALL or DISCARD ALL.");
		err_keep(&leg->err, &err);
	}
	if (type != 'Z' || body.size != 1)
		return 1;
	leg->in_tx = body.data[0] != 'I';
	leg->failed = body.data[0] == 'E';
	if (--leg->setup_left)
		return 1;
	probed = session->probing;
	session->probing = false;
	if (probed && !leg->err)
		carried_learned(session, leg);
	if (leg->err) {
		struct backend *backend = leg->backend;

		leg->state = LEG_LOST;
		leg->refused = true;
		leg->backend = NULL;
		backend_close(backend, leg->err);
	} else {
		leg->state = LEG_READY;
		if (session->params && session->state != SESSION_LOGIN) {
			buf_init(&out, SETUP_SIZE_MAX);
			params_tell(session->params, leg->backend->params, &out);
			if (session->state == SESSION_WORKING && out.size)
				session_report(session, leg->backend->params, buf_slice(&out));
			else
				session_write_buf(session, &out);
			buf_release(&out);
			params_assign(&session->params, leg->backend->params);
		}
	}
	if (hedge_is_second(leg)) {
		if (leg->state == LEG_LOST)
			hedge_lost(leg);
		return 1;
	}
	if (session->state == SESSION_LOGIN)
		login_backend(session);
	else
		session_resume(session);
	legs_mended(session);
	if (probed && session->state == SESSION_READY)
		legs_finish(session);
	return 1;
}

/* ---- borrowing ---- */

void leg_lent(struct leg *leg, struct backend *backend)
{
	struct err err;

	/* A server does not go into recovery while it runs: once is enough. */
	if (backend->queries == 1 && !leg->replica && primaries_check_backend(leg->session, backend, leg->shard, &err) < 0) {
		leg->state = LEG_LOST;
		err_keep(&leg->err, &err);
		backend_close(backend, &err);
		return;
	}
	if (!leg->replica)
		leg->session->leaderless_us = 0;
	leg->backend = backend;
	backend->leg = leg;
	set_up(leg, leg->begin);
}

static void wait_done(struct pool_wait *wait, struct backend *backend, const struct err *err)
{
	struct leg *leg = CONTAINER_OF(wait, struct leg, wait);
	struct session *session = leg->session;

	if (backend) {
		leg_lent(leg, backend);
		deadlines_lent(session);
		if (leg->state == LEG_SETTING_UP)
			return;
	} else {
		struct err refusal = *err;

		if (err->code == ERR_NOT_FOUND)
			sequences_refuse(&refusal);
		leg->state = LEG_LOST;
		err_keep(&leg->err, &refusal);
	}
	if (session->state == SESSION_LOGIN)
		login_backend(session);
	else
		session_resume(session);
}

static void leave_node(struct leg *leg)
{
	struct worker *worker = leg->session->worker;
	struct node_load *load = node_status_load(leg->node);
	uint64_t now_us = loop_now_us(worker->loop);

	node_load_end(load, worker->index);
	if (leg->trial && leg->state == LEG_READY)
		reads_worked(leg);
	/* A read that any of them could serve, where somebody wants to know how long that takes. */
	if (leg->since_us && leg->state == LEG_READY && leg->session->reads->by >= READ_FROM_FASTEST)
		node_load_measured(load, worker->index, now_us - leg->since_us, now_us);
	node_status_unref(leg->node);
}

void leg_forget(struct leg *leg)
{
	struct worker *worker = leg->session->worker;

	pool_forget(&leg->wait);
	primaries_forget(leg);
	if (leg->session->current == leg)
		leg->session->current = NULL;
	if (leg->hedged)
		hedge_end(leg);
	if (list_node_linked(&leg->place))
		list_remove(&leg->session->legs, &leg->place);
	settings_unref(leg->base);
	if (leg->node)
		leave_node(leg);
	err_forget(&leg->err);
	if (worker->spare_leg_count < SPARES_MAX)
		worker->spare_legs[worker->spare_leg_count++] = leg;
	else
		mem_free(leg);
}

struct pool *legs_pool_at(struct session *session, int node, bool replica, struct err *err)
{
	const struct topology *topology = session->snapshot->topology;
	struct node_status *status = session->snapshot->statuses[node];
	struct pool *pool;

	if (session->snapshot->addresses[node].size) {
		pool = pools_get(&session->worker->pools, topology->nodes[node].name, topology->nodes[node].host,
				 &session->snapshot->addresses[node], session_database(session)->node_database, session->user);
		pool->replica = replica;
		if (pool->status != status) {
			node_status_unref(pool->status);
			pool->status = node_status_ref(status);
		}
		return pool;
	}
	err_set(err, ERR_CONNECT, "the host name \"%s\" of node \"%s\" cannot be resolved", topology->nodes[node].host, topology->nodes[node].name);
	return NULL;
}

struct pool *legs_pool(struct session *session, int shard, struct err *err)
{
	return legs_pool_at(session, session_shard(session, shard)->primary, false, err);
}

static bool is_urgent(struct pool_wait *wait)
{
	LIST_EACH(&CONTAINER_OF(wait, struct leg, wait)->session->legs, node) {
		const struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->backend && (leg->in_tx || pool_holds(leg->backend->pool)))
			return true;
	}
	return false;
}

/* Where a replica cannot be had, reads_choose() is asked who else serves, and what is waited for first. */
static int borrow_else(struct leg *leg, int rc)
{
	struct session *session = leg->session;
	bool replica = leg->replica != NULL;

	leg_forget(leg);
	if (!replica)
		return rc;
	reads_failed(session, false);
	session_resume(session);
	return 1;
}

struct leg *leg_new(struct session *session, int shard)
{
	struct worker *worker = session->worker;
	struct leg *leg = worker->spare_leg_count ? worker->spare_legs[--worker->spare_leg_count] : mem_alloc(sizeof(*leg));

	*leg = (struct leg){ .session = session, .shard = shard, .state = LEG_WAITING };
	return leg;
}

void leg_count(struct leg *leg, int node, bool replica)
{
	struct worker *worker = leg->session->worker;

	leg->node = node_status_ref(leg->session->snapshot->statuses[node]);
	node_load_begin(node_status_load(leg->node), worker->index);
	leg->since_us = loop_now_us(worker->loop);
	if (replica) {
		leg->replica = leg->node;
		leg->trial = leg->session->reads->trial;
	}
}

/* 0: there is a leg; 1: it is to be asked for anew; or an error. */
static int borrow(struct session *session, int shard, bool begin, struct err *err)
{
	struct worker *worker = session->worker;
	struct backend *backend;
	struct leg *leg;
	struct pool *pool;
	int primary = session_shard(session, shard)->primary, node, rc = reads_node(session, shard, primary, &node, err);

	if (rc > 0)
		session_resume(session);
	if (rc)
		return rc;
	if (session->snapshot != worker->snapshot) {
		rc = primaries_check(session, shard, err);
		if (rc < 0)
			return rc;
	}
	leg = leg_new(session, shard);
	leg->begin = begin;
	if (session->reads)
		leg->choice = session->reads->choice;
	if (node != primary || (session->reads && session->reads->shares && session->reads->may))
		leg_count(leg, node, node != primary);
	list_push_back(&session->legs, &leg->place);
	pool = legs_pool_at(session, node, node != primary, err);
	if (!pool)
		return borrow_else(leg, ERR_CONNECT);
	if (!pool_is_permitted(pool))
		return primaries_await(leg, NULL, err);
	leg->wait = (struct pool_wait){ .holder = &leg_holder, .held_by = session, .settings = session->settings, .done = wait_done,
		.urgent = is_urgent, .owner = session->owner, .backend_wanted = session->backend_wanted };
	rc = pool_acquire(pool, &leg->wait, &backend, err);
	if (rc == ERR_NOT_FOUND)
		rc = sequences_refuse(err);
	if (rc < 0)
		return borrow_else(leg, rc);
	if (leg->replica && session->reads->by == READ_FROM_HEDGED && session->tx_status == 'I')
		hedge_begin(session, leg);
	if (rc > 0)
		leg_lent(leg, backend);
	return 0;
}

/* A SET that was undone, or a RESET to what the start-up packet had, leaves a leg that carries something else than the session. */
static void catch_up(struct leg *leg)
{
	struct session *session = leg->session;

	if (leg->backend->settings == session->settings || leg->failed || (session->current == leg && session->answer_count))
		return;
	if (leg->needs_sync) {
		session->current = leg;
		leg_settings_within(leg, leg->backend->settings, session->settings);
	} else {
		hide_diff(leg, leg->backend->settings, session->settings);
		if (!leg->in_tx)
			settings_assign(&leg->base, session->settings);
	}
	settings_assign(&leg->backend->settings, session->settings);
}

bool legs_mend(struct session *session)
{
	struct leg *leg = session->current;

	if (!leg || !leg->backend || leg->state != LEG_READY || leg->backend->settings == session->settings || session->answer_count)
		return false;
	if (!leg->in_tx && !session->pins && !session->reports.size)
		return false;           /* it goes back to its pool, where its settings are known */
	session_forget_reports(session);
	catch_up(leg);
	return leg->setup_left > 0;
}

/* Sessions that hold one backend while they wait for another could wait for each other. They wait in order of shard, one at a time, and give back
 * what they hold of later shards; only a transaction keeps it. */
static void let_others_go_first(struct session *session, int shard)
{
	struct list_node *node = list_first(&session->legs);

	while (node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		node = list_next(&session->legs, node);
		if (leg->shard < shard || leg->state != LEG_READY || leg->in_tx || leg->executed || session->pins ||
		    (session->answer_count && leg == session->current))
			continue;
		if (leg->needs_sync)
			leg_sync_hidden(leg);   /* then it is given back */
		else
			leg_release(leg, true);
	}
}

int legs_want(struct session *session, uint64_t shards, bool begin, struct err *err)
{
	bool all_ready = true;
	int rc;

	for (int shard = 0; shards >> shard; shard++) {
		struct leg *leg = leg_find(session, shard);

		if (!(shards >> shard & 1))
			continue;
		if (!leg) {
			rc = borrow(session, shard, begin, err);
			if (rc)
				return rc < 0 ? rc : 0;
			leg = leg_find(session, shard);
		} else if (leg->state == LEG_READY) {
			if ((begin || session->tx_status == 'T') && !leg->in_tx) {
				if (session->answer_count) {
					units_flush(session);
					return 0;
				}
				set_up(leg, begin);
			} else {
				catch_up(leg);
			}
		}
		if (leg->state == LEG_LOST) {
			bool replica = leg->replica != NULL;
			bool again = leg->err->code != ERR_CANCELED && (replica || (leg->refused && carried_repair(session)));

			if (replica && again)
				reads_give_up(session, leg);
			if (primaries_may_return(leg)) {
				rc = primaries_await(leg, leg->err, err);
				if (rc == 0)
					let_others_go_first(session, shard);
				return rc;
			}
			*err = *leg->err;
			leg_forget(leg);
			if (!again)
				return err->code;
			rc = replica ? 1 : borrow(session, shard, begin, err);
			if (replica)
				session_resume(session);
			if (rc)
				return rc < 0 ? rc : 0;
			leg = leg_find(session, shard);
		}
		if (leg->state == LEG_WAITING) {
			let_others_go_first(session, shard);
			return 0;
		}
		all_ready &= leg->state == LEG_READY;
	}
	return all_ready;
}

void legs_begin(struct session *session)
{
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->state != LEG_READY || leg->in_tx)
			continue;
		if (leg->wrote)
			session->tx_write_shard = leg->shard;
		if (!leg->needs_sync) {
			set_up(leg, false);
			continue;
		}
		/* It is in a transaction without a block: a query of anything else would commit that. */
		hide_begin(leg);
	}
}

/* ---- giving back ---- */

void leg_end_tx(struct leg *leg, bool committed)
{
	leg->in_tx = leg->failed = leg->answered = leg->bound = leg->looked = false;
	leg->since_us = 0;
	if (!leg->backend)
		return;
	if (committed)
		settings_assign(&leg->base, leg->backend->settings);
	else
		settings_assign(&leg->backend->settings, leg->base);
}

void leg_release(struct leg *leg, bool healthy)
{
	struct backend *backend = leg->backend;
	struct err why;

	leg_forget(leg);
	if (!backend)
		return;
	backend->leg = NULL;
	stream_receive(&backend->stream, true);
	if (healthy) {
		pool_release(backend);
	} else {
		err_set(&why, ERR_WRONG_STATE, "its session ended in the middle of a statement or transaction");
		backend_close(backend, &why);
	}
}

static bool idle(const struct session *session, const struct leg *leg)
{
	return leg->state == LEG_READY && leg->backend && leg->backend->tx_status == 'I' && !leg->needs_sync && !leg->working &&
	       !(session->answer_count && leg == session->current);
}

void legs_discard_others(struct session *session, const struct leg *done)
{
	struct list_node *node = list_first(&session->legs);

	while (node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		node = list_next(&session->legs, node);
		if (leg == done || !leg->backend)
			continue;
		leg->backend->dirty = true;
		if (idle(session, leg))
			leg_release(leg, true);
	}
}

/* Between transactions a session takes the newest topology. */
void session_renew(struct session *session)
{
	struct snapshot *newest = session->worker->snapshot;
	const struct database *database;
	struct err err;

	if (session->snapshot == newest)
		return;
	snapshot_unref(session->snapshot);
	session->snapshot = snapshot_ref(newest);
	database = topology_database(newest->topology, session->database_name);
	session->database = database ? (int)(database - newest->topology->databases) : -1;
	if (!database) {
		err_set(&err, ERR_NO_DATABASE, "database \"%s\" was taken out of the topology", session->database_name);
		session_fatal(session, &err);
	}
}

struct leg *legs_to_probe(const struct session *session)
{
	struct leg *found = NULL;

	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->state == LEG_READY && leg->backend && (!found || (leg->backend->dirty && !found->backend->dirty)))
			found = leg;
	}
	return found;
}

/* What a text of several statements, or listen_show(), had it do: it is listened elsewhere. */
static void stop_listening(struct session *session, struct leg *leg)
{
	if (!leg->listens || leg->state != LEG_READY || !leg->backend || session->pins & PIN_LISTEN)
		return;
	leg->listens = false;
	leg_hide(leg, "UNLISTEN *");
}

void legs_finish(struct session *session)
{
	if (session->tx_status != 'I')
		return;
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->needs_sync)
			return;
	if (!session->flushed)
		portals_clear(session);
	if (session->probe_pins) {
		struct leg *leg = legs_to_probe(session);

		session->probe_pins = false;
		if (leg) {
			session->probing = true;
			stop_listening(session, leg);
			leg_hide(leg, carried_probe_sql);
			return;
		}
	}
	if (session->pins) {
		LIST_EACH(&session->legs, node)
			stop_listening(session, CONTAINER_OF(node, struct leg, place));
		session_renew(session);
		return;
	}
	while (!list_empty(&session->legs)) {
		struct leg *leg = CONTAINER_OF(list_first(&session->legs), struct leg, place);

		leg_release(leg, idle(session, leg));
	}
	session_renew(session);
}

void legs_drop(struct session *session)
{
	while (!list_empty(&session->legs)) {
		struct leg *leg = CONTAINER_OF(list_first(&session->legs), struct leg, place);
		bool healthy = idle(session, leg);

		if (healthy && session->pins)
			leg->backend->dirty = true;
		if (!healthy && leg->backend && leg->backend->state == BACKEND_LENT)
			cancel_send(leg->backend);      /* what runs for nobody should end */
		leg_release(leg, healthy);
	}
}

void leg_end_wait(struct leg *leg, const struct err *why)
{
	pool_forget(&leg->wait);
	primaries_forget(leg);
	leg->session->leaderless_us = 0;
	leg->state = LEG_LOST;
	err_keep(&leg->err, why);
	session_resume(leg->session);
}

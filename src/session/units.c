/* units: one unit of a segment after the other: what it means, where it goes, what is sent.
 *
 * run_*() return 1 when the unit is done with (sent, or answered here), 0 when it waits (for legs, answers, a job) and will be run again, or a
 * negative error, which becomes an ErrorResponse.
 */
#include "session/units.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "route/hint.h"
#include "route/plan_cache.h"
#include "route/snapshot.h"
#include "session/session.h"

enum { REFRESH_US_MIN = 1000000 };

/* ---- planning ---- */

const struct fingerprint *units_fingerprint(struct session *session, struct slice sql)
{
	const struct fingerprint *found;

	if (fingerprint_make(session->worker->fingerprinter, sql, session_standard_strings(session), &found, NULL) < 0)
		return NULL;
	return found;
}

struct plan *units_plan(struct session *session, struct slice sql)
{
	struct plan_context context = session_plan_context(session);

	return plan_cache_get(&session->worker->plans, &context, sql, units_fingerprint(session, sql));
}

int units_route(struct session *session, const struct plan *plan, size_t item, struct slice sql, const struct bind *bind,
		const struct statement *statement, uint64_t *ret_shards, struct err *err)
{
	struct plan_context context = session_plan_context(session);
	struct plan_values values = { .sql = sql, .standard_strings = session_standard_strings(session), .bind = bind,
		.own_encoding = session_own_encoding(session) };
	int rc;

	if (plan->uses_literals)
		values.fingerprint = units_fingerprint(session, sql);
	if (statement) {
		values.param_types = statement->types;
		values.param_type_count = statement->type_count;
	}
	rc = plan_route(&context, &plan->items[item], &values, ret_shards, err);
	return rc == 0 && hint_names_shard(plan->hint) ? hint_route(plan->hint, &plan->items[item], ret_shards, err) : rc;
}

/* On one shard the plan is right without the catalog too, but costs more: then it is not asked for again and again. */
static bool just_refreshed(struct session *session)
{
	struct worker *worker = session->worker;
	uint64_t now_us = loop_now_us(worker->loop);

	if (session_shard_count(session) > 1)
		return false;
	if (worker->refreshed_us && now_us - worker->refreshed_us < REFRESH_US_MIN)
		return true;
	worker->refreshed_us = now_us;
	return false;
}

/* A relation that the catalog does not have may be new: look once before the statement is planned for good. */
int units_fresh(struct session *session, struct plan **plan, struct slice sql)
{
	if (!(*plan)->unknown || session->refreshed_version || session->pins & PIN_TEMPORARY || just_refreshed(session))
		return 1;
	session->refreshed_version = session->snapshot->version + 1;
	local_refresh(session);
	return 0;
}

/* ---- where a statement may go within its transaction ---- */

/* In the transaction under way. */
static bool ran_code(const struct session *session)
{
	const struct leg *leg = session->probe_pins ? legs_to_probe(session) : NULL;

	return leg && leg->backend->dirty;
}

bool units_mid_segment(const struct session *session)
{
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->needs_sync)
			return true;
	return session->answer_count > 0;
}

/* SHOW and SET do not look, say. */
static uint64_t shards_looked(const struct session *session)
{
	uint64_t shards = 0;

	LIST_EACH(&session->legs, node) {
		const struct leg *leg = CONTAINER_OF(node, struct leg, place);

		shards |= leg->looked ? UINT64_C(1) << leg->shard : 0;
	}
	return shards;
}

/* Adds the shards of one statement to the transaction; refuses what a transaction may not touch. */
int units_join(struct session *session, uint64_t shards, const struct plan_item *item, struct err *err)
{
	uint64_t have = legs_shards(session), other = have & ~shards;
	uint64_t looked = session->tx_snapshot ? shards_looked(session) : 0;
	bool in_tx = session->tx_status == 'T';
	int shard = __builtin_ctzll(shards);

	if (item->kind != ROUTE_ANY && session_shard_count(session) > 1 && session->tx_status != 'I' &&
	    session->snapshot->topology->epoch != session->worker->snapshot->topology->epoch) {
		err_set(err, ERR_CONFLICT, "the topology changed during the transaction");
		err_hint(err, "Roll back and run the transaction again.");
		return err->code;
	}
	if (session->pins & PIN_SETTINGS && item->kind != ROUTE_ANY && (have | shards) & ((have | shards) - 1)) {
		err_set(err, ERR_UNSUPPORTED, "a session that has set what the router cannot follow cannot touch a second shard");
		err_detail(err, "SET of a setting by its name, and set_config() with constants, are known to the router.");
		err_hint(err, "DISCARD ALL, or name one shard key in all its statements.");
		return err->code;
	}
	/* Between Parse and Sync there is a transaction too. */
	LIST_EACH(&session->legs, node)
		in_tx |= CONTAINER_OF(node, struct leg, place)->needs_sync;
	if (session->tx_status == 'E' || (!in_tx && !(session->unit_count > 1)))
		return 0;
	if (session->tx_status == 'I' && session->local && item->kind != ROUTE_ANY && other) {
		err_set(err, ERR_UNSUPPORTED, "what is set until the end of a transaction holds on one shard without a transaction block");
		err_hint(err, "BEGIN before it.");
		return err->code;
	}
	if (session->tx_snapshot && item->kind != ROUTE_ANY && looked && (shards & ~looked)) {
		err_set(err, ERR_UNSUPPORTED, "a transaction that keeps one snapshot cannot touch a second shard yet");
		err_hint(err, "Use READ COMMITTED, or name one shard key in all its statements.");
		return err->code;
	}
	if ((shards & ~have) && other && ran_code(session)) {
		err_set(err, ERR_UNSUPPORTED, "a transaction in which a function may have changed settings cannot touch a second shard");
		err_hint(err, "Commit first, or name one shard key in all its statements.");
		return err->code;
	}
	if ((shards & ~have) && session->savepoint_count >= SAVEPOINTS_MAX && other) {
		err_set(err, ERR_UNSUPPORTED, "a transaction with %d open savepoints cannot touch a second shard", SAVEPOINTS_MAX);
		err_hint(err, "Release savepoints that are not needed, or name one shard key in all its statements.");
		return err->code;
	}
	if (!item->writes)
		return 0;
	if (session->tx_write_shard >= 0 && (session->tx_write_shard != shard || (shards & (shards - 1)))) {
		err_set(err, ERR_UNSUPPORTED, "this transaction has already written on another shard; writing on a second one is not supported yet");
		err_hint(err, "Commit first, or name one shard key in all writing statements of the transaction.");
		return err->code;
	}
	session->tx_write_shard = shard;
	return 0;
}

/* The leg that a failed transaction's statements go to, to hear it from the server. */
static int failed_shard(const struct session *session)
{
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->failed)
			return CONTAINER_OF(node, struct leg, place)->shard;
	return -1;
}

/* Waits until the leg of `shard` may be sent to: it is there, set up, and nobody else's answers are awaited. */
int units_on(struct session *session, int shard, struct leg **ret_leg, struct err *err)
{
	int failed = failed_shard(session), rc;

	if (session->tx_status == 'E' && failed >= 0)
		shard = failed;         /* the server that failed refuses what follows in its own words */
	if (session->current && session->current->shard != shard && session->answer_count) {
		units_flush(session);
		return 0;
	}
	rc = legs_want(session, UINT64_C(1) << shard, false, err);
	if (rc <= 0)
		return rc;
	*ret_leg = session->current = leg_find(session, shard);
	return 1;
}

/* Has the server answer what it was sent without a Sync. */
void units_flush(struct session *session)
{
	if (session->current && session->current->needs_sync && session->answer_count)
		leg_send(session->current, SLICE_LIT("H\0\0\0\4"));
}

/* Whether a Sync would commit anything there. */
static bool has_part(const struct leg *leg)
{
	return leg->executed && !leg->in_tx && leg->backend && (leg->wrote || leg->backend->settings != leg->base);
}

bool units_end_parts(struct session *session, bool commit)
{
	const struct leg *first = session->current;

	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg == first || !has_part(leg))
			continue;
		if (session->answer_count) {
			units_flush(session);
			return false;
		}
		if (commit && leg->wrote)
			session->current = leg;
	}
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg == session->current || !leg->needs_sync || !leg->backend)
			continue;
		if (!commit && has_part(leg))
			leg_roll_back_hidden(leg);
		else
			leg_sync_hidden(leg);
	}
	return true;
}

/* The shard for what any shard can do: where the session is already, else the home shard. */
int units_any_shard(const struct session *session)
{
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->in_tx)
			return CONTAINER_OF(node, struct leg, place)->shard;
	if (session->current)
		return session->current->shard;
	return list_empty(&session->legs) ? 0 : CONTAINER_OF(list_first(&session->legs), struct leg, place)->shard;
}

/* ---- errors ---- */

void units_fail_server(struct session *session, bool simple)
{
	struct list_node *node = list_first(&session->legs);
	struct leg *leg = NULL;
	struct buf out;

	while (node) {
		struct leg *other = CONTAINER_OF(node, struct leg, place);

		node = list_next(&session->legs, node);
		if (!other->in_tx && !other->needs_sync)
			continue;
		if (!other->in_tx && other->executed && other != session->current) {
			leg_release(other, false);      /* its part of the pipeline, which a Sync would commit */
			continue;
		}
		if (leg)
			return;         /* several legs end together: spread.c */
		leg = other;
	}
	if (!leg || !leg->backend || leg->failed || leg->state != LEG_READY || (session->answer_count && leg != session->current))
		return;
	session->current = leg;
	buf_init(&out, 128);
	message_execute(&out, "statement refused by nanu", 0);
	if (simple)
		buf_add(&out, "S\0\0\0\4", 5);
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	answers_push(session, ANSWER_EXECUTE)->refused = true;
	if (simple)
		answers_push(session, ANSWER_SYNC)->hidden = true;
	else
		leg->needs_sync = true;
}

void units_fail(struct session *session, const struct err *err)
{
	const struct unit *unit = session->unit_at < session->unit_count ? &session->units[session->unit_at] : NULL;
	bool simple = unit && (unit->kind == UNIT_QUERY || unit->kind == UNIT_FUNCTION);
	struct buf out;

	session->worker->counters.errors++;
	session->worker->counters.refused += err->code == ERR_UNSUPPORTED;
	session->failed = true;
	buf_init(&out, STARTUP_SIZE_MAX);
	message_error(&out, "ERROR", err);
	answers_text(session, buf_slice(&out));
	buf_release(&out);
	if (session->tx_status == 'T')
		session->tx_status = 'E';
	units_fail_server(session, simple);
	if (simple)
		effects_ready(session, session->tx_status);
	else
		session->skipping = true;
}

/* The transaction is over, one way or the other, when its end was on the way. */
static bool ending_tx(const struct session *session)
{
	for (size_t i = 0; i < session->answer_count; i++) {
		const struct plan *plan = answers_at(session, i)->plan;

		for (size_t item = 0; plan && item < plan->shapes.count; item++)
			if (plan->items[item].shape->kind == STMT_COMMIT || plan->items[item].shape->kind == STMT_ROLLBACK)
				return true;
	}
	return false;
}

bool units_all_answered(const struct session *session, const struct leg *leg)
{
	const struct answer *only = &session->answers[session->answer_first];

	if (session->answer_count != 1 || session->tx_status != 'I' || session->skipping)
		return false;
	if (only->kind == ANSWER_QUERY)
		return only->plan && only->item > 0 && only->item == only->plan->shapes.count;
	return only->kind == ANSWER_SYNC && !leg->wrote;
}

void units_lost(struct session *session, struct leg *leg, const struct err *err)
{
	bool was_tx = session->tx_status != 'I', ended = ending_tx(session);
	struct answer *head = answers_head(session);
	bool simple = head && head->kind == ANSWER_QUERY, synced = false;
	struct buf out;

	while (session->answer_count) {
		answers_skip_to_sync(session);
		head = answers_head(session);
		synced |= head && head->kind == ANSWER_SYNC;
		if (head)
			answers_pop(session);
	}
	leg->needs_sync = false;
	leg_release(leg, false);
	if (err) {
		session->failed = true;
		session->worker->counters.errors++;
		buf_init(&out, STARTUP_SIZE_MAX);
		message_error(&out, "ERROR", err);
		session_write_buf(session, &out);
		buf_release(&out);
	}
	if (ended)
		session->tx_status = 'I';
	else if (was_tx)
		session->tx_status = 'E';
	if (simple || synced)
		effects_ready(session, session->tx_status);
	else
		session->skipping = true;
	session_resume(session);
}

void units_drop_tx(struct session *session)
{
	struct list_node *node = list_first(&session->legs);

	while (node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		node = list_next(&session->legs, node);
		if (leg->in_tx)
			leg_release(leg, false);
	}
	session->failed = true;
	effects_end_tx(session, false);
	session->tx_status = 'I';
}

void units_check_end(struct session *session, const struct plan *plan, int rc)
{
	if (session->tx_status != 'I' && err_code_retryable(rc) && plan->shapes.count == 1 &&
	    (plan->items[0].shape->kind == STMT_COMMIT || plan->items[0].shape->kind == STMT_ROLLBACK))
		units_drop_tx(session);
}

bool units_tx_lost(const struct session *session)
{
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->in_tx)
			return false;
	return session->tx_status == 'E';
}

int units_abort(struct err *err)
{
	return err_set(err, ERR_TX_ABORTED, "current transaction is aborted, commands ignored until end of transaction block");
}

/* In a failed transaction only its end is listened to. */
int units_aborted(struct session *session, const struct shape *shape, struct err *err)
{
	if (session->tx_status != 'E' || (shape && (shape->kind == STMT_ROLLBACK || shape->kind == STMT_COMMIT ||
						    shape->kind == STMT_PREPARE_TX || (shape->kind == STMT_ROLLBACK_TO && !units_tx_lost(session)))))
		return 0;
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->failed)
			return 0;       /* the server says it in its own words */
	if (err_take(&session->tx_error, err))
		return err->code;
	return units_abort(err);
}

/* ---- the loop ---- */

static bool settled(const struct session *session)
{
	if (session->answer_count || session->fan || session->spread || session->job_pending || session->ready_owed || session->copy_in ||
	    session->copy_left)
		return false;
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->setup_left)
			return false;
	return true;
}

static int run(struct session *session, const struct unit *unit, struct err *err)
{
	int shard = failed_shard(session);

	if (unit->too_large) {
		err_set(err, ERR_LIMIT, "the message is larger than statement_size_max (%u bytes)", session->worker->config->statement_size_max);
		err_hint(err, "Send large values with COPY, or as parameters behind the shard key; or raise statement_size_max.");
		return err->code;
	}
	switch (unit->kind) {
	case UNIT_QUERY:
		return query_run(session, unit, err);
	case UNIT_PARSE:
		return extended_parse(session, unit, err);
	case UNIT_BIND:
		return extended_bind(session, unit, err);
	case UNIT_DESCRIBE:
		return extended_describe(session, unit, err);
	case UNIT_EXECUTE:
		return extended_execute(session, unit, err);
	case UNIT_CLOSE:
		return extended_close(session, unit, err);
	case UNIT_SYNC:
		return extended_sync(session, err);
	case UNIT_FLUSH:
		units_flush(session);
		return 1;
	case UNIT_FUNCTION:
		return query_function(session, unit, shard >= 0 ? shard : 0, err);
	}
	return err_set(err, ERR_INTERNAL, "unknown unit");
}

static void next_unit(struct session *session)
{
	const struct unit *unit = &session->units[session->unit_at];

	if (unit->left && !session->copy_left)
		input_drop(session, unit->left);
	plan_unref(session->planned);
	session->planned = NULL;
	session->as_written = false;
	session->unit_at++;
}

void units_go(struct session *session)
{
	while (session->state == SESSION_WORKING && session->unit_at < session->unit_count) {
		const struct unit *unit = &session->units[session->unit_at];
		struct err err;
		int rc;

		if (session->fan || session->spread || session->job_pending || session->ready_owed || session->probing || session->rewinding ||
		    (session->copy_left && !session->copy_in))
			return;
		if ((session->tx_status == 'I' || (session->tx_status == 'T' && list_empty(&session->legs))) && !units_mid_segment(session) && session->snapshot != session->worker->snapshot)
			session_renew(session);
		if (session->state != SESSION_WORKING)
			return;
		if (session->skipping && unit->kind != UNIT_SYNC) {
			if (unit->kind == UNIT_FLUSH)
				units_flush(session);   /* of what came before the error */
			next_unit(session);
			continue;
		}
		if (err_take(&session->lost_error, &err)) {
			units_fail(session, &err);
			if (unit->kind != UNIT_SYNC)
				next_unit(session);
			continue;
		}
		if (session->settles && session->answer_count && unit->kind != UNIT_SYNC && unit->kind != UNIT_FLUSH) {
			units_flush(session);
			return;
		}
		session->settles = false;
		session->repairs = NULL;
		rc = run(session, unit, &err);
		if (rc == 0)
			return;
		if (session->state != SESSION_WORKING)
			return;
		if (rc < 0)
			units_fail(session, &err);
		next_unit(session);
		session->refreshed_version = 0;
	}
	if (session->state == SESSION_WORKING && settled(session))
		input_done(session);
}

/* spread: one definition, or one end of a transaction, on several legs.
 *
 * The lead leg runs first, so that every session takes its locks in the same order and no deadlock spans shards; then the rest at once. Without a
 * transaction block of the client's, a transaction of our own stands around it and is committed, lead first, when all have succeeded.
 *
 *   LEAD ──▶ REST ──▶ (own transaction) END_LEAD ──▶ END_REST ──▶ done
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/limits.h"
#include "route/snapshot.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/units.h"

enum { SPREAD_SIZE_MAX = 128 << 20, SPREAD_OUT_MAX = 16 << 20 };

enum phase { PHASE_LEAD, PHASE_REST, PHASE_END_LEAD, PHASE_END_REST };

struct spread {
	struct plan *plan;
	char *sql;
	bool extended;
	bool loose;                     /* no transaction around it */
	bool own_tx;
	bool ends_tx;                   /* it is the client's COMMIT or ROLLBACK */
	bool commits;
	enum phase phase;
	struct leg *lead;
	struct buf out;                 /* what the lead said */
	struct buf error;               /* the first ErrorResponse */
	bool failed;
	bool partly;                    /* committed on some legs and not on others */
	char partly_where[256];
	char tag[64];
};

void spread_free(struct spread *spread)
{
	if (!spread)
		return;
	plan_unref(spread->plan);
	mem_free(spread->sql);
	buf_release(&spread->out);
	buf_release(&spread->error);
	mem_free(spread);
}

static void send_text(struct leg *leg, const char *sql)
{
	struct buf out;

	buf_init(&out, SPREAD_SIZE_MAX);
	message_query(&out, sql);
	leg->working = true;
	statement_unref(leg->backend->unnamed);
	leg->backend->unnamed = NULL;
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
}

static bool send_rest(struct session *session, const char *sql, bool only_in_tx)
{
	bool sent = false;

	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg == session->spread->lead || !leg->backend || leg->state != LEG_READY || (only_in_tx && !leg->in_tx))
			continue;
		send_text(leg, sql);
		sent = true;
	}
	return sent;
}

static bool working(const struct session *session)
{
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->working)
			return true;
	return false;
}

static void finish(struct session *session)
{
	struct spread *spread = session->spread;
	bool extended = spread->extended, failed = spread->failed || spread->partly;
	struct err err;

	if (spread->partly) {
		err_set(&err, ERR_UNKNOWN_OUTCOME, "the transaction was committed on some shards and not on others");
		err_detail(&err, "Not known to be committed on: %s", spread->partly_where);
		err_hint(&err, "Compare the shards, and repeat the statements there where they are missing.");
		buf_clear(&spread->error);
		message_error(&spread->error, "ERROR", &err);
	} else if (!failed) {
		session_write_buf(session, &spread->out);
	}
	if (failed) {
		session_write_buf(session, &spread->error);
		session->failed = true;
		session->worker->counters.errors++;
	}
	if (spread->ends_tx || spread->own_tx) {
		LIST_EACH(&session->legs, node)
			CONTAINER_OF(node, struct leg, place)->in_tx = false;
	}
	if (!failed && !spread->ends_tx) {
		for (size_t i = 0; i < spread->plan->shapes.count; i++)
			effects_complete(session, spread->lead, spread->plan, i, slice_of(spread->tag));
		LIST_EACH(&session->legs, node) {
			struct leg *leg = CONTAINER_OF(node, struct leg, place);

			for (size_t i = 0; leg->backend && leg != spread->lead && i < spread->plan->shapes.count; i++)
				leg->backend->pool->statements[spread->plan->items[i].shape->kind]++;
			if (leg->backend && spread->lead && leg->in_tx)
				settings_assign(&leg->backend->settings, spread->lead->backend->settings);
		}
	}
	if (spread->ends_tx) {
		effects_end_tx(session, !failed && strcmp(spread->tag, "COMMIT") == 0);
		reads_end_tx(session);
		session->tx_status = 'I';
	} else if (failed && session->tx_status == 'T') {
		session->tx_status = 'E';
	} else if (!failed && session->tx_status == 'E') {
		session->tx_status = 'T';       /* ROLLBACK TO SAVEPOINT */
	}
	session->spread = NULL;
	spread_free(spread);
	if (!extended)
		effects_ready(session, session->tx_status);
	else if (failed)
		session->skipping = true;
	session_resume(session);
}

/* The phase that `spread->phase` names is over: what follows? */
static void advance(struct session *session)
{
	struct spread *spread = session->spread;
	const char *end;

	for (;;) {
		if (working(session))
			return;
		end = spread->failed ? "ROLLBACK" : "COMMIT";
		switch (spread->phase) {
		case PHASE_LEAD:
			spread->phase = PHASE_REST;
			if (spread->ends_tx)
				send_rest(session, strcmp(spread->tag, "COMMIT") == 0 ? "COMMIT" : "ROLLBACK", true);
			else if (!spread->failed)
				send_rest(session, spread->sql, false);
			break;
		case PHASE_REST:
			spread->phase = PHASE_END_LEAD;
			if (!spread->own_tx) {
				finish(session);
				return;
			}
			if (spread->lead && spread->lead->in_tx)
				send_text(spread->lead, end);
			break;
		case PHASE_END_LEAD:
			spread->phase = PHASE_END_REST;
			send_rest(session, spread->failed ? "ROLLBACK" : "COMMIT", true);
			break;
		case PHASE_END_REST:
			finish(session);
			return;
		}
	}
}

int spread_start(struct session *session, struct plan *plan, struct slice sql, bool extended, bool loose, struct err *err)
{
	enum stmt_kind kind = plan->items[0].shape->kind;
	bool ends_tx = kind == STMT_COMMIT || kind == STMT_ROLLBACK;
	bool definition = plan->items[0].kind == ROUTE_ALL || plan->items[0].kind == ROUTE_ALL_LOOSE;
	size_t count = session_shard_count(session);
	uint64_t all = count == SHARDS_MAX ? UINT64_MAX : (UINT64_C(1) << count) - 1;
	struct spread *spread;
	int lead_shard, rc = 1;

	if (session->answer_count) {
		units_flush(session);
		return 0;
	}
	reads_wrote(session, plan);
	for (size_t i = 0; i < plan->shapes.count; i++)
		definition |= plan->items[i].kind == ROUTE_ALL;
	if (loose && session->tx_status != 'I') {
		err_set(err, ERR_TX_STATE, "%s%s cannot run inside a transaction block", stmt_kind_sql(kind),
			plan->items[0].shape->concurrently && kind != STMT_MAINTENANCE ? " … CONCURRENTLY" : "");
		err_hint(err, "It is run on each shard for itself: commit first, and send it by itself.");
		err_sqlstate(err, "25001");
		return err->code;
	}
	if (kind == STMT_LOCK && plan->shapes.count == 1 && session->tx_status == 'I') {
		err_set(err, ERR_TX_STATE, "LOCK TABLE can only be used in transaction blocks");
		err_sqlstate(err, "25P01");
		return err->code;
	}
	if (definition && session->tx_status == 'T' && session->savepoint_count >= SAVEPOINTS_MAX && legs_shards(session) != all) {
		err_set(err, ERR_UNSUPPORTED, "a definition for all shards cannot follow %d open savepoints", SAVEPOINTS_MAX);
		err_hint(err, "Release savepoints that are not needed, or make the definition before them.");
		return err->code;
	}
	if (definition && !ends_tx) {
		rc = reads_primaries(session, all, err);
		rc = rc > 0 ? legs_want(session, all, !loose && session->tx_status == 'I', err) : rc;
	} else if (!ends_tx) {
		rc = legs_want(session, legs_shards(session), false, err);
	}
	if (rc <= 0)
		return rc;
	spread = mem_calloc(1, sizeof(*spread));
	spread->plan = plan_ref(plan);
	spread->sql = mem_strndup(sql.data, sql.size);
	spread->extended = extended;
	spread->loose = loose;
	spread->ends_tx = ends_tx;
	spread->commits = ends_tx && slice_is(sql, "COMMIT");
	spread->own_tx = definition && !loose && session->tx_status == 'I';
	buf_init(&spread->out, SPREAD_OUT_MAX);
	buf_init(&spread->error, REPLY_WHOLE_SIZE_MAX + REPLY_HEADER_SIZE);
	session->spread = spread;
	/* The leg that wrote decides a COMMIT: only there can one fail for what it holds. */
	lead_shard = ends_tx && session->tx_write_shard >= 0 ? session->tx_write_shard : -1;
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (ends_tx && !leg->in_tx)
			continue;
		if (!spread->lead || leg->shard == lead_shard || (lead_shard < 0 && leg->shard < spread->lead->shard))
			spread->lead = leg;
	}
	if (!spread->lead) {
		spread_free(spread);
		session->spread = NULL;
		return err_set(err, ERR_INTERNAL, "no shard to run on");
	}
	send_text(spread->lead, spread->sql);
	return 1;
}

static void note_failure(struct session *session, struct leg *leg, struct slice message)
{
	struct spread *spread = session->spread;
	bool committing = (spread->phase == PHASE_REST && spread->ends_tx && strcmp(spread->tag, "COMMIT") == 0) ||
			  (spread->phase == PHASE_END_REST && !spread->failed);
	size_t used = strlen(spread->partly_where);

	if ((committing && !leg->replica) || (spread->loose && spread->phase == PHASE_REST)) {
		spread->partly = !spread->loose;
		snprintf(spread->partly_where + used, sizeof(spread->partly_where) - used, "%s%s", used ? ", " : "",
			 session_shard(session, leg->shard)->name);
	}
	if (!spread->error.size)
		buf_add_slice(&spread->error, message);
	if (!spread->partly)
		spread->failed = true;
}

int spread_message(struct session *session, struct leg *leg, char type, struct slice body, struct err *err)
{
	struct spread *spread = session->spread;
	struct slice message = slice_make(body.data - FRAME_HEADER_SIZE, body.size + FRAME_HEADER_SIZE);
	bool speaks = leg == spread->lead && spread->phase == PHASE_LEAD;
	struct cursor cursor;
	struct slice tag;

	switch (type) {
	case 'E':
		note_failure(session, leg, message);
		break;
	case 'Z':
		if (body.size != 1)
			return err_set(err, ERR_PROTOCOL, "malformed ReadyForQuery");
		leg->working = false;
		leg->in_tx = body.data[0] != 'I';
		leg->failed = body.data[0] == 'E';
		advance(session);
		break;
	case 'C':
		cursor = cursor_of(body);
		tag = cursor_cstr(&cursor);
		if (spread->ends_tx && slice_is(tag, "COMMIT"))
			settings_assign(&leg->base, leg->backend->settings);    /* however it ends elsewhere */
		if (leg == spread->lead && spread->phase == PHASE_END_LEAD && slice_is(tag, "ROLLBACK"))
			spread->failed = true;
		if (speaks) {
			snprintf(spread->tag, sizeof(spread->tag), "%.*s", SLICE_FMT(tag));
			buf_add_slice(&spread->out, message);
		}
		break;
	case 'N':
		if (speaks)
			buf_add_slice(&spread->out, message);
		break;
	default:
		break;
	}
	return 0;
}

void spread_lost(struct session *session, struct leg *leg, const struct err *why)
{
	struct spread *spread = session->spread;
	bool deciding = spread->ends_tx ? spread->commits && spread->phase == PHASE_LEAD : spread->phase == PHASE_END_LEAD;
	struct err err = *why;
	struct buf message;

	if (leg->working && leg == spread->lead && deciding && !spread->failed) {
		err_set(&err, ERR_UNKNOWN_OUTCOME, "the connection to the node was lost before it answered COMMIT: it is not known whether it was done");
		err_hint(&err, "Read the data to find out, before repeating the transaction.");
	}
	buf_init(&message, STARTUP_SIZE_MAX);
	message_error(&message, "ERROR", &err);
	if (leg->working || spread->own_tx)
		note_failure(session, leg, buf_slice(&message));
	buf_release(&message);
	leg->working = false;
	if (spread->lead == leg)
		spread->lead = NULL;
	leg_release(leg, false);
	advance(session);
}
